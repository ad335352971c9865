//! Threads that shall run side by side get a processor each: left to itself, a scheduler now and then begins with both on
//! one, and the first milliseconds are then no contention but turns.

/// Binds the calling thread to the `index`-th of the processors that this process may use, as far as there are so many.
pub(super) fn to(index: usize) {
    let Some(allowed) = allowed() else { return };
    let processors = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: every number is below the size of the set.
    let mut allowed = processors.filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &allowed) });
    if let Some(cpu) = allowed.nth(index) {
        bind(cpu);
    }
}

fn allowed() -> Option<libc::cpu_set_t> {
    // SAFETY: a set of bits, for which zero is the empty one.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: a set of the size that is named; 0 is the calling thread.
    let done = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    (done == 0).then_some(set)
}

fn bind(cpu: usize) {
    // SAFETY: a set of bits, for which zero is the empty one.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel named this number, and its sets are not larger than this one where it has done so.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: a set of the size that is named. Refused, the thread stays where it is: a noisier figure.
    unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
}
