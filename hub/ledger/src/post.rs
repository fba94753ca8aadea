//! From an author's entry to rows of the ledger.
//!
//! An entry posts as it is. Two things can be short: a till may spend units that the ledger does not see it hold
//! (tampering, a bug, a restored disk), and an undone redemption may pay off a debt that has been paid already.
//! Then the entry splits: what is covered posts as written, the rest beside it on another account, and the
//! accounts stay at or above zero. Order within one author's journal is the author's; nothing here depends on the
//! order between authors except through what the hub itself has moved.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::{Account, DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EntryId, Holder, MemberId};

use crate::exception::{Exception, ExceptionKind};
use crate::view::{LedgerView, Slot};

/// One movement between two accounts: a row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The entry's id.
    pub id: EntryId,
    /// 0 for the entry itself, 1 for the part of it that was not covered.
    pub part: u8,
    /// The entry as its author wrote it.
    pub entry: Entry,
    /// The account that gives.
    pub debit: Account,
    /// The account that takes.
    pub credit: Account,
    /// Units that move, positive; fewer than the entry's where it splits.
    pub units: i64,
}

impl Row {
    /// A hub's own entry. The hub writes only what it holds, so it never splits.
    ///
    /// # Errors
    /// When a hub may not write such an entry.
    pub fn of_hub(id: EntryId, entry: Entry) -> Result<Self, counterfoil_protocol::entry::EntryError> {
        let (debit, credit) = entry.accounts(Holder::Hub)?;
        Ok(Self { id, part: 0, units: entry.units, entry, debit, credit })
    }

    /// The row's id as APIs show it.
    pub fn id_text(&self) -> String {
        if self.part == 0 { self.id.to_string() } else { format!("{}+debt", self.id) }
    }

    /// The slot that an account of this row stands for, where it is a holder's.
    pub fn slot(&self, account: Account) -> Option<Slot> {
        account.holder().map(|holder| Slot {
            member: self.entry.member,
            purse: self.entry.purse.clone(),
            lot: self.entry.lot,
            holder,
        })
    }
}

/// What a record's entries come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Posting {
    /// Rows, in order.
    pub rows: Vec<Row>,
    /// What a person should look at.
    pub exceptions: Vec<Exception>,
}

/// Plans a posting: reads through a view, remembers what it has planned itself.
#[derive(Debug)]
pub struct Poster<'v, V> {
    view: &'v V,
    held: BTreeMap<Slot, i64>,
    debts: BTreeMap<(MemberId, String, DebtKind), i64>,
    posting: Posting,
}

impl<'v, V: LedgerView> Poster<'v, V> {
    /// Begins with the ledger as it stands.
    pub fn new(view: &'v V) -> Self {
        Self { view, held: BTreeMap::new(), debts: BTreeMap::new(), posting: Posting::default() }
    }

    /// What came of it.
    pub fn finish(self) -> Posting {
        self.posting
    }

    /// Posts one entry of a terminal. An entry that its author may not write is not posted; it becomes an exception.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub fn post(&mut self, id: EntryId, entry: &Entry) -> Result<(), V::Error> {
        let author = id.author();
        let (debit, credit) = match entry.accounts(author) {
            Ok(accounts) => accounts,
            Err(error) => {
                self.exception(ExceptionKind::EntryRefused, format!("entry {id} is not posted: {error}"));
                return Ok(());
            }
        };
        let covered = match debit {
            Account::Liability(holder) => self.held(holder, entry)?.min(entry.units),
            _ => entry.units,
        };
        let covered = covered.min(self.payable(credit, entry)?);
        let short = entry.units - covered;
        if covered > 0 {
            self.row(id, entry, debit, credit, covered)?;
        }
        if short == 0 {
            return Ok(());
        }
        if let Account::Debt(_) = credit {
            // Redeemed units come back for a debt that has been paid: they are the member's, head office holds them.
            return self.row(id, entry, debit, Account::Liability(Holder::Hub), short);
        }
        self.exception(
            ExceptionKind::RightsExceeded,
            format!(
                "entry {id} ({}) moves {} {}, its author holds {covered}: {short} units have no cover",
                entry.kind.as_str(),
                entry.units,
                entry.purse
            ),
        );
        match uncovered(entry.kind) {
            Some(kind) => self.row(id, entry, Account::Debt(kind), credit, short),
            None => Ok(()),
        }
    }

    fn held(&self, holder: Holder, entry: &Entry) -> Result<i64, V::Error> {
        let slot = Slot { member: entry.member, purse: entry.purse.clone(), lot: entry.lot, holder };
        let planned = self.held.get(&slot).copied().unwrap_or(0);
        Ok(self.view.held(&slot)?.saturating_add(planned).max(0))
    }

    /// How many units an account can still take: a debt no more than is owed, others all.
    fn payable(&self, credit: Account, entry: &Entry) -> Result<i64, V::Error> {
        let Account::Debt(kind) = credit else { return Ok(entry.units) };
        let planned = self.debts.get(&(entry.member, entry.purse.clone(), kind)).copied().unwrap_or(0);
        Ok(self.view.debt(entry.member, &entry.purse, kind)?.saturating_add(planned).max(0))
    }

    fn row(&mut self, id: EntryId, entry: &Entry, debit: Account, credit: Account, units: i64) -> Result<(), V::Error> {
        let part = u8::from(self.posting.rows.last().is_some_and(|last| last.id == id));
        let row = Row { id, part, entry: entry.clone(), debit, credit, units };
        for (account, sign) in [(debit, -1), (credit, 1)] {
            match account {
                Account::Liability(_) => {
                    let slot = row.slot(account).expect("a liability account has a holder");
                    let planned: &mut i64 = self.held.entry(slot).or_default();
                    *planned = planned.saturating_add(sign * units);
                }
                // A debt grows when it gives.
                Account::Debt(kind) => {
                    let planned = self.debts.entry((entry.member, entry.purse.clone(), kind)).or_insert(0i64);
                    *planned = planned.saturating_sub(sign * units);
                }
                _ => {}
            }
        }
        self.posting.rows.push(row);
        Ok(())
    }

    fn exception(&mut self, kind: ExceptionKind, reason: String) {
        self.posting.exceptions.push(Exception { kind, reason });
    }
}

