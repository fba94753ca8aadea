//! Rights as head office moves them: plans, recalls, expiry, reversals, write-offs, and what is said of debt.

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, Holder, MemberId};
use counterfoil_protocol::record::{
    Body, ConfirmationRecord, DocumentRecord, RedemptionRecord, ReleaseReason, ReleaseRecord, ReservationRecord,
    ReturnReason, ReversalRecord, ReverseRequestRecord, Rights, RightsReturnedRecord, Source,
};
use counterfoil_protocol::wire::v1::feed::Change;
use counterfoil_protocol::wire::v1::grant::{Subject, Want};
use proptest::prelude::*;

use super::super::{Hub, HubError};
use super::support::*;

const DAY_MS: i64 = 86_400_000;

fn level(target: i64) -> Want {
    Want::Level { purse: "points".into(), target }
}

fn recalls(till: &mut FakeTill, hub: &mut Hub) -> Vec<i64> {
    let changes = till.pull(hub).changes.into_iter();
    changes.filter_map(|change| if let Change::Recall(recall) = change { Some(recall.keep) } else { None }).collect()
}

fn give_back(till: &mut FakeTill, member: MemberId, units: i64) {
    let entry = Entry { kind: EntryKind::ReturnRights, ..accrual(member, units, Holder::Hub) };
    till.record(Body::RightsReturned(RightsReturnedRecord { reason: ReturnReason::Recalled }), vec![entry]);
}

fn owed(kind: EntryKind, member: MemberId, units: i64, debt: DebtKind) -> Entry {
    Entry { kind, to: None, debt: Some(debt), ..accrual(member, units, Holder::Hub) }
}

fn redemption(member: MemberId, units: i64) -> RedemptionRecord {
    RedemptionRecord {
        member,
        reward: None,
        purse: "points".into(),
        units,
        rights: Rights::Held,
        sale_ref: Some("basket".into()),
        operator: None,
    }
}

fn reversal(till: &mut FakeTill, member: MemberId, redemption: EventId, units: i64) {
    let to = Some(till.holder());
    let entry = Entry { kind: EntryKind::ReverseRedemption, to, ..accrual(member, units, Holder::Hub) };
    till.record(
        Body::Reversal(ReversalRecord { redemption, request: None, reason: None, operator: None }),
        vec![entry],
    );
}

#[test]
fn what_another_till_holds_is_recalled_and_the_next_question_finds_it() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let [mut here, mut there] = [1, 2].map(|seed| FakeTill::enrolled(&mut hub, seed));
    there.sale(1, Some(ann), 500, there.holder());
    there.push(&mut hub);
    here.ask_grants(&mut hub, Subject::Member(ann), level(300), 0, 0).unwrap();
    assert_eq!(held(&hub, ann, here.holder()), 0, "head office holds nothing");
    assert_eq!(recalls(&mut here, &mut hub), [0; 0], "the asker is not asked");
    assert_eq!(recalls(&mut there, &mut hub), [200]);
    here.ask_grants(&mut hub, Subject::Member(ann), level(300), 0, 0).unwrap();
    assert_eq!(recalls(&mut there, &mut hub), [0; 0], "the same question is no new order");
    give_back(&mut there, ann, 300);
    there.push(&mut hub);
    // Nobody plans the units away from whom they were asked for.
    assert_eq!(hub.plan_due(NOON_MS, 10).unwrap(), 0);
    here.ask_grants(&mut hub, Subject::Member(ann), level(300), 0, 0).unwrap();
    assert_eq!(held(&hub, ann, here.holder()), 300);
    there.cursor = String::new();
    assert_eq!(recalls(&mut there, &mut hub), [0; 0], "an answered recall is gone");
    assert_sound(&hub);
}

