//! What one look at a file tells: that it is there, what kind of thing it is, and which state it is in. Its first bytes
//! are read when somebody asks for them, and kept.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use crate::error::{Cause, Error, Lack, Result};
use crate::files::location::{Address, Location};
use crate::files::{door, remote};

/// As many of a file's first bytes are read at once: they hold most headers of TIFF, and tell every format.
const HEAD: u64 = 4096;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Microseconds since 1970, UTC; nothing for a remote file, whose file system does not tell.
    pub modified: Option<i64>,
    /// Inode and time of last status change: a copy that keeps size and time is another file all the same. For a
    /// remote file a number of its own in every query, unless its server tells that it has not changed in between.
    pub identity: (u64, i64),
}

/// What lies at a location. A folder that is none of these is not a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder, or a URL, that is a Zarr store.
    Store,
    /// A folder that is a file geodatabase.
    Geodatabase,
}

/// A file as it was found.
#[derive(Debug, Clone)]
pub struct Sight {
    location: Location,
    kind: FileKind,
    stamp: Stamp,
    head: OnceLock<std::result::Result<Arc<[u8]>, Cause>>,
    magic: OnceLock<[u8; 8]>,
}

impl Sight {
    /// Looks at a file. A local file that has the whole name of a subdataset is that file.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Unsuited`] for a directory, or [`Error::Unreadable`].
    pub fn of(location: Location) -> Result<Sight> {
        let is_named_so = location.is_subdataset() && Path::new(location.text()).exists();
        let location = if is_named_so { Location::plain(location.text()) } else { location };
        let (kind, stamp) = match location.address() {
            Address::Url(url) => {
                let is_store = location.is_store_url();
                let file = if is_store { remote_document(url)? } else { remote::open(url)? };
                let stamp = Stamp { size: file.size(), modified: None, identity: (file.identity(), 0) };
                (if is_store { FileKind::Store } else { FileKind::File }, stamp)
            }
            Address::Local(file) => local(file, location.text())?,
        };
        Ok(Sight { location, kind, stamp, head: OnceLock::new(), magic: OnceLock::new() })
    }

    /// Looks at what a user names.
    ///
    /// # Errors
    /// As [`Sight::of`].
    pub fn at(text: &str) -> Result<Sight> {
        Sight::of(Location::parse(text))
    }

    /// What was looked at.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The file as the user named it.
    pub fn path(&self) -> &str {
        self.location.text()
    }

    /// A file, or a folder that is one to its users.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// The state that it was seen in.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The first bytes, up to 4 KiB; none of a store, nor of a file that cannot be read, which [`Sight::readable`] tells.
    pub fn head(&self) -> &[u8] {
        match self.looked() {
            Ok(head) => head,
            Err(_) => &[],
        }
    }

    fn looked(&self) -> &std::result::Result<Arc<[u8]>, Cause> {
        self.head.get_or_init(|| match (self.kind, self.location.address()) {
            (FileKind::File, Address::Url(url)) => {
                let head = remote::open(url).and_then(|file| file.head(HEAD));
                head.map(Arc::from).map_err(Cause::of)
            }
            (FileKind::File, Address::Local(file)) => {
                head(file, HEAD.min(self.stamp.size)).map(Arc::from).map_err(Cause::from)
            }
            _ => Ok([].into()),
        })
    }

    /// # Errors
    /// [`Error::Unreadable`]: the first bytes of a file could not be read, so that nothing can be told of it.
    pub fn readable(&self) -> Result<()> {
        match self.looked() {
            Err(reason) if !self.location.is_url() => Err(Error::unreadable(self.path(), reason.clone())),
            _ => Ok(()),
        }
    }

    /// The file as a whole, whichever raster inside it is meant.
    pub fn container(&self) -> Sight {
        Sight { location: self.location.container(), ..self.clone() }
    }

    /// The first eight bytes, which tell most formats; a shorter file leaves zeros, which match none.
    pub fn magic(&self) -> [u8; 8] {
        *self.magic.get_or_init(|| {
            let mut magic = [0; 8];
            magic.iter_mut().zip(self.head()).for_each(|(to, from)| *to = *from);
            magic
        })
    }

    /// The same without more of its first bytes than those eight, to be kept for as long as the file is known.
    pub fn small(self) -> Sight {
        Sight { head: OnceLock::new(), ..self }
    }
}

