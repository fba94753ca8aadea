//! Cutting a scanner's bytes into scans. Pure: bytes in, scans out, whatever the chunks.
//!
//! A scan ends at the suffix and nowhere else: one without it is never emitted. Noise at its edges is cut off,
//! a scan with noise inside is dropped, because a wrong code is worse than none.

use serde::{Deserialize, Serialize};

use crate::pan;
use crate::spool::scrub::StreamScrubber;

/// Longest scan; more is garbage. The largest symbol in use holds less than 3 KB, a card far less.
pub const SCAN_BYTES_MAX: usize = 4_096;
/// GS1 separates fields by it.
const GROUP_SEPARATOR: u8 = 0x1d;

/// What ends a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suffix {
    /// CR, LF, or both: what most scanners are set to.
    #[default]
    LineEnd,
    /// CR alone.
    Cr,
    /// LF alone.
    Lf,
    /// CR and then LF.
    CrLf,
    /// Tabulator, as in forms.
    Tab,
    /// ETX; an STX before the code is taken off.
    Etx,
}

/// How a scanner is set up.
#[derive(Debug, Clone, Default)]
pub struct Framing {
    /// What the scanner sends before every code; without it, it is no scan. Empty: nothing.
    pub prefix: Vec<u8>,
    /// What it sends after every code.
    pub suffix: Suffix,
    /// Leave an AIM identifier in the text, instead of taking it off.
    pub keep_aim: bool,
    /// What is dropped as a payment card, and which cards are the merchant's own.
    pub card_rule: pan::Scrubber,
}

/// What a suffix ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed {
    /// A code.
    Scan {
        /// The code.
        text: String,
        /// Its AIM identifier, taken off.
        aim: Option<String>,
    },
    /// Could be a payment card; dropped.
    PaymentCard,
    /// No scan.
    Garbage {
        /// How many bytes.
        bytes: usize,
    },
}

/// Cuts one scanner's stream.
#[derive(Debug)]
pub struct Framer {
    framing: Framing,
    held: Vec<u8>,
    /// Bytes of a scan that is too long, thrown away until its end.
    overlong: usize,
}

impl Framer {
    /// At the beginning of a scan.
    pub fn new(framing: Framing) -> Self {
        Self { framing, held: Vec::new(), overlong: 0 }
    }

    /// Takes the next bytes, gives what ended in them.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Framed> {
        let mut found = Vec::new();
        for byte in bytes {
            if self.ends(*byte) {
                found.extend(self.end());
            } else if self.overlong > 0 || self.held.len() >= SCAN_BYTES_MAX {
                self.overlong += self.held.len() + 1;
                self.held.clear();
            } else {
                self.held.push(*byte);
            }
        }
        found
    }

    /// The line was quiet in the middle of a scan, or is gone: what was there is none.
    pub fn broken_off(&mut self) -> Option<Framed> {
        let bytes = self.held_bytes();
        self.held.clear();
        self.overlong = 0;
        (bytes > 0).then_some(Framed::Garbage { bytes })
    }

    /// Bytes of the scan that has not ended.
    pub fn held_bytes(&self) -> usize {
        self.held.len() + self.overlong
    }

    fn ends(&self, byte: u8) -> bool {
        match self.framing.suffix {
            Suffix::LineEnd => matches!(byte, b'\r' | b'\n'),
            Suffix::Cr => byte == b'\r',
            Suffix::Lf => byte == b'\n',
            Suffix::CrLf => byte == b'\n' && (self.held.last() == Some(&b'\r') || self.overlong > 0),
            Suffix::Tab => byte == b'\t',
            Suffix::Etx => byte == 0x03,
        }
    }

    fn end(&mut self) -> Option<Framed> {
        let held = std::mem::take(&mut self.held);
        let overlong = std::mem::take(&mut self.overlong);
        if overlong > 0 {
            return Some(Framed::Garbage { bytes: overlong });
        }
        // Between CR and LF, and between scans, is nothing but line ends.
        if held.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return None;
        }
        Some(self.judge(&held).unwrap_or(Framed::Garbage { bytes: held.len() }))
    }

    fn judge(&self, held: &[u8]) -> Option<Framed> {
        let inside = trim(held).strip_prefix(self.framing.prefix.as_slice())?;
        let text = std::str::from_utf8(trim(inside)).ok()?;
        if text.is_empty() || text.bytes().any(|byte| is_noise(byte) && byte != GROUP_SEPARATOR) {
            return None;
        }
        let mut scrubber = StreamScrubber::new(self.framing.card_rule.clone());
        let mut scrubbed = scrubber.push(text.as_bytes());
        scrubbed.extend(scrubber.finish());
        if scrubbed != text.as_bytes() {
            return Some(Framed::PaymentCard);
        }
        let (aim, code) =
            split_aim(text).filter(|_| !self.framing.keep_aim).map_or((None, text), |(aim, code)| (Some(aim), code));
        (!code.is_empty()).then(|| Framed::Scan { text: code.to_owned(), aim: aim.map(str::to_owned) })
    }
}

/// An AIM identifier is `]`, a letter for the symbology and a digit or letter for its options.
fn split_aim(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let is_aim = matches!(bytes, [b']', symbology, modifier, ..] if symbology.is_ascii_alphabetic() && modifier.is_ascii_alphanumeric());
    is_aim.then(|| text.split_at(3))
}

