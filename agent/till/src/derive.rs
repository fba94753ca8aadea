//! Everything that follows from a record, as rows. The same code when a record is written and when the journal is
//! read again, so that what is derived can always be derived anew.

use counterfoil_protocol::day::{DayClose, PosTotals};
use counterfoil_protocol::entry::{Entry, Lot};
use counterfoil_protocol::id::{Holder, IncarnationId, MemberId};
use counterfoil_protocol::record::{Body, Record, SaleRecord, Source};
use counterfoil_protocol::sale::SaleKind;
use rusqlite::{Connection, params};

use crate::error::CommandError;
use crate::store::{self, values};

/// Whether what is spent must be held. `Off` is a fault for the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldCheck {
    On,
    Off,
}

/// Writes what follows from `record` at `position` of `incarnation`'s journal.
pub(crate) fn from_record(
    conn: &Connection,
    incarnation: IncarnationId,
    position: u64,
    record: &Record,
    check: HeldCheck,
) -> Result<(), CommandError> {
    day_opened(conn, position, record)?;
    if let Some(idempotency) = &record.idempotency {
        store::execute(
            conn,
            "writing an idempotency key",
            "INSERT OR REPLACE INTO idempotency (key, request, position) VALUES (?1, ?2, ?3)",
            params![idempotency.key, idempotency.request.0.as_slice(), values::signed(position)],
        )?;
    }
    let author = Holder::Terminal(incarnation);
    for (index, entry) in (0i64..).zip(&record.entries) {
        own_entry(conn, author, position, index, entry)?;
        let change = entry.held_change(author, author).map_err(|error| CommandError::damaged(error.to_string()))?;
        change_held(conn, entry.member, &entry.purse, entry.lot, change, check)?;
    }
    from_body(conn, position, record)
}

fn from_body(conn: &Connection, position: u64, record: &Record) -> Result<(), CommandError> {
    let (number, source) = match &record.body {
        Body::Sale(sale) => {
            sale_recorded(conn, position, sale)?;
            (Some(sale.sale.receipt_number.as_str()), Some(&sale.source))
        }
        Body::Void(void) => {
            store::execute(
                conn,
                "marking a sale as voided",
                "UPDATE sale SET void_position = ?1 WHERE position = ?2",
                params![values::signed(position), void.sale_position.map(values::signed)],
            )?;
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
        store::execute(
            conn,
            "noting a receipt number",
            "INSERT OR IGNORE INTO day_receipt (receipt_number) VALUES (?1)",
            [number],
        )?;
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
    let Some(member) = record.member.filter(|_| !sale.training) else {
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
        "INSERT INTO own_entry (member, position, entry, purse, vests, expires, units_change, debt_change) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            entry.member.0,
            values::signed(position),
            index,
            entry.purse,
            values::packed(entry.lot.vests),
            values::packed(entry.lot.expires),
            entry.balance_change(author).map_err(damaged)?,
            entry.debt_change(author).map_err(damaged)?,
        ],
    )?;
    Ok(())
}

/// Adds to, or takes from, what is held of one lot. Law 2 is kept here: what is not held is not taken.
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
    let left = match held.checked_add(change) {
        Some(left) if left >= 0 => left,
        Some(_) if check == HeldCheck::Off => 0,
        _ => {
            return Err(CommandError::damaged(format!(
                "{change} units of {purse:?} would leave what is held ({held}) beyond its bounds"
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
