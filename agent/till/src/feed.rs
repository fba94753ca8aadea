//! What head office tells: the directory, member states, grants, programs, store settings.
//!
//! Everything is idempotent. A page is verified as a whole before anything of it is written; the directory first, then
//! everything else with the cursor, in one transaction. Held units come from grants, never from a state.

use counterfoil_protocol::entry::EntryKind;
use counterfoil_protocol::id::Holder;
use counterfoil_protocol::program::Program;
use counterfoil_protocol::wire::v1::enrol::StoreSettings;
use counterfoil_protocol::wire::v1::feed::{Change, Cursor, HubEntry, MemberState, Page, PublishedProgram};
use rusqlite::params;

use crate::answer::FeedReport;
use crate::derive::{self, HeldCheck};
use crate::directory;
use crate::epoch::Reporting;
use crate::error::{CommandError, FeedError, StorageError};
use crate::rules::Programs;
use crate::standing::{Standing, WITNESS_HUB};
use crate::store::{self, values};
use crate::till::{Till, calendar_of};

/// Where both databases certainly are; text of another epoch, or none, is the beginning.
fn meet(value: &str, directory: &str, epoch: u64) -> String {
    let parse = |text: &str| Cursor::parse(text).ok().filter(|cursor| cursor.epoch == epoch);
    match (parse(value), parse(directory)) {
        (Some(value), Some(directory)) => value.meet(&directory).map(|met| met.to_text()).unwrap_or_default(),
        _ => String::new(),
    }
}

/// Whether everything up to `cursor` has been read already.
fn is_read(stored: &str, cursor: &Cursor) -> bool {
    Cursor::parse(stored).is_ok_and(|stored| stored.meet(cursor).as_ref() == Some(cursor))
}

impl Till {
    /// How far this till has read the feed; empty at the beginning.
    pub fn cursor(&self) -> String {
        meet(&self.hub.cursor, &self.directory_cursor, self.hub.epoch)
    }

    /// Takes a page of the feed. A page that was read before changes nothing.
    ///
    /// # Errors
    /// When something on it is not signed by the pinned key or not for this till, or it cannot be written. Nothing of
    /// it counts then, and the same page may come again.
    pub fn apply_page(&mut self, page: &Page) -> Result<FeedReport, FeedError> {
        self.usable()?;
        if page.epoch != self.hub.epoch {
            return Err(FeedError::Epoch { got: page.epoch, known: self.hub.epoch });
        }
        let cursor = Cursor::parse(&page.cursor).map_err(|_| FeedError::Cursor)?;
        if cursor.epoch != page.epoch {
            return Err(FeedError::Cursor);
        }
        page.changes.iter().try_for_each(|change| self.verify(change))?;
        self.compare_with_hub(page.includes_position)?;
        self.hub.note_time(page.hub_time_ms);
        let mut report = FeedReport::default();
        if !is_read(&self.directory_cursor, &cursor) {
            report.identities = directory::apply(&mut self.directory, Some(page), None, None)?;
            self.directory_cursor.clone_from(&page.cursor);
        }
        if is_read(&self.hub.cursor, &cursor) {
            return Ok(report);
        }
        let before = std::mem::replace(&mut self.hub.cursor, page.cursor.clone());
        self.hub.unsaved = true;
        let taken = self.transact(|till| till.take_changes(page, &mut report));
        if taken.is_err() {
            self.hub.cursor = before;
        }
        taken?;
        self.reload_after(page, &mut report)?;
        Ok(report)
    }

    fn verify(&self, change: &Change) -> Result<(), FeedError> {
        match change {
            Change::Grant(grant) => self.verify_grant(grant),
            Change::Program(program) => {
                let text = PublishedProgram::signed_text(program.version, program.effective_ms, &program.json);
                let verified = self.enrolment.root_key.verify(&text, &program.signature);
                verified.map_err(|_| FeedError::Signature("program"))
            }
            Change::Identity(_)
            | Change::State(_)
            | Change::Store(_)
            | Change::Recall(_)
            | Change::Reverse(_)
            | Change::Retire(_) => Ok(()),
        }
    }

