//! Reconciliation: each till's business day, what head office counts over the same records, what the POS says.
//!
//! Head office counts when a close is posted, over the bytes it has itself, and judges when it is asked, because the
//! POS may speak later. A day whose records are not all here waits, and names what is missing.

use std::collections::BTreeSet;

use counterfoil_ledger::{ReadRecord, Verdict, judge_day, read_record};
use counterfoil_protocol::day::{DayClose, DayTotals, PosTotals, PurseTotals, Range};
use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::record::{Body, Chain, Idempotency, PosTotalsRecord, Record};
use counterfoil_protocol::time::Date;
use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};

use super::Hub;
use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};
use super::fleet::calendar;
use super::incarnations::{Incarnation, bucket_of};
use super::ledger::parse;
use super::views::{DayKey, DayState, DayView, Reply};

/// Records read at a time.
const CHUNK_RECORD_COUNT: usize = 500;
/// Business dates shown where none is named.
const DATE_COUNT: i64 = 31;

/// What head office counts over a day's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    /// In the form of a close.
    totals: DayClose,
    /// Receipt numbers in the records.
    receipts: BTreeSet<String>,
    /// What is wrong with the close's ranges.
    notes: Vec<String>,
}

/// A closed day as it is stored.
pub(super) struct StoredDay {
    pub incarnation: IncarnationId,
    pub close_position: u64,
    pub close: DayClose,
    pub counted: Option<Counted>,
    terminal: String,
    store: String,
    lane: String,
}

#[derive(Default)]
struct Count {
    totals: DayTotals,
    receipts: BTreeSet<String>,
    last: Option<Record>,
}

impl Count {
    fn add(&mut self, record: Record) {
        self.totals.add(&record);
        let number = match &record.body {
            Body::Sale(sale) => Some(&sale.sale.receipt_number),
            Body::Void(void) => void.receipt_number.as_ref(),
            Body::Document(document) => document.receipt_number.as_ref(),
            _ => None,
        };
        self.receipts.extend(number.cloned());
        self.last = Some(record);
    }

    fn into_close(self, date: Date, sequence: u32, ranges: Vec<Range>, chain: Chain) -> (DayClose, BTreeSet<String>) {
        let purses = self.totals.purse_totals();
        let DayTotals { records, sales, gross, tax, .. } = self.totals;
        let close = DayClose {
            business_date: date,
            sequence,
            ranges,
            records,
            sales,
            gross,
            tax,
            purses,
            chain,
            pos_totals: None,
            receipt_gaps: Vec::new(),
        };
        (close, self.receipts)
    }
}

fn totals_of(close: &DayClose) -> DayTotals {
    let of = |purse: &PurseTotals| (purse.purse.clone(), (purse.accrued, purse.redeemed));
    let purses = close.purses.iter().map(of).collect();
    DayTotals { records: close.records, sales: close.sales, gross: close.gross, tax: close.tax, purses }
}

