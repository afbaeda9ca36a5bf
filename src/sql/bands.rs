//! Bands of patches. Worked out of others, pixel by pixel, and of another size.

group! {
    "Bands of patches";
    scalar geo_calc::GeoCalc,
    scalar geo_bands::GeoBands,
    scalar geo_resize::GeoResize,
}
