//! Deflate, as zlib wraps it.

/// A whole block.
pub(super) fn whole(input: &[u8], out: &mut [u8]) -> Option<()> {
    let wanted = out.len();
    let (got, code) = zlib_rs::decompress_slice(out, input, zlib_rs::InflateConfig::default());
    (code == zlib_rs::ReturnCode::Ok && got.len() == wanted).then_some(())
}
