//! Returns of sales of this very till: what they take back is computed here, from all returns of the sale that were
//! settled here. A return whose sale is another till's, an earlier life's or nobody's is recorded without entries, and
//! head office computes.
//!
//! Invariant: over all returns of a sale no more is taken back than it gave, and exactly that when everything is back.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::Entry;
use counterfoil_protocol::id::{EventId, IncarnationId, MemberId};
use counterfoil_protocol::limits::ENTRY_UNITS_MAX;
use counterfoil_protocol::program::{ReturnedReward, UnlinkedReturn};
use counterfoil_protocol::record::{Body, Record, SaleRecord};
use counterfoil_protocol::returns::{Back, ReturnPick, Share, back, build_return, given};
use counterfoil_protocol::sale::{OriginalRef, Sale, SaleKind};
use rusqlite::{Connection, params};

use crate::answer::{RedemptionState, Reversed, SaleAnswer};
use crate::command::{Call, Now, Reply};
use crate::error::{CommandError, StorageError};
use crate::life;
use crate::place;
use crate::receipts::SaleRow;
use crate::reverse::Undoing;
use crate::rules::InForce;
use crate::sales::{Document, Taken};
use crate::store::{self, values};
use crate::till::Till;
use crate::voids::ToTake;

/// Head office settles it.
pub(crate) const MARK_RETURN_LINKED: &str = "return-to-settle";
/// A return without its sale: an exception.
pub(crate) const MARK_RETURN_UNLINKED: &str = "return-unlinked";
/// With it everything of its sale is back.
pub(crate) const MARK_ALL_RETURNED: &str = "all-returned";
/// More comes back than was sold; what is too much counts nothing.
pub(crate) const MARK_OVER_RETURNED: &str = "over-returned";

/// Goods of a sale of this till that come back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReturnGoods {
    /// Which lines, and how much of each.
    pub lines: Vec<ReturnPick>,
    /// The return's own number; `None`: the sale's with `-R1`, `-R2`, …
    pub receipt_number: Option<String>,
    /// When; `None`: now.
    pub occurred_at: Option<String>,
    /// Who sits at the till.
    pub operator: Option<String>,
}

/// What a return does, decided before it is written.
#[derive(Debug, Default)]
pub(crate) struct Settlement {
    pub member: Option<MemberId>,
    pub settles: Option<EventId>,
    pub entries: Vec<Entry>,
    pub reversed: Vec<Reversed>,
    pub marks: Vec<&'static str>,
}

/// A sale that is here, with its returns that were settled here.
struct Sold {
    row: SaleRow,
    record: Record,
    returns: Vec<Record>,
}

fn sale_of(record: &Record) -> Option<&SaleRecord> {
    match &record.body {
        Body::Sale(sale) => Some(sale),
        _ => None,
    }
}

impl Sold {
    fn sale(&self) -> Result<&SaleRecord, CommandError> {
        sale_of(&self.record).ok_or_else(|| CommandError::damaged(format!("sale {} cannot be read", self.row.position)))
    }

    fn returned(&self) -> Vec<&Sale> {
        self.returns.iter().filter_map(sale_of).map(|record| &record.sale).collect()
    }
}

impl Till {
    /// Records that goods of a sale of this till come back, and takes back what they gave in proportion.
    ///
    /// # Errors
    /// When there is no such sale, it was voided, more comes back than is left of it, or nothing can be written.
    pub fn return_goods(
        &mut self,
        sale: EventId,
        ask: ReturnGoods,
        call: Call,
        now: Now,
    ) -> Result<Reply<SaleAnswer>, CommandError> {
        self.usable()?;
        if let Some(first) = self.first_answer(call.idempotency.as_ref())? {
            self.marked_up_to(self.head.position)?;
            return Ok(first);
        }
        let unknown = || CommandError::UnknownSale(sale.to_string());
        let place = self.place_of(sale)?.ok_or_else(unknown)?;
        let row = self.sale_at(place)?.ok_or_else(unknown)?;
        if row.is_return {
            return Err(CommandError::InvalidRequest("a return cannot be returned: sell the goods again".to_owned()));
        }
        let document = self.returned_goods(row, ask, now)?;
        let number = document.receipt_number.clone();
        let asked = Document { original: Some(place), ..Document::of(document, call, now) };
        match self.transact(|till| till.take_document(asked, now))? {
            Taken::Recorded(reply) => {
                self.marked_up_to(self.head.position)?;
                Ok(reply)
            }
            Taken::Conflict(row, difference) => Err(self.receipt_conflict(number, &row, difference)?),
        }
    }

