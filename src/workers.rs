//! Bounded worker pool that keeps order: work ahead of the reader, under a byte budget.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::error::{Error, Result};

/// Runs `work(0) .. work(count - 1)` on threads of its own and hands the results out in order. A worker
/// starts an item only while the results that wait for the reader cost less than the budget, or when
/// the reader waits for that very item: so the budget bounds memory and nothing can deadlock.
pub struct Ordered<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    count: usize,
    budget: usize,
}

struct State<T> {
    /// The next item that no worker has taken.
    claim: usize,
    /// The next item that the reader wants.
    next: usize,
    done: BTreeMap<usize, (usize, Result<T>)>,
    /// The cost of what is done or under way and not yet taken.
    cost: usize,
    stop: bool,
}

impl<T> Shared<T> {
    /// The state is plain numbers and finished results, sound after any panic.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next item and reserves its cost; `None` when there is no more work.
    fn take(&self, cost: &impl Fn(usize) -> usize) -> Option<(usize, usize)> {
        let mut state = self.lock();
        loop {
            if state.stop || state.claim >= self.count {
                return None;
            }
            let item = state.claim;
            let reserve = cost(item);
            if item == state.next || state.cost + reserve <= self.budget {
                state.claim += 1;
                state.cost += reserve;
                return Some((item, reserve));
            }
            state = self.wait(state);
        }
    }
}

impl<T: Send + 'static> Ordered<T> {
    /// `cost` is what item i will hold until the reader takes it, in bytes.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(
        count: usize,
        threads: usize,
        budget: usize,
        cost: impl Fn(usize) -> usize + Send + Sync + 'static,
        work: impl Fn(usize) -> Result<T> + Send + Sync + 'static,
    ) -> Result<Ordered<T>> {
        let state = State { claim: 0, next: 0, done: BTreeMap::new(), cost: 0, stop: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), count, budget });
        let job = Arc::new((cost, work));
        let mut pool = Ordered { shared: shared.clone(), threads: Vec::new() };
        for _ in 0..threads.clamp(1, count.max(1)) {
            let (shared, job) = (shared.clone(), job.clone());
            let run = move || {
                while let Some((item, reserve)) = shared.take(&job.0) {
                    let result = catch_unwind(AssertUnwindSafe(|| job.1(item)))
                        .unwrap_or_else(|_| Err(Error::Bug(format!("a worker panicked at item {item}"))));
                    let mut state = shared.lock();
                    state.done.insert(item, (reserve, result));
                    drop(state);
                    shared.changed.notify_all();
                }
            };
            let thread = std::thread::Builder::new()
                .name("geoquilt".into())
                .spawn(run)
                .map_err(|e| Error::Bug(format!("no thread: {e}")))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// The next result in order; `None` after the last.
    pub fn next(&self) -> Option<Result<T>> {
        let mut state = self.shared.lock();
        let item = state.next;
        if item >= self.shared.count {
            return None;
        }
        let (reserve, result) = loop {
            match state.done.remove(&item) {
                Some(done) => break done,
                None => state = self.shared.wait(state),
            }
        };
        state.next += 1;
        state.cost -= reserve;
        drop(state);
        self.shared.changed.notify_all();
        Some(result)
    }
}

impl<T> Drop for Ordered<T> {
    /// An abandoned scan (LIMIT, an interrupt) ends its workers after the item in hand.
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A worker's panic was already turned into that item's error.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::Duration;

    fn collect(count: usize, threads: usize, budget: usize) -> Vec<usize> {
        let work = |i: usize| {
            std::thread::sleep(Duration::from_micros((i as u64 * 7919) % 300));
            Ok(i)
        };
        let pool = Ordered::start(count, threads, budget, |_| 10, work).unwrap();
        std::iter::from_fn(|| pool.next()).map(|r| r.unwrap()).collect()
    }

    #[test]
    fn results_come_in_order_whatever_the_threads_and_the_budget() {
        for (threads, budget) in [(1, 0), (2, 0), (8, 25), (8, 1_000_000)] {
            assert_eq!(collect(200, threads, budget), (0..200).collect::<Vec<_>>());
        }
        assert_eq!(collect(0, 4, 100), Vec::<usize>::new());
    }

    #[test]
    fn no_more_than_the_budget_waits_for_the_reader() {
        let started = Arc::new(AtomicUsize::new(0));
        let counter = started.clone();
        let work = move |i| {
            counter.fetch_add(1, SeqCst);
            Ok(i)
        };
        let pool = Ordered::start(1000, 4, 50, |_| 10, work).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(started.load(SeqCst) <= 5, "{} items were read ahead", started.load(SeqCst));
        drop(pool);
    }

    #[test]
    fn a_panic_in_one_item_is_that_items_error() {
        let work = |i: usize| if i == 3 { panic!("boom") } else { Ok(i) };
        let pool = Ordered::start(5, 2, 100, |_| 1, work).unwrap();
        let results: Vec<bool> = std::iter::from_fn(|| pool.next()).map(|r| r.is_ok()).collect();
        assert_eq!(results, [true, true, true, false, true]);
    }
}
