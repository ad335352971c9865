//! Whatever bytes a file holds: an error, or records. Never a crash, never a hang, never more than the file can hold, and
//! nothing in the file is changed.

mod rings;

use core::mem::offset_of;
use pr_host::foreign::ForeignFile;
use pr_host::mapping::{Existing, Identity, RingMap, SectionKind};
use pr_host::plan::Plan;
use pr_printk::dump::{DumpIter, Rendered, View};
use pr_record::Format;
use pr_ring::layout::{FIXED_BYTES, FixedHeader};
use pr_ring::reader::{next_seq, read_valid};
use pr_ring::{DescId, Geometry, Read, Seq, Source, Unfinished};
use proptest::prelude::*;
use rings::{FileRing, Folder};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// A dead ring that has wrapped, with records of all kinds.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = Folder::new();
    let path = folder.join("whole.ring");
    let plan = Plan::for_ring(Geometry::new(5, 5).expect("a geometry"));
    let ring = FileRing::of(&path, &plan, 0).expect("created");
    for number in 0..100_usize {
        ring.write(&vec![b'x'; number % 50]);
    }
    let open = ring
        .reserve(9, &Default::default())
        .expect("room")
        .into_ticket();
    ring.write(b"last");
    let bytes = fs::read(&path).expect("read");
    ring.finalize(open.expect("open"));
    bytes
});

/// Reads all that can be read. How many records; None if it is refused.
fn examine(path: &Path, bytes: &[u8]) -> Option<u64> {
    fs::write(path, bytes).expect("written");
    let file = match ForeignFile::open(path) {
        Ok(file) => file,
        Err(why) => {
            assert!(why.to_string().contains(&path.display().to_string()));
            return None;
        }
    };
    let info = file.info().expect("whole: all its sections are there");
    assert!(info.file_bytes <= bytes.len() as u64);
    assert!(!info.alive);
    file.wall_nsec(0);
    file.wall_nsec(u64::MAX);
    file.unfinished().expect("readable");
    for kind in [
        SectionKind::Header,
        SectionKind::Sites,
        SectionKind::Control,
        SectionKind::Consoles,
    ] {
        file.section_bytes(kind).expect("readable");
    }
    let mut most = 0;
    for start in [0, 1, 99, u64::MAX >> 2, u64::MAX] {
        next_seq(&file, Seq(start)).expect("readable");
        for mode in [Unfinished::Wait, Unfinished::Skip] {
            most = most.max(read_all(&file, start, mode));
        }
    }
    walk_all(&file, 50, Unfinished::Skip);
    assert!(
        fs::read(path).expect("read") == bytes,
        "reading changed the file"
    );
    Some(most)
}

fn read_all(file: &ForeignFile, start: u64, mode: Unfinished) -> u64 {
    let (mut seq, mut count, mut buffer) = (start, 0, [0; 4096]);
    while let Read::Found { info, copied, .. } =
        read_valid(file, Seq(seq), &mut buffer, mode).expect("readable")
    {
        assert!(
            info.seq.0 >= seq && copied <= info.text_len as usize,
            "{info:?}"
        );
        count += 1;
        assert!(
            count <= file.plan().geometry.descriptors(),
            "more records than slots"
        );
        let Some(next) = info.seq.0.checked_add(1) else {
            break;
        };
        seq = next;
    }
    count
}

/// Dumps it, in blocks of several sizes, from a clear mark and an end that may be lies.
fn walk_all(file: &ForeignFile, seq: u64, unfinished: Unfinished) {
    let sites = file.sites().unwrap_or_default();
    let form = Rendered {
        format: Format::Text,
        wall_nsec: |ts_nsec| file.wall_nsec(ts_nsec),
        sites: &*sites,
    };
    let view = View {
        source: file,
        unfinished,
        clear_seq: Seq(0),
    };
    for (size, clear_seq, end) in [(1, 0, seq), (40, seq, u64::MAX), (900, 0, u64::MAX)] {
        let (mut scratch, mut buffer) = ([0; 4096], [0; 900]);
        let mut iter = DumpIter::NEW;
        iter.rewind(Seq(clear_seq), Seq(end));
        let mut records = 0;
        while let Some(block) = iter
            .get_buffer(&view, &form, &mut scratch, &mut buffer[..size])
            .expect("readable")
        {
            records += block.records;
            assert!(block.records > 0 && block.len < size);
            assert!(
                records <= file.plan().geometry.descriptors(),
                "more records than slots"
            );
        }
    }
}

/// Tries to take the path, which must either succeed and keep the file as a previous life, or leave it as it is.
fn take(folder: &Folder, path: &Path, bytes: &[u8]) {
    let plan = Plan::for_ring(Geometry::new(1, 3).expect("a geometry"));
    let made = RingMap::create(
        path,
        &plan,
        &Identity::current("test", None),
        Existing::Rotate,
    );
    let kept = match &made {
        Ok(_) => folder.join("hostile.ring.old.1"),
        Err(_) => path.to_owned(),
    };
    assert!(fs::read(&kept).expect("read") == bytes);
    assert_eq!(folder.names().len(), 1 + usize::from(made.is_ok()));
    fs::remove_file(kept).expect("removed");
}

/// With the checksum that makes a lie believable.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = offset_of!(FixedHeader, checksum);
    bytes[at..at + 4].fill(0);
    let sum = crc32fast::hash(&bytes[..FIXED_BYTES]);
    bytes[at..at + 4].copy_from_slice(&sum.to_ne_bytes());
    bytes
}

