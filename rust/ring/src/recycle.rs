//! Pushing the tails: which records may be dropped, and in which order that is told.
//!
//! Three words describe everything that is gone. `tail_id`: records below it are gone, their descriptors free. `retired_id`: the
//! text of records below it is dropped. `data_tail`: text below it may be overwritten. Dropping costs no store per record: a
//! record is gone when its id is below `tail_id`, one with text when it is below `retired_id`, one without also when `tail_id`
//! names it with R.
//!
//! The order is the whole argument. `retired_id` grows before `data_tail`, and whoever overwrites text has loaded
//! `data_tail`; so a reader that has seen a single overwritten word sees, after its acquire fence, a `retired_id` that
//! condemns its copy. Whoever takes over a slot has loaded `tail_id`.
//!
//! A writer between two of these stores may be stopped. The next one takes the position from the slots (never from the words
//! together) and goes on in its place. That also saves most of the stores: a record that goes for want of a descriptor takes its
//! text with it, but where the text in use then begins is not told until somebody needs the room. Until then it stands in the
//! slot of the record at the tail, which is finalized and cannot go first. Only when that record has no text is it told at once.

use crate::head::Head;
use crate::ids::{DescId, Lpos};
use crate::memory::Memory;
use crate::ring::Ring;
use crate::slots::Span;
use crate::state::{Query, Stage, State};
use crate::sync::{acquire, fence_acquire, release};

/// How a push ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Push {
    /// The tail is where it was wanted, or somebody has moved it meanwhile: look again.
    Done,
    /// The newest record is committed and in the way: the caller may finalize it, for its own record follows.
    NewestCommitted,
    /// An unfinished record is in the way.
    Stuck,
}

/// What stands in the way of the text tail at one record, or what is to be dropped there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    /// Unfinished, with text or about to have some.
    Open,
    /// Committed, with text.
    Committed,
    /// No text here.
    NoBlock,
    /// Finalized text.
    Block { begin: Lpos, next: Lpos },
    /// The slot was taken over: the tails have moved on.
    Recycled,
}

/// A walk along the blocks, oldest first.
struct Walk {
    id: DescId,
    reached: Option<Lpos>,
    retired: u32,
    stop: Push,
}

impl<M: Memory> Ring<M> {
    /// Drops text until the tail has reached `need`, and then up to `ahead` further records in one go. `head` is the
    /// head that `need` was computed from.
    pub(crate) fn push_data(&self, need: Lpos, head: Head, ahead: u32) -> Push {
        loop {
            // ORD(push_data:A): pairs with ORD(publish_dropped:B), as ORD(room:A) does (M11).
            let data_tail = Lpos(self.tails().data_tail.load(acquire("push_data:A")));
            if data_tail >= need {
                return Push::Done;
            }
            // ORD(push_data:B): pairs with ORD(publish_dropped:A): the records below are seen to be finalized, and where
            // they end.
            let retired = DescId(self.tails().retired_id.load(acquire("push_data:B")));
            let start = retired.max(self.tail().0);
            let walk = self.walk(start, need, head, ahead);
            self.publish_dropped((retired, walk.id), (data_tail, walk.reached));
            if walk.reached.is_some_and(|reached| reached >= need) {
                return Push::Done;
            }
            if walk.stop == Push::Done {
                continue; // lapped by another pusher: its tails are visible now
            }
            // Refused only if nothing has moved: another pusher may have made the room meanwhile.
            let seen = walk.reached.unwrap_or(data_tail).max(data_tail);
            if Lpos(self.tails().data_tail.get()) <= seen {
                return walk.stop;
            }
        }
    }

