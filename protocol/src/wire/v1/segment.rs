//! Journal segments: consecutive records of one incarnation, signed.
//!
//! The signature covers the header, the header's last chain covers every record, so both are checked before a
//! single record is decoded. Anyone may carry a segment; nobody can forge, reorder, drop or repeat a record in
//! it unseen.

use ed25519_dalek::SigningKey;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::id::IncarnationId;
use crate::limits::{RECORD_BYTES_MAX, SEGMENT_RECORD_COUNT_MAX};
use crate::record::{Chain, Head, chain_next};
use crate::wire::sign::{BadSignature, PublicKey, Sig, sign};

/// The frame version this module reads and writes.
pub const SEGMENT_VERSION: u16 = 1;

/// A record that its journal has committed. Only a journal makes one: what is sent was persisted first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    position: u64,
    bytes: Vec<u8>,
    chain: Chain,
}

impl Committed {
    /// To be called by a journal on rows it has read back, and by nobody else.
    pub fn read_back(position: u64, bytes: Vec<u8>, chain: Chain) -> Self {
        Self { position, bytes, chain }
    }

    /// Where it stands.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A segment on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Segment {
    /// [`SEGMENT_VERSION`].
    #[n(0)]
    pub version: u16,
    /// Whose journal.
    #[n(1)]
    pub incarnation: IncarnationId,
    /// The first record's position, from 1.
    #[n(2)]
    pub first: u64,
    /// The chain before the first record.
    #[n(3)]
    pub chain_before: Chain,
    /// The chain after the last record.
    #[n(4)]
    pub chain_after: Chain,
    /// The records' bytes, in order.
    #[n(5)]
    pub records: Vec<ByteVec>,
    /// Over [`Segment::signed_text`].
    #[n(6)]
    pub signature: Sig,
}

/// One record of a verified segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRecord {
    /// Where it stands.
    pub position: u64,
    /// Its bytes, not yet decoded.
    pub bytes: Vec<u8>,
    /// The chain after it.
    pub chain: Chain,
}

/// A segment that is not taken, sorted by whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Not CBOR of this shape.
    #[error("the segment does not decode: {0}")]
    Malformed(String),
    /// A newer till than this hub.
    #[error("segment version {got} is newer than this hub reads ({SEGMENT_VERSION}): upgrade the hub")]
    Version {
        /// What came.
        got: u16,
    },
    /// Empty, too many records, or a record too large.
    #[error("the segment breaks a limit: {0}")]
    Limit(&'static str),
    /// Signed by another key, or changed on the way.
    #[error("the segment's signature does not hold for incarnation {0}")]
    Signature(IncarnationId),
    /// The records are not the ones that were signed.
    #[error("the segment's records do not give the chain that was signed")]
    Chain,
    /// Records before it are missing.
    #[error("the segment begins at {first}, the next record expected is {expected}")]
    Gap {
        /// Where it begins.
        first: u64,
        /// What is expected.
        expected: u64,
    },
    /// Two records at one position: a clone or a restored till.
    #[error(
        "the journal differs from what is already here at position {position}: restored from an older copy, or a clone"
    )]
    Fork {
        /// The last position both share, or the first that differs.
        position: u64,
    },
}

impl Segment {
    /// Builds and signs a segment from committed records, which must be consecutive. `None` where there is
    /// nothing to send.
    pub fn build(key: &SigningKey, before: Head, records: Vec<Committed>) -> Option<Self> {
        let last = records.last()?;
        let incarnation = PublicKey::of(key).incarnation();
        let mut segment = Self {
            version: SEGMENT_VERSION,
            incarnation,
            first: before.position + 1,
            chain_before: before.chain,
            chain_after: last.chain,
            records: Vec::with_capacity(records.len()),
            signature: Sig([0; 64]),
        };
        for (expected, record) in (segment.first..).zip(records) {
            assert_eq!(record.position, expected, "a journal's rows are consecutive");
            segment.records.push(record.bytes.into());
        }
        segment.signature = sign(key, &segment.signed_text());
        Some(segment)
    }

    /// What the signature covers.
    pub fn signed_text(&self) -> Vec<u8> {
        format!(
            "counterfoil segment v1\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.version,
            self.incarnation,
            self.first,
            self.records.len(),
            self.chain_before,
            self.chain_after
        )
        .into_bytes()
    }

