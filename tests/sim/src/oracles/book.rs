//! The model of rights: what each holder has, by arithmetic of its own.
//!
//! Deliberately not the protocol's `Entry::accounts`: who gains and who loses is written down here a second
//! time, from the design's prose, so that a mistake in one of the two shows. Facts are added in an order that
//! respects cause (a grant before what it pays for), and nothing may be below zero after any of them.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_protocol::entry::{Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EntryId, Holder, IncarnationId, MemberId};

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

/// Sums of one member's purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Accrued and given, less taken back from holdings.
    pub issued: i64,
    /// Redeemed out of holdings, less given back.
    pub redeemed: i64,
    /// Owed, all kinds.
    pub debt: i64,
}

/// Every fact seen, and what follows from them.
#[derive(Debug, Default)]
pub struct Book {
    facts: BTreeMap<EntryId, Entry>,
    held: BTreeMap<Place, i64>,
    sums: BTreeMap<(MemberId, String), Sums>,
    /// Grants that each incarnation has received; only they count for what it may do.
    received: BTreeMap<IncarnationId, BTreeSet<EntryId>>,
    /// What each incarnation holds by what it has received.
    local: BTreeMap<Place, i64>,
}

impl Book {
    /// Takes a fact. The same again changes nothing; another under its id is an error.
    ///
    /// # Errors
    /// In words, when a law is broken.
    pub fn add(&mut self, id: EntryId, entry: &Entry) -> Result<bool, String> {
        if let Some(known) = self.facts.get(&id) {
            return if known == entry {
                Ok(false)
            } else {
                Err(format!("entry {id} is two facts: {known:?} and {entry:?}"))
            };
        }
        if entry.units <= 0 {
            return Err(format!("entry {id} moves {} units", entry.units));
        }
        let author = id.author();
        let (from, to) = movement(entry, author).map_err(|why| format!("entry {id}: {why}"))?;
        let place = |holder: Holder| Place { holder, member: entry.member, purse: entry.purse.clone(), lot: entry.lot };
        if let Some(holder) = from {
            take(&mut self.held, place(holder), entry.units).map_err(|why| format!("entry {id} ({entry:?}): {why}"))?;
            if let Holder::Terminal(_) = holder {
                take(&mut self.local, place(holder), entry.units)
                    .map_err(|why| format!("entry {id} ({entry:?}), before its grant arrived: {why}"))?;
            }
        }
        if let Some(holder) = to {
            *self.held.entry(place(holder)).or_default() += entry.units;
            if holder == author && matches!(holder, Holder::Terminal(_)) {
                *self.local.entry(place(holder)).or_default() += entry.units;
            }
        }
        self.sum(id, entry, from.is_some())?;
        self.facts.insert(id, entry.clone());
        Ok(true)
    }

    /// What an incarnation wrote after a position never happened: its disk was lost, and nobody else has it.
    pub fn forget(&mut self, incarnation: IncarnationId, after: u64) {
        let gone = |id: &EntryId| matches!(id, EntryId::Terminal { incarnation: whose, position, .. } if *whose == incarnation && *position > after);
        let ids: Vec<EntryId> = self.facts.keys().filter(|id| gone(id)).copied().collect();
        for id in ids.into_iter().rev() {
            if let Some(entry) = self.facts.remove(&id) {
                self.shift(id, &entry, -1);
            }
        }
    }

    /// Head office took this fact, and not what the till had first written under its id.
    pub fn amend(&mut self, id: EntryId, entry: &Entry) {
        if let Some(first) = self.facts.insert(id, entry.clone()) {
            self.shift(id, &first, -1);
        }
        self.shift(id, entry, 1);
    }

    /// Counts a fact, or takes it back, without asking whether it may be.
    fn shift(&mut self, id: EntryId, entry: &Entry, sign: i64) {
        let Ok((from, to)) = movement(entry, id.author()) else { return };
        let place = |holder: Holder| Place { holder, member: entry.member, purse: entry.purse.clone(), lot: entry.lot };
        for (holder, units) in [(from, -entry.units * sign), (to, entry.units * sign)] {
            let Some(holder) = holder else { continue };
            *self.held.entry(place(holder)).or_default() += units;
            if holder == id.author() && holder != Holder::Hub {
                *self.local.entry(place(holder)).or_default() += units;
            }
        }
        let sums = self.sums.entry((entry.member, entry.purse.clone())).or_default();
        count(sums, entry, from.is_some(), sign);
    }

