//! Remote files: URLs that a file system outside of this engine opens, read in ranges.
//!
//! A [`Session`] is what one call of a query may use of that file system, and ends with it: it owns every open
//! handle. What outlives a query (an open raster, say) holds a [`RemoteFile`], which is metadata alone, and borrows
//! a handle from the session that runs ([`within`]) for each read. A session looks at each URL anew, so that a
//! file that changed between two queries is never mixed from both.

use std::any::Any;
use std::convert::Infallible;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::error::{Absence, Cause, Error, Part, ReasonResult, Result};
use crate::files::failure::Failure;
use crate::files::ranges::{self, Found};
use crate::files::web::address::unsigned;
use crate::files::{self, Location};
use crate::kept::{Idle, Kept};
use crate::limits::{Limits, Transport};
use crate::workers::{self, Carry};

mod attempt;
mod native;

/// What opens URLs. Any thread calls it while its query runs.
pub trait RemoteFiles: Send + Sync {
    /// # Errors
    /// The file system's own words.
    fn open(&self, url: &str) -> ReasonResult<Box<dyn RemoteHandle>>;

    /// Why a local file or what lies in a folder must not be read or written; `None` where it may.
    fn forbids(&self, _path: &Path) -> Option<String> {
        None
    }

    /// Whether some local file may be forbidden.
    fn is_guarded(&self) -> bool {
        false
    }

    /// Whether the query that reads was interrupted.
    fn is_interrupted(&self) -> bool {
        false
    }

    /// How many bytes the query that reads may use.
    fn memory(&self) -> usize {
        usize::MAX
    }

    /// Whether URLs of the web may be read without this file system, if that is what was chosen.
    fn web(&self, _transport: Transport) -> Permit {
        Permit::Forbidden
    }
}

/// Whether URLs of the web may be read without the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// The database limits what is read, or the way to it.
    Forbidden,
    /// As the file system would.
    Free,
    /// The file system has no way there itself.
    Alone,
}

/// An open URL: a cursor that one thread uses at a time.
pub trait RemoteHandle: Send {
    /// Its bytes.
    ///
    /// # Errors
    /// The file system's own words, here and below.
    fn size(&mut self) -> ReasonResult<u64>;
    /// Moves the cursor to an offset.
    ///
    /// # Errors
    /// As `size`.
    fn seek(&mut self, offset: u64) -> ReasonResult<()>;
    /// The offset of the cursor.
    ///
    /// # Errors
    /// As `size`.
    fn tell(&mut self) -> ReasonResult<u64>;
    /// Reads on from the cursor; 0 bytes at the end.
    ///
    /// # Errors
    /// As `size`.
    fn read(&mut self, out: &mut [u8]) -> ReasonResult<usize>;
}

/// Headers are read in pages of this many bytes; a reader that goes on in order gets longer ones.
const PAGE: u64 = 16 << 10;
const LONGEST_PAGE: u64 = 1 << 20;
/// Planned ranges nearer than this are one request.
const NEAR: u64 = 4 << 10;
/// Ranges of a file that are worth a handle of their own.
const RANGES_A_HANDLE: usize = 3;
/// The longest single request.
const LONGEST: u64 = 8 << 20;
/// Open handles that a session keeps when nobody reads.
const KEPT_HANDLES: usize = 32;
/// URLs whose metadata a session keeps.
const KEPT_FILES: usize = 4096;
/// Who waits looks so often whether the query was interrupted.
const SOON: Duration = Duration::from_millis(50);

/// What was asked of file systems since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Handles opened.
    pub opens: u64,
    /// Ranges read, with those tried again.
    pub requests: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Reads and opens tried again.
    pub retries: u64,
    /// Bytes held in memory now.
    pub held: u64,
}

static OPENS: AtomicU64 = AtomicU64::new(0);
static REQUESTS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static RETRIES: AtomicU64 = AtomicU64::new(0);

/// The counts of the process.
pub fn counters() -> Counters {
    let held = ranges::held() as u64;
    let [opens, requests, bytes, retries] = [&OPENS, &REQUESTS, &BYTES, &RETRIES].map(|n| n.load(Relaxed));
    Counters { opens, requests, bytes, retries, held }
}

fn scheme(url: &str) -> &str {
    url.split_once("://").map_or("", |(scheme, _)| scheme)
}

fn is_memory(url: &str) -> bool {
    url.starts_with("memory://")
}

