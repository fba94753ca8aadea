//! Succession: a till whose database was put back from an older copy goes on as another incarnation.
//!
//! The request is signed by the old key, as every request; the new key signs with it, so that nobody is handed an
//! incarnation whose key it has not. Head office settles the old incarnation where it has it, and answers the same
//! new key the same for ever. Another new key for the same old one is proof of two disks.

use ed25519_dalek::SigningKey;
use minicbor::{Decode, Encode};

use crate::id::IncarnationId;
use crate::record::Head;
use crate::wire::sign::{BadSignature, PublicKey, Sig, sign};
use crate::wire::v1::enrol::StoreSettings;

/// A till asks to go on as another incarnation. Sent with the request signature of the old key, to
/// [`crate::wire::http::SUCCEED_PATH`]; asked again with the same new key until it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SuccessionRequest {
    /// The incarnation that ends: the one that signs the request.
    #[n(0)]
    pub before: IncarnationId,
    /// How far its journal comes on this disk. Head office may have it otherwise.
    #[n(1)]
    pub branch: Head,
    /// Made on the till; durable there before it is sent.
    #[n(2)]
    pub public_key: PublicKey,
    /// The new key's, over [`SuccessionRequest::signed_text`].
    #[n(3)]
    pub proof: Sig,
    /// The agent's version.
    #[n(4)]
    pub agent_version: String,
}

impl SuccessionRequest {
    /// Makes the request and its proof.
    pub fn new(before: IncarnationId, branch: Head, new_key: &SigningKey, agent_version: String) -> Self {
        let public_key = PublicKey::of(new_key);
        let proof = sign(new_key, &Self::signed_text(before, &branch, &public_key));
        Self { before, branch, public_key, proof, agent_version }
    }

    /// What the new key signs.
    pub fn signed_text(before: IncarnationId, branch: &Head, public_key: &PublicKey) -> Vec<u8> {
        let new = public_key.incarnation();
        format!("counterfoil succession v1\n{before}\n{}\n{}\n{new}\n", branch.position, branch.chain).into_bytes()
    }

    /// Whether whoever asks has the new key.
    ///
    /// # Errors
    /// When the proof does not hold.
    pub fn verify(&self) -> Result<(), BadSignature> {
        let text = Self::signed_text(self.before, &self.branch, &self.public_key);
        self.public_key.verify(&text, &self.proof)
    }
}

/// The next incarnation of a terminal. The till keeps it: it proves to a head office that lost it who this till is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SuccessionAnswer {
    /// The till's id.
    #[n(0)]
    pub terminal: String,
    /// Its lane.
    #[n(1)]
    pub lane: String,
    /// Its store.
    #[n(2)]
    pub store: StoreSettings,
    /// The incarnation that ended.
    #[n(3)]
    pub before: IncarnationId,
    /// How far head office had it, and settled it.
    #[n(4)]
    pub settled: Head,
    /// The incarnation that begins.
    #[n(5)]
    pub incarnation: IncarnationId,
    /// Which of this terminal, from 1.
    #[n(6)]
    pub number: u32,
    /// The hub's epoch.
    #[n(7)]
    pub epoch: u64,
    /// The hub's clock, milliseconds since 1970 UTC.
    #[n(8)]
    pub hub_time_ms: i64,
    /// The root key's, over [`SuccessionAnswer::signed_text`].
    #[n(9)]
    pub signature: Option<Sig>,
}

impl SuccessionAnswer {
    /// What the root key signs: a label and this answer without its signature.
    pub fn signed_text(&self) -> Vec<u8> {
        let bare = Self { signature: None, ..self.clone() };
        let body = minicbor::to_vec(&bare).expect("encoding into memory cannot fail");
        [b"counterfoil succession answer v1\0".as_slice(), &body].concat()
    }

    /// Whether head office wrote it.
    ///
    /// # Errors
    /// When the signature is absent or does not hold.
    pub fn verify(&self, root_key: &PublicKey) -> Result<(), BadSignature> {
        let signature = self.signature.as_ref().ok_or(BadSignature)?;
        root_key.verify(&self.signed_text(), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_names_both_lives_and_the_place() {
        let (old, new) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let before = PublicKey::of(&old).incarnation();
        let request = SuccessionRequest::new(before, Head::start(before), &new, "0.1.0".into());
        assert_eq!(request.verify(), Ok(()));
        let other = Head { position: 1, ..request.branch };
        let another = PublicKey::of(&SigningKey::from_bytes(&[3; 32]));
        for forged in [
            SuccessionRequest { before: another.incarnation(), ..request.clone() },
            SuccessionRequest { branch: other, ..request.clone() },
            SuccessionRequest { public_key: another, ..request.clone() },
        ] {
            assert_eq!(forged.verify(), Err(BadSignature));
        }
    }
}
