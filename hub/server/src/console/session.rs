//! Console sessions without a table: a cookie that says which key opened it and until when, sealed by the hub.
//!
//! Any hub process with the same root key reads it; a revoked key ends its sessions at once, because the key is
//! looked up again on every request. Not here: what a session may see.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use counterfoil_protocol::id::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How long a session lasts.
pub const SESSION_MS: i64 = 12 * 3_600_000;
/// The cookie's name.
pub const COOKIE: &str = "counterfoil_hub_session";

/// Seals sessions.
#[derive(Clone)]
pub struct SessionKey([u8; 32]);

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

impl SessionKey {
    /// From the root key's seed, for this use alone.
    pub fn derive(root_seed: &[u8; 32]) -> Self {
        Self(mac(root_seed, b"counterfoil console session key v1").finalize().into_bytes().into())
    }

    /// Bytes that only this hub can draw from `from`, the same each time, for one use.
    pub fn draw<const N: usize>(&self, purpose: &[u8], from: &[u8]) -> [u8; N] {
        let drawn = mac(&self.0, &[purpose, b"\0", from].concat()).finalize().into_bytes();
        std::array::from_fn(|at| drawn[at % drawn.len()])
    }

    /// The cookie's value for an API key, by its hash.
    pub fn seal(&self, key_hash: &Digest, expires_ms: i64) -> String {
        let said = format!("{key_hash}.{expires_ms}");
        let seal = mac(&self.0, said.as_bytes()).finalize().into_bytes();
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(seal))
    }

    /// The API key's hash, where the seal holds and the time is not over.
    pub fn open(&self, value: &str, now_ms: i64) -> Option<Digest> {
        let (said, seal) = value.rsplit_once('.')?;
        let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
        mac(&self.0, said.as_bytes()).verify_slice(&seal).ok()?;
        let (key_hash, expires_ms) = said.split_once('.')?;
        let expires_ms: i64 = expires_ms.parse().ok()?;
        (now_ms < expires_ms).then(|| key_hash.parse().ok())?
    }
}

fn mac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_opens_until_it_is_over_and_cannot_be_made_up() {
        let key = SessionKey::derive(&[1; 32]);
        let hash = Digest::of(&[b"key"]);
        let value = key.seal(&hash, 1_000);
        assert_eq!(key.open(&value, 999), Some(hash));
        assert_eq!(key.open(&value, 1_000), None);
        assert_eq!(SessionKey::derive(&[2; 32]).open(&value, 0), None);
        for forged in ["", "a.b.c", &value.replace(".1000.", ".9000."), &format!("{value}x")] {
            assert_eq!(key.open(forged, 0), None, "{forged}");
        }
    }
}
