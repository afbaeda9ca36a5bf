//! The question before a local file is opened, by us or by a library: may the query that runs read it, and is it a
//! regular file? A pipe or a device could be waited for for ever.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::files::remote;
use crate::kept::Shared;

/// Why the query that runs may not read a local file, in the words of its database; `None` where it may.
pub fn forbidden(path: &Path) -> Option<String> {
    remote::current()?.forbids(path)
}

/// Whether some local file may be forbidden to the query that runs.
pub fn is_guarded() -> bool {
    remote::current().is_some_and(|session| session.is_guarded())
}

/// # Errors
/// [`Error::Unreadable`] where the query that runs may not read the file, or one that was opened with it before; `named` is
/// what the user wrote.
pub fn permit(path: &Path, named: &str) -> Result<()> {
    match forbidden(path) {
        None if is_guarded() => permit_parts(&known_parts(path), named),
        None => Ok(()),
        Some(reason) => Err(Error::unreadable(named, reason)),
    }
}

/// Files that libraries opened with another one, by its path: what they read of them is kept for later queries.
static PARTS: Shared<PathBuf, Parts> = Shared::new(KNOWN);
type Parts = Arc<Mutex<HashSet<PathBuf>>>;
/// Files whose parts are kept in mind.
const KNOWN: usize = 65_536;

/// Keeps in mind that a library opened a file with another one.
pub fn note_part(whole: &Path, part: &Path) {
    let parts = PARTS.get(whole).unwrap_or_else(|| PARTS.share(whole.into(), Parts::default(), |_| true));
    parts.lock().unwrap_or_else(PoisonError::into_inner).insert(part.into());
}

fn known_parts(whole: &Path) -> Vec<PathBuf> {
    let Some(parts) = PARTS.get(whole) else { return Vec::new() };
    parts.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// The same of the parts of a file that is known already.
///
/// # Errors
/// As [`permit`], with the part's name.
pub fn permit_parts(parts: &[PathBuf], named: &str) -> Result<()> {
    let Some(session) = remote::current() else { return Ok(()) };
    for part in parts {
        if let Some(reason) = session.forbids(part).filter(|_| part.exists()) {
            return Err(Error::unreadable(named, part_reason(part, &reason)));
        }
    }
    Ok(())
}

/// Why a file is not read, for a part of it.
pub fn part_reason(part: &Path, reason: &str) -> String {
    format!("\"{}\", which belongs to it, cannot be read: {reason}", part.display())
}

/// What the kernel makes up as it is read, by the numbers of such file systems: `proc`, `sysfs`, `debugfs`, `tracefs`, `configfs`,
/// `securityfs`, `cgroup` of both versions. The sizes of their files mean nothing, and some wait when they are read.
const MADE_UP: [u64; 8] =
    [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163, 0x6265_6570, 0x7363_6673, 0x0027_e0eb, 0x6367_7270];

/// Whether a file, whose metadata these are, is a regular one: no pipe and no device, and on a disk.
pub fn is_regular(path: &Path, metadata: &Metadata) -> bool {
    // What takes no room on a disk is empty, very small, or made up.
    metadata.is_file() && (metadata.blocks() > 0 || !is_made_up(path))
}

fn is_made_up(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|system| MADE_UP.contains(&(system.f_type as u64)))
}

/// Why a file must not be opened, as the rest of a sentence; `None` also where there is none.
pub fn hindrance(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    if metadata.is_dir() {
        return None;
    }
    // Whether it is a pipe is no business of who may not read it.
    forbidden(path).or_else(|| (!is_regular(path, &metadata)).then(|| "it is not a regular file".into()))
}

/// Opens a regular file to be read.
///
/// # Errors
/// The system's, or what [`hindrance`] tells.
pub fn open(path: &Path) -> io::Result<File> {
    match hindrance(path) {
        Some(reason) => Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)),
        None => File::open(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = Folder::new();
        let file = folder.write("a.bin", b"1");
        assert!(open(Path::new(&file)).is_ok());
        assert_eq!(open(Path::new(&folder.path("b.bin"))).unwrap_err().kind(), io::ErrorKind::NotFound);
        for made_up in ["/proc/self/maps", "/proc/self/mem"] {
            assert!(
                open(Path::new(made_up)).unwrap_err().to_string().contains("not a regular file"),
                "{made_up}"
            );
        }
        assert!(open(Path::new(&folder.write("empty.bin", b""))).is_ok());
        assert!(open(Path::new("/dev/zero")).unwrap_err().to_string().contains("not a regular file"));
        assert_eq!(hindrance(Path::new("/dev")), None);
    }
}
