//! From what a driver read on paper to what the engine takes.
//!
//! Invents nothing: what the paper does not say stays absent. A local time gets the store's offset; a document
//! that should have moved value and cannot goes to the exceptions with a reason.

use counterfoil_drivers::captured::{CapturedOriginal, CapturedTotals, LineKind, SaleKind, TenderKind};
use counterfoil_drivers::{CapturedSale, Class, Parsed};
use counterfoil_protocol::day::PosTotals;
use counterfoil_protocol::sale as ours;
use counterfoil_till::{Captured, CapturedDocument};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Converts one document. `at_ms`: when its end passed the tap; `zone`: the store's.
pub fn captured(parsed: Parsed, at_ms: i64, zone: &TimeZone) -> Captured {
    let (from, to) = (parsed.from, parsed.to);
    Captured { from, to, at_ms, document: document(parsed, at_ms, zone) }
}

/// A document that the engine refused: kept as it was read, with the reason.
pub fn refused(parsed: Parsed, at_ms: i64, reason: &str) -> Captured {
    let document = CapturedDocument::Other {
        class: parsed.class.name().to_owned(),
        receipt_number: parsed.receipt_number,
        marks: parsed.marks,
        text: parsed.text,
        exception: Some(reason.to_owned()),
    };
    Captured { from: parsed.from, to: parsed.to, at_ms, document }
}

fn document(parsed: Parsed, at_ms: i64, zone: &TimeZone) -> CapturedDocument {
    let is_blank = parsed.text.iter().all(|line| line.trim().is_empty()) && parsed.codes.is_empty();
    match (parsed.class, parsed.sale, parsed.z_report) {
        (Class::Other | Class::Partial, None, None) if is_blank => CapturedDocument::Nothing,
        (Class::Sale | Class::Return, Some(captured), _) => CapturedDocument::Sale(sale(captured, at_ms, zone)),
        (Class::Void, Some(captured), _) => CapturedDocument::Void {
            receipt_number: parsed.receipt_number,
            voided_receipt: parsed.voided_receipt,
            sale: sale(captured, at_ms, zone),
        },
        (Class::ZReport, _, Some(report)) => {
            let report_number = report.report_number.clone();
            CapturedDocument::ZReport { totals: totals(report), report_number }
        }
        (class, _, _) => CapturedDocument::Other {
            class: class.name().to_owned(),
            receipt_number: parsed.receipt_number,
            marks: parsed.marks,
            text: parsed.text,
            exception: exception(class),
        },
    }
}

/// Why a person should look at a document that is not taken as what its class says.
fn exception(class: Class) -> Option<String> {
    let why = match class {
        Class::Sale | Class::Return | Class::Void => "the template recognised it and could not read its amounts",
        Class::ZReport => "the template recognised a Z report and could not read its totals",
        Class::Other => "no rule of the template knows this document",
        Class::Partial => "the document ended half way",
        Class::Unreadable => "the document is a picture: there is nothing to read",
        Class::Reprint
        | Class::Suspended
        | Class::Resumed
        | Class::Training
        | Class::NoSale
        | Class::XReport
        | Class::CardSlip
        | Class::GiftReceipt
        | Class::KitchenTicket => return None,
    };
    Some(why.to_owned())
}

fn sale(captured: CapturedSale, at_ms: i64, zone: &TimeZone) -> ours::Sale {
    ours::Sale {
        kind: match captured.kind {
            SaleKind::Sale => ours::SaleKind::Sale,
            SaleKind::Return => ours::SaleKind::Return,
        },
        receipt_number: captured.receipt_number,
        sale_ref: None,
        occurred_at: occurred_at(captured.occurred_at.as_deref(), at_ms, zone),
        currency: captured.currency,
        total: captured.total,
        tax: captured.tax,
        tax_included: captured.tax_included,
        rounding: captured.rounding.unwrap_or(0),
        lines: captured
            .lines
            .into_iter()
            .map(|line| ours::Line {
                id: Some(line.id),
                kind: line_kind(line.kind),
                sku: line.sku,
                description: line.description,
                category: None,
                quantity: line.quantity,
                unit: line.unit,
                unit_price: line.unit_price,
                discount: line.discount.unwrap_or(0),
                amount: line.amount,
                gift_card: None,
                account: None,
                account_identifier: None,
            })
            .collect(),
        discounts: captured
            .discounts
            .into_iter()
            .map(|discount| ours::Discount { description: discount.description, amount: discount.amount })
            .collect(),
        tenders: captured
            .tenders
            .into_iter()
            .map(|tender| ours::Tender { kind: tender_kind(tender.kind), amount: tender.amount })
            .collect(),
        change: captured.change.unwrap_or(0),
        member: captured.member.map(|member| ours::MemberRef { identifier: Some(member.identifier), member_id: None }),
        operator: captured.operator,
        original: captured.original.map(original),
        training: captured.training,
    }
}

