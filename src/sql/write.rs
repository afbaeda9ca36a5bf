//! Writing. Formats of COPY, for fields and patches.

group! {
    "Writing";
    copy geotiff::Geotiff,
    copy zarr::Zarr,
    copy npy::Npy,
    copy png::Png,
}
