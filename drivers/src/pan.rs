//! Payment card numbers: masked before anything keeps, logs or sends text (PCI DSS 3.3.1, 3.4.1, 3.5.1.1).
//!
//! What is masked: 12 to 19 digits, also with spaces or dashes between, that carry an issuer's prefix and
//! length and pass the Luhn check, and the rest of a magnetic track after them. The merchant's own card
//! ranges come first and pass. Masking keeps every length, so offsets and columns stay true; the last four
//! digits stay. It works on raw bytes too, one at a time, and holds back no more than [`CHAIN_BYTES_MAX`].

/// Digits and separators that are looked at together.
pub const CHAIN_BYTES_MAX: usize = 256;
const OVERLAP_BYTES: usize = 40;
const DIGITS_MIN: usize = 12;
const DIGITS_MAX: usize = 19;
const SEPARATORS_MAX: usize = 2;
const SHOWN_DIGITS: usize = 4;

/// Cards of the merchant's own programme, which are nobody's payment cards.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardRange {
    /// The digits that every card of the range begins with.
    pub prefix: String,
    /// How many digits a card has; absent = any.
    pub digits: Option<usize>,
}

impl CardRange {
    /// Whether `digits` lies in the range.
    pub fn holds(&self, digits: &str) -> bool {
        !self.prefix.is_empty()
            && digits.starts_with(&self.prefix)
            && self.digits.is_none_or(|count| count == digits.len())
    }
}

/// Finds and masks what could be a payment card number.
#[derive(Debug, Clone, Default)]
pub struct Scrubber {
    allowed: Vec<CardRange>,
}

impl Scrubber {
    /// One that lets the merchant's own ranges pass.
    pub fn new(allowed: Vec<CardRange>) -> Scrubber {
        Scrubber { allowed }
    }

    /// Whether these digits, and nothing else, could be a payment card's number.
    pub fn could_be_card(&self, digits: &str) -> bool {
        (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !self.allowed.iter().any(|range| range.holds(digits))
            && has_issuer_prefix(digits)
            && passes_luhn(digits.as_bytes())
            && !is_article(digits.as_bytes())
    }

    /// Whether a payment card's number could begin with these digits. Less than a rule: for a number that
    /// broke off.
    pub fn could_begin_card(&self, digits: &str) -> bool {
        let own = self.allowed.iter().any(|range| !range.prefix.is_empty() && digits.starts_with(&range.prefix));
        !own && (DIGITS_MIN..=DIGITS_MAX).any(|length| has_issuer_prefix(&format!("{digits:0<length$}")))
    }

    /// `text` with every possible card number masked.
    pub fn scrub(&self, text: &str) -> String {
        let mut stream = StreamScrubber::new(self.clone());
        let mut bytes = Vec::with_capacity(text.len());
        stream.push(text.as_bytes(), &mut bytes);
        stream.finish(&mut bytes);
        // Only ASCII was replaced, by ASCII.
        String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Track {
    Outside,
    /// Up to the end sentinel.
    Whole,
    /// Digits only.
    Digits,
}

/// Masks a stream of bytes as it comes. Length and order of the bytes stay.
#[derive(Debug, Clone)]
pub struct StreamScrubber {
    scrubber: Scrubber,
    chain: Vec<u8>,
    separators: usize,
    track: Track,
}

impl StreamScrubber {
    /// At the beginning of a stream.
    pub fn new(scrubber: Scrubber) -> StreamScrubber {
        StreamScrubber { scrubber, chain: Vec::new(), separators: 0, track: Track::Outside }
    }

    /// Takes bytes; appends those that are decided to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.byte(*byte, out);
        }
    }

    /// The stream is over or paused: decides what is held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.resolve(None);
        out.append(&mut self.chain);
        self.separators = 0;
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.chain.len()
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.track {
            Track::Whole if byte == b'?' || byte < 0x20 => self.track = Track::Outside,
            Track::Whole => return out.push(if byte.is_ascii_alphanumeric() || byte == b'/' { b'*' } else { byte }),
            Track::Digits if byte.is_ascii_digit() => return out.push(b'*'),
            Track::Digits => self.track = Track::Outside,
            Track::Outside => {}
        }
        if byte.is_ascii_digit() {
            self.separators = 0;
            self.chain.push(byte);
        } else if matches!(byte, b' ' | b'-') && !self.chain.is_empty() && self.separators < SEPARATORS_MAX {
            self.separators += 1;
            self.chain.push(byte);
        } else {
            self.resolve(Some(byte));
            out.append(&mut self.chain);
            self.separators = 0;
            out.push(byte);
        }
        if self.chain.len() >= CHAIN_BYTES_MAX {
            self.resolve(None);
            let decided = self.chain.len() - OVERLAP_BYTES;
            out.extend(self.chain.drain(..decided));
        }
    }

