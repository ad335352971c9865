"""An idle process is left alone: its printers wake for records, and for nothing else."""

from __future__ import annotations

import json

import pytest

from tests.children import succeed

IDLE = """
    import json, sys, threading, time
    from pathlib import Path
    import printk_ring as pr

    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])

    def printers():
        return [task for task in Path("/proc/self/task").iterdir() if (task / "comm").read_text()[:3] == "pr/"]

    def switches():
        found = {}
        for task in printers():
            name, status = (task / "comm").read_text().strip(), (task / "status").read_text()
            found[f"{name}:{task.name}"] = int(status.partition("voluntary_ctxt_switches:")[2].split()[0])
        return found

    def once(condition):
        while not condition():
            time.sleep(0.002)

    log = pr.Log(size="256 KiB")
    log.offload.mode = sys.argv[3]
    consoles = [
        log.add_console(pr.sinks.file(folder / "text"), name="text"),
        log.add_console(pr.sinks.file(folder / "json"), name="json", format="json"),
        log.add_console(pr.sinks.file("/dev/null"), name="quiet", level="EMERG"),
        log.add_console(pr.sinks.file("/dev/null"), name="paused"),
    ]
    consoles[3].suspend()
    logger = log.get_logger()
    for number in range(100):
        logger.info("event", number=number)
    once(lambda: all(console.lag == 0 for console in consoles[:3]))
    def rests():  # each waits for a futex, and its fourth argument, the time, is none: a caller's printer naps for 1 s first
        waits = [(task / "syscall").read_text().split() for task in printers()]
        return all(wait[0] != "running" and wait[4] == "0x0" for wait in waits)

    def all_rest():
        seen = switches()
        return rests() and rests() and switches() == seen  # the second look: none was woken by one seen later

    once(all_rest)
    before = switches()
    time.sleep(seconds)
    after = switches()
    logger.info("event", number=100)
    once(lambda: all(console.lag == 0 for console in consoles[:3]))
    assert (folder / "text").read_text().splitlines()[-1].endswith("number=100")
    print(json.dumps({"before": before, "after": after}))
    """


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.by_hand)])
def test_printers_of_an_idle_process_are_never_woken_and_print_the_next_record(
    tmp_path: object, seconds: int, mode: str
) -> None:
    seen = json.loads(succeed(IDLE, tmp_path, seconds, mode, timeout=100.0))
    names = sorted(name.partition(":")[0] for name in seen["before"])
    assert [name for name in names if name[:6] != "pr/cpu"] == ["pr/json", "pr/paused", "pr/quiet", "pr/text"]
    assert (len(names) > 4) == (mode == "smp")
    assert seen["after"] == seen["before"]
