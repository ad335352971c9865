//! What a console's thread asks for its next batch, and where it waits for it.

use super::batch::{Batch, ECHO, Item, Outcome, Place};
use super::is_closed;
use super::text::{Lines, Writer};
use crate::life::Life;
use crate::orders::{Grace, Orders};
use crate::printer::{PARK_AFTER_NSEC, POLL_NSEC, early_for, look_after};
use crate::sinks::{Sink, say_on_stderr};
use crate::whole;
use pr_printk::core::MAX_RECORD_BYTES;
use pr_printk::emit::{Cursor, meta_of};
use pr_printk::kick::Ticket;
use pr_printk::owner::{Owner, Priority};
use pr_printk::store::FLAG_NEWLINE;
use pr_printk::sum::{echo_of, is_changed};
use pr_printk::{stamp, thread};
use pr_record::{Field, Level, Meta, Payload, Value, encode};
use pr_ring::{Read, RecordInfo, Seq, Unfinished};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The most records of a batch.
const ENOUGH_RECORDS: usize = 256;
/// A batch that holds this many bytes takes no more records.
const ENOUGH_BYTES: usize = 64 * 1024;
/// Room for a notice's payload.
const NOTICE_BYTES: usize = 512;
/// The facility of what the log itself says: no record of an application has it.
const FACILITY_LOG: u8 = 0;

/// The thread's side of a console: the next batch, and the one in hand.
#[derive(Debug)]
pub struct Post {
    place: Place,
    name: String,
    writer: Option<Writer>,
    signals: libc::sigset_t,
    scratch: Vec<u8>,
    /// When there was something to do last.
    worked: u64,
    hand: Option<Hand>,
    failing: bool,
}

/// The batch that is being handed over.
#[derive(Debug)]
struct Hand {
    batch: Arc<Batch>,
    /// Where the console is when all of it is.
    tail: Cursor,
    owner: Owner,
}

/// What a look at the ring came to.
enum Look {
    Nothing,
    /// Somebody else has the console.
    Out,
    /// Records were passed that the console does not want.
    Passed,
    Batch(Arc<Batch>),
}

impl Post {
    pub(super) fn new(
        life: Arc<Life>,
        index: usize,
        id: u32,
        orders: Arc<Orders>,
        sink: Option<Box<dyn Sink>>,
        name: String,
        signals: libc::sigset_t,
    ) -> Post {
        let place = Place {
            life,
            index,
            id,
            orders,
        };
        Post {
            writer: sink.map(|sink| Writer::new(sink, place.clone(), name.clone())),
            place,
            name,
            signals,
            scratch: vec![0; MAX_RECORD_BYTES],
            worked: stamp::monotonic_nsec(),
            hand: None,
            failing: false,
        }
    }

    /// Whether the console is this process's: false in the copy of the thread that a fork in its own code makes.
    pub fn is_own(&self) -> bool {
        self.place.is_own()
    }

    /// Ends the last batch, and waits for the next one, with all signals blocked. None: nothing more is handed over.
    pub fn next_batch(&mut self) -> Option<Arc<Batch>> {
        if !self.is_own() {
            return None;
        }
        block_signals();
        let next = if self.settle() {
            self.wait_for_batch()
        } else {
            None
        };
        if next.is_some() {
            set_signals(&self.signals);
        }
        next
    }

    /// Tells what went wrong, writes the text that was made, and moves the console. False: the thread has to end.
    fn settle(&mut self) -> bool {
        thread::print_for(self.place.id);
        let Some(Hand { batch, tail, owner }) = self.hand.take() else {
            return true;
        };
        let outcome = std::mem::take(&mut *batch.outcome());
        self.failing = outcome.failing;
        if let Some((why, _)) = &outcome.told {
            let name = &self.name;
            say_on_stderr(&format!(
                "printk_ring: console {name}: {why}; the record counts as printed\n"
            ));
        }
        if let (Some(lines), Some(writer)) = (&outcome.lines, &mut self.writer)
            && !writer.write(lines, &batch)
        {
            return false;
        }
        if !self.place.goes_on() {
            return false;
        }
        if let (Some((_, after)), None) = (&outcome.told, &outcome.lines) {
            batch.move_to(after);
        }
        if batch.is_empty() {
            batch.move_to(&tail);
        }
        self.place.slot().owner.release(owner);
        true
    }

