//! Fuzz targets: one function for every parser of bytes that somebody else made.
//!
//! A target takes any bytes; it must not panic, hang or grow without bound, and it asserts what is cheap to assert
//! (lengths kept, spans that cover, the same answer in any chunks, text that comes back). The test of this crate
//! feeds each target seeds and seeded mutations of them; `tests/fuzz` runs the same functions under libFuzzer.
//! Seeds are made by our own writers: there are no foreign files here.

pub mod devices;
#[cfg(feature = "engines")]
pub mod hub;
pub mod mutate;
pub mod protocol;
pub mod regressions;
pub mod seeds;
#[cfg(feature = "engines")]
pub mod till;

/// A target: never panics, whatever the bytes.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("escpos_tokens", devices::escpos_tokens),
    ("receipt_reader", devices::receipt_reader),
    ("template_toml", devices::template_toml),
    ("scanner_framing", devices::scanner_framing),
    ("pan_scrubber", devices::pan_scrubber),
    ("spool_reader", devices::spool_reader),
    ("program_toml", protocol::program_toml),
    ("program_json", protocol::program_json),
    ("cel_condition", protocol::cel_condition),
    ("sale_json", protocol::sale_json),
    ("segment", protocol::segment),
    ("record", protocol::record),
    ("page", protocol::page),
    ("grant_request", protocol::grant_request),
    ("grant_answer", protocol::grant_answer),
    ("push_answer", protocol::push_answer),
    ("enrol_request", protocol::enrol_request),
    ("enrol_answer", protocol::enrol_answer),
    ("refusal", protocol::refusal),
    ("cursor", protocol::cursor),
    ("enrolment_code", protocol::enrolment_code),
    ("request_headers", protocol::request_headers),
    ("ids_and_dates", protocol::ids_and_dates),
    #[cfg(feature = "engines")]
    ("marker", till::marker),
    #[cfg(feature = "engines")]
    ("till_page", till::till_page),
    #[cfg(feature = "engines")]
    ("till_grants", till::till_grants),
    #[cfg(feature = "engines")]
    ("hub_request", hub::hub_request),
    #[cfg(feature = "engines")]
    ("hub_records", hub::hub_records),
];

/// A target by its name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// Takes the first byte, which chooses between ways; none is 0.
pub(crate) fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}
