//! CF time: `days since 1970-01-01` in one of the calendars, decoded to microseconds of TIMESTAMP.
//!
//! A date is kept by its year, month, day and time of day, whatever its calendar (as cftime and xarray show it).
//! A day that TIMESTAMP's calendar lacks (30 February of `360_day`) is the last day of its month.

use crate::error::{Error, Result};

const DAY: i128 = 86_400_000_000;

/// A calendar of CF 4.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// Julian to 1582-10-04, Gregorian from 1582-10-15.
    Standard,
    /// The calendar of today, also before 1582.
    ProlepticGregorian,
    /// A leap year every four years.
    Julian,
    /// 365 days in every year.
    NoLeap,
    /// 366 days in every year.
    AllLeap,
    /// Twelve months of 30 days.
    Day360,
}

/// Every calendar under each of its names.
pub const CALENDARS: [(&str, Calendar); 9] = [
    ("standard", Calendar::Standard),
    ("gregorian", Calendar::Standard),
    ("proleptic_gregorian", Calendar::ProlepticGregorian),
    ("julian", Calendar::Julian),
    ("noleap", Calendar::NoLeap),
    ("365_day", Calendar::NoLeap),
    ("all_leap", Calendar::AllLeap),
    ("366_day", Calendar::AllLeap),
    ("360_day", Calendar::Day360),
];

/// The first day that `standard` counts by the Gregorian rule, in days since 1970-01-01.
const GREGORIAN_FROM: i64 = -141_427;

impl Calendar {
    /// Days from 1970-01-01 of this calendar; `None` for a date that it lacks.
    fn day(self, year: i64, month: i64, day: i64) -> Option<i64> {
        if !(1..=12).contains(&month) || day < 1 || day > self.days_in(year, month) {
            return None;
        }
        Some(match self {
            Calendar::ProlepticGregorian => gregorian_day(year, month, day),
            Calendar::Julian => julian_day(year, month, day),
            Calendar::Standard if (year, month, day) >= (1582, 10, 15) => gregorian_day(year, month, day),
            Calendar::Standard if (year, month, day) <= (1582, 10, 4) => julian_day(year, month, day),
            Calendar::Standard => return None,
            Calendar::NoLeap => (year - 1970) * 365 + before(month, false) + day - 1,
            Calendar::AllLeap => (year - 1970) * 366 + before(month, true) + day - 1,
            Calendar::Day360 => (year - 1970) * 360 + (month - 1) * 30 + day - 1,
        })
    }

    /// The year, month and day that lie `day` days after 1970-01-01 of this calendar.
    fn date(self, day: i64) -> (i64, i64, i64) {
        match self {
            Calendar::ProlepticGregorian => gregorian_date(day),
            Calendar::Julian => julian_date(day),
            Calendar::Standard if day >= GREGORIAN_FROM => gregorian_date(day),
            Calendar::Standard => julian_date(day),
            Calendar::NoLeap => fixed_date(day, 365, false),
            Calendar::AllLeap => fixed_date(day, 366, true),
            Calendar::Day360 => {
                let (years, rest) = (day.div_euclid(360), day.rem_euclid(360));
                (1970 + years, rest / 30 + 1, rest % 30 + 1)
            }
        }
    }

    fn days_in(self, year: i64, month: i64) -> i64 {
        let leap = match self {
            Calendar::ProlepticGregorian => gregorian_leap(year),
            Calendar::Julian => year.rem_euclid(4) == 0,
            Calendar::Standard if year > 1582 => gregorian_leap(year),
            Calendar::Standard => year.rem_euclid(4) == 0,
            Calendar::NoLeap => false,
            Calendar::AllLeap => true,
            Calendar::Day360 => return 30,
        };
        month_length(month, leap)
    }

    /// Year 0 is 1 BC in the others; in the two historical ones -1 is, and there is no year 0.
    fn lacks_year_zero(self) -> bool {
        matches!(self, Calendar::Standard | Calendar::Julian)
    }

    fn astronomical(self, year: i64) -> i64 {
        if self.lacks_year_zero() && year < 0 { year + 1 } else { year }
    }
}

