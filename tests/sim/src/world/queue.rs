//! What is to happen, in order of virtual time; what was put in first comes first at one instant.

use std::collections::BTreeMap;

/// A queue of events over virtual milliseconds.
#[derive(Debug)]
pub struct Queue<E> {
    events: BTreeMap<(u64, u64), E>,
    next: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), next: 0 }
    }
}

impl<E> Queue<E> {
    /// Plans an event.
    pub fn put(&mut self, at_ms: u64, event: E) {
        self.next += 1;
        self.events.insert((at_ms, self.next), event);
    }

    /// The next event and its time.
    pub fn take(&mut self) -> Option<(u64, E)> {
        self.events.pop_first().map(|((at_ms, _), event)| (at_ms, event))
    }
}
