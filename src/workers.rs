//! Threads: [`Ordered`] works ahead of a reader and keeps order under a byte budget, [`each`] shares a slice
//! among threads while its caller waits.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// What a thread carries for the work in hand: workers inherit it from whoever starts them.
pub type Carried = Option<Arc<dyn Carry>>;

/// What can be carried, by whoever works for a query.
pub trait Carry: Any + Send + Sync {
    /// Whether the query was interrupted: what works for it may end.
    fn is_interrupted(&self) -> bool;

    /// How many bytes the query may use.
    fn memory(&self) -> usize {
        usize::MAX
    }
}

thread_local! {
    static CARRIED: RefCell<Carried> = const { RefCell::new(None) };
    /// Set where nobody waits any more for what this thread works on.
    static ABANDONED: RefCell<Abandoned> = const { RefCell::new(None) };
}

type Abandoned = Option<Arc<AtomicBool>>;

/// What this thread carries.
pub fn carried() -> Carried {
    CARRIED.with_borrow(Clone::clone)
}

/// Runs work while this thread, and the workers it starts, carry something.
pub fn carrying<T>(what: Carried, work: impl FnOnce() -> T) -> T {
    struct Restore(Carried);
    impl Drop for Restore {
        fn drop(&mut self) {
            let ended = CARRIED.replace(self.0.take());
            drop(ended);
        }
    }
    let _restore = Restore(CARRIED.replace(what));
    work()
}

/// So often it is looked at whether the query was interrupted.
const BETWEEN: Duration = Duration::from_millis(20);

/// Items of a long list, or steps of some nanoseconds, between two looks whether the query was interrupted.
pub const STRIDE: usize = 1024;

/// Whether the work of this thread is to end. It costs next to nothing: whether the query was interrupted is looked at so often
/// and no oftener.
///
/// # Errors
/// [`Error::Interrupted`].
pub fn go_on() -> Result<()> {
    thread_local! {
        static LOOKED: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let now = Instant::now();
    if LOOKED.get().is_some_and(|then| now.duration_since(then) < BETWEEN) {
        return Ok(());
    }
    LOOKED.set(Some(now));
    if is_interrupted() { Err(Error::Interrupted) } else { Ok(()) }
}

/// As [`go_on`], for code of others that knows no errors: it is left as by a panic, from which those below tell the error.
pub fn go_on_or_leave() {
    if let Err(error) = go_on() {
        resume_unwind(Box::new(error));
    }
}

/// Steps of code of others, a sort's say, that is left after [`STRIDE`] of them at the latest.
#[derive(Debug, Default)]
pub struct Steps(Cell<usize>);

impl Steps {
    /// One more step.
    #[inline]
    pub fn step(&self) {
        self.0.set(self.0.get().wrapping_add(1));
        if self.0.get().is_multiple_of(STRIDE) {
            go_on_or_leave();
        }
    }
}

/// What a panic was: an error that code of others was left by, or a defect.
pub fn fault(panic: Box<dyn Any + Send>, defect: impl FnOnce() -> String) -> Error {
    panic.downcast::<Error>().map_or_else(|_| Error::Bug(defect()), |error| *error)
}

/// Whether the query that this thread works for was interrupted, or nobody waits for its work. DuckDB forgets of an interrupt
/// once it was answered, when workers may still be at work.
pub fn is_interrupted() -> bool {
    CARRIED.with_borrow(|carried| carried.as_ref().is_some_and(|carried| carried.is_interrupted()))
        || ABANDONED.with_borrow(|abandoned| abandoned.as_ref().is_some_and(|set| set.load(Relaxed)))
}

/// How many bytes the query that this thread works for may use.
pub fn memory() -> usize {
    CARRIED.with_borrow(|carried| carried.as_ref().map_or(usize::MAX, |carried| carried.memory()))
}

/// The process that works here, and how many threads of it are at work: both in one word, so that a fork copies them as
/// they were together.
static PROCESS: AtomicU64 = AtomicU64::new(0);

/// A thread at work in its own process, as long as it lives.
pub struct Here;

impl Here {
    /// A process that was forked while another thread was at work has that thread's locks and not the thread: whoever
    /// waits for one waits for ever. One that was forked while nothing ran goes on by itself.
    ///
    /// # Errors
    /// This process was forked while another thread was at work.
    pub fn enter() -> Result<Here> {
        let own = u64::from(std::process::id()) << 32;
        let one_more = |word: u64| {
            let (process, busy) = (word & !0xffff_ffff, word & 0xffff_ffff);
            match process == own {
                true => Some(word + 1),
                false if busy == 0 => Some(own + 1),
                false => None,
            }
        };
        PROCESS.fetch_update(SeqCst, SeqCst, one_more).map(|_| Here).map_err(|_| {
            Error::conflict(
                "this process was forked while another thread was reading files, and has that thread's locks without the thread",
                "Start workers afresh, as Python's multiprocessing does with \"spawn\" or \"forkserver\", or fork before anything reads",
            )
        })
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        PROCESS.fetch_sub(1, SeqCst);
    }
}

/// Runs `work` over `jobs` on threads of its own and hands the results out in the jobs' order. A worker
/// starts a job only while the results that wait for the reader cost less than the budget, or when the
/// reader waits for that very job: so the budget bounds memory and nothing can deadlock.
pub struct Ordered<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
    /// Set once nobody waits for them.
    abandoned: Arc<AtomicBool>,
    /// Where the threads are: a process that was forked meanwhile has none of them.
    process: u32,
}

