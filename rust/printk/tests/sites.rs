//! The table of call sites: it grows, comes to an end, and says the same inside and outside.

use pr_printk::sites::{
    BYTES_PER_SITE, Cell, Copied, Known, MAX_DESCRIPTION, Private, Table, capacity, text_at,
};
use pr_record::{
    Field, Format, FromSite, Meta, Out, Payload, Pieces, Site, Sites, Value, decode, encode, render,
};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A section and a copy that outlive the table.
struct Memory {
    section: Box<[u64]>,
    known: Box<[Known]>,
    text: Box<[u8]>,
    pieces: Box<[u8]>,
}

impl Memory {
    fn new(section_bytes: usize) -> Memory {
        Memory {
            section: vec![0; section_bytes / 8].into(),
            known: (0..capacity(section_bytes))
                .map(|_| Known::default())
                .collect(),
            text: vec![0; section_bytes].into(),
            pieces: vec![0; section_bytes].into(),
        }
    }

    /// With less memory for what lines have in common.
    fn with_pieces(self, bytes: usize) -> Memory {
        let pieces = vec![0; bytes].into();
        Memory { pieces, ..self }
    }

    fn table(&mut self) -> Table {
        let section = NonNull::from(&mut *self.section).cast::<u8>();
        let section = NonNull::slice_from_raw_parts(section, self.section.len() * 8);
        let private = Private {
            known: NonNull::from(&mut *self.known),
            text: NonNull::from(&mut *self.text),
            pieces: NonNull::from(&mut *self.pieces),
        };
        // SAFETY: aligned, zero, and this test's own; the table is used while the memory is there.
        unsafe { Table::new(section, private) }
    }

    /// What another process reads while the table grows: how many sites there are, and then the section.
    fn seen_meanwhile(table: &Table, section: NonNull<AtomicU32>, bytes: usize) -> (u64, Vec<u8>) {
        let described = &table.head().expect("there is one").described;
        let described = described.load(Ordering::Acquire);
        let words = (0..bytes / 4).map(|index| {
            // SAFETY: within the section, which all access through atomics.
            let word = unsafe { section.add(index) };
            // SAFETY: as above.
            unsafe { word.as_ref() }.load(Ordering::Acquire)
        });
        (described, words.flat_map(u32::to_ne_bytes).collect())
    }

    /// What another process reads.
    fn seen(&self) -> Copied<Vec<u8>> {
        let words = self.section.iter();
        Copied(words.flat_map(|word| word.to_ne_bytes()).collect())
    }
}

fn describe<'a>(event: &'a str, names: &'a [&'a str]) -> impl Fn(&mut [u8]) -> Option<usize> + 'a {
    move |out| {
        let site = Site {
            event: Some(event),
            line: 7,
            ..Site::default()
        };
        site.write(names.iter().copied(), out)
    }
}

fn names_of(site: Site<'_>) -> Vec<&str> {
    site.names.collect()
}

#[test]
fn a_site_is_described_once_and_found_inside_and_outside() {
    let mut memory = Memory::new(16 * 1024);
    let table = memory.table();
    let (first, second) = (Cell::default(), Cell::default());
    let calls = AtomicU64::new(0);
    let counted = |out: &mut [u8]| {
        calls.fetch_add(1, Ordering::Relaxed);
        describe("first", &["a", "b"])(out)
    };
    assert_eq!(table.number_of(&first, counted), Some(0));
    assert_eq!(table.number_of(&first, counted), Some(0));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(table.number_of(&second, describe("second", &[])), Some(1));
    let inside = table.site(0).expect("known");
    assert_eq!((inside.event, inside.line), (Some("first"), 7));
    assert_eq!(names_of(inside), ["a", "b"]);
    assert!(table.site(2).is_none() && table.site(u32::MAX).is_none());
    let outside = memory.seen();
    assert_eq!(outside.described(), 2);
    assert_eq!(outside.site(1).expect("known").event, Some("second"));
    assert_eq!(names_of(outside.site(0).expect("known")), ["a", "b"]);
    assert!(outside.site(2).is_none() && outside.site(u32::MAX).is_none());
}

