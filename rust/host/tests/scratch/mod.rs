//! A folder of its own for a test, and a log in it.
#![allow(dead_code)]

use pr_host::{
    Console, ConsoleOptions, Emit, ErrandOptions, Hold, Log, LogOptions, Mode, Overflow, SinkSpec,
};
use pr_printk::thread;
use pr_record::{Field, Format, Payload, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; nothing waits this long when it works.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Who prints in tests that do not say so: `ci/modes.sh` runs them in each mode.
pub fn mode() -> Mode {
    let name = std::env::var("PR_TEST_MODE").unwrap_or_else(|_| "console".into());
    Mode::named(&name).expect("a mode")
}

/// A folder that goes with the value.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let shm = Path::new("/dev/shm");
        let root = if shm.is_dir() {
            shm.to_owned()
        } else {
            std::env::temp_dir()
        };
        let name = format!(
            "pr-host-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        std::fs::create_dir(root.join(&name)).expect("a new folder");
        Scratch(root.join(name))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("readable")
    }

    pub fn options(&self) -> LogOptions {
        options_at(self.path("a.ring"))
    }

    pub fn log(&self) -> Arc<Log> {
        let log = Log::open(self.options()).expect("a log");
        log.set_mode(mode()).expect("the mode");
        log
    }

    pub fn console(&self, name: &str, overflow: Overflow) -> ConsoleOptions {
        to_file(self.path(name), overflow)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A log of the smallest size in this file.
pub fn options_at(path: PathBuf) -> LogOptions {
    LogOptions {
        path: Some(path),
        directory: None,
        name: None,
        size_bytes: 256 * 1024,
        avg_record: 128,
        level: 7,
        console_level: 6,
        argv: Some(vec!["test".into()]),
        errands: ErrandOptions::default(),
    }
}

pub fn to_file(path: PathBuf, overflow: Overflow) -> ConsoleOptions {
    ConsoleOptions {
        sink: SinkSpec::File(path),
        name: None,
        level: None,
        format: Format::Logfmt,
        replay: false,
        reliability: None,
        overflow,
        block_timeout: PATIENCE,
        bootstrap: false,
    }
}

/// Logs `i=<number>` at `level`, waiting for room where a console asks for it.
pub fn say_at(log: &Log, level: u8, number: i64) {
    let fields = [Field {
        key: "i",
        value: Value::Int(number),
    }];
    let payload = Payload {
        event: "said",
        logger: Some("test"),
        fields: &fields,
        ..Payload::default()
    };
    call(log, level, &payload);
}

/// A log call in full: waits for what it has to, and does what is owed then. Whether it was stored.
pub fn call(log: &Log, level: u8, payload: &Payload<'_>) -> bool {
    let mut emitted = log.emit(level, payload, None);
    if emitted == Emit::MustBegin {
        log.begin_own_life();
        emitted = log.emit(level, payload, None);
    }
    if emitted == Emit::MustWait {
        let _nest = thread::enter().expect("not deep");
        for hold in Hold::ALL {
            if log
                .patience(hold)
                .is_some_and(|patience| !log.wait_while(hold, patience))
            {
                log.count_timeout(hold);
            }
        }
        emitted = log.emit_inside(true, level, payload, None);
    }
    if let Emit::Owing(owed) = emitted {
        log.settle(owed);
    }
    matches!(emitted, Emit::Stored | Emit::Owing(_))
}

pub fn say(log: &Log, number: i64) {
    say_at(log, 6, number);
}

/// Everything logged so far is printed.
pub fn flush(log: &Log) {
    assert!(log.flush_until(log.flush_target(), PATIENCE), "flushed");
}

/// The numbers that a console has printed, in order.
pub fn numbers(text: &str) -> Vec<i64> {
    let number = |line: &str| {
        line.split_once("i=")
            .and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok())
    };
    text.lines().filter_map(number).collect()
}

/// Waits until `done`.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A console's properties that tests look at together.
pub fn state(console: &Console) -> (bool, bool, u64) {
    (console.is_enabled(), console.is_alive(), console.errors())
}

/// A FIFO whose buffer is full: its path, the end that reads without waiting, and how much is in it.
pub fn full_fifo(scratch: &Scratch) -> (PathBuf, std::fs::File, usize) {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::OpenOptionsExt;
    let path = scratch.path("fifo");
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("a C string");
    // SAFETY: a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let both = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&path)
        .expect("opened");
    let filled = fill(&both);
    (path, both, filled)
}

/// Writes as much as the FIFO takes; how much that was.
pub fn fill(mut fifo: &std::fs::File) -> usize {
    use std::io::Write;
    let mut filled = 0;
    while let Ok(count) = fifo.write(&[b'.'; 4096]) {
        filled += count;
    }
    filled
}
