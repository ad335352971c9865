"""The promise: everything is in the ring, and what led up to an error is in a file, of its own request and nothing else."""

import tempfile
from pathlib import Path

import printk_ring as pr

with tempfile.TemporaryDirectory() as directory:
    home = Path(directory)
    console = pr.sinks.file(home / "console.txt")
    with pr.install(home / "shop.ring", consoles=[console], dump_on="ERROR", dump_last="context"):
        log = pr.get_logger("shop")
        for request in range(3):
            with log.contextualize(request=request):
                log.debug("cart loaded", items=request + 1)
                log.debug("card asked")
                if request == 1:
                    log.error("payment failed", order=4711)

    (dump,) = home.glob("shop.ring.dump-*.txt")
    print("the console:", (home / "console.txt").read_text(), sep="\n")
    print("the dump:", dump.read_text(), sep="\n")
    records = dump.read_text().splitlines()[1:]
    only_its_own = bool(records) and all("request=1" in record for record in records)
    raise SystemExit(0 if only_its_own else "another request's records are there")
