#!/usr/bin/env bash
# owner.sh: the models of the consoles' ownership word, of the turns in which callers print, and of waking printers pass; and
# with each of these mistakes planted one of them fails.
# owner.sh --full: also with the rarer ones.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
full=${1:-}

export RUSTFLAGS='--cfg owner_model' CARGO_TARGET_DIR=$PWD/target/owner
# Nothing is won by linking these for speed.
export CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0
cargo test --quiet --locked --release --package pr-printk --test owner_models --test turn_models --test kick_models

PLANTED=$PWD/target/owner-planted PLANTED_TARGET=$CARGO_TARGET_DIR
source ci/plant.sh
plant_lay_out ring record printk

# wrong FILE NAME OLD NEW: with the one place of FILE that reads OLD changed to NEW a model of FILE must fail.
wrong() {
    local out=$PLANTED/out
    plant "printk/src/$1.rs" "$3" "$4"
    if planted_cargo 300 test --quiet --release --package pr-printk --test "$1_models" >"$out" 2>&1; then
        echo "owner: nobody noticed: $2" >&2
        exit 1
    fi
    # A thread that waits for ever is found by the checker, which cannot clean up after it: the process aborts.
    grep -qE '^test result: FAILED|^deadlock; threads' "$out" || { echo "owner: $2 failed otherwise:" >&2; tail -n 20 "$out" >&2; exit 1; }
    if grep -q '^deadlock; threads' "$out"; then
        echo "owner: found: $2 (a thread waits for ever)"
    else
        echo "owner: found: $2 ($(sed -n 's/^    \([a-z_]*\)$/\1/p' "$out" | sort -u | wc -l) models)"
    fi
}
broken() { wrong owner "$@"; }
unfair() { wrong turn "$@"; }
asleep() { wrong kick "$@"; }
# The rarer ones: each costs a build.
rarely() { [ "$full" != --full ] || "$@"; }

broken "a change of the word orders nothing" 'Ordering::AcqRel, Ordering::Acquire' 'Ordering::Relaxed, Ordering::Relaxed'
rarely broken "whoever takes a free console sees nothing of its last owner" 'Ordering::AcqRel, Ordering::Acquire' 'Ordering::Release, Ordering::Relaxed'
broken "an unsafe place is interrupted" 'if now.is_unsafe() {
                return Err' 'if false {
                return Err'
rarely broken "the same priority takes over" 'if priority as u64 <= now.priority() ||' 'if (priority as u64) < now.priority() ||'
rarely broken "a request stays when its waiter has gone" '!wait() && self.replace(now, Seen(now.0 & !REQ)).is_ok()' '!wait()'
rarely broken "an owner does not let go for who waits" 'if now.requested() == 0 || now.is_unsafe() {' 'if true {'
rarely broken "who is interrupted by force does not notice" '            if !now.is_of(owner) {
                return false;
            }
            let stays' '            let stays'
rarely broken "a console taken in an unsafe place looks sound" 'let stays = inside || now.was_taken();' 'let stays = inside;'

unfair "letting go and the look for records are in no order" '            fence(Ordering::SeqCst);
            if !work.has_more' '            if !work.has_more'
unfair "a record and the look at the word are in no order" 'fence(Ordering::SeqCst); // ORD(take:A)' ''
rarely unfair "who lets go does not look again" 'if !work.has_more() {' 'if true {'
unfair "two print at once" '(HELD, None) => now & !STATE | WANTED' '(HELD, None) => mine'
rarely unfair "whoever prints does not let go for who waits" 'while work.round() && !self.is_wanted() {}' 'while work.round() {}'
rarely unfair "whoever waits in vain does so again and again" 'wanted & !STATE | LATE' 'wanted & !STATE | HELD'
rarely unfair "whoever waited in vain says nothing of it" 'map(|()| Taken::Late);' 'map(|()| Taken::Others);'
rarely unfair "the turn of a dead thread stays its own" 'if !work.is_alive((wanted >> TID_SHIFT) as u32)' 'if false'
rarely unfair "the turn of a thread that died later stays its own" '(LATE, _) if work.is_alive((now >> TID_SHIFT) as u32)' '(LATE, _) if true'
rarely unfair "a handler waits for the thread that it interrupts" '_ if now >> TID_SHIFT == u64::from(tid) => return Taken::Others,' ''

asleep "a record and the look at the sleepers are in no order" 'barrier::light();' ''
rarely asleep "a printer parks and looks for records in no order" '!barrier::heavy() || work()' 'work()'
rarely asleep "a printer parks without a look for records" '!barrier::heavy() || work()' '!barrier::heavy()'
asleep "who wakes leaves the word as it was" 'and the kernel compares again.
        self.calls.fetch_add(1, Ordering::SeqCst);' ''
rarely asleep "who wakes those at rest leaves the word as it was" 'self.orders.fetch_add(1, Ordering::SeqCst);' ''
rarely asleep "progress and the look at who waits are in no order" 'fence(Ordering::SeqCst);
        if self.held' 'if self.held'
rarely asleep "waiting and the look at the progress are in no order" 'fence(Ordering::SeqCst);
        let result' 'let result'
rarely asleep "progress leaves the word as it was" 'self.progress.fetch_add(1, Ordering::SeqCst);' ''
rarely asleep "who waits for progress does not say so" 'self.held.fetch_add(1, Ordering::Relaxed);' ''
asleep "who wakes leaves out the crew" 'if self.crew.load(Ordering::SeqCst) != 0 {' 'if false {'
rarely asleep "of the crew nobody on this processor is woken" 'ANY_CONSOLE & !here) == 0' 'ANY_CONSOLE & !here) == 7'
rarely asleep "one of the crew that is about to wait is not called" 'self.calls.fetch_add(1, Ordering::SeqCst); // one' '// one'
