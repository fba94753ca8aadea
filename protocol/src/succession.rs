//! What of a record is written again when a restored till journals its branch under another incarnation.
//!
//! The branch is what stands on the till's disk beyond what head office acknowledged. Its old author is settled: what
//! that one held is head office's. So an entry written again moves nothing that its new author would have to hold, and
//! gives it nothing: what was spent is owed and collected from head office, what was earned is head office's to give.
//! Every record is written again, so that a day's totals stay the same; what changes is its entries alone.

use crate::entry::{DebtKind, Entry, EntryKind};
use crate::id::{EventId, Holder};
use crate::record::{Body, Chain, Origin, Record};

/// An entry as its author's next life writes it; `None`: it moved rights only, and those are settled.
pub fn entry_again(entry: &Entry) -> Option<Entry> {
    let owed = |kind| Entry { debt: entry.debt.or(Some(kind)), to: None, ..entry.clone() };
    let to_hub = || Entry { to: Some(Holder::Hub), ..entry.clone() };
    match entry.kind {
        EntryKind::Accrue => Some(to_hub()),
        EntryKind::Redeem => Some(owed(DebtKind::Restored)),
        EntryKind::ReverseAccrual => Some(owed(DebtKind::Clawback)),
        EntryKind::ReverseRedemption => Some(if entry.debt.is_some() { entry.clone() } else { to_hub() }),
        EntryKind::ReturnRights | EntryKind::Transfer => None,
        // No till writes these; head office refuses them by whatever path they come.
        EntryKind::AdjustUp
        | EntryKind::AdjustDown
        | EntryKind::Expire
        | EntryKind::Grant
        | EntryKind::Repay
        | EntryKind::WriteOff
        | EntryKind::Settle => None,
    }
}

/// A record as the next life writes it. `here` is where it stood, `chain` the chain there. A day close is made anew by
/// the till, for its ranges are of other journals then; everything else keeps its body, its time and its answer.
pub fn record_again(record: Record, here: EventId, chain: Chain) -> Record {
    let origin = match record.origin {
        Some(first) => Origin { copied_from: Some(here), ..first },
        None => Origin { incarnation: here.incarnation, position: here.position, chain, copied_from: None },
    };
    let mut body = record.body;
    if let Body::Reservation(reservation) = &mut body {
        // What it held is settled: nothing is reserved under the next life.
        reservation.chosen.clear();
    }
    let entries = record.entries.iter().filter_map(entry_again).collect();
    Record { body, entries, origin: Some(origin), ..record }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::Lot;
    use crate::id::{IncarnationId, MemberId};

    const OLD: Holder = Holder::Terminal(IncarnationId([1; 16]));
    const NEW: Holder = Holder::Terminal(IncarnationId([2; 16]));
    const OTHER: Holder = Holder::Terminal(IncarnationId([3; 16]));

    fn any_entry() -> impl Strategy<Value = Entry> {
        use EntryKind::*;
        let kinds = [Accrue, Redeem, ReverseAccrual, ReverseRedemption, ReturnRights, Transfer];
        let to = prop::sample::select(vec![None, Some(OLD), Some(Holder::Hub), Some(OTHER)]);
        let debt = prop::option::of(prop::sample::select(DebtKind::ALL.to_vec()));
        (prop::sample::select(kinds.to_vec()), 1i64..1000, to, debt).prop_map(|(kind, units, to, debt)| Entry {
            kind,
            member: MemberId([9; 16]),
            purse: "points".into(),
            lot: Lot::default(),
            units,
            to,
            debt,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// Whatever a till may write, its next life may write again; the next life never holds more or less for it, and
        /// what the member has less what it owes changes by exactly as much as it did.
        #[test]
        fn an_entry_written_again_gives_its_author_nothing_and_makes_no_value(entry in any_entry()) {
            let Ok(balance) = entry.balance_change(OLD) else { return Ok(()) };
            let worth = balance - entry.debt_change(OLD).unwrap();
            let Some(again) = entry_again(&entry) else {
                prop_assert_eq!(worth, 0);
                return Ok(());
            };
            prop_assert!(again.accounts(NEW).is_ok());
            prop_assert_eq!(again.held_change(NEW, NEW), Ok(0));
            prop_assert_eq!(again.held_change(NEW, OLD), Ok(0));
            prop_assert_eq!(again.balance_change(NEW).unwrap() - again.debt_change(NEW).unwrap(), worth);
            prop_assert_eq!(entry_again(&again), Some(again), "a third life writes it as the second did");
        }
    }
}
