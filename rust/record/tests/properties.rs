//! What holds for every record.

mod call;
mod lines;
mod tree;

use std::collections::HashSet;
use std::mem::MaybeUninit;

use call::call;
use lines::{assert_json, assert_record, pairs, rendered};
use pr_record::{
    Format, FromSite, Meta, NoSites, Out, Payload, decode, encode, encode_whole, render::FORMATS,
    render_beginning, render_cut, wire::MARK,
};
use proptest::prelude::*;
use tree::Tree;

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_record_comes_back_as_it_was(call in call()) {
        let bytes = call.encoded(32 * 1024);
        let view = decode(&bytes, &NoSites).expect("a record");
        prop_assume!(!view.truncated());
        prop_assert_eq!(view.event(), &call.event);
        if let Some(message) = &call.message {
            prop_assert_eq!(view.text().as_plain(), Some(message.as_str()));
        }
        prop_assert_eq!(view.args().is_none(), call.args.is_none());
        if let Some(args) = &call.args {
            prop_assert_eq!(view.args().is_named(), args.is_named);
            prop_assert_eq!(view.args().iter().count(), args.values.len());
            for (found, (key, tree)) in view.args().iter().zip(&args.values) {
                prop_assert_eq!(found.key, if args.is_named { key.as_str() } else { "" });
                prop_assert!(tree.is_same(&Tree::of(found.value)), "{:?} {:?}", tree, found.value);
            }
        }
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
    fn memory_without_values_gets_all_that_is_counted_and_keeps_the_rest(
        call in call(), limit in 0usize..1500, has_site in any::<bool>(), named in 0usize..6,
    ) {
        call.with(|payload| {
            let site = FromSite {
                id: 7,
                table: 0,
                has_event: named % 2 == 0,
                has_logger: named % 3 == 0,
                named_from: payload.fields.len().saturating_sub(named),
            };
            let payload = Payload { site: has_site.then_some(site), ..*payload };
            let mut bytes = vec![0; limit];
            let encoded = encode(&payload, &mut bytes);
            for before in [0x00, 0xff] {
                let mut memory = vec![MaybeUninit::new(before); limit];
                let len = encode_whole(&payload, &mut memory);
                prop_assert_eq!(len, (!encoded.truncated).then_some(encoded.len));
                // SAFETY: each had a value before.
                let held = memory.iter().map(|byte| unsafe { byte.assume_init() });
                let held: Vec<u8> = held.collect();
                if let Some(len) = len {
                    prop_assert_eq!(&held[..len], &bytes[..len]);
                    prop_assert!(held[len..].iter().all(|byte| *byte == before));
                }
            }
            Ok(())
        })?;
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
        let text = decode(&bytes, &NoSites).unwrap().text().to_string();
        prop_assert_eq!(json.get("message").map_or(&call.event[..], |text| text.as_str().unwrap()), text);
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

    #[test]
    fn the_beginning_of_a_record_is_how_all_of_it_begins(call in call(), size in 0usize..2000, before in 0usize..50) {
        let bytes = call.encoded(32 * 1024);
        let view = decode(&bytes, &NoSites).unwrap();
        let meta = Meta { wall_nsec: 1_795_169_472_123_456_789, ..Meta::default() };
        for format in FORMATS {
            let whole = rendered(format, &meta, &bytes);
            let mut buf = vec![0; before + size];
            let mut out = Out::new(&mut buf);
            out.put(&vec![b'x'; before]);
            let is_whole = render_beginning(format, &mut out, &meta, &view);
            prop_assert_eq!(is_whole, whole.len() <= size);
            let shown = &out.written()[before..];
            prop_assert!(whole.as_bytes().starts_with(shown));
            if let (false, Format::Text | Format::Iso | Format::Syslog) = (is_whole, format) {
                prop_assert_eq!(shown.len(), size);
            }
        }
    }
}
