//! The table of call sites: what all records of a place in a program have in common, written once.
//!
//! It only grows, and has an end: a site that finds no room is no site, and its records say everything themselves. In the
//! file it is a section that others read; this process reads a copy that nobody else can write to:
//!
//! ```text
//! section := head offset*N text*        N is one for each 128 bytes of the section
//! head    := u64 described  u64 text bytes in use  u64 refused  u64 zero
//! offset  := u32        of the description, from the section's start; 0: not described (yet)
//! text    := u32(n) u32(sum) byte[n] zero*    a description, at a multiple of 8; its sum: of it, its number, n, 0, 0 (`sum`)
//! ```
//!
//! A record names its site by its place among the offsets. It is committed after the description stands there: whoever
//! reads the record finds the site.

use crate::sum::sum;
use core::cell::UnsafeCell;
use core::mem::{MaybeUninit, offset_of};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use pr_record::{Pieces, Site, Sites};

/// Bytes of the section's head.
pub const HEAD_BYTES: usize = 32;
/// Bytes of a section for each site that it can have.
pub const BYTES_PER_SITE: usize = 128;
/// The longest description. What is longer is no site.
pub const MAX_DESCRIPTION: usize = 2048;
/// Where its text begins, from the start of a description.
const TEXT_AT: usize = 8;
/// The most that is kept ready of a site's lines. Of longer ones there is less to gain.
const MAX_PIECES: usize = 1024;

/// The head of the section.
#[repr(C)]
#[derive(Debug)]
pub struct SectionHead {
    /// Sites that are described.
    pub described: AtomicU64,
    /// Bytes of descriptions, those included that found no room.
    pub text_bytes: AtomicU64,
    /// Sites that found no room.
    pub refused: AtomicU64,
    zero: AtomicU64,
}

const _: () = assert!(size_of::<SectionHead>() == HEAD_BYTES);

/// How many tables there have been in this process.
static TABLES: AtomicU32 = AtomicU32::new(0);

/// How many sites a section of this length can have.
pub const fn capacity(section_bytes: usize) -> usize {
    section_bytes / BYTES_PER_SITE
}

/// Where the descriptions begin.
pub const fn text_at(section_bytes: usize) -> usize {
    (HEAD_BYTES + 4 * capacity(section_bytes)).next_multiple_of(8)
}

/// One site as this process knows it.
#[derive(Debug)]
pub struct Known {
    is_there: AtomicBool,
    kept: UnsafeCell<MaybeUninit<Kept>>,
}

/// A site, and what its lines have in common.
#[derive(Debug)]
struct Kept {
    site: Site<'static>,
    pieces: Option<Pieces<'static>>,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            is_there: AtomicBool::new(false),
            kept: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

// SAFETY: the site is written once, before `is_there`, by whom its place belongs to.
unsafe impl Sync for Known {}

/// This process's copy: memory that is zero at first, and as long as the table.
#[derive(Clone, Copy, Debug)]
pub struct Private {
    /// As many as [`capacity`] says.
    pub known: NonNull<[Known]>,
    /// As many bytes as the section has.
    pub text: NonNull<[u8]>,
    /// For what lines have in common: any number of bytes. Sites that find no room have nothing of it ready.
    pub pieces: NonNull<[u8]>,
}

/// The table of one log. Its number comes first: that is what every record looks at.
#[derive(Debug)]
#[repr(C)]
pub struct Table {
    number: u32,
    section: NonNull<[u8]>,
    private: Private,
    /// Places that are given out. Not the section's own figures: what others can write decides nothing here.
    given: AtomicU32,
    /// Bytes of text that are given out.
    text_bytes: AtomicU64,
    /// Bytes of pieces that are given out.
    piece_bytes: AtomicUsize,
}

// SAFETY: the section is reached through atomics, and of the copy each byte is written by one thread, before others read it.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

/// How many tables a call site remembers.
const REMEMBERED: usize = 8;

/// What a call site remembers of the tables that it had to do with: its number there.
#[derive(Debug, Default)]
pub struct Cell([AtomicU64; REMEMBERED]);

/// A place that is taken.
struct Claim<'c> {
    place: &'c AtomicU64,
    taken: u64,
}

impl Claim<'_> {
    /// The number that the table has given, if it has. Forgotten where another table has come and needed the place.
    fn end(self, id: Option<u32>) {
        let word = self.taken | id.map_or(0, |id| u64::from(id) + 1);
        // ORD(describe:B)
        let _ = self
            .place
            .compare_exchange(self.taken, word, Ordering::Release, Ordering::Relaxed);
    }
}

