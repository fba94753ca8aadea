//! Settings that durability rests on, set and read back.
//!
//! WAL with `synchronous=FULL`: one sync of the log per commit, durable when it returns. `locking_mode=EXCLUSIVE`:
//! one process, no shared memory. A SQLite with the WAL-reset bug (fixed in 3.51.3) is refused.

use rusqlite::Connection;

use crate::error::{OpenError, StorageError};
use crate::settings::Synchronous;

const SQLITE_VERSION_MIN: i32 = 3_051_003;
const SQLITE_VERSION_MIN_TEXT: &str = "3.51.3";
/// Frames in the log before a commit also checkpoints. The shell checkpoints in idle moments long before.
const CHECKPOINT_PAGES: i64 = 4_000;
/// Bytes the log's file keeps after a checkpoint.
const LOG_BYTES_KEPT: i64 = 16 << 20;

pub(crate) fn assert_version() -> Result<(), OpenError> {
    if rusqlite::version_number() >= SQLITE_VERSION_MIN {
        return Ok(());
    }
    Err(OpenError::SqliteVersion { got: rusqlite::version().to_owned(), needed: SQLITE_VERSION_MIN_TEXT })
}

pub(crate) fn apply(conn: &Connection, synchronous: Synchronous) -> Result<(), OpenError> {
    let synchronous = match synchronous {
        Synchronous::Full => "2",
        Synchronous::Normal => "1",
    };
    // Exclusive before WAL: the log then needs no shared memory.
    set(conn, "locking_mode", "exclusive")?;
    set(conn, "journal_mode", "wal")?;
    set(conn, "synchronous", synchronous)?;
    set(conn, "foreign_keys", "1")?;
    set(conn, "trusted_schema", "0")?;
    set(conn, "cell_size_check", "1")?;
    set(conn, "mmap_size", "0")?;
    set(conn, "temp_store", "2")?;
    set(conn, "wal_autocheckpoint", &CHECKPOINT_PAGES.to_string())?;
    set(conn, "journal_size_limit", &LOG_BYTES_KEPT.to_string())?;
    conn.set_prepared_statement_cache_capacity(96);
    Ok(())
}

fn set(conn: &Connection, pragma: &'static str, wanted: &str) -> Result<(), OpenError> {
    let failed = StorageError::new("setting it up");
    conn.execute_batch(&format!("PRAGMA {pragma} = {wanted}")).map_err(&failed)?;
    let got = conn
        .query_row(&format!("PRAGMA {pragma}"), [], |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                other => other.as_str()?.to_lowercase(),
            })
        })
        // A VFS without memory mapping answers no row at all.
        .or_else(|error| match error {
            rusqlite::Error::QueryReturnedNoRows if pragma == "mmap_size" => Ok("0".to_owned()),
            other => Err(other),
        })
        .map_err(&failed)?;
    // An in-memory database keeps its log in memory, whatever it is told.
    let in_memory = pragma == "journal_mode" && got == "memory";
    if got == wanted || in_memory {
        return Ok(());
    }
    Err(OpenError::Pragma { pragma, wanted: wanted.to_owned(), got })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(conn: &Connection, pragma: &str) -> String {
        conn.query_row(&format!("PRAGMA {pragma}"), [], |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                other => other.as_str()?.to_owned(),
            })
        })
        .unwrap()
    }

    #[test]
    fn a_database_is_durable_by_its_settings() {
        let dir = tempfile::tempdir().unwrap();
        let conn = Connection::open(dir.path().join("till.db")).unwrap();
        apply(&conn, Synchronous::Full).unwrap();
        let expected = [("journal_mode", "wal"), ("synchronous", "2"), ("locking_mode", "exclusive")];
        for (pragma, value) in expected {
            assert_eq!(read(&conn, pragma), value, "{pragma}");
        }
        assert_version().unwrap();
    }

    #[test]
    fn a_second_program_on_the_same_database_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("till.db");
        let first = Connection::open(&path).unwrap();
        apply(&first, Synchronous::Full).unwrap();
        first.execute_batch("CREATE TABLE t (x)").unwrap();
        let second = Connection::open(&path).unwrap();
        second.busy_timeout(std::time::Duration::ZERO).unwrap();
        let error = apply(&second, Synchronous::Full).unwrap_err();
        assert!(matches!(error, OpenError::Storage(_) | OpenError::Pragma { .. }), "{error}");
    }
}
