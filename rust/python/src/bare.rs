//! What is stored of a record where no memory can be had.

use crate::redact;
use pr_host::Log;
use pr_host::log::Emit;
use pr_host::options::default::REDACTED;
use pr_printk::thread;
use pr_record::{Field, Payload, Value};

/// The parts of a record that are there without any being made.
pub struct Bare<'a> {
    /// None: it is no text, or one that is not kept as UTF-8.
    pub event: Option<&'a str>,
    pub logger: Option<&'a str>,
    pub level: u8,
    pub levelno: Option<i32>,
}

impl Bare<'_> {
    /// Stores them, and that the rest could not be. False: it is not. Runs no Python code, and waits for nothing.
    #[cold]
    #[inline(never)]
    pub fn store(&self, log: &Log) -> bool {
        let fields = [Field {
            key: "format_error",
            value: Value::Str("MemoryError: what the call was given could not be taken"),
        }];
        let payload = Payload {
            event: if redact::keeps_sites_out(log) {
                REDACTED
            } else {
                self.event.unwrap_or("")
            },
            logger: self.logger,
            levelno: self.levelno,
            fields: &fields,
            ..Payload::default()
        };
        let Some(_nest) = thread::enter() else {
            log.count_recursion();
            return false;
        };
        let stored = log.emit_inside(true, self.level, &payload, None);
        if matches!(stored, Emit::Owing(owed) if owed.sync) {
            log.leave_sync();
        }
        matches!(stored, Emit::Stored | Emit::Owing(_))
    }
}
