//! What a command can fail with, sorted by who must act. `Display` is for people: what happened, what still
//! works, what to do. Shells turn [`CommandError::kind`] into the `type` of an RFC 9457 problem.

use counterfoil_protocol::id::EventId;
use counterfoil_protocol::time::CalendarError;
use counterfoil_protocol::wire::v1::feed::MemberStatus;

use crate::answer::RedemptionState;
use crate::marker::WitnessError;
use crate::standing::Standing;

/// SQLite failed.
#[derive(Debug, thiserror::Error)]
#[error("the till's database failed while {operation}")]
pub struct StorageError {
    /// What the engine was doing.
    pub operation: &'static str,
    /// What SQLite said.
    #[source]
    pub source: rusqlite::Error,
}

impl StorageError {
    pub(crate) fn new(operation: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self { operation, source }
    }

    pub(crate) fn code(&self) -> Option<rusqlite::ErrorCode> {
        self.source.sqlite_error_code()
    }
}

/// Units asked for that cannot be spent here now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSpendable {
    /// The purse.
    pub purse: String,
    /// What a cashier calls its units.
    pub unit: String,
    /// The whole purse as this till knows it.
    pub balance: i64,
    /// What can be redeemed here now.
    pub spendable: i64,
    /// What was asked.
    pub asked: i64,
    /// Kept for baskets that are open here.
    pub reserved: i64,
    /// Not vested yet.
    pub pending: i64,
    /// Head office was asked and answered.
    pub online: bool,
    /// The offline floor was tried, and this limit of it refused.
    pub floor: Option<FloorRefusal>,
}

/// A limit of the offline floor, with what it still allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloorRefusal {
    /// By one redemption.
    Redemption {
        /// Units that one redemption may overspend.
        left: i64,
    },
    /// By one member in one outage.
    Member {
        /// Units that this member may still overspend.
        left: i64,
    },
    /// By the whole till in one outage.
    Till {
        /// Units that this till may still overspend.
        left: i64,
    },
}

impl std::fmt::Display for FloorRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redemption { left } => write!(f, "without the line at most {left} more can be given at once"),
            Self::Member { left } => write!(f, "without the line this member can have at most {left} more"),
            Self::Till { left } => write!(f, "without the line this till can give at most {left} more"),
        }
    }
}

impl std::fmt::Display for NotSpendable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { unit, balance, spendable, asked, .. } = self;
        if asked > balance {
            return write!(f, "{asked} {unit} are needed and the member has {balance}.");
        }
        write!(f, "{spendable} of {balance} {unit} can be used here now; ")?;
        match self.floor {
            Some(limit) => write!(f, "{limit}."),
            None if balance - self.reserved < *asked => {
                write!(f, "{} are kept for a basket that is not finished.", self.reserved)
            }
            None if balance - self.reserved - self.pending < *asked => {
                write!(f, "{} cannot be used yet.", self.pending)
            }
            None if self.online => f.write_str("the rest waits at another till and comes back later."),
            None => f.write_str("the rest needs the line to head office."),
        }
    }
}

