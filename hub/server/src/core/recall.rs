//! Recalls: what a terminal shall give back of a member's purse, so that it can be used where it is needed.
//!
//! One row per terminal, member and purse, replaced by later ones, told to that terminal alone. A recall ends when the
//! till has come down to it, and when head office gives that till something: the later decision holds, so the two never
//! chase each other. What a till holds for a basket stays with it; nothing here takes anything from anybody.

use counterfoil_protocol::id::{Holder, IncarnationId, MemberId};
use counterfoil_protocol::wire::v1::feed::Recall;
use rusqlite::OptionalExtension as _;

use super::act::Act;
use super::error::{Doing as _, HubError};

/// A row's name in the feed.
fn subject(member: MemberId, from: IncarnationId, purse: &str) -> Vec<u8> {
    [&member.0, &from.0, purse.as_bytes()].concat()
}

impl Act<'_> {
    /// Asks a terminal to give back what it holds beyond `keep`. The same again is no news.
    pub(super) fn recall(
        &self,
        member: MemberId,
        from: IncarnationId,
        purse: &str,
        keep: i64,
    ) -> Result<bool, HubError> {
        let changed = self
            .tx
            .prepare_cached(
                "INSERT INTO recall (bucket, member, incarnation, purse, keep, asked_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET keep = excluded.keep, asked_ms = excluded.asked_ms
                 WHERE keep <> excluded.keep",
            )
            .and_then(|mut put| put.execute((member.bucket(), member.0, from.0, purse, keep.max(0), self.now_ms)))
            .doing("recalling rights")?;
        if changed > 0 {
            self.append_feed(member.bucket(), "recall", &subject(member, from, purse), Some(member), Some(from), None)?;
        }
        Ok(changed > 0)
    }

    /// A recall that is over.
    pub(super) fn drop_recall(&self, member: MemberId, from: IncarnationId, purse: &str) -> Result<(), HubError> {
        let dropped = self
            .tx
            .prepare_cached("DELETE FROM recall WHERE bucket = ?1 AND member = ?2 AND incarnation = ?3 AND purse = ?4")
            .and_then(|mut delete| delete.execute((member.bucket(), member.0, from.0, purse)))
            .doing("ending a recall")?;
        if dropped > 0 {
            self.remove_feed(member.bucket(), "recall", &subject(member, from, purse))?;
        }
        Ok(())
    }

    /// What a row of the feed says now.
    pub(super) fn recall_of(
        &self,
        member: MemberId,
        from: IncarnationId,
        subject: &[u8],
    ) -> Result<Option<Recall>, HubError> {
        let purse = String::from_utf8_lossy(subject.get(32..).unwrap_or_default()).into_owned();
        let keep: Option<i64> = self
            .tx
            .prepare_cached(
                "SELECT keep FROM recall WHERE bucket = ?1 AND member = ?2 AND incarnation = ?3 AND purse = ?4",
            )
            .and_then(|mut query| {
                query.query_row((member.bucket(), member.0, from.0, &purse), |row| row.get(0)).optional()
            })
            .doing("reading a recall")?;
        Ok(keep.map(|keep| Recall { member, purse, keep }))
    }

    /// Ends the recalls of a member that were answered, or whose terminal is settled.
    pub(super) fn end_answered_recalls(&self, member: MemberId) -> Result<(), HubError> {
        if self.faults.keep_recalls {
            return Ok(());
        }
        let open: Vec<([u8; 16], String, i64)> = self
            .tx
            .prepare_cached("SELECT incarnation, purse, keep FROM recall WHERE bucket = ?1 AND member = ?2")
            .and_then(|mut query| {
                query
                    .query_map((member.bucket(), member.0), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                    .collect()
            })
            .doing("reading recalls")?;
        for (from, purse, keep) in open {
            let from = IncarnationId(from);
            if self.held_by(Holder::Terminal(from), member, &purse)? <= keep {
                self.drop_recall(member, from, &purse)?;
            }
        }
        Ok(())
    }

    /// All units that a holder has of a member's purse, spendable or not.
    pub(super) fn held_by(&self, holder: Holder, member: MemberId, purse: &str) -> Result<i64, HubError> {
        self.tx
            .prepare_cached(
                "SELECT coalesce(sum(units), 0) FROM holding
                 WHERE bucket = ?1 AND member = ?2 AND purse = ?3 AND holder = ?4 AND units > 0",
            )
            .and_then(|mut query| {
                query.query_row((member.bucket(), member.0, purse, holder.to_string()), |row| row.get(0))
            })
            .doing("adding up what a holder has")
    }
}
