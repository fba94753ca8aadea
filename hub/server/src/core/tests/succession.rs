//! The next life of a restored till: settled once, every fact posted once, in whatever order both journals arrive.

use counterfoil_protocol::entry::{Entry, EntryKind};
use counterfoil_protocol::id::{EventId, Holder, MemberId};
use counterfoil_protocol::record::{Body, Source, VoidRecord};
use counterfoil_protocol::wire::v1::grant::{RefusalKind, Subject, Want};
use proptest::prelude::*;

use super::super::Hub;
use super::support::*;

fn give(hub: &mut Hub, till: &FakeTill, member: MemberId, units: i64) {
    hub.adjust(member, "points", units, "welcome", None, NOON_MS).unwrap();
    let want = Want::Level { purse: "points".into(), target: units };
    till.ask_grants(hub, Subject::Member(member), want, 0, 0).unwrap();
    assert_eq!(held(hub, member, till.holder()), units);
}

fn void_of(sale_position: u64) -> Body {
    Body::Void(VoidRecord {
        sale_position: Some(sale_position),
        voided_receipt: format!("{sale_position:06}"),
        receipt_number: None,
        total: 1000,
        tax: 0,
        source: Source::Api,
        sale: None,
    })
}

#[test]
fn the_old_life_is_settled_where_it_is_and_the_next_one_begins() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    give(&mut hub, &till, ann, 500);
    till.redeem(ann, 100);
    till.push(&mut hub);
    let answer = till.ask_next(&mut hub, 50).unwrap();
    assert_eq!((answer.number, answer.settled), (2, till.head()));
    assert_eq!((answer.terminal.as_str(), answer.lane.as_str()), ("north-1", "1"));
    assert_eq!(held(&hub, ann, till.holder()), 0);
    assert_eq!(held(&hub, ann, Holder::Hub), 400);
    assert_eq!(till.ask_next(&mut hub, 50).unwrap(), answer, "the same request, the same answer");
    let next = till.next_life(&answer, 50, 1);
    next.push(&mut hub);
    let want = Want::Level { purse: "points".into(), target: 300 };
    next.ask_grants(&mut hub, Subject::Member(ann), want.clone(), 0, 0).unwrap();
    assert_eq!(held(&hub, ann, next.holder()), 300);
    let old = till.ask_grants(&mut hub, Subject::Member(ann), want, 0, 0);
    assert_eq!(refused(old), RefusalKind::Retired);
    assert_sound(&hub);
}

#[test]
fn a_till_behind_may_ask_and_a_second_disk_is_a_clone() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 10, till.holder());
    let (mut here, mut there) = (till.image(), till.image());
    till.sale(2, Some(ann), 20, till.holder());
    till.push(&mut hub);
    here.sale(3, Some(ann), 30, here.holder());
    there.sale(4, Some(ann), 40, there.holder());
    assert_eq!(refused(here.push_part(&mut hub, 0, 2)), RefusalKind::Behind);
    let answer = here.ask_next(&mut hub, 51).unwrap();
    assert_eq!(answer.settled, till.head());
    assert_eq!(refused(there.ask_next(&mut hub, 52)), RefusalKind::Quarantined);
    assert_eq!(refused(there.ask_next(&mut hub, 52)), RefusalKind::Quarantined);
    let kinds = exception_kinds(&hub);
    assert_eq!(kinds.iter().filter(|kind| *kind == "clone").count(), 1, "{kinds:?}");
    here.next_life(&answer, 51, 1).push(&mut hub);
    assert_eq!(points(&hub, ann), (60, 0));
    assert_sound(&hub);
    // A person decides: a code for a new life of the lane, and the one before ends.
    let fresh = FakeTill { lane: "1".into(), ..FakeTill::new(&hub, 53) };
    let code = hub.invite("north", "1", [53; 10], NOON_MS, 3_600_000, false).unwrap();
    fresh.enrol(&mut hub, &code, NOON_MS).unwrap();
    assert_eq!(refused(there.ask_next(&mut hub, 52)), RefusalKind::Quarantined);
    assert_sound(&hub);
}

#[test]
fn spending_that_the_settled_life_no_longer_covers_is_owed_and_paid() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    give(&mut hub, &till, ann, 500);
    let mut image = till.image();
    till.redeem(ann, 300);
    till.push(&mut hub);
    // The restored disk knows nothing of that and spends the rights again, cut off.
    image.redeem(ann, 400);
    let answer = image.ask_next(&mut hub, 51).unwrap();
    image.next_life(&answer, 51, 0).push(&mut hub);
    let (balance, debt) = points(&hub, ann);
    assert_eq!(balance, 0, "200 paid of 400");
    assert_eq!(debt, 200);
    assert!(exception_kinds(&hub).contains(&"debt".to_owned()));
    assert_sound(&hub);
}

#[test]
fn a_settled_life_still_tells_and_what_comes_to_it_is_settled_again() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    give(&mut hub, &till, ann, 100);
    till.push(&mut hub);
    till.ask_next(&mut hub, 51).unwrap();
    till.sale(1, Some(ann), 10, till.holder());
    till.redeem(ann, 50);
    till.push(&mut hub);
    assert_eq!(held(&hub, ann, till.holder()), 0);
    let (balance, debt) = points(&hub, ann);
    assert_eq!((balance, debt), (60, 0), "what it had no cover for was owed, and paid at once");
    assert_sound(&hub);
}

