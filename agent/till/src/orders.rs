//! Orders of head office.

use crate::answer::OrdersReport;
use crate::command::Now;
use crate::error::CommandError;
use crate::till::Till;

impl Till {
    /// Carries out what head office ordered by the feed and was not carried out yet.
    ///
    /// # Errors
    /// When nothing can be written; what was not carried out waits.
    pub fn carry_out_orders(&mut self, _: Now) -> Result<OrdersReport, CommandError> {
        Ok(OrdersReport::default())
    }
}
