//! When a closed business day is reconciled, and what differs where it is not.

use std::collections::BTreeSet;

use counterfoil_protocol::day::{DayClose, DayTotals, PosTotals};
use counterfoil_protocol::record::Chain;

/// Receipt numbers that are named one by one; beyond it they are counted.
const NAMED_MAX: usize = 100;
/// A span of receipt numbers wider than this is no day but a misreading.
const SPAN_MAX: u64 = 100_000;

/// How a closed day stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Till and head office agree, the POS has said nothing.
    Complete,
    /// And the POS agrees.
    Balanced,
    /// Something differs; every difference in words.
    Mismatched(Vec<String>),
}

/// Judges a closed day whose records are all here: the till's close, what head office counts over the same
/// records, what the POS says, and the receipt numbers in those records.
pub fn judge_day(
    close: &DayClose,
    totals: &DayTotals,
    chain: Chain,
    pos: Option<&PosTotals>,
    receipts: &BTreeSet<String>,
) -> Verdict {
    let mut found = close.differences(totals, chain);
    let absent: BTreeSet<String> = close
        .receipt_gaps
        .iter()
        .cloned()
        .chain(pos.into_iter().flat_map(|pos| missing_receipts(receipts, pos)))
        .filter(|number| !receipts.contains(number))
        .collect();
    if let Some(pos) = pos {
        found.extend(DayClose { receipt_gaps: Vec::new(), ..close.clone() }.pos_differences(pos));
    }
    found.extend(absent.iter().take(NAMED_MAX).map(|number| format!("receipt {number} is missing")));
    if absent.len() > NAMED_MAX {
        found.push(format!("and {} more receipts are missing", absent.len() - NAMED_MAX));
    }
    match (found.is_empty(), pos) {
        (false, _) => Verdict::Mismatched(found),
        (true, Some(_)) => Verdict::Balanced,
        (true, None) => Verdict::Complete,
    }
}

/// Receipt numbers between the POS's first and last that were not seen. Empty where the POS does not say, or
/// its numbers do not count up.
pub fn missing_receipts(seen: &BTreeSet<String>, pos: &PosTotals) -> Vec<String> {
    let ends = (pos.first_receipt.as_deref().and_then(split), pos.last_receipt.as_deref().and_then(split));
    let (Some((prefix, first, width)), Some((other, last, _))) = ends else { return Vec::new() };
    if prefix != other || last < first || last - first > SPAN_MAX {
        return Vec::new();
    }
    // A number is the same with other leading zeros: till and Z report may print them differently.
    let known: BTreeSet<u64> =
        seen.iter().filter_map(|number| split(number)).filter(|(own, ..)| *own == prefix).map(|(_, n, _)| n).collect();
    (first..=last).filter(|n| !known.contains(n)).map(|n| format!("{prefix}{n:0width$}")).collect()
}

/// A receipt number as text before its last digits, those digits, and how many there are.
fn split(number: &str) -> Option<(&str, u64, usize)> {
    let digits = number.len() - number.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (prefix, tail) = number.split_at(digits);
    tail.parse().ok().map(|n| (prefix, n, tail.len()))
}

#[cfg(test)]
mod tests {
    use counterfoil_protocol::record::Chain;

    use super::*;

    fn seen(numbers: &[&str]) -> BTreeSet<String> {
        numbers.iter().map(|number| (*number).to_owned()).collect()
    }

    fn close(sales: u64, gross: i64, gaps: &[&str]) -> DayClose {
        DayClose {
            business_date: "2026-11-24".parse().unwrap(),
            sequence: 1,
            ranges: Vec::new(),
            records: sales,
            sales,
            gross,
            tax: 0,
            purses: Vec::new(),
            chain: Chain::of(&[b"x"]),
            pos_totals: None,
            receipt_gaps: gaps.iter().map(|gap| (*gap).to_owned()).collect(),
        }
    }

    #[test]
    fn a_day_is_balanced_only_when_all_three_agree() {
        let totals = DayTotals { records: 2, sales: 2, gross: 300, ..DayTotals::default() };
        let chain = Chain::of(&[b"x"]);
        let receipts = seen(&["000001", "000003"]);
        let judge = |close: &DayClose, pos: Option<&PosTotals>| judge_day(close, &totals, chain, pos, &receipts);
        let plain = close(2, 300, &[]);
        assert_eq!(judge(&plain, None), Verdict::Complete);
        let mut pos = PosTotals { sales: Some(2), gross: Some(300), ..PosTotals::default() };
        assert_eq!(judge(&plain, Some(&pos)), Verdict::Balanced);
        pos.first_receipt = Some("000001".into());
        pos.last_receipt = Some("000004".into());
        let Verdict::Mismatched(found) = judge(&plain, Some(&pos)) else { panic!("receipts are missing") };
        assert_eq!(found, ["receipt 000002 is missing", "receipt 000004 is missing"]);
        let Verdict::Mismatched(found) = judge(&close(2, 300, &["000002"]), None) else {
            panic!("a gap is a mismatch")
        };
        assert_eq!(found, ["receipt 000002 is missing"]);
        let Verdict::Mismatched(found) = judge(&close(3, 300, &[]), None) else { panic!("counts differ") };
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn receipt_numbers_that_do_not_count_up_say_nothing() {
        let pos = |first: &str, last: &str| PosTotals {
            first_receipt: Some(first.into()),
            last_receipt: Some(last.into()),
            ..PosTotals::default()
        };
        assert_eq!(missing_receipts(&seen(&["A-1"]), &pos("A-1", "A-3")), ["A-2", "A-3"]);
        assert_eq!(missing_receipts(&seen(&["7"]), &pos("0007", "0008")), ["0008"]);
        for (first, last) in [("A-1", "B-9"), ("9", "1"), ("", ""), ("1", "99999999"), ("é", "é9")] {
            assert_eq!(missing_receipts(&seen(&[]), &pos(first, last)), Vec::<String>::new(), "{first} {last}");
        }
    }
}
