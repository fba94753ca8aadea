//! The machine's clock and how far it is trusted.
//!
//! Order never comes from here. The clock is suspect when it stands before this program existed, or differs
//! from head office's by more than [`DRIFT_MS_MAX`] when both last spoke.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use counterfoil_protocol::time::Millis;
use counterfoil_till::Now;

/// 2026-01-01T00:00:00Z: no till of ours ran before.
const FLOOR_MS: i64 = 1_767_225_600_000;
/// Beyond this difference from head office the clock is suspect.
pub const DRIFT_MS_MAX: i64 = 10 * 60 * 1_000;
const UNKNOWN: i64 = i64::MIN;

/// The shell's clock; clones share what is known of it.
#[derive(Debug, Clone)]
pub struct Clock {
    started: Instant,
    hub_offset_ms: Arc<AtomicI64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { started: Instant::now(), hub_offset_ms: Arc::new(AtomicI64::new(UNKNOWN)) }
    }
}

impl Clock {
    /// Wall time, milliseconds since 1970 UTC, and whether it is to be believed.
    pub fn now(&self) -> Now {
        let wall_ms = wall_ms();
        Now { wall_ms, suspect: wall_ms < FLOOR_MS || self.hub_offset_ms().is_some_and(|off| off.abs() > DRIFT_MS_MAX) }
    }

    /// Monotonic time for state machines.
    pub fn monotonic(&self) -> Millis {
        Millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Head office said what time it is.
    pub fn note_hub_time(&self, hub_ms: i64) {
        self.hub_offset_ms.store(hub_ms.saturating_sub(wall_ms()), Ordering::Relaxed);
    }

    /// Head office's clock less this one's, at the last contact.
    pub fn hub_offset_ms(&self) -> Option<i64> {
        Some(self.hub_offset_ms.load(Ordering::Relaxed)).filter(|offset| *offset != UNKNOWN)
    }
}

fn wall_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// An instant as the APIs write it.
pub fn rfc3339(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_far_from_head_office_is_suspect() {
        let clock = Clock::default();
        assert!(!clock.now().suspect);
        clock.note_hub_time(clock.now().wall_ms + 2 * DRIFT_MS_MAX);
        assert!(clock.now().suspect);
        clock.note_hub_time(clock.now().wall_ms + 1_000);
        assert!(!clock.now().suspect);
    }
}
