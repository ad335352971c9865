//! Levels by the names of loggers: a name that has none of its own has that of the nearest one above it.
//!
//! "db" is above "db.pool", and the empty name, which a logger without a name has, is above all. What a name comes to is
//! kept ready in one word that all loggers of the name share, so that a log call loads it and looks nothing up.

use crate::fork::Listed;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};

/// Neither the name nor one above it has a level.
const UNSET: u8 = u8::MAX;

/// What the level of one name comes to.
#[derive(Debug)]
pub struct Gate(AtomicU8);

impl Gate {
    /// Whether a record of this level passes.
    #[inline(always)]
    pub fn passes(&self, level: u8) -> bool {
        level <= self.0.load(Ordering::Relaxed)
    }

    /// The least severe level that passes; None: any, the names do not say.
    pub fn level(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|level| *level != UNSET)
    }
}

/// The levels of one log's names.
#[derive(Debug, Default)]
pub struct Names(Listed<Tree>);

#[derive(Debug, Default)]
struct Tree {
    /// Those that were set.
    levels: HashMap<Box<str>, u8>,
    /// Of the names that have loggers.
    gates: HashMap<Box<str>, Weak<Gate>>,
    /// At so many gates those without loggers are looked for.
    full_at: usize,
}

/// Fewer names than this are not worth a look.
const FEW: usize = 64;

impl Names {
    /// The gate of a name, which all of its loggers share.
    pub fn gate(&self, name: &str) -> Arc<Gate> {
        let mut tree = self.0.lock();
        if let Some(gate) = tree.gates.get(name).and_then(Weak::upgrade) {
            return gate;
        }
        let gate = Arc::new(Gate(AtomicU8::new(tree.effective(name))));
        tree.add(name, &gate);
        gate
    }

    /// Sets the level of a name; None: it has none of its own any more. In force at once, for all loggers of the name and
    /// of those below it that have none of their own.
    pub fn set(&self, name: &str, level: Option<u8>) {
        let mut tree = self.0.lock();
        match level {
            Some(level) => tree.levels.insert(name.into(), level),
            None => tree.levels.remove(name),
        };
        for (of, gate) in &tree.gates {
            if let Some(gate) = gate.upgrade() {
                gate.0.store(tree.effective(of), Ordering::Relaxed);
            }
        }
    }
}

impl Tree {
    fn effective(&self, name: &str) -> u8 {
        let mut at = name;
        loop {
            if let Some(level) = self.levels.get(at) {
                return *level;
            }
            if at.is_empty() {
                return UNSET;
            }
            at = at.rsplit_once('.').map_or("", |(above, _)| above);
        }
    }

    /// Names that come and go leave nothing behind.
    fn add(&mut self, name: &str, gate: &Arc<Gate>) {
        if self.gates.len() >= self.full_at.max(FEW) {
            self.gates.retain(|_, gate| gate.strong_count() > 0);
            self.full_at = 2 * self.gates.len();
        }
        self.gates.insert(name.into(), Arc::downgrade(gate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_come_and_go_leave_nothing_behind() {
        let names = Names::default();
        let kept: Vec<_> = (0..100).map(|n| names.gate(&format!("kept.{n}"))).collect();
        for n in 0..10_000 {
            drop(names.gate(&format!("gone.{n}")));
        }
        assert!(names.0.lock().gates.len() < 500);
        names.set("kept", Some(3));
        assert!(kept.iter().all(|gate| gate.level() == Some(3)));
    }
}
