//! A head office in memory and a till without an engine: whatever it is told to record, it signs and sends.

use counterfoil_protocol::day::DayClose;
use counterfoil_protocol::entry::{Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, Holder, IncarnationId, MemberId};
use counterfoil_protocol::identifier::{Identifier, ProgramKey};
use counterfoil_protocol::program::MemberInputs;
use counterfoil_protocol::record::{
    Award, Body, Head, RECORD_VERSION, Record, RedemptionRecord, Rights, RuleUnits, SaleRecord, Source,
    SuccessionRecord, chain_next,
};
use counterfoil_protocol::sale::{Line, Sale};
use counterfoil_protocol::session::hub::SignedRequest;
use counterfoil_protocol::succession::record_again;
use counterfoil_protocol::wire::http::{ENROL_PATH, FEED_PATH, GRANTS_PATH, PUSH_PATH, RequestHeaders, SUCCEED_PATH};
use counterfoil_protocol::wire::sign::{PublicKey, answer_text, request_text, sign};
use counterfoil_protocol::wire::v1::enrol::{EnrolAnswer, EnrolRequest, EnrolmentCode};
use counterfoil_protocol::wire::v1::feed::Page;
use counterfoil_protocol::wire::v1::grant::{
    GrantAnswer, GrantRequest, Holding, PushAnswer, Refusal, RefusalKind, Subject, Want,
};
use counterfoil_protocol::wire::v1::segment::{Committed, Segment};
use counterfoil_protocol::wire::v1::succession::{SuccessionAnswer, SuccessionRequest};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;

use super::super::{Faults, Hub, MemberDraft, StoreDraft, SyncAnswer};

/// 2026-11-24 12:00 UTC.
pub const NOON_MS: i64 = 1_795_521_600_000;
pub const PROGRAM_KEY: ProgramKey = ProgramKey([7; 32]);
pub const PROGRAM: &str = r#"{ "program": "club", "currency": "GBP", "time_zone": "Europe/London",
    "purse": { "points": { "kind": "points", "spend_fresh": true } },
    "earn": [ { "id": "base", "purse": "points", "award": { "every": 100, "give": 1 } } ],
    "reward": [ { "id": "two", "title": "2.00 off", "cost": { "purse": "points", "amount": 200 },
                  "benefit": { "kind": "discount", "amount": 200 } },
                { "id": "five", "title": "5.00 off", "cost": { "purse": "points", "amount": 500 },
                  "benefit": { "kind": "discount", "amount": 500 } } ] }"#;

pub fn hub() -> Hub {
    // The directory goes at once; SQLite keeps the files it has open.
    let dir = tempfile::tempdir().unwrap();
    hub_at(&dir.path().join("hub.db"))
}

pub fn hub_at(path: &std::path::Path) -> Hub {
    let conn = Connection::open(path).unwrap();
    let mut hub = Hub::create(conn, [9; 32], PROGRAM_KEY, 1, "-- a certificate --".into()).unwrap();
    hub.put_store("north", &StoreDraft::default(), NOON_MS).unwrap();
    hub.publish_program(PROGRAM, 0, NOON_MS).unwrap();
    hub
}

pub fn card(number: u32) -> String {
    format!("98260000{number:05}")
}

pub fn member(hub: &mut Hub, number: u32) -> MemberId {
    let draft = MemberDraft {
        display_name: Some(format!("Member {number}")),
        identifiers: vec![card(number)],
        ..MemberDraft::default()
    };
    let made = hub.create_member(&draft, None, [u8::try_from(number % 251).unwrap(); 32], NOON_MS).unwrap();
    let id = made.answer.member_id.parse().unwrap();
    assert_eq!(id, Identifier::parse(&card(number)).unwrap().member_id(&PROGRAM_KEY));
    id
}

pub struct FakeTill {
    pub key: SigningKey,
    pub epoch: u64,
    pub records: Vec<Vec<u8>>,
    pub heads: Vec<Head>,
    pub cursor: String,
    pub root: PublicKey,
    pub lane: String,
}

impl FakeTill {
    pub fn new(hub: &Hub, seed: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let start = Head::start(PublicKey::of(&key).incarnation());
        Self {
            key,
            epoch: 1,
            records: Vec::new(),
            heads: vec![start],
            cursor: String::new(),
            root: hub.root_key(),
            lane: seed.to_string(),
        }
    }

