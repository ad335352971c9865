#!/usr/bin/env bash
# crash.sh [ROUNDS]: processes that crash (200 unless told) at random moments while four threads log, by a fault, a call of
# nothing, a stack overflow, an abort and a double free: each ends by its signal, and its crash file is whole, as text and
# as JSON, and has all that the ring held. Says how long an end takes, with a log and without.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$PWD/.venv/bin/python
[ -x "$python" ] || { echo "crash: no .venv here: make install" >&2; exit 1; }

PYTHONPATH=$PWD timeout --kill-after=10 3600 "$python" -P -m tests.trials.crash "${1:-200}" </dev/null
