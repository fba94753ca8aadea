//! Keys for the API: only their hashes are here.

use counterfoil_protocol::id::Digest;
use counterfoil_protocol::time::rfc3339_utc;
use rusqlite::{OptionalExtension as _, Row};

use super::Hub;
use super::error::{Doing as _, HubError};
use super::views::ApiKeyView;

/// Every scope there is.
pub const SCOPES: [&str; 8] = [
    "members:read",
    "members:write",
    "ledger:read",
    "program:write",
    "webhooks:write",
    "terminals:write",
    "sales:write",
    "admin",
];

const COLUMNS: &str = "SELECT id, name, scopes, created_ms, revoked_ms FROM api_key";

fn view(row: &Row<'_>) -> rusqlite::Result<ApiKeyView> {
    let (scopes, created_ms, revoked_ms): (String, i64, Option<i64>) = (row.get(2)?, row.get(3)?, row.get(4)?);
    Ok(ApiKeyView {
        id: row.get(0)?,
        name: row.get(1)?,
        scopes: serde_json::from_str(&scopes).unwrap_or_default(),
        created_at: rfc3339_utc(created_ms),
        revoked_at: revoked_ms.map(rfc3339_utc),
    })
}

impl Hub {
    /// Takes in a key by the SHA-256 of its secret.
    ///
    /// # Errors
    /// `Conflict` when the secret is here already, `Invalid` without a name or with a scope that does not exist.
    pub fn add_api_key(
        &mut self,
        name: &str,
        scopes: &[String],
        secret_hash: [u8; 32],
        now_ms: i64,
    ) -> Result<ApiKeyView, HubError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 100 {
            return Err(HubError::invalid("name", "give the key a name of 1 to 100 characters"));
        }
        if scopes.is_empty() {
            return Err(HubError::invalid("scopes", format!("name at least one of {}", SCOPES.join(", "))));
        }
        if let Some(unknown) = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
            return Err(HubError::invalid("scopes", format!("{unknown:?} is none of {}", SCOPES.join(", "))));
        }
        let digest = Digest::of(&[b"counterfoil api key v1\0", &secret_hash]).to_string();
        let id = format!("key_{}", &digest[..16]);
        let scopes = serde_json::to_string(scopes).expect("a list of words is JSON");
        self.change(now_ms, |act| {
            let written = act
                .tx
                .execute(
                    "INSERT OR IGNORE INTO api_key (secret_hash, id, name, scopes, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (secret_hash, &id, name, scopes, now_ms),
                )
                .doing("writing an API key")?;
            if written == 0 {
                return Err(HubError::conflict("this secret is in use already: draw another"));
            }
            act.tx.query_row(&format!("{COLUMNS} WHERE id = ?1"), [&id], view).doing("reading an API key back")
        })
    }

    /// The key with this secret, where there is one that has not been revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub fn check_api_key(&self, secret_hash: [u8; 32]) -> Result<Option<ApiKeyView>, HubError> {
        self.conn
            .prepare_cached(&format!("{COLUMNS} WHERE secret_hash = ?1 AND revoked_ms IS NULL"))
            .and_then(|mut query| query.query_row([secret_hash], view).optional())
            .doing("checking an API key")
    }

    /// All keys, revoked ones too.
    ///
    /// # Errors
    /// When the database fails.
    pub fn api_keys(&self) -> Result<Vec<ApiKeyView>, HubError> {
        self.conn
            .prepare_cached(&format!("{COLUMNS} ORDER BY created_ms, id"))
            .and_then(|mut query| query.query_map([], view)?.collect())
            .doing("listing API keys")
    }

    /// Takes a key back. Doing it twice is the same.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn revoke_api_key(&mut self, id: &str, now_ms: i64) -> Result<ApiKeyView, HubError> {
        self.change(now_ms, |act| {
            act.tx
                .execute("UPDATE api_key SET revoked_ms = coalesce(revoked_ms, ?2) WHERE id = ?1", (id, now_ms))
                .doing("revoking an API key")?;
            act.tx
                .query_row(&format!("{COLUMNS} WHERE id = ?1"), [id], view)
                .optional()
                .doing("reading an API key back")?
                .ok_or_else(|| HubError::not_found("API key", id))
        })
    }
}
