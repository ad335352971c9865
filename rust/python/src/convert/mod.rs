//! Values: from Python into a record ([`take`]), and back ([`give`]).

mod cost;
pub mod give;
mod kinds;
pub mod mapping;
pub mod take;
pub mod text;

pub use kinds::{Kind, is_fraction, kind_of};
pub use take::{Taken, Taker};
