//! Inputs to begin with, made by our own writers: what a healthy peer or device would send.

use counterfoil_drivers::captured::TenderKind as Paid;
use counterfoil_drivers::printer::demo::{DemoDocument, DemoLine, DemoReceipt};
use counterfoil_protocol::day::{DayClose, PosTotals, Range};
use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{Digest, EntryId, Holder, IncarnationId, MemberId};
use counterfoil_protocol::identifier::{Identifier, ProgramKey};
use counterfoil_protocol::program::{MemberInputs, Program};
use counterfoil_protocol::record::{
    Award, Body, CaptureGap, DocumentRecord, Head, Idempotency, Origin, PosTotalsRecord, RECORD_VERSION, Record,
    RedemptionRecord, Rights, RuleUnits, SaleRecord, Source, VoidRecord, chain_next,
};
use counterfoil_protocol::sale::{Discount, Line, MemberRef, Sale, Tender, TenderKind};
use counterfoil_protocol::time::Date;
use counterfoil_protocol::wire::http::RequestHeaders;
use counterfoil_protocol::wire::sign::{PublicKey, Sig, sign};
use counterfoil_protocol::wire::v1::enrol::{EnrolAnswer, EnrolRequest, EnrolmentCode, StoreSettings};
use counterfoil_protocol::wire::v1::feed::{
    Change, Cursor, HubEntry, IdentityRow, MemberState, MemberStatus, Page, PublishedProgram, PurseState,
};
use counterfoil_protocol::wire::v1::grant::{
    GrantAnswer, GrantRequest, Holding, PushAnswer, Refusal, RefusalKind, Subject, Want,
};
use counterfoil_protocol::wire::v1::segment::{Committed, Segment};
use ed25519_dalek::SigningKey;

/// 2026-11-24 12:00 UTC.
pub const NOON_MS: i64 = 1_795_521_600_000;
/// A program with every kind of rule.
pub const PROGRAM: &str = include_str!("../../../protocol/examples/corner-shop.toml");
/// The key of the identifiers here.
pub const PROGRAM_KEY: ProgramKey = ProgramKey([5; 32]);
/// A member's card.
pub const CARD: &str = "9826000000017";

/// The key of the till that sends.
pub fn till_signing_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// Its public half.
pub fn till_key() -> PublicKey {
    PublicKey::of(&till_signing_key())
}

/// Head office's root key.
pub fn root() -> SigningKey {
    SigningKey::from_bytes(&[77; 32])
}

/// The member of [`CARD`].
pub fn member() -> MemberId {
    identifier().member_id(&PROGRAM_KEY)
}

fn identifier() -> Identifier {
    Identifier::parse(CARD).expect("a card number")
}

fn date() -> Date {
    "2026-11-24".parse().expect("a date")
}

/// A sale with something of everything.
pub fn sale() -> Sale {
    let coffee = Line {
        description: Some("COFFEE".into()),
        category: Some("coffee".into()),
        quantity: Some("2".into()),
        unit_price: Some(300),
        amount: 600,
        ..Line::default()
    };
    Sale {
        receipt_number: "000123".into(),
        occurred_at: "2026-11-24T12:00:00+00:00".into(),
        currency: "GBP".into(),
        total: 1_100,
        tax: Some(183),
        lines: vec![coffee, Line { amount: 600, sku: Some("5002004821303".into()), ..Line::default() }],
        discounts: vec![Discount { description: "CLUB".into(), amount: 100 }],
        tenders: vec![Tender { kind: TenderKind::Card, amount: 1_100 }],
        member: Some(MemberRef { identifier: Some(CARD.into()), member_id: None }),
        ..Sale::default()
    }
}

/// A receipt of the demonstration till.
pub fn receipt() -> Vec<u8> {
    DemoDocument::Sale(&DemoReceipt {
        store: "CORNER".into(),
        receipt_number: "0001-000123".into(),
        till: 1,
        operator: "7".into(),
        date: "24/11/2026".into(),
        time: "10:15:07".into(),
        lines: vec![DemoLine::piece("Tea", 250), DemoLine::piece("Coffee", 300)],
        total: 550,
        tenders: vec![(Paid::Cash, 550)],
        member: Some(CARD.into()),
        ..DemoReceipt::default()
    })
    .bytes()
}

