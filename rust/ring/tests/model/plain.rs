//! The rules of `tests/vectors/RING.md`, written down once more without a single clever word: a queue of records that are
//! kept, and two positions. One thread only.

use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Reserved,
    Committed,
    Finalized,
    Reusable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Empty,
    Lost,
    Block { begin: u64, end: u64 },
}

#[derive(Clone, Debug)]
pub struct Record {
    pub state: State,
    pub span: Span,
    pub caller: u64,
    /// What the caller said about it; nothing, if it was lost.
    pub stamp: u64,
    pub text: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    TooBig,
    Descriptors,
    Text,
    NotReopenable,
}

/// The number of a record is its index in `kept` plus `tail`; the dummy's is -1.
#[derive(Debug)]
pub struct Plain {
    descriptors: i64,
    size: u64,
    tail: i64,
    kept: VecDeque<Record>,
    data_tail: u64,
    data_head: u64,
    pub fails: u64,
}

impl Plain {
    pub fn new(descriptors: u64, size: u64) -> Plain {
        let dummy = Record {
            state: State::Reusable,
            span: Span::Lost,
            caller: 0,
            stamp: 0,
            text: Vec::new(),
        };
        Plain {
            descriptors: descriptors as i64,
            size,
            tail: -1,
            kept: VecDeque::from([dummy]),
            data_tail: 0,
            data_head: 0,
            fails: 0,
        }
    }

    fn newest(&self) -> i64 {
        self.tail + self.kept.len() as i64 - 1
    }

    pub fn record(&self, seq: u64) -> Option<&Record> {
        self.kept.get(usize::try_from(seq as i64 - self.tail).ok()?)
    }

    fn record_mut(&mut self, seq: u64) -> &mut Record {
        let index = usize::try_from(seq as i64 - self.tail).expect("kept");
        self.kept.get_mut(index).expect("kept")
    }

    fn block(&self, size: u64) -> Result<u64, No> {
        if size == 0 {
            return Ok(0);
        }
        let bytes = (size + 8).div_ceil(8) * 8;
        if bytes > self.size / 2 {
            Err(No::TooBig)
        } else {
            Ok(bytes)
        }
    }

    fn end_of(&self, begin: u64, bytes: u64) -> u64 {
        let rest = self.size - begin % self.size;
        if bytes <= rest {
            begin + bytes
        } else {
            begin + rest + bytes
        }
    }

    /// Drops text up to `target`: the blocks in order of position, each by its owner.
    fn drop_to(&mut self, target: u64) -> Result<(), No> {
        let mut at = self.data_tail;
        while at < target {
            let owner = self
                .kept
                .iter_mut()
                .find(|record| matches!(record.span, Span::Block { begin, .. } if begin == at));
            let owner = owner.expect("every position between tail and head has an owner");
            if matches!(owner.state, State::Reserved | State::Committed) {
                return Err(No::Text);
            }
            owner.state = State::Reusable;
            let Span::Block { end, .. } = owner.span else {
                unreachable!()
            };
            at = end;
        }
        self.data_tail = self.data_tail.max(at);
        Ok(())
    }

    fn push_tail(&mut self) -> Result<(), No> {
        let oldest = self.kept.front_mut().expect("never empty");
        if matches!(oldest.state, State::Reserved | State::Committed) {
            return Err(No::Descriptors);
        }
        oldest.state = State::Reusable;
        if let Span::Block { end, .. } = oldest.span {
            self.drop_to(end).map_err(|_| No::Descriptors)?;
        }
        match self.kept.get(1).map(|record| record.state) {
            Some(State::Finalized | State::Reusable) => {
                self.kept.pop_front();
                self.tail += 1;
                Ok(())
            }
            _ => Err(No::Descriptors),
        }
    }

    fn lay(&mut self, bytes: u64) -> Result<Span, No> {
        if bytes == 0 {
            return Ok(Span::Empty);
        }
        let (begin, end) = (self.data_head, self.end_of(self.data_head, bytes));
        self.drop_to(end.saturating_sub(self.size))?;
        self.data_head = end;
        Ok(Span::Block { begin, end })
    }

