//! Incarnations and their journals as rows: heads, chains, bytes.

use counterfoil_protocol::id::{Digest, IncarnationId};
use counterfoil_protocol::limits::MEMBER_BUCKET_COUNT;
use counterfoil_protocol::record::{Chain, Head, chain_start};
use counterfoil_protocol::session::hub::JournalView;
use counterfoil_protocol::wire::sign::PublicKey;
use counterfoil_protocol::wire::v1::segment::VerifiedRecord;
use rusqlite::{OptionalExtension as _, Row};

use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};

/// How old "last seen" may become before it is worth a write.
const SEEN_ACCURACY_MS: i64 = 15_000;

/// One life of a terminal, as head office has it.
#[derive(Debug, Clone)]
pub(super) struct Incarnation {
    pub id: IncarnationId,
    pub terminal: String,
    pub store: String,
    pub lane: String,
    pub key: PublicKey,
    pub head: Head,
    pub posted: u64,
    pub announced: u64,
    pub last_seen_ms: i64,
    pub agent_version: String,
    /// Which of its terminal, from 1.
    pub number: u32,
    /// Where it ended, once it was settled.
    pub settled_position: Option<u64>,
    /// Retired, or followed by another life of its terminal: it gets nothing any more, what it sends is taken.
    pub is_settled: bool,
}

impl Incarnation {
    /// The bucket of its journal, its sales and its days.
    pub fn bucket(&self) -> u8 {
        bucket_of(self.id)
    }
}

/// The bucket of an incarnation's journal, sales and days.
pub(super) fn bucket_of(incarnation: IncarnationId) -> u8 {
    incarnation.0[0] % MEMBER_BUCKET_COUNT
}

const COLUMNS: &str = "i.incarnation, i.terminal, t.store, t.lane, i.public_key, i.head_position, i.head_chain,
    i.posted_position, i.announced_position, i.last_seen_ms, i.agent_version,
    i.number, i.settled_position,
    t.retired_ms IS NOT NULL OR i.settled_position IS NOT NULL OR i.number < (SELECT max(number) FROM incarnation l WHERE l.terminal = i.terminal)
    FROM incarnation i JOIN terminal t ON t.terminal = i.terminal";

fn read(row: &Row<'_>) -> rusqlite::Result<Incarnation> {
    Ok(Incarnation {
        id: IncarnationId(row.get(0)?),
        terminal: row.get(1)?,
        store: row.get(2)?,
        lane: row.get(3)?,
        key: PublicKey(row.get(4)?),
        head: Head { position: unsigned(row.get(5)?), chain: Digest(row.get(6)?) },
        posted: unsigned(row.get(7)?),
        announced: unsigned(row.get(8)?),
        last_seen_ms: row.get(9)?,
        agent_version: row.get(10)?,
        number: row.get(11)?,
        settled_position: row.get::<_, Option<i64>>(12)?.map(unsigned),
        is_settled: row.get(13)?,
    })
}

