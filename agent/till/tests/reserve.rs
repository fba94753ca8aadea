//! Units kept for a basket: confirmed by its sale, given up, out of time, late.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;

use counterfoil_protocol::entry::{DebtKind, EntryKind, Lot};
use counterfoil_protocol::id::EventId;
use counterfoil_protocol::record::{Body, ReleaseReason};
use counterfoil_protocol::sale::Sale;
use counterfoil_till::{Call, Faults, Now, Redeem, RedeemWhat, RedemptionState, Settings};
use kit::*;

const BASKET: &str = "basket-1";

fn reserve(units: i64) -> Redeem {
    Redeem { reserve: true, sale_ref: Some(BASKET.into()), ..spend(CARD, units) }
}

fn sale_of(basket: &str, number: &str) -> Sale {
    Sale { sale_ref: Some(basket.into()), ..sale(number, 1_000, Some(CARD)) }
}

fn later(minutes: i64) -> Now {
    Now::at(MORNING + minutes * MINUTE)
}

fn shop_with(units: i64) -> Shop {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", Lot::default(), units);
    shop
}

/// Reserves, and gives the id.
fn reserved(shop: &mut Shop, units: i64) -> EventId {
    let reply = shop.till_mut().redeem(reserve(units), Call::api(), now()).unwrap();
    assert!(reply.fresh && reply.answer.state == RedemptionState::Reserved);
    reply.answer.redemption_id
}

fn state_of(shop: &Shop, id: EventId) -> RedemptionState {
    shop.till().redemption(id).unwrap().unwrap().state
}

fn spent(record: &counterfoil_protocol::record::Record) -> Vec<(i64, Option<DebtKind>)> {
    assert!(record.entries.iter().all(|entry| entry.kind == EntryKind::Redeem));
    record.entries.iter().map(|entry| (entry.units, entry.debt)).collect()
}

#[test]
fn what_a_basket_has_reserved_is_held_and_spent_by_nothing_else() {
    let mut shop = shop_with(300);
    let id = reserved(&mut shop, 200);
    let answer = shop.till().redemption(id).unwrap().unwrap();
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!((json["state"].as_str(), json["expires_at"].as_str()), (Some("reserved"), Some("2026-11-20T10:25:00Z")));
    assert_eq!(shop.purse(CARD, "points", now()), (300, 100, 0));
    let error = shop.till_mut().redeem(spend(CARD, 150), Call::api(), now()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "100 of 300 points can be used here now; 200 are kept for a basket that is not finished."
    );
    assert!(shop.till_mut().redeem(spend(CARD, 100), Call::api(), now()).is_ok());
    assert!(shop.till_mut().redeem(spend(CARD, 1), Call::api(), now()).is_err());
    assert_eq!(shop.witness.last.lock().unwrap().unwrap().head, shop.till().head());
    shop.reopen();
    assert_eq!(shop.purse(CARD, "points", now()), (200, 0, 0));
    shop.assert_sound();
    let confirmed = shop.till_mut().confirm_redemption(id, keyed("c", "1"), now()).unwrap();
    assert_eq!((confirmed.answer.redemption_id, confirmed.answer.state), (id, RedemptionState::Redeemed));
    assert_eq!(confirmed.answer.purses.iter().find(|purse| purse.purse == "points").unwrap().balance, 0);
    assert_eq!(spent(&shop.last_record()), [(200, None)]);
    for call in [keyed("c", "1"), Call::api(), keyed("c2", "1")] {
        let again = shop.till_mut().confirm_redemption(id, call, later(60)).unwrap();
        assert!(!again.fresh && again.answer == confirmed.answer);
    }
    assert_eq!(state_of(&shop, id), RedemptionState::Redeemed);
    assert_eq!(shop.till_mut().cancel_redemption(id, Call::api(), now()).unwrap_err().kind(), "redemption-state");
    shop.assert_sound();
}