/// What the reader sees. Jobs are kept apart from it, so that reading the next job holds up no result.
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    budget: usize,
}

struct State<T> {
    /// How many jobs were taken by workers.
    taken: usize,
    /// The index of the result that the reader wants next.
    next: usize,
    done: BTreeMap<usize, (usize, Result<T>)>,
    /// The cost of what is done or under way and not yet read.
    cost: usize,
    /// There are no more jobs.
    ended: bool,
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

    /// Reserves the cost of the job in hand and gives its index; `None` when the scan was abandoned.
    fn reserve(&self, cost: usize) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.stop {
                return None;
            }
            if state.taken == state.next || state.cost.saturating_add(cost) <= self.budget {
                state.taken += 1;
                state.cost = state.cost.saturating_add(cost);
                return Some(state.taken - 1);
            }
            state = self.wait(state);
        }
    }

    fn finish(&self, index: usize, cost: usize, result: Result<T>) {
        self.lock().done.insert(index, (cost, result));
        self.changed.notify_all();
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

impl<T: Send + 'static> Ordered<T> {
    /// Each job comes with its cost, what its result will hold until the reader takes it. A job that could
    /// not be had is an error in its stead.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start<J: Send + 'static>(
        jobs: impl Iterator<Item = Result<(usize, J)>> + Send + 'static,
        threads: usize,
        budget: usize,
        work: impl Fn(J) -> Result<T> + Send + Sync + 'static,
    ) -> Result<Ordered<T>> {
        let state = State { taken: 0, next: 0, done: BTreeMap::new(), cost: 0, ended: false, stop: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), budget });
        let line = Arc::new((Mutex::new(jobs.fuse()), work));
        let abandoned = Arc::new(AtomicBool::new(false));
        let mut pool = Ordered {
            shared: shared.clone(),
            threads: Vec::new(),
            abandoned: abandoned.clone(),
            process: std::process::id(),
        };
        for _ in 0..threads.max(1) {
            let (shared, line) = (shared.clone(), line.clone());
            let run = move || {
                while let Some((index, cost, job)) = take(&shared, &line.0) {
                    let result = job.and_then(|job| {
                        let _here = Here::enter()?;
                        go_on()?;
                        catch_unwind(AssertUnwindSafe(|| line.1(job))).unwrap_or_else(|panic| {
                            Err(fault(panic, || format!("a worker panicked at job {index}")))
                        })
                    });
                    shared.finish(index, cost, result);
                }
            };
            // What the query may read of remote files, its workers may.
            let (carried, abandoned) = (carried(), abandoned.clone());
            let run = move || {
                ABANDONED.set(Some(abandoned));
                carrying(carried, run);
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
        if self.process != std::process::id() {
            return Some(Err(Error::conflict(
                "a stream goes on in the process that began it, and this one was forked from that",
                "Run the query in this process",
            )));
        }
        let mut state = self.shared.lock();
        let index = state.next;
        let (cost, result) = loop {
            if let Some(done) = state.done.remove(&index) {
                break done;
            }
            if state.ended && index >= state.taken {
                return None;
            }
            if is_interrupted() {
                return Some(Err(Error::Interrupted));
            }
            let (again, _) =
                self.shared.changed.wait_timeout(state, BETWEEN).unwrap_or_else(PoisonError::into_inner);
            state = again;
        };
        state.next += 1;
        state.cost = state.cost.saturating_sub(cost);
        drop(state);
        self.shared.changed.notify_all();
        Some(result)
    }
}

