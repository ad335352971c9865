//! Rings in the memory of a process that is gone: whole, in pieces, with parts missing, and what only looks like one.

mod rings;

use pr_host::carve::{Find, Segment, rings_in};
use pr_host::foreign::ForeignFile;
use pr_host::mapping::SectionKind;
use pr_host::plan::Plan;
use pr_ring::layout::{FIXED_BYTES, SLOT_BYTES, ring_offset};
use pr_ring::reader::read_valid;
use pr_ring::{Geometry, Read, Seq, Unfinished};
use proptest::prelude::*;
use rings::{FileRing, Folder};
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: u64 = 4096;
/// Where the rings lie in the processes of these tests.
const ADDRESS: u64 = 0x7f00_0000_0000;

/// The bytes of a ring of 256 records, whose text is their number, each 100 bytes long.
fn ring_bytes(folder: &Folder) -> (Vec<u8>, Plan) {
    let path = folder.join("app.ring");
    let plan = Plan::for_ring(Geometry::new(8, 7).expect("a geometry"));
    let ring = FileRing::of(&path, &plan, 0).expect("created");
    for number in 0..256 {
        ring.write(text(number).as_bytes());
    }
    (fs::read(&path).expect("read"), plan)
}

fn text(number: u64) -> String {
    format!("{number:0100}")
}

fn core(folder: &Folder, bytes: &[u8]) -> PathBuf {
    let path = folder.join("core");
    fs::write(&path, bytes).expect("written");
    path
}

/// A segment of pages: where they were in the ring, and where they are in the core.
fn pages(in_ring: u64, in_core: u64, count: u64) -> Segment {
    Segment {
        address: ADDRESS + in_ring * PAGE,
        offset: in_core * PAGE,
        bytes: count * PAGE,
    }
}

/// All pages of a core that is the ring, but some.
fn without(bytes: &[u8], missing: &[u64]) -> Vec<Segment> {
    let all = 0..bytes.len() as u64 / PAGE;
    all.filter(|page| !missing.contains(page))
        .map(|page| pages(page, page, 1))
        .collect()
}

fn the_ring(core: &Path, segments: &[Segment]) -> (ForeignFile, u64) {
    let mut found = rings_in(core, segments).expect("readable");
    match found.pop() {
        Some(Find::Ring {
            ring,
            address: ADDRESS,
            missing,
        }) if found.is_empty() => (ring, missing),
        other => panic!("{other:?} and {found:?}"),
    }
}

/// Numbers of the records that are there with their texts, and of those that are torn.
fn records(ring: &ForeignFile) -> (Vec<u64>, Vec<u64>) {
    let (mut whole, mut torn, mut seq, mut buffer) = (Vec::new(), Vec::new(), 0, [0; 256]);
    loop {
        match read_valid(ring, Seq(seq), &mut buffer, Unfinished::Skip).expect("readable") {
            Read::Found {
                info,
                copied,
                unfinished,
            } => {
                assert_eq!(unfinished, 0, "what is missing was finished once");
                if info.torn {
                    torn.push(info.seq.0);
                } else {
                    assert_eq!(&buffer[..copied], text(info.seq.0).as_bytes());
                    whole.push(info.seq.0);
                }
                seq = info.seq.0 + 1;
            }
            Read::NotYet { unfinished, .. } => {
                assert_eq!(unfinished, 0);
                return (whole, torn);
            }
        }
    }
}

#[test]
fn a_ring_is_found_whole_however_many_pieces_it_lies_in() {
    let folder = Folder::new();
    let (bytes, plan) = ring_bytes(&folder);
    let count = plan.file_bytes / PAGE;
    let all: Vec<u64> = (0..256).collect();
    let core = core(&folder, &[vec![0x55; 3 * 4096], bytes].concat());
    let in_pieces: Vec<_> = (0..count).rev().map(|n| pages(n, 3 + n, 1)).collect();
    // What a later segment has of the same addresses is other bytes.
    let twice = [pages(4, 0, 1), pages(0, 3, count), pages(count - 1, 0, 1)];
    let odd = [Segment {
        address: ADDRESS - 100,
        offset: 3 * PAGE - 100,
        bytes: plan.file_bytes + 100,
    }];
    for segments in [&[pages(0, 3, count)][..], &in_pieces, &twice, &odd] {
        let (ring, missing) = the_ring(&core, segments);
        assert_eq!((records(&ring), missing), ((all.clone(), vec![]), 0));
        assert_eq!(ring.path(), core);
        let info = ring.info().expect("readable");
        assert_eq!((info.pid, info.clean), (std::process::id(), false));
        assert!(!info.alive, "although its process runs: it wrote the core");
    }
}

#[test]
fn records_whose_slots_are_not_in_the_core_are_lost_and_the_others_are_there() {
    let folder = Folder::new();
    let (bytes, plan) = ring_bytes(&folder);
    let core = core(&folder, &bytes);
    let page = plan.section(SectionKind::Ring).offset / PAGE + 2;
    let first_slot = (2 * PAGE - ring_offset::SLOTS) / SLOT_BYTES;
    let (ring, missing) = the_ring(&core, &without(&bytes, &[page]));
    // Record n has the slot of its id, n + 1.
    let lost = first_slot - 1..first_slot - 1 + PAGE / SLOT_BYTES;
    let left: Vec<u64> = (0..256).filter(|number| !lost.contains(number)).collect();
    assert_eq!((records(&ring), missing), ((left, vec![]), PAGE));
}

