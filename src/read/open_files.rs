//! What is kept of files by path: the last ones that were read, each once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::files::Stamp;

/// Files by path, or what is known of them. A file that was replaced meanwhile, seen by its stamp, is opened anew.
pub struct OpenFiles<T> {
    /// How many are kept when nobody uses them.
    kept: usize,
    open: Mutex<Option<Open<T>>>,
}

struct Open<T> {
    files: HashMap<String, Kept<T>>,
    clock: u64,
}

struct Kept<T> {
    used: u64,
    stamp: Stamp,
    file: Arc<T>,
}

impl<T> OpenFiles<T> {
    /// A list of so many.
    pub const fn new(kept: usize) -> OpenFiles<T> {
        OpenFiles { kept, open: Mutex::new(None) }
    }

    /// The file at `path`, opened by `open` unless it already is.
    ///
    /// # Errors
    /// What `open` returns.
    pub fn get(&self, path: &str, stamp: Stamp, open: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        if let Some(file) = self.find(path, stamp) {
            return Ok(file);
        }
        // Opened without the lock: another thread may open it too, and then its file is the one to share.
        let file = Arc::new(open()?);
        if let Some(other) = self.find(path, stamp) {
            return Ok(other);
        }
        let mut gone = Vec::new();
        let mut guard = self.lock();
        let open = guard.get_or_insert_with(|| Open { files: HashMap::new(), clock: 0 });
        open.clock += 1;
        let kept = Kept { used: open.clock, stamp, file: file.clone() };
        gone.extend(open.files.insert(path.to_string(), kept));
        while open.files.len() > self.kept {
            let oldest = open.files.iter().min_by_key(|(_, kept)| kept.used).map(|(path, _)| path.clone());
            gone.extend(oldest.and_then(|path| open.files.remove(&path)));
        }
        // Files close after the lock is given back.
        drop(guard);
        drop(gone);
        Ok(file)
    }

    fn find(&self, path: &str, stamp: Stamp) -> Option<Arc<T>> {
        let mut guard = self.lock();
        let open = guard.as_mut()?;
        open.clock += 1;
        let kept = open.files.get_mut(path).filter(|kept| kept.stamp == stamp)?;
        kept.used = open.clock;
        Some(kept.file.clone())
    }

    /// The map is never left half-changed by anything that can panic.
    fn lock(&self) -> MutexGuard<'_, Option<Open<T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
