//! Typed ids. Opaque to everybody outside; what is inside is said here and nowhere else.
//!
//! An id of a fact names its author and its place in the author's log, so the same fact has the same id
//! however often and by whatever path it arrives.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::limits::MEMBER_BUCKET_COUNT;

/// Text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}")]
pub struct IdError {
    /// What was expected.
    pub kind: &'static str,
    /// What came.
    pub text: String,
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn from_hex<const N: usize>(kind: &'static str, text: &str) -> Result<[u8; N], IdError> {
    let bad = || IdError { kind, text: text.chars().take(80).collect() };
    let mut bytes = [0; N];
    // Every character: reading a number takes a sign as well.
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad());
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| bad())?;
    }
    Ok(bytes)
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] #[cbor(with = "minicbor::bytes")] pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex(&self.0, f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                from_hex($kind, text).map(Self)
            }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

bytes_id!(
    /// A person in the program: `HMAC-SHA-256(program key, normalised identifier)`, first 16 bytes, so that
    /// two tills which sign up the same card offline agree.
    MemberId, 16, "member id"
);
bytes_id!(
    /// One life of a terminal: the first 16 bytes of SHA-256 of its public key. Positions, key and spend
    /// rights belong to it, never to the terminal.
    IncarnationId, 16, "incarnation id"
);
bytes_id!(
    /// An identifier under the program's key (see [`crate::identifier`]).
    IdentifierHash, 16, "identifier hash"
);
bytes_id!(
    /// SHA-256: a chain value, a digest of a request.
    Digest, 32, "digest"
);

impl MemberId {
    /// The feed bucket of this member, `0..64`.
    pub fn bucket(self) -> u8 {
        self.0[0] % MEMBER_BUCKET_COUNT
    }
}

impl Digest {
    /// SHA-256 of the parts, one after the other.
    pub fn of(parts: &[&[u8]]) -> Self {
        use sha2::Digest as _;
        let mut hasher = sha2::Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        Self(hasher.finalize().into())
    }
}

/// Who holds units: head office, or one incarnation of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Holder {
    /// Head office.
    #[n(0)]
    Hub,
    /// One incarnation of a terminal.
    #[n(1)]
    Terminal(#[n(0)] IncarnationId),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub => f.write_str("hub"),
            Self::Terminal(incarnation) => incarnation.fmt(f),
        }
    }
}

impl FromStr for Holder {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "hub" { Ok(Self::Hub) } else { text.parse().map(Self::Terminal) }
    }
}

/// What a journal record did: `<incarnation>-<position>`. Sales, redemptions and day closes are named so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct EventId {
    /// Whose journal.
    #[n(0)]
    pub incarnation: IncarnationId,
    /// Which record, from 1.
    #[n(1)]
    pub position: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.incarnation, self.position)
    }
}

impl FromStr for EventId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || IdError { kind: "event id", text: text.chars().take(80).collect() };
        let (incarnation, position) = text.split_once('-').ok_or_else(bad)?;
        Ok(Self { incarnation: incarnation.parse()?, position: position.parse().map_err(|_| bad())? })
    }
}

impl Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One entry: `<incarnation>:<position>:<index>`, or `hub.<epoch>:<bucket>.<sequence>:<index>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum EntryId {
    /// Written by a terminal.
    #[n(0)]
    Terminal {
        /// Its incarnation.
        #[n(0)]
        incarnation: IncarnationId,
        /// The record.
        #[n(1)]
        position: u64,
        /// The entry within the record, from 0.
        #[n(2)]
        index: u32,
    },
    /// Written by a hub.
    #[n(1)]
    Hub {
        /// The hub's epoch: a restored hub mints a new one.
        #[n(0)]
        epoch: u64,
        /// The member's feed bucket.
        #[n(1)]
        bucket: u8,
        /// Consecutive within epoch and bucket, from 1.
        #[n(2)]
        sequence: u64,
        /// The entry within one act, from 0.
        #[n(3)]
        index: u32,
    },
}

impl EntryId {
    /// Who wrote it.
    pub fn author(self) -> Holder {
        match self {
            Self::Terminal { incarnation, .. } => Holder::Terminal(incarnation),
            Self::Hub { .. } => Holder::Hub,
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal { incarnation, position, index } => write!(f, "{incarnation}:{position}:{index}"),
            Self::Hub { epoch, bucket, sequence, index } => write!(f, "hub.{epoch}:{bucket}.{sequence}:{index}"),
        }
    }
}

impl FromStr for EntryId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || IdError { kind: "entry id", text: text.chars().take(80).collect() };
        let mut parts = text.split(':');
        let (Some(author), Some(place), Some(index), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        let index = index.parse().map_err(|_| bad())?;
        if let Some(epoch) = author.strip_prefix("hub.") {
            let (bucket, sequence) = place.split_once('.').ok_or_else(bad)?;
            return Ok(Self::Hub {
                epoch: epoch.parse().map_err(|_| bad())?,
                bucket: bucket.parse().map_err(|_| bad())?,
                sequence: sequence.parse().map_err(|_| bad())?,
                index,
            });
        }
        Ok(Self::Terminal { incarnation: author.parse()?, position: place.parse().map_err(|_| bad())?, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text() {
        let incarnation = IncarnationId([0xab; 16]);
        let event = EventId { incarnation, position: 7 };
        assert_eq!(event.to_string().parse(), Ok(event));
        for id in [
            EntryId::Terminal { incarnation, position: 3, index: 1 },
            EntryId::Hub { epoch: 2, bucket: 63, sequence: 9, index: 0 },
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
            let bytes = minicbor::to_vec(id).unwrap();
            assert_eq!(minicbor::decode::<EntryId>(&bytes).unwrap(), id);
        }
        for bad in ["", "ab", "é", &"+a".repeat(16), "abab:1:1", "hub.1:2:3", "hub.x:1.2:3"] {
            assert!(bad.parse::<EntryId>().is_err(), "{bad}");
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
