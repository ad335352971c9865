//! A takeover after every byte of a write: nothing is lost, and nothing is doubled without a notice.

mod rig;

use pr_printk::owner::Priority;
use pr_printk::print::Printed;
use pr_ring::Seq;
use rig::{check, core, drain, events, everything, log, printed, refused, took};
use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

/// So long that one record is broken in pieces, and several short ones are one.
const PIECE: usize = 50;

fn records() -> Vec<String> {
    events().iter().map(|event| printed(event)).collect()
}

fn filled() -> &'static pr_printk::Core {
    let core = core(6);
    events().iter().for_each(|event| log(core, event));
    core
}

fn byte_count() -> usize {
    records().iter().map(String::len).sum()
}

#[test]
fn without_a_takeover_every_record_is_printed_once() {
    let core = filled();
    let mut output = Vec::new();
    let mut hold = core
        .hold(0, Priority::Normal, None, false)
        .expect("nobody has it");
    let end = drain(&mut hold, PIECE, &mut |bytes| {
        output.extend_from_slice(bytes);
        took(bytes.len())
    });
    assert_eq!(end, Printed::Nothing);
    assert_eq!(String::from_utf8(output).expect("text"), records().concat());
    let slot = hold.slot();
    assert_eq!(slot.seq.load(Ordering::Relaxed), 5);
    assert_eq!(slot.printed.load(Ordering::Relaxed), 5);
    assert_eq!(slot.bytes.load(Ordering::Relaxed), byte_count() as u64);
}

#[test]
fn whoever_takes_over_after_any_byte_goes_on_with_the_next() {
    for at in 0..byte_count() {
        let core = filled();
        let output = Mutex::new(Vec::new());
        let sink = |bytes: &[u8]| {
            let one = &bytes[..1];
            output.lock().expect("alone").extend_from_slice(one);
            took(1)
        };
        std::thread::scope(|scope| {
            let mut printer = core
                .hold(0, Priority::Normal, None, false)
                .expect("nobody has it");
            let mut written = 0;
            let end = drain(&mut printer, PIECE, &mut |bytes| {
                if written == at {
                    scope.spawn(|| {
                        let mut hold = core
                            .hold(0, Priority::Emergency, Some(&mut || true), false)
                            .expect("it is let go");
                        assert_eq!(
                            drain(&mut hold, PIECE, &mut |bytes| sink(bytes)),
                            Printed::Nothing
                        );
                    });
                    while core.consoles()[0].owner.seen().requested() == 0 {
                        std::thread::yield_now();
                    }
                }
                written += 1;
                sink(bytes)
            });
            assert_eq!(end, Printed::Lost);
            assert_eq!(
                written,
                at + 1,
                "nothing is written by who has lost the console"
            );
        });
        let output = String::from_utf8(output.into_inner().expect("alone")).expect("text");
        assert_eq!(output, records().concat());
        assert_eq!(core.consoles()[0].seq.load(Ordering::Relaxed), 5);
    }
}

#[test]
fn who_takes_a_console_by_force_after_any_byte_prints_what_was_in_hand_and_the_other_moves_nothing()
{
    for at in 0..byte_count() {
        let core = filled();
        let output = RefCell::new(Vec::new());
        let sink = |bytes: &[u8]| {
            output.borrow_mut().extend_from_slice(&bytes[..1]);
            took(1)
        };
        let mut written = 0;
        let mut printer = core
            .hold(0, Priority::Normal, None, false)
            .expect("nobody has it");
        let end = drain(&mut printer, PIECE, &mut |bytes| {
            let taken = sink(bytes);
            if written == at {
                let mine = bytes.to_vec();
                let mut panic = core
                    .hold(0, Priority::Panic, None, true)
                    .expect("force is allowed");
                assert_eq!(
                    drain(&mut panic, PIECE, &mut |bytes| sink(bytes)),
                    Printed::Nothing
                );
                assert_eq!(bytes, mine, "what the other is writing stays as it was");
                // From here on the other's own steps must not move the number.
                core.consoles()[0].seq.store(3, Ordering::Relaxed);
            }
            written += 1;
            taken
        });
        assert_eq!((end, written), (Printed::Lost, at + 1));
        assert_eq!(core.consoles()[0].seq.load(Ordering::Relaxed), 3);
        let output = String::from_utf8(output.into_inner()).expect("text");
        check(&output, &records());
        assert!(core.consoles()[0].owner.seen().was_taken());
    }
}

#[test]
fn a_console_that_was_taken_in_the_middle_of_something_is_a_panics_only() {
    let core = filled();
    let mut printer = core
        .hold(0, Priority::Normal, None, false)
        .expect("nobody has it");
    let printed = printer.print(&everything(), PIECE, &mut |bytes| {
        drop(core.hold(0, Priority::Panic, None, true).expect("force"));
        took(bytes.len())
    });
    assert_eq!(printed, Printed::Lost);
    for priority in [Priority::Normal, Priority::Emergency] {
        assert!(core.hold(0, priority, Some(&mut || false), false).is_err());
    }
}

