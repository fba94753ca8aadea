//! One act in one transaction: what every change and every question of the core runs in.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use counterfoil_protocol::identifier::ProgramKey;
use counterfoil_protocol::program::Program;
use counterfoil_protocol::record::Idempotency;
use counterfoil_protocol::wire::sign::PublicKey;
use ed25519_dalek::SigningKey;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Doing as _, HubError};
use super::views::Reply;
use super::{Faults, Hub};

/// What makes a head office itself. Only the epoch changes while it is open.
pub(super) struct Own {
    pub root: SigningKey,
    pub root_key: PublicKey,
    pub program_key: ProgramKey,
    /// As of the present transaction: another process may begin a new one.
    epoch: Cell<u64>,
    pub root_certificate: String,
    /// Compiled programs by version. A version never changes.
    pub programs: RefCell<BTreeMap<u64, Program>>,
}

impl Own {
    pub fn new(root: SigningKey, program_key: ProgramKey, epoch: u64, root_certificate: String) -> Self {
        let (root_key, programs) = (PublicKey::of(&root), RefCell::new(BTreeMap::new()));
        Self { root, root_key, program_key, epoch: Cell::new(epoch), root_certificate, programs }
    }

    /// Which life of this head office.
    pub fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Reads the epoch in the transaction that has begun.
    pub fn look_at_epoch(&self, tx: &Connection) -> Result<(), HubError> {
        let epoch: i64 = tx
            .prepare_cached("SELECT epoch FROM hub")
            .and_then(|mut query| query.query_row([], |row| row.get(0)))
            .doing("reading the epoch")?;
        self.epoch.set(unsigned(epoch));
        Ok(())
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Own").field("root_key", &self.root_key).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// An act: a connection inside a transaction, and everything that the rules need beside it.
pub(super) struct Act<'a> {
    pub tx: &'a Connection,
    pub own: &'a Own,
    pub faults: Faults,
    pub now_ms: i64,
}

impl Hub {
    /// Does something in one durable transaction, or nothing of it.
    pub(super) fn change<T, E: From<HubError>>(
        &mut self,
        now_ms: i64,
        act: impl FnOnce(&Act<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let tx =
            self.conn.transaction_with_behavior(TransactionBehavior::Immediate).doing("beginning a transaction")?;
        self.own.look_at_epoch(&tx)?;
        let done = act(&Act { tx: &tx, own: &self.own, faults: self.faults, now_ms })?;
        tx.commit().doing("committing a transaction")?;
        Ok(done)
    }

    /// Reads from one snapshot.
    pub(super) fn read<T, E: From<HubError>>(
        &self,
        now_ms: i64,
        look: impl FnOnce(&Act<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let tx = self.conn.unchecked_transaction().doing("beginning to read")?;
        self.own.look_at_epoch(&tx)?;
        let seen = look(&Act { tx: &tx, own: &self.own, faults: self.faults, now_ms })?;
        tx.finish().doing("ending to read")?;
        Ok(seen)
    }
}

impl Act<'_> {
    /// Does something once for an idempotency key; the same key with the same request gets the first answer again.
    pub(super) fn once<T: Serialize + DeserializeOwned>(
        &self,
        key: Option<&Idempotency>,
        act: impl FnOnce() -> Result<T, HubError>,
    ) -> Result<Reply<T>, HubError> {
        let Some(key) = key else { return Ok(Reply { answer: act()?, fresh: true }) };
        let known: Option<([u8; 32], String)> = self
            .tx
            .prepare_cached("SELECT request, answer FROM idempotency WHERE key = ?1")
            .and_then(|mut query| query.query_row([&key.key], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .doing("looking for an idempotency key")?;
        if let Some((request, answer)) = known {
            if request != key.request.0 {
                return Err(HubError::IdempotencyMismatch { key: key.key.clone() });
            }
            let answer = serde_json::from_str(&answer).map_err(|error| HubError::Database {
                detail: format!("the answer kept for idempotency key {:?} cannot be read: {error}", key.key),
            })?;
            return Ok(Reply { answer, fresh: false });
        }
        let answer = act()?;
        let text = serde_json::to_string(&answer).expect("views have text keys");
        self.tx
            .prepare_cached("INSERT INTO idempotency (key, request, answer, created_ms) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut insert| insert.execute((&key.key, key.request.0, text, self.now_ms)))
            .doing("keeping an idempotency key")?;
        Ok(Reply { answer, fresh: true })
    }
}

/// Positions and counts as SQLite keeps them.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Positions and counts as they came from SQLite.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
