//! What a process leaves that dies of a signal: in whatever it is, and in the middle of dying.

mod fatal;
mod scratch;

use fatal::{add_dumper, death, fault, send};
use pr_host::crash::report;
use pr_host::{Log, Overflow};
use pr_printk::dumper::Why;
use pr_printk::fatal as any;
use pr_record::Payload;
use scratch::{PATIENCE, Scratch, flush, say};
use std::fs::OpenOptions;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

const SEGV: (libc::c_int, &str) = (libc::SIGSEGV, "fatal signal SIGSEGV");
const BUS: (libc::c_int, &str) = (libc::SIGBUS, "fatal signal SIGBUS");

#[test]
fn every_fatal_signal_leaves_a_report_and_ends_the_process_as_itself() {
    for (signal, name) in [
        SEGV,
        BUS,
        (libc::SIGFPE, "fatal signal SIGFPE"),
        (libc::SIGILL, "fatal signal SIGILL"),
        (libc::SIGABRT, "fatal signal SIGABRT"),
    ] {
        let scratch = Scratch::new();
        let death = death(&scratch, |_| send(signal));
        assert_eq!(death.lacks_anything(signal, name), None);
        assert!(
            death.text.contains("SI_TKILL, sent by process"),
            "{}",
            death.text
        );
    }
    let scratch = Scratch::new();
    let aborted = death(&scratch, |_| std::process::abort());
    assert_eq!(
        aborted.lacks_anything(libc::SIGABRT, "fatal signal SIGABRT"),
        None
    );
}

#[test]
fn a_crash_within_the_crash_costs_its_step_and_nothing_else() {
    unsafe fn crashes(_: *const (), _: &Why<'_>) -> bool {
        fault();
        true
    }
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        log.add_console(scratch.console("out", Overflow::DropOldest))
            .expect("a console");
        flush(log);
        add_dumper(log, crashes);
        send(libc::SIGFPE);
    });
    let lacks = death.lacks_anything(libc::SIGFPE, "fatal signal SIGFPE");
    assert_eq!(lacks, None, "it ends by the first signal");
    assert!(
        death.text.contains("** SIGSEGV in a dumper **"),
        "{}",
        death.text
    );
    assert!(
        scratch.read("out").contains("fatal signal SIGFPE"),
        "consoles come after it"
    );
}

#[test]
fn a_ring_file_that_was_cut_short_is_named_and_what_can_be_told_is_told() {
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        let file = OpenOptions::new().write(true).open(scratch.path("a.ring"));
        file.expect("the file").set_len(4096).expect("cut");
        say(log, 6);
    });
    assert!(death.is_by(libc::SIGBUS), "{:#x}", death.status);
    for part in [
        BUS.1,
        "BUS_ADRERR, address 0x",
        "in the memory of a log of this process",
        "** SIGBUS while this was written **",
        "** end of the report **",
    ] {
        assert!(death.text.contains(part), "{part}: {}", death.text);
    }
    assert!(death.json.contains("\"in_ring\":true"), "{}", death.json);
    assert!(
        death.json.ends_with("\"complete\":false}\n"),
        "{}",
        death.json
    );
}

#[test]
fn a_crash_while_a_console_is_written_to_leaves_a_report() {
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        log.add_console(scratch.console("out", Overflow::DropOldest))
            .expect("a console");
        flush(log);
        let core = log.core();
        // By the thread that prints: it has the console to itself, and is in an unsafe place.
        let held = core.hold(0, pr_printk::owner::Priority::Normal, None, false);
        held.expect("free").unsafely(|_| fault());
    });
    assert_eq!(death.lacks_anything(SEGV.0, SEGV.1), None);
    assert!(scratch.read("out").contains(SEGV.1), "taken over");
}

#[test]
fn a_printer_thread_that_crashes_leaves_a_report() {
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        let console = scratch.console("out", Overflow::DropOldest);
        log.add_console(console).expect("a console");
        flush(log);
        let printer = log
            .printer_threads()
            .into_iter()
            .next()
            .expect("a printer")
            .1;
        let pid = std::process::id();
        // SAFETY: touches no memory.
        unsafe { libc::syscall(libc::SYS_tgkill, pid, printer, libc::SIGSEGV) };
        std::thread::sleep(PATIENCE);
    });
    assert_eq!(death.lacks_anything(SEGV.0, SEGV.1), None);
    assert!(death.text.contains("pr/"), "{}", death.text);
}

