//! What the engine answers, in the JSON of the published interface.
//!
//! An answer is stored in its record and given again for ever, so every type reads what it wrote.

use counterfoil_protocol::day::DayClose;
use counterfoil_protocol::id::{EventId, IncarnationId, MemberId};
use counterfoil_protocol::record::{Chain, Rights};
use counterfoil_protocol::sale::Sale;
use counterfoil_protocol::time::Date;
use counterfoil_protocol::wire::v1::feed::MemberStatus;
use serde::{Deserialize, Serialize};

use crate::command::Reply;

/// What one rule gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accrued {
    /// The purse.
    pub purse: String,
    /// Units.
    pub amount: i64,
    /// The rule.
    pub rule: String,
    /// In words.
    pub reason: String,
}

/// A purse after a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurseAmounts {
    /// The purse.
    pub purse: String,
    /// The whole purse as this till knows it.
    pub balance: i64,
    /// What can be redeemed here now, with no line to anyone.
    pub spendable: i64,
}

/// Answer to a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleAnswer {
    /// The sale's id.
    pub sale_id: EventId,
    /// The business date it counts for.
    pub business_date: Date,
    /// Who it is for, where known.
    pub member_id: Option<MemberId>,
    /// Rule by rule.
    pub accrued: Vec<Accrued>,
    /// The member's purses after it.
    pub purses: Vec<PurseAmounts>,
    /// What is odd about it.
    pub marks: Vec<String>,
    /// Of a return that was settled here: what it took back, purse by purse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reversed: Vec<Reversed>,
    /// Where it stands in the journal.
    pub journal_position: u64,
}

/// Whether a recorded sale stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaleState {
    /// It stands.
    Recorded,
    /// It was undone as a whole.
    Voided,
}

/// A sale looked up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleView {
    /// What was answered first.
    #[serde(flatten)]
    pub answer: SaleAnswer,
    /// Whether it stands.
    pub state: SaleState,
    /// As it came.
    pub sale: Sale,
}

/// What a void took back of one purse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversed {
    /// The purse.
    pub purse: String,
    /// Units taken back in all.
    pub amount: i64,
    /// How many of them were no longer here and are owed now.
    pub owed: i64,
}

/// Answer to a void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidAnswer {
    /// The void's id.
    pub void_id: EventId,
    /// The sale that was undone.
    pub sale_id: EventId,
    /// Always `voided`.
    pub state: SaleState,
    /// The business date the void counts for.
    pub business_date: Date,
    /// Who the sale was for.
    pub member_id: Option<MemberId>,
    /// Purse by purse.
    pub reversed: Vec<Reversed>,
    /// The member's purses after it.
    pub purses: Vec<PurseAmounts>,
    /// Where it stands in the journal.
    pub journal_position: u64,
}

/// Where a redemption is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RedemptionState {
    /// Spent.
    Redeemed,
    /// Held for a basket.
    Reserved,
    /// The basket was given up: nothing was spent.
    Cancelled,
    /// The basket's sale did not come in time: nothing was spent.
    TimedOut,
    /// It was spent, and given back.
    Reversed,
    /// Another author's: its author, or head office, is asked to give it back.
    ReverseRequested,
}

/// Answer to a redemption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedemptionAnswer {
    /// The redemption's id.
    pub redemption_id: EventId,
    /// Where it is in its life.
    pub state: RedemptionState,
    /// When a reservation frees itself.
    pub expires_at: Option<String>,
    /// Whose; `None` where it is another author's, which only its author knows.
    pub member_id: Option<MemberId>,
    /// The reward, where it is one.
    pub reward_id: Option<String>,
    /// The purse; `None` as above.
    pub purse: Option<String>,
    /// Units spent or reserved; `None` as above.
    pub amount: Option<i64>,
    /// What the member gets, as the program says it.
    pub benefit: Option<serde_json::Value>,
    /// By what right; `None` as above.
    pub rights: Option<Rights>,
    /// The member's purses after it.
    pub purses: Vec<PurseAmounts>,
    /// What is odd about it: `floor-soft-limit` (the till's floor is more than half used up), `late` (confirmed after
    /// its reservation had ended).
    #[serde(default)]
    pub marks: Vec<String>,
    /// Where it stands in the journal.
    pub journal_position: u64,
}

/// How much of what a till may overspend without the line is used up. Counts what head office has not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorState {
    /// The purse.
    pub purse: String,
    /// Units owed by this till's floor redemptions, open reservations included.
    pub used_units: i64,
    /// From here the till warns.
    pub soft_units: i64,
    /// Here it stops.
    pub hard_units: i64,
}

/// What carrying out head office's orders came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrdersReport {
    /// Orders done with, also those that had nothing left to do.
    pub orders: usize,
    /// Units given back.
    pub returned_units: i64,
    /// Redemptions undone.
    pub reversed: usize,
    /// The till is retired now.
    pub retired: bool,
    /// Orders that were not carried out, in words: for the log.
    pub notes: Vec<String>,
}

/// Units that end soon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiring {
    /// Units.
    pub amount: i64,
    /// Their last day.
    pub on: Date,
}

