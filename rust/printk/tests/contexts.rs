//! Sections: what a thread's records become meanwhile, and what the others do.

mod rig;

use pr_printk::Core;
use pr_printk::context::SectionWord;
use pr_printk::owner::Priority;
use pr_printk::port::class;
use pr_printk::store::Stored;
use pr_printk::{context, thread};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Gives this thread a word for its sections.
fn own_word() -> &'static SectionWord {
    static SERIALS: AtomicU32 = AtomicU32::new(0);
    let word = Box::leak(Box::new(SectionWord::new()));
    word.begin(SERIALS.fetch_add(1, Ordering::Relaxed) + 1);
    thread::give_section_word(Some(word));
    word
}

/// A file in memory, and the console in slot `index` that writes to it.
fn add_file(core: &Core, index: usize) -> std::fs::File {
    let file = rig::memory_file();
    rig::add_console(core, index, file.as_raw_fd(), class::FILE);
    file
}

/// A pipe that takes nothing more, and the console in slot `index` that writes to it.
fn add_full_pipe(core: &Core, index: usize) -> [OwnedFd; 2] {
    let [reader, writer] = rig::full_pipe();
    rig::add_console(core, index, writer.as_raw_fd(), class::STREAM);
    [reader, writer]
}

fn text(file: &mut std::fs::File) -> String {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).expect("a file");
    file.read_to_string(&mut text).expect("text");
    text
}

fn left_behind(core: &Core) -> u64 {
    core.control().left_behind.load(Ordering::Relaxed)
}

/// Stores a record, and leaves to the caller what is owed.
fn store(core: &Core, event: &str) -> Stored {
    core.store_owing(rig::STAMP, &rig::payload(event))
}

#[test]
fn in_an_emergency_a_record_is_printed_before_its_call_returns() {
    let core = rig::core(6);
    let mut file = add_file(core, 1);
    let word = own_word();
    rig::log(core, "before");
    assert_eq!(text(&mut file), "", "left to a printer");
    word.enter_emergency();
    core.enter_emergency();
    let mut expected = rig::printed("before");
    for event in rig::events() {
        rig::log(core, &event);
        expected += &rig::printed(&event);
        assert_eq!(text(&mut file), expected);
    }
    core.exit_emergency();
    word.exit_emergency();
    rig::log(core, "after");
    assert_eq!(text(&mut file), expected, "left to a printer");
    assert_eq!(left_behind(core), 0);
}

#[test]
fn an_emergency_of_another_log_or_another_thread_is_none_of_this_one() {
    let (core, other) = (rig::core(6), rig::core(6));
    let mut file = add_file(core, 1);
    let word = own_word();
    word.enter_emergency();
    other.enter_emergency();
    rig::log(core, "other log");
    std::thread::spawn(|| own_word().sections())
        .join()
        .expect("a thread");
    other.exit_emergency();
    word.exit_emergency();
    core.enter_emergency(); // by another thread
    rig::log(core, "other thread");
    core.exit_emergency();
    assert_eq!(text(&mut file), "");
}

#[test]
fn with_a_blocked_pipe_before_it_a_file_gets_the_whole_backlog() {
    let word = own_word();
    word.enter_emergency();
    // The bound is of time, and on a loaded machine it may be over for the file too, then counted: but not every time.
    let whole = (0..20).any(|_| {
        let core = rig::core(9);
        let _pipe = add_full_pipe(core, 1);
        let mut file = add_file(core, 2);
        let events: Vec<String> = (0..300).map(|i| format!("record number {i:04}")).collect();
        events.iter().for_each(|event| rig::log(core, event));
        let expected: String = events.iter().map(|event| rig::printed(event)).collect();
        assert!(
            expected.len() > 2 * pr_printk::fd::ATOMIC_BYTES,
            "several pieces"
        );
        core.enter_emergency();
        rig::log(core, "last words");
        let printed = text(&mut file);
        let is_whole = printed == expected + &rig::printed("last words");
        assert_eq!(
            left_behind(core),
            if is_whole { 1 } else { 2 },
            "to their printers"
        );
        is_whole
    });
    assert!(whole);
}

