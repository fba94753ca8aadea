//! What the tap heard: spans, offsets, classes, cards waiting for their sale, days.
#![allow(clippy::unwrap_used, reason = "test code")]

mod kit;

use counterfoil_protocol::day::PosTotals;
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::record::Body;
use counterfoil_till::{Call, CaptureOutcome, CapturedDocument, Now};
use kit::*;

fn card(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn z(sales: u64, gross: i64) -> CapturedDocument {
    let totals = PosTotals { sales: Some(sales), gross: Some(gross), ..PosTotals::default() };
    CapturedDocument::ZReport { totals, report_number: Some("0007".into()) }
}

fn void_of(number: &str, total: i64) -> CapturedDocument {
    CapturedDocument::Void {
        receipt_number: Some(format!("{}", number.parse::<u32>().unwrap() + 1)),
        voided_receipt: Some(number.into()),
        sale: sale("9", total, None),
    }
}

#[test]
fn a_span_is_done_once() {
    let mut shop = Shop::open_for_business();
    let document = || CapturedDocument::Sale(sale("1", 500, Some(CARD)));
    let first = shop.till_mut().capture("printer", paper(0, MORNING, document()), now()).unwrap();
    assert!(matches!(first, CaptureOutcome::Sale(reply) if reply.fresh));
    assert_eq!(shop.till().capture_offset("printer").unwrap(), 100);
    shop.reopen();
    let again = shop.till_mut().capture("printer", paper(0, MORNING, document()), now()).unwrap();
    assert_eq!(again, CaptureOutcome::AlreadyDone);
    // Another printer, or the API: the same sale all the same.
    let other = shop.till_mut().capture("second", paper(0, MORNING, document()), now()).unwrap();
    assert!(matches!(other, CaptureOutcome::Sale(reply) if !reply.fresh && reply.position == 1));
    assert_eq!(shop.till().capture_offset("second").unwrap(), 100);
    assert!(!shop.till_mut().record_sale(sale("1", 500, None), Call::api(), now()).unwrap().fresh);
    shop.assert_sound();
}

#[test]
fn paper_that_cannot_be_taken_becomes_an_exception_and_the_stream_moves_on() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.record_sale(sale("1", 500, None), Call::api(), now()).unwrap();
    let mut bad = sale("2", 500, None);
    bad.lines[0].description = None;
    let documents = [
        (CapturedDocument::Sale(sale("1", 600, None)), "with another total"),
        (CapturedDocument::Sale(bad), "neither `description` nor `sku`"),
        (void_of("77", 100), "has not recorded"),
        (void_of("1", 100), "over 100 minor units"),
        (
            CapturedDocument::Void { receipt_number: None, voided_receipt: None, sale: sale("3", 1, None) },
            "does not say which receipt",
        ),
    ];
    for (index, (document, reason)) in documents.into_iter().enumerate() {
        let from = index as u64 * 100;
        let outcome = till.capture("printer", paper(from, MORNING, document), now()).unwrap();
        let CaptureOutcome::Document { exception: Some(exception), position } = outcome else { panic!("{outcome:?}") };
        assert!(exception.contains(reason), "{exception}");
        assert_eq!(till.capture_offset("printer").unwrap(), from + 100);
        let (_, _, record) = till.records_after(position - 1, 1).unwrap().remove(0);
        assert!(matches!(record.body, Body::Document(document) if document.exception.is_some()));
    }
    shop.assert_sound();
}

#[test]
fn a_void_on_paper_undoes_its_sale_once() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.capture("printer", paper(0, MORNING, CapturedDocument::Sale(sale("1", 500, Some(CARD)))), now()).unwrap();
    let outcome = till.capture("printer", paper(100, MORNING, void_of("1", 500)), now()).unwrap();
    assert!(matches!(outcome, CaptureOutcome::Void(reply) if reply.fresh));
    let outcome = till.capture("printer", paper(200, MORNING, void_of("1", 500)), now()).unwrap();
    assert!(matches!(outcome, CaptureOutcome::Document { exception: Some(_), .. }));
    let marker = shop.witness.last.lock().unwrap().unwrap();
    assert!(marker.head.position >= 2);
    shop.assert_sound();
}

