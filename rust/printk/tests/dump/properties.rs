//! What holds for every ring, record and buffer: a walk in blocks gives what a walk by lines gives, or says where it cut.

use super::{Walk, append, plain, ring, view};
use pr_printk::dump::{DumpIter, Form, Rendered, View};
use pr_record::{Field, Format, NoSites, Out, Payload, Value, encode};
use pr_ring::head::Head;
use pr_ring::reader::TailWords;
use pr_ring::slots::{Slot, SlotCopy};
use pr_ring::state::State;
use pr_ring::{DescId, Geometry, Info, RecordInfo, Region, Ring, Seq, Source, Unfinished};
use proptest::prelude::*;
use std::cell::Cell;
use std::convert::Infallible;

const MARKER: &[u8] = b"<truncated>\n";

/// What a form makes of a record, all of it.
fn whole(form: &impl Form, info: &RecordInfo, text: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; 256 + 64 * text.len()];
    let mut out = Out::new(&mut buffer);
    assert!(form.write(&mut out, info, text));
    out.written().to_vec()
}

/// Every record's lines, oldest first, as a walk by records gives them.
fn lines(ring: &Ring<Region>, clear_seq: u64, form: &impl Form) -> Vec<Vec<u8>> {
    let mut walk = Walk::new(ring);
    walk.clear_seq = clear_seq;
    walk.rewind();
    let records = std::iter::from_fn(|| walk.record());
    records
        .map(|(info, text)| whole(form, &info, &text))
        .collect()
}

/// Takes a whole walk in blocks apart: the records from the newest back, each whole or cut.
fn check_blocks(
    ring: &Ring<Region>,
    clear_seq: u64,
    form: &impl Form,
    size: usize,
) -> Result<(), TestCaseError> {
    let expected = lines(ring, clear_seq, form);
    let mut left = expected.as_slice();
    let mut walk = Walk::new(ring);
    walk.clear_seq = clear_seq;
    walk.rewind();
    while let Some((block, bytes)) = walk.block(form, size) {
        prop_assert!(block.records >= 1 && bytes.len() < size);
        prop_assert!(left.len() as u64 >= block.records, "a record too much");
        let (older, given) = left.split_at(left.len() - block.records as usize);
        prop_assert_eq!(block.is_full, !older.is_empty() && !block.is_cut);
        if block.is_cut {
            prop_assert_eq!(given.len(), 1);
            check_cut(&given[0], &bytes, size)?;
        } else {
            prop_assert_eq!(&bytes, &given.concat());
            let more = older.last().map_or(size, Vec::len);
            prop_assert!(bytes.len() + more >= size, "one more would have fitted");
        }
        left = older;
    }
    prop_assert!(left.is_empty(), "{} records were never given", left.len());
    prop_assert_eq!(
        walk.iter.cur_seq.min(walk.iter.next_seq),
        walk.iter.next_seq
    );
    Ok(())
}

/// A cut record fills the buffer with its beginning and the marker, but for a character that it would have cut.
fn check_cut(whole: &[u8], bytes: &[u8], size: usize) -> Result<(), TestCaseError> {
    prop_assert!(whole.len() >= size);
    if size <= MARKER.len() {
        prop_assert_eq!(bytes.len(), size - 1);
        prop_assert!(bytes.last().is_none_or(|last| *last == b'\n'));
        prop_assert!(MARKER.starts_with(bytes.strip_suffix(b"\n").unwrap_or_default()));
        return Ok(());
    }
    let kept = bytes.strip_suffix(MARKER);
    prop_assert!(kept.is_some_and(|kept| whole.starts_with(kept)));
    let spared = size - 1 - bytes.len();
    prop_assert!(spared <= 3);
    if std::str::from_utf8(whole).is_ok() {
        prop_assert!(std::str::from_utf8(bytes).is_ok(), "half a character");
    }
    Ok(())
}

/// Records for a ring: many are empty, so that old ones survive between lost ones.
fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![2 => Just(b'\n'), 3 => any::<u8>(), 15 => 0x20..0x7fu8];
    let text = prop_oneof![
        1 => Just(Vec::new()),
        2 => proptest::collection::vec(byte.clone(), 1..12),
        1 => proptest::collection::vec(byte, 1..100),
    ];
    proptest::collection::vec(text, 0..120)
}

/// A ring that holds what is left of these texts.
fn filled(desc_bits: u32, texts: &[Vec<u8>]) -> Ring<Region> {
    let ring = ring(desc_bits, 3);
    let most = ring.geometry().data_bytes() as usize / 2 - 8;
    for (number, text) in texts.iter().enumerate() {
        let info = Info {
            ts_nsec: number as u64 * 1_000_000,
            caller_id: 42,
            level: 6,
            ..Info::default()
        };
        append(&ring, &info, &text[..text.len().min(most)]);
    }
    ring
}

