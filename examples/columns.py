"""The promise: a whole ring as NumPy columns, without a Python object per record."""

import numpy as np

import printk_ring as pr

with pr.Log(size="4 MiB") as log:
    logger = log.get_logger("load")
    for number in range(20_000):
        logger.log("ERROR" if number % 100 == 0 else "INFO", "request", number=number, ms=number % 250 / 10)
    snapshot = log.snapshot()

info = snapshot.info
errors = np.flatnonzero(info["level"] <= pr.Level.ERROR)
gaps = np.diff(info["ts_nsec"].astype(np.int64))
print(f"{snapshot!r}: {len(errors)} errors, {np.median(gaps):.0f} ns between records, the newest error:")
print(snapshot.text(errors[-1]), snapshot.fields(errors[-1]))
