//! A business day: ranges of a journal, its control totals, and what the POS says of it.
//!
//! Till and hub compute control totals with the same fold over records ([`DayTotals::add`]), each over what it
//! has itself, so that equal totals mean equal records. The close record is the last of its range; its chain is
//! the one before it.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::entry::EntryKind;
use crate::id::IncarnationId;
use crate::record::{Body, Chain, Record};
use crate::sale::SaleKind;
use crate::time::Date;

/// A contiguous part of one journal, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct Range {
    /// Whose journal.
    #[n(0)]
    pub incarnation: IncarnationId,
    /// First position.
    #[n(1)]
    pub from: u64,
    /// Last position: the close record itself.
    #[n(2)]
    pub to: u64,
}

/// Units of one purse over a day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct PurseTotals {
    /// The purse.
    #[n(0)]
    pub purse: String,
    /// Accrued, less what was reversed.
    #[n(1)]
    pub accrued: i64,
    /// Redeemed, less what was reversed.
    #[n(2)]
    pub redeemed: i64,
}

/// The POS's own totals, from a Z report or a call. Absent: the POS did not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct PosTotals {
    /// Number of sales (returns and voids are not sales).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(0)]
    pub sales: Option<u64>,
    /// Sales less returns and voids, minor units, tax included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(1)]
    pub gross: Option<i64>,
    /// Tax in it, minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(2)]
    pub tax: Option<i64>,
    /// First receipt number of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(3)]
    pub first_receipt: Option<String>,
    /// Last receipt number of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(4)]
    pub last_receipt: Option<String>,
}

/// Running control totals of a range.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayTotals {
    /// Records.
    pub records: u64,
    /// Sales, without returns and training.
    pub sales: u64,
    /// Sales less returns and voids, minor units, tax included.
    pub gross: i64,
    /// Tax in it, minor units.
    pub tax: i64,
    /// Per purse: accrued, redeemed.
    pub purses: BTreeMap<String, (i64, i64)>,
}

impl DayTotals {
    /// Takes one more record. Sums saturate: a day that reaches the end of `i64` is wrong anyway, and must
    /// still be comparable.
    pub fn add(&mut self, record: &Record) {
        self.records += 1;
        match &record.body {
            Body::Sale(sale) if !sale.sale.training => {
                let sign = match sale.sale.kind {
                    SaleKind::Sale => {
                        self.sales += 1;
                        1
                    }
                    SaleKind::Return => -1,
                };
                self.gross = self.gross.saturating_add(sale.sale.total.saturating_mul(sign));
                self.tax = self.tax.saturating_add(sale.sale.tax.unwrap_or(0).saturating_mul(sign));
            }
            Body::Void(void) => {
                self.gross = self.gross.saturating_sub(void.total);
                self.tax = self.tax.saturating_sub(void.tax);
            }
            _ => {}
        }
        for entry in &record.entries {
            let (accrued, redeemed) = self.purses.entry(entry.purse.clone()).or_default();
            match entry.kind {
                EntryKind::Accrue => *accrued = accrued.saturating_add(entry.units),
                EntryKind::ReverseAccrual => *accrued = accrued.saturating_sub(entry.units),
                EntryKind::Redeem => *redeemed = redeemed.saturating_add(entry.units),
                EntryKind::ReverseRedemption => *redeemed = redeemed.saturating_sub(entry.units),
                _ => {}
            }
        }
    }

    /// The purses as the close record lists them, in name order.
    pub fn purse_totals(&self) -> Vec<PurseTotals> {
        self.purses
            .iter()
            .map(|(purse, (accrued, redeemed))| PurseTotals {
                purse: purse.clone(),
                accrued: *accrued,
                redeemed: *redeemed,
            })
            .collect()
    }
}

/// A business day closed. Its own record is not among `records`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct DayClose {
    /// Fixed when the day opened.
    #[n(0)]
    pub business_date: Date,
    /// Consecutive per terminal, from 1.
    #[n(1)]
    pub sequence: u32,
    /// Which records.
    #[n(2)]
    pub ranges: Vec<Range>,
    /// How many, without this one.
    #[n(3)]
    pub records: u64,
    /// Sales, without returns and training.
    #[n(4)]
    pub sales: u64,
    /// Sales less returns and voids, minor units.
    #[n(5)]
    pub gross: i64,
    /// Tax in it.
    #[n(6)]
    pub tax: i64,
    /// Units per purse.
    #[n(7)]
    pub purses: Vec<PurseTotals>,
    /// The chain before this record.
    #[n(8)]
    pub chain: Chain,
    /// The POS's totals, where they were known at the close.
    #[n(9)]
    pub pos_totals: Option<PosTotals>,
    /// Receipt numbers that should have come and did not.
    #[n(10)]
    pub receipt_gaps: Vec<String>,
}

impl DayClose {
    /// Every difference between the close and what somebody else counted over the same records, in words.
    pub fn differences(&self, totals: &DayTotals, chain: Chain) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |what: &str, till: i64, hub: i64| {
            if till != hub {
                found.push(format!("{what}: the till says {till}, head office counts {hub}"));
            }
        };
        check("records", signed(self.records), signed(totals.records));
        check("sales", signed(self.sales), signed(totals.sales));
        check("gross", self.gross, totals.gross);
        check("tax", self.tax, totals.tax);
        let hub = totals.purse_totals();
        if self.purses != hub {
            found.push(format!("purses: the till says {:?}, head office counts {hub:?}", self.purses));
        }
        if self.chain != chain {
            found.push("the chains differ".to_owned());
        }
        found
    }

    /// Every difference between the day and the POS's own totals, in words; empty where they agree on all that
    /// the POS says.
    pub fn pos_differences(&self, pos: &PosTotals) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |what: &str, till: i64, pos: Option<i64>| {
            if let Some(pos) = pos.filter(|pos| *pos != till) {
                found.push(format!("{what}: the POS says {pos}, captured {till}"));
            }
        };
        check("sales", signed(self.sales), pos.sales.map(signed));
        check("gross", self.gross, pos.gross);
        check("tax", self.tax, pos.tax);
        found.extend(self.receipt_gaps.iter().map(|number| format!("receipt {number} is missing")));
        found
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
