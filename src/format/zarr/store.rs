//! Where a Zarr store's keys lie: a folder, or a zip file. Every read is of a range within the file, and bounded.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zarrs::storage::byte_range::{ByteRange, ByteRangeIterator};
use zarrs::storage::{Bytes, MaybeBytesIterator, ReadableStorageTraits, StorageError, StoreKey};

use crate::error::{Cause, ReasonResult};
use crate::files::sight::stamp_of;
use crate::files::{Address, FileKind, Sight};
use crate::format::array::ABSENT;
use crate::format::zarr::metadata::Documents;
use crate::format::zarr::range::checked_range;
use crate::format::zarr::web::Web;
use crate::format::zarr::zip::Zip;

/// Names in one folder.
const MAX_FOLDERS: usize = 100_000;

/// Keys of a folder.
pub(crate) struct Folder {
    root: PathBuf,
}

/// A store that is open for reading.
pub(crate) enum Store {
    Folder(Folder),
    Web(Web),
    Zip(Zip),
}

impl Store {
    /// The store in a folder or behind a URL, or in a zip file, whose store may lie in its one folder.
    ///
    /// # Errors
    /// The zip file cannot be read.
    pub(crate) fn open(sight: &Sight) -> ReasonResult<Store> {
        match (sight.kind(), sight.location().address()) {
            (FileKind::File, _) => Zip::open(sight.location()).map(Store::Zip),
            (_, Address::Url(url)) => Ok(Store::Web(Web::new(url))),
            (_, Address::Local(root)) => Ok(Store::Folder(Folder { root: root.to_path_buf() })),
        }
    }

    /// What tells one state of a key's file from another, [`ABSENT`] where there is none; `None` where the store itself does.
    pub(crate) fn state(&self, key: &StoreKey) -> Option<u64> {
        let Store::Folder(folder) = self else { return None };
        let mut hasher = DefaultHasher::new();
        match std::fs::metadata(folder.path(key)) {
            Ok(metadata) => stamp_of(&metadata).hash(&mut hasher),
            Err(error) if is_absent(&error) => return Some(ABSENT),
            Err(_) => {}
        }
        Some(hasher.finish().max(ABSENT + 1))
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

impl Folder {
    fn path(&self, key: &StoreKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// The file of a key and its size, or `None` when there is none.
    fn file(&self, key: &StoreKey) -> Result<Option<(File, u64)>, StorageError> {
        let path = self.path(key);
        // Opening a pipe would wait for ever.
        let known = |e: std::io::Error| if is_absent(&e) { Ok(None) } else { Err(StorageError::from(e)) };
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(e) => return known(e),
        };
        if !metadata.is_file() {
            return Err(format!("{} is not a regular file", key.as_str()).into());
        }
        match File::open(&path) {
            Ok(file) => Ok(Some((file, metadata.len()))),
            Err(e) => known(e),
        }
    }
}

impl ReadableStorageTraits for Folder {
    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let Some((file, size)) = self.file(key)? else { return Ok(None) };
        let name = key.as_str().to_string();
        let read = move |range: ByteRange| {
            let span = checked_range(&name, &range, size)?;
            let mut bytes = vec![0; (span.end - span.start) as usize];
            file.read_exact_at(&mut bytes, span.start)?;
            Ok(Bytes::from(bytes))
        };
        Ok(Some(Box::new(ranges.map(read))))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        match std::fs::metadata(self.path(key)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn supports_get_partial(&self) -> bool {
        true
    }
}

impl ReadableStorageTraits for Store {
    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        match self {
            Store::Folder(folder) => folder.get_partial_many(key, ranges),
            Store::Web(web) => web.get_partial_many(key, ranges),
            Store::Zip(zip) => {
                let Some(bytes) = zip.read(key.as_str()).map_err(|e| StorageError::Other(e.to_string()))?
                else {
                    return Ok(None);
                };
                let bytes = Bytes::from(bytes);
                let size = bytes.len() as u64;
                let name = key.as_str().to_string();
                Ok(Some(Box::new(ranges.map(move |range| {
                    let span = checked_range(&name, &range, size)?;
                    Ok(bytes.slice(span.start as usize..span.end as usize))
                }))))
            }
        }
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        match self {
            Store::Folder(folder) => folder.size_key(key),
            Store::Web(web) => web.size_key(key),
            Store::Zip(zip) => Ok(zip.size(key.as_str())),
        }
    }

    fn supports_get_partial(&self) -> bool {
        true
    }
}

impl Documents for Store {
    fn document(&self, key: &str) -> ReasonResult<Option<Vec<u8>>> {
        let name = StoreKey::new(key).map_err(Cause::of)?;
        let bytes = self.get(&name).map_err(|e| Cause::of(e).within(key))?;
        Ok(bytes.map(Vec::from))
    }

    fn folders(&self, group: &str) -> ReasonResult<Vec<String>> {
        let mut names = match self {
            // Only consolidated documents tell what there is.
            Store::Web(_) => {
                return Err("its documents are not consolidated, and a URL cannot be listed".into());
            }
            Store::Folder(folder) => {
                subfolders(&folder.root.join(group)).map_err(|e| Cause::of(e).within(format!("{group}/")))?
            }
            Store::Zip(zip) => zip.folders(group),
        };
        if names.len() > MAX_FOLDERS {
            return Err(format!("{group}/ holds more than {MAX_FOLDERS} folders").into());
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Folders, and links to folders that do not lead back up.
fn subfolders(folder: &Path) -> std::io::Result<Vec<String>> {
    let here = folder.canonicalize()?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let inside = kind.is_dir()
            || (kind.is_symlink()
                && entry.path().canonicalize().is_ok_and(|to| to.is_dir() && !here.starts_with(to)));
        if inside && let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}
