//! Tokens of the local API: names, scopes and the SHA-256 of each secret. Making secrets is the shell's.

use counterfoil_protocol::id::Digest;
use rusqlite::params;

use crate::answer::TokenInfo;
use crate::command::Now;
use crate::error::CommandError;
use crate::store;
use crate::till::Till;

const NAME_BYTES_MAX: usize = 100;

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<TokenInfo> {
    let scopes: String = row.get(1)?;
    Ok(TokenInfo {
        name: row.get(0)?,
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        created_ms: row.get(2)?,
    })
}

impl Till {
    /// Adds a token; `secret_hash` is the SHA-256 of what the caller will send.
    ///
    /// # Errors
    /// When the name is taken or no name, or nothing can be written.
    pub fn add_token(
        &mut self,
        name: &str,
        scopes: &[String],
        secret_hash: Digest,
        now: Now,
    ) -> Result<(), CommandError> {
        let refuse = |why: &str| Err(CommandError::InvalidRequest(why.to_owned()));
        if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
            return refuse("a token needs a name of 1 to 100 bytes");
        }
        if scopes.iter().any(|scope| scope.is_empty() || scope.contains(char::is_whitespace)) {
            return refuse("a scope is one word");
        }
        if self.list_tokens()?.iter().any(|token| token.name == name) {
            return refuse("there is a token of that name already: revoke it first, or choose another name");
        }
        self.transact(|till| {
            store::execute(
                &till.value,
                "writing a token",
                "INSERT INTO api_token (name, secret_hash, scopes, created_ms) VALUES (?1, ?2, ?3, ?4)",
                params![name, secret_hash.0.as_slice(), scopes.join(" "), now.wall_ms],
            )?;
            Ok(())
        })
    }

    /// Takes a token away; `false` where there was none of that name.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn revoke_token(&mut self, name: &str) -> Result<bool, CommandError> {
        self.transact(|till| {
            let gone =
                store::execute(&till.value, "revoking a token", "DELETE FROM api_token WHERE name = ?1", [name])?;
            Ok(gone > 0)
        })
    }

    /// All tokens, in name order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn list_tokens(&self) -> Result<Vec<TokenInfo>, CommandError> {
        self.usable()?;
        let sql = "SELECT name, scopes, created_ms FROM api_token ORDER BY name";
        Ok(store::all(&self.value, "reading the tokens", sql, [], read)?)
    }

    /// The token with this secret, if there is one. Found by its SHA-256: how long that takes says nothing about the
    /// secret.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn check_token(&self, secret_hash: Digest) -> Result<Option<TokenInfo>, CommandError> {
        self.usable()?;
        let sql = "SELECT name, scopes, created_ms FROM api_token WHERE secret_hash = ?1";
        Ok(store::optional(&self.value, "checking a token", sql, [secret_hash.0.as_slice()], read)?)
    }
}
