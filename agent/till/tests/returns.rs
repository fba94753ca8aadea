//! Returns, exchanges and what is undone with them, through the engine's face.
#![allow(clippy::unwrap_used, reason = "test code")]

mod kit;

use counterfoil_protocol::entry::EntryKind;
use counterfoil_protocol::record::{Body, Record};
use counterfoil_protocol::sale::{Discount, Line, OriginalRef, Sale, SaleKind};
use counterfoil_till::{
    Call, CaptureOutcome, CapturedDocument, CommandError, Faults, Redeem, RedeemWhat, RedemptionState, ReturnGoods,
    ReturnLine, SaleAnswer, Settings, Till,
};
use kit::*;
use proptest::prelude::*;

fn line(id: &str, sku: &str, quantity: &str, amount: i64) -> Line {
    Line { id: Some(id.into()), sku: Some(sku.into()), quantity: Some(quantity.into()), amount, ..Line::default() }
}

/// Three teas for 10.00 and a cake for 10.00: 20 points, and 100 for the first visit that head office holds.
fn basket(number: &str) -> Sale {
    let lines = vec![line("1", "tea", "3", 1000), line("2", "cake", "1", 1000)];
    Sale { lines, sale_ref: Some(format!("ref-{number}")), ..sale(number, 2000, Some(CARD)) }
}

fn pick(id: &str, quantity: &str) -> ReturnLine {
    ReturnLine { id: id.into(), quantity: Some(quantity.into()) }
}

fn goods(lines: Vec<ReturnLine>) -> ReturnGoods {
    ReturnGoods { lines, ..ReturnGoods::default() }
}

fn all() -> ReturnGoods {
    goods(["1", "2"].map(|id| ReturnLine { id: id.into(), quantity: None }).to_vec())
}

fn returned(number: &str, lines: Vec<Line>, original: Option<&str>) -> Sale {
    let total = lines.iter().map(|line| line.amount).sum();
    let original = original.map(|number| OriginalRef { receipt_number: number.into(), ..OriginalRef::default() });
    Sale { kind: SaleKind::Return, lines, original, tenders: vec![], ..sale(number, total, Some(CARD)) }
}

fn record(till: &Till, position: u64) -> Record {
    till.records_after(position - 1, 1).unwrap().remove(0).2
}

/// Units that the answer's record takes back of the member's points, and how many of them are owed.
fn points(answer: &SaleAnswer) -> (i64, i64) {
    answer.reversed.iter().find(|one| one.purse == "points").map_or((0, 0), |one| (one.amount, one.owed))
}

#[test]
fn goods_come_back_in_parts_and_everything_is_everything() {
    let mut shop = Shop::open_for_business();
    let sold = shop.till_mut().record_sale(basket("1"), Call::api(), now()).unwrap().answer;
    assert_eq!(shop.purse(CARD, "points", now()), (120, 20, 0));
    let till = shop.till_mut();
    let first = till.return_goods(sold.sale_id, goods(vec![pick("1", "1")]), keyed("r", "1"), now()).unwrap();
    // A sixth of 120 is 19.98 with 3.33 of 20.00.
    assert_eq!(points(&first.answer), (19, 0));
    let again = till.return_goods(sold.sale_id, goods(vec![pick("1", "1")]), keyed("r", "1"), now()).unwrap();
    assert!(!again.fresh && again.answer == first.answer);
    let Body::Sale(body) = record(till, first.position).body else { panic!() };
    assert_eq!((body.sale.receipt_number.as_str(), body.sale.total), ("1-R1", 333));
    assert_eq!(body.sale.original.as_ref().unwrap().business_date.as_deref(), Some("2026-11-20"));
    assert_eq!((body.settles, body.member), (Some(sold.sale_id), Some(member_of(CARD))));
    // More than is left is refused and moves nothing.
    let error = till.return_goods(sold.sale_id, goods(vec![pick("1", "3")]), Call::api(), now()).unwrap_err();
    assert!(error.to_string().contains("2 can still come back"), "{error}");
    let rest = till.return_goods(sold.sale_id, all(), Call::api(), now()).unwrap().answer;
    assert_eq!(points(&rest), (101, 100));
    assert_eq!(rest.marks, ["all-returned"]);
    // What head office holds of it is owed until it collects that from there.
    assert_eq!(shop.purse(CARD, "points", now()), (0, 0, 100));
    let error = shop.till_mut().return_goods(sold.sale_id, all(), Call::api(), now()).unwrap_err();
    assert!(error.to_string().contains("0 can still come back"), "{error}");
    let close = shop.till_mut().close_day(None, Call::api(), now()).unwrap().answer;
    assert_eq!((close.gross, close.tax), (0, 0));
    assert!(close.purses.iter().all(|purse| purse.accrued == 0));
    shop.assert_sound();
}

