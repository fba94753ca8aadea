//! The test vectors of `docs/protocol.md`: made here from fixed keys, compared with the document byte for byte.
//!
//! After a change that is meant: `UPDATE_VECTORS=1 cargo test -p counterfoil-protocol --test vectors`. A vector of a
//! released version never changes; a new version adds its own.

#![expect(clippy::disallowed_methods, reason = "the test reads the document, and one variable that says to renew it")]

use std::fmt::Write as _;
use std::path::PathBuf;

use counterfoil_protocol::day::{DayClose, DayTotals, PosTotals, Range};
use counterfoil_protocol::entry::{Account, DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EntryId, EventId, Holder, IncarnationId};
use counterfoil_protocol::identifier::{Identifier, ProgramKey};
use counterfoil_protocol::limits::{
    ENTRY_UNITS_MAX, GRANT_DEADLINE_MS, IDENTIFIER_CHAR_COUNT_MAX, LONG_POLL_MS, PAGE_ITEM_COUNT_MAX,
    PROGRAM_BYTES_MAX, RECORD_BYTES_MAX, RECORD_ENTRY_COUNT_MAX, REQUEST_BYTES_MAX, RETRY_DELAY_MS_MAX,
    SALE_LINE_COUNT_MAX, SEGMENT_BYTES_MAX, SEGMENT_RECORD_COUNT_MAX,
};
use counterfoil_protocol::program::{MemberInputs, Program};
use counterfoil_protocol::record::{
    Award, Body, Chain, Head, RECORD_VERSION, Record, RedemptionRecord, Rights, RuleUnits, SaleRecord, Source,
    chain_next, chain_start,
};
use counterfoil_protocol::sale::{Line, Sale, Tender, TenderKind};
use counterfoil_protocol::time::Date;
use counterfoil_protocol::wire::http::{ENROL_PATH, PUSH_PATH, RequestHeaders};
use counterfoil_protocol::wire::sign::{PublicKey, answer_text, request_text, sign};
use counterfoil_protocol::wire::v1::enrol::{EnrolAnswer, EnrolRequest, EnrolmentCode, StoreSettings};
use counterfoil_protocol::wire::v1::feed::{
    Change, Cursor, HubEntry, IdentityRow, MemberState, MemberStatus, Page, PublishedProgram, PurseState,
};
use counterfoil_protocol::wire::v1::grant::{
    GrantAnswer, GrantRequest, Holding, PushAnswer, Refusal, RefusalKind, Subject, Want,
};
use counterfoil_protocol::wire::v1::segment::{Committed, Segment};
use ed25519_dalek::SigningKey;

const IDENTIFIER: &str = "9826 0000-0001 7";
const EPOCH: u64 = 3;
const NOW_MS: i64 = 1_763_633_700_000;

/// Everything the vectors are made of.
struct World {
    till: SigningKey,
    root: SigningKey,
    program_key: ProgramKey,
}

impl World {
    fn new() -> Self {
        Self {
            till: SigningKey::from_bytes(&[1; 32]),
            root: SigningKey::from_bytes(&[2; 32]),
            program_key: ProgramKey([3; 32]),
        }
    }

    fn incarnation(&self) -> IncarnationId {
        PublicKey::of(&self.till).incarnation()
    }

    fn identifier(&self) -> Identifier {
        Identifier::parse(IDENTIFIER).expect("a card number")
    }

    fn entry(&self, kind: EntryKind, units: i64, to: Option<Holder>) -> Entry {
        let member = self.identifier().member_id(&self.program_key);
        Entry { kind, member, purse: "points".into(), lot: Lot::default(), units, to, debt: None }
    }

    fn record(&self, body: Body, entries: Vec<Entry>) -> Record {
        Record {
            version: RECORD_VERSION,
            recorded_at_ms: NOW_MS,
            clock_suspect: false,
            business_date: date(),
            day_sequence: 1,
            program_version: Some(1),
            idempotency: None,
            body,
            entries,
            answer: None,
            origin: None,
            marks: vec![],
        }
    }

