//! The drivers that files are opened with: what users of rasters, arrays and vectors meet.
//!
//! Most others are left out of the build (Cargo.toml): some write while they read (MRF keeps a cache wherever a file says), some
//! show the bytes of any file that a text names (ERS, PCIDSK, virtual vector files), and one runs what a file tells it to
//! (GDALG). Those that come with one that stays, such as the raw formats of old sensors beside ENVI, are taken out before any
//! file is opened.

use gdal::DriverManager;

/// Rasters and arrays, the drivers that hold what is warped (`MEM`) and write (`COG`), and vectors.
const KEPT: [&str; 31] = [
    "AAIGrid",
    "BMP",
    "COG",
    "CSV",
    "DTED",
    "ENVI",
    "ESRI Shapefile",
    "ESRIJSON",
    "FlatGeobuf",
    "GIF",
    "GPKG",
    "GRIB",
    "GTiff",
    "GeoJSON",
    "GeoJSONSeq",
    "HDF5",
    "HDF5Image",
    "HFA",
    "JPEG",
    "JSONFG",
    "MEM",
    "MapInfo File",
    "MapML",
    "OGR_GMT",
    "OpenFileGDB",
    "PNG",
    "SRTMHGT",
    "SQLite",
    "TopoJSON",
    "VRT",
    "netCDF",
];

/// Takes all other drivers out. Must run before a file is opened.
pub(super) fn keep() {
    let is_kept = |name: &str| KEPT.contains(&name);
    // The list moves up where one is taken out, so all are named before.
    let others: Vec<_> = DriverManager::all().filter(|driver| !is_kept(&driver.short_name())).collect();
    for driver in others {
        DriverManager::deregister_driver(&driver);
    }
}
