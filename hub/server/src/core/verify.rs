//! Everything checked again: chains, signatures, entries against records, trial balance, holders, control totals.

use std::collections::BTreeSet;

use counterfoil_ledger::{Book, ReadRecord, Row, read_record};
use counterfoil_protocol::id::{Digest, EntryId, EventId, IncarnationId};
use counterfoil_protocol::record::{Record, chain_next, chain_start};
use counterfoil_protocol::wire::sign::Sig;
use counterfoil_protocol::wire::v1::feed::HubEntry;
use counterfoil_protocol::wire::v1::segment::Segment;

use super::Hub;
use super::act::{Act, unsigned};
use super::error::{Doing as _, HubError};
use super::incarnations::Incarnation;
use super::views::VerifyReport;

/// Records read at a time.
const CHUNK_RECORD_COUNT: usize = 500;

impl Hub {
    /// Recomputes what can be recomputed, from one snapshot, and names everything that does not hold.
    ///
    /// # Errors
    /// When the database fails.
    pub fn verify(&self) -> Result<VerifyReport, HubError> {
        self.read(0, |act| {
            let mut report = VerifyReport::default();
            for incarnation in act.incarnations()? {
                act.verify_journal(&incarnation, &mut report)?;
                act.verify_segments(&incarnation, &mut report)?;
            }
            act.verify_ledger(&mut report)?;
            act.verify_days(&mut report)?;
            Ok(report)
        })
    }
}

