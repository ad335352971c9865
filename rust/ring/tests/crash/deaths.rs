//! The loops: a writer dies at every step, two die, the reaper dies.

use super::check::{
    all, assert_goes_on, assert_readable_when_dead, assert_settled, assert_sound, read,
};
use super::scenes::{
    LATER, NEXT_REAPER, OWN, REAPER, SCENES, SECOND, Scene, Small, Stage, VICTIM, leave_open, open,
    put, text,
};
use super::{dies_at, stopped_then_dies_at};
use crate::memory::{Boxed, Memory};
use crate::{Caller, Reaped, Refused, Ring, Ticket, Unfinished};
use std::cell::Cell;
use std::rc::Rc;

/// More steps than any operation has.
pub const MANY: u32 = 500;

/// Whoever dies in these tests, and nobody else.
pub fn is_dead(owner: u64) -> bool {
    owner == VICTIM || owner == SECOND
}

/// Reaps; there is nothing left to reap then.
fn reap(ring: &Small, held: usize) -> Reaped {
    let reaped = ring.reap(REAPER, is_dead);
    assert!(!reaped.busy && reaped.living >= held as u64, "{reaped:?}");
    let again = ring.reap(REAPER, is_dead);
    let nothing = Reaped {
        living: reaped.living,
        ..Reaped::default()
    };
    assert_eq!(again, nothing, "after {reaped:?}");
    let head = ring.memory().head().get();
    let newest = ring.memory().slot(head.id.0);
    assert!(
        !head.reopenable || !is_dead(newest.owner.get()),
        "nobody will ever extend it"
    );
    reaped
}

/// What living writers held they can finish, and it is read whole.
pub fn finish_held(stage: &mut Stage) {
    for (ticket, seed, len) in stage.held.drain(..) {
        let seq = ticket.seq().0;
        stage.ring.finalize(ticket);
        let (info, got) = read(&stage.ring, seq, Unfinished::Wait).expect("it was finished");
        assert_eq!(
            (info.seq.0, info.ts_nsec),
            (seq, seed),
            "a living writer was robbed"
        );
        assert_eq!(got, text(seed, len));
    }
}

/// After a death, or several: reaps, and checks everything. At most `most` records are lost.
fn settle_and_go_on(stage: &mut Stage, most: u64) -> u64 {
    let ring = stage.ring.clone();
    let reaped = reap(&ring, stage.held.len());
    assert!(reaped.lost <= most, "{reaped:?}");
    assert_eq!(ring.reaped(), reaped.lost, "lost, and counted");
    check_settled(stage, most);
    reaped.lost
}

fn check_settled(stage: &mut Stage, most: u64) {
    assert_settled(&stage.ring, stage.held.len());
    finish_held(stage);
    assert_settled(&stage.ring, 0);
    assert_goes_on(&stage.ring, most);
}

/// Says where a test was when it failed.
struct At<'s>(&'s str, u32);

impl Drop for At<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::eprintln!("in scene {:?}, step {}", self.0, self.1);
        }
    }
}

/// Does something for every scene, and for every step of it until that says that it has no more.
pub fn at_every_step(mut at_step: impl FnMut(&Scene, u32) -> bool) {
    let mut steps = 0;
    for scene in SCENES {
        let mut at = 0;
        while {
            let _at = At(scene.name, at);
            at_step(scene, at)
        } {
            at += 1;
            assert!(at < MANY, "{}: no end", scene.name);
        }
        steps += at;
    }
    assert!(steps > 200, "only {steps} steps");
}

#[test]
fn every_scene_ends_as_it_says() {
    for scene in SCENES {
        let (mut stage, act) = scene.begin();
        assert_eq!(act(), scene.ends, "{}", scene.name);
        assert_sound(&stage.ring);
        finish_held(&mut stage);
        assert_goes_on(&stage.ring, 1);
    }
}

#[test]
fn a_writer_that_dies_at_any_step_costs_at_most_its_own_record() {
    let mut reaped = 0;
    at_every_step(|scene, at| {
        let (mut stage, act) = scene.begin();
        let before = all(&stage.ring, Unfinished::Wait);
        let ended = dies_at(at, act).is_some();
        assert_readable_when_dead(&stage.ring, &before);
        reaped += settle_and_go_on(&mut stage, 1);
        !ended
    });
    assert!(reaped > 50, "hardly anybody left something: {reaped}");
}

