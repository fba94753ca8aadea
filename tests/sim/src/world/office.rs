//! Head office: one real hub on a disk of its own, its crashes, and what its people do meanwhile.

use std::collections::BTreeMap;

use counterfoil_hub::core::{
    EntryFilter, EntryView, Faults, Hub, HubError, ImportRow, MemberDraft, MemberPatch, StoreDraft,
};
use counterfoil_protocol::id::{Digest, EventId, MemberId};
use counterfoil_protocol::identifier::{Identifier, ProgramKey};
use counterfoil_protocol::program::Program;
use counterfoil_protocol::record::Idempotency;
use counterfoil_protocol::wire::v1::feed::{Cursor, MemberStatus};

use super::shop::{COMMON, PROGRAMS, card};
use super::{Event, Options, STORE, Sabotage, Swarm, Violation, World};
use crate::disk::{Disk, Fault};
use crate::model::till::Floor;
use crate::rng::Rng;

/// Entries read from the ledger at once.
const PAGE: usize = 500;

/// Head office's machine.
pub(super) struct Office {
    pub(super) disk: Disk,
    pub(super) hub: Option<Hub>,
    pub(super) life: u64,
    root_seed: [u8; 32],
    sabotage: Sabotage,
    /// Of member ids.
    pub(super) program_key: ProgramKey,
    /// How the next stop ends: with a power cut, or a dead process.
    pub(super) loses_power: bool,
    /// Rows of the ledger that were read, bucket by bucket.
    ledger_read: Vec<u64>,
    /// Members that exist.
    pub(super) members: usize,
    next_key: u64,
    /// What was asked and not answered, to be asked again.
    unanswered: Vec<Errand>,
    /// Programs by version; what each gives stands in [`PROGRAMS`].
    pub(super) programs: Vec<usize>,
    /// And what tills may overspend under each.
    pub(super) floors: Vec<BTreeMap<String, Floor>>,
}

/// Something a person at head office does; asked again with its key until it is answered.
#[derive(Debug, Clone)]
enum Errand {
    SignUp { member: usize, key: String },
    Import { from: usize, count: usize },
    Adjust { member: usize, amount: i64, key: String },
    Block { member: usize, blocked: bool, key: String },
    Publish { program: usize, effective_ms: i64 },
    Undo { id: EventId, key: String },
    WriteOff { member: usize, key: String },
}

impl Office {
    pub(super) fn open(rng: &mut Rng, swarm: &Swarm, options: Options) -> Result<Self, Violation> {
        let disk = Disk::new(rng.bits());
        let root_seed = rng.key();
        let conn = open_file(&disk).map_err(|error| Violation::new(0, error))?;
        let program_key = ProgramKey(rng.key());
        let hub = Hub::create(conn, root_seed, program_key, 1, "no TLS in a simulation".to_owned())
            .map_err(|error| Violation::new(0, format!("head office does not open: {error:?}")))?;
        let mut office = Self {
            disk,
            hub: Some(hub),
            life: 1,
            root_seed,
            sabotage: options.sabotage,
            program_key,
            loses_power: false,
            ledger_read: Vec::new(),
            members: swarm.members,
            next_key: 1,
            unanswered: Vec::new(),
            programs: Vec::new(),
            floors: Vec::new(),
        };
        office.sabotage();
        Ok(office)
    }

    fn sabotage(&mut self) {
        let Some(hub) = self.hub.as_mut() else { return };
        hub.set_faults(Faults {
            post_twice: self.sabotage == Sabotage::HubPostsTwice,
            grant_without_holding: self.sabotage == Sabotage::GrantWithoutHolding,
            post_origins_twice: self.sabotage == Sabotage::PostOriginsTwice,
            settle_nothing: self.sabotage == Sabotage::SettleNothing,
            ..Faults::default()
        });
        if self.sabotage == Sabotage::HubNormalSync {
            hub.connection().pragma_update(None, "synchronous", "NORMAL").expect("a pragma of an open database");
        }
    }

    /// A version more.
    fn note_program(&mut self, program: usize) {
        self.programs.push(program);
        let floor = PROGRAMS[program].1.floor;
        self.floors.push(floor.map(|floor| ("points".to_owned(), floor)).into_iter().collect());
    }

