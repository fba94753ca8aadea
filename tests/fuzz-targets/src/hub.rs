//! Targets for what reaches head office: any request, and any records that an enrolled till signed.
//!
//! The journal is made durable before it is judged, so whatever a till writes, head office must take it, post what
//! may be posted, list the rest, and keep books that check.

use std::sync::OnceLock;

use counterfoil_hub::core::{Hub, MemberDraft, StoreDraft, SyncAnswer};
use counterfoil_protocol::limits::RECORD_BYTES_MAX;
use counterfoil_protocol::program::Program;
use counterfoil_protocol::record::{Head, chain_next};
use counterfoil_protocol::session::hub::SignedRequest;
use counterfoil_protocol::wire::http::{ENROL_PATH, FEED_PATH, GRANTS_PATH, PUSH_PATH, RequestHeaders};
use counterfoil_protocol::wire::sign::{PublicKey, answer_text, request_text, sign};
use counterfoil_protocol::wire::v1::enrol::EnrolRequest;
use counterfoil_protocol::wire::v1::feed::Page;
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, PushAnswer, Refusal, Subject, Want};
use counterfoil_protocol::wire::v1::segment::{Committed, Segment};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;

use crate::devices::scratch;
use crate::{choice, seeds};

const RECORD_COUNT_MAX: usize = 64;

/// A head office over a file in memory, which goes with the folder.
struct Office {
    hub: Hub,
    _dir: tempfile::TempDir,
}

fn open(path: &std::path::Path) -> Connection {
    Connection::open(path).expect("a database in a scratch folder")
}

/// The database of a head office with a program, a member, an enrolled till and one open invitation.
fn template() -> &'static [u8] {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let dir = scratch();
        let path = dir.path().join("hub.db");
        let now_ms = seeds::NOON_MS;
        let seed = seeds::root().to_bytes();
        let mut hub = Hub::create(open(&path), seed, seeds::PROGRAM_KEY, 1, "-- a certificate --".into())
            .expect("a head office is made");
        hub.put_store("north", &StoreDraft::default(), now_ms).expect("a store");
        let program = Program::from_toml(seeds::PROGRAM).expect("the example program is sound").to_json();
        hub.publish_program(&program, 0, now_ms).expect("a program");
        let draft = MemberDraft { identifiers: vec![seeds::CARD.into()], ..MemberDraft::default() };
        hub.create_member(&draft, None, [1; 32], now_ms).expect("a member");
        for (key, secret) in [(seeds::till_signing_key(), [7; 10]), (seeds::stranger(), [8; 10])] {
            hub.invite("north", &secret[0].to_string(), secret, now_ms, 3_600_000, false).expect("an invitation");
            if secret == [7; 10] {
                let ask = EnrolRequest { secret, public_key: PublicKey::of(&key), agent_version: "0.1.0".into() };
                let body = minicbor::to_vec(&ask).expect("encoding into memory cannot fail");
                assert_eq!(enrol(&mut hub, &key, &body).status, 200, "the till is taken in");
            }
        }
        drop(hub);
        // Closing wrote the log back, so the file is all there is.
        std::fs::read(&path).expect("the database is there")
    })
}

impl Office {
    fn new() -> Self {
        let dir = scratch();
        let path = dir.path().join("hub.db");
        std::fs::write(&path, template()).expect("a scratch folder takes a small file");
        let hub = Hub::open(open(&path), seeds::root().to_bytes()).expect("the copy opens");
        Self { hub, _dir: dir }
    }

    /// Asks as the enrolled till; the answer is signed, and never that head office failed.
    fn ask(&mut self, method: &str, path: &str, body: &[u8], head: Head) -> SyncAnswer {
        let (key, incarnation) = (seeds::till_signing_key(), seeds::till_key().incarnation());
        let text = request_text(method, path, body, 1, incarnation, &head);
        let signature = sign(&key, &text);
        let request = SignedRequest { method, path, body, epoch: 1, incarnation, head, signature };
        let answer = self.hub.sync(&request, seeds::NOON_MS);
        let signed = answer_text(&text, answer.status, &answer.body);
        let signature = answer.signature.expect("every answer is signed");
        self.hub.root_key().verify(&signed, &signature).expect("with the root key");
        check_answer(&answer);
        answer
    }

