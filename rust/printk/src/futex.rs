//! Waiting in the kernel for a word to change.

use core::sync::atomic::AtomicU32;

/// Waits as long as the word has this value, at most `timeout_ns`, to be woken by its bits in `who`.
pub fn wait(word: &AtomicU32, value: u32, timeout_ns: Option<u64>, who: u32) {
    // This operation wants to know when, not for how long.
    let end = timeout_ns.map_or(0, |left| {
        crate::stamp::monotonic_nsec().saturating_add(left)
    });
    let time = libc::timespec {
        tv_sec: (end / 1_000_000_000) as libc::time_t,
        tv_nsec: (end % 1_000_000_000) as libc::c_long,
    };
    let timeout = if timeout_ns.is_some() {
        &raw const time
    } else {
        core::ptr::null()
    };
    let operation = libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG;
    let nothing = core::ptr::null::<u32>();
    // SAFETY: the word and the time outlive the call; every outcome (woken, changed, timed out, interrupted) is the same
    // to the caller, who looks again.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            operation,
            value,
            timeout,
            nothing,
            who,
        )
    };
}

/// Wakes at most `count` of those who wait with one of the bits in `who`. How many they were.
pub fn wake(word: &AtomicU32, count: i32, who: u32) -> i64 {
    let operation = libc::FUTEX_WAKE_BITSET | libc::FUTEX_PRIVATE_FLAG;
    let nothing = core::ptr::null::<u32>();
    // SAFETY: the call only uses the word's address.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            operation,
            count,
            nothing,
            nothing,
            who,
        )
    }
}

/// The processor that the calling thread is on at this moment.
pub fn current_cpu() -> u32 {
    let mut cpu: libc::c_uint = 0;
    let nothing = core::ptr::null_mut::<libc::c_void>();
    // SAFETY: writes one number, ours; where it cannot, that stays 0.
    unsafe { libc::syscall(libc::SYS_getcpu, &raw mut cpu, nothing, nothing) };
    cpu
}
