//! Sales undone: returns from anywhere, and voids. What is to be taken back follows from the sale and the set of what
//! undoes it, so the order in which journals arrive makes no difference; what tills have not taken back head office
//! takes, and what they took too much it gives back.
//!
//! A return may come before its sale: it waits, on the exceptions list, and is settled when the sale is posted.

use std::collections::BTreeMap;

use counterfoil_ledger::{Exception, ExceptionKind, LedgerView as _, Undoing, debt_exception, undoing_entries};
use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, IncarnationId, MemberId};
use counterfoil_protocol::program::{Program, ReturnPolicy, ReturnedReward, UnlinkedReturn};
use counterfoil_protocol::record::{Body, Record, SaleRecord, VoidRecord};
use counterfoil_protocol::returns::{back, given};
use counterfoil_protocol::sale::{Sale, SaleKind};
use counterfoil_protocol::time::Date;

use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};
use super::incarnations::{Incarnation, bucket_of};
use super::ledger::{Ledger, RowContext};

/// How a waiting return's exception is closed.
const SALE_HAS_COME: &str = "the sale has come: it was settled";

/// Something that undoes a sale, in whole or in part.
struct Undone {
    event: EventId,
    is_void: bool,
}

/// A sale as it is named by what undoes it.
struct Named<'a> {
    store: &'a str,
    lane: &'a str,
    receipt_number: &'a str,
    business_date: Option<Date>,
    occurred_ms: i64,
}

