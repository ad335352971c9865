//! Threads that end at any instruction, for real: a signal's handler leaves by the bare system call, in the middle of whatever
//! the thread was at. Others write, read and reap meanwhile. `crash` does the same step by step, one thread at a time.
#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_types,
    reason = "its counters are no part of a ring"
)]

mod heap;

use heap::HeapRing;
use pr_ring::memory::Memory;
use pr_ring::state::{Query, Stage, State};
use pr_ring::{Caller, DescId, Info, Read, Seq, Ticket, Unfinished};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const REAPER: u64 = u64::MAX;
/// However busy the machine is, something is read by then.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest text.
const LONGEST: usize = 56;

/// What all threads share. Those that die touch nothing else: no allocator, no lock, no standard library.
struct Scene {
    ring: HeapRing,
    stop: AtomicBool,
    bad: AtomicU64,
    delivered: AtomicU64,
}

fn word(seed: u64) -> [u8; 8] {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_ne_bytes()
}

/// The text of the record with this seed: as long as the seed says, and each word of it names the seed.
fn text(seed: u64, buffer: &mut [u8; LONGEST]) -> &[u8] {
    for chunk in buffer.chunks_mut(8) {
        chunk.copy_from_slice(&word(seed)[..chunk.len()]);
    }
    &buffer[..seed as usize % (LONGEST + 1)]
}

fn open(ring: &HeapRing, owner: u64, seed: u64, size: usize) -> Option<Ticket> {
    let info = Info {
        ts_nsec: seed,
        caller_id: owner,
        owner,
        ..Info::default()
    };
    ring.reserve_ticket(size, &info).ok()
}

/// Writes until it is told to stop, or dies: finalized records, committed ones, and such as are reopened.
extern "C" fn write(scene: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: the scene outlives all threads.
    let scene = unsafe { &*scene.cast::<Scene>() };
    // SAFETY: asks for a number.
    let owner = unsafe { libc::syscall(libc::SYS_gettid) } as u64;
    let ring = &scene.ring;
    let mut buffer = [0; LONGEST];
    let mut seed = owner << 32;
    while !scene.stop.load(Ordering::Relaxed) {
        seed += 1;
        let whole = text(seed, &mut buffer);
        let half = if seed.is_multiple_of(3) {
            whole.len() / 2
        } else {
            whole.len()
        };
        let Some(mut ticket) = open(ring, owner, seed, half) else {
            // SAFETY: gives way.
            unsafe { libc::sched_yield() };
            continue;
        };
        ring.fill(&mut ticket, &whole[..half]);
        if seed.is_multiple_of(2) && half == whole.len() {
            ring.finalize(ticket);
            continue;
        }
        ring.commit(ticket);
        let caller = Caller {
            caller_id: owner,
            owner,
        };
        if half < whole.len()
            && let Ok(mut ticket) = ring.reopen_ticket(caller, whole.len() - half, LONGEST)
        {
            ring.write(&mut ticket, half as u64, &whole[half..]);
            ring.commit(ticket);
        }
    }
    std::ptr::null_mut()
}

/// Follows the ring: every record is one that a thread wrote, or the first half of it.
fn read(scene: &Scene) {
    let (mut seq, mut buffer, mut expected) = (0, [0; LONGEST], [0; LONGEST]);
    while !scene.stop.load(Ordering::Relaxed) {
        match scene
            .ring
            .read_valid(Seq(seq), &mut buffer, Unfinished::Wait)
        {
            Read::Found { info, copied, .. } => {
                let whole = text(info.ts_nsec, &mut expected);
                let is_whole = copied == whole.len();
                let is_half = info.ts_nsec.is_multiple_of(3) && copied == whole.len() / 2;
                let fine = (is_whole || is_half) && buffer[..copied] == whole[..copied];
                if !fine || info.torn || info.seq.0 < seq || info.caller_id != info.ts_nsec >> 32 {
                    eprintln!("BAD: {info:?}");
                    scene.bad.fetch_add(1, Ordering::Relaxed);
                }
                seq = info.seq.0 + 1;
                scene.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Read::NotYet { .. } => std::thread::yield_now(),
        }
    }
}

/// Whether the thread that this owner was has ended.
fn is_dead(owner: u64) -> bool {
    let (pid, tid) = (std::process::id() as libc::pid_t, owner as libc::pid_t);
    // SAFETY: signal 0 is sent to nobody.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, 0) != 0 }
}

extern "C" fn die(_signal: libc::c_int) {
    // SAFETY: ends this thread, and cleans nothing up.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

fn start(scene: &Scene) -> libc::pthread_t {
    let mut thread = 0;
    let scene = std::ptr::from_ref(scene).cast_mut().cast();
    // SAFETY: the scene outlives the thread, which is joined.
    let failed = unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), write, scene) };
    assert_eq!(failed, 0);
    thread
}

