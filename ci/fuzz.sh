#!/usr/bin/env bash
# fuzz.sh [RUNS]: each fuzz target RUNS times (100,000 unless told; 10,000,000 before a release), from the kept corpus. New
# inputs that reach new code stay in target/fuzz; `fuzz.sh --merge` adds the few that matter to fuzz/corpus.
#
# libFuzzer on the stable compiler: RUSTC_BOOTSTRAP lets it take the sanitizer's option; the coverage passes are LLVM's.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs=${1:-100000}

export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$PWD/target/fuzz
export RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Zsanitizer=address --cfg fuzzing'
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --quiet --locked --release --manifest-path fuzz/Cargo.toml --target "$host"

for target in attach decode; do
    program=$CARGO_TARGET_DIR/$host/release/$target
    kept=fuzz/corpus/$target found=$CARGO_TARGET_DIR/corpus/$target
    mkdir -p "$found"
    if [ "$runs" = --merge ]; then
        "$program" -set_cover_merge=1 "$kept" "$found" 2>&1 | tail -n 1
        continue
    fi
    out=$CARGO_TARGET_DIR/$target.log
    # No input may take more than 10 s, or 512 MiB.
    if ! ASAN_OPTIONS=detect_leaks=0 "$program" -runs="$runs" -max_len=4096 -timeout=10 -rss_limit_mb=512 \
        -artifact_prefix="$CARGO_TARGET_DIR/" "$found" "$kept" >"$out" 2>&1; then
        echo "fuzz: $target failed:" >&2
        tail -n 40 "$out" >&2
        exit 1
    fi
    echo "fuzz $target: $(grep -E '^Done ' "$out"), $(grep -oE 'cov: [0-9]+' "$out" | tail -n 1)"
done
