//! What a file system, or a server, says when it fails: why, and whether to try again.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::Utc;

use crate::error::Cause;
use crate::files::web::address::signed_until;
use crate::files::web::{Kind, Trouble};
use crate::kept::Shared;

/// What a try ended by.
#[derive(Debug)]
pub enum Said {
    /// A file system's words.
    Words(Cause),
    /// What a server answered us.
    Web(Trouble),
}

impl From<Cause> for Said {
    fn from(cause: Cause) -> Said {
        Said::Words(cause)
    }
}

impl From<Trouble> for Said {
    fn from(trouble: Trouble) -> Said {
        Said::Web(trouble)
    }
}

/// Why an open or a read failed.
#[derive(Debug)]
pub struct Failure {
    reason: String,
    tries: u32,
    /// Of what a server answered us; a file system's words are searched.
    kind: Option<Kind>,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.reason)?;
        if self.tries > 1 { write!(out, " (tried {} times)", self.tries) } else { Ok(()) }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// From what was said of a URL, at the last of some tries.
    pub fn new(said: Said, url: &str, tries: u32) -> Failure {
        let mut failure = match said {
            Said::Words(words) => Failure { reason: reason(words.text(), url), tries, kind: None },
            Said::Web(trouble) => Failure { reason: trouble.text, tries, kind: Some(trouble.kind) },
        };
        let end = signed_until(url).filter(|end| *end < Utc::now() && failure.is_refused());
        if let Some(end) = end {
            let end = end.format("%Y-%m-%d %H:%M:%S");
            failure.reason +=
                &format!("; the signature of the URL held until {end} UTC, so it must be signed anew");
        }
        failure
    }

    /// There is nothing at the URL. Some file systems say so of what is forbidden, too.
    pub fn is_absent(&self) -> bool {
        match self.kind {
            Some(kind) => kind == Kind::Absent,
            None => {
                self.says(&["404", "410", "FileNotFoundError", "NoSuchKey"])
                    || self.reason.contains("No such file")
            }
        }
    }

    /// It may not be read, with the rights that there are.
    fn is_refused(&self) -> bool {
        match self.kind {
            Some(kind) => kind == Kind::Refused,
            None => self.says(&["400", "401", "403", "PermissionError"]),
        }
    }

    /// No retry mends it.
    pub fn is_lasting(&self) -> bool {
        if let Some(kind) = self.kind {
            return matches!(kind, Kind::Absent | Kind::Refused | Kind::Lasting);
        }
        let words = ["it changed", "extension", "disabled by configuration", "support range requests"];
        self.is_absent()
            || self.says(&["401", "403", "405", "PermissionError", "NotImplementedError"])
            || words.iter().any(|word| self.reason.contains(word))
    }

    /// Whether the server asked for patience, which whoever asks next has, and for how long if it said so.
    pub fn asks_for_patience(&self) -> Option<Option<Duration>> {
        match self.kind {
            Some(Kind::Tired { wait }) => Some(wait),
            _ => None,
        }
    }

    /// A number or name that stands alone, as in `HTTP 404` or `404, message='Not Found'`.
    fn says(&self, codes: &[&str]) -> bool {
        self.reason.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| codes.contains(&word))
    }
}

/// The line that says why, without the URL, which our own message names.
fn reason(said: &str, url: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // A Python exception is named in some line; other file systems begin with the reason.
    let is_python = said.contains("Python exception") || said.contains("Traceback");
    let named = lines.iter().position(|line| is_python && line.contains("Error") && !line.starts_with("At:"));
    let first = named.unwrap_or(0);
    let line = match (lines.get(first), lines.get(first + 1)) {
        (Some(line), Some(next)) if line.ends_with(':') => format!("{line} {next}"),
        (Some(line), _) => (*line).to_string(),
        (None, _) => "the file system gave no reason".into(),
    };
    let mut line = line.replace(&format!(", url='{url}'"), "");
    for quote in ['\'', '"'] {
        line = line.replace(&format!(" {quote}{url}{quote}"), "");
    }
    let line = line.replace("<EMPTY MESSAGE>", "no answer in time");
    let mut line = line.as_str();
    while let Some(rest) = ["IO Error: ", "HTTP Error: ", "Invalid Input Error: "]
        .iter()
        .find_map(|lead| line.strip_prefix(lead))
    {
        line = rest;
    }
    line.trim_end_matches('.').to_string()
}

/// URLs that failed after all their retries, and when: DuckDB may ask for the same at once again (it folds
/// constants twice), and a broken file is met by many patches. They are tried once a time for a while.
static RECENT: Shared<String, Instant> = Shared::new(KEPT_FAILURES);
const KEPT_FAILURES: usize = 4096;
const WHILE: Duration = Duration::from_secs(10);

/// Remembers that a URL failed just now, after all its retries.
pub fn remember(url: &str) {
    RECENT.insert(url.into(), Instant::now());
}

/// Whether a URL failed so a short while ago.
pub fn is_recent(url: &str) -> bool {
    RECENT.get(url).is_some_and(|when| when.elapsed() < WHILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_went_wrong_and_says_whether_to_try_again() {
        for (said, expected, lasting) in [
            ("IO Error: 403, message='Forbidden', url='http://h/a'", "403, message='Forbidden'", true),
            ("HTTP 500 Oops.", "HTTP 500 Oops", false),
            ("FileNotFoundError: a", "FileNotFoundError: a", true),
            ("took 4045 ms", "took 4045 ms", false),
            (
                "got 8192 of 16384: <ContentLengthError: 400>",
                "got 8192 of 16384: <ContentLengthError: 400>",
                false,
            ),
            (
                "IO Error: cannot install:\nHTTP Error: no route\nmore",
                "cannot install: HTTP Error: no route",
                false,
            ),
            ("", "the file system gave no reason", false),
        ] {
            let failure = Failure::new(Said::Words(said.into()), "http://h/a", 1);
            assert_eq!((failure.to_string().as_str(), failure.is_lasting()), (expected, lasting));
        }
        let failure = |said: &str, url: &str| Failure::new(Said::Words(said.into()), url, 4).to_string();
        assert_eq!(failure("reset", "u"), "reset (tried 4 times)");
        let old = "https://h/a?X-Amz-Date=20240102T030405Z&X-Amz-Expires=60&X-Amz-Signature=0";
        let until = "the signature of the URL held until 2024-01-02 03:05:05 UTC, so it must be signed anew";
        assert_eq!(
            failure("HTTP 403 Forbidden", old),
            format!("HTTP 403 Forbidden; {until} (tried 4 times)")
        );
        assert_eq!(failure("reset", old), "reset (tried 4 times)");
    }
}
