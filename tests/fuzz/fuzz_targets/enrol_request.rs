//! libFuzzer's way into [`counterfoil_fuzz_targets::protocol::enrol_request`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz_targets::protocol::enrol_request(data));
