//! Members, their identifiers and their profiles; adjustments; keys.

use counterfoil_protocol::id::Digest;
use counterfoil_protocol::record::Idempotency;

use super::super::{EntryFilter, HubError, ImportRow, MemberDraft, MemberPatch};
use super::support::*;

fn key(text: &str, request: &[u8]) -> Idempotency {
    Idempotency { key: text.into(), request: Digest::of(&[request]) }
}

#[test]
fn a_member_is_made_once_and_found_by_every_identifier() {
    let mut hub = hub();
    let draft = MemberDraft {
        display_name: Some("Ann Ōtani".into()),
        identifiers: vec!["9826 0000 0001 7".into(), "Ann@example.org".into()],
        since: Some("2025-01-31".into()),
        tags: vec!["vegan".into()],
    };
    let once = key("k1", b"a");
    let made = hub.create_member(&draft, Some(&once), [1; 32], NOON_MS).unwrap();
    assert!(made.fresh);
    let again = hub.create_member(&draft, Some(&once), [2; 32], NOON_MS).unwrap();
    assert_eq!((again.answer, again.fresh), (made.answer.clone(), false));
    let other = hub.create_member(&draft, Some(&key("k1", b"b")), [2; 32], NOON_MS);
    assert!(matches!(other, Err(HubError::IdempotencyMismatch { .. })));
    assert!(matches!(hub.create_member(&draft, None, [2; 32], NOON_MS), Err(HubError::Conflict { .. })));
    for text in ["9826000000017", "ann@EXAMPLE.org"] {
        assert_eq!(hub.find_member(text, NOON_MS).unwrap().unwrap(), made.answer, "{text}");
    }
    assert_eq!(made.answer.identifiers, ["9826 0000 0001 7", "Ann@example.org"]);
    assert_eq!(made.answer.since.as_deref(), Some("2025-01-31"));
    assert!(hub.find_member("nobody", NOON_MS).unwrap().is_none());
}

#[test]
fn nothing_in_the_database_names_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    let mut hub = hub_at(&path);
    let draft = MemberDraft {
        display_name: Some("Philippa Quint".into()),
        identifiers: vec!["quint@example.org".into()],
        ..MemberDraft::default()
    };
    hub.create_member(&draft, None, [1; 32], NOON_MS).unwrap();
    drop(hub);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("Quint") && !text.contains("quint@"));
    }
}

#[test]
fn a_member_without_its_key_is_nobody_and_its_value_stays() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 5, "gift", None, NOON_MS).unwrap();
    hub.connection().execute("DELETE FROM profile_key", []).unwrap();
    let view = hub.member(ann, NOON_MS).unwrap().unwrap();
    assert_eq!((view.display_name, view.identifiers.len()), (None, 0));
    assert_eq!(points(&hub, ann), (5, 0));
}

#[test]
fn an_import_names_the_rows_it_does_not_take_and_may_be_repeated() {
    let mut hub = hub();
    let row = |name: &str, identifiers: &[&str]| ImportRow {
        display_name: Some(name.into()),
        identifiers: identifiers.iter().map(|text| (*text).to_owned()).collect(),
    };
    let rows = [row("A", &["1001"]), row("B", &[]), row("C", &["1002", "c@x.org"]), row("D", &["1001", "1002"])];
    let outcome = hub.import_members(&rows, [3; 32], NOON_MS).unwrap();
    assert_eq!((outcome.created, outcome.updated), (2, 0));
    let rejected: Vec<usize> = outcome.rejects.iter().map(|reject| reject.row).collect();
    assert_eq!(rejected, [1, 3]);
    let again = hub.import_members(&[row("A2", &["1001", "a@x.org"])], [5; 32], NOON_MS).unwrap();
    assert_eq!((again.created, again.updated), (0, 1));
    let view = hub.find_member("a@x.org", NOON_MS).unwrap().unwrap();
    assert_eq!((view.display_name.as_deref(), view.identifiers.len()), (Some("A2"), 2));
    let all = hub.members(None, 1, NOON_MS).unwrap();
    let rest = hub.members(all.next.as_deref(), 1, NOON_MS).unwrap();
    assert_eq!((all.items.len(), rest.items.len(), rest.next), (1, 1, None));
}

#[test]
fn an_adjustment_takes_what_is_held_and_owes_the_rest() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let once = key("adj", b"x");
    let given = hub.adjust(ann, "points", 100, "sorry", Some(&once), NOON_MS).unwrap();
    assert!(given.fresh);
    assert!(!hub.adjust(ann, "points", 100, "sorry", Some(&once), NOON_MS).unwrap().fresh);
    assert_eq!(points(&hub, ann), (100, 0));
    let taken = hub.adjust(ann, "points", -130, "mistake", None, NOON_MS).unwrap().answer;
    assert_eq!((taken.debt, taken.entries.len()), (30, 2));
    assert_eq!(points(&hub, ann), (0, 30));
    hub.adjust(ann, "points", 50, "peace", None, NOON_MS).unwrap();
    assert_eq!(points(&hub, ann), (20, 0));
    assert_sound(&hub);
    for (purse, amount, reason) in [("points", 0, "x"), ("gold", 1, "x"), ("points", 1, " "), ("points", i64::MIN, "x")]
    {
        assert!(matches!(hub.adjust(ann, purse, amount, reason, None, NOON_MS), Err(HubError::Invalid { .. })));
    }
}

#[test]
fn entries_are_listed_by_cursor_without_loss() {
    let mut hub = hub();
    let members: Vec<_> = (1..=9).map(|n| member(&mut hub, n)).collect();
    for (index, id) in members.iter().enumerate() {
        hub.adjust(*id, "points", 10 + index as i64, "gift", None, NOON_MS).unwrap();
    }
    let (mut after, mut amounts) = (None::<String>, Vec::new());
    loop {
        let part = hub.ledger_entries(&EntryFilter::default(), after.as_deref(), 2).unwrap();
        amounts.extend(part.items.iter().map(|entry| entry.amount));
        let Some(next) = part.next else { break };
        after = Some(next);
    }
    amounts.sort_unstable();
    assert_eq!(amounts, (10..19).collect::<Vec<_>>());
    let own = hub.member_entries(members[0], None, 10).unwrap().items;
    assert_eq!((own.len(), own[0].debit.as_str(), own[0].credit.as_str()), (1, "adjusted", "liability:hub"));
    let patch = MemberPatch { add_identifiers: vec![card(2)], ..MemberPatch::default() };
    assert!(matches!(hub.update_member(members[0], &patch, None, NOON_MS), Err(HubError::Conflict { .. })));
}

#[test]
fn a_key_is_known_by_its_hash_until_it_is_taken_back() {
    let mut hub = hub();
    let scopes = ["members:read".to_owned()];
    let key = hub.add_api_key("crm", &scopes, [1; 32], NOON_MS).unwrap();
    assert_eq!(hub.check_api_key([1; 32]).unwrap(), Some(key.clone()));
    assert_eq!(hub.check_api_key([2; 32]).unwrap(), None);
    assert!(matches!(hub.add_api_key("crm", &scopes, [1; 32], NOON_MS), Err(HubError::Conflict { .. })));
    assert!(matches!(hub.add_api_key("x", &["all".into()], [3; 32], NOON_MS), Err(HubError::Invalid { .. })));
    hub.revoke_api_key(&key.id, NOON_MS).unwrap();
    assert_eq!(hub.check_api_key([1; 32]).unwrap(), None);
    assert_eq!(hub.api_keys().unwrap().len(), 1);
}
