//! Records that do not fit into what they are rendered into.

mod show;

use pr_record::{
    Exc, Field, Format, NoSites, Out, Payload, Value, decode, render, render::FORMATS, render_cut,
};
use show::{META, encoded, show_bytes};

fn big(event: &str, trace: &str) -> Vec<u8> {
    let fields = [
        Field {
            key: "id",
            value: Value::Str("abc123"),
        },
        Field {
            key: "blob",
            value: Value::Str(event),
        },
        Field {
            key: "n",
            value: Value::Int(5),
        },
    ];
    let exc = Exc {
        kind: "ValueError",
        message: "bad",
        stacktrace: trace,
    };
    encoded(&Payload {
        event,
        logger: Some("app"),
        exc: Some(exc),
        fields: &fields,
        ..Payload::default()
    })
}

#[test]
fn behind_others_a_record_that_does_not_fit_leaves_nothing_but_the_news() {
    let bytes = big("event", "trace");
    let view = decode(&bytes, &NoSites).unwrap();
    for format in FORMATS {
        let whole = show_bytes(format, &META, &bytes);
        let mut buf = vec![0; whole.len() * 2 - 1];
        let mut out = Out::new(&mut buf);
        assert!(render(format, &mut out, &META, &view));
        assert!(!out.is_truncated());
        assert!(!render(format, &mut out, &META, &view));
        assert!(out.is_truncated());
        assert_eq!(out.written(), whole.as_bytes());
        out.truncate_to(0);
        assert!(render(format, &mut out, &META, &view));
        assert_eq!(out.written(), whole.as_bytes());
    }
}

#[test]
fn in_an_empty_writer_a_long_record_is_shortened_and_says_so() {
    let long = "line\n".repeat(4000);
    let bytes = big(&long, &long);
    let view = decode(&bytes, &NoSites).unwrap();
    for format in FORMATS {
        let mut buf = vec![0; 4096];
        let mut out = Out::new(&mut buf);
        assert!(render(format, &mut out, &META, &view), "{format:?}");
        assert!(!out.is_truncated());
        let shown = core::str::from_utf8(out.written()).unwrap();
        assert!(
            shown.len() > 3500,
            "{format:?} uses the space: {}",
            shown.len()
        );
        assert!(
            shown.contains("abc123") && shown.contains("truncated"),
            "{shown}"
        );
        assert!(
            shown.contains("n=5") || shown.contains("\"n\":5"),
            "{shown}"
        );
    }
}

#[test]
fn shortened_json_is_json_with_the_flag() {
    let long = "\u{1b}\"".repeat(4000);
    let bytes = big(&long, &long);
    let view = decode(&bytes, &NoSites).unwrap();
    for size in [300, 301, 302, 303, 500, 1000, 10_000] {
        let mut buf = vec![0; size];
        let mut out = Out::new(&mut buf);
        assert!(render(Format::Json, &mut out, &META, &view));
        let json: serde_json::Value = serde_json::from_slice(out.written()).unwrap();
        assert_eq!(json["truncated"], true);
        assert_eq!(json["seq"], 7);
        assert!(json["event"].as_str().unwrap().ends_with("<truncated>"));
    }
}

#[test]
fn fields_are_left_out_from_the_end_when_short_texts_do_not_help() {
    let fields: Vec<_> = (0..1000)
        .map(|number| Field {
            key: "key",
            value: Value::Int(number),
        })
        .collect();
    let payload = Payload {
        event: "an event",
        fields: &fields,
        ..Payload::default()
    };
    let bytes = encoded(&payload);
    let view = decode(&bytes, &NoSites).unwrap();
    let mut buf = [0; 200];
    let mut out = Out::new(&mut buf);
    assert!(render(Format::Text, &mut out, &META, &view));
    let shown = core::str::from_utf8(out.written()).unwrap();
    assert!(
        shown.starts_with("[   12.345678] an event key=0 key=1 key=2 "),
        "{shown}"
    );
    assert!(
        shown.ends_with(" <truncated>\n") && shown.len() > 185,
        "{shown}"
    );
}

#[test]
fn a_writer_too_small_for_any_record_stays_empty() {
    let bytes = big("event", "trace");
    let view = decode(&bytes, &NoSites).unwrap();
    for format in FORMATS {
        for size in 0..14 {
            let mut buf = vec![0; size];
            let mut out = Out::new(&mut buf);
            assert!(!render(format, &mut out, &META, &view));
            assert!(out.is_empty() && out.is_truncated());
        }
    }
}

#[test]
fn behind_others_a_record_can_be_shortened_on_request() {
    let long = "x".repeat(1000);
    let bytes = big(&long, "trace");
    let view = decode(&bytes, &NoSites).unwrap();
    let mut buf = [0; 400];
    let mut out = Out::new(&mut buf);
    out.put(b"\x1b[1m");
    assert!(render_cut(Format::Text, &mut out, &META, &view));
    let shown = core::str::from_utf8(out.written()).unwrap();
    assert!(
        shown.starts_with("\x1b[1m[   12.345678] app: xxx"),
        "{shown}"
    );
    assert!(shown.ends_with("<truncated>\n"), "{shown}");
}
