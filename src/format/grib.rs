//! GRIB's messages, as far as GDAL needs help with them: which packings it cannot unpack, what shares a message, where
//! the grid of each field lies, and which of its points hold no value.
//!
//! GDAL gives zeros for second-order packing of edition 1, and for a field that shares its message the one that was
//! read before it; it lays Gaussian latitudes out in even steps, takes the first point of rows that run west for the
//! westernmost, and tells points without a value by 9999. The grammar is that of WMO's Manual on Codes, FM 92.

mod grid;

pub use grid::{Correction, Grid};

use std::sync::Arc;

use crate::error::{Cause, ReasonResult};
use crate::files::Location;
use crate::files::reader::Reader;

/// What the messages of a file are like.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Messages {
    /// Some message holds several fields.
    pub shared: bool,
    /// Some field is packed by second order, in edition 1.
    pub second_order: bool,
    /// A packing that this GDAL was built without.
    pub foreign: Option<&'static str>,
    /// In file order, which is the order of GDAL's bands.
    pub fields: Vec<Field>,
    /// What is wrong with a message, as the rest of a sentence.
    pub damage: Option<String>,
}

/// One field: a quantity on a level at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The grid of its values.
    pub grid: Arc<Grid>,
    bitmap: Option<Bitmap>,
}

/// Where the bits lie that say which points have a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bitmap {
    at: u64,
    bytes: u64,
}

/// Why a file is refused.
pub const SECOND_ORDER: &str = "it has fields packed by second order, which GDAL does not unpack";

/// Messages of one file, sections of one message, and bytes between two messages: beyond these a file is damaged.
const MAX_MESSAGES: usize = 1 << 20;
const MAX_SECTIONS: usize = 1 << 12;
const MAX_GAP: u64 = 1 << 16;
/// A description of a grid that is longer than this is none of those that are looked into.
const MAX_GRID: u64 = 256;
/// Points of one field: a damaged header may say any number.
const MAX_POINTS: u64 = 1 << 32;

/// Looks at the head of every section.
pub fn messages(location: &Location) -> Messages {
    let mut found = Messages::default();
    let Ok(file) = Reader::open(location) else { return found };
    let Ok(size) = file.size() else { return found };
    let mut at = 0;
    for _ in 0..MAX_MESSAGES {
        let Some(begin) = next_message(&file, at, size) else { break };
        let Some(length) = message(&file, begin, &mut found).filter(|length| *length >= 8) else { break };
        let end = begin.saturating_add(length);
        if end > size || bytes::<4>(&file, end.saturating_sub(4)) != Some(*b"7777") {
            let says = match end > size {
                true => format!("the file ends at byte {size}"),
                false => "no message ends there".into(),
            };
            found.damage = Some(format!(
                "its message at byte {begin} says that it has {length} bytes, and {says}: it is truncated or damaged"
            ));
            break;
        }
        at = end;
    }
    found
}

impl Messages {
    /// Why no field can be read: a damaged message, or a grid that has no rows and columns.
    pub fn refusal(&self) -> Option<String> {
        let grids = || self.fields.iter().find_map(|field| field.grid.refusal());
        self.damage.clone().or_else(grids)
    }

    /// The one grid of some fields.
    ///
    /// # Errors
    /// They lie on several; two are named.
    pub fn one_grid(fields: &[Field]) -> ReasonResult<Option<&Arc<Grid>>> {
        let Some(first) = fields.first() else { return Ok(None) };
        match fields.iter().find(|field| field.grid != first.grid) {
            None => Ok(Some(&first.grid)),
            Some(other) => Err(format!(
                "lies on several grids, {} and {}: write each grid into a file of its own, by grib_copy or cdo splitgrid",
                first.grid, other.grid
            ).into()),
        }
    }
}

impl Field {
    /// Whether some points have no value.
    pub fn has_bitmap(&self) -> bool {
        self.bitmap.is_some()
    }

