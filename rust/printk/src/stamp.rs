//! The clocks, through the vDSO where there is one: no system call, and allowed in a signal handler.

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is ours to write, and outlives the call.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return 0;
    }
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

/// Nanoseconds of the monotonic clock, the one of Python's `time.monotonic_ns`.
#[inline]
pub fn monotonic_nsec() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since the epoch.
#[inline]
pub fn wall_nsec() -> u64 {
    read(libc::CLOCK_REALTIME)
}