/// The others write on until they are stopped by what the dead one left; then it is reaped.
#[test]
fn a_dead_writer_is_reaped_also_when_others_have_gone_on() {
    at_every_step(|scene, at| {
        let (mut stage, act) = scene.begin();
        let ended = dies_at(at, act).is_some();
        let ring = stage.ring.clone();
        let lost_before = ring.reaped();
        let mut refused = 0;
        for more in 0..3 * ring.geometry().descriptors() {
            let write = if more % 2 == 0 { put } else { leave_open };
            refused += u64::from(write(&ring, LATER, 500 + more, 16).is_err());
        }
        ring.finalize_last();
        settle_and_go_on(&mut stage, 1 + refused);
        assert!(ring.reaped() - lost_before <= 1, "more than its own record");
        !ended
    });
}

#[test]
fn two_dead_writers_cost_at_most_two_records() {
    at_every_step(|scene, first| {
        let mut ended = false;
        for second in 0..MANY {
            let (mut stage, act) = scene.begin();
            ended = dies_at(first, act).is_some();
            let ring = stage.ring.clone();
            let done = dies_at(second, || put(&ring, SECOND, 300, 16)).is_some();
            settle_and_go_on(&mut stage, 2);
            if done {
                break;
            }
        }
        !ended
    });
}

/// One writer stands still in the middle of its operation when another takes the number that it wants, and dies as well.
#[test]
fn two_writers_that_die_over_the_same_number_cost_at_most_two_records() {
    at_every_step(|scene, first| {
        let mut happened = false;
        for second in 0..MANY {
            let (mut stage, act) = scene.begin();
            let (ring, done) = (stage.ring.clone(), Rc::new(Cell::new(false)));
            let in_the_middle = {
                let done = done.clone();
                move || {
                    done.set(dies_at(second, || put(&ring, SECOND, 300, 16)).is_some());
                    super::die();
                }
            };
            happened = super::run(first, false, in_the_middle, act).1;
            settle_and_go_on(&mut stage, 2);
            if done.get() || !happened {
                break;
            }
        }
        happened
    });
}

/// One writer stands still at any access, and another takes the number that it wants, and lives. The first one goes on, finds that it
/// has lost, tries for the next number, and dies at any store of all that follows.
#[test]
fn a_writer_that_has_lost_its_number_to_another_may_die_later() {
    const THEIRS: u64 = 300;
    let mut reaped = 0;
    at_every_step(|scene, at| {
        let mut stopped = false;
        for later in 0..MANY {
            let (mut stage, act) = scene.begin();
            let ring = stage.ring.clone();
            let stored = Rc::new(Cell::new(false));
            let meanwhile = {
                let (ring, stored) = (ring.clone(), stored.clone());
                move || stored.set(put(&ring, LATER, THEIRS, 8).is_ok())
            };
            let (result, happened) = stopped_then_dies_at((at, later), meanwhile, act);
            stopped = happened;
            let left = reap(&ring, stage.held.len());
            assert!(left.lost <= 1 && ring.reaped() == left.lost, "{left:?}");
            reaped += left.lost;
            assert_settled(&ring, stage.held.len());
            finish_held(&mut stage);
            let found = all(&ring, Unfinished::Wait);
            let theirs = found.values().any(|(seed, _)| *seed == THEIRS);
            assert_eq!(theirs, stored.get(), "what the other one stored");
            check_settled(&mut stage, 1);
            if result.is_some() || !happened {
                break;
            }
        }
        stopped
    });
    assert!(reaped > 50, "hardly anybody left something: {reaped}");
}

#[test]
fn a_reaper_that_dies_at_any_step_is_followed_by_the_next() {
    at_every_step(|scene, at| {
        let mut ended = false;
        for reaper_at in 0..MANY {
            let (mut stage, act) = scene.begin();
            let before = all(&stage.ring, Unfinished::Wait);
            ended = dies_at(at, act).is_some();
            let ring = stage.ring.clone();
            let done = dies_at(reaper_at, || ring.reap(REAPER, is_dead)).is_some();
            assert_readable_when_dead(&ring, &before);
            let next = ring.reap(NEXT_REAPER, |owner| is_dead(owner) || owner == REAPER);
            assert!(!next.busy && next.lost <= 1, "{next:?}");
            assert!(ring.reaped() <= 1, "counted twice");
            assert!(!done || next.lost == 0, "{next:?}");
            check_settled(&mut stage, 1);
            if done {
                break;
            }
        }
        !ended
    });
}

