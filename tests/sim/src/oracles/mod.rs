//! What must be true, checked by others than those who make it so.
//!
//! The oracles see what tills committed (their journals, record by record), what they acknowledged, what head
//! office acknowledged and has in its ledger, and hold it against [`crate::model`]. Every judgement is counted by law and
//! oracle ([`Tally`]). Law 6 is the tap's and is tested with real processes, not here. Days: [`days`].

pub mod days;
pub mod ledger;

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_hub::core::{EntryView, TrialBalance};
use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind};
use counterfoil_protocol::id::{EntryId, EventId, Holder, IncarnationId};
use counterfoil_protocol::record::{Body, Chain, Head, Origin, Record, chain_next, chain_start};
use counterfoil_protocol::wire::v1::feed::HubEntry;

use crate::model::dates::Day;
use crate::model::office::Office;
use crate::model::till::{Around, TillModel};
use crate::model::{self, Place, Side};
use crate::world::Violation;

/// How often each oracle judged a step, by law (0: what any program must do).
pub type Tally = BTreeMap<(u8, &'static str), u64>;

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

/// What a till wrote after it came back with an older database.
#[derive(Debug)]
struct Branch {
    lost: Lost,
    records: Vec<Seen>,
}

/// One incarnation's journal, as it was first written.
#[derive(Debug)]
struct Journal {
    records: Vec<Seen>,
    branch: Option<Branch>,
    /// By the line that is being written: the branch where there is one.
    model: TillModel,
    keys: BTreeMap<String, u64>,
    /// The life that came after it.
    succeeded_by: Option<IncarnationId>,
    /// Told to somebody by the till.
    acknowledged: u64,
    /// Told to the till by head office.
    at_head_office: u64,
}

impl Journal {
    /// What was written at a position: once, or twice where the till came back with an older database.
    fn lines(&self, position: u64) -> impl Iterator<Item = &Seen> {
        let main = position.checked_sub(1).and_then(|at| self.records.get(at as usize));
        let branch = self.branch.as_ref().and_then(|branch| {
            let at = position.checked_sub(branch.lost.after + 1)?;
            branch.records.get(at as usize)
        });
        main.into_iter().chain(branch)
    }

    /// What the disk has that survives.
    fn surviving(&self) -> impl Iterator<Item = (u64, &Seen)> {
        let (shared, branch) = match &self.branch {
            Some(branch) => (branch.lost.after as usize, branch.records.as_slice()),
            None => (self.records.len(), [].as_slice()),
        };
        (1..).zip(self.records[..shared].iter().chain(branch))
    }
}

/// Everything the oracles know.
#[derive(Debug, Default)]
pub struct Oracles {
    journals: BTreeMap<IncarnationId, Journal>,
    office: Office,
    ledger: BTreeMap<String, EntryView>,
    /// Everything head office ever wrote itself.
    written: BTreeMap<EntryId, Entry>,
    /// Incarnations whose entries head office may find uncovered: put back, copied, or lying.
    doubtful: BTreeSet<IncarnationId>,
    /// Those whose databases were edited: what they write is not judged, only what others make of it.
    liars: BTreeSet<IncarnationId>,
    /// Those that were found to have spent what they did not hold.
    uncovered: BTreeSet<IncarnationId>,
    tally: Tally,
}

impl Oracles {
    /// Knowing nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a judgement.
    pub fn judged(&mut self, law: u8, by: &'static str) {
        *self.tally.entry((law, by)).or_default() += 1;
    }

    /// How many judgements there were, by whom.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Head office's ledger by the model.
    pub fn office(&self) -> &Office {
        &self.office
    }

    /// A new incarnation.
    pub fn begins(&mut self, incarnation: IncarnationId) {
        let journal = Journal {
            records: Vec::new(),
            branch: None,
            model: TillModel::new(incarnation),
            keys: BTreeMap::new(),
            succeeded_by: None,
            acknowledged: 0,
            at_head_office: 0,
        };
        self.journals.insert(incarnation, journal);
    }

    /// A terminal goes on under another incarnation.
    pub fn succeeds(&mut self, before: IncarnationId, incarnation: IncarnationId) {
        self.its(before).succeeded_by = Some(incarnation);
        self.doubtful.insert(before);
        self.begins(incarnation);
    }

    /// A till's database was edited.
    pub fn lies(&mut self, incarnation: IncarnationId) {
        self.liars.insert(incarnation);
        self.doubtful.insert(incarnation);
    }

    /// Who spent what it did not hold, by head office's ledger.
    pub fn uncovered(&self) -> &BTreeSet<IncarnationId> {
        &self.uncovered
    }

    fn its(&mut self, incarnation: IncarnationId) -> &mut Journal {
        self.journals.get_mut(&incarnation).expect("every incarnation is announced when it begins")
    }

    /// The records of an incarnation, from position 1, as they were first written.
    pub fn journal(&self, incarnation: IncarnationId) -> &[Seen] {
        self.journals.get(&incarnation).map_or(&[], |journal| journal.records.as_slice())
    }

    /// How many of them have been seen.
    pub fn seen(&self, incarnation: IncarnationId) -> u64 {
        self.journal(incarnation).len() as u64
    }

    /// What an incarnation has, by the model.
    pub fn model(&self, incarnation: IncarnationId) -> &TillModel {
        &self.journals[&incarnation].model
    }

    /// The record that a call with this key made.
    pub fn record_of_key(&self, incarnation: IncarnationId, key: &str) -> Option<u64> {
        self.journals.get(&incarnation)?.keys.get(key).copied()
    }

    /// A till committed more records.
    ///
    /// # Errors
    /// When one of them breaks a law.
    pub fn committed(
        &mut self,
        incarnation: IncarnationId,
        fresh: Vec<(u64, Chain, Record)>,
        around: &Around<'_>,
    ) -> Result<(), Violation> {
        let lies = self.liars.contains(&incarnation);
        for (position, chain, record) in fresh {
            let journal = self.its(incarnation);
            let before = match &journal.branch {
                Some(branch) => {
                    let shared = branch.lost.after as usize;
                    branch.records.last().or(journal.records[..shared].last())
                }
                None => journal.records.last(),
            };
            let before_chain = before.map_or_else(|| chain_start(incarnation), |seen| seen.chain);
            let expected = match &journal.branch {
                Some(branch) => branch.lost.after + branch.records.len() as u64 + 1,
                None => journal.records.len() as u64 + 1,
            };
            if position != expected {
                return Err(Violation::new(5, format!("{incarnation}: record {position} where {expected} is next")));
            }
            if chain_next(before_chain, &record.to_bytes()) != chain {
                return Err(Violation::new(5, format!("{incarnation}: the chain at {position} is not its record's")));
            }
            if let Some(origin) = &record.origin {
                self.written_again(origin, &record)?;
            }
            let journal = self.its(incarnation);
            let judged = match lies {
                true => BTreeSet::new(),
                false => journal.model.record(position, &record, around).map_err(|(oracle, what)| {
                    Violation::new(2, format!("{incarnation}, record {position}, {oracle}: {what}"))
                })?,
            };
            if let Some(idempotency) = &record.idempotency
                && let Some(first) = journal.keys.insert(idempotency.key.clone(), position)
                && journal.branch.is_none()
            {
                let key = &idempotency.key;
                return Err(Violation::new(1, format!("{incarnation}: key {key} made records {first} and {position}")));
            }
            match &mut journal.branch {
                Some(branch) => branch.records.push(Seen { chain, record }),
                None => journal.records.push(Seen { chain, record }),
            }
            judged.into_iter().for_each(|oracle| self.judged(2, oracle));
            self.judged(5, "chain of records");
            self.judged(1, "one record for a key");
        }
        Ok(())
    }

    /// A record of an earlier life written again says what it said, and moves nothing that was settled.
    fn written_again(&mut self, origin: &Origin, record: &Record) -> Result<(), Violation> {
        self.judged(1, "records written again");
        let Some(first) = self.first_written(origin) else {
            return Err(Violation::new(1, format!("nobody wrote {origin:?}: {record:?}")));
        };
        let due: Vec<Entry> = first.entries.iter().filter_map(model::again).collect();
        let same_kind = std::mem::discriminant(&first.body) == std::mem::discriminant(&record.body);
        if due != record.entries || !same_kind || first.recorded_at_ms != record.recorded_at_ms {
            return Err(Violation::new(1, format!("{first:?} is written again as {record:?}")));
        }
        Ok(())
    }

    fn first_written(&self, origin: &Origin) -> Option<&Record> {
        let journal = self.journals.get(&origin.incarnation)?;
        let seen = journal.lines(origin.position).find(|seen| seen.chain == origin.chain)?;
        Some(&seen.record)
    }

    /// How far the line that is being written has been seen.
    pub fn head(&self, incarnation: IncarnationId) -> u64 {
        self.journals.get(&incarnation).map_or(0, |journal| match &journal.branch {
            Some(branch) => branch.lost.after + branch.records.len() as u64,
            None => journal.records.len() as u64,
        })
    }

    /// A till told somebody that a record is there.
    pub fn acknowledged(&mut self, incarnation: IncarnationId, position: u64) {
        let journal = self.its(incarnation);
        journal.acknowledged = journal.acknowledged.max(position);
    }

    /// Head office told a till that it has everything up to a position.
    pub fn hub_acknowledged(&mut self, incarnation: IncarnationId, position: u64) {
        if let Some(journal) = self.journals.get_mut(&incarnation) {
            journal.at_head_office = journal.at_head_office.max(position);
        }
    }

    /// A till received grants, and said whether it kept them.
    ///
    /// # Errors
    /// When head office does not know of one.
    pub fn received(&mut self, incarnation: IncarnationId, grants: &[HubEntry], kept: bool) -> Result<(), Violation> {
        for HubEntry { id, entry, .. } in grants {
            self.judged(2, "grants are head office's");
            if self.written.get(id) != Some(entry) {
                let what = format!("{incarnation} received grant {id}, which head office never wrote: {entry:?}");
                return Err(Violation::new(2, what));
            }
            if entry.to != Some(Holder::Terminal(incarnation)) {
                return Err(Violation::new(
                    2,
                    format!("{incarnation} received grant {id}, which is for {:?}", entry.to),
                ));
            }
            self.its(incarnation).model.receive(*id, entry, kept);
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
        self.judged(5, "nothing acknowledged is gone at a till");
        let acknowledged = self.its(incarnation).acknowledged;
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

    /// A till came back with an older database that ends at `after` and had received what `model` says; segments up to
    /// `pushed` may have reached head office. Where nothing was sent, the older database is simply the truth; otherwise
    /// what the till goes on to write may be a fork. Says whether rights that it held were spent or given beyond
    /// `after` and somebody was answered: then the till must notice before it spends.
    pub fn restored(&mut self, incarnation: IncarnationId, after: u64, pushed: u64, model: TillModel) -> bool {
        let own = Holder::Terminal(incarnation);
        let journal = self.its(incarnation);
        let told = journal.acknowledged;
        let beyond = (1..).zip(&journal.records).filter(|(position, _)| *position > after && *position <= told);
        let spends = |seen: &Seen| seen.record.entries.iter().any(|entry| model::spends(entry, own));
        let must_notice = beyond.into_iter().any(|(_, seen)| spends(seen));
        journal.model = model;
        journal.keys.retain(|_, position| *position <= after);
        if pushed > after {
            let lost = Lost { after, at_head_office: journal.at_head_office };
            journal.branch = Some(Branch { lost, records: Vec::new() });
            self.doubtful.insert(incarnation);
        } else {
            journal.records.truncate(after as usize);
            journal.acknowledged = journal.acknowledged.min(after);
        }
        must_notice
    }

    /// Whether a till came back with an older database, or is another life of one that did.
    pub fn had_other_lives(&self, incarnation: IncarnationId) -> bool {
        self.lost(incarnation).is_some()
            || self.journals.get(&incarnation).is_some_and(|journal| journal.succeeded_by.is_some())
            || self.journals.values().any(|journal| journal.succeeded_by == Some(incarnation))
    }

    /// Whether a till came back with an older database.
    pub fn lost(&self, incarnation: IncarnationId) -> Option<Lost> {
        self.journals.get(&incarnation)?.branch.as_ref().map(|branch| branch.lost)
    }

    /// Head office posted more entries.
    ///
    /// # Errors
    /// When one of them is not a fact, or breaks a law.
    pub fn posted(&mut self, entries: Vec<EntryView>, wall_ms: i64) -> Result<(), Violation> {
        for view in entries {
            if let Some(known) = self.ledger.get(&view.id) {
                if *known != view {
                    return Err(Violation::new(5, format!("ledger entry {} changed: {known:?}, {view:?}", view.id)));
                }
                continue;
            }
            self.judged(4, "rows are what the facts say");
            let row = ledger::row(&view).map_err(|why| Violation::new(4, why))?;
            let (entry, covered) = match row.id {
                EntryId::Terminal { incarnation, position, index } => {
                    let candidates = self.candidates(incarnation, position, index);
                    let like = |entry: &&Entry| {
                        (entry.kind, entry.member, &entry.purse, entry.lot)
                            == (row.entry.kind, row.entry.member, &row.entry.purse, row.entry.lot)
                            && entry.units >= row.moved.units
                    };
                    let exactly = |entry: &&Entry| like(entry) && entry.units == row.moved.units;
                    let Some(entry) = candidates.iter().find(exactly).or(candidates.iter().find(like)) else {
                        let what = format!("head office posted {view:?}; the till wrote {candidates:?}");
                        return Err(Violation::new(1, what));
                    };
                    (entry.clone(), !self.doubtful.contains(&incarnation))
                }
                EntryId::Hub { .. } => {
                    self.ends_in_time(&row.entry, wall_ms)?;
                    if let Some(first) = self.written.insert(row.id, row.entry.clone())
                        && first != row.entry
                    {
                        return Err(Violation::new(1, format!("{} is two facts: {first:?}, {view:?}", view.id)));
                    }
                    (row.entry, true)
                }
            };
            self.office
                .post(row.id, row.second, &entry, row.moved, covered)
                .map_err(|why| Violation::new(2, format!("ledger entry {}: {why}", view.id)))?;
            if let (true, EntryId::Terminal { incarnation, .. }, Side::Owed(DebtKind::Restored)) =
                (row.second || entry.debt.is_none(), row.id, row.moved.from)
            {
                self.uncovered.insert(incarnation);
            }
            self.judged(2, "nothing below zero at head office");
            self.ledger.insert(view.id.clone(), view);
        }
        Ok(())
    }

    /// Head office ends units only when their last day is over.
    fn ends_in_time(&mut self, entry: &Entry, wall_ms: i64) -> Result<(), Violation> {
        if entry.kind != EntryKind::Expire {
            return Ok(());
        }
        self.judged(2, "units end after their last day");
        match entry.lot.expires {
            Some(last) if Day::of(last) < Day(wall_ms.div_euclid(86_400_000)) => Ok(()),
            _ => Err(Violation::new(2, format!("head office ends {entry:?} at {wall_ms}"))),
        }
    }

    /// What a till may have written under an entry's id.
    fn candidates(&self, incarnation: IncarnationId, position: u64, index: u32) -> Vec<Entry> {
        let Some(journal) = self.journals.get(&incarnation) else { return Vec::new() };
        journal.lines(position).filter_map(|seen| seen.record.entries.get(index as usize).cloned()).collect()
    }

    /// Head office is open again: everything it had posted is still there.
    ///
    /// # Errors
    /// When something is gone.
    pub fn hub_reopened(&mut self, entries: &[EntryView]) -> Result<(), Violation> {
        self.judged(5, "nothing posted is gone at head office");
        let there: BTreeMap<&str, &EntryView> = entries.iter().map(|view| (view.id.as_str(), view)).collect();
        for (id, view) in &self.ledger {
            if there.get(id.as_str()) != Some(&view) {
                return Err(Violation::new(5, format!("head office lost ledger entry {id} in a crash")));
            }
        }
        Ok(())
    }

    /// Law 4: the trial balance is zero and every account is what the model has.
    ///
    /// # Errors
    /// When it is not.
    pub fn balance(&mut self, balance: &TrialBalance) -> Result<(), Violation> {
        self.judged(4, "trial balance and every account");
        let said = ledger::accounts(balance).map_err(|why| Violation::new(4, why))?;
        let counted = self.office.accounts();
        if said != counted {
            return Err(Violation::new(
                4,
                format!("accounts: head office says {said:?}, its rows come to {counted:?}"),
            ));
        }
        Ok(())
    }

    /// Law 1 at the end: every record that stands on a surviving disk is at head office, entry by entry, exactly once,
    /// where it was first written or where a later life wrote it again. Law 4: what head office has for each till is
    /// what that till has. `there`: the chains of head office's journals.
    ///
    /// # Errors
    /// When something is missing or too much.
    pub fn compare_books(&mut self, there: &BTreeMap<EventId, Chain>) -> Result<(), Violation> {
        let mut copies: BTreeMap<(EventId, Chain), Vec<(EventId, &Seen)>> = BTreeMap::new();
        for (incarnation, journal) in &self.journals {
            for (position, seen) in journal.surviving() {
                if let Some(origin) = &seen.record.origin {
                    let first = EventId { incarnation: origin.incarnation, position: origin.position };
                    let here = EventId { incarnation: *incarnation, position };
                    copies.entry((first, origin.chain)).or_default().push((here, seen));
                }
            }
        }
        let mut judged = 0;
        for (incarnation, journal) in &self.journals {
            for (position, seen) in journal.surviving().filter(|(_, seen)| seen.record.origin.is_none()) {
                let here = EventId { incarnation: *incarnation, position };
                let written = [(here, seen)].into_iter();
                let written = written.chain(copies.get(&(here, seen.chain)).into_iter().flatten().copied());
                let arrived: Vec<_> = written.filter(|(id, seen)| there.get(id) == Some(&seen.chain)).collect();
                if arrived.is_empty() {
                    return Err(Violation::new(1, format!("record {here} is not at head office: {:?}", seen.record)));
                }
                judged += 1;
                let posted: Vec<_> = arrived.iter().filter(|(id, seen)| self.is_posted(*id, seen)).collect();
                let moves = arrived.iter().any(|(_, seen)| self.must_post(seen));
                if posted.len() > 1 || (moves && posted.is_empty()) {
                    let ids: Vec<String> = posted.iter().map(|(id, _)| id.to_string()).collect();
                    return Err(Violation::new(1, format!("record {here} is posted as {ids:?}: {:?}", seen.record)));
                }
            }
            if journal.branch.is_none() && !self.liars.contains(incarnation) {
                self.compare_holder(*incarnation, journal)?;
            }
        }
        *self.tally.entry((1, "every record is at head office once")).or_default() += judged;
        let unfinished = self.office.unfinished();
        if !unfinished.is_empty() {
            return Err(Violation::new(4, format!("parts of entries were never posted: {unfinished:?}")));
        }
        Ok(())
    }

    /// Whether any of a record's entries is in the ledger under this id. Only what takes units that are nowhere may be
    /// missing from it.
    fn is_posted(&self, id: EventId, seen: &Seen) -> bool {
        let mut ids = seen.record.entry_ids(id.incarnation, id.position);
        ids.any(|(id, _)| self.ledger.contains_key(&id.to_string()))
    }

    fn must_post(&self, seen: &Seen) -> bool {
        seen.record.entries.iter().any(|entry| entry.kind != EntryKind::ReturnRights)
    }

    fn compare_holder(&self, incarnation: IncarnationId, journal: &Journal) -> Result<(), Violation> {
        let own = Holder::Terminal(incarnation);
        let mut due: BTreeMap<Place, i64> = BTreeMap::new();
        if journal.succeeded_by.is_some() {
            let left: i64 =
                self.office.held().iter().filter(|(place, _)| place.holder == own).map(|(_, units)| units).sum();
            return if left == 0 {
                Ok(())
            } else {
                Err(Violation::new(4, format!("{incarnation} is settled and holds {left}")))
            };
        }
        for (member, purse, lot, units) in journal.model.everything() {
            due.insert(Place { holder: own, member, purse: purse.to_owned(), lot }, units);
        }
        // What is still on its way to the till is its own at head office already.
        for (id, entry) in &self.written {
            if entry.to == Some(own)
                && model::movement(entry, Holder::Hub).is_ok_and(|(_, to)| to == Side::Held(own))
                && !journal.model.has_received(*id)
            {
                *due.entry(Place::of(own, entry)).or_default() += entry.units;
            }
        }
        let there: BTreeMap<Place, i64> = self
            .office
            .held()
            .iter()
            .filter(|(place, _)| place.holder == own)
            .map(|(place, units)| (place.clone(), *units))
            .collect();
        if there != due {
            return Err(Violation::new(4, format!("{incarnation} has {due:?}, at head office {there:?}")));
        }
        Ok(())
    }

    /// Every sale that a till with a surviving disk committed, by its id.
    pub fn sales_due(&self) -> BTreeMap<String, u64> {
        let mut due = BTreeMap::new();
        for (incarnation, journal) in self.journals.iter().filter(|(whose, _)| !self.had_other_lives(**whose)) {
            let sales = (1u64..).zip(&journal.records).filter(|(_, seen)| matches!(seen.record.body, Body::Sale(_)));
            due.extend(sales.map(|(position, _)| (format!("{incarnation}-{position}"), 1)));
        }
        due
    }
}
