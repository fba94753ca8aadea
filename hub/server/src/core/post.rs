//! Posting: from a journal's bytes to ledger, sales, days and exceptions.
//!
//! A journal is posted in position order, `posted_position` moves in the same transaction as what it stands for, and
//! nothing is posted twice. A record that cannot be posted, for whatever reason, is kept as bytes with an exception
//! and the journal moves on. Only a failing disk stops it; then the next push or start goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use counterfoil_ledger::{
    Exception, ExceptionKind, LedgerView as _, PlaceOfSale, Poster, Posting, ReadRecord, Row, debt_exception,
    program_difference, read_record, record_exceptions,
};
use counterfoil_protocol::entry::{Account, DebtKind};
use counterfoil_protocol::id::{EntryId, EventId, IncarnationId, MemberId};
use counterfoil_protocol::record::{Body, Record, ReturnReason, SaleRecord};
use counterfoil_protocol::sale::SaleKind;

use super::Hub;
use super::act::{Act, signed};
use super::error::{Doing as _, HubError};
use super::incarnations::Incarnation;
use super::ledger::{Ledger, RowContext};

/// Records posted in one transaction.
const BATCH_RECORD_COUNT_MAX: usize = 250;

impl Hub {
    /// Posts what was appended and not posted (after a crash between the two), and says how many records that was.
    /// A shell calls it at start; every push does it for its own journal. A journal that cannot be posted keeps no
    /// other from being posted.
    ///
    /// # Errors
    /// When the database fails, for whichever journal it failed first.
    pub fn post_pending(&mut self, now_ms: i64) -> Result<u64, HubError> {
        let waiting: Vec<Incarnation> = self.read(now_ms, |act| act.incarnations())?;
        let (mut posted, mut failed) = (0, None);
        for incarnation in waiting.iter().filter(|incarnation| incarnation.posted < incarnation.head.position) {
            match self.post_journal(incarnation.id, now_ms) {
                Ok(records) => posted += records,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(posted), Err)
    }

    pub(super) fn post_journal(&mut self, id: IncarnationId, now_ms: i64) -> Result<u64, HubError> {
        let mut posted = 0;
        loop {
            let batch = self.change(now_ms, |act| act.post_batch(id))?;
            posted += batch;
            if batch < BATCH_RECORD_COUNT_MAX as u64 {
                return Ok(posted);
            }
        }
    }
}

impl Act<'_> {
    fn post_batch(&self, id: IncarnationId) -> Result<u64, HubError> {
        let incarnation = self.incarnation(id)?.ok_or_else(|| HubError::not_found("incarnation", id))?;
        let records = self.records(id, incarnation.posted + 1, incarnation.head.position, BATCH_RECORD_COUNT_MAX)?;
        let Some((last, _)) = records.last() else { return Ok(0) };
        for (position, bytes) in &records {
            self.post_one(&incarnation, *position, bytes)?;
        }
        self.tx
            .prepare_cached("UPDATE incarnation SET posted_position = ?2 WHERE incarnation = ?1")
            .and_then(|mut update| update.execute((id.0, signed(*last))))
            .doing("moving a journal's posted position")?;
        // A record of the batch may have ended it.
        if let Some(settled) = self.incarnation(id)?.filter(|life| life.is_settled) {
            self.settle(&settled)?;
        }
        Ok(records.len() as u64)
    }

    /// The sale that a void undoes, as it stands in the books.
    fn voided_sale(&self, incarnation: &Incarnation, record: &Record) -> Result<Option<EventId>, HubError> {
        let Body::Void(void) = &record.body else { return Ok(None) };
        let journal = record.origin.as_ref().map_or(incarnation.id, |origin| origin.incarnation);
        let by_position = void.sale_position.map(|position| EventId { incarnation: journal, position });
        void.sale.or(by_position).map(|named| self.meant(incarnation.id, named)).transpose()
    }

