//! Head office's ledger read as an outsider reads it: from the text of its published entries.

use std::collections::BTreeMap;

use counterfoil_hub::core::EntryView;
use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind};
use counterfoil_protocol::id::{EntryId, Holder};

use super::book::Place;

const KINDS: [(&str, EntryKind); 13] = [
    ("accrue", EntryKind::Accrue),
    ("redeem", EntryKind::Redeem),
    ("reverse-accrual", EntryKind::ReverseAccrual),
    ("reverse-redemption", EntryKind::ReverseRedemption),
    ("adjust-up", EntryKind::AdjustUp),
    ("adjust-down", EntryKind::AdjustDown),
    ("expire", EntryKind::Expire),
    ("grant", EntryKind::Grant),
    ("return-rights", EntryKind::ReturnRights),
    ("transfer", EntryKind::Transfer),
    ("repay", EntryKind::Repay),
    ("write-off", EntryKind::WriteOff),
    ("settle", EntryKind::Settle),
];

const DEBTS: [(&str, DebtKind); 4] = [
    ("debt.clawback", DebtKind::Clawback),
    ("debt.floor", DebtKind::Floor),
    ("debt.restored", DebtKind::Restored),
    ("debt.late", DebtKind::Late),
];

/// The fact behind a published entry.
///
/// # Errors
/// When its text does not say one.
pub fn fact(view: &EntryView) -> Result<(EntryId, Entry), String> {
    let bad = |what: &str| format!("ledger entry {view:?}: its {what} cannot be read");
    let id: EntryId = view.id.parse().map_err(|_| bad("id"))?;
    let kind = KINDS.iter().find(|(name, _)| *name == view.kind).map(|(_, kind)| *kind).ok_or_else(|| bad("kind"))?;
    let gains = holder(&view.credit).map_err(|()| bad("credit"))?;
    let receives = matches!(
        kind,
        EntryKind::Accrue
            | EntryKind::ReverseRedemption
            | EntryKind::AdjustUp
            | EntryKind::Grant
            | EntryKind::ReturnRights
            | EntryKind::Transfer
    );
    let debt = DEBTS
        .iter()
        .find(|(name, _)| view.debit.starts_with(name) || view.credit.starts_with(name))
        .map(|(_, debt)| *debt);
    let entry = Entry {
        kind,
        member: view.member_id.parse().map_err(|_| bad("member"))?,
        purse: view.purse.clone(),
        lot: view.lot.parse().map_err(|_| bad("lot"))?,
        units: view.amount,
        to: gains.filter(|_| receives),
        debt,
    };
    Ok((id, entry))
}

/// The holder of a sub-account; `None` for any other account.
fn holder(account: &str) -> Result<Option<Holder>, ()> {
    match account.strip_prefix("liability:") {
        Some(holder) => holder.parse().map(Some).map_err(|_| ()),
        None => Ok(None),
    }
}

/// What entries come to, place by place; zeros left out.
///
/// # Errors
/// When an entry's text does not say where it moves units.
pub fn by_place<'a>(entries: impl Iterator<Item = &'a EntryView>) -> Result<BTreeMap<Place, i64>, String> {
    let mut places = BTreeMap::new();
    for view in entries {
        let bad = || format!("ledger entry {view:?} cannot be read");
        let member = view.member_id.parse().map_err(|_| bad())?;
        let lot = view.lot.parse().map_err(|_| bad())?;
        for (account, sign) in [(&view.debit, -1), (&view.credit, 1)] {
            if let Some(holder) = holder(account).map_err(|()| bad())? {
                let place = Place { holder, member, purse: view.purse.clone(), lot };
                *places.entry(place).or_insert(0) += sign * view.amount;
            }
        }
    }
    places.retain(|_, units| *units != 0);
    Ok(places)
}

/// What entries come to, by holder's name and purse; zeros left out.
///
/// # Errors
/// As [`by_place`].
pub fn by_holder<'a>(entries: impl Iterator<Item = &'a EntryView>) -> Result<BTreeMap<(String, String), i64>, String> {
    let mut holders = BTreeMap::new();
    for (place, units) in by_place(entries)? {
        *holders.entry((place.holder.to_string(), place.purse)).or_insert(0) += units;
    }
    holders.retain(|_, units| *units != 0);
    Ok(holders)
}
