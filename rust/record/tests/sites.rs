//! A record of a call site says what it would say without one.

mod call;
mod tree;

use call::call;
use pr_record::{
    Args, DecodeError, Exc, Field, Format, FromSite, Meta, NoSites, Out, Payload, Pieces,
    RecordView, Site, Sites, Value, decode, encode, render, render::FORMATS, render_cut, site_of,
    write_whole,
};
use proptest::prelude::*;

/// One site under one number.
struct Known(u32, Vec<u8>);

impl Sites for Known {
    fn site(&self, id: u32) -> Option<Site<'_>> {
        (id == self.0).then(|| Site::read(&self.1).ok())?
    }
}

const ID: u32 = 77;

/// The same, with what its lines have in common.
struct Ready<'a>(&'a Known, Pieces<'a>);

impl<'a> Ready<'a> {
    fn new(known: &'a Known, room: &'a mut [u8]) -> Ready<'a> {
        let site = known.site(ID).expect("a site");
        let (pieces, _) = Pieces::write(&site, room).expect("room");
        Ready(known, pieces)
    }
}

impl Sites for Ready<'_> {
    fn site(&self, id: u32) -> Option<Site<'_>> {
        self.0.site(id)
    }

    fn site_and_pieces(&self, id: u32) -> Option<(Site<'_>, Option<&Pieces<'_>>)> {
        Some((self.site(id)?, Some(&self.1)))
    }
}

/// More than the pieces of any of these sites.
const ROOM: usize = 256 * 1024;

fn described(site: &Site<'_>, names: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0; 32 * 1024];
    let len = site.write(names.iter().copied(), &mut bytes).expect("room");
    bytes.truncate(len);
    bytes
}

fn encoded(payload: &Payload<'_>, limit: usize) -> Vec<u8> {
    let mut bytes = vec![0; limit];
    let made = encode(payload, &mut bytes);
    bytes.truncate(made.len);
    bytes
}

fn shown(view: &RecordView<'_>) -> Vec<Vec<u8>> {
    let show = |format: Format| {
        let mut room = vec![0; 1 << 20];
        let mut out = Out::new(&mut room);
        assert!(render(format, &mut out, &Meta::default(), view));
        out.written().to_vec()
    };
    FORMATS.into_iter().map(show).collect()
}

/// A line that is cut to a room, behind another one and alone.
fn cut(format: Format, room: usize, view: &RecordView<'_>) -> Vec<Vec<u8>> {
    let behind = |text: &[u8]| {
        let mut room = vec![0; room];
        let mut out = Out::new(&mut room);
        out.put(text);
        let is_there = render(format, &mut out, &Meta::default(), view)
            || render_cut(format, &mut out, &Meta::default(), view);
        let mut written = out.written().to_vec();
        written.push(u8::from(is_there));
        written
    };
    [b"".as_slice(), b"another line\n"].map(behind).to_vec()
}

