//! When a record wakes a printer that sleeps: at a mark, which is set only where it must be.

use pr_printk::kick::{Early, Kick};
use pr_ring::{Lpos, Seq};

/// A sleep that is over at once: the mark is what stays of it.
fn sleep(kick: &Kick, seq: u64) {
    let early = Early {
        seq: Seq(seq),
        pos: Lpos(seq.saturating_mul(10)),
        records: 100,
        bytes: 1000,
    };
    kick.sleep(kick.ticket(), early, 1);
}

/// Whether a record wakes who sleeps.
fn wakes(kick: &Kick, seq: u64, end: u64) -> bool {
    let before = kick.ticket();
    kick.published(Seq(seq), Lpos(end));
    kick.ticket() != before
}

/// The first record from `from` on that wakes somebody.
fn first_to_wake(kick: &Kick, from: u64) -> Option<u64> {
    (from..from + 300).find(|seq| wakes(kick, *seq, 10 * *seq))
}

#[test]
fn a_sleeping_printer_is_woken_at_its_mark_once() {
    let kick = Kick::new();
    assert_eq!(first_to_wake(&kick, 0), None, "nobody sleeps");
    sleep(&kick, 50);
    assert_eq!(first_to_wake(&kick, 50), Some(150));
    assert_eq!(first_to_wake(&kick, 150), None, "it is awake");
}

#[test]
fn text_has_a_mark_of_its_own() {
    let kick = Kick::new();
    sleep(&kick, 50);
    assert!(!wakes(&kick, 51, 1499));
    assert!(wakes(&kick, 52, 1500));
}

#[test]
fn a_mark_stays_for_the_next_sleep_until_half_of_it_is_used_up() {
    let kick = Kick::new();
    for seq in [50, 60, 99] {
        sleep(&kick, seq);
    }
    assert_eq!(first_to_wake(&kick, 99), Some(150));
    for seq in [50, 100] {
        sleep(&kick, seq);
    }
    assert_eq!(first_to_wake(&kick, 100), Some(200));
}

#[test]
fn of_two_sleepers_the_nearer_mark_counts() {
    let kick = Kick::new();
    sleep(&kick, 90);
    sleep(&kick, 50);
    assert_eq!(first_to_wake(&kick, 90), Some(150));
}

#[test]
fn who_has_much_to_print_leaves_no_mark() {
    let kick = Kick::new();
    sleep(&kick, 50);
    kick.awake();
    assert_eq!(first_to_wake(&kick, 50), None);
    sleep(&kick, u64::MAX - 10);
    assert_eq!(
        first_to_wake(&kick, 50),
        None,
        "a mark that no record reaches"
    );
}
