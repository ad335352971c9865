# Sourced by nopanic.sh and nostd.sh, from the root of the repository: the any-context crates as one shared object.
#
# They are compiled as the release is, but for three things that make the proof exact: without link-time optimisation, so
# that each crate has object code; without inlining of what is not marked for it, so that small functions that nobody calls
# yet are judged too (those marked `inline` are judged where they are called); and with panic=abort, so that unwinding
# does not stand for panics. The roots crate instantiates what is generic. Then everything is linked with `--gc-sections`
# against nothing but `core` and the crates' own dependencies: what is left of `core` in the result is what the code can
# reach.

PROBE=$PWD/target/probe
ANY_CONTEXT=(pr-ring pr-record pr-printk)

# The probe's own workspace, with the versions of the committed Cargo.lock.
probe_lay_out() {
    mkdir -p "$PROBE/src"
    cp Cargo.lock "$PROBE/Cargo.lock"
    cp ci/probe/roots.rs "$PROBE/src/lib.rs"
    {
        printf '[package]\nname = "roots"\nversion = "0.0.0"\nedition = "2024"\n\n[workspace]\n\n[dependencies]\n'
        for crate in "${ANY_CONTEXT[@]}"; do
            printf '%s = { path = "%s" }\n' "$crate" "$PWD/rust/${crate#pr-}"
        done
        printf '\n[profile.release]\nopt-level = 3\nlto = "off"\ncodegen-units = 1\npanic = "abort"\n'
    } >"$PROBE/Cargo.toml"
}

# probe_build [CFG]: compiles; prints the paths of the libraries of all crates, one a line.
probe_build() {
    local cfg=${1:+--cfg $1}
    # RUSTC_BOOTSTRAP: the stable compiler has the option, but takes it only so.
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zcross-crate-inline-threshold=never -Csymbol-mangling-version=v0 -Cdebuginfo=0 $cfg" CARGO_TARGET_DIR="$PROBE/target${1:+-$1}" \
        cargo build --quiet --release --manifest-path "$PROBE/Cargo.toml" --message-format=json |
        grep -o '"filenames":\["[^"]*\.rlib"' | cut -d'"' -f4
}

# probe_roots RLIB...: every function that these crates define, public or not, by its symbol. But for what `derive(Debug)`
# and its like make: they format for people, and nobody formats for people in a signal handler; where somebody calls one
# all the same, it is reached from the caller.
probe_roots() {
    local symbols
    symbols=$(nm --defined-only --format=posix "$@" 2>/dev/null | awk '$2 ~ /^[TW]$/ { print $1 }' | sort -u)
    paste -d' ' <(echo "$symbols") <(c++filt <<<"$symbols" | sed 's/\[[0-9a-f]*\]//g') |
        grep -E ' .*\<(pr_ring|pr_record|pr_printk|roots)::' | grep -vE ' .*core::fmt::' | cut -d' ' -f1
}

# probe_link OUT RLIB...: our functions are the roots; other code is kept as far as it is reached from them.
probe_link() {
    local out=$1 own=() others=() lib core
    shift
    for lib in "$@"; do
        case $(basename "$lib") in
        libpr_* | libroots*) own+=("$lib") ;;
        *) others+=("$lib") ;;
        esac
    done
    core=$(rustc --print target-libdir)
    probe_roots "${own[@]}" | sed 's/^/--undefined=/' >"$out.roots"
    echo '{ local: *; };' >"$out.map"
    printf '%s\n' "${own[@]}" "${others[@]}" >"$out.libs"
    ld -shared --gc-sections --no-warn-execstack --version-script="$out.map" -o "$out" "@$out.roots" \
        "${own[@]}" --start-group "${others[@]}" "$core"/libcore-*.rlib "$core"/libcompiler_builtins-*.rlib --end-group
}

# probe_object [CFG]: builds and links; prints the path of the shared object.
probe_object() {
    local libs out=$PROBE/reach${1:+-$1}.so
    libs=$(probe_build "$@")
    # shellcheck disable=SC2086  # one path a line, and no blanks in them
    probe_link "$out" $libs
    echo "$out"
}

# The Rust symbols that nothing here defines, demangled. A panic ends in `rust_begin_unwind`, which only std has.
probe_undefined() {
    nm --undefined-only --demangle "$1" | sed 's/^ *U //' | grep -E '::|^_R|^_ZN|rust_begin_unwind|__rust' || true
}