#[test]
fn a_scanned_card_waits_for_the_next_sale_and_no_other_document() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    let at = |minutes: i64| Now::at(MORNING + minutes * MINUTE);
    let first = till.scan_member(&card(CARD), at(0)).unwrap();
    assert!(first.member.is_some() && !first.replaced);
    assert!(till.scan_member(&card(OTHER_CARD), at(1)).unwrap().replaced);
    shop.reopen();
    let till = shop.till_mut();
    assert_eq!(till.pending_member(at(2)).unwrap().member, Some(member_of(OTHER_CARD)));
    // A receipt that was cut before the scan is somebody else's.
    let number = |n: &str, at: Now| CapturedDocument::Sale(sale_at(n, 500, None, at.wall_ms));
    let capture = |till: &mut counterfoil_till::Till, from, at: Now, document| match till
        .capture("printer", paper(from, at.wall_ms, document), at)
        .unwrap()
    {
        CaptureOutcome::Sale(reply) => reply.answer.member_id,
        _ => None,
    };
    assert_eq!(capture(till, 0, at(0), number("1", at(0))), None);
    let slip = CapturedDocument::Other {
        class: "slip".into(),
        receipt_number: None,
        marks: vec![],
        text: vec!["4111".into()],
        exception: None,
    };
    assert_eq!(capture(till, 100, at(2), slip), None);
    let mut training = sale_at("2", 500, None, at(2).wall_ms);
    training.training = true;
    assert_eq!(capture(till, 200, at(2), CapturedDocument::Sale(training)), None);
    assert!(till.pending_member(at(2)).is_some());
    assert_eq!(capture(till, 300, at(3), number("3", at(3))), Some(member_of(OTHER_CARD)));
    assert_eq!(till.pending_member(at(3)), None);
    assert_eq!(capture(till, 400, at(4), number("4", at(4))), None, "used up");
    // The sale's own member wins, and uses the card up all the same.
    till.scan_member(&card(OTHER_CARD), at(5)).unwrap();
    let own = CapturedDocument::Sale(sale_at("5", 500, Some(CARD), at(6).wall_ms));
    assert_eq!(capture(till, 500, at(6), own), Some(member_of(CARD)));
    assert_eq!(till.pending_member(at(6)), None);
    // Five minutes, then it is forgotten.
    till.scan_member(&card(CARD), at(10)).unwrap();
    assert_eq!(till.pending_member(at(15)), None);
    assert_eq!(capture(till, 600, at(15), number("6", at(15))), None);
    // A card nobody knows is recorded by its hash.
    till.scan_member(&card("4711"), at(20)).unwrap();
    let reply = till.record_sale(sale_at("7", 500, None, at(20).wall_ms), Call::api(), at(20)).unwrap();
    assert_eq!(reply.answer.marks, ["unknown-member"]);
    till.scan_member(&card(CARD), at(21)).unwrap();
    till.clear_pending_member().unwrap();
    assert_eq!(till.pending_member(at(21)), None);
    shop.assert_sound();
}

#[test]
fn the_z_report_closes_the_day_and_missing_numbers_are_named() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    for (index, number) in ["000001", "000002", "000004"].iter().enumerate() {
        let document = CapturedDocument::Sale(sale(number, 600, None));
        till.capture("printer", paper(index as u64 * 100, MORNING, document), now()).unwrap();
    }
    let other = CapturedDocument::Other {
        class: "no-sale".into(),
        receipt_number: Some("000005".into()),
        marks: vec![],
        text: vec![],
        exception: None,
    };
    till.capture("printer", paper(300, MORNING, other), now()).unwrap();
    let outcome = till.capture("printer", paper(400, MORNING, z(4, 2400)), now()).unwrap();
    let CaptureOutcome::DayClosed(reply) = outcome else { panic!("{outcome:?}") };
    let json = serde_json::to_value(&reply.answer).unwrap();
    let expected = serde_json::json!({
        "business_date": "2026-11-20", "sequence": 1,
        "ranges": [ { "incarnation": till.incarnation(), "from": 1, "to": 5 } ],
        "records": 4, "sales": 3, "gross": 1800, "tax": 300, "purses": [],
        "chain": json["chain"],
        "pos_totals": { "sales": 4, "gross": 2400 },
        "receipt_gaps": ["000003"],
    });
    assert_eq!(json, expected);
    // The same report printed again is a copy.
    let outcome = till.capture("printer", paper(500, MORNING, z(4, 2400)), now()).unwrap();
    assert!(matches!(outcome, CaptureOutcome::Document { exception: None, .. }));
    // The next day has numbers of its own.
    till.record_sale(sale("000006", 100, None), Call::api(), now()).unwrap();
    let next = till.close_day(None, Call::api(), now()).unwrap().answer;
    assert_eq!((next.sequence, next.receipt_gaps.len(), next.records), (2, 0, 2));
    shop.assert_sound();
}

