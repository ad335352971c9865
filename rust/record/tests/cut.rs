//! What happens to a record that does not fit.

mod show;

use pr_record::{
    Ambient, Args, Encoded, Exc, Field, Format, NoSites, Payload, RecordView, Value, ValueWriter,
    decode, encode,
    wire::{MARK, MAX_PAYLOAD},
};
use show::{META, show_bytes};

fn fit(payload: &Payload<'_>, limit: usize) -> Vec<u8> {
    let mut buf = vec![0xee; limit + 8];
    let Encoded { len, .. } = encode(payload, &mut buf[..limit]);
    assert!(len <= limit);
    assert!(buf[limit..].iter().all(|byte| *byte == 0xee));
    buf.truncate(len);
    buf
}

fn view(bytes: &[u8]) -> RecordView<'_> {
    decode(bytes, &NoSites).expect("what was encoded is a record")
}

fn strs<'a>(view: &RecordView<'a>) -> Vec<(&'a str, &'a str)> {
    let text = |value| match value {
        Value::Str(text) => text,
        other => panic!("not a str: {other:?}"),
    };
    view.fields()
        .map(|field| (field.key, text(field.value)))
        .collect()
}

#[test]
fn what_fits_exactly_is_whole_and_one_byte_less_is_truncated() {
    let fields = [Field {
        key: "k",
        value: Value::Str("value"),
    }];
    let payload = Payload {
        event: "event",
        fields: &fields,
        ..Payload::default()
    };
    let mut buf = [0; 256];
    let whole = encode(&payload, &mut buf).len;
    let exact = encode(&payload, &mut buf[..whole]);
    assert_eq!(
        exact,
        Encoded {
            len: whole,
            truncated: false
        }
    );
    let less = encode(&payload, &mut buf[..whole - 1]);
    assert!(less.truncated && less.len < whole);
    assert!(view(&buf[..less.len]).truncated());
}

#[test]
fn the_longest_value_is_cut_and_short_ones_and_the_event_stay() {
    let long = "l".repeat(1_000_000);
    let fields = [
        Field {
            key: "id",
            value: Value::Str("abc123"),
        },
        Field {
            key: "blob",
            value: Value::Str(&long),
        },
        Field {
            key: "n",
            value: Value::Str(&long[..5000]),
        },
    ];
    let event = "e".repeat(9000);
    let bytes = fit(
        &Payload {
            event: &event,
            fields: &fields,
            ..Payload::default()
        },
        MAX_PAYLOAD,
    );
    assert!(
        bytes.len() > MAX_PAYLOAD - 8,
        "the space is used: {}",
        bytes.len()
    );
    let view = view(&bytes);
    assert!(view.truncated());
    assert_eq!(view.event(), event);
    let fields = strs(&view);
    assert_eq!(fields[0], ("id", "abc123"));
    assert!(fields[1].1.len() > 18_000 && fields[1].1.len() < 24_000);
    assert_eq!(fields[2].1.len(), 5000);
}

#[test]
fn the_longest_values_shrink_to_a_common_length() {
    let long = "l".repeat(3000);
    let fields: Vec<_> = [2000, 900, 3000, 10, 1500]
        .iter()
        .map(|len| Field {
            key: "k",
            value: Value::Str(&long[..*len]),
        })
        .collect();
    let bytes = fit(
        &Payload {
            event: "e",
            fields: &fields,
            ..Payload::default()
        },
        4096,
    );
    let view = view(&bytes);
    let lengths: Vec<_> = strs(&view).iter().map(|(_, text)| text.len()).collect();
    let cap = lengths[0];
    assert_eq!(lengths, [cap, 900, cap, 10, cap]);
    assert!((1040..1080).contains(&cap), "{cap}");
}

#[test]
fn the_event_is_cut_after_the_values_and_ends_in_the_mark() {
    let long = "v".repeat(50_000);
    let event = "e".repeat(50_000);
    let fields = [
        Field {
            key: "id",
            value: Value::Str("abc123"),
        },
        Field {
            key: "blob",
            value: Value::Str(&long),
        },
    ];
    let bytes = fit(
        &Payload {
            event: &event,
            fields: &fields,
            ..Payload::default()
        },
        MAX_PAYLOAD,
    );
    let view = view(&bytes);
    assert!(view.event().ends_with(MARK) && view.event().len() > MAX_PAYLOAD - 200);
    assert!(
        view.event()[..view.event().len() - MARK.len()]
            .bytes()
            .all(|byte| byte == b'e')
    );
    assert_eq!(strs(&view), [("id", "abc123"), ("blob", &long[..64])]);
}

