//! libFuzzer's way into [`counterfoil_fuzz_targets::till::till_grants`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz_targets::till::till_grants(data));