#[test]
fn the_sale_of_the_basket_confirms_in_its_own_transaction() {
    let mut shop = shop_with(300);
    let id = reserved(&mut shop, 200);
    shop.till_mut().record_sale(sale_of("another", "1"), Call::api(), now()).unwrap();
    assert_eq!(state_of(&shop, id), RedemptionState::Reserved);
    let mut training = sale_of(BASKET, "2");
    training.training = true;
    shop.till_mut().record_sale(training, Call::api(), now()).unwrap();
    assert_eq!(state_of(&shop, id), RedemptionState::Reserved);
    let before = shop.till().head().position;
    let sold = shop.till_mut().record_sale(sale_of(BASKET, "3"), Call::api(), later(5)).unwrap();
    assert_eq!((sold.position, shop.till().head().position), (before + 1, before + 2));
    let record = shop.last_record();
    let Body::Confirmation(confirmation) = &record.body else { panic!("{:?}", record.body) };
    assert_eq!(
        (confirmation.reservation, confirmation.late, confirmation.sale),
        (id, false, Some(sold.answer.sale_id))
    );
    assert_eq!(spent(&record), [(200, None)]);
    // What the receipt shows is what is there after both.
    let shown = sold.answer.purses.iter().find(|purse| purse.purse == "points").unwrap();
    assert_eq!((shown.balance, shown.spendable, 0), shop.purse(CARD, "points", later(5)));
    assert_eq!(shop.witness.last.lock().unwrap().unwrap().head, shop.till().head(), "it has spent: marked");
    let again = shop.till_mut().record_sale(sale_of(BASKET, "3"), Call::api(), later(6)).unwrap();
    assert!(!again.fresh && shop.till().head().position == before + 2);
    shop.assert_sound();
}

#[test]
fn a_sale_whose_marker_fails_is_recorded_and_not_answered_until_it_is_stored() {
    let mut shop = shop_with(300);
    let id = reserved(&mut shop, 200);
    *shop.witness.fails.lock().unwrap() = true;
    let sell = |shop: &mut Shop| shop.till_mut().record_sale(sale_of(BASKET, "3"), keyed("s", "3"), now());
    assert_eq!(sell(&mut shop).unwrap_err().kind(), "marker");
    assert_eq!(sell(&mut shop).unwrap_err().kind(), "marker");
    *shop.witness.fails.lock().unwrap() = false;
    assert!(!sell(&mut shop).unwrap().fresh);
    assert_eq!(shop.witness.last.lock().unwrap().unwrap().head, shop.till().head());
    assert_eq!(state_of(&shop, id), RedemptionState::Redeemed);
}

#[test]
fn the_same_reservation_again_is_the_open_one() {
    let mut shop = shop_with(300);
    let id = reserved(&mut shop, 200);
    for call in [Call::api(), keyed("k", "1"), keyed("k", "1")] {
        let again = shop.till_mut().redeem(reserve(200), call, later(1)).unwrap();
        assert!(!again.fresh && again.answer.redemption_id == id);
    }
    let error = shop.till_mut().redeem(reserve(100), Call::api(), now()).unwrap_err();
    assert_eq!(error.kind(), "reservation-conflict");
    assert!(error.to_string().contains("cancel that one first"), "{error}");
    // Another thing for the same basket is another reservation.
    let reward = Redeem { what: RedeemWhat::Reward("one-off".into()), ..reserve(0) };
    let other = shop.till_mut().redeem(reward, Call::api(), now()).unwrap();
    assert!(other.fresh);
    shop.till_mut().record_sale(sale_of(BASKET, "3"), Call::api(), now()).unwrap();
    assert_eq!(state_of(&shop, id), RedemptionState::Redeemed);
    assert_eq!(state_of(&shop, other.answer.redemption_id), RedemptionState::Redeemed);
    let unnamed = Redeem { sale_ref: None, ..reserve(1) };
    let error = shop.till_mut().redeem(unnamed, Call::api(), now()).unwrap_err();
    assert!(error.to_string().contains("needs `sale_ref`"), "{error}");
    shop.assert_sound();
}

