//! Everything that follows from a record, as rows. The same code when a record is written and when the journal is
//! read again, so that what is derived can always be derived anew.

use counterfoil_protocol::day::{DayClose, PosTotals};
use counterfoil_protocol::entry::{DebtKind, Entry, Lot};
use counterfoil_protocol::id::{Holder, IncarnationId, MemberId};
use counterfoil_protocol::record::{Body, Record, SaleRecord, Source};
use counterfoil_protocol::sale::SaleKind;
use rusqlite::{Connection, params};

use crate::error::{CommandError, OpenError, StorageError};
use crate::journal;
use crate::life;
use crate::past;
use crate::place;
use crate::returns;
use crate::store::{self, values};

/// Records read at a time.
const CHUNK_RECORD_COUNT: usize = 500;

/// Whether what is spent must be held. `Off` is a fault for the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldCheck {
    On,
    Off,
}

/// Which tables a record that is older than they are has been read for.
const DERIVED_VERSION: i64 = 1;

/// Makes rows of tables that came with a later version than the records they follow from. Once for each such version.
pub(crate) fn catch_up(conn: &Connection, incarnation: IncarnationId) -> Result<(), OpenError> {
    let version = store::optional(conn, "reading what is derived", "SELECT derived_version FROM till", [], |row| {
        row.get::<_, i64>(0)
    })?;
    if version == Some(DERIVED_VERSION) {
        return Ok(());
    }
    let damaged = |error: CommandError| OpenError::Damaged { what: error.to_string() };
    let failed = StorageError::new("making what is derived");
    let transaction = conn.unchecked_transaction().map_err(&failed)?;
    let mut after = 0;
    loop {
        let rows = journal::rows_after(conn, after, CHUNK_RECORD_COUNT)?;
        let Some(last) = rows.last() else { break };
        after = last.position;
        for row in &rows {
            let record = journal::decode(row.position, &row.bytes).map_err(damaged)?;
            life::from_record(conn, incarnation, row.position, &record, HeldCheck::On).map_err(damaged)?;
        }
    }
    store::execute(conn, "making what is derived", "UPDATE till SET derived_version = ?1", [DERIVED_VERSION])?;
    transaction.commit().map_err(&failed)?;
    Ok(())
}

/// Writes what follows from `record` at `position` of `incarnation`'s journal.
pub(crate) fn from_record(
    conn: &Connection,
    incarnation: IncarnationId,
    position: u64,
    record: &Record,
    check: HeldCheck,
) -> Result<(), CommandError> {
    if let Some(origin) = &record.origin {
        past::note_again(conn, origin, position)?;
    }
    day_opened(conn, position, record)?;
    if let Some(idempotency) = &record.idempotency {
        store::execute(
            conn,
            "writing an idempotency key",
            "INSERT OR REPLACE INTO idempotency (key, request, position) VALUES (?1, ?2, ?3)",
            params![idempotency.key, idempotency.request.0.as_slice(), values::signed(position)],
        )?;
    }
    life::from_record(conn, incarnation, position, record, check)?;
    let author = Holder::Terminal(incarnation);
    for (index, entry) in (0i64..).zip(&record.entries) {
        own_entry(conn, author, position, index, entry)?;
        let change = entry.held_change(author, author).map_err(|error| CommandError::damaged(error.to_string()))?;
        change_held(conn, entry.member, &entry.purse, entry.lot, change, check)?;
    }
    from_body(conn, incarnation, position, record)
}

