//! Levels: what Python gives for one, and the `Level` that Python gets.

use crate::errors;
use crate::fastcall::kept::Kept;
use pr_record::Level;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString, PyType};

/// A level as given: the kernel's number, and the caller's own where it was on the standard library's scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// 0 to 7.
    pub level: u8,
    /// The caller's number.
    pub levelno: Option<i32>,
}

/// Which scale a plain number is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// 0..7 the kernel's, 8 and more the standard library's.
    Native,
    /// The standard library's throughout.
    Stdlib,
}

static LEVEL: Kept<Py<PyType>> = Kept::new();
static MEMBERS: Kept<Vec<Py<PyAny>>> = Kept::new();

/// The member of `printk_ring.Level`.
pub fn member(py: Python<'_>, level: u8) -> PyResult<Bound<'_, PyAny>> {
    let members = MEMBERS.get_or_make(|| {
        let class = LEVEL.import(py, "printk_ring.levels", "Level")?;
        (0..8_u8)
            .map(|number| Ok(class.call1((number,))?.unbind()))
            .collect::<PyResult<Vec<_>>>()
    })?;
    match members.get(usize::from(level)) {
        Some(member) => Ok(member.bind(py).clone()),
        None => Err(errors::config(py, format!("{level} is no level: 0 to 7"))),
    }
}

/// A level given to the native API.
pub fn native(level: &Bound<'_, PyAny>) -> PyResult<Given> {
    parse(level, Scale::Native)
}

fn parse(level: &Bound<'_, PyAny>, scale: Scale) -> PyResult<Given> {
    let py = level.py();
    if let Ok(name) = level.cast::<PyString>() {
        return from_name(py, &name.to_string_lossy(), scale);
    }
    if level.is_instance_of::<PyBool>() || !level.is_instance_of::<PyInt>() {
        let kind = level.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "a level is a Level, an int or a str, not {kind}"
        )));
    }
    let scale = if scale == Scale::Stdlib && is_member(level)? {
        Scale::Native
    } else {
        scale
    };
    match saturated(level)? {
        number if number < 0 && scale == Scale::Native => {
            Err(errors::config(py, unknown(&number.to_string())))
        }
        number => Ok(from_number(number, scale)),
    }
}

fn is_member(level: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(level
        .get_type()
        .is(LEVEL.import(level.py(), "printk_ring.levels", "Level")?))
}

/// The number; one beyond 64 bits is as good as the largest.
fn saturated(number: &Bound<'_, PyAny>) -> PyResult<i64> {
    match number.extract::<i64>() {
        Ok(number) => Ok(number),
        Err(_) if number.lt(0)? => Ok(i64::MIN),
        Err(_) => Ok(i64::MAX),
    }
}

fn from_name(py: Python<'_>, name: &str, scale: Scale) -> PyResult<Given> {
    if let Some(level) = Level::parse(name) {
        return Ok(Given {
            level: level.number(),
            levelno: None,
        });
    }
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(errors::config(py, unknown(&format!("{name:?}"))));
    }
    Ok(from_number(name.parse::<i64>().unwrap_or(i64::MAX), scale))
}

fn from_number(number: i64, scale: Scale) -> Given {
    let of_kernel = match scale {
        Scale::Native => Level::from_native(number).filter(|_| number < 8),
        Scale::Stdlib => None,
    };
    match of_kernel {
        Some(level) => Given {
            level: level.number(),
            levelno: None,
        },
        None => {
            let clamped = number.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            Given {
                level: Level::from_stdlib(number).number(),
                levelno: Some(clamped as i32),
            }
        }
    }
}

fn unknown(shown: &str) -> String {
    format!(
        "{shown} is no level: EMERG, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO or DEBUG in any case, 0 to 7, or a \
         standard-library number from 8 on"
    )
}

/// A level as the parameter of a function.
#[derive(Clone, Copy, Debug)]
pub struct LevelArg(pub u8);

impl<'py> FromPyObject<'_, 'py> for LevelArg {
    type Error = PyErr;

    fn extract(level: Borrowed<'_, 'py, PyAny>) -> PyResult<LevelArg> {
        native(&level).map(|given| LevelArg(given.level))
    }
}

/// The kernel level 0..7 of a level given to the native API.
///
/// 0..7 is a kernel level, 8 and more a standard-library number, a str a name or alias in any case (or such a number as
/// decimal text).
#[pyfunction]
#[pyo3(signature = (level, /))]
pub fn parse_level(level: &Bound<'_, PyAny>) -> PyResult<u8> {
    parse(level, Scale::Native).map(|given| given.level)
}

/// The kernel level 0..7 of a standard-library level: every number is a standard-library number, negative ones too.
///
/// A `Level` is taken as it is; a str as in `parse_level`, but numbers as text are standard-library numbers.
#[pyfunction]
#[pyo3(signature = (level, /))]
pub fn parse_stdlib_level(level: &Bound<'_, PyAny>) -> PyResult<u8> {
    parse(level, Scale::Stdlib).map(|given| given.level)
}
