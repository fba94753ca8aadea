//! Recording a sale: what it is, whom it is for, what it gives; and finding it again.
//!
//! What a return takes back is decided in `returns`; no sale's awards are given on one. A training sale is evaluated and
//! moves nothing.

use counterfoil_protocol::id::{EventId, IdentifierHash, MemberId};
use counterfoil_protocol::record::{Award, Body, Idempotency, SaleRecord, Source};
use counterfoil_protocol::sale::{Sale, SaleKind};
use counterfoil_protocol::wire::v1::feed::MemberStatus;

use crate::answer::{Quote, SaleAnswer, SaleState, SaleView, SkippedRule};
use crate::command::{Call, Now, Reply};
use crate::error::CommandError;
use crate::journal::{Draft, Place};
use crate::members::Who;
use crate::purses::MemberBook;
use crate::receipts::{Known, SaleRow};
use crate::rules::{InForce, accrued};
use crate::till::Till;
use crate::validate::check_sale;

/// Beyond this the sale's own time is not used for rules.
const OCCURRED_MS_MAX: i64 = 48 * 60 * 60 * 1000;

/// Marks of the published interface.
const MARK_ARITHMETIC: &str = "arithmetic";
const MARK_UNKNOWN_MEMBER: &str = "unknown-member";
const MARK_CLOCK_SUSPECT: &str = "clock-suspect";
/// The sale is for somebody whose membership is closed: nothing is accrued.
const MARK_CLOSED_MEMBER: &str = "closed-member";
/// No program has reached the till.
const MARK_NO_PROGRAM: &str = "no-program";
const MARK_TRAINING: &str = "training";

/// Whom a sale is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buyer {
    Nobody,
    Member(MemberId),
    Unknown(Option<IdentifierHash>),
}

/// What came of taking a sale.
pub(crate) enum Taken {
    Recorded(Reply<SaleAnswer>),
    /// The number is taken by a sale with other content.
    Conflict(SaleRow, &'static str),
}

/// A sale or return to be taken.
pub(crate) struct Document {
    pub sale: Sale,
    pub source: Source,
    pub idempotency: Option<Idempotency>,
    /// When its document ended, by this machine's clock.
    pub cut_ms: i64,
    /// For a return: where its sale stands, where the caller knows.
    pub original: Option<u64>,
}

impl Document {
    pub(crate) fn of(sale: Sale, call: Call, now: Now) -> Self {
        Self { sale, source: call.source, idempotency: call.idempotency, cut_ms: now.wall_ms, original: None }
    }
}

/// Everything decided about a sale before it is written.
struct Weighed {
    buyer: Buyer,
    occurred_at_ms: i64,
    rule_ms: i64,
    marks: Vec<String>,
}

impl Weighed {
    fn into_record(self, document: Document) -> (SaleRecord, Vec<String>, Option<Idempotency>) {
        let (member, unknown_identifier) = match self.buyer {
            Buyer::Nobody => (None, None),
            Buyer::Member(member) => (Some(member), None),
            Buyer::Unknown(hash) => (None, hash),
        };
        let record = SaleRecord {
            settles: None,
            occurred_at_ms: self.occurred_at_ms,
            member,
            unknown_identifier,
            inputs: None,
            awards: Vec::new(),
            failures: Vec::new(),
            source: document.source,
            sale: Sale { member: None, ..document.sale },
        };
        (record, self.marks, document.idempotency)
    }
}

impl Till {
    /// Records a sale or a return, durable before the answer. The same receipt again, by whatever path, gets the
    /// first answer.
    ///
    /// # Errors
    /// When the sale cannot be taken, its receipt number stands for another sale, or nothing can be written.
    pub fn record_sale(&mut self, sale: Sale, call: Call, now: Now) -> Result<Reply<SaleAnswer>, CommandError> {
        self.usable()?;
        if let Some(first) = self.first_answer(call.idempotency.as_ref())? {
            self.mark_again()?;
            return Ok(first);
        }
        let number = sale.receipt_number.clone();
        match self.transact(|till| till.take_document(Document::of(sale, call, now), now))? {
            Taken::Recorded(reply) => Ok(reply),
            Taken::Conflict(row, difference) => Err(self.receipt_conflict(number, &row, difference)?),
        }
    }