impl Act<'_> {
    fn count(&self, count: &mut Count, incarnation: IncarnationId, from: u64, to: u64) -> Result<(), HubError> {
        let mut next = from;
        while next <= to {
            let records = self.records(incarnation, next, to, CHUNK_RECORD_COUNT)?;
            let Some((last, _)) = records.last() else { return Ok(()) };
            next = last + 1;
            for (_, bytes) in &records {
                if let ReadRecord::Readable(record) = read_record(bytes) {
                    count.add(*record);
                }
            }
        }
        Ok(())
    }

    /// Counts a closed day over the records that are here; `None` while some of another life of the till are missing.
    pub(super) fn count_day(
        &self,
        own: &Incarnation,
        close_position: u64,
        close: &DayClose,
    ) -> Result<Option<Counted>, HubError> {
        let (mut count, mut notes) = (Count::default(), Vec::new());
        for range in &close.ranges {
            let is_own = range.incarnation == own.id;
            // The close itself is the last of its range and not among the records it counts.
            let to = if is_own { range.to.min(close_position - 1) } else { range.to };
            let there = if is_own { Some(own.clone()) } else { self.incarnation(range.incarnation)? };
            match there {
                Some(there) if there.terminal != own.terminal => {
                    notes.push(format!("the close names records of another terminal: {}", there.terminal));
                }
                Some(there) if there.head.position >= to => {
                    self.count(&mut count, range.incarnation, range.from, to)?
                }
                _ => return Ok(None),
            }
        }
        let last = self.last_close(own.id, close_position)?;
        let first = last.map_or(1, |(position, _)| position + 1);
        if let Some((_, sequence)) = last.filter(|(_, sequence)| sequence.checked_add(1) != Some(close.sequence)) {
            notes.push(format!("the close has sequence {}, the one before it {sequence}", close.sequence));
        }
        match close.ranges.iter().find(|range| range.incarnation == own.id) {
            Some(range) if range.from == first && range.to == close_position => {}
            Some(range) => notes.push(format!(
                "the close counts records {} to {}, the day is {first} to {close_position}",
                range.from, range.to
            )),
            None => notes.push("the close does not count its own journal".to_owned()),
        }
        let chain = self.chain_after(own.id, close_position - 1)?.unwrap_or(close.chain);
        let (totals, receipts) = count.into_close(close.business_date, close.sequence, close.ranges.clone(), chain);
        Ok(Some(Counted { totals, receipts, notes }))
    }

    pub(super) fn write_day(&self, own: &Incarnation, position: u64, close: &DayClose) -> Result<(), HubError> {
        let counted = self.count_day(own, position, close)?;
        let counted = counted.map(|counted| serde_json::to_string(&counted).expect("totals are JSON"));
        let bytes = minicbor::to_vec(close).expect("encoding into memory cannot fail");
        self.tx
            .prepare_cached(
                "INSERT OR IGNORE INTO day (bucket, incarnation, sequence, business_date, terminal, store,
                     close_position, close_record, hub_totals)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .and_then(|mut insert| {
                insert.execute((
                    own.bucket(),
                    own.id.0,
                    close.sequence,
                    close.business_date.packed(),
                    &own.terminal,
                    &own.store,
                    signed(position),
                    bytes,
                    counted,
                ))
            })
            .doing("writing a closed day")?;
        Ok(())
    }

    pub(super) fn write_pos_totals(
        &self,
        own: &Incarnation,
        position: u64,
        record: &PosTotalsRecord,
    ) -> Result<(), HubError> {
        let bytes = minicbor::to_vec(&record.totals).expect("encoding into memory cannot fail");
        self.tx
            .prepare_cached(
                "INSERT INTO pos_totals (bucket, incarnation, business_date, sequence, position, totals)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET position = excluded.position, totals = excluded.totals",
            )
            .and_then(|mut insert| {
                insert.execute((
                    own.bucket(),
                    own.id.0,
                    record.business_date.packed(),
                    record.sequence,
                    signed(position),
                    bytes,
                ))
            })
            .doing("writing a POS's totals")?;
        Ok(())
    }

    /// The last close of a journal before a position: where it stands, and its sequence.
    fn last_close(&self, incarnation: IncarnationId, before: u64) -> Result<Option<(u64, u32)>, HubError> {
        self.tx
            .prepare_cached(
                "SELECT close_position, sequence FROM day
                 WHERE bucket = ?1 AND incarnation = ?2 AND close_position < ?3 ORDER BY close_position DESC LIMIT 1",
            )
            .and_then(|mut query| {
                query
                    .query_row((bucket_of(incarnation), incarnation.0, signed(before)), |row| {
                        Ok((unsigned(row.get(0)?), row.get(1)?))
                    })
                    .optional()
            })
            .doing("looking for the last close")
    }

    /// What the POS said last of a day: in the journal that closed it, or in one of a later life of the till.
    fn pos_says(&self, day: &StoredDay) -> Result<Option<PosTotals>, HubError> {
        let (date, sequence) = (day.close.business_date.packed(), day.close.sequence);
        let found: Option<(bool, i64, Vec<u8>)> = self
            .tx
            .prepare_cached(
                "SELECT p.incarnation = ?1, p.position, p.totals FROM incarnation own
                 JOIN incarnation i ON i.terminal = own.terminal AND i.number >= own.number
                 JOIN pos_totals p ON p.incarnation = i.incarnation AND p.business_date = ?2 AND p.sequence = ?3
                 WHERE own.incarnation = ?1 AND (i.incarnation = ?1 OR NOT EXISTS
                     (SELECT 1 FROM day d WHERE d.incarnation = i.incarnation AND d.business_date = ?2 AND d.sequence = ?3))
                 ORDER BY i.number DESC LIMIT 1",
            )
            .and_then(|mut query| {
                query
                    .query_row((day.incarnation.0, date, sequence), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                    .optional()
            })
            .doing("reading a POS's totals")?;
        let Some((is_own, position, bytes)) = found else { return Ok(day.close.pos_totals.clone()) };
        let is_older = is_own && unsigned(position) < day.close_position;
        match &day.close.pos_totals {
            Some(totals) if is_older => Ok(Some(totals.clone())),
            _ => minicbor::decode(&bytes)
                .map(Some)
                .map_err(|error| HubError::Database { detail: format!("POS totals cannot be read back: {error}") }),
        }
    }

    /// All closed days.
    pub(super) fn every_stored_day(&self) -> Result<Vec<StoredDay>, HubError> {
        self.stored_days(None, None, i64::MAX)
    }

    /// Closed days, by date, store, lane and sequence; where no date is named, of so many last dates.
    fn stored_days(
        &self,
        date: Option<Date>,
        store: Option<&str>,
        date_count: i64,
    ) -> Result<Vec<StoredDay>, HubError> {
        type Raw = ([u8; 16], i64, Vec<u8>, Option<String>, String, String, String);
        let raw: Vec<Raw> = self
            .tx
            .prepare_cached(
                "SELECT d.incarnation, d.close_position, d.close_record, d.hub_totals, d.terminal, d.store, t.lane
                 FROM day d JOIN terminal t ON t.terminal = d.terminal
                 WHERE (?2 IS NULL OR d.store = ?2)
                   AND (d.business_date = ?1 OR ?1 IS NULL AND d.business_date IN
                        (SELECT DISTINCT business_date FROM day ORDER BY business_date DESC LIMIT ?3))
                 ORDER BY d.business_date, d.store, t.lane, d.sequence, d.close_position",
            )
            .and_then(|mut query| {
                query
                    .query_map((date.map(Date::packed), store, date_count), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
                    })?
                    .collect()
            })
            .doing("reading closed days")?;
        raw.into_iter()
            .map(|(incarnation, position, close, counted, terminal, store, lane)| {
                let unreadable = |error: &dyn std::fmt::Display| HubError::Database {
                    detail: format!("a close cannot be read back: {error}"),
                };
                let counted =
                    counted.map(|json| serde_json::from_str(&json)).transpose().map_err(|error| unreadable(&error))?;
                Ok(StoredDay {
                    incarnation: IncarnationId(incarnation),
                    close_position: unsigned(position),
                    close: minicbor::decode(&close).map_err(|error| unreadable(&error))?,
                    counted,
                    terminal,
                    store,
                    lane,
                })
            })
            .collect()
    }

    fn closed_view(&self, day: StoredDay) -> Result<DayView, HubError> {
        let pos_totals = self.pos_says(&day)?;
        let counted = match day.counted.clone() {
            Some(counted) => Some(counted),
            None => {
                let own = self.incarnation(day.incarnation)?;
                own.map(|own| self.count_day(&own, day.close_position, &day.close)).transpose()?.flatten()
            }
        };
        let (mut state, mut differences, mut missing) = (DayState::Waiting, Vec::new(), Vec::new());
        match &counted {
            Some(Counted { totals, receipts, notes }) => {
                let verdict = judge_day(&day.close, &totals_of(totals), totals.chain, pos_totals.as_ref(), receipts);
                differences.extend(notes.iter().cloned());
                state = match verdict {
                    Verdict::Mismatched(found) => {
                        differences.extend(found);
                        DayState::Mismatched
                    }
                    _ if !differences.is_empty() => DayState::Mismatched,
                    Verdict::Balanced => DayState::Balanced,
                    Verdict::Complete => DayState::Complete,
                };
            }
            None => missing = self.missing(&day)?,
        }
        let view = DayView {
            incarnation: day.incarnation.to_string(),
            reason: None,
            terminal: day.terminal,
            store: day.store,
            lane: day.lane,
            business_date: day.close.business_date.to_string(),
            sequence: day.close.sequence,
            state,
            hub: counted.map(|counted| DayClose { pos_totals: pos_totals.clone(), ..counted.totals }),
            till: Some(day.close),
            pos_totals,
            missing,
            differences,
        };
        self.decided(view)
    }

    /// A day with what a person has decided about it, as long as that is still what there is to decide about.
    fn decided(&self, view: DayView) -> Result<DayView, HubError> {
        let state = match view.state {
            DayState::Mismatched => ("accepted", DayState::Accepted),
            DayState::Waiting => ("written-off", DayState::WrittenOff),
            _ => return Ok(view),
        };
        let incarnation: IncarnationId = parse(&view.incarnation, "incarnation")?;
        let date: Date = parse(&view.business_date, "date")?;
        let reason: Option<String> = self
            .tx
            .prepare_cached(
                "SELECT reason FROM day_decision
                 WHERE incarnation = ?1 AND business_date = ?2 AND sequence = ?3 AND state = ?4 AND what = ?5",
            )
            .and_then(|mut query| {
                let key = (incarnation.0, date.packed(), view.sequence, state.0, what_of(&view));
                query.query_row(key, |row| row.get(0)).optional()
            })
            .doing("reading what was decided about a day")?;
        Ok(match reason {
            Some(reason) => DayView { state: state.1, reason: Some(reason), ..view },
            None => view,
        })
    }

    /// Records of a life that has ended which nobody will close: those that no later life's close counts, and that no
    /// later life has written again.
    fn left_behind(&self, own: &Incarnation, from: u64) -> Result<(u64, Vec<u64>), HubError> {
        let closes: Vec<Vec<u8>> = self
            .tx
            .prepare_cached("SELECT close_record FROM day WHERE terminal = ?1 AND incarnation <> ?2")
            .and_then(|mut query| query.query_map((&own.terminal, own.id.0), |row| row.get(0))?.collect())
            .doing("reading closes of later lives")?;
        let mut first = from;
        for bytes in closes {
            let Ok(close) = minicbor::decode::<DayClose>(&bytes) else { continue };
            let counted = close.ranges.iter().filter(|range| range.incarnation == own.id).map(|range| range.to).max();
            first = first.max(counted.unwrap_or(0) + 1);
        }
        let again = self
            .tx
            .prepare_cached(
                "SELECT DISTINCT o.position FROM origin o
                 LEFT JOIN journal j ON j.bucket = o.bucket AND j.incarnation = o.incarnation AND j.position = o.position
                 WHERE o.bucket = ?1 AND o.incarnation = ?2 AND o.position >= ?3
                   AND (j.chain IS NULL OR j.chain = o.chain) ORDER BY 1",
            )
            .and_then(|mut query| {
                query
                    .query_map((own.bucket(), own.id.0, signed(first)), |row| row.get(0).map(unsigned))?
                    .collect()
            })
            .doing("reading what later lives wrote again")?;
        Ok((first, again))
    }

    fn missing(&self, day: &StoredDay) -> Result<Vec<Range>, HubError> {
        let mut missing = Vec::new();
        for range in &day.close.ranges {
            let here = self.incarnation(range.incarnation)?.map_or(0, |there| there.head.position);
            if here < range.to {
                missing.push(Range { from: range.from.max(here + 1), ..range.clone() });
            }
        }
        Ok(missing)
    }

    /// The day that a journal is in: its records after the last close, and those announced that have not come. Of a life
    /// that has ended it is what was lost with its disk.
    fn open_view(&self, own: &Incarnation) -> Result<Option<DayView>, HubError> {
        let last = self.last_close(own.id, u64::MAX >> 1)?;
        let mut first = last.map_or(1, |(position, _)| position + 1);
        let mut again = Vec::new();
        if own.is_settled {
            (first, again) = self.left_behind(own, first)?;
        }
        let head = own.head.position;
        let ranges = ranges_without(own.id, first, head, &again);
        let missing = ranges_without(own.id, head + 1, own.announced, &again);
        if ranges.is_empty() && missing.is_empty() {
            return Ok(None);
        }
        let mut count = Count::default();
        for range in &ranges {
            self.count(&mut count, own.id, range.from, range.to)?;
        }
        let (date, sequence) = match &count.last {
            Some(record) => (record.business_date, record.day_sequence),
            None => {
                let settings = self.store_settings(&own.store)?;
                let date = calendar(&settings).map_or_else(|_| self.today(), |c| c.business_date(own.last_seen_ms));
                (date, last.map_or(1, |(_, sequence)| sequence.saturating_add(1)))
            }
        };
        let mut differences = Vec::new();
        if own.is_settled && !ranges.is_empty() {
            let named: Vec<String> = ranges.iter().map(|range| format!("{} to {}", range.from, range.to)).collect();
            differences.push(format!(
                "no close counts records {}: the life of the till that wrote them has ended",
                named.join(", ")
            ));
        }
        let state = match (missing.is_empty(), differences.is_empty()) {
            (false, _) => DayState::Waiting,
            (true, false) => DayState::Mismatched,
            (true, true) => DayState::Open,
        };
        let (hub, _) = count.into_close(date, sequence, ranges, own.head.chain);
        let view = DayView {
            terminal: own.terminal.clone(),
            store: own.store.clone(),
            lane: own.lane.clone(),
            business_date: date.to_string(),
            sequence,
            state,
            till: None,
            hub: Some(hub),
            pos_totals: None,
            missing,
            differences,
            incarnation: own.id.to_string(),
            reason: None,
        };
        self.decided(view).map(Some)
    }

    /// Every day that is shown.
    fn day_views(&self, date: Option<Date>, store: Option<&str>) -> Result<Vec<DayView>, HubError> {
        let mut days = Vec::new();
        for day in self.stored_days(date, store, DATE_COUNT)? {
            days.push(self.closed_view(day)?);
        }
        for own in self.incarnations()?.iter().filter(|own| store.is_none_or(|store| own.store == store)) {
            let open = self.open_view(own)?;
            days.extend(open.filter(|day| date.is_none_or(|date| day.business_date == date.to_string())));
        }
        let key = |day: &DayView| {
            (day.business_date.clone(), day.store.clone(), day.lane.clone(), day.sequence, day.till.is_none())
        };
        days.sort_by_key(key);
        Ok(days)
    }

    fn decide_day(&self, key: &DayKey, from: DayState, state: &str, reason: &str) -> Result<DayView, HubError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > 1_000 {
            return Err(HubError::invalid("reason", "say why in 1 to 1,000 characters"));
        }
        let bad = |field, text: &str| HubError::invalid(field, format!("{text:?} cannot be read"));
        let date: Date = key.business_date.parse().map_err(|_| bad("business_date", &key.business_date))?;
        let incarnation: IncarnationId = key.incarnation.parse().map_err(|_| bad("incarnation", &key.incarnation))?;
        let days = self.day_views(Some(date), None)?;
        let is_it = |day: &&DayView| day.incarnation == key.incarnation && day.sequence == key.sequence;
        let mut found = days.iter().filter(is_it);
        let day = found.clone().find(|day| day.state == from).or_else(|| found.next());
        let day = day.ok_or_else(|| HubError::not_found("day", format!("{date}, close {}", key.sequence)))?;
        if day.state != from {
            let needed = if from == DayState::Waiting { "waits for records" } else { "is mismatched" };
            return Err(HubError::conflict(format!(
                "only a day that {needed} can be {state}; this one is {:?}",
                day.state
            )));
        }
        self.tx
            .prepare_cached(
                "INSERT OR REPLACE INTO day_decision (incarnation, business_date, sequence, state, reason, what, decided_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .and_then(|mut insert| {
                let named = (incarnation.0, date.packed(), key.sequence);
                insert.execute((named.0, named.1, named.2, state, reason, what_of(day), self.now_ms))
            })
            .doing("writing what was decided about a day")?;
        self.decided(day.clone())
    }
}

