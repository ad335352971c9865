//! A crash at every instruction of a log call: the thread is stepped through it, and at one instruction it goes astray.
//!
//! Bounded here to a few places; with `PR_STEPS=all`, best in a release build, it takes each.

mod fatal;
mod scratch;

use fatal::death;
use scratch::{Scratch, say};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many places are tried unless all are.
const PLACES: u64 = 25;
/// The processor's flag by which it traps after each instruction.
const TRAP: i64 = 0x100;

/// Instructions that are left before the thread goes astray.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// After each instruction.
unsafe extern "C" fn step(
    _signal: libc::c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    if LEFT.fetch_sub(1, Ordering::Relaxed) > 1 {
        return;
    }
    // SAFETY: what the kernel gave.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    registers[libc::REG_RIP as usize] = 0x10; // nothing is there
    registers[libc::REG_EFL as usize] &= !TRAP;
}

/// Runs `work`, and goes astray after so many instructions.
fn stepped(places: u64, work: impl FnOnce()) {
    // SAFETY: plain bits.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = step as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: a handler that may run anywhere.
    let set = unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
    LEFT.store(places, Ordering::Relaxed);
    // SAFETY: sets one flag of the processor's; the red zone is left alone.
    unsafe {
        std::arch::asm!(
            "sub rsp, 128",
            "pushfq",
            "or qword ptr [rsp], 0x100",
            "popfq",
            "add rsp, 128",
        );
    }
    work();
    // SAFETY: clears it.
    unsafe {
        std::arch::asm!(
            "sub rsp, 128",
            "pushfq",
            "and qword ptr [rsp], -257",
            "popfq",
            "add rsp, 128",
        );
    }
}

/// How many instructions a log call takes here.
fn instructions() -> u64 {
    let scratch = Scratch::new();
    let all = u64::MAX / 2;
    let counted = scratch.path("counted");
    let death = death(&scratch, |log| {
        stepped(all, || say(log, 6));
        let used = all - LEFT.load(Ordering::Relaxed);
        std::fs::write(&counted, used.to_string()).expect("written");
    });
    assert_eq!(death.status, 0);
    let counted = std::fs::read_to_string(counted).expect("readable");
    counted.parse().expect("a number")
}

#[test]
fn a_crash_at_any_instruction_of_a_log_call_leaves_a_whole_report() {
    let all = instructions();
    assert!(all > 200, "{all} instructions are no log call");
    let stride = match std::env::var("PR_STEPS").as_deref() {
        Ok("all") => 1,
        _ => (all / PLACES).max(1),
    };
    let mut stored = 0_u64;
    for place in (1..=all).step_by(stride as usize) {
        let scratch = Scratch::new();
        let death = death(&scratch, |log| stepped(place, || say(log, 6)));
        if death.status == 0 && place > all - all / 50 {
            continue; // this call was some instructions shorter than the one that was counted
        }
        let lacks = death.lacks_anything(libc::SIGSEGV, "fatal signal SIGSEGV");
        assert_eq!(lacks, None, "at instruction {place} of {all}");
        assert!(death.text.contains("address 0x0000000000000010"));
        stored += u64::from(death.text.contains("i=6\n"));
    }
    assert!(
        stored > 0,
        "the record is there when its call has stored it"
    );
}
