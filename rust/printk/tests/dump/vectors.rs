//! The conformance files: every call gives what the reference gave (`tests/vectors/PRINTK.md`), but for the one that it
//! repeats for ever.

use super::{Walk, append, plain, ring};
use pr_printk::dump::Plain;
use pr_printk::emit::meta_at;
use pr_record::render::kernel::{print_size, print_text};
use pr_ring::{Info, Region, Ring};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/printk");
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("dump_") && name.ends_with(".jsonl")
    });
    files.sort();
    assert_eq!(files.len(), 30, "files in {}", folder.display());
    files
}

fn number(value: &Value, key: &str) -> u64 {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} in {value}"))
}

fn on(value: &Value, key: &str) -> bool {
    value[key]
        .as_bool()
        .unwrap_or_else(|| panic!("{key} in {value}"))
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().expect("hex").as_bytes();
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a digit") as u8;
    digits
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One file's ring and its iterator.
struct Replay<'r> {
    walk: Walk<'r>,
    time: bool,
    caller: bool,
}

impl Replay<'_> {
    fn form(&self, op: &Value) -> Plain {
        plain(on(op, "syslog"), self.time, self.caller)
    }

    fn append(&mut self, op: &Value) -> Value {
        let info = Info {
            ts_nsec: number(op, "ts_nsec"),
            caller_id: number(op, "caller_id"),
            level: number(op, "level") as u8,
            facility: number(op, "facility") as u8,
            flags: number(op, "flags") as u8,
            ..Info::default()
        };
        json!({"seq": append(self.walk.ring, &info, &bytes(&op["text"]))})
    }

    fn get_line(&mut self, op: &Value) -> Value {
        let switches = self.form(op).0;
        let Some((info, text)) = self.walk.record() else {
            return json!({"ok": false, "len": 0, "bytes": ""});
        };
        let mut buffer = vec![0; number(op, "size") as usize];
        let len = print_text(switches, &meta_at(&info, 0), &text, &mut buffer);
        json!({"ok": true, "len": len, "bytes": hex(&buffer[..len])})
    }

    fn get_line_size(&mut self, op: &Value) -> Value {
        let switches = self.form(op).0;
        let Some((info, text)) = self.walk.record() else {
            return json!({"ok": false, "len": 0});
        };
        json!({"ok": true, "len": print_size(switches, &meta_at(&info, 0), &text)})
    }

    fn get_buffer(&mut self, op: &Value) -> Value {
        let form = self.form(op);
        match self.walk.block(&form, number(op, "size") as usize) {
            Some((block, bytes)) => json!({"ok": true, "len": block.len, "bytes": hex(&bytes)}),
            None => json!({"ok": false, "len": 0, "bytes": ""}),
        }
    }

    fn run(&mut self, op: &Value) -> Value {
        let mut result = match op["op"].as_str().expect("op") {
            "append" => return self.append(op),
            "set_clear" => {
                self.walk.clear_seq = number(op, "clear_seq");
                return json!({});
            }
            "rewind" => {
                self.walk.rewind();
                json!({})
            }
            "get_line" => self.get_line(op),
            "get_line_size" => self.get_line_size(op),
            "get_buffer" => self.get_buffer(op),
            other => panic!("unknown op {other}"),
        };
        result["cur_seq"] = json!(self.walk.iter.cur_seq.0);
        result["next_seq"] = json!(self.walk.iter.next_seq.0);
        result
    }

    /// Where the reference is stuck: each call gives one record more, and the walk ends.
    fn go_on(&mut self, op: &Value) {
        let before = self.walk.iter;
        let result = self.run(op);
        assert_eq!(result["ok"], true, "{op}");
        assert!(self.walk.iter.next_seq < before.next_seq, "{op}");
        let left = self.walk.iter.next_seq.0 - self.walk.iter.cur_seq.0;
        let calls = (0..=left).take_while(|_| self.run(op)["ok"] == true);
        assert!(calls.count() as u64 <= left, "{op}");
    }
}

fn made(header: &Value) -> Ring<Region> {
    let ring = ring(
        number(header, "desc_bits") as u32,
        number(header, "avg_bits") as u32,
    );
    assert_eq!(ring.geometry().data_bytes(), number(header, "data_bytes"));
    ring
}

#[test]
fn every_call_of_the_conformance_files_gives_what_the_reference_gave() {
    let (mut calls, mut stuck) = (0, 0);
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let header = lines.next().expect("a header");
        let ring = made(&header);
        let mut replay = Replay {
            walk: Walk::new(&ring),
            time: on(&header, "time"),
            caller: on(&header, "caller"),
        };
        replay.walk.clear_seq = header["clear_seq"].as_u64().unwrap_or(0);
        for (index, op) in lines.enumerate() {
            calls += 1;
            if op["stuck"] == true {
                replay.go_on(&op);
                stuck += 1;
                continue;
            }
            for (key, got) in replay.run(&op).as_object().expect("an object") {
                let place = format!("{key} of line {} of {}", index + 2, path.display());
                assert_eq!(got, &op[key], "{place}: {op}");
            }
        }
    }
    // As many as the published files hold: a parser that skips lines would otherwise pass.
    assert_eq!((calls, stuck), (2333, STUCK));
}

const STUCK: usize = 7;
