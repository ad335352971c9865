#!/usr/bin/env bash
# profile.sh [--write-readme]: where the instructions and nanoseconds of a log call with four fields go, part by part, beside
# those of a function that does nothing. Builds the extension with its symbols; needs valgrind, perf and binutils. A minute
# and the build. The table goes into benches/README.md if asked for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$PWD/.venv/bin/python
[ -x "$python" ] || { echo "profile: no .venv here: make install" >&2; exit 1; }
for tool in valgrind perf addr2line; do
    command -v "$tool" >/dev/null || { echo "profile: no $tool here: apt-get install valgrind linux-perf binutils" >&2; exit 1; }
done
readonly CALLS=20000        # counted; as in profile.py
readonly SAMPLED=5000000    # under perf
readonly TIMED=1000000      # in one of the runs without it

folder=$(mktemp -d -p "$([ -d /dev/shm ] && echo /dev/shm || echo /tmp)" printk-ring-profile-XXXXXX)
trap 'rm -rf "$folder"' EXIT
target=${CARGO_TARGET_DIR:-target}
# The wheel's build, but for the symbols, which the wheel leaves out.
PYO3_PYTHON=$python cargo build --quiet --locked --release --package pr-python
cp -r "$("$python" -P -c 'import pathlib, printk_ring; print(pathlib.Path(printk_ring.__file__).parent)')" "$folder/"
library=$(echo "$folder"/printk_ring/_native*.so)
cp "$target/release/lib_native.so" "$library"

# KIND CALLS COMMAND..: the loop, under a command or none.
profiled() {
    local kind=$1 calls=$2
    shift 2
    rm -f "$folder/$kind".ring*
    "$@" "$python" -P benches/profiled.py "$folder" "$folder" "$kind" "$calls"
}

for kind in noop ring; do
    for calls in 0 $CALLS; do
        echo "callgrind: $kind, $calls calls" >&2
        name=$([ "$calls" -eq 0 ] && echo none || echo calls)
        profiled $kind "$calls" valgrind --quiet --tool=callgrind --separate-threads=yes --dump-instr=yes \
            --compress-pos=no --compress-strings=no --callgrind-out-file="$folder/$kind.$name" >/dev/null
    done
    echo "time: $kind" >&2
    for _ in {1..20}; do profiled $kind $TIMED; done >"$folder/$kind.ns"
    echo "perf: $kind" >&2
    profiled $kind $SAMPLED perf record --quiet --clockid monotonic --event cpu-clock --freq 5000 --output "$folder/$kind.perf" >/dev/null
    perf script --input "$folder/$kind.perf" --fields pid,tid,time,ip,sym,dso >"$folder/$kind.samples" 2>/dev/null
done
"$python" -P benches/profile.py "$folder" "$library" "$@"
