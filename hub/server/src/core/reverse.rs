//! Redemptions that somebody else than their author wants undone: ordered from the author while it lives, done by head
//! office once the author is settled, and never twice.
//!
//! The author's own reversal posts as it is. Where head office has undone a redemption already, a reversal that arrives
//! later moves nothing and is listed.

use counterfoil_ledger::{Exception, ExceptionKind, LedgerView as _};
use counterfoil_protocol::entry::{Account, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, Holder, IncarnationId, MemberId};
use counterfoil_protocol::limits::SHARED_BUCKET;
use counterfoil_protocol::record::{Idempotency, Record, ReversalRecord};
use counterfoil_protocol::wire::v1::feed::ReverseOrder;
use rusqlite::OptionalExtension as _;

use super::Hub;
use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};
use super::incarnations::bucket_of;
use super::ledger::{Ledger, parse_account};
use super::redemptions::{Redemption, state};
use super::views::{RedemptionView, Reply};

/// Who undid it, where no record did.
const HUB: &str = "hub";
/// Characters of a reason.
const REASON_CHAR_COUNT_MAX: usize = 500;

fn subject(redemption: EventId) -> Vec<u8> {
    [redemption.incarnation.0.as_slice(), &redemption.position.to_be_bytes()].concat()
}

impl Hub {
    /// Has a redemption undone: by its author when it next calls, or at once where that has ended. The same again is
    /// the same.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` for what was never spent, `Invalid` without a reason, `IdempotencyMismatch`.
    pub fn request_reversal(
        &mut self,
        redemption: EventId,
        reason: &str,
        key: Option<&Idempotency>,
        now_ms: i64,
    ) -> Result<Reply<RedemptionView>, HubError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_CHAR_COUNT_MAX {
            return Err(HubError::invalid("reason", format!("say in 1 to {REASON_CHAR_COUNT_MAX} characters why")));
        }
        self.change(now_ms, |act| {
            act.once(key, || {
                let view = act.redemption_view(redemption)?;
                if matches!(view.state.as_str(), state::RESERVED | state::CANCELLED | state::TIMED_OUT) {
                    return Err(HubError::conflict(format!(
                        "redemption {redemption} is {}, nothing was spent",
                        view.state
                    )));
                }
                let request = format!("hub.{}", act.next(SHARED_BUCKET, "hub_sequence")?);
                act.order_reversal(redemption, &request, Some(reason))?;
                act.redemption_view(redemption)
            })
        })
    }
}

