//! What a panic does, step by step. A step that crashes is left behind, and the next one is next: each is tried once.
//!
//! | step | what |
//! |---|---|
//! | words | the last record |
//! | head, records, json | the crash file |
//! | dumpers | those that may be called here |
//! | consoles | the most reliable first |
//! | trace | where Python's threads are, at the end of the crash file |
//! | close | the end of the crash file |
//! | done | nothing: what a panic that is not a signal's stays at until it aborts |
//! | ask | whoever handled the signal before |

use super::cause::{self, Fault};
use crate::core::Core;
use crate::dumper::{Place, Reason};
use crate::panic::{self, BOUND_NSEC};
use crate::report::{Cause, Report, ThreadName, Who};
use crate::store::Stamp;
use crate::{roll, thread};
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
use pr_record::{Field, Level, Payload, Value};

const WORDS: u32 = 1;
const HEAD: u32 = 2;
const RECORDS: u32 = 3;
const JSON: u32 = 4;
const DUMPERS: u32 = 5;
const CONSOLES: u32 = 6;
const TRACE: u32 = 7;
const CLOSE: u32 = 8;
const DONE: u32 = 9;
const ASK: u32 = 10;

/// The step that was begun last; 0: none.
static STEP: AtomicU32 = AtomicU32::new(0);
/// What is told, and in whose words.
static TOLD: AtomicPtr<Told> = AtomicPtr::new(null_mut());
/// The process has written a report for this panic.
static HAS_REPORT: AtomicBool = AtomicBool::new(false);
/// A dumper, or the report, has saved the records.
static IS_SAVED: AtomicBool = AtomicBool::new(false);
/// The panic is in a handler, where not everything may be called.
static IN_HANDLER: AtomicBool = AtomicBool::new(false);
/// A step has crashed, and nobody has said so yet.
static IS_BROKEN: AtomicBool = AtomicBool::new(false);

/// The last step of which it was said that it has crashed.
static SAID: AtomicU32 = AtomicU32::new(0);

/// Where on its stack the handler stood that asked.
static ASKED_AT: AtomicUsize = AtomicUsize::new(0);
/// More than its frame takes.
const FRAME_BYTES: usize = 4 << 10;
/// What a handler that was asked may use of a stack: less than an alternate one has, next to which another stack may lie.
const ASKED_BYTES: usize = 56 << 10;

/// The signal, word by word; signal 0: there was none.
struct FaultWords {
    signal: AtomicI32,
    code: AtomicI32,
    address: AtomicU64,
    sender: AtomicU32,
}

static FIRST: FaultWords = FaultWords::new();
static SECOND: FaultWords = FaultWords::new();

/// The words of a panic without a signal.
static DETAIL: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

/// The log that panics, if it is not a signal; its dumpers are the first.
static PANICKING: AtomicPtr<Core> = AtomicPtr::new(null_mut());

/// What a crash is told with: of one log, by its process.
#[derive(Debug)]
pub struct Told {
    /// The crash file.
    pub report: Report,
    /// The log's core; null: it has none (any more).
    pub core: AtomicPtr<Core>,
    /// Where the core's records lie.
    pub ring: AtomicPtr<&'static str>,
    /// The command line.
    pub command: &'static str,
}

/// Who writes down where Python's threads are.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// A handler for this signal, that was told to write to the text of the report.
    pub signal: libc::c_int,
    /// The handler.
    pub handler: unsafe extern "C" fn(libc::c_int),
    /// The descriptor that it was told to write to.
    pub descriptor: libc::c_int,
}

static TRACE_SIGNAL: AtomicI32 = AtomicI32::new(0);
static TRACE_HANDLER: AtomicUsize = AtomicUsize::new(0);
static TRACE_DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);

/// From now on this writes down where Python's threads are.
pub fn set_trace(trace: Trace) {
    TRACE_DESCRIPTOR.store(trace.descriptor, Ordering::SeqCst);
    TRACE_HANDLER.store(trace.handler as usize, Ordering::SeqCst);
    TRACE_SIGNAL.store(trace.signal, Ordering::SeqCst);
}

