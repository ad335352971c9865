//! A ring file of hostile bytes, its header included: refused, or read to an end; never changed.
#![no_main]

#[path = "../../rust/host/tests/examine/mod.rs"]
mod examine;
#[path = "../../rust/host/tests/rings/mod.rs"]
mod rings;

use examine::{EACH, examine_by, forge::forge};
use std::fs::{self, File};
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// One file, written anew for each input. It has lost its name, so that nothing is left of it; in memory, where there is such a folder.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let temporary = std::env::temp_dir();
    let folder = if memory.is_dir() { memory } else { &temporary };
    let name = folder.join(format!("pr-fuzz-{}.ring", std::process::id()));
    let file = File::create_new(&name).expect("a new file");
    fs::remove_file(name).expect("removed");
    format!("/proc/{}/fd/{}", std::process::id(), file.into_raw_fd()).into()
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // What is left over of the byte that says how the file is made says how it is read.
    let way = bytes
        .first()
        .map_or(0, |how| usize::from(how >> 4) % EACH.len());
    examine_by(&EACH[way], &FILE, &forge(bytes));
});
