//! Dump iterators with memory of their own, which grows to what a record or a caller needs; and dumps as text.

mod broken;
mod outlet;
mod recorder;
mod text;
mod written;

pub use outlet::Outlet;
pub(crate) use recorder::Recorder;
pub use recorder::Window;
pub use text::{Last, TextDump, TextWalk};
pub(crate) use written::written_bytes;

use crate::error::Error;
use pr_printk::dump::{Block, DumpIter, Form, View};
use pr_ring::{RecordInfo, Seq, Source};

/// What most blocks take: a larger one is given when there is that much to give.
const BLOCK_BYTES: usize = 64 * 1024;
/// Room for most texts.
const TEXT_BYTES: usize = 4096;
/// No record has this number.
pub const NO_END: Seq = Seq(u64::MAX);

/// An iterator and the memory that it reads into. A copy goes its own way.
#[derive(Clone, Debug)]
pub struct Walk {
    /// How far it has come.
    pub iter: DumpIter,
    text: Vec<u8>,
    longest: usize,
}

impl Walk {
    /// One that gives texts up to this length whole.
    pub fn new(longest: usize) -> Walk {
        Walk {
            iter: DumpIter::NEW,
            text: Vec::new(),
            longest,
        }
    }

    /// A copy that takes the memory with it, to work with while nobody holds this one; see [`Walk::give_back`].
    pub fn lend(&mut self) -> Walk {
        Walk {
            iter: self.iter,
            text: std::mem::take(&mut self.text),
            longest: self.longest,
        }
    }

    /// Takes back what was lent when it stood at `before`. False: another one was given back meanwhile, and that stands.
    pub fn give_back(&mut self, before: DumpIter, lent: Walk) -> bool {
        let is_mine = self.iter == before;
        if is_mine {
            *self = lent;
        }
        is_mine
    }

    /// The next record before `until`, oldest first, and its text.
    ///
    /// # Errors
    /// Those of the source; no memory for the text.
    pub fn next_record<S: Source>(
        &mut self,
        view: &View<'_, S>,
        until: Seq,
    ) -> Result<Option<(RecordInfo, &[u8])>, Error>
    where
        Error: From<S::Error>,
    {
        grow(&mut self.text, TEXT_BYTES.min(self.longest))?;
        loop {
            let before = self.iter;
            let Some(found) = self.iter.next_record(view, until, &mut self.text)? else {
                return Ok(None);
            };
            if self.is_enough(found.info.text_len as usize)? {
                let text = self.text.get(..found.copied).unwrap_or_default();
                return Ok(Some((found.info, text)));
            }
            self.iter = before;
        }
    }

    /// The next block of at most `size - 1` bytes, newest first, and what is to be said of it.
    ///
    /// # Errors
    /// Those of the source; no memory for what there is.
    pub fn next_block<S: Source>(
        &mut self,
        view: &View<'_, S>,
        form: &impl Form,
        size: usize,
    ) -> Result<Option<(Block, Vec<u8>)>, Error>
    where
        Error: From<S::Error>,
    {
        grow(&mut self.text, TEXT_BYTES.min(self.longest))?;
        let mut buffer = Vec::new();
        grow(&mut buffer, size.min(BLOCK_BYTES))?;
        loop {
            let before = self.iter;
            let found = self
                .iter
                .get_buffer(view, form, &mut self.text, &mut buffer)?;
            let Some(block) = found else {
                return Ok(None);
            };
            let has_room = buffer.len() >= size || !(block.is_cut || block.is_full);
            if !has_room {
                let room = room_for_all(&block, before).max(buffer.len().saturating_mul(4));
                grow(&mut buffer, room.min(size))?;
            } else if self.is_enough(block.longest)? {
                buffer.truncate(block.len);
                return Ok(Some((block, buffer)));
            }
            self.iter = before;
        }
    }

    /// Whether a text of this length was read whole, or as far as it ever is. If not there is room for it now.
    fn is_enough(&mut self, bytes: usize) -> Result<bool, Error> {
        let wanted = bytes.min(self.longest);
        let enough = wanted <= self.text.len();
        grow(&mut self.text, wanted)?;
        Ok(enough)
    }
}

/// What all records of a walk take if they are as long as those of this block, and some more.
fn room_for_all(block: &Block, walk: DumpIter) -> usize {
    let records = walk.next_seq.0.saturating_sub(walk.cur_seq.0);
    let each = (block.len as u64 / block.records.max(1)).saturating_add(16);
    usize::try_from(records.saturating_mul(each)).unwrap_or(usize::MAX)
}

/// Makes `buffer` at least `bytes` long.
fn grow(buffer: &mut Vec<u8>, bytes: usize) -> Result<(), Error> {
    let more = bytes.saturating_sub(buffer.len());
    buffer.try_reserve(more).map_err(|_| Error::Os {
        what: format!("{bytes} bytes for a dump"),
        errno: libc::ENOMEM,
    })?;
    if more > 0 {
        buffer.resize(bytes, 0);
    }
    Ok(())
}
