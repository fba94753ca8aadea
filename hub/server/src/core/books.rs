//! What the books say: entries, the trial balance, and the proof that holders' accounts agree with the entries.

use std::collections::BTreeMap;

use counterfoil_ledger::{Book, Row};
use counterfoil_protocol::entry::Entry;
use counterfoil_protocol::id::{EventId, IncarnationId, MemberId};
use counterfoil_protocol::limits::MEMBER_BUCKET_COUNT;
use counterfoil_protocol::time::Date;
use counterfoil_protocol::wire::v1::feed::Cursor;
use rusqlite::types::Value;
use rusqlite::{ParamsFromIter, params_from_iter};

use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};
use super::ledger::{parse, parse_account};
use super::views::{AccountTotal, Counts, EntryView, Listing, PurseBalance, TrialBalance};
use super::{Hub, LIST_LENGTH_MAX};

/// Which sales.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SaleFilter {
    /// Of this store.
    pub store: Option<String>,
    /// Of this terminal.
    pub terminal: Option<String>,
    /// Of this business date.
    pub business_date: Option<Date>,
    /// For this member.
    pub member: Option<MemberId>,
}

/// Which entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryFilter {
    /// Of this member.
    pub member: Option<MemberId>,
    /// In this purse.
    pub purse: Option<String>,
    /// That happened in this store.
    pub store: Option<String>,
    /// On this business date or later.
    pub from: Option<Date>,
    /// On this business date or earlier.
    pub to: Option<Date>,
}

/// A row of the ledger as it is stored.
pub(super) struct StoredRow {
    pub sequence: u64,
    pub row: Row,
    pub event: Option<EventId>,
    pub sale: Option<EventId>,
    pub store: Option<String>,
    pub business_date: Option<Date>,
    pub signature: Option<[u8; 64]>,
}

type RawRow = (
    i64,
    String,
    u8,
    Vec<u8>,
    i64,
    String,
    String,
    Option<[u8; 16]>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i32>,
    Option<[u8; 64]>,
);

fn stored(raw: RawRow) -> Result<StoredRow, HubError> {
    let (sequence, id, part, bytes, units, debit, credit, incarnation, position, sale, store, date, signature) = raw;
    let entry: Entry = minicbor::decode(&bytes)
        .map_err(|error| HubError::Database { detail: format!("entry {id} cannot be read back: {error}") })?;
    let at = |position: Option<i64>| {
        let (incarnation, position) = incarnation.zip(position)?;
        Some(EventId { incarnation: IncarnationId(incarnation), position: unsigned(position) })
    };
    Ok(StoredRow {
        sequence: unsigned(sequence),
        row: Row {
            id: parse(&id, "entry id")?,
            part,
            entry,
            debit: parse_account(&debit)?,
            credit: parse_account(&credit)?,
            units,
        },
        event: at(position),
        sale: at(sale),
        store,
        business_date: date.and_then(|date| Date::from_packed(date).ok()),
        signature,
    })
}

/// The conditions of a list: only those that are asked for, so that each list finds its index.
pub(super) struct Wanted {
    pub conditions: String,
    values: Vec<Value>,
}

impl Wanted {
    pub(super) fn new(conditions: &str, values: Vec<Value>) -> Self {
        Self { conditions: conditions.to_owned(), values }
    }

    pub(super) fn and(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.conditions.push_str(" AND ");
            self.conditions.push_str(condition);
            self.values.push(value.into());
        }
    }

    /// The values of the conditions, and the list's limit after them.
    pub(super) fn values(&self, limit: usize) -> ParamsFromIter<impl Iterator<Item = Value>> {
        params_from_iter(self.values.iter().cloned().chain([Value::Integer(signed(limit as u64))]))
    }
}

