//! A ring in memory as a place to read from, and what of it is only asked there.

use crate::blocks::{HEADER_BYTES, TextRing};
use crate::head::Head;
use crate::ids::{DescId, Seq};
use crate::layout::Geometry;
use crate::memory::Memory;
use crate::reader::{
    Read, RecordInfo, Source, TailWords, Unfinished, info_of, next_seq, read_valid,
};
use crate::ring::Ring;
use crate::slots::{Slot, SlotCopy, Span};
use crate::state::{Query, Stage, State};
use crate::sync::{acquire, copy_out, fence_acquire, release};
use core::convert::Infallible;

impl<M: Memory> Source for Ring<M> {
    type Error = Infallible;
    type Slot<'s>
        = &'s Slot
    where
        M: 's;

    #[inline(always)]
    fn geometry(&self) -> Geometry {
        Ring::geometry(self)
    }

    #[inline(always)]
    fn text_ring(&self) -> TextRing {
        Ring::text_ring(self)
    }

    #[inline(always)]
    fn head(&self) -> Result<Head, Infallible> {
        Ok(self.memory().head().get())
    }

    #[inline(always)]
    fn tails(&self) -> Result<TailWords, Infallible> {
        let tails = self.tails();
        // ORD(tails:A): pairs with ORD(push_desc:A): a reader that jumps to the tail finds it finalized, or gone again (M4).
        let tail_id = tails.tail_id.load(acquire("tails:A"));
        let retired_id = tails.retired_id.get(); // asked for after ORD(barrier:A)
        Ok(TailWords::from_words(tail_id, retired_id))
    }

    #[inline(always)]
    fn slot(&self, id: DescId) -> &Slot {
        Ring::slot(self, id)
    }

    #[inline(always)]
    fn state(&self, slot: &Slot) -> Result<State, Infallible> {
        // ORD(state:A): pairs with ORD(finalize_state:A) and ORD(commit:A): the contents and the text are there (M8); and with
        // ORD(open_slot:A): of a record that is gone, the tails are seen to have passed it (M4).
        Ok(slot.state(acquire("state:A")))
    }

    #[inline(always)]
    fn contents(&self, slot: &Slot) -> Result<SlotCopy, Infallible> {
        Ok(slot.copy())
    }

    #[inline(always)]
    fn text(&self, header: u64, text: &mut [u8]) -> Result<u64, Infallible> {
        let words = self.memory().text_from(header);
        let Some((first, rest)) = words.split_first() else {
            return Ok(0);
        };
        copy_out(rest, text);
        Ok(first.get())
    }

    /// Finds most records: finished, with text in one piece that fits into the buffer up to the end of its last word. A third of
    /// what a look at any record takes, since there is nothing to decide. Its state is not asked for again: a finished record
    /// stays as it is until the tail has passed it.
    #[inline(always)]
    fn first_look(
        &self,
        id: DescId,
        buffer: &mut [u8],
        _: Unfinished,
    ) -> Result<Option<(RecordInfo, usize)>, Infallible> {
        let slot = Source::slot(self, id);
        let state = always(Source::state(self, slot)); // with ORD(state:A), as in `look`
        if state != State::new(id, Stage::Finalized) {
            return Ok(None);
        }
        let contents = slot.copy();
        let Span::Block { begin, next } = contents.span else {
            return Ok(None);
        };
        let text_len = u64::from(contents.meta.text_len);
        let whole_words = (text_len + 7) & !7;
        let Some(to) = buffer.get_mut(..whole_words as usize) else {
            return Ok(None);
        };
        if next.0 & 7 != 0 {
            return Ok(None);
        }
        let room = next.since(begin).wrapping_sub(HEADER_BYTES);
        let Some(header) = self.memory().copy_block(begin, room, to) else {
            return Ok(None);
        };
        self.barrier(); // ORD(barrier:A): between the copy and the checks (M5, M6)
        let tails = always(Source::tails(self));
        if header != id.0 || id < tails.tail || id < tails.retired {
            return Ok(None);
        }
        Ok(Some((info_of(id, &contents, false), text_len as usize)))
    }

    #[inline(always)]
    fn barrier(&self) {
        // ORD(barrier:A): pairs with ORD(open_slot:B), ORD(first_block:B), ORD(move_text:A) and ORD(claim:C): a copy that holds a
        // word of a later record is followed by a check that sees the earlier one gone (M5, M6).
        fence_acquire("barrier:A");
    }
}

/// A result without an error.
#[inline(always)]
fn always<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
    }
}

impl<M: Memory> Ring<M> {
    /// Reads the first readable record at or after `seq` into `buffer`.
    #[inline(always)]
    pub fn read_valid(&self, seq: Seq, buffer: &mut [u8], mode: Unfinished) -> Read {
        always(read_valid(self, seq, buffer, mode))
    }

    /// One past the last record of the run of finished ones that begins at the oldest.
    pub fn next_seq(&self) -> Seq {
        // ORD(next_seq:A): pairs with ORD(next_seq:B): what another thread saw finished, this one finds finished (M13).
        let hint = self.hint().load(acquire("next_seq:A"));
        let seq = always(next_seq(self, Seq(hint)));
        // ORD(next_seq:B): pairs with ORD(next_seq:A).
        self.hint().store(seq.0, release("next_seq:B"));
        seq
    }

    /// Whether something is known of the record `seq`: it is being written, finished, or gone. Unlike a look at the head this
    /// leaves the line alone on which writers meet; but a number that was only just taken, or by a writer that died right
    /// then, is not seen.
    pub fn has_come(&self, seq: Seq) -> bool {
        let id = DescId::of(seq);
        !matches!(
            always(Source::state(self, self.slot(id))).query(id),
            Query::Older
        )
    }

    /// The first readable record's number, 0 if there is none.
    pub fn first_valid_seq(&self) -> Seq {
        match self.read_valid(Seq(0), &mut [], Unfinished::Wait) {
            Read::Found { info, .. } => info.seq,
            Read::NotYet { .. } => Seq(0),
        }
    }
}
