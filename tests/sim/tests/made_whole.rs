//! Real tills and a real head office, both put back from older copies at any moment: in the end every fact that survived on
//! any disk is counted once, the books balance, and what the ledger says a till holds is what that till holds.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use counterfoil_hub::core::{EntryFilter, Faults, Hub, ImportRow, SaleFilter, StoreDraft};
use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::identifier::ProgramKey;
use counterfoil_protocol::record::Rights;
use counterfoil_protocol::sale::{Line, MemberRef, Sale};
use counterfoil_protocol::session::hub::SignedRequest;
use counterfoil_protocol::wire::http::{
    ENROL_PATH, FEED_PATH, GRANTS_PATH, PUSH_PATH, REPORT_PATH, RequestHeaders, SUCCEED_PATH,
};
use counterfoil_protocol::wire::sign::{PublicKey, request_text, sign};
use counterfoil_protocol::wire::v1::enrol::{EnrolAnswer, EnrolRequest};
use counterfoil_protocol::wire::v1::grant::{Refusal, RefusalKind, Want};
use counterfoil_sim::rng::Rng;
use counterfoil_till::{
    Call, Enrolment, Marker, Now, Redeem, RedeemWhat, Settings, Standing, Synchronous, Till, Witness, WitnessError,
};
use ed25519_dalek::SigningKey;
use minicbor::Decode;
use rusqlite::Connection;

const NOON_MS: i64 = 1_795_521_600_000;
const CARDS: [&str; 3] = ["9826000000017", "9826000000024", "9826000000031"];
const PROGRAM: &str = r#"{ "program": "club", "currency": "GBP", "time_zone": "Europe/London",
    "purse": { "points": { "kind": "points", "spend_fresh": true } },
    "earn": [ { "id": "base", "purse": "points", "award": { "every": 100, "give": 1 } } ] }"#;

#[derive(Clone, Default)]
struct Mark(Arc<Mutex<Option<Marker>>>);

impl Witness for Mark {
    fn store(&mut self, marker: &Marker) -> Result<(), WitnessError> {
        *self.0.lock().unwrap() = Some(*marker);
        Ok(())
    }
}

/// Stories. Half a second each.
const SEED_COUNT: u64 = 40;

/// Nothing loses power here.
fn settings() -> Settings {
    Settings { synchronous: Synchronous::Normal, ..Settings::default() }
}

/// A disk with a till on it.
struct Site {
    dir: PathBuf,
    mark: Mark,
    till: Option<Till>,
    images: Vec<(PathBuf, Option<Marker>)>,
    lives: BTreeSet<IncarnationId>,
    next_key: u8,
    number: u8,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(to).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn databases(dir: &Path) -> (Connection, Connection) {
    (Connection::open(dir.join("till.db")).unwrap(), Connection::open(dir.join("directory.db")).unwrap())
}

impl Site {
    fn enrolled(root: &Path, number: u8, hub: &mut Hub) -> Self {
        let seed = [number; 32];
        let key = SigningKey::from_bytes(&seed);
        let lane = number.to_string();
        let code = hub.invite("north", &lane, [number; 10], NOON_MS, 3_600_000, false).unwrap();
        let ask = EnrolRequest { secret: code.secret, public_key: PublicKey::of(&key), agent_version: "test".into() };
        let body = minicbor::to_vec(&ask).unwrap();
        let incarnation = PublicKey::of(&key).incarnation();
        let head = counterfoil_protocol::record::Head::start(incarnation);
        let signature = sign(&key, &request_text("POST", ENROL_PATH, &body, 0, incarnation, &head));
        let headers = RequestHeaders { incarnation, epoch: 0, head, signature };
        let answer: EnrolAnswer = minicbor::decode(&hub.enrol(&body, &headers, NOON_MS).body).unwrap();
        let enrolment = Enrolment {
            terminal: answer.terminal.clone(),
            lane,
            store: answer.store.clone(),
            key_seed: seed,
            epoch: answer.epoch,
            root_key: answer.root_key,
            root_certificate: String::new(),
            program_key: answer.program_key,
            hub_url: "http://127.0.0.1:1".into(),
        };
        let dir = root.join(format!("till-{number}"));
        std::fs::create_dir_all(&dir).unwrap();
        let (value, directory) = databases(&dir);
        let mark = Mark::default();
        let mut till = Till::create(value, directory, &enrolment, settings(), Box::new(mark.clone())).unwrap();
        till.keep_proof(&answer).unwrap();
        Self {
            dir,
            mark,
            till: Some(till),
            images: Vec::new(),
            lives: BTreeSet::from([incarnation]),
            next_key: 0,
            number,
        }
    }

