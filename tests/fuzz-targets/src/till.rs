//! Targets for what a till takes from head office and from its own marker file.
//!
//! Head office is trusted once its signature holds; still, nothing it says may make a till panic or leave a journal
//! that does not check.

use counterfoil_protocol::sale::MemberRef;
use counterfoil_protocol::wire::sign::{PublicKey, sign};
use counterfoil_protocol::wire::v1::feed::{Change, Cursor, HubEntry, Page, PublishedProgram};
use counterfoil_protocol::wire::v1::grant::GrantAnswer;
use counterfoil_till::{
    Call, Enrolment, Marker, Now, Redeem, RedeemWhat, Settings, Standing, Till, Witness, WitnessError,
};
use rusqlite::Connection;

use crate::{choice, seeds};

/// A marker file that takes everything.
struct AnyMarker;

impl Witness for AnyMarker {
    fn store(&mut self, _: &Marker) -> Result<(), WitnessError> {
        Ok(())
    }
}

fn till() -> Till {
    let enrolment = Enrolment {
        terminal: "t1".into(),
        lane: "1".into(),
        store: seeds::store(),
        key_seed: seeds::till_signing_key().to_bytes(),
        epoch: 1,
        root_key: PublicKey::of(&seeds::root()),
        root_certificate: String::new(),
        program_key: seeds::PROGRAM_KEY,
        hub_url: "http://127.0.0.1:7400".into(),
    };
    let memory = || Connection::open_in_memory().expect("a database in memory");
    Till::create(memory(), memory(), &enrolment, Settings::default(), Box::new(AnyMarker)).expect("a till is made")
}

fn sign_grant(grant: &mut HubEntry) {
    grant.signature = sign(&seeds::root(), &HubEntry::signed_text(grant.id, &grant.entry));
}

/// Whatever a till was told, it goes on selling, and its journal follows from what it was told.
fn check(till: &mut Till) {
    let now = Now::at(seeds::NOON_MS);
    let who = MemberRef { identifier: Some(seeds::CARD.into()), member_id: None };
    let _ = till.look_up(&who, now);
    let _ = till.quote(&seeds::sale(), now);
    let _ = till.record_sale(seeds::sale(), Call::api(), now);
    let what = RedeemWhat::Units { purse: "points".into(), amount: 10 };
    let rights = counterfoil_protocol::record::Rights::Held;
    let redeem = Redeem { member: who, what, sale_ref: None, operator: None, rights, reserve: false, cut_off: false };
    let redeemed = till.redeem(redeem, Call::api(), now).is_ok();
    assert!(!redeemed || *till.standing() == Standing::Sound, "a till that stands behind spends nothing");
    let _ = till.status(now);
    let report = till.verify_journal().expect("a database in memory can be read");
    assert_eq!(report.problems, Vec::<String>::new(), "the journal checks");
    assert_eq!(report.records, till.head().position, "and is whole");
}

/// A page of the feed. The first byte says what is made right so that the till reads on: 1 the cursor and epoch, 2 the
/// signatures, 4 the position it includes.
pub fn till_page(data: &[u8]) {
    let (way, bytes) = choice(data);
    let Ok(mut page) = minicbor::decode::<Page>(bytes) else { return };
    if way & 1 != 0 {
        page.epoch = 1;
        let mut cursor = Cursor::start(1);
        cursor.positions[0] = 1;
        page.cursor = cursor.to_text();
    }
    if way & 2 != 0 {
        for change in &mut page.changes {
            match change {
                Change::Grant(grant) => sign_grant(grant),
                Change::Program(program) => {
                    let text = PublishedProgram::signed_text(program.version, program.effective_ms, &program.json);
                    program.signature = sign(&seeds::root(), &text);
                }
                _ => {}
            }
        }
    }
    if way & 4 != 0 {
        page.includes_position = 0;
    }
    let mut till = till();
    let before = till.cursor();
    let first = till.apply_page(&page);
    assert!(first.is_ok() || till.cursor() == before, "a page that is not taken moves nothing");
    let again = till.apply_page(&page);
    if first.is_ok() {
        assert!(again.is_ok_and(|report| report.grants == 0), "a page counts once");
    }
    check(&mut till);
}

/// An answer with rights, after a page that made the till ready. The first byte: 2 makes signatures right, 4 the
/// position.
pub fn till_grants(data: &[u8]) {
    let (way, bytes) = choice(data);
    let Ok(mut answer) = minicbor::decode::<GrantAnswer>(bytes) else { return };
    if way & 2 != 0 {
        answer.grants.iter_mut().for_each(sign_grant);
    }
    if way & 4 != 0 {
        answer.includes_position = 0;
    }
    let mut till = till();
    till.apply_page(&seeds::page()).expect("a sound page is taken");
    let first = till.apply_grants(&answer).is_ok();
    let again = till.apply_grants(&answer);
    assert!(!first || again.is_ok_and(|report| report.grants == 0), "an answer counts once");
    check(&mut till);
}

/// The marker file beside the database.
pub fn marker(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(marker) = Marker::parse(&text) {
        assert_eq!(marker.to_text(), text, "a marker has one form");
    }
}