    pub fn reserve(&mut self, size: u64, caller: u64) -> Result<u64, No> {
        let bytes = self.block(size)?;
        if self.newest() + 1 - self.tail > self.descriptors - 1
            && let Err(why) = self.push_tail()
        {
            self.fails += 1;
            return Err(why);
        }
        let last = self.kept.back_mut().expect("never empty");
        if last.state == State::Committed {
            last.state = State::Finalized;
        }
        self.kept.push_back(Record {
            state: State::Reserved,
            span: Span::Empty,
            caller,
            stamp: self.next_reserve_seq(),
            text: Vec::new(),
        });
        let laid = self.lay(bytes);
        let seq = self.newest() as u64;
        let record = self.kept.back_mut().expect("just pushed");
        match laid {
            Ok(span) => {
                record.span = span;
                Ok(seq)
            }
            Err(why) => {
                *record = Record {
                    state: State::Committed,
                    span: Span::Lost,
                    caller: 0,
                    stamp: 0,
                    text: Vec::new(),
                };
                Err(why)
            }
        }
    }

    pub fn write(&mut self, seq: u64, text: &[u8]) {
        self.record_mut(seq).text = text.to_vec();
    }

    pub fn commit(&mut self, seq: u64) {
        let newest = self.newest() == seq as i64;
        self.record_mut(seq).state = if newest {
            State::Committed
        } else {
            State::Finalized
        };
    }

    pub fn finalize(&mut self, seq: u64) {
        self.record_mut(seq).state = State::Finalized;
    }

    pub fn finalize_last(&mut self) {
        let last = self.kept.back_mut().expect("never empty");
        if last.state == State::Committed {
            last.state = State::Finalized;
        }
    }

    /// How long the newest record's text is so far.
    pub fn newest_len(&self) -> u64 {
        self.kept.back().map_or(0, |last| last.text.len() as u64)
    }

    /// The record's number and how long its text is so far.
    pub fn reopen(&mut self, caller: u64, extend: u64, max: u64) -> Result<(u64, u64), No> {
        let last = self.kept.back().expect("never empty");
        if self.newest() < 0 || last.state != State::Committed || last.caller != caller {
            return Err(No::NotReopenable);
        }
        let (span, len) = (last.span, last.text.len() as u64);
        let total = if matches!(span, Span::Block { .. }) {
            len + extend
        } else {
            extend
        };
        if total > max {
            return Err(No::TooBig);
        }
        let bytes = self.block(total)?;
        let grown = match span {
            Span::Block { begin, end } => self.grow(begin, end, bytes)?,
            Span::Empty | Span::Lost => match self.lay(bytes) {
                Ok(span) => span,
                Err(why) => {
                    self.kept.back_mut().expect("never empty").span = Span::Lost;
                    return Err(why);
                }
            },
        };
        let last = self.kept.back_mut().expect("never empty");
        (last.span, last.state) = (grown, State::Reserved);
        Ok((
            self.newest() as u64,
            self.kept.back().expect("never empty").text.len() as u64,
        ))
    }

    fn grow(&mut self, begin: u64, end: u64, bytes: u64) -> Result<Span, No> {
        let longer = self.end_of(begin, bytes);
        if longer <= end {
            return Ok(Span::Block { begin, end });
        }
        self.drop_to(longer.saturating_sub(self.size))?;
        self.data_head = longer;
        Ok(Span::Block { begin, end: longer })
    }

    /// The first readable record from `seq` on; or the number to wait for.
    pub fn read(&self, seq: u64) -> Result<(u64, &Record), u64> {
        let mut seq = seq.max(self.first_seq());
        while let Some(record) = self.record(seq) {
            match (record.state, record.span) {
                (State::Reserved | State::Committed, _) => break,
                (State::Reusable, _) | (State::Finalized, Span::Lost) => seq += 1,
                (State::Finalized, _) => return Ok((seq, record)),
            }
        }
        Err(seq)
    }

    pub fn first_seq(&self) -> u64 {
        self.tail.max(0) as u64
    }

    pub fn next_seq(&self) -> u64 {
        let mut seq = self.first_seq();
        while self
            .record(seq)
            .is_some_and(|record| matches!(record.state, State::Finalized | State::Reusable))
        {
            seq += 1;
        }
        seq
    }

    pub fn next_reserve_seq(&self) -> u64 {
        (self.newest() + 1) as u64
    }

    pub fn used(&self) -> u64 {
        self.data_head - self.data_tail
    }
}
