//! The native module `printk_ring._native`: translation between Python and the crates below, and nothing else. It is the
//! only crate that runs attached to the interpreter; `unsafe` is in `fastcall` and `ending` alone.
//!
//! | module | one idea |
//! |---|---|
//! | `errors` | the exceptions, and the only place where an error becomes one |
//! | `levels`, `sizes`, `parameters` | what Python gives for a level, a size, a timeout, a format |
//! | `convert` | values from Python into a record, and back |
//! | `fastcall` | the log call: the interpreter's fast calling convention, straight into the ring |
//! | `call` | a log call in full: what the fast way does not take |
//! | `arguments` | what such a call leaves to whoever reads its record |
//! | `handler` | the standard library's log call, the short way |
//! | `general` | one record with everything given, for integrations |
//! | `ring` | the bare ring |
//! | `kernel` | the kernel's own formatting, and its walk over a bare ring |
//! | `logger` | a log, a name, a level and bound fields |
//! | `line` | lines that several calls put together |
//! | `limits` | how often a call site may log |
//! | `beside` | what is kept with each log |
//! | `redact` | what a log is not to hold |
//! | `contextualize` | fields of all records that are logged in a block of code |
//! | `logs` | the logs of this process; waiting without the interpreter; the orderly exit |
//! | `log`, `opening`, `stats` | a ring with its consoles; what opening one takes; its counters |
//! | `process` | the default log, the open ones, the orderly exit, the defaults |
//! | `callable` | a console's own thread, while it runs Python code |
//! | `context` | sections of a thread: deferred, emergency, report |
//! | `ending` | what becomes of a thread in Python code when the interpreter ends |
//! | `sink`, `console` | where a console writes, and the console |
//! | `offload` | who prints |
//! | `dumper`, `reasons` | Python code that is called when the process gets into trouble, and why it is |
//! | `reader`, `record`, `columns` | records one by one, decoded, and all at once |
//! | `dump`, `dump_target` | a log's records as text, newest block first or to a file |
//! | `file`, `file_console` | a ring file of any process, and the consoles in it |
//! | `threads` | names of threads that may have ended when their records are printed |
//! | `tstring` | template strings as events |
//! | `watch` | telling a debugging aid of calls that may wait for consoles |
//! | `bench` | timings of what cannot be timed from Python |
#![allow(
    clippy::std_instead_of_core,
    reason = "the rule is for the crates below that have no std"
)]

mod arguments;
mod bare;
mod bench;
mod beside;
mod call;
mod callable;
mod columns;
mod console;
mod context;
mod contextualize;
mod control;
mod convert;
mod crash;
mod dump;
mod dump_target;
mod dumper;
mod ending;
mod errors;
mod fastcall;
mod file;
mod file_console;
mod gate;
mod general;
mod handler;
mod kernel;
mod levels;
mod limits;
mod line;
mod log;
mod logger;
mod logs;
mod offload;
mod opening;
mod parameters;
mod process;
mod reader;
mod reasons;
mod record;
mod redact;
mod ring;
mod sink;
mod sizes;
mod stats;
mod threads;
mod tstring;
mod watch;

#[global_allocator]
static MEMORY: pr_host::reserve::Reserve = pr_host::reserve::Reserve;

/// Functions that are public as they are, by the module that has them.
const FUNCTIONS: [(&str, &[&str]); 2] = [
    ("printk_ring", &["open", "control"]),
    ("printk_ring.kernel", &["kmsg", "print_size", "print_text"]),
];

/// The native module: the ring, the log with its consoles, and the reader.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    use super::FUNCTIONS;
    #[pymodule_export]
    use crate::bench::{_bench, _bench_dump, _bench_paced, BenchRing};
    #[pymodule_export]
    use crate::callable::_Batch;
    #[pymodule_export]
    use crate::console::{_listed_consoles, Console};
    #[pymodule_export]
    use crate::context::{_nested, _no_context, Context};
    #[pymodule_export]
    use crate::contextualize::ContextFields;
    #[pymodule_export]
    use crate::control::{CallSite, Control, control};
    #[pymodule_export]
    use crate::crash::{
        _arm_signals, _check_crash_dir, _listed_signals, _report_oops, _take_signals, _take_trace,
        _tell_crashes, _trace_places,
    };
    #[pymodule_export]
    use crate::dump::DumpIter;
    #[pymodule_export]
    use crate::dumper::{_Alone, Dumper};
    #[pymodule_export]
    use crate::fastcall::digits::_ints;
    #[pymodule_export]
    use crate::fastcall::site::{_call_sites, _use_public_frames};
    #[pymodule_export]
    use crate::file::{_carve, _recover, _remove_ring, RingFile, RingFileInfo, open_ring};
    #[pymodule_export]
    use crate::file_console::FileConsole;
    #[pymodule_export]
    use crate::handler::RingHandler;
    #[pymodule_export]
    use crate::kernel::{KernelDumpIter, kmsg, print_size, print_text};
    #[pymodule_export]
    use crate::levels::{parse_level, parse_stdlib_level};
    #[pymodule_export]
    use crate::log::Log;
    #[pymodule_export]
    use crate::logger::{_unpickled_logger, Logger};
    #[pymodule_export]
    use crate::offload::{_stop_process, _while_suspended, Offload};
    #[pymodule_export]
    use crate::opening::_has_stderr;
    #[pymodule_export]
    use crate::process::{
        _default_logger, _keep_closed, _look_for_multiprocessing, _open_logs, _set_default,
        _shutdown, _watch_multiprocessing, defaults,
    };
    #[pymodule_export]
    use crate::reader::Reader;
    #[pymodule_export]
    use crate::record::{_format_dropped, Record, decode_fields, decode_text};
    #[pymodule_export]
    use crate::redact::parse_redact;
    #[pymodule_export]
    use crate::ring::{RawRecord, RecordInfo, Reservation, Ring};
    #[pymodule_export]
    use crate::sink::{MemorySink, Sink};
    #[pymodule_export]
    use crate::sizes::parse_size;
    #[pymodule_export]
    use crate::threads::_name_threads;
    #[pymodule_export]
    use crate::tstring::{_as_held, _hidden, _named_as_held};
    #[pymodule_export]
    use crate::watch::_watch;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::fastcall::refuse_other_interpreters()?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::errors::add_to(module)?;
        crate::fastcall::add_to(module)?;
        module.py().get_type::<crate::limits::Site>(); // while there is memory
        // Where they are found, as classes say it.
        for (home, names) in FUNCTIONS {
            for name in names {
                module.getattr(name)?.setattr("__module__", home)?;
            }
        }
        // What is public of all this, the package says.
        module.delattr("__all__")
    }
}
