//! Masking payment card numbers in a byte stream before it is stored.
//!
//! The rule is [`pan::Scrubber`]'s; here is how it meets a live stream. A number is looked for in digits that
//! stand alone or in groups parted by one or two spaces or dashes, as cards print them; with it goes what
//! follows on a magnetic track. Digits become [`FILLER`], so offsets stay. Invariants: the output has the
//! input's length and differs from it only inside such numbers; it does not depend on how the input was cut;
//! no more than [`HELD_BYTES_MAX`] are held back, and a pause of the line releases all but an unfinished number.
//! Digits inside binary data are touched only when they look exactly like a card.

use std::collections::VecDeque;

use crate::pan;

/// What stands in place of a digit.
pub const FILLER: u8 = b'*';
/// Most digits of a card number.
const DIGITS_MAX: usize = 19;
/// Digits of an unfinished number that may be stored: those that every card of an issuer shares.
const DIGITS_SHOWN: usize = 6;
/// Most spaces or dashes between two groups.
const SEPARATORS_MAX: usize = 2;
/// Twenty digits, each with separators: what must be seen before the first can be decided.
pub const HELD_BYTES_MAX: usize = (1 + SEPARATORS_MAX) * (DIGITS_MAX + 1);
/// Longest data after a card number on a track.
const TRACK_BYTES_MAX: usize = 80;

/// Masks a stream that comes in pieces.
#[derive(Debug, Clone, Default)]
pub struct StreamScrubber {
    rule: pan::Scrubber,
    /// The run of digits and single separators that is not decided yet.
    run: VecDeque<u8>,
    /// How many bytes at its beginning are given out already.
    given: usize,
    /// Inside more than [`DIGITS_MAX`] digits without a break: no card.
    long: bool,
    track: Option<Track>,
    out: Vec<u8>,
}

/// What follows a masked number on a magnetic track.
#[derive(Debug, Clone, Copy)]
struct Track {
    digits_only: bool,
    left: usize,
}

/// A maximal part of a run without separator.
struct Group {
    digits: usize,
    /// Whether a separator follows, or the run is over.
    closed: bool,
}

impl StreamScrubber {
    /// Masks what `rule` takes for a card.
    pub fn new(rule: pan::Scrubber) -> Self {
        Self { rule, ..Self::default() }
    }

