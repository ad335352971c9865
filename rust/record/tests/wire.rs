//! The layout, the total decoder, and nested values.

use pr_record::{
    Ambient, Args, DecodeError, Exc, Field, FromSite, NoSites, Payload, Raw, RecordView, Site,
    Sites, Value, ValueWriter, decode, decode::UNKNOWN_SITE, encode, encode_open, wire,
};

fn encoded(payload: &Payload<'_>) -> Vec<u8> {
    let mut buf = vec![0xee; 4096];
    let made = encode(payload, &mut buf);
    assert!(!made.truncated);
    buf.truncate(made.len);
    buf
}

fn view(bytes: &[u8]) -> RecordView<'_> {
    decode(bytes, &NoSites).expect("a record")
}

fn field_bytes(value: Value<'_>) -> Vec<u8> {
    let fields = [Field { key: "k", value }];
    let bytes = encoded(&Payload {
        event: "",
        fields: &fields,
        ..Payload::default()
    });
    bytes
        .strip_prefix(&[0x01, 0x01, 0x00])
        .expect("head and event")
        .to_vec()
}

fn back(value: Value<'_>) -> String {
    let fields = [Field { key: "k", value }];
    let bytes = encoded(&Payload {
        event: "",
        fields: &fields,
        ..Payload::default()
    });
    let fields: Vec<_> = view(&bytes).fields().collect();
    assert_eq!(fields.len(), 1);
    format!("{:?}", fields[0].value)
}

#[test]
fn the_layout_is_the_documented_one_byte_by_byte() {
    let fields = [
        Field {
            key: "a",
            value: Value::Int(1),
        },
        Field {
            key: "bc",
            value: Value::Str("x"),
        },
    ];
    let payload = Payload {
        event: "ev",
        message: Some("me"),
        args: Args::NONE,
        logger: Some("lo"),
        levelno: Some(-2),
        file: Some("f"),
        line: 0x0102,
        func: Some("g"),
        exc: Some(Exc {
            kind: "K",
            message: "",
            stacktrace: "s",
        }),
        fields: &fields,
        ambient: Ambient { from: 1, to: 2 },
        site: None,
    };
    let expected: &[u8] = b"\x01\
        \x01\x02ev\x03\x02lo\x02\x02me\x04\xfe\xff\xff\xff\x05\x01f\x06\x02\x01\0\0\x07\x01g\
        \x08\x01K\x00\x01s\x13\x01a\x01\x82\x00\x19\x02bc\x01x";
    assert_eq!(encoded(&payload), expected);
    let at_site = Payload {
        ambient: Ambient { from: 0, to: 1 },
        site: Some(FromSite {
            id: 0x0102_0304,
            table: 1,
            has_event: true,
            has_logger: true,
            named_from: 1,
        }),
        ..payload
    };
    let expected: &[u8] = b"\x01\
        \x80\x04\x04\x03\x02\x01\x02\x02me\x04\xfe\xff\xff\xff\x05\x01f\x06\x02\x01\0\0\x07\x01g\
        \x08\x01K\x00\x01s\x82\x00\x13\x01a\x01\x82\x00\x83\x83\x00\x19\x01x";
    assert_eq!(encoded(&at_site), expected);
    let site = Site {
        event: Some("ev"),
        logger: Some("lo"),
        line: 7,
        which: 0x0102,
        ..Site::default()
    };
    let mut room = [0; 40];
    let len = site.write(["bc"].into_iter(), &mut room).unwrap();
    let expected = b"\x01\x01\x02ev\x03\x02lo\x06\x07\0\0\0\x85\x04\x02\x01\0\0\x84\x83\x00\x02bc";
    assert_eq!(&room[..len], expected);
}

