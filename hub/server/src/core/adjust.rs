//! Adjustments: units given or taken by a person.

use counterfoil_ledger::LedgerView as _;
use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{Holder, MemberId};
use counterfoil_protocol::limits::ENTRY_UNITS_MAX;
use counterfoil_protocol::record::Idempotency;

use super::Hub;
use super::act::Act;
use super::error::HubError;
use super::ledger::Ledger;
use super::views::{AdjustmentView, Reply};

/// Characters of a reason.
const REASON_CHAR_COUNT_MAX: usize = 500;

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
        let reason = reason.trim();
        if amount == 0 || amount.saturating_abs() > ENTRY_UNITS_MAX {
            return Err(HubError::invalid("amount", format!("1 to {ENTRY_UNITS_MAX} units, either sign")));
        }
        if reason.is_empty() || reason.chars().count() > REASON_CHAR_COUNT_MAX {
            return Err(HubError::invalid("reason", format!("say in 1 to {REASON_CHAR_COUNT_MAX} characters why")));
        }
        self.change(now_ms, |act| act.once(key, || act.adjust(member, purse, amount, reason)))
    }
}

impl Act<'_> {
    fn adjust(&self, member: MemberId, purse: &str, amount: i64, reason: &str) -> Result<AdjustmentView, HubError> {
        if self.member_row(member)?.is_none() {
            return Err(HubError::not_found("member", member));
        }
        let is_known = self.program_in_force()?.is_none_or(|program| program.purse(purse).is_some());
        if purse.is_empty() || purse.chars().count() > 64 || !is_known {
            return Err(HubError::invalid("purse", format!("the program in force has no purse {purse:?}")));
        }
        let entries = if amount > 0 {
            let to = Some(Holder::Hub);
            vec![adjustment(EntryKind::AdjustUp, member, purse, Lot::default(), amount, to, None)]
        } else {
            self.taking(member, purse, -amount)?
        };
        let debt = entries.iter().filter(|entry| entry.debt.is_some()).map(|entry| entry.units).sum();
        let written = self.write_hub_entries(member, entries, Some(reason))?;
        let entries: Vec<String> = written.iter().map(|entry| entry.id.to_string()).collect();
        self.repay(member, purse)?;
        self.feed_state(member)?;
        self.plan_soon(member)?;
        Ok(AdjustmentView {
            adjustment_id: entries.first().cloned().unwrap_or_default(),
            member_id: member.to_string(),
            purse: purse.to_owned(),
            amount,
            reason: reason.to_owned(),
            debt,
            entries,
            purses: self.purse_views(member)?,
        })
    }

    /// What head office holds first, lot by lot; the rest is owed.
    fn taking(&self, member: MemberId, purse: &str, mut units: i64) -> Result<Vec<Entry>, HubError> {
        let kind = EntryKind::AdjustDown;
        let mut lots = Ledger(self.tx).lots(Holder::Hub, member, purse)?;
        lots.sort_by_key(|(lot, _)| (lot.expires.is_none(), lot.expires, lot.vests));
        let mut entries = Vec::new();
        for (lot, held) in lots {
            let part = units.min(held);
            if part > 0 {
                units -= part;
                entries.push(adjustment(kind, member, purse, lot, part, None, None));
            }
        }
        if units > 0 {
            entries.push(adjustment(kind, member, purse, Lot::default(), units, None, Some(DebtKind::Clawback)));
        }
        Ok(entries)
    }
}

fn adjustment(
    kind: EntryKind,
    member: MemberId,
    purse: &str,
    lot: Lot,
    units: i64,
    to: Option<Holder>,
    debt: Option<DebtKind>,
) -> Entry {
    Entry { kind, member, purse: purse.to_owned(), lot, units, to, debt }
}