fn from_body(
    conn: &Connection,
    incarnation: IncarnationId,
    position: u64,
    record: &Record,
) -> Result<(), CommandError> {
    let (number, source) = match &record.body {
        Body::Sale(sale) => {
            sale_recorded(conn, position, sale)?;
            returns::return_recorded(conn, incarnation, position, record, sale)?;
            (Some(sale.sale.receipt_number.as_str()), Some(&sale.source))
        }
        Body::Void(void) => {
            let sale = past::sale_of_void(incarnation, record, void)
                .map(|sale| place::find(conn, incarnation, sale))
                .transpose()?
                .flatten();
            store::execute(
                conn,
                "marking a sale as voided",
                "UPDATE sale SET void_position = ?1 WHERE position = ?2",
                params![values::signed(position), sale.map(values::signed)],
            )?;
            if let Some(sale) = sale {
                returns::awards_undone(conn, sale)?;
            }
            (void.receipt_number.as_deref(), Some(&void.source))
        }
        Body::Document(document) => (document.receipt_number.as_deref(), Some(&document.source)),
        Body::CaptureGap(gap) => {
            capture_done(conn, &gap.device, gap.to)?;
            (None, None)
        }
        Body::DayClose(close) => {
            day_closed(conn, position, close)?;
            (None, None)
        }
        Body::PosTotals(totals) => {
            store::execute(
                conn,
                "noting the POS's totals",
                "UPDATE day SET pos_totals = ?1 WHERE sequence = ?2",
                params![encoded(&totals.totals), totals.sequence],
            )?;
            (None, None)
        }
        Body::Redemption(_)
        | Body::Reservation(_)
        | Body::Release(_)
        | Body::Confirmation(_)
        | Body::Reversal(_)
        | Body::ReverseRequest(_)
        | Body::RightsReturned(_)
        | Body::Succession(_) => (None, None),
    };
    if let Some(number) = number {
        day_receipt(conn, number)?;
    }
    if let Some(Source::Paper { device, to, .. }) = source {
        capture_done(conn, device, *to)?;
    }
    Ok(())
}

fn sale_recorded(conn: &Connection, position: u64, record: &SaleRecord) -> Result<(), CommandError> {
    let sale = &record.sale;
    store::execute(
        conn,
        "indexing a sale",
        "INSERT INTO sale (position, receipt_number, sale_ref, occurred_at_ms, is_return, training, currency, total, \
         member) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            values::signed(position),
            sale.receipt_number,
            sale.sale_ref,
            record.occurred_at_ms,
            sale.kind == SaleKind::Return,
            sale.training,
            sale.currency,
            sale.total,
            record.member.map(|member| member.0),
        ],
    )?;
    day_rules(conn, record)?;
    returns::awards_counted(conn, position, record)
}

fn day_receipt(conn: &Connection, number: &str) -> Result<(), CommandError> {
    store::execute(
        conn,
        "noting a receipt number",
        "INSERT OR IGNORE INTO day_receipt (receipt_number) VALUES (?1)",
        [number],
    )?;
    Ok(())
}

/// What a record of the journal of `own`, whose life has ended, counts for in the open day.
pub(crate) fn day_counts(conn: &Connection, own: IncarnationId, at: u64, record: &Record) -> Result<(), CommandError> {
    let nobody = IncarnationId([0; 16]);
    let number = match &record.body {
        Body::Sale(sale) => {
            day_rules(conn, sale)?;
            returns::awards_counted(conn, at, sale)?;
            returns::return_recorded(conn, nobody, at, record, sale)?;
            Some(sale.sale.receipt_number.as_str())
        }
        Body::Void(void) => {
            let sale = past::sale_of_void(own, record, void).map(|sale| place::find(conn, nobody, sale)).transpose()?;
            if let Some(sale) = sale.flatten() {
                returns::awards_undone(conn, sale)?;
            }
            void.receipt_number.as_deref()
        }
        Body::Document(document) => document.receipt_number.as_deref(),
        _ => None,
    };
    number.map_or(Ok(()), |number| day_receipt(conn, number))
}

fn day_rules(conn: &Connection, record: &SaleRecord) -> Result<(), CommandError> {
    let Some(member) = record.member.filter(|_| !record.sale.training) else {
        return Ok(());
    };
    for rule in record.awards.iter().flat_map(|award| &award.rules) {
        store::execute(
            conn,
            "counting a rule",
            "INSERT INTO day_rule (member, rule, units) VALUES (?1, ?2, ?3) ON CONFLICT (member, rule) DO UPDATE SET \
             units = min(units + excluded.units, 1000000000000)",
            params![member.0, rule.rule, rule.amount.min(counterfoil_protocol::limits::ENTRY_UNITS_MAX)],
        )?;
    }
    Ok(())
}

