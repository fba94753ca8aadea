//! Below the offline floor: only cut off, only known balance, each limit by itself, and what is counted when.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;

use counterfoil_protocol::entry::{DebtKind, Lot};
use counterfoil_protocol::record::Rights;
use counterfoil_protocol::wire::v1::feed::{Change, MemberStatus};
use counterfoil_till::{Call, CommandError, Faults, FloorRefusal, FloorState, Redeem, Settings};
use kit::*;

fn below(card: &str, units: i64) -> Redeem {
    Redeem { cut_off: true, ..spend(card, units) }
}

/// Two members with 900 points each as head office last said, and `held` of the first's here.
fn cut_off_with(held: i64) -> Shop {
    let mut shop = Shop::with_rights();
    shop.tell_state(state(CARD, 900, 0, 4, MORNING));
    shop.tell_state(state(OTHER_CARD, 900, 0, 4, MORNING));
    if held > 0 {
        shop.grant(member_of(CARD), "points", Lot::default(), held);
    }
    shop
}

fn used(shop: &Shop) -> i64 {
    shop.till().floor_state("points", now()).unwrap().unwrap().used_units
}

fn refused(shop: &mut Shop, ask: Redeem) -> counterfoil_till::NotSpendable {
    let error = shop.till_mut().redeem(ask, Call::api(), now()).unwrap_err();
    let CommandError::NotSpendable(refusal) = error else { panic!("{error}") };
    refusal
}

#[test]
fn what_is_short_becomes_floor_debt_after_everything_held() {
    let mut shop = cut_off_with(100);
    assert_eq!(refused(&mut shop, spend(CARD, 150)).floor, None, "the shell did not say that it is cut off");
    let reply = shop.till_mut().redeem(below(CARD, 150), Call::api(), now()).unwrap();
    assert_eq!((reply.answer.rights, reply.answer.marks.len()), (Some(Rights::Floor), 0));
    let record = shop.last_record();
    let spent: Vec<_> = record.entries.iter().map(|entry| (entry.units, entry.debt)).collect();
    assert_eq!(spent, [(100, None), (50, Some(DebtKind::Floor))]);
    assert_eq!(shop.purse(CARD, "points", now()), (750, 0, 50));
    assert_eq!(used(&shop), 50);
    shop.assert_sound();
    shop.reopen();
    assert_eq!(used(&shop), 50);
}

#[test]
fn each_limit_refuses_by_itself_and_says_what_is_left() {
    let mut shop = cut_off_with(100);
    let refusal = refused(&mut shop, below(CARD, 161));
    assert_eq!(refusal.floor, Some(FloorRefusal::Redemption { left: 60 }));
    assert_eq!(
        refusal.to_string(),
        "100 of 900 points can be used here now; without the line at most 60 more can be given at once."
    );
    shop.till_mut().redeem(below(CARD, 160), Call::api(), now()).unwrap();
    let refusal = refused(&mut shop, below(CARD, 41));
    assert_eq!(refusal.floor, Some(FloorRefusal::Member { left: 40 }));
    assert!(refusal.to_string().contains("this member can have at most 40 more"), "{refusal}");
    let soft = shop.till_mut().redeem(below(CARD, 40), Call::api(), now()).unwrap();
    assert_eq!(soft.answer.marks, ["floor-soft-limit"]);
    assert_eq!(shop.last_record().marks, ["floor-soft-limit"]);
    let refusal = refused(&mut shop, below(OTHER_CARD, 51));
    assert_eq!(refusal.floor, Some(FloorRefusal::Till { left: 50 }));
    assert!(refusal.to_string().contains("this till can give at most 50 more"), "{refusal}");
    shop.till_mut().redeem(below(OTHER_CARD, 50), Call::api(), now()).unwrap();
    let full = FloorState { purse: "points".into(), used_units: 150, soft_units: 70, hard_units: 150 };
    assert_eq!(shop.till().status(now()).unwrap().floors, [full]);
    assert_eq!(refused(&mut shop, below(OTHER_CARD, 1)).floor, Some(FloorRefusal::Till { left: 0 }));
    shop.assert_sound();
}

