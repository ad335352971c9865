//! Memory for when there is none. What a process that has run out of memory logs is what it is asked about afterwards: where the
//! system refuses, small pieces come out of a reserve, and go back into it. What is not to be had there either ends the
//! process, as without it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Some dozens of records at their longest. Pages that nobody writes to are only addresses.
const BYTES: usize = 1 << 20;
/// Pieces of a stricter alignment are not to be had.
const ALIGN: usize = 64;

/// The system's memory, and the reserve behind it.
#[derive(Debug)]
pub struct Reserve;

#[repr(C, align(64))]
struct Area(UnsafeCell<[u8; BYTES]>);

// SAFETY: each byte is in the hands of whoever was given it.
unsafe impl Sync for Area {}

static AREA: Area = Area(UnsafeCell::new([0; BYTES]));
/// Upper half: how many pieces are out; lower half: up to where the area has been given out since none was.
static OUT: AtomicU64 = AtomicU64::new(0);

fn parts(out: u64) -> (u64, usize) {
    (out >> 32, (out & 0xffff_ffff) as usize)
}

/// What is out when one more piece is, and where that begins. None: there is no room.
fn with_one_more(out: u64, layout: Layout) -> Option<(u64, usize)> {
    let (pieces, used) = parts(out);
    let start = used.checked_next_multiple_of(layout.align())?;
    let end = start.checked_add(layout.size())?;
    let fits = layout.align() <= ALIGN && end <= BYTES;
    fits.then_some(((pieces + 1) << 32 | end as u64, start))
}

/// A piece of the reserve, or null.
fn take(layout: Layout) -> *mut u8 {
    let mut out = OUT.load(Ordering::Relaxed);
    while let Some((next, start)) = with_one_more(out, layout) {
        // Acquire: whoever had these bytes before has done with them.
        match OUT.compare_exchange_weak(out, next, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return AREA.0.get().cast::<u8>().wrapping_add(start),
            Err(now) => out = now,
        }
    }
    std::ptr::null_mut()
}

fn give_back() {
    let less = |out| {
        let (pieces, used) = parts(out);
        let pieces = pieces.saturating_sub(1);
        Some(if pieces == 0 {
            0
        } else {
            pieces << 32 | used as u64
        })
    };
    // AcqRel: all who have given back have done with their bytes when the next one takes some.
    let _ = OUT.fetch_update(Ordering::AcqRel, Ordering::Relaxed, less);
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
            return give_back();
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

    /// One test, for there is one reserve.
    #[test]
    fn pieces_do_not_overlap_have_an_end_and_come_again_when_all_are_back() {
        let first = take(layout(10, 1));
        let second = take(layout(100, 64));
        assert!(is_reserved(first) && is_reserved(second));
        assert!(second as usize >= first as usize + 10 && (second as usize).is_multiple_of(64));
        assert!(take(layout(BYTES, 1)).is_null(), "there is no room");
        assert!(take(layout(1, 4096)).is_null(), "not so aligned");
        give_back();
        let third = take(layout(100, 8));
        assert!(third as usize >= second as usize + 100, "one was still out");
        // SAFETY: a piece of ours of that layout, and a size that is not 0.
        let grown = unsafe { Reserve.realloc(third, layout(100, 8), 5000) };
        assert!(!grown.is_null() && !is_reserved(grown), "there is memory");
        // SAFETY: of the line above.
        unsafe { Reserve.dealloc(grown, layout(5000, 8)) };
        give_back();
        assert_eq!(parts(OUT.load(Ordering::Relaxed)), (0, 0));
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        let at = take(layout(1000, 8));
                        assert!(!at.is_null());
                        // SAFETY: so many bytes, ours until they are given back.
                        unsafe { at.write_bytes(thread, 1000) };
                        // SAFETY: as above.
                        let bytes = unsafe { std::slice::from_raw_parts(at, 1000) };
                        assert!(bytes.iter().all(|byte| *byte == thread));
                        give_back();
                    }
                });
            }
        });
        assert_eq!(parts(OUT.load(Ordering::Relaxed)), (0, 0));
    }
}