fn own_entry(conn: &Connection, author: Holder, position: u64, index: i64, entry: &Entry) -> Result<(), CommandError> {
    let damaged = |error: counterfoil_protocol::entry::EntryError| CommandError::damaged(error.to_string());
    store::execute(
        conn,
        "writing an entry",
        "INSERT INTO own_entry (member, position, entry, purse, vests, expires, units_change, debt_change, debt_kind) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            entry.member.0,
            values::signed(position),
            index,
            entry.purse,
            values::packed(entry.lot.vests),
            values::packed(entry.lot.expires),
            entry.balance_change(author).map_err(damaged)?,
            entry.debt_change(author).map_err(damaged)?,
            entry.debt.map(debt_kind),
        ],
    )?;
    Ok(())
}

/// A kind of debt as columns carry it, and as records do.
pub(crate) fn debt_kind(kind: DebtKind) -> i64 {
    match kind {
        DebtKind::Clawback => 0,
        DebtKind::Floor => 1,
        DebtKind::Restored => 2,
        DebtKind::Late => 3,
    }
}

/// Adds to, or takes from, what is held of one lot. Law 2 is kept here: what is not held is not taken, and what a basket
/// has reserved stays.
pub(crate) fn change_held(
    conn: &Connection,
    member: MemberId,
    purse: &str,
    lot: Lot,
    change: i64,
    check: HeldCheck,
) -> Result<(), CommandError> {
    if change == 0 {
        return Ok(());
    }
    let (vests, expires) = (values::packed(lot.vests), values::packed(lot.expires));
    let held = store::optional(
        conn,
        "reading what is held",
        "SELECT units FROM holding WHERE member = ?1 AND purse = ?2 AND vests = ?3 AND expires = ?4",
        params![member.0, purse, vests, expires],
        |row| row.get::<_, i64>(0),
    )?
    .unwrap_or(0);
    let reserved = match (change < 0, check) {
        (true, HeldCheck::On) => life::reserved_of_lot(conn, params![member.0, purse, vests, expires])?,
        _ => 0,
    };
    let left = match held.checked_add(change) {
        Some(left) if left >= reserved => left,
        Some(_) if check == HeldCheck::Off => 0,
        _ => {
            return Err(CommandError::damaged(format!(
                "{change} units of {purse:?} would leave what is held ({held}, {reserved} of them reserved) beyond its bounds"
            )));
        }
    };
    if left == 0 {
        store::execute(
            conn,
            "writing what is held",
            "DELETE FROM holding WHERE member = ?1 AND purse = ?2 AND vests = ?3 AND expires = ?4",
            params![member.0, purse, vests, expires],
        )?;
    } else {
        store::execute(
            conn,
            "writing what is held",
            "INSERT OR REPLACE INTO holding (member, purse, vests, expires, units) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![member.0, purse, vests, expires, left],
        )?;
    }
    Ok(())
}

fn day_opened(conn: &Connection, position: u64, record: &Record) -> Result<(), CommandError> {
    store::execute(
        conn,
        "opening a business day",
        "INSERT OR IGNORE INTO day (sequence, business_date, from_position) VALUES (?1, ?2, ?3)",
        params![record.day_sequence, record.business_date.packed(), values::signed(position)],
    )?;
    Ok(())
}

fn encoded(totals: &PosTotals) -> Vec<u8> {
    minicbor::to_vec(totals).expect("encoding into memory cannot fail")
}

fn day_closed(conn: &Connection, position: u64, close: &DayClose) -> Result<(), CommandError> {
    store::execute(
        conn,
        "closing a business day",
        "UPDATE day SET close_position = ?1, pos_totals = ?2 WHERE sequence = ?3",
        params![values::signed(position), close.pos_totals.as_ref().map(encoded), close.sequence],
    )?;
    store::execute(conn, "closing a business day", "DELETE FROM day_receipt", [])?;
    store::execute(conn, "closing a business day", "DELETE FROM day_rule", [])?;
    store::execute(conn, "closing a business day", "DELETE FROM day_award", [])?;
    Ok(())
}

/// How far a device's stream is done with: never back.
pub(crate) fn capture_done(conn: &Connection, device: &str, to: u64) -> Result<(), CommandError> {
    store::execute(
        conn,
        "noting how far a device's stream is read",
        "INSERT INTO capture (device, done) VALUES (?1, ?2) ON CONFLICT (device) DO UPDATE SET \
         done = max(done, excluded.done)",
        params![device, values::signed(to)],
    )?;
    Ok(())
}
