//! Head office's core: what the hub knows and how it changes, over one SQLite connection.
//!
//! Synchronous and deterministic: time and entropy are arguments, the connection is given, so the same code
//! serves HTTP and runs in the simulator. Every change is one transaction, durable before anything is answered.
//! Not here: HTTP, TLS, files, clocks. Several processes may hold a `Hub` on one database, so nothing that can
//! change is kept in memory.

mod access;
mod act;
mod adjust;
mod books;
mod days;
mod enrol;
mod epoch;
mod error;
mod exceptions;
mod expire;
mod feed;
mod fleet;
mod forget;
mod grants;
mod incarnations;
mod ledger;
mod members;
mod origins;
mod people;
mod plan;
mod post;
mod profile;
mod programs;
mod recall;
mod redemptions;
mod returns;
mod reverse;
mod sales;
mod schema;
mod settle_incarnation;
mod succession;
mod sync;
mod verify;
mod views;
mod write_off;

#[cfg(test)]
mod tests;

use counterfoil_protocol::identifier::ProgramKey;
use counterfoil_protocol::wire::sign::PublicKey;
use ed25519_dalek::SigningKey;
use rusqlite::{Connection, OptionalExtension as _};

pub use access::SCOPES;
use act::{Own, signed, unsigned};
pub use books::{EntryFilter, SaleFilter};
use error::Doing as _;
pub use error::HubError;
pub use exceptions::ExceptionFilter;
pub use fleet::StoreDraft;
pub use members::{ImportRow, MemberDraft, MemberPatch};
pub use sync::SyncAnswer;
pub use views::*;

/// Items in one part of a list.
pub const LIST_LENGTH_MAX: usize = 1_000;

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
    /// Settles a sale's returns anew each time, whatever was taken back of it before.
    pub reverse_return_twice: bool,
    /// Posts a record from every journal it comes in.
    pub post_origins_twice: bool,
    /// Leaves with a settled incarnation what it held.
    pub settle_nothing: bool,
    /// Ends units past their date that tills hold.
    pub expire_granted: bool,
    /// Posts a till's reversal of what head office has undone already.
    pub reverse_twice: bool,
    /// Asks again for rights that were given back.
    pub keep_recalls: bool,
    /// Panics while it posts a document.
    pub panic_on_document: bool,
    /// Grants while tills have not told what a lost head office gave.
    pub grant_in_doubt: bool,
}

/// Head office.
#[derive(Debug)]
pub struct Hub {
    conn: Connection,
    own: Own,
    faults: Faults,
}

impl Hub {
    /// Makes a new head office in an empty database. The connection's locking mode is its opener's choice.
    ///
    /// # Errors
    /// When the database holds a head office already, or fails.
    pub fn create(
        mut conn: Connection,
        root_seed: [u8; 32],
        program_key: ProgramKey,
        epoch: u64,
        root_certificate: String,
    ) -> Result<Self, HubError> {
        schema::prepare(&conn)?;
        schema::migrate(&mut conn)?;
        let root_key = PublicKey::of(&SigningKey::from_bytes(&root_seed));
        let made = conn
            .execute(
                "INSERT OR IGNORE INTO hub (one, epoch, root_key, program_key, root_certificate) VALUES (1, ?1, ?2, ?3, ?4)",
                (signed(epoch), root_key.0, program_key.0, &root_certificate),
            )
            .doing("making a head office")?;
        if made == 0 {
            return Err(HubError::conflict("this database holds a head office already: open it, or take another file"));
        }
        Self::open(conn, root_seed)
    }

    /// Opens a head office, bringing its schema up to date.
    ///
    /// # Errors
    /// `NotFound` when the database holds none; `Database` when it is newer than this program or belongs to another
    /// root key.
    pub fn open(mut conn: Connection, root_seed: [u8; 32]) -> Result<Self, HubError> {
        schema::prepare(&conn)?;
        schema::migrate(&mut conn)?;
        let root = SigningKey::from_bytes(&root_seed);
        let root_key = PublicKey::of(&root);
        let found: Option<(i64, [u8; 32], [u8; 32], String)> = conn
            .query_row("SELECT epoch, root_key, program_key, root_certificate FROM hub", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()
            .doing("reading who this head office is")?;
        let (epoch, key, program_key, root_certificate) =
            found.ok_or_else(|| HubError::not_found("head office", "in this database"))?;
        if key != root_key.0 {
            return Err(HubError::Database {
                detail: "the database belongs to another root key: put the root.key beside it that it was made with"
                    .into(),
            });
        }
        let own = Own::new(root, ProgramKey(program_key), unsigned(epoch), root_certificate);
        Ok(Self { conn, own, faults: Faults::default() })
    }

    /// Breaks rules on purpose: for negative controls only.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// The public half of the root key, which signs answers, grants and programs.
    pub fn root_key(&self) -> PublicKey {
        self.own.root_key
    }

    /// The secret of identifier hashes and member ids.
    pub fn program_key(&self) -> &ProgramKey {
        &self.own.program_key
    }

    /// Which life of this head office.
    pub fn epoch(&self) -> u64 {
        self.own.epoch()
    }

    /// The certificate of the root key, PEM.
    pub fn root_certificate(&self) -> &str {
        &self.own.root_certificate
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
        self.conn.query_row("PRAGMA data_version", [], |row| row.get(0)).doing("reading the data version")
    }
}
