//! A file, or a folder, that appears whole or not at all.
//!
//! It is written in a hidden folder beside its target, whatever else a library writes beside it too, and moved at the
//! end, which replaces the target in one step. The folder is locked for as long as its writer lives, so that what a
//! killed process left is told from what is under way: the next writer in the same folder removes it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Cause, Error, Result};
use crate::files::door;

/// A folder without a lock is one that is just being made, or was left at that moment.
const YOUNG: Duration = Duration::from_secs(60);
const LOCK: &str = "lock";
const OLD: &str = "old";
/// What of a store its writer writes.
const CLAIM: &str = "claim";

/// A part of a store: from row to row, from column to column.
pub type Region = [u64; 4];

/// The documents of which a Zarr store has one.
const DOCUMENTS: [&str; 4] = ["zarr.json", ".zmetadata", ".zgroup", ".zarray"];

/// A file or a store on its way to its target; dropped, it is gone.
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
        Staging::among(target, &Swept::default())
    }

    /// Begins one of many files: each folder is looked through for what killed writers left once.
    ///
    /// # Errors
    /// As [`Staging::new`].
    pub fn among(target: &Path, swept: &Swept) -> Result<Staging> {
        permit(target, target)?;
        let unwritable = |reason: &str| Error::unwritable(named(target), reason);
        match fs::metadata(target) {
            Ok(found) if found.is_dir() => Err(unwritable("it is a directory")),
            // A device or a pipe would be replaced by the file.
            Ok(found) if !found.is_file() => Err(unwritable("it is not a regular file")),
            _ => Staging::begin(target, swept),
        }
    }

    /// Begins a store that is to be at `target`: a folder, which may take the stead of another store, or of an empty folder.
    ///
    /// # Errors
    /// The target is a file, or a folder that holds something else, or as [`Staging::new`].
    pub fn store(target: &Path) -> Result<Staging> {
        permit(target, target)?;
        let name = named(target);
        let unwritable = |reason: &str| Error::unwritable(name.clone(), reason);
        if fs::metadata(&name).is_ok_and(|found| !found.is_dir()) {
            return Err(unwritable("it is there already, and not a folder"));
        }
        let holds = |name: &str| target.join(name).exists();
        let is_empty = || fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
        if target.is_dir() && !DOCUMENTS.iter().any(|name| holds(name)) && !is_empty() {
            return Err(unwritable("it is a directory, and not a Zarr store"));
        }
        Staging::begin(target, &Swept::default())
    }

    fn begin(target: &Path, swept: &Swept) -> Result<Staging> {
        let named = named(target);
        let unwritable = |reason: Cause| Error::unwritable(&*named, reason);
        // A link stays, and what it leads to is replaced, or made.
        let own = target;
        let target = &linked(target).map_err(&unwritable)?;
        permit(target, own)?;
        let name = target.file_name().ok_or_else(|| unwritable("it names no file".into()))?;
        let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            return Err(unwritable(format!("the folder \"{}\" does not exist", parent.display()).into()));
        }
        swept.sweep(parent);
        let (folder, lock) = own_folder(parent, name).map_err(|e| unwritable(e.into()))?;
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

    /// Says that a region of a store is written here, or all of it, for as long as this lives.
    ///
    /// # Errors
    /// Another writer has said so of some of it.
    pub fn claim(&self, region: Option<Region>) -> Result<()> {
        let unwritable = |e: std::io::Error| Error::unwritable(named(&self.target), e);
        let _gate = self.gate();
        let text = region.map_or(String::new(), |region| region.map(|n| n.to_string()).join(" "));
        fs::write(self.folder.join(CLAIM), text).map_err(unwritable)?;
        let (Some(parent), Some(name)) = (self.folder.parent(), self.target.file_name()) else {
            return Ok(());
        };
        let prefix = prefix(name);
        for entry in fs::read_dir(parent).map_err(unwritable)?.flatten() {
            let folder = entry.path();
            let of_target = entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes());
            if folder == self.folder || !of_target {
                continue;
            }
            let Ok(text) = fs::read_to_string(folder.join(CLAIM)) else { continue };
            // What a killed process claimed is free.
            let left = File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
            let numbers: Vec<u64> = text.split(' ').filter_map(|n| n.parse().ok()).collect();
            let theirs = Region::try_from(numbers.as_slice()).ok();
            if !left && meet(region, theirs) {
                let what = theirs.map_or("it".to_string(), |[top, bottom, left, right]| {
                    format!("rows {top} to {bottom}, columns {left} to {right} of it")
                });
                let problem = format!("\"{}\": another COPY is writing {what}", self.target.display());
                return Err(Error::conflict(
                    problem,
                    "Wait for that one, or write regions that do not overlap",
                ));
            }
        }
        Ok(())
    }

    /// Lets one writer of the folder's stores at a time through, where the file system can do that.
    pub fn gate(&self) -> Option<File> {
        let folder = File::open(self.folder.parent()?).ok()?;
        folder.lock().ok().map(|()| folder)
    }

    /// Moves what was written into the store that is there, file by file, documents last; files that are gone go first.
    ///
    /// # Errors
    /// A file cannot be moved: the documents are still the old ones.
    pub fn merge(mut self, gone: &[PathBuf]) -> Result<()> {
        let unwritable = |e: std::io::Error| Error::unwritable(named(&self.target), e);
        let root = self.path();
        let files =
            walkdir::WalkDir::new(&root).into_iter().flatten().filter(|entry| entry.file_type().is_file());
        let mut files: Vec<PathBuf> =
            files.filter_map(|entry| entry.path().strip_prefix(&root).ok().map(Path::to_path_buf)).collect();
        let order = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let of_group = path.components().count() == 1;
            let document = DOCUMENTS.contains(&name.as_str()) || name == ".zattrs";
            let whole = name == "zarr.json" || name == ".zmetadata";
            (document, of_group, of_group && whole)
        };
        files.sort_by_cached_key(order);
        for file in gone {
            let _ = fs::remove_file(file);
        }
        for file in &files {
            let to = self.target.join(file);
            let made = to.parent().map_or(Ok(()), fs::create_dir_all);
            made.and_then(|()| fs::rename(root.join(file), &to)).map_err(unwritable)?;
        }
        self.done = true;
        Ok(())
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
        let new = self.path();
        let moved =
            if self.target.is_dir() { exchange(&new, &self.target) } else { fs::rename(new, &self.target) };
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

