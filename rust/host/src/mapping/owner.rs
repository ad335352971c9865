//! The owner's block of the header: whose file this is, since when, and whether it ended in order.
//!
//! It is not covered by the header's checksum, since parts of it change. Whatever it holds, reading it cannot fail: a
//! damaged block tells lies about the owner, never about the records.

use super::clock::ClockTable;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use pr_ring::layout::{HEADER_BYTES, OWNER_OFFSET};
use std::os::unix::fs::MetadataExt;

/// Bytes of the block: from [`OWNER_OFFSET`] to the end of the header.
pub const OWNER_BYTES: usize = HEADER_BYTES as usize - OWNER_OFFSET;
/// Most bytes of a log's name.
pub const NAME_BYTES: usize = 128;
/// Most bytes of the command line.
pub const ARGV_BYTES: usize = 2496;

/// Bits of [`OwnerBlock::flags`].
pub mod flag {
    /// The command line is kept.
    pub const ARGV: u32 = 1;
    /// It was too long, and cut.
    pub const ARGV_CUT: u32 = 1 << 1;
}

/// The block as it lies in the file.
#[repr(C)]
#[derive(Debug)]
pub struct OwnerBlock {
    /// Process id, in its own namespace.
    pub pid: u32,
    /// User id.
    pub uid: u32,
    /// Inode of the pid namespace; 0 if unknown.
    pub pid_namespace: u64,
    /// When the process started: field 22 of its `stat`, in clock ticks since boot; 0 if unknown.
    pub start_ticks: u64,
    /// The machine's boot id; zeros if unknown.
    pub boot_id: [u8; 16],
    /// Wall time of the log's creation.
    pub created_wall_nsec: u64,
    /// Monotonic time of it.
    pub created_mono_nsec: u64,
    /// 1 once the log ended in order.
    pub clean: AtomicU64,
    /// Bits of [`flag`].
    pub flags: u32,
    /// Bytes of the name.
    pub name_bytes: u32,
    /// Bytes of the command line.
    pub argv_bytes: u32,
    spare: [u8; 52],
    /// The log's name.
    pub name: [u8; NAME_BYTES],
    /// Both clocks.
    pub clocks: ClockTable,
    /// The command line: arguments in UTF-8, each followed by a zero byte.
    pub argv: [u8; ARGV_BYTES],
}

const _: () = assert!(size_of::<OwnerBlock>() == OWNER_BYTES);

/// Who a log belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Process id, in its own namespace.
    pub pid: u32,
    /// User id.
    pub uid: u32,
    /// Inode of the pid namespace; 0 if unknown.
    pub pid_namespace: u64,
    /// When the process started, in clock ticks since boot; 0 if unknown.
    pub start_ticks: u64,
    /// The machine's boot id; zeros if unknown.
    pub boot_id: [u8; 16],
    /// Wall time of the log's creation.
    pub created_wall_nsec: u64,
    /// Monotonic time of it.
    pub created_mono_nsec: u64,
    /// The log's name.
    pub name: String,
    /// The command line; None: not to be kept.
    pub argv: Option<Vec<String>>,
}

/// What can be said about the process that a file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// It runs.
    Runs,
    /// It is gone, or its number belongs to another one now.
    Gone,
    /// It belongs to another pid namespace.
    Elsewhere,
    /// This machine has booted since, or it was another machine.
    OtherBoot,
    /// `/proc` does not say.
    Unknown,
}

impl Identity {
    /// This process, now.
    pub fn current(name: &str, argv: Option<Vec<String>>) -> Identity {
        let pid = std::process::id();
        Identity {
            pid,
            // SAFETY: always succeeds, and touches nothing.
            uid: unsafe { libc::geteuid() },
            pid_namespace: pid_namespace(),
            start_ticks: start_ticks("self").unwrap_or(0),
            boot_id: boot_id(),
            created_wall_nsec: pr_printk::stamp::wall_nsec(),
            created_mono_nsec: pr_printk::stamp::monotonic_nsec(),
            name: name.to_owned(),
            argv,
        }
    }

    /// Whether the process that this names still runs.
    pub(crate) fn process(&self) -> Process {
        if self.boot_id != boot_id() {
            return Process::OtherBoot;
        }
        if self.pid_namespace != pid_namespace() {
            return Process::Elsewhere;
        }
        if !proc_is_ours() {
            return Process::Unknown;
        }
        match start_ticks(&self.pid.to_string()) {
            Some(ticks) if ticks == self.start_ticks => Process::Runs,
            _ => Process::Gone,
        }
    }

