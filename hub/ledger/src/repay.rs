//! Debt is paid by head office alone, from units it holds, as soon as there are both.

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind};
use counterfoil_protocol::id::{Holder, MemberId};

use crate::post::by_expiry;
use crate::view::LedgerView;

/// In this order debts are paid: what a till's disk left, what was taken back, what was given late, what was lent below
/// the floor.
const ORDER: [DebtKind; 4] = [DebtKind::Restored, DebtKind::Clawback, DebtKind::Late, DebtKind::Floor];

/// The `repay` entries that are due in one purse of a member: as much as is owed and held by head office.
///
/// # Errors
/// When the view cannot be read.
pub fn repayments<V: LedgerView>(view: &V, member: MemberId, purse: &str) -> Result<Vec<Entry>, V::Error> {
    let mut entries = Vec::new();
    let mut lots = None;
    for kind in ORDER {
        let mut owed = view.debt(member, purse, kind)?;
        if owed <= 0 {
            continue;
        }
        if lots.is_none() {
            let mut held = view.lots(Holder::Hub, member, purse)?;
            by_expiry(&mut held);
            lots = Some(held);
        }
        for (lot, held) in lots.iter_mut().flatten() {
            let units = owed.min(*held);
            if units > 0 {
                owed -= units;
                *held -= units;
                let (kind, debt, purse) = (EntryKind::Repay, Some(kind), purse.to_owned());
                entries.push(Entry { kind, member, purse, lot: *lot, units, to: None, debt });
            }
        }
    }
    Ok(entries)
}