    /// A terminal has received a grant and may count on it.
    ///
    /// # Errors
    /// When head office never wrote it, or wrote it for somebody else.
    pub fn receive(&mut self, incarnation: IncarnationId, id: EntryId, entry: &Entry) -> Result<(), String> {
        if self.facts.get(&id) != Some(entry) {
            return Err(format!("{incarnation} received grant {id}, which is not in head office's ledger: {entry:?}"));
        }
        if entry.to != Some(Holder::Terminal(incarnation)) {
            return Err(format!("{incarnation} received grant {id}, which is for {:?}", entry.to));
        }
        if self.received.entry(incarnation).or_default().insert(id) {
            let place = Place {
                holder: Holder::Terminal(incarnation),
                member: entry.member,
                purse: entry.purse.clone(),
                lot: entry.lot,
            };
            *self.local.entry(place).or_default() += entry.units;
        }
        Ok(())
    }

    /// Units by place; zeros left out.
    pub fn held(&self) -> BTreeMap<Place, i64> {
        self.held.iter().filter(|(_, units)| **units != 0).map(|(place, units)| (place.clone(), *units)).collect()
    }

    /// Units that an incarnation may spend of one purse by what it has received, over lots.
    pub fn local(&self, incarnation: IncarnationId, member: MemberId, purse: &str) -> i64 {
        let mine = |place: &Place| {
            place.holder == Holder::Terminal(incarnation) && place.member == member && place.purse == purse
        };
        self.local.iter().filter(|(place, _)| mine(place)).map(|(_, units)| *units).sum()
    }

    /// Units of one purse over all holders.
    pub fn balance(&self, member: MemberId, purse: &str) -> i64 {
        let its = |place: &Place| place.member == member && place.purse == purse;
        self.held.iter().filter(|(place, _)| its(place)).map(|(_, units)| *units).sum()
    }

    /// The sums of one purse.
    pub fn sums(&self, member: MemberId, purse: &str) -> Sums {
        self.sums.get(&(member, purse.to_owned())).copied().unwrap_or_default()
    }

    /// All facts.
    pub fn facts(&self) -> &BTreeMap<EntryId, Entry> {
        &self.facts
    }

    /// For reports: what is known of a purse.
    fn of_purse(&self, member: MemberId, purse: &str) -> Vec<(String, &Entry)> {
        let its = |entry: &&Entry| entry.member == member && entry.purse == purse;
        let facts = self.facts.iter().filter(|(_, entry)| its(entry));
        facts.map(|(id, entry)| (id.to_string(), entry)).collect()
    }

    fn sum(&mut self, id: EntryId, entry: &Entry, from_holding: bool) -> Result<(), String> {
        let sums = self.sums.entry((entry.member, entry.purse.clone())).or_default();
        count(sums, entry, from_holding, 1);
        let sums = *sums;
        if sums.redeemed > sums.issued {
            let facts = self.of_purse(entry.member, &entry.purse);
            return Err(format!("after entry {id} more is redeemed than was ever issued: {sums:?} of {facts:?}"));
        }
        if sums.debt < 0 {
            let facts = self.of_purse(entry.member, &entry.purse);
            return Err(format!("after entry {id} the debt is below zero: {sums:?} of {facts:?}"));
        }
        Ok(())
    }
}

fn count(sums: &mut Sums, entry: &Entry, from_holding: bool, sign: i64) {
    let units = entry.units * sign;
    match entry.kind {
        EntryKind::Accrue | EntryKind::AdjustUp => sums.issued += units,
        EntryKind::ReverseAccrual | EntryKind::AdjustDown | EntryKind::Expire | EntryKind::Repay if from_holding => {
            sums.issued -= units;
        }
        EntryKind::Redeem if from_holding => sums.redeemed += units,
        EntryKind::ReverseRedemption if entry.debt.is_none() => sums.redeemed -= units,
        _ => {}
    }
    match (entry.kind, entry.debt) {
        (EntryKind::Repay | EntryKind::WriteOff | EntryKind::ReverseRedemption, Some(_)) => sums.debt -= units,
        (_, Some(_)) => sums.debt += units,
        _ => {}
    }
}