/// The folders that one COPY looked through for what killed writers left.
#[derive(Debug, Default)]
pub struct Swept(Mutex<HashSet<PathBuf>>);

impl Swept {
    fn sweep(&self, parent: &Path) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(parent) {
            sweep(parent);
            known.insert(parent.to_path_buf());
        }
    }
}

/// A new folder beside a target, and its lock.
fn own_folder(parent: &Path, name: &OsStr) -> std::io::Result<(PathBuf, File)> {
    /// One that is looked through before it is locked counts as left, and goes; so often in a row none is met.
    const TRIES: usize = 100;
    let mut said = None;
    for _ in 0..TRIES {
        let mut own = prefix(name);
        own.push(unique());
        let folder = parent.join(own);
        fs::create_dir(&folder)?;
        let path = folder.join(LOCK);
        match File::create(&path).and_then(|lock| lock.lock().map(|()| lock)) {
            // Whoever took it for one that was left had the lock until it was gone.
            Ok(lock) if path.exists() => return Ok((folder, lock)),
            Ok(_) => {}
            Err(e) => {
                let _ = fs::remove_dir_all(&folder);
                said = Some(e);
            }
        }
        if said.as_ref().is_some_and(|e| e.kind() != std::io::ErrorKind::NotFound) {
            break;
        }
    }
    Err(said.unwrap_or_else(|| std::io::ErrorKind::NotFound.into()))
}

/// What the folders beside a target are named.
fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(MARK);
    prefix
}

/// Two regions share a pixel; `None` is all there is.
fn meet(one: Option<Region>, other: Option<Region>) -> bool {
    match (one, other) {
        (Some(a), Some(b)) => a[0] < b[1] && b[0] < a[1] && a[2] < b[3] && b[2] < a[3],
        _ => true,
    }
}

/// Makes the folder that a file is to lie in.
///
/// # Errors
/// It cannot be made, or this query may not write there.
pub fn make_folder_of(target: &Path) -> Result<()> {
    permit(target, target)?;
    let made = target.parent().map_or(Ok(()), fs::create_dir_all);
    made.map_err(|e| Error::unwritable(target.display().to_string(), e))
}

