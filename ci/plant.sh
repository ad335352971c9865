# Sourced by stress.sh and planted.sh, from the root of the repository: a copy of some crates, and mistakes to plant in it.
#
# It lies in $PLANTED, a folder that whoever sources this has chosen, and keeps its place from one mistake to the next, so
# that only what was touched is compiled again. What these crates depend on is taken from $PLANTED_TARGET, where whoever
# sources this has compiled it already.

TREE=$PLANTED/tree
PLANTED_TARGET=${PLANTED_TARGET:-$PLANTED/target}

# plant_lay_out CRATE...: a workspace of these crates alone, with the versions of the committed Cargo.lock.
plant_lay_out() {
    local members
    members=$(printf '"rust/%s", ' "$@")
    rm -rf "$TREE"
    mkdir -p "$TREE/rust" "$TREE/tests"
    for crate in "$@"; do cp -r "rust/$crate" "$TREE/rust/"; done
    cp -r tests/vectors "$TREE/tests/"
    # Another version makes them other packages: cargo does not tell two places of one workspace apart, and would take what
    # was compiled of a mistake for the real thing.
    sed -e "s|^members = .*|members = [${members%, }]|" -e 's|^\(version = "[^"]*\)"|\1-planted"|' Cargo.toml >"$TREE/Cargo.toml"
    grep -q '^version = ".*-planted"$' "$TREE/Cargo.toml" || { echo "plant: the copy has the version of the original" >&2; exit 1; }
    cp Cargo.lock "$TREE/"
}

# planted_cargo SECONDS ARGUMENT...: in the copy, for at most so long.
planted_cargo() {
    local seconds=$1
    shift
    (cd "$TREE" && CARGO_TARGET_DIR=$PLANTED_TARGET timeout --kill-after=5 "$seconds" cargo "$@")
}

# plant (FILE OLD NEW)...: mends what was planted before, then replaces the one place of each file where OLD stands.
PLANTED_FILES=()
plant() {
    local file
    for file in "${PLANTED_FILES[@]}"; do cp "rust/$file" "$TREE/rust/$file" || return 1; done
    PLANTED_FILES=()
    while [ $# -gt 0 ]; do
        PLANTED_FILES+=("$1")
        python3 - "$TREE/rust/$1" "$2" "$3" <<'END' || return 1
import pathlib, sys
file, old, new = sys.argv[1:]
path = pathlib.Path(file)
text = path.read_text()
if text.count(old) != 1:
    sys.exit(f"plant: {file} has {text.count(old)} places that read {old!r}: mend the script that plants this")
path.write_text(text.replace(old, new))
END
        shift 3
    done
}