#[test]
fn a_grant_ends_the_recall_of_the_same_rights() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let [here, mut there] = [1, 2].map(|seed| FakeTill::enrolled(&mut hub, seed));
    there.sale(1, Some(ann), 500, there.holder());
    there.push(&mut hub);
    here.ask_grants(&mut hub, Subject::Member(ann), level(300), 0, 0).unwrap();
    hub.adjust(ann, "points", 400, "welcome", None, NOON_MS).unwrap();
    there.ask_grants(&mut hub, Subject::Member(ann), level(600), 500, 0).unwrap();
    assert_eq!(recalls(&mut there, &mut hub), [0; 0]);
    assert_eq!(held(&hub, ann, there.holder()), 600);
}

#[test]
fn the_negative_control_asks_again_for_ever() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let [here, mut there] = [1, 2].map(|seed| FakeTill::enrolled(&mut hub, seed));
    there.sale(1, Some(ann), 500, there.holder());
    there.push(&mut hub);
    with_faults(&mut hub, |faults| faults.keep_recalls = true);
    here.ask_grants(&mut hub, Subject::Member(ann), level(300), 0, 0).unwrap();
    give_back(&mut there, ann, 300);
    there.push(&mut hub);
    assert_eq!(recalls(&mut there, &mut hub), [200], "the till gave that back already");
}

#[test]
fn no_share_means_that_only_a_redemption_brings_rights() {
    let mut hub = hub();
    let none = PROGRAM.replacen('{', r#"{ "offline": { "share": "none" },"#, 1);
    hub.publish_program(&none, 0, NOON_MS).unwrap();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 900, "welcome", None, NOON_MS).unwrap();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 0, Holder::Hub);
    till.push(&mut hub);
    hub.plan_due(NOON_MS, 10).unwrap();
    till.ask_grants(&mut hub, Subject::Member(ann), Want::LookUp, 0, 0).unwrap();
    assert_eq!(held(&hub, ann, till.holder()), 0);
    till.ask_grants(&mut hub, Subject::Member(ann), level(200), 0, 0).unwrap();
    assert_eq!(held(&hub, ann, till.holder()), 200);
}

#[test]
fn a_visit_places_rights_where_the_member_shops_within_the_share() {
    let mut hub = hub();
    let less = PROGRAM.replacen('{', r#"{ "offline": { "placed": "0.8" },"#, 1);
    hub.publish_program(&less, 0, NOON_MS).unwrap();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 700, "welcome", None, NOON_MS).unwrap();
    let [mut here, there] = [1, 2].map(|seed| FakeTill::enrolled(&mut hub, seed));
    assert_eq!(hub.plan_due(NOON_MS, 10).unwrap(), 1);
    assert_eq!(held(&hub, ann, Holder::Hub), 700, "it was nowhere yet");
    here.sale(1, Some(ann), 0, Holder::Hub);
    here.push(&mut hub);
    assert_eq!(hub.plan_due(NOON_MS, 10).unwrap(), 1);
    let placed = held(&hub, ann, here.holder());
    assert!(placed >= 500, "the dearest reward lies at the lane that it visits: {placed}");
    assert!(placed + held(&hub, ann, there.holder()) <= 560, "80 % at the most");
    assert_eq!(hub.plan_due(NOON_MS, 10).unwrap(), 0, "planned once");
    assert_eq!(hub.plan_due(NOON_MS + 7 * DAY_MS, 10).unwrap(), 1, "and again after a week");
    assert_sound(&hub);
}

#[test]
fn a_till_that_is_not_heard_is_given_nothing() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 700, "welcome", None, NOON_MS).unwrap();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 0, Holder::Hub);
    till.push(&mut hub);
    assert_eq!(hub.plan_due(NOON_MS + DAY_MS, 10).unwrap(), 1);
    assert_eq!(held(&hub, ann, Holder::Hub), 700);
}

fn lot(expires: &str) -> Lot {
    Lot { vests: None, expires: Some(expires.parse().unwrap()) }
}

fn accrue_into(till: &mut FakeTill, member: MemberId, units: i64, lot: Lot, to: Holder) {
    let receipt = u32::try_from(till.records.len()).unwrap() + 1;
    till.record(sale_body(receipt, Some(member), units), vec![Entry { lot, ..accrual(member, units, to) }]);
}

