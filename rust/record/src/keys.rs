//! A set of keys that may err on one side, in a few words of memory.

/// Remembers keys by a hash. It may take a key for one that is there, but it never
/// misses one.
#[derive(Clone, Copy)]
pub(crate) struct KeySet<const WORDS: usize> {
    bits: [u64; WORDS],
}

impl<const WORDS: usize> KeySet<WORDS> {
    pub(crate) const EMPTY: KeySet<WORDS> = KeySet { bits: [0; WORDS] };

    /// Adds a key; true if it may have been there.
    #[inline(always)]
    pub(crate) fn insert(&mut self, key: &[u8]) -> bool {
        let (index, bit) = Self::place(key);
        let Some(word) = self.bits.get_mut(index) else {
            return true;
        };
        let was_there = *word & bit != 0;
        *word |= bit;
        was_there
    }

    /// True if the key may be there.
    pub(crate) fn may_contain(&self, key: &[u8]) -> bool {
        let (index, bit) = Self::place(key);
        self.bits.get(index).is_none_or(|word| word & bit != 0)
    }

    #[inline(always)]
    fn place(key: &[u8]) -> (usize, u64) {
        let hash = hash(key);
        ((hash >> 40) as usize % WORDS, 1 << (hash >> 58))
    }
}

/// Eight bytes at a time, each step a multiplication.
#[inline(always)]
fn hash(key: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = key.as_chunks::<8>();
    let tail = rest
        .iter()
        .fold(key.len() as u64, |tail, byte| tail << 8 | u64::from(*byte));
    let mut hash = tail.wrapping_mul(FACTOR);
    for word in words {
        hash = (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_added_is_never_missed() {
        let mut set = KeySet::<4>::EMPTY;
        let bytes = *b"abcdefghijklmnopqrstuvwxyz";
        for len in 0..bytes.len() {
            let key = bytes.get(..len).unwrap();
            set.insert(key);
            assert!(set.may_contain(key) && set.insert(key));
        }
    }

    #[test]
    fn keys_that_differ_anywhere_are_mostly_told_apart() {
        let mut set = KeySet::<64>::EMPTY;
        let mut taken = 0;
        for number in 0u16..400 {
            let mut key = *b"request_header_0000_value";
            for (place, digit) in key.iter_mut().skip(15).zip([1000, 100, 10, 1]) {
                *place = b'0' + (number / digit % 10) as u8;
            }
            taken += u32::from(set.insert(&key));
        }
        assert!(taken < 50, "{taken} of 400");
    }
}
