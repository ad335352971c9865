//! How the bytes of a file are divided among its five sections.
//!
//! | section | bytes |
//! |---|---|
//! | header | one page |
//! | ring | the largest geometry that fits |
//! | sites | at least 16 KiB; what the ring leaves over, to a bound |
//! | control | one page |
//! | consoles | 32 slots of 256 bytes |
//!
//! All sections begin and end at a page boundary.

use crate::error::Error;
use crate::options::{MAX_SIZE, MIN_SIZE, size_in_words};
use pr_printk::registry;
use pr_ring::Geometry;
use pr_ring::layout::{HEADER_BYTES, Section, limit, ring_offset};

/// Sections begin at multiples of this.
pub const PAGE_BYTES: u64 = 4096;
/// Bytes of the control section.
pub const CONTROL_BYTES: u64 = PAGE_BYTES;
/// Bytes of the consoles section.
pub const CONSOLES_BYTES: u64 = (registry::SLOTS * registry::SLOT_BYTES) as u64;
/// The least for call sites: a few hundred.
pub const MIN_SITES_BYTES: u64 = 16 << 10;
/// What call sites may always have of what the ring leaves over: a thousand of them.
const SITES_FROM_REST: u64 = 64 << 10;
/// The most for call sites: more than any program has.
pub const MAX_SITES_BYTES: u64 = 4 << 20;

/// The five sections, in the order in which they lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// What the file is, and whose.
    Header = 0,
    /// Descriptors and text.
    Ring = 1,
    /// Call sites.
    Sites = 2,
    /// Levels, switches, counters.
    Control = 3,
    /// The table of consoles.
    Consoles = 4,
}

impl SectionKind {
    /// All of them, in order.
    pub const ALL: [SectionKind; 5] = [
        SectionKind::Header,
        SectionKind::Ring,
        SectionKind::Sites,
        SectionKind::Control,
        SectionKind::Consoles,
    ];

    /// Its name, as error texts say it.
    pub fn name(self) -> &'static str {
        match self {
            SectionKind::Header => "header",
            SectionKind::Ring => "ring",
            SectionKind::Sites => "sites",
            SectionKind::Control => "control",
            SectionKind::Consoles => "consoles",
        }
    }
}

/// The division of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Of the ring.
    pub geometry: Geometry,
    /// Header, ring, sites, control, consoles.
    pub sections: [Section; 5],
    /// Bytes of the whole file.
    pub file_bytes: u64,
}

impl Plan {
    /// For a log of at most `size_bytes`, all sections included, whose records take `avg_record` bytes of text on
    /// average, the header of their block included. The ring is as large as fits.
    ///
    /// # Errors
    /// Sizes outside of what can be; the text names the bounds.
    pub fn for_log(size_bytes: u64, avg_record: i64) -> Result<Plan, Error> {
        check_size(size_bytes)?;
        let avg_data_bits = avg_bits(avg_record)?;
        let fixed = HEADER_BYTES + CONTROL_BYTES + CONSOLES_BYTES;
        let room = size_bytes - size_bytes % PAGE_BYTES - fixed;
        let fits = |geometry: &Geometry| pages(geometry.ring_bytes()) <= room - MIN_SITES_BYTES;
        let geometry = limit::DESC_BITS
            .rev()
            .filter_map(|desc_bits| Geometry::new(desc_bits, avg_data_bits))
            .find(fits)
            .ok_or_else(|| record_too_large(size_bytes, avg_record))?;
        let rest = room - pages(geometry.ring_bytes());
        let share = (size_bytes / 16).clamp(SITES_FROM_REST, MAX_SITES_BYTES);
        Ok(Plan::with(geometry, rest.min(pages(share))))
    }

    /// Whether each record has a sum: in a log's file, which has room for call sites, and not in a bare ring's.
    pub fn has_sums(&self) -> bool {
        self.section(SectionKind::Sites).bytes != 0
    }

    /// For a bare ring: nothing beside it but the sections that every file has. It has no call sites.
    pub fn for_ring(geometry: Geometry) -> Plan {
        Plan::with(geometry, 0)
    }

    fn with(geometry: Geometry, sites_bytes: u64) -> Plan {
        let lengths = [
            HEADER_BYTES,
            pages(geometry.ring_bytes()),
            sites_bytes,
            CONTROL_BYTES,
            CONSOLES_BYTES,
        ];
        let mut offset = 0;
        let sections = lengths.map(|bytes| {
            let section = Section { offset, bytes };
            offset += bytes;
            section
        });
        Plan {
            geometry,
            sections,
            file_bytes: offset,
        }
    }

    /// Where a section lies.
    pub fn section(&self, kind: SectionKind) -> Section {
        self.sections[kind as usize]
    }

    /// The offsets within the ring section: head, tails, counters, slots, text.
    pub fn ring_offsets(geometry: Geometry) -> [u64; 5] {
        let text = geometry.text_offset();
        let [head, tails] = [ring_offset::HEAD, ring_offset::TAILS];
        [head, tails, ring_offset::COUNTERS, ring_offset::SLOTS, text]
    }
}

/// Rounded up to whole pages.
fn pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_BYTES)
}

