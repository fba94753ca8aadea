//! The life of a redemption as rows: reserved, spent, released, given back. Derived from records by the code here,
//! when one is written and when the journal is read again.
//!
//! Invariants: a reservation is spent at most once; what is given back is at most what was spent; the units that open
//! reservations have chosen are held. Not here: who may do what, and what a caller is answered.

use counterfoil_protocol::entry::{DebtKind, Entry};
use counterfoil_protocol::id::{EventId, IncarnationId, MemberId};
use counterfoil_protocol::record::{Body, Record, RedemptionRecord, ReleaseReason};
use rusqlite::{Connection, Row, params};

use crate::answer::RedemptionState;
use crate::derive::HeldCheck;
use crate::error::{CommandError, StorageError};
use crate::place;
use crate::store::{self, values};

/// A redemption or reservation of this journal.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// Where it stands: a place, of the present journal or an earlier one.
    pub position: u64,
    /// Written by an earlier life of this terminal: it is here, or here again.
    pub is_of_earlier_life: bool,
    pub member: MemberId,
    pub purse: String,
    pub reward: Option<String>,
    pub units: i64,
    pub spent: Option<u64>,
    pub released: Option<u64>,
    pub timed_out: bool,
    pub expires_at_ms: Option<i64>,
    pub returned_units: i64,
    pub reversed: Option<u64>,
}

impl Life {
    pub(crate) fn state(&self) -> RedemptionState {
        if self.reversed.is_some() {
            RedemptionState::Reversed
        } else if self.spent.is_some() {
            RedemptionState::Redeemed
        } else if self.released.is_some() {
            if self.timed_out { RedemptionState::TimedOut } else { RedemptionState::Cancelled }
        } else {
            RedemptionState::Reserved
        }
    }
}

const COLUMNS: &str = "position, is_copy OR position < 0, member, purse, reward, units, spent_position, \
                       released_position, timed_out, expires_at_ms, returned_units, reversed_position";

fn read(row: &Row<'_>) -> rusqlite::Result<Life> {
    let position = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(i64::cast_unsigned));
    Ok(Life {
        position: values::count(row, 0)?,
        is_of_earlier_life: row.get(1)?,
        member: values::member(row, 2)?,
        purse: row.get(3)?,
        reward: row.get(4)?,
        units: row.get(5)?,
        spent: position(6)?,
        released: position(7)?,
        timed_out: row.get(8)?,
        expires_at_ms: row.get(9)?,
        returned_units: row.get(10)?,
        reversed: position(11)?,
    })
}

/// A redemption by its id, also by the id it had in an earlier life of this terminal.
pub(crate) fn find(conn: &Connection, incarnation: IncarnationId, id: EventId) -> Result<Option<Life>, StorageError> {
    let Some(place) = place::find(conn, incarnation, id)? else {
        return Ok(None);
    };
    let sql = format!("SELECT {COLUMNS} FROM redemption WHERE position = ?1");
    store::optional(conn, "looking up a redemption", &sql, [values::signed(place)], read)
}

/// Everything redeemed or reserved under a basket, oldest first.
pub(crate) fn under(conn: &Connection, sale_ref: &str) -> Result<Vec<Life>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM redemption WHERE sale_ref = ?1 ORDER BY position");
    store::all(conn, "looking up a basket's redemptions", &sql, [sale_ref], read)
}

/// Reservations that are open, those first that end first; with `until_ms`, those that have ended by then.
pub(crate) fn open(conn: &Connection, until_ms: i64, limit: i64) -> Result<Vec<Life>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM redemption WHERE expires_at_ms <= ?1 AND spent_position IS NULL \
         AND released_position IS NULL ORDER BY expires_at_ms, position LIMIT ?2"
    );
    store::all(conn, "looking for open reservations", &sql, [until_ms, limit], read)
}

/// The positions of the records that gave back something of a redemption.
pub(crate) fn reversals(conn: &Connection, position: u64) -> Result<Vec<u64>, StorageError> {
    let sql = "SELECT position FROM reversal WHERE redemption = ?1 ORDER BY position";
    store::all(conn, "reading what was given back", sql, [values::signed(position)], |row| values::count(row, 0))
}

/// Where another author's redemption was asked to be undone.
pub(crate) fn requested(conn: &Connection, id: EventId) -> Result<Option<u64>, StorageError> {
    let sql = "SELECT position FROM reverse_request WHERE redemption = ?1";
    store::optional(conn, "looking up a request", sql, [id.to_string()], |row| values::count(row, 0))
}

