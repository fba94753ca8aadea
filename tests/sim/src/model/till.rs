//! One incarnation by what it wrote and received: what it may spend, what baskets hold, which redemption is undone.
//!
//! Nothing of head office's counts here but what has arrived. Every record is judged when it is committed, by the
//! rules that held and the clocks that were known then.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EntryId, EventId, Holder, IncarnationId, MemberId};
use counterfoil_protocol::record::{
    Body, ConfirmationRecord, Record, RedemptionRecord, ReleaseReason, ReservationRecord, ReturnReason, Rights,
};

use super::dates::{Day, may_spend};
use super::{Side, movement};

/// What a till may overspend while it is cut off, per purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// In one redemption.
    pub redemption: i64,
    /// For one member, not yet acknowledged by head office.
    pub member: i64,
    /// For all, not yet acknowledged by head office.
    pub till: i64,
}

/// What is known around a record.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Acknowledged to the till before it wrote the record.
    pub acknowledged: u64,
    /// The latest time head office ever told this till.
    pub heard_ms: i64,
    /// The latest it told this run of the till's process.
    pub heard_in_this_run_ms: i64,
    /// The till may spend and keep rights.
    pub sound: bool,
    /// Head office could not be asked.
    pub cut_off: bool,
    /// Floors by purse, program by program from version 1.
    pub floors: &'a [BTreeMap<String, Floor>],
}

