//! Write-offs: debt that a person, or the program, forgives.

use counterfoil_ledger::LedgerView as _;
use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::MemberId;
use counterfoil_protocol::program::Clawback;
use counterfoil_protocol::record::Idempotency;

use super::Hub;
use super::act::Act;
use super::error::HubError;
use super::ledger::Ledger;
use super::views::{Reply, WriteOffView};

/// Characters of a reason.
const REASON_CHAR_COUNT_MAX: usize = 500;

impl Hub {
    /// Forgives everything that a member owes in a purse.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` where nothing is owed, `Invalid` without a reason, `IdempotencyMismatch`.
    pub fn write_off(
        &mut self,
        member: MemberId,
        purse: &str,
        reason: &str,
        key: Option<&Idempotency>,
        now_ms: i64,
    ) -> Result<Reply<WriteOffView>, HubError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_CHAR_COUNT_MAX {
            return Err(HubError::invalid("reason", format!("say in 1 to {REASON_CHAR_COUNT_MAX} characters why")));
        }
        self.change(now_ms, |act| {
            act.once(key, || {
                if act.member_row(member)?.is_none() {
                    return Err(HubError::not_found("member", member));
                }
                let mut entries = Vec::new();
                for kind in DebtKind::ALL {
                    entries.extend(write_off(member, purse, kind, Ledger(act.tx).debt(member, purse, kind)?));
                }
                if entries.is_empty() {
                    return Err(HubError::conflict(format!("the member owes nothing in {purse:?}")));
                }
                let amount = entries.iter().map(|entry| entry.units).fold(0, i64::saturating_add);
                let written = act.write_hub_entries(member, entries, Some(reason))?;
                act.feed_state(member)?;
                Ok(WriteOffView {
                    member_id: member.to_string(),
                    purse: purse.to_owned(),
                    amount,
                    reason: reason.to_owned(),
                    entries: written.iter().map(|entry| entry.id.to_string()).collect(),
                    purses: act.purse_views(member)?,
                })
            })
        })
    }
}

impl Act<'_> {
    /// Forgives what a reversal has just left owed, where the purse's program says that the retailer bears it. At most
    /// `units_max`: older debt stays. Says how much it forgave.
    pub(super) fn write_off_clawback(&self, member: MemberId, purse: &str, units_max: i64) -> Result<i64, HubError> {
        let program = match self.program_in_force() {
            // A program that this hub cannot read forgives nothing.
            Err(HubError::Database { .. }) => None,
            other => other?,
        };
        let policy = program.and_then(|program| program.purse(purse).map(|purse| purse.clawback));
        if policy != Some(Clawback::WriteOff) {
            return Ok(0);
        }
        let owed = Ledger(self.tx).debt(member, purse, DebtKind::Clawback)?;
        let entry = write_off(member, purse, DebtKind::Clawback, owed.min(units_max));
        let units = entry.as_ref().map_or(0, |entry| entry.units);
        self.write_hub_entries(member, entry.into_iter().collect(), Some("the program writes such debt off"))?;
        Ok(units)
    }
}

fn write_off(member: MemberId, purse: &str, kind: DebtKind, units: i64) -> Option<Entry> {
    let (purse, lot, debt) = (purse.to_owned(), Lot::default(), Some(kind));
    (units > 0).then_some(Entry { kind: EntryKind::WriteOff, member, purse, lot, units, to: None, debt })
}
