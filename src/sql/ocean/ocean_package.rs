//! The catalog of an ocean package.

use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, column};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/ocean_package.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "ocean_package",
    kind: Kind::Macro,
    summary: "The catalog of an ocean package: a row a file, with variable, date and stretch.",
    parameters: &[Parameter {
        name: "root",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "The folder that holds `manifest.yaml`, in the layout of the production dataset: what it names (`rasters/`, `argo/`, `masks/`), and what else lies in `argo/*.zarr`, `data/*.zarr`, `masks/`, `metadata/` and `indices/`.",
    }],
    columns: &[
        column("part", "VARCHAR", "`rasters`, `argo`, `masks`, `data`, `metadata` or `indices`."),
        column(
            "product",
            "VARCHAR",
            "Of a raster: `glorys`, `ostia`, `sealevel`. `argo` of the store of profiles that the manifest names.",
        ),
        column("variable", "VARCHAR", "Of a raster: `thetao`, `analysed_sst`, `adt`. `land` of the mask."),
        column("date", "DATE", "The raster's day, by the manifest."),
        Column {
            name: "stretch",
            types: "STRUCT(minimum DOUBLE, maximum DOUBLE, valid_code_max DOUBLE, nodata DOUBLE, units VARCHAR)",
            meaning: "How its codes are values: minimum + code / valid_code_max * (maximum - minimum).",
        },
        column(
            "...",
            "ANY",
            "All columns of `geo_catalog_build`, so that the rows join as a catalog; from headers, of rasters and masks alone, NULL of all else but `path`. `t_min` and `t_max` are the raster's day.",
        ),
    ],
    nulls: "A NULL root is an error.",
    errors: &[
        "root: as geo_ocean_manifest",
        "a raster on another grid than the mask's, or with another number of bands than depth_axis_m has depths (GLORYS) or than one",
    ],
    examples: &[Example {
        title: "What lies in a package",
        sql: "SELECT part, product, variable, count(*) AS files, min(date) AS first, max(date) AS last, any_value(len(bands)) AS bands\n\
              FROM geoquilt.ocean_package('test/data/small/ocean_package') GROUP BY ALL ORDER BY ALL;",
        rows: &[
            "argo\targo\tNULL\t1\tNULL\tNULL\tNULL",
            "data\tNULL\tNULL\t1\tNULL\tNULL\tNULL",
            "indices\tNULL\tNULL\t1\tNULL\tNULL\tNULL",
            "masks\tNULL\tland\t1\tNULL\tNULL\t1",
            "metadata\tNULL\tNULL\t1\tNULL\tNULL\tNULL",
            "rasters\tglorys\tthetao\t3\t2017-12-20\t2018-01-03\t4",
            "rasters\tostia\tanalysed_sst\t4\t2017-12-20\t2018-01-10\t1",
            "rasters\tsealevel\tadt\t4\t2017-12-20\t2018-01-10\t1",
        ],
    }],
    references: &["The production dataset: dataset root", "PyPI depth-recon: export_dataset_geotiff.py"],
};
