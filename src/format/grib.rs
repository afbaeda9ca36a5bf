//! GRIB's messages, as far as GDAL needs help with them: which of their packings it can not unpack, and whether several
//! fields share one.
//!
//! GDAL gives zeros for second-order packing of edition 1, and for a field that shares its message the one that was
//! read before it. The grammar is that of WMO's Manual on Codes, FM 92.

use crate::files::Location;
use crate::files::reader::Reader;

/// What the messages of a file are like.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Messages {
    /// Some message holds several fields.
    pub shared: bool,
    /// Some field is packed by second order, in edition 1.
    pub second_order: bool,
    /// A packing that this GDAL was built without.
    pub foreign: Option<&'static str>,
}

pub const SECOND_ORDER: &str = "it has fields packed by second order, which GDAL does not unpack";

/// Messages of one file, sections of one message, and bytes between two messages: beyond these a file is damaged.
const MAX_MESSAGES: usize = 1 << 20;
const MAX_SECTIONS: usize = 1 << 12;
const MAX_GAP: u64 = 1 << 16;

/// Looks at the head of every section; what is damaged is left for GDAL to say.
pub fn messages(location: &Location) -> Messages {
    let mut found = Messages::default();
    let Ok(file) = Reader::open(location) else { return found };
    let Ok(size) = file.size() else { return found };
    let mut at = 0;
    for _ in 0..MAX_MESSAGES {
        let Some(begin) = next_message(&file, at, size) else { break };
        let Some(length) = message(&file, begin, &mut found).filter(|length| *length >= 8) else { break };
        at = begin.saturating_add(length);
    }
    found
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

/// The length of a message.
fn message(file: &Reader, begin: u64, found: &mut Messages) -> Option<u64> {
    let head: [u8; 16] = bytes(file, begin)?;
    let [_, _, _, _, a, b, c, edition, product @ ..] = head;
    if edition != 2 {
        let [x, y, z, _, _, _, _, flags] = product;
        let mut at = begin + 8 + three([x, y, z]);
        // The description of the grid, and the bit map.
        for flag in [0x80, 0x40] {
            if flags & flag != 0 {
                at += three(bytes(file, at)?);
            }
        }
        let [.., packing] = bytes::<4>(file, at)?;
        found.second_order |= packing & 0x40 != 0;
        return Some(three([a, b, c]));
    }
    let length = u64::from_be_bytes(product);
    let (mut at, end) = (begin + 16, begin.checked_add(length)?);
    let mut fields = 0;
    for _ in 0..MAX_SECTIONS {
        if at + 11 > end {
            break;
        }
        let [a, b, c, d, number, _, _, _, _, e, f] = bytes::<11>(file, at)?;
        let section = u64::from(u32::from_be_bytes([a, b, c, d]));
        if section < 5 {
            break;
        }
        match (number, u16::from_be_bytes([e, f])) {
            (5, 40 | 40_000) => found.foreign = Some("JPEG 2000"),
            (5, 42) => found.foreign = Some("CCSDS (AEC)"),
            (7, _) => fields += 1,
            _ => {}
        }
        at = at.saturating_add(section);
    }
    found.shared |= fields > 1;
    Some(length)
}
