"""Whatever bytes a file holds: an error, or records, never a crash or a hang.

The files are read in a child, so that a crash is a failed test and not the end of the run.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from pathlib import Path

EXAMINE = """
    import faulthandler, os, random, shutil, struct, sys
    import printk_ring as pr

    faulthandler.dump_traceback_later(50, exit=True)
    whole = open(sys.argv[1], "rb").read()
    work = os.path.join(sys.argv[2], "hostile.ring")
    outcomes = {"error": 0, "read": 0, "torn": 0, "alone": 0}
    logged = {}

    def said(record):
        # All but the time of day, which depends on the header, too. First what the call site has no part in.
        own = (record.ts_nsec, record.level, record.facility, record.flags, record.caller_id, record.exc, record.truncated)
        site = (record.logger, record.event, record.message, record.file, record.line, record.func)
        return repr(own), repr(record.fields), repr(site)

    def is_true(record, label):
        own, fields, site = logged[record.seq]
        if record.event == "<unknown call site>":  # and that is said
            outcomes["alone"] += 1
            assert said(record)[0] == own, label
            assert all(f"{key!r}: {value!r}" in fields for key, value in record.fields.items()), label
        else:
            assert said(record) == (own, fields, site), (label, said(record), logged[record.seq])

    def examine(data, label):
        with open(work, "wb") as file:
            file.write(data)
        try:
            with pr.open(work) as ring:
                info = ring.info
                str((info.name, info.argv, info.pid, info.alive, info.clean, info.started, info.unfinished))
                ring.stats()
                for console in ring.consoles():
                    repr(console), console.level, console.format, console.target, console.owner, console.alive
                    assert len(console.flags) == 7 and set(console.flags) <= set("ECBNpa "), label
                for start in ("oldest", "clear", "newest", 0, 2**64 - 1):
                    reader = ring.reader(start)
                    seen = 0
                    for record in reader:
                        str(record), record.format("json"), record.format("iso"), record.fields, record.exc, record.level
                        if record.torn:
                            outcomes["torn"] += 1
                        elif data is whole:
                            logged[record.seq] = said(record)
                        else:
                            is_true(record, label)
                        seen += 1
                        assert seen <= info.descriptors, label
                walk = ring.dump_iter()
                for _ in range(info.descriptors + 1):
                    block = walk.get_buffer(3000)
                    if block is None:
                        break
                    assert len(block) < 3000, label
                else:
                    raise AssertionError(label)
                rows, data = ring._snapshot()
                assert len(rows) % 40 == 0
            outcomes["read"] += 1
        except pr.RingFileError as error:
            assert error.filename == work and error.reason, label
            outcomes["error"] += 1

    def make_log(label):
        try:
            pr.Log(work, size="256 KiB").close()
        except pr.RingFileError:
            pass
        for name in os.listdir(sys.argv[2]):
            if name.startswith("hostile.ring"):
                os.unlink(os.path.join(sys.argv[2], name))

    chance = random.Random(int(sys.argv[3]))
    examine(whole, "whole")
    assert outcomes == {"error": 0, "read": 1, "torn": 0, "alone": 0} and len(logged) > 100, outcomes
    outcomes["read"] = 0
