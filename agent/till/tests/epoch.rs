//! A head office that lost something: what the till tells it, and what it does with the answer.
#![allow(clippy::unwrap_used, reason = "test code")]

mod kit;

use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::record::Head;
use counterfoil_protocol::wire::sign::sign;
use counterfoil_protocol::wire::v1::enrol::EnrolAnswer;
use counterfoil_protocol::wire::v1::epoch::{EpochAnswer, KnownLife, LifeProof};
use counterfoil_protocol::wire::v1::grant::PushAnswer;
use counterfoil_protocol::wire::v1::succession::SuccessionAnswer;
use counterfoil_till::{Call, CommandError, FeedError, Standing};
use kit::*;

fn enrolled(shop: &mut Shop) {
    let enrolment = enrolment();
    let mut answer = EnrolAnswer {
        terminal: enrolment.terminal,
        lane: enrolment.lane,
        store: enrolment.store,
        incarnation: incarnation(),
        epoch: 1,
        root_key: enrolment.root_key,
        root_certificate: String::new(),
        program_key: KEY,
        signature: None,
    };
    answer.signature = Some(sign(&shop.hub.root, &answer.signed_text()));
    shop.till_mut().keep_proof(&answer).unwrap();
    answer.incarnation = counterfoil_protocol::id::IncarnationId([1; 16]);
    assert!(matches!(shop.till_mut().keep_proof(&answer), Err(CommandError::InvalidRequest(_))));
}

fn answer(epoch: u64, known: Vec<KnownLife>, complete: bool) -> EpochAnswer {
    EpochAnswer { epoch, known, complete, hub_time_ms: MORNING }
}

fn known(head: Head) -> Vec<KnownLife> {
    vec![KnownLife { incarnation: incarnation(), head }]
}

#[test]
fn everything_head_office_gave_is_told_and_its_loss_is_pushed_again() {
    let mut shop = Shop::open_for_business();
    enrolled(&mut shop);
    shop.grant(member_of(CARD), "points", Lot::default(), 50);
    let till = shop.till_mut();
    till.record_sale(sale("1", 1000, Some(CARD)), Call::api(), now()).unwrap();
    let early = till.head();
    till.record_sale(sale("2", 500, Some(CARD)), Call::api(), now()).unwrap();
    till.acknowledge(2, MORNING).unwrap();
    assert!(!till.report_due());
    till.note_epoch(1_800_000_000).unwrap();
    till.note_epoch(1).unwrap();
    assert_eq!((till.epoch(), till.report_due()), (1_800_000_000, true), "an epoch never goes back");
    let report = till.epoch_report().unwrap();
    assert_eq!((report.lives.len(), report.entries.len(), report.programs.len(), report.last), (1, 1, 1, true));
    assert!(matches!(&report.lives[0].proof, LifeProof::Enrolment(answer) if answer.incarnation == incarnation()));
    assert_eq!(till.epoch_report().unwrap(), report, "a part that was not answered is told again");
    let other = till.apply_epoch_answer(&answer(7, known(early), true));
    assert!(matches!(other, Err(FeedError::Epoch { .. })));
    // Rights stay; what is known is less than what was acknowledged.
    assert!(till.apply_epoch_answer(&answer(1_800_000_000, known(early), true)).unwrap());
    assert_eq!((till.acknowledged(), till.report_due()), (1, false));
    assert!(till.segment_after(till.acknowledged()).unwrap().is_some());
    assert_eq!(shop.purse(CARD, "points", now()).1, 65);
    shop.reopen();
    assert_eq!((shop.till().acknowledged(), shop.till().report_due()), (1, false));
    shop.assert_sound();
}

#[test]
fn a_report_is_told_in_parts() {
    let mut shop = Shop::open_for_business();
    enrolled(&mut shop);
    let (till, member) = (shop.till().incarnation(), member_of(CARD));
    let grants: Vec<_> = (0..1_500)
        .map(|_| {
            counterfoil_protocol::wire::v1::feed::Change::Grant(shop.hub.grant(
                till,
                member,
                "points",
                Lot::default(),
                1,
            ))
        })
        .collect();
    let page = shop.hub.page(grants, 0, 0);
    shop.till_mut().apply_page(&page).unwrap();
    let till = shop.till_mut();
    till.note_epoch(2).unwrap();
    let first = till.epoch_report().unwrap();
    assert_eq!((first.entries.len(), first.programs.len(), first.last), (1_000, 0, false));
    assert!(!till.apply_epoch_answer(&answer(2, known(Head::start(incarnation())), false)).unwrap());
    let second = till.epoch_report().unwrap();
    assert_eq!((second.entries.len(), second.programs.len(), second.last), (500, 1, true));
    let ids: std::collections::BTreeSet<_> =
        first.entries.iter().chain(&second.entries).map(|entry| entry.id).collect();
    assert_eq!(ids.len(), 1_500);
    // Opened anew, it begins again: head office takes everything once.
    shop.reopen();
    assert_eq!(shop.till().epoch_report().unwrap().entries.len(), 1_000);
}

