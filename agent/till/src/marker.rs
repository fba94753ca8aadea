//! The marker: something outside the database that remembers how far the journal came.
//!
//! A database restored from an image is older than its marker. The marker is durable before the answer to
//! whatever spends or gives rights, and within a second otherwise. A marker behind the database is normal; one
//! ahead of it, beside it or gone means that the database may have been put back.

use counterfoil_protocol::id::{Digest, IncarnationId};
use counterfoil_protocol::record::Head;

/// How far a journal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Whose journal.
    pub incarnation: IncarnationId,
    /// Its last record.
    pub head: Head,
}

/// Text that is no marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a marker, or it is damaged")]
pub struct MarkerError;

const LABEL: &str = "counterfoil marker v1";

impl Marker {
    /// As a small file, with a checksum.
    pub fn to_text(&self) -> String {
        let body = format!("{LABEL}\n{}\n{}\n{}\n", self.incarnation, self.head.position, self.head.chain);
        let checksum = Digest::of(&[body.as_bytes()]);
        format!("{body}{checksum}\n")
    }

    /// Reads the small file.
    ///
    /// # Errors
    /// When it is none, or its checksum does not hold.
    pub fn parse(text: &str) -> Result<Self, MarkerError> {
        let lines: Vec<&str> = text.split('\n').collect();
        let [LABEL, incarnation, position, chain, _, ""] = lines[..] else {
            return Err(MarkerError);
        };
        let head = Head {
            position: position.parse().map_err(|_| MarkerError)?,
            chain: chain.parse().map_err(|_| MarkerError)?,
        };
        let marker = Self { incarnation: incarnation.parse().map_err(|_| MarkerError)?, head };
        if marker.to_text() == text { Ok(marker) } else { Err(MarkerError) }
    }
}

/// The marker could not be made durable.
#[derive(Debug, thiserror::Error)]
#[error("the marker beside the database could not be stored")]
pub struct WitnessError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where markers are kept: a file, fsynced; in the simulator, a file of its disk.
pub trait Witness {
    /// Stores the marker; it must be durable when this returns.
    ///
    /// # Errors
    /// When it is not.
    fn store(&mut self, marker: &Marker) -> Result<(), WitnessError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_survives_and_damage_is_seen() {
        let incarnation = IncarnationId([3; 16]);
        let marker = Marker { incarnation, head: Head { position: 12, chain: Digest::of(&[b"x"]) } };
        let text = marker.to_text();
        assert_eq!(Marker::parse(&text), Ok(marker));
        for index in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[index] = damaged[index].wrapping_add(1);
            assert_eq!(Marker::parse(&String::from_utf8_lossy(&damaged)), Err(MarkerError), "byte {index}");
            assert_eq!(Marker::parse(&text[..index]), Err(MarkerError), "cut at {index}");
        }
    }
}
