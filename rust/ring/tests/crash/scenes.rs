//! What a writer may be doing when it dies: a ring in some state, and an operation on it, for every path that there is.

use crate::memory::Boxed;
use crate::{Caller, Geometry, Info, Refused, Ring, Ticket};
use std::rc::Rc;
use std::vec::Vec;

pub type Small = Rc<Ring<Boxed>>;

/// The writer that dies, or is stopped.
pub const VICTIM: u64 = 1;
/// Another one, that lives.
pub const OTHER: u64 = 2;
/// Whoever writes when all is over.
pub const LATER: u64 = 3;
/// Another one that dies.
pub const SECOND: u64 = 4;
/// The reapers.
pub const REAPER: u64 = 8;
pub const NEXT_REAPER: u64 = 9;

/// The text of a record with this seed.
pub fn text(seed: u64, len: usize) -> Vec<u8> {
    let word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_ne_bytes();
    word.iter().copied().cycle().take(len).collect()
}

/// What is said about it: `ts_nsec` the seed, `aux` the length of the first fragment.
pub fn info(owner: u64, seed: u64, len: usize) -> Info {
    Info {
        ts_nsec: seed,
        aux: len as u64,
        caller_id: owner,
        owner,
        ..Info::default()
    }
}

/// Reserves and fills.
pub fn open(ring: &Small, owner: u64, seed: u64, len: usize) -> Result<Ticket, Refused> {
    let mut ticket = ring.reserve_ticket(len, &info(owner, seed, len))?;
    ring.fill(&mut ticket, &text(seed, len));
    Ok(ticket)
}

pub fn put(ring: &Small, owner: u64, seed: u64, len: usize) -> Result<(), Refused> {
    open(ring, owner, seed, len).map(|ticket| ring.finalize(ticket))
}

pub fn leave_open(ring: &Small, owner: u64, seed: u64, len: usize) -> Result<(), Refused> {
    open(ring, owner, seed, len).map(|ticket| ring.commit(ticket))
}

/// Appends `more` bytes to the newest record, of which `max` are allowed.
fn append(ring: &Small, owner: u64, seed: u64, more: usize, max: usize) -> Result<(), Refused> {
    let caller = Caller {
        caller_id: owner,
        owner,
    };
    let mut ticket = ring.reopen_ticket(caller, more, max)?;
    let from = u64::from(ticket.text_len());
    let whole = text(seed, from as usize + more);
    ring.write(&mut ticket, from, &whole[from as usize..]);
    ring.commit(ticket);
    Ok(())
}

/// A ring in some state, records that living writers hold, and what the victim holds.
pub struct Stage {
    pub ring: Small,
    /// Held by `OTHER`, with seed and length.
    pub held: Vec<(Ticket, u64, usize)>,
    /// Held by the victim.
    pub own: Option<Ticket>,
}

impl Stage {
    fn new(desc_bits: u32, avg_data_bits: u32, retire_ahead: u32) -> Stage {
        let geometry = Geometry::new(desc_bits, avg_data_bits).unwrap();
        let ring = Ring::new(Boxed::new(geometry), geometry, retire_ahead).unwrap();
        Stage {
            ring: Rc::new(ring),
            held: Vec::new(),
            own: None,
        }
    }

    /// Finalized records of these lengths, with seeds from 100 on.
    pub fn with(self, lens: &[usize]) -> Stage {
        for len in lens {
            let seed = 100 + self.ring.next_reserve_seq().0;
            put(&self.ring, OTHER, seed, *len).unwrap();
        }
        self
    }

    /// A record that a living writer has in hand.
    pub fn holding(mut self, len: usize) -> Stage {
        let seed = 200 + self.ring.next_reserve_seq().0;
        let ticket = open(&self.ring, OTHER, seed, len).unwrap();
        self.held.push((ticket, seed, len));
        self
    }

    /// A record that the victim has in hand.
    fn owning(mut self, len: usize) -> Stage {
        self.own = Some(open(&self.ring, VICTIM, OWN, len).unwrap());
        self
    }

    /// A committed record that `owner` may extend.
    fn committed(self, owner: u64, len: usize) -> Stage {
        leave_open(&self.ring, owner, OWN, len).unwrap();
        self
    }
}

/// The seed of what the victim writes.
pub const OWN: u64 = 77;

/// One operation of the victim on a ring in some state.
pub struct Scene {
    pub name: &'static str,
    pub stage: fn() -> Stage,
    pub act: fn(&Small, Option<Ticket>) -> Result<(), Refused>,
    /// How the operation ends when nobody disturbs it.
    pub ends: Result<(), Refused>,
}

const fn scene(
    name: &'static str,
    stage: fn() -> Stage,
    act: fn(&Small, Option<Ticket>) -> Result<(), Refused>,
) -> Scene {
    Scene {
        name,
        stage,
        act,
        ends: Ok(()),
    }
}

const fn refused(
    name: &'static str,
    stage: fn() -> Stage,
    act: fn(&Small, Option<Ticket>) -> Result<(), Refused>,
    why: Refused,
) -> Scene {
    Scene {
        name,
        stage,
        act,
        ends: Err(why),
    }
}

/// 8 descriptors, 128 bytes of text.
fn small() -> Stage {
    Stage::new(3, 4, 0)
}

