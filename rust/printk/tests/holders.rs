//! Which consoles make writers wait: those that block and print, and no others.

mod rig;

use pr_printk::Core;
use pr_printk::registry::{ConsoleSlot, flag};

/// A ring that is full of what its console has not printed.
fn full() -> (&'static Core, &'static ConsoleSlot) {
    let core = rig::core(6);
    let slot = &core.consoles()[0];
    slot.set(flag::BLOCKS);
    core.recount_holds();
    assert!(!core.must_wait_for_room(), "there is room");
    (0..64).for_each(|_| rig::log(core, "event"));
    (core, slot)
}

/// Whether writers are made to wait once consoles were counted.
fn holds(core: &Core) -> bool {
    core.recount_holds();
    core.must_wait_for_room()
}

#[test]
fn a_console_that_blocks_and_prints_makes_writers_wait_when_the_ring_is_full() {
    let (core, slot) = full();
    assert!(holds(core) && core.must_wait(0));
    assert!(!core.wait_for_room(1), "nobody prints");
    slot.seq.store(64, std::sync::atomic::Ordering::Relaxed);
    assert!(core.wait_for_room(60_000_000_000));
}

#[test]
fn what_is_no_console_of_the_kind_or_does_not_print_makes_nobody_wait() {
    let (core, slot) = full();
    for needed in [flag::USED, flag::ENABLED, flag::BLOCKS, flag::ALIVE] {
        slot.clear(needed);
        assert!(!holds(core) && !core.must_wait(0), "without {needed:#x}");
        slot.set(needed);
        assert!(holds(core), "and again");
    }
    for given_up in [flag::SUSPENDED, flag::ABANDONED] {
        slot.set(given_up);
        assert!(!holds(core) && !core.must_wait(0), "with {given_up:#x}");
        slot.clear(given_up);
        assert!(holds(core), "and again");
    }
}

#[test]
fn of_several_consoles_one_that_blocks_is_enough() {
    let (core, slot) = full();
    rig::add_console(core, 3, -1, pr_printk::port::class::LOCKING);
    core.consoles()[3].set(flag::BLOCKS | flag::SUSPENDED);
    assert!(holds(core));
    slot.set(flag::ABANDONED);
    assert!(!holds(core));
    core.consoles()[3].clear(flag::SUSPENDED);
    assert!(holds(core));
}