#[test]
fn every_kind_of_value_has_its_documented_bytes() {
    assert_eq!(field_bytes(Value::Null), b"\x10\x01k");
    assert_eq!(field_bytes(Value::Bool(false)), b"\x11\x01k");
    assert_eq!(field_bytes(Value::Bool(true)), b"\x12\x01k");
    assert_eq!(field_bytes(Value::Int(-128)), b"\x13\x01k\x80");
    assert_eq!(field_bytes(Value::Int(128)), b"\x14\x01k\x80\x00");
    assert_eq!(
        field_bytes(Value::Int(-32_769)),
        b"\x15\x01k\xff\x7f\xff\xff"
    );
    assert_eq!(
        field_bytes(Value::Int(1 << 31)),
        b"\x16\x01k\0\0\0\x80\0\0\0\0"
    );
    assert_eq!(field_bytes(Value::UInt(7)), b"\x13\x01k\x07");
    assert_eq!(
        field_bytes(Value::UInt(u64::MAX)),
        b"\x17\x01k\xff\xff\xff\xff\xff\xff\xff\xff"
    );
    assert_eq!(
        field_bytes(Value::Float(1.0)),
        b"\x18\x01k\0\0\0\0\0\0\xf0\x3f"
    );
    assert_eq!(field_bytes(Value::Str("s")), b"\x19\x01k\x01s");
    assert_eq!(field_bytes(Value::Bytes(b"\xff")), b"\x1a\x01k\x01\xff");
    assert_eq!(field_bytes(Value::DateTime("d")), b"\x1b\x01k\x01d");
    assert_eq!(
        field_bytes(Value::Uuid(*b"0123456789abcdef")),
        b"\x1c\x01k0123456789abcdef"
    );
    assert_eq!(field_bytes(Value::Decimal("1")), b"\x1d\x01k\x011");
    assert_eq!(field_bytes(Value::Path("p")), b"\x1e\x01k\x01p");
    let mut buf = [0; 8];
    let value = Raw::encode(&Value::Int(3), &mut buf).unwrap();
    assert_eq!(
        field_bytes(Value::Enum { name: "C.R", value }),
        b"\x1f\x01k\x03C.R\x13\x03"
    );
    assert_eq!(
        field_bytes(Value::Numpy { dtype: "i8", value }),
        b"\x20\x01k\x02i8\x13\x03"
    );
}

#[test]
fn lists_and_dicts_are_preceded_by_their_size() {
    let mut buf = [0; 32];
    let mut writer = ValueWriter::new(&mut buf);
    writer.begin_dict();
    writer.key("l");
    writer.begin_list();
    writer.push(&Value::Null);
    writer.push(&Value::Int(1));
    writer.end();
    writer.end();
    let value = writer.finish().unwrap().value();
    assert_eq!(
        field_bytes(value),
        b"\x22\x01k\x08\0\x01l\x21\x03\0\x10\x13\x01"
    );
}

#[test]
fn lengths_from_128_on_take_two_bytes() {
    for len in [0, 1, 127, 128, 129, 255, 256, 2000] {
        let event = "x".repeat(len);
        let bytes = encoded(&Payload {
            event: &event,
            ..Payload::default()
        });
        assert_eq!(bytes.len(), 2 + len + if len < 128 { 1 } else { 2 });
        assert_eq!(view(&bytes).event(), event);
    }
    let bytes = encoded(&Payload {
        event: &"x".repeat(300),
        ..Payload::default()
    });
    assert_eq!(bytes.get(1..4), Some(b"\x01\xac\x02".as_slice()));
}

#[test]
fn everything_comes_back_as_it_was() {
    let exc = Exc {
        kind: "K",
        message: "m",
        stacktrace: "s\nt",
    };
    let fields = [Field {
        key: "grün",
        value: Value::Str("✓"),
    }];
    let payload = Payload {
        event: "e",
        message: Some("m"),
        args: Args::NONE,
        logger: Some(""),
        levelno: Some(i32::MIN),
        file: Some("f"),
        line: u32::MAX,
        func: Some("g"),
        exc: Some(exc),
        fields: &fields,
        ambient: Ambient::default(),
        site: None,
    };
    let bytes = encoded(&payload);
    let view = view(&bytes);
    assert_eq!((view.event(), view.text().as_plain()), ("e", Some("m")));
    assert!(view.message().is_some_and(|message| message == "m"));
    assert_eq!((view.logger(), view.levelno()), (Some(""), Some(i32::MIN)));
    assert_eq!(
        (view.file(), view.line(), view.func()),
        (Some("f"), u32::MAX, Some("g"))
    );
    assert_eq!(
        (view.exc(), view.truncated(), view.site()),
        (Some(exc), false, None)
    );
    assert_eq!(view.fields().collect::<Vec<_>>(), fields);
}

