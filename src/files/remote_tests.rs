//! Laws of remote files, on a file system of the tests' own that counts, fails and stalls as told.

use std::sync::atomic::AtomicUsize;

use super::*;

/// What the file system was asked for, and how it misbehaves.
#[derive(Default)]
struct Script {
    log: Mutex<Vec<(u64, usize)>>,
    opens: AtomicUsize,
    /// Reads that fail before one succeeds.
    failures: AtomicUsize,
    reason: Mutex<String>,
    /// All handles move one cursor.
    shared: Option<Arc<AtomicU64>>,
    /// How long each open and each read takes.
    wait: Duration,
    /// How many are under way, and how many have been at most.
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Script {
    fn wait(&self) {
        self.most.fetch_max(self.now.fetch_add(1, Relaxed) + 1, Relaxed);
        std::thread::sleep(self.wait);
        self.now.fetch_sub(1, Relaxed);
    }
}

struct Fake(Arc<Script>, Arc<Vec<u8>>);

struct FakeHandle {
    script: Arc<Script>,
    bytes: Arc<Vec<u8>>,
    cursor: Arc<AtomicU64>,
}

impl RemoteFiles for Fake {
    fn open(&self, url: &str) -> ReasonResult<Box<dyn RemoteHandle>> {
        if url.ends_with("none") {
            return Err("HTTP 404 Not Found".into());
        }
        self.0.opens.fetch_add(1, Relaxed);
        self.0.wait();
        let cursor = self.0.shared.clone().unwrap_or_default();
        Ok(Box::new(FakeHandle { script: self.0.clone(), bytes: self.1.clone(), cursor }))
    }
}

impl RemoteHandle for FakeHandle {
    fn size(&mut self) -> ReasonResult<u64> {
        Ok(self.bytes.len() as u64)
    }
    fn seek(&mut self, offset: u64) -> ReasonResult<()> {
        self.cursor.store(offset, Relaxed);
        std::thread::yield_now();
        Ok(())
    }
    fn tell(&mut self) -> ReasonResult<u64> {
        Ok(self.cursor.load(Relaxed))
    }
    fn read(&mut self, out: &mut [u8]) -> ReasonResult<usize> {
        let at = self.cursor.load(Relaxed) as usize;
        lock(&self.script.log).push((at as u64, out.len()));
        self.script.wait();
        let left = self.script.failures.load(Relaxed);
        if left > 0 {
            self.script.failures.store(left - 1, Relaxed);
            return Err(lock(&self.script.reason).clone().into());
        }
        // Half of what is asked for, as a network does.
        let n = out.len().div_ceil(2).min(self.bytes.len().saturating_sub(at));
        out[..n].copy_from_slice(&self.bytes[at..at + n]);
        self.cursor.store((at + n) as u64, Relaxed);
        Ok(n)
    }
}

fn content(size: usize) -> Arc<Vec<u8>> {
    Arc::new((0..size).map(|i| (i * 7 + i / 251) as u8).collect())
}

fn with<T>(script: &Arc<Script>, bytes: &Arc<Vec<u8>>, work: impl FnOnce() -> T) -> T {
    with_manners(script, bytes, Manners::from(&Limits::default()), work)
}

fn with_manners<T>(
    script: &Arc<Script>,
    bytes: &Arc<Vec<u8>>,
    manners: Manners,
    work: impl FnOnce() -> T,
) -> T {
    let session = Session::new(Arc::new(Fake(script.clone(), bytes.clone())), manners);
    within(Some(Arc::new(session)), work)
}

/// First bytes of the requests: a request is what its reads add up to.
fn starts(script: &Script) -> Vec<u64> {
    let log = lock(&script.log);
    let mut starts: Vec<u64> = Vec::new();
    let mut end = u64::MAX;
    for (at, asked) in log.iter() {
        if *at != end {
            starts.push(*at);
        }
        end = at + (*asked as u64).div_ceil(2);
    }
    starts
}

#[test]
fn every_byte_is_the_files_whatever_the_order_of_reads() {
    let (script, bytes) = (Arc::<Script>::default(), content(300_000));
    with(&script, &bytes, || {
        let file = open("x://a").unwrap();
        for (offset, length) in
            [(0, 10), (5, 40_000), (250_000, 100_000), (100, 1), (16_000, 20_000), (299_999, 5)]
        {
            let mut out = vec![0; length];
            let n = file.read_at(offset, &mut out).unwrap();
            assert_eq!(n, length.min(300_000 - offset as usize));
            assert_eq!(out[..n], bytes[offset as usize..offset as usize + n]);
        }
        assert_eq!(file.read(100..70_000).unwrap(), bytes[100..70_000]);
    });
    assert_eq!(script.opens.load(Relaxed), 1);
}

#[test]
fn small_reads_cost_one_page_and_grow_when_they_go_on() {
    let (script, bytes) = (Arc::<Script>::default(), content(1 << 20));
    with(&script, &bytes, || {
        let file = open("x://pages").unwrap();
        let mut out = [0; 100];
        for offset in (0..100_000).step_by(100) {
            file.read_at(offset, &mut out).unwrap();
        }
    });
    assert_eq!(starts(&script).len(), 1, "one handle reads on, page after page, without a seek back");
    assert!(lock(&script.log).iter().map(|(_, asked)| asked).max() >= Some(&(64 << 10)));
}

#[test]
fn planned_neighbours_are_one_request_and_are_not_asked_for_twice() {
    let (script, bytes) = (Arc::<Script>::default(), content(1 << 20));
    with(&script, &bytes, || {
        let file = open("x://plan").unwrap();
        file.prefetch(vec![500_000..510_000, 100_000..130_000, 130_004..150_000, 900_000..2_000_000])
            .unwrap();
        assert_eq!(starts(&script), [100_000, 500_000, 900_000]);
        assert_eq!(file.read(130_004..150_000).unwrap(), bytes[130_004..150_000]);
        assert_eq!(starts(&script).len(), 3);
    });
}

#[test]
fn what_may_work_later_is_tried_again_and_what_will_not_is_not() {
    for (at, (reason, failures, expected)) in [
        ("connection reset", 2, None),
        (
            "connection reset",
            9,
            Some("cannot read bytes 0 to 16383 of \"x://r1\": connection reset (tried 4 times)"),
        ),
        ("HTTP 403 Forbidden", 9, Some("cannot read bytes 0 to 16383 of \"x://r2\": HTTP 403 Forbidden")),
    ]
    .into_iter()
    .enumerate()
    {
        let (script, bytes) = (Arc::<Script>::default(), content(1 << 20));
        script.failures.store(failures, Relaxed);
        *lock(&script.reason) = reason.into();
        let read = with(&script, &bytes, || open(&format!("x://r{at}")).unwrap().read_at(0, &mut [0; 10]));
        assert_eq!(read.err().map(|e| e.to_string()).as_deref(), expected);
    }
}

#[test]
fn an_absent_url_is_absent() {
    let (script, bytes) = (Arc::<Script>::default(), content(10));
    let error = with(&script, &bytes, || open("x://none").err());
    assert!(matches!(error, Some(Error::Absent { how: Absence::Remote(_), .. })), "{error:?}");
}

#[test]
fn threads_that_read_one_file_fetch_each_byte_once_even_with_one_cursor_for_all() {
    for run in 0..20 {
        let shared = (run % 4 > 0).then(Arc::default);
        let (script, bytes) = (Arc::new(Script { shared, ..Script::default() }), content(1 << 20));
        with(&script, &bytes, || {
            let session = current();
            let before = counters().bytes;
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (session, bytes) = (session.clone(), bytes.clone());
                    scope.spawn(move || {
                        within(session, || {
                            let file = open(&format!("x://threads{run}")).unwrap();
                            for step in 0..32u64 {
                                let at = (step * 7 + thread) % 32 * 32_768;
                                let range = at as usize..at as usize + 32_768;
                                assert_eq!(file.read(at..at + 32_768).unwrap(), bytes[range]);
                            }
                        });
                    });
                }
            });
            assert!(counters().bytes - before >= 1 << 20);
            assert!(ranges::held() >= 1 << 20);
        });
    }
}

