#!/usr/bin/env bash
# san.sh [SECONDS]: the stress harness under ThreadSanitizer (20 s unless told): no report; and a thread that reads text
# without atomics must be reported.
#
# The compiler is the stable one: RUSTC_BOOTSTRAP lets it take the option. The standard library is not instrumented; the
# harness uses nothing of it but threads. With cmpxchg16b as a feature the head's compare-exchange is the intrinsic, which
# the sanitizer sees; as inline assembly it would not. For the same reason text is copied by words.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-20}

export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$PWD/target/san
export RUSTFLAGS='-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer -Ctarget-feature=+cmpxchg16b --cfg pr_words'
export TSAN_OPTIONS='halt_on_error=0 report_signal_unsafe=0 exitcode=66'
target=$(rustc -vV | sed -n 's/^host: //p')
harness=$(cargo test --quiet --locked --release --target "$target" --package pr-ring --test stress --no-run --message-format=json |
    grep -o '"executable":"[^"]*/stress-[^"]*"' | cut -d'"' -f4)
[ -x "$harness" ] || { echo "san: no harness was built" >&2; exit 1; }
nm "$harness" | grep '__tsan_atomic128_compare_exchange' >/dev/null || { echo "san: the sanitizer does not see the head" >&2; exit 1; }

out=$(mktemp)
trap 'rm -f "$out"' EXIT
if ! timeout "$((seconds * 10 + 60))" "$harness" "$seconds" >"$out" 2>&1 || grep -q 'WARNING: ThreadSanitizer' "$out"; then
    echo "san: a report, or a bad record:" >&2
    head -n 60 "$out" >&2
    exit 1
fi
grep '^stress' "$out"

# The same harness with a race on purpose.
status=0
timeout 120 "$harness" 3 --racy >"$out" 2>&1 || status=$?
if [ "$status" -ne 66 ] || ! grep -q 'WARNING: ThreadSanitizer: data race' "$out" || ! grep -q 'look_without_atomics' "$out"; then
    echo "san: the planted race was not reported (status $status)" >&2
    tail -n 20 "$out" >&2
    exit 1
fi
echo "san: no report in $seconds s; a planted race is reported ($(grep -c 'WARNING: ThreadSanitizer' "$out") times)"