/// How a session asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// How often what failed is tried again.
    pub retries: u32,
    /// How many requests are under way at once.
    pub concurrency: usize,
    /// What they may bring together, in bytes; one may bring more alone.
    pub inflight: usize,
    /// Which way URLs of the web are read.
    pub transport: Transport,
    /// How long a server may say nothing, where we ask it ourselves.
    pub patience: Duration,
    /// How long what is known of a file is taken to hold, where we ask its server ourselves.
    pub trust: Duration,
}

impl From<&Limits> for Manners {
    fn from(limits: &Limits) -> Manners {
        Manners {
            retries: limits.remote_retries,
            // A request takes a handle, and files beside it have theirs.
            concurrency: limits.remote_concurrency.min(files::most_open() / 4).max(1),
            inflight: limits.remote_inflight,
            transport: limits.transport,
            patience: Duration::from_secs(limits.remote_timeout.into()),
            trust: Duration::from_secs(limits.remote_trust.into()),
        }
    }
}

/// What one call of a query may use of the file system.
pub struct Session {
    id: u64,
    files: Arc<dyn RemoteFiles>,
    manners: Manners,
    open: Mutex<Kept<String, Slot>>,
    /// Handles that nobody uses, by their file's number.
    idle: Idle<u64, Box<dyn RemoteHandle>>,
    /// Requests under way, and their bytes.
    under_way: Mutex<(usize, usize)>,
    ended: Condvar,
    /// File systems, by their URLs' schemes, of whose handles it is known that each has a cursor of its own.
    apart: Mutex<Vec<String>>,
    native: native::Rules,
}

/// A request under way.
struct UnderWay<'a>(&'a Session, usize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.0.under_way);
        under_way.0 -= 1;
        under_way.1 -= self.1;
        drop(under_way);
        self.0.ended.notify_all();
    }
}

/// A slot for one file: its lock is held while the file is opened.
type Slot = Arc<Mutex<Option<Arc<RemoteFile>>>>;

/// What a session knows of a URL.
pub struct RemoteFile {
    id: u64,
    /// A number of its own.
    look: u64,
    session: u64,
    url: String,
    size: u64,
    /// Ranges under way, which others wait for instead of asking twice.
    flight: Mutex<Vec<Range<u64>>>,
    landed: Condvar,
    /// Where the last page ended, and how long it was.
    pages: Mutex<(u64, u64)>,
    /// Held alone where handles share one cursor, else by all readers together.
    cursor: Arc<RwLock<()>>,
    shared_cursor: AtomicBool,
    /// Two handles were asked whether they share a cursor.
    compared: AtomicBool,
    /// How it is read without handles.
    web: Option<native::Web>,
}

/// Ids of sessions and of files.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// fsspec's memory file system lends every reader the same cursor, across connections too.
static MEMORY_CURSOR: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The session that this thread reads through.
pub fn current() -> Option<Arc<Session>> {
    let carried: Arc<dyn Any + Send + Sync> = workers::carried()?;
    carried.downcast().ok()
}

/// Runs work that may read remote files through a session.
pub fn within<T>(session: Option<Arc<Session>>, work: impl FnOnce() -> T) -> T {
    workers::carrying(session.map(|session| session as _), work)
}

/// The remote file at a URL, opened unless the session knows it.
///
/// # Errors
/// [`Error::Absent`], or [`Error::Unreadable`], with the file system's reason.
pub fn open(url: &str) -> Result<Arc<RemoteFile>> {
    session()?.file(url)
}

/// Whether a path leads to a URL.
pub fn is_remote(path: &str) -> bool {
    path.contains("://") && Location::parse(path).is_url()
}

/// How many threads work on what lies at such paths: of local files `usual`, and of URLs as many as may wait for them.
pub fn threads<'a>(usual: usize, mut paths: impl Iterator<Item = &'a str>) -> usize {
    match current() {
        Some(session) if paths.any(is_remote) => usual.max(session.manners.concurrency),
        _ => usual,
    }
}

/// How many threads wait for the URLs of this query, if it has opened any; 1 otherwise.
pub fn waiting() -> usize {
    current().filter(|session| session.is_used()).map_or(1, |session| session.manners.concurrency)
}

fn session() -> Result<Arc<Session>> {
    current().ok_or_else(|| {
        let problem = "URLs are opened by the file system of a query, and this reads beside one";
        Error::conflict(problem, "Read it in a query of SQL, or copy the files to a disk")
    })
}

impl Carry for Session {
    fn is_interrupted(&self) -> bool {
        self.files.is_interrupted()
    }

