//! GeoTIFF headers from their own few bytes: two thirds of a catalog's time would go into GDAL, which parses each
//! file's CRS anew.
//!
//! What is answered here is what GDAL would say, to the bit. A file of which that is not certain (a side file, an
//! alpha band or a mask, a tag we do not know, a compression that GDAL may lack, ground control points) is left to
//! GDAL. So is the CRS: GDAL reads the first file of each set of geokeys, the two answers are compared, and only
//! where they are equal are further files of that set read here.

pub(crate) mod directory;
mod metadata;
mod tags;

use std::cell::OnceCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::affine::Affine;
use crate::dtype::{Dtype, Nodata};
use crate::files::{Address, FileKind, Location, Sight, remote};
use crate::format::gdal::{self, Raster};
use crate::format::{Band, Header, Tags};
use crate::kept::Shared;
use directory::{
    ASCII, BYTE, Bytes, DOUBLE, Directory, Entry, Form, LONG, LONG8, PREDICTOR, RATIONAL, SHORT, UNDEFINED,
};
use metadata::{BandMetadata, decimal};

const SUBFILE_TYPE: u16 = 254;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const STRIP_OFFSETS: u16 = 273;
const SAMPLES: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTES: u16 = 279;
const PLANAR: u16 = 284;
const COLOR_MAP: u16 = 320;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;
const SUB_IFDS: u16 = 330;
const EXTRA_SAMPLES: u16 = 338;
const FORMAT: u16 = 339;
const PIXEL_SCALE: u16 = 33550;
const TIEPOINTS: u16 = 33922;
const MATRIX: u16 = 34264;
const GEO_KEYS: u16 = 34735;
const GEO_DOUBLES: u16 = 34736;
const GEO_TEXT: u16 = 34737;
const METADATA: u16 = 42112;
const NODATA: u16 = 42113;

/// Tags that change nothing in a header, with the types they come in: texts, the resolution on paper (see `tags`), XMP.
const HARMLESS: [(u16, &[u16]); 14] = [
    (269, &[ASCII]),
    (270, &[ASCII]),
    (271, &[ASCII]),
    (272, &[ASCII]),
    (282, &[RATIONAL]),
    (283, &[RATIONAL]),
    (285, &[ASCII]),
    (296, &[SHORT]),
    (305, &[ASCII]),
    (306, &[ASCII]),
    (315, &[ASCII]),
    (316, &[ASCII]),
    (700, &[BYTE, UNDEFINED]),
    (33432, &[ASCII]),
];

/// None, LZW, deflate under its two numbers, PackBits, ZSTD and LZMA.
const COMPRESSIONS: [u64; 7] = [1, 5, 8, 32946, 32773, 34925, 50000];
/// Those that take a predictor.
const PREDICTED: [u64; 5] = [5, 8, 32946, 34925, 50000];
/// libtiff cuts one uncompressed strip into strips of about this many bytes.
const STRIP_BYTES_DEFAULT: u64 = 8192;
const MAX_BANDS: u64 = 1024;
const MAX_IMAGES: usize = 64;
/// Geokeys are a few hundred bytes; what is kept of them has a bound.
const MAX_KEYS: usize = 8192;
const MAX_KNOWN: usize = 4096;

/// A header without its CRS, and the geokeys that tell it.
#[derive(Debug, Clone)]
struct Draft {
    header: Header,
    tags: Tags,
    /// Keys, numbers and texts, in one byte order whatever the file's.
    keys: Vec<u8>,
}

/// What a set of geokeys says.
#[derive(Debug, Clone, PartialEq)]
struct CrsAndUnit {
    crs: Option<String>,
    /// A vertical CRS gives its unit to bands that have none.
    unit: Option<String>,
}

/// The header of a GeoTIFF, where it is certain; `siblings` are the names beside the file that begin like its
/// stem.
pub fn header(sight: &Sight, siblings: &[String]) -> Option<Header> {
    header_and_tags(sight, siblings).map(|(header, _)| header)
}

