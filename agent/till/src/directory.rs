//! The directory: every identifier of every member, as keyed hashes, in a database of its own with its own cursor.
//!
//! A page is applied here first, then to the value database; what is pulled next starts where both have been. So a
//! commit lost here is only read again. Status and tier of a member are what its rows say.

use counterfoil_protocol::id::{IdentifierHash, MemberId};
use counterfoil_protocol::wire::v1::feed::{Change, IdentityRow, MemberState, MemberStatus, Page};
use rusqlite::{Connection, params};

use crate::error::StorageError;
use crate::store::{self, values};

const OPERATION: &str = "writing the directory";

/// What the directory says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub member: MemberId,
    pub status: MemberStatus,
    pub tier: Option<String>,
}

fn status_number(status: MemberStatus) -> i64 {
    match status {
        MemberStatus::Active => 0,
        MemberStatus::Blocked => 1,
        MemberStatus::Closed => 2,
    }
}

/// A status this version does not know spends nothing.
fn status_of(number: i64) -> MemberStatus {
    match number {
        0 => MemberStatus::Active,
        2 => MemberStatus::Closed,
        _ => MemberStatus::Blocked,
    }
}

fn listed(row: &rusqlite::Row<'_>) -> rusqlite::Result<Listed> {
    Ok(Listed { member: values::member(row, 0)?, status: status_of(row.get(1)?), tier: row.get(2)? })
}

pub(crate) fn cursor(conn: &Connection) -> Result<String, StorageError> {
    let found = store::optional(conn, "reading the directory", "SELECT cursor FROM progress", [], |row| row.get(0))?;
    Ok(found.unwrap_or_default())
}

pub(crate) fn by_identifier(conn: &Connection, hash: IdentifierHash) -> Result<Option<Listed>, StorageError> {
    let sql = "SELECT member, status, tier FROM identity WHERE identifier = ?1";
    store::optional(conn, "reading the directory", sql, [hash.0], listed)
}

pub(crate) fn by_member(conn: &Connection, member: MemberId) -> Result<Option<Listed>, StorageError> {
    let sql = "SELECT member, status, tier FROM identity WHERE member = ?1 ORDER BY identifier LIMIT 1";
    store::optional(conn, "reading the directory", sql, [member.0], listed)
}

fn put(conn: &Connection, row: &IdentityRow) -> Result<(), StorageError> {
    let Some(member) = row.member else {
        store::execute(conn, OPERATION, "DELETE FROM identity WHERE identifier = ?1", [row.identifier.0])?;
        return Ok(());
    };
    store::execute(
        conn,
        OPERATION,
        "INSERT OR REPLACE INTO identity (identifier, member, status, tier) VALUES (?1, ?2, ?3, ?4)",
        params![row.identifier.0, member.0, status_number(row.status), row.tier],
    )?;
    Ok(())
}

fn put_state(conn: &Connection, state: &MemberState) -> Result<(), StorageError> {
    store::execute(
        conn,
        OPERATION,
        "UPDATE identity SET status = ?2, tier = ?3 WHERE member = ?1",
        params![state.member.0, status_number(state.status), state.tier],
    )?;
    Ok(())
}

/// Applies a page, or, without one, single facts from an answer; the cursor moves with the rows. Gives the number of
/// identity rows.
pub(crate) fn apply(
    conn: &mut Connection,
    page: Option<&Page>,
    identity: Option<&IdentityRow>,
    state: Option<&MemberState>,
) -> Result<usize, StorageError> {
    let transaction = conn.transaction().map_err(StorageError::new(OPERATION))?;
    let mut rows = 0;
    for change in page.iter().flat_map(|page| &page.changes) {
        match change {
            Change::Identity(row) => {
                put(&transaction, row)?;
                rows += 1;
            }
            Change::State(state) => put_state(&transaction, state)?,
            Change::Grant(_)
            | Change::Program(_)
            | Change::Store(_)
            | Change::Recall(_)
            | Change::Reverse(_)
            | Change::Retire(_) => {}
        }
    }
    if let Some(row) = identity {
        put(&transaction, row)?;
        rows += 1;
    }
    if let Some(state) = state {
        put_state(&transaction, state)?;
    }
    if let Some(page) = page {
        store::execute(&transaction, OPERATION, "UPDATE progress SET cursor = ?1", [&page.cursor])?;
    }
    transaction.commit().map_err(StorageError::new(OPERATION))?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrate::{self, Database};

    fn identity(identifier: u8, member: Option<u8>, status: MemberStatus) -> IdentityRow {
        IdentityRow {
            identifier: IdentifierHash([identifier; 16]),
            member: member.map(|byte| MemberId([byte; 16])),
            status,
            tier: None,
        }
    }

    #[test]
    fn rows_come_change_and_go() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate::run(&mut conn, Database::Directory).unwrap();
        let find = |conn: &Connection| by_identifier(conn, IdentifierHash([1; 16])).unwrap();
        assert_eq!(find(&conn), None);
        apply(&mut conn, None, Some(&identity(1, Some(9), MemberStatus::Active)), None).unwrap();
        assert_eq!(find(&conn).unwrap().member, MemberId([9; 16]));
        apply(&mut conn, None, Some(&identity(1, Some(9), MemberStatus::Closed)), None).unwrap();
        assert_eq!(by_member(&conn, MemberId([9; 16])).unwrap().unwrap().status, MemberStatus::Closed);
        apply(&mut conn, None, Some(&identity(1, None, MemberStatus::Active)), None).unwrap();
        assert_eq!(find(&conn), None);
        assert_eq!(status_of(77), MemberStatus::Blocked);
    }
}