    /// Posts a record, or keeps it with an exception where our own tables refuse it.
    fn post_one(&self, incarnation: &Incarnation, position: u64, bytes: &[u8]) -> Result<(), HubError> {
        self.tx.execute_batch("SAVEPOINT record").doing("beginning to post a record")?;
        // A record that breaks an invariant must not keep its till's journal, or this process, from going on.
        let done = catch_unwind(AssertUnwindSafe(|| self.post_record(incarnation, position, bytes)))
            .unwrap_or_else(|_| Err(HubError::conflict("posting it broke an invariant of head office")));
        let undone = match done {
            Ok(()) => None,
            Err(error) if is_of_the_record(&error) => Some(error),
            Err(error) => return Err(error),
        };
        if let Some(error) = undone {
            self.tx.execute_batch("ROLLBACK TO record").doing("taking a posting back")?;
            let reason = format!("the record could not be posted ({error}); its bytes are kept, report this");
            let exception = Exception { kind: ExceptionKind::NotPosted, reason };
            self.write_exceptions(incarnation, position, &[exception])?;
        }
        self.tx.execute_batch("RELEASE record").doing("ending to post a record")
    }

    fn post_record(&self, incarnation: &Incarnation, position: u64, bytes: &[u8]) -> Result<(), HubError> {
        let record = match read_record(bytes) {
            ReadRecord::Readable(record) => record,
            ReadRecord::Unreadable(exception) => return self.write_exceptions(incarnation, position, &[exception]),
        };
        let event = EventId { incarnation: incarnation.id, position };
        if self.posted_before(incarnation, position, &record)?.is_some() {
            return self.feed_states_of(&record);
        }
        let mut exceptions = record_exceptions(&record);
        let reprint = match &record.body {
            Body::Sale(sale) => self.reprint_of(incarnation, sale, &mut exceptions)?,
            _ => None,
        };
        if let Body::Sale(sale) = &record.body {
            self.know_gift_cards(sale)?;
        }
        let undone = match &record.body {
            Body::Reversal(reversal) => self.reversed_before(incarnation.id, reversal)?,
            _ => None,
        };
        let posts = reprint.is_none() && undone.is_none();
        exceptions.extend(undone);
        if posts {
            let posting = self.plan(&record, event)?;
            exceptions.extend(posting.exceptions.iter().cloned());
            self.write_posting(incarnation, event, &record, &posting, &mut exceptions)?;
        } else {
            self.feed_states_of(&record)?;
        }
        match &record.body {
            Body::Sale(sale) => {
                if let Some(member) = sale.member
                    && self.make_known(member)?
                {
                    exceptions.push(unknown_member(event, member));
                }
                exceptions.extend(self.rules_differ(incarnation, &record, sale)?);
                self.write_sale(incarnation, event, &record, sale, reprint)?;
                if let Some(member) = sale.member
                    && reprint.is_none()
                    && sale.sale.kind == SaleKind::Sale
                    && !sale.sale.training
                {
                    self.count_at_terminal(member, &incarnation.terminal, false)?;
                }
                if reprint.is_none() {
                    match sale.sale.kind {
                        SaleKind::Sale => self.settle_waiting(incarnation, sale)?,
                        SaleKind::Return => self.post_return(incarnation, event, &record, sale)?,
                    }
                }
            }
            Body::Void(void) => {
                let sale = self.voided_sale(incarnation, &record)?;
                self.write_void(event, sale)?;
                self.post_void(incarnation, event, &record, void, sale)?;
            }
            Body::Redemption(redemption) => {
                self.note_member_at(redemption.member, &incarnation.store)?;
                self.note_redemption(incarnation, event, redemption, Some(event))?;
                self.count_at_terminal(redemption.member, &incarnation.terminal, true)?;
                self.order_that_waited(&record, event)?;
            }
            Body::DayClose(close) => self.write_day(incarnation, position, close)?,
            Body::PosTotals(totals) => self.write_pos_totals(incarnation, position, totals)?,
            Body::Reservation(reservation) => {
                self.note_member_at(reservation.redemption.member, &incarnation.store)?;
                self.note_redemption(incarnation, event, &reservation.redemption, None)?;
                self.order_that_waited(&record, event)?;
            }
            Body::RightsReturned(returned) => {
                if returned.reason == ReturnReason::Retired && record.origin.is_none() {
                    self.retire_now(&incarnation.terminal)?;
                }
            }
            Body::Release(release) => {
                self.note_release(self.meant(incarnation.id, release.reservation)?, release.reason)?;
            }
            Body::Confirmation(confirmation) => {
                let reservation = self.meant(incarnation.id, confirmation.reservation)?;
                self.note_confirmation(reservation, event)?;
                if let Some(row) = self.redemption_row(reservation)? {
                    self.count_at_terminal(row.member, &incarnation.terminal, true)?;
                }
                self.carry_waiting_order(reservation)?;
            }
            Body::Reversal(reversal) => self.note_reversal(event, reversal)?,
            Body::ReverseRequest(request) => {
                let redemption = self.meant(incarnation.id, request.redemption)?;
                self.order_reversal(redemption, &event.to_string(), request.reason.as_deref())?;
            }
            Body::Document(_) if self.faults.panic_on_document => panic!("a fault that was asked for"),
            Body::CaptureGap(_) | Body::Document(_) | Body::Succession(_) => {}
        }
        self.write_exceptions(incarnation, position, &exceptions)
    }