/// The header of a GeoTIFF and its tags, where both are certain.
pub fn header_and_tags(sight: &Sight, siblings: &[String]) -> Option<(Header, Tags)> {
    let location = sight.location();
    if sight.kind() != FileKind::File
        || location.is_subdataset()
        || !alone(location, siblings)
        || !plain_settings()
    {
        return None;
    }
    let size = sight.stamp().size;
    let draft = match location.address() {
        Address::Url(url) => {
            let file = remote::open(url).ok()?;
            let whole = |offset, buffer: &mut [u8]| file.read_at(offset, buffer).ok() == Some(buffer.len());
            read(&mut Bytes::new(size, &|offset, buffer| whole(offset, buffer).then_some(())))?
        }
        Address::Local(path) => {
            // Most headers lie within the first bytes, and the file need not be opened again.
            let file = OnceCell::new();
            let rest = |offset, buffer: &mut [u8]| {
                let file: &Option<File> = file.get_or_init(|| File::open(path).ok());
                file.as_ref()?.read_exact_at(buffer, offset).ok()
            };
            let fetch = |offset: u64, buffer: &mut [u8]| match within(sight.head(), offset, buffer.len()) {
                Some(bytes) => {
                    buffer.copy_from_slice(bytes);
                    Some(())
                }
                None => rest(offset, buffer),
            };
            read(&mut Bytes::new(size, &fetch))?
        }
    };
    let found = match KNOWN.get(&draft.keys) {
        Some(known) => draft.with(&known?),
        None => return learn(&draft, sight, siblings),
    };
    READ_HERE.fetch_add(1, Relaxed);
    Some(found)
}

/// Headers that were read here since the process began, without GDAL.
pub fn headers_read() -> u64 {
    READ_HERE.load(Relaxed)
}

static READ_HERE: AtomicU64 = AtomicU64::new(0);

/// Bytes of the head, where it holds all of them.
fn within(head: &[u8], offset: u64, length: usize) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    head.get(start..start.checked_add(length)?)
}

/// True when the file stands in its listing, and nothing beside it that GDAL might read with it.
fn alone(location: &Location, siblings: &[String]) -> bool {
    const FOREIGN: [&str; 10] =
        ["json", "geojson", "txt", "csv", "jpg", "jpeg", "png", "pdf", "md5", "parquet"];
    let path = Path::new(location.file());
    let (Some(name), Some(stem)) = (path.file_name(), path.file_stem()) else { return false };
    let (Some(name), Some(stem)) = (name.to_str(), stem.to_str()) else { return false };
    let harmless = |sibling: &String| {
        let rest = sibling.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.'));
        sibling == name || rest.is_none_or(|rest| FOREIGN.contains(&rest.to_ascii_lowercase().as_str()))
    };
    siblings.iter().any(|sibling| sibling == name) && siblings.iter().all(harmless)
}

/// False when the user changes how GDAL reads GeoTIFFs.
fn plain_settings() -> bool {
    static PLAIN: OnceLock<bool> = OnceLock::new();
    *PLAIN.get_or_init(|| {
        !gdal::any_option(&[
            "GTIFF_POINT_GEO_IGNORE",
            "GTIFF_REPORT_COMPD_CS",
            "GTIFF_SRS_SOURCE",
            "GDAL_GEOREF_SOURCES",
            "GDAL_PAM_PROXY_DIR",
            "GDAL_DISABLE_READDIR_ON_OPEN",
            "GDAL_SKIP",
        ])
    })
}

/// By geokeys; `None` where the two ways of reading do not agree.
static KNOWN: Shared<Vec<u8>, Option<CrsAndUnit>> = Shared::new(MAX_KNOWN);

