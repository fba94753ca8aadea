//! Making the write-ahead log durable before anything is built on it.
//!
//! After a sync that failed, Linux shows bytes that are not on the disk and that no later sync brings there. SQLite
//! reads its log as shown and goes on behind it, so a power cut could take what was acknowledged since. Writing
//! the log's own bytes over it makes what is shown durable, and harms nothing where power fails meanwhile.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use rusqlite::Connection;

/// Why the log is not settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// Nobody else may write meanwhile, and somebody does.
    #[error("the database is held by another process")]
    Lock(#[source] rusqlite::Error),
    /// The disk.
    #[error("the database's log cannot be written again: do not serve from this disk before it is checked")]
    Disk(#[source] io::Error),
}

/// Writes the log of `database` again. `conn` is a connection to it; its write lock keeps all others from the log.
///
/// # Errors
/// When the lock cannot be had, or the disk refuses.
pub fn settle_log(conn: &Connection, database: &Path) -> Result<(), SettleError> {
    conn.execute_batch("BEGIN IMMEDIATE").map_err(SettleError::Lock)?;
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let rewritten = rewrite_in_place(Path::new(&log)).map_err(SettleError::Disk);
    let released = conn.execute_batch("ROLLBACK").map_err(SettleError::Lock);
    rewritten.and(released)
}

fn rewrite_in_place(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    file.rewind()?;
    file.write_all(&bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_log_is_the_same_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.db");
        let conn = Connection::open(&path).unwrap();
        conn.busy_timeout(std::time::Duration::ZERO).unwrap();
        settle_log(&conn, &path).unwrap();
        let _: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
        conn.execute_batch("CREATE TABLE fact (id INTEGER); INSERT INTO fact VALUES (7)").unwrap();
        let log = dir.path().join("hub.db-wal");
        let before = std::fs::read(&log).unwrap();
        assert!(!before.is_empty());
        settle_log(&conn, &path).unwrap();
        assert_eq!(std::fs::read(&log).unwrap(), before);
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(matches!(settle_log(&conn, &path), Err(SettleError::Lock(_))));
        other.execute_batch("INSERT INTO fact VALUES (8); COMMIT").unwrap();
        let count: i64 = conn.query_row("SELECT count(*) FROM fact", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 2);
    }
}
