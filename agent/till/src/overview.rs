//! What stands open at this till, for the people in front of it: baskets that hold units, what was redeemed last, what
//! is held here for whom.
//!
//! Reads only. Not here: what may be done about any of it.

use counterfoil_protocol::id::{EventId, MemberId};
use counterfoil_protocol::record::Body;
use serde::{Deserialize, Serialize};

use crate::answer::{RedemptionAnswer, RedemptionState};
use crate::error::CommandError;
use crate::till::Till;
use crate::{life, store};

/// Records of a member that are looked through for the last redemption.
const LOOK_BACK_MAX: usize = 50;

/// What this till holds of one purse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldHere {
    /// The purse.
    pub purse: String,
    /// Members it is held for.
    pub members: u64,
    /// Units, those for open baskets included.
    pub units: i64,
}

/// What a member redeemed last at a till.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRedemption {
    /// As it stands now.
    pub answer: RedemptionAnswer,
    /// When it was spent, milliseconds since 1970 UTC.
    pub recorded_at_ms: i64,
}

impl LastRedemption {
    /// Spent, and not given back.
    pub fn can_be_undone(&self) -> bool {
        self.answer.state == RedemptionState::Redeemed
    }
}

impl Till {
    /// Reservations that are open, those first that end first; of one member, or of all.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open_reservations(&self, member: Option<MemberId>) -> Result<Vec<RedemptionAnswer>, CommandError> {
        self.usable()?;
        let open = life::open(&self.value, i64::MAX, i64::MAX)?;
        let of_member = open.iter().filter(|life| member.is_none_or(|member| life.member == member));
        self.answers(of_member.map(|life| life.position))
    }

    /// Reservations that are open for one basket: recording its sale spends them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn reservations_of_basket(&self, sale_ref: &str) -> Result<Vec<RedemptionAnswer>, CommandError> {
        self.usable()?;
        let lives = life::under(&self.value, sale_ref)?;
        let open = lives.iter().filter(|life| life.state() == RedemptionState::Reserved);
        self.answers(open.map(|life| life.position))
    }

    fn answers(&self, positions: impl Iterator<Item = u64>) -> Result<Vec<RedemptionAnswer>, CommandError> {
        let ids = positions.map(|position| EventId { incarnation: self.incarnation, position });
        let answers: Result<Vec<_>, _> = ids.map(|id| self.redemption(id)).collect();
        Ok(answers?.into_iter().flatten().collect())
    }

    /// What a member redeemed last at this till, in its present life, whatever became of it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn last_redemption(&self, member: MemberId) -> Result<Option<LastRedemption>, CommandError> {
        self.usable()?;
        let positions = store::all(
            &self.value,
            "looking for a member's last redemption",
            "SELECT DISTINCT position FROM own_entry WHERE member = ?1 AND position > 0 ORDER BY position DESC LIMIT ?2",
            rusqlite::params![member.0, i64::try_from(LOOK_BACK_MAX).unwrap_or(i64::MAX)],
            |row| store::values::count(row, 0),
        )?;
        for position in positions {
            let Some(record) = self.record_at(position)? else { continue };
            let id = match &record.body {
                Body::Redemption(_) => EventId { incarnation: self.incarnation, position },
                Body::Confirmation(confirmation) => confirmation.reservation,
                _ => continue,
            };
            let answer = self.redemption(id)?;
            return Ok(answer.map(|answer| LastRedemption { answer, recorded_at_ms: record.recorded_at_ms }));
        }
        Ok(None)
    }

    /// What is held here, purse by purse.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn held_here(&self) -> Result<Vec<HeldHere>, CommandError> {
        self.usable()?;
        Ok(store::all(
            &self.value,
            "reading what is held",
            "SELECT purse, count(DISTINCT member), sum(units) FROM holding GROUP BY purse ORDER BY purse",
            [],
            |row| Ok(HeldHere { purse: row.get(0)?, members: store::values::count(row, 1)?, units: row.get(2)? }),
        )?)
    }
}