    pub(crate) fn receipt_conflict(
        &self,
        receipt_number: String,
        row: &SaleRow,
        difference: &'static str,
    ) -> Result<CommandError, CommandError> {
        Ok(CommandError::ReceiptConflict { receipt_number, first: self.event_at(row.position)?, difference })
    }

    /// Takes a sale inside the open transaction.
    pub(crate) fn take_document(&mut self, mut document: Document, now: Now) -> Result<Taken, CommandError> {
        self.name_accounts(&mut document.sale)?;
        let Document { sale, source, idempotency, cut_ms, original } = document;
        check_sale(&sale, &self.enrolment.store.currency)?;
        let occurred_at_ms = self.occurred_at_ms(&sale)?;
        match self.known_receipt(&sale, occurred_at_ms)? {
            Known::Other(row, difference) => return Ok(Taken::Conflict(row, difference)),
            Known::Same(row) => {
                self.remember_repeat(idempotency.as_ref(), row.position)?;
                let first = self.answer_at(row.position)?;
                return first.map(Taken::Recorded).ok_or_else(|| {
                    CommandError::damaged(format!("the answer of sale {} cannot be read", row.position))
                });
            }
            Known::No => {}
        }
        self.close_day_if_over(now)?;
        let weighed = self.weigh(&sale, occurred_at_ms, cut_ms, now)?;
        if sale.kind == SaleKind::Sale && !sale.training {
            self.use_up_pending(cut_ms)?;
        }
        let document = Document { sale, source, idempotency, cut_ms, original };
        let reply = match document.sale.kind {
            SaleKind::Sale => self.write_sale(document, weighed, now)?,
            SaleKind::Return => self.write_return(document, weighed, now)?,
        };
        Ok(Taken::Recorded(reply))
    }

    fn write_sale(
        &mut self,
        document: Document,
        weighed: Weighed,
        now: Now,
    ) -> Result<Reply<SaleAnswer>, CommandError> {
        let program = self.program_at(weighed.rule_ms, self.time_ms(now)).cloned();
        let rule_ms = weighed.rule_ms;
        let (mut record, mut marks, idempotency) = weighed.into_record(document);
        let member = record.member;
        let business_date = self.day_for_record(now)?.business_date;
        let mut entries = Vec::new();
        if program.is_none() {
            marks.push(MARK_NO_PROGRAM.to_owned());
        }
        if let (Some(member), Some(program)) = (member, &program) {
            let book = self.book(member)?;
            if self.member_status(member, &book)? == MemberStatus::Closed {
                marks.push(MARK_CLOSED_MEMBER.to_owned());
            } else {
                self.award(&mut record, member, &book, program, rule_ms)?;
                if !record.sale.training {
                    entries = self.accrual_entries(&program.program, member, &record.awards, &book, business_date)?;
                }
            }
        }
        let mut shown = accrued(&record.awards);
        let of_cards = program.as_ref().map(|found| &found.program);
        let (loads, loaded) = self.load_gift_cards(&record.sale, of_cards, business_date, &mut marks)?;
        entries.extend(loads);
        shown.extend(loaded);
        let sale_ref = record.sale.sale_ref.clone().filter(|_| !record.sale.training);
        let answer_marks = marks.clone();
        let draft = Draft {
            body: Body::Sale(Box::new(record)),
            entries,
            marks,
            program_version: program.map(|found| found.version),
            idempotency,
        };
        let confirms = sale_ref.clone();
        let reply = self.append(draft, now, |till, place: &Place| {
            let purses = member.map(|member| till.purses_after_confirming(member, confirms.as_deref(), now));
            let purses = purses.transpose()?.unwrap_or_default();
            Ok(SaleAnswer {
                sale_id: place.event,
                business_date: place.business_date,
                member_id: member,
                accrued: shown,
                purses,
                marks: answer_marks,
                reversed: Vec::new(),
                journal_position: place.event.position,
            })
        })?;
        if let Some(sale_ref) = sale_ref {
            self.confirm_for_sale(&sale_ref, reply.answer.sale_id, now)?;
        }
        Ok(reply)
    }

