//! A till without a fleet: enrolled by a head office that is only a key, with a program and members from one page.

use counterfoil_protocol::identifier::{Identifier, ProgramKey};
use counterfoil_protocol::program::Program;
use counterfoil_protocol::wire::sign::{PublicKey, sign};
use counterfoil_protocol::wire::v1::enrol::StoreSettings;
use counterfoil_protocol::wire::v1::feed::{Change, Cursor, IdentityRow, MemberStatus, Page, PublishedProgram};
use counterfoil_till::{Enrolment, Settings, Till, Witness};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;

use crate::world::{BEGINNING_MS, PROGRAMS, card};

/// A till with the first of [`PROGRAMS`] and so many members.
///
/// # Panics
/// When the engine does not take any of it.
pub fn till(value: Connection, directory: Connection, witness: Box<dyn Witness + Send>, members: usize) -> Till {
    let root = SigningKey::from_bytes(&[1; 32]);
    let program_key = ProgramKey([2; 32]);
    let enrolment = Enrolment {
        terminal: "t-1".to_owned(),
        lane: "1".to_owned(),
        store: StoreSettings {
            store: "s-1".to_owned(),
            name: "Shop".to_owned(),
            time_zone: "Europe/London".to_owned(),
            currency: "GBP".to_owned(),
            day_ends: "03:00".to_owned(),
            groups: Vec::new(),
        },
        key_seed: [3; 32],
        epoch: 1,
        root_key: PublicKey::of(&root),
        root_certificate: String::new(),
        program_key,
        hub_url: "sim://head-office".to_owned(),
    };
    let mut till = Till::create(value, directory, &enrolment, Settings::default(), witness).expect("a new till");
    let json = Program::from_toml(PROGRAMS[0].0).expect("a program that parses").to_json();
    let effective_ms = BEGINNING_MS - 1_000;
    let text = PublishedProgram::signed_text(1, effective_ms, &json);
    let program = PublishedProgram { version: 1, effective_ms, json, signature: sign(&root, &text) };
    let identity = |member: usize| {
        let identifier = Identifier::parse(&card(member)).expect("a card number");
        Change::Identity(IdentityRow {
            identifier: identifier.hash(&program_key),
            member: Some(identifier.member_id(&program_key)),
            status: MemberStatus::Active,
            tier: None,
        })
    };
    let mut cursor = Cursor::start(1);
    cursor.positions[0] = 1;
    let page = Page {
        cursor: cursor.to_text(),
        epoch: 1,
        includes_position: 0,
        changes: std::iter::once(Change::Program(program)).chain((0..members).map(identity)).collect(),
        more: false,
        hub_time_ms: BEGINNING_MS,
    };
    till.apply_page(&page).expect("a page that holds");
    till
}
