//! A thread that gives the process up: it says why, has it saved, prints all logs, and ends the process.

use crate::log::Log;
use pr_printk::fatal;
use pr_printk::panic::{self, Begun};
use pr_record::Payload;
use std::time::{Duration, Instant};

/// How long the end of another thread's panic is waited for. Longer than any panic takes whose dumpers come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(5);

impl Log {
    /// Ends the process by SIGABRT, with `text` as its last record: stores it, has the dumpers save what
    /// they can, then prints all logs of the process, within 20 ms. What other threads log meanwhile is dropped and counted. A
    /// second thread that panics waits for the first.
    pub fn panic(&self, text: &str) -> ! {
        let log = self.own_life().filter(|_| !self.is_closed());
        let mut begun = panic::begin();
        while begun == Begun::Anothers {
            await_the_end(); // or somebody mends what was wrong there, and this is the end
            begun = panic::begin();
        }
        let last_words = Payload {
            event: text,
            ..Payload::default()
        };
        if log.is_some() {
            let _ = self.core().store_last_words(&last_words);
        }
        if begun == Begun::Mine {
            fatal::run(self.own_core(), text);
        } else {
            fatal::run_rest(); // a dumper that panics itself is not asked once more
        }
        std::process::abort()
    }
}

/// Waits for the end of the process, which another thread's panic brings; one that hangs is not waited for for ever. It
/// returns if that panic is over, and the process goes on.
pub fn await_the_end() {
    let start = Instant::now();
    while panic::is_anothers() {
        if start.elapsed() >= PATIENCE {
            std::process::abort();
        }
        std::thread::sleep(LOOK);
    }
}
