//! Members and what happens to them, as APIs show it.

use counterfoil_protocol::wire::v1::feed::MemberStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Units that one holder has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HolderUnits {
    /// `hub` or an incarnation.
    pub holder: String,
    /// The terminal, where the holder is one.
    pub terminal: Option<String>,
    /// Units.
    pub units: i64,
}

/// One purse of a member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct PurseView {
    /// The purse.
    pub purse: String,
    /// `max(0, units − debt)`.
    pub balance: i64,
    /// What head office itself could spend now.
    pub spendable: i64,
    /// Units that have not vested.
    pub pending: i64,
    /// What the member owes.
    pub debt: i64,
    /// The next units to expire, if any: `YYYY-MM-DD`.
    pub expiring: Option<String>,
    /// When this was so.
    pub as_of: String,
    /// Who holds the units.
    pub held: Vec<HolderUnits>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// Opaque.
    pub member_id: String,
    /// For screens.
    pub display_name: Option<String>,
    /// Whether it may spend.
    #[schema(value_type = String)]
    pub status: MemberStatus,
    /// Its tier.
    pub tier: Option<String>,
    /// What finds it.
    pub identifiers: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Since when, `YYYY-MM-DD`.
    pub since: Option<String>,
    /// Sales with this member.
    pub visits: u64,
    /// What it has.
    pub purses: Vec<PurseView>,
}

/// An adjustment by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdjustmentView {
    /// The first entry's id.
    pub adjustment_id: String,
    /// Whose purse.
    pub member_id: String,
    /// Which purse.
    pub purse: String,
    /// Given, or taken where negative.
    pub amount: i64,
    /// Why.
    pub reason: String,
    /// The part that was not there and is owed now.
    pub debt: i64,
    /// Every entry that came of it.
    pub entries: Vec<String>,
    /// The member's purses after it.
    pub purses: Vec<PurseView>,
}

/// Debt forgiven by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WriteOffView {
    /// Whose debt.
    pub member_id: String,
    /// In which purse.
    pub purse: String,
    /// Units forgiven.
    pub amount: i64,
    /// Why.
    pub reason: String,
    /// Every entry that came of it.
    pub entries: Vec<String>,
    /// The member's purses after it.
    pub purses: Vec<PurseView>,
}

/// A redemption, or a reservation for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RedemptionView {
    /// `<incarnation>-<position>`.
    pub redemption_id: String,
    /// `reserved`, `redeemed`, `cancelled`, `timed-out` or `reversed`.
    pub state: String,
    /// Who spends.
    pub member_id: String,
    /// What for, where it is a reward of the program.
    pub reward: Option<String>,
    /// From which purse.
    pub purse: String,
    /// Units.
    pub amount: i64,
    /// `held`, `granted` or `floor`.
    pub rights: String,
    /// The POS's reference.
    pub sale_ref: Option<String>,
    /// Where.
    pub store: String,
    /// Which till.
    pub terminal: String,
    /// Who undid it: a record, or `hub`.
    pub reversed_by: Option<String>,
    /// `requested` while its till has not undone it yet.
    pub reversal: Option<String>,
    /// When head office posted it.
    pub posted_at: String,
}

/// A row that could not be imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReject {
    /// Its place in the batch, from 0.
    pub row: usize,
    /// Why.
    pub reason: String,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportOutcome {
    /// Members made.
    pub created: u64,
    /// Rows that named a member who was here, with what was new added.
    pub updated: u64,
    /// Rows not taken.
    pub rejects: Vec<ImportReject>,
}