    fn sale(&self) -> Record {
        let line = Line {
            sku: Some("5000112637922".into()),
            description: Some("COFFEE BEANS 1KG".into()),
            category: Some("coffee".into()),
            amount: 1234,
            ..Line::default()
        };
        let sale = Sale {
            receipt_number: "000123".into(),
            occurred_at: "2025-11-20T10:15:00+00:00".into(),
            currency: "GBP".into(),
            total: 1234,
            tax: Some(206),
            lines: vec![line],
            tenders: vec![Tender { kind: TenderKind::Card, amount: 1234 }],
            ..Sale::default()
        };
        let rule =
            RuleUnits { rule: "base".into(), amount: 12, reason: "1 point for each pound".into(), for_hub: false };
        let body = Body::Sale(Box::new(SaleRecord {
            settles: None,
            sale,
            occurred_at_ms: NOW_MS,
            member: Some(self.identifier().member_id(&self.program_key)),
            unknown_identifier: None,
            inputs: Some(MemberInputs { visits: 4, ..MemberInputs::default() }),
            awards: vec![Award { purse: "points".into(), amount: 12, rules: vec![rule] }],
            failures: vec![],
            source: Source::Api,
        }));
        let to = Some(Holder::Terminal(self.incarnation()));
        self.record(body, vec![self.entry(EntryKind::Accrue, 12, to)])
    }

    fn redemption(&self) -> Record {
        let body = Body::Redemption(RedemptionRecord {
            member: self.identifier().member_id(&self.program_key),
            reward: None,
            purse: "points".into(),
            units: 5,
            rights: Rights::Held,
            sale_ref: None,
            operator: None,
        });
        self.record(body, vec![self.entry(EntryKind::Redeem, 5, None)])
    }

    fn day_close(&self, before: &[Record], chain: Chain) -> Record {
        let mut totals = DayTotals::default();
        before.iter().for_each(|record| totals.add(record));
        let body = Body::DayClose(DayClose {
            business_date: date(),
            sequence: 1,
            ranges: vec![Range { incarnation: self.incarnation(), from: 1, to: 3 }],
            records: totals.records,
            sales: totals.sales,
            gross: totals.gross,
            tax: totals.tax,
            purses: totals.purse_totals(),
            chain,
            pos_totals: Some(PosTotals { sales: Some(1), gross: Some(1234), ..PosTotals::default() }),
            receipt_gaps: vec![],
        });
        self.record(body, vec![])
    }

    fn grant(&self) -> HubEntry {
        let id = EntryId::Hub { epoch: EPOCH, bucket: self.bucket(), sequence: 1, index: 0 };
        let entry = self.entry(EntryKind::Grant, 100, Some(Holder::Terminal(self.incarnation())));
        let signature = sign(&self.root, &HubEntry::signed_text(id, &entry));
        HubEntry { id, entry, signature }
    }

    fn bucket(&self) -> u8 {
        self.identifier().member_id(&self.program_key).bucket()
    }

    fn store(&self) -> StoreSettings {
        StoreSettings {
            store: "high-street".into(),
            name: "High Street".into(),
            time_zone: "Europe/London".into(),
            currency: "GBP".into(),
            day_ends: "03:00".into(),
            groups: vec!["city".into()],
        }
    }
}

fn date() -> Date {
    Date::from_packed(20_251_120).expect("a real day")
}

/// Hex in lines of 32 bytes.
fn hex(bytes: &[u8]) -> String {
    let line = |chunk: &[u8]| {
        chunk.iter().fold(String::new(), |mut line, byte| {
            let _ = write!(line, "{byte:02x}");
            line
        })
    };
    bytes.chunks(32).map(line).collect::<Vec<_>>().join("\n")
}

/// A frame: its bytes, and what is in them (diagnostic notation of RFC 8949, section 8).
fn frame<T: minicbor::Encode<()>>(value: &T) -> String {
    let bytes = minicbor::to_vec(value).expect("encoding into memory cannot fail");
    format!("{}\n\n{}", hex(&bytes), shown(&mut minicbor::Decoder::new(&bytes), 0))
}

