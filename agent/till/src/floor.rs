//! The offline floor: what a till that is cut off may give beyond what it holds. The retailer's risk, as EMV floor limits
//! are: debt of a kind of its own, counted per redemption, per member and per till, with a soft and a hard limit.
//!
//! What head office has acknowledged is no longer counted: from then on it is owed there. A reversal gives nothing of the
//! limits back before that.

use counterfoil_protocol::entry::DebtKind;
use counterfoil_protocol::id::MemberId;
use counterfoil_protocol::program::Floor;
use rusqlite::params;

use crate::answer::FloorState;
use crate::command::Now;
use crate::derive::debt_kind;
use crate::error::{CommandError, FloorRefusal, StorageError};
use crate::store::{self, values};
use crate::till::Till;

/// The till's floor is used up beyond its soft limit.
pub(crate) const MARK_FLOOR_SOFT_LIMIT: &str = "floor-soft-limit";

impl Till {
    /// How much of the floor of a purse is used up; `None` where the program has none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn floor_state(&self, purse: &str, now: Now) -> Result<Option<FloorState>, CommandError> {
        self.usable()?;
        let time_ms = self.time_ms(now);
        let floor = self.program_at(time_ms, time_ms).and_then(|found| found.program.offline().floor(purse)).copied();
        let state = floor.map(|floor| {
            Ok(FloorState {
                purse: purse.to_owned(),
                used_units: self.floor_used(purse, None)?,
                soft_units: floor.till_soft_units,
                hard_units: floor.till_hard_units,
            })
        });
        state.transpose()
    }

    pub(crate) fn floor_states(&self, now: Now) -> Result<Vec<FloorState>, CommandError> {
        let time_ms = self.time_ms(now);
        let names: Vec<String> = self
            .program_at(time_ms, time_ms)
            .map(|found| found.program.offline().floors.keys().cloned().collect())
            .unwrap_or_default();
        names.iter().filter_map(|purse| self.floor_state(purse, now).transpose()).collect()
    }

    /// Whether `short` units may be given below the floor: by which limit not, else whether the till's soft limit is
    /// passed with them.
    pub(crate) fn below_floor(
        &self,
        floor: &Floor,
        member: MemberId,
        purse: &str,
        short: i64,
    ) -> Result<Result<bool, FloorRefusal>, CommandError> {
        let till_used = self.floor_used(purse, None)?;
        let is_soft = till_used.saturating_add(short) > floor.till_soft_units;
        if self.settings.faults.floor_without_limit {
            return Ok(Ok(is_soft));
        }
        let member_left = floor.member_units.saturating_sub(self.floor_used(purse, Some(member))?).max(0);
        let till_left = floor.till_hard_units.saturating_sub(till_used).max(0);
        Ok(if short > floor.redemption_units {
            Err(FloorRefusal::Redemption { left: floor.redemption_units })
        } else if short > member_left {
            Err(FloorRefusal::Member { left: member_left })
        } else if short > till_left {
            Err(FloorRefusal::Till { left: till_left })
        } else {
            Ok(is_soft)
        })
    }

    /// Floor units that head office has not acknowledged, those of open reservations among them.
    fn floor_used(&self, purse: &str, member: Option<MemberId>) -> Result<i64, StorageError> {
        let used = store::optional(
            &self.value,
            "adding up the floor",
            "SELECT (SELECT coalesce(sum(debt_change), 0) FROM own_entry WHERE debt_kind = ?1 AND purse = ?2 \
             AND position > ?3 AND debt_change > 0 AND (?4 IS NULL OR member = ?4)) \
             + (SELECT coalesce(sum(floor_units), 0) FROM redemption WHERE purse = ?2 AND expires_at_ms IS NOT NULL \
             AND spent_position IS NULL AND released_position IS NULL AND (?4 IS NULL OR member = ?4))",
            params![
                debt_kind(DebtKind::Floor),
                purse,
                values::signed(self.hub.acknowledged),
                member.map(|member| member.0)
            ],
            |row| row.get(0),
        )?;
        Ok(used.unwrap_or(0))
    }
}
