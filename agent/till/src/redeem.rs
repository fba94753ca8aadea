//! Spending: only vested units held here, earliest expiry first. Online is not a second path: the shell asks head office
//! for rights first, and what it grants is then held here.

use counterfoil_protocol::entry::{Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, MemberId};
use counterfoil_protocol::limits::ENTRY_UNITS_MAX;
use counterfoil_protocol::record::{Body, RedemptionRecord};
use counterfoil_protocol::wire::v1::feed::MemberStatus;

use crate::answer::{RedemptionAnswer, RedemptionState};
use crate::command::{Call, Now, Redeem, RedeemWhat, Reply};
use crate::error::{CommandError, NotSpendable};
use crate::journal::Draft;
use crate::members::Who;
use crate::purses::{MemberBook, is_spendable, spending_order};
use crate::rules::{InForce, unit_words};
use crate::till::Till;

const SHORT_BYTES_MAX: usize = 255;

/// What is to be spent, looked up in the program.
struct Price {
    purse: String,
    units: i64,
    reward: Option<String>,
    benefit: Option<serde_json::Value>,
}

impl Till {
    /// Spends units held here. Durable, and known to the marker, before the answer.
    ///
    /// # Errors
    /// When the member may not, not enough is held here, the till stands behind a witness, or nothing can be written.
    pub fn redeem(&mut self, ask: Redeem, call: Call, now: Now) -> Result<Reply<RedemptionAnswer>, CommandError> {
        self.usable()?;
        if let Some(first) = self.first_answer::<RedemptionAnswer>(call.idempotency.as_ref())? {
            self.marked_up_to(first.position)?;
            return Ok(first);
        }
        if ask.reserve {
            return Err(CommandError::Later { capability: "reserving units for a basket" });
        }
        if !self.standing.is_sound() {
            return Err(CommandError::Behind(self.standing.clone()));
        }
        for (name, text) in [("sale_ref", &ask.sale_ref), ("operator", &ask.operator)] {
            if text.as_ref().is_some_and(|text| text.len() > SHORT_BYTES_MAX) {
                return Err(CommandError::InvalidRequest(format!("`{name}` has more than {SHORT_BYTES_MAX} bytes")));
            }
        }
        let Who::Known(member) = self.resolve(&ask.member)? else {
            return Err(CommandError::UnknownMember);
        };
        let reply = self.transact(|till| till.spend(member, ask, call, now))?;
        self.marked_up_to(reply.position)?;
        Ok(reply)
    }

    fn spend(
        &mut self,
        member: MemberId,
        ask: Redeem,
        call: Call,
        now: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        let book = self.book(member)?;
        let status = self.member_status(member, &book)?;
        if status != MemberStatus::Active {
            return Err(CommandError::MemberBlocked { status });
        }
        let time_ms = self.time_ms(now);
        let program = self.program_at(time_ms, time_ms).cloned().ok_or(CommandError::NoProgram)?;
        let price = price(&program, &ask.what)?;
        let online = ask.rights == counterfoil_protocol::record::Rights::Granted;
        let entries = self.entries_to_spend(member, &book, &program, &price, online, now)?;
        self.close_day_if_over(now)?;
        let body = RedemptionRecord {
            member,
            reward: price.reward.clone(),
            purse: price.purse.clone(),
            units: price.units,
            rights: ask.rights,
            sale_ref: ask.sale_ref,
            operator: ask.operator,
        };
        let draft = Draft {
            entries,
            program_version: Some(program.version),
            idempotency: call.idempotency,
            ..Draft::of(Body::Redemption(body))
        };
        self.append(draft, now, |till, place| {
            Ok(RedemptionAnswer {
                redemption_id: place.event,
                state: RedemptionState::Redeemed,
                expires_at: None,
                member_id: Some(member),
                reward_id: price.reward,
                purse: Some(price.purse),
                amount: Some(price.units),
                benefit: price.benefit,
                rights: Some(ask.rights),
                purses: till.purse_amounts(member, now)?,
                marks: Vec::new(),
                journal_position: place.event.position,
            })
        })
    }

    fn entries_to_spend(
        &self,
        member: MemberId,
        book: &MemberBook,
        program: &InForce,
        price: &Price,
        online: bool,
        now: Now,
    ) -> Result<Vec<Entry>, CommandError> {
        let today = self.today(now);
        let purse = book.purse(&price.purse);
        let (balance, spendable) = (purse.balance(), purse.spendable(today));
        let redeem = |lot, units| Entry {
            kind: EntryKind::Redeem,
            member,
            purse: price.purse.clone(),
            lot,
            units,
            to: None,
            debt: None,
        };
        if spendable < price.units {
            if self.settings.faults.redeem_without_rights && balance >= price.units {
                return Ok(vec![redeem(Lot::default(), price.units)]);
            }
            return Err(CommandError::NotSpendable(NotSpendable {
                purse: price.purse.clone(),
                unit: unit_words(Some(&program.program), &price.purse),
                balance,
                spendable,
                asked: price.units,
                reserved: 0,
                pending: 0,
                online,
                floor: None,
            }));
        }
        let mut lots: Vec<(Lot, i64)> = purse.held.into_iter().filter(|(lot, _)| is_spendable(*lot, today)).collect();
        lots.sort_by_key(|(lot, _)| spending_order(*lot));
        let mut left = price.units;
        let mut entries = Vec::new();
        for (lot, held) in lots {
            let units = left.min(held);
            if units > 0 {
                left -= units;
                entries.push(redeem(lot, units));
            }
        }
        Ok(entries)
    }

    /// A redemption of this till.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn redemption(&self, id: EventId) -> Result<Option<RedemptionAnswer>, CommandError> {
        self.usable()?;
        if id.incarnation != self.incarnation || id.position == 0 || id.position > self.head.position {
            return Ok(None);
        }
        match self.record_at(id.position)? {
            Some(record) if matches!(record.body, Body::Redemption(_)) => {
                Ok(self.answer_at(id.position)?.map(|reply| reply.answer))
            }
            _ => Ok(None),
        }
    }
}

fn price(program: &InForce, what: &RedeemWhat) -> Result<Price, CommandError> {
    match what {
        RedeemWhat::Reward(id) => {
            let reward = program.program.reward(id).ok_or_else(|| CommandError::UnknownReward(id.clone()))?;
            Ok(Price {
                purse: reward.cost_purse.clone(),
                units: reward.cost_units,
                reward: Some(reward.id.clone()),
                benefit: Some(serde_json::to_value(&reward.benefit).expect("a benefit is plain data")),
            })
        }
        RedeemWhat::Units { purse, amount } => {
            if program.program.purse(purse).is_none() {
                return Err(CommandError::UnknownPurse(purse.clone()));
            }
            if *amount <= 0 || *amount > ENTRY_UNITS_MAX {
                return Err(CommandError::InvalidRequest(format!(
                    "`amount` is {amount}; 1 to {ENTRY_UNITS_MAX} units can be redeemed"
                )));
            }
            Ok(Price { purse: purse.clone(), units: *amount, reward: None, benefit: None })
        }
    }
}
