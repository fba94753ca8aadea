//! The line to head office: drives [`TerminalSession`] over HTTP.
//!
//! The session decides when to push and pull and how long to wait after a failure; here is only I/O: segments
//! from the engine, pages into it, one exchange in flight for each lane. What an answer says is believed only
//! after its signature. Every exchange has a deadline, so a connection that hangs is given up and tried again.
//! A third lane puts right what a restored till or a restored head office made wrong: one exchange at a time, only
//! while head office answers.

pub mod address;
pub mod client;
pub mod exchange;
pub mod grants;
pub mod state;
pub mod trust;

use std::sync::Arc;
use std::time::Duration;

use counterfoil_protocol::limits::{RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN};
use counterfoil_protocol::session::terminal::{Failure, Output, TerminalSession, Ticket};
use counterfoil_protocol::time::Millis;
use counterfoil_protocol::wire::v1::grant::RefusalKind;
use counterfoil_till::SuccessionReport;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::engine::{Engine, Progress, Stopped};
use crate::events::Events;
use crate::hub_link::exchange::Exchanges;
use crate::hub_link::state::Link;

/// What the driver works with.
#[derive(Clone)]
pub struct HubLink {
    /// The engine.
    pub engine: Engine,
    /// The exchanges.
    pub exchanges: Exchanges,
    /// The clock.
    pub clock: Clock,
    /// Where the state of the line is published.
    pub link: Link,
    /// Where changes of it are told.
    pub events: Events,
    /// Wakes the driver: somebody has reason to believe the line is back, or gone.
    pub hint: Arc<Notify>,
}

enum Done {
    Push(Ticket, Result<u64, Failure>),
    Pull(Ticket, Result<bool, Failure>),
    Mend(Result<Mended, Failure>),
}

/// What was put right between this till and head office.
enum Mended {
    /// The books were an older copy; this till goes on as its next life.
    Succeeded(SuccessionReport),
    /// Head office, restored from a backup, was told a part; `complete`: all.
    Reported { complete: bool },
}

/// What is on its way.
#[derive(Default)]
struct InFlight {
    exchanges: JoinSet<Done>,
    pull: Option<(Ticket, AbortHandle)>,
    mending: bool,
}

impl InFlight {
    /// What hangs is about a journal that is no longer this till's.
    fn abort_pull(&mut self) {
        if let Some((_, pull)) = self.pull.take() {
            pull.abort();
        }
    }
}

/// When to try again to put things right.
#[derive(Default)]
struct Patience {
    failures: u32,
    not_before: Option<Millis>,
}

impl Patience {
    fn note(&mut self, failed: bool, now: Millis) {
        if !failed {
            *self = Self::default();
            return;
        }
        self.failures += 1;
        let cap = (RETRY_DELAY_MS_MIN << self.failures.min(16)).min(RETRY_DELAY_MS_MAX);
        self.not_before = Some(now.after(1 + crate::random::seed() % cap));
    }

    fn is_over(&self, now: Millis) -> bool {
        self.not_before.is_none_or(|due| due <= now)
    }
}

