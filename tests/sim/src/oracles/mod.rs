//! What must be true, checked by others than those who make it so.
//!
//! The oracles see what tills committed (their journals, record by record), what they acknowledged, what head
//! office acknowledged and has in its ledger. Law 1: [`Oracles::compare_books`]. Law 2: [`book`], at every record. Law 3:
//! the world's drain compares replicas. Law 4: [`Oracles::balance`]. Law 5: [`Oracles::reopened`]. Law 6 is the tap's and
//! is tested with real processes, not here. Days: [`days`].

pub mod book;
pub mod days;
pub mod ledger;

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_hub::core::{EntryView, TrialBalance};
use counterfoil_protocol::id::{EntryId, Holder, IncarnationId, MemberId};
use counterfoil_protocol::record::{Body, Chain, Head, Record, chain_next, chain_start};
use counterfoil_protocol::wire::v1::feed::HubEntry;

use crate::world::Violation;
use book::Book;

/// A committed record as it was first seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The chain after it.
    pub chain: Chain,
    /// The record.
    pub record: Record,
}

/// A till that came back with an older database, and what was lost with the newer one.
#[derive(Debug, Clone, Copy)]
pub struct Lost {
    /// The last position that the older database has.
    pub after: u64,
    /// What head office had acknowledged by then: more than `after`, and the till must learn that it is behind. Else
    /// head office may never have had the newer records, and takes the branch as it comes.
    pub at_head_office: u64,
}

/// Everything the oracles know.
#[derive(Debug, Default)]
pub struct Oracles {
    /// The model of rights.
    pub book: Book,
    journals: BTreeMap<IncarnationId, Vec<Seen>>,
    keys: BTreeMap<(IncarnationId, String), u64>,
    acknowledged: BTreeMap<IncarnationId, u64>,
    hub_acknowledged: BTreeMap<IncarnationId, u64>,
    ledger: BTreeMap<String, EntryView>,
    lost: BTreeMap<IncarnationId, Lost>,
    branches: BTreeMap<IncarnationId, BTreeMap<u64, Record>>,
    /// Those of which head office has the branch, and so none of what was first written.
    branches_taken: BTreeSet<IncarnationId>,
    checks: u64,
}

impl Oracles {
    /// Knowing nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many facts and states were looked at.
    pub fn checks(&self) -> u64 {
        self.checks
    }

    /// The records of an incarnation, from position 1.
    pub fn journal(&self, incarnation: IncarnationId) -> &[Seen] {
        self.journals.get(&incarnation).map_or(&[], Vec::as_slice)
    }

    /// How many of them have been seen.
    pub fn seen(&self, incarnation: IncarnationId) -> u64 {
        self.journal(incarnation).len() as u64
    }

    /// The record that a call with this key made.
    pub fn record_of_key(&self, incarnation: IncarnationId, key: &str) -> Option<u64> {
        self.keys.get(&(incarnation, key.to_owned())).copied()
    }

    /// A till committed more records.
    ///
    /// # Errors
    /// When one of them breaks a law.
    pub fn committed(&mut self, incarnation: IncarnationId, fresh: Vec<(u64, Chain, Record)>) -> Result<(), Violation> {
        for (position, chain, record) in fresh {
            self.checks += 1;
            let journal = self.journals.entry(incarnation).or_default();
            let before = journal.last().map_or_else(|| chain_start(incarnation), |seen| seen.chain);
            if position != journal.len() as u64 + 1 {
                let expected = journal.len() + 1;
                return Err(Violation::new(5, format!("{incarnation}: record {position} where {expected} is next")));
            }
            if chain_next(before, &record.to_bytes()) != chain {
                return Err(Violation::new(5, format!("{incarnation}: the chain at {position} is not its record's")));
            }
            for (id, entry) in record.entry_ids(incarnation, position) {
                self.book.add(id, entry).map_err(|why| Violation::new(2, why))?;
            }
            if let Some(idempotency) = &record.idempotency {
                let key = (incarnation, idempotency.key.clone());
                if let Some(first) = self.keys.insert(key, position) {
                    let key = &idempotency.key;
                    return Err(Violation::new(
                        1,
                        format!("{incarnation}: key {key} made records {first} and {position}"),
                    ));
                }
            }
            self.journals.entry(incarnation).or_default().push(Seen { chain, record });
        }
        Ok(())
    }

