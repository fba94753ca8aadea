//! The two databases: opened by the shell, made fit here. What every file of the engine needs of SQLite.

pub(crate) mod migrate;
pub(crate) mod pragmas;
pub(crate) mod values;

use rusqlite::Connection;

use crate::error::{OpenError, StorageError};
use crate::settings::Synchronous;
use migrate::Database;

/// Makes both databases ready: settings that durability rests on, then migrations.
pub(crate) fn prepare(
    value: &mut Connection,
    directory: &mut Connection,
    synchronous: Synchronous,
) -> Result<(), OpenError> {
    pragmas::assert_version()?;
    pragmas::apply(value, synchronous)?;
    // The directory's commits may be lost to a power cut: what is pulled next starts where both databases are.
    pragmas::apply(directory, Synchronous::Normal)?;
    migrate::run(value, Database::Value)?;
    migrate::run(directory, Database::Directory)
}

/// Runs one statement through the cache.
pub(crate) fn execute(
    conn: &Connection,
    operation: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<usize, StorageError> {
    let mut statement = conn.prepare_cached(sql).map_err(StorageError::new(operation))?;
    statement.execute(params).map_err(StorageError::new(operation))
}

/// Reads at most one row.
pub(crate) fn optional<T>(
    conn: &Connection,
    operation: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StorageError> {
    let mut statement = conn.prepare_cached(sql).map_err(StorageError::new(operation))?;
    let mut rows = statement.query(params).map_err(StorageError::new(operation))?;
    match rows.next().map_err(StorageError::new(operation))? {
        Some(row) => read(row).map(Some).map_err(StorageError::new(operation)),
        None => Ok(None),
    }
}

/// Reads all rows.
pub(crate) fn all<T>(
    conn: &Connection,
    operation: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StorageError> {
    let mut statement = conn.prepare_cached(sql).map_err(StorageError::new(operation))?;
    let rows = statement.query_map(params, read).map_err(StorageError::new(operation))?;
    rows.collect::<rusqlite::Result<Vec<T>>>().map_err(StorageError::new(operation))
}
