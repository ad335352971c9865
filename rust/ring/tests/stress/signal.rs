//! A timer at 2 kHz whose handler logs into the ring, wherever it strikes.

use crate::heap::HeapRing;
use crate::{Tally, load};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

static RING: AtomicPtr<HeapRing> = AtomicPtr::new(ptr::null_mut());
static TALLY: AtomicPtr<Tally> = AtomicPtr::new(ptr::null_mut());
static SEED: AtomicU64 = AtomicU64::new(63 << 48);
static TICKS: AtomicU64 = AtomicU64::new(0);

/// The handler's records.
pub const CALLER: u64 = 63;
const BURST: u32 = 24;
const PERIOD_NS: i64 = 500_000;

/// The running timer; dropped, it is gone, and no handler runs any more.
pub struct Ticking(libc::timer_t);

extern "C" fn tick(_signal: libc::c_int) {
    // SAFETY: null, or leaked for the rest of the process.
    let ring = unsafe { RING.load(Ordering::Acquire).as_ref() };
    // SAFETY: as above.
    let tally = unsafe { TALLY.load(Ordering::Acquire).as_ref() };
    let (Some(ring), Some(tally)) = (ring, tally) else {
        return;
    };
    let tick = TICKS.fetch_add(1, Ordering::Relaxed);
    // Some ticks lap a small ring at whatever instruction they struck.
    for _ in 0..if tick.is_multiple_of(2) { BURST } else { 1 } {
        log(ring, tally);
    }
}

fn log(ring: &HeapRing, tally: &Tally) {
    let seed = SEED.fetch_add(1, Ordering::Relaxed) + 1;
    if let Some(ticket) = load::open(ring, tally, seed, (seed % 30) as usize, CALLER, 0) {
        tally.add(&tally.from_handler);
        if seed.is_multiple_of(2) {
            ring.commit(ticket);
        } else {
            ring.finalize(ticket);
        }
    }
}

/// Starts the timer.
pub fn start(ring: &'static HeapRing, tally: &'static Tally) -> Ticking {
    RING.store(ptr::from_ref(ring).cast_mut(), Ordering::Release);
    TALLY.store(ptr::from_ref(tally).cast_mut(), Ordering::Release);
    // SAFETY: all zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = tick as extern "C" fn(libc::c_int) as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: a valid action; the handler touches atomics only.
    let set = unsafe { libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut()) };
    assert_eq!(set, 0, "sigaction");
    // SAFETY: all zero is a valid sigevent.
    let mut event: libc::sigevent = unsafe { core::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGALRM;
    let mut timer = ptr::null_mut();
    // SAFETY: valid pointers.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
    assert_eq!(made, 0, "timer_create");
    let period = libc::timespec {
        tv_sec: 0,
        tv_nsec: PERIOD_NS,
    };
    let spec = libc::itimerspec {
        it_interval: period,
        it_value: period,
    };
    // SAFETY: the timer was just made.
    let set = unsafe { libc::timer_settime(timer, 0, &raw const spec, ptr::null_mut()) };
    assert_eq!(set, 0, "timer_settime");
    Ticking(timer)
}

/// Keeps the ticks from this thread, until the timer is dropped.
pub fn leave_to_others() {
    mask(libc::SIG_BLOCK);
}

fn mask(how: libc::c_int) {
    // SAFETY: all zero is a valid set.
    let mut set: libc::sigset_t = unsafe { core::mem::zeroed() };
    // SAFETY: a valid set.
    unsafe { libc::sigemptyset(&raw mut set) };
    // SAFETY: as above.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGALRM) };
    // SAFETY: as above.
    let kept = unsafe { libc::pthread_sigmask(how, &raw const set, ptr::null_mut()) };
    assert_eq!(kept, 0, "pthread_sigmask");
}

impl Drop for Ticking {
    fn drop(&mut self) {
        // SAFETY: made by `start`, deleted once.
        unsafe { libc::timer_delete(self.0) };
        mask(libc::SIG_UNBLOCK); // what is pending strikes here
        RING.store(ptr::null_mut(), Ordering::Release);
    }
}
