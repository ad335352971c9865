//! A descriptor in a process where anybody may close any number, and open another file that gets it.

use super::aside;
use crate::error::Error;
use crate::fork::Listed;
use pr_printk::fd::{Written, write_all};
use pr_printk::port::class;
use std::fs::{File, Metadata};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// Numbers from here on are asked for: a program that closes what it does not know gets the lowest ones for what it opens
/// next, and a write that is on its way at that moment finds no file of its.
const NUMBERS_FROM: libc::c_int = 256;

/// Whose each number is, of those that were taken over here. Who takes over a number that another one still holds here
/// proves that it was closed behind that one's back. A forked child closes them: they are its parent's.
static HOLDERS: Listed<Holders> = Listed::new(Holders {
    last: 0,
    numbers: Vec::new(),
});

#[derive(Debug)]
struct Holders {
    /// The newest holder.
    last: u64,
    numbers: Vec<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    number: libc::c_int,
    holder: u64,
    /// Device and inode; None: of a moment ago, and not known yet.
    identity: Option<(u64, u64)>,
}

impl Holders {
    /// Notes a new holder of `number`.
    fn hold(&mut self, number: libc::c_int) -> u64 {
        self.last += 1;
        let fresh = Held {
            number,
            holder: self.last,
            identity: None,
        };
        match self.numbers.iter_mut().find(|held| held.number == number) {
            Some(held) => *held = fresh,
            None => self.numbers.push(fresh),
        }
        self.last
    }

    fn find(&mut self, number: libc::c_int, holder: u64) -> Option<&mut Held> {
        let mut numbers = self.numbers.iter_mut();
        numbers.find(|held| (held.number, held.holder) == (number, holder))
    }

    fn release(&mut self, number: libc::c_int, holder: u64) {
        let is_it = |held: &Held| (held.number, held.holder) == (number, holder);
        self.numbers.retain(|held| !is_it(held));
    }
}

/// Duplicates `fd` to a number from `from` on, with its holder noted: no fork finds the one without the other.
fn duplicate_held(fd: libc::c_int, from: libc::c_int) -> Option<(libc::c_int, u64)> {
    let mut holders = HOLDERS.lock();
    // SAFETY: duplicating touches no memory.
    let number = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, from) };
    (number >= 0).then(|| (number, holders.hold(number)))
}

fn holds(number: libc::c_int, holder: u64) -> bool {
    HOLDERS.lock().find(number, holder).is_some()
}

/// In a forked child's hook: closes what its parent's consoles write to. They are not there to do it, a pipe that the child
/// holds never ends for its reader, and the child's own consoles open what they need. A number that means something else by
/// now is left alone. Whoever holds one of them here finds that it holds nothing.
///
/// # Safety
/// The lists' lock is held, and no guard lives.
pub(crate) unsafe fn let_go_after_fork() {
    // SAFETY: the caller's promise.
    let holders = unsafe { HOLDERS.held() };
    for held in &holders.numbers {
        let means = pr_printk::fd::identity(held.number);
        if means.is_some() && held.identity.is_none_or(|meant| means == Some(meant)) {
            // SAFETY: this child's copy of a number that nobody here uses any more.
            unsafe { libc::close(held.number) };
        }
    }
    holders.numbers.clear();
}

/// A descriptor that is used, and closed, only as long as it is what it was. Whoever closes it takes nothing but the number:
/// what the number means next is left alone.
#[derive(Debug)]
struct Number {
    file: ManuallyDrop<File>,
    /// Who this is, among [`HOLDERS`].
    holder: u64,
    /// Device and inode.
    identity: Option<(u64, u64)>,
}

impl Number {
    /// Takes a fresh descriptor over.
    fn own(fresh: OwnedFd) -> Number {
        match duplicate_held(fresh.as_raw_fd(), NUMBERS_FROM) {
            Some((number, holder)) => Number::held(number, holder),
            None => {
                let number = fresh.into_raw_fd(); // so many are not allowed
                let holder = HOLDERS.lock().hold(number);
                Number::held(number, holder)
            }
        }
    }

