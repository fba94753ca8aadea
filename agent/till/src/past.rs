//! Earlier lives of this terminal: what becomes of a journal's rows when its life ends, and what they still tell.
//!
//! An earlier journal is kept as it was. Value is cleared, for it is settled. Sales, keys and days stay findable, by
//! place. What lies beyond `kept` is derived anew from the records that the next life writes again. Not here: how the
//! next life comes about (`succession`).

use counterfoil_protocol::id::{EventId, IncarnationId};
use counterfoil_protocol::record::{Chain, Head, Origin, Record, VoidRecord};
use rusqlite::{Connection, params};

use crate::derive;
use crate::error::{CommandError, StorageError};
use crate::journal::{self, Row};
use crate::life;
use crate::place;
use crate::store::{self, values};
use crate::till::Till;

/// A life that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastLife {
    /// Which of this terminal, from 1.
    pub number: u64,
    /// Its id.
    pub incarnation: IncarnationId,
    /// How far its journal came on this disk.
    pub branch: Head,
    /// Up to here head office has it; what came after was written again.
    pub kept: u64,
}

pub(crate) fn lives(conn: &Connection) -> Result<Vec<PastLife>, StorageError> {
    let sql = "SELECT number, incarnation, branch_position, branch_chain, kept FROM past_life ORDER BY number";
    store::all(conn, "reading earlier lives", sql, [], |row| {
        Ok(PastLife {
            number: values::count(row, 0)?,
            incarnation: values::incarnation(row, 1)?,
            branch: Head { position: values::count(row, 2)?, chain: values::digest(row, 3)? },
            kept: values::count(row, 4)?,
        })
    })
}

/// Records of an earlier journal after a position.
pub(crate) fn rows_after(conn: &Connection, life: u64, after: u64, limit: usize) -> Result<Vec<Row>, StorageError> {
    store::all(
        conn,
        "reading an earlier journal",
        "SELECT place, record, chain FROM past_journal WHERE place > ?1 AND place < ?2 ORDER BY place LIMIT ?3",
        [place::in_life(life, after), place::in_life(life + 1, 0), limit as u64].map(values::signed),
        |row| {
            let position = place::past(values::count(row, 0)?).map_or(0, |(_, position)| position);
            Ok(Row { position, bytes: row.get(1)?, chain: values::digest(row, 2)? })
        },
    )
}

/// The chain of an earlier journal after `position`; `None` where it has no such record.
pub(crate) fn chain_at(conn: &Connection, life: &PastLife, position: u64) -> Result<Option<Chain>, StorageError> {
    if position == 0 {
        return Ok(Some(Head::start(life.incarnation).chain));
    }
    store::optional(
        conn,
        "reading an earlier journal",
        "SELECT chain FROM past_journal WHERE place = ?1",
        [values::signed(place::in_life(life.number, position))],
        |row| values::digest(row, 0),
    )
}

/// Notes where a record of an earlier life stands now.
pub(crate) fn note_again(conn: &Connection, origin: &Origin, here: u64) -> Result<(), CommandError> {
    let first = EventId { incarnation: origin.incarnation, position: origin.position };
    for event in [Some(first), origin.copied_from].into_iter().flatten() {
        store::execute(
            conn,
            "noting where a record stands again",
            "INSERT OR REPLACE INTO again (incarnation, position, here) VALUES (?1, ?2, ?3)",
            params![event.incarnation.0, values::signed(event.position), values::signed(here)],
        )?;
    }
    Ok(())
}

/// The sale that a void of journal `own` undoes, as it names it.
pub(crate) fn sale_of_void(own: IncarnationId, record: &Record, void: &VoidRecord) -> Option<EventId> {
    let incarnation = record.origin.as_ref().map_or(own, |origin| origin.incarnation);
    void.sale.or(void.sale_position.map(|position| EventId { incarnation, position }))
}

/// Writes down that a life has ended.
pub(crate) fn write_life(conn: &Connection, life: &PastLife) -> Result<(), StorageError> {
    store::execute(
        conn,
        "keeping an earlier life",
        "INSERT INTO past_life (number, incarnation, key_seed, proof, kept, branch_position, branch_chain) \
         SELECT ?1, ?2, coalesce((SELECT key_seed FROM till), zeroblob(32)), (SELECT life_proof FROM till), ?3, ?4, ?5",
        params![
            values::signed(life.number),
            life.incarnation.0,
            values::signed(life.kept),
            values::signed(life.branch.position),
            life.branch.chain.0,
        ],
    )?;
    Ok(())
}

