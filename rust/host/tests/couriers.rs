//! Consoles that hand over whole records: order, place, loss, failures, going.

mod scratch;

use pr_host::{
    Batch, Console, ConsoleOptions, Log, LogOptions, Overflow, Post, RecordSink, SharedRecordSink,
    SinkSpec,
};
use pr_printk::thread;
use pr_record::{Format, NoSites, Payload, Value, decode};
use scratch::{PATIENCE, Scratch, flush, numbers, say, to_file, wait_until};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What a test does with a record: it is in hand until this returns.
type Take = dyn Fn(&Batch, u64, &str) + Send + Sync;

struct Taker(Box<Take>);

impl std::fmt::Debug for Taker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Taker")
    }
}

impl RecordSink for Taker {
    fn kind(&self) -> &'static str {
        "taker"
    }

    fn target(&self) -> String {
        "a test".into()
    }

    fn serve(&self, post: &mut Post) {
        while let Some(batch) = post.next_batch() {
            while let Some(taken) = batch.take() {
                let view = decode(taken.payload, &NoSites).expect("a record");
                self.0(&batch, taken.meta.seq, &view.text().to_string());
            }
        }
    }
}

fn shared(take: impl Fn(&Batch, u64, &str) + Send + Sync + 'static) -> SharedRecordSink {
    SharedRecordSink(Arc::new(Taker(Box::new(take))))
}

fn options(sink: SinkSpec, overflow: Overflow) -> ConsoleOptions {
    ConsoleOptions {
        sink,
        format: Format::Text,
        ..to_file("unused".into(), overflow)
    }
}

fn add(log: &Arc<Log>, take: impl Fn(&Batch, u64, &str) + Send + Sync + 'static) -> Arc<Console> {
    let sink = SinkSpec::Records(shared(take));
    log.add_console(options(sink, Overflow::DropOldest))
        .expect("a console")
}

/// A door that a test opens.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<bool>, Condvar)>);

impl Door {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let is_open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(is_open, |is_open| !*is_open).unwrap());
    }
}

fn seqs() -> (Sender<u64>, Receiver<u64>) {
    channel()
}

#[test]
fn records_are_handed_over_once_and_in_order_and_the_place_moves_with_each() {
    let log = Scratch::new().log();
    let (tell, told) = seqs();
    let console = add(&log, move |batch, seq, text| {
        assert_eq!(text, "said");
        tell.send(seq).unwrap();
        batch.done();
    });
    (0..20_000).for_each(|i| {
        say(&log, i);
        if i % 500 == 0 {
            flush(&log);
        }
    });
    flush(&log);
    assert_eq!(
        told.try_iter().collect::<Vec<_>>(),
        (0..20_000).collect::<Vec<_>>()
    );
    assert_eq!((console.seq(), console.errors()), (20_000, 0));
}

#[test]
fn a_record_whose_end_is_not_told_counts_as_failed_and_the_next_goes_on() {
    let log = Scratch::new().log();
    let (tell, told) = seqs();
    let console = add(&log, move |batch, seq, _| {
        tell.send(seq).unwrap();
        if seq % 2 == 0 {
            batch.done();
            batch.done(); // twice is once
        }
    });
    (0..10).for_each(|i| say(&log, i));
    flush(&log);
    assert_eq!(
        told.try_iter().collect::<Vec<_>>(),
        (0..10).collect::<Vec<_>>()
    );
    assert_eq!((console.errors(), console.lag()), (5, 0));
}

#[test]
fn a_batch_in_the_hands_of_another_thread_is_empty() {
    let log = Scratch::new().log();
    let (tell, told) = channel();
    let console = add(&log, move |batch, _, _| {
        let elsewhere = std::thread::scope(|scope| {
            let other = scope.spawn(|| (batch.take().is_none(), thread::prints_for()));
            other.join().unwrap()
        });
        tell.send(elsewhere).unwrap();
        batch.done();
    });
    say(&log, 1);
    say(&log, 2);
    flush(&log);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [(true, None); 2]);
    assert_eq!(console.errors(), 0);
}

