//! Undoing a sale of this till as a whole.
//!
//! What it gave to be held here is taken back from what is held here; what is no longer here, and what it gave for head
//! office to hold, is owed (`clawback`), and head office collects that from units it holds. So rights that were granted
//! before the sale are still here after its void. Undone once: a second void gets the first answer.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, Holder, MemberId};
use counterfoil_protocol::record::{Body, Idempotency, Record, Source, VoidRecord};

use crate::answer::{Reversed, SaleState, VoidAnswer};
use crate::command::{Call, Now, Reply};
use crate::error::CommandError;
use crate::journal::Draft;
use crate::purses::spending_order;
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
        if sale.incarnation != self.incarnation {
            return Err(unknown());
        }
        let row = self.sale_at(sale.position)?.ok_or_else(unknown)?;
        if row.is_return {
            return Err(CommandError::Later { capability: "voiding a return" });
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
        let (entries, reversed) = self.taken_back(&sale_record)?;
        self.close_day_if_over(now)?;
        let body = VoidRecord { sale_position: Some(row.position), voided_receipt, receipt_number, total, tax, source };
        let draft = Draft { entries, idempotency, ..Draft::of(Body::Void(body)) };
        let sale_id = EventId { incarnation: self.incarnation, position: row.position };
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

    /// The entries that take back what a sale gave, and a summary per purse.
    fn taken_back(&self, sale: &Record) -> Result<(Vec<Entry>, Vec<Reversed>), CommandError> {
        let mut given: BTreeMap<(MemberId, String), Vec<&Entry>> = BTreeMap::new();
        for entry in sale.entries.iter().filter(|entry| entry.kind == EntryKind::Accrue) {
            given.entry((entry.member, entry.purse.clone())).or_default().push(entry);
        }
        let (mut entries, mut summary) = (Vec::new(), Vec::new());
        for ((member, purse), accruals) in given {
            let mut held = self.book(member)?.purse(&purse).held;
            let reverse = |lot, units, debt| Entry {
                kind: EntryKind::ReverseAccrual,
                member,
                purse: purse.clone(),
                lot,
                units,
                to: None,
                debt,
            };
            let (mut amount, mut owed) = (0i64, 0i64);
            for accrual in accruals {
                let lot = accrual.lot;
                amount = amount.saturating_add(accrual.units);
                let mut left = accrual.units;
                // The lot that the sale made first, then whatever is here.
                let mut order: Vec<Lot> = held.keys().copied().filter(|other| *other != lot).collect();
                order.sort_by_key(|lot| spending_order(*lot));
                order.insert(0, lot);
                if accrual.to == Some(Holder::Hub) {
                    order.clear();
                }
                for from in order {
                    let here = held.entry(from).or_default();
                    let taken = left.min(*here);
                    if taken > 0 {
                        *here -= taken;
                        left -= taken;
                        entries.push(reverse(from, taken, None));
                    }
                }
                if left > 0 {
                    owed = owed.saturating_add(left);
                    entries.push(reverse(lot, left, Some(DebtKind::Clawback)));
                }
            }
            summary.push(Reversed { purse, amount, owed });
        }
        Ok((entries, summary))
    }
}
