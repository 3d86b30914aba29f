//! Runs the target `wire`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| udmi_fuzz::wire::run(input));
