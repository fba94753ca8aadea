//! Enrolment: a one-time code against a key made on the till.
//!
//! The code carries the fingerprint of the hub's root key, so the first contact already knows whom to trust.

use minicbor::{Decode, Encode};

use crate::id::IncarnationId;
use crate::identifier::ProgramKey;
use crate::wire::sign::{PublicKey, Sig};

/// The one-time code a person types at the till: `CF1-` and base32 of ten random bytes and the root key's
/// fingerprint. Read without regard to case, spaces and dashes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EnrolmentCode {
    /// Proves the invitation.
    pub secret: [u8; 10],
    /// [`PublicKey::fingerprint`] of the hub's root key.
    pub root_fingerprint: [u8; 16],
}

/// Text that is no enrolment code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an enrolment code: copy the whole line that `terminal invite` printed, it begins with CF1-")]
pub struct CodeError;

// Crockford's base32: no I, L, O, U; read as typed by people.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl EnrolmentCode {
    /// The code as printed.
    pub fn to_text(&self) -> String {
        let bytes: Vec<u8> = self.secret.iter().chain(&self.root_fingerprint).copied().collect();
        let mut text = String::from("CF1");
        let mut bits = 0u32;
        let mut held = 0u32;
        let mut count = 0;
        let mut push = |text: &mut String, value: u32| {
            if count % 6 == 0 {
                text.push('-');
            }
            count += 1;
            text.push(char::from(ALPHABET[(value & 31) as usize]));
        };
        for byte in bytes {
            held = held << 8 | u32::from(byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                push(&mut text, held >> bits);
            }
            held &= (1 << bits) - 1;
        }
        if bits > 0 {
            push(&mut text, held << (5 - bits));
        }
        text
    }

    /// Reads a code as a person types it.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let text: String = text.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_uppercase();
        let digits = text.strip_prefix("CF1").ok_or(CodeError)?;
        let mut bytes = Vec::with_capacity(27);
        let (mut held, mut bits) = (0u32, 0u32);
        for digit in digits.bytes() {
            let digit = match digit {
                b'I' | b'L' => b'1',
                b'O' => b'0',
                other => other,
            };
            let value = ALPHABET.iter().position(|letter| *letter == digit).ok_or(CodeError)?;
            held = held << 5 | u32::try_from(value).map_err(|_| CodeError)?;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push((held >> bits & 0xff) as u8);
                held &= (1 << bits) - 1;
            }
        }
        if bytes.len() != 26 || digits.len() != 42 {
            return Err(CodeError);
        }
        let mut code = Self { secret: [0; 10], root_fingerprint: [0; 16] };
        code.secret.copy_from_slice(&bytes[..10]);
        code.root_fingerprint.copy_from_slice(&bytes[10..]);
        Ok(code)
    }
}

/// A till asks to be taken in. Sent with the request signature of the key it names.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnrolRequest {
    /// The secret of the code.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub secret: [u8; 10],
    /// Made on the till; it never leaves it.
    #[n(1)]
    pub public_key: PublicKey,
    /// The agent's version.
    #[n(2)]
    pub agent_version: String,
}

/// What a store is, for its tills.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StoreSettings {
    /// The store's id.
    #[n(0)]
    pub store: String,
    /// Its name.
    #[n(1)]
    pub name: String,
    /// IANA time zone.
    #[n(2)]
    pub time_zone: String,
    /// ISO 4217.
    #[n(3)]
    pub currency: String,
    /// When the business day ends, `HH:MM` local.
    #[n(4)]
    pub day_ends: String,
    /// Groups it belongs to.
    #[n(5)]
    pub groups: Vec<String>,
}

/// A till is taken in. The same code with the same key gets the same answer, so a lost answer costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnrolAnswer {
    /// The till's id.
    #[n(0)]
    pub terminal: String,
    /// Its lane.
    #[n(1)]
    pub lane: String,
    /// Its store.
    #[n(2)]
    pub store: StoreSettings,
    /// This life of it.
    #[n(3)]
    pub incarnation: IncarnationId,
    /// The hub's epoch.
    #[n(4)]
    pub epoch: u64,
    /// The hub's root key; its fingerprint must be the code's.
    #[n(5)]
    pub root_key: PublicKey,
    /// The certificate of the root key, for TLS (PEM).
    #[n(6)]
    pub root_certificate: String,
    /// For identifier hashes and member ids.
    #[n(7)]
    pub program_key: ProgramKey,
    /// The root key's signature over the digest of all fields above, see `docs/protocol.md`.
    #[n(8)]
    pub signature: Option<Sig>,
}

impl EnrolAnswer {
    /// What the root key signs: a label and this answer without its signature.
    pub fn signed_text(&self) -> Vec<u8> {
        let bare = Self { signature: None, ..self.clone() };
        let body = minicbor::to_vec(&bare).expect("encoding into memory cannot fail");
        [b"counterfoil enrolment v1\0".as_slice(), &body].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_being_typed() {
        for seed in 0..=255u8 {
            let code = EnrolmentCode { secret: [seed; 10], root_fingerprint: [seed.wrapping_mul(37); 16] };
            let text = code.to_text();
            assert!(EnrolmentCode::parse(&text) == Ok(code), "{text}");
            assert!(EnrolmentCode::parse(&text.to_lowercase().replace('-', " ")) == Ok(code));
        }
        for bad in ["", "CF1", "CF1-0000", "hello", &"CF1-".repeat(40), "CF1-é"] {
            assert!(EnrolmentCode::parse(bad).is_err(), "{bad}");
        }
    }
}