#[test]
fn a_pos_return_that_names_its_sale_is_settled_here() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.record_sale(basket("1"), Call::api(), now()).unwrap();
    let cake = || returned("2", vec![line("7", "cake", "1", 1000)], Some("1"));
    let first = till.record_sale(cake(), Call::api(), now()).unwrap().answer;
    assert_eq!((points(&first), first.marks.len()), ((60, 40), 0));
    // The same receipt is the same return; the same goods on another receipt are back already.
    assert!(!till.record_sale(cake(), Call::api(), now()).unwrap().fresh);
    let twice = Sale { receipt_number: "3".into(), ..cake() };
    let twice = till.record_sale(twice, Call::api(), now()).unwrap().answer;
    assert_eq!((points(&twice), twice.marks.as_slice()), ((0, 0), ["over-returned".to_owned()].as_slice()));
    // By amount alone, and more than is left: the rest.
    let vague =
        returned("4", vec![Line { description: Some("GOODS".into()), amount: 1500, ..Line::default() }], Some("1"));
    let vague = till.record_sale(vague, Call::api(), now()).unwrap().answer;
    assert_eq!(points(&vague).0, 60);
    assert_eq!(vague.marks, ["all-returned", "over-returned"]);
    shop.assert_sound();
    shop.reopen();
    shop.assert_sound();
}

#[test]
fn a_return_of_another_tills_sale_is_left_to_head_office() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.record_sale(basket("1"), Call::api(), now()).unwrap();
    let cake = |number: &str| returned(number, vec![line("1", "cake", "1", 1000)], Some("1"));
    let named = |sale: &Sale, store: Option<&str>, lane: Option<&str>, date: Option<&str>| {
        let mut sale = sale.clone();
        let original = sale.original.as_mut().unwrap();
        original.store = store.map(str::to_owned);
        original.lane = lane.map(str::to_owned);
        original.business_date = date.map(str::to_owned);
        sale
    };
    let elsewhere = [
        named(&cake("2"), Some("s9"), None, None),
        named(&cake("3"), None, Some("9"), None),
        named(&cake("4"), None, None, Some("2026-11-19")),
        returned("5", vec![line("1", "cake", "1", 1000)], Some("77")),
    ];
    for sale in elsewhere {
        let reply = till.record_sale(sale, Call::api(), now()).unwrap();
        assert_eq!(reply.answer.marks, ["return-to-settle"]);
        assert!(record(till, reply.position).entries.is_empty());
    }
    let here = named(&cake("6"), Some("s1"), Some("1"), Some("2026-11-20"));
    assert_eq!(points(&till.record_sale(here, Call::api(), now()).unwrap().answer).0, 60);
    shop.assert_sound();
}

