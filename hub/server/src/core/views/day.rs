//! Business days and exceptions as APIs show them.

use counterfoil_protocol::day::{DayClose, PosTotals, Range};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a business day has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DayState {
    /// The till has not closed it.
    Open,
    /// The till announced records that have not come.
    Waiting,
    /// Till and head office agree; the POS has not said anything.
    Complete,
    /// And the POS agrees.
    Balanced,
    /// Somebody disagrees; the difference is named.
    Mismatched,
    /// A person has accepted the difference, with a reason.
    Accepted,
    /// A person has given up records that are known to be lost with a disk, with a reason.
    WrittenOff,
}

/// One business day of one terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DayView {
    /// Which till.
    pub terminal: String,
    /// Its store.
    pub store: String,
    /// Its lane.
    pub lane: String,
    /// Fixed when the day opened.
    pub business_date: String,
    /// Which close of this terminal, from 1.
    pub sequence: u32,
    /// Where it stands.
    pub state: DayState,
    /// The till's close.
    #[schema(value_type = Option<Object>)]
    pub till: Option<DayClose>,
    /// What head office counts over the same records.
    #[schema(value_type = Option<Object>)]
    pub hub: Option<DayClose>,
    /// What the POS says.
    #[schema(value_type = Option<Object>)]
    pub pos_totals: Option<PosTotals>,
    /// Positions that were announced and have not come.
    #[schema(value_type = Vec<Object>)]
    pub missing: Vec<Range>,
    /// Every difference, in words.
    pub differences: Vec<String>,
    /// Whose journal it is in, or closed in.
    pub incarnation: String,
    /// Why a person accepted it or gave it up.
    pub reason: Option<String>,
}

/// Names a day of one terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DayKey {
    /// The incarnation, as the day's view names it.
    pub incarnation: String,
    /// Its business date.
    pub business_date: String,
    /// Which close of the terminal.
    pub sequence: u32,
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExceptionView {
    /// Opaque.
    pub id: String,
    /// `unknown-card`, `program-mismatch`, `rights-exceeded`, …
    pub kind: String,
    /// In words.
    pub reason: String,
    /// What can be done.
    pub actions: Vec<String>,
    /// What it is about: a record, a terminal, a member.
    pub subject: String,
    /// The store, where it is known.
    pub store: Option<String>,
    /// `open` or `resolved`.
    pub state: String,
    /// What was done.
    pub resolution: Option<String>,
    /// When it was found.
    pub found_at: String,
}
