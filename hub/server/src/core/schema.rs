//! The schema and how it moves forward: numbered files, each applied once, in order, with its checksum kept.
//!
//! A database that knows a file this program does not, or another text under the same number, is refused: it
//! belongs to a newer program, or somebody changed history.

use counterfoil_protocol::id::Digest;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::error::{Doing as _, HubError};

struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "core", sql: include_str!("../../migrations/0001_core.sql") },
    Migration { number: 2, name: "rights", sql: include_str!("../../migrations/0002_rights.sql") },
    Migration { number: 3, name: "lives", sql: include_str!("../../migrations/0003_lives.sql") },
    Migration { number: 4, name: "returns", sql: include_str!("../../migrations/0004_returns.sql") },
];

/// How long a writer waits for another process.
const BUSY_TIMEOUT_MS: u64 = 5_000;

/// Statements kept ready.
const STATEMENT_COUNT_MAX: usize = 160;

/// Sets what durability rests on and reads it back. The locking mode is its opener's business.
pub(super) fn prepare(conn: &Connection) -> Result<(), HubError> {
    conn.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS)).doing("setting the busy timeout")?;
    conn.set_prepared_statement_cache_capacity(STATEMENT_COUNT_MAX);
    let mode: String =
        conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).doing("switching to write-ahead logging")?;
    conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;").doing("setting durability")?;
    // Plans do not depend on bound values: a cached statement is not prepared anew for each of 64 buckets.
    conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).doing("fixing query plans")?;
    let synchronous: i64 =
        conn.query_row("PRAGMA synchronous", [], |row| row.get(0)).doing("reading the durability back")?;
    if mode != "wal" || synchronous != 2 {
        return Err(HubError::Database {
            detail: format!(
                "the database runs with journal_mode {mode} and synchronous {synchronous}, head office needs wal and 2 (FULL): \
                 put it on a local file system"
            ),
        });
    }
    Ok(())
}

/// Brings the schema up to date.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), HubError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).doing("beginning a migration")?;
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL) STRICT",
    )
    .doing("making the table of migrations")?;
    for migration in MIGRATIONS {
        let checksum = Digest::of(&[migration.sql.as_bytes()]).0;
        let applied: Option<[u8; 32]> = tx
            .query_row("SELECT checksum FROM migration WHERE number = ?1", [migration.number], |row| row.get(0))
            .optional()
            .doing("reading the table of migrations")?;
        match applied {
            Some(applied) if applied == checksum => {}
            Some(_) => {
                return Err(HubError::Database {
                    detail: format!(
                        "migration {} ({}) was applied with another text: this database belongs to another build of the hub",
                        migration.number, migration.name
                    ),
                });
            }
            None => {
                tx.execute_batch(migration.sql).doing("applying a migration")?;
                tx.execute(
                    "INSERT INTO migration (number, name, checksum) VALUES (?1, ?2, ?3)",
                    (migration.number, migration.name, checksum),
                )
                .doing("noting a migration")?;
            }
        }
    }
    let newest: i64 = tx
        .query_row("SELECT max(number) FROM migration", [], |row| row.get(0))
        .doing("reading the schema's version")?;
    let known = MIGRATIONS.last().map_or(0, |migration| migration.number);
    if newest > known {
        return Err(HubError::Database {
            detail: format!("the database has schema {newest}, this hub knows {known}: start the newer hub again"),
        });
    }
    tx.commit().doing("committing a migration")
}
