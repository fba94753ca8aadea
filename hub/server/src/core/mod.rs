//! Head office's core: what the hub knows and how it changes, over one SQLite connection.
//!
//! Synchronous and deterministic: time and entropy are arguments, the connection is given, so the same code
//! serves HTTP and runs in the simulator. Every change is one transaction, durable before anything is answered.
//! Not here: HTTP, TLS, files, clocks. Several processes may hold a `Hub` on one database, so nothing that can
//! change is kept in memory.

mod access;
mod adjust;
mod books;
mod days;
mod enrol;
mod error;
mod exceptions;
mod feed;
mod fleet;
mod grants;
mod members;
mod programs;
mod sync;
mod verify;
mod views;

use counterfoil_protocol::identifier::ProgramKey;
use counterfoil_protocol::wire::sign::PublicKey;
use ed25519_dalek::SigningKey;
use rusqlite::Connection;

pub use books::{EntryFilter, SaleFilter};
pub use error::HubError;
pub use exceptions::ExceptionFilter;
pub use fleet::StoreDraft;
pub use members::{ImportRow, MemberDraft, MemberPatch};
pub use sync::SyncAnswer;
pub use views::*;

/// Rules broken on purpose, so that tests and the simulator can show that they notice. None by default; never
/// set by a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Takes requests and segments whoever signed them.
    pub skip_signature_check: bool,
    /// Grants what is asked, held or not.
    pub grant_without_holding: bool,
    /// Posts every entry of a till a second time, under another id.
    pub post_twice: bool,
}

/// Head office.
#[derive(Debug)]
pub struct Hub {
    conn: Connection,
    root: SigningKey,
    root_key: PublicKey,
    program_key: ProgramKey,
    epoch: u64,
    root_certificate: String,
    faults: Faults,
}

impl Hub {
    /// Makes a new head office in an empty database.
    ///
    /// # Errors
    /// When the database holds something already, or fails.
    pub fn create(
        conn: Connection,
        root_seed: [u8; 32],
        program_key: ProgramKey,
        epoch: u64,
        root_certificate: String,
    ) -> Result<Self, HubError> {
        let root = SigningKey::from_bytes(&root_seed);
        let root_key = PublicKey::of(&root);
        Ok(Self { conn, root, root_key, program_key, epoch, root_certificate, faults: Faults::default() })
    }

    /// Opens a head office, bringing its schema up to date.
    ///
    /// # Errors
    /// When the database is not one, is newer than this program, or belongs to another root key.
    pub fn open(conn: Connection, root_seed: [u8; 32]) -> Result<Self, HubError> {
        Self::create(conn, root_seed, ProgramKey([0; 32]), 0, String::new())
    }

    /// Breaks rules on purpose: for negative controls only.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// The public half of the root key, which signs answers, grants and programs.
    pub fn root_key(&self) -> PublicKey {
        self.root_key
    }

    /// The secret of identifier hashes and member ids.
    pub fn program_key(&self) -> &ProgramKey {
        &self.program_key
    }

    /// Which life of this head office.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The certificate of the root key, PEM.
    pub fn root_certificate(&self) -> &str {
        &self.root_certificate
    }

    /// The connection, for a shell's own bookkeeping (backup, checkpoints). Never write the core's tables.
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// Changes whenever another process has changed the database.
    ///
    /// # Errors
    /// When the database fails.
    pub fn data_version(&self) -> Result<i64, HubError> {
        use error::Doing as _;
        self.conn.query_row("PRAGMA data_version", [], |row| row.get(0)).doing("reading the data version")
    }
}

fn unfinished<T>() -> Result<T, HubError> {
    Err(HubError::Database { detail: "this part of the core is not written yet".into() })
}
