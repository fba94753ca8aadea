//! The end of an incarnation: what it still holds comes to head office, by entries of head office's own.
//!
//! Settled at a position up to which its journal is here and posted. What arrives later posts as it is; what it then
//! holds by that is settled with it, and what it had no cover for is owed.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::{Entry, EntryKind, Lot};
use counterfoil_protocol::id::{Holder, IncarnationId, MemberId};
use counterfoil_protocol::record::Head;

use super::Hub;
use super::act::{Act, signed};
use super::error::{Doing as _, HubError};
use super::incarnations::Incarnation;
use super::ledger::parse;

impl Act<'_> {
    /// Settles an incarnation whose journal is posted to its head here. Settled again, it gives back what came to it since.
    pub(super) fn settle(&self, life: &Incarnation) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "UPDATE incarnation SET settled_position = coalesce(settled_position, ?2) WHERE incarnation = ?1",
            )
            .and_then(|mut update| update.execute((life.id.0, signed(life.head.position))))
            .doing("settling an incarnation")?;
        if self.faults.settle_nothing {
            return Ok(());
        }
        for (member, entries) in self.settle_entries(life.id)? {
            let purses: Vec<String> = entries.iter().map(|entry| entry.purse.clone()).collect();
            self.write_hub_entries(member, entries, None)?;
            for purse in purses {
                self.repay(member, &purse)?;
            }
            self.feed_state(member)?;
        }
        // Nobody else can undo now what it was asked to undo.
        self.execute_waiting_reversals(life.id)
    }

    fn settle_entries(&self, id: IncarnationId) -> Result<BTreeMap<MemberId, Vec<Entry>>, HubError> {
        let rows: Vec<([u8; 16], String, String, i64)> = self
            .tx
            .prepare_cached(
                "SELECT member, purse, lot, units FROM holding
                 WHERE bucket = ?1 AND holder = ?2 AND units > 0 ORDER BY member, purse, lot",
            )
            .and_then(|mut query| {
                let mut found = Vec::new();
                for bucket in 0..counterfoil_protocol::limits::MEMBER_BUCKET_COUNT {
                    let rows = query.query_map((bucket, id.to_string()), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?;
                    found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
                }
                Ok(found)
            })
            .doing("reading what an incarnation holds")?;
        let mut by_member: BTreeMap<MemberId, Vec<Entry>> = BTreeMap::new();
        for (member, purse, lot, units) in rows {
            let (member, lot): (_, Lot) = (MemberId(member), parse(&lot, "lot")?);
            let (kind, to) = (EntryKind::Settle, Some(Holder::Terminal(id)));
            by_member.entry(member).or_default().push(Entry { kind, member, purse, lot, units, to, debt: None });
        }
        Ok(by_member)
    }

    /// Ends a terminal with all its lives: nothing more is given to it.
    pub(super) fn retire_now(&self, terminal: &str) -> Result<(), HubError> {
        self.tx
            .prepare_cached("UPDATE terminal SET retired_ms = coalesce(retired_ms, ?2) WHERE terminal = ?1")
            .and_then(|mut update| update.execute((terminal, self.now_ms)))
            .doing("retiring a terminal")?;
        self.lives(terminal)?.iter().try_for_each(|life| self.settle(life))
    }
}

impl Hub {
    /// Posts a journal as far as it is here and gives the incarnation as it then stands.
    pub(super) fn posted_to_its_head(&mut self, id: IncarnationId, now_ms: i64) -> Result<Incarnation, HubError> {
        self.post_journal(id, now_ms)?;
        let life = self.read(now_ms, |act| act.incarnation(id))?;
        life.ok_or_else(|| HubError::not_found("incarnation", id))
    }
}

/// How far an incarnation came when it was settled, for its successor.
pub(super) fn settled_head(act: &Act<'_>, life: &Incarnation) -> Result<Head, HubError> {
    let position = life.settled_position.unwrap_or(life.head.position);
    let chain = act.chain_after(life.id, position)?.ok_or_else(|| HubError::Database {
        detail: format!("the journal of {} has no record {position}, where it was settled", life.id),
    })?;
    Ok(Head { position, chain })
}
