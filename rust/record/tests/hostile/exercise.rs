//! Everything a reader does with the bytes of one record. Also what `fuzz/targets/decode.rs` runs.

#[path = "plain.rs"]
mod plain;

use pr_record::render::FORMATS;
use pr_record::wire::MAX_ARGS;
use pr_record::{Meta, NoSites, Out, Value, decode, render};

/// How many values this one is made of, itself included.
fn count(value: Value<'_>) -> usize {
    1 + match value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Dict(entries) => entries.iter().map(|entry| count(entry.value)).sum(),
        Value::Enum { value, .. } | Value::Numpy { value, .. } => count(value.value()),
        _ => 0,
    }
}

/// Exactly what the layout's description allows is a record; what is one can be walked whole, and shown in every format
/// and in any room. Whether it is a record.
pub fn exercise(bytes: &[u8]) -> bool {
    let record = decode(bytes, &NoSites);
    let values = plain::values(bytes);
    assert_eq!(record.is_ok(), values.is_some(), "{record:?}");
    let Ok(record) = record else {
        return false;
    };
    let found: usize = record.fields().map(|field| count(field.value)).sum();
    assert_eq!(Some(found), values);
    assert!(record.args().iter().count() <= MAX_ARGS);
    let text = record.text().to_string();
    assert_eq!(record.message().is_some(), text != record.event());
    let _ = (record.logger(), record.levelno(), record.site());
    let _ = (record.file(), record.func(), record.exc());
    assert!(
        record.is_within(&record),
        "what is stored is equal to itself"
    );
    assert!(!record.has_ambient() || record.fields().next().is_some());
    let meta = Meta {
        seq: 1,
        ts_nsec: 2,
        wall_nsec: 3,
        level: 6,
        facility: 1,
        flags: 0,
        caller_id: 4,
        pid: 5,
        tid: 6,
    };
    let mut room = [0; 1 << 16];
    for size in [bytes.len() % 128, room.len()] {
        for format in FORMATS {
            let mut out = Out::new(&mut room[..size]);
            if render(format, &mut out, &meta, &record) {
                let text = core::str::from_utf8(out.written()).expect("what is shown is UTF-8");
                assert!(text.ends_with('\n'), "{format:?}: {text:?}");
            }
        }
    }
    true
}
