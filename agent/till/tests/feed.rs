//! What head office tells: idempotent, signed, in two databases; and what the till asks and sends.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;
use kit::*;

use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::IdentifierHash;
use counterfoil_protocol::record::Head;
use counterfoil_protocol::wire::sign::{PublicKey, answer_text, sign};
use counterfoil_protocol::wire::v1::feed::{Change, Cursor, MemberStatus};
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, Subject, Want};
use counterfoil_till::{Call, FeedError, Now, Settings};

fn answer(shop: &Shop, points: i64, grants: Vec<counterfoil_protocol::wire::v1::feed::HubEntry>) -> GrantAnswer {
    GrantAnswer {
        request_id: "q".into(),
        identity: None,
        state: Some(state(CARD, points, 0, 3, MORNING)),
        includes_position: shop.till().head().position,
        grants,
        hub_time_ms: MORNING,
    }
}

#[test]
fn a_page_counts_once_and_survives_a_restart() {
    let mut shop = Shop::open_for_business();
    let grant = shop.hub.grant(incarnation(), member_of(CARD), "points", Lot::default(), 50);
    let changes = vec![Change::State(state(CARD, 80, 0, 3, MORNING)), Change::Grant(grant)];
    let page = shop.hub.page(changes, 0, MORNING);
    let report = shop.till_mut().apply_page(&page).unwrap();
    assert_eq!((report.states, report.grants), (1, 1));
    let cursor = shop.till().cursor();
    assert_eq!(cursor, page.cursor);
    for _ in 0..2 {
        let report = shop.till_mut().apply_page(&page).unwrap();
        assert_eq!((report.states, report.grants), (0, 0));
        shop.reopen();
    }
    assert_eq!(shop.till().cursor(), cursor);
    assert_eq!(shop.purse(CARD, "points", now()), (80, 50, 0));
    let view = shop.till().look_up(&by_card(CARD), now()).unwrap().unwrap();
    assert_eq!(view.display_name.as_deref(), Some("Ann"));
    assert_eq!(view.purses[1].as_of.as_deref(), Some("2026-11-20T10:10:00Z"));
    shop.assert_sound();
}

#[test]
fn a_grant_counts_once_whichever_way_it_comes() {
    let mut shop = Shop::open_for_business();
    let grant = shop.hub.grant(incarnation(), member_of(CARD), "points", Lot::default(), 50);
    let first = answer(&shop, 80, vec![grant.clone()]);
    assert_eq!(shop.till_mut().apply_grants(&first).unwrap().grants, 1);
    assert_eq!(shop.till_mut().apply_grants(&first).unwrap().grants, 0);
    let page = shop.hub.page(vec![Change::Grant(grant)], 0, 0);
    assert_eq!(shop.till_mut().apply_page(&page).unwrap().grants, 0);
    assert_eq!(shop.purse(CARD, "points", now()), (80, 50, 0));
    let request = shop.till().grant_request("q2", Subject::Member(member_of(CARD)), Want::LookUp, now()).unwrap();
    assert_eq!(request.holdings.len(), 1);
    assert_eq!((request.holdings[0].held, request.holdings[0].received), (50, 50));
    assert_eq!(request.cursor, page.cursor);
    shop.till_mut().redeem(spend(CARD, 50), Call::api(), now()).unwrap();
    let request = shop.till().grant_request("q3", Subject::Member(member_of(CARD)), Want::LookUp, now()).unwrap();
    assert_eq!((request.holdings[0].held, request.holdings[0].received), (0, 50));
    shop.assert_sound();
}