    fn memory(&self) -> usize {
        self.files.memory()
    }
}

impl Session {
    /// A session over a file system.
    pub fn new(files: Arc<dyn RemoteFiles>, manners: Manners) -> Session {
        Session {
            id: NEXT.fetch_add(1, Relaxed),
            files,
            manners,
            open: Mutex::new(Kept::new(KEPT_FILES)),
            idle: Idle::new(KEPT_HANDLES.max(manners.concurrency)),
            under_way: Mutex::default(),
            ended: Condvar::new(),
            apart: Mutex::default(),
            native: native::Rules::default(),
        }
    }

    /// Waits until one more request may be under way. What holds a request waits for no other, so that each ends.
    fn enter(&self, bytes: usize) -> ReasonResult<UnderWay<'_>> {
        let mut under_way = lock(&self.under_way);
        loop {
            let (count, all) = *under_way;
            if count == 0
                || count < self.manners.concurrency && all.saturating_add(bytes) <= self.manners.inflight
            {
                *under_way = (count + 1, all.saturating_add(bytes));
                return Ok(UnderWay(self, bytes));
            }
            if self.files.is_interrupted() {
                return Err("the query was interrupted".into());
            }
            let (again, _) = self.ended.wait_timeout(under_way, SOON).unwrap_or_else(PoisonError::into_inner);
            under_way = again;
        }
    }

    /// The number of the session, above 0.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Why this query must not read or write a local file; `None` where it may.
    pub fn forbids(&self, path: &Path) -> Option<String> {
        self.files.forbids(path)
    }

    /// Whether some local file may be forbidden to this query.
    pub fn is_guarded(&self) -> bool {
        self.files.is_guarded()
    }

    /// Whether the session has opened any URL, or is about to.
    pub fn is_used(&self) -> bool {
        !lock(&self.open).is_empty()
    }

    /// Whether the session has opened a URL.
    pub fn knows(&self, url: &str) -> bool {
        let slot = lock(&self.open).get(&*unsigned(url)).cloned();
        slot.is_some_and(|slot| lock(&slot).is_some())
    }

    fn file(&self, url: &str) -> Result<Arc<RemoteFile>> {
        let slot = {
            let Ok(slot) = lock(&self.open)
                .get_or_make(unsigned(url).into_owned(), || Ok::<_, Infallible>(Slot::default()))
                .cloned();
            slot
        };
        let mut known = lock(&slot);
        if let Some(file) = known.as_ref() {
            return Ok(file.clone());
        }
        let file = match self.open_native(url) {
            Some(opened) => opened?,
            None => self.open_by_handle(url)?,
        };
        *known = Some(file.clone());
        Ok(file)
    }

    fn open_by_handle(&self, url: &str) -> Result<Arc<RemoteFile>> {
        // To open a file in fsspec's memory moves the cursor of those who read it.
        let alone = || MEMORY_CURSOR.write().unwrap_or_else(PoisonError::into_inner);
        let opened = self.attempt(url, || {
            let _under_way = self.enter(0)?;
            let _alone = is_memory(url).then(alone);
            let mut handle = self.open_handle(url)?;
            Ok((handle.size()?, handle))
        });
        let (size, handle) = opened.map_err(|failure| unopened(url, failure))?;
        let file = Arc::new(RemoteFile::new(self.id, url, size));
        self.rest(&file, handle);
        Ok(file)
    }

    fn open_handle(&self, url: &str) -> ReasonResult<Box<dyn RemoteHandle>> {
        OPENS.fetch_add(1, Relaxed);
        self.files.open(url)
    }

    /// A handle that nobody uses.
    fn borrow(&self, file: &RemoteFile) -> Option<Box<dyn RemoteHandle>> {
        self.idle.take(&file.id)
    }

    fn rest(&self, file: &RemoteFile, handle: Box<dyn RemoteHandle>) {
        self.idle.give_back(file.id, handle);
    }

    /// Reads a range from the file system.
    fn fetch(&self, file: &RemoteFile, range: &Range<u64>) -> Result<Vec<u8>> {
        let read = match &file.web {
            Some(web) => self.fetch_natively(file, web, range),
            None => {
                let mut bytes = vec![0; (range.end - range.start) as usize];
                let read = self.attempt(&file.url, || {
                    let _under_way = self.enter(bytes.len())?;
                    REQUESTS.fetch_add(1, Relaxed);
                    Ok(self.fetch_once(file, range.start, &mut bytes)?)
                });
                read.map(|()| bytes)
            }
        };
        let bytes = read.map_err(|failure| Error::Unreadable {
            path: file.url.clone(),
            part: Part::Bytes { first: range.start, last: range.end - 1 },
            reason: Cause::of(failure),
        })?;
        BYTES.fetch_add(bytes.len() as u64, Relaxed);
        Ok(bytes)
    }

    fn fetch_once(&self, file: &RemoteFile, start: u64, out: &mut [u8]) -> ReasonResult<()> {
        let mut opened = None;
        loop {
            let alone = file.shared_cursor.load(Relaxed);
            let _shared = (!alone).then(|| file.cursor.read().unwrap_or_else(PoisonError::into_inner));
            let _alone = alone.then(|| file.cursor.write().unwrap_or_else(PoisonError::into_inner));
            // What was learned of the cursor while this thread waited rules.
            if file.shared_cursor.load(Relaxed) != alone {
                continue;
            }
            // A handle that failed is dropped: the next try opens another.
            let Some(mut handle) = opened.take().or_else(|| self.borrow(file)) else {
                drop((_shared, _alone));
                opened = Some(self.another(file)?);
                continue;
            };
            handle.seek(start)?;
            let mut filled = 0;
            while filled < out.len() {
                let rest = out.get_mut(filled..).unwrap_or_default();
                let wanted = rest.len();
                match handle.read(rest)? {
                    0 => return Err(format!("it ended after {filled} of {} bytes", out.len()).into()),
                    more => filled += more.min(wanted),
                }
            }
            self.rest(file, handle);
            return Ok(());
        }
    }

    /// A further handle on a file, opened while nobody reads. Of the first two of a file system it is asked whether one
    /// moves the cursor of the other: some lend every reader the same one. Where each has its own, nobody waits.
    fn another(&self, file: &RemoteFile) -> ReasonResult<Box<dyn RemoteHandle>> {
        let scheme = scheme(&file.url);
        let apart = lock(&self.apart).iter().any(|known| known == scheme);
        let _alone = (!apart).then(|| file.cursor.write().unwrap_or_else(PoisonError::into_inner));
        let mut new = self.open_handle(&file.url)?;
        let size = new.size()?;
        if size != file.size {
            return Err(format!("it changed while being read, from {} to {size} bytes", file.size).into());
        }
        if !apart && !file.compared.swap(true, Relaxed) {
            // The one before may be in the hands of a thread that waits to read.
            let mut other = match self.borrow(file) {
                Some(other) => other,
                None => self.open_handle(&file.url)?,
            };
            let moves = other.seek(0).and_then(|()| new.seek(1)).and_then(|()| other.tell());
            match moves {
                Ok(0) => lock(&self.apart).push(scheme.to_string()),
                Ok(_) => file.shared_cursor.store(true, Relaxed),
                Err(_) => {}
            }
            self.rest(file, other);
        }
        Ok(new)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for slot in lock(&self.open).drain() {
            // What is known to be the same file the next time is kept, within the cache's bound.
            if let Some(file) = lock(&slot).as_ref().filter(|file| !file.is_lasting()) {
                ranges::forget(file.id);
            }
        }
    }
}

