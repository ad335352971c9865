//! Which of the types that a record keeps an object is an instance of, without importing any of them: a type of a module
//! that was never imported has no instances.

use crate::fastcall::kept::Kept;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

/// The kept types that are not built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `enum.Enum`.
    Enum,
    /// `numpy.generic`.
    Numpy,
    /// `datetime.datetime`.
    DateTime,
    /// `uuid.UUID`.
    Uuid,
    /// `decimal.Decimal`.
    Decimal,
    /// `pathlib.PurePath`.
    Path,
}

/// A type, found once its module has been imported by somebody.
struct Known {
    kind: Kind,
    module: &'static str,
    name: &'static str,
    class: Kept<Py<PyType>>,
}

impl Known {
    const fn new(kind: Kind, module: &'static str, name: &'static str) -> Known {
        Known {
            kind,
            module,
            name,
            class: Kept::new(),
        }
    }

    fn class<'py>(&self, modules: &Bound<'py, PyDict>) -> Option<&Bound<'py, PyType>> {
        let py = modules.py();
        let class = match self.class.get() {
            Some(class) => class,
            None => {
                let module = modules.get_item(self.module).ok()??;
                let class = module.getattr(self.name).ok()?.cast_into::<PyType>();
                self.class.keep(class.ok()?.unbind()).0
            }
        };
        Some(class.bind(py))
    }
}

static KNOWN: [Known; 6] = [
    Known::new(Kind::Enum, "enum", "Enum"),
    Known::new(Kind::Numpy, "numpy", "generic"),
    Known::new(Kind::DateTime, "datetime", "datetime"),
    Known::new(Kind::Uuid, "uuid", "UUID"),
    Known::new(Kind::Decimal, "decimal", "Decimal"),
    Known::new(Kind::Path, "pathlib", "PurePath"),
];

static MODULES: Kept<Py<PyDict>> = Kept::new();

/// A type and what it is derived from.
#[cfg(not(Py_LIMITED_API))]
fn bases<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyTuple>> {
    Ok(class.mro())
}

/// The same by the attribute: `mro` would keep its name in a cell whose maker others wait for.
#[cfg(Py_LIMITED_API)]
fn bases<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyTuple>> {
    let name = crate::fastcall::interned::name!(class.py(), c"__mro__");
    Ok(class.getattr(name)?.cast_into()?)
}

/// The kind of an object, by its type's base classes. Runs no Python code.
pub fn kind_of(object: &Bound<'_, PyAny>) -> Option<Kind> {
    let py = object.py();
    let modules = MODULES.import(py, "sys", "modules").ok()?;
    let bases = bases(&object.get_type()).ok()?;
    KNOWN
        .iter()
        .find(|known| {
            known
                .class(modules)
                .is_some_and(|class| bases.iter().any(|base| base.is(class)))
        })
        .map(|known| known.kind)
}
