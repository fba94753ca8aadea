//! Enrolment: one code, one till.

use counterfoil_protocol::wire::v1::grant::RefusalKind;

use super::super::{Hub, HubError, StoreDraft};
use super::support::{FakeTill, NOON_MS, hub, hub_at, refused};

const HOUR_MS: i64 = 3_600_000;

#[test]
fn a_code_takes_in_one_till_and_answers_it_again() {
    let mut hub = hub();
    let code = hub.invite("north", "1", [1; 10], NOON_MS, HOUR_MS, false).unwrap();
    assert_eq!(code.root_fingerprint, hub.root_key().fingerprint());
    let till = FakeTill::new(&hub, 1);
    let first = till.enrol(&mut hub, &code, NOON_MS).unwrap();
    assert_eq!(first.terminal, "north-1");
    assert_eq!(first.store.time_zone, "Europe/London", "a plain store follows the program");
    let again = till.enrol(&mut hub, &code, NOON_MS + 100 * HOUR_MS).unwrap();
    assert_eq!(again, first, "a lost answer costs nothing");
    let other = FakeTill::new(&hub, 2);
    assert_eq!(refused(other.enrol(&mut hub, &code, NOON_MS)), RefusalKind::NotAuthentic);
    assert_eq!(hub.terminals().unwrap().len(), 1);
}

#[test]
fn old_unknown_and_repeated_codes_are_refused() {
    let mut hub = hub();
    let mut code = hub.invite("north", "1", [1; 10], NOON_MS, HOUR_MS, false).unwrap();
    let till = FakeTill::new(&hub, 1);
    let late = till.enrol(&mut hub, &code, NOON_MS + HOUR_MS + 1).unwrap_err();
    assert!(late.detail.contains("too old"), "{}", late.detail);
    code.secret = [2; 10];
    assert_eq!(refused(till.enrol(&mut hub, &code, NOON_MS)), RefusalKind::NotAuthentic);
    let repeated = hub.invite("north", "2", [1; 10], NOON_MS, HOUR_MS, false);
    assert!(matches!(repeated, Err(HubError::Conflict { .. })));
}

#[test]
fn a_lane_retired_after_its_code_was_made_takes_nobody_in() {
    let mut hub = hub();
    let code = hub.invite("north", "1", [1; 10], NOON_MS, HOUR_MS, false).unwrap();
    hub.retire("north-1", true, "broken", NOON_MS).unwrap();
    let refusal = FakeTill::new(&hub, 1).enrol(&mut hub, &code, NOON_MS).unwrap_err();
    assert!(refusal.detail.contains("retired"), "{}", refusal.detail);
}

#[test]
fn an_invitation_names_a_store_that_exists_or_makes_it() {
    let mut hub = hub();
    let missing = hub.invite("south", "1", [1; 10], NOON_MS, HOUR_MS, false);
    assert!(matches!(missing, Err(HubError::NotFound { what: "store", .. })));
    hub.invite("south", "1", [1; 10], NOON_MS, HOUR_MS, true).unwrap();
    assert_eq!(hub.store("south").unwrap().currency, "GBP");
    let bad = hub.invite("north", "a b", [3; 10], NOON_MS, HOUR_MS, true);
    assert!(matches!(bad, Err(HubError::Invalid { .. })));
    hub.put_store("south-1", &StoreDraft::default(), NOON_MS).unwrap();
    let clash = hub.invite("south-1", "x", [4; 10], NOON_MS, HOUR_MS, true);
    assert!(clash.is_ok());
    let clash = hub.invite("south", "1-x", [5; 10], NOON_MS, HOUR_MS, true);
    assert!(matches!(clash, Err(HubError::Conflict { .. })), "two lanes, one id");
}

#[test]
fn a_lane_enrolled_again_ends_the_life_before_but_takes_its_records() {
    let mut hub = hub();
    let mut old = FakeTill::enrolled(&mut hub, 1);
    old.sale(1, None, 5, old.holder());
    let code = hub.invite("north", "1", [8; 10], NOON_MS, HOUR_MS, false).unwrap();
    let new = FakeTill::new(&hub, 8);
    new.enrol(&mut hub, &code, NOON_MS).unwrap();
    assert_eq!(old.push(&mut hub), 1);
    let feed = old.ask::<counterfoil_protocol::wire::v1::feed::Page>(&mut hub, "GET", "/v1/sync/feed", b"", old.head());
    assert_eq!(refused(feed), RefusalKind::Retired);
}

#[test]
fn a_database_is_opened_only_by_its_own_root_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    let conn = || rusqlite::Connection::open(&path).unwrap();
    assert!(matches!(Hub::open(conn(), [9; 32]), Err(HubError::NotFound { .. })));
    drop(hub_at(&path));
    assert!(Hub::open(conn(), [9; 32]).is_ok());
    assert!(matches!(Hub::open(conn(), [8; 32]), Err(HubError::Database { .. })));
    let again = Hub::create(conn(), [9; 32], super::support::PROGRAM_KEY, 1, String::new());
    assert!(matches!(again, Err(HubError::Conflict { .. })));
    conn().execute("UPDATE migration SET checksum = zeroblob(32)", []).unwrap();
    assert!(matches!(Hub::open(conn(), [9; 32]), Err(HubError::Database { .. })));
}