/// A JSON line of a record that leaves everything to its site, by what is kept ready there, and the same without that.
fn lines(table: &Table, id: u32, event: &str) -> [Vec<u8>; 2] {
    struct Bare<'a>(&'a Table);
    impl Sites for Bare<'_> {
        fn site(&self, id: u32) -> Option<Site<'_>> {
            self.0.site(id)
        }
    }
    let fields = [Field {
        key: "n",
        value: Value::Int(5),
    }];
    let payload = Payload {
        event,
        fields: &fields,
        site: Some(FromSite {
            id,
            table: table.number(),
            has_event: true,
            has_logger: true,
            named_from: 0,
        }),
        ..Payload::default()
    };
    let mut bytes = [0; 4096];
    let len = encode(&payload, &mut bytes).len;
    let line = |sites: &dyn Sites| {
        let mut room = [0; 4096];
        let mut out = Out::new(&mut room);
        let record = decode(&bytes[..len], sites).expect("a record");
        assert!(render(Format::Json, &mut out, &Meta::default(), &record));
        out.written().to_vec()
    };
    [line(table), line(&Bare(table))]
}

/// Whether it is kept ready what the site's lines have in common.
fn is_ready(table: &Table, id: u32) -> bool {
    let found = table.site_and_pieces(id);
    found.is_some_and(|(_, pieces)| pieces.is_some())
}

