//! NetCDF's classic format (CDF-1, 2 and 5): is the header sound, and does the file hold what it promises?
//!
//! The netCDF library trusts the counts of a header: a damaged one makes it read beyond its memory, or wait for minutes.
//! The grammar is that of "The NetCDF Classic Format Specification", NetCDF User's Guide, Appendix B.

use std::io::{BufReader, Read};

use crate::error::{Cause, ReasonResult};
use crate::files::Location;
use crate::files::reader::{Cursor, Reader};

/// # Errors
/// What is wrong with the file, as the rest of a sentence.
pub fn check(location: &Location) -> ReasonResult<()> {
    let file = Reader::open(location).map_err(Cause::of)?;
    let size = file.size().map_err(Cause::of)?;
    let mut header = Header { bytes: BufReader::new(file.cursor()), at: 0, size, version: 1 };
    header.magic()?;
    let records = header.count()?;
    // A file that is still written counts its records by its length.
    let streaming = if header.version == 5 { u64::MAX } else { u64::from(u32::MAX) };
    let dims = header.dimensions()?;
    header.attributes()?;
    let variables = header.variables(&dims)?;
    let in_records = || variables.iter().filter(|v| v.is_record);
    // One variable alone in its records is not padded.
    let record_bytes = match in_records().count() {
        1 => in_records().map(|v| v.exact).sum(),
        _ => in_records().map(|v| v.bytes).fold(0, u64::saturating_add),
    };
    for variable in &variables {
        let records = if variable.is_record && records != streaming { records } else { 1 };
        let before = record_bytes.saturating_mul(records.saturating_sub(1));
        let empty = variable.is_record && (records == 0 || streaming == records);
        let end = variable.begin.saturating_add(before).saturating_add(variable.exact);
        if !empty && variable.exact > 0 && end > size && variable.begin > 0 {
            return Err(format!(
                "its variables end at byte {end}, the file at byte {size}: it is truncated or damaged"
            )
            .into());
        }
    }
    Ok(())
}

struct Header {
    bytes: BufReader<Cursor>,
    at: u64,
    size: u64,
    version: u8,
}

struct Entry {
    /// Bytes of the whole variable, or of one record of it, padded to four.
    bytes: u64,
    /// The same, unpadded.
    exact: u64,
    is_record: bool,
    begin: u64,
}

const DIMENSION: u64 = 10;
const VARIABLE: u64 = 11;
const ATTRIBUTE: u64 = 12;

