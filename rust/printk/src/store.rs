//! The log call: stamp, encode, reserve, copy, commit, kick. Nothing but the copy and its sum happens between reserve and commit.

use crate::context::Owed;
use crate::control::count;
use crate::core::{Core, MAX_RECORD_BYTES};
use crate::sum::{aux_of, summed};
use crate::{stamp, thread};
use core::mem::MaybeUninit;
use pr_record::{Encoded, Payload, encode, encode_whole};
use pr_ring::Info;
use pr_ring::{Lpos, Refused, Seq};

/// The record's text ended its line: always so for a record that is complete.
pub const FLAG_NEWLINE: u8 = 2;
/// The record is the rest of a line that was broken off.
pub const FLAG_CONT: u8 = 8;
/// A user program's record.
pub const FACILITY_USER: u8 = 1;
/// Records up to this size are encoded in a buffer that is not cleared.
const SMALL_BYTES: usize = 512;
/// And up to this size in one without stack probes.
const MEDIUM_BYTES: usize = 4096;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Stored {
    /// It is in the ring, and readable.
    Yes,
    /// It is too, and its caller has to do what is owed.
    Owing(Owed),
    /// It is in the ring, and its caller may go on with it: nobody reads it yet.
    Open,
    /// The ring refused it; counted.
    Refused,
    /// This thread is too deep in log calls; counted.
    TooDeep,
    /// Another thread panics, and has the log to itself; counted.
    Closed,
}

/// What is said of a record beside its payload.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// 0 to 7.
    pub level: u8,
    /// When, on the monotonic clock; None: now.
    pub ts_nsec: Option<u64>,
}

impl Core {
    /// Stores one record, and prints it where that is the caller's to do. Any context; waits only to print, and bounded.
    pub fn store(&self, stamp: Stamp, payload: &Payload<'_>) -> Stored {
        match self.store_owing(stamp, payload) {
            Stored::Owing(owed) => {
                self.settle(owed);
                Stored::Yes
            }
            done => done,
        }
    }

    /// Stores one record. Any context; never waits. What is [`Stored::Owing`] then is the caller's to do.
    #[inline(always)]
    pub fn store_owing(&self, stamp: Stamp, payload: &Payload<'_>) -> Stored {
        let Some(_nest) = thread::enter() else {
            count(&self.control().recursion_dropped);
            return Stored::TooDeep;
        };
        self.store_inside(stamp, payload)
    }

    /// As [`Core::store_owing`], for a caller that has entered a log call itself.
    #[inline(always)]
    pub fn store_inside(&self, stamp: Stamp, payload: &Payload<'_>) -> Stored {
        if self.is_closed() {
            count(&self.control().panic_dropped);
            return Stored::Closed;
        }
        let info = self.info(stamp);
        let mut buffer = [const { MaybeUninit::uninit() }; SMALL_BYTES];
        let limit = self.record_limit().min(SMALL_BYTES);
        let small = buffer.get_mut(..limit).unwrap_or_default();
        let Some(len) = encode_whole(payload, small) else {
            return self.store_medium(&info, payload);
        };
        // SAFETY: so many bytes were written, from the start of the buffer.
        let bytes = unsafe { core::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), len) };
        self.put(&info, bytes)
    }

    /// What the ring is told of a record of this thread.
    #[inline(always)]
    pub(crate) fn info(&self, stamp: Stamp) -> Info {
        let ts_nsec = stamp.ts_nsec.unwrap_or_else(stamp::monotonic_nsec);
        let tid = thread::tid();
        Info {
            ts_nsec,
            caller_id: u64::from(self.pid()) << 32 | u64::from(tid),
            level: stamp.level,
            facility: FACILITY_USER,
            flags: FLAG_NEWLINE,
            aux: aux_of(thread::prints_for().unwrap_or(0), 0),
            owner: thread::owner(tid),
        }
    }

    /// A record that the small buffer did not hold.
    #[cold]
    #[inline(never)]
    fn store_medium(&self, info: &Info, payload: &Payload<'_>) -> Stored {
        let mut buffer = [0; MEDIUM_BYTES];
        let Encoded { len, truncated } = encode(payload, &mut buffer);
        if truncated || len > self.record_limit() {
            return self.store_large(info, payload);
        }
        self.put_rarely(info, buffer.get(..len).unwrap_or_default())
    }

    /// A record that may have to be cut.
    #[cold]
    #[inline(never)]
    fn store_large(&self, info: &Info, payload: &Payload<'_>) -> Stored {
        let mut buffer = [0_u8; MAX_RECORD_BYTES];
        let room = buffer.get_mut(..self.record_limit()).unwrap_or_default();
        let Encoded { len, truncated } = encode(payload, room);
        if truncated {
            count(&self.control().truncated);
        }
        self.put_rarely(info, buffer.get(..len).unwrap_or_default())
    }

    /// Reserve, copy, finalize, kick.
    #[inline]
    fn put(&self, info: &Info, bytes: &[u8]) -> Stored {
        match self.ring().reserve_ticket(bytes.len(), info) {
            Ok(mut ticket) => {
                #[cfg(pr_stop_between)]
                crate::between::pass(crate::between::Place::Reserved);
                self.ring().fill(&mut ticket, bytes);
                #[cfg(pr_stop_between)]
                crate::between::pass(crate::between::Place::Filled);
                let (seq, end) = (ticket.seq(), ticket.end().unwrap_or(Lpos(0)));
                // Summed here, where it takes no time: what was just encoded has to be in the cache before it can be read as words,
                // and the locked instruction of the reserve would wait for that.
                ticket.set_aux(summed(info, ticket.meta(), bytes));
                self.ring().finalize(ticket);
                self.stored(info.level, seq, end)
            }
            Err(why) => self.refused(why),
        }
    }

    /// A record is readable: whoever has to know of it does.
    #[inline(always)]
    pub(crate) fn stored(&self, level: u8, seq: Seq, end: Lpos) -> Stored {
        if thread::sections().any() || self.concerns_callers() {
            return self.stored_aside(level, seq, end);
        }
        self.kick().published(seq, end);
        self.ring().fetch_ahead(seq, end);
        Stored::Yes
    }

    /// The same for records that are not small: what a reserve becomes in its caller stands here once for all of them.
    #[inline(never)]
    fn put_rarely(&self, info: &Info, bytes: &[u8]) -> Stored {
        self.put(info, bytes)
    }

    #[cold]
    pub(crate) fn refused(&self, why: Refused) -> Stored {
        count(&self.control().failed);
        if why == Refused::Text {
            count(&self.control().failed_seqs);
            // It used a number, and is the newest: readers must be able to pass it.
            self.ring().finalize_last();
        }
        self.look_after_unfinished(); // it may be in the way for ever
        Stored::Refused
    }
}
