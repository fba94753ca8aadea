//! The business day: opens with its first record, which fixes its date; closes on the Z report, on call, or at the
//! store's day end. The close record is the last of its range and carries the chain before it.
//!
//! A Z report that comes after the close finds its day: the last closed one without totals, if nothing was sold since.

use counterfoil_protocol::day::{DayClose, DayTotals, PosTotals, Range};
use counterfoil_protocol::id::EventId;
use counterfoil_protocol::record::{Body, DocumentRecord, Idempotency, PosTotalsRecord, Source};
use counterfoil_protocol::time::Date;
use rusqlite::params;

use crate::command::{Call, Now, Reply};
use crate::error::{CommandError, StorageError};
use crate::journal::{self, Draft};
use crate::past;
use crate::place;
use crate::store::{self, values};
use crate::till::Till;

/// Records decoded at a time when a day is added up.
const CHUNK_RECORD_COUNT: usize = 500;

/// A business day as its row has it.
#[derive(Debug, Clone)]
pub(crate) struct Day {
    pub sequence: u32,
    pub business_date: Date,
    pub from: u64,
    pub close_position: Option<u64>,
    pub pos_totals: Option<Vec<u8>>,
}

/// What closing came to.
pub(crate) enum Closed {
    Day(Reply<DayClose>),
    /// The totals are for a day closed before; the answer is its close with them.
    Late(Reply<DayClose>),
    /// A second print of totals that are known.
    Copy(Reply<()>),
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Day> {
    let closed = row.get::<_, Option<i64>>(3)?;
    Ok(Day {
        sequence: row.get(0)?,
        business_date: values::date(row, 1)?,
        from: values::count(row, 2)?,
        close_position: closed.map(i64::cast_unsigned),
        pos_totals: row.get(4)?,
    })
}

impl Till {
    fn last_day(&self) -> Result<Option<Day>, StorageError> {
        store::optional(
            &self.value,
            "reading the business day",
            "SELECT sequence, business_date, from_position, close_position, pos_totals FROM day \
             ORDER BY sequence DESC LIMIT 1",
            [],
            read,
        )
    }

    fn last_closed_day(&self) -> Result<Option<Day>, StorageError> {
        store::optional(
            &self.value,
            "reading the business day",
            "SELECT sequence, business_date, from_position, close_position, pos_totals FROM day \
             WHERE close_position IS NOT NULL ORDER BY sequence DESC LIMIT 1",
            [],
            read,
        )
    }

    pub(crate) fn open_day(&self) -> Result<Option<Day>, StorageError> {
        Ok(self.last_day()?.filter(|day| day.close_position.is_none()))
    }

    /// The day that the next record belongs to.
    pub(crate) fn day_for_record(&self, now: Now) -> Result<Day, CommandError> {
        let last = self.last_day()?;
        let sequence = match last {
            Some(day) if day.close_position.is_none() => return Ok(day),
            Some(day) => day.sequence.checked_add(1).ok_or_else(|| CommandError::damaged("days are used up"))?,
            None => 1,
        };
        Ok(Day {
            sequence,
            business_date: self.today(now),
            from: self.head.position + 1,
            close_position: None,
            pos_totals: None,
        })
    }

    /// Whether the store's day end has passed since the open day's date. The shell closes the day then; a sale that
    /// comes first does so itself.
    pub fn day_end_due(&self, now: Now) -> bool {
        !now.suspect
            && self.usable().is_ok()
            && matches!(self.open_day(), Ok(Some(day)) if self.today(now) > day.business_date)
    }

    /// Inside the open transaction: a record of today must not count for a day that is over.
    pub(crate) fn close_day_if_over(&mut self, now: Now) -> Result<(), CommandError> {
        if self.day_end_due(now) {
            self.write_close(None, None, now)?;
        }
        Ok(())
    }

    /// Closes the business day. With `pos_totals` right after a close without them, they are noted for that day; with
    /// nothing to close, the last close of today is the answer.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn close_day(
        &mut self,
        pos_totals: Option<PosTotals>,
        call: Call,
        now: Now,
    ) -> Result<Reply<DayClose>, CommandError> {
        self.usable()?;
        if let Some(first) = self.first_answer(call.idempotency.as_ref())? {
            self.mark_again()?;
            return Ok(first);
        }
        let closed = self.transact(|till| till.take_close(pos_totals, call, now))?;
        match closed {
            Closed::Day(reply) | Closed::Late(reply) => Ok(reply),
            Closed::Copy(reply) => {
                Err(CommandError::damaged(format!("record {} answers a call that was none", reply.position)))
            }
        }
    }

    /// Closes inside the open transaction.
    pub(crate) fn take_close(
        &mut self,
        pos_totals: Option<PosTotals>,
        call: Call,
        now: Now,
    ) -> Result<Closed, CommandError> {
        let Call { source, idempotency } = call;
        let open = self.open_day()?;
        if self.has_sales(open.as_ref())? {
            return self.write_close(pos_totals, idempotency, now).map(Closed::Day);
        }
        let last = self.last_closed_day()?;
        match (last, pos_totals) {
            (Some(last), Some(totals)) if last.pos_totals.is_none() => {
                self.write_late_totals(&last, totals, idempotency, now).map(Closed::Late)
            }
            (Some(last), Some(totals)) if last.pos_totals == Some(encoded(&totals)) => match source {
                Source::Paper { .. } => self.write_copy(source, now).map(Closed::Copy),
                Source::Api => self.answer_again(&last, idempotency).map(Closed::Day),
            },
            (Some(last), None) if open.is_none() && last.business_date == self.today(now) => {
                self.answer_again(&last, idempotency).map(Closed::Day)
            }
            (_, pos_totals) => self.write_close(pos_totals, idempotency, now).map(Closed::Day),
        }
    }