    fn wait_for_batch(&mut self) -> Option<Arc<Batch>> {
        let mut grace = Grace::default();
        loop {
            let ticket = self.place.life.core().kick().ticket();
            if !self.place.goes_on() || is_closed() {
                return None;
            }
            self.place.life.sample_clocks();
            let stop = self.place.orders.stop();
            if stop.is_some_and(|stop| self.seq() >= stop) {
                return None;
            }
            if stop.is_none() && self.place.is_suspended() {
                self.place.life.core().kick().rest(ticket);
                continue;
            }
            match self.look(stop) {
                Look::Batch(batch) => {
                    self.worked = stamp::monotonic_nsec();
                    return Some(batch);
                }
                Look::Passed => (self.worked, grace) = (stamp::monotonic_nsec(), Grace::default()),
                Look::Nothing if stop.is_some() && self.place.life.core().settles_the_dead() => {}
                // Asked to stop, and a writer has what is missing in hand; unless it does not come.
                Look::Nothing if stop.is_some() && !grace.is_left() => return None,
                Look::Nothing if stop.is_none() => self.rest(ticket),
                Look::Nothing | Look::Out => {
                    self.place.life.core().kick().nap(ticket, POLL_NSEC);
                }
            }
        }
    }

    /// The record to hand over next.
    fn seq(&self) -> Seq {
        Seq(self.place.slot().seq.load(Ordering::Relaxed))
    }

    /// Sleeps a moment, or parks.
    fn rest(&self, ticket: Ticket) {
        let core = self.place.life.core();
        let seq = self.seq();
        let idle = stamp::monotonic_nsec().saturating_sub(self.worked);
        let is_held_up = look_after(core, seq, idle);
        if idle > PARK_AFTER_NSEC && !core.has_more(seq) {
            core.kick().park(ticket, || {
                core.has_more(seq) || self.place.orders.stop().is_some()
            });
            return;
        }
        let early = early_for(core, self.place.slot(), is_held_up);
        core.kick().sleep(ticket, early, POLL_NSEC);
        core.kick().awake();
    }

    /// Copies what there is, up to a batch.
    fn look(&mut self, stop: Option<Seq>) -> Look {
        let life = self.place.life.clone();
        let core = life.core();
        let mut cursor = Cursor::of(self.place.slot());
        let before = cursor;
        let mut load = Load::default();
        while load.items.len() < ENOUGH_RECORDS
            && load.bytes.len() < ENOUGH_BYTES
            && stop.is_none_or(|stop| cursor.seq < stop)
        {
            let read = core
                .ring()
                .read_valid(cursor.seq, &mut self.scratch, Unfinished::Wait);
            match read {
                Read::NotYet { at, .. } => {
                    // Lost records at the end: told now, since nothing may follow them for long.
                    load.pass_gap(&mut cursor, at, || now(core));
                    break;
                }
                Read::Found { info, copied, .. } => {
                    load.pass_gap(&mut cursor, info.seq, || meta_of(core, &info));
                    cursor.seq = Seq(info.seq.0 + 1);
                    cursor.pos = info.end.unwrap_or(cursor.pos);
                    let payload = self.scratch.get(..copied).unwrap_or_default();
                    let torn = is_changed(&info, payload); // and then its level says nothing
                    if torn || self.wants(&info) {
                        cursor.printed += 1;
                        let (meta, echo) = (meta_of(core, &info), echo_of(&info) != 0);
                        if whole::needs_site(payload) {
                            let mut payload = payload.to_vec();
                            whole::complete(&mut payload, core.sites());
                            load.add(meta, (torn, echo), &payload, cursor);
                        } else {
                            load.add(meta, (torn, echo), payload, cursor);
                        }
                    }
                }
            }
        }
        if cursor == before {
            return Look::Nothing;
        }
        if load.items.is_empty() {
            self.place.confirm(before.seq, &cursor);
            return Look::Passed;
        }
        let tid = thread::tid();
        match self
            .place
            .slot()
            .owner
            .acquire(tid, Priority::Normal, None, false)
        {
            Ok(owner) if stop.is_none() && !core.may_print_on(self.place.slot()) => {
                self.place.slot().owner.release(owner);
                Look::Out
            }
            Ok(owner) => Look::Batch(self.hand_in(owner, load, before.seq, cursor)),
            Err(_) => Look::Out,
        }
    }

