//! The half of a console that belongs to this process: the descriptor it writes to, how it writes, and the memory that it
//! renders into. Whoever owns the console (see [`crate::owner`]) may use it, in any context; nobody else.

use crate::emit::{Cursor, Mark, Style, Workspace};
use crate::fd::Target;
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use pr_record::{Format, render};
use pr_ring::{Lpos, Seq};

/// How far a sink can be relied on when everything else is broken; flushes begin with the most reliable.
pub mod class {
    /// Memory, a mapping.
    pub const MEMORY: u32 = 0;
    /// A file.
    pub const FILE: u32 = 1;
    /// A pipe or a terminal: may be full.
    pub const STREAM: u32 = 2;
    /// Takes locks: a network, a Python callable. Never printed on from an emergency, a caller, or a dying process.
    pub const LOCKING: u32 = 3;
    /// How many there are.
    pub const COUNT: u32 = 4;
}

/// The memory that a console works in, given once and kept as long as the port.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The text of a batch.
    pub text: NonNull<[u8]>,
    /// One payload: [`SCRATCH_BYTES`](crate::core::SCRATCH_BYTES).
    pub scratch: NonNull<[u8]>,
    /// The marks of a batch.
    pub marks: NonNull<[Mark]>,
}

/// A batch that was rendered, and how far it was written: whoever owns the console next goes on with it, if nobody has
/// owned it in between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    /// Bytes rendered.
    pub len: usize,
    /// Items rendered.
    pub marks: usize,
    /// Bytes that the sink took.
    pub done: usize,
    /// The item that `done` stands in, or before.
    pub at: usize,
    /// Where the console is when all is written.
    pub end: Cursor,
    /// Where the console stood when that was last told.
    pub seen: Seq,
    /// The acquisition that worked on it last; None: it is nobody's to go on with.
    pub generation: Option<u64>,
}

impl Memory {
    /// The memory to work in.
    ///
    /// # Safety
    /// It is valid, and the caller's alone: of a port, the caller owns its console and is in an unsafe place; of a panic,
    /// the caller is the one thread that panics. Nothing of it is kept beyond that.
    pub(crate) unsafe fn workspace<'b>(mut self) -> Workspace<'b> {
        // SAFETY: the caller's promise.
        let text = unsafe { self.text.as_mut() };
        // SAFETY: as above.
        let scratch = unsafe { self.scratch.as_mut() };
        // SAFETY: as above.
        let marks = unsafe { self.marks.as_mut() };
        Workspace {
            text,
            scratch,
            marks,
        }
    }
}

impl Batch {
    const NONE: Batch = Batch {
        len: 0,
        marks: 0,
        done: 0,
        at: 0,
        end: Cursor {
            seq: Seq(0),
            pos: Lpos(0),
            dropped: 0,
            printed: 0,
        },
        seen: Seq(0),
        generation: None,
    };
}

/// Something was left to the printer.
const LEFT: u32 = 1;
/// The printer is to look at the sink before callers print again.
const STALE: u32 = 2;

/// One console's port.
#[derive(Debug)]
pub struct Port {
    fd: AtomicI32,
    /// What the descriptor meant when it was given: device and inode. An application that closes descriptors which are not
    /// its own must not find log lines in the file that gets the number next.
    device: AtomicU64,
    inode: AtomicU64,
    /// It had a name: what were written after that is gone would be lost.
    named: AtomicBool,
    format: AtomicU32,
    id: AtomicU32,
    class: AtomicU32,
    /// Where callers print: [`LEFT`] and [`STALE`].
    left: AtomicU32,
    memory: Memory,
    batch: UnsafeCell<Batch>,
}

// SAFETY: what is not atomic is touched by the owner of the console alone, between `enter_unsafe` and `exit_unsafe`, and the
// ownership word orders one owner behind the other (M17).
unsafe impl Sync for Port {}
// SAFETY: as above.
unsafe impl Send for Port {}

impl Port {
    /// A port that no console uses yet.
    ///
    /// # Safety
    /// `memory` stays valid as long as the port, and is used by nobody else.
    pub const unsafe fn new(memory: Memory) -> Port {
        Port {
            fd: AtomicI32::new(-1),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
            named: AtomicBool::new(false),
            format: AtomicU32::new(0),
            id: AtomicU32::new(0),
            class: AtomicU32::new(class::LOCKING),
            left: AtomicU32::new(0),
            memory,
            batch: UnsafeCell::new(Batch::NONE),
        }
    }

