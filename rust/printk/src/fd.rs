//! `write(2)`: until done, for printer threads; or what the descriptor takes now, for everybody who must not wait. The flags
//! of a descriptor are never changed: a non-blocking one is waited for with `poll`.

/// What a write came to: bytes taken, and the error that stopped it, if one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Written {
    /// Bytes that the descriptor took.
    pub bytes: usize,
    /// The error number that ended it early.
    pub errno: Option<i32>,
}

/// Writes all of `bytes`, however many calls it takes, as long as `go_on`. Blocks as long as the descriptor does: for
/// printer threads.
pub fn write_all(fd: libc::c_int, bytes: &[u8], go_on: &dyn Fn() -> bool) -> Written {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..)
        && !rest.is_empty()
        && go_on()
    {
        // SAFETY: `rest` is valid for reads of its length.
        let wrote = unsafe { libc::write(fd, rest.as_ptr().cast(), rest.len()) };
        match wrote {
            1.. => done += wrote as usize,
            0 => {
                return Written {
                    bytes: done,
                    errno: Some(libc::EIO),
                };
            }
            _ => match errno() {
                libc::EINTR => {}
                libc::EAGAIN => wait_writable(fd),
                why => {
                    return Written {
                        bytes: done,
                        errno: Some(why),
                    };
                }
            },
        }
    }
    Written {
        bytes: done,
        errno: None,
    }
}

/// The most bytes that a pipe takes in one piece.
pub const ATOMIC_BYTES: usize = 4096;
/// Between two attempts at what is writable by `poll` and takes nothing.
const PAUSE_NSEC: u64 = 50_000;

/// Writes for somebody who must not wait beyond a deadline. Any context. What may be full must be non-blocking: what `poll`
/// calls writable may be a terminal with room for one byte, or a pipe that another process fills first, and a blocking write
/// waits there for whoever reads.
#[derive(Debug)]
pub struct Timely {
    fd: libc::c_int,
    deadline_ns: u64,
    waits: bool,
    has_begun: bool,
}

impl Timely {
    /// To `fd`, until `deadline_ns` of the monotonic clock.
    pub fn new(fd: libc::c_int, deadline_ns: u64) -> Timely {
        Timely {
            fd,
            deadline_ns,
            waits: true,
            has_begun: false,
        }
    }

    /// The same, and never waits for room.
    pub fn without_waiting(self) -> Timely {
        Timely {
            waits: false,
            ..self
        }
    }

    /// Writes `piece`, or its beginning, once the descriptor takes it. The first one is tried even if it is late.
    pub fn write(&mut self, piece: &[u8]) -> Written {
        let timed_out = Written {
            bytes: 0,
            errno: Some(libc::ETIMEDOUT),
        };
        if core::mem::replace(&mut self.has_begun, true) && self.is_late() {
            return timed_out;
        }
        loop {
            if !is_writable(self.fd, if self.waits { self.deadline_ns } else { 0 }) {
                return timed_out;
            }
            let (wrote, refused) = write_without_signal(self.fd, piece);
            match (wrote, refused) {
                (1.., _) => {
                    return Written {
                        bytes: wrote as usize,
                        errno: None,
                    };
                }
                // Another writer was faster, or a terminal has no room for a whole character. `poll` may say writable for
                // ever.
                (_, Some(libc::EINTR | libc::EAGAIN)) if self.is_late() => return timed_out,
                (_, Some(libc::EINTR)) => {}
                (_, Some(libc::EAGAIN)) if !self.waits => return timed_out,
                (_, Some(libc::EAGAIN)) => pause(),
                (_, why) => {
                    return Written {
                        bytes: 0,
                        errno: why.or(Some(libc::EIO)),
                    };
                }
            }
        }
    }

    fn is_late(&self) -> bool {
        crate::stamp::monotonic_nsec() >= self.deadline_ns
    }
}

/// A moment, in which others may get on.
pub(crate) fn pause() {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: PAUSE_NSEC as libc::c_long,
    };
    // SAFETY: a time of ours for the length of the call; what is left of it is not asked for.
    unsafe { libc::nanosleep(&raw const time, core::ptr::null_mut()) };
}