    /// A till told somebody that a record is there.
    pub fn acknowledged(&mut self, incarnation: IncarnationId, position: u64) {
        let known = self.acknowledged.entry(incarnation).or_default();
        *known = (*known).max(position);
    }

    /// Head office told a till that it has everything up to a position.
    pub fn hub_acknowledged(&mut self, incarnation: IncarnationId, position: u64) {
        let known = self.hub_acknowledged.entry(incarnation).or_default();
        *known = (*known).max(position);
    }

    /// What head office acknowledged.
    pub fn at_head_office(&self, incarnation: IncarnationId) -> u64 {
        self.hub_acknowledged.get(&incarnation).copied().unwrap_or(0)
    }

    /// A till received grants.
    ///
    /// # Errors
    /// When head office does not know of one.
    pub fn received(&mut self, incarnation: IncarnationId, grants: &[HubEntry]) -> Result<(), Violation> {
        for grant in grants {
            self.checks += 1;
            self.book.receive(incarnation, grant.id, &grant.entry).map_err(|why| Violation::new(5, why))?;
        }
        Ok(())
    }

    /// A till is open again after whatever happened: everything it told anybody is there, unchanged.
    ///
    /// # Errors
    /// When something acknowledged is gone.
    pub fn reopened(
        &mut self,
        incarnation: IncarnationId,
        head: Head,
        chain_at_seen: Option<Chain>,
    ) -> Result<(), Violation> {
        self.checks += 1;
        let acknowledged = self.acknowledged.get(&incarnation).copied().unwrap_or(0);
        if head.position < acknowledged {
            return Err(Violation::new(
                5,
                format!("{incarnation}: acknowledged to {acknowledged}, after a crash there are {}", head.position),
            ));
        }
        let seen = self.seen(incarnation);
        if head.position < seen {
            return Err(Violation::new(
                5,
                format!("{incarnation}: {seen} records were committed, after a crash there are {}", head.position),
            ));
        }
        if let (Some(last), Some(chain)) = (self.journal(incarnation).last(), chain_at_seen)
            && last.chain != chain
        {
            return Err(Violation::new(5, format!("{incarnation}: the journal changed behind record {seen}")));
        }
        Ok(())
    }

    /// A till came back with an older database that ends at `after`; segments up to `pushed` may have reached head
    /// office. Where nothing was sent, the older database is simply the truth; otherwise what the till goes on to
    /// write may be a fork. Says whether rights that it held were spent or given beyond `after` and somebody was
    /// answered: then the till must notice before it spends.
    pub fn restored(&mut self, incarnation: IncarnationId, after: u64, pushed: u64) -> bool {
        let acknowledged = self.acknowledged.get(&incarnation).copied().unwrap_or(0);
        let own = Holder::Terminal(incarnation);
        let beyond = (1..).zip(self.journal(incarnation)).filter(|(position, _)| *position > after);
        let must_notice = beyond.filter(|(position, _)| *position <= acknowledged).any(|(_, seen)| {
            seen.record.entries.iter().any(|entry| entry.held_change(own, own).is_ok_and(|change| change < 0))
        });
        if pushed > after {
            let at_head_office = self.at_head_office(incarnation);
            self.lost.entry(incarnation).or_insert(Lost { after, at_head_office });
            return must_notice;
        }
        if let Some(journal) = self.journals.get_mut(&incarnation) {
            journal.truncate(after as usize);
        }
        self.acknowledged.insert(incarnation, acknowledged.min(after));
        self.keys.retain(|(whose, _), position| *whose != incarnation || *position <= after);
        self.book.forget(incarnation, after);
        must_notice
    }