/// What a decision about a day is about: its differences, or the records that it waits for.
fn what_of(view: &DayView) -> String {
    match view.state {
        DayState::Waiting => serde_json::to_string(&view.missing).expect("ranges are JSON"),
        _ => serde_json::to_string(&view.differences).expect("words are JSON"),
    }
}

/// The positions from one to another, both included, without those given (in order), as ranges.
fn ranges_without(incarnation: IncarnationId, from: u64, to: u64, without: &[u64]) -> Vec<Range> {
    let (mut ranges, mut next) = (Vec::new(), from);
    let within = without.iter().copied().filter(|position| (from..=to).contains(position));
    for end in within.chain([to.saturating_add(1)]) {
        if next < end {
            ranges.push(Range { incarnation, from: next, to: end - 1 });
        }
        next = next.max(end.saturating_add(1));
    }
    ranges
}

impl Hub {
    /// Business days, by date, store, lane and sequence; without a date the days of the last 31 dates, and the open
    /// ones.
    ///
    /// # Errors
    /// When the database fails.
    pub fn reconciliation(&self, date: Option<Date>, store: Option<&str>) -> Result<Vec<DayView>, HubError> {
        self.read(0, |act| act.day_views(date, store))
    }

    /// A person accepts that a day does not come out.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` for a day that is not mismatched, `Invalid` without a reason.
    pub fn accept_day(
        &mut self,
        day: &DayKey,
        reason: &str,
        key: Option<&Idempotency>,
        now_ms: i64,
    ) -> Result<Reply<DayView>, HubError> {
        self.change(now_ms, |act| act.once(key, || act.decide_day(day, DayState::Mismatched, "accepted", reason)))
    }

    /// A person gives up records that a day waits for: they are lost with a disk.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` for a day that waits for nothing, `Invalid` without a reason.
    pub fn write_off_day(
        &mut self,
        day: &DayKey,
        reason: &str,
        key: Option<&Idempotency>,
        now_ms: i64,
    ) -> Result<Reply<DayView>, HubError> {
        self.change(now_ms, |act| act.once(key, || act.decide_day(day, DayState::Waiting, "written-off", reason)))
    }
}
