//! Payment card numbers: found and masked before anything keeps or sends text.

/// Masks what could be a payment card number.
#[derive(Debug, Clone, Default)]
pub struct Scrubber {}
