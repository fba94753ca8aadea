//! Journal records: everything a till does, one record each, in the order it was done.
//!
//! A record is encoded once; from then on its bytes are the fact: they are hashed, chained, signed, sent and
//! kept as they are. Integer-keyed CBOR (RFC 8949), so that fields can be added: a reader skips keys it does
//! not know. Nothing here names a person: members are ids, identifiers are keyed hashes.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::day::{DayClose, PosTotals};
use crate::entry::Entry;
use crate::id::{Digest, EntryId, EventId, Holder, IdentifierHash, IncarnationId, MemberId};
use crate::program::MemberInputs;
use crate::sale::Sale;
use crate::time::Date;

/// The version of the record's meaning that this code writes.
pub const RECORD_VERSION: u16 = 1;

/// A running hash over a journal: `chain_n = SHA-256(chain_{n-1} ‖ record_n)`.
pub type Chain = Digest;

/// The chain before the first record of an incarnation: SHA-256 of a label and the incarnation.
pub fn chain_start(incarnation: IncarnationId) -> Chain {
    Digest::of(&[b"counterfoil journal v1\0", &incarnation.0])
}

/// The chain after one more record.
pub fn chain_next(before: Chain, record: &[u8]) -> Chain {
    Digest::of(&[&before.0, record])
}

/// A place in one incarnation's journal: how far, and the chain there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Head {
    /// The last record's position; 0 before the first.
    #[n(0)]
    pub position: u64,
    /// The chain after that record.
    #[n(1)]
    pub chain: Chain,
}

impl Head {
    /// Before the first record.
    pub fn start(incarnation: IncarnationId) -> Self {
        Self { position: 0, chain: chain_start(incarnation) }
    }
}

/// A call's idempotency key and the digest of what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Idempotency {
    /// As the caller gave it.
    #[n(0)]
    pub key: String,
    /// SHA-256 of method, path and body.
    #[n(1)]
    pub request: Digest,
}

/// Where a record was first written, when a restored till journals its branch again. Positions that such a record's
/// body names are positions of the origin's journal; the ranges of a day close name their journals themselves.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Origin {
    /// The settled incarnation.
    #[n(0)]
    pub incarnation: IncarnationId,
    /// The record's first position.
    #[n(1)]
    pub position: u64,
    /// The chain there.
    #[n(2)]
    pub chain: Chain,
    /// Where it was copied from, when that was a copy itself (a till restored twice).
    #[n(3)]
    pub copied_from: Option<EventId>,
}

/// How a record reached the till.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    /// A call of the local API.
    #[n(0)]
    Api,
    /// Read from a printer's stream: device, and the span of the spool.
    #[n(1)]
    Paper {
        /// The device's configured name.
        #[n(0)]
        device: String,
        /// First byte of the document in the device's stream.
        #[n(1)]
        from: u64,
        /// One past its last byte.
        #[n(2)]
        to: u64,
    },
}

/// What one rule gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct RuleUnits {
    /// The rule's id.
    #[n(0)]
    pub rule: String,
    /// Units.
    #[n(1)]
    pub amount: i64,
    /// In words.
    #[n(2)]
    pub reason: String,
    /// Whether these units are for head office to hold, whatever the purse says: the rule read something that
    /// two cut-off tills may both believe (`member.visits`).
    #[serde(skip)]
    #[n(3)]
    pub for_hub: bool,
}

/// What a sale accrued in one purse, with the breakdown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct Award {
    /// The purse.
    #[n(0)]
    pub purse: String,
    /// Units over all rules.
    #[n(1)]
    pub amount: i64,
    /// Rule by rule.
    #[n(2)]
    pub rules: Vec<RuleUnits>,
}

/// A sale or a return.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SaleRecord {
    /// As it came, without the member.
    #[n(0)]
    pub sale: Sale,
    /// `occurred_at`, milliseconds since 1970 UTC.
    #[n(1)]
    pub occurred_at_ms: i64,
    /// Who it is for, where the till knows.
    #[n(2)]
    pub member: Option<MemberId>,
    /// The identifier under the program's key, where no member is known for it: claimable later.
    #[n(3)]
    pub unknown_identifier: Option<IdentifierHash>,
    /// What the rules saw of the member.
    #[n(4)]
    pub inputs: Option<MemberInputs>,
    /// What the rules gave.
    #[n(5)]
    pub awards: Vec<Award>,
    /// Rules that failed at the till (they counted as false).
    #[n(6)]
    pub failures: Vec<String>,
    /// How it came.
    #[n(7)]
    pub source: Source,
    /// For a return: the sale of this journal whose value it has taken back itself, in this record's entries. Absent:
    /// head office computes what to take back.
    #[n(8)]
    pub settles: Option<EventId>,
}

