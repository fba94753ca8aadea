//! What can go wrong in head office's core, sorted by what the caller does about it.

use counterfoil_protocol::entry::EntryError;

/// An operation of the core that did not happen. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// There is no such thing: answer 404.
    #[error("there is no {what} {id:?}")]
    NotFound {
        /// Member, store, terminal, …
        what: &'static str,
        /// As asked.
        id: String,
    },
    /// It contradicts what is here: answer 409.
    #[error("{detail}")]
    Conflict {
        /// What stands in the way, and what to do.
        detail: String,
    },
    /// An idempotency key was used before for something else: answer 422.
    #[error("the idempotency key {key:?} was used before for another request: take a new key for each change")]
    IdempotencyMismatch {
        /// The key.
        key: String,
    },
    /// The caller's input cannot be taken: answer 400 or 422.
    #[error("{field}: {detail}")]
    Invalid {
        /// Which input.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The database is held by another process for too long: try again.
    #[error("the database is busy: another process holds it; try again")]
    Busy,
    /// The database is not one this hub can serve: an operator must act.
    #[error("{detail}")]
    Database {
        /// What is wrong, and what to do.
        detail: String,
    },
    /// SQLite failed: an operator must look at disk and permissions.
    #[error("the database failed while {doing}")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// SQLite's word.
        #[source]
        source: rusqlite::Error,
    },
    /// Our own rules made an entry that nobody may write: a bug.
    #[error("head office made an impossible entry")]
    Entry(#[source] EntryError),
}

impl HubError {
    pub(crate) fn invalid(field: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid { field, detail: detail.into() }
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::Conflict { detail: detail.into() }
    }

    pub(crate) fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }
}

/// Says what was being done when SQLite failed; `?` alone must not hide it.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, HubError>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, HubError> {
        self.map_err(|source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => HubError::Busy,
            _ => HubError::Storage { doing, source },
        })
    }
}
