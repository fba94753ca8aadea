//! The feed: what head office tells its tills, a row per change, in buckets of consecutive positions.
//!
//! A row names what changed; a page says how it stands at the page's snapshot, so a later row of the same subject
//! takes the place of an earlier one. Rows that are not for the reader are skipped, and its cursor moves on.

use counterfoil_protocol::id::{EntryId, IdentifierHash, IncarnationId, MemberId};
use counterfoil_protocol::limits::{BUCKET_COUNT, PAGE_ITEM_COUNT_MAX, SHARED_BUCKET};
use counterfoil_protocol::wire::v1::feed::{Change, Cursor, HubEntry, IdentityRow, Page, RetireOrder};

use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};
use super::incarnations::Incarnation;
use super::ledger::parse;

/// Rows looked at for one page: what a reader skips costs as well.
const ROWS_LOOKED_AT_MAX: usize = 20_000;
/// Bytes of changes after which a page ends: a till takes no page far beyond it, and programs are large.
const PAGE_BYTES_MAX: usize = 2 << 20;

/// For how long a till keeps a member that was seen at its store.
const SEEN_KEPT_MS: i64 = 60 * 86_400_000;

#[derive(Debug)]
struct FeedRow {
    position: u64,
    kind: String,
    subject: Vec<u8>,
    member: Option<[u8; 16]>,
    incarnation: Option<[u8; 16]>,
    store: Option<String>,
}