#[test]
fn what_head_office_has_is_no_longer_counted() {
    let mut shop = cut_off_with(0);
    shop.till_mut().redeem(below(CARD, 60), Call::api(), now()).unwrap();
    shop.till_mut().redeem(below(CARD, 40), Call::api(), now()).unwrap();
    let first = shop.till().head().position - 1;
    shop.till_mut().acknowledge(first, MORNING).unwrap();
    assert_eq!(used(&shop), 40);
    shop.till_mut().acknowledge(first + 1, MORNING).unwrap();
    assert_eq!(used(&shop), 0);
    shop.till_mut().redeem(below(CARD, 60), Call::api(), now()).unwrap();
}

#[test]
fn a_reversal_gives_nothing_of_the_limits_back() {
    let mut shop = cut_off_with(0);
    let id = shop.till_mut().redeem(below(CARD, 60), Call::api(), now()).unwrap().answer.redemption_id;
    shop.till_mut().reverse_redemption(id, None, None, Call::api(), now()).unwrap();
    assert_eq!(shop.purse(CARD, "points", now()), (900, 0, 0));
    assert_eq!(used(&shop), 60);
    assert_eq!(refused(&mut shop, below(CARD, 60)).floor, Some(FloorRefusal::Member { left: 40 }));
}

#[test]
fn a_reservation_below_the_floor_counts_while_it_is_open() {
    let mut shop = cut_off_with(10);
    let reserve = Redeem { reserve: true, sale_ref: Some("b".into()), ..below(CARD, 70) };
    let id = shop.till_mut().redeem(reserve.clone(), Call::api(), now()).unwrap().answer.redemption_id;
    assert_eq!((used(&shop), shop.purse(CARD, "points", now())), (60, (900, 0, 0)));
    shop.till_mut().cancel_redemption(id, Call::api(), now()).unwrap();
    assert_eq!(used(&shop), 0);
    let id = shop.till_mut().redeem(reserve, Call::api(), now()).unwrap().answer.redemption_id;
    shop.till_mut().confirm_redemption(id, Call::api(), now()).unwrap();
    assert_eq!((used(&shop), shop.purse(CARD, "points", now())), (60, (830, 0, 60)));
    shop.assert_sound();
}

#[test]
fn the_floor_is_for_known_active_members_of_a_sound_till_with_enough() {
    let mut shop = Shop::with_rights();
    // Nothing is known of the member's points.
    assert_eq!(refused(&mut shop, below(CARD, 10)).floor, None);
    shop.tell_state(state(CARD, 40, 0, 4, MORNING));
    let refusal = refused(&mut shop, below(CARD, 50));
    assert_eq!(refusal.to_string(), "50 points are needed and the member has 40.");
    // What waits for a basket is not there twice.
    shop.grant(member_of(CARD), "points", Lot::default(), 40);
    let reserve = Redeem { reserve: true, sale_ref: Some("b".into()), ..spend(CARD, 40) };
    shop.till_mut().redeem(reserve, Call::api(), now()).unwrap();
    assert!(refused(&mut shop, below(CARD, 10)).to_string().contains("basket"));
    let blocked = Change::Identity(identity(CARD, MemberStatus::Blocked));
    let page = shop.hub.page(vec![blocked], 0, 0);
    shop.till_mut().apply_page(&page).unwrap();
    assert_eq!(shop.till_mut().redeem(below(CARD, 1), Call::api(), now()).unwrap_err().kind(), "member-blocked");
    shop.till_mut().note_hub_head(99).unwrap();
    assert_eq!(shop.till_mut().redeem(below(CARD, 1), Call::api(), now()).unwrap_err().kind(), "till-behind");
}

#[test]
fn a_purse_without_a_floor_has_none() {
    let mut shop = Shop::open_for_business();
    shop.tell_state(state(CARD, 900, 0, 4, MORNING));
    assert_eq!(refused(&mut shop, below(CARD, 10)).floor, None);
    assert_eq!(shop.till().floor_state("points", now()).unwrap(), None);
    assert!(shop.till().status(now()).unwrap().floors.is_empty());
}

#[test]
fn the_fault_knows_no_limit() {
    let mut shop = cut_off_with(0);
    let faults = Faults { floor_without_limit: true, ..Faults::default() };
    shop.reopen_with(Settings { faults, ..Settings::default() });
    shop.till_mut().redeem(below(CARD, 900), Call::api(), now()).unwrap();
    let floor = shop.till().floor_state("points", now()).unwrap().unwrap();
    assert!(floor.used_units > floor.hard_units, "what the simulator's oracle sees");
}