impl Act<'_> {
    pub(super) fn incarnation(&self, id: IncarnationId) -> Result<Option<Incarnation>, HubError> {
        self.tx
            .prepare_cached(&format!("SELECT {COLUMNS} WHERE i.incarnation = ?1"))
            .and_then(|mut query| query.query_row([id.0], read).optional())
            .doing("reading an incarnation")
    }

    /// A terminal's incarnations, oldest first.
    pub(super) fn lives(&self, terminal: &str) -> Result<Vec<Incarnation>, HubError> {
        self.tx
            .prepare_cached(&format!("SELECT {COLUMNS} WHERE i.terminal = ?1 ORDER BY i.number"))
            .and_then(|mut query| query.query_map([terminal], read)?.collect())
            .doing("reading a terminal's incarnations")
    }

    /// All incarnations, by store, lane and age.
    pub(super) fn incarnations(&self) -> Result<Vec<Incarnation>, HubError> {
        self.tx
            .prepare_cached(&format!("SELECT {COLUMNS} ORDER BY t.store, t.lane, i.number"))
            .and_then(|mut query| query.query_map([], read)?.collect())
            .doing("reading incarnations")
    }

    /// Notes that a till was heard, and how far it says it is.
    pub(super) fn note_seen(&self, id: IncarnationId, announced: u64) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "UPDATE incarnation SET last_seen_ms = max(last_seen_ms, ?2),
                                        announced_position = max(announced_position, ?3)
                 WHERE incarnation = ?1",
            )
            .and_then(|mut update| update.execute((id.0, self.now_ms, signed(announced))))
            .doing("noting that a till was heard")?;
        Ok(())
    }

    /// Appends verified records to a journal.
    pub(super) fn append(&self, incarnation: &Incarnation, records: &[VerifiedRecord]) -> Result<Head, HubError> {
        let mut head = incarnation.head;
        for record in records {
            self.tx
                .prepare_cached(
                    "INSERT INTO journal (bucket, incarnation, position, chain, record, received_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )
                .and_then(|mut insert| {
                    insert.execute((
                        incarnation.bucket(),
                        incarnation.id.0,
                        signed(record.position),
                        record.chain.0,
                        &record.bytes,
                        self.now_ms,
                    ))
                })
                .doing("appending to a journal")?;
            head = Head { position: record.position, chain: record.chain };
        }
        self.tx
            .prepare_cached(
                "UPDATE incarnation SET head_position = ?2, head_chain = ?3,
                                        announced_position = max(announced_position, ?2)
                 WHERE incarnation = ?1",
            )
            .and_then(|mut update| update.execute((incarnation.id.0, signed(head.position), head.chain.0)))
            .doing("moving a journal's head")?;
        Ok(head)
    }

    /// Records of a journal from one position to another, both included.
    pub(super) fn records(
        &self,
        incarnation: IncarnationId,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, HubError> {
        self.tx
            .prepare_cached(
                "SELECT position, record FROM journal
                 WHERE bucket = ?1 AND incarnation = ?2 AND position BETWEEN ?3 AND ?4 ORDER BY position LIMIT ?5",
            )
            .and_then(|mut query| {
                let key = (bucket_of(incarnation), incarnation.0, signed(from), signed(to), signed(limit as u64));
                query.query_map(key, |row| Ok((unsigned(row.get(0)?), row.get(1)?)))?.collect()
            })
            .doing("reading a journal")
    }

    /// The chain after a position; the journal's start at 0, `None` where there is no such record.
    pub(super) fn chain_after(&self, incarnation: IncarnationId, position: u64) -> Result<Option<Chain>, HubError> {
        if position == 0 {
            return Ok(Some(chain_start(incarnation)));
        }
        self.tx
            .prepare_cached("SELECT chain FROM journal WHERE bucket = ?1 AND incarnation = ?2 AND position = ?3")
            .and_then(|mut query| {
                query.query_row((bucket_of(incarnation), incarnation.0, signed(position)), |row| row.get(0)).optional()
            })
            .map(|chain| chain.map(Digest))
            .doing("reading a chain")
    }
}

/// A journal as the protocol's rules look at it.
pub(super) struct Journal<'a> {
    pub act: &'a Act<'a>,
    pub incarnation: &'a Incarnation,
}

impl JournalView for Journal<'_> {
    type Error = HubError;

    fn head(&self) -> Head {
        self.incarnation.head
    }

    fn chain_at(&self, position: u64) -> Result<Chain, HubError> {
        self.act.chain_after(self.incarnation.id, position)?.ok_or_else(|| HubError::Database {
            detail: format!("the journal of {} has no record {position}, its head says otherwise", self.incarnation.id),
        })
    }
}

/// Whether hearing from a till is worth a write.
pub(super) fn is_news(incarnation: &Incarnation, announced: u64, now_ms: i64) -> bool {
    announced > incarnation.announced || now_ms.saturating_sub(incarnation.last_seen_ms) >= SEEN_ACCURACY_MS
}
