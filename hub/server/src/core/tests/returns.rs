//! Returns from anywhere, in any order of arrival, and gift cards.

use counterfoil_protocol::entry::{Entry, EntryKind};
use counterfoil_protocol::id::{EventId, Holder, MemberId};
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::record::{Body, RedemptionRecord, Rights, SaleRecord, Source, VoidRecord};
use counterfoil_protocol::sale::{Line, LineKind, OriginalRef, Sale, SaleKind};
use proptest::prelude::*;

use super::super::{EntryFilter, ExceptionFilter, Hub};
use super::support::*;

/// A return of so much of receipt `number` of a lane of the store `north`.
fn return_body(receipt: u32, minor: i64, original: Option<(&str, u32)>, settles: Option<EventId>) -> Body {
    let Body::Sale(sold) = sale_body(receipt, None, 0) else { unreachable!() };
    let original = original.map(|(lane, number)| OriginalRef {
        store: Some("north".into()),
        lane: Some(lane.into()),
        receipt_number: format!("{number:06}"),
        business_date: None,
    });
    let lines = vec![Line { amount: minor, description: Some("GOODS".into()), ..Line::default() }];
    let sale = Sale { kind: SaleKind::Return, total: minor, lines, original, ..sold.sale.clone() };
    Body::Sale(Box::new(SaleRecord { sale, settles, ..*sold }))
}

fn reversal(member: MemberId, units: i64) -> Entry {
    Entry { kind: EntryKind::ReverseAccrual, to: None, ..accrual(member, units, Holder::Hub) }
}

fn open_kinds(hub: &Hub) -> Vec<String> {
    let filter = ExceptionFilter { state: Some("open".into()), ..ExceptionFilter::default() };
    let mut kinds: Vec<String> =
        hub.exceptions(&filter, None, 1_000).unwrap().items.into_iter().map(|found| found.kind).collect();
    kinds.sort();
    kinds
}

#[test]
fn a_return_at_another_till_is_settled_by_head_office() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let (mut here, mut there) = (FakeTill::enrolled(&mut hub, 1), FakeTill::enrolled(&mut hub, 2));
    here.sale(1, Some(ann), 10, Holder::Hub);
    here.push(&mut hub);
    there.record(return_body(7, 350, Some((&here.lane, 1)), None), vec![]);
    there.push(&mut hub);
    assert_eq!(points(&hub, ann), (7, 0), "a third of ten, rounded down");
    there.record(return_body(8, 650, Some((&here.lane, 1)), None), vec![]);
    there.push(&mut hub);
    assert_eq!(points(&hub, ann), (0, 0), "everything is everything");
    assert_eq!(open_kinds(&hub), Vec::<String>::new());
    there.record(return_body(9, 650, Some((&here.lane, 1)), None), vec![]);
    there.push(&mut hub);
    assert_eq!((points(&hub, ann), open_kinds(&hub)), ((0, 0), vec!["over-returned".to_owned()]));
    let entries = hub.ledger_entries(&EntryFilter::default(), None, 100).unwrap().items;
    let taken: Vec<_> = entries.iter().filter(|entry| entry.kind == "reverse-accrual").collect();
    let sale_id = EventId { incarnation: here.incarnation(), position: 1 }.to_string();
    assert_eq!(taken.iter().map(|entry| entry.amount).collect::<Vec<_>>(), [3, 7]);
    assert!(taken.iter().all(|entry| entry.sale_id.as_deref() == Some(&sale_id) && entry.author == "hub"));
    assert_sound(&hub);
}

#[test]
fn units_that_a_till_holds_are_owed_until_they_come_back() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let (mut here, mut there) = (FakeTill::enrolled(&mut hub, 1), FakeTill::enrolled(&mut hub, 2));
    here.sale(1, Some(ann), 10, here.holder());
    here.push(&mut hub);
    there.record(return_body(7, 500, Some((&here.lane, 1)), None), vec![]);
    there.push(&mut hub);
    assert_eq!((points(&hub, ann), held(&hub, ann, here.holder())), ((5, 5), 10));
    assert_sound(&hub);
    here.sale(2, Some(ann), 3, Holder::Hub);
    here.push(&mut hub);
    assert_eq!(points(&hub, ann), (8, 2));
    assert_sound(&hub);
}

#[test]
fn a_return_waits_for_its_sale() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let (mut here, mut there) = (FakeTill::enrolled(&mut hub, 1), FakeTill::enrolled(&mut hub, 2));
    there.record(return_body(7, 500, Some((&here.lane, 1)), None), vec![]);
    there.push(&mut hub);
    assert_eq!(open_kinds(&hub), ["unlinked-return"]);
    here.sale(1, Some(ann), 10, Holder::Hub);
    here.push(&mut hub);
    assert_eq!((points(&hub, ann), open_kinds(&hub).len()), ((5, 0), 0));
    assert_eq!(exception_kinds(&hub), ["unlinked-return"], "closed, not forgotten");
    assert_sound(&hub);
}