    /// Records that a till wrote after it came back with an older database.
    pub fn branched(&mut self, incarnation: IncarnationId, records: Vec<(u64, Chain, Record)>) {
        let branch = self.branches.entry(incarnation).or_default();
        branch.extend(records.into_iter().map(|(position, _, record)| (position, record)));
    }

    /// Whether a till came back with an older database.
    pub fn lost(&self, incarnation: IncarnationId) -> Option<Lost> {
        self.lost.get(&incarnation).copied()
    }

    /// Head office posted more entries.
    ///
    /// # Errors
    /// When one of them is not a fact, or breaks a law.
    pub fn posted(&mut self, entries: Vec<EntryView>) -> Result<(), Violation> {
        for view in entries {
            self.checks += 1;
            if let Some(known) = self.ledger.get(&view.id) {
                if *known != view {
                    return Err(Violation::new(5, format!("ledger entry {} changed: {known:?}, {view:?}", view.id)));
                }
                continue;
            }
            let (id, entry) = ledger::fact(&view).map_err(|why| Violation::new(4, why))?;
            match id {
                EntryId::Terminal { incarnation, position, index } => {
                    let record = self.journal(incarnation).get(position as usize - 1).map(|seen| &seen.record);
                    let fact = record.and_then(|record| record.entries.get(index as usize));
                    let branch = self.branches.get(&incarnation).and_then(|branch| branch.get(&position));
                    let branched = branch.and_then(|record| record.entries.get(index as usize));
                    let shared = self.lost.get(&incarnation).is_none_or(|lost| position <= lost.after);
                    let taken = !shared && self.branches_taken.contains(&incarnation);
                    if branched == Some(&entry) && (taken || fact != Some(&entry)) {
                        self.take_branch(incarnation)?;
                        self.book.amend(id, &entry);
                    } else if taken || fact != Some(&entry) {
                        return Err(Violation::new(
                            1,
                            format!("head office posted {id} as {entry:?}; the till wrote {fact:?}"),
                        ));
                    }
                }
                EntryId::Hub { .. } => {
                    self.book.add(id, &entry).map_err(|why| Violation::new(2, why))?;
                }
            }
            self.ledger.insert(view.id.clone(), view);
        }
        Ok(())
    }

    /// Head office took a till's branch: what the till had first written there never was.
    fn take_branch(&mut self, incarnation: IncarnationId) -> Result<(), Violation> {
        let after = self.lost.get(&incarnation).map_or(0, |lost| lost.after);
        if !self.branches_taken.insert(incarnation) {
            return Ok(());
        }
        self.book.forget(incarnation, after);
        // Entries that are the same in both were taken for the first ones.
        for view in self.ledger.values() {
            let (id, entry) = ledger::fact(view).map_err(|why| Violation::new(4, why))?;
            if matches!(id, EntryId::Terminal { incarnation: whose, position, .. } if whose == incarnation && position > after)
            {
                self.book.amend(id, &entry);
            }
        }
        Ok(())
    }

    /// Head office is open again: everything it had posted is still there.
    ///
    /// # Errors
    /// When something is gone.
    pub fn hub_reopened(&mut self, entries: &[EntryView]) -> Result<(), Violation> {
        self.checks += 1;
        let there: BTreeMap<&str, &EntryView> = entries.iter().map(|view| (view.id.as_str(), view)).collect();
        for (id, view) in &self.ledger {
            if there.get(id.as_str()) != Some(&view) {
                return Err(Violation::new(5, format!("head office lost ledger entry {id} in a crash")));
            }
        }
        Ok(())
    }

