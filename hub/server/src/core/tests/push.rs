//! Pushing: what is taken, what is refused, what becomes an exception.

use counterfoil_protocol::entry::{Entry, EntryKind};
use counterfoil_protocol::id::{Holder, MemberId};
use counterfoil_protocol::record::{Body, CaptureGap, DocumentRecord, Head, SaleRecord, Source, VoidRecord};
use counterfoil_protocol::wire::http::PUSH_PATH;
use counterfoil_protocol::wire::v1::grant::{PushAnswer, RefusalKind};
use ed25519_dalek::SigningKey;

use super::super::{Hub, SaleFilter};
use super::support::*;

#[test]
fn a_push_is_posted_and_shown() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 12, till.holder());
    till.sale(2, None, 7, till.holder());
    till.redeem(ann, 5);
    assert_eq!(till.push(&mut hub), 3);
    assert_eq!(points(&hub, ann), (7, 0));
    assert_eq!(held(&hub, ann, till.holder()), 7);
    assert_eq!(exception_kinds(&hub), Vec::<String>::new());
    let sales = hub.sales(&SaleFilter::default(), None, 10).unwrap();
    assert_eq!(sales.items.len(), 2);
    assert_eq!(sales.items[0].sale.total, 1200);
    assert_eq!(sales.items[0].accrued[0].amount, 12);
    assert_eq!(hub.member(ann, NOON_MS).unwrap().unwrap().visits, 1);
    let counts = hub.counts().unwrap();
    assert_eq!((counts.records, counts.unposted, counts.sales, counts.entries), (3, 0, 2, 2));
    assert_sound(&hub);
}

#[test]
fn only_the_tills_own_key_is_taken() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, None, 5, till.holder());
    let mut forger = FakeTill::new(&hub, 66);
    forger.sale(1, None, 5, forger.holder());
    let push =
        |hub: &mut Hub, till: &FakeTill, body: &[u8]| till.ask::<PushAnswer>(hub, "POST", PUSH_PATH, body, till.head());
    assert_eq!(refused(push(&mut hub, &forger, &forger.segment(0, 1).to_bytes())), RefusalKind::NotAuthentic);
    assert_eq!(refused(push(&mut hub, &till, &forger.segment(0, 1).to_bytes())), RefusalKind::NotAuthentic);
    let mut changed = till.segment(0, 1);
    changed.records[0] = b"forged".to_vec().into();
    assert_eq!(refused(push(&mut hub, &till, &changed.to_bytes())), RefusalKind::NotAuthentic);
    assert_eq!(refused(push(&mut hub, &till, b"garbage")), RefusalKind::Malformed);
    till.key = SigningKey::from_bytes(&[1; 32]);
    till.epoch = 2;
    assert_eq!(refused(till.push_part(&mut hub, 0, 1)), RefusalKind::Epoch);
    assert_eq!(hub.counts().unwrap().records, 0);
    assert_sound(&hub);
}

#[test]
fn the_negative_control_takes_a_forgery_and_verify_names_it() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, None, 5, till.holder());
    let mut changed = till.segment(0, 1);
    changed.records[0] = b"forged".to_vec().into();
    with_faults(&mut hub, |faults| faults.skip_signature_check = true);
    let taken = till.ask::<PushAnswer>(&mut hub, "POST", PUSH_PATH, &changed.to_bytes(), till.head());
    assert_eq!(taken.unwrap().acknowledged, 1);
    assert!(!hub.verify().unwrap().findings.is_empty());
}

#[test]
fn gaps_forks_and_tills_behind_are_told_apart() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    (1..=4).for_each(|n| _ = till.sale(n, None, 1, Holder::Hub));
    let gap = till.push_part(&mut hub, 2, 4).unwrap_err();
    assert_eq!((gap.kind, gap.known_position), (RefusalKind::Gap, Some(0)));
    assert_eq!(till.push_part(&mut hub, 0, 3).unwrap(), 3);
    let mut restored = FakeTill::new(&hub, 1);
    restored.sale(1, None, 1, Holder::Hub);
    let body = restored.segment(0, 1).to_bytes();
    let answer: PushAnswer = restored.ask(&mut hub, "POST", PUSH_PATH, &body, restored.head()).unwrap();
    assert_eq!(answer.acknowledged, 1, "no more than what was compared");
    assert_eq!(answer.known, Some(3), "the answer says more than the till has: it knows");
    assert_eq!(exception_kinds(&hub), ["hub-restored"], "an older head may be a request that was overtaken");
    (5..=9).for_each(|n| _ = restored.sale(n, None, 1, Holder::Hub));
    let fork = restored.push_part(&mut hub, 0, 6).unwrap_err();
    assert_eq!((fork.kind, fork.known_position), (RefusalKind::Behind, Some(3)), "{}", fork.detail);
    assert_eq!(exception_kinds(&hub), ["till-behind", "hub-restored"]);
    restored.sale(10, None, 1, Holder::Hub);
    restored.push_part(&mut hub, 0, 7).unwrap_err();
    assert_eq!(exception_kinds(&hub), ["till-behind", "hub-restored"], "one finding, however much it sells on");
    assert_eq!(till.push(&mut hub), 4, "the honest till goes on");
    assert_sound(&hub);
}

