#!/usr/bin/env bash
# owner.sh: the models of the consoles' ownership word pass; and with each of these mistakes planted one of them fails.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export RUSTFLAGS='--cfg owner_model' CARGO_TARGET_DIR=$PWD/target/owner
# Nothing is won by linking these for speed.
export CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0
models() { cargo test --quiet --locked --release --package pr-printk --test owner_models; }

models

PLANTED=$PWD/target/owner-planted
source ci/plant.sh
plant_lay_out ring record printk

# broken NAME OLD NEW: with the one place that reads OLD changed to NEW a model must fail.
broken() {
    local out=$PLANTED/out
    plant printk/src/owner.rs "$2" "$3"
    if planted_cargo 300 test --quiet --release --package pr-printk --test owner_models >"$out" 2>&1; then
        echo "owner: nobody noticed: $1" >&2
        exit 1
    fi
    grep -q '^test result: FAILED' "$out" || { echo "owner: $1 failed otherwise:" >&2; tail -n 20 "$out" >&2; exit 1; }
    echo "owner: found: $1 ($(sed -n 's/^    \([a-z_]*\)$/\1/p' "$out" | sort -u | wc -l) models)"
}

broken "a change of the word orders nothing" 'Ordering::AcqRel, Ordering::Acquire' 'Ordering::Relaxed, Ordering::Relaxed'
broken "whoever takes a free console sees nothing of its last owner" 'Ordering::AcqRel, Ordering::Acquire' 'Ordering::Release, Ordering::Relaxed'
broken "an unsafe place is interrupted" 'if now.is_unsafe() {
                return Err' 'if false {
                return Err'
broken "the same priority takes over" 'if priority as u64 <= now.priority() ||' 'if (priority as u64) < now.priority() ||'
broken "a request stays when its waiter has gone" '!wait() && self.replace(now, Seen(now.0 & !REQ)).is_ok()' '!wait()'
broken "an owner does not let go for who waits" 'if now.requested() == 0 || now.is_unsafe() {' 'if true {'
broken "who is interrupted by force does not notice" '            if !now.is_of(owner) {
                return false;
            }
            let stays' '            let stays'
broken "a console taken in an unsafe place looks sound" 'let stays = inside || now.was_taken();' 'let stays = inside;'
