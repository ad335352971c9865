//! Bytes that nobody vouches for: refused, or a record that can be shown.

#[path = "../call/mod.rs"]
mod call;
mod exercise;
#[path = "../lines/mod.rs"]
mod lines;
#[path = "../tree/mod.rs"]
mod tree;

use call::call;
use lines::{assert_json, assert_record, rendered};
use pr_record::{Format, Meta, render::FORMATS};
use proptest::prelude::*;
use proptest::sample::Index;

/// Everything that decoding any bytes may lead to.
fn use_up(bytes: &[u8]) {
    if !exercise::exercise(bytes) {
        return;
    }
    let meta = Meta {
        wall_nsec: 1_795_169_472_123_456_789,
        ..Meta::default()
    };
    for format in FORMATS {
        let output = rendered(format, &meta, bytes);
        assert_record(format, &output);
        if format == Format::Json {
            assert_json(&output);
        }
    }
}

/// A value of any depth, with its tag in front: lists and dicts around something short.
fn nested() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(vec![0x10]),
        any::<u8>().prop_map(|byte| vec![0x13, byte]),
        any::<[u8; 3]>().prop_map(|bytes| [&[0x19, 3][..], &bytes].concat()),
        any::<u8>().prop_map(|tag| vec![tag, 0]),
    ];
    let around = prop::collection::vec((0..4_u8, 0..20_u8), 0..8);
    (leaf, around).prop_map(|(leaf, around)| {
        around.into_iter().fold(leaf, |inner, (how, off)| {
            // Now and then the size is one more than there is.
            let size = |more: usize| (inner.len() + more + usize::from(off == 0)) as u16;
            match how {
                0 => [&[0x21][..], &size(0).to_le_bytes(), &inner].concat(),
                1 => [&[0x22][..], &size(2).to_le_bytes(), b"\x01k", &inner].concat(),
                2 => [&b"\x1f\x01e"[..], &inner].concat(),
                _ => [&b"\x20\x01n"[..], &inner].concat(),
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_or_rendered(bytes in any::<Vec<u8>>()) {
        use_up(&bytes);
    }

    #[test]
    fn any_items_are_refused_or_rendered(
        tags in prop::collection::vec((0u8..0x26, any::<[u8; 3]>()), 0..40)
    ) {
        let mut bytes = vec![1];
        for (tag, [a, b, c]) in tags {
            bytes.extend_from_slice(&[tag, a & 3, b & 0x7f, c & 0x7f]);
        }
        use_up(&bytes);
    }

    #[test]
    fn values_of_any_depth_are_refused_or_rendered(values in prop::collection::vec(nested(), 1..4)) {
        let mut bytes = vec![1];
        for value in values {
            let (tag, body) = value.split_first().expect("a tag");
            bytes.extend_from_slice(&[*tag, 1, b'k']);
            bytes.extend_from_slice(body);
        }
        use_up(&bytes);
    }

    #[test]
    fn damaged_records_are_refused_or_rendered(
        call in call(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 0..6),
        cut in any::<Index>(),
    ) {
        let mut bytes = call.encoded(64 * 1024);
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        use_up(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        use_up(&bytes);
    }
}
