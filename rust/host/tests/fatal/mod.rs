//! Processes that die of a signal, and what they leave.
#![allow(dead_code)]

use crate::scratch::{Scratch, say};
use pr_host::Log;
use pr_host::crash::signals;
use pr_printk::dumper::{Dumper, Reason, Why};
use std::sync::Arc;

/// How many records a child logs before it dies.
pub const BEFORE: i64 = 5;

/// Runs `dies` in a forked child with a log that tells crashes. How the child ended.
pub fn death(scratch: &Scratch, dies: impl FnOnce(&Arc<Log>)) -> Death {
    death_after(scratch, |_| {}, |log, ()| dies(log))
}

/// The same, with something that begins before crashes are told.
pub fn death_after<T>(
    scratch: &Scratch,
    begins: impl FnOnce(&Arc<Log>) -> T,
    dies: impl FnOnce(&Arc<Log>, T),
) -> Death {
    // SAFETY: the child runs what a child of a threaded process may run here, and leaves.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no process");
    if child == 0 {
        // SAFETY: a child that hangs ends all the same.
        unsafe { libc::alarm(60) };
        // Not the standard library's, which a program that is Python has not.
        [libc::SIGSEGV, libc::SIGBUS]
            .into_iter()
            .for_each(pr_printk::fatal::previous::set_default);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let log = scratch.log();
            let begun = begins(&log);
            log.tell_crashes(None).expect("a place for crash files");
            signals::arm();
            (1..=BEFORE).for_each(|number| say(&log, number));
            dies(&log, begun);
        }));
        // SAFETY: ends the child.
        unsafe { libc::_exit(if ended.is_ok() { 0 } else { 99 }) }
    }
    let mut status = 0;
    // SAFETY: the child is ours, and the status too.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    let read = |kind: &str| {
        let name = format!("a.ring.crash-{child}-1.{kind}");
        std::fs::read_to_string(scratch.path(&name)).unwrap_or_default()
    };
    Death {
        status,
        text: read("txt"),
        json: read("json"),
        pid: child,
    }
}

/// How a child ended.
pub struct Death {
    pub status: libc::c_int,
    pub text: String,
    pub json: String,
    pub pid: libc::pid_t,
}

impl Death {
    /// By this signal?
    pub fn is_by(&self, signal: libc::c_int) -> bool {
        libc::WIFSIGNALED(self.status) && libc::WTERMSIG(self.status) == signal
    }

    /// What is wrong with the report, if something is: all records from before must be there, in order, and the ends of
    /// both files.
    pub fn lacks(&self, signal: libc::c_int, name: &str) -> Option<String> {
        let wrong = |what: &str| Some(format!("{what}: status {:#x}\n{}", self.status, self.text));
        if !self.is_by(signal) {
            return wrong("another end");
        }
        if !self.text.contains(name) {
            return wrong("another reason");
        }
        let mut rest = self.text.as_str();
        for number in 1..=BEFORE {
            match rest.split_once(&format!("i={number}\n")) {
                Some((_, behind)) => rest = behind,
                None => return wrong("a record lacks"),
            }
        }
        if !rest.ends_with("** end of the report **\n") {
            return wrong("no end");
        }
        None
    }

    /// The same, of a crash that hit nothing of ours: both files are whole.
    pub fn lacks_anything(&self, signal: libc::c_int, name: &str) -> Option<String> {
        self.lacks(signal, name).or_else(|| {
            let whole = self.json.ends_with("\"complete\":true}\n");
            (!whole).then(|| format!("the JSON is not whole: {}", self.json))
        })
    }
}

/// An address where nothing is.
pub const NOWHERE: usize = 16;

/// Touches what is not there.
pub fn fault() {
    let nowhere = std::hint::black_box(NOWHERE) as *const u8;
    // SAFETY: none; this is how the child dies.
    unsafe { nowhere.read_volatile() };
}

/// Sends the calling thread a signal.
pub fn send(signal: libc::c_int) {
    // SAFETY: touches no memory.
    unsafe { libc::raise(signal) };
}

/// A dumper that may be called in a handler.
pub fn add_dumper(log: &pr_host::Log, call: unsafe fn(*const (), &Why<'_>) -> bool) {
    let dumper = Box::leak(Box::new(Dumper {
        max_reason: Reason::Panic,
        always: false,
        preserves: false,
        any_context: true,
        call,
        data: std::ptr::null(),
    }));
    // SAFETY: it stays for good, and has no data.
    let ticket = unsafe { log.core().dumpers().register(dumper) };
    ticket.expect("room");
}
