//! A store's fleet in one thread and virtual time: real tills, one real head office, everything between them
//! simulated, all of it decided by one `u64`.
//!
//! Events come from a queue in order of virtual time. Whatever a part does is followed by what the oracles have
//! to say about it. After the last act of the last cashier everything heals, sync drains, and the books are
//! compared.

mod breakage;
mod cashier;
mod drain;
mod lies;
mod life;
mod line;
mod lives;
mod office;
mod paper;
mod queue;
mod shop;
mod swarm;
mod till_site;
mod trace;

use std::collections::BTreeMap;
use std::fmt;

use counterfoil_protocol::id::EventId;
use counterfoil_protocol::time::Millis;

use crate::oracles::{Oracles, Tally};
use crate::rng::Rng;
use line::{Exchange, HeldPoll};
use office::Office;
use queue::Queue;
pub use shop::{Expected, PROGRAMS, Register, card};
pub use swarm::Swarm;
use till_site::TillSite;
use trace::Trace;

/// 2026-11-20 09:00 UTC: when virtual time begins.
pub const BEGINNING_MS: i64 = 1_795_165_200_000;
/// Acts of cashiers in a seed, unless somebody says otherwise.
pub const STEPS: u64 = 60;
/// The store.
pub const STORE: &str = "s-001";

/// How to run a seed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Acts of cashiers before the world heals.
    pub steps: u64,
    /// Prints the trace.
    pub show: bool,
    /// No faults at all.
    pub calm: bool,
    /// What is deliberately broken, for negative controls.
    pub sabotage: Sabotage,
    /// What the world is full of.
    pub profile: Profile,
}

/// What a world is full of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Everything, some of it in each seed.
    #[default]
    All,
    /// Redemptions that find their units, and power cuts.
    Redeem,
    /// Whatever happens to rights.
    Rights,
}

/// A defence that is switched off, so that a test can see the simulator notice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// Tills spend without looking at what they hold.
    RedeemWithoutRights,
    /// Tills answer before the commit.
    AcknowledgeBeforeCommit,
    /// Tills commit with `synchronous=NORMAL`.
    TillNormalSync,
    /// Head office commits with `synchronous=NORMAL`.
    HubNormalSync,
    /// The marker outside the till's database is never written.
    NoMarker,
    /// Head office posts a record again when it comes again.
    HubPostsTwice,
    /// Head office grants what it does not hold.
    GrantWithoutHolding,
    /// Tills take every call as new.
    ForgetFirstAnswers,
    /// Tills take a grant again each time it arrives.
    RepeatGrants,
    /// Tills spend what a basket has reserved.
    SpendReserved,
    /// Tills spend lots past their date.
    SpendExpired,
    /// Tills spend lots before they vest.
    SpendUnvested,
    /// Tills go below the floor by any amount.
    FloorWithoutLimit,
    /// Tills undo a redemption each time somebody asks.
    ReverseTwice,
    /// Tills spend although they know that their database is old.
    SpendWhileBehind,
    /// Tills that know that their database is old never ask for another life.
    NoSuccession,
    /// Head office posts again what it has, when a later life writes it again.
    PostOriginsTwice,
    /// Head office leaves with an earlier life what it held.
    SettleNothing,
    /// Nobody writes the logs again after a database is opened.
    LogNotSettled,
    /// A till's disk says that it synced, and did not.
    LyingDisk,
}

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("law {law}: {what}")]
pub struct Violation {
    /// As `design.md` counts the laws; 0 for what any program must do.
    pub law: u8,
    /// What happened.
    pub what: String,
}

impl Violation {
    /// A broken law.
    pub fn new(law: u8, what: impl fmt::Display) -> Self {
        Self { law, what: what.to_string() }
    }
}

/// Why a seed failed, and how to see it again.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// How it ran.
    pub options: Options,
    /// What was broken.
    pub violation: Violation,
    /// The trace's last lines.
    pub tail: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.tail {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "seed {}: {}", self.seed, self.violation)?;
        f.write_str(&replay(self.seed, &self.options))
    }
}

/// How to see a seed again: the source it ran, and one command.
pub fn replay(seed: u64, options: &Options) -> String {
    format!(
        "{}\nreplay: cargo run --profile demo -p counterfoil-sim -- --seed {seed} --steps {}{}{} --trace",
        source(),
        options.steps,
        if options.calm { " --calm" } else { "" },
        match options.profile {
            Profile::All => "",
            Profile::Redeem => " --profile redeem",
            Profile::Rights => " --profile rights",
        },
    )
}

/// Which source this is, as far as git can say.
fn source() -> String {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "HEAD"]), git(&["status", "--porcelain", "--untracked-files=no"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => format!("commit {commit}"),
        (Some(commit), _) => format!("commit {commit} with changes"),
        (None, _) => format!("version {}, commit unknown", env!("CARGO_PKG_VERSION")),
    }
}

/// How often something happened; a simulator that never does a thing does not test it.
pub type Counts = BTreeMap<&'static str, u64>;

/// What a seed's run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Hash of the trace.
    pub trace: String,
    /// Lines of the trace.
    pub lines: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
    /// What happened how often.
    pub counts: Counts,
    /// Which oracle judged how many steps.
    pub tally: Tally,
}

