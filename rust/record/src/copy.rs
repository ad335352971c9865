//! Copying short strings without a call.
//!
//! Keys and values are mostly a few bytes long; a call of `memcpy` costs more than such
//! a copy. Two overlapping chunks cover every length between one chunk and two.

use core::mem::MaybeUninit;

/// What a byte is written into: one that has a value already, or memory that has none yet.
pub(crate) trait Cell: Copy {
    /// Holds this byte.
    fn of(byte: u8) -> Self;
}

impl Cell for u8 {
    #[inline(always)]
    fn of(byte: u8) -> u8 {
        byte
    }
}

impl Cell for MaybeUninit<u8> {
    #[inline(always)]
    fn of(byte: u8) -> MaybeUninit<u8> {
        MaybeUninit::new(byte)
    }
}

/// Copies `src` to `dst`; nothing happens unless the lengths are equal.
#[inline(always)]
pub(crate) fn copy<B: Cell>(dst: &mut [B], src: &[u8]) {
    match src.len() {
        0 => {}
        1..=3 => tiny(dst, src),
        4..=7 => ends::<B, 4>(dst, src),
        8..=15 => ends::<B, 8>(dst, src),
        16..=32 => ends::<B, 16>(dst, src),
        _ => long(dst, src),
    }
}

/// First and last `N` bytes, which overlap unless there are exactly `2 * N`.
#[inline(always)]
fn ends<B: Cell, const N: usize>(dst: &mut [B], src: &[u8]) {
    if let (Some(from), Some(to)) = (src.first_chunk::<N>(), dst.first_chunk_mut::<N>()) {
        *to = from.map(B::of);
    }
    if let (Some(from), Some(to)) = (src.last_chunk::<N>(), dst.last_chunk_mut::<N>()) {
        *to = from.map(B::of);
    }
}

/// One to three bytes: the first, the middle one, the last.
#[inline(always)]
fn tiny<B: Cell>(dst: &mut [B], src: &[u8]) {
    let middle = src.len() / 2;
    if let (Some(from), Some(to)) = (src.first(), dst.first_mut()) {
        *to = B::of(*from);
    }
    if let (Some(from), Some(to)) = (src.get(middle), dst.get_mut(middle)) {
        *to = B::of(*from);
    }
    if let (Some(from), Some(to)) = (src.last(), dst.last_mut()) {
        *to = B::of(*from);
    }
}

#[inline(never)]
fn long<B: Cell>(dst: &mut [B], src: &[u8]) {
    if dst.len() == src.len() {
        for (to, from) in dst.iter_mut().zip(src) {
            *to = B::of(*from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_whole_and_nothing_beside_it() {
        let mut source = [0u8; 200];
        for (index, byte) in source.iter_mut().enumerate() {
            *byte = index as u8 | 1;
        }
        for len in 0..=180 {
            let mut target = [0u8; 200];
            copy(
                target.get_mut(8..8 + len).unwrap(),
                source.get(3..3 + len).unwrap(),
            );
            assert_eq!(target.get(8..8 + len), source.get(3..3 + len), "{len}");
            assert_eq!(target.get(..8), Some([0u8; 8].as_slice()));
            assert!(target.get(8 + len..).unwrap().iter().all(|byte| *byte == 0));
        }
    }
}
