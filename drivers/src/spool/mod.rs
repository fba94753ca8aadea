//! The spool: what the POS sent, on disk, bounded, between a tap and the agent that reads it.
//!
//! A directory of append-only segment files, each named by the stream offset of its first byte. Offsets are
//! positions in the device's byte stream: they only grow over the life of the directory, and none is ever
//! used for two different bytes, whatever a crash took away. Invariants:
//! - one writer (a lock file), any number of readers; a reader sees a prefix of what was written, then a gap;
//! - what could not be kept (full, disk error, killed tap) is a gap with a reason, never silence;
//! - payment card numbers are masked before the first write ([`scrub`]), lengths unchanged;
//! - durability: a killed process loses only what it had not yet written; a power cut loses at most what was
//!   not yet synced ([`SYNC_INTERVAL`]). Nothing here may hold up printing: see [`SpoolFeed`].

mod feed;
mod frame;
mod reader;
pub mod scrub;
mod segment;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use feed::{QUEUE_BYTES_MAX, SpoolFeed, SpoolNews, SpoolPlace};
pub use reader::{SpoolItem, SpoolReader};
pub use segment::{LOCK_FILE, LockState, lock_state};
pub use writer::{Kept, SpoolWriter};

/// How long written bytes may wait for `fdatasync`.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// How far offsets jump after an end that nobody announced. More than can ever have been written and lost, so
/// no offset is used twice.
pub const CRASH_JUMP: u64 = 1 << 32;

/// Bounds of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Most bytes of all segment files together.
    pub total_bytes_max: u64,
    /// A segment that reaches this is followed by a new one.
    pub segment_bytes_max: u64,
}

impl SpoolLimits {
    /// The least total that still leaves room to delete old segments.
    pub const TOTAL_BYTES_LEAST: u64 = 4_096;

    /// Segments of a sixty-fourth of `total_bytes_max`.
    pub fn of_total(total_bytes_max: u64) -> Self {
        let total_bytes_max = total_bytes_max.max(Self::TOTAL_BYTES_LEAST);
        Self { total_bytes_max, segment_bytes_max: (total_bytes_max / 64).max(1_024) }
    }
}

impl Default for SpoolLimits {
    /// 64 MiB: months of receipts.
    fn default() -> Self {
        Self::of_total(64 << 20)
    }
}

/// A spool that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another tap writes to it.
    #[error("the spool {dir} belongs to a running tap (process {pid}): stop that one, or give this tap a spool of its own", dir = dir.display(), pid = pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    Locked {
        /// The spool's directory.
        dir: PathBuf,
        /// Its process, as the lock file says.
        pid: Option<u32>,
    },
    /// The file system refused.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SpoolError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { what, path, source }
    }
}
