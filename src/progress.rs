//! Jobs under way, for whoever watches from another connection: DuckDB asks no table function how far it is.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

static RUNNING: Mutex<Vec<Arc<Counts>>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What a job has done. Its workers count, anyone reads.
struct Counts {
    job: u64,
    function: &'static str,
    started: SystemTime,
    clock: Instant,
    total: Option<u64>,
    done: AtomicU64,
    errors: AtomicU64,
    reused: AtomicU64,
}

/// A job that is under way for as long as this is held.
pub struct Progress(Arc<Counts>);

impl Progress {
    /// `total` is how much there is to do, where that is known.
    pub fn start(function: &'static str, total: Option<u64>) -> Progress {
        let counts = Arc::new(Counts {
            job: NEXT.fetch_add(1, Relaxed),
            function,
            started: SystemTime::now(),
            clock: Instant::now(),
            total,
            done: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            reused: AtomicU64::new(0),
        });
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(counts.clone());
        Progress(counts)
    }

    /// One more is done, well or not.
    pub fn count(&self, is_error: bool) {
        self.0.done.fetch_add(1, Relaxed);
        self.0.errors.fetch_add(u64::from(is_error), Relaxed);
    }

    /// One of those that were done had been done before, and was taken as it was.
    pub fn count_reused(&self) {
        self.0.reused.fetch_add(1, Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|counts| counts.job != self.0.job);
    }
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Counts up from 1 in the process.
    pub job: u64,
    /// The function that works.
    pub function: &'static str,
    /// Files or patches done.
    pub done: u64,
    /// `None` when nobody knows before the end.
    pub total: Option<u64>,
    /// Those that could not be read.
    pub errors: u64,
    /// Those that an earlier catalog gave.
    pub reused: u64,
    /// When it began.
    pub started: SystemTime,
    /// How long it has gone on.
    pub elapsed: Duration,
}

/// The jobs of this process that are under way, oldest first.
pub fn running() -> Vec<Job> {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let job = |counts: &Arc<Counts>| Job {
        job: counts.job,
        function: counts.function,
        done: counts.done.load(Relaxed),
        total: counts.total,
        errors: counts.errors.load(Relaxed),
        reused: counts.reused.load(Relaxed),
        started: counts.started,
        elapsed: counts.clock.elapsed(),
    };
    running.iter().map(job).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_listed_until_it_is_dropped() {
        let mine = || running().into_iter().find(|job| job.function == "a test");
        assert_eq!(mine(), None);
        let progress = Progress::start("a test", Some(3));
        progress.count(false);
        progress.count(true);
        progress.count_reused();
        let job = mine().unwrap();
        assert_eq!((job.done, job.errors, job.reused, job.total), (2, 1, 1, Some(3)));
        drop(progress);
        assert_eq!(mine(), None);
    }
}
