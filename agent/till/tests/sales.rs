//! Sales, voids, returns and their identity, through the engine's face.
#![allow(clippy::unwrap_used, reason = "test code")]

mod kit;

use counterfoil_protocol::record::Body;
use counterfoil_protocol::sale::{OriginalRef, SaleKind};
use counterfoil_till::{Call, CommandError, Faults, Settings};
use kit::*;

#[test]
fn a_sale_is_recorded_and_answers_in_the_published_shape() {
    let mut shop = Shop::open_for_business();
    let reply = shop.till_mut().record_sale(sale("000123", 1234, Some(CARD)), Call::api(), now()).unwrap();
    assert!(reply.fresh && reply.position == 1);
    let json = serde_json::to_value(&reply.answer).unwrap();
    let expected = serde_json::json!({
        "sale_id": format!("{}-1", shop.till().incarnation()),
        "business_date": "2026-11-20",
        "member_id": member_of(CARD).to_string(),
        "accrued": [
            { "purse": "points", "amount": 12, "rule": "base", "reason": "1 point for each pound" },
            { "purse": "points", "amount": 100, "rule": "welcome", "reason": json["accrued"][1]["reason"] },
            { "purse": "coffee", "amount": 1, "rule": "stamp", "reason": json["accrued"][2]["reason"] },
        ],
        "purses": [
            { "purse": "coffee", "balance": 1, "spendable": 0 },
            { "purse": "points", "balance": 112, "spendable": 12 },
        ],
        "marks": [],
        "journal_position": 1,
    });
    assert_eq!(json, expected);
    // What a first visit gives is head office's to hold, and a stamp that may not be spent fresh is too.
    let view = shop.till().sale_by_receipt("000123").unwrap().unwrap();
    assert_eq!(view.answer, reply.answer);
    assert_eq!(view.sale.member, None, "the journal keeps no identifier");
    shop.assert_sound();
    shop.reopen();
    assert_eq!(shop.till().sale(reply.answer.sale_id).unwrap().unwrap().answer, reply.answer);
    assert!(shop.till().standing().is_sound());
}

#[test]
fn the_same_receipt_is_the_same_sale_by_whatever_path() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    let first = till.record_sale(sale("7", 500, Some(CARD)), keyed("k1", "a"), now()).unwrap();
    let again = till.record_sale(sale("7", 500, Some(CARD)), keyed("k1", "a"), now()).unwrap();
    assert!(!again.fresh && again.answer == first.answer);
    assert!(matches!(
        till.record_sale(sale("8", 500, None), keyed("k1", "b"), now()),
        Err(CommandError::IdempotencyMismatch { .. })
    ));
    // No key, another key, no member: still receipt 7 over 5.00.
    for call in [Call::api(), keyed("k2", "a2")] {
        let again = till.record_sale(sale("7", 500, None), call, now()).unwrap();
        assert!(!again.fresh && again.answer == first.answer);
    }
    assert!(matches!(
        till.record_sale(sale("7", 500, None), keyed("k2", "other"), now()),
        Err(CommandError::IdempotencyMismatch { .. })
    ));
    let conflict = till.record_sale(sale("7", 501, None), Call::api(), now()).unwrap_err();
    assert_eq!(conflict.kind(), "receipt-conflict");
    assert!(conflict.to_string().contains("another total"), "{conflict}");
    // Numbers come round: 21 hours later it is another sale.
    let later = sale_at("7", 501, None, MORNING + 21 * HOUR);
    assert!(till.record_sale(later, Call::api(), kit_now(21)).unwrap().fresh);
    shop.assert_sound();
    shop.reopen();
    let again = shop.till_mut().record_sale(sale("7", 500, None), keyed("k2", "a2"), kit_now(22)).unwrap();
    assert_eq!(again.answer, first.answer);
}

fn kit_now(hours: i64) -> counterfoil_till::Now {
    counterfoil_till::Now::at(MORNING + hours * HOUR)
}

#[test]
fn what_is_odd_is_taken_and_marked() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    let mut odd = sale_at("1", 500, Some("4711"), MORNING - 3 * DAY);
    odd.lines[0].amount = 400;
    let reply = till.record_sale(odd, Call::api(), now()).unwrap();
    assert_eq!(reply.answer.marks, ["arithmetic", "clock-suspect", "unknown-member"]);
    assert_eq!(reply.answer.member_id, None);
    let (_, _, record) = till.records_after(0, 1).unwrap().remove(0);
    let Body::Sale(body) = record.body else { panic!() };
    assert!(body.unknown_identifier.is_some(), "claimable later");
    assert!(record.entries.is_empty());
    let mut training = sale("2", 500, Some(CARD));
    training.training = true;
    let reply = till.record_sale(training, Call::api(), now()).unwrap();
    assert_eq!(reply.answer.marks, ["training"]);
    assert_eq!(reply.answer.accrued[0].amount, 5, "evaluated");
    assert_eq!(shop.purse(CARD, "points", now()), (0, 0, 0), "moves nothing");
    shop.assert_sound();
}

#[test]
fn what_cannot_be_taken_leaves_nothing() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    let mut bad = sale("1", 500, None);
    bad.occurred_at = "yesterday".into();
    let mut foreign = sale("2", 500, None);
    foreign.currency = "EUR".into();
    for bad in [bad, foreign] {
        let error = till.record_sale(bad, keyed("k", "x"), now()).unwrap_err();
        assert_eq!(error.kind(), "invalid-sale");
    }
    assert_eq!(till.head().position, 0);
    assert!(till.record_sale(sale("1", 500, None), keyed("k", "x"), now()).unwrap().fresh, "the key is free");
}

