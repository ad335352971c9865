//! A ring without its first look: every record is looked at as in any other place, and something may happen before the check.

use core::convert::Infallible;
use pr_ring::head::Head;
use pr_ring::reader::TailWords;
use pr_ring::slots::{Slot, SlotCopy};
use pr_ring::state::State;
use pr_ring::{DescId, Geometry, Region, Ring, Source};

/// The ring, and what happens in the midst of copying what a slot says, and between the copy of a record and the check.
pub struct Closely<'r, C: Fn(), F: Fn()> {
    pub ring: &'r Ring<Region>,
    pub in_contents: C,
    pub at_barrier: F,
}

impl<C: Fn(), F: Fn()> Source for Closely<'_, C, F> {
    type Error = Infallible;
    type Slot<'s>
        = &'s Slot
    where
        Self: 's;

    fn geometry(&self) -> Geometry {
        Source::geometry(self.ring)
    }
    fn head(&self) -> Result<Head, Infallible> {
        Source::head(self.ring)
    }
    fn tails(&self) -> Result<TailWords, Infallible> {
        Source::tails(self.ring)
    }
    fn slot(&self, id: DescId) -> &Slot {
        Source::slot(self.ring, id)
    }
    fn state(&self, slot: &Slot) -> Result<State, Infallible> {
        Source::state(self.ring, slot)
    }
    fn contents(&self, slot: &Slot) -> Result<SlotCopy, Infallible> {
        let SlotCopy { span, .. } = Source::contents(self.ring, slot)?;
        (self.in_contents)();
        let rest = Source::contents(self.ring, slot)?;
        Ok(SlotCopy { span, ..rest })
    }
    fn text(&self, header: u64, text: &mut [u8]) -> Result<u64, Infallible> {
        Source::text(self.ring, header, text)
    }
    fn barrier(&self) {
        (self.at_barrier)();
        Source::barrier(self.ring);
    }
}
