//! What the libraries inside ask of the operating system. The linker sends their calls here (build.rs), since each of them
//! opens files by itself: GDAL, netCDF, HDF5, and SQLite for GeoPackages.
//!
//! While a thread reads a file ([`reading`]) they open regular files alone, that the query may read; raw bytes come from the
//! file's own folder, or one below it, and nothing is written. What kept them from a file that is there is kept: they tell
//! no reason, and pass over some failures, a mask's, say, in silence.

use std::cell::{Cell, RefCell};
use std::fs::{File, Metadata};
use std::io;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use gdal::Dataset;

use crate::error::{Cause, Error};
use crate::files::door;
use crate::files::sight::stamp_of;
use crate::format::heap;
use crate::format::magic::sniff;

thread_local! {
    /// How many readings this thread is in, one within the other.
    static READINGS: Cell<u32> = const { Cell::new(0) };
    /// The file in work.
    static ROOT: RefCell<String> = const { RefCell::new(String::new()) };
    /// How many groups of HDF5 were opened.
    static GROUPS: Cell<u32> = const { Cell::new(0) };
    /// The file that a library was kept from last, where it is none that anybody need hear of: it is absent, or no file.
    static PASSED_OVER: RefCell<Option<(PathBuf, Cause)>> = const { RefCell::new(None) };
    /// What kept a library from a file first.
    static FAILURE: RefCell<Option<Error>> = const { RefCell::new(None) };
    /// What kept a library from writing first.
    static UNWRITTEN: RefCell<Option<io::Error>> = const { RefCell::new(None) };
    /// Files outside of the root's folder that are what they should be, without their extensions: their side files are theirs.
    static ELSEWHERE: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
}

/// Begins a reading, for as long as it lives.
pub(super) struct Reading(());

impl Reading {
    pub(super) fn begin() -> Reading {
        READINGS.set(READINGS.get() + 1);
        Reading(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READINGS.set(READINGS.get().saturating_sub(1));
    }
}

/// Whether this thread reads: libraries leave all files as they are.
pub(super) fn is_reading() -> bool {
    READINGS.try_with(Cell::get).is_ok_and(|readings| readings > 0)
}

/// A file's groups are opened this often in one reading, by more than one library.
const MOST_GROUPS: u32 = 1 << 14;

/// Counts one more group that is opened.
pub(super) fn opens_too_many_groups() -> bool {
    GROUPS.set(GROUPS.get().saturating_add(1));
    GROUPS.get() > MOST_GROUPS
}

/// Runs work in which libraries read a file, by its path, and what belongs to it. Gives the first failure too, which
/// explains the rest.
pub(super) fn reading<T>(file: &str, work: impl FnOnce() -> T) -> (T, Option<Error>) {
    let outer = (ROOT.replace(file.into()), FAILURE.take(), ELSEWHERE.take());
    let groups = GROUPS.replace(0);
    let result = {
        let _reading = Reading::begin();
        work()
    };
    ROOT.set(outer.0);
    ELSEWHERE.set(outer.2);
    GROUPS.set(groups);
    (result, FAILURE.replace(outer.1))
}

/// Runs work in which libraries write files. Gives the first failure of the operating system too: libraries tell what they were
/// writing and not why, and some pass over what fails as a file is closed.
pub(super) fn writing<T>(work: impl FnOnce() -> T) -> (T, Option<io::Error>) {
    let outer = UNWRITTEN.take();
    let result = work();
    (result, UNWRITTEN.replace(outer))
}

/// Keeps the first failure of a write.
pub(super) fn note_unwritten(error: io::Error) {
    // A thread that ends has nobody who asks.
    let _ = UNWRITTEN.try_with(|kept| {
        kept.borrow_mut().get_or_insert(error);
    });
}

/// The path or the URL of the file in work.
pub(super) fn root() -> String {
    ROOT.with_borrow(String::clone)
}

/// Keeps the first failure, which explains the rest.
pub(super) fn note(error: Error) {
    FAILURE.with_borrow_mut(|failure| {
        failure.get_or_insert(error);
    });
}

/// A panic must not reach a library.
pub(super) fn contain<T>(fallback: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        note(Error::Bug("a read panicked".into()));
        fallback
    })
}