    pub fn enrolled(hub: &mut Hub, seed: u8) -> Self {
        let till = Self::new(hub, seed);
        let code = hub.invite("north", &till.lane, [seed; 10], NOON_MS, 3_600_000, false).unwrap();
        till.enrol(hub, &code, NOON_MS).unwrap();
        till
    }

    pub fn incarnation(&self) -> IncarnationId {
        PublicKey::of(&self.key).incarnation()
    }

    pub fn holder(&self) -> Holder {
        Holder::Terminal(self.incarnation())
    }

    pub fn head(&self) -> Head {
        *self.heads.last().unwrap()
    }

    pub fn enrol(&self, hub: &mut Hub, code: &EnrolmentCode, now_ms: i64) -> Result<EnrolAnswer, Box<Refusal>> {
        let ask =
            EnrolRequest { secret: code.secret, public_key: PublicKey::of(&self.key), agent_version: "0.1.0".into() };
        let body = minicbor::to_vec(&ask).unwrap();
        let head = Head::start(self.incarnation());
        let text = request_text("POST", ENROL_PATH, &body, 0, self.incarnation(), &head);
        let signature = sign(&self.key, &text);
        let headers = RequestHeaders { incarnation: self.incarnation(), epoch: 0, head, signature };
        let answer = hub.enrol(&body, &headers, now_ms);
        self.read::<EnrolAnswer>(&text, &answer).inspect(|answer| {
            self.root.verify(&answer.signed_text(), &answer.signature.unwrap()).unwrap();
        })
    }

