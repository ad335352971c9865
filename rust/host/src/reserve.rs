//! Memory for when there is none. What a process that has run out of memory logs is what it is asked about afterwards: where the
//! system refuses, small pieces come out of a reserve, and go back into it. What is not to be had there either ends the
//! process, as without it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Pieces of a stricter alignment are not to be had.
const ALIGN: usize = 64;

/// Pieces of one size, one bit each.
#[derive(Clone, Copy)]
struct Row {
    size: usize,
    pieces: usize,
    /// Where they begin in the area.
    start: usize,
}

const fn row(size: usize, pieces: usize, before: Option<Row>) -> Row {
    let start = match before {
        Some(before) => before.start + before.size * before.pieces,
        None => 0,
    };
    assert!(size.is_multiple_of(ALIGN) && pieces <= 64);
    Row {
        size,
        pieces,
        start,
    }
}

/// Most of what a log call asks for is small; the texts and the encoded values of one that no record holds are the largest.
const ROWS: [Row; 4] = {
    let tiny = row(128, 64, None);
    let small = row(512, 64, Some(tiny));
    let medium = row(4096, 64, Some(small));
    [tiny, small, medium, row(72 << 10, 8, Some(medium))]
};
const BYTES: usize = ROWS[3].start + ROWS[3].size * ROWS[3].pieces;

/// The system's memory, and the reserve behind it.
#[derive(Debug)]
pub struct Reserve;

#[repr(C, align(64))]
struct Area(UnsafeCell<[u8; BYTES]>);

// SAFETY: each byte is in the hands of whoever was given it.
unsafe impl Sync for Area {}

/// Pages that nobody writes to are only addresses.
static AREA: Area = Area(UnsafeCell::new([0; BYTES]));
/// Which pieces of a row are out.
static OUT: [AtomicU64; ROWS.len()] = [const { AtomicU64::new(0) }; ROWS.len()];

/// A piece of the reserve, or null.
fn take(layout: Layout) -> *mut u8 {
    let fits = |row: &Row| layout.size() <= row.size && layout.align() <= ALIGN;
    let rows = ROWS.iter().zip(&OUT).filter(|(row, _)| fits(row));
    let taken = rows.into_iter().find_map(|(row, out)| {
        // Acquire: whoever had these bytes before has done with them.
        let first =
            |out: u64| Some((!out).trailing_zeros()).filter(|at| (*at as usize) < row.pieces);
        let more = |out| first(out).map(|at| out | 1 << at);
        let before = out.fetch_update(Ordering::Acquire, Ordering::Relaxed, more);
        let at = first(before.ok()?)?;
        Some(row.start + row.size * at as usize)
    });
    taken.map_or(std::ptr::null_mut(), |offset| {
        AREA.0.get().cast::<u8>().wrapping_add(offset)
    })
}

fn give_back(at: *mut u8) {
    let offset = at as usize - AREA.0.get() as usize;
    for (row, out) in ROWS.iter().zip(&OUT).rev() {
        if let Some(within) = offset.checked_sub(row.start) {
            // Release: whoever takes it next comes after.
            out.fetch_and(!(1 << (within / row.size)), Ordering::Release);
            return;
        }
    }
}

fn is_reserved(at: *mut u8) -> bool {
    (at as usize).wrapping_sub(AREA.0.get() as usize) < BYTES
}

// SAFETY: the system's own allocator, and beside it pieces of the area that do not overlap while they are out.
unsafe impl GlobalAlloc for Reserve {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let at = unsafe { System.alloc(layout) };
        if at.is_null() { take(layout) } else { at }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let at = unsafe { System.alloc_zeroed(layout) };
        if !at.is_null() {
            return at;
        }
        let at = take(layout);
        if !at.is_null() {
            // SAFETY: a piece of that size, which was just taken.
            unsafe { at.write_bytes(0, layout.size()) };
        }
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if is_reserved(at) {
            return give_back(at);
        }
        // SAFETY: the caller's promise, and it is not ours.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let is_reserved = is_reserved(at);
        if !is_reserved {
            // SAFETY: the caller's promise, and it is not ours.
            let moved = unsafe { System.realloc(at, layout, size) };
            if !moved.is_null() {
                return moved;
            }
        }
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return std::ptr::null_mut();
        };
        let moved = if is_reserved {
            // SAFETY: the caller's promise: the size is not 0.
            unsafe { self.alloc(wanted) }
        } else {
            take(wanted)
        };
        if !moved.is_null() {
            // SAFETY: both are so long, and one was just taken.
            unsafe { std::ptr::copy_nonoverlapping(at, moved, size.min(layout.size())) };
            // SAFETY: the caller's promise.
            unsafe { self.dealloc(at, layout) };
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).expect("a layout")
    }

    fn are_out() -> u32 {
        OUT.iter()
            .map(|out| out.load(Ordering::Relaxed).count_ones())
            .sum()
    }

    /// One test, for there is one reserve.
    #[test]
    fn pieces_do_not_overlap_have_an_end_and_come_again() {
        let sizes = [1, 128, 129, 4096, 5000, 72 << 10];
        let pieces: Vec<_> = (0..)
            .map(|number| sizes[number % sizes.len()])
            .map(|size| (take(layout(size, 64)), size))
            .take_while(|(at, _)| !at.is_null())
            .collect();
        assert!(pieces.len() > 20, "{}", pieces.len());
        let mut ranges: Vec<_> = pieces
            .iter()
            .map(|(at, size)| (*at as usize, *size))
            .collect();
        ranges.sort_unstable();
        assert!(
            ranges
                .windows(2)
                .all(|pair| pair[0].0 + pair[0].1 <= pair[1].0)
        );
        assert!(ranges.iter().all(|(at, _)| at.is_multiple_of(64)));
        assert!(
            pieces
                .iter()
                .all(|(at, size)| is_reserved(*at) && is_reserved(at.wrapping_add(size - 1)))
        );
        pieces.into_iter().for_each(|(at, _)| give_back(at));
        assert_eq!(are_out(), 0);
        assert!(take(layout((72 << 10) + 1, 1)).is_null(), "too long");
        assert!(take(layout(1, 4096)).is_null(), "not so aligned");
        let piece = take(layout(100, 8));
        // SAFETY: a piece of ours of that layout, and a size that is not 0.
        let grown = unsafe { Reserve.realloc(piece, layout(100, 8), 5000) };
        assert!(!grown.is_null() && !is_reserved(grown), "there is memory");
        // SAFETY: of the line above.
        unsafe { Reserve.dealloc(grown, layout(5000, 8)) };
        assert_eq!(are_out(), 0);
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        let at = take(layout(100, 8));
                        assert!(!at.is_null());
                        // SAFETY: so many bytes, ours until they are given back.
                        unsafe { at.write_bytes(thread, 100) };
                        // SAFETY: as above.
                        let bytes = unsafe { std::slice::from_raw_parts(at, 100) };
                        assert!(bytes.iter().all(|byte| *byte == thread));
                        give_back(at);
                    }
                });
            }
        });
        assert_eq!(are_out(), 0);
    }
}
