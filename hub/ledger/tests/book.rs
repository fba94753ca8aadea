//! The ledger in memory says what it holds, and finds what does not hold: it is the judge of the hub's own books, so
//! each of its findings is provoked here.

use std::collections::BTreeMap;

use counterfoil_ledger::{Book, LedgerView, Row, Slot};
use counterfoil_protocol::entry::{Account, DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EntryId, Holder, IncarnationId, MemberId};

const ANN: MemberId = MemberId([9; 16]);
const BOB: MemberId = MemberId([8; 16]);
const TILL: Holder = Holder::Terminal(IncarnationId([1; 16]));

fn lot(expires: &str) -> Lot {
    Lot { vests: None, expires: Some(expires.parse().expect("a date")) }
}

fn entry(kind: EntryKind, member: MemberId, purse: &str, units: i64, to: Option<Holder>) -> Entry {
    Entry { kind, member, purse: purse.to_owned(), lot: Lot::default(), units, to, debt: None }
}

/// A row as its entry says.
fn row(position: u64, author: Holder, entry: Entry) -> Row {
    let id = match author {
        Holder::Hub => EntryId::Hub { epoch: 1, bucket: 0, sequence: position, index: 0 },
        Holder::Terminal(incarnation) => EntryId::Terminal { incarnation, position, index: 0 },
    };
    let (debit, credit) = entry.accounts(author).expect("an entry its author may write");
    Row { id, part: 0, units: entry.units, entry, debit, credit }
}

fn given(position: u64, member: MemberId, purse: &str, units: i64) -> Row {
    row(position, TILL, entry(EntryKind::Accrue, member, purse, units, Some(TILL)))
}

fn floor(position: u64, member: MemberId, purse: &str, units: i64) -> Row {
    let entry = Entry { debt: Some(DebtKind::Floor), ..entry(EntryKind::Redeem, member, purse, units, None) };
    row(position, TILL, entry)
}

fn slot(member: MemberId, purse: &str, holder: Holder) -> Slot {
    Slot { member, purse: purse.to_owned(), lot: Lot::default(), holder }
}

fn book(rows: &[Row]) -> Book {
    let mut book = Book::default();
    rows.iter().for_each(|row| book.apply(row));
    book
}

#[test]
fn it_says_what_everybody_holds_and_owes() {
    let spent = row(4, TILL, entry(EntryKind::Redeem, ANN, "coffee", 5, None));
    let rows = [
        given(1, ANN, "points", 30),
        given(2, ANN, "coffee", 5),
        given(3, BOB, "points", 7),
        spent,
        floor(5, ANN, "points", 4),
        floor(6, BOB, "coffee", 2),
    ];
    let book = book(&rows);
    assert_eq!(book.findings(), Vec::<String>::new());
    assert_eq!(book.rows(), 6);
    let holdings: BTreeMap<Slot, i64> = book.holdings().map(|(slot, units)| (slot.clone(), units)).collect();
    let expected = BTreeMap::from([(slot(ANN, "points", TILL), 30), (slot(BOB, "points", TILL), 7)]);
    assert_eq!(holdings, expected, "what is spent is left out");
    let debts: Vec<_> = book.debts().map(|((member, purse, kind), units)| (*member, &**purse, *kind, units)).collect();
    assert_eq!(debts, [(BOB, "coffee", DebtKind::Floor, 2), (ANN, "points", DebtKind::Floor, 4)]);
    let totals: BTreeMap<_, _> = book.totals().map(|(purse, account, total)| ((purse, account), total)).collect();
    assert_eq!(totals[&("points", Account::Issued)], -37);
    assert_eq!(totals[&("points", Account::Liability(TILL))], 37);
    assert_eq!(totals[&("coffee", Account::Redeemed)], 7);
    assert_eq!(totals[&("coffee", Account::Debt(DebtKind::Floor))], -2);
    // Each member's own, each purse by itself, less what is owed, never below zero.
    assert_eq!(book.balance(ANN, "points"), 26);
    assert_eq!(book.balance(BOB, "points"), 7);
    assert_eq!(book.balance(ANN, "coffee"), 0);
    assert_eq!(book.balance(BOB, "coffee"), 0);
}

#[test]
fn its_view_is_by_holder_member_and_purse() {
    let mut dated = entry(EntryKind::Accrue, ANN, "points", 3, Some(TILL));
    dated.lot = lot("2026-12-31");
    let to_hub = entry(EntryKind::Accrue, ANN, "points", 11, Some(Holder::Hub));
    let spent = row(5, TILL, entry(EntryKind::Redeem, ANN, "points", 8, None));
    let rows = [
        given(1, ANN, "points", 8),
        row(2, TILL, dated),
        row(3, TILL, to_hub),
        given(4, BOB, "points", 5),
        spent,
        floor(6, ANN, "points", 4),
    ];
    let book = book(&rows);
    assert_eq!(book.lots(TILL, ANN, "points").unwrap(), [(lot("2026-12-31"), 3)], "an empty lot is none");
    assert_eq!(book.lots(Holder::Hub, ANN, "points").unwrap(), [(Lot::default(), 11)]);
    assert_eq!(book.lots(TILL, BOB, "points").unwrap(), [(Lot::default(), 5)]);
    assert_eq!(book.lots(TILL, ANN, "coffee").unwrap(), []);
    assert_eq!(book.held(&slot(ANN, "points", Holder::Hub)).unwrap(), 11);
    assert_eq!(book.held(&slot(ANN, "points", TILL)).unwrap(), 0);
    assert_eq!(book.debt(ANN, "points", DebtKind::Floor).unwrap(), 4);
    assert_eq!(book.debt(ANN, "points", DebtKind::Late).unwrap(), 0);
}

/// The one finding of a book.
fn finding(rows: &[Row]) -> String {
    let found = book(rows).findings();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("one")
}

#[test]
fn it_finds_an_entry_posted_twice() {
    let first = given(1, ANN, "points", 5);
    assert!(finding(&[first.clone(), first]).contains("is posted twice"));
}

#[test]
fn it_finds_rows_that_move_nothing() {
    let nothing = Row { units: 0, ..given(1, ANN, "points", 5) };
    assert!(finding(&[nothing]).contains("moves 0 units"));
}

#[test]
fn it_finds_a_holding_that_was_ever_below_zero() {
    let spent = row(1, TILL, entry(EntryKind::Redeem, ANN, "points", 5, None));
    // Made good a moment later: it was below zero all the same.
    let found = finding(&[spent, given(2, ANN, "points", 5)]);
    assert!(found.contains("leaves Liability") && found.contains("at -5"), "{found}");
    let exactly = row(2, TILL, entry(EntryKind::Redeem, ANN, "points", 5, None));
    assert_eq!(book(&[given(1, ANN, "points", 5), exactly]).findings(), Vec::<String>::new());
}

#[test]
fn it_finds_a_debt_paid_beyond_what_is_owed() {
    let repay = |units| Entry { debt: Some(DebtKind::Floor), ..entry(EntryKind::Repay, ANN, "points", units, None) };
    let to_hub = entry(EntryKind::Accrue, ANN, "points", 9, Some(Holder::Hub));
    let rows = |units| [row(1, TILL, to_hub.clone()), floor(2, ANN, "points", 4), row(1, Holder::Hub, repay(units))];
    assert_eq!(book(&rows(4)).findings(), Vec::<String>::new());
    assert!(finding(&rows(6)).contains("leaves the debt (floor) at -2"));
}