#[test]
fn what_two_tills_took_is_given_back_once() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let (mut here, mut there) = (FakeTill::enrolled(&mut hub, 1), FakeTill::enrolled(&mut hub, 2));
    let sold = here.sale(1, Some(ann), 10, here.holder());
    here.push(&mut hub);
    there.record(return_body(7, 1000, Some((&here.lane, 1)), None), vec![]);
    there.push(&mut hub);
    assert_eq!(points(&hub, ann), (0, 10));
    let settles = Some(EventId { incarnation: here.incarnation(), position: sold });
    here.record(return_body(8, 1000, Some((&here.lane, 1)), settles), vec![reversal(ann, 10)]);
    here.push(&mut hub);
    assert_eq!((points(&hub, ann), held(&hub, ann, here.holder())), ((0, 0), 0));
    assert_eq!(open_kinds(&hub), ["debt", "over-returned"], "ten were owed while one till had told of it");
    assert_sound(&hub);
}

#[test]
fn a_return_without_its_sale_is_an_exception_where_the_program_says_so() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.record(return_body(1, 500, None, None), vec![]);
    till.push(&mut hub);
    assert_eq!(exception_kinds(&hub), ["unlinked-return"]);
    for policy in ["ignore", "reverse-base"] {
        let program = PROGRAM.replacen(
            "{ \"program\"",
            &format!("{{ \"returns\": {{ \"unlinked\": \"{policy}\" }}, \"program\""),
            1,
        );
        let version = hub.publish_program(&program, 0, NOON_MS).unwrap().version;
        let mut made = record(return_body(2, 500, None, None), vec![]);
        made.program_version = Some(version);
        till.record_bytes(made.to_bytes());
        till.push(&mut hub);
        assert_eq!(exception_kinds(&hub).len(), 1, "{policy}");
    }
    assert_sound(&hub);
}

#[test]
fn rewards_come_back_by_their_author_when_everything_is_back_elsewhere() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let (mut here, mut there) = (FakeTill::enrolled(&mut hub, 1), FakeTill::enrolled(&mut hub, 2));
    here.sale(1, Some(ann), 30, here.holder());
    let spent = RedemptionRecord {
        member: ann,
        reward: None,
        purse: "points".into(),
        units: 20,
        rights: Rights::Held,
        sale_ref: Some("basket".into()),
        operator: None,
    };
    let entry = Entry { kind: EntryKind::Redeem, to: None, ..accrual(ann, 20, Holder::Hub) };
    let redeemed = here.record(Body::Redemption(spent), vec![entry]);
    let Body::Sale(mut sold) = sale_body(2, Some(ann), 10) else { unreachable!() };
    sold.sale.sale_ref = Some("basket".into());
    here.record(Body::Sale(sold), vec![accrual(ann, 10, Holder::Hub)]);
    here.push(&mut hub);
    let told = |till: &mut FakeTill, hub: &mut Hub| format!("{:?}", till.pull(hub)).matches("Reverse(").count();
    assert_eq!(told(&mut here, &mut hub), 0);
    there.record(return_body(7, 500, Some((&here.lane, 2)), None), vec![]);
    there.push(&mut hub);
    assert_eq!(told(&mut here, &mut hub), 0, "half of it is not all of it");
    there.record(return_body(8, 500, Some((&here.lane, 2)), None), vec![]);
    there.push(&mut hub);
    assert_eq!(told(&mut here, &mut hub), 1);
    let id = EventId { incarnation: here.incarnation(), position: redeemed };
    assert_eq!(hub.redemption(id).unwrap().redemption_id, id.to_string());
    assert_sound(&hub);
}

#[test]
fn the_negative_control_takes_back_each_time_anew() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    with_faults(&mut hub, |faults| faults.reverse_return_twice = true);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 10, Holder::Hub);
    till.sale(2, Some(ann), 10, Holder::Hub);
    till.record(return_body(7, 500, Some((&till.lane.clone(), 1)), None), vec![]);
    till.record(return_body(8, 500, Some((&till.lane.clone(), 1)), None), vec![]);
    till.push(&mut hub);
    assert_ne!(points(&hub, ann), (10, 0), "10 less 5 less 5 is what is right");
}

const WITH_CARDS: &str = r#"{ "program": "club", "currency": "GBP", "time_zone": "Europe/London",
    "purse": { "points": { "kind": "points", "spend_fresh": true }, "card": { "kind": "gift-card" } },
    "earn": [ { "id": "base", "purse": "points", "award": { "every": 100, "give": 1 } } ] }"#;

