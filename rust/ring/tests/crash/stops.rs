//! The loops over living writers and reapers that are stopped at every step: nobody takes their place, and they harm nobody.

use super::check::{all, assert_goes_on, assert_kept, assert_settled, assert_sound};
use super::deaths::{MANY, at_every_step, finish_held, is_dead};
use super::scenes::{LATER, OWN, REAPER, SECOND, Scene, Small, Stage, VICTIM, leave_open, put};
use super::{dies_at, stopped_at};
use crate::memory::Boxed;
use crate::{Geometry, Refused, Ring, Unfinished};
use std::cell::Cell;
use std::rc::Rc;

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
