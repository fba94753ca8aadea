//! What cannot be posted as it stands, or needs a person's eye: kept with a reason and an action, never dropped.

use super::views::{ExceptionView, Listing};
use super::{Hub, HubError, unfinished};

/// Which exceptions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExceptionFilter {
    /// `open` or `resolved`; both where absent.
    pub state: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this store.
    pub store: Option<String>,
}

impl Hub {
    /// Exceptions in the order they were found. `limit` is cut to 1,000.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is none.
    pub fn exceptions(
        &self,
        filter: &ExceptionFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing<ExceptionView>, HubError> {
        let _ = (filter, after, limit);
        unfinished()
    }

    /// A person has dealt with it; `resolution` says how.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` where it is resolved otherwise already, `Invalid` without a word.
    pub fn resolve_exception(&mut self, id: &str, resolution: &str, now_ms: i64) -> Result<ExceptionView, HubError> {
        let _ = (id, resolution, now_ms);
        unfinished()
    }
}