/// The next item in diagnostic notation, over several lines where it is long. Integers, texts, bytes, truth values,
/// lists and maps are all there is on this wire.
fn shown(decoder: &mut minicbor::Decoder<'_>, indent: usize) -> String {
    use minicbor::data::Type;
    let kind = decoder.datatype().expect("a vector is well formed");
    let shown = match kind {
        Type::Bool => decoder.bool().map(|value| value.to_string()),
        Type::Null => decoder.null().map(|()| "null".to_owned()),
        Type::String => decoder.str().map(|text| format!("{text:?}")),
        Type::Bytes => decoder.bytes().map(|bytes| format!("h'{}'", hex(bytes).replace('\n', ""))),
        Type::Array => decoder.array().map(|count| {
            let items = (0..count.expect("lists of known length")).map(|_| shown(decoder, indent + 2));
            list(items.collect(), ('[', ']'), indent)
        }),
        Type::Map => decoder.map().map(|count| {
            let fields = (0..count.expect("maps of known length")).map(|_| {
                let key = shown(decoder, indent + 2);
                format!("{key}: {}", shown(decoder, indent + 2))
            });
            list(fields.collect(), ('{', '}'), indent)
        }),
        _ => decoder.int().map(|number| number.to_string()),
    };
    shown.expect("a vector is well formed")
}

fn list(items: Vec<String>, (open, close): (char, char), indent: usize) -> String {
    let inline = format!("{open}{}{close}", items.join(", "));
    if inline.len() + indent <= 110 && !inline.contains('\n') {
        return inline;
    }
    let (deep, shallow) = (" ".repeat(indent + 2), " ".repeat(indent));
    format!("{open}\n{deep}{}\n{shallow}{close}", items.join(&format!(",\n{deep}")))
}

fn account(account: Account) -> String {
    match account.holder() {
        Some(Holder::Hub) => "liability of the hub".to_owned(),
        Some(Holder::Terminal(id)) if id == IncarnationId([1; 16]) => "liability of the author".to_owned(),
        Some(Holder::Terminal(_)) => "liability of the receiver".to_owned(),
        None => account.name().to_owned(),
    }
}

/// Every entry that anybody may write, as the code decides it.
fn accounts() -> String {
    let kinds = (0u8..=12).map(|kind| minicbor::decode::<EntryKind>(&[kind]).expect("thirteen kinds"));
    let (own, other) = (Holder::Terminal(IncarnationId([1; 16])), Holder::Terminal(IncarnationId([2; 16])));
    let mut text = format!("{:<23}{:<10}{:<10}{:<10}{:<26}credit\n", "   kind", "author", "to", "debt", "debit");
    for (number, kind) in kinds.enumerate() {
        for (author, author_name) in [(own, "terminal"), (Holder::Hub, "hub")] {
            for (to, to_name) in
                [(None, "-"), (Some(own), "itself"), (Some(Holder::Hub), "hub"), (Some(other), "another")]
            {
                let to_name = if author == Holder::Hub && to == Some(own) { "terminal" } else { to_name };
                if author == Holder::Hub && to == Some(other) {
                    continue;
                }
                for debt in std::iter::once(None).chain(DebtKind::ALL.map(Some)) {
                    let member = counterfoil_protocol::id::MemberId([0; 16]);
                    let entry = Entry { kind, member, purse: String::new(), lot: Lot::default(), units: 1, to, debt };
                    let Ok((debit, credit)) = entry.accounts(author) else { continue };
                    let name = format!("{number:>2} {}", kind.as_str());
                    let debt = debt.map_or("-", DebtKind::as_str);
                    let (mut debit, mut credit) = (account(debit), account(credit));
                    if author == Holder::Hub {
                        let whose = if kind == EntryKind::Settle { "settled" } else { "receiver" };
                        (debit, credit) = (debit.replace("author", whose), credit.replace("author", whose));
                    }
                    let _ = writeln!(text, "{name:<23}{author_name:<10}{to_name:<10}{debt:<10}{debit:<26}{credit}");
                }
            }
        }
    }
    text
}