    fn write_return(
        &mut self,
        document: Document,
        weighed: Weighed,
        now: Now,
    ) -> Result<Reply<SaleAnswer>, CommandError> {
        let program = self.program_at(weighed.rule_ms, self.time_ms(now)).cloned();
        let known = document.original;
        let (mut record, mut marks, idempotency) = weighed.into_record(document);
        self.give_rewards_of_return_back(&record.sale, known, now)?;
        let settlement = self.settle_return(&record.sale, known, record.member, program.as_ref(), now)?;
        (record.member, record.settles) = (settlement.member, settlement.settles);
        marks.extend(settlement.marks.iter().map(|mark| (*mark).to_owned()));
        if program.is_none() {
            marks.push(MARK_NO_PROGRAM.to_owned());
        }
        let member = record.member;
        let (answer_marks, reversed) = (marks.clone(), settlement.reversed);
        let draft = Draft {
            body: Body::Sale(Box::new(record)),
            entries: settlement.entries,
            marks,
            program_version: program.map(|found| found.version),
            idempotency,
        };
        self.append(draft, now, |till, place: &Place| {
            Ok(SaleAnswer {
                sale_id: place.event,
                business_date: place.business_date,
                member_id: member,
                accrued: Vec::new(),
                purses: member.map(|member| till.purse_amounts(member, now)).transpose()?.unwrap_or_default(),
                marks: answer_marks,
                reversed,
                journal_position: place.event.position,
            })
        })
    }

    fn award(
        &self,
        record: &mut SaleRecord,
        member: MemberId,
        book: &MemberBook,
        program: &InForce,
        rule_ms: i64,
    ) -> Result<(), CommandError> {
        let inputs = self.member_inputs(member, book)?;
        let evaluation = self.evaluate(&program.program, &record.sale, rule_ms, &inputs);
        record.inputs = Some(inputs);
        record.awards = evaluation.awards;
        record.failures = evaluation.failures;
        Ok(())
    }

    pub(crate) fn occurred_at_ms(&self, sale: &Sale) -> Result<i64, CommandError> {
        self.calendar.parse_instant_ms(&sale.occurred_at).ok_or_else(|| {
            CommandError::InvalidSale(format!(
                "`occurred_at` is {:?}; a time like 2026-11-20T10:15:00+00:00 is needed",
                sale.occurred_at
            ))
        })
    }

    /// Whom the sale is for, which time the rules see, and what is odd.
    fn weigh(&self, sale: &Sale, occurred_at_ms: i64, cut_ms: i64, now: Now) -> Result<Weighed, CommandError> {
        let mut marks = Vec::new();
        if sale.arithmetic_error().is_some() {
            marks.push(MARK_ARITHMETIC.to_owned());
        }
        let plausible = occurred_at_ms.saturating_sub(cut_ms).saturating_abs() <= OCCURRED_MS_MAX;
        if !plausible || self.clock_suspect(now) {
            marks.push(MARK_CLOCK_SUSPECT.to_owned());
        }
        let buyer = self.buyer(sale, cut_ms)?;
        if matches!(buyer, Buyer::Unknown(_)) {
            marks.push(MARK_UNKNOWN_MEMBER.to_owned());
        }
        if sale.training {
            marks.push(MARK_TRAINING.to_owned());
        }
        Ok(Weighed { buyer, occurred_at_ms, rule_ms: if plausible { occurred_at_ms } else { cut_ms }, marks })
    }

