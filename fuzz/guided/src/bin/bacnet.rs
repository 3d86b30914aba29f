//! Runs the target `bacnet`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| udmi_fuzz::bacnet::run(input));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    udmi_fuzz_guided::mutate(data, size, most, seed, udmi_fuzz::bacnet::repair)
});
