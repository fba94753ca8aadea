//! Quantities: decimal strings as exact integers of billionths. No floats.

/// Billionths of a unit in one unit.
pub(crate) const BILLIONTHS: i128 = 1_000_000_000;

/// The exact value of a decimal string in billionths; `None` where it is none, has more than nine decimals, or
/// more than fifteen digits before the point.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    let fraction = fraction.trim_end_matches('0');
    if !has_digits || !is_digits(whole) || !is_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > 15 {
        return None;
    }
    let value = format!("{whole}{fraction:0<9}").parse::<i128>().ok()?;
    Some(sign * value)
}

/// Thousandths in a whole.
const WHOLE_THOUSANDTHS: u32 = 1_000;

/// The exact value of a decimal string from 0 to 1 in thousandths; `None` where it is none, or is finer than that.
pub(super) fn share_thousandths(text: &str) -> Option<u32> {
    let value = parse(text)?;
    let thousandth = BILLIONTHS / i128::from(WHOLE_THOUSANDTHS);
    let share = u32::try_from(value / thousandth).ok()?;
    (value % thousandth == 0 && share <= WHOLE_THOUSANDTHS).then_some(share)
}

/// Thousandths as the shortest decimal string.
pub(super) fn share_text(thousandths: u32) -> String {
    let text = format!("{}.{:03}", thousandths / WHOLE_THOUSANDTHS, thousandths % WHOLE_THOUSANDTHS);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_are_exact() {
        let cases = [
            ("1", Some(BILLIONTHS)),
            ("0.385", Some(385_000_000)),
            ("-2.5", Some(-2_500_000_000)),
            ("+.5", Some(500_000_000)),
            ("3.", Some(3 * BILLIONTHS)),
            ("0.000000001", Some(1)),
            ("1.0000000000", Some(BILLIONTHS)),
            ("0.0000000001", None),
            ("999999999999999", Some(999_999_999_999_999 * BILLIONTHS)),
            ("1000000000000000", None),
            ("", None),
            (".", None),
            ("-", None),
            ("1,5", None),
            ("1e3", None),
            ("٣", None),
            ("--1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn shares_are_exact() {
        let cases = [
            ("0", Some(0)),
            ("0.75", Some(750)),
            ("1", Some(1_000)),
            ("1.000", Some(1_000)),
            ("0.001", Some(1)),
            ("0.0005", None),
            ("1.001", None),
            ("-0.001", None),
            ("-1", None),
            ("75 %", None),
            ("999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(share_thousandths(text), expected, "{text:?}");
        }
        for thousandths in 0..=WHOLE_THOUSANDTHS {
            assert_eq!(share_thousandths(&share_text(thousandths)), Some(thousandths));
        }
        assert_eq!((share_text(0), share_text(800), share_text(1_000)), ("0".into(), "0.8".into(), "1".into()));
    }
}
