//! Star line mode, as far as it must be skipped sanely and its text, codes, positions and cuts read. Source:
//! Star Micronics, Line Mode Command Specifications.
//!
//! The same letters mean other things than at Epson: `ESC d` cuts, `ESC E` takes no parameter, `FS` alone is
//! a drawer pulse. It is told apart by prefixes that Epson does not use ([`begins_star`]).

use super::epson::{Build, ESC, GS, RS, Step};
use super::token::{Op, Symbology};

/// Whether these three bytes show that the printer is a Star.
pub(super) fn begins_star(head: &[u8]) -> bool {
    match head {
        [ESC, RS, letter, ..] => b"aFCEArdL".contains(letter),
        [ESC, GS, letter, ..] => b"atARySx".contains(letter),
        _ => false,
    }
}

fn fixed(head: &[u8], bytes: usize, op: impl FnOnce(&[u8]) -> Op) -> Step {
    if head.len() < bytes { Step::More } else { Step::Done(op(head)) }
}

fn word(head: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([head[at], head[at + 1]])
}

/// The next step for a command whose bytes so far are `head` (not empty).
pub(super) fn step(head: &[u8]) -> Step {
    match (head[0], head.get(1)) {
        (ESC, None) => Step::More,
        (ESC, Some(_)) => esc(head),
        (0x07 | 0x1C | 0x19 | 0x1A, _) => Step::Done(Op::Pulse),
        (0x0E, _) => Step::Done(Op::Wide(2)),
        (0x14, _) => Step::Done(Op::Wide(1)),
        (0x0F, _) => Step::Done(Op::Invert(true)),
        (0x12, _) => Step::Done(Op::Invert(false)),
        // Cuts of ESC/POS are honoured too: a Star printer in ESC/POS emulation mixes nothing else in.
        (GS, None) => Step::More,
        (GS, Some(b'V')) => super::epson::step(head, false),
        (GS, Some(b'r')) => fixed(head, 3, |_| Op::Status),
        (GS, Some(_)) => Step::Split { take: 1, op: Op::Unknown },
        (byte, _) => match byte {
            0x0A => Step::Done(Op::LineFeed),
            0x0D => Step::Done(Op::Return),
            0x0C => Step::Done(Op::FormFeed),
            0x09 => Step::Done(Op::Tab),
            0x00..=0x1F | 0x7F => Step::Done(Op::Control(byte)),
            _ => Step::Done(Op::Text(byte)),
        },
    }
}

fn esc(head: &[u8]) -> Step {
    match head[1] {
        b'@' => Step::Done(Op::Initialize),
        b'd' => fixed(head, 3, |_| Op::Cut),
        b'E' | b'G' => Step::Done(Op::Bold(true)),
        b'F' | b'H' => Step::Done(Op::Bold(false)),
        b'4' => Step::Done(Op::Invert(true)),
        b'5' => Step::Done(Op::Invert(false)),
        b'p' => Step::Done(Op::Kanji(true)),
        b'q' => Step::Done(Op::Kanji(false)),
        b'M' | b'P' | b':' | b'0' | b'1' | b'2' => Step::Done(Op::Other),
        b'W' => fixed(head, 3, |head| Op::Wide((head[2] & 0x07) + 1)),
        b'h' => fixed(head, 3, |head| Op::High((head[2] & 0x07) + 1)),
        b'i' => fixed(head, 4, |head| Op::Size { high: (head[2] & 7) + 1, wide: (head[3] & 7) + 1 }),
        b'-' => fixed(head, 3, |head| Op::Underline(head[2] & 3 != 0)),
        b'_' | b'l' | b'Q' | b'R' | b' ' | b'z' | b'A' | b'3' | b'x' | b'y' | b'u' | b'r' | b'~' | b'%' => {
            fixed(head, 3, |head| match head[1] {
                b'R' => Op::CharacterSet(head[2]),
                b' ' => Op::Gap(head[2]),
                _ => Op::Other,
            })
        }
        b'a' | b'J' | b'j' | b'I' => fixed(head, 3, |_| Op::Feed),
        b'$' => fixed(head, 3, |head| if head[2] & 1 == 1 { Op::KanjiSystem(1) } else { Op::Kanji(false) }),
        b's' | b't' => fixed(head, 4, |_| Op::Other),
        b'C' if head.get(2) == Some(&0) => fixed(head, 4, |_| Op::Other),
        b'C' => fixed(head, 3, |_| Op::Other),
        b'D' => Step::Until { stop: 0, build: Build::TabStops },
        b'B' => Step::Until { stop: 0, build: Build::Other },
        0x07 => fixed(head, 4, |_| Op::Pulse),
        b'K' | b'L' if head.len() < 4 => Step::More,
        b'K' | b'L' => Step::Payload { bytes: u64::from(word(head, 2)), build: Build::Image },
        b'^' if head.len() < 5 => Step::More,
        b'^' => Step::Payload { bytes: u64::from(word(head, 3)) * 2, build: Build::Image },
        b'k' | b'X' if head.len() < 4 => Step::More,
        b'k' => Step::Payload { bytes: u64::from(head[2]) * 24, build: Build::Image },
        b'X' => Step::Payload { bytes: u64::from(word(head, 2)) * 3, build: Build::Image },
        b'b' if head.len() < 6 => Step::More,
        b'b' => Step::Until { stop: RS, build: Build::StarBar },
        b'*' => Step::Until { stop: 0, build: Build::Other },
        RS => fixed(head, 4, |head| match head[2] {
            b'F' => Op::Font(head[3] & 0x0F),
            b'a' => Op::Status,
            b'L' => Op::Image,
            _ => Op::Other,
        }),
        0x1C => match head.get(2) {
            None => Step::More,
            Some(b'p') => fixed(head, 5, |_| Op::Image),
            Some(_) => Step::Done(Op::Unknown),
        },
        GS => esc_gs(head),
        0x06 => fixed(head, 3, |_| Op::Status),
        ESC | 0x0A | 0x0D => Step::Split { take: 1, op: Op::Unknown },
        _ => Step::Done(Op::Unknown),
    }
}