fn gregorian_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn month_length(month: i64, leap: bool) -> i64 {
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of a year before a month.
fn before(month: i64, leap: bool) -> i64 {
    (1..month).map(|m| month_length(m, leap)).sum()
}

fn fixed_date(day: i64, length: i64, leap: bool) -> (i64, i64, i64) {
    let (years, mut rest) = (day.div_euclid(length), day.rem_euclid(length));
    let mut month = 1;
    while rest >= month_length(month, leap) {
        rest -= month_length(month, leap);
        month += 1;
    }
    (1970 + years, month, rest + 1)
}

// Years that begin in March put the leap day last: then a month's first day is a straight line
// (E. G. Richards, "Calendars", in Explanatory Supplement to the Astronomical Almanac, 3rd ed., 2013).

fn march_based(year: i64, month: i64) -> (i64, i64) {
    let year = if month <= 2 { year - 1 } else { year };
    (year, (153 * ((month + 9) % 12) + 2) / 5)
}

fn from_march(year: i64, day_of_year: i64) -> (i64, i64, i64) {
    let m = (5 * day_of_year + 2) / 153;
    let month = (m + 2) % 12 + 1;
    (if month <= 2 { year + 1 } else { year }, month, day_of_year - (153 * m + 2) / 5 + 1)
}

fn gregorian_day(year: i64, month: i64, day: i64) -> i64 {
    let (year, start) = march_based(year, month);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + start + day - 1 - 719_468
}

fn gregorian_date(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    from_march(era * 400 + year, of_era - (365 * year + year / 4 - year / 100))
}

fn julian_day(year: i64, month: i64, day: i64) -> i64 {
    let (year, start) = march_based(year, month);
    let (era, of_era) = (year.div_euclid(4), year.rem_euclid(4));
    era * 1461 + of_era * 365 + start + day - 1 - 719_470
}

fn julian_date(day: i64) -> (i64, i64, i64) {
    let day = day + 719_470;
    let (era, of_era) = (day.div_euclid(1461), day.rem_euclid(1461));
    let year = (of_era - of_era / 1460) / 365;
    from_march(era * 4 + year, of_era - 365 * year)
}

/// `units since reference`, in a calendar.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeUnits {
    /// What a year is.
    pub calendar: Calendar,
    /// Microseconds in one unit, as a fraction: nanoseconds are 1/1000.
    unit: (i128, i128),
    /// The reference, in microseconds since 1970-01-01 of the calendar.
    reference: i128,
    text: String,
}

impl TimeUnits {
    /// True for texts like `hours since 1900-01-01`, which only a time has.
    pub fn is_time(units: &str) -> bool {
        let mut words = units.split_ascii_whitespace();
        words.nth(1).is_some_and(|word| word.eq_ignore_ascii_case("since")) && words.next().is_some()
    }

