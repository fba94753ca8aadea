//! The published rules, computed once more on what the till says it saw. A difference is tampering or a bug; it
//! becomes an exception and delays nothing.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::EntryKind;
use counterfoil_protocol::program::{Basket, Program};
use counterfoil_protocol::record::{Award, Record, SaleRecord};
use counterfoil_protocol::sale::{LineKind, SaleKind};
use counterfoil_protocol::time::StoreCalendar;

/// Beyond this distance from the till's clock a sale's own time drives no rules.
const OCCURRED_DISTANCE_MS_MAX: i64 = 48 * 3_600_000;

/// Where a sale happened, as rules see it.
#[derive(Debug, Clone)]
pub struct PlaceOfSale {
    /// The store's calendar.
    pub calendar: StoreCalendar,
    /// Its id.
    pub store: String,
    /// Groups it belongs to.
    pub groups: Vec<String>,
    /// The lane.
    pub lane: String,
}

/// What differs between what the till gave and what the rules give on the same inputs; `None` where nothing does.
pub fn program_difference(
    program: &Program,
    place: &PlaceOfSale,
    record: &Record,
    sale: &SaleRecord,
) -> Option<String> {
    if sale.sale.kind != SaleKind::Sale {
        return None;
    }
    let entered = accrued(record);
    let loaded = loaded(program, sale);
    let Some(inputs) = &sale.inputs else {
        let moved = entered != loaded || !sale.awards.is_empty();
        return moved.then(|| "the till gave units without saying what it knew of the member".to_owned());
    };
    let basket = |at_ms| Basket {
        sale: &sale.sale,
        now: place.calendar.local_time(at_ms),
        member: inputs,
        store: &place.store,
        store_groups: &place.groups,
        lane: &place.lane,
        channel: CHANNEL,
    };
    let theirs = totals(&sale.awards);
    let first = program.evaluate(&basket(sale.occurred_at_ms));
    let second = is_doubtful(record, sale).then(|| program.evaluate(&basket(record.recorded_at_ms)));
    let ours = totals(&first.awards);
    if ours != theirs && second.as_ref().is_none_or(|second| totals(&second.awards) != theirs) {
        return Some(format!("the till gave {}, the rules give {}", words(&theirs), words(&ours)));
    }
    let mut moves = if sale.sale.training || sale.member.is_none() { BTreeMap::new() } else { per_purse(&theirs) };
    for (purse, units) in loaded {
        let sum: &mut i64 = moves.entry(purse).or_default();
        *sum = sum.saturating_add(units);
    }
    (entered != moves).then(|| format!("the till gave {moves:?} by its rules and entered {entered:?}"))
}

/// What the sale's gift card lines load, per account, into the program's purse for them.
fn loaded<'a>(program: &'a Program, sale: &SaleRecord) -> BTreeMap<&'a str, i64> {
    let mut purses = BTreeMap::new();
    let Some(purse) = program.gift_card_purse() else { return purses };
    if sale.sale.training || sale.sale.currency != program.currency() {
        return purses;
    }
    let mut accounts: BTreeMap<_, i64> = BTreeMap::new();
    for line in sale.sale.lines.iter().filter(|line| line.kind == LineKind::GiftCard) {
        let Some(account) = line.account else { continue };
        let sum = accounts.entry(account).or_default();
        *sum = sum.saturating_add(line.amount);
    }
    let units = accounts.into_values().filter(|units| *units > 0).fold(0, i64::saturating_add);
    if units > 0 {
        purses.insert(purse.name.as_str(), units);
    }
    purses
}

/// Whether the till may have used its own clock instead of the sale's time: that is far off, or the till said so.
fn is_doubtful(record: &Record, sale: &SaleRecord) -> bool {
    let distance_ms = sale.occurred_at_ms.saturating_sub(record.recorded_at_ms).saturating_abs();
    distance_ms > OCCURRED_DISTANCE_MS_MAX || record.marks.iter().any(|mark| mark == "clock-suspect")
}

/// The channel of everything a till records.
const CHANNEL: &str = "till";

fn totals(awards: &[Award]) -> BTreeMap<(&str, &str), i64> {
    let mut totals = BTreeMap::new();
    for award in awards {
        for rule in &award.rules {
            let units: &mut i64 = totals.entry((award.purse.as_str(), rule.rule.as_str())).or_default();
            *units = units.saturating_add(rule.amount);
        }
    }
    totals
}

fn per_purse<'a>(totals: &BTreeMap<(&'a str, &str), i64>) -> BTreeMap<&'a str, i64> {
    let mut purses = BTreeMap::new();
    for ((purse, _), units) in totals {
        let sum: &mut i64 = purses.entry(*purse).or_default();
        *sum = sum.saturating_add(*units);
    }
    purses
}

fn accrued(record: &Record) -> BTreeMap<&str, i64> {
    let mut purses = BTreeMap::new();
    for entry in record.entries.iter().filter(|entry| entry.kind == EntryKind::Accrue) {
        let sum: &mut i64 = purses.entry(entry.purse.as_str()).or_default();
        *sum = sum.saturating_add(entry.units);
    }
    purses
}

fn words(totals: &BTreeMap<(&str, &str), i64>) -> String {
    if totals.is_empty() {
        return "nothing".to_owned();
    }
    let parts: Vec<String> = totals.iter().map(|((purse, rule), units)| format!("{units} {purse} ({rule})")).collect();
    parts.join(", ")
}
