//! Head office's ledger read as an outsider reads it: from the text of its published entries.

use std::collections::BTreeMap;

use counterfoil_hub::core::{EntryView, TrialBalance};
use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind};
use counterfoil_protocol::id::{EntryId, Holder};

use crate::model::Side;
use crate::model::office::Move;

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

const ACCOUNTS: [(&str, Side); 8] = [
    ("issued", Side::Issued),
    ("redeemed", Side::Redeemed),
    ("expired", Side::Expired),
    ("adjusted", Side::Adjusted),
    ("debt.clawback", Side::Owed(DebtKind::Clawback)),
    ("debt.floor", Side::Owed(DebtKind::Floor)),
    ("debt.restored", Side::Owed(DebtKind::Restored)),
    ("debt.late", Side::Owed(DebtKind::Late)),
];

/// A row as it is published.
#[derive(Debug, Clone)]
pub struct PublishedRow {
    /// Of which entry.
    pub id: EntryId,
    /// The part of it that was split off.
    pub second: bool,
    /// What moved.
    pub moved: Move,
    /// The entry as the row shows it; its author wrote more units where it was split.
    pub entry: Entry,
}

/// Reads a published entry.
///
/// # Errors
/// When its text does not say one.
pub fn row(view: &EntryView) -> Result<PublishedRow, String> {
    let bad = |what: &str| format!("ledger entry {view:?}: its {what} cannot be read");
    let (text, second) = match view.id.strip_suffix("+debt") {
        Some(text) => (text, true),
        None => (view.id.as_str(), false),
    };
    let kind = KINDS.iter().find(|(name, _)| *name == view.kind).map(|(_, kind)| *kind).ok_or_else(|| bad("kind"))?;
    let from = side(&view.debit).ok_or_else(|| bad("debit"))?;
    let to = side(&view.credit).ok_or_else(|| bad("credit"))?;
    let names = match (kind, from, to) {
        (EntryKind::Settle, Side::Held(holder), _) => Some(holder),
        (
            EntryKind::Accrue
            | EntryKind::ReverseRedemption
            | EntryKind::AdjustUp
            | EntryKind::Grant
            | EntryKind::ReturnRights
            | EntryKind::Transfer,
            _,
            Side::Held(holder),
        ) => Some(holder),
        _ => None,
    };
    let debt = match (from, to) {
        (Side::Owed(kind), _) | (_, Side::Owed(kind)) => Some(kind),
        _ => None,
    };
    let entry = Entry {
        kind,
        member: view.member_id.parse().map_err(|_| bad("member"))?,
        purse: view.purse.clone(),
        lot: view.lot.parse().map_err(|_| bad("lot"))?,
        units: view.amount,
        to: names,
        debt,
    };
    let id = text.parse().map_err(|_| bad("id"))?;
    Ok(PublishedRow { id, second, moved: Move { from, to, units: view.amount }, entry })
}

fn side(account: &str) -> Option<Side> {
    match account.strip_prefix("liability:") {
        Some(holder) => holder.parse::<Holder>().ok().map(Side::Held),
        None => ACCOUNTS.iter().find(|(name, _)| *name == account).map(|(_, side)| *side),
    }
}

/// Account by account what a trial balance says, zeros left out.
///
/// # Errors
/// When its text does not say it, or it is not zero in sum.
pub fn accounts(balance: &TrialBalance) -> Result<BTreeMap<(String, Side), i64>, String> {
    let mut said = BTreeMap::new();
    for purse in &balance.purses {
        let sum: i64 = purse.accounts.iter().map(|account| account.total).sum();
        if purse.total != 0 || sum != 0 {
            return Err(format!("the trial balance of {} is {sum}, said to be {}", purse.purse, purse.total));
        }
        for account in purse.accounts.iter().filter(|account| account.total != 0) {
            let name = match &account.holder {
                Some(holder) => format!("liability:{holder}"),
                None => account.account.clone(),
            };
            let side = side(&name).ok_or_else(|| format!("account {account:?} cannot be read"))?;
            said.insert((purse.purse.clone(), side), account.total);
        }
    }
    Ok(said)
}