    /// A number that was just taken over.
    fn held(number: libc::c_int, holder: u64) -> Number {
        // SAFETY: a fresh descriptor that nobody else knows.
        let file = unsafe { File::from_raw_fd(number) };
        let identity = file.metadata().ok().as_ref().map(identity_of);
        if let Some(held) = HOLDERS.lock().find(number, holder) {
            held.identity = identity;
        }
        Number {
            file: ManuallyDrop::new(file),
            holder,
            identity,
        }
    }

    fn get(&self) -> libc::c_int {
        self.file.as_raw_fd()
    }

    /// What is behind the number, if it is still what it was.
    fn about(&self) -> Option<Metadata> {
        if !holds(self.get(), self.holder) {
            return None;
        }
        let about = self.file.metadata().ok()?;
        (Some(identity_of(&about)) == self.identity).then_some(about)
    }

    /// Whether the number still means what it meant.
    fn is_intact(&self) -> bool {
        self.identity.is_some()
            && holds(self.get(), self.holder)
            && pr_printk::fd::identity(self.get()) == self.identity
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        if self.identity.is_none() {
            return; // left open; a child closes its copy
        }
        let number = self.get();
        if self.is_intact() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
        // Not before it is closed: a fork in between would leave the child with it.
        HOLDERS.lock().release(number, self.holder);
    }
}

/// A target that is written to by a descriptor, and by another one where the first could hold a caller.
#[derive(Debug)]
pub(super) struct Descriptor {
    number: Number,
    /// An open file description of our own of the same target, which does not block. None: there can be none, or none is
    /// needed.
    aside: Option<Number>,
    /// The sink refused, after it took this much of a file: that ends inside a line.
    broken_at: Option<u64>,
    /// Whoever read it is gone, and has what it had.
    reader_gone: bool,
}

impl Descriptor {
    /// Takes a fresh descriptor over.
    pub(super) fn own(fresh: OwnedFd) -> Descriptor {
        Descriptor::of(Number::own(fresh))
    }

    /// Takes over a duplicate of descriptor `fd`.
    pub(super) fn duplicate(fd: libc::c_int) -> Result<Descriptor, Error> {
        let copy = duplicate_held(fd, NUMBERS_FROM).or_else(|| duplicate_held(fd, 3));
        let (number, holder) = copy.ok_or_else(|| Error::Os {
            what: format!("descriptor {fd} cannot be duplicated for a console"),
            errno: pr_printk::fd::errno(),
        })?;
        Ok(Descriptor::of(Number::held(number, holder)))
    }

    fn of(number: Number) -> Descriptor {
        Descriptor {
            aside: aside::open(number.get()).map(Number::own),
            number,
            broken_at: None,
            reader_gone: false,
        }
    }

    pub(super) fn number(&self) -> libc::c_int {
        self.number.get()
    }

    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        self.number.identity
    }

    fn about(&self) -> Option<Metadata> {
        self.number.about()
    }

    /// The descriptor that a caller may write to, who must not be held; None: there is none.
    pub(super) fn for_callers(&self) -> Option<libc::c_int> {
        match &self.aside {
            Some(aside) => Some(aside.get()),
            None => aside::takes_at_once(&self.about()?).then(|| self.number()),
        }
    }

    /// Whether the number still means what it meant.
    pub(super) fn is_intact(&self) -> bool {
        self.number.is_intact()
    }

    /// Opens what callers write to anew, if somebody has closed it. True: it is another one now, or none.
    pub(super) fn mend(&mut self) -> bool {
        if self.aside.as_ref().is_none_or(Number::is_intact) {
            return false;
        }
        self.aside = aside::open(self.number()).map(Number::own);
        true
    }

    /// Whether what is written is still to be found: by a name, or by whoever reads it.
    pub(super) fn leads_somewhere(&self) -> bool {
        let named = |about: Metadata| !about.is_file() || about.nlink() > 0;
        self.about().is_some_and(named)
    }

    /// Whether who reads it next has nothing of what the one before took: that one is gone, or the file was cut off.
    pub(super) fn begins_anew(&self) -> bool {
        let end = self.about().map_or(0, |about| about.len());
        self.reader_gone || self.broken_at.is_some_and(|broken_at| end < broken_at)
    }

    /// That is seen to.
    pub(super) fn begin_anew(&mut self) {
        (self.reader_gone, self.broken_at) = (false, None);
    }

    /// The same target again, where `before` may have left off inside a line.
    pub(super) fn continue_from(&mut self, before: &Descriptor) {
        self.broken_at = before.broken_at;
    }

    /// How far it can be relied on.
    pub(super) fn class(&self) -> u32 {
        match self.about().map(|about| about.file_type()) {
            Some(kind) if kind.is_file() => class::FILE,
            Some(kind) if kind.is_socket() => class::LOCKING, // a peer decides
            _ => class::STREAM,
        }
    }

    /// Writes as long as `go_on`, and as long as the number means what it meant.
    pub(super) fn write(&mut self, bytes: &[u8], go_on: &dyn Fn() -> bool) -> Written {
        if !self.is_intact() {
            let errno = Some(libc::EBADF);
            return Written { bytes: 0, errno };
        }
        let written = write_all(self.number(), bytes, go_on);
        match written.errno {
            None => self.broken_at = None,
            Some(libc::EPIPE) => self.reader_gone = true,
            Some(_) if written.bytes > 0 => {
                // Of a file that is appended to, the end of what was written.
                // SAFETY: asks for the position.
                let at = unsafe { libc::lseek(self.number(), 0, libc::SEEK_CUR) };
                self.broken_at = u64::try_from(at).ok();
            }
            Some(_) => {}
        }
        written
    }

    /// Gives the number up without closing it: somebody who cannot be stopped may be using it.
    pub(super) fn leave_open(&mut self) {
        self.number.identity = None;
        self.aside
            .iter_mut()
            .for_each(|aside| aside.identity = None);
    }
}

