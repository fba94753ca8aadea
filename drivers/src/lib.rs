//! POS hardware: ports, printer streams, receipt layouts, scanners.
//!
//! Uses nothing of ours; its own plain types speak the published interface. Bytes never panic.
#![deny(missing_docs)]

pub mod captured;
pub mod pan;
pub mod parse;
pub mod port;
pub mod printer;
pub mod reader;
pub mod scanner;
pub mod spool;
pub mod tap;
pub mod template;
pub mod virtual_hw;

pub use captured::{CapturedSale, CapturedTotals, Class, Parsed};
pub use reader::Reader;
pub use template::Template;
