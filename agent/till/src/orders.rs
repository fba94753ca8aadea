//! What head office orders by the feed: rights back, a redemption undone, the till retired.
//!
//! An order is written down with its page and carried out after it, as records of its own. It is done by what it finds:
//! coming again it finds nothing left to do. An order for an earlier life of this terminal is nobody's here.

use counterfoil_protocol::entry::Entry;
use counterfoil_protocol::limits::RECORD_ENTRY_COUNT_MAX;
use counterfoil_protocol::record::{Body, ReleaseReason, ReturnReason, RightsReturnedRecord};
use counterfoil_protocol::wire::v1::feed::{Change, Recall, RetireOrder, ReverseOrder};

use crate::answer::{OrdersReport, RedemptionState};
use crate::choose;
use crate::command::Now;
use crate::error::CommandError;
use crate::expiry::return_entry;
use crate::journal::Draft;
use crate::life;
use crate::reverse::Undoing;
use crate::standing::Standing;
use crate::store::{self, values};
use crate::till::Till;

/// What carrying out one order came to.
enum Done {
    Returned(i64),
    Reversed,
    Retired,
    Nothing,
    Impossible(String),
}

impl Till {
    /// Keeps an order until it is carried out, inside the transaction of its page.
    pub(crate) fn keep_order(&mut self, order: &Change) -> Result<(), CommandError> {
        let bytes = minicbor::to_vec(order).expect("encoding into memory cannot fail");
        store::execute(&self.value, "keeping an order", "INSERT INTO order_waiting (bytes) VALUES (?1)", [bytes])?;
        Ok(())
    }

