//! The till API as its callers see it, over HTTP, with a real engine in a temporary directory.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use counterfoil_agent::api::BODY_BYTES_MAX;
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::fake_hub::{FakeHub, Mode};
use support::{CARD, Served, answer};
use tokio_stream::StreamExt as _;

fn sale(receipt_number: &str, total: i64) -> Value {
    let now = jiff::Timestamp::now().to_string();
    json!({
        "kind": "sale", "receipt_number": receipt_number, "sale_ref": format!("pos-{receipt_number}"), "occurred_at": now,
        "currency": "GBP", "total": total, "tax": 0, "tax_included": true,
        "lines": [ { "id": "1", "kind": "item", "sku": "5000112637922", "description": "COFFEE", "quantity": "1",
                     "unit_price": total, "discount": 0, "amount": total } ],
        "discounts": [], "tenders": [ { "kind": "card", "amount": total } ], "change": 0,
        "member": { "identifier": CARD }, "operator": "7"
    })
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_a_token_or_from_elsewhere_is_answered() {
    let till = Served::alone().await;
    let bare = |path: &str| till.http.get(format!("{}{path}", till.base));
    for request in [
        bare("/v1/status"),
        bare("/v1/status").bearer_auth("cft_wrong"),
        bare("/v1/events"),
        till.http.post(format!("{}/v1/sales", till.base)).json(&sale("1", 100)),
    ] {
        let (status, problem) = answer(request).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(problem["type"], "/problems/unauthorized");
    }
    for (name, value) in
        [("host", "till.example"), ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]
    {
        let (status, problem) = answer(till.get("/v1/status").header(name, value)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{name}");
        assert_eq!(problem["type"], "/problems/foreign-origin");
    }
    let (status, _) = answer(till.get("/v1/status")).await;
    assert_eq!(status, StatusCode::OK);
    for open in ["/healthz", "/metrics", "/openapi.json", "/docs"] {
        assert_eq!(answer(bare(open)).await.0, StatusCode::OK, "{open}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_is_answered_as_published_and_once() {
    let hub = FakeHub::start(0).await;
    let till = Served::with_hub(&hub).await;
    let body = sale("000123", 1234);
    let (status, first) = answer(till.post("/v1/sales", &body).header("idempotency-key", "k1")).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    assert_eq!(
        keys(&first),
        ["accrued", "business_date", "journal_position", "marks", "member_id", "purses", "sale_id"]
    );
    assert_eq!(
        first["accrued"],
        json!([{ "purse": "points", "amount": 12, "rule": "base", "reason": "1 point for each pound" }])
    );
    assert_eq!(first["purses"], json!([{ "purse": "points", "balance": 12, "spendable": 12 }]));

    let (status, again) = answer(till.post("/v1/sales", &body).header("idempotency-key", "k1")).await;
    assert_eq!((status, &again), (StatusCode::OK, &first), "the same key");
    let (status, again) = answer(till.post("/v1/sales", &body)).await;
    assert_eq!((status, &again), (StatusCode::OK, &first), "the same receipt");
    let (status, problem) = answer(till.post("/v1/sales", &sale("000124", 50)).header("idempotency-key", "k1")).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("/problems/idempotency-mismatch"))
    );
    let (status, problem) = answer(till.post("/v1/sales", &sale("000123", 50))).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/receipt-conflict")));

    let id = first["sale_id"].as_str().unwrap();
    for path in
        [format!("/v1/sales/{id}"), "/v1/sales?receipt_number=000123".into(), "/v1/sales?sale_ref=pos-000123".into()]
    {
        let (status, view) = answer(till.get(&path)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!((&view["sale_id"], &view["state"]), (&first["sale_id"], &json!("recorded")));
    }
    assert_eq!(answer(till.get("/v1/sales?receipt_number=9")).await.0, StatusCode::NOT_FOUND);
    hub.records_at_least(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_takes_back_and_the_day_closes() {
    let hub = FakeHub::start(0).await;
    let till = Served::with_hub(&hub).await;
    let (_, recorded) = answer(till.post("/v1/sales", &sale("1", 700))).await;
    let id = recorded["sale_id"].as_str().unwrap();
    let (status, voided) = answer(till.post(&format!("/v1/sales/{id}/void"), &json!({}))).await;
    assert_eq!(status, StatusCode::CREATED, "{voided}");
    assert_eq!(voided["purses"], json!([{ "purse": "points", "balance": 0, "spendable": 0 }]));
    let (status, closed) =
        answer(till.post("/v1/day/close", &json!({ "pos_totals": { "sales": 1, "gross": 0 } }))).await;
    assert_eq!(status, StatusCode::CREATED, "{closed}");
    assert_eq!(
        keys(&closed),
        [
            "business_date",
            "chain",
            "gross",
            "pos_totals",
            "purses",
            "ranges",
            "receipt_gaps",
            "records",
            "sales",
            "sequence",
            "tax"
        ]
    );
    assert_eq!((&closed["sales"], &closed["gross"], &closed["records"]), (&json!(1), &json!(0), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_found_and_spends_what_head_office_grants() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    let (status, member) = answer(till.post("/v1/members/lookup", &json!({ "identifier": CARD }))).await;
    assert_eq!(status, StatusCode::OK, "{member}");
    assert_eq!(keys(&member), ["display_name", "member_id", "online", "purses", "rewards", "status", "tier"]);
    assert_eq!((&member["display_name"], &member["online"]), (&json!("Ann"), &json!(true)));
    assert_eq!(keys(&member["purses"][0]), ["as_of", "balance", "debt", "expiring", "pending", "purse", "spendable"]);
    assert_eq!(keys(&member["rewards"][0]), ["available", "cost", "reason", "reward_id", "title"]);
    let (status, problem) = answer(till.post("/v1/members/lookup", &json!({ "identifier": "000" }))).await;
    assert_eq!((status, &problem["type"]), (StatusCode::NOT_FOUND, &json!("/problems/not-found")));

    let redemption = json!({ "member": { "identifier": CARD }, "reward_id": "five-off" });
    let (status, spent) = answer(till.post("/v1/redemptions", &redemption).header("idempotency-key", "r1")).await;
    assert_eq!(status, StatusCode::CREATED, "{spent}");
    assert_eq!(
        (&spent["rights"], &spent["amount"], &spent["state"]),
        (&json!("granted"), &json!(500), &json!("redeemed"))
    );
    for key in
        ["redemption_id", "state", "expires_at", "purse", "amount", "benefit", "rights", "purses", "journal_position"]
    {
        assert!(spent.get(key).is_some(), "{key}");
    }
    let (status, again) = answer(till.post("/v1/redemptions", &redemption).header("idempotency-key", "r1")).await;
    assert_eq!((status, &again), (StatusCode::OK, &spent));
    let id = spent["redemption_id"].as_str().unwrap();
    assert_eq!(answer(till.get(&format!("/v1/redemptions/{id}"))).await.0, StatusCode::OK);

    let (status, problem) = answer(till.post("/v1/redemptions", &redemption)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(problem["type"], "/problems/not-spendable");
    assert_eq!((&problem["asked"], &problem["balance"]), (&json!(500), &json!(100)));
    assert!(problem["spendable"].is_i64() && problem["detail"].as_str().unwrap().contains("500"));
}

/// The answer comes although the hub, which has the question, never replies to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_head_office_does_not_hold_up_a_cashier() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    hub.set(Mode::Silent);
    let asked = hub.grants_asked();
    let redemption = json!({ "member": { "identifier": CARD }, "purse": "points", "amount": 200 });
    let (status, problem) = answer(till.post("/v1/redemptions", &redemption)).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/not-spendable")));
    assert_eq!((&problem["balance"], &problem["spendable"]), (&json!(600), &json!(0)));
    assert!(problem["detail"].as_str().unwrap().contains("head office"));
    assert_eq!(hub.grants_asked(), asked + 1, "it was asked once");
    // The next customer is not made to wait for the same silence.
    let (status, member) = answer(till.post("/v1/members/lookup", &json!({ "identifier": CARD }))).await;
    assert_eq!((status, &member["online"]), (StatusCode::OK, &json!(false)));
    assert_eq!(hub.grants_asked(), asked + 1, "it was not asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_is_not_believed() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    hub.set(Mode::Unsigned);
    let redemption = json!({ "member": { "identifier": CARD }, "purse": "points", "amount": 200 });
    let (status, _) = answer(till.post("/v1/redemptions", &redemption)).await;
    assert_eq!(status, StatusCode::CONFLICT, "the unsigned grant gave no rights");
    hub.set(Mode::Answer);
    let (status, spent) = answer(till.post("/v1/redemptions", &redemption)).await;
    assert_eq!(status, StatusCode::CREATED, "{spent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_that_head_office_calls_behind_spends_nothing() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    let redemption = json!({ "member": { "identifier": CARD }, "purse": "points", "amount": 200 });
    assert_eq!(answer(till.post("/v1/redemptions", &redemption)).await.0, StatusCode::CREATED);
    hub.set(Mode::Behind);
    let mut link = till.shell.link.subscribe();
    assert_eq!(answer(till.post("/v1/sales", &sale("5", 100))).await.0, StatusCode::CREATED);
    link.wait_for(|state| state.refused().is_some()).await.unwrap();
    let (status, problem) = answer(till.post("/v1/redemptions", &redemption)).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/till-behind")));
    assert_eq!(answer(till.post("/v1/sales", &sale("6", 100))).await.0, StatusCode::CREATED, "sales go on");
    let (_, state) = answer(till.get("/v1/status")).await;
    assert_eq!(state["sound"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_later_versions_say_so() {
    let till = Served::alone().await;
    let patch = till.http.patch(format!("{}/v1/members/x", till.base)).bearer_auth(&till.token).json(&json!({}));
    for request in
        [patch, till.post("/v1/members", &json!({})), till.post("/v1/sales/x/member", &json!({ "identifier": CARD }))]
    {
        let (status, problem) = answer(request).await;
        assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{problem}");
        assert!(problem["detail"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_named() {
    let till = Served::alone().await;
    let cut = till.get("/v1/status").build().unwrap().url().clone();
    let post = |text: &'static str| {
        till.http
            .post(cut.join("/v1/sales").unwrap())
            .bearer_auth(&till.token)
            .header("content-type", "application/json")
            .body(text)
    };
    for (request, status, kind) in [
        (post("{"), StatusCode::BAD_REQUEST, "malformed"),
        (post(r#"{"colour":1}"#), StatusCode::BAD_REQUEST, "malformed"),
        (till.get("/v1/sales"), StatusCode::BAD_REQUEST, "malformed"),
        (till.post("/v1/members/lookup", &json!({})), StatusCode::BAD_REQUEST, "malformed"),
        (till.post("/v1/sales", &sale("1", 1)).header("idempotency-key", ""), StatusCode::BAD_REQUEST, "malformed"),
        (till.post("/v1/sales", &json!("x".repeat(BODY_BYTES_MAX))), StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        (till.get("/v1/nothing"), StatusCode::NOT_FOUND, "not-found"),
        (till.post("/v1/status", &json!({})), StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["type"], format!("/problems/{kind}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_no_more_than_its_scopes() {
    let till = Served::alone().await;
    let secret = till
        .shell
        .engine
        .call({
            let now = till.shell.clock.now();
            move |books| counterfoil_agent::tokens::create(books, "reader", &["status:read".parse().unwrap()], now)
        })
        .await
        .unwrap()
        .unwrap();
    let get = |path: &str| till.http.get(format!("{}{path}", till.base)).bearer_auth(&secret);
    assert_eq!(answer(get("/v1/status")).await.0, StatusCode::OK);
    let (status, problem) = answer(get("/v1/sales?receipt_number=1")).await;
    assert_eq!((status, &problem["scope"]), (StatusCode::FORBIDDEN, &json!("sales:read")));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_say_what_happens() {
    let till = Served::alone().await;
    let response = till.get("/v1/events").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    let mut seen = String::new();
    while !seen.contains("event: hello") {
        seen.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
    }
    let mut body = sale("77", 100);
    body["member"] = Value::Null;
    assert_eq!(answer(till.post("/v1/sales", &body)).await.0, StatusCode::CREATED);
    while !seen.contains("event: sale") || !seen.contains("sale_id") {
        seen.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_shapes_are_the_answers_shapes() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    let (_, document) = answer(till.get("/openapi.json")).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let fields = |name: &str| {
        keys(&document["components"]["schemas"][name]["properties"])
            .iter()
            .map(|key| (*key).to_owned())
            .collect::<Vec<_>>()
    };
    let (_, sold) = answer(till.post("/v1/sales", &sale("1", 500))).await;
    let id = sold["sale_id"].as_str().unwrap();
    let redemption = json!({ "member": { "identifier": CARD }, "purse": "points", "amount": 100 });
    for (schema, request) in [
        ("SaleAnswer", till.post("/v1/sales", &sale("2", 500))),
        ("SaleView", till.get(&format!("/v1/sales/{id}"))),
        ("Quote", till.post("/v1/sales/quote", &sale("3", 500))),
        ("Member", till.post("/v1/members/lookup", &json!({ "identifier": CARD }))),
        ("RedemptionAnswer", till.post("/v1/redemptions", &redemption)),
        ("VoidAnswer", till.post(&format!("/v1/sales/{id}/void"), &json!({}))),
        ("Status", till.get("/v1/status")),
        ("DayClose", till.post("/v1/day/close", &json!({}))),
    ] {
        let (status, value) = answer(request).await;
        assert!(status.is_success(), "{schema}: {value}");
        assert_eq!(keys(&value), fields(schema), "{schema}");
    }
    assert_eq!(keys(&serde_json::to_value(full_sale()).unwrap()), fields("Sale"));
    let paths = keys(&document["paths"]);
    for path in [
        "/v1/members/lookup",
        "/v1/members",
        "/v1/members/{id}",
        "/v1/sales/quote",
        "/v1/sales",
        "/v1/sales/{id}",
        "/v1/sales/{id}/void",
        "/v1/sales/{id}/returns",
        "/v1/sales/{id}/member",
        "/v1/redemptions",
        "/v1/redemptions/{id}",
        "/v1/redemptions/{id}/confirm",
        "/v1/redemptions/{id}/cancel",
        "/v1/redemptions/{id}/reverse",
        "/v1/status",
        "/v1/events",
        "/v1/day/close",
        "/healthz",
        "/metrics",
    ] {
        assert!(paths.contains(&path), "{path}");
    }
}

/// A sale in which nothing is absent.
fn full_sale() -> counterfoil_protocol::sale::Sale {
    let mut text = sale("1", 1);
    text["original"] = json!({ "receipt_number": "0" });
    serde_json::from_value(text).unwrap()
}
