//! A record of hostile bytes: refused, or decoded and shown in every format, as text that is UTF-8 and ends.
#![no_main]

use pr_record::render::FORMATS;
use pr_record::{Meta, NoSites, Out, decode, render};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = decode(bytes, &NoSites) else {
        return;
    };
    let _ = (record.event(), record.message(), record.logger(), record.file(), record.func(), record.exc());
    // One pass over all fields; what decode has accepted can be walked.
    let fields = record.fields().count();
    assert!(fields <= bytes.len());
    let meta = Meta { seq: 1, ts_nsec: 2, wall_nsec: 3, level: 6, facility: 1, flags: 0, caller_id: 4, pid: 5, tid: 6 };
    for size in [0, 16, 100, 1 << 16] {
        let mut buffer = vec![0; size];
        for format in FORMATS {
            let mut out = Out::new(&mut buffer);
            if render(format, &mut out, &meta, &record) {
                let shown = out.len();
                let text = core::str::from_utf8(&buffer[..shown]).expect("what is shown is UTF-8");
                assert!(text.ends_with('\n'), "{format:?}: {text:?}");
            }
        }
    }
});
