//! libFuzzer's way into [`counterfoil_fuzz_targets::protocol::request_headers`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz_targets::protocol::request_headers(data));