#[test]
fn a_reaper_waits_for_one_that_lives() {
    let (stage, _) = SCENES[0].begin();
    let ring = stage.ring.clone();
    leave_open(&ring, VICTIM, OWN, 8).unwrap();
    assert_eq!(dies_at(1, || ring.reap(REAPER, is_dead)), None);
    let busy = ring.reap(NEXT_REAPER, is_dead);
    assert!(busy.busy, "{busy:?}");
    let untouched = Reaped {
        busy: true,
        ..Reaped::default()
    };
    assert_eq!(busy, untouched);
}

/// Or a living reopener could be robbed for a dead writer, whose name its record bears.
#[test]
fn a_record_is_extended_only_by_the_context_that_began_it() {
    let (stage, _) = SCENES[0].begin();
    leave_open(&stage.ring, VICTIM, OWN, 8).unwrap();
    let other_context = Caller {
        caller_id: VICTIM,
        owner: LATER,
    };
    for caller in [other_context, VICTIM.into()] {
        let refused = stage.ring.reopen_ticket(caller, 8, 50);
        assert!(
            matches!(refused, Err(Refused::NotReopenable)),
            "{refused:?}"
        );
    }
    let same = Caller {
        caller_id: VICTIM,
        owner: VICTIM,
    };
    let ticket = stage.ring.reopen_ticket(same, 0, 50).unwrap();
    stage.ring.finalize(ticket);
    assert_goes_on(&stage.ring, 0);
}

/// Its printers are told: a record that nobody could read became readable.
#[test]
fn a_dead_writers_committed_record_is_finalized_and_counted() {
    let (stage, _) = SCENES[0].begin();
    leave_open(&stage.ring, VICTIM, OWN, 8).unwrap();
    assert_eq!(stage.ring.reap(REAPER, is_dead).finalized, 1);
    assert_settled(&stage.ring, 0);
}

/// A ticket that two processes have after a fork: the second one to end changes nothing.
#[test]
fn a_record_that_is_finished_is_not_finished_again() {
    for end in [Ring::<Boxed>::commit, Ring::finalize] {
        for later in [0, 8] {
            let (stage, _) = SCENES[0].begin();
            let ring = stage.ring;
            leave_open(&ring, VICTIM, OWN, 8).unwrap();
            let mut parents = ring
                .reopen_ticket(
                    Caller {
                        caller_id: VICTIM,
                        owner: VICTIM,
                    },
                    8,
                    50,
                )
                .unwrap();
            let mut childs = Ticket { ..parents };
            ring.fill(&mut parents, &text(OWN, 16));
            ring.finalize(parents);
            for more in 0..later {
                put(&ring, LATER, 500 + more, 8).unwrap();
            }
            let before = all(&ring, Unfinished::Skip);
            childs.set_text_len(3);
            end(&ring, childs);
            assert_eq!(all(&ring, Unfinished::Skip), before);
            assert_eq!(ring.health(), 1, "counted");
        }
    }
}

/// What a dead writer had taken of the text is room like any other: no other record is dropped for it.
#[test]
fn the_text_of_a_lost_record_makes_room() {
    let (stage, _) = SCENES[0].begin();
    let ring = stage.ring; // 128 bytes
    put(&ring, LATER, 1, 8).unwrap(); // [0, 16)
    assert_eq!(dies_at(12, || put(&ring, VICTIM, OWN, 56)), None); // [16, 80)
    put(&ring, LATER, 2, 8).unwrap(); // [80, 96)
    put(&ring, LATER, 3, 24).unwrap(); // [96, 128)
    assert_eq!(reap(&ring, 0).lost, 1);
    put(&ring, LATER, 4, 40).unwrap(); // [128, 176) wants [0, 48)
    let kept: std::vec::Vec<u64> = all(&ring, Unfinished::Wait).into_keys().collect();
    assert_eq!(kept, [2, 3, 4]);
}

/// A writer may finish its record, or get as far as storing its owner, between the reaper's look and its death.
#[test]
fn what_a_writer_did_just_before_it_died_counts() {
    for (finish, lost) in [(true, 0), (false, 1)] {
        let (stage, _) = SCENES[0].begin();
        let ring = stage.ring;
        let mut own = open(&ring, VICTIM, OWN, 8).ok();
        let unfinished = finish.then(|| own.take()).flatten();
        let last_words = Cell::new(unfinished);
        let reaped = ring.reap(REAPER, |owner| {
            last_words
                .take()
                .into_iter()
                .for_each(|own| ring.finalize(own));
            owner == VICTIM
        });
        assert_eq!((reaped.lost, reaped.living), (lost, 0), "{reaped:?}");
        let kept = read(&ring, 0, Unfinished::Wait).is_some();
        assert_eq!(kept, finish);
        assert_settled(&ring, 0);
    }
}