#[test]
fn every_line_number_but_zero_is_kept() {
    for line in [0, 1, 2, 255, 256, u32::MAX] {
        let bytes = encoded(&Payload {
            event: "e",
            line,
            ..Payload::default()
        });
        assert_eq!(view(&bytes).line(), line);
        assert_eq!(bytes.len(), if line == 0 { 4 } else { 9 });
    }
}

#[test]
fn what_was_not_said_is_not_there() {
    let bytes = encoded(&Payload {
        event: "e",
        ..Payload::default()
    });
    let view = view(&bytes);
    assert!(view.message().is_none());
    assert_eq!((view.text().as_plain(), view.logger()), (Some("e"), None));
    assert_eq!(
        (view.levelno(), view.file(), view.line(), view.func()),
        (None, None, 0, None)
    );
    assert_eq!((view.exc(), view.fields().count()), (None, 0));
}

#[test]
fn values_come_back_with_their_types() {
    for value in [
        Value::Null,
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::UInt(u64::MAX),
        Value::Float(-0.0),
        Value::Float(f64::NAN),
        Value::Str("s"),
        Value::Bytes(b"\0\xff"),
        Value::DateTime("2026"),
        Value::Uuid([7; 16]),
        Value::Decimal("1.5"),
        Value::Path("/"),
    ] {
        assert_eq!(back(value), format!("{value:?}"));
    }
    assert_eq!(
        back(Value::UInt(1 << 62)),
        format!("{:?}", Value::Int(1 << 62))
    );
}

#[test]
fn a_wrapper_inside_of_a_wrapper_is_written_as_the_inner_one() {
    let (mut a, mut b) = ([0; 16], [0; 16]);
    let three = Raw::encode(&Value::Int(3), &mut a).unwrap();
    let inner = Raw::encode(
        &Value::Numpy {
            dtype: "i8",
            value: three,
        },
        &mut b,
    )
    .unwrap();
    let outer = Value::Enum {
        name: "C.R",
        value: inner,
    };
    assert_eq!(
        back(outer),
        format!(
            "{:?}",
            Value::Numpy {
                dtype: "i8",
                value: three
            }
        )
    );
}

#[test]
fn bytes_that_are_no_record_are_refused() {
    assert_eq!(
        decode(b"\0\0\0\0", &NoSites).err(),
        Some(DecodeError::NotARecord)
    );
    assert_eq!(
        decode(b"\x02\x01\x00", &NoSites).err(),
        Some(DecodeError::NotARecord)
    );
    assert_eq!(
        decode(b"\xff", &NoSites).err(),
        Some(DecodeError::NotARecord)
    );
    let cases: [&[u8]; 12] = [
        b"\x01\x01",                // no length
        b"\x01\x01\x05abcd",        // text too short
        b"\x01\x01\x80",            // second byte of the length missing
        b"\x01\x01\x01\xff",        // not UTF-8
        b"\x01\x0a\x00",            // unknown tag below 80
        b"\x01\x23\x01k\x00",       // unknown value below 80
        b"\x01\x13\x01k",           // no body
        b"\x01\x19\x01\xff\x01x",   // key not UTF-8
        b"\x01\x21\x01k\x05\0\x10", // list shorter than it says
        b"\x01\x21\x01k\x01\0\x13", // item shorter than it must be
        b"\x01\x80\x03abc",         // site that is not four bytes
        b"\x01\x04\x00\x00\x00",    // levelno cut short
    ];
    for case in cases {
        assert_eq!(
            decode(case, &NoSites).err(),
            Some(DecodeError::BadItem(1)),
            "{case:x?}"
        );
    }
    let second = b"\x01\x01\x02ev\x13\x01k";
    assert_eq!(
        decode(second, &NoSites).err(),
        Some(DecodeError::BadItem(5))
    );
}

#[test]
fn a_wrapper_that_directly_holds_a_wrapper_is_refused() {
    assert!(decode(b"\x01\x1f\x01k\x01n\x10", &NoSites).is_ok());
    assert!(decode(b"\x01\x1f\x01k\x01n\x1f\x01n\x10", &NoSites).is_err());
    assert!(decode(b"\x01\x20\x01k\x01n\x1f\x01n\x10", &NoSites).is_err());
}

