//! The feed: everybody's directory, one's own members, one's own grants, each change once and none lost.

use std::collections::BTreeSet;

use counterfoil_protocol::wire::v1::feed::{Change, Page};

use super::super::{Hub, ImportRow, StoreDraft};
use super::support::*;

fn kinds(page: &Page) -> Vec<&'static str> {
    page.changes
        .iter()
        .map(|change| match change {
            Change::Identity(_) => "identity",
            Change::State(_) => "state",
            Change::Grant(_) => "grant",
            Change::Program(_) => "program",
            Change::Store(_) => "store",
            Change::Recall(_) => "recall",
            Change::Reverse(_) => "reverse",
            Change::Retire(_) => "retire",
        })
        .collect()
}

#[test]
fn a_new_till_gets_directory_program_and_its_own_store() {
    let mut hub = hub();
    member(&mut hub, 1);
    hub.put_store("south", &StoreDraft::default(), NOON_MS).unwrap();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let page = till.pull(&mut hub);
    let mut seen = kinds(&page);
    seen.sort_unstable();
    assert_eq!(seen, ["identity", "program", "store"]);
    assert!(!page.more);
    let again = till.pull(&mut hub);
    assert!(again.changes.is_empty());
}

#[test]
fn a_members_state_goes_to_the_tills_of_the_store_that_saw_it() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut here = FakeTill::enrolled(&mut hub, 1);
    let mut beside = FakeTill::enrolled(&mut hub, 2);
    hub.put_store("south", &StoreDraft::default(), NOON_MS).unwrap();
    let mut away = FakeTill::new(&hub, 3);
    let code = hub.invite("south", "3", [3; 10], NOON_MS, 1000, false).unwrap();
    away.enrol(&mut hub, &code, NOON_MS).unwrap();
    for till in [&mut here, &mut beside, &mut away] {
        till.pull(&mut hub);
    }
    here.sale(1, Some(ann), 10, here.holder());
    here.push(&mut hub);
    let page = here.pull(&mut hub);
    assert_eq!(kinds(&page), ["state"]);
    assert_eq!(page.includes_position, 1, "the state holds the reader's own record");
    let Change::State(state) = &page.changes[0] else { unreachable!() };
    assert_eq!((state.purses[0].units, state.visits), (10, 1));
    assert_eq!(kinds(&beside.pull(&mut hub)), ["state"]);
    assert!(away.pull(&mut hub).changes.is_empty());
}

#[test]
fn many_changes_come_in_pages_each_once() {
    let mut hub = hub();
    let rows: Vec<ImportRow> =
        (1..=2_500).map(|n| ImportRow { display_name: None, identifiers: vec![card(n)] }).collect();
    for chunk in rows.chunks(500) {
        assert_eq!(hub.import_members(chunk, [4; 32], NOON_MS).unwrap().created, 500);
    }
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let mut seen = BTreeSet::new();
    let mut pages = 0;
    loop {
        let page = till.pull(&mut hub);
        pages += 1;
        for change in &page.changes {
            if let Change::Identity(row) = change {
                assert!(seen.insert(row.identifier), "each row once");
            }
        }
        if !page.more {
            break;
        }
    }
    assert_eq!(seen.len(), 2_500);
    assert_eq!(pages, 3);
}

#[test]
fn pages_end_by_their_size_too() {
    let mut hub = hub();
    let text = "x".repeat(1_000);
    for version in 0..40 {
        let rewards: Vec<String> = (0..200)
            .map(|n| {
                format!(
                    r#"{{ "id": "r{n}", "title": "{version} {text}", "cost": {{ "purse": "points", "amount": 200 }},
                         "benefit": {{ "kind": "discount", "amount": 200 }} }}"#
                )
            })
            .collect();
        let (head, _) = PROGRAM.split_once("\"reward\"").unwrap();
        let program = format!("{head}\"reward\": [ {} ] }}", rewards.join(", "));
        hub.publish_program(&program, 0, NOON_MS).unwrap();
    }
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let (mut versions, mut stores, mut pages) = (Vec::new(), 0, 0);
    loop {
        let page = till.pull(&mut hub);
        pages += 1;
        let size_bytes = minicbor::to_vec(&page).unwrap().len();
        assert!(size_bytes < 4 << 20, "{size_bytes} bytes in one page");
        for change in &page.changes {
            match change {
                Change::Program(program) => versions.push(program.version),
                Change::Store(_) => stores += 1,
                _ => {}
            }
        }
        if !page.more {
            break;
        }
    }
    assert_eq!(versions, (1..=41).collect::<Vec<u64>>(), "each once, in order");
    assert_eq!(stores, 1);
    assert!(pages > 1);
}

#[test]
fn a_cursor_of_another_epoch_begins_again() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.cursor = counterfoil_protocol::wire::v1::feed::Cursor::start(77).to_text();
    assert!(!till.pull(&mut hub).changes.is_empty());
    till.cursor = "nonsense".into();
    let path = "/v1/sync/feed?after=nonsense";
    let refusal = till.ask::<Page>(&mut hub, "GET", path, b"", till.head()).unwrap_err();
    assert_eq!(refusal.kind, counterfoil_protocol::wire::v1::grant::RefusalKind::Malformed);
}

#[test]
fn an_empty_page_may_be_held() {
    let mut hub: Hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    assert!(!till.feed_is_empty(&mut hub));
    till.pull(&mut hub);
    assert!(till.feed_is_empty(&mut hub));
    let version = hub.data_version().unwrap();
    member(&mut hub, 5);
    assert!(!till.feed_is_empty(&mut hub));
    assert_eq!(hub.data_version().unwrap(), version, "own changes are known without asking");
    assert_eq!(kinds(&till.pull(&mut hub)), ["identity"]);
}

#[test]
fn the_newest_program_that_has_taken_effect_is_in_force() {
    let mut hub = hub();
    let dearer = PROGRAM.replace("\"every\": 100", "\"every\": 200");
    let soon = hub.publish_program(&dearer, NOON_MS + 1_000, NOON_MS).unwrap();
    assert_eq!(soon.version, 2);
    assert_eq!(hub.publish_program(&dearer, NOON_MS + 1_000, NOON_MS).unwrap().version, 2, "said twice");
    assert_eq!(hub.current_program(NOON_MS).unwrap().unwrap().version, 1);
    assert_eq!(hub.current_program(NOON_MS + 1_000).unwrap().unwrap().version, 2);
    assert_eq!(hub.publish_program(PROGRAM, 0, NOON_MS).unwrap().version, 3, "back to what was before");
    assert_eq!(hub.current_program(NOON_MS).unwrap().unwrap().version, 3);
    assert_eq!(hub.programs().unwrap().len(), 3);
    assert!(hub.publish_program("{ \"program\": 1 }", 0, NOON_MS).is_err());
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let page = till.pull(&mut hub);
    assert_eq!(kinds(&page), ["program", "program", "program", "store"]);
    let Change::Program(first) = &page.changes[0] else { unreachable!() };
    let text = counterfoil_protocol::wire::v1::feed::PublishedProgram::signed_text(1, 0, &first.json);
    till.root.verify(&text, &first.signature).unwrap();
}
