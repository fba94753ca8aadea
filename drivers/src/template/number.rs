//! Amounts, quantities and dates as a locale prints them. What does not read strictly is not read at all.

use super::file::DateOrder;

/// How a layout prints numbers.
#[derive(Debug, Clone)]
pub(super) struct NumberFormat {
    pub(super) decimal: String,
    pub(super) thousands: String,
    pub(super) symbols: Vec<String>,
    pub(super) digits: u32,
}

impl NumberFormat {
    /// A pattern for an amount of money: sign in front or behind, currency symbol on either side.
    pub(super) fn money_pattern(&self) -> String {
        let symbols: Vec<String> = self.symbols.iter().map(|symbol| regex::escape(symbol)).collect();
        let symbol = if symbols.is_empty() { String::new() } else { format!("(?:{})", symbols.join("|")) };
        let (before, after) = if symbol.is_empty() {
            (String::new(), String::new())
        } else {
            (format!("(?:{symbol} ?)?"), format!("(?: ?{symbol})?"))
        };
        let whole = match self.thousands.as_str() {
            "" => r"[0-9]+".to_owned(),
            mark => format!(r"(?:[0-9]{{1,3}}(?:{}[0-9]{{3}})+|[0-9]+)", regex::escape(mark)),
        };
        let fraction = match self.digits {
            0 => String::new(),
            digits => format!(r"{}[0-9]{{{digits}}}", regex::escape(&self.decimal)),
        };
        format!("-?{before}-?{whole}{fraction}{after}-?")
    }

    /// A pattern for a quantity.
    pub(super) fn quantity_pattern(&self) -> String {
        format!(r"-?[0-9]+(?:{}[0-9]+)?", regex::escape(&self.decimal))
    }

    /// Minor units. `None` if it overflows or is not this locale's.
    pub(super) fn money(&self, text: &str) -> Option<i64> {
        let mut bare = text.to_owned();
        for symbol in &self.symbols {
            bare = bare.replace(symbol.as_str(), "");
        }
        let minus = bare.matches('-').count();
        let bare = bare.replace(['-', ' '], "");
        let bare = if self.thousands.is_empty() { bare } else { bare.replace(&self.thousands, "") };
        let (whole, fraction) = match self.digits {
            0 => (bare.as_str(), ""),
            _ => bare.split_once(&self.decimal)?,
        };
        if fraction.len() != self.digits as usize || minus > 1 {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let amount: i64 = digits.parse().ok()?;
        Some(if minus == 1 { -amount } else { amount })
    }

    /// A decimal string with a point.
    pub(super) fn quantity(&self, text: &str) -> String {
        text.replace(&self.decimal, ".")
    }
}

/// Digits after the point of a currency (ISO 4217).
pub(super) fn currency_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV"
        | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// A pattern for a date; `prefix` goes before the group names.
pub(super) fn date_pattern(order: DateOrder, prefix: &str) -> String {
    let day = format!(r"(?<{prefix}day>[0-9]{{1,2}})");
    let month = format!(r"(?<{prefix}month>[0-9]{{1,2}})");
    let mark = "[-./年月]";
    match order {
        DateOrder::Ymd => format!(r"(?<{prefix}year>[0-9]{{4}}){mark}{month}{mark}{day}日?"),
        DateOrder::Dmy => format!(r"{day}{mark}{month}{mark}(?<{prefix}year>[0-9]{{4}}|[0-9]{{2}})"),
        DateOrder::Mdy => format!(r"{month}{mark}{day}{mark}(?<{prefix}year>[0-9]{{4}}|[0-9]{{2}})"),
    }
}

/// A pattern for a time of day.
pub(super) const TIME_PATTERN: &str =
    r"(?<hour>[0-9]{1,2})[:.](?<minute>[0-9]{2})(?::(?<second>[0-9]{2}))?(?: ?(?<half>[AaPp][Mm]))?";

/// A date that the calendar has, as `YYYY-MM-DD`. Years of two digits are in this century.
pub(super) fn date(year: &str, month: &str, day: &str) -> Option<String> {
    let (mut year, month, day): (u32, u32, u32) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    if year < 100 {
        year += 2000;
    }
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    ((1..=days).contains(&day) && (1970..=9999).contains(&year)).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// A time of day as `HH:MM:SS`.
pub(super) fn time(hour: &str, minute: &str, second: Option<&str>, half: Option<&str>) -> Option<String> {
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    let second: u32 = second.map_or(Some(0), |second| second.parse().ok())?;
    let hour = match half.map(|half| half.to_ascii_lowercase()).as_deref() {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some("pm") => hour % 12 + 12,
        Some(_) => hour % 12,
    };
    (hour < 24 && minute < 60 && second < 60).then(|| format!("{hour:02}:{minute:02}:{second:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(decimal: &str, thousands: &str, symbols: &[&str], digits: u32) -> NumberFormat {
        NumberFormat {
            decimal: decimal.into(),
            thousands: thousands.into(),
            symbols: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
            digits,
        }
    }

    #[test]
    fn amounts_by_locale() {
        let uk = format(".", ",", &["£"], 2);
        let de = format(",", ".", &["EUR", "€"], 2);
        let jp = format(".", ",", &["¥"], 0);
        for (numbers, text, expected) in [
            (&uk, "£1.55", Some(155)),
            (&uk, "-1.00", Some(-100)),
            (&uk, "1.19-", Some(-119)),
            (&uk, "-£1,234.50", Some(-123_450)),
            (&uk, "1,55", None),
            (&uk, "155", None),
            (&uk, "-1.00-", None),
            (&uk, "99999999999999999999.00", None),
            (&de, "1.252,35", Some(125_235)),
            (&de, "22,72 €", Some(2272)),
            (&jp, "¥1,965", Some(1965)),
        ] {
            assert_eq!(numbers.money(text), expected, "{text}");
            if expected.is_some() {
                let pattern = regex::Regex::new(&format!("^{}$", numbers.money_pattern())).unwrap();
                assert!(pattern.is_match(text), "{text}");
            }
        }
        assert_eq!(de.quantity("0,384"), "0.384");
    }

    #[test]
    fn dates_that_no_calendar_has_are_missing() {
        assert_eq!(date("17", "10", "1").as_deref(), Some("2017-10-01"));
        assert_eq!(date("2024", "2", "29").as_deref(), Some("2024-02-29"));
        assert_eq!(date("2026", "2", "29"), None);
        assert_eq!(date("2026", "13", "1"), None);
        assert_eq!(time("12", "05", None, Some("AM")).as_deref(), Some("00:05:00"));
        assert_eq!(time("9", "05", Some("07"), Some("pm")).as_deref(), Some("21:05:07"));
        assert_eq!(time("24", "00", None, None), None);
    }
}