    /// Takes the next bytes, gives what is decided: in order, each byte once.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        for byte in bytes {
            self.take(*byte);
        }
        std::mem::take(&mut self.out)
    }

    /// The line is quiet: gives what an unfinished number may show, so that a document does not wait for the
    /// next one because its last byte happens to look like a digit.
    pub fn pause(&mut self) -> Vec<u8> {
        let mut digits = 0;
        let shown = self.run.iter().take_while(|byte| {
            digits += usize::from(byte.is_ascii_digit());
            digits <= DIGITS_SHOWN
        });
        let shown = shown.count();
        self.out.extend(self.run.iter().take(shown).skip(self.given));
        self.given = self.given.max(shown);
        std::mem::take(&mut self.out)
    }

    /// The stream is over: gives the rest.
    pub fn finish(&mut self) -> Vec<u8> {
        self.settle_run();
        self.long = false;
        self.track = None;
        std::mem::take(&mut self.out)
    }

    /// The stream breaks off, and what follows may be the rest of a number: gives what is held, with more of a
    /// number that may be a card's than may be shown masked.
    pub fn abandon(&mut self) -> Vec<u8> {
        let digits = self.digits(usize::MAX);
        if digits.len() > DIGITS_SHOWN && self.rule.could_begin_card(&digits) {
            let mut seen = 0;
            for byte in self.run.iter_mut().filter(|byte| byte.is_ascii_digit()) {
                seen += 1;
                if seen > DIGITS_SHOWN {
                    *byte = FILLER;
                }
            }
            self.give(self.run.len(), false);
        }
        self.finish()
    }

    /// How many bytes are held back.
    pub fn held_bytes(&self) -> usize {
        self.run.len() - self.given
    }

    fn take(&mut self, byte: u8) {
        if self.track.is_some_and(|track| self.take_track(track, byte)) {
            return;
        }
        let digit = byte.is_ascii_digit();
        if self.long {
            self.long = digit;
            self.out.push(byte);
            return;
        }
        let separator =
            matches!(byte, b' ' | b'-') && self.run.iter().rev().take(SEPARATORS_MAX).any(u8::is_ascii_digit);
        if digit || separator {
            self.run.push_back(byte);
            self.settle_surplus();
            return;
        }
        let masked = self.settle_run();
        self.track = match byte {
            b'=' | b'D' | b'd' if masked => Some(Track { digits_only: true, left: TRACK_BYTES_MAX }),
            b'^' if masked => Some(Track { digits_only: false, left: TRACK_BYTES_MAX }),
            _ => None,
        };
        self.out.push(byte);
    }

    /// Masks track data. False when `byte` is none.
    fn take_track(&mut self, track: Track, byte: u8) -> bool {
        let inside = if track.digits_only { byte.is_ascii_digit() } else { byte != b'?' && byte >= b' ' };
        self.track = (inside && track.left > 1).then_some(Track { left: track.left.saturating_sub(1), ..track });
        if inside {
            self.out.push(FILLER);
        }
        inside
    }

    fn groups(&self, run_over: bool) -> Vec<Group> {
        let mut groups = Vec::new();
        for byte in &self.run {
            if !byte.is_ascii_digit() {
                if let Some(Group { closed, .. }) = groups.last_mut() {
                    *closed = true;
                }
            } else if let Some(Group { digits, closed: false }) = groups.last_mut() {
                *digits += 1;
            } else {
                groups.push(Group { digits: 1, closed: false });
            }
        }
        if let (true, Some(last)) = (run_over, groups.last_mut()) {
            last.closed = true;
        }
        groups
    }

    /// Decides groups at the beginning of the run while there are too many digits for one card.
    fn settle_surplus(&mut self) {
        loop {
            let groups = self.groups(false);
            if groups.iter().map(|group| group.digits).sum::<usize>() <= DIGITS_MAX {
                return;
            }
            if let [Group { closed: false, .. }] = groups[..] {
                self.give(self.run.len(), false);
                self.long = true;
                return;
            }
            self.settle_first(&groups);
        }
    }

    /// Decides the whole run. True when it ended in a masked number.
    fn settle_run(&mut self) -> bool {
        let mut masked = false;
        while self.run.front().is_some() {
            let groups = self.groups(true);
            masked = self.settle_first(&groups) && self.run.is_empty();
        }
        masked
    }

    /// Decides the first group: masked with those that make a card with it, or given as it is.
    fn settle_first(&mut self, groups: &[Group]) -> bool {
        let mut lengths = vec![0];
        for group in groups.iter().take_while(|group| group.closed) {
            lengths.push(lengths.last().expect("never empty") + group.digits);
        }
        let card = (1..lengths.len())
            .rev()
            .find(|count| card_like(&groups[..*count]) && self.rule.could_be_card(&self.digits(lengths[*count])));
        let digits = groups.iter().take(card.unwrap_or(1)).map(|group| group.digits).sum();
        self.give(self.length_of(digits), card.is_some());
        let ended = self.run.is_empty();
        self.give(self.run.iter().take_while(|byte| !byte.is_ascii_digit()).count(), false);
        card.is_some() && ended
    }

    /// The first digits of the run, without separators.
    fn digits(&self, count: usize) -> String {
        self.run.iter().filter(|byte| byte.is_ascii_digit()).take(count).copied().map(char::from).collect()
    }

    /// How many bytes of the run end with its digit number `digits`.
    fn length_of(&self, digits: usize) -> usize {
        let digit_places = self.run.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit());
        digit_places.take(digits).last().map_or(0, |(place, _)| place + 1)
    }

    fn give(&mut self, count: usize, mask: bool) {
        for byte in self.run.drain(..count) {
            if self.given > 0 {
                self.given -= 1;
            } else {
                self.out.push(if mask && byte.is_ascii_digit() { FILLER } else { byte });
            }
        }
    }
}

