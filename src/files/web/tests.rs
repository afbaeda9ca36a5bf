//! Laws of what is asked and what is taken, against a server that answers what it is told to.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Instant;

use super::*;

/// Answers each request with the next of these texts, and gives what it was asked.
fn serve(answers: Vec<Vec<u8>>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let lines =
                BufReader::new(&stream).lines().map_while(|line| line.ok().filter(|line| !line.is_empty()));
            let _ = tell.send(lines.collect::<Vec<String>>().join("\n"));
            let _ = stream.write_all(&answer);
        }
        // Whoever is not answered waits.
        std::thread::sleep(Duration::from_secs(20));
    });
    (host, told)
}

const BOUNDS: Bounds = Bounds { patience: Duration::from_secs(5), whole: 1000 };

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [head.replace('\n', "\r\n").as_bytes(), b"\r\nConnection: close\r\n\r\n", body].concat()
}

fn asked(answers: Vec<Vec<u8>>, range: Range<u64>) -> (Result<Answer, Trouble>, mpsc::Receiver<String>) {
    let (host, told) = serve(answers);
    (get(&Address::parse(&format!("http://me:pw@{host}/a b.tif")).unwrap(), &range, BOUNDS), told)
}

#[test]
fn one_request_tells_the_bytes_the_size_and_the_state() {
    let head = "HTTP/1.1 206 Partial Content\nContent-Range: bytes 10-14/100\nContent-Length: 5\nETag: \"v1\"\nLast-Modified: Tue, 02 Jan 2024 03:04:05 GMT";
    let (got, told) = asked(vec![answer(head, b"abcde")], 10..15);
    let got = got.unwrap();
    assert_eq!((got.bytes.as_slice(), got.size, got.is_whole), (&b"abcde"[..], 100, false));
    assert_eq!(got.state.tag(), Some("\"v1\""));
    let told = told.recv().unwrap().to_lowercase();
    for line in [
        "get /a%20b.tif http/1.1",
        "range: bytes=10-14",
        "accept-encoding: identity",
        "authorization: basic bwu6chc=",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
}

#[test]
fn a_range_is_cut_where_the_file_ends_and_an_empty_file_is_empty() {
    let head = "HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-2/3\nContent-Length: 3";
    let (got, _) = asked(vec![answer(head, b"abc")], 0..1000);
    assert_eq!(got.map(|got| (got.bytes, got.size)), Ok((b"abc".to_vec(), 3)));
    let head = "HTTP/1.1 416 Range Not Satisfiable\nContent-Range: bytes */0\nContent-Length: 0";
    let (got, _) = asked(vec![answer(head, b"")], 0..1000);
    assert_eq!(got.map(|got| (got.bytes, got.size)), Ok((Vec::new(), 0)));
}

#[test]
fn a_server_without_ranges_sends_all_of_a_file_if_it_is_small() {
    let told = |head: &str, body: &[u8]| {
        asked(vec![answer(head, body)], 0..2).0.map(|got| (got.is_whole, got.bytes))
    };
    let whole = Ok((true, b"hello".to_vec()));
    assert_eq!(told("HTTP/1.1 200 OK\nContent-Length: 5", b"hello"), whole);
    assert_eq!(
        told("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        whole
    );
    let too_large = |head: &str, body: &[u8]| told(head, body).unwrap_err();
    let known = too_large("HTTP/1.1 200 OK\nContent-Length: 1001", b"");
    assert_eq!(
        known,
        Trouble::lasting(
            "its server sends no parts of files, and all of it is 1 MiB, above what is taken whole, 0 MiB"
        )
    );
    let chunk = [b"7d0\r\n".as_slice(), &[0; 2000], b"\r\n0\r\n\r\n"].concat();
    assert!(
        too_large("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", &chunk).text.contains("all of it is more")
    );
}

#[test]
fn an_answer_that_is_not_what_was_asked_for_is_refused() {
    let part = |range: &str, length: usize| {
        format!("HTTP/1.1 206 Partial Content\nContent-Range: {range}\nContent-Length: {length}")
    };
    for (head, body, expected) in [
        (
            part("bytes 0-4/100", 5),
            b"abcde".as_slice(),
            Trouble::lasting("the answer holds bytes 0 to 4, and bytes 10 to 14 were asked for"),
        ),
        (
            part("bytes 10-13/100", 4),
            b"abcd",
            Trouble::lasting("the answer holds bytes 10 to 13, and bytes 10 to 14 were asked for"),
        ),
        (
            part("bytes 10-14/*", 5),
            b"abcde",
            Trouble::new(Kind::Elsewhere, "the server does not say how long the file is"),
        ),
        (
            part("items 1-2/3", 5),
            b"abcde",
            Trouble::lasting("the answer does not say which of the file's bytes it holds"),
        ),
        (
            "HTTP/1.1 206 Partial Content\nContent-Length: 5".into(),
            b"abcde",
            Trouble::lasting("the answer does not say which of the file's bytes it holds"),
        ),
        (part("bytes 10-14/100", 5), b"abc", Trouble::passing("it ended after 3 of 5 bytes")),
        (part("bytes 10-14/100", 3), b"abc", Trouble::passing("it ended after 3 of 5 bytes")),
        (part("bytes 10-14/100", 7), b"abcdefg", Trouble::passing("more than 5 bytes came")),
        (
            part("bytes 10-14/100", 5) + "\nContent-Encoding: gzip",
            b"abcde",
            Trouble::lasting("it is sent as gzip, of which no part can be read by itself"),
        ),
        (
            "HTTP/1.1 404 Not Found\nContent-Length: 0".into(),
            b"",
            Trouble::new(Kind::Absent, "HTTP 404 Not Found"),
        ),
        (
            "HTTP/1.1 403 Forbidden\nContent-Length: 0".into(),
            b"",
            Trouble::new(Kind::Refused, "HTTP 403 Forbidden"),
        ),
        (
            "HTTP/1.1 416 Range Not Satisfiable\nContent-Length: 0".into(),
            b"",
            Trouble::lasting("HTTP 416 Range Not Satisfiable"),
        ),
        (
            "HTTP/1.1 500 Internal Server Error\nContent-Length: 0".into(),
            b"",
            Trouble::passing("HTTP 500 Internal Server Error"),
        ),
        (
            "HTTP/1.1 429 Too Many Requests\nRetry-After: 2\nContent-Length: 0".into(),
            b"",
            Trouble::new(Kind::Tired { wait: Some(Duration::from_secs(2)) }, "HTTP 429 Too Many Requests"),
        ),
        (
            "HTTP/1.1 503 Service Unavailable\nRetry-After: 3600\nContent-Length: 0".into(),
            b"",
            Trouble::lasting("HTTP 503 Service Unavailable, which asks to come again in 3600 s"),
        ),
        (
            "HTTP/1.1 302 Found\nLocation: file:///etc/passwd\nContent-Length: 0".into(),
            b"",
            Trouble::lasting("it is redirected to \"file:///etc/passwd\", which is not a place on the web"),
        ),
    ] {
        let (got, _) = asked(vec![answer(&head, body)], 10..15);
        assert_eq!(got.unwrap_err(), expected, "{head}");
    }
}

#[test]
fn a_redirect_is_followed_and_a_circle_is_left() {
    let (other, told) = serve(vec![answer(
        "HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-1/9\nContent-Length: 2",
        b"ok",
    )]);
    let moved =
        answer(&format!("HTTP/1.1 302 Found\nLocation: http://{other}/there?x=1\nContent-Length: 0"), b"");
    let (got, _) = asked(vec![moved], 0..2);
    let got = got.unwrap();
    assert_eq!(
        (got.bytes.as_slice(), got.moved.map(|to| to.uri())),
        (&b"ok"[..], Some(format!("http://{other}/there?x=1")))
    );
    assert!(
        !told.recv().unwrap().to_lowercase().contains("authorization"),
        "a password goes to no other host"
    );
    let circle = answer("HTTP/1.1 301 Moved Permanently\nLocation: /again\nContent-Length: 0", b"");
    let (got, _) = asked(vec![circle; 6], 0..2);
    assert_eq!(got.unwrap_err(), Trouble::lasting("it is redirected more than 5 times"));
}

#[test]
fn a_server_that_says_nothing_is_left_after_the_patience_or_when_the_query_is_interrupted() {
    struct Interrupted;
    impl workers::Carry for Interrupted {
        fn is_interrupted(&self) -> bool {
            true
        }
    }
    use crate::workers;
    let (host, _told) = serve(Vec::new());
    let address = Address::parse(&format!("http://{host}/a")).unwrap();
    let bounds = Bounds { patience: Duration::from_secs(1), ..BOUNDS };
    let begin = Instant::now();
    assert_eq!(get(&address, &(0..2), bounds).unwrap_err(), Trouble::passing("no answer within 1 s"));
    assert!(begin.elapsed() >= Duration::from_millis(900));
    let bounds = Bounds { patience: Duration::from_secs(60), ..BOUNDS };
    let begin = Instant::now();
    let carried: workers::Carried = Some(std::sync::Arc::new(Interrupted));
    let got = workers::carrying(carried, || get(&address, &(0..2), bounds));
    assert_eq!(got.unwrap_err(), Trouble::interrupted());
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_host_that_does_not_answer_is_named() {
    let nobody = Address::parse("http://127.0.0.1:1/a").unwrap();
    assert_eq!(
        get(&nobody, &(0..2), BOUNDS).unwrap_err(),
        Trouble::new(Kind::Elsewhere, "the connection was refused")
    );
    let nowhere = Address::parse("http://no-such-host.invalid/a").unwrap();
    assert_eq!(
        get(&nowhere, &(0..2), BOUNDS).unwrap_err(),
        Trouble::new(Kind::Elsewhere, "the host no-such-host.invalid has no address")
    );
}

#[test]
fn a_wait_is_seconds_or_a_date() {
    assert_eq!(retry_after("120"), Some(Duration::from_secs(120)));
    assert_eq!(retry_after("Tue, 02 Jan 2024 03:04:05 GMT"), Some(Duration::ZERO));
    let later = (chrono::Utc::now() + chrono::TimeDelta::seconds(100)).to_rfc2822();
    assert!(retry_after(&later).is_some_and(|wait| wait.as_secs().abs_diff(100) <= 2));
    assert_eq!(retry_after("soon"), None);
}

#[test]
fn a_state_differs_where_both_tell_it() {
    let state = |tag: &str, modified: &str| State {
        tag: (!tag.is_empty()).then(|| tag.to_string()),
        modified: (!modified.is_empty()).then(|| modified.to_string()),
    };
    assert!(state("\"a\"", "").differs(&state("\"b\"", "")));
    assert!(state("\"a\"", "x").differs(&state("", "y")));
    assert!(!state("\"a\"", "x").differs(&state("\"a\"", "y")));
    assert!(!state("\"a\"", "").differs(&state("", "y")));
    assert_eq!(state("W/\"a\"", "").tag(), None);
}
