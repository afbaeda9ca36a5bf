//! Bands of patches. Worked out of others, pixel by pixel, of another size, or with their gaps filled.

group! {
    "Bands of patches";
    scalar geo_calc::GeoCalc,
    scalar geo_bands::GeoBands,
    scalar geo_resize::GeoResize,
    scalar geo_fill_gaps::GeoFillGaps,
}
