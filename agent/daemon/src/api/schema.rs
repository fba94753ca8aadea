//! The shapes of the API, for its OpenAPI document. Not used to read or write anything: the engine's and the
//! protocol's own types are, and a test holds the two together.

#![allow(dead_code)]

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// RFC 9457.
#[derive(Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Stable; ends in `/<kind>`.
    #[schema(example = "/problems/not-found")]
    r#type: String,
    title: String,
    status: u16,
    /// For people.
    detail: String,
}

/// A redemption refused: `detail` is for the cashier to read out.
#[derive(Serialize, ToSchema)]
pub struct NotSpendable {
    #[schema(example = "/problems/not-spendable")]
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    purse: String,
    /// The whole purse as this till knows it.
    balance: i64,
    /// What can be redeemed here now.
    spendable: i64,
    /// What was asked.
    asked: i64,
    /// Kept for baskets that are open here.
    reserved: i64,
    /// Not available yet.
    pending: i64,
    /// Whether head office was asked and answered.
    online: bool,
    /// The limit that refused, where the program lets a cut-off till give more than it holds.
    floor: Option<FloorLimit>,
}

#[derive(Serialize, ToSchema)]
pub struct FloorLimit {
    /// `redemption`, `member` or `till`.
    limit: String,
    /// What it still allows.
    left: i64,
}

/// The redemption is at another point of its life.
#[derive(Serialize, ToSchema)]
pub struct WrongState {
    #[schema(example = "/problems/redemption-state")]
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    redemption_id: String,
    /// Where it is: as in `RedemptionAnswer`.
    state: String,
}

