//! Asking for spend rights, and for a member the till does not know well.
//!
//! A till asks for a *target level*, never for "more": it says what it holds and what it has received in all,
//! and the hub grants only what is neither held nor already on its way. So a lost answer never spends twice and a
//! repeated question never piles up grants.

use minicbor::{Decode, Encode};

use crate::id::{IdentifierHash, MemberId};
use crate::wire::sign::Sig;
use crate::wire::v1::feed::{HubEntry, IdentityRow, MemberState};

/// Whom a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Subject {
    /// A member the till knows.
    #[n(0)]
    Member(#[n(0)] MemberId),
    /// An identifier the till knows nobody for.
    #[n(1)]
    Identifier(#[n(0)] IdentifierHash),
}

/// What a till has of one purse: both as durably written.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Holding {
    /// The purse.
    #[n(0)]
    pub purse: String,
    /// Spendable here now.
    #[n(1)]
    pub held: i64,
    /// Sum of all grants this incarnation has ever received for this member and purse.
    #[n(2)]
    pub received: i64,
}

/// What for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Want {
    /// A look-up: enough for the dearest reward the member can afford.
    #[n(0)]
    LookUp,
    /// A redemption: at least so many units of a purse.
    #[n(1)]
    Level {
        /// The purse.
        #[n(0)]
        purse: String,
        /// Units that shall be held after.
        #[n(1)]
        target: i64,
    },
}

/// A till asks for rights.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GrantRequest {
    /// The caller's; the same again is the same question.
    #[n(0)]
    pub request_id: String,
    /// Whom.
    #[n(1)]
    pub subject: Subject,
    /// What for.
    #[n(2)]
    pub want: Want,
    /// What the till has, purse by purse; purses not named have nothing.
    #[n(3)]
    pub holdings: Vec<Holding>,
    /// The till's feed cursor: grants after it are sent again.
    #[n(4)]
    pub cursor: String,
}

/// The hub's answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GrantAnswer {
    /// The question's.
    #[n(0)]
    pub request_id: String,
    /// How the identifier resolves, where it was asked.
    #[n(1)]
    pub identity: Option<IdentityRow>,
    /// The member at this snapshot; `None` where there is none.
    #[n(2)]
    pub state: Option<MemberState>,
    /// The till's own records up to here are in `state`.
    #[n(3)]
    pub includes_position: u64,
    /// All grants to this incarnation for this member after the cursor, old and new.
    #[n(4)]
    pub grants: Vec<HubEntry>,
    /// The hub's clock, milliseconds since 1970 UTC.
    #[n(5)]
    pub hub_time_ms: i64,
}

/// The hub's answer to a push: a position, verified, appended, durable.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PushAnswer {
    /// Everything up to here is durable at head office: at most the last record of the segment that was pushed, whose
    /// chain was compared.
    #[n(0)]
    pub acknowledged: u64,
    /// The hub's clock, milliseconds since 1970 UTC.
    #[n(1)]
    pub hub_time_ms: i64,
    /// How far the hub has this journal in all. Beyond the till's own head it is a witness that the till's disk is old.
    #[n(2)]
    pub known: Option<u64>,
}

/// An error to a sync request, beside its HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refusal {
    /// Stable, last part of the problem's `type`.
    #[n(0)]
    pub kind: RefusalKind,
    /// In words.
    #[n(1)]
    pub detail: String,
    /// The hub's knowledge of this incarnation, for `Behind` and `Gap`.
    #[n(2)]
    pub known_position: Option<u64>,
    /// The hub's epoch, for `Epoch`.
    #[n(3)]
    pub epoch: Option<u64>,
    /// Kept free for a refusal that travels without HTTP; over HTTP the answer's own signature covers it.
    #[n(4)]
    pub signature: Option<Sig>,
}

/// Why a hub refuses a sync request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RefusalKind {
    /// Signature, incarnation or code do not hold.
    #[n(0)]
    NotAuthentic,
    /// The request cannot be read.
    #[n(1)]
    Malformed,
    /// The till is newer than the hub.
    #[n(2)]
    Version,
    /// Records before are missing: send from `known_position + 1`.
    #[n(3)]
    Gap,
    /// The till stands behind, or beside, what the hub already has of it.
    #[n(4)]
    Behind,
    /// The hub has another epoch.
    #[n(5)]
    Epoch,
    /// The incarnation is settled: retired, or followed by another.
    #[n(6)]
    Retired,
    /// The hub cannot now; try later.
    #[n(7)]
    Busy,
    /// Another disk with this key went on as the next incarnation: there are two of this till, and a person decides.
    #[n(8)]
    Quarantined,
}
