//! Redemptions of an earlier life of the till: still found, undone by head office, confirmed late by their sale.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;

use counterfoil_protocol::entry::{DebtKind, Lot};
use counterfoil_protocol::id::EventId;
use counterfoil_protocol::record::{Body, Head};
use counterfoil_protocol::sale::Sale;
use counterfoil_protocol::wire::sign::sign;
use counterfoil_protocol::wire::v1::succession::SuccessionAnswer;
use counterfoil_till::{Call, Now, Redeem, RedemptionState};
use kit::*;
use rusqlite::Connection;

fn reserve(basket: &str, units: i64) -> Redeem {
    Redeem { reserve: true, sale_ref: Some(basket.into()), ..spend(CARD, units) }
}

/// Head office gives the till another life; it has the old journal up to what it acknowledged.
fn succeed(shop: &mut Shop, seed: u8) {
    let head = shop.till().head();
    shop.till_mut().note_hub_head(head.position + 9).unwrap();
    let request = shop.till_mut().succession_request([seed; 32], "0.2.0").unwrap();
    let settled = Head { position: head.position + 9, ..Head::start(shop.till().incarnation()) };
    let mut answer = SuccessionAnswer {
        terminal: "t1".into(),
        lane: "1".into(),
        store: shop.till().enrolment().store.clone(),
        before: request.before,
        settled,
        incarnation: request.public_key.incarnation(),
        number: u32::from(seed),
        epoch: 1,
        hub_time_ms: MORNING,
        signature: None,
    };
    answer.signature = Some(sign(&shop.hub.root, &answer.signed_text()));
    shop.till_mut().succeed(&answer, now()).unwrap();
}

fn acknowledge_all(shop: &mut Shop) {
    let head = shop.till().head().position;
    shop.till_mut().acknowledge(head, MORNING).unwrap();
}

fn state_of(shop: &Shop, id: EventId) -> RedemptionState {
    shop.till().redemption(id).unwrap().unwrap().state
}

/// Per fate one redemption, the first of each pair known to head office before the life ended, the second not.
struct Fates {
    shop: Shop,
    spent: [EventId; 2],
    reversed: [EventId; 2],
    confirmed: [EventId; 2],
    cancelled: [EventId; 2],
    open: [EventId; 2],
}

fn fates() -> Fates {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", Lot::default(), 1_000);
    let mut all = Vec::new();
    for round in 0..2 {
        let redeem =
            |shop: &mut Shop, ask| shop.till_mut().redeem(ask, Call::api(), now()).unwrap().answer.redemption_id;
        let spent = redeem(&mut shop, spend(CARD, 10));
        let reversed = redeem(&mut shop, spend(CARD, 20));
        shop.till_mut().reverse_redemption(reversed, None, None, Call::api(), now()).unwrap();
        let confirmed = redeem(&mut shop, reserve(&format!("confirmed{round}"), 30));
        shop.till_mut().confirm_redemption(confirmed, Call::api(), now()).unwrap();
        let cancelled = redeem(&mut shop, reserve(&format!("cancelled{round}"), 40));
        shop.till_mut().cancel_redemption(cancelled, Call::api(), now()).unwrap();
        let open = redeem(&mut shop, reserve(&format!("open{round}"), 50));
        all.push([spent, reversed, confirmed, cancelled, open]);
        if round == 0 {
            acknowledge_all(&mut shop);
        }
    }
    succeed(&mut shop, 2);
    let pair = |index: usize| [all[0][index], all[1][index]];
    Fates { spent: pair(0), reversed: pair(1), confirmed: pair(2), cancelled: pair(3), open: pair(4), shop }
}

#[test]
fn what_became_of_a_redemption_is_known_in_the_next_life() {
    let Fates { mut shop, spent, reversed, confirmed, cancelled, open } = fates();
    for _ in 0..3 {
        shop.assert_sound();
        for (ids, state) in [
            (spent, RedemptionState::Redeemed),
            (reversed, RedemptionState::Reversed),
            (confirmed, RedemptionState::Redeemed),
            (cancelled, RedemptionState::Cancelled),
            (open, RedemptionState::TimedOut),
        ] {
            assert_eq!(ids.map(|id| state_of(&shop, id)), [state; 2]);
        }
        assert_eq!(shop.purse(CARD, "points", now()).1, 0, "no right outlives the life that held it");
        // And in the life after that one, whatever head office had of it.
        let seed = u8::try_from(shop.till().past_lives().unwrap().len() + 2).unwrap();
        succeed(&mut shop, seed);
    }
}

#[test]
fn the_sale_of_a_basket_reserved_in_an_earlier_life_confirms_late() {
    for round in 0..2 {
        let Fates { mut shop, open, cancelled, .. } = fates();
        for basket in [format!("open{round}"), format!("cancelled{round}")] {
            let sale = Sale { sale_ref: Some(basket.clone()), ..sale(&basket, 1_000, Some(CARD)) };
            shop.till_mut().record_sale(sale, Call::api(), now()).unwrap();
        }
        assert_eq!(state_of(&shop, open[round]), RedemptionState::Redeemed);
        assert_eq!(state_of(&shop, cancelled[round]), RedemptionState::Cancelled);
        let head = shop.till().head().position;
        let confirmation = shop.till().records_after(head - 2, 1).unwrap().remove(0).2;
        assert!(matches!(&confirmation.body, Body::Confirmation(made) if made.late && made.reservation == open[round]));
        let spent: Vec<_> = confirmation.entries.iter().map(|entry| (entry.units, entry.debt)).collect();
        assert_eq!(spent, [(50, Some(DebtKind::Late))], "its rights went with the life that had them");
        shop.assert_sound();
    }
}

#[test]
fn an_earlier_life_s_redemption_is_undone_by_head_office() {
    let Fates { mut shop, spent, reversed, confirmed, .. } = fates();
    for id in spent.into_iter().chain(confirmed) {
        let reply = shop.till_mut().reverse_redemption(id, None, None, Call::api(), now()).unwrap();
        assert_eq!((reply.answer.redemption_id, reply.answer.state), (id, RedemptionState::ReverseRequested));
        assert!(matches!(shop.last_record().body, Body::ReverseRequest(made) if made.redemption == id));
        assert_eq!(state_of(&shop, id), RedemptionState::ReverseRequested);
    }
    for id in reversed {
        assert!(!shop.till_mut().reverse_redemption(id, None, None, Call::api(), now()).unwrap().fresh);
    }
    shop.assert_sound();
}

#[test]
fn a_database_from_before_redemptions_had_rows_gets_them_when_it_opens() {
    let mut shop = Shop::with_rights();
    shop.grant(member_of(CARD), "points", Lot::default(), 100);
    let id = shop.till_mut().redeem(spend(CARD, 60), Call::api(), now()).unwrap().answer.redemption_id;
    shop.close();
    let value = Connection::open(shop.path("till.db")).unwrap();
    value.execute_batch("DELETE FROM redemption; UPDATE till SET derived_version = 0").unwrap();
    drop(value);
    shop.reopen();
    shop.assert_sound();
    shop.till_mut().reverse_redemption(id, None, None, Call::api(), Now::at(MORNING)).unwrap();
    assert_eq!(shop.purse(CARD, "points", now()), (100, 100, 0));
}
