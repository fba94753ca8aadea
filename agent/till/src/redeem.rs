//! Spending: only vested units held here, earliest expiry first. Online is not a second path: the shell asks head office
//! for rights first, and what it grants is then held here. A till that is cut off may go below the program's floor, as
//! debt and within its limits.

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, MemberId};
use counterfoil_protocol::limits::ENTRY_UNITS_MAX;
use counterfoil_protocol::record::{Body, RedemptionRecord, ReservationRecord, Rights};
use counterfoil_protocol::time::rfc3339_utc;
use counterfoil_protocol::wire::v1::feed::MemberStatus;

use crate::answer::{RedemptionAnswer, RedemptionState};
use crate::choose;
use crate::command::{Call, Now, Redeem, RedeemWhat, Reply};
use crate::error::{CommandError, NotSpendable};
use crate::floor::MARK_FLOOR_SOFT_LIMIT;
use crate::journal::Draft;
use crate::life::{self, Life};
use crate::members::Who;
use crate::purses::MemberBook;
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

/// The entries that pay a price, and by what right.
struct Payment {
    entries: Vec<Entry>,
    rights: Rights,
    marks: Vec<String>,
}

pub(crate) fn check_short(fields: &[(&str, &Option<String>)]) -> Result<(), CommandError> {
    for (name, text) in fields {
        if text.as_ref().is_some_and(|text| text.len() > SHORT_BYTES_MAX) {
            return Err(CommandError::InvalidRequest(format!("`{name}` has more than {SHORT_BYTES_MAX} bytes")));
        }
    }
    Ok(())
}

pub(crate) fn redeem_entry(member: MemberId, purse: &str, lot: Lot, units: i64, debt: Option<DebtKind>) -> Entry {
    Entry { kind: EntryKind::Redeem, member, purse: purse.to_owned(), lot, units, to: None, debt }
}