#[test]
fn event_and_message_are_cut_alike() {
    let long = "x".repeat(4000);
    let payload = Payload {
        event: &long,
        message: Some(&long[..3999]),
        ..Payload::default()
    };
    let bytes = fit(&payload, 2000);
    let view = view(&bytes);
    let text = view.text().as_plain().unwrap();
    assert!(view.event().ends_with(MARK) && text.ends_with(MARK));
    assert_eq!(view.event().len(), text.len());
}

#[test]
fn cuts_are_made_between_characters() {
    for limit in 120..160 {
        let long = "äöü✓😀".repeat(100);
        let fields = [Field {
            key: "k",
            value: Value::Str(&long),
        }];
        let bytes = fit(
            &Payload {
                event: "e",
                fields: &fields,
                ..Payload::default()
            },
            limit,
        );
        let view = view(&bytes);
        let (_, text) = strs(&view)[0];
        assert!(
            long.starts_with(text) && text.len() >= 64,
            "{limit}: {}",
            text.len()
        );
        let bytes = fit(
            &Payload {
                event: &long,
                ..Payload::default()
            },
            limit,
        );
        let event = self::view(&bytes).event();
        assert!(long.starts_with(event.strip_suffix(MARK).expect("the mark")));
    }
}

#[test]
fn a_stack_trace_counts_as_a_long_value() {
    let trace = "  File x\n".repeat(2000);
    let exc = Exc {
        kind: "E",
        message: "short",
        stacktrace: &trace,
    };
    let bytes = fit(
        &Payload {
            event: "failed",
            exc: Some(exc),
            ..Payload::default()
        },
        1024,
    );
    let view = view(&bytes);
    let exc = view.exc().expect("the exception");
    assert_eq!(
        (view.event(), exc.kind, exc.message),
        ("failed", "E", "short")
    );
    assert!(trace.starts_with(exc.stacktrace) && exc.stacktrace.len() > 950);
}

