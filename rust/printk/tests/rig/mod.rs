//! A core over heap memory with one console, and a sink that takes what it is told to take.

#![allow(dead_code, reason = "each test file uses a part")]

use pr_printk::Core;
use pr_printk::control::Control;
use pr_printk::emit::{Cursor, Mark, Style, Want};
use pr_printk::fd::Written;
use pr_printk::port::{Memory, Port, class};
use pr_printk::print::{Hold, Printed};
use pr_printk::registry::{ConsoleSlot, SLOTS, flag};
use pr_printk::roll::{self, Place};
use pr_printk::store::{Stamp, Stored};
use pr_record::{Format, Payload};
use pr_ring::{Geometry, Lpos, Region, Ring, Seq};
use std::alloc::{Layout, alloc_zeroed};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

pub const REPLAY: &str = "** replaying previous printk message **\n";

/// Zeroed memory for a value, for the rest of the test.
fn zeroed<T>(bytes: usize, align: usize) -> NonNull<T> {
    let layout = Layout::from_size_align(bytes, align).expect("a layout");
    // SAFETY: the layout is not empty.
    NonNull::new(unsafe { alloc_zeroed(layout) })
        .expect("memory")
        .cast()
}

fn memory(text: usize) -> Memory {
    let mark = Mark {
        end: 0,
        cursor: Cursor {
            seq: Seq(0),
            pos: Lpos(0),
            dropped: 0,
            printed: 0,
        },
    };
    Memory {
        text: NonNull::from(Box::leak(vec![0; text].into_boxed_slice())),
        scratch: NonNull::from(Box::leak(vec![0; 32 * 1024].into_boxed_slice())),
        marks: NonNull::from(Box::leak(vec![mark; 64].into_boxed_slice())),
    }
}

/// A core with `2^desc_bits` descriptors, and one console in slot 0 that prints everything as text.
pub fn core(desc_bits: u32) -> &'static Core {
    let geometry = Geometry::new(desc_bits, 6).expect("a geometry");
    let section = zeroed(geometry.ring_bytes() as usize, 128);
    // SAFETY: fresh zeroed memory of that size, leaked.
    let region = unsafe { Region::over(section, geometry) };
    region.init();
    let ring = Ring::new(region, geometry, 0).expect("a processor with cmpxchg16b");
    let control: NonNull<Control> = zeroed(4096, 64);
    let consoles: NonNull<[ConsoleSlot; SLOTS]> = zeroed(size_of::<[ConsoleSlot; SLOTS]>(), 64);
    // SAFETY: fresh zeroed memory, leaked.
    let core = unsafe { Core::new(ring, control, consoles, 1, 4711) };
    let core = Box::leak(Box::new(core));
    // SAFETY: leaked, and nobody else's.
    unsafe { core.give_panic_memory(NonNull::from(Box::leak(Box::new(memory(64 * 1024))))) };
    add_console(core, 0, -1, class::LOCKING); // only the tests write there
    core
}

/// A console in slot `index`.
pub fn add_console(core: &Core, index: usize, fd: i32, class: u32) {
    // SAFETY: leaked, and nobody else's.
    let port = Box::leak(Box::new(unsafe { Port::new(memory(64 * 1024)) }));
    // SAFETY: leaked.
    unsafe { core.give_port(index, NonNull::from(&*port)) };
    let style = Style {
        format: Format::Text,
        id: core.next_console_id(),
    };
    port.assign(style, class);
    port.set_fd(fd);
    let slot = &core.consoles()[index];
    slot.describe("rig", "memory", Some(7), 0, 0);
    slot.set(flag::USED | flag::ENABLED | flag::ALIVE);
}

/// What the records of the tests are, beside their event.
pub const STAMP: Stamp = Stamp {
    level: 6,
    ts_nsec: Some(1_234_567_000),
};

/// A record with this event.
pub fn payload(event: &str) -> Payload<'_> {
    Payload {
        event,
        ..Payload::default()
    }
}

/// Stores a record with this event.
pub fn log(core: &Core, event: &str) {
    assert_eq!(core.store(STAMP, &payload(event)), Stored::Yes);
}

/// A file in memory.
pub fn memory_file() -> File {
    // SAFETY: a name, and no flags.
    let fd = unsafe { libc::memfd_create(c"console".as_ptr(), 0) };
    // SAFETY: a fresh descriptor.
    unsafe { File::from_raw_fd(fd) }
}

