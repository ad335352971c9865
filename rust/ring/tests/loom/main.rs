//! A model for each pair of orderings, under loom: `RUSTFLAGS="--cfg loom" cargo test -p pr-ring --test loom --release`.
//!
//! `ORDERING.md` says which model guards which label, and `ci/loom.sh` proves it: with one ordering taken away
//! (`PRINTK_RING_WEAKEN=<label>`) exactly the models that name it fail.
//!
//! Where a model says "peek", it looks with a load that orders nothing, so that only the ring's own orderings can make
//! true what follows.
#![cfg(all(loom, not(shuttle)))]

mod committed;
mod reap;
mod slots;
mod support;
mod tails;
mod text;