#[test]
fn returns_and_voids_exclude_each_other() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    let one = till.record_sale(basket("1"), Call::api(), now()).unwrap().answer.sale_id;
    let two = till.record_sale(basket("2"), Call::api(), now()).unwrap().answer.sale_id;
    till.void(one, Call::api(), now()).unwrap();
    let error = till.return_goods(one, all(), Call::api(), now()).unwrap_err();
    assert!(error.to_string().contains("receipt 1 was voided"), "{error}");
    let named = returned("8", vec![line("1", "tea", "1", 333)], Some("1"));
    assert!(matches!(till.record_sale(named.clone(), Call::api(), now()), Err(CommandError::InvalidSale(_))));
    let outcome = till.capture("printer", paper(0, MORNING, CapturedDocument::Sale(named)), now()).unwrap();
    assert!(matches!(outcome, CaptureOutcome::Document { exception: Some(why), .. } if why.contains("was voided")));
    let back = till.return_goods(two, goods(vec![pick("1", "1")]), Call::api(), now()).unwrap().answer.sale_id;
    let error = till.void(two, Call::api(), now()).unwrap_err();
    assert!(error.to_string().contains("came back already"), "{error}");
    let void =
        CapturedDocument::Void { receipt_number: None, voided_receipt: Some("2".into()), sale: sale("9", 2000, None) };
    let outcome = till.capture("printer", paper(100, MORNING, void), now()).unwrap();
    assert!(matches!(outcome, CaptureOutcome::Document { exception: Some(why), .. } if why.contains("came back")));
    assert_eq!(till.return_goods(back, all(), Call::api(), now()).unwrap_err().kind(), "invalid-request");
    let nowhere = counterfoil_protocol::id::EventId { position: 99, ..back };
    assert_eq!(till.return_goods(nowhere, all(), Call::api(), now()).unwrap_err().kind(), "unknown-sale");
    shop.assert_sound();
}

#[test]
fn units_spent_before_the_return_are_owed_and_reserved_ones_stay() {
    let mut shop = Shop::open_for_business();
    let sold = shop.till_mut().record_sale(basket("1"), Call::api(), now()).unwrap().answer;
    let reserve = Redeem { sale_ref: Some("next".into()), reserve: true, ..spend(CARD, 15) };
    let kept = shop.till_mut().redeem(reserve, Call::api(), now()).unwrap().answer;
    let back = shop.till_mut().return_goods(sold.sale_id, all(), Call::api(), now()).unwrap().answer;
    assert_eq!(points(&back), (120, 115));
    let confirmed = shop.till_mut().confirm_redemption(kept.redemption_id, Call::api(), now()).unwrap();
    assert_eq!(confirmed.answer.state, RedemptionState::Redeemed);
    shop.assert_sound();
}

#[test]
fn what_a_reward_took_comes_back_with_the_goods() {
    let mut shop = Shop::open_for_business();
    shop.grant(member_of(CARD), "points", Default::default(), 300);
    let till = shop.till_mut();
    let under = |number: &str, what| Redeem { what, sale_ref: Some(format!("ref-{number}")), ..spend(CARD, 1) };
    let reward = till.redeem(under("1", RedeemWhat::Reward("one-off".into())), Call::api(), now()).unwrap().answer;
    let units = RedeemWhat::Units { purse: "points".into(), amount: 40 };
    let amount = till.redeem(under("1", units), Call::api(), now()).unwrap().answer;
    let sold = till.record_sale(basket("1"), Call::api(), now()).unwrap().answer.sale_id;
    let state = |till: &Till, answer: &counterfoil_till::RedemptionAnswer| {
        till.redemption(answer.redemption_id).unwrap().unwrap().state
    };
    // Half the goods: half the amount, and of a reward nothing yet.
    till.return_goods(sold, goods(vec![pick("2", "1")]), Call::api(), now()).unwrap();
    let halves: i64 = till
        .records_after(0, 100)
        .unwrap()
        .iter()
        .flat_map(|(_, _, record)| &record.entries)
        .filter(|entry| entry.kind == EntryKind::ReverseRedemption)
        .map(|entry| entry.units)
        .sum();
    assert_eq!(halves, 20);
    assert_eq!(state(till, &reward), RedemptionState::Redeemed);
    till.return_goods(sold, all_but_cake(), Call::api(), now()).unwrap();
    assert_eq!((state(till, &reward), state(till, &amount)), (RedemptionState::Reversed, RedemptionState::Reversed));
    // A void does it at once.
    let units = RedeemWhat::Units { purse: "points".into(), amount: 30 };
    let other = till.redeem(under("2", units), Call::api(), now()).unwrap().answer;
    let sold = till.record_sale(basket("2"), Call::api(), now()).unwrap().answer.sale_id;
    till.void(sold, Call::api(), now()).unwrap();
    assert_eq!(state(till, &other), RedemptionState::Reversed);
    shop.assert_sound();
}

