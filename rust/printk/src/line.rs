//! Lines that several calls put together: the newest record, as long as it is committed and not finalized, is its caller's
//! to go on with.
//!
//! Nobody reads such a record. It is finalized by what ends its line: a text that ends in a newline, the next record of
//! anybody, a flush, an end, or [`PATIENCE_NSEC`] without another text. For the last somebody has to look: a thread of the
//! host's, which sleeps as long as no line is open.

use crate::atomics::{AtomicU32, AtomicU64, Ordering, fence};
use crate::control::count;
use crate::core::{Core, MAX_RECORD_BYTES, direct};
use crate::store::{FLAG_CONT, FLAG_NEWLINE, Stamp, Stored};
use crate::sum::summed_words;
use crate::{futex, stamp};
use pr_record::{Encoded, Payload, encode_open};
use pr_ring::{Caller, Info, Lpos, Seq, Ticket};

/// A line that begins with no more than this is encoded in a buffer that costs next to nothing to clear.
const SMALL_BYTES: usize = 512;
/// A line that is not gone on with for this long is over.
pub const PATIENCE_NSEC: u64 = 100_000_000;

/// The line of one log that may be gone on with.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Which record it is, and whose: [`signed`].
    of: AtomicU64,
    /// When it is over; 0: none is open, or it has been ended since.
    until: AtomicU64,
    /// Whose line has not come to its end, be it open or broken off: [`whose`]; 0: nobody's. 128 of them: of more some are forgotten,
    /// and their rests have no flag. Those that are never ended stay until a place is wanted. A word stands for itself, and only its
    /// own thread asks for it: no access orders anything.
    unfinished: [[AtomicU64; 8]; 16],
}

/// 1: whoever ends the lines of this process sleeps until one is opened.
static SLEEPS: AtomicU32 = AtomicU32::new(0);

/// A text of a line.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// As the record of a line that it begins: the event is the text, without the newline that ends it.
    pub payload: Payload<'a>,
    /// The line ends with it.
    pub ends: bool,
    /// Who speaks; not 0. A line is gone on with by whoever began it, and by nobody else of the same thread.
    pub speaker: u64,
}

/// One word for who speaks on which thread, and how deep in log calls; not 0.
fn whose(info: &Info, speaker: u64) -> u64 {
    (speaker ^ info.owner.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1)
}

