//! The HTTP API in process: who may do what, what errors look like, that repeats change nothing, and that the
//! description tells the truth.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use support::{Office, PROGRAM};

/// Everything the published interface lists for the hub.
const INTERFACE: [(&str, &str); 50] = [
    ("POST", "/v1/members"),
    ("GET", "/v1/members"),
    ("GET", "/v1/members/{id}"),
    ("PATCH", "/v1/members/{id}"),
    ("DELETE", "/v1/members/{id}"),
    ("GET", "/v1/members/{id}/entries"),
    ("GET", "/v1/members/{id}/document"),
    ("POST", "/v1/members/lookup"),
    ("POST", "/v1/members/tags"),
    ("POST", "/v1/members/{id}/merge"),
    ("PUT", "/v1/stores/{id}"),
    ("GET", "/v1/stores/{id}"),
    ("PUT", "/v1/templates/{name}"),
    ("GET", "/v1/templates/{name}"),
    ("POST", "/v1/members/{id}/adjustments"),
    ("POST", "/v1/members/{id}/write-offs"),
    ("GET", "/v1/redemptions/{id}"),
    ("POST", "/v1/sales"),
    ("POST", "/v1/redemptions"),
    ("POST", "/v1/redemptions/{id}/confirm"),
    ("POST", "/v1/redemptions/{id}/cancel"),
    ("POST", "/v1/redemptions/{id}/reverse"),
    ("POST", "/v1/sales/{id}/member"),
    ("GET", "/v1/sales"),
    ("GET", "/v1/ledger/entries"),
    ("GET", "/v1/ledger/trial-balance"),
    ("GET", "/v1/reconciliation"),
    ("GET", "/v1/exceptions"),
    ("POST", "/v1/exceptions/{id}/resolve"),
    ("GET", "/v1/terminals"),
    ("POST", "/v1/terminals/invite"),
    ("PUT", "/v1/program"),
    ("GET", "/v1/program"),
    ("POST", "/v1/webhook-endpoints"),
    ("GET", "/v1/webhook-endpoints"),
    ("DELETE", "/v1/webhook-endpoints/{id}"),
    ("GET", "/v1/webhook-endpoints/{id}/deliveries"),
    ("POST", "/v1/webhook-endpoints/{id}/replay"),
    ("GET", "/v1/events"),
    ("POST", "/v1/terminals/enroll"),
    ("POST", "/v1/sync/push"),
    ("GET", "/v1/sync/feed"),
    ("GET", "/v1/sync/snapshot"),
    ("POST", "/v1/sync/grants"),
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
];

/// Calls that need no API key: probes and pages, and what tills sign.
const KEYLESS: [&str; 12] = [
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/v1/terminals/enroll",
    "/v1/sync/push",
    "/v1/sync/feed",
    "/v1/sync/grants",
    "/v1/sync/succeed",
    "/v1/sync/report",
];

fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(_, operation)| operation.is_object()) {
            found.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    found
}

fn concrete(path: &str) -> String {
    path.replace("{id}", "00000000000000000000000000000000").replace("{name}", "x")
}

#[tokio::test]
async fn the_description_lists_the_interface_and_every_call_in_it_exists() {
    let office = Office::open();
    let answer = office.get("/openapi.json", "").await;
    let description = answer.json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"), "{}", description["openapi"]);
    let operations = operations(&description);
    for (method, path) in INTERFACE {
        assert!(operations.iter().any(|(m, p, _)| m == method && p == path), "{method} {path} is not described");
    }
    for (method, path, _) in &operations {
        let answer = office.call(method, &concrete(path), "", None, &[]).await;
        let missing = matches!(answer.status, StatusCode::METHOD_NOT_ALLOWED)
            || (answer.status == StatusCode::NOT_FOUND && answer.text().contains("nothing at this path"));
        assert!(!missing, "{method} {path} is described and does not exist");
    }
    let page = office.get("/docs", "").await;
    assert!(page.text().contains("/v1/ledger/trial-balance") && !page.text().contains("<script"));
}

