#!/usr/bin/env bash
# The stub says what the compiled module has: names, signatures, defaults, finality. Against the installed package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$PWD/.venv/bin/python
[ -x "$python" ] || { echo "stubs: no .venv here: make install" >&2; exit 1; }

# From an empty folder: neither the source tree nor its configuration is found there, only what was installed.
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
cd "$empty"
"$python" -P -m mypy.stubtest printk_ring._native
# A stub that lies must be noticed: the same check with one signature changed has to fail.
cp -r "$("$python" -P -c 'import pathlib, printk_ring; print(pathlib.Path(printk_ring.__file__).parent)')" .
sed -i 's/^def parse_level(level: LevelLike, \/)/def parse_level(level: LevelLike, extra: int)/' printk_ring/_native.pyi
if PYTHONPATH=$PWD MYPYPATH=$PWD "$python" -m mypy.stubtest printk_ring._native >lied 2>&1; then
    echo "stubs: a wrong signature went unnoticed" >&2
    exit 1
fi
grep -q 'parse_level' lied || { echo "stubs: the falsified stub failed for another reason:" >&2; cat lied >&2; exit 1; }
echo "stubs: the stub matches the module; a falsified one is refused"
