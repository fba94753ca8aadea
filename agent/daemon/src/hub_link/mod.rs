//! The line to head office: drives [`TerminalSession`] over HTTP.
//!
//! The session decides when to push and pull and how long to wait after a failure; here is only I/O: segments
//! from the engine, pages into it, one exchange in flight for each lane. What an answer says is believed only
//! after its signature. Every exchange has a deadline, so a connection that hangs is given up and tried again.

pub mod address;
pub mod client;
pub mod exchange;
pub mod grants;
pub mod state;
pub mod trust;

use std::sync::Arc;
use std::time::Duration;

use counterfoil_protocol::session::terminal::{Failure, Output, TerminalSession, Ticket};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::engine::{Engine, Stopped};
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
}

/// What is on its way.
#[derive(Default)]
struct InFlight {
    exchanges: JoinSet<Done>,
    pull: Option<(Ticket, AbortHandle)>,
}

impl HubLink {
    /// Keeps the line until cancelled.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn run(self, cancelled: CancellationToken) -> Result<(), Stopped> {
        let mut progress = self.engine.watch_progress();
        let known = *progress.borrow_and_update();
        let seed = crate::random::seed();
        let mut session = TerminalSession::new(known.head.position, known.acknowledged, seed, self.clock.monotonic());
        let mut in_flight = InFlight::default();
        loop {
            while let Some(output) = session.poll_output() {
                self.act(output, &mut in_flight);
            }
            let now = self.clock.monotonic();
            let wake = session.poll_timeout().map(|(due, _)| Duration::from_millis(due.0.saturating_sub(now.0)));
            tokio::select! {
                () = cancelled.cancelled() => return Ok(()),
                Some(done) = in_flight.exchanges.join_next() => match done {
                    Ok(Done::Push(ticket, answer)) => {
                        session.handle_push_answer(ticket, answer, self.clock.monotonic());
                    }
                    Ok(Done::Pull(ticket, answer)) => {
                        session.handle_pull_answer(ticket, answer, self.clock.monotonic());
                    }
                    Err(error) if error.is_cancelled() => {}
                    // Only a panic ends an exchange early otherwise: our bug, and a restart recovers.
                    Err(_) => return Err(Stopped),
                },
                changed = progress.changed() => {
                    changed.map_err(|_| Stopped)?;
                    let head = progress.borrow_and_update().head.position;
                    session.handle_head(head, self.clock.monotonic());
                }
                () = self.hint.notified() => self.probe(&mut session, &mut in_flight),
                () = sleep(wake) => session.handle_timeout(self.clock.monotonic()),
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
            Output::Refused { kind, detail } => {
                tracing::error!(?kind, %detail, "head office refuses this till; sales go on and wait here, somebody must act");
                self.link.note_refused(detail);
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