    fn read<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        request: &[u8],
        answer: &SyncAnswer,
    ) -> Result<T, Box<Refusal>> {
        let text = answer_text(request, answer.status, &answer.body);
        self.root.verify(&text, &answer.signature.unwrap()).expect("every answer is signed");
        if answer.status == 200 {
            Ok(minicbor::decode(&answer.body).unwrap())
        } else {
            Err(Box::new(minicbor::decode(&answer.body).unwrap()))
        }
    }

    pub fn ask<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        hub: &mut Hub,
        method: &str,
        path: &str,
        body: &[u8],
        head: Head,
    ) -> Result<T, Box<Refusal>> {
        let text = request_text(method, path, body, self.epoch, self.incarnation(), &head);
        let signature = sign(&self.key, &text);
        let (epoch, incarnation) = (self.epoch, self.incarnation());
        let request = SignedRequest { method, path, body, epoch, incarnation, head, signature };
        self.read(&text, &hub.sync(&request, NOON_MS))
    }

    /// Records `from + 1 ..= to` as a signed segment.
    pub fn segment(&self, from: usize, to: usize) -> Segment {
        let committed = (from..to)
            .map(|i| Committed::read_back(i as u64 + 1, self.records[i].clone(), self.heads[i + 1].chain))
            .collect();
        Segment::build(&self.key, self.heads[from], committed).unwrap()
    }

    pub fn push_part(&self, hub: &mut Hub, from: usize, to: usize) -> Result<u64, Box<Refusal>> {
        let body = self.segment(from, to).to_bytes();
        self.ask::<PushAnswer>(hub, "POST", PUSH_PATH, &body, self.head()).map(|answer| answer.acknowledged)
    }

    pub fn push(&self, hub: &mut Hub) -> u64 {
        if self.records.is_empty() {
            return 0;
        }
        self.push_part(hub, 0, self.records.len()).unwrap()
    }

    /// Whether the feed has nothing for this till now.
    pub fn feed_is_empty(&self, hub: &mut Hub) -> bool {
        let path = format!("{FEED_PATH}?after={}&wait=25000", self.cursor);
        let head = self.head();
        let text = request_text("GET", &path, b"", self.epoch, self.incarnation(), &head);
        let signature = sign(&self.key, &text);
        let (epoch, incarnation) = (self.epoch, self.incarnation());
        let request = SignedRequest { method: "GET", path: &path, body: b"", epoch, incarnation, head, signature };
        hub.sync(&request, NOON_MS).feed_empty
    }

    pub fn pull(&mut self, hub: &mut Hub) -> Page {
        let path = format!("{FEED_PATH}?after={}&wait=0", self.cursor);
        let page: Page = self.ask(hub, "GET", &path, b"", self.head()).unwrap();
        self.cursor.clone_from(&page.cursor);
        page
    }

    pub fn ask_grants(
        &self,
        hub: &mut Hub,
        subject: Subject,
        want: Want,
        held: i64,
        received: i64,
    ) -> Result<GrantAnswer, Box<Refusal>> {
        let request = GrantRequest {
            request_id: "q1".into(),
            subject,
            want,
            holdings: vec![Holding { purse: "points".into(), held, received }],
            cursor: self.cursor.clone(),
        };
        let body = minicbor::to_vec(&request).unwrap();
        self.ask(hub, "POST", GRANTS_PATH, &body, self.head())
    }

    pub fn record_bytes(&mut self, bytes: Vec<u8>) -> u64 {
        let before = self.head();
        let head = Head { position: before.position + 1, chain: chain_next(before.chain, &bytes) };
        self.records.push(bytes);
        self.heads.push(head);
        head.position
    }

    pub fn record(&mut self, body: Body, entries: Vec<Entry>) -> u64 {
        self.record_bytes(record(body, entries).to_bytes())
    }

    /// A sale of so many points' worth, accrued for `to`.
    pub fn sale(&mut self, receipt: u32, member: Option<MemberId>, points: i64, to: Holder) -> u64 {
        let entries = member.filter(|_| points > 0).map(|member| accrual(member, points, to)).into_iter().collect();
        self.record(sale_body(receipt, member, points), entries)
    }

    pub fn redeem(&mut self, member: MemberId, units: i64) -> u64 {
        let redemption = RedemptionRecord {
            member,
            reward: None,
            purse: "points".into(),
            units,
            rights: Rights::Held,
            sale_ref: None,
            operator: None,
        };
        let entry = Entry { to: None, kind: EntryKind::Redeem, ..accrual(member, units, Holder::Hub) };
        self.record(Body::Redemption(redemption), vec![entry])
    }

    /// Closes the day over everything from record `first` on.
    pub fn close(&mut self, first: u64, edit: impl FnOnce(&mut DayClose)) -> u64 {
        use counterfoil_protocol::day::{DayTotals, Range};
        let mut totals = DayTotals::default();
        for bytes in &self.records[usize::try_from(first).unwrap() - 1..] {
            totals.add(&Record::from_bytes(bytes).unwrap());
        }
        let to = self.head().position + 1;
        let mut close = DayClose {
            business_date: date(),
            sequence: 1,
            ranges: vec![Range { incarnation: self.incarnation(), from: first, to }],
            records: totals.records,
            sales: totals.sales,
            gross: totals.gross,
            tax: totals.tax,
            purses: totals.purse_totals(),
            chain: self.head().chain,
            pos_totals: None,
            receipt_gaps: Vec::new(),
        };
        edit(&mut close);
        self.record(Body::DayClose(close), Vec::new())
    }
}

pub fn date() -> counterfoil_protocol::time::Date {
    "2026-11-24".parse().unwrap()
}

pub fn record(body: Body, entries: Vec<Entry>) -> Record {
    Record {
        version: RECORD_VERSION,
        recorded_at_ms: NOON_MS,
        clock_suspect: false,
        business_date: date(),
        day_sequence: 1,
        program_version: Some(1),
        idempotency: None,
        body,
        entries,
        answer: None,
        origin: None,
        marks: Vec::new(),
    }
}

pub fn accrual(member: MemberId, units: i64, to: Holder) -> Entry {
    let (kind, purse, lot) = (EntryKind::Accrue, "points".to_owned(), Lot::default());
    Entry { kind, member, purse, lot, units, to: Some(to), debt: None }
}

pub fn sale_body(receipt: u32, member: Option<MemberId>, points: i64) -> Body {
    let total = points * 100;
    let rule = RuleUnits { rule: "base".into(), amount: points, reason: "1 per pound".into(), for_hub: false };
    let award = Award { purse: "points".into(), amount: points, rules: vec![rule] };
    let is_award = member.is_some() && points > 0;
    Body::Sale(Box::new(SaleRecord {
        settles: None,
        sale: Sale {
            receipt_number: format!("{receipt:06}"),
            occurred_at: "2026-11-24T12:00:00+00:00".into(),
            currency: "GBP".into(),
            total,
            lines: vec![Line { amount: total, description: Some("GOODS".into()), ..Line::default() }],
            ..Sale::default()
        },
        occurred_at_ms: NOON_MS,
        member,
        unknown_identifier: None,
        inputs: member.map(|_| MemberInputs::default()),
        awards: if is_award { vec![award] } else { Vec::new() },
        failures: Vec::new(),
        source: Source::Api,
    }))
}

