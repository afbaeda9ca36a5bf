//! URLs of the web: what is asked of which host, and what of a URL only signs it.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// A URL as it is sent: encoded, without its fragment, its user apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    is_secure: bool,
    /// The host, and the port where one is named.
    authority: String,
    /// The path and the query.
    target: String,
    /// What the header `Authorization` says of the URL's user.
    login: Option<String>,
}

impl Address {
    /// Takes a URL apart. Bytes that a URL cannot hold are encoded, and so is a `%` that encodes nothing.
    ///
    /// # Errors
    /// It is not a URL of the web.
    pub fn parse(url: &str) -> Result<Address, String> {
        let (scheme, rest) = url.split_once("://").ok_or("it is not a URL")?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(format!("{scheme}:// is not a way to the web")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (before, target) = rest.split_at(end);
        let (user, authority) =
            before.rsplit_once('@').map_or((None, before), |(user, host)| (Some(user), host));
        let host = authority.rsplit_once(':').map_or(authority, |(host, port)| match port.parse::<u16>() {
            Ok(_) => host,
            Err(_) => authority,
        });
        let is_written_so =
            |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b':' | b'[' | b']');
        if host.is_empty() || !authority.bytes().all(is_written_so) {
            return Err(format!("\"{authority}\" is not the name of a host"));
        }
        let login = user.map(|user| {
            let user = decoded(user);
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user))
        });
        let lead = if target.starts_with('/') { "" } else { "/" };
        let target = format!("{lead}{}", encoded(target));
        Ok(Address { is_secure, authority: authority.to_ascii_lowercase(), target, login })
    }

    /// The host with its port, if one is named.
    pub fn host(&self) -> &str {
        &self.authority
    }

    /// The URL as it is sent.
    pub fn uri(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.target)
    }

    /// What the header `Authorization` says.
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// Where a redirect leads. A user's name and password go to no other host.
    ///
    /// # Errors
    /// It leads out of the web, or from where nobody listens to where anybody may.
    pub fn follow(&self, location: &str) -> Result<Address, String> {
        let location = location.trim();
        let scheme = if self.is_secure { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        let url = if is_absolute(location) {
            location.to_string()
        } else if location.starts_with("//") {
            format!("{scheme}:{location}")
        } else if location.starts_with('/') {
            format!("{scheme}://{}{location}", self.authority)
        } else if location.starts_with('?') {
            format!("{scheme}://{}{path}{location}", self.authority)
        } else {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{scheme}://{}{folder}/{location}", self.authority)
        };
        let refused = |why: &str| format!("it is redirected to \"{url}\", {why}");
        let mut next = Address::parse(&url).map_err(|_| refused("which is not a place on the web"))?;
        if self.is_secure && !next.is_secure {
            return Err(refused("where everybody could read along"));
        }
        if next.login.is_none() && next.authority == self.authority {
            next.login.clone_from(&self.login);
        }
        Ok(next)
    }
}

