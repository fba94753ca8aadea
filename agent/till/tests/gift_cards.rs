//! Gift cards sold, topped up, used in parts and returned with no line to anyone; vouchers of one unit.
#![allow(clippy::unwrap_used, reason = "test code")]

mod kit;

use counterfoil_protocol::entry::{EntryKind, Lot};
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::record::Body;
use counterfoil_protocol::sale::{Line, LineKind, MemberRef, Sale};
use counterfoil_till::{Call, CommandError, Now, Redeem, RedeemWhat, RedemptionState, ReturnGoods, ReturnLine, Till};
use kit::*;
use proptest::prelude::*;

const GIFT: &str = "6064 3700 0000 0001";

const WITH_CARDS: &str = "
[purse.card]
kind = \"gift-card\"
expires = \"P24M\"

[purse.birthday]
kind = \"voucher\"
spend_fresh = true

[[earn]]
id = \"voucher\"
purse = \"birthday\"
award = { flat = 1 }
lines = 'line.category == \"party\"'
";

fn shop() -> Shop {
    let mut shop = Shop::open_for_business();
    let (head, rest) = PROGRAM.split_once("[[earn]]").unwrap();
    let (purses, earn) = WITH_CARDS.split_once("[[earn]]").unwrap();
    let program = format!("{head}{purses}\n[[earn]]{earn}\n[[earn]]{rest}");
    let program = shop.hub.program(2, MORNING - DAY, &program);
    let page = shop.hub.page(vec![program], 0, 0);
    shop.till_mut().apply_page(&page).unwrap();
    shop
}

fn load(number: &str, card: Option<&str>, amount: i64) -> Sale {
    let mut sale = sale(number, amount, None);
    sale.lines = vec![Line {
        id: Some("1".into()),
        kind: LineKind::GiftCard,
        description: Some("GIFT CARD".into()),
        amount,
        gift_card: card.map(by_card),
        ..Line::default()
    }];
    sale
}

fn pay(card: &str, amount: i64) -> Redeem {
    Redeem { what: RedeemWhat::Units { purse: "card".into(), amount }, ..spend(card, amount) }
}

fn balance(till: &Till, now: Now) -> (i64, i64) {
    let view = till.look_up(&by_card(GIFT), now).unwrap().unwrap();
    let purse = view.purses.iter().find(|purse| purse.purse == "card").unwrap();
    (purse.balance, purse.spendable)
}

#[test]
fn a_card_is_sold_topped_up_and_used_in_parts_offline() {
    let mut shop = shop();
    let till = shop.till_mut();
    assert_eq!(till.look_up(&by_card(GIFT), now()).unwrap(), None);
    let sold = till.record_sale(load("1", Some(GIFT), 5000), Call::api(), now()).unwrap();
    assert_eq!((sold.answer.accrued[0].purse.as_str(), sold.answer.accrued[0].amount), ("card", 5000));
    assert_eq!((sold.answer.member_id, sold.answer.marks.len()), (None, 0));
    let (_, _, record) = till.records_after(0, 1).unwrap().remove(0);
    let Body::Sale(body) = &record.body else { panic!() };
    let card = Identifier::parse(GIFT).unwrap();
    assert_eq!(body.sale.lines[0].account, Some(member_of(GIFT)));
    assert_eq!(body.sale.lines[0].account_identifier, Some(card.hash(&KEY)));
    assert_eq!(record.entries[0].lot.expires, Some("2028-11-30".parse().unwrap()));
    let bytes = record.to_bytes();
    assert!(!bytes.windows(10).any(|part| part == b"6064370000"), "the number is not recorded");
    assert_eq!(balance(till, now()), (5000, 5000), "held here at once, though the purse does not spend fresh");
    let first = till.redeem(pay(GIFT, 1299), Call::api(), now()).unwrap().answer;
    assert_eq!(first.state, RedemptionState::Redeemed);
    till.record_sale(load("2", Some(GIFT), 1000), Call::api(), now()).unwrap();
    assert_eq!(balance(till, now()), (4701, 4701));
    assert!(matches!(till.redeem(pay(GIFT, 4702), Call::api(), now()), Err(CommandError::NotSpendable(_))));
    till.redeem(pay("6064370000000001", 4701), Call::api(), now()).unwrap();
    assert_eq!(balance(till, now()), (0, 0));
    till.reverse_redemption(first.redemption_id, None, None, Call::api(), now()).unwrap();
    assert_eq!(balance(till, now()), (1299, 1299));
    shop.assert_sound();
    shop.reopen();
    assert_eq!(balance(shop.till(), now()), (1299, 1299));
}