    pub(crate) fn verify_grant(&self, grant: &HubEntry) -> Result<(), FeedError> {
        let text = HubEntry::signed_text(grant.id, &grant.entry);
        self.enrolment.root_key.verify(&text, &grant.signature).map_err(|_| FeedError::Signature("grant"))?;
        let mine = Holder::Terminal(self.incarnation);
        let is_grant = grant.entry.kind == EntryKind::Grant
            && grant.entry.to == Some(mine)
            && grant.id.author() == Holder::Hub
            && grant.entry.held_change(Holder::Hub, mine) == Ok(grant.entry.units);
        if is_grant { Ok(()) } else { Err(FeedError::NotForThisTill(grant.id.to_string())) }
    }

    fn take_changes(&mut self, page: &Page, report: &mut FeedReport) -> Result<(), CommandError> {
        for change in &page.changes {
            match change {
                Change::Identity(_) => {}
                Change::State(state) => report.states += self.take_state(state, page.includes_position)?,
                Change::Grant(grant) => report.grants += self.take_grant(grant)?,
                Change::Program(program) => self.take_program(program)?,
                Change::Store(settings) => self.take_store(settings, report)?,
                // What these ask for is a record of its own: `orders` carries them out after the page.
                Change::Recall(_) | Change::Reverse(_) | Change::Retire(_) => self.keep_order(change)?,
            }
        }
        Ok(())
    }

    /// A state, unless a later one is here. Gives 1 where it was taken.
    pub(crate) fn take_state(&mut self, state: &MemberState, includes_position: u64) -> Result<usize, CommandError> {
        let bytes = minicbor::to_vec(state).expect("encoding into memory cannot fail");
        Ok(store::execute(
            &self.value,
            "writing a member's state",
            "INSERT INTO member_state (member, epoch, includes_position, as_of_ms, state) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (member) DO UPDATE SET epoch = excluded.epoch, includes_position = excluded.includes_position, \
             as_of_ms = excluded.as_of_ms, state = excluded.state \
             WHERE (excluded.epoch, excluded.includes_position, excluded.as_of_ms) >= (epoch, includes_position, as_of_ms)",
            params![
                state.member.0,
                values::signed(self.hub.epoch),
                values::signed(includes_position),
                state.as_of_ms,
                bytes
            ],
        )?)
    }

    /// Rights given to this till, once however often they arrive. Gives 1 where they were new.
    pub(crate) fn take_grant(&mut self, grant: &HubEntry) -> Result<usize, CommandError> {
        let entry = &grant.entry;
        let bytes = minicbor::to_vec(grant).expect("encoding into memory cannot fail");
        let fresh = store::execute(
            &self.value,
            "writing a grant",
            "INSERT OR IGNORE INTO hub_entry (id, member, bytes) VALUES (?1, ?2, ?3)",
            params![grant.id.to_string(), entry.member.0, bytes],
        )?;
        if fresh == 0 && !self.settings.faults.repeat_grants {
            return Ok(0);
        }
        apply_grant(&self.value, grant)?;
        Ok(1)
    }

    fn take_program(&mut self, program: &PublishedProgram) -> Result<(), CommandError> {
        let bytes = minicbor::to_vec(program).expect("encoding into memory cannot fail");
        store::execute(
            &self.value,
            "writing a program",
            "INSERT OR REPLACE INTO program (version, effective_ms, bytes) VALUES (?1, ?2, ?3)",
            params![values::signed(program.version), program.effective_ms, bytes],
        )?;
        Ok(())
    }

    fn take_store(&mut self, settings: &StoreSettings, report: &mut FeedReport) -> Result<(), CommandError> {
        if settings.store != self.enrolment.store.store {
            return Ok(());
        }
        if let Err(error) = calendar_of(settings) {
            report.notes.push(format!("the store's new settings cannot be used and were not taken: {error}"));
            return Ok(());
        }
        let bytes = minicbor::to_vec(settings).expect("encoding into memory cannot fail");
        store::execute(&self.value, "writing the store's settings", "UPDATE till SET store_settings = ?1", [bytes])?;
        Ok(())
    }