/// What stands before a spool segment's first frame.
pub fn spool_preamble(start: u64) -> Vec<u8> {
    [&b"CFSPOOL1"[..], &start.to_le_bytes()].concat()
}

/// A spool frame whose checksum holds.
pub fn spool_frame(kind: u8, offset: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    let head = [&length.to_le_bytes()[..], &[kind], &offset.to_le_bytes(), &NOON_MS.to_le_bytes()].concat();
    let mut sum = crc32fast::Hasher::new();
    sum.update(&head);
    sum.update(payload);
    [&head[..], &sum.finalize().to_le_bytes(), payload].concat()
}

/// An entry of the till's, in points.
pub fn entry(kind: EntryKind, units: i64, to: Option<Holder>) -> Entry {
    Entry { kind, member: member(), purse: "points".into(), lot: Lot::default(), units, to, debt: None }
}

fn record(body: Body, entries: Vec<Entry>) -> Record {
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

/// A journal of a day: each body once, and entries a till may and may not write.
pub fn records() -> Vec<Record> {
    let (incarnation, own) = (till_key().incarnation(), Holder::Terminal(till_key().incarnation()));
    let rule = RuleUnits { rule: "base".into(), amount: 12, reason: "1 point for each pound".into(), for_hub: false };
    let paper = Source::Paper { device: "receipts".into(), from: 10, to: 900 };
    let sold = SaleRecord {
        settles: None,
        sale: Sale { member: None, ..sale() },
        occurred_at_ms: NOON_MS,
        member: Some(member()),
        unknown_identifier: None,
        inputs: Some(MemberInputs::default()),
        awards: vec![Award { purse: "points".into(), amount: 12, rules: vec![rule] }],
        failures: vec!["a rule failed".into()],
        source: paper.clone(),
    };
    let void = VoidRecord {
        sale_position: Some(1),
        voided_receipt: "000123".into(),
        receipt_number: None,
        total: 1_100,
        tax: 183,
        source: Source::Api,
        sale: None,
    };
    let spent = RedemptionRecord {
        member: member(),
        reward: Some("one-off".into()),
        purse: "points".into(),
        units: 10,
        rights: Rights::Held,
        sale_ref: Some("r".into()),
        operator: None,
    };
    let close = DayClose {
        business_date: date(),
        sequence: 1,
        ranges: vec![Range { incarnation, from: 1, to: 6 }],
        records: 5,
        sales: 1,
        gross: 1_100,
        tax: 183,
        purses: Vec::new(),
        chain: Digest::of(&[b"x"]),
        pos_totals: Some(PosTotals::default()),
        receipt_gaps: Vec::new(),
    };
    let unsure = DocumentRecord {
        class: "other".into(),
        receipt_number: None,
        marks: vec!["arithmetic".into()],
        exception: Some("somebody must look".into()),
        text: vec!["TOTAL".into()],
        source: paper,
    };
    let owed = Entry { debt: Some(DebtKind::Clawback), ..entry(EntryKind::ReverseAccrual, 12, None) };
    let lot = Lot { vests: Some(date()), expires: Some(date().tomorrow()) };
    let later = Entry { lot, ..entry(EntryKind::Accrue, 5, Some(Holder::Hub)) };
    let totals = PosTotalsRecord { business_date: date(), sequence: 1, totals: PosTotals::default() };
    let gap = CaptureGap { device: "receipts".into(), from: 1, to: 2, reason: "spool full".into() };
    let mut all = vec![
        record(Body::Sale(Box::new(sold.clone())), vec![entry(EntryKind::Accrue, 12, Some(own)), later]),
        record(Body::Redemption(spent), vec![entry(EntryKind::Redeem, 10, None)]),
        record(Body::Void(void), vec![owed, entry(EntryKind::ReverseAccrual, 2, None)]),
        record(Body::CaptureGap(gap), vec![entry(EntryKind::Grant, 5, Some(own))]),
        record(Body::Document(unsure), vec![entry(EntryKind::ReturnRights, 1, Some(Holder::Hub))]),
        record(Body::PosTotals(totals), Vec::new()),
        record(Body::DayClose(close), Vec::new()),
    ];
    all[1].idempotency = Some(Idempotency { key: "k".into(), request: Digest::of(&[b"q"]) });
    all[2].origin = Some(Origin {
        incarnation: IncarnationId([3; 16]),
        position: 4,
        chain: Digest::of(&[b"y"]),
        copied_from: None,
    });
    all[3].answer = Some(b"{}".to_vec().into());
    all[4].marks = vec!["clock-suspect".into()];
    all
}

fn segment() -> Segment {
    let start = Head::start(till_key().incarnation());
    let mut chain = start.chain;
    let committed = (1u64..).zip(records()).map(|(position, record)| {
        let bytes = record.to_bytes();
        chain = chain_next(chain, &bytes);
        Committed::read_back(position, bytes, chain)
    });
    Segment::build(&till_signing_key(), start, committed.collect()).expect("there are records")
}

/// The store that the till of [`till_key`] is in.
pub fn store() -> StoreSettings {
    StoreSettings {
        store: "north".into(),
        name: "Corner".into(),
        time_zone: "Europe/London".into(),
        currency: "GBP".into(),
        day_ends: "03:00".into(),
        groups: vec!["city".into()],
    }
}

fn grant() -> HubEntry {
    let id = EntryId::Hub { epoch: 1, bucket: member().bucket(), sequence: 1, index: 0 };
    let entry = entry(EntryKind::Grant, 50, Some(Holder::Terminal(till_key().incarnation())));
    let signature = sign(&root(), &HubEntry::signed_text(id, &entry));
    HubEntry { id, entry, signature }
}

fn identity() -> IdentityRow {
    let identifier = identifier().hash(&PROGRAM_KEY);
    IdentityRow { identifier, member: Some(member()), status: MemberStatus::Active, tier: Some("gold".into()) }
}

fn state() -> MemberState {
    MemberState {
        member: member(),
        status: MemberStatus::Active,
        display_name: Some("Ann".into()),
        tier: None,
        purses: vec![PurseState { purse: "points".into(), lot: Lot::default(), units: 80 }],
        debts: vec![("points".into(), 3)],
        visits: 3,
        since: Some("2024-01-02".into()),
        tags: vec!["vegan".into()],
        as_of_ms: NOON_MS,
    }
}

/// A page with every kind of change.
pub fn page() -> Page {
    let json = Program::from_toml(PROGRAM).expect("the example program is sound").to_json();
    let signature = sign(&root(), &PublishedProgram::signed_text(1, 0, &json));
    let mut cursor = Cursor::start(1);
    cursor.positions[3] = 7;
    Page {
        cursor: cursor.to_text(),
        epoch: 1,
        includes_position: 0,
        changes: vec![
            Change::Program(PublishedProgram { version: 1, effective_ms: 0, json, signature }),
            Change::Identity(identity()),
            Change::State(state()),
            Change::Grant(grant()),
            Change::Store(store()),
        ],
        more: false,
        hub_time_ms: NOON_MS,
    }
}

fn grant_request() -> GrantRequest {
    GrantRequest {
        request_id: "q1".into(),
        subject: Subject::Member(member()),
        want: Want::Level { purse: "points".into(), target: 50 },
        holdings: vec![Holding { purse: "points".into(), held: 10, received: 20 }],
        cursor: Cursor::start(1).to_text(),
    }
}

fn grant_answer() -> GrantAnswer {
    GrantAnswer {
        request_id: "q1".into(),
        identity: Some(identity()),
        state: Some(state()),
        includes_position: 0,
        grants: vec![grant()],
        hub_time_ms: NOON_MS,
    }
}

fn enrol_answer() -> EnrolAnswer {
    EnrolAnswer {
        terminal: "t1".into(),
        lane: "1".into(),
        store: store(),
        incarnation: till_key().incarnation(),
        epoch: 1,
        root_key: PublicKey::of(&root()),
        root_certificate: "-- a certificate --".into(),
        program_key: PROGRAM_KEY,
        signature: Some(Sig([5; 64])),
    }
}

fn cbor<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("encoding into memory cannot fail")
}