impl Header {
    fn magic(&mut self) -> ReasonResult<()> {
        let magic: [u8; 4] = self.take()?;
        match magic {
            [b'C', b'D', b'F', version @ (1 | 2 | 5)] => self.version = version,
            _ => return Err("it is not a classic NetCDF file".into()),
        }
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> ReasonResult<[u8; N]> {
        let mut bytes = [0; N];
        self.bytes.read_exact(&mut bytes).map_err(|_| format!("its header ends at byte {}", self.at))?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn four(&mut self) -> ReasonResult<u64> {
        Ok(u32::from_be_bytes(self.take()?).into())
    }

    fn eight(&mut self) -> ReasonResult<u64> {
        Ok(u64::from_be_bytes(self.take()?))
    }

    /// A count: of 64 bits in CDF-5 alone.
    fn count(&mut self) -> ReasonResult<u64> {
        if self.version == 5 { self.eight() } else { self.four() }
    }

    /// A count of things that each take so many bytes of the header, of which there can be no more than fit.
    fn bounded(&mut self, each: u64, what: &str) -> ReasonResult<u64> {
        let n = self.count()?;
        if n.saturating_mul(each) > self.size.saturating_sub(self.at) {
            return Err(format!("its header promises {n} {what}, which do not fit: it is damaged").into());
        }
        Ok(n)
    }

    /// Skips bytes, padded to four.
    fn skip(&mut self, n: u64) -> ReasonResult<()> {
        let n = n.div_ceil(4) * 4;
        let skipped = std::io::copy(&mut self.bytes.by_ref().take(n), &mut std::io::sink()).unwrap_or(0);
        self.at += skipped;
        if skipped < n { Err(format!("its header ends at byte {}", self.at).into()) } else { Ok(()) }
    }

    fn name(&mut self) -> ReasonResult<()> {
        let n = self.bounded(1, "letters of a name")?;
        self.skip(n)
    }

    /// The length of a list, which is absent as two zeros.
    fn list(&mut self, tag: u64, each: u64, what: &str) -> ReasonResult<u64> {
        let found = self.four()?;
        let n = self.bounded(each, what)?;
        if found == tag || (found == 0 && n == 0) {
            Ok(n)
        } else {
            Err(format!("its list of {what} begins with {found}: it is damaged").into())
        }
    }

    fn dimensions(&mut self) -> ReasonResult<Vec<u64>> {
        let n = self.list(DIMENSION, 8, "dimensions")?;
        let mut lengths = Vec::new();
        for _ in 0..n {
            self.name()?;
            lengths.push(self.count()?);
        }
        Ok(lengths)
    }

    fn attributes(&mut self) -> ReasonResult<()> {
        for _ in 0..self.list(ATTRIBUTE, 12, "attributes")? {
            self.name()?;
            let width = self.type_width()?;
            let n = self.bounded(width, "values of an attribute")?;
            self.skip(n.saturating_mul(width))?;
        }
        Ok(())
    }

    fn type_width(&mut self) -> ReasonResult<u64> {
        let kind = self.four()?;
        Ok(match (kind, self.version) {
            (1 | 2, _) | (7, 5) => 1,
            (3, _) | (8, 5) => 2,
            (4 | 5, _) | (9, 5) => 4,
            (6, _) | (10 | 11, 5) => 8,
            _ => {
                return Err(
                    format!("its header names type {kind}, which does not exist: it is damaged").into()
                );
            }
        })
    }

    fn variables(&mut self, dims: &[u64]) -> ReasonResult<Vec<Entry>> {
        let n = self.list(VARIABLE, 28, "variables")?;
        let mut found = Vec::new();
        for _ in 0..n {
            self.name()?;
            let rank = self.bounded(4, "dimensions of a variable")?;
            let (mut values, mut is_record) = (1u64, false);
            for index in 0..rank {
                let id = self.count()?;
                let length = usize::try_from(id).ok().and_then(|id| dims.get(id));
                match length {
                    // The length of the dimension of records is written as zero.
                    Some(0) if index == 0 => is_record = true,
                    Some(length) => values = values.saturating_mul(*length),
                    None => {
                        return Err(format!(
                            "a variable has dimension {id} of {}: it is damaged",
                            dims.len()
                        )
                        .into());
                    }
                }
            }
            self.attributes()?;
            let width = self.type_width()?;
            let _size = self.count()?;
            let begin = if self.version == 1 { self.four()? } else { self.eight()? };
            let exact = values.saturating_mul(width);
            found.push(Entry { bytes: exact.div_ceil(4).saturating_mul(4), exact, is_record, begin });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, damaged};

    /// A file of two fixed variables and two in records, written after the grammar of Appendix B.
    struct Cdf {
        version: u8,
        records: u64,
        /// NetCDF's number of the type of every variable.
        kind: u32,
        /// The dimension that the last variable names.
        dimension: u64,
    }

    impl Cdf {
        fn new(version: u8) -> Cdf {
            Cdf { version, records: 3, kind: 4, dimension: 1 }
        }

        fn count(&self, out: &mut Vec<u8>, n: u64) {
            match self.version {
                5 => out.extend(n.to_be_bytes()),
                _ => out.extend((n as u32).to_be_bytes()),
            }
        }

        fn name(&self, out: &mut Vec<u8>, name: &str) {
            self.count(out, name.len() as u64);
            out.extend(name.bytes());
            out.resize(out.len().next_multiple_of(4), 0);
        }

        fn header(&self, begin: u64) -> Vec<u8> {
            let mut out = vec![b'C', b'D', b'F', self.version];
            self.count(&mut out, self.records);
            out.extend(10u32.to_be_bytes());
            self.count(&mut out, 2);
            for (name, length) in [("time", 0), ("x", 5)] {
                self.name(&mut out, name);
                self.count(&mut out, length);
            }
            // An attribute of the file: two bytes of text.
            out.extend(12u32.to_be_bytes());
            self.count(&mut out, 1);
            self.name(&mut out, "a");
            out.extend(2u32.to_be_bytes());
            self.count(&mut out, 2);
            out.extend(b"hi\0\0");
            out.extend(11u32.to_be_bytes());
            self.count(&mut out, 4);
            for (i, dims) in [vec![1], vec![], vec![0, 1], vec![0, self.dimension]].into_iter().enumerate() {
                self.name(&mut out, &format!("v{i}"));
                self.count(&mut out, dims.len() as u64);
                dims.iter().for_each(|dim| self.count(&mut out, *dim));
                // No attributes.
                out.extend(0u32.to_be_bytes());
                self.count(&mut out, 0);
                out.extend(self.kind.to_be_bytes());
                self.count(&mut out, 20);
                let begin = begin + [0, 20, 24, 44][i];
                match self.version {
                    1 => out.extend((begin as u32).to_be_bytes()),
                    _ => out.extend(begin.to_be_bytes()),
                }
            }
            out
        }

        /// With the values: 20 and 4 bytes, and 40 for each record.
        fn bytes(&self) -> Vec<u8> {
            let begin = self.header(0).len() as u64;
            let mut out = self.header(begin);
            out.resize((begin + 24 + 40 * self.records) as usize, 7);
            out
        }
    }

    fn checked(bytes: &[u8]) -> ReasonResult<()> {
        let folder = Folder::new();
        check(&Location::plain(&folder.write("a.nc", bytes)))
    }

    #[test]
    fn a_whole_file_of_each_version_is_sound_and_one_byte_less_is_not() {
        for version in [1, 2, 5] {
            let bytes = Cdf::new(version).bytes();
            assert_eq!(checked(&bytes), Ok(()), "version {version}");
            let short = checked(&bytes[..bytes.len() - 1]).unwrap_err();
            assert!(short.text().contains("truncated"), "{short}");
            for end in [3, 6, 20, 60] {
                assert!(checked(&bytes[..end]).is_err(), "version {version}, {end} bytes");
            }
        }
    }

    #[test]
    fn a_file_without_records_needs_none() {
        let cdf = Cdf { records: 0, ..Cdf::new(1) };
        assert_eq!(checked(&cdf.bytes()), Ok(()));
    }

    #[test]
    fn types_and_dimensions_that_do_not_exist_are_told() {
        let unknown = checked(&Cdf { kind: 7, ..Cdf::new(1) }.bytes()).unwrap_err();
        assert!(unknown.text().contains("type 7"), "{unknown}");
        let lost = checked(&Cdf { dimension: 2, ..Cdf::new(2) }.bytes()).unwrap_err();
        assert!(lost.text().contains("dimension 2 of 2"), "{lost}");
        assert!(checked(b"HDF\x01").is_err());
    }

    #[test]
    fn a_count_that_does_not_fit_is_refused_before_it_is_followed() {
        let mut bytes = Cdf::new(1).bytes();
        // Of dimensions, behind the magic, the records and the tag.
        bytes[12..16].fill(0xff);
        let promised = checked(&bytes).unwrap_err();
        assert!(promised.text().contains("4294967295 dimensions"), "{promised}");
    }

    #[test]
    fn damage_is_an_error_or_another_header() {
        let folder = Folder::new();
        for version in [1, 2, 5] {
            let bytes = Cdf::new(version).bytes();
            let accepted = damaged(&bytes, 1500, 1 << 16, |bytes| {
                check(&Location::plain(&folder.write("a.nc", bytes))).is_ok()
            });
            assert!((1..1500).contains(&accepted), "{accepted}");
        }
    }
}