#[test]
fn a_record_of_whose_text_one_byte_is_not_in_the_core_is_torn() {
    let folder = Folder::new();
    let (bytes, plan) = ring_bytes(&folder);
    let core = core(&folder, &bytes);
    let texts = plan.section(SectionKind::Ring).offset + plan.geometry.text_offset();
    let page = texts / PAGE + 2;
    let hole = page * PAGE..(page + 1) * PAGE;
    let block = 112; // the id, the text, and padding
    let torn: Vec<u64> = (0..256)
        .filter(|n| texts + n * block < hole.end && hole.start < texts + n * block + 108)
        .collect();
    assert!(torn.len() > 30 && torn.len() < 40);
    assert!(texts + torn[0] * block < hole.start, "one begins before");
    let left: Vec<u64> = (0..256).filter(|number| !torn.contains(number)).collect();
    let (ring, missing) = the_ring(&core, &without(&bytes, &[page]));
    assert_eq!((records(&ring), missing), ((left, torn), PAGE));
}

#[test]
fn a_core_that_ends_in_the_middle_of_a_ring_has_what_came_before() {
    let folder = Folder::new();
    let (bytes, plan) = ring_bytes(&folder);
    let texts = plan.section(SectionKind::Ring).offset + plan.geometry.text_offset();
    let end = texts as usize + 10 * 112 + 50;
    let core = core(&folder, &bytes[..end]);
    let (ring, missing) = the_ring(&core, &[pages(0, 0, plan.file_bytes / PAGE)]);
    assert_eq!(missing, plan.file_bytes - end as u64);
    assert_eq!(records(&ring), ((0..10).collect(), (10..256).collect()));
    assert_eq!(ring.clear_seq(), Ok(0), "its control page is not there");
    assert!(ring.stats().is_ok());
}

#[test]
fn a_ring_without_its_header_or_its_head_cannot_be_read_and_that_is_said() {
    let folder = Folder::new();
    let (bytes, _) = ring_bytes(&folder);
    let path = core(&folder, &bytes);
    assert!(
        rings_in(&path, &without(&bytes, &[0]))
            .expect("readable")
            .is_empty()
    );
    let why = |segments: &[Segment]| match rings_in(&path, segments).expect("readable").as_slice() {
        [
            Find::Damaged {
                address: ADDRESS,
                why,
            },
        ] => why.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&without(&bytes, &[1])), "its head is not in this core");
    let mut cut = without(&bytes, &[]);
    cut[0].bytes = 300;
    assert_eq!(why(&cut), "its header is not in this core");
    cut[0].bytes = 100;
    assert!(why(&cut).contains("checksum"));
}

#[test]
fn a_header_that_lies_is_told_and_what_a_record_says_is_no_ring() {
    let folder = Folder::new();
    let (mut bytes, plan) = ring_bytes(&folder);
    let texts = (plan.section(SectionKind::Ring).offset + plan.geometry.text_offset()) as usize;
    let forged = texts.next_multiple_of(PAGE as usize);
    let (header, text) = bytes.split_at_mut(forged);
    text[..FIXED_BYTES].copy_from_slice(&header[..FIXED_BYTES]);
    let path = core(&folder, &bytes);
    let whole = [pages(0, 0, plan.file_bytes / PAGE)];
    the_ring(&path, &whole);
    bytes[30] ^= 1;
    let path = core(&folder, &bytes);
    let found = rings_in(&path, &whole).expect("readable");
    assert!(
        matches!(&found[0], Find::Damaged { why, .. } if why.contains("checksum")),
        "{found:?}"
    );
}

#[test]
fn a_core_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    let path = folder.join("none");
    let why = rings_in(&path, &[]).expect_err("nothing is there");
    assert!(
        why.to_string().contains("none: it cannot be opened"),
        "{why}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_segments_of_any_bytes_end(
        segments in prop::collection::vec(
            (prop_oneof![Just(ADDRESS), Just(0), Just(u64::MAX - 9), any::<u64>()], prop_oneof![0..80_000_u64, any::<u64>()], prop_oneof![0..80_000_u64, any::<u64>()]),
            0..6,
        ),
        changes in prop::collection::vec((0..60_000_usize, any::<u8>()), 0..6),
    ) {
        let folder = Folder::new();
        let (mut bytes, _) = ring_bytes(&folder);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let path = core(&folder, &bytes);
        let segment = |(address, offset, bytes)| Segment { address, offset, bytes };
        let mut segments: Vec<_> = segments.into_iter().map(segment).collect();
        segments.push(pages(0, 0, 3));
        for find in rings_in(&path, &segments).expect("readable") {
            if let Find::Ring { ring, .. } = find {
                ring.info().expect("readable");
                ring.stats().expect("readable");
                ring.last_wall_nsec().expect("readable");
            }
        }
    }
}
