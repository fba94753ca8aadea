//! Which receipt numbers of a day never came: series by series, and against the POS's first and last.
//!
//! A series is what stands before the digits, and their width where there are leading zeros. The list is bounded.

use std::collections::BTreeMap;

use counterfoil_protocol::day::PosTotals;

/// A run of missing numbers longer than this is named by its ends.
const GAP_NAMED_COUNT_MAX: u64 = 20;
/// Gaps listed in one close; the last one says that there are more.
const GAP_LISTED_COUNT_MAX: usize = 100;

/// A number split into what stays and what counts: `A-0017` is series `A-` with four digits, number 17.
fn split(number: &str) -> Option<((String, usize), u64)> {
    let number = number.trim();
    let digits = number.len() - number.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (prefix, digits) = number.split_at(digits);
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    // Numbers without leading zeros grow: 99 and 100 are one series. Those with them have one width.
    let width = if digits.starts_with('0') { digits.len() } else { 0 };
    Some(((prefix.to_owned(), width), digits.parse().ok()?))
}

/// What is missing between the numbers that came, series by series, and between them and the POS's first and last.
pub(crate) fn find(numbers: &[String], pos: Option<&PosTotals>) -> Vec<String> {
    let mut series: BTreeMap<(String, usize), Vec<u64>> = BTreeMap::new();
    let expected: Vec<_> = pos
        .iter()
        .flat_map(|pos| [&pos.first_receipt, &pos.last_receipt])
        .flatten()
        .filter_map(|end| split(end))
        .collect();
    let came: Vec<_> = numbers.iter().filter_map(|number| split(number)).collect();
    // 0999 and 1000 are one series of four digits, because something in it has leading zeros.
    let padded: BTreeMap<String, usize> = came
        .iter()
        .chain(&expected)
        .filter(|((_, width), _)| *width > 0)
        .map(|((prefix, width), _)| (prefix.clone(), *width))
        .collect();
    let key_of = |(prefix, width): (String, usize), value: u64| {
        let digits = if width == 0 { value.to_string().len() } else { width };
        let shared = padded.get(&prefix).copied().filter(|padded| width == 0 && *padded == digits);
        (prefix, shared.unwrap_or(width))
    };
    for (key, value) in came {
        series.entry(key_of(key, value)).or_default().push(value);
    }
    let mut found = Vec::new();
    for (key, values) in &mut series {
        values.sort_unstable();
        values.dedup();
        let (mut low, mut high) = (values[0], values[values.len() - 1]);
        for (end, value) in &expected {
            if key_of(end.clone(), *value) == *key {
                (low, high) = (low.min(*value), high.max(*value));
            }
        }
        missing_runs(key, values, low, high, &mut found);
    }
    // A day of which nothing at all came, though the POS has numbered receipts.
    if let [(key, low), (other, high)] = &expected[..]
        && series.is_empty()
        && key.0 == other.0
        && low <= high
    {
        missing_runs(&key_of(key.clone(), *low), &[], *low, *high, &mut found);
    }
    if found.len() > GAP_LISTED_COUNT_MAX {
        let more = found.len() - (GAP_LISTED_COUNT_MAX - 1);
        found.truncate(GAP_LISTED_COUNT_MAX - 1);
        found.push(format!("and {more} more gaps"));
    }
    found
}

/// Runs of missing numbers between `low` and `high`. A hole wider than half of what the digits can count is the
/// place where the numbers came round (9999, 0001), not a gap.
fn missing_runs((prefix, width): &(String, usize), present: &[u64], low: u64, high: u64, found: &mut Vec<String>) {
    let name = |value: u64| format!("{prefix}{value:0width$}", width = *width);
    let round = if *width > 0 { 10u64.saturating_pow(u32::try_from(*width).unwrap_or(18)) } else { u64::MAX };
    let mut next = low;
    let mut run = |from: u64, past: u64| {
        let count = past - from;
        if count == 0 || count > round / 2 {
            return;
        }
        if count <= GAP_NAMED_COUNT_MAX {
            found.extend((from..past).map(name));
        } else {
            found.push(format!("{} to {}", name(from), name(past - 1)));
        }
    };
    for value in present {
        run(next.min(*value), *value);
        next = value.saturating_add(1);
    }
    let past = high.saturating_add(1);
    run(next.min(past), past);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(numbers: &[&str], pos: Option<(&str, &str)>, expected: &[&str]) {
        let numbers: Vec<String> = numbers.iter().map(|number| (*number).to_owned()).collect();
        let pos = pos.map(|(first, last)| PosTotals {
            first_receipt: Some(first.to_owned()),
            last_receipt: Some(last.to_owned()),
            ..PosTotals::default()
        });
        assert_eq!(find(&numbers, pos.as_ref()), expected, "{numbers:?}");
    }

    #[test]
    fn missing_numbers_are_named() {
        check(&[], None, &[]);
        check(&["000001", "000002"], None, &[]);
        check(&["000003", "000001"], None, &["000002"]);
        check(&["A-7", "A-9", "B-1", "B-2"], None, &["A-8"]);
        check(&["98", "99", "101"], None, &["100"]);
        check(&["0998", "0999", "1001"], None, &["1000"]);
        check(&["9998", "9999", "0001"], None, &[]);
        check(&["no number", "17"], None, &[]);
        check(&["001", "100"], None, &["002 to 099"]);
    }

    #[test]
    fn the_pos_says_where_a_day_begins_and_ends() {
        check(&["000002", "000003"], Some(("000001", "000004")), &["000001", "000004"]);
        check(&["000001", "000002"], Some(("000001", "000002")), &[]);
        check(&[], Some(("000001", "000002")), &["000001", "000002"]);
        check(&["000001"], Some(("Z1", "Z9")), &[]);
        check(&["100001"], Some(("099999", "100001")), &["099999", "100000"]);
    }

    #[test]
    fn a_list_of_gaps_is_bounded() {
        let numbers: Vec<String> = (0..1000).map(|step| (step * 2 + 10_000).to_string()).collect();
        let found = find(&numbers, None);
        assert_eq!(found.len(), GAP_LISTED_COUNT_MAX);
        assert!(found[GAP_LISTED_COUNT_MAX - 1].contains("more gaps"));
        find(&["999999999999999999".to_owned(), "1".to_owned()], None);
    }
}