/// Bounds that a peer meets.
fn limits() -> String {
    let limits = [
        ("records in a segment", SEGMENT_RECORD_COUNT_MAX),
        ("bytes of a segment's records; one above it travels alone", SEGMENT_BYTES_MAX),
        ("bytes of a record", RECORD_BYTES_MAX),
        ("entries in a record", RECORD_ENTRY_COUNT_MAX),
        ("bytes of a request", REQUEST_BYTES_MAX),
        ("changes on a page", PAGE_ITEM_COUNT_MAX),
        ("units in an entry", usize::try_from(ENTRY_UNITS_MAX).expect("positive")),
        ("lines in a sale", SALE_LINE_COUNT_MAX),
        ("characters of an identifier", IDENTIFIER_CHAR_COUNT_MAX),
        ("bytes of a program", PROGRAM_BYTES_MAX),
        ("milliseconds a long poll is held", usize::try_from(LONG_POLL_MS).expect("small")),
        ("milliseconds a cashier waits for a grant", usize::try_from(GRANT_DEADLINE_MS).expect("small")),
        ("milliseconds between two attempts", usize::try_from(RETRY_DELAY_MS_MAX).expect("small")),
    ];
    limits.map(|(what, limit)| format!("{limit:>14}  {what}")).join("\n")
}