    /// `calendar` is CF's attribute; without it the calendar is `standard`.
    ///
    /// # Errors
    /// A calendar, unit or reference that CF does not have, with what it has.
    pub fn parse(units: &str, calendar: Option<&str>) -> Result<TimeUnits> {
        let calendar = match calendar {
            None => Calendar::Standard,
            Some(name) => crate::error::one_of(&name.to_lowercase(), "a calendar of CF", &CALENDARS)?,
        };
        let bad = |must: &str| Error::invalid(format!("\"{units}\""), must);
        let mut words = units.splitn(3, |c: char| c.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let (Some(unit), Some(_), Some(rest)) = (words.next(), words.next(), words.next()) else {
            return Err(bad("a unit since a date, such as 'days since 1970-01-01'"));
        };
        let unit = unit_length(unit, calendar).ok_or_else(|| {
            bad("in weeks, days, hours, minutes, seconds or their parts; months and years have no one length in this calendar")
        })?;
        let rest = rest.trim();
        if calendar.lacks_year_zero() && year_of(rest) == Some(0) {
            return Err(Error::conflict(
                format!("\"{units}\" counts from year 0, which its calendar does not have: 1 follows -1"),
                "A writer who counts so means calendar \"proleptic_gregorian\", or a \"noleap\" or \"360_day\" one, all of which have a year 0",
            ));
        }
        let reference = reference(rest, calendar)
            .ok_or_else(|| bad("counted from a date of its calendar, such as '1970-01-01 00:00:00'"))?;
        Ok(TimeUnits { calendar, unit, reference, text: units.to_string() })
    }

    /// Seconds in one unit.
    pub fn seconds(&self) -> f64 {
        self.unit.0 as f64 / self.unit.1 as f64 / 1e6
    }

    /// The instant of a value, in microseconds since 1970-01-01, to the nearest one.
    ///
    /// # Errors
    /// The value is not finite, or its instant is outside what TIMESTAMP holds.
    pub fn decode(&self, value: f64) -> Result<i64> {
        self.decode_exact(value).map(|(instant, _)| instant)
    }

    /// The same, and the microseconds since 1970-01-01 in the calendar itself, which tell days apart that TIMESTAMP does not.
    ///
    /// # Errors
    /// As [`TimeUnits::decode`].
    pub fn decode_exact(&self, value: f64) -> Result<(i64, i64)> {
        // 2^80 units of any kind are far outside, and keep the product within 128 bits.
        if !value.is_finite() || value.abs() > 1e24 {
            return Err(self.outside(value));
        }
        let whole = value.floor();
        // Exact: the whole part by integers, the part below one in a product below 6e11.
        let scaled = whole as i128 * self.unit.0;
        let (micros, rest) = (scaled.div_euclid(self.unit.1), scaled.rem_euclid(self.unit.1));
        let part = ((value - whole) * self.unit.0 as f64 + rest as f64) / self.unit.1 as f64;
        let micros = micros + part.floor() as i128;
        let part = part - part.floor();
        let up = part > 0.5 || (part == 0.5 && micros % 2 != 0);
        self.instant(micros + i128::from(up)).ok_or_else(|| self.outside(value))
    }

    /// The same for a stored integer, of which none is rounded.
    ///
    /// # Errors
    /// The instant is outside what TIMESTAMP holds.
    pub fn decode_integer(&self, value: i128) -> Result<(i64, i64)> {
        let scaled = value.checked_mul(self.unit.0).ok_or_else(|| self.outside(value))?;
        let half = self.unit.1 / 2;
        self.instant((scaled + half).div_euclid(self.unit.1)).ok_or_else(|| self.outside(value))
    }

    fn outside(&self, value: impl std::fmt::Display) -> Error {
        Error::invalid(
            format!("the time {value} ({})", self.text),
            "within TIMESTAMP's range, 290309 BC to AD 294246",
        )
    }

    /// A count of microseconds after the reference, by its fields, on TIMESTAMP's calendar.
    fn instant(&self, micros: i128) -> Option<(i64, i64)> {
        let total = self.reference.checked_add(micros)?;
        let (day, of_day) = (total.div_euclid(DAY), total.rem_euclid(DAY));
        let (year, month, day) = self.calendar.date(i64::try_from(day).ok().filter(|d| d.abs() < 1 << 40)?);
        let day = day.min(month_length(month, gregorian_leap(year)));
        let micros = i128::from(gregorian_day(year, month, day)) * DAY + of_day;
        // The two ends of 64 bits stand for infinity.
        let instant =
            i64::try_from(micros).ok().filter(|t| *t < i64::MAX && *t >= -9_223_372_022_400_000_000)?;
        // Calendars of fewer days a year stay within.
        Some((instant, i64::try_from(total).unwrap_or(instant)))
    }
}

fn unit_length(unit: &str, calendar: Calendar) -> Option<(i128, i128)> {
    let unit = unit.to_lowercase();
    let micros = match unit.as_str() {
        "nanoseconds" | "nanosecond" | "nanosec" | "nanosecs" | "nsec" | "nsecs" | "ns" => {
            return Some((1, 1000));
        }
        "microseconds" | "microsecond" | "microsec" | "microsecs" | "usec" | "usecs" | "us" => 1,
        "milliseconds" | "millisecond" | "millisec" | "millisecs" | "msec" | "msecs" | "ms" => 1000,
        "seconds" | "second" | "sec" | "secs" | "s" => 1_000_000,
        "minutes" | "minute" | "min" | "mins" => 60_000_000,
        "hours" | "hour" | "hr" | "hrs" | "h" => 3_600_000_000,
        "days" | "day" | "d" => DAY,
        "weeks" | "week" => 7 * DAY,
        "months" | "month" if calendar == Calendar::Day360 => 30 * DAY,
        "years" | "year" if calendar == Calendar::Day360 => 360 * DAY,
        "common_years" | "common_year" | "years" | "year" if calendar == Calendar::NoLeap => 365 * DAY,
        "years" | "year" if calendar == Calendar::AllLeap => 366 * DAY,
        _ => return None,
    };
    Some((micros, 1))
}

/// The year that a date begins with.
fn year_of(text: &str) -> Option<i64> {
    let digits = text.trim_start_matches('+');
    let end = digits.char_indices().find(|(at, c)| !(c.is_ascii_digit() || (*at == 0 && *c == '-')));
    digits.get(..end.map_or(digits.len(), |(at, _)| at))?.parse().ok()
}

/// `1992-10-8 15:15:42.5 -6:00`: the date, and if there are any a time of day and an offset from UTC.
fn reference(text: &str, calendar: Calendar) -> Option<i128> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find([' ', 'T', 't', 'Z']).unwrap_or(unsigned.len());
    let (date, rest) = unsigned.split_at(end);
    let mut fields = date.split('-');
    let mut field = || fields.next().map(|field| field.parse::<u32>().ok().map(i64::from));
    let year = sign * field()??;
    let month = field().unwrap_or(Some(1))?;
    let day = field().unwrap_or(Some(1))?;
    if fields.next().is_some() || year.abs() > 1_000_000 {
        return None;
    }
    let day = calendar.day(calendar.astronomical(year), month, day)?;
    let rest = rest.trim_start_matches(['T', 't', ' ']).trim_end();
    let (time, zone) = split_zone(rest);
    Some(i128::from(day) * DAY + clock(time)? - offset(zone)?)
}