    fn hand_in(&mut self, owner: Owner, load: Load, seq: Seq, tail: Cursor) -> Arc<Batch> {
        let outcome = Outcome {
            told: None,
            failing: self.failing,
            lines: self.writer.is_some().then(Lines::default),
        };
        let place = self.place.clone();
        // Counted here: what could not be handed in is looked at again.
        let torn = load.items.iter().filter(|item| item.torn).count();
        let counter = &place.life.core().control().torn;
        counter.fetch_add(torn as u64, Ordering::Relaxed);
        let batch = Arc::new(Batch::new(place, seq, load.items, load.bytes, outcome));
        self.hand = Some(Hand {
            batch: batch.clone(),
            tail,
            owner,
        });
        batch
    }

    /// Severe enough, and born neither of its own printing nor of that of a record which was.
    fn wants(&self, info: &RecordInfo) -> bool {
        let console_level = &self.place.life.core().control().console_level;
        let slot = self.place.slot();
        let level = slot.effective_level(console_level.load(Ordering::Relaxed));
        let own = [self.place.id, ECHO];
        u64::from(info.level) <= level && !own.contains(&echo_of(info))
    }
}

/// A batch in the making.
#[derive(Default)]
struct Load {
    items: Vec<Item>,
    bytes: Vec<u8>,
}

impl Load {
    fn add(&mut self, meta: Meta, (torn, echo): (bool, bool), payload: &[u8], after: Cursor) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.items.push(Item {
            meta,
            torn,
            echo,
            payload: start..self.bytes.len(),
            after,
        });
    }

    /// What was lost before `to` is a record like others, of the last number lost and the log's own facility.
    fn pass_gap(&mut self, cursor: &mut Cursor, to: Seq, next: impl FnOnce() -> Meta) {
        let (first, lost) = (cursor.seq.0, to.0.saturating_sub(cursor.seq.0));
        if lost == 0 {
            return;
        }
        cursor.dropped += lost;
        cursor.seq = to;
        let numbers = [
            ("dropped", lost),
            ("first_seq", first),
            ("last_seq", to.0 - 1),
        ];
        let fields = numbers.map(|(key, number)| Field {
            key,
            value: Value::UInt(number),
        });
        let message = format!("** {lost} printk messages dropped **");
        let payload = Payload {
            event: "records dropped",
            message: Some(&message),
            fields: &fields,
            ..Payload::default()
        };
        let mut buffer = [0; NOTICE_BYTES];
        let encoded = encode(&payload, &mut buffer);
        let meta = Meta {
            seq: to.0 - 1,
            level: Level::Warning.number(),
            facility: FACILITY_LOG,
            flags: FLAG_NEWLINE,
            caller_id: 0,
            pid: std::process::id(),
            tid: thread::tid(),
            ..next()
        };
        let bytes = buffer.get(..encoded.len).unwrap_or_default();
        self.add(meta, (false, false), bytes, *cursor);
    }
}

/// The times of what has no record.
fn now(core: &pr_printk::Core) -> Meta {
    let ts_nsec = stamp::monotonic_nsec();
    Meta {
        ts_nsec,
        wall_nsec: core.wall_nsec(ts_nsec),
        ..Meta::default()
    }
}

fn block_signals() {
    // SAFETY: a signal set is plain bits; zero is one.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours.
    unsafe { libc::sigfillset(&raw mut all) };
    set_signals(&all);
}

fn set_signals(set: &libc::sigset_t) {
    // SAFETY: a whole set; the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set, std::ptr::null_mut()) };
}
