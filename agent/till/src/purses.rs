//! What a member has, as this till knows it, and what can be spent here.
//!
//! Balance = what head office last said + own entries since. Held = own entries and received grants, never from a
//! state. Spendable = what is held, not reserved, vested, not expired; where the member owes, no more than the balance.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::MemberId;
use counterfoil_protocol::time::{Date, rfc3339_utc};
use counterfoil_protocol::wire::v1::feed::MemberState;
use rusqlite::params;

use crate::answer::{Expiring, PurseAmounts, PurseView};
use crate::choose::{self, Clock, Held};
use crate::command::Now;
use crate::error::CommandError;
use crate::place;
use crate::store::{self, values};
use crate::till::Till;

/// One purse.
#[derive(Debug, Clone, Default)]
pub(crate) struct PurseBook {
    units: BTreeMap<Lot, i64>,
    held: BTreeMap<Lot, i64>,
    reserved: BTreeMap<Lot, i64>,
    debt: i64,
}

/// All purses of a member, and what head office last said.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemberBook {
    purses: BTreeMap<String, PurseBook>,
    pub(crate) state: Option<MemberState>,
    pub(crate) includes_position: u64,
}

fn sum(units: impl Iterator<Item = i64>) -> i64 {
    units.fold(0, i64::saturating_add)
}

impl PurseBook {
    /// Units over all holders: at least what is held here, which certainly exists.
    fn units_total(&self) -> i64 {
        sum(self.units.values().copied()).max(sum(self.held.values().copied()))
    }

    pub(crate) fn balance(&self) -> i64 {
        self.units_total().saturating_sub(self.debt.max(0)).max(0)
    }

    /// What is held here, lot by lot.
    pub(crate) fn lots(&self) -> Vec<Held> {
        let held = |(lot, units): (&Lot, &i64)| Held {
            lot: *lot,
            units: *units,
            reserved: self.reserved.get(lot).copied().unwrap_or(0),
        };
        self.held.iter().map(held).collect()
    }

    /// What is held here and not reserved, lot by lot, whatever its dates.
    pub(crate) fn free(&self) -> BTreeMap<Lot, i64> {
        self.lots().into_iter().map(|held| (held.lot, held.free())).collect()
    }

    /// Kept for baskets that are open here.
    pub(crate) fn reserved(&self) -> i64 {
        sum(self.reserved.values().copied())
    }

    /// Held here, not reserved, vested and not expired.
    pub(crate) fn spendable(&self, clock: Clock) -> i64 {
        let free = choose::spendable(&self.lots(), clock);
        if self.debt > 0 { free.min(self.balance().saturating_sub(self.reserved()).max(0)) } else { free }
    }

    /// Of the whole purse, what the member might spend if it were all here: vested, not expired, neither owed nor
    /// reserved.
    pub(crate) fn usable_balance(&self, clock: Clock) -> i64 {
        let usable = |lots: &BTreeMap<Lot, i64>| {
            sum(lots.iter().filter(|(lot, _)| clock.allows(**lot)).map(|(_, units)| *units))
        };
        let units = usable(&self.units).max(usable(&self.held));
        units.saturating_sub(self.debt.max(0)).saturating_sub(self.reserved()).max(0)
    }

    pub(crate) fn pending(&self, clock: Clock) -> i64 {
        sum(self.units.iter().filter(|(lot, _)| !clock.has_vested(**lot)).map(|(_, units)| *units)).max(0)
    }

    fn expiring(&self, clock: Clock) -> Option<Expiring> {
        let ends = |lot: &Lot, units: i64| lot.expires.filter(|_| !clock.has_expired(*lot) && units > 0);
        let on = self.units.iter().filter_map(|(lot, units)| ends(lot, *units)).min()?;
        let amount = sum(self.units.iter().filter(|(lot, _)| lot.expires == Some(on)).map(|(_, units)| *units));
        Some(Expiring { amount, on })
    }
}

impl MemberBook {
    pub(crate) fn purse(&self, name: &str) -> PurseBook {
        self.purses.get(name).cloned().unwrap_or_default()
    }

    /// What is known to be owed.
    pub(crate) fn debt(&self, purse: &str) -> i64 {
        self.purses.get(purse).map_or(0, |book| book.debt.max(0))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.purses.keys()
    }
}

impl Till {
    /// The business date.
    pub(crate) fn today(&self, now: Now) -> Date {
        self.calendar.business_date(self.time_ms(now))
    }

    /// What spending goes by. Past its date is what the later of the two clocks says; vested, only what a trusted clock
    /// or head office's says.
    pub(crate) fn clock(&self, now: Now) -> Clock {
        let faults = self.settings.faults;
        Clock {
            vested_on: (!faults.spend_unvested).then(|| self.certain_date(now)),
            expired_on: (!faults.spend_expired).then(|| self.today(now)),
        }
    }

