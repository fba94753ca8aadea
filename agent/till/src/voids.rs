//! Undoing a sale of this till as a whole.
//!
//! What it gave to be held here is taken back from what is held here; what is no longer here, and what it gave for head
//! office to hold, is owed (`clawback`), and head office collects that from units it holds. So rights that were granted
//! before the sale are still here after its void. Undone once: a second void gets the first answer.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, Holder, MemberId};
use counterfoil_protocol::program::Program;
use counterfoil_protocol::record::{Body, Idempotency, Record, Source, VoidRecord};
use counterfoil_protocol::returns::{Share, given};
use counterfoil_protocol::sale::Sale;

use crate::answer::{Reversed, SaleState, VoidAnswer};
use crate::choose::{Clock, spending_order};
use crate::command::{Call, Now, Reply};
use crate::error::CommandError;
use crate::journal::Draft;
use crate::receipts::SaleRow;
use crate::till::Till;

impl Till {
    /// Undoes a sale that this till recorded.
    ///
    /// # Errors
    /// When there is no such sale, it is a return, or nothing can be written.
    pub fn void(&mut self, sale: EventId, call: Call, now: Now) -> Result<Reply<VoidAnswer>, CommandError> {
        self.usable()?;
        if let Some(first) = self.first_answer::<VoidAnswer>(call.idempotency.as_ref())? {
            self.marked_up_to(first.position)?;
            return Ok(first);
        }
        let unknown = || CommandError::UnknownSale(sale.to_string());
        let place = self.place_of(sale)?.ok_or_else(unknown)?;
        let row = self.sale_at(place)?.ok_or_else(unknown)?;
        if row.is_return {
            let why = "a return cannot be voided: sell the goods again, and their points are given again";
            return Err(CommandError::InvalidRequest(why.to_owned()));
        }
        let reply = self.transact(|till| till.take_void(&row, None, call.source, call.idempotency, now))?;
        self.marked_up_to(reply.position)?;
        Ok(reply)
    }

    /// Undoes a sale inside the open transaction. The caller stores a marker before it answers.
    pub(crate) fn take_void(
        &mut self,
        row: &SaleRow,
        receipt_number: Option<String>,
        source: Source,
        idempotency: Option<Idempotency>,
        now: Now,
    ) -> Result<Reply<VoidAnswer>, CommandError> {
        if let Some(position) = row.void_position {
            self.remember_repeat(idempotency.as_ref(), position)?;
            let first = self.answer_at(position)?;
            return first.ok_or_else(|| CommandError::damaged(format!("the answer of void {position} cannot be read")));
        }
        let damaged = || CommandError::damaged(format!("sale {} cannot be read", row.position));
        let sale_record = self.record_at(row.position)?.ok_or_else(damaged)?;
        let Body::Sale(sold) = &sale_record.body else {
            return Err(damaged());
        };
        // A training sale was never counted, so its void takes nothing off.
        let (total, tax) = if row.training { (0, 0) } else { (sold.sale.total, sold.sale.tax.unwrap_or(0)) };
        let voided_receipt = sold.sale.receipt_number.clone();
        if self.has_returns(row.position)? {
            return Err(CommandError::InvalidRequest(format!(
                "goods of receipt {voided_receipt} came back already, so it cannot be voided as a whole: return the rest of it"
            )));
        }
        let wanted: Vec<ToTake> = given(&sale_record, sold, None)
            .into_iter()
            .map(|given| ToTake { member: given.member, purse: given.purse, already: 0, now: given.target_units })
            .collect();
        self.close_day_if_over(now)?;
        self.give_rewards_back(&sold.sale, Share::ALL, "its sale was voided", now)?;
        let (entries, reversed) = self.taken_back(&sale_record, &wanted, now)?;
        // A sale that only an earlier journal has is named in full.
        let is_past = crate::place::past(row.position).is_some();
        let sale_id = self.event_at(row.position)?;
        let body = VoidRecord {
            sale_position: (!is_past).then_some(row.position),
            voided_receipt,
            receipt_number,
            total,
            tax,
            source,
            sale: is_past.then_some(sale_id),
        };
        let draft = Draft { entries, idempotency, ..Draft::of(Body::Void(body)) };
        let member = row.member;
        self.append(draft, now, |till, place| {
            Ok(VoidAnswer {
                void_id: place.event,
                sale_id,
                state: SaleState::Voided,
                business_date: place.business_date,
                member_id: member,
                reversed,
                purses: member.map(|member| till.purse_amounts(member, now)).transpose()?.unwrap_or_default(),
                journal_position: place.event.position,
            })
        })
    }

