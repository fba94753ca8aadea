//! A small mutator with a seed of its own: the same seed gives the same bytes, on every machine.

/// SplitMix64 (Steele, Lea, Flood 2014): a step and a mix, enough for choosing.
#[derive(Debug, Clone)]
pub struct SplitMix64(pub u64);

impl SplitMix64 {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Below `end`, which must not be 0; the bias is of no account here.
    pub fn index(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }
}

/// Longest input that mutation grows.
const INPUT_BYTES_MAX: usize = 8 * 1024;

/// What parsers trip over: extreme numbers, lengths that lie, commands, digits of a test card, open brackets.
const TOKENS: &[&[u8]] = &[
    b"\x1b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00",
    b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x9f\xff\xbf\xff\x5f\x7f",
    b"\x00",
    b"\x18\x18",
    b"\x20",
    b"\x40",
    b"\x60",
    b"\x80",
    b"\xa0",
    b"\xf6",
    b"\xf9\x7e\x00",
    b"\xff\xff\xff\xff",
    b"\x1b@",
    b"\x1dV\x00",
    b"\x1b*\x21\xff\xff",
    b"\x1d8L\xff\xff\xff\xff",
    b"\x1d(k\x03\x00\x31\x50\x30",
    b"\x1b\x1ea\x00",
    b"\r\n",
    b"4111 1111 1111 1111",
    b"-9223372036854775808",
    b"9223372036854775807",
    b"99999999999999999999.99",
    b"0",
    b"[[[[",
    b"((((",
    b"!!!!",
    b"\"\"\"",
    b"{}",
    b" && ",
    b"\xc3\xa9\xe2\x82\xac",
    b"+",
];

/// `input` changed in one to four ways: flip, replace, truncate, splice with `other`, insert, repeat.
pub fn mutate(random: &mut SplitMix64, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.index(4) {
        change(random, &mut bytes, other);
    }
    bytes.truncate(INPUT_BYTES_MAX.max(input.len()));
    bytes
}

fn change(random: &mut SplitMix64, bytes: &mut Vec<u8>, other: &[u8]) {
    let way = random.index(8);
    if bytes.is_empty() {
        bytes.extend_from_slice(TOKENS[random.index(TOKENS.len())]);
        return;
    }
    let at = random.index(bytes.len());
    let some = at + 1 + random.index((bytes.len() - at).min(64));
    match way {
        0 => bytes[at] ^= 1 << random.index(8),
        1 => bytes[at] = random.bits() as u8,
        2 => bytes.truncate(at),
        3 => {
            let from = random.index(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        4 => drop(bytes.splice(at..at, TOKENS[random.index(TOKENS.len())].iter().copied())),
        // One byte for a token: in CBOR a small number becomes an extreme one and the rest still reads.
        5 => drop(bytes.splice(at..=at, TOKENS[random.index(TOKENS.len())].iter().copied())),
        6 => drop(bytes.drain(at..some)),
        _ => {
            let piece = bytes[at..some].repeat(1 + random.index(16));
            drop(bytes.splice(at..at, piece));
        }
    }
}

/// As people paste it.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What [`to_hex`] wrote; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.trim().chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let run = |seed| {
            let mut random = SplitMix64(seed);
            (0..200).map(|_| mutate(&mut random, b"some input", b"another")).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        // The published first output for seed 0.
        assert_eq!(SplitMix64(0).bits(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn hex_comes_back() {
        assert_eq!(from_hex(&to_hex(b"\x00\xffa")), Some(b"\x00\xffa".to_vec()));
        assert_eq!((from_hex("0"), from_hex("zz")), (None, None));
    }
}
