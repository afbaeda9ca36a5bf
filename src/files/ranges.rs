//! Bytes of remote files, kept in memory: a byte is fetched once while it stays, whoever asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::limits::remote_cache_bytes;

/// What is kept at an offset of a file.
// A variant's line says what its fields are.
#[allow(missing_docs)]
pub enum Found {
    /// A run of bytes, and how many of them lie before the offset.
    Bytes(Arc<[u8]>, usize),
    /// Nothing: where the run before the offset ends, and where the next one begins.
    Gap { before: u64, after: u64 },
}

struct Run {
    bytes: Arc<[u8]>,
    tick: u64,
}

/// Runs of bytes by file and first byte. Runs of one file never overlap.
#[derive(Default)]
struct Runs {
    files: HashMap<u64, BTreeMap<u64, Run>>,
    /// Oldest use first: the file and first byte of a run.
    order: BTreeMap<u64, (u64, u64)>,
    clock: u64,
    bytes: usize,
}

static RUNS: LazyLock<Mutex<Runs>> = LazyLock::new(Mutex::default);

/// Bytes held now.
pub fn held() -> usize {
    lock().bytes
}

/// A poisoned lock guards maps that are never left half-changed by anything that can panic.
fn lock() -> MutexGuard<'static, Runs> {
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is held of a file from a byte on.
pub fn find(file: u64, at: u64) -> Found {
    let mut runs = lock();
    runs.clock += 1;
    let tick = runs.clock;
    let Runs { files, order, .. } = &mut *runs;
    let Some(kept) = files.get_mut(&file) else { return Found::Gap { before: 0, after: u64::MAX } };
    let after = kept.range(at.saturating_add(1)..).next().map_or(u64::MAX, |(start, _)| *start);
    let Some((start, run)) = kept.range_mut(..=at).next_back() else {
        return Found::Gap { before: 0, after };
    };
    let end = start + run.bytes.len() as u64;
    if end <= at {
        return Found::Gap { before: end, after };
    }
    order.remove(&run.tick);
    order.insert(tick, (file, *start));
    run.tick = tick;
    Found::Bytes(run.bytes.clone(), (at - start) as usize)
}

/// Keeps a run, and lets the oldest go where the bound asks for it.
pub fn keep(file: u64, start: u64, bytes: Arc<[u8]>) {
    let mut runs = lock();
    runs.clock += 1;
    let tick = runs.clock;
    runs.bytes += bytes.len();
    runs.order.insert(tick, (file, start));
    if let Some(old) = runs.files.entry(file).or_default().insert(start, Run { bytes, tick }) {
        runs.order.remove(&old.tick);
        runs.bytes -= old.bytes.len();
    }
    shrink(&mut runs);
}

/// Lets go at once of what is above a bound that was lowered.
pub fn keep_bound() {
    shrink(&mut lock());
}

fn shrink(runs: &mut Runs) {
    while runs.bytes > remote_cache_bytes() {
        let Some((_, (file, start))) = runs.order.pop_first() else { return };
        let Some(kept) = runs.files.get_mut(&file) else { continue };
        let freed = kept.remove(&start).map_or(0, |run| run.bytes.len());
        if kept.is_empty() {
            runs.files.remove(&file);
        }
        runs.bytes -= freed;
    }
}

/// Lets all of a file go.
pub fn forget(file: u64) {
    let mut runs = lock();
    for run in runs.files.remove(&file).unwrap_or_default().into_values() {
        runs.order.remove(&run.tick);
        runs.bytes -= run.bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_in_a_run_or_between_two() {
        let file = u64::MAX - 1;
        keep(file, 10, vec![1; 5].into());
        keep(file, 20, vec![2; 5].into());
        assert!(matches!(find(file, 12), Found::Bytes(run, 2) if run.len() == 5));
        assert!(matches!(find(file, 15), Found::Gap { before: 15, after: 20 }));
        assert!(matches!(find(file, 3), Found::Gap { before: 0, after: 10 }));
        assert!(matches!(find(file, 25), Found::Gap { before: 25, after: u64::MAX }));
        forget(file);
        assert!(matches!(find(file, 12), Found::Gap { before: 0, after: u64::MAX }));
    }
}
