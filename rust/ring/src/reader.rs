//! What a reader may return, decided once for every place a ring can be read from.
//!
//! A [`Source`] is a live ring in memory, or a file of another process that is copied with `pread`. Readers change nothing
//! and never make a writer wait. A copy counts only if, after it, the record is still there: its state unchanged, its
//! descriptor not below the tail, its text not retired. A ring in memory has a first look of its own, which knows the commonest
//! answer alone and gives that or none (and need not ask for the state: it is finalized, its last one).

use crate::blocks::TextRing;
use crate::head::Head;
use crate::ids::{DescId, Lpos, Seq};
use crate::layout::Geometry;
use crate::slots::{Meta, SlotCopy, Span};
use crate::state::{Query, Stage, State};

/// The tail words as a reader sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailWords {
    /// The oldest record.
    pub tail: DescId,
    /// The oldest record is retired already.
    pub tail_retired: bool,
    /// Text of records below is dropped.
    pub retired: DescId,
}

impl TailWords {
    /// From the words `tail_id` and `retired_id`.
    pub fn from_words(tail_id: u64, retired_id: u64) -> TailWords {
        TailWords {
            tail: DescId(tail_id >> 1),
            tail_retired: tail_id & 1 != 0,
            retired: DescId(retired_id),
        }
    }
}

/// Where records are read from. Each method is one access; the order of the calls is the reader's.
pub trait Source {
    /// What can go wrong with an access (nothing in memory; a truncated file elsewhere).
    type Error;
    /// Where a record's slot is.
    type Slot<'s>: Copy
    where
        Self: 's;

