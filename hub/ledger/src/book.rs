//! A ledger in memory: the plainest reading of the rules.
//!
//! Used to recompute everything from the set of rows, to be compared with running totals elsewhere, and as the
//! reference model of tests. Applies whatever it is given and says afterwards what does not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use counterfoil_protocol::entry::{Account, DebtKind, Lot};
use counterfoil_protocol::id::{Holder, MemberId};

use crate::post::Row;
use crate::view::{LedgerView, Slot};

/// A ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    ids: BTreeSet<String>,
    held: BTreeMap<Slot, i64>,
    debts: BTreeMap<(MemberId, String, DebtKind), i64>,
    totals: BTreeMap<(String, Account), i64>,
    findings: Vec<String>,
}

impl Book {
    /// Applies a row.
    pub fn apply(&mut self, row: &Row) {
        let id = row.id_text();
        if !self.ids.insert(id.clone()) {
            self.findings.push(format!("entry {id} is posted twice"));
        }
        if row.units <= 0 {
            self.findings.push(format!("entry {id} moves {} units", row.units));
        }
        for (account, sign) in [(row.debit, -1), (row.credit, 1)] {
            *self.totals.entry((row.entry.purse.clone(), account)).or_default() += sign * row.units;
            if let Some(slot) = row.slot(account) {
                let units = self.held.entry(slot).or_default();
                *units += sign * row.units;
                if *units < 0 {
                    self.findings.push(format!("entry {id} leaves {account:?} at {units}"));
                }
            }
            if let Account::Debt(kind) = account {
                let owed = self.debts.entry((row.entry.member, row.entry.purse.clone(), kind)).or_default();
                *owed -= sign * row.units;
                if *owed < 0 {
                    self.findings.push(format!("entry {id} leaves the debt ({}) at {owed}", kind.as_str()));
                }
            }
        }
    }

    /// Rows applied.
    pub fn rows(&self) -> u64 {
        self.ids.len() as u64
    }

    /// All slots with what is in them, empty ones left out.
    pub fn holdings(&self) -> impl Iterator<Item = (&Slot, i64)> {
        self.held.iter().map(|(slot, units)| (slot, *units)).filter(|(_, units)| *units != 0)
    }

    /// All debts, paid ones left out.
    pub fn debts(&self) -> impl Iterator<Item = (&(MemberId, String, DebtKind), i64)> {
        self.debts.iter().map(|(key, units)| (key, *units)).filter(|(_, units)| *units != 0)
    }

    /// Account totals per purse, credits less debits.
    pub fn totals(&self) -> impl Iterator<Item = (&str, Account, i64)> {
        self.totals.iter().map(|((purse, account), total)| (purse.as_str(), *account, *total))
    }

    /// A member's units in a purse over all holders, less what it owes; not below zero.
    pub fn balance(&self, member: MemberId, purse: &str) -> i64 {
        let units: i64 =
            self.held.iter().filter(|(slot, _)| slot.member == member && slot.purse == purse).map(|(_, n)| n).sum();
        let owed: i64 = self.debts.iter().filter(|((m, p, _), _)| *m == member && p == purse).map(|(_, n)| n).sum();
        (units - owed).max(0)
    }

    /// Everything that does not hold: trial balance, holders' accounts against the sum of their slots, negative
    /// holdings and debts (at any moment), repeated entries.
    pub fn findings(&self) -> Vec<String> {
        let mut found = self.findings.clone();
        let mut purses: BTreeMap<&str, i64> = BTreeMap::new();
        let mut accounts: BTreeMap<(&str, Account), i64> = BTreeMap::new();
        for ((purse, account), total) in &self.totals {
            *purses.entry(purse).or_default() += total;
            if account.holder().is_some() {
                accounts.insert((purse, *account), *total);
            }
        }
        found.extend(
            purses
                .iter()
                .filter(|(_, total)| **total != 0)
                .map(|(purse, total)| format!("the trial balance of {purse} is {total}, it must be zero")),
        );
        for (slot, units) in &self.held {
            *accounts.entry((&slot.purse, Account::Liability(slot.holder))).or_default() -= units;
        }
        found.extend(accounts.iter().filter(|(_, rest)| **rest != 0).map(|((purse, account), rest)| {
            format!("{account:?} of {purse} differs by {rest} from what its holder has")
        }));
        found
    }
}

impl LedgerView for Book {
    type Error = Infallible;

    fn held(&self, slot: &Slot) -> Result<i64, Infallible> {
        Ok(self.held.get(slot).copied().unwrap_or(0))
    }

    fn lots(&self, holder: Holder, member: MemberId, purse: &str) -> Result<Vec<(Lot, i64)>, Infallible> {
        let of = |slot: &Slot| slot.holder == holder && slot.member == member && slot.purse == purse;
        Ok(self.held.iter().filter(|(slot, n)| of(slot) && **n > 0).map(|(slot, n)| (slot.lot, *n)).collect())
    }

    fn debt(&self, member: MemberId, purse: &str, kind: DebtKind) -> Result<i64, Infallible> {
        Ok(self.debts.get(&(member, purse.to_owned(), kind)).copied().unwrap_or(0))
    }
}
