//! The native module `printk_ring._native`: translation between Python and the crates below, and nothing else.
//!
//! | module | one idea |
//! |---|---|
//! | [`errors`] | the exceptions, and the only place where an error becomes one |
//! | [`levels`] | what Python gives for a level, and what it gets |
//! | [`ring`] | the bare ring |
use pyo3::prelude::*;

mod bare;
mod errors;
mod levels;
mod ring;

/// The ring, the log with its consoles, and the reader.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::levels::{parse_level, parse_stdlib_level};
    #[pymodule_export]
    use crate::ring::{RawRecord, RecordInfo, Reservation, Ring};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::errors::add_to(module)
    }
}
