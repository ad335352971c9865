//! One life of a log: the memory of one ring and the core that works on it. A forked child begins another one.

use crate::crash;
use crate::dumper::Dumper;
use crate::error::Error;
use crate::fork::Listed;
use crate::mapping::{RingMap, SectionKind};
use crate::port::{PORT_BYTES, PortMemory};
use crate::site_memory::SiteMemory;
use crate::station::Station;
use pr_printk::control::Control;
use pr_printk::flush::is_usable;
use pr_printk::port::Port;
use pr_printk::registry::{ConsoleSlot, SLOTS};
use pr_printk::store::Stamp;
use pr_printk::{Core, stamp, thread};
use pr_record::{Level, Payload};
use pr_ring::Ring;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Old records are dropped in batches of at most this many, which takes a quarter off what a record costs.
pub const RETIRE_AHEAD: u32 = 16;
/// The clocks' offset is sampled again after this long.
const CLOCK_SAMPLE_NSEC: u64 = 1_000_000_000;

/// How many lives this process and its ancestors have begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// A core and the memory under it.
#[derive(Debug)]
pub struct Life {
    core: ManuallyDrop<Core>,
    number: u64,
    map: ManuallyDrop<RingMap>,
    clock_sampled: AtomicU64,
    /// The memory behind the core's ports: one a slot of the table that was ever used.
    #[expect(clippy::vec_box, reason = "the core points into the boxes")]
    ports: ManuallyDrop<Listed<Vec<Box<PortMemory>>>>,
    /// Where the consoles are printed on that are text, by slot.
    stations: [Listed<Weak<Station>>; SLOTS],
    /// What the core knows of call sites.
    sites: ManuallyDrop<Option<SiteMemory>>,
    /// What a panic works in; there from the start.
    panic: ManuallyDrop<Box<PortMemory>>,
    /// The dumpers that the core may be calling.
    dumpers: ManuallyDrop<Listed<Vec<Arc<Dumper>>>>,
    /// The last sync has failed, and that was told.
    pub(crate) sync_fails: AtomicBool,
}

impl Drop for Life {
    /// While somebody panics nothing of it is freed: the panic may be using it.
    fn drop(&mut self) {
        if !crash::roll::leave(self) {
            return;
        }
        // SAFETY: once, here, and nobody uses them after this; the core before what it points to.
        unsafe { ManuallyDrop::drop(&mut self.core) };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.dumpers) };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.ports) };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.panic) };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.sites) };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.map) };
    }
}

impl Life {
    /// Puts a core over a fresh map, and notes it for the fork hook.
    ///
    /// # Errors
    /// The processor lacks the instruction that the ring needs.
    pub fn begin(map: RingMap, level: u8, console_level: u8) -> Result<Arc<Life>, Error> {
        let geometry = map.plan().geometry;
        let (control, _) = map.section_ptr(SectionKind::Control);
        let (consoles, bytes) = map.section_ptr(SectionKind::Consoles);
        debug_assert!(bytes >= size_of::<[ConsoleSlot; SLOTS]>());
        let no_instruction = || Error::Os {
            what: "this processor has no 128-bit compare-exchange".into(),
            errno: libc::ENOTSUP,
        };
        // SAFETY: the life keeps the map longer than the core, which has the ring (fields drop in order).
        let region = unsafe { map.region() };
        let ring = Ring::new(region, geometry, RETIRE_AHEAD).ok_or_else(no_instruction)?;
        let (control, consoles): (NonNull<Control>, NonNull<[ConsoleSlot; SLOTS]>) =
            (control.cast(), consoles.cast());
        // SAFETY: the sections lie in `map`, which the life keeps longer than the core (fields drop in order).
        let core = unsafe {
            Core::new(
                ring,
                control,
                consoles,
                thread::begin_generation(),
                std::process::id(),
            )
        };
        // SAFETY: as above, and the life keeps the memory as long.
        let (table, sites) = unsafe { SiteMemory::table(&map) };
        let core = core.with_sites(table);
        core.control()
            .level
            .store(u64::from(level), Ordering::Relaxed);
        core.control()
            .console_level
            .store(u64::from(console_level), Ordering::Relaxed);
        let life = Arc::new(Life {
            core: ManuallyDrop::new(core),
            number: BEGUN.fetch_add(1, Ordering::Relaxed) + 1,
            map: ManuallyDrop::new(map),
            clock_sampled: AtomicU64::new(0),
            ports: ManuallyDrop::new(Listed::new(Vec::new())),
            stations: [const { Listed::new(Weak::new()) }; SLOTS],
            sites: ManuallyDrop::new(sites),
            panic: ManuallyDrop::new(PortMemory::new()),
            dumpers: ManuallyDrop::new(Listed::new(Vec::new())),
            sync_fails: AtomicBool::new(false),
        });
        let memory = NonNull::from(life.panic.memory());
        // SAFETY: the box lives as long as the core, and only the core knows what it points to.
        unsafe { life.core.give_panic_memory(memory) };
        let (start, bytes) = life.map.memory();
        life.core.set_mapped(start, bytes);
        life.sample_clocks();
        crash::roll::enter(&life);
        crate::fork::watch(Arc::downgrade(&life));
        Ok(life)
    }

