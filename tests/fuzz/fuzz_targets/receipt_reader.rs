//! libFuzzer's way into [`counterfoil_fuzz_targets::devices::receipt_reader`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz_targets::devices::receipt_reader(data));
