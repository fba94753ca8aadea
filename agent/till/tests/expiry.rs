//! Lots: what a sale accrues into, when it may be spent by a clock one can trust, and what goes back past its date.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;

use counterfoil_protocol::entry::{EntryKind, Lot};
use counterfoil_protocol::id::Holder;
use counterfoil_protocol::record::{Body, ReturnReason};
use counterfoil_protocol::wire::v1::grant::{Subject, Want};
use counterfoil_till::{Call, CommandError, Faults, Now, Redeem, RedeemWhat, Settings};
use kit::*;

fn lot(vests: &str, expires: &str) -> Lot {
    Lot { vests: Some(vests.parse().unwrap()), expires: Some(expires.parse().unwrap()) }
}

fn days(count: i64) -> Now {
    Now::at(MORNING + count * DAY)
}

fn dated(units: i64) -> Redeem {
    Redeem { what: RedeemWhat::Units { purse: "dated".into(), amount: units }, ..spend(CARD, units) }
}

/// 1,000 units of the dated purse: vesting on the 22nd of November, ending with December.
fn sold() -> Shop {
    let mut shop = Shop::with_rights();
    shop.till_mut().record_sale(sale("1", 10_000, Some(CARD)), Call::api(), now()).unwrap();
    shop
}

/// The till's clock is not to be trusted.
fn suspect(now: Now) -> Now {
    Now { suspect: true, ..now }
}

#[test]
fn a_sale_accrues_into_the_lot_of_its_business_date() {
    let shop = sold();
    let record = shop.last_record();
    let entry = record.entries.iter().find(|entry| entry.purse == "dated").unwrap();
    assert_eq!((entry.kind, entry.lot, entry.units), (EntryKind::Accrue, lot("2026-11-22", "2026-12-31"), 1_000));
    let entry = record.entries.iter().find(|entry| entry.purse == "points").unwrap();
    assert_eq!(entry.lot, Lot::default());
    let view = shop.till().look_up(&by_card(CARD), now()).unwrap().unwrap();
    let purse = view.purses.iter().find(|purse| purse.purse == "dated").unwrap();
    assert_eq!((purse.balance, purse.spendable, purse.pending), (1_000, 0, 1_000));
    let ends = purse.expiring.as_ref().unwrap();
    assert_eq!((ends.amount, ends.on), (1_000, "2026-12-31".parse().unwrap()));
    // A sale after midnight and before the day's end is yesterday's.
    let mut shop = Shop::with_rights();
    let late = MORNING + 15 * HOUR;
    shop.till_mut().record_sale(sale_at("1", 10_000, Some(CARD), late), Call::api(), Now::at(late)).unwrap();
    let record = shop.last_record();
    assert_eq!(
        record.entries.iter().find(|entry| entry.purse == "dated").unwrap().lot,
        lot("2026-11-22", "2026-12-31")
    );
}

#[test]
fn a_lot_is_spent_from_the_day_it_vests_to_the_day_it_expires() {
    let mut shop = sold();
    let error = shop.till_mut().redeem(dated(100), Call::api(), days(1)).unwrap_err();
    assert_eq!(error.to_string(), "0 of 1000 dated can be used here now; 1000 cannot be used yet.");
    shop.till_mut().redeem(dated(100), Call::api(), days(2)).unwrap();
    let last = "2026-12-31T22:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
    shop.till_mut().redeem(dated(100), Call::api(), Now::at(last)).unwrap();
    let error = shop.till_mut().redeem(dated(100), Call::api(), Now::at(last + DAY)).unwrap_err();
    assert!(matches!(error, CommandError::NotSpendable(refusal) if refusal.spendable == 0));
}

#[test]
fn an_untrusted_clock_vests_nothing_and_expires_what_may_be_past() {
    let mut shop = sold();
    assert!(
        shop.till_mut().redeem(dated(100), Call::api(), suspect(days(3))).is_err(),
        "nobody has confirmed that day"
    );
    // Head office's clock is believed whatever the till's says.
    shop.till_mut().acknowledge(0, days(2).wall_ms).unwrap();
    shop.till_mut().redeem(dated(100), Call::api(), suspect(now())).unwrap();
    shop.till_mut().redeem(dated(100), Call::api(), suspect(days(60))).unwrap_err();
    shop.till_mut().redeem(dated(100), Call::api(), suspect(days(3))).unwrap();
    shop.till_mut().acknowledge(0, days(60).wall_ms).unwrap();
    assert!(
        shop.till_mut().redeem(dated(100), Call::api(), days(3)).is_err(),
        "a clock set back does not bring it back"
    );
}

#[test]
fn what_is_past_its_date_goes_back_to_head_office_by_a_clock_one_can_trust() {
    let mut shop = sold();
    assert_eq!(shop.till_mut().return_expired(days(41)).unwrap(), 0);
    assert_eq!(shop.till_mut().return_expired(suspect(days(50))).unwrap(), 0);
    assert_eq!(shop.till_mut().return_expired(days(42)).unwrap(), 1_000);
    let record = shop.last_record();
    assert!(matches!(&record.body, Body::RightsReturned(made) if made.reason == ReturnReason::Expired));
    let [entry] = &record.entries[..] else { panic!("{:?}", record.entries) };
    assert_eq!((entry.kind, entry.units, entry.to), (EntryKind::ReturnRights, 1_000, Some(Holder::Hub)));
    assert_eq!(shop.purse(CARD, "dated", days(42)).1, 0);
    assert_eq!(shop.purse(CARD, "dated", days(42)).0, 1_000, "only head office ends units");
    assert_eq!(shop.till_mut().return_expired(days(42)).unwrap(), 0);
    assert_eq!(shop.witness.last.lock().unwrap().unwrap().head, shop.till().head());
    shop.assert_sound();
}

