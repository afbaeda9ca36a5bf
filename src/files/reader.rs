//! The bytes of one file, on disk or behind a URL, from any offset and on any thread.

use std::fs::File;
use std::io::{Error, Read, Result, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::files::door;
use crate::files::location::{Address, Location};
use crate::files::remote::{self, RemoteFile};

/// A file to read from any offset.
#[derive(Clone)]
pub enum Reader {
    /// A local file.
    Disk(Arc<File>),
    /// A file of a URL.
    Web(Arc<RemoteFile>),
}

impl Reader {
    /// # Errors
    /// The file cannot be opened.
    pub fn open(location: &Location) -> Result<Reader> {
        match location.address() {
            Address::Url(url) => remote::open(url).map(Reader::Web).map_err(Error::other),
            Address::Local(file) => door::open(file).map(|file| Reader::Disk(Arc::new(file))),
        }
    }

    /// # Errors
    /// The file system does not tell.
    pub fn size(&self) -> Result<u64> {
        match self {
            Reader::Disk(file) => Ok(file.metadata()?.len()),
            Reader::Web(file) => Ok(file.size()),
        }
    }

    /// Fills `out` from an offset on, with no byte beyond it asked for.
    ///
    /// # Errors
    /// The file ends before, or cannot be read.
    pub fn read_exact_at(&self, out: &mut [u8], at: u64) -> Result<()> {
        match self {
            Reader::Disk(file) => file.read_exact_at(out, at),
            Reader::Web(file) => {
                let bytes = file.read(at..at.saturating_add(out.len() as u64)).map_err(Error::other)?;
                if bytes.len() < out.len() {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                out.copy_from_slice(&bytes);
                Ok(())
            }
        }
    }

    /// Reads on from the beginning, over a network by pages: for headers.
    pub fn cursor(&self) -> Cursor {
        Cursor { reader: self.clone(), at: 0 }
    }
}

/// An offset in a file to read on from.
pub struct Cursor {
    reader: Reader,
    at: u64,
}

impl Cursor {
    /// A cursor at an offset.
    pub fn at(self, at: u64) -> Cursor {
        Cursor { at, ..self }
    }
}

impl Read for Cursor {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let read = match &self.reader {
            Reader::Disk(file) => file.read_at(out, self.at)?,
            Reader::Web(file) => file.read_at(self.at, out).map_err(Error::other)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(by) => (self.at, by),
            SeekFrom::End(by) => (self.reader.size()?, by),
        };
        let before = || Error::new(std::io::ErrorKind::InvalidInput, "an offset before the beginning");
        self.at = from.checked_add_signed(by).ok_or_else(before)?;
        Ok(self.at)
    }
}
