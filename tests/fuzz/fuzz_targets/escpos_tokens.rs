//! libFuzzer's way into [`counterfoil_fuzz_targets::devices::escpos_tokens`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz_targets::devices::escpos_tokens(data));
