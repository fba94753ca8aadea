//! Business days counted a second time: what each close should say, and how far head office should have come.

use std::collections::BTreeMap;

use counterfoil_hub::core::{DayState, DayView};
use counterfoil_protocol::day::{DayClose, PosTotals};
use counterfoil_protocol::entry::EntryKind;
use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::record::{Body, Record};
use counterfoil_protocol::sale::SaleKind;

use super::Oracles;
use crate::world::Violation;

/// Control totals by this module's own count.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    records: u64,
    sales: u64,
    gross: i64,
    tax: i64,
    purses: BTreeMap<String, (i64, i64)>,
}

impl Count {
    fn add(&mut self, record: &Record) {
        self.records += 1;
        if let Body::Sale(sale) = &record.body
            && !sale.sale.training
        {
            let sign = if sale.sale.kind == SaleKind::Sale { 1 } else { -1 };
            self.sales += u64::from(sign == 1);
            self.gross += sign * sale.sale.total;
            self.tax += sign * sale.sale.tax.unwrap_or(0);
        }
        if let Body::Void(void) = &record.body {
            self.gross -= void.total;
            self.tax -= void.tax;
        }
        for entry in &record.entries {
            let sums = self.purses.entry(entry.purse.clone()).or_default();
            match entry.kind {
                EntryKind::Accrue => sums.0 += entry.units,
                EntryKind::ReverseAccrual => sums.0 -= entry.units,
                EntryKind::Redeem => sums.1 += entry.units,
                EntryKind::ReverseRedemption => sums.1 -= entry.units,
                _ => {}
            }
        }
    }

    fn differs(&self, close: &DayClose) -> Option<String> {
        let said: BTreeMap<String, (i64, i64)> =
            close.purses.iter().map(|purse| (purse.purse.clone(), (purse.accrued, purse.redeemed))).collect();
        let mut own = self.purses.clone();
        let zero = |sums: &(i64, i64)| *sums != (0, 0);
        own.retain(|_, sums| zero(sums));
        let mut said_plain = said;
        said_plain.retain(|_, sums| zero(sums));
        let same = (self.sales, self.gross, self.tax) == (close.sales, close.gross, close.tax)
            && own == said_plain
            && self.records == close.records;
        (!same).then(|| format!("counted {self:?}, the close says {close:?}"))
    }
}

/// A close as it should be at head office.
struct Due<'a> {
    close: &'a DayClose,
    totals: Option<&'a PosTotals>,
}

/// Compares every close with the records in its range, and head office's view of it with what it should be.
///
/// # Errors
/// When a range has a gap, a total is wrong, or head office says something else.
pub fn check(
    oracles: &Oracles,
    terminals: &BTreeMap<IncarnationId, String>,
    views: &[DayView],
) -> Result<u64, Violation> {
    let mut checked = 0;
    for (incarnation, terminal) in terminals {
        if oracles.had_other_lives(*incarnation) {
            continue;
        }
        let mut from = 1;
        let mut dues: Vec<Due<'_>> = Vec::new();
        for (position, seen) in (1..).zip(oracles.journal(*incarnation)) {
            match &seen.record.body {
                Body::DayClose(close) => {
                    let [range] = close.ranges.as_slice() else {
                        return Err(Violation::new(0, format!("{terminal}: a close with ranges {:?}", close.ranges)));
                    };
                    if (range.from, range.to, range.incarnation) != (from, position, *incarnation) {
                        return Err(Violation::new(
                            0,
                            format!("{terminal}: the day {from} to {position} says {range:?}"),
                        ));
                    }
                    let mut count = Count::default();
                    let records = &oracles.journal(*incarnation)[from as usize - 1..position as usize - 1];
                    records.iter().for_each(|seen| count.add(&seen.record));
                    if let Some(difference) = count.differs(close) {
                        return Err(Violation::new(0, format!("{terminal}, day {}: {difference}", close.sequence)));
                    }
                    dues.push(Due { close, totals: close.pos_totals.as_ref() });
                    from = position + 1;
                }
                Body::PosTotals(late) => {
                    let named = |due: &&mut Due<'_>| {
                        due.close.sequence == late.sequence && due.close.business_date == late.business_date
                    };
                    if let Some(due) = dues.iter_mut().find(named) {
                        due.totals = Some(&late.totals);
                    }
                }
                _ => {}
            }
        }
        for due in dues {
            check_view(terminal, &due, views)?;
            checked += 1;
        }
    }
    Ok(checked)
}

fn check_view(terminal: &str, due: &Due<'_>, views: &[DayView]) -> Result<(), Violation> {
    let close = due.close;
    let date = close.business_date.to_string();
    let its = |view: &&DayView| view.terminal == terminal && view.sequence == close.sequence;
    let found: Vec<&DayView> = views.iter().filter(its).collect();
    let [view] = found.as_slice() else {
        return Err(Violation::new(
            1,
            format!("{terminal}, day {} of {date}: at head office {found:?}", close.sequence),
        ));
    };
    let agrees = |ours: i64, pos: Option<i64>| pos.is_none_or(|pos| pos == ours);
    let pos_agrees = due.totals.is_none_or(|pos| {
        agrees(close.sales as i64, pos.sales.map(|sales| sales as i64))
            && agrees(close.gross, pos.gross)
            && agrees(close.tax, pos.tax)
    });
    // A missing receipt number is a mismatch whatever the POS says or does not say.
    let expected = if !pos_agrees || !close.receipt_gaps.is_empty() {
        DayState::Mismatched
    } else if due.totals.is_some() {
        DayState::Balanced
    } else {
        DayState::Complete
    };
    if view.state != expected || view.business_date != date || view.till.as_ref() != Some(close) {
        return Err(Violation::new(
            1,
            format!("{terminal}, day {}: {expected:?} is due, head office says {view:?}", close.sequence),
        ));
    }
    if expected == DayState::Mismatched && view.differences.is_empty() {
        return Err(Violation::new(1, format!("{terminal}, day {}: mismatched, and nothing named", close.sequence)));
    }
    Ok(())
}