impl RemoteFile {
    fn new(session: u64, url: &str, size: u64) -> RemoteFile {
        let memory = is_memory(url);
        let number = NEXT.fetch_add(1, Relaxed);
        RemoteFile {
            id: number,
            look: number,
            session,
            url: url.into(),
            size,
            flight: Mutex::default(),
            landed: Condvar::new(),
            pages: Mutex::new((0, PAGE)),
            cursor: if memory { MEMORY_CURSOR.clone() } else { Arc::default() },
            shared_cursor: AtomicBool::new(memory),
            compared: AtomicBool::new(memory),
            web: None,
        }
    }

    /// Whether its number is the same in every query, as long as its server says that it has not changed.
    fn is_lasting(&self) -> bool {
        self.web.as_ref().is_some_and(native::Web::is_lasting)
    }

    /// Tells this state of the file from any other that a query saw.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Tells what a raster or an array was made of. Only a TIFF is all that it is made of: its number holds for the next
    /// query too, if its server says that it has not changed; whatever may name other files is looked at anew.
    pub fn identity(self: &Arc<Self>) -> u64 {
        const TIFF: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
        // The first bytes are in memory.
        let is_tiff = || self.head(4).is_ok_and(|head| TIFF.contains(&head.as_slice()));
        if self.is_lasting() && is_tiff() { self.id } else { self.look }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The same URL as the session that runs sees it.
    ///
    /// # Errors
    /// It can no longer be opened, or it has another size than before.
    pub fn now(self: &Arc<Self>) -> Result<Arc<RemoteFile>> {
        let session = session()?;
        if session.id == self.session {
            return Ok(self.clone());
        }
        let file = session.file(&self.url)?;
        if file.size != self.size {
            let reason =
                format!("it changed from {} to {} bytes since the query was prepared", self.size, file.size);
            return Err(Error::unreadable(&self.url, reason));
        }
        if self.is_lasting() && file.is_lasting() && file.id != self.id {
            return Err(Error::unreadable(&self.url, "it changed since the query was prepared"));
        }
        Ok(file)
    }

    /// Reads from an offset on, up to the file's end; gives the number of bytes.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn read_at(self: &Arc<Self>, offset: u64, out: &mut [u8]) -> Result<usize> {
        let end = self.size.min(offset.saturating_add(out.len() as u64));
        let session = session()?;
        self.now()?.walk(&session, offset..end, false, |at, bytes| {
            let at = (at - offset) as usize;
            if let Some(out) = out.get_mut(at..at + bytes.len()) {
                out.copy_from_slice(bytes);
            }
        })?;
        Ok(end.saturating_sub(offset) as usize)
    }