impl Act<'_> {
    /// Rows of one bucket after a sequence, in posting order.
    pub(super) fn entry_rows(
        &self,
        bucket: u8,
        after: u64,
        filter: &EntryFilter,
        limit: usize,
    ) -> Result<Vec<StoredRow>, HubError> {
        let mut wanted = Wanted::new("bucket = ? AND sequence > ?", vec![bucket.into(), signed(after).into()]);
        wanted.and("member = ?", filter.member.map(|member| member.0.to_vec()));
        wanted.and("purse = ?", filter.purse.clone());
        wanted.and("store = ?", filter.store.clone());
        wanted.and("business_date >= ?", filter.from.map(Date::packed));
        wanted.and("business_date <= ?", filter.to.map(Date::packed));
        let raw: Vec<RawRow> = self
            .tx
            .prepare_cached(&format!(
                "SELECT sequence, id, part, entry, units, debit, credit, incarnation, position, sale_position,
                        store, business_date, signature
                 FROM entry WHERE {} ORDER BY sequence LIMIT ?",
                wanted.conditions
            ))
            .and_then(|mut query| {
                query
                    .query_map(wanted.values(limit), |row| {
                        Ok((
                            row.get(0)?,
                            row.get(1)?,
                            row.get(2)?,
                            row.get(3)?,
                            row.get(4)?,
                            row.get(5)?,
                            row.get(6)?,
                            row.get(7)?,
                            row.get(8)?,
                            row.get(9)?,
                            row.get(10)?,
                            row.get(11)?,
                            row.get(12)?,
                        ))
                    })?
                    .collect()
            })
            .doing("reading the ledger")?;
        raw.into_iter().map(stored).collect()
    }

    /// Every row of the ledger, bucket by bucket in posting order.
    pub(super) fn each_entry(&self, mut visit: impl FnMut(StoredRow) -> Result<(), HubError>) -> Result<(), HubError> {
        for bucket in 0..MEMBER_BUCKET_COUNT {
            let mut after = 0;
            loop {
                let rows = self.entry_rows(bucket, after, &EntryFilter::default(), LIST_LENGTH_MAX)?;
                let Some(last) = rows.last() else { break };
                after = last.sequence;
                for row in rows {
                    visit(row)?;
                }
            }
        }
        Ok(())
    }

    /// Where running totals differ from what the entries come to.
    pub(super) fn differences(&self, book: &Book) -> Result<Vec<String>, HubError> {
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for (slot, units) in book.holdings() {
            expected.insert(format!("{} {} {} held by {}", slot.member, slot.purse, slot.lot, slot.holder), units);
        }
        for ((member, purse, kind), units) in book.debts() {
            expected.insert(format!("{member} {purse} owed ({})", kind.as_str()), units);
        }
        for (purse, account, total) in book.totals().filter(|(.., total)| *total != 0) {
            expected.insert(format!("account {} of {purse}", super::ledger::account_text(account)), total);
        }
        let running: Vec<(String, i64)> = self
            .tx
            .prepare_cached(
                "SELECT lower(hex(member)) || ' ' || purse || ' ' || lot || ' held by ' || holder, units FROM holding
                 UNION ALL SELECT lower(hex(member)) || ' ' || purse || ' owed (' || kind || ')', units FROM debt
                 UNION ALL SELECT 'account ' || account || ' of ' || purse, sum(total) FROM account_total GROUP BY purse, account",
            )
            .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .doing("reading running totals")?;
        let mut found = Vec::new();
        for (what, other) in running {
            let own = expected.remove(&what).unwrap_or(0);
            if own != other {
                found.push(format!("{what}: the entries come to {own}, the running total says {other}"));
            }
        }
        found.extend(
            expected.iter().map(|(what, own)| format!("{what}: the entries come to {own}, there is no running total")),
        );
        Ok(found)
    }
}

impl From<StoredRow> for EntryView {
    fn from(stored: StoredRow) -> Self {
        let StoredRow { row, sale, store, business_date, .. } = stored;
        Self {
            id: row.id_text(),
            kind: row.entry.kind.as_str().to_owned(),
            member_id: row.entry.member.to_string(),
            author: row.id.author().to_string(),
            debit: super::ledger::account_text(row.debit),
            credit: super::ledger::account_text(row.credit),
            amount: row.units,
            lot: row.entry.lot.to_string(),
            purse: row.entry.purse,
            sale_id: sale.map(|sale| sale.to_string()),
            store,
            business_date: business_date.map(|date| date.to_string()),
        }
    }
}

