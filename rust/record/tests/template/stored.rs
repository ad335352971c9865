//! Templates in records: encoded, cut, and shown in every format.

#[path = "../lines/mod.rs"]
mod lines;
#[path = "../show/mod.rs"]
mod show;

use lines::assert_json;
use pr_record::render::{FORMATS, render};
use pr_record::wire::{MARK, MAX_ARGS};
use pr_record::{
    Args, DecodeError, Field, Format, NoSites, Out, Payload, RecordView, Value, decode, encode,
};
use show::{META, encoded, show};

fn view(bytes: &[u8]) -> RecordView<'_> {
    decode(bytes, &NoSites).expect("what was encoded is a record")
}

const TWO: [Value<'static>; 2] = [Value::Str("x\ny"), Value::Int(300)];

fn two() -> Payload<'static> {
    Payload {
        event: "e %s %d",
        args: Args::listed(&TWO),
        ..Payload::default()
    }
}

fn named() -> [Field<'static>; 2] {
    [("a", Value::Int(1)), ("grün", Value::Null)].map(|(key, value)| Field { key, value })
}

#[test]
fn arguments_have_their_documented_bytes() {
    let expected: &[u8] = b"\x01\x01\x07e %s %d\x81\x89\0\0\x19\x03x\ny\x14\x2c\x01";
    assert_eq!(encoded(&two()), expected);
    let fields = named();
    let payload = Payload {
        event: "e",
        args: Args::named(&fields),
        ..Payload::default()
    };
    let expected: &[u8] = b"\x01\x01\x01e\x81\x8c\0\x01\x01a\x13\x01\x05gr\xc3\xbcn\x10";
    assert_eq!(encoded(&payload), expected);
}

#[test]
fn arguments_come_back_as_they_were() {
    let bytes = encoded(&two());
    let args = view(&bytes).args();
    assert!(!args.is_none() && !args.is_named());
    assert!(args.iter().map(|argument| argument.value).eq(TWO));
    let fields = named();
    let args = Args::named(&fields);
    let bytes = encoded(&Payload { args, ..two() });
    let args = view(&bytes).args();
    assert!(args.is_named() && args.iter().eq(fields));
    assert!(view(b"\x01\x01\x02%s").args().is_none());
}

#[test]
fn each_format_shows_the_template_with_its_arguments() {
    let shown = |format| show(format, &two());
    assert_eq!(
        shown(Format::Text),
        "[   12.345678] e x\n[   12.345678]|y 300\n"
    );
    assert_eq!(
        shown(Format::Iso).lines().next(),
        Some("2026-11-20T10:11:12.123456Z INFO e x")
    );
    assert_eq!(shown(Format::Kmsg), "14,7,12345678,-;e x\\x0ay 300\n");
    assert!(shown(Format::Syslog).starts_with("<14>[   12.345678] e x\n<14>["));
    assert!(shown(Format::Logfmt).contains(" event=\"e %s %d\" message=\"e x\\ny 300\" "));
    let json = assert_json(&shown(Format::Json));
    assert_eq!(
        (&json["event"], &json["message"]),
        (&"e %s %d".into(), &"e x\ny 300".into())
    );
}

#[test]
fn logfmt_has_quotes_only_where_the_whole_message_needs_them() {
    let message = |event, args: &[Value<'_>]| {
        let args = Args::listed(args);
        let line = show(
            Format::Logfmt,
            &Payload {
                event,
                args,
                ..Payload::default()
            },
        );
        let (_, rest) = line.split_once(" message=").expect("a message");
        rest.split_once(" seq=").expect("a number").0.to_owned()
    };
    assert_eq!(message("%s/%d", &[Value::Str("x"), Value::Int(1)]), "x/1");
    assert_eq!(
        message("%s/%d", &[Value::Str("x y"), Value::Int(1)]),
        "\"x y/1\""
    );
    assert_eq!(message("%s", &[Value::Str("")]), "\"\"");
}

#[test]
fn a_message_that_is_the_event_is_not_told_twice() {
    let args = [Value::Str("%s")];
    let payload = Payload {
        event: "%s",
        args: Args::listed(&args),
        ..Payload::default()
    };
    assert!(view(&encoded(&payload)).message().is_none());
    assert!(!show(Format::Json, &payload).contains("message"));
    assert!(view(&encoded(&two())).message().is_some());
}

#[test]
fn a_message_is_the_event_only_if_it_is_so_to_the_end() {
    let same = |event, args: &[Value<'_>]| {
        let args = Args::listed(args);
        let payload = Payload {
            event,
            args,
            ..Payload::default()
        };
        view(&encoded(&payload)).message().is_none()
    };
    let text = Value::Str;
    assert!(same("a%s b%s", &[text("%s"), text("%s")]));
    assert!(!same("a%s b%s", &[text("%s"), text("")]), "shorter");
    assert!(!same("a%s b%s", &[text("%s"), text("%s.")]), "longer");
    assert!(!same("%s", &[text("")]));
    assert!(!same("100%% %s", &[text("%s")]));
}

#[test]
fn a_message_that_was_given_wins_over_arguments() {
    let message = Some("given");
    let bytes = encoded(&Payload { message, ..two() });
    assert_eq!(view(&bytes).text().as_plain(), message);
}