/// Whether the digits are grouped as cards print them: all together, or in groups of 3 to 8 with a rest.
fn card_like(groups: &[Group]) -> bool {
    match groups {
        [] => false,
        [_] => true,
        [first @ .., last] => first.iter().all(|group| (3..=8).contains(&group.digits)) && last.digits <= 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scrubbed(text: &str) -> String {
        let own = pan::CardRange { prefix: "603571".into(), digits: None };
        let mut scrubber = StreamScrubber::new(pan::Scrubber::new(vec![own]));
        let mut out = scrubber.push(text.as_bytes());
        out.extend(scrubber.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cards_are_masked_and_everything_else_is_left() {
        for (text, want) in [
            ("CARD 4111111111111111 OK", "CARD **************** OK"),
            ("CARD 4111 1111 1111 1111 12/28", "CARD **** **** **** **** 12/28"),
            ("4111  1111  1111  1111  5\n", "****  ****  ****  ****  5\n"),
            ("4111-1111-1111-1111 02\n", "****-****-****-**** 02\n"),
            ("3782 822463 10005", "**** ****** *****"),
            (";4111111111111111=28121010000012300001?x", ";****************=********************?x"),
            ("4111111111111111D28121010 X", "****************D******** X"),
            ("%B4111111111111111^DOE/JANE^2812101?;", "%B****************^****************?;"),
            // Fails Luhn; the merchant's own; articles; dates; receipt numbers.
            ("LOYALTY 4111 2222 3333 4446", "LOYALTY 4111 2222 3333 4446"),
            ("6035710000000006", "6035710000000006"),
            ("4006381333931 1.95", "4006381333931 1.95"),
            ("2026-11-03 21:40 #1015300", "2026-11-03 21:40 #1015300"),
            ("6 5012345678900", "6 5012345678900"),
            // A card after other digits, and one at the very end.
            ("0042 4111111111111111", "0042 ****************"),
            // More digits than any card has.
            ("411111111111111100004111111111111111", "411111111111111100004111111111111111"),
        ] {
            assert_eq!(scrubbed(text), want);
        }
    }

    #[test]
    fn a_pause_gives_a_last_digit_and_never_a_card() {
        let mut scrubber = StreamScrubber::default();
        assert_eq!(scrubber.push(b"\x1dV0"), b"\x1dV");
        assert_eq!(scrubber.pause(), b"0");
        assert_eq!(scrubber.push(b"\x1b@ 41111111"), b"\x1b@ ");
        assert_eq!(scrubber.pause(), b"411111");
        assert_eq!(scrubber.pause(), b"");
        assert_eq!(scrubber.push(b"11111111\n"), b"**********\n");
    }

    #[test]
    fn a_number_that_breaks_off_is_not_stored_for_the_next_stream_to_complete() {
        let mut scrubber = StreamScrubber::default();
        assert_eq!(scrubber.push(b"4111 1111 1111"), b"");
        assert_eq!(scrubber.abandon(), b"4111 11** ****");
        assert_eq!(scrubber.push(b"0123456789012"), b"");
        assert_eq!(scrubber.abandon(), b"0123456789012");
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            "[0-9 \\-]{0,30}".prop_map(String::into_bytes),
            Just(b"4111 1111 1111 1111".to_vec()),
            Just(b"5555555555554444".to_vec()),
            Just(b"4111111111111111=2812101?".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..12),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn the_result_does_not_depend_on_the_cuts(stream in stream(), cuts in proptest::collection::vec(1usize..40, 1..8)) {
            let mut whole = StreamScrubber::default();
            let mut want = whole.push(&stream);
            want.extend(whole.finish());
            prop_assert_eq!(want.len(), stream.len());

            let (mut scrubber, mut got, mut rest, mut turn) = (StreamScrubber::default(), Vec::new(), &stream[..], 0);
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(cuts[turn % cuts.len()].min(rest.len()));
                got.extend(scrubber.push(piece));
                prop_assert!(scrubber.held_bytes() <= HELD_BYTES_MAX);
                (rest, turn) = (tail, turn + 1);
            }
            got.extend(scrubber.finish());
            prop_assert_eq!(got, want);
        }

        #[test]
        fn a_pause_anywhere_keeps_length_and_shows_no_card(stream in stream(), step in 1usize..9) {
            let (mut scrubber, mut got) = (StreamScrubber::default(), Vec::new());
            for piece in stream.chunks(step) {
                got.extend(scrubber.push(piece));
                got.extend(scrubber.pause());
            }
            got.extend(scrubber.finish());
            prop_assert_eq!(got.len(), stream.len());
            for (before, after) in stream.iter().zip(&got) {
                prop_assert!(before == after || *after == FILLER);
            }
            // What is stored has no card left in it.
            let mut again = StreamScrubber::default();
            let mut second = again.push(&got);
            second.extend(again.finish());
            prop_assert_eq!(second, got);
        }
    }
}