#[test]
fn a_list_that_is_too_long_becomes_the_beginning_of_its_json() {
    let mut buf = [0; 4096];
    let mut writer = ValueWriter::new(&mut buf);
    writer.begin_list();
    (0..60).for_each(|_| writer.push(&Value::Str("0123456789 ü")));
    writer.end();
    let fields = [
        Field {
            key: "l",
            value: writer.finish().unwrap().value(),
        },
        Field {
            key: "n",
            value: Value::Int(5),
        },
    ];
    let bytes = fit(
        &Payload {
            event: "e",
            fields: &fields,
            ..Payload::default()
        },
        300,
    );
    let fields: Vec<_> = view(&bytes).fields().collect();
    let Value::Str(text) = fields[0].value else {
        panic!("a str")
    };
    assert!(
        text.starts_with(r#"["0123456789 ü","0123"#) && text.len() > 270,
        "{text}"
    );
    assert_eq!(
        fields[1],
        Field {
            key: "n",
            value: Value::Int(5)
        }
    );
}

#[test]
fn cut_bytes_stay_bytes_and_a_cut_decimal_becomes_a_str() {
    let bytes = [0xff; 500];
    let digits = "9".repeat(500);
    let fields = [
        Field {
            key: "b",
            value: Value::Bytes(&bytes),
        },
        Field {
            key: "d",
            value: Value::Decimal(&digits),
        },
    ];
    let encoded = fit(
        &Payload {
            event: "e",
            fields: &fields,
            ..Payload::default()
        },
        400,
    );
    let fields: Vec<_> = view(&encoded).fields().collect();
    assert!(matches!(fields[0].value, Value::Bytes(some) if some.len() > 180));
    assert!(matches!(fields[1].value, Value::Str(some) if digits.starts_with(some)));
}

#[test]
fn what_cannot_be_cut_is_left_out_from_the_end() {
    let fields: Vec<_> = (0..100)
        .map(|number| Field {
            key: "key",
            value: Value::Int(number + 1000),
        })
        .collect();
    let bytes = fit(
        &Payload {
            event: "event",
            fields: &fields,
            ..Payload::default()
        },
        200,
    );
    let view = view(&bytes);
    assert_eq!(view.event(), "event");
    let kept: Vec<_> = view.fields().collect();
    assert!(kept.len() >= 20);
    assert_eq!(kept, fields[..kept.len()]);
}

#[test]
fn a_gigantic_key_or_logger_does_not_push_out_the_rest() {
    let gigantic = "g".repeat(1_000_000);
    let fields = [
        Field {
            key: "a",
            value: Value::Int(1),
        },
        Field {
            key: &gigantic,
            value: Value::Int(2),
        },
        Field {
            key: "c",
            value: Value::Int(3),
        },
    ];
    let payload = Payload {
        event: "e",
        logger: Some(&gigantic),
        fields: &fields,
        ..Payload::default()
    };
    let bytes = fit(&payload, MAX_PAYLOAD);
    let view = view(&bytes);
    assert_eq!(
        (view.event(), view.logger().map(str::len)),
        ("e", Some(MAX_PAYLOAD / 16))
    );
    let keys: Vec<_> = view.fields().map(|field| field.key).collect();
    assert_eq!(keys, ["a", "c"]);
}

#[test]
fn no_space_is_too_small() {
    let long = "ü".repeat(100);
    let mut buf = [0; 256];
    let mut writer = ValueWriter::new(&mut buf);
    writer.begin_list();
    writer.push(&Value::Str(&long[..100]));
    writer.end();
    let list = writer.finish().unwrap().value();
    let fields = [
        Field {
            key: "k",
            value: Value::Str(&long),
        },
        Field {
            key: "l",
            value: list,
        },
        Field {
            key: "n",
            value: Value::Int(1),
        },
    ];
    let payload = Payload {
        event: &long,
        message: Some(&long[2..]),
        args: Args::NONE,
        logger: Some("logger"),
        levelno: Some(1),
        file: Some("file"),
        line: 1,
        func: Some("func"),
        exc: Some(Exc {
            kind: "K",
            message: "m",
            stacktrace: &long,
        }),
        fields: &fields,
        ambient: Ambient { from: 0, to: 1 },
        site: None,
    };
    let mut last = 0;
    for limit in 0..700 {
        let bytes = fit(&payload, limit);
        let view = view(&bytes);
        assert!(view.truncated(), "{limit}");
        assert!(limit < 16 || !view.event().is_empty(), "{limit}");
        last = last.max(bytes.len());
    }
    assert!(last > 690);
}

#[test]
fn never_more_than_the_longest_payload_is_written() {
    let long = "x".repeat(100_000);
    let mut buf = vec![0; 200_000];
    let made = encode(
        &Payload {
            event: &long,
            ..Payload::default()
        },
        &mut buf,
    );
    assert!(made.truncated && made.len <= MAX_PAYLOAD && made.len > MAX_PAYLOAD - 8);
}

#[test]
fn the_text_of_a_truncated_record_ends_in_the_mark() {
    let long = "v w".repeat(20_000);
    let fields = [Field {
        key: "blob",
        value: Value::Str(&long),
    }];
    let value_cut = Payload {
        event: "e",
        fields: &fields,
        ..Payload::default()
    };
    let event_cut = Payload {
        event: &long,
        ..Payload::default()
    };
    let exc = Exc {
        kind: "K",
        message: "m",
        stacktrace: &long,
    };
    let trace_cut = Payload {
        event: "e",
        exc: Some(exc),
        ..Payload::default()
    };
    for payload in [value_cut, event_cut, trace_cut] {
        let bytes = fit(&payload, 1000);
        for format in [Format::Text, Format::Iso, Format::Syslog] {
            let text = show_bytes(format, &META, &bytes);
            assert!(text.ends_with("<truncated>\n"), "{text}");
            assert!(!text.ends_with("<truncated> <truncated>\n"), "{text}");
        }
        let json = show_bytes(Format::Json, &META, &bytes);
        assert!(json.ends_with(",\"truncated\":true}\n"), "{json}");
    }
}