/// Up to `n` bytes from a local file's beginning.
///
/// # Errors
/// The file cannot be opened or read.
pub fn head(file: &Path, n: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    door::open(file)?.take(n).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Kind and state of a local file; `text` is how it was named.
fn local(file: &Path, text: &str) -> Result<(FileKind, Stamp)> {
    let unreadable = |e: std::io::Error| match e.kind() {
        // Where a glob met a name that is not UTF-8, this is how it is shown.
        std::io::ErrorKind::NotFound if text.contains(char::REPLACEMENT_CHARACTER) => {
            Error::unreadable(text, "its name is not UTF-8: rename it")
        }
        std::io::ErrorKind::NotFound => Error::absent(text),
        _ => Error::unreadable(text, Cause::worded(lower(&e.to_string()), e)),
    };
    door::permit(file, text)?;
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    if !metadata.is_dir() {
        // Reading a pipe or a device could wait, or go on, for ever.
        return match door::is_regular(file, &metadata) {
            true => Ok((FileKind::File, stamp_of(&metadata))),
            false => Err(Error::unreadable(text, "it is not a regular file")),
        };
    }
    match document(file) {
        None => {
            std::fs::read_dir(file).map_err(unreadable)?;
            Err(Error::unsuited(text, Lack::Directory))
        }
        Some((kind, CONSOLIDATED, metadata)) => Ok((kind, stamp_of(&metadata))),
        Some((kind, ..)) => Ok((kind, store_stamp(file).map_err(unreadable)?)),
    }
}

/// What a file's own metadata tell of its state.
pub fn stamp_of(metadata: &std::fs::Metadata) -> Stamp {
    let modified = metadata.modified().ok().and_then(|time| match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).ok(),
        Err(before) => i64::try_from(before.duration().as_micros()).ok().map(|t| -t),
    });
    Stamp { size: metadata.len(), modified, identity: identity(metadata) }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> (u64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ino(), metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec()))
}

#[cfg(not(unix))]
fn identity(_metadata: &std::fs::Metadata) -> (u64, i64) {
    (0, 0)
}

/// What tells one state of some files from another; one that is not there has a state too.
pub fn state(paths: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        state_of(path).hash(&mut hasher);
    }
    hasher.finish()
}

/// What tells one state of a local file from another; `None` when it is not there.
pub fn state_of(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().map(|metadata| stamp_of(&metadata))
}

const CONSOLIDATED: &str = ".zmetadata";
const DOCUMENTS: [&str; 4] = ["zarr.json", CONSOLIDATED, ".zgroup", ".zarray"];
/// The table of tables that each file geodatabase has.
const GEODATABASE: &str = "a00000001.gdbtable";

/// The document that makes a folder a Zarr store, the one that is written last first, or a file geodatabase.
fn document(folder: &Path) -> Option<(FileKind, &'static str, std::fs::Metadata)> {
    let documents = DOCUMENTS.map(|name| (FileKind::Store, name));
    let mut documents = documents.into_iter().chain([(FileKind::Geodatabase, GEODATABASE)]);
    documents.find_map(|(kind, name)| {
        let metadata = std::fs::metadata(folder.join(name)).ok()?;
        metadata.is_file().then_some((kind, name, metadata))
    })
}

/// A folder that is one file to its users: a Zarr store or a file geodatabase.
pub fn is_one_file(folder: &Path) -> bool {
    document(folder).is_some()
}

/// The document that makes a URL a Zarr store.
fn remote_document(url: &str) -> Result<Arc<remote::RemoteFile>> {
    let base = url.trim_end_matches('/');
    let mut last = Error::absent(url);
    for name in DOCUMENTS {
        match remote::open(&format!("{base}/{name}")) {
            Err(error @ Error::Absent { .. }) => last = error,
            other => return other,
        }
    }
    Err(last)
}

/// The state of a store whose documents are not all in one: of each of them. What a chunk's own file says, its reader
/// asks.
fn store_stamp(store: &Path) -> std::io::Result<Stamp> {
    const MOST_FOLDERS: usize = 100_000;
    const OF_NODES: [&str; 4] = ["zarr.json", ".zgroup", ".zarray", ".zattrs"];
    let mut all = Stamp { size: 0, modified: None, identity: (0, 0) };
    let mut add = |document: &Path| {
        let Some(one) = state_of(document) else { return false };
        // Sums, since a folder is listed in any order.
        all.size = all.size.saturating_add(one.size);
        all.modified = all.modified.max(one.modified);
        let mut hasher = DefaultHasher::new();
        one.identity.hash(&mut hasher);
        all.identity.0 = all.identity.0.wrapping_add(hasher.finish());
        all.identity.1 = all.identity.1.wrapping_add(one.identity.1);
        true
    };
    OF_NODES.into_iter().chain([GEODATABASE]).for_each(|name| {
        add(&store.join(name));
    });
    let (mut groups, mut folders) = (vec![store.to_path_buf()], 0);
    while let Some(group) = groups.pop() {
        for entry in std::fs::read_dir(&group)?.flatten() {
            if folders >= MOST_FOLDERS || entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            folders += 1;
            let folder = entry.path();
            let found = OF_NODES.map(|name| add(&folder.join(name)));
            // Arrays hold chunks, which may be many.
            let is_group = match found {
                [true, ..] => is_group(&folder.join("zarr.json")),
                [_, group, ..] => group,
            };
            // A link may lead back up.
            if is_group && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                groups.push(folder);
            }
        }
    }
    Ok(all)
}

