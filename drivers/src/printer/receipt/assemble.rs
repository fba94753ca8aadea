//! Plays tokens on a sheet that nobody sees: code pages, styles, positions, lines, codes, cuts.
//!
//! It keeps what a template needs and no pixels. One document is open at a time; `settled` says up to where
//! the stream has been answered.

use super::line::{LineBuilder, Style};
use super::{Code, Document, End, Line, Reset};
use crate::printer::escpos::{Op, Symbology, Token};
use crate::printer::limits::{DISPLAY_LINES_MAX, DOCUMENT_CODES_MAX, DOCUMENT_LINES_MAX};
use crate::printer::text::{TextDecoder, TextSettings};

const TAB_EVERY_COLUMNS: u8 = 8;
const RESETS_MAX: usize = 16;

/// Puts tokens together into documents.
#[derive(Debug, Clone)]
pub struct Assembler {
    decoder: TextDecoder,
    style: Style,
    gap_dots: u32,
    tab_stops: Vec<u8>,
    to_printer: bool,
    line: LineBuilder,
    display_line: LineBuilder,
    symbol: Option<(Symbology, Vec<u8>)>,
    open: Option<Document>,
    settled: u64,
}

impl Assembler {
    /// Starts at `offset` of the stream.
    pub fn new(text: TextSettings, offset: u64) -> Assembler {
        Assembler {
            decoder: TextDecoder::new(text),
            style: Style::default(),
            gap_dots: 0,
            tab_stops: default_tab_stops(),
            to_printer: true,
            line: LineBuilder::default(),
            display_line: LineBuilder::default(),
            symbol: None,
            open: None,
            settled: offset,
        }
    }

    /// Up to where the stream has been answered: the open document's first byte, or what came after the last.
    pub fn settled(&self) -> u64 {
        self.open.as_ref().map_or(self.settled, |open| open.from)
    }

    /// Takes a token; answers the document that it ends. `ends` says whether a printed line is a template's
    /// last one.
    pub fn push(&mut self, token: &Token, ends: &dyn Fn(&str) -> bool) -> Option<Document> {
        if !matches!(token.op, Op::Text(_)) {
            self.flush_text();
        }
        if self.open.is_none() && !self.begins_document(&token.op) {
            self.settled = token.to;
            return None;
        }
        let open = self.open.get_or_insert_with(|| empty(token.from));
        open.to = token.to;
        match &token.op {
            Op::Cut => {
                self.to_printer = true;
                return self.close(End::Cut, token.from, token.to);
            }
            Op::LineFeed | Op::FormFeed | Op::Row => {
                if self.end_line().is_some_and(|line| ends(&line)) {
                    return self.close(End::Text, token.to, token.to);
                }
            }
            Op::Feed if !self.line.is_empty() => {
                if self.end_line().is_some_and(|line| ends(&line)) {
                    return self.close(End::Text, token.to, token.to);
                }
            }
            op => self.play(op, token.from),
        }
        let too_long = self.open.as_ref().is_some_and(|open| open.lines.len() >= DOCUMENT_LINES_MAX);
        if too_long { self.close(End::TooLong, token.to, token.to) } else { None }
    }

    /// The stream is over.
    pub fn finish(&mut self) -> Option<Document> {
        self.flush_text();
        let to = self.open.as_ref()?.to;
        self.close(End::Unfinished, to, to)
    }

    fn begins_document(&self, op: &Op) -> bool {
        !matches!(
            op,
            Op::Pulse | Op::Feed | Op::LineFeed | Op::Return | Op::FormFeed | Op::Status | Op::Control(_) | Op::Cut
        )
    }

    fn play(&mut self, op: &Op, offset: u64) {
        match op {
            Op::Text(byte) => self.text(*byte),
            Op::Tab if self.to_printer => self.line.tab(&self.tab_stops),
            Op::Initialize => self.initialize(offset),
            Op::Position(dots) if self.to_printer => self.line.place(*dots),
            Op::Move(dots) if self.to_printer => self.line.shift(*dots),
            Op::TabStops(stops) => self.tab_stops = stops.clone(),
            Op::Gap(dots) => self.gap_dots = u32::from(*dots),
            Op::CodePage(number) => self.decoder.select_page(*number, false),
            Op::StarCodePage(number) => self.decoder.select_page(*number, true),
            Op::CharacterSet(number) => self.decoder.select_character_set(*number),
            Op::Kanji(on) => self.decoder.set_multi_byte(*on),
            Op::KanjiSystem(number) => self.decoder.select_system(*number),
            Op::Utf8(on) => self.decoder.set_utf8(*on),
            Op::Route(to) => self.route(*to),
            Op::Image => self.with_open(|open| open.images = open.images.saturating_add(1)),
            Op::Code(symbology, data) => self.code(*symbology, data.clone()),
            Op::SymbolStore(symbology, data) => self.symbol = Some((*symbology, data.clone())),
            Op::SymbolPrint(_) => {
                if let Some((symbology, data)) = self.symbol.clone() {
                    self.code(symbology, data);
                }
            }
            op => self.restyle(op),
        }
    }

