//! Small rings for models, and what a model may look at.

use loom::sync::Arc;
use pr_ring::memory::{Boxed, Memory};
use pr_ring::reader::Read;
use pr_ring::state::{Query, Stage, State};
use pr_ring::{DescId, Geometry, Info, Lpos, Ring, Seq, Ticket, Unfinished};

pub type Small = Arc<Ring<Boxed>>;

/// Runs a model with at most `preemptions` involuntary switches of threads (`LOOM_MAX_PREEMPTIONS` overrides).
pub fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 4_000;
    builder.check(body);
}

/// An empty ring of `2^desc_bits` descriptors and `text` bytes.
pub fn ring(desc_bits: u32, text: u64) -> Small {
    let geometry = Geometry::new(desc_bits, text.ilog2() - desc_bits).expect("geometry");
    Arc::new(Ring::new(Boxed::new(geometry), geometry, 0).expect("always, under the model"))
}

pub const CALLER: u64 = 7;

/// What is said about the record with this mark.
pub fn info(mark: u64) -> Info {
    Info {
        ts_nsec: mark,
        caller_id: CALLER,
        ..Info::default()
    }
}

/// `words` words of text, each holding `mark`.
pub fn text(mark: u64, words: usize) -> Vec<u8> {
    mark.to_ne_bytes().repeat(words)
}

/// Reserves a record and fills it, all of it saying `mark`. It is open; None if the ring refused.
pub fn open(ring: &Small, mark: u64, words: usize) -> Option<Ticket> {
    let mut ticket = ring.reserve_ticket(words * 8, &info(mark)).ok()?;
    ring.fill(&mut ticket, &text(mark, words));
    Some(ticket)
}

/// A finalized record that says `mark`.
pub fn put(ring: &Small, mark: u64, words: usize) -> bool {
    open(ring, mark, words)
        .map(|ticket| ring.finalize(ticket))
        .is_some()
}

/// A record as a reader got it.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub seq: u64,
    pub mark: u64,
    pub text: Vec<u8>,
}

/// The first readable record from `seq` on, or where there is none yet.
pub fn read_in(ring: &Small, seq: u64, mode: Unfinished) -> Result<Seen, u64> {
    let mut buffer = [0; 64];
    match ring.read_valid(Seq(seq), &mut buffer, mode) {
        Read::NotYet { at, .. } => Err(at.0),
        Read::Found { info, copied, .. } => {
            assert!(!info.torn, "a torn record in an intact ring: {info:?}");
            assert_eq!(info.caller_id, CALLER, "somebody else's metadata: {info:?}");
            assert_eq!(copied, info.text_len as usize);
            Ok(Seen {
                seq: info.seq.0,
                mark: info.ts_nsec,
                text: buffer[..copied].to_vec(),
            })
        }
    }
}

/// As [`read_in`], of finished records.
pub fn read(ring: &Small, seq: u64) -> Result<Seen, u64> {
    read_in(ring, seq, Unfinished::Wait)
}

/// As [`read`] of a record with one word of text, with a byte too little room for it: no first look finds that. Number, mark, and
/// what was copied.
pub fn read_closely(ring: &Small, seq: u64) -> Result<(u64, u64, [u8; 7]), u64> {
    let mut buffer = [0; 7];
    match ring.read_valid(Seq(seq), &mut buffer, Unfinished::Wait) {
        Read::NotYet { at, .. } => Err(at.0),
        Read::Found { info, copied, .. } => {
            assert!(!info.torn, "a torn record in an intact ring: {info:?}");
            assert_eq!(copied, buffer.len());
            Ok((info.seq.0, info.ts_nsec, buffer))
        }
    }
}

impl Seen {
    /// Every word of the text says what the metadata says.
    #[track_caller]
    pub fn assert_whole(&self, words: usize) {
        assert_eq!(self.text, text(self.mark, words), "mixed text: {self:?}");
    }
}

/// Peek: what the slot of record `seq` says about it.
pub fn peek(ring: &Small, seq: u64) -> Query {
    let id = DescId::of(Seq(seq));
    State(ring.memory().slot(id.0).state.get()).query(id)
}

/// Peek: whether record `seq` is finalized.
pub fn peek_final(ring: &Small, seq: u64) -> bool {
    peek(ring, seq) == Query::Is(Stage::Finalized)
}

/// Peek: where record `seq`'s text ends, if it can be read.
pub fn peek_readable_end(ring: &Small, seq: u64) -> Option<Lpos> {
    match ring.read_valid(Seq(seq), &mut [], Unfinished::Wait) {
        Read::Found { info, .. } if info.seq.0 == seq => info.end,
        _ => None,
    }
}

/// Peek: the newest record's number, if it can be reopened.
pub fn peek_reopenable(ring: &Small) -> Option<u64> {
    let head = ring.memory().head().get();
    head.reopenable.then(|| head.id.seq().0)
}

/// Peek: the first byte of text that is not free.
pub fn peek_data_tail(ring: &Small) -> Lpos {
    Lpos(ring.memory().tails().data_tail.get())
}
