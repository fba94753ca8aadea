//! Undoing a redemption: by its author once, by anybody else asked for, by order of head office.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;

use counterfoil_protocol::entry::{DebtKind, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, Holder, IncarnationId};
use counterfoil_protocol::record::Body;
use counterfoil_protocol::wire::v1::feed::{Change, ReverseOrder};
use counterfoil_till::{Call, Faults, Now, Redeem, RedemptionState, Settings};
use kit::*;

fn lot(expires: Option<&str>) -> Lot {
    Lot { vests: None, expires: expires.map(|text| text.parse().unwrap()) }
}

fn reverse(shop: &mut Shop, id: EventId) -> counterfoil_till::Reply<counterfoil_till::RedemptionAnswer> {
    shop.till_mut().reverse_redemption(id, Some("wrong card".into()), Some("op".into()), Call::api(), now()).unwrap()
}

fn order(id: EventId) -> Change {
    Change::Reverse(ReverseOrder { redemption: id, request: "hub/7".into(), reason: Some("asked by web shop".into()) })
}

#[test]
fn the_author_gives_back_exactly_what_it_took_once() {
    let mut shop = Shop::with_rights();
    shop.tell_state(state(CARD, 900, 0, 4, MORNING));
    shop.grant(member_of(CARD), "points", lot(Some("2026-12-31")), 100);
    shop.grant(member_of(CARD), "points", lot(None), 50);
    let before = shop.purse(CARD, "points", now());
    let ask = Redeem { cut_off: true, ..spend(CARD, 180) };
    let id = shop.till_mut().redeem(ask, Call::api(), now()).unwrap().answer.redemption_id;
    let reply = reverse(&mut shop, id);
    assert_eq!((reply.answer.redemption_id, reply.answer.state), (id, RedemptionState::Reversed));
    let record = shop.last_record();
    let Body::Reversal(made) = &record.body else { panic!("{:?}", record.body) };
    assert_eq!((made.redemption, &made.request, made.reason.as_deref()), (id, &None, Some("wrong card")));
    let me = Holder::Terminal(incarnation());
    let given: Vec<_> =
        record.entries.iter().map(|entry| (entry.kind, entry.lot, entry.units, entry.to, entry.debt)).collect();
    let kind = EntryKind::ReverseRedemption;
    assert_eq!(
        given,
        [
            (kind, lot(None), 30, None, Some(DebtKind::Floor)),
            (kind, lot(None), 50, Some(me), None),
            (kind, lot(Some("2026-12-31")), 100, Some(me), None),
        ]
    );
    assert_eq!(shop.purse(CARD, "points", now()), before);
    assert_eq!(shop.witness.last.lock().unwrap().unwrap().head, shop.till().head());
    let again = reverse(&mut shop, id);
    assert!(!again.fresh && again.answer == reply.answer);
    let keyed_again = shop.till_mut().reverse_redemption(id, None, None, keyed("r", "1"), now()).unwrap();
    assert!(!keyed_again.fresh && keyed_again.answer == reply.answer);
    assert_eq!(shop.till().redemption(id).unwrap().unwrap().state, RedemptionState::Reversed);
    assert_eq!(shop.till_mut().confirm_redemption(id, Call::api(), now()).unwrap_err().kind(), "redemption-state");
    // What came back can be spent again.
    shop.till_mut().redeem(spend(CARD, 150), Call::api(), now()).unwrap();
    shop.assert_sound();
    let close = shop.till_mut().close_day(None, Call::api(), now()).unwrap().answer;
    assert_eq!(close.purses.iter().find(|purse| purse.purse == "points").unwrap().redeemed, 150);
}

#[test]
fn a_confirmed_reservation_is_reversed_and_an_open_one_is_not() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let ask = Redeem { reserve: true, sale_ref: Some("b".into()), ..spend(CARD, 60) };
    let id = shop.till_mut().redeem(ask, Call::api(), now()).unwrap().answer.redemption_id;
    let error = shop.till_mut().reverse_redemption(id, None, None, Call::api(), now()).unwrap_err();
    assert!(error.to_string().ends_with("is only reserved, so nobody can reverse it: cancel or confirm it"), "{error}");
    shop.till_mut().confirm_redemption(id, Call::api(), now()).unwrap();
    reverse(&mut shop, id);
    assert_eq!(shop.purse(CARD, "points", now()), (100, 100, 0));
    assert_eq!(shop.till().redemption(id).unwrap().unwrap().state, RedemptionState::Reversed);
    shop.assert_sound();
}