    /// Masks the card numbers in the chain. `next` is the byte after it.
    fn resolve(&mut self, next: Option<u8>) {
        if self.chain.len() < DIGITS_MIN {
            return;
        }
        let groups = digit_groups(&self.chain);
        let mut first = 0;
        while first < groups.len() {
            first = match self.card_from(&groups, first) {
                Some(last) => {
                    mask(&mut self.chain[groups[first].start..groups[last].end]);
                    if groups[last].end == self.chain.len() {
                        self.track = match next {
                            Some(b'=' | b'^') => Track::Whole,
                            Some(b'D' | b'd') => Track::Digits,
                            _ => Track::Outside,
                        };
                    }
                    last + 1
                }
                None => {
                    self.mask_inside(groups[first].clone());
                    first + 1
                }
            };
        }
    }

    /// The group that ends the longest card number beginning with group `first`.
    fn card_from(&self, groups: &[std::ops::Range<usize>], first: usize) -> Option<usize> {
        let mut digits = String::new();
        let mut found = None;
        for (last, group) in groups.iter().enumerate().skip(first) {
            digits.extend(self.chain[group.clone()].iter().map(|byte| char::from(*byte)));
            if digits.len() > DIGITS_MAX {
                break;
            }
            if self.scrubber.could_be_card(&digits) {
                found = Some(last);
            }
        }
        found
    }

    /// A run of digits longer than any card may hide one, as raw track data does.
    fn mask_inside(&mut self, group: std::ops::Range<usize>) {
        if group.len() <= DIGITS_MAX {
            return;
        }
        for length in [16, 15] {
            for start in group.start..=group.end - length {
                let window = &self.chain[start..start + length];
                let card = std::str::from_utf8(window).is_ok_and(|digits| self.scrubber.could_be_card(digits));
                if card {
                    mask(&mut self.chain[start..start + length]);
                }
            }
        }
    }
}

fn digit_groups(chain: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut groups: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, byte) in chain.iter().enumerate() {
        match groups.last_mut() {
            _ if !byte.is_ascii_digit() => {}
            Some(group) if group.end == at => group.end = at + 1,
            _ => groups.push(at..at + 1),
        }
    }
    groups
}