#[test]
fn what_is_cancelled_is_free_and_not_confirmed_by_the_sale() {
    let mut shop = shop_with(300);
    let id = reserved(&mut shop, 200);
    let cancelled = shop.till_mut().cancel_redemption(id, keyed("x", "1"), now()).unwrap();
    assert_eq!((cancelled.answer.state, cancelled.answer.expires_at), (RedemptionState::Cancelled, None));
    assert_eq!(shop.purse(CARD, "points", now()), (300, 300, 0));
    assert!(!shop.till_mut().cancel_redemption(id, Call::api(), now()).unwrap().fresh);
    shop.till_mut().record_sale(sale_of(BASKET, "3"), Call::api(), now()).unwrap();
    assert_eq!(state_of(&shop, id), RedemptionState::Cancelled);
    assert_eq!(
        shop.till_mut().reverse_redemption(id, None, None, Call::api(), now()).unwrap_err().kind(),
        "redemption-state"
    );
    shop.assert_sound();
}

#[test]
fn a_reservation_ends_when_its_time_is_over_and_not_before_that_is_written() {
    let mut shop = shop_with(300);
    let id = reserved(&mut shop, 200);
    assert_eq!(shop.till_mut().expire_reservations(later(14)).unwrap(), 0);
    assert_eq!(shop.purse(CARD, "points", later(30)), (300, 100, 0), "until it is written they stay reserved");
    assert_eq!(shop.till_mut().expire_reservations(later(15)).unwrap(), 1);
    assert_eq!(shop.till_mut().expire_reservations(later(15)).unwrap(), 0);
    let record = shop.last_record();
    assert!(matches!(record.body, Body::Release(release) if release.reason == ReleaseReason::TimedOut));
    assert_eq!(shop.purse(CARD, "points", later(15)), (300, 300, 0));
    assert_eq!(state_of(&shop, id), RedemptionState::TimedOut);
    let again = shop.till_mut().cancel_redemption(id, Call::api(), later(16)).unwrap();
    assert_eq!((again.fresh, again.answer.state), (false, RedemptionState::TimedOut));
    shop.assert_sound();
}

#[test]
fn many_reservations_end_in_one_call() {
    let mut shop = shop_with(300);
    for basket in 0..150 {
        let ask = Redeem { sale_ref: Some(format!("b{basket}")), ..reserve(1) };
        shop.till_mut().redeem(ask, Call::api(), now()).unwrap();
    }
    assert_eq!(shop.till_mut().expire_reservations(later(60)).unwrap(), 150);
    assert_eq!(shop.purse(CARD, "points", later(60)), (300, 300, 0));
    shop.assert_sound();
}

#[test]
fn a_late_confirmation_takes_what_is_still_here_and_the_rest_is_owed() {
    let mut shop = shop_with(300);
    let id = reserved(&mut shop, 200);
    shop.till_mut().expire_reservations(later(20)).unwrap();
    shop.till_mut().redeem(spend(CARD, 250), Call::api(), later(21)).unwrap();
    let confirmed = shop.till_mut().confirm_redemption(id, Call::api(), later(22)).unwrap();
    assert_eq!(confirmed.answer.marks, ["late"]);
    let record = shop.last_record();
    assert!(matches!(&record.body, Body::Confirmation(made) if made.late));
    assert_eq!(spent(&record), [(50, None), (150, Some(DebtKind::Late))]);
    assert_eq!(shop.purse(CARD, "points", later(22)), (0, 0, 150));
    assert_eq!(state_of(&shop, id), RedemptionState::Redeemed);
    shop.assert_sound();
}