/// Keeps why the file in work, or one that belongs to it, could not be opened.
fn tell(path: &Path, reason: Cause) {
    let root = root();
    note(match path == Path::new(&root) {
        true => Error::unreadable(&root, reason),
        false => Error::unreadable(&root, door::part_reason(path, reason.text())),
    });
}

/// What becomes of a file that a library opened.
enum Verdict {
    Fine,
    /// Nobody need hear of it.
    Refused,
    Told(Cause),
}

fn judge(path: &Path, file: &File) -> Verdict {
    let metadata = match file.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Verdict::Told(error.into()),
    };
    if metadata.is_dir() {
        return Verdict::Fine;
    }
    match is_of_the_process(path) {
        Some(true) => return Verdict::Fine,
        Some(false) => return Verdict::Refused,
        None => {}
    }
    if !metadata.is_file() {
        return Verdict::Told("it is not a regular file".into());
    }
    if let Some(reason) = door::forbidden(path) {
        return Verdict::Told(reason.into());
    }
    if let Err(reason) = heap::check(file, stamp_of(&metadata)) {
        return Verdict::Told(reason);
    }
    let root = root();
    let whole = Path::new(&root);
    if path == whole {
        return Verdict::Fine;
    }
    if is_in_its_folder(path, whole) || is_known(path, file, &metadata) {
        door::note_part(whole, path);
        return Verdict::Fine;
    }
    Verdict::Told("it lies outside of its folder, and is not a raster, array or vector file".into())
}

/// Whether a library may read something for itself: of what the system tells how much memory there is, and their own tables,
/// wherever they were installed or the environment has them. `None` for a file like any other.
fn is_of_the_process(path: &Path) -> Option<bool> {
    const OWN: [&str; 5] =
        ["/proc/self/status", "/proc/self/cgroup", "/proc/self/limits", "/proc/meminfo", "/proc/cpuinfo"];
    const TABLES: [&str; 3] = ["GDAL_DATA", "PROJ_DATA", "PROJ_LIB"];
    const INSTALLED: [&str; 2] = ["share/gdal", "share/proj"];
    if path.components().any(|part| part.as_os_str() == "..") {
        return None;
    }
    if ["/proc", "/sys", "/dev"].iter().any(|folder| path.starts_with(folder)) {
        return Some(path.starts_with("/sys/fs/cgroup") || OWN.iter().any(|own| path == Path::new(own)));
    }
    let mut folders = TABLES.iter().filter_map(std::env::var_os).filter(|folder| !folder.is_empty());
    let is_table = folders.any(|folder| path.starts_with(folder))
        || INSTALLED.iter().any(|folder| folder_of(path).ends_with(folder));
    is_table.then_some(true)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a file lies in the folder of the file in work, or below.
fn is_in_its_folder(path: &Path, root: &Path) -> bool {
    let (own, home) = (folder_of(path), folder_of(root));
    // A file geodatabase is a folder itself.
    if own == home || own == root {
        return true;
    }
    own.canonicalize().ok().zip(home.canonicalize().ok()).is_some_and(|(own, home)| own.starts_with(home))
}

/// Whether a file outside of the folder is one that the formats we read begin like, or belongs to such a one by its name.
fn is_known(path: &Path, file: &File, metadata: &Metadata) -> bool {
    const STARTS: [&[u8]; 20] = [
        b"II*\0",
        b"MM\0*",
        b"II+\0",
        b"MM\0+",
        b"\x89PNG",
        b"\xff\xd8\xff",
        b"GIF8",
        b"BM",
        b"EHFA_HEADER_TAG",
        b"ERDAS_IMG_EXTERNAL_RASTER",
        b"SQLite format 3",
        b"fgb\x03",
        b"\0\0\x27\x0a",
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"<VRTDataset",
        b"ncols",
        b"NCOLS",
        b"UHL1",
        b"<PAMDataset",
    ];
    let mut head = vec![0; metadata.len().min(2056) as usize];
    if file.read_exact_at(&mut head, 0).is_err() {
        return false;
    }
    // Pixels without a header in the file: ENVI's stands beside it, and a tile of SRTM has none.
    let raw = || {
        let header = path.with_extension("hdr").is_file();
        header || path.extension().is_some_and(|end| end.eq_ignore_ascii_case("hgt"))
    };
    let known = STARTS.iter().any(|start| head.starts_with(start)) || sniff(&head).is_some() || raw();
    let stem = |path: &Path| path.with_extension("");
    if known {
        ELSEWHERE.with_borrow_mut(|stems| stems.push(stem(path)));
        return true;
    }
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().as_bytes();
    let belongs = |whole: &PathBuf| {
        let own = whole.file_name().unwrap_or_default().as_bytes();
        let rest = name.strip_prefix(own).filter(|_| folder_of(whole) == folder);
        rest.is_some_and(|rest| rest.starts_with(b".") || rest.starts_with(b"_"))
    };
    ELSEWHERE.with_borrow(|stems| stems.iter().any(belongs))
}

/// Failures that say that there is no such file: libraries try many names.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), InvalidFilename | InvalidInput | NotADirectory | NotFound)
}