fn mask(bytes: &mut [u8]) {
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    bytes
        .iter_mut()
        .filter(|byte| byte.is_ascii_digit())
        .take(digits.saturating_sub(SHOWN_DIGITS))
        .for_each(|byte| *byte = b'*');
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            match at % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Twelve or thirteen digits with an article number's check digit: cards of that length have gone from
/// circulation, articles whose number happens to pass Luhn stand on every receipt.
fn is_article(digits: &[u8]) -> bool {
    let weighed = |(at, byte): (usize, &u8)| u32::from(byte - b'0') * if at % 2 == 0 { 1 } else { 3 };
    matches!(digits.len(), 12 | 13) && digits.iter().rev().enumerate().map(weighed).sum::<u32>().is_multiple_of(10)
}

/// Prefixes and lengths of the card schemes (ISO/IEC 7812 assignments in public use).
fn has_issuer_prefix(digits: &str) -> bool {
    let leading = |count: usize| digits[..count].parse::<u32>().unwrap_or(0);
    let (one, two, three, four) = (leading(1), leading(2), leading(3), leading(4));
    match digits.len() {
        13 | 16 | 19 if one == 4 => true,
        15 if matches!(two, 34 | 37) || one == 1 => true,
        16 if matches!(two, 51..=55 | 81 | 82) || matches!(four, 2221..=2720 | 9792) => true,
        14..=19 if matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39) => true,
        16..=19 if matches!(four, 3528..=3589 | 2200..=2204) => true,
        // Maestro, Discover, UnionPay, RuPay.
        12..=19 => matches!(two, 50 | 56..=58 | 60..=69),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scheme_test_numbers_are_masked_in_every_dress() {
        for (text, expected) in [
            ("CARD 4111 1111 1111 1111 EXP 12/28", "CARD **** **** **** 1111 EXP 12/28"),
            ("VISA 4111-1111-1111-1111   2.50", "VISA ****-****-****-1111   2.50"),
            ("4111111111111111", "************1111"),
            ("378282246310005", "***********0005"),
            ("30569309025904 x", "**********5904 x"),
            ("6205500000000000004", "***************0004"),
            ("REF 000412 4111111111111111", "REF 000412 ************1111"),
            (";4111111111111111=28121010000012300001?", ";************1111=********************?"),
            ("%B4111111111111111^DOE/JANE^2812101000?;", "%B************1111^********^**********?;"),
            ("4111111111111111D28121010 X", "************1111D******** X"),
            ("0041111111111111110000", "00************11110000"),
        ] {
            assert_eq!(Scrubber::default().scrub(text), expected);
        }
    }

    #[test]
    fn other_numbers_pass() {
        for text in [
            "LOYALTY 4111 2222 3333 4446",
            "Club card 6335 0412 3456 7895",
            "Rewards member: 4718 6982 377",
            "2026-11-03 15:20:11  POS 4  #R004410",
            "Tel 01642 555 013",
            "210000345678",
            "9826000000017",
        ] {
            assert_eq!(Scrubber::default().scrub(text), text);
        }
    }

    #[test]
    fn an_article_number_that_happens_to_pass_luhn_is_none() {
        let article = "4006381333931";
        assert!(is_article(article.as_bytes()));
        let scrubber = Scrubber::default();
        let passing = (0..100).map(|n| format!("40063813{n:02}")).filter_map(|stem| {
            (0..1_000).map(|n| format!("{stem}{n:03}")).find(|d| passes_luhn(d.as_bytes()) && is_article(d.as_bytes()))
        });
        assert!(passing.take(20).all(|digits| !scrubber.could_be_card(&digits)));
        // A number of that length that is no article stays suspect.
        assert!(scrubber.could_be_card("4222222222222"));
    }

    #[test]
    fn a_beginning_of_a_card_is_told_from_other_digits() {
        let own = Scrubber::new(vec![CardRange { prefix: "603571".into(), digits: Some(16) }]);
        assert!(own.could_begin_card("41111111") && own.could_begin_card("603580") && own.could_begin_card("3782"));
        assert!(!own.could_begin_card("98260000") && !own.could_begin_card("6035710000"));
    }

    #[test]
    fn the_merchants_own_range_comes_first() {
        let gift = "6035710123456782";
        assert!(passes_luhn(gift.as_bytes()), "the case must test something");
        assert_ne!(Scrubber::default().scrub(gift), gift);
        let own = Scrubber::new(vec![CardRange { prefix: "603571".into(), digits: Some(16) }]);
        assert_eq!(own.scrub(gift), gift);
        assert_ne!(own.scrub("4111111111111111"), "4111111111111111");
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter_and_lengths_stay(
            text in "[0-9 =?^;A-D\\-\\n]{0,300}", card in prop::sample::select(vec![
                "4111111111111111", "5555555555554444", "378282246310005", "6011111111111117"]),
            at in 0usize..300, chunk in 1usize..9,
        ) {
            let mut bytes = text.into_bytes();
            let at = at.min(bytes.len());
            bytes.splice(at..at, format!("X{card}Y").into_bytes());
            let mut whole = StreamScrubber::new(Scrubber::default());
            let mut expected = Vec::new();
            whole.push(&bytes, &mut expected);
            whole.finish(&mut expected);
            let mut parts = StreamScrubber::new(Scrubber::default());
            let mut got = Vec::new();
            for part in bytes.chunks(chunk) {
                parts.push(part, &mut got);
                prop_assert!(parts.held() <= CHAIN_BYTES_MAX);
            }
            parts.finish(&mut got);
            prop_assert_eq!(&got, &expected);
            prop_assert_eq!(got.len(), bytes.len());
            prop_assert!(!String::from_utf8_lossy(&got).contains(card));
        }
    }
}