    /// Walks the blocks from `start`. Ends at the first record that may not be dropped, at the newest one, or when enough
    /// is dropped.
    fn walk(&self, start: DescId, need: Lpos, head: Head, ahead: u32) -> Walk {
        let mut walk = Walk {
            id: start,
            reached: None,
            retired: 0,
            stop: Push::Stuck,
        };
        loop {
            if walk.id > head.id {
                walk.reached = walk.reached.max(Some(head.pos)); // every block there is
                return walk;
            }
            // Ahead, but never far: at most a 64th of the text, however few the records are that hold it.
            let far = need.plus(self.text_ring().size() / 64);
            let satisfied = walk.reached.is_some_and(|reached| reached >= need);
            if satisfied && walk.retired >= ahead {
                return walk;
            }
            match self.obstacle(walk.id) {
                Obstacle::NoBlock if walk.id == head.id => {
                    // The newest is never passed: a reopen may still give it text, from the head's position on.
                    walk.reached = walk.reached.max(Some(head.pos));
                    return walk;
                }
                Obstacle::NoBlock => walk.id = walk.id.next(),
                Obstacle::Block { begin, .. } if !satisfied && begin >= need => {
                    // Dropped already, only the position was not told; or a dead writer's text was before it.
                    walk.reached = Some(begin);
                    return walk;
                }
                Obstacle::Block { next, .. } if satisfied && next > far => return walk,
                Obstacle::Block { next, .. } => {
                    walk.reached = Some(next);
                    walk.retired += 1;
                    walk.id = walk.id.next();
                }
                Obstacle::Recycled => {
                    walk.stop = Push::Done;
                    return walk;
                }
                stop @ (Obstacle::Open | Obstacle::Committed) => {
                    walk.reached = walk.reached.or_else(|| self.end_before(start));
                    let newest =
                        stop == Obstacle::Committed && walk.id == head.id && head.reopenable;
                    walk.stop = if newest {
                        Push::NewestCommitted
                    } else {
                        Push::Stuck
                    };
                    return walk;
                }
            }
        }
    }

    /// Tells that the records below `id` are dropped, and where their text ends: first the records, then their text. The
    /// words as they were last seen stand beside what they become.
    #[inline]
    fn publish_dropped(
        &self,
        (retired, id): (DescId, DescId),
        (data_tail, reached): (Lpos, Option<Lpos>),
    ) {
        if id > retired {
            // ORD(publish_dropped:A): pairs with ORD(push_data:B): what this writer saw of the records that it drops.
            self.tails()
                .retired_id
                .raise(retired.0, id.0, release("publish_dropped:A"));
        }
        if let Some(reached) = reached {
            // ORD(publish_dropped:B): pairs with ORD(room:A) and ORD(push_data:A): `retired_id` grows first, or text could be
            // overwritten whose record a reader still takes for readable (M11).
            self.tails()
                .data_tail
                .raise(data_tail.0, reached.0, release("publish_dropped:B"));
        }
    }

    /// What the text tail meets at record `id`.
    fn obstacle(&self, id: DescId) -> Obstacle {
        let slot = self.slot(id);
        // ORD(obstacle:A): pairs with ORD(commit:A) and ORD(finalize_state:A): a closed record's span is all there (M8); and
        // with ORD(open_slot:A): of a record that is gone, the tails are seen to have passed it (M2).
        let state = slot.state(acquire("obstacle:A"));
        let stage = match state.query(id) {
            Query::Older => return Obstacle::Open, // its number is taken, its state not yet stored
            Query::Newer => return Obstacle::Recycled,
            Query::Is(stage) => stage,
        };
        match stage {
            Stage::Reserved => return Obstacle::Open,
            Stage::ReservedNoBlock => return Obstacle::NoBlock,
            Stage::Committed | Stage::Finalized => {}
        }
        let span = slot.span();
        // ORD(obstacle:B): pairs with ORD(open_slot:B): the copy is thrown away if the slot was taken over during it (M5); and
        // with ORD(take:D), ORD(grow:A) and ORD(commit:B): the tails and the states behind the head in hand (M1, M2).
        fence_acquire("obstacle:B");
        if slot.state.get() != state.0 {
            return self.changed(id);
        }
        match span {
            Span::Empty | Span::Lost => Obstacle::NoBlock,
            Span::Block { .. } if stage == Stage::Committed => Obstacle::Committed,
            Span::Block { begin, next } => Obstacle::Block { begin, next },
        }
    }

    /// The state of `id` changed while its span was copied: from committed to something else, or to another record.
    #[cold]
    fn changed(&self, id: DescId) -> Obstacle {
        match State(self.slot(id).state.get()).query(id) {
            Query::Newer => Obstacle::Recycled,
            _ => Obstacle::Open,
        }
    }

