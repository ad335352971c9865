//! The fixed part of the header: written once, checked by everybody who opens a file.

use crate::plan::{CONSOLES_BYTES, CONTROL_BYTES, MAX_SITES_BYTES, PAGE_BYTES, Plan, SectionKind};
use pr_ring::Geometry;
use pr_ring::layout::{
    ENDIAN_TAG, FIXED_BYTES, FixedHeader, HEADER_BYTES, LAYOUT_VERSION, MAGIC, SLOT_BYTES, Section,
};

/// Where the checksum lies.
const CHECKSUM_AT: usize = core::mem::offset_of!(FixedHeader, checksum);

/// The header of a file with this plan, its checksum included.
pub(crate) fn bytes_of(plan: &Plan) -> [u8; FIXED_BYTES] {
    let mut bytes = encode(&FixedHeader {
        magic: MAGIC,
        layout_version: LAYOUT_VERSION,
        endian_tag: ENDIAN_TAG,
        checksum: 0,
        word_bytes: 8,
        file_bytes: plan.file_bytes,
        desc_bits: plan.geometry.desc_bits(),
        avg_data_bits: plan.geometry.avg_data_bits(),
        slot_bytes: SLOT_BYTES as u32,
        features: 0,
        sections: plan.sections,
        ring_offsets: Plan::ring_offsets(plan.geometry),
        reserved: [0; 88],
    });
    let sum = crc32fast::hash(&bytes);
    put(&mut bytes, CHECKSUM_AT, &sum.to_ne_bytes());
    bytes
}

/// The division of a file with this header and this length, or what is wrong with it.
pub(crate) fn check(bytes: &[u8; FIXED_BYTES], actual_bytes: u64) -> Result<Plan, String> {
    let header = decode(bytes);
    check_kind(&header)?;
    let mut summed = *bytes;
    put(&mut summed, CHECKSUM_AT, &[0; 4]);
    if crc32fast::hash(&summed) != header.checksum {
        return Err("the checksum of its header is wrong: the file is damaged".into());
    }
    if header.features != 0 {
        let bits = header.features;
        return Err(format!(
            "it uses features that this program does not know ({bits:#x}): read it with a newer one"
        ));
    }
    let plan = check_geometry(&header)?;
    check_sections(&plan)?;
    if plan.file_bytes > actual_bytes {
        let whole = plan.file_bytes;
        return Err(format!(
            "it is truncated: {actual_bytes} of {whole} bytes are there"
        ));
    }
    Ok(plan)
}

/// What is wrong with a file that is shorter than a header.
pub(crate) fn too_short(start: &[u8]) -> String {
    let magic = start.get(..MAGIC.len()).unwrap_or(start);
    if start.is_empty() {
        "it is empty: not a ring file".into()
    } else if MAGIC.starts_with(magic) {
        format!(
            "it is truncated: {} bytes are less than a header",
            start.len()
        )
    } else {
        "it is not a ring file".into()
    }
}

fn check_kind(header: &FixedHeader) -> Result<(), String> {
    if header.magic != MAGIC {
        return Err("it is not a ring file".into());
    }
    if header.endian_tag == ENDIAN_TAG.swap_bytes() {
        return Err("it was written by a machine of the other byte order: read it there".into());
    }
    if header.endian_tag != ENDIAN_TAG {
        return Err("its byte order tag is damaged".into());
    }
    let (version, known) = (header.layout_version, LAYOUT_VERSION);
    if version > known {
        return Err(format!(
            "its layout version {version} is newer than this program knows ({known}): read it with a newer one"
        ));
    }
    if version == 0 {
        return Err("its layout version is 0: the header is damaged".into());
    }
    Ok(())
}

