//! Receipt printers: what is said to them.
pub mod limits;
