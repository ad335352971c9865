//! The generic code of the any-context crates, instantiated over the memory that a process really uses.
//!
//! What is not generic is compiled in its own crate and found there; what is generic exists only where somebody names
//! its types, so this file names them. `ci/nopanic.sh` and `ci/nostd.sh` build it; it never runs.
#![no_std]

use pr_printk::dump::{Block, DumpIter, Form, Found, Plain, Rendered, View};
use pr_printk::sites::{Cell, Table};
use pr_record::{DecodeError, RecordView, Site, Sites, decode, write_whole};
use pr_ring::{Info, Read, Reaped, Refused, Region, Reservation, Ring, Seq, Ticket, Unfinished};

pub fn reserve<'r>(ring: &'r Ring<Region>, size: usize, info: &Info) -> Result<Reservation<'r, Region>, Refused> {
    ring.reserve(size, info)
}

pub fn reserve_ticket(ring: &Ring<Region>, size: usize, info: &Info) -> Result<Ticket, Refused> {
    ring.reserve_ticket(size, info)
}

pub fn reserve_in_last(
    ring: &Ring<Region>,
    caller: u64,
    extend: usize,
    max: usize,
) -> Result<Reservation<'_, Region>, Refused> {
    ring.reserve_in_last(caller, extend, max)
}

pub fn write(ring: &Ring<Region>, ticket: &mut Ticket, offset: u64, data: &[u8]) -> usize {
    ring.write(ticket, offset, data)
}

pub fn fill(ring: &Ring<Region>, ticket: &mut Ticket, data: &[u8]) {
    ring.fill(ticket, data);
}

pub fn commit(ring: &Ring<Region>, ticket: Ticket) {
    ring.commit(ticket);
}

pub fn finalize(ring: &Ring<Region>, ticket: Ticket) {
    ring.finalize(ticket);
}

pub fn fill_and_commit(mut reservation: Reservation<'_, Region>, data: &[u8]) {
    reservation.write(0, data);
    reservation.commit();
}

pub fn give_up(reservation: Reservation<'_, Region>) {
    drop(reservation);
}

pub fn reap(ring: &Ring<Region>, me: u64, is_dead: fn(u64) -> bool) -> Reaped {
    ring.reap(me, is_dead)
}

pub fn read(ring: &Ring<Region>, seq: Seq, buffer: &mut [u8], mode: Unfinished) -> Read {
    ring.read_valid(seq, buffer, mode)
}

pub fn dump_record(iter: &mut DumpIter, view: &View<'_, Ring<Region>>, until: Seq, scratch: &mut [u8]) -> Option<Found> {
    let Ok(found) = iter.next_record(view, until, scratch);
    found
}

fn dump_block<F: Form>(
    iter: &mut DumpIter,
    view: &View<'_, Ring<Region>>,
    form: &F,
    [scratch, buffer]: [&mut [u8]; 2],
) -> Option<Block> {
    let Ok(block) = iter.get_buffer(view, form, scratch, buffer);
    block
}

pub fn dump_plain(iter: &mut DumpIter, view: &View<'_, Ring<Region>>, form: &Plain, memory: [&mut [u8]; 2]) -> Option<Block> {
    dump_block(iter, view, form, memory)
}

pub fn dump_rendered(
    iter: &mut DumpIter,
    view: &View<'_, Ring<Region>>,
    form: &Rendered<'_, fn(u64) -> u64, Table>,
    memory: [&mut [u8]; 2],
) -> Option<Block> {
    dump_block(iter, view, form, memory)
}

pub fn numbers(ring: &Ring<Region>) -> [Seq; 4] {
    [ring.first_seq(), ring.first_valid_seq(), ring.next_seq(), ring.next_reserve_seq()]
}

pub fn counters(ring: &Ring<Region>) -> [u64; 3] {
    [ring.fail(), ring.health(), ring.used_bytes()]
}

/// A table of sites of which nothing is known here, so that no look-up is optimised away.
pub struct AnySites<'a>(pub &'a dyn Fn(u32) -> Option<Site<'a>>);

impl Sites for AnySites<'_> {
    fn site(&self, id: u32) -> Option<Site<'_>> {
        (self.0)(id)
    }
}

pub fn decode_record<'a>(bytes: &'a [u8], sites: &'a AnySites<'a>) -> Result<RecordView<'a>, DecodeError> {
    decode(bytes, sites)
}

pub fn decode_own<'a>(bytes: &'a [u8], sites: &'a Table) -> Result<RecordView<'a>, DecodeError> {
    decode(bytes, sites)
}

pub fn whole(bytes: &[u8], sites: &Table, out: &mut [u8]) -> Option<usize> {
    write_whole(bytes, sites, out)
}

pub fn site_number(table: &Table, cell: &Cell, describe: fn(&mut [u8]) -> Option<usize>) -> Option<u32> {
    table.number_of(cell, describe)
}

pub fn describe(site: &Site<'_>, names: &[&str], out: &mut [u8]) -> Option<usize> {
    site.write(names.iter().copied(), out)
}

/// Only in the self-test of `ci/nopanic.sh`: an index that may be out of bounds must be found.
#[cfg(planted_panic)]
pub fn planted(bytes: &[u8], index: usize) -> u8 {
    bytes[index]
}

/// Only in the self-test of `ci/nostd.sh`: an allocation must be found.
#[cfg(planted_alloc)]
extern crate alloc;
#[cfg(planted_alloc)]
pub fn planted(bytes: &[u8]) -> alloc::vec::Vec<u8> {
    bytes.into()
}

/// Only in the self-test of `ci/nostd.sh`: the standard library must be found.
#[cfg(planted_std)]
extern crate std;
#[cfg(planted_std)]
pub fn planted() {
    std::println!("planted");
}
