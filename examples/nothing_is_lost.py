"""The promise: what a process has logged survives its SIGKILL, and needs no help of it to be read."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import printk_ring as pr

VICTIM = """
import sys
import printk_ring as pr

pr.install(sys.argv[1], consoles=())
log = pr.get_logger("victim")
for number in range(1000):
    log.info("working", number=number)
print("ready", flush=True)
sys.stdin.read()
"""

with tempfile.TemporaryDirectory() as directory:
    path = Path(directory) / "victim.ring"
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
    if victim.stdout:
        victim.stdout.readline()  # it has logged
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()

    with pr.open(path) as ring:
        records = list(ring.reader())
        print(
            f"pid {ring.info.pid}: alive {ring.info.alive}, clean {ring.info.clean}, {len(records)} records, the last:"
        )
        print(records[-1])
    whole = [record.fields["number"] for record in records] == list(range(1000))
    raise SystemExit(0 if whole else "records are missing")
