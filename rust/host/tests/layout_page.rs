//! `docs/layout.md` says what the code does: every field, where it lies, and how long it is.

use pr_host::mapping::clock::ClockTable;
use pr_host::mapping::owner::OwnerBlock;
use pr_host::plan::{CONSOLES_BYTES, CONTROL_BYTES, MAX_SITES_BYTES, PAGE_BYTES};
use pr_printk::control::{Control, LEVEL_BITS, RULED, RULES_AT, Rules};
use pr_printk::registry::{ConsoleSlot, SLOT_BYTES, SLOTS, flag};
use pr_printk::sites::{self, SectionHead};
use pr_record::render::FORMATS;
use pr_ring::head::HeadWord;
use pr_ring::layout::{self, FixedHeader, Geometry, limit, ring_offset};
use pr_ring::memory::{Counters, Tails};
use pr_ring::slots::{EMPTY, LOST, Slot};
use pr_ring::state::Stage;
use std::collections::BTreeMap;

const PAGE: &str = include_str!("../../../docs/layout.md");

/// A row of a table: where, how long, and which field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    offset: usize,
    bytes: String,
    field: Option<String>,
}

/// The rows under a heading.
fn table(heading: &str) -> Vec<Row> {
    let start = PAGE
        .split_once(&format!("\n## {heading}\n"))
        .expect("the heading")
        .1;
    let part = start.split("\n## ").next().expect("a part");
    let rows = part
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| offset"));
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let field = cells[2]
            .strip_prefix('`')
            .and_then(|field| field.strip_suffix('`'));
        Row {
            offset: cells[0].parse().expect("an offset"),
            bytes: cells[1].to_owned(),
            field: field.map(str::to_owned),
        }
    })
    .collect()
}

/// How long a field is, by its type.
fn length_of<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// The offset and the length of each field.
macro_rules! fields {
    ($type:ty: $($field:ident)+) => {
        BTreeMap::from([$((
            stringify!($field).to_owned(),
            (core::mem::offset_of!($type, $field), length_of(|value: &$type| &value.$field)),
        )),+])
    };
}

/// The table has each field where it lies, and its rows leave no byte out.
fn check(heading: &str, fields: &BTreeMap<String, (usize, usize)>, whole: usize) {
    let mut end = 0;
    let mut seen = 0;
    for row in table(heading) {
        assert_eq!(row.offset, end, "{heading}: {row:?}");
        let bytes: usize = row.bytes.parse().expect("a length");
        end += bytes;
        if let Some(field) = &row.field {
            let found = fields
                .get(field)
                .unwrap_or_else(|| panic!("{heading}: no field {field}"));
            assert_eq!(*found, (row.offset, bytes), "{heading}: {field}");
            seen += 1;
        }
    }
    assert_eq!(end, whole, "{heading}");
    assert_eq!(seen, fields.len(), "{heading}: a field is missing");
}

#[test]
fn the_fixed_header_is_as_described() {
    let fields = fields!(FixedHeader:
        magic layout_version endian_tag checksum word_bytes file_bytes desc_bits avg_data_bits slot_bytes features
        sections ring_offsets reserved
    );
    check("Header: the fixed part", &fields, layout::FIXED_BYTES);
    let magic = core::str::from_utf8(&layout::MAGIC).expect("text");
    assert!(PAGE.contains(&format!("| `magic` | `{magic}` |")));
    assert!(PAGE.contains(&format!(
        "layout of a ring file, version {}\n",
        layout::LAYOUT_VERSION
    )));
    assert!(PAGE.contains(&format!(
        "`{:#010x}`; a reader that sees `{:#010x}`",
        layout::ENDIAN_TAG,
        layout::ENDIAN_TAG.swap_bytes()
    )));
    let limits = [
        (&limit::DESC_BITS, "descriptors"),
        (&limit::AVG_DATA_BITS, "bytes of text"),
    ];
    for (limit, what) in limits {
        assert!(PAGE.contains(&format!("{what}; {} to {} |", limit.start(), limit.end())));
    }
}

#[test]
fn the_owners_block_is_as_described() {
    let fields = fields!(OwnerBlock:
        pid uid pid_namespace start_ticks boot_id created_wall_nsec created_mono_nsec clean flags name_bytes argv_bytes
        name clocks argv
    );
    check(
        "Header: the owner's block",
        &fields,
        layout::HEADER_BYTES as usize - layout::OWNER_OFFSET,
    );
    assert!(PAGE.contains(&format!("\nAt {} in the file.", layout::OWNER_OFFSET)));
}

#[test]
fn the_clock_table_is_as_described() {
    let fields = fields!(ClockTable: count writing entries);
    check("Header: the clock table", &fields, size_of::<ClockTable>());
}

#[test]
fn a_slot_is_as_described() {
    let fields = fields!(Slot: state begin next ts_nsec caller_id meta owner aux);
    check("Ring: a slot", &fields, layout::SLOT_BYTES as usize);
    assert!(PAGE.contains(&format!(
        "{LOST}: no text, it was lost; {EMPTY}: no text, on purpose"
    )));
    let stages = [
        (Stage::Reserved, "reserved,"),
        (Stage::ReservedNoBlock, "reserved without text"),
        (Stage::Committed, "committed"),
        (Stage::Finalized, "finalized"),
    ];
    for (stage, name) in stages {
        assert!(PAGE.contains(&format!("{} {name}", stage as u8)), "{name}");
    }
    let newline = pr_printk::store::FLAG_NEWLINE;
    assert!(PAGE.contains(&format!("Flag {newline}: the record ends its line")));
    let cont = pr_printk::store::FLAG_CONT;
    assert!(PAGE.contains(&format!("Flag {cont}: it is the rest of a line")));
}