    /// The entries that take back of what a sale gave, and a summary per purse. What the sale gave to be held here first,
    /// from its own lot, then from whatever may be spent here; what cannot be taken is owed. A till that may be a copy
    /// takes nothing it holds.
    pub(crate) fn taken_back(
        &self,
        sale: &Record,
        wanted: &[ToTake],
        now: Now,
    ) -> Result<(Vec<Entry>, Vec<Reversed>), CommandError> {
        let (mut entries, mut summary) = (Vec::new(), Vec::new());
        for want in wanted {
            let is_given = |entry: &&Entry| {
                entry.kind == EntryKind::Accrue && entry.member == want.member && entry.purse == want.purse
            };
            let mut accruals: Vec<&Entry> = sale.entries.iter().filter(is_given).collect();
            accruals.sort_by_key(|entry| entry.to == Some(Holder::Hub));
            let mut taking = Taking::new(self, want.member, &want.purse, now)?;
            let (mut skip, mut left) = (want.already, want.now);
            for accrual in accruals {
                let skipped = skip.min(accrual.units);
                skip -= skipped;
                let units = left.min(accrual.units - skipped);
                left -= units;
                taking.take(accrual.lot, units, accrual.to != Some(Holder::Hub));
            }
            let (taken, owed) = taking.finish();
            if want.now > 0 {
                summary.push(Reversed { purse: want.purse.clone(), amount: want.now, owed });
            }
            entries.extend(taken);
        }
        Ok((entries, summary))
    }

    /// What goods alone would have given, taken back from what a member may spend here; the rest is owed.
    pub(crate) fn base_taken_back(
        &self,
        program: &Program,
        returned: &Sale,
        member: MemberId,
        now: Now,
    ) -> Result<(Vec<Entry>, Vec<Reversed>), CommandError> {
        let (mut entries, mut summary) = (Vec::new(), Vec::new());
        let at_ms = self.occurred_at_ms(returned)?;
        for award in self.evaluate_base(program, returned, at_ms).awards.iter().filter(|award| award.amount > 0) {
            let mut taking = Taking::new(self, member, &award.purse, now)?;
            taking.take(Lot::default(), award.amount, true);
            let (taken, owed) = taking.finish();
            summary.push(Reversed { purse: award.purse.clone(), amount: award.amount, owed });
            entries.extend(taken);
        }
        Ok((entries, summary))
    }
}

/// Units to take back of one purse of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToTake {
    pub member: MemberId,
    pub purse: String,
    /// Taken back before.
    pub already: i64,
    /// To be taken now.
    pub now: i64,
}

/// One purse while units are taken from it.
struct Taking {
    member: MemberId,
    purse: String,
    free: BTreeMap<Lot, i64>,
    clock: Clock,
    entries: Vec<Entry>,
    owed: i64,
}

impl Taking {
    fn new(till: &Till, member: MemberId, purse: &str, now: Now) -> Result<Self, CommandError> {
        let free = if till.standing.is_sound() { till.book(member)?.purse(purse).free() } else { BTreeMap::new() };
        let (purse, clock) = (purse.to_owned(), till.clock(now));
        Ok(Self { member, purse, free, clock, entries: Vec::new(), owed: 0 })
    }

    fn take(&mut self, lot: Lot, mut left: i64, from_here: bool) {
        let mut order: Vec<Lot> =
            self.free.keys().copied().filter(|other| *other != lot && self.clock.allows(*other)).collect();
        order.sort_by_key(|lot| spending_order(*lot));
        order.insert(0, lot);
        for from in order.into_iter().filter(|_| from_here) {
            let here = self.free.get(&from).copied().unwrap_or(0);
            let taken = left.min(here);
            if taken > 0 {
                self.free.insert(from, here - taken);
                left -= taken;
                self.write(from, taken, None);
            }
        }
        if left > 0 {
            self.owed = self.owed.saturating_add(left);
            self.write(lot, left, Some(DebtKind::Clawback));
        }
    }

    fn write(&mut self, lot: Lot, units: i64, debt: Option<DebtKind>) {
        let (kind, member) = (EntryKind::ReverseAccrual, self.member);
        self.entries.push(Entry { kind, member, purse: self.purse.clone(), lot, units, to: None, debt });
    }

    fn finish(self) -> (Vec<Entry>, i64) {
        (self.entries, self.owed)
    }
}
