//! A record of a call site says what it would say without one.

mod call;
mod tree;

use call::call;
use pr_record::{
    DecodeError, Format, FromSite, Meta, NoSites, Out, Payload, RecordView, Site, Sites, decode,
    encode, render, render::FORMATS, site_of, write_whole,
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
        shown(&view);
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
