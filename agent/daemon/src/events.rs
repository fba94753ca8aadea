//! What happens on this till, as it happens, for whoever listens: the event stream and the cashier page.
//!
//! Best effort by design: a listener that is too slow misses events and is told so. Nothing durable hangs on
//! them; the journal is the truth.

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// Events a slow listener may lag behind by.
const LAG_MAX: usize = 256;

/// One event: its name, and JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `scan`, `receipt`, `sale`, `return`, `void`, `redemption`, `reservation`, `confirmation`, `release`, `reversal`,
    /// `day`, `link`, `succession`, `device`.
    pub name: &'static str,
    /// What happened. Holds no identifier in the clear.
    pub data: Value,
}

/// Where events go; clones share the listeners.
#[derive(Debug, Clone)]
pub struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(LAG_MAX))
    }
}

impl Events {
    /// Tells whoever listens.
    pub fn tell(&self, name: &'static str, data: impl Serialize) {
        let data = serde_json::to_value(data).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        // No listener is no error.
        let _ = self.0.send(Event { name, data });
    }

    /// From now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