#[test]
fn the_ring_is_as_described() {
    let rows = table("Ring");
    let starts: Vec<_> = rows.iter().map(|row| row.offset as u64).collect();
    assert_eq!(
        starts,
        [
            ring_offset::HEAD,
            ring_offset::TAILS,
            ring_offset::COUNTERS,
            ring_offset::SLOTS
        ]
    );
    let lengths: Vec<_> = rows.iter().map(|row| row.bytes.as_str()).collect();
    let sizes = [
        size_of::<HeadWord>(),
        size_of::<Tails>(),
        size_of::<Counters>(),
    ]
    .map(|size| size.to_string());
    assert_eq!(lengths[..3], sizes);
    assert_eq!(lengths[3], format!("{} each", layout::SLOT_BYTES));
    let words = [
        core::mem::offset_of!(Tails, tail_id),
        core::mem::offset_of!(Tails, retired_id),
        core::mem::offset_of!(Tails, data_tail),
        core::mem::offset_of!(Counters, fail),
        core::mem::offset_of!(Counters, health),
        core::mem::offset_of!(Counters, reaped),
    ];
    assert_eq!(words, [0, 8, 16, 0, 8, 16]);
    let geometry = Geometry::new(10, 7).expect("a geometry");
    assert_eq!(
        geometry.ring_bytes(),
        ring_offset::SLOTS + 64 * geometry.descriptors() + geometry.data_bytes()
    );
}

#[test]
fn the_sites_section_is_as_described() {
    let rows = table("Sites");
    let starts: Vec<_> = rows.iter().map(|row| row.offset).collect();
    let named = [
        core::mem::offset_of!(SectionHead, described),
        core::mem::offset_of!(SectionHead, text_bytes),
        core::mem::offset_of!(SectionHead, refused),
    ];
    assert_eq!(starts[..3], named);
    assert_eq!(starts[3..], [24, sites::HEAD_BYTES]);
    let each = format!(
        "one for each {} bytes of the section",
        sites::BYTES_PER_SITE
    );
    assert!(PAGE.contains(&each));
}

#[test]
fn the_control_page_is_as_described() {
    let fields = fields!(Control:
        level console_level clear_seq failed failed_seqs truncated suppressed recursion_dropped block_timeouts torn
        left_behind report_timeouts panic_dropped syncs sync_errors syncs_left dumps dump_errors
    );
    check("Control", &fields, size_of::<Control>());
}

#[test]
fn the_rules_are_as_described() {
    assert!(PAGE.contains(&format!("At {RULES_AT} in the control section")));
    let rows = table("Control: the rules");
    let found: Vec<_> = rows.iter().map(|row| row.offset).collect();
    let places = [
        core::mem::offset_of!(Rules, number),
        core::mem::offset_of!(Rules, length),
        16,
        Rules::TEXT_AT,
    ];
    assert_eq!(found, places);
    assert_eq!(
        rows.last().map(|row| row.bytes.parse()),
        Some(Ok(Rules::MOST_BYTES))
    );
    assert_eq!((LEVEL_BITS, RULED), (7, 1 << 8));
}

#[test]
fn a_console_is_as_described() {
    let fields = fields!(ConsoleSlot: flags seq pos dropped errors level printed bytes owner prev_seq class format number);
    check("Consoles", &fields, SLOT_BYTES);
    assert!(PAGE.contains(&format!("\n{SLOTS} slots of {SLOT_BYTES} bytes.")));
    let flags = [
        (flag::USED, "the slot is in use"),
        (flag::ENABLED, "enabled"),
        (flag::SUSPENDED, "suspended"),
        (flag::ALIVE, "it has a printer thread"),
        (flag::BLOCKS, "writers\nwait for it"),
        (flag::ABANDONED, "abandoned"),
        (flag::PYTHON, "its sink or format is Python's"),
        (
            flag::BOOT,
            "it goes when the first console\nwithout this bit comes",
        ),
        (flag::REPLAY, "it began with the oldest record"),
        (flag::OPEN_LINE, "its sink's last line is not ended"),
    ];
    for (bit, name) in flags {
        assert!(PAGE.contains(&format!("{bit} {name}")), "{name}");
    }
    for (number, format) in FORMATS.into_iter().enumerate() {
        assert_eq!(format as usize, number, "the order of the list");
        assert!(
            PAGE.contains(&format!("{number} {}", format.name())),
            "{number}"
        );
    }
}

#[test]
fn the_sections_are_as_described() {
    let rows = [
        format!("| header | {} |", layout::HEADER_BYTES),
        format!("rounded up to {PAGE_BYTES} | the records |"),
        format!(
            "| sites | at most {} MiB, a multiple of {PAGE_BYTES} |",
            MAX_SITES_BYTES >> 20
        ),
        format!("| control | {CONTROL_BYTES} |"),
        format!("| consoles | {CONSOLES_BYTES} |"),
    ];
    for row in rows {
        assert!(PAGE.contains(&row), "{row}");
    }
}

#[test]
fn the_wire_format_is_quoted_from_the_code() {
    let source = include_str!("../../record/src/wire.rs");
    let quoted = PAGE
        .split_once("```text\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .expect("a block")
        .0;
    let code: String = source
        .lines()
        .map(|line| {
            line.trim_start_matches("//!")
                .strip_prefix(' ')
                .unwrap_or("")
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(code.contains(quoted));
    assert!(quoted.lines().count() > 40);
}
