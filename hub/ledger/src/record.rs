//! A record as it is read at head office, and what about it a person should look at, whatever its entries do.

use counterfoil_protocol::entry::{DebtKind, EntryKind};
use counterfoil_protocol::limits::RECORD_ENTRY_COUNT_MAX;
use counterfoil_protocol::record::{Body, RECORD_VERSION, Record};

use crate::exception::{Exception, ExceptionKind};

/// A record, or why it cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadRecord {
    /// It can be posted.
    Readable(Box<Record>),
    /// It is kept as bytes.
    Unreadable(Exception),
}

/// Reads a record whose chain and signature hold.
pub fn read_record(bytes: &[u8]) -> ReadRecord {
    let unreadable = |reason| ReadRecord::Unreadable(Exception { kind: ExceptionKind::UnreadableRecord, reason });
    match Record::from_bytes(bytes) {
        Err(error) => {
            unreadable(format!("the record does not decode ({error}); its bytes are kept, nothing is posted"))
        }
        Ok(record) if record.version > RECORD_VERSION => unreadable(format!(
            "the record has version {}, this hub knows {RECORD_VERSION}: upgrade the hub; its bytes are kept, nothing is posted",
            record.version
        )),
        Ok(record) if record.entries.len() > RECORD_ENTRY_COUNT_MAX => unreadable(format!(
            "the record has {} entries, {RECORD_ENTRY_COUNT_MAX} are possible",
            record.entries.len()
        )),
        Ok(record) => ReadRecord::Readable(Box::new(record)),
    }
}

/// What a readable record says by itself that somebody should look at.
pub fn record_exceptions(record: &Record) -> Vec<Exception> {
    let mut found = Vec::new();
    let mut add = |kind, reason: String| found.push(Exception { kind, reason });
    match &record.body {
        Body::Sale(sale) => {
            let is_unknown =
                sale.unknown_identifier.is_some() || record.marks.iter().any(|mark| mark == "unknown-member");
            if sale.member.is_none() && is_unknown {
                add(
                    ExceptionKind::UnknownCard,
                    format!("receipt {} was sold with a card that finds nobody", sale.sale.receipt_number),
                );
            }
            for failure in &sale.failures {
                add(ExceptionKind::RuleFailed, format!("receipt {}: {failure}", sale.sale.receipt_number));
            }
        }
        Body::Void(void) if void.sale_position.is_none() && void.sale.is_none() => {
            add(
                ExceptionKind::UnknownVoid,
                format!("receipt {} was voided and its sale is not known at the till", void.voided_receipt),
            );
        }
        Body::CaptureGap(gap) => {
            let lost = gap.to.saturating_sub(gap.from);
            add(ExceptionKind::CaptureGap, format!("{lost} bytes from {} were lost: {}", gap.device, gap.reason));
        }
        Body::Document(document) => {
            if let Some(reason) = &document.exception {
                let number = document.receipt_number.as_deref().unwrap_or("without a number");
                add(ExceptionKind::UnknownDocument, format!("{} {number}: {reason}", document.class));
            }
        }
        Body::Void(_)
        | Body::Redemption(_)
        | Body::DayClose(_)
        | Body::PosTotals(_)
        | Body::Reservation(_)
        | Body::Release(_)
        | Body::Confirmation(_)
        | Body::Reversal(_)
        | Body::ReverseRequest(_)
        | Body::RightsReturned(_)
        | Body::Succession(_) => {}
    }
    if record.clock_suspect {
        add(ExceptionKind::ClockSuspect, format!("the till did not trust its clock on {}", record.business_date));
    }
    for entry in &record.entries {
        if (entry.kind, entry.debt) == (EntryKind::Redeem, Some(DebtKind::Floor)) {
            let reason = format!("{} {} were spent below the floor", entry.units, entry.purse);
            add(ExceptionKind::FloorRedemption, reason);
        }
    }
    found
}

/// What a record leaves owed once head office has paid what it could: nothing is said of what was paid at once. The floor
/// is the retailer's risk and said with the record.
pub fn debt_exception(kind: DebtKind, purse: &str, owed_units: i64) -> Option<Exception> {
    let (kind, why) = match kind {
        _ if owed_units <= 0 => return None,
        DebtKind::Floor => return None,
        DebtKind::Late => (ExceptionKind::LateConfirmation, "a redemption was confirmed after it had ended"),
        DebtKind::Clawback => (ExceptionKind::Debt, "they were taken back after they had been spent"),
        DebtKind::Restored => (ExceptionKind::Debt, "a till that was put back from an older copy had spent them"),
    };
    Some(Exception { kind, reason: format!("{owed_units} {purse} are owed: {why}") })
}