    fn returned_goods(&self, row: SaleRow, ask: ReturnGoods, now: Now) -> Result<Sale, CommandError> {
        let sold = self.sold(row)?;
        let original = &sold.sale()?.sale;
        not_voided(&sold.row, &original.receipt_number)?;
        let earlier = sold.returned();
        let built = build_return(original, &earlier, &ask.lines)
            .map_err(|error| CommandError::InvalidRequest(error.to_string()))?;
        let number = &original.receipt_number;
        Ok(Sale {
            receipt_number: ask.receipt_number.unwrap_or_else(|| format!("{number}-R{}", earlier.len() + 1)),
            occurred_at: ask.occurred_at.unwrap_or_else(|| self.calendar.rfc3339(now.wall_ms)),
            operator: ask.operator,
            training: original.training,
            original: Some(OriginalRef {
                store: Some(self.enrolment.store.store.clone()),
                lane: Some(self.enrolment.lane.clone()),
                receipt_number: number.clone(),
                business_date: Some(sold.record.business_date.to_string()),
            }),
            ..built
        })
    }

    fn sold(&self, row: SaleRow) -> Result<Sold, CommandError> {
        let read = |place: u64| {
            self.record_at(place)?.ok_or_else(|| CommandError::damaged(format!("record {place} is named and missing")))
        };
        let record = read(row.position)?;
        let places = store::all(
            &self.value,
            "reading a sale's returns",
            "SELECT position FROM sale_return WHERE sale = ?1 ORDER BY position",
            [values::signed(row.position)],
            |row| values::count(row, 0),
        )?;
        let returns = places.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Sold { row, record, returns })
    }

    /// Whether goods of a sale came back, settled here.
    pub(crate) fn has_returns(&self, sale: u64) -> Result<bool, StorageError> {
        let sql = "SELECT 1 FROM sale_return WHERE sale = ?1 LIMIT 1";
        Ok(store::optional(&self.value, "reading a sale's returns", sql, [values::signed(sale)], |_| Ok(()))?.is_some())
    }

    /// The sale that a return of this till names, if it is in the present journal.
    fn original_of(&self, original: &OriginalRef) -> Result<Option<SaleRow>, CommandError> {
        let is = |named: &Option<String>, own: &str| named.as_deref().is_none_or(|named| named == own);
        if !is(&original.store, &self.enrolment.store.store) || !is(&original.lane, &self.enrolment.lane) {
            return Ok(None);
        }
        let date = original.business_date.as_deref().and_then(|text| text.parse().ok());
        for row in self.sales_numbered(&original.receipt_number)? {
            if row.is_return || row.training || place::past(row.position).is_some() {
                continue;
            }
            let sold_on = self.record_at(row.position)?.map(|record| record.business_date);
            if date.is_none_or(|date| sold_on == Some(date)) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// What a return does. A return of what a void has undone is refused.
    pub(crate) fn settle_return(
        &self,
        sale: &Sale,
        known: Option<u64>,
        member: Option<MemberId>,
        program: Option<&InForce>,
        now: Now,
    ) -> Result<Settlement, CommandError> {
        if sale.training {
            return Ok(Settlement { member, ..Settlement::default() });
        }
        if let Some(row) = self.returned_here(sale, known)? {
            return self.settle_here(sale, row, member, now);
        }
        if sale.original.is_none() {
            return self.settle_unlinked(sale, member, program, now);
        }
        let past = known.map(|place| self.sale_at(place)).transpose()?.flatten();
        let member = member.or(past.and_then(|row| row.member));
        Ok(Settlement { member, marks: vec![MARK_RETURN_LINKED], ..Settlement::default() })
    }

    fn settle_here(
        &self,
        returned: &Sale,
        row: SaleRow,
        member: Option<MemberId>,
        now: Now,
    ) -> Result<Settlement, CommandError> {
        let sold = self.sold(row)?;
        let original = sold.sale()?;
        not_voided(&sold.row, &original.sale.receipt_number)?;
        let back = self.back_with(&sold, returned)?;
        let mut taken: BTreeMap<(MemberId, &str), i64> = BTreeMap::new();
        let earlier = sold.returns.iter().filter(|_| !self.settings.faults.return_without_cap);
        for entry in earlier.flat_map(|record| &record.entries) {
            *taken.entry((entry.member, entry.purse.as_str())).or_default() += entry.units;
        }
        let wanted: Vec<ToTake> = given(&sold.record, original, Some(&back))
            .into_iter()
            .map(|given| {
                let already = taken.get(&(given.member, given.purse.as_str())).copied().unwrap_or(0);
                let now = given.target_units.saturating_sub(already).max(0);
                ToTake { member: given.member, purse: given.purse, already, now }
            })
            .collect();
        let (entries, reversed) = self.taken_back(&sold.record, &wanted, now)?;
        let mut marks = Vec::new();
        if back.goods.is_all() {
            marks.push(MARK_ALL_RETURNED);
        }
        if back.is_over {
            marks.push(MARK_OVER_RETURNED);
        }
        let settles = Some(self.event_at(sold.row.position)?);
        Ok(Settlement { member: member.or(original.member), settles, entries, reversed, marks })
    }

    fn back_with(&self, sold: &Sold, returned: &Sale) -> Result<Back, CommandError> {
        let original = &sold.sale()?.sale;
        if self.settings.faults.return_without_cap {
            return Ok(back(original, [returned]));
        }
        Ok(back(original, sold.returned().into_iter().chain([returned])))
    }

    /// A return without its sale, as the program says. Under `reverse-base` what the goods alone would have given is taken
    /// back from a member that is known.
    fn settle_unlinked(
        &self,
        returned: &Sale,
        member: Option<MemberId>,
        program: Option<&InForce>,
        now: Now,
    ) -> Result<Settlement, CommandError> {
        let marked = |marks| Settlement { member, marks, ..Settlement::default() };
        let Some(program) = program else { return Ok(marked(vec![MARK_RETURN_UNLINKED])) };
        match program.program.returns().unlinked {
            UnlinkedReturn::Exception => Ok(marked(vec![MARK_RETURN_UNLINKED])),
            UnlinkedReturn::Ignore => Ok(marked(Vec::new())),
            UnlinkedReturn::ReverseBase => {
                let Some(member) = member else { return Ok(marked(Vec::new())) };
                let (entries, reversed) = self.base_taken_back(&program.program, returned, member, now)?;
                Ok(Settlement { entries, reversed, ..marked(Vec::new()) })
            }
        }
    }

    /// Gives back what rewards took that were redeemed under a sale's reference here, as far as the program says so: whole
    /// rewards when everything is back, amounts in proportion. Before the return or void itself, in its transaction.
    pub(crate) fn give_rewards_back(
        &mut self,
        original: &Sale,
        share: Share,
        why: &str,
        now: Now,
    ) -> Result<(), CommandError> {
        let time_ms = self.time_ms(now);
        let policy = self.program_at(time_ms, time_ms).map(|found| found.program.returns().reward);
        let Some(sale_ref) = original.sale_ref.as_deref().filter(|_| !original.training) else { return Ok(()) };
        if policy.unwrap_or_default() == ReturnedReward::Keep {
            return Ok(());
        }
        for life in life::under(&self.value, sale_ref)? {
            if life.state() != RedemptionState::Redeemed {
                continue;
            }
            let target = if life.reward.is_none() || share.is_all() { share.of(life.units) } else { 0 };
            let units = target.saturating_sub(life.returned_units);
            if units <= 0 {
                continue;
            }
            let why = Undoing { reason: Some(why.to_owned()), ..Undoing::default() };
            if self.undoes_itself(&life) {
                self.give_back(&life, Some(units), why, None, now)?;
            } else if share.is_all() {
                self.undo(self.id_of(&life)?, Some(&life), why, None, now)?;
            }
        }
        Ok(())
    }

    /// Gives back what rewards took from the sale that a return settles here. Before what it takes is decided, which then
    /// finds those units.
    pub(crate) fn give_rewards_of_return_back(
        &mut self,
        returned: &Sale,
        known: Option<u64>,
        now: Now,
    ) -> Result<(), CommandError> {
        let Some(row) = self.returned_here(returned, known)? else { return Ok(()) };
        let sold = self.sold(row)?;
        let original = &sold.sale()?.sale;
        let back = back(original, sold.returned().into_iter().chain([returned]));
        self.give_rewards_back(original, back.goods, "its goods came back", now)
    }

    /// The sale of the present journal that a return is of.
    fn returned_here(&self, returned: &Sale, known: Option<u64>) -> Result<Option<SaleRow>, CommandError> {
        let row = match (known, &returned.original) {
            _ if returned.training => None,
            (Some(place), _) => self.sale_at(place)?,
            (None, Some(original)) => self.original_of(original)?,
            (None, None) => None,
        };
        Ok(row.filter(|row| place::past(row.position).is_none()))
    }
}

fn not_voided(row: &SaleRow, number: &str) -> Result<(), CommandError> {
    if row.void_position.is_none() {
        return Ok(());
    }
    Err(CommandError::InvalidSale(format!(
        "receipt {number} was voided as a whole, so nothing of it can come back: look whether the right receipt is named"
    )))
}

/// Notes a return that was settled here; when everything is back, the day's caps count its sale no more.
pub(crate) fn return_recorded(
    conn: &Connection,
    incarnation: IncarnationId,
    position: u64,
    record: &Record,
    sale: &SaleRecord,
) -> Result<(), CommandError> {
    let Some(settles) = sale.settles.filter(|_| sale.sale.kind == SaleKind::Return) else { return Ok(()) };
    let Some(place) = place::find(conn, incarnation, settles)? else { return Ok(()) };
    store::execute(
        conn,
        "noting a return",
        "INSERT OR IGNORE INTO sale_return (sale, position) VALUES (?1, ?2)",
        params![values::signed(place), values::signed(position)],
    )?;
    if record.marks.iter().any(|mark| mark == MARK_ALL_RETURNED) { awards_undone(conn, place) } else { Ok(()) }
}

/// Notes what a sale of the open day counts towards caps.
pub(crate) fn awards_counted(conn: &Connection, sale: u64, record: &SaleRecord) -> Result<(), CommandError> {
    let Some(member) = record.member.filter(|_| !record.sale.training) else { return Ok(()) };
    for rule in record.awards.iter().flat_map(|award| &award.rules) {
        store::execute(
            conn,
            "counting a rule",
            "INSERT OR REPLACE INTO day_award (sale, member, rule, units) VALUES (?1, ?2, ?3, ?4)",
            params![values::signed(sale), member.0, rule.rule, rule.amount.min(ENTRY_UNITS_MAX)],
        )?;
    }
    Ok(())
}

/// Takes an undone sale off the day's caps, if it is of the open day.
pub(crate) fn awards_undone(conn: &Connection, sale: u64) -> Result<(), CommandError> {
    store::execute(
        conn,
        "counting a rule less",
        "UPDATE day_rule SET units = max(0, units - (SELECT units FROM day_award WHERE sale = ?1 \
         AND day_award.rule = day_rule.rule AND day_award.member = day_rule.member)) \
         WHERE EXISTS (SELECT 1 FROM day_award WHERE sale = ?1 AND day_award.rule = day_rule.rule \
         AND day_award.member = day_rule.member)",
        [values::signed(sale)],
    )?;
    store::execute(conn, "counting a rule less", "DELETE FROM day_award WHERE sale = ?1", [values::signed(sale)])?;
    Ok(())
}