fn take(held: &mut BTreeMap<Place, i64>, place: Place, units: i64) -> Result<(), String> {
    let there = held.entry(place).or_default();
    if *there < units {
        return Err(format!("takes {units} where its holder has {there}"));
    }
    *there -= units;
    Ok(())
}

/// Whose holding an entry takes from, and whose it adds to.
fn movement(entry: &Entry, author: Holder) -> Result<(Option<Holder>, Option<Holder>), String> {
    let hub = author == Holder::Hub;
    let hub_only = |from, to| if hub { Ok((from, to)) } else { Err(format!("{author} may not {:?}", entry.kind)) };
    let unless_owed = entry.debt.is_none().then_some(author);
    match entry.kind {
        EntryKind::Accrue | EntryKind::ReverseRedemption if entry.debt.is_none() => match entry.to {
            Some(to) if to == author || to == Holder::Hub => Ok((None, Some(to))),
            other => Err(format!("{author} gives new units to {other:?}")),
        },
        EntryKind::Accrue => Err("new units cannot be owed".to_owned()),
        EntryKind::ReverseRedemption => Ok((None, None)),
        EntryKind::Redeem | EntryKind::ReverseAccrual => Ok((unless_owed, None)),
        EntryKind::AdjustUp => hub_only(None, entry.to),
        EntryKind::AdjustDown => hub_only(unless_owed, None),
        EntryKind::Expire | EntryKind::Repay => hub_only(Some(author), None),
        EntryKind::WriteOff => hub_only(None, None),
        EntryKind::Grant => hub_only(Some(Holder::Hub), entry.to),
        EntryKind::ReturnRights => Ok((Some(author), Some(Holder::Hub))),
        EntryKind::Transfer => Ok((Some(author), entry.to)),
        EntryKind::Settle => hub_only(entry.to, Some(Holder::Hub)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILL: IncarnationId = IncarnationId([1; 16]);

    fn entry(kind: EntryKind, units: i64, to: Option<Holder>) -> Entry {
        Entry { kind, member: MemberId([9; 16]), purse: "points".into(), lot: Lot::default(), units, to, debt: None }
    }

    fn till(position: u64) -> EntryId {
        EntryId::Terminal { incarnation: TILL, position, index: 0 }
    }

    #[test]
    fn a_grant_is_spendable_only_where_and_when_it_arrived() {
        let mut book = Book::default();
        let grant_id = EntryId::Hub { epoch: 1, bucket: 0, sequence: 1, index: 0 };
        let grant = entry(EntryKind::Grant, 5, Some(Holder::Terminal(TILL)));
        assert!(book.add(grant_id, &grant).is_err(), "head office has nothing to give");
        book.add(till(1), &entry(EntryKind::Accrue, 8, Some(Holder::Hub))).unwrap();
        book.add(grant_id, &grant).unwrap();
        let redeem = entry(EntryKind::Redeem, 5, None);
        assert!(Book::default().add(till(2), &redeem).is_err());
        assert_eq!(book.local(TILL, MemberId([9; 16]), "points"), 0);
        book.receive(TILL, grant_id, &grant).unwrap();
        book.receive(TILL, grant_id, &grant).unwrap();
        assert_eq!(book.local(TILL, MemberId([9; 16]), "points"), 5);
        assert!(book.add(till(2), &redeem).unwrap());
        assert!(!book.add(till(2), &redeem).unwrap(), "the same fact again");
        assert!(book.add(till(2), &entry(EntryKind::Redeem, 4, None)).is_err(), "another fact under its id");
        assert!(book.add(till(3), &entry(EntryKind::Redeem, 1, None)).is_err());
        assert_eq!(book.balance(MemberId([9; 16]), "points"), 3);
    }
}
