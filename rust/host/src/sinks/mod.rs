//! Where consoles write. A sink is handed bytes, whole records of them, and never sees the ring.

mod file;
mod stream;

use crate::error::Error;
use pr_printk::fd::Written;
use std::path::PathBuf;

/// Which sink a console writes to: a description, opened when the console is added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SinkSpec {
    /// Descriptor 2, as it is when the console is added.
    Stderr,
    /// Descriptor 1, as it is when the console is added.
    Stdout,
    /// Appends to a file.
    File(PathBuf),
}

/// An open sink. Only the console's printer writes to it.
pub(crate) trait Sink: Send {
    /// Writes whole records, as long as `go_on`. Blocks as long as the target does.
    fn write(&mut self, bytes: &[u8], go_on: &dyn Fn() -> bool) -> Written;

    /// Looks whether the target must be opened anew, and does so. `force`: in any case. True: it is another target now,
    /// which has nothing of what the old one took.
    fn refresh(&mut self, force: bool) -> bool;
}

impl SinkSpec {
    /// The sink's kind in one word.
    pub fn kind(&self) -> &'static str {
        match self {
            SinkSpec::Stderr => "stderr",
            SinkSpec::Stdout => "stdout",
            SinkSpec::File(_) => "file",
        }
    }

    /// What it writes to, for people.
    pub fn target(&self) -> String {
        match self {
            SinkSpec::Stderr => "fd 2".into(),
            SinkSpec::Stdout => "fd 1".into(),
            SinkSpec::File(path) => path.display().to_string(),
        }
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Sink>, Error> {
        match self {
            SinkSpec::Stderr => Ok(Box::new(stream::Stream::duplicate(libc::STDERR_FILENO)?)),
            SinkSpec::Stdout => Ok(Box::new(stream::Stream::duplicate(libc::STDOUT_FILENO)?)),
            SinkSpec::File(path) => Ok(Box::new(file::File::open(path)?)),
        }
    }
}
