//! Spending: only what is held here, in order of expiry, and never by a till that may be a copy.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;

use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::record::Rights;
use counterfoil_protocol::wire::v1::feed::{Change, MemberStatus};
use counterfoil_till::{Call, CommandError, Faults, RedeemWhat, Settings, Standing};
use kit::*;

fn lot(vests: Option<&str>, expires: Option<&str>) -> Lot {
    let date = |text: &str| text.parse().unwrap();
    Lot { vests: vests.map(date), expires: expires.map(date) }
}

#[test]
fn fresh_points_are_spent_at_the_till_that_gave_them() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.record_sale(sale("1", 2500, Some(CARD)), Call::api(), now()).unwrap();
    let ask = counterfoil_till::Redeem { what: RedeemWhat::Reward("one-off".into()), ..spend(CARD, 0) };
    let reply = till.redeem(ask.clone(), keyed("r", "1"), now()).unwrap();
    let json = serde_json::to_value(&reply.answer).unwrap();
    assert_eq!(json["benefit"], serde_json::json!({ "kind": "discount", "amount": 100 }));
    assert_eq!((json["state"].as_str(), json["rights"].as_str()), (Some("redeemed"), Some("held")));
    assert_eq!(json["purses"][1], serde_json::json!({ "purse": "points", "balance": 115, "spendable": 15 }));
    let again = till.redeem(ask, keyed("r", "1"), now()).unwrap();
    assert!(!again.fresh && again.answer == reply.answer);
    assert_eq!(till.redemption(reply.answer.redemption_id).unwrap(), Some(reply.answer));
    let marker = shop.witness.last.lock().unwrap().unwrap();
    assert_eq!(marker.head, shop.till().head(), "the marker was there before the answer");
    shop.assert_sound();
}

#[test]
fn only_what_is_held_here_is_spent() {
    let mut shop = Shop::open_for_business();
    shop.tell_state(state(CARD, 900, 0, 4, MORNING));
    assert_eq!(shop.purse(CARD, "points", now()), (900, 0, 0), "a state brings no rights");
    shop.grant(member_of(CARD), "points", Lot::default(), 300);
    let refuse = |shop: &mut Shop, rights| {
        let ask = counterfoil_till::Redeem { rights, ..spend(CARD, 500) };
        shop.till_mut().redeem(ask, Call::api(), now()).unwrap_err()
    };
    let error = refuse(&mut shop, Rights::Held);
    assert_eq!(error.to_string(), "300 of 900 points can be used here now; the rest needs the line to head office.");
    let CommandError::NotSpendable(numbers) = error else { panic!() };
    assert_eq!((numbers.balance, numbers.spendable, numbers.asked), (900, 300, 500));
    assert!(refuse(&mut shop, Rights::Granted).to_string().contains("another till"));
    let error = shop.till_mut().redeem(spend(CARD, 1000), Call::api(), now()).unwrap_err();
    assert_eq!(error.to_string(), "1000 points are needed and the member has 900.");
    assert_eq!(shop.till().head().position, 0, "a refusal leaves nothing");
    shop.till_mut().redeem(spend(CARD, 300), Call::api(), now()).unwrap();
    assert_eq!(shop.purse(CARD, "points", now()), (600, 0, 0));
    shop.assert_sound();
}

#[test]
fn lots_are_spent_in_order_of_expiry_and_only_between_their_dates() {
    let mut shop = Shop::open_for_business();
    let member = member_of(CARD);
    for (lot, units) in [
        (lot(None, None), 10),
        (lot(None, Some("2027-01-31")), 10),
        (lot(None, Some("2026-11-30")), 10),
        (lot(None, Some("2026-11-19")), 10),
        (lot(Some("2026-11-21"), Some("2026-11-30")), 10),
    ] {
        shop.grant(member, "points", lot, units);
    }
    assert_eq!(shop.purse(CARD, "points", now()).1, 30);
    shop.till_mut().redeem(spend(CARD, 25), Call::api(), now()).unwrap();
    let (_, _, record) = shop.till().records_after(0, 1).unwrap().remove(0);
    let spent: Vec<_> = record.entries.iter().map(|entry| (entry.lot, entry.units)).collect();
    let expected = [(lot(None, Some("2026-11-30")), 10), (lot(None, Some("2027-01-31")), 10), (lot(None, None), 5)];
    assert_eq!(spent, expected);
    assert_eq!(shop.purse(CARD, "points", counterfoil_till::Now::at(MORNING + DAY)).1, 15);
    shop.assert_sound();
}