/// On which debt the uncovered part of an entry is booked; `None`: that part moves nothing, because only rights
/// would have moved.
fn uncovered(kind: EntryKind) -> Option<DebtKind> {
    match kind {
        EntryKind::Redeem => Some(DebtKind::Restored),
        EntryKind::ReverseAccrual | EntryKind::AdjustDown => Some(DebtKind::Clawback),
        _ => None,
    }
}

/// Lots with units, in the order in which units are used: earliest expiry first, then earliest vesting.
pub(crate) fn by_expiry(lots: &mut [(Lot, i64)]) {
    lots.sort_by_key(|(lot, _)| (lot.expires.is_none(), lot.expires, lot.vests));
}

#[cfg(test)]
mod tests {
    use counterfoil_protocol::id::IncarnationId;

    use super::*;
    use crate::book::Book;

    const TILL: IncarnationId = IncarnationId([1; 16]);

    fn entry(kind: EntryKind, units: i64) -> Entry {
        let to = matches!(kind, EntryKind::Accrue | EntryKind::ReverseRedemption).then_some(Holder::Terminal(TILL));
        let to = if kind == EntryKind::ReturnRights { Some(Holder::Hub) } else { to };
        Entry { kind, member: MemberId([9; 16]), purse: "points".into(), lot: Lot::default(), units, to, debt: None }
    }

    fn post(book: &mut Book, entries: &[Entry]) -> Posting {
        let mut poster = Poster::new(&*book);
        for (index, entry) in (0u32..).zip(entries) {
            let id = EntryId::Terminal { incarnation: TILL, position: book.rows() + 1, index };
            poster.post(id, entry).unwrap();
        }
        let posting = poster.finish();
        posting.rows.iter().for_each(|row| book.apply(row));
        posting
    }

    fn held(book: &Book) -> i64 {
        let slot = Slot {
            member: MemberId([9; 16]),
            purse: "points".into(),
            lot: Lot::default(),
            holder: Holder::Terminal(TILL),
        };
        book.held(&slot).unwrap()
    }

    #[test]
    fn spending_more_than_is_held_becomes_debt_and_is_said() {
        let mut book = Book::default();
        let posting = post(&mut book, &[entry(EntryKind::Accrue, 10), entry(EntryKind::Redeem, 25)]);
        assert_eq!(posting.exceptions.len(), 1);
        assert_eq!(posting.exceptions[0].kind, ExceptionKind::RightsExceeded);
        assert_eq!(held(&book), 0);
        assert_eq!(book.debt(MemberId([9; 16]), "points", DebtKind::Restored), Ok(15));
        let ids: Vec<String> = posting.rows.iter().map(Row::id_text).collect();
        assert_eq!(ids[1], posting.rows[1].id.to_string());
        assert_eq!(ids[2], format!("{}+debt", posting.rows[1].id));
        assert_eq!(book.findings(), Vec::<String>::new());
    }

    #[test]
    fn rights_that_are_not_there_do_not_move() {
        let mut book = Book::default();
        let posting = post(&mut book, &[entry(EntryKind::Accrue, 10), entry(EntryKind::ReturnRights, 25)]);
        assert_eq!(posting.exceptions.len(), 1);
        assert_eq!(posting.rows.last().unwrap().units, 10);
        assert_eq!(book.findings(), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_entry_is_not_posted_and_the_rest_is() {
        let mut book = Book::default();
        let foreign = Entry { to: Some(Holder::Terminal(IncarnationId([2; 16]))), ..entry(EntryKind::Accrue, 5) };
        let posting = post(&mut book, &[foreign, entry(EntryKind::Accrue, 3)]);
        assert_eq!(posting.exceptions[0].kind, ExceptionKind::EntryRefused);
        assert_eq!(posting.rows.len(), 1);
        assert_eq!(held(&book), 3);
    }

    #[test]
    fn a_paid_debt_is_not_paid_twice() {
        let mut book = Book::default();
        let floor = Entry { debt: Some(DebtKind::Floor), ..entry(EntryKind::Redeem, 8) };
        post(&mut book, &[floor]);
        let hub = |index| EntryId::Hub { epoch: 1, bucket: 9, sequence: 1, index };
        let gift = Entry { to: Some(Holder::Hub), ..entry(EntryKind::AdjustUp, 5) };
        let repay = Entry { debt: Some(DebtKind::Floor), ..entry(EntryKind::Repay, 5) };
        book.apply(&Row::of_hub(hub(0), gift).unwrap());
        book.apply(&Row::of_hub(hub(1), repay).unwrap());
        let back = Entry { to: None, debt: Some(DebtKind::Floor), ..entry(EntryKind::ReverseRedemption, 8) };
        let posting = post(&mut book, &[back]);
        assert_eq!(posting.exceptions, []);
        assert_eq!(book.debt(MemberId([9; 16]), "points", DebtKind::Floor), Ok(0));
        assert_eq!(book.balance(MemberId([9; 16]), "points"), 5);
        assert_eq!(book.findings(), Vec::<String>::new());
    }
}
