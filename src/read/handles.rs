//! Idle handles of open rasters: a bound for the whole process, whatever the number of files.
//!
//! A handle is an open file and what its driver keeps in memory. It is lent to one thread at a time, and comes
//! back here. Past the bound, the one that lay idle longest is closed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::files;

/// Open handles that wait for their next use.
pub struct Handles<H> {
    idle: Mutex<Idle<H>>,
    limit: usize,
}

struct Idle<H> {
    /// Handles of each source by the time of their return.
    handles: HashMap<u64, BTreeMap<u64, H>>,
    /// Whose handle came back when, oldest first.
    order: BTreeMap<u64, u64>,
    clock: u64,
}

/// How many handles may lie idle: a part of the files that the process may have open, since a handle opens two
/// (the raster for GDAL, and for what is read past it), and the host program needs some too.
pub fn limit() -> usize {
    (files::most_open() / 4).clamp(16, 1024)
}

impl<H> Handles<H> {
    /// A pool of so many.
    pub fn new(limit: usize) -> Handles<H> {
        let idle = Idle { handles: HashMap::new(), order: BTreeMap::new(), clock: 0 };
        Handles { idle: Mutex::new(idle), limit }
    }

    /// The maps are never left half-changed by anything that can panic.
    fn lock(&self) -> MutexGuard<'_, Idle<H>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle handle of a source: the one that came back last.
    pub fn take(&self, source: u64) -> Option<H> {
        let mut idle = self.lock();
        let handles = idle.handles.get_mut(&source)?;
        let (time, handle) = handles.pop_last()?;
        if handles.is_empty() {
            idle.handles.remove(&source);
        }
        idle.order.remove(&time);
        Some(handle)
    }

    /// Puts a handle back; the oldest one goes where there are too many.
    pub fn give_back(&self, source: u64, handle: H) {
        let mut idle = self.lock();
        idle.clock += 1;
        let time = idle.clock;
        idle.handles.entry(source).or_default().insert(time, handle);
        idle.order.insert(time, source);
        let oldest = if idle.order.len() > self.limit { idle.order.pop_first() } else { None };
        let closed = oldest.and_then(|(time, source)| {
            let handles = idle.handles.get_mut(&source)?;
            let closed = handles.remove(&time);
            if handles.is_empty() {
                idle.handles.remove(&source);
            }
            closed
        });
        // A file closes after the lock is given back.
        drop(idle);
        drop(closed);
    }

    /// Keeps a handle that has read nothing yet where there is room: of more files than that, those at hand stay.
    pub fn offer(&self, source: u64, handle: H) {
        if self.idle() < self.limit {
            self.give_back(source, handle);
        }
    }

    /// Closes the idle handles of a source.
    pub fn forget(&self, source: u64) {
        let mut idle = self.lock();
        let closed = idle.handles.remove(&source).unwrap_or_default();
        for time in closed.keys() {
            idle.order.remove(time);
        }
        drop(idle);
        drop(closed);
    }

    /// How many wait.
    pub fn idle(&self) -> usize {
        self.lock().order.len()
    }

    /// How many may wait.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_stay_within_the_bound_and_the_oldest_goes_first() {
        let handles = Handles::new(3);
        for source in 0..5 {
            handles.give_back(source, source * 10);
        }
        assert_eq!(handles.idle(), 3);
        let kept: Vec<Option<u64>> = (0..5).map(|source| handles.take(source)).collect();
        assert_eq!(kept, [None, None, Some(20), Some(30), Some(40)]);
        assert_eq!(handles.idle(), 0);
    }

    #[test]
    fn an_unused_handle_takes_no_place_of_another() {
        let handles = Handles::new(2);
        for source in 0..4 {
            handles.offer(source, source);
        }
        assert_eq!([0, 1, 2, 3].map(|source| handles.take(source)), [Some(0), Some(1), None, None]);
    }

    #[test]
    fn a_forgotten_source_has_no_handle() {
        let handles = Handles::new(8);
        for handle in 0..3 {
            handles.give_back(1, handle);
            handles.give_back(2, handle);
        }
        handles.forget(1);
        assert_eq!((handles.idle(), handles.take(1), handles.take(2)), (3, None, Some(2)));
        handles.give_back(1, 9);
        assert_eq!(handles.take(1), Some(9));
    }
}
