//! A ring section of hostile bytes: every reader ends, goes forward, and stays within the bounds.
#![no_main]

#[path = "../../rust/ring/tests/hostile/slice.rs"]
mod slice;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    slice::exercise(bytes);
});
