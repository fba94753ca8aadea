//! Postings and grants by example, at the edges that properties rarely hit: several entries of one record that touch
//! the same debt, and units spread over lots.

use counterfoil_ledger::{Book, ExceptionKind, LedgerView, Poster, Posting, Row, grant_entries, spend_order};
use counterfoil_protocol::entry::{Account, DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EntryId, Holder, IncarnationId, MemberId};

const ANN: MemberId = MemberId([9; 16]);
const LANE: IncarnationId = IncarnationId([1; 16]);
const TILL: Holder = Holder::Terminal(LANE);

fn entry(kind: EntryKind, units: i64, to: Option<Holder>, debt: Option<DebtKind>) -> Entry {
    Entry { kind, member: ANN, purse: "points".to_owned(), lot: Lot::default(), units, to, debt }
}

fn post(book: &mut Book, position: u64, entries: &[Entry]) -> Posting {
    let mut poster = Poster::new(&*book);
    for (index, entry) in (0..).zip(entries) {
        poster.post(EntryId::Terminal { incarnation: LANE, position, index }, entry).expect("a book can be read");
    }
    let posting = poster.finish();
    posting.rows.iter().for_each(|row| book.apply(row));
    assert_eq!(book.findings(), Vec::<String>::new());
    posting
}

fn moved(posting: &Posting) -> Vec<(Account, Account, i64)> {
    posting.rows.iter().map(|row: &Row| (row.debit, row.credit, row.units)).collect()
}

#[test]
fn a_debt_made_in_a_record_can_be_undone_in_it_once() {
    let floor = Some(DebtKind::Floor);
    let mut book = Book::default();
    let spend = entry(EntryKind::Redeem, 10, None, floor);
    let undo = |units| entry(EntryKind::ReverseRedemption, units, None, floor);
    let posting = post(&mut book, 1, &[spend, undo(6), undo(6)]);
    let debt = Account::Debt(DebtKind::Floor);
    let expected = [
        (debt, Account::Redeemed, 10),
        (Account::Redeemed, debt, 6),
        // Of the second only 4 are still owed; what was paid otherwise is the member's.
        (Account::Redeemed, debt, 4),
        (Account::Redeemed, Account::Liability(Holder::Hub), 2),
    ];
    assert_eq!(moved(&posting), expected);
    assert_eq!(posting.exceptions, []);
    assert_eq!(book.debt(ANN, "points", DebtKind::Floor).unwrap(), 0);
    assert_eq!(book.balance(ANN, "points"), 2);
}

#[test]
fn an_old_debt_counts_with_one_made_now() {
    let floor = Some(DebtKind::Floor);
    let mut book = Book::default();
    post(&mut book, 1, &[entry(EntryKind::Redeem, 5, None, floor)]);
    let again = [entry(EntryKind::Redeem, 3, None, floor), entry(EntryKind::ReverseRedemption, 8, None, floor)];
    let posting = post(&mut book, 2, &again);
    assert_eq!(posting.rows.len(), 2, "all 8 are owed: {posting:?}");
    assert_eq!(book.debt(ANN, "points", DebtKind::Floor).unwrap(), 0);
}

#[test]
fn an_accrual_taken_back_beyond_what_is_held_is_clawed_back() {
    let mut book = Book::default();
    let back = entry(EntryKind::ReverseAccrual, 9, None, None);
    let posting = post(&mut book, 1, &[entry(EntryKind::Accrue, 4, Some(TILL), None), back]);
    let expected = [
        (Account::Issued, Account::Liability(TILL), 4),
        (Account::Liability(TILL), Account::Issued, 4),
        (Account::Debt(DebtKind::Clawback), Account::Issued, 5),
    ];
    assert_eq!(moved(&posting), expected);
    assert_eq!(posting.exceptions.len(), 1);
    assert_eq!(posting.exceptions[0].kind, ExceptionKind::RightsExceeded);
}

#[test]
fn a_grant_is_spread_over_lots_in_their_order_and_stops() {
    let lot = |expires: &str| Lot { vests: None, expires: Some(expires.parse().unwrap()) };
    let lots = [(lot("2026-11-30"), 5), (lot("2026-12-31"), 0), (lot("2027-01-31"), 7), (Lot::default(), 100)];
    let granted = |units| {
        let entries = grant_entries(ANN, "points", LANE, &lots, units);
        for entry in &entries {
            assert_eq!((entry.kind, entry.to, entry.debt), (EntryKind::Grant, Some(TILL), None));
            assert_eq!((entry.member, &*entry.purse), (ANN, "points"));
        }
        entries.into_iter().map(|entry| (entry.lot, entry.units)).collect::<Vec<_>>()
    };
    assert_eq!(granted(0), []);
    assert_eq!(granted(5), [(lots[0].0, 5)]);
    assert_eq!(granted(8), [(lots[0].0, 5), (lots[2].0, 3)]);
    assert_eq!(granted(13), [(lots[0].0, 5), (lots[2].0, 7), (lots[3].0, 1)]);
    assert_eq!(granted(1_000).iter().map(|(_, units)| units).sum::<i64>(), 112, "no more than there is");
}

#[test]
fn an_empty_lot_is_not_in_the_order() {
    let today = "2026-11-25".parse().unwrap();
    assert_eq!(spend_order(vec![(Lot::default(), 0)], today), []);
    assert_eq!(spend_order(vec![(Lot::default(), 1)], today), [(Lot::default(), 1)]);
}
