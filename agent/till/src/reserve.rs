//! Units kept for a basket: confirmed, given up, or out of time.
//!
//! The POS gives the discount before the sale exists, so the units are chosen and kept under the POS's own reference;
//! recording that sale confirms. A confirmation that comes after the end takes what is still here, and the rest is owed
//! (`late`): the discount has been given.

use counterfoil_protocol::entry::{DebtKind, Entry, Lot};
use counterfoil_protocol::id::{EventId, MemberId};
use counterfoil_protocol::record::{Body, ConfirmationRecord, Idempotency, ReleaseReason, ReleaseRecord};

use crate::answer::{PurseAmounts, RedemptionAnswer, RedemptionState};
use crate::choose;
use crate::command::{Call, Now, Reply};
use crate::error::CommandError;
use crate::journal::Draft;
use crate::life::{self, Life};
use crate::redeem::redeem_entry;
use crate::till::Till;

/// A reservation that timed out is still confirmed by its sale for this long; then the reference may mean another basket.
const LATE_SALE_MS_MAX: i64 = 48 * 60 * 60 * 1000;
/// Reservations freed in one transaction.
const RELEASE_COUNT_MAX: i64 = 64;

/// Confirmed after its reservation had ended.
pub(crate) const MARK_LATE: &str = "late";

impl Till {
    /// Spends a reservation. One that ended takes what is still held here, and the rest is owed. Confirmed once: a second
    /// confirmation gets the first answer.
    ///
    /// # Errors
    /// When there is no such reservation, it was reversed, or nothing can be written.
    pub fn confirm_redemption(
        &mut self,
        id: EventId,
        call: Call,
        now: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        self.step(id, call, now, |till, life, idempotency, now| match (life.state(), life.spent) {
            (RedemptionState::Reserved | RedemptionState::Cancelled | RedemptionState::TimedOut, _) => {
                till.close_day_if_over(now)?;
                till.write_confirmation(life, None, idempotency, now)
            }
            (RedemptionState::Redeemed, Some(position)) => till.answered_at(position, idempotency.as_ref()),
            (state, _) => Err(CommandError::WrongState { id, state, wanted: "confirm" }),
        })
    }

    /// Frees a reservation. Once: a second cancel, and one that comes after the time-out, get the first answer.
    ///
    /// # Errors
    /// When there is no such reservation, it was spent, or nothing can be written.
    pub fn cancel_redemption(
        &mut self,
        id: EventId,
        call: Call,
        now: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        self.step(id, call, now, |till, life, idempotency, now| match (life.state(), life.released) {
            (RedemptionState::Reserved, _) => {
                till.close_day_if_over(now)?;
                till.write_release(life, ReleaseReason::Cancelled, idempotency, now)
            }
            (RedemptionState::Cancelled | RedemptionState::TimedOut, Some(position)) => {
                till.answered_at(position, idempotency.as_ref())
            }
            (state, _) => Err(CommandError::WrongState { id, state, wanted: "cancel" }),
        })
    }

    /// What confirm and cancel have in common: first answers, look-up, one transaction, the marker.
    fn step(
        &mut self,
        id: EventId,
        call: Call,
        now: Now,
        act: impl FnOnce(&mut Self, &Life, Option<Idempotency>, Now) -> Result<Reply<RedemptionAnswer>, CommandError>,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        self.usable()?;
        if let Some(first) = self.first_answer::<RedemptionAnswer>(call.idempotency.as_ref())? {
            self.marked_up_to(first.position)?;
            return Ok(first);
        }
        let life = life::find(&self.value, self.incarnation, id)?;
        let life = life.ok_or_else(|| CommandError::UnknownRedemption(id.to_string()))?;
        let reply = self.transact(|till| act(till, &life, call.idempotency, now))?;
        self.marked_up_to(reply.position)?;
        Ok(reply)
    }

    /// The first answer, and from now on also to this key.
    pub(crate) fn answered_at(
        &mut self,
        position: u64,
        idempotency: Option<&Idempotency>,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        self.remember_repeat(idempotency, position)?;
        let answer = self.redemption_answer_at(position)?;
        Ok(Reply { answer, fresh: false, position })
    }

    /// Frees every reservation whose time is over; how many there were.
    ///
    /// # Errors
    /// When nothing can be written. Those freed before stay free.
    pub fn expire_reservations(&mut self, now: Now) -> Result<usize, CommandError> {
        self.usable()?;
        let mut freed = 0;
        loop {
            let ended = life::open(&self.value, self.time_ms(now), RELEASE_COUNT_MAX)?;
            if ended.is_empty() {
                return Ok(freed);
            }
            freed += self.transact(|till| {
                till.close_day_if_over(now)?;
                for life in &ended {
                    till.write_release(life, ReleaseReason::TimedOut, None, now)?;
                }
                Ok(ended.len())
            })?;
        }
    }

    /// Inside the transaction that records the sale of a basket: confirms what is reserved for it. What the POS gave up
    /// stays given up; what timed out is confirmed late, unless the basket reserved the same again.
    pub(crate) fn confirm_for_sale(&mut self, sale_ref: &str, sale: EventId, now: Now) -> Result<(), CommandError> {
        for life in self.confirmed_by_sale(sale_ref, now)? {
            self.write_confirmation(&life, Some(sale), None, now)?;
        }
        Ok(())
    }

