//! A head office of one page: one program, one member, units to grant. It can fall silent.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use counterfoil_protocol::entry::{Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EntryId, Holder, MemberId};
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::limits::SHARED_BUCKET;
use counterfoil_protocol::program::Program;
use counterfoil_protocol::record::{Chain, Head, Record};
use counterfoil_protocol::wire::http::{
    ENROL_PATH, FEED_PATH, GRANTS_PATH, PUSH_PATH, REPORT_PATH, RequestHeaders, SIGNATURE_HEADER, SUCCEED_PATH,
    signature_text,
};
use counterfoil_protocol::wire::sign::{PublicKey, answer_text, request_text, sign};
use counterfoil_protocol::wire::v1::enrol::{EnrolAnswer, EnrolRequest, EnrolmentCode};
use counterfoil_protocol::wire::v1::epoch::{EpochAnswer, EpochReport, KnownLife};
use counterfoil_protocol::wire::v1::feed::{
    Change, Cursor, HubEntry, IdentityRow, MemberState, MemberStatus, Page, PublishedProgram, PurseState,
};
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, PushAnswer, Refusal, RefusalKind, Want};
use counterfoil_protocol::wire::v1::segment::Segment;
use counterfoil_protocol::wire::v1::succession::{SuccessionAnswer, SuccessionRequest};
use ed25519_dalek::SigningKey;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::{CARD, PROGRAM_KEY, root_key};

pub const PROGRAM: &str = r#"
program = "corner-club"
currency = "GBP"
time_zone = "Europe/London"

[purse.points]
kind = "points"
spend_fresh = true

[[earn]]
id = "base"
purse = "points"
award = { every = 100, give = 1 }
reason = "1 point for each pound"

[[reward]]
id = "five-off"
title = "5.00 off"
cost = { purse = "points", amount = 500 }
benefit = { kind = "discount", amount = 500 }
"#;

/// The same, where a till that is cut off may give a little more than it holds.
pub const PROGRAM_WITH_FLOOR: &str = r#"
program = "corner-club"
currency = "GBP"
time_zone = "Europe/London"

[purse.points]
kind = "points"
spend_fresh = true

[[earn]]
id = "base"
purse = "points"
award = { every = 100, give = 1 }
reason = "1 point for each pound"

[[reward]]
id = "five-off"
title = "5.00 off"
cost = { purse = "points", amount = 500 }
benefit = { kind = "discount", amount = 500 }

[offline.floor]
points = { redemption = 200, member = 300, till_soft = 250, till_hard = 400 }
"#;

const CODE_SECRET: [u8; 10] = [5; 10];

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As it should.
    Answer,
    /// Takes requests and never answers.
    Silent,
    /// Answers grants unsigned.
    Unsigned,
    /// Says that it knows more of this till's journal than the till.
    Behind,
    /// The same of the life the till began with; gives it the next one when asked.
    Succeeds,
    /// Takes no journal, and answers everything else.
    RefusesPushes,
}

pub struct FakeHub {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    root: SigningKey,
    mode: watch::Sender<Mode>,
    book: Mutex<Book>,
    records: watch::Sender<u64>,
    pages: watch::Sender<u64>,
    grants_asked: watch::Sender<u64>,
    /// Its epoch; a new one is as after a restored backup.
    epoch: watch::Sender<u64>,
    /// Parts of reports taken.
    reports: watch::Sender<u64>,
    program: &'static str,
    changed: Notify,
}

struct Book {
    hub_held: i64,
    granted: Vec<HubEntry>,
    acknowledged: u64,
    chain: Chain,
    /// What the till's own entries added to the member's units.
    till_units: i64,
    till: PublicKey,
}

impl FakeHub {
    /// A hub whose member has so many points, all held at head office.
    pub async fn start(hub_held: i64) -> Self {
        Self::start_with(PROGRAM, hub_held).await
    }

