//! LZMA2 in xz, a stream a block.

use liblzma::stream::{Action, Status, Stream};

use super::codec::{Shape, Unpack, short};
use crate::memory;

/// The largest dictionary that xz's own presets have needs 65 MiB.
const MEMORY: u64 = 256 << 20;

/// What the query may use bounds it too.
fn decoder() -> Result<Stream, liblzma::stream::Error> {
    Stream::new_stream_decoder(MEMORY.min(memory::limit() as u64), 0)
}

/// A whole block.
pub(super) fn whole(input: &[u8], out: &mut [u8]) -> Option<()> {
    let mut stream = decoder().ok()?;
    fill(&mut stream, input, out).ok().map(drop)
}

/// A block bit by bit.
pub(super) fn parts(_: Shape) -> Result<Box<dyn Unpack>, String> {
    Ok(Box::new(Parts(decoder().map_err(|error| error.to_string())?)))
}

struct Parts(Stream);

impl Unpack for Parts {
    fn fill(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize, String> {
        fill(&mut self.0, input, out)
    }
}

fn fill(stream: &mut Stream, input: &[u8], out: &mut [u8]) -> Result<usize, String> {
    let (mut taken, mut filled) = (0, 0);
    while filled < out.len() {
        let before = (stream.total_in(), stream.total_out());
        let (from, to) = (input.get(taken..).unwrap_or_default(), out.get_mut(filled..).unwrap_or_default());
        let status = stream.process(from, to, Action::Run).map_err(|error| error.to_string())?;
        taken += (stream.total_in() - before.0) as usize;
        filled += (stream.total_out() - before.1) as usize;
        let stuck = before == (stream.total_in(), stream.total_out());
        if filled < out.len() && (status == Status::StreamEnd || stuck) {
            return Err(short(out.len() - filled));
        }
    }
    Ok(taken)
}
