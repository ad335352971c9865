//! Ambient fields: fields as all others, of which a reader can tell that they were around the call.

mod call;
mod tree;

use call::call;
use pr_record::{Ambient, Field, NoSites, Payload, RecordView, Value, decode, encode, wire};
use proptest::prelude::*;

fn view(bytes: &[u8]) -> RecordView<'_> {
    decode(bytes, &NoSites).expect("a record")
}

/// A record with these fields, of which those from `from` to before `to` are ambient.
fn record(fields: &[(&str, Value<'_>)], from: usize, to: usize) -> Vec<u8> {
    let fields: Vec<Field<'_>> = fields
        .iter()
        .map(|(key, value)| Field { key, value: *value })
        .collect();
    let payload = Payload {
        event: "an event",
        fields: &fields,
        ambient: Ambient { from, to },
        ..Payload::default()
    };
    let mut bytes = vec![0; 512];
    let made = encode(&payload, &mut bytes);
    assert!(!made.truncated);
    bytes.truncate(made.len);
    bytes
}

fn is_within(inner: &[u8], outer: &[u8]) -> bool {
    view(inner).is_within(&view(outer))
}

#[test]
fn a_record_is_within_another_if_it_has_all_of_its_ambient_fields_with_the_same_values() {
    let (one, two) = (Value::Int(1), Value::Int(2));
    let outer = record(&[("request", one)], 0, 1);
    let nested = record(&[("request", one), ("step", Value::Str("x"))], 0, 2);
    let among_others = record(&[("a", two), ("request", one), ("b", two)], 1, 2);
    for inner in [&outer, &nested, &among_others] {
        assert!(is_within(inner, &outer));
    }
    assert!(is_within(&among_others, &outer));
    assert!(!is_within(&outer, &nested), "the outer one lacks the step");
    assert!(!is_within(&record(&[("request", two)], 0, 1), &outer));
    assert!(!is_within(&record(&[("reques", one)], 0, 1), &outer));
    let other_kind = record(&[("request", Value::Float(1.0))], 0, 1);
    assert!(!is_within(&other_kind, &outer));
}

#[test]
fn a_field_that_the_call_or_a_logger_gives_is_not_ambient() {
    let one = Value::Int(1);
    let outer = record(&[("request", one)], 0, 1);
    for given in [
        record(&[("request", one)], 0, 0),
        record(&[("request", one), ("other", one)], 1, 2),
        record(&[("other", one), ("request", one)], 0, 1),
    ] {
        assert!(!is_within(&given, &outer));
    }
    assert!(outer.len() == record(&[("request", one)], 0, 0).len() + 2);
}

#[test]
fn a_value_that_equals_nothing_is_the_same_where_it_is_stored_twice() {
    let outer = record(&[("x", Value::Float(f64::NAN))], 0, 1);
    assert!(is_within(&outer, &outer));
}

#[test]
fn every_record_is_within_one_without_ambient_fields() {
    let plain = record(&[("request", Value::Int(1))], 0, 0);
    assert!(!view(&plain).has_ambient());
    assert!(is_within(&plain, &plain));
    assert!(is_within(&record(&[("a", Value::Null)], 0, 1), &plain));
}

#[test]
fn marks_in_any_place_and_number_are_passed() {
    let bytes = b"\x01\x01\x01e\x82\x00\x82\x00\x13\x01a\x01\x82\x00\x03\x01l\x13\x01b\x02\x82\x02xy\x13\x01c\x03";
    let found = view(bytes);
    let keys: Vec<_> = found.fields().map(|field| field.key).collect();
    assert_eq!((keys.join(""), found.logger()), ("abc".into(), Some("l")));
    let only_b = record(&[("b", Value::Int(2))], 0, 1);
    assert!(is_within(bytes, &only_b) && is_within(&only_b, bytes));
}

#[test]
fn a_record_from_before_there_were_marks_has_the_same_bytes_as_ever() {
    let bytes = record(&[("a", Value::Int(1))], 0, 0);
    assert_eq!(bytes, b"\x01\x01\x08an event\x13\x01a\x01");
    assert_eq!(wire::MAX_PAYLOAD, 32 * 1024);
}

proptest! {
    #[test]
    fn marks_change_nothing_but_what_is_ambient(call in call()) {
        let marked = call.encoded(64 * 1024);
        let plain = call.with(|payload| {
            let mut bytes = vec![0; 64 * 1024];
            let len = encode(&Payload { ambient: Ambient::default(), ..*payload }, &mut bytes).len;
            bytes.truncate(len);
            bytes
        });
        let fields = |bytes| view(bytes).fields().map(|field| format!("{field:?}")).collect::<Vec<_>>();
        prop_assert_eq!(fields(&marked), fields(&plain));
        prop_assert_eq!(view(&marked).has_ambient(), !call.ambient().is_empty());
    }

    #[test]
    fn a_record_that_is_cut_keeps_its_ambient_fields_apart(call in call(), limit in 1_usize..300) {
        let whole = call.encoded(64 * 1024);
        let cut = call.encoded(limit);
        let cut = view(&cut);
        if cut.fields().count() == 0 {
            prop_assert!(!cut.has_ambient());
        }
        let ambient = call.ambient();
        let kept = cut.fields().count();
        if kept == call.fields.len() {
            prop_assert_eq!(cut.has_ambient(), !ambient.is_empty());
        } else if kept <= ambient.from && call.fields.iter().all(|(key, _)| key.len() < 16) {
            prop_assert!(!cut.has_ambient(), "those behind were left out");
        }
        prop_assert!(view(&whole).is_within(&view(&whole)));
    }
}
