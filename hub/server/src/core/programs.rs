//! Publishing programs: versions, from when on, signed.

use super::views::ProgramView;
use super::{Hub, HubError, unfinished};

impl Hub {
    /// Publishes a program; all tills hear of it. `json` must already be checked ([`counterfoil_protocol::program`]);
    /// it is checked again. The same rules with the same date again are the same version.
    ///
    /// # Errors
    /// `Invalid` with line and column.
    pub fn publish_program(&mut self, json: &str, effective_ms: i64, now_ms: i64) -> Result<ProgramView, HubError> {
        let _ = (json, effective_ms, now_ms);
        unfinished()
    }

    /// A version.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn program(&self, version: u64) -> Result<ProgramView, HubError> {
        let _ = version;
        unfinished()
    }

    /// The version in force; `None` before the first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn current_program(&self, now_ms: i64) -> Result<Option<ProgramView>, HubError> {
        let _ = now_ms;
        unfinished()
    }

    /// All versions, latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn programs(&self) -> Result<Vec<ProgramView>, HubError> {
        unfinished()
    }
}
