#!/usr/bin/env bash
# No panic can be reached in the any-context crates: a panic in a signal handler of a dying process is the end of its log.
# Every function of ring, record and printk is a root; the way to the panic handler must not exist in what they reach,
# inside `core` and their dependencies too. A planted index out of bounds must be found, or this proves nothing.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source ci/probe/lib.sh

panics() { probe_undefined "$1" | grep -c 'rust_begin_unwind' || true; }

# Who refers to something that panics, to be read by whoever has to mend it: "caller -> what".
explain() {
    local libs
    mapfile -t libs <"$1.libs"
    objdump --disassemble --reloc --demangle --no-show-raw-insn "${libs[@]}" 2>/dev/null |
        awk '/^[0-9a-f]+ <.*>:$/ { f = $0; sub(/^[0-9a-f]+ </, "", f); sub(/>:$/, "", f) }
             /R_[A-Z0-9_]+[ \t]+core::.*(panic|_fail|unwrap|expect)/ { sub(/^.*R_[A-Z0-9_]+[ \t]+/, ""); print "  " f " -> " $0 }' |
        sort | uniq -c | sort -rn
}

probe_lay_out
object=$(probe_object)
functions=$(wc -l <"$object.roots")
for crate in "${ANY_CONTEXT[@]}"; do
    [[ "$(c++filt <<<"$(sed 's/.*=//' "$object.roots")")" == *"${crate/-/_}["* ]] ||
        { echo "nopanic: no function of $crate was judged: the probe is broken" >&2; exit 1; }
done
if [ "$(panics "$object")" -ne 0 ]; then
    echo "nopanic: a panic can be reached, from:" >&2
    explain "$object" | sed -n 1,40p >&2
    exit 1
fi

planted=$(probe_object planted_panic)
if [ "$(panics "$planted")" -eq 0 ] || [[ "$(explain "$planted")" != *'roots::planted -> core::panicking'* ]]; then
    echo "nopanic: a planted panic went unnoticed" >&2
    exit 1
fi
echo "nopanic: $functions functions of ${ANY_CONTEXT[*]} reach no panic; a planted one is found"