fn check_size(size_bytes: u64) -> Result<(), Error> {
    let bound = if size_bytes < MIN_SIZE {
        format!("it must be at least {}", size_in_words(MIN_SIZE))
    } else if size_bytes > MAX_SIZE {
        format!("it must be at most {}", size_in_words(MAX_SIZE))
    } else {
        return Ok(());
    };
    let given = size_in_words(size_bytes);
    Err(Error::Config(format!("size is {given}: {bound}")))
}

/// The power of two that holds an average record.
fn avg_bits(avg_record: i64) -> Result<u32, Error> {
    let (least, most) = (
        1 << limit::AVG_DATA_BITS.start(),
        1 << limit::AVG_DATA_BITS.end(),
    );
    if !(least..=most).contains(&avg_record) {
        return Err(Error::Config(format!(
            "avg_record is {avg_record}: it must be {least} to {most} bytes"
        )));
    }
    Ok(avg_record.unsigned_abs().next_power_of_two().ilog2())
}

fn record_too_large(size_bytes: u64, avg_record: i64) -> Error {
    let size = size_in_words(size_bytes);
    Error::Config(format!(
        "avg_record is {avg_record}: not even two such records fit into a size of {size}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What every plan holds.
    fn check(plan: &Plan) {
        let mut end = 0;
        for (kind, section) in SectionKind::ALL.into_iter().zip(plan.sections) {
            assert_eq!(section, plan.section(kind));
            assert_eq!(section.offset, end, "{}", kind.name());
            assert_eq!(section.offset % PAGE_BYTES, 0);
            assert_eq!(section.bytes % PAGE_BYTES, 0);
            end = section.offset + section.bytes;
        }
        assert_eq!(end, plan.file_bytes);
        let ring = plan.section(SectionKind::Ring);
        assert!(ring.bytes >= plan.geometry.ring_bytes());
        assert!(ring.bytes < plan.geometry.ring_bytes() + PAGE_BYTES);
        let consoles = plan.section(SectionKind::Consoles);
        assert_eq!(
            consoles.bytes as usize,
            size_of::<[registry::ConsoleSlot; registry::SLOTS]>()
        );
    }

    #[test]
    fn the_default_log_holds_sixteen_thousand_records_in_its_size() {
        let plan = Plan::for_log(4 << 20, 128).expect("a plan");
        assert_eq!(plan.geometry, Geometry::new(14, 7).expect("a geometry"));
        assert_eq!(plan.section(SectionKind::Sites).bytes, 256 << 10);
        check(&plan);
    }

    #[test]
    fn the_smallest_log_still_has_a_thousand_descriptors() {
        let plan = Plan::for_log(MIN_SIZE, 128).expect("a plan");
        assert_eq!(plan.geometry, Geometry::new(10, 7).expect("a geometry"));
        check(&plan);
    }

    #[test]
    fn a_size_below_the_least_is_refused_with_the_least() {
        for size in [0, 1, MIN_SIZE - 1] {
            let Err(Error::Config(said)) = Plan::for_log(size, 128) else {
                panic!("{size} was taken");
            };
            assert!(said.contains("at least 256 KiB"), "{said}");
        }
    }

    #[test]
    fn a_size_above_the_most_is_refused_with_the_most() {
        for size in [MAX_SIZE + 1, u64::MAX] {
            let Err(Error::Config(said)) = Plan::for_log(size, 128) else {
                panic!("{size} was taken");
            };
            assert!(said.contains("at most 1024 GiB"), "{said}");
        }
        check(&Plan::for_log(MAX_SIZE, 128).expect("the largest"));
        check(&Plan::for_log(MAX_SIZE, 1 << 16).expect("the largest"));
    }

    #[test]
    fn an_average_record_that_no_geometry_has_is_refused_with_the_bounds() {
        for avg_record in [i64::MIN, -1, 0, 7, 65537, i64::MAX] {
            let Err(Error::Config(said)) = Plan::for_log(4 << 20, avg_record) else {
                panic!("{avg_record} was taken");
            };
            assert!(said.contains("8 to 65536"), "{said}");
        }
    }

    #[test]
    fn a_bare_ring_has_every_section_but_call_sites() {
        for (desc_bits, avg_data_bits) in [(1, 3), (4, 5), (24, 3)] {
            let geometry = Geometry::new(desc_bits, avg_data_bits).expect("a geometry");
            let plan = Plan::for_ring(geometry);
            assert_eq!(plan.section(SectionKind::Sites).bytes, 0);
            check(&plan);
        }
    }

    proptest! {
        #[test]
        fn no_plan_is_larger_than_its_size_and_no_larger_ring_would_fit(
            size in MIN_SIZE..(8 << 30), avg_record in 8_i64..=65536,
        ) {
            let plan = Plan::for_log(size, avg_record).expect("a plan");
            check(&plan);
            prop_assert!(plan.file_bytes <= size);
            let bits = plan.geometry.avg_data_bits();
            prop_assert!(avg_record <= 1 << bits && avg_record > 1 << bits >> 1);
            let sites = plan.section(SectionKind::Sites).bytes;
            prop_assert!(sites >= MIN_SITES_BYTES);
            prop_assert!(sites <= (size / 16 + PAGE_BYTES).max(SITES_FROM_REST));
            if let Some(larger) = Geometry::new(plan.geometry.desc_bits() + 1, bits) {
                prop_assert!(larger.ring_bytes() + MIN_SITES_BYTES + 16384 > size - PAGE_BYTES);
            }
        }
    }
}