#[test]
fn other_threads_that_crash_wait_and_their_log_calls_return() {
    static DUMPS: AtomicBool = AtomicBool::new(false);
    static RETURNED: AtomicU32 = AtomicU32::new(0);
    static DONE: AtomicI32 = AtomicI32::new(-1);
    unsafe fn is_slow(_: *const (), _: &Why<'_>) -> bool {
        DUMPS.store(true, Ordering::SeqCst);
        let start = Instant::now();
        // Another thread crashes, and another one logs, while this is going on.
        while RETURNED.load(Ordering::SeqCst) < 1000 && start.elapsed() < PATIENCE {
            std::hint::spin_loop();
        }
        let done = DONE.load(Ordering::SeqCst);
        // SAFETY: four bytes.
        unsafe { libc::write(done, c"done".as_ptr().cast(), 4) };
        RETURNED.load(Ordering::SeqCst) >= 1000
    }
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        add_dumper(log, is_slow);
        let done = std::fs::File::create(scratch.path("done")).expect("a file");
        DONE.store(std::os::fd::IntoRawFd::into_raw_fd(done), Ordering::SeqCst);
        let wait = || {
            while !DUMPS.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                wait();
                send(libc::SIGFPE);
            });
            scope.spawn(|| {
                wait();
                std::thread::sleep(Duration::from_millis(200)); // the other one has crashed by now
                for number in 0..1000 {
                    say(log, 100 + number);
                    RETURNED.fetch_add(1, Ordering::SeqCst);
                }
                std::thread::sleep(PATIENCE);
            });
            send(libc::SIGABRT);
        });
    });
    let lacks = death.lacks_anything(libc::SIGABRT, "fatal signal SIGABRT");
    assert_eq!(lacks, None, "one of them owns the end");
    assert_eq!(
        scratch.read("done"),
        "done",
        "and the other one waits for it"
    );
    assert!(
        !death.text.contains("i=100\n"),
        "what others log then is dropped"
    );
    let second = scratch.path(&format!("a.ring.crash-{}-2.txt", death.pid));
    assert!(!second.exists(), "one report");
}

#[test]
fn descriptors_that_somebody_else_has_by_now_get_nothing() {
    for all in [true, false] {
        let scratch = Scratch::new();
        let death = death(&scratch, |_| {
            let other = std::fs::File::create(scratch.path("other")).expect("a file");
            let text = report::text_descriptor().expect("prepared");
            for fd in 3..64 {
                // The directory, or only what is written to: the text, and the JSON that was opened after it.
                let is_taken = all || (text..=text + 1).contains(&fd);
                if is_taken && fd != std::os::fd::AsRawFd::as_raw_fd(&other) {
                    // SAFETY: two numbers; nothing of this test needs the second one.
                    unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&other), fd) };
                }
            }
            fault();
        });
        assert_eq!(death.lacks_anything(SEGV.0, SEGV.1), None, "by its path");
        assert_eq!(scratch.read("other"), "");
        let about = std::fs::metadata(scratch.path("other")).expect("there");
        assert_eq!(
            std::os::unix::fs::MetadataExt::nlink(&about),
            1,
            "no name of ours"
        );
    }
}

#[test]
fn a_forked_child_has_its_own_report_whether_it_has_logged_or_not() {
    for logs in [true, false] {
        let scratch = Scratch::new();
        let parent = death(&scratch, |log| {
            // SAFETY: the child dies.
            let child = unsafe { libc::fork() };
            if child == 0 {
                if logs {
                    say(log, 7);
                }
                fault();
            }
            let mut status = 0;
            // SAFETY: the status is ours.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV);
            let text = scratch.read(&format!("a.ring.fork-{child}.crash-{child}-1.txt"));
            assert!(text.ends_with("** end of the report **\n"), "{text}");
            assert_eq!(text.contains("i=7\n"), logs, "{text}");
            assert!(!text.contains("i=1\n"), "{text}");
            assert_eq!(text.contains("has logged nothing"), !logs, "{text}");
            let ring = scratch.path(&format!("a.ring.fork-{child}"));
            assert_eq!(ring.exists(), logs);
            send(libc::SIGILL);
        });
        let lacks = parent.lacks_anything(libc::SIGILL, "fatal signal SIGILL");
        assert_eq!(lacks, None);
    }
}

#[test]
fn a_report_that_cannot_be_written_any_more_does_not_keep_the_process_from_ending() {
    unsafe fn breaks(_: *const (), _: &Why<'_>) -> bool {
        let [text, scratch] = any::told_with().expect("told").report.memory();
        for pr_printk::report::Paper(memory) in [text, scratch] {
            let start = memory.cast::<u8>().as_ptr() as usize & !4095;
            let bytes = (memory.len() + 8191) & !4095;
            // SAFETY: none; this is what breaks.
            unsafe { libc::mprotect(start as *mut libc::c_void, bytes, libc::PROT_NONE) };
        }
        fault();
        true
    }
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        add_dumper(log, breaks);
        send(libc::SIGFPE);
    });
    assert!(death.is_by(libc::SIGFPE), "{:#x}", death.status);
    assert!(
        death.text.contains("i=5\n"),
        "what was written before stands"
    );
}