#[tokio::test]
async fn without_a_key_nothing_is_answered_but_probes_and_pages() {
    let office = Office::open();
    let description = office.get("/openapi.json", "").await.json();
    for (method, path, operation) in operations(&description) {
        if KEYLESS.contains(&path.as_str()) {
            assert!(operation["security"].is_null(), "{method} {path}");
            continue;
        }
        let answer = office.call(&method, &concrete(&path), "", None, &[]).await;
        answer.problem(401, "unauthorized");
        assert!(answer.headers.contains_key(header::WWW_AUTHENTICATE));
        office.call(&method, &concrete(&path), "cfh_wrong", None, &[]).await.problem(401, "unauthorized");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(office.get(path, "").await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_no_more() {
    let office = Office::open();
    let description = office.get("/openapi.json", "").await.json();
    let all = [
        "members:read",
        "members:write",
        "ledger:read",
        "program:write",
        "webhooks:write",
        "terminals:write",
        "sales:write",
    ];
    for (method, path, operation) in operations(&description) {
        let Some(scope) = operation["security"][0]["api_key"][0].as_str() else { continue };
        let others: Vec<&str> = all.into_iter().filter(|other| *other != scope).collect();
        let problem =
            office.call(&method, &concrete(&path), &office.key(&others), None, &[]).await.problem(403, "forbidden");
        assert_eq!(problem["scope"], scope);
        for scopes in [[scope], ["admin"]] {
            let answer = office.call(&method, &concrete(&path), &office.key(&scopes), None, &[]).await;
            assert_ne!(answer.status, StatusCode::FORBIDDEN, "{method} {path} with {scopes:?}");
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} with {scopes:?}");
            assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {path}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let office = Office::open();
    let key = office.key(&["ledger:read"]);
    assert_eq!(office.get("/v1/sales", &key).await.status, StatusCode::OK);
    let mut beside = office.place.open().unwrap();
    let id = beside.api_keys().unwrap()[0].id.clone();
    beside.revoke_api_key(&id, 1_700_000_000_001).unwrap();
    office.get("/v1/sales", &key).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn what_comes_later_says_so() {
    let office = Office::open();
    let key = office.key(&["admin"]);
    for later in counterfoil_hub::api::later::LATER {
        let problem = office.call(later.method, &concrete(later.path), &key, None, &[]).await;
        assert_eq!(problem.problem(501, "not-implemented")["capability"], later.capability);
    }
}

async fn publish(office: &Office, key: &str) {
    let answer = office.call("PUT", "/v1/program", key, Some(PROGRAM), &[("content-type", "application/toml")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

#[tokio::test]
async fn a_member_is_made_once_found_and_adjusted() {
    let office = Office::open();
    let key = office.key(&["members:read", "members:write", "ledger:read", "program:write"]);
    publish(&office, &key).await;
    let draft = json!({ "display_name": "Ann", "identifiers": ["9826 0000 0001 7", "ann@example.org"] }).to_string();
    let once = [("idempotency-key", "k-1")];
    let first = office.call("POST", "/v1/members", &key, Some(&draft), &once).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());
    let again = office.call("POST", "/v1/members", &key, Some(&draft), &once).await;
    assert_eq!((again.status, again.json()), (StatusCode::CREATED, first.json()));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = json!({ "identifiers": ["5"] }).to_string();
    office.call("POST", "/v1/members", &key, Some(&other), &once).await.problem(422, "idempotency-mismatch");
    office.call("POST", "/v1/members", &key, Some(&draft), &[]).await.problem(409, "conflict");

    let id = first.json()["member_id"].as_str().unwrap().to_owned();
    let found = office.post("/v1/members/lookup", &key, &json!({ "identifier": "ANN@example.org" })).await;
    assert_eq!(found.json()["member_id"], id.as_str());
    office.post("/v1/members/lookup", &key, &json!({ "identifier": "nobody" })).await.problem(404, "not-found");
    office.get("/v1/members/zz", &key).await.problem(404, "not-found");
    assert_eq!(office.get("/v1/members?limit=1", &key).await.json()["items"][0]["member_id"], id.as_str());

    let path = format!("/v1/members/{id}/adjustments");
    let give = json!({ "purse": "points", "amount": 700, "reason": "opening balance" }).to_string();
    for _ in 0..2 {
        let answer = office.call("POST", &path, &key, Some(&give), &[("idempotency-key", "a-1")]).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
    let member = office.get(&format!("/v1/members/{id}"), &key).await.json();
    assert_eq!(member["purses"][0]["balance"], 700, "{member}");
    let entries = office.get(&format!("/v1/members/{id}/entries"), &key).await.json();
    assert_eq!(entries["items"].as_array().unwrap().len(), 1, "{entries}");
    let balance = office.get("/v1/ledger/trial-balance", &key).await.json();
    assert_eq!((&balance["purses"][0]["total"], &balance["holders_agree"]), (&json!(0), &json!(true)), "{balance}");
    let none = json!({ "purse": "stars", "amount": 1, "reason": "x" });
    assert!(office.post(&path, &key, &none).await.status.is_client_error());

    let take = json!({ "purse": "points", "amount": -900, "reason": "a mistake" });
    assert_eq!(office.post(&path, &key, &take).await.json()["debt"], 200);
    let path = format!("/v1/members/{id}/write-offs");
    let forgive = json!({ "purse": "points", "reason": "goodwill" }).to_string();
    for _ in 0..2 {
        let answer = office.call("POST", &path, &key, Some(&forgive), &[("idempotency-key", "w-1")]).await;
        assert_eq!((answer.status, &answer.json()["amount"]), (StatusCode::CREATED, &json!(200)), "{}", answer.text());
    }
    office.call("POST", &path, &key, Some(&forgive), &[]).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_redemption_that_is_not_here_is_neither_shown_nor_undone() {
    let office = Office::open();
    let key = office.key(&["members:read", "members:write"]);
    for id in ["x", "00000000000000000000000000000000-7"] {
        office.get(&format!("/v1/redemptions/{id}"), &key).await.problem(404, "not-found");
        let path = format!("/v1/redemptions/{id}/reverse");
        office.post(&path, &key, &json!({ "reason": "a mistake" })).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn stores_are_made_and_terminals_invited() {
    let office = Office::open();
    let key = office.key(&["terminals:write"]);
    let store = json!({ "name": "Main Street", "time_zone": "Europe/London", "currency": "GBP", "day_ends": "03:00" });
    let made = office.call("PUT", "/v1/stores/s1", &key, Some(&store.to_string()), &[]).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert_eq!(office.get("/v1/stores/s1", &key).await.json()["day_ends"], "03:00");
    let bad = json!({ "time_zone": "Mars/Base" }).to_string();
    office.call("PUT", "/v1/stores/s2", &key, Some(&bad), &[]).await.problem(422, "invalid");
    let invited = office.post("/v1/terminals/invite", &key, &json!({ "store": "s1", "lane": "1" })).await;
    assert_eq!(invited.status, StatusCode::CREATED, "{}", invited.text());
    assert!(invited.json()["code"].as_str().unwrap().starts_with("CF1-"));
    assert!(invited.json()["expires_at"].as_str().is_some());
    office
        .post("/v1/terminals/invite", &key, &json!({ "store": "nowhere", "lane": "1" }))
        .await
        .problem(404, "not-found");
    let again = json!({ "store": "s1", "lane": "2" }).to_string();
    let once = [("idempotency-key", "i-1")];
    let first = office.call("POST", "/v1/terminals/invite", &key, Some(&again), &once).await.json();
    assert_eq!(office.call("POST", "/v1/terminals/invite", &key, Some(&again), &once).await.json(), first);
    let other = json!({ "store": "s1", "lane": "3" }).to_string();
    let other = office.call("POST", "/v1/terminals/invite", &key, Some(&other), &once).await;
    other.problem(422, "idempotency-mismatch");
    let terminals = office.get("/v1/terminals", &key).await.json();
    assert_eq!(terminals["items"].as_array().unwrap().len(), 2, "{terminals}");
}

#[tokio::test]
async fn mistakes_in_a_program_are_named_with_their_place() {
    let office = Office::open();
    let key = office.key(&["program:write"]);
    let bad = PROGRAM.replace("kind = \"points\"", "kind = \"pointz\"");
    let toml = [("content-type", "application/toml")];
    let problem = office.call("PUT", "/v1/program", &key, Some(&bad), &toml).await.problem(422, "invalid-program");
    assert_eq!(problem["problems"][0]["line"], 7, "{problem}");
    office.get("/v1/program", &key).await.problem(404, "not-found");
    publish(&office, &key).await;
    let program = office.get("/v1/program", &key).await.json();
    assert_eq!((&program["version"], &program["id"]), (&json!(1), &json!("corner-club")));
    let bad_time = office.call("PUT", "/v1/program?effective=tomorrow", &key, Some(PROGRAM), &toml).await;
    bad_time.problem(422, "invalid");
}

#[tokio::test]
async fn what_cannot_be_read_says_where() {
    let office = Office::open();
    let key = office.key(&["admin"]);
    let problem =
        office.call("POST", "/v1/members", &key, Some("{\n  \"idents\": []}"), &[]).await.problem(400, "malformed");
    assert_eq!((&problem["line"], problem["column"].is_number()), (&json!(2), true), "{problem}");
    office.get("/v1/sales?business_date=yesterday", &key).await.problem(400, "malformed");
    office.get("/v1/sales?shop=1", &key).await.problem(400, "malformed");
    office.get("/v1/nothing", &key).await.problem(404, "not-found");
    office.call("DELETE", "/v1/program", &key, None, &[]).await.problem(405, "method-not-allowed");
    office.call("POST", "/v1/members", &key, Some("{}"), &[("idempotency-key", "")]).await.problem(400, "malformed");
    let large = "x".repeat(5 << 20);
    office.call("POST", "/v1/members", &key, Some(&large), &[]).await.problem(413, "too-large");
}

#[tokio::test]
async fn a_till_without_a_signature_is_refused_in_its_own_language() {
    use counterfoil_protocol::wire::v1::grant::{Refusal, RefusalKind};
    let office = Office::open();
    for (method, path) in [
        ("POST", "/v1/sync/push"),
        ("GET", "/v1/sync/feed?after=&wait=0"),
        ("POST", "/v1/sync/grants"),
        ("POST", "/v1/terminals/enroll"),
    ] {
        let answer = office.call(method, path, "", None, &[]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/cbor");
        let refusal: Refusal = minicbor::decode(&answer.body).unwrap();
        assert_eq!(refusal.kind, RefusalKind::Malformed);
    }
}

#[tokio::test]
async fn the_console_opens_with_an_admin_key_and_a_cookie_of_its_own() {
    let office = Office::open();
    let form = |key: &str| format!("key={key}");
    let asked = office.get("/", "").await;
    assert!(asked.text().contains("Sign in"));
    let policy = asked.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"));
    let post = |body: String, extra: Option<(&'static str, &'static str)>| {
        let mut request = Request::post("/console/login")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::HOST, "hub.example:7400");
        if let Some((name, value)) = extra {
            request = request.header(name, value);
        }
        office.send(request.body(Body::from(body)).unwrap())
    };
    assert_eq!(post(form(&office.key(&["ledger:read"])), None).await.status, StatusCode::FORBIDDEN);
    let admin = office.key(&["admin"]);
    post(form(&admin), Some(("origin", "https://evil.example"))).await.problem(403, "forbidden");
    post(form(&admin), Some(("sec-fetch-site", "cross-site"))).await.problem(403, "forbidden");
    let opened = post(form(&admin), Some(("origin", "http://hub.example:7400"))).await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER);
    let cookie = opened.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(&admin));
    let session = cookie.split(';').next().unwrap();
    let page = office.call("GET", "/", "", None, &[("cookie", session)]).await;
    assert!(page.text().contains("Trial balance") && page.text().contains("Terminals"), "{}", page.text());
    office.get("/v1/sales", session).await.problem(401, "unauthorized");
    let forged = session.replacen('.', "0.", 1);
    assert!(office.call("GET", "/", "", None, &[("cookie", &forged)]).await.text().contains("Sign in"));
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let office = Office::open();
    let key = office.key(&["ledger:read"]);
    let desk = office.running.state.desk.clone();
    let broken = desk.ask(|_: &mut counterfoil_hub::core::Hub| -> () { panic!("broken on purpose") }).await;
    assert_eq!(broken, Err(counterfoil_hub::desk::DeskError::Broken));
    assert_eq!(office.get("/v1/sales", &key).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_till_is_retired_and_people_decide_what_machines_cannot() {
    let office = Office::open();
    let key = office.key(&["admin", "terminals:write", "ledger:read"]);
    office.call("PUT", "/v1/stores/s1", &key, Some("{}"), &[]).await;
    office.post("/v1/terminals/invite", &key, &json!({ "store": "s1", "lane": "1" })).await;
    let retire = |reason: &str| json!({ "reason": reason });
    office.post("/v1/terminals/s1-9/retire", &key, &retire("gone")).await.problem(404, "not-found");
    office.post("/v1/terminals/s1-1/retire", &key, &retire(" ")).await.problem(422, "invalid");
    // Nobody ever came with that code: there is nothing to wait for.
    let retired = office.post("/v1/terminals/s1-1/retire", &key, &retire("never built")).await.json();
    assert_eq!(retired["state"], "retired");
    let epoch = office.get("/v1/epoch", &key).await.json();
    assert_eq!((&epoch["epoch"], &epoch["grants"]), (&json!(1), &json!(true)));
    office.post("/v1/epoch/accept", &key, &json!({ "by": "Kim" })).await.problem(409, "conflict");
    let day = json!({ "incarnation": "00".repeat(16), "business_date": "2026-11-24", "sequence": 1 });
    for what in ["accept", "write-off"] {
        let path = format!("/v1/reconciliation/{what}");
        let decision = json!({ "day": day, "reason": "lost" });
        office.post(&path, &key, &decision).await.problem(404, "not-found");
        let vague = json!({ "day": day, "reason": "" });
        office.post(&path, &key, &vague).await.problem(422, "invalid");
    }
}
