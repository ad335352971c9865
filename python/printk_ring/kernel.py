"""The kernel's own formatting, and its dump walk over a bare `printk_ring.Ring`, byte for byte as Linux does it.

For tools that were made for the kernel's output, and for comparing with it; what a log prints is made by its consoles.
One thing differs: where the kernel's walk gives an empty block for ever, since its newest record does not fit the buffer
alone, this one gives the record cut, and goes on.

    ring = pr.Ring(desc_bits=8, avg_data_bits=5)
    ...
    walk = pr.kernel.DumpIter(ring)
    walk.rewind()
    while (block := walk.get_buffer(1024, syslog=False)) is not None:  # newest block first
        ...
"""

from printk_ring._native import KernelDumpIter, kmsg, print_size, print_text

__all__ = ["DumpIter", "kmsg", "print_size", "print_text"]

DumpIter = KernelDumpIter
