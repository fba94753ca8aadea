//! What tills and head office say to each other.
//!
//! Values, records, frames, sessions and the program. Pure: uses nothing of ours, no tokio, SQLite, files,
//! clock or entropy; time, bytes and entropy are arguments. Not here: how anything is stored or sent.

#![deny(missing_docs)]

pub mod day;
pub mod entry;
pub mod id;
pub mod identifier;
pub mod limits;
pub mod program;
pub mod record;
pub mod returns;
pub mod sale;
pub mod session;
pub mod succession;
pub mod time;
pub mod wire;
