//! Which sale a receipt is. A receipt is known by its number within 20 hours; its content is kind, currency and total.
//!
//! Equal content is the same sale by whatever path it came; other content is a conflict.

use counterfoil_protocol::day::PosTotals;
use counterfoil_protocol::id::MemberId;
use counterfoil_protocol::sale::{Sale, SaleKind};
use rusqlite::params;

use crate::error::{CommandError, StorageError};
use crate::gaps;
use crate::store::{self, values};
use crate::till::Till;

/// Two receipts with one number this far apart are two sales: numbers come round again.
const SAME_RECEIPT_MS_MAX: i64 = 20 * 60 * 60 * 1000;

/// A recorded sale as its index has it.
#[derive(Debug, Clone)]
pub(crate) struct SaleRow {
    pub position: u64,
    pub is_return: bool,
    pub training: bool,
    pub currency: String,
    pub total: i64,
    pub member: Option<MemberId>,
    pub void_position: Option<u64>,
}

const COLUMNS: &str = "position, is_return, training, currency, total, member, void_position";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<SaleRow> {
    let void_position =
        if row.get_ref(6)? == rusqlite::types::ValueRef::Null { None } else { Some(values::count(row, 6)?) };
    Ok(SaleRow {
        position: values::count(row, 0)?,
        is_return: row.get(1)?,
        training: row.get(2)?,
        currency: row.get(3)?,
        total: row.get(4)?,
        member: values::optional_member(row, 5)?,
        void_position,
    })
}

/// What a receipt number stands for already.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// Nothing within reach.
    No,
    /// This very sale.
    Same(SaleRow),
    /// Another one.
    Other(SaleRow, &'static str),
}

impl Till {
    pub(crate) fn sale_at(&self, position: u64) -> Result<Option<SaleRow>, StorageError> {
        let sql = format!("SELECT {COLUMNS} FROM sale WHERE position = ?1");
        store::optional(&self.value, "looking up a sale", &sql, [values::signed(position)], read)
    }

    pub(crate) fn last_sale_by(&self, column: &'static str, value: &str) -> Result<Option<SaleRow>, StorageError> {
        let sql = format!("SELECT {COLUMNS} FROM sale WHERE {column} = ?1 ORDER BY position DESC LIMIT 1");
        store::optional(&self.value, "looking up a sale", &sql, [value], read)
    }

    /// Recorded sales with this number, the last first.
    pub(crate) fn sales_numbered(&self, number: &str) -> Result<Vec<SaleRow>, StorageError> {
        let sql = format!("SELECT {COLUMNS} FROM sale WHERE receipt_number = ?1 ORDER BY position DESC");
        store::all(&self.value, "looking up a receipt", &sql, [number], read)
    }

    /// Recorded sales with this number around an instant, nearest last recorded first.
    pub(crate) fn receipts_near(&self, number: &str, at_ms: i64) -> Result<Vec<SaleRow>, StorageError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sale WHERE receipt_number = ?1 AND occurred_at_ms BETWEEN ?2 AND ?3 \
             ORDER BY position DESC"
        );
        let (from, to) = (at_ms.saturating_sub(SAME_RECEIPT_MS_MAX), at_ms.saturating_add(SAME_RECEIPT_MS_MAX));
        store::all(&self.value, "looking up a receipt", &sql, params![number, from, to], read)
    }

    pub(crate) fn known_receipt(&self, sale: &Sale, at_ms: i64) -> Result<Known, CommandError> {
        if self.settings.faults.forget_first_answers {
            return Ok(Known::No);
        }
        let mut other = None;
        for row in self.receipts_near(&sale.receipt_number, at_ms)? {
            if row.training != sale.training {
                continue;
            }
            match difference(&row, sale) {
                None => return Ok(Known::Same(row)),
                Some(what) => other = other.or(Some(Known::Other(row, what))),
            }
        }
        Ok(other.unwrap_or(Known::No))
    }

    /// Numbers of the open day's receipts that should have come and did not.
    pub(crate) fn receipt_gaps(&self, pos: Option<&PosTotals>) -> Result<Vec<String>, StorageError> {
        let numbers = store::all(
            &self.value,
            "reading the day's receipt numbers",
            "SELECT receipt_number FROM day_receipt",
            [],
            |row| row.get::<_, String>(0),
        )?;
        Ok(gaps::find(&numbers, pos))
    }
}

fn difference(row: &SaleRow, sale: &Sale) -> Option<&'static str> {
    if row.is_return != (sale.kind == SaleKind::Return) {
        Some("kind")
    } else if row.currency != sale.currency {
        Some("currency")
    } else if row.total != sale.total {
        Some("total")
    } else {
        None
    }
}