/// A document of version 3 that is a group's.
fn is_group(document: &Path) -> bool {
    let text = head(document, 64 << 10).unwrap_or_default();
    let text: Vec<u8> = text.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    text.windows(19).any(|part| part == b"\"node_type\":\"group\"")
}

/// "Permission denied (os error 13)" as the rest of a sentence.
pub fn lower(reason: &str) -> String {
    let reason = reason.split(" (os error").next().unwrap_or(reason);
    let mut letters = reason.chars();
    letters.next().map_or(String::new(), |c| c.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn a_look_tells_kind_state_and_first_bytes() {
        let folder = Folder::new();
        let file = folder.write("a.tif", b"II*\0 and more");
        folder.write("cube.zarr/.zgroup", b"{}");
        folder.write("cube.zarr/tos/.zarray", b"{}");
        folder.write("one.zarr/.zmetadata", b"{\"metadata\": {}}");
        folder.write("b.gdb/a00000001.gdbtable", b"123");
        folder.write("plain/x.tif", b"");
        let seen = Sight::at(&file).unwrap();
        assert_eq!((seen.kind(), seen.stamp().size, seen.path()), (FileKind::File, 13, file.as_str()));
        assert_eq!(seen.head(), b"II*\0 and more");
        let store = Sight::at(&folder.path("cube.zarr")).unwrap();
        // Both documents, and no chunk.
        assert_eq!((store.kind(), store.stamp().size, store.head()), (FileKind::Store, 4, &b""[..]));
        let consolidated = Sight::at(&folder.path("one.zarr")).unwrap();
        assert_eq!((consolidated.kind(), consolidated.stamp().size), (FileKind::Store, 16));
        assert_eq!(Sight::at(&folder.path("b.gdb")).unwrap().kind(), FileKind::Geodatabase);
        assert!(matches!(
            Sight::at(&folder.path("plain")),
            Err(Error::Unsuited { lack: Lack::Directory, .. })
        ));
        assert!(matches!(Sight::at(&folder.path("none.tif")), Err(Error::Absent { .. })));
        assert!(matches!(Sight::at(&folder.path("a.tif/b.tif")), Err(Error::Unreadable { .. })));
    }

    #[test]
    fn a_subdataset_is_seen_as_its_file_and_a_file_of_that_name_as_itself() {
        let folder = Folder::new();
        let file = folder.write("a.nc", b"CDF\x01");
        let inner = Sight::at(&format!("NETCDF:\"{file}\":v")).unwrap();
        assert_eq!((inner.location().file(), inner.head()), (file.as_str(), &b"CDF\x01"[..]));
        let whole = inner.container();
        assert_eq!((whole.path(), whole.stamp()), (file.as_str(), inner.stamp()));
        assert!(!whole.location().is_subdataset());
        // Relative, since a path with folders names no driver.
        let odd = format!("ODD_{}:x", std::process::id());
        std::fs::write(&odd, b"12").unwrap();
        let seen = Sight::at(&odd);
        std::fs::remove_file(&odd).unwrap();
        let seen = seen.unwrap();
        assert_eq!((seen.location().file(), seen.stamp().size), (odd.as_str(), 2));
    }

    #[test]
    fn another_state_has_another_stamp() {
        let folder = Folder::new();
        let file = folder.write("a.tif", b"1");
        let before = Sight::at(&file).unwrap().stamp();
        assert_eq!(Sight::at(&file).unwrap().stamp(), before);
        folder.write("b.tif", b"2");
        std::fs::rename(folder.path("b.tif"), &file).unwrap();
        assert_ne!(Sight::at(&file).unwrap().stamp(), before);
        let (store, document) = (folder.path("cube.zarr"), "cube.zarr/a/.zarray");
        folder.write("cube.zarr/.zgroup", b"{}");
        folder.write(document, b"{}");
        let before = Sight::at(&store).unwrap().stamp();
        folder.write(document, b"{ }");
        assert_ne!(Sight::at(&store).unwrap().stamp(), before);
    }

    #[test]
    fn the_first_bytes_are_read_once() {
        let folder = Folder::new();
        let file = folder.write("a", &[7; 10_000]);
        let seen = Sight::at(&file).unwrap();
        assert_eq!(seen.head(), [7; 4096]);
        folder.write("a", b"other");
        assert_eq!((seen.head().len(), seen.magic()), (4096, [7; 8]));
        assert_eq!(seen.small().magic(), [7; 8]);
        // What nobody asked for is still to be read.
        assert_eq!(Sight::at(&file).unwrap().small().magic(), *b"other\0\0\0");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_waited_for() {
        assert!(matches!(Sight::at("/dev/null"), Err(Error::Unreadable { .. })));
    }
}
