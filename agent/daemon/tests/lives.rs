//! A till or a head office that was put back from an older copy: the line puts it right by itself, and says so.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use counterfoil_agent::hub_link::state::Lane;
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::fake_hub::{FakeHub, Mode};
use support::{CARD, Served, answer};

fn sale(receipt_number: &str) -> Value {
    json!({
        "receipt_number": receipt_number, "occurred_at": jiff::Timestamp::now().to_string(), "currency": "GBP",
        "total": 700, "lines": [ { "description": "COFFEE", "amount": 700 } ], "member": { "identifier": CARD },
    })
}

async fn status(till: &Served) -> Value {
    answer(till.get("/v1/status")).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_put_back_goes_on_as_its_next_life() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    answer(till.post("/v1/sales", &sale("1"))).await;
    hub.records_at_least(1).await;
    let before = status(&till).await;
    hub.set(Mode::Succeeds);
    let mut link = till.shell.link.subscribe();
    assert_eq!(answer(till.post("/v1/sales", &sale("2"))).await.0, StatusCode::CREATED);
    link.wait_for(|state| state.made_whole_ms.is_some()).await.unwrap();
    let after = status(&till).await;
    assert_ne!(after["journal"]["incarnation"], before["journal"]["incarnation"]);
    assert_eq!((&after["life"], &after["sound"]), (&json!(2), &json!(true)), "{after}");
    assert!(after["hub"]["made_whole_at"].is_string());
    link.wait_for(|state| state.refused().is_none()).await.unwrap();
    // The new life's journal reaches head office, from its first record on.
    let mut progress = till.shell.engine.watch_progress();
    progress.wait_for(|known| known.acknowledged > 0 && known.acknowledged == known.head.position).await.unwrap();
    let spend = json!({ "member": { "identifier": CARD }, "purse": "points", "amount": 200 });
    let (status, spent) = answer(till.post("/v1/redemptions", &spend)).await;
    assert_eq!(status, StatusCode::CREATED, "it spends again: {spent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_office_in_a_new_epoch_is_told_and_then_goes_on() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    till.proves_itself().await;
    answer(till.post("/v1/sales", &sale("1"))).await;
    hub.records_at_least(1).await;
    hub.begin_epoch(2);
    answer(till.post("/v1/sales", &sale("2"))).await;
    hub.reported().await;
    hub.records_at_least(2).await;
    let mut link = till.shell.link.subscribe();
    link.wait_for(|state| state.answers() && state.refused().is_none()).await.unwrap();
    let now = status(&till).await;
    assert_eq!((&now["sound"], &now["life"]), (&json!(true), &json!(1)), "{now}");
}

/// A good pull says nothing about a push that is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_push_is_not_hidden_by_the_next_good_pull() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    hub.set(Mode::RefusesPushes);
    let mut link = till.shell.link.subscribe();
    answer(till.post("/v1/sales", &sale("1"))).await;
    link.wait_for(|state| state.refusals.contains_key(&Lane::Push)).await.unwrap();
    let (found, member) = answer(till.post("/v1/members/lookup", &json!({ "identifier": CARD }))).await;
    assert_eq!((found, &member["online"]), (StatusCode::OK, &json!(true)), "another lane gets through");
    let told = status(&till).await;
    assert!(told["hub"]["refused"].as_str().unwrap().contains("newer"), "{told}");
    assert_eq!(told["hub"]["refusals"].as_object().unwrap().keys().collect::<Vec<_>>(), ["push"]);
    hub.set(Mode::Answer);
    link.wait_for(|state| state.refused().is_none()).await.unwrap();
}
