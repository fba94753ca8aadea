//! libFuzzer's way into [`counterfoil_fuzz_targets::protocol::program_toml`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz_targets::protocol::program_toml(data));
