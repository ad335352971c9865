#!/usr/bin/env bash
# all.sh: the scripts of this folder in their bounded forms, the models beside all others, in `make check` and so in every
# run of .ci/run. Says how long each took. One that fails does not keep the others from being run.
# The long forms are for releases, by hand: loom.sh --full, owner.sh --full, stress.sh 600, stress.sh --broken, san.sh 60,
# planted.sh, fuzz.sh 10000000, kill.sh, death.sh, crash.sh.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=()

step() {
    local began=$SECONDS status=0
    echo "== ci/$*"
    "ci/$@" </dev/null || status=$?
    if [ "$status" -eq 0 ]; then
        echo "step ci/$*: passed, $((SECONDS - began)) s"
    else
        echo "step ci/$*: FAILED with status $status, $((SECONDS - began)) s"
        failed+=("ci/$*")
    fi
}

# The models have one processor to themselves: they are long, and run one after another on one thread each.
models=$(mktemp)
trap 'rm -f "$models"' EXIT
{
    step owner.sh
    step loom.sh
    printf 'failed: %s\n' "${failed[*]}"
} >"$models" 2>&1 &

step stubs.sh
step types.sh
step nostd.sh
step nopanic.sh
step kill.sh 2
step death.sh --short
step crash.sh 10
step planted.sh --short
step stress.sh 20
step san.sh 10
step fuzz.sh 10000
step modes.sh
step freethreaded.sh

wait
sed '$d' "$models"
of_models=$(sed -n '$s/^failed: *//p' "$models")
if [ -n "$of_models" ] || ! grep -q '^failed:' "$models"; then
    failed+=("${of_models:-the models, which did not come to their end}")
fi
if [ "${#failed[@]}" -gt 0 ]; then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
