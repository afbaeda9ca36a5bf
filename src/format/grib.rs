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

    fn seen(bytes: &[u8]) -> Messages {
        let folder = Folder::new();
        messages(&Location::plain(&folder.write("a.grib", bytes)))
    }

    const PLAIN: Messages = Messages { shared: false, second_order: false, foreign: None };

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
