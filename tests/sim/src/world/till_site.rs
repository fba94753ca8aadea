//! A lane: one real till on a disk of its own with its marker beside it, the register it listens to, the line it
//! hangs on.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_protocol::entry::{Entry, EntryKind};
use counterfoil_protocol::id::{Holder, IncarnationId, MemberId};
use counterfoil_protocol::record::{Body, Head, Record};
use counterfoil_protocol::sale::MemberRef;
use counterfoil_protocol::session::terminal::TerminalSession;
use counterfoil_protocol::wire::http::{ENROL_PATH, RequestHeaders};
use counterfoil_protocol::wire::sign::{PublicKey, request_text, sign};
use counterfoil_protocol::wire::v1::enrol::{EnrolAnswer, EnrolRequest};
use counterfoil_protocol::wire::v1::feed::MemberStatus;
use counterfoil_till::{
    CommandError, Enrolment, Faults, Marker, Now, OpenError, Settings, Standing, Synchronous, Till, Witness,
    WitnessError,
};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;

use super::cashier::{FinishedCall, PendingCall, Question};
use super::life::Basket;
use super::line::LineState;
use super::shop::{PROGRAMS, Register};
use super::{Event, STORE, Sabotage, Violation, World};
use crate::disk::{Disk, Fault, Image};
use crate::model::dates::{Day, Term};
use crate::model::till::{Around, TillModel};

/// The marker's file; it is no part of an image of the database.
pub(super) const MARKER: &str = "marker";

/// What was true of a till just before it was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    pub(super) sound: bool,
    pub(super) acknowledged: u64,
    pub(super) cut_off: bool,
}

/// How far the journal of an older copy came.
pub(super) struct Copy {
    pub(super) image: Image,
    pub(super) position: u64,
    /// What the till had then, by the model.
    pub(super) model: TillModel,
}

/// One lane.
pub(super) struct TillSite {
    pub(super) disk: Disk,
    pub(super) till: Option<Till>,
    pub(super) session: Option<TerminalSession>,
    /// When the session wants to be called, as far as that is planned.
    pub(super) session_due_ms: Option<u64>,
    /// Which life of the process.
    pub(super) life: u64,
    pub(super) incarnation: IncarnationId,
    pub(super) terminal: String,
    pub(super) register: Register,
    pub(super) line: LineState,
    pub(super) line_fault: u64,
    /// What the till's clock is off by.
    pub(super) clock_ms: i64,
    /// The latest time that head office told this till, and this run of its process.
    pub(super) heard_ms: (i64, i64),
    /// Whether it might spend before the last call, how far it was acknowledged then, and whether the call said that
    /// head office could not be asked.
    pub(super) before: Before,
    /// How the next stop ends.
    pub(super) loses_power: bool,
    /// A copy of the database that may be put back.
    pub(super) copy: Option<Copy>,
    /// The highest position ever put into a segment.
    pub(super) pushed: u64,
    /// Its database was edited, or will be when it is down.
    pub(super) lies: bool,
    pub(super) will_lie: bool,
    /// Which life of the terminal.
    pub(super) lives: u32,
    /// Another one is being asked for.
    pub(super) succession_planned: bool,
    /// An older database was put back.
    pub(super) put_back: bool,
    /// And the till must know it: what it held was spent since then, or the marker is gone.
    pub(super) must_notice: bool,
    /// Calls of the POS that have no answer yet.
    pub(super) calls: Vec<PendingCall>,
    /// The last calls that have one.
    pub(super) finished: Vec<FinishedCall>,
    /// Redemptions that wait for head office.
    pub(super) questions: Vec<Question>,
    pub(super) next_key: u64,
    pub(super) retry_planned: bool,
    /// Baskets that reserved units.
    pub(super) baskets: Vec<Basket>,
    /// Sales that were answered, for voids and questions: receipt, position.
    pub(super) sold: Vec<(String, u64)>,
}

impl TillSite {
    /// Nobody waits for head office any more.
    pub(super) fn forget_questions(&mut self) {
        self.questions.clear();
        self.calls.iter_mut().for_each(|call| call.waits = false);
        self.session_due_ms = None;
        self.succession_planned = false;
    }
}

/// What came of asking a till.
pub(super) enum Asked<T> {
    /// An answer.
    Done(T),
    /// A refusal.
    Refused(CommandError),
    /// Nobody there, or gone while it was asked.
    Down,
}

impl<T> Asked<T> {
    pub(super) fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            Self::Refused(_) | Self::Down => None,
        }
    }
}

/// The marker in a file of the till's disk.
struct MarkerFile {
    disk: Disk,
    /// Only the first is written.
    ignored: bool,
}

