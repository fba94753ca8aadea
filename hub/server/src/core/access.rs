//! Keys for the API: only their hashes are here.

use super::views::ApiKeyView;
use super::{Hub, HubError, unfinished};

impl Hub {
    /// Takes in a key by the SHA-256 of its secret.
    ///
    /// # Errors
    /// `Conflict` when the secret is here already, `Invalid` without a name or scope.
    pub fn add_api_key(
        &mut self,
        name: &str,
        scopes: &[String],
        secret_hash: [u8; 32],
        now_ms: i64,
    ) -> Result<ApiKeyView, HubError> {
        let _ = (name, scopes, secret_hash, now_ms);
        unfinished()
    }

    /// The key with this secret, where there is one that has not been revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub fn check_api_key(&self, secret_hash: [u8; 32]) -> Result<Option<ApiKeyView>, HubError> {
        let _ = secret_hash;
        unfinished()
    }

    /// All keys, revoked ones too.
    ///
    /// # Errors
    /// When the database fails.
    pub fn api_keys(&self) -> Result<Vec<ApiKeyView>, HubError> {
        unfinished()
    }

    /// Takes a key back. Doing it twice is the same.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn revoke_api_key(&mut self, id: &str, now_ms: i64) -> Result<ApiKeyView, HubError> {
        let _ = (id, now_ms);
        unfinished()
    }
}
