//! What a shell asks of the engine: the call, the time, and the things that are not a sale.
//!
//! Data only. Nothing here is stored; what a record keeps of a call is said in `counterfoil_protocol::record`.

use counterfoil_protocol::day::PosTotals;
use counterfoil_protocol::id::{IdentifierHash, MemberId};
use counterfoil_protocol::record::{Idempotency, Rights, Source};
use counterfoil_protocol::sale::{MemberRef, Sale};

/// The shell's clock at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970 UTC.
    pub wall_ms: i64,
    /// The shell does not trust its clock (never synchronised, or it jumped).
    pub suspect: bool,
}

impl Now {
    /// A clock the shell trusts.
    pub fn at(wall_ms: i64) -> Self {
        Self { wall_ms, suspect: false }
    }
}

/// How a command came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// By the API, or from paper.
    pub source: Source,
    /// The caller's idempotency key and the digest of its request.
    pub idempotency: Option<Idempotency>,
}

impl Call {
    /// A call of the API without an idempotency key.
    pub fn api() -> Self {
        Self { source: Source::Api, idempotency: None }
    }
}

/// An answer, durable when it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// The first answer, for ever.
    pub answer: T,
    /// Recorded by this very call; `false`: the first answer again.
    pub fresh: bool,
    /// The record's position in the journal.
    pub position: u64,
}

/// What to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedeemWhat {
    /// A reward of the program, by its id.
    Reward(String),
    /// Units of a purse.
    Units {
        /// The purse.
        purse: String,
        /// How many.
        amount: i64,
    },
}

/// A redemption asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeem {
    /// Whose units.
    pub member: MemberRef,
    /// What to spend.
    pub what: RedeemWhat,
    /// The POS's reference of the basket.
    pub sale_ref: Option<String>,
    /// Who sits at the till.
    pub operator: Option<String>,
    /// What the shell knows: `Granted` when head office was asked for this redemption and answered.
    pub rights: Rights,
    /// Hold the units under `sale_ref` instead of spending them.
    pub reserve: bool,
    /// What the shell knows: head office was to be asked and could not be. Only then is the offline floor used.
    pub cut_off: bool,
}

/// One span of a printer's stream and what it turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// First byte, as a position in the device's stream.
    pub from: u64,
    /// One past the last byte.
    pub to: u64,
    /// When the cut passed the tap, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// What it is.
    pub document: CapturedDocument,
}

/// A document as the template read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapturedDocument {
    /// A sale or a return.
    Sale(Sale),
    /// A sale undone.
    Void {
        /// The void's own number.
        receipt_number: Option<String>,
        /// The number of the sale it undoes.
        voided_receipt: Option<String>,
        /// What came back, as printed; amounts positive.
        sale: Sale,
    },
    /// The POS closed its day.
    ZReport {
        /// Its totals.
        totals: PosTotals,
        /// The report's own number.
        report_number: Option<String>,
    },
    /// A document that moves nothing.
    Other {
        /// Its class, as `receipt parse` names it.
        class: String,
        /// Its number, where it has one of the receipts' series.
        receipt_number: Option<String>,
        /// What the parser marked.
        marks: Vec<String>,
        /// Its text; kept only where somebody must look.
        text: Vec<String>,
        /// Why somebody must look.
        exception: Option<String>,
    },
    /// Bytes that are no document (a kitchen printer, an empty cut).
    Nothing,
    /// Bytes nobody could keep.
    Gap {
        /// In words.
        reason: String,
    },
}

/// A card that was scanned and waits for its sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingMember {
    /// The identifier under the program's key.
    pub identifier: IdentifierHash,
    /// Whom it found.
    pub member: Option<MemberId>,
    /// Milliseconds since 1970 UTC.
    pub scanned_at_ms: i64,
    /// Until then it waits.
    pub expires_at_ms: i64,
}
