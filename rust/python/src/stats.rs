//! The counters of a log as a dict: `Log.stats()`.

use crate::console;
use crate::logs::LogHandle;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Those of a log.
pub fn of<'py>(py: Python<'py>, log: &LogHandle) -> PyResult<Bound<'py, PyDict>> {
    let stats = py.detach(|| log.stats());
    let dict = PyDict::new(py);
    for (name, value) in [
        ("emitted", stats.emitted),
        ("records", stats.records),
        ("overwritten", stats.overwritten),
        ("failed", stats.failed),
        ("reaped", stats.reaped),
        ("truncated", stats.truncated),
        ("torn", stats.torn),
        ("suppressed", stats.suppressed),
        ("recursion_dropped", stats.recursion_dropped),
        ("block_timeouts", stats.block_timeouts),
        ("report_timeouts", stats.report_timeouts),
        ("left_behind", stats.left_behind),
        ("panic_dropped", stats.panic_dropped),
        ("syncs", stats.syncs),
        ("sync_errors", stats.sync_errors),
        ("syncs_left", stats.syncs_left),
        ("dumps", stats.dumps),
        ("dump_errors", stats.dump_errors),
        ("sites", stats.sites),
        ("sites_refused", stats.sites_refused),
        ("bytes", stats.bytes),
        ("size_bytes", stats.size_bytes),
        ("descriptors", stats.descriptors),
        ("data_bytes", stats.data_bytes),
    ] {
        dict.set_item(name, value)?;
    }
    let memory = PyDict::new(py);
    for (name, bytes) in stats.memory {
        memory.set_item(name, bytes)?;
    }
    dict.set_item("memory", memory)?;
    let consoles = PyDict::new(py);
    for console in stats.consoles {
        consoles.set_item(console.name(), console::attributes(py, log, &console)?)?;
    }
    dict.set_item("consoles", consoles)?;
    let dumpers = PyDict::new(py);
    for dumper in stats.dumpers {
        let (calls, errors) = dumper.counts();
        let counts = PyDict::new(py);
        counts.set_item("calls", calls)?;
        counts.set_item("errors", errors)?;
        dumpers.set_item(&dumper.options().name, counts)?;
    }
    dict.set_item("dumpers", dumpers)?;
    Ok(dict)
}