fn original(original: CapturedOriginal) -> ours::OriginalRef {
    ours::OriginalRef {
        store: None,
        lane: None,
        receipt_number: original.receipt_number,
        business_date: original.business_date,
    }
}

fn line_kind(kind: LineKind) -> ours::LineKind {
    match kind {
        LineKind::Item => ours::LineKind::Item,
        LineKind::Deposit => ours::LineKind::Deposit,
        LineKind::Fee => ours::LineKind::Fee,
        LineKind::Tip => ours::LineKind::Tip,
        LineKind::Donation => ours::LineKind::Donation,
        LineKind::GiftCard => ours::LineKind::GiftCard,
    }
}

fn tender_kind(kind: TenderKind) -> ours::TenderKind {
    match kind {
        TenderKind::Cash => ours::TenderKind::Cash,
        TenderKind::Card => ours::TenderKind::Card,
        TenderKind::Voucher => ours::TenderKind::Voucher,
        TenderKind::GiftCard => ours::TenderKind::GiftCard,
        TenderKind::Points => ours::TenderKind::Points,
        TenderKind::Other => ours::TenderKind::Other,
    }
}

fn totals(report: CapturedTotals) -> PosTotals {
    PosTotals {
        sales: report.sales,
        gross: report.gross,
        tax: report.tax,
        first_receipt: report.first_receipt,
        last_receipt: report.last_receipt,
    }
}

/// The time on the paper with the store's offset. Where the paper has only a date, the time of day is the tap's;
/// where it has none, or one that is no time, all of it is.
fn occurred_at(printed: Option<&str>, at_ms: i64, zone: &TimeZone) -> String {
    let tapped = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned_datetime(zone.clone());
    let printed = printed.and_then(|text| {
        let local = match text.parse::<DateTime>() {
            Ok(local) if text.contains('T') => local,
            _ => text.parse::<Date>().ok()?.to_datetime(tapped.time()),
        };
        local.to_zoned_datetime(zone.clone()).ok()
    });
    printed.unwrap_or(tapped).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(class: Class) -> Parsed {
        Parsed {
            from: 10,
            to: 90,
            class,
            receipt_number: Some("000123".into()),
            marks: vec![],
            text: vec!["SHOP".into()],
            codes: vec![],
            display: vec![],
            sale: None,
            z_report: None,
            voided_receipt: None,
        }
    }

    fn zone() -> TimeZone {
        TimeZone::get("Europe/London").unwrap()
    }

    /// 2026-07-01T10:15:30Z, a quarter past eleven in London.
    const AT_MS: i64 = 1_782_900_930_000;

    #[test]
    fn local_times_get_the_stores_offset() {
        for (printed, expected) in [
            (Some("2026-07-01T11:14"), "2026-07-01T11:14:00+01:00"),
            (Some("2026-01-31T11:14:09"), "2026-01-31T11:14:09+00:00"),
            (Some("2026-07-01"), "2026-07-01T11:15:30+01:00"),
            (Some("yesterday"), "2026-07-01T11:15:30+01:00"),
            (None, "2026-07-01T11:15:30+01:00"),
        ] {
            assert_eq!(occurred_at(printed, AT_MS, &zone()), expected, "{printed:?}");
        }
    }

    #[test]
    fn what_should_move_value_and_cannot_is_an_exception() {
        for class in [Class::Sale, Class::Return, Class::Void, Class::ZReport, Class::Other, Class::Partial] {
            let CapturedDocument::Other { exception, receipt_number, .. } =
                captured(parsed(class), AT_MS, &zone()).document
            else {
                panic!("{class:?}");
            };
            assert!(exception.is_some(), "{class:?}");
            assert_eq!(receipt_number.as_deref(), Some("000123"));
        }
        for class in [Class::Reprint, Class::Training, Class::KitchenTicket, Class::XReport] {
            let document = captured(parsed(class), AT_MS, &zone()).document;
            assert!(matches!(document, CapturedDocument::Other { exception: None, .. }), "{class:?}");
        }
        let blank = Parsed { text: vec!["  ".into()], ..parsed(Class::Other) };
        assert_eq!(captured(blank, AT_MS, &zone()).document, CapturedDocument::Nothing);
    }
}
