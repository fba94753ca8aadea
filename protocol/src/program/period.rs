//! Calendar periods of a program, as ISO 8601 writes them: whole years, months, weeks and days.
//!
//! Not here: times of day. Invariant: a period that was read is at least one day and at most [`PERIOD_YEARS_MAX`]
//! years. Source: ISO 8601-1:2019, 5.5.2 (durations).

use std::fmt;
use std::str::FromStr;

use crate::limits::PERIOD_YEARS_MAX;

/// Days of 400 Gregorian years, and their months: what a month is on average, exactly.
const CYCLE_DAYS: u64 = 146_097;
const CYCLE_MONTHS: u64 = 4_800;

/// So many months, then so many days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    /// Months; a year is twelve.
    pub months: u32,
    /// Days; a week is seven.
    pub days: u32,
}

/// Why a text is no period, to be read after the text: what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Not of that form.
    #[error("is not a period of whole years, months, weeks and days (for example P24M, P1Y6M or P14D)")]
    Form,
    /// Hours and the like.
    #[error("is a time of day, which no lot can keep: say whole days (for example P1D)")]
    Time,
    /// Zero.
    #[error("is no time at all: say at least P1D, or take the key out")]
    Nothing,
    /// Beyond the bound.
    #[error("is longer than {PERIOD_YEARS_MAX} years: take the key out for never")]
    Long,
}

impl Period {
    /// Whether `other`, counted from the same day, never ends earlier, judged part by part.
    pub(super) fn is_within(self, other: Self) -> bool {
        self.months <= other.months && self.days <= other.days
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let mut rest = text.strip_prefix('P').filter(|rest| !rest.is_empty()).ok_or(PeriodError::Form)?;
        if rest.contains('T') {
            return Err(PeriodError::Time);
        }
        let (mut months, mut days) = (0u64, 0u64);
        // Each unit at most once, the larger first.
        for (unit, of_months, of_days) in [('Y', 12, 0), ('M', 1, 0), ('W', 0, 7), ('D', 0, 1)] {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let Some(after) = rest[digits..].strip_prefix(unit).filter(|_| digits > 0) else { continue };
            let count = match rest[..digits].trim_start_matches('0') {
                "" => 0,
                // Far beyond the bound below, far from overflow.
                count if count.len() > 6 => return Err(PeriodError::Long),
                count => count.parse::<u64>().map_err(|_| PeriodError::Form)?,
            };
            months += count * of_months;
            days += count * of_days;
            rest = after;
        }
        if !rest.is_empty() {
            return Err(PeriodError::Form);
        }
        if months + days == 0 {
            return Err(PeriodError::Nothing);
        }
        let years_max = u64::from(PERIOD_YEARS_MAX);
        if months * CYCLE_DAYS + days * CYCLE_MONTHS > years_max * 12 * CYCLE_DAYS {
            return Err(PeriodError::Long);
        }
        match (u32::try_from(months), u32::try_from(days)) {
            (Ok(months), Ok(days)) => Ok(Self { months, days }),
            _ => Err(PeriodError::Long),
        }
    }
}

/// Canonical: months and days only, `P24M`, `P1M14D`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P")?;
        if self.months > 0 {
            write!(f, "{}M", self.months)?;
        }
        if self.days > 0 || self.months == 0 {
            write!(f, "{}D", self.days)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn periods_read_as_people_write_them() {
        let cases = [
            ("P24M", Ok((24, 0))),
            ("P1Y", Ok((12, 0))),
            ("P14D", Ok((0, 14))),
            ("P2W", Ok((0, 14))),
            ("P1Y6M", Ok((18, 0))),
            ("P1Y2M3W4D", Ok((14, 25))),
            ("P0Y1D", Ok((0, 1))),
            ("P007D", Ok((0, 7))),
            ("P100Y", Ok((1_200, 0))),
            ("P36524D", Ok((0, 36_524))),
            ("P36525D", Err(PeriodError::Long)),
            ("P100Y1D", Err(PeriodError::Long)),
            ("P1201M", Err(PeriodError::Long)),
            ("P99999999999999999999D", Err(PeriodError::Long)),
            ("P0D", Err(PeriodError::Nothing)),
            ("P0Y0M", Err(PeriodError::Nothing)),
            ("PT1H", Err(PeriodError::Time)),
            ("P1DT2H", Err(PeriodError::Time)),
            ("P1D1D", Err(PeriodError::Form)),
            ("P1D1M", Err(PeriodError::Form)),
            ("P1.5M", Err(PeriodError::Form)),
            ("P-1D", Err(PeriodError::Form)),
            ("-P1D", Err(PeriodError::Form)),
            ("p1d", Err(PeriodError::Form)),
            ("P", Err(PeriodError::Form)),
            ("", Err(PeriodError::Form)),
            ("PD", Err(PeriodError::Form)),
            ("P5", Err(PeriodError::Form)),
            ("P1D ", Err(PeriodError::Form)),
            ("P٣D", Err(PeriodError::Form)),
            ("24 months", Err(PeriodError::Form)),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(months, days)| Period { months, days });
            assert_eq!(text.parse::<Period>(), expected, "{text:?}");
        }
    }

    proptest! {
        /// What is written is read again, and nothing breaks the reader.
        #[test]
        fn periods_survive_text(months in 0u32..1_100, days in 0u32..3_000, text in "P?[0-9YMWDT.-]{0,12}") {
            prop_assume!(months + days > 0);
            let period = Period { months, days };
            prop_assert_eq!(period.to_string().parse::<Period>(), Ok(period));
            if let Ok(period) = text.parse::<Period>() {
                prop_assert_eq!(period.to_string().parse::<Period>(), Ok(period));
                prop_assert!(period.months + period.days > 0 && period.months <= 1_200 && period.days <= 36_524);
            }
        }
    }
}