fn cut<'a>(payload: &Payload<'_>, buf: &'a mut [u8]) -> RecordView<'a> {
    let made = encode(payload, buf);
    assert!(made.truncated);
    let view = view(&buf[..made.len]);
    assert!(view.truncated() && view.args().is_none());
    view
}

#[test]
fn of_a_record_that_does_not_fit_the_longest_arguments_are_cut_to_one_length() {
    let (long, longer) = ("a".repeat(900), "b".repeat(5000));
    let args = [Value::Str(&long), Value::Int(7), Value::Str(&longer)];
    let payload = Payload {
        event: "%s %d %s.",
        args: Args::listed(&args),
        ..Payload::default()
    };
    let mut buf = [0; 1000];
    let text = cut(&payload, &mut buf).text().to_string();
    let (first, rest) = text.split_once(" 7 ").expect("the number is whole");
    let second = rest.strip_suffix(&format!(".{MARK}")).expect("the mark");
    assert_eq!(
        (first.trim_matches('a'), second.trim_matches('b')),
        ("", "")
    );
    assert_eq!(first.len(), second.len());
    assert!((440..500).contains(&first.len()), "{}", first.len());
    assert_eq!(cut(&payload, &mut [0; 1000]).event(), payload.event);
}

#[test]
fn arguments_stay_whole_where_a_longer_field_can_be_cut() {
    let long = "x".repeat(2000);
    let fields = [Field {
        key: "k",
        value: Value::Str(&long),
    }];
    let payload = Payload {
        fields: &fields,
        ..two()
    };
    let mut buf = [0; 500];
    let view = cut(&payload, &mut buf);
    assert_eq!(view.text(), "e x\ny 300");
    assert_eq!(view.fields().count(), 1);
}

#[test]
fn in_a_small_room_what_is_shown_of_a_template_is_cut() {
    let long = "y".repeat(5000);
    let args = [Value::Str(&long), Value::Int(7)];
    let bytes = encoded(&Payload {
        args: Args::listed(&args),
        ..two()
    });
    for format in FORMATS {
        let mut room = [0; 1000];
        let mut out = Out::new(&mut room);
        assert!(render(format, &mut out, &META, &view(&bytes)), "{format:?}");
        let shown = core::str::from_utf8(out.written()).unwrap();
        assert!(shown.contains("e yyy") && shown.contains("truncated"));
        assert!(!shown.contains("y 7"), "{shown}");
        assert!(shown.len() > 900, "no further than needed: {shown}");
    }
}

#[test]
fn a_rendered_message_is_cut_with_its_template() {
    let (long, args) = ("é".repeat(3000), [Value::Int(1)]);
    let event = format!("%d{long}");
    let payload = Payload {
        event: &event,
        args: Args::listed(&args),
        ..Payload::default()
    };
    let mut buf = [0; 1000];
    let view = cut(&payload, &mut buf);
    let text = view.text().to_string();
    assert!(text.starts_with("1é") && text.ends_with(MARK));
    assert!(view.event().starts_with("%dé") && view.event().ends_with(MARK));
    assert!(text.len() > 400);
}

#[test]
fn a_record_with_arguments_fits_into_any_space() {
    let long = "x".repeat(300);
    let fields = named().map(|field| Field {
        value: Value::Str(&long),
        ..field
    });
    for args in [
        Args::listed(&[Value::Str(&long), Value::Bytes(b"ab")]),
        Args::named(&fields),
    ] {
        let event = "%s %c %r %(a)s %(grün)50s";
        let payload = Payload {
            event,
            args,
            logger: Some("logger"),
            fields: &fields,
            ..two()
        };
        let whole = encoded(&payload);
        for limit in 0..whole.len() {
            let mut buf = vec![0xee; limit + 1];
            let made = encode(&payload, &mut buf[..limit]);
            assert!(made.truncated && made.len <= limit && buf[limit] == 0xee);
            assert!(view(&buf[..made.len]).truncated());
        }
    }
}

#[test]
fn with_too_many_arguments_the_message_is_rendered() {
    let values = [Value::Int(1); MAX_ARGS + 1];
    let all = |count: usize| Payload {
        event: "%d",
        args: Args::listed(&values[..count]),
        ..Payload::default()
    };
    let bytes = encoded(&all(MAX_ARGS));
    assert_eq!(view(&bytes).args().iter().count(), MAX_ARGS);
    let bytes = encoded(&all(MAX_ARGS + 1));
    let view = view(&bytes);
    assert!(view.args().is_none() && view.text() == "1");
}

#[test]
fn arguments_that_are_none_are_refused() {
    for body in [
        &b""[..],
        b"\0\x13",         // an int without its byte
        b"\0\x19\x01\xff", // a str that is no UTF-8
        b"\x01\x10",       // a value without its name
        b"\0\x09",         // a tag that there is not
    ] {
        let bytes = [&b"\x01\x81"[..], &[body.len() as u8], body].concat();
        assert_eq!(
            decode(&bytes, &NoSites).err(),
            Some(DecodeError::BadItem(1))
        );
    }
    let many = [&b"\x01\x81\x12\0"[..], &[0x10; MAX_ARGS + 1]].concat();
    assert!(decode(&many, &NoSites).is_err());
    assert!(
        decode(b"\x01\x81\x01\xfe", &NoSites).is_ok(),
        "other bits say nothing yet"
    );
}