pub(super) fn identity_of(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        let fd = crate::mapping::anonymous::memfd(c"sink").expect("a memfd");
        File::from(fd)
    }

    /// Closes a number as a program does that closes whatever it does not know, and gives it to `other`.
    fn replace(number: libc::c_int, other: &File) {
        // SAFETY: two descriptors; the number's holder expects such things.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
    }

    fn copy_of(file: &File) -> OwnedFd {
        file.try_clone().expect("a duplicate").into()
    }

    #[test]
    fn a_number_that_means_something_else_is_neither_written_to_nor_closed() {
        let (ours, theirs) = (file(), file());
        let mut descriptor = Descriptor::own(copy_of(&ours));
        let number = descriptor.number();
        let written = descriptor.write(b"line\n", &|| true);
        assert_eq!((written.bytes, written.errno), (5, None));
        replace(number, &theirs);
        let written = descriptor.write(b"line\n", &|| true);
        assert_eq!((written.bytes, written.errno), (0, Some(libc::EBADF)));
        drop(descriptor);
        assert_eq!(theirs.metadata().expect("its size").len(), 0);
        assert_eq!(ours.metadata().expect("its size").len(), 5);
        let still = pr_printk::fd::identity(number);
        assert_eq!(still, theirs.metadata().ok().as_ref().map(identity_of));
        // SAFETY: the number that `replace` has made.
        unsafe { libc::close(number) };
    }

    #[test]
    fn a_number_that_a_second_descriptor_of_the_same_file_got_belongs_to_that_one() {
        let file = file();
        let first = Descriptor::own(copy_of(&file));
        let number = first.number();
        // What the second one would be, had the number been closed and been the next.
        assert!(first.is_intact());
        let second = HOLDERS.lock().hold(number);
        assert!(!first.is_intact() && first.about().is_none() && holds(number, second));
        drop(first);
        assert!(pr_printk::fd::identity(number).is_some(), "not closed");
        // SAFETY: the second one's, which is none.
        unsafe { libc::close(number) };
    }

    #[test]
    fn a_dropped_descriptor_is_closed_and_an_abandoned_one_is_not() {
        let file = file();
        let dropped = Descriptor::own(copy_of(&file));
        let mut abandoned = Descriptor::own(copy_of(&file));
        let numbers = (dropped.number(), abandoned.number());
        abandoned.leave_open();
        drop(abandoned);
        assert_eq!(
            pr_printk::fd::identity(numbers.1),
            file.metadata().ok().as_ref().map(identity_of)
        );
        drop(dropped);
        assert_ne!(
            pr_printk::fd::identity(numbers.0),
            file.metadata().ok().as_ref().map(identity_of)
        );
        // SAFETY: nobody's any more.
        unsafe { libc::close(numbers.1) };
    }
}