impl Till {
    /// Spends units held here, or reserves them for a basket. Durable, and known to the marker, before the answer. The
    /// same reservation of the same basket again is the one that is open.
    ///
    /// # Errors
    /// When the member may not, not enough is held here, the till stands behind a witness, or nothing can be written.
    pub fn redeem(&mut self, ask: Redeem, call: Call, now: Now) -> Result<Reply<RedemptionAnswer>, CommandError> {
        self.usable()?;
        if let Some(first) = self.first_answer::<RedemptionAnswer>(call.idempotency.as_ref())? {
            self.marked_up_to(first.position)?;
            return Ok(first);
        }
        if !self.standing.is_sound() && !self.settings.faults.spend_while_behind {
            return Err(CommandError::Behind(self.standing.clone()));
        }
        check_short(&[("sale_ref", &ask.sale_ref), ("operator", &ask.operator)])?;
        if ask.reserve && ask.sale_ref.as_ref().is_none_or(String::is_empty) {
            return Err(CommandError::InvalidRequest(
                "a reservation needs `sale_ref`: the POS's reference of the basket, which its sale will carry"
                    .to_owned(),
            ));
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
        self.close_day_if_over(now)?;
        let book = self.book(member)?;
        let status = self.member_status(member, &book)?;
        if status != MemberStatus::Active {
            return Err(CommandError::MemberBlocked { status });
        }
        let time_ms = self.time_ms(now);
        let program = self.program_at(time_ms, time_ms).cloned().ok_or(CommandError::NoProgram)?;
        let price = price(&program, &ask.what)?;
        if let Some(first) = self.reserved_already(member, &ask, &price)? {
            self.remember_repeat(call.idempotency.as_ref(), first.position)?;
            let answer = self.answer_at(first.position)?;
            return answer
                .ok_or_else(|| CommandError::damaged(format!("reservation {} cannot be read", first.position)));
        }
        let payment = self.pay(member, &book, &program, &price, &ask, now)?;
        let redemption = RedemptionRecord {
            member,
            reward: price.reward.clone(),
            purse: price.purse.clone(),
            units: price.units,
            rights: payment.rights,
            sale_ref: ask.sale_ref,
            operator: ask.operator,
        };
        let (state, expires_at_ms, body, entries) = if ask.reserve {
            let expires_at_ms = time_ms.saturating_add(self.settings.reservation_ms);
            let made = ReservationRecord { redemption, expires_at_ms, chosen: payment.entries };
            (RedemptionState::Reserved, Some(expires_at_ms), Body::Reservation(made), Vec::new())
        } else {
            (RedemptionState::Redeemed, None, Body::Redemption(redemption), payment.entries)
        };
        let marks = payment.marks;
        let draft = Draft {
            entries,
            marks: marks.clone(),
            program_version: Some(program.version),
            idempotency: call.idempotency,
            ..Draft::of(body)
        };
        self.append(draft, now, |till, place| {
            Ok(RedemptionAnswer {
                redemption_id: place.event,
                state,
                expires_at: expires_at_ms.map(rfc3339_utc),
                member_id: Some(member),
                reward_id: price.reward,
                purse: Some(price.purse),
                amount: Some(price.units),
                benefit: price.benefit,
                rights: Some(payment.rights),
                purses: till.purse_amounts(member, now)?,
                marks,
                journal_position: place.event.position,
            })
        })
    }

    /// The open reservation of the same basket for the same thing.
    fn reserved_already(&self, member: MemberId, ask: &Redeem, price: &Price) -> Result<Option<Life>, CommandError> {
        let Some(sale_ref) = ask.sale_ref.as_ref().filter(|_| ask.reserve) else {
            return Ok(None);
        };
        let open = life::under(&self.value, sale_ref)?.into_iter().find(|life| {
            life.state() == RedemptionState::Reserved && life.reward == price.reward && life.purse == price.purse
        });
        match open {
            Some(life) if life.member != member || life.units != price.units => {
                let first = EventId { incarnation: self.incarnation, position: life.position };
                Err(CommandError::ReservationConflict { sale_ref: sale_ref.clone(), first })
            }
            same => Ok(same),
        }
    }

    fn pay(
        &self,
        member: MemberId,
        book: &MemberBook,
        program: &InForce,
        price: &Price,
        ask: &Redeem,
        now: Now,
    ) -> Result<Payment, CommandError> {
        let clock = self.clock(now);
        let purse = book.purse(&price.purse);
        let (balance, spendable) = (purse.balance(), purse.spendable(clock));
        let entry = |lot, units, debt| redeem_entry(member, &price.purse, lot, units, debt);
        let entries = |taken: Vec<(Lot, i64)>| -> Vec<Entry> {
            taken.into_iter().map(|(lot, units)| entry(lot, units, None)).collect()
        };
        let rights = if ask.rights == Rights::Granted { Rights::Granted } else { Rights::Held };
        if spendable >= price.units
            && let Some(taken) = choose::exactly(&purse.lots(), clock, price.units)
        {
            return Ok(Payment { entries: entries(taken), rights, marks: Vec::new() });
        }
        if self.settings.faults.redeem_without_rights && balance >= price.units {
            let entries = entries(vec![(Lot::default(), price.units)]);
            return Ok(Payment { entries, rights, marks: Vec::new() });
        }
        let mut refusal = NotSpendable {
            purse: price.purse.clone(),
            unit: unit_words(Some(&program.program), &price.purse),
            balance,
            spendable,
            asked: price.units,
            reserved: purse.reserved(),
            pending: purse.pending(clock),
            online: ask.rights == Rights::Granted,
            floor: None,
        };
        let floor = program.program.offline().floor(&price.purse).filter(|_| ask.cut_off);
        if let Some(floor) = floor
            && purse.usable_balance(clock) >= price.units
        {
            let short = price.units - spendable;
            match self.below_floor(floor, member, &price.purse, short)? {
                Ok(soft) => {
                    let owed = entry(Lot::default(), short, Some(DebtKind::Floor));
                    let marks = soft.then(|| MARK_FLOOR_SOFT_LIMIT.to_owned()).into_iter().collect();
                    let mut entries = entries(choose::up_to(&purse.lots(), clock, spendable));
                    entries.push(owed);
                    return Ok(Payment { entries, rights: Rights::Floor, marks });
                }
                Err(limit) => refusal.floor = Some(limit),
            }
        }
        Err(CommandError::NotSpendable(refusal))
    }

    /// A redemption as it stands now: of this till, or of another author's that this till asked to be undone.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn redemption(&self, id: EventId) -> Result<Option<RedemptionAnswer>, CommandError> {
        self.usable()?;
        let Some(life) = life::find(&self.value, self.incarnation, id)? else {
            let asked = life::requested(&self.value, id)?;
            return asked.map(|position| self.redemption_answer_at(position)).transpose();
        };
        let state = match life::requested(&self.value, id)? {
            Some(_) if life.state() == RedemptionState::Redeemed => RedemptionState::ReverseRequested,
            _ => life.state(),
        };
        let first = self.redemption_answer_at(life.position)?;
        let expires_at = first.expires_at.filter(|_| state == RedemptionState::Reserved);
        Ok(Some(RedemptionAnswer { state, expires_at, ..first }))
    }

    /// What was answered with a record of a redemption's life.
    pub(crate) fn redemption_answer_at(&self, position: u64) -> Result<RedemptionAnswer, CommandError> {
        let reply = self.answer_at::<RedemptionAnswer>(position)?;
        reply
            .map(|reply| reply.answer)
            .ok_or_else(|| CommandError::damaged(format!("the answer of redemption {position} cannot be read")))
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
            let Some(found) = program.program.purse(purse) else {
                return Err(CommandError::UnknownPurse(purse.clone()));
            };
            if *amount <= 0 || *amount > ENTRY_UNITS_MAX {
                return Err(CommandError::InvalidRequest(format!(
                    "`amount` is {amount}; 1 to {ENTRY_UNITS_MAX} units can be redeemed"
                )));
            }
            if let Some(steps) = found.redeem
                && (*amount < steps.min || amount % steps.step.max(1) != 0)
            {
                return Err(CommandError::NotInSteps {
                    unit: unit_words(Some(&program.program), purse),
                    step: steps.step,
                    min: steps.min,
                    asked: *amount,
                });
            }
            Ok(Price { purse: purse.clone(), units: *amount, reward: None, benefit: None })
        }
    }
}
