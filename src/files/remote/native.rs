//! The way to the web without DuckDB's file system: a file is opened by its first range, which tells its size and state too.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::{
    BYTES, Error, Failure, NEXT, Permit, REQUESTS, Range, RemoteFile, Result, Session, Transport, lock,
    ranges, unopened, unsigned,
};
use crate::files::failure::Said;
use crate::files::web::{self, Address, Bounds, Kind, State, Trouble, host};
use crate::kept::Shared;

/// Planned ranges nearer than this are one request: a round trip costs more than what lies between them.
pub(super) const NEAR: u64 = 256 << 10;
/// The first range is as long as headers have been, between these bounds.
const SHORTEST_FIRST: u64 = 32 << 10;
const LONGEST_FIRST: u64 = 64 << 10;

/// How long the first range is of a host's files, where it is longer than usual.
static FIRST: Shared<String, u64> = Shared::new(1024);

/// Numbers of files whose server names their state, by URL, state and size: the same in every query.
static NUMBERS: Shared<(String, String, u64), u64> = Shared::new(KEPT_STATES);
/// What was seen of files, by URL as it was written, its signature included: nobody is trusted for another.
static SEEN: Shared<String, Seen> = Shared::new(KEPT_STATES);
const KEPT_STATES: usize = 65_536;

#[derive(Clone)]
struct Seen {
    when: Instant,
    size: u64,
    state: State,
    is_whole: bool,
}

/// What a session knows of the native way.
#[derive(Default)]
pub(super) struct Rules {
    permit: OnceLock<Permit>,
    /// Hosts that are read through DuckDB's file system after all.
    left: Mutex<Vec<String>>,
}

/// How a file is read natively.
pub(super) struct Web {
    address: Address,
    /// Where it was, if its address leads elsewhere.
    moved: Mutex<Option<Address>>,
    state: State,
    /// Its server knows no ranges.
    whole: AtomicBool,
    is_lasting: bool,
}

impl Web {
    pub(super) fn is_whole(&self) -> bool {
        self.whole.load(Relaxed)
    }

    pub(super) fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    /// A reader of a header asked for this range beside the first one.
    pub(super) fn learn(&self, range: &Range<u64>) {
        if range.end > SHORTEST_FIRST && range.end <= LONGEST_FIRST {
            FIRST.insert(self.address.host().to_string(), range.end.next_power_of_two().min(LONGEST_FIRST));
        }
    }
}

fn is_web(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    })
}

impl Session {
    /// Opens a URL natively; `None` where DuckDB's file system is to open it.
    pub(super) fn open_native(&self, url: &str) -> Option<Result<Arc<RemoteFile>>> {
        let transport = self.manners.transport;
        if transport == Transport::DuckDb || !is_web(url) {
            return None;
        }
        match self.native.permit.get_or_init(|| self.files.web(transport)) {
            Permit::Forbidden => return None,
            Permit::Alone if transport == Transport::Auto => return None,
            _ => {}
        }
        let address = match Address::parse(url) {
            Ok(address) => address,
            Err(_) if transport == Transport::Auto => return None,
            Err(why) => return Some(Err(Error::unreadable(url, why))),
        };
        if lock(&self.native.left).iter().any(|host| host == address.host()) {
            return None;
        }
        if let Some(file) = self.trusted(url, &address) {
            return Some(Ok(file));
        }
        match self.first(url, &address) {
            Ok(Some(file)) => Some(Ok(file)),
            Ok(None) => {
                lock(&self.native.left).push(address.host().to_string());
                None
            }
            Err(failure) => Some(Err(unopened(url, failure))),
        }
    }