    /// Which points have a value, row by row from the south, each from west to east; `None` when all have.
    ///
    /// # Errors
    /// The bits cannot be read.
    pub fn present(&self, location: &Location) -> ReasonResult<Option<Vec<bool>>> {
        let Some(Bitmap { at, bytes }) = self.bitmap else { return Ok(None) };
        let fail = |reason: Cause| reason.within("its bit map cannot be read");
        let file = Reader::open(location).map_err(|e| fail(e.into()))?;
        let points = self.grid.width.saturating_mul(self.grid.height);
        if points > MAX_POINTS || points > bytes.saturating_mul(8) {
            return Err(fail(format!("it has {bytes} bytes for {points} points").into()));
        }
        let mut bits = vec![0; points.div_ceil(8) as usize];
        file.read_exact_at(&mut bits, at).map_err(|e| fail(e.into()))?;
        let mut present = vec![false; points as usize];
        for index in 0..points {
            let bit = bits.get((index / 8) as usize).is_some_and(|byte| byte >> (7 - index % 8) & 1 == 1);
            let (x, y) = self.grid.position(index);
            if let Some(point) = present.get_mut((y * self.grid.width + x) as usize) {
                *point = bit;
            }
        }
        Ok(Some(present))
    }
}

fn bytes<const N: usize>(file: &Reader, at: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

fn next_message(file: &Reader, at: u64, size: u64) -> Option<u64> {
    if bytes::<4>(file, at)? == *b"GRIB" {
        return Some(at);
    }
    let mut gap = vec![0; MAX_GAP.min(size.saturating_sub(at)) as usize];
    file.read_exact_at(&mut gap, at).ok()?;
    gap.windows(4).position(|word| word == b"GRIB").map(|skip| at + skip as u64)
}

fn three([a, b, c]: [u8; 3]) -> u64 {
    u32::from_be_bytes([0, a, b, c]).into()
}

/// A section's first bytes, as many as say where the grid lies.
fn section(file: &Reader, at: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length.min(MAX_GRID) as usize];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

/// The length of a message.
fn message(file: &Reader, begin: u64, found: &mut Messages) -> Option<u64> {
    let head: [u8; 16] = bytes(file, begin)?;
    let [_, _, _, _, a, b, c, edition, product @ ..] = head;
    if edition == 2 {
        return message_2(file, begin, u64::from_be_bytes(product), found);
    }
    let [x, y, z, _, _, _, _, flags] = product;
    let mut at = begin + 8 + three([x, y, z]);
    let mut grid = Grid::unknown();
    let mut bitmap = None;
    if flags & 0x80 != 0 {
        let length = three(bytes(file, at)?);
        grid = Grid::of_edition_1(&section(file, at, length)?);
        at += length;
    }
    if flags & 0x40 != 0 {
        let [x, y, z, _unused, table, number] = bytes::<6>(file, at)?;
        let length = three([x, y, z]);
        // A map by its number in a table stands elsewhere.
        bitmap = (table == 0 && number == 0).then(|| Bitmap { at: at + 6, bytes: length.saturating_sub(6) });
        at += length;
    }
    let [x, y, z, packing] = bytes::<4>(file, at)?;
    found.second_order |= packing & 0x40 != 0;
    found.fields.push(Field { grid: Arc::new(grid), bitmap });
    let (length, data) = (three([a, b, c]), three([x, y, z]));
    // Beyond 8 MiB, ECMWF counts in 120 bytes, and tells in the data section's length what is too much.
    Some(match length & 0x80_0000 != 0 && data < 120 {
        true => (length & 0x7f_ffff) * 120 - data + 4,
        false => length,
    })
}

fn message_2(file: &Reader, begin: u64, length: u64, found: &mut Messages) -> Option<u64> {
    let (mut at, end) = (begin + 16, begin.checked_add(length)?);
    let mut fields = 0;
    let mut grid = Arc::new(Grid::unknown());
    let (mut bitmap, mut known) = (None, None);
    for _ in 0..MAX_SECTIONS {
        // The message ends in four letters; a field of one value has no bytes of data.
        if at + 9 > end {
            break;
        }
        let [a, b, c, d, number] = bytes::<5>(file, at)?;
        let length = u64::from(u32::from_be_bytes([a, b, c, d]));
        if length < 5 {
            break;
        }
        match number {
            3 => grid = Arc::new(Grid::of_edition_2(&section(file, at, length)?)),
            5 => match u16::from_be_bytes(bytes::<2>(file, at + 9)?) {
                40 | 40_000 => found.foreign = Some("JPEG 2000"),
                42 => found.foreign = Some("CCSDS (AEC)"),
                _ => {}
            },
            6 => {
                let [indicator] = bytes::<1>(file, at + 5)?;
                bitmap = match indicator {
                    0 => Some(Bitmap { at: at + 6, bytes: length.saturating_sub(6) }),
                    254 => known,
                    _ => None,
                };
                known = bitmap.or(known);
            }
            7 => {
                fields += 1;
                found.fields.push(Field { grid: grid.clone(), bitmap });
            }
            _ => {}
        }
        at = at.saturating_add(length);
    }
    found.shared |= fields > 1;
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, damaged};

    /// A message of edition 2 with a field for each template of packing.
    fn edition_2(templates: &[u16]) -> Vec<u8> {
        let section = |number: u8, rest: &[u8]| {
            let mut out = ((5 + rest.len()) as u32).to_be_bytes().to_vec();
            out.push(number);
            out.extend(rest);
            out
        };
        let mut body = section(1, &[0; 16]);
        body.extend(section(3, &[0; 20]));
        for template in templates {
            let [high, low] = template.to_be_bytes();
            body.extend(section(4, &[0; 20]));
            body.extend(section(5, &[0, 0, 0, 9, high, low, 0, 0]));
            body.extend(section(6, &[255]));
            body.extend(section(7, &[1; 12]));
        }
        body.extend(b"7777");
        let mut out = b"GRIB\0\0\0\x02".to_vec();
        out.extend((16 + body.len() as u64).to_be_bytes());
        out.extend(body);
        out
    }

    /// A message of edition 1 with a grid and the flags of its packing.
    fn edition_1(packing: u8) -> Vec<u8> {
        let mut product = vec![0, 0, 28, 0, 0, 0, 0, 0x80];
        product.resize(28, 0);
        let mut grid = vec![0, 0, 32];
        grid.resize(32, 0);
        let data = [0, 0, 12, packing, 0, 0, 0, 0, 0, 0, 0, 0];
        let length = (8 + product.len() + grid.len() + data.len() + 4) as u32;
        let mut out = b"GRIB".to_vec();
        out.extend(&length.to_be_bytes()[1..]);
        out.push(1);
        out.extend([product, grid, data.to_vec(), b"7777".to_vec()].concat());
        out
    }

    /// What is told of a file, but for its fields.
    fn seen(bytes: &[u8]) -> Messages {
        let folder = Folder::new();
        let found = messages(&Location::plain(&folder.write("a.grib", bytes)));
        Messages { fields: Vec::new(), ..found }
    }

    const PLAIN: Messages =
        Messages { shared: false, second_order: false, foreign: None, fields: Vec::new(), damage: None };

    #[test]
    fn several_fields_in_one_message_are_shared_and_several_messages_are_not() {
        assert_eq!(seen(&edition_2(&[0])), PLAIN);
        assert_eq!(seen(&[edition_2(&[0]), edition_2(&[0])].concat()), PLAIN);
        assert_eq!(seen(&edition_2(&[0, 0])), Messages { shared: true, ..PLAIN });
        assert_eq!(seen(&[edition_2(&[0]), edition_2(&[0, 0])].concat()), Messages { shared: true, ..PLAIN });
    }

    #[test]
    fn packings_that_gdal_lacks_are_named() {
        for (template, name) in [(40, "JPEG 2000"), (40_000, "JPEG 2000"), (42, "CCSDS (AEC)")] {
            assert_eq!(seen(&edition_2(&[template])), Messages { foreign: Some(name), ..PLAIN });
        }
        assert_eq!(seen(&edition_2(&[3])), PLAIN);
    }

    #[test]
    fn second_order_packing_of_edition_1_is_seen_behind_other_messages() {
        assert_eq!(seen(&edition_1(0x00)), PLAIN);
        assert_eq!(seen(&edition_1(0x40)), Messages { second_order: true, ..PLAIN });
        // Bytes between two messages are passed over, as long as they are few.
        let far = |gap: usize| [edition_1(0), vec![0; gap], edition_1(0x40)].concat();
        assert_eq!(seen(&far(1000)), Messages { second_order: true, ..PLAIN });
        assert_eq!(seen(&far(2 * MAX_GAP as usize)), PLAIN);
    }

    #[test]
    fn what_is_no_grib_has_no_messages() {
        assert_eq!(seen(b""), PLAIN);
        assert_eq!(seen(b"GRIB"), PLAIN);
        assert_eq!(messages(&Location::plain("/nowhere/a.grib")), PLAIN);
    }

    #[test]
    fn damage_ends_the_search() {
        let folder = Folder::new();
        let bytes = [edition_2(&[0, 42]), edition_1(0x40), edition_2(&[0])].concat();
        let told = damaged(&bytes, 3000, 1 << 17, |bytes| {
            messages(&Location::plain(&folder.write("a.grib", bytes))) != PLAIN
        });
        assert!((1..3000).contains(&told), "{told}");
    }
}