/// The same, having gone round twice: every reserve pushes both tails.
fn full() -> Stage {
    small().with(&[16; 20])
}

pub const SCENES: &[Scene] = &[
    scene("first record, final", small, |ring, _| {
        put(ring, VICTIM, OWN, 20)
    }),
    scene("first record, committed", small, |ring, _| {
        leave_open(ring, VICTIM, OWN, 20)
    }),
    scene(
        "empty text",
        || small().with(&[16]),
        |ring, _| leave_open(ring, VICTIM, OWN, 0),
    ),
    scene("full ring", full, |ring, _| put(ring, VICTIM, OWN, 24)),
    scene("full ring, wrapping", full, |ring, _| {
        put(ring, VICTIM, OWN, 50)
    }),
    scene(
        "committed predecessor",
        || small().with(&[8, 8]).committed(OTHER, 16),
        |ring, _| put(ring, VICTIM, OWN, 16),
    ),
    scene(
        "own committed predecessor, full ring",
        || full().committed(VICTIM, 16),
        |ring, _| leave_open(ring, VICTIM, OWN + 1, 16),
    ),
    scene(
        "newest committed in the way of the text",
        || small().with(&[40]).committed(OTHER, 40),
        |ring, _| put(ring, VICTIM, OWN, 50),
    ),
    scene(
        "commit, not the newest any more",
        || small().with(&[8]).owning(16).holding(8),
        |ring, own| {
            own.into_iter().for_each(|own| ring.commit(own));
            Ok(())
        },
    ),
    scene(
        "finalize, not the newest any more",
        || small().with(&[8]).owning(16).holding(8),
        |ring, own| {
            own.into_iter().for_each(|own| ring.finalize(own));
            Ok(())
        },
    ),
    scene(
        "finalize_last",
        || small().with(&[8]).committed(OTHER, 16),
        |ring, _| {
            ring.finalize_last();
            Ok(())
        },
    ),
    scene(
        "retiring ahead",
        || Stage::new(7, 3, 2).with(&[16; 150]),
        |ring, _| put(ring, VICTIM, OWN, 16),
    ),
    scene(
        "two descriptors",
        || Stage::new(1, 6, 0).with(&[8, 8, 8]),
        |ring, _| leave_open(ring, VICTIM, OWN, 8),
    ),
    refused(
        "no text",
        || small().with(&[8]).holding(40).with(&[40]),
        |ring, _| put(ring, VICTIM, OWN, 40),
        Refused::Text,
    ),
    refused(
        "no text, committed predecessor",
        || small().with(&[8]).holding(40).committed(OTHER, 40),
        |ring, _| put(ring, VICTIM, OWN, 40),
        Refused::Text,
    ),
    refused(
        "no descriptor",
        || small().holding(0).with(&[0; 6]),
        |ring, _| put(ring, VICTIM, OWN, 8),
        Refused::Descriptors,
    ),
    refused(
        "no descriptor, behind an empty tail",
        || small().with(&[8, 0]).holding(0).with(&[0; 6]),
        |ring, _| put(ring, VICTIM, OWN, 8),
        Refused::Descriptors,
    ),
    scene(
        "reopen, same block",
        || small().with(&[8]).committed(VICTIM, 9),
        |ring, _| append(ring, VICTIM, OWN, 3, 60),
    ),
    scene(
        "reopen, grow",
        || full().committed(VICTIM, 16),
        |ring, _| append(ring, VICTIM, OWN, 20, 60),
    ),
    scene(
        "reopen, grow and move",
        || full().with(&[8, 16, 16, 16]).committed(VICTIM, 5),
        |ring, _| append(ring, VICTIM, OWN, 30, 60),
    ),
    scene(
        "reopen, first block",
        || full().committed(VICTIM, 0),
        |ring, _| append(ring, VICTIM, OWN, 20, 60),
    ),
    scene(
        "reopen, still empty",
        || small().with(&[8]).committed(VICTIM, 0),
        |ring, _| append(ring, VICTIM, OWN, 0, 60),
    ),
    refused(
        "reopen, too long",
        || small().with(&[8]).committed(VICTIM, 9),
        |ring, _| append(ring, VICTIM, OWN, 60, 40),
        Refused::TooBig,
    ),
    refused(
        "reopen, no text to grow",
        || {
            small()
                .with(&[8])
                .holding(40)
                .with(&[8])
                .committed(VICTIM, 30)
        },
        |ring, _| append(ring, VICTIM, OWN, 26, 60),
        Refused::Text,
    ),
    refused(
        "reopen, no text for a first block",
        || {
            small()
                .with(&[8])
                .holding(40)
                .with(&[30])
                .committed(VICTIM, 0)
        },
        |ring, _| append(ring, VICTIM, OWN, 30, 60),
        Refused::Text,
    ),
    refused(
        "reopen, not its own",
        || small().with(&[8]).committed(OTHER, 9),
        |ring, _| append(ring, VICTIM, OWN, 3, 60),
        Refused::NotReopenable,
    ),
];

impl Scene {
    /// Sets the stage, and gives the operation.
    pub fn begin(&self) -> (Stage, impl FnOnce() -> Result<(), Refused> + use<>) {
        let mut stage = (self.stage)();
        let (ring, own, act) = (stage.ring.clone(), stage.own.take(), self.act);
        (stage, move || act(&ring, own))
    }
}
