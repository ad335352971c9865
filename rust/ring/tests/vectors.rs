//! The conformance files: every call must give the result that the reference gave (`tests/vectors/RING.md`).

mod heap;

use heap::HeapRing;
use pr_ring::reader::Read;
use pr_ring::{Info, Ticket};
use pr_ring::{Seq, Unfinished};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/ring");
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "jsonl"));
    files.sort();
    assert_eq!(files.len(), 60, "files in {}", folder.display());
    files
}

fn number(op: &Value, key: &str) -> u64 {
    op[key].as_u64().unwrap_or_else(|| panic!("{key} in {op}"))
}

/// The bytes that a `write` line stands for.
fn pattern(k: u64, len: u64) -> Vec<u8> {
    (0..len)
        .map(|j| {
            if (k * 5 + j).is_multiple_of(13) {
                10
            } else {
                (33 + (k * 31 + j * 7) % 94) as u8
            }
        })
        .collect()
}

struct Replay {
    ring: HeapRing,
    open: HashMap<u64, Ticket>,
    buffer: Vec<u8>,
}

impl Replay {
    fn reserve(&mut self, op: &Value) -> Value {
        let info = Info {
            ts_nsec: number(op, "ts"),
            caller_id: number(op, "caller"),
            level: number(op, "level") as u8,
            facility: number(op, "facility") as u8,
            flags: number(op, "flags") as u8,
            ..Info::default()
        };
        let Ok(ticket) = self.ring.reserve_ticket(number(op, "size") as usize, &info) else {
            return serde_json::json!({"ok": false});
        };
        let result = serde_json::json!({"ok": true, "seq": ticket.seq().0,
            "buf_size": ticket.capacity(), "space": ticket.space()});
        self.open.insert(number(op, "h"), ticket);
        result
    }

    fn reopen(&mut self, op: &Value) -> Value {
        let (extend, max) = (number(op, "extend") as usize, number(op, "max") as usize);
        let Ok(ticket) = self.ring.reopen_ticket(number(op, "caller"), extend, max) else {
            return serde_json::json!({"ok": false});
        };
        let result = serde_json::json!({"ok": true, "seq": ticket.seq().0, "text_len": ticket.text_len(),
            "buf_size": ticket.capacity(), "space": ticket.space()});
        self.open.insert(number(op, "h"), ticket);
        result
    }

    fn write(&mut self, op: &Value) -> Value {
        let ticket = self.open.get_mut(&number(op, "h")).expect("an open handle");
        let data = pattern(number(op, "k"), number(op, "len"));
        assert_eq!(
            self.ring.write(ticket, number(op, "off"), &data),
            data.len()
        );
        ticket.set_text_len(number(op, "text_len") as u32);
        serde_json::json!({})
    }

    fn close(&mut self, op: &Value) -> Value {
        let ticket = self.open.remove(&number(op, "h")).expect("an open handle");
        if op["op"] == "commit" {
            self.ring.commit(ticket)
        } else {
            self.ring.finalize(ticket)
        }
        serde_json::json!({})
    }

    fn read(&mut self, op: &Value) -> Value {
        let buffer = &mut self.buffer[..number(op, "buf") as usize];
        match self
            .ring
            .read_valid(Seq(number(op, "seq")), buffer, Unfinished::Wait)
        {
            Read::NotYet { .. } => serde_json::json!({"ok": false}),
            Read::Found { info, copied, .. } => serde_json::json!({"ok": true, "found": info.seq.0,
                "text_len": info.text_len, "n": copied, "crc": crc(&buffer[..copied]),
                "caller": info.caller_id, "level": info.level, "facility": info.facility,
                "flags": info.flags, "ts": info.ts_nsec}),
        }
    }

    fn info(&mut self, op: &Value) -> Value {
        match self
            .ring
            .read_valid(Seq(number(op, "seq")), &mut self.buffer, Unfinished::Wait)
        {
            Read::NotYet { .. } => serde_json::json!({"ok": false}),
            Read::Found { info, copied, .. } => {
                let lines = 1 + self.buffer[..copied]
                    .iter()
                    .filter(|&&byte| byte == 10)
                    .count();
                serde_json::json!({"ok": true, "found": info.seq.0, "text_len": info.text_len,
                    "lines": lines, "caller": info.caller_id})
            }
        }
    }

    fn sweep(&mut self, op: &Value) -> Value {
        let mut runs: Vec<[u64; 2]> = Vec::new();
        let (mut seq, mut count, mut text) = (number(op, "seq"), 0, Vec::new());
        while let Read::Found { info, copied, .. } =
            self.ring
                .read_valid(Seq(seq), &mut self.buffer, Unfinished::Wait)
        {
            text.extend_from_slice(&self.buffer[..copied]);
            match runs.last_mut() {
                Some(run) if run[1] + 1 == info.seq.0 => run[1] = info.seq.0,
                _ => runs.push([info.seq.0; 2]),
            }
            (count, seq) = (count + 1, info.seq.0 + 1);
        }
        serde_json::json!({"runs": runs, "count": count, "bytes": text.len(), "crc": crc(&text)})
    }

    fn run(&mut self, op: &Value) -> Value {
        let value = |v: u64| serde_json::json!({ "v": v });
        match op["op"].as_str().expect("op") {
            "reserve" => self.reserve(op),
            "reopen" => self.reopen(op),
            "write" => self.write(op),
            "commit" | "final" => self.close(op),
            "read" => self.read(op),
            "info" => self.info(op),
            "sweep" => self.sweep(op),
            "first_seq" => value(self.ring.first_seq().0),
            "first_valid_seq" => value(self.ring.first_valid_seq().0),
            "next_seq" => value(self.ring.next_seq().0),
            "next_reserve_seq" => value(self.ring.next_reserve_seq().0),
            "fails" => value(self.ring.fail()),
            other => panic!("unknown op {other}"),
        }
    }
}

fn crc(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}

#[test]
fn every_call_of_the_conformance_files_gives_the_reference_result() {
    let mut calls = 0;
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let header = lines.next().expect("header");
        let ring = HeapRing::new(
            number(&header, "desc_bits") as u32,
            number(&header, "avg_bits") as u32,
            0,
        );
        let buffer = vec![0; 1 << 20];
        let mut replay = Replay {
            ring,
            open: HashMap::new(),
            buffer,
        };
        for (index, op) in lines.enumerate() {
            let result = replay.run(&op);
            for (key, got) in result.as_object().expect("object") {
                assert_eq!(
                    got,
                    &op[key],
                    "{key} of line {} in {}: {op}",
                    index + 2,
                    path.display()
                );
            }
            calls += 1;
        }
        assert_eq!(replay.ring.health(), 0, "{}", path.display());
    }
    assert_eq!(calls, 24646);
}