    fn key(&mut self) -> String {
        self.next_key += 1;
        format!("office-{}", self.next_key)
    }
}

impl World {
    /// What is there before the first till: the store, its members, the first program.
    pub(super) fn found_shop(&mut self) -> Result<(), Violation> {
        let wall_ms = self.wall_ms();
        let program = self.swarm.program;
        let hub = self.office.hub.as_mut().expect("opened just now");
        let draft = StoreDraft {
            name: Some("Shop".to_owned()),
            time_zone: Some("Europe/London".to_owned()),
            currency: Some("GBP".to_owned()),
            groups: None,
            day_ends: Some("03:00".to_owned()),
        };
        hub.put_store(STORE, &draft, wall_ms).map_err(unexpected)?;
        let rows: Vec<ImportRow> = (0..self.office.members).map(row).collect();
        let outcome = hub.import_members(&rows, self.rng.key(), wall_ms).map_err(unexpected)?;
        if outcome.created != rows.len() as u64 {
            return Err(Violation::new(0, format!("import of {} members: {outcome:?}", rows.len())));
        }
        hub.publish_program(&program_json(program)?, wall_ms - 1_000, wall_ms).map_err(unexpected)?;
        self.office.note_program(program);
        self.absorb_hub()
    }

    /// Reads what head office posted since the last look.
    pub(super) fn absorb_hub(&mut self) -> Result<(), Violation> {
        let Some(hub) = self.office.hub.as_ref() else { return Ok(()) };
        match ledger_after(hub, &mut self.office.ledger_read) {
            Ok(entries) => self.oracles.posted(entries, self.wall_ms()),
            Err(_) if self.office.disk.is_stopped() => Ok(()),
            Err(HubError::Storage { .. }) => {
                self.note("head office: the ledger cannot be read");
                Ok(())
            }
            Err(error) => Err(unexpected(error)),
        }
    }

    /// The machine is dead: nothing of the process remains.
    pub(super) fn hub_died(&mut self) {
        self.office.disk.stop();
        self.office.hub = None;
        self.office.life += 1;
        self.polls.clear();
        self.count(if self.office.loses_power { "power cuts at head office" } else { "kills at head office" });
        self.note(if self.office.loses_power { "head office: power cut" } else { "head office: killed" });
        let delay_ms = 500 + self.rng.below(60_000);
        self.queue.put(self.now_ms + delay_ms, Event::StartHub);
    }

    pub(super) fn stop_hub(&mut self, life: u64) -> Result<(), Violation> {
        if self.office.hub.is_some() && self.office.life == life {
            self.hub_died();
        }
        Ok(())
    }

    pub(super) fn start_hub(&mut self) -> Result<(), Violation> {
        if self.office.hub.is_some() {
            return Ok(());
        }
        let after_cut = self.office.loses_power;
        if after_cut {
            self.office.disk.power_on();
        } else {
            self.office.disk.resume();
        }
        self.office.loses_power = false;
        if !self.healed && self.rng.chance(150) {
            self.office.loses_power = true;
            let after = 1 + self.rng.below(40);
            self.office.disk.arm(Fault::Stop { after });
        }
        match self.open_hub() {
            Ok(entries) => {
                self.oracles.hub_reopened(&entries)?;
                self.note("head office: open");
                self.oracles.posted(entries, self.wall_ms())?;
                self.run_errands()
            }
            Err(_) if self.office.disk.is_stopped() => {
                self.hub_died();
                Ok(())
            }
            Err(why) => Err(Violation::new(5, format!("head office does not open after a crash: {why}"))),
        }
    }

    fn open_hub(&mut self) -> Result<Vec<EntryView>, String> {
        let conn = open_file(&self.office.disk).map_err(|error| error.to_string())?;
        super::till_site::check_integrity(&conn)?;
        let mut hub = Hub::open(conn, self.office.root_seed).map_err(|error| format!("{error:?}"))?;
        // As the server does: what the log shows may never have reached the disk.
        self.office.disk.rewrite_in_place("hub.db-wal").map_err(|error| error.to_string())?;
        hub.post_pending(self.wall_ms()).map_err(|error| format!("{error:?}"))?;
        self.office.ledger_read.clear();
        let entries = ledger_after(&hub, &mut self.office.ledger_read).map_err(|error| format!("{error:?}"))?;
        self.office.hub = Some(hub);
        self.office.sabotage();
        Ok(entries)
    }