"""


@pytest.fixture
def dead_ring(tmp_path: Path) -> Path:
    """A whole ring file of a log that has ended, with records of every kind, wrapped once."""
    path = tmp_path / "whole.ring"
    with pr.Log(path, size="256 KiB") as log:
        log.add_console(pr.sinks.file("/dev/null"))
        logger = log.get_logger("app", bound=1)
        for number in range(3000):
            logger.info("event %d", number, text="x" * (number % 97), more=[1, {"a": None}], raw=b"\xff")
        try:
            raise KeyError("k")
        except KeyError:
            logger.exception("failed")
    return path


def examine(code: str, dead_ring: Path, tmp_path: Path, seed: int = 0) -> dict[str, int]:
    program = (
        textwrap.dedent(EXAMINE)
        + textwrap.dedent(code)
        + "\nprint(outcomes['error'], outcomes['read'], outcomes['torn'], outcomes['alone'])\n"
    )
    out = succeed(program, dead_ring, tmp_path, seed)
    return dict(zip(("error", "read", "torn", "alone"), map(int, out.split()), strict=True))


def test_the_whole_file_is_read(dead_ring: Path, tmp_path: Path) -> None:
    assert examine("examine(whole, 'whole')", dead_ring, tmp_path) == {"error": 0, "read": 1, "torn": 0, "alone": 0}


def test_a_truncated_file_is_an_error_at_every_length(dead_ring: Path, tmp_path: Path) -> None:
    outcomes = examine(
        """
    lengths = {0, 1, 7, 8, 63, 64, 100, 511, 512, 4095, 4096, 4097, 8192, len(whole) // 2, len(whole) - 1, len(whole) - 4096}
    for length in sorted(lengths):
        examine(whole[:length], ("length", length))
        """,
        dead_ring,
        tmp_path,
    )
    assert outcomes["read"] == 0


def test_random_bytes_are_an_error(dead_ring: Path, tmp_path: Path) -> None:
    outcomes = examine(
        """
    for length in (0, 1, 100, 4096, 5000, 65536, 262144):
        examine(chance.randbytes(length), ("random", length))
        make_log(("random", length))
        """,
        dead_ring,
        tmp_path,
    )
    assert outcomes["read"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_true_header_before_random_bytes_is_an_error_or_torn(dead_ring: Path, tmp_path: Path, seed: int) -> None:
    examine(
        """
    for keep in (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384):
        for fill in (lambda n: chance.randbytes(n), lambda n: b"\\xff" * n, lambda n: b"\\0" * n):
            examine(whole[:keep] + fill(len(whole) - keep), ("kept", keep))
        """,
        dead_ring,
        tmp_path,
        seed,
    )


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_in_the_header_are_an_error_or_harmless(dead_ring: Path, tmp_path: Path, seed: int) -> None:
    outcomes = examine(
        """
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(4096) if chance.random() < 0.5 else chance.randrange(512)
            data[at] = chance.choice((0, 1, 0x7f, 0x80, 0xff, data[at] ^ (1 << chance.randrange(8))))
        examine(data, "header")
        if chance.random() < 0.2:
            make_log("header")
        """,
        dead_ring,
        tmp_path,
        seed,
    )
    assert outcomes["error"] > 0
    assert outcomes["error"] + outcomes["read"] == 150


@pytest.mark.parametrize("seed", range(4))
def test_words_overwritten_anywhere_are_an_error_or_skipped(dead_ring: Path, tmp_path: Path, seed: int) -> None:
    outcomes = examine(
        """
    words = [0, 1, 2**63, 2**64 - 1, 2**32 - 1, 2**31, len(whole), len(whole) * 2, 2**62 - 1]
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 4, 64, 1000))):
            at = chance.randrange(0, len(whole) - 8, 8)
            if chance.random() < 0.1:
                at = chance.randrange(0, 8192, 8)
            data[at : at + 8] = chance.choice(words + [chance.getrandbits(64)]).to_bytes(8, "little")
        examine(data, "words")
        """,
        dead_ring,
        tmp_path,
        seed,
    )
    assert outcomes["error"] + outcomes["read"] == 150


def test_flipped_bits_in_records_are_told_as_torn_records(dead_ring: Path, tmp_path: Path) -> None:
    outcomes = examine(
        """
    head, tails, counters, slots, text = struct.unpack_from("=5Q", whole, 128)
    ring, = struct.unpack_from("=Q", whole, 64)
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(100):
            data[chance.randrange(ring + slots, len(whole))] ^= 1 << chance.randrange(8)
        examine(data, "bits")
        """,
        dead_ring,
        tmp_path,
    )
    assert outcomes["error"] == 0
    assert outcomes["torn"] > 1000


def test_parts_of_the_file_swapped_or_repeated_are_an_error_or_skipped(dead_ring: Path, tmp_path: Path) -> None:
    examine(
        """
    for _ in range(150):
        data = bytearray(whole)
        size = chance.choice((64, 512, 4096, 16384))
        source = chance.randrange(0, len(whole) - size, 64)
        target = chance.randrange(0, len(whole) - size, 64)
        data[target : target + size] = whole[source : source + size]
        examine(data, "parts")
        """,
        dead_ring,
        tmp_path,
    )


def test_a_file_larger_than_it_says_is_no_problem_for_anybody(dead_ring: Path, tmp_path: Path) -> None:
    outcomes = examine("examine(whole + bytes(100_000), 'longer')", dead_ring, tmp_path)
    assert sum(outcomes.values()) == 1