    /// The first range of a file; `None` where DuckDB's file system may have rights or ways that we have not.
    fn first(&self, url: &str, address: &Address) -> std::result::Result<Option<Arc<RemoteFile>>, Failure> {
        let range = 0..FIRST.get(address.host()).unwrap_or(SHORTEST_FIRST);
        let may_leave = self.manners.transport == Transport::Auto;
        let answer = self.attempt(url, || match self.ask(address, &range) {
            Err(Said::Web(trouble))
                if may_leave && matches!(trouble.kind, Kind::Refused | Kind::Elsewhere) =>
            {
                Ok(None)
            }
            other => other.map(Some),
        })?;
        let Some(answer) = answer else { return Ok(None) };
        BYTES.fetch_add(answer.bytes.len() as u64, Relaxed);
        let seen =
            Seen { when: Instant::now(), size: answer.size, state: answer.state, is_whole: answer.is_whole };
        let file = self.seen(url, address, &seen, answer.moved);
        if self.manners.trust.as_secs() > 0 {
            SEEN.insert(url.to_string(), seen);
        }
        if !answer.bytes.is_empty() {
            let end = answer.bytes.len() as u64;
            *lock(&file.pages) = (end, end);
            ranges::keep(file.id, 0, answer.bytes.into());
        }
        Ok(Some(file))
    }

    /// A file that was seen a short while ago, without a question.
    fn trusted(&self, url: &str, address: &Address) -> Option<Arc<RemoteFile>> {
        let trust = self.manners.trust;
        let seen = SEEN.get(url).filter(|seen| seen.when.elapsed() < trust)?;
        Some(self.seen(url, address, &seen, None))
    }

    fn seen(&self, url: &str, address: &Address, seen: &Seen, moved: Option<Address>) -> Arc<RemoteFile> {
        let mut file = RemoteFile::new(self.id, url, seen.size);
        let tag = seen.state.tag().map(|tag| (unsigned(url).into_owned(), tag.to_string(), seen.size));
        let is_lasting = tag.is_some();
        if let Some(key) = tag {
            let new = NEXT.fetch_add(1, Relaxed);
            file.id = NUMBERS.share(key, new, |_| true);
        }
        file.web = Some(Web {
            address: address.clone(),
            moved: Mutex::new(moved),
            state: seen.state.clone(),
            whole: AtomicBool::new(seen.is_whole),
            is_lasting,
        });
        Arc::new(file)
    }

    fn ask(&self, address: &Address, range: &Range<u64>) -> std::result::Result<web::Answer, Said> {
        let _turn = host::turn(address.host())?;
        let _under_way = self.enter((range.end - range.start) as usize)?;
        REQUESTS.fetch_add(1, Relaxed);
        let whole = crate::limits::remote_cache_bytes() as u64;
        Ok(web::get(address, range, Bounds { patience: self.manners.patience, whole })?)
    }

    /// Reads a range by a request of its own.
    pub(super) fn fetch_natively(
        &self,
        file: &RemoteFile,
        web: &Web,
        range: &Range<u64>,
    ) -> std::result::Result<Vec<u8>, Failure> {
        self.attempt(&file.url, || {
            let moved = lock(&web.moved).clone();
            let answer = match self.ask(moved.as_ref().unwrap_or(&web.address), range) {
                // Where it had moved to may hold for a while only: its own address tells the way anew.
                Err(Said::Web(trouble)) if moved.is_some() && trouble.kind != Kind::Lasting => {
                    *lock(&web.moved) = None;
                    return Err(Said::Web(match trouble.kind {
                        Kind::Tired { .. } => trouble,
                        _ => Trouble::passing(trouble.text),
                    }));
                }
                other => other?,
            };
            if answer.size != file.size || answer.state.differs(&web.state) {
                SEEN.lock().remove(&file.url);
                let sizes = match answer.size == file.size {
                    true => String::new(),
                    false => format!(", from {} to {} bytes", file.size, answer.size),
                };
                return Err(Trouble::lasting(format!("it changed while being read{sizes}")).into());
            }
            if let Some(moved) = answer.moved {
                *lock(&web.moved) = Some(moved);
            }
            if !answer.is_whole {
                return Ok(answer.bytes);
            }
            let part = answer.bytes.get(range.start as usize..range.end as usize);
            Ok(part.map(<[u8]>::to_vec).unwrap_or_default())
        })
    }
}