#[test]
fn records_of_earlier_lives_are_told_as_far_as_no_later_life_wrote_them_again() {
    let mut shop = Shop::open_for_business();
    enrolled(&mut shop);
    let till = shop.till_mut();
    for number in ["1", "2", "3"] {
        till.record_sale(sale(number, 100, None), Call::api(), now()).unwrap();
    }
    till.acknowledge(2, MORNING).unwrap();
    till.note_hub_head(40).unwrap();
    let request = till.succession_request([5; 32], "0.2.0").unwrap();
    let mut next = SuccessionAnswer {
        terminal: "t1".into(),
        lane: "1".into(),
        store: till.enrolment().store.clone(),
        before: request.before,
        settled: Head { position: 40, ..Head::start(incarnation()) },
        incarnation: request.public_key.incarnation(),
        number: 2,
        epoch: 1,
        hub_time_ms: MORNING,
        signature: None,
    };
    next.signature = Some(sign(&shop.hub.root, &next.signed_text()));
    let till = shop.till_mut();
    till.succeed(&next, now()).unwrap();
    till.note_epoch(2).unwrap();
    let first = till.epoch_report().unwrap();
    assert_eq!((first.lives.len(), first.past.len(), first.last), (2, 0, false), "what is known must be heard first");
    assert!(matches!(first.lives[1].proof, LifeProof::Succession(_)));
    let own = till.incarnation();
    let both = |old: Head| {
        let present = KnownLife { incarnation: own, head: Head::start(own) };
        vec![KnownLife { incarnation: incarnation(), head: old }, present]
    };
    till.apply_epoch_answer(&answer(2, both(Head::start(incarnation())), false)).unwrap();
    let second = till.epoch_report().unwrap();
    let records = second.past[0].clone().verify(&second.lives[0].public_key).unwrap();
    assert_eq!((second.past[0].first, records.len()), (1, 2), "the third stands in the present journal");
    let there = Head { position: 2, chain: records[1].chain };
    till.apply_epoch_answer(&answer(2, both(there), false)).unwrap();
    let third = till.epoch_report().unwrap();
    assert!(third.past.is_empty() && third.last);
    assert!(till.apply_epoch_answer(&answer(2, both(there), true)).unwrap());
}

#[test]
fn a_life_that_does_not_get_on_is_not_told_for_ever() {
    let mut shop = Shop::open_for_business();
    let till = shop.till_mut();
    till.record_sale(sale("1", 100, None), Call::api(), now()).unwrap();
    till.acknowledge(1, MORNING).unwrap();
    till.note_hub_head(40).unwrap();
    let request = till.succession_request([5; 32], "0.2.0").unwrap();
    let store = till.enrolment().store.clone();
    let mut next = SuccessionAnswer {
        terminal: "t1".into(),
        lane: "1".into(),
        store,
        before: request.before,
        settled: Head { position: 40, ..Head::start(incarnation()) },
        incarnation: request.public_key.incarnation(),
        number: 2,
        epoch: 1,
        hub_time_ms: MORNING,
        signature: None,
    };
    next.signature = Some(sign(&shop.hub.root, &next.signed_text()));
    let till = shop.till_mut();
    till.succeed(&next, now()).unwrap();
    till.note_epoch(2).unwrap();
    let stuck = answer(2, known(Head::start(incarnation())), false);
    for _ in 0..4 {
        if till.epoch_report().unwrap().last {
            return;
        }
        till.apply_epoch_answer(&stuck).unwrap();
    }
    panic!("the report never ends");
}

#[test]
fn a_head_office_that_knows_another_journal_is_a_witness() {
    let mut shop = Shop::open_for_business();
    shop.till_mut().record_sale(sale("1", 1000, None), Call::api(), now()).unwrap();
    shop.till_mut().note_epoch(2).unwrap();
    let other = Head { position: 1, ..Head::start(incarnation()) };
    shop.till_mut().apply_epoch_answer(&answer(2, known(other), true)).unwrap();
    assert!(matches!(shop.till().standing(), Standing::Behind { .. }));
}

#[test]
fn a_clock_that_was_once_far_ahead_does_not_hold_a_till_in_the_future() {
    let mut shop = Shop::open_for_business();
    let far = MORNING + 3_650 * DAY;
    let page = shop.hub.page(vec![], 0, far);
    shop.till_mut().apply_page(&page).unwrap();
    let sold = shop.till_mut().record_sale(sale("1", 1000, None), Call::api(), now()).unwrap();
    assert_eq!(sold.answer.business_date.to_string()[..4], *"2036");
    shop.till_mut().close_day(None, Call::api(), now()).unwrap();
    // Head office is set up again with a clock that goes right: its epoch is another one.
    shop.till_mut().note_epoch(2).unwrap();
    shop.till_mut().apply_epoch_answer(&answer(2, known(Head::start(incarnation())), true)).unwrap();
    shop.reopen();
    let sold = shop.till_mut().record_sale(sale("2", 1000, None), Call::api(), now()).unwrap();
    assert_eq!(sold.answer.business_date.to_string(), "2026-11-20");
}

#[test]
fn a_push_acknowledges_what_was_compared_and_tells_what_is_known() {
    let mut shop = Shop::open_for_business();
    shop.till_mut().record_sale(sale("1", 1000, None), Call::api(), now()).unwrap();
    shop.till_mut().record_sale(sale("2", 1000, None), Call::api(), now()).unwrap();
    let taken = PushAnswer { acknowledged: 1, hub_time_ms: MORNING, known: Some(1) };
    shop.till_mut().take_push_answer(&taken).unwrap();
    assert_eq!(shop.till().acknowledged(), 1);
    shop.till_mut().take_push_answer(&PushAnswer { known: Some(9), ..taken }).unwrap();
    assert!(matches!(shop.till().standing(), Standing::Behind { known_position: Some(9), .. }));
    assert_eq!(shop.till().acknowledged(), 1, "nothing of the branch is at head office");
    shop.till_mut().acknowledge(9, MORNING).unwrap();
    assert_eq!(shop.till().acknowledged(), 1);
}
