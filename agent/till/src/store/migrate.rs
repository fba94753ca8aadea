//! Migrations: numbered, each once, in order, each in a transaction of its own, with its checksum kept.
//!
//! A database whose applied migrations are not a prefix of the ones this program knows was written by a newer
//! version, or by one with another history: it is refused, never guessed at.

use counterfoil_protocol::id::Digest;
use rusqlite::Connection;

use super::values;
use crate::error::{OpenError, StorageError};

/// Which of the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Value,
    Directory,
}

struct Migration {
    name: &'static str,
    sql: &'static str,
}

const VALUE: &[Migration] = &[
    Migration { name: "0001_start", sql: include_str!("../../migrations/value/0001_start.sql") },
    Migration { name: "0002_rights", sql: include_str!("../../migrations/value/0002_rights.sql") },
    Migration { name: "0003_lives", sql: include_str!("../../migrations/value/0003_lives.sql") },
    Migration { name: "0004_returns", sql: include_str!("../../migrations/value/0004_returns.sql") },
];

const DIRECTORY: &[Migration] =
    &[Migration { name: "0001_start", sql: include_str!("../../migrations/directory/0001_start.sql") }];

impl Database {
    fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Directory => "directory",
        }
    }

    /// In the file's header, so that the two are never taken for each other: `CFtv` and `CFtd`.
    fn application_id(self) -> i32 {
        match self {
            Self::Value => 0x4346_7476,
            Self::Directory => 0x4346_7464,
        }
    }

    fn migrations(self) -> &'static [Migration] {
        match self {
            Self::Value => VALUE,
            Self::Directory => DIRECTORY,
        }
    }
}

pub(crate) fn run(conn: &mut Connection, database: Database) -> Result<(), OpenError> {
    run_list(conn, database, database.migrations())
}

fn run_list(conn: &mut Connection, database: Database, known: &[Migration]) -> Result<(), OpenError> {
    let failed = StorageError::new("bringing it up to date");
    let version = begin(conn, database)?;
    let applied = applied(conn)?;
    let refuse = |detail: String| OpenError::Migration { database: database.name(), detail };
    if applied.len() != version {
        return Err(refuse(format!("its version is {version}, its list has {} migrations", applied.len())));
    }
    for (index, (name, checksum)) in applied.iter().enumerate() {
        let Some(migration) = known.get(index) else {
            return Err(refuse(format!("{name} is newer than this program")));
        };
        if migration.name != name || checksum_of(migration) != *checksum {
            return Err(refuse(format!("{name} is not the {} of this program", migration.name)));
        }
    }
    for (index, migration) in known.iter().enumerate().skip(version) {
        let number = index + 1;
        let transaction = conn.transaction().map_err(&failed)?;
        transaction.execute_batch(migration.sql).map_err(&failed)?;
        transaction
            .execute(
                "INSERT INTO migration (number, name, checksum) VALUES (?1, ?2, ?3)",
                (values::signed(number as u64), migration.name, checksum_of(migration).0.as_slice()),
            )
            .map_err(&failed)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {number}")).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
    }
    Ok(())
}

/// Makes the list of migrations in an empty file; refuses a file of somebody else. Gives the version.
fn begin(conn: &mut Connection, database: Database) -> Result<usize, OpenError> {
    let failed = StorageError::new("bringing it up to date");
    let pragma = |conn: &Connection, name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
    let application_id: i32 = pragma(conn, "application_id").map_err(&failed)?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(&failed)?;
    if tables == 0 {
        let transaction = conn.transaction().map_err(&failed)?;
        transaction
            .execute_batch(&format!(
                "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL) STRICT;
                 PRAGMA application_id = {}",
                database.application_id()
            ))
            .map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
    } else if application_id != database.application_id() {
        return Err(OpenError::WrongFile { expected: database.name() });
    }
    let version: i32 = pragma(conn, "user_version").map_err(&failed)?;
    usize::try_from(version).map_err(|_| OpenError::WrongFile { expected: database.name() })
}

fn applied(conn: &Connection) -> Result<Vec<(String, Digest)>, StorageError> {
    super::all(conn, "reading its migrations", "SELECT name, checksum FROM migration ORDER BY number", [], |row| {
        Ok((row.get(0)?, values::digest(row, 1)?))
    })
}

fn checksum_of(migration: &Migration) -> Digest {
    Digest::of(&[migration.sql.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Migration = Migration { name: "0001_start", sql: "CREATE TABLE a (x)" };
    const TWO: Migration = Migration { name: "0002_more", sql: "CREATE TABLE b (x)" };

    fn memory() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    #[test]
    fn each_migration_runs_once_and_in_order() {
        let mut conn = memory();
        run_list(&mut conn, Database::Value, &[ONE]).unwrap();
        run_list(&mut conn, Database::Value, &[ONE, TWO]).unwrap();
        run_list(&mut conn, Database::Value, &[ONE, TWO]).unwrap();
        conn.execute_batch("SELECT * FROM a, b").unwrap();
    }

    #[test]
    fn another_history_is_refused() {
        let mut conn = memory();
        run_list(&mut conn, Database::Value, &[ONE, TWO]).unwrap();
        let newer = run_list(&mut conn, Database::Value, &[ONE]).unwrap_err();
        assert!(newer.to_string().contains("0002_more is newer"), "{newer}");
        let changed = Migration { name: "0001_start", sql: "CREATE TABLE a (y)" };
        assert!(matches!(run_list(&mut conn, Database::Value, &[changed, TWO]), Err(OpenError::Migration { .. })));
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        let mut conn = memory();
        run(&mut conn, Database::Directory).unwrap();
        assert!(matches!(run(&mut conn, Database::Value), Err(OpenError::WrongFile { .. })));
        let mut foreign = memory();
        foreign.execute_batch("CREATE TABLE x (y)").unwrap();
        assert!(matches!(run(&mut foreign, Database::Value), Err(OpenError::WrongFile { .. })));
    }

    #[test]
    fn a_step_that_fails_leaves_nothing() {
        let mut conn = memory();
        let broken = Migration { name: "0002_more", sql: "CREATE TABLE b (x); CREATE TABLE a (x)" };
        assert!(run_list(&mut conn, Database::Value, &[ONE, broken]).is_err());
        assert!(conn.execute_batch("SELECT * FROM b").is_err());
        run_list(&mut conn, Database::Value, &[ONE, TWO]).unwrap();
    }
}