impl Act<'_> {
    /// A return that was posted: noted, and settled if its sale is here. What is odd about it is written.
    pub(super) fn post_return(
        &self,
        incarnation: &Incarnation,
        event: EventId,
        record: &Record,
        sale: &SaleRecord,
    ) -> Result<(), HubError> {
        if sale.sale.training {
            return Ok(());
        }
        let number = &sale.sale.receipt_number;
        let Some(original) = &sale.sale.original else {
            if self.return_policy(record)?.unlinked == UnlinkedReturn::Exception && record.entries.is_empty() {
                let reason = format!("return {number} names no sale: nothing was taken back");
                self.write_unlinked(incarnation, event, reason)?;
            }
            return Ok(());
        };
        let named = Named {
            store: original.store.as_ref().unwrap_or(&incarnation.store),
            lane: original.lane.as_ref().unwrap_or(&incarnation.lane),
            receipt_number: &original.receipt_number,
            business_date: original.business_date.as_deref().and_then(|text| text.parse().ok()),
            occurred_ms: sale.occurred_at_ms,
        };
        let found = self.named_sale(&named)?;
        self.note_undone(event, false, &named, found)?;
        match found {
            Some(sale) => self.settle_sale(sale, Some(event)),
            None if self.return_policy(record)?.unlinked == UnlinkedReturn::Ignore => Ok(()),
            None => {
                let Named { store, lane, receipt_number, .. } = named;
                let reason = format!(
                    "return {number} names receipt {receipt_number} of {store}, lane {lane}, which is not here: nothing \
                     was taken back yet, and it is settled by itself when that sale comes"
                );
                self.write_unlinked(incarnation, event, reason)
            }
        }
    }

    /// A void that was posted, of a sale that is here.
    pub(super) fn post_void(
        &self,
        incarnation: &Incarnation,
        event: EventId,
        record: &Record,
        void: &VoidRecord,
        sale: Option<EventId>,
    ) -> Result<(), HubError> {
        let Some(sale) = sale else { return Ok(()) };
        let named = Named {
            store: &incarnation.store,
            lane: &incarnation.lane,
            receipt_number: &void.voided_receipt,
            business_date: None,
            occurred_ms: record.recorded_at_ms,
        };
        self.note_undone(event, true, &named, Some(sale))?;
        self.settle_sale(sale, Some(event))
    }

    /// A sale that was posted: what waited for it is settled, and what was taken for another of its number is looked at
    /// again.
    pub(super) fn settle_waiting(&self, incarnation: &Incarnation, sale: &SaleRecord) -> Result<(), HubError> {
        if sale.sale.kind != SaleKind::Sale || sale.sale.training {
            return Ok(());
        }
        let number = &sale.sale.receipt_number;
        type Raw = (i64, [u8; 16], i64, Option<i32>, i64, Option<[u8; 16]>, Option<i64>);
        let rows: Vec<Raw> = self
            .tx
            .prepare_cached(
                "SELECT bucket, incarnation, position, business_date, occurred_ms, sale_incarnation, sale_position
                 FROM undone WHERE receipt_number = ?1 AND store = ?2 AND lane = ?3 AND is_void = 0
                 ORDER BY incarnation, position",
            )
            .and_then(|mut query| {
                query
                    .query_map((number, &incarnation.store, &incarnation.lane), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
                    })?
                    .collect()
            })
            .doing("looking for returns that wait for a sale")?;
        for (bucket, id, position, date, occurred_ms, before, before_position) in rows {
            let event = EventId { incarnation: IncarnationId(id), position: unsigned(position) };
            let before = before.zip(before_position).map(|(incarnation, position)| EventId {
                incarnation: IncarnationId(incarnation),
                position: unsigned(position),
            });
            let named = Named {
                store: &incarnation.store,
                lane: &incarnation.lane,
                receipt_number: number,
                business_date: date.and_then(|date| Date::from_packed(date).ok()),
                occurred_ms,
            };
            let found = self.named_sale(&named)?;
            if found == before {
                continue;
            }
            self.note_undone(event, false, &named, found)?;
            if let Some(before) = before {
                self.settle_sale(before, None)?;
            }
            if let Some(found) = found {
                self.resolve_unlinked(bucket, event)?;
                self.settle_sale(found, Some(event))?;
            }
        }
        Ok(())
    }

    /// What the program says of returns: the one the till went by, else the one in force.
    fn return_policy(&self, record: &Record) -> Result<ReturnPolicy, HubError> {
        // A program that this hub cannot read says nothing.
        let read = |program: Result<Option<Program>, HubError>| match program {
            Err(HubError::Database { .. }) => Ok(None),
            other => other,
        };
        let program = match record.program_version {
            Some(version) => read(self.compiled(version))?,
            None => None,
        };
        let program = match program {
            Some(program) => Some(program),
            None => read(self.program_in_force())?,
        };
        Ok(program.map(|program| *program.returns()).unwrap_or_default())
    }

    fn unlinked_id(event: EventId) -> String {
        format!("{event}.unlinked")
    }

    fn write_unlinked(&self, incarnation: &Incarnation, event: EventId, reason: String) -> Result<(), HubError> {
        let exception = Exception { kind: ExceptionKind::UnlinkedReturn, reason };
        let subject = event.to_string();
        self.write_exception(
            incarnation.bucket(),
            &Self::unlinked_id(event),
            &exception,
            &subject,
            Some(&incarnation.store),
        )
    }

    fn resolve_unlinked(&self, bucket: i64, event: EventId) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "UPDATE exception SET resolution = ?3, resolved_ms = ?4
                 WHERE bucket = ?1 AND id = ?2 AND resolution IS NULL",
            )
            .and_then(|mut update| update.execute((bucket, Self::unlinked_id(event), SALE_HAS_COME, self.now_ms)))
            .doing("closing the exception of a return that waited")?;
        Ok(())
    }

    fn note_undone(
        &self,
        event: EventId,
        is_void: bool,
        named: &Named<'_>,
        sale: Option<EventId>,
    ) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "INSERT INTO undone (bucket, incarnation, position, is_void, occurred_ms, store, lane, receipt_number,
                     business_date, sale_incarnation, sale_position)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT DO UPDATE SET sale_incarnation = excluded.sale_incarnation,
                     sale_position = excluded.sale_position",
            )
            .and_then(|mut insert| {
                insert.execute(rusqlite::params![
                    bucket_of(event.incarnation),
                    event.incarnation.0,
                    signed(event.position),
                    is_void,
                    named.occurred_ms,
                    named.store,
                    named.lane,
                    named.receipt_number,
                    named.business_date.map(Date::packed),
                    sale.map(|sale| sale.incarnation.0),
                    sale.map(|sale| signed(sale.position)),
                ])
            })
            .doing("noting what undoes a sale")?;
        Ok(())
    }

    /// The sale that is named: of that number the last one before its return, else the first after it.
    fn named_sale(&self, named: &Named<'_>) -> Result<Option<EventId>, HubError> {
        let found: Vec<([u8; 16], i64)> = self
            .tx
            .prepare_cached(
                "SELECT s.incarnation, s.position FROM sale s JOIN terminal t ON t.terminal = s.terminal
                 WHERE t.store = ?1 AND t.lane = ?2 AND s.receipt_number = ?3 AND s.kind = 'sale'
                   AND s.reprint_of IS NULL AND (?4 IS NULL OR s.business_date = ?4)
                 ORDER BY s.occurred_ms > ?5, abs(s.occurred_ms - ?5), s.incarnation, s.position",
            )
            .and_then(|mut query| {
                let date = named.business_date.map(Date::packed);
                let key = (named.store, named.lane, named.receipt_number, date, named.occurred_ms);
                query.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .doing("looking for the sale of a return")?;
        for (incarnation, position) in found {
            let event = EventId { incarnation: IncarnationId(incarnation), position: unsigned(position) };
            // Training sells nothing, whatever number it prints.
            if self.sale_record(event)?.is_some_and(|(_, sale)| !sale.sale.training) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn sale_record(&self, event: EventId) -> Result<Option<(Record, SaleRecord)>, HubError> {
        let records = self.records(event.incarnation, event.position, event.position, 1)?;
        let record = records.first().and_then(|(_, bytes)| Record::from_bytes(bytes).ok());
        Ok(record.and_then(|record| match &record.body {
            Body::Sale(sale) => {
                let sale = SaleRecord::clone(sale);
                Some((record, sale))
            }
            _ => None,
        }))
    }

    fn undone_of(&self, sale: EventId) -> Result<Vec<Undone>, HubError> {
        self.tx
            .prepare_cached(
                "SELECT incarnation, position, is_void FROM undone WHERE sale_incarnation = ?1 AND sale_position = ?2
                 ORDER BY incarnation, position",
            )
            .and_then(|mut query| {
                query
                    .query_map((sale.incarnation.0, signed(sale.position)), |row| {
                        let (incarnation, position) = (IncarnationId(row.get(0)?), unsigned(row.get(1)?));
                        Ok(Undone { event: EventId { incarnation, position }, is_void: row.get(2)? })
                    })?
                    .collect()
            })
            .doing("reading what undoes a sale")
    }

    /// Brings what was taken back of a sale to what all that undoes it comes to. `cause`: the act that is posted now.
    fn settle_sale(&self, sale: EventId, cause: Option<EventId>) -> Result<(), HubError> {
        let Some((record, original)) = self.sale_record(sale)? else { return Ok(()) };
        let undone = self.undone_of(sale)?;
        let is_void = undone.iter().any(|one| one.is_void);
        let (mut returns, mut is_shared): (Vec<Sale>, bool) = (Vec::new(), false);
        for one in undone.iter().filter(|one| !one.is_void) {
            if let Some((_, returned)) = self.sale_record(one.event)? {
                is_shared |= returned.settles.is_none();
                returns.push(returned.sale);
            }
        }
        let back = back(&original.sale, &returns);
        let events: Vec<EventId> = undone.iter().map(|one| one.event).collect();
        for given in given(&record, &original, (!is_void).then_some(&back)) {
            let is_its = |entry: &&Entry| {
                entry.kind == EntryKind::Accrue && entry.member == given.member && entry.purse == given.purse
            };
            let undoing = Undoing {
                member: given.member,
                lot: record.entries.iter().find(is_its).map_or(Lot::default(), |entry| entry.lot),
                target_units: given.target_units,
                taken_units: if self.faults.reverse_return_twice {
                    0
                } else {
                    self.taken_of(sale, &events, given.member, &given.purse)?
                },
                purse: given.purse,
            };
            self.write_undoing(sale, cause, &undoing)?;
        }
        if is_shared && back.goods.is_all() {
            self.give_rewards_back(sale, &record, &original)?;
        }
        if back.is_over || (is_void && !returns.is_empty()) {
            self.write_over(sale, &original, is_void)?;
        }
        Ok(())
    }

    fn write_undoing(&self, sale: EventId, cause: Option<EventId>, undoing: &Undoing) -> Result<(), HubError> {
        let entries = undoing_entries(&Ledger(self.tx), undoing, self.today())?;
        if entries.is_empty() {
            return Ok(());
        }
        let place = cause.map(|event| self.incarnation(event.incarnation)).transpose()?.flatten();
        let context = RowContext {
            sale: Some(sale),
            sale_position: Some(sale.position),
            store: place.map(|incarnation| incarnation.store),
            ..RowContext::default()
        };
        let raised = entries.iter().filter(|entry| entry.debt.is_some()).map(|entry| entry.units).sum();
        self.write_hub_rows(undoing.member, entries, &context)?;
        self.repay(undoing.member, &undoing.purse)?;
        let mut left = Ledger(self.tx).debt(undoing.member, &undoing.purse, DebtKind::Clawback)?.min(raised);
        left -= self.write_off_clawback(undoing.member, &undoing.purse, left)?;
        if let Some(exception) = debt_exception(DebtKind::Clawback, &undoing.purse, left) {
            let subject = cause.unwrap_or(sale);
            let id = format!("{subject}.owed.{}", undoing.purse);
            let bucket = bucket_of(subject.incarnation);
            self.write_exception(bucket, &id, &exception, &subject.to_string(), context.store.as_deref())?;
        }
        self.feed_state(undoing.member)
    }

    /// Everything of a sale is back, not all of it to the till that sold: what rewards took under its reference comes
    /// back too, by their author.
    fn give_rewards_back(&self, sale: EventId, record: &Record, original: &SaleRecord) -> Result<(), HubError> {
        let Some(sale_ref) = &original.sale.sale_ref else { return Ok(()) };
        if self.return_policy(record)?.reward == ReturnedReward::Keep {
            return Ok(());
        }
        let Some(seller) = self.incarnation(sale.incarnation)? else { return Ok(()) };
        let redeemed: Vec<([u8; 16], i64)> = self
            .tx
            .prepare_cached(
                "SELECT incarnation, position FROM redemption WHERE terminal = ?1 AND sale_ref = ?2
                 AND state IN ('reserved', 'redeemed') ORDER BY incarnation, position",
            )
            .and_then(|mut query| {
                query.query_map((&seller.terminal, sale_ref), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .doing("looking for what was redeemed under a sale's reference")?;
        for (incarnation, position) in redeemed {
            let redemption = EventId { incarnation: IncarnationId(incarnation), position: unsigned(position) };
            self.order_reversal(redemption, &sale.to_string(), Some("the goods came back"))?;
        }
        Ok(())
    }

    /// Units taken back of a purse for a sale: by the records that undo it, and by head office, less what that gave back.
    fn taken_of(&self, sale: EventId, undone: &[EventId], member: MemberId, purse: &str) -> Result<i64, HubError> {
        let mut taken = 0i64;
        let by_hub: Vec<(Vec<u8>, i64)> = self
            .tx
            .prepare_cached(
                "SELECT entry, units FROM entry WHERE bucket = ?1 AND member = ?2 AND purse = ?3 AND incarnation = ?4
                 AND sale_position = ?5 AND signature IS NOT NULL",
            )
            .and_then(|mut query| {
                let key = (member.bucket(), member.0, purse, sale.incarnation.0, signed(sale.position));
                query.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .doing("adding up what was taken back of a sale")?;
        let mut add =
            |bytes: &[u8], units: i64, gives: bool| match minicbor::decode::<Entry>(bytes).map(|entry| entry.kind) {
                Ok(EntryKind::ReverseAccrual) => taken += units,
                Ok(EntryKind::Accrue) if gives => taken -= units,
                _ => {}
            };
        by_hub.iter().for_each(|(bytes, units)| add(bytes, *units, true));
        for event in undone {
            let by_till: Vec<(Vec<u8>, i64)> = self
                .tx
                .prepare_cached(
                    "SELECT entry, units FROM entry WHERE bucket = ?1 AND member = ?2 AND purse = ?3
                     AND incarnation = ?4 AND position = ?5",
                )
                .and_then(|mut query| {
                    let key = (member.bucket(), member.0, purse, event.incarnation.0, signed(event.position));
                    query.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
                })
                .doing("adding up what was taken back of a sale")?;
            by_till.iter().for_each(|(bytes, units)| add(bytes, *units, false));
        }
        Ok(taken)
    }

    /// More came back than was sold: once per sale, whoever was the last.
    fn write_over(&self, sale: EventId, original: &SaleRecord, is_void: bool) -> Result<(), HubError> {
        let number = &original.sale.receipt_number;
        let reason = if is_void {
            format!("receipt {number} was voided as a whole, and goods of it came back as well: counted once")
        } else {
            format!("more came back of receipt {number} than was sold with it: what is too much counts nothing")
        };
        let exception = Exception { kind: ExceptionKind::OverReturned, reason };
        let store = self.incarnation(sale.incarnation)?.map(|incarnation| incarnation.store);
        let id = format!("{sale}.over-returned");
        self.write_exception(bucket_of(sale.incarnation), &id, &exception, &sale.to_string(), store.as_deref())
    }

    /// The accounts that a sale's gift card lines load, with the identifier that finds each.
    pub(super) fn know_gift_cards(&self, sale: &SaleRecord) -> Result<(), HubError> {
        let mut cards = BTreeMap::new();
        for line in sale.sale.lines.iter().filter(|_| sale.sale.kind == SaleKind::Sale && !sale.sale.training) {
            if let Some(account) = line.account {
                cards.insert(account, line.account_identifier);
            }
        }
        for (account, identifier) in cards {
            self.make_known(account)?;
            if let Some(identifier) = identifier
                && self.member_of(identifier)?.is_none()
            {
                self.put_identifier(identifier, account)?;
            }
        }
        Ok(())
    }
}
