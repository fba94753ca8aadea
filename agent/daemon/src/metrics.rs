//! Counters for Prometheus, and their text form (exposition format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use counterfoil_till::TillStatus;

use crate::hub_link::state::LinkState;

/// What is counted since the daemon started.
#[derive(Debug, Default)]
pub struct Metrics {
    sales_recorded: AtomicU64,
    sales_repeated: AtomicU64,
    redemptions_done: AtomicU64,
    redemptions_refused: AtomicU64,
    scans: AtomicU64,
    documents: AtomicU64,
    capture_failures: AtomicU64,
    grants_unanswered: AtomicU64,
}

impl Metrics {
    /// A sale was answered; `fresh`: recorded by that call.
    pub fn note_sale(&self, fresh: bool) {
        let counter = if fresh { &self.sales_recorded } else { &self.sales_repeated };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A redemption was done or refused.
    pub fn note_redemption(&self, done: bool) {
        let counter = if done { &self.redemptions_done } else { &self.redemptions_refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A card was scanned.
    pub fn note_scan(&self) {
        self.scans.fetch_add(1, Ordering::Relaxed);
    }

    /// A document was taken in from a printer's stream.
    pub fn note_document(&self) {
        self.documents.fetch_add(1, Ordering::Relaxed);
    }

    /// A span of a printer's stream could not be taken in.
    pub fn note_capture_failure(&self) {
        self.capture_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Head office did not answer a cashier in time.
    pub fn note_grant_unanswered(&self) {
        self.grants_unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// The text that Prometheus reads.
    pub fn render(&self, status: &TillStatus, link: &LinkState, device_states: &[(String, bool)]) -> String {
        let mut text = String::new();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (name, help, value) in [
            ("sales_total", "Sales recorded by the API or from paper", count(&self.sales_recorded)),
            ("sales_repeated_total", "Sales that had been recorded before", count(&self.sales_repeated)),
            ("redemptions_total", "Redemptions done", count(&self.redemptions_done)),
            ("redemptions_refused_total", "Redemptions refused", count(&self.redemptions_refused)),
            ("scans_total", "Cards scanned", count(&self.scans)),
            ("documents_total", "Documents taken in from printers", count(&self.documents)),
            ("capture_failures_total", "Spans of a printer's stream not taken in", count(&self.capture_failures)),
            (
                "grants_unanswered_total",
                "Questions of a cashier that head office left open",
                count(&self.grants_unanswered),
            ),
        ] {
            let _ = write!(
                text,
                "# HELP counterfoil_{name} {help}.\n# TYPE counterfoil_{name} counter\ncounterfoil_{name} {value}\n"
            );
        }
        for (name, help, value) in [
            ("journal_position", "The last record", status.journal.position),
            ("journal_acknowledged", "Durable at head office up to here", status.journal.acknowledged),
            ("journal_pending", "Records still to be sent", status.journal.pending),
            ("till_sound", "Whether this till may spend", u64::from(status.sound)),
            ("hub_up", "Whether head office answers", u64::from(link.up == Some(true))),
        ] {
            let _ = write!(
                text,
                "# HELP counterfoil_{name} {help}.\n# TYPE counterfoil_{name} gauge\ncounterfoil_{name} {value}\n"
            );
        }
        if !device_states.is_empty() {
            text.push_str(
                "# HELP counterfoil_device_up Whether a device is there.\n# TYPE counterfoil_device_up gauge\n",
            );
            for (name, up) in device_states {
                let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let _ = writeln!(text, "counterfoil_device_up{{device=\"{name}\"}} {}", u64::from(*up));
            }
        }
        text
    }
}