/// A time of day and what follows it.
fn split_zone(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(text.len());
    let (time, zone) = text.split_at(end);
    (time, zone.trim())
}

fn clock(text: &str) -> Option<i128> {
    if text.is_empty() {
        return Some(0);
    }
    let mut fields = text.split(':');
    let hour: i128 = fields.next()?.parse().ok().filter(|h| *h < 24)?;
    let minute: i128 = fields.next().map_or(Some(0), |m| m.parse().ok().filter(|m| *m < 60))?;
    let second: f64 = fields.next().map_or(Some(0.0), |s| s.parse().ok().filter(|s| *s < 60.0))?;
    let micros = (second * 1e6).round() as i128;
    fields.next().is_none().then_some((hour * 60 + minute) * 60_000_000 + micros)
}

fn offset(text: &str) -> Option<i128> {
    let (sign, rest) = match text.chars().next() {
        None => return Some(0),
        Some('+') => (1, text.get(1..)?),
        Some('-') => (-1, text.get(1..)?),
        Some(_) => return ["Z", "UTC", "GMT", "z", "utc"].contains(&text).then_some(0),
    };
    let rest = rest.trim();
    let (hours, minutes) = match rest.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if rest.len() == 4 => rest.split_at(2),
        None => (rest, "0"),
    };
    let number = |text: &str| text.parse::<u32>().ok().map(i128::from);
    Some(sign * (number(hours)? * 60 + number(minutes)?) * 60_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::iso;

    fn decoded(value: f64, units: &str, calendar: &str) -> String {
        iso(TimeUnits::parse(units, Some(calendar)).unwrap().decode(value).unwrap())
    }

    #[test]
    fn dates_and_days_undo_each_other_in_every_calendar() {
        for (name, calendar) in CALENDARS {
            for day in (-1_500_000..1_500_000).step_by(17) {
                let (year, month, d) = calendar.date(day);
                assert_eq!(calendar.day(year, month, d), Some(day), "{name} {year}-{month}-{d}");
            }
        }
        assert_eq!(Calendar::Standard.date(GREGORIAN_FROM), (1582, 10, 15));
        assert_eq!(Calendar::Standard.date(GREGORIAN_FROM - 1), (1582, 10, 4));
        assert_eq!(Calendar::Standard.day(1582, 10, 10), None);
    }

    #[test]
    fn values_become_the_dates_that_cftime_gives() {
        let cases = [
            (1.5, "days since 1992-10-8 15:15:42.5 -6:00", "standard", "1992-10-10 09:15:42.500"),
            (59.0, "days since 2001-01-01", "360_day", "2001-02-28 00:00:00"),
            (58.0, "days since 2001-01-01", "360_day", "2001-02-28 00:00:00"),
            (1.0, "months since 2000-01-01", "360_day", "2000-02-01 00:00:00"),
            (59.0, "days since 2001-01-01", "noleap", "2001-03-01 00:00:00"),
            (59.0, "days since 2001-01-01", "all_leap", "2001-02-28 00:00:00"),
            (0.0, "days since 1900-02-29", "julian", "1900-02-28 00:00:00"),
            (577_737.0, "days since 1-1-1 00:00:0.0", "gregorian", "1582-10-15 00:00:00"),
            (577_736.0, "days since 0001-01-01T00:00:00Z", "standard", "1582-10-04 00:00:00"),
            (-1.0, "seconds since 1970-01-01 00:00:00 UTC", "proleptic_gregorian", "1969-12-31 23:59:59"),
            (0.1, "hours since 2000-01-01", "standard", "2000-01-01 00:06:00"),
        ];
        for (value, units, calendar, expected) in cases {
            assert_eq!(decoded(value, units, calendar), expected, "{value} {units} {calendar}");
        }
    }

    #[test]
    fn integers_keep_every_digit() {
        let units = TimeUnits::parse("nanoseconds since 1970-01-01", None).unwrap();
        assert_eq!(units.decode_integer(1_600_000_000_123_456_789).unwrap().0, 1_600_000_000_123_457);
    }

    #[test]
    fn days_that_timestamp_lacks_stay_apart_in_their_own_calendar() {
        let days = TimeUnits::parse("days since 2001-02-01", Some("360_day")).unwrap();
        let exact: Vec<(i64, i64)> =
            [27.0, 28.0, 29.0].iter().map(|v| days.decode_exact(*v).unwrap()).collect();
        assert!(exact.iter().all(|(instant, _)| *instant == exact[0].0));
        assert!(exact.windows(2).all(|pair| pair[1].1 - pair[0].1 == 86_400_000_000));
    }

    #[test]
    fn year_zero_is_there_in_the_calendars_that_have_one() {
        for (name, calendar) in CALENDARS {
            let parsed = TimeUnits::parse("days since 0000-01-01", Some(name));
            assert_eq!(parsed.is_err(), calendar.lacks_year_zero(), "{name}");
        }
        assert!(
            TimeUnits::parse("days since -1-12-31", None).is_ok()
                && TimeUnits::parse("days since 0-1-1", None).is_err()
        );
        assert_eq!(decoded(738_000.0, "days since 0000-01-01", "noleap"), "2021-12-02 00:00:00");
        assert_eq!(decoded(738_000.0, "days since 0000-01-01", "proleptic_gregorian"), "2020-07-29 00:00:00");
    }

    #[test]
    fn what_has_no_instant_is_refused() {
        let days = TimeUnits::parse("days since 1970-01-01", None).unwrap();
        for value in [1e9, -1e9, 1e20, f64::MAX, f64::NAN, f64::INFINITY] {
            assert!(days.decode(value).is_err(), "{value}");
        }
        for units in [
            "days",
            "days since",
            "fortnights since 2000-01-01",
            "days since 2000-02-30",
            "months since 2000-01-01",
            "days since 2000-01-01 25:00",
            "days since x",
            "days since 1582-10-10",
        ] {
            assert!(TimeUnits::parse(units, None).is_err(), "{units}");
        }
        assert!(TimeUnits::parse("days since 2000-01-01", Some("mayan")).is_err());
        assert!(TimeUnits::is_time("Days Since 2000-01-01") && !TimeUnits::is_time("days"));
    }
}