    fn till(&mut self) -> &mut Till {
        self.till.as_mut().unwrap()
    }

    fn open(&mut self) {
        let (value, directory) = databases(&self.dir);
        let marker = *self.mark.0.lock().unwrap();
        let till = Till::open(value, directory, settings(), Box::new(self.mark.clone()), marker).unwrap();
        self.till = Some(till);
    }

    fn take_image(&mut self) {
        self.till = None;
        let to = self.dir.with_extension(format!("image-{}", self.images.len()));
        copy(&self.dir, &to);
        self.images.push((to, *self.mark.0.lock().unwrap()));
        self.open();
    }

    /// Puts an image back; with the marker of then it does not show.
    fn put_back(&mut self, index: usize, whole: bool) {
        self.till = None;
        let (from, marker) = self.images[index].clone();
        copy(&from, &self.dir);
        if whole {
            *self.mark.0.lock().unwrap() = marker;
        }
        self.open();
    }

    fn ask<T: for<'b> Decode<'b, ()>>(
        &mut self,
        hub: &mut Hub,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<T, Box<Refusal>> {
        let headers = self.till().sign_request(method, path, body);
        let RequestHeaders { incarnation, epoch, head, signature } = headers;
        let request = SignedRequest { method, path, body, epoch, incarnation, head, signature };
        let answer = hub.sync(&request, NOON_MS);
        self.till().verify_answer(&request.text(), answer.status, &answer.body, &answer.signature.unwrap()).unwrap();
        if answer.status == 200 {
            return Ok(minicbor::decode(&answer.body).unwrap());
        }
        let refusal: Refusal = minicbor::decode(&answer.body).unwrap();
        match refusal.kind {
            RefusalKind::Behind => self.till().note_hub_head(refusal.known_position.unwrap()).unwrap(),
            RefusalKind::Epoch => self.till().note_epoch(refusal.epoch.unwrap()).unwrap(),
            RefusalKind::Retired | RefusalKind::Quarantined => self.till().note_retired(&refusal.detail).unwrap(),
            _ => {}
        }
        Err(Box::new(refusal))
    }

    /// One contact: whatever is due, then a push and a page.
    fn contact(&mut self, hub: &mut Hub) {
        if self.till().report_due() {
            let report = self.till().epoch_report().unwrap();
            if let Ok(answer) = self.ask(hub, "POST", REPORT_PATH, &minicbor::to_vec(&report).unwrap()) {
                self.till().apply_epoch_answer(&answer).unwrap();
            }
            return;
        }
        if self.till().succession_due() {
            self.next_key += 1;
            let mut seed = [self.number; 32];
            seed[0] = 100 + self.next_key;
            let request = self.till().succession_request(seed, "test").unwrap();
            if let Ok(answer) = self.ask(hub, "POST", SUCCEED_PATH, &minicbor::to_vec(&request).unwrap()) {
                self.till().succeed(&answer, Now::at(NOON_MS)).unwrap();
                let incarnation = self.till().incarnation();
                self.lives.insert(incarnation);
            }
            return;
        }
        let mut after = self.till().acknowledged();
        while let Some(segment) = self.till().segment_after(after).unwrap() {
            match self.ask(hub, "POST", PUSH_PATH, &segment.to_bytes()) {
                Ok(answer) => {
                    self.till().take_push_answer(&answer).unwrap();
                    after = answer.acknowledged;
                }
                Err(refusal) => match (refusal.kind, refusal.known_position) {
                    (RefusalKind::Gap, Some(known)) => after = known,
                    _ => return,
                },
            }
        }
        loop {
            let path = format!("{FEED_PATH}?after={}&wait=0", self.till().cursor());
            let Ok(page) = self.ask::<counterfoil_protocol::wire::v1::feed::Page>(hub, "GET", &path, b"") else {
                return;
            };
            self.till().apply_page(&page).unwrap();
            self.till().carry_out_orders(Now::at(NOON_MS)).unwrap();
            if !page.more {
                return;
            }
        }
    }

    fn ask_rights(&mut self, hub: &mut Hub, card: &str, target: i64) {
        let who = by_card(card);
        let subject = self.till().subject(&who).unwrap();
        let want = Want::Level { purse: "points".into(), target };
        let request = self.till().grant_request("q", subject, want, Now::at(NOON_MS)).unwrap();
        if let Ok(answer) = self.ask(hub, "POST", GRANTS_PATH, &minicbor::to_vec(&request).unwrap()) {
            self.till().apply_grants(&answer).unwrap();
        }
    }
}

fn by_card(card: &str) -> MemberRef {
    MemberRef { identifier: Some(card.into()), member_id: None }
}

struct Office {
    dir: PathBuf,
    hub: Hub,
    backups: u64,
    faults: Faults,
}

impl Office {
    fn new(dir: PathBuf, faults: Faults) -> Self {
        std::fs::create_dir_all(&dir).unwrap();
        let conn = Connection::open(dir.join("hub.db")).unwrap();
        let mut hub = Hub::create(conn, [9; 32], ProgramKey([7; 32]), 1, String::new()).unwrap();
        hub.put_store("north", &StoreDraft::default(), NOON_MS).unwrap();
        hub.publish_program(PROGRAM, 0, NOON_MS).unwrap();
        let rows: Vec<ImportRow> =
            CARDS.iter().map(|card| ImportRow { identifiers: vec![(*card).into()], ..ImportRow::default() }).collect();
        hub.import_members(&rows, [3; 32], NOON_MS).unwrap();
        for card in CARDS {
            let member = hub.find_member(card, NOON_MS).unwrap().unwrap().member_id.parse().unwrap();
            hub.adjust(member, "points", 150, "welcome", None, NOON_MS).unwrap();
        }
        let mut office = Self { dir, hub, backups: 0, faults };
        office.set_up();
        office
    }

