#!/usr/bin/env bash
# freethreaded.sh [--all] [PYTHON]: the package without the interpreter's lock. PYTHON, or $FT_PYTHON, or a python3.14t on the path:
#  - the wheel is built for it, and the lock stays off when it is imported
#  - the tests of what threads share: sites, levels, rules, values, consoles; with --all every test, and crashes under load
#  - benches/threads.py: what a call costs beside another thread's
# An ordinary PYTHON is taken too: the same, with threads that take turns. Without any there is nothing to run.
# freethreaded.sh --compile: the binding is compiled as for such an interpreter, which need not be there.
# Everything is made in target/freethreaded.
# PyO3 takes none below 3.14. One is made in three minutes of a source package of 3.14 (Debian's or Ubuntu's python3.14:
# `./configure --disable-gil --with-ensurepip=install`).
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

place=$PWD/target/freethreaded
is_all=
[ "${1:-}" != --all ] || { is_all=yes; shift; }
python=${1:-${FT_PYTHON:-$(command -v python3.14t || true)}}
tests=(threads tstrings call_sites templates log logger levels levels_by_name dynamic_debug once ratelimited contextualize
    cont catch redact ring_handler handler_ways bad_input bad_input_both import ring reader formats console python_console
    reentrant)
files=("${tests[@]/#/tests/test_}")
files=("${files[@]/%/.py}")
mkdir -p "$place"

if [ "$python" = --compile ]; then
    printf '%s\n' implementation=CPython version=3.14 shared=false pointer_width=64 build_flags=Py_GIL_DISABLED \
        suppress_build_script_link_lines=true >"$place/config"
    PYO3_CONFIG_FILE=$place/config CARGO_TARGET_DIR=$place \
        cargo clippy --quiet --locked --package pr-python --all-targets -- -D warnings
    echo "freethreaded: compiled, without a warning"
    exit
fi
if [ -z "$python" ]; then
    echo "freethreaded: no free-threaded interpreter here, nothing was run (FT_PYTHON=PATH)"
    exit
fi

venv=$place/venv-$("$python" -c 'import sys; print(sys.implementation.cache_tag + sys.abiflags)')
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
python=$venv/bin/python
"$python" -m pip install --quiet --upgrade 'pip>=25.1'
"$python" -m pip install --quiet --group test ${is_all:+--group integrations}
CARGO_TARGET_DIR=$place "$python" -m pip install --quiet --force-reinstall --no-deps .

export PYTHONSAFEPATH=1
lock=$("$python" -c 'import sys, printk_ring; print(getattr(sys, "_is_gil_enabled", lambda: True)())')
free=$("$python" -c 'import sysconfig; print(bool(sysconfig.get_config_var("Py_GIL_DISABLED")))')
echo "freethreaded: $("$python" -V), free-threaded build $free, the interpreter's lock $lock"
[ "$lock$free" != TrueTrue ] || { echo "freethreaded: the import has put the lock back on" >&2; exit 1; }
# A test tool that is not made for it would put the lock back on.
[ "$free" = True ] && export PYTHON_GIL=0
if [ -n "$is_all" ]; then
    timeout --kill-after=10 1800 "$python" -m pytest -q -n 2 tests "${@:2}" </dev/null
    PYTHONPATH=$PWD timeout --kill-after=10 600 "$python" -P -m tests.trials.crash 100 </dev/null
else
    timeout --kill-after=10 900 "$python" -m pytest -q "${files[@]}" "${@:2}" </dev/null
fi
timeout --kill-after=10 300 "$python" benches/threads.py --rounds 11