fn vectors() -> Vec<(&'static str, String)> {
    let world = World::new();
    let incarnation = world.incarnation();
    let root_key = PublicKey::of(&world.root);
    let identifier = world.identifier();
    let member = identifier.member_id(&world.program_key);
    let text =
        |bytes: Vec<u8>| String::from_utf8(bytes).expect("signed texts of this kind are ASCII").trim_end().to_owned();

    let records = [world.sale(), world.redemption()];
    let start = Head::start(incarnation);
    let after_two = records.iter().fold(start.chain, |chain, record| chain_next(chain, &record.to_bytes()));
    let records = [records[0].clone(), records[1].clone(), world.day_close(&records, after_two)];
    let mut chain = start.chain;
    let committed: Vec<Committed> = (1u64..)
        .zip(&records)
        .map(|(position, record)| {
            chain = chain_next(chain, &record.to_bytes());
            Committed::read_back(position, record.to_bytes(), chain)
        })
        .collect();
    let head = Head { position: 3, chain };
    let segment = Segment::build(&world.till, start, committed).expect("three records");

    let body = segment.to_bytes();
    let request = request_text("POST", PUSH_PATH, &body, EPOCH, incarnation, &head);
    let headers = RequestHeaders { incarnation, epoch: EPOCH, head, signature: sign(&world.till, &request) };
    let headers = headers.to_pairs().map(|(name, value)| format!("{name}: {value}")).join("\n");
    let push_answer = PushAnswer { acknowledged: 3, hub_time_ms: NOW_MS, known: Some(3) };
    let push_bytes = minicbor::to_vec(&push_answer).expect("encoding into memory cannot fail");
    let answer = answer_text(&request, 200, &push_bytes);

    let program_json = Program::from_toml(
        "program = \"p\"\ncurrency = \"GBP\"\ntime_zone = \"Europe/London\"\n[purse.points]\nkind = \"points\"\n\
         [[earn]]\nid = \"base\"\npurse = \"points\"\naward = { every = 100, give = 1 }\n",
    )
    .expect("a plain program")
    .to_json();
    let program_text = PublishedProgram::signed_text(1, NOW_MS, &program_json);
    let program = PublishedProgram {
        version: 1,
        effective_ms: NOW_MS,
        json: program_json,
        signature: sign(&world.root, &program_text),
    };
    let identity = IdentityRow {
        identifier: identifier.hash(&world.program_key),
        member: Some(member),
        status: MemberStatus::Active,
        tier: None,
    };
    let state = MemberState {
        member,
        status: MemberStatus::Active,
        display_name: Some("Ann".into()),
        tier: None,
        purses: vec![PurseState { purse: "points".into(), lot: Lot::default(), units: 512 }],
        debts: vec![],
        visits: 5,
        since: Some("2025-01-31".into()),
        tags: vec![],
        as_of_ms: NOW_MS,
    };
    let mut cursor = Cursor::start(EPOCH);
    cursor.positions[usize::from(world.bucket())] = 3;
    cursor.positions[64] = 2;
    let page = Page {
        cursor: cursor.to_text(),
        epoch: EPOCH,
        includes_position: 2,
        changes: vec![
            Change::Identity(identity.clone()),
            Change::State(state.clone()),
            Change::Grant(world.grant()),
            Change::Program(program),
            Change::Store(world.store()),
        ],
        more: false,
        hub_time_ms: NOW_MS,
    };

    let holdings = vec![Holding { purse: "points".into(), held: 7, received: 0 }];
    let ask = GrantRequest {
        request_id: "r-1".into(),
        subject: Subject::Member(member),
        want: Want::Level { purse: "points".into(), target: 107 },
        holdings,
        cursor: String::new(),
    };
    let look_up = GrantRequest {
        request_id: "r-2".into(),
        subject: Subject::Identifier(identifier.hash(&world.program_key)),
        want: Want::LookUp,
        holdings: vec![],
        cursor: String::new(),
    };
    let granted = GrantAnswer {
        request_id: "r-2".into(),
        identity: Some(identity),
        state: Some(state),
        includes_position: 2,
        grants: vec![world.grant()],
        hub_time_ms: NOW_MS,
    };
    let refusal = Refusal {
        kind: RefusalKind::Behind,
        detail: "restored from an older copy".into(),
        known_position: Some(9),
        epoch: None,
        signature: None,
    };

    let code = EnrolmentCode { secret: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], root_fingerprint: root_key.fingerprint() };
    let enrol =
        EnrolRequest { secret: code.secret, public_key: PublicKey::of(&world.till), agent_version: "0.1.0".into() };
    let enrol_bytes = minicbor::to_vec(&enrol).expect("encoding into memory cannot fail");
    let enrol_text = request_text("POST", ENROL_PATH, &enrol_bytes, 0, incarnation, &start);
    let mut taken_in = EnrolAnswer {
        terminal: "high-street-1".into(),
        lane: "1".into(),
        store: world.store(),
        incarnation,
        epoch: EPOCH,
        root_key,
        root_certificate: "-----BEGIN CERTIFICATE-----".into(),
        program_key: world.program_key,
        signature: None,
    };
    taken_in.signature = Some(sign(&world.root, &taken_in.signed_text()));

    let grant = world.grant();
    let ids = [
        ("terminal's public key", hex(&PublicKey::of(&world.till).0)),
        ("incarnation", incarnation.to_string()),
        ("root public key", hex(&root_key.0)),
        ("root key's fingerprint", hex(&root_key.fingerprint())),
        ("identifier hash", identifier.hash(&world.program_key).to_string()),
        ("member id", member.to_string()),
        ("member's bucket", world.bucket().to_string()),
        ("id of record 1", EventId { incarnation, position: 1 }.to_string()),
        ("id of its entry", EntryId::Terminal { incarnation, position: 1, index: 0 }.to_string()),
        ("id of the grant", grant.id.to_string()),
        ("chain before record 1", chain_start(incarnation).to_string()),
    ];
    let ids = ids.map(|(name, value)| format!("{name:<24}{value}")).join("\n");
    vec![
        ("ids", ids),
        ("enrolment-code", code.to_text()),
        ("enrol-request", frame(&enrol)),
        ("enrol-request-text", text(enrol_text)),
        ("enrol-answer", frame(&taken_in)),
        ("record-sale", frame(&records[0])),
        ("record-redemption", frame(&records[1])),
        ("record-day-close", frame(&records[2])),
        (
            "chains",
            [1, 2, 3].map(|n| format!("after record {n}  {}", chain_after(start.chain, &records[..n]))).join("\n"),
        ),
        ("accounts", accounts().trim_end().to_owned()),
        ("segment-text", text(segment.signed_text())),
        ("segment", frame(&segment)),
        ("push-request-text", text(request)),
        ("push-headers", headers),
        ("push-answer", frame(&push_answer)),
        ("push-answer-text", format!("{}\n\n{}", text(answer.clone()), hex(&sign(&world.root, &answer).0))),
        ("hub-entry-text", hex(&HubEntry::signed_text(grant.id, &grant.entry))),
        ("program-text", text(program_text)),
        ("page", frame(&page)),
        ("grant-request-level", frame(&ask)),
        ("grant-request-look-up", frame(&look_up)),
        ("grant-answer", frame(&granted)),
        ("refusal", frame(&refusal)),
        ("limits", limits()),
    ]
}