/// A console in slot `index` that is handed whole records, and what it is handed: each write is a message.
fn add_messages(core: &Core, index: usize) -> UnixDatagram {
    let (reader, writer) = UnixDatagram::pair().expect("a pair");
    reader.set_nonblocking(true).expect("a flag");
    rig::add_console(core, index, writer.into_raw_fd(), class::FILE);
    reader
}

#[test]
fn a_file_that_others_append_to_gets_a_long_record_in_one_write() {
    let long = "y".repeat(3 * pr_printk::fd::ATOMIC_BYTES);
    let word = own_word();
    word.enter_emergency();
    let core = rig::core(9);
    let writes = add_messages(core, 1);
    core.enter_emergency();
    // Late, it may be the printer's: but not every time.
    let handed = (0..20).find_map(|_| {
        rig::log(core, &long);
        let mut bytes = vec![0; 64 * 1024];
        let count = writes.recv(&mut bytes).ok()?;
        bytes.truncate(count);
        Some(bytes)
    });
    let handed = String::from_utf8(handed.expect("a write")).expect("text");
    assert_eq!(handed.len() % rig::printed(&long).len(), 0, "whole records");
    assert!(handed.starts_with(&rig::printed(&long)));
}

#[test]
fn a_console_that_callers_cannot_write_to_is_left_to_its_printer_and_counted() {
    let core = rig::core(6);
    let mut file = add_file(core, 1);
    rig::add_console(core, 2, -1, class::STREAM);
    own_word().enter_emergency();
    core.enter_emergency();
    let told = (0..20).any(|number| {
        let before = left_behind(core);
        rig::log(core, "not there");
        assert!(left_behind(core) > before, "{number}");
        assert!(core.port(2).expect("its port").take_left());
        left_behind(core) == before + 1 && text(&mut file).contains("not there")
    });
    assert!(told);
    let seq = core.consoles()[2].seq.load(Ordering::Relaxed);
    assert_eq!(seq, 0, "what was not written was passed");
}

#[test]
fn a_console_whose_owner_does_not_let_go_is_left_to_it_and_counted() {
    let core = rig::core(6);
    let mut file = add_file(core, 1);
    let mut hold = core.hold(1, Priority::Normal, None, false).expect("free");
    let word = own_word();
    word.enter_emergency();
    core.enter_emergency();
    // The test's own thread has the console, in an unsafe place: for all that the caller can see, for ever.
    let behind = hold.unsafely(|_| {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                own_word().enter_emergency();
                rig::log(core, "waited for it");
                left_behind(core)
            });
            other.join().expect("a thread")
        })
    });
    assert_eq!(behind, Some(1));
    drop(hold);
    assert_eq!(text(&mut file), "");
    rig::log(core, "next");
    assert_eq!(
        text(&mut file),
        rig::printed("waited for it") + &rig::printed("next")
    );
}

#[test]
fn what_is_logged_within_a_log_call_or_for_a_console_is_not_printed_at_once() {
    let core = rig::core(6);
    let mut file = add_file(core, 1);
    let word = own_word();
    word.enter_emergency();
    core.enter_emergency();
    let nest = thread::enter().expect("not deep");
    rig::log(core, "within");
    assert_eq!(text(&mut file), "");
    drop(nest);
    thread::print_for(77);
    rig::log(core, "by a console");
    assert_eq!(text(&mut file), "");
    thread::print_for(0);
    rig::log(core, "outside");
    let all = ["within", "by a console", "outside"];
    assert_eq!(text(&mut file), all.map(rig::printed).concat());
}