    /// Makes it the port of a console. Before that is enabled, or by its owner in an unsafe place.
    pub fn assign(&self, style: Style, class: u32) {
        self.format.store(style.format as u32, Ordering::Relaxed);
        self.id.store(style.id, Ordering::Relaxed);
        self.class.store(class, Ordering::Relaxed);
    }

    /// Sets the descriptor that callers write to, which does not block where it may be full; negative: there is none. By the console's
    /// owner in an unsafe place, or before it is enabled. What was broken off goes to the old target alone.
    pub fn set_fd(&self, fd: libc::c_int) {
        let target = crate::fd::target(fd).unwrap_or_default();
        self.device.store(target.identity.0, Ordering::Relaxed);
        self.inode.store(target.identity.1, Ordering::Relaxed);
        self.named.store(target.named, Ordering::Relaxed);
        self.fd.store(fd, Ordering::Relaxed);
    }

    /// The descriptor, if there is one and it still means what it meant.
    pub fn checked_fd(&self) -> Option<libc::c_int> {
        let fd = self.fd.load(Ordering::Relaxed);
        let meant = Target {
            identity: (
                self.device.load(Ordering::Relaxed),
                self.inode.load(Ordering::Relaxed),
            ),
            named: self.named.load(Ordering::Relaxed),
        };
        (fd >= 0 && crate::fd::target(fd) == Some(meant)).then_some(fd)
    }

    /// Device and inode behind the descriptor, as they were when it was given.
    pub fn identity(&self) -> (u64, u64) {
        let (device, inode) = (&self.device, &self.inode);
        (
            device.load(Ordering::Relaxed),
            inode.load(Ordering::Relaxed),
        )
    }

    /// Whether there is a descriptor that may be written to in any context.
    pub fn is_atomic(&self) -> bool {
        self.fd.load(Ordering::Relaxed) >= 0 && self.class() < class::LOCKING
    }

    /// The most bytes that are written at a time. Another process may append to a file: a record is whole there. What may
    /// be full is handed pieces, so that somebody more urgent need not wait long.
    pub fn piece_bytes(&self) -> usize {
        match self.class() {
            class::MEMORY | class::FILE => usize::MAX,
            _ => crate::fd::ATOMIC_BYTES,
        }
    }

    /// How far the sink can be relied on: one of [`class`].
    pub fn class(&self) -> u32 {
        self.class.load(Ordering::Relaxed)
    }

    /// Leaves what there is to the console's printer, which does not look otherwise while callers print. The printer must
    /// be woken after this. False: that was done already, and it has not come to it yet.
    pub fn leave(&self) -> bool {
        self.left.fetch_or(LEFT, Ordering::SeqCst) & LEFT == 0
    }

    /// Callers that print by turns leave it to the printer until that has looked at the sink: it may have another target.
    pub fn set_stale(&self) {
        self.left.fetch_or(STALE, Ordering::SeqCst);
    }

    /// By the printer, before it looks at the sink.
    pub fn clear_stale(&self) {
        self.left.fetch_and(!STALE, Ordering::SeqCst);
    }

    /// Whether something is left to the printer, and it has not come to it yet.
    pub fn has_left(&self) -> bool {
        self.left.load(Ordering::SeqCst) != 0
    }

    /// By the printer, before it looks: whether something was left to it.
    pub fn take_left(&self) -> bool {
        self.left.fetch_and(!LEFT, Ordering::SeqCst) & LEFT != 0
    }

    /// How it writes.
    pub fn style(&self) -> Style {
        let format = self.format.load(Ordering::Relaxed);
        Style {
            format: format_of(format),
            id: self.id.load(Ordering::Relaxed),
        }
    }

    /// The working memory.
    pub(crate) fn memory(&self) -> Memory {
        self.memory
    }

    /// The batch in hand.
    ///
    /// # Safety
    /// The caller owns the console and is in an unsafe place; nothing of it is kept beyond that.
    #[expect(clippy::mut_from_ref, reason = "the ownership word is the lock")]
    pub(crate) unsafe fn batch(&self) -> &mut Batch {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.batch.get() }
    }
}

fn format_of(number: u32) -> Format {
    let mut formats = render::FORMATS.into_iter();
    formats
        .find(|format| *format as u32 == number)
        .unwrap_or(Format::Text)
}
