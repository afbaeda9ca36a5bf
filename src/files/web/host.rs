//! Hosts that ask for patience: they are waited for as a whole, not request by request.

use std::collections::HashMap;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::files::web::Trouble;
use crate::workers;

/// The wait of a host that says it has too much to do and not for how long; each further one is four times as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Who waits looks so often whether the query was interrupted.
const SOON: Duration = Duration::from_millis(50);

/// What is known of a host that asked for patience, or is asked for something now.
struct Host {
    under_way: usize,
    /// Requests that it is given at once.
    most: usize,
    /// Requests that it answered since `most` was changed.
    answered: usize,
    /// Nobody asks before.
    until: Option<Instant>,
    next_wait: Duration,
}

impl Default for Host {
    fn default() -> Host {
        Host { under_way: 0, most: usize::MAX, answered: 0, until: None, next_wait: FIRST_WAIT }
    }
}

impl Host {
    fn rest(&mut self) -> Option<Duration> {
        let rest = self.until?.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            self.until = None;
        }
        self.until.map(|_| rest)
    }
}

static HOSTS: LazyLock<Mutex<HashMap<String, Host>>> = LazyLock::new(Mutex::default);
static CHANGED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, HashMap<String, Host>> {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request's turn at a host, until it is dropped.
pub struct Turn(String);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut hosts = lock();
        if let Some(host) = hosts.get_mut(&self.0) {
            host.under_way -= 1;
            // What is known of a host that has enough time need not be kept.
            if host.under_way == 0 && host.most == usize::MAX && host.rest().is_none() {
                hosts.remove(&self.0);
            }
        }
        drop(hosts);
        CHANGED.notify_all();
    }
}

/// Waits until a host may be asked.
///
/// # Errors
/// The query was interrupted.
pub fn turn(name: &str) -> Result<Turn, Trouble> {
    let mut hosts = lock();
    loop {
        let host = hosts.entry(name.to_string()).or_default();
        let rest = host.rest();
        if rest.is_none() && host.under_way < host.most {
            host.under_way += 1;
            return Ok(Turn(name.to_string()));
        }
        if workers::is_interrupted() {
            return Err(Trouble::interrupted());
        }
        let wait = rest.map_or(SOON, |rest| rest.min(SOON));
        let (again, _) = CHANGED.wait_timeout(hosts, wait).unwrap_or_else(PoisonError::into_inner);
        hosts = again;
    }
}

/// A host asked for patience, for so long if it said so: it is given half as many requests at once from then on.
pub fn tired(name: &str, wait: Option<Duration>) {
    let mut hosts = lock();
    let host = hosts.entry(name.to_string()).or_default();
    // The others that were under way are answered the same.
    if host.rest().is_some() {
        return;
    }
    host.most = (host.most.min(host.under_way.max(1)) / 2).max(1);
    host.answered = 0;
    host.until = Some(Instant::now() + wait.unwrap_or(host.next_wait));
    host.next_wait = (host.next_wait * 4).min(LONGEST_WAIT);
}

/// A host answered: it is given more at once, little by little.
pub fn answered(name: &str) {
    let mut hosts = lock();
    let Some(host) = hosts.get_mut(name).filter(|host| host.most < usize::MAX) else { return };
    host.answered += 1;
    host.next_wait = FIRST_WAIT;
    if host.answered >= host.most {
        host.answered = 0;
        host.most = if host.most >= 1024 { usize::MAX } else { host.most + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_asks_for_patience_is_waited_for_by_all_and_asked_for_less() {
        let host = "host-of-a-test:1";
        let turns: Vec<Turn> = (0..8).map(|_| turn(host).unwrap()).collect();
        let begin = Instant::now();
        // All eight are told so: it counts once.
        (0..8).for_each(|_| tired(host, Some(Duration::from_millis(120))));
        drop(turns);
        let turns: Vec<Turn> = (0..4).map(|_| turn(host).unwrap()).collect();
        assert!(begin.elapsed() >= Duration::from_millis(120));
        assert_eq!(lock().get(host).map(|host| host.most), Some(4));
        (0..4).for_each(|_| answered(host));
        assert_eq!(lock().get(host).map(|host| host.most), Some(5));
        drop(turns);
        // A host that has time is forgotten.
        drop(turn("idle-host-of-a-test").unwrap());
        assert!(!lock().contains_key("idle-host-of-a-test"));
    }

    #[test]
    fn a_host_that_does_not_say_how_long_is_given_more_time_each_time() {
        let host = "tired-host-of-a-test";
        let waits: Vec<Duration> = (0..3)
            .map(|_| {
                drop(turn(host).unwrap());
                tired(host, None);
                lock().get_mut(host).and_then(Host::rest).unwrap()
            })
            .collect();
        assert!(waits[0] <= FIRST_WAIT && waits[1] > FIRST_WAIT && waits[2] > FIRST_WAIT * 4, "{waits:?}");
    }
}
