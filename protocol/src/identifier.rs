//! Identifiers: card numbers, phones, e-mail addresses that find a member.
//!
//! They are compared under one normal form and stored as a keyed hash. Whoever holds the key and the hashes
//! can test guesses (a card number has few digits): that is stated, not solved, here.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use minicbor::{Decode, Encode};
use sha2::Sha256;

use crate::id::{IdentifierHash, MemberId};
use crate::limits::IDENTIFIER_CHAR_COUNT_MAX;

/// The program's secret for identifier hashes and member ids; made once by head office, given to every till.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct ProgramKey(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub [u8; 32],
);

impl fmt::Debug for ProgramKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgramKey(…)")
    }
}

/// An identifier that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Nothing left after normalisation.
    #[error("the identifier is empty: scan or type a card number, phone or e-mail")]
    Empty,
    /// Longer than any identifier.
    #[error("the identifier has more than {IDENTIFIER_CHAR_COUNT_MAX} characters")]
    TooLong,
}

/// An identifier in its normal form: e-mail addresses trimmed and lower-cased; everything else without
/// spaces, dots, dashes and brackets, upper-cased.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identifier(String);

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identifier(…)")
    }
}

impl Identifier {
    /// Normalises what was scanned or typed.
    ///
    /// # Errors
    /// When nothing is left, or it is longer than [`IDENTIFIER_CHAR_COUNT_MAX`].
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let trimmed = text.trim();
        if trimmed.chars().count() > IDENTIFIER_CHAR_COUNT_MAX {
            return Err(IdentifierError::TooLong);
        }
        let normal: String = if trimmed.contains('@') {
            trimmed.to_lowercase()
        } else {
            trimmed
                .chars()
                .filter(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '-' | '.' | '(' | ')' | '/'))
                .flat_map(char::to_uppercase)
                .collect()
        };
        if normal.is_empty() { Err(IdentifierError::Empty) } else { Ok(Self(normal)) }
    }

    /// The normal form. Personal data: never log it, never put it into a record.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the directory is keyed by.
    pub fn hash(&self, key: &ProgramKey) -> IdentifierHash {
        IdentifierHash(self.keyed(key, b"counterfoil identifier v1\0"))
    }

    /// The id of a member made from this identifier.
    pub fn member_id(&self, key: &ProgramKey) -> MemberId {
        MemberId(self.keyed(key, b"counterfoil member v1\0"))
    }

    fn keyed(&self, key: &ProgramKey, domain: &[u8]) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes a key of any length");
        mac.update(domain);
        mac.update(self.0.as_bytes());
        let digest = mac.finalize().into_bytes();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_identifier_has_one_form() {
        let key = ProgramKey([7; 32]);
        let hash = |text: &str| Identifier::parse(text).unwrap().hash(&key);
        assert_eq!(hash("9826 0000-0001 7\r\n"), hash("9826000000017"));
        assert_eq!(hash(" Ann@Example.org"), hash("ann@example.ORG"));
        assert_ne!(hash("9826000000017"), hash("9826000000018"));
        assert_eq!(Identifier::parse(" - "), Err(IdentifierError::Empty));
        assert_eq!(Identifier::parse(&"1".repeat(257)), Err(IdentifierError::TooLong));
        let one = Identifier::parse("9826000000017").unwrap();
        assert_ne!(one.hash(&key).0, one.member_id(&key).0, "the two uses have domains of their own");
        assert!(!format!("{one:?}").contains("9826"), "an identifier does not print itself");
    }
}