#[test]
fn a_log_that_goes_away_while_another_thread_crashes_in_it_leaves_the_report_whole() {
    static DUMPS: AtomicBool = AtomicBool::new(false);
    static HAS_GONE: AtomicBool = AtomicBool::new(false);
    unsafe fn waits_for_its_log_to_go(_: *const (), _: &Why<'_>) -> bool {
        DUMPS.store(true, Ordering::SeqCst);
        while !HAS_GONE.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
        true
    }
    let scratch = Scratch::new();
    let death = death(&scratch, |_| {
        let other = Log::open(scratch::options_at(scratch.path("other.ring"))).expect("a log");
        add_dumper(&other, waits_for_its_log_to_go);
        let note = scratch.path("kept");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while !DUMPS.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
                drop(other);
                let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
                let kept = maps.contains("other.ring").to_string();
                std::fs::write(&note, kept).expect("written");
                HAS_GONE.store(true, Ordering::SeqCst);
                std::thread::sleep(PATIENCE);
            });
            send(libc::SIGILL);
        });
    });
    let lacks = death.lacks_anything(libc::SIGILL, "fatal signal SIGILL");
    assert_eq!(lacks, None);
    assert!(!death.text.contains("** SIGSEGV"), "{}", death.text);
    let kept = scratch.read("kept");
    assert_eq!(kept, "true", "the panic is in the middle of it");
}

#[test]
fn a_second_signal_from_somebody_else_does_not_cut_the_report_short() {
    static SENDER: AtomicI32 = AtomicI32::new(0);
    unsafe fn waits(_: *const (), _: &Why<'_>) -> bool {
        // SAFETY: the descriptor of `pipe`, and a byte of this function's.
        unsafe { libc::write(SENDER.load(Ordering::SeqCst), c"!".as_ptr().cast(), 1) };
        // SAFETY: a time.
        unsafe { libc::usleep(300_000) };
        true
    }
    let mut pipe = [0; 2];
    // SAFETY: two numbers to write.
    unsafe { libc::pipe(pipe.as_mut_ptr()) };
    SENDER.store(pipe[1], Ordering::SeqCst);
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        add_dumper(log, waits);
        let process = std::process::id();
        // SAFETY: the child sends, and leaves.
        if unsafe { libc::fork() } == 0 {
            let mut byte = 0_u8;
            // SAFETY: a byte of ours.
            unsafe { libc::read(pipe[0], (&raw mut byte).cast(), 1) };
            // SAFETY: touches no memory.
            unsafe { libc::kill(process.cast_signed(), libc::SIGABRT) };
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
        send(libc::SIGFPE);
    });
    let lacks = death.lacks_anything(libc::SIGFPE, "fatal signal SIGFPE");
    assert_eq!(lacks, None);
    assert!(!death.text.contains("SIGABRT"), "{}", death.text);
}

#[test]
fn a_child_that_is_forked_while_its_parent_panics_tells_its_own_crash() {
    static CHILD: AtomicI32 = AtomicI32::new(0);
    unsafe fn forks(_: *const (), _: &Why<'_>) -> bool {
        // SAFETY: the child dies.
        let child = unsafe { libc::fork() };
        if child == 0 {
            fault();
        }
        let mut status = 0;
        // SAFETY: the status is ours.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        CHILD.store(child, Ordering::SeqCst);
        libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV
    }
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        add_dumper(log, forks);
        send(libc::SIGFPE);
    });
    let lacks = death.lacks_anything(libc::SIGFPE, "fatal signal SIGFPE");
    assert_eq!(lacks, None);
    let folder = std::fs::read_dir(scratch.path("")).expect("readable");
    let names = folder.map(|entry| entry.expect("an entry").file_name());
    let of_child = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.starts_with("a.ring.fork-") && name.ends_with("-1.txt")
    };
    let name = names.into_iter().find(of_child).expect("the child's");
    let told = std::fs::read_to_string(scratch.path("").join(name)).expect("readable");
    assert!(told.ends_with("** end of the report **\n"), "{told}");
    assert!(told.contains("SIGSEGV, code 1"), "{told}");
}

#[test]
fn the_longest_record_of_all_is_whole_in_the_report() {
    let scratch = Scratch::new();
    let text = "x".repeat(40_000);
    let death = death(&scratch, |_| {
        let options = pr_host::LogOptions {
            size_bytes: 1 << 20,
            ..scratch::options_at(scratch.path("b.ring"))
        };
        let log = pr_host::Log::open(options).expect("a log");
        log.tell_crashes(None).expect("a place");
        let payload = Payload {
            event: &text,
            ..Payload::default()
        };
        assert!(scratch::call(&log, 6, &payload));
        fault();
    });
    let told = scratch.read(&format!("b.ring.crash-{}-1.txt", death.pid));
    assert!(
        told.contains(&format!("{}<truncated>\n", &text[..32_700])),
        "{told}"
    );
}
