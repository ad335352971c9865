#!/usr/bin/env bash
# fuzz.sh [RUNS [TARGET...]]: each fuzz target, or these, RUNS times (100,000 unless told; 10,000,000 before a release), from the kept
# corpus. New inputs that reach new code stay in target/fuzz; `fuzz.sh --merge [TARGET...]` adds the few that matter to fuzz/corpus.
# fuzz.sh --broken [TARGET...]: the same against readers with one planted mistake each; every one must be found. --places: only whether
# each can still be planted.
#
# libFuzzer on the stable compiler: RUSTC_BOOTSTRAP lets it take the sanitizer's option; the coverage passes are LLVM's.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=${1:-}
all=(attach decode file)
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=("${all[@]}")
for target in "${targets[@]}"; do
    [[ " ${all[*]} " == *" $target "* ]] || { echo "fuzz: unknown target $target; there are ${all[*]}" >&2; exit 2; }
done
PLANTED=$PWD/target/fuzz-broken
source ci/plant.sh
host=$(rustc -vV | sed -n 's/^host: //p')

# build FOLDER TARGET_DIR: the targets of this copy of the repository.
build() {
    RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$2 \
        RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Zsanitizer=address --cfg fuzzing' \
        cargo build --quiet --locked --release --manifest-path "$1/fuzz/Cargo.toml" --target "$host"
}

# fuzz TARGET_DIR TARGET RUNS: the end of its log lies in TARGET_DIR/TARGET.log. No input may take more than 10 s, or 512 MiB.
fuzz() {
    local dir=$1 target=$2 runs=$3
    mkdir -p "$dir/corpus/$target"
    ASAN_OPTIONS=detect_leaks=0 "$dir/$host/release/$target" -runs="$runs" -max_len=4096 -timeout=10 -rss_limit_mb=512 \
        -artifact_prefix="$dir/" "$dir/corpus/$target" "fuzz/corpus/$target" >"$dir/$target.log" 2>&1
}

# broken TARGET NAME FILE OLD NEW: this mistake must be found, by an assertion or a panic.
broken() {
    local target=$1 name=$2
    [[ " ${targets[*]} " == *" $target "* ]] || return 0
    plant "$3" "$4" "$5" || exit 1
    [ "$mode" != --places ] || return 0
    build "$TREE" "$PLANTED"
    if fuzz "$PLANTED" "$target" 1000000; then
        echo "fuzz: $target did not find: $name" >&2
        exit 1
    fi
    if ! grep -q '^thread .* panicked at' "$PLANTED/$target.log"; then
        echo "fuzz: $target failed otherwise with: $name" >&2
        tail -n 40 "$PLANTED/$target.log" >&2
        exit 1
    fi
    echo "fuzz: found by $target: $name"
}

case $mode in
--broken | --places)
    plant_lay_out ring record printk host
    cp -r fuzz "$TREE/"
    if [ "$mode" = --broken ]; then
        # The copies have another version (plant.sh); all else stays as it is locked.
        cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml
        cargo update --quiet --offline --workspace --manifest-path "$TREE/fuzz/Cargo.toml"
    fi
    broken attach "a text may be longer than its block" \
        ring/src/reader.rs 'if u64::from(text_len) > place.capacity {' 'if false {'
    broken attach "a reader walks until the ids end" \
        ring/src/reader.rs 'if is_beyond || passed > descriptors || looks > source.most_looks() {' 'if false {'
    broken file "a file may be cut off" \
        host/src/mapping/header.rs 'if plan.file_bytes > actual_bytes {' 'if false {'
    broken file "a section may lie outside of the file" \
        host/src/mapping/header.rs '.filter(|end| *end <= plan.file_bytes)' '.filter(|_| true)'
    broken decode "a length is trusted" \
        record/src/cursor.rs 'let (area, rest) = self.rest.split_at_checked(n)?;' 'let (area, rest) = self.rest.split_at(n);'
    broken decode "what is in a list is not looked at" \
        record/src/cursor.rs 'Cursor::new(self.sized()?).check_values(depth.checked_sub(1)?)' 'self.sized().map(|_| ())'
    ;;
--merge)
    build . "$PWD/target/fuzz"
    for target in "${targets[@]}"; do
        "target/fuzz/$host/release/$target" -set_cover_merge=1 "fuzz/corpus/$target" "target/fuzz/corpus/$target" 2>&1 | tail -n 1
    done
    ;;
-*) echo "fuzz: unknown option $mode; see the head of ci/fuzz.sh" >&2; exit 2 ;;
*)
    build . "$PWD/target/fuzz"
    for target in "${targets[@]}"; do
        log=target/fuzz/$target.log
        if ! fuzz "$PWD/target/fuzz" "$target" "${mode:-100000}"; then
            echo "fuzz: $target failed:" >&2
            tail -n 40 "$log" >&2
            exit 1
        fi
        echo "fuzz $target: $(grep -E '^Done ' "$log"), $(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)"
    done
    ;;
esac