/// Ends a life in the tables that are derived from its journal. `journals` has the earlier journals, this one included.
pub(crate) fn end_life(conn: &Connection, journals: &Connection, life: &PastLife) -> Result<(), CommandError> {
    let base = values::signed(place::in_life(life.number, 0));
    let kept = values::signed(life.kept);
    let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> Result<(), StorageError> {
        store::execute(conn, "ending a life", sql, params).map(drop)
    };
    // A state goes on to include what it did, and nothing of the journal that begins.
    run("UPDATE member_state SET includes_position = ?1 + includes_position WHERE includes_position >= 0", &[&base])?;
    for table in ["holding", "received", "order_waiting"] {
        run(&format!("DELETE FROM {table}"), &[])?;
    }
    life::end_all(conn, base, kept)?;
    for (table, column) in [("own_entry", "position"), ("sale", "position"), ("sale_return", "position")] {
        run(&format!("DELETE FROM {table} WHERE {column} > ?1"), &[&kept])?;
        run(&format!("UPDATE {table} SET {column} = ?1 + {column} WHERE {column} > 0"), &[&base])?;
    }
    // What the branch undid or took back is written again, and done again.
    run("UPDATE sale SET void_position = NULL WHERE void_position > ?1", &[&kept])?;
    for (table, column) in
        [("sale", "void_position"), ("sale_return", "sale"), ("idempotency", "position"), ("again", "here")]
    {
        run(&format!("UPDATE {table} SET {column} = ?1 + {column} WHERE {column} > 0"), &[&base])?;
    }
    end_days(conn, journals, life, base)
}

/// Days closed within what is kept stay; the day that was open there goes on in the next journal.
fn end_days(conn: &Connection, journals: &Connection, life: &PastLife, base: i64) -> Result<(), CommandError> {
    let kept = values::signed(life.kept);
    let number = values::signed(life.number);
    let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> Result<(), StorageError> {
        store::execute(conn, "ending a life", sql, params).map(drop)
    };
    run(
        "UPDATE day SET from_position = ?2 + from_position, close_position = ?2 + close_position \
         WHERE close_position BETWEEN 1 AND ?1",
        &[&kept, &base],
    )?;
    run(
        "INSERT INTO day_range SELECT sequence, ?2, from_position, ?1 FROM day WHERE from_position BETWEEN 1 AND ?1",
        &[&kept, &number],
    )?;
    run("DELETE FROM day WHERE from_position > 0", &[])?;
    for table in ["day_receipt", "day_rule", "day_award"] {
        run(&format!("DELETE FROM {table}"), &[])?;
    }
    let open = store::all(
        conn,
        "reading the open day's ranges",
        "SELECT life, from_position, to_position FROM day_range \
         WHERE sequence = (SELECT max(sequence) FROM day_range) \
         AND sequence NOT IN (SELECT sequence FROM day) ORDER BY life",
        [],
        read_range,
    )?;
    let lives = lives(conn)?;
    for range in open {
        let found = lives.iter().find(|life| life.number == range.life);
        let found = found.ok_or_else(|| CommandError::damaged(format!("life {} is missing", range.life)))?;
        for_each(journals, &range, |position, record| {
            derive::day_counts(conn, found.incarnation, place::in_life(range.life, position), record)
        })?;
    }
    Ok(())
}

/// A part of the open day in an earlier journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PastRange {
    pub life: u64,
    pub from: u64,
    pub to: u64,
}

fn read_range(row: &rusqlite::Row<'_>) -> rusqlite::Result<PastRange> {
    Ok(PastRange { life: values::count(row, 0)?, from: values::count(row, 1)?, to: values::count(row, 2)? })
}

/// Reads the records of a range, one after the other.
pub(crate) fn for_each(
    journals: &Connection,
    range: &PastRange,
    mut take: impl FnMut(u64, &Record) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    const CHUNK_RECORD_COUNT: usize = 500;
    let mut after = range.from.saturating_sub(1);
    while after < range.to {
        let rows = rows_after(journals, range.life, after, CHUNK_RECORD_COUNT)?;
        if rows.is_empty() {
            return Err(CommandError::damaged(format!("records after {after} of life {} are missing", range.life)));
        }
        for row in rows.into_iter().filter(|row| row.position <= range.to) {
            after = row.position;
            take(row.position, &journal::decode(row.position, &row.bytes)?)?;
        }
    }
    Ok(())
}

impl Till {
    /// This terminal's lives that have ended, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn past_lives(&self) -> Result<Vec<PastLife>, CommandError> {
        self.usable()?;
        Ok(lives(&self.value)?)
    }

    /// The parts of a day in earlier journals.
    pub(crate) fn past_ranges(&self, sequence: u32) -> Result<Vec<PastRange>, StorageError> {
        let sql = "SELECT life, from_position, to_position FROM day_range WHERE sequence = ?1 ORDER BY life";
        store::all(&self.value, "reading a day's ranges", sql, [sequence], read_range)
    }
}
