//! Counters for Prometheus, and their text form (exposition format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use counterfoil_protocol::record::Rights;
use counterfoil_till::{FloorState, HeldHere};

use crate::api::status::Books;
use crate::hub_link::state::LinkState;

/// What is counted since the daemon started.
#[derive(Debug, Default)]
pub struct Metrics {
    sales_recorded: AtomicU64,
    sales_repeated: AtomicU64,
    redemptions_by_rights: [AtomicU64; 3],
    reversals: AtomicU64,
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

    /// A redemption was done, by this right.
    pub fn note_redemption(&self, rights: Option<Rights>) {
        let index = match rights {
            Some(Rights::Granted) => 1,
            Some(Rights::Floor) => 2,
            Some(Rights::Held) | None => 0,
        };
        self.redemptions_by_rights[index].fetch_add(1, Ordering::Relaxed);
    }

    /// A redemption was refused.
    pub fn note_redemption_refused(&self) {
        self.redemptions_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A redemption was undone, or another author was asked to.
    pub fn note_reversal(&self) {
        self.reversals.fetch_add(1, Ordering::Relaxed);
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
    pub fn render(&self, books: &Books, link: &LinkState, device_states: &[(String, bool)]) -> String {
        let mut page = Page::default();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (name, help, value) in [
            ("sales_total", "Sales recorded by the API or from paper", count(&self.sales_recorded)),
            ("sales_repeated_total", "Sales that had been recorded before", count(&self.sales_repeated)),
            ("reversals_total", "Redemptions undone, or asked to be", count(&self.reversals)),
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
            page.one(name, help, "counter", value);
        }
        let by_rights = ["held", "granted", "floor"].into_iter().zip(self.redemptions_by_rights.iter().map(count));
        page.many("redemptions_total", "Redemptions done, by what allowed them", "counter", "rights", by_rights);
        let status = &books.status;
        for (name, help, value) in [
            ("journal_position", "The last record", status.journal.position),
            ("journal_acknowledged", "Durable at head office up to here", status.journal.acknowledged),
            ("journal_pending", "Records still to be sent", status.journal.pending),
            ("till_sound", "Whether this till may spend", u64::from(status.sound)),
            ("hub_up", "Whether head office answers", u64::from(link.up == Some(true))),
            ("hub_refuses", "Whether head office refuses anything", u64::from(!link.refusals.is_empty())),
            ("successions", "Earlier lives of this till", u64::from(books.life.saturating_sub(1))),
            ("reservations_open", "Baskets that hold units", books.reservations_open as u64),
        ] {
            page.one(name, help, "gauge", value);
        }
        let held = |value: fn(&HeldHere) -> i64| books.held.iter().map(move |held| (held.purse.as_str(), value(held)));
        page.many("rights_held_units", "Units held here", "gauge", "purse", held(|held| held.units));
        let members = |held: &HeldHere| i64::try_from(held.members).unwrap_or(i64::MAX);
        page.many("rights_held_members", "Members with units held here", "gauge", "purse", held(members));
        let floors = |value: fn(&FloorState) -> i64| status.floors.iter().map(move |f| (f.purse.as_str(), value(f)));
        let used = floors(|floor| floor.used_units);
        page.many("floor_units", "Units given without a right, not yet known at head office", "gauge", "purse", used);
        let hard = floors(|floor| floor.hard_units);
        page.many("floor_limit_units", "What this till may give without a right", "gauge", "purse", hard);
        let devices = device_states.iter().map(|(name, up)| (name.as_str(), u64::from(*up)));
        page.many("device_up", "Whether a device is there", "gauge", "device", devices);
        page.0
    }
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(self.0, "# HELP counterfoil_{name} {help}.\n# TYPE counterfoil_{name} {kind}");
    }

    fn one(&mut self, name: &str, help: &str, kind: &str, value: u64) {
        self.head(name, help, kind);
        let _ = writeln!(self.0, "counterfoil_{name} {value}");
    }

    /// One line for each value of a label; nothing where there is none.
    fn many<'a>(
        &mut self,
        name: &str,
        help: &str,
        kind: &str,
        label: &str,
        values: impl Iterator<Item = (&'a str, impl std::fmt::Display)>,
    ) {
        for (index, (of, value)) in values.enumerate() {
            if index == 0 {
                self.head(name, help, kind);
            }
            let of = of.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = writeln!(self.0, "counterfoil_{name}{{{label}=\"{of}\"}} {value}");
        }
    }
}