#[test]
fn four_log_calls_within_each_other_are_stored_and_a_fifth_is_counted() {
    let core = rig::core(6);
    let nests: Vec<_> = (0..3)
        .map(|_| thread::enter().expect("not too deep"))
        .collect();
    assert_eq!(store(core, "the fourth"), Stored::Yes);
    let deepest = thread::enter().expect("not too deep");
    assert_eq!(store(core, "the fifth"), Stored::TooDeep);
    assert_eq!(core.control().recursion_dropped.load(Ordering::Relaxed), 1);
    drop((deepest, nests));
    assert_eq!(store(core, "back"), Stored::Yes);
}

#[test]
fn printers_stay_out_until_the_last_section_of_any_thread_ends() {
    let core = rig::core(6);
    assert_eq!(core.printers_stay_out_nsec(), None);
    core.enter_emergency();
    std::thread::scope(|scope| {
        scope
            .spawn(|| core.enter_emergency())
            .join()
            .expect("a thread")
    });
    core.exit_emergency();
    assert!(core.in_emergency());
    let before = core.kick().ticket();
    core.exit_emergency();
    assert!(!core.in_emergency());
    assert_ne!(core.kick().ticket(), before, "the last one wakes them");
    assert_eq!(core.printers_stay_out_nsec(), None);
    core.exit_emergency(); // one too many
    core.enter_emergency();
    assert!(core.in_emergency());
    core.exit_emergency();
    assert!(!core.in_emergency());
}

#[test]
fn a_section_that_says_nothing_lets_the_printers_in_again_and_its_next_record_sends_them_out() {
    let core = rig::core(6);
    let word = own_word();
    word.enter_emergency();
    core.enter_emergency();
    let patience = Duration::from_nanos(context::EMERGENCY_PATIENCE_NSEC);
    let end = Instant::now() + 60 * patience;
    while core.printers_stay_out_nsec().is_some() {
        assert!(Instant::now() < end, "printers stay out for ever");
        core.kick().wake_all(); // as a flush does
        std::thread::sleep(patience / 10);
    }
    assert!(core.in_emergency());
    rig::log(core, "still here");
    assert!(core.printers_stay_out_nsec().is_some());
}

#[test]
fn a_deferred_record_is_owed_until_the_end_of_the_outermost_section() {
    let core = rig::core(6);
    let word = own_word();
    word.enter_deferred();
    word.enter_deferred();
    let Stored::Owing(owed) = store(core, "deferred") else {
        panic!("nothing is owed");
    };
    assert_eq!((owed.print, owed.section), (false, true));
    assert!(word.exit_deferred().deferred());
    assert!(!word.exit_deferred().any());
    assert!(!word.exit_deferred().any(), "one too many");
    let owed = core
        .take_owed()
        .expect("a record that no printer was told of");
    assert!(!owed.print);
    assert_eq!(core.take_owed(), None, "once");
    assert_eq!(store(core, "after"), Stored::Yes);
    assert_eq!(core.take_owed(), None);
}

#[test]
fn a_deferred_record_does_not_wake_a_parked_printer_and_settling_does() {
    let core = rig::core(6);
    let word = own_word();
    let parked = core.kick().ticket();
    core.kick().park(parked, || true); // as a printer does, but for the sleep
    word.enter_deferred();
    let _ = store(core, "deferred");
    rig::log(core, "in any context");
    assert_eq!(core.kick().ticket(), parked);
    word.exit_deferred();
    core.settle_deferred(core.take_owed().expect("owed"));
    assert_ne!(core.kick().ticket(), parked);
}

#[test]
fn what_a_caller_prints_the_printers_of_other_consoles_are_told_of() {
    let core = rig::core(6);
    let _file = add_file(core, 1);
    let word = own_word();
    word.enter_emergency();
    core.enter_emergency();
    let parked = core.kick().ticket();
    core.kick().park(parked, || true);
    rig::log(core, "for a console that no caller can print on");
    assert_ne!(core.kick().ticket(), parked);
}

