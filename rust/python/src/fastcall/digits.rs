//! Ints as the interpreter keeps them: one of one or two digits is read without a call.
//!
//! An int is its object's head, a word that says how many digits it has and its sign, and the digits, 30 bits each. What that
//! word says is declared for each version of CPython, and tried on ints of all kinds when the module is imported. A build
//! that keeps them otherwise, and the one for the stable ABI, ask the interpreter.

use super::glance::GLANCE;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_int;
use std::sync::atomic::Ordering;

/// Bits of a digit.
const BITS: u32 = 30;

/// What the digit of an int of at most one is to be multiplied with. None: it has more.
#[inline(always)]
const fn times_one(word: usize) -> Option<i64> {
    if cfg!(Py_3_12) {
        // How many, the sign in the lowest bits: 0 for a positive one, 1 for zero, 2 for a negative one.
        if word < 2 << 3 {
            Some(1 - (word & 3) as i64)
        } else {
            None
        }
    } else {
        // How many, and the sign is that of the int.
        let count = word.cast_signed();
        if matches!(count, -1..=1) {
            Some(count as i64)
        } else {
            None
        }
    }
}

/// The sign of an int of two digits. None: it has more.
#[inline(always)]
const fn sign_of_two(word: usize) -> Option<i64> {
    match word.cast_signed() {
        2 if !cfg!(Py_3_12) => Some(1),
        -2 if !cfg!(Py_3_12) => Some(-1),
        0x10 if cfg!(Py_3_12) => Some(1),
        0x12 if cfg!(Py_3_12) => Some(-1),
        _ => None,
    }
}

/// The value of an int that is exactly one. None: it does not fit 64 bits.
///
/// # Safety
/// `int` is an int, and this thread is attached to the interpreter.
#[inline(always)]
pub unsafe fn value(int: *mut ffi::PyObject) -> Option<i64> {
    if GLANCE.has_digits.load(Ordering::Relaxed) {
        // SAFETY: an int, and they are as declared.
        if let Some(value) = unsafe { small(int) } {
            return Some(value);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { ask(int) }
}

/// The value of an int of at most two digits.
///
/// # Safety
/// `int` is an int whose words are as declared, or has a third word behind its head that may be read.
#[inline(always)]
unsafe fn small(int: *mut ffi::PyObject) -> Option<i64> {
    // SAFETY: an int is longer than its head.
    let word = unsafe { int.add(1) }.cast::<usize>();
    // SAFETY: as above.
    let digits = unsafe { word.add(1) }.cast::<u32>();
    // SAFETY: as above; nobody changes an int.
    let word = unsafe { *word };
    if let Some(times) = times_one(word) {
        // SAFETY: there is room for a digit in any int, also in zero.
        return Some(times * i64::from(unsafe { *digits }));
    }
    let sign = sign_of_two(word)?;
    // SAFETY: it has two.
    let [low, high] = unsafe { *digits.cast::<[u32; 2]>() };
    Some(sign * (i64::from(low) | i64::from(high) << BITS))
}

/// What the interpreter says. None: it does not fit 64 bits.
///
/// # Safety
/// As [`value`].
#[inline(never)]
unsafe fn ask(int: *mut ffi::PyObject) -> Option<i64> {
    let mut overflow: c_int = 0;
    // SAFETY: the object is an int, so that this cannot fail but by overflow, which is no exception.
    let value = unsafe { ffi::PyLong_AsLongLongAndOverflow(int, &raw mut overflow) };
    (overflow == 0).then_some(value)
}

/// Tries on ints of all kinds whether they are as declared.
pub fn find_way(py: Python<'_>) -> PyResult<()> {
    let is_known = !cfg!(any(Py_LIMITED_API, PyPy, GraalPy));
    GLANCE
        .has_digits
        .store(is_known && are_as_declared(py)?, Ordering::Relaxed);
    Ok(())
}

/// Asks the interpreter from now on.
pub fn use_public_way() {
    GLANCE.has_digits.store(false, Ordering::Relaxed);
}

/// Those around each power of two, of both signs, some of them of more digits than are read here.
fn are_as_declared(py: Python<'_>) -> PyResult<bool> {
    for power in 0..100 {
        for beside in [-1_i128, 0, 1] {
            for sign in [1, -1] {
                let number = sign * ((1_i128 << power) + beside);
                let int = number.into_pyobject(py)?;
                // SAFETY: an int; whatever it is in memory, two words stand behind its head: the allocator gives whole ones.
                let found = unsafe { small(int.as_ptr()) };
                let few = number.unsigned_abs() >> (2 * BITS) == 0;
                if found.map(i128::from) != few.then_some(number) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// How ints are read: "digits", as the interpreter keeps them, or "public".
#[pyfunction]
pub fn _ints() -> &'static str {
    if GLANCE.has_digits.load(Ordering::Relaxed) {
        "digits"
    } else {
        "public"
    }
}
