//! The ring against a plain model, call by call.
#![allow(missing_docs, reason = "a test")]

#[path = "../heap/mod.rs"]
mod heap;
mod plain;

use heap::HeapRing;
use plain::{No, Plain, Span, State};
use pr_ring::{Info, Read, Refused, Seq, Ticket, Unfinished};
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Op {
    Reserve { size: u16, caller: u8 },
    Commit(Which, u16),
    Finalize(Which, u16),
    Reopen { caller: u8, extend: u16, max: Max },
    FinalizeLast,
}

/// How long a record may get.
#[derive(Clone, Copy, Debug)]
enum Max {
    Of(u16),
    /// What it gets by this reopening, one less, or one more.
    Edge(i8),
}

/// An open record.
#[derive(Clone, Copy, Debug)]
enum Which {
    Newest,
    Any(Index),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let size = prop_oneof![4 => 0..24_u16, 2 => 0..130_u16, 1 => Just(0_u16), 1 => 0..600_u16];
    // The newest more often than chance would have it: only that one can be reopened.
    let which = prop_oneof![Just(Which::Newest), any::<Index>().prop_map(Which::Any)];
    let some = prop_oneof![Just(u16::MAX), 0..64_u16].prop_map(Max::Of);
    let max = prop_oneof![3 => some, 1 => (-1..=1_i8).prop_map(Max::Edge)];
    let one = prop_oneof![
        8 => (size.clone(), 0..3_u8).prop_map(|(size, caller)| Op::Reserve { size, caller }),
        6 => (which.clone(), any::<u16>()).prop_map(|(which, len)| Op::Commit(which, len)),
        3 => (which, any::<u16>()).prop_map(|(which, len)| Op::Finalize(which, len)),
        3 => (0..3_u8, size.clone(), max).prop_map(|(caller, extend, max)| Op::Reopen { caller, extend, max }),
        1 => Just(Op::FinalizeLast),
    ];
    let text = prop_oneof![Just(0_u16), size.clone()];
    let in_pieces = (text, any::<u16>(), 0..3_u8, size).prop_map(|(size, len, caller, extend)| {
        let max = Max::Of(u16::MAX);
        vec![
            Op::Reserve { size, caller },
            Op::Commit(Which::Newest, len),
            Op::Reopen {
                caller,
                extend,
                max,
            },
        ]
    });
    let some = prop_oneof![8 => one.prop_map(|op| vec![op]), 1 => in_pieces];
    prop::collection::vec(some, 1..130).prop_map(|some| some.concat())
}

fn no(why: Refused) -> No {
    match why {
        Refused::TooBig => No::TooBig,
        Refused::Descriptors => No::Descriptors,
        Refused::Text => No::Text,
        Refused::NotReopenable => No::NotReopenable,
    }
}

fn text(seq: u64, from: usize, to: usize) -> Vec<u8> {
    (from..to)
        .map(|at| (seq * 31 + at as u64 * 7 + 1) as u8)
        .collect()
}

struct Both {
    ring: HeapRing,
    plain: Plain,
    open: Vec<Ticket>,
}

impl Both {
    fn new(desc_bits: u32, avg_data_bits: u32, retire_ahead: u32) -> Both {
        let ring = HeapRing::new(desc_bits, avg_data_bits, retire_ahead);
        let geometry = ring.geometry();
        Both {
            plain: Plain::new(geometry.descriptors(), geometry.data_bytes()),
            ring,
            open: Vec::new(),
        }
    }

    fn reserve(&mut self, size: u16, caller: u8) -> Result<(), TestCaseError> {
        let info = Info {
            ts_nsec: self.plain.next_reserve_seq(),
            caller_id: caller.into(),
            ..Info::default()
        };
        let got = self.ring.reserve_ticket(size.into(), &info).map_err(no);
        let want = self.plain.reserve(size.into(), caller.into());
        prop_assert_eq!(
            got.as_ref()
                .map(|ticket| ticket.seq().0)
                .map_err(|why| *why),
            want
        );
        if let Ok(ticket) = got {
            prop_assert_eq!(ticket.capacity(), u64::from(size));
            self.open.push(ticket);
        }
        Ok(())
    }