/// From now on nobody does: the interpreter ends.
pub fn clear_trace() {
    TRACE_HANDLER.store(0, Ordering::SeqCst);
    TRACE_SIGNAL.store(0, Ordering::SeqCst);
}

/// The handler for this signal was told to write to another descriptor. False: there is none for it.
pub fn move_trace(signal: libc::c_int, descriptor: libc::c_int) -> bool {
    let is_its = TRACE_SIGNAL.load(Ordering::SeqCst) == signal;
    if is_its {
        TRACE_DESCRIPTOR.store(descriptor, Ordering::SeqCst);
    }
    is_its
}

/// From now on crashes are told with this.
pub fn tell_with(told: &'static Told) {
    TOLD.store(core::ptr::from_ref(told).cast_mut(), Ordering::SeqCst);
}

/// What they are told with.
pub fn told_with() -> Option<&'static Told> {
    // SAFETY: null, or what `tell_with` was given for good.
    unsafe { TOLD.load(Ordering::SeqCst).as_ref() }
}

/// From now on crashes are not told, if it is this that they are told with.
pub fn abandon(told: &'static Told) {
    let at = core::ptr::from_ref(told).cast_mut();
    let _ = TOLD.compare_exchange(at, null_mut(), Ordering::SeqCst, Ordering::SeqCst);
}

impl FaultWords {
    const fn new() -> FaultWords {
        FaultWords {
            signal: AtomicI32::new(0),
            code: AtomicI32::new(0),
            address: AtomicU64::new(0),
            sender: AtomicU32::new(0),
        }
    }

    fn set(&self, fault: &Fault) {
        self.code.store(fault.code, Ordering::SeqCst);
        self.address.store(fault.address, Ordering::SeqCst);
        self.sender.store(fault.sender, Ordering::SeqCst);
        self.signal.store(fault.signal, Ordering::SeqCst);
    }

    fn get(&self) -> Option<Fault> {
        let signal = self.signal.load(Ordering::SeqCst);
        let fault = Fault {
            signal,
            code: self.code.load(Ordering::SeqCst),
            address: self.address.load(Ordering::SeqCst),
            sender: self.sender.load(Ordering::SeqCst),
            is_in_ring: false,
        };
        // SAFETY: this thread panics.
        let is_in_ring = !fault.is_sent() && unsafe { roll::holds(fault.address) };
        (signal != 0).then_some(Fault {
            is_in_ring,
            ..fault
        })
    }
}

/// Notes what has happened. `again`: it has happened to the thread that panics already.
pub(super) fn tell(fault: &Fault, again: bool) {
    IN_HANDLER.store(true, Ordering::SeqCst);
    if !again || (FIRST.signal.load(Ordering::SeqCst) == 0 && STEP.load(Ordering::SeqCst) == 0) {
        FIRST.set(fault);
        return;
    }
    let step = STEP.load(Ordering::SeqCst);
    if (WORDS..DONE).contains(&step) {
        SECOND.set(fault);
        IS_BROKEN.store(true, Ordering::SeqCst);
    }
}

/// Forgets the panic: it is over, and the process goes on; or another one begins.
pub(super) fn reset() {
    super::SIGNAL.store(0, Ordering::SeqCst);
    FIRST.signal.store(0, Ordering::SeqCst);
    HAS_REPORT.store(false, Ordering::SeqCst);
    IS_SAVED.store(false, Ordering::SeqCst);
    IN_HANDLER.store(false, Ordering::SeqCst);
    IS_BROKEN.store(false, Ordering::SeqCst);
    SAID.store(0, Ordering::SeqCst);
    PANICKING.store(null_mut(), Ordering::SeqCst);
    DETAIL
        .iter()
        .for_each(|word| word.store(0, Ordering::SeqCst));
    STEP.store(0, Ordering::SeqCst);
}

/// A panic without a signal, of the log with this core, by the thread whose it is: everything but the end. Its caller does
/// not return.
pub fn run(core: Option<&Core>, detail: &str) {
    reset(); // what this process, or the one that it was forked from, did before is not this
    let core = core.map_or(core::ptr::null(), core::ptr::from_ref);
    PANICKING.store(core.cast_mut(), Ordering::SeqCst);
    let [at, length] = &DETAIL;
    at.store(detail.as_ptr() as usize, Ordering::SeqCst);
    length.store(detail.len(), Ordering::SeqCst);
    STEP.store(WORDS, Ordering::SeqCst); // that was its own to say
    go_on();
}

