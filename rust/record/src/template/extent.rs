//! How much a template asks for besides what its arguments are: a dozen digits of a width are as many bytes as a machine
//! has not got.

/// What all widths and precisions of a template may add up to. No record holds as much; more is asked for by a slip, or by
/// whoever wants the process gone.
pub const MOST_PADDING: u64 = 1 << 24;

/// Whether the widths and precisions of a template add up to more than [`MOST_PADDING`]. `int` says which int an argument
/// is, for those that the template leaves to its arguments.
pub fn is_enormous(template: &str, int: impl Fn(usize) -> Option<i64>) -> bool {
    let mut scan = Scan {
        rest: template.as_bytes(),
        argument: 0,
        int,
    };
    let mut padding = 0_u64;
    while let Some(more) = scan.conversion() {
        padding = padding.saturating_add(more);
    }
    padding > MOST_PADDING
}

/// Goes through a template; what is no conversion, or none that the interpreter takes, does no harm here.
struct Scan<'t, F> {
    rest: &'t [u8],
    argument: usize,
    int: F,
}

impl<F: Fn(usize) -> Option<i64>> Scan<'_, F> {
    /// The padding of the next conversion. None: there is none.
    fn conversion(&mut self) -> Option<u64> {
        while self.next()? != b'%' {}
        self.skip_key();
        self.skip_all(b"-+ #0");
        let width = self.count();
        let precision = if self.skip_all(b".") { self.count() } else { 0 };
        self.skip_all(b"hlL");
        let kind = self.next().unwrap_or(b'%');
        if kind != b'%' {
            self.argument = self.argument.saturating_add(1);
        }
        // Of text a precision takes something off.
        let is_text = matches!(kind, b's' | b'r' | b'a' | b'c');
        Some(width.saturating_add(if is_text { 0 } else { precision }))
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Whether there was any.
    fn skip_all(&mut self, bytes: &[u8]) -> bool {
        let before = self.rest.len();
        while let Some((_, rest)) = self
            .rest
            .split_first()
            .filter(|(byte, _)| bytes.contains(byte))
        {
            self.rest = rest;
        }
        self.rest.len() < before
    }

    /// A name in parentheses, which may have some of its own.
    fn skip_key(&mut self) {
        let mut open = 0_usize;
        loop {
            match self.rest.first() {
                Some(b'(') => open = open.saturating_add(1),
                Some(b')') if open > 0 => open = open.saturating_sub(1),
                Some(_) if open > 0 => {}
                _ => return,
            }
            self.next();
            if open == 0 {
                return;
            }
        }
    }

    fn count(&mut self) -> u64 {
        if self.rest.first() == Some(&b'*') {
            self.next();
            let said = (self.int)(self.argument);
            self.argument = self.argument.saturating_add(1);
            return said.unwrap_or(0).unsigned_abs();
        }
        let mut number = 0_u64;
        while let Some(digit) = self.rest.first().filter(|byte| byte.is_ascii_digit()) {
            let digit = u64::from(digit.wrapping_sub(b'0'));
            number = number.saturating_mul(10).saturating_add(digit);
            self.next();
        }
        number
    }
}
