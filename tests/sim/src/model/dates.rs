//! The calendar of a shop in London, counted in days: nothing of the product's, nothing of a time zone database.
//!
//! Source for the day numbers: Hinnant, "chrono-Compatible Low-Level Date Algorithms". British summer time runs from
//! the last Sunday of March to the last Sunday of October, both at 01:00 UTC.

use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::time::Date;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A date as days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// The day that a date names.
    pub fn of(date: Date) -> Self {
        let text = date.to_string();
        let part = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap_or(0);
        Self::civil(part(0, 4), part(5, 7), part(8, 10))
    }

    fn civil(year: i64, month: i64, day: i64) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self(era * 146_097 + day_of_era - 719_468)
    }

    fn parts(self) -> (i64, i64, i64) {
        let z = self.0 + 719_468;
        let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
    }

    /// The last day of its month, so many months later; a day that the later month does not have is its last.
    fn month_end_after(self, months: i64) -> Self {
        let (year, month, _) = self.parts();
        let month = month - 1 + months + 1;
        Self(Self::civil(year + month.div_euclid(12), month.rem_euclid(12) + 1, 1).0 - 1)
    }

    /// The business date at an instant, of a shop in London whose day ends at three.
    pub fn of_shop(at_ms: i64) -> Self {
        Self((at_ms + summer_ms(at_ms) - 3 * HOUR_MS).div_euclid(DAY_MS))
    }
}

fn summer_ms(at_ms: i64) -> i64 {
    let (year, _, _) = Day(at_ms.div_euclid(DAY_MS)).parts();
    // 1970-01-01 was a Thursday: day 3 was a Sunday.
    let last_sunday = |month: i64| {
        let end = Day::civil(year, month, 31).0;
        (end - (end - 3).rem_euclid(7)) * DAY_MS + HOUR_MS
    };
    if (last_sunday(3)..last_sunday(10)).contains(&at_ms) { HOUR_MS } else { 0 }
}

/// When units of a purse vest and end, as a shop's rules say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Term {
    /// Days until they may be spent; 0: at once.
    pub vests_days: i64,
    /// Whole months, to the end of the last; 0: never.
    pub expires_months: i64,
}

impl Term {
    /// Whether a lot is what units made on a day belong to.
    pub fn fits(&self, lot: Lot, made: Day) -> bool {
        let vests = (self.vests_days > 0).then(|| Day(made.0 + self.vests_days));
        let expires = (self.expires_months > 0).then(|| made.month_end_after(self.expires_months));
        (lot.vests.map(Day::of), lot.expires.map(Day::of)) == (vests, expires)
    }
}

/// Whether units of a lot may be spent, where one clock says what has vested and another what has not ended.
pub fn may_spend(lot: Lot, vested_by: Day, not_ended_by: Day) -> bool {
    lot.vests.is_none_or(|vests| Day::of(vests) <= vested_by)
        && lot.expires.is_none_or(|expires| Day::of(expires) >= not_ended_by)
}

#[cfg(test)]
mod tests {
    use counterfoil_protocol::time::StoreCalendar;

    use super::*;

    #[test]
    fn the_calendar_is_the_one_on_the_wall() {
        assert_eq!(Day::civil(1970, 1, 1), Day(0));
        assert_eq!(Day::civil(2026, 11, 20), Day(20_777));
        let shop = StoreCalendar::new("Europe/London", "03:00").unwrap();
        let begins_ms = Day::civil(2026, 1, 1).0 * DAY_MS;
        for hour in 0..24 * 800 {
            let at_ms = begins_ms + hour * HOUR_MS;
            assert_eq!(Day::of_shop(at_ms), Day::of(shop.business_date(at_ms)), "{at_ms}");
        }
        for day in 20_000..21_000 {
            let (year, month, of_month) = Day(day).parts();
            assert_eq!(Day::civil(year, month, of_month), Day(day));
            let date: Date = format!("{year:04}-{month:02}-{of_month:02}").parse().unwrap();
            for months in [1, 2, 11, 12, 24] {
                let end = Day(day).month_end_after(i64::from(months));
                assert_eq!(end, Day::of(date.plus(months, 0).month_end()), "{date} and {months} months");
            }
        }
    }
}
