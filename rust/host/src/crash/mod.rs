//! The end of the process, from its preparation to the last call.
//!
//! | module | one idea |
//! |---|---|
//! | [`report`] | crash files, prepared |
//! | [`signals`] | fatal signals have a handler |
//! | [`orderly`] | signals that end the process in order |
//! | [`rust_panics`] | panics of Rust code |
//! | `panic` | a thread that gives the process up: why, then all logs, then the end |
//! | `roll` | a log's life is found by a panic, and stays while there is one |

pub mod orderly;
mod panic;
pub mod report;
pub(crate) mod roll;
pub mod rust_panics;
pub mod signals;

pub use panic::await_the_end;
