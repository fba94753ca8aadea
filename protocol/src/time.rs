//! Dates and instants as values. Nothing here reads a clock.
//!
//! Instants on the wire are milliseconds since 1970 UTC; monotonic time inside state machines is [`Millis`].
//! A business date is the store's, in the store's time zone, with its day end.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date as CivilDate;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::program::LocalTime;

/// Monotonic milliseconds of whatever clock drives a state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// Later by `ms`.
    pub fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// A calendar date; `YYYY-MM-DD` as text, `yyyymmdd` as an integer on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(CivilDate);

/// Text or number that is no date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a date of the form YYYY-MM-DD")]
pub struct DateError(pub String);

impl Date {
    /// From the packed form `yyyymmdd`.
    ///
    /// # Errors
    /// When there is no such day.
    pub fn from_packed(packed: i32) -> Result<Self, DateError> {
        let parts = (i16::try_from(packed / 10_000), i8::try_from(packed / 100 % 100), i8::try_from(packed % 100));
        let (Ok(year), Ok(month), Ok(day)) = parts else {
            return Err(DateError(packed.to_string()));
        };
        CivilDate::new(year, month, day).map(Self).map_err(|_| DateError(packed.to_string()))
    }

    /// The packed form `yyyymmdd`.
    pub fn packed(self) -> i32 {
        i32::from(self.0.year()) * 10_000 + i32::from(self.0.month()) * 100 + i32::from(self.0.day())
    }

    /// The day before; itself at the beginning of the calendar.
    pub fn yesterday(self) -> Self {
        Self(self.0.yesterday().unwrap_or(self.0))
    }

    /// The day after; itself at the end of the calendar.
    pub fn tomorrow(self) -> Self {
        Self(self.0.tomorrow().unwrap_or(self.0))
    }

    /// Later by so many months, then by so many days. A day that the month does not have is its last: 31 January
    /// and a month is 28 or 29 February. The last day of the calendar where it ends before.
    pub fn plus(self, months: u32, days: u32) -> Self {
        let add = |date: CivilDate, span: Result<Span, jiff::Error>| span.and_then(|span| date.checked_add(span));
        let later = add(self.0, Span::new().try_months(months)).and_then(|date| add(date, Span::new().try_days(days)));
        Self(later.unwrap_or(CivilDate::MAX))
    }

    /// The last day of its month.
    pub fn month_end(self) -> Self {
        Self(self.0.last_of_month())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Date {
    type Err = DateError;
    fn from_str(text: &str) -> Result<Self, DateError> {
        // A year before 0 has no packed form.
        let date = CivilDate::strptime("%Y-%m-%d", text).ok().filter(|date| date.year() >= 0);
        date.map(Self).ok_or_else(|| DateError(text.chars().take(40).collect()))
    }
}

impl Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<C> minicbor::Encode<C> for Date {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.i32(self.packed())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Date {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_packed(d.i32()?).map_err(|_| minicbor::decode::Error::message("no such date"))
    }
}

/// A store's calendar: its time zone and when its day ends.
#[derive(Debug, Clone)]
pub struct StoreCalendar {
    zone: TimeZone,
    day_end_minutes: u16,
}

/// A calendar that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Not in the IANA time zone database.
    #[error("{0:?} is not an IANA time zone (for example Europe/London)")]
    Zone(String),
    /// Not `HH:MM`.
    #[error("{0:?} is not a time of day of the form HH:MM")]
    DayEnd(String),
}

impl StoreCalendar {
    /// `zone` is an IANA name; `day_end` is `HH:MM` local, the moment at which one business date gives way to
    /// the next (`00:00`: at midnight; `03:00`: sales until three belong to the day before).
    ///
    /// # Errors
    /// When either does not parse.
    pub fn new(zone: &str, day_end: &str) -> Result<Self, CalendarError> {
        let bad = || CalendarError::DayEnd(day_end.to_owned());
        let (hour, minute) = day_end.split_once(':').ok_or_else(bad)?;
        let (hour, minute): (u16, u16) = (hour.parse().map_err(|_| bad())?, minute.parse().map_err(|_| bad())?);
        if hour > 23 || minute > 59 {
            return Err(bad());
        }
        let zone = TimeZone::get(zone).map_err(|_| CalendarError::Zone(zone.to_owned()))?;
        Ok(Self { zone, day_end_minutes: hour * 60 + minute })
    }

    /// The business date that holds an instant (milliseconds since 1970 UTC).
    pub fn business_date(&self, at_ms: i64) -> Date {
        let local = timestamp(at_ms).to_zoned_datetime(self.zone.clone()).datetime();
        let minute_of_day = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let date = Date(local.date());
        if minute_of_day < self.day_end_minutes { date.yesterday() } else { date }
    }

