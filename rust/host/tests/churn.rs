//! Consoles that come and go by the thousand. Alone in its process, whose threads, descriptors and memory it counts.

mod scratch;

use pr_host::{Log, Mode, Overflow};
use pr_record::Format;
use scratch::{PATIENCE, Scratch, flush, numbers, say, wait_until};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("a folder").count()
}

/// Bytes of this process that are in memory, without what the allocator keeps for later, and without pages of files: the
/// ring's come in as it is filled.
fn resident() -> u64 {
    // SAFETY: gives back what nobody has.
    unsafe { libc::malloc_trim(0) };
    let text = std::fs::read_to_string("/proc/self/statm").expect("readable");
    let pages: Vec<u64> = text
        .split(' ')
        .filter_map(|pages| pages.parse().ok())
        .collect();
    4096 * (pages[1] - pages[2])
}

/// Has the allocator give back what is free. It keeps twice the largest piece that it ever gave back in each of its arenas
/// else, and what a console prints here may be megabytes.
fn give_back_at_once() {
    for threshold in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
        // SAFETY: sets a number of the allocator.
        assert_eq!(unsafe { libc::mallopt(threshold, 128 * 1024) }, 1);
    }
}

/// The number behind a key of a JSON line.
fn number(line: &str, key: &str) -> Option<u64> {
    let (_, rest) = line.split_once(key)?;
    let end = rest.find(|byte: char| !byte.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

/// The records that a line stands for: its own, or those that it says were lost.
fn span(line: &str) -> (u64, u64) {
    let own = number(line, "\"seq\":").map(|seq| (seq, seq));
    let lost = || {
        Some((
            number(line, "\"first_seq\":")?,
            number(line, "\"last_seq\":")?,
        ))
    };
    own.or_else(lost).expect("a record or a notice")
}

/// What each console prints has neither a gap nor anything that the one before it had. How much they printed.
fn come_and_go(scratch: &Scratch, log: &Log, times: u32) -> usize {
    let (mut next, mut count) = (0, 0);
    for _ in 0..times {
        let mut options = scratch.console("comes", Overflow::DropOldest);
        options.format = Format::Json;
        let console = log.add_console(options).expect("a console");
        assert!(log.remove_console(&console, PATIENCE));
        let text = scratch.read("comes");
        std::fs::remove_file(scratch.path("comes")).expect("it was there");
        for (index, (first, last)) in text.lines().map(span).enumerate() {
            let fits = if index == 0 {
                first >= next
            } else {
                first == next
            };
            assert!(fits, "{first} where {next} was to come");
            next = last + 1;
            count += 1;
        }
    }
    count
}

#[test]
fn in_every_mode_a_thousand_consoles_come_and_go_while_four_threads_log_and_leave_nothing() {
    for mode in Mode::ALL {
        eprintln!("{mode:?}");
        a_thousand_come_and_go(mode);
    }
}

/// Lets the writers end, also if the test has failed.
struct End<'t>(&'t AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn a_thousand_come_and_go(mode: Mode) {
    give_back_at_once();
    let scratch = Scratch::new();
    let log = scratch.log();
    log.set_mode(mode).expect("the mode");
    let stays = log
        .add_console(scratch.console("stays", Overflow::Block))
        .expect("a console");
    let (said, done) = (AtomicI64::new(0), AtomicBool::new(false));
    let (mut threads, mut files, mut memory) = (0, 0, 0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    if said.load(Ordering::SeqCst) > 200_000 {
                        std::thread::sleep(Duration::from_micros(100)); // on, but not for ever at this rate
                    }
                    say(&log, said.fetch_add(1, Ordering::SeqCst));
                }
            });
        }
        let _end = End(&done);
        come_and_go(&scratch, &log, 100);
        (threads, files, memory) = (
            entries("/proc/self/task"),
            entries("/proc/self/fd"),
            resident(),
        );
        let printed = come_and_go(&scratch, &log, 900);
        // All of them may have come and gone while whoever logs was off the processor.
        wait_until("some of them have printed", || {
            printed > 0 || come_and_go(&scratch, &log, 10) > 0
        });
    });
    // The writers have gone; of the rest there is no more than there was, as soon as all that end have ended.
    wait_until("all printers but one have ended", || {
        entries("/proc/self/task") <= threads - 4
    });
    assert!(entries("/proc/self/fd") <= files);
    wait_until(
        "there is no more memory than after the first hundred",
        || resident().saturating_sub(memory) < 1 << 20,
    );
    flush(&log);
    assert_eq!(stays.dropped(), 0);
    let mut seen = numbers(&scratch.read("stays"));
    seen.sort_unstable();
    assert!(
        seen == (0..said.into_inner()).collect::<Vec<_>>(),
        "each once"
    );
    let stats = log.stats();
    let buffers = stats
        .memory
        .iter()
        .find(|(name, _)| *name == "console_buffers");
    assert!(buffers.expect("counted").1 < 4 << 20, "{buffers:?}");
}