/// Why a command was not carried out. Nothing is recorded, except where the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The receipt number is taken by another sale.
    #[error(
        "receipt {receipt_number} is recorded already as {first} with another {difference}: \
         send it again as it was first, or with the number that was printed"
    )]
    ReceiptConflict {
        /// The number.
        receipt_number: String,
        /// The sale that has it.
        first: EventId,
        /// What differs: kind, currency or total.
        difference: &'static str,
    },
    /// Not enough is held here. The text is for the cashier to read out.
    #[error("{0}")]
    NotSpendable(NotSpendable),
    /// The purse is spent in steps, or only from some amount on. The text is for the cashier to read out.
    #[error("{}", steps(.unit, *.step, *.min))]
    NotInSteps {
        /// What a cashier calls its units.
        unit: String,
        /// Only multiples of this.
        step: i64,
        /// At least this.
        min: i64,
        /// What was asked.
        asked: i64,
    },
    /// The basket has a reservation of the same kind with another amount or member.
    #[error(
        "the basket {sale_ref:?} has reserved this already as {first}, for another amount or member: \
         cancel that one first, or confirm it"
    )]
    ReservationConflict {
        /// The basket.
        sale_ref: String,
        /// The reservation that is open.
        first: EventId,
    },
    /// The redemption is at another point of its life.
    #[error("{}", wrong_state(.id, *.state, .wanted))]
    WrongState {
        /// Which.
        id: EventId,
        /// Where it is.
        state: RedemptionState,
        /// What was asked: `confirm`, `cancel` or `reverse`.
        wanted: &'static str,
    },
    /// The member may not redeem.
    #[error("{}", blocked(*.status))]
    MemberBlocked {
        /// What the directory says.
        status: MemberStatus,
    },
    /// Nobody found.
    #[error("no member is known here for this card, phone or e-mail")]
    UnknownMember,
    /// The program has no such reward.
    #[error("the program has no reward {0:?}")]
    UnknownReward(String),
    /// The program has no such purse.
    #[error("the program has no purse {0:?}")]
    UnknownPurse(String),
    /// No such sale in this till's journal.
    #[error("this till has recorded no such sale ({0})")]
    UnknownSale(String),
    /// No such redemption in this till's journal.
    #[error("this till has recorded no such redemption ({0})")]
    UnknownRedemption(String),
    /// An idempotency key used for two different requests.
    #[error("the idempotency key {key:?} was used for another request: use a new key for a new request")]
    IdempotencyMismatch {
        /// The key.
        key: String,
    },
    /// The sale cannot be taken.
    #[error("the sale cannot be recorded: {0}")]
    InvalidSale(String),
    /// The request cannot be taken.
    #[error("{0}")]
    InvalidRequest(String),
    /// No program is in force.
    #[error(
        "no program has reached this till yet: sales are recorded; rewards work after the first contact with head office"
    )]
    NoProgram,
    /// The till stands behind a witness.
    #[error("nothing can be spent at this till: {0}")]
    Behind(Standing),
    /// This call comes with a later version.
    #[error("{capability} is not in this version yet")]
    Later {
        /// What is asked.
        capability: &'static str,
    },
    /// The disk is full. Nothing was recorded.
    #[error(
        "the till's disk is full: nothing was recorded; free some space on the data directory's disk and try again"
    )]
    DiskFull(#[source] StorageError),
    /// SQLite failed before anything was recorded.
    #[error(
        "the till could not write to its database: nothing was recorded; try again, and if it stays so run `counterfoil doctor`"
    )]
    Storage(#[source] StorageError),
    /// A commit failed in a way that leaves open whether it is on the disk: the engine takes no more commands.
    #[error(
        "the till's disk failed during a commit: it must open its database anew before it goes on (restart the \
         service); ask again with the same idempotency key to learn whether the call was recorded"
    )]
    Poisoned,
    /// The record is durable; its marker is not, so it may not be answered yet.
    #[error(
        "recorded, but the marker beside the database could not be stored: ask again with the same idempotency key"
    )]
    Marker(#[source] WitnessError),
    /// What is on the disk cannot be what this program wrote.
    #[error("the till's database is damaged: {what}; restore the data directory as a whole, or enrol this till again")]
    Damaged {
        /// In words.
        what: String,
    },
}

fn blocked(status: MemberStatus) -> &'static str {
    match status {
        MemberStatus::Closed => "this membership is closed: nothing can be redeemed",
        MemberStatus::Active | MemberStatus::Blocked => {
            "this member is blocked: nothing can be redeemed; head office can say why"
        }
    }
}

fn steps(unit: &str, step: i64, min: i64) -> String {
    match step {
        ..=1 => format!("{unit} can be used from {min} on."),
        _ => format!("{unit} can be used from {min} on, in steps of {step}."),
    }
}

fn wrong_state(id: &EventId, state: RedemptionState, wanted: &str) -> String {
    let (is, instead) = match state {
        RedemptionState::Reserved => ("only reserved", "cancel or confirm it"),
        RedemptionState::Redeemed => ("spent already", "reverse it to give the units back"),
        RedemptionState::Cancelled => ("cancelled", "nothing was spent"),
        RedemptionState::TimedOut => ("not confirmed in time", "nothing was spent"),
        RedemptionState::Reversed => ("reversed already", "redeem again"),
        RedemptionState::ReverseRequested => ("another till's", "head office undoes it"),
    };
    format!("redemption {id} is {is}, so nobody can {wanted} it: {instead}")
}

