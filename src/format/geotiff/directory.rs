//! TIFF's image file directories: tags and where their values lie, in both byte orders, TIFF and BigTIFF.
//!
//! Nothing here trusts the file. Every read has a bound, and what is not well formed is `None`.

/// The tag of how values were turned into differences before they were packed.
pub(super) const PREDICTOR: u16 = 317;

/// The predictor of a TIFF's first image; `None` where its directory is not well formed. `fetch` fills a buffer from an offset on.
pub(crate) fn predictor(size: u64, fetch: &dyn Fn(u64, &mut [u8]) -> Option<()>) -> Option<u64> {
    let mut bytes = Bytes::new(size, fetch);
    let (form, offset) = start(&mut bytes)?;
    let image = Directory::read(&mut bytes, form, offset)?;
    if image.has(PREDICTOR) { image.integer(&mut bytes, PREDICTOR) } else { Some(1) }
}

/// Bytes of one read, where a value needs no more.
const PAGE: usize = 4096;
/// No value that we look at is longer.
const MAX_VALUE: usize = 1 << 20;
/// Tags of one directory: GeoTIFFs have about 20.
const MAX_TAGS: u64 = 128;
/// Reads of one file, so that no file, however damaged, is read for long.
const MAX_READS: usize = 128;

/// The type of bytes.
pub(crate) const BYTE: u16 = 1;
/// The type of text.
pub(crate) const ASCII: u16 = 2;
/// The type of whole numbers of 16 bits.
pub(crate) const SHORT: u16 = 3;
/// The type of whole numbers of 32 bits.
pub(crate) const LONG: u16 = 4;
/// The type of fractions.
pub(crate) const RATIONAL: u16 = 5;
/// The type of anything.
pub(crate) const UNDEFINED: u16 = 7;
/// The type of doubles.
pub(crate) const DOUBLE: u16 = 12;
/// The type of whole numbers of 64 bits.
pub(crate) const LONG8: u16 = 16;

/// A file's bytes, of which those read before are kept.
pub(crate) struct Bytes<'a> {
    /// Of the whole file.
    pub size: u64,
    fetch: &'a dyn Fn(u64, &mut [u8]) -> Option<()>,
    windows: Vec<(u64, Vec<u8>)>,
}

impl<'a> Bytes<'a> {
    /// `fetch` fills a buffer from an offset on, wholly or not at all.
    pub(crate) fn new(size: u64, fetch: &'a dyn Fn(u64, &mut [u8]) -> Option<()>) -> Bytes<'a> {
        Bytes { size, fetch, windows: Vec::new() }
    }

    /// Bytes of the file; `None` beyond its end.
    pub(crate) fn get(&mut self, offset: u64, length: usize) -> Option<&[u8]> {
        let end = offset.checked_add(length as u64)?;
        if end > self.size || length > MAX_VALUE {
            return None;
        }
        let holds = |(start, bytes): &(u64, Vec<u8>)| *start <= offset && end - start <= bytes.len() as u64;
        let index = match self.windows.iter().position(holds) {
            Some(index) => index,
            None => {
                if self.windows.len() >= MAX_READS {
                    return None;
                }
                let mut bytes = vec![0; (self.size - offset).min(length.max(PAGE) as u64) as usize];
                (self.fetch)(offset, &mut bytes)?;
                self.windows.push((offset, bytes));
                self.windows.len() - 1
            }
        };
        let (start, bytes) = self.windows.get(index)?;
        let from = usize::try_from(offset - start).ok()?;
        bytes.get(from..from + length)
    }
}

/// How a file writes numbers and offsets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    little: bool,
    big: bool,
}

impl Form {
    fn number(self, bytes: &[u8]) -> u64 {
        let digit = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.little { bytes.iter().rev().fold(0, digit) } else { bytes.iter().fold(0, digit) }
    }

    /// The width of an offset.
    fn word(self) -> usize {
        if self.big { 8 } else { 4 }
    }
}

/// One tag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// What it says.
    pub tag: u16,
    /// TIFF's number of the value's type.
    pub kind: u16,
    /// How many values it has.
    pub count: u64,
    /// Where the value begins in the file, be it in the directory or elsewhere.
    offset: u64,
}

/// One image of a file.
#[derive(Debug)]
pub(crate) struct Directory {
    form: Form,
    entries: Vec<Entry>,
    /// Where the next image's directory begins; 0 after the last.
    pub next: u64,
}