    fn check(&self) {
        assert!(self.hub.trial_balance().expect("the books can be read").is_zero(), "the trial balance is zero");
        assert_eq!(self.hub.holders_agree().expect("the books can be read"), Vec::<String>::new(), "holders agree");
        assert_eq!(self.hub.verify().expect("the books can be read").findings, Vec::<String>::new(), "all checks");
    }
}

fn check_answer(answer: &SyncAnswer) {
    if answer.status != 200 {
        let refusal: Refusal = minicbor::decode(&answer.body).expect("a refusal can be read");
        assert_ne!(answer.status, 503, "a till's bytes make head office fail: {}", refusal.detail);
    }
}

fn enrol(hub: &mut Hub, key: &SigningKey, body: &[u8]) -> SyncAnswer {
    let incarnation = PublicKey::of(key).incarnation();
    let head = Head::start(incarnation);
    let signature = sign(key, &request_text("POST", ENROL_PATH, body, 0, incarnation, &head));
    hub.enrol(body, &RequestHeaders { incarnation, epoch: 0, head, signature }, seeds::NOON_MS)
}

/// Any request with a good signature. The first byte chooses: push, feed query, grants, enrolment, path.
pub fn hub_request(data: &[u8]) {
    let (way, rest) = choice(data);
    let start = Head::start(seeds::till_key().incarnation());
    let mut office = Office::new();
    let text = String::from_utf8_lossy(rest);
    match way % 5 {
        0 => drop(office.ask("POST", PUSH_PATH, rest, start)),
        1 => drop(office.ask("GET", &format!("{FEED_PATH}?{text}"), b"", start)),
        2 => drop(office.ask("POST", GRANTS_PATH, rest, start)),
        3 => check_answer(&enrol(&mut office.hub, &seeds::stranger(), rest)),
        _ => {
            let (position, path) = text.split_once('/').unwrap_or(("", &text));
            let head = Head { position: position.parse().unwrap_or(u64::MAX), ..start };
            drop(office.ask("POST", &format!("/{path}"), rest, head));
        }
    }
    office.check();
}

/// Records as an enrolled till could write and sign them: a length in two bytes, then so many bytes, again and again.
pub fn hub_records(data: &[u8]) {
    let start = Head::start(seeds::till_key().incarnation());
    let (mut head, mut committed, mut rest) = (start, Vec::new(), data);
    while let Some((length, tail)) = rest.split_first_chunk::<2>().filter(|_| committed.len() < RECORD_COUNT_MAX) {
        let length = usize::from(u16::from_le_bytes(*length)).min(tail.len()).min(RECORD_BYTES_MAX);
        let (bytes, tail) = tail.split_at(length);
        head = Head { position: head.position + 1, chain: chain_next(head.chain, bytes) };
        committed.push(Committed::read_back(head.position, bytes.to_vec(), head.chain));
        rest = tail;
    }
    let Some(segment) = Segment::build(&seeds::till_signing_key(), start, committed) else { return };
    let mut office = Office::new();
    let body = segment.to_bytes();
    for _ in 0..2 {
        let answer = office.ask("POST", PUSH_PATH, &body, head);
        let taken: PushAnswer = minicbor::decode(&answer.body).expect("what an enrolled till signed is taken");
        assert_eq!(taken.acknowledged, head.position, "all of it");
    }
    assert_eq!(office.hub.post_pending(seeds::NOON_MS).expect("posting goes on"), 0, "everything was posted");
    office.check();
    let page = office.ask("GET", &format!("{FEED_PATH}?after=&wait=0"), b"", head);
    let page: Page = minicbor::decode(&page.body).expect("the feed answers with a page");
    assert_eq!(page.includes_position, head.position, "a page says what it includes");
    let ask = GrantRequest {
        request_id: "q".into(),
        subject: Subject::Member(seeds::member()),
        want: Want::LookUp,
        holdings: Vec::new(),
        cursor: String::new(),
    };
    let ask = minicbor::to_vec(&ask).expect("encoding into memory cannot fail");
    let answer = office.ask("POST", GRANTS_PATH, &ask, head);
    let _: GrantAnswer = minicbor::decode(&answer.body).expect("rights are answered");
    office.check();
}
