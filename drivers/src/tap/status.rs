//! What a tap says of itself, in `status.json` of its spool, for whoever watches it.
//!
//! Liveness is the spool's lock, not this file: it is written about once a second while something changes and
//! every ten seconds otherwise, without sync.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The file in the spool's directory.
pub const STATUS_FILE: &str = "status.json";

/// State of one tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapStatus {
    /// Name of the device in the configuration.
    pub device: String,
    /// What it was started with, as its starter wrote it.
    pub fingerprint: String,
    /// The tap's process.
    pub pid: u32,
    /// When it started, wall time in milliseconds.
    pub started_ms: i64,
    /// When this was written.
    pub at_ms: i64,
    /// The port the POS is on.
    pub pos: EndStatus,
    /// The port the printer is on; absent when the tap only listens.
    pub printer: Option<EndStatus>,
    /// The printer is there and has taken nothing for a while.
    pub stalled: bool,
    /// Bytes handed to the printer (or heard, when listening only) since the start.
    pub forwarded_bytes: u64,
    /// Bytes read from the POS that the printer has not taken yet.
    pub held_bytes: u64,
    /// The spool.
    pub spool: SpoolStatus,
}

/// One end of a tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndStatus {
    /// The port's stable name.
    pub port: String,
    /// Whether it is open.
    pub open: bool,
}

/// State of a tap's spool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolStatus {
    /// Whether it can be written at all.
    pub available: bool,
    /// Stream offset of the next byte.
    pub position: u64,
    /// Bytes on disk.
    pub total_bytes: u64,
    /// Why bytes are being dropped, if they are.
    pub dropping: Option<String>,
}

impl TapStatus {
    /// Reads the status that a tap on the spool `dir` wrote last.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let text = fs::read(dir.join(STATUS_FILE))?;
        serde_json::from_slice(&text).map_err(io::Error::from)
    }

    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let fresh = dir.join("status.new");
        fs::write(&fresh, serde_json::to_vec(self)?)?;
        fs::rename(&fresh, dir.join(STATUS_FILE))
    }
}
