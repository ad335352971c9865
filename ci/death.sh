#!/usr/bin/env bash
# death.sh [ROUNDS]: deaths and forks (ROUNDS: 200 unless told).
#  - ROUNDS processes killed at random moments while four threads log, and as many between reserving a record and finalizing
#    it, by a build that stops there (`--cfg pr_stop_between`, in a target folder of its own): each record whose call had
#    returned, and that the ring still holds, must be found
#  - strace counts what a burst asks of the kernel
#  - ten times as many forks of a process with eight threads that log: no hang, each line once
#  - a handler at 2 kHz, finalizers and four threads that log for 30 s: each sequence number once
#  - gunicorn with preloading, one of its three workers killed under load
# death.sh --short: a few of each, and none of those that need the other build; tests of the same by the core's own ring
# are in rust/host/tests/death.rs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$PWD/.venv/bin/python
[ -x "$python" ] || { echo "death: no .venv here: make install" >&2; exit 1; }
command -v strace >/dev/null || { echo "death: strace is missing: apt-get install strace" >&2; exit 1; }

# trial SECONDS NAME ARGUMENT...
trial() {
    local seconds=$1
    shift
    PYTHONPATH=$PWD timeout --kill-after=10 "$seconds" "$python" -P -m "tests.trials.$1" "${@:2}" </dev/null
}

# The package with a native module that stops in a log call when it is told to.
build() {
    RUSTFLAGS='--cfg pr_stop_between' PYO3_PYTHON=$python CARGO_TARGET_DIR=$PWD/target/between \
        cargo build --quiet --locked --package pr-python
    rm -rf target/between/package
    mkdir -p target/between/package
    cp -r python/printk_ring target/between/package/
    cp target/between/debug/lib_native.so target/between/package/printk_ring/_native.abi3.so
}

if [ "${1:-}" = --short ]; then
    trial 120 death 6
    trial 120 calls 20000
    trial 120 forks 40
    trial 120 handlers 2
    trial 120 prefork 1
    exit
fi

rounds=${1:-200}
build
trial 3600 death "$rounds" "$PWD/target/between/package"
trial 600 calls 100000
trial 3600 forks "$((10 * rounds))"
trial 600 handlers 30
trial 600 prefork 20
