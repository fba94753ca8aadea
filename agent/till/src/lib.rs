//! The till's engine: journal, purses, spend rights, day, capture, feed. Synchronous and deterministic.
//!
//! It opens no files, reads no clock and no entropy and knows no network: connections, time and bytes are
//! arguments. Invariants: a record and everything derived from it commit together, with one durable sync, before
//! anybody is told; what is spent is held here; a first answer is given for ever; only committed records are sent.

mod answer;
mod capture;
mod command;
mod day;
mod derive;
mod directory;
mod enrolled;
mod error;
mod expiry;
mod feed;
mod floor;
mod gaps;
mod journal;
mod marker;
mod members;
mod orders;
mod purses;
mod receipts;
mod redeem;
mod reserve;
mod reverse;
mod rights;
mod rules;
mod sales;
mod scan;
mod settings;
mod standing;
mod status;
mod store;
mod sync;
mod till;
mod tokens;
mod transaction;
mod validate;
mod verify;
mod voids;

pub use answer::*;
pub use command::{Call, Captured, CapturedDocument, Now, PendingMember, Redeem, RedeemWhat, Reply};
pub use error::{CommandError, FeedError, FloorRefusal, NotSpendable, OpenError, StorageError};
pub use marker::{Marker, MarkerError, Witness, WitnessError};
pub use settings::{Enrolment, Faults, Settings, Synchronous};
pub use standing::{Standing, WITNESS_HUB, WITNESS_MARKER};
pub use till::Till;
