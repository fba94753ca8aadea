//! Signatures: Ed25519 (RFC 8032) over domain-separated text.
//!
//! A till signs every request and every segment with its incarnation's key, a hub every answer and every entry
//! with its root key. No time and no nonce: till clocks lie, and a replay changes nothing.

use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use minicbor::{Decode, Encode};

use crate::id::{Digest, IncarnationId};
use crate::record::Head;

/// An Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct PublicKey(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub [u8; 32],
);

/// An Ed25519 signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Sig(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub [u8; 64],
);

/// Bytes whose signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

impl PublicKey {
    /// The public half of a key.
    pub fn of(key: &SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }

    /// The incarnation that owns this key.
    pub fn incarnation(&self) -> IncarnationId {
        let digest = Digest::of(&[b"counterfoil incarnation v1\0", &self.0]);
        let mut id = [0; 16];
        id.copy_from_slice(&digest.0[..16]);
        IncarnationId(id)
    }

    /// What an enrolment code carries of a hub's root key.
    pub fn fingerprint(&self) -> [u8; 16] {
        let digest = Digest::of(&[b"counterfoil root key v1\0", &self.0]);
        let mut short = [0; 16];
        short.copy_from_slice(&digest.0[..16]);
        short
    }

    /// Checks a signature over `message`, strictly (no weak keys, canonical encodings only).
    ///
    /// # Errors
    /// When it does not hold, or the key is no key.
    pub fn verify(&self, message: &[u8], signature: &Sig) -> Result<(), BadSignature> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        let signature = Signature::from_bytes(&signature.0);
        key.verify_strict(message, &signature).map_err(|_| BadSignature)?;
        key.verify(message, &signature).map_err(|_| BadSignature)
    }
}

/// Signs `message`.
pub fn sign(key: &SigningKey, message: &[u8]) -> Sig {
    Sig(key.sign(message).to_bytes())
}

/// The text a till signs for a request: method, path with query, body digest, hub epoch, incarnation and the
/// head it announces, a line each.
pub fn request_text(
    method: &str,
    path: &str,
    body: &[u8],
    epoch: u64,
    incarnation: IncarnationId,
    head: &Head,
) -> Vec<u8> {
    format!(
        "counterfoil request v1\n{method}\n{path}\n{}\n{epoch}\n{incarnation}\n{}\n{}\n",
        Digest::of(&[body]),
        head.position,
        head.chain
    )
    .into_bytes()
}

/// The text a hub signs for an answer: what was asked (the digest of [`request_text`]) and the digest of the
/// body, so that an answer to another question does not pass.
pub fn answer_text(request: &[u8], status: u16, body: &[u8]) -> Vec<u8> {
    format!("counterfoil answer v1\n{}\n{status}\n{}\n", Digest::of(&[request]), Digest::of(&[body])).into_bytes()
}
