//! A zip file as a store's keys: its directory is read once, its entries from any thread and never beyond what the
//! directory says of them.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use crate::error::{Cause, ReasonResult};
use crate::files::Location;
use crate::files::reader::Reader;
use crate::format::zarr::range::MAX_READ_BYTES;

/// Entries of one file.
const MAX_ENTRIES: usize = 1 << 22;

/// A zip file that is open for reading.
pub(crate) struct Zip {
    file: Reader,
    length: u64,
    /// What comes before every key: the one folder that the file holds, with its slash, or nothing.
    root: String,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    start: u64,
    /// Bytes in the file.
    packed: u64,
    /// Bytes once unpacked.
    size: u64,
    crc32: u32,
    /// `None` where entries of its kind cannot be read.
    deflated: Option<bool>,
}

impl Zip {
    /// # Errors
    /// The file cannot be read, or its directory is damaged.
    pub(crate) fn open(location: &Location) -> ReasonResult<Zip> {
        let file = Reader::open(location).map_err(Cause::of)?;
        let length = file.size().map_err(Cause::of)?;
        let directory = BufReader::new(file.cursor());
        let mut archive = ::zip::ZipArchive::new(directory).map_err(Cause::of)?;
        if archive.len() > MAX_ENTRIES {
            return Err(format!("it holds more than {MAX_ENTRIES} entries").into());
        }
        let mut entries = BTreeMap::new();
        for number in 0..archive.len() {
            let entry = archive.by_index_raw(number).map_err(Cause::of)?;
            let Some(start) = entry.data_start().filter(|_| entry.is_file()) else { continue };
            let deflated = match entry.compression() {
                _ if entry.encrypted() => None,
                ::zip::CompressionMethod::STORE => Some(false),
                ::zip::CompressionMethod::DEFLATE => Some(true),
                _ => None,
            };
            let (packed, size, crc32) = (entry.compressed_size(), entry.size(), entry.crc32());
            let Some(name) = plain(&entry.name().map_err(Cause::of)?) else { continue };
            entries.insert(name, Entry { start, packed, size, crc32, deflated });
        }
        let mut zip = Zip { file, length, root: String::new(), entries };
        if let ([only], false) = (zip.folders("").as_slice(), zip.is_store()) {
            zip.root = format!("{only}/");
        }
        Ok(zip)
    }

    /// Whether it has a document that a store begins with.
    pub(crate) fn is_store(&self) -> bool {
        ["zarr.json", ".zgroup", ".zarray", ".zmetadata"].iter().any(|key| self.entry(key).is_some())
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(&format!("{}{key}", self.root))
    }

    /// Bytes of a key, or `None` when there is none.
    pub(crate) fn size(&self, key: &str) -> Option<u64> {
        self.entry(key).map(|entry| entry.size)
    }

    /// What a key holds, checked against its sum; `None` when there is none.
    ///
    /// # Errors
    /// It is damaged, too large, encrypted, or packed otherwise than by deflate.
    pub(crate) fn read(&self, key: &str) -> ReasonResult<Option<Vec<u8>>> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        let damaged = || format!("{key} is damaged in the zip file");
        let deflated = entry
            .deflated
            .ok_or_else(|| format!("{key} is encrypted, or packed otherwise than by deflate"))?;
        if entry.size > MAX_READ_BYTES || entry.packed > MAX_READ_BYTES {
            return Err(format!("{key} is above {} MiB", MAX_READ_BYTES >> 20).into());
        }
        if entry.start.checked_add(entry.packed).is_none_or(|end| end > self.length) {
            return Err(damaged().into());
        }
        let mut packed = vec![0; entry.packed as usize];
        self.file.read_exact_at(&mut packed, entry.start).map_err(|e| Cause::of(e).within(key))?;
        let bytes = match deflated {
            false => packed,
            true => {
                let mut bytes = Vec::with_capacity(entry.size.min(16 << 20) as usize);
                let unpacked = flate2::read::DeflateDecoder::new(packed.as_slice());
                unpacked.take(entry.size + 1).read_to_end(&mut bytes).map_err(|_| damaged())?;
                bytes
            }
        };
        match bytes.len() as u64 == entry.size && crc32fast::hash(&bytes) == entry.crc32 {
            true => Ok(Some(bytes)),
            false => Err(damaged().into()),
        }
    }

    /// Names of the folders directly under a group, in order.
    pub(crate) fn folders(&self, group: &str) -> Vec<String> {
        let mut prefix = format!("{}{group}", self.root);
        if !group.is_empty() {
            prefix.push('/');
        }
        let mut names = Vec::new();
        let mut from = prefix.clone();
        while let Some((key, _)) = self.entries.range(from..).next() {
            let Some(rest) = key.strip_prefix(&prefix) else { break };
            from = match rest.split_once('/') {
                Some((name, _)) => {
                    names.push(name.to_string());
                    // The first key behind all that begin with the folder: 0 follows the slash.
                    format!("{prefix}{name}0")
                }
                None => format!("{key}\0"),
            };
        }
        names
    }
}