/// By identifier or by id.
#[derive(Serialize, ToSchema)]
pub struct MemberRef {
    identifier: Option<String>,
    member_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SaleKind {
    Sale,
    Return,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    Item,
    Deposit,
    Fee,
    Tip,
    Donation,
    GiftCard,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TenderKind {
    Cash,
    Card,
    Voucher,
    GiftCard,
    Points,
    Other,
}

/// `amount` is after the line's own discount; negative for a line voided within the sale.
#[derive(Serialize, ToSchema)]
pub struct Line {
    id: Option<String>,
    /// Default `item`.
    kind: Option<LineKind>,
    sku: Option<String>,
    description: Option<String>,
    category: Option<String>,
    /// Decimal; default `"1"`.
    quantity: Option<String>,
    unit: Option<String>,
    unit_price: Option<i64>,
    discount: Option<i64>,
    amount: i64,
    /// For a line of kind `gift-card`: the card that it loads. Never recorded; the answer has `account` instead.
    gift_card: Option<MemberRef>,
    /// In answers: the account that a gift card line has loaded, an opaque member id.
    account: Option<String>,
}

/// `amount` is negative.
#[derive(Serialize, ToSchema)]
pub struct Discount {
    description: Option<String>,
    amount: i64,
}

#[derive(Serialize, ToSchema)]
pub struct Tender {
    kind: TenderKind,
    amount: i64,
}

#[derive(Serialize, ToSchema)]
pub struct OriginalRef {
    store: Option<String>,
    lane: Option<String>,
    receipt_number: String,
    business_date: Option<String>,
}

/// A sale or a return; money in minor units of `currency`.
#[derive(Serialize, ToSchema)]
pub struct Sale {
    /// Default `sale`.
    kind: Option<SaleKind>,
    #[schema(example = "000123")]
    receipt_number: String,
    sale_ref: Option<String>,
    /// RFC 3339 with offset.
    #[schema(example = "2026-11-20T10:15:00+00:00")]
    occurred_at: String,
    #[schema(example = "GBP")]
    currency: String,
    total: i64,
    tax: Option<i64>,
    tax_included: Option<bool>,
    rounding: Option<i64>,
    lines: Vec<Line>,
    discounts: Option<Vec<Discount>>,
    tenders: Option<Vec<Tender>>,
    change: Option<i64>,
    member: Option<MemberRef>,
    operator: Option<String>,
    original: Option<OriginalRef>,
    training: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub struct Accrued {
    purse: String,
    amount: i64,
    rule: String,
    reason: String,
}

#[derive(Serialize, ToSchema)]
pub struct PurseAmounts {
    purse: String,
    balance: i64,
    spendable: i64,
}

#[derive(Serialize, ToSchema)]
pub struct SaleAnswer {
    sale_id: String,
    business_date: String,
    member_id: Option<String>,
    accrued: Vec<Accrued>,
    purses: Vec<PurseAmounts>,
    /// `arithmetic`, `unknown-member`, `clock-suspect`, `probable-reprint`.
    marks: Vec<String>,
    journal_position: u64,
}

#[derive(Serialize, ToSchema)]
pub struct SaleView {
    sale_id: String,
    business_date: String,
    member_id: Option<String>,
    accrued: Vec<Accrued>,
    purses: Vec<PurseAmounts>,
    marks: Vec<String>,
    journal_position: u64,
    /// `recorded` or `voided`.
    state: String,
    sale: Sale,
}

#[derive(Serialize, ToSchema)]
pub struct Reversed {
    purse: String,
    amount: i64,
    owed: i64,
}

#[derive(Serialize, ToSchema)]
pub struct VoidAnswer {
    void_id: String,
    sale_id: String,
    state: String,
    business_date: String,
    member_id: Option<String>,
    reversed: Vec<Reversed>,
    purses: Vec<PurseAmounts>,
    journal_position: u64,
}

#[derive(Serialize, ToSchema)]
pub struct Skipped {
    rule: String,
    why: String,
}

#[derive(Serialize, ToSchema)]
pub struct Quote {
    member_id: Option<String>,
    accrued: Vec<Accrued>,
    skipped: Vec<Skipped>,
    purses: Vec<PurseAmounts>,
    rewards: Vec<Reward>,
    marks: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Expiring {
    amount: i64,
    on: String,
}

#[derive(Serialize, ToSchema)]
pub struct Purse {
    purse: String,
    balance: i64,
    spendable: i64,
    pending: i64,
    debt: i64,
    expiring: Option<Expiring>,
    as_of: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Cost {
    purse: String,
    amount: i64,
}

#[derive(Serialize, ToSchema)]
pub struct Reward {
    reward_id: String,
    title: String,
    cost: Cost,
    available: bool,
    reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemberStatus {
    Active,
    Blocked,
    Closed,
}

#[derive(Serialize, ToSchema)]
pub struct Member {
    member_id: String,
    display_name: Option<String>,
    status: MemberStatus,
    tier: Option<String>,
    purses: Vec<Purse>,
    rewards: Vec<Reward>,
    /// Whether head office answered for this look-up.
    online: bool,
}

/// Either `reward_id`, or `purse` and `amount`.
#[derive(Serialize, ToSchema)]
pub struct RedemptionRequest {
    member: MemberRef,
    reward_id: Option<String>,
    purse: Option<String>,
    amount: Option<i64>,
    sale_ref: Option<String>,
    operator: Option<String>,
    reserve: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub struct RedemptionAnswer {
    redemption_id: String,
    /// `redeemed`, `reserved`, `cancelled`, `timed-out`, `reversed` or `reverse-requested`.
    state: String,
    /// When a reservation frees itself.
    expires_at: Option<String>,
    /// Null, as the next ones, where it is another till's, which only that till knows.
    member_id: Option<String>,
    reward_id: Option<String>,
    purse: Option<String>,
    amount: Option<i64>,
    #[schema(value_type = Option<Object>)]
    benefit: Option<serde_json::Value>,
    /// `held`, `granted` or `floor`.
    rights: Option<String>,
    purses: Vec<PurseAmounts>,
    /// `floor-soft-limit`, `late`.
    marks: Vec<String>,
    journal_position: u64,
}

/// Why, and who.
#[derive(Serialize, ToSchema)]
pub struct ReverseRequest {
    reason: Option<String>,
    operator: Option<String>,
}

/// One line of a sale that comes back.
#[derive(Serialize, ToSchema)]
pub struct ReturnLine {
    /// The line's id in the sale.
    id: String,
    /// Decimal; all of it where absent.
    quantity: Option<String>,
}

/// Lines of a sale that come back.
#[derive(Serialize, ToSchema)]
pub struct ReturnRequest {
    lines: Vec<ReturnLine>,
    /// The return's own number.
    receipt_number: Option<String>,
    /// RFC 3339 with offset; now where absent.
    occurred_at: Option<String>,
    operator: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct PosTotals {
    sales: Option<u64>,
    gross: Option<i64>,
    tax: Option<i64>,
    first_receipt: Option<String>,
    last_receipt: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct CloseRequest {
    pos_totals: Option<PosTotals>,
}

#[derive(Serialize, ToSchema)]
pub struct Range {
    incarnation: String,
    from: u64,
    to: u64,
}

#[derive(Serialize, ToSchema)]
pub struct PurseTotals {
    purse: String,
    accrued: i64,
    redeemed: i64,
}

#[derive(Serialize, ToSchema)]
pub struct DayClose {
    business_date: String,
    sequence: u32,
    ranges: Vec<Range>,
    records: u64,
    sales: u64,
    gross: i64,
    tax: i64,
    purses: Vec<PurseTotals>,
    chain: String,
    pos_totals: Option<PosTotals>,
    receipt_gaps: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct HubState {
    url: String,
    reachable: bool,
    last_sync_at: Option<String>,
    why: Option<String>,
    /// Everything that head office refuses.
    refused: Option<String>,
    /// The same by what was asked: `push`, `pull`, `grant`, `succession`, `report`.
    refusals: BTreeMap<String, String>,
    /// When this till, put back from an older copy, was made whole; since the daemon started.
    made_whole_at: Option<String>,
}

/// What is held here of a purse.
#[derive(Serialize, ToSchema)]
pub struct HeldHere {
    purse: String,
    members: u64,
    units: i64,
}

/// What this till has given without head office, which does not know it yet.
#[derive(Serialize, ToSchema)]
pub struct FloorState {
    purse: String,
    used_units: i64,
    /// From here the till warns.
    soft_units: i64,
    /// Here it stops.
    hard_units: i64,
}

#[derive(Serialize, ToSchema)]
pub struct JournalState {
    incarnation: String,
    position: u64,
    acknowledged: u64,
    pending: u64,
    chain: String,
}

#[derive(Serialize, ToSchema)]
pub struct FeedState {
    cursor: String,
    hub_time: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ProgramState {
    id: String,
    version: u64,
    unreadable: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct DayState {
    business_date: String,
    sequence: u32,
    from: u64,
}

#[derive(Serialize, ToSchema)]
pub struct ClockState {
    now: String,
    suspect: bool,
    hub_offset_ms: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub struct PendingCard {
    known: bool,
    member_id: Option<String>,
    scanned_at: String,
    expires_at: String,
}

#[derive(Serialize, ToSchema)]
pub struct CardState {
    /// How long a scanned card waits for its sale.
    timeout_s: u32,
    pending: Option<PendingCard>,
}

#[derive(Serialize, ToSchema)]
pub struct Status {
    terminal: String,
    store: String,
    lane: String,
    version: String,
    /// Which life of this till it is, from 1: one more each time it was put back from an older copy.
    life: u32,
    hub: HubState,
    journal: JournalState,
    feed: FeedState,
    program: Option<ProgramState>,
    day: Option<DayState>,
    rights: Vec<HeldHere>,
    reservations_open: u64,
    floors: Vec<FloorState>,
    /// Whether this till may spend.
    sound: bool,
    /// What stands against it and what to do.
    standing: String,
    #[schema(value_type = Vec<Object>)]
    devices: Vec<BTreeMap<String, serde_json::Value>>,
    clock: ClockState,
    member: CardState,
}
