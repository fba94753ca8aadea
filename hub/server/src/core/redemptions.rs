//! Redemptions as head office knows them: one row each, kept by the records that tell of it, whichever journal they came
//! in.

use counterfoil_protocol::id::{EventId, IncarnationId, MemberId};
use counterfoil_protocol::record::{RedemptionRecord, ReleaseReason, Rights};
use counterfoil_protocol::time::rfc3339_utc;
use rusqlite::{OptionalExtension as _, Row};

use super::Hub;
use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};
use super::incarnations::{Incarnation, bucket_of};
use super::views::RedemptionView;

/// Where a redemption is in its life.
pub(super) mod state {
    pub const RESERVED: &str = "reserved";
    pub const REDEEMED: &str = "redeemed";
    pub const CANCELLED: &str = "cancelled";
    pub const TIMED_OUT: &str = "timed-out";
    pub const REVERSED: &str = "reversed";
}

#[derive(Debug, Clone)]
pub(super) struct Redemption {
    pub id: EventId,
    pub member: MemberId,
    pub reward: Option<String>,
    pub purse: String,
    pub units: i64,
    pub rights: String,
    pub sale_ref: Option<String>,
    pub store: String,
    pub terminal: String,
    pub state: String,
    /// The record whose entries spend it.
    pub spent: Option<EventId>,
    pub reversed_by: Option<String>,
    pub posted_ms: i64,
}

const COLUMNS: &str = "incarnation, position, member, reward, purse, units, rights, sale_ref, store, terminal, state,
    spent_in, spent_at, reversed_by, posted_ms FROM redemption";

fn read(row: &Row<'_>) -> rusqlite::Result<Redemption> {
    let spent: Option<([u8; 16], i64)> = row.get::<_, Option<[u8; 16]>>(11)?.zip(row.get::<_, Option<i64>>(12)?);
    Ok(Redemption {
        id: EventId { incarnation: IncarnationId(row.get(0)?), position: unsigned(row.get(1)?) },
        member: MemberId(row.get(2)?),
        reward: row.get(3)?,
        purse: row.get(4)?,
        units: row.get(5)?,
        rights: row.get(6)?,
        sale_ref: row.get(7)?,
        store: row.get(8)?,
        terminal: row.get(9)?,
        state: row.get(10)?,
        spent: spent.map(|(id, at)| EventId { incarnation: IncarnationId(id), position: unsigned(at) }),
        reversed_by: row.get(13)?,
        posted_ms: row.get(14)?,
    })
}

fn rights_text(rights: Rights) -> &'static str {
    match rights {
        Rights::Held => "held",
        Rights::Granted => "granted",
        Rights::Floor => "floor",
    }
}