    /// The same under a program of its own.
    pub async fn start_with(program: &'static str, hub_held: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let till = PublicKey::of(&SigningKey::from_bytes(&[2; 32]));
        let shared = Arc::new(Shared {
            root: root_key(),
            mode: watch::Sender::new(Mode::Answer),
            book: Mutex::new(Book {
                hub_held,
                granted: vec![],
                acknowledged: 0,
                chain: Chain::of(&[]),
                till_units: 0,
                till,
            }),
            records: watch::Sender::new(0),
            pages: watch::Sender::new(0),
            grants_asked: watch::Sender::new(0),
            epoch: watch::Sender::new(1),
            reports: watch::Sender::new(0),
            program,
            changed: Notify::new(),
        });
        let service = Router::new().fallback(any(handle)).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An enrolment code of this hub.
    pub fn code(&self) -> String {
        let root_fingerprint = PublicKey::of(&self.shared.root).fingerprint();
        EnrolmentCode { secret: CODE_SECRET, root_fingerprint }.to_text()
    }

    pub fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// The till asked again after the first page: it has applied it.
    pub async fn first_page_applied(&self) {
        self.shared.pages.subscribe().wait_for(|count| *count >= 2).await.unwrap();
    }

    pub async fn records_at_least(&self, position: u64) {
        self.shared.records.subscribe().wait_for(|known| *known >= position).await.unwrap();
    }

    /// As if it had been restored from a backup that has everything: a new epoch.
    pub fn begin_epoch(&self, epoch: u64) {
        self.shared.epoch.send_replace(epoch);
        self.shared.changed.notify_waiters();
    }

    pub async fn reported(&self) {
        self.shared.reports.subscribe().wait_for(|parts| *parts > 0).await.unwrap();
    }

    pub fn grants_asked(&self) -> u64 {
        *self.shared.grants_asked.borrow()
    }
}

pub fn member() -> MemberId {
    Identifier::parse(CARD).unwrap().member_id(&PROGRAM_KEY)
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().unwrap().as_str().to_owned();
    let said = RequestHeaders::parse(|name| headers.get(name)?.to_str().ok()).unwrap();
    let text = request_text(method.as_str(), &path, &body, said.epoch, said.incarnation, &said.head);
    if uri.path() == GRANTS_PATH {
        shared.grants_asked.send_modify(|count| *count += 1);
    }
    let mode = *shared.mode.borrow();
    if mode == Mode::Silent {
        std::future::pending::<()>().await;
    }
    let (status, answer) = if let Some(refusal) = shared.refusal(mode, uri.path(), &said) {
        (StatusCode::CONFLICT, minicbor::to_vec(&refusal).unwrap())
    } else {
        let answer = match uri.path() {
            PUSH_PATH => minicbor::to_vec(shared.push(&body, &said)).unwrap(),
            FEED_PATH => minicbor::to_vec(shared.feed(uri.query().unwrap()).await).unwrap(),
            GRANTS_PATH => minicbor::to_vec(shared.grant(&body, &said)).unwrap(),
            ENROL_PATH => minicbor::to_vec(shared.enrol(&body)).unwrap(),
            SUCCEED_PATH => minicbor::to_vec(shared.succeed(&body, &said)).unwrap(),
            REPORT_PATH => minicbor::to_vec(shared.report(&body, &said)).unwrap(),
            other => panic!("{other}"),
        };
        (StatusCode::OK, answer)
    };
    // It may have fallen silent while it held a long poll.
    if *shared.mode.borrow() == Mode::Silent {
        std::future::pending::<()>().await;
    }
    let signature = sign(&shared.root, &answer_text(&text, status.as_u16(), &answer));
    let mut response = (status, [(header::CONTENT_TYPE, "application/cbor")], answer).into_response();
    if !(mode == Mode::Unsigned && uri.path() == GRANTS_PATH) {
        response.headers_mut().insert(SIGNATURE_HEADER, signature_text(&signature).parse().unwrap());
    }
    response
}

impl Shared {
    fn refusal(&self, mode: Mode, path: &str, said: &RequestHeaders) -> Option<Refusal> {
        let refusal = |kind, detail: &str| Refusal {
            kind,
            detail: detail.into(),
            known_position: None,
            epoch: None,
            signature: None,
        };
        let epoch = *self.epoch.borrow();
        let is_first_life = said.incarnation == PublicKey::of(&SigningKey::from_bytes(&[2; 32])).incarnation();
        match mode {
            _ if said.epoch != epoch && path != ENROL_PATH => {
                Some(Refusal { epoch: Some(epoch), ..refusal(RefusalKind::Epoch, "head office was restored") })
            }
            Mode::Succeeds if path == SUCCEED_PATH || !is_first_life => None,
            Mode::Behind | Mode::Succeeds => Some(Refusal {
                known_position: Some(said.head.position + 5),
                ..refusal(RefusalKind::Behind, "head office knows more of this journal")
            }),
            Mode::RefusesPushes if path == PUSH_PATH => {
                Some(refusal(RefusalKind::Version, "this till's journal is newer than head office"))
            }
            _ => None,
        }
    }

