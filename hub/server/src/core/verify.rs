//! Everything checked again: chains, signatures, trial balance, holders, control totals.

use super::views::VerifyReport;
use super::{Hub, HubError, unfinished};

impl Hub {
    /// Recomputes what can be recomputed and names everything that does not hold.
    ///
    /// # Errors
    /// When the database fails.
    pub fn verify(&self) -> Result<VerifyReport, HubError> {
        unfinished()
    }
}