#[test]
fn who_goes_on_after_an_error_at_any_byte_prints_no_byte_twice() {
    for at in 0..byte_count() {
        let core = filled();
        let output = RefCell::new(Vec::new());
        let mut written = 0;
        let mut write = |bytes: &[u8]| {
            output.borrow_mut().extend_from_slice(&bytes[..1]);
            written += 1;
            if written == at + 1 {
                refused(1, libc::ENOSPC)
            } else {
                took(1)
            }
        };
        for expected in [Printed::Failed(libc::ENOSPC), Printed::Nothing] {
            // Given back in between, as a printer does that waits for better times.
            let mut hold = core
                .hold(0, Priority::Normal, None, false)
                .expect("nobody has it");
            assert_eq!(drain(&mut hold, PIECE, &mut write), expected, "at {at}");
        }
        let output = String::from_utf8(output.into_inner()).expect("text");
        assert_eq!(output, records().concat());
    }
}

#[test]
fn who_goes_on_where_another_was_refused_says_that_the_record_comes_again() {
    for at in 0..byte_count() {
        let core = filled();
        let output = RefCell::new(Vec::new());
        let mut written = 0;
        let mut write = |bytes: &[u8]| {
            output.borrow_mut().extend_from_slice(&bytes[..1]);
            written += 1;
            if written == at + 1 {
                refused(1, libc::EIO)
            } else {
                took(1)
            }
        };
        let mut printer = core
            .hold(0, Priority::Normal, None, false)
            .expect("nobody has it");
        let _ = drain(&mut printer, PIECE, &mut write);
        drop(printer);
        // Somebody has it, and does nothing with it: what was in hand is not to be trusted.
        drop(
            core.hold(0, Priority::Emergency, None, false)
                .expect("free"),
        );
        let mut next = core
            .hold(0, Priority::Normal, None, false)
            .expect("nobody has it");
        assert_eq!(drain(&mut next, PIECE, &mut write), Printed::Nothing);
        let output = String::from_utf8(output.into_inner()).expect("text");
        let (told, doubled) = check(&output, &records());
        // At the edge of a record nothing is broken off; with its newline missing one looks whole.
        let ends: Vec<usize> = (1..=records().len())
            .map(|count| records()[..count].concat().len())
            .collect();
        let (edge, all_but_newline) = (ends.contains(&(at + 1)), ends.contains(&(at + 2)));
        let expected = (usize::from(!edge), usize::from(all_but_newline));
        assert_eq!((told, doubled), expected, "at {at}: {output:?}");
    }
}

#[test]
fn a_number_that_was_set_from_outside_during_a_write_stands() {
    for at in 0..byte_count() {
        let core = filled();
        let mut written = 0;
        let mut hold = core
            .hold(0, Priority::Normal, None, false)
            .expect("nobody has it");
        let _ = hold.print(&everything(), PIECE, &mut |_| {
            if written == at {
                core.consoles()[0].seq.store(1_000, Ordering::Relaxed);
            }
            written += 1;
            took(1)
        });
        assert_eq!(core.consoles()[0].seq.load(Ordering::Relaxed), 1_000);
    }
}

#[test]
fn a_new_target_gets_whole_records_and_no_notice() {
    for at in 0..byte_count() {
        let core = filled();
        let mut hold = core
            .hold(0, Priority::Normal, None, false)
            .expect("nobody has it");
        let mut written = 0;
        let _ = hold.print(&everything(), PIECE, &mut |_| {
            written += 1;
            if written == at + 1 {
                refused(1, libc::ESTALE)
            } else {
                took(1)
            }
        });
        let from = core.consoles()[0].seq.load(Ordering::Relaxed);
        hold.restart();
        let mut output = Vec::new();
        assert_eq!(
            drain(&mut hold, PIECE, &mut |bytes| {
                output.extend_from_slice(bytes);
                took(bytes.len())
            }),
            Printed::Nothing
        );
        let rest: String = records()[from as usize..].concat();
        assert_eq!(String::from_utf8(output).expect("text"), rest, "at {at}");
    }
}

#[test]
fn what_was_lost_is_told_once_and_before_the_next_record_also_if_it_is_broken_off() {
    for at in 0..40 {
        let core = core(3); // eight descriptors
        for number in 0..20 {
            log(core, &format!("record {number}"));
        }
        let output = RefCell::new(Vec::new());
        let mut written = 0;
        let mut write = |bytes: &[u8]| {
            output.borrow_mut().extend_from_slice(&bytes[..1]);
            written += 1;
            if written == at + 1 {
                refused(1, libc::EIO)
            } else {
                took(1)
            }
        };
        for _ in 0..2 {
            let mut hold = core
                .hold(0, Priority::Normal, None, false)
                .expect("nobody has it");
            let _ = drain(&mut hold, PIECE, &mut write);
            drop(hold);
            drop(
                core.hold(0, Priority::Emergency, None, false)
                    .expect("free"),
            );
        }
        let output = String::from_utf8(output.into_inner()).expect("text");
        let slot = &core.consoles()[0];
        let dropped = slot.dropped.load(Ordering::Relaxed);
        let whole = format!("** {dropped} printk messages dropped **\n");
        let after = output.rsplit_once(&whole).expect("it is told").1;
        let first = slot.seq.load(Ordering::Relaxed) - slot.printed.load(Ordering::Relaxed);
        assert_eq!(dropped, first, "{output:?}");
        assert!(
            after.contains(&printed(&format!("record {first}"))),
            "{output:?}"
        );
        assert_eq!(
            Seq(slot.seq.load(Ordering::Relaxed)),
            core.ring().next_seq()
        );
    }
}
