//! The till's engine: journal, purses, spend rights, day, capture, feed. Synchronous and deterministic.
//!
//! It opens no files, reads no clock and no entropy and knows no network: connections, time and bytes are
//! arguments. Invariants: a record and everything derived from it commit together, with one durable sync, before
//! anybody is told; what is spent is held here; a first answer is given for ever; only committed records are sent.

mod answer;
mod capture;
mod choose;
mod command;
mod day;
mod derive;
mod directory;
mod enrolled;
mod epoch;
mod error;
mod expiry;
mod feed;
mod floor;
mod gaps;
mod gift_cards;
mod journal;
mod life;
mod marker;
mod members;
mod orders;
mod overview;
mod past;
mod place;
mod purses;
mod receipts;
mod redeem;
mod reserve;
mod returns;
mod reverse;
mod rights;
mod rules;
mod sales;
mod scan;
mod settings;
mod standing;
mod status;
mod store;
mod succession;
mod sync;
mod till;
mod tokens;
mod transaction;
mod validate;
mod verify;
mod voids;

pub use answer::*;
pub use command::{Call, Captured, CapturedDocument, Now, PendingMember, Redeem, RedeemWhat, Reply};
pub use counterfoil_protocol::returns::ReturnPick as ReturnLine;
pub use error::{CommandError, FeedError, FloorRefusal, NotSpendable, OpenError, StorageError, SuccessionError};
pub use marker::{Marker, MarkerError, Witness, WitnessError};
pub use overview::{HeldHere, LastRedemption};
pub use past::PastLife;
pub use returns::ReturnGoods;
pub use settings::{Enrolment, Faults, Settings, Synchronous};
pub use standing::{Standing, WITNESS_HUB, WITNESS_MARKER};
pub use succession::SuccessionReport;
pub use till::Till;