fn spend_from(till: &mut FakeTill, member: MemberId, units: i64, lot: Lot) {
    let entry = Entry { kind: EntryKind::Redeem, to: None, lot, ..accrual(member, units, Holder::Hub) };
    till.record(Body::Redemption(redemption(member, units)), vec![entry]);
}

#[test]
fn only_what_head_office_holds_expires_and_only_when_the_day_is_over_everywhere() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    accrue_into(&mut till, ann, 30, lot("2026-11-24"), Holder::Hub);
    let own = till.holder();
    accrue_into(&mut till, ann, 20, lot("2026-11-24"), own);
    accrue_into(&mut till, ann, 10, Lot::default(), Holder::Hub);
    till.push(&mut hub);
    assert_eq!(hub.expire_due(NOON_MS + DAY_MS - 1, 10).unwrap(), 0, "it is still the 24th in Baker Island");
    assert_eq!(hub.expire_due(NOON_MS + DAY_MS, 10).unwrap(), 1);
    assert_eq!(hub.expire_due(NOON_MS + DAY_MS, 10).unwrap(), 0);
    assert_eq!(held(&hub, ann, Holder::Hub), 10);
    assert_eq!(held(&hub, ann, till.holder()), 20);
    spend_from(&mut till, ann, 15, lot("2026-11-24"));
    let back = Entry { kind: EntryKind::ReturnRights, lot: lot("2026-11-24"), ..accrual(ann, 5, Holder::Hub) };
    till.record(Body::RightsReturned(RightsReturnedRecord { reason: ReturnReason::Expired }), vec![back]);
    till.push(&mut hub);
    assert_eq!(hub.expire_due(NOON_MS + 2 * DAY_MS, 10).unwrap(), 1, "what was given back ends now");
    assert_eq!((points(&hub, ann), exception_kinds(&hub)), ((10, 0), Vec::new()));
    assert_sound(&hub);
}

#[test]
fn due_lots_are_found_by_an_index() {
    let hub = hub();
    let plan: Vec<String> = hub
        .connection()
        .prepare(
            "EXPLAIN QUERY PLAN SELECT DISTINCT member FROM holding
             WHERE holder = 'hub' AND units > 0 AND substr(lot, -1) <> '-' AND substr(lot, instr(lot, '/') + 1) < ?1
             LIMIT ?2",
        )
        .and_then(|mut query| query.query_map(("2026-11-24", 1), |row| row.get(3))?.collect())
        .unwrap();
    assert!(plan.iter().any(|step| step.contains("holding_by_expiry")), "{plan:?}");
}