impl Cell {
    /// Where it remembers the table of this number. None: it does not.
    fn word(&self, number: u32) -> Option<u64> {
        let words = self.0.iter();
        let mut words = words.map(|word| word.load(Ordering::Acquire)); // ORD(cell_word:A) pairs with ORD(describe:B)
        words.find(|word| (word >> 32) as u32 == number)
    }

    /// Takes a place for the number that a table is about to give: as long as it is taken the site has none there. It is a free
    /// one, or that which goes by the table's own number, so that a few tables do not displace each other. None: another
    /// thread is at it, or whatever this call has interrupted.
    fn claim(&self, number: u32) -> Option<Claim<'_>> {
        let mut found = 0;
        let mut places = self.0.iter();
        let free = places.find(|place| {
            found = place.load(Ordering::Relaxed);
            found == 0 || (found >> 32) as u32 == number
        });
        let place = match free {
            Some(place) => place,
            None => {
                let place = self.0.get(number as usize % REMEMBERED)?;
                found = place.load(Ordering::Relaxed);
                place
            }
        };
        if (found >> 32) as u32 == number {
            return None; // all look in the same order: whoever comes later sees it
        }
        let taken = u64::from(number) << 32;
        let order = Ordering::Relaxed;
        place.compare_exchange(found, taken, order, order).ok()?;
        Some(Claim { place, taken })
    }
}

impl Table {
    /// One that has no room at all: of a bare ring.
    pub const fn none() -> Table {
        Table {
            section: NonNull::slice_from_raw_parts(NonNull::dangling(), 0),
            private: Private {
                known: NonNull::slice_from_raw_parts(NonNull::dangling(), 0),
                text: NonNull::slice_from_raw_parts(NonNull::dangling(), 0),
                pieces: NonNull::slice_from_raw_parts(NonNull::dangling(), 0),
            },
            number: 0, // of which a fresh cell believes to have been refused
            given: AtomicU32::new(0),
            text_bytes: AtomicU64::new(0),
            piece_bytes: AtomicUsize::new(0),
        }
    }

    /// A table over a section that is zero.
    ///
    /// # Safety
    /// Section and copy stay valid as long as the table. The section begins at a multiple of 8 and is accessed through
    /// atomics alone, the copy by nobody else.
    pub unsafe fn new(section: NonNull<[u8]>, private: Private) -> Table {
        Table {
            section,
            private,
            number: TABLES.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            given: AtomicU32::new(0),
            text_bytes: AtomicU64::new(0),
            piece_bytes: AtomicUsize::new(0),
        }
    }

