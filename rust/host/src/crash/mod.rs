//! The end of the process, from its preparation to the last call.
//!
//! | module | one idea |
//! |---|---|
//! | `panic` | a thread that gives the process up: why, then all logs, then the end |
//! | `roll` | a log's life is found by a panic, and stays while there is one |

mod panic;
pub(crate) mod roll;

pub use panic::await_the_end;
