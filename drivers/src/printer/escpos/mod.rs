//! ESC/POS: the bytes that a till sends to a receipt printer, read and written.
//!
//! [`Tokenizer`] cuts a stream into commands and characters by the lengths that Epson's reference gives
//! (ESC/POS Command Reference, TM printers) and, after a Star prefix, by those of Star's line mode. It never
//! renders. [`encode::Encoder`] writes streams, for virtual tills and fixtures.

pub mod encode;
mod epson;
mod star;
mod token;
mod tokenizer;

pub use token::{Dialect, Op, Symbology, Token};
pub use tokenizer::Tokenizer;