    /// The program, in few words: the first argument's last part, else the log's name.
    pub(crate) fn program(&self) -> &str {
        let first = self.argv.as_ref().and_then(|argv| argv.first());
        let stem = first.and_then(|first| first.rsplit('/').next());
        stem.filter(|stem| !stem.is_empty()).unwrap_or(&self.name)
    }

    /// Writes the block, into memory that nobody else sees yet.
    ///
    /// # Safety
    /// `block` is valid for writes, zeroed, and nobody else's.
    pub(crate) unsafe fn write(&self, block: NonNull<OwnerBlock>) {
        // SAFETY: the caller's promise; nobody else has a reference.
        let block = unsafe { &mut *block.as_ptr() };
        block.pid = self.pid;
        block.uid = self.uid;
        block.pid_namespace = self.pid_namespace;
        block.start_ticks = self.start_ticks;
        block.boot_id = self.boot_id;
        block.created_wall_nsec = self.created_wall_nsec;
        block.created_mono_nsec = self.created_mono_nsec;
        block.name_bytes = put_text(&mut block.name, &self.name) as u32;
        block
            .clocks
            .sample(self.created_mono_nsec, self.created_wall_nsec);
        if let Some(argv) = &self.argv {
            let (bytes, whole) = put_argv(&mut block.argv, argv);
            block.argv_bytes = bytes as u32;
            block.flags = flag::ARGV | if whole { 0 } else { flag::ARGV_CUT };
        }
    }

    /// From the copy of a block. Any bytes will do.
    pub(crate) fn read(block: &[u8; OWNER_BYTES]) -> Identity {
        let flags = u32_at(block, at_flags());
        Identity {
            pid: u32_at(block, core::mem::offset_of!(OwnerBlock, pid)),
            uid: u32_at(block, core::mem::offset_of!(OwnerBlock, uid)),
            pid_namespace: u64_at(block, core::mem::offset_of!(OwnerBlock, pid_namespace)),
            start_ticks: u64_at(block, core::mem::offset_of!(OwnerBlock, start_ticks)),
            boot_id: array_at(block, core::mem::offset_of!(OwnerBlock, boot_id)),
            created_wall_nsec: u64_at(block, core::mem::offset_of!(OwnerBlock, created_wall_nsec)),
            created_mono_nsec: u64_at(block, core::mem::offset_of!(OwnerBlock, created_mono_nsec)),
            name: text_at(
                block,
                core::mem::offset_of!(OwnerBlock, name),
                name_len(block),
            ),
            argv: (flags & flag::ARGV != 0).then(|| argv_of(block)),
        }
    }
}

fn at_flags() -> usize {
    core::mem::offset_of!(OwnerBlock, flags)
}

fn name_len(block: &[u8]) -> usize {
    let len = u32_at(block, core::mem::offset_of!(OwnerBlock, name_bytes));
    (len as usize).min(NAME_BYTES)
}

fn argv_of(block: &[u8]) -> Vec<String> {
    let len = u32_at(block, core::mem::offset_of!(OwnerBlock, argv_bytes));
    let text = text_at(
        block,
        core::mem::offset_of!(OwnerBlock, argv),
        (len as usize).min(ARGV_BYTES),
    );
    let mut arguments: Vec<String> = text.split('\0').map(str::to_owned).collect();
    arguments.pop(); // what stands behind the last zero byte
    arguments
}

/// As much of a text as fits, cut at a character. How many bytes.
fn put_text(to: &mut [u8], text: &str) -> usize {
    let mut len = text.len().min(to.len());
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    for (to, from) in to.iter_mut().zip(text.bytes().take(len)) {
        *to = from;
    }
    len
}

/// As many arguments as fit, the last of them cut. How many bytes, and whether all of it fitted.
fn put_argv(to: &mut [u8], argv: &[String]) -> (usize, bool) {
    let mut used = 0;
    for argument in argv {
        let Some(room) = to.get_mut(used..).filter(|room| !room.is_empty()) else {
            return (used, false);
        };
        let text = argument.replace('\0', "");
        let space = room.len() - 1;
        let len = put_text(&mut room[..space], &text);
        room[len] = 0;
        used += len + 1;
        if len < text.len() {
            return (used, false);
        }
    }
    (used, true)
}

