//! The counters of a log, as they stand.

use crate::console::Console;
use crate::dumper::Dumper;
use crate::log::Log;
use pr_printk::Core;
use pr_ring::{Read, Seq, Unfinished};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a log has counted.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Records stored since the start.
    pub emitted: u64,
    /// Records readable now.
    pub records: u64,
    /// Records stored, and overwritten since.
    pub overwritten: u64,
    /// Records that the ring refused.
    pub failed: u64,
    /// Records whose threads died while they wrote them: lost.
    pub reaped: u64,
    /// Records that were cut to fit.
    pub truncated: u64,
    /// Records that a rate limit held back.
    pub suppressed: u64,
    /// Log calls dropped because their thread was too deep in log calls.
    pub recursion_dropped: u64,
    /// Records that a console could not show as they were logged: something has changed them.
    pub torn: u64,
    /// Records stored although a console wanted its callers to wait longer.
    pub block_timeouts: u64,
    /// Records that were to be on a console before their call returned, and were left to its printer.
    pub left_behind: u64,
    /// Records stored in the middle of another thread's report, because the wait for its end was over; and reports that
    /// held others up for too long.
    pub report_timeouts: u64,
    /// Log calls dropped because another thread panicked.
    pub panic_dropped: u64,
    /// How often the file was synced because a record asked for it.
    pub syncs: u64,
    /// How often that failed.
    pub sync_errors: u64,
    /// Records that asked for it in places where nothing waits: left to a thread.
    pub syncs_left: u64,
    /// Dumps written because a record asked for it.
    pub dumps: u64,
    /// Those that could not be written, or not whole.
    pub dump_errors: u64,
    /// Call sites that are described in the log.
    pub sites: u64,
    /// Call sites that found no room: their records say everything themselves.
    pub sites_refused: u64,
    /// Bytes of text in use.
    pub bytes: u64,
    /// Bytes of the whole file or memory.
    pub size_bytes: u64,
    /// Number of descriptors.
    pub descriptors: u64,
    /// Bytes of the text ring.
    pub data_bytes: u64,
    /// Bytes of memory, by what it is for.
    pub memory: Vec<(&'static str, u64)>,
    /// The consoles.
    pub consoles: Vec<Arc<Console>>,
    /// The dumpers.
    pub dumpers: Vec<Arc<Dumper>>,
}

impl Stats {
    pub(crate) fn of(log: &Log) -> Stats {
        let life = log.life();
        let (core, plan) = (life.core(), life.map().plan());
        let control = core.control();
        let count = |word: &std::sync::atomic::AtomicU64| word.load(Ordering::Relaxed);
        let emitted = core
            .ring()
            .next_reserve_seq()
            .0
            .saturating_sub(count(&control.failed_seqs) + core.ring().reaped());
        let records = readable(core);
        let consoles = log.consoles();
        let buffers = life.console_bytes();
        Stats {
            emitted,
            records,
            overwritten: emitted.saturating_sub(records),
            failed: count(&control.failed),
            reaped: core.ring().reaped(),
            truncated: count(&control.truncated),
            torn: count(&control.torn),
            suppressed: count(&control.suppressed),
            recursion_dropped: count(&control.recursion_dropped),
            block_timeouts: count(&control.block_timeouts),
            left_behind: count(&control.left_behind),
            report_timeouts: count(&control.report_timeouts),
            panic_dropped: count(&control.panic_dropped),
            syncs: count(&control.syncs),
            sync_errors: count(&control.sync_errors),
            syncs_left: count(&control.syncs_left),
            dumps: count(&control.dumps),
            dump_errors: count(&control.dump_errors),
            sites: core.sites().described(),
            sites_refused: core.sites().refused(),
            bytes: core.ring().used_bytes(),
            size_bytes: plan.file_bytes,
            descriptors: plan.geometry.descriptors(),
            data_bytes: plan.geometry.data_bytes(),
            memory: vec![
                ("ring", plan.file_bytes),
                ("console_buffers", buffers as u64),
                ("dumps", log.dump_bytes()),
                ("sites", life.site_bytes() as u64),
            ],
            consoles,
            dumpers: log.dumpers(),
        }
    }
}

/// How many records can be read now.
fn readable(core: &Core) -> u64 {
    let (mut seq, mut count) = (Seq(0), 0);
    let end = core.ring().next_reserve_seq();
    while seq < end {
        match core.ring().read_valid(seq, &mut [], Unfinished::Wait) {
            Read::Found { info, .. } => (seq, count) = (Seq(info.seq.0 + 1), count + 1),
            Read::NotYet { .. } => break,
        }
    }
    count
}