    /// Nothing is new here of a record that is not posted. Its till counts it on top of the state that it has: it needs
    /// one that includes the record.
    fn feed_states_of(&self, record: &Record) -> Result<(), HubError> {
        let members: BTreeSet<MemberId> = record.entries.iter().map(|entry| entry.member).collect();
        members.into_iter().try_for_each(|member| self.feed_state(member))
    }

    fn plan(&self, record: &Record, event: EventId) -> Result<Posting, HubError> {
        let ledger = Ledger(self.tx);
        let mut poster = Poster::new(&ledger);
        for (id, entry) in record.entry_ids(event.incarnation, event.position) {
            if !self.entry_is_here(id, entry.member)? {
                poster.post(id, entry)?;
            }
        }
        Ok(poster.finish())
    }

    fn write_posting(
        &self,
        incarnation: &Incarnation,
        event: EventId,
        record: &Record,
        posting: &Posting,
        exceptions: &mut Vec<Exception>,
    ) -> Result<(), HubError> {
        let sale_position = match &record.body {
            Body::Sale(_) => Some(event.position),
            Body::Void(_) => {
                let sale = self.voided_sale(incarnation, record)?;
                sale.filter(|sale| sale.incarnation == event.incarnation).map(|sale| sale.position)
            }
            _ => None,
        };
        let context = RowContext {
            event: Some(event),
            sale_position,
            store: Some(incarnation.store.clone()),
            business_date: Some(record.business_date),
            ..RowContext::default()
        };
        let mut touched: BTreeSet<(MemberId, &str)> = BTreeSet::new();
        for row in &posting.rows {
            touched.insert((row.entry.member, &row.entry.purse));
        }
        let members: BTreeSet<MemberId> = touched.iter().map(|(member, _)| *member).collect();
        for member in &members {
            if self.make_known(*member)? {
                exceptions.push(unknown_member(event, *member));
            }
        }
        for row in &posting.rows {
            self.write_row(row, &context)?;
            if self.faults.post_twice {
                self.write_row(&again(row), &context)?;
            }
        }
        for (member, purse) in &touched {
            self.repay(*member, purse)?;
        }
        exceptions.extend(self.left_owed(posting)?);
        for member in members {
            self.end_answered_recalls(member)?;
            self.note_member_at(member, &incarnation.store)?;
        }
        Ok(())
    }

    /// What a posting left owed after everything that pays at once.
    fn left_owed(&self, posting: &Posting) -> Result<Vec<Exception>, HubError> {
        let mut raised: BTreeMap<(MemberId, &str, DebtKind), i64> = BTreeMap::new();
        // What has no cover is said by itself.
        for row in posting.rows.iter().filter(|row| row.entry.debt.is_some()) {
            if let Account::Debt(kind) = row.debit {
                let units = raised.entry((row.entry.member, row.entry.purse.as_str(), kind)).or_default();
                *units = units.saturating_add(row.units);
            }
        }
        let mut exceptions = Vec::new();
        for ((member, purse, kind), units) in raised {
            let mut left = Ledger(self.tx).debt(member, purse, kind)?.min(units);
            if kind == DebtKind::Clawback {
                left -= self.write_off_clawback(member, purse, left)?;
            }
            exceptions.extend(debt_exception(kind, purse, left));
        }
        Ok(exceptions)
    }