#[test]
fn the_negative_control_expires_what_a_till_holds_and_is_caught() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let own = till.holder();
    accrue_into(&mut till, ann, 20, lot("2026-11-24"), own);
    till.push(&mut hub);
    with_faults(&mut hub, |faults| faults.expire_granted = true);
    assert_eq!(hub.expire_due(NOON_MS + DAY_MS, 10).unwrap(), 1);
    spend_from(&mut till, ann, 20, lot("2026-11-24"));
    till.push(&mut hub);
    assert_eq!(exception_kinds(&hub), ["rights-exceeded"], "a redemption in time was undone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever arrives before or after expiry, what a till redeemed of its own is covered, and what is left expires.
    #[test]
    fn a_redemption_in_time_is_never_undone_by_expiry(
        mine in 1i64..50, hubs in 1i64..50, spent in 1i64..50, cut in 0usize..5, runs in prop::collection::vec(0usize..5, 0..4),
    ) {
        let mut hub = hub();
        let ann = member(&mut hub, 1);
        let mut till = FakeTill::enrolled(&mut hub, 1);
        let (old, spent) = (lot("2026-11-24"), spent.min(mine));
        let own = till.holder();
        accrue_into(&mut till, ann, mine, old, own);
        accrue_into(&mut till, ann, hubs, old, Holder::Hub);
        spend_from(&mut till, ann, spent, old);
        if mine > spent {
            let entry = Entry { kind: EntryKind::ReturnRights, lot: old, ..accrual(ann, mine - spent, Holder::Hub) };
            till.record(Body::RightsReturned(RightsReturnedRecord { reason: ReturnReason::Expired }), vec![entry]);
        }
        let end = till.records.len();
        for (step, to) in [cut.min(end), end].into_iter().enumerate() {
            if to > 0 {
                till.push_part(&mut hub, 0, to).unwrap();
            }
            for _ in runs.iter().filter(|run| **run > step) {
                hub.expire_due(NOON_MS + 2 * DAY_MS, 10).unwrap();
            }
        }
        hub.expire_due(NOON_MS + 2 * DAY_MS, 10).unwrap();
        prop_assert_eq!(exception_kinds(&hub), Vec::<String>::new());
        prop_assert_eq!(points(&hub, ann), (0, 0));
        assert_sound(&hub);
    }

    /// Two tills ask in turn, carry out what they are told, and are planned for: it comes to rest.
    #[test]
    fn recalls_and_grants_come_to_rest(
        start in 0i64..1200, asks in prop::collection::vec((0usize..2, 1i64..700), 1..8),
    ) {
        let mut hub = hub();
        let ann = member(&mut hub, 1);
        let mut tills = [1, 2].map(|seed| FakeTill::enrolled(&mut hub, seed));
        if start > 0 {
            hub.adjust(ann, "points", start, "welcome", None, NOON_MS).unwrap();
        }
        for (receipt, till) in (1u32..).zip(&mut tills) {
            till.sale(receipt, Some(ann), 300, till.holder());
            till.push(&mut hub);
        }
        let later_ms = NOON_MS + 3 * 60_000;
        let obey = |hub: &mut Hub, till: &mut FakeTill| {
            let mut orders = 0;
            for keep in recalls(till, hub) {
                orders += 1;
                let surplus = held(hub, ann, till.holder()) - keep;
                if surplus > 0 {
                    give_back(till, ann, surplus);
                    till.push(hub);
                }
            }
            orders
        };
        for (index, target) in asks {
            let now = held(&hub, ann, tills[index].holder());
            tills[index].ask_grants(&mut hub, Subject::Member(ann), level(target), now, 0).unwrap();
            tills.iter_mut().for_each(|till| { obey(&mut hub, till); });
            assert_sound(&hub);
        }
        let mut quiet = 0;
        for _ in 0..12 {
            let before: Vec<i64> = tills.iter().map(|till| held(&hub, ann, till.holder())).collect();
            hub.plan_due(later_ms, 10).unwrap();
            let orders: usize = tills.iter_mut().map(|till| obey(&mut hub, till)).sum();
            let after: Vec<i64> = tills.iter().map(|till| held(&hub, ann, till.holder())).collect();
            quiet = if orders == 0 && before == after { quiet + 1 } else { 0 };
        }
        prop_assert!(quiet >= 4, "still moving after eight rounds");
        assert_sound(&hub);
    }
}