    /// A number that no other table of this process has, but for those without room.
    #[inline(always)]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The number of the site that `cell` belongs to, which is described at its first record here. `describe` writes the
    /// description and answers with its length; None: there is none. None: records of this site say everything themselves.
    #[inline(always)]
    pub fn number_of(
        &self,
        cell: &Cell,
        describe: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<u32> {
        let [first, ..] = &cell.0;
        let seen = first.load(Ordering::Acquire); // ORD(number_of:A) pairs with ORD(describe:B)
        if (seen >> 32) as u32 == self.number {
            return (seen as u32).checked_sub(1);
        }
        self.look_further(cell, describe)
    }

    #[cold]
    #[inline(never)]
    fn look_further(
        &self,
        cell: &Cell,
        describe: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<u32> {
        match cell.word(self.number) {
            Some(seen) => (seen as u32).checked_sub(1),
            None => self.describe(cell, describe),
        }
    }

    fn describe(
        &self,
        cell: &Cell,
        describe: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<u32> {
        let claim = cell.claim(self.number)?;
        let mut buffer = [0; MAX_DESCRIPTION];
        let written = describe(&mut buffer).and_then(|len| buffer.get(..len));
        let id = written.and_then(|text| self.same(text).or_else(|| self.add(text)));
        if id.is_none()
            && let Some(head) = self.head()
        {
            head.refused.fetch_add(1, Ordering::Relaxed);
        }
        claim.end(id);
        id
    }

    /// A site that is described in the same words: one that has forgotten this table, for want of places.
    fn same(&self, text: &[u8]) -> Option<u32> {
        let wanted = Site::read(text).ok()?;
        let described = u32::try_from(self.described()).ok()?;
        (0..described).find(|id| self.site(*id) == Some(wanted))
    }

    /// Adds a description. None: no room, or it is none.
    fn add(&self, text: &[u8]) -> Option<u32> {
        Site::read(text).ok()?;
        let (capacity, bytes) = (self.private.known.len(), self.section.len());
        if self.given.load(Ordering::Relaxed) as usize >= capacity {
            return None;
        }
        let size = (TEXT_AT + text.len()).next_multiple_of(8) as u64;
        let room = bytes.checked_sub(text_at(bytes))? as u64;
        let at = self.text_bytes.load(Ordering::Relaxed);
        if at.checked_add(size)? > room {
            return None;
        }
        // Another thread may come between: then this one finds no room after all, and what it took stays empty.
        let at = self.text_bytes.fetch_add(size, Ordering::Relaxed);
        if at.checked_add(size)? > room {
            return None;
        }
        let at = text_at(bytes).checked_add(usize::try_from(at).ok()?)?;
        let id = self.given.fetch_add(1, Ordering::Relaxed) as usize;
        if id >= capacity {
            return None;
        }
        self.keep(id, at, text)?;
        self.publish(id, at, text)?;
        u32::try_from(id).ok()
    }

    /// Puts it into this process's copy.
    fn keep(&self, id: usize, at: usize, text: &[u8]) -> Option<()> {
        let known = self.known(id)?;
        let end = at.checked_add(text.len())?;
        if end > self.private.text.len() {
            return None;
        }
        // SAFETY: within the copy, by the look above.
        let place = unsafe { self.private.text.cast::<u8>().add(at) };
        // SAFETY: these bytes belong to this site alone, and nobody reads them yet.
        unsafe { place.copy_from_nonoverlapping(NonNull::from(text).cast(), text.len()) };
        // SAFETY: they stay as they are from now on, as long as the table. `site` gives out less than that.
        let text = unsafe { core::slice::from_raw_parts(place.as_ptr(), text.len()) };
        let site = Site::read(text).ok()?;
        let pieces = self.keep_pieces(&site);
        // SAFETY: the place belongs to this site alone, and nobody reads it yet.
        unsafe { (*known.kept.get()).write(Kept { site, pieces }) };
        known.is_there.store(true, Ordering::Release); // ORD(keep:A)
        Some(())
    }

    /// Writes down what the site's lines have in common. None: it is too much, or there is no room.
    fn keep_pieces(&self, site: &Site<'_>) -> Option<Pieces<'static>> {
        let (_, len) = Pieces::write(site, &mut [0; MAX_PIECES])?;
        if self.piece_bytes.load(Ordering::Relaxed).checked_add(len)? > self.private.pieces.len() {
            return None;
        }
        // Another thread may come between, as with the text.
        let at = self.piece_bytes.fetch_add(len, Ordering::Relaxed);
        if at.checked_add(len)? > self.private.pieces.len() {
            return None;
        }
        // SAFETY: within that memory, by the look above.
        let place = unsafe { self.private.pieces.cast::<u8>().add(at) };
        // SAFETY: these bytes belong to this site alone, and stay as they are as long as the table; `pieces` gives out less.
        let place = unsafe { core::slice::from_raw_parts_mut(place.as_ptr(), len) };
        Some(Pieces::write(site, place)?.0)
    }

    /// Puts it where others read it.
    fn publish(&self, id: usize, at: usize, text: &[u8]) -> Option<()> {
        self.word(at)?
            .store(u32::try_from(text.len()).ok()?, Ordering::Relaxed);
        let sum = sum_of(u32::try_from(id).ok()?, text);
        self.word(at.checked_add(4)?)?.store(sum, Ordering::Relaxed);
        let words = text.chunks(4).enumerate();
        for (index, chunk) in words {
            let mut word = [0; 4];
            word.get_mut(..chunk.len())?.copy_from_slice(chunk);
            let at = at
                .checked_add(TEXT_AT)?
                .checked_add(index.checked_mul(4)?)?;
            self.word(at)?
                .store(u32::from_ne_bytes(word), Ordering::Relaxed);
        }
        let offset = HEAD_BYTES.checked_add(id.checked_mul(4)?)?;
        let at = u32::try_from(at).ok()?;
        self.word(offset)?.store(at, Ordering::Release); // ORD(publish:A) pairs with a reader's copy in another process
        // Last, and one for each: whoever copies the section copies it again when there are more.
        let head = self.head()?;
        let bytes = self.text_bytes.load(Ordering::Relaxed);
        head.text_bytes.store(bytes, Ordering::Relaxed);
        head.described.fetch_add(1, Ordering::Release); // ORD(publish:B) pairs with a reader's copy in another process
        Some(())
    }

    /// The head; None where a log has no such section.
    pub fn head(&self) -> Option<&SectionHead> {
        if self.section.len() < HEAD_BYTES {
            return None;
        }
        // SAFETY: the section is long enough and aligned, by `new`'s promise.
        Some(unsafe { self.section.cast::<SectionHead>().as_ref() })
    }

    /// How many sites are described.
    pub fn described(&self) -> u64 {
        let given = u64::from(self.given.load(Ordering::Relaxed));
        given.min(self.private.known.len() as u64)
    }

    /// How many found no room.
    pub fn refused(&self) -> u64 {
        self.head()
            .map_or(0, |head| head.refused.load(Ordering::Relaxed))
    }

    fn word(&self, at: usize) -> Option<&AtomicU32> {
        if !at.is_multiple_of(4) || at.checked_add(4)? > self.section.len() {
            return None;
        }
        // SAFETY: within the section and aligned.
        let word = unsafe { self.section.cast::<u8>().add(at) };
        // SAFETY: as above; `new`'s promise is that it is accessed through atomics.
        Some(unsafe { word.cast::<AtomicU32>().as_ref() })
    }

    #[inline(always)]
    fn kept(&self, id: u32) -> Option<&Kept> {
        let known = self.known(usize::try_from(id).ok()?)?;
        // ORD(site:A) pairs with ORD(keep:A)
        if !known.is_there.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: nobody writes to it any more.
        let kept = unsafe { &*known.kept.get() };
        // SAFETY: written before it was said to be there.
        Some(unsafe { kept.assume_init_ref() })
    }

    fn known(&self, id: usize) -> Option<&Known> {
        // SAFETY: `new`'s promise: valid as long as the table.
        unsafe { self.private.known.as_ref() }.get(id)
    }
}

impl Sites for Table {
    #[inline]
    fn site(&self, id: u32) -> Option<Site<'_>> {
        self.kept(id).map(|kept| kept.site)
    }

    #[inline(always)]
    fn site_and_pieces(&self, id: u32) -> Option<(Site<'_>, Option<&Pieces<'_>>)> {
        let kept = self.kept(id)?;
        Some((kept.site, kept.pieces.as_ref()))
    }
}

/// A copy of a section, made by a reader of another process.
#[derive(Clone, Debug, Default)]
pub struct Copied<B>(pub B);

impl<B: AsRef<[u8]>> Copied<B> {
    /// How many sites there were.
    pub fn described(&self) -> u64 {
        let bytes = self.0.as_ref().get(offset_of!(SectionHead, described)..);
        let word = bytes.and_then(|bytes| bytes.first_chunk::<8>());
        word.map_or(0, |word| u64::from_ne_bytes(*word))
    }

    /// The description of a site. None: it has none, or what stands there is not what was written.
    pub fn description(&self, id: u32) -> Option<&[u8]> {
        let bytes = self.0.as_ref();
        let offset = HEAD_BYTES.checked_add(usize::try_from(id).ok()?.checked_mul(4)?)?;
        if offset.checked_add(4)? > text_at(bytes.len()) {
            return None;
        }
        let at = usize::try_from(u32_at(bytes, offset)?).ok()?;
        if at < text_at(bytes.len()) {
            return None;
        }
        let len = usize::try_from(u32_at(bytes, at)?).ok()?;
        if len > MAX_DESCRIPTION {
            return None; // before it is summed, for each record
        }
        let sum = u32_at(bytes, at.checked_add(4)?)?;
        let text = bytes.get(at.checked_add(TEXT_AT)?..)?.get(..len)?;
        (sum == sum_of(id, text)).then_some(text)
    }
}

impl<B: AsRef<[u8]>> Sites for Copied<B> {
    fn site(&self, id: u32) -> Option<Site<'_>> {
        Site::read(self.description(id)?).ok()
    }
}

/// The sum of a description.
fn sum_of(id: u32, text: &[u8]) -> u32 {
    sum(text, [u64::from(id), text.len() as u64, 0, 0])
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*word))
}