#[test]
fn a_gift_card_sold_at_a_till_is_known_and_nobodys_exception() {
    let mut hub = hub();
    let version = hub.publish_program(WITH_CARDS, 0, NOON_MS).unwrap().version;
    let (mut till, mut other) = (FakeTill::enrolled(&mut hub, 1), FakeTill::enrolled(&mut hub, 2));
    other.pull(&mut hub);
    let card = Identifier::parse("6064370000000001").unwrap();
    let account = card.member_id(&PROGRAM_KEY);
    let Body::Sale(mut sold) = sale_body(1, None, 0) else { unreachable!() };
    sold.sale.total = 5000;
    sold.sale.lines = vec![Line {
        kind: LineKind::GiftCard,
        description: Some("GIFT CARD".into()),
        amount: 5000,
        account: Some(account),
        account_identifier: Some(card.hash(&PROGRAM_KEY)),
        ..Line::default()
    }];
    let load = |units| Entry { purse: "card".into(), ..accrual(account, units, till.holder()) };
    let made = |entries| {
        let mut made = record(Body::Sale(sold.clone()), entries);
        made.program_version = Some(version);
        made.to_bytes()
    };
    let (right, wrong) = (made(vec![load(5000)]), made(vec![load(6000)]));
    till.record_bytes(right);
    till.push(&mut hub);
    assert_eq!(exception_kinds(&hub), Vec::<String>::new());
    let view = hub.member(account, NOON_MS).unwrap().unwrap();
    assert_eq!(view.purses.iter().find(|purse| purse.purse == "card").unwrap().balance, 5000);
    let page = other.pull(&mut hub);
    assert!(format!("{page:?}").contains(&account.to_string()), "other tills find it by its number");
    till.record_bytes(wrong);
    till.push(&mut hub);
    assert_eq!(exception_kinds(&hub), ["program-mismatch"]);
    assert_sound(&hub);
}

/// What happens around one sale of 10 points that the till which sold holds, and one that head office holds.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// At the till that sold, which settles itself; of the first sale.
    Here(i64),
    /// At the two others; of the first or the second sale.
    There(usize, u32, i64),
}

/// Journals of three tills. What the first takes back itself follows from its own returns alone.
fn journals(tills: &mut [FakeTill; 3], ann: MemberId, steps: &[Step], is_voided: bool) {
    let lane = tills[0].lane.clone();
    let holder = tills[0].holder();
    let sold = tills[0].sale(1, Some(ann), 10, holder);
    tills[0].sale(2, Some(ann), 10, Holder::Hub);
    let settles = EventId { incarnation: tills[0].incarnation(), position: sold };
    let mut back = 0i64;
    for (number, step) in (10u32..).zip(steps) {
        match *step {
            Step::Here(minor) => {
                let before = back.min(1000) / 100;
                back += minor;
                let taken = back.min(1000) / 100 - before;
                let entries = (taken > 0).then(|| reversal(ann, taken)).into_iter().collect();
                tills[0].record(return_body(number, minor, Some((&lane, 1)), Some(settles)), entries);
            }
            Step::There(till, sale, minor) => {
                tills[till].record(return_body(number, minor, Some((&lane, sale)), None), vec![]);
            }
        }
    }
    if is_voided {
        let void = VoidRecord {
            sale_position: Some(sold + 1),
            sale: None,
            voided_receipt: "000002".into(),
            receipt_number: None,
            total: 1000,
            tax: 0,
            source: Source::Api,
        };
        let owed = Entry { debt: Some(counterfoil_protocol::entry::DebtKind::Clawback), ..reversal(ann, 10) };
        tills[0].record(Body::Void(void), vec![owed]);
    }
}

type Outcome = ((i64, i64), i64, i64, Vec<String>);

/// Pushes record by record in the order given (which till is next), the rest after it, and says where it ends.
fn arrive(steps: &[Step], is_voided: bool, order: &[usize]) -> Outcome {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut tills = [1, 2, 3].map(|seed| FakeTill::enrolled(&mut hub, seed));
    journals(&mut tills, ann, steps, is_voided);
    let mut pushed = [0usize; 3];
    for till in order {
        if pushed[*till] < tills[*till].records.len() {
            tills[*till].push_part(&mut hub, pushed[*till], pushed[*till] + 1).unwrap();
            pushed[*till] += 1;
        }
    }
    for (till, from) in tills.iter().zip(pushed) {
        if from < till.records.len() {
            till.push_part(&mut hub, from, till.records.len()).unwrap();
        }
    }
    assert_sound(&hub);
    let held_here = held(&hub, ann, tills[0].holder());
    // Whether something was owed for a moment is of the order; where it ends is not.
    let kinds = open_kinds(&hub).into_iter().filter(|kind| kind != "debt").collect();
    (points(&hub, ann), held_here, held(&hub, ann, Holder::Hub), kinds)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1i64..11).prop_map(|pounds| Step::Here(pounds * 100)),
        (1usize..3, 1u32..3, 1i64..110).prop_map(|(till, sale, tens)| Step::There(till, sale, tens * 10)),
    ];
    prop::collection::vec(step, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever arrives first, the same is taken back in the end, and never more than was given.
    #[test]
    fn the_order_of_arrival_does_not_matter(
        steps in steps(),
        is_voided in any::<bool>(),
        orders in prop::collection::vec(prop::collection::vec(0usize..3, 0..9), 2),
    ) {
        let first = arrive(&steps, is_voided, &orders[0]);
        prop_assert_eq!(&first, &arrive(&steps, is_voided, &orders[1]));
        prop_assert_eq!(&first, &arrive(&steps, is_voided, &[1, 1, 1, 2, 2, 2, 1, 2]));
        let ((balance, debt), here, at_hub, _) = first;
        prop_assert!(here + at_hub - debt >= 0 && balance <= 20);
    }
}
