//! From tokens to documents: what was printed between two cuts.
//!
//! A document ends at a cut or, without a cutter, after the line that the template names; never at a pause.
//! Pulses, feeds and status requests after the cut start no new document. Text that `ESC =` sends to a
//! customer display is kept apart. A document that grows beyond its limits ends as [`End::TooLong`].

mod assemble;
mod line;

pub use assemble::Assembler;
pub use line::{Line, Span, Style};

use super::escpos::Symbology;

/// How a document ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The paper was cut.
    Cut,
    /// The template's last line was printed.
    Text,
    /// The stream ended first.
    Unfinished,
    /// It grew beyond the limits.
    TooLong,
}

/// A printed code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Its kind.
    pub symbology: Symbology,
    /// Its data as text, without a Code 128 set prefix.
    pub data: String,
}

/// A place where the printer was reset although something had been printed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    /// Lines printed before it.
    pub lines: usize,
    /// Codes printed before it.
    pub codes: usize,
    /// Offset of its first byte.
    pub offset: u64,
}

/// What was printed between two cuts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Offset of its first byte.
    pub from: u64,
    /// Offset after the byte that ended it.
    pub to: u64,
    /// Offset of the first byte of the cut; `to` if it did not end by one.
    pub cut_at: u64,
    /// How it ended.
    pub end: End,
    /// Printed lines, empty ones left out.
    pub lines: Vec<Line>,
    /// Printed codes.
    pub codes: Vec<Code>,
    /// Lines for the customer display.
    pub display: Vec<String>,
    /// How many images were printed.
    pub images: u32,
    /// Where the printer was reset in between.
    pub resets: Vec<Reset>,
}

impl Document {
    /// Nothing that could be read, and pixels in its place.
    pub fn is_unreadable(&self) -> bool {
        self.images > 0 && !self.lines.iter().any(|line| line.text.chars().any(char::is_alphanumeric))
    }
}
