//! Checking the journal from the disk: positions, chain, and that everything derived follows from it.
//!
//! The derived rows are made again in memory from the grants and the records, by the code that made them first, and
//! compared row by row.

use counterfoil_protocol::id::{Holder, IncarnationId};
use counterfoil_protocol::record::{Body, Head, chain_next, chain_start};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::answer::JournalReport;
use crate::derive::{self, HeldCheck};
use crate::error::{CommandError, StorageError};
use crate::journal::Row;
use crate::store;
use crate::store::migrate::{self, Database};
use crate::till::Till;
use crate::{feed, journal, past};

const CHUNK_RECORD_COUNT: usize = 500;
/// Problems listed; what is broken everywhere is broken.
const PROBLEM_COUNT_MAX: usize = 20;

/// Everything that follows from grants and records. What else a row may hold (an offset moved by nothing, a key that
/// came with a repeat) is left out.
const DERIVED: &[(&str, &str)] = &[
    ("what is held", "SELECT member, purse, vests, expires, units FROM holding ORDER BY 1, 2, 3, 4"),
    ("what was received", "SELECT member, purse, units FROM received ORDER BY 1, 2"),
    (
        "the entries by member",
        "SELECT member, position, entry, purse, vests, expires, units_change, debt_change, \
         debt_kind FROM own_entry ORDER BY 1, 2, 3",
    ),
    (
        "the sales",
        "SELECT position, receipt_number, sale_ref, occurred_at_ms, is_return, training, currency, total, member, \
         void_position FROM sale ORDER BY 1",
    ),
    (
        "the redemptions",
        "SELECT position, is_copy, member, purse, reward, units, floor_units, sale_ref, \
         expires_at_ms, spent_position, released_position, timed_out, returned_units, reversed_position \
         FROM redemption ORDER BY 1",
    ),
    (
        "what is reserved",
        "SELECT member, purse, vests, expires, reservation, units FROM reserved ORDER BY 1, 2, 3, 4, 5",
    ),
    ("the reversals", "SELECT position, redemption, units FROM reversal ORDER BY 1"),
    ("the requests to reverse", "SELECT redemption, position FROM reverse_request ORDER BY 1"),
    ("the idempotency keys", "SELECT key, request, position FROM idempotency WHERE repeated = 0 ORDER BY 1"),
    ("the days", "SELECT sequence, business_date, from_position, close_position, pos_totals FROM day ORDER BY 1"),
    ("the day's receipt numbers", "SELECT receipt_number FROM day_receipt ORDER BY 1"),
    ("the day's rules", "SELECT member, rule, units FROM day_rule ORDER BY 1, 2"),
    ("the returns", "SELECT sale, position FROM sale_return ORDER BY 1, 2"),
    ("what stands here again", "SELECT incarnation, position, here FROM again ORDER BY 1, 2"),
    ("the days' ranges", "SELECT sequence, life, from_position, to_position FROM day_range ORDER BY 1, 2"),
    ("the day's awards", "SELECT sale, member, rule, units FROM day_award ORDER BY 1, 3"),
];

impl Till {
    /// Reads the whole journal from the disk and checks it.
    ///
    /// # Errors
    /// When the database cannot be read. What does not hold is in the report.
    pub fn verify_journal(&self) -> Result<JournalReport, CommandError> {
        self.usable()?;
        let mut again = Connection::open_in_memory().map_err(StorageError::new("checking the journal"))?;
        migrate::run(&mut again, Database::Value)
            .map_err(|error| CommandError::damaged(format!("the derived rows cannot be made again ({error})")))?;
        let grants = feed::grants(&self.value)?;
        let give = |to: IncarnationId| {
            let mut mine = grants.iter().filter(|grant| grant.entry.to == Some(Holder::Terminal(to)));
            mine.try_for_each(|grant| feed::apply_grant(&again, grant))
        };
        let mut problems = Vec::new();
        for life in past::lives(&self.value)? {
            give(life.incarnation)?;
            let read = |after| past::rows_after(&self.value, life.number, after, CHUNK_RECORD_COUNT);
            let walked = walk(read, &again, life.incarnation, problems)?;
            problems = walked.problems;
            if (Head { position: walked.records, chain: walked.chain }) != life.branch {
                problems.push(format!("the journal of life {} does not end where that life did", life.number));
            }
            past::write_life(&again, &life)?;
            past::end_life(&again, &self.value, &life)?;
        }
        give(self.incarnation)?;
        let read = |after| journal::rows_after(&self.value, after, CHUNK_RECORD_COUNT);
        let mut report = walk(read, &again, self.incarnation, problems)?;
        if report.chain != self.head.chain || report.records != self.head.position {
            report.problems.push("the journal does not end where the engine stands".to_owned());
        }
        for (what, sql) in DERIVED {
            if dump(&self.value, sql)? != dump(&again, sql)? {
                report.problems.push(format!("{what} do not follow from the journal"));
            }
        }
        report.problems.truncate(PROBLEM_COUNT_MAX);
        Ok(report)
    }
}

/// Reads one journal, checks its chain and makes its rows again.
fn walk(
    read: impl Fn(u64) -> Result<Vec<Row>, StorageError>,
    again: &Connection,
    incarnation: IncarnationId,
    problems: Vec<String>,
) -> Result<JournalReport, CommandError> {
    let mut report = JournalReport { records: 0, chain: chain_start(incarnation), problems };
    loop {
        let rows = read(report.records)?;
        if rows.is_empty() {
            return Ok(report);
        }
        for row in rows {
            let expected = report.records + 1;
            report.chain = chain_next(report.chain, &row.bytes);
            report.records = row.position;
            if row.position != expected {
                report.problems.push(format!("record {expected} is missing"));
            }
            if row.chain != report.chain {
                report.problems.push(format!("the chain does not hold at record {}", row.position));
                report.chain = row.chain;
            }
            match check_record(again, incarnation, row.position, &row.bytes) {
                Ok(()) => {}
                Err(error) => report.problems.push(format!("record {}: {error}", row.position)),
            }
            if report.problems.len() > PROBLEM_COUNT_MAX {
                return Ok(report);
            }
        }
    }
}

fn check_record(
    again: &Connection,
    incarnation: IncarnationId,
    position: u64,
    bytes: &[u8],
) -> Result<(), CommandError> {
    let record = journal::decode(position, bytes)?;
    derive::from_record(again, incarnation, position, &record, HeldCheck::On)?;
    if let Body::DayClose(close) = &record.body {
        let to = close.ranges.last().map(|range| range.to);
        if to != Some(position) {
            return Err(CommandError::damaged("a day close that is not the last of its range"));
        }
    }
    Ok(())
}

fn dump(conn: &Connection, sql: &str) -> Result<Vec<Vec<Value>>, StorageError> {
    store::all(conn, "comparing derived rows", sql, [], |row| {
        (0..row.as_ref().column_count()).map(|index| row.get(index)).collect()
    })
}
