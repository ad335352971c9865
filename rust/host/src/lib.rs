//! host

pub mod error;
pub mod foreign;
pub mod lives;
pub mod mapping;
pub mod options;
pub mod plan;
