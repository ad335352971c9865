//! A record of hostile bytes: refused, or decoded and shown in every format, as text that is UTF-8 and ends.
#![no_main]

#[path = "../../rust/record/tests/hostile/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exercise::exercise(bytes);
});
