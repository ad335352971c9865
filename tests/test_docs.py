"""The documents are true: their programs run, their commands exist, the files they name are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from printk_ring.cli import options as prdmesg

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benches/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
# Tests are sentences: five words and more.
NAMED_TEST = re.compile(r"`([a-z]+(?:_[a-z]+){4,})`")
DEFINED = re.compile(r"^ *(?:async )?(?:def|fn) (\w+)", re.MULTILINE)
NAMED_FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:md|sh|rs|py|pyi|toml)|\.ci/run")


def relative(document: Path) -> str:
    """Its place in the repository: there is more than one README."""
    return document.relative_to(ROOT).as_posix()


class Block(NamedTuple):
    """One fenced block of one document."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{relative(self.document)}:{self.line}"


def blocks(language: str) -> list[Block]:
    """All blocks of a language in all documents."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        found += [
            Block(document, text.count("\n", 0, match.start()) + 1, language, match[2])
            for match in FENCE.finditer(text)
            if match[1] == language
        ]
    return found


def make_targets() -> set[str]:
    """What `make` can be asked for."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][\w-]*):", text, re.MULTILINE))


def test_there_are_documents_with_programs_and_commands() -> None:
    names = {relative(document) for document in DOCUMENTS}
    assert {"README.md", "ARCHITECTURE.md", "DESIGN.md", "LIMITATIONS.md", "CHANGELOG.md"} <= names
    assert blocks("python")
    assert blocks("sh")


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_a_program_in_a_document_runs(block: Block, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", program],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{block}:\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_a_command_in_a_document_exists(block: Block) -> None:
    for line in block.text.splitlines():
        command, *arguments = shlex.split(line, comments=True)
        if command == "make":
            goals = [argument for argument in arguments if "=" not in argument]
            assert set(goals) <= make_targets(), f"{block}: {line}"
        elif command == "prdmesg":
            prdmesg.parse(arguments)
        else:
            pytest.fail(f"{block}: nobody checks {line!r}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_every_block_is_of_a_kind_that_is_checked(document: Path) -> None:
    languages = {match[1] for match in FENCE.finditer(document.read_text(encoding="utf-8"))}
    assert languages <= {"", "python", "sh", "text", "json"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_a_command_named_in_the_text_exists(document: Path) -> None:
    for code in INLINE.findall(FENCE.sub("", document.read_text(encoding="utf-8"))):
        if code.startswith("make "):
            goals = {word for word in code.split()[1:] if "=" not in word}
            assert goals <= make_targets(), code


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_a_file_named_in_the_text_is_there(document: Path) -> None:
    package = ROOT / "python" / "printk_ring"
    missing = [
        code
        for code in INLINE.findall(FENCE.sub("", document.read_text(encoding="utf-8")))
        if (match := NAMED_FILE.fullmatch(code)) is not None
        and not any((place / match[0]).exists() for place in (ROOT, package, document.parent))
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_a_test_named_in_the_text_is_there(document: Path) -> None:
    tests = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("rust/*/tests/**/*.rs")]
    defined = {name for path in tests for name in DEFINED.findall(path.read_text(encoding="utf-8"))}
    named = NAMED_TEST.findall(document.read_text(encoding="utf-8"))
    assert set(named) <= defined, set(named) - defined


def test_the_promises_of_consoles_name_their_tests() -> None:
    text = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")
    promises = re.findall(r"^\| (\d+) \|.*$", text, re.MULTILINE)
    assert promises == ["12", "13", *map(str, range(15, 26))]
    assert all(NAMED_TEST.search(line) for line in text.splitlines() if re.match(r"\| \d+ \|", line))


def test_the_change_log_is_in_the_form_that_it_says() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings
    assert all(re.fullmatch(r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", heading) for heading in headings)
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
