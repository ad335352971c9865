"""The promise: a console that is stuck holds up nobody. The records wait in the ring, and losses are told."""

import os
import time

import printk_ring as pr

read_end, write_end = os.pipe()  # a pipe that nobody reads: its writer will be stuck
shown = os.dup(1)
os.dup2(write_end, 1)
log = pr.Log(size="256 KiB")
console = log.add_console(pr.sinks.stdout(), name="stuck")
os.dup2(shown, 1)

logger = log.get_logger("app")
begin = time.perf_counter()
for number in range(50_000):
    logger.info("nobody reads this", number=number)
seconds = time.perf_counter() - begin

print(f"{log.stats()['emitted']} records logged, {seconds / 50_000 * 1e9:.0f} ns each")
print(f"the console lags {console.lag} records behind, flush within 0.1 s: {log.flush(timeout=0.1)}")
print(f"remove within 0.1 s: {console.remove(timeout=0.1)} (its thread is abandoned)")
log.close()
