//! Where consoles write. A sink is handed bytes, whole records of them, and never sees the ring.

mod aside;
mod descriptor;
mod file;
mod memory;
mod stream;

pub(crate) use descriptor::let_go_after_fork;
pub use memory::{Kept, Memory};
pub use stream::keep_off_stderr;
pub(crate) use stream::say_on_stderr;

use crate::courier::SharedRecordSink;
use crate::error::Error;
use pr_printk::fd::Written;
use pr_printk::port::class;
use std::path::{Path, PathBuf};

/// Which sink a console writes to: a description, opened when the console is added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SinkSpec {
    /// Descriptor 2, as it is when the console is added.
    Stderr,
    /// Descriptor 1, as it is when the console is added.
    Stdout,
    /// Appends to a file.
    File(PathBuf),
    /// Takes whole records instead of bytes.
    Records(SharedRecordSink),
    /// Takes the text that something else makes of whole records.
    Text(Box<SinkSpec>, SharedRecordSink),
}

/// What became of a sink that was to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Refreshed {
    /// Nothing.
    No,
    /// It has the same target by another descriptor.
    Same,
    /// It has another target, which has nothing of what the old one took.
    Another,
}

/// An open sink. Only the console's printer writes to it.
pub(crate) trait Sink: Send + std::fmt::Debug {
    /// Writes whole records, as long as `go_on`. Blocks as long as the target does.
    fn write(&mut self, bytes: &[u8], go_on: &dyn Fn() -> bool) -> Written;

    /// Looks whether the target must be opened anew, and does so. `force`: in any case.
    ///
    /// # Errors
    /// An error number: nothing may be written now.
    fn refresh(&mut self, force: bool) -> Result<Refreshed, i32>;

    /// The descriptor that may be written to in any context, and does not block where the target may be full; None: there
    /// is none.
    fn fd(&self) -> Option<libc::c_int>;

    /// How far it can be relied on: one of [`pr_printk::port::class`].
    fn class(&self) -> u32;

    /// Gives the descriptor up without closing it: somebody who cannot be stopped may be using it.
    fn leave_open(&mut self);
}

impl SinkSpec {
    /// A file, by its path.
    ///
    /// # Errors
    /// No file can have that path.
    pub fn file(path: &Path) -> Result<SinkSpec, Error> {
        Error::if_zero_byte("path", path)?;
        if path.as_os_str().is_empty() {
            return Err(Error::Config(
                "path is \"\": a file sink needs the path of a file".into(),
            ));
        }
        let absolute =
            std::path::absolute(path).map_err(|why| Error::os("the working directory", &why))?;
        Ok(SinkSpec::File(absolute))
    }

    /// The sink's kind in one word.
    pub fn kind(&self) -> &'static str {
        match self {
            SinkSpec::Stderr => "stderr",
            SinkSpec::Stdout => "stdout",
            SinkSpec::File(_) => "file",
            SinkSpec::Records(to) => to.0.kind(),
            SinkSpec::Text(sink, _) => sink.kind(),
        }
    }

    /// What it writes to, for people.
    pub fn target(&self) -> String {
        match self {
            SinkSpec::Stderr => "fd 2".into(),
            SinkSpec::Stdout => "fd 1".into(),
            SinkSpec::File(path) => path.display().to_string(),
            SinkSpec::Records(to) => to.0.target(),
            SinkSpec::Text(sink, _) => sink.target(),
        }
    }

    /// What whole records are handed to, if they are.
    pub fn courier(&self) -> Option<&SharedRecordSink> {
        match self {
            SinkSpec::Records(to) | SinkSpec::Text(_, to) => Some(to),
            SinkSpec::Stderr | SinkSpec::Stdout | SinkSpec::File(_) => None,
        }
    }

    /// Whether bytes are written to it.
    pub fn takes_bytes(&self) -> bool {
        match self {
            SinkSpec::Records(_) => false,
            SinkSpec::Text(sink, _) => sink.takes_bytes(),
            SinkSpec::Stderr | SinkSpec::Stdout | SinkSpec::File(_) => true,
        }
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Sink>, Error> {
        match self {
            SinkSpec::Stderr => Ok(Box::new(stream::Stream::duplicate(libc::STDERR_FILENO)?)),
            SinkSpec::Stdout => Ok(Box::new(stream::Stream::duplicate(libc::STDOUT_FILENO)?)),
            SinkSpec::File(path) => Ok(Box::new(file::File::open(path)?)),
            SinkSpec::Records(_) => Ok(Box::new(Nothing)),
            SinkSpec::Text(sink, _) => sink.open(),
        }
    }
}

/// Where nothing is written.
#[derive(Debug)]
struct Nothing;

impl Sink for Nothing {
    fn write(&mut self, bytes: &[u8], _go_on: &dyn Fn() -> bool) -> Written {
        Written {
            bytes: bytes.len(),
            errno: None,
        }
    }

    fn refresh(&mut self, _force: bool) -> Result<Refreshed, i32> {
        Ok(Refreshed::No)
    }

    fn fd(&self) -> Option<libc::c_int> {
        None
    }

    fn class(&self) -> u32 {
        class::LOCKING
    }

    fn leave_open(&mut self) {}
}