#[test]
fn lines_of_the_same_number_in_two_tables_are_those_of_each_tables_own_site() {
    let (mut here, mut there) = (Memory::new(16 * 1024), Memory::new(16 * 1024));
    let (here, there) = (here.table(), there.table());
    let events = ["first", "se\"cond", "th\nird"];
    for (n, event) in events.iter().enumerate() {
        let id = here.number_of(&Cell::default(), describe(event, &["n"]));
        assert_eq!(id, Some(n as u32));
    }
    for (n, event) in events.iter().rev().enumerate() {
        let id = there.number_of(&Cell::default(), describe(event, &["n"]));
        assert_eq!(id, Some(n as u32));
    }
    for (n, event) in events.iter().enumerate() {
        for (table, id) in [(&here, n), (&there, 2 - n)] {
            let id = id as u32;
            let [ready, plain] = lines(table, id, event);
            assert_eq!(ready, plain);
            let shown = format!(r#""event":{event:?},"#);
            assert!(String::from_utf8(ready).unwrap().contains(&shown));
            assert!(is_ready(table, id));
        }
    }
    assert!(!is_ready(&here, 3) && !is_ready(&here, u32::MAX));
}

#[test]
fn a_site_without_room_for_what_its_lines_have_in_common_is_a_site_all_the_same() {
    let long = "\u{1}".repeat(400);
    for bytes in [0, 10, 100, 300, 4096] {
        let mut memory = Memory::new(16 * 1024).with_pieces(bytes);
        let table = memory.table();
        let mut ready = 0;
        for n in 0..20 {
            let event = format!("event {n}");
            let id = table.number_of(&Cell::default(), describe(&event, &["n"]));
            let id = id.expect("room for the site");
            let [with, without] = lines(&table, id, &event);
            assert_eq!(with, without);
            ready += usize::from(is_ready(&table, id));
        }
        let id = table.number_of(&Cell::default(), describe(&long, &["n"]));
        let id = id.expect("room for the site");
        assert!(!is_ready(&table, id), "it is too long");
        let [with, without] = lines(&table, id, &long);
        assert_eq!(with, without);
        let size = Pieces::write(&table.site(0).unwrap(), &mut [0; 1024])
            .unwrap()
            .1;
        let most = if bytes == 4096 { 20 } else { bytes / size };
        assert!(ready <= most && ready + 1 >= most, "{ready} in {bytes}");
    }
}

#[test]
fn another_table_has_another_number_for_the_same_site() {
    let (mut here, mut there) = (Memory::new(16 * 1024), Memory::new(16 * 1024));
    let (here, there) = (here.table(), there.table());
    let (site, other) = (Cell::default(), Cell::default());
    assert_eq!(here.number_of(&other, describe("other", &[])), Some(0));
    assert_eq!(here.number_of(&site, describe("site", &[])), Some(1));
    assert_eq!(there.number_of(&site, describe("site", &[])), Some(0));
    // Going back and forth it is not described again.
    for _ in 0..10 {
        assert_eq!(here.number_of(&site, |_| panic!("asked again")), Some(1));
        assert_eq!(there.number_of(&site, |_| panic!("asked again")), Some(0));
    }
}

#[test]
fn a_site_of_many_tables_is_in_each_of_them_once() {
    let mut memories: Vec<Memory> = (0..9).map(|_| Memory::new(4096)).collect();
    let tables: Vec<Table> = memories.iter_mut().map(Memory::table).collect();
    let (site, other) = (Cell::default(), Cell::default());
    for _ in 0..100 {
        for table in &tables {
            assert_eq!(table.number_of(&site, describe("site", &["a"])), Some(0));
            assert_eq!(table.number_of(&other, describe("site", &["b"])), Some(1));
        }
    }
}

#[test]
fn a_table_that_is_full_refuses_and_counts_and_stays_as_it_is() {
    let mut memory = Memory::new(4096);
    let table = memory.table();
    let text = "x".repeat(40);
    let mut places = Vec::new();
    for n in 0..200 {
        let cell = Cell::default();
        let event = format!("{n} {text}");
        places.push(table.number_of(&cell, describe(&event, &[])));
        let again = table.number_of(&cell, |_| panic!("asked again"));
        assert_eq!(again, places[n], "what is refused is not asked again");
    }
    let described = places.iter().filter(|place| place.is_some()).count();
    assert!((20..=capacity(4096)).contains(&described), "{described}");
    assert_eq!(table.described(), described as u64);
    assert_eq!(described as u64 + table.refused(), 200);
    let outside = memory.seen();
    for (n, place) in places.iter().enumerate() {
        if let Some(id) = place {
            let event = format!("{n} {text}");
            assert_eq!(table.site(*id).expect("known").event, Some(&*event));
            assert_eq!(outside.site(*id).expect("known").event, Some(&*event));
        }
    }
}

#[test]
fn a_table_whose_text_is_full_counts_no_site_that_is_not_described() {
    let mut memory = Memory::new(4096);
    let table = memory.table();
    let text = "x".repeat(900);
    let places: Vec<Option<u32>> = (0..20)
        .map(|n| table.number_of(&Cell::default(), describe(&format!("{n} {text}"), &[])))
        .collect();
    let described = places.iter().flatten().count() as u64;
    assert!((2..=4).contains(&described), "{described}");
    assert_eq!(
        (table.described(), table.refused()),
        (described, 20 - described)
    );
    let head = table.head().expect("there is one");
    assert_eq!(head.described.load(Ordering::Relaxed), described);
    let room = (4096 - text_at(4096)) as u64;
    assert!(head.text_bytes.load(Ordering::Relaxed) <= room);
}

#[test]
fn whoever_copies_the_section_meanwhile_finds_all_sites_that_are_counted() {
    const BYTES: usize = 256 * 1024;
    let mut memory = Memory::new(BYTES);
    let section = NonNull::from(&mut *memory.section).cast::<AtomicU32>();
    let table = memory.table();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..1000 {
                let event = format!("site {n}");
                let id = table.number_of(&Cell::default(), describe(&event, &["a", "b"]));
                assert_eq!(id, Some(n));
            }
        });
        let mut last = 0_u64;
        while last < 1000 {
            let (described, copy) = Memory::seen_meanwhile(&table, section, BYTES);
            let copy = Copied(copy);
            let first = last.saturating_sub(1);
            for id in first..described {
                let id = u32::try_from(id).expect("few");
                let site = copy.site(id).expect("it was counted");
                assert_eq!(site.event, Some(&*format!("site {id}")));
                assert_eq!(names_of(site), ["a", "b"]);
            }
            last = described;
        }
    });
}

