//! Expiry: units whose date has passed everywhere on earth end, where head office holds them.
//!
//! What a till holds is not touched: a redemption made in time is never undone, whenever it arrives. The till gives such
//! units back by its own clock, and they end here then.

use counterfoil_protocol::entry::{Entry, EntryKind, Lot};
use counterfoil_protocol::id::{Holder, MemberId};
use counterfoil_protocol::time::{Date, StoreCalendar};

use super::Hub;
use super::act::{Act, signed};
use super::error::{Doing as _, HubError};
use super::ledger::parse;

/// The last place on earth to end a day is twelve hours behind UTC.
const LAST_ZONE_MS: i64 = 12 * 3_600_000;

impl Hub {
    /// Ends units that are past their date, of at most `members_max` members; says of how many it did. 0: nothing is
    /// due.
    ///
    /// # Errors
    /// When the database fails.
    pub fn expire_due(&mut self, now_ms: i64, members_max: usize) -> Result<usize, HubError> {
        if self.read(now_ms, |act| act.members_with_expired(1))?.is_empty() {
            return Ok(0);
        }
        self.change(now_ms, |act| {
            let members = act.members_with_expired(members_max)?;
            for member in &members {
                act.expire(*member)?;
            }
            Ok(members.len())
        })
    }
}

impl Act<'_> {
    /// The earliest date that it still is somewhere.
    fn earliest_date(&self) -> Date {
        let calendar = StoreCalendar::new("UTC", "00:00").expect("UTC is in every time zone database");
        calendar.business_date(self.now_ms.saturating_sub(LAST_ZONE_MS))
    }

    fn members_with_expired(&self, limit: usize) -> Result<Vec<MemberId>, HubError> {
        let today = self.earliest_date().to_string();
        let sql = if self.faults.expire_granted {
            "SELECT DISTINCT member FROM holding
             WHERE units > 0 AND substr(lot, -1) <> '-' AND substr(lot, instr(lot, '/') + 1) < ?1 LIMIT ?2"
        } else {
            // The constants and the expression are those of the index.
            "SELECT DISTINCT member FROM holding
             WHERE holder = 'hub' AND units > 0 AND substr(lot, -1) <> '-' AND substr(lot, instr(lot, '/') + 1) < ?1
             LIMIT ?2"
        };
        self.tx
            .prepare_cached(sql)
            .and_then(|mut query| {
                query.query_map((today, signed(limit as u64)), |row| row.get(0).map(MemberId))?.collect()
            })
            .doing("looking for what expires")
    }

    fn expire(&self, member: MemberId) -> Result<(), HubError> {
        let rows: Vec<(String, String, String, i64)> = self
            .tx
            .prepare_cached(
                "SELECT purse, lot, holder, units FROM holding
                 WHERE bucket = ?1 AND member = ?2 AND units > 0 ORDER BY purse, lot, holder",
            )
            .and_then(|mut query| {
                query
                    .query_map((member.bucket(), member.0), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?
                    .collect()
            })
            .doing("reading what expires")?;
        let today = self.earliest_date();
        let mut entries = Vec::new();
        for (purse, lot, holder, units) in rows {
            let (lot, holder): (Lot, Holder) = (parse(&lot, "lot")?, parse(&holder, "holder")?);
            if lot.expires.is_none_or(|date| date >= today) {
                continue;
            }
            let entry = |kind, to| Entry { kind, member, purse: purse.clone(), lot, units, to, debt: None };
            if holder != Holder::Hub {
                if !self.faults.expire_granted {
                    continue;
                }
                entries.push(entry(EntryKind::Settle, Some(holder)));
            }
            entries.push(entry(EntryKind::Expire, None));
        }
        self.write_hub_entries(member, entries, None)?;
        self.feed_state(member)
    }
}
