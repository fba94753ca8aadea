//! Units past their date: a till gives them back, and only head office ends them. So a redemption made in time is never
//! undone by one that arrives late.

use counterfoil_protocol::entry::{Entry, EntryKind};
use counterfoil_protocol::id::{Holder, MemberId};
use counterfoil_protocol::limits::RECORD_ENTRY_COUNT_MAX;
use counterfoil_protocol::record::{Body, ReturnReason, RightsReturnedRecord};

use crate::command::Now;
use crate::error::CommandError;
use crate::journal::Draft;
use crate::store::{self, values};
use crate::till::Till;

pub(crate) fn return_entry(
    member: MemberId,
    purse: String,
    lot: counterfoil_protocol::entry::Lot,
    units: i64,
) -> Entry {
    Entry { kind: EntryKind::ReturnRights, member, purse, lot, units, to: Some(Holder::Hub), debt: None }
}

impl Till {
    /// Gives everything held past its date back to head office, except what a basket has reserved; how many units. A clock
    /// that is not trusted gives back only what head office's own clock says is past.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn return_expired(&mut self, now: Now) -> Result<i64, CommandError> {
        self.usable()?;
        let mut returned = 0i64;
        loop {
            if self.expired(now)?.is_empty() {
                return Ok(returned);
            }
            let units = self.transact(|till| till.write_expired(now))?;
            returned = returned.saturating_add(units);
        }
    }

    /// One record of what has expired, inside the open transaction; how many units.
    pub(crate) fn write_expired(&mut self, now: Now) -> Result<i64, CommandError> {
        let entries = self.expired(now)?;
        if entries.is_empty() {
            return Ok(0);
        }
        let units = entries.iter().map(|entry| entry.units).fold(0, i64::saturating_add);
        let body = Body::RightsReturned(RightsReturnedRecord { reason: ReturnReason::Expired });
        self.append(Draft { entries, ..Draft::of(body) }, now, |_, _| Ok(()))?;
        Ok(units)
    }

    fn expired(&self, now: Now) -> Result<Vec<Entry>, CommandError> {
        if !self.standing.is_sound() || self.settings.faults.spend_expired {
            return Ok(Vec::new());
        }
        let today = self.certain_date(now).packed();
        Ok(store::all(
            &self.value,
            "looking for units past their date",
            "SELECT member, purse, vests, expires, free FROM (SELECT member, purse, vests, expires, units - \
             (SELECT coalesce(sum(units), 0) FROM reserved WHERE reserved.member = holding.member \
             AND reserved.purse = holding.purse AND reserved.vests = holding.vests \
             AND reserved.expires = holding.expires) AS free \
             FROM holding WHERE expires > 0 AND expires < ?1) WHERE free > 0 \
             ORDER BY member, purse, vests, expires LIMIT ?2",
            rusqlite::params![today, values::signed(RECORD_ENTRY_COUNT_MAX as u64)],
            |row| Ok(return_entry(values::member(row, 0)?, row.get(1)?, values::lot(row, 2)?, row.get(4)?)),
        )?)
    }
}