#[test]
fn the_sale_of_a_basket_whose_reservation_timed_out_confirms_late() {
    let mut shop = shop_with(300);
    let first = reserved(&mut shop, 200);
    shop.till_mut().expire_reservations(later(20)).unwrap();
    // The basket reserves the same again: the first one is over.
    let second = shop.till_mut().redeem(reserve(200), Call::api(), later(21)).unwrap().answer.redemption_id;
    assert_ne!(first, second);
    shop.till_mut().expire_reservations(later(60)).unwrap();
    shop.till_mut().record_sale(sale_of(BASKET, "3"), Call::api(), later(61)).unwrap();
    assert_eq!(
        (state_of(&shop, first), state_of(&shop, second)),
        (RedemptionState::TimedOut, RedemptionState::Redeemed)
    );
    // Days later the reference means another basket.
    let ask = Redeem { sale_ref: Some("old".into()), ..reserve(10) };
    let old = shop.till_mut().redeem(ask, Call::api(), later(62)).unwrap().answer.redemption_id;
    let later = Now::at(MORNING + 3 * DAY);
    shop.till_mut().expire_reservations(later).unwrap();
    let sale = Sale { sale_ref: Some("old".into()), ..sale_at("9", 100, Some(CARD), later.wall_ms) };
    shop.till_mut().record_sale(sale, Call::api(), later).unwrap();
    assert_eq!(state_of(&shop, old), RedemptionState::TimedOut);
    shop.assert_sound();
}

#[test]
fn a_void_of_another_sale_leaves_what_is_reserved() {
    let mut shop = Shop::with_rights();
    let sold = shop.till_mut().record_sale(sale("1", 10_000, Some(CARD)), Call::api(), now()).unwrap();
    let id = reserved(&mut shop, 80);
    shop.till_mut().void(sold.answer.sale_id, Call::api(), now()).unwrap();
    assert_eq!(shop.purse(CARD, "points", now()), (0, 0, 80));
    shop.till_mut().confirm_redemption(id, Call::api(), now()).unwrap();
    assert_eq!(shop.purse(CARD, "points", now()), (0, 0, 80));
    shop.assert_sound();
}

#[test]
fn nobody_else_s_reservation_is_known_here() {
    let mut shop = shop_with(300);
    let id = reserved(&mut shop, 200);
    let spent = shop.till_mut().redeem(spend(CARD, 10), Call::api(), now()).unwrap().answer;
    for unknown in [
        EventId { position: 99, ..id },
        EventId { incarnation: counterfoil_protocol::id::IncarnationId([3; 16]), ..id },
    ] {
        assert_eq!(
            shop.till_mut().confirm_redemption(unknown, Call::api(), now()).unwrap_err().kind(),
            "unknown-redemption"
        );
        assert_eq!(
            shop.till_mut().cancel_redemption(unknown, Call::api(), now()).unwrap_err().kind(),
            "unknown-redemption"
        );
        assert_eq!(shop.till().redemption(unknown).unwrap(), None);
    }
    // A redemption that was never reserved is confirmed by itself.
    let again = shop.till_mut().confirm_redemption(spent.redemption_id, Call::api(), now()).unwrap();
    assert!(!again.fresh && again.answer == spent);
}

#[test]
fn a_till_behind_its_marker_takes_no_held_units_to_confirm() {
    let mut shop = shop_with(300);
    let id = reserved(&mut shop, 200);
    shop.till_mut().note_hub_head(99).unwrap();
    assert_eq!(shop.till_mut().redeem(reserve(1), Call::api(), now()).unwrap_err().kind(), "till-behind");
    shop.till_mut().record_sale(sale_of(BASKET, "3"), Call::api(), now()).unwrap();
    assert_eq!(spent(&shop.last_record()), [(200, Some(DebtKind::Late))], "the discount was given; no right is spent");
    assert_eq!(state_of(&shop, id), RedemptionState::Redeemed);
    shop.assert_sound();
}

#[test]
fn the_fault_spends_what_a_basket_has_reserved() {
    let mut shop = shop_with(300);
    let id = reserved(&mut shop, 200);
    let faults = Faults { spend_reserved: true, ..Faults::default() };
    shop.reopen_with(Settings { faults, ..Settings::default() });
    shop.till_mut().redeem(spend(CARD, 300), Call::api(), now()).unwrap();
    shop.till_mut().confirm_redemption(id, Call::api(), now()).unwrap();
    shop.reopen();
    let problems = shop.till().verify_journal().unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("200 of them reserved")), "{problems:?}");
}
