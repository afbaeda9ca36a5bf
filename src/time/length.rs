//! A length of time: months, days and microseconds, as DuckDB's INTERVAL.

use std::fmt;

use chrono::{DateTime, Days, Months, TimeDelta};

use crate::error::{Error, Result};
use crate::value::CalendarInterval;

/// A length above zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Length(CalendarInterval);

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;
/// A month of the Gregorian calendar in the mean.
const MEAN_MONTH: f64 = 365.2425 / 12.0;

impl Length {
    /// # Errors
    /// A length that is zero, or of which a part is negative.
    pub fn new(interval: CalendarInterval) -> Result<Length> {
        let CalendarInterval { months, days, micros } = interval;
        let sound = months >= 0 && days >= 0 && micros >= 0 && (months > 0 || days > 0 || micros > 0);
        if sound {
            Ok(Length(interval))
        } else {
            Err(Error::invalid(Length(interval), "an interval above zero"))
        }
    }

    /// It has months or years, which are of no one length.
    pub fn has_months(&self) -> bool {
        self.0.months != 0
    }

    /// Its microseconds, a month counted as the Gregorian calendar's mean.
    pub fn micros(&self) -> f64 {
        f64::from(self.0.months) * MEAN_MONTH * DAY as f64
            + f64::from(self.0.days) * DAY as f64
            + self.0.micros as f64
    }

    /// The instant so many lengths later, or earlier: months first, then days, as DuckDB adds them; a day that a month lacks is its
    /// last. `None` beyond the calendar.
    pub fn shift(&self, instant: i64, times: i64) -> Option<i64> {
        let months = i64::from(self.0.months).checked_mul(times)?;
        let days = i64::from(self.0.days).checked_mul(times)?;
        let micros = self.0.micros.checked_mul(times)?;
        let mut at = DateTime::from_timestamp_micros(instant)?.naive_utc();
        let by = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
        at = if months < 0 { at.checked_sub_months(by)? } else { at.checked_add_months(by)? };
        let by = Days::new(days.unsigned_abs());
        at = if days < 0 { at.checked_sub_days(by)? } else { at.checked_add_days(by)? };
        at = at.checked_add_signed(TimeDelta::microseconds(micros))?;
        Some(at.and_utc().timestamp_micros())
    }
}

/// As DuckDB prints an INTERVAL.
impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CalendarInterval { months, days, micros } = self.0;
        let mut parts = Vec::new();
        let mut part = |count: i32, one: &str| {
            if count != 0 {
                parts.push(format!("{count} {one}{}", if count.abs() == 1 { "" } else { "s" }));
            }
        };
        part(months / 12, "year");
        part(months % 12, "month");
        part(days, "day");
        if micros != 0 || parts.is_empty() {
            let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
            let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
            let mut clock =
                format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
            if rest != 0 {
                clock.push_str(format!(".{rest:06}").trim_end_matches('0'));
            }
            parts.push(clock);
        }
        f.write_str(&parts.join(" "))
    }
}

#[cfg(test)]
pub(crate) fn days(days: i32) -> Length {
    Length(CalendarInterval { months: 0, days, micros: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::written;

    fn length(months: i32, days: i32, micros: i64) -> Length {
        Length::new(CalendarInterval { months, days, micros }).unwrap()
    }

    #[test]
    fn a_month_back_ends_in_that_month() {
        let at = |text: &str| written(text).unwrap().start;
        assert_eq!(length(1, 0, 0).shift(at("2020-03-31"), -1), Some(at("2020-02-29")));
        assert_eq!(length(12, 0, 0).shift(at("2020-02-29"), 4), Some(at("2024-02-29")));
        assert_eq!(length(0, 7, 3_600_000_000).shift(at("2020-01-08 01:00"), -1), Some(at("2020-01-01")));
        assert_eq!(length(1, 0, 0).shift(0, i64::MAX), None);
    }

    #[test]
    fn a_length_prints_as_duckdb_prints_it() {
        assert_eq!(length(14, 1, 0).to_string(), "1 year 2 months 1 day");
        assert_eq!(length(0, 7, 0).to_string(), "7 days");
        assert_eq!(length(0, 0, 3_661_500_000).to_string(), "01:01:01.5");
        assert!(Length::new(CalendarInterval { months: 0, days: 0, micros: 0 }).is_err());
        assert!(Length::new(CalendarInterval { months: 1, days: -1, micros: 0 }).is_err());
    }
}
