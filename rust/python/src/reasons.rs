//! Reasons for a dump: what Python gives for one, and the `Reason` that Python gets.

use crate::fastcall::kept::Kept;
use crate::{ending, errors};
use pr_printk::dumper::Reason;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString};

static MEMBERS: Kept<Vec<Py<PyAny>>> = Kept::new();

const ALL: [(&str, Reason); 4] = [
    ("PANIC", Reason::Panic),
    ("OOPS", Reason::Oops),
    ("EMERGENCY", Reason::Emergency),
    ("SHUTDOWN", Reason::Shutdown),
];

/// The member of `printk_ring.Reason`.
pub fn member(py: Python<'_>, reason: Reason) -> PyResult<Bound<'_, PyAny>> {
    let members = MEMBERS.get_or_make(|| {
        let class = py.import("printk_ring.levels")?.getattr("Reason")?;
        let members = ALL.map(|(name, _)| Ok(ending::attribute(&class, name)?.unbind()));
        members.into_iter().collect::<PyResult<Vec<_>>>()
    })?;
    let at = ALL.iter().position(|(_, known)| *known == reason);
    let member = at.and_then(|at| members.get(at));
    member
        .map(|member| member.bind(py).clone())
        .ok_or_else(|| errors::config(py, "no such reason".to_owned()))
}

/// A reason as the parameter of a function: a member, its number, or its name in any case.
#[derive(Clone, Copy, Debug)]
pub struct ReasonArg(pub Reason);

impl<'py> FromPyObject<'_, 'py> for ReasonArg {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<ReasonArg> {
        let found = if let Ok(name) = given.cast::<PyString>() {
            let name = name.to_string_lossy().to_ascii_uppercase();
            ALL.into_iter().find(|(known, _)| *known == name)
        } else if given.is_instance_of::<PyInt>() && !given.is_instance_of::<PyBool>() {
            let number = given.extract().unwrap_or(0_i64);
            ALL.into_iter().find(|(_, reason)| *reason as i64 == number)
        } else {
            let kind = given.get_type().name()?;
            let why = format!("a reason is a Reason, an int or a str, not {kind}");
            return Err(PyTypeError::new_err(why));
        };
        found.map(|(_, reason)| ReasonArg(reason)).ok_or_else(|| {
            let shown = given
                .repr()
                .map_or_else(|_| String::new(), |it| it.to_string());
            let why = format!(
                "{shown} is no reason: PANIC, OOPS, EMERGENCY or SHUTDOWN in any case, or 1 to 4"
            );
            errors::config(given.py(), why)
        })
    }
}
