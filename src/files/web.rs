//! Files of the web, read by us: one request a range, whose answer tells the file's size and state as well.
//!
//! `web/address` is a URL as it is sent, `web/connection` the pool of connections, and `web/host` waits for hosts that ask
//! for patience. What an answer says of itself is compared with what was asked, so that bytes are those of the range.

pub mod address;
mod connection;
pub mod host;

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use chrono::DateTime;
use ureq::Timeout;
use ureq::http::{HeaderMap, Response, StatusCode};

pub use address::Address;

const MOST_REDIRECTS: usize = 5;
/// A request may take this long for each MiB that it brings, beside the time in which a server may say nothing.
const SLOWEST_MIB: Duration = Duration::from_secs(60);
/// A server that asks to wait longer is not waited for.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);

/// Why a request brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// In words.
    pub text: String,
    /// What may be done.
    pub kind: Kind,
}

/// What may be done about trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There is nothing at the URL.
    Absent,
    /// The server does not let us: with other rights it may go.
    Refused,
    /// It is not reached, or does not say what must be known: another way may know better.
    Elsewhere,
    /// No other try mends it.
    Lasting,
    /// It may go the next time.
    Passing,
    /// It may go after a while, which the server's host is given.
    Tired {
        /// What it asked for, if it said so.
        wait: Option<Duration>,
    },
}

impl Trouble {
    fn new(kind: Kind, text: impl Into<String>) -> Trouble {
        Trouble { text: text.into(), kind }
    }

    /// What no other try mends.
    pub fn lasting(text: impl Into<String>) -> Trouble {
        Trouble::new(Kind::Lasting, text)
    }

    /// What may go the next time.
    pub fn passing(text: impl Into<String>) -> Trouble {
        Trouble::new(Kind::Passing, text)
    }

    /// The query was interrupted.
    pub fn interrupted() -> Trouble {
        Trouble::lasting(connection::INTERRUPTED)
    }

    /// From what the client says, `patience` being how long a server may say nothing.
    fn of(error: &ureq::Error, address: &Address, patience: Duration) -> Trouble {
        let seconds = patience.as_secs();
        match error {
            ureq::Error::HostNotFound => {
                Trouble::new(Kind::Elsewhere, format!("the host {} has no address", address.host()))
            }
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                Trouble::new(Kind::Elsewhere, format!("no connection within {seconds} s"))
            }
            ureq::Error::Timeout(Timeout::Global) => Trouble::passing("it came too slowly"),
            ureq::Error::Timeout(_) => Trouble::passing(format!("no answer within {seconds} s")),
            ureq::Error::Io(error) => match error.kind() {
                _ if error.to_string() == connection::INTERRUPTED => Trouble::interrupted(),
                std::io::ErrorKind::ConnectionRefused => {
                    Trouble::new(Kind::Elsewhere, "the connection was refused")
                }
                std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable => {
                    Trouble::new(Kind::Elsewhere, "there is no way to its host")
                }
                // A certificate that is not trusted, or a server that speaks no TLS.
                std::io::ErrorKind::InvalidData => {
                    Trouble::new(Kind::Elsewhere, format!("no safe connection: {error}"))
                }
                std::io::ErrorKind::UnexpectedEof => {
                    Trouble::passing("the connection ended before the answer did")
                }
                _ => Trouble::passing(error.to_string()),
            },
            ureq::Error::Rustls(error) => {
                Trouble::new(Kind::Elsewhere, format!("no safe connection: {error}"))
            }
            ureq::Error::Tls(why) => Trouble::new(Kind::Elsewhere, format!("no safe connection: {why}")),
            other => Trouble::passing(other.to_string()),
        }
    }
}

/// What tells that a file is the one it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    tag: Option<String>,
    modified: Option<String>,
}

impl State {
    fn of(headers: &HeaderMap) -> State {
        State { tag: text(headers, "etag"), modified: text(headers, "last-modified") }
    }

    /// Whether both tell what they are, and it is not the same.
    pub fn differs(&self, other: &State) -> bool {
        let differ =
            |one: &Option<String>, two: &Option<String>| one.is_some() && two.is_some() && one != two;
        match self.tag.is_some() && other.tag.is_some() {
            true => differ(&self.tag, &other.tag),
            false => differ(&self.modified, &other.modified),
        }
    }

    /// What no other bytes have had: a tag that is not weak.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref().filter(|tag| tag.len() > 2 && tag.starts_with('"'))
    }
}

