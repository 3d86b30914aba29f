//! Runs the target `endpoint`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| udmi_fuzz::endpoint::run(input));
