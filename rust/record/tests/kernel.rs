//! The kernel's formatting: every case of the conformance files gives the bytes that the kernel gave
//! (`tests/vectors/PRINTK.md`).

use pr_record::Meta;
use pr_record::render::kernel::{
    Extra, KMSG_BYTES, Switches, print_kmsg, print_lines, print_size, print_text,
};
use pr_record::{Out, render::kernel};
use proptest::prelude::*;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/printk");
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("format_") && name.ends_with(".jsonl")
    });
    files.sort();
    assert_eq!(files.len(), 30, "files in {}", folder.display());
    files
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().expect("hex").as_bytes();
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a digit") as u8;
    digits
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn meta(rec: &Value) -> Meta {
    Meta {
        seq: number(&rec["seq"]),
        ts_nsec: number(&rec["ts_nsec"]),
        level: number(&rec["level"]) as u8,
        facility: number(&rec["facility"]) as u8,
        flags: number(&rec["flags"]) as u8,
        caller_id: number(&rec["caller_id"]),
        ..Meta::default()
    }
}

/// What a case gives, under the names of the file.
fn formatted(case: &Value) -> Value {
    let on = |name: &str| case["switches"][name].as_bool().expect("a switch");
    let switches = Switches {
        syslog: on("syslog"),
        time: on("time"),
        caller: on("caller"),
    };
    let (meta, text) = (meta(&case["rec"]), bytes(&case["rec"]["text"]));
    let info = &case["rec"]["dev_info"];
    let (subsystem, device) = (bytes(&info["subsystem"]), bytes(&info["device"]));
    let extra = Extra {
        caller: switches.caller,
        subsystem: &subsystem,
        device: &device,
    };
    let mut buf = vec![0; number(&case["size"]) as usize];
    let len = print_text(switches, &meta, &text, &mut buf);
    let mut line = [0; KMSG_BYTES];
    let ext = print_kmsg(&meta, &text, &extra, &mut line);
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    serde_json::json!({"text": hex(&buf[..len]), "len": len, "ext": hex(&line[..ext]),
        "print_size": print_size(switches, &meta, &text)})
}

#[test]
fn every_case_of_the_conformance_files_gives_the_bytes_of_the_kernel() {
    let mut cases = 0;
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        assert_eq!(lines.next().expect("header")["kind"], "format");
        for (index, case) in lines.enumerate() {
            let place = format!("line {} of {}", index + 2, path.display());
            assert_eq!(formatted(&case), case["out"], "{place}");
            cases += 1;
        }
    }
    assert_eq!(cases, CASES);
}

/// As many as the published files hold: a parser that skips lines would otherwise pass.
const CASES: usize = 1359;

#[test]
fn a_caller_of_64_bits_is_named_by_its_lower_half() {
    let meta = Meta {
        caller_id: 7 << 32 | 4242,
        ..Meta::default()
    };
    let switches = Switches {
        caller: true,
        ..Switches::default()
    };
    let mut buf = [0; 64];
    let len = print_text(switches, &meta, b"x", &mut buf);
    assert_eq!(buf[..len], *b"[ T4242] x\n");
}

prop_compose! {
    fn record()(seq: u64, ts_nsec: u64, level in 0..8u8, facility: u8, flags: u8, caller_id: u32,
            text in proptest::collection::vec(prop_oneof![3 => Just(b'\n'), 9 => any::<u8>()], 0..600)) -> (Meta, Vec<u8>) {
        let caller_id = u64::from(caller_id);
        (Meta { seq, ts_nsec, level, facility, flags, caller_id, ..Meta::default() }, text)
    }
}

fn switches() -> impl Strategy<Value = Switches> {
    any::<[bool; 3]>().prop_map(|[syslog, time, caller]| Switches {
        syslog,
        time,
        caller,
    })
}

/// All of it, by the other way that there is.
fn whole(switches: Switches, meta: &Meta, text: &[u8]) -> Vec<u8> {
    let mut buf = vec![0; print_size(switches, meta, text)];
    let mut out = Out::new(&mut buf);
    assert!(print_lines(switches, meta, text, &mut out));
    out.written().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_size_is_that_of_the_whole_output_and_one_byte_more_is_enough_for_it(
        (meta, text) in record(), switches in switches()
    ) {
        let size = print_size(switches, &meta, &text);
        let whole = whole(switches, &meta, &text);
        prop_assert_eq!(whole.len(), size);
        let mut buf = vec![0; size + 1];
        prop_assert_eq!(print_text(switches, &meta, &text, &mut buf), size);
        prop_assert_eq!(&buf[..size], &whole[..]);
    }

    #[test]
    fn in_any_buffer_there_are_whole_lines_only_and_all_from_the_first_that_fit(
        (meta, text) in record(), switches in switches(), size in 0..1500usize
    ) {
        let whole = whole(switches, &meta, &text);
        let mut buf = vec![0; size];
        let len = print_text(switches, &meta, &text, &mut buf);
        prop_assert!(whole.starts_with(&buf[..len]));
        prop_assert!(len == 0 || (len < size && buf[len - 1] == b'\n'));
        let next = whole[len..].iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // But for the oddity of lines without a prefix, nothing more would have fitted.
        prop_assert!(next == 0 || len + next + usize::from(switches == Switches::default()) >= size);
    }

    #[test]
    fn the_beginning_of_a_record_is_the_beginning_of_all_of_it(
        (meta, text) in record(), switches in switches(), room in 0..1500usize
    ) {
        let whole = whole(switches, &meta, &text);
        let mut buf = vec![0; room];
        let mut out = Out::new(&mut buf);
        prop_assert_eq!(print_lines(switches, &meta, &text, &mut out), whole.len() <= room);
        prop_assert_eq!(out.written(), &whole[..whole.len().min(room)]);
    }

    #[test]
    fn a_line_of_dev_kmsg_can_be_taken_apart_again_if_it_is_whole((meta, text) in record(), caller: bool) {
        let mut buf = [0; KMSG_BYTES];
        let extra = Extra { caller, subsystem: b"usb", ..Extra::default() };
        let len = kernel::print_kmsg(&meta, &text, &extra, &mut buf);
        prop_assume!(len < KMSG_BYTES);
        let line = std::str::from_utf8(&buf[..len]).expect("ASCII");
        let (head, rest) = line.split_once(';').expect("a semicolon");
        let prio = u64::from(meta.facility) * 8 + u64::from(meta.level);
        let numbers = format!("{prio},{},{},", meta.seq, meta.ts_nsec / 1000);
        prop_assert!(head.starts_with(&numbers), "{}", head);
        prop_assert_eq!(head.contains(",caller="), caller);
        let (escaped, dictionary) = rest.split_once('\n').expect("a newline");
        prop_assert_eq!(dictionary, " SUBSYSTEM=usb\n");
        prop_assert_eq!(unescaped(escaped), text);
    }
}

fn unescaped(line: &str) -> Vec<u8> {
    let mut parts = line.split('\\');
    let mut bytes = parts.next().expect("a first part").as_bytes().to_vec();
    for part in parts {
        let (code, plain) = part.split_at(3);
        bytes.push(u8::from_str_radix(&code[1..], 16).expect("two digits"));
        bytes.extend_from_slice(plain.as_bytes());
    }
    bytes
}