fn led(first: u8, bytes: &[u8]) -> Vec<u8> {
    [&[first], bytes].concat()
}

fn streams() -> Vec<Vec<u8>> {
    let commands = b"\x1b@\x1b=\x02\x0cTOTAL 1.00\r\x1b=\x01\x1bt\x13CAF\x82\n\x1bD\x08\x10\x00\x09A\x1b$\x10\x01B\n\
        \x1dkI\x08{B310114\x1d(k\x08\x001P0HELLO\x1d(k\x03\x001Q0\x1dv0\x00\x01\x00\x02\x00\xff\xff\x10\x04\x01\
        \x1bp\x00\x19\xfa\x1b&\x01AA\x01\xff\x1dV\x42\x00";
    let star = b"\x1b@\x1b\x1ea\x00\x1bESTAR\n\x1bb1222 5002004821303\x1e\x1b*rA\x1b*rB\x1bd3\x1c";
    vec![receipt(), commands.to_vec(), star.to_vec(), [receipt(), commands.to_vec(), receipt()].concat()]
}

const TEMPLATE: &str = "name = \"x\"\ncurrency = \"GBP\"\n[printer]\ncode_page = \"cp858\"\n[document]\n\
    end = '^Thank you$'\n[[class]]\nis = \"void\"\nmatch = '^VOID'\n[[line]]\nis = \"info\"\n\
    match = '^No {receipt_number}$'\n[[line]]\nis = \"total\"\nmatch = '^TOTAL {amount}$'\n\
    [[line]]\nis = \"item\"\nmatch = '^{description} {amount}$'\n";