fn array_at<const N: usize>(block: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&block[at..at + N]);
    array
}

fn u32_at(block: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(array_at(block, at))
}

fn u64_at(block: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(array_at(block, at))
}

fn text_at(block: &[u8], at: usize, len: usize) -> String {
    String::from_utf8_lossy(&block[at..at + len]).into_owned()
}

impl OwnerBlock {
    /// Notes that the log ended in order.
    pub(crate) fn mark_clean(&self) {
        self.clean.store(1, Ordering::Release);
    }
}

/// The inode of this process's pid namespace; 0 if `/proc` does not say.
fn pid_namespace() -> u64 {
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino())
}

/// The machine's boot id; zeros if `/proc` does not say.
fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    id
}

/// Whether `/proc` is there and shows the processes of our own namespace (that of a container may be its host's).
fn proc_is_ours() -> bool {
    let me = std::fs::read_link("/proc/self");
    me.is_ok_and(|me| me.as_os_str() == std::process::id().to_string().as_str())
}

/// When a process started, in clock ticks since boot; None if there is no such process, or it has ended and nobody has
/// asked for its status yet.
fn start_ticks(pid: &str) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses; it may hold anything.
    let behind = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = core::str::from_utf8(stat.get(behind..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(identity: &Identity) -> Box<[u8; OWNER_BYTES]> {
        #[repr(align(8))]
        struct Block([u8; OWNER_BYTES]);
        let mut block = Box::new(Block([0; OWNER_BYTES]));
        let at = NonNull::from(&mut block.0).cast();
        // SAFETY: zeroed, aligned, and ours.
        unsafe { identity.write(at) };
        Box::new(block.0)
    }

    #[test]
    fn an_identity_is_read_as_it_was_written() {
        for argv in [
            None,
            Some(vec![]),
            Some(vec!["python".into(), "".into(), "-c ü".into()]),
        ] {
            let identity = Identity::current("app", argv);
            assert_eq!(Identity::read(&written(&identity)), identity);
            assert_eq!(identity.process(), Process::Runs);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_character() {
        let argv = vec!["a".repeat(2000), "ü".repeat(2000), "lost".into()];
        let identity = Identity::current(&"ü".repeat(100), Some(argv.clone()));
        let block = written(&identity);
        let read = Identity::read(&block);
        assert_eq!(read.name, "ü".repeat(64));
        let kept = read.argv.expect("kept");
        assert_eq!(kept[0], argv[0]);
        assert_eq!(kept[1], "ü".repeat((ARGV_BYTES - 2001 - 1) / 2));
        assert_eq!(kept.len(), 2);
        assert_eq!(
            u32_at(block.as_slice(), at_flags()),
            flag::ARGV | flag::ARGV_CUT
        );
    }

    #[test]
    fn any_bytes_are_an_identity() {
        for byte in [0, 1, 0x7f, 0xff] {
            let identity = Identity::read(&[byte; OWNER_BYTES]);
            assert!(identity.name.len() <= 3 * NAME_BYTES);
            assert_ne!(identity.process(), Process::Runs);
        }
    }

    #[test]
    fn a_process_that_is_gone_is_known_by_its_number_and_its_start() {
        let me = Identity::current("app", None);
        let later = Identity {
            start_ticks: me.start_ticks + 1,
            ..me.clone()
        };
        assert_eq!(later.process(), Process::Gone);
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("a child");
        let number = child.id().to_string();
        let start = start_ticks(&number).expect("it runs");
        let named = Identity {
            pid: child.id(),
            start_ticks: start,
            ..me.clone()
        };
        assert_eq!(named.process(), Process::Runs);
        child.kill().expect("killed");
        // Killed, and perhaps not gone yet: asked for without reaping it.
        while start_ticks(&number).is_some() {
            std::thread::yield_now();
        }
        assert_eq!(named.process(), Process::Gone, "a zombie");
        child.wait().expect("reaped");
        assert_eq!(named.process(), Process::Gone);
    }

    #[test]
    fn a_process_of_another_namespace_or_boot_is_told_apart() {
        let me = Identity::current("app", None);
        let other = Identity {
            pid_namespace: me.pid_namespace + 1,
            ..me.clone()
        };
        assert_eq!(other.process(), Process::Elsewhere);
        let other = Identity {
            boot_id: [7; 16],
            ..me
        };
        assert_eq!(other.process(), Process::OtherBoot);
    }
}
