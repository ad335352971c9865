//! A ring file that nobody vouches for, read in every way there is. Also what `fuzz/targets/file.rs` runs.
#![allow(dead_code)]

pub mod forge;

use core::mem::offset_of;
use pr_host::foreign::ForeignFile;
use pr_host::plan::SectionKind;
use pr_printk::dump::{DumpIter, Rendered, View};
use pr_record::Format;
use pr_ring::layout::{FIXED_BYTES, FixedHeader};
use pr_ring::reader::{next_seq, read_valid};
use pr_ring::{Read, Seq, Unfinished};
use std::fs;
use std::path::Path;

/// In which ways a file is read.
pub struct Ways {
    /// Where readers begin.
    starts: &'static [u64],
    /// What dumps are asked for: bytes of a block, the mark, and the end.
    walks: &'static [(usize, u64, u64)],
    /// It is asked for its counters and all that follows from the records.
    counts: bool,
    /// Its sections are copied, and it is looked at whether it is unchanged in the end.
    copies: bool,
}

/// All of them.
pub const ALL: Ways = Ways {
    starts: &[0, 1, 99, u64::MAX >> 2, u64::MAX],
    walks: &[(1, 0, 50), (40, 50, u64::MAX), (900, 0, u64::MAX)],
    counts: true,
    copies: true,
};

const NONE: Ways = Ways {
    starts: &[],
    walks: &[],
    counts: false,
    copies: false,
};

/// One at a time, for millions of files.
pub const EACH: [Ways; 4] = [
    Ways {
        starts: &[0],
        ..NONE
    },
    Ways {
        walks: &[(60, 0, u64::MAX)],
        ..NONE
    },
    Ways {
        counts: true,
        ..NONE
    },
    Ways {
        copies: true,
        ..NONE
    },
];

/// Writes these bytes to the file, opens it, and reads it in these ways. How many records a reader has found; None: it is refused. The
/// owner of the file is dead.
pub fn examine_by(ways: &Ways, path: &Path, bytes: &[u8]) -> Option<u64> {
    fs::write(path, bytes).expect("written");
    let file = match ForeignFile::open(path) {
        Ok(file) => file,
        Err(why) => {
            assert!(why.to_string().contains(&path.display().to_string()));
            return None;
        }
    };
    let info = file.info().expect("whole: all its sections are there");
    assert!(info.file_bytes <= bytes.len() as u64);
    assert!(!info.alive);
    if ways.counts {
        count(&file);
    }
    if ways.copies {
        copy(&file);
    }
    let mut most = 0;
    for start in ways.starts {
        next_seq(&file, Seq(*start)).expect("readable");
        for mode in [Unfinished::Wait, Unfinished::Skip] {
            most = most.max(read_all(&file, *start, mode));
        }
    }
    walk_all(&file, ways.walks);
    let unchanged = !ways.copies || fs::read(path).expect("read") == bytes;
    assert!(unchanged, "reading changed the file");
    Some(most)
}

/// The same in all ways.
pub fn examine(path: &Path, bytes: &[u8]) -> Option<u64> {
    examine_by(&ALL, path, bytes)
}

fn count(file: &ForeignFile) {
    let most = file.plan().geometry.descriptors();
    let stats = file.stats().expect("readable");
    assert!(stats.records <= most, "more records than slots");
    assert!(file.unfinished().expect("readable") <= 2 * most);
    file.last_wall_nsec().expect("readable");
    for ts_nsec in [0, 1 << 40, u64::MAX] {
        file.wall_nsec(ts_nsec);
    }
}

fn copy(file: &ForeignFile) {
    file.clear_seq().expect("readable");
    file.ruling().expect("readable");
    file.identity().expect("readable");
    for kind in SectionKind::ALL {
        let bytes = file.section_bytes(kind).expect("readable");
        assert_eq!(bytes.len() as u64, file.plan().section(kind).bytes);
    }
}

fn read_all(file: &ForeignFile, start: u64, mode: Unfinished) -> u64 {
    let (mut seq, mut count, mut buffer) = (start, 0, [0; 4096]);
    while let Read::Found { info, copied, .. } =
        read_valid(file, Seq(seq), &mut buffer, mode).expect("readable")
    {
        assert!(
            info.seq.0 >= seq && copied <= info.text_len as usize,
            "{info:?}"
        );
        count += 1;
        assert!(
            count <= file.plan().geometry.descriptors(),
            "more records than slots"
        );
        let Some(next) = info.seq.0.checked_add(1) else {
            break;
        };
        seq = next;
    }
    count
}

/// Dumps it, in blocks of several sizes, from a clear mark and an end that may be lies.
fn walk_all(file: &ForeignFile, walks: &[(usize, u64, u64)]) {
    let sites = file.sites().unwrap_or_default();
    let form = Rendered {
        format: Format::Text,
        wall_nsec: |ts_nsec| file.wall_nsec(ts_nsec),
        sites: &*sites,
        summed: file.plan().has_sums(),
    };
    let view = View {
        source: file,
        unfinished: Unfinished::Skip,
        clear_seq: Seq(0),
    };
    for &(size, clear_seq, end) in walks {
        let (mut scratch, mut buffer) = ([0; 4096], [0; 900]);
        let mut iter = DumpIter::NEW;
        iter.rewind(Seq(clear_seq), Seq(end));
        let mut records = 0;
        while let Some(block) = iter
            .get_buffer(&view, &form, &mut scratch, &mut buffer[..size])
            .expect("readable")
        {
            records += block.records;
            assert!(block.records > 0 && block.len < size);
            assert!(
                records <= file.plan().geometry.descriptors(),
                "more records than slots"
            );
        }
    }
}

/// With the checksum that makes a lie believable.
pub fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = offset_of!(FixedHeader, checksum);
    bytes[at..at + 4].fill(0);
    let sum = crc32fast::hash(&bytes[..FIXED_BYTES]);
    bytes[at..at + 4].copy_from_slice(&sum.to_ne_bytes());
    bytes
}
