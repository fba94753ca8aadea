//! Records that came in another journal than the one they were first written in: posted once, whichever journal came
//! first, and found by every id they ever had.
//!
//! A record is the same record where incarnation, position and chain are. A till may name as origins only records of its
//! own terminal: nobody can keep another till's records from being posted.

use counterfoil_protocol::id::{Digest, EventId, IncarnationId};
use counterfoil_protocol::record::{Origin, Record};
use rusqlite::OptionalExtension as _;

use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};
use super::incarnations::{Incarnation, bucket_of};

/// Another name of a record, without a chain of its own.
const ALIAS: &[u8] = &[];

impl Act<'_> {
    /// Notes a record's origin and says where it was posted already; `None`: it is to be posted here.
    pub(super) fn posted_before(
        &self,
        journal: &Incarnation,
        position: u64,
        record: &Record,
    ) -> Result<Option<EventId>, HubError> {
        let here = EventId { incarnation: journal.id, position };
        let earlier = match &record.origin {
            None => {
                let chain = self.chain_after(journal.id, position)?.unwrap_or(Digest([0; 32]));
                self.counted_elsewhere(journal, here, chain, here)?
            }
            Some(origin) => {
                let first = EventId { incarnation: origin.incarnation, position: origin.position };
                if !self.is_of_terminal(origin.incarnation, &journal.terminal)? {
                    return Ok(None);
                }
                let earlier = if self.chain_after(first.incarnation, first.position)? == Some(origin.chain) {
                    Some(first)
                } else {
                    self.counted_elsewhere(journal, first, origin.chain, here)?
                };
                self.note_origin(origin, here, earlier.is_none())?;
                earlier
            }
        };
        Ok(earlier.filter(|_| !self.faults.post_origins_twice))
    }

    /// A life that is not known here may be any terminal's: what it wrote cannot be posted from elsewhere.
    fn is_of_terminal(&self, id: IncarnationId, terminal: &str) -> Result<bool, HubError> {
        Ok(self.incarnation(id)?.is_none_or(|life| life.terminal == terminal))
    }

    /// Where else a record was posted, in a journal of the same terminal.
    fn counted_elsewhere(
        &self,
        journal: &Incarnation,
        first: EventId,
        chain: Digest,
        here: EventId,
    ) -> Result<Option<EventId>, HubError> {
        self.tx
            .prepare_cached(
                "SELECT o.journal, o.at FROM origin o JOIN incarnation i ON i.incarnation = o.journal
                 WHERE o.bucket = ?1 AND o.incarnation = ?2 AND o.position = ?3 AND o.chain = ?4 AND o.counted
                   AND i.terminal = ?5 AND NOT (o.journal = ?6 AND o.at = ?7) LIMIT 1",
            )
            .and_then(|mut query| {
                query
                    .query_row(
                        rusqlite::params![
                            bucket_of(first.incarnation),
                            first.incarnation.0,
                            signed(first.position),
                            chain.0.as_slice(),
                            journal.terminal,
                            here.incarnation.0,
                            signed(here.position),
                        ],
                        read_event,
                    )
                    .optional()
            })
            .doing("looking where a record was posted")
    }

    fn note_origin(&self, origin: &Origin, here: EventId, counted: bool) -> Result<(), HubError> {
        let first = EventId { incarnation: origin.incarnation, position: origin.position };
        let named =
            [Some((first, origin.chain.0.as_slice(), counted)), origin.copied_from.map(|at| (at, ALIAS, false))];
        for (event, chain, counted) in named.into_iter().flatten() {
            self.tx
                .prepare_cached(
                    "INSERT OR IGNORE INTO origin (bucket, incarnation, position, chain, journal, at, counted)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )
                .and_then(|mut insert| {
                    insert.execute((
                        bucket_of(event.incarnation),
                        event.incarnation.0,
                        signed(event.position),
                        chain,
                        here.incarnation.0,
                        signed(here.position),
                        counted,
                    ))
                })
                .doing("noting where a record was first written")?;
        }
        Ok(())
    }

    /// Where the record stands in the books that `named` means in a record of `journal`: the branch that this journal
    /// continues goes before what stands at that place in another one.
    pub(super) fn meant(&self, journal: IncarnationId, named: EventId) -> Result<EventId, HubError> {
        let here: Option<(u64, bool)> = self
            .tx
            .prepare_cached(
                "SELECT o.at, max(s.counted) FROM origin o JOIN origin s ON s.journal = o.journal AND s.at = o.at
                 WHERE o.bucket = ?1 AND o.incarnation = ?2 AND o.position = ?3 AND o.journal = ?4
                 GROUP BY o.at ORDER BY o.at LIMIT 1",
            )
            .and_then(|mut query| {
                let key = (bucket_of(named.incarnation), named.incarnation.0, signed(named.position), journal.0);
                query.query_row(key, |row| Ok((unsigned(row.get(0)?), row.get(1)?))).optional()
            })
            .doing("looking for a record by an earlier id")?;
        match here {
            Some((at, true)) => Ok(EventId { incarnation: journal, position: at }),
            Some((at, false)) => self.standing_for(EventId { incarnation: journal, position: at }),
            None => self.standing_for(named),
        }
    }

    /// The posted record that stands for one that was not posted itself, because another journal brought it first.
    pub(super) fn standing_for(&self, event: EventId) -> Result<EventId, HubError> {
        let records = self.records(event.incarnation, event.position, event.position, 1)?;
        let record = records.first().and_then(|(_, bytes)| Record::from_bytes(bytes).ok());
        let (first, chain) = match record.and_then(|record| record.origin) {
            Some(origin) => {
                let first = EventId { incarnation: origin.incarnation, position: origin.position };
                if self.chain_after(first.incarnation, first.position)? == Some(origin.chain)
                    && !self.is_counted_as(event)?
                {
                    return self.standing_for(first);
                }
                (first, Some(origin.chain))
            }
            None => (event, self.chain_after(event.incarnation, event.position)?),
        };
        let counted = self
            .tx
            .prepare_cached(
                "SELECT journal, at FROM origin
                 WHERE bucket = ?1 AND incarnation = ?2 AND position = ?3 AND counted AND (?4 IS NULL OR chain = ?4)
                 ORDER BY journal, at LIMIT 1",
            )
            .and_then(|mut query| {
                let key = (
                    bucket_of(first.incarnation),
                    first.incarnation.0,
                    signed(first.position),
                    chain.map(|chain| chain.0),
                );
                query.query_row(key, read_event).optional()
            })
            .doing("looking for the record that stands for another")?;
        Ok(counted.unwrap_or(event))
    }

    /// Whether a record with an origin was posted from where it stands.
    fn is_counted_as(&self, event: EventId) -> Result<bool, HubError> {
        self.tx
            .prepare_cached("SELECT 1 FROM origin WHERE journal = ?1 AND at = ?2 AND counted")
            .and_then(|mut query| query.exists((event.incarnation.0, signed(event.position))))
            .doing("looking whether a record was posted")
    }
}

fn read_event(row: &rusqlite::Row<'_>) -> rusqlite::Result<EventId> {
    Ok(EventId { incarnation: IncarnationId(row.get(0)?), position: unsigned(row.get(1)?) })
}