impl Act<'_> {
    /// A member's state changed: for the tills that keep it.
    pub(super) fn feed_state(&self, member: MemberId) -> Result<(), HubError> {
        self.append_feed(member.bucket(), "state", &member.0, Some(member), None, None)
    }

    /// What an identifier finds changed: for every till.
    pub(super) fn feed_identity(&self, identifier: IdentifierHash, member: MemberId) -> Result<(), HubError> {
        self.append_feed(member.bucket(), "identity", &identifier.0, Some(member), None, None)
    }

    /// A terminal was granted rights.
    pub(super) fn feed_grant(&self, id: EntryId, member: MemberId, to: IncarnationId) -> Result<(), HubError> {
        self.append_feed(member.bucket(), "grant", id.to_string().as_bytes(), Some(member), Some(to), None)
    }

    /// A program was published.
    pub(super) fn feed_program(&self, version: u64) -> Result<(), HubError> {
        self.append_feed(SHARED_BUCKET, "program", &version.to_be_bytes(), None, None, None)
    }

    /// A store's settings changed.
    pub(super) fn feed_store(&self, store: &str) -> Result<(), HubError> {
        self.append_feed(SHARED_BUCKET, "store", store.as_bytes(), None, None, Some(store))
    }

    /// A till is asked to give everything back and stop.
    pub(super) fn feed_retire(&self, to: IncarnationId) -> Result<(), HubError> {
        self.append_feed(SHARED_BUCKET, "retire", &to.0, None, Some(to), None)
    }

    /// What a row of the feed was about is over.
    pub(super) fn remove_feed(&self, bucket: u8, kind: &str, subject: &[u8]) -> Result<(), HubError> {
        self.tx
            .prepare_cached("DELETE FROM feed WHERE bucket = ?1 AND kind = ?2 AND subject = ?3")
            .and_then(|mut delete| delete.execute((bucket, kind, subject)))
            .doing("removing a row of the feed")?;
        Ok(())
    }

    pub(super) fn append_feed(
        &self,
        bucket: u8,
        kind: &str,
        subject: &[u8],
        member: Option<MemberId>,
        incarnation: Option<IncarnationId>,
        store: Option<&str>,
    ) -> Result<(), HubError> {
        let position = self.next(bucket, "feed_position")?;
        self.remove_feed(bucket, kind, subject)?;
        self.tx
            .prepare_cached(
                "INSERT INTO feed (bucket, position, kind, subject, member, incarnation, store)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .and_then(|mut insert| {
                let (member, incarnation) = (member.map(|id| id.0), incarnation.map(|id| id.0));
                insert.execute((bucket, signed(position), kind, subject, member, incarnation, store))
            })
            .doing("writing a row of the feed")?;
        Ok(())
    }

    /// A page for a reader after its cursor.
    pub(super) fn page(&self, reader: &Incarnation, after: &Cursor) -> Result<Page, HubError> {
        let heads = self.feed_heads()?;
        let mut cursor = after.clone();
        let (mut changes, mut looked_at, mut size_bytes, mut more) = (Vec::new(), 0, 0, false);
        for (bucket, head) in (0u8..).zip(heads) {
            let index = usize::from(bucket);
            if cursor.positions[index] >= head {
                continue;
            }
            if changes.len() >= PAGE_ITEM_COUNT_MAX || looked_at >= ROWS_LOOKED_AT_MAX || size_bytes >= PAGE_BYTES_MAX {
                more = true;
                break;
            }
            let room = (PAGE_ITEM_COUNT_MAX - changes.len()).min(ROWS_LOOKED_AT_MAX - looked_at);
            let rows = self.feed_rows(bucket, cursor.positions[index], room)?;
            looked_at += rows.len();
            let mut reached = if rows.len() < room { head } else { rows.last().map_or(head, |row| row.position) };
            for row in rows {
                if size_bytes >= PAGE_BYTES_MAX {
                    reached = row.position - 1;
                    break;
                }
                if let Some(change) = self.change_for(reader, &row)? {
                    size_bytes += minicbor::to_vec(&change).expect("encoding into memory cannot fail").len();
                    changes.push(change);
                }
            }
            cursor.positions[index] = reached;
            more |= reached < head;
        }
        Ok(Page {
            cursor: cursor.to_text(),
            epoch: self.own.epoch(),
            includes_position: reader.posted,
            changes,
            more,
            hub_time_ms: self.now_ms,
        })
    }

    fn feed_heads(&self) -> Result<[u64; BUCKET_COUNT], HubError> {
        let mut heads = [0; BUCKET_COUNT];
        let rows: Vec<(u8, i64)> = self
            .tx
            .prepare_cached("SELECT bucket, feed_position FROM bucket_head ORDER BY bucket")
            .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .doing("reading the feed's heads")?;
        for (bucket, position) in rows {
            heads[usize::from(bucket)] = unsigned(position);
        }
        Ok(heads)
    }

    fn feed_rows(&self, bucket: u8, after: u64, limit: usize) -> Result<Vec<FeedRow>, HubError> {
        self.tx
            .prepare_cached(
                "SELECT position, kind, subject, member, incarnation, store FROM feed
                 WHERE bucket = ?1 AND position > ?2 ORDER BY position LIMIT ?3",
            )
            .and_then(|mut query| {
                query
                    .query_map((bucket, signed(after), signed(limit as u64)), |row| {
                        Ok(FeedRow {
                            position: unsigned(row.get(0)?),
                            kind: row.get(1)?,
                            subject: row.get(2)?,
                            member: row.get(3)?,
                            incarnation: row.get(4)?,
                            store: row.get(5)?,
                        })
                    })?
                    .collect()
            })
            .doing("reading the feed")
    }

    fn change_for(&self, reader: &Incarnation, row: &FeedRow) -> Result<Option<Change>, HubError> {
        if row.incarnation.is_some_and(|id| id != reader.id.0)
            || row.store.as_ref().is_some_and(|store| *store != reader.store)
        {
            return Ok(None);
        }
        let member = MemberId(row.member.unwrap_or_default());
        Ok(match row.kind.as_str() {
            "identity" => {
                let identifier = IdentifierHash(fixed(&row.subject)?);
                Some(Change::Identity(self.identity_row(identifier)?))
            }
            "state" if self.keeps(reader, member)? => self.member_state(member)?.map(Change::State),
            "grant" => {
                let id = parse(&String::from_utf8_lossy(&row.subject), "entry id")?;
                self.hub_entry(id, member)?.map(Change::Grant)
            }
            "recall" => self.recall_of(member, reader.id, &row.subject)?.map(Change::Recall),
            "reverse" => self.reverse_order(&row.subject)?.map(Change::Reverse),
            "program" => {
                let version = u64::from_be_bytes(fixed(&row.subject)?);
                Some(Change::Program(self.published(version)?))
            }
            "retire" => {
                let reason = self.retire_asked(&reader.terminal)?;
                reason.map(|reason| Change::Retire(RetireOrder { incarnation: reader.id, reason }))
            }
            "store" => Some(Change::Store(self.store_settings(&String::from_utf8_lossy(&row.subject))?)),
            _ => None,
        })
    }

    /// Whether a till keeps a member: it holds rights, asked for it, or the member was seen at its store lately.
    fn keeps(&self, reader: &Incarnation, member: MemberId) -> Result<bool, HubError> {
        self.tx
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM seen_at_store
                                WHERE bucket = ?1 AND member = ?2 AND store = ?3 AND last_ms >= ?4)
                     OR EXISTS (SELECT 1 FROM watched WHERE bucket = ?1 AND member = ?2 AND incarnation = ?5)
                     OR EXISTS (SELECT 1 FROM holding
                                WHERE bucket = ?1 AND member = ?2 AND holder = ?6 AND units <> 0)",
            )
            .and_then(|mut query| {
                let since_ms = self.now_ms.saturating_sub(SEEN_KEPT_MS);
                let key = (member.bucket(), member.0, &reader.store, since_ms, reader.id.0, reader.id.to_string());
                query.query_row(key, |row| row.get(0))
            })
            .doing("asking who keeps a member")
    }

    /// How an identifier resolves now.
    pub(super) fn identity_row(&self, identifier: IdentifierHash) -> Result<IdentityRow, HubError> {
        let Some(member) = self.member_of(identifier)? else {
            return Ok(IdentityRow { identifier, member: None, status: Default::default(), tier: None });
        };
        let row = self.member_row(member)?;
        let (status, tier) = row.map(|row| (row.status, row.tier)).unwrap_or_default();
        Ok(IdentityRow { identifier, member: Some(member), status, tier })
    }

    /// One of head office's own entries, as it was signed.
    fn hub_entry(&self, id: EntryId, member: MemberId) -> Result<Option<HubEntry>, HubError> {
        let found: Option<(Vec<u8>, Option<[u8; 64]>)> = self
            .tx
            .prepare_cached("SELECT entry, signature FROM entry WHERE bucket = ?1 AND id = ?2 AND part = 0")
            .and_then(|mut query| {
                use rusqlite::OptionalExtension as _;
                query.query_row((member.bucket(), id.to_string()), |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .doing("reading a grant")?;
        let Some((bytes, Some(signature))) = found else { return Ok(None) };
        let entry = minicbor::decode(&bytes)
            .map_err(|error| HubError::Database { detail: format!("entry {id} cannot be read back: {error}") })?;
        Ok(Some(HubEntry { id, entry, signature: counterfoil_protocol::wire::sign::Sig(signature) }))
    }

    /// All grants of a member to a terminal after a position of the member's bucket.
    pub(super) fn grants_after(
        &self,
        reader: &Incarnation,
        member: MemberId,
        after: u64,
    ) -> Result<Vec<HubEntry>, HubError> {
        let subjects: Vec<Vec<u8>> = self
            .tx
            .prepare_cached(
                "SELECT subject FROM feed WHERE kind = 'grant' AND bucket = ?1 AND member = ?2 AND incarnation = ?3
                 AND position > ?4 ORDER BY position LIMIT ?5",
            )
            .and_then(|mut query| {
                let limit = signed(PAGE_ITEM_COUNT_MAX as u64);
                query
                    .query_map((member.bucket(), member.0, reader.id.0, signed(after), limit), |row| row.get(0))?
                    .collect()
            })
            .doing("reading a terminal's grants")?;
        let mut grants = Vec::with_capacity(subjects.len());
        for subject in subjects {
            grants.extend(self.hub_entry(parse(&String::from_utf8_lossy(&subject), "entry id")?, member)?);
        }
        Ok(grants)
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], HubError> {
    bytes
        .try_into()
        .map_err(|_| HubError::Database { detail: "a row of the feed has a subject of another length".into() })
}
