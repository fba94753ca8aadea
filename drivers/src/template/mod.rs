//! Receipt layouts as data: a TOML file says how a shop's receipts read.

/// A checked template.
#[derive(Debug, Clone)]
pub struct Template {}