#[test]
fn references_within_the_branch_find_what_stands_for_them() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let shared = till.sale(1, Some(ann), 10, till.holder());
    let mut image = till.image();
    till.sale(2, Some(ann), 10, till.holder());
    till.push(&mut hub);
    // At position 2 of the branch stands another sale than head office has there.
    let branch = image.sale(3, Some(ann), 30, image.holder());
    let back = |units| Entry { kind: EntryKind::ReverseAccrual, to: None, ..accrual(ann, units, Holder::Hub) };
    image.record(void_of(branch), vec![back(30)]);
    image.record(void_of(shared), vec![back(10)]);
    let answer = image.ask_next(&mut hub, 51).unwrap();
    let next = image.next_life(&answer, 51, 1);
    next.push(&mut hub);
    let voided = |incarnation, position| hub.sale(EventId { incarnation, position }).unwrap().voided_by.is_some();
    assert!(voided(till.incarnation(), 1), "the sale that both have");
    assert!(!voided(till.incarnation(), 2), "not the one that only the lost disk had");
    assert!(voided(next.incarnation(), 2), "the branch's own");
    assert_eq!(points(&hub, ann), (10, 0));
    assert_eq!(hub.member(ann, NOON_MS).unwrap().unwrap().visits, 1);
    assert_sound(&hub);
}

#[test]
fn a_till_cannot_keep_anothers_records_from_being_posted() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut victim = FakeTill::enrolled(&mut hub, 1);
    let mut liar = FakeTill::enrolled(&mut hub, 2);
    victim.sale(1, Some(ann), 10, victim.holder());
    liar.write_again(&victim, 1);
    liar.push(&mut hub);
    victim.push(&mut hub);
    assert_eq!(held(&hub, ann, victim.holder()), 10);
    assert_sound(&hub);
}

#[test]
fn the_negative_controls_are_caught() {
    let story = |edit: fn(&mut super::super::Faults)| {
        let mut hub = hub();
        let ann = member(&mut hub, 1);
        let mut till = FakeTill::enrolled(&mut hub, 1);
        give(&mut hub, &till, ann, 100);
        till.sale(1, Some(ann), 10, till.holder());
        till.redeem(ann, 20);
        let image = till.image();
        till.push(&mut hub);
        with_faults(&mut hub, edit);
        let answer = image.ask_next(&mut hub, 51).unwrap();
        let mine = held(&hub, ann, till.holder());
        image.next_life(&answer, 51, 0).push(&mut hub);
        (points(&hub, ann).0, mine)
    };
    assert_eq!(story(|_| {}), (90, 0));
    // Its sale is known by its receipt all the same.
    assert_eq!(story(|faults| faults.post_origins_twice = true), (70, 0), "the redemption counts twice");
    assert_eq!(story(|faults| faults.settle_nothing = true).1, 90, "the old life goes on holding");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whatever of the old journal reached head office before the till was restored, whatever arrives of either journal
    /// in which order, by however many lives the branch went: every fact counts once.
    #[test]
    fn every_fact_is_counted_once(
        shared in 0usize..5,
        branch in 1usize..6,
        lost in 0usize..4,
        known in 0usize..9,
        acknowledged in 0usize..5,
        lives in 1usize..4,
        order in prop::collection::vec((0usize..5, 1usize..9), 0..12),
    ) {
        let mut hub = hub();
        let ann = member(&mut hub, 1);
        let mut first = FakeTill::enrolled(&mut hub, 1);
        give(&mut hub, &first, ann, 1000);
        let mut receipt = 0;
        // Each sale and each redemption is worth another power of two, so that a balance says which of them counted.
        let mut act = |till: &mut FakeTill, worth: &mut i64, other: i64| {
            receipt += 1;
            if receipt % 3 == 0 {
                till.redeem(ann, receipt.into());
                *worth -= i64::from(receipt);
            } else {
                till.sale(receipt, Some(ann), other, till.holder());
                *worth += other;
            }
        };
        let (mut common, mut lost_worth, mut branch_worth) = (0, 0, 0);
        for step in 0..shared { act(&mut first, &mut common, 100 + step as i64); }
        let mut image = first.image();
        for step in 0..lost { act(&mut first, &mut lost_worth, 200 + step as i64); }
        for step in 0..branch { act(&mut image, &mut branch_worth, 300 + step as i64); }
        let known = known.min(first.records.len());
        if known > 0 {
            first.push_part(&mut hub, 0, known).unwrap();
        }
        let mut tills = vec![image.image()];
        let kept = acknowledged.min(shared).min(known) as u64;
        for life in 0..lives {
            let seed = 60 + u8::try_from(life).unwrap();
            let now = tills.last().unwrap();
            let answer = now.ask_next(&mut hub, seed).unwrap();
            let kept = if life == 0 { kept } else { 0 };
            let next = now.next_life(&answer, seed, kept);
            tills.push(next);
        }
        // The old disk is found and tells the rest; the lives tell in any order, in part and repeatedly.
        tills[0] = first.image();
        for (index, count) in order {
            let till = &tills[index % tills.len()];
            let count = count.min(till.records.len());
            if count > 0 {
                let _ = till.push_part(&mut hub, 0, count);
            }
            assert_sound(&hub);
        }
        for till in &tills {
            if !till.records.is_empty() {
                till.push(&mut hub);
            }
        }
        let (balance, debt) = points(&hub, ann);
        prop_assert_eq!(balance - debt, 1000 + common + lost_worth + branch_worth);
        let sales = hub.sales(&super::super::SaleFilter::default(), None, 1_000).unwrap().items;
        let mut numbers: Vec<String> = sales.into_iter().map(|sale| sale.sale.receipt_number).collect();
        let count = numbers.len();
        numbers.dedup();
        numbers.sort();
        numbers.dedup();
        prop_assert_eq!(numbers.len(), count, "a sale stands once in the list");
        assert_sound(&hub);
    }
}
