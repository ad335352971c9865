#!/usr/bin/env bash
# loom.sh: every model passes; and for every label of rust/ring/ORDERING.md, with that one ordering taken away, every model
# that the table names fails.
# loom.sh --full: and every other model still passes. Takes half an hour.
# loom.sh --table: prints the table as it is found. For whoever changes an ordering or a model.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=${1:-}
threads=$(nproc)

export RUSTFLAGS='--cfg loom' RUST_BACKTRACE=0 CARGO_TARGET_DIR=$PWD/target/loom
models=$(cargo test --quiet --locked --release --package pr-ring --test loom --no-run --message-format=json |
    grep -o '"executable":"[^"]*/loom-[^"]*"' | cut -d'"' -f4)
[ -x "$models" ] || { echo "loom: no models were built" >&2; exit 1; }
all=$("$models" --list | sed -n 's/: test$//p')
count=$(wc -l <<<"$all")
[ "$count" -gt 20 ] || { echo "loom: only $count models" >&2; exit 1; }

# failing LABEL [MODEL...]: which of these models (all unless named) fail without LABEL, one a line, sorted.
failing() {
    local label=$1 out
    shift
    out=$(PRINTK_RING_WEAKEN=$label timeout 2400 "$models" --test-threads=1 --exact "$@" 2>/dev/null) || true
    grep -q '^test result:' <<<"$out" || { echo "loom: the models did not end without $label" >&2; return 1; }
    sed -n 's/^test \(.*::\)\{0,1\}\([a-z_]*\) .*FAILED$/\2/p' <<<"$out" | sort
}

# full_names NAME...: as the harness calls them.
full_names() {
    local name
    for name in "$@"; do grep -E "(^|::)$name\$" <<<"$all"; done
}

rows() { sed -n '/^## What bites/,$ { s/^| `\([a-z_:A-Z,]*\)` | \(.*\) |$/\1 \2/p }' rust/ring/ORDERING.md | tr -d '`'; }

# row LABEL MODEL...: as it is found.
row() { echo "| \`$1\` | $(failing "$1" | sed 's/.*/`&`/' | tr '\n' ' ' | sed 's/ $//') |"; }

# judge LABEL MODEL...: without LABEL these models fail; in the long form, also no other.
judge() {
    local label=$1 want got
    shift
    want=$(printf '%s\n' "$@" | sort)
    # shellcheck disable=SC2046  # names without blanks
    if [ "$mode" = --full ]; then got=$(failing "$label"); else got=$(failing "$label" $(full_names "$@")); fi || return 1
    [ "$got" != "$want" ] || return 0
    echo "loom: without $label these should fail:" $want "and these do:" $got >&2
    return 1
}

# each_row FUNCTION: for every row, as many at a time as there are processors.
export models mode all
export -f failing full_names row judge
each_row() { rows | xargs -d '\n' -P "$threads" -n 1 bash -c "set -euo pipefail; $1 \$0"; }

if [ "$mode" = --table ]; then
    each_row row | sort
    exit
fi

if ! "$models" --test-threads="$threads"; then
    echo "loom: a model fails" >&2
    exit 1
fi

labels=$(rows | wc -l)
[ "$labels" -gt 20 ] || { echo "loom: only $labels labels in the table" >&2; exit 1; }
each_row judge || { echo "loom: the table is wrong, or a model is" >&2; exit 1; }
if [ "$mode" = --full ]; then others=', and no other' others_end=''; else others='' others_end=' (that no other does: --full)'; fi
echo "loom: $count models pass; without each of $labels orderings the models that name it fail$others$others_end"

# The whole ring, longer, in random order.
export RUSTFLAGS='--cfg loom --cfg shuttle' CARGO_TARGET_DIR=$PWD/target/shuttle
if [ "$mode" = --full ]; then export SHUTTLE_ROUNDS=200000; fi
cargo test --quiet --locked --release --package pr-ring --test shuttle
