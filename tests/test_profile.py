"""What `benches/profile.sh` counts is told by the part that it belongs to: the reading of its records, without its tools."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from benches import profile
from benches.profile import CLOCK, COMMIT, ENCODE, FIELDS, OTHER, PYTHON, RESERVE, Counts, Parts
from tests.test_layering import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RECORDED = """\
ob=/lib/libpython3.11.so
fn=_PyEval_EvalFrameDefault
0x10 5 300
cob=/site/_native.so
cfn=log_at
calls=20 0x40
0x14 6 9000
0x18 7 60
fn=PyLong_AsLongLong
0x80 9 90
ob=/site/_native.so
fn=log_at
0x40 1 40
cob=/lib/libpython3.11.so
cfn=PyLong_AsLongLong
calls=80 0x80
0x44 2 90
cfn=put
calls=20 0x60
0x48 3 500
fn=put
0x60 4 500
"""
CHAINS = {
    0x40: [("log_at", "/x/rust/python/src/fastcall/mod.rs:9")],
    0x44: [("core::ptr::read", "/rustc/library/core.rs:1"), ("int", "/x/rust/python/src/fastcall/object.rs:9")],
    0x60: [("pr_ring::sync::Word::set", "/x/rust/ring/src/sync.rs:1"), ("x::finalize", "/x/rust/ring/src/commit.rs:3")],
}


def test_instructions_of_others_fall_to_the_part_that_called_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "chains", lambda _, addresses: {address: CHAINS[address] for address in addresses})
    recorded = tmp_path / "ring.calls-01"
    recorded.write_text(RECORDED, encoding="utf-8")
    counts = profile.counted(recorded)
    assert counts.own.total() == 300 + 60 + 90 + 40 + 500  # what a function called is its own, and counted once
    sums = Parts("/site/_native.so").instructions(counts)
    assert sums[PYTHON] == 360
    assert sums[FIELDS] == 90
    assert sums[COMMIT] == 500
    assert sums.total() == counts.own.total()


def test_samples_in_a_function_that_serves_a_part_are_that_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "chains", lambda *_: CHAINS)
    parts = Parts("/site/_native.so")
    own = profile.Place("/site/_native.so", 0x44, "log_at")
    called = profile.Call(own, "/lib/libc.so.6", "__memcpy_avx2")
    parts.instructions(Counts(Counter({own: 1}), Counter({called: 7})))
    assert parts.of(profile.Place("/lib/libc.so.6", 1, "__memmove_avx512")) == OTHER
    assert parts.of(profile.Place("/lib/libc.so.6", 1, "__memcpy_avx512")) == FIELDS
    assert parts.of(profile.Place("[vdso]", 1, "[unknown]")) == CLOCK


def test_inlined_code_of_the_standard_library_counts_where_it_stands() -> None:
    core = ("core::num::add", "/rustc/library/core/src/num.rs:7")
    assert profile.part_of_chain([core, ("chunk", "/x/rust/record/src/pen.rs:3")]) == ENCODE
    assert (
        profile.part_of_chain(
            [core, ("set", "/x/rust/ring/src/sync.rs:3"), ("reserve", "/x/rust/ring/src/writer.rs:9")]
        )
        == RESERVE
    )
    assert profile.part_of_chain([core]) == OTHER


def test_of_the_rings_functions_the_one_that_was_called_from_outside_counts() -> None:
    inner, outer = ("fill_gap", "/x/rust/ring/src/sync.rs:3"), ("ring::reserve_ticket", "/x/rust/ring/src/writer.rs:9")
    assert profile.part_of_chain([inner, outer, ("put", "/x/rust/printk/src/store.rs:9")]) == RESERVE


def test_every_part_has_sources_that_are_there() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "rust").rglob("*.rs")]
    for pattern, part in profile.SOURCES:
        for one in re.split(r"\|(?![^(]*\))", pattern):
            assert any(re.search(one, file) for file in files), f"{part}: no file is {one}"
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "rust" / "ring" / "src").rglob("*.rs"))
    for word, part in profile.RING:
        assert re.search(rf"fn {word}", code), f"{part}: no function {word}"