fn check_geometry(header: &FixedHeader) -> Result<Plan, String> {
    let (desc_bits, avg_data_bits) = (header.desc_bits, header.avg_data_bits);
    let geometry = Geometry::new(desc_bits, avg_data_bits);
    let geometry = geometry.ok_or_else(|| {
        format!("its geometry is impossible: {desc_bits} bits of descriptors, {avg_data_bits} of text for each")
    })?;
    let (word, slot) = (header.word_bytes, header.slot_bytes);
    if (word, u64::from(slot)) != (8, SLOT_BYTES) {
        return Err(format!(
            "its geometry is impossible: words of {word} bytes, slots of {slot}"
        ));
    }
    if header.ring_offsets != Plan::ring_offsets(geometry) {
        return Err(
            "its geometry is impossible: the parts of the ring are not where they must be".into(),
        );
    }
    Ok(Plan {
        geometry,
        sections: header.sections,
        file_bytes: header.file_bytes,
    })
}

/// Sections lie in their order, page by page, within the file, and are as long as this layout makes them.
fn check_sections(plan: &Plan) -> Result<(), String> {
    let ring = plan.geometry.ring_bytes().next_multiple_of(PAGE_BYTES);
    let lengths = [
        HEADER_BYTES..=HEADER_BYTES,
        ring..=ring,
        0..=MAX_SITES_BYTES,
        CONTROL_BYTES..=CONTROL_BYTES,
        CONSOLES_BYTES..=CONSOLES_BYTES,
    ];
    let mut free_from = 0;
    for (kind, lengths) in SectionKind::ALL.into_iter().zip(lengths) {
        let Section { offset, bytes } = plan.section(kind);
        let name = kind.name();
        let end = offset
            .checked_add(bytes)
            .filter(|end| *end <= plan.file_bytes);
        let Some(end) = end else {
            return Err(format!("the {name} section lies outside of the file"));
        };
        if !lengths.contains(&bytes) {
            return Err(format!(
                "the {name} section has an impossible length: {bytes} bytes"
            ));
        }
        if !offset.is_multiple_of(PAGE_BYTES) || offset < free_from {
            return Err(format!(
                "the {name} section is not where it can be: at {offset}"
            ));
        }
        if kind == SectionKind::Header && offset != 0 {
            return Err("the header section is not at the start".into());
        }
        free_from = end;
    }
    Ok(())
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_ne_bytes(word)
}

/// Where a field lies.
macro_rules! at {
    ($field:ident) => {
        core::mem::offset_of!(FixedHeader, $field)
    };
}

fn encode(header: &FixedHeader) -> [u8; FIXED_BYTES] {
    let mut bytes = [0; FIXED_BYTES];
    put(&mut bytes, at!(magic), &header.magic);
    let words = [
        (at!(layout_version), header.layout_version),
        (at!(endian_tag), header.endian_tag),
        (at!(checksum), header.checksum),
        (at!(word_bytes), header.word_bytes),
        (at!(desc_bits), header.desc_bits),
        (at!(avg_data_bits), header.avg_data_bits),
        (at!(slot_bytes), header.slot_bytes),
        (at!(features), header.features),
    ];
    for (at, word) in words {
        put(&mut bytes, at, &word.to_ne_bytes());
    }
    put(
        &mut bytes,
        at!(file_bytes),
        &header.file_bytes.to_ne_bytes(),
    );
    for (n, section) in header.sections.iter().enumerate() {
        put(
            &mut bytes,
            at!(sections) + 16 * n,
            &section.offset.to_ne_bytes(),
        );
        put(
            &mut bytes,
            at!(sections) + 16 * n + 8,
            &section.bytes.to_ne_bytes(),
        );
    }
    for (n, offset) in header.ring_offsets.iter().enumerate() {
        put(&mut bytes, at!(ring_offsets) + 8 * n, &offset.to_ne_bytes());
    }
    bytes
}