/// The rest of it, by the same thread, which got into trouble in one of its steps.
pub fn run_rest() {
    go_on();
}

/// Whether nobody has been asked yet. From now on somebody has.
pub(super) fn ask_now() -> bool {
    let here = 0_u8;
    let at = core::ptr::from_ref(&here) as usize;
    ASKED_AT.store(at + FRAME_BYTES, Ordering::SeqCst);
    STEP.swap(ASK, Ordering::SeqCst) < ASK
}

/// Whether somebody was asked, and what was interrupted at this place of a stack is not what was asked: that is called
/// from below here, on the same stack.
pub(super) fn has_asked_above(at: usize) -> bool {
    let asked_at = ASKED_AT.load(Ordering::SeqCst);
    let is_within = asked_at
        .checked_sub(at)
        .is_some_and(|below| below < ASKED_BYTES);
    STEP.load(Ordering::SeqCst) == ASK && !is_within
}

/// The last of what is told of signals that somebody else mends.
pub(super) extern "C" fn say_enough() {
    let core = told_with().and_then(|told| own_core(&told.core));
    if let Some(core) = core {
        let payload = Payload {
            event: "another handler mends fatal signals: they are told no more",
            logger: Some("printk_ring"),
            ..Payload::default()
        };
        let stamp = Stamp {
            level: Level::Warning as u8,
            ts_nsec: None,
        };
        let _ = core.store(stamp, &payload);
    }
}

/// What there is still to do, up to asking.
pub(super) extern "C" fn go_on() {
    let step = STEP.load(Ordering::SeqCst);
    // Once a step: saying so may crash as well.
    if IS_BROKEN.swap(false, Ordering::SeqCst) && SAID.swap(step, Ordering::SeqCst) != step {
        say_broken(step);
    }
    loop {
        let step = STEP.load(Ordering::SeqCst).saturating_add(1);
        if step >= ASK {
            return;
        }
        STEP.store(step, Ordering::SeqCst);
        take(step);
    }
}

fn take(step: u32) {
    let told = told_with();
    let core = told.and_then(|told| own_core(&told.core));
    let report = || told.filter(|_| HAS_REPORT.load(Ordering::SeqCst));
    match step {
        WORDS => store_words(core),
        HEAD => begin_report(told, core),
        RECORDS => {
            if let Some(told) = report() {
                told.report.write_records(core);
            }
        }
        JSON => {
            if let Some(told) = report() {
                with_cause(told, |cause, who| told.report.write_json(core, cause, who));
                IS_SAVED.store(true, Ordering::SeqCst);
            }
        }
        DUMPERS => call_dumpers(own_core(&PANICKING).or(core)),
        CONSOLES => {
            panic::flush(BOUND_NSEC, IS_SAVED.load(Ordering::SeqCst));
        }
        TRACE => {
            if let Some(told) = report() {
                write_trace(&told.report);
            }
        }
        CLOSE => {
            if let Some(told) = report() {
                told.report.write_line(b"** end of the report **\n");
            }
        }
        _ => {}
    }
}

/// A core, if it is there, and this process's.
fn own_core(core: &AtomicPtr<Core>) -> Option<&'static Core> {
    let core = core.load(Ordering::SeqCst);
    // SAFETY: this thread panics: nobody lets it go.
    unsafe { roll::is_there(core) }.then_some(())?;
    // SAFETY: it is one of the logs, as just seen, and stays.
    unsafe { core.as_ref() }
}

fn detail(fault: Option<&Fault>) -> Option<&'static str> {
    if let Some(fault) = fault {
        return Some(cause::detail(fault.signal));
    }
    let [at, length] = DETAIL.each_ref().map(|word| word.load(Ordering::SeqCst));
    if at == 0 {
        return None;
    }
    // SAFETY: `run` was given them, and its caller never returns.
    let bytes = unsafe { core::slice::from_raw_parts(at as *const u8, length) };
    core::str::from_utf8(bytes).ok()
}

