//! Head office's rules of posting: which accounts an entry moves, what may be spent, what is owed, what a
//! person must look at, and when a day is reconciled.
//!
//! Pure: no clock, entropy, files, network or database; what is known comes through [`LedgerView`]. Not here:
//! how anything is stored. Invariants: `held` ≥ 0 for every holder, purse and lot; debt ≥ 0; every row moves
//! units between two accounts, so the trial balance is zero whatever is posted.

#![deny(missing_docs)]

mod book;
mod day;
mod exception;
mod grant;
mod habit;
mod plan;
mod post;
mod program;
mod record;
mod repay;
mod returns;
mod view;

pub use book::Book;
pub use day::{Verdict, judge_day, missing_receipts};
pub use exception::{Exception, ExceptionKind};
pub use grant::{Ask, grant_entries, grant_units, look_up_target, spend_order};
pub use habit::{AmountRule, LaneHabit, PastRedemption, habitual_costs, habitual_places};
pub use plan::{Cost, Place, PlanInput, PlanOutput, plan};
pub use post::{Poster, Posting, Row};
pub use program::{PlaceOfSale, program_difference};
pub use record::{ReadRecord, debt_exception, read_record, record_exceptions};
pub use repay::repayments;
pub use returns::{Undoing, undoing_entries};
pub use view::{LedgerView, Slot};