#[test]
fn a_redemptions_life_is_known_here() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 100, till.holder());
    let chosen = |units| vec![Entry { kind: EntryKind::Redeem, to: None, ..accrual(ann, units, Holder::Hub) }];
    let reserve = |till: &mut FakeTill, units| {
        let body =
            ReservationRecord { redemption: redemption(ann, units), expires_at_ms: NOON_MS, chosen: chosen(units) };
        let position = till.record(Body::Reservation(body), Vec::new());
        EventId { incarnation: till.incarnation(), position }
    };
    let [kept, cancelled, timed_out] = [10, 20, 30].map(|units| reserve(&mut till, units));
    for (reservation, reason) in [(cancelled, ReleaseReason::Cancelled), (timed_out, ReleaseReason::TimedOut)] {
        till.record(Body::Release(ReleaseRecord { reservation, reason }), Vec::new());
    }
    till.push(&mut hub);
    let states = |hub: &Hub| [kept, cancelled, timed_out].map(|id| hub.redemption(id).unwrap().state);
    assert_eq!(states(&hub), ["reserved", "cancelled", "timed-out"]);
    assert!(matches!(hub.request_reversal(kept, "a mistake", None, NOON_MS), Err(HubError::Conflict { .. })));
    for (reservation, late, units) in [(kept, false, 10), (timed_out, true, 30)] {
        till.record(Body::Confirmation(ConfirmationRecord { reservation, late, sale: None }), chosen(units));
    }
    till.push(&mut hub);
    assert_eq!(states(&hub), ["redeemed", "cancelled", "redeemed"]);
    reversal(&mut till, ann, kept, 10);
    till.push(&mut hub);
    assert_eq!(states(&hub), ["reversed", "cancelled", "redeemed"]);
    assert_eq!(held(&hub, ann, till.holder()), 70);
    assert_eq!(exception_kinds(&hub), Vec::<String>::new(), "late, and nothing is owed");
    assert!(matches!(hub.redemption(EventId { position: 99, ..kept }), Err(HubError::NotFound { .. })));
    assert_sound(&hub);
}

#[test]
fn an_order_goes_to_the_author_once_and_ends_with_its_reversal() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let [mut author, mut other] = [1, 2].map(|seed| FakeTill::enrolled(&mut hub, seed));
    author.sale(1, Some(ann), 100, author.holder());
    let position = author.redeem(ann, 40);
    let spent = EventId { incarnation: author.incarnation(), position };
    let ask = ReverseRequestRecord { redemption: spent, reason: Some("came back".into()), operator: None };
    other.record(Body::ReverseRequest(ask), Vec::new());
    other.push(&mut hub);
    author.push(&mut hub);
    let orders = |till: &mut FakeTill, hub: &mut Hub| {
        let changes = till.pull(hub).changes.into_iter();
        changes.filter(|change| matches!(change, Change::Reverse(order) if order.redemption == spent)).count()
    };
    assert_eq!((orders(&mut other, &mut hub), orders(&mut author, &mut hub)), (0, 1));
    assert_eq!(hub.redemption(spent).unwrap().reversal.as_deref(), Some("requested"));
    hub.request_reversal(spent, "came back", None, NOON_MS).unwrap();
    assert_eq!(orders(&mut author, &mut hub), 0, "the first order counts");
    reversal(&mut author, ann, spent, 40);
    author.push(&mut hub);
    author.cursor = String::new();
    assert_eq!(orders(&mut author, &mut hub), 0);
    assert_eq!(hub.redemption(spent).unwrap().state, "reversed");
    assert_eq!(held(&hub, ann, author.holder()), 100);
    // A till that undoes it once more is not believed.
    reversal(&mut author, ann, spent, 40);
    author.push(&mut hub);
    assert_eq!((held(&hub, ann, author.holder()), exception_kinds(&hub)), (100, vec!["already-reversed".into()]));
    assert_sound(&hub);
}

/// A redemption of a till that has ended, undone by head office; then the till's own reversal arrives.
fn undone_twice(edit: impl FnOnce(&mut super::super::Faults)) -> (Hub, MemberId, EventId) {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    with_faults(&mut hub, edit);
    till.sale(1, Some(ann), 100, till.holder());
    let position = till.redeem(ann, 40);
    let spent = EventId { incarnation: till.incarnation(), position };
    till.push(&mut hub);
    let told = hub.request_reversal(spent, "came back", None, NOON_MS).unwrap();
    assert_eq!(told.answer.state, "redeemed", "its till lives");
    hub.change(NOON_MS, |act| act.retire_now("north-1")).unwrap();
    assert_eq!(hub.redemption(spent).unwrap().reversed_by.as_deref(), Some("hub"));
    assert_eq!(points(&hub, ann), (100, 0));
    reversal(&mut till, ann, spent, 40);
    till.push(&mut hub);
    (hub, ann, spent)
}

