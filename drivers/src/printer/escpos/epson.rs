//! How long every ESC/POS command is, and what it asks. Source: Epson, ESC/POS Command Reference for TM
//! printers (by command name); DM-D customer displays for what goes through `ESC =`.
//!
//! A pure function of the bytes of one command so far: it says whether it needs more, is complete, or is
//! followed by a payload. It holds no state, so a stream reads the same however it was cut.

use super::token::{Op, Symbology};

pub(super) const ESC: u8 = 0x1B;
pub(super) const GS: u8 = 0x1D;
pub(super) const FS: u8 = 0x1C;
pub(super) const DLE: u8 = 0x10;
pub(super) const US: u8 = 0x1F;
pub(super) const RS: u8 = 0x1E;

/// What a payload becomes once it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// Nothing that is read.
    Other,
    /// Pixels.
    Image,
    /// `GS k`.
    Bar(Symbology),
    /// `GS ( k`.
    Symbol,
    /// `GS ( L`, `GS 8 L` and the other graphics families.
    Graphics,
    /// `FS ( C`.
    Encoding,
    /// `ESC D`.
    TabStops,
    /// Star's 2D code data.
    StarSymbol(Symbology),
    /// Star's bar code, terminated by RS; the parameters stand in front.
    StarBar,
}

/// Sections that follow a head: each with a small head of its own that says how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// One user-defined character: width, then `bytes_high` bytes per column.
    Glyph {
        /// Bytes per column.
        bytes_high: u8,
    },
    /// One NV bit image: `xL xH yL yH`, then x × y × 8 bytes.
    NvImage,
    /// A Windows bitmap, whose own header holds its length.
    Bitmap,
}

/// What follows from the bytes of a command so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Another byte is needed.
    More,
    /// Complete.
    Done(Op),
    /// The first `take` bytes are a command; what follows them begins anew.
    Split { take: usize, op: Op },
    /// So many bytes follow.
    Payload { bytes: u64, build: Build },
    /// Bytes up to and including `stop` follow.
    Until { stop: u8, build: Build },
    /// So many sections follow.
    Sections { count: u32, section: Section },
}

fn fixed(head: &[u8], bytes: usize, op: impl FnOnce(&[u8]) -> Op) -> Step {
    if head.len() < bytes { Step::More } else { Step::Done(op(head)) }
}

fn word(head: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([head[at], head[at + 1]])
}

/// The next step for a command whose bytes so far are `head` (not empty).
pub(super) fn step(head: &[u8], bare_kick: bool) -> Step {
    match head[0] {
        ESC => match head.get(1) {
            Some(_) => esc(head, bare_kick),
            None => Step::More,
        },
        GS => match head.get(1) {
            Some(_) => gs(head),
            None => Step::More,
        },
        FS => match head.get(1) {
            Some(_) => fs(head),
            None => Step::More,
        },
        DLE => match head.get(1) {
            Some(_) => dle(head),
            None => Step::More,
        },
        byte => Step::Done(single(byte)),
    }
}

fn single(byte: u8) -> Op {
    match byte {
        0x0A => Op::LineFeed,
        0x0D => Op::Return,
        0x0C => Op::FormFeed,
        0x09 => Op::Tab,
        0x00..=0x1F | 0x7F => Op::Control(byte),
        _ => Op::Text(byte),
    }
}

/// Bytes that begin a command of their own and so cannot be the letter of another.
fn begins(byte: u8) -> bool {
    matches!(byte, ESC | GS | FS | DLE | 0x0A | 0x0D)
}

/// A kick without its times (`1B 70 00 1B 70 01`, as one driver sends): what follows is a command.
fn kick_is_bare(first: u8, second: u8) -> bool {
    match first {
        ESC => b"@!ptaEdJ23-MGRV{=c\\$rDim".contains(&second),
        GS => b"V!BhwHfkL(vW".contains(&second),
        _ => false,
    }
}