    /// A member was seen at a store: its tills keep it, and hear how it stands.
    fn note_member_at(&self, member: MemberId, store: &str) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "INSERT INTO seen_at_store (bucket, member, store, last_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET last_ms = max(last_ms, excluded.last_ms)",
            )
            .and_then(|mut insert| insert.execute((member.bucket(), member.0, store, self.now_ms)))
            .doing("noting where a member was seen")?;
        self.plan_soon(member)?;
        self.feed_state(member)
    }

    /// What the published rules give otherwise, on the recorded inputs.
    fn rules_differ(
        &self,
        incarnation: &Incarnation,
        record: &Record,
        sale: &SaleRecord,
    ) -> Result<Option<Exception>, HubError> {
        let exception = |reason| Some(Exception { kind: ExceptionKind::ProgramMismatch, reason });
        let number = &sale.sale.receipt_number;
        let Some(version) = record.program_version else {
            let moved = !sale.awards.is_empty();
            return Ok(if moved { exception(format!("receipt {number}: units without a program")) } else { None });
        };
        let program = match self.compiled(version) {
            // Rules that this hub cannot read are looked at later; posting does not wait for that.
            Err(HubError::Database { detail }) => return Ok(exception(format!("receipt {number}: {detail}"))),
            other => other?,
        };
        let Some(program) = program else {
            return Ok(exception(format!("receipt {number}: program version {version} was never published")));
        };
        let settings = match self.store_settings(&incarnation.store) {
            // They may come from the program published last, which may be one that this hub cannot read either.
            Err(HubError::Database { detail }) => return Ok(exception(format!("receipt {number}: {detail}"))),
            other => other?,
        };
        let Ok(calendar) = super::fleet::calendar(&settings) else {
            return Ok(exception(format!("receipt {number}: the store's time zone or day end cannot be read")));
        };
        let place =
            PlaceOfSale { calendar, store: settings.store, groups: settings.groups, lane: incarnation.lane.clone() };
        let difference = program_difference(&program, &place, record, sale);
        Ok(difference.and_then(|difference| exception(format!("receipt {number}: {difference}"))))
    }

    /// A visit more, or one less where the sale is undone.
    pub(super) fn count_visit(&self, member: MemberId, change: i64) -> Result<(), HubError> {
        self.tx
            .prepare_cached("UPDATE member SET visits = max(0, visits + ?3) WHERE bucket = ?1 AND member = ?2")
            .and_then(|mut update| update.execute((member.bucket(), member.0, change)))
            .doing("counting a visit")?;
        Ok(())
    }

    /// A sale with a member counts as a visit, and its store's tills keep the member from now on.
    pub(super) fn note_visit(&self, member: MemberId, sale: &SaleRecord, store: &str) -> Result<(), HubError> {
        self.make_known(member)?;
        if sale.sale.kind == SaleKind::Sale && !sale.sale.training {
            self.count_visit(member, 1)?;
        }
        self.note_member_at(member, store)
    }
}

fn unknown_member(event: EventId, member: MemberId) -> Exception {
    let reason = format!("{event} names a member that head office does not know: {member}");
    Exception { kind: ExceptionKind::UnknownMember, reason }
}

/// Whether an error is about what the record says, so that waiting would change nothing.
fn is_of_the_record(error: &HubError) -> bool {
    match error {
        HubError::Storage { source, .. } => matches!(
            source.sqlite_error_code(),
            Some(
                rusqlite::ErrorCode::ConstraintViolation
                    | rusqlite::ErrorCode::TooBig
                    | rusqlite::ErrorCode::TypeMismatch
            )
        ),
        HubError::Entry(_) | HubError::Invalid { .. } | HubError::Conflict { .. } => true,
        HubError::NotFound { .. }
        | HubError::Busy
        | HubError::Database { .. }
        | HubError::IdempotencyMismatch { .. } => false,
    }
}

/// The same row under an id that no author gave: [`super::Faults::post_twice`].
fn again(row: &Row) -> Row {
    const FAR: u32 = 1 << 20;
    let id = match row.id {
        EntryId::Terminal { incarnation, position, index } => {
            EntryId::Terminal { incarnation, position, index: index + FAR }
        }
        hub @ EntryId::Hub { .. } => hub,
    };
    Row { id, ..row.clone() }
}
