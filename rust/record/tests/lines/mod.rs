//! What a record may look like in each format, however hostile its bytes.
#![allow(dead_code, reason = "each program uses some")]

use pr_record::{Format, Meta, NoSites, Out, decode, render};
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::HashSet;

pub fn rendered(format: Format, meta: &Meta, bytes: &[u8]) -> String {
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
pub fn assert_record(format: Format, output: &str) {
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

pub fn assert_json(line: &str) -> serde_json::Value {
    let Names(names) = serde_json::from_str(line).expect("JSON");
    let unique: HashSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{line}");
    serde_json::from_str(line).expect("JSON")
}

/// Counts the `name=value` pairs of a line as a parser of logfmt does.
pub fn pairs(line: &str) -> usize {
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