#[test]
fn one_that_is_stuck_is_given_up_and_frees_its_slot_when_it_comes_back() {
    let log = Scratch::new().log();
    let (door, (tell, told)) = (Door::default(), seqs());
    let inside = door.clone();
    let console = add(&log, move |batch, seq, _| {
        tell.send(seq).unwrap();
        inside.pass();
        batch.done();
    });
    (0..3).for_each(|i| say(&log, i));
    wait_until("it is stuck", || console.owner().is_some());
    assert!(!log.remove_console(&console, Duration::from_millis(50)));
    assert!(!console.is_alive() && log.consoles().is_empty());
    let used = |log: &Log| log.add_console(options(SinkSpec::Stderr, Overflow::DropOldest));
    let before: Vec<_> = (0..31).map(|_| used(&log).expect("a slot")).collect();
    assert!(used(&log).is_err(), "its slot is still its own");
    door.open();
    wait_until("its slot is free", || used(&log).is_ok());
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [0]);
    drop(before);
}

#[test]
fn with_block_a_slow_one_holds_its_callers_and_loses_nothing() {
    let log = Scratch::new().log();
    let (tell, told) = seqs();
    let sink = SinkSpec::Records(shared(move |batch, seq, _| {
        if seq % 64 == 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
        tell.send(seq).unwrap();
        batch.done();
    }));
    let console = log
        .add_console(options(sink, Overflow::Block))
        .expect("a console");
    (0..20_000).for_each(|i| say(&log, i));
    flush(&log);
    assert_eq!(
        told.try_iter().collect::<Vec<_>>(),
        (0..20_000).collect::<Vec<_>>()
    );
    assert_eq!((console.dropped(), log.stats().block_timeouts), (0, 0));
}

#[test]
fn what_it_lost_is_a_record_of_the_logs_own_facility() {
    let log = Scratch::new().log();
    let (tell, told) = channel();
    let sink = SinkSpec::Records(SharedRecordSink(Arc::new(Noting(Mutex::new(tell)))));
    let console = log
        .add_console(options(sink, Overflow::DropOldest))
        .expect("a console");
    console.suspend();
    (0..20_000).for_each(|i| say(&log, i));
    console.resume();
    flush(&log);
    let notes: Vec<(u64, u8, Option<u64>)> = told.try_iter().collect();
    let dropped = console.dropped();
    assert!(dropped > 0);
    assert_eq!(notes[0], (dropped - 1, 0, Some(dropped)));
    let rest: Vec<_> = (dropped..20_000).map(|seq| (seq, 1, None)).collect();
    assert_eq!(notes[1..], rest);
}

/// Notes each record's number, its facility, and how many it says were dropped.
#[derive(Debug)]
struct Noting(Mutex<Sender<(u64, u8, Option<u64>)>>);

impl RecordSink for Noting {
    fn kind(&self) -> &'static str {
        "noting"
    }

    fn target(&self) -> String {
        "a test".into()
    }

    fn serve(&self, post: &mut Post) {
        while let Some(batch) = post.next_batch() {
            while let Some(taken) = batch.take() {
                let view = decode(taken.payload, &NoSites).expect("a record");
                let dropped = view.fields().find(|field| field.key == "dropped");
                let dropped = dropped.and_then(|field| match field.value {
                    Value::Int(number) => u64::try_from(number).ok(),
                    _ => None,
                });
                let note = (taken.meta.seq, taken.meta.facility, dropped);
                self.0.lock().unwrap().send(note).unwrap();
                batch.done();
            }
        }
    }
}

#[test]
fn what_its_code_logs_is_not_handed_to_it_in_any_log_but_to_others() {
    let (scratch, other) = (Scratch::new(), Scratch::new());
    let (log, second) = (scratch.log(), other.log());
    let here = second
        .add_console(other.console("out", Overflow::Block))
        .expect("a console");
    let (into, own) = (second.clone(), Arc::downgrade(&log));
    let (tell, told) = seqs();
    add(&log, move |batch, seq, _| {
        tell.send(seq).unwrap();
        say(&into, seq as i64);
        say(&own.upgrade().expect("the log"), 1000 + seq as i64);
        batch.done();
    });
    log.add_console(scratch.console("native", Overflow::Block))
        .expect("a console");
    (0..10).for_each(|i| say(&log, i));
    flush(&log);
    flush(&log);
    flush(&second);
    // What its code logs may be stored between two of the ten, so their numbers are not 0 to 9.
    let told: Vec<i64> = told.try_iter().map(|seq| seq as i64).collect();
    assert_eq!(told.len(), 10);
    assert_eq!(numbers(&other.read("out")), told);
    assert_eq!(here.errors(), 0);
    assert_eq!(numbers(&scratch.read("native")).len(), 20);
}

