//! libFuzzer's way into [`counterfoil_fuzz_targets::hub::hub_records`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz_targets::hub::hub_records(data));
