//! The last records, kept in memory: for tests, and for whoever wants to show them.

use crate::courier::{Post, RecordSink};
use crate::fork::Listed;
use pr_record::Meta;
use std::collections::VecDeque;
use std::sync::Arc;

/// A record that was kept.
#[derive(Debug)]
pub struct Kept {
    /// Its number, times and ids.
    pub meta: Meta,
    /// It is complete, but its text cannot be had.
    pub torn: bool,
    /// Its payload, encoded.
    pub payload: Box<[u8]>,
}

/// Keeps the last records of the consoles that have it as their sink; the oldest go when there are too many, or too large
/// together.
#[derive(Debug)]
pub struct Memory {
    most_records: usize,
    most_bytes: usize,
    shelf: Listed<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    records: VecDeque<Arc<Kept>>,
    bytes: usize,
}

impl Memory {
    /// Nothing is kept yet.
    pub fn new(most_records: usize, most_bytes: usize) -> Memory {
        Memory {
            most_records,
            most_bytes,
            shelf: Listed::default(),
        }
    }

    /// The records, oldest first.
    pub fn records(&self) -> Vec<Arc<Kept>> {
        let mut room = 0;
        loop {
            // Made outside of the lock, for as many as there are: the limit may be any number.
            let mut copy = Vec::with_capacity(room);
            let shelf = self.shelf.lock();
            if shelf.records.len() <= room {
                copy.extend(shelf.records.iter().cloned());
                return copy;
            }
            room = shelf.records.len();
        }
    }

    /// Forgets them.
    pub fn clear(&self) {
        let forgotten = std::mem::take(&mut *self.shelf.lock());
        drop(forgotten); // not under the lock
    }

    fn keep(&self, record: Kept) {
        let record = Arc::new(record);
        let mut gone = Vec::new();
        let mut shelf = self.shelf.lock();
        shelf.bytes += record.payload.len();
        shelf.records.push_back(record);
        while shelf.records.len() > self.most_records || shelf.bytes > self.most_bytes {
            let Some(oldest) = shelf.records.pop_front() else {
                break;
            };
            shelf.bytes -= oldest.payload.len();
            gone.push(oldest);
        }
        drop(shelf);
        drop(gone);
    }
}

impl RecordSink for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn target(&self) -> String {
        "memory".into()
    }

    fn serve(&self, post: &mut Post) {
        while let Some(batch) = post.next_batch() {
            while let Some(record) = batch.take() {
                self.keep(Kept {
                    meta: *record.meta,
                    torn: record.torn,
                    payload: record.payload.into(),
                });
                batch.done();
            }
        }
    }
}
