//! From values of a record to Python objects.

use crate::fastcall::kept::Kept;
use pr_record::{Args, Fields, RecordView, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple, PyType};

static DATETIME: Kept<Py<PyType>> = Kept::new();
static UUID: Kept<Py<PyType>> = Kept::new();
static DECIMAL: Kept<Py<PyType>> = Kept::new();
static PURE_PATH: Kept<Py<PyType>> = Kept::new();

/// A record's fields as a dict, in the record's order.
pub fn fields<'py>(py: Python<'py>, record: &RecordView<'_>) -> PyResult<Bound<'py, PyDict>> {
    let fields: Fields<'_> = record.fields();
    let dict = PyDict::new(py);
    for field in fields {
        dict.set_item(field.key, value(py, &field.value)?)?;
    }
    Ok(dict)
}

/// A template's arguments: a tuple, or a dict where they have names.
pub fn args<'py>(py: Python<'py>, args: Args<'_>) -> PyResult<Bound<'py, PyAny>> {
    if args.is_named() {
        let dict = PyDict::new(py);
        for arg in args.iter() {
            dict.set_item(arg.key, value(py, &arg.value)?)?;
        }
        return Ok(dict.into_any());
    }
    let values = args.iter().map(|arg| value(py, &arg.value));
    Ok(PyTuple::new(py, values.collect::<PyResult<Vec<_>>>()?)?.into_any())
}

/// A value. Text that does not say what its kind promises (a damaged record) stays text.
pub fn value<'py>(py: Python<'py>, value: &Value<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
        Value::Int(number) => number.into_pyobject(py)?.into_any(),
        Value::UInt(number) => number.into_pyobject(py)?.into_any(),
        Value::Float(number) => number.into_pyobject(py)?.into_any(),
        Value::Str(text) => PyString::new(py, text).into_any(),
        Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Value::DateTime(text) => {
            let class = DATETIME.import(py, "datetime", "datetime")?;
            class
                .call_method1("fromisoformat", (text,))
                .unwrap_or_else(|_| PyString::new(py, text).into_any())
        }
        Value::Uuid(bytes) => {
            let arguments = PyDict::new(py);
            arguments.set_item("bytes", PyBytes::new(py, bytes))?;
            UUID.import(py, "uuid", "UUID")?
                .call((), Some(&arguments))?
        }
        Value::Decimal(text) => {
            let class = DECIMAL.import(py, "decimal", "Decimal")?;
            class
                .call1((text,))
                .unwrap_or_else(|_| PyString::new(py, text).into_any())
        }
        Value::Path(text) => PURE_PATH
            .import(py, "pathlib", "PurePath")?
            .call1((text,))?,
        Value::Enum { value: inner, .. } | Value::Numpy { value: inner, .. } => {
            self::value(py, &inner.value())?
        }
        Value::List(items) => {
            let list = PyList::empty(py);
            for item in items.iter() {
                list.append(self::value(py, &item)?)?;
            }
            list.into_any()
        }
        Value::Dict(entries) => {
            let dict = PyDict::new(py);
            for entry in entries.iter() {
                dict.set_item(entry.key, self::value(py, &entry.value)?)?;
            }
            dict.into_any()
        }
    })
}