    fn set_up(&mut self) {
        self.hub.set_faults(self.faults);
        self.hub.connection().pragma_update(None, "synchronous", "OFF").unwrap();
    }

    fn back_up(&mut self) {
        self.backups += 1;
        let to = self.dir.join(format!("backup-{}.db", self.backups));
        self.hub.connection().execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
    }

    fn put_back(&mut self, which: u64) {
        let from = self.dir.join(format!("backup-{which}.db"));
        let to = self.dir.join(format!("hub-{}.db", self.hub.epoch() + 1));
        let epoch = self.hub.epoch() + 1;
        std::fs::copy(from, &to).unwrap();
        self.hub = Hub::open(Connection::open(to).unwrap(), [9; 32]).unwrap();
        self.hub.begin_epoch(epoch, "a backup was put back", NOON_MS).unwrap();
        self.set_up();
    }
}

fn sale(number: u64, card: Option<&str>, total: i64) -> Sale {
    Sale {
        receipt_number: format!("{number:06}"),
        occurred_at: "2026-11-24T12:00:00+00:00".into(),
        currency: "GBP".into(),
        total,
        lines: vec![Line { amount: total, description: Some("GOODS".into()), ..Line::default() }],
        member: card.map(by_card),
        ..Sale::default()
    }
}

/// Lives a story, comes to rest and judges it.
fn story(seed: u64, faults: Faults) {
    let mut rng = Rng::new(seed);
    let root = tempfile::tempdir().unwrap();
    let mut office = Office::new(root.path().join("office"), faults);
    let mut sites: Vec<Site> = (1..=3).map(|number| Site::enrolled(root.path(), number, &mut office.hub)).collect();
    sites.iter_mut().for_each(|site| site.contact(&mut office.hub));
    office.back_up();
    let mut told = Vec::new();
    for number in 1..=rng.below(60) + 10 {
        let index = rng.index(sites.len());
        let card = *rng.pick(&CARDS);
        let line_is_up = rng.chance(600);
        let site = &mut sites[index];
        match rng.below(100) {
            0..35 => {
                let card = rng.chance(800).then_some(card);
                let total = rng.between(1, 50) * 100;
                // The marker is stored by the shell within a second, or not in time.
                site.till().record_sale(sale(number, card, total), Call::api(), Now::at(NOON_MS)).unwrap();
                if rng.chance(500) {
                    site.till().store_marker().unwrap();
                }
            }
            35..55 => {
                let redeem = Redeem {
                    member: by_card(card),
                    what: RedeemWhat::Units { purse: "points".into(), amount: rng.between(1, 30) },
                    sale_ref: None,
                    operator: None,
                    rights: Rights::Held,
                    reserve: false,
                    cut_off: false,
                };
                // Refused where it is not held: that is the point.
                let _ = site.till().redeem(redeem, Call::api(), Now::at(NOON_MS));
            }
            55..70 if line_is_up => site.ask_rights(&mut office.hub, card, rng.between(1, 80)),
            55..85 if line_is_up => site.contact(&mut office.hub),
            85..88 => site.take_image(),
            88..93 if !site.images.is_empty() => {
                let image = rng.index(site.images.len());
                told.push(format!("till {index} put back"));
                site.put_back(image, rng.chance(700));
            }
            93..96 => office.back_up(),
            96..98 => {
                let which = rng.below(office.backups) + 1;
                told.push("head office put back".into());
                office.put_back(which);
            }
            98 => {
                let _ = site.till().close_day(None, Call::api(), Now::at(NOON_MS));
            }
            _ => {}
        }
    }
    // At rest: a till that was put back has heard so, and every till has told everything.
    for _ in 0..40 {
        sites.iter_mut().for_each(|site| site.contact(&mut office.hub));
    }
    let context = format!("seed {seed}: {}", told.join(", "));
    assert!(office.hub.epoch_state().unwrap().grants, "{context}");
    assert!(office.hub.trial_balance().unwrap().is_zero(), "{context}");
    assert_eq!(office.hub.verify().unwrap().findings, Vec::<String>::new(), "{context}");
    judge_holders(&mut office.hub, &mut sites, &context);
    judge_sales(&office.hub, &mut sites, &context);
}

fn judge_holders(hub: &mut Hub, sites: &mut [Site], context: &str) {
    let balance = hub.trial_balance().unwrap();
    let of = |id: IncarnationId| {
        let purse = balance.purses.iter().find(|purse| purse.purse == "points");
        let accounts = purse.map(|purse| purse.accounts.as_slice()).unwrap_or_default();
        accounts
            .iter()
            .filter(|account| account.holder.as_deref() == Some(&id.to_string()))
            .map(|one| one.total)
            .sum::<i64>()
    };
    for site in sites {
        let present = site.till().incarnation();
        let standing = site.till().standing().clone();
        if matches!(standing, Standing::Retired { .. }) {
            // Put back to before its succession: the second disk with that key. A person decides; it holds nothing.
            assert_eq!(of(present), 0, "{context}: till {}", site.number);
            continue;
        }
        assert!(standing.is_sound(), "{context}: till {}: {standing}", site.number);
        let held: i64 =
            site.till().held_here().unwrap().iter().filter(|held| held.purse == "points").map(|held| held.units).sum();
        assert_eq!(of(present), held, "{context}: till {}", site.number);
        for life in site.lives.iter().filter(|life| **life != present) {
            assert_eq!(of(*life), 0, "{context}: an earlier life of till {}", site.number);
        }
        assert_eq!(site.till().verify_journal().unwrap().problems, Vec::<String>::new(), "{context}");
    }
}

fn judge_sales(hub: &Hub, sites: &mut [Site], context: &str) {
    let sales = hub.sales(&SaleFilter::default(), None, 1_000).unwrap().items;
    let numbers: BTreeSet<&str> = sales.iter().map(|sale| sale.sale.receipt_number.as_str()).collect();
    assert_eq!(numbers.len(), sales.len(), "{context}: a sale stands twice");
    for number in 1..=70 {
        let number = format!("{number:06}");
        let is_on_a_disk = sites.iter_mut().any(|site| {
            let till = site.till();
            till.standing().is_sound() && till.sale_by_receipt(&number).unwrap().is_some()
        });
        assert!(!is_on_a_disk || numbers.contains(number.as_str()), "{context}: sale {number} is not at head office");
    }
    let given: i64 = sales.iter().flat_map(|sale| &sale.accrued).map(|award| award.amount).sum();
    let entries = hub.ledger_entries(&EntryFilter::default(), None, 1_000).unwrap().items;
    let accrued: i64 = entries.iter().filter(|entry| entry.kind == "accrue").map(|entry| entry.amount).sum();
    assert_eq!(accrued, given, "{context}: every sale gives once");
}

#[test]
fn whatever_was_put_back_everything_that_survived_is_counted_once() {
    for seed in 0..SEED_COUNT {
        story(seed, Faults::default());
    }
}

#[test]
fn the_negative_controls_are_noticed() {
    // Copies posted again are noticed by `controls.rs` and by the core's own tests; here it took luck.
    let controls = [("settle_nothing", Faults { settle_nothing: true, ..Faults::default() })];
    std::panic::set_hook(Box::new(|_| {}));
    let noticed = controls.map(|(name, faults)| {
        let is_noticed = (0..SEED_COUNT).any(|seed| std::panic::catch_unwind(|| story(seed, faults)).is_err());
        (name, is_noticed)
    });
    let _ = std::panic::take_hook();
    assert_eq!(noticed, controls.map(|(name, _)| (name, true)));
}