#[test]
fn whoever_may_not_redeem_is_told_so() {
    let mut shop = Shop::open_for_business();
    shop.grant(member_of(CARD), "points", Lot::default(), 100);
    let block = |shop: &mut Shop, status| {
        let page = shop.hub.page(vec![Change::Identity(identity(CARD, status))], 0, 0);
        shop.till_mut().apply_page(&page).unwrap();
        shop.till_mut().redeem(spend(CARD, 10), Call::api(), now())
    };
    assert_eq!(block(&mut shop, MemberStatus::Blocked).unwrap_err().kind(), "member-blocked");
    assert_eq!(shop.purse(CARD, "points", now()), (100, 0, 0));
    assert!(block(&mut shop, MemberStatus::Closed).unwrap_err().to_string().contains("closed"));
    assert!(block(&mut shop, MemberStatus::Active).is_ok());
    let till = shop.till_mut();
    let kinds = [
        (spend("4711", 10), "unknown-member"),
        (spend(CARD, 0), "invalid-request"),
        (spend(CARD, i64::MAX), "invalid-request"),
        (counterfoil_till::Redeem { what: RedeemWhat::Reward("x".into()), ..spend(CARD, 1) }, "unknown-reward"),
        (
            counterfoil_till::Redeem { what: RedeemWhat::Units { purse: "x".into(), amount: 1 }, ..spend(CARD, 1) },
            "unknown-purse",
        ),
        (counterfoil_till::Redeem { reserve: true, ..spend(CARD, 1) }, "invalid-request"),
    ];
    for (ask, kind) in kinds {
        assert_eq!(till.redeem(ask, Call::api(), now()).unwrap_err().kind(), kind);
    }
}

#[test]
fn a_till_behind_its_marker_spends_nothing_and_accrues_for_head_office() {
    let mut shop = Shop::open_for_business();
    shop.grant(member_of(CARD), "points", Lot::default(), 100);
    let image: Vec<_> = std::fs::read_dir(shop.dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    shop.close();
    let copy: Vec<_> = image.iter().map(|path| (path.clone(), std::fs::read(path).unwrap_or_default())).collect();
    shop.reopen();
    shop.till_mut().redeem(spend(CARD, 100), Call::api(), now()).unwrap();
    shop.close();
    for (path, bytes) in copy {
        if path.exists() {
            std::fs::write(path, bytes).unwrap();
        }
    }
    shop.reopen();
    assert!(matches!(shop.till().standing(), Standing::Behind { witness: "marker", known_position: Some(1) }));
    let error = shop.till_mut().redeem(spend(CARD, 100), Call::api(), now()).unwrap_err();
    assert_eq!(error.kind(), "till-behind");
    assert!(error.to_string().contains("put back its data directory"), "{error}");
    shop.till_mut().record_sale(sale("1", 2000, Some(CARD)), Call::api(), now()).unwrap();
    let (_, _, record) = shop.till().records_after(0, 1).unwrap().remove(0);
    assert!(record.entries.iter().all(|entry| entry.to == Some(counterfoil_protocol::id::Holder::Hub)));
    assert!(!shop.till().marker_due(), "the witness is evidence");
    shop.till_mut().store_marker().unwrap();
    // Its new branch has caught up in length: the chain tells.
    shop.reopen();
    assert!(!shop.till().standing().is_sound());
}

#[test]
fn a_missing_marker_and_a_hub_that_knows_more_are_witnesses() {
    let mut shop = Shop::open_for_business();
    assert!(shop.till().standing().is_sound(), "a brand-new till has a marker");
    shop.reopen_with_marker(Settings::default(), None);
    assert!(matches!(shop.till().standing(), Standing::Behind { witness: "marker", known_position: None }));
    shop.reopen();
    assert!(shop.till().standing().is_sound());
    // A marker behind the database is normal.
    shop.till_mut().record_sale(sale("1", 100, None), Call::api(), now()).unwrap();
    assert!(shop.till().marker_due());
    shop.reopen();
    assert!(shop.till().standing().is_sound());
    shop.till_mut().note_hub_head(7).unwrap();
    shop.reopen();
    assert!(matches!(shop.till().standing(), Standing::Behind { witness: "head office", known_position: Some(7) }));
}

#[test]
fn without_its_marker_a_redemption_is_not_answered() {
    let mut shop = Shop::open_for_business();
    shop.grant(member_of(CARD), "points", Lot::default(), 100);
    *shop.witness.fails.lock().unwrap() = true;
    let error = shop.till_mut().redeem(spend(CARD, 100), keyed("r", "1"), now()).unwrap_err();
    assert_eq!(error.kind(), "marker");
    assert_eq!(shop.till_mut().redeem(spend(CARD, 100), keyed("r", "1"), now()).unwrap_err().kind(), "marker");
    *shop.witness.fails.lock().unwrap() = false;
    let reply = shop.till_mut().redeem(spend(CARD, 100), keyed("r", "1"), now()).unwrap();
    assert!(!reply.fresh);
    assert_eq!(shop.till().head().position, 1);
}

#[test]
fn the_fault_spends_what_is_not_held() {
    let mut shop = Shop::open_for_business();
    shop.tell_state(state(CARD, 900, 0, 4, MORNING));
    let faults = Faults { redeem_without_rights: true, ..Faults::default() };
    shop.reopen_with(Settings { faults, ..Settings::default() });
    shop.till_mut().redeem(spend(CARD, 900), Call::api(), now()).unwrap();
    shop.reopen();
    let problems = shop.till().verify_journal().unwrap().problems;
    assert!(problems[0].contains("would leave what is held"), "{problems:?}");
}
