//! libFuzzer's way into [`counterfoil_fuzz_targets::devices::scanner_framing`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz_targets::devices::scanner_framing(data));