impl Witness for MarkerFile {
    fn store(&mut self, marker: &Marker) -> Result<(), WitnessError> {
        if self.ignored && self.disk.read_file(MARKER).is_some() {
            return Ok(());
        }
        self.disk.replace_file(MARKER, marker.to_text().as_bytes()).map_err(|error| WitnessError(Box::new(error)))
    }
}

impl World {
    fn settings(&self) -> Settings {
        let sabotage = self.options.sabotage;
        Settings {
            synchronous: if sabotage == Sabotage::TillNormalSync { Synchronous::Normal } else { Synchronous::Full },
            faults: Faults {
                redeem_without_rights: sabotage == Sabotage::RedeemWithoutRights,
                acknowledge_before_commit: sabotage == Sabotage::AcknowledgeBeforeCommit,
                forget_first_answers: sabotage == Sabotage::ForgetFirstAnswers,
                repeat_grants: sabotage == Sabotage::RepeatGrants,
                spend_reserved: sabotage == Sabotage::SpendReserved,
                spend_expired: sabotage == Sabotage::SpendExpired,
                spend_unvested: sabotage == Sabotage::SpendUnvested,
                floor_without_limit: sabotage == Sabotage::FloorWithoutLimit,
                reverse_twice: sabotage == Sabotage::ReverseTwice,
                spend_while_behind: sabotage == Sabotage::SpendWhileBehind,
                ..Faults::default()
            },
            ..Settings::default()
        }
    }

    fn witness(&self, disk: &Disk) -> Box<dyn Witness + Send> {
        Box::new(MarkerFile { disk: disk.clone(), ignored: self.options.sabotage == Sabotage::NoMarker })
    }

    /// Takes a new till in.
    pub(super) fn enrol_till(&mut self, index: usize) -> Result<(), Violation> {
        let broken = |what: &dyn std::fmt::Debug| Violation::new(0, format!("enrolment of till {index}: {what:?}"));
        let disk = Disk::new(self.rng.bits());
        let seed = self.rng.key();
        let key = SigningKey::from_bytes(&seed);
        let public_key = PublicKey::of(&key);
        let incarnation = public_key.incarnation();
        let mut secret = [0; 10];
        secret.copy_from_slice(&self.rng.key()[..10]);
        let wall_ms = self.wall_ms();
        let hub = self.office.hub.as_mut().expect("head office is open at the beginning");
        let code = hub
            .invite(STORE, &format!("{}", index + 1), secret, wall_ms, 3_600_000, false)
            .map_err(|error| broken(&error))?;
        let request = EnrolRequest { secret: code.secret, public_key, agent_version: "simulated".to_owned() };
        let body = minicbor::to_vec(&request).expect("encoding into memory cannot fail");
        let head = Head::start(incarnation);
        let signature = sign(&key, &request_text("POST", ENROL_PATH, &body, 0, incarnation, &head));
        let headers = RequestHeaders { incarnation, epoch: 0, head, signature };
        let answer = hub.enrol(&body, &headers, wall_ms);
        let answer: EnrolAnswer = match answer.status {
            200 | 201 => minicbor::decode(&answer.body).map_err(|error| broken(&error))?,
            _ => return Err(broken(&answer)),
        };
        if answer.root_key.fingerprint() != code.root_fingerprint || answer.incarnation != incarnation {
            return Err(broken(&answer));
        }
        let enrolment = Enrolment {
            terminal: answer.terminal.clone(),
            lane: answer.lane,
            store: answer.store,
            key_seed: seed,
            epoch: answer.epoch,
            root_key: answer.root_key,
            root_certificate: answer.root_certificate,
            program_key: answer.program_key,
            hub_url: "sim://head-office".to_owned(),
        };
        if self.options.sabotage == Sabotage::LyingDisk {
            disk.set_lying(true);
        }
        let (value, directory) = open_files(&disk).map_err(|error| broken(&error))?;
        let till = Till::create(value, directory, &enrolment, self.settings(), self.witness(&disk))
            .map_err(|error| broken(&error))?;
        self.tills.push(TillSite {
            disk,
            till: Some(till),
            session: None,
            session_due_ms: None,
            life: 1,
            incarnation,
            terminal: answer.terminal,
            register: Register::new(index + 1),
            line: LineState::Up,
            line_fault: 0,
            clock_ms: 0,
            heard_ms: (0, 0),
            before: Before { sound: true, acknowledged: 0, cut_off: false },
            loses_power: false,
            copy: None,
            pushed: 0,
            lies: false,
            will_lie: false,
            lives: 1,
            succession_planned: false,
            put_back: false,
            must_notice: false,
            calls: Vec::new(),
            finished: Vec::new(),
            questions: Vec::new(),
            next_key: 1,
            retry_planned: false,
            baskets: Vec::new(),
            sold: Vec::new(),
        });
        self.oracles.begins(incarnation);
        self.connect(index)
    }