#[test]
fn what_is_too_long_or_nothing_is_no_site() {
    let mut memory = Memory::new(64 * 1024);
    let table = memory.table();
    let long = "x".repeat(MAX_DESCRIPTION);
    assert_eq!(
        table.number_of(&Cell::default(), describe(&long, &[])),
        None
    );
    assert_eq!(table.number_of(&Cell::default(), |_| None), None);
    assert_eq!(
        table.number_of(&Cell::default(), |_| Some(1)),
        None,
        "no description"
    );
    let fits = Cell::default();
    assert!(table.number_of(&fits, describe("fits", &[])).is_some());
    let none = Table::none();
    assert_eq!(none.number_of(&Cell::default(), |_| panic!("asked")), None);
    assert!(none.site(0).is_none() && none.head().is_none());
}

#[test]
fn threads_that_come_to_a_site_at_the_same_moment_describe_it_once() {
    const SITES: u64 = 1000;
    let mut memory = Memory::new(512 * 1024);
    let table = memory.table();
    let cells: Vec<Cell> = (0..SITES).map(|_| Cell::default()).collect();
    let (arrived, most) = (AtomicU64::new(0), Ordering::SeqCst);
    let come = || {
        for (cell, n) in cells.iter().zip(1..) {
            arrived.fetch_add(1, most);
            while arrived.load(most) < 2 * n {
                std::hint::spin_loop();
            }
            table.number_of(cell, describe(&format!("site {n}"), &["n"]));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(come);
        come();
    });
    assert_eq!((table.described(), table.refused()), (SITES, 0));
    let is_known = |cell| table.number_of(cell, |_| panic!("it is known"));
    assert!(cells.iter().all(|cell| is_known(cell).is_some()));
}

#[test]
fn threads_that_come_to_sites_at_once_describe_each_once_and_find_what_they_described() {
    let mut memory = Memory::new(64 * 1024);
    let table = memory.table();
    let cells: Vec<Cell> = (0..64).map(|_| Cell::default()).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..50 {
                    for (n, cell) in cells.iter().enumerate() {
                        let event = format!("site {n}");
                        let Some(id) = table.number_of(cell, describe(&event, &["n"])) else {
                            continue; // another thread is at it
                        };
                        let site = table.site(id).expect("known");
                        assert_eq!(site.event, Some(&*event), "round {round}");
                        let [ready, plain] = lines(&table, id, &event);
                        assert_eq!(ready, plain, "round {round}");
                    }
                }
            });
        }
    });
    assert_eq!((table.described(), table.refused()), (64, 0), "each once");
    let outside = memory.seen();
    for (n, cell) in cells.iter().enumerate() {
        let id = table
            .number_of(cell, |_| panic!("it is known"))
            .expect("room");
        let event = format!("site {n}");
        assert_eq!(outside.site(id).expect("known").event, Some(&*event));
    }
}

#[test]
fn a_section_of_any_bytes_is_read_without_going_astray() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for length in [0, 8, 31, 32, 40, 128, 1024, 4096] {
        for _ in 0..50 {
            // Small words: offsets and lengths that lead somewhere.
            let bytes: Vec<u8> = (0..length / 4)
                .flat_map(|_| ((next() % 5000) as u32).to_ne_bytes())
                .collect();
            let copied = Copied(bytes);
            for id in (0..40).chain([u32::MAX, u32::MAX / 4]) {
                let _ = copied.site(id);
            }
            let _ = copied.described();
        }
    }
}

#[test]
fn every_byte_of_a_section_has_its_place() {
    for pages in 1..200 {
        let bytes = pages * 4096;
        assert_eq!(capacity(bytes), bytes / BYTES_PER_SITE);
        assert!(text_at(bytes) < bytes / 16 + 64, "most is left to texts");
    }
}