/// # Errors
/// This query may not write there; the target is told as it was named.
fn permit(target: &Path, own: &Path) -> Result<()> {
    match door::forbidden(target) {
        Some(reason) => Err(Error::unwritable(named(own), reason)),
        None => Ok(()),
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

/// An error of a file on its way, told of the target that it was to be.
#[must_use]
pub fn of_target(error: Error) -> Error {
    match error {
        Error::At { blamed, error } => Error::At { blamed, error: Box::new(of_target(*error)) },
        Error::Unwritable { path, reason } => Error::unwritable(target_of(&path).unwrap_or(path), reason),
        other => other,
    }
}

/// The target of a file in a folder of ours.
fn target_of(path: &str) -> Option<String> {
    let folder = Path::new(path)
        .ancestors()
        .find(|folder| folder.file_name().and_then(|name| name.to_str()).is_some_and(is_ours))?;
    let (name, _) = folder.file_name()?.to_str()?.strip_prefix('.')?.rsplit_once(MARK)?;
    Some(named(&folder.with_file_name(name)))
}

/// Between the name of a target and what tells one writer of it from another.
const MARK: &str = ".geoquilt-";

/// Whether a name is one of ours: that of a folder in which a file is written.
fn is_ours(name: &str) -> bool {
    let numbers = name.strip_prefix('.').and_then(|name| name.rsplit_once(MARK));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    numbers.is_some_and(|(_, own)| own.split('-').count() == 3 && own.split('-').all(is_number))
}

/// Two folders change names in one step, where the file system can do that.
fn exchange(new: &Path, old: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
        return Ok(());
    }
    let aside = new.with_file_name("replaced");
    fs::rename(old, &aside)?;
    fs::rename(new, old).inspect_err(|_| {
        let _ = fs::rename(&aside, old);
    })
}

/// Removes what killed writers left in a folder.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_str().is_some_and(is_ours) {
            continue;
        }
        // Held until the folder is gone: its writer may be about to lock it.
        let lock = File::open(entry.path().join(LOCK));
        let left = match &lock {
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
    fn writers_in_one_folder_leave_each_others_work() {
        let folder = folder("crowd");
        let write = |writer: usize| {
            for i in 0..300 {
                let staging = Staging::new(&folder.join(format!("{writer}-{i}"))).unwrap();
                fs::write(staging.path(), "new").unwrap();
                staging.commit().unwrap();
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|writer| drop(scope.spawn(move || write(writer)))));
        assert_eq!(names(&folder).len(), 1200);
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
    fn a_store_takes_the_stead_of_another_whole_and_of_nothing_else() {
        let folder = folder("store");
        let target = folder.join("x.zarr");
        for text in ["first", "second"] {
            let staging = Staging::store(&target).unwrap();
            fs::create_dir(staging.path()).unwrap();
            fs::write(staging.path().join("zarr.json"), text).unwrap();
            drop(Staging::store(&target).unwrap());
            staging.commit().unwrap();
            assert_eq!(fs::read_to_string(target.join("zarr.json")).unwrap(), text);
            assert_eq!(names(&folder), ["x.zarr"]);
        }
        fs::create_dir(folder.join("papers")).unwrap();
        fs::write(folder.join("papers/letter"), "dear").unwrap();
        fs::write(folder.join("file.zarr"), "file").unwrap();
        let said = |name: &str| Staging::store(&folder.join(name)).unwrap_err().to_string();
        assert!(said("papers").ends_with("not a Zarr store"));
        assert!(
            said("file.zarr").ends_with("not a folder") && said("tmp_file.zarr").ends_with("not a folder")
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn regions_that_overlap_are_one_writers_at_a_time() {
        let folder = folder("claim");
        let target = folder.join("x.zarr");
        let first = Staging::store(&target).unwrap();
        first.claim(Some([0, 64, 0, 64])).unwrap();
        let beside = Staging::store(&target).unwrap();
        beside.claim(Some([64, 128, 0, 64])).unwrap();
        for region in [Some([0, 65, 60, 70]), Some([127, 130, 0, 1]), None] {
            let said = Staging::store(&target).unwrap().claim(region).unwrap_err().to_string();
            assert!(said.contains("another COPY is writing rows"), "{said}");
        }
        drop((first, beside));
        Staging::store(&target).unwrap().claim(None).unwrap();
        assert!(names(&folder).is_empty());
        fs::remove_dir_all(folder).unwrap();
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
