//! Head office's ledger counted again: what every row should say, and what they all come to.
//!
//! Rows come in head office's own order; nothing may be below zero after any of them. An undone redemption that pays
//! for a debt which is paid already comes back as units of head office's; what a till spends without cover is owed, and
//! happens only where a machine was put back, copied or lied.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind};
use counterfoil_protocol::id::{EntryId, Holder, MemberId};

use super::{Place, Side, movement};

/// Units that move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// From where.
    pub from: Side,
    /// To where.
    pub to: Side,
    /// How many.
    pub units: i64,
}

/// What the ledger comes to.
#[derive(Debug, Clone, Default)]
pub struct Office {
    held: BTreeMap<Place, i64>,
    owed: BTreeMap<(MemberId, String, DebtKind), i64>,
    accounts: BTreeMap<(String, Side), i64>,
    /// Second rows of entries that split, still to come.
    rest: BTreeMap<EntryId, Move>,
}

impl Office {
    /// What an entry should move, given what is there. `covered`: its author has not been put back, copied or caught
    /// lying, so that what it takes must be there.
    ///
    /// # Errors
    /// In words, when the entry may not be, or takes what is not there.
    fn due(&self, id: EntryId, entry: &Entry, covered: bool) -> Result<Vec<Move>, String> {
        let (from, to) = movement(entry, id.author())?;
        let there = match from {
            Side::Held(holder) => self.held.get(&Place::of(holder, entry)).copied().unwrap_or(0).clamp(0, entry.units),
            _ => entry.units,
        };
        if there < entry.units && covered {
            return Err(format!("it takes {} where {from:?} has {there}", entry.units));
        }
        let payable = match to {
            Side::Owed(kind) => there.min(self.owed(entry.member, &entry.purse, kind)),
            _ => there,
        };
        if payable < there && entry.kind != EntryKind::ReverseRedemption {
            return Err(format!("it pays {} of a debt of {payable}", entry.units));
        }
        let mut moves = vec![Move { from, to, units: payable }];
        let short = entry.units - payable;
        let beside = match (to, entry.kind) {
            (Side::Owed(_), _) => Some(Move { from, to: Side::Held(Holder::Hub), units: short }),
            (_, EntryKind::Redeem) => Some(Move { from: Side::Owed(DebtKind::Restored), to, units: short }),
            (_, EntryKind::ReverseAccrual | EntryKind::AdjustDown) => {
                Some(Move { from: Side::Owed(DebtKind::Clawback), to, units: short })
            }
            _ => None,
        };
        moves.extend(beside);
        moves.retain(|step| step.units > 0);
        Ok(moves)
    }

    /// Takes a row of an entry; `second`: the part of it that was split off.
    ///
    /// # Errors
    /// In words, when the row is not what it should be.
    pub fn post(&mut self, id: EntryId, second: bool, entry: &Entry, row: Move, covered: bool) -> Result<(), String> {
        let due = if second {
            self.rest.remove(&id).ok_or_else(|| format!("nothing of {entry:?} was left over"))?
        } else {
            let mut due = self.due(id, entry, covered)?.into_iter();
            let first = due.next().ok_or_else(|| format!("nothing of {entry:?} can be posted"))?;
            if let Some(rest) = due.next() {
                self.rest.insert(id, rest);
            }
            first
        };
        if due != row {
            return Err(format!("head office moves {row:?}, due is {due:?} of {entry:?}"));
        }
        for (side, units) in [(row.from, -row.units), (row.to, row.units)] {
            *self.accounts.entry((entry.purse.clone(), side)).or_default() += units;
            let below = match side {
                Side::Held(holder) => add(&mut self.held, Place::of(holder, entry), units),
                // A debt grows when it gives.
                Side::Owed(kind) => add(&mut self.owed, (entry.member, entry.purse.clone(), kind), -units),
                _ => false,
            };
            if below {
                return Err(format!("{side:?} is below zero after {row:?} of {entry:?}"));
            }
        }
        Ok(())
    }

    /// Entries of which a part is still to be posted.
    pub fn unfinished(&self) -> Vec<String> {
        self.rest.iter().map(|(id, rest)| format!("{id}: {rest:?}")).collect()
    }

    /// Units by place; zeros left out.
    pub fn held(&self) -> &BTreeMap<Place, i64> {
        &self.held
    }

    /// Account by account, credits less debits; zeros left out.
    pub fn accounts(&self) -> BTreeMap<(String, Side), i64> {
        let there = self.accounts.iter().filter(|(_, total)| **total != 0);
        there.map(|(account, total)| (account.clone(), *total)).collect()
    }

    /// What a member owes, of one kind.
    pub fn owed(&self, member: MemberId, purse: &str, kind: DebtKind) -> i64 {
        self.owed.get(&(member, purse.to_owned(), kind)).copied().unwrap_or(0)
    }

    /// What a member owes, of every kind.
    pub fn debt(&self, member: MemberId, purse: &str) -> i64 {
        DebtKind::ALL.iter().map(|kind| self.owed(member, purse, *kind)).sum()
    }

    /// Units of a member's purse over all holders.
    pub fn balance(&self, member: MemberId, purse: &str) -> i64 {
        self.of(member, purse).map(|(_, units)| units).sum()
    }

    /// Units of a member's purse at one holder.
    pub fn held_by(&self, holder: Holder, member: MemberId, purse: &str) -> i64 {
        self.of(member, purse).filter(|(place, _)| place.holder == holder).map(|(_, units)| units).sum()
    }

    fn of(&self, member: MemberId, purse: &str) -> impl Iterator<Item = (&Place, i64)> {
        let its = move |place: &&Place| place.member == member && place.purse == purse;
        self.held.keys().filter(its).map(|place| (place, self.held[place]))
    }
}

/// Adds, and says whether it is below zero now; zeros are not kept.
fn add<K: Ord + Clone>(sums: &mut BTreeMap<K, i64>, key: K, units: i64) -> bool {
    let there = sums.entry(key.clone()).or_default();
    *there += units;
    let now = *there;
    if now == 0 {
        sums.remove(&key);
    }
    now < 0
}