/// What came.
#[derive(Debug)]
pub struct Answer {
    /// The bytes of the range, as far as there is a file; or all of the file.
    pub bytes: Vec<u8>,
    /// The bytes are the file's, all of them, since its server knows no ranges.
    pub is_whole: bool,
    /// The file's bytes.
    pub size: u64,
    /// What it says of its state.
    pub state: State,
    /// Where it was, if not where it was looked for.
    pub moved: Option<Address>,
}

/// How long is waited, and how much is taken.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long a server may say nothing.
    pub patience: Duration,
    /// The largest file that is taken whole where its server knows no ranges.
    pub whole: u64,
}

/// Asks for a range, cut where the file ends.
///
/// # Errors
/// Whatever keeps the bytes from coming, or makes them others than those asked for.
pub fn get(address: &Address, range: &Range<u64>, bounds: Bounds) -> Result<Answer, Trouble> {
    let mut at = Cow::Borrowed(address);
    for _ in 0..=MOST_REDIRECTS {
        let response = send(&at, range, bounds.patience)?;
        let status = response.status();
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            let location = text(response.headers(), "location").unwrap_or_default();
            at = Cow::Owned(at.follow(&location).map_err(Trouble::lasting)?);
            continue;
        }
        let mut answer = read(response, &at, range, bounds)?;
        host::answered(at.host());
        answer.moved = match at {
            Cow::Owned(moved) => Some(moved),
            Cow::Borrowed(_) => None,
        };
        return Ok(answer);
    }
    Err(Trouble::lasting(format!("it is redirected more than {MOST_REDIRECTS} times")))
}

type Body = Response<ureq::Body>;

fn send(address: &Address, range: &Range<u64>, patience: Duration) -> Result<Body, Trouble> {
    let mebibytes = ((range.end - range.start) as f64 / f64::from(1 << 20)).min(1e6);
    // Who says nothing is left before who is slow.
    let whole = patience.mul_f64(1.5) + SLOWEST_MIB.mul_f64(mebibytes);
    let ask = || {
        let mut request = connection::pool()
            .get(address.uri())
            .config()
            .timeout_global(Some(whole))
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience))
            .timeout_per_read(Some(patience))
            .timeout_per_write(Some(patience))
            .build()
            .header("Range", format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        if let Some(login) = address.login() {
            request = request.header("Authorization", login);
        }
        request.call()
    };
    // A connection that lay idle may be closed just as it is used: that says nothing of the server.
    let answer = match ask() {
        Err(ureq::Error::Io(error)) if is_closed(error.kind()) => ask(),
        answer => answer,
    };
    answer.map_err(|error| Trouble::of(&error, address, patience))
}