    /// The sale's own member, else the card that waits.
    fn buyer(&self, sale: &Sale, cut_ms: i64) -> Result<Buyer, CommandError> {
        let who = match &sale.member {
            Some(who) => match self.resolve(who) {
                // What a POS sends as a card number may be anything; the sale is recorded all the same.
                Err(CommandError::InvalidRequest(_)) => Who::Unknown(None),
                other => other?,
            },
            None if sale.kind == SaleKind::Return || sale.training => return Ok(Buyer::Nobody),
            None => match self.pending_for(cut_ms)? {
                Some(hash) => self.resolve_hash(hash)?,
                None => return Ok(Buyer::Nobody),
            },
        };
        Ok(match who {
            Who::Known(member) => Buyer::Member(member),
            Who::Unknown(hash) => Buyer::Unknown(hash),
        })
    }

    /// What a sale would accrue and which rewards the member could have; records nothing.
    ///
    /// # Errors
    /// When the sale cannot be taken, or no program is in force.
    pub fn quote(&self, sale: &Sale, now: Now) -> Result<Quote, CommandError> {
        self.usable()?;
        check_sale(sale, &self.enrolment.store.currency)?;
        let occurred_at_ms = self.occurred_at_ms(sale)?;
        let weighed = self.weigh(sale, occurred_at_ms, now.wall_ms, now)?;
        let program = self.program_at(weighed.rule_ms, self.time_ms(now)).ok_or(CommandError::NoProgram)?;
        let member = match weighed.buyer {
            Buyer::Member(member) => Some(member),
            Buyer::Nobody | Buyer::Unknown(_) => None,
        };
        let mut quote = Quote {
            member_id: member,
            accrued: Vec::new(),
            skipped: Vec::new(),
            purses: Vec::new(),
            rewards: Vec::new(),
            marks: weighed.marks,
        };
        let Some(member) = member else {
            return Ok(quote);
        };
        let book = self.book(member)?;
        let status = self.member_status(member, &book)?;
        quote.purses = self.purse_amounts(member, now)?;
        quote.rewards = self.reward_views(&book, status, now);
        if sale.kind == SaleKind::Sale && status != MemberStatus::Closed {
            let inputs = self.member_inputs(member, &book)?;
            let evaluation = self.evaluate(&program.program, sale, weighed.rule_ms, &inputs);
            let awards: &[Award] = &evaluation.awards;
            quote.accrued = accrued(awards);
            quote.skipped = evaluation
                .skipped
                .into_iter()
                .map(|skipped| SkippedRule { rule: skipped.rule, why: skipped.why })
                .collect();
        }
        Ok(quote)
    }

    /// A recorded sale.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn sale(&self, id: EventId) -> Result<Option<SaleView>, CommandError> {
        self.usable()?;
        let Some(place) = self.place_of(id)? else {
            return Ok(None);
        };
        let row = self.sale_at(place)?;
        row.map(|row| self.sale_view(&row)).transpose()
    }

    /// The last sale with this receipt number.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn sale_by_receipt(&self, receipt_number: &str) -> Result<Option<SaleView>, CommandError> {
        self.usable()?;
        let row = self.last_sale_by("receipt_number", receipt_number)?;
        row.map(|row| self.sale_view(&row)).transpose()
    }

    /// The last sale with this reference of the POS.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn sale_by_ref(&self, sale_ref: &str) -> Result<Option<SaleView>, CommandError> {
        self.usable()?;
        let row = self.last_sale_by("sale_ref", sale_ref)?;
        row.map(|row| self.sale_view(&row)).transpose()
    }

    fn sale_view(&self, row: &SaleRow) -> Result<SaleView, CommandError> {
        let damaged = || CommandError::damaged(format!("sale {} cannot be read", row.position));
        let record = self.record_at(row.position)?.ok_or_else(damaged)?;
        let answer = self.answer_at(row.position)?.ok_or_else(damaged)?.answer;
        let Body::Sale(sale) = record.body else {
            return Err(damaged());
        };
        let state = if row.void_position.is_some() { SaleState::Voided } else { SaleState::Recorded };
        Ok(SaleView { answer, state, sale: sale.sale })
    }
}