#[test]
fn an_emergency_of_another_thread_does_not_have_this_one_print_what_it_deferred() {
    let core = rig::core(6);
    let mut file = add_file(core, 1);
    let word = own_word();
    word.enter_deferred();
    rig::log(core, "deferred");
    word.exit_deferred();
    core.enter_emergency(); // by another thread
    core.settle_deferred(core.take_owed().expect("owed"));
    assert_eq!(text(&mut file), "");
}

#[test]
fn in_an_emergency_what_was_deferred_is_printed_at_the_end() {
    let core = rig::core(6);
    let mut file = add_file(core, 1);
    let word = own_word();
    word.enter_emergency();
    core.enter_emergency();
    word.enter_deferred();
    rig::log(core, "deferred");
    assert_eq!(text(&mut file), "");
    word.exit_deferred();
    core.settle_deferred(core.take_owed().expect("owed"));
    assert_eq!(text(&mut file), rig::printed("deferred"));
}

/// Whether a log call of another thread would wait now.
fn another_must_wait(core: &'static Core) -> bool {
    std::thread::spawn(|| core.must_wait(0))
        .join()
        .expect("a thread")
}

#[test]
fn a_report_holds_up_other_threads_but_neither_its_own_nor_calls_that_never_wait() {
    let core = rig::core(6);
    let serial = own_word().serial();
    assert!(!another_must_wait(core));
    assert!(core.enter_report(serial));
    assert!(core.enter_report(serial), "within itself");
    assert!(!core.must_wait(0));
    assert!(another_must_wait(core));
    let never = std::thread::spawn(|| {
        let word = own_word();
        word.enter_deferred();
        let deferred = core.must_wait(0);
        word.exit_deferred();
        let nest = thread::enter();
        let within = core.must_wait(0);
        let outermost = core.must_wait(1);
        drop(nest);
        thread::print_for(5);
        let printing = core.must_wait(0);
        thread::print_for(0);
        (deferred, within, printing, outermost, core.must_wait(0))
    });
    let never = never.join().expect("a thread");
    assert_eq!(never, (false, false, false, true, true));
    core.exit_report(serial);
    assert!(another_must_wait(core), "still in the outer one");
    core.exit_report(serial);
    assert!(!another_must_wait(core));
    core.exit_report(serial);
    assert!(core.enter_report(serial), "one too many does no harm");
}

#[test]
fn of_two_reports_one_holds_and_the_other_can_when_it_ends() {
    let core = rig::core(6);
    let (mine, other) = (own_word().serial(), 1_000_000);
    assert!(core.enter_report(other));
    assert!(!core.enter_report(mine));
    core.exit_report(mine); // not its own
    assert!(core.must_wait(0));
    core.exit_report(other);
    assert!(core.enter_report(mine));
    assert!(another_must_wait(core));
}

#[test]
fn a_waiting_caller_goes_on_when_the_report_ends() {
    let core = rig::core(6);
    let serial = own_word().serial();
    assert!(core.enter_report(serial));
    let (told, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || told.send(core.wait_for_report(u64::MAX / 4)));
    std::thread::sleep(Duration::from_millis(20));
    core.exit_report(serial);
    let woken = ended.recv_timeout(Duration::from_secs(30));
    assert_eq!(woken, Ok(true), "woken, and not by the clock");
}

#[test]
fn a_report_without_end_holds_others_up_for_a_while_only_and_that_is_counted_once() {
    let core = rig::core(6);
    assert!(core.enter_report(own_word().serial()));
    let end = Instant::now() + Duration::from_secs(60);
    while another_must_wait(core) {
        assert!(Instant::now() < end, "held up for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!another_must_wait(core));
    assert_eq!(core.control().report_timeouts.load(Ordering::Relaxed), 1);
    assert!(
        core.enter_report(1_000_000),
        "and another may take its place"
    );
    assert!(core.must_wait(0));
}

#[test]
fn consoles_that_come_and_go_do_not_end_a_report() {
    let core = rig::core(6);
    assert!(core.enter_report(own_word().serial()));
    core.recount_holds();
    assert!(another_must_wait(core));
}
