#!/usr/bin/env bash
# stress.sh [SECONDS]: the ring under load for that long (20 unless told): writers with payloads that check themselves,
# reopeners, readers, and a timer signal at 2 kHz whose handler logs into the same ring at any instruction. Fails on a bad
# record or a broken invariant.
# stress.sh --broken [SECONDS]: the same against rings with one planted mistake each; every one must be found.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

strain() { cargo test --quiet --locked --release --package pr-ring --test stress -- "$1"; }

# plant FILE OLD NEW: in a copy of the crate, replaces the one place where OLD stands.
plant() {
    python3 - "$@" <<'END'
import pathlib, sys
file, old, new = sys.argv[1:]
path = pathlib.Path(file)
text = path.read_text()
if text.count(old) != 1:
    sys.exit(f"stress: {file} has {text.count(old)} places that read {old!r}: mend this script")
path.write_text(text.replace(old, new))
END
}

# broken NAME SECONDS FILE OLD NEW: this mistake must be found.
broken() {
    local name=$1 seconds=$2 copy
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' RETURN
    mkdir -p "$copy/rust"
    cp -r rust/ring "$copy/rust/"
    sed -e 's|^members = .*|members = ["rust/ring"]|' Cargo.toml >"$copy/Cargo.toml"
    cp Cargo.lock "$copy/"
    (cd "$copy/rust/ring/src" && plant "$3" "$4" "$5")
    (cd "$copy" && CARGO_TARGET_DIR=${TARGET:-$PWD/target} cargo test --quiet --release --package pr-ring --test stress --no-run 2>/dev/null)
    # Chance has a part in it, so there are four tries.
    local try
    for try in 1 2 3 4; do
        (cd "$copy" && CARGO_TARGET_DIR=${TARGET:-$PWD/target} timeout 120 cargo test --quiet --release --package pr-ring --test stress -- "$seconds") >"$copy/out" 2>&1 || break
        [ "$try" -lt 4 ] || { echo "stress: nobody noticed: $name" >&2; return 1; }
    done
    # Found by a check, not by a build that failed or a run that hung.
    grep -q -m 1 '^BAD' "$copy/out" || { echo "stress: $name failed otherwise:" >&2; tail -n 20 "$copy/out" >&2; return 1; }
    echo "stress: found (try $try): $name ($(grep -m 1 '^BAD' "$copy/out" | cut -c1-90))"
}

if [ "${1:-}" = --broken ]; then
    seconds=${2:-6}
    export TARGET=$PWD/target/stress-broken
    # The first two are what ring.md's and printk's authors feared most; then one for each kind of check.
    broken "a reader does not look at the state again" "$seconds" reader.rs \
        'if source.state(id)? != state || id < tails.tail {' 'if false {'
    broken "a reader does not ask whether the text was dropped" "$seconds" reader.rs \
        'Span::Block { .. } if id < tails.retired => return Ok(Look::Gone),' ''
    broken "text is dropped without telling" "$seconds" recycle.rs \
        '.raise(retired.0, walk.id.0, release("publish_dropped:A"));' '.raise(retired.0, 0, release("publish_dropped:A"));'
    broken "the text is said to be free before the records are said to be gone" "$seconds" recycle.rs \
        '        if walk.id > retired {
            // ORD(publish_dropped:A)' \
        '        if let Some(reached) = walk.reached {
            self.tails().data_tail.raise(data_tail.0, reached.0, release("publish_dropped:B"));
        }
        if walk.id > retired {
            // ORD(publish_dropped:A)'
    broken "the tail passes open text" "$seconds" recycle.rs \
        'Stage::Reserved => return Obstacle::Open,' 'Stage::Reserved => {}'
    broken "a successor does not finalize" "$seconds" writer.rs \
        'if head.reopenable {
            // The compare-exchange' 'if false {
            // The compare-exchange'
    broken "a commit does not notice that it is not the newest" "$seconds" commit.rs \
        '        // A newer record was there before C was set: nobody else will finalize this one.
        self.finalize_state(ticket.id);' ''
    broken "a refusal is not counted" "$seconds" writer.rs \
        'self.counters().fail.count(1);' ''
    exit
fi

strain "${1:-20}"
