//! Asking head office while a customer waits: one question, one deadline.
//!
//! Invariants: a cashier waits at most the deadline and is then answered from what is here; where the line is known
//! to be down nobody waits at all; an answer that comes too late for the cashier is still kept. A question that goes
//! unanswered makes the line doubtful, so the next customer does not wait for the same silence. A till that has
//! overspent much without the line asks more urgently: whatever is believed of the line, and for longer.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_protocol::session::terminal::Failure;
use counterfoil_protocol::wire::v1::grant::GrantRequest;
use counterfoil_till::Till;
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::hub_link::exchange::Exchanges;
use crate::hub_link::state::Link;

/// How much longer an urgent question waits.
const URGENT_FACTOR: u32 = 4;

/// How much an answer matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Without an answer the till does what it can alone.
    Usual,
    /// Without an answer the till gives what it would rather not.
    Urgent,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Head office answered in time; the engine has what it said.
    Answered,
    /// Head office answered in time, and refuses this till.
    Refused,
    /// The line is down, or there is nothing to ask: nobody waited.
    NotAsked,
    /// No answer came in time.
    Unanswered,
}

impl Asked {
    /// Whether head office could not be asked: only then a till may go below what it holds.
    pub fn is_cut_off(self) -> bool {
        matches!(self, Self::NotAsked | Self::Unanswered)
    }
}

/// Asks head office for a cashier; clones share the line.
#[derive(Clone)]
pub struct Grants {
    engine: Engine,
    exchanges: Exchanges,
    link: Link,
    hint: Arc<Notify>,
    deadline: Duration,
}

impl Grants {
    /// Over the link's exchanges; `hint` wakes its driver. A cashier waits for `deadline`.
    pub fn new(engine: Engine, exchanges: Exchanges, link: Link, hint: Arc<Notify>, deadline: Duration) -> Self {
        Self { engine, exchanges, link, hint, deadline }
    }

    /// Asks what `question` makes of the engine's state, where the line is believed to be up or it is urgent.
    pub async fn ask(
        &self,
        urgency: Urgency,
        question: impl FnOnce(&Till, &str) -> Option<GrantRequest> + Send + 'static,
    ) -> Asked {
        let deadline = match urgency {
            Urgency::Usual => self.deadline,
            Urgency::Urgent => self.deadline * URGENT_FACTOR,
        };
        if urgency == Urgency::Usual && !self.link.state().answers() {
            return Asked::NotAsked;
        }
        let this = self.clone();
        // A task of its own: it outlives the cashier's patience, and what it brings is kept.
        let exchange = tokio::spawn(async move {
            let request_id = uuid::Uuid::now_v7().to_string();
            let Ok(Some(request)) = this.engine.call(move |till| question(till, &request_id)).await else {
                return Asked::NotAsked;
            };
            match this.exchanges.grants(request).await {
                Ok(()) => Asked::Answered,
                Err(Failure::Refused { kind, detail, .. }) => {
                    tracing::debug!(?kind, %detail, "head office gives no spend rights");
                    Asked::Refused
                }
                Err(failure) => {
                    tracing::debug!(?failure, "no spend rights from head office");
                    Asked::Unanswered
                }
            }
        });
        match tokio::time::timeout(deadline, exchange).await {
            Ok(asked) => asked.unwrap_or(Asked::Unanswered),
            Err(_) => {
                tracing::info!("head office did not answer a cashier in time; answering from this till");
                self.link.note_doubt();
                self.hint.notify_one();
                Asked::Unanswered
            }
        }
    }
}
