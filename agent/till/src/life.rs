//! The life of a redemption as rows: reserved, spent, released, given back. Derived from records by the code here,
//! when one is written and when the journal is read again.
//!
//! Invariants: a reservation is spent at most once; what is given back is at most what was spent; the units that open
//! reservations have chosen are held. Not here: who may do what, and what a caller is answered.

use counterfoil_protocol::entry::{DebtKind, Entry};
use counterfoil_protocol::id::{EventId, IncarnationId, MemberId};
use counterfoil_protocol::record::{Body, Origin, Record, RedemptionRecord, ReleaseReason};
use rusqlite::{Connection, Row, params};

use crate::answer::RedemptionState;
use crate::derive::HeldCheck;
use crate::error::{CommandError, StorageError};
use crate::store::{self, values};

/// A redemption or reservation of this journal.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub position: u64,
    /// First written by an earlier life of this terminal.
    pub is_copy: bool,
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

const COLUMNS: &str = "position, origin_incarnation IS NOT NULL, member, purse, reward, units, spent_position, \
                       released_position, timed_out, expires_at_ms, returned_units, reversed_position";

fn read(row: &Row<'_>) -> rusqlite::Result<Life> {
    let position = |index| {
        Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(|at| u64::try_from(at).unwrap_or_default()))
    };
    Ok(Life {
        position: values::count(row, 0)?,
        is_copy: row.get(1)?,
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
    let position = values::signed(id.position);
    if id.incarnation == incarnation {
        let sql = format!("SELECT {COLUMNS} FROM redemption WHERE position = ?1");
        return store::optional(conn, "looking up a redemption", &sql, [position], read);
    }
    let sql = format!("SELECT {COLUMNS} FROM redemption WHERE origin_incarnation = ?1 AND origin_position = ?2");
    store::optional(conn, "looking up a redemption", &sql, params![id.incarnation.0, position], read)
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
            insert(conn, position, origin, redemption, floor_units(&record.entries), None, Some(position))
        }
        Body::Reservation(made) => {
            let floor = floor_units(&made.chosen);
            insert(conn, position, origin, &made.redemption, floor, Some(made.expires_at_ms), None)?;
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
            let returned =
                record.entries.iter().map(|entry| entry.units).fold(life.returned_units, i64::saturating_add);
            if (life.spent.is_none() || returned > life.units) && origin.is_none() && check == HeldCheck::On {
                return Err(wrong(made.redemption, "reversed", life.state()));
            }
            store::execute(
                conn,
                "noting what was given back",
                "INSERT OR REPLACE INTO reversal (position, redemption) VALUES (?1, ?2)",
                params![values::signed(position), values::signed(life.position)],
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
    origin: Option<&Origin>,
    redemption: &RedemptionRecord,
    floor_units: i64,
    expires_at_ms: Option<i64>,
    spent: Option<u64>,
) -> Result<(), CommandError> {
    store::execute(
        conn,
        "writing a redemption",
        "INSERT INTO redemption (position, origin_incarnation, origin_position, member, purse, reward, units, \
         floor_units, sale_ref, expires_at_ms, spent_position) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            values::signed(position),
            origin.map(|origin| origin.incarnation.0),
            origin.map(|origin| values::signed(origin.position)),
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
