//! logfmt, kmsg, and the notices of all formats.

mod show;

use pr_record::{
    Exc, Field, Format, Meta, Out, Payload, Value, ValueWriter, render::FORMATS, render_dropped,
    render_torn,
};
use show::{META, encoded, show, show_bytes};

const HEAD: &str = "ts=2026-11-20T10:11:12.123456789Z level=INFO";
const IDS: &str = "seq=7 pid=4242 tid=4243";

fn logfmt(fields: &[Field<'_>]) -> String {
    let line = show(
        Format::Logfmt,
        &Payload {
            event: "e",
            fields,
            ..Payload::default()
        },
    );
    let head = format!("{HEAD} event=e {IDS}");
    line.strip_prefix(&head)
        .expect("the fixed part")
        .strip_suffix('\n')
        .unwrap()
        .to_string()
}

fn kmsg(fields: &[Field<'_>]) -> String {
    let lines = show(
        Format::Kmsg,
        &Payload {
            event: "e",
            fields,
            ..Payload::default()
        },
    );
    lines
        .strip_prefix("14,7,12345678,-;e\n")
        .expect("the fixed part")
        .to_string()
}

fn notice(write: impl FnOnce(&mut Out<'_>) -> bool) -> String {
    let mut buf = [0; 512];
    let mut out = Out::new(&mut buf);
    assert!(write(&mut out));
    String::from_utf8(out.written().to_vec()).unwrap()
}

fn list<'b>(buf: &'b mut [u8], text: &str) -> Value<'b> {
    let mut writer = ValueWriter::new(buf);
    writer.begin_list();
    writer.push(&Value::Str(text));
    writer.end();
    writer.finish().unwrap().value()
}

#[test]
fn formats_are_known_by_their_names() {
    for format in FORMATS {
        assert_eq!(Format::parse(format.name()), Some(format));
    }
    assert_eq!(Format::parse("Text"), None);
    assert_eq!(Format::parse("xml"), None);
}

#[test]
fn a_logfmt_line_has_the_names_of_json() {
    let fields = [
        Field {
            key: "a",
            value: Value::Int(1),
        },
        Field {
            key: "seq",
            value: Value::Str("x y"),
        },
    ];
    let exc = Exc {
        kind: "E",
        message: "m",
        stacktrace: "T:\nE: m",
    };
    let payload = Payload {
        event: "x=%d",
        message: Some("x=5"),
        logger: Some("app"),
        file: Some("a.py"),
        line: 3,
        func: Some("<module>"),
        exc: Some(exc),
        fields: &fields,
        ..Payload::default()
    };
    assert_eq!(
        show(Format::Logfmt, &payload),
        format!(
            "{HEAD} logger=app event=\"x=%d\" message=\"x=5\" {IDS} file=a.py line=3 \
             func=\"<module>\" a=1 seq_=\"x y\" exception=\"T:\\nE: m\"\n"
        )
    );
}

#[test]
fn in_logfmt_no_key_can_forge_a_field() {
    let field = |key| {
        [Field {
            key,
            value: Value::Int(1),
        }]
    };
    assert_eq!(logfmt(&field("a=2 b")), " a\\x3d2\\x20b=1");
    assert_eq!(
        logfmt(&field("a\"\t\n\u{1b}\u{9b}")),
        " a\\x22\\x09\\x0a\\x1b\\xc2\\x9b=1"
    );
    assert_eq!(logfmt(&field("")), " _=1");
    assert_eq!(logfmt(&field("truncated")), " truncated_=1");
}

#[test]
fn in_logfmt_no_value_can_forge_a_field() {
    let field = |value| [Field { key: "k", value }];
    assert_eq!(
        logfmt(&field(Value::Str("x level=EMERG"))),
        " k=\"x level=EMERG\""
    );
    assert_eq!(
        logfmt(&field(Value::Str("\" level=EMERG"))),
        r#" k="\" level=EMERG""#
    );
    let mut buf = [0; 64];
    let nested = list(&mut buf, "x\" level=EMERG\n\u{9b}");
    assert_eq!(
        logfmt(&field(nested)),
        r#" k="[\"x\\\" level=EMERG\\n\\xc2\\x9b\"]""#
    );
}

#[test]
fn a_logfmt_event_is_one_value_whatever_it_holds() {
    let payload = Payload {
        event: "up level=EMERG\nts=1",
        ..Payload::default()
    };
    assert_eq!(
        show(Format::Logfmt, &payload),
        format!("{HEAD} event=\"up level=EMERG\\nts=1\" {IDS}\n")
    );
}

#[test]
fn a_kmsg_record_follows_the_grammar_of_the_kernel() {
    let fields = [
        Field {
            key: "a",
            value: Value::Int(-1),
        },
        Field {
            key: "path",
            value: Value::Str("/x y"),
        },
    ];
    let payload = Payload {
        event: "up",
        logger: Some("app"),
        fields: &fields,
        ..Payload::default()
    };
    assert_eq!(
        show(Format::Kmsg, &payload),
        "14,7,12345678,-;app: up\n a=-1\n path=/x y\n"
    );
    let meta = Meta {
        flags: Meta::CONT,
        facility: 2,
        level: 3,
        seq: u64::MAX,
        ts_nsec: 999,
        ..META
    };
    assert_eq!(
        show_bytes(Format::Kmsg, &meta, &encoded(&payload)),
        "19,18446744073709551615,0,c;app: up\n a=-1\n path=/x y\n"
    );
}

#[test]
fn kmsg_escapes_controls_non_ascii_and_backslash_byte_by_byte() {
    let payload = Payload {
        event: "a\\b\n\tü\u{7f}~ ",
        ..Payload::default()
    };
    assert_eq!(
        show(Format::Kmsg, &payload),
        "14,7,12345678,-;a\\x5cb\\x0a\\x09\\xc3\\xbc\\x7f~ \n"
    );
}

#[test]
fn a_kmsg_traceback_is_part_of_the_text() {
    let exc = Exc {
        kind: "E",
        message: "m",
        stacktrace: "T:\nE: m\n",
    };
    let payload = Payload {
        event: "e",
        exc: Some(exc),
        ..Payload::default()
    };
    assert_eq!(
        show(Format::Kmsg, &payload),
        "14,7,12345678,-;e\\x0aT:\\x0aE: m\n"
    );
}

#[test]
fn in_kmsg_no_data_can_forge_a_field() {
    let field = |key, value| [Field { key, value }];
    assert_eq!(
        kmsg(&field("a=b", Value::Str("c=d\n SUBSYSTEM=x"))),
        " a\\x3db=c=d\\x0a SUBSYSTEM=x\n"
    );
    assert_eq!(kmsg(&field("a\n b", Value::Null)), " a\\x0a b=null\n");
    assert_eq!(kmsg(&field("", Value::Bytes(b"\\\xff"))), " _=\\x5c\\xff\n");
    assert_eq!(kmsg(&field("seq", Value::Bool(true))), " seq_=true\n");
    let mut buf = [0; 64];
    let nested = list(&mut buf, "ü\"");
    assert_eq!(kmsg(&field("l", nested)), " l=[\"\\xc3\\xbc\\x5c\"\"]\n");
}

#[test]
fn dropped_records_are_told_in_the_format_of_the_console() {
    let told = |format| notice(|out| render_dropped(format, out, &META, 12, 30, 41));
    for format in [Format::Text, Format::Iso, Format::Kmsg] {
        assert_eq!(told(format), "** 12 printk messages dropped **\n");
    }
    assert_eq!(
        told(Format::Syslog),
        "<12>** 12 printk messages dropped **\n"
    );
    assert_eq!(
        told(Format::Json),
        "{\"ts\":\"2026-11-20T10:11:12.123456789Z\",\"level\":\"WARNING\",\
         \"event\":\"records dropped\",\"dropped\":12,\"first_seq\":30,\"last_seq\":41}\n"
    );
    assert_eq!(
        told(Format::Logfmt),
        "ts=2026-11-20T10:11:12.123456789Z level=WARNING event=\"records dropped\" \
         dropped=12 first_seq=30 last_seq=41\n"
    );
}

#[test]
fn a_torn_record_is_shown_as_such() {
    let told = |format| notice(|out| render_torn(format, out, &META));
    for format in [Format::Text, Format::Iso, Format::Kmsg] {
        assert_eq!(told(format), "** printk message 7 is torn **\n");
    }
    assert_eq!(told(Format::Syslog), "<12>** printk message 7 is torn **\n");
    assert_eq!(
        told(Format::Json),
        "{\"ts\":\"2026-11-20T10:11:12.123456789Z\",\"level\":\"WARNING\",\
         \"event\":\"record torn\",\"dropped\":1,\"first_seq\":7,\"last_seq\":7}\n"
    );
    assert!(
        told(Format::Logfmt).ends_with(" event=\"record torn\" dropped=1 first_seq=7 last_seq=7\n")
    );
}

#[test]
fn a_notice_that_does_not_fit_leaves_nothing() {
    for format in FORMATS {
        let mut buf = [0; 40];
        let mut out = Out::new(&mut buf);
        out.put(b"0123456789");
        assert!(!render_dropped(format, &mut out, &META, 123_456_789, 1, 2));
        assert!(out.is_truncated());
        assert_eq!(out.written(), b"0123456789");
    }
}