    /// Local time as rules see it.
    pub fn local_time(&self, at_ms: i64) -> LocalTime {
        let local = timestamp(at_ms).to_zoned_datetime(self.zone.clone());
        LocalTime {
            year: local.year(),
            month: local.month().unsigned_abs(),
            day: local.day().unsigned_abs(),
            weekday: local.weekday().to_monday_one_offset().unsigned_abs(),
            hour: local.hour().unsigned_abs(),
            minute: local.minute().unsigned_abs(),
        }
    }

    /// An instant as RFC 3339 with the store's offset.
    pub fn rfc3339(&self, at_ms: i64) -> String {
        let zoned = timestamp(at_ms).to_zoned_datetime(self.zone.clone());
        zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// Reads RFC 3339 with offset, or a local time without one (as paper prints it) in the store's zone.
    /// `None` where the text is neither.
    pub fn parse_instant_ms(&self, text: &str) -> Option<i64> {
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Some(instant.as_millisecond());
        }
        let local: jiff::civil::DateTime = text.parse().ok()?;
        Some(local.to_zoned_datetime(self.zone.clone()).ok()?.timestamp().as_millisecond())
    }
}

/// An instant as RFC 3339 in UTC.
pub fn rfc3339_utc(at_ms: i64) -> String {
    timestamp(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn timestamp(at_ms: i64) -> Timestamp {
    let clamped = SignedDuration::from_millis(at_ms.clamp(-62_000_000_000_000, 250_000_000_000_000));
    Timestamp::from_duration(clamped).expect("clamped into the calendar's range")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_business_date_follows_zone_and_day_end() {
        let london = StoreCalendar::new("Europe/London", "03:00").unwrap();
        let cases = [
            ("2026-11-20T02:59:59Z", "2026-11-19"),
            ("2026-11-20T03:00:00Z", "2026-11-20"),
            ("2026-07-01T01:30:00Z", "2026-06-30"),
            ("2026-07-01T02:00:00Z", "2026-07-01"),
        ];
        for (instant, date) in cases {
            assert_eq!(london.business_date(at(instant)).to_string(), date, "{instant}");
        }
        assert_eq!(london.rfc3339(at("2026-07-01T02:00:00Z")), "2026-07-01T03:00:00+01:00");
        assert_eq!(london.parse_instant_ms("2026-07-01T03:00:00"), Some(at("2026-07-01T02:00:00Z")));
        assert_eq!(london.parse_instant_ms("yesterday"), None);
        assert!(StoreCalendar::new("Mars/Base", "03:00").is_err());
        assert!(StoreCalendar::new("Europe/London", "25:00").is_err());
    }

    #[test]
    fn dates_survive_text_and_wire() {
        let date: Date = "2028-02-29".parse().unwrap();
        assert_eq!(date.to_string(), "2028-02-29");
        assert_eq!(minicbor::decode::<Date>(&minicbor::to_vec(date).unwrap()).unwrap(), date);
        assert!("2026-02-29".parse::<Date>().is_err());
        assert!("-8-02-29".parse::<Date>().is_err());
        assert!(Date::from_packed(20_260_229).is_err());
        assert!(Date::from_packed(i32::MIN).is_err());
    }

    #[test]
    fn dates_add_months_first_then_days() {
        let cases = [
            ("2026-01-31", 1, 0, "2026-02-28"),
            ("2028-01-31", 1, 0, "2028-02-29"),
            ("2026-01-31", 1, 1, "2026-03-01"),
            ("2026-01-31", 2, 0, "2026-03-31"),
            ("2028-02-29", 12, 0, "2029-02-28"),
            ("2096-02-29", 48, 0, "2100-02-28"),
            ("2026-12-31", 0, 1, "2027-01-01"),
            ("2026-11-20", 0, 0, "2026-11-20"),
            ("2026-11-20", 1_200, 0, "2126-11-20"),
            ("9999-12-30", 0, 1, "9999-12-31"),
            ("9999-12-30", 0, 2, "9999-12-31"),
            ("9999-12-30", 1, 0, "9999-12-31"),
            ("0000-01-01", u32::MAX, 0, "9999-12-31"),
            ("0000-01-01", 0, u32::MAX, "9999-12-31"),
        ];
        for (from, months, days, expected) in cases {
            let from: Date = from.parse().unwrap();
            assert_eq!(from.plus(months, days).to_string(), expected, "{from} + {months} months {days} days");
        }
        let ends = [
            ("2026-02-01", "2026-02-28"),
            ("2028-02-29", "2028-02-29"),
            ("2100-02-10", "2100-02-28"),
            ("2000-02-10", "2000-02-29"),
            ("2026-04-30", "2026-04-30"),
            ("2026-12-05", "2026-12-31"),
            ("9999-12-31", "9999-12-31"),
        ];
        for (date, expected) in ends {
            assert_eq!(date.parse::<Date>().unwrap().month_end().to_string(), expected);
        }
    }

    #[test]
    fn any_clock_value_is_taken() {
        let utc = StoreCalendar::new("UTC", "00:00").unwrap();
        for extreme in [i64::MIN, i64::MAX, 0] {
            let _ = utc.business_date(extreme);
            let _ = utc.rfc3339(extreme);
        }
    }
}