#[test]
fn more_than_one_record_of_what_expired_goes_back_in_one_call() {
    let mut shop = Shop::with_rights();
    for day in 0..300 {
        let vests = "2026-01-01".parse::<counterfoil_protocol::time::Date>().unwrap().plus(0, day);
        let lot = Lot { vests: Some(vests), expires: Some("2026-11-19".parse().unwrap()) };
        shop.grant(member_of(CARD), "dated", lot, 2);
    }
    assert_eq!(shop.till_mut().return_expired(now()).unwrap(), 600);
    assert_eq!(shop.till().head().position, 2);
    shop.assert_sound();
}

#[test]
fn the_day_s_close_gives_back_what_is_past_its_date() {
    let mut shop = sold();
    shop.till_mut().close_day(None, Call::api(), days(1)).unwrap();
    shop.till_mut().record_sale(sale_at("2", 100, None, days(50).wall_ms), Call::api(), days(50)).unwrap();
    let before = shop.till().head().position;
    let close = shop.till_mut().close_day(None, Call::api(), days(50)).unwrap().answer;
    assert_eq!(shop.till().head().position, before + 2);
    assert_eq!(close.ranges[0].to, before + 2);
    let (_, _, returned) = shop.till().records_after(before, 1).unwrap().remove(0);
    assert!(matches!(&returned.body, Body::RightsReturned(made) if made.reason == ReturnReason::Expired));
    assert_eq!(shop.till_mut().close_day(None, Call::api(), days(50)).unwrap().answer, close);
    assert_eq!(shop.witness.last.lock().unwrap().unwrap().head, shop.till().head());
    shop.assert_sound();
}

#[test]
fn what_a_basket_has_reserved_does_not_go_back_and_is_confirmed_in_time() {
    let mut shop = sold();
    let evening = Now::at("2026-12-31T23:55:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let ask = Redeem { reserve: true, sale_ref: Some("b".into()), ..dated(400) };
    let id = shop.till_mut().redeem(ask, Call::api(), evening).unwrap().answer.redemption_id;
    let next_day = Now::at(evening.wall_ms + 4 * HOUR);
    assert_eq!(shop.till_mut().return_expired(next_day).unwrap(), 600);
    shop.till_mut().confirm_redemption(id, Call::api(), next_day).unwrap();
    let record = shop.last_record();
    assert!(matches!(&record.body, Body::Confirmation(made) if !made.late));
    assert_eq!(record.entries.iter().map(|entry| (entry.units, entry.debt)).collect::<Vec<_>>(), [(400, None)]);
    assert_eq!(shop.till_mut().return_expired(next_day).unwrap(), 0);
    shop.assert_sound();
}

#[test]
fn a_purse_is_spent_in_its_steps_and_a_reward_at_its_price() {
    let mut shop = sold();
    for (units, words) in [(50, "dated can be used from 100 on, in steps of 50."), (125, "in steps of 50.")] {
        let error = shop.till_mut().redeem(dated(units), Call::api(), days(2)).unwrap_err();
        assert_eq!(error.kind(), "not-in-steps");
        assert!(error.to_string().ends_with(words), "{error}");
    }
    shop.till_mut().redeem(dated(150), Call::api(), days(2)).unwrap();
    let reward = Redeem { what: RedeemWhat::Reward("one-off".into()), ..dated(0) };
    shop.till_mut().redeem(reward, Call::api(), days(2)).unwrap();
}

#[test]
fn head_office_is_told_what_can_be_spent_here_now() {
    let mut shop = sold();
    shop.grant(member_of(CARD), "points", Lot::default(), 40);
    let reserve = Redeem { reserve: true, sale_ref: Some("b".into()), ..spend(CARD, 30) };
    shop.till_mut().redeem(reserve, Call::api(), now()).unwrap();
    let ask = |now| shop.till().grant_request("q", Subject::Member(member_of(CARD)), Want::LookUp, now).unwrap();
    let held =
        |now| ask(now).holdings.into_iter().map(|held| (held.purse, held.held, held.received)).collect::<Vec<_>>();
    assert_eq!(held(now()), [("points".to_owned(), 110, 40)]);
    assert_eq!(held(days(2)), [("dated".to_owned(), 1_000, 0), ("points".to_owned(), 110, 40)]);
    assert_eq!(held(days(50)), [("points".to_owned(), 110, 40)]);
}

#[test]
fn the_faults_spend_outside_the_dates() {
    for (faults, on) in [
        (Faults { spend_unvested: true, ..Faults::default() }, now()),
        (Faults { spend_expired: true, ..Faults::default() }, days(50)),
    ] {
        let mut shop = sold();
        assert!(shop.till_mut().redeem(dated(100), Call::api(), on).is_err());
        shop.reopen_with(Settings { faults, ..Settings::default() });
        shop.till_mut().redeem(dated(100), Call::api(), on).unwrap();
        let spent = &shop.last_record().entries[0];
        let day =
            counterfoil_protocol::time::StoreCalendar::new("Europe/London", "03:00").unwrap().business_date(on.wall_ms);
        let vested = spent.lot.vests.is_none_or(|vests| vests <= day);
        let lasts = spent.lot.expires.is_none_or(|expires| expires >= day);
        assert!(!(vested && lasts), "what the simulator's oracle sees");
    }
}
