//! Time: closed intervals of microseconds since 1970-01-01T00:00:00 UTC.

use std::fmt;
use std::sync::OnceLock;

use chrono::format::{Fixed, Item, Numeric, Parsed, StrftimeItems};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use crate::error::{Error, Result};

/// `start <= stop`, both inside: two intervals that touch share an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Its first microsecond since 1970, UTC.
    pub start: i64,
    /// Its last microsecond, inside.
    pub stop: i64,
}

/// The instant as ISO 8601 text.
pub fn iso(micros: i64) -> String {
    match DateTime::from_timestamp_micros(micros) {
        Some(instant) => instant.naive_utc().to_string(),
        None => format!("{micros} us"),
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", iso(self.start), iso(self.stop))
    }
}

/// The finest part of a date that a format spells out: what the text stands for is one whole such part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Microsecond,
}

/// A strftime format, parsed once.
#[derive(Debug, Clone)]
pub struct DateFormat {
    text: String,
    items: Vec<Item<'static>>,
    finest: Part,
}

impl DateFormat {
    /// # Errors
    /// A directive that strftime does not know, or a format without a year.
    pub fn new(format: &str) -> Result<DateFormat> {
        let bad = |must: &str| Err(Error::invalid(format!("\"{format}\""), must));
        let items: Vec<Item<'static>> = StrftimeItems::new(format).map(Item::to_owned).collect();
        if items.contains(&Item::Error) {
            return bad("a strftime format such as '%Y%m%d' or '%Y-%m-%dT%H%M%S'");
        }
        if !items.iter().any(has_year) {
            return bad("a strftime format with a year (%Y, or %y, %F, %s)");
        }
        let finest = items.iter().filter_map(part).max().unwrap_or(Part::Year);
        Ok(DateFormat { text: format.to_string(), items, finest })
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole day, hour, … that the text names, closed: `20180101` in `%Y%m%d` is
    /// [2018-01-01 00:00:00, 2018-01-01 23:59:59.999999]. `None` when there is no such date.
    pub fn parse(&self, text: &str) -> Option<Interval> {
        let mut parsed = Parsed::new();
        chrono::format::parse(&mut parsed, text, self.items.iter()).ok()?;
        let mut start = match parsed.timestamp() {
            Some(seconds) => DateTime::from_timestamp(seconds, 0)?.naive_utc(),
            None => self.date(&parsed)?.and_time(self.time(&parsed)?),
        };
        if let (Some(offset), None) = (parsed.offset(), parsed.timestamp()) {
            start = start.checked_sub_signed(TimeDelta::seconds(i64::from(offset)))?;
        }
        let next = self.next(start)?;
        Some(Interval { start: micros(start), stop: micros(next) - 1 })
    }

    fn date(&self, parsed: &Parsed) -> Option<NaiveDate> {
        if let Ok(date) = parsed.to_naive_date() {
            return Some(date);
        }
        // A year, or a year and a month: chrono wants a whole date, we want its first day.
        let mut parsed = parsed.clone();
        if self.finest == Part::Year {
            parsed.set_month(1).ok()?;
        }
        if self.finest <= Part::Month {
            parsed.set_day(1).ok()?;
        }
        parsed.to_naive_date().ok()
    }

    fn time(&self, parsed: &Parsed) -> Option<NaiveTime> {
        if self.finest < Part::Hour {
            return Some(NaiveTime::MIN);
        }
        let mut parsed = parsed.clone();
        if self.finest < Part::Minute {
            parsed.set_minute(0).ok()?;
        }
        if self.finest < Part::Second {
            parsed.set_second(0).ok()?;
        }
        let time = parsed.to_naive_time().ok()?;
        time.with_nanosecond(time.nanosecond() % 1_000_000_000 / 1000 * 1000)
    }

    fn next(&self, start: NaiveDateTime) -> Option<NaiveDateTime> {
        let first = start.with_day(1)?;
        match self.finest {
            Part::Year => first.with_month(1)?.checked_add_months(Months::new(12)),
            Part::Month => first.checked_add_months(Months::new(1)),
            Part::Day => start.checked_add_days(Days::new(1)),
            Part::Hour => start.checked_add_signed(TimeDelta::hours(1)),
            Part::Minute => start.checked_add_signed(TimeDelta::minutes(1)),
            Part::Second => start.checked_add_signed(TimeDelta::seconds(1)),
            Part::Microsecond => start.checked_add_signed(TimeDelta::microseconds(1)),
        }
    }
}

/// A time as people write it, and the whole of what it says: `2018`, `2018-01`, `2018-01-31`, a day with
/// `23:59`, `23:59:59` or `23:59:59.999999` after a blank or a `T`. `None` for any other text.
pub fn written(text: &str) -> Option<Interval> {
    let forms = ["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%.f"];
    let text = text.trim().trim_end_matches('Z').replacen('T', " ", 1);
    forms.iter().find_map(|form| DateFormat::new(form).ok()?.parse(&text))
}

/// A time as files tell it, and the whole of what it says: ISO 8601 in its extended or basic form, or EXIF's
/// `2018:01:31 23:59:59`; a day alone is the whole day. With a zone (`Z`, `UTC`, `+02:00`) it is converted to UTC, without
/// one it is UTC. `None` for any other text.
pub fn stamped(text: &str) -> Option<Interval> {
    static FORMATS: OnceLock<Vec<DateFormat>> = OnceLock::new();
    let formats = FORMATS.get_or_init(|| {
        let clocks = |colon: &str| {
            ["%H%M", "%H%M%S", "%H%M%S%.f"]
                .map(|clock| clock.replace("%M", &format!("{colon}%M")).replace("%S", &format!("{colon}%S")))
        };
        let mut forms = Vec::new();
        for (day, colon) in [("%Y-%m-%d", ":"), ("%Y:%m:%d", ":"), ("%Y%m%d", "")] {
            forms.push(day.to_string());
            for clock in clocks(colon) {
                forms.extend(["", "%z"].map(|zone| format!("{day} {clock}{zone}")));
            }
        }
        forms.iter().filter_map(|form| DateFormat::new(form).ok()).collect()
    });
    let text = text.trim();
    let mut text = match text.strip_suffix("UTC").or(text.strip_suffix('Z')) {
        Some(clock) => format!("{}+0000", clock.trim_end()),
        None => text.to_string(),
    };
    text = text.replacen('T', " ", 1);
    // A zone of whole hours; a sign before the time of day is part of the date.
    if text.rfind(['+', '-']).is_some_and(|sign| sign > 10 && sign + 3 == text.len()) {
        text.push_str("00");
    }
    formats.iter().find_map(|format| format.parse(&text))
}

fn micros(instant: NaiveDateTime) -> i64 {
    instant.and_utc().timestamp_micros()
}

fn has_year(item: &Item<'_>) -> bool {
    use Numeric::{IsoYear, IsoYearMod100, Timestamp, Year, YearMod100};
    matches!(item, Item::Numeric(Year | YearMod100 | IsoYear | IsoYearMod100 | Timestamp, _))
        || matches!(item, Item::Fixed(Fixed::RFC2822 | Fixed::RFC3339))
}

fn part(item: &Item<'_>) -> Option<Part> {
    use Numeric as N;
    Some(match item {
        Item::Numeric(kind, _) => match kind {
            N::Year | N::YearDiv100 | N::YearMod100 | N::IsoYear | N::IsoYearMod100 => Part::Year,
            N::Month => Part::Month,
            N::Hour | N::Hour12 => Part::Hour,
            N::Minute => Part::Minute,
            N::Second | N::Timestamp => Part::Second,
            N::Nanosecond => Part::Microsecond,
            _ => Part::Day,
        },
        Item::Fixed(kind) => match kind {
            Fixed::ShortMonthName | Fixed::LongMonthName => Part::Month,
            Fixed::ShortWeekdayName | Fixed::LongWeekdayName => Part::Day,
            Fixed::LowerAmPm | Fixed::UpperAmPm => Part::Hour,
            Fixed::RFC2822 => Part::Second,
            Fixed::RFC3339
            | Fixed::Nanosecond
            | Fixed::Nanosecond3
            | Fixed::Nanosecond6
            | Fixed::Nanosecond9 => Part::Microsecond,
            // Zones move a time and are no part of it.
            Fixed::TimezoneName
            | Fixed::TimezoneOffset
            | Fixed::TimezoneOffsetColon
            | Fixed::TimezoneOffsetColonZ
            | Fixed::TimezoneOffsetDoubleColon
            | Fixed::TimezoneOffsetTripleColon
            | Fixed::TimezoneOffsetZ => return None,
            // chrono keeps to itself what %#z, %3f, %6f and %9f are: a zone, and fractions without a dot.
            Fixed::Internal(_) => {
                let is_zone = StrftimeItems::new("%#z").next().as_ref() == Some(item);
                return (!is_zone).then_some(Part::Microsecond);
            }
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(format: &str, text: &str) -> Option<String> {
        DateFormat::new(format).unwrap().parse(text).map(|i| i.to_string())
    }

    #[test]
    fn text_means_one_whole_part_of_its_finest_directive() {
        let cases = [
            ("%Y%m%d", "20180131", "[2018-01-31 00:00:00, 2018-01-31 23:59:59.999999]"),
            ("%Y%j", "2018365", "[2018-12-31 00:00:00, 2018-12-31 23:59:59.999999]"),
            ("%Y%m", "202002", "[2020-02-01 00:00:00, 2020-02-29 23:59:59.999999]"),
            ("%Y", "2019", "[2019-01-01 00:00:00, 2019-12-31 23:59:59.999999]"),
            ("%Y%m%dT%H", "20180131T23", "[2018-01-31 23:00:00, 2018-01-31 23:59:59.999999]"),
            ("%Y%m%dT%H%M", "20180131T2359", "[2018-01-31 23:59:00, 2018-01-31 23:59:59.999999]"),
            ("%Y%m%dT%H%M%S", "20180131T235959", "[2018-01-31 23:59:59, 2018-01-31 23:59:59.999999]"),
            (
                "%Y-%m-%dT%H:%M:%S%z",
                "2018-01-31T23:00:00-0200",
                "[2018-02-01 01:00:00, 2018-02-01 01:00:00.999999]",
            ),
            ("%d%b%Y", "05Mar2021", "[2021-03-05 00:00:00, 2021-03-05 23:59:59.999999]"),
            ("%s", "86400", "[1970-01-02 00:00:00, 1970-01-02 00:00:00.999999]"),
        ];
        for (format, text, expected) in cases {
            assert_eq!(parse(format, text).as_deref(), Some(expected), "{format} {text}");
        }
    }

    #[test]
    fn each_directive_is_the_part_that_it_spells_out() {
        let cases: [(&[&str], Option<Part>); 8] = [
            (&["%Y", "%C", "%y", "%G", "%g"], Some(Part::Year)),
            (&["%m", "%b", "%B", "%h"], Some(Part::Month)),
            (
                &["%d", "%e", "%a", "%A", "%w", "%u", "%U", "%W", "%V", "%j", "%D", "%x", "%F", "%v"],
                Some(Part::Day),
            ),
            (&["%H", "%k", "%I", "%l", "%P", "%p"], Some(Part::Hour)),
            (&["%M", "%R"], Some(Part::Minute)),
            (&["%S", "%s", "%T", "%X", "%r", "%c"], Some(Part::Second)),
            (&["%f", "%.f", "%.3f", "%.6f", "%.9f", "%3f", "%6f", "%9f", "%+"], Some(Part::Microsecond)),
            (&["%Z", "%z", "%:z", "%::z", "%:::z", "%#z", "%t", "%n", "%%", "text"], None),
        ];
        for (directives, wanted) in cases {
            for directive in directives {
                let items: Vec<Item<'_>> = StrftimeItems::new(directive).collect();
                assert!(!items.contains(&Item::Error), "{directive}");
                assert_eq!(items.iter().filter_map(part).max(), wanted, "{directive}");
            }
        }
    }

    #[test]
    fn written_times_stand_for_the_whole_of_what_they_say() {
        let read = |text: &str| written(text).map(|i| i.to_string());
        assert_eq!(read("2018-02").as_deref(), Some("[2018-02-01 00:00:00, 2018-02-28 23:59:59.999999]"));
        assert_eq!(
            read("2018-01-31T23:59").as_deref(),
            Some("[2018-01-31 23:59:00, 2018-01-31 23:59:59.999999]")
        );
        assert_eq!(
            read("2018-01-31 12:00:00Z").as_deref(),
            Some("[2018-01-31 12:00:00, 2018-01-31 12:00:00.999999]")
        );
        assert_eq!(read("yesterday"), None);
    }

    #[test]
    fn times_of_files_stand_in_utc_for_the_whole_of_what_they_say() {
        let read = |text: &str| stamped(text).map(|i| i.to_string());
        for (text, expected) in [
            ("2018:01:31 23:59:59", "[2018-01-31 23:59:59, 2018-01-31 23:59:59.999999]"),
            ("2018:01:31", "[2018-01-31 00:00:00, 2018-01-31 23:59:59.999999]"),
            ("2018-01-31", "[2018-01-31 00:00:00, 2018-01-31 23:59:59.999999]"),
            ("2018-01-31T23:59", "[2018-01-31 23:59:00, 2018-01-31 23:59:59.999999]"),
            ("2018-01-31T23:59:59Z", "[2018-01-31 23:59:59, 2018-01-31 23:59:59.999999]"),
            ("2018-01-31 23:59:59 UTC", "[2018-01-31 23:59:59, 2018-01-31 23:59:59.999999]"),
            ("2018-01-31T23:59:59.25 UTC", "[2018-01-31 23:59:59.250, 2018-01-31 23:59:59.250]"),
            ("2018-01-31T23:59:59.000001+02:00", "[2018-01-31 21:59:59.000001, 2018-01-31 21:59:59.000001]"),
            ("2018-01-31T23:00:00-0330", "[2018-02-01 02:30:00, 2018-02-01 02:30:00.999999]"),
            ("2018-01-31T23:00:00+01", "[2018-01-31 22:00:00, 2018-01-31 22:00:00.999999]"),
            (" 20180131T235959Z ", "[2018-01-31 23:59:59, 2018-01-31 23:59:59.999999]"),
            ("20180131", "[2018-01-31 00:00:00, 2018-01-31 23:59:59.999999]"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "0000:00:00 00:00:00",
            "    :  :     :  :  ",
            "2018",
            "31/01/2018",
            "2018:02:30 00:00:00",
            "yesterday",
            "2018-01-31T25:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_none() {
        for text in ["20180230", "20181301", "20180100", "201801", "abcdefgh", "20180101x", ""] {
            assert_eq!(parse("%Y%m%d", text), None, "{text}");
        }
        assert_eq!(parse("%Y%j", "2018366"), None);
    }

    #[test]
    fn a_format_has_a_year_and_known_directives() {
        assert!(DateFormat::new("%m%d").is_err());
        assert!(DateFormat::new("%Q").is_err());
    }
}