    /// Law 4: the trial balance is zero and every sub-account is what its holder has.
    ///
    /// # Errors
    /// When it is not.
    pub fn balance(&mut self, balance: &TrialBalance) -> Result<(), Violation> {
        self.checks += 1;
        let mut said = BTreeMap::new();
        for purse in &balance.purses {
            let sum: i64 = purse.accounts.iter().map(|account| account.total).sum();
            if purse.total != 0 || sum != 0 {
                return Err(Violation::new(
                    4,
                    format!("the trial balance of {} is {sum}, said to be {}", purse.purse, purse.total),
                ));
            }
            for account in purse.accounts.iter().filter(|account| account.account == "liability") {
                let holder = account.holder.clone().unwrap_or_default();
                if account.total != 0 {
                    said.insert((holder, purse.purse.clone()), account.total);
                }
            }
        }
        let counted = ledger::by_holder(self.ledger.values()).map_err(|why| Violation::new(4, why))?;
        if said != counted {
            return Err(Violation::new(
                4,
                format!("sub-accounts: head office says {said:?}, its entries come to {counted:?}"),
            ));
        }
        Ok(())
    }

    /// Law 1 at the end: every record that a till with a surviving disk acknowledged is at head office, entry by
    /// entry, exactly once, and nothing else is.
    ///
    /// # Errors
    /// When something is missing or too much.
    pub fn compare_books(&mut self) -> Result<(), Violation> {
        for (incarnation, journal) in self.journals.iter().filter(|(whose, _)| !self.lost.contains_key(whose)) {
            for (position, seen) in (1..).zip(journal) {
                for (id, _) in seen.record.entry_ids(*incarnation, position) {
                    self.checks += 1;
                    if !self.ledger.contains_key(&id.to_string()) {
                        return Err(Violation::new(1, format!("entry {id} is not in head office's ledger")));
                    }
                }
            }
        }
        if self.lost.is_empty() {
            let counted = ledger::by_place(self.ledger.values()).map_err(|why| Violation::new(4, why))?;
            let model = self.book.held();
            if counted != model {
                return Err(Violation::new(4, format!("the ledger comes to {counted:?}, the model to {model:?}")));
            }
        }
        Ok(())
    }

    /// Every sale that a till with a surviving disk committed, by its id.
    pub fn sales_due(&self) -> BTreeMap<String, u64> {
        let mut due = BTreeMap::new();
        for (incarnation, journal) in self.journals.iter().filter(|(whose, _)| !self.lost.contains_key(whose)) {
            let sales = (1u64..).zip(journal).filter(|(_, seen)| matches!(seen.record.body, Body::Sale(_)));
            due.extend(sales.map(|(position, _)| (format!("{incarnation}-{position}"), 1)));
        }
        due
    }

    /// Units of a member's purse as head office's ledger has them.
    pub fn ledger_balance(&self, member: MemberId, purse: &str) -> Result<i64, Violation> {
        let places = ledger::by_place(self.ledger.values()).map_err(|why| Violation::new(4, why))?;
        Ok(places
            .iter()
            .filter(|(place, _)| place.member == member && place.purse == purse)
            .map(|(_, units)| units)
            .sum())
    }

    /// What a member owes by head office's ledger.
    ///
    /// # Errors
    /// When an entry cannot be read.
    pub fn ledger_debt(&self, member: MemberId, purse: &str) -> Result<i64, Violation> {
        let its = |view: &&EntryView| view.member_id == member.to_string() && view.purse == purse;
        let side = |account: &str, sign: i64| if account.starts_with("debt.") { sign } else { 0 };
        Ok(self
            .ledger
            .values()
            .filter(its)
            .map(|view| view.amount * (side(&view.debit, 1) + side(&view.credit, -1)))
            .sum())
    }

    /// Units that head office's ledger says a holder has of a member's purse.
    pub fn ledger_held(&self, holder: Holder, member: MemberId, purse: &str) -> Result<i64, Violation> {
        let places = ledger::by_place(self.ledger.values()).map_err(|why| Violation::new(4, why))?;
        let its = |place: &book::Place| place.holder == holder && place.member == member && place.purse == purse;
        Ok(places.iter().filter(|(place, _)| its(place)).map(|(_, units)| units).sum())
    }
}
