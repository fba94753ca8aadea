//! A shop for tests: one till on two databases in a directory, and a head office that signs with a fixed key.
#![allow(dead_code, reason = "every test file uses its own part of the kit")]
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use counterfoil_protocol::entry::{Entry, EntryKind, Lot};
use counterfoil_protocol::id::{Digest, EntryId, Holder, IncarnationId, MemberId};
use counterfoil_protocol::identifier::{Identifier, ProgramKey};
use counterfoil_protocol::program::Program;
use counterfoil_protocol::record::{Idempotency, Rights, Source};
use counterfoil_protocol::sale::{Line, MemberRef, Sale, Tender, TenderKind};
use counterfoil_protocol::wire::sign::{PublicKey, sign};
use counterfoil_protocol::wire::v1::enrol::StoreSettings;
use counterfoil_protocol::wire::v1::feed::{
    Change, Cursor, HubEntry, IdentityRow, MemberState, MemberStatus, Page, PublishedProgram, PurseState,
};
use counterfoil_till::{
    Call, Captured, CapturedDocument, Enrolment, Marker, Now, Redeem, RedeemWhat, Settings, Till, Witness, WitnessError,
};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;

/// 2026-11-20, ten past ten in London.
pub const MORNING: i64 = 1_795_169_400_000;
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

pub const CARD: &str = "9826000000017";
pub const OTHER_CARD: &str = "9826000000024";
pub const KEY: ProgramKey = ProgramKey([5; 32]);

/// Of the till that [`enrolment`] describes.
pub fn incarnation() -> IncarnationId {
    PublicKey::of(&SigningKey::from_bytes(&[9; 32])).incarnation()
}

pub const PROGRAM: &str = r#"
program = "corner-club"
currency = "GBP"
time_zone = "Europe/London"

[purse.points]
kind = "points"
spend_fresh = true

[purse.coffee]
kind = "stamps"

[[earn]]
id = "base"
purse = "points"
award = { every = 100, give = 1 }
reason = "1 point for each pound"

[[earn]]
id = "welcome"
purse = "points"
when = 'member.visits == 0'
award = { flat = 100 }

[[earn]]
id = "stamp"
purse = "coffee"
lines = 'line.category == "coffee"'
award = { each = 1 }

[[reward]]
id = "one-off"
title = "1.00 off"
cost = { purse = "points", amount = 10 }
benefit = { kind = "discount", amount = 100 }

[[reward]]
id = "nine-off"
title = "9.00 off"
cost = { purse = "points", amount = 900 }
benefit = { kind = "discount", amount = 900 }
"#;

pub const RIGHTS_PROGRAM: &str = r#"
program = "corner-club"
currency = "GBP"
time_zone = "Europe/London"

[purse.points]
kind = "points"
spend_fresh = true

[purse.dated]
kind = "points"
spend_fresh = true
expires = "P1M"
vests = "P2D"
redeem = { step = 50, min = 100 }

[offline]
floor = { points = { member = 100, redemption = 60, till_hard = 150, till_soft = 70 } }

[[earn]]
id = "base"
purse = "points"
award = { every = 100, give = 1 }

[[earn]]
id = "dated"
purse = "dated"
award = { every = 100, give = 10 }

[[reward]]
id = "one-off"
title = "1.00 off"
cost = { purse = "points", amount = 10 }
benefit = { kind = "discount", amount = 100 }
"#;

/// A marker file that cannot fail, or fails when told.
#[derive(Clone, Default)]
pub struct FakeWitness {
    pub last: Arc<Mutex<Option<Marker>>>,
    pub fails: Arc<Mutex<bool>>,
}

impl Witness for FakeWitness {
    fn store(&mut self, marker: &Marker) -> Result<(), WitnessError> {
        if *self.fails.lock().unwrap() {
            return Err(WitnessError("no space".into()));
        }
        *self.last.lock().unwrap() = Some(*marker);
        Ok(())
    }
}

/// Head office's pen.
pub struct FakeHub {
    pub root: SigningKey,
    pub cursor: Cursor,
    sequence: u64,
}

impl FakeHub {
    pub fn new() -> Self {
        Self { root: SigningKey::from_bytes(&[77; 32]), cursor: Cursor::start(1), sequence: 0 }
    }