    /// The first bytes, as many as there are of `n`, by way of the header's page.
    ///
    /// # Errors
    /// As [`RemoteFile::read_at`].
    pub fn head(self: &Arc<Self>, n: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; n.min(self.size) as usize];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// A range's bytes, cut at the file's end, with no byte beyond it asked for.
    ///
    /// # Errors
    /// As [`RemoteFile::read_at`].
    pub fn read(self: &Arc<Self>, range: Range<u64>) -> Result<Vec<u8>> {
        let end = self.size.min(range.end);
        let mut all = Vec::with_capacity(end.saturating_sub(range.start) as usize);
        let session = session()?;
        self.now()?.walk(&session, range.start..end, true, |_, bytes| all.extend_from_slice(bytes))?;
        Ok(all)
    }

    /// Fetches the ranges that a reader is about to ask for, neighbours in one request.
    ///
    /// # Errors
    /// As [`RemoteFile::read_at`].
    pub fn prefetch(self: &Arc<Self>, wanted: Vec<Range<u64>>) -> Result<()> {
        let (file, session) = (self.now()?, session()?);
        let merged = file.missing(wanted)?;
        // More than the cache holds would be gone before it is read: the rest comes when its turn does.
        let mut room = crate::limits::remote_cache_bytes() as u64 / 4;
        let fits = merged.into_iter().take_while(|range| {
            let fits = range.end - range.start <= room;
            room = room.saturating_sub(range.end - range.start);
            fits
        });
        let mut fits: Vec<Range<u64>> = fits.collect();
        // Each further thread opens a handle, which is a request too.
        let worth = if file.web.is_some() { fits.len() } else { fits.len() / RANGES_A_HANDLE };
        let threads = session.manners.concurrency.min(worth);
        workers::each_waiting(&mut fits, threads, |range| file.walk(&session, range.clone(), true, |_, _| ()))
    }

    /// The ranges to be fetched for a reader who asks for some, neighbours as one.
    ///
    /// # Errors
    /// As [`RemoteFile::read_at`].
    pub fn missing(self: &Arc<Self>, mut wanted: Vec<Range<u64>>) -> Result<Vec<Range<u64>>> {
        let file = self.now()?;
        wanted.iter_mut().for_each(|range| range.end = range.end.min(file.size));
        wanted.retain(|range| range.start < range.end && !file.holds(range));
        // What is held of the first is not fetched again: the page of the header, say.
        wanted.iter_mut().for_each(|range| range.start = file.held_until(range));
        Ok(merged(wanted, if file.web.is_some() { native::NEAR } else { NEAR }))
    }

    /// Where the bytes of a range end that are in memory.
    fn held_until(&self, range: &Range<u64>) -> u64 {
        let mut at = range.start;
        while at < range.end {
            match ranges::find(self.id, at) {
                Found::Bytes(bytes, skip) => at += (bytes.len() - skip) as u64,
                Found::Gap { .. } => break,
            }
        }
        at.min(range.end)
    }