#[derive(Debug, Clone)]
struct Reservation {
    record: ReservationRecord,
    /// Made by an earlier life: it holds nothing here.
    copied: bool,
    state: Basket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basket {
    Open,
    Released,
    Confirmed,
}

/// A broken rule, and which oracle saw it.
pub type Broken = (&'static str, String);

/// Units here, of one member's purse.
#[derive(Debug, Clone, Default)]
struct Purse {
    held: BTreeMap<Lot, i64>,
    reserved: BTreeMap<Lot, i64>,
}

impl Purse {
    fn free(&self, lot: Lot) -> i64 {
        self.held.get(&lot).copied().unwrap_or(0) - self.reserved.get(&lot).copied().unwrap_or(0)
    }
}

/// One incarnation.
#[derive(Debug, Clone)]
pub struct TillModel {
    incarnation: IncarnationId,
    purses: BTreeMap<(MemberId, String), Purse>,
    received: BTreeSet<EntryId>,
    /// Of these, what may be lost again: the till could not say whether it was kept.
    unsure: BTreeSet<EntryId>,
    baskets: BTreeMap<u64, Reservation>,
    /// What redemptions and confirmations spent, by the position that names them.
    spent: BTreeMap<u64, Vec<Entry>>,
    /// What came back of them, by lot and debt.
    undone: BTreeMap<u64, BTreeMap<(Lot, Option<DebtKind>), i64>>,
    /// Redemptions below the floor: position, member, purse, units.
    floor: Vec<(u64, MemberId, String, i64)>,
    retired: bool,
    /// Records of earlier lives written again here.
    again: BTreeMap<EventId, u64>,
}

impl TillModel {
    /// Before its first record.
    pub fn new(incarnation: IncarnationId) -> Self {
        Self {
            incarnation,
            purses: BTreeMap::new(),
            received: BTreeSet::new(),
            unsure: BTreeSet::new(),
            baskets: BTreeMap::new(),
            spent: BTreeMap::new(),
            undone: BTreeMap::new(),
            floor: Vec::new(),
            retired: false,
            again: BTreeMap::new(),
        }
    }

    /// Rights arrived; the same again changes nothing. `kept`: the till said that they are on its disk.
    pub fn receive(&mut self, id: EntryId, entry: &Entry, kept: bool) {
        if kept {
            self.unsure.remove(&id);
        } else if !self.received.contains(&id) {
            self.unsure.insert(id);
        }
        if self.received.insert(id) {
            self.shift(entry, entry.units);
        }
    }

    /// Whether everything that is counted here is certainly there.
    pub fn is_sure(&self) -> bool {
        self.unsure.is_empty()
    }

    /// Whether rights have arrived.
    pub fn has_received(&self, id: EntryId) -> bool {
        self.received.contains(&id)
    }

    /// Units here of one member's purse, baskets and dates aside.
    pub fn held(&self, member: MemberId, purse: &str) -> i64 {
        self.purses.get(&(member, purse.to_owned())).map_or(0, |purse| purse.held.values().sum())
    }

    /// Lots here of one member's purse.
    pub fn lots(&self, member: MemberId, purse: &str) -> BTreeMap<Lot, i64> {
        self.purses.get(&(member, purse.to_owned())).map(|purse| purse.held.clone()).unwrap_or_default()
    }

    /// Everything held here; zeros left out.
    pub fn everything(&self) -> impl Iterator<Item = (MemberId, &str, Lot, i64)> {
        self.purses.iter().flat_map(|((member, name), purse)| {
            let lots = purse.held.iter().filter(|(_, units)| **units != 0);
            lots.map(move |(lot, units)| (*member, name.as_str(), *lot, *units))
        })
    }

    /// Units that may be spent here at once: not in a basket, vested, not ended.
    pub fn spendable(&self, member: MemberId, purse: &str, vested_by: Day, not_ended_by: Day) -> i64 {
        let Some(purse) = self.purses.get(&(member, purse.to_owned())) else { return 0 };
        purse.held.keys().filter(|lot| may_spend(**lot, vested_by, not_ended_by)).map(|lot| purse.free(*lot)).sum()
    }

    /// Units of one member's purse in open baskets.
    pub fn reserved(&self, member: MemberId, purse: &str) -> i64 {
        self.purses.get(&(member, purse.to_owned())).map_or(0, |purse| purse.reserved.values().sum())
    }

    fn shift(&mut self, entry: &Entry, units: i64) {
        let purse = self.purses.entry((entry.member, entry.purse.clone())).or_default();
        *purse.held.entry(entry.lot).or_default() += units;
    }

    fn free_basket(&mut self, basket: &ReservationRecord) {
        basket.chosen.iter().filter(|entry| entry.debt.is_none()).for_each(|entry| self.reserve(entry, -entry.units));
    }

    fn reserve(&mut self, entry: &Entry, units: i64) {
        let purse = self.purses.entry((entry.member, entry.purse.clone())).or_default();
        *purse.reserved.entry(entry.lot).or_default() += units;
    }

    /// Judges the next record and takes it in; gives the oracles that judged it.
    ///
    /// # Errors
    /// With the oracle that saw a rule broken.
    pub fn record(
        &mut self,
        position: u64,
        record: &Record,
        around: &Around<'_>,
    ) -> Result<BTreeSet<&'static str>, Broken> {
        let mut by = BTreeSet::new();
        if record.origin.is_some() {
            self.copy(position, record)?;
            by.insert("written again");
            return Ok(by);
        }
        self.open_basket(record, around, &mut by)?;
        self.choice(record, around, &mut by)?;
        let own = Holder::Terminal(self.incarnation);
        for entry in &record.entries {
            let (from, to) = movement(entry, own).map_err(|why| ("who writes what", format!("{entry:?}: {why}")))?;
            by.insert("rights held");
            if from == Side::Held(own) {
                let free =
                    self.purses.get(&(entry.member, entry.purse.clone())).map_or(0, |purse| purse.free(entry.lot));
                if free < entry.units {
                    return Err(("rights held", format!("{entry:?} takes {} where {free} are free", entry.units)));
                }
                self.shift(entry, -entry.units);
            }
            if to == Side::Held(own) {
                self.shift(entry, entry.units);
            }
            if !around.sound || self.retired {
                by.insert("standing");
                let gives_back = entry.kind == EntryKind::ReturnRights;
                if (from == Side::Held(own) && !gives_back && entry.kind != EntryKind::ReverseAccrual)
                    || to == Side::Held(own)
                {
                    return Err(("standing", format!("it must neither spend nor keep: {entry:?}")));
                }
            }
        }
        self.life(position, record, around, &mut by)?;
        Ok(by)
    }

    /// A record of an earlier life: its author gets and gives nothing by it.
    fn copy(&mut self, position: u64, record: &Record) -> Result<(), Broken> {
        let own = Holder::Terminal(self.incarnation);
        for entry in &record.entries {
            let (from, to) = movement(entry, own).map_err(|why| ("written again", format!("{entry:?}: {why}")))?;
            if from == Side::Held(own) || to == Side::Held(own) {
                return Err(("written again", format!("it moves what its author holds: {entry:?}")));
            }
        }
        if let Some(origin) = &record.origin {
            self.again.insert(EventId { incarnation: origin.incarnation, position: origin.position }, position);
        }
        let named = |id: &EventId| self.again.get(id).copied();
        match &record.body {
            Body::Redemption(_) => {
                self.spent.insert(position, record.entries.clone());
            }
            Body::Reservation(made) => {
                let basket = Reservation { record: made.clone(), copied: true, state: Basket::Open };
                self.baskets.insert(position, basket);
            }
            Body::Release(release) => {
                if let Some(basket) = named(&release.reservation).and_then(|named| self.baskets.get_mut(&named)) {
                    basket.state = Basket::Released;
                }
            }
            Body::Confirmation(confirmation) => {
                if let Some(named) = named(&confirmation.reservation) {
                    if let Some(basket) = self.baskets.get_mut(&named) {
                        basket.state = Basket::Confirmed;
                    }
                    self.spent.insert(named, record.entries.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Where in this journal a record stands that an id names, also one of an earlier life.
    fn resolve(&self, id: EventId) -> u64 {
        if id.incarnation == self.incarnation { id.position } else { self.again.get(&id).copied().unwrap_or(0) }
    }

    /// A confirmation spends what its basket holds: those units are free for it.
    fn open_basket(
        &mut self,
        record: &Record,
        around: &Around<'_>,
        by: &mut BTreeSet<&'static str>,
    ) -> Result<(), Broken> {
        let Body::Confirmation(ConfirmationRecord { reservation, late, .. }) = &record.body else { return Ok(()) };
        by.insert("baskets");
        let broken = |what: String| Err(("baskets", what));
        let Some(basket) = self.baskets.get(&self.resolve(*reservation)).cloned() else {
            return broken(format!("{reservation} was never reserved"));
        };
        let fits = match basket.state {
            Basket::Released => *late,
            // A till that may be a copy spends nothing, but the discount has been given.
            Basket::Open => !late || !around.sound || basket.copied,
            Basket::Confirmed => false,
        };
        if !fits {
            return broken(format!("{reservation} is {:?} and confirmed, late: {late}", basket.state));
        }
        if basket.state == Basket::Open {
            self.free_basket(&basket.record);
        }
        if !late && record.entries != basket.record.chosen {
            return broken(format!("{reservation} held {:?}, {:?} is spent", basket.record.chosen, record.entries));
        }
        let (asked, spent) = (basket.record.redemption.units, units(&record.entries));
        if asked != spent {
            return broken(format!("{reservation} held {asked}, {spent} are spent"));
        }
        Ok(())
    }

    /// What is chosen to be spent is what should be: dates, order, and debt only for what is not here.
    fn choice(&self, record: &Record, around: &Around<'_>, by: &mut BTreeSet<&'static str>) -> Result<(), Broken> {
        let (chosen, asked): (&[Entry], Option<&RedemptionRecord>) = match &record.body {
            Body::Redemption(redemption) => (&record.entries, Some(redemption)),
            Body::Reservation(reservation) => (&reservation.chosen, Some(&reservation.redemption)),
            Body::Confirmation(confirmation) if confirmation.late => (&record.entries, None),
            _ => return Ok(()),
        };
        let Some(first) = chosen.first() else { return Err(("what is spent", "nothing is spent".to_owned())) };
        if let Some(asked) = asked {
            let its = |entry: &Entry| (entry.member, entry.purse.as_str()) == (asked.member, asked.purse.as_str());
            if !chosen.iter().all(its) || units(chosen) != asked.units {
                return Err(("what is spent", format!("{asked:?} spends {chosen:?}")));
            }
        }
        if !chosen.iter().all(|entry| entry.kind == EntryKind::Redeem) {
            return Err(("what is spent", format!("{chosen:?}")));
        }
        let own_clock = Day::of_shop(record.recorded_at_ms);
        let ended_by = own_clock.max(Day::of_shop(around.heard_in_this_run_ms));
        let heard = Day::of_shop(around.heard_ms);
        let vested_by = if record.clock_suspect { heard } else { own_clock.max(heard) };
        by.insert("dates of lots");
        for entry in chosen.iter().filter(|entry| entry.debt.is_none()) {
            if !may_spend(entry.lot, vested_by, ended_by) {
                return Err(("dates of lots", format!("{entry:?} at {own_clock:?}, head office's {around:?}")));
            }
        }
        let purse = self.purses.get(&(first.member, first.purse.clone())).cloned().unwrap_or_default();
        if self.is_sure() {
            self.order(&purse, chosen, ended_by, around, record)?;
        }
        by.insert("order of lots");
        let version = record.program_version.unwrap_or(0) as usize;
        let floors = version.checked_sub(1).and_then(|index| around.floors.get(index));
        self.owed(chosen, asked, around, floors, by)
    }

    /// Earliest expiry first, and debt only when nothing is left.
    fn order(
        &self,
        purse: &Purse,
        chosen: &[Entry],
        ended_by: Day,
        around: &Around<'_>,
        record: &Record,
    ) -> Result<(), Broken> {
        let taken = |lot: Lot| -> i64 {
            chosen.iter().filter(|entry| entry.debt.is_none() && entry.lot == lot).map(|entry| entry.units).sum()
        };
        // Certainly spendable: vested by the till's own trusted clock, or by what head office just said.
        let vested = if record.clock_suspect { around.heard_in_this_run_ms } else { record.recorded_at_ms };
        let certainly = Day::of_shop(vested.max(around.heard_in_this_run_ms));
        let not_ended = ended_by.max(Day::of_shop(around.heard_ms));
        let left = |lot: &Lot| may_spend(*lot, certainly, not_ended) && purse.free(*lot) > taken(*lot);
        let rank = |lot: Lot| (lot.expires.is_none(), lot.expires);
        let last = chosen.iter().filter(|entry| entry.debt.is_none()).map(|entry| rank(entry.lot)).max();
        let passed = purse.held.keys().find(|lot| left(lot) && last.is_some_and(|last| rank(**lot) < last));
        if let Some(lot) = passed {
            return Err(("order of lots", format!("{chosen:?} leaves {lot} of {purse:?}")));
        }
        Ok(())
    }

    /// Units that are owed for a redemption: below the floor and within its limits, or late.
    fn owed(
        &self,
        chosen: &[Entry],
        asked: Option<&RedemptionRecord>,
        around: &Around<'_>,
        floors: Option<&BTreeMap<String, Floor>>,
        by: &mut BTreeSet<&'static str>,
    ) -> Result<(), Broken> {
        let owed: Vec<&Entry> = chosen.iter().filter(|entry| entry.debt.is_some()).collect();
        let Some(first) = owed.first() else {
            return match asked {
                Some(asked) if asked.rights == Rights::Floor => {
                    Err(("floor", format!("{asked:?} says floor and owes nothing")))
                }
                _ => Ok(()),
            };
        };
        let short: i64 = owed.iter().map(|entry| entry.units).sum();
        by.insert("floor");
        let broken = |what: &str| Err(("floor", format!("{what}: {chosen:?}, {around:?}, before {:?}", self.floor)));
        let due = if asked.is_some() { DebtKind::Floor } else { DebtKind::Late };
        if !owed.iter().all(|entry| entry.debt == Some(due)) {
            return broken("the wrong debt");
        }
        let Some(asked) = asked else { return Ok(()) };
        let Some(floor) = floors.and_then(|floors| floors.get(&first.purse)) else {
            return broken("no floor in this program");
        };
        if !around.cut_off || !around.sound || asked.rights != Rights::Floor {
            return broken("nobody may go below the floor now");
        }
        let open = |(position, member, purse, units): &(u64, MemberId, String, i64)| {
            (*position > around.acknowledged && *purse == first.purse).then_some((*member, *units))
        };
        let in_baskets = self.baskets.values().filter(|basket| basket.state == Basket::Open).flat_map(|basket| {
            let owed = basket.record.chosen.iter().filter(|entry| entry.debt == Some(DebtKind::Floor));
            owed.filter(|entry| entry.purse == first.purse).map(|entry| (entry.member, entry.units))
        });
        let used: Vec<(MemberId, i64)> = self.floor.iter().filter_map(open).chain(in_baskets).collect();
        let till: i64 = used.iter().map(|(_, units)| units).sum();
        let member: i64 = used.iter().filter(|(who, _)| *who == first.member).map(|(_, units)| units).sum();
        if short > floor.redemption || short + member > floor.member || short + till > floor.till {
            return broken("beyond its limits");
        }
        Ok(())
    }

    /// Where redemptions and baskets stand after the record.
    fn life(
        &mut self,
        position: u64,
        record: &Record,
        around: &Around<'_>,
        by: &mut BTreeSet<&'static str>,
    ) -> Result<(), Broken> {
        match &record.body {
            Body::Redemption(_) => {
                self.note_floor(position, &record.entries);
                self.spent.insert(position, record.entries.clone());
            }
            Body::Reservation(reservation) => {
                by.insert("baskets");
                self.fill_basket(position, reservation, record)?;
            }
            Body::Release(release) => {
                by.insert("baskets");
                let own_clock = record.recorded_at_ms.max(around.heard_ms);
                let named = self.resolve(release.reservation);
                let Some(basket) = self.baskets.get_mut(&named) else {
                    return Err(("baskets", format!("{} was never reserved", release.reservation)));
                };
                if basket.state != Basket::Open || !record.entries.is_empty() {
                    return Err(("baskets", format!("{basket:?} is released: {record:?}")));
                }
                if release.reason == ReleaseReason::TimedOut && own_clock < basket.record.expires_at_ms {
                    return Err(("baskets", format!("{basket:?} has not timed out at {own_clock}")));
                }
                basket.state = Basket::Released;
                let freed = basket.record.clone();
                self.free_basket(&freed);
            }
            Body::Confirmation(confirmation) => {
                let named = self.resolve(confirmation.reservation);
                if let Some(basket) = self.baskets.get_mut(&named) {
                    basket.state = Basket::Confirmed;
                }
                self.note_floor(position, &record.entries);
                self.spent.insert(named, record.entries.clone());
            }
            Body::Reversal(reversal) if reversal.redemption.incarnation == self.incarnation => {
                by.insert("undone once");
                self.undo(reversal.redemption, record)?;
            }
            Body::RightsReturned(returned) => {
                by.insert("rights given back");
                let all_back = record.entries.iter().all(|entry| entry.kind == EntryKind::ReturnRights);
                let ended = |entry: &Entry| {
                    let own_ms = if record.clock_suspect { i64::MIN / 2 } else { record.recorded_at_ms };
                    let now = Day::of_shop(own_ms.max(around.heard_ms));
                    entry.lot.expires.is_some_and(|expires| Day::of(expires) < now)
                };
                if !all_back || (returned.reason == ReturnReason::Expired && !record.entries.iter().all(ended)) {
                    return Err(("rights given back", format!("{record:?}")));
                }
                self.retired |= returned.reason == ReturnReason::Retired;
            }
            _ => {}
        }
        Ok(())
    }

    fn fill_basket(&mut self, position: u64, reservation: &ReservationRecord, record: &Record) -> Result<(), Broken> {
        let asked = &reservation.redemption;
        let same = |other: &Reservation| {
            other.state == Basket::Open
                && other.record.redemption.sale_ref == asked.sale_ref
                && (&other.record.redemption.reward, &other.record.redemption.purse) == (&asked.reward, &asked.purse)
        };
        if !record.entries.is_empty() || asked.sale_ref.is_none() || self.baskets.values().any(same) {
            return Err(("baskets", format!("{record:?}")));
        }
        for entry in reservation.chosen.iter().filter(|entry| entry.debt.is_none()) {
            let free = self.purses.get(&(entry.member, entry.purse.clone())).map_or(0, |purse| purse.free(entry.lot));
            if free < entry.units {
                return Err(("baskets", format!("{entry:?} is reserved where {free} are free")));
            }
        }
        let here = reservation.chosen.iter().filter(|entry| entry.debt.is_none());
        here.for_each(|entry| self.reserve(entry, entry.units));
        self.baskets.insert(position, Reservation { record: reservation.clone(), copied: false, state: Basket::Open });
        Ok(())
    }

    /// Never more comes back of a redemption than it spent, lot by lot.
    fn undo(&mut self, redemption: EventId, record: &Record) -> Result<(), Broken> {
        let Some(spent) = self.spent.get(&redemption.position) else {
            return Err(("undone once", format!("{redemption} never spent anything")));
        };
        let back = self.undone.entry(redemption.position).or_default();
        for entry in &record.entries {
            let its = |other: &&Entry| {
                (other.member, &other.purse, other.lot, other.debt)
                    == (entry.member, &entry.purse, entry.lot, entry.debt)
            };
            let most: i64 = spent.iter().filter(its).map(|other| other.units).sum();
            let back = back.entry((entry.lot, entry.debt)).or_default();
            *back += entry.units;
            if entry.kind != EntryKind::ReverseRedemption || *back > most {
                let what = format!("{redemption} spent {spent:?}, {:?} comes back, {back} in all", record.entries);
                return Err(("undone once", what));
            }
        }
        Ok(())
    }

    fn note_floor(&mut self, position: u64, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.debt == Some(DebtKind::Floor)) {
            self.floor.push((position, entry.member, entry.purse.clone(), entry.units));
        }
    }
}

fn units(entries: &[Entry]) -> i64 {
    entries.iter().map(|entry| entry.units).sum()
}
