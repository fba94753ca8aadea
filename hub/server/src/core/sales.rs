//! Sales as the till forwarded them: known by terminal and receipt number, voided, repeated, listed.

use counterfoil_ledger::{Exception, ExceptionKind};
use counterfoil_protocol::id::{EventId, IncarnationId, MemberId};
use counterfoil_protocol::record::{Body, Record, SaleRecord};
use counterfoil_protocol::sale::SaleKind;
use counterfoil_protocol::time::{Date, rfc3339_utc};
use rusqlite::OptionalExtension as _;

use super::act::{Act, signed, unsigned};
use super::books::{SaleFilter, Wanted};
use super::error::{Doing as _, HubError};
use super::incarnations::{Incarnation, bucket_of};
use super::views::{Listing, SaleView};
use super::{Hub, LIST_LENGTH_MAX};

/// A receipt number names the same sale within this time.
const SAME_RECEIPT_MS: i64 = 20 * 3_600_000;

fn kind_text(kind: SaleKind) -> &'static str {
    match kind {
        SaleKind::Sale => "sale",
        SaleKind::Return => "return",
    }
}

impl Act<'_> {
    /// The sale that this one repeats, where another life of the same till recorded it: a restored till reads its
    /// spool twice. Other content under the same number is a conflict, posted as it is. Within one life the till's
    /// own decision stands.
    pub(super) fn reprint_of(
        &self,
        incarnation: &Incarnation,
        sale: &SaleRecord,
        exceptions: &mut Vec<Exception>,
    ) -> Result<Option<EventId>, HubError> {
        let number = &sale.sale.receipt_number;
        let earlier: Option<([u8; 16], i64, bool)> = self
            .tx
            .prepare_cached(
                "SELECT incarnation, position, kind = ?5 AND currency = ?6 AND total = ?7 FROM sale
                 WHERE terminal = ?1 AND receipt_number = ?2 AND incarnation <> ?3
                   AND occurred_ms BETWEEN ?4 AND ?8 AND reprint_of IS NULL
                 ORDER BY position LIMIT 1",
            )
            .and_then(|mut query| {
                let key = (
                    &incarnation.terminal,
                    number,
                    incarnation.id.0,
                    sale.occurred_at_ms.saturating_sub(SAME_RECEIPT_MS),
                    kind_text(sale.sale.kind),
                    &sale.sale.currency,
                    sale.sale.total,
                    sale.occurred_at_ms.saturating_add(SAME_RECEIPT_MS),
                );
                query.query_row(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
            })
            .doing("looking for the same receipt")?;
        let Some((earlier, position, is_same)) = earlier else { return Ok(None) };
        let earlier = EventId { incarnation: IncarnationId(earlier), position: unsigned(position) };
        let (kind, reason, reprint) = if is_same {
            let reason = format!("receipt {number} was posted as {earlier} already: not posted a second time");
            (ExceptionKind::ProbableReprint, reason, Some(earlier))
        } else {
            let reason = format!("receipt {number} was posted as {earlier} with other content: both are posted");
            (ExceptionKind::ReceiptConflict, reason, None)
        };
        exceptions.push(Exception { kind, reason });
        Ok(reprint)
    }

    pub(super) fn write_sale(
        &self,
        incarnation: &Incarnation,
        event: EventId,
        record: &Record,
        sale: &SaleRecord,
        reprint_of: Option<EventId>,
    ) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "INSERT OR IGNORE INTO sale (bucket, incarnation, position, terminal, store, business_date,
                     receipt_number, kind, currency, total, occurred_ms, member, posted_ms, reprint_of)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )
            .and_then(|mut insert| {
                insert.execute(rusqlite::params![
                    incarnation.bucket(),
                    event.incarnation.0,
                    signed(event.position),
                    incarnation.terminal,
                    incarnation.store,
                    record.business_date.packed(),
                    sale.sale.receipt_number,
                    kind_text(sale.sale.kind),
                    sale.sale.currency,
                    sale.sale.total,
                    sale.occurred_at_ms,
                    sale.member.map(|member| member.0),
                    self.now_ms,
                    reprint_of.map(|event| event.to_string()),
                ])
            })
            .doing("writing a sale")?;
        match sale.member {
            Some(member) if reprint_of.is_none() => self.note_visit(member, sale, &incarnation.store),
            _ => Ok(()),
        }
    }

    /// Marks a sale as voided, whose journal may be of an earlier life of the void's terminal.
    pub(super) fn write_void(&self, void: EventId, sale: Option<EventId>) -> Result<(), HubError> {
        let Some(sale) = sale else { return Ok(()) };
        let voided: Option<(Option<[u8; 16]>, String)> = self
            .tx
            .prepare_cached(
                "UPDATE sale SET voided_by = ?4, voided_in = ?5 WHERE bucket = ?1 AND incarnation = ?2 AND position = ?3
                 AND voided_by IS NULL RETURNING member, kind",
            )
            .and_then(|mut update| {
                let (id, position) = (sale.incarnation, signed(sale.position));
                let key = (bucket_of(id), id.0, position, signed(void.position), void.incarnation.0);
                update.query_row(key, |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .doing("marking a sale as voided")?;
        match voided {
            Some((Some(member), kind)) if kind == "sale" && !self.was_training(sale.incarnation, sale.position)? => {
                self.count_visit(MemberId(member), -1)
            }
            _ => Ok(()),
        }
    }

    /// A training sale never counted as a visit.
    fn was_training(&self, incarnation: IncarnationId, position: u64) -> Result<bool, HubError> {
        let records = self.records(incarnation, position, position, 1)?;
        let record = records.first().and_then(|(_, bytes)| Record::from_bytes(bytes).ok());
        Ok(matches!(record.map(|record| record.body), Some(Body::Sale(sale)) if sale.sale.training))
    }

    fn sale_view(&self, id: IncarnationId, position: u64, lane: String, row: SaleRow) -> Result<SaleView, HubError> {
        let records = self.records(id, position, position, 1)?;
        let gone = || HubError::Database { detail: format!("the record of sale {id}-{position} cannot be read back") };
        let (_, bytes) = records.first().ok_or_else(gone)?;
        let record = Record::from_bytes(bytes).map_err(|_| gone())?;
        let Body::Sale(sale) = record.body else { return Err(gone()) };
        let mut marks = record.marks;
        if row.reprint_of.is_some() && !marks.iter().any(|mark| mark == "probable-reprint") {
            marks.push("probable-reprint".to_owned());
        }
        Ok(SaleView {
            sale_id: EventId { incarnation: id, position }.to_string(),
            store: row.store,
            terminal: row.terminal,
            lane,
            business_date: record.business_date.to_string(),
            sequence: record.day_sequence,
            member_id: sale.member.map(|member| member.to_string()),
            accrued: sale.awards,
            marks,
            voided_by: row
                .voided_by
                .map(|(within, position)| EventId { incarnation: within.unwrap_or(id), position }.to_string()),
            recorded_at: rfc3339_utc(record.recorded_at_ms),
            sale: sale.sale,
        })
    }
}

fn voided_by(
    row: &rusqlite::Row<'_>,
    position: usize,
    journal: usize,
) -> rusqlite::Result<Option<(Option<IncarnationId>, u64)>> {
    let within = row.get::<_, Option<[u8; 16]>>(journal)?.map(IncarnationId);
    Ok(row.get::<_, Option<i64>>(position)?.map(|position| (within, unsigned(position))))
}

struct SaleRow {
    store: String,
    terminal: String,
    /// The void's position, and its journal where that is noted.
    voided_by: Option<(Option<IncarnationId>, u64)>,
    reprint_of: Option<String>,
}

impl Hub {
    /// Sales in the order they came. `limit` is cut to 1,000.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is none.
    pub fn sales(&self, filter: &SaleFilter, after: Option<&str>, limit: usize) -> Result<Listing<SaleView>, HubError> {
        let limit = limit.clamp(1, LIST_LENGTH_MAX);
        let (after_ms, after_id) = read_cursor(after)?;
        self.read(0, |act| {
            let rows = act.sale_rows(filter, after_ms, after_id, limit + 1)?;
            let next = rows.get(limit).and_then(|_| rows.get(limit - 1)).map(|(posted_ms, id, position, ..)| {
                format!("{posted_ms}.{}", EventId { incarnation: *id, position: *position })
            });
            let items = rows
                .into_iter()
                .take(limit)
                .map(|(_, id, position, lane, row)| act.sale_view(id, position, lane, row))
                .collect::<Result<_, _>>()?;
            Ok(Listing { items, next })
        })
    }

    /// A sale by its id.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn sale(&self, id: EventId) -> Result<SaleView, HubError> {
        self.read(0, |act| {
            let found = act
                .tx
                .prepare_cached(
                    "SELECT s.store, s.terminal, s.voided_by, s.reprint_of, t.lane, s.voided_in
                     FROM sale s JOIN terminal t ON t.terminal = s.terminal
                     WHERE s.bucket = ?1 AND s.incarnation = ?2 AND s.position = ?3",
                )
                .and_then(|mut query| {
                    query
                        .query_row((bucket_of(id.incarnation), id.incarnation.0, signed(id.position)), |row| {
                            let (store, terminal) = (row.get(0)?, row.get(1)?);
                            let row_of =
                                SaleRow { store, terminal, voided_by: voided_by(row, 2, 5)?, reprint_of: row.get(3)? };
                            Ok((row_of, row.get(4)?))
                        })
                        .optional()
                })
                .doing("reading a sale")?;
            let (row, lane) = found.ok_or_else(|| HubError::not_found("sale", id))?;
            act.sale_view(id.incarnation, id.position, lane, row)
        })
    }
}

type FoundSale = (i64, IncarnationId, u64, String, SaleRow);

impl Act<'_> {
    fn sale_rows(
        &self,
        filter: &SaleFilter,
        after_ms: i64,
        after: EventId,
        limit: usize,
    ) -> Result<Vec<FoundSale>, HubError> {
        let place = vec![after_ms.into(), after.incarnation.0.to_vec().into(), signed(after.position).into()];
        let mut wanted = Wanted::new("(s.posted_ms, s.incarnation, s.position) > (?, ?, ?)", place);
        wanted.and("s.store = ?", filter.store.clone());
        wanted.and("s.terminal = ?", filter.terminal.clone());
        wanted.and("s.business_date = ?", filter.business_date.map(Date::packed));
        wanted.and("s.member = ?", filter.member.map(|member| member.0.to_vec()));
        self.tx
            .prepare_cached(&format!(
                "SELECT s.posted_ms, s.incarnation, s.position, t.lane, s.store, s.terminal, s.voided_by, s.reprint_of,
                        s.voided_in
                 FROM sale s JOIN terminal t ON t.terminal = s.terminal
                 WHERE {} ORDER BY s.posted_ms, s.incarnation, s.position LIMIT ?",
                wanted.conditions
            ))
            .and_then(|mut query| {
                query
                    .query_map(wanted.values(limit), |row| {
                        let (store, terminal) = (row.get(4)?, row.get(5)?);
                        let found =
                            SaleRow { store, terminal, voided_by: voided_by(row, 6, 8)?, reprint_of: row.get(7)? };
                        Ok((row.get(0)?, IncarnationId(row.get(1)?), unsigned(row.get(2)?), row.get(3)?, found))
                    })?
                    .collect()
            })
            .doing("listing sales")
    }
}

fn read_cursor(after: Option<&str>) -> Result<(i64, EventId), HubError> {
    let Some(text) = after.filter(|text| !text.is_empty()) else {
        return Ok((i64::MIN, EventId { incarnation: IncarnationId([0; 16]), position: 0 }));
    };
    let bad = || HubError::invalid("after", "this is not a cursor of this list: take `next` of an earlier answer");
    let (ms, id) = text.split_once('.').ok_or_else(bad)?;
    Ok((ms.parse().map_err(|_| bad())?, id.parse().map_err(|_| bad())?))
}
