//! One command, one SQLite transaction, one durable sync.
//!
//! A command that fails leaves the database and the engine as they were. A commit whose sync failed may or may not be
//! on the disk, and asking the disk again proves nothing: then the engine takes no more commands until it is opened
//! anew and recovery decides.

use counterfoil_protocol::id::Digest;
use rusqlite::ErrorCode;

use crate::error::{CommandError, StorageError};
use crate::till::Till;
use crate::{enrolled, journal};

/// Whether the engine can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Writer {
    #[default]
    Ready,
    /// A transaction is open behind an answer: `Faults::acknowledge_before_commit` only.
    LeftOpen,
    Poisoned,
}

impl Till {
    /// Runs `body` in a transaction, and stores a marker where a record of it spends or gives rights. What `body` changes
    /// in memory besides the head it must change after this returns.
    pub(crate) fn transact<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        self.begin()?;
        let before = self.head;
        let outcome = body(self).and_then(|value| {
            if self.hub.unsaved {
                enrolled::save_notes(&self.value, &self.hub)?;
            }
            Ok(value)
        });
        match outcome {
            Ok(value) => {
                self.commit().inspect_err(|_| self.head = before)?;
                self.hub.unsaved = false;
                self.mark_again()?;
                Ok(value)
            }
            Err(error) => {
                self.head = before;
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Refuses while the database's state is in doubt: a shell then opens it anew.
    ///
    /// # Errors
    /// [`CommandError::Poisoned`], until the till is opened anew.
    pub fn usable(&self) -> Result<(), CommandError> {
        if self.writer == Writer::Poisoned { Err(CommandError::Poisoned) } else { Ok(()) }
    }

    fn begin(&mut self) -> Result<(), CommandError> {
        self.usable()?;
        if self.writer == Writer::LeftOpen {
            self.writer = Writer::Ready;
            self.commit_now()?;
        }
        self.value.execute_batch("BEGIN IMMEDIATE").map_err(StorageError::new("beginning a transaction"))?;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), CommandError> {
        if self.settings.faults.acknowledge_before_commit {
            self.writer = Writer::LeftOpen;
            return Ok(());
        }
        self.commit_now()
    }

    fn commit_now(&mut self) -> Result<(), CommandError> {
        let Err(source) = self.value.execute_batch("COMMIT") else {
            return Ok(());
        };
        let error = StorageError { operation: "committing", source };
        if error.code() == Some(ErrorCode::DiskFull) {
            // No space for the log's frames: none of them counts.
            self.roll_back();
            return Err(error.into());
        }
        self.writer = Writer::Poisoned;
        // Best effort: the connection is given up in any case.
        let _ = self.value.execute_batch("ROLLBACK");
        Err(CommandError::Poisoned)
    }

    /// After a failure before the commit: back to what the disk has, or no further.
    fn roll_back(&mut self) {
        let rolled_back = self.value.is_autocommit() || self.value.execute_batch("ROLLBACK").is_ok();
        let disk = journal::head_on_disk(&self.value, self.incarnation).ok();
        match disk.filter(|_| rolled_back) {
            Some(head) => self.head = head,
            None => self.writer = Writer::Poisoned,
        }
    }

    /// Moves the write-ahead log into the database; for an idle moment of the shell.
    ///
    /// # Errors
    /// When the disk fails. Nothing is lost then: the log stays as it is.
    pub fn checkpoint(&mut self) -> Result<(), CommandError> {
        self.usable()?;
        let moved = |conn: &rusqlite::Connection| {
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .map_err(StorageError::new("moving the log into the database"))
        };
        if self.writer == Writer::Ready {
            moved(&self.value)?;
        }
        Ok(moved(&self.directory)?)
    }

    /// Whether the journal has gone on since the last marker. The shell then calls [`Till::store_marker`] within a
    /// second; what spends or gives rights has stored its own before it was answered.
    pub fn marker_due(&self) -> bool {
        self.standing.is_sound() && self.marked < self.head.position
    }

    /// Stores a marker for the head. While the till stands behind a witness that witness is evidence and stays as
    /// it is.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub fn store_marker(&mut self) -> Result<(), CommandError> {
        self.usable()?;
        self.marked_up_to(self.head.position)
    }

    /// Makes sure that a marker covers every record that needs one before anybody is told of it.
    pub(crate) fn mark_again(&mut self) -> Result<(), CommandError> {
        self.marked_up_to(self.must_mark.min(self.head.position))
    }

    /// Makes sure that a marker covers `position`.
    pub(crate) fn marked_up_to(&mut self, position: u64) -> Result<(), CommandError> {
        if !self.standing.is_sound() || self.marked >= position {
            return Ok(());
        }
        let marker = crate::marker::Marker { incarnation: self.incarnation, head: self.head };
        self.witness.store(&marker).map_err(CommandError::Marker)?;
        self.marked = self.head.position;
        Ok(())
    }
}

/// Keys are short text that somebody chose.
pub(crate) const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A request seen before under the same key.
pub(crate) struct SeenBefore {
    pub position: u64,
    pub request: Digest,
}
