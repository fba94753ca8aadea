//! Cuts a printer's stream into tokens, one byte at a time.
//!
//! Invariants: tokens follow each other without a gap and cover the stream exactly; no input panics or stops
//! it; the answer does not depend on chunks; memory is bounded by [`crate::printer::limits`]. An unknown
//! command is skipped by its shortest sensible length and reading goes on with the next byte.

use super::epson::{self, Build, Section, Step};
use super::star;
use super::token::{Dialect, Op, Symbology, Token};
use crate::printer::limits::{CODE_BYTES_MAX, HEAD_BYTES_MAX, LIST_BYTES_MAX, PAYLOAD_BYTES_MAX, TAB_STOPS_MAX};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The head of a command, or nothing yet.
    Head,
    /// So many bytes of payload are left.
    Payload { left: u64, build: Build },
    /// A list that runs to `stop`.
    Until { stop: u8, build: Build },
    /// The head of a section is being read.
    SectionHead { count: u32, section: Section },
    /// The body of a section.
    SectionBody { left: u64, count: u32, section: Section },
}

/// An incremental reader of one stream.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    dialect: Dialect,
    star: bool,
    display: bool,
    bare_kick: bool,
    state: State,
    head: Vec<u8>,
    kept: Vec<u8>,
    from: u64,
    bytes: u64,
}

impl Tokenizer {
    /// Starts at `offset` of the stream.
    pub fn new(dialect: Dialect, offset: u64) -> Tokenizer {
        Tokenizer {
            dialect,
            star: dialect == Dialect::StarLine,
            display: false,
            bare_kick: false,
            state: State::Head,
            head: Vec::with_capacity(HEAD_BYTES_MAX),
            kept: Vec::new(),
            from: offset,
            bytes: 0,
        }
    }

    /// Takes the next bytes and hands each token that is complete to `sink`.
    pub fn push(&mut self, bytes: &[u8], mut sink: impl FnMut(Token)) {
        for byte in bytes {
            self.byte(*byte, &mut sink);
        }
    }

    /// The stream is over: what stands half read is answered as [`Op::Incomplete`].
    pub fn finish(&mut self, mut sink: impl FnMut(Token)) {
        if self.bytes > 0 {
            self.emit(self.bytes, Op::Incomplete, &mut sink);
        }
    }

    /// Whether the stream stands inside a command.
    pub fn inside_command(&self) -> bool {
        self.bytes > 0
    }

    fn byte(&mut self, byte: u8, sink: &mut impl FnMut(Token)) {
        self.bytes += 1;
        match self.state {
            State::Head => self.head_byte(byte, sink),
            State::Payload { left, build } => {
                self.keep(byte, build);
                match left {
                    0 | 1 => self.complete(build, sink),
                    left => self.state = State::Payload { left: left - 1, build },
                }
            }
            State::Until { stop, build } => self.list_byte(byte, stop, build, sink),
            State::SectionHead { count, section } => self.section_head_byte(byte, count, section, sink),
            State::SectionBody { left: 0 | 1, count, section } => self.next_section(count - 1, section, sink),
            State::SectionBody { left, count, section } => {
                self.state = State::SectionBody { left: left - 1, count, section };
            }
        }
    }

    fn head_byte(&mut self, byte: u8, sink: &mut impl FnMut(Token)) {
        self.head.push(byte);
        if self.dialect == Dialect::Auto && !self.star && star::begins_star(&self.head) {
            self.star = true;
        }
        let step = if self.head.len() >= HEAD_BYTES_MAX {
            Step::Split { take: self.head.len() - 1, op: Op::Unknown }
        } else if self.display {
            epson::display_step(&self.head)
        } else if self.star {
            star::step(&self.head)
        } else if self.dialect == Dialect::Auto && self.may_be_star() {
            Step::More
        } else {
            epson::step(&self.head, self.bare_kick)
        };
        match step {
            Step::More => {}
            Step::Done(op) => self.emit(self.bytes, op, sink),
            Step::Split { take, op } => self.split(take, op, sink),
            Step::Payload { bytes, .. } if bytes > PAYLOAD_BYTES_MAX => self.emit(self.bytes, Op::Unknown, sink),
            Step::Payload { bytes: 0, build } => self.complete(build, sink),
            Step::Payload { bytes, build } => self.state = State::Payload { left: bytes, build },
            Step::Until { stop, build } => self.state = State::Until { stop, build },
            Step::Sections { count, section } => self.next_section(count, section, sink),
        }
    }

    /// `ESC RS` and `ESC GS` wait for one more byte, which says whether the printer is a Star.
    fn may_be_star(&self) -> bool {
        matches!(self.head.as_slice(), [epson::ESC, epson::RS] | [epson::ESC, epson::GS])
    }