#[test]
fn balance_is_the_state_and_what_happened_here_since() {
    let mut shop = Shop::open_for_business();
    shop.till_mut().record_sale(sale("1", 1000, Some(CARD)), Call::api(), now()).unwrap();
    shop.till_mut().record_sale(sale("2", 2000, Some(CARD)), Call::api(), now()).unwrap();
    assert_eq!(shop.purse(CARD, "points", now()).0, 130);
    // Head office has seen the first sale only.
    let page = shop.hub.page(vec![Change::State(state(CARD, 1110, 0, 8, MORNING))], 1, 0);
    shop.till_mut().apply_page(&page).unwrap();
    assert_eq!(shop.purse(CARD, "points", now()), (1130, 30, 0));
    // An older state that arrives late changes nothing.
    let late = shop.hub.page(vec![Change::State(state(CARD, 7, 0, 0, MORNING - DAY))], 0, 0);
    assert_eq!(shop.till_mut().apply_page(&late).unwrap().states, 0);
    assert_eq!(shop.purse(CARD, "points", now()), (1130, 30, 0));
    let sold = shop.till_mut().record_sale(sale("3", 100, Some(CARD)), Call::api(), now()).unwrap();
    assert_eq!(sold.answer.accrued.len(), 2, "the ninth visit, not the first");
    shop.assert_sound();
}

#[test]
fn nothing_of_a_page_with_a_bad_signature_is_taken() {
    let mut shop = Shop::open_for_business();
    let cursor = shop.till().cursor();
    let good = shop.hub.grant(incarnation(), member_of(CARD), "points", Lot::default(), 50);
    let mut changed = good.clone();
    changed.entry.units = 5_000;
    let mut program = shop.hub.program(2, MORNING, PROGRAM);
    let Change::Program(published) = &mut program else { panic!() };
    published.effective_ms += 1;
    for bad in [Change::Grant(changed.clone()), program] {
        let page = shop.hub.page(vec![Change::Identity(identity("1", MemberStatus::Active)), bad], 0, 0);
        assert!(matches!(shop.till_mut().apply_page(&page), Err(FeedError::Signature(_))));
    }
    let refused = shop.till_mut().apply_grants(&answer(&Shop::open_for_business(), 1, vec![good.clone(), changed]));
    assert!(matches!(refused, Err(FeedError::Signature("grant"))));
    assert_eq!(shop.till().cursor(), cursor);
    assert_eq!(shop.till().look_up(&by_card("1"), now()).unwrap(), None);
    assert_eq!(shop.purse(CARD, "points", now()), (0, 0, 0));
    // Signed, but for somebody else.
    let mut other = good;
    other.entry.to = Some(counterfoil_protocol::id::Holder::Terminal(counterfoil_protocol::id::IncarnationId([1; 16])));
    let text = counterfoil_protocol::wire::v1::feed::HubEntry::signed_text(other.id, &other.entry);
    other.signature = sign(&shop.hub.root, &text);
    let page = shop.hub.page(vec![Change::Grant(other)], 0, 0);
    assert!(matches!(shop.till_mut().apply_page(&page), Err(FeedError::NotForThisTill(_))));
}

#[test]
fn the_pull_starts_where_both_databases_are() {
    let mut shop = Shop::open_for_business();
    shop.close();
    let before = std::fs::read(shop.path("directory.db")).unwrap();
    shop.reopen();
    let old = shop.till().cursor();
    let page = shop.hub.page(vec![Change::Identity(identity("4711", MemberStatus::Active))], 0, 0);
    shop.till_mut().apply_page(&page).unwrap();
    assert!(shop.till().look_up(&by_card("4711"), now()).unwrap().is_some());
    // The directory loses its last commit; the value database does not.
    shop.close();
    std::fs::write(shop.path("directory.db"), before).unwrap();
    shop.reopen();
    assert_eq!(shop.till().cursor(), old);
    shop.till_mut().apply_page(&page).unwrap();
    assert!(shop.till().look_up(&by_card("4711"), now()).unwrap().is_some());
    assert_eq!(shop.till().cursor(), page.cursor);
    // A directory that is gone is read again from the beginning.
    shop.close();
    std::fs::remove_file(shop.path("directory.db")).unwrap();
    shop.reopen();
    assert_eq!(shop.till().cursor(), "");
}

