//! `FROM 'scene.tif'` is a call of one of our table functions.
//!
//! Suffixes that DuckDB reads itself (csv, parquet, json, since 2.0 geojson) are not ours.

/// Which function reads a file of which suffix.
const SCANS: [(&str, &str); 26] = [
    (".tif", "read_blocks"),
    (".tiff", "read_blocks"),
    (".vrt", "read_blocks"),
    (".png", "read_blocks"),
    (".jpg", "read_blocks"),
    (".jpeg", "read_blocks"),
    (".img", "read_blocks"),
    (".asc", "read_blocks"),
    (".nc", "read_variables"),
    (".nc4", "read_variables"),
    (".h5", "read_variables"),
    (".hdf5", "read_variables"),
    (".grib", "read_variables"),
    (".grib2", "read_variables"),
    (".grb", "read_variables"),
    (".grb2", "read_variables"),
    (".zarr", "read_variables"),
    (".gpkg", "read_features"),
    (".shp", "read_features"),
    (".shz", "read_features"),
    (".fgb", "read_features"),
    (".topojson", "read_features"),
    (".gdb", "read_features"),
    (".tab", "read_features"),
    (".mif", "read_features"),
    (".dxf", "read_features"),
];

/// The function for a path, a glob or a URL, by its suffix in any case.
pub fn function(name: &str) -> Option<&'static str> {
    let lower = name.trim_end_matches('/').to_lowercase();
    SCANS.iter().find(|(suffix, _)| lower.ends_with(suffix)).map(|(_, function)| *function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_tells_the_function_and_duckdbs_own_are_left_alone() {
        for name in ["scene.tif", "/data/SCENE.TIF", "data/**/*.tiff", "mosaic.Vrt", "a b.png"] {
            assert_eq!(function(name), Some("read_blocks"), "{name}");
        }
        for name in ["cube.zarr", "cube.zarr/", "data/*.nc", "ERA5.GRIB2"] {
            assert_eq!(function(name), Some("read_variables"), "{name}");
        }
        for name in ["fields.gpkg", "data/*.shp", "A.FGB", "base.gdb/"] {
            assert_eq!(function(name), Some("read_features"), "{name}");
        }
        for name in ["a.csv", "a.parquet", "a.json", "a.geojson", "a.tif.csv", "tif", "scene.tifx", ""] {
            assert_eq!(function(name), None, "{name}");
        }
    }
}
