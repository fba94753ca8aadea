//! How values of the protocol stand in columns.

use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::{Digest, IdentifierHash, IncarnationId, MemberId};
use counterfoil_protocol::time::Date;
use rusqlite::types::Type;

fn short_blob(index: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, "a column has another length than its id".into())
}

fn fixed<const N: usize>(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<[u8; N]> {
    let bytes = row.get_ref(index)?.as_blob()?;
    bytes.try_into().map_err(|_| short_blob(index))
}

pub(crate) fn member(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<MemberId> {
    fixed(row, index).map(MemberId)
}

pub(crate) fn optional_member(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Option<MemberId>> {
    if row.get_ref(index)?.as_blob_or_null()?.is_none() { Ok(None) } else { member(row, index).map(Some) }
}

pub(crate) fn identifier(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<IdentifierHash> {
    fixed(row, index).map(IdentifierHash)
}

pub(crate) fn digest(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Digest> {
    fixed(row, index).map(Digest)
}

pub(crate) fn bytes32(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<[u8; 32]> {
    fixed(row, index)
}

/// 0 stands for no date, so that it can be part of a key.
pub(crate) fn packed(date: Option<Date>) -> i32 {
    date.map_or(0, Date::packed)
}

pub(crate) fn date(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Date> {
    let packed: i32 = row.get(index)?;
    Date::from_packed(packed)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, Type::Integer, Box::new(error)))
}

fn optional_date(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Option<Date>> {
    if row.get::<_, i32>(index)? == 0 { Ok(None) } else { date(row, index).map(Some) }
}

/// Two columns, `vests` and `expires`.
pub(crate) fn lot(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Lot> {
    Ok(Lot { vests: optional_date(row, index)?, expires: optional_date(row, index + 1)? })
}

pub(crate) fn incarnation(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<IncarnationId> {
    fixed(row, index).map(IncarnationId)
}

/// Positions, places and counts. Only places in an earlier journal (`place`) are negative on disk.
pub(crate) fn count(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::cast_unsigned)
}

/// The other way; the engine never counts beyond `i64`.
pub(crate) fn signed(count: u64) -> i64 {
    count.cast_signed()
}
