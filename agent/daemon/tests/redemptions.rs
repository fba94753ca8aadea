//! The life of a redemption as callers of the till API see it: reserved, confirmed, cancelled, given back, below the
//! floor; and goods that come back.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use reqwest::StatusCode;
use serde_json::{Value, json};
use support::fake_hub::{FakeHub, Mode, PROGRAM_WITH_FLOOR};
use support::{CARD, Served, answer};
use tokio_stream::StreamExt as _;

fn sale(receipt_number: &str, sale_ref: &str, total: i64) -> Value {
    json!({
        "receipt_number": receipt_number, "sale_ref": sale_ref, "occurred_at": jiff::Timestamp::now().to_string(),
        "currency": "GBP", "total": total, "member": { "identifier": CARD },
        "lines": [
            { "id": "1", "description": "COFFEE", "quantity": "2", "amount": total / 2 },
            { "id": "2", "description": "TEA", "quantity": "1", "amount": total - total / 2 },
        ],
    })
}

fn basket(sale_ref: &str, amount: i64) -> Value {
    json!({ "member": { "identifier": CARD }, "purse": "points", "amount": amount, "sale_ref": sale_ref, "reserve": true })
}

fn spend(amount: i64) -> Value {
    json!({ "member": { "identifier": CARD }, "purse": "points", "amount": amount })
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

async fn state_of(till: &Served, id: &str) -> String {
    let (status, found) = answer(till.get(&format!("/v1/redemptions/{id}"))).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    text(&found, "state").to_owned()
}

/// Reads events until one of this name comes; its data.
async fn next_event(stream: &mut (impl tokio_stream::Stream<Item = Vec<u8>> + Unpin), name: &str) -> Value {
    let mut seen = String::new();
    loop {
        seen.push_str(std::str::from_utf8(&stream.next().await.unwrap()).unwrap());
        let Some((frame, rest)) = seen.split_once("\n\n") else { continue };
        let is_it = frame.lines().any(|line| line == format!("event: {name}"));
        let data = frame.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
        seen = rest.to_owned();
        if is_it {
            return serde_json::from_str(&data.unwrap()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_basket_is_reserved_and_its_sale_spends_it() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    let events = till.get("/v1/events").send().await.unwrap();
    let mut events = Box::pin(events.bytes_stream().map(|chunk| chunk.unwrap().to_vec()));
    next_event(&mut events, "hello").await;

    let (status, reserved) = answer(till.post("/v1/redemptions", &basket("b1", 500))).await;
    assert_eq!(status, StatusCode::CREATED, "{reserved}");
    assert_eq!((text(&reserved, "state"), text(&reserved, "rights")), ("reserved", "granted"));
    assert!(reserved["expires_at"].is_string());
    assert_eq!(reserved["purses"], json!([{ "purse": "points", "balance": 600, "spendable": 0 }]), "kept, not spent");
    let (status, again) = answer(till.post("/v1/redemptions", &basket("b1", 500))).await;
    assert_eq!((status, &again), (StatusCode::OK, &reserved), "the same basket asks again, without a key");
    assert_eq!(next_event(&mut events, "reservation").await["redemption_id"], reserved["redemption_id"]);
    let (status, conflict) = answer(till.post("/v1/redemptions", &basket("b1", 400))).await;
    assert_eq!((status, text(&conflict, "type")), (StatusCode::CONFLICT, "/problems/reservation-conflict"));
    assert_eq!(conflict["redemption_id"], reserved["redemption_id"]);
    let (_, status) = answer(till.get("/v1/status")).await;
    assert_eq!(status["reservations_open"], json!(1));

    let id = text(&reserved, "redemption_id");
    assert_eq!(answer(till.post("/v1/sales", &sale("1", "b1", 1_000))).await.0, StatusCode::CREATED);
    assert_eq!(state_of(&till, id).await, "redeemed");
    assert_eq!(next_event(&mut events, "confirmation").await["redemption_id"], reserved["redemption_id"]);
    let (status, problem) = answer(till.post(&format!("/v1/redemptions/{id}/cancel"), &json!({}))).await;
    assert_eq!((status, text(&problem, "type")), (StatusCode::CONFLICT, "/problems/redemption-state"));
    assert_eq!((text(&problem, "state"), text(&problem, "redemption_id")), ("redeemed", id));
    let (_, metrics) = answer(till.get("/metrics")).await;
    assert!(metrics.as_str().unwrap().contains("counterfoil_reservations_open 0"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_is_confirmed_or_cancelled_once() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    for (sale_ref, act, state) in [("b1", "confirm", "redeemed"), ("b2", "cancel", "cancelled")] {
        let (_, reserved) = answer(till.post("/v1/redemptions", &basket(sale_ref, 200))).await;
        let path = format!("/v1/redemptions/{}/{act}", text(&reserved, "redemption_id"));
        let (status, first) = answer(till.post(&path, &json!({})).header("idempotency-key", sale_ref)).await;
        assert_eq!((status, text(&first, "state")), (StatusCode::CREATED, state), "{first}");
        for request in [till.post(&path, &json!({})).header("idempotency-key", sale_ref), till.post(&path, &json!({}))]
        {
            let (status, again) = answer(request).await;
            assert_eq!((status, text(&again, "state")), (StatusCode::OK, state), "{act} again: {again}");
        }
        assert_eq!(state_of(&till, text(&reserved, "redemption_id")).await, state);
    }
    let (status, problem) = answer(till.post("/v1/redemptions/nonsense/confirm", &json!({}))).await;
    assert_eq!((status, text(&problem, "type")), (StatusCode::NOT_FOUND, "/problems/not-found"));
    let (status, problem) = answer(till.post(
        "/v1/redemptions",
        &json!({ "member": { "identifier": CARD }, "purse": "points", "amount": 1, "reserve": true }),
    ))
    .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "a reservation needs its basket: {problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redemption_is_given_back_once_and_another_tills_is_asked_for() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    let (_, spent) = answer(till.post("/v1/redemptions", &spend(500))).await;
    let path = format!("/v1/redemptions/{}/reverse", text(&spent, "redemption_id"));
    let why = json!({ "reason": "wrong customer", "operator": "7" });
    let (status, back) = answer(till.post(&path, &why)).await;
    assert_eq!((status, text(&back, "state")), (StatusCode::CREATED, "reversed"), "{back}");
    assert_eq!(back["purses"][0]["balance"], json!(600));
    let (status, again) = answer(till.post(&path, &json!({}))).await;
    assert_eq!((status, text(&again, "state")), (StatusCode::OK, "reversed"));
    assert_eq!(again["purses"][0]["balance"], json!(600), "once");
    assert_eq!(state_of(&till, text(&spent, "redemption_id")).await, "reversed");

    let own = text(&spent, "redemption_id");
    let foreign = format!("/v1/redemptions/{}{}/reverse", "ab".repeat(16), &own[32..]);
    let (status, asked) = answer(till.post(&foreign, &why)).await;
    assert_eq!((status, text(&asked, "state")), (StatusCode::CREATED, "reverse-requested"), "{asked}");
    assert_eq!((&asked["member_id"], &asked["amount"]), (&Value::Null, &Value::Null));
    let (status, _) = answer(till.post(&foreign, &why)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_that_is_cut_off_gives_as_far_as_the_floor_and_says_so() {
    let hub = FakeHub::start_with(PROGRAM_WITH_FLOOR, 900).await;
    let till = Served::with_hub(&hub).await;
    let (status, member) = answer(till.post("/v1/members/lookup", &json!({ "identifier": CARD }))).await;
    assert_eq!((status, &member["purses"][0]["spendable"]), (StatusCode::OK, &json!(0)));
    hub.set(Mode::Silent);
    let (status, given) = answer(till.post("/v1/redemptions", &spend(150))).await;
    assert_eq!((status, text(&given, "rights")), (StatusCode::CREATED, "floor"), "{given}");
    let (status, refused) = answer(till.post("/v1/redemptions", &spend(250))).await;
    assert_eq!((status, text(&refused, "type")), (StatusCode::CONFLICT, "/problems/not-spendable"), "{refused}");
    assert_eq!(refused["floor"], json!({ "limit": "redemption", "left": 200 }));
    assert!(text(&refused, "detail").contains("at most 200"), "{refused}");
    // Beyond the soft limit head office is tried again, although it is known not to answer.
    let asked = hub.grants_asked();
    let (status, more) = answer(till.post("/v1/redemptions", &spend(150))).await;
    assert_eq!((status, &more["marks"]), (StatusCode::CREATED, &json!(["floor-soft-limit"])), "{more}");
    assert_eq!(hub.grants_asked(), asked + 1);
    let (_, refused) = answer(till.post("/v1/redemptions", &spend(10))).await;
    assert_eq!(refused["floor"], json!({ "limit": "member", "left": 0 }), "{refused}");
    let (_, status) = answer(till.get("/v1/status")).await;
    assert_eq!(
        status["floors"],
        json!([{ "purse": "points", "used_units": 300, "soft_units": 250, "hard_units": 400 }])
    );
    let (_, metrics) = answer(till.get("/metrics")).await;
    let metrics = metrics.as_str().unwrap();
    for line in ["counterfoil_redemptions_total{rights=\"floor\"} 2", "counterfoil_floor_units{purse=\"points\"} 300"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

/// Head office answered, and has not enough: that is no reason to go below the floor.
#[tokio::test(flavor = "multi_thread")]
async fn the_floor_is_for_a_till_that_is_cut_off_alone() {
    let hub = FakeHub::start_with(PROGRAM_WITH_FLOOR, 100).await;
    let till = Served::with_hub(&hub).await;
    let (status, refused) = answer(till.post("/v1/redemptions", &spend(150))).await;
    assert_eq!((status, &refused["online"], &refused["floor"]), (StatusCode::CONFLICT, &json!(true), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn goods_come_back_in_proportion() {
    let hub = FakeHub::start(0).await;
    let till = Served::with_hub(&hub).await;
    let (_, sold) = answer(till.post("/v1/sales", &sale("1", "b1", 2_000))).await;
    let path = format!("/v1/sales/{}/returns", text(&sold, "sale_id"));
    let half = json!({ "lines": [{ "id": "1", "quantity": "1" }], "receipt_number": "2", "operator": "7" });
    let (status, back) = answer(till.post(&path, &half).header("idempotency-key", "r1")).await;
    assert_eq!(status, StatusCode::CREATED, "{back}");
    assert_eq!(back["purses"], json!([{ "purse": "points", "balance": 15, "spendable": 15 }]));
    let (status, again) = answer(till.post(&path, &half).header("idempotency-key", "r1")).await;
    assert_eq!((status, &again), (StatusCode::OK, &back));
    let (status, problem) = answer(till.post(&path, &json!({ "lines": [{ "id": "1", "quantity": "2" }] }))).await;
    assert!(status.is_client_error(), "more than is left: {problem}");
    let rest = json!({ "lines": [{ "id": "1", "quantity": "1" }, { "id": "2" }] });
    let (status, back) = answer(till.post(&path, &rest)).await;
    assert_eq!((status, &back["purses"][0]["balance"]), (StatusCode::CREATED, &json!(0)), "{back}");
    let (status, _) = answer(till.post("/v1/sales/nonsense/returns", &rest)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_needs_its_scope() {
    let till = Served::alone().await;
    let now = till.shell.clock.now();
    let scopes = ["status:read".parse().unwrap(), "sales:read".parse().unwrap()];
    let made = till.shell.engine.call(move |books| counterfoil_agent::tokens::create(books, "reader", &scopes, now));
    let secret = made.await.unwrap().unwrap();
    for (path, scope) in [
        ("/v1/redemptions", "redemptions:write"),
        ("/v1/redemptions/x/confirm", "redemptions:write"),
        ("/v1/redemptions/x/cancel", "redemptions:write"),
        ("/v1/redemptions/x/reverse", "redemptions:write"),
        ("/v1/sales/x/returns", "sales:write"),
    ] {
        let body = match path {
            "/v1/redemptions" => spend(1),
            "/v1/sales/x/returns" => json!({ "lines": [] }),
            _ => json!({}),
        };
        let request = till.http.post(format!("{}{path}", till.base)).bearer_auth(&secret).json(&body);
        let (status, problem) = answer(request).await;
        assert_eq!((status, text(&problem, "scope")), (StatusCode::FORBIDDEN, scope), "{path}");
    }
}
