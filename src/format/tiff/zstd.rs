//! Zstandard, one frame a block.

use std::cell::RefCell;

use zstd::bulk::Decompressor;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::codec::{Shape, Unpack, short};

thread_local! {
    /// Its tables are larger than most blocks.
    static AT_HAND: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A whole block.
pub(super) fn whole(input: &[u8], out: &mut [u8]) -> Option<()> {
    AT_HAND.with_borrow_mut(|at_hand| {
        if at_hand.is_none() {
            *at_hand = Decompressor::new().ok();
        }
        let got = at_hand.as_mut()?.decompress_to_buffer(input, out).ok()?;
        (got == out.len()).then_some(())
    })
}

/// At most `most` bytes, of a frame that may hold fewer.
pub(super) fn bounded(input: &[u8], most: usize) -> Result<Vec<u8>, String> {
    zstd::bulk::decompress(input, most).map_err(|error| error.to_string())
}

/// A block bit by bit.
pub(super) fn parts(_: Shape) -> Result<Box<dyn Unpack>, String> {
    Ok(Box::new(Parts(Decoder::new().map_err(|error| error.to_string())?)))
}

struct Parts(Decoder<'static>);

impl Unpack for Parts {
    fn fill(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize, String> {
        let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(out));
        while to.pos() < to.capacity() {
            let before = (from.pos(), to.pos());
            let left = self.0.run(&mut from, &mut to).map_err(|error| error.to_string())?;
            let stuck = before == (from.pos(), to.pos());
            if to.pos() < to.capacity() && (left == 0 || stuck) {
                return Err(short(to.capacity() - to.pos()));
            }
        }
        Ok(from.pos())
    }
}