/// Small texts of every kind, a line each.
fn texts() -> Vec<u8> {
    let incarnation = till_key().incarnation();
    let id = EntryId::Terminal { incarnation, position: 3, index: 1 };
    format!(
        "{}\n{incarnation}-7\n{id}\nhub.1:3.9:0\nhub\n2026-11-24/-\n2026-11-24/2027-01-01\n2028-02-29\n{}\n\
         2026-11-24T12:00:00+00:00\n2026-11-24T12:00:00.5Z\n2026-03-29 01:30\nEurope/London 23:59\nUTC 00:00\n\
         Ann@Example.org\n9826 0000-0001 7\n",
        member(),
        Digest::of(&[b"x"]),
    )
    .into_bytes()
}

/// Records as the target of the hub cuts them: a length in two bytes before each.
pub fn framed(records: &[Record]) -> Vec<u8> {
    let frame = |record: &Record| {
        let bytes = record.to_bytes();
        [&u16::try_from(bytes.len()).expect("a small record").to_le_bytes()[..], &bytes].concat()
    };
    records.iter().flat_map(frame).collect()
}

/// The seeds of a target, by its name.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts_of = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    let json = || Program::from_toml(PROGRAM).expect("the example program is sound").to_json();
    let code = EnrolmentCode { secret: [7; 10], root_fingerprint: PublicKey::of(&root()).fingerprint() };
    match target {
        "escpos_tokens" | "receipt_reader" => streams().iter().map(|stream| led(6, stream)).collect(),
        "template_toml" => texts_of(&[TEMPLATE]),
        "scanner_framing" => vec![
            led(0, b"9826000000017\r\n]E05012345678900\r\n]C110ABC\x1d21X\rS1\n4111111111111111\r"),
            led(3, b"\x029826000000017\x03\x029826\x03S12\t34\t"),
        ],
        "pan_scrubber" => vec![
            led(2, b"CARD 4111 1111 1111 1111 12/28 ;4111111111111111=28121010000012300001?x 3782 822463 10005"),
            led(0, b"0042 4111111111111111 %B4111111111111111^DOE/JANE^2812101?; 6205500000000000004"),
        ],
        "spool_reader" => {
            let gap = [&9_000u64.to_le_bytes()[..], b"spool full"].concat();
            let file = [spool_frame(1, 0, b"receipt"), spool_frame(4, 7, b""), spool_frame(2, 7, &gap)].concat();
            let loose = b"\x01\x00\x00\x05hello\x01\x05\x00\x05world\x02\x0a\x00\x0d\x40\x00\x00\x00\x00\x00\x00\x00\xff\xfe\xfd\xfc\xfb\x01\x40\x00\x02on\x03\x42\x00\x00";
            vec![led(0, &file), led(4, &file), led(1, loose), led(5, loose)]
        }
        "program_toml" => texts_of(&[PROGRAM]),
        "program_json" => texts_of(&[&json()]),
        "cel_condition" => texts_of(&[
            "member.visits == 0",
            "line.category == \"coffee\" && line.unit_price != null && line.unit_price >= 250",
            "sale.lines.exists(l, l.amount > 100 && l.sku in ['1', '2']) || now.hour < 12 ? true : !(sale.total > 5)",
            "member.tags.filter(t, t.startsWith('v')).size() > 0 && eligible.amount * 2 - 1 >= 7 % 3",
        ]),
        "sale_json" => vec![serde_json::to_vec(&sale()).expect("a sale is JSON")],
        "segment" => vec![segment().to_bytes()],
        "record" => records().iter().map(Record::to_bytes).collect(),
        "page" => vec![cbor(&page())],
        "grant_request" => vec![cbor(&grant_request())],
        "grant_answer" => vec![cbor(&grant_answer())],
        "push_answer" => vec![cbor(&PushAnswer { acknowledged: 7, hub_time_ms: NOON_MS, known: Some(7) })],
        "enrol_request" => vec![cbor(&enrol_request())],
        "enrol_answer" => vec![cbor(&enrol_answer())],
        "refusal" => {
            let (kind, detail) = (RefusalKind::Behind, "its disk is older".to_owned());
            vec![cbor(&Refusal { kind, detail, known_position: Some(3), epoch: Some(1), signature: None })]
        }
        "cursor" => vec![Cursor::start(1).to_text().into_bytes(), page().cursor.into_bytes()],
        "enrolment_code" => vec![code.to_text().into_bytes(), code.to_text().to_lowercase().into_bytes()],
        "request_headers" => {
            let incarnation = till_key().incarnation();
            let head = Head::start(incarnation);
            let headers = RequestHeaders { incarnation, epoch: 1, head, signature: Sig([5; 64]) };
            vec![headers.to_pairs().map(|(_, value)| value).join("\n").into_bytes()]
        }
        "ids_and_dates" => vec![texts(), 20_261_124i32.to_le_bytes().to_vec()],
        "till_page" => vec![led(0, &cbor(&page())), led(7, &cbor(&page()))],
        "till_grants" => vec![led(0, &cbor(&grant_answer())), led(7, &cbor(&grant_answer()))],
        "hub_request" => vec![
            led(0, &segment().to_bytes()),
            led(1, format!("after={}&wait=0", Cursor::start(1).to_text()).as_bytes()),
            led(2, &cbor(&grant_request())),
            led(3, &cbor(&enrol_request())),
            led(4, b"/v1/sync/push?x"),
        ],
        "hub_records" => {
            let all = records();
            let mut seeds: Vec<Vec<u8>> = all.iter().map(|record| framed(std::slice::from_ref(record))).collect();
            seeds.push(framed(&all));
            seeds
        }
        "marker" => marker(),
        _ => Vec::new(),
    }
}

#[cfg(feature = "engines")]
fn marker() -> Vec<Vec<u8>> {
    let incarnation = till_key().incarnation();
    let head = Head { position: 12, chain: Digest::of(&[b"x"]) };
    vec![counterfoil_till::Marker { incarnation, head }.to_text().into_bytes()]
}

#[cfg(not(feature = "engines"))]
fn marker() -> Vec<Vec<u8>> {
    Vec::new()
}

/// The secret is the one that the hub of the target expects.
fn enrol_request() -> EnrolRequest {
    EnrolRequest { secret: [8; 10], public_key: PublicKey::of(&stranger()), agent_version: "0.1.0".into() }
}

/// The key of a till that is not enrolled.
pub fn stranger() -> SigningKey {
    SigningKey::from_bytes(&[10; 32])
}