    /// A business date that has certainly come: by head office's clock alone where this one is not trusted.
    pub(crate) fn certain_date(&self, now: Now) -> Date {
        if self.clock_suspect(now) { self.calendar.business_date(self.hub.time_ms) } else { self.today(now) }
    }

    /// What this till knows of a member's value.
    pub(crate) fn book(&self, member: MemberId) -> Result<MemberBook, CommandError> {
        let mut book = self.book_from_state(member)?;
        let own = store::all(
            &self.value,
            "reading own entries",
            "SELECT purse, vests, expires, units_change, debt_change FROM own_entry \
             WHERE member = ?1 AND position > ?2 ORDER BY position, entry",
            params![member.0, values::signed(book.includes_position)],
            |row| Ok((row.get::<_, String>(0)?, values::lot(row, 1)?, row.get::<_, i64>(3)?, row.get::<_, i64>(4)?)),
        )?;
        for (purse, lot, units, debt) in own {
            let purse = book.purses.entry(purse).or_default();
            let known = purse.units.entry(lot).or_default();
            *known = known.saturating_add(units);
            purse.debt = purse.debt.saturating_add(debt);
        }
        let held = store::all(
            &self.value,
            "reading what is held",
            "SELECT purse, vests, expires, units FROM holding WHERE member = ?1",
            [member.0],
            |row| Ok((row.get::<_, String>(0)?, values::lot(row, 1)?, row.get::<_, i64>(3)?)),
        )?;
        for (purse, lot, units) in held {
            book.purses.entry(purse).or_default().held.insert(lot, units);
        }
        if self.settings.faults.spend_reserved {
            return Ok(book);
        }
        let reserved = store::all(
            &self.value,
            "reading what is reserved",
            "SELECT purse, vests, expires, sum(units) FROM reserved WHERE member = ?1 GROUP BY purse, vests, expires",
            [member.0],
            |row| Ok((row.get::<_, String>(0)?, values::lot(row, 1)?, row.get::<_, i64>(3)?)),
        )?;
        for (purse, lot, units) in reserved {
            book.purses.entry(purse).or_default().reserved.insert(lot, units);
        }
        Ok(book)
    }

    fn book_from_state(&self, member: MemberId) -> Result<MemberBook, CommandError> {
        let row = store::optional(
            &self.value,
            "reading a member's state",
            "SELECT includes_position, state FROM member_state WHERE member = ?1",
            [member.0],
            |row| Ok((values::count(row, 0)?, row.get::<_, Vec<u8>>(1)?)),
        )?;
        let Some((includes_position, bytes)) = row else {
            return Ok(MemberBook { includes_position: place::BEFORE_ALL, ..MemberBook::default() });
        };
        let state: MemberState = minicbor::decode(&bytes)
            .map_err(|error| CommandError::damaged(format!("a member's state cannot be read ({error})")))?;
        let mut book = MemberBook { includes_position, ..MemberBook::default() };
        for lot in &state.purses {
            let known = book.purses.entry(lot.purse.clone()).or_default().units.entry(lot.lot).or_default();
            *known = known.saturating_add(lot.units);
        }
        for (purse, debt) in &state.debts {
            let known = &mut book.purses.entry(purse.clone()).or_default().debt;
            *known = known.saturating_add(*debt);
        }
        book.state = Some(state);
        Ok(book)
    }

    /// Purses of the program, and any other the member has something in.
    pub(crate) fn purse_names(&self, book: &MemberBook, now: Now) -> Vec<String> {
        let time_ms = self.time_ms(now);
        let program = self.program_at(time_ms, time_ms);
        let mut names: Vec<String> =
            program.iter().flat_map(|found| found.program.purses()).map(|purse| purse.name.clone()).collect();
        let others: Vec<String> = book.names().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(others);
        names
    }

    pub(crate) fn purse_views(&self, book: &MemberBook, may_spend: bool, now: Now) -> Vec<PurseView> {
        let clock = self.clock(now);
        let as_of = book.state.as_ref().map(|state| rfc3339_utc(state.as_of_ms));
        let view = |name: String| {
            let purse = book.purse(&name);
            PurseView {
                balance: purse.balance(),
                spendable: if may_spend { purse.spendable(clock) } else { 0 },
                pending: purse.pending(clock),
                debt: purse.debt.max(0),
                expiring: purse.expiring(clock),
                as_of: as_of.clone(),
                purse: name,
            }
        };
        self.purse_names(book, now).into_iter().map(view).collect()
    }

    /// A member's purses for the answer of a command.
    pub(crate) fn purse_amounts(&self, member: MemberId, now: Now) -> Result<Vec<PurseAmounts>, CommandError> {
        let book = self.book(member)?;
        let may_spend = self.may_spend(member, &book)?;
        let amounts =
            |view: PurseView| PurseAmounts { purse: view.purse, balance: view.balance, spendable: view.spendable };
        Ok(self.purse_views(&book, may_spend, now).into_iter().map(amounts).collect())
    }
}