/// GDAL's header and tags of the first file of a set of geokeys, from which the set's CRS is learnt.
fn learn(draft: &Draft, sight: &Sight, siblings: &[String]) -> Option<(Header, Tags)> {
    let raster = Raster::open(sight, Some(siblings)).ok()?;
    let (header, tags) = (raster.header(), raster.tags().ok()?);
    let bands = draft.header.bands.iter().zip(&header.bands);
    // A file whose bands all have units of their own does not tell the CRS's.
    if let Some(unit) = bands.clone().find(|(band, _)| band.unit.is_none()).map(|(_, band)| &band.unit) {
        let known = CrsAndUnit { crs: header.crs.clone(), unit: unit.clone() };
        let (own, own_tags) = draft.clone().with(&known);
        let equal = own_tags == tags && own.same(header);
        KNOWN.insert(draft.keys.clone(), equal.then_some(known));
    }
    Some((header.as_ref().clone(), tags))
}

impl Draft {
    fn with(self, known: &CrsAndUnit) -> (Header, Tags) {
        let mut header = self.header;
        header.crs.clone_from(&known.crs);
        for band in &mut header.bands {
            if band.unit.is_none() {
                band.unit.clone_from(&known.unit);
            }
        }
        (header, self.tags)
    }
}

fn read(bytes: &mut Bytes<'_>) -> Option<Draft> {
    let (form, offset) = directory::start(bytes)?;
    let image = Directory::read(bytes, form, offset)?;
    let known = |entry: &Entry| {
        let harmless = HARMLESS.iter().any(|(tag, kinds)| *tag == entry.tag && kinds.contains(&entry.kind));
        harmless || is_read(entry.tag)
    };
    if !image.entries().iter().all(known) || image.has(SUBFILE_TYPE) && is_other(bytes, &image)? {
        return None;
    }
    no_mask(bytes, form, image.next)?;
    let (height, width) = (side(bytes, &image, HEIGHT)?, side(bytes, &image, WIDTH)?);
    let pixel = Pixel::read(bytes, &image)?;
    let block = block(bytes, &image, (height, width), &pixel)?;
    let mut tags = tags::read(bytes, &image)?;
    let metadata = match image.find(METADATA) {
        None => vec![BandMetadata::default(); pixel.samples],
        Some(entry) => metadata::read(&text(bytes, &image, entry)?, pixel.samples, &mut tags)?,
    };
    let nodata = match image.find(NODATA) {
        None => None,
        Some(entry) => nodata(&text(bytes, &image, entry)?, pixel.dtype)?,
    };
    let (keys, is_point) = geokeys(bytes, &image)?;
    if let Some(is_point) = is_point {
        tags::set(&mut tags, "AREA_OR_POINT", if is_point { "Point" } else { "Area" }.into())?;
    }
    let transform = transform(bytes, &image, is_point == Some(true), pixel.samples)?;
    let band = |metadata: BandMetadata| Band {
        name: metadata.description,
        dtype: pixel.dtype,
        nodata,
        scale: metadata.scale.filter(|scale| *scale != 1.0),
        offset: metadata.offset.filter(|offset| *offset != 0.0),
        unit: metadata.unit,
        masked: false,
        variable: None,
    };
    let bands = metadata.into_iter().map(band).collect();
    let driver = "GTiff".to_string();
    let together = pixel.together && pixel.samples > 1;
    let transform = Some(transform);
    let header = Header { driver, height, width, transform, crs: None, bands, block, together };
    Some(Draft { header, tags, keys })
}

/// Tags whose value is looked at.
fn is_read(tag: u16) -> bool {
    let image =
        matches!(tag, SUBFILE_TYPE | WIDTH | HEIGHT | BITS | COMPRESSION | PHOTOMETRIC | SAMPLES | PLANAR);
    let pixel = matches!(tag, PREDICTOR | COLOR_MAP | EXTRA_SAMPLES | FORMAT | METADATA | NODATA);
    let block = matches!(tag, STRIP_OFFSETS | STRIP_BYTES | ROWS_PER_STRIP)
        || matches!(tag, TILE_WIDTH | TILE_HEIGHT | TILE_OFFSETS | TILE_BYTES);
    let georeference = matches!(tag, PIXEL_SCALE | TIEPOINTS | MATRIX | GEO_KEYS | GEO_DOUBLES | GEO_TEXT);
    image || pixel || block || georeference
}

