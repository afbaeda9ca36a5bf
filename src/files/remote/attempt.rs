//! What failed is tried again where that may help, after a while.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::{RETRIES, SOON, Session};
use crate::files::failure::{self, Failure, Said};

/// The wait before the first retry; each further one waits four times as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// What servers may ask of one read in all.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);

impl Session {
    /// Tries again, a bounded number of times, what may work later.
    pub(super) fn attempt<T>(
        &self,
        url: &str,
        mut work: impl FnMut() -> std::result::Result<T, Said>,
    ) -> std::result::Result<T, Failure> {
        let mut wait = FIRST_WAIT;
        let retries = if failure::is_recent(url) { 0 } else { self.manners.retries };
        let (mut tries, mut failed, mut waited) = (0, 0, Duration::ZERO);
        loop {
            let said = match work() {
                Ok(done) => return Ok(done),
                Err(said) => said,
            };
            tries += 1;
            let failure = Failure::new(said, url, tries);
            let patience = failure.asks_for_patience();
            // A server that says how long it asks to be left alone is asked again when it is over.
            let may_wait = |asked: &Duration| retries > 0 && waited + *asked <= LONGEST_PATIENCE;
            let asked = patience.flatten().filter(may_wait);
            failed += u32::from(asked.is_none());
            if failed > retries || failure.is_lasting() {
                if tries > 1 {
                    failure::remember(url);
                }
                return Err(failure);
            }
            RETRIES.fetch_add(1, Relaxed);
            waited += asked.unwrap_or_default();
            // Whose turn it is at its host has waited already.
            if patience.is_some() {
                continue;
            }
            let until = Instant::now() + wait;
            while Instant::now() < until {
                if self.files.is_interrupted() {
                    return Err(failure);
                }
                std::thread::sleep(SOON.min(until.saturating_duration_since(Instant::now())));
            }
            wait *= 4;
        }
    }
}