impl<T> Ordered<T> {
    /// Whether the next result, or the end, can be had at once; waits for it so long at most.
    pub fn wait(&self, at_most: Duration) -> bool {
        if self.process != std::process::id() || is_interrupted() {
            return true;
        }
        let is_missing = |state: &mut State<T>| {
            let is_over = state.ended && state.next >= state.taken;
            !(is_over || state.done.contains_key(&state.next))
        };
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, at_most, is_missing);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// The next job, its index and its cost. Jobs are taken one worker at a time, so indices follow their order.
fn take<T, J>(
    shared: &Shared<T>,
    jobs: &Mutex<impl Iterator<Item = Result<(usize, J)>>>,
) -> Option<(usize, usize, Result<J>)> {
    let mut jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let here = Here::enter();
    let next = catch_unwind(AssertUnwindSafe(|| jobs.next()))
        .unwrap_or_else(|panic| Some(Err(fault(panic, || "a worker panicked at its next job".into()))));
    drop(here);
    let Some(job) = next else {
        shared.end();
        return None;
    };
    let (cost, job) = match job {
        Ok((cost, job)) => (cost, Ok(job)),
        Err(error) => (0, Err(error)),
    };
    let index = shared.reserve(cost)?;
    Some((index, cost, job))
}

impl<T> Drop for Ordered<T> {
    /// An abandoned scan (LIMIT, an interrupt) ends its workers, as an interrupt does.
    fn drop(&mut self) {
        if self.process != std::process::id() {
            self.threads.drain(..).for_each(std::mem::forget);
            return;
        }
        self.abandoned.store(true, Relaxed);
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A worker's panic was already turned into that job's error.
            let _ = thread.join();
        }
    }
}

