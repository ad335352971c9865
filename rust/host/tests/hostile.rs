//! Whatever bytes a file holds: an error, or records. Never a crash, never a hang, never more than the file can hold, and
//! nothing in the file is changed.

mod examine;
mod rings;

use examine::forge::forge;
use examine::{EACH, examine, examine_by, signed};
use pr_host::foreign::ForeignFile;
use pr_host::mapping::{Existing, Identity, RingMap};
use pr_host::plan::Plan;
use pr_ring::layout::FIXED_BYTES;
use pr_ring::{DescId, Geometry, Source};
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

    /// What the fuzzer does.
    #[test]
    fn a_forged_file_is_refused_or_read_to_an_end(mut input in prop::collection::vec(any::<u8>(), 2..400), how in 0..16_u8) {
        let folder = Folder::new();
        let path = folder.join("hostile.ring");
        input[0] = how;
        for ways in &EACH {
            examine_by(ways, &path, &forge(&input));
        }
    }
}

#[test]
fn a_file_is_forged_as_the_input_says() {
    let folder = Folder::new();
    let path = folder.join("hostile.ring");
    for which in 0..5 {
        let whole = examine(&path, &forge(&[2, which])).expect("a ring");
        assert!(whole > 0, "ring {which}");
        assert_eq!(
            examine(&path, &forge(&[2 | 4, which, 0xff, 0x0f])),
            None,
            "cut off"
        );
        let no_magic = [2, which, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(examine(&path, &forge(&no_magic)), None, "no magic");
        let retired = [1, which];
        assert_eq!(
            examine(&path, &forge(&retired)),
            Some(whole),
            "nothing put in its place"
        );
        let none = [&[1, which][..], &[0; 4096]].concat();
        assert_eq!(examine(&path, &forge(&none)), Some(0), "an empty ring");
    }
}

/// `PRINTK_RING_CORPUS=folder` writes inputs to begin fuzzing with.
#[test]
fn inputs_to_begin_fuzzing_with_make_rings() {
    let folder = std::env::var_os("PRINTK_RING_CORPUS").map(std::path::PathBuf::from);
    let place = Folder::new();
    let path = place.join("hostile.ring");
    for which in 0..5_u8 {
        let section = &forge(&[2, which])[4096..8192];
        let ring = [&[1, which][..], &section[..2048]].concat();
        assert!(examine(&path, &forge(&ring)) > Some(0));
        let mut seeds = vec![(format!("ring-{which}"), ring)];
        for how in 0..16_u8 {
            // Cut off behind 512 bytes or not; a word of the ring's head.
            let cut: &[u8] = if how & 4 == 0 { &[] } else { &[0, 2] };
            let words = [&[how, which], cut, &[0, 0x80, 1, 0, 0, 0, 0, 0, 0, 0]].concat();
            let is_ring = how & 3 != 0 && how & 4 == 0;
            let found = examine(&path, &forge(&words));
            assert_eq!(found.is_some(), is_ring, "{how}: {found:?}");
            seeds.push((format!("file-{which}-{how}"), words));
        }
        for (name, seed) in seeds {
            if let Some(folder) = &folder {
                std::fs::write(folder.join(name), seed).expect("written");
            }
        }
    }
}
