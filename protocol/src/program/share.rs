//! Exact shares: a whole spread over weights by largest remainder, and what of a line's price it pays.
//!
//! Invariant: the parts sum to the whole, whatever the weights.

use std::collections::BTreeMap;

use crate::sale::{Line, LineKind};

/// Spreads `whole` over `weights` (none negative) in proportion, by largest remainder; ties go to the earlier.
/// `None` where all weights are zero and there is something to spread. `|whole| * weight` must fit `i128`.
pub(crate) fn spread(whole: i128, weights: &[i128]) -> Option<Vec<i128>> {
    if whole == 0 {
        return Some(vec![0; weights.len()]);
    }
    let sum: i128 = weights.iter().sum();
    if sum <= 0 {
        return None;
    }
    let sign = whole.signum();
    let whole = whole.abs();
    let mut parts: Vec<i128> = weights.iter().map(|weight| whole * weight / sum).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|index| (-(whole * weights[*index] % sum), *index));
    let left = whole - parts.iter().sum::<i128>();
    for index in by_remainder.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        parts[index] += 1;
    }
    parts.iter_mut().for_each(|part| *part *= sign);
    Some(parts)
}

type Product<'a> = (u8, Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn product(line: &Line) -> Product<'_> {
    let kind = match line.kind {
        LineKind::Item => 0,
        LineKind::Deposit => 1,
        LineKind::Fee => 2,
        LineKind::Tip => 3,
        LineKind::Donation => 4,
        LineKind::GiftCard => 5,
    };
    (kind, line.sku.as_deref(), line.description.as_deref(), line.category.as_deref())
}

/// How much of each line basket discounts and added tax fall on: its amount, less what a line voided within the
/// sale takes back from lines of the same product. Never negative.
pub(crate) fn weights(lines: &[Line]) -> Vec<i128> {
    let mut weights: Vec<i128> = lines.iter().map(|line| i128::from(line.amount.max(0))).collect();
    let mut sold: BTreeMap<Product<'_>, Vec<usize>> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.amount > 0) {
        sold.entry(product(line)).or_default().push(index);
    }
    for line in lines.iter().filter(|line| line.amount < 0) {
        let mut back = -i128::from(line.amount);
        let stack = sold.entry(product(line)).or_default();
        while let Some(index) = stack.last().copied().filter(|_| back > 0) {
            let taken = back.min(weights[index]);
            weights[index] -= taken;
            back -= taken;
            if weights[index] == 0 {
                stack.pop();
            }
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn remainders_go_to_the_largest() {
        assert_eq!(spread(-100, &[1, 1, 1]), Some(vec![-34, -33, -33]));
        assert_eq!(spread(10, &[3, 3, 4]), Some(vec![3, 3, 4]));
        assert_eq!(spread(1, &[0, 5, 6]), Some(vec![0, 0, 1]));
        assert_eq!(spread(0, &[0, 0]), Some(vec![0, 0]));
        assert_eq!(spread(7, &[0, 0]), None);
    }

    #[test]
    fn a_line_voided_within_the_sale_carries_no_discount() {
        let line = |sku: &str, amount| Line { sku: Some(sku.into()), amount, ..Line::default() };
        let lines = [line("tea", -500), line("tea", 500), line("cake", 1000), line("tea", 300), line("bag", -20)];
        assert_eq!(weights(&lines), [0, 300, 1000, 0, 0].map(i128::from));
    }

    proptest! {
        /// The parts are the whole, none is more than one unit from its exact share.
        #[test]
        fn nothing_is_lost_in_spreading(whole in -1_000_000_000i64..1_000_000_000, weights in prop::collection::vec(0i64..1_000_000_000, 1..40)) {
            let weights: Vec<i128> = weights.into_iter().map(i128::from).collect();
            let whole = i128::from(whole);
            let sum: i128 = weights.iter().sum();
            let Some(parts) = spread(whole, &weights) else {
                prop_assert!(sum == 0 && whole != 0);
                return Ok(());
            };
            prop_assert_eq!(parts.iter().sum::<i128>(), whole);
            for (part, weight) in parts.iter().zip(&weights) {
                prop_assert!((part * sum - whole * weight).abs() < sum.max(1));
            }
        }

        /// What is voided is taken off, never more than was sold, whatever the order.
        #[test]
        fn weights_are_what_is_left(amounts in prop::collection::vec((0u8..3, -500i64..500), 0..30)) {
            let lines: Vec<Line> = amounts
                .iter()
                .map(|(sku, amount)| Line { sku: Some(sku.to_string()), amount: *amount, ..Line::default() })
                .collect();
            let weights = weights(&lines);
            prop_assert!(weights.iter().all(|weight| *weight >= 0));
            for sku in 0u8..3 {
                let of = |values: &dyn Fn(usize) -> i128| (0..lines.len()).filter(|i| amounts[*i].0 == sku).map(values).sum::<i128>();
                let net = of(&|i| i128::from(amounts[i].1));
                prop_assert_eq!(of(&|i| weights[i]), net.max(0));
            }
        }
    }
}
