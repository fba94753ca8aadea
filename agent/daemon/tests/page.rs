//! The cashier page as a browser sees it, without scripts.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::time::Instant;

use reqwest::{RequestBuilder, Response, StatusCode};
use support::fake_hub::{FakeHub, Mode};
use support::{CARD, Served};

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