#[test]
fn a_program_this_till_cannot_read_leaves_the_one_before_in_force() {
    let mut shop = Shop::open_for_business();
    let json = r#"{"program":"x","currency":"GBP","time_zone":"Europe/London","purse":{"points":{"kind":"teleport"}}}"#;
    let text = counterfoil_protocol::wire::v1::feed::PublishedProgram::signed_text(2, MORNING - HOUR, json);
    let signature = sign(&shop.hub.root, &text);
    let program = counterfoil_protocol::wire::v1::feed::PublishedProgram {
        version: 2,
        effective_ms: MORNING - HOUR,
        json: json.into(),
        signature,
    };
    let page = shop.hub.page(vec![Change::Program(program)], 0, 0);
    assert_eq!(shop.till_mut().apply_page(&page).unwrap().notes.len(), 1);
    let status = shop.till().status(now()).unwrap().program.unwrap();
    assert_eq!((status.version, status.unreadable.len()), (1, 1));
    // A later one takes effect at its time.
    let next = shop.hub.program(3, MORNING + HOUR, &PROGRAM.replace("corner-club", "next"));
    let page = shop.hub.page(vec![next], 0, 0);
    shop.till_mut().apply_page(&page).unwrap();
    shop.reopen();
    let version = |hours| shop.till().status(Now::at(MORNING + hours * HOUR)).unwrap().program.unwrap().version;
    assert_eq!((version(0), version(1)), (1, 3));
}

#[test]
fn store_settings_change_what_comes_next() {
    let mut shop = Shop::open_for_business();
    shop.till_mut().record_sale(sale("1", 100, None), Call::api(), now()).unwrap();
    let mut settings = enrolment().store;
    settings.day_ends = "11:00".into();
    let mut broken = settings.clone();
    broken.time_zone = "Mars/Base".into();
    let page = shop.hub.page(vec![Change::Store(settings.clone()), Change::Store(broken)], 0, 0);
    assert_eq!(shop.till_mut().apply_page(&page).unwrap().notes.len(), 1);
    shop.reopen();
    assert_eq!(shop.till().enrolment().store, settings);
    // The open day keeps the date it opened with; its end has not come by the new calendar.
    assert_eq!(shop.till().status(now()).unwrap().day.unwrap().business_date.to_string(), "2026-11-20");
    assert!(!shop.till().day_end_due(now()));
}

#[test]
fn another_epoch_is_noted_first() {
    let mut shop = Shop::open_for_business();
    shop.grant(member_of(CARD), "points", Lot::default(), 50);
    let mut page = shop.hub.page(vec![], 0, 0);
    page.epoch = 2;
    page.cursor = Cursor::start(2).to_text();
    assert!(matches!(shop.till_mut().apply_page(&page), Err(FeedError::Epoch { got: 2, known: 1 })));
    shop.till_mut().note_epoch(2).unwrap();
    assert_eq!((shop.till().cursor().as_str(), shop.till().epoch()), ("", 2));
    shop.till_mut().apply_page(&page).unwrap();
    assert_eq!(shop.till().cursor(), page.cursor);
    shop.till_mut().redeem(spend(CARD, 50), Call::api(), now()).unwrap();
    shop.reopen();
    assert_eq!(shop.till().epoch(), 2);
}

#[test]
fn segments_are_what_the_journal_committed() {
    let mut shop = Shop::open_for_business();
    for number in 1..=5 {
        shop.till_mut().record_sale(sale(&number.to_string(), 100, None), Call::api(), now()).unwrap();
    }
    let till = shop.till_mut();
    let key = PublicKey::of(&ed25519_dalek::SigningKey::from_bytes(&[9; 32]));
    let segment = till.segment_after(2).unwrap().unwrap();
    assert_eq!((segment.first, segment.records.len()), (3, 3));
    let records = segment.verify(&key).unwrap();
    let last = records.last().unwrap();
    assert_eq!(Head { position: last.position, chain: last.chain }, till.head());
    assert_eq!(till.segment_after(5).unwrap(), None);
    till.acknowledge(4, MORNING).unwrap();
    till.acknowledge(3, MORNING).unwrap();
    assert_eq!(till.acknowledged(), 4, "never back");
    till.acknowledge(5, MORNING).unwrap();
    till.acknowledge(4_000, MORNING).unwrap();
    assert_eq!(till.acknowledged(), 5, "what is not here says nothing of what is");
    till.record_sale(sale("6", 100, None), Call::api(), now()).unwrap();
    shop.reopen();
    assert_eq!(shop.till().acknowledged(), 5, "taken along by the next commit");
    assert_eq!(shop.till().status(now()).unwrap().journal.pending, 1);
}

