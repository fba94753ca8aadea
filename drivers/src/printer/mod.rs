//! Receipt printers: the language that is spoken to them, and the documents it spells.

pub mod demo;
pub mod escpos;
pub mod limits;
pub mod receipt;
pub mod text;