fn is_noise(byte: u8) -> bool {
    byte < b' ' || byte == 0x7f
}

/// Without what no code begins or ends with: control bytes, and bytes that begin no UTF-8 character.
fn trim(bytes: &[u8]) -> &[u8] {
    let noise = |byte: &u8| is_noise(*byte) || *byte >= 0xf8;
    let start = bytes.iter().position(|byte| !noise(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !noise(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(suffix: Suffix, bytes: &[u8]) -> Vec<Framed> {
        Framer::new(Framing { suffix, ..Framing::default() }).push(bytes)
    }

    fn scan(text: &str) -> Framed {
        Framed::Scan { text: text.to_owned(), aim: None }
    }

    #[test]
    fn every_suffix_ends_a_scan_and_no_other_byte_does() {
        for (suffix, bytes) in [
            (Suffix::LineEnd, &b"9826000000017\r\n9826000000024\r9826000000031\n"[..]),
            (Suffix::Cr, b"9826000000017\r9826000000024\r9826000000031\r"),
            (Suffix::Lf, b"9826000000017\n9826000000024\n9826000000031\n"),
            (Suffix::CrLf, b"9826000000017\r\n9826000000024\r\n9826000000031\r\n"),
            (Suffix::Tab, b"9826000000017\t9826000000024\t9826000000031\t"),
            (Suffix::Etx, b"\x029826000000017\x03\x029826000000024\x03\x029826000000031\x03"),
        ] {
            let want = ["9826000000017", "9826000000024", "9826000000031"].map(scan);
            assert_eq!(framed(suffix, bytes), want, "{suffix:?}");
        }
        assert_eq!(framed(Suffix::LineEnd, b"5012345678"), []);
    }

    #[test]
    fn an_aim_identifier_is_taken_off() {
        let want = Framed::Scan { text: "5012345678900".into(), aim: Some("]E0".into()) };
        assert_eq!(framed(Suffix::LineEnd, b"]E05012345678900\r\n"), [want]);
        let mut keeping = Framer::new(Framing { keep_aim: true, ..Framing::default() });
        assert_eq!(keeping.push(b"]E05012345678900\r\n"), [scan("]E05012345678900")]);
    }

    #[test]
    fn codes_may_hold_group_separators_and_other_scripts() {
        let want = Framed::Scan { text: "10ABC\u{1d}21X".into(), aim: Some("]C1".into()) };
        assert_eq!(framed(Suffix::LineEnd, b"]C110ABC\x1d21X\r\n"), [want]);
        assert_eq!(framed(Suffix::LineEnd, "LOY:7:né\r\n".as_bytes()), [scan("LOY:7:né")]);
    }

    #[test]
    fn noise_around_a_code_is_cut_and_noise_inside_drops_it() {
        assert_eq!(framed(Suffix::LineEnd, b"\xff\x00123456\x00\r\n"), [scan("123456")]);
        assert_eq!(framed(Suffix::LineEnd, b"123\xff456\r\n"), [Framed::Garbage { bytes: 7 }]);
        assert_eq!(framed(Suffix::LineEnd, b"123\x00456\r\n"), [Framed::Garbage { bytes: 7 }]);
    }

    #[test]
    fn what_has_no_end_is_bounded_and_then_forgotten() {
        let mut framer = Framer::new(Framing::default());
        assert_eq!(framer.push(&vec![b'7'; 3 * SCAN_BYTES_MAX]), []);
        assert_eq!(framer.push(b"\r\n42\r\n"), [Framed::Garbage { bytes: 3 * SCAN_BYTES_MAX }, scan("42")]);
        assert_eq!(framer.push(b"12345"), []);
        assert_eq!(framer.broken_off(), Some(Framed::Garbage { bytes: 5 }));
        assert_eq!(framer.push(b"42\r"), [scan("42")]);
    }

    #[test]
    fn a_payment_card_leaves_nothing_and_the_merchants_own_card_passes() {
        assert_eq!(framed(Suffix::LineEnd, b"4111111111111111\r\n"), [Framed::PaymentCard]);
        assert_eq!(framed(Suffix::LineEnd, b";4111111111111111=28121010000012300001?\r"), [Framed::PaymentCard]);
        let own = Framing {
            card_rule: pan::Scrubber::new(vec![pan::CardRange { prefix: "603571".into(), digits: None }]),
            ..Framing::default()
        };
        assert_eq!(Framer::new(own).push(b"6035710000000006\r"), [scan("6035710000000006")]);
    }

    #[test]
    fn without_its_prefix_it_is_no_scan() {
        let mut framer = Framer::new(Framing { prefix: b"S1".to_vec(), ..Framing::default() });
        assert_eq!(framer.push(b"S1777\r\n777\r\n"), [scan("777"), Framed::Garbage { bytes: 3 }]);
    }

    proptest! {
        #[test]
        fn scans_do_not_depend_on_the_chunks(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..20) {
            let whole = Framer::new(Framing::default()).push(&bytes);
            let mut framer = Framer::new(Framing::default());
            let pieces: Vec<Framed> = bytes.chunks(step).flat_map(|piece| framer.push(piece)).collect();
            prop_assert_eq!(whole, pieces);
        }
    }
}