impl Act<'_> {
    fn verify_journal(&self, incarnation: &Incarnation, report: &mut VerifyReport) -> Result<(), HubError> {
        let (mut chain, mut position) = (chain_start(incarnation.id), 0);
        report.journals += 1;
        loop {
            let records = self.records(incarnation.id, position + 1, u64::MAX >> 1, CHUNK_RECORD_COUNT)?;
            if records.is_empty() {
                break;
            }
            for (at, bytes) in records {
                let event = EventId { incarnation: incarnation.id, position: at };
                if at != position + 1 {
                    report.findings.push(format!("{event}: the record before it is missing"));
                }
                position = at;
                chain = chain_next(chain, &bytes);
                if self.chain_after(incarnation.id, at)? != Some(chain) {
                    report.findings.push(format!("{event}: the chain does not hold from here on"));
                }
                report.records += 1;
                if at <= incarnation.posted {
                    self.verify_posted(event, &bytes, report)?;
                }
            }
        }
        if (position, chain) != (incarnation.head.position, incarnation.head.chain) {
            report.findings.push(format!(
                "{}: the journal ends at {position}, its head says {}",
                incarnation.id, incarnation.head.position
            ));
        }
        Ok(())
    }

    /// Law 1: a posted record's entries are in the ledger, or the record is on the exceptions list.
    fn verify_posted(&self, event: EventId, bytes: &[u8], report: &mut VerifyReport) -> Result<(), HubError> {
        let mut absent = Vec::new();
        match read_record(bytes) {
            ReadRecord::Unreadable(_) => absent.push("the record cannot be read".to_owned()),
            ReadRecord::Readable(record) => {
                for (id, entry) in record.entry_ids(event.incarnation, event.position) {
                    if !self.entry_is_here(id, entry.member)? {
                        absent.push(format!("entry {id} is not in the ledger"));
                    }
                }
            }
        }
        // A record that came in two journals is posted from one of them.
        if absent.is_empty() || self.has_exception(event)? || self.standing_for(event)? != event {
            return Ok(());
        }
        report.findings.extend(absent.into_iter().map(|what| format!("{what}, and no exception says why")));
        Ok(())
    }

    fn has_exception(&self, event: EventId) -> Result<bool, HubError> {
        self.tx
            .prepare_cached(
                "SELECT 1 FROM exception WHERE bucket = ?1 AND subject = ?2 AND kind IN
                 ('unreadable-record', 'not-posted', 'entry-refused', 'rights-exceeded', 'probable-reprint',
                  'already-reversed')",
            )
            .and_then(|mut query| query.exists((super::incarnations::bucket_of(event.incarnation), event.to_string())))
            .doing("looking for an exception")
    }

    fn verify_segments(&self, incarnation: &Incarnation, report: &mut VerifyReport) -> Result<(), HubError> {
        type Raw = (i64, i64, u16, [u8; 32], [u8; 32], [u8; 64]);
        let rows: Vec<Raw> = self
            .tx
            .prepare_cached(
                "SELECT first, count, version, chain_before, chain_after, signature FROM segment
                 WHERE bucket = ?1 AND incarnation = ?2 ORDER BY first, count",
            )
            .and_then(|mut query| {
                query
                    .query_map((incarnation.bucket(), incarnation.id.0), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
                    })?
                    .collect()
            })
            .doing("reading segments")?;
        let mut covered = 0;
        for (first, count, version, before, after, signature) in rows {
            let (first, count) = (unsigned(first), unsigned(count));
            let segment = Segment {
                version,
                incarnation: incarnation.id,
                first,
                chain_before: Digest(before),
                chain_after: Digest(after),
                records: vec![Vec::new().into(); usize::try_from(count).unwrap_or(0)],
                signature: Sig(signature),
            };
            let last = first + count - 1;
            report.signatures += 1;
            let what = |fault: &str| format!("segment {first} to {last} of {}: {fault}", incarnation.id);
            if incarnation.key.verify(&segment.signed_text(), &segment.signature).is_err() {
                report.findings.push(what("the signature does not hold"));
            }
            let chains = (self.chain_after(incarnation.id, first - 1)?, self.chain_after(incarnation.id, last)?);
            if chains != (Some(segment.chain_before), Some(segment.chain_after)) {
                report.findings.push(what("the records here are not those that were signed"));
            }
            if first <= covered + 1 {
                covered = covered.max(last);
            }
        }
        if covered != incarnation.head.position {
            report.findings.push(format!(
                "{}: signatures cover records up to {covered} of {}",
                incarnation.id, incarnation.head.position
            ));
        }
        Ok(())
    }

    fn verify_ledger(&self, report: &mut VerifyReport) -> Result<(), HubError> {
        let mut book = Book::default();
        let known: BTreeSet<IncarnationId> = self.incarnations()?.into_iter().map(|one| one.id).collect();
        let mut last = None;
        self.each_entry(|stored| {
            let id = stored.row.id;
            report.entries += 1;
            match (stored.event, stored.signature) {
                (Some(event), None) if known.contains(&event.incarnation) => {
                    if !self.is_recorded(event, &stored.row, &mut last)? {
                        report.findings.push(format!("entry {id} is not what the record {event} says"));
                    }
                }
                (None, Some(signature)) => {
                    let text = HubEntry::signed_text(id, &stored.row.entry);
                    report.signatures += 1;
                    if self.own.root_key.verify(&text, &Sig(signature)).is_err() {
                        report.findings.push(format!("entry {id}: head office's signature does not hold"));
                    }
                }
                _ => report.findings.push(format!("entry {id}: nobody's record holds it and nobody signed it")),
            }
            if stored.row.units > stored.row.entry.units {
                report.findings.push(format!("entry {id} moves more units than its author wrote"));
            }
            book.apply(&stored.row);
            Ok(())
        })?;
        report.findings.extend(book.findings());
        report.findings.extend(self.differences(&book)?);
        Ok(())
    }

    /// Whether a row's entry stands in its record, at its place. Keeps the record it read last.
    fn is_recorded(
        &self,
        event: EventId,
        row: &Row,
        last: &mut Option<(EventId, Option<Record>)>,
    ) -> Result<bool, HubError> {
        if last.as_ref().is_none_or(|(at, _)| *at != event) {
            let records = self.records(event.incarnation, event.position, event.position, 1)?;
            *last = Some((event, records.first().and_then(|(_, bytes)| Record::from_bytes(bytes).ok())));
        }
        let record = last.as_ref().and_then(|(_, record)| record.as_ref());
        let EntryId::Terminal { incarnation, position, index } = row.id else { return Ok(false) };
        let there = record.and_then(|record| record.entries.get(usize::try_from(index).ok()?));
        Ok((EventId { incarnation, position }) == event && there == Some(&row.entry))
    }

    fn verify_days(&self, report: &mut VerifyReport) -> Result<(), HubError> {
        for day in self.every_stored_day()? {
            report.days += 1;
            let Some(own) = self.incarnation(day.incarnation)? else { continue };
            let counted = self.count_day(&own, day.close_position, &day.close)?;
            if day.counted.is_some() && counted != day.counted {
                report.findings.push(format!(
                    "day {} of {}: its control totals come out otherwise now than when it was closed",
                    day.close.business_date, own.terminal
                ));
            }
        }
        Ok(())
    }
}
