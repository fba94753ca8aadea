//! What bounds the reading of a printer line: a hostile or endless stream costs no more than this.

/// Longest payload of one command that is believed; a longer one is noise, and reading goes on after its head.
pub const PAYLOAD_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Longest data of a bar code or 2D code that is kept.
pub const CODE_BYTES_MAX: usize = 7 * 1024 + 128;
/// Longest head of one command (mode, lengths, fixed parameters).
pub const HEAD_BYTES_MAX: usize = 48;
/// Longest parameter list that runs until a terminator.
pub const LIST_BYTES_MAX: usize = 255;
/// Tab stops that a printer takes (Epson, `ESC D`).
pub const TAB_STOPS_MAX: usize = 32;

/// Characters of one line; the rest of the line is dropped and the document marked.
pub const LINE_CHARS_MAX: usize = 1024;
/// Lines of one document; it ends there as `partial`, marked `too-long`.
pub const DOCUMENT_LINES_MAX: usize = 5000;
/// Codes of one document.
pub const DOCUMENT_CODES_MAX: usize = 64;
/// Lines for the customer display kept with one document.
pub const DISPLAY_LINES_MAX: usize = 64;
