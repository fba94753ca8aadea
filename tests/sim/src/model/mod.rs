//! The reference model: what everybody holds and owes, by arithmetic of its own.
//!
//! Deliberately independent of the product: it reads records and entries as data and calls none of the code that
//! decides what they mean. Who gives and who takes is written down here a second time, from the design's prose, so
//! that a mistake in one of the two shows. [`till`]: one incarnation by what it wrote and received, record by record.
//! [`office`]: head office's ledger, row by row in its own order. [`dates`]: the calendar.

pub mod dates;
pub mod office;
pub mod till;

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{Holder, MemberId};

/// Where units are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Who may spend them.
    pub holder: Holder,
    /// Whose they are.
    pub member: MemberId,
    /// In which purse.
    pub purse: String,
    /// And lot.
    pub lot: Lot,
}

impl Place {
    /// The place of an entry's units at a holder.
    pub fn of(holder: Holder, entry: &Entry) -> Self {
        Self { holder, member: entry.member, purse: entry.purse.clone(), lot: entry.lot }
    }
}

/// One side of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// A holder's units.
    Held(Holder),
    /// What the member owes.
    Owed(DebtKind),
    /// Units made by sales.
    Issued,
    /// Units spent.
    Redeemed,
    /// Units past their date.
    Expired,
    /// Units given or taken by people.
    Adjusted,
}

/// From where to where an entry moves its units, and whether its author may write it at all.
///
/// # Errors
/// In words, when it may not.
pub fn movement(entry: &Entry, author: Holder) -> Result<(Side, Side), String> {
    use EntryKind::{
        Accrue, AdjustDown, AdjustUp, Expire, Grant, Redeem, Repay, ReturnRights, ReverseAccrual, ReverseRedemption,
        Settle, Transfer, WriteOff,
    };
    if entry.units <= 0 {
        return Err(format!("it moves {} units", entry.units));
    }
    let by_hub = author == Holder::Hub;
    if (by_hub && matches!(entry.kind, ReturnRights | Transfer))
        || (!by_hub && matches!(entry.kind, AdjustUp | AdjustDown | Expire | Grant | Repay | WriteOff | Settle))
    {
        return Err(format!("{author} may not write {:?}", entry.kind));
    }
    let owed = entry.debt.map(Side::Owed);
    let paid = owed.unwrap_or(Side::Held(author));
    let debt = || owed.ok_or_else(|| "it names no debt".to_owned());
    let receiver = match entry.to {
        Some(to) if to == author || to == Holder::Hub => Ok(Side::Held(to)),
        other => Err(format!("{author} gives units to {other:?}")),
    };
    let till = match entry.to {
        Some(till @ Holder::Terminal(_)) if till != author => Ok(Side::Held(till)),
        other => Err(format!("it names {other:?} where another till belongs")),
    };
    let sides = match entry.kind {
        Accrue => (Side::Issued, receiver?),
        Redeem if entry.debt != Some(DebtKind::Clawback) => (paid, Side::Redeemed),
        ReverseAccrual if matches!(entry.debt, None | Some(DebtKind::Clawback)) => (paid, Side::Issued),
        Redeem | ReverseAccrual => return Err(format!("it cannot be owed as {:?}", entry.debt)),
        ReverseRedemption => (Side::Redeemed, owed.map_or(receiver, Ok)?),
        AdjustUp => (Side::Adjusted, receiver?),
        AdjustDown => (paid, Side::Adjusted),
        Expire => (Side::Held(Holder::Hub), Side::Expired),
        Grant | Transfer => (Side::Held(author), till?),
        ReturnRights if entry.to == Some(Holder::Hub) => (Side::Held(author), Side::Held(Holder::Hub)),
        ReturnRights => return Err("rights go back to head office and nowhere else".to_owned()),
        Repay => (Side::Held(Holder::Hub), debt()?),
        WriteOff => (Side::Adjusted, debt()?),
        Settle => (till?, Side::Held(Holder::Hub)),
    };
    let may_be_owed = matches!(entry.kind, Redeem | ReverseAccrual | ReverseRedemption | AdjustDown | Repay | WriteOff);
    if entry.debt.is_some() && !may_be_owed {
        return Err(format!("{:?} is never owed", entry.kind));
    }
    Ok(sides)
}

/// Whether an entry takes from what its author holds.
pub fn spends(entry: &Entry, author: Holder) -> bool {
    movement(entry, author).is_ok_and(|(from, _)| from == Side::Held(author))
}

/// Whether an entry adds to what its author holds.
pub fn keeps(entry: &Entry, author: Holder) -> bool {
    movement(entry, author).is_ok_and(|(_, to)| to == Side::Held(author))
}

/// What the next life of a restored till writes for an entry of its branch: what was earned is head office's to give, what
/// was spent or taken is owed, what only moved rights is settled and not written.
pub fn again(entry: &Entry) -> Option<Entry> {
    let mut again = entry.clone();
    match entry.kind {
        EntryKind::Accrue => again.to = Some(Holder::Hub),
        EntryKind::ReverseRedemption if entry.debt.is_none() => again.to = Some(Holder::Hub),
        EntryKind::ReverseRedemption => {}
        EntryKind::Redeem => again.debt = entry.debt.or(Some(DebtKind::Restored)),
        EntryKind::ReverseAccrual => again.debt = entry.debt.or(Some(DebtKind::Clawback)),
        _ => return None,
    }
    Some(again)
}