fn all_but_cake() -> ReturnGoods {
    goods(vec![ReturnLine { id: "1".into(), quantity: None }])
}

fn publish(shop: &mut Shop, returns: &str) {
    let program = shop.hub.program(2, MORNING - DAY, &format!("{PROGRAM}\n[returns]\n{returns}\n"));
    let page = shop.hub.page(vec![program], 0, 0);
    shop.till_mut().apply_page(&page).unwrap();
}

#[test]
fn a_program_may_keep_what_a_reward_took() {
    let mut shop = Shop::open_for_business();
    publish(&mut shop, "reward = \"keep\"");
    shop.grant(member_of(CARD), "points", Default::default(), 100);
    let till = shop.till_mut();
    let ask = Redeem { sale_ref: Some("ref-1".into()), ..spend(CARD, 40) };
    let spent = till.redeem(ask, Call::api(), now()).unwrap().answer;
    let sold = till.record_sale(basket("1"), Call::api(), now()).unwrap().answer.sale_id;
    till.return_goods(sold, all(), Call::api(), now()).unwrap();
    assert_eq!(till.redemption(spent.redemption_id).unwrap().unwrap().state, RedemptionState::Redeemed);
    shop.assert_sound();
}

#[test]
fn a_return_without_its_sale_is_treated_as_the_program_says() {
    for (policy, marks, taken) in [
        ("exception", vec!["return-unlinked"], (0, 0)),
        ("ignore", vec![], (0, 0)),
        // 10 of 12.34: 12 points less than the 20 that are here.
        ("reverse-base", vec![], (12, 0)),
    ] {
        let mut shop = Shop::open_for_business();
        publish(&mut shop, &format!("unlinked = \"{policy}\""));
        let till = shop.till_mut();
        till.record_sale(basket("1"), Call::api(), now()).unwrap();
        let back =
            till.record_sale(returned("2", vec![line("1", "tea", "1", 1234)], None), Call::api(), now()).unwrap();
        assert_eq!(
            (back.answer.marks.clone(), points(&back.answer)),
            (marks.iter().map(|m| (*m).to_owned()).collect(), taken)
        );
        // Nobody known: nothing to take it from.
        let nobody = Sale { member: None, ..returned("3", vec![line("1", "tea", "1", 1234)], None) };
        let reply = till.record_sale(nobody, Call::api(), now()).unwrap();
        assert!(record(till, reply.position).entries.is_empty());
        shop.assert_sound();
    }
}

#[test]
fn an_exchange_comes_to_nothing() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.record_sale(sale("0", 100, Some(CARD)), Call::api(), now()).unwrap();
    till.record_sale(basket("1"), Call::api(), now()).unwrap();
    let before = shop.purse(CARD, "points", now());
    // The POS sends both parts under one reference and operator.
    let part = |sale: Sale| Sale { sale_ref: Some("exchange".into()), operator: Some("7".into()), ..sale };
    let back = part(returned("2", vec![line("1", "cake", "1", 1000)], Some("1")));
    let new = part(Sale { lines: vec![line("1", "pie", "1", 1000)], ..sale("3", 1000, Some(CARD)) });
    let till = shop.till_mut();
    let back = till.record_sale(back, Call::api(), now()).unwrap().answer;
    let new = till.record_sale(new, Call::api(), now()).unwrap().answer;
    assert_eq!(points(&back), (10, 0));
    assert_eq!(new.accrued.iter().map(|one| one.amount).sum::<i64>(), 10);
    assert_eq!(shop.purse(CARD, "points", now()), before);
    let view = shop.till().sale_by_ref("exchange").unwrap().unwrap();
    assert_eq!(view.answer.sale_id, new.sale_id);
    let close = shop.till_mut().close_day(None, Call::api(), now()).unwrap().answer;
    assert_eq!((close.gross, close.sales), (2100, 3));
    shop.assert_sound();
}