impl Hub {
    /// Entries, bucket by bucket in posting order; nothing is ever skipped. `limit` is cut to 1,000. Whoever follows
    /// the ledger asks again with the last `next` it was given and drops the ids it has.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is none.
    pub fn ledger_entries(
        &self,
        filter: &EntryFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing<EntryView>, HubError> {
        let limit = limit.clamp(1, LIST_LENGTH_MAX);
        let mut cursor = match after.filter(|text| !text.is_empty()) {
            None => Cursor::start(self.own.epoch()),
            Some(text) => Cursor::parse(text).map_err(|_| {
                HubError::invalid("after", "this is not a cursor of this list: take `next` of an earlier answer")
            })?,
        };
        let buckets = filter.member.map_or(0..MEMBER_BUCKET_COUNT, |member| member.bucket()..member.bucket() + 1);
        self.read(0, |act| {
            let mut items: Vec<EntryView> = Vec::new();
            for bucket in buckets {
                let position = &mut cursor.positions[usize::from(bucket)];
                let room = limit - items.len();
                let rows = act.entry_rows(bucket, *position, filter, room + 1)?;
                let is_more = rows.len() > room;
                for stored in rows.into_iter().take(room) {
                    *position = stored.sequence;
                    items.push(stored.into());
                }
                if is_more {
                    return Ok(Listing { items, next: Some(cursor.to_text()) });
                }
            }
            Ok(Listing { items, next: None })
        })
    }

    /// Account by account, per purse.
    ///
    /// # Errors
    /// When the database fails.
    pub fn trial_balance(&self) -> Result<TrialBalance, HubError> {
        let rows: Vec<(String, String, i64)> = self
            .conn
            .prepare_cached(
                "SELECT purse, account, sum(total) FROM account_total GROUP BY purse, account ORDER BY purse, account",
            )
            .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect())
            .doing("adding up the trial balance")?;
        let mut purses: Vec<PurseBalance> = Vec::new();
        for (purse, text, total) in rows {
            if purses.last().is_none_or(|last| last.purse != purse) {
                purses.push(PurseBalance { purse, total: 0, accounts: Vec::new() });
            }
            let account = parse_account(&text)?;
            let balance = purses.last_mut().expect("one was just pushed");
            balance.total += total;
            balance.accounts.push(AccountTotal {
                account: account.name().to_owned(),
                holder: account.holder().map(|holder| holder.to_string()),
                total,
            });
        }
        Ok(TrialBalance { purses })
    }

    /// Every holder's sub-account, recomputed from the set of entries and compared with the running totals; every
    /// difference in words. Empty: they agree.
    ///
    /// # Errors
    /// When the database fails.
    pub fn holders_agree(&self) -> Result<Vec<String>, HubError> {
        self.read(0, |act| {
            let mut book = Book::default();
            act.each_entry(|stored| {
                book.apply(&stored.row);
                Ok(())
            })?;
            let mut found = book.findings();
            found.extend(act.differences(&book)?);
            Ok(found)
        })
    }

    /// How much there is.
    ///
    /// # Errors
    /// When the database fails.
    pub fn counts(&self) -> Result<Counts, HubError> {
        self.conn
            .prepare_cached(
                "SELECT (SELECT count(*) FROM store),
                        (SELECT count(DISTINCT i.terminal) FROM incarnation i JOIN terminal t ON t.terminal = i.terminal
                         WHERE t.retired_ms IS NULL),
                        (SELECT count(*) FROM member),
                        (SELECT coalesce(sum(head_position), 0) FROM incarnation),
                        (SELECT coalesce(sum(head_position - posted_position), 0) FROM incarnation),
                        (SELECT count(*) FROM sale),
                        (SELECT coalesce(sum(entry_sequence), 0) FROM bucket_head),
                        (SELECT count(*) FROM exception WHERE resolution IS NULL)",
            )
            .and_then(|mut query| {
                query.query_row([], |row| {
                    Ok(Counts {
                        stores: unsigned(row.get(0)?),
                        terminals: unsigned(row.get(1)?),
                        members: unsigned(row.get(2)?),
                        records: unsigned(row.get(3)?),
                        unposted: unsigned(row.get(4)?),
                        sales: unsigned(row.get(5)?),
                        entries: unsigned(row.get(6)?),
                        open_exceptions: unsigned(row.get(7)?),
                    })
                })
            })
            .doing("counting")
    }
}
