//! What a file's name says: its time and its attributes.

use regex::Regex;

use crate::error::{Cause, Error, NameFault, Result};
use crate::interval::{DateFormat, Interval};

/// A regular expression whose named groups `date`, or `start` and `stop`, give the interval; the other
/// named groups become attributes.
#[derive(Debug, Clone)]
pub struct NameRule {
    regex: Regex,
    format: DateFormat,
    attributes: Vec<String>,
    whole_path: bool,
}

/// The time of a file, if its name tells one, and its attributes in the order of the groups.
pub(crate) type NameFields = (Option<Interval>, Vec<(String, String)>);

const TIME_GROUPS: [&str; 3] = ["date", "start", "stop"];

impl NameRule {
    /// # Errors
    /// The pattern does not compile, names no group, or mixes `date` with `start`/`stop`, or has `stop` alone.
    pub fn new(pattern: &str, date_format: &str) -> Result<NameRule> {
        let regex = Regex::new(pattern).map_err(|e| Error::Unparsed {
            value: pattern.into(),
            noun: "a regular expression",
            reason: reason_of(e),
        })?;
        let names: Vec<String> = regex.capture_names().flatten().map(str::to_string).collect();
        if names.is_empty() {
            return Err(Error::Misnamed { name: pattern.into(), fault: NameFault::NoGroup });
        }
        let has = |name: &str| names.iter().any(|n| n == name);
        if has("date") && (has("start") || has("stop")) {
            return Err(Error::conflict(
                format!("\"{pattern}\" has both a group \"date\" and a group \"start\" or \"stop\""),
                "Name the groups date, or start and stop",
            ));
        }
        if has("stop") && !has("start") {
            let problem = format!("\"{pattern}\" has a group \"stop\" without a group \"start\"");
            return Err(Error::conflict(problem, ""));
        }
        let format = DateFormat::new(date_format)?;
        let attributes = names.into_iter().filter(|n| !TIME_GROUPS.contains(&n.as_str())).collect();
        Ok(NameRule { regex, format, attributes, whole_path: pattern.contains('/') })
    }

    /// The regular expression as it was given.
    pub fn pattern(&self) -> &str {
        self.regex.as_str()
    }

    /// How the time groups are written, as it was given.
    pub fn date_format(&self) -> &str {
        self.format.text()
    }

    /// True when some group tells the time.
    pub fn tells_time(&self) -> bool {
        self.regex.capture_names().flatten().any(|name| TIME_GROUPS.contains(&name))
    }

    /// The pattern is searched in the file's name, or in the whole path when it has a `/` itself.
    ///
    /// # Errors
    /// [`Error::Misnamed`].
    pub fn read(&self, path: &str) -> Result<NameFields> {
        let name = if self.whole_path { path } else { path.rsplit('/').next().unwrap_or(path) };
        let misnamed = |fault| Error::Misnamed { name: name.into(), fault };
        let no_match = || misnamed(NameFault::NoMatch { pattern: self.regex.as_str().into() });
        let groups = self.regex.captures(name).ok_or_else(no_match)?;
        let time = |group: &str| match groups.name(group) {
            None => Ok(None),
            Some(text) => match self.format.parse(text.as_str()) {
                Some(interval) => Ok(Some(interval)),
                None => Err(misnamed(NameFault::NoSuchDate {
                    text: text.as_str().into(),
                    format: self.format.text().into(),
                })),
            },
        };
        let interval = match (time("date")?, time("start")?, time("stop")?) {
            (Some(date), _, _) => Some(date),
            (None, Some(start), Some(stop)) if stop.stop < start.start => {
                let text = |group: &str| groups.name(group).map_or("", |m| m.as_str()).to_string();
                return Err(misnamed(NameFault::Backwards { start: text("start"), stop: text("stop") }));
            }
            (None, Some(start), Some(stop)) => Some(Interval { start: start.start, stop: stop.stop }),
            (None, Some(start), None) => Some(start),
            (None, None, _) => None,
        };
        let attribute = |key: &String| groups.name(key).map(|m| (key.clone(), m.as_str().to_string()));
        Ok((interval, self.attributes.iter().filter_map(attribute).collect()))
    }
}

/// A regex error draws the pattern on many lines; the last one says what is wrong.
fn reason_of(error: regex::Error) -> Cause {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
    Cause::worded(last, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, name: &str) -> Result<NameFields> {
        NameRule::new(pattern, "%Y%m%d").and_then(|rule| rule.read(name))
    }

    #[test]
    fn the_groups_give_the_day_and_the_attributes() {
        let (interval, attributes) =
            read(r"(?P<var>[a-z]+)_(?P<date>\d{8})", "/data/sst_20180102.tif").unwrap();
        assert_eq!(interval.unwrap().to_string(), "[2018-01-02 00:00:00, 2018-01-02 23:59:59.999999]");
        assert_eq!(attributes, [("var".to_string(), "sst".to_string())]);
    }

    #[test]
    fn start_and_stop_span_from_the_floor_to_the_end() {
        let pattern = r"(?P<start>\d{8})-(?P<stop>\d{8})";
        let (interval, _) = read(pattern, "a_20180101-20180131.nc").unwrap();
        assert_eq!(interval.unwrap().to_string(), "[2018-01-01 00:00:00, 2018-01-31 23:59:59.999999]");
        let error = read(pattern, "a_20180131-20180101.nc");
        assert!(matches!(error, Err(Error::Misnamed { fault: NameFault::Backwards { .. }, .. })));
    }

    #[test]
    fn no_time_group_is_undated() {
        assert_eq!(read(r"(?P<tile>T\w+)\.tif", "T29SND.tif").unwrap().0, None);
    }

    #[test]
    fn each_mistake_has_its_error() {
        let fault = |pattern: &str, name: &str| match read(pattern, name) {
            Err(Error::Misnamed { fault, .. }) => fault,
            other => panic!("{other:?}"),
        };
        assert!(matches!(read(r"(?P<date>\d{8}", "x"), Err(Error::Unparsed { .. })));
        assert_eq!(fault(r"(\d{8})", "20180101.tif"), NameFault::NoGroup);
        assert!(matches!(fault(r"(?P<date>\d{8})", "x.tif"), NameFault::NoMatch { .. }));
        assert!(matches!(fault(r"(?P<date>\d{8})", "20180230.tif"), NameFault::NoSuchDate { .. }));
        assert!(matches!(read(r"(?P<date>\d)(?P<start>\d)", "12"), Err(Error::Conflict { .. })));
        assert!(matches!(read(r"(?P<stop>\d{8})", "20180101"), Err(Error::Conflict { .. })));
    }

    #[test]
    fn a_pattern_with_a_slash_sees_the_folders() {
        let (interval, _) = read(r"(?P<date>\d{8})/sst", "/data/20180102/sst.tif").unwrap();
        assert!(interval.is_some());
        assert!(read(r"(?P<date>\d{8})", "/data/20180102/sst.tif").is_err());
    }
}
