//! What the core shows: plain values whose JSON is that of the published interface.
//!
//! Ids, dates and times are text here; nothing in this module computes.

mod books;
mod day;
mod fleet;
mod member;

use serde::{Deserialize, Serialize};

pub use books::{AccountTotal, EntryView, PurseBalance, SaleView, TrialBalance, VerifyReport};
pub use day::{DayKey, DayState, DayView, ExceptionView};
pub use fleet::{ApiKeyView, Counts, EpochView, ProgramView, StoreView, TerminalView};
pub use member::{
    AdjustmentView, HolderUnits, ImportOutcome, ImportReject, MemberView, PurseView, RedemptionView, WriteOffView,
};

/// A part of a list, and where to go on. `next` is `None` at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to give as `after` for the next part.
    pub next: Option<String>,
}

/// An answer, and whether it is the first time it is given (`false`: the first answer again).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// The answer.
    pub answer: T,
    /// Whether something happened now.
    pub fresh: bool,
}
