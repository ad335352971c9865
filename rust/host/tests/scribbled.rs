//! A file that somebody scribbles on, or cuts off, while it is being read: errors, torn records, gaps; never a signal, a reader that
//! does not come to its end, or a record that is another than the one its number stands for.
//!
//! What is scribbled on is all that says which record is where: head, tails, the slots' states and positions, the blocks'
//! headers; and in a log's file, whose records have sums, every word of slots and texts.

mod rings;
mod scratch;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use pr_host::foreign::ForeignFile;
use pr_host::plan::Plan;
use pr_host::reader::{Next, Origin, RecordReader};
use pr_ring::layout::{SLOT_BYTES, ring_offset};
use pr_ring::reader::read_valid;
use pr_ring::{Geometry, Read, Seq, Unfinished};
use rings::{Done, FileRing, Folder};
use scratch::Scratch;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

const RECORDS: u64 = 100;
/// Where the ring section of this file begins.
const RING: u64 = 4096;

fn text_of(seq: u64) -> Vec<u8> {
    seq.to_le_bytes().repeat(1 + seq as usize % 5)
}

/// A ring that has wrapped, and is dead.
fn dead_ring(path: &Path) -> Geometry {
    let geometry = Geometry::new(5, 6).expect("a geometry");
    let ring = FileRing::of(path, &Plan::for_ring(geometry), 0).expect("created");
    for seq in 0..RECORDS {
        assert_eq!(ring.write(&text_of(seq)), Seq(seq));
    }
    geometry
}

/// The places of all words that say which record is where: what is alike stands together.
fn places(file: &File, geometry: Geometry) -> [Vec<u64>; 5] {
    let slots =
        (0..geometry.descriptors()).map(|slot| RING + ring_offset::SLOTS + SLOT_BYTES * slot);
    let words = |at: u64| slots.clone().map(move |slot| slot + at).collect::<Vec<_>>();
    let (states, begins) = (words(0), words(8));
    let ids: Vec<u64> = states.iter().map(|at| word(file, *at) >> 2).collect();
    let header_of =
        |begin: &u64| RING + geometry.text_offset() + word(file, *begin) % geometry.data_bytes();
    // Those of blocks that do not wrap, of records whose text is still there.
    let headers = begins.iter().map(header_of).zip(ids);
    let headers = headers.filter(|(at, id)| *at + 8 < file_end(geometry) && word(file, *at) == *id);
    let headers = headers.map(|(at, _)| at).collect();
    let head_and_tails = [0, 8, 128, 136, 144].map(|at| RING + at).to_vec();
    [head_and_tails, states, begins, words(16), headers]
}

fn file_end(geometry: Geometry) -> u64 {
    RING + geometry.ring_bytes()
}

fn word(file: &File, at: u64) -> u64 {
    let mut word = [0; 8];
    file.read_exact_at(&mut word, at).expect("read");
    u64::from_ne_bytes(word)
}

/// Whoever scribbles and whoever reads.
#[derive(Default)]
struct Both {
    /// How often the file was read to its end.
    rounds: AtomicU64,
    done: AtomicBool,
}

/// Puts a wrong word in one place after the other, again and again: most for a moment, and some until the file has been read from
/// its beginning to its end, so that they are met on any machine.
fn scribble(file: &File, places: &[Vec<u64>], both: &Both) {
    let is_done = || both.done.load(Ordering::Relaxed);
    let mut random = 1_u64;
    while !is_done() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let alike = &places[(random >> 60) as usize % places.len()];
        let any = |shift: u32| alike[(random >> shift) as usize % alike.len()];
        let at = any(33);
        let old = word(file, at);
        let lie = match random >> 58 & 3 {
            0 => random,
            1 => old ^ 1 << (random >> 50 & 63),
            2 => old.wrapping_add(random >> 40 & 0xff),
            _ => word(file, any(20)), // right elsewhere
        };
        let begun = both.rounds.load(Ordering::SeqCst);
        file.write_all_at(&lie.to_ne_bytes(), at).expect("written");
        let stays = random >> 55 & 7 == 0;
        std::thread::yield_now();
        while stays && both.rounds.load(Ordering::SeqCst) < begun + 2 && !is_done() {
            std::thread::yield_now();
        }
        file.write_all_at(&old.to_ne_bytes(), at).expect("written");
    }
}

/// Reads the file once. How many records were whole and how many torn; None if it ended in an error.
fn read_once(file: &ForeignFile, mode: Unfinished) -> Option<(u64, u64)> {
    let (mut seq, mut buffer) = (0, [0; 256]);
    let (mut whole, mut torn) = (0, 0);
    for _ in 0..10_000 {
        let found = read_valid(file, Seq(seq), &mut buffer, mode).ok()?;
        let Read::Found { info, copied, .. } = found else {
            return Some((whole, torn));
        };
        assert!(info.seq.0 >= seq, "the reader went back: {info:?}");
        if info.torn {
            torn += 1;
        } else {
            assert_eq!(buffer[..copied], text_of(info.seq.0), "{info:?}");
            whole += 1;
        }
        seq = info.seq.0.saturating_add(1);
    }
    panic!("more records than there can be");
}