    pub(super) fn connect(&mut self, index: usize) -> Result<(), Violation> {
        let now = self.now();
        let seed = self.rng.bits();
        let site = &mut self.tills[index];
        let Some(till) = site.till.as_ref() else { return Ok(()) };
        site.session = Some(TerminalSession::new(till.head().position, till.acknowledged(), seed, now));
        self.drive_session(index)
    }

    /// The till's clock.
    pub(super) fn till_now(&self, index: usize) -> Now {
        Now {
            wall_ms: self.wall_ms() + self.tills[index].clock_ms,
            suspect: self.tills[index].clock_ms.abs() > 3_600_000,
        }
    }

    /// Asks a till for something, then lets the oracles see what it committed, and its process die where its disk
    /// did.
    pub(super) fn with_till<T>(
        &mut self,
        index: usize,
        ask: impl FnOnce(&mut Till, Now) -> Result<T, CommandError>,
    ) -> Result<Asked<T>, Violation> {
        let now = self.till_now(index);
        let Some(till) = self.tills[index].till.as_mut() else { return Ok(Asked::Down) };
        let (sound, acknowledged) = (till.standing().is_sound(), till.acknowledged());
        let result = ask(till, now);
        self.tills[index].before.sound = sound;
        let before = &mut self.tills[index].before.acknowledged;
        *before = acknowledged.max(*before);
        if self.tills[index].disk.is_stopped() {
            self.till_died(index);
            // An answer that was given before the lights went out was given.
            return Ok(result.map_or(Asked::Down, Asked::Done));
        }
        self.absorb(index)?;
        match result {
            Ok(value) => Ok(Asked::Done(value)),
            Err(CommandError::Poisoned) => {
                self.count("tills that had to open anew");
                self.note(&format!("till {index}: its disk failed during a commit"));
                self.restart_till(index);
                Ok(Asked::Down)
            }
            Err(CommandError::Damaged { what }) => Err(Violation::new(5, format!("till {index} is damaged: {what}"))),
            Err(error) => Ok(Asked::Refused(error)),
        }
    }

    /// Shows the oracles what a till committed since they last looked.
    pub(super) fn absorb(&mut self, index: usize) -> Result<(), Violation> {
        self.begin_next_life(index);
        let site = &self.tills[index];
        let incarnation = site.incarnation;
        let Some(till) = site.till.as_ref() else { return Ok(()) };
        let seen = self.oracles.head(incarnation);
        let head = till.head();
        if head.position <= seen {
            return Ok(());
        }
        let Ok(fresh) = till.records_after(seen, 1_000) else { return Ok(()) };
        let mut touched = BTreeSet::new();
        for (position, _, record) in &fresh {
            self.note_entries(index, *position, record);
            self.check_awards(index, *position, record)?;
            touched.extend(record.entries.iter().map(|entry| entry.member));
        }
        let site = &self.tills[index];
        let around = Around {
            acknowledged: site.before.acknowledged,
            heard_ms: site.heard_ms.0,
            heard_in_this_run_ms: site.heard_ms.1,
            sound: site.before.sound,
            cut_off: site.before.cut_off,
            floors: &self.office.floors,
        };
        self.oracles.committed(incarnation, fresh, &around)?;
        for member in touched {
            if self.rng.chance(250) {
                self.compare_book(index, member)?;
            }
        }
        let now = self.now();
        if let Some(session) = self.tills[index].session.as_mut() {
            session.handle_head(head.position, now);
        }
        Ok(())
    }

