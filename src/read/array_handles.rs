//! Array files that stay open between reads.

use std::sync::{Arc, LazyLock};

use crate::error::Result;
use crate::files::{self, Stamp};
use crate::format::array::ArrayFile;
use crate::kept::Shared;

/// Array files that stay open when nobody reads them.
const MOST_OPEN: usize = 64;

/// An open file, and the state that it was opened in.
type Open = (Stamp, Arc<dyn ArrayFile>);

static OPEN: LazyLock<Shared<String, Open>> = LazyLock::new(|| Shared::new(most_open()));

/// A part of the files that the process may have open: GDAL and the netCDF library open a file twice.
fn most_open() -> usize {
    (files::most_open() / 16).clamp(2, MOST_OPEN)
}

/// Closes the array files that nobody reads now.
pub fn close_idle() {
    let gone: Vec<Open> = OPEN.lock().drain().collect();
    drop(gone);
}

/// Closes what was opened at `path` in another state: the libraries give a name that is open once more the file that they have.
pub(super) fn close_earlier(path: &str, stamp: Stamp) {
    let mut open = OPEN.lock();
    let is_earlier = open.get(path).is_some_and(|(then, _)| *then != stamp);
    let gone = if is_earlier { open.remove(path) } else { None };
    drop(open);
    drop(gone);
}

/// The file at `path`, opened unless it already is. One that was replaced meanwhile, as its stamp tells, is opened anew.
pub(super) fn opened(
    path: &str,
    stamp: Stamp,
    make: impl FnOnce() -> Result<Arc<dyn ArrayFile>>,
) -> Result<Arc<dyn ArrayFile>> {
    let same = |(then, _): &Open| *then == stamp;
    if let Some((_, file)) = OPEN.get(path).filter(same) {
        return Ok(file);
    }
    close_earlier(path, stamp);
    // Opened without the lock: another thread may open it too, and then its file is the one to share.
    let file = make()?;
    Ok(OPEN.share(path.to_string(), (stamp, file), same).1)
}
