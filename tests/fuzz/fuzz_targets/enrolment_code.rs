//! libFuzzer's way into [`counterfoil_fuzz_targets::protocol::enrolment_code`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterfoil_fuzz_targets::protocol::enrolment_code(data));
