//! The decimal digits of a float, all of them: every float is a finite decimal fraction, of up to 309 digits before the
//! point and 1074 behind it. So it can be rounded anywhere, and each time as if by hand.

/// Nine digits each.
const BASE: u32 = 1_000_000_000;
/// Digits of a limb.
const LIMB_DIGITS: usize = 9;
/// Limbs before the point: 309 digits, and one to spare.
const WHOLE_LIMBS: usize = 36;
/// And behind it: 1074 digits.
const LIMBS: usize = WHOLE_LIMBS + 120;
/// Where the digits behind the point begin.
const POINT: usize = WHOLE_LIMBS * LIMB_DIGITS;
/// How many digits there are room for.
const DIGITS: usize = LIMBS * LIMB_DIGITS;

/// A finite float without its sign, exactly.
pub(super) struct Exact {
    limbs: [u32; LIMBS],
    /// The limbs that are not zero lie from here ..
    first: usize,
    /// .. to before here.
    end: usize,
}

impl Exact {
    pub(super) fn new(number: f64) -> Exact {
        let bits = number.to_bits();
        let field = (bits >> 52) as i32 & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, exponent) = match field {
            0 => (fraction, -1074),
            _ => (fraction | 1 << 52, field.wrapping_sub(1075)),
        };
        let mut exact = Exact {
            limbs: [0; LIMBS],
            first: WHOLE_LIMBS - 2,
            end: WHOLE_LIMBS,
        };
        if mantissa == 0 {
            return exact;
        }
        let zeros = mantissa.trailing_zeros();
        let mantissa = mantissa >> zeros;
        exact.set(WHOLE_LIMBS - 2, (mantissa / u64::from(BASE)) as u32);
        exact.set(WHOLE_LIMBS - 1, (mantissa % u64::from(BASE)) as u32);
        let exponent = exponent.wrapping_add(zeros as i32);
        let steps = exponent.unsigned_abs();
        if exponent > 0 {
            in_steps(steps, 29, |bits| exact.double(bits));
        } else {
            in_steps(steps, 9, |bits| exact.halve(bits));
        }
        exact
    }

    #[inline(always)]
    fn limb(&self, index: usize) -> u32 {
        self.limbs.get(index).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn set(&mut self, index: usize, limb: u32) {
        if let Some(place) = self.limbs.get_mut(index) {
            *place = limb;
        }
    }

    /// Times two, so often; up to 29 times.
    fn double(&mut self, bits: u32) {
        let mut carry = 0u64;
        for index in (self.first..WHOLE_LIMBS).rev() {
            let product = (u64::from(self.limb(index)) << bits).wrapping_add(carry);
            self.set(index, (product % u64::from(BASE)) as u32);
            carry = product / u64::from(BASE);
        }
        if carry != 0 {
            self.first = self.first.saturating_sub(1);
            self.set(self.first, carry as u32);
        }
    }

    /// By two, so often; up to nine times, after which what is over is still a whole number of the next limb.
    fn halve(&mut self, bits: u32) {
        let mut carry = 0u32;
        for index in self.first..self.end {
            let limb = self.limb(index);
            self.set(index, (limb >> bits).wrapping_add(carry));
            let over = limb & (1u32 << bits).wrapping_sub(1);
            carry = over.wrapping_mul(BASE >> bits);
        }
        if carry != 0 {
            self.set(self.end, carry);
            self.end = self.end.wrapping_add(1);
        }
        if self.limb(self.first) == 0 {
            self.first = self.first.wrapping_add(1);
        }
    }

    /// The digit at a place; [`POINT`] is the first behind the point.
    fn digit(&self, place: usize) -> u8 {
        const POWERS: [u32; LIMB_DIGITS] = [
            100_000_000,
            10_000_000,
            1_000_000,
            100_000,
            10_000,
            1_000,
            100,
            10,
            1,
        ];
        let limb = self.limb(place / LIMB_DIGITS);
        match POWERS.get(place % LIMB_DIGITS).copied() {
            Some(power) if power != 0 => (limb / power % 10) as u8,
            _ => 0,
        }
    }

    /// The place of the first digit that is not zero. `None`: it is zero.
    fn leading(&self) -> Option<usize> {
        let start = self.first.wrapping_mul(LIMB_DIGITS);
        (start..DIGITS).find(|place| self.digit(*place) != 0)
    }

    /// Whether what lies from a place on makes the digit before it one more: more than half of it, or half of it and
    /// the digit is odd.
    fn rounds_up(&self, place: usize) -> bool {
        let before = place.checked_sub(1).map_or(0, |place| self.digit(place));
        match self.digit(place) {
            0..=4 => false,
            5 => {
                let more = place.wrapping_add(1)..DIGITS;
                before % 2 == 1 || more.into_iter().any(|place| self.digit(place) != 0)
            }
            _ => true,
        }
    }
}

/// Steps of at most `most` each.
fn in_steps(mut left: u32, most: u32, mut step: impl FnMut(u32)) {
    while left > 0 {
        let now = left.min(most);
        step(now);
        left = left.saturating_sub(now);
    }
}

/// Room for 310 digits before the point and 250 behind it.
const ROOM: usize = 576;

/// Rounded digits.
pub(super) struct Rounded {
    digits: [u8; ROOM],
    len: usize,
    /// How many of them stand before the point; for [`Rounded::significant`] it may be none, or less.
    pub(super) whole: i32,
}

impl Rounded {
    /// Digits in ASCII.
    pub(super) fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or(&[])
    }

    /// Rounded to so many digits behind the point, with at least one before it.
    pub(super) fn fixed(number: f64, behind: usize) -> Rounded {
        let exact = Exact::new(number);
        let leading = exact.leading().unwrap_or(POINT);
        let start = leading.min(POINT - 1);
        let end = POINT.saturating_add(behind);
        let mut rounded = Rounded::copy(&exact, start, end);
        if exact.rounds_up(end) {
            rounded.increment();
        }
        rounded
    }

    /// Rounded to so many digits, the first of which is not zero unless all are.
    pub(super) fn significant(number: f64, count: usize) -> Rounded {
        let exact = Exact::new(number);
        let start = exact.leading().unwrap_or(POINT - 1);
        let end = start.saturating_add(count);
        let mut rounded = Rounded::copy(&exact, start, end);
        if exact.rounds_up(end) {
            rounded.increment();
            rounded.len = rounded.len.min(count);
        }
        rounded
    }

    fn copy(exact: &Exact, start: usize, end: usize) -> Rounded {
        let mut rounded = Rounded {
            digits: [b'0'; ROOM],
            len: end.saturating_sub(start).min(ROOM),
            whole: (POINT as i32).wrapping_sub(start as i32),
        };
        let places = (start..end).zip(rounded.digits.iter_mut());
        places.for_each(|(place, digit)| *digit = b'0'.wrapping_add(exact.digit(place)));
        rounded
    }

    /// One more in the last digit. A further one comes in front where they are all nines.
    fn increment(&mut self) {
        let digits = self.digits.get_mut(..self.len).unwrap_or_default();
        for digit in digits.iter_mut().rev() {
            if *digit != b'9' {
                *digit = digit.wrapping_add(1);
                return;
            }
            *digit = b'0';
        }
        let mut before = b'1';
        let digits = self.digits.iter_mut().take(self.len.saturating_add(1));
        digits.for_each(|digit| core::mem::swap(digit, &mut before));
        self.len = self.len.saturating_add(1).min(ROOM);
        self.whole = self.whole.wrapping_add(1);
    }
}
