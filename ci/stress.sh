#!/usr/bin/env bash
# stress.sh [SECONDS]: the ring under load for that long (20 unless told): writers with payloads that check themselves,
# reopeners, readers, and a timer signal at 2 kHz whose handler logs into the same ring at any instruction. Fails on a bad
# record or a broken invariant.
# stress.sh --broken [SECONDS]: the same against rings with one planted mistake each; every one must be found.
# stress.sh --places: only whether each can still be planted.
set -euo pipefail
shopt -s inherit_errexit extglob
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=${1:-}
case ${mode:-20}${2:-} in
    --broken*([0-9]) | --places | +([0-9])) ;;
    *) echo "stress: seconds are a whole number, not '${2:-$mode}'" >&2; exit 1 ;;
esac

strain() { cargo test --quiet --locked --release --package pr-ring --test stress -- "$1"; }

# broken NAME SECONDS FILE OLD NEW: this mistake must be found.
broken() {
    local name=$1 seconds=$2 out=$PLANTED/out try
    plant "ring/src/$3" "$4" "$5" || exit 1
    [ "$mode" != --places ] || return 0
    planted_cargo 300 test --quiet --release --package pr-ring --test stress --no-run 2>"$out" ||
        { echo "stress: the ring does not compile:" >&2; tail -n 20 "$out" >&2; exit 1; }
    # Chance has a part in it, so there are four tries.
    for try in 1 2 3 4; do
        planted_cargo 120 test --quiet --release --package pr-ring --test stress -- "$seconds" >"$out" 2>&1 || break
        [ "$try" -lt 4 ] || { echo "stress: nobody noticed: $name" >&2; exit 1; }
    done
    # Found by a check, not by a run that hung.
    grep -q -m 1 '^BAD' "$out" || { echo "stress: $name failed otherwise:" >&2; tail -n 20 "$out" >&2; exit 1; }
    echo "stress: found (try $try): $name ($(grep -m 1 '^BAD' "$out" | cut -c1-90))"
}

if [ "$mode" = --broken ] || [ "$mode" = --places ]; then
    seconds=${2:-6}
    PLANTED=$PWD/target/stress-broken
    source ci/plant.sh
    plant_lay_out ring
    # The first two are what ring.md's and printk's authors feared most; then one for each kind of check.
    broken "a reader does not look at the state again" "$seconds" reader.rs \
        'if source.state(slot)? != state || id < tails.tail {' 'if false {'
    broken "a reader does not ask whether the text was dropped" "$seconds" reader.rs \
        'Span::Block { .. } => id < tails.retired,' 'Span::Block { .. } => false,'
    broken "a first look does not ask for the tails" "$seconds" live.rs \
        'if header != id.0 || id < tails.tail || id < tails.retired {' 'if header != id.0 {'
    broken "a first look does not ask whether the text was dropped" "$seconds" live.rs \
        ' || id < tails.retired {' ' {'
    broken "text is dropped without telling" "$seconds" recycle.rs \
        '.raise(retired.0, id.0, release("publish_dropped:A"));' '.raise(retired.0, 0, release("publish_dropped:A"));'
    broken "the text is said to be free before the records are said to be gone" "$seconds" recycle.rs \
        '        if id > retired {
            // ORD(publish_dropped:A)' \
        '        if let Some(reached) = reached {
            self.tails().data_tail.raise(data_tail.0, reached.0, release("publish_dropped:B"));
        }
        if id > retired {
            // ORD(publish_dropped:A)'
    broken "the tail passes open text" "$seconds" recycle.rs \
        'Stage::Reserved => return Obstacle::Open,' 'Stage::Reserved => {}'
    broken "a successor does not finalize" "$seconds" writer.rs \
        'if before.reopenable {' 'if false {'
    broken "a commit does not notice that it is not the newest" "$seconds" commit.rs \
        '        // A newer record was there before C was set: no other writer will finalize this one.
        self.finalize_committed(ticket.id);' ''
    broken "a reaper takes a living writer for a dead one" "$seconds" reap.rs \
        'if owner == 0 || !is_dead(owner) {
                    return Found::Living;' 'if owner == 0 {
                    return Found::Living;'
    broken "a reaper goes by the last owner of a slot" "$seconds" reap.rs \
        'let Some(owner) = self.announcements().dead_winner(id, is_dead) else {' 'let Some(owner) = Some(slot.owner.get()) else {'
    broken "a record may be reopened by anybody" "$seconds" reopen.rs \
        '|| wrote != caller' ''
    broken "a refusal is not counted" "$seconds" writer.rs \
        'self.counters().fail.count(1);' ''
    exit
fi

strain "${1:-20}"