#[test]
fn a_record_that_cannot_be_read_blocks_nothing() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 3, till.holder());
    till.record_bytes(b"\xff not a record".to_vec());
    let mut newer = record(sale_body(2, None, 1), Vec::new());
    newer.version = 99;
    till.record_bytes(newer.to_bytes());
    till.sale(3, Some(ann), 4, till.holder());
    assert_eq!(till.push(&mut hub), 4);
    assert_eq!(points(&hub, ann), (7, 0));
    assert_eq!(exception_kinds(&hub), ["unreadable-record", "unreadable-record"]);
    assert_sound(&hub);
}

#[test]
fn overspending_becomes_debt_and_later_units_pay_it() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 10, till.holder());
    till.redeem(ann, 25);
    till.push(&mut hub);
    assert_eq!(points(&hub, ann), (0, 15));
    assert_eq!(held(&hub, ann, till.holder()), 0);
    assert_eq!(exception_kinds(&hub), ["rights-exceeded"]);
    assert_sound(&hub);
    till.sale(2, Some(ann), 20, Holder::Hub);
    till.push(&mut hub);
    assert_eq!(points(&hub, ann), (5, 0), "head office pays the debt from what it holds");
    assert_sound(&hub);
}

#[test]
fn what_an_author_may_not_write_is_not_posted() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let other = FakeTill::enrolled(&mut hub, 2);
    let stolen = accrual(ann, 1000, other.holder());
    let gift = Entry { kind: EntryKind::AdjustUp, ..accrual(ann, 500, till.holder()) };
    till.record(sale_body(1, None, 0), vec![stolen, gift]);
    till.push(&mut hub);
    assert_eq!(points(&hub, ann), (0, 0));
    let kinds = exception_kinds(&hub);
    assert_eq!(kinds.iter().filter(|kind| *kind == "entry-refused").count(), 2);
    assert_sound(&hub);
}

#[test]
fn awards_that_the_rules_do_not_give_are_named_and_posted() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let Body::Sale(mut sale) = sale_body(1, Some(ann), 10) else { unreachable!() };
    sale.awards[0].amount = 90;
    sale.awards[0].rules[0].amount = 90;
    till.record(Body::Sale(sale), vec![accrual(ann, 90, till.holder())]);
    till.sale(2, Some(ann), 5, till.holder());
    let honest_awards = sale_body(3, Some(ann), 10);
    till.record(honest_awards, vec![accrual(ann, 11, till.holder())]);
    till.push(&mut hub);
    assert_eq!(points(&hub, ann).0, 106);
    assert_eq!(exception_kinds(&hub), ["program-mismatch", "program-mismatch"]);
    assert_sound(&hub);
}

#[test]
fn what_somebody_must_look_at_is_listed_with_what_to_do() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let Body::Sale(sale) = sale_body(1, None, 3) else { unreachable!() };
    let unknown = Some(counterfoil_protocol::id::IdentifierHash([5; 16]));
    till.record(Body::Sale(Box::new(SaleRecord { unknown_identifier: unknown, ..*sale })), Vec::new());
    till.record(
        Body::CaptureGap(CaptureGap { device: "tap".into(), from: 5, to: 90, reason: "spool full".into() }),
        Vec::new(),
    );
    let document = DocumentRecord {
        class: "other".into(),
        receipt_number: None,
        marks: Vec::new(),
        exception: Some("no template fits".into()),
        text: Vec::new(),
        source: Source::Api,
    };
    till.record(Body::Document(document), Vec::new());
    let void = VoidRecord {
        sale_position: None,
        voided_receipt: "000009".into(),
        receipt_number: None,
        total: 1,
        tax: 0,
        source: Source::Api,
        sale: None,
    };
    till.record(Body::Void(void), Vec::new());
    till.record(sale_body(7, None, 2), vec![accrual(MemberId([3; 16]), 2, till.holder())]);
    till.push(&mut hub);
    let mut kinds = exception_kinds(&hub);
    kinds.sort();
    assert_eq!(
        kinds,
        ["capture-gap", "program-mismatch", "unknown-card", "unknown-document", "unknown-member", "unknown-void"]
    );
    let filter = super::super::ExceptionFilter { kind: Some("capture-gap".into()), ..Default::default() };
    let gap = hub.exceptions(&filter, None, 5).unwrap().items.remove(0);
    assert!(gap.reason.contains("85 bytes"), "{}", gap.reason);
    let done = hub.resolve_exception(&gap.id, "printer replaced", NOON_MS).unwrap();
    assert_eq!(done.state, "resolved");
    assert!(hub.resolve_exception(&gap.id, "again", NOON_MS).is_err());
    assert_sound(&hub);
}