impl Act<'_> {
    /// A redemption, or a reservation (`spent` absent).
    pub(super) fn note_redemption(
        &self,
        incarnation: &Incarnation,
        id: EventId,
        redemption: &RedemptionRecord,
        spent: Option<EventId>,
    ) -> Result<(), HubError> {
        let state = if spent.is_some() { state::REDEEMED } else { state::RESERVED };
        self.tx
            .prepare_cached(
                "INSERT OR IGNORE INTO redemption (bucket, incarnation, position, member, reward, purse, units, rights,
                     sale_ref, store, terminal, state, spent_in, spent_at, posted_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )
            .and_then(|mut insert| {
                insert.execute(rusqlite::params![
                    bucket_of(id.incarnation),
                    id.incarnation.0,
                    signed(id.position),
                    redemption.member.0,
                    redemption.reward,
                    redemption.purse,
                    redemption.units,
                    rights_text(redemption.rights),
                    redemption.sale_ref,
                    incarnation.store,
                    incarnation.terminal,
                    state,
                    spent.map(|event| event.incarnation.0),
                    spent.map(|event| signed(event.position)),
                    self.now_ms,
                ])
            })
            .doing("noting a redemption")?;
        Ok(())
    }

    /// A reservation ended unspent. What was spent or undone stays so.
    pub(super) fn note_release(&self, reservation: EventId, reason: ReleaseReason) -> Result<(), HubError> {
        let state = match reason {
            ReleaseReason::Cancelled => state::CANCELLED,
            ReleaseReason::TimedOut => state::TIMED_OUT,
        };
        self.tx
            .prepare_cached(
                "UPDATE redemption SET state = ?4
                 WHERE bucket = ?1 AND incarnation = ?2 AND position = ?3 AND state = 'reserved'",
            )
            .and_then(|mut update| {
                let (bucket, id) = (bucket_of(reservation.incarnation), reservation.incarnation.0);
                update.execute((bucket, id, signed(reservation.position), state))
            })
            .doing("noting the end of a reservation")?;
        Ok(())
    }

    /// A reservation was spent by a record.
    pub(super) fn note_confirmation(&self, reservation: EventId, spent: EventId) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "UPDATE redemption SET state = 'redeemed', spent_in = ?4, spent_at = ?5
                 WHERE bucket = ?1 AND incarnation = ?2 AND position = ?3 AND state <> 'reversed'",
            )
            .and_then(|mut update| {
                update.execute((
                    bucket_of(reservation.incarnation),
                    reservation.incarnation.0,
                    signed(reservation.position),
                    spent.incarnation.0,
                    signed(spent.position),
                ))
            })
            .doing("noting a confirmation")?;
        Ok(())
    }

    /// A redemption was undone, by a record or by head office.
    pub(super) fn note_reversed(&self, redemption: EventId, by: &str) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "UPDATE redemption SET state = 'reversed', reversed_by = coalesce(reversed_by, ?4)
                 WHERE bucket = ?1 AND incarnation = ?2 AND position = ?3",
            )
            .and_then(|mut update| {
                let (bucket, id) = (bucket_of(redemption.incarnation), redemption.incarnation.0);
                update.execute((bucket, id, signed(redemption.position), by))
            })
            .doing("noting a reversal")?;
        Ok(())
    }

    pub(super) fn redemption_row(&self, id: EventId) -> Result<Option<Redemption>, HubError> {
        self.tx
            .prepare_cached(&format!("SELECT {COLUMNS} WHERE bucket = ?1 AND incarnation = ?2 AND position = ?3"))
            .and_then(|mut query| {
                let key = (bucket_of(id.incarnation), id.incarnation.0, signed(id.position));
                query.query_row(key, read).optional()
            })
            .doing("reading a redemption")
    }

    /// Units of a member's last redemptions from a purse, latest first.
    pub(super) fn past_redemptions(&self, member: MemberId, purse: &str, limit: usize) -> Result<Vec<i64>, HubError> {
        self.tx
            .prepare_cached(
                "SELECT units FROM redemption WHERE member = ?1 AND purse = ?2 AND state = 'redeemed'
                 ORDER BY posted_ms DESC, bucket, incarnation, position LIMIT ?3",
            )
            .and_then(|mut query| query.query_map((member.0, purse, signed(limit as u64)), |row| row.get(0))?.collect())
            .doing("reading past redemptions")
    }

    pub(super) fn redemption_view(&self, id: EventId) -> Result<RedemptionView, HubError> {
        let stands = self.standing_for(id)?;
        let found = self.redemption_row(stands)?.ok_or_else(|| HubError::not_found("redemption", id))?;
        let reversal = match found.state.as_str() {
            state::REVERSED => None,
            _ => self.reversal_is_ordered(found.id)?.then(|| "requested".to_owned()),
        };
        Ok(RedemptionView {
            redemption_id: found.id.to_string(),
            state: found.state,
            member_id: found.member.to_string(),
            reward: found.reward,
            purse: found.purse,
            amount: found.units,
            rights: found.rights,
            sale_ref: found.sale_ref,
            store: found.store,
            terminal: found.terminal,
            reversed_by: found.reversed_by,
            reversal,
            posted_at: rfc3339_utc(found.posted_ms),
        })
    }
}

impl Hub {
    /// A redemption or reservation that a till forwarded.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn redemption(&self, id: EventId) -> Result<RedemptionView, HubError> {
        self.read(0, |act| act.redemption_view(id))
    }
}