/// What a holder has of a member's points, as APIs show it.
pub fn held(hub: &Hub, member: MemberId, holder: Holder) -> i64 {
    let view = hub.member(member, NOON_MS).unwrap().unwrap();
    let of = |purse: &super::super::PurseView| {
        purse.held.iter().filter(|held| held.holder == holder.to_string()).map(|held| held.units).sum::<i64>()
    };
    view.purses.iter().filter(|purse| purse.purse == "points").map(of).sum()
}

pub fn points(hub: &Hub, member: MemberId) -> (i64, i64) {
    let view = hub.member(member, NOON_MS).unwrap().unwrap();
    let purse = view.purses.iter().find(|purse| purse.purse == "points").unwrap();
    (purse.balance, purse.debt)
}

/// Everything that must hold at every moment.
pub fn assert_sound(hub: &Hub) {
    assert!(hub.trial_balance().unwrap().is_zero());
    assert_eq!(hub.holders_agree().unwrap(), Vec::<String>::new());
    assert_eq!(hub.verify().unwrap().findings, Vec::<String>::new());
}

pub fn exception_kinds(hub: &Hub) -> Vec<String> {
    let found = hub.exceptions(&super::super::ExceptionFilter::default(), None, 1_000).unwrap();
    found.items.into_iter().map(|exception| exception.kind).collect()
}

pub fn with_faults(hub: &mut Hub, edit: impl FnOnce(&mut Faults)) {
    let mut faults = Faults::default();
    edit(&mut faults);
    hub.set_faults(faults);
}

pub fn refused<T: std::fmt::Debug>(answer: Result<T, Box<Refusal>>) -> RefusalKind {
    answer.unwrap_err().kind
}

/// A backup of a head office's database.
pub fn back_up(hub: &Hub, to: &std::path::Path) {
    hub.connection().execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
}

/// A head office as its backup has it.
pub fn put_back(from: &std::path::Path) -> Hub {
    Hub::open(Connection::open(from).unwrap(), [9; 32]).unwrap()
}

impl FakeTill {
    /// Another disk with the same contents.
    pub fn image(&self) -> Self {
        let Self { key, epoch, records, heads, cursor, root, lane } = self;
        Self {
            key: key.clone(),
            epoch: *epoch,
            records: records.clone(),
            heads: heads.clone(),
            cursor: cursor.clone(),
            root: *root,
            lane: lane.clone(),
        }
    }

    /// Asks for the next life under the key of `seed`.
    pub fn ask_next(&self, hub: &mut Hub, seed: u8) -> Result<SuccessionAnswer, Box<Refusal>> {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let request = SuccessionRequest::new(self.incarnation(), self.head(), &key, "0.2.0".into());
        let body = minicbor::to_vec(&request).unwrap();
        let answer: SuccessionAnswer = self.ask(hub, "POST", SUCCEED_PATH, &body, self.head())?;
        answer.verify(&self.root).unwrap();
        Ok(answer)
    }

    /// The till as it goes on under the key of `seed`: everything after `kept` is written again.
    pub fn next_life(&self, answer: &SuccessionAnswer, seed: u8, kept: u64) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let start = Head::start(PublicKey::of(&key).incarnation());
        assert_eq!(answer.incarnation, PublicKey::of(&key).incarnation());
        let mut next = Self { key, records: Vec::new(), heads: vec![start], cursor: String::new(), ..self.image() };
        let begins = SuccessionRecord { before: self.incarnation(), branch: self.head(), settled: answer.settled };
        next.record(Body::Succession(begins), Vec::new());
        for position in kept + 1..=self.head().position {
            next.write_again(self, position);
        }
        next
    }

    /// Writes a record of an earlier life again.
    pub fn write_again(&mut self, earlier: &Self, position: u64) -> u64 {
        let index = usize::try_from(position).unwrap();
        let record = Record::from_bytes(&earlier.records[index - 1]).unwrap();
        let from = EventId { incarnation: earlier.incarnation(), position };
        self.record_bytes(record_again(record, from, earlier.heads[index].chain).to_bytes())
    }
}