    /// Law 3, at every step: what a till lets a member spend is what the model says it may.
    fn compare_book(&mut self, index: usize, member: MemberId) -> Result<(), Violation> {
        let now = self.till_now(index);
        let site = &self.tills[index];
        let Some(till) = site.till.as_ref() else { return Ok(()) };
        let who = MemberRef { identifier: None, member_id: Some(member.to_string()) };
        let Ok(Some(view)) = till.look_up(&who, now) else { return Ok(()) };
        if site.lies {
            return Ok(());
        }
        let model = self.oracles.model(site.incarnation);
        let may = view.status == MemberStatus::Active && till.standing().is_sound();
        let day = |at_ms: i64| Day::of_shop(at_ms);
        let (wall, heard, heard_now) = (day(now.wall_ms), day(site.heard_ms.0), day(site.heard_ms.1));
        let certain = if now.suspect { heard_now } else { wall.max(heard_now) };
        for purse in &view.purses {
            let most = model.spendable(member, &purse.purse, wall.max(heard), wall.max(heard_now));
            let least = model.spendable(member, &purse.purse, certain, wall.max(heard));
            let (least, most) = if !may {
                (0, 0)
            } else if !model.is_sure() {
                (0, most)
            } else if purse.debt > 0 {
                // What baskets hold comes off what is left after the debt.
                (least.min(purse.balance - model.reserved(member, &purse.purse)).max(0), most.min(purse.balance))
            } else {
                (least, most)
            };
            if !(least..=most).contains(&purse.spendable) {
                let what = format!("till {index} lets {purse:?} of {member} be spent, due is {least} to {most}");
                return Err(Violation::new(3, what));
            }
        }
        self.oracles.judged(3, "a till's book is the model's");
        Ok(())
    }

    fn note_entries(&mut self, index: usize, position: u64, record: &Record) {
        for entry in &record.entries {
            let Entry { kind, member, purse, units, to, debt, .. } = entry;
            let to = to.map_or("nobody", |to| if to == Holder::Hub { "head office" } else { "itself" });
            self.note(&format!(
                "till {index}: record {position}: {kind:?} {units} {purse} of {member} to {to}, {debt:?}"
            ));
        }
    }

    /// What a sale accrued is what a person would have worked out from its program: how much, in which lot, for whom.
    fn check_awards(&mut self, index: usize, position: u64, record: &Record) -> Result<(), Violation> {
        let Body::Sale(sale) = &record.body else { return Ok(()) };
        let mut due: BTreeMap<&str, i64> = BTreeMap::new();
        let accrued = || record.entries.iter().filter(|entry| entry.kind == EntryKind::Accrue);
        if let (Some(version), Some(_)) = (record.program_version, sale.member) {
            let Some(program) = self.office.programs.get(version as usize - 1) else { return Ok(()) };
            let expected = &PROGRAMS[*program].1;
            let visits = sale.inputs.as_ref().map_or(0, |inputs| inputs.visits);
            due.extend(expected.awards(&sale.sale, visits));
            let made = Day::of(record.business_date);
            for entry in accrued() {
                let is_points = entry.purse == "points";
                let term = if is_points { expected.term } else { Term::default() };
                let kept = entry.to != Some(Holder::Hub);
                if !term.fits(entry.lot, made) || (kept && is_points && !expected.fresh) {
                    let what = format!("till {index}, record {position}: made on {made:?}: {entry:?}");
                    return Err(Violation::new(0, what));
                }
            }
        }
        let mut given: BTreeMap<&str, i64> = BTreeMap::new();
        for entry in accrued() {
            *given.entry(&entry.purse).or_default() += entry.units;
        }
        if given != due {
            return Err(Violation::new(
                0,
                format!("till {index}, record {position}: accrued {given:?}, due is {due:?}: {sale:?}"),
            ));
        }
        self.oracles.judged(0, "what a sale gives");
        Ok(())
    }

    /// The process stops in an orderly way and starts again, as a daemon does after a storage error.
    pub(super) fn restart_till(&mut self, index: usize) {
        let site = &mut self.tills[index];
        site.till = None;
        site.session = None;
        site.life += 1;
        site.forget_questions();
        let delay_ms = 200 + self.rng.below(3_000);
        self.queue.put(self.now_ms + delay_ms, Event::StartTill { till: index });
    }

    /// The machine is dead: nothing of the process remains.
    pub(super) fn till_died(&mut self, index: usize) {
        let site = &mut self.tills[index];
        site.disk.stop();
        site.till = None;
        site.session = None;
        site.life += 1;
        site.forget_questions();
        let power = site.loses_power;
        self.count(if power { "power cuts at tills" } else { "kills at tills" });
        self.note(&format!("till {index}: {}", if power { "power cut" } else { "killed" }));
        let delay_ms = 500 + self.rng.below(30_000);
        self.queue.put(self.now_ms + delay_ms, Event::StartTill { till: index });
    }

    pub(super) fn stop_till(&mut self, index: usize, life: u64) -> Result<(), Violation> {
        if self.tills[index].till.is_some() && self.tills[index].life == life {
            self.till_died(index);
        }
        Ok(())
    }

