//! Writers that have announced nothing, or not in a cell of their own: what they may have taken is left alone.

use super::check::{all, assert_goes_on, assert_settled, assert_sound};
use super::scenes::{LATER, OWN, REAPER, SCENES, SECOND, Small, put};
use super::{die, dies_at, run, stopped_at};
use crate::memory::Boxed;
use crate::{Geometry, Reaped, Refused, Ring, Unfinished};
use std::cell::Cell;
use std::rc::Rc;

const ANONYMOUS: u64 = 0;

fn empty_ring() -> Small {
    SCENES[0].begin().0.ring
}

fn large_ring() -> Small {
    let geometry = Geometry::new(9, 5).unwrap();
    Rc::new(Ring::new(Boxed::new(geometry), geometry, 0).unwrap())
}

/// Everybody is dead, but that is said of nobody without a name.
fn everybody_is_dead(owner: u64) -> bool {
    assert_ne!(owner, ANONYMOUS, "nobody knows");
    true
}

#[test]
fn what_an_anonymous_writer_leaves_unfinished_is_reported_only() {
    for at in 0.. {
        let ring = empty_ring();
        let ended = dies_at(at, || put(&ring, ANONYMOUS, OWN, 20)).is_some();
        let reaped = ring.reap(REAPER, everybody_is_dead);
        assert_eq!((reaped.lost, ring.reaped(), reaped.busy), (0, 0, false));
        let left = ring.next_reserve_seq().0 - ring.next_seq().0;
        assert_eq!(reaped.living, left, "step {at}");
        assert_sound(&ring);
        if ended {
            break;
        }
    }
}

/// Whoever has announced a number and died did not take it, if somebody without a name did.
#[test]
fn an_anonymous_writer_is_never_taken_for_a_dead_one_that_wanted_its_number() {
    for second in 0.. {
        let mut died = false;
        for at in 0.. {
            let ring = empty_ring();
            let happened = Rc::new(Cell::new(false));
            let meanwhile = {
                let (ring, happened) = (ring.clone(), happened.clone());
                move || {
                    let reaper = ring.clone();
                    let reap = move || {
                        let reaped = reaper.reap(REAPER, |owner| owner == SECOND);
                        assert!(reaped.lost <= 1, "{reaped:?}");
                    };
                    let result = stopped_at(at, reap, || put(&ring, ANONYMOUS, OWN, 20));
                    happened.set(result == Some(Ok(())));
                    die();
                }
            };
            died = run(second, false, meanwhile, || put(&ring, SECOND, 300, 8)).1;
            if !happened.get() {
                break;
            }
            let reaped = ring.reap(REAPER, |owner| owner == SECOND);
            // A number without a trace is left alone for good, whoever took it.
            let found = all(&ring, Unfinished::Skip);
            assert!(found.values().any(|(seed, _)| *seed == OWN), "robbed");
            if reaped.living == 0 {
                assert_goes_on(&ring, 1);
            }
        }
        if !died {
            break;
        }
    }
}

/// A number that was taken without a trace by a writer that found no cell.
#[test]
fn an_owner_without_a_cell_is_reported_until_cells_of_the_dead_are_given_back() {
    const CROWD: std::ops::Range<u64> = 1000..1400;
    let crowd = |owner| CROWD.contains(&owner);
    let ring = large_ring();
    for owner in CROWD {
        put(&ring, owner, owner, 8).unwrap();
    }
    assert!(ring.is_crowded());
    // Dead with the number taken and nothing else: the store behind the one that takes it is the one that dies.
    let late = CROWD.end;
    let before = ring.next_reserve_seq();
    let mut at = 0;
    while ring.next_reserve_seq() == before {
        assert_eq!(dies_at(at, || put(&ring, late, late, 8)), None);
        at += 1;
    }
    let living = Reaped {
        living: 1,
        ..Reaped::default()
    };
    assert_eq!(ring.reap(REAPER, |owner| owner == late), living);
    assert!(ring.is_crowded() || ring.announcements().cell_of(late).is_none());

    let all_dead = |owner| crowd(owner) || owner == late;
    assert_eq!(
        ring.reap(REAPER, all_dead),
        living,
        "it may have been anybody"
    );
    assert!(!ring.is_crowded());
    for owner in [LATER, SECOND] {
        assert!(ring.announcements().cell_of(owner).is_some());
    }
}

#[test]
fn cells_of_the_dead_are_given_to_the_living_and_gaps_are_reaped_again() {
    let ring = large_ring();
    for owner in 1000..1400 {
        put(&ring, owner, owner, 8).unwrap();
        if ring.is_crowded() {
            let reaped = ring.reap(REAPER, |other| other != owner);
            assert_eq!(reaped, Reaped::default());
            assert!(!ring.is_crowded());
        }
    }
    for at in 0.. {
        let ended = dies_at(at, || put(&ring, SECOND, 300, 8)).is_some();
        let reaped = ring.reap(REAPER, |owner| owner == SECOND);
        assert!(reaped.lost <= 1 && reaped.living == 0, "{reaped:?}");
        assert_settled(&ring, 0);
        if ended {
            break;
        }
    }
    assert!(ring.reaped() > 3);
}

#[test]
fn a_reaper_without_a_name_does_nothing() {
    let ring = empty_ring();
    assert_eq!(dies_at(8, || put(&ring, SECOND, 300, 8)), None);
    let reaped = ring.reap(0, everybody_is_dead);
    assert!(reaped.busy && reaped.lost == 0, "{reaped:?}");
}

/// One that has lost the race for a number, and was then refused another one, does not stand in the way for ever.
#[test]
fn a_number_that_a_refused_writer_has_lost_is_reaped() {
    let mut reaped = 0;
    for at in 0.. {
        // One descriptor is left, and no other will come free.
        let mut stage = (SCENES[0].stage)().holding(0).with(&[0; 5]);
        let ring = stage.ring.clone();
        let meanwhile = {
            let ring = ring.clone();
            move || {
                let before = ring.next_reserve_seq();
                let mut step = 0;
                while ring.next_reserve_seq() == before
                    && dies_at(step, || put(&ring, SECOND, 300, 0)).is_none()
                {
                    step += 1;
                }
            }
        };
        let before = ring.next_reserve_seq();
        let Some(result) = stopped_at(at, meanwhile, || put(&ring, LATER, 400, 0)) else {
            break;
        };
        let dead = ring.reap(REAPER, |owner| owner == SECOND);
        if result == Err(Refused::Descriptors) {
            assert_eq!((dead.lost, dead.living), (1, 1), "step {at}");
            reaped += 1;
        }
        assert!(ring.next_reserve_seq() > before);
        stage.held.drain(..).for_each(|held| ring.finalize(held.0));
        assert_goes_on(&ring, 1);
    }
    assert!(reaped > 2, "it has never lost a race: {reaped}");
}
