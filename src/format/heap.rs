//! HDF5's global heaps, where texts lie, and which dimensions belong to an array: are their chains sound?
//!
//! The library walks from object to object by their sizes, and one of size zero makes it walk for ever, which the lock
//! on it would pass on to every other file (HDF5 File Format Specification 3.0, III.E). Only the head of a local
//! file is looked at: heaps of dimensions are written before the data.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::{Cause, ReasonResult};
use crate::files::Stamp;
use crate::format::magic::is_hdf5;
use crate::kept::Shared;

/// How far into a file heaps are looked for.
const HEAD: u64 = 1 << 20;
/// Of a heap and of an object in it, when lengths have eight bytes.
const HEADER: usize = 16;
/// Files whose heaps are known to be sound.
const KNOWN: usize = 16_384;

/// Looks at a file of any kind, once in each of its states.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence.
pub fn check(file: &File, state: Stamp) -> ReasonResult<()> {
    static SOUND: Shared<Stamp, ()> = Shared::new(KNOWN);
    let mut start = [0; 2056];
    let read = file.read_at(&mut start, 0).map_err(Cause::from)?;
    if !is_hdf5(start.get(..read).unwrap_or_default()) || SOUND.get(&state).is_some() {
        return Ok(());
    }
    let mut head = vec![0; HEAD.min(state.size) as usize];
    file.read_exact_at(&mut head, 0).map_err(Cause::from)?;
    look(&head)?;
    SOUND.insert(state, ());
    Ok(())
}

fn look(head: &[u8]) -> ReasonResult<()> {
    let mut at = 0;
    while let Some(found) = head.get(at..).and_then(|rest| rest.windows(4).position(|w| w == b"GCOL")) {
        at += found;
        if !is_sound(head.get(at..).unwrap_or_default()) {
            return Err(format!("the heap at byte {at} has an object without an end: it is damaged").into());
        }
        at += 4;
    }
    Ok(())
}

/// False when some object of a heap has no length.
fn is_sound(heap: &[u8]) -> bool {
    let number = |at: usize| {
        let bytes = heap.get(at..at.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    };
    // The signature may also be data.
    let is_heap = heap.get(4..8) == Some(&[1, 0, 0, 0]);
    let Some(size) = number(8).filter(|_| is_heap).and_then(|size| usize::try_from(size).ok()) else {
        return true;
    };
    let mut at = HEADER;
    while at.saturating_add(HEADER) <= size.min(heap.len()) {
        let (Some(index), Some(length)) = (heap.get(at..at + 2), number(at + 8)) else { return true };
        // Object 0 is the free rest, whose length counts its own header.
        let need = if index == [0, 0] {
            length
        } else {
            length.wrapping_add(7 & length.wrapping_neg()).wrapping_add(16)
        };
        match usize::try_from(need).ok().and_then(|need| at.checked_add(need)) {
            Some(next) if next > at => at = next,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::sight::stamp_of;
    use crate::testing::{Folder, damaged};

    fn heap(lengths: &[(u16, u64)]) -> Vec<u8> {
        let mut bytes = b"GCOL\x01\0\0\0".to_vec();
        bytes.extend(256u64.to_le_bytes());
        for (index, length) in lengths {
            bytes.extend(index.to_le_bytes());
            bytes.extend([0; 6]);
            bytes.extend(length.to_le_bytes());
            let data = if *index == 0 { 0 } else { length.div_ceil(8) * 8 };
            bytes.extend(vec![0; usize::try_from(data.min(64)).unwrap()]);
        }
        bytes
    }

    #[test]
    fn an_object_without_length_is_found() {
        assert!(is_sound(&heap(&[(1, 8), (2, 13), (0, 192)])));
        assert!(is_sound(&heap(&[(1, 8), (2, 0), (0, 216)])));
        assert!(!is_sound(&heap(&[(1, 8), (0, 0)])));
        assert!(!is_sound(&heap(&[(1, u64::MAX - 15)])));
        assert!(is_sound(b"GCOLOUR is a word"));
    }

    #[test]
    fn damage_is_sound_or_not_and_the_walk_ends() {
        let bytes = heap(&[(1, 8), (2, 13), (3, 40), (0, 80)]);
        let sound = damaged(&bytes, 5000, 4096, is_sound);
        assert!((1..5000).contains(&sound), "{sound}");
    }

    #[test]
    fn a_file_is_checked_heap_by_heap_wherever_they_stand() {
        let folder = Folder::new();
        let file = |heaps: &[Vec<u8>]| {
            let mut bytes = b"\x89HDF\r\n\x1a\n and more".to_vec();
            heaps.iter().for_each(|heap| bytes.extend([b"...", heap.as_slice()].concat()));
            let file = File::open(folder.write("a.h5", &bytes)).unwrap();
            let state = stamp_of(&file.metadata().unwrap());
            check(&file, state)
        };
        let (sound, endless) = (heap(&[(1, 8), (0, 216)]), heap(&[(1, 8), (0, 0)]));
        assert_eq!(file(&[sound.clone(), sound.clone()]), Ok(()));
        assert_eq!(file(&[sound.clone(), sound.clone()]), Ok(()));
        assert!(file(&[sound, endless]).unwrap_err().text().contains("an object without an end"));
    }
}
