//! A thread that ends in the middle of a record, for real: by the bare system call, without a word to anybody. And one
//! that only takes its time.

mod scratch;

use pr_host::{
    ConsoleOptions, Context, Emit, Log, Mode, Next, Origin, Overflow, Post, RecordReader,
    RecordSink, Section, SharedRecordSink, SinkSpec,
};
use pr_printk::thread;
use pr_record::{Format, Payload};
use pr_ring::{Info, Memory, Reaped, Ticket};
use scratch::{PATIENCE, Scratch, call, flush, numbers, say, wait_until};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

/// What the calling thread reserves as a log call would, and has half written.
fn half_a_record(log: &Log) -> Ticket {
    let tid = thread::tid();
    let info = Info {
        caller_id: u64::from(std::process::id()) << 32 | u64::from(tid),
        owner: thread::owner(tid),
        level: 6,
        ..Info::default()
    };
    let ring = log.core().ring();
    let mut ticket = ring.reserve_ticket(100, &info).expect("room");
    assert_eq!(ring.write(&mut ticket, 0, b"half"), 4);
    ticket
}

extern "C" fn die_in_the_middle(log: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: the log outlives the thread, which is waited for.
    let log = unsafe { &*log.cast::<Log>() };
    let _ = half_a_record(log);
    // SAFETY: ends this thread and nothing else; nothing of it is used afterwards.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("it has ended")
}

/// Dies earlier: it has its number, and what it stores first is not there yet. Nothing can stop a thread between the two, so
/// that is taken back.
extern "C" fn die_with_a_number(log: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: the log outlives the thread, which is waited for.
    let log = unsafe { &*log.cast::<Log>() };
    let ring = log.core().ring();
    let slot = ring.memory().slot(ring.next_reserve_seq().0 + 1);
    let before = slot.state.get();
    let _ = half_a_record(log);
    slot.state.set(before);
    // SAFETY: ends this thread and nothing else; nothing of it is used afterwards.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("it has ended")
}

/// A thread comes, reserves, and is gone.
fn a_thread_dies(log: &Log) {
    a_thread_does(log, die_in_the_middle);
}

fn a_thread_does(log: &Log, what: extern "C" fn(*mut libc::c_void) -> *mut libc::c_void) {
    let mut id = 0;
    let at = std::ptr::from_ref(log).cast_mut().cast();
    // SAFETY: a thread with the default attributes; the log outlives it.
    let made = unsafe { libc::pthread_create(&raw mut id, std::ptr::null(), what, at) };
    assert_eq!(made, 0);
    // SAFETY: made above, and joined once.
    let joined = unsafe { libc::pthread_join(id, std::ptr::null_mut()) };
    assert_eq!(joined, 0);
}

fn assert_told(text: &str) {
    let told = text.matches("threads have died while they wrote").count();
    assert_eq!(told, 1, "told once: {text}");
}

#[test]
fn a_console_passes_the_record_of_a_dead_thread_and_says_so() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let console = log
        .add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    (0..3).for_each(|i| say(&log, i));
    a_thread_dies(&log);
    (3..6).for_each(|i| say(&log, i));
    flush(&log);
    let stats = log.stats();
    assert_eq!((stats.reaped, console.dropped()), (1, 1));
    assert_eq!(stats.emitted, 7, "six records and the notice");
    flush(&log);
    let text = scratch.read("out");
    assert_eq!(numbers(&text), [0, 1, 2, 3, 4, 5]);
    assert_told(&text);

    // And on, for more than a lap.
    let lap = 2 * stats.descriptors as i64;
    for i in 6..lap {
        say(&log, i);
        if i % 100 == 0 {
            flush(&log);
        }
    }
    flush(&log);
    assert_eq!(numbers(&scratch.read("out")), (0..lap).collect::<Vec<_>>());
    assert_eq!((log.stats().reaped, log.stats().failed), (1, 0));
}

