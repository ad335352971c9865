#!/usr/bin/env bash
# The any-context crates stand on `core` alone (and on libc's functions): neither std nor alloc is linked, also not by a
# dependency. What they leave undefined when linked without std may be C functions, but no Rust one. A planted allocation
# and a planted println must be found, or this proves nothing.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source ci/probe/lib.sh

# A panic's handler is nopanic.sh's business.
foreign() { probe_undefined "$1" | grep -v 'rust_begin_unwind' || true; }

for crate in "${ANY_CONTEXT[@]}"; do
    grep -q '^#!\[no_std\]' "rust/${crate#pr-}/src/lib.rs" || { echo "nostd: $crate is not #![no_std]" >&2; exit 1; }
done

probe_lay_out
object=$(probe_object)
found=$(foreign "$object")
if [ -n "$found" ]; then
    echo "nostd: the any-context crates need what core does not have:" >&2
    head -n 40 <<<"$found" >&2
    exit 1
fi
for plant in planted_alloc planted_std; do
    if [ -z "$(foreign "$(probe_object "$plant")")" ]; then
        echo "nostd: $plant went unnoticed" >&2
        exit 1
    fi
done
echo "nostd: ${ANY_CONTEXT[*]} need core and C functions only; a planted allocation and a planted println are found"
