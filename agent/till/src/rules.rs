//! Which program is in force, and what it makes of a sale. Who holds what was accrued is decided here.

use counterfoil_protocol::entry::{Entry, EntryKind};
use counterfoil_protocol::id::{Holder, MemberId};
use counterfoil_protocol::program::{Basket, Evaluation, MemberInputs, Program, PurseKind};
use counterfoil_protocol::record::Award;
use counterfoil_protocol::sale::Sale;
use counterfoil_protocol::time::Date;
use counterfoil_protocol::wire::v1::feed::PublishedProgram;
use rusqlite::Connection;

use crate::answer::Accrued;
use crate::error::{CommandError, StorageError};
use crate::purses::MemberBook;
use crate::store::{self, values};
use crate::till::Till;

/// A program this till can read.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    pub version: u64,
    pub effective_ms: i64,
    pub program: Program,
}

/// All published programs, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programs {
    readable: Vec<InForce>,
    unreadable: Vec<(u64, String)>,
}

impl Programs {
    pub(crate) fn load(conn: &Connection) -> Result<Self, StorageError> {
        let rows = store::all(
            conn,
            "reading the programs",
            "SELECT version, effective_ms, bytes FROM program ORDER BY version",
            [],
            |row| Ok((values::count(row, 0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?)),
        )?;
        let mut programs = Self::default();
        for (version, effective_ms, bytes) in rows {
            let read = minicbor::decode::<PublishedProgram>(&bytes)
                .map_err(|error| error.to_string())
                .and_then(|published| Program::from_json(&published.json).map_err(|problems| problems.to_string()));
            match read {
                Ok(program) => programs.readable.push(InForce { version, effective_ms, program }),
                Err(why) => programs.unreadable.push((version, why)),
            }
        }
        Ok(programs)
    }

    /// The newest version in force at an instant.
    fn at(&self, at_ms: i64) -> Option<&InForce> {
        self.readable.iter().rev().find(|program| program.effective_ms <= at_ms)
    }

    /// Versions this till cannot read, newer than the one in force, in words.
    pub(crate) fn unreadable_after(&self, version: u64) -> Vec<String> {
        self.unreadable
            .iter()
            .filter(|(other, _)| *other > version)
            .map(|(other, why)| format!("version {other}: {why}"))
            .collect()
    }
}

/// Where units are said with their name: `points`, `coffee stamps`.
pub(crate) fn unit_words(program: Option<&Program>, purse: &str) -> String {
    match program.and_then(|program| program.purse(purse)).map(|purse| purse.kind) {
        Some(PurseKind::Stamps) => format!("{purse} stamps"),
        Some(PurseKind::Points | PurseKind::GiftCard | PurseKind::Voucher) | None => purse.to_owned(),
    }
}

pub(crate) fn accrued(awards: &[Award]) -> Vec<Accrued> {
    let rule = |award: &Award, rule: &counterfoil_protocol::record::RuleUnits| Accrued {
        purse: award.purse.clone(),
        amount: rule.amount,
        rule: rule.rule.clone(),
        reason: rule.reason.clone(),
    };
    awards.iter().flat_map(|award| award.rules.iter().map(move |units| rule(award, units))).collect()
}

impl Till {
    /// The program in force at an instant; before the first one took effect, the first.
    pub(crate) fn program_at(&self, at_ms: i64, time_ms: i64) -> Option<&InForce> {
        self.programs
            .at(at_ms)
            .or_else(|| self.programs.readable.iter().find(|program| program.effective_ms <= time_ms))
    }

    pub(crate) fn evaluate(&self, program: &Program, sale: &Sale, at_ms: i64, inputs: &MemberInputs) -> Evaluation {
        program.evaluate(&self.basket(sale, at_ms, inputs))
    }

    /// What the goods of a return give by themselves.
    pub(crate) fn evaluate_base(&self, program: &Program, sale: &Sale, at_ms: i64) -> Evaluation {
        program.evaluate_base(&self.basket(sale, at_ms, &MemberInputs::default()))
    }

    fn basket<'a>(&'a self, sale: &'a Sale, at_ms: i64, inputs: &'a MemberInputs) -> Basket<'a> {
        Basket {
            sale,
            now: self.calendar.local_time(at_ms),
            member: inputs,
            store: &self.enrolment.store.store,
            store_groups: &self.enrolment.store.groups,
            lane: &self.enrolment.lane,
            channel: "till",
        }
    }

    /// What a member is given, as entries. Units that two cut-off tills might both give, units of a purse that may not
    /// be spent fresh, units that a debt waits for, and everything at a till that may be a copy go to head office.
    pub(crate) fn accrual_entries(
        &self,
        program: &Program,
        member: MemberId,
        awards: &[Award],
        book: &MemberBook,
        business_date: Date,
    ) -> Result<Vec<Entry>, CommandError> {
        let mut entries = Vec::new();
        for award in awards {
            let fresh = self.standing.is_sound()
                && program.purse(&award.purse).is_some_and(|purse| purse.spend_fresh)
                && book.debt(&award.purse) == 0;
            let sum = |for_hub: bool| {
                let chosen = award.rules.iter().filter(|rule| (rule.for_hub || !fresh) == for_hub);
                chosen.map(|rule| rule.amount).try_fold(0i64, i64::checked_add).ok_or_else(|| {
                    CommandError::InvalidSale(format!("it would accrue more {} than can be counted", award.purse))
                })
            };
            for (units, to) in [(sum(false)?, Holder::Terminal(self.incarnation)), (sum(true)?, Holder::Hub)] {
                if units > 0 {
                    entries.push(Entry {
                        kind: EntryKind::Accrue,
                        member,
                        purse: award.purse.clone(),
                        lot: program.purse(&award.purse).map(|purse| purse.lot(business_date)).unwrap_or_default(),
                        units,
                        to: Some(to),
                        debt: None,
                    });
                }
            }
        }
        for entry in &entries {
            entry
                .accounts(Holder::Terminal(self.incarnation))
                .map_err(|error| CommandError::InvalidSale(error.to_string()))?;
        }
        Ok(entries)
    }
}
