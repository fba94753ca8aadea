//! libFuzzer's way into [`counterfoil_fuzz_targets::devices::template_toml`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz_targets::devices::template_toml(data));
