//! Undoing a redemption: one writer per undoing.
//!
//! The till that spent gives back, the same lots to itself, what was owed as owed no more, and never more than was spent.
//! Of another author's redemption it records that it shall be undone; so does a till that may be a copy, even of its own:
//! head office then sees to it that it happens once.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, Holder};
use counterfoil_protocol::record::{Body, Idempotency, ReversalRecord, ReverseRequestRecord};

use crate::answer::{RedemptionAnswer, RedemptionState};
use crate::command::{Call, Now, Reply};
use crate::error::CommandError;
use crate::journal::Draft;
use crate::life::{self, Life};
use crate::redeem::check_short;
use crate::till::Till;

const REASON_BYTES_MAX: usize = 1_024;

/// Who undoes a redemption, and why.
#[derive(Debug, Clone, Default)]
pub(crate) struct Undoing {
    pub request: Option<String>,
    pub reason: Option<String>,
    pub operator: Option<String>,
}

impl Till {
    /// Gives redeemed units back; of another author's redemption, asks for it. Once: a second call gets the first answer.
    ///
    /// # Errors
    /// When there is no such redemption, it was not spent, or nothing can be written.
    pub fn reverse_redemption(
        &mut self,
        id: EventId,
        reason: Option<String>,
        operator: Option<String>,
        call: Call,
        now: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        self.usable()?;
        if let Some(first) = self.first_answer::<RedemptionAnswer>(call.idempotency.as_ref())? {
            self.marked_up_to(first.position)?;
            return Ok(first);
        }
        check_short(&[("operator", &operator)])?;
        if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
            return Err(CommandError::InvalidRequest(format!("`reason` has more than {REASON_BYTES_MAX} bytes")));
        }
        let life = life::find(&self.value, self.incarnation, id)?;
        if life.is_none() && id.incarnation == self.incarnation {
            return Err(CommandError::UnknownRedemption(id.to_string()));
        }
        let why = Undoing { request: None, reason, operator };
        let reply = self.transact(|till| till.undo(id, life.as_ref(), why, call.idempotency, now))?;
        self.marked_up_to(reply.position)?;
        Ok(reply)
    }

    pub(crate) fn undo(
        &mut self,
        id: EventId,
        life: Option<&Life>,
        why: Undoing,
        idempotency: Option<Idempotency>,
        now: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        match life {
            Some(life) => match (life.state(), life.reversed) {
                (RedemptionState::Reversed, Some(position)) if !self.settings.faults.reverse_twice => {
                    self.answered_at(position, idempotency.as_ref())
                }
                (RedemptionState::Redeemed | RedemptionState::Reversed, _) if self.undoes_itself(life) => {
                    self.close_day_if_over(now)?;
                    self.give_back(life, None, why, idempotency, now)
                }
                (RedemptionState::Redeemed, _) => self.ask_to_undo(id, Some(life), why, idempotency, now),
                (state, _) => Err(CommandError::WrongState { id, state, wanted: "reverse" }),
            },
            None => self.ask_to_undo(id, None, why, idempotency, now),
        }
    }

    /// Whether this till may undo a redemption in its journal: its own of this life, and it is sure of its journal.
    pub(crate) fn undoes_itself(&self, life: &Life) -> bool {
        self.standing.is_sound() && !life.is_of_earlier_life
    }

    /// Gives units of a redemption back: all that is still spent, or `units` of it, what was owed first.
    pub(crate) fn give_back(
        &mut self,
        life: &Life,
        units: Option<i64>,
        why: Undoing,
        idempotency: Option<Idempotency>,
        now: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        let entries = self.given_back(life, units)?;
        let first = self.redemption_answer_at(life.position)?;
        let id = self.id_of(life)?;
        let body = ReversalRecord { redemption: id, request: why.request, reason: why.reason, operator: why.operator };
        let draft = Draft { entries, idempotency, ..Draft::of(Body::Reversal(body)) };
        let member = life.member;
        self.append(draft, now, |till, place| {
            let state = life::find(&till.value, till.incarnation, id)?.map_or(first.state, |life| life.state());
            Ok(RedemptionAnswer {
                state,
                expires_at: None,
                purses: till.purse_amounts(member, now)?,
                journal_position: place.event.position,
                ..first
            })
        })
    }

    /// The entries that give back what is still spent of a redemption, at most `units` of it: what was owed first, then
    /// the lots that were spent last.
    fn given_back(&self, life: &Life, units: Option<i64>) -> Result<Vec<Entry>, CommandError> {
        let damaged = |position: u64| CommandError::damaged(format!("record {position} cannot be read"));
        let spent = life.spent.ok_or_else(|| damaged(life.position))?;
        let mut returned: BTreeMap<(Lot, Option<DebtKind>), i64> = BTreeMap::new();
        if !self.settings.faults.reverse_twice {
            for position in life::reversals(&self.value, life.position)? {
                for entry in self.record_at(position)?.ok_or_else(|| damaged(position))?.entries {
                    *returned.entry((entry.lot, entry.debt)).or_default() += entry.units;
                }
            }
        }
        let mut left = units.unwrap_or(i64::MAX);
        let mut entries = Vec::new();
        for entry in self.record_at(spent)?.ok_or_else(|| damaged(spent))?.entries.into_iter().rev() {
            let before = returned.entry((entry.lot, entry.debt)).or_default();
            let still_spent = (entry.units - *before).max(0);
            *before = (*before - entry.units).max(0);
            let units = left.min(still_spent);
            if units > 0 {
                left -= units;
                let to = entry.debt.is_none().then_some(Holder::Terminal(self.incarnation));
                entries.push(Entry { kind: EntryKind::ReverseRedemption, units, to, ..entry });
            }
        }
        Ok(entries)
    }

    fn ask_to_undo(
        &mut self,
        id: EventId,
        life: Option<&Life>,
        why: Undoing,
        idempotency: Option<Idempotency>,
        now: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        if let Some(position) = life::requested(&self.value, id)? {
            return self.answered_at(position, idempotency.as_ref());
        }
        let first = life.map(|life| self.redemption_answer_at(life.position)).transpose()?;
        let unknown = RedemptionAnswer {
            redemption_id: id,
            state: RedemptionState::ReverseRequested,
            expires_at: None,
            member_id: None,
            reward_id: None,
            purse: None,
            amount: None,
            benefit: None,
            rights: None,
            purses: Vec::new(),
            marks: Vec::new(),
            journal_position: 0,
        };
        let first = first.unwrap_or(unknown);
        self.close_day_if_over(now)?;
        let body = ReverseRequestRecord { redemption: id, reason: why.reason, operator: why.operator };
        let draft = Draft { idempotency, ..Draft::of(Body::ReverseRequest(body)) };
        self.append(draft, now, |_, place| {
            Ok(RedemptionAnswer {
                state: RedemptionState::ReverseRequested,
                journal_position: place.event.position,
                ..first
            })
        })
    }
}
