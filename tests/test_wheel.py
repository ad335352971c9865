"""What is tested is the wheel that users install, and it has what they need."""

from __future__ import annotations

import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import printk_ring
from printk_ring import _native

ROOT = Path(__file__).resolve().parent.parent
SITE = Path(sysconfig.get_path("platlib")).resolve()


def test_the_installed_package_is_the_one_under_test() -> None:
    assert Path(printk_ring.__file__).resolve().is_relative_to(SITE)
    assert Path(str(_native.__file__)).resolve().is_relative_to(SITE)


def test_the_source_tree_cannot_be_imported() -> None:
    searched = {Path(entry).resolve() for entry in sys.path if entry}
    assert ROOT / "python" not in searched


def test_the_wheel_has_stub_marker_and_every_module_of_the_source() -> None:
    source = ROOT / "python" / "printk_ring"
    wanted = {path.relative_to(source) for path in source.rglob("*.py*") if path.suffix in {".py", ".pyi"}}
    installed = Path(printk_ring.__file__).parent
    missing = {path for path in wanted | {Path("py.typed")} if not (installed / path).is_file()}
    assert missing == set()


def test_the_wheel_says_its_licence_and_carries_it() -> None:
    about = metadata.metadata("printk-ring")
    assert about["License-Expression"] == "MIT OR Apache-2.0"
    assert set(about.get_all("License-File") or []) == {"LICENSE-MIT", "LICENSE-APACHE"}


def test_nothing_has_to_be_installed_beside_it() -> None:
    requires = metadata.requires("printk-ring") or []
    assert [line for line in requires if "extra ==" not in line] == []


def test_version_and_command_are_those_of_the_project() -> None:
    assert printk_ring.__version__ == metadata.version("printk-ring")
    (command,) = [entry for entry in metadata.entry_points(group="console_scripts") if entry.name == "prdmesg"]
    assert command.value == "printk_ring.cli:main"