    pub(super) fn start_till(&mut self, index: usize) -> Result<(), Violation> {
        if self.tills[index].till.is_some() {
            return Ok(());
        }
        let site = &mut self.tills[index];
        if site.disk.is_stopped() {
            if site.loses_power {
                site.disk.power_on();
            } else {
                site.disk.resume();
            }
            site.loses_power = false;
        }
        if self.tills[index].will_lie {
            self.edit_database(index);
        }
        if !self.healed && self.rng.chance(150) {
            self.tills[index].loses_power = true;
            let after = 1 + self.rng.below(30);
            self.tills[index].disk.arm(Fault::Stop { after });
            self.count("faults while opening");
        }
        match self.open_till(index) {
            Ok(till) => {
                self.tills[index].till = Some(till);
                self.tills[index].heard_ms.1 = 0;
                self.till_is_open(index)?;
                self.carry_out_orders(index)
            }
            Err(_) if self.tills[index].disk.is_stopped() => {
                self.till_died(index);
                Ok(())
            }
            Err(Opening::Storage(why)) if !self.healed && self.tills[index].disk.is_failing() => {
                // Not into the trace: what SQLite says names the disk, whose number differs between runs.
                drop(why);
                self.note(&format!("till {index}: does not open yet"));
                self.restart_till(index);
                Ok(())
            }
            Err(Opening::Storage(why)) => {
                Err(Violation::new(5, format!("till {index} does not open after a crash: {why}")))
            }
        }
    }

    fn open_till(&mut self, index: usize) -> Result<Till, Opening> {
        let storage = |error: rusqlite::Error| Opening::Storage(error.to_string());
        let disk = self.tills[index].disk.clone();
        let (value, directory) = open_files(&disk).map_err(storage)?;
        check_integrity(&value).map_err(Opening::Storage)?;
        check_integrity(&directory).map_err(Opening::Storage)?;
        let marker = disk.read_file(MARKER).and_then(|text| Marker::parse(&String::from_utf8_lossy(&text)).ok());
        let till = Till::open(value, directory, self.settings(), self.witness(&disk), marker)
            .map_err(|error: OpenError| Opening::Storage(format!("{error:?}")))?;
        // As the daemon does: what the logs show may never have reached the disk.
        if self.options.sabotage != Sabotage::LogNotSettled {
            for log in ["till.db-wal", "directory.db-wal"] {
                disk.rewrite_in_place(log).map_err(|error| Opening::Storage(error.to_string()))?;
            }
        }
        Ok(till)
    }

    /// Everything that must be true of a till that has just been opened.
    fn till_is_open(&mut self, index: usize) -> Result<(), Violation> {
        self.begin_next_life(index);
        let site = &self.tills[index];
        let till = site.till.as_ref().expect("opened just now");
        let (incarnation, head) = (site.incarnation, till.head());
        let behind = matches!(till.standing(), Standing::Behind { .. });
        self.note(&format!("till {index}: open at {}{}", head.position, if behind { ", behind" } else { "" }));
        let report = self.with_till(index, |till, _| till.verify_journal())?;
        if let Asked::Done(report) = report
            && (report.records != head.position
                || report.chain != head.chain
                || report.problems.is_empty() == self.tills[index].lies)
        {
            return Err(Violation::new(
                5,
                format!("till {index}: the journal's check says {report:?}, the head {head:?}"),
            ));
        }
        let lost = self.oracles.lost(incarnation);
        if self.tills[index].must_notice && !behind {
            let what = format!("till {index} came back with an older database and does not notice: {lost:?}");
            return Err(Violation::new(2, what));
        }
        if behind && !self.tills[index].put_back {
            return Err(Violation::new(5, format!("till {index} stands behind although nothing was put back")));
        }
        if lost.is_none() {
            let seen = self.oracles.seen(incarnation);
            let chain = match self.tills[index].till.as_ref() {
                Some(till) if seen > 0 && head.position >= seen => {
                    till.records_after(seen - 1, 1).ok().and_then(|records| records.first().map(|(_, chain, _)| *chain))
                }
                _ => None,
            };
            self.oracles.reopened(incarnation, head, chain)?;
        }
        self.absorb(index)?;
        self.connect(index)?;
        self.plan_retry(index);
        Ok(())
    }
}

/// Why a till does not open.
enum Opening {
    Storage(String),
}

fn open_files(disk: &Disk) -> rusqlite::Result<(Connection, Connection)> {
    Ok((disk.open("till.db")?, disk.open("directory.db")?))
}

/// SQLite's own opinion of a database that is about to be used.
pub(super) fn check_integrity(conn: &Connection) -> Result<(), String> {
    let check = || -> rusqlite::Result<String> {
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
    };
    match check() {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(format!("integrity_check says {verdict}")),
        Err(error) => Err(error.to_string()),
    }
}