/// How the file is written, and where its first directory begins.
pub(crate) fn start(bytes: &mut Bytes<'_>) -> Option<(Form, u64)> {
    let head = bytes.get(0, 8)?;
    let little = match head.get(..2)? {
        b"II" => true,
        b"MM" => false,
        _ => return None,
    };
    let form = Form { little, big: false };
    match form.number(head.get(2..4)?) {
        42 => Some((form, form.number(head.get(4..8)?))),
        43 => {
            let form = Form { little, big: true };
            let head = bytes.get(0, 16)?;
            let plain = form.number(head.get(4..6)?) == 8 && form.number(head.get(6..8)?) == 0;
            plain.then_some((form, form.number(head.get(8..16)?)))
        }
        _ => None,
    }
}

impl Directory {
    /// Tags in ascending order, none twice, whose values lie within the file.
    pub(crate) fn read(bytes: &mut Bytes<'_>, form: Form, offset: u64) -> Option<Directory> {
        let word = form.word();
        let head = if form.big { 8 } else { 2 };
        let length = 4 + 2 * word;
        let count = form.number(bytes.get(offset, head)?);
        if count == 0 || count > MAX_TAGS {
            return None;
        }
        let first = offset.checked_add(head as u64)?;
        let raw = bytes.get(first, count as usize * length + word)?.to_vec();
        let mut entries: Vec<Entry> = Vec::with_capacity(count as usize);
        let (tags, next) = raw.split_at_checked(count as usize * length)?;
        for (index, raw) in tags.chunks_exact(length).enumerate() {
            let tag = form.number(raw.get(..2)?) as u16;
            let kind = form.number(raw.get(2..4)?) as u16;
            let count = form.number(raw.get(4..4 + word)?);
            let size = count.checked_mul(width(kind)? as u64)?;
            let offset = match size <= word as u64 {
                true => first + (index * length + 4 + word) as u64,
                false => form.number(raw.get(4 + word..)?),
            };
            if offset.checked_add(size)? > bytes.size || entries.last().is_some_and(|last| last.tag >= tag) {
                return None;
            }
            entries.push(Entry { tag, kind, count, offset });
        }
        Some(Directory { form, entries, next: form.number(next) })
    }

    /// Every entry, in file order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a tag.
    pub(crate) fn find(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// Whether a tag is there.
    pub(crate) fn has(&self, tag: u16) -> bool {
        self.find(tag).is_some()
    }

    /// A value of `SHORT`, `LONG` or `LONG8` numbers.
    pub(crate) fn integers(&self, bytes: &mut Bytes<'_>, entry: &Entry) -> Option<Vec<u64>> {
        if ![SHORT, LONG, LONG8].contains(&entry.kind) {
            return None;
        }
        let width = width(entry.kind)?;
        let raw = self.raw(bytes, entry)?;
        Some(raw.chunks_exact(width).map(|raw| self.form.number(raw)).collect())
    }

    /// The one number of a tag.
    pub(crate) fn integer(&self, bytes: &mut Bytes<'_>, tag: u16) -> Option<u64> {
        let entry = self.find(tag)?;
        if entry.count == 1 { self.integers(bytes, entry)?.first().copied() } else { None }
    }

    /// The two numbers of the one fraction of a tag.
    pub(crate) fn rational(&self, bytes: &mut Bytes<'_>, entry: &Entry) -> Option<(u64, u64)> {
        if entry.kind != RATIONAL || entry.count != 1 {
            return None;
        }
        let (over, under) = self.raw(bytes, entry)?.split_at_checked(4)?;
        Some((self.form.number(over), self.form.number(under)))
    }

    /// An entry's values as doubles.
    pub(crate) fn doubles(&self, bytes: &mut Bytes<'_>, entry: &Entry) -> Option<Vec<f64>> {
        if entry.kind != DOUBLE {
            return None;
        }
        let raw = self.raw(bytes, entry)?;
        Some(raw.chunks_exact(8).map(|raw| f64::from_bits(self.form.number(raw))).collect())
    }

    /// The bytes of a text with its closing zero, which must be there and be the only one.
    pub(crate) fn text(&self, bytes: &mut Bytes<'_>, entry: &Entry) -> Option<Vec<u8>> {
        if entry.kind != ASCII {
            return None;
        }
        let raw = self.raw(bytes, entry)?;
        let (last, text) = raw.split_last()?;
        (*last == 0 && !text.contains(&0)).then(|| raw.to_vec())
    }

    fn raw<'b>(&self, bytes: &'b mut Bytes<'_>, entry: &Entry) -> Option<&'b [u8]> {
        let size = entry.count.checked_mul(width(entry.kind)? as u64)?;
        bytes.get(entry.offset, usize::try_from(size).ok()?)
    }
}

/// Bytes of one number of a type.
fn width(kind: u16) -> Option<usize> {
    Some(match kind {
        BYTE | ASCII | 6 | UNDEFINED => 1,
        SHORT | 8 => 2,
        LONG | 9 | 11 | 13 => 4,
        RATIONAL | 10 | DOUBLE | LONG8 | 17 | 18 => 8,
        _ => return None,
    })
}