/// Whether a library must not have a file that it opened.
pub(super) fn refused(path: &Path, file: &File) -> bool {
    contain(true, || match judge(path, file) {
        Verdict::Fine => false,
        Verdict::Refused => {
            pass_over(path, "it is not a regular file".into());
            true
        }
        Verdict::Told(reason) => {
            tell(path, reason);
            true
        }
    })
}

/// A library could not open a file.
pub(super) fn failed(path: &Path, error: io::Error) {
    contain((), || match is_absent(&error) {
        true => pass_over(path, "it does not exist".into()),
        false => tell(path, error.into()),
    });
}

fn pass_over(path: &Path, reason: Cause) {
    PASSED_OVER.set(Some((path.into(), reason)));
}

/// Runs work that a library cannot do without the files that it names: where it failed, the one that it was kept from last is
/// why.
pub(super) fn needing<T>(work: impl FnOnce() -> T, failed: impl FnOnce(&T) -> bool) -> T {
    PASSED_OVER.set(None);
    let done = work();
    if failed(&done)
        && is_reading()
        && let Some((path, reason)) = PASSED_OVER.take()
    {
        contain((), || tell(&path, reason));
    }
    done
}

/// Keeps that an attribute of an HDF5 file could not be read.
pub(super) fn damaged(attribute: &str) {
    refuse(format!("its attribute \"{attribute}\" cannot be read: it is damaged"));
}

/// Keeps why the file in work is not read on.
pub(super) fn refuse(reason: String) {
    if is_reading() {
        contain((), || note(Error::unreadable(root(), reason)));
    }
}

/// A dataset that is closed as it was read: GDAL writes what it learned of a file when it closes it, if it may.
pub(super) struct ReadOnly {
    _begin: BeginOnDrop,
    dataset: Dataset,
    _end: EndOnDrop,
}

// Fields are dropped in their order.
struct BeginOnDrop;
struct EndOnDrop;

impl Drop for BeginOnDrop {
    fn drop(&mut self) {
        std::mem::forget(Reading::begin());
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        drop(Reading(()));
    }
}

impl ReadOnly {
    pub(super) fn new(dataset: Dataset) -> ReadOnly {
        ReadOnly { _begin: BeginOnDrop, dataset, _end: EndOnDrop }
    }
}

impl Deref for ReadOnly {
    type Target = Dataset;

    fn deref(&self) -> &Dataset {
        &self.dataset
    }
}