fn esc(head: &[u8], bare_kick: bool) -> Step {
    let on = |head: &[u8]| head[2] & 1 == 1;
    match head[1] {
        b'@' => Step::Done(Op::Initialize),
        b'i' | b'm' => Step::Done(Op::Cut),
        b'L' => Step::Done(Op::PageMode(true)),
        b'S' => Step::Done(Op::PageMode(false)),
        0x0C => Step::Done(Op::FormFeed),
        b'v' => Step::Done(Op::Status),
        b'2' | b'<' | b'0' | b'4' | b'5' | b'6' => Step::Done(Op::Other),
        b'!' => fixed(head, 3, |head| Op::PrintMode(head[2])),
        b'E' | b'G' => fixed(head, 3, |head| Op::Bold(on(head))),
        b'-' => fixed(head, 3, |head| Op::Underline(head[2] & 3 != 0)),
        b'M' => fixed(head, 3, |head| Op::Font(head[2] & 0x0F)),
        b'a' => fixed(head, 3, |head| Op::Align(head[2] & 3)),
        b't' => fixed(head, 3, |head| Op::CodePage(head[2])),
        b'R' => fixed(head, 3, |head| Op::CharacterSet(head[2])),
        b'=' => fixed(head, 3, |head| Op::Route(head[2])),
        b' ' => fixed(head, 3, |head| Op::Gap(head[2])),
        b'd' | b'J' | b'K' | b'e' => fixed(head, 3, |_| Op::Feed),
        b'u' => fixed(head, 3, |_| Op::Status),
        b'%' | b'3' | b'?' | b'A' | b'C' | b'T' | b'U' | b'V' | b'r' | b'{' | b'9' => fixed(head, 3, |_| Op::Other),
        b'$' => fixed(head, 4, |head| Op::Position(word(head, 2))),
        b'\\' => fixed(head, 4, |head| Op::Move(word(head, 2) as i16)),
        b'B' | b'c' | b'f' => fixed(head, 4, |_| Op::Other),
        b'W' => fixed(head, 10, |_| Op::Row),
        b'p' => kick(head, bare_kick),
        b'7' if head.len() == 3 && begins(head[2]) => Step::Split { take: 2, op: Op::Unknown },
        b'7' => fixed(head, 5, |_| Op::Other),
        b'D' => Step::Until { stop: 0, build: Build::TabStops },
        b'*' if head.len() < 5 => Step::More,
        b'*' => {
            let bytes_per_column = match head[2] {
                0..32 => 1,
                32..64 => 3,
                _ => 6,
            };
            Step::Payload { bytes: u64::from(word(head, 3)) * bytes_per_column, build: Build::Image }
        }
        b'&' if head.len() < 5 => Step::More,
        b'&' if (1..=6).contains(&head[2]) && head[4] >= head[3] => {
            Step::Sections { count: u32::from(head[4] - head[3]) + 1, section: Section::Glyph { bytes_high: head[2] } }
        }
        b'&' => Step::Done(Op::Unknown),
        b'(' => parenthesis(head, Build::Other),
        letter if begins(letter) => Step::Split { take: 1, op: Op::Unknown },
        _ => Step::Done(Op::Unknown),
    }
}

fn kick(head: &[u8], bare_kick: bool) -> Step {
    match head.len() {
        2 => Step::More,
        3 if bare_kick && matches!(head[2], 0..=2 | b'0'..=b'2') => Step::Done(Op::Pulse),
        3 if bare_kick => Step::Split { take: 2, op: Op::Pulse },
        5 if kick_is_bare(head[3], head[4]) => Step::Split { take: 3, op: Op::Pulse },
        5.. => Step::Done(Op::Pulse),
        _ => Step::More,
    }
}

/// `ESC ( x pL pH …`, `GS ( x pL pH …`, `FS ( x pL pH …`.
fn parenthesis(head: &[u8], build: Build) -> Step {
    if head.len() < 5 { Step::More } else { Step::Payload { bytes: u64::from(word(head, 3)), build } }
}