#[test]
fn a_void_takes_back_and_is_shown_at_its_sale() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let sale = till.sale(1, Some(ann), 10, till.holder());
    let void = VoidRecord {
        sale_position: Some(sale),
        voided_receipt: "000001".into(),
        receipt_number: Some("000002".into()),
        total: 1000,
        tax: 0,
        source: Source::Api,
        sale: None,
    };
    let back = Entry { kind: EntryKind::ReverseAccrual, to: None, ..accrual(ann, 10, Holder::Hub) };
    till.record(Body::Void(void), vec![back]);
    till.push(&mut hub);
    let view = hub.sales(&SaleFilter::default(), None, 5).unwrap().items.remove(0);
    assert_eq!(view.voided_by, Some(format!("{}-2", till.incarnation())));
    assert_eq!(points(&hub, ann), (0, 0));
    let entries = hub.member_entries(ann, None, 5).unwrap().items;
    let sales: Vec<_> = entries.iter().map(|entry| entry.sale_id.as_deref()).collect();
    assert_eq!(sales, [Some(view.sale_id.as_str()); 2], "the void's entry belongs to the sale it voids");
    assert_eq!(hub.member(ann, NOON_MS).unwrap().unwrap().visits, 0);
    assert_sound(&hub);
}

#[test]
fn a_void_of_a_training_sale_takes_no_visit_off() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 10, till.holder());
    let Body::Sale(mut training) = sale_body(2, Some(ann), 10) else { unreachable!() };
    training.sale.training = true;
    let training = till.record(Body::Sale(training), Vec::new());
    let void = VoidRecord {
        sale_position: Some(training),
        voided_receipt: "000002".into(),
        receipt_number: None,
        total: 0,
        tax: 0,
        source: Source::Api,
        sale: None,
    };
    till.record(Body::Void(void), Vec::new());
    till.push(&mut hub);
    assert_eq!(hub.member(ann, NOON_MS).unwrap().unwrap().visits, 1);
}

#[test]
fn a_restored_tills_receipts_are_not_posted_twice() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut old = FakeTill::enrolled(&mut hub, 1);
    old.sale(1, Some(ann), 10, old.holder());
    old.sale(2, Some(ann), 10, old.holder());
    old.push(&mut hub);
    let code = hub.invite("north", "1", [8; 10], NOON_MS, 1000, false).unwrap();
    let mut new = FakeTill::new(&hub, 8);
    new.enrol(&mut hub, &code, NOON_MS).unwrap();
    new.sale(1, Some(ann), 10, new.holder());
    new.sale(2, Some(ann), 11, new.holder());
    new.sale(3, Some(ann), 10, new.holder());
    new.push(&mut hub);
    assert_eq!(points(&hub, ann).0, 41);
    assert_eq!(exception_kinds(&hub), ["probable-reprint", "receipt-conflict"]);
    assert_sound(&hub);
}

#[test]
fn a_crash_between_append_and_posting_is_made_good() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    let mut hub = hub_at(&path);
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 10, till.holder());
    till.redeem(ann, 4);
    till.push(&mut hub);
    // As if the process had died after the append: the same bytes, nothing posted.
    let reset = "UPDATE incarnation SET posted_position = 0; DELETE FROM entry; DELETE FROM holding; \
                 DELETE FROM account_total; DELETE FROM sale; DELETE FROM debt;";
    hub.connection().execute_batch(reset).unwrap();
    drop(hub);
    let mut hub = Hub::open(rusqlite::Connection::open(&path).unwrap(), [9; 32]).unwrap();
    assert_eq!(hub.counts().unwrap().unposted, 2);
    assert_eq!(hub.post_pending(NOON_MS).unwrap(), 2);
    assert_eq!(hub.post_pending(NOON_MS).unwrap(), 0);
    assert_eq!(points(&hub, ann).0, 6);
    assert_sound(&hub);
    // The position alone was lost: entries are known by their ids.
    hub.connection().execute("UPDATE incarnation SET posted_position = 0", []).unwrap();
    hub.post_pending(NOON_MS).unwrap();
    assert_eq!(points(&hub, ann).0, 6);
    assert_sound(&hub);
}