    /// People at head office do something.
    pub(super) fn administer(&mut self) -> Result<(), Violation> {
        let delay_ms = 20_000 + self.rng.below(120_000);
        self.queue.put(self.now_ms + delay_ms, Event::Administer);
        let key = self.office.key();
        let member = self.rng.index(self.office.members);
        let errand = match self.rng.below(12) {
            0..=2 => {
                self.office.members += 1;
                Errand::SignUp { member: self.office.members - 1, key }
            }
            3 => {
                let from = self.office.members;
                self.office.members += 3;
                Errand::Import { from, count: 3 }
            }
            4..=6 => Errand::Adjust { member, amount: *self.rng.pick(&[5, 40, 100, -3, -50]), key },
            7 | 8 => Errand::Block { member, blocked: self.rng.chance(400), key },
            9 if self.rng.chance(500) => Errand::WriteOff { member, key },
            10 if !self.redeemed.is_empty() => Errand::Undo { id: *self.rng.pick(&self.redeemed), key },
            _ if self.swarm.programs_change => {
                let program = *self.rng.pick(&COMMON);
                Errand::Publish { program, effective_ms: self.wall_ms() + self.rng.between(0, 60_000) }
            }
            _ => return Ok(()),
        };
        self.note(&format!("head office: {errand:?}"));
        self.office.unanswered.push(errand);
        self.run_errands()
    }

    /// What head office does by itself: places rights where they will be wanted, takes idle ones back, ends what is past
    /// its date.
    pub(super) fn work_at_head_office(&mut self) -> Result<(), Violation> {
        let delay_ms = 4_000 + self.rng.below(40_000);
        self.queue.put(self.now_ms + delay_ms, Event::HeadOfficeWorks);
        let wall_ms = self.wall_ms();
        let plans = self.rng.chance(700);
        let Some(hub) = self.office.hub.as_mut() else { return Ok(()) };
        let done = if plans { hub.plan_due(wall_ms, 20) } else { hub.expire_due(wall_ms, 20) };
        if self.office.disk.is_stopped() {
            self.hub_died();
            return Ok(());
        }
        match done {
            Ok(members) => {
                self.count_up(if plans { "plans of a member's rights" } else { "expiries of members" }, members as u64);
                self.wake_soon();
                self.absorb_hub()
            }
            Err(HubError::Storage { doing, .. }) => {
                self.note(&format!("head office: storage failed while {doing}"));
                Ok(())
            }
            Err(error) => Err(unexpected(error)),
        }
    }

    /// Asks for what has not been answered yet.
    pub(super) fn run_errands(&mut self) -> Result<(), Violation> {
        for errand in std::mem::take(&mut self.office.unanswered) {
            if !self.run_errand(&errand)? {
                self.office.unanswered.push(errand);
            }
        }
        Ok(())
    }

    /// Whether everything asked has been answered.
    pub(super) fn errands_done(&self) -> bool {
        self.office.unanswered.is_empty()
    }