    fn has_sales(&self, open: Option<&Day>) -> Result<bool, CommandError> {
        let Some(day) = open else {
            return Ok(false);
        };
        let sold = |from: u64, to: u64| {
            let sql = "SELECT 1 FROM sale WHERE position BETWEEN ?1 AND ?2 LIMIT 1";
            store::optional(
                &self.value,
                "looking for sales of the day",
                sql,
                [from, to].map(values::signed),
                |_| Ok(()),
            )
        };
        for range in self.past_ranges(day.sequence)? {
            let [from, to] = [range.from, range.to].map(|position| place::in_life(range.life, position));
            if sold(from, to)?.is_some() {
                return Ok(true);
            }
        }
        Ok(sold(day.from, self.head.position)?.is_some())
    }

    fn answer_again(&mut self, day: &Day, idempotency: Option<Idempotency>) -> Result<Reply<DayClose>, CommandError> {
        let position = day.close_position.unwrap_or_default();
        self.remember_repeat(idempotency.as_ref(), position)?;
        let first = self.answer_at(position)?;
        first.ok_or_else(|| CommandError::damaged(format!("the day close at {position} cannot be read")))
    }

    fn write_close(
        &mut self,
        pos_totals: Option<PosTotals>,
        idempotency: Option<Idempotency>,
        now: Now,
    ) -> Result<Reply<DayClose>, CommandError> {
        self.write_expired(now)?;
        let day = self.day_for_record(now)?;
        let gaps = self.receipt_gaps(pos_totals.as_ref())?;
        let close = self.close_of(&day, pos_totals, gaps)?;
        let draft = Draft { idempotency, ..Draft::of(Body::DayClose(close.clone())) };
        self.append(draft, now, |_, _| Ok(close))
    }

    /// The close of a day as it stands: its records in earlier journals, and those of the present one.
    fn close_of(
        &self,
        day: &Day,
        pos_totals: Option<PosTotals>,
        receipt_gaps: Vec<String>,
    ) -> Result<DayClose, CommandError> {
        let (mut totals, mut ranges) = (DayTotals::default(), Vec::new());
        for range in self.past_ranges(day.sequence)? {
            past::for_each(&self.value, &range, |_, record| {
                totals.add(record);
                Ok(())
            })?;
            let EventId { incarnation, .. } = self.event_at(place::in_life(range.life, range.from))?;
            ranges.push(Range { incarnation, from: range.from, to: range.to });
        }
        self.add_since(day.from, &mut totals)?;
        ranges.push(Range { incarnation: self.incarnation, from: day.from, to: self.head.position + 1 });
        Ok(DayClose {
            business_date: day.business_date,
            sequence: day.sequence,
            ranges,
            records: totals.records,
            sales: totals.sales,
            gross: totals.gross,
            tax: totals.tax,
            purses: totals.purse_totals(),
            chain: self.head.chain,
            receipt_gaps,
            pos_totals,
        })
    }

    /// A close of an earlier life as the present one writes it: the same day, over the journals in which it stands now.
    pub(crate) fn close_again(&self, close: &DayClose) -> Result<DayClose, CommandError> {
        let open = self.open_day()?.filter(|day| day.sequence == close.sequence);
        let day = open.unwrap_or(Day {
            sequence: close.sequence,
            business_date: close.business_date,
            from: self.head.position + 1,
            close_position: None,
            pos_totals: None,
        });
        self.close_of(&day, close.pos_totals.clone(), close.receipt_gaps.clone())
    }

    fn write_late_totals(
        &mut self,
        day: &Day,
        totals: PosTotals,
        idempotency: Option<Idempotency>,
        now: Now,
    ) -> Result<Reply<DayClose>, CommandError> {
        let position = day.close_position.unwrap_or_default();
        let close: Option<Reply<DayClose>> = self.answer_at(position)?;
        let close =
            close.ok_or_else(|| CommandError::damaged(format!("the day close at {position} cannot be read")))?;
        let answer = DayClose { pos_totals: Some(totals.clone()), ..close.answer };
        let body = PosTotalsRecord { business_date: day.business_date, sequence: day.sequence, totals };
        let draft = Draft { idempotency, ..Draft::of(Body::PosTotals(body)) };
        self.append(draft, now, |_, _| Ok(answer))
    }

    fn write_copy(&mut self, source: Source, now: Now) -> Result<Reply<()>, CommandError> {
        let body = DocumentRecord {
            class: "z-report".to_owned(),
            receipt_number: None,
            marks: vec!["probable-reprint".to_owned()],
            exception: None,
            text: Vec::new(),
            source,
        };
        self.append(Draft::of(Body::Document(body)), now, |_, _| Ok(()))
    }

    /// Adds up the records from a position on, read again from the journal.
    fn add_since(&self, from: u64, totals: &mut DayTotals) -> Result<(), CommandError> {
        let mut after = from.saturating_sub(1);
        loop {
            let rows = journal::rows_after(&self.value, after, CHUNK_RECORD_COUNT)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.position;
            for row in &rows {
                totals.add(&journal::decode(row.position, &row.bytes)?);
            }
        }
    }

    /// How far a device's stream is done with.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn capture_offset(&self, device: &str) -> Result<u64, CommandError> {
        self.usable()?;
        let sql = "SELECT done FROM capture WHERE device = ?1";
        let done = store::optional(&self.value, "reading how far a device is read", sql, params![device], |row| {
            values::count(row, 0)
        })?;
        Ok(done.unwrap_or(0))
    }
}

fn encoded(totals: &PosTotals) -> Vec<u8> {
    minicbor::to_vec(totals).expect("encoding into memory cannot fail")
}
