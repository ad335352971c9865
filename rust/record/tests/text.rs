//! The text format, sentence by sentence of the contract; iso and syslog where they differ.

mod show;

use pr_record::{Exc, Field, Format, Meta, Payload, Raw, Value, ValueWriter};
use show::{META, encoded, show, show_bytes};

fn text(payload: &Payload<'_>) -> String {
    show(Format::Text, payload)
}

fn field_text(value: Value<'_>) -> String {
    let fields = [Field { key: "k", value }];
    let line = text(&Payload {
        event: "e",
        fields: &fields,
        ..Payload::default()
    });
    let value = line
        .strip_prefix("[   12.345678] e k=")
        .expect("the fixed part");
    value
        .strip_suffix('\n')
        .expect("a final newline")
        .to_string()
}

#[test]
fn a_record_is_time_logger_message_and_fields_in_order() {
    let fields = [
        Field {
            key: "k",
            value: Value::Str("v"),
        },
        Field {
            key: "k2",
            value: Value::Str("a b"),
        },
        Field {
            key: "a",
            value: Value::Int(1),
        },
    ];
    let payload = Payload {
        event: "started",
        logger: Some("app.web"),
        fields: &fields,
        ..Payload::default()
    };
    assert_eq!(
        text(&payload),
        "[   12.345678] app.web: started k=v k2=\"a b\" a=1\n"
    );
}

#[test]
fn the_logger_is_omitted_when_there_is_none() {
    assert_eq!(
        text(&Payload {
            event: "up",
            ..Payload::default()
        }),
        "[   12.345678] up\n"
    );
}

#[test]
fn the_rendered_message_is_shown_instead_of_the_event() {
    let payload = Payload {
        event: "x=%d",
        message: Some("x=5"),
        ..Payload::default()
    };
    assert_eq!(text(&payload), "[   12.345678] x=5\n");
}

#[test]
fn seconds_are_padded_to_five_places() {
    let bytes = encoded(&Payload {
        event: "e",
        ..Payload::default()
    });
    let at = |ts_nsec| show_bytes(Format::Text, &Meta { ts_nsec, ..META }, &bytes);
    assert_eq!(at(1_234_567_000), "[    1.234567] e\n");
    assert_eq!(at(123_456_000_001_999), "[123456.000001] e\n");
}

#[test]
fn a_str_value_is_bare_if_it_is_made_of_the_bare_characters() {
    for bare in [
        "x",
        "A-Z_a.z:0/9+",
        "2026-11-20T10:11:12+00:00",
        "/tmp/x.ring",
        "-",
    ] {
        assert_eq!(field_text(Value::Str(bare)), bare);
    }
}