impl CommandError {
    /// The last part of a problem's `type`; stable.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ReceiptConflict { .. } => "receipt-conflict",
            Self::NotSpendable(_) => "not-spendable",
            Self::NotInSteps { .. } => "not-in-steps",
            Self::ReservationConflict { .. } => "reservation-conflict",
            Self::WrongState { .. } => "redemption-state",
            Self::MemberBlocked { .. } => "member-blocked",
            Self::UnknownMember => "unknown-member",
            Self::UnknownReward(_) => "unknown-reward",
            Self::UnknownPurse(_) => "unknown-purse",
            Self::UnknownSale(_) => "unknown-sale",
            Self::UnknownRedemption(_) => "unknown-redemption",
            Self::IdempotencyMismatch { .. } => "idempotency-mismatch",
            Self::InvalidSale(_) => "invalid-sale",
            Self::InvalidRequest(_) => "invalid-request",
            Self::NoProgram => "no-program",
            Self::Behind(Standing::Retired { .. }) => "till-retired",
            Self::Behind(_) => "till-behind",
            Self::Later { .. } => "not-in-this-version",
            Self::DiskFull(_) => "disk-full",
            Self::Storage(_) => "storage",
            Self::Poisoned => "reopen-needed",
            Self::Marker(_) => "marker",
            Self::Damaged { .. } => "damaged",
        }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

impl From<StorageError> for CommandError {
    fn from(error: StorageError) -> Self {
        match error.code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull(error),
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::damaged(format!("SQLite says so while {}", error.operation))
            }
            _ => Self::Storage(error),
        }
    }
}

/// Why a till does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no till in this database.
    #[error("this till is not enrolled: run `counterfoil enroll --hub URL --code CODE`")]
    NotEnrolled,
    /// There is one already.
    #[error(
        "this data directory holds a till already ({terminal}): use another directory, or move this one away first"
    )]
    AlreadyEnrolled {
        /// Which.
        terminal: String,
    },
    /// The SQLite linked in has a known defect, or is older than what this program was tested with.
    #[error("SQLite {got} is linked in, at least {needed} is needed")]
    SqliteVersion {
        /// What is there.
        got: String,
        /// What is needed.
        needed: &'static str,
    },
    /// SQLite did not take a setting that durability rests on.
    #[error(
        "the database does not take {pragma}={wanted} (it says {got}): is another program using the data directory?"
    )]
    Pragma {
        /// Which.
        pragma: &'static str,
        /// What was set.
        wanted: String,
        /// What was read back.
        got: String,
    },
    /// Another file.
    #[error("this is not a till's {expected} database")]
    WrongFile {
        /// Which was expected.
        expected: &'static str,
    },
    /// Written by a newer version, or with a migration changed after the fact.
    #[error(
        "the {database} database has migrations this version does not know ({detail}): install the version that wrote it, or a newer one"
    )]
    Migration {
        /// Which database.
        database: &'static str,
        /// In words.
        detail: String,
    },
    /// The store's settings cannot be used.
    #[error("the store's settings cannot be used")]
    Calendar(#[source] CalendarError),
    /// What is on the disk cannot be what this program wrote.
    #[error("the till's database is damaged: {what}; restore the data directory as a whole, or enrol this till again")]
    Damaged {
        /// In words.
        what: String,
    },
    /// SQLite failed.
    #[error("the till's database cannot be opened")]
    Storage(#[source] StorageError),
    /// The first marker could not be stored.
    #[error("the marker beside the database could not be stored")]
    Marker(#[source] WitnessError),
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// Why a page or a grant of the hub is not taken. Nothing of it is.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Not signed by the pinned root key.
    #[error("head office's {0} is not signed by the key this till was enrolled with: nothing of it was taken")]
    Signature(&'static str),
    /// It is for somebody else, or of a kind that never comes this way.
    #[error("head office sent an entry that is not a grant to this till ({0}): nothing of it was taken")]
    NotForThisTill(String),
    /// Its cursor cannot be read.
    #[error("head office's feed cursor cannot be read")]
    Cursor,
    /// Another epoch than this till knows: [`crate::Till::note_epoch`] first.
    #[error("head office has epoch {got}, this till knows {known}")]
    Epoch {
        /// What came.
        got: u64,
        /// What this till knows.
        known: u64,
    },
    /// The till's own store.
    #[error(transparent)]
    Till(#[from] CommandError),
}

impl From<StorageError> for FeedError {
    fn from(error: StorageError) -> Self {
        Self::Till(error.into())
    }
}

/// Why an answer to a request for the next life is not taken. The till stands as it did.
#[derive(Debug, thiserror::Error)]
pub enum SuccessionError {
    /// Not signed by the pinned root key.
    #[error("the answer is not signed by the key this till was enrolled with: nothing of it was taken")]
    Signature,
    /// Not the answer to what this till has asked.
    #[error("head office answered for another till, or for another key than this till asked with: nothing was taken")]
    NotForThisTill,
    /// The till's own store.
    #[error(transparent)]
    Till(#[from] CommandError),
}