/// A number that is likely to hurt.
fn evil() -> impl Strategy<Value = u64> {
    let near = |n: u64| {
        prop_oneof![
            Just(n.wrapping_sub(8)),
            Just(n.wrapping_sub(1)),
            Just(n),
            Just(n.wrapping_add(1)),
            Just(n.wrapping_add(8))
        ]
    };
    prop_oneof![
        4 => any::<u64>(),
        4 => 0..20_000_u64,
        2 => (0..64_u32).prop_flat_map(move |bit| near(1 << bit)),
        1 => near(0),
    ]
}

#[test]
fn the_whole_file_is_read() {
    let folder = Folder::new();
    let path = folder.join("hostile.ring");
    let found = examine(&path, &WHOLE).expect("a ring");
    assert!(found > 10, "{found}");
    take(&folder, &path, &WHOLE);
    let longer = [WHOLE.as_slice(), &[0xff; 5000]].concat();
    assert_eq!(
        examine(&path, &longer),
        Some(found),
        "what lies behind is not ours"
    );
}

#[test]
fn a_truncated_file_is_refused_at_every_length() {
    let folder = Folder::new();
    let path = folder.join("hostile.ring");
    let lengths = (0..600)
        .chain((600..WHOLE.len()).step_by(509))
        .chain([WHOLE.len() - 1]);
    for length in lengths {
        assert_eq!(examine(&path, &WHOLE[..length]), None, "{length}");
        take(&folder, &path, &WHOLE[..length]);
    }
}

#[test]
fn every_word_of_the_header_may_lie() {
    let folder = Folder::new();
    let path = folder.join("hostile.ring");
    let mut taken = 0;
    for at in (0..FIXED_BYTES).step_by(4) {
        for word in [0, 1, 2, 7, 31, 4095, 4096, 8192, 1 << 31, u32::MAX] {
            let mut bytes = WHOLE.clone();
            bytes[at..at + 4].copy_from_slice(&u32::to_ne_bytes(word));
            taken += u32::from(examine(&path, &signed(bytes)).is_some());
        }
    }
    assert!(taken > 0, "a lie of no consequence, in what is reserved");
}

#[test]
fn no_index_leads_out_of_the_ring() {
    let folder = Folder::new();
    let path = folder.join("hostile.ring");
    examine(&path, &WHOLE).expect("a ring");
    let file = ForeignFile::open(&path).expect("a ring");
    let words = file.plan().geometry.data_bytes() / 8;
    for index in [0, 1, words - 1, words, words + 1, 1 << 61, u64::MAX] {
        let (mut far, mut near) = (vec![0x55; 1 << 16], vec![0x55; 1 << 16]);
        let at = index % words;
        assert_eq!(file.text(index, &mut far), file.text(at, &mut near));
        assert_eq!(far, near);
        let behind = ((words - at - 1) * 8) as usize;
        assert!(
            far[behind..].iter().all(|byte| *byte == 0x55),
            "nothing behind the ring is read"
        );
        file.state(DescId(index)).expect("readable");
        let (far, near) = (
            file.contents(DescId(index)),
            file.contents(DescId(index % 32)),
        );
        assert_eq!(far.expect("readable").span, near.expect("readable").span);
    }
}

#[test]
fn a_slot_that_names_the_highest_id_is_not_read_again_and_again() {
    // Beyond that id all numbers mean the same record: whoever asks for the next one would get it once more.
    let folder = Folder::new();
    let path = folder.join("hostile.ring");
    for slot in 0..32 {
        for stage in 0..4 {
            let mut bytes = WHOLE.clone();
            let at = 4096 + 384 + 64 * slot;
            let state = (u64::MAX << 2) | stage;
            bytes[at..at + 8].copy_from_slice(&state.to_ne_bytes());
            assert!(examine(&path, &bytes).is_some());
            let head = 4096 + 8;
            bytes[head..head + 8].copy_from_slice(&u64::MAX.to_ne_bytes());
            assert!(examine(&path, &bytes).is_some());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let folder = Folder::new();
        let path = folder.join("hostile.ring");
        prop_assert_eq!(examine(&path, &bytes), None);
        take(&folder, &path, &bytes);
    }

    #[test]
    fn words_of_a_believable_header_may_lie_together(lies in prop::collection::vec((0..FIXED_BYTES / 8, evil()), 1..6)) {
        let folder = Folder::new();
        let path = folder.join("hostile.ring");
        let mut bytes = WHOLE.clone();
        for (word, lie) in lies {
            bytes[8 * word..8 * word + 8].copy_from_slice(&lie.to_ne_bytes());
        }
        let bytes = signed(bytes);
        examine(&path, &bytes);
        take(&folder, &path, &bytes);
    }

    #[test]
    fn words_behind_the_fixed_header_may_lie(lies in prop::collection::vec((0.0..1.0_f64, evil()), 1..200)) {
        let folder = Folder::new();
        let path = folder.join("hostile.ring");
        let mut bytes = WHOLE.clone();
        let words = (bytes.len() - FIXED_BYTES) / 8;
        for (place, lie) in lies {
            let at = FIXED_BYTES + 8 * (place * words as f64) as usize;
            bytes[at..at + 8].copy_from_slice(&lie.to_ne_bytes());
        }
        prop_assert!(examine(&path, &bytes).is_some());
        take(&folder, &path, &bytes);
    }

    #[test]
    fn head_tails_and_slots_may_lie(lies in prop::collection::vec((0..304_usize, evil()), 1..60)) {
        // The ring section of this file begins at 4096: head and tails to 384, then 32 slots of 8 words.
        let folder = Folder::new();
        let path = folder.join("hostile.ring");
        let mut bytes = WHOLE.clone();
        for (word, lie) in lies {
            bytes[4096 + 8 * word..4096 + 8 * word + 8].copy_from_slice(&lie.to_ne_bytes());
        }
        prop_assert!(examine(&path, &bytes).is_some());
    }
}
