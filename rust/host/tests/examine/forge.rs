//! Ring files that were whole once, with what an input says put in their place.

use super::signed;
use crate::rings::{FileRing, Folder};
use pr_host::plan::{PAGE_BYTES, Plan, SectionKind};
use pr_ring::layout::FIXED_BYTES;
use pr_ring::{Geometry, Info};
use std::fs;
use std::sync::LazyLock;

/// Dead rings that have wrapped, one with a section for call sites, each with a record that nobody finished.
static WHOLE: LazyLock<Vec<(Plan, Vec<u8>)>> = LazyLock::new(|| {
    let geometries = [(1, 4), (2, 3), (2, 5), (3, 3)];
    let plans =
        geometries.map(|(desc, avg)| Plan::for_ring(Geometry::new(desc, avg).expect("a geometry")));
    let with_sites = with_sites(plans[1]);
    let all = plans.into_iter().chain([with_sites]);
    all.map(|plan| (plan, dead_ring(&plan))).collect()
});

/// The same plan with a page for call sites.
fn with_sites(mut plan: Plan) -> Plan {
    plan.sections[SectionKind::Sites as usize].bytes += PAGE_BYTES;
    for kind in [SectionKind::Control, SectionKind::Consoles] {
        plan.sections[kind as usize].offset += PAGE_BYTES;
    }
    plan.file_bytes += PAGE_BYTES;
    plan
}

fn dead_ring(plan: &Plan) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.join("whole.ring");
    let ring = FileRing::of(&path, plan, 0).expect("created");
    let largest = plan.geometry.text_ring().max_text() as usize;
    for number in 0..40_usize {
        ring.write(&vec![b'x'; number % (largest + 1)]);
    }
    let open = ring
        .reserve(largest.min(1), &Info::default())
        .expect("room");
    let bytes = fs::read(&path).expect("read");
    open.finalize();
    bytes
}

/// A file by this input. The first byte says how it is made, the second of which ring: words put in their places, or the rest of the
/// input in place of the ring, with the checksum that makes it believable or without, whole or cut off; or it is the rest as it stands.
pub fn forge(input: &[u8]) -> Vec<u8> {
    let Some((&[how, which], rest)) = input.split_first_chunk() else {
        return input.to_vec();
    };
    let (plan, whole) = &WHOLE[usize::from(which) % WHOLE.len()];
    let (mut bytes, mut rest) = (whole.clone(), rest);
    let mut end = bytes.len();
    if how & 4 != 0
        && let Some((cut, more)) = rest.split_first_chunk()
    {
        (end, rest) = (usize::from(u16::from_le_bytes(*cut)), more);
    }
    match how & 3 {
        0 => return rest.to_vec(),
        1 => {
            let ring = plan.section(SectionKind::Ring);
            let put = rest.len().min(ring.bytes as usize);
            bytes[ring.offset as usize..][..put].copy_from_slice(&rest[..put]);
        }
        _ => rest
            .as_chunks()
            .0
            .iter()
            .for_each(|word| put(&mut bytes, plan, word)),
    }
    if how & 8 == 0 {
        bytes = signed(bytes);
    }
    bytes.truncate(end);
    bytes
}

/// A word in its place. Two bits of the first two bytes say in which part of the file, the others which word of it.
fn put(bytes: &mut [u8], plan: &Plan, &[low, high, ref word @ ..]: &[u8; 10]) {
    let place = usize::from(u16::from_le_bytes([low, high]));
    let ring = plan.section(SectionKind::Ring);
    let (begin, end) = match place >> 14 {
        0 => (0, FIXED_BYTES),
        1 => (FIXED_BYTES, ring.offset as usize),
        2 => (
            ring.offset as usize,
            (ring.offset + plan.geometry.ring_bytes()) as usize,
        ),
        _ => ((ring.offset + ring.bytes) as usize, bytes.len()),
    };
    let at = begin + (place & 0x3fff) % ((end - begin) / 8) * 8;
    bytes[at..at + 8].copy_from_slice(word);
}
