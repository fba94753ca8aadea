//! Journal records as people and programs read them: one JSON object a line.

use counterfoil_protocol::record::{Body, Chain, Record, ReleaseReason, ReturnReason, Source};
use serde_json::{Value, json};

/// Records read at a time by an export.
pub const EXPORT_CHUNK: usize = 200;

/// One record as a line, with its end.
pub fn export_line(position: u64, chain: Chain, record: &Record) -> String {
    let mut line = describe(position, chain, record).to_string();
    line.push('\n');
    line
}

fn describe(position: u64, chain: Chain, record: &Record) -> Value {
    let (kind, body) = describe_body(&record.body);
    let entries: Vec<Value> = record
        .entries
        .iter()
        .map(|entry| {
            json!({
                "kind": entry.kind.as_str(),
                "member_id": entry.member,
                "purse": entry.purse,
                "lot": entry.lot.to_string(),
                "units": entry.units,
                "to": entry.to.map(|holder| holder.to_string()),
                "debt": entry.debt.map(counterfoil_protocol::entry::DebtKind::as_str),
            })
        })
        .collect();
    json!({
        "position": position,
        "chain": chain,
        "kind": kind,
        "recorded_at": crate::clock::rfc3339(record.recorded_at_ms),
        "clock_suspect": record.clock_suspect,
        "business_date": record.business_date,
        "day_sequence": record.day_sequence,
        "program_version": record.program_version,
        "idempotency_key": record.idempotency.as_ref().map(|idempotency| &idempotency.key),
        "origin": record.origin.as_ref().map(|origin| json!({
            "incarnation": origin.incarnation, "position": origin.position, "chain": origin.chain,
        })),
        "body": body,
        "entries": entries,
        "answer": record.answer.as_ref().and_then(|answer| serde_json::from_slice::<Value>(answer).ok()),
        "marks": record.marks,
    })
}

fn describe_body(body: &Body) -> (&'static str, Value) {
    match body {
        Body::Sale(sale) => (
            "sale",
            json!({
                "sale": sale.sale,
                "member_id": sale.member,
                "unknown_identifier": sale.unknown_identifier,
                "inputs": sale.inputs,
                "awards": sale.awards,
                "failures": sale.failures,
                "source": describe_source(&sale.source),
            }),
        ),
        Body::Void(void) => (
            "void",
            json!({
                "sale_position": void.sale_position,
                "voided_receipt": void.voided_receipt,
                "receipt_number": void.receipt_number,
                "total": void.total,
                "tax": void.tax,
                "source": describe_source(&void.source),
            }),
        ),
        Body::Redemption(redemption) => (
            "redemption",
            json!({
                "member_id": redemption.member,
                "reward_id": redemption.reward,
                "purse": redemption.purse,
                "amount": redemption.units,
                "rights": redemption.rights,
                "sale_ref": redemption.sale_ref,
                "operator": redemption.operator,
            }),
        ),
        Body::DayClose(close) => ("day-close", json!(close)),
        Body::PosTotals(totals) => (
            "pos-totals",
            json!({
                "business_date": totals.business_date, "sequence": totals.sequence, "totals": totals.totals,
            }),
        ),
        Body::CaptureGap(gap) => {
            ("capture-gap", json!({ "device": gap.device, "from": gap.from, "to": gap.to, "reason": gap.reason }))
        }
        Body::Document(document) => (
            "document",
            json!({
                "class": document.class,
                "receipt_number": document.receipt_number,
                "marks": document.marks,
                "exception": document.exception,
                "text": document.text,
                "source": describe_source(&document.source),
            }),
        ),
        Body::Reservation(reservation) => (
            "reservation",
            json!({
                "member_id": reservation.redemption.member,
                "reward_id": reservation.redemption.reward,
                "purse": reservation.redemption.purse,
                "amount": reservation.redemption.units,
                "sale_ref": reservation.redemption.sale_ref,
                "operator": reservation.redemption.operator,
                "expires_at": crate::clock::rfc3339(reservation.expires_at_ms),
            }),
        ),
        Body::Release(release) => (
            "release",
            json!({
                "reservation": release.reservation,
                "reason": match release.reason {
                    ReleaseReason::Cancelled => "cancelled",
                    ReleaseReason::TimedOut => "timed-out",
                },
            }),
        ),
        Body::Confirmation(confirmation) => (
            "confirmation",
            json!({
                "reservation": confirmation.reservation, "late": confirmation.late, "sale_id": confirmation.sale,
            }),
        ),
        Body::Reversal(reversal) => (
            "reversal",
            json!({
                "redemption_id": reversal.redemption,
                "request": reversal.request,
                "reason": reversal.reason,
                "operator": reversal.operator,
            }),
        ),
        Body::ReverseRequest(request) => (
            "reverse-request",
            json!({
                "redemption_id": request.redemption, "reason": request.reason, "operator": request.operator,
            }),
        ),
        Body::RightsReturned(returned) => (
            "rights-returned",
            json!({
                "reason": match returned.reason {
                    ReturnReason::Expired => "expired",
                    ReturnReason::Recalled => "recalled",
                    ReturnReason::Retired => "retired",
                },
            }),
        ),
        Body::Succession(succession) => (
            "succession",
            json!({
                "before": succession.before,
                "branch": { "position": succession.branch.position, "chain": succession.branch.chain },
                "settled": { "position": succession.settled.position, "chain": succession.settled.chain },
            }),
        ),
    }
}

fn describe_source(source: &Source) -> Value {
    match source {
        Source::Api => json!("api"),
        Source::Paper { device, from, to } => json!({ "device": device, "from": from, "to": to }),
    }
}
