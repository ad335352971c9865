//! Who ends a process, and how: the kernel by the very same signal, a child that shares its parent's memory alone, a panic of
//! Rust code not at all.

mod fatal;
mod scratch;

use fatal::{add_dumper, death, fault, send};
use pr_host::crash::rust_panics;
use pr_printk::dumper::{Dumper, Reason, Why};
use pr_printk::fatal as any;
use pr_printk::fatal::previous::{Handler, disposition, put_before, take_back};
use scratch::Scratch;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

const PAGE_BYTES: usize = 4096;

/// A page that nobody may touch yet.
fn closed_page() -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            PAGE_BYTES,
            libc::PROT_NONE,
            flags,
            -1,
            0,
        )
    };
    assert_ne!(page, libc::MAP_FAILED);
    page.cast()
}

#[test]
fn a_fault_that_would_not_come_again_ends_the_process_all_the_same() {
    static PAGE: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
    // As another thread may, which maps what was not there.
    unsafe fn opens(_: *const (), _: &Why<'_>) -> bool {
        let page = PAGE.load(Ordering::SeqCst).cast();
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a page of this test's.
        unsafe { libc::mprotect(page, PAGE_BYTES, access) == 0 }
    }
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        PAGE.store(closed_page(), Ordering::SeqCst);
        add_dumper(log, opens);
        // SAFETY: none; this is how the child dies.
        unsafe { PAGE.load(Ordering::SeqCst).read_volatile() };
    });
    let lacks = death.lacks_anything(libc::SIGSEGV, "fatal signal SIGSEGV");
    assert_eq!(lacks, None);
    assert!(death.text.contains("SEGV_ACCERR"), "{}", death.text);
}

#[test]
fn a_child_that_shares_its_parents_memory_tells_nothing_of_its_crash_there() {
    extern "C" fn crashes(_: *mut libc::c_void) -> libc::c_int {
        fault();
        0
    }
    let scratch = Scratch::new();
    let parent = death(&scratch, |log| {
        let mut stack = vec![0_u128; 16 << 10];
        let top = stack.as_mut_ptr_range().end;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD; // as `vfork`
        // SAFETY: a stack of its own, which stays until the child has ended.
        let child = unsafe { libc::clone(crashes, top.cast(), flags, std::ptr::null_mut()) };
        assert!(child > 0, "no process");
        let mut status = 0;
        // SAFETY: the status is ours.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV);
        let own = scratch.path(&format!("a.ring.crash-{child}-1.txt"));
        assert!(!own.exists(), "its logs are its parent's");
        scratch::say(log, 6);
        send(libc::SIGFPE);
    });
    let lacks = parent.lacks_anything(libc::SIGFPE, "fatal signal SIGFPE");
    assert_eq!(lacks, None, "the parent's own end is told as ever");
    assert!(parent.text.contains("i=6\n"), "and nobody shut its log");
    assert!(!parent.text.contains("SIGSEGV"), "{}", parent.text);
}

#[test]
fn what_a_signal_interrupts_goes_on_as_it_would_have_without_us() {
    unsafe extern "C" fn theirs(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}
    unsafe extern "C" fn ours(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}
    let scratch = Scratch::new();
    let done = death(&scratch, |_| {
        let signal = libc::SIGUSR1;
        for (handler, flags, restarts) in [
            (libc::SIG_DFL, 0, true),
            (libc::SIG_IGN, 0, true),
            (theirs as Handler as usize, libc::SA_RESTART, true),
            (theirs as Handler as usize, 0, false),
        ] {
            // SAFETY: plain bits.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = handler;
            action.sa_flags = libc::SA_SIGINFO | flags;
            // SAFETY: a handler that may run anywhere.
            unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
            assert!(put_before(signal, ours));
            let put = disposition(signal).expect("one").sa_flags & libc::SA_RESTART != 0;
            assert_eq!(put, restarts, "{handler:#x} {flags:#x}");
            take_back(signal, ours);
            assert_eq!(disposition(signal).expect("one").sa_sigaction, handler);
        }
    });
    assert_eq!(done.status, 0);
}

#[test]
fn a_panic_of_rust_code_is_a_record_and_an_oops_and_no_end() {
    static OOPSES: AtomicU32 = AtomicU32::new(0);
    unsafe fn notes(_: *const (), why: &Why<'_>) -> bool {
        let is_it = why.reason == Reason::Oops && why.detail == Some("lost its way");
        OOPSES.fetch_add(if is_it { 1 } else { 100 }, Ordering::SeqCst);
        true
    }
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        rust_panics::watch();
        rust_panics::watch(); // twice is once
        let dumper = Box::leak(Box::new(Dumper {
            max_reason: Reason::Oops,
            always: false,
            preserves: false,
            any_context: true,
            call: notes,
            data: std::ptr::null(),
        }));
        // SAFETY: it stays for good, and has no data.
        let ticket = unsafe { log.core().dumpers().register(dumper) };
        let ticket = ticket.expect("room");
        let thread = std::thread::Builder::new().name("walker".into());
        let thread = thread.spawn(|| panic!("lost its {}", "way"));
        assert!(thread.expect("a thread").join().is_err());
        assert_eq!(OOPSES.load(Ordering::SeqCst), 1);
        assert_eq!(any::survived(), 0);
        OOPSES.store(0, Ordering::SeqCst);
        for number in 1..=2 {
            let _ = std::panic::catch_unwind(|| panic!("lost its way"));
            assert_eq!(
                OOPSES.load(Ordering::SeqCst),
                number,
                "and those that are caught"
            );
        }
        log.core().dumpers().unregister(ticket);
        send(libc::SIGILL);
    });
    let lacks = death.lacks_anything(libc::SIGILL, "fatal signal SIGILL");
    assert_eq!(lacks, None);
    let told = "printk_ring: panic in native code panic=\"lost its way\" at=rust/host/tests/fatal_ends.rs:";
    assert_eq!(death.text.matches(told).count(), 3, "{}", death.text);
    assert!(death.text.contains(" thread=walker\n"), "{}", death.text);
}
