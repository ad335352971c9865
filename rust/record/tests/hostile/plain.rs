//! The layout of `src/wire.rs`, read once more without a single clever word: what is a record, and what is none.

/// How many values the fields of a record are made of, nested ones included; None if the bytes are no record.
pub fn values(bytes: &[u8]) -> Option<usize> {
    let mut rest = Rest(bytes);
    let Some(head) = rest.number(1) else {
        return Some(0);
    };
    if head & 0x7f != 1 {
        return None;
    }
    let mut values = 0;
    while !rest.0.is_empty() {
        let tag = rest.number(1)?;
        match tag {
            0x01 | 0x02 | 0x03 | 0x05 | 0x07 => rest.text()?,
            0x04 | 0x06 => rest.skip(4)?,
            0x09 => {
                std::str::from_utf8(rest.take(rest.0.len())?).ok()?;
            }
            0x08 => (0..3).try_for_each(|_| rest.text())?,
            0x80 => {
                let length = rest.length()?;
                rest.skip(length)?;
                if length != 4 {
                    return None;
                }
            }
            0x81 => {
                let length = rest.length()?;
                Rest(rest.take(length)?).arguments()?;
            }
            0x83 => {
                let length = rest.length()?;
                let mut inside = Rest(rest.take(length)?);
                while !inside.0.is_empty() {
                    let inner = inside.number(1)?;
                    values += inside.body(inner, 4)?;
                }
            }
            0x82.. => rest.sized()?,
            _ => {
                rest.text()?;
                values += rest.body(tag, 4)?;
            }
        }
    }
    Some(values)
}

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        if bytes > self.0.len() {
            return None;
        }
        let (taken, rest) = self.0.split_at(bytes);
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.take(bytes).map(|_| ())
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let taken = self.take(bytes)?;
        Some(
            (0..bytes)
                .map(|at| usize::from(taken[at]) << (8 * at))
                .sum(),
        )
    }

    fn length(&mut self) -> Option<usize> {
        let low = self.number(1)?;
        if low < 0x80 {
            return Some(low);
        }
        Some((low - 0x80) + 0x80 * self.number(1)?)
    }

    fn sized(&mut self) -> Option<()> {
        let length = self.length()?;
        self.skip(length)
    }

    fn text(&mut self) -> Option<()> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).ok().map(|_| ())
    }

    /// Arguments of a template: whether they have names, and at most 16 of them.
    fn arguments(&mut self) -> Option<()> {
        let is_named = self.number(1)? % 2 == 1;
        for count in 0.. {
            if self.0.is_empty() {
                break;
            }
            if count == 16 {
                return None;
            }
            if is_named {
                self.text()?;
            }
            let tag = self.number(1)?;
            self.body(tag, 4)?;
        }
        Some(())
    }

    /// The body of a value that may hold lists and dicts nested so deep. How many values it is.
    fn body(&mut self, tag: usize, depth: usize) -> Option<usize> {
        match tag {
            0x10..=0x12 => {}
            0x13 => self.skip(1)?,
            0x14 => self.skip(2)?,
            0x15 => self.skip(4)?,
            0x16..=0x18 => self.skip(8)?,
            0x19 | 0x1b | 0x1d | 0x1e => self.text()?,
            0x1c => self.skip(16)?,
            0x1a | 0x80.. => self.sized()?,
            0x1f | 0x20 => {
                self.text()?;
                let inner = self.number(1)?;
                if inner == 0x1f || inner == 0x20 {
                    return None;
                }
                return Some(1 + self.body(inner, depth)?);
            }
            0x21 | 0x22 if depth > 0 => {
                let size = self.number(2)?;
                let mut inside = Rest(self.take(size)?);
                let mut values = 1;
                while !inside.0.is_empty() {
                    if tag == 0x22 {
                        inside.text()?;
                    }
                    let inner = inside.number(1)?;
                    values += inside.body(inner, depth - 1)?;
                }
                return Some(values);
            }
            _ => return None,
        }
        Some(1)
    }
}
