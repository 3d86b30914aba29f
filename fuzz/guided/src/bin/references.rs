//! Runs the target `references`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| udmi_fuzz::references::run(input));