/// Sizes of buffers: also those that hold nothing, or a part of the marker.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![1 => 1..16usize, 2 => 16..80usize, 3 => 80..2000usize]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_reversed_are_the_lines_and_what_does_not_fit_alone_is_cut_once(
        texts in texts(), desc_bits in 4..8u32, clear_seq in 0..60u64, size in size(), switches: [bool; 3]
    ) {
        let [syslog, time, caller] = switches;
        let ring = filled(desc_bits, &texts);
        check_blocks(&ring, clear_seq, &plain(syslog, time, caller), size)?;
    }

    #[test]
    fn where_every_record_fits_nothing_is_cut(texts in texts(), desc_bits in 4..8u32, more in 0..300usize) {
        let form = plain(false, true, true);
        let ring = filled(desc_bits, &texts);
        let lines = lines(&ring, 0, &form);
        let size = lines.iter().map(Vec::len).max().unwrap_or(0) + 1 + more;
        let mut walk = Walk::new(&ring);
        walk.rewind();
        let mut blocks = Vec::new();
        while let Some((block, bytes)) = walk.block(&form, size) {
            prop_assert!(!block.is_cut);
            blocks.push(bytes);
        }
        blocks.reverse();
        prop_assert_eq!(blocks.concat(), lines.concat());
    }

    #[test]
    fn a_log_is_walked_like_that_in_each_of_its_formats(
        texts in proptest::collection::vec("\\PC{0,40}|[a-z\n\u{e9}\u{20ac}\u{1f600}]{0,80}", 0..20), size in size()
    ) {
        let ring = ring(6, 8);
        for text in &texts {
            let fields = [Field { key: "k", value: Value::Str(text) }];
            let payload = Payload { event: text, logger: Some("app"), fields: &fields, ..Payload::default() };
            let mut bytes = [0; 4096];
            let len = encode(&payload, &mut bytes).len;
            append(&ring, &Info { level: 6, facility: 1, ..Info::default() }, &bytes[..len]);
        }
        append(&ring, &Info::default(), b"\xff no record");
        for format in [Format::Text, Format::Syslog, Format::Iso, Format::Json, Format::Logfmt, Format::Kmsg] {
            check_ends(&ring, &Rendered { format, wall_nsec: |ts_nsec| ts_nsec, sites: &NoSites, summed: false }, size)?;
        }
        for format in [Format::Text, Format::Syslog, Format::Iso] {
            check_blocks(&ring, 0, &Rendered { format, wall_nsec: |ts_nsec| ts_nsec, sites: &NoSites, summed: false }, size.max(40))?;
        }
    }
}

/// Every record is given once, and the walk ends.
fn check_ends(ring: &Ring<Region>, form: &impl Form, size: usize) -> Result<(), TestCaseError> {
    let mut walk = Walk::new(ring);
    walk.rewind();
    let mut given = 0;
    while let Some((block, _)) = walk.block(form, size) {
        given += block.records;
        prop_assert!(given <= ring.geometry().descriptors());
    }
    prop_assert_eq!(given, lines(ring, 0, form).len() as u64);
    Ok(())
}

#[test]
fn iterators_are_values_that_do_not_know_of_each_other() {
    let ring = filled(6, &vec![b"text".to_vec(); 20]);
    let form = plain(false, false, false);
    let mut first = Walk::new(&ring);
    first.rewind();
    let newest = first.block(&form, 21).expect("a block");
    let copy = first.iter;
    let next = first.block(&form, 21).expect("a block");
    let mut second = Walk::new(&ring);
    second.iter = copy;
    assert_eq!(second.block(&form, 21), Some(next));
    second.rewind();
    assert_eq!(second.block(&form, 21), Some(newest));
}

#[test]
fn nothing_before_the_clear_mark_is_given_wherever_it_moves_to() {
    let ring = filled(6, &(0..20).map(|n| vec![b'a' + n]).collect::<Vec<_>>());
    let form = plain(false, false, false);
    let mut walk = Walk::new(&ring);
    walk.rewind();
    assert_eq!(
        walk.block(&form, 11).expect("a block").1,
        b"p\nq\nr\ns\nt\n"
    );
    walk.clear_seq = 13;
    assert_eq!(walk.block(&form, 1000).expect("a block").1, b"n\no\n");
    assert_eq!(walk.block(&form, 1000), None);
    walk.rewind();
    assert_eq!(walk.record().expect("a record").1, b"n");
}

#[test]
fn what_comes_after_the_rewind_is_in_no_block_but_among_the_lines() {
    let ring = filled(6, &[b"old".to_vec()]);
    let form = plain(false, false, false);
    let mut walk = Walk::new(&ring);
    walk.rewind();
    append(&ring, &Info::default(), b"new");
    assert_eq!(walk.block(&form, 100).expect("a block").1, b"old\n");
    assert_eq!(walk.block(&form, 100), None);
    assert_eq!(walk.record().expect("a record").1, b"old");
    assert_eq!(walk.record().expect("a record").1, b"new");
    assert_eq!(walk.record(), None);
}

