//! Whatever is posted, by whomever, honest or not: nothing falls below zero and the books balance at every step.

use counterfoil_ledger::{Book, LedgerView as _, Poster, Row, repayments};
use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EntryId, Holder, IncarnationId, MemberId};
use proptest::prelude::*;

const TILLS: [IncarnationId; 2] = [IncarnationId([1; 16]), IncarnationId([2; 16])];
const MEMBERS: [MemberId; 2] = [MemberId([8; 16]), MemberId([9; 16])];

fn any_kind() -> impl Strategy<Value = EntryKind> {
    (0u8..12).prop_map(|kind| minicbor::decode(&[kind]).expect("twelve kinds"))
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let holder = prop_oneof![
        Just(Holder::Hub),
        Just(Holder::Terminal(TILLS[0])),
        Just(Holder::Terminal(TILLS[1])),
        Just(Holder::Terminal(IncarnationId([77; 16])))
    ];
    let debt = prop::sample::select(DebtKind::ALL.to_vec());
    let lot = prop_oneof![Just(Lot::default()), Just(Lot { vests: None, expires: "2027-01-31".parse().ok() }),];
    (any_kind(), 0usize..2, lot, -3i64..60, prop::option::of(holder), prop::option::of(debt)).prop_map(
        |(kind, member, lot, units, to, debt)| {
            let (member, purse) = (MEMBERS[member], "points".to_owned());
            Entry { kind, member, purse, lot, units, to, debt }
        },
    )
}

fn check(book: &Book) -> Result<(), TestCaseError> {
    prop_assert_eq!(book.findings(), Vec::<String>::new());
    for (slot, units) in book.holdings() {
        prop_assert!(units >= 0, "{:?}", slot);
    }
    for (debt, units) in book.debts() {
        prop_assert!(units >= 0, "{:?}", debt);
    }
    Ok(())
}

/// Posts the entries of one record and what head office pays of debts then, checking after every row.
fn post(book: &mut Book, till: IncarnationId, position: u64, entries: &[Entry]) -> Result<(), TestCaseError> {
    let mut poster = Poster::new(&*book);
    for (index, entry) in (0u32..).zip(entries) {
        poster.post(EntryId::Terminal { incarnation: till, position, index }, entry).expect("a book can be read");
    }
    for row in poster.finish().rows {
        prop_assert!(row.units > 0);
        book.apply(&row);
        check(book)?;
    }
    for member in MEMBERS {
        let due = repayments(&*book, member, "points").expect("a book can be read");
        for (index, entry) in (0u32..).zip(due) {
            let id = EntryId::Hub { epoch: 1, bucket: member.bucket(), sequence: position, index };
            book.apply(&Row::of_hub(id, entry).expect("head office may repay"));
            check(book)?;
        }
    }
    Ok(())
}

proptest! {
    /// Laws 2 and 4, against authors that write anything at all.
    #[test]
    fn nothing_falls_below_zero_whatever_is_written(
        records in prop::collection::vec((0usize..2, prop::collection::vec(any_entry(), 0..5)), 0..40),
    ) {
        let mut book = Book::default();
        for (position, (till, entries)) in (1u64..).zip(&records) {
            // A position is used once over both tills, so that head office's own ids are too.
            post(&mut book, TILLS[*till], position, entries)?;
        }
    }

    /// A debt and units that head office holds never stand beside each other.
    #[test]
    fn debts_are_paid_as_soon_as_there_is_something(
        records in prop::collection::vec((0usize..2, prop::collection::vec(any_entry(), 0..5)), 0..40),
    ) {
        let mut book = Book::default();
        for (position, (till, entries)) in (1u64..).zip(&records) {
            post(&mut book, TILLS[*till], position, entries)?;
            for member in MEMBERS {
                let owed: i64 = DebtKind::ALL
                    .into_iter()
                    .map(|kind| book.debt(member, "points", kind).expect("a book can be read"))
                    .sum();
                let lots = book.lots(Holder::Hub, member, "points").expect("a book can be read");
                prop_assert!(owed == 0 || lots.is_empty(), "{} owed beside {:?}", owed, lots);
            }
        }
    }
}