fn end(thread: libc::pthread_t) {
    // SAFETY: ours, and joined once.
    let failed = unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
    assert_eq!(failed, 0);
}

/// Ends all that goes on, also when an assertion fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kills one writer after another for a while, each at some moment, and until something was read. How many.
fn kill(scene: &Scene, time: Duration) -> u64 {
    let stop = Stop(&scene.stop);
    let began = Instant::now();
    let is_read = || scene.delivered.load(Ordering::Relaxed) > 0 || began.elapsed() > PATIENCE;
    let mut writers = [0; 3].map(|_| start(scene));
    let (mut killed, mut random) = (0_u64, 1_u64);
    while began.elapsed() < time || !is_read() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        std::thread::sleep(Duration::from_micros(random >> 55));
        let writer = &mut writers[killed as usize % 3];
        // SAFETY: ours, and not joined yet.
        assert_eq!(unsafe { libc::pthread_kill(*writer, libc::SIGUSR1) }, 0);
        end(*writer);
        *writer = start(scene);
        killed += 1;
    }
    drop(stop);
    writers.into_iter().for_each(end);
    killed
}

fn everything(desc_bits: u32, avg_data_bits: u32, retire_ahead: u32) {
    let scene = Scene {
        ring: HeapRing::new(desc_bits, avg_data_bits, retire_ahead),
        stop: AtomicBool::new(false),
        bad: AtomicU64::new(0),
        delivered: AtomicU64::new(0),
    };
    let ring = &scene.ring;
    let killed = std::thread::scope(|scope| {
        scope.spawn(|| read(&scene));
        scope.spawn(|| {
            while !scene.stop.load(Ordering::Relaxed) {
                let reaped = ring.reap(REAPER, is_dead);
                assert!(!reaped.busy);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        kill(&scene, Duration::from_millis(400))
    });
    let mut last = ring.reap(REAPER, is_dead);
    // A thread is joined a moment before its number is nobody's.
    let joined = Instant::now();
    while last.living > 0 && joined.elapsed() < PATIENCE {
        std::thread::yield_now();
        last = ring.reap(REAPER, is_dead);
    }
    assert_eq!(
        (last.living, last.busy),
        (0, false),
        "all are dead: {last:?}"
    );
    ring.finalize_last();
    assert_eq!(
        ring.next_seq(),
        ring.next_reserve_seq(),
        "nothing is left behind"
    );
    assert!(
        ring.reaped() <= killed,
        "{} lost of {killed}",
        ring.reaped()
    );
    let newest = ring.memory().head().get().id;
    let mut id = DescId::of(ring.first_seq());
    while id <= newest {
        let state = State(ring.memory().slot(id.0).state.get());
        assert_eq!(state.query(id), Query::Is(Stage::Finalized), "{id:?}");
        id = id.next();
    }
    for more in 0..3 * ring.geometry().descriptors() {
        let ticket = open(ring, 7, 7 << 32 | more, 8).expect("the ring goes on");
        ring.finalize(ticket);
    }
    assert_eq!((scene.bad.load(Ordering::Relaxed), ring.health()), (0, 0));
    assert!(killed > 0 && scene.delivered.load(Ordering::Relaxed) > 0);
}

#[test]
fn threads_that_die_at_any_instruction_cost_at_most_a_record_each() {
    // SAFETY: a handler that does one system call.
    unsafe { libc::signal(libc::SIGUSR1, die as *const () as libc::sighandler_t) };
    for (desc_bits, avg_data_bits, retire_ahead) in [(3, 4, 0), (5, 6, 0), (8, 4, 4)] {
        everything(desc_bits, avg_data_bits, retire_ahead);
    }
}
