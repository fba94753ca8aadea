//! Patterns of a template: regular expressions in which `{amount}`, `{date}` and other names in braces stand
//! for what the locale makes of them.

use regex::{Regex, RegexBuilder};

use super::file::DateOrder;
use super::number::{NumberFormat, TIME_PATTERN, date_pattern};
use super::problem::Problems;

const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Names that a pattern may capture, by a placeholder or by a group of its own.
const CAPTURES: [&str; 30] = [
    "receipt_number",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "half",
    "operator",
    "member",
    "original",
    "original_year",
    "original_month",
    "original_day",
    "voided",
    "description",
    "quantity",
    "unit",
    "unit_price",
    "amount",
    "tax_code",
    "rate",
    "net",
    "sku",
    "report_number",
    "sales",
    "gross",
    "tax",
    "first_receipt",
    "last_receipt",
];

/// Turns patterns into regular expressions.
pub(super) struct Patterns<'a> {
    pub(super) numbers: &'a NumberFormat,
    pub(super) dates: DateOrder,
}

impl Patterns<'_> {
    /// Compiles `pattern`, whose text begins at `at` in the file; what is wrong goes to `problems`.
    pub(super) fn compile(&self, pattern: &str, at: usize, problems: &mut Problems<'_>) -> Option<Regex> {
        let expanded = match self.expand(pattern) {
            Ok(expanded) => expanded,
            Err(name) => {
                problems.add(at, format!("{{{name}}} is not a placeholder"));
                return None;
            }
        };
        let regex = match RegexBuilder::new(&expanded).size_limit(PATTERN_BYTES_MAX).build() {
            Ok(regex) => regex,
            Err(error) => {
                let reason = error.to_string();
                let last = reason.lines().last().unwrap_or_default().trim().to_owned();
                problems.add(at, format!("the pattern cannot be read: {last}"));
                return None;
            }
        };
        let unknown = regex.capture_names().flatten().find(|name| !CAPTURES.contains(name));
        if let Some(name) = unknown {
            problems.add(at, format!("the pattern captures \"{name}\", which means nothing here"));
            return None;
        }
        Some(regex)
    }

    fn expand(&self, pattern: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(pattern.len() * 2);
        let mut rest = pattern;
        while let Some(open) = rest.find('{') {
            let (before, braces) = rest.split_at(open);
            expanded.push_str(before);
            let close = braces.find('}').unwrap_or(braces.len() - 1);
            let name = &braces[1..close];
            let placeholder = name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                && !before.ends_with(r"\p")
                && !before.ends_with(r"\P");
            if placeholder {
                expanded.push_str(&self.placeholder(name).ok_or_else(|| name.to_owned())?);
            } else {
                expanded.push_str(&braces[..=close]);
            }
            rest = &braces[close + 1..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn placeholder(&self, name: &str) -> Option<String> {
        let group = |pattern: &str| Some(format!("(?<{name}>{pattern})"));
        match name {
            "date" => Some(date_pattern(self.dates, "")),
            "original_date" => Some(date_pattern(self.dates, "original_")),
            "time" => Some(TIME_PATTERN.to_owned()),
            "amount" | "unit_price" | "net" | "gross" | "tax" => group(&self.numbers.money_pattern()),
            "quantity" => group(&self.numbers.quantity_pattern()),
            "rate" => group(&format!("{} ?%?", self.numbers.quantity_pattern())),
            "unit" => group("(?i:kg|g|lbs?|oz|l|ml|cl|m|cm|ea|stk|st|pcs?)"),
            "description" => group(r"\S(?:.*?\S)?"),
            "receipt_number" | "original" | "voided" | "first_receipt" | "last_receipt" | "report_number" => {
                group(r"[0-9A-Za-z](?:[0-9A-Za-z./-]*[0-9A-Za-z])?")
            }
            "member" => group(r"[0-9](?:[0-9 ]*[0-9])?"),
            "operator" | "sku" => group("[0-9A-Za-z]+"),
            "tax_code" => group("[A-Z0-9*]{1,2}"),
            "sales" => group(r"[0-9]+"),
            _ => None,
        }
    }
}
