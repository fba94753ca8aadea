//! The ledger's tables: rows go in, running totals follow, both in the act's transaction.

use counterfoil_ledger::{LedgerView, Row, Slot, repayments};
use counterfoil_protocol::entry::{Account, DebtKind, Entry, Lot};
use counterfoil_protocol::id::{EntryId, EventId, Holder, IncarnationId, MemberId};
use counterfoil_protocol::time::Date;
use counterfoil_protocol::wire::sign::sign;
use counterfoil_protocol::wire::v1::feed::HubEntry;
use rusqlite::{Connection, OptionalExtension as _};

use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};

/// The ledger as it stands in an act.
pub(super) struct Ledger<'a>(pub &'a Connection);

impl LedgerView for Ledger<'_> {
    type Error = HubError;

    fn held(&self, slot: &Slot) -> Result<i64, HubError> {
        self.0
            .prepare_cached(
                "SELECT units FROM holding WHERE bucket = ?1 AND member = ?2 AND purse = ?3 AND lot = ?4 AND holder = ?5",
            )
            .and_then(|mut query| {
                let key =
                    (slot.member.bucket(), slot.member.0, &slot.purse, slot.lot.to_string(), slot.holder.to_string());
                query.query_row(key, |row| row.get(0)).optional()
            })
            .map(|units| units.unwrap_or(0))
            .doing("reading a holding")
    }

    fn lots(&self, holder: Holder, member: MemberId, purse: &str) -> Result<Vec<(Lot, i64)>, HubError> {
        let rows: Vec<(String, i64)> = self
            .0
            .prepare_cached(
                "SELECT lot, units FROM holding
                 WHERE bucket = ?1 AND member = ?2 AND purse = ?3 AND holder = ?4 AND units > 0 ORDER BY lot",
            )
            .and_then(|mut query| {
                query
                    .query_map((member.bucket(), member.0, purse, holder.to_string()), |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })?
                    .collect()
            })
            .doing("reading lots")?;
        rows.into_iter().map(|(lot, units)| Ok((parse(&lot, "lot")?, units))).collect()
    }

    fn debt(&self, member: MemberId, purse: &str, kind: DebtKind) -> Result<i64, HubError> {
        self.0
            .prepare_cached("SELECT units FROM debt WHERE bucket = ?1 AND member = ?2 AND purse = ?3 AND kind = ?4")
            .and_then(|mut query| {
                query.query_row((member.bucket(), member.0, purse, kind.as_str()), |row| row.get(0)).optional()
            })
            .map(|units| units.unwrap_or(0))
            .doing("reading a debt")
    }
}

/// Text that our own tables hold and that must parse.
pub(super) fn parse<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, HubError> {
    text.parse()
        .map_err(|_| HubError::Database { detail: format!("the database holds {text:?} where a {what} belongs") })
}

/// An account as the tables name it: `liability:<holder>`, or its name.
pub(super) fn account_text(account: Account) -> String {
    match account.holder() {
        Some(holder) => format!("{}:{holder}", account.name()),
        None => account.name().to_owned(),
    }
}

/// An account from the tables' text.
pub(super) fn parse_account(text: &str) -> Result<Account, HubError> {
    let account = match text {
        "issued" => Account::Issued,
        "redeemed" => Account::Redeemed,
        "expired" => Account::Expired,
        "adjusted" => Account::Adjusted,
        "debt.clawback" => Account::Debt(DebtKind::Clawback),
        "debt.floor" => Account::Debt(DebtKind::Floor),
        "debt.restored" => Account::Debt(DebtKind::Restored),
        "debt.late" => Account::Debt(DebtKind::Late),
        other => Account::Liability(parse(other.strip_prefix("liability:").unwrap_or(other), "holder")?),
    };
    Ok(account)
}

/// What stands beside a row, for whoever reads the books.
#[derive(Debug, Clone, Default)]
pub(super) struct RowContext {
    pub event: Option<EventId>,
    pub sale_position: Option<u64>,
    /// Head office's own rows: the sale they belong to.
    pub sale: Option<EventId>,
    pub store: Option<String>,
    pub business_date: Option<Date>,
    pub reason: Option<String>,
    pub signature: Option<[u8; 64]>,
}

