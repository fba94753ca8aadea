//! One frame of a segment file, and how a damaged one is told from a good one.
//!
//! Layout, little endian: payload length u32, kind u8, stream offset u64, wall time i64 in milliseconds,
//! CRC-32 u32 over all of the former and the payload, payload. Pure: bytes in, frames out.

use crc32fast::Hasher;

/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 25;
/// Longest payload. A longer length is damage.
pub(super) const PAYLOAD_BYTES_MAX: usize = 64 * 1_024;

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Bytes of the stream from the frame's offset on.
    Bytes(Vec<u8>),
    /// Nothing is known of the stream from the frame's offset to `to`.
    Gap {
        /// First offset that is known again.
        to: u64,
        /// Why, for a person.
        reason: String,
    },
    /// From here on bytes are being dropped; how many is said by the [`Content::Gap`] that follows, or, if the
    /// tap was killed before, by the jump at its next start.
    Dropping,
    /// The writer ended as it should: nothing was lost before the next frame.
    Closed,
}

/// A frame read back or to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) offset: u64,
    pub(super) wall_ms: i64,
    pub(super) content: Content,
}

impl Frame {
    /// The offset after this frame.
    pub(super) fn end(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => self.offset.saturating_add(bytes.len() as u64),
            Content::Gap { to, .. } => *to,
            Content::Dropping | Content::Closed => self.offset,
        }
    }

    /// The frame as it stands in the file. The payload must not be longer than [`PAYLOAD_BYTES_MAX`].
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match &self.content {
            Content::Bytes(bytes) => (1, bytes.clone()),
            Content::Gap { to, reason } => (2, [&to.to_le_bytes()[..], reason.as_bytes()].concat()),
            Content::Closed => (3, Vec::new()),
            Content::Dropping => (4, Vec::new()),
        };
        let length = u32::try_from(payload.len()).expect("a payload is bounded");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.wall_ms.to_le_bytes());
        let checksum = checksum(&bytes, &payload);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&payload);
        bytes
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A frame and its length in the file.
    Frame(Frame, usize),
    /// Good so far, and not all of it there.
    Incomplete,
    /// No frame.
    Damaged,
}

/// Reads the frame at the beginning of `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Decoded::Incomplete;
    };
    let field = |at: usize| -> [u8; 8] { header[at..at + 8].try_into().expect("eight bytes of the header") };
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes of the header"));
    let length = word(0) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Decoded::Damaged;
    }
    let Some(payload) = rest.get(..length) else {
        return Decoded::Incomplete;
    };
    if checksum(&header[..HEADER_BYTES - 4], payload) != word(HEADER_BYTES - 4) {
        return Decoded::Damaged;
    }
    let content = match (header[4], payload.split_first_chunk::<8>()) {
        (1, _) => Content::Bytes(payload.to_vec()),
        (2, Some((to, reason))) => {
            Content::Gap { to: u64::from_le_bytes(*to), reason: String::from_utf8_lossy(reason).into_owned() }
        }
        (3, _) => Content::Closed,
        (4, _) => Content::Dropping,
        _ => return Decoded::Damaged,
    };
    let frame = Frame { offset: u64::from_le_bytes(field(5)), wall_ms: i64::from_le_bytes(field(13)), content };
    Decoded::Frame(frame, HEADER_BYTES + length)
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        let content = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200).prop_map(Content::Bytes),
            (any::<u64>(), "[a-z ]{0,20}").prop_map(|(to, reason)| Content::Gap { to, reason }),
            Just(Content::Dropping),
            Just(Content::Closed),
        ];
        (any::<u64>(), any::<i64>(), content).prop_map(|(offset, wall_ms, content)| Frame { offset, wall_ms, content })
    }

    proptest! {
        #[test]
        fn a_frame_comes_back_and_no_prefix_of_it_does(frame in any_frame(), cut in any::<prop::sample::Index>()) {
            let bytes = frame.encode();
            prop_assert_eq!(decode(&bytes), Decoded::Frame(frame, bytes.len()));
            prop_assert_eq!(decode(&bytes[..cut.index(bytes.len())]), Decoded::Incomplete);
        }

        #[test]
        fn a_changed_byte_is_noticed(frame in any_frame(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = frame.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(!matches!(decode(&bytes), Decoded::Frame(..)));
        }
    }
}