    /// What is kept in memory of a page that is on the disk now.
    fn reload_after(&mut self, page: &Page, report: &mut FeedReport) -> Result<(), CommandError> {
        for change in &page.changes {
            match change {
                Change::Store(settings) if settings.store == self.enrolment.store.store => {
                    if let Ok(calendar) = calendar_of(settings) {
                        self.calendar = calendar;
                        self.enrolment.store = settings.clone();
                    }
                }
                Change::Program(program) => {
                    if let Err(problems) = Program::from_json(&program.json) {
                        let version = program.version;
                        report.notes.push(format!(
                            "program version {version} cannot be read by this till, the one before stays in force: {problems}"
                        ));
                    }
                }
                _ => {}
            }
        }
        if page.changes.iter().any(|change| matches!(change, Change::Program(_))) {
            self.programs = Programs::load(&self.value)?;
        }
        Ok(())
    }

    /// The hub refused because it knows more, or other, of this journal: the till stands behind from now on, durably.
    ///
    /// # Errors
    /// When it cannot be written down; the standing holds for this run all the same.
    pub fn note_hub_head(&mut self, known_position: u64) -> Result<(), CommandError> {
        if self.hub.behind_position == Some(known_position) {
            return Ok(());
        }
        self.standing = Standing::Behind { witness: WITNESS_HUB, known_position: Some(known_position) };
        self.hub.behind_position = Some(known_position);
        self.hub.unsaved = true;
        self.transact(|_| Ok(()))
    }

    /// The hub has settled this incarnation: the till stands retired from now on, durably. What it records is still
    /// taken.
    ///
    /// # Errors
    /// When it cannot be written down; the standing holds for this run all the same.
    pub fn note_retired(&mut self, why: &str) -> Result<(), CommandError> {
        if matches!(self.standing, Standing::Retired { .. }) {
            return Ok(());
        }
        self.standing = Standing::Retired { why: why.to_owned() };
        self.hub.retired_why = Some(why.to_owned());
        self.transact(|till| {
            let sql = "UPDATE till SET retired_why = ?1";
            store::execute(&till.value, "noting that this till is retired", sql, [why])?;
            Ok(())
        })
    }

    /// Every answer of the hub that names a position of this journal is a witness: one beyond the head means that this
    /// database is older than what it once sent.
    pub(crate) fn compare_with_hub(&mut self, position: u64) -> Result<(), CommandError> {
        let known = self.hub.behind_position.unwrap_or(self.head.position);
        if position > known.max(self.head.position) { self.note_hub_head(position) } else { Ok(()) }
    }

    /// The hub has a later epoch (it was restored): the feed is read from its beginning, and this till has a report to
    /// make. Rights held here stay. What the last epoch's clock said is forgotten: a clock that once was far ahead would
    /// otherwise hold this till in the future for ever. An earlier epoch is an old refusal, or a hub that was restored
    /// and does not know it: it changes nothing here.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_epoch(&mut self, epoch: u64) -> Result<(), CommandError> {
        if epoch <= self.hub.epoch {
            return Ok(());
        }
        let before = self.hub.clone();
        self.hub.epoch = epoch;
        self.hub.cursor = String::new();
        self.hub.time_ms = 0;
        self.hub.unsaved = true;
        self.reporting = Reporting::default();
        self.transact(|_| Ok(())).inspect_err(|_| self.hub = before)
    }
}

pub(crate) fn apply_grant(conn: &rusqlite::Connection, grant: &HubEntry) -> Result<(), CommandError> {
    let entry = &grant.entry;
    derive::change_held(conn, entry.member, &entry.purse, entry.lot, entry.units, HeldCheck::On)?;
    store::execute(
        conn,
        "writing what was received",
        "INSERT INTO received (member, purse, units) VALUES (?1, ?2, ?3) ON CONFLICT (member, purse) DO UPDATE SET \
         units = units + excluded.units",
        params![entry.member.0, entry.purse, entry.units],
    )?;
    Ok(())
}

/// Every grant this till ever took, in the order of their ids.
pub(crate) fn grants(conn: &rusqlite::Connection) -> Result<Vec<HubEntry>, CommandError> {
    let rows: Result<Vec<Vec<u8>>, StorageError> =
        store::all(conn, "reading the grants", "SELECT bytes FROM hub_entry ORDER BY id", [], |row| row.get(0));
    let decode = |bytes: Vec<u8>| {
        minicbor::decode(&bytes).map_err(|error| CommandError::damaged(format!("a grant cannot be read ({error})")))
    };
    rows?.into_iter().map(decode).collect()
}