    fn close(&mut self, which: Which, len: u16, last: bool) -> Result<(), TestCaseError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let at = match which {
            Which::Newest => self.open.len() - 1,
            Which::Any(index) => index.index(self.open.len()),
        };
        let mut ticket = self.open.remove(at);
        let (seq, old) = (ticket.seq().0, ticket.text_len() as usize);
        let capacity = ticket.capacity() as usize;
        // Now and then more than there is room for, which is cut.
        let wished = old + usize::from(len) % (capacity - old + 4);
        let len = wished.min(capacity);
        let data = text(seq, old, wished);
        prop_assert_eq!(self.ring.write(&mut ticket, old as u64, &data), len - old);
        ticket.set_text_len(wished as u32);
        prop_assert_eq!(ticket.text_len() as usize, len);
        self.plain.write(seq, &text(seq, 0, len));
        if last {
            self.ring.finalize(ticket);
            self.plain.finalize(seq);
        } else {
            self.ring.commit(ticket);
            self.plain.commit(seq);
        }
        Ok(())
    }

    fn reopen(&mut self, caller: u8, extend: u16, max: Max) -> Result<(), TestCaseError> {
        let total = self.plain.newest_len() + u64::from(extend);
        let max = match max {
            Max::Of(max) => max.into(),
            Max::Edge(off) => total.saturating_add_signed(off.into()),
        };
        let got = self
            .ring
            .reopen_ticket(u64::from(caller), extend.into(), max as usize)
            .map_err(no);
        let want = self.plain.reopen(caller.into(), extend.into(), max);
        let seen = got
            .as_ref()
            .map(|ticket| (ticket.seq().0, u64::from(ticket.text_len())))
            .map_err(|why| *why);
        prop_assert_eq!(seen, want);
        self.open.extend(got);
        Ok(())
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Reserve { size, caller } => self.reserve(size, caller),
            Op::Commit(which, len) => self.close(which, len, false),
            Op::Finalize(which, len) => self.close(which, len, true),
            Op::Reopen {
                caller,
                extend,
                max,
            } => self.reopen(caller, extend, max),
            Op::FinalizeLast => {
                self.ring.finalize_last();
                self.plain.finalize_last();
                Ok(())
            }
        }
    }

    /// Everything that can be asked gives the same answer, from every number.
    fn compare(&self) -> Result<(), TestCaseError> {
        let (ring, plain) = (&self.ring, &self.plain);
        prop_assert_eq!(ring.first_seq().0, plain.first_seq());
        prop_assert_eq!(ring.next_seq().0, plain.next_seq());
        let taken = ring.next_reserve_seq().0;
        for seq in taken.saturating_sub(40)..taken + 3 {
            prop_assert_eq!(ring.has_come(Seq(seq)), seq < taken, "{}", seq);
        }
        prop_assert_eq!(ring.next_reserve_seq().0, plain.next_reserve_seq());
        prop_assert_eq!(
            ring.first_valid_seq().0,
            plain.read(0).map_or(0, |(seq, _)| seq)
        );
        prop_assert_eq!(ring.fail(), plain.fails);
        prop_assert_eq!(ring.health(), 0);
        prop_assert!(plain.used() <= ring.geometry().data_bytes());
        // A walk that ends at an unfinished record keeps the position it has reached; the model goes back to where it began.
        prop_assert!(ring.used_bytes() <= plain.used());
        let mut buffer = [0; 1024];
        for seq in 0..=plain.next_reserve_seq() {
            match (
                ring.read_valid(Seq(seq), &mut buffer, Unfinished::Wait),
                plain.read(seq),
            ) {
                (
                    Read::Found {
                        info,
                        copied,
                        unfinished,
                    },
                    Ok((found, record)),
                ) => {
                    prop_assert_eq!(
                        (info.seq.0, info.ts_nsec, info.caller_id),
                        (found, record.stamp, record.caller)
                    );
                    prop_assert_eq!(buffer.get(..copied), Some(record.text.as_slice()));
                    prop_assert!(
                        !info.torn
                            && unfinished == 0
                            && info.text_len as usize == record.text.len()
                    );
                    self.compare_cut(found, &record.text)?;
                }
                (Read::NotYet { at, .. }, Err(want)) => prop_assert_eq!(at.0, want.max(seq)),
                (got, want) => prop_assert!(false, "from {}: {:?} instead of {:?}", seq, got, want),
            }
        }
        Ok(())
    }

    /// In a short buffer the text is cut, and its length is told whole.
    fn compare_cut(&self, seq: u64, whole: &[u8]) -> Result<(), TestCaseError> {
        let mut short = [0; 13];
        let read = self.ring.read_valid(Seq(seq), &mut short, Unfinished::Wait);
        let Read::Found { info, copied, .. } = read else {
            return Err(TestCaseError::fail(format!("{seq} is gone: {read:?}")));
        };
        prop_assert_eq!((info.seq.0, info.text_len as usize), (seq, whole.len()));
        prop_assert_eq!(copied, whole.len().min(13));
        prop_assert_eq!(short.get(..copied), whole.get(..copied));
        Ok(())
    }

    /// What a ring that retires ahead promises: it keeps less, and nothing wrong.
    fn compare_kept(&self, written: &[Option<Vec<u8>>]) -> Result<(), TestCaseError> {
        let (ring, mut buffer, mut seq) = (&self.ring, [0; 1024], 0);
        while let Read::Found { info, copied, .. } =
            ring.read_valid(Seq(seq), &mut buffer, Unfinished::Wait)
        {
            let want = written.get(info.seq.0 as usize).and_then(Option::as_deref);
            prop_assert_eq!(buffer.get(..copied), want, "record {:?}", info);
            prop_assert!(info.seq.0 >= seq && !info.torn && info.ts_nsec == info.seq.0);
            seq = info.seq.0 + 1;
        }
        prop_assert_eq!(ring.health(), 0);
        prop_assert!(ring.used_bytes() <= ring.geometry().data_bytes());
        prop_assert!(
            ring.next_reserve_seq().0 - ring.first_seq().0 <= ring.geometry().descriptors()
        );
        prop_assert!(
            ring.first_seq() <= ring.next_seq() && ring.next_seq() <= ring.next_reserve_seq()
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_ring_does_what_the_plain_model_does(desc_bits in 1..5_u32, avg_data_bits in 3..7_u32, ops in ops()) {
        let mut both = Both::new(desc_bits, avg_data_bits, 0);
        both.compare()?;
        for op in &ops {
            both.apply(op)?;
            both.compare()?;
        }
    }

    /// Refusals and losses differ from the model's there; contents, order, bounds and finality do not.
    #[test]
    fn retiring_ahead_shows_nothing_wrong(ahead in 1..5_u32, avg_data_bits in 3..6_u32, ops in prop::collection::vec((0..200_usize, any::<bool>(), any::<bool>()), 1..700)) {
        let mut both = Both::new(8, avg_data_bits, ahead);
        prop_assert_eq!(both.ring.retire_ahead(), ahead.min(4));
        let mut written: Vec<Option<Vec<u8>>> = Vec::new();
        for (at, &(size, close, last)) in ops.iter().enumerate() {
            let info = Info { ts_nsec: written.len() as u64, ..Info::default() };
            match both.ring.reserve_ticket(size, &info) {
                Ok(ticket) => {
                    prop_assert_eq!(ticket.seq().0 as usize, written.len());
                    written.push(None);
                    both.open.push(ticket);
                }
                Err(Refused::Text) => written.push(None),
                Err(_) => {}
            }
            while !both.open.is_empty() && (close || both.open.len() > 3) {
                let mut ticket = both.open.swap_remove(at % both.open.len());
                let seq = ticket.seq().0;
                let bytes = text(seq, 0, ticket.capacity() as usize);
                both.ring.fill(&mut ticket, &bytes);
                if let Some(place) = written.get_mut(seq as usize) {
                    *place = Some(bytes);
                }
                if last { both.ring.finalize(ticket) } else { both.ring.commit(ticket) }
            }
            if at % 16 == 0 || at + 1 == ops.len() {
                both.compare_kept(&written)?;
            }
        }
    }
}

#[test]
fn the_plain_model_keeps_its_own_rules() {
    let mut plain = Plain::new(4, 64);
    assert_eq!(
        (
            plain.first_seq(),
            plain.next_seq(),
            plain.next_reserve_seq()
        ),
        (0, 0, 0)
    );
    assert_eq!(plain.reserve(25, 1), Err(No::TooBig));
    assert_eq!(plain.reserve(24, 1), Ok(0)); // [0, 32)
    assert_eq!(plain.reserve(24, 1), Ok(1)); // [32, 64)
    assert_eq!(plain.reserve(1, 1), Err(No::Text), "record 0 is open");
    assert_eq!(
        plain.record(2).map(|record| (record.state, record.span)),
        Some((State::Committed, Span::Lost))
    );
    assert_eq!(
        plain.reserve(1, 1),
        Err(No::Descriptors),
        "and it is the dummy's successor"
    );
    assert_eq!(plain.fails, 1);
    plain.commit(0);
    assert_eq!(plain.read(0).map(|(seq, _)| seq), Ok(0));
    assert_eq!(
        plain.reopen(0, 1, 100),
        Ok((2, 0)),
        "a lost record is nobody's"
    );
}