impl HubLink {
    /// Keeps the line until cancelled.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn run(self, cancelled: CancellationToken) -> Result<(), Stopped> {
        let mut progress = self.engine.watch_progress();
        let mut known = *progress.borrow_and_update();
        let seed = crate::random::seed();
        let mut session = TerminalSession::new(known.head.position, known.acknowledged, seed, self.clock.monotonic());
        let mut in_flight = InFlight::default();
        let mut patience = Patience::default();
        loop {
            while let Some(output) = session.poll_output() {
                self.act(output, &mut in_flight);
            }
            let mending_at = self.mend(&session, &known, &patience, &mut in_flight);
            let now = self.clock.monotonic();
            let due = session.poll_timeout().map(|(due, _)| due).into_iter().chain(mending_at).min();
            let wake = due.map(|due| Duration::from_millis(due.0.saturating_sub(now.0)));
            tokio::select! {
                () = cancelled.cancelled() => return Ok(()),
                Some(done) = in_flight.exchanges.join_next() => match done {
                    Ok(Done::Push(ticket, answer)) => {
                        session.handle_push_answer(ticket, answer, self.clock.monotonic());
                    }
                    Ok(Done::Pull(ticket, answer)) => {
                        session.handle_pull_answer(ticket, answer, self.clock.monotonic());
                    }
                    Ok(Done::Mend(answer)) => {
                        in_flight.mending = false;
                        patience.note(answer.is_err(), self.clock.monotonic());
                        known = *progress.borrow_and_update();
                        if self.tell_mended(answer) {
                            self.begin_anew(&mut session, &known, &mut in_flight);
                        }
                    }
                    Err(error) if error.is_cancelled() => {}
                    // Only a panic ends an exchange early otherwise: our bug, and a restart recovers.
                    Err(_) => return Err(Stopped),
                },
                changed = progress.changed() => {
                    changed.map_err(|_| Stopped)?;
                    let before = std::mem::replace(&mut known, *progress.borrow_and_update());
                    if before.incarnation == known.incarnation {
                        session.handle_head(known.head.position, self.clock.monotonic());
                    } else {
                        self.begin_anew(&mut session, &known, &mut in_flight);
                    }
                }
                () = self.hint.notified() => self.probe(&mut session, &mut in_flight),
                () = sleep(wake) => session.handle_timeout(self.clock.monotonic()),
            }
        }
    }

    /// The journal is another one, or head office knows less of it than it said: both lanes begin anew.
    fn begin_anew(&self, session: &mut TerminalSession, known: &Progress, in_flight: &mut InFlight) {
        in_flight.abort_pull();
        session.handle_journal(known.head.position, known.acknowledged, self.clock.monotonic());
    }

    /// Puts right what is wrong between this till and head office, once that answers; when to look again.
    fn mend(
        &self,
        session: &TerminalSession,
        known: &Progress,
        patience: &Patience,
        in_flight: &mut InFlight,
    ) -> Option<Millis> {
        let due = known.succession_due || known.report_due;
        if !due || in_flight.mending || session.link_up() != Some(true) {
            return None;
        }
        if !patience.is_over(self.clock.monotonic()) {
            return patience.not_before;
        }
        let lane = self.exchanges.clone();
        let succession = known.succession_due;
        in_flight.mending = true;
        in_flight.exchanges.spawn(async move {
            Done::Mend(if succession {
                lane.succeed().await.map(Mended::Succeeded)
            } else {
                lane.report().await.map(|complete| Mended::Reported { complete })
            })
        });
        None
    }

    /// Says what came of it; whether the lanes must begin anew.
    fn tell_mended(&self, answer: Result<Mended, Failure>) -> bool {
        match answer {
            Ok(Mended::Succeeded(report)) => {
                let (kept, written_again) = (report.kept, report.written_again);
                tracing::warn!(
                    before = %report.before,
                    incarnation = %report.incarnation,
                    kept,
                    written_again,
                    "these books were an older copy: this till goes on as its next life and may spend again"
                );
                self.link.note_succession(self.clock.now().wall_ms);
                let lives = json!({
                    "before": report.before, "incarnation": report.incarnation, "kept": kept,
                    "written_again": written_again,
                });
                self.events.tell("succession", lives);
                true
            }
            Ok(Mended::Reported { complete }) => {
                if complete {
                    tracing::info!("head office was restored, and has from this till what it had lost");
                }
                true
            }
            Err(Failure::Link(why)) => {
                tracing::warn!(%why, "head office could not be asked to put this till right, trying again by itself");
                false
            }
            Err(Failure::Refused { kind, detail, .. }) => {
                tracing::error!(?kind, %detail, "head office does not put this till right; somebody must act");
                false
            }
        }
    }

    /// A long poll may hang on a dead connection for as long as it may wait. When a cashier's question went
    /// unanswered, it is given up now and asked anew, so that the state of the line is known within a second.
    fn probe(&self, session: &mut TerminalSession, in_flight: &mut InFlight) {
        let now = self.clock.monotonic();
        if self.link.state().doubtful
            && let Some((ticket, pull)) = in_flight.pull.take()
        {
            pull.abort();
            let why = "a cashier's question went unanswered".to_owned();
            session.handle_pull_answer(ticket, Err(Failure::Link(why)), now);
        }
        session.handle_hint(now);
    }

    fn act(&self, output: Output, in_flight: &mut InFlight) {
        let lane = self.exchanges.clone();
        match output {
            Output::Push { ticket, after } => {
                in_flight.exchanges.spawn(async move { Done::Push(ticket, lane.push(after).await) });
            }
            Output::Pull { ticket, wait_ms } => {
                let pull = in_flight.exchanges.spawn(async move { Done::Pull(ticket, lane.pull(wait_ms).await) });
                in_flight.pull = Some((ticket, pull));
            }
            Output::LinkUp => {
                tracing::info!(hub = self.exchanges.hub(), "head office answers");
                self.link.note_up();
                self.events.tell("link", json!({ "up": true }));
            }
            Output::LinkDown { why } => {
                tracing::warn!(%why, "head office does not answer; sales go on and wait here, trying again by itself");
                self.link.note_down(why.clone());
                self.events.tell("link", json!({ "up": false, "why": why }));
            }
            Output::Refused { kind: kind @ (RefusalKind::Behind | RefusalKind::Epoch), detail } => {
                tracing::warn!(?kind, %detail, "head office and this till remember different things; putting it right by itself");
            }
            Output::Refused { kind, detail } => {
                tracing::error!(?kind, %detail, "head office refuses this till; sales go on and wait here, somebody must act");
            }
        }
    }
}

async fn sleep(wake: Option<Duration>) {
    match wake {
        Some(wake) => tokio::time::sleep(wake).await,
        None => std::future::pending().await,
    }
}
