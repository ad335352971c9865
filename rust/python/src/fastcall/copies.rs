//! Which instruction a frame is at, where each thread runs a copy of the code of its own: CPython 3.14 without its lock.
//!
//! An instruction has as many addresses there as threads run it. A frame says which copy it runs, and its code object where each
//! begins: the word that all threads share is the code object's address and how far the instruction is from that beginning.
//! It lies within the code object, and is the same as the public way's.
//!
//! What is tried at import is tried on one thread, and that may be one that runs the first copy, the code object's own part. So
//! what says which copy it is, is believed only if there is such a copy and the instruction lies in it: a frame of another thread
//! that is laid out otherwise would have no site, and not one of another call.
//!
//! Who may change what is read: the frame, nobody but its own thread, which is here. A table of copies is replaced by a larger one
//! when a thread with a higher number comes to the code; the old one is freed when every attached thread has been seen elsewhere
//! since, and this one is attached and goes nowhere meanwhile. A copy is freed with its code object, which the frame keeps, or, where
//! no thread has its number any more, while all threads are stopped; a frame that calls runs the first copy, or that of its own
//! thread: a generator that comes from another thread takes the copy of its new one before it does anything.

use pyo3::ffi;

/// In the frame: its code object, or None in the interpreter's own.
const CODE: usize = 0;
/// The bit of that word which is no part of the address: whether the frame counts as a reference.
const MARK: usize = 1;
/// In the frame, in 32 bits: which copy it runs.
const NUMBER: usize = 72;
/// In every object: its type.
const TYPE: usize = 24;
/// In a code object: how many units of code it has.
const UNITS: usize = 32;
/// Bytes of one of them.
const UNIT: usize = 2;
/// In a code object: the table of its copies. It begins with how many it has room for.
const COPIES: usize = 224;
/// In that table: where each copy begins, or 0.
const BEGINS: usize = 8;

/// The word of the instruction that a frame is at; 0: it runs no code. `read` reads a word at an address, None: it cannot be read.
#[inline(always)]
pub fn shared(
    frame: usize,
    instruction: usize,
    read: impl Fn(usize) -> Option<usize>,
) -> Option<usize> {
    let code = read(frame + CODE)? & !MARK;
    if code == 0 || read(code + TYPE)? != &raw const ffi::PyCode_Type as usize {
        return Some(0);
    }
    let number = read(frame + NUMBER)? as u32 as usize;
    let copies = read(code + COPIES)?;
    if number >= read(copies)? {
        return Some(0);
    }
    let begin = read(copies + BEGINS + number * size_of::<usize>())?;
    let offset = instruction.wrapping_sub(begin);
    let is_within = offset / UNIT < read(code + UNITS)?;
    Some(if is_within { code + offset } else { 0 })
}
