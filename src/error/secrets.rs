//! What an error does not repeat: passwords and signatures in URLs.

use std::borrow::Cow;

/// Parameters of a URL whose values let their reader in.
const SECRET: [&str; 14] = [
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-credential",
    "x-goog-signature",
    "x-goog-credential",
    "signature",
    "sig",
    "token",
    "access_token",
    "api_key",
    "apikey",
    "subscription-key",
    "password",
    "secret",
];
const HIDDEN: &str = "***";

/// A text with the passwords and signatures of its URLs hidden.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        out.push_str(before);
        let end =
            url.find(|c: char| matches!(c, '"' | '\'' | '<' | '>') || c.is_control()).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        hide_in(url, &mut out);
        rest = after;
    }
    out.push_str(rest);
    out.into()
}

/// Writes what follows `://` of a URL, up to what ends it.
fn hide_in(url: &str, out: &mut String) {
    // What stands behind a space is the sentence's, or the name's: no host and no parameter.
    let end = url.find(['/', '?', '#', ' ']).unwrap_or(url.len());
    let (authority, mut rest) = url.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => [HIDDEN, "@", host].into_iter().for_each(|part| out.push_str(part)),
        None => out.push_str(authority),
    }
    while let Some(at) = rest.find(['?', '&']) {
        let (before, pair) = rest.split_at(at + 1);
        out.push_str(before);
        let end = pair.find(['&', '#', ' ', ')', ',']).unwrap_or(pair.len());
        let (pair, after) = pair.split_at(end);
        match pair.split_once('=') {
            Some((name, _)) if SECRET.contains(&name.to_ascii_lowercase().as_str()) => {
                [name, "=", HIDDEN].into_iter().for_each(|part| out.push_str(part));
            }
            _ => out.push_str(pair),
        }
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_somebody_in_is_not_repeated() {
        for (text, expected) in [
            ("cannot open \"http://me:pw@h:80/a@b.tif\": no", "cannot open \"http://***@h:80/a@b.tif\": no"),
            ("http://me:p/w@h/a", "http://me:p/w@h/a"),
            (
                "\"https://h/a?x=1&X-Amz-Signature=ff&y=2\" and 's3://u@b/c?token=t'",
                "\"https://h/a?x=1&X-Amz-Signature=***&y=2\" and 's3://***@b/c?token=***'",
            ),
            ("https://h/a?sv=1&sig=a%2Bb%3D and so on", "https://h/a?sv=1&sig=*** and so on"),
            ("no URL: me:pw@h?token=1", "no URL: me:pw@h?token=1"),
            ("http://h/a b?q=1&sig=2 failed", "http://h/a b?q=1&sig=*** failed"),
        ] {
            assert_eq!(hide(text), expected);
        }
    }
}