    /// The frame's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("encoding into memory cannot fail")
    }

    /// Reads a frame's outside. Records stay bytes.
    ///
    /// # Errors
    /// When it is malformed, too new or beyond a limit.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SegmentError> {
        let segment: Self = minicbor::decode(bytes).map_err(|error| SegmentError::Malformed(error.to_string()))?;
        if segment.version > SEGMENT_VERSION {
            return Err(SegmentError::Version { got: segment.version });
        }
        if segment.records.is_empty() || segment.records.len() > SEGMENT_RECORD_COUNT_MAX {
            return Err(SegmentError::Limit("between 1 and 1000 records"));
        }
        if segment.records.iter().any(|record| record.len() > RECORD_BYTES_MAX) {
            return Err(SegmentError::Limit("1 MiB for a record"));
        }
        if segment.first == 0 || segment.first.checked_add(segment.records.len() as u64).is_none() {
            return Err(SegmentError::Limit("positions from 1"));
        }
        Ok(segment)
    }

    /// Checks signature and chain, and gives the records with their places.
    ///
    /// # Errors
    /// When either does not hold, or the key is not this incarnation's.
    pub fn verify(self, key: &PublicKey) -> Result<Vec<VerifiedRecord>, SegmentError> {
        let bad = |_: BadSignature| SegmentError::Signature(self.incarnation);
        if key.incarnation() != self.incarnation {
            return Err(SegmentError::Signature(self.incarnation));
        }
        key.verify(&self.signed_text(), &self.signature).map_err(bad)?;
        let mut chain = self.chain_before;
        let mut verified = Vec::with_capacity(self.records.len());
        for (position, bytes) in (self.first..).zip(self.records) {
            let bytes = Vec::from(bytes);
            chain = chain_next(chain, &bytes);
            verified.push(VerifiedRecord { position, bytes, chain });
        }
        if chain == self.chain_after { Ok(verified) } else { Err(SegmentError::Chain) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::chain_next;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn committed(before: Head, count: u64) -> Vec<Committed> {
        let mut chain = before.chain;
        (1..=count)
            .map(|step| {
                let bytes = vec![step as u8; 3];
                chain = chain_next(chain, &bytes);
                Committed::read_back(before.position + step, bytes, chain)
            })
            .collect()
    }

    fn sample() -> (PublicKey, Segment) {
        let key = key(1);
        let public = PublicKey::of(&key);
        let start = Head::start(public.incarnation());
        (public, Segment::build(&key, start, committed(start, 3)).unwrap())
    }

    #[test]
    fn a_segment_survives_the_wire() {
        let (public, segment) = sample();
        let back = Segment::from_bytes(&segment.to_bytes()).unwrap();
        assert_eq!(back, segment);
        let records = back.verify(&public).unwrap();
        assert_eq!(records.iter().map(|record| record.position).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(records[2].chain, segment.chain_after);
    }

    #[test]
    fn nothing_in_a_segment_can_be_changed_unseen() {
        let (public, segment) = sample();
        type Change = fn(&mut Segment);
        let changes: [(&str, Change); 7] = [
            ("a byte", |s| s.records[1] = vec![9, 9, 9].into()),
            ("order", |s| s.records.swap(0, 1)),
            ("dropped", |s| drop(s.records.remove(1))),
            ("repeated", |s| s.records.push(vec![3; 3].into())),
            ("moved", |s| s.first = 2),
            ("chain", |s| s.chain_before = Chain::of(&[b"x"])),
            ("signature", |s| s.signature.0[0] ^= 1),
        ];
        for (what, change) in changes {
            let mut changed = segment.clone();
            change(&mut changed);
            assert!(changed.verify(&public).is_err(), "{what}");
        }
        assert!(segment.verify(&PublicKey::of(&key(2))).is_err(), "another key");
    }

    #[test]
    fn foreign_bytes_are_refused_in_words() {
        for bytes in [&b""[..], b"\xff", &[0x80; 40], b"{}"] {
            assert!(matches!(Segment::from_bytes(bytes), Err(SegmentError::Malformed(_))));
        }
        let (_, mut segment) = sample();
        segment.version = 2;
        assert_eq!(Segment::from_bytes(&segment.to_bytes()), Err(SegmentError::Version { got: 2 }));
        segment.version = 1;
        segment.first = u64::MAX;
        assert!(matches!(Segment::from_bytes(&segment.to_bytes()), Err(SegmentError::Limit(_))));
    }
}