#[test]
fn nesting_is_read_to_depth_four_and_refused_beyond() {
    let nested = |depth: usize| {
        let mut value = vec![wire_list_of(&[0x10])];
        for _ in 1..depth {
            let inner = value.pop().unwrap();
            value.push(wire_list_of(&inner));
        }
        let list = value.pop().unwrap();
        let mut bytes = b"\x01\x21\x01k".to_vec();
        bytes.extend_from_slice(list.get(1..).unwrap());
        bytes
    };
    assert!(decode(&nested(1), &NoSites).is_ok());
    assert!(decode(&nested(wire::MAX_DEPTH), &NoSites).is_ok());
    assert!(decode(&nested(wire::MAX_DEPTH + 1), &NoSites).is_err());
    assert!(decode(&nested(8000), &NoSites).is_err());
}

fn wire_list_of(body: &[u8]) -> Vec<u8> {
    let mut list = vec![0x21];
    list.extend_from_slice(&(body.len() as u16).to_le_bytes());
    list.extend_from_slice(body);
    list
}

#[test]
fn items_of_a_later_layout_are_skipped() {
    let bytes = b"\x01\x8f\x02??\x01\x02ev\xff\x00\x13\x01a\x01\x90\x01?\x03\x01l\x13\x01b\x02";
    let view = view(bytes);
    assert_eq!((view.event(), view.logger()), ("ev", Some("l")));
    let keys: Vec<_> = view.fields().map(|field| field.key).collect();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn an_unknown_kind_of_value_is_null() {
    let list = b"\x01\x21\x01k\x06\0\xf0\x02??\x13\x05";
    let fields: Vec<_> = view(list).fields().collect();
    let Value::List(seq) = fields[0].value else {
        panic!("a list")
    };
    assert_eq!(seq.iter().collect::<Vec<_>>(), [Value::Null, Value::Int(5)]);
}

#[test]
fn of_a_part_that_is_there_twice_the_last_counts() {
    assert_eq!(view(b"\x01\x01\x01a\x01\x01b").event(), "b");
}

#[test]
fn what_is_appended_to_an_open_payload_is_appended_to_its_event() {
    let fields = [Field {
        key: "a",
        value: Value::Int(1),
    }];
    let payload = Payload {
        event: "ev",
        logger: Some("lo"),
        fields: &fields,
        ambient: Ambient { from: 0, to: 1 },
        ..Payload::default()
    };
    let mut buf = [0xee; 64];
    let made = encode_open(&payload, &mut buf);
    let mut bytes = buf.get(..made.len).expect("written").to_vec();
    assert_eq!(bytes, b"\x01\x03\x02lo\x82\x00\x13\x01a\x01\x09ev");
    for (text, event) in [
        ("", "ev"),
        ("ent \u{2603}", "ent \u{2603}"),
        ("\x09", "\u{2603}\x09"),
    ] {
        bytes.extend_from_slice(text.as_bytes());
        let view = view(&bytes);
        assert!(view.event().starts_with("ev") && view.event().ends_with(event));
        assert_eq!((view.logger(), view.fields().count()), (Some("lo"), 1));
        assert!(view.has_ambient() && !view.truncated());
    }
    bytes.push(0xff);
    assert!(decode(&bytes, &NoSites).is_err(), "no UTF-8");
}

#[test]
fn an_open_event_that_has_no_room_is_cut_as_any_other() {
    let long = "x".repeat(100);
    let payload = Payload {
        event: &long,
        ..Payload::default()
    };
    for size in 0..104 {
        let mut buf = vec![0xee; size];
        let made = encode_open(&payload, &mut buf);
        let bytes = buf.get(..made.len).expect("within");
        assert_eq!(made.truncated, size < 102);
        assert_eq!(view(bytes).truncated(), made.truncated);
    }
}

#[test]
fn nothing_at_all_is_a_truncated_record_with_an_empty_event() {
    let view = view(b"");
    assert_eq!(
        (view.event(), view.truncated(), view.fields().count()),
        ("", true, 0)
    );
}

#[test]
fn the_top_bit_of_the_head_means_truncated() {
    assert!(view(b"\x81\x01\x01a").truncated());
    assert!(!view(b"\x01\x01\x01a").truncated());
}

struct OneSite;

impl Sites for OneSite {
    fn site(&self, id: u32) -> Option<Site<'_>> {
        let site = Site {
            event: Some("from site"),
            logger: Some("app"),
            file: Some("a.py"),
            line: 9,
            func: Some("main"),
            ..Site::default()
        };
        (id == 0x0403_0201).then_some(site)
    }
}