/// Whether a reference begins with a scheme, whatever follows.
fn is_absolute(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

/// A path and a query with what they cannot hold in `%` and two digits.
fn encoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let is_digit = |step: usize| bytes.get(at + step).is_some_and(u8::is_ascii_hexdigit);
        let stays = byte.is_ascii_alphanumeric()
            || b"-._~!$&'()*+,;=:@/?".contains(&byte)
            || byte == b'%' && is_digit(1) && is_digit(2);
        match stays {
            true => out.push(char::from(byte)),
            // A text takes whatever is written to it.
            false => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// The bytes that a text with `%` and two digits stands for.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// What Azure's shared access signatures consist of.
const AZURE: [&str; 24] = [
    "sv", "ss", "srt", "sp", "se", "st", "spr", "sig", "sr", "sdd", "skoid", "sktid", "skt", "ske", "sks",
    "skv", "si", "saoid", "suoid", "scid", "sip", "skdutid", "sduoid", "ses",
];
/// What older signatures of S3 and Google, and CloudFront's, consist of.
const OLDER: [&str; 6] =
    ["signature", "expires", "awsaccesskeyid", "googleaccessid", "key-pair-id", "policy"];

/// How a URL is signed.
#[derive(Clone, Copy, PartialEq)]
enum Signature {
    /// `X-Amz-…`, `X-Goog-…`: version 4.
    Four,
    Azure,
    Older,
}

fn parameters(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn signature(url: &str) -> Option<Signature> {
    let has = |wanted: &str| parameters(url).any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if !(url.starts_with("http") && url.contains('?')) {
        None
    } else if has("x-amz-signature") || has("x-goog-signature") {
        Some(Signature::Four)
    } else if has("sig") && (has("se") || has("si")) {
        Some(Signature::Azure)
    } else if has("signature") && (has("awsaccesskeyid") || has("googleaccessid") || has("key-pair-id")) {
        Some(Signature::Older)
    } else {
        None
    }
}

/// The URL without what only signs it: two such URLs are one file.
pub fn unsigned(url: &str) -> Cow<'_, str> {
    let (Some(kind), Some((base, _))) = (signature(url), url.split_once('?')) else { return url.into() };
    let signs = |name: &str| {
        let name = name.to_ascii_lowercase();
        match kind {
            Signature::Four => name.starts_with("x-amz-") || name.starts_with("x-goog-"),
            Signature::Azure => AZURE.contains(&name.as_str()),
            Signature::Older => OLDER.contains(&name.as_str()),
        }
    };
    let kept: Vec<String> = parameters(url)
        .filter(|(name, _)| !signs(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    format!("{base}{mark}{}", kept.join("&")).into()
}

/// When the signature of a URL ends; nothing where it has none or does not tell.
pub fn signed_until(url: &str) -> Option<DateTime<Utc>> {
    let kind = signature(url)?;
    let value = |wanted: &str| {
        let found = parameters(url).find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        String::from_utf8(decoded(found.1)).ok()
    };
    match kind {
        Signature::Four => {
            let either =
                |end: &str| value(&format!("x-amz-{end}")).or_else(|| value(&format!("x-goog-{end}")));
            let from = NaiveDateTime::parse_from_str(&either("date")?, "%Y%m%dT%H%M%SZ").ok()?;
            from.and_utc().checked_add_signed(TimeDelta::try_seconds(either("expires")?.parse().ok()?)?)
        }
        Signature::Azure => {
            let end = value("se")?;
            let day = || NaiveDate::parse_from_str(&end, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
            match DateTime::parse_from_rfc3339(&end) {
                Ok(end) => Some(end.to_utc()),
                Err(_) => NaiveDateTime::parse_from_str(&end, "%Y-%m-%dT%H:%MZ")
                    .ok()
                    .or_else(day)
                    .map(|t| t.and_utc()),
            }
        }
        Signature::Older => DateTime::from_timestamp(value("expires")?.parse().ok()?, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(url: &str) -> String {
        Address::parse(url).unwrap().uri()
    }

    #[test]
    fn a_url_is_sent_as_the_web_writes_it() {
        for (written, expected) in [
            ("http://h/a b.tif", "http://h/a%20b.tif"),
            ("HTTPS://Host:8080/A%20b%2Fc.tif", "https://host:8080/A%20b%2Fc.tif"),
            ("http://h/100%.tif", "http://h/100%25.tif"),
            ("http://h/a+b&c=(1).tif?x=a b&y=%2b", "http://h/a+b&c=(1).tif?x=a%20b&y=%2b"),
            ("http://h/a#b", "http://h/a"),
            ("http://h/größe/日.tif", "http://h/gr%C3%B6%C3%9Fe/%E6%97%A5.tif"),
            ("http://h", "http://h/"),
            ("http://h?a=1", "http://h/?a=1"),
            ("http://[::1]:80/a[1].tif", "http://[::1]:80/a%5B1%5D.tif"),
            ("http://h/a|\"<>^`{}\\", "http://h/a%7C%22%3C%3E%5E%60%7B%7D%5C"),
        ] {
            assert_eq!(sent(written), expected);
        }
        for wrong in ["s3://b/a", "http:///a", "http://ho st/a", "http://münchen.de/a", "http://h:x y/a", "a"]
        {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_user_is_a_header_and_no_part_of_the_host() {
        let address = Address::parse("http://us%40er:p%3Ass@h:80/a@b").unwrap();
        // "us@er:p:ss", by Python's base64.
        assert_eq!(address.login(), Some("Basic dXNAZXI6cDpzcw=="));
        assert_eq!((address.host(), address.uri().as_str()), ("h:80", "http://h:80/a@b"));
        assert_eq!(Address::parse("http://h/a").unwrap().login(), None);
    }

    #[test]
    fn a_redirect_stays_on_the_web_and_takes_a_password_nowhere_else() {
        let from = Address::parse("https://u:p@h/d/a.tif?q=1").unwrap();
        let to = |location: &str| from.follow(location).map(|to| (to.uri(), to.login().is_some()));
        for (location, uri, same) in [
            ("https://h/b", "https://h/b", true),
            ("https://other/b?x=1", "https://other/b?x=1", false),
            ("//other/b", "https://other/b", false),
            ("/b c", "https://h/b%20c", true),
            ("b", "https://h/d/b", true),
            ("?q=2", "https://h/d/a.tif?q=2", true),
        ] {
            assert_eq!(to(location), Ok((uri.to_string(), same)));
        }
        for location in
            ["file:///etc/passwd", "file:/etc/passwd", "s3://b/a", "http://h/a", "data:,a", "https:///a"]
        {
            assert!(to(location).unwrap_err().contains("it is redirected to"), "{location}");
        }
    }

    #[test]
    fn what_signs_a_url_does_not_make_it_another_file() {
        for (url, expected) in [
            (
                "https://b.s3.amazonaws.com/a.tif?versionId=3&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k&X-Amz-Date=20240102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=00ff",
                "https://b.s3.amazonaws.com/a.tif?versionId=3",
            ),
            (
                "https://storage.googleapis.com/b/a.tif?X-Goog-Date=20240102T030405Z&X-Goog-Signature=0",
                "https://storage.googleapis.com/b/a.tif",
            ),
            (
                "https://x.blob.core.windows.net/c/a.tif?sv=2023-01-03&st=2024-01-01T00%3A00%3A00Z&se=2024-01-02T00%3A00%3A00Z&sr=c&sp=r&sig=a%2Bb%3D",
                "https://x.blob.core.windows.net/c/a.tif",
            ),
            (
                "https://d.cloudfront.net/a.tif?x=1&Expires=1704164645&Signature=s&Key-Pair-Id=K",
                "https://d.cloudfront.net/a.tif?x=1",
            ),
            // Not signatures.
            ("https://h/a.tif?se=1&sp=2", "https://h/a.tif?se=1&sp=2"),
            ("https://h/a.tif?signature=1", "https://h/a.tif?signature=1"),
            ("s3://b/a?x-amz-signature=1", "s3://b/a?x-amz-signature=1"),
            ("https://h/a.tif", "https://h/a.tif"),
        ] {
            assert_eq!(unsigned(url), expected);
        }
    }

    #[test]
    fn a_signature_tells_when_it_ends() {
        let ends = |url: &str| signed_until(url).map(|end| end.to_rfc3339());
        for (query, expected) in [
            (
                "X-Amz-Date=20240102T030405Z&X-Amz-Expires=3600&X-Amz-Signature=0",
                Some("2024-01-02T04:04:05+00:00"),
            ),
            (
                "X-Goog-Date=20240102T030405Z&X-Goog-Expires=60&X-Goog-Signature=0",
                Some("2024-01-02T03:05:05+00:00"),
            ),
            ("se=2024-01-02T03%3A04%3A05Z&sig=0", Some("2024-01-02T03:04:05+00:00")),
            ("se=2024-01-02&sig=0", Some("2024-01-02T00:00:00+00:00")),
            ("AWSAccessKeyId=k&Expires=1704164645&Signature=s", Some("2024-01-02T03:04:05+00:00")),
            ("X-Amz-Date=nonsense&X-Amz-Expires=1&X-Amz-Signature=0", None),
            ("X-Amz-Date=20240102T030405Z&X-Amz-Expires=99999999999999999&X-Amz-Signature=0", None),
            ("Expires=1704164645", None),
        ] {
            assert_eq!(ends(&format!("https://h/a?{query}")).as_deref(), expected);
        }
    }
}
