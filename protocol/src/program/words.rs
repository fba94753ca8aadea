//! Amounts and units in words, for reasons that people read.

use super::PurseKind;

/// Digits after the point of a currency (ISO 4217); two where the list does not say otherwise.
fn decimals(currency: &str) -> usize {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// Minor units as `12.34 GBP`.
pub(super) fn money(minor: i128, currency: &str) -> String {
    let decimals = decimals(currency);
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let point = if decimals == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction} {currency}")
}

/// Units as `1 point`, `20 stamps`; a gift card's units are money, which [`money`] says better.
pub(super) fn units(count: i64, kind: PurseKind) -> String {
    let (one, many) = match kind {
        PurseKind::Points => ("point", "points"),
        PurseKind::Stamps => ("stamp", "stamps"),
        PurseKind::GiftCard => ("minor unit", "minor units"),
        PurseKind::Voucher => ("voucher", "vouchers"),
    };
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The entry of `known` that a misspelt name most likely means.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two names, a swap of neighbours being one; names beyond 64 characters are far from everything.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.len() > 64 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let change = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(money(1234, "GBP"), "12.34 GBP");
        assert_eq!(money(-5, "EUR"), "-0.05 EUR");
        assert_eq!(money(1234, "JPY"), "1234 JPY");
        assert_eq!(money(1234, "KWD"), "1.234 KWD");
        assert_eq!(units(1, PurseKind::Points), "1 point");
        assert_eq!(units(9, PurseKind::Stamps), "9 stamps");
    }

    #[test]
    fn a_slip_of_the_keyboard_finds_its_key() {
        let known = ["purse", "expires", "lines", "when"];
        assert_eq!(nearest("expries", known), Some("expires"));
        assert_eq!(nearest("line", known), Some("lines"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
    }
}