    fn restyle(&mut self, op: &Op) {
        let style = &mut self.style;
        match op {
            Op::PrintMode(mode) => {
                *style = Style {
                    font: mode & 1,
                    bold: mode & 8 != 0,
                    high: 1 + (mode >> 4 & 1),
                    wide: 1 + (mode >> 5 & 1),
                    underline: mode & 128 != 0,
                    invert: style.invert,
                };
            }
            Op::Bold(on) => style.bold = *on,
            Op::Underline(on) => style.underline = *on,
            Op::Invert(on) => style.invert = *on,
            Op::Font(font) => style.font = *font,
            Op::Size { wide, high } => (style.wide, style.high) = (*wide, *high),
            Op::Wide(wide) => style.wide = *wide,
            Op::High(high) => style.high = *high,
            _ => {}
        }
    }

    /// `ESC @` clears what has not been printed yet.
    fn initialize(&mut self, offset: u64) {
        self.decoder.reset();
        self.style = Style::default();
        self.gap_dots = 0;
        self.tab_stops = default_tab_stops();
        self.end_line();
        self.with_open(|open| {
            if open.resets.len() < RESETS_MAX && !(open.lines.is_empty() && open.codes.is_empty()) {
                open.resets.push(Reset { lines: open.lines.len(), codes: open.codes.len(), offset });
            }
        });
    }

    fn text(&mut self, byte: u8) {
        let (style, gap) = (self.style, self.gap_dots);
        let line = if self.to_printer { &mut self.line } else { &mut self.display_line };
        self.decoder.push(byte, &mut |character| line.push(character, style, gap));
    }

    fn flush_text(&mut self) {
        let (style, gap) = (self.style, self.gap_dots);
        let line = if self.to_printer { &mut self.line } else { &mut self.display_line };
        self.decoder.flush(&mut |character| line.push(character, style, gap));
    }

    fn route(&mut self, to: u8) {
        if !self.to_printer {
            self.end_line();
        }
        self.to_printer = to & 3 != 2;
    }

    /// Ends the line that is being printed; answers its text if it is the printer's and not empty.
    fn end_line(&mut self) -> Option<String> {
        if !self.to_printer {
            let text = self.display_line.take().text;
            self.with_open(|open| {
                if !text.is_empty() && open.display.len() < DISPLAY_LINES_MAX {
                    open.display.push(text);
                }
            });
            return None;
        }
        let line = self.line.take();
        if line.text.trim().is_empty() {
            return None;
        }
        let text = line.text.clone();
        self.with_open(|open| open.lines.push(line));
        Some(text)
    }

    fn code(&mut self, symbology: Symbology, data: Vec<u8>) {
        let data = code_text(symbology, &data);
        self.with_open(|open| {
            if open.codes.len() < DOCUMENT_CODES_MAX {
                open.codes.push(Code { symbology, data });
            }
        });
    }

    fn with_open(&mut self, change: impl FnOnce(&mut Document)) {
        if let Some(open) = &mut self.open {
            change(open);
        }
    }

    fn close(&mut self, end: End, cut_at: u64, to: u64) -> Option<Document> {
        self.end_line();
        if !self.display_line.is_empty() {
            let text = self.display_line.take().text;
            self.with_open(|open| open.display.push(text));
        }
        self.symbol = None;
        self.settled = to;
        let mut document = self.open.take()?;
        (document.end, document.cut_at, document.to) = (end, cut_at, to);
        let empty = document.lines.is_empty() && document.codes.is_empty() && document.images == 0;
        (!empty).then_some(document)
    }
}

fn empty(from: u64) -> Document {
    Document {
        from,
        to: from,
        cut_at: from,
        end: End::Unfinished,
        lines: Vec::<Line>::new(),
        codes: Vec::new(),
        display: Vec::new(),
        images: 0,
        resets: Vec::new(),
    }
}

fn default_tab_stops() -> Vec<u8> {
    (1..=31).map(|stop| stop * TAB_EVERY_COLUMNS).collect()
}

/// Code 128 data begins with a set (`{A`, `{B`, `{C`); set C holds two digits in a byte, and data without a
/// set may be plain.
fn code_text(symbology: Symbology, data: &[u8]) -> String {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !matches!(symbology, Symbology::Code128 | Symbology::Gs1128) {
        return lossy(data);
    }
    let (mut text, mut pairs, mut rest) = (String::new(), false, data);
    while let [byte, after @ ..] = rest {
        match (byte, after) {
            (b'{', [set @ b'A'..=b'C', tail @ ..]) => (pairs, rest) = (*set == b'C', tail),
            (b'{', [b'{', tail @ ..]) => {
                text.push('{');
                rest = tail;
            }
            (b'{', [b'1'..=b'4' | b'S', tail @ ..]) => rest = tail,
            (pair @ 0..=99, tail) if pairs => {
                text.push_str(&format!("{pair:02}"));
                rest = tail;
            }
            (byte, tail) => {
                text.push_str(&lossy(&[*byte]));
                rest = tail;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_128_sets() {
        assert_eq!(code_text(Symbology::Code128, b"{B310114"), "310114");
        assert_eq!(code_text(Symbology::Code128, b"{C\x01\x02\x2a{Bab"), "010242ab");
        assert_eq!(code_text(Symbology::Code128, b"210000345678"), "210000345678");
        assert_eq!(code_text(Symbology::Ean13, b"5002004821303"), "5002004821303");
    }
}