    /// Whether an order waits: after a page, and when the till opens.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn orders_waiting(&self) -> Result<bool, CommandError> {
        self.usable()?;
        Ok(self.next_order()?.is_some())
    }

    /// Carries out what head office ordered by the feed and was not carried out yet, each order in a transaction of its own.
    /// A till that may be a copy carries out nothing: what waits, waits.
    ///
    /// # Errors
    /// When nothing can be written; what was not carried out waits.
    pub fn carry_out_orders(&mut self, now: Now) -> Result<OrdersReport, CommandError> {
        self.usable()?;
        let mut report = OrdersReport::default();
        if matches!(self.standing, Standing::Behind { .. }) {
            return Ok(report);
        }
        while let Some((sequence, bytes)) = self.next_order()? {
            let order: Change = minicbor::decode(&bytes)
                .map_err(|error| CommandError::damaged(format!("an order cannot be read ({error})")))?;
            let done = self.transact(|till| {
                let done = till.carry_out(&order, now)?;
                let sql = "DELETE FROM order_waiting WHERE sequence = ?1";
                store::execute(&till.value, "noting that an order is done", sql, [sequence])?;
                Ok(done)
            });
            if let Change::Retire(_) = &order {
                // Also where the marker could not be stored: what is on the disk counts.
                self.stand_as_retired()?;
            }
            report.orders += 1;
            match done? {
                Done::Returned(units) => report.returned_units = report.returned_units.saturating_add(units),
                Done::Reversed => report.reversed += 1,
                Done::Retired => report.retired = true,
                Done::Nothing => {}
                Done::Impossible(note) => report.notes.push(note),
            }
        }
        Ok(report)
    }

    fn stand_as_retired(&mut self) -> Result<(), CommandError> {
        let sql = "SELECT retired_why FROM till WHERE retired_why IS NOT NULL";
        let why = store::optional(&self.value, "reading whether this till is retired", sql, [], |row| {
            row.get::<_, String>(0)
        })?;
        if let Some(why) = why {
            self.hub.retired_why = Some(why.clone());
            self.standing = Standing::Retired { why };
        }
        Ok(())
    }

    fn next_order(&self) -> Result<Option<(i64, Vec<u8>)>, CommandError> {
        let sql = "SELECT sequence, bytes FROM order_waiting ORDER BY sequence LIMIT 1";
        Ok(store::optional(&self.value, "reading the orders", sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    fn carry_out(&mut self, order: &Change, now: Now) -> Result<Done, CommandError> {
        match order {
            Change::Recall(recall) => self.give_back_rights(recall, now),
            Change::Reverse(order) => self.reverse_by_order(order, now),
            Change::Retire(order) => self.retire(order, now),
            _ => Ok(Done::Impossible("what head office ordered is no order".to_owned())),
        }
    }

    fn give_back_rights(&mut self, recall: &Recall, now: Now) -> Result<Done, CommandError> {
        if !self.standing.is_sound() || self.settings.faults.keep_rights_after_recall {
            return Ok(Done::Nothing);
        }
        // Closing gives back what is past its date: what is here is looked at after it.
        self.close_day_if_over(now)?;
        let lots = self.book(recall.member)?.purse(&recall.purse).lots();
        let held = lots.iter().map(|held| held.units).fold(0, i64::saturating_add);
        let beyond = held.saturating_sub(recall.keep.max(0)).max(0);
        let entry = |(lot, units)| return_entry(recall.member, recall.purse.clone(), lot, units);
        let given = choose::to_give_back(&lots, self.clock(now), beyond);
        let mut entries: Vec<Entry> = given.into_iter().map(entry).collect();
        // What does not fit into one record stays: the next recall asks for it again.
        entries.truncate(RECORD_ENTRY_COUNT_MAX);
        if entries.is_empty() {
            return Ok(Done::Nothing);
        }
        self.write_returned(entries, ReturnReason::Recalled, now).map(Done::Returned)
    }

    fn write_returned(&mut self, entries: Vec<Entry>, reason: ReturnReason, now: Now) -> Result<i64, CommandError> {
        let units = entries.iter().map(|entry| entry.units).fold(0, i64::saturating_add);
        let body = Body::RightsReturned(RightsReturnedRecord { reason });
        self.append(Draft { entries, ..Draft::of(body) }, now, |_, _| Ok(()))?;
        Ok(units)
    }

    fn reverse_by_order(&mut self, order: &ReverseOrder, now: Now) -> Result<Done, CommandError> {
        let id = order.redemption;
        let Some(life) = life::find(&self.value, self.incarnation, id)? else {
            return Ok(Done::Impossible(format!("head office wants {id} undone, which is no redemption of this till")));
        };
        match life.state() {
            RedemptionState::Redeemed if self.undoes_itself(&life) => {
                self.close_day_if_over(now)?;
                let why =
                    Undoing { request: Some(order.request.clone()), reason: order.reason.clone(), operator: None };
                self.give_back(&life, None, why, None, now)?;
                Ok(Done::Reversed)
            }
            RedemptionState::Redeemed => {
                Ok(Done::Impossible(format!("head office wants {id} undone, which an earlier life of this till wrote")))
            }
            RedemptionState::Reserved => {
                self.close_day_if_over(now)?;
                self.write_release(&life, ReleaseReason::Cancelled, None, now)?;
                Ok(Done::Nothing)
            }
            _ => Ok(Done::Nothing),
        }
    }

    /// Frees every reservation, gives everything back, and spends nothing from then on.
    fn retire(&mut self, order: &RetireOrder, now: Now) -> Result<Done, CommandError> {
        if order.incarnation != self.incarnation || !self.standing.is_sound() {
            return Ok(Done::Nothing);
        }
        self.close_day_if_over(now)?;
        for life in life::open(&self.value, i64::MAX, i64::MAX)? {
            self.write_release(&life, ReleaseReason::Cancelled, None, now)?;
        }
        let held = store::all(
            &self.value,
            "reading what is held",
            "SELECT member, purse, vests, expires, units FROM holding WHERE units > 0 ORDER BY 1, 2, 3, 4",
            [],
            |row| Ok(return_entry(values::member(row, 0)?, row.get(1)?, values::lot(row, 2)?, row.get(4)?)),
        )?;
        // Only the last of several records says that this was all.
        let mut parts: Vec<Vec<Entry>> = held.chunks(RECORD_ENTRY_COUNT_MAX).map(<[Entry]>::to_vec).collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            self.write_returned(part, ReturnReason::Recalled, now)?;
        }
        self.write_returned(last, ReturnReason::Retired, now)?;
        let sql = "UPDATE till SET retired_why = ?1";
        store::execute(&self.value, "noting that this till is retired", sql, [&order.reason])?;
        Ok(Done::Retired)
    }
}