/// A pipe that takes nothing more: reader and writer.
pub fn full_pipe() -> [OwnedFd; 2] {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK) };
    assert_eq!(made, 0);
    // SAFETY: fresh descriptors.
    let [reader, writer] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let mut pipe = File::from(writer.try_clone().expect("a copy"));
    while pipe.write(&[b'.'; 4096]).is_ok() {}
    [reader, writer]
}

/// The records of the tests: short, empty, of several lines, and longer than a piece.
pub fn events() -> Vec<String> {
    let long = "long ".repeat(9);
    let events = ["first", "", "two\nlines", &long, "last"];
    events.map(str::to_owned).to_vec()
}

/// How a record with this event is printed.
pub fn printed(event: &str) -> String {
    let mut lines = event.split('\n');
    let mut text = format!("[    1.234567] {}\n", lines.next().unwrap_or_default());
    for line in lines {
        text += &format!("[    1.234567]|{line}\n");
    }
    text
}

/// What a batch is to be.
pub fn everything() -> Want<'static> {
    Want {
        enough: 64 * 1024,
        until: Seq(u64::MAX),
        hurry: &|| false,
    }
}

/// Prints until there is nothing more, or the console is lost.
pub fn drain(
    hold: &mut Hold<'_>,
    piece: usize,
    write: &mut dyn FnMut(&[u8]) -> Written,
) -> Printed {
    loop {
        match hold.print(&everything(), piece, write) {
            Printed::Some => {}
            other => return other,
        }
    }
}

/// A sink that took `bytes`.
pub fn took(bytes: usize) -> Written {
    Written { bytes, errno: None }
}

/// A sink that took `bytes`, and then refused.
pub fn refused(bytes: usize, errno: i32) -> Written {
    let errno = Some(errno);
    Written { bytes, errno }
}

/// Checks what a sink got: every record whole, in order; one that was broken off is followed by the notice and comes again
/// whole. How many notices there were, and how many of them followed a whole record (which only force can bring about).
pub fn check(output: &str, records: &[String]) -> (usize, usize) {
    let mut next = 0;
    let mut doubled = 0;
    let segments: Vec<&str> = output.split(REPLAY).collect();
    for (at, segment) in segments.iter().enumerate() {
        let mut rest = *segment;
        if at > 0 && next > 0 && !rest.starts_with(&records[next.min(records.len() - 1)]) {
            next -= 1; // it was whole already
            doubled += 1;
        } else if at > 0 && next == records.len() {
            next -= 1;
            doubled += 1;
        }
        while let Some(record) = records.get(next)
            && let Some(after) = rest.strip_prefix(record.as_str())
        {
            (rest, next) = (after, next + 1);
        }
        let is_last = at + 1 == segments.len();
        if is_last {
            assert_eq!(rest, "", "of segment {at} in {output:?}");
        } else if !rest.is_empty() && rest != "\n" {
            let broken = rest.strip_suffix('\n').expect("a broken line is ended");
            let record = records.get(next).map_or("", |record| record.as_str());
            assert!(record.starts_with(broken), "{broken:?} of {output:?}");
        }
    }
    assert_eq!(next, records.len(), "all are there: {output:?}");
    (segments.len() - 1, doubled)
}

/// A log that a panic comes to, with console 0 left to the tests.
pub fn listed_core() -> &'static Core {
    let core = core(6);
    roll::add(Box::leak(Box::new(Place::default())));
    // SAFETY: leaked.
    assert!(unsafe { roll::enter(NonNull::from(core)) });
    core.consoles()[0].clear(flag::ENABLED);
    core
}

/// A file, and consoles on it: one for each class, in the order given, told apart by their formats.
pub fn classes_on_one_file(core: &Core, classes: &[(u32, Format)]) -> File {
    let file = memory_file();
    for (at, (class, format)) in classes.iter().enumerate() {
        add_console(core, at + 1, file.as_raw_fd(), *class);
        let port = core.port(at + 1).expect("just added");
        let id = port.style().id;
        port.assign(
            Style {
                format: *format,
                id,
            },
            *class,
        );
    }
    file
}

/// Says something from a process that may be broken.
pub fn say(text: &str) {
    // SAFETY: valid for reads of its length.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}