fn esc_gs(head: &[u8]) -> Step {
    let Some(letter) = head.get(2) else { return Step::More };
    match letter {
        b'a' => fixed(head, 4, |head| Op::Align(head[3] & 3)),
        b't' => fixed(head, 4, |head| Op::StarCodePage(head[3])),
        b'=' | b'b' => fixed(head, 4, |_| Op::Other),
        b'A' => fixed(head, 5, |head| Op::Position(word(head, 3))),
        b'R' => fixed(head, 5, |head| Op::Move(word(head, 3) as i16)),
        0x07 => fixed(head, 6, |_| Op::Pulse),
        0x03 => fixed(head, 7, |_| Op::Status),
        b'#' => Step::Until { stop: 0, build: Build::Other },
        b'(' | b')' if head.len() < 6 => Step::More,
        b'(' | b')' => Step::Payload { bytes: u64::from(word(head, 4)), build: Build::Encoding },
        b'S' if head.len() < 9 => Step::More,
        b'S' => Step::Payload { bytes: u64::from(word(head, 4)) * u64::from(word(head, 6)), build: Build::Image },
        b'P' => match head.get(3) {
            None => Step::More,
            Some(b'2') => fixed(head, 5, |_| Op::Other),
            Some(b'3') => fixed(head, 12, |_| Op::Row),
            Some(b'4') => fixed(head, 6, |_| Op::Row),
            Some(b'0') => Step::Done(Op::PageMode(true)),
            Some(b'1') => Step::Done(Op::PageMode(false)),
            Some(_) => Step::Done(Op::Other),
        },
        b'y' | b'x' => symbol(head, if *letter == b'y' { Symbology::Qr } else { Symbology::Pdf417 }),
        _ => Step::Done(Op::Unknown),
    }
}

/// `ESC GS y …` (QR) and `ESC GS x …` (PDF417).
fn symbol(head: &[u8], symbology: Symbology) -> Step {
    match (head.get(3), head.get(4)) {
        (None, _) | (Some(b'S' | b'D'), None) => Step::More,
        (Some(b'S'), Some(b'0')) if symbology == Symbology::Pdf417 => fixed(head, 8, |_| Op::Other),
        (Some(b'S'), _) => fixed(head, 6, |_| Op::Other),
        (Some(b'D'), Some(b'1')) if symbology == Symbology::Qr && head.len() < 8 => Step::More,
        (Some(b'D'), Some(b'1')) if symbology == Symbology::Qr => {
            Step::Payload { bytes: u64::from(word(head, 6)), build: Build::StarSymbol(symbology) }
        }
        (Some(b'D'), Some(b'2')) if symbology == Symbology::Qr => Step::Done(Op::Other),
        (Some(b'D'), _) if head.len() < 6 => Step::More,
        (Some(b'D'), _) => Step::Payload { bytes: u64::from(word(head, 4)), build: Build::StarSymbol(symbology) },
        (Some(b'P'), _) => Step::Done(Op::SymbolPrint(symbology)),
        _ => Step::Done(Op::Status),
    }
}