fn is_closed(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

fn read(response: Body, address: &Address, range: &Range<u64>, bounds: Bounds) -> Result<Answer, Trouble> {
    let (status, headers) = (response.status(), response.headers().clone());
    let state = State::of(&headers);
    let whole = |size, bytes| Answer { bytes, is_whole: true, size, state: state.clone(), moved: None };
    if let Some(encoding) = text(&headers, "content-encoding").filter(|encoding| encoding != "identity") {
        return Err(Trouble::lasting(format!(
            "it is sent as {encoding}, of which no part can be read by itself"
        )));
    }
    match status {
        StatusCode::PARTIAL_CONTENT => {
            let (came, size) = content_range(&headers).ok_or_else(|| {
                Trouble::lasting("the answer does not say which of the file's bytes it holds")
            })?;
            let size = size.ok_or_else(|| {
                Trouble::new(Kind::Elsewhere, "the server does not say how long the file is")
            })?;
            let asked = range.start..range.end.min(size);
            if came != asked {
                let (a, b, c, d) =
                    (came.start, came.end.saturating_sub(1), asked.start, asked.end.saturating_sub(1));
                return Err(Trouble::lasting(format!(
                    "the answer holds bytes {a} to {b}, and bytes {c} to {d} were asked for"
                )));
            }
            let bytes = body(response, address, asked.end - asked.start, bounds.patience)?;
            Ok(Answer { is_whole: false, size, ..whole(size, bytes) })
        }
        StatusCode::OK => {
            let told = response.body().content_length();
            let too_large = |size: String| {
                Trouble::lasting(format!(
                    "its server sends no parts of files, and all of it is {size}, above what is taken whole, {} MiB",
                    bounds.whole >> 20
                ))
            };
            match told {
                Some(size) if size > bounds.whole => {
                    Err(too_large(format!("{} MiB", size.div_ceil(1 << 20))))
                }
                Some(size) => Ok(whole(size, body(response, address, size, bounds.patience)?)),
                None => {
                    let bytes = all(response, address, bounds)?;
                    match bytes.len() as u64 {
                        size if size > bounds.whole => Err(too_large("more".into())),
                        size => Ok(whole(size, bytes)),
                    }
                }
            }
        }
        // Of an empty file there is no first byte.
        StatusCode::RANGE_NOT_SATISFIABLE if range.start == 0 && is_empty(&headers) => {
            Ok(whole(0, Vec::new()))
        }
        _ => Err(refusal(status, &headers, address)),
    }
}

/// What a status says that brings no bytes.
fn refusal(status: StatusCode, headers: &HeaderMap, address: &Address) -> Trouble {
    let name = status.canonical_reason().map_or(String::new(), |reason| format!(" {reason}"));
    let said = format!("HTTP {}{name}", status.as_u16());
    match status.as_u16() {
        404 | 410 => Trouble::new(Kind::Absent, said),
        401 | 403 | 407 => Trouble::new(Kind::Refused, said),
        429 | 503 => {
            let wait = text(headers, "retry-after").and_then(|wait| retry_after(&wait));
            if let Some(wait) = wait.filter(|wait| *wait > LONGEST_PATIENCE) {
                return Trouble::lasting(format!("{said}, which asks to come again in {} s", wait.as_secs()));
            }
            host::tired(address.host(), wait);
            Trouble::new(Kind::Tired { wait }, said)
        }
        408 | 425 | 500 | 502 | 504 | 509 | 520..=529 => Trouble::passing(said),
        _ => Trouble::lasting(said),
    }
}

/// Seconds, or a date.
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let when: SystemTime = DateTime::parse_from_rfc2822(value).ok()?.into();
    Some(when.duration_since(SystemTime::now()).unwrap_or_default())
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|value| value.trim().to_string())
}

/// The range and the size of `bytes 0-99/1000`; no size of `bytes 0-99/*`.
fn content_range(headers: &HeaderMap) -> Option<(Range<u64>, Option<u64>)> {
    let value = text(headers, "content-range")?;
    let (range, size) = value.strip_prefix("bytes")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let size = match size.trim() {
        "*" => None,
        size => Some(size.parse().ok()?),
    };
    Some((first..last.checked_add(1)?, size))
}

fn is_empty(headers: &HeaderMap) -> bool {
    text(headers, "content-range").is_some_and(|range| range.replace(' ', "").ends_with("*/0"))
}

/// The body, which is to have so many bytes.
fn body(response: Body, address: &Address, size: u64, patience: Duration) -> Result<Vec<u8>, Trouble> {
    let mut bytes = vec![0; size as usize];
    let mut reader = response.into_body().into_reader();
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => return Err(Trouble::passing(format!("it ended after {filled} of {size} bytes"))),
            Ok(more) => filled += more,
            Err(error) => return Err(cut(error, filled, size, address, patience)),
        }
    }
    // The connection serves the next request once its end was seen.
    match reader.read(&mut [0]) {
        Ok(0) | Err(_) => Ok(bytes),
        Ok(_) => Err(Trouble::passing(format!("more than {size} bytes came"))),
    }
}

/// The body, whatever its length, and one byte beyond what is taken if there is more.
fn all(response: Body, address: &Address, bounds: Bounds) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    let mut reader = response.into_body().into_reader().take(bounds.whole.saturating_add(1));
    match reader.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(cut(error, bytes.len(), 0, address, bounds.patience)),
    }
}

fn cut(error: std::io::Error, filled: usize, size: u64, address: &Address, patience: Duration) -> Trouble {
    let ended = || format!("it ended after {filled} of {size} bytes");
    let trouble = match ureq::Error::from(error) {
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && size > 0 => {
            Trouble::passing(ended())
        }
        ureq::Error::Timeout(Timeout::Global) if size > 0 => {
            Trouble::passing(format!("it came too slowly, {filled} of {size} bytes"))
        }
        error => Trouble::of(&error, address, patience),
    };
    match trouble.kind {
        // Whatever ends a body that had begun may not end the next.
        Kind::Elsewhere => Trouble { kind: Kind::Passing, ..trouble },
        _ => trouble,
    }
}

#[cfg(test)]
#[path = "web/tests.rs"]
mod tests;