#[test]
fn the_head_a_till_announces_may_be_ahead() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    (1..=5).for_each(|n| _ = till.sale(n, None, 1, Holder::Hub));
    till.pull(&mut hub);
    let terminal = hub.terminals().unwrap().remove(0);
    assert_eq!((terminal.announced, terminal.acknowledged, terminal.backlog), (5, 0, 5));
    let lied = Head { position: 0, ..till.head() };
    let behind = till.ask::<counterfoil_protocol::wire::v1::feed::Page>(&mut hub, "GET", "/v1/sync/feed", b"", lied);
    assert_eq!(refused(behind), RefusalKind::Behind, "another chain at a position that is here");
}

#[test]
fn sales_are_listed_by_what_is_asked_for_and_by_cursor() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut tills = [FakeTill::enrolled(&mut hub, 1), FakeTill::enrolled(&mut hub, 2)];
    for (index, till) in tills.iter_mut().enumerate() {
        for receipt in 1..=4 {
            let buyer = (receipt % 2 == 0).then_some(ann);
            till.sale(receipt + 10 * index as u32, buyer, 3, till.holder());
        }
        till.push(&mut hub);
    }
    let count = |filter: SaleFilter| {
        let (mut after, mut ids) = (None::<String>, std::collections::BTreeSet::new());
        loop {
            let part = hub.sales(&filter, after.as_deref(), 3).unwrap();
            assert!(part.items.iter().all(|sale| ids.insert(sale.sale_id.clone())), "no sale twice");
            let Some(next) = part.next else { return ids.len() };
            after = Some(next);
        }
    };
    assert_eq!(count(SaleFilter::default()), 8);
    assert_eq!(count(SaleFilter { terminal: Some("north-2".into()), ..SaleFilter::default() }), 4);
    assert_eq!(count(SaleFilter { member: Some(ann), ..SaleFilter::default() }), 4);
    let store =
        |store: &str| SaleFilter { store: Some(store.into()), business_date: Some(date()), ..SaleFilter::default() };
    assert_eq!(count(store("north")), 8);
    assert_eq!(count(store("south")), 0);
    let event = counterfoil_protocol::id::EventId { incarnation: tills[0].incarnation(), position: 2 };
    assert_eq!(hub.sale(event).unwrap().sale.receipt_number, "000002");
    assert!(hub.sales(&SaleFilter::default(), Some("x"), 3).is_err());
}

#[test]
fn rules_that_this_hub_cannot_read_delay_no_posting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    let mut hub = hub_at(&path);
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let newer = "INSERT INTO program SELECT 2, name, ?1, published_ms, '{}', signature FROM program";
    rusqlite::Connection::open(&path).unwrap().execute(newer, [NOON_MS + 1]).unwrap();
    till.sale(1, Some(ann), 10, till.holder());
    till.push(&mut hub);
    assert_eq!(hub.terminals().unwrap()[0].posted, 1);
    assert_eq!(held(&hub, ann, till.holder()), 10);
    assert_eq!(exception_kinds(&hub), ["program-mismatch"]);
}

#[test]
fn a_journal_that_cannot_be_posted_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    let mut hub = hub_at(&path);
    let (ann, bob) = (member(&mut hub, 1), member(&mut hub, 2));
    hub.adjust(ann, "points", 5, "welcome", None, NOON_MS).unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE holding SET lot = 'damaged'", []).unwrap();
    let mut first = FakeTill::enrolled(&mut hub, 1);
    let sale = sale_body(1, Some(ann), 0);
    let debt = Some(counterfoil_protocol::entry::DebtKind::Clawback);
    let owed = Entry { kind: EntryKind::ReverseAccrual, to: None, debt, ..accrual(ann, 3, Holder::Hub) };
    first.record(sale, vec![owed]);
    first.push(&mut hub);
    let mut second = FakeTill::enrolled(&mut hub, 2);
    second.sale(1, Some(bob), 7, second.holder());
    second.push(&mut hub);
    raw.execute("UPDATE incarnation SET posted_position = 0", []).unwrap();
    assert!(hub.post_pending(NOON_MS).is_err(), "the first one's books are damaged");
    let posted: Vec<u64> = hub.terminals().unwrap().iter().map(|terminal| terminal.posted).collect();
    assert_eq!(posted, [0, 1]);
    assert_eq!(held(&hub, bob, second.holder()), 7);
}