    /// Whether every byte of a range is in memory.
    fn holds(&self, range: &Range<u64>) -> bool {
        self.held_until(range) == range.end
    }

    /// Visits the bytes of a range in order, fetching those that are not in memory.
    fn walk(
        &self,
        session: &Session,
        range: Range<u64>,
        exact: bool,
        mut visit: impl FnMut(u64, &[u8]),
    ) -> Result<()> {
        let mut at = range.start;
        while at < range.end {
            let (bytes, skip) = match self.find_or_claim(at..range.end, exact) {
                Ok(found) => found,
                Err(claim) => {
                    // Given back whatever happens, or those who wait for it would wait for ever.
                    let claimed = Claim { file: self, range: claim };
                    let bytes: Arc<[u8]> = session.fetch(self, &claimed.range)?.into();
                    ranges::keep(self.id, claimed.range.start, bytes.clone());
                    (bytes, (at - claimed.range.start) as usize)
                }
            };
            let run = bytes.get(skip..).unwrap_or_default();
            let run = run.get(..run.len().min((range.end - at) as usize)).unwrap_or_default();
            visit(at, run);
            at += run.len() as u64;
        }
        Ok(())
    }

    /// The bytes at a range's beginning, waited for where another thread fetches them; or else the range that
    /// this thread must fetch now.
    fn find_or_claim(
        &self,
        range: Range<u64>,
        exact: bool,
    ) -> std::result::Result<(Arc<[u8]>, usize), Range<u64>> {
        let mut flight = lock(&self.flight);
        loop {
            let (before, after) = match ranges::find(self.id, range.start) {
                Found::Bytes(bytes, skip) => return Ok((bytes, skip)),
                Found::Gap { before, after } => (before, after),
            };
            if flight.iter().any(|other| other.contains(&range.start)) {
                flight = self.landed.wait(flight).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // What is here or under way bounds what is to be fetched.
            let ends = flight.iter().map(|other| other.end).filter(|end| *end <= range.start);
            let starts = flight.iter().map(|other| other.start).filter(|start| *start > range.start);
            let room = ends.fold(before, u64::max)..starts.fold(after, u64::min).min(self.size);
            let claim = if self.web.as_ref().is_some_and(native::Web::is_whole) {
                0..self.size
            } else if exact || range.end - range.start >= PAGE {
                range.start..range.end.min(room.end).min(range.start + LONGEST)
            } else {
                self.page(&range, &room)
            };
            flight.push(claim.clone());
            return Err(claim);
        }
    }

    /// The page around a small range.
    fn page(&self, range: &Range<u64>, room: &Range<u64>) -> Range<u64> {
        let mut pages = lock(&self.pages);
        let (last_end, last_length) = *pages;
        let start = (range.start / PAGE * PAGE).max(room.start);
        let goes_on = last_end > 0 && start == last_end;
        let length = if goes_on { (last_length * 2).min(LONGEST_PAGE) } else { PAGE };
        let end = (start / PAGE * PAGE + length).max(range.end.div_ceil(PAGE) * PAGE).min(room.end);
        *pages = (end, length);
        if let Some(web) = &self.web {
            web.learn(&(start..end));
        }
        start..end
    }
}

/// The error of a URL that does not open.
fn unopened(url: &str, failure: Failure) -> Error {
    match failure.is_absent() {
        true => Error::Absent { path: url.into(), how: Absence::Remote(Cause::of(failure)) },
        false => Error::unreadable(url, Cause::of(failure)),
    }
}

/// Ranges in order, those that lie near each other as one: so many bytes apart at most, and no further than four times of what
/// was asked for before.
fn merged(mut wanted: Vec<Range<u64>>, near: u64) -> Vec<Range<u64>> {
    wanted.sort_unstable_by_key(|range| range.start);
    let (mut merged, mut asked): (Vec<Range<u64>>, u64) = (Vec::new(), 0);
    for range in wanted {
        let reach = near.min(NEAR.max(4 * asked));
        match merged.last_mut() {
            Some(last) if range.start <= last.end + reach && range.end - last.start <= LONGEST => {
                asked += range.end.saturating_sub(last.end.max(range.start));
                last.end = last.end.max(range.end);
            }
            _ => {
                asked = range.end - range.start;
                merged.push(range);
            }
        }
    }
    merged
}

/// A range that this thread fetches.
struct Claim<'a> {
    file: &'a RemoteFile,
    range: Range<u64>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        lock(&self.file.flight).retain(|range| *range != self.range);
        self.file.landed.notify_all();
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
