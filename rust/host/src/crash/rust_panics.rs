//! Panics of Rust code in this process: a record, and the dumpers, before whoever was there.

use pr_printk::dumper::{Place, Reason, Why};
use pr_printk::store::Stamp;
use pr_record::{Field, Level, Payload, Value};
use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// This thread tells of one already.
    static TELLS: Cell<bool> = const { Cell::new(false) };
}

/// From now on they are told, wherever they happen. Once a process; nobody waits for whoever is at it, which may be a thread
/// that vanished in a fork.
pub fn watch() {
    static HAS_HOOK: AtomicBool = AtomicBool::new(false);
    if HAS_HOOK.swap(true, Ordering::SeqCst) {
        return;
    }
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !TELLS.replace(true) {
            tell(info);
            TELLS.set(false);
        }
        before(info);
    }));
}

fn tell(info: &PanicHookInfo<'_>) {
    let Some(life) = super::report::watched_life() else {
        return;
    };
    let payload = info.payload();
    let literal = payload.downcast_ref::<&str>().copied();
    let said = literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let said = said.unwrap_or("a panic without words");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let fields = [
        Field {
            key: "panic",
            value: Value::Str(said),
        },
        Field {
            key: "at",
            value: Value::Str(&place),
        },
        Field {
            key: "thread",
            value: Value::Str(&name),
        },
    ];
    let payload = Payload {
        event: "panic in native code",
        logger: Some("printk_ring"),
        fields: &fields,
        ..Payload::default()
    };
    let stamp = Stamp {
        level: Level::Error as u8,
        ts_nsec: None,
    };
    let core = life.core();
    let _ = core.store(stamp, &payload);
    let why = Why {
        reason: Reason::Oops,
        detail: Some(said),
    };
    // A thread of ours never attaches to the interpreter.
    core.dumpers().dump(&why, Place::Anywhere);
}