#[test]
fn records_until_a_number_are_those_before_it() {
    let ring = filled(6, &vec![b"text".to_vec(); 5]);
    let mut scratch = [0; 16];
    let mut iter = DumpIter::NEW;
    let mut next = |until| {
        let Ok(found) = iter.next_record(&view(&ring, 0), Seq(until), &mut scratch);
        found.map(|found| found.info.seq.0)
    };
    assert_eq!(
        [next(2), next(2), next(2), next(2)],
        [Some(0), Some(1), None, None]
    );
    assert_eq!([next(4), next(4), next(4)], [Some(2), Some(3), None]);
}

/// A ring that counts how often it was looked at.
struct Counting<'r>(&'r Ring<Region>, Cell<u64>);

impl Source for Counting<'_> {
    type Error = Infallible;
    type Slot<'s>
        = &'s Slot
    where
        Self: 's;
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }
    fn head(&self) -> Result<Head, Infallible> {
        Source::head(self.0)
    }
    fn tails(&self) -> Result<TailWords, Infallible> {
        Source::tails(self.0)
    }
    fn slot(&self, id: DescId) -> &Slot {
        Source::slot(self.0, id)
    }
    fn state(&self, slot: &Slot) -> Result<State, Infallible> {
        self.1.set(self.1.get() + 1);
        Source::state(self.0, slot)
    }
    fn contents(&self, slot: &Slot) -> Result<SlotCopy, Infallible> {
        Source::contents(self.0, slot)
    }
    fn text(&self, header: u64, text: &mut [u8]) -> Result<u64, Infallible> {
        Source::text(self.0, header, text)
    }
    fn barrier(&self) {
        Source::barrier(self.0);
    }
}

#[test]
fn a_long_run_of_lost_records_is_passed_in_few_steps() {
    let ring = ring(12, 3);
    append(&ring, &Info::default(), b"");
    let long = vec![b'x'; ring.geometry().data_bytes() as usize / 2 - 8];
    for text in std::iter::repeat_n(b"lost".as_slice(), 4000).chain([long.as_slice(), &long]) {
        append(&ring, &Info::default(), text);
    }
    let counting = Counting(&ring, Cell::new(0));
    let view = View {
        source: &counting,
        unfinished: Unfinished::Wait,
        clear_seq: Seq(0),
    };
    let mut iter = DumpIter::NEW;
    iter.rewind(Seq(0), ring.next_seq());
    let (mut scratch, mut buffer) = (vec![0; 1 << 16], vec![0; 1 << 17]);
    let Ok(block) = iter.get_buffer(
        &view,
        &plain(false, false, false),
        &mut scratch,
        &mut buffer,
    );
    let block = block.expect("a block");
    assert_eq!(
        block.records, 2,
        "the oldest, which is empty, and the newest"
    );
    assert!(buffer.starts_with(b"\nxx"));
    let looks = counting.1.get();
    assert!(looks < 40 * 4000, "{looks} looks");
}

/// Threads log while others dump: each walk ends, and gives each record at most once and as it was written.
#[test]
fn walks_end_and_tell_no_lies_while_others_write() {
    const WALKS: usize = 60;
    let ring = ring(8, 5);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2u64 {
            let (ring, done) = (&ring, &done);
            scope.spawn(move || {
                let mut number = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    number += 1;
                    let text =
                        format!("{thread} {number} {}", "abc".repeat((number % 40) as usize));
                    let info = Info {
                        caller_id: thread,
                        ts_nsec: number,
                        ..Info::default()
                    };
                    if let Ok(mut ticket) = ring.reserve_ticket(text.len(), &info) {
                        ring.fill(&mut ticket, text.as_bytes());
                        ring.finalize(ticket);
                    }
                }
            });
        }
        while ring.next_reserve_seq() < Seq(1000) {
            std::thread::yield_now();
        }
        for walk in 0..WALKS {
            check_walk(&ring, 20 + walk * 37);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

fn check_walk(ring: &Ring<Region>, size: usize) {
    let form = plain(false, false, false);
    let mut walk = Walk::new(ring);
    walk.rewind();
    let mut last = [u64::MAX; 2];
    while let Some((block, bytes)) = walk.block(&form, size) {
        let text = String::from_utf8(bytes).expect("what was written");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len() as u64, block.records);
        for line in lines.iter().rev() {
            let mut words = line.splitn(3, ' ');
            let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
            let (thread, number) = (number(), number());
            if block.is_cut {
                continue;
            }
            let (thread, number) = (
                thread.expect("a thread") as usize,
                number.expect("a number"),
            );
            assert!(
                number < last[thread],
                "{line}: given twice, or out of order"
            );
            last[thread] = number;
            assert_eq!(words.next(), Some(&*"abc".repeat((number % 40) as usize)));
        }
    }
    assert!(
        view(ring, 0)
            .last_before(Seq(0), walk.iter.next_seq, &mut [])
            .is_ok()
    );
}
