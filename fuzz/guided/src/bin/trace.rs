//! Runs the target `trace`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| udmi_fuzz::trace::run(input));
