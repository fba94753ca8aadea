//! A disk that loses power on command, and SQLite on top of it.
//!
//! A [`Disk`] is a flat directory of files in memory. What is written is visible at once and durable only after a
//! sync; at a power cut every 512-byte sector of what was not synced is kept, dropped or torn on its own, and so
//! is every entry of the directory. It also fails on command (I/O errors, no space), counts operations and
//! syncs, and can lie about syncs. Deterministic from its seed.
//!
//! `platter` is the model, in safe code; `vfs` hands it to SQLite. No shared memory: WAL needs
//! `locking_mode=EXCLUSIVE`, as tills and hub use it.

mod platter;
#[allow(unsafe_code, reason = "SQLite's VFS is a C interface; each block says why it holds")]
mod vfs;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};

use platter::Platter;
pub use platter::{DiskError, Image};

/// What goes wrong, and at which operation from now (1 = the next one).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The n-th change (write, truncate, sync, creation, removal) is the last: it and everything after it fails
    /// until power is back, or, after a kill, until the process is started again.
    Stop {
        /// Counted over changes.
        after: u64,
    },
    /// From the n-th operation (reads too), `count` operations fail.
    Errors {
        /// Counted over all operations.
        after: u64,
        /// How many fail.
        count: u64,
    },
    /// From the n-th write, `count` writes find no space.
    Full {
        /// Counted over writes.
        after: u64,
        /// How many fail.
        count: u64,
    },
}

/// What a disk has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Writes, truncates, syncs, creations and removals.
    pub changes: u64,
    /// File syncs.
    pub syncs: u64,
    /// Directory syncs.
    pub directory_syncs: u64,
    /// Power cuts survived.
    pub cuts: u64,
}

/// A disk; clones are the same disk.
#[derive(Clone)]
pub struct Disk {
    number: u64,
    platter: Arc<Mutex<Platter>>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Disk({})", self.number)
    }
}

impl Disk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let platter = Arc::new(Mutex::new(Platter::new(seed)));
        vfs::mount(number, &platter);
        Self { number, platter }
    }

    /// Opens a database file of this disk.
    ///
    /// # Errors
    /// As SQLite, also when the disk is off or fails.
    pub fn open(&self, name: &str) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags_and_vfs(vfs::path(self.number, name), flags, vfs::NAME)
    }

    /// Durably replaces a small file as careful programs do: write a new one, sync it, rename, sync the directory.
    ///
    /// # Errors
    /// When the disk is off or fails; then the old or the new content is there.
    pub fn replace_file(&self, name: &str, content: &[u8]) -> Result<(), DiskError> {
        self.lock().replace_file(name, content)
    }

    /// Writes a small file and syncs nothing.
    ///
    /// # Errors
    /// When the disk is off or fails.
    pub fn write_file_unsynced(&self, name: &str, content: &[u8]) -> Result<(), DiskError> {
        self.lock().write_file_unsynced(name, content)
    }

    /// Writes a file's own bytes over it and syncs. After a failed sync the system shows bytes that are not on the disk
    /// and that no later sync will bring there; this does, and harms nothing where power fails meanwhile.
    ///
    /// # Errors
    /// When the disk is off or fails.
    pub fn rewrite_in_place(&self, name: &str) -> Result<(), DiskError> {
        self.lock().rewrite_in_place(name)
    }

    /// A whole file as programs see it; `None` where there is none.
    pub fn read_file(&self, name: &str) -> Option<Vec<u8>> {
        self.lock().read_file(name)
    }

    /// Removes a file, durably.
    pub fn remove_file(&self, name: &str) {
        self.lock().remove_file(name);
    }

    /// Arms a fault; replaces one that has not happened.
    pub fn arm(&self, fault: Fault) {
        self.lock().arm(fault);
    }

    /// Takes back what is armed; errors in progress end.
    pub fn disarm(&self) {
        self.lock().disarm();
    }

    /// From now on everything fails.
    pub fn stop(&self) {
        self.lock().stop();
    }

    /// Whether everything fails until [`Disk::power_on`] or [`Disk::resume`].
    pub fn is_stopped(&self) -> bool {
        self.lock().is_stopped()
    }

    /// Whether something is armed or in progress.
    pub fn is_failing(&self) -> bool {
        self.lock().is_failing()
    }

    /// After a power cut: what was not durable is partly gone. Connections from before stay useless.
    pub fn power_on(&self) {
        self.lock().power_on();
    }

    /// After a process died: what it had written is still in the operating system's hands, unsynced.
    pub fn resume(&self) {
        self.lock().resume();
    }

    /// Whether syncs say yes and do nothing.
    pub fn set_lying(&self, lying: bool) {
        self.lock().set_lying(lying);
    }

    /// A copy of all files as programs see them.
    pub fn image(&self) -> Image {
        self.lock().image()
    }

    /// Puts an image back, durably; everything else is gone.
    pub fn restore(&self, image: &Image) {
        self.lock().restore(image);
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.lock().counters()
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
