//! Bytes damaged by seed. What reads bytes that nobody vouches for must take every one of them: an error is an answer,
//! a panic, a hang and memory for what is not there are none.

use std::time::{Duration, Instant};

use crate::testing::Draw;
use crate::testing::memory::largest;

/// No reading of a few KB takes longer, also on a machine that is busy.
const LONGEST: Duration = Duration::from_secs(5);

/// Damages bytes in `times` ways and has each read; gives how many readings were accepted. `most` is the largest piece
/// of memory that one may ask for.
pub fn damaged(bytes: &[u8], times: u64, most: usize, read: impl Fn(&[u8]) -> bool) -> u64 {
    let mut accepted = 0;
    for seed in 0..times {
        let mut draw = Draw::new(seed);
        let mut bytes = bytes.to_vec();
        let ways = draw.between(1, 4);
        for _ in 0..ways {
            damage(&mut draw, &mut bytes);
        }
        let begin = Instant::now();
        let (accepts, memory) = largest(|| read(&bytes));
        accepted += u64::from(accepts);
        assert!(begin.elapsed() < LONGEST, "seed {seed} took {:?}", begin.elapsed());
        assert!(memory <= most, "seed {seed} asked for {memory} bytes at once");
    }
    accepted
}

fn damage(draw: &mut Draw, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = draw.below(bytes.len());
    match draw.below(8) {
        // A bit.
        0 | 1 => bytes[at] ^= 1 << draw.below(8),
        // A number that is likely to matter.
        2 | 3 => bytes[at] = draw.pick(&[0, 1, 2, 4, 127, 128, 254, 255]),
        // A count or an offset, as large or as small as it gets.
        4 | 5 => {
            let (width, value) = (draw.pick(&[2, 3, 4, 8]), draw.pick(&[0, 255]));
            bytes.iter_mut().skip(at).take(width).for_each(|byte| *byte = value);
        }
        // A piece that went missing.
        6 => {
            let end = (at + draw.below(16)).min(bytes.len());
            bytes.drain(at..end);
        }
        _ => bytes.truncate(at),
    }
}
