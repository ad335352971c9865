//! Whole records, handed over on a thread of the console's own: to code of the application, which may take locks, be slow,
//! be stuck, or log itself. What it is, this crate does not know.
//!
//! Such a console has no other way out: nobody but its thread prints on it, in no mode and in no emergency.

mod batch;
mod post;
mod text;

pub use batch::{Batch, Taken};
pub use post::Post;

use crate::life::Life;
use crate::orders::{Finish, Orders};
use crate::printer::BlockedSignals;
use crate::sinks::Sink;
use pr_printk::thread;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// As other threads of the application have: what runs there is theirs.
const STACK_BYTES: usize = 8 << 20;

/// Where whole records go.
pub trait RecordSink: Send + Sync + Debug {
    /// Its kind in one word: consoles are named after it.
    fn kind(&self) -> &'static str;

    /// What it is, for people.
    fn target(&self) -> String;

    /// Takes batch after batch, on the console's own thread, until there is none any more. When it returns the thread ends.
    fn serve(&self, post: &mut Post);
}

/// A [`RecordSink`], shared by a description, its consoles and their threads. Equal when it is the same one.
#[derive(Clone, Debug)]
pub struct SharedRecordSink(pub Arc<dyn RecordSink>);

impl PartialEq for SharedRecordSink {
    fn eq(&self, other: &SharedRecordSink) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SharedRecordSink {}

impl Hash for SharedRecordSink {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).addr().hash(state);
    }
}

/// Set once, when what records are handed to is about to end.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// From now on no batch is handed over in this process, and no console that would can be added: what the records are handed
/// to is about to end.
pub fn close() {
    CLOSED.store(true, Ordering::SeqCst);
}

/// Whether nothing is handed over any more.
pub fn is_closed() -> bool {
    CLOSED.load(Ordering::SeqCst)
}

/// The thread of one such console.
pub(crate) struct Courier {
    pub(crate) life: Arc<Life>,
    pub(crate) index: usize,
    pub(crate) id: u32,
    pub(crate) orders: Arc<Orders>,
    pub(crate) to: SharedRecordSink,
    /// Where the text goes that is made of the records; None: nothing is made of them.
    pub(crate) sink: Option<Box<dyn Sink>>,
    pub(crate) name: String,
}

impl Courier {
    /// Starts the thread.
    pub(crate) fn start(self) -> std::io::Result<()> {
        let name = format!("pr/{}", self.name);
        let blocked = BlockedSignals::new();
        // Its code gets the signals of the thread that asked for the console, but only while it runs.
        let usual = blocked.usual();
        let thread = std::thread::Builder::new()
            .name(name)
            .stack_size(STACK_BYTES)
            .spawn(move || self.run(usual));
        drop(blocked);
        thread.map(drop)
    }

    fn run(self, signals: libc::sigset_t) {
        let Courier {
            life,
            index,
            id,
            orders,
            to,
            sink,
            name,
        } = self;
        pr_printk::fatal::stack::give_own();
        let finish = Finish(life.clone(), orders.clone(), index);
        orders.begin();
        thread::print_for(id);
        let mut post = Post::new(life, index, id, orders, sink, name, signals);
        to.0.serve(&mut post);
        if !post.is_own() {
            // A copy of the thread, in a child that its code has forked and returned in: the console is the parent's, and
            // this is the child's main thread. It would end with that, were there no printers.
            std::mem::forget(finish);
            std::process::exit(0);
        }
    }
}
