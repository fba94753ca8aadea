//! The journal: consecutive positions, a running hash, first answers for ever.
//!
//! Invariants: a record, its entries and everything derived from them are one transaction; a record's bytes are never
//! changed; what leaves for the hub was read back from here.

use counterfoil_protocol::entry::{Entry, EntryKind};
use counterfoil_protocol::id::{EventId, IncarnationId};
use counterfoil_protocol::limits::{
    RECORD_BYTES_MAX, RECORD_ENTRY_COUNT_MAX, SEGMENT_BYTES_MAX, SEGMENT_RECORD_COUNT_MAX,
};
use counterfoil_protocol::record::{Body, Chain, Head, Idempotency, RECORD_VERSION, Record, chain_next, chain_start};
use counterfoil_protocol::time::Date;
use counterfoil_protocol::wire::v1::segment::{Committed, Segment};
use minicbor::bytes::ByteVec;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::{Now, Reply};
use crate::derive;
use crate::error::{CommandError, StorageError};
use crate::place;
use crate::store::{self, values};
use crate::till::Till;
use crate::transaction::{IDEMPOTENCY_KEY_BYTES_MAX, SeenBefore};

/// What a command wants recorded.
pub(crate) struct Draft {
    pub body: Body,
    pub entries: Vec<Entry>,
    pub marks: Vec<String>,
    pub program_version: Option<u64>,
    pub idempotency: Option<Idempotency>,
}

impl Draft {
    pub(crate) fn of(body: Body) -> Self {
        Self { body, entries: Vec::new(), marks: Vec::new(), program_version: None, idempotency: None }
    }
}

/// Where a record stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub event: EventId,
    pub business_date: Date,
}

impl Till {
    /// Appends a record inside the open transaction. `answer` sees everything derived from the record; what it gives
    /// is stored with the record.
    pub(crate) fn append<A: Serialize>(
        &mut self,
        draft: Draft,
        now: Now,
        answer: impl FnOnce(&Self, &Place) -> Result<A, CommandError>,
    ) -> Result<Reply<A>, CommandError> {
        let day = self.day_for_record(now)?;
        let position = self.head.position + 1;
        let event = EventId { incarnation: self.incarnation, position };
        let place = Place { event, business_date: day.business_date };
        if draft.entries.len() > RECORD_ENTRY_COUNT_MAX {
            return Err(CommandError::InvalidRequest(format!(
                "it would move value in more than {RECORD_ENTRY_COUNT_MAX} places"
            )));
        }
        let record = Record {
            version: RECORD_VERSION,
            recorded_at_ms: now.wall_ms,
            clock_suspect: self.clock_suspect(now),
            business_date: day.business_date,
            day_sequence: day.sequence,
            program_version: draft.program_version,
            idempotency: draft.idempotency,
            body: draft.body,
            entries: draft.entries,
            answer: None,
            origin: None,
            marks: draft.marks,
        };
        let mut given = None;
        self.write_record(record, |till| {
            let answer = answer(till, &place)?;
            let bytes = serde_json::to_vec(&answer).expect("answers are plain data");
            given = Some(answer);
            Ok(Some(bytes.into()))
        })?;
        let answer = given.expect("a record that is written was answered");
        Ok(Reply { answer, fresh: true, position })
    }

