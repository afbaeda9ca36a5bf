//! What a file's first bytes say of it.

use crate::format::Kind;

impl Kind {
    /// What a file's first bytes say of it; `None` when several kinds begin so, and the file must be tried.
    pub fn of_magic(magic: &[u8]) -> Option<Kind> {
        const RASTERS: [&[u8]; 8] =
            [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM"];
        // FlatGeobuf, the two parts of a Shapefile that hold geometries, and JSON.
        const VECTORS: [&[u8]; 4] = [b"fgb\x03", b"\0\0\x27\x0a", b"{", b"["];
        let begins = |starts: &[&[u8]]| starts.iter().any(|start| magic.starts_with(start));
        if begins(&RASTERS) {
            Some(Kind::Raster)
        } else if begins(&VECTORS) {
            Some(Kind::Vector)
        } else {
            None
        }
    }
}

/// What the first bytes of an array file, 2056 of them, say of its format: `netCDF`, `HDF5` or `GRIB`.
pub fn sniff(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"CDF\x01") || head.starts_with(b"CDF\x02") || head.starts_with(b"CDF\x05") {
        return Some("netCDF");
    }
    if is_hdf5(head) {
        return Some("HDF5");
    }
    // A bulletin's heading may stand before the first message.
    let grib = head.windows(8).take(1024).any(|w| w.starts_with(b"GRIB") && matches!(w.last(), Some(1 | 2)));
    grib.then_some("GRIB")
}

/// Whether the first bytes of a file, 2056 of them, are HDF5's.
pub fn is_hdf5(head: &[u8]) -> bool {
    // A user block of 512 bytes and its doubles may stand before the signature.
    let signed = |at: usize| head.get(at..).is_some_and(|rest| rest.starts_with(b"\x89HDF\r\n\x1a\n"));
    [0, 512, 1024, 2048].into_iter().any(signed)
}