/// Writes once. The SIGPIPE of a pipe without a reader, which would end a program that has not set it aside, does not reach
/// the thread: it is somebody else's, who only logs.
fn write_without_signal(fd: libc::c_int, piece: &[u8]) -> (isize, Option<i32>) {
    let mut pipe = no_signals();
    // SAFETY: the set is ours.
    unsafe { libc::sigaddset(&raw mut pipe, libc::SIGPIPE) };
    let (mut before, mut pending) = (no_signals(), no_signals());
    // SAFETY: both sets are ours.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before) };
    // SAFETY: the set is ours. One that waits already is the program's own, and goes on waiting.
    unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: `piece` is valid for reads of its length.
    let wrote = unsafe { libc::write(fd, piece.as_ptr().cast(), piece.len()) };
    let refused = (wrote < 0).then(errno);
    // SAFETY: the set is ours.
    let waited = unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) } == 1;
    if refused == Some(libc::EPIPE) && !waited {
        let at_once = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the set and the time are ours; what the signal says is not asked for.
        unsafe {
            libc::sigtimedwait(&raw const pipe, core::ptr::null_mut(), &raw const at_once);
        }
    }
    // SAFETY: the set that was in force before.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, core::ptr::null_mut());
    }
    (wrote, refused)
}

fn no_signals() -> libc::sigset_t {
    // SAFETY: a signal set is plain bits; zero is the empty one.
    unsafe { core::mem::zeroed() }
}

/// Whether `fd` takes bytes, now or before `deadline_ns`. An error counts: the write will name it.
fn is_writable(fd: libc::c_int, deadline_ns: u64) -> bool {
    loop {
        let left = deadline_ns.saturating_sub(crate::stamp::monotonic_nsec());
        let time = libc::timespec {
            tv_sec: (left / 1_000_000_000) as libc::time_t,
            tv_nsec: (left % 1_000_000_000) as libc::c_long,
        };
        let mut wanted = libc::pollfd {
            fd,
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one entry and a time, ours for the length of the call; the signal mask stays.
        let ready = unsafe { libc::ppoll(&raw mut wanted, 1, &raw const time, core::ptr::null()) };
        if ready > 0 {
            return true;
        }
        if left == 0 {
            return false;
        }
    }
}

/// Moves a fresh descriptor away from the numbers of the standard streams: in a process that was started without them it would
/// have one, and whatever is printed would go into its file. Negative, as one that was never open: it has to have another
/// number, and there is none. Any context.
pub fn above_standard(fd: libc::c_int) -> libc::c_int {
    if !(0..=libc::STDERR_FILENO).contains(&fd) {
        return fd;
    }
    // SAFETY: duplicating touches no memory.
    let moved = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1) };
    let why = errno();
    // SAFETY: the caller gave it to us.
    unsafe { libc::close(fd) };
    set_errno(why);
    moved
}

/// What is behind a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Device and inode.
    pub identity: (u64, u64),
    /// It has a name, by which others find what is written.
    pub named: bool,
}

/// What is behind a descriptor; None: it is none.
pub fn target(fd: libc::c_int) -> Option<Target> {
    if fd < 0 {
        return None;
    }
    // SAFETY: plain bits; zero is a value of each.
    let mut about: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: the buffer is ours for the length of the call.
    let known = unsafe { libc::fstat(fd, &raw mut about) } == 0;
    known.then_some(Target {
        identity: (about.st_dev, about.st_ino),
        named: about.st_nlink > 0,
    })
}

/// Device and inode behind a descriptor; None: it is none.
pub fn identity(fd: libc::c_int) -> Option<(u64, u64)> {
    target(fd).map(|target| target.identity)
}

/// The longest that saying a line takes.
const SAY_NSEC: u64 = 100_000_000;

/// Says a line by `fd`, as far as that takes it within a moment: what cannot be said is worth neither waiting for nor dying.
/// Any context. False: not all of it.
pub fn say(fd: libc::c_int, line: &str) -> bool {
    let deadline_ns = crate::stamp::monotonic_nsec().saturating_add(SAY_NSEC);
    let (mut sink, mut rest) = (Timely::new(fd, deadline_ns), line.as_bytes());
    while let Some(piece) = rest.get(..rest.len().min(ATOMIC_BYTES))
        && !piece.is_empty()
    {
        let written = sink.write(piece);
        if written.errno.is_some() {
            return false;
        }
        rest = rest.get(written.bytes..).unwrap_or_default();
    }
    true
}

/// Waits, at most a tenth of a second, until `fd` takes bytes.
fn wait_writable(fd: libc::c_int) {
    let mut wanted = libc::pollfd {
        fd,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one entry, ours for the length of the call.
    unsafe { libc::poll(&raw mut wanted, 1, 100) };
}

/// The calling thread's error number.
pub fn errno() -> i32 {
    // SAFETY: the C library's own location, valid for this thread.
    let at = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *at }
}

/// Sets it.
pub fn set_errno(errno: i32) {
    // SAFETY: as in `errno`.
    let at = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *at = errno };
}
