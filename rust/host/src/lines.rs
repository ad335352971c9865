//! The thread that ends lines which nobody goes on with. One a process, from the first line on that a call has left open; it
//! sleeps as long as none is.

use crate::fork::own_lives;
use crate::printer::{BlockedSignals, STACK_BYTES};
use pr_printk::line::sleep_until_line;
use pr_printk::{Core, fatal, stamp, thread};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The generation whose thread runs.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// A call has left its line open. Without a thread that would end it, it ends here.
pub(crate) fn opened(core: &Core) {
    let (own, found) = (thread::generation(), RUNS.load(Ordering::SeqCst));
    let is_first = found != own
        && RUNS
            .compare_exchange(found, own, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok();
    if is_first && start().is_err() {
        RUNS.store(0, Ordering::SeqCst);
        core.end_line();
    }
}

fn start() -> std::io::Result<()> {
    let blocked = BlockedSignals::new();
    let thread = std::thread::Builder::new()
        .name("pr/lines".into())
        .stack_size(STACK_BYTES)
        .spawn(run);
    drop(blocked);
    thread.map(drop)
}

fn run() {
    fatal::stack::give_own();
    loop {
        match next_end() {
            Some(nanoseconds) => std::thread::sleep(Duration::from_nanos(nanoseconds)),
            None => sleep_until_line(|| next_end().is_some()),
        }
    }
}

/// Ends the lines whose time is over. How long the next one has; None: none is open.
fn next_end() -> Option<u64> {
    let now = stamp::monotonic_nsec();
    let lives = own_lives();
    let ends = lives
        .iter()
        .filter_map(|life| life.core().end_idle_line(now));
    ends.min().map(|end| end.saturating_sub(now))
}
