#!/usr/bin/env bash
# modes.sh: what holds of consoles holds whoever prints. The tests that do not say who are run with printers that serve any
# console, and where callers print; with each console's own printer they are part of the workspace's tests.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests=(bootstrap consoles couriers dead_threads forks parking sinks stuck)
for mode in smp caller; do
    PR_TEST_MODE=$mode cargo test --quiet --locked --package pr-host "${tests[@]/#/--test=}"
    echo "modes: ${#tests[@]} test programs pass in the mode $mode"
done