impl Act<'_> {
    /// Whether a terminal's entry is here already.
    pub(super) fn entry_is_here(&self, id: EntryId, member: MemberId) -> Result<bool, HubError> {
        self.tx
            .prepare_cached("SELECT 1 FROM entry WHERE bucket = ?1 AND id = ?2")
            .and_then(|mut query| query.exists((member.bucket(), id.to_string())))
            .doing("looking for an entry")
    }

    /// Writes a row and what follows from it.
    pub(super) fn write_row(&self, row: &Row, context: &RowContext) -> Result<(), HubError> {
        self.insert_entry(row, context)?;
        for (account, sign) in [(row.debit, -1), (row.credit, 1)] {
            self.add_to_account(row, account, sign * row.units)?;
        }
        Ok(())
    }

    fn insert_entry(&self, row: &Row, context: &RowContext) -> Result<(), HubError> {
        let bucket = row.entry.member.bucket();
        let sequence = self.next(bucket, "entry_sequence")?;
        let bytes = minicbor::to_vec(&row.entry).expect("encoding into memory cannot fail");
        self.tx
            .prepare_cached(
                "INSERT INTO entry (bucket, sequence, id, part, entry, member, purse, units, debit, credit,
                                    incarnation, position, sale_position, store, business_date, reason, signature, posted_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
            )
            .and_then(|mut insert| {
                insert.execute(rusqlite::params![
                    bucket,
                    signed(sequence),
                    row.id.to_string(),
                    row.part,
                    bytes,
                    row.entry.member.0,
                    row.entry.purse,
                    row.units,
                    account_text(row.debit),
                    account_text(row.credit),
                    context.event.or(context.sale).map(|event| event.incarnation.0),
                    context.event.map(|event| signed(event.position)),
                    context.sale_position.map(signed),
                    context.store,
                    context.business_date.map(Date::packed),
                    context.reason,
                    context.signature,
                    self.now_ms,
                ])
            })
            .doing("writing an entry")?;
        Ok(())
    }

    fn add_to_account(&self, row: &Row, account: Account, units: i64) -> Result<(), HubError> {
        let (member, purse) = (row.entry.member, &row.entry.purse);
        self.tx
            .prepare_cached(
                "INSERT INTO account_total (bucket, purse, account, total) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET total = total + excluded.total",
            )
            .and_then(|mut add| add.execute((member.bucket(), purse, account_text(account), units)))
            .doing("adding to an account")?;
        match account {
            Account::Liability(holder) => self
                .tx
                .prepare_cached(
                    "INSERT INTO holding (bucket, member, purse, lot, holder, units) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT DO UPDATE SET units = units + excluded.units",
                )
                .and_then(|mut add| {
                    let (lot, holder) = (row.entry.lot.to_string(), holder.to_string());
                    add.execute((member.bucket(), member.0, purse, lot, holder, units))
                })
                .doing("adding to a holding")?,
            // A debt grows when its account gives.
            Account::Debt(kind) => self
                .tx
                .prepare_cached(
                    "INSERT INTO debt (bucket, member, purse, kind, units) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET units = units + excluded.units",
                )
                .and_then(|mut add| add.execute((member.bucket(), member.0, purse, kind.as_str(), -units)))
                .doing("adding to a debt")?,
            _ => 0,
        };
        Ok(())
    }

    /// The next number of a bucket's counter; the row stays held to the commit.
    pub(super) fn next(&self, bucket: u8, counter: &'static str) -> Result<u64, HubError> {
        let sql = match counter {
            "feed_position" => {
                "UPDATE bucket_head SET feed_position = feed_position + 1 WHERE bucket = ?1 RETURNING feed_position"
            }
            "entry_sequence" => {
                "UPDATE bucket_head SET entry_sequence = entry_sequence + 1 WHERE bucket = ?1 RETURNING entry_sequence"
            }
            _ => "UPDATE bucket_head SET hub_sequence = hub_sequence + 1 WHERE bucket = ?1 RETURNING hub_sequence",
        };
        self.tx
            .prepare_cached(sql)
            .and_then(|mut update| update.query_row([bucket], |row| row.get(0)))
            .map(unsigned)
            .doing("counting up a bucket")
    }

    /// Writes entries of head office's own, one act for one member: numbered, signed, posted, and sent to the
    /// terminals they concern.
    pub(super) fn write_hub_entries(
        &self,
        member: MemberId,
        entries: Vec<Entry>,
        reason: Option<&str>,
    ) -> Result<Vec<HubEntry>, HubError> {
        let context = RowContext { reason: reason.map(str::to_owned), ..RowContext::default() };
        self.write_hub_rows(member, entries, &context)
    }

    /// The same, with what stands beside the rows; their signatures aside.
    pub(super) fn write_hub_rows(
        &self,
        member: MemberId,
        entries: Vec<Entry>,
        context: &RowContext,
    ) -> Result<Vec<HubEntry>, HubError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let (epoch, bucket) = (self.own.epoch(), member.bucket());
        let sequence = self.next(bucket, "hub_sequence")?;
        let mut written = Vec::with_capacity(entries.len());
        for (index, entry) in (0u32..).zip(entries) {
            let id = EntryId::Hub { epoch, bucket, sequence, index };
            let signature = sign(&self.own.root, &HubEntry::signed_text(id, &entry));
            let row = Row::of_hub(id, entry.clone()).map_err(HubError::Entry)?;
            self.write_row(&row, &RowContext { signature: Some(signature.0), ..context.clone() })?;
            if let (Account::Liability(Holder::Hub), Account::Liability(Holder::Terminal(to))) = (row.debit, row.credit)
            {
                self.note_granted(to, &entry)?;
                self.feed_grant(id, member, to)?;
            }
            written.push(HubEntry { id, entry, signature });
        }
        Ok(written)
    }

    pub(super) fn note_granted(&self, to: IncarnationId, entry: &Entry) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "INSERT INTO granted (bucket, member, incarnation, purse, units) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET units = units + excluded.units",
            )
            .and_then(|mut add| add.execute((entry.member.bucket(), entry.member.0, to.0, &entry.purse, entry.units)))
            .doing("adding up what was granted")?;
        // What is given now is not asked back.
        self.drop_recall(entry.member, to, &entry.purse)
    }

    /// Pays what a member owes in a purse from what head office holds of it.
    pub(super) fn repay(&self, member: MemberId, purse: &str) -> Result<(), HubError> {
        let due = repayments(&Ledger(self.tx), member, purse)?;
        self.write_hub_entries(member, due, None)?;
        Ok(())
    }
}
