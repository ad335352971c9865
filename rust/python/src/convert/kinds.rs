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
    module: &'static str,
    name: &'static str,
    class: Kept<Py<PyType>>,
}

impl Known {
    const fn new(module: &'static str, name: &'static str) -> Known {
        Known {
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

    fn is_among(&self, bases: &Bound<'_, PyTuple>, modules: &Bound<'_, PyDict>) -> bool {
        self.class(modules)
            .is_some_and(|class| bases.iter().any(|base| base.is(class)))
    }
}

static KNOWN: [(Kind, Known); 6] = [
    (Kind::Enum, Known::new("enum", "Enum")),
    (Kind::Numpy, Known::new("numpy", "generic")),
    (Kind::DateTime, Known::new("datetime", "datetime")),
    (Kind::Uuid, Known::new("uuid", "UUID")),
    (Kind::Decimal, Known::new("decimal", "Decimal")),
    (Kind::Path, Known::new("pathlib", "PurePath")),
];
static FRACTION: Known = Known::new("fractions", "Fraction");

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
        .find(|(_, known)| known.is_among(&bases, modules))
        .map(|(kind, _)| *kind)
}

/// Whether it is a `fractions.Fraction`. Runs no Python code.
pub fn is_fraction(object: &Bound<'_, PyAny>) -> bool {
    let modules = MODULES.import(object.py(), "sys", "modules");
    let bases = bases(&object.get_type());
    matches!((modules, bases), (Ok(modules), Ok(bases)) if FRACTION.is_among(&bases, modules))
}
