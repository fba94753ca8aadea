//! One printed line: pieces of text at positions become a row of characters with columns.
//!
//! Generators place columns with `ESC $` and `ESC \` and print no space between a name and its price; a
//! position therefore becomes at least one space. Widths are counted in dots, 12 to a column of font A.

use crate::printer::limits::LINE_CHARS_MAX;
use crate::printer::text::columns;

const COLUMN_DOTS: u32 = 12;
const FONT_B_DOTS: u32 = 9;
const POSITION_DOTS_MAX: u32 = 65_535;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Emphasised or double-struck.
    pub bold: bool,
    /// Underlined.
    pub underline: bool,
    /// White on black.
    pub invert: bool,
    /// Times as wide, 1 to 8.
    pub wide: u8,
    /// Times as high, 1 to 8.
    pub high: u8,
    /// 0 = font A.
    pub font: u8,
}

impl Default for Style {
    fn default() -> Style {
        Style { bold: false, underline: false, invert: false, wide: 1, high: 1, font: 0 }
    }
}

/// A piece of a line: a range of [`Line::text`] in one style, from a column on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Column on the paper, counted from 0 in characters of font A.
    pub column: u32,
    /// Where it lies in the line's text, in bytes.
    pub bytes: std::ops::Range<usize>,
    /// How it looks.
    pub style: Style,
}

/// A printed line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// As one row, without spaces at its end.
    pub text: String,
    /// The pieces it was printed in.
    pub spans: Vec<Span>,
}

#[derive(Debug, Clone)]
struct Piece {
    from_dots: u32,
    to_dots: u32,
    text: String,
    style: Style,
}

/// Collects one line.
#[derive(Debug, Clone, Default)]
pub(super) struct LineBuilder {
    pieces: Vec<Piece>,
    cursor_dots: u32,
    chars: usize,
    /// Characters were dropped because the line was too long.
    pub(super) overflowed: bool,
}

impl LineBuilder {
    /// Nothing was printed on it.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn push(&mut self, character: char, style: Style, gap_dots: u32) {
        if self.chars >= LINE_CHARS_MAX {
            self.overflowed = true;
            return;
        }
        self.chars += 1;
        let width = if style.font == 0 { COLUMN_DOTS } else { FONT_B_DOTS };
        let dots = (width * columns(character) + gap_dots) * u32::from(style.wide);
        let from_dots = self.cursor_dots;
        self.cursor_dots = from_dots.saturating_add(dots);
        match self.pieces.last_mut() {
            Some(piece) if piece.to_dots == from_dots && piece.style == style => {
                piece.text.push(character);
                piece.to_dots = self.cursor_dots;
            }
            _ => self.pieces.push(Piece { from_dots, to_dots: self.cursor_dots, text: character.into(), style }),
        }
    }

    pub(super) fn place(&mut self, dots: u16) {
        self.cursor_dots = u32::from(dots);
    }

    pub(super) fn shift(&mut self, dots: i16) {
        self.cursor_dots = self.cursor_dots.saturating_add_signed(i32::from(dots)).min(POSITION_DOTS_MAX);
    }

    /// To the next stop; behind the last, as far as one character.
    pub(super) fn tab(&mut self, stops: &[u8]) {
        let column = self.cursor_dots / COLUMN_DOTS;
        let next = stops.iter().map(|stop| u32::from(*stop)).find(|stop| *stop > column);
        self.cursor_dots = match next {
            Some(stop) => stop * COLUMN_DOTS,
            None => self.cursor_dots.saturating_add(COLUMN_DOTS).min(POSITION_DOTS_MAX),
        };
    }

    /// The line as a row, left to right; the builder is empty after it.
    pub(super) fn take(&mut self) -> Line {
        let LineBuilder { mut pieces, chars, .. } = std::mem::take(self);
        pieces.sort_by_key(|piece| piece.from_dots);
        // The same text at the same place is a second strike, not a second text.
        pieces.dedup_by(|second, first| second.from_dots == first.from_dots && second.text == first.text);
        let mut line = Line::default();
        let (mut row_columns, mut end_dots) = (0, 0);
        // A position may lie far beyond any paper: spaces count as characters of the line.
        let mut spare = LINE_CHARS_MAX.saturating_sub(chars);
        for piece in pieces {
            let column = piece.from_dots / COLUMN_DOTS;
            if piece.from_dots != end_dots {
                let least = if line.text.is_empty() { 0 } else { 1 };
                let pad = column.saturating_sub(row_columns).max(least);
                let spaces = spare.min(pad as usize);
                line.text.extend(std::iter::repeat_n(' ', spaces));
                spare -= spaces;
                row_columns += pad;
            }
            let start = line.text.len();
            line.text.push_str(&piece.text);
            row_columns += piece.text.chars().map(columns).sum::<u32>();
            end_dots = piece.to_dots;
            line.spans.push(Span { column, bytes: start..line.text.len(), style: piece.style });
        }
        let kept = line.text.trim_end_matches([' ', '\u{a0}']).len();
        line.text.truncate(kept);
        for span in &mut line.spans {
            span.bytes = span.bytes.start.min(kept)..span.bytes.end.min(kept);
        }
        line.spans.retain(|span| !span.bytes.is_empty());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(builder: &mut LineBuilder, text: &str, style: Style) {
        text.chars().for_each(|character| builder.push(character, style, 0));
    }

    #[test]
    fn positions_become_spaces() {
        let mut builder = LineBuilder::default();
        print(&mut builder, "1", Style::default());
        builder.place(80);
        print(&mut builder, "AVOCADO", Style::default());
        builder.place(440);
        print(&mut builder, "3.00", Style::default());
        let line = builder.take();
        assert_eq!(line.text, "1     AVOCADO                       3.00");
        assert_eq!(line.spans.iter().map(|span| span.column).collect::<Vec<_>>(), [0, 6, 36]);
        assert!(builder.is_empty());
    }

    #[test]
    fn a_full_column_still_leaves_one_space() {
        let mut builder = LineBuilder::default();
        print(&mut builder, "ABCDEFGH", Style::default());
        builder.place(48);
        print(&mut builder, "9.99", Style::default());
        assert_eq!(builder.take().text, "ABCDEFGH 9.99");
    }

    #[test]
    fn styles_do_not_tear_text_and_a_second_strike_is_one_text() {
        let mut builder = LineBuilder::default();
        print(&mut builder, "TOTAL ", Style { wide: 2, ..Style::default() });
        print(&mut builder, "9.99", Style::default());
        builder.place(0);
        print(&mut builder, "TOTAL ", Style { wide: 2, ..Style::default() });
        assert_eq!(builder.take().text, "TOTAL 9.99");
    }

    #[test]
    fn tab_stops() {
        let mut builder = LineBuilder::default();
        print(&mut builder, "Remise", Style::default());
        for _ in 0..3 {
            builder.tab(&[22, 27, 36]);
        }
        print(&mut builder, "-2,53", Style::default());
        assert_eq!(builder.take().text, "Remise                              -2,53");
    }
}
