//! What a log stores and prints: its levels, those of its loggers' names, and the commands of dynamic debug.

use super::Log;
use crate::error::Error;
use crate::names::Names;
use crate::rules::{self, Flags, Rulebook, Ruling, Subject, set_level};
use pr_printk::control::{LEVEL_BITS, RULED};
use pr_printk::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

impl Log {
    /// The least severe level stored.
    pub fn level(&self) -> u8 {
        match self.own_core() {
            Some(core) => (core.control().level.load(Ordering::Relaxed) & LEVEL_BITS) as u8,
            None => self.set_here(&self.level_set).unwrap_or_else(|| {
                (self.core().control().level.load(Ordering::Relaxed) & LEVEL_BITS) as u8
            }),
        }
    }

    /// Sets the least severe level stored.
    pub fn set_level(&self, level: u8) {
        self.level_set.store(u64::from(level), Ordering::Relaxed);
        self.set_in.store(thread::generation(), Ordering::Relaxed);
        match self.own_core() {
            Some(core) => set_level(core.control(), level),
            None => self.set_own_gate(level),
        }
    }

    /// The levels of its loggers' names.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// What consoles without their own level print.
    pub fn console_level(&self) -> u8 {
        match self.own_core() {
            Some(core) => (core.control().console_level.load(Ordering::Relaxed) & LEVEL_BITS) as u8,
            None => self.set_here(&self.console_level).unwrap_or_else(|| {
                (self.core().control().console_level.load(Ordering::Relaxed) & LEVEL_BITS) as u8
            }),
        }
    }

    /// A level that this process has set before its life here began.
    pub(super) fn set_here(&self, level: &AtomicU64) -> Option<u8> {
        let is_own = self.set_in.load(Ordering::Relaxed) == thread::generation();
        is_own.then(|| level.load(Ordering::Relaxed) as u8)
    }

    /// A forked child goes by its own level from now on, and not by its parent's page.
    fn set_own_gate(&self, level: u8) {
        let ruled = self.core().control().level.load(Ordering::Relaxed) & RULED;
        let word = ruled | u64::from(level);
        self.own_gate.store(word, Ordering::Relaxed);
        if !self.is_closed() {
            let own = (&raw const self.own_gate).cast_mut();
            self.gate.store(own, Ordering::SeqCst);
        }
    }

    /// Sets it. Judged when printing.
    pub fn set_console_level(&self, level: u8) {
        self.console_level
            .store(u64::from(level), Ordering::Relaxed);
        self.set_in.store(thread::generation(), Ordering::Relaxed);
        if let Some(core) = self.own_core() {
            core.control()
                .console_level
                .store(u64::from(level), Ordering::Relaxed);
        }
    }

    /// Puts commands of dynamic debug in force: see [`rules::add`]. In a forked child that has not logged yet, its first
    /// record's ring is made here.
    ///
    /// # Errors
    /// As [`rules::add`].
    pub fn add_rules(&self, commands: &str) -> Result<(), Error> {
        match self.own_life() {
            Some(life) => rules::add(life.core().control(), life.core().rules(), commands),
            None => Ok(()), // a child that logs nowhere
        }
    }

    /// The commands in force.
    pub fn ruling(&self) -> Ruling {
        Ruling::read(self.core().rules())
    }

    /// The flags that the commands in force give a site. Never waits: while they are being replaced those before are.
    pub fn flags_of(&self, subject: &Subject<'_>) -> Flags {
        let number = self.ruling_number();
        let mut book = self.rulebook.lock().clone();
        if book.number != number
            && let Some(fresh) = Rulebook::read(number, self.core().rules())
        {
            book = Arc::new(fresh);
            let before = std::mem::replace(&mut *self.rulebook.lock(), book.clone());
            drop(before); // not under the lock
        }
        book.commands.flags(subject)
    }

    /// The number of the commands in force, together with that of the life whose they are: what was judged by them stands
    /// as long as this does.
    pub fn ruling_number(&self) -> (u64, u64) {
        let life = self.life();
        let number = life.core().rules().number.load(Ordering::Acquire); // ORD(ruling_number:A) pairs with ORD(rules_end:A)
        (life.number(), number)
    }
}