/// A sale undone as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VoidRecord {
    /// The position of the sale in this journal; `None` where the till does not know it, or `sale` names it.
    #[n(0)]
    pub sale_position: Option<u64>,
    /// The voided sale's receipt number.
    #[n(1)]
    pub voided_receipt: String,
    /// The void's own receipt number, where it has one.
    #[n(2)]
    pub receipt_number: Option<String>,
    /// What came back, minor units, positive.
    #[n(3)]
    pub total: i64,
    /// The tax in it.
    #[n(4)]
    pub tax: i64,
    /// How it came.
    #[n(5)]
    pub source: Source,
    /// The sale, where an earlier life of this terminal recorded it and head office has it from that one.
    #[n(6)]
    pub sale: Option<EventId>,
}

/// By what right units were spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "kebab-case")]
#[cbor(index_only)]
pub enum Rights {
    /// Held here before anybody asked.
    #[n(0)]
    Held,
    /// Granted for this redemption.
    #[n(1)]
    Granted,
    /// Below the offline floor.
    #[n(2)]
    Floor,
}

/// A redemption.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RedemptionRecord {
    /// Who spends.
    #[n(0)]
    pub member: MemberId,
    /// What for, where it is a reward of the program.
    #[n(1)]
    pub reward: Option<String>,
    /// From which purse.
    #[n(2)]
    pub purse: String,
    /// How many.
    #[n(3)]
    pub units: i64,
    /// By what right.
    #[n(4)]
    pub rights: Rights,
    /// The POS's reference.
    #[n(5)]
    pub sale_ref: Option<String>,
    /// Who sat at the till.
    #[n(6)]
    pub operator: Option<String>,
}

/// Units chosen for a basket, before its sale exists. They stay held by the till and can be spent by nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReservationRecord {
    /// What will be spent; its `sale_ref` is what the POS reserved under.
    #[n(0)]
    pub redemption: RedemptionRecord,
    /// When it ends by itself, by the till's clock, milliseconds since 1970 UTC.
    #[n(1)]
    pub expires_at_ms: i64,
    /// The units chosen, as the `redeem` entries that a confirmation in time writes.
    #[n(2)]
    pub chosen: Vec<Entry>,
}

/// How a reservation ended without being spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReleaseReason {
    /// The POS gave it up.
    #[n(0)]
    Cancelled,
    /// Nobody confirmed it in time.
    #[n(1)]
    TimedOut,
}

/// A reservation that ended without being spent: its units are free again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReleaseRecord {
    /// The reservation.
    #[n(0)]
    pub reservation: EventId,
    /// How it ended.
    #[n(1)]
    pub reason: ReleaseReason,
}

/// A reservation spent: the record's entries redeem its units.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ConfirmationRecord {
    /// The reservation.
    #[n(0)]
    pub reservation: EventId,
    /// It had ended already; what is no longer held is owed (`late`).
    #[n(1)]
    pub late: bool,
    /// The sale that confirmed it, where one did.
    #[n(2)]
    pub sale: Option<EventId>,
}

/// A redemption undone: the record's entries give its units back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReversalRecord {
    /// The redemption, or the reservation whose confirmation is undone.
    #[n(0)]
    pub redemption: EventId,
    /// Who asked, where it was not this till: the event of another till, or an id of head office's.
    #[n(1)]
    pub request: Option<String>,
    /// In words.
    #[n(2)]
    pub reason: Option<String>,
    /// Who sat at the till.
    #[n(3)]
    pub operator: Option<String>,
}

/// A redemption of another author shall be undone. Its author does it, or head office once the author is settled.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReverseRequestRecord {
    /// The redemption.
    #[n(0)]
    pub redemption: EventId,
    /// In words.
    #[n(1)]
    pub reason: Option<String>,
    /// Who sat at the till.
    #[n(2)]
    pub operator: Option<String>,
}

/// Why a till gives rights back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReturnReason {
    /// Their lots are past their date.
    #[n(0)]
    Expired,
    /// Head office asked: the member shops elsewhere, or nobody came.
    #[n(1)]
    Recalled,
    /// The till is being retired: everything goes back, nothing is spent after this.
    #[n(2)]
    Retired,
}

/// Rights given back to head office: the record's entries are `return-rights`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RightsReturnedRecord {
    /// Why.
    #[n(0)]
    pub reason: ReturnReason,
}

/// The first record of an incarnation that follows another one of the same terminal. Those records of the earlier one
/// that head office does not have come next, each with its [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SuccessionRecord {
    /// The incarnation that ended.
    #[n(0)]
    pub before: IncarnationId,
    /// How far its journal came on this disk.
    #[n(1)]
    pub branch: Head,
    /// How far head office had it, and settled it.
    #[n(2)]
    pub settled: Head,
}

/// A span of a printer's stream that nobody could keep.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CaptureGap {
    /// The device.
    #[n(0)]
    pub device: String,
    /// First byte lost.
    #[n(1)]
    pub from: u64,
    /// One past the last byte lost.
    #[n(2)]
    pub to: u64,
    /// Why, in words.
    #[n(3)]
    pub reason: String,
}