    /// The ring's geometry, already checked.
    fn geometry(&self) -> Geometry;
    /// Its text ring.
    #[inline(always)]
    fn text_ring(&self) -> TextRing {
        self.geometry().text_ring()
    }
    /// The head.
    fn head(&self) -> Result<Head, Self::Error>;
    /// The tail words; `tail_id` is loaded first, with acquire.
    fn tails(&self) -> Result<TailWords, Self::Error>;
    /// The slot of `id`. No access.
    fn slot(&self, id: DescId) -> Self::Slot<'_>;
    /// Its state word. Acquire.
    fn state(&self, slot: Self::Slot<'_>) -> Result<State, Self::Error>;
    /// Its contents; racy.
    fn contents(&self, slot: Self::Slot<'_>) -> Result<SlotCopy, Self::Error>;
    /// Header word and text from word `header` of the text ring; racy. Fills `text`.
    fn text(&self, header: u64, text: &mut [u8]) -> Result<u64, Self::Error>;
    /// A first look at the record `id`: its metadata, and how much text was copied. What is not found so is searched for.
    ///
    /// # Errors
    /// Those of an access.
    #[inline(always)]
    fn first_look(
        &self,
        id: DescId,
        buffer: &mut [u8],
        mode: Unfinished,
    ) -> Result<Option<(RecordInfo, usize)>, Self::Error> {
        Ok(match look(self, id, buffer, mode)? {
            Look::Found(info, copied) => Some((info, copied)),
            Look::Not(_) => None,
        })
    }
    /// All earlier loads are done before any later one.
    fn barrier(&self);
    /// How many records one search may look at. In the process's own memory without bound: each look finds that others have
    /// gone on. Whoever writes into a file while it is read need not be a ring.
    #[inline(always)]
    fn most_looks(&self) -> u64 {
        u64::MAX
    }
}

/// What to do at a record that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// Its writer will finish it: nothing is available yet.
    Wait,
    /// Its writer is dead: pass over a reserved record, return a committed one, up to the newest.
    Skip,
}

/// A record's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordInfo {
    /// Its number.
    pub seq: Seq,
    /// Time stamp.
    pub ts_nsec: u64,
    /// Who logged.
    pub caller_id: u64,
    /// Bytes of text, also if the reader's buffer was shorter.
    pub text_len: u32,
    /// 0 to 7.
    pub level: u8,
    /// Facility.
    pub facility: u8,
    /// Flags.
    pub flags: u8,
    /// Opaque word.
    pub aux: u64,
    /// Where the record's span ends; None without text.
    pub end: Option<Lpos>,
    /// The record is complete but its text cannot be had (a damaged file); `text_len` is 0.
    pub torn: bool,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Read {
    /// A record, and how many bytes of it were copied.
    Found {
        /// Its metadata.
        info: RecordInfo,
        /// Bytes copied into the buffer.
        copied: usize,
        /// Unfinished records of dead writers that were passed over on the way.
        unfinished: u64,
    },
    /// Nothing yet: `at` is the first record that is not there.
    NotYet {
        /// Where to ask again.
        at: Seq,
        /// Unfinished records of dead writers that were passed over on the way.
        unfinished: u64,
    },
}

/// One record looked at. Only what is found is more than a word: it stays in registers.
enum Look {
    Found(RecordInfo, usize),
    Not(Missing),
}

/// Why there is nothing to return.
enum Missing {
    Gone,
    /// It was reopened and committed again while it was copied.
    Extended,
    NotYet,
    Unfinished,
}

/// Reads the first readable record at or after `seq` into `buffer`. Never waits. What of the buffer is behind the text may be
/// overwritten, too.
///
/// # Errors
/// Those of the source.
#[inline(always)]
pub fn read_valid<S: Source + ?Sized>(
    source: &S,
    seq: Seq,
    buffer: &mut [u8],
    mode: Unfinished,
) -> Result<Read, S::Error> {
    // Nearly always the record is there. Whether it still was when it had been copied, the look says itself: nothing need
    // be asked before it.
    if let Some(id) = DescId::below_max(seq)
        && let Some((info, copied)) = source.first_look(id, buffer, mode)?
    {
        return Ok(Read::Found {
            info,
            copied,
            unfinished: 0,
        });
    }
    search(source, seq, buffer, mode)
}

/// The same for any record, and for one that is not there, or not any more. Cold says only where it stands: out of the way.
#[cold]
#[inline(never)]
fn search<S: Source + ?Sized>(
    source: &S,
    seq: Seq,
    buffer: &mut [u8],
    mode: Unfinished,
) -> Result<Read, S::Error> {
    let mut id = DescId::of(seq);
    let (mut passed, mut looks) = (0, 0);
    let mut unfinished = 0;
    let mut again = None;
    let mut oldest = source.tails()?.tail;
    loop {
        id = id.max(oldest).max(DescId(1));
        if id >= DescId::MAX {
            // Only a damaged tail, or a number that no ring reaches, leads here.
            return Ok(Read::NotYet {
                at: seq,
                unfinished,
            });
        }
        match look(source, id, buffer, mode)? {
            Look::Found(info, copied) => {
                return Ok(Read::Found {
                    info,
                    copied,
                    unfinished,
                });
            }
            Look::Not(Missing::NotYet) => {
                return Ok(Read::NotYet {
                    at: id.seq(),
                    unfinished,
                });
            }
            // Or it was committed, and was finalized meanwhile: that is its last state, so one more look is enough. Or it was
            // extended meanwhile, and says committed again: who does that twice is at work on it.
            Look::Not(Missing::Gone | Missing::Extended)
                if mode == Unfinished::Skip && again != Some(id) && looks < source.most_looks() =>
            {
                again = Some(id);
                looks += 1;
                oldest = oldest.max(source.tails()?.tail);
                continue;
            }
            Look::Not(Missing::Gone) => {}
            Look::Not(Missing::Unfinished | Missing::Extended) => unfinished += 1,
        }
        id = id.next();
        let now = source.tails()?.tail;
        // An intact ring holds at most its descriptors behind the tail; a damaged one must not hold a reader.
        looks += 1;
        passed = if now > oldest { 0 } else { passed + 1 };
        oldest = now.max(oldest);
        let descriptors = source.geometry().descriptors();
        let is_beyond = id.0.saturating_sub(oldest.0) > descriptors;
        if is_beyond || passed > descriptors || looks > source.most_looks() {
            return Ok(Read::NotYet {
                at: id.seq(),
                unfinished,
            });
        }
    }
}

/// Looks at one record.
#[inline(always)]
fn look<S: Source + ?Sized>(
    source: &S,
    id: DescId,
    buffer: &mut [u8],
    mode: Unfinished,
) -> Result<Look, S::Error> {
    let slot = source.slot(id);
    let state = source.state(slot)?; // with ORD(state:A): the contents and the text are there
    let committed = mode == Unfinished::Skip && state == State::new(id, Stage::Committed);
    if state != State::new(id, Stage::Finalized) && !committed {
        return Ok(Look::Not(unreadable(source, id, state, mode)?));
    }
    let contents = source.contents(slot)?;
    let text_len = contents.meta.text_len;
    // Each kind has a way of its own to the end, or what it is would be asked again on the way.
    if let Span::Block { begin, next } = contents.span {
        let (copied, torn) = copy_text(source, id, (begin, next), text_len, buffer)?;
        if is_gone(source, id, slot, state, Span::Block { begin, next })? {
            return Ok(Look::Not(Missing::Gone));
        }
        if committed && is_extended(source, slot, &contents)? {
            return Ok(Look::Not(Missing::Extended));
        }
        return Ok(Look::Found(info_of(id, &contents, torn), copied));
    }
    if is_gone(source, id, slot, state, contents.span)? {
        return Ok(Look::Not(Missing::Gone));
    }
    if committed && is_extended(source, slot, &contents)? {
        return Ok(Look::Not(Missing::Extended));
    }
    Ok(Look::Found(info_of(id, &contents, text_len != 0), 0))
}

/// After the copy: whether the record was taken over, or its text dropped, meanwhile.
#[inline(always)]
fn is_gone<S: Source + ?Sized>(
    source: &S,
    id: DescId,
    slot: S::Slot<'_>,
    state: State,
    span: Span,
) -> Result<bool, S::Error> {
    source.barrier(); // ORD(barrier:A): between the copy and the checks (M5, M6)
    let tails = source.tails()?;
    if source.state(slot)? != state || id < tails.tail {
        return Ok(true); // taken over during the copy
    }
    Ok(match span {
        Span::Block { .. } => id < tails.retired,
        Span::Empty => id == tails.tail && tails.tail_retired,
        Span::Lost => true,
    })
}

/// Whether a committed record was reopened and committed again during the copy: its state is the same then, but it is longer.
#[cold]
fn is_extended<S: Source + ?Sized>(
    source: &S,
    slot: S::Slot<'_>,
    contents: &SlotCopy,
) -> Result<bool, S::Error> {
    Ok(source.contents(slot)? != *contents)
}

/// A record that is not finished, or whose slot holds another.
#[cold]
#[inline(never)]
fn unreadable<S: Source + ?Sized>(
    source: &S,
    id: DescId,
    state: State,
    mode: Unfinished,
) -> Result<Missing, S::Error> {
    match state.query(id) {
        Query::Older => not_stored(source, id, mode),
        Query::Newer => Ok(Missing::Gone),
        Query::Is(_) if mode == Unfinished::Skip => Ok(Missing::Unfinished),
        Query::Is(_) => Ok(Missing::NotYet),
    }
}

/// The slot of `id` still holds an older record: `id` does not exist yet, or its writer has only taken the number.
fn not_stored<S: Source + ?Sized>(
    source: &S,
    id: DescId,
    mode: Unfinished,
) -> Result<Missing, S::Error> {
    if mode == Unfinished::Skip && id <= source.head()?.id {
        return Ok(Missing::Unfinished);
    }
    Ok(Missing::NotYet)
}

/// Copies the text of the block that owns this span. How many bytes, and whether the description was impossible.
#[inline(always)]
fn copy_text<S: Source + ?Sized>(
    source: &S,
    id: DescId,
    (begin, next): (Lpos, Lpos),
    text_len: u32,
    buffer: &mut [u8],
) -> Result<(usize, bool), S::Error> {
    let Some(place) = source.text_ring().place(begin, next) else {
        return Ok((0, true));
    };
    if u64::from(text_len) > place.capacity {
        return Ok((0, true));
    }
    let wanted = buffer.len().min(text_len as usize);
    let text = buffer.get_mut(..wanted).unwrap_or_default();
    let header = source.text(place.header, text)?;
    Ok(if header == id.0 {
        (wanted, false)
    } else {
        (0, true)
    })
}

#[inline(always)]
pub(crate) fn info_of(id: DescId, contents: &SlotCopy, torn: bool) -> RecordInfo {
    let Meta {
        text_len,
        level,
        facility,
        flags,
    } = contents.meta;
    RecordInfo {
        seq: id.seq(),
        ts_nsec: contents.ts_nsec,
        caller_id: contents.caller_id,
        text_len: if torn { 0 } else { text_len },
        level,
        facility,
        flags,
        aux: contents.aux,
        end: if let Span::Block { next, .. } = contents.span {
            Some(next)
        } else {
            None
        },
        torn,
    }
}

/// The first number at or after both `from` and the tail that is not there yet. Passes over lost records.
///
/// # Errors
/// Those of the source.
pub fn next_seq<S: Source + ?Sized>(source: &S, from: Seq) -> Result<Seq, S::Error> {
    let mut id = DescId::of(from).max(source.tails()?.tail).max(DescId(1));
    let newest = source.head()?.id;
    let mut steps = 0;
    while id <= newest && steps <= source.geometry().descriptors() {
        match source.state(source.slot(id))?.query(id) {
            Query::Is(Stage::Finalized) => id = id.next(),
            Query::Newer => id = id.next().max(source.tails()?.tail),
            Query::Older | Query::Is(_) => break,
        }
        steps += 1;
    }
    Ok(id.seq())
}