fn gs(head: &[u8]) -> Step {
    match head[1] {
        b'!' => fixed(head, 3, |head| Op::Size { wide: (head[2] >> 4 & 7) + 1, high: (head[2] & 7) + 1 }),
        b'B' => fixed(head, 3, |head| Op::Invert(head[2] & 1 == 1)),
        b'V' if head.len() < 3 => Step::More,
        b'V' if matches!(head[2], 65 | 66 | 97 | 98 | 103 | 104) => fixed(head, 4, |_| Op::Cut),
        b'V' => Step::Done(Op::Cut),
        b'k' => bar_code(head),
        b'(' => match head.get(2) {
            Some(b'k') => parenthesis(head, Build::Symbol),
            Some(b'L' | b'M') => parenthesis(head, Build::Graphics),
            _ => parenthesis(head, Build::Other),
        },
        b'8' if head.len() < 7 => Step::More,
        b'8' => {
            let bytes = u64::from(u32::from_le_bytes([head[3], head[4], head[5], head[6]]));
            Step::Payload { bytes, build: Build::Graphics }
        }
        b'v' | b'Q' if head.len() < 8 => Step::More,
        b'v' | b'Q' => {
            Step::Payload { bytes: u64::from(word(head, 4)) * u64::from(word(head, 6)), build: Build::Image }
        }
        b'*' if head.len() < 4 => Step::More,
        b'*' => Step::Payload { bytes: u64::from(head[2]) * u64::from(head[3]) * 8, build: Build::Other },
        b'D' if head.len() < 9 => Step::More,
        b'D' => Step::Sections { count: 1, section: Section::Bitmap },
        b'/' => fixed(head, 3, |_| Op::Image),
        b':' | b'c' => Step::Done(Op::Other),
        b'$' | b'\\' => fixed(head, 4, |_| Op::Row),
        b'L' | b'W' | b'P' => fixed(head, 4, |_| Op::Other),
        b'^' | b'z' => fixed(head, 5, |_| Op::Other),
        b'r' | b'I' => fixed(head, 3, |_| Op::Status),
        b'g' => fixed(head, 6, |_| Op::Status),
        b'E' | b'H' | b'T' | b'a' | b'b' | b'f' | b'h' | b'j' | b'w' | b'x' | b'y' => fixed(head, 3, |_| Op::Other),
        b'C' => counter(head),
        letter if begins(letter) => Step::Split { take: 1, op: Op::Unknown },
        _ => Step::Done(Op::Unknown),
    }
}

/// `GS C 0 | 1 | 2 | ;`: the serial number counter.
fn counter(head: &[u8]) -> Step {
    match head.get(2) {
        None => Step::More,
        Some(0 | b'0' | 2 | b'2') => fixed(head, 5, |_| Op::Other),
        Some(1 | b'1') => fixed(head, 9, |_| Op::Other),
        Some(b';') if head.iter().skip(2).filter(|byte| **byte == b';').count() == 6 => Step::Done(Op::Other),
        Some(b';') if head.iter().skip(2).all(|byte| byte.is_ascii_digit() || *byte == b';') => Step::More,
        Some(b';') => Step::Split { take: head.len() - 1, op: Op::Unknown },
        Some(_) => Step::Split { take: 2, op: Op::Unknown },
    }
}

fn bar_code(head: &[u8]) -> Step {
    let Some(kind) = head.get(2) else { return Step::More };
    let symbology = match kind {
        0 | 65 => Symbology::UpcA,
        1 | 66 => Symbology::UpcE,
        2 | 67 => Symbology::Ean13,
        3 | 68 => Symbology::Ean8,
        4 | 69 => Symbology::Code39,
        5 | 70 => Symbology::Itf,
        6 | 71 => Symbology::Codabar,
        72 => Symbology::Code93,
        73 | 79 => Symbology::Code128,
        74 => Symbology::Gs1128,
        75..=78 => Symbology::DataBar,
        _ => Symbology::Unknown,
    };
    match kind {
        0..=6 => Step::Until { stop: 0, build: Build::Bar(symbology) },
        65..=90 if head.len() < 4 => Step::More,
        65..=90 => Step::Payload { bytes: u64::from(head[3]), build: Build::Bar(symbology) },
        _ => Step::Split { take: 2, op: Op::Unknown },
    }
}

