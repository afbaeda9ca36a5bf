//! Writing. Formats of COPY, for fields and patches.

pub mod canvas_files;
pub mod options;

group! {
    "Writing";
    copy geotiff::Geotiff,
    copy zarr::Zarr,
    copy npy::Npy,
    copy png::Png,
}