#[test]
fn another_author_s_redemption_is_asked_for_once() {
    let mut shop = Shop::with_rights();
    let id = EventId { incarnation: IncarnationId([3; 16]), position: 7 };
    let reply = reverse(&mut shop, id);
    assert_eq!((reply.answer.redemption_id, reply.answer.state), (id, RedemptionState::ReverseRequested));
    let json = serde_json::to_value(&reply.answer).unwrap();
    assert_eq!((json["state"].as_str(), json["member_id"].is_null()), (Some("reverse-requested"), true));
    let record = shop.last_record();
    assert!(matches!(&record.body, Body::ReverseRequest(made) if made.redemption == id) && record.entries.is_empty());
    assert!(!reverse(&mut shop, id).fresh);
    assert_eq!(shop.till().redemption(id).unwrap(), Some(reply.answer));
    // Its own that it has not is nobody's.
    let unknown = EventId { incarnation: incarnation(), position: 99 };
    let error = shop.till_mut().reverse_redemption(unknown, None, None, Call::api(), now()).unwrap_err();
    assert_eq!(error.kind(), "unknown-redemption");
    let sold = shop.till_mut().record_sale(sale("1", 100, None), Call::api(), now()).unwrap().answer.sale_id;
    assert!(shop.till_mut().reverse_redemption(sold, None, None, Call::api(), now()).is_err(), "a sale is none");
    shop.assert_sound();
}

#[test]
fn a_till_that_may_be_a_copy_asks_head_office_to_undo_its_own() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let id = shop.till_mut().redeem(spend(CARD, 60), Call::api(), now()).unwrap().answer.redemption_id;
    shop.till_mut().note_hub_head(99).unwrap();
    let reply = reverse(&mut shop, id);
    assert_eq!((reply.answer.state, reply.answer.amount), (RedemptionState::ReverseRequested, Some(60)));
    assert!(shop.last_record().entries.is_empty());
    assert_eq!(shop.till().redemption(id).unwrap().unwrap().state, RedemptionState::ReverseRequested);
    shop.assert_sound();
}

#[test]
fn head_office_s_order_undoes_it_once_however_often_it_comes() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let id = shop.till_mut().redeem(spend(CARD, 60), Call::api(), now()).unwrap().answer.redemption_id;
    let report = shop.order(order(id), now());
    assert_eq!((report.orders, report.reversed), (1, 1));
    let record = shop.last_record();
    assert!(matches!(&record.body, Body::Reversal(made) if made.request.as_deref() == Some("hub/7")));
    assert_eq!(shop.purse(CARD, "points", now()), (100, 100, 0));
    let head = shop.till().head();
    let report = shop.order(order(id), now());
    assert_eq!((report.orders, report.reversed, shop.till().head()), (1, 0, head));
    assert!(!reverse(&mut shop, id).fresh);
    // A redemption that is not this till's is in nobody's way.
    let foreign = EventId { position: 77, ..id };
    let report = shop.order(order(foreign), now());
    assert!(report.notes[0].contains("no redemption of this till"), "{:?}", report.notes);
    assert!(!shop.till().orders_waiting().unwrap());
    shop.assert_sound();
}

#[test]
fn an_order_for_what_is_only_reserved_frees_it() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let ask = Redeem { reserve: true, sale_ref: Some("b".into()), ..spend(CARD, 60) };
    let id = shop.till_mut().redeem(ask, Call::api(), now()).unwrap().answer.redemption_id;
    shop.order(order(id), now());
    assert_eq!(shop.till().redemption(id).unwrap().unwrap().state, RedemptionState::Cancelled);
    assert_eq!(shop.purse(CARD, "points", now()), (100, 100, 0));
    shop.assert_sound();
}

#[test]
fn without_its_marker_a_reversal_is_not_answered() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let id = shop.till_mut().redeem(spend(CARD, 60), Call::api(), now()).unwrap().answer.redemption_id;
    *shop.witness.fails.lock().unwrap() = true;
    let ask = |shop: &mut Shop| shop.till_mut().reverse_redemption(id, None, None, keyed("r", "1"), Now::at(MORNING));
    assert_eq!(ask(&mut shop).unwrap_err().kind(), "marker");
    *shop.witness.fails.lock().unwrap() = false;
    assert!(!ask(&mut shop).unwrap().fresh);
    assert_eq!(shop.witness.last.lock().unwrap().unwrap().head, shop.till().head());
}

#[test]
fn what_is_too_long_is_refused() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let id = shop.till_mut().redeem(spend(CARD, 60), Call::api(), now()).unwrap().answer.redemption_id;
    let long = |count| Some("x".repeat(count));
    for (reason, operator) in [(long(1_025), None), (None, long(256))] {
        let error = shop.till_mut().reverse_redemption(id, reason, operator, Call::api(), now()).unwrap_err();
        assert_eq!(error.kind(), "invalid-request");
    }
}

#[test]
fn the_fault_gives_back_twice() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let id = shop.till_mut().redeem(spend(CARD, 60), Call::api(), now()).unwrap().answer.redemption_id;
    let faults = Faults { reverse_twice: true, ..Faults::default() };
    shop.reopen_with(Settings { faults, ..Settings::default() });
    reverse(&mut shop, id);
    reverse(&mut shop, id);
    assert_eq!(shop.purse(CARD, "points", now()), (160, 160, 0));
    shop.reopen();
    let problems = shop.till().verify_journal().unwrap().problems;
    assert!(
        problems.iter().any(|problem| problem.contains("is reversed where its life allows it no more")),
        "{problems:?}"
    );
}