/// A document that moved no value here: a class that never does, or one that somebody must look at.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DocumentRecord {
    /// Its class, as `receipt parse` names it.
    #[n(0)]
    pub class: String,
    /// Its receipt number, where it has one.
    #[n(1)]
    pub receipt_number: Option<String>,
    /// What the parser marked.
    #[n(2)]
    pub marks: Vec<String>,
    /// Where a person should look at it, why; such a record goes to the exceptions.
    #[n(3)]
    pub exception: Option<String>,
    /// Its text, card numbers scrubbed, kept only where somebody must look.
    #[n(4)]
    pub text: Vec<String>,
    /// How it came.
    #[n(5)]
    pub source: Source,
}

/// What the POS says of its own day, whenever it says so.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PosTotalsRecord {
    /// The day they are for.
    #[n(0)]
    pub business_date: Date,
    /// Which close of that terminal.
    #[n(1)]
    pub sequence: u32,
    /// The totals.
    #[n(2)]
    pub totals: PosTotals,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Body {
    /// A sale or a return.
    #[n(0)]
    Sale(#[n(0)] Box<SaleRecord>),
    /// A sale undone.
    #[n(1)]
    Void(#[n(0)] VoidRecord),
    /// Units spent.
    #[n(2)]
    Redemption(#[n(0)] RedemptionRecord),
    /// A business day closed.
    #[n(3)]
    DayClose(#[n(0)] DayClose),
    /// The POS's totals.
    #[n(4)]
    PosTotals(#[n(0)] PosTotalsRecord),
    /// Bytes lost.
    #[n(5)]
    CaptureGap(#[n(0)] CaptureGap),
    /// A document that moved nothing.
    #[n(6)]
    Document(#[n(0)] DocumentRecord),
    /// Units held for a basket.
    #[n(7)]
    Reservation(#[n(0)] ReservationRecord),
    /// A reservation that ended unspent.
    #[n(8)]
    Release(#[n(0)] ReleaseRecord),
    /// A reservation spent.
    #[n(9)]
    Confirmation(#[n(0)] ConfirmationRecord),
    /// A redemption undone.
    #[n(10)]
    Reversal(#[n(0)] ReversalRecord),
    /// A redemption of another author to be undone.
    #[n(11)]
    ReverseRequest(#[n(0)] ReverseRequestRecord),
    /// Rights given back.
    #[n(12)]
    RightsReturned(#[n(0)] RightsReturnedRecord),
    /// A new incarnation of a terminal begins.
    #[n(13)]
    Succession(#[n(0)] SuccessionRecord),
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Record {
    /// [`RECORD_VERSION`] of the writer.
    #[n(0)]
    pub version: u16,
    /// The till's clock, milliseconds since 1970 UTC. Order comes from positions, never from here.
    #[n(1)]
    pub recorded_at_ms: i64,
    /// The till did not trust its clock.
    #[n(2)]
    pub clock_suspect: bool,
    /// The business date it belongs to.
    #[n(3)]
    pub business_date: Date,
    /// Which close of this terminal it belongs to, from 1.
    #[n(4)]
    pub day_sequence: u32,
    /// The program it was evaluated under.
    #[n(5)]
    pub program_version: Option<u64>,
    /// The call that caused it.
    #[n(6)]
    pub idempotency: Option<Idempotency>,
    /// What happened.
    #[n(7)]
    pub body: Body,
    /// What it moved.
    #[n(8)]
    pub entries: Vec<Entry>,
    /// What the caller was answered (JSON).
    #[n(9)]
    pub answer: Option<ByteVec>,
    /// Where it was first written, in a branch journalled again.
    #[n(10)]
    pub origin: Option<Origin>,
    /// What is odd about it, in the words of the published interface.
    #[n(11)]
    pub marks: Vec<String>,
}

impl Record {
    /// The record's bytes. Done once, by the author.
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("encoding into memory cannot fail")
    }

    /// Reads a record; call it only on bytes whose chain and signature hold.
    ///
    /// # Errors
    /// When the bytes are not a record this code can read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        minicbor::decode(bytes)
    }

    /// The ids of its entries, given where it stands.
    pub fn entry_ids(&self, incarnation: IncarnationId, position: u64) -> impl Iterator<Item = (EntryId, &Entry)> {
        (0u32..)
            .zip(&self.entries)
            .map(move |(index, entry)| (EntryId::Terminal { incarnation, position, index }, entry))
    }

    /// What its entries add to what `holder` holds of one member's purse.
    pub fn held_change(&self, author: Holder, holder: Holder, member: MemberId, purse: &str) -> i64 {
        self.entries
            .iter()
            .filter(|entry| entry.member == member && entry.purse == purse)
            .filter_map(|entry| entry.held_change(author, holder).ok())
            .sum()
    }
}
