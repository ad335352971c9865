"""Who may import whom, in Python and in Rust: the house's floors, held up by a test."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "printk_ring"
RUST = ROOT / "rust"

# The floors, from the ground up. A module imports from lower floors only; a folder counts as one module.
FLOORS = [
    {"levels", "lockorder", "templates"},
    {"typing"},
    {"_native", "exceptions"},
    {"ends"},
    {"logrecords"},
    {"delivery"},
    {"catching", "context", "kernel", "lives", "log", "sinks", "snapshot", "stop"},
    {"crash", "integrations", "cli", "lockdep"},
    {"__init__"},
    {"demo"},
    {"__main__"},
]
# Ways back down, each taken only when asked for: `install` is the front door and opens the captures behind it, and aliases
# name native classes.
LAZY_WAYS_BACK = {
    ("log", "crash"),
    ("log", "integrations"),
    ("__init__", "integrations"),
    ("__init__", "snapshot"),
    ("__init__", "crash"),
    ("__init__", "lockdep"),
    ("typing", "_native"),
}
NEVER = {"ctypes", "struct", "numpy", "mmap"}


class Import(NamedTuple):
    importer: str
    imported: str
    at_import_time: bool
    where: str


def floor_of(module: str) -> int:
    [floor] = [number for number, names in enumerate(FLOORS) if module in names]
    return floor


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py").removesuffix(".pyi")


def is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def imports_of(path: Path) -> list[Import]:
    """Every import of a file but those for type checkers, with full names."""
    found: list[Import] = []

    def visit(node: ast.AST, *, deferred: bool) -> None:
        names: list[str] = []
        if isinstance(node, ast.If) and is_type_checking(node.test):
            children: list[ast.AST] = list(node.orelse)
        else:
            children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        deferred = deferred or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        line = getattr(node, "lineno", 0)
        found.extend(Import(module_of(path), name, not deferred, f"{path}:{line}") for name in names)
        for child in children:
            visit(child, deferred=deferred)

    visit(ast.parse(path.read_text("utf-8")), deferred=False)
    return found


ALL_IMPORTS = [found for path in sorted(PACKAGE.rglob("*.py")) for found in imports_of(path)]


def within_the_package(name: str) -> str | None:
    """The module of the package that a name belongs to; None for everything else."""
    parts = name.split(".")
    if parts[0] != "printk_ring":
        return None
    known = set().union(*FLOORS)
    return parts[1] if len(parts) > 1 and parts[1] in known else "__init__"


def test_every_module_of_the_package_has_a_floor() -> None:
    modules = {module_of(path) for path in PACKAGE.rglob("*.py*") if path.suffix in {".py", ".pyi"}}
    assert modules == set().union(*FLOORS)


def test_the_package_imports_downwards_only() -> None:
    checked = 0
    for found in ALL_IMPORTS:
        target = within_the_package(found.imported)
        if target is None or target == found.importer:
            continue
        checked += 1
        if not found.at_import_time and (found.importer, target) in LAZY_WAYS_BACK:
            continue
        assert floor_of(target) < floor_of(found.importer), f"{found.where}: {found.importer} imports {target}"
    assert checked > 30


def test_the_package_knows_no_struct_layouts_and_imports_numpy_on_use_only() -> None:
    for found in ALL_IMPORTS:
        if found.imported.split(".")[0] in NEVER:
            assert (found.importer, found.imported, found.at_import_time) == ("snapshot", "numpy", False), found.where


CRATES = {
    "ring": set[str](),
    "record": set[str](),
    "printk": {"ring", "record"},
    "host": {"ring", "record", "printk"},
    "python": {"ring", "record", "printk", "host"},
}
# What each crate may take from outside; the floors that run in any context take nothing that allocates.
OUTSIDE = {
    "ring": set[str](),
    "record": {"itoa", "zmij"},
    "printk": {"libc"},
    "host": {"libc", "crc32fast"},
    "python": {"libc", "pyo3"},
}
ANY_CONTEXT = ["ring", "record", "printk"]


def rust_code(path: Path) -> str:
    """A source file without its comments, and without the items that only tests and model checkers compile."""
    lines: list[str] = []
    skipping = False
    for line in re.sub(r"//[^\n]*", "", path.read_text("utf-8")).splitlines():
        skipping = skipping or re.match(r"#\[cfg\((any\()?(test|loom)\b", line) is not None
        if not skipping:
            lines.append(line)
        elif line.startswith("}") or re.match(r"[^ #].*;$", line):
            skipping = False
    return "\n".join(lines)


def sources(crate: str) -> list[Path]:
    return sorted((RUST / crate / "src").rglob("*.rs"))


@pytest.mark.parametrize("crate", CRATES)
def test_a_crate_depends_on_the_floors_below_it_only(crate: str) -> None:
    manifest = tomllib.loads((RUST / crate / "Cargo.toml").read_text("utf-8"))
    assert manifest["package"]["name"] == f"pr-{crate}"
    allowed = {f"pr-{name}" for name in CRATES[crate]} | OUTSIDE[crate]
    assert set(manifest.get("dependencies", {})) <= allowed


@pytest.mark.parametrize("crate", CRATES)
def test_a_crates_code_names_the_floors_below_it_only(crate: str) -> None:
    for path in sources(crate):
        named = set(re.findall(r"\bpr_([a-z]+)\b", rust_code(path))) & set(CRATES)
        assert named <= CRATES[crate], path


@pytest.mark.parametrize("crate", ANY_CONTEXT)
def test_a_crate_of_any_context_has_neither_std_nor_a_heap(crate: str) -> None:
    assert "#![no_std]" in (RUST / crate / "src" / "lib.rs").read_text("utf-8")
    for path in sources(crate):
        if path.name.endswith("_model.rs"):
            continue  # the stand-in under a model checker, which no shipped build compiles
        code = rust_code(path)
        assert not re.search(r"\bextern crate (std|alloc)\b", code), path
        assert not re.search(r"\b(std|alloc)::", code), path


def test_only_one_file_of_the_ring_names_the_atomics() -> None:
    for path in sources("ring"):
        door = path.name == "sync.rs" or path.parent.name == "sync"
        assert door or not re.search(r"\bsync::atomic\b|\bAtomic[A-Z]\w+|\bUnsafeCell\b", rust_code(path)), path


# What they hold is made by one thread while others wait for it, and the interpreter is let go of meanwhile: a child that is
# forked just then waits for a thread that it does not have. `fastcall/kept.rs` and `fastcall/interned.rs` wait for nobody.
WAITING_CELLS = r"\b(PyOnce\w*|GILOnceCell|Once(Lock|Ext|::new)|LazyLock|call_once|(intern|(import|create)_exception)!)"


def test_the_binding_has_no_cell_whose_maker_others_wait_for() -> None:
    assert re.search(WAITING_CELLS, 'name = intern!(py, "name")')
    assert re.search(WAITING_CELLS, "static ONCE: Once = Once::new();")
    for path in sources("python"):
        assert not re.search(WAITING_CELLS, rust_code(path)), path


# Each beside the reason why nobody waits there for another thread.
CELLS_OF_THE_HOST = {
    "log.rs": "of one log, set by whoever made it",
    "bench/paced.rs": "of a bench, which forks nothing",
}


def test_the_core_has_no_cell_whose_maker_others_wait_for() -> None:
    for crate in ("ring", "record", "printk", "host"):
        for path in sources(crate):
            name = str(path.relative_to(RUST / crate / "src"))
            if name not in CELLS_OF_THE_HOST:
                assert not re.search(WAITING_CELLS, rust_code(path)), path


def test_every_class_of_the_binding_is_made_when_the_module_is_imported() -> None:
    made_there = rust_code(RUST / "python" / "src" / "lib.rs")
    made_there += "".join(
        re.findall(r"get_type::<\w+>", rust_code(RUST / "python" / "src" / "fastcall" / "methods.rs"))
    )
    checked = 0
    for path in sources("python"):
        for name in re.findall(r"#\[pyclass[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:pub )?struct (\w+)", rust_code(path)):
            checked += 1
            assert re.search(rf"\b{name}\b", made_there), f"{path}: {name} is made by the call that uses it first"
    assert checked > 20


# Inside the ring: a file names files of lower floors, or of its own.
RING_FLOORS = [
    {"sync"},
    {"ids", "error"},
    {"announce", "reaper"},  # what a handle keeps beside the memory
    {"head", "blocks"},  # the fused word and the geometry of the text, each by itself
    {"state", "layout"},
    {"slots"},
    {"memory"},
    {"ring"},  # the only place that knows both arrays
    {"recycle", "ticket"},
    {"writer", "commit", "reopen", "reader", "reap"},
    {"live"},  # a ring in memory as a place that a reader reads
    {"lib"},
]


def test_inside_the_ring_files_name_lower_floors_only() -> None:
    floors = {name: number for number, names in enumerate(RING_FLOORS) for name in names}
    checked = 0
    for path in sources("ring"):
        importer = path.relative_to(RUST / "ring" / "src").parts[0].removesuffix(".rs")
        assert importer in floors, f"{path} has no floor"
        for target in set(re.findall(r"\bcrate::(\w+)", rust_code(path))) & set(floors) - {importer}:
            checked += 1
            assert floors[target] < floors[importer], f"{path} names {target}"
    assert checked > 10