    /// Writes the next record and everything derived from it. `answer` gives the answer to be kept with it.
    pub(crate) fn write_record(
        &mut self,
        mut record: Record,
        answer: impl FnOnce(&Self) -> Result<Option<ByteVec>, CommandError>,
    ) -> Result<u64, CommandError> {
        let position = self.head.position + 1;
        derive::from_record(&self.value, self.incarnation, position, &record, self.held_check())?;
        record.answer = answer(self)?;
        let bytes = record.to_bytes();
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(CommandError::InvalidRequest(format!(
                "it has {} bytes as a record, {RECORD_BYTES_MAX} are possible",
                bytes.len()
            )));
        }
        let chain = chain_next(self.head.chain, &bytes);
        store::execute(
            &self.value,
            "appending to the journal",
            "INSERT INTO journal (position, record, chain) VALUES (?1, ?2, ?3)",
            params![values::signed(position), bytes, chain.0.as_slice()],
        )?;
        self.head = Head { position, chain };
        if needs_marker(&record) {
            self.must_mark = position;
        }
        Ok(position)
    }

    fn held_check(&self) -> derive::HeldCheck {
        if self.takes_what_is_not_held() { derive::HeldCheck::Off } else { derive::HeldCheck::On }
    }

    fn takes_what_is_not_held(&self) -> bool {
        let faults = self.settings.faults;
        faults.redeem_without_rights || faults.spend_reserved || faults.reverse_twice
    }

    /// The first answer to an idempotency key, if it was used for the same request.
    pub(crate) fn first_answer<A: DeserializeOwned>(
        &self,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Reply<A>>, CommandError> {
        let Some(idempotency) = idempotency else {
            return Ok(None);
        };
        let key = &idempotency.key;
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
            return Err(CommandError::InvalidRequest(format!(
                "an idempotency key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes"
            )));
        }
        if self.settings.faults.forget_first_answers {
            return Ok(None);
        }
        let seen = store::optional(
            &self.value,
            "looking up an idempotency key",
            "SELECT position, request FROM idempotency WHERE key = ?1",
            [key],
            |row| Ok(SeenBefore { position: values::count(row, 0)?, request: values::digest(row, 1)? }),
        )?;
        let Some(seen) = seen else {
            return Ok(None);
        };
        let mismatch = || CommandError::IdempotencyMismatch { key: key.clone() };
        if seen.request != idempotency.request {
            return Err(mismatch());
        }
        self.answer_at(seen.position)?.map(Some).ok_or_else(mismatch)
    }

    /// A key that came with a call which another call had answered already answers the same from now on.
    pub(crate) fn remember_repeat(
        &mut self,
        idempotency: Option<&Idempotency>,
        position: u64,
    ) -> Result<(), CommandError> {
        let Some(idempotency) = idempotency else {
            return Ok(());
        };
        store::execute(
            &self.value,
            "writing an idempotency key",
            "INSERT OR IGNORE INTO idempotency (key, request, position, repeated) VALUES (?1, ?2, ?3, 1)",
            params![idempotency.key, idempotency.request.0.as_slice(), values::signed(position)],
        )?;
        Ok(())
    }

    /// The stored answer of the record at a place; `None` where it has none of this kind.
    pub(crate) fn answer_at<A: DeserializeOwned>(&self, position: u64) -> Result<Option<Reply<A>>, CommandError> {
        let Some(record) = self.record_at(position)? else {
            return Err(CommandError::damaged(format!("record {position} is named and missing")));
        };
        let answer = record.answer.as_ref().and_then(|bytes| serde_json::from_slice(bytes).ok());
        Ok(answer.map(|answer| Reply { answer, fresh: false, position }))
    }

    /// The record at a place.
    pub(crate) fn record_at(&self, position: u64) -> Result<Option<Record>, CommandError> {
        let sql = match place::past(position) {
            None => "SELECT record FROM journal WHERE position = ?1",
            Some(_) => "SELECT record FROM past_journal WHERE place = ?1",
        };
        let bytes: Option<Vec<u8>> =
            store::optional(&self.value, "reading the journal", sql, [values::signed(position)], |row| row.get(0))?;
        bytes.map(|bytes| decode(position, &bytes)).transpose()
    }

    /// Records after a position, decoded, with the chain at each.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn records_after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Chain, Record)>, CommandError> {
        self.usable()?;
        rows_after(&self.value, after, limit)?
            .into_iter()
            .map(|row| Ok((row.position, row.chain, decode(row.position, &row.bytes)?)))
            .collect()
    }

    /// The next records for the hub, signed; `None` where there is nothing after `after`.
    ///
    /// # Errors
    /// When the journal cannot be read, or its chain does not hold.
    pub fn segment_after(&self, after: u64) -> Result<Option<Segment>, CommandError> {
        self.usable()?;
        if after >= self.head.position {
            return Ok(None);
        }
        let Some(mut chain) = chain_at(&self.value, self.incarnation, after)? else {
            return Err(CommandError::damaged(format!("record {after} is missing from the journal")));
        };
        let before = Head { position: after, chain };
        let mut records = Vec::new();
        let mut size_bytes = 0;
        for row in rows_after(&self.value, after, SEGMENT_RECORD_COUNT_MAX)? {
            size_bytes += row.bytes.len();
            if size_bytes > SEGMENT_BYTES_MAX && !records.is_empty() {
                break;
            }
            chain = chain_next(chain, &row.bytes);
            if row.position != after + 1 + records.len() as u64 || row.chain != chain {
                return Err(CommandError::damaged(format!("the journal's chain breaks at record {}", row.position)));
            }
            records.push(Committed::read_back(row.position, row.bytes, row.chain));
        }
        Ok(Segment::build(&self.key, before, records))
    }
}

/// Whether a record spends, gives rights or keeps them for a basket: its marker is stored before anybody is told.
fn needs_marker(record: &Record) -> bool {
    let is_accrual = |entry: &Entry| entry.kind == EntryKind::Accrue;
    matches!(record.body, Body::Reservation(_)) || !record.entries.iter().all(is_accrual)
}

/// A row of the journal.
pub(crate) struct Row {
    pub position: u64,
    pub bytes: Vec<u8>,
    pub chain: Chain,
}

pub(crate) fn rows_after(conn: &Connection, after: u64, limit: usize) -> Result<Vec<Row>, StorageError> {
    store::all(
        conn,
        "reading the journal",
        "SELECT position, record, chain FROM journal WHERE position > ?1 ORDER BY position LIMIT ?2",
        [values::signed(after), values::signed(limit as u64)],
        |row| Ok(Row { position: values::count(row, 0)?, bytes: row.get(1)?, chain: values::digest(row, 2)? }),
    )
}

pub(crate) fn decode(position: u64, bytes: &[u8]) -> Result<Record, CommandError> {
    Record::from_bytes(bytes)
        .map_err(|error| CommandError::damaged(format!("record {position} cannot be read ({error})")))
}

/// The last record on the disk.
pub(crate) fn head_on_disk(conn: &Connection, incarnation: IncarnationId) -> Result<Head, StorageError> {
    let last = store::optional(
        conn,
        "reading the journal's head",
        "SELECT position, chain FROM journal ORDER BY position DESC LIMIT 1",
        [],
        |row| Ok(Head { position: values::count(row, 0)?, chain: values::digest(row, 1)? }),
    )?;
    Ok(last.unwrap_or_else(|| Head::start(incarnation)))
}

/// The chain after `position`; `None` where there is no such record.
pub(crate) fn chain_at(
    conn: &Connection,
    incarnation: IncarnationId,
    position: u64,
) -> Result<Option<Chain>, StorageError> {
    if position == 0 {
        return Ok(Some(chain_start(incarnation)));
    }
    store::optional(
        conn,
        "reading the journal",
        "SELECT chain FROM journal WHERE position = ?1",
        [values::signed(position)],
        |row| values::digest(row, 0),
    )
}
