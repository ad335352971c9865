//! `write(2)` until done. The flags of a descriptor are never changed: a non-blocking one is waited for with `poll`.

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

/// Says a line on stderr, as far as that takes it: what cannot be said is not worth dying for.
pub fn say_on_stderr(line: &str) {
    let bytes = line.as_bytes();
    // SAFETY: valid for reads of its length.
    unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
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
