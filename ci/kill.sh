#!/usr/bin/env bash
# kill.sh [N]: the demo N times (20 unless told). Each kills a logging server in mid-burst and must find every record whose
# answer a client had read. Each run gets 120 s; all must succeed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs=${1:-20}
python=$PWD/.venv/bin/python
[ -x "$python" ] || { echo "kill: no .venv here: make install" >&2; exit 1; }

out=$(mktemp)
trap 'rm -f "$out"' EXIT
good=0
for ((run = 1; run <= runs; run++)); do
    status=0
    timeout --kill-after=10 120 "$python" -P -m printk_ring demo >"$out" 2>&1 </dev/null || status=$?
    last=$(tail -n 1 "$out")
    if [ "$status" -eq 0 ] && [[ "$last" =~ missing[^0-9]*0([^0-9]|$) ]]; then
        good=$((good + 1))
        echo "kill $run/$runs: $last"
    else
        echo "kill $run/$runs: FAILED with status $status"
        tail -n 30 "$out"
    fi
done
echo "demos: $good of $runs found everything"
[ "$good" -eq "$runs" ]
