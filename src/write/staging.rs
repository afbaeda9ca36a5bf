//! A file that appears whole or not at all.
//!
//! It is written in a hidden folder beside its target, whatever else a library writes beside it too, and moved at the
//! end, which replaces the target in one step. The folder is locked for as long as its writer lives, so that what a
//! killed process left is told from what is under way: the next writer in the same folder removes it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Cause, Error, Result};
use crate::files::door;

/// A folder without a lock is one that is just being made, or was left at that moment.
const YOUNG: Duration = Duration::from_secs(60);
const LOCK: &str = "lock";
const OLD: &str = "old";

/// A file on its way to its target; dropped, it is gone.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    folder: PathBuf,
    /// Held open, and locked with it.
    _lock: File,
    done: bool,
}

impl Staging {
    /// Begins a file that is to be at `target`.
    ///
    /// # Errors
    /// The target is a directory, a device or a pipe, its folder is absent or cannot be written, or this query may not
    /// write there.
    pub fn new(target: &Path) -> Result<Staging> {
        let named = named(target);
        let unwritable = |reason: Cause| Error::unwritable(&*named, reason);
        if let Some(reason) = door::forbidden(target) {
            return Err(unwritable(reason.into()));
        }
        match fs::metadata(target) {
            Ok(found) if found.is_dir() => return Err(unwritable("it is a directory".into())),
            // A device or a pipe would be replaced by the file.
            Ok(found) if !found.is_file() => return Err(unwritable("it is not a regular file".into())),
            _ => {}
        }
        // A link stays, and what it leads to is replaced, or made.
        let target = &linked(target).map_err(&unwritable)?;
        if let Some(reason) = door::forbidden(target) {
            return Err(unwritable(reason.into()));
        }
        let name = target.file_name().ok_or_else(|| unwritable("it names no file".into()))?;
        let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            return Err(unwritable(format!("the folder \"{}\" does not exist", parent.display()).into()));
        }
        sweep(parent);
        let mut own = OsString::from(".");
        own.push(name);
        own.push(MARK);
        own.push(unique());
        let folder = parent.join(own);
        let because = |e: std::io::Error| unwritable(e.into());
        fs::create_dir(&folder).map_err(because)?;
        let locked = File::create(folder.join(LOCK)).and_then(|lock| lock.lock().map(|()| lock));
        let lock = locked.map_err(|e| {
            let _ = fs::remove_dir_all(&folder);
            because(e)
        })?;
        let staging = Staging { target: target.into(), folder, _lock: lock, done: false };
        // With USE_TMP_FILE false DuckDB deletes the target when a query fails: a second name of it brings it back.
        if target.is_file() {
            let _ = fs::hard_link(target, staging.folder.join(OLD));
        }
        Ok(staging)
    }

    /// Where to write; the ending is the target's.
    pub fn path(&self) -> PathBuf {
        self.folder.join("new").with_extension(self.target.extension().unwrap_or_default())
    }

    /// A file beside it, which goes with the folder.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where the file is to be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Puts what was written in the target's place.
    ///
    /// # Errors
    /// Nothing was written, or the target cannot be replaced.
    pub fn commit(mut self) -> Result<()> {
        let moved = fs::rename(self.path(), &self.target);
        moved.map_err(|e| Error::unwritable(named(&self.target), e))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let old = self.folder.join(OLD);
        if !self.done && old.exists() && !self.target.exists() {
            let _ = fs::rename(&old, &self.target);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What the user calls a target: DuckDB has what is to replace a file written beside it under another name.
fn named(target: &Path) -> String {
    let own = target.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("tmp_"));
    let replaced = own.map(|own| target.with_file_name(own)).filter(|replaced| replaced.exists());
    replaced.map_or_else(|| target.display().to_string(), |replaced| replaced.display().to_string())
}

/// Where a file is written: where a link leads to, though nothing may lie there yet.
fn linked(target: &Path) -> std::result::Result<PathBuf, Cause> {
    /// As many as Linux follows.
    const MOST_LINKS: usize = 40;
    let mut found = target.to_path_buf();
    for _ in 0..MOST_LINKS {
        let Ok(to) = fs::read_link(&found) else { return Ok(found) };
        // An absolute one takes the folder's place.
        found = found.parent().unwrap_or(Path::new("")).join(to);
    }
    Err("it is a link that leads back to itself".into())
}

/// Between the name of a target and what tells one writer of it from another.
const MARK: &str = ".geoquilt-";

/// Whether a name is one of ours: that of a folder in which a file is written.
fn is_ours(name: &str) -> bool {
    let numbers = name.strip_prefix('.').and_then(|name| name.rsplit_once(MARK));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    numbers.is_some_and(|(_, own)| own.split('-').count() == 3 && own.split('-').all(is_number))
}

/// Removes what killed writers left in a folder.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_str().is_some_and(is_ours) {
            continue;
        }
        let left = match File::open(entry.path().join(LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(_) => {
                let made = entry.metadata().and_then(|m| m.modified());
                made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > YOUNG))
            }
        };
        if left {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A name that no other writer has.
fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos());
    format!("{}-{}-{nanos}", std::process::id(), NEXT.fetch_add(1, Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("geoquilt-staging-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_once_it_is_committed_and_not_before() {
        let folder = folder("commit");
        let target = folder.join("x.tif");
        fs::write(&target, "old").unwrap();
        let staging = Staging::new(&target).unwrap();
        fs::write(staging.path(), "new").unwrap();
        fs::write(staging.path().with_extension("tif.ovr.tmp"), "litter").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        staging.commit().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(names(&folder), ["x.tif"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_given_up_leaves_the_old_one_even_where_that_was_deleted() {
        let folder = folder("drop");
        let target = folder.join("x.tif");
        fs::write(&target, "old").unwrap();
        for delete in [false, true] {
            let staging = Staging::new(&target).unwrap();
            fs::write(staging.path(), "new").unwrap();
            if delete {
                fs::remove_file(&target).unwrap();
            }
            drop(staging);
            assert_eq!(fs::read_to_string(&target).unwrap(), "old");
            assert_eq!(names(&folder), ["x.tif"]);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_killed_writer_left_goes_and_what_is_under_way_stays() {
        let folder = folder("sweep");
        let target = folder.join("x.tif");
        // A lock ends with its process, as it does with its last handle.
        let left = folder.join(".x.tif.geoquilt-1-0-0");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        fs::write(left.join("new.tif"), "half").unwrap();
        let first = Staging::new(&target).unwrap();
        let second = Staging::new(&target).unwrap();
        assert!(!left.exists() && first.folder.exists() && second.folder.exists());
        fs::write(first.path(), "first").unwrap();
        fs::write(second.path(), "second").unwrap();
        second.commit().unwrap();
        first.commit().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "first");
        assert_eq!(names(&folder), ["x.tif"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_stays_and_leads_to_the_new_file() {
        let folder = folder("link");
        let (target, link) = (folder.join("x.tif"), folder.join("link.tif"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let staging = Staging::new(&link).unwrap();
        fs::write(staging.path(), "new").unwrap();
        staging.commit().unwrap();
        assert!(link.is_symlink() && fs::read_to_string(&target).unwrap() == "new");
        assert_eq!(names(&folder), ["link.tif", "x.tif"]);
        fs::remove_file(&target).unwrap();
        let staging = Staging::new(&link).unwrap();
        fs::write(staging.path(), "again").unwrap();
        staging.commit().unwrap();
        assert!(link.is_symlink() && fs::read_to_string(&target).unwrap() == "again");
        let round = folder.join("round.tif");
        std::os::unix::fs::symlink("round.tif", &round).unwrap();
        assert!(Staging::new(&round).unwrap_err().to_string().ends_with("leads back to itself"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn folders_of_others_are_left() {
        for name in [".x.tif.geoquilt-1-0-0", ".a.geoquilt-b.tif.geoquilt-17-3-1700000000"] {
            assert!(is_ours(name), "{name}");
        }
        for name in [
            "x.tif.geoquilt-1-0-0",
            ".x.tif.geoquilt-1-0",
            ".x.tif.geoquilt-1-0-a",
            ".geoquilt",
            ".x.geoquilt-1--0",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn a_target_that_can_not_be_is_refused() {
        let folder = folder("refuse");
        let said = |path: &Path| Staging::new(path).unwrap_err().to_string();
        assert!(said(&folder).ends_with("it is a directory"));
        assert!(said(&folder.join("none/x.tif")).contains("/none\" does not exist"));
        assert!(said(Path::new("/dev/null")).ends_with("it is not a regular file"));
        fs::remove_dir_all(folder).unwrap();
    }
}