    pub fn page(&mut self, changes: Vec<Change>, includes_position: u64, hub_time_ms: i64) -> Page {
        self.cursor.positions[0] += 1;
        Page { cursor: self.cursor.to_text(), epoch: 1, includes_position, changes, more: false, hub_time_ms }
    }

    pub fn program(&self, version: u64, effective_ms: i64, toml: &str) -> Change {
        let json = Program::from_toml(toml).unwrap().to_json();
        let signature = sign(&self.root, &PublishedProgram::signed_text(version, effective_ms, &json));
        Change::Program(PublishedProgram { version, effective_ms, json, signature })
    }

    pub fn grant(&mut self, till: IncarnationId, member: MemberId, purse: &str, lot: Lot, units: i64) -> HubEntry {
        self.sequence += 1;
        let id = EntryId::Hub { epoch: 1, bucket: member.bucket(), sequence: self.sequence, index: 0 };
        let entry = Entry {
            kind: EntryKind::Grant,
            member,
            purse: purse.into(),
            lot,
            units,
            to: Some(Holder::Terminal(till)),
            debt: None,
        };
        let signature = sign(&self.root, &HubEntry::signed_text(id, &entry));
        HubEntry { id, entry, signature }
    }
}

pub struct Shop {
    dir: tempfile::TempDir,
    pub witness: FakeWitness,
    pub hub: FakeHub,
    till: Option<Till>,
}

pub fn enrolment() -> Enrolment {
    let root = FakeHub::new().root;
    Enrolment {
        terminal: "t1".into(),
        lane: "1".into(),
        store: StoreSettings {
            store: "s1".into(),
            name: "Corner".into(),
            time_zone: "Europe/London".into(),
            currency: "GBP".into(),
            day_ends: "03:00".into(),
            groups: vec![],
        },
        key_seed: [9; 32],
        epoch: 1,
        root_key: PublicKey::of(&root),
        root_certificate: String::new(),
        program_key: KEY,
        hub_url: "http://127.0.0.1:7400".into(),
    }
}

impl Shop {
    /// A till with the program, and two members known by their cards.
    pub fn open_for_business() -> Self {
        let mut shop = Self::brand_new(Settings::default());
        let mut changes = vec![shop.hub.program(1, MORNING - DAY, PROGRAM)];
        changes.extend([CARD, OTHER_CARD].map(|card| Change::Identity(identity(card, MemberStatus::Active))));
        let page = shop.hub.page(changes, 0, 0);
        shop.till_mut().apply_page(&page).unwrap();
        shop
    }

    /// The same shop with a program whose units vest and expire, are spent in steps, and may be overspent when cut off.
    pub fn with_rights() -> Self {
        let mut shop = Self::open_for_business();
        shop.publish(2, RIGHTS_PROGRAM);
        shop
    }

    pub fn publish(&mut self, version: u64, program: &str) {
        let change = self.hub.program(version, MORNING - DAY, program);
        let page = self.hub.page(vec![change], 0, 0);
        self.till_mut().apply_page(&page).unwrap();
    }

    /// Something head office sends by the feed, and the shell's call after it.
    pub fn order(&mut self, change: Change, now: Now) -> counterfoil_till::OrdersReport {
        let includes = self.till().acknowledged();
        let page = self.hub.page(vec![change], includes, 0);
        self.till_mut().apply_page(&page).unwrap();
        self.till_mut().carry_out_orders(now).unwrap()
    }

    /// The last record.
    pub fn last_record(&self) -> counterfoil_protocol::record::Record {
        let head = self.till().head().position;
        self.till().records_after(head - 1, 1).unwrap().remove(0).2
    }

    pub fn brand_new(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let witness = FakeWitness::default();
        let (value, directory) = connections(dir.path());
        let till = Till::create(value, directory, &enrolment(), settings, Box::new(witness.clone())).unwrap();
        Self { dir, witness, hub: FakeHub::new(), till: Some(till) }
    }

    pub fn till(&self) -> &Till {
        self.till.as_ref().unwrap()
    }