    /// The core.
    #[inline(always)]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Says to the other consoles that the sink of this one fails; each of its troubles is told once.
    pub(crate) fn tell_failed_write(&self, console: &str, errno: i32) {
        let why = std::io::Error::from_raw_os_error(errno);
        self.tell(&format!(
            "console {console}: write failed: {why}; it will be tried again"
        ));
    }

    /// Says something of the log itself, in its own stream.
    pub(crate) fn tell(&self, event: &str) {
        let payload = Payload {
            event,
            logger: Some("printk_ring"),
            ..Payload::default()
        };
        let stamp = Stamp {
            level: Level::Warning as u8,
            ts_nsec: None,
        };
        let _ = self.core.store(stamp, &payload);
    }

    /// The dumpers that the core may be calling; they stay as long as it may.
    pub(crate) fn dumpers(&self) -> &Listed<Vec<Arc<Dumper>>> {
        &self.dumpers
    }

    /// A number that no other life has, of whatever log.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The memory.
    pub fn map(&self) -> &RingMap {
        &self.map
    }

    /// The port of slot `index`, made at its first use. By whoever has claimed the slot.
    pub(crate) fn port(&self, index: usize) -> &Port {
        if let Some(port) = self.core.port(index) {
            return port;
        }
        let memory = PortMemory::new();
        let port = NonNull::from(&memory.port);
        self.ports.lock().push(memory);
        // SAFETY: the box is kept in `ports`, which outlives the core's users (they hold this life).
        unsafe { self.core.give_port(index, port) };
        // SAFETY: as above.
        unsafe { port.as_ref() }
    }

    /// Notes where the console in slot `index` is printed on. By whoever has claimed the slot.
    pub(crate) fn list_station(&self, station: &Arc<Station>) {
        if let Some(place) = self.stations.get(station.index) {
            let before = std::mem::replace(&mut *place.lock(), Arc::downgrade(station));
            drop(before); // not under the lock
        }
    }

    /// Where the console in slot `index` is printed on, if it is text and still there.
    pub(crate) fn station(&self, index: usize) -> Option<Arc<Station>> {
        let place = self.stations.get(index)?.lock();
        place.upgrade()
    }

    /// Before the calling thread prints: files that have other names by now are left to their printers, which open them anew.
    pub(crate) fn look_at_files(&self) {
        let slots = self.core.consoles().iter();
        for (index, slot) in slots.enumerate().filter(|(_, slot)| is_usable(slot)) {
            let may_move = self.core.port(index).is_some_and(Port::is_atomic);
            if may_move
                && slot.seq.load(Ordering::Relaxed) < self.core.ring().next_reserve_seq().0
                && let Some(station) = self.station(index)
                && station.has_moved()
            {
                station.port().set_stale();
            }
        }
    }

    /// Bytes of the memory that consoles work in.
    pub(crate) fn console_bytes(&self) -> usize {
        self.ports.lock().len() * PORT_BYTES
    }

    /// Bytes of the memory that call sites are kept in.
    pub(crate) fn site_bytes(&self) -> usize {
        self.sites.as_ref().map_or(0, SiteMemory::bytes)
    }

    /// Samples what the clocks differ by, unless that was done a moment ago.
    pub fn sample_clocks(&self) {
        let now = stamp::monotonic_nsec();
        let last = self.clock_sampled.load(Ordering::Relaxed);
        if last != 0 && now.saturating_sub(last) < CLOCK_SAMPLE_NSEC {
            return;
        }
        if self
            .clock_sampled
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            // Consoles must give a record the time that readers give it: both go by the table.
            self.map.clock_table().sample(now, stamp::wall_nsec());
            let by_table = self.map.clock_table().wall_nsec(now).wrapping_sub(now);
            self.core.set_clock_offset(by_table.cast_signed());
        }
    }

    /// The wall time of a time stamp of this life.
    pub fn wall_nsec(&self, ts_nsec: u64) -> u64 {
        self.map.clock_table().wall_nsec(ts_nsec)
    }

    /// In a forked child's hook: the parent's file is the parent's, and so is what its consoles write to.
    pub(crate) fn forget_after_fork(&self) {
        self.map.forget_after_fork();
        let ports = (0..SLOTS).filter_map(|index| self.core.port(index));
        ports.for_each(|port| port.set_fd(-1)); // this process's memory, and its only thread
    }
}