/// A name as a key, without the slashes before it and what else names nothing; `None` for one that leads out of the file.
fn plain(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, damaged};
    use std::io::Write;

    /// A zip file after PKWARE's APPNOTE: name, what it holds, whether it is deflated.
    fn archive(entries: &[(&str, &[u8], bool)]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, bytes, deflated) in entries {
            let packed = match deflated {
                false => bytes.to_vec(),
                true => {
                    let mut packer =
                        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                    packer.write_all(bytes).unwrap();
                    packer.finish().unwrap()
                }
            };
            let mut fields = vec![20, 0, 0, 0, if *deflated { 8 } else { 0 }, 0, 0, 0, 0x21, 0];
            fields.extend(crc32fast::hash(bytes).to_le_bytes());
            fields.extend((packed.len() as u32).to_le_bytes());
            fields.extend((bytes.len() as u32).to_le_bytes());
            fields.extend((name.len() as u16).to_le_bytes());
            fields.extend([0, 0]);
            let offset = out.len() as u32;
            out.extend([b"PK\x03\x04", fields.as_slice(), name.as_bytes(), &packed].concat());
            directory.extend([b"PK\x01\x02\x14\0", fields.as_slice()].concat());
            directory.extend([0; 10]);
            directory.extend(offset.to_le_bytes());
            directory.extend(name.bytes());
        }
        let (count, size, at) = (entries.len() as u16, directory.len() as u32, out.len() as u32);
        out.extend(directory);
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
        out.extend([size.to_le_bytes(), at.to_le_bytes()].concat());
        out.extend([0, 0]);
        out
    }

    fn opened(bytes: &[u8]) -> ReasonResult<Zip> {
        let folder = Folder::new();
        Zip::open(&Location::plain(&folder.write("a.zip", bytes)))
    }

    const TEXT: &[u8] = b"the same again, the same again, the same again";

    #[test]
    fn entries_are_what_was_put_in_stored_or_deflated() {
        let zip =
            opened(&archive(&[(".zgroup", b"{}", false), ("a/0.0", TEXT, true), ("a/b/1", b"", false)]));
        let zip = zip.unwrap();
        assert_eq!(zip.read(".zgroup"), Ok(Some(b"{}".to_vec())));
        assert_eq!(zip.read("a/0.0"), Ok(Some(TEXT.to_vec())));
        assert_eq!((zip.size("a/0.0"), zip.size("a/b/1")), (Some(TEXT.len() as u64), Some(0)));
        assert_eq!((zip.read("a"), zip.size("b")), (Ok(None), None));
        assert_eq!(
            (zip.folders(""), zip.folders("a"), zip.folders("a/b")),
            (vec!["a".into()], vec!["b".into()], vec![])
        );
    }

    #[test]
    fn the_one_folder_that_holds_everything_is_no_part_of_a_key() {
        let zip = opened(&archive(&[("store/.zgroup", b"{}", false), ("store/a/0", TEXT, false)])).unwrap();
        assert_eq!(zip.read("a/0"), Ok(Some(TEXT.to_vec())));
        assert_eq!(zip.folders(""), ["a"]);
    }

    #[test]
    fn an_entry_that_is_damaged_is_an_error_and_the_others_stay() {
        let mut bytes = archive(&[("a", TEXT, false), ("b", TEXT, true)]);
        let at = bytes.windows(TEXT.len()).position(|run| run == TEXT).unwrap();
        bytes[at] ^= 1;
        let zip = opened(&bytes).unwrap();
        assert!(zip.read("a").unwrap_err().text().contains("damaged"));
        assert_eq!(zip.read("b"), Ok(Some(TEXT.to_vec())));
        assert!(opened(&bytes[..bytes.len() - 30]).is_err());
    }

    #[test]
    fn damage_never_passes_for_an_entry() {
        let folder = Folder::new();
        let names = [".zgroup", "a/0.0", "a/0.1"];
        let bytes = archive(&[(names[0], b"{}", false), (names[1], TEXT, true), (names[2], TEXT, false)]);
        // The most that an entry's promise is trusted with before it is unpacked.
        let most = 17 << 20;
        let opened = damaged(&bytes, 2000, most, |bytes| {
            let Ok(zip) = Zip::open(&Location::plain(&folder.write("a.zip", bytes))) else { return false };
            for name in names {
                // What a key gives has the sum of what was put in; a name may have become another.
                if let Ok(Some(read)) = zip.read(name) {
                    assert!(read == TEXT || read == b"{}" || read.is_empty(), "{name}");
                }
            }
            zip.folders("");
            true
        });
        assert!((1..2000).contains(&opened), "{opened}");
    }
}