fn chain_after(start: Chain, records: &[Record]) -> Chain {
    records.iter().fold(start, |chain, record| chain_next(chain, &record.to_bytes()))
}

/// The document cut at its vectors: text before, name, content.
fn parts(document: &str) -> (Vec<(String, String, String)>, String) {
    let mut found = Vec::new();
    let mut rest = document;
    while let Some((before, after)) = rest.split_once("<!-- vector: ") {
        let (name, after) = after.split_once(" -->\n```text\n").expect("a vector's fence follows its name");
        let (content, after) = after.split_once("\n```\n").expect("a vector's fence is closed");
        found.push((before.to_owned(), name.to_owned(), content.to_owned()));
        rest = after;
    }
    (found, rest.to_owned())
}

#[test]
fn the_document_holds_exactly_these_vectors() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (found, rest) = parts(&document);
    let vectors = vectors();
    let names: Vec<&str> = found.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(names, vectors.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "names and their order");
    if std::env::var("UPDATE_VECTORS").is_ok() {
        let mut renewed = String::new();
        for ((before, name, _), (_, content)) in found.iter().zip(&vectors) {
            let _ = write!(renewed, "{before}<!-- vector: {name} -->\n```text\n{content}\n```\n");
        }
        std::fs::write(&path, renewed + &rest).unwrap();
        return;
    }
    for ((_, name, content), (_, expected)) in found.iter().zip(&vectors) {
        assert_eq!(content, expected, "vector {name}; if the change is meant: UPDATE_VECTORS=1");
    }
}

/// The vectors hold what the document says of them: they verify.
#[test]
fn the_vectors_verify() {
    let world = World::new();
    let grant = world.grant();
    let root = PublicKey::of(&world.root);
    assert_eq!(root.verify(&HubEntry::signed_text(grant.id, &grant.entry), &grant.signature), Ok(()));
    let vectors = vectors();
    let bytes_of = |wanted: &str| -> Vec<u8> {
        let (_, content) = vectors.iter().find(|(name, _)| *name == wanted).unwrap();
        let hex: String = content.lines().take_while(|line| !line.is_empty()).collect();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let segment = Segment::from_bytes(&bytes_of("segment")).unwrap();
    let records = segment.verify(&PublicKey::of(&world.till)).unwrap();
    for (record, name) in records.iter().zip(["record-sale", "record-redemption", "record-day-close"]) {
        assert_eq!(record.bytes, bytes_of(name));
        Record::from_bytes(&record.bytes).unwrap();
    }
    let answer: EnrolAnswer = minicbor::decode(&bytes_of("enrol-answer")).unwrap();
    assert_eq!(root.verify(&answer.signed_text(), &answer.signature.unwrap()), Ok(()));
    let page: Page = minicbor::decode(&bytes_of("page")).unwrap();
    assert_eq!(page.changes.len(), 5);
    let Change::Program(program) = &page.changes[3] else { panic!("the fourth change is the program") };
    let text = PublishedProgram::signed_text(program.version, program.effective_ms, &program.json);
    assert_eq!(root.verify(&text, &program.signature), Ok(()));
    Program::from_json(&program.json).unwrap();
}
