//! The memory that a console works in: allocated with its slot's first console, and kept for the next one.

use pr_printk::core::SCRATCH_BYTES;
use pr_printk::emit::{Cursor, Mark};
use pr_printk::port::{Memory, Port};
use pr_ring::{Lpos, Seq};
use std::ptr::NonNull;

/// Room for the longest record in the most verbose format: a newline becomes a line with its prefix, a control character
/// six bytes. The kernel gives pages as they are used: a console rarely needs more than its batches.
const TEXT_BYTES: usize = 1024 * 1024;
/// Items of one batch: as many records of 32 bytes as make a full one.
const MARKS: usize = 2048;
/// All of it.
pub(crate) const PORT_BYTES: usize = TEXT_BYTES + SCRATCH_BYTES + MARKS * size_of::<Mark>();

/// A port and what it points to.
#[derive(Debug)]
pub(crate) struct PortMemory {
    pub(crate) port: Port,
    memory: Memory,
}

// SAFETY: the memory is the port's, which is Send and Sync.
unsafe impl Send for PortMemory {}
// SAFETY: as above.
unsafe impl Sync for PortMemory {}

impl PortMemory {
    pub(crate) fn new() -> Box<PortMemory> {
        let mark = Mark {
            end: 0,
            cursor: Cursor {
                seq: Seq(0),
                pos: Lpos(0),
                dropped: 0,
                printed: 0,
            },
        };
        let memory = Memory {
            text: leak(vec![0; TEXT_BYTES].into_boxed_slice()),
            scratch: leak(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            marks: leak(vec![mark; MARKS].into_boxed_slice()),
        };
        // SAFETY: freed in `drop`, with the port; nobody else knows it.
        let port = unsafe { Port::new(memory) };
        Box::new(PortMemory { port, memory })
    }
}

impl PortMemory {
    /// The memory alone, for whoever uses it without the port.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }
}

fn leak<T>(slice: Box<[T]>) -> NonNull<[T]> {
    NonNull::from(Box::leak(slice))
}

impl Drop for PortMemory {
    fn drop(&mut self) {
        let Memory {
            text,
            scratch,
            marks,
        } = self.memory;
        // SAFETY: leaked in `new`, and freed once.
        drop(unsafe { Box::from_raw(text.as_ptr()) });
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(scratch.as_ptr()) });
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(marks.as_ptr()) });
    }
}