#[test]
fn a_journal_bigger_than_a_segment_is_sent_in_parts() {
    let mut shop = Shop::open_for_business();
    for number in 1..=3 {
        let mut big = sale(&number.to_string(), 0, None);
        big.tenders.clear();
        let line = counterfoil_protocol::sale::Line { description: Some("x".repeat(500)), ..Default::default() };
        big.lines = vec![line; 1_000];
        shop.till_mut().record_sale(big, Call::api(), now()).unwrap();
    }
    let segment = shop.till().segment_after(0).unwrap().unwrap();
    assert!(segment.records.len() < 3);
    assert!(shop.till().segment_after(segment.records.len() as u64).unwrap().is_some());
}

#[test]
fn requests_are_signed_and_answers_checked() {
    let shop = Shop::open_for_business();
    let headers = shop.till().sign_request("POST", "/v1/sync/push", b"x");
    let text = shop.till().request_text("POST", "/v1/sync/push", b"x", &headers);
    PublicKey::of(&ed25519_dalek::SigningKey::from_bytes(&[9; 32])).verify(&text, &headers.signature).unwrap();
    let signature = sign(&shop.hub.root, &answer_text(&text, 200, b"y"));
    shop.till().verify_answer(&text, 200, b"y", &signature).unwrap();
    assert!(shop.till().verify_answer(&text, 409, b"y", &signature).is_err());
    assert!(shop.till().verify_answer(b"other", 200, b"y", &signature).is_err());
}

#[test]
fn head_office_s_clock_raises_the_till_s() {
    let mut shop = Shop::open_for_business();
    shop.till_mut().acknowledge(0, MORNING).unwrap();
    let slow = Now::at(MORNING - 40 * DAY);
    let reply = shop.till_mut().record_sale(sale_at("1", 100, None, slow.wall_ms), Call::api(), slow).unwrap();
    assert_eq!(reply.answer.business_date.to_string(), "2026-11-20");
    assert_eq!(reply.answer.marks, ["clock-suspect"]);
    assert!(shop.till().records_after(0, 1).unwrap()[0].2.clock_suspect);
}

#[test]
fn tokens_are_found_by_their_hash() {
    let mut shop = Shop::brand_new(Settings::default());
    let hash = |byte: u8| counterfoil_protocol::id::Digest([byte; 32]);
    let till = shop.till_mut();
    till.add_token("pos", &["sales".to_owned()], hash(1), now()).unwrap();
    assert!(till.add_token("pos", &[], hash(2), now()).is_err());
    assert!(till.add_token(" ", &[], hash(2), now()).is_err());
    shop.reopen();
    let till = shop.till_mut();
    assert_eq!(till.check_token(hash(1)).unwrap().unwrap().scopes, ["sales"]);
    assert_eq!(till.check_token(hash(2)).unwrap(), None);
    assert!(till.revoke_token("pos").unwrap() && !till.revoke_token("pos").unwrap());
    assert_eq!(till.list_tokens().unwrap(), []);
}

#[test]
fn an_identifier_nobody_knows_can_be_asked_for() {
    let mut shop = Shop::open_for_business();
    let Subject::Identifier(hash) = shop.till().subject(&by_card("4711")).unwrap() else { panic!() };
    assert_ne!(hash, IdentifierHash([0; 16]));
    let mut found = answer(&shop, 30, vec![]);
    found.identity = Some(identity("4711", MemberStatus::Active));
    found.state.as_mut().unwrap().member = member_of("4711");
    shop.till_mut().apply_grants(&found).unwrap();
    assert_eq!(shop.till().subject(&by_card("4711")).unwrap(), Subject::Member(member_of("4711")));
    assert_eq!(shop.purse("4711", "points", now()), (30, 0, 0));
}