/// Writes what follows from a record for the lives of redemptions. Before the record's entries are: a confirmation frees
/// the units that its entries then spend.
pub(crate) fn from_record(
    conn: &Connection,
    incarnation: IncarnationId,
    position: u64,
    record: &Record,
    check: HeldCheck,
) -> Result<(), CommandError> {
    let origin = record.origin.as_ref();
    match &record.body {
        Body::Redemption(redemption) => {
            insert(conn, position, origin.is_some(), redemption, floor_units(&record.entries), None, Some(position))
        }
        Body::Reservation(made) => {
            let floor = floor_units(&made.chosen);
            insert(conn, position, origin.is_some(), &made.redemption, floor, Some(made.expires_at_ms), None)?;
            if origin.is_some() {
                // Whatever it held was settled with the life that made it.
                return release(conn, position, position, ReleaseReason::TimedOut);
            }
            made.chosen.iter().filter(|entry| entry.debt.is_none()).try_for_each(|entry| {
                reserve(conn, position, entry)?;
                covered(conn, entry, check)
            })
        }
        Body::Release(made) => {
            let Some(life) = expect(conn, incarnation, made.reservation, record)? else { return Ok(()) };
            match life.state() {
                RedemptionState::Reserved => release(conn, life.position, position, made.reason),
                // Its life had ended with the one that made it; this says how.
                RedemptionState::TimedOut if origin.is_some() => release(conn, life.position, position, made.reason),
                _ if origin.is_some() || check == HeldCheck::Off => Ok(()),
                state => Err(wrong(made.reservation, "released", state)),
            }
        }
        Body::Confirmation(made) => {
            let Some(life) = expect(conn, incarnation, made.reservation, record)? else { return Ok(()) };
            if life.spent.is_some() && origin.is_none() && check == HeldCheck::On {
                return Err(wrong(made.reservation, "confirmed", life.state()));
            }
            free(conn, life.position)?;
            set(conn, life.position, "spent_position", position)
        }
        Body::Reversal(made) => {
            let Some(life) = expect(conn, incarnation, made.redemption, record)? else { return Ok(()) };
            let units = record.entries.iter().map(|entry| entry.units).fold(0, i64::saturating_add);
            let returned = life.returned_units.saturating_add(units);
            if (life.spent.is_none() || returned > life.units) && origin.is_none() && check == HeldCheck::On {
                return Err(wrong(made.redemption, "reversed", life.state()));
            }
            store::execute(
                conn,
                "noting what was given back",
                "INSERT INTO reversal (position, redemption, units) VALUES (?1, ?2, ?3)",
                params![values::signed(position), values::signed(life.position), units],
            )?;
            store::execute(
                conn,
                "noting what was given back",
                "UPDATE redemption SET returned_units = ?2 WHERE position = ?1",
                params![values::signed(life.position), returned],
            )?;
            if returned >= life.units { set(conn, life.position, "reversed_position", position) } else { Ok(()) }
        }
        Body::ReverseRequest(made) => {
            store::execute(
                conn,
                "noting a request",
                "INSERT OR IGNORE INTO reverse_request (redemption, position) VALUES (?1, ?2)",
                params![made.redemption.to_string(), values::signed(position)],
            )?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Ends the present life for its redemptions. Up to `kept` they stay, in an earlier journal that begins before `base`;
/// what came after is written again. What no basket has confirmed by then is over: its rights are settled.
pub(crate) fn end_all(conn: &Connection, base: i64, kept: i64) -> Result<(), StorageError> {
    let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> Result<(), StorageError> {
        store::execute(conn, "ending the lives of redemptions", sql, params).map(drop)
    };
    run("DELETE FROM reserved", &[])?;
    for table in ["redemption", "reversal", "reverse_request"] {
        run(&format!("DELETE FROM {table} WHERE position > ?1"), &[&kept])?;
    }
    for column in ["spent_position", "released_position", "reversed_position"] {
        run(&format!("UPDATE redemption SET {column} = NULL WHERE {column} > ?1"), &[&kept])?;
    }
    run("UPDATE redemption SET timed_out = 0 WHERE released_position IS NULL", &[])?;
    run(
        "UPDATE redemption SET released_position = position, timed_out = 1 \
         WHERE spent_position IS NULL AND released_position IS NULL",
        &[],
    )?;
    run(
        "UPDATE redemption SET returned_units = \
         (SELECT coalesce(sum(units), 0) FROM reversal WHERE reversal.redemption = redemption.position)",
        &[],
    )?;
    for (table, column) in [
        ("redemption", "spent_position"),
        ("redemption", "released_position"),
        ("redemption", "reversed_position"),
        ("reversal", "redemption"),
        ("redemption", "position"),
        ("reversal", "position"),
        ("reverse_request", "position"),
    ] {
        run(&format!("UPDATE {table} SET {column} = ?1 + {column} WHERE {column} > 0"), &[&base])?;
    }
    Ok(())
}

/// The redemption that a record of its later life names. A copy of an earlier life may name one that is not here.
fn expect(
    conn: &Connection,
    incarnation: IncarnationId,
    id: EventId,
    record: &Record,
) -> Result<Option<Life>, CommandError> {
    match find(conn, incarnation, id)? {
        None if record.origin.is_none() => Err(CommandError::damaged(format!("redemption {id} is named and missing"))),
        found => Ok(found),
    }
}

fn wrong(id: EventId, what: &str, state: RedemptionState) -> CommandError {
    CommandError::damaged(format!("redemption {id} is {what} where its life allows it no more ({state:?})"))
}

fn floor_units(entries: &[Entry]) -> i64 {
    let floor = entries.iter().filter(|entry| entry.debt == Some(DebtKind::Floor));
    floor.map(|entry| entry.units).fold(0, i64::saturating_add)
}

fn insert(
    conn: &Connection,
    position: u64,
    is_copy: bool,
    redemption: &RedemptionRecord,
    floor_units: i64,
    expires_at_ms: Option<i64>,
    spent: Option<u64>,
) -> Result<(), CommandError> {
    store::execute(
        conn,
        "writing a redemption",
        "INSERT INTO redemption (position, is_copy, member, purse, reward, units, floor_units, sale_ref, \
         expires_at_ms, spent_position) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            values::signed(position),
            is_copy,
            redemption.member.0,
            redemption.purse,
            redemption.reward,
            redemption.units,
            floor_units,
            redemption.sale_ref,
            expires_at_ms,
            spent.map(values::signed),
        ],
    )?;
    Ok(())
}

fn release(conn: &Connection, life: u64, position: u64, reason: ReleaseReason) -> Result<(), CommandError> {
    free(conn, life)?;
    store::execute(
        conn,
        "noting the end of a reservation",
        "UPDATE redemption SET released_position = ?2, timed_out = ?3 WHERE position = ?1",
        params![values::signed(life), values::signed(position), reason == ReleaseReason::TimedOut],
    )?;
    Ok(())
}

fn set(conn: &Connection, life: u64, column: &'static str, position: u64) -> Result<(), CommandError> {
    let sql = format!("UPDATE redemption SET {column} = coalesce({column}, ?2) WHERE position = ?1");
    store::execute(conn, "noting the life of a redemption", &sql, [values::signed(life), values::signed(position)])?;
    Ok(())
}

fn reserve(conn: &Connection, reservation: u64, entry: &Entry) -> Result<(), CommandError> {
    store::execute(
        conn,
        "reserving units",
        "INSERT INTO reserved (member, purse, vests, expires, reservation, units) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            entry.member.0,
            entry.purse,
            values::packed(entry.lot.vests),
            values::packed(entry.lot.expires),
            values::signed(reservation),
            entry.units,
        ],
    )?;
    Ok(())
}

fn free(conn: &Connection, reservation: u64) -> Result<(), CommandError> {
    let sql = "DELETE FROM reserved WHERE reservation = ?1";
    store::execute(conn, "freeing reserved units", sql, [values::signed(reservation)])?;
    Ok(())
}

/// What is reserved of a lot must be held.
fn covered(conn: &Connection, entry: &Entry, check: HeldCheck) -> Result<(), CommandError> {
    let lot = params![entry.member.0, entry.purse, values::packed(entry.lot.vests), values::packed(entry.lot.expires)];
    let held = store::optional(
        conn,
        "reading what is held",
        "SELECT units FROM holding WHERE member = ?1 AND purse = ?2 AND vests = ?3 AND expires = ?4",
        lot,
        |row| row.get::<_, i64>(0),
    )?;
    let (held, reserved) = (held.unwrap_or(0), reserved_of_lot(conn, lot)?);
    if reserved > held && check == HeldCheck::On {
        return Err(CommandError::damaged(format!(
            "{reserved} units of {:?} would be reserved where {held} are held",
            entry.purse
        )));
    }
    Ok(())
}

/// Units of one lot (member, purse, vests, expires) that open reservations have chosen.
pub(crate) fn reserved_of_lot(conn: &Connection, lot: &[&dyn rusqlite::ToSql]) -> Result<i64, StorageError> {
    let sql =
        "SELECT coalesce(sum(units), 0) FROM reserved WHERE member = ?1 AND purse = ?2 AND vests = ?3 AND expires = ?4";
    let sum = store::optional(conn, "reading what is reserved", sql, lot, |row| row.get::<_, i64>(0))?;
    Ok(sum.unwrap_or(0))
}
