//! A record from a payload to what a console prints.

use pr_record::{Format, Meta, NoSites, Out, Payload, decode, encode, render};

/// 2026-11-20T10:11:12.123456789Z, 12.345678 s after the start, INFO, facility 1.
pub const META: Meta = Meta {
    seq: 7,
    ts_nsec: 12_345_678_999,
    wall_nsec: 1_795_169_472_123_456_789,
    level: 6,
    facility: 1,
    flags: Meta::NEWLINE,
    caller_id: 0,
    pid: 4242,
    tid: 4243,
};

pub fn encoded(payload: &Payload<'_>) -> Vec<u8> {
    let mut buf = vec![0; 64 * 1024];
    let made = encode(payload, &mut buf);
    buf.truncate(made.len);
    buf
}

#[allow(dead_code)]
pub fn show(format: Format, payload: &Payload<'_>) -> String {
    show_bytes(format, &META, &encoded(payload))
}

pub fn show_bytes(format: Format, meta: &Meta, bytes: &[u8]) -> String {
    let view = decode(bytes, &NoSites).expect("what was encoded is a record");
    let mut buf = vec![0; 1 << 20];
    let mut out = Out::new(&mut buf);
    assert!(render(format, &mut out, meta, &view));
    String::from_utf8(out.written().to_vec()).expect("output is UTF-8")
}
