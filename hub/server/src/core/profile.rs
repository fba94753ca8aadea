//! Personal data at rest: sealed under a key per member, and that key wrapped for head office, in a table of its
//! own. Destroying the key destroys the profile; chains and ledger never knew it.
//!
//! XChaCha20-Poly1305 throughout. Nonces are derived, never drawn: a revision number under a key used for nothing
//! else, and for the wrapping a digest of what is wrapped.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use counterfoil_protocol::id::{Digest, MemberId};
use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};

use super::act::Act;
use super::error::{Doing as _, HubError};

/// What is known of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Profile {
    #[serde(default)]
    pub display_name: Option<String>,
    /// As they were given.
    #[serde(default)]
    pub identifiers: Vec<String>,
}

fn nonce(label: &[u8], key: &[u8; 32], revision: i64) -> [u8; 24] {
    let digest = Digest::of(&[label, key, &revision.to_be_bytes()]);
    let mut nonce = [0; 24];
    nonce.copy_from_slice(&digest.0[..24]);
    nonce
}

fn seal(key: &[u8; 32], nonce: [u8; 24], text: &[u8], member: MemberId) -> Vec<u8> {
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: text, aad: &member.0 })
        .expect("a profile is far below the cipher's limit");
    [nonce.as_slice(), &sealed].concat()
}

fn open(key: &[u8; 32], sealed: &[u8], member: MemberId) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(24)?;
    let nonce: [u8; 24] = nonce.try_into().ok()?;
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &member.0 }).ok()
}

impl Act<'_> {
    /// The key that wraps members' keys.
    fn wrapping_key(&self) -> [u8; 32] {
        Digest::of(&[b"counterfoil profile wrapping v1\0", &self.own.root.to_bytes()]).0
    }

    fn profile_key(&self, member: MemberId) -> Result<Option<[u8; 32]>, HubError> {
        let wrapped: Option<Vec<u8>> = self
            .tx
            .prepare_cached("SELECT wrapped FROM profile_key WHERE bucket = ?1 AND member = ?2")
            .and_then(|mut query| query.query_row((member.bucket(), member.0), |row| row.get(0)).optional())
            .doing("reading a profile's key")?;
        let Some(wrapped) = wrapped else { return Ok(None) };
        let key = open(&self.wrapping_key(), &wrapped, member).and_then(|key| key.try_into().ok());
        key.map(Some).ok_or_else(|| HubError::Database { detail: format!("the key of member {member} does not open") })
    }

    /// Gives a member's profile a key, where it has none.
    pub(super) fn make_profile_key(&self, member: MemberId, key: [u8; 32]) -> Result<(), HubError> {
        let wrapping = self.wrapping_key();
        let wrapped = seal(&wrapping, nonce(b"counterfoil profile key v1\0", &key, 0), &key, member);
        self.tx
            .prepare_cached("INSERT OR IGNORE INTO profile_key (bucket, member, wrapped) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute((member.bucket(), member.0, wrapped)))
            .doing("keeping a profile's key")?;
        Ok(())
    }

    /// A member's profile; empty where there is none, or its key was destroyed.
    pub(super) fn profile(&self, member: MemberId) -> Result<Profile, HubError> {
        let sealed: Option<Vec<u8>> = self
            .tx
            .prepare_cached("SELECT sealed FROM profile WHERE bucket = ?1 AND member = ?2")
            .and_then(|mut query| query.query_row((member.bucket(), member.0), |row| row.get(0)).optional())
            .doing("reading a profile")?;
        let (Some(sealed), Some(key)) = (sealed, self.profile_key(member)?) else { return Ok(Profile::default()) };
        open(&key, &sealed, member)
            .and_then(|text| serde_json::from_slice(&text).ok())
            .ok_or_else(|| HubError::Database { detail: format!("the profile of member {member} does not open") })
    }

    /// Writes a member's profile, sealed under the member's key.
    pub(super) fn write_profile(&self, member: MemberId, profile: &Profile) -> Result<(), HubError> {
        let Some(key) = self.profile_key(member)? else {
            return Err(HubError::conflict(format!(
                "member {member} is known by its id only: create it with its identifier first"
            )));
        };
        let revision: i64 = self
            .tx
            .prepare_cached("SELECT revision FROM profile WHERE bucket = ?1 AND member = ?2")
            .and_then(|mut query| query.query_row((member.bucket(), member.0), |row| row.get(0)).optional())
            .doing("reading a profile's revision")?
            .unwrap_or(0)
            + 1;
        let text = serde_json::to_vec(profile).expect("a profile is JSON");
        let sealed = seal(&key, nonce(b"counterfoil profile v1\0", &key, revision), &text, member);
        self.tx
            .prepare_cached(
                "INSERT INTO profile (bucket, member, revision, sealed) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET revision = excluded.revision, sealed = excluded.sealed",
            )
            .and_then(|mut insert| insert.execute((member.bucket(), member.0, revision, sealed)))
            .doing("writing a profile")?;
        Ok(())
    }
}