fn decode(bytes: &[u8; FIXED_BYTES]) -> FixedHeader {
    let word = |at| u32_at(bytes, at);
    let long = |at| u64_at(bytes, at);
    let mut magic = [0; 8];
    magic.copy_from_slice(&bytes[..8]);
    FixedHeader {
        magic,
        layout_version: word(at!(layout_version)),
        endian_tag: word(at!(endian_tag)),
        checksum: word(at!(checksum)),
        word_bytes: word(at!(word_bytes)),
        file_bytes: long(at!(file_bytes)),
        desc_bits: word(at!(desc_bits)),
        avg_data_bits: word(at!(avg_data_bits)),
        slot_bytes: word(at!(slot_bytes)),
        features: word(at!(features)),
        sections: core::array::from_fn(|n| Section {
            offset: long(at!(sections) + 16 * n),
            bytes: long(at!(sections) + 16 * n + 8),
        }),
        ring_offsets: core::array::from_fn(|n| long(at!(ring_offsets) + 8 * n)),
        reserved: [0; 88],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan::for_log(1 << 20, 128).expect("a plan")
    }

    /// A header with one change, its checksum right again.
    fn changed(change: impl FnOnce(&mut FixedHeader)) -> [u8; FIXED_BYTES] {
        let mut header = decode(&bytes_of(&plan()));
        change(&mut header);
        header.checksum = 0;
        let sum = crc32fast::hash(&encode(&header));
        header.checksum = sum;
        encode(&header)
    }

    fn why(change: impl FnOnce(&mut FixedHeader)) -> String {
        check(&changed(change), plan().file_bytes).expect_err("it was taken")
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let plan = plan();
        assert_eq!(check(&bytes_of(&plan), plan.file_bytes), Ok(plan));
        assert_eq!(
            check(&bytes_of(&plan), plan.file_bytes + 1),
            Ok(plan),
            "what lies behind is not ours"
        );
        assert_eq!(changed(|_| {}), bytes_of(&plan));
    }

    #[test]
    fn every_lie_of_a_header_with_a_right_checksum_is_told_apart() {
        assert!(why(|h| h.magic[0] ^= 1).contains("not a ring"));
        assert!(why(|h| h.layout_version = 2).contains("version 2 is newer"));
        assert!(why(|h| h.layout_version = 0).contains("version is 0"));
        assert!(why(|h| h.endian_tag = ENDIAN_TAG.swap_bytes()).contains("other byte order"));
        assert!(why(|h| h.endian_tag = 0).contains("byte order tag"));
        assert!(why(|h| h.features = 4).contains("0x4"));
        assert!(why(|h| h.word_bytes = 4).contains("words of 4"));
        assert!(why(|h| h.slot_bytes = 32).contains("slots of 32"));
        assert!(why(|h| h.desc_bits = 0).contains("impossible"));
        assert!(why(|h| h.desc_bits = 25).contains("impossible"));
        assert!(why(|h| h.avg_data_bits = 2).contains("impossible"));
        assert!(why(|h| h.avg_data_bits = u32::MAX).contains("impossible"));
        assert!(why(|h| h.ring_offsets[3] += 64).contains("where they must be"));
        assert!(why(|h| h.desc_bits += 1).contains("where they must be"));
        assert!(why(|h| h.file_bytes += 4096).contains("truncated"));
    }

    #[test]
    fn sections_that_lie_are_named() {
        for kind in SectionKind::ALL {
            let n = kind as usize;
            assert!(why(|h| h.sections[n].offset = u64::MAX - 4095).contains(kind.name()));
            assert!(why(|h| h.sections[n].bytes = u64::MAX).contains(kind.name()));
            assert!(why(|h| h.sections[n].offset += 8).contains(kind.name()));
            assert!(
                kind == SectionKind::Sites
                    || why(|h| h.sections[n].bytes = 0).contains(kind.name())
            );
            assert!(
                kind == SectionKind::Header
                    || why(|h| h.sections[n].offset -= 4096).contains(kind.name())
            );
        }
        assert!(why(|h| h.file_bytes = 4096).contains("ring section"));
    }

    #[test]
    fn one_changed_bit_is_found() {
        let plan = plan();
        let whole = bytes_of(&plan);
        for bit in 0..FIXED_BYTES * 8 {
            let mut bytes = whole;
            bytes[bit / 8] ^= 1 << (bit % 8);
            check(&bytes, plan.file_bytes).expect_err("a changed bit");
        }
    }

    #[test]
    fn what_is_too_short_is_empty_truncated_or_something_else() {
        assert!(too_short(b"").contains("empty"));
        assert!(too_short(b"PRT").contains("truncated"));
        assert!(too_short(b"PRTKRING\x01").contains("truncated"));
        assert!(too_short(b"hello, world").contains("not a ring"));
    }
}
