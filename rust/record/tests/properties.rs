//! What holds for every record and for all bytes.

mod tree;

use std::collections::HashSet;

use pr_record::{
    Exc, Field, Format, Meta, NoSites, Out, Payload, Value, decode, encode, render,
    render::FORMATS,
    render_cut,
    wire::{MARK, MAX_DEPTH},
};
use proptest::prelude::*;
use serde::de::{Deserializer, MapAccess, Visitor};
use tree::{Tree, text, tree};

/// A log call that owns what it says.
#[derive(Clone, Debug)]
struct Call {
    event: String,
    message: Option<String>,
    logger: Option<String>,
    levelno: Option<i32>,
    source: Option<(String, u32, String)>,
    exc: Option<(String, String, String)>,
    fields: Vec<(String, Tree)>,
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]_?", "(seq|ts|event|dropped|truncated)_{0,2}", text()]
}

prop_compose! {
    fn call()(
        event in text(),
        message in proptest::option::of(text()),
        logger in proptest::option::of(text()),
        levelno in any::<Option<i32>>(),
        source in proptest::option::of((text(), any::<u32>(), text())),
        exc in proptest::option::of((text(), text(), text())),
        fields in proptest::collection::vec((key(), tree()), 0..6),
    ) -> Call {
        Call { event, message, logger, levelno, source, exc, fields }
    }
}

impl Call {
    fn with<R>(&self, call: impl FnOnce(&Payload<'_>) -> R) -> R {
        let encoded: Vec<Vec<u8>> = self.fields.iter().map(|(_, tree)| alone(tree)).collect();
        let value = |bytes| {
            decode(bytes, &NoSites)
                .unwrap()
                .fields()
                .next()
                .unwrap()
                .value
        };
        let keys = self.fields.iter().map(|(key, _)| key.as_str());
        let fields: Vec<Field<'_>> = keys
            .zip(&encoded)
            .map(|(key, bytes)| Field {
                key,
                value: value(bytes),
            })
            .collect();
        call(&Payload {
            event: &self.event,
            message: self.message.as_deref(),
            logger: self.logger.as_deref(),
            levelno: self.levelno,
            file: self.source.as_ref().map(|source| source.0.as_str()),
            line: self.source.as_ref().map_or(0, |source| source.1),
            func: self.source.as_ref().map(|source| source.2.as_str()),
            exc: self.exc.as_ref().map(|(kind, message, stacktrace)| Exc {
                kind,
                message,
                stacktrace,
            }),
            fields: &fields,
        })
    }

    fn encoded(&self, limit: usize) -> Vec<u8> {
        let mut buf = vec![0; limit];
        let len = self.with(|payload| encode(payload, &mut buf).len);
        buf.truncate(len);
        buf
    }
}

/// A record that holds nothing but one value: it keeps what a field borrows.
fn alone(tree: &Tree) -> Vec<u8> {
    let mut buf = vec![0; 64 * 1024];
    let made = tree.with(|value| {
        let fields = [Field {
            key: "",
            value: *value,
        }];
        encode(
            &Payload {
                fields: &fields,
                ..Payload::default()
            },
            &mut buf,
        )
    });
    assert!(!made.truncated);
    buf.truncate(made.len);
    buf
}

fn meta() -> impl Strategy<Value = Meta> {
    let times = (any::<u64>(), any::<u64>(), any::<u64>());
    (
        times,
        any::<[u8; 3]>(),
        any::<u64>(),
        any::<u32>(),
        any::<u32>(),
    )
        .prop_map(
            |((seq, ts_nsec, wall_nsec), [level, facility, flags], caller_id, pid, tid)| Meta {
                seq,
                ts_nsec,
                wall_nsec,
                level,
                facility,
                flags,
                caller_id,
                pid,
                tid,
            },
        )
}

fn rendered(format: Format, meta: &Meta, bytes: &[u8]) -> String {
    let view = decode(bytes, &NoSites).expect("a record");
    let mut buf = vec![0; 2 << 20];
    let mut out = Out::new(&mut buf);
    assert!(render(format, &mut out, meta, &view));
    String::from_utf8(out.written().to_vec()).expect("UTF-8")
}

/// What a terminal, or a program that splits text into lines, could act upon.
fn is_dangerous(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The lines of one record, each with its proper beginning.
fn assert_record(format: Format, output: &str) {
    assert!(
        output.ends_with('\n') && !output.chars().any(is_dangerous),
        "{output:?}"
    );
    let lines: Vec<&str> = output.strip_suffix('\n').unwrap().split('\n').collect();
    let first = lines[0];
    let time = |line: &str| line.find(']').map_or(0, |end| end + 1);
    let prefix = match format {
        Format::Text => time(first),
        Format::Syslog => {
            assert!(first.starts_with('<'));
            time(first)
        }
        Format::Iso => "2026-11-20T10:11:12.123456Z".len(),
        Format::Json | Format::Logfmt => {
            assert_eq!(lines.len(), 1);
            return;
        }
        Format::Kmsg => {
            assert!(lines[1..].iter().all(|line| line.starts_with(' ')));
            assert!(
                output
                    .bytes()
                    .all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte))
            );
            return;
        }
    };
    let (lead, rest) = first.split_at(prefix);
    assert!(rest.starts_with(' '), "{output:?}");
    assert!(
        lines[1..]
            .iter()
            .all(|line| line.starts_with(&format!("{lead}|"))),
        "{output:?}"
    );
}