#[test]
fn several_dead_threads_and_several_consoles_lose_each_record_once() {
    let scratch = Scratch::new();
    let log = scratch.log();
    for name in ["one", "two", "three"] {
        let options = scratch.console(name, Overflow::DropOldest);
        log.add_console(options).expect("a console");
    }
    for i in 0..10 {
        a_thread_dies(&log);
        say(&log, i);
    }
    flush(&log);
    assert_eq!(log.stats().reaped, 10);
    for name in ["one", "two", "three"] {
        assert_eq!(numbers(&scratch.read(name)), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn callers_that_are_refused_settle_what_a_dead_thread_left() {
    let scratch = Scratch::new();
    let log = scratch.log(); // without a console
    a_thread_dies(&log);
    let long = "x".repeat(4000);
    let payload = Payload {
        event: &long,
        ..Payload::default()
    };
    while call(&log, 6, &payload) {}
    assert!(log.stats().failed > 0, "the ring has come round to it");
    wait_until("records are stored again", || call(&log, 6, &payload));
    assert_eq!(log.stats().reaped, 1);
}

#[test]
fn a_reader_settles_what_it_waits_for() {
    let scratch = Scratch::new();
    let log = scratch.log();
    a_thread_dies(&log);
    say(&log, 1);
    let reader = RecordReader::new(Origin::Log(log.clone()));
    let mut payload = Vec::new();
    wait_until("the record behind it is read", || {
        let next = reader.next(0, &mut payload).expect("readable");
        matches!(next, Next::Record { meta, .. } if meta.seq == 1)
    });
    assert_eq!(log.stats().reaped, 1);
}

#[test]
fn a_log_that_is_closed_prints_what_is_behind_a_dead_thread_s_record() {
    for dies in [die_in_the_middle, die_with_a_number] {
        let scratch = Scratch::new();
        let log = scratch.log();
        log.add_console(scratch.console("out", Overflow::DropOldest))
            .expect("a console");
        a_thread_does(&log, dies);
        say(&log, 7);
        log.close(PATIENCE);
        assert_eq!(numbers(&scratch.read("out")), [7]);
    }
}

/// Logs `numbers` until the console has them all, which it gets by log calls alone, or by a thread that one has told.
fn assert_goes_on(log: &Log, scratch: &Scratch, reaped: u64) {
    a_thread_dies(log);
    let mut said = numbers(&scratch.read("out"));
    wait_until("what is behind the dead thread's record is printed", || {
        said.push(said.len() as i64);
        say(log, said.len() as i64 - 1);
        numbers(&scratch.read("out")) == said
    });
    assert_eq!(log.stats().reaped, reaped);
}

#[test]
fn callers_in_an_emergency_section_print_what_is_behind_a_dead_thread_s_record() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    say(&log, 0);
    flush(&log);
    let section = Section::new(log.clone(), Context::Emergency);
    // The printers stay out as long as something is logged in it: nobody else can help.
    assert_eq!(section.enter(), Ok(true));
    for reaped in 1..4 {
        assert_goes_on(&log, &scratch, reaped);
    }
    let _ = section.exit().expect("it was open");
    flush(&log);
    let told = scratch.read("out").matches("threads have died").count();
    assert_eq!(told, 3);
}

#[test]
fn one_record_behind_a_dead_thread_s_is_printed_where_callers_print_and_no_other_comes() {
    for mode in [Mode::Console, Mode::Caller] {
        let scratch = Scratch::new();
        let log = scratch.log();
        log.add_console(scratch.console("out", Overflow::DropOldest))
            .expect("a console");
        log.set_mode(mode).expect("no threads are needed");
        log.set_enforce_emergency(mode == Mode::Console);
        flush(&log);
        std::thread::sleep(std::time::Duration::from_millis(500)); // the console's thread rests
        for i in 0..2 {
            a_thread_dies(&log);
            say(&log, i);
            wait_until(mode.name(), || {
                numbers(&scratch.read("out")) == (0..=i).collect::<Vec<_>>()
            });
            assert_eq!(log.stats().reaped, i as u64 + 1, "{mode:?}");
            assert!(
                log.stats().left_behind > i as u64,
                "{mode:?}: said to be left"
            );
        }
    }
}

/// A sink that is handed whole records, as one in Python is: it tells their numbers.
#[derive(Debug)]
struct Teller(Sender<u64>);

impl RecordSink for Teller {
    fn kind(&self) -> &'static str {
        "teller"
    }

    fn target(&self) -> String {
        "a test".into()
    }

    fn serve(&self, post: &mut Post) {
        while let Some(batch) = post.next_batch() {
            while let Some(taken) = batch.take() {
                self.0.send(taken.meta.seq).expect("somebody waits");
                batch.done();
            }
        }
    }
}

#[test]
fn a_console_that_is_handed_records_gets_those_behind_a_dead_thread_s_and_at_its_end_too() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let (tell, told) = channel();
    let sink = SinkSpec::Records(SharedRecordSink(Arc::new(Teller(tell))));
    log.add_console(ConsoleOptions {
        sink,
        format: Format::Text,
        ..scratch.console("unused", Overflow::DropOldest)
    })
    .expect("a console");
    a_thread_dies(&log);
    say(&log, 1);
    // The loss, under the number of what is lost; the record; and the notice.
    let first = [(); 3].map(|()| told.recv_timeout(PATIENCE));
    assert_eq!(first, [Ok(0), Ok(1), Ok(2)]);
    assert_eq!(log.stats().reaped, 1);

    a_thread_dies(&log);
    say(&log, 2);
    log.close(PATIENCE);
    assert_eq!(told.try_iter().take(2).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn printers_that_have_parked_pass_a_number_that_a_thread_took_before_it_died() {
    for mode in [Mode::Console, Mode::Smp] {
        let scratch = Scratch::new();
        let log = scratch.log();
        log.add_console(scratch.console("out", Overflow::DropOldest))
            .expect("a console");
        log.set_mode(mode).expect("threads");
        say(&log, 0);
        flush(&log);
        std::thread::sleep(std::time::Duration::from_millis(300)); // longer than they go on polling
        a_thread_does(&log, die_with_a_number);
        say(&log, 1);
        wait_until(mode.name(), || numbers(&scratch.read("out")) == [0, 1]);
        assert_eq!(log.stats().reaped, 1, "{mode:?}");
    }
}

/// However long it takes, and whoever is held up by it.
#[test]
fn a_thread_that_takes_its_time_is_never_robbed() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    let (reserved, is_reserved) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let writer = {
        let log = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut ticket = half_a_record(&log);
            reserved.send(ticket.seq().0).expect("somebody waits");
            may_go_on.recv().expect("somebody says so");
            log.core().ring().write(&mut ticket, 4, b" and half");
            log.core().ring().finalize(ticket);
        })
    };
    let seq = is_reserved.recv().expect("it has begun");
    let long = "x".repeat(4000);
    let payload = Payload {
        event: &long,
        ..Payload::default()
    };
    while log.emit(6, &payload, None) == Emit::Stored {} // all are held up by it
    for _ in 0..50 {
        let living = Reaped {
            living: 1,
            ..Reaped::default()
        };
        let reaped = log.core().reap();
        assert!(reaped == living || reaped.busy, "{reaped:?}");
        let _ = log.emit(6, &payload, None);
        std::thread::sleep(std::time::Duration::from_millis(5)); // the printer comes to look, too
    }
    assert!(!log.flush_until(log.flush_target(), std::time::Duration::ZERO));
    go_on.send(()).expect("it waits");
    writer.join().expect("it ended");
    flush(&log);
    assert_eq!(log.stats().reaped, 0);
    let mut buffer = [0; 100];
    let found =
        log.core()
            .ring()
            .read_valid(pr_ring::Seq(seq), &mut buffer, pr_ring::Unfinished::Wait);
    assert!(
        matches!(found, pr_ring::Read::Found { info, .. } if info.seq.0 == seq),
        "{found:?}"
    );
    assert!(buffer.starts_with(b"half and half"));
}
