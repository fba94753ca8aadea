//! The card that was scanned and waits for its sale.
//!
//! Durable, because a cashier scans once: a keyed hash and, where known, a member id; never the identifier. A second
//! card replaces the first. Only a sale uses it up, one whose document ended after the scan and within the time limit.

use counterfoil_protocol::id::IdentifierHash;
use counterfoil_protocol::identifier::Identifier;
use rusqlite::params;

use crate::answer::ScanOutcome;
use crate::command::{Now, PendingMember};
use crate::error::{CommandError, StorageError};
use crate::members::Who;
use crate::store::{self, values};
use crate::till::Till;

impl Till {
    /// A card was scanned.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn scan_member(&mut self, identifier: &Identifier, now: Now) -> Result<ScanOutcome, CommandError> {
        self.usable()?;
        let hash = identifier.hash(&self.enrolment.program_key);
        let member = match self.resolve_hash(hash)? {
            Who::Known(member) => Some(member),
            Who::Unknown(_) => None,
        };
        let replaced = self.pending_member(now).is_some_and(|pending| pending.identifier != hash);
        self.transact(|till| {
            store::execute(
                &till.value,
                "noting a scanned card",
                "INSERT OR REPLACE INTO pending_member (one, identifier, member, scanned_at_ms) VALUES (1, ?1, ?2, ?3)",
                params![hash.0, member.map(|member| member.0), now.wall_ms],
            )?;
            Ok(())
        })?;
        Ok(ScanOutcome {
            member: member.map(|member| self.member_view(member, now)).transpose()?,
            replaced,
            expires_at_ms: now.wall_ms.saturating_add(self.settings.member_timeout_ms),
        })
    }

    /// The card that waits, if one does and its time is not over.
    pub fn pending_member(&self, now: Now) -> Option<PendingMember> {
        let pending = self.pending_row().ok().flatten()?;
        (now.wall_ms < pending.expires_at_ms).then_some(pending)
    }

    /// Forgets the card that waits: the cashier cancelled it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn clear_pending_member(&mut self) -> Result<(), CommandError> {
        if self.pending_row()?.is_none() {
            return Ok(());
        }
        self.transact(|till| till.forget_pending())
    }

    pub(crate) fn forget_pending(&mut self) -> Result<(), CommandError> {
        store::execute(&self.value, "forgetting a scanned card", "DELETE FROM pending_member", [])?;
        Ok(())
    }

    /// The card for a sale whose document ended at `cut_ms`.
    pub(crate) fn pending_for(&self, cut_ms: i64) -> Result<Option<IdentifierHash>, StorageError> {
        let fits = |pending: &PendingMember| pending.scanned_at_ms <= cut_ms && cut_ms < pending.expires_at_ms;
        Ok(self.pending_row()?.filter(fits).map(|pending| pending.identifier))
    }

    /// A sale that ended at `cut_ms` uses up every card scanned before; inside the open transaction.
    pub(crate) fn use_up_pending(&mut self, cut_ms: i64) -> Result<(), CommandError> {
        store::execute(
            &self.value,
            "using up a scanned card",
            "DELETE FROM pending_member WHERE scanned_at_ms <= ?1",
            [cut_ms],
        )?;
        Ok(())
    }

    fn pending_row(&self) -> Result<Option<PendingMember>, StorageError> {
        let timeout_ms = self.settings.member_timeout_ms;
        store::optional(
            &self.value,
            "reading the scanned card",
            "SELECT identifier, member, scanned_at_ms FROM pending_member",
            [],
            |row| {
                let scanned_at_ms: i64 = row.get(2)?;
                Ok(PendingMember {
                    identifier: values::identifier(row, 0)?,
                    member: values::optional_member(row, 1)?,
                    scanned_at_ms,
                    expires_at_ms: scanned_at_ms.saturating_add(timeout_ms),
                })
            },
        )
    }
}