#[test]
fn a_file_that_is_scribbled_on_while_it_is_read_shows_no_wrong_record() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let geometry = dead_ring(&path);
    let scribbled = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .expect("opened");
    let places = places(&scribbled, geometry);
    let file = ForeignFile::open(&path).expect("a ring");
    let intact = read_once(&file, Unfinished::Skip).expect("readable");
    assert!(intact.0 > 20 && intact.1 == 0, "{intact:?}");
    let both = Both::default();
    let (mut rounds, mut short, mut torn) = (0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| scribble(&scribbled, &places, &both));
        let _done = Done(&both.done);
        // Until the reader has met it often, in both modes.
        while (short < 300 || torn < 300) && rounds < 100_000 {
            let mode = [Unfinished::Wait, Unfinished::Skip][rounds % 2];
            let (whole, broken) = read_once(&file, mode).unwrap_or_default();
            short += u64::from(whole + broken < intact.0);
            torn += broken;
            rounds += 1;
            both.rounds.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert!(short >= 300 && torn >= 300, "{short} {torn} in {rounds}");
    assert_eq!(read_once(&file, Unfinished::Skip), Some(intact));
}

/// Everything that a record says, but for its time of day.
type Said = (u64, u8, u8, u64, Vec<u8>);

/// Reads a log's file once. The whole records, and how many were torn; None if it ended in an error.
fn read_log(reader: &RecordReader) -> Option<(BTreeMap<u64, Said>, u64)> {
    let (mut seq, mut buffer, mut torn_ones) = (0, Vec::new(), 0);
    let mut whole = BTreeMap::new();
    for _ in 0..10_000 {
        let Next::Record { meta, torn, .. } = reader.next(seq, &mut buffer).ok()? else {
            return Some((whole, torn_ones));
        };
        if torn {
            torn_ones += 1;
        } else {
            let said = (
                meta.ts_nsec,
                meta.level,
                meta.flags,
                meta.caller_id,
                buffer.clone(),
            );
            whole.insert(meta.seq, said);
        }
        seq = meta.seq.saturating_add(1);
    }
    panic!("more records than there can be");
}

#[test]
fn of_a_logs_file_whatever_is_scribbled_on_no_wrong_record_is_shown() {
    let scratch = Scratch::new();
    let log = scratch.log();
    (0..40).for_each(|number| scratch::say_at(&log, (number % 8) as u8, number));
    log.close(scratch::PATIENCE);
    drop(log);
    let path = scratch.path("a.ring");
    let file = Arc::new(ForeignFile::open(&path).expect("a ring"));
    let geometry = file.plan().geometry;
    let reader = RecordReader::new(Origin::File(file));
    let (intact, torn) = read_log(&reader).expect("readable");
    assert!(intact.len() == 40 && torn == 0, "{} {torn}", intact.len());
    let scribbled = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .expect("opened");
    // Slot 0 is the dummy's. What is alike stands together: each field of all slots, and the texts.
    let slots = RING + ring_offset::SLOTS;
    let slot_of = |id: u64| slots + SLOT_BYTES * id;
    let fields = (0..8).map(|field| (1..=40).map(|id| slot_of(id) + 8 * field).collect());
    let used = word(&scribbled, slot_of(40) + 16);
    let texts = RING + geometry.text_offset();
    let mut places: Vec<Vec<u64>> = fields.collect();
    places.push((texts..texts + used).step_by(8).collect());
    let both = Both::default();
    let (mut rounds, mut short, mut torn) = (0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| scribble(&scribbled, &places, &both));
        let _done = Done(&both.done);
        while (short < 300 || torn < 300) && rounds < 100_000 {
            let (whole, broken) = read_log(&reader).unwrap_or_default();
            for (seq, said) in &whole {
                assert_eq!(intact.get(seq), Some(said), "record {seq}");
            }
            short += u64::from(whole.len() as u64 + broken < 40);
            torn += broken;
            rounds += 1;
            both.rounds.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert!(short >= 300 && torn >= 300, "{short} {torn} in {rounds}");
    assert_eq!(read_log(&reader), Some((intact, 0)));
}

#[test]
fn a_file_that_is_cut_off_while_it_is_read_ends_in_an_error() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    for length in [0, RING, RING + 200, RING + 1000] {
        dead_ring(&path);
        let file = ForeignFile::open(&path).expect("a ring");
        let cut = OpenOptions::new().write(true).open(&path).expect("opened");
        let begun = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _begun = Done(&begun);
            scope.spawn(|| {
                while !begun.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                cut.set_len(length).expect("cut");
            });
            while read_once(&file, Unfinished::Skip).is_some() {
                begun.store(true, Ordering::Relaxed);
            }
        });
        std::fs::remove_file(&path).expect("removed");
    }
}