    /// The end of the last block before `id`, where the walk cannot read it from a block that follows. Bounded by the
    /// number of descriptors, and only needed when a pusher was stopped between its two stores.
    #[cold]
    fn end_before(&self, id: DescId) -> Option<Lpos> {
        let oldest = self.tail().0;
        let mut at = id;
        while at > oldest {
            at = at.before();
            match self.obstacle(at) {
                Obstacle::Block { next, .. } => return Some(next),
                Obstacle::NoBlock => {}
                _ => return None,
            }
        }
        None
    }

    /// Moves the descriptor tail up from `tail` by one, or by up to `ahead` where these records are finalized too.
    /// `Done` also when somebody else has moved it.
    pub(crate) fn push_desc(&self, tail: (DescId, bool), head: Head, ahead: u32) -> Push {
        let (tail, retired) = tail;
        // The tail must stay readable: it only moves onto a finalized record.
        let mut to = tail.next();
        if !self.is_final(to) {
            return self.stuck_behind(tail, retired);
        }
        let last = head.id.min(DescId(tail.0 + u64::from(ahead)));
        while to < last && self.is_final(to.next()) {
            to = to.next();
        }
        // The text of what is passed is gone with it. Where it ends is not told here, to save two stores in three: a walk
        // reads that from the record at the tail, if it has text. (Should its slot have been taken over, this is garbage,
        // and the exchange below fails.)
        if !self.slot(to).has_text() {
            self.tell_end_before(to);
        }
        // ORD(push_desc:A): pairs with ORD(take:B): the record is finalized before its slot is taken over (M12); and with
        // ORD(tail:A) and ORD(tails:A): the new tail is finalized (M4). A failure: somebody else moved it.
        let _ = self.tails().tail_id.replace(
            tail.0 << 1 | u64::from(retired),
            to.0 << 1,
            release("push_desc:A"),
        );
        Push::Done
    }

    /// The record behind the tail is not finalized, so the tail stays. The text of its record is dropped all the same.
    #[cold]
    fn stuck_behind(&self, tail: DescId, retired: bool) -> Push {
        if self.tails().tail_id.get() >> 1 != tail.0 {
            return Push::Done; // somebody has moved it meanwhile
        }
        match self.obstacle(tail) {
            Obstacle::Recycled => return Push::Done,
            Obstacle::Block { next, .. } => self.drop_seen(tail.next(), next),
            // Marks a record without text as gone: the reserve that wanted its descriptor fails, but has dropped it.
            Obstacle::NoBlock if !retired && self.is_final(tail) => {
                self.tails().tail_id.mark(tail.0 << 1, tail.0 << 1 | 1);
            }
            Obstacle::NoBlock | Obstacle::Open | Obstacle::Committed => {}
        }
        Push::Stuck
    }

    /// Tells where the text of the records before `to` ends, which becomes the tail and has none.
    #[cold]
    fn tell_end_before(&self, to: DescId) {
        if let Some(end) = self.end_before(to) {
            self.drop_seen(to, end);
        }
    }

    /// Drops the records below `to` and their text, which ends at `end`: all of it was seen to be finalized, from the tail on.
    /// Nothing is learned from the words here: they only save a store that another pusher has made.
    fn drop_seen(&self, to: DescId, end: Lpos) {
        let data_tail = Lpos(self.tails().data_tail.get());
        if data_tail < end {
            let retired = DescId(self.tails().retired_id.get());
            self.publish_dropped((retired, to), (data_tail, Some(end)));
        }
    }

    /// Whether record `id` is finalized.
    fn is_final(&self, id: DescId) -> bool {
        // ORD(is_final:A): pairs with ORD(finalize_state:A) and ORD(commit:A): whoever moves the tail here hands on that it is
        // finalized (M4), and sees whether it has text (M8); and with ORD(open_slot:A): of a record that is gone, the tail is
        // seen to have passed it (M3).
        self.slot(id).state(acquire("is_final:A")) == State::new(id, Stage::Finalized)
    }

    /// The first byte of text in use, at most: `data_tail`, or where the text of the record at the tail begins.
    pub(crate) fn text_tail(&self) -> Lpos {
        let told = Lpos(self.tails().data_tail.get());
        match self.obstacle(self.tail().0) {
            Obstacle::Block { begin, .. } => told.max(begin),
            _ => told,
        }
    }
}
