//! What head office writes for a sale that is undone in part or whole and that the till which sold did not settle alone.
//!
//! Pure. How much is to be taken back in all is `counterfoil_protocol::returns`; here it becomes entries: what is missing
//! is taken from units that head office holds, the sale's own lot first, the rest is owed; what tills took beyond it is
//! given back to be held here. So whatever came in whatever order, the member has lost the same in the end.

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{Holder, MemberId};
use counterfoil_protocol::time::Date;

use crate::post::by_expiry;
use crate::view::LedgerView;

/// What is to be taken back of one purse, and what was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undoing {
    /// Whose purse.
    pub member: MemberId,
    /// Which purse.
    pub purse: String,
    /// The lot the sale accrued into.
    pub lot: Lot,
    /// Units to be taken back in all.
    pub target_units: i64,
    /// Units taken back so far, by whomever, less what was given back.
    pub taken_units: i64,
}

/// Entries that bring what was taken back to what is to be.
///
/// # Errors
/// When the view cannot be read.
pub fn undoing_entries<V: LedgerView>(view: &V, undoing: &Undoing, today: Date) -> Result<Vec<Entry>, V::Error> {
    let (member, purse) = (undoing.member, &undoing.purse);
    let mut left = undoing.target_units.saturating_sub(undoing.taken_units);
    if left < 0 {
        let (kind, to) = (EntryKind::Accrue, Some(Holder::Hub));
        let entry = Entry { kind, member, purse: purse.clone(), lot: undoing.lot, units: -left, to, debt: None };
        return Ok(vec![entry]);
    }
    let mut entries = Vec::new();
    let mut take = |lot, units, debt| {
        let kind = EntryKind::ReverseAccrual;
        entries.push(Entry { kind, member, purse: purse.clone(), lot, units, to: None, debt });
    };
    for (lot, held) in in_order(view.lots(Holder::Hub, member, purse)?, undoing.lot, today) {
        let units = left.min(held);
        if units > 0 {
            left -= units;
            take(lot, units, None);
        }
    }
    if left > 0 {
        take(undoing.lot, left, Some(DebtKind::Clawback));
    }
    Ok(entries)
}

/// The sale's own lot, then the others as units are used; what is past its date is nobody's loss any more.
fn in_order(mut lots: Vec<(Lot, i64)>, own: Lot, today: Date) -> Vec<(Lot, i64)> {
    lots.retain(|(lot, units)| *units > 0 && (*lot == own || lot.expires.is_none_or(|date| date >= today)));
    by_expiry(&mut lots);
    lots.sort_by_key(|(lot, _)| *lot != own);
    lots
}

#[cfg(test)]
mod tests {
    use counterfoil_protocol::id::EntryId;
    use proptest::prelude::*;

    use super::*;
    use crate::book::Book;
    use crate::post::Row;

    const MEMBER: MemberId = MemberId([9; 16]);

    fn lot(expires: Option<&str>) -> Lot {
        Lot { vests: None, expires: expires.map(|date| date.parse().unwrap()) }
    }

    fn today() -> Date {
        "2026-11-24".parse().unwrap()
    }

    fn apply(book: &mut Book, entries: Vec<Entry>) {
        let sequence = book.rows() + 1;
        for (index, entry) in (0u32..).zip(entries) {
            let id = EntryId::Hub { epoch: 1, bucket: 9, sequence, index };
            book.apply(&Row::of_hub(id, entry).unwrap());
        }
    }

    fn gift(lot: Lot, units: i64) -> Entry {
        let (kind, to) = (EntryKind::AdjustUp, Some(Holder::Hub));
        Entry { kind, member: MEMBER, purse: "points".into(), lot, units, to, debt: None }
    }

    fn undoing(lot: Lot, target_units: i64, taken_units: i64) -> Undoing {
        Undoing { member: MEMBER, purse: "points".into(), lot, target_units, taken_units }
    }

    #[test]
    fn the_sales_own_lot_goes_first_and_what_expired_is_left_alone() {
        let mut book = Book::default();
        let (own, soon, past) = (lot(None), lot(Some("2026-11-30")), lot(Some("2026-10-31")));
        apply(&mut book, vec![gift(own, 5), gift(soon, 7), gift(past, 9)]);
        let entries = undoing_entries(&book, &undoing(own, 20, 2), today()).unwrap();
        let told: Vec<_> = entries.iter().map(|entry| (entry.lot, entry.units, entry.debt)).collect();
        assert_eq!(told, [(own, 5, None), (soon, 7, None), (own, 6, Some(DebtKind::Clawback))]);
        apply(&mut book, entries);
        assert_eq!(book.findings(), Vec::<String>::new());
    }

    proptest! {
        /// Whatever steps lead there, units less debt end where the last target says, and nothing is below zero.
        #[test]
        fn only_the_last_target_counts(start in 0i64..60, targets in prop::collection::vec(0i64..100, 1..8)) {
            let mut book = Book::default();
            apply(&mut book, (start > 0).then(|| gift(lot(None), start)).into_iter().collect());
            let mut taken = 0;
            for target in &targets {
                let entries = undoing_entries(&book, &undoing(lot(None), *target, taken), today()).unwrap();
                apply(&mut book, entries);
                let due = crate::repay::repayments(&book, MEMBER, "points").unwrap();
                apply(&mut book, due);
                taken = *target;
            }
            let held: i64 = book.lots(Holder::Hub, MEMBER, "points").unwrap().iter().map(|(_, units)| units).sum();
            let debt = book.debt(MEMBER, "points", DebtKind::Clawback).unwrap();
            prop_assert_eq!(held - debt, start - taken);
            prop_assert!(held == 0 || debt == 0);
            prop_assert_eq!(book.findings(), Vec::<String>::new());
        }
    }
}