    /// Settles the life that asks where this hub has it.
    fn succeed(&self, body: &[u8], said: &RequestHeaders) -> SuccessionAnswer {
        let request: SuccessionRequest = minicbor::decode(body).unwrap();
        request.verify().unwrap();
        assert_eq!(request.before, said.incarnation, "the life that ends signs");
        let mut book = self.book.lock().unwrap();
        let settled = Head { position: book.acknowledged, chain: request.branch.chain };
        book.till = request.public_key;
        book.acknowledged = 0;
        let enrolment = super::enrolment("http://unused");
        let mut answer = SuccessionAnswer {
            terminal: enrolment.terminal,
            lane: enrolment.lane,
            store: enrolment.store,
            before: request.before,
            settled,
            incarnation: request.public_key.incarnation(),
            number: 2,
            epoch: *self.epoch.borrow(),
            hub_time_ms: now_ms(),
            signature: None,
        };
        answer.signature = Some(sign(&self.root, &answer.signed_text()));
        answer
    }

    fn report(&self, body: &[u8], said: &RequestHeaders) -> EpochAnswer {
        let report: EpochReport = minicbor::decode(body).unwrap();
        assert_eq!(report.lives.last().map(|life| life.proof.incarnation()), Some(said.incarnation));
        self.reports.send_modify(|parts| *parts += 1);
        let book = self.book.lock().unwrap();
        let head = Head { position: book.acknowledged, chain: book.chain };
        let known = report.lives.iter().map(|life| KnownLife { incarnation: life.proof.incarnation(), head }).collect();
        EpochAnswer { epoch: *self.epoch.borrow(), known, complete: report.last, hub_time_ms: now_ms() }
    }

    /// The same code with the same key gets the same answer.
    fn enrol(&self, body: &[u8]) -> EnrolAnswer {
        let request: EnrolRequest = minicbor::decode(body).unwrap();
        assert_eq!(request.secret, CODE_SECRET);
        self.book.lock().unwrap().till = request.public_key;
        enrolled(&self.root, request.public_key)
    }

    fn push(&self, body: &[u8], said: &RequestHeaders) -> PushAnswer {
        let till = self.book.lock().unwrap().till;
        assert_eq!(till.incarnation(), said.incarnation);
        let records = Segment::from_bytes(body).unwrap().verify(&till).unwrap();
        let mut book = self.book.lock().unwrap();
        let known = book.acknowledged;
        for record in records.iter().filter(|record| record.position > known) {
            let entries = Record::from_bytes(&record.bytes).unwrap().entries;
            let author = Holder::Terminal(said.incarnation);
            book.till_units += entries.iter().map(|entry| entry.balance_change(author).unwrap()).sum::<i64>();
        }
        let last = records.last().unwrap();
        if last.position > known {
            (book.acknowledged, book.chain) = (last.position, last.chain);
        }
        self.records.send_replace(book.acknowledged);
        PushAnswer { acknowledged: book.acknowledged, hub_time_ms: now_ms(), known: None }
    }