#[test]
fn a_new_session_looks_anew_and_an_old_file_of_another_size_is_refused() {
    let script = Arc::<Script>::default();
    let old = with(&script, &content(1000), || open("x://a").unwrap());
    with(&script, &content(1000), || assert_eq!(old.read(0..10).unwrap(), content(1000)[..10]));
    let error = with(&script, &content(999), || old.read(0..10).unwrap_err());
    assert!(error.to_string().contains("changed from 1000 to 999 bytes"), "{error}");
    assert!(matches!(old.read(0..10), Err(Error::Conflict { .. })), "no session, no file system");
}

/// A file of so many ranges that are far from each other, fetched at once, and how many requests were under way at most.
fn far_apart(manners: Manners) -> usize {
    let wait = Duration::from_millis(10);
    let (script, bytes) = (Arc::new(Script { wait, ..Script::default() }), content(1 << 20));
    let ranges: Vec<Range<u64>> = (0..30).map(|i| i * 32_768..i * 32_768 + 1000).collect();
    with_manners(&script, &bytes, manners, || {
        let file = open("x://apart").unwrap();
        file.prefetch(ranges.clone()).unwrap();
        let asked = lock(&script.log).len();
        for range in ranges {
            let own = range.start as usize..range.end as usize;
            assert_eq!(file.read(range).unwrap(), bytes[own]);
        }
        assert_eq!(lock(&script.log).len(), asked, "what was fetched is not asked for again");
    });
    script.most.load(Relaxed)
}

#[test]
fn ranges_of_one_file_come_side_by_side_within_the_bounds_of_requests_and_of_bytes() {
    let usual = Manners::from(&Limits::default());
    assert!((3..=10).contains(&far_apart(usual)));
    assert!((2..=3).contains(&far_apart(Manners { concurrency: 3, ..usual })));
    assert_eq!(far_apart(Manners { concurrency: 1, ..usual }), 1);
    // Two ranges of 1,000 bytes; and one though it is above the bound.
    assert!((2..=3).contains(&far_apart(Manners { inflight: 2000, ..usual })));
    assert!((1..=2).contains(&far_apart(Manners { inflight: 10, ..usual })));
}

#[test]
fn files_are_opened_side_by_side() {
    let script = Arc::new(Script { wait: Duration::from_millis(20), ..Script::default() });
    with(&script, &content(1000), || {
        let mut urls: Vec<String> = (0..40).map(|i| format!("x://side{i}")).collect();
        workers::each_waiting(&mut urls, threads(1, ["http://a"].into_iter()), |url| open(url).map(|_| ()))
            .unwrap();
    });
    assert!(script.most.load(Relaxed) > 8);
    assert_eq!(script.opens.load(Relaxed), 40);
}
