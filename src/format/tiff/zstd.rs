//! Zstandard, one frame a block.

use std::cell::RefCell;

use zstd::bulk::Decompressor;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::codec::{Shape, Unpack, short};
use crate::memory::{self, ask_room};

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
    ask_room(most, || "a block".into()).map_err(|error| error.to_string())?;
    zstd::bulk::decompress(input, most).map_err(|error| error.to_string())
}

/// A block bit by bit.
pub(super) fn parts(_: Shape) -> Result<Box<dyn Unpack>, String> {
    let mut decoder = Decoder::new().map_err(|error| error.to_string())?;
    // A frame says how far back its bytes refer, and all of that is kept.
    let window = DParameter::WindowLogMax(memory::limit().max(1).ilog2().clamp(LEAST_WINDOW, MOST_WINDOW));
    decoder.set_parameter(window).map_err(|error| error.to_string())?;
    Ok(Box::new(Parts(decoder)))
}

/// The powers of two that zstd itself allows for its window, unless told otherwise.
const LEAST_WINDOW: u32 = 10;
const MOST_WINDOW: u32 = 27;

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