#[test]
fn a_site_supplies_what_the_record_does_not_say_itself() {
    let bytes = b"\x01\x80\x04\x01\x02\x03\x04\x03\x03own\x13\x01a\x01";
    let view = decode(bytes, &OneSite).unwrap();
    assert_eq!(view.site(), Some(0x0403_0201));
    assert_eq!(
        (view.event(), view.text().as_plain(), view.logger()),
        ("from site", Some("from site"), Some("own"))
    );
    assert_eq!(
        (view.file(), view.line(), view.func()),
        (Some("a.py"), 9, Some("main"))
    );
    assert_eq!(view.fields().count(), 1);
}

#[test]
fn a_record_of_an_unknown_site_says_so() {
    let bytes = b"\x01\x80\x04\xff\xff\xff\xff";
    assert_eq!(decode(bytes, &OneSite).unwrap().event(), UNKNOWN_SITE);
    assert_eq!(view(bytes).text(), UNKNOWN_SITE);
}

#[test]
fn a_nested_value_that_does_not_fit_or_is_misbuilt_is_none() {
    type Build = fn(&mut ValueWriter<'_>);
    let wrong: [Build; 9] = [
        |w| w.begin_list(),
        |w| w.end(),
        |w| w.key("k"),
        |w| {
            w.push(&Value::Null);
            w.push(&Value::Null);
        },
        |w| {
            w.begin_list();
            w.key("k");
            w.push(&Value::Null);
            w.end();
        },
        |w| {
            w.begin_dict();
            w.push(&Value::Null);
            w.end();
        },
        |w| {
            w.begin_dict();
            w.key("k");
            w.end();
        },
        |w| {
            w.begin_dict();
            w.key("k");
            w.key("k2");
            w.push(&Value::Null);
            w.end();
        },
        |w| w.push(&Value::Str("0123456789012345678901234567890123456789")),
    ];
    for (index, build) in wrong.iter().enumerate() {
        let mut buf = [0; 40];
        let mut writer = ValueWriter::new(&mut buf);
        build(&mut writer);
        assert!(writer.finish().is_none(), "case {index}");
    }
    assert!(ValueWriter::new(&mut [0; 8]).finish().is_none());
    assert!(Raw::encode(&Value::Int(1 << 40), &mut [0; 8]).is_none());
    assert!(Raw::encode(&Value::Int(1 << 40), &mut [0; 9]).is_some());
}

#[test]
fn nested_values_end_at_four_levels_and_sixty_four_items() {
    let build = |depth: usize, items: usize| {
        let mut buf = [0; 512];
        let mut writer = ValueWriter::new(&mut buf);
        (0..depth).for_each(|_| writer.begin_list());
        (0..items).for_each(|_| writer.push(&Value::Null));
        (0..depth).for_each(|_| writer.end());
        writer.finish().is_some()
    };
    assert!(build(4, 64));
    assert!(!build(5, 0));
    assert!(!build(1, 65));
}

#[test]
fn a_ready_made_nested_value_counts_with_its_own_depth() {
    let mut inner_buf = [0; 64];
    let mut writer = ValueWriter::new(&mut inner_buf);
    (0..3).for_each(|_| writer.begin_list());
    (0..3).for_each(|_| writer.end());
    let inner = writer.finish().unwrap();
    let build = |depth: usize, value: &Value<'_>| {
        let mut buf = [0; 64];
        let mut writer = ValueWriter::new(&mut buf);
        (0..depth).for_each(|_| writer.begin_list());
        writer.push(value);
        (0..depth).for_each(|_| writer.end());
        writer.finish().is_some()
    };
    assert!(build(1, &inner.value()));
    assert!(!build(2, &inner.value()));
    let wrapped = Value::Enum {
        name: "n",
        value: inner,
    };
    assert!(build(1, &wrapped));
    assert!(!build(2, &wrapped));
}
