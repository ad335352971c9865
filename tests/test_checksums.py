"""The conformance vectors are the ones that were published: each file, and no other."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

VECTORS = Path(__file__).resolve().parent / "vectors"
SUMS = VECTORS / "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._/-]+)")
# Stated here a second time on purpose: a list that lost lines would otherwise agree with a folder that lost files.
FILES = {"ring/": 60, "printk/format_": 30, "printk/dump_": 30}


def listed(sums: Path) -> dict[str, str]:
    """Name to SHA-256, as the list has it."""
    wanted: dict[str, str] = {}
    for line in sums.read_text(encoding="ascii").splitlines():
        match = LINE.fullmatch(line)
        assert match is not None, f"{sums}: not a checksum line: {line!r}"
        digest, name = match.groups()
        assert name not in wanted, f"{sums}: {name} is listed twice"
        wanted[name] = digest
    return wanted


def present(folder: Path) -> dict[str, str]:
    """Name to SHA-256 of every file under the folder, but the list itself."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != SUMS.name
    }


def differences(folder: Path) -> list[str]:
    """What is missing, changed or extra, in words; empty when all is as listed."""
    wanted, found = listed(folder / SUMS.name), present(folder)
    told = [f"missing: {name}" for name in sorted(wanted.keys() - found.keys())]
    told += [f"extra: {name}" for name in sorted(found.keys() - wanted.keys())]
    told += [f"changed: {name}" for name in sorted(wanted.keys() & found.keys()) if wanted[name] != found[name]]
    return told


def test_the_vectors_are_the_published_files() -> None:
    assert differences(VECTORS) == []


def test_the_list_names_all_files_of_each_kind_and_their_descriptions() -> None:
    names = listed(SUMS)
    for kind, count in FILES.items():
        assert sum(name.startswith(kind) and name.endswith(".jsonl") for name in names) == count
    assert {"RING.md", "PRINTK.md"} <= names.keys()
    assert len(names) == sum(FILES.values()) + 2


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    """A folder of two files with a true list."""
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring" / "a.jsonl").write_bytes(b"one\n")
    (tmp_path / "ring" / "b.jsonl").write_bytes(b"two\n")
    lines = (f"{digest}  {name}\n" for name, digest in present(tmp_path).items())
    (tmp_path / SUMS.name).write_text("".join(lines), encoding="ascii")
    return tmp_path


def test_a_true_list_has_no_differences(small_set: Path) -> None:
    assert differences(small_set) == []


def test_a_missing_file_is_told(small_set: Path) -> None:
    (small_set / "ring" / "a.jsonl").unlink()
    assert differences(small_set) == ["missing: ring/a.jsonl"]


def test_a_changed_byte_is_told(small_set: Path) -> None:
    (small_set / "ring" / "b.jsonl").write_bytes(b"twO\n")
    assert differences(small_set) == ["changed: ring/b.jsonl"]


def test_an_extra_file_is_told(small_set: Path) -> None:
    (small_set / "ring" / "c.jsonl").write_bytes(b"")
    assert differences(small_set) == ["extra: ring/c.jsonl"]


def test_a_renamed_file_is_told_as_missing_and_extra(small_set: Path) -> None:
    (small_set / "ring" / "a.jsonl").rename(small_set / "ring" / "A.jsonl")
    assert differences(small_set) == ["missing: ring/a.jsonl", "extra: ring/A.jsonl"]
