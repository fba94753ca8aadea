//! What head office orders: kept with its page, carried out once, whatever the till was doing when it came.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;

use counterfoil_protocol::entry::{EntryKind, Lot};
use counterfoil_protocol::id::{Holder, IncarnationId};
use counterfoil_protocol::record::{Body, ReturnReason, Rights};
use counterfoil_protocol::wire::v1::feed::{Change, Recall, RetireOrder};
use counterfoil_till::{Call, Faults, Redeem, RedemptionState, Settings, Standing};
use kit::*;

fn recall(keep: i64) -> Change {
    Change::Recall(Recall { member: member_of(CARD), purse: "points".into(), keep })
}

fn retire(incarnation: IncarnationId) -> Change {
    Change::Retire(RetireOrder { incarnation, reason: "lane 1 is closed".into() })
}

fn lot(expires: Option<&str>) -> Lot {
    Lot { vests: None, expires: expires.map(|text| text.parse().unwrap()) }
}

fn returned(shop: &Shop) -> (ReturnReason, Vec<(Lot, i64)>) {
    let record = shop.last_record();
    let Body::RightsReturned(made) = &record.body else { panic!("{:?}", record.body) };
    assert!(record.entries.iter().all(|entry| entry.kind == EntryKind::ReturnRights && entry.to == Some(Holder::Hub)));
    (made.reason, record.entries.iter().map(|entry| (entry.lot, entry.units)).collect())
}

#[test]
fn a_recall_takes_what_is_beyond_what_may_stay_and_of_least_use_here() {
    let mut shop = Shop::with_rights();
    for (expires, units) in [(Some("2026-11-30"), 40), (Some("2026-12-31"), 40), (None, 40), (Some("2026-11-19"), 5)] {
        shop.grant(member_of(CARD), "points", lot(expires), units);
    }
    let report = shop.order(recall(50), now());
    assert_eq!((report.orders, report.returned_units), (1, 75));
    let expected = vec![(lot(Some("2026-11-19")), 5), (lot(None), 40), (lot(Some("2026-12-31")), 30)];
    assert_eq!(returned(&shop), (ReturnReason::Recalled, expected));
    assert_eq!(shop.purse(CARD, "points", now()).1, 50);
    assert_eq!(shop.witness.last.lock().unwrap().unwrap().head, shop.till().head());
    let head = shop.till().head();
    let report = shop.order(recall(50), now());
    assert_eq!((report.orders, report.returned_units, shop.till().head()), (1, 0, head), "the same order again");
    shop.assert_sound();
}

#[test]
fn what_a_basket_has_reserved_stays_until_it_is_free() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let ask = Redeem { reserve: true, sale_ref: Some("b".into()), ..spend(CARD, 60) };
    let id = shop.till_mut().redeem(ask, Call::api(), now()).unwrap().answer.redemption_id;
    assert_eq!(shop.order(recall(0), now()).returned_units, 40);
    shop.till_mut().confirm_redemption(id, Call::api(), now()).unwrap();
    assert_eq!(shop.order(recall(0), now()).returned_units, 0);
    shop.assert_sound();
}

#[test]
fn an_order_survives_a_crash_between_its_page_and_its_record() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let page = shop.hub.page(vec![recall(10), recall(-5)], 0, 0);
    shop.till_mut().apply_page(&page).unwrap();
    shop.till_mut().apply_page(&page).unwrap();
    shop.reopen();
    assert!(shop.till().orders_waiting().unwrap());
    let report = shop.till_mut().carry_out_orders(now()).unwrap();
    assert_eq!((report.orders, report.returned_units), (2, 100));
    assert!(!shop.till().orders_waiting().unwrap());
    assert_eq!(shop.till_mut().carry_out_orders(now()).unwrap(), counterfoil_till::OrdersReport::default());
    shop.assert_sound();
}

#[test]
fn a_till_behind_its_marker_lets_orders_wait() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    shop.till_mut().note_hub_head(99).unwrap();
    let report = shop.order(recall(0), now());
    assert_eq!(report.orders, 0);
    assert!(shop.till().orders_waiting().unwrap());
}