fn fs(head: &[u8]) -> Step {
    match head[1] {
        b'&' => Step::Done(Op::Kanji(true)),
        b'.' => Step::Done(Op::Kanji(false)),
        b'C' => fixed(head, 3, |head| Op::KanjiSystem(head[2] & 0x0F)),
        b'!' => fixed(head, 3, |head| Op::Size {
            wide: 1 + u8::from(head[2] & 4 != 0),
            high: 1 + u8::from(head[2] & 8 != 0),
        }),
        b'W' => fixed(head, 3, |head| Op::Size { wide: 1 + (head[2] & 1), high: 1 + (head[2] & 1) }),
        b'-' => fixed(head, 3, |head| Op::Underline(head[2] & 3 != 0)),
        b'S' | b'?' => fixed(head, 4, |_| Op::Other),
        b'p' => fixed(head, 4, |_| Op::Image),
        b'2' if head.len() < 4 => Step::More,
        b'2' => Step::Payload { bytes: 72, build: Build::Other },
        b'q' if head.len() < 3 => Step::More,
        b'q' => Step::Sections { count: u32::from(head[2]), section: Section::NvImage },
        b'g' if head.len() < 10 => Step::More,
        b'g' if matches!(head[2], 1 | b'1') => Step::Payload { bytes: u64::from(word(head, 8)), build: Build::Other },
        b'g' => Step::Done(Op::Status),
        b'(' => match head.get(2) {
            Some(b'C') => parenthesis(head, Build::Encoding),
            _ => parenthesis(head, Build::Other),
        },
        letter if begins(letter) => Step::Split { take: 1, op: Op::Unknown },
        _ => Step::Done(Op::Unknown),
    }
}

/// Real-time commands. They act anywhere in a stream; inside another command the printer takes their bytes
/// for parameters, and so does this, because a head is read before a new command is looked for.
fn dle(head: &[u8]) -> Step {
    match (head[1], head.get(2)) {
        (0x04 | 0x05 | 0x14, None) => Step::More,
        (0x04, Some(1..=6)) => Step::Done(Op::Status),
        (0x04, Some(7 | 8 | 18)) => fixed(head, 4, |_| Op::Status),
        (0x05, Some(0..=2)) => Step::Done(Op::Status),
        (0x14, Some(1)) => fixed(head, 5, |_| Op::Pulse),
        (0x14, Some(2)) => fixed(head, 5, |_| Op::Other),
        (0x14, Some(3)) => fixed(head, 8, |_| Op::Other),
        (0x14, Some(7)) => fixed(head, 4, |_| Op::Status),
        (0x14, Some(8)) => fixed(head, 10, |_| Op::Other),
        (0x04 | 0x05 | 0x14, Some(_)) => Step::Split { take: 2, op: Op::Unknown },
        _ => Step::Split { take: 1, op: Op::Unknown },
    }
}

/// Commands of a customer display that shares the line, while `ESC =` routes to it alone.
pub(super) fn display_step(head: &[u8]) -> Step {
    match (head[0], head.get(1)) {
        (ESC | US | GS, None) => Step::More,
        (ESC, Some(b'=')) => fixed(head, 3, |head| Op::Route(head[2])),
        (ESC, Some(b'@')) => Step::Done(Op::LineFeed),
        (ESC, Some(b'W')) => fixed(head, 8, |_| Op::Other),
        (ESC, Some(b't')) => fixed(head, 3, |head| Op::CodePage(head[2])),
        (ESC, Some(b'R')) => fixed(head, 3, |head| Op::CharacterSet(head[2])),
        (ESC, Some(b'Q' | b'u')) => fixed(head, 3, |_| Op::LineFeed),
        (ESC, Some(b'l')) => fixed(head, 4, |_| Op::LineFeed),
        (ESC, Some(_)) => esc(head, false),
        (US, Some(b'$' | b'#' | b'T' | b'^')) => fixed(head, 4, |_| Op::LineFeed),
        (US, Some(b'C' | b'E' | b'X' | b'r' | b'v' | b'.' | b',' | b';')) => fixed(head, 3, |_| Op::Other),
        (US, Some(_)) => Step::Done(Op::Other),
        _ => match step(head, false) {
            Step::Done(Op::FormFeed | Op::Return) => Step::Done(Op::LineFeed),
            step => step,
        },
    }
}
