//! Adjustments: units given or taken by a person.

use counterfoil_protocol::id::MemberId;
use counterfoil_protocol::record::Idempotency;

use super::views::{AdjustmentView, Reply};
use super::{Hub, HubError, unfinished};

impl Hub {
    /// Gives `amount` units to a member (held by head office), or takes them where negative: first what head
    /// office holds, the rest as debt.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` (zero, beyond any purse, no such purse, no reason), `IdempotencyMismatch`.
    pub fn adjust(
        &mut self,
        member: MemberId,
        purse: &str,
        amount: i64,
        reason: &str,
        key: Option<&Idempotency>,
        now_ms: i64,
    ) -> Result<Reply<AdjustmentView>, HubError> {
        let _ = (member, purse, amount, reason, key, now_ms);
        unfinished()
    }
}
