//! Reconciliation: each till's business day, what head office counts over the same records, what the POS says.

use counterfoil_protocol::time::Date;

use super::views::DayView;
use super::{Hub, HubError, unfinished};

impl Hub {
    /// Business days, by date, store, lane and sequence; without a date the days of the last 31 dates.
    ///
    /// # Errors
    /// When the database fails.
    pub fn reconciliation(&self, date: Option<Date>, store: Option<&str>) -> Result<Vec<DayView>, HubError> {
        let _ = (date, store);
        unfinished()
    }
}
