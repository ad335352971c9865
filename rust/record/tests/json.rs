//! JSON lines, sentence by sentence of the contract.

mod show;

use pr_record::{Exc, Field, Format, Meta, Payload, Raw, Value, ValueWriter};
use show::{META, encoded, show, show_bytes};

const HEAD: &str = r#"{"ts":"2026-11-20T10:11:12.123456789Z","level":"INFO","#;
const IDS: &str = r#""seq":7,"pid":4242,"tid":4243"#;

fn json(payload: &Payload<'_>) -> String {
    show(Format::Json, payload)
}

/// What stands behind the parts that every record has.
fn rest(fields: &[Field<'_>]) -> String {
    let line = json(&Payload {
        event: "e",
        fields,
        ..Payload::default()
    });
    let head = format!("{HEAD}\"event\":\"e\",{IDS}");
    line.strip_prefix(&head)
        .expect("the fixed part")
        .strip_suffix("}\n")
        .unwrap()
        .to_string()
}

fn value(value: Value<'_>) -> String {
    let rest = rest(&[Field { key: "k", value }]);
    rest.strip_prefix(",\"k\":").expect("the key").to_string()
}

fn int(key: &str, number: i64) -> Field<'_> {
    Field {
        key,
        value: Value::Int(number),
    }
}

#[test]
fn a_line_is_flat_with_time_level_logger_event_ids_and_fields() {
    let fields = [
        int("a", 1),
        Field {
            key: "b",
            value: Value::Str("x y"),
        },
    ];
    let payload = Payload {
        event: "started",
        logger: Some("app"),
        fields: &fields,
        ..Payload::default()
    };
    assert_eq!(
        json(&payload),
        format!("{HEAD}\"logger\":\"app\",\"event\":\"started\",{IDS},\"a\":1,\"b\":\"x y\"}}\n")
    );
}

#[test]
fn the_message_is_there_only_where_it_differs_from_the_event() {
    let differs = Payload {
        event: "x=%d",
        message: Some("x=5"),
        ..Payload::default()
    };
    assert_eq!(
        json(&differs),
        format!("{HEAD}\"event\":\"x=%d\",\"message\":\"x=5\",{IDS}}}\n")
    );
    let same = Payload {
        event: "x",
        message: Some("x"),
        ..Payload::default()
    };
    assert_eq!(json(&same), format!("{HEAD}\"event\":\"x\",{IDS}}}\n"));
}

#[test]
fn the_level_is_its_name() {
    let bytes = encoded(&Payload {
        event: "e",
        ..Payload::default()
    });
    for level in pr_record::level::LEVELS {
        let line = show_bytes(
            Format::Json,
            &Meta {
                level: level.number(),
                ..META
            },
            &bytes,
        );
        assert!(
            line.contains(&format!("\"level\":\"{}\"", level.name())),
            "{line}"
        );
    }
}

#[test]
fn file_line_and_func_are_there_when_known() {
    let payload = Payload {
        event: "e",
        file: Some("/srv/a.py"),
        line: 12,
        func: Some("main"),
        levelno: Some(21),
        ..Payload::default()
    };
    let source = r#""file":"/srv/a.py","line":12,"func":"main""#;
    assert_eq!(
        json(&payload),
        format!("{HEAD}\"event\":\"e\",{IDS},{source}}}\n")
    );
}

#[test]
fn an_exception_has_type_message_and_stacktrace() {
    let exc = Exc {
        kind: "ValueError",
        message: "bad",
        stacktrace: "T:\n  x\n",
    };
    let payload = Payload {
        event: "e",
        exc: Some(exc),
        ..Payload::default()
    };
    let told = r#""exception":{"type":"ValueError","message":"bad","stacktrace":"T:\n  x\n"}"#;
    assert_eq!(
        json(&payload),
        format!("{HEAD}\"event\":\"e\",{IDS},{told}}}\n")
    );
}

#[test]
fn every_reserved_name_gets_a_trailing_underscore() {
    let reserved = [
        "ts",
        "level",
        "logger",
        "event",
        "message",
        "seq",
        "pid",
        "tid",
        "file",
        "line",
        "func",
        "exception",
        "truncated",
        "dropped",
    ];
    for key in reserved {
        assert_eq!(rest(&[int(key, 1)]), format!(",\"{key}_\":1"));
    }
    for key in ["first_seq", "levelno", "TS", "tss", "", "seq_"] {
        assert_eq!(rest(&[int(key, 1)]), format!(",\"{key}\":1"));
    }
}

#[test]
fn underscores_are_added_until_the_name_is_free_of_other_fields_too() {
    assert_eq!(
        rest(&[int("seq", 1), int("seq_", 2)]),
        ",\"seq__\":1,\"seq_\":2"
    );
    assert_eq!(
        rest(&[int("seq_", 2), int("seq", 1)]),
        ",\"seq_\":2,\"seq__\":1"
    );
    assert_eq!(
        rest(&[
            int("seq__", 3),
            int("seq", 1),
            int("seq_", 2),
            int("seq_x", 4)
        ]),
        ",\"seq__\":3,\"seq___\":1,\"seq_\":2,\"seq_x\":4"
    );
}