    pub fn till_mut(&mut self) -> &mut Till {
        self.till.as_mut().unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process ends and starts again.
    pub fn reopen(&mut self) {
        self.reopen_with(Settings::default());
    }

    pub fn reopen_with(&mut self, settings: Settings) {
        let marker = *self.witness.last.lock().unwrap();
        self.reopen_with_marker(settings, marker);
    }

    pub fn reopen_with_marker(&mut self, settings: Settings, marker: Option<Marker>) {
        self.till = None;
        let (value, directory) = connections(self.dir.path());
        self.till = Some(Till::open(value, directory, settings, Box::new(self.witness.clone()), marker).unwrap());
    }

    pub fn close(&mut self) {
        self.till = None;
    }

    /// Grants units of a purse through the feed.
    pub fn grant(&mut self, member: MemberId, purse: &str, lot: Lot, units: i64) {
        let (incarnation, includes) = (self.till().incarnation(), self.till().head().position);
        let grant = self.hub.grant(incarnation, member, purse, lot, units);
        let page = self.hub.page(vec![Change::Grant(grant)], includes, 0);
        self.till_mut().apply_page(&page).unwrap();
    }

    /// Head office tells a member's state, up to date with this till's journal.
    pub fn tell_state(&mut self, state: MemberState) {
        let includes = self.till().head().position;
        let page = self.hub.page(vec![Change::State(state)], includes, 0);
        self.till_mut().apply_page(&page).unwrap();
    }

    /// Everything the journal says is what the database says.
    pub fn assert_sound(&self) {
        let report = self.till().verify_journal().unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(report.records, self.till().head().position);
    }

    /// (balance, spendable, debt) of a purse.
    pub fn purse(&self, card: &str, purse: &str, now: Now) -> (i64, i64, i64) {
        let view = self.till().look_up(&by_card(card), now).unwrap().unwrap();
        let found = view.purses.into_iter().find(|view| view.purse == purse).unwrap();
        (found.balance, found.spendable, found.debt)
    }
}

fn connections(dir: &Path) -> (Connection, Connection) {
    let open = |name: &str| Connection::open(dir.join(name)).unwrap();
    (open("till.db"), open("directory.db"))
}

pub fn member_of(card: &str) -> MemberId {
    Identifier::parse(card).unwrap().member_id(&KEY)
}

pub fn identity(card: &str, status: MemberStatus) -> IdentityRow {
    let identifier = Identifier::parse(card).unwrap();
    IdentityRow { identifier: identifier.hash(&KEY), member: Some(identifier.member_id(&KEY)), status, tier: None }
}

pub fn state(card: &str, points: i64, debt: i64, visits: u64, as_of_ms: i64) -> MemberState {
    MemberState {
        member: member_of(card),
        status: MemberStatus::Active,
        display_name: Some("Ann".into()),
        tier: None,
        purses: vec![PurseState { purse: "points".into(), lot: Lot::default(), units: points }],
        debts: if debt > 0 { vec![("points".into(), debt)] } else { vec![] },
        visits,
        since: None,
        tags: vec![],
        as_of_ms,
    }
}

pub fn by_card(card: &str) -> MemberRef {
    MemberRef { identifier: Some(card.into()), member_id: None }
}

pub fn sale(number: &str, total: i64, card: Option<&str>) -> Sale {
    sale_at(number, total, card, MORNING)
}

pub fn sale_at(number: &str, total: i64, card: Option<&str>, at_ms: i64) -> Sale {
    Sale {
        receipt_number: number.into(),
        occurred_at: counterfoil_protocol::time::rfc3339_utc(at_ms),
        currency: "GBP".into(),
        total,
        tax: Some(total / 6),
        lines: vec![Line {
            description: Some("COFFEE".into()),
            category: Some("coffee".into()),
            amount: total,
            ..Line::default()
        }],
        tenders: vec![Tender { kind: TenderKind::Card, amount: total }],
        member: card.map(by_card),
        ..Sale::default()
    }
}

pub fn now() -> Now {
    Now::at(MORNING)
}

pub fn keyed(key: &str, request: &str) -> Call {
    let request = Digest::of(&[request.as_bytes()]);
    Call { source: Source::Api, idempotency: Some(Idempotency { key: key.into(), request }) }
}

pub fn spend(card: &str, units: i64) -> Redeem {
    Redeem {
        member: by_card(card),
        what: RedeemWhat::Units { purse: "points".into(), amount: units },
        sale_ref: None,
        operator: None,
        rights: Rights::Held,
        reserve: false,
        cut_off: false,
    }
}

pub fn paper(from: u64, at_ms: i64, document: CapturedDocument) -> Captured {
    Captured { from, to: from + 100, at_ms, document }
}