/// One purse of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurseView {
    /// The purse.
    pub purse: String,
    /// The whole purse as this till knows it: never below zero.
    pub balance: i64,
    /// What can be redeemed here now, with no line to anyone.
    pub spendable: i64,
    /// Not vested yet.
    pub pending: i64,
    /// Owed.
    pub debt: i64,
    /// What ends next.
    pub expiring: Option<Expiring>,
    /// When head office last told this till of the purse; `None`: never.
    pub as_of: Option<String>,
}

/// Units of a purse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The purse.
    pub purse: String,
    /// Units.
    pub amount: i64,
}

/// A reward as a member may have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewardView {
    /// Its id.
    pub reward_id: String,
    /// Its title.
    pub title: String,
    /// What it costs.
    pub cost: Cost,
    /// Can it be had here now.
    pub available: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// Answer to a look-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// Who.
    pub member_id: MemberId,
    /// For the cashier's screen.
    pub display_name: Option<String>,
    /// May it spend.
    pub status: MemberStatus,
    /// Its tier.
    pub tier: Option<String>,
    /// Purse by purse.
    pub purses: Vec<PurseView>,
    /// Reward by reward.
    pub rewards: Vec<RewardView>,
    /// Whether head office answered for this look-up. The engine says `false`; the shell knows better.
    pub online: bool,
}

/// Why a rule gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRule {
    /// The rule.
    pub rule: String,
    /// In words.
    pub why: String,
}

/// What a sale would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Who it would be for.
    pub member_id: Option<MemberId>,
    /// Rule by rule.
    pub accrued: Vec<Accrued>,
    /// Rules that would give nothing, and why.
    pub skipped: Vec<SkippedRule>,
    /// The member's purses before it.
    pub purses: Vec<PurseAmounts>,
    /// Rewards for this basket.
    pub rewards: Vec<RewardView>,
    /// What is odd about the basket.
    pub marks: Vec<String>,
}

/// What a scan did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanOutcome {
    /// Whom the card found; `None`: nobody this till knows.
    pub member: Option<MemberView>,
    /// Another card waited and is forgotten.
    pub replaced: bool,
    /// Until then the card waits for its sale, milliseconds since 1970 UTC.
    pub expires_at_ms: i64,
}

/// What a captured span did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureOutcome {
    /// It was done before: nothing is recorded again.
    AlreadyDone,
    /// Nothing to record; the offset moved.
    Nothing,
    /// A sale or a return; not fresh where it had come by another path.
    Sale(Reply<SaleAnswer>),
    /// A sale undone; not fresh where it had been undone already.
    Void(Reply<VoidAnswer>),
    /// A document that moved nothing.
    Document {
        /// Its place in the journal.
        position: u64,
        /// Why somebody must look, where somebody must.
        exception: Option<String>,
    },
    /// The Z report closed the day.
    DayClosed(Reply<DayClose>),
    /// The Z report came after the close.
    PosTotals {
        /// Its place in the journal.
        position: u64,
        /// The day it is for.
        business_date: Date,
        /// Which close.
        sequence: u32,
    },
    /// Bytes lost.
    Gap {
        /// Its place in the journal.
        position: u64,
    },
}

/// The journal as a status shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// Whose.
    pub incarnation: IncarnationId,
    /// The last record.
    pub position: u64,
    /// Durable at head office up to here.
    pub acknowledged: u64,
    /// Records still to be sent.
    pub pending: u64,
    /// The chain at the last record.
    pub chain: Chain,
}

/// The feed as a status shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatus {
    /// How far this till has read; opaque.
    pub cursor: String,
    /// The hub's clock at the last answer that was written down, RFC 3339.
    pub hub_time: Option<String>,
}

/// The program in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStatus {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// Newer versions that this till cannot read, and why.
    pub unreadable: Vec<String>,
}

/// The business day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayStatus {
    /// Its date.
    pub business_date: Date,
    /// Which close it will be.
    pub sequence: u32,
    /// Its first record.
    pub from: u64,
}

/// State of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TillStatus {
    /// The till's id.
    pub terminal: String,
    /// Its store.
    pub store: String,
    /// Its lane.
    pub lane: String,
    /// The journal.
    pub journal: JournalStatus,
    /// The feed.
    pub feed: FeedStatus,
    /// The program in force; `None`: none yet.
    pub program: Option<ProgramStatus>,
    /// The open business day; `None`: it opens with the next record.
    pub day: Option<DayStatus>,
    /// What may be overspent without the line, purse by purse.
    pub floors: Vec<FloorState>,
    /// Whether the till may spend.
    pub sound: bool,
    /// What stands against it and what to do.
    pub standing: String,
}

/// What checking the journal found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalReport {
    /// Records read.
    pub records: u64,
    /// The chain after the last of them, computed anew.
    pub chain: Chain,
    /// What does not hold, in words; empty: all holds.
    pub problems: Vec<String>,
}

/// An API token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// Its name.
    pub name: String,
    /// What it may do; empty: everything.
    pub scopes: Vec<String>,
    /// Milliseconds since 1970 UTC.
    pub created_ms: i64,
}

/// What a page or an answer of the hub did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedReport {
    /// Identity rows written.
    pub identities: usize,
    /// Member states taken.
    pub states: usize,
    /// Grants that were new.
    pub grants: usize,
    /// What was kept but cannot be used, in words: for the log.
    pub notes: Vec<String>,
}