#[test]
fn head_office_undoes_for_a_till_that_has_ended_and_never_twice() {
    let (hub, ann, spent) = undone_twice(|_| {});
    assert_eq!(points(&hub, ann), (100, 0));
    assert_eq!(exception_kinds(&hub), ["already-reversed"]);
    assert_eq!(hub.redemption(spent).unwrap().state, "reversed");
    assert_sound(&hub);
}

#[test]
fn the_negative_control_undoes_twice_and_is_caught() {
    let (hub, ann, _) = undone_twice(|faults| faults.reverse_twice = true);
    assert_eq!(points(&hub, ann), (140, 0), "the member has more than it ever earned");
}

#[test]
fn only_what_remains_owed_is_an_exception() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 50, Holder::Hub);
    till.record(sale_body(2, None, 0), vec![owed(EntryKind::ReverseAccrual, ann, 50, DebtKind::Clawback)]);
    till.push(&mut hub);
    assert_eq!((points(&hub, ann), exception_kinds(&hub)), ((0, 0), Vec::new()), "paid at once");
    let spend = |kind| vec![owed(EntryKind::Redeem, ann, 30, kind)];
    till.record(Body::Redemption(redemption(ann, 30)), spend(DebtKind::Floor));
    let body = ConfirmationRecord {
        reservation: EventId { incarnation: till.incarnation(), position: 3 },
        late: true,
        sale: None,
    };
    till.record(Body::Confirmation(body), spend(DebtKind::Late));
    till.push(&mut hub);
    assert_eq!(exception_kinds(&hub), ["floor-redemption", "late-confirmation"]);
    assert_eq!(points(&hub, ann), (0, 60));
    let view = hub.write_off(ann, "points", "goodwill", None, NOON_MS).unwrap().answer;
    assert_eq!((view.amount, view.entries.len(), points(&hub, ann)), (60, 2, (0, 0)));
    assert!(matches!(hub.write_off(ann, "points", "again", None, NOON_MS), Err(HubError::Conflict { .. })));
    assert!(matches!(hub.write_off(ann, "points", " ", None, NOON_MS), Err(HubError::Invalid { .. })));
    assert_sound(&hub);
}

#[test]
fn the_programs_clawback_policy_writes_off_at_once_what_it_just_raised() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let undo = |till: &mut FakeTill, units| {
        till.record(sale_body(2, None, 0), vec![owed(EntryKind::ReverseAccrual, ann, units, DebtKind::Clawback)]);
    };
    undo(&mut till, 25);
    till.push(&mut hub);
    let kind = PROGRAM.replace("\"spend_fresh\": true", "\"spend_fresh\": true, \"clawback\": \"write-off\"");
    hub.publish_program(&kind, 0, NOON_MS).unwrap();
    undo(&mut till, 50);
    till.push(&mut hub);
    assert_eq!(points(&hub, ann), (0, 25), "older debt stays");
    assert_eq!(exception_kinds(&hub), ["debt"], "the first one");
    assert_sound(&hub);
}

#[test]
fn a_record_whose_posting_panics_is_kept_and_the_journal_goes_on() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    with_faults(&mut hub, |faults| faults.panic_on_document = true);
    let document = DocumentRecord {
        class: "x".into(),
        receipt_number: None,
        marks: Vec::new(),
        exception: None,
        text: Vec::new(),
        source: Source::Api,
    };
    till.record(Body::Document(document), Vec::new());
    till.sale(1, Some(ann), 10, till.holder());
    till.push(&mut hub);
    assert_eq!(exception_kinds(&hub), ["not-posted"]);
    assert_eq!(held(&hub, ann, till.holder()), 10);
    assert_sound(&hub);
}

#[test]
fn who_asked_long_ago_is_forgotten() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let till = FakeTill::enrolled(&mut hub, 1);
    till.ask_grants(&mut hub, Subject::Member(ann), Want::LookUp, 0, 0).unwrap();
    assert_eq!(hub.forget_due(NOON_MS + 60 * DAY_MS, 10).unwrap(), 0);
    assert_eq!(hub.forget_due(NOON_MS + 60 * DAY_MS + 1, 10).unwrap(), 1);
}