    async fn feed(&self, query: &str) -> Page {
        self.pages.send_modify(|count| *count += 1);
        let epoch = *self.epoch.borrow();
        let mut cursor = Cursor::start(epoch);
        cursor.positions[usize::from(SHARED_BUCKET)] = 1;
        let cursor = cursor.to_text();
        let changes = if query.starts_with("after=&") { self.first_page() } else { vec![] };
        let wait_ms: u64 = query.rsplit_once("wait=").unwrap().1.parse().unwrap();
        if changes.is_empty() && wait_ms > 0 {
            // Held until something changes, or the hub falls silent.
            self.changed.notified().await;
        }
        let acknowledged = self.book.lock().unwrap().acknowledged;
        Page { cursor, epoch, includes_position: acknowledged, changes, more: false, hub_time_ms: now_ms() }
    }

    fn first_page(&self) -> Vec<Change> {
        let json = Program::from_toml(self.program).unwrap().to_json();
        let signature = sign(&self.root, &PublishedProgram::signed_text(1, 0, &json));
        vec![
            Change::Program(PublishedProgram { version: 1, effective_ms: 0, json, signature }),
            Change::Identity(identity()),
            Change::State(self.state()),
        ]
    }

    fn state(&self) -> MemberState {
        let book = self.book.lock().unwrap();
        let granted: i64 = book.granted.iter().map(|grant| grant.entry.units).sum();
        MemberState {
            member: member(),
            status: MemberStatus::Active,
            display_name: Some("Ann".into()),
            tier: None,
            purses: vec![PurseState {
                purse: "points".into(),
                lot: Lot::default(),
                units: book.hub_held + granted + book.till_units,
            }],
            debts: vec![],
            visits: 3,
            since: None,
            tags: vec![],
            as_of_ms: now_ms(),
        }
    }

    fn grant(&self, body: &[u8], said: &RequestHeaders) -> GrantAnswer {
        let request: GrantRequest = minicbor::decode(body).unwrap();
        let state = self.state();
        let held = request.holdings.iter().find(|had| had.purse == "points").map_or(0, |had| had.held);
        let mut book = self.book.lock().unwrap();
        let target = match request.want {
            Want::LookUp => held,
            Want::Level { target, .. } => target,
        };
        let units = (target - held).clamp(0, book.hub_held);
        if units > 0 {
            book.hub_held -= units;
            let id =
                EntryId::Hub { epoch: 1, bucket: member().bucket(), sequence: book.granted.len() as u64 + 1, index: 0 };
            let entry = Entry {
                kind: EntryKind::Grant,
                member: member(),
                purse: "points".into(),
                lot: Lot::default(),
                units,
                to: Some(Holder::Terminal(said.incarnation)),
                debt: None,
            };
            let signature = sign(&self.root, &HubEntry::signed_text(id, &entry));
            book.granted.push(HubEntry { id, entry, signature });
        }
        GrantAnswer {
            request_id: request.request_id,
            identity: Some(identity()),
            state: Some(state),
            includes_position: book.acknowledged,
            grants: book.granted.clone(),
            hub_time_ms: now_ms(),
        }
    }
}

/// What this hub answers to an enrolment with this key.
pub fn proof(key: &SigningKey) -> EnrolAnswer {
    enrolled(&root_key(), PublicKey::of(key))
}

fn enrolled(root: &SigningKey, till: PublicKey) -> EnrolAnswer {
    let enrolment = super::enrolment("http://unused");
    let mut answer = EnrolAnswer {
        terminal: enrolment.terminal,
        lane: enrolment.lane,
        store: enrolment.store,
        incarnation: till.incarnation(),
        epoch: 1,
        root_key: PublicKey::of(root),
        root_certificate: enrolment.root_certificate,
        program_key: PROGRAM_KEY,
        signature: None,
    };
    answer.signature = Some(sign(root, &answer.signed_text()));
    answer
}

fn identity() -> IdentityRow {
    IdentityRow {
        identifier: Identifier::parse(CARD).unwrap().hash(&PROGRAM_KEY),
        member: Some(member()),
        status: MemberStatus::Active,
        tier: None,
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