fn store_words(core: Option<&Core>) {
    let (Some(core), Some(fault)) = (core, FIRST.get()) else {
        return;
    };
    let name = ThreadName::own();
    let fields = [
        Field {
            key: "signal",
            value: Value::Int(fault.signal.into()),
        },
        Field {
            key: "code",
            value: Value::Str(fault.code_name()),
        },
        Field {
            key: "address",
            value: Value::UInt(fault.address),
        },
        Field {
            key: "thread",
            value: Value::Str(name.text()),
        },
    ];
    let payload = Payload {
        event: cause::detail(fault.signal),
        logger: Some("printk_ring"),
        fields: &fields,
        ..Payload::default()
    };
    let _ = core.store_last_words(&payload);
}

fn begin_report(told: Option<&'static Told>, core: Option<&Core>) {
    let Some(told) = told else {
        return;
    };
    // SAFETY: a system call without arguments.
    let pid = unsafe { libc::getpid() }.cast_unsigned();
    if !told.report.begin(pid) {
        return;
    }
    HAS_REPORT.store(true, Ordering::SeqCst);
    with_cause(told, |cause, who| told.report.write_head(core, cause, who));
}

fn with_cause(told: &'static Told, work: impl FnOnce(&Cause<'_>, &Who)) {
    let fault = FIRST.get();
    let cause = Cause {
        reason: Reason::Panic,
        detail: detail(fault.as_ref()),
        fault,
    };
    work(&cause, &told.who());
}

impl Told {
    /// Who this is, for a report of the calling thread.
    pub fn who(&self) -> Who {
        // SAFETY: null, or what the host gave for good.
        let ring = unsafe { self.ring.load(Ordering::SeqCst).as_ref() };
        Who {
            // SAFETY: a system call without arguments.
            pid: unsafe { libc::getpid() }.cast_unsigned(),
            tid: thread::tid(),
            thread: ThreadName::own(),
            command: self.command,
            ring: ring
                .copied()
                .unwrap_or("none: this process has logged nothing since it was forked"),
        }
    }
}

fn call_dumpers(core: Option<&Core>) {
    let fault = FIRST.get();
    let why = detail(fault.as_ref()).unwrap_or_default();
    let place = match IN_HANDLER.load(Ordering::SeqCst) {
        true => Place::Anywhere,
        false => Place::Task,
    };
    if panic::dump(core, why, place) {
        IS_SAVED.store(true, Ordering::SeqCst);
    }
}

/// Says in the report that one of its parts is not whole, or that something else has crashed.
fn say_broken(step: u32) {
    let Some(told) = told_with().filter(|_| HAS_REPORT.load(Ordering::SeqCst)) else {
        return;
    };
    let signal = SECOND.get().map_or(0, |fault| fault.signal);
    if step == JSON {
        told.report.write_broken_json();
    }
    told.report.write_broken(
        cause::name(signal),
        match step {
            HEAD | RECORDS => "while this was written",
            JSON => "while the JSON was written",
            DUMPERS => "in a dumper",
            CONSOLES => "while the consoles were printed on",
            TRACE => "while this was written",
            _ => "in the crash",
        },
    );
}

fn write_trace(report: &Report) {
    let (signal, handler) = (
        TRACE_SIGNAL.load(Ordering::SeqCst),
        TRACE_HANDLER.load(Ordering::SeqCst),
    );
    report.write_line(b"\nPython threads\n");
    let before = report.written();
    // Where somebody else has the descriptor by now, the report has another one, which the handler does not know.
    let is_told = report.text_fd() == Some(TRACE_DESCRIPTOR.load(Ordering::SeqCst));
    if signal != 0 && handler != 0 && is_told {
        // SAFETY: a handler of signals, as `set_trace` was given.
        let handler: unsafe extern "C" fn(libc::c_int) = unsafe { core::mem::transmute(handler) };
        // SAFETY: a number that it was installed for.
        unsafe { handler(signal) };
    }
    if report.written() == before {
        report.write_line(b"not known: Python's faulthandler did not write to this file\n");
    }
}