/// True for a reduced image, a page or a mask.
fn is_other(bytes: &mut Bytes<'_>, image: &Directory) -> Option<bool> {
    Some(image.integer(bytes, SUBFILE_TYPE)? != 0)
}

/// `Some` when no further image of the file is a mask: overviews change nothing in a header.
fn no_mask(bytes: &mut Bytes<'_>, form: Form, mut next: u64) -> Option<()> {
    const MASK: u64 = 4;
    const OLD_SUBFILE_TYPE: u16 = 255;
    for _ in 0..MAX_IMAGES {
        if next == 0 {
            return Some(());
        }
        let image = Directory::read(bytes, form, next)?;
        let kind = if image.has(SUBFILE_TYPE) { image.integer(bytes, SUBFILE_TYPE)? } else { 0 };
        if kind & MASK != 0 || image.has(SUB_IFDS) || image.has(OLD_SUBFILE_TYPE) {
            return None;
        }
        next = image.next;
    }
    None
}

/// Width or height, as far as GDAL takes it.
fn side(bytes: &mut Bytes<'_>, image: &Directory, tag: u16) -> Option<usize> {
    let side = image.integer(bytes, tag)?;
    (1..=i32::MAX as u64).contains(&side).then_some(side as usize)
}

fn text(bytes: &mut Bytes<'_>, image: &Directory, entry: &Entry) -> Option<String> {
    let mut text = image.text(bytes, entry)?;
    text.pop();
    String::from_utf8(text).ok()
}

/// What the samples of a pixel are.
struct Pixel {
    samples: usize,
    dtype: Dtype,
    /// Samples lie beside each other, not in planes.
    together: bool,
    compression: u64,
}

impl Pixel {
    fn read(bytes: &mut Bytes<'_>, image: &Directory) -> Option<Pixel> {
        let samples = if image.has(SAMPLES) { image.integer(bytes, SAMPLES)? } else { 1 };
        if samples == 0 || samples > MAX_BANDS {
            return None;
        }
        let bits = alike(bytes, image, BITS, samples)?;
        let format = if image.has(FORMAT) { alike(bytes, image, FORMAT, samples)? } else { 1 };
        let dtype = match (format, bits) {
            (1, 8) => Dtype::UInt8,
            (1, 16) => Dtype::UInt16,
            (1, 32) => Dtype::UInt32,
            (1, 64) => Dtype::UInt64,
            (2, 8) => Dtype::Int8,
            (2, 16) => Dtype::Int16,
            (2, 32) => Dtype::Int32,
            (2, 64) => Dtype::Int64,
            (3, 32) => Dtype::Float32,
            (3, 64) => Dtype::Float64,
            _ => return None,
        };
        let compression = if image.has(COMPRESSION) { image.integer(bytes, COMPRESSION)? } else { 1 };
        let predictor = if image.has(PREDICTOR) { image.integer(bytes, PREDICTOR)? } else { 1 };
        let planar = if image.has(PLANAR) { image.integer(bytes, PLANAR)? } else { 1 };
        let sound = COMPRESSIONS.contains(&compression)
            && (predictor == 1 || (2..=3).contains(&predictor) && PREDICTED.contains(&compression))
            && (1..=2).contains(&planar);
        if !sound || !plain_colors(bytes, image, samples, bits)? {
            return None;
        }
        Some(Pixel { samples: samples as usize, dtype, together: planar == 1, compression })
    }

    /// Bytes that `rows` rows of a strip take uncompressed.
    fn strip_bytes(&self, rows: u64, width: u64) -> Option<u64> {
        let samples = if self.together { self.samples as u64 } else { 1 };
        rows.checked_mul(width)?.checked_mul(samples * self.dtype.size() as u64)
    }
}

