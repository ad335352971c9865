//! Rings in files of a folder of their own, and this test program as another process.
#![allow(dead_code)]

use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use pr_host::error::Error;
use pr_host::foreign::ForeignFile;
use pr_host::mapping::{Existing, Identity, RingMap};
use pr_host::plan::Plan;
use pr_ring::Info;
use pr_ring::reader::read_valid;
use pr_ring::{Read, Region, Ring, Seq, Unfinished};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Says so when it goes, also when an assertion fails: the other thread must come to its end.
pub struct Done<'a>(pub &'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A folder that goes with the value.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pr-host-rings-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a new folder");
        Folder(path)
    }

    /// The names in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("a folder");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> = entries
            .map(name)
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Deref for Folder {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A ring and its file.
pub struct FileRing {
    ring: Ring<Region>,
    pub map: RingMap,
}

impl FileRing {
    pub fn create(path: &Path) -> Result<FileRing, Error> {
        FileRing::sized(path, 256 << 10)
    }

    pub fn sized(path: &Path, bytes: u64) -> Result<FileRing, Error> {
        let plan = Plan::for_log(bytes, 128).expect("a plan");
        FileRing::of(path, &plan, 0)
    }

    pub fn of(path: &Path, plan: &Plan, retire_ahead: u32) -> Result<FileRing, Error> {
        let identity = Identity::current("test", Some(vec!["/usr/bin/tester".into(), "-x".into()]));
        let map = RingMap::create(path, plan, &identity, Existing::Rotate)?;
        // SAFETY: `ring` is dropped before `map`.
        let region = unsafe { map.region() };
        let ring = Ring::new(region, plan.geometry, retire_ahead).expect("cmpxchg16b");
        Ok(FileRing { ring, map })
    }

    /// Stores a text.
    pub fn write(&self, text: &[u8]) -> Seq {
        let info = Info {
            ts_nsec: 1,
            caller_id: 2,
            level: 6,
            facility: 1,
            ..Info::default()
        };
        let mut record = self.ring.reserve(text.len(), &info).expect("room");
        record.write(0, text);
        let seq = record.ticket().expect("open").seq();
        record.finalize();
        seq
    }
}

impl Deref for FileRing {
    type Target = Ring<Region>;
    fn deref(&self) -> &Ring<Region> {
        &self.ring
    }
}

/// The texts of a ring file, as another process reads them.
pub fn texts(path: &Path) -> Vec<String> {
    let file = ForeignFile::open(path).expect("a ring");
    let alive = file.is_alive().expect("readable");
    let mode = if alive {
        Unfinished::Wait
    } else {
        Unfinished::Skip
    };
    let (mut seq, mut found, mut buffer) = (Seq(0), Vec::new(), vec![0; 40_000]);
    while let Read::Found { info, copied, .. } =
        read_valid(&file, seq, &mut buffer, mode).expect("readable")
    {
        found.push(String::from_utf8_lossy(&buffer[..copied]).into_owned());
        seq = Seq(info.seq.0 + 1);
    }
    found
}

/// Where the previous life of that age is kept.
pub fn old(path: &Path, age: u32) -> PathBuf {
    PathBuf::from(format!("{}.old.{age}", path.display()))
}

/// What is wrong with a path, and the system's number for it.
pub fn why<T>(made: Result<T, Error>, path: &Path) -> (String, i32) {
    match made {
        Err(Error::RingFile {
            path: named,
            reason,
            errno,
        }) => {
            assert_eq!(named, path);
            (reason, errno.expect("a number"))
        }
        Err(other) => panic!("not about the file: {other}"),
        Ok(_) => panic!("{} was taken", path.display()),
    }
}

const ROLE: &str = "PR_HOST_TEST_CHILD";

/// What this process is to do as the child of a test; None in the test itself.
pub fn role() -> Option<Vec<String>> {
    let role = std::env::var(ROLE).ok()?;
    Some(role.split('\n').map(str::to_owned).collect())
}

/// This program, to run one test as a child.
pub fn command(test: &str, role: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command
        .env(ROLE, role.join("\n"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Another process of this program. Killed when dropped.
pub struct Other {
    pub child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Other {
    pub fn start(mut command: Command) -> Other {
        Other::adopt(command.spawn().expect("a child"))
    }

    pub fn adopt(mut child: Child) -> Other {
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Other {
            child,
            stdin,
            stdout,
        }
    }

    /// The next thing it says (with [`say`]).
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.stdout.read_line(&mut line).expect("a pipe"),
                0,
                "it ended without a word"
            );
            if let Some(at) = line.find(SAYS) {
                return line[at + SAYS.len()..].trim_end().replace("\\n", "\n");
            }
        }
    }

    /// Lets it go on.
    pub fn tell(&mut self) {
        writeln!(self.stdin.as_mut().expect("a pipe")).expect("told");
    }

    /// Closes its input, and waits for its end.
    pub fn finish(&mut self) -> bool {
        self.stdin = None;
        self.child.wait().expect("its end").success()
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.kill();
    }
}

const SAYS: &str = "child says: ";

/// In a child: tells the test something.
pub fn say(text: &str) {
    println!("{SAYS}{}", text.replace('\n', "\\n"));
    std::io::stdout().flush().expect("a pipe");
}

/// In a child: waits until the test lets it go on, or is gone.
pub fn wait() {
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
}