#[test]
fn a_card_that_is_a_members_loads_the_members_purse() {
    let mut shop = shop();
    let till = shop.till_mut();
    // Goods and a card on one receipt: points for the goods, the card's amount for the card.
    let mut mixed = sale("1", 7000, Some(CARD));
    mixed.lines[0].amount = 2000;
    mixed.lines.extend(load("", Some(OTHER_CARD), 5000).lines);
    let reply = till.record_sale(mixed, Call::api(), now()).unwrap().answer;
    assert_eq!(reply.accrued.iter().filter(|one| one.rule == "base").map(|one| one.amount).sum::<i64>(), 20);
    assert_eq!(shop.purse(OTHER_CARD, "card", now()), (5000, 5000, 0));
    assert_eq!(shop.purse(CARD, "card", now()).0, 0);
    shop.assert_sound();
}

#[test]
fn what_cannot_be_loaded_is_sold_and_marked() {
    let mut plain = Shop::open_for_business();
    let reply = plain.till_mut().record_sale(load("1", Some(GIFT), 5000), Call::api(), now()).unwrap().answer;
    assert_eq!((reply.marks.as_slice(), reply.accrued.len()), (["gift-card-not-loaded".to_owned()].as_slice(), 0));
    let mut shop = shop();
    let till = shop.till_mut();
    for (number, card) in [("1", None), ("2", Some(" - "))] {
        let reply = till.record_sale(load(number, card, 5000), Call::api(), now()).unwrap().answer;
        assert_eq!(reply.marks, ["gift-card-not-loaded"]);
    }
    // Nobody says which account a line loads but the card.
    let mut named = load("3", None, 5000);
    named.lines[0].account = Some(member_of(CARD));
    let reply = till.record_sale(named, Call::api(), now()).unwrap().answer;
    assert_eq!(reply.marks, ["gift-card-not-loaded"]);
    let training = Sale { training: true, ..load("4", Some(GIFT), 5000) };
    assert!(till.record_sale(training, Call::api(), now()).unwrap().answer.accrued.is_empty());
    // A card voided within the sale is not loaded.
    let mut voided = load("5", Some(GIFT), 5000);
    voided.lines.push(Line { amount: -5000, ..voided.lines[0].clone() });
    assert!(till.record_sale(voided, Call::api(), now()).unwrap().answer.accrued.is_empty());
    shop.assert_sound();
}

#[test]
fn a_voided_or_returned_card_is_empty() {
    let mut shop = shop();
    let till = shop.till_mut();
    let one = till.record_sale(load("1", Some(GIFT), 5000), Call::api(), now()).unwrap().answer.sale_id;
    let undone = till.void(one, Call::api(), now()).unwrap().answer;
    assert_eq!((undone.reversed[0].amount, undone.reversed[0].owed), (5000, 0));
    assert_eq!(balance(till, now()), (0, 0));
    let two = till.record_sale(load("2", Some(GIFT), 5000), Call::api(), now()).unwrap().answer.sale_id;
    till.redeem(pay(GIFT, 2000), Call::api(), now()).unwrap();
    let lines = vec![ReturnLine { id: "1".into(), quantity: None }];
    let back = till.return_goods(two, ReturnGoods { lines, ..ReturnGoods::default() }, Call::api(), now()).unwrap();
    assert_eq!((back.answer.reversed[0].amount, back.answer.reversed[0].owed), (5000, 2000));
    assert_eq!(balance(till, now()), (0, 0));
    shop.assert_sound();
}