/// Grey, RGB or a palette, without alpha, which would be the mask of the other bands.
fn plain_colors(bytes: &mut Bytes<'_>, image: &Directory, samples: u64, bits: u64) -> Option<bool> {
    let palette = match image.integer(bytes, PHOTOMETRIC)? {
        0..=2 => false,
        3 => true,
        _ => return Some(false),
    };
    let map = image.find(COLOR_MAP);
    let is_map = |map: &Entry| bits <= 16 && map.kind == SHORT && map.count == 3 << bits;
    if palette != map.is_some() || !map.is_none_or(is_map) {
        return Some(false);
    }
    Some(match image.find(EXTRA_SAMPLES) {
        None => true,
        Some(extra) if extra.kind != SHORT || extra.count == 0 || extra.count > samples => false,
        Some(extra) => image.integers(bytes, extra)?.iter().all(|kind| *kind == 0),
    })
}

/// The one value that a tag has for every sample.
fn alike(bytes: &mut Bytes<'_>, image: &Directory, tag: u16, samples: u64) -> Option<u64> {
    let entry = image.find(tag)?;
    if entry.kind != SHORT || entry.count != samples {
        return None;
    }
    let values = image.integers(bytes, entry)?;
    let first = *values.first()?;
    values.iter().all(|value| *value == first).then_some(first)
}

/// Rows and columns of a block, where the file lists as many blocks as its sides ask for.
fn block(
    bytes: &mut Bytes<'_>,
    image: &Directory,
    (height, width): (usize, usize),
    pixel: &Pixel,
) -> Option<(usize, usize)> {
    let planes = if pixel.together { 1 } else { pixel.samples as u64 };
    let (height, width) = (height as u64, width as u64);
    let tiled = [TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES].map(|tag| image.has(tag));
    let striped = [ROWS_PER_STRIP, STRIP_OFFSETS, STRIP_BYTES].map(|tag| image.has(tag));
    let lists = |tags: [u16; 2], count: u64| {
        let is_list = |entry: &Entry| [SHORT, LONG, LONG8].contains(&entry.kind) && entry.count == count;
        tags.iter().all(|tag| image.find(*tag).is_some_and(is_list)) && count <= i32::MAX as u64
    };
    if tiled == [true; 4] && striped == [false; 3] {
        let (rows, cols) = (image.integer(bytes, TILE_HEIGHT)?, image.integer(bytes, TILE_WIDTH)?);
        let sound = |side: u64| (16..=1 << 20).contains(&side) && side.is_multiple_of(16);
        let count = || height.div_ceil(rows).checked_mul(width.div_ceil(cols))?.checked_mul(planes);
        let listed = sound(rows) && sound(cols) && lists([TILE_OFFSETS, TILE_BYTES], count()?);
        return listed.then_some((rows as usize, cols as usize));
    }
    if tiled != [false; 4] || striped != [true; 3] {
        return None;
    }
    let rows = image.integer(bytes, ROWS_PER_STRIP)?.min(height);
    if rows == 0 || !lists([STRIP_OFFSETS, STRIP_BYTES], height.div_ceil(rows).checked_mul(planes)?) {
        return None;
    }
    // libtiff cuts up uncompressed strips above 2 GiB.
    if pixel.compression == 1 && pixel.strip_bytes(rows, width)? > i32::MAX as u64 {
        return None;
    }
    let rows = if rows == height { one_strip(bytes, image, height, width, pixel)? } else { rows };
    Some((rows as usize, width as usize))
}