impl Act<'_> {
    /// Somebody else than its author wants a redemption undone. The first order counts.
    pub(super) fn order_reversal(
        &self,
        redemption: EventId,
        request: &str,
        reason: Option<&str>,
    ) -> Result<(), HubError> {
        let redemption = self.standing_for(redemption)?;
        if self.redemption_row(redemption)?.is_some_and(|row| row.state == state::REVERSED) {
            return Ok(());
        }
        let fresh = self
            .tx
            .prepare_cached(
                "INSERT OR IGNORE INTO reversal_order (bucket, incarnation, position, request, reason, ordered_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .and_then(|mut insert| {
                let (bucket, id) = (bucket_of(redemption.incarnation), redemption.incarnation.0);
                insert.execute((bucket, id, signed(redemption.position), request, reason, self.now_ms))
            })
            .doing("ordering a reversal")?;
        if fresh > 0 { self.carry_order(redemption) } else { Ok(()) }
    }

    /// Tells a living author; does it for one that has ended. What is not here yet waits.
    fn carry_order(&self, redemption: EventId) -> Result<(), HubError> {
        let row = self.redemption_row(redemption)?;
        let author = row.as_ref().and_then(|row| row.spent).map_or(redemption.incarnation, |spent| spent.incarnation);
        let Some(life) = self.incarnation(author)? else { return Ok(()) };
        if !life.is_settled {
            return self.append_feed(bucket_of(author), "reverse", &subject(redemption), None, Some(author), None);
        }
        match row {
            Some(row) if row.state == state::REDEEMED => self.reverse_here(&row),
            _ => Ok(()),
        }
    }

    /// An incarnation has ended: what it was told to undo and did not, head office undoes.
    pub(super) fn execute_waiting_reversals(&self, incarnation: IncarnationId) -> Result<(), HubError> {
        let waiting: Vec<([u8; 16], i64)> = self
            .tx
            .prepare_cached(
                "SELECT o.incarnation, o.position FROM reversal_order o
                 LEFT JOIN redemption r USING (bucket, incarnation, position)
                 WHERE o.done_ms IS NULL AND (o.incarnation = ?1 OR r.spent_in = ?1) ORDER BY o.incarnation, o.position",
            )
            .and_then(|mut query| query.query_map([incarnation.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .doing("reading waiting reversals")?;
        for (id, position) in waiting {
            self.carry_order(EventId { incarnation: IncarnationId(id), position: unsigned(position) })?;
        }
        Ok(())
    }

    /// A redemption has been posted: an order for it may have been here before, by this name or its first.
    pub(super) fn order_that_waited(&self, record: &Record, here: EventId) -> Result<(), HubError> {
        if let Some(origin) = &record.origin {
            self.tx
                .prepare_cached(
                    "UPDATE OR IGNORE reversal_order SET bucket = ?1, incarnation = ?2, position = ?3
                     WHERE bucket = ?4 AND incarnation = ?5 AND position = ?6 AND done_ms IS NULL",
                )
                .and_then(|mut update| {
                    let (from, at) = (origin.incarnation, signed(origin.position));
                    let to = (bucket_of(here.incarnation), here.incarnation.0, signed(here.position));
                    update.execute((to.0, to.1, to.2, bucket_of(from), from.0, at))
                })
                .doing("moving an order to the record that stands for its redemption")?;
        }
        self.carry_waiting_order(here)
    }

    pub(super) fn carry_waiting_order(&self, redemption: EventId) -> Result<(), HubError> {
        if self.reversal_is_ordered(redemption)? { self.carry_order(redemption) } else { Ok(()) }
    }

    /// The exception where a redemption was undone before a journal's reversal of it came: then that posts nothing.
    pub(super) fn reversed_before(
        &self,
        journal: IncarnationId,
        reversal: &ReversalRecord,
    ) -> Result<Option<Exception>, HubError> {
        let redemption = self.meant(journal, reversal.redemption)?;
        let by = self.redemption_row(redemption)?.and_then(|row| row.reversed_by);
        let Some(by) = by.filter(|_| !self.faults.reverse_twice) else { return Ok(None) };
        let who = if by == HUB { "head office".to_owned() } else { format!("record {by}") };
        let reason = format!("{who} had undone {redemption} when this reversal came: counted once");
        Ok(Some(Exception { kind: ExceptionKind::AlreadyReversed, reason }))
    }

    /// The author has undone a redemption.
    pub(super) fn note_reversal(&self, event: EventId, reversal: &ReversalRecord) -> Result<(), HubError> {
        let redemption = self.meant(event.incarnation, reversal.redemption)?;
        self.note_reversed(redemption, &event.to_string())?;
        self.end_order(redemption)
    }

    fn end_order(&self, redemption: EventId) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "UPDATE reversal_order SET done_ms = coalesce(done_ms, ?4)
                 WHERE bucket = ?1 AND incarnation = ?2 AND position = ?3",
            )
            .and_then(|mut update| {
                let (bucket, id) = (bucket_of(redemption.incarnation), redemption.incarnation.0);
                update.execute((bucket, id, signed(redemption.position), self.now_ms))
            })
            .doing("ending an order")?;
        let author = self.redemption_row(redemption)?.and_then(|row| row.spent).unwrap_or(redemption).incarnation;
        for bucket in [bucket_of(author), bucket_of(redemption.incarnation)] {
            self.remove_feed(bucket, "reverse", &subject(redemption))?;
        }
        Ok(())
    }

    pub(super) fn reversal_is_ordered(&self, redemption: EventId) -> Result<bool, HubError> {
        self.tx
            .prepare_cached(
                "SELECT 1 FROM reversal_order
                 WHERE bucket = ?1 AND incarnation = ?2 AND position = ?3 AND done_ms IS NULL",
            )
            .and_then(|mut query| {
                let (bucket, id) = (bucket_of(redemption.incarnation), redemption.incarnation.0);
                query.exists((bucket, id, signed(redemption.position)))
            })
            .doing("looking for an order")
    }

    /// What a row of the feed says now.
    pub(super) fn reverse_order(&self, subject: &[u8]) -> Result<Option<ReverseOrder>, HubError> {
        let (Ok(id), Ok(at)) = (
            <[u8; 16]>::try_from(subject.get(..16).unwrap_or_default()),
            <[u8; 8]>::try_from(subject.get(16..).unwrap_or_default()),
        ) else {
            return Ok(None);
        };
        let redemption = EventId { incarnation: IncarnationId(id), position: u64::from_be_bytes(at) };
        self.tx
            .prepare_cached(
                "SELECT request, reason FROM reversal_order
                 WHERE bucket = ?1 AND incarnation = ?2 AND position = ?3 AND done_ms IS NULL",
            )
            .and_then(|mut query| {
                let (bucket, id) = (bucket_of(redemption.incarnation), redemption.incarnation.0);
                query
                    .query_row((bucket, id, signed(redemption.position)), |row| {
                        Ok(ReverseOrder { redemption, request: row.get(0)?, reason: row.get(1)? })
                    })
                    .optional()
            })
            .doing("reading an order")
    }

    /// Undoes a redemption of an author that has ended: its units come to head office, its debts are no longer owed.
    fn reverse_here(&self, redemption: &Redemption) -> Result<(), HubError> {
        let Some(spent) = redemption.spent else { return Ok(()) };
        let (member, purse) = (redemption.member, redemption.purse.as_str());
        let mut entries: Vec<Entry> = Vec::new();
        let mut paid = std::collections::BTreeMap::new();
        for (lot, debit, units) in self.spent_rows(member, purse, spent)? {
            let entry = |units, to, debt| Entry {
                kind: EntryKind::ReverseRedemption,
                member,
                purse: purse.to_owned(),
                lot,
                units,
                to,
                debt,
            };
            let mut to_hub = units;
            if let Account::Debt(kind) = debit {
                // What has been repaid meanwhile comes back as units.
                let planned = paid.entry(kind).or_insert(0i64);
                let owed = Ledger(self.tx).debt(member, purse, kind)?.saturating_sub(*planned);
                let forgiven = units.min(owed.max(0));
                *planned += forgiven;
                to_hub -= forgiven;
                entries.extend((forgiven > 0).then(|| entry(forgiven, None, Some(kind))));
            }
            entries.extend((to_hub > 0).then(|| entry(to_hub, Some(Holder::Hub), None)));
        }
        self.write_hub_entries(member, entries, Some("a redemption was undone whose till has ended"))?;
        self.note_reversed(redemption.id, HUB)?;
        self.end_order(redemption.id)?;
        self.repay(member, purse)?;
        self.feed_state(member)?;
        self.plan_soon(member)
    }

    /// The rows that spent a redemption: lot, what gave, units.
    fn spent_rows(&self, member: MemberId, purse: &str, spent: EventId) -> Result<Vec<(Lot, Account, i64)>, HubError> {
        let rows: Vec<(Vec<u8>, String, i64)> = self
            .tx
            .prepare_cached(
                "SELECT entry, debit, units FROM entry
                 WHERE bucket = ?1 AND member = ?2 AND purse = ?3 AND incarnation = ?4 AND position = ?5
                   AND credit = 'redeemed' ORDER BY sequence",
            )
            .and_then(|mut query| {
                let key = (member.bucket(), member.0, purse, spent.incarnation.0, signed(spent.position));
                query.query_map(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
            })
            .doing("reading what a redemption spent")?;
        rows.into_iter()
            .map(|(bytes, debit, units)| {
                let entry: Entry = minicbor::decode(&bytes).map_err(|error| HubError::Database {
                    detail: format!("an entry of redemption {spent} cannot be read back: {error}"),
                })?;
                Ok((entry.lot, parse_account(&debit)?, units))
            })
            .collect()
    }
}