#[test]
fn a_retired_till_gives_everything_back_and_spends_nothing_for_ever() {
    let mut shop = Shop::with_rights();
    shop.tell_state(state(CARD, 900, 0, 4, MORNING));
    shop.grant(member_of(CARD), "points", lot(None), 100);
    shop.grant(member_of(OTHER_CARD), "points", lot(Some("2026-12-31")), 7);
    let ask = Redeem { reserve: true, sale_ref: Some("b".into()), ..spend(CARD, 60) };
    let id = shop.till_mut().redeem(ask, Call::api(), now()).unwrap().answer.redemption_id;
    // One for an earlier life is nobody's here.
    let report = shop.order(retire(IncarnationId([3; 16])), now());
    assert!(!report.retired && shop.till().standing().is_sound());
    assert!(shop.order(retire(incarnation()), now()).retired);
    let (reason, given) = returned(&shop);
    assert_eq!((reason, given.iter().map(|(_, units)| units).sum::<i64>()), (ReturnReason::Retired, 107));
    assert_eq!(shop.witness.last.lock().unwrap().unwrap().head, shop.till().head(), "marked before it stood retired");
    for _ in 0..2 {
        assert_eq!(*shop.till().standing(), Standing::Retired { why: "lane 1 is closed".into() });
        let error = shop.till_mut().redeem(Redeem { cut_off: true, ..spend(CARD, 1) }, Call::api(), now()).unwrap_err();
        assert_eq!(error.kind(), "till-retired");
        assert!(error.to_string().contains("lane 1 is closed"), "{error}");
        assert_eq!(shop.till().redemption(id).unwrap().unwrap().state, RedemptionState::Cancelled);
        shop.assert_sound();
        shop.reopen();
    }
    shop.till_mut().record_sale(sale("1", 10_000, Some(CARD)), Call::api(), now()).unwrap();
    assert!(shop.last_record().entries.iter().all(|entry| entry.to == Some(Holder::Hub)), "it accrues for head office");
    let report = shop.order(retire(incarnation()), now());
    assert!(!report.retired, "once");
    assert_eq!(shop.till().status(now()).unwrap().standing, shop.till().standing().to_string());
}

#[test]
fn a_till_with_nothing_says_so_when_it_is_retired() {
    let mut shop = Shop::with_rights();
    shop.order(retire(incarnation()), now());
    assert_eq!(returned(&shop), (ReturnReason::Retired, vec![]));
}

#[test]
fn only_the_last_of_many_records_says_that_this_was_all() {
    let mut shop = Shop::with_rights();
    for day in 0..300 {
        let expires = "2027-01-01".parse::<counterfoil_protocol::time::Date>().unwrap().plus(0, day);
        shop.grant(member_of(CARD), "points", Lot { vests: None, expires: Some(expires) }, 2);
    }
    shop.order(retire(incarnation()), now());
    let reasons = shop.till().records_after(0, 10).unwrap().into_iter().map(|(_, _, record)| match record.body {
        Body::RightsReturned(made) => made.reason,
        other => panic!("{other:?}"),
    });
    assert_eq!(reasons.collect::<Vec<_>>(), [ReturnReason::Recalled, ReturnReason::Retired]);
    shop.assert_sound();
}

#[test]
fn a_marker_that_fails_at_retirement_leaves_the_till_retired() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let page = shop.hub.page(vec![retire(incarnation())], 0, 0);
    shop.till_mut().apply_page(&page).unwrap();
    *shop.witness.fails.lock().unwrap() = true;
    assert_eq!(shop.till_mut().carry_out_orders(now()).unwrap_err().kind(), "marker");
    *shop.witness.fails.lock().unwrap() = false;
    assert!(matches!(shop.till().standing(), Standing::Retired { .. }));
    assert!(shop.till_mut().redeem(Redeem { rights: Rights::Held, ..spend(CARD, 1) }, Call::api(), now()).is_err());
}

#[test]
fn the_faults_keep_what_is_recalled_and_spend_at_a_copy() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", lot(None), 100);
    let faults = Faults { keep_rights_after_recall: true, spend_while_behind: true, ..Faults::default() };
    shop.reopen_with(Settings { faults, ..Settings::default() });
    assert_eq!(shop.order(recall(0), now()).returned_units, 0);
    assert_eq!(shop.purse(CARD, "points", now()).1, 100, "what head office's next look shows it");
    shop.till_mut().note_hub_head(99).unwrap();
    shop.till_mut().redeem(spend(CARD, 100), Call::api(), now()).unwrap();
    assert!(!shop.till().standing().is_sound());
}