/// What is planned. Tills and exchanges by index; `life` says for which life of a process it was planned.
#[derive(Debug)]
enum Event {
    Act { till: usize },
    Retry { till: usize, life: u64 },
    AtHub { exchange: u64, body: Vec<u8> },
    AtTill { exchange: u64, answer: line::Answer },
    TimedOut { exchange: u64 },
    Session { till: usize, life: u64 },
    GrantDeadline { till: usize, life: u64, question: u64 },
    Succeed { till: usize, life: u64 },
    WakePolls,
    PollOver { exchange: u64 },
    Fault,
    LineBack { till: usize, fault: u64 },
    StopTill { till: usize, life: u64 },
    StopHub { life: u64 },
    StartTill { till: usize },
    StartHub,
    DiskWell { till: Option<usize> },
    Administer,
    HeadOfficeWorks,
}

/// The fleet.
pub struct World {
    options: Options,
    swarm: Swarm,
    rng: Rng,
    now_ms: u64,
    queue: Queue<Event>,
    tills: Vec<TillSite>,
    office: Office,
    exchanges: BTreeMap<u64, Exchange>,
    next_exchange: u64,
    next_question: u64,
    /// Redemptions that may be undone, of all tills.
    redeemed: Vec<EventId>,
    polls: Vec<HeldPoll>,
    polls_waking: bool,
    /// Wall time that passed while nothing happened.
    slept_ms: i64,
    steps_left: u64,
    healed: bool,
    oracles: Oracles,
    trace: Trace,
    counts: Counts,
}

/// Runs a seed to its end.
///
/// # Errors
/// When a law is broken.
pub fn run(seed: u64, options: Options) -> Result<Report, Box<Failure>> {
    let mut rng = Rng::new(seed);
    let mut swarm = Swarm::draw(&mut rng, options.profile);
    if options.calm {
        swarm = swarm.without_faults();
    }
    let mut trace = Trace::new(options.show);
    trace.line(0, &format!("{swarm:?}"));
    let fail = |violation, trace: &Trace| {
        let tail = trace.tail().map(str::to_owned).collect();
        Box::new(Failure { seed, options, violation, tail })
    };
    let mut world = match World::open(rng, swarm, options, trace) {
        Ok(world) => world,
        Err(violation) => return Err(fail(violation, &Trace::new(false))),
    };
    match world.live() {
        Ok(()) => {
            let (trace, lines) = world.trace.digest();
            Ok(Report {
                trace,
                lines,
                virtual_ms: world.now_ms,
                counts: world.counts,
                tally: world.oracles.tally().clone(),
            })
        }
        Err(violation) => Err(fail(violation, &world.trace)),
    }
}

impl World {
    fn open(mut rng: Rng, swarm: Swarm, options: Options, trace: Trace) -> Result<Self, Violation> {
        let office = Office::open(&mut rng, &swarm, options)?;
        let mut world = Self {
            options,
            rng,
            now_ms: 0,
            queue: Queue::default(),
            tills: Vec::new(),
            office,
            exchanges: BTreeMap::new(),
            next_exchange: 1,
            next_question: 1,
            redeemed: Vec::new(),
            polls: Vec::new(),
            polls_waking: false,
            slept_ms: 0,
            steps_left: options.steps,
            healed: false,
            oracles: Oracles::new(),
            trace,
            counts: Counts::new(),
            swarm,
        };
        world.found_shop()?;
        for till in 0..world.swarm.tills {
            world.enrol_till(till)?;
            let at_ms = world.rng.below(world.swarm.pace_ms);
            world.queue.put(at_ms, Event::Act { till });
        }
        if world.swarm.faults.pace_ms > 0 {
            world.plan_fault();
        }
        if world.swarm.works {
            world.queue.put(2_000, Event::HeadOfficeWorks);
        }
        if world.swarm.administration {
            world.queue.put(30_000, Event::Administer);
        }
        Ok(world)
    }

    fn live(&mut self) -> Result<(), Violation> {
        while self.steps_left > 0 {
            let Some((at_ms, event)) = self.queue.take() else {
                return Err(Violation::new(0, "nothing is planned any more"));
            };
            self.now_ms = self.now_ms.max(at_ms);
            self.happen(event)?;
        }
        self.drain()
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Act { till } => self.act(till),
            Event::Retry { till, life } => self.retry(till, life),
            Event::AtHub { exchange, body } => self.arrive_at_hub(exchange, &body),
            Event::AtTill { exchange, answer } => self.arrive_at_till(exchange, answer),
            Event::TimedOut { exchange } => self.time_out(exchange),
            Event::Session { till, life } => self.session_timeout(till, life),
            Event::GrantDeadline { till, life, question } => self.grant_deadline(till, life, question),
            Event::Succeed { till, life } => self.ask_for_next_life(till, life),
            Event::WakePolls => self.wake_polls(),
            Event::PollOver { exchange } => self.poll_over(exchange),
            Event::Fault => self.fault(),
            Event::LineBack { till, fault } => self.line_back(till, fault),
            Event::StopTill { till, life } => self.stop_till(till, life),
            Event::StopHub { life } => self.stop_hub(life),
            Event::StartTill { till } => self.start_till(till),
            Event::StartHub => self.start_hub(),
            Event::DiskWell { till } => self.disk_well(till),
            Event::Administer => self.administer(),
            Event::HeadOfficeWorks => self.work_at_head_office(),
        }
    }

    fn note(&mut self, text: &str) {
        self.trace.line(self.now_ms, text);
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn count_up(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.counts.entry(what).or_default() += times;
        }
    }

    fn now(&self) -> Millis {
        Millis(self.now_ms)
    }

    /// Head office's clock.
    fn wall_ms(&self) -> i64 {
        BEGINNING_MS + self.slept_ms + i64::try_from(self.now_ms).expect("virtual time is short")
    }
}
