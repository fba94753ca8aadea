//! The cashier page as a browser sees it, without scripts.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::time::Instant;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use support::fake_hub::{FakeHub, Mode, PROGRAM_WITH_FLOOR};
use support::{CARD, Served, answer};

/// A browser that was let in.
struct Browser<'a> {
    till: &'a Served,
    cookie: String,
}

impl<'a> Browser<'a> {
    async fn paired(till: &'a Served) -> Self {
        let code = till.shell.pairing.open(Instant::now());
        let paired = with_form(till.http.post(format!("{}/pair", till.base)), &[("code", &code)]).send().await.unwrap();
        assert_eq!(paired.status(), StatusCode::SEE_OTHER);
        let cookie = paired.headers()["set-cookie"].to_str().unwrap();
        Self { till, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    async fn get(&self, path: &str) -> Response {
        self.till.http.get(format!("{}{path}", self.till.base)).header("cookie", &self.cookie).send().await.unwrap()
    }

    async fn submit(&self, path: &str, form: &[(&str, &str)]) -> String {
        let request = self.till.http.post(format!("{}{path}", self.till.base)).header("cookie", &self.cookie);
        let response = with_form(request, form).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.text().await.unwrap()
    }
}

/// A form as browsers send it; nothing here needs escaping.
fn with_form(request: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
    let pairs: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
    request.header("content-type", "application/x-www-form-urlencoded").body(pairs.join("&"))
}

/// The value of a hidden field.
fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let after = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
    after.split_once('"').unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_the_page_without_a_code() {
    let till = Served::alone().await;
    for path in ["/", "/page/strip"] {
        let response = till.http.get(format!("{}{path}", till.base)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.text().await.unwrap().contains("counterfoil pair"));
    }
    till.shell.pairing.open(Instant::now());
    let wrong = with_form(till.http.post(format!("{}/pair", till.base)), &[("code", "x")]).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let browser = Browser::paired(&till).await;
    let home = browser.get("/").await;
    assert_eq!(home.status(), StatusCode::OK);
    let policy = home.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let page = home.text().await.unwrap();
    assert!(page.contains("autofocus") && page.contains("Corner Shop, till 1"));
    let foreign = till
        .http
        .post(format!("{}/page/lookup", till.base))
        .header("cookie", &browser.cookie)
        .header("origin", "https://evil.example");
    let foreign = with_form(foreign, &[("identifier", CARD)]).send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    for file in ["/page.css", "/page.js"] {
        assert_eq!(browser.get(file).await.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cashier_finds_a_member_and_redeems_once() {
    let hub = FakeHub::start(1_100).await;
    let till = Served::with_hub(&hub).await;
    let browser = Browser::paired(&till).await;
    let page = browser.submit("/page/lookup", &[("identifier", CARD)]).await;
    assert!(page.contains("Ann") && page.contains("1100") && page.contains("Redeem: 5.00 off"), "{page}");
    assert!(page.contains("Connected to head office"));
    let form = [
        ("member_id", field(&page, "member_id")),
        ("reward_id", field(&page, "reward_id")),
        ("key", field(&page, "key")),
    ];
    for _ in 0..2 {
        let done = browser.submit("/page/redeem", &form).await;
        assert!(done.contains("Done: 500 points were used"), "{done}");
        assert!(done.contains("600"), "a second click is the same redemption: {done}");
    }
    assert_eq!(till.shell.engine.progress().head.position, 1);
    let nobody = browser.submit("/page/lookup", &[("identifier", "000")]).await;
    assert!(nobody.contains("Nobody has this card"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_read_out_in_words() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    let browser = Browser::paired(&till).await;
    hub.set(Mode::Silent);
    let page = browser.submit("/page/lookup", &[("identifier", CARD)]).await;
    let form = [("member_id", field(&page, "member_id")), ("reward_id", "five-off"), ("key", "k")];
    let refused = browser.submit("/page/redeem", &form).await;
    assert!(refused.contains("0 of 600 points can be used here now"), "{refused}");
    assert!(refused.contains("No connection to head office"));
    for word in ["spend rights", "incarnation", "409", "problem"] {
        assert!(!refused.contains(word), "{word}");
    }
}

fn basket(amount: i64) -> Value {
    json!({ "member": { "identifier": CARD }, "purse": "points", "amount": amount, "sale_ref": "b1", "reserve": true })
}

/// The part of a page after these words: where the buttons that belong to them are.
fn after<'a>(page: &'a str, words: &str) -> &'a str {
    page.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {page}")).1
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_redeemed_last_is_undone_after_a_question() {
    let hub = FakeHub::start(1_100).await;
    let till = Served::with_hub(&hub).await;
    let browser = Browser::paired(&till).await;
    let page = browser.submit("/page/lookup", &[("identifier", CARD)]).await;
    assert!(!page.contains("Undo…"), "nothing was redeemed yet");
    let form = [("member_id", field(&page, "member_id")), ("reward_id", "five-off"), ("key", "k1")];
    let page = browser.submit("/page/redeem", &form).await;
    assert!(page.contains("Redeemed last here") && page.contains("5.00 off (500 points)"), "{page}");
    let buttons = after(&page, "/page/undo");
    let form = [("member_id", field(buttons, "member_id")), ("redemption_id", field(buttons, "redemption_id"))];
    let question = browser.submit("/page/undo", &form).await;
    assert!(question.contains("Give back what Ann redeemed: 5.00 off (500 points)?"), "{question}");
    assert_eq!(question.matches("autofocus").count(), 1, "Enter says yes: {question}");
    assert_eq!(till.shell.engine.progress().head.position, 1, "a question undoes nothing");
    let yes = after(&question, "/page/reverse");
    let form = [
        ("member_id", field(yes, "member_id")),
        ("redemption_id", field(yes, "redemption_id")),
        ("key", field(yes, "key")),
    ];
    for _ in 0..2 {
        let done = browser.submit("/page/reverse", &form).await;
        assert!(done.contains("Undone: 500 points are given back") && done.contains("1100"), "{done}");
        assert!(!done.contains("Undo…"), "it is undone");
    }
    assert_eq!(till.shell.engine.progress().head.position, 2, "once");
    let stale = browser.submit("/page/undo", &form[..2]).await;
    assert!(stale.contains("1100"), "{stale}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_a_basket_is_shown_and_let_go() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    let browser = Browser::paired(&till).await;
    assert_eq!(answer(till.post("/v1/redemptions", &basket(500))).await.0, StatusCode::CREATED);
    let page = browser.submit("/page/lookup", &[("identifier", CARD)]).await;
    assert!(page.contains("Kept for the basket being rung up: 500 points"), "{page}");
    let buttons = after(&page, "/page/cancel");
    let form = [
        ("member_id", field(buttons, "member_id")),
        ("redemption_id", field(buttons, "redemption_id")),
        ("key", field(buttons, "key")),
    ];
    let page = browser.submit("/page/cancel", &form).await;
    assert!(page.contains("Let go: nothing was used.") && !page.contains("Kept for the basket"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_without_head_office_is_said_in_words() {
    let hub = FakeHub::start_with(PROGRAM_WITH_FLOOR, 900).await;
    let till = Served::with_hub(&hub).await;
    let browser = Browser::paired(&till).await;
    // So that 400 are held here.
    let (_, kept) = answer(till.post("/v1/redemptions", &basket(400))).await;
    let path = format!("/v1/redemptions/{}/cancel", kept["redemption_id"].as_str().unwrap());
    assert_eq!(answer(till.post(&path, &json!({}))).await.0, StatusCode::CREATED);
    hub.set(Mode::Silent);
    let page = browser.submit("/page/lookup", &[("identifier", CARD)]).await;
    assert!(page.contains("400 can be used here now"), "{page}");
    let form = [("member_id", field(&page, "member_id")), ("reward_id", "five-off"), ("key", "k1")];
    let done = browser.submit("/page/redeem", &form).await;
    assert!(done.contains("Done: 500 points were used"), "{done}");
    assert!(done.contains("given without asking head office"), "{done}");
    for word in ["floor", "rights", "granted", "incarnation"] {
        assert!(!after(&done, "<main>").contains(word), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_put_back_says_so_in_a_sentence() {
    let hub = FakeHub::start(600).await;
    let till = Served::with_hub(&hub).await;
    let browser = Browser::paired(&till).await;
    hub.set(Mode::Behind);
    let mut link = till.shell.link.subscribe();
    let sale = json!({ "receipt_number": "1", "occurred_at": jiff::Timestamp::now().to_string(), "currency": "GBP",
        "total": 100, "lines": [{ "description": "TEA", "amount": 100 }] });
    assert_eq!(answer(till.post("/v1/sales", &sale)).await.0, StatusCode::CREATED);
    link.wait_for(|state| state.refused().is_some()).await.unwrap();
    let page = browser.get("/").await.text().await.unwrap();
    assert!(page.contains("Nothing can be redeemed at this till now: it was put back from an older copy."), "{page}");
    assert!(page.contains("It puts itself right as soon as head office answers."));
    hub.set(Mode::Succeeds);
    link.wait_for(|state| state.made_whole_ms.is_some()).await.unwrap();
    let page = browser.get("/").await.text().await.unwrap();
    assert!(page.contains("head office brought it up to date") && !page.contains("Nothing can be redeemed"), "{page}");
    for word in ["incarnation", "succession", "journal", "marker"] {
        assert!(!page.contains(word), "{word}");
    }
}