    fn list_byte(&mut self, byte: u8, stop: u8, build: Build, sink: &mut impl FnMut(Token)) {
        if byte == stop {
            return self.complete(build, sink);
        }
        let foreign = match build {
            Build::TabStops => {
                self.kept.len() >= TAB_STOPS_MAX || self.kept.last().is_some_and(|previous| byte <= *previous)
            }
            Build::Bar(_) => byte < 0x20 || self.kept.len() >= LIST_BYTES_MAX,
            _ => self.kept.len() >= LIST_BYTES_MAX,
        };
        if !foreign {
            self.kept.push(byte);
            return;
        }
        // Epson: a list that is not in order ends there, and the byte is read as ordinary data.
        let take = self.bytes - 1;
        let op = if build == Build::TabStops { Op::TabStops(std::mem::take(&mut self.kept)) } else { Op::Unknown };
        self.emit(take, op, sink);
        self.byte(byte, sink);
    }

    fn next_section(&mut self, count: u32, section: Section, sink: &mut impl FnMut(Token)) {
        self.kept.clear();
        match count {
            0 => self.emit(self.bytes, Op::Other, sink),
            count => self.state = State::SectionHead { count, section },
        }
    }

    fn section_head_byte(&mut self, byte: u8, count: u32, section: Section, sink: &mut impl FnMut(Token)) {
        self.kept.push(byte);
        let word = |at: usize| u64::from(u16::from_le_bytes([self.kept[at], self.kept[at + 1]]));
        let left = match (section, self.kept.len()) {
            (Section::Glyph { bytes_high }, 1) => u64::from(byte) * u64::from(bytes_high),
            (Section::NvImage, 4) => word(0) * word(2) * 8,
            (Section::Bitmap, 6) => (word(2) + word(4) * 65_536).saturating_sub(6),
            _ => return,
        };
        match left {
            left if left > PAYLOAD_BYTES_MAX => self.emit(self.bytes, Op::Unknown, sink),
            0 => self.next_section(count - 1, section, sink),
            left => self.state = State::SectionBody { left, count, section },
        }
    }

    fn keep(&mut self, byte: u8, build: Build) {
        let most = match build {
            Build::Symbol | Build::StarSymbol(_) | Build::Bar(_) => CODE_BYTES_MAX,
            _ => 16,
        };
        if self.kept.len() < most {
            self.kept.push(byte);
        }
    }

    fn complete(&mut self, build: Build, sink: &mut impl FnMut(Token)) {
        let kept = std::mem::take(&mut self.kept);
        let op = match build {
            Build::Other => Op::Other,
            Build::Image => Op::Image,
            Build::Bar(symbology) => Op::Code(symbology, kept),
            Build::TabStops => Op::TabStops(kept),
            Build::Symbol => symbol(&kept),
            Build::Graphics => match kept.get(1) {
                Some(2 | 50 | 69 | 85 | 112 | 113) => Op::Image,
                _ => Op::Other,
            },
            Build::Encoding => match kept.as_slice() {
                [48, 2 | b'2', ..] => Op::Utf8(true),
                [48, 1 | b'1', ..] => Op::Utf8(false),
                _ => Op::Other,
            },
            Build::StarSymbol(symbology) => Op::SymbolStore(symbology, kept),
            Build::StarBar => Op::Code(star_symbology(&self.head), kept),
        };
        self.emit(self.bytes, op, sink);
    }

    fn split(&mut self, take: usize, op: Op, sink: &mut impl FnMut(Token)) {
        let rest: Vec<u8> = self.head[take..].to_vec();
        let kick = op == Op::Pulse;
        self.emit(take as u64, op, sink);
        self.bare_kick = kick;
        for byte in rest {
            self.byte(byte, sink);
        }
    }

    fn emit(&mut self, bytes: u64, op: Op, sink: &mut impl FnMut(Token)) {
        match op {
            Op::Route(to) => self.display = to & 3 == 2,
            Op::Cut => {
                self.display = false;
                self.star = self.dialect == Dialect::StarLine;
            }
            _ => {}
        }
        let from = self.from;
        self.from += bytes;
        self.bytes = 0;
        self.state = State::Head;
        self.head.clear();
        self.kept.clear();
        self.bare_kick = false;
        sink(Token { from, to: self.from, op });
    }
}

/// `GS ( k`: function 80 stores data, function 81 prints it.
fn symbol(kept: &[u8]) -> Op {
    let symbology = match kept.first() {
        Some(48) => Symbology::Pdf417,
        Some(49) => Symbology::Qr,
        Some(51) => Symbology::DataBar,
        _ => Symbology::TwoD,
    };
    match kept.get(1) {
        Some(80) => Op::SymbolStore(symbology, kept.get(3..).unwrap_or_default().to_vec()),
        Some(81) => Op::SymbolPrint(symbology),
        _ => Op::Other,
    }
}

/// `ESC b n1 …`: the first parameter names the kind.
fn star_symbology(head: &[u8]) -> Symbology {
    match head.get(2).map(|kind| kind & 0x0F) {
        Some(0) => Symbology::UpcE,
        Some(1) => Symbology::UpcA,
        Some(2) => Symbology::Ean8,
        Some(3) => Symbology::Ean13,
        Some(4) => Symbology::Code39,
        Some(5) => Symbology::Itf,
        Some(6) => Symbology::Code128,
        Some(7) => Symbology::Code93,
        Some(8) => Symbology::Codabar,
        _ => Symbology::Unknown,
    }
}