/// One word for a record and who speaks in it.
fn signed(seq: Seq, speaker: u64) -> u64 {
    speaker ^ seq.0.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Line {
    /// Where this line is remembered, if it is.
    fn place(&self, whose: u64) -> Option<&AtomicU64> {
        let mut words = self.unfinished.as_flattened().iter();
        words.find(|word| word.load(Ordering::Relaxed) == whose)
    }

    /// Whether this line has not come to its end.
    fn is_unfinished(&self, whose: u64) -> bool {
        self.place(whose).is_some()
    }

    /// It has not. In the place of another one if need be.
    fn leave_unfinished(&self, whose: u64) {
        if self.is_unfinished(whose) {
            return;
        }
        let words = self.unfinished.as_flattened();
        let is_in = |word: &AtomicU64| replace(word, 0, whose);
        if !words.iter().any(is_in)
            && let Some(word) = words.get(whose as usize % words.len())
        {
            word.store(whose, Ordering::Relaxed);
        }
    }

    /// It has. Only its own thread says so.
    fn finish(&self, whose: u64) {
        if let Some(word) = self.place(whose) {
            replace(word, whose, 0); // or another took its place meanwhile
        }
    }
}

/// Puts `new` in the place of `old`, if that is there.
fn replace(word: &AtomicU64, old: u64, new: u64) -> bool {
    word.load(Ordering::Relaxed) == old
        && word
            .compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
}

impl Core {
    /// Goes on with the line that the speaker has open, or begins one. By a caller that has entered a log call itself. Any
    /// context; never waits.
    pub fn store_piece(&self, stamp: Stamp, piece: &Piece<'_>) -> Stored {
        if self.is_closed() {
            count(&self.control().panic_dropped);
            return Stored::Closed;
        }
        let mut info = self.info(stamp);
        // Who comes this late may not come again: each of its texts is a line.
        let is_late = self.direct() & (direct::EXITING | direct::PANIC) != 0;
        let piece = &Piece {
            ends: piece.ends || is_late,
            ..*piece
        };
        if let Some(stored) = self.go_on(&info, piece) {
            return stored;
        }
        if self.line().is_unfinished(whose(&info, piece.speaker)) {
            info.flags |= FLAG_CONT; // the rest of a line that was broken off
        }
        if !piece.ends {
            info.flags &= !FLAG_NEWLINE;
        }
        self.begin_line(&info, piece)
    }

    /// Appends the text to the newest record. None: that is not the speaker's, or has no room for it.
    fn go_on(&self, info: &Info, piece: &Piece<'_>) -> Option<Stored> {
        let caller = Caller {
            caller_id: info.caller_id,
            owner: info.owner,
        };
        let text = piece.payload.event.as_bytes();
        let ticket = self
            .ring()
            .reopen_ticket(caller, text.len(), self.record_limit());
        let mut ticket = ticket.ok()?;
        if self.line().of.load(Ordering::Relaxed) != signed(ticket.seq(), piece.speaker) {
            self.ring().commit(ticket); // the same thread's, but not the same speaker's
            return None;
        }
        let end = u64::from(ticket.text_len());
        self.ring().write(&mut ticket, end, text);
        Some(self.close_piece(info, ticket, piece))
    }

    /// A record for a text that continues none.
    fn begin_line(&self, info: &Info, piece: &Piece<'_>) -> Stored {
        let mut buffer = [0_u8; SMALL_BYTES];
        let room = self.record_limit().min(SMALL_BYTES);
        let Encoded { len, truncated } =
            encode_open(&piece.payload, buffer.get_mut(..room).unwrap_or_default());
        if truncated {
            return self.begin_large_line(info, piece);
        }
        self.open_line(info, piece, buffer.get(..len).unwrap_or_default())
    }

    /// One that may have to be cut.
    #[cold]
    #[inline(never)]
    fn begin_large_line(&self, info: &Info, piece: &Piece<'_>) -> Stored {
        let mut buffer = [0_u8; MAX_RECORD_BYTES];
        let room = buffer.get_mut(..self.record_limit()).unwrap_or_default();
        let Encoded { len, truncated } = encode_open(&piece.payload, room);
        if truncated {
            count(&self.control().truncated);
        }
        let piece = Piece {
            ends: piece.ends || truncated, // its end is the mark that says so
            ..*piece
        };
        self.open_line(info, &piece, buffer.get(..len).unwrap_or_default())
    }

    fn open_line(&self, info: &Info, piece: &Piece<'_>, bytes: &[u8]) -> Stored {
        match self.ring().reserve_ticket(bytes.len(), info) {
            Ok(mut ticket) => {
                self.ring().fill(&mut ticket, bytes);
                self.close_piece(info, ticket, piece)
            }
            Err(why) => self.refused(why),
        }
    }

    /// The text is in the record: that is over, or may be gone on with.
    fn close_piece(&self, info: &Info, mut ticket: Ticket, piece: &Piece<'_>) -> Stored {
        // All of it anew: also what was there before may have come from another call.
        let about = self.ring().info_of(&ticket);
        let aux = summed_words(&about, ticket.meta(), self.ring().words(&ticket));
        ticket.set_aux(aux);
        let line = self.line();
        if piece.ends {
            line.finish(whose(info, piece.speaker));
            line.until.store(0, Ordering::Relaxed);
            let (seq, end) = (ticket.seq(), ticket.end().unwrap_or(Lpos(0)));
            self.ring().finalize(ticket);
            return self.stored(info.level, seq, end);
        }
        line.leave_unfinished(whose(info, piece.speaker));
        line.of
            .store(signed(ticket.seq(), piece.speaker), Ordering::Relaxed);
        self.ring().commit(ticket);
        let until = stamp::monotonic_nsec().saturating_add(PATIENCE_NSEC);
        // ORD(close_piece:A): the time, then the look at who sleeps; pairs with ORD(sleep_until_line:A).
        line.until.store(until, Ordering::SeqCst);
        if SLEEPS.swap(0, Ordering::SeqCst) != 0 {
            futex::wake(&SLEEPS, 1, u32::MAX);
        }
        Stored::Open
    }

    /// Ends the line that is open, if one is. Any context.
    pub fn end_line(&self) {
        self.line().until.store(0, Ordering::Relaxed);
        self.ring().finalize_last();
        let (next, end) = self.ring().newest_edge();
        self.tell_printers(Seq(next.0.saturating_sub(1)), end);
    }

    /// Ends the line that is open if nobody has gone on with it for long enough. Until when it may be, otherwise; None: none
    /// is open. One that is opened at this very moment may be ended as well: the rest of it is a record of its own.
    pub fn end_idle_line(&self, now_nsec: u64) -> Option<u64> {
        let line = &self.line().until;
        let until = line.load(Ordering::SeqCst);
        if until == 0 || until > now_nsec {
            return Some(until).filter(|until| *until != 0);
        }
        match line.compare_exchange(until, 0, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => {
                self.end_line();
                None
            }
            Err(later) => Some(later).filter(|later| *later != 0),
        }
    }
}

/// Sleeps until a line is opened, unless `is_open` says that one is.
pub fn sleep_until_line(is_open: impl FnOnce() -> bool) {
    SLEEPS.store(1, Ordering::SeqCst);
    // ORD(sleep_until_line:A): asleep, then the look at the lines; pairs with ORD(close_piece:A).
    fence(Ordering::SeqCst);
    if is_open() {
        return SLEEPS.store(0, Ordering::SeqCst);
    }
    futex::wait(&SLEEPS, 1, None, u32::MAX);
}