#[test]
fn a_late_z_report_finds_its_day() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.record_sale(sale("1", 600, None), Call::api(), now()).unwrap();
    let tomorrow = Now::at(MORNING + DAY);
    assert!(!till.day_end_due(now()) && till.day_end_due(tomorrow));
    assert!(!till.day_end_due(Now { suspect: true, ..tomorrow }));
    till.close_day(None, Call::api(), tomorrow).unwrap();
    assert!(!till.day_end_due(tomorrow));
    let outcome = till.capture("printer", paper(0, MORNING, z(1, 600)), tomorrow).unwrap();
    let CaptureOutcome::PosTotals { business_date, sequence, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((business_date.to_string().as_str(), sequence), ("2026-11-20", 1));
    shop.assert_sound();
}

#[test]
fn a_sale_after_the_day_end_closes_the_day_before_it() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.record_sale(sale("1", 600, None), Call::api(), now()).unwrap();
    let reply = till.record_sale(sale_at("2", 700, None, MORNING + DAY), Call::api(), Now::at(MORNING + DAY)).unwrap();
    assert_eq!((reply.position, reply.answer.business_date.to_string().as_str()), (3, "2026-11-21"));
    let (_, _, record) = till.records_after(1, 1).unwrap().remove(0);
    let Body::DayClose(close) = record.body else { panic!() };
    assert_eq!((close.business_date.to_string().as_str(), close.gross), ("2026-11-20", 600));
    shop.assert_sound();
}

#[test]
fn closing_by_call_is_answered_once() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.record_sale(sale("1", 600, None), Call::api(), now()).unwrap();
    let first = till.close_day(None, keyed("d", "1"), now()).unwrap();
    for call in [keyed("d", "1"), Call::api(), keyed("d2", "1")] {
        let again = till.close_day(None, call, now()).unwrap();
        assert!(!again.fresh && again.answer == first.answer);
    }
    let totals = PosTotals { gross: Some(600), ..PosTotals::default() };
    let late = till.close_day(Some(totals.clone()), Call::api(), now()).unwrap();
    assert!(late.fresh && late.answer.sequence == 1 && late.answer.pos_totals == Some(totals));
    // A day without any record is closed too, when somebody asks for it.
    let empty = till.close_day(None, Call::api(), Now::at(MORNING + 2 * DAY)).unwrap().answer;
    assert_eq!((empty.sequence, empty.sales), (2, 0));
    shop.assert_sound();
}

#[test]
fn lost_bytes_are_recorded_and_passed_over() {
    let mut shop = Shop::open_for_business();
    let gap = CapturedDocument::Gap { reason: "the spool was full".into() };
    let outcome = shop.till_mut().capture("printer", paper(0, MORNING, gap), now()).unwrap();
    assert_eq!(outcome, CaptureOutcome::Gap { position: 1 });
    let outcome = shop.till_mut().capture("printer", paper(100, MORNING, CapturedDocument::Nothing), now()).unwrap();
    assert_eq!(outcome, CaptureOutcome::Nothing);
    shop.reopen();
    assert_eq!(shop.till().capture_offset("printer").unwrap(), 200);
    shop.assert_sound();
}
