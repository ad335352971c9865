//! The loops: a writer dies at every step, two die, the reaper dies, and the living are stopped at every step.

use super::check::{
    all, assert_goes_on, assert_kept, assert_readable_when_dead, assert_settled, assert_sound, read,
};
use super::scenes::{
    LATER, NEXT_REAPER, OWN, REAPER, SCENES, SECOND, Scene, Small, Stage, VICTIM, leave_open, open,
    put, text,
};
use super::{dies_at, stopped_at, stopped_then_dies_at};
use crate::memory::{Boxed, Memory};
use crate::{Caller, Geometry, Reaped, Refused, Ring, Ticket, Unfinished};
use std::cell::Cell;
use std::rc::Rc;

/// More steps than any operation has.
const MANY: u32 = 500;

/// Whoever dies in these tests, and nobody else.
fn is_dead(owner: u64) -> bool {
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
fn finish_held(stage: &mut Stage) {
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
fn at_every_step(mut at_step: impl FnMut(&Scene, u32) -> bool) {
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

/// Another writer that dies, and a reaper that comes by while the one under test is stopped.
struct Passing {
    ring: Small,
    /// What the reaper has turned into lost records.
    lost: Cell<u64>,
    /// The other one has come to the end of its operation.
    done: Cell<bool>,
}

impl Passing {
    fn by(stage: &Stage) -> Rc<Passing> {
        Rc::new(Passing {
            ring: stage.ring.clone(),
            lost: Cell::new(0),
            done: Cell::new(false),
        })
    }

    fn reap(&self) {
        let reaped = self.ring.reap(REAPER, |owner| owner == SECOND);
        assert!(!reaped.busy && reaped.lost <= 1, "{reaped:?}");
        self.lost.set(self.lost.get() + reaped.lost);
    }

    /// The stopped writer has come to its end as if nothing had happened, and all goes on.
    fn assert_unharmed(&self, scene: &Scene, stage: &mut Stage, result: Result<(), Refused>) {
        let ring = &self.ring;
        assert_sound(ring);
        assert_eq!(ring.reaped(), self.lost.get());
        self.reap();
        ring.finalize_last();
        finish_held(stage);
        if result.is_ok() && scene.ends.is_ok() && scene.name != "finalize_last" {
            let own = all(ring, Unfinished::Wait).into_values();
            let own = own.filter(|(seed, _)| [OWN, OWN + 1].contains(seed));
            assert_ne!(own.count(), 0, "a living writer was robbed");
        }
        assert_goes_on(ring, 2);
    }
}

/// A living writer is stopped before every access of its operation, while another one dies at every step of its own and a
/// reaper comes by. Then it goes on, and finds everything as it left it.
#[test]
fn a_stopped_writer_is_never_robbed() {
    at_every_step(|scene, at| {
        for second in 0..MANY {
            let (mut stage, act) = scene.begin();
            let passing = Passing::by(&stage);
            let meanwhile = {
                let passing = passing.clone();
                move || {
                    let ended = dies_at(second, || put(&passing.ring, SECOND, 300, 8));
                    passing.done.set(ended.is_some());
                    passing.reap();
                }
            };
            let Some(result) = stopped_at(at, meanwhile, act) else {
                return false;
            };
            passing.assert_unharmed(scene, &mut stage, result);
            if passing.done.get() {
                break;
            }
        }
        true
    });
}

/// The other one died first, at any access, and may have wanted the very number that the living one takes.
#[test]
fn a_stopped_writer_is_never_taken_for_a_dead_one_that_wanted_its_number() {
    at_every_step(|scene, at| {
        let mut any = false;
        for second in 0..MANY {
            let (mut stage, act) = scene.begin();
            let passing = Passing::by(&stage);
            let (result, others) = (Rc::new(Cell::new(None)), passing.clone());
            let meanwhile = {
                let (result, passing) = (result.clone(), passing.clone());
                move || {
                    let reap = move || passing.reap();
                    result.set(stopped_at(at, reap, act));
                    super::die();
                }
            };
            let (_, died) = super::run(second, false, meanwhile, || {
                put(&others.ring, SECOND, 300, 8)
            });
            if let Some(result) = result.take() {
                passing.assert_unharmed(scene, &mut stage, result);
                any = true;
            }
            if !died {
                break;
            }
        }
        any
    });
}

/// A reaper that runs at any moment of a living writer's operation changes nothing for it.
#[test]
fn nothing_is_lost_to_a_reaper_when_nobody_is_dead() {
    at_every_step(|scene, at| {
        let (mut stage, act) = scene.begin();
        let before = all(&stage.ring, Unfinished::Wait);
        let ring = stage.ring.clone();
        let meanwhile = move || {
            let reaped = ring.reap(REAPER, |_| false);
            assert!(!reaped.busy && reaped.lost == 0, "{reaped:?}");
        };
        let Some(result) = stopped_at(at, meanwhile, act) else {
            return false;
        };
        let ring = &stage.ring;
        // A record that it was about to reopen may have been finalized: then it is told so.
        let as_told = result == scene.ends
            || scene.name.starts_with("reopen") && result == Err(Refused::NotReopenable);
        assert!(as_told, "{}: {result:?}", scene.name);
        assert_eq!(ring.reaped(), 0);
        assert_kept(ring, &before, &all(ring, Unfinished::Wait));
        assert_sound(ring);
        finish_held(&mut stage);
        assert_settled(&stage.ring, 0);
        assert_goes_on(&stage.ring, 1);
        true
    });
}

/// A living writer is stopped before any access until a reaper and the others have done what they can without it: where
/// it held no record the ring has come round, and what it was about to store belongs to another record.
#[test]
fn a_stopped_writer_harms_nobody_when_the_ring_has_gone_on_without_it() {
    at_every_step(|scene, at| {
        let (mut stage, act) = scene.begin();
        let ring = stage.ring.clone();
        let meanwhile = {
            let ring = ring.clone();
            move || {
                let _ = ring.reap(REAPER, |_| false);
                for more in 0..3 * ring.geometry().descriptors() {
                    let write = if more % 2 == 0 { put } else { leave_open };
                    let _ = write(&ring, LATER, 500 + more, 16);
                    ring.finalize_last();
                }
                let reaped = ring.reap(REAPER, |_| false);
                assert!(!reaped.busy && reaped.lost == 0, "{reaped:?}");
            }
        };
        if stopped_at(at, meanwhile, act).is_none() {
            return false;
        }
        assert_sound(&ring);
        assert_eq!(ring.reaped(), 0);
        let left = ring.reap(REAPER, |_| false);
        assert_eq!(left.finalized, 0, "it has finalized what it had to");
        finish_held(&mut stage);
        assert_settled(&ring, 0);
        assert_goes_on(&ring, u64::MAX);
        true
    });
}

/// An old head beside a newer tail says nothing about room. A writer is stopped at any access; meanwhile records are logged, and
/// another writer dies at any store. As long as that one has not taken a number there is room, so nobody is refused.
#[test]
fn a_writer_with_an_old_head_is_not_refused() {
    for descriptor_bits in [1, 2] {
        let (mut at, mut happened) = (0, true);
        while happened {
            happened = false;
            for died in 0..12 {
                let geometry = Geometry::new(descriptor_bits, 8).unwrap();
                let ring = Rc::new(Ring::new(Boxed::new(geometry), geometry, 0).unwrap());
                put(&ring, LATER, 1, 0).unwrap();
                let took = Rc::new(Cell::new(false));
                let meanwhile = {
                    let (ring, took) = (ring.clone(), took.clone());
                    move || {
                        for more in 0..geometry.descriptors() - 1 {
                            let _ = put(&ring, LATER, 500 + more, 0);
                        }
                        let before = ring.next_reserve_seq();
                        let _ = dies_at(died, || put(&ring, SECOND, 700, 0));
                        took.set(ring.next_reserve_seq() != before);
                    }
                };
                let act = || put(&ring, VICTIM, 100, 0);
                let Some(result) = stopped_at(at, meanwhile, act) else {
                    continue;
                };
                happened = true;
                assert!(
                    took.get() || result == Ok(()),
                    "step {at}, death {died}: {result:?} in a ring with room"
                );
            }
            at += 1;
        }
        assert!(at > 5, "only {at} steps");
    }
}

/// The same the other way round: a reaper is stopped at any access while a living writer logs, and a lap more.
#[test]
fn a_stopped_reaper_finds_its_way_when_the_ring_has_gone_on() {
    at_every_step(|scene, died| {
        let (mut ended, mut happened) = (false, true);
        let mut at = 0;
        while happened {
            let (mut stage, act) = scene.begin();
            ended = dies_at(died, act).is_some();
            let ring = stage.ring.clone();
            let meanwhile = {
                let ring = ring.clone();
                move || {
                    for more in 0..2 * ring.geometry().descriptors().min(16) {
                        let _ = leave_open(&ring, LATER, 500 + more, 16);
                    }
                }
            };
            happened = stopped_at(at, meanwhile, || ring.reap(REAPER, is_dead)).is_some();
            assert!(ring.reaped() <= 1, "a living writer was robbed");
            settle_twice(&mut stage);
            at += 1;
        }
        !ended
    });
}

fn settle_twice(stage: &mut Stage) {
    let _ = stage.ring.reap(REAPER, is_dead);
    assert!(stage.ring.reaped() <= 1);
    assert_settled(&stage.ring, stage.held.len());
    finish_held(stage);
    assert_goes_on(&stage.ring, u64::MAX);
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