#[test]
fn a_void_restores_exactly_and_once() {
    let mut shop = Shop::open_for_business();
    shop.tell_state(state(CARD, 40, 0, 0, MORNING));
    shop.grant(member_of(CARD), "points", Default::default(), 40);
    let before = shop.purse(CARD, "points", now());
    assert_eq!(before, (40, 40, 0));
    let sold = shop.till_mut().record_sale(sale("1", 2000, Some(CARD)), Call::api(), now()).unwrap();
    assert_eq!(shop.purse(CARD, "points", now()), (160, 60, 0));
    let undone = shop.till_mut().void(sold.answer.sale_id, keyed("v", "1"), now()).unwrap();
    let reversed: Vec<_> = undone.answer.reversed.iter().map(|r| (r.purse.as_str(), r.amount, r.owed)).collect();
    assert_eq!(reversed, [("coffee", 1, 1), ("points", 120, 100)]);
    // What head office holds of it (the first visit) is owed until head office collects it from there.
    assert_eq!(shop.purse(CARD, "points", now()), (40, 40, 100));
    let again = shop.till_mut().void(sold.answer.sale_id, Call::api(), now()).unwrap();
    assert!(!again.fresh && again.answer == undone.answer);
    assert_eq!(shop.till().sale_by_receipt("1").unwrap().unwrap().state, counterfoil_till::SaleState::Voided);
    shop.assert_sound();
    let close = shop.till_mut().close_day(None, Call::api(), now()).unwrap().answer;
    assert_eq!((close.gross, close.tax, close.sales), (0, 0, 1));
    assert!(close.purses.iter().all(|purse| purse.accrued == 0));
}

#[test]
fn a_void_after_the_points_are_spent_is_owed() {
    let mut shop = Shop::open_for_business();
    let sold = shop.till_mut().record_sale(sale("1", 2000, Some(CARD)), Call::api(), now()).unwrap();
    shop.till_mut().redeem(spend(CARD, 20), Call::api(), now()).unwrap();
    let undone = shop.till_mut().void(sold.answer.sale_id, Call::api(), now()).unwrap().answer;
    let points = undone.reversed.iter().find(|reversed| reversed.purse == "points").unwrap();
    assert_eq!((points.amount, points.owed), (120, 120));
    assert_eq!(shop.purse(CARD, "points", now()), (0, 0, 120));
    // A till that knows of a debt accrues for head office.
    shop.till_mut().record_sale(sale("2", 5000, Some(CARD)), Call::api(), now()).unwrap();
    assert_eq!(shop.purse(CARD, "points", now()).1, 0);
    shop.assert_sound();
}

#[test]
fn a_return_takes_its_part_where_it_names_its_sale() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.record_sale(sale("1", 2000, Some(CARD)), Call::api(), now()).unwrap();
    let mut unlinked = sale("2", 500, Some(CARD));
    unlinked.kind = SaleKind::Return;
    let mut linked = unlinked.clone();
    linked.receipt_number = "3".into();
    linked.original = Some(OriginalRef { receipt_number: "1".into(), ..OriginalRef::default() });
    let marks = |sale, till: &mut counterfoil_till::Till| till.record_sale(sale, Call::api(), now()).unwrap().answer;
    let unlinked = marks(unlinked, till);
    assert_eq!(unlinked.marks, ["return-unlinked"]);
    assert!(unlinked.accrued.is_empty());
    assert_eq!(marks(linked, till).marks, Vec::<String>::new());
    let refused = till.void(unlinked.sale_id, Call::api(), now()).unwrap_err();
    assert!(refused.to_string().contains("sell the goods again"), "{refused}");
    let close = till.close_day(None, Call::api(), now()).unwrap().answer;
    assert_eq!((close.sales, close.gross), (1, 1000));
    assert_eq!(shop.purse(CARD, "points", now()).0, 90, "of 120, 20 from here and 10 that head office holds");
    shop.assert_sound();
}

#[test]
fn a_quote_records_nothing() {
    let mut shop = Shop::open_for_business();
    shop.grant(member_of(CARD), "points", Default::default(), 40);
    let quote = shop.till().quote(&sale("1", 2000, Some(CARD)), now()).unwrap();
    assert_eq!(quote.accrued[0].amount, 20);
    assert!(quote.rewards[0].available && !quote.rewards[1].available);
    assert_eq!(quote.rewards[1].reason.as_deref(), Some("860 more points needed."));
    assert_eq!(shop.till().head().position, 0);
}

#[test]
fn a_till_without_a_program_records_sales() {
    let mut shop = Shop::brand_new(Settings::default());
    let reply = shop.till_mut().record_sale(sale("1", 500, Some(CARD)), Call::api(), now()).unwrap();
    assert_eq!(reply.answer.marks, ["unknown-member", "no-program"]);
    assert!(matches!(shop.till().quote(&sale("2", 1, None), now()), Err(CommandError::NoProgram)));
}

#[test]
fn faults_do_what_they_say() {
    let faults = Faults { forget_first_answers: true, ..Faults::default() };
    let mut shop = Shop::open_for_business();
    shop.reopen_with(Settings { faults, ..Settings::default() });
    let till = shop.till_mut();
    assert!(till.record_sale(sale("1", 500, None), keyed("k", "a"), now()).unwrap().fresh);
    assert!(till.record_sale(sale("1", 500, None), keyed("k", "a"), now()).unwrap().fresh);
    let faults = Faults { acknowledge_before_commit: true, ..Faults::default() };
    shop.reopen_with(Settings { faults, ..Settings::default() });
    let position = shop.till_mut().record_sale(sale("2", 500, None), Call::api(), now()).unwrap().position;
    assert_eq!(position, 3);
    shop.reopen();
    assert_eq!(shop.till().head().position, 2, "what was acknowledged is gone: the simulator must see it");
}