#[test]
fn of_fields_with_the_same_key_the_last_one_counts() {
    assert_eq!(
        rest(&[int("a", 1), int("b", 2), int("a", 3)]),
        ",\"b\":2,\"a\":3"
    );
    assert_eq!(rest(&[int("seq", 1), int("seq", 2)]), ",\"seq_\":2");
}

#[test]
fn in_a_record_of_many_fields_each_name_is_there_once_too() {
    let keys: Vec<String> = (0..3000)
        .map(|number| format!("k{}", number % 2000))
        .collect();
    let fields: Vec<_> = keys
        .iter()
        .zip(0..)
        .map(|(key, number)| int(key, number))
        .collect();
    let line = json(&Payload {
        event: "e",
        fields: &fields,
        ..Payload::default()
    });
    assert!(!line.contains("truncated"));
    for number in 0..2000 {
        let last = if number < 1000 { number + 2000 } else { number };
        assert_eq!(line.matches(&format!("\"k{number}\":")).count(), 1);
        assert!(line.contains(&format!("\"k{number}\":{last}")), "{number}");
    }
}

#[test]
fn nan_and_infinities_are_strings() {
    assert_eq!(value(Value::Float(f64::NAN)), "\"NaN\"");
    assert_eq!(value(Value::Float(f64::INFINITY)), "\"Infinity\"");
    assert_eq!(value(Value::Float(f64::NEG_INFINITY)), "\"-Infinity\"");
}

#[test]
fn ints_keep_all_digits() {
    assert_eq!(value(Value::Int(i64::MIN)), "-9223372036854775808");
    assert_eq!(value(Value::Int(i64::MAX)), "9223372036854775807");
    assert_eq!(value(Value::UInt(u64::MAX)), "18446744073709551615");
    assert_eq!(value(Value::UInt(5)), "5");
    for number in [
        0i64, 9, 10, 99, 100, -1, -10, 12_345, 1_000_000, 127, 128, -128, -129,
    ] {
        assert_eq!(value(Value::Int(number)), number.to_string());
    }
    let mut power = 1u64;
    for _ in 0..20 {
        for number in [power - 1, power, power + 1] {
            assert_eq!(value(Value::UInt(number)), number.to_string());
        }
        power = power.saturating_mul(10);
    }
}

#[test]
fn bytes_are_strings_with_hexadecimal_escapes() {
    assert_eq!(value(Value::Bytes(b"")), "\"\"");
    assert_eq!(
        value(Value::Bytes(b"ab \"\\\x00\x1b\xff\n")),
        r#""ab \"\\x5c\\x00\\x1b\\xff\\x0a""#
    );
}

#[test]
fn decimal_uuid_path_and_datetime_are_strings() {
    assert_eq!(value(Value::Decimal("1.50")), "\"1.50\"");
    assert_eq!(value(Value::Path("/a")), "\"/a\"");
    assert_eq!(
        value(Value::DateTime("2026-01-02T03:04:05")),
        "\"2026-01-02T03:04:05\""
    );
    assert_eq!(
        value(Value::Uuid([0xab; 16])),
        "\"abababab-abab-abab-abab-abababababab\""
    );
}

#[test]
fn an_enum_and_a_numpy_scalar_are_their_values() {
    let mut buf = [0; 16];
    let inner = Raw::encode(&Value::Int(3), &mut buf).unwrap();
    assert_eq!(
        value(Value::Enum {
            name: "Colour.RED",
            value: inner
        }),
        "3"
    );
    assert_eq!(
        value(Value::Numpy {
            dtype: "int64",
            value: inner
        }),
        "3"
    );
}

#[test]
fn nested_values_are_arrays_and_objects() {
    let mut buf = [0; 128];
    let mut writer = ValueWriter::new(&mut buf);
    writer.begin_list();
    writer.push(&Value::Bool(true));
    writer.begin_dict();
    writer.key("ts");
    writer.push(&Value::Float(f64::NAN));
    writer.key("b");
    writer.push(&Value::Bytes(b"\xff"));
    writer.end();
    writer.begin_dict();
    writer.end();
    writer.end();
    let nested = writer.finish().unwrap().value();
    assert_eq!(value(nested), r#"[true,{"ts":"NaN","b":"\\xff"},{}]"#);
}

#[test]
fn strings_keep_non_ascii_and_escape_whatever_acts_on_a_terminal() {
    assert_eq!(value(Value::Str("grün ✓ 😀")), "\"grün ✓ 😀\"");
    assert_eq!(
        value(Value::Str("\"\\/\n\r\t\u{8}\u{c}\0\u{1f}")),
        r#""\"\\/\n\r\t\b\f\u0000\u001f""#
    );
    assert_eq!(
        value(Value::Str(
            "\u{7f}\u{80}\u{9b}\u{9f}\u{61c}\u{200e}\u{2028}\u{202e}\u{2069}"
        )),
        r#""\u007f\u0080\u009b\u009f\u061c\u200e\u2028\u202e\u2069""#
    );
}

#[test]
fn keys_are_escaped_as_strings_are() {
    let rest = rest(&[int("a\":1,\"b\n\u{9b}", 1)]);
    assert_eq!(rest, r#","a\":1,\"b\n\u009b":1"#);
}
