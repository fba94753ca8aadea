//! Ledger entries, sales and the trial balance as APIs show them.

use counterfoil_protocol::record::Award;
use counterfoil_protocol::sale::Sale;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One posting. What did not fit its author's holding stands beside it with an id ending in `+debt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// Unique for ever.
    pub id: String,
    /// `accrue`, `redeem`, `grant`, …
    pub kind: String,
    /// Whose purse.
    pub member_id: String,
    /// Which purse.
    pub purse: String,
    /// Units moved, positive.
    pub amount: i64,
    /// `<vests>/<expires>`, `-` for none.
    pub lot: String,
    /// `hub` or an incarnation.
    pub author: String,
    /// Account that gives; a holder's sub-account as `liability:<holder>`.
    pub debit: String,
    /// Account that takes.
    pub credit: String,
    /// The sale it belongs to.
    pub sale_id: Option<String>,
    /// The store it happened in.
    pub store: Option<String>,
    /// The terminal's business date.
    pub business_date: Option<String>,
}

/// What one account of one purse comes to, credits less debits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountTotal {
    /// `liability`, `issued`, `redeemed`, `expired`, `adjusted`, `debt.clawback`, …
    pub account: String,
    /// Whose sub-account.
    pub holder: Option<String>,
    /// Credits less debits.
    pub total: i64,
}

/// One purse of the trial balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PurseBalance {
    /// The purse.
    pub purse: String,
    /// Over all accounts: zero, or the books are wrong.
    pub total: i64,
    /// Account by account.
    pub accounts: Vec<AccountTotal>,
}

/// The trial balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrialBalance {
    /// Purse by purse.
    pub purses: Vec<PurseBalance>,
}

impl TrialBalance {
    /// Whether every purse comes to zero.
    pub fn is_zero(&self) -> bool {
        self.purses.iter().all(|purse| purse.total == 0)
    }
}

/// A sale or return that a till forwarded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SaleView {
    /// `<incarnation>-<position>`.
    pub sale_id: String,
    /// Where.
    pub store: String,
    /// Which till.
    pub terminal: String,
    /// Its lane.
    pub lane: String,
    /// The terminal's business date.
    pub business_date: String,
    /// Which close of the terminal it belongs to.
    pub sequence: u32,
    /// Whom it is for.
    pub member_id: Option<String>,
    /// What it accrued, with reasons.
    #[schema(value_type = Vec<Object>)]
    pub accrued: Vec<Award>,
    /// What is odd about it.
    pub marks: Vec<String>,
    /// The position of the void, where it was voided.
    pub voided_by: Option<String>,
    /// The till's clock when it recorded the sale.
    pub recorded_at: String,
    /// As the till recorded it.
    #[schema(value_type = Object)]
    pub sale: Sale,
}

/// What a look at everything found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct VerifyReport {
    /// Journals whose chain was computed again.
    pub journals: u64,
    /// Records in them.
    pub records: u64,
    /// Segment and hub signatures that were checked.
    pub signatures: u64,
    /// Ledger entries.
    pub entries: u64,
    /// Closed days whose control totals were computed again.
    pub days: u64,
    /// Everything that does not hold, in words. Empty: all is well.
    pub findings: Vec<String>,
}