#[test]
fn any_other_str_value_is_a_json_string_that_keeps_non_ascii() {
    assert_eq!(field_text(Value::Str("")), r#""""#);
    assert_eq!(field_text(Value::Str("a b")), r#""a b""#);
    assert_eq!(field_text(Value::Str("a=b")), r#""a=b""#);
    assert_eq!(field_text(Value::Str("grün ✓ 日本")), "\"grün ✓ 日本\"");
    assert_eq!(
        field_text(Value::Str("\"\\\n\r\t\u{8}\u{c}\u{1b}\0")),
        r#""\"\\\n\r\t\b\f\u001b\u0000""#
    );
}

#[test]
fn other_values_are_written_as_in_json() {
    assert_eq!(field_text(Value::Null), "null");
    assert_eq!(field_text(Value::Bool(true)), "true");
    assert_eq!(field_text(Value::Bool(false)), "false");
    assert_eq!(field_text(Value::Float(2.5)), "2.5");
    assert_eq!(field_text(Value::Int(i64::MIN)), "-9223372036854775808");
    assert_eq!(field_text(Value::UInt(u64::MAX)), "18446744073709551615");
}

#[test]
fn what_json_writes_as_a_string_follows_the_str_rule() {
    assert_eq!(field_text(Value::Float(f64::NAN)), "NaN");
    assert_eq!(field_text(Value::Float(f64::NEG_INFINITY)), "-Infinity");
    assert_eq!(field_text(Value::Decimal("12.50")), "12.50");
    assert_eq!(field_text(Value::Path("/a b")), "\"/a b\"");
    assert_eq!(
        field_text(Value::DateTime("2026-11-20 10:11")),
        "\"2026-11-20 10:11\""
    );
    assert_eq!(field_text(Value::Bytes(b"ok")), "ok");
    assert_eq!(
        field_text(Value::Bytes(b"\x00\xff \"")),
        r#""\\x00\\xff \"""#
    );
    let uuid = *b"\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0";
    assert_eq!(
        field_text(Value::Uuid(uuid)),
        "12345678-9abc-def0-1234-56789abcdef0"
    );
}

#[test]
fn a_list_or_dict_is_compact_json() {
    let mut buf = [0; 128];
    let mut writer = ValueWriter::new(&mut buf);
    writer.begin_dict();
    writer.key("a b");
    writer.begin_list();
    writer.push(&Value::Str("a"));
    writer.push(&Value::Str("b"));
    writer.push(&Value::Float(f64::INFINITY));
    writer.end();
    writer.key("n");
    writer.push(&Value::Null);
    writer.end();
    let value = writer.finish().unwrap().value();
    assert_eq!(
        field_text(value),
        r#"{"a b":["a","b","Infinity"],"n":null}"#
    );
    let mut buf = [0; 8];
    let mut writer = ValueWriter::new(&mut buf);
    writer.begin_list();
    writer.end();
    assert_eq!(field_text(writer.finish().unwrap().value()), "[]");
}

#[test]
fn an_enum_and_a_numpy_scalar_are_shown_by_their_values() {
    let mut buf = [0; 16];
    let value = Raw::encode(&Value::Str("red hot"), &mut buf).unwrap();
    assert_eq!(
        field_text(Value::Enum {
            name: "Colour.RED",
            value
        }),
        "\"red hot\""
    );
    let mut buf = [0; 16];
    let value = Raw::encode(&Value::Float(0.5), &mut buf).unwrap();
    assert_eq!(
        field_text(Value::Numpy {
            dtype: "float32",
            value
        }),
        "0.5"
    );
}

#[test]
fn a_newline_in_the_message_starts_a_further_line_with_a_bar() {
    let fields = [Field {
        key: "k",
        value: Value::Int(1),
    }];
    let payload = Payload {
        event: "one\ntwo\n\nfour",
        logger: Some("app"),
        fields: &fields,
        ..Payload::default()
    };
    assert_eq!(
        text(&payload),
        "[   12.345678] app: one\n[   12.345678]|two\n[   12.345678]|\n[   12.345678]|four k=1\n"
    );
}

#[test]
fn in_keys_and_logger_names_a_newline_is_escaped() {
    let fields = [Field {
        key: "k\n2",
        value: Value::Int(1),
    }];
    let payload = Payload {
        event: "e",
        logger: Some("a\nb\u{1b}"),
        fields: &fields,
        ..Payload::default()
    };
    assert_eq!(text(&payload), "[   12.345678] a\\x0ab\\x1b: e k\\x0a2=1\n");
}

#[test]
fn traceback_lines_follow_as_further_lines() {
    let exc = Exc {
        kind: "ValueError",
        message: "bad",
        stacktrace: "Traceback (most recent call last):\n  File \"x.py\"\nValueError: bad\n",
    };
    let fields = [Field {
        key: "k",
        value: Value::Int(1),
    }];
    let payload = Payload {
        event: "failed",
        exc: Some(exc),
        fields: &fields,
        ..Payload::default()
    };
    assert_eq!(
        text(&payload),
        "[   12.345678] failed k=1\n\
         [   12.345678]|Traceback (most recent call last):\n\
         [   12.345678]|  File \"x.py\"\n\
         [   12.345678]|ValueError: bad\n"
    );
}

#[test]
fn an_exception_without_a_traceback_is_told_in_one_line() {
    let exc = Exc {
        kind: "ValueError",
        message: "bad",
        stacktrace: "",
    };
    let payload = Payload {
        event: "failed",
        exc: Some(exc),
        ..Payload::default()
    };
    assert_eq!(
        text(&payload),
        "[   12.345678] failed\n[   12.345678]|ValueError: bad\n"
    );
}

#[test]
fn controls_are_written_as_hexadecimal_bytes_and_a_backslash_stays_itself() {
    let event = "a\tb\\c\r\u{0}\u{1b}[31m\u{7f}\u{85}\u{9b}2J\u{a0}\u{2028}\u{2029}";
    assert_eq!(
        text(&Payload {
            event,
            ..Payload::default()
        }),
        "[   12.345678] a\tb\\c\\x0d\\x00\\x1b[31m\\x7f\\xc2\\x85\\xc2\\x9b2J\u{a0}\
         \\xe2\\x80\\xa8\\xe2\\x80\\xa9\n"
    );
}

#[test]
fn every_bidirectional_control_is_escaped_and_its_neighbours_are_not() {
    let controls = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
    for control in controls.chars() {
        let mut utf8 = [0; 4];
        let expected: String = control
            .encode_utf8(&mut utf8)
            .bytes()
            .map(|byte| format!("\\x{byte:02x}"))
            .collect();
        let event = format!("x{control}y");
        let line = text(&Payload {
            event: &event,
            ..Payload::default()
        });
        assert_eq!(line, format!("[   12.345678] x{expected}y\n"));
        let quoted = field_text(Value::Str(&event));
        assert_eq!(quoted, format!("\"x{expected}y\""));
    }
    let kept = "\u{61b}\u{61d}\u{200d}\u{2010}\u{2027}\u{202f}\u{2065}\u{206a}\u{a0}\u{ff}";
    let line = text(&Payload {
        event: kept,
        ..Payload::default()
    });
    assert_eq!(line, format!("[   12.345678] {kept}\n"));
}

#[test]
fn inside_of_quotes_wide_controls_are_hexadecimal_bytes_and_backslashes_doubled() {
    assert_eq!(
        field_text(Value::Str("\u{7f}\u{9b}\u{2028}\u{202e}\\x7f")),
        r#""\x7f\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\\x7f""#
    );
}

#[test]
fn controls_inside_of_lists_are_escaped_too() {
    let mut buf = [0; 64];
    let mut writer = ValueWriter::new(&mut buf);
    writer.begin_list();
    writer.push(&Value::Str("\u{1b}\u{9b}\n"));
    writer.end();
    assert_eq!(
        field_text(writer.finish().unwrap().value()),
        r#"["\u001b\xc2\x9b\n"]"#
    );
}

#[test]
fn long_texts_are_escaped_wherever_the_control_stands() {
    for at in 0..70 {
        let mut event = "x".repeat(70);
        event.replace_range(at..=at, "\u{1b}");
        let shown = event.replace('\u{1b}', "\\x1b");
        let line = text(&Payload {
            event: &event,
            ..Payload::default()
        });
        assert_eq!(line, format!("[   12.345678] {shown}\n"));
        let shown = event.replace('\u{1b}', "\\u001b");
        assert_eq!(field_text(Value::Str(&event)), format!("\"{shown}\""));
    }
}

#[test]
fn no_message_can_begin_a_line_as_a_record_or_notice_does() {
    let event = "x\n[    1.000000] forged\n** 9 printk messages dropped **\r\n<3>[    1.0] y";
    let line = text(&Payload {
        event,
        ..Payload::default()
    });
    let mut lines = line.lines();
    assert_eq!(lines.next(), Some("[   12.345678] x"));
    assert!(lines.clone().count() == 3);
    assert!(lines.all(|line| line.starts_with("[   12.345678]|")));
}

#[test]
fn iso_is_utc_with_six_digits_and_the_level_name() {
    let fields = [Field {
        key: "k",
        value: Value::Str("v"),
    }];
    let payload = Payload {
        event: "one\ntwo",
        logger: Some("app"),
        fields: &fields,
        ..Payload::default()
    };
    assert_eq!(
        show(Format::Iso, &payload),
        "2026-11-20T10:11:12.123456Z INFO app: one\n2026-11-20T10:11:12.123456Z|two k=v\n"
    );
}

#[test]
fn iso_names_every_level() {
    let bytes = encoded(&Payload {
        event: "e",
        ..Payload::default()
    });
    for level in pr_record::level::LEVELS {
        let meta = Meta {
            level: level.number(),
            ..META
        };
        let line = show_bytes(Format::Iso, &meta, &bytes);
        assert_eq!(
            line,
            format!("2026-11-20T10:11:12.123456Z {} e\n", level.name())
        );
    }
}

#[test]
fn syslog_is_the_priority_before_each_line_of_text() {
    let payload = Payload {
        event: "one\ntwo",
        logger: Some("app"),
        ..Payload::default()
    };
    assert_eq!(
        show(Format::Syslog, &payload),
        "<14>[   12.345678] app: one\n<14>[   12.345678]|two\n"
    );
    let meta = Meta {
        facility: 255,
        level: 0,
        ts_nsec: u64::MAX,
        ..META
    };
    assert_eq!(
        show_bytes(Format::Syslog, &meta, &encoded(&payload)),
        "<2040>[18446744073.709551] app: one\n<2040>[18446744073.709551]|two\n"
    );
}