/// A call, and the same from a site that knows some of it: what is left to the record, and the site.
fn at_site<'a>(payload: &Payload<'a>, knows: [bool; 3], named: usize) -> (Payload<'a>, Known) {
    let [event, logger, source] = knows;
    let named_from = payload.fields.len() - named.min(payload.fields.len());
    let named_from = named_from.max(payload.ambient.to).min(payload.fields.len());
    let names: Vec<&str> = payload.fields[named_from..]
        .iter()
        .map(|field| field.key)
        .collect();
    let site = Site {
        event: event.then_some(payload.event),
        logger: payload.logger.filter(|_| logger),
        file: payload.file.filter(|_| source),
        line: if source { payload.line } else { 0 },
        func: payload.func.filter(|_| source),
        ..Site::default()
    };
    let known = Known(ID, described(&site, &names));
    let mut left = *payload;
    if source {
        (left.file, left.line, left.func) = (None, 0, None);
    }
    left.site = Some(FromSite {
        id: ID,
        table: 1,
        has_event: event,
        has_logger: logger && payload.logger.is_some(),
        named_from,
    });
    (left, known)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_looks_the_same_whether_its_site_says_it_or_itself(
        call in call(), knows in any::<[bool; 3]>(), named in 0usize..7,
    ) {
        call.with(|payload| {
            let plain = call.encoded(32 * 1024);
            let plain_view = decode(&plain, &NoSites).unwrap();
            prop_assume!(!plain_view.truncated());
            let (left, known) = at_site(payload, knows, named);
            let bytes = encoded(&left, 32 * 1024);
            let view = decode(&bytes, &known).unwrap();
            prop_assert_eq!(shown(&view), shown(&plain_view));
            prop_assert_eq!(view.site(), Some(ID));
            prop_assert_eq!(view.is_within(&plain_view), plain_view.is_within(&view));

            let mut room = vec![0; ROOM];
            let ready = Ready::new(&known, &mut room);
            let ready_view = decode(&bytes, &ready).unwrap();
            prop_assert_eq!(shown(&ready_view), shown(&plain_view));

            let mut whole = vec![0; 64 * 1024];
            let len = write_whole(&bytes, &known, &mut whole).expect("room");
            let alone = decode(&whole[..len], &NoSites).unwrap();
            prop_assert_eq!(shown(&alone), shown(&plain_view));
            prop_assert_eq!(site_of(&whole[..len]), None, "and needs no site any more");
            prop_assert_eq!(alone.is_within(&view), true);
            Ok(())
        })?;
    }

    #[test]
    fn a_record_of_a_site_that_does_not_fit_says_itself_what_is_left(
        call in call(), limit in 0usize..600,
    ) {
        call.with(|payload| {
            let (left, known) = at_site(payload, [true, true, false], 6);
            let bytes = encoded(&left, limit);
            prop_assert!(bytes.len() <= limit);
            if encoded(&left, 32 * 1024).len() <= limit {
                return Ok(());
            }
            let view = decode(&bytes, &known).expect("a record");
            prop_assert!(view.truncated());
            let named = view.fields().filter(|field| {
                payload.fields.iter().any(|given| given.key == field.key)
            });
            prop_assert_eq!(named.count(), view.fields().count());
            let plain = decode(&bytes, &NoSites).expect("a record");
            prop_assert_eq!(plain.fields().count(), view.fields().count());
            // By their looks: a float that is no number is not even equal to itself.
            let looks = |field| format!("{field:?}");
            let (plain, known) = (plain.fields().map(looks), view.fields().map(looks));
            prop_assert!(plain.eq(known), "names are not left to the site");
            Ok(())
        })?;
    }

    #[test]
    fn a_description_of_any_bytes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let known = Known(ID, bytes);
        let record = b"\x01\x80\x04\x4d\x00\x00\x00\x83\x02\x10\x11";
        let view = decode(record, &known).unwrap();
        prop_assert_eq!(view.fields().count(), 2);
        let lines = shown(&view);
        if known.site(ID).is_some() {
            let mut room = vec![0; ROOM];
            let ready = Ready::new(&known, &mut room);
            prop_assert_eq!(shown(&decode(record, &ready).unwrap()), lines);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_ready_changes_nothing_where_a_record_or_its_line_is_cut(
        call in call(), knows in any::<[bool; 3]>(), limit in 20usize..2000, room in 0usize..600,
    ) {
        call.with(|payload| {
            let (left, known) = at_site(payload, knows, 6);
            let bytes = encoded(&left, limit);
            let mut memory = vec![0; ROOM];
            let ready = Ready::new(&known, &mut memory);
            let (view, ready) = (decode(&bytes, &known).unwrap(), decode(&bytes, &ready).unwrap());
            prop_assert_eq!(shown(&ready), shown(&view));
            for format in FORMATS {
                prop_assert_eq!(cut(format, room, &ready), cut(format, room, &view));
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_field_without_a_name_has_one_that_says_so() {
    let record = b"\x01\x80\x04\x4d\x00\x00\x00\x01\x01e\x83\x03\x13\x05\x11";
    let view = decode(record, &NoSites).unwrap();
    let keys: Vec<&str> = view.fields().map(|field| field.key).collect();
    assert_eq!(keys, ["?", "?"]);
    let short = Known(ID, described(&Site::default(), &["a"]));
    let view = decode(record, &short).unwrap();
    let keys: Vec<&str> = view.fields().map(|field| field.key).collect();
    assert_eq!(keys, ["a", "?"], "a damaged site names fewer");
    assert!(shown(&view)[2].ends_with(b"\"a\":5,\"?\":false}\n"));
}

#[test]
fn names_that_repeat_count_once_as_everywhere() {
    let record = b"\x01\x80\x04\x4d\x00\x00\x00\x01\x01e\x13\x01a\x01\x83\x04\x13\x05\x13\x06";
    for (names, shows) in [
        (["a", "b"], "\"a\":5,\"b\":6}\n"),
        (["b", "b"], "\"a\":1,\"b\":6}\n"),
    ] {
        let known = Known(ID, described(&Site::default(), &names));
        let json = shown(&decode(record, &known).unwrap()).swap_remove(2);
        let json = String::from_utf8(json).unwrap();
        assert!(json.ends_with(shows), "{json}");
    }
}

#[test]
fn values_of_a_site_are_checked_as_all_others() {
    for (bytes, at) in [
        (&b"\x01\x83\x02\x19\x05"[..], 1),
        (b"\x01\x01\x01e\x83\x01\x09", 4),
        (b"\x01\x83\x05\x10", 1),
    ] {
        let told = decode(bytes, &NoSites).unwrap_err();
        assert_eq!(told, DecodeError::BadItem(at), "{bytes:?}");
    }
}

/// A site of all that there is.
fn whole_site() -> Site<'static> {
    Site {
        event: Some("paid \"%s\""),
        logger: Some("shop\u{1b}"),
        file: Some("C:\\shop.py"),
        line: 41,
        func: Some("pay"),
        which: 3,
        ..Site::default()
    }
}

/// A record of that site, which leaves everything to it, and two values.
fn of_site<'a>(fields: &'a [Field<'a>]) -> Payload<'a> {
    Payload {
        event: "paid \"%s\"",
        logger: whole_site().logger,
        fields,
        site: Some(FromSite {
            id: ID,
            table: 1,
            has_event: true,
            has_logger: true,
            named_from: 0,
        }),
        ..Payload::default()
    }
}

const FIELDS: [Field<'static>; 2] = [
    Field {
        key: "order",
        value: Value::Int(-7),
    },
    Field {
        key: "by \"x\"",
        value: Value::Str("a\nb"),
    },
];
const NAMES: [&str; 2] = ["order", "by \"x\""];

/// In all formats: with what is kept ready, and without.
fn both_ways(known: &Known, payload: &Payload<'_>) -> [Vec<Vec<u8>>; 2] {
    let bytes = encoded(payload, 32 * 1024);
    let mut room = vec![0; ROOM];
    let ready = Ready::new(known, &mut room);
    [
        shown(&decode(&bytes, &ready).unwrap()),
        shown(&decode(&bytes, known).unwrap()),
    ]
}

#[test]
fn lines_are_made_of_what_is_kept_ready() {
    let known = Known(ID, described(&whole_site(), &NAMES));
    let other = Site {
        event: Some("EVENT"),
        logger: Some("LOGGER"),
        file: Some("FILE"),
        line: 999,
        func: Some("FUNC"),
        ..whole_site()
    };
    let other = Known(ID, described(&other, &["N1", "N2"]));
    let mut room = vec![0; ROOM];
    let Ready(_, others) = Ready::new(&other, &mut room);
    let bytes = encoded(&of_site(&FIELDS), 1024);
    let ready = Ready(&known, others);
    let lines = shown(&decode(&bytes, &ready).unwrap());
    let text = |format: Format| {
        let at = FORMATS.iter().position(|each| *each == format).unwrap();
        String::from_utf8(lines[at].clone()).unwrap()
    };
    // That of another site, planted here, is what is said: so it is looked at at all.
    assert!(text(Format::Text).contains("] LOGGER: EVENT order=-7 "));
    assert!(text(Format::Iso).contains(" LOGGER: EVENT order=-7 "));
    let json = text(Format::Json);
    assert!(json.contains(r#","logger":"LOGGER","event":"EVENT","seq":"#));
    assert!(json.contains(r#","file":"FILE","line":999,"func":"FUNC","N1":-7,"N2":"a\nb"}"#));
    assert!(text(Format::Logfmt).contains("func=pay"));
}

#[test]
fn what_a_record_says_itself_is_not_taken_from_what_is_kept_ready() {
    let known = Known(ID, described(&whole_site(), &NAMES));
    let leaves = of_site(&FIELDS);
    let from = leaves.site.unwrap();
    let own_event = Some(FromSite {
        has_event: false,
        ..from
    });
    let own_logger = Some(FromSite {
        has_logger: false,
        ..from
    });
    let one_own = Some(FromSite {
        named_from: 1,
        ..from
    });
    let list = [Value::Str("x")];
    let exc = Exc {
        kind: "K",
        message: "M",
        stacktrace: "",
    };
    let says: [(&str, Payload<'_>); 11] = [
        ("nothing", leaves),
        (
            "event",
            Payload {
                event: "other",
                site: own_event,
                ..leaves
            },
        ),
        (
            "logger",
            Payload {
                logger: Some("other"),
                site: own_logger,
                ..leaves
            },
        ),
        (
            "message",
            Payload {
                message: Some("other"),
                ..leaves
            },
        ),
        (
            "arguments",
            Payload {
                args: Args::listed(&list),
                ..leaves
            },
        ),
        (
            "file",
            Payload {
                file: Some("other"),
                ..leaves
            },
        ),
        ("line", Payload { line: 7, ..leaves }),
        (
            "func",
            Payload {
                func: Some("other"),
                ..leaves
            },
        ),
        (
            "exception",
            Payload {
                exc: Some(exc),
                ..leaves
            },
        ),
        (
            "a name",
            Payload {
                site: one_own,
                ..leaves
            },
        ),
        (
            "level",
            Payload {
                levelno: Some(25),
                ..leaves
            },
        ),
    ];
    for (what, payload) in says {
        let [ready, plain] = both_ways(&known, &payload);
        assert_eq!(ready, plain, "{what}");
    }
}

#[test]
fn names_and_events_that_lines_do_not_have_as_they_are_are_not_kept_ready() {
    let long = "n".repeat(300);
    let names: [[&str; 2]; 6] = [
        ["seq", "order"],
        ["order", "order"],
        ["seq", "seq_"],
        [&long, "b"],
        ["", "\u{202e}"],
        ["\t", "%"],
    ];
    for [first, second] in names {
        let known = Known(ID, described(&whole_site(), &[first, second]));
        let fields = [
            Field {
                key: first,
                ..FIELDS[0]
            },
            Field {
                key: second,
                ..FIELDS[1]
            },
        ];
        let [ready, plain] = both_ways(&known, &of_site(&fields));
        assert_eq!(ready, plain, "{first} {second}");
        // Fewer names than values: what has none says so.
        let known = Known(ID, described(&whole_site(), &[first]));
        let [ready, plain] = both_ways(&known, &of_site(&fields));
        assert_eq!(ready, plain, "{first}");
    }
    for event in ["", "two\nlines", "<truncated>", "tab\t\u{7f}\u{2028}", "%d"] {
        let site = Site {
            event: Some(event),
            logger: None,
            ..whole_site()
        };
        let known = Known(ID, described(&site, &NAMES));
        let payload = Payload {
            event,
            logger: None,
            ..of_site(&FIELDS)
        };
        let [ready, plain] = both_ways(&known, &payload);
        assert_eq!(ready, plain, "{event:?}");
    }
}

#[test]
fn pieces_that_do_not_fit_are_not_there() {
    let known = Known(ID, described(&whole_site(), &NAMES));
    let site = known.site(ID).unwrap();
    let mut room = vec![0; ROOM];
    let (_, len) = Pieces::write(&site, &mut room).expect("room");
    for size in 0..len {
        assert!(Pieces::write(&site, &mut room[..size]).is_none(), "{size}");
    }
    let (_, same) = Pieces::write(&site, &mut room[..len]).expect("just as much");
    assert_eq!(same, len);
}

#[test]
fn a_record_of_which_something_is_missing_says_so_once_though_its_event_is_ready() {
    for event in ["whole", "cut <truncated>", "<truncated>"] {
        let site = Site {
            event: Some(event),
            ..whole_site()
        };
        let known = Known(ID, described(&site, &[]));
        let payload = Payload {
            event,
            ..of_site(&[])
        };
        let mut bytes = encoded(&payload, 1024);
        bytes[0] |= 0x80;
        let mut room = vec![0; ROOM];
        let ready = Ready::new(&known, &mut room);
        let lines = shown(&decode(&bytes, &ready).unwrap());
        assert_eq!(lines, shown(&decode(&bytes, &known).unwrap()));
        let text = String::from_utf8_lossy(&lines[0]).into_owned();
        assert_eq!(text.matches("<truncated>").count(), 1, "{text}");
    }
}