/// The names of a JSON object as they stand there, twice if they are there twice.
struct Names(Vec<String>);

impl<'de> serde::Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Names;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(All)
    }
}

fn assert_json(line: &str) -> serde_json::Value {
    let Names(names) = serde_json::from_str(line).expect("JSON");
    let unique: HashSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{line}");
    serde_json::from_str(line).expect("JSON")
}

/// Everything that decoding any bytes may lead to.
fn use_up(bytes: &[u8]) {
    let Ok(view) = decode(bytes, &NoSites) else {
        return;
    };
    fn depth(value: Value<'_>) -> usize {
        match value {
            Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Dict(entries) => 1 + entries.iter().map(|e| depth(e.value)).max().unwrap_or(0),
            Value::Enum { value, .. } | Value::Numpy { value, .. } => depth(value.value()),
            _ => 0,
        }
    }
    assert!(view.fields().all(|field| depth(field.value) <= MAX_DEPTH));
    let meta = Meta {
        wall_nsec: 1_795_169_472_123_456_789,
        ..Meta::default()
    };
    for format in FORMATS {
        let output = rendered(format, &meta, bytes);
        assert_record(format, &output);
        if format == Format::Json {
            assert_json(&output);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_or_rendered(bytes in any::<Vec<u8>>()) {
        use_up(&bytes);
    }

    #[test]
    fn any_items_are_refused_or_rendered(
        tags in proptest::collection::vec((0u8..0x26, any::<[u8; 3]>()), 0..40)
    ) {
        let mut bytes = vec![1];
        for (tag, [a, b, c]) in tags {
            bytes.extend_from_slice(&[tag, a & 3, b & 0x7f, c & 0x7f]);
        }
        use_up(&bytes);
    }

    #[test]
    fn damaged_records_are_refused_or_rendered(
        call in call(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = call.encoded(64 * 1024);
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        use_up(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        use_up(&bytes);
    }

    #[test]
    fn every_record_comes_back_as_it_was(call in call()) {
        let bytes = call.encoded(32 * 1024);
        let view = decode(&bytes, &NoSites).expect("a record");
        prop_assume!(!view.truncated());
        prop_assert_eq!(view.event(), &call.event);
        prop_assert_eq!(view.text(), call.message.as_ref().unwrap_or(&call.event));
        prop_assert_eq!(view.logger(), call.logger.as_deref());
        prop_assert_eq!(view.levelno(), call.levelno);
        let source = call.source.as_ref();
        prop_assert_eq!(view.file(), source.map(|source| source.0.as_str()));
        prop_assert_eq!(view.line(), source.map_or(0, |source| source.1));
        prop_assert_eq!(view.func(), source.map(|source| source.2.as_str()));
        let exc = view.exc().map(|exc| {
            (exc.kind.to_string(), exc.message.to_string(), exc.stacktrace.to_string())
        });
        prop_assert_eq!(&exc, &call.exc);
        prop_assert_eq!(view.fields().count(), call.fields.len());
        for (field, (key, tree)) in view.fields().zip(&call.fields) {
            prop_assert_eq!(field.key, key);
            prop_assert!(tree.is_same(&Tree::of(field.value)), "{:?} {:?}", tree, field.value);
        }
    }

    #[test]
    fn a_record_that_does_not_fit_is_a_shorter_record(call in call(), limit in 0usize..1500) {
        let bytes = call.encoded(limit);
        prop_assert!(bytes.len() <= limit);
        let whole = call.encoded(32 * 1024);
        let view = decode(&bytes, &NoSites).expect("a record");
        if whole.len() <= limit {
            prop_assert_eq!(&bytes, &whole);
            return Ok(());
        }
        prop_assert!(view.truncated());
        let event = view.event();
        prop_assert!(call.event.starts_with(event.strip_suffix(MARK).unwrap_or(event)));
        prop_assert!(view.fields().count() <= call.fields.len());
        let meta = Meta { wall_nsec: 1_795_169_472_123_456_789, ..Meta::default() };
        for format in [Format::Text, Format::Iso, Format::Syslog] {
            prop_assert!(rendered(format, &meta, &bytes).ends_with("<truncated>\n"));
        }
    }

    #[test]
    fn no_data_forges_a_record_or_a_terminal_sequence(call in call()) {
        let bytes = call.encoded(32 * 1024);
        let meta = Meta { wall_nsec: 1_795_169_472_123_456_789, ..Meta::default() };
        for format in FORMATS {
            assert_record(format, &rendered(format, &meta, &bytes));
        }
    }

    #[test]
    fn json_is_one_object_that_holds_the_values(call in call(), meta in meta()) {
        let bytes = call.encoded(32 * 1024);
        prop_assume!(!decode(&bytes, &NoSites).unwrap().truncated());
        let line = rendered(Format::Json, &meta, &bytes);
        let json = assert_json(&line);
        prop_assert_eq!(&json["event"], &call.event);
        prop_assert_eq!(json["seq"].as_u64(), Some(meta.seq));
        prop_assert_eq!(json["logger"].as_str(), call.logger.as_deref());
        for (index, (key, tree)) in call.fields.iter().enumerate() {
            if call.fields[index + 1..].iter().any(|(later, _)| later == key) {
                continue;
            }
            let is_named = |name: &str| json.get(name) == Some(&tree.json());
            let renamed = (0..5).any(|n| is_named(&format!("{key}{}", "_".repeat(n))));
            prop_assert!(renamed, "{} {:?} {}", key, tree, line);
        }
    }

    #[test]
    fn logfmt_has_exactly_the_fields_that_were_logged(call in call(), meta in meta()) {
        let bytes = call.encoded(32 * 1024);
        let view = decode(&bytes, &NoSites).unwrap();
        let line = rendered(Format::Logfmt, &meta, &bytes);
        let own = 6 + usize::from(view.message().is_some()) + usize::from(view.logger().is_some())
            + usize::from(view.file().is_some()) + usize::from(view.line() != 0)
            + usize::from(view.func().is_some()) + usize::from(view.exc().is_some())
            + usize::from(view.truncated());
        let keys: HashSet<_> = view.fields().map(|field| field.key).collect();
        prop_assert_eq!(pairs(&line), own + keys.len(), "{}", line);
    }

    #[test]
    fn kmsg_has_exactly_the_fields_that_were_logged(call in call(), meta in meta()) {
        let bytes = call.encoded(32 * 1024);
        let view = decode(&bytes, &NoSites).unwrap();
        let output = rendered(Format::Kmsg, &meta, &bytes);
        let keys: HashSet<_> = view.fields().map(|field| field.key).collect();
        prop_assert_eq!(output.matches('\n').count(), 1 + keys.len());
        prop_assert!(output.lines().skip(1).all(|line| line.contains('=')));
    }

    #[test]
    fn in_a_small_buffer_a_record_is_whole_or_shortened_but_never_broken(
        call in call(), size in 0usize..2000, before in 0usize..50,
    ) {
        let bytes = call.encoded(32 * 1024);
        let view = decode(&bytes, &NoSites).unwrap();
        let meta = Meta { wall_nsec: 1_795_169_472_123_456_789, ..Meta::default() };
        for format in FORMATS {
            let whole = rendered(format, &meta, &bytes);
            let mut buf = vec![0; before + size];
            let mut out = Out::new(&mut buf);
            out.put(&vec![b'x'; before]);
            let is_there = render_cut(format, &mut out, &meta, &view);
            prop_assert_eq!(is_there, !out.is_truncated());
            prop_assert!(is_there || (out.len() == before && size < 300), "{} {}", size, whole);
            let shown = core::str::from_utf8(&out.written()[before..]).unwrap();
            if size >= whole.len() {
                prop_assert_eq!(shown, &whole);
            } else if is_there {
                assert_record(format, shown);
                prop_assert!(shown.contains("truncated"));
            }
            if is_there && format == Format::Json {
                assert_json(shown);
            }
        }
    }
}

/// Counts the `name=value` pairs of a line as a parser of logfmt does.
fn pairs(line: &str) -> usize {
    let mut rest = line.strip_suffix('\n').unwrap();
    let mut count = 0;
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').expect("a name");
        assert!(
            !name.is_empty() && !name.contains([' ', '"', '\t']),
            "{line}"
        );
        let end = match value.strip_prefix('"') {
            Some(quoted) => 2 + closing_quote(quoted),
            None => value.find(' ').unwrap_or(value.len()),
        };
        assert!(
            value[end..].is_empty() || value[end..].starts_with(' '),
            "{line}"
        );
        rest = value[end..].strip_prefix(' ').unwrap_or("");
        count += 1;
    }
    count
}

/// The position of the quote that ends a string.
fn closing_quote(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    panic!("no closing quote: {text}");
}