/// Rows of a block of a raster in one strip a plane, which libtiff and GDAL may cut up.
fn one_strip(
    bytes: &mut Bytes<'_>,
    image: &Directory,
    height: u64,
    width: u64,
    pixel: &Pixel,
) -> Option<u64> {
    // GDAL hands out such a strip row by row.
    if pixel.dtype.size() == 1 && height > 2000 {
        return None;
    }
    let whole = pixel.strip_bytes(height, width)?;
    if pixel.together || pixel.samples == 1 {
        // libtiff mends a strip whose size looks wrong.
        let (offset, size) = (image.integer(bytes, STRIP_OFFSETS)?, image.integer(bytes, STRIP_BYTES)?);
        let inside = offset.checked_add(size)? <= bytes.size;
        if offset == 0 || size == 0 || !inside || (pixel.compression == 1 && size != whole) {
            return None;
        }
    }
    if pixel.compression != 1 || !pixel.together {
        return Some(height);
    }
    let row = pixel.strip_bytes(1, width)?;
    let rows = if row > STRIP_BYTES_DEFAULT { 1 } else { STRIP_BYTES_DEFAULT / row };
    let many = height.div_ceil(rows.min(height)) > 1_000_000;
    (!many).then_some(rows.min(height))
}

/// The nodata of all bands; an empty text is none.
fn nodata(text: &str, dtype: Dtype) -> Option<Option<Nodata>> {
    if text.is_empty() {
        return Some(None);
    }
    Some(Some(match dtype {
        Dtype::Int64 => Nodata::Integer(integer(text)?.parse::<i64>().ok()?.into()),
        Dtype::UInt64 => Nodata::Integer(integer(text)?.parse::<u64>().ok()?.into()),
        dtype => {
            let value = match text {
                "nan" => f64::NAN,
                "inf" => f64::INFINITY,
                "-inf" => f64::NEG_INFINITY,
                text => decimal(text)?,
            };
            Nodata::Float(if dtype == Dtype::Float32 { of_float32(value)? } else { value })
        }
    }))
}

fn integer(text: &str) -> Option<&str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.chars().all(|c| c.is_ascii_digit()).then_some(text)
}

/// GDAL gives the value that a float32 holds, and takes what is within a rounding error of the largest for it.
fn of_float32(value: f64) -> Option<f64> {
    let largest = f64::from(f32::MAX);
    let is_near = (value.abs() - largest).abs() < 1e-10 * largest;
    let held = if is_near { largest.copysign(value) } else { f64::from(value as f32) };
    // What overflows, C leaves open.
    (held.is_infinite() == value.is_infinite()).then_some(held)
}

/// The geokeys, and whether a pixel's coordinates are those of its centre, where they say.
fn geokeys(bytes: &mut Bytes<'_>, image: &Directory) -> Option<(Vec<u8>, Option<bool>)> {
    const RASTER_TYPE: u64 = 1025;
    let entry = image.find(GEO_KEYS).filter(|entry| entry.kind == SHORT && entry.count < 1024)?;
    let numbers = image.integers(bytes, entry)?;
    let (head, keys) = numbers.split_at_checked(4)?;
    let [1, 1, _, count] = head else { return None };
    if keys.len() as u64 != count * 4 || *count > 200 {
        return None;
    }
    let mut is_point = None;
    for key in keys.chunks_exact(4) {
        if let [RASTER_TYPE, location, count, value] = key {
            if (*location, *count) != (0, 1) || !(1..=2).contains(value) {
                return None;
            }
            is_point = Some(*value == 2);
        }
    }
    if keys.chunks_exact(4).zip(keys.chunks_exact(4).skip(1)).any(|(a, b)| a.first() >= b.first()) {
        return None;
    }
    let mut all: Vec<u8> = numbers.iter().flat_map(|number| (*number as u16).to_le_bytes()).collect();
    let doubles = match image.find(GEO_DOUBLES) {
        None => Vec::new(),
        Some(entry) => image.doubles(bytes, entry)?,
    };
    all.extend((doubles.len() as u64).to_le_bytes());
    all.extend(doubles.iter().flat_map(|double| double.to_bits().to_le_bytes()));
    if let Some(entry) = image.find(GEO_TEXT) {
        all.extend(image.text(bytes, entry)?);
    }
    (all.len() <= MAX_KEYS).then_some((all, is_point))
}