/// What may happen to a voucher, in any order.
#[derive(Debug, Clone, Copy)]
enum Step {
    Redeem,
    RedeemTwo,
    Reserve(u8),
    Confirm(u8),
    Cancel(u8),
    Reverse,
    Reopen,
    TimeOut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Redeem),
        Just(Step::RedeemTwo),
        (0u8..3).prop_map(Step::Reserve),
        (0u8..3).prop_map(Step::Confirm),
        (0u8..3).prop_map(Step::Cancel),
        Just(Step::Reverse),
        Just(Step::Reopen),
        Just(Step::TimeOut),
    ];
    prop::collection::vec(step, 1..14)
}

fn take(card: &str, amount: i64) -> Redeem {
    Redeem { what: RedeemWhat::Units { purse: "birthday".into(), amount }, ..spend(card, amount) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// One unit, whatever happens in whatever order: at no time more than one redemption of it stands that no debt covers.
    #[test]
    fn a_voucher_is_used_once(steps in steps()) {
        let mut shop = shop();
        let mut sold = sale("1", 100, Some(CARD));
        sold.lines[0].category = Some("party".into());
        shop.till_mut().record_sale(sold, Call::api(), now()).unwrap();
        let mut at = now();
        let mut made = [None; 3];
        let mut last = None;
        for step in steps {
            let till = shop.till_mut();
            match step {
                Step::Redeem => last = till.redeem(take(CARD, 1), Call::api(), at).map(|r| r.answer.redemption_id).ok().or(last),
                Step::RedeemTwo => prop_assert!(till.redeem(take(CARD, 2), Call::api(), at).is_err()),
                Step::Reserve(index) => {
                    let ask = Redeem { sale_ref: Some(format!("b{index}")), reserve: true, ..take(CARD, 1) };
                    let reply = till.redeem(ask, Call::api(), at);
                    made[usize::from(index)] = reply.map(|r| r.answer.redemption_id).ok().or(made[usize::from(index)]);
                }
                Step::Confirm(index) | Step::Cancel(index) => {
                    let Some(id) = made[usize::from(index)] else { continue };
                    let done = if matches!(step, Step::Confirm(_)) {
                        till.confirm_redemption(id, Call::api(), at)
                    } else {
                        till.cancel_redemption(id, Call::api(), at)
                    };
                    if done.is_ok_and(|reply| reply.answer.state == RedemptionState::Redeemed) {
                        last = Some(id);
                    }
                }
                Step::Reverse => drop(last.take().map(|id| till.reverse_redemption(id, None, None, Call::api(), at))),
                Step::Reopen => shop.reopen(),
                Step::TimeOut => {
                    at = Now::at(at.wall_ms + HOUR);
                    till.expire_reservations(at).unwrap();
                }
            }
            let mut standing = 0i64;
            for (_, _, record) in shop.till().records_after(0, 200).unwrap() {
                for entry in record.entries.iter().filter(|entry| entry.purse == "birthday" && entry.debt.is_none()) {
                    match entry.kind {
                        EntryKind::Redeem => standing += entry.units,
                        EntryKind::ReverseRedemption => standing -= entry.units,
                        _ => {}
                    }
                }
            }
            prop_assert!((0..=1).contains(&standing), "{standing}");
        }
        shop.assert_sound();
    }
}

#[test]
fn a_voucher_from_head_office_is_used_here_once() {
    let mut shop = shop();
    shop.grant(member_of(CARD), "birthday", Lot::default(), 1);
    let till = shop.till_mut();
    till.redeem(take(CARD, 1), Call::api(), now()).unwrap();
    assert!(matches!(till.redeem(take(CARD, 1), Call::api(), now()), Err(CommandError::NotSpendable(_))));
    let by_id = MemberRef { identifier: None, member_id: Some(member_of(CARD).to_string()) };
    assert!(till.redeem(Redeem { member: by_id, ..take(CARD, 1) }, Call::api(), now()).is_err());
    shop.assert_sound();
}
