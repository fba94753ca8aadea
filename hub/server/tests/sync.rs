//! A till's requests over HTTP in process: enrolment, the signed feed, and a long poll that ends when there is
//! something to tell.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod support;

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use counterfoil_protocol::record::Head;
use counterfoil_protocol::wire::http::{RequestHeaders, SIGNATURE_HEADER, parse_signature};
use counterfoil_protocol::wire::sign::{PublicKey, answer_text, request_text, sign};
use counterfoil_protocol::wire::v1::enrol::{EnrolAnswer, EnrolRequest, EnrolmentCode};
use counterfoil_protocol::wire::v1::feed::{Change, Page};
use counterfoil_protocol::wire::v1::grant::{Refusal, RefusalKind};
use ed25519_dalek::SigningKey;
use serde_json::json;
use support::{Answer, Office};

struct Till {
    key: SigningKey,
    epoch: u64,
    root: PublicKey,
}

impl Till {
    async fn enrol(office: &Office, store: &str) -> Self {
        let api_key = office.key(&["terminals:write"]);
        let settings = json!({ "time_zone": "Europe/London", "currency": "GBP" }).to_string();
        office.call("PUT", &format!("/v1/stores/{store}"), &api_key, Some(&settings), &[]).await;
        let invited = office.post("/v1/terminals/invite", &api_key, &json!({ "store": store, "lane": "1" })).await;
        let code = EnrolmentCode::parse(invited.json()["code"].as_str().unwrap()).unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let request = EnrolRequest { secret: code.secret, public_key: PublicKey::of(&key), agent_version: "0".into() };
        let mut till = Self { key, epoch: 0, root: PublicKey([0; 32]) };
        let answer = till.send(office, "POST", "/v1/terminals/enroll", minicbor::to_vec(&request).unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let enrolled: EnrolAnswer = minicbor::decode(&answer.body).unwrap();
        assert_eq!(enrolled.root_key.fingerprint(), code.root_fingerprint);
        enrolled.root_key.verify(&enrolled.signed_text(), &enrolled.signature.unwrap()).unwrap();
        (till.epoch, till.root) = (enrolled.epoch, enrolled.root_key);
        till
    }

    /// Sends a signed request; past enrolment every answer must carry the root key's signature.
    async fn send(&self, office: &Office, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let incarnation = PublicKey::of(&self.key).incarnation();
        let head = Head::start(incarnation);
        let text = request_text(method, path, &body, self.epoch, incarnation, &head);
        let headers = RequestHeaders { incarnation, epoch: self.epoch, head, signature: sign(&self.key, &text) };
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers.to_pairs() {
            request = request.header(name, value);
        }
        let answer = office.send(request.body(Body::from(body)).unwrap()).await;
        if self.epoch > 0 {
            let signature = answer.headers.get(SIGNATURE_HEADER).unwrap().to_str().unwrap();
            let signed = answer_text(&text, answer.status.as_u16(), &answer.body);
            self.root.verify(&signed, &parse_signature(signature).unwrap()).unwrap();
        }
        answer
    }

    async fn page(&self, office: &Office, after: &str, wait_ms: u64) -> Page {
        let path = format!("/v1/sync/feed?after={after}&wait={wait_ms}");
        let answer = self.send(office, "GET", &path, Vec::new()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        minicbor::decode(&answer.body).unwrap()
    }

    async fn read_to_the_end(&self, office: &Office) -> String {
        let mut cursor = String::new();
        loop {
            let page = self.page(office, &cursor, 0).await;
            cursor = page.cursor;
            if !page.more && page.changes.is_empty() {
                return cursor;
            }
        }
    }
}

#[tokio::test]
async fn a_long_poll_ends_when_another_process_changes_something() {
    let office = Office::open();
    let till = Till::enrol(&office, "s1").await;
    let cursor = till.read_to_the_end(&office).await;
    let started = Instant::now();
    let change = async {
        let draft = counterfoil_hub::core::MemberDraft { identifiers: vec!["42".into()], ..Default::default() };
        office.place.open().unwrap().create_member(&draft, None, [1; 32], 1_700_000_000_000).unwrap();
    };
    let (page, ()) = tokio::join!(till.page(&office, &cursor, 20_000), change);
    assert!(page.changes.iter().any(|change| matches!(change, Change::Identity(_))), "{:?}", page.changes);
    assert!(started.elapsed() < Duration::from_secs(10), "the poll sat out its time");
}

#[tokio::test]
async fn a_long_poll_ends_empty_when_its_time_is_over_or_the_hub_stops() {
    let office = Office::open();
    let till = Till::enrol(&office, "s1").await;
    let cursor = till.read_to_the_end(&office).await;
    let started = Instant::now();
    assert!(till.page(&office, &cursor, 200).await.changes.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(200));
    let stop = async { office.running.state.stopping.cancel() };
    let (page, ()) = tokio::join!(till.page(&office, &cursor, 20_000), stop);
    assert!(page.changes.is_empty() && started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_request_of_nobody_is_refused() {
    let office = Office::open();
    let till = Till::enrol(&office, "s1").await;
    let stranger = Till { key: SigningKey::from_bytes(&[8; 32]), epoch: 1, root: till.root };
    let answer = stranger.send(&office, "GET", "/v1/sync/feed?after=&wait=0", Vec::new()).await;
    let refusal: Refusal = minicbor::decode(&answer.body).unwrap();
    assert_eq!((answer.status.as_u16(), refusal.kind), (401, RefusalKind::NotAuthentic), "{}", refusal.detail);
}