/// GDAL's six numbers from the scale and the tie point, or from the matrix.
fn transform(bytes: &mut Bytes<'_>, image: &Directory, is_point: bool, bands: usize) -> Option<Affine> {
    let mut numbers = |tag: u16| match image.find(tag) {
        None => Some(Vec::new()),
        Some(entry) => (entry.kind == DOUBLE).then(|| image.doubles(bytes, entry))?,
    };
    let (scale, tie, matrix) = (numbers(PIXEL_SCALE)?, numbers(TIEPOINTS)?, numbers(MATRIX)?);
    let mut c = match (scale.as_slice(), tie.as_slice(), matrix.as_slice()) {
        ([x, y, z], [col, row, at_z, to_x, to_y, to_z], []) => {
            // With heights in play, GDAL may make a scale and an offset of them.
            let heights = [z, at_z, to_z].iter().any(|v| **v != 0.0) && bands == 1;
            if *x == 0.0 || y.is_nan() || *y <= 0.0 || heights {
                return None;
            }
            [to_x - col * x, *x, 0.0, to_y - row * -y, 0.0, -y]
        }
        ([], [], m) if m.len() == 16 => [m[3], m[0], m[1], m[7], m[4], m[5]],
        _ => return None,
    };
    if is_point {
        c[0] -= c[1] * 0.5 + c[2] * 0.5;
        c[3] -= c[4] * 0.5 + c[5] * 0.5;
    }
    Some(Affine(c)).filter(Affine::is_usable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    /// A raster of 40 x 30 int16 pixels in one strip, in UTM zone 29.
    fn tiff(little: bool, big: bool) -> Vec<u8> {
        let number = |value: u64, width: usize| -> Vec<u8> {
            if little {
                value.to_le_bytes()[..width].to_vec()
            } else {
                value.to_be_bytes()[8 - width..].to_vec()
            }
        };
        let shorts = |values: &[u64]| -> Vec<u8> { values.iter().flat_map(|v| number(*v, 2)).collect() };
        let doubles =
            |values: &[f64]| -> Vec<u8> { values.iter().flat_map(|v| number(v.to_bits(), 8)).collect() };
        let keys = [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32629];
        let metadata =
            b"<GDALMetadata>\n<Item name=\"S\" sample=\"0\" role=\"scale\">0.5</Item>\n</GDALMetadata>\n\0";
        let tags: Vec<(u16, u16, Vec<u8>)> = vec![
            (WIDTH, SHORT, shorts(&[40])),
            (HEIGHT, SHORT, shorts(&[30])),
            (BITS, SHORT, shorts(&[16])),
            (COMPRESSION, SHORT, shorts(&[1])),
            (PHOTOMETRIC, SHORT, shorts(&[1])),
            (STRIP_OFFSETS, LONG, number(1000, 4)),
            (SAMPLES, SHORT, shorts(&[1])),
            (ROWS_PER_STRIP, SHORT, shorts(&[30])),
            (STRIP_BYTES, LONG, number(2400, 4)),
            (FORMAT, SHORT, shorts(&[2])),
            (PIXEL_SCALE, DOUBLE, doubles(&[10.0, 20.0, 0.0])),
            (TIEPOINTS, DOUBLE, doubles(&[0.0, 0.0, 0.0, 500_000.0, 4e6, 0.0])),
            (GEO_KEYS, SHORT, shorts(&keys)),
            (METADATA, ASCII, metadata.to_vec()),
            (NODATA, ASCII, b"-5\0".to_vec()),
        ];
        let (word, head) = if big { (8, 16) } else { (4, 8) };
        let mut out = if little { b"II".to_vec() } else { b"MM".to_vec() };
        out.extend(if big { shorts(&[43, 8, 0]) } else { shorts(&[42]) });
        out.extend(number(head as u64, word));
        out.extend(number(tags.len() as u64, if big { 8 } else { 2 }));
        let mut elsewhere: Vec<u8> = Vec::new();
        let after = out.len() + tags.len() * (4 + 2 * word) + word;
        for (tag, kind, value) in &tags {
            let width = match *kind {
                SHORT => 2,
                LONG => 4,
                DOUBLE => 8,
                _ => 1,
            };
            out.extend(shorts(&[u64::from(*tag), u64::from(*kind)]));
            out.extend(number((value.len() / width) as u64, word));
            if value.len() <= word {
                out.extend(value.iter().copied().chain(std::iter::repeat(0)).take(word));
            } else {
                out.extend(number((after + elsewhere.len()) as u64, word));
                elsewhere.extend(value);
            }
        }
        out.extend(number(0, word));
        out.extend(elsewhere);
        out.resize(1000 + 2400, 7);
        out
    }

    fn read_bytes(data: &[u8]) -> Option<Draft> {
        read(&mut Bytes::new(data.len() as u64, &|offset, buffer| {
            let from = usize::try_from(offset).ok()?;
            buffer.copy_from_slice(data.get(from..from + buffer.len())?);
            Some(())
        }))
    }

    #[test]
    fn every_byte_order_and_size_of_offsets_gives_one_header() {
        let drafts = [(true, false), (false, false), (true, true), (false, true)]
            .map(|(little, big)| read_bytes(&tiff(little, big)).unwrap());
        let header = &drafts[0].header;
        assert_eq!((header.height, header.width, header.block), (30, 40, (30, 40)));
        assert_eq!(header.transform, Some(Affine([500_000.0, 10.0, 0.0, 4e6, 0.0, -20.0])));
        let band = &header.bands[0];
        assert_eq!(
            (band.dtype, band.nodata, band.scale),
            (Dtype::Int16, Some(Nodata::Float(-5.0)), Some(0.5))
        );
        for draft in &drafts {
            assert_eq!((&draft.header, &draft.keys), (header, &drafts[0].keys));
            assert_eq!(draft.tags, [("AREA_OR_POINT".to_string(), "Area".to_string())]);
        }
    }

    #[test]
    fn a_damaged_header_is_none_or_a_header_and_reads_little() {
        let mut random = Pcg64::new(3);
        let mut read_well = 0;
        for turn in 0..20_000 {
            let mut data = tiff(turn % 2 == 0, turn % 4 < 2);
            for _ in 0..=turn % 3 {
                let offset = (random.next_u64() % 440) as usize;
                data[offset] = [0, 1, 2, 3, 12, 16, 127, 128, 255][(random.next_u64() % 9) as usize];
            }
            if turn % 10 == 0 {
                data.truncate((random.next_u64() % data.len() as u64) as usize);
            }
            let fetched = std::cell::Cell::new(0);
            let fetch = |offset: u64, buffer: &mut [u8]| {
                fetched.set(fetched.get() + buffer.len());
                let from = usize::try_from(offset).ok()?;
                buffer.copy_from_slice(data.get(from..from + buffer.len())?);
                Some(())
            };
            read_well += usize::from(read(&mut Bytes::new(data.len() as u64, &fetch)).is_some());
            assert!(fetched.get() <= 128 * 4096, "{} bytes were read", fetched.get());
        }
        assert!(read_well > 500, "{read_well}");
    }

    #[test]
    fn what_lies_beside_a_file_is_gdals_to_read() {
        let beside = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
            alone(&Location::parse("/data/a.tif"), &names)
        };
        assert!(beside(&["a.tif"]) && beside(&["a.json", "a.tif", "a1.tif", "ab.tif.aux.xml"]));
        for side in ["a.tif.aux.xml", "a.tfw", "a.tif.msk", "a.tif.ovr", "a.xml", "a.TAB", "a.aux"] {
            assert!(!beside(&["a.tif", side]), "{side}");
        }
        assert!(!beside(&[]) && !beside(&["b.tif"]));
    }
}
