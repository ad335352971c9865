//! Everything a reader does with the bytes of one record. Also what `fuzz/targets/decode.rs` runs.

#[path = "plain.rs"]
mod plain;

use pr_record::render::FORMATS;
use pr_record::wire::MAX_ARGS;
use pr_record::{Meta, NoSites, Out, Pieces, Site, Sites, Value, decode, render};

/// How many values this one is made of, itself included.
fn count(value: Value<'_>) -> usize {
    1 + match value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Dict(entries) => entries.iter().map(|entry| count(entry.value)).sum(),
        Value::Enum { value, .. } | Value::Numpy { value, .. } => count(value.value()),
        _ => 0,
    }
}

/// One site for all numbers, and what its lines have in common where that is kept ready.
struct OneSite<'a>(Site<'a>, Option<Pieces<'a>>);

impl Sites for OneSite<'_> {
    fn site(&self, _id: u32) -> Option<Site<'_>> {
        Some(self.0)
    }

    fn site_and_pieces(&self, _id: u32) -> Option<(Site<'_>, Option<&Pieces<'_>>)> {
        Some((self.0, self.1.as_ref()))
    }
}

/// Whatever a record says: what its site keeps ready makes the same lines as what the site says.
fn compare(bytes: &[u8], meta: &Meta) {
    let site = Site {
        event: Some("an event"),
        logger: Some("log\"ger"),
        file: Some("file.py"),
        line: 7,
        func: Some("func"),
        ..Site::default()
    };
    let (mut described, mut ready) = ([0; 256], [0; 512]);
    let len = site.write(["a", "b"].into_iter(), &mut described);
    let site = Site::read(&described[..len.expect("room")]).expect("a site");
    let (pieces, _) = Pieces::write(&site, &mut ready).expect("room");
    let lines = [Some(pieces), None].map(|pieces| {
        let sites = OneSite(site, pieces);
        let record = decode(bytes, &sites).expect("what is a record is one at any site");
        let mut room = vec![0; FORMATS.len() << 16];
        let mut out = Out::new(&mut room);
        let fit = FORMATS.map(|format| render(format, &mut out, meta, &record));
        (out.written().to_vec(), fit)
    });
    assert_eq!(lines[0], lines[1]);
}

/// Exactly what the layout's description allows is a record; what is one can be walked whole, and shown in every format
/// and in any room. Whether it is a record.
pub fn exercise(bytes: &[u8]) -> bool {
    let record = decode(bytes, &NoSites);
    let values = plain::values(bytes);
    assert_eq!(record.is_ok(), values.is_some(), "{record:?}");
    let Ok(record) = record else {
        return false;
    };
    let found: usize = record.fields().map(|field| count(field.value)).sum();
    assert_eq!(Some(found), values);
    assert!(record.args().iter().count() <= MAX_ARGS);
    let text = record.text().to_string();
    assert_eq!(record.message().is_some(), text != record.event());
    let _ = (record.logger(), record.levelno(), record.site());
    let _ = (record.file(), record.func(), record.exc());
    assert!(
        record.is_within(&record),
        "what is stored is equal to itself"
    );
    assert!(!record.has_ambient() || record.fields().next().is_some());
    let meta = Meta {
        seq: 1,
        ts_nsec: 2,
        wall_nsec: 3,
        level: 6,
        facility: 1,
        flags: 0,
        caller_id: 4,
        pid: 5,
        tid: 6,
    };
    if record.site().is_some() {
        compare(bytes, &meta);
    }
    let mut room = [0; 1 << 16];
    for size in [bytes.len() % 128, room.len()] {
        for format in FORMATS {
            let mut out = Out::new(&mut room[..size]);
            if render(format, &mut out, &meta, &record) {
                let text = core::str::from_utf8(out.written()).expect("what is shown is UTF-8");
                assert!(text.ends_with('\n'), "{format:?}: {text:?}");
            }
        }
    }
    true
}