    fn run_errand(&mut self, errand: &Errand) -> Result<bool, Violation> {
        let wall_ms = self.wall_ms();
        let entropy = self.rng.key();
        let Some(hub) = self.office.hub.as_mut() else { return Ok(false) };
        let program_key = *hub.program_key();
        let id = |member: usize| member_id(&program_key, member);
        let idempotency =
            |key: &String| Idempotency { key: key.clone(), request: Digest::of(&[format!("{errand:?}").as_bytes()]) };
        let result = match errand {
            Errand::SignUp { member, key } => {
                let draft = MemberDraft { identifiers: vec![card(*member)], ..MemberDraft::default() };
                hub.create_member(&draft, Some(&idempotency(key)), entropy, wall_ms).map(|_| ())
            }
            Errand::Import { from, count } => {
                let rows: Vec<ImportRow> = (*from..from + count).map(row).collect();
                hub.import_members(&rows, entropy, wall_ms).map(|_| ())
            }
            Errand::Adjust { member, amount, key } => {
                hub.adjust(id(*member), "points", *amount, "goodwill", Some(&idempotency(key)), wall_ms).map(|_| ())
            }
            Errand::Block { member, blocked, key } => {
                let status = if *blocked { MemberStatus::Blocked } else { MemberStatus::Active };
                let patch = MemberPatch { status: Some(status), ..MemberPatch::default() };
                hub.update_member(id(*member), &patch, Some(&idempotency(key)), wall_ms).map(|_| ())
            }
            Errand::Undo { id, key } => {
                hub.request_reversal(*id, "asked for by telephone", Some(&idempotency(key)), wall_ms).map(|_| ())
            }
            Errand::WriteOff { member, key } => {
                hub.write_off(id(*member), "points", "goodwill", Some(&idempotency(key)), wall_ms).map(|_| ())
            }
            Errand::Publish { program, effective_ms } => {
                let published = hub.publish_program(&program_json(*program)?, *effective_ms, wall_ms);
                if published.as_ref().is_ok_and(|published| published.version as usize > self.office.programs.len()) {
                    self.office.note_program(*program);
                }
                published.map(|_| ())
            }
        };
        if self.office.disk.is_stopped() {
            self.hub_died();
            return Ok(false);
        }
        self.wake_soon();
        match result {
            Ok(()) => {
                self.absorb_hub()?;
                Ok(true)
            }
            // A redemption that is not there yet, or was never made; a debt that is paid already.
            Err(HubError::NotFound { .. } | HubError::Conflict { .. } | HubError::Invalid { .. })
                if matches!(errand, Errand::Undo { .. } | Errand::WriteOff { .. }) =>
            {
                Ok(true)
            }
            // A member who is not there yet because its sign-up was not answered either.
            Err(HubError::NotFound { .. }) => Ok(false),
            Err(HubError::Storage { doing, source }) => {
                self.note(&format!("head office: storage failed while {doing}: {:?}", source.sqlite_error_code()));
                Ok(false)
            }
            Err(error) => Err(Violation::new(0, format!("head office refuses {errand:?}: {error}"))),
        }
    }
}

/// Head office's database, for one process: a simulated disk has no memory that processes could share.
fn open_file(disk: &Disk) -> rusqlite::Result<rusqlite::Connection> {
    let conn = disk.open("hub.db")?;
    conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(conn)
}

/// The member behind a card.
pub(super) fn member_id(key: &ProgramKey, member: usize) -> counterfoil_protocol::id::MemberId {
    Identifier::parse(&card(member)).expect("a card number").member_id(key)
}

fn row(member: usize) -> ImportRow {
    ImportRow { display_name: Some(format!("Member {member}")), identifiers: vec![card(member)] }
}

fn program_json(program: usize) -> Result<String, Violation> {
    Program::from_toml(PROGRAMS[program].0)
        .map(|program| program.to_json())
        .map_err(|problems| Violation::new(0, format!("program {program}: {problems}")))
}

/// Rows that were not read yet. Head office's cursor is a count of rows in each bucket; keeping it here instead of asking
/// again with the last one spares reading a page of old rows each time.
fn ledger_after(hub: &Hub, read: &mut Vec<u64>) -> Result<Vec<EntryView>, HubError> {
    let mut reached = Cursor::start(hub.epoch());
    reached.positions.iter_mut().zip(read.iter()).for_each(|(position, read)| *position = *read);
    let mut entries = Vec::new();
    loop {
        let page = hub.ledger_entries(&EntryFilter::default(), Some(&reached.to_text()), PAGE)?;
        for entry in &page.items {
            if let Ok(member) = entry.member_id.parse::<MemberId>() {
                reached.positions[usize::from(member.bucket())] += 1;
            }
        }
        entries.extend(page.items);
        if page.next.is_none() {
            *read = reached.positions.to_vec();
            return Ok(entries);
        }
    }
}

fn unexpected(error: HubError) -> Violation {
    Violation::new(0, format!("head office: {error:?}"))
}
