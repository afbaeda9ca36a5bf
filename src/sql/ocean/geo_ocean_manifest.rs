//! `geo_ocean_manifest`: what the manifest of an ocean package says.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::{Timestamp, Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::catalog::ocean::{self, Package};
use crate::error::Result;

/// The scalar `geo_ocean_manifest`.
pub struct GeoOceanManifest;

/// How codes are values.
struct Stretch {
    minimum: f64,
    maximum: f64,
    valid_code_max: f64,
    nodata: f64,
    units: Option<String>,
}
record! { Stretch { minimum: f64, maximum: f64, valid_code_max: f64, nodata: f64, units: Option<String> } }

/// A raster that the manifest names.
struct Raster {
    product: String,
    variable: String,
    day: Timestamp,
    path: String,
    stretch: Option<Stretch>,
}
record! { Raster { product: String, variable: String, day: Timestamp, path: String, stretch: Option<Stretch> } }

/// A file in one of the package's folders.
struct File {
    part: String,
    path: String,
}
record! { File { part: String, path: String } }

/// A manifest.
pub struct Manifest {
    manifest: String,
    mask: String,
    argo: String,
    depth_axis_m: Vec<f64>,
    temperature: Stretch,
    rasters: Vec<Raster>,
    files: Vec<File>,
}
record! {
    Manifest {
        manifest: String,
        mask: String,
        argo: String,
        depth_axis_m: Vec<f64>,
        temperature: Stretch,
        rasters: Vec<Raster>,
        files: Vec<File>,
    }
}

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_ocean_manifest",
    kind: Kind::Scalar,
    summary: "What the manifest of an ocean package says, as a record.",
    parameters: &[Parameter {
        name: "root",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "The folder that holds `manifest.yaml`. Paths in it are relative to the folder, or absolute.",
    }],
    columns: &[Column {
        name: "manifest",
        types: Manifest::TYPE,
        meaning: "`mask` is `grid.source`, `argo` is `argo.path`, `temperature` is `stretch.temperature_kelvin`. `rasters` are those of `rasters.PRODUCT.VARIABLE`, each with the stretch of its codes (`value = minimum + code / valid_code_max * (maximum - minimum)`): `temperature_kelvin` of `thetao` and `analysed_sst`, `salinity` of `so`, `sea_height` of `adt`, of another variable the one of its own name, or NULL. `files` lie in the folders that the manifest does not go through: `argo`, `data`, `masks`, `metadata` and `indices`.",
    }],
    nulls: "NULL for a NULL root.",
    errors: &[
        "root: no folder with a `manifest.yaml`; one that is not YAML",
        "a manifest that lacks a key (`grid.source`, `stretch.temperature_kelvin`, `depth_axis_m`, `rasters.glorys.thetao`, `rasters.ostia.analysed_sst`, `argo.path`; `date` and `path` of a raster), or that names a file that is not there",
        "a date that is not a day, or that a variable has twice; depths that do not go down; a stretch without a range",
    ],
    examples: &[Example {
        title: "What a package has of each variable",
        sql: "SELECT r.product, r.variable, count(*) AS days, any_value(r.stretch.units) AS units\n\
              FROM (SELECT unnest(geo_ocean_manifest('test/data/small/ocean_package').rasters) AS r) GROUP BY ALL ORDER BY ALL;",
        rows: &["glorys\tthetao\t3\tK", "ostia\tanalysed_sst\t4\tK", "sealevel\tadt\t4\tm"],
    }],
    references: &["PyPI depth-recon: export_dataset_geotiff.py, ArgoGeoTIFFGriddedPatchDataset"],
};

impl From<ocean::Stretch> for Stretch {
    fn from(stretch: ocean::Stretch) -> Stretch {
        let ocean::Stretch { minimum, maximum, valid_code_max, nodata, units } = stretch;
        Stretch { minimum, maximum, valid_code_max, nodata, units }
    }
}

impl From<Package> for Manifest {
    fn from(package: Package) -> Manifest {
        let raster = |raster: ocean::PackageRaster| Raster {
            product: raster.product,
            variable: raster.variable,
            day: Timestamp(raster.day),
            path: raster.path,
            stretch: raster.stretch.map(Stretch::from),
        };
        let file = |file: ocean::PackageFile| File { part: file.part, path: file.path };
        Manifest {
            manifest: package.manifest,
            mask: package.mask,
            argo: package.argo,
            depth_axis_m: package.depth_axis_m,
            temperature: package.temperature.into(),
            rasters: package.rasters.into_iter().map(raster).collect(),
            files: package.files.into_iter().map(file).collect(),
        }
    }
}

impl ScalarFunction for GeoOceanManifest {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call((): &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.any_null(row) {
                return Ok(None::<Manifest>);
            }
            let package = ocean::package(input.column(0).str(row)?);
            package.map(|package| Some(package.into())).map_err(|e| e.at("geo_ocean_manifest(root)"))
        })
    }
}