#[test]
fn what_is_undone_counts_no_more_towards_the_days_caps() {
    let mut shop = Shop::open_for_business();
    let accrued = |till: &mut Till, number: &str| {
        let position = till.record_sale(basket(number), Call::api(), now()).unwrap().position;
        let Body::Sale(sale) = record(till, position).body else { panic!() };
        sale.inputs.unwrap().accrued_today.get("base").copied().unwrap_or(0)
    };
    let till = shop.till_mut();
    let id = |till: &Till, number: &str| till.sale_by_receipt(number).unwrap().unwrap().answer.sale_id;
    assert_eq!(accrued(till, "1"), 0);
    assert_eq!(accrued(till, "2"), 20);
    till.void(id(till, "1"), Call::api(), now()).unwrap();
    assert_eq!(accrued(till, "3"), 20);
    till.return_goods(id(till, "2"), all(), Call::api(), now()).unwrap();
    assert_eq!(accrued(till, "4"), 20);
    till.return_goods(id(till, "3"), goods(vec![pick("1", "1")]), Call::api(), now()).unwrap();
    assert_eq!(accrued(till, "5"), 40, "a part that comes back frees nothing");
    shop.assert_sound();
}

/// What a till took back of a sale's 120 points over these returns, in all.
fn taken_over(faults: Faults, picks: &[(bool, u32)]) -> i64 {
    let mut shop = Shop::open_for_business();
    shop.reopen_with(Settings { faults, ..Settings::default() });
    let till = shop.till_mut();
    till.record_sale(basket("1"), Call::api(), now()).unwrap();
    let mut taken = 0;
    for (index, (is_tea, quantity)) in picks.iter().enumerate() {
        let quantity = i64::from(*quantity);
        let (sku, amount) = if *is_tea { ("tea", 333 * quantity) } else { ("cake", 1000 * quantity) };
        let lines = vec![line("1", sku, &quantity.to_string(), amount)];
        let sale = returned(&format!("{}", index + 2), lines, Some("1"));
        taken += points(&till.record_sale(sale, Call::api(), now()).unwrap().answer).0;
    }
    shop.assert_sound();
    taken
}

#[test]
fn the_negative_control_takes_back_more_than_was_given() {
    let twice = [(false, 1), (false, 1), (false, 1)];
    assert_eq!(taken_over(Faults::default(), &twice), 60);
    let broken = taken_over(Faults { return_without_cap: true, ..Faults::default() }, &twice);
    assert!(broken > 120, "{broken}");
}

#[test]
fn basket_discounts_come_back_with_their_lines() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    let mut sale = basket("1");
    sale.discounts = vec![Discount { description: "OFF".into(), amount: -201 }];
    (sale.total, sale.tenders) = (1799, vec![]);
    let sold = till.record_sale(sale, Call::api(), now()).unwrap().answer.sale_id;
    let totals: Vec<i64> = [pick("2", "0.5"), pick("1", "3"), pick("2", "0.5")]
        .into_iter()
        .map(|line| {
            let id = till.return_goods(sold, goods(vec![line]), Call::api(), now()).unwrap().answer.sale_id;
            till.sale(id).unwrap().unwrap().sale.total
        })
        .collect();
    assert_eq!(totals.iter().sum::<i64>(), 1799, "{totals:?}");
    shop.assert_sound();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The order of partial returns makes no difference in the end, and no more is taken than was given.
    #[test]
    fn the_order_of_returns_does_not_matter(picks in prop::collection::vec((any::<bool>(), 1u32..4), 1..5)) {
        let backwards: Vec<(bool, u32)> = picks.iter().rev().copied().collect();
        let taken = taken_over(Faults::default(), &picks);
        prop_assert!(taken <= 120);
        prop_assert_eq!(taken, taken_over(Faults::default(), &backwards));
    }
}