/// Threads that are inside [`each`], callers and helpers, in the whole process.
static BUSY: AtomicUsize = AtomicUsize::new(0);
/// Threads that are inside [`each_waiting`], as for [`BUSY`].
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// One more thread at work, as long as it lives.
struct AtWork(&'static AtomicUsize);

impl AtWork {
    fn caller(threads: &'static AtomicUsize) -> AtWork {
        threads.fetch_add(1, Relaxed);
        AtWork(threads)
    }

    /// `None` when `most` are at work: where DuckDB's own threads call side by side, helpers would only get in
    /// their way.
    fn helper(threads: &'static AtomicUsize, most: usize) -> Option<AtWork> {
        let more = |busy| (busy < most).then_some(busy + 1);
        threads.fetch_update(Relaxed, Relaxed, more).ok().map(|_| AtWork(threads))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Runs `work` on every item, on up to `threads` threads with the caller's among them, and waits for all.
///
/// # Errors
/// Of the items that failed, the first one's error. Items after it may have been left out.
pub fn each<I: Send>(
    items: &mut [I],
    threads: usize,
    work: impl Fn(&mut I) -> Result<()> + Sync,
) -> Result<()> {
    share(items, threads, &BUSY, work)
}

/// [`each`] for work that waits for a network more than it computes: however many threads compute, up to `threads` wait.
///
/// # Errors
/// As [`each`].
pub fn each_waiting<I: Send>(
    items: &mut [I],
    threads: usize,
    work: impl Fn(&mut I) -> Result<()> + Sync,
) -> Result<()> {
    share(items, threads, &WAITING, work)
}

fn share<I: Send>(
    items: &mut [I],
    threads: usize,
    at_work: &'static AtomicUsize,
    work: impl Fn(&mut I) -> Result<()> + Sync,
) -> Result<()> {
    let helpers = threads.min(items.len()).saturating_sub(1);
    let queue = Mutex::new(items.iter_mut().enumerate());
    let failed: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        while let Some((index, item)) = take() {
            let result = catch_unwind(AssertUnwindSafe(|| go_on().and_then(|()| work(item))))
                .unwrap_or_else(|panic| Err(fault(panic, || format!("a worker panicked at item {index}"))));
            if let Err(error) = result {
                // Items before this one were taken before it, so a lower one that fails is still heard.
                while take().is_some() {}
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                if failed.as_ref().is_none_or(|(first, _)| index < *first) {
                    *failed = Some((index, error));
                }
            }
        }
    };
    let _caller = AtWork::caller(at_work);
    let (carried, abandoned) = (carried(), ABANDONED.with_borrow(Clone::clone));
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            let Some(at_work) = AtWork::helper(at_work, threads) else { break };
            let (carried, abandoned) = (carried.clone(), abandoned.clone());
            let help = || {
                let _at_work = at_work;
                ABANDONED.set(abandoned);
                carrying(carried, run);
            };
            // Without another thread the caller does all of it.
            if std::thread::Builder::new().name("geoquilt".into()).spawn_scoped(scope, help).is_err() {
                break;
            }
        }
        run();
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(()), |(_, error)| Err(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::SeqCst;

    #[test]
    fn each_item_is_worked_on_once_whatever_the_threads() {
        for threads in [1, 2, 8] {
            let mut items: Vec<usize> = (0..1000).collect();
            each(&mut items, threads, |item| {
                *item += 1;
                Ok(())
            })
            .unwrap();
            assert_eq!(items, (1..=1000).collect::<Vec<_>>());
        }
        each(&mut [] as &mut [usize], 4, |_| Err(Error::Bug("called".into()))).unwrap();
    }

    #[test]
    fn many_wait_at_once_whatever_is_computed_beside_them_and_one_within_another_ends() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let wait = || {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            now.fetch_sub(1, SeqCst);
        };
        let mut outer = [0usize; 4];
        each(&mut outer, 2, |count| {
            let mut inner = [0usize; 16];
            each_waiting(&mut inner, 32, |item| {
                wait();
                *item += 1;
                Ok(())
            })?;
            *count += inner.iter().sum::<usize>();
            Ok(())
        })
        .unwrap();
        assert_eq!(outer, [16; 4]);
        assert!(most.into_inner() > 4);
    }

    #[test]
    fn of_several_errors_the_first_items_is_told() {
        for threads in [1, 2, 8] {
            let mut items: Vec<usize> = (0..500).collect();
            let work = |item: &mut usize| match *item {
                40.. => Err(Error::Bug(item.to_string())),
                _ => Ok(()),
            };
            assert_eq!(each(&mut items, threads, work), Err(Error::Bug("40".into())));
            let panics = |item: &mut usize| if *item == 7 { panic!("boom") } else { Ok(()) };
            assert!(matches!(each(&mut items, threads, panics), Err(Error::Bug(_))));
        }
    }

    fn collect(count: usize, threads: usize, budget: usize) -> Vec<usize> {
        let work = |i: usize| {
            std::thread::sleep(Duration::from_micros((i as u64 * 7919) % 300));
            Ok(i)
        };
        let pool = Ordered::start((0..count).map(|i| Ok((10, i))), threads, budget, work).unwrap();
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
        let pool = Ordered::start((0..1000).map(|i| Ok((10, i))), 4, 50, work).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(started.load(SeqCst) <= 5, "{} items were read ahead", started.load(SeqCst));
        drop(pool);
    }

    #[test]
    fn a_panic_in_one_item_is_that_items_error() {
        let work = |i: usize| if i == 3 { panic!("boom") } else { Ok(i) };
        let pool = Ordered::start((0..5).map(|i| Ok((1, i))), 2, 100, work).unwrap();
        let results: Vec<bool> = std::iter::from_fn(|| pool.next()).map(|r| r.is_ok()).collect();
        assert_eq!(results, [true, true, true, false, true]);
    }

    #[test]
    fn a_job_that_could_not_be_had_is_an_error_in_its_stead() {
        let jobs = [Ok((1, 0)), Err(Error::Bug("torn".into())), Ok((1, 2))].into_iter();
        let pool = Ordered::start(jobs, 3, 100, Ok).unwrap();
        let results: Vec<Result<i32>> = std::iter::from_fn(|| pool.next()).collect();
        assert_eq!(results, [Ok(0), Err(Error::Bug("torn".into())), Ok(2)]);
    }
}