    fn confirmed_by_sale(&self, sale_ref: &str, now: Now) -> Result<Vec<Life>, CommandError> {
        let mut all = life::under(&self.value, sale_ref)?;
        let newest: Vec<bool> = all
            .iter()
            .enumerate()
            .map(|(index, life)| {
                let same = |other: &Life| other.reward == life.reward && other.purse == life.purse;
                !all[index + 1..].iter().any(same)
            })
            .collect();
        let oldest_ms = self.time_ms(now).saturating_sub(LATE_SALE_MS_MAX);
        let mut newest = newest.into_iter();
        all.retain(|life| {
            let is_newest = newest.next().unwrap_or_default();
            match life.state() {
                RedemptionState::Reserved => true,
                RedemptionState::TimedOut => is_newest && life.expires_at_ms.is_some_and(|ended| ended >= oldest_ms),
                _ => false,
            }
        });
        Ok(all)
    }

    /// A member's purses as they will stand when the sale of a basket has confirmed what is reserved for it.
    pub(crate) fn purses_after_confirming(
        &self,
        member: MemberId,
        sale_ref: Option<&str>,
        now: Now,
    ) -> Result<Vec<PurseAmounts>, CommandError> {
        let mut purses = self.purse_amounts(member, now)?;
        let Some(sale_ref) = sale_ref else {
            return Ok(purses);
        };
        for life in self.confirmed_by_sale(sale_ref, now)?.iter().filter(|life| life.member == member) {
            for purse in purses.iter_mut().filter(|purse| purse.purse == life.purse) {
                purse.balance = purse.balance.saturating_sub(life.units).max(0);
                if life.state() != RedemptionState::Reserved {
                    purse.spendable = purse.spendable.saturating_sub(life.units).max(0);
                }
                purse.spendable = purse.spendable.min(purse.balance);
            }
        }
        Ok(purses)
    }

    fn write_confirmation(
        &mut self,
        life: &Life,
        sale: Option<EventId>,
        idempotency: Option<Idempotency>,
        now: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        let first = self.redemption_answer_at(life.position)?;
        let late = life.state() != RedemptionState::Reserved || !self.standing.is_sound();
        let entries = if late { self.late_entries(life, now)? } else { self.chosen(life)? };
        let id = first.redemption_id;
        let mut marks: Vec<String> = first.marks.clone();
        if late {
            marks.push(MARK_LATE.to_owned());
        }
        let body = ConfirmationRecord { reservation: self.id_of(life)?, late, sale };
        let draft = Draft { entries, marks: marks.clone(), idempotency, ..Draft::of(Body::Confirmation(body)) };
        let member = life.member;
        self.append(draft, now, |till, place| {
            Ok(RedemptionAnswer {
                redemption_id: id,
                state: RedemptionState::Redeemed,
                expires_at: None,
                purses: till.purse_amounts(member, now)?,
                marks,
                journal_position: place.event.position,
                ..first
            })
        })
    }

    /// What a confirmation after the end takes: units that are free here, the rest as debt. A till that may be a copy takes
    /// nothing.
    fn late_entries(&self, life: &Life, now: Now) -> Result<Vec<Entry>, CommandError> {
        let entry = |lot, units, debt| redeem_entry(life.member, &life.purse, lot, units, debt);
        let taken = if self.standing.is_sound() {
            choose::up_to(&self.book(life.member)?.purse(&life.purse).lots(), self.clock(now), life.units)
        } else {
            Vec::new()
        };
        let owed = life.units - taken.iter().map(|(_, units)| units).sum::<i64>();
        let mut entries: Vec<Entry> = taken.into_iter().map(|(lot, units)| entry(lot, units, None)).collect();
        if owed > 0 {
            entries.push(entry(Lot::default(), owed, Some(DebtKind::Late)));
        }
        Ok(entries)
    }

    fn chosen(&self, life: &Life) -> Result<Vec<Entry>, CommandError> {
        match self.record_at(life.position)?.map(|record| record.body) {
            Some(Body::Reservation(made)) => Ok(made.chosen),
            _ => Err(CommandError::damaged(format!("reservation {} cannot be read", life.position))),
        }
    }

    pub(crate) fn write_release(
        &mut self,
        life: &Life,
        reason: ReleaseReason,
        idempotency: Option<Idempotency>,
        now: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        let first = self.redemption_answer_at(life.position)?;
        let state = match reason {
            ReleaseReason::Cancelled => RedemptionState::Cancelled,
            ReleaseReason::TimedOut => RedemptionState::TimedOut,
        };
        let draft =
            Draft { idempotency, ..Draft::of(Body::Release(ReleaseRecord { reservation: self.id_of(life)?, reason })) };
        let member = life.member;
        self.append(draft, now, |till, place| {
            Ok(RedemptionAnswer {
                state,
                expires_at: None,
                purses: till.purse_amounts(member, now)?,
                journal_position: place.event.position,
                ..first
            })
        })
    }

    /// The id of a redemption: the one it had first.
    pub(crate) fn id_of(&self, life: &Life) -> Result<EventId, CommandError> {
        if life.is_of_earlier_life
            && let Some(origin) = self.record_at(life.position)?.and_then(|record| record.origin)
        {
            return Ok(EventId { incarnation: origin.incarnation, position: origin.position });
        }
        self.event_at(life.position)
    }
}
