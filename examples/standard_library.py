"""The promise: a program that uses `logging` changes one line and its records are in the ring."""

import logging

import printk_ring as pr

logging.getLogger().setLevel(logging.DEBUG)
log = pr.install(console_level="WARNING", capture_logging=True)

library = logging.getLogger("some.library")
library.debug("connected to %s", "db1", extra={"attempt": 2})
try:
    int("five")
except ValueError:
    library.exception("lookup failed")  # this one appears on stderr, where the console is

for record in log.reader():
    print(f"{record.level.name:<8} {record.logger} {record.message!r} {record.fields} {record.func}:{record.line}")
log.close()
