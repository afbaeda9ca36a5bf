//! Writing. Formats of COPY, for fields and patches.

group! {
    "Writing";
    copy geotiff::Geotiff,
}
