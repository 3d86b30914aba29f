//! Runs the target `blob`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| udmi_fuzz::blob::run(input));
