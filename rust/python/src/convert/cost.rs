//! How much of a nested value can matter: a record holds 32 KiB, and a collection may hold anything.

use pr_record::wire::MAX_PAYLOAD;

/// The longest text that a length of two bytes can say.
const LONGEST_TEXT: usize = 0x7fff;

/// What is left of the bytes that one value may take. A collection is left unfinished when they are gone: it is then
/// longer than any record, so that the encoder cuts it and says so.
#[derive(Clone, Copy, Debug)]
pub struct Budget(usize);

impl Budget {
    /// Enough to be cut.
    pub fn new() -> Budget {
        Budget(MAX_PAYLOAD + 4096)
    }

    /// Pays for an encoded number.
    pub fn pay_for_int(&mut self, number: i64) {
        let bytes = match number {
            -0x80..=0x7f => 1,
            -0x8000..=0x7fff => 2,
            -0x8000_0000..=0x7fff_ffff => 4,
            _ => 8,
        };
        self.pay(1 + bytes);
    }

    /// Pays for some bytes.
    pub fn pay(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }

    /// Nothing is left.
    pub fn is_spent(self) -> bool {
        self.0 == 0
    }

    /// How long a text may be: a little more than can be paid for, so that it spends what is left, and no more than the
    /// encoding can say. Either is too long for a record.
    pub fn text(self) -> usize {
        (self.0 + 16).min(LONGEST_TEXT)
    }
}