#[test]
fn a_text_that_a_sink_refuses_waits_and_goes_on_where_it_was() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let out = scratch.path("full");
    std::os::unix::fs::symlink("/dev/full", &out).expect("a link");
    let maker = shared(|batch, seq, _| batch.write(&format!("i={seq}")));
    let sink = SinkSpec::Text(Box::new(SinkSpec::File(out.clone())), maker);
    let console = log
        .add_console(options(sink, Overflow::Block))
        .expect("a console");
    (0..10).for_each(|i| say(&log, i));
    wait_until("the sink refuses", || console.errors() > 2);
    assert_eq!((console.seq(), console.is_alive()), (0, true));
    std::fs::remove_file(&out).expect("it was there");
    flush(&log);
    let text = scratch.read("full");
    // The eleventh says, once, that the sink fails; it is the console's own, and not printed by it.
    assert_eq!(numbers(&text), (0..10).collect::<Vec<_>>());
    assert_eq!(log.stats().emitted, 11);
}

#[test]
fn one_whose_sink_refuses_can_be_removed() {
    let log = Scratch::new().log();
    let maker = shared(|batch, _, text| batch.write(text));
    let sink = SinkSpec::Text(Box::new(SinkSpec::File("/dev/full".into())), maker);
    let console = log
        .add_console(options(sink, Overflow::Block))
        .expect("a console");
    say(&log, 1);
    wait_until("the sink refuses", || console.errors() > 0);
    assert!(log.remove_console(&console, PATIENCE));
    assert!(!console.is_alive());
}

#[test]
fn a_batch_is_bounded_in_records_and_in_bytes() {
    let options_of = LogOptions {
        size_bytes: 64 << 20,
        ..Scratch::new().options()
    };
    let log = Log::open(LogOptions {
        path: None,
        ..options_of
    })
    .expect("a log");
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let sink = SharedRecordSink(Arc::new(Counting(sizes.clone())));
    let console = log
        .add_console(options(SinkSpec::Records(sink), Overflow::DropOldest))
        .expect("a console");
    console.suspend();
    (0..1000).for_each(|i| say(&log, i));
    let long = "x".repeat(30_000);
    for _ in 0..100 {
        let payload = Payload {
            event: &long,
            ..Payload::default()
        };
        assert_eq!(log.emit(6, &payload, None), pr_host::Emit::Stored);
    }
    console.resume();
    flush(&log);
    let counted = || {
        sizes
            .lock()
            .unwrap()
            .iter()
            .map(|size| size.0)
            .sum::<usize>()
    };
    wait_until("the last batch is counted", || counted() == 1100);
    let sizes = sizes.lock().unwrap();
    let (records, bytes): (Vec<usize>, Vec<usize>) = sizes.iter().copied().unzip();
    assert_eq!(records.iter().max(), Some(&256));
    assert!(
        bytes.iter().all(|bytes| *bytes < (64 + 32) << 10),
        "{bytes:?}"
    );
}

/// Counts the records and bytes of each batch.
#[derive(Debug)]
struct Counting(Arc<Mutex<Vec<(usize, usize)>>>);

impl RecordSink for Counting {
    fn kind(&self) -> &'static str {
        "counting"
    }

    fn target(&self) -> String {
        "a test".into()
    }

    fn serve(&self, post: &mut Post) {
        while let Some(batch) = post.next_batch() {
            let mut size = (0, 0);
            while let Some(taken) = batch.take() {
                size = (size.0 + 1, size.1 + taken.payload.len());
                batch.done();
            }
            self.0.lock().unwrap().push(size);
        }
    }
}
