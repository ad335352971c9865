//! What a forked child makes of its parent's log: at its first record a ring of its own, and its consoles on it.

use super::{Log, absolute, make_map, own_path};
use crate::errands;
use crate::life::Life;
use crate::rules;
use crate::sinks::say_on_stderr;
use pr_printk::control::LEVEL_BITS;
use pr_printk::thread;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Log {
    /// A forked child's first record: begins a life of its own.
    #[cold]
    #[inline(never)]
    pub(super) fn revive(&self) -> Option<&Life> {
        let generation = thread::begin_generation();
        while self.life().core().generation() != generation {
            if self.stillborn.load(Ordering::SeqCst) == generation {
                return None;
            }
            let other = self.reviving.load(Ordering::SeqCst);
            let first = other != generation
                && self
                    .reviving
                    .compare_exchange(other, generation, Ordering::SeqCst, Ordering::SeqCst)
                    .is_ok();
            if first {
                // Whatever happens in there, other threads of this child do not wait for it in vain.
                let born = std::panic::catch_unwind(AssertUnwindSafe(|| self.begin_child_life()));
                if !matches!(born, Ok(true)) {
                    self.stillborn.store(generation, Ordering::SeqCst);
                }
            } else {
                std::thread::yield_now(); // another thread of this child is at it
            }
        }
        Some(self.life())
    }

    /// False: there is neither a file nor memory for it.
    fn begin_child_life(&self) -> bool {
        crate::fork::catch_up();
        pr_printk::barrier::prepare();
        let parent = self.life().number();
        let (pid, argv) = (std::process::id(), self.options.argv.clone());
        let path = self.child_path(self.life().map().path());
        let made = make_map(path.as_deref(), &self.plan, &self.name, argv.clone()).or_else(|why| {
            say_on_stderr(&format!(
                "printk_ring: {why}; the child {pid} logs into memory\n"
            ));
            make_map(None, &self.plan, &self.name, argv)
        });
        let inherited = self.life().core().control();
        let inherited_level = (inherited.level.load(Ordering::Relaxed) & LEVEL_BITS) as u8;
        let level = self.set_here(&self.level_set).unwrap_or(inherited_level);
        let inherited_level = (inherited.console_level.load(Ordering::Relaxed) & LEVEL_BITS) as u8;
        let console_level = self
            .set_here(&self.console_level)
            .unwrap_or(inherited_level);
        let life = match made.and_then(|map| Life::begin(map, level, console_level)) {
            Ok(life) => life,
            Err(why) => {
                // Nowhere rather than into the parent's ring.
                say_on_stderr(&format!(
                    "printk_ring: {why}; the child {pid} logs nowhere\n"
                ));
                return false;
            }
        };
        rules::carry(self.life().core(), life.core());
        if let Err(why) = errands::begin(&life, &self.options.errands, path.as_deref()) {
            say_on_stderr(&format!(
                "printk_ring: {why}; the child {pid} goes without\n"
            ));
        }
        let publish = || {
            self.lives.lock().push(life.clone());
            let at = Arc::as_ptr(&life).cast_mut();
            self.life.store(at, Ordering::Release); // ORD(revive:A)
            self.open_gate(&life);
        };
        let consoles = self.consoles();
        let printed = consoles.iter().filter(|console| !console.is_courier());
        if let Err(why) = self.offload.begin(&life, printed.count(), publish) {
            say_on_stderr(&format!(
                "printk_ring: {why}; in the child {pid} each console's own thread prints\n"
            ));
        }
        self.retell(parent, &life);
        crate::crash::orderly::take_again(self);
        crate::context::carry(self, &life);
        let gone = self.prune(self.options.path.as_deref());
        gone.iter().for_each(|gone| self.tell_removed(gone));
        self.revive_dumpers(&life);
        self.revive_consoles(&life);
        true
    }

    /// The consoles go on in the child; one that cannot is not the child's.
    fn revive_consoles(&self, life: &Arc<Life>) {
        for console in self.consoles() {
            if let Err(why) = console.revive(life, || self.offload.make_room()) {
                let (name, pid) = (console.name(), std::process::id());
                say_on_stderr(&format!(
                    "printk_ring: console {name}: {why}; the child {pid} does not have it\n"
                ));
                self.remove_console(&console, Duration::ZERO);
            }
        }
    }

    /// Where a forked child's ring is to be.
    fn child_path(&self, parent: Option<&Path>) -> Option<PathBuf> {
        let parent = parent?;
        if self.options.directory.is_some() {
            return own_path(&self.options, &self.name);
        }
        let first = self.options.path.as_deref().unwrap_or(parent);
        let mut name = first.as_os_str().to_owned();
        name.push(format!(".fork-{}", std::process::id()));
        Some(absolute(Path::new(&name)))
    }
}
