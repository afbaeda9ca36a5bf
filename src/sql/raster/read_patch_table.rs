//! `FROM read_patch(source)`: streams patches of rasters, or of a registry, in bounded memory.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::table::{Plan, TableFunction};
use crate::error::{Error, Result};
use crate::files;
use crate::grid::cut::Cut;
use crate::grid::edge::{EDGES, Edge};
use crate::grid::registry::Registry;
use crate::limits::Limits;
use crate::sql::raster::patch_scan;
use crate::sql::raster::patch_scan::{Bound, Origin, Scan};
use crate::sql::shared::options::{BANDS, BOUNDLESS, FILL, NODATA, SCALED, WITHIN};
use crate::sql::shared::pixels::{CRS, DATA, DTYPE, DTYPE_AMISS, SHAPE, TRANSFORM, UNDECODED};
use crate::sql::shared::registries::registry;
use crate::sql::shared::windows::WIN;

/// The table function `read_patch`.
pub struct ReadPatchTable;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_patch",
    kind: Kind::Table,
    summary: "Streams the patches of rasters, or of a registry, in bounded memory.",
    parameters: &[
        Parameter {
            name: "source",
            types: "VARCHAR | VARCHAR[] | TABLE[]",
            given: Given::Required,
            meaning: "Rasters (a path, a glob, a URL, a list), each cut by size, stride and edge; or a registry: the path of a `.parquet` file, or a LIST of STRUCT, with columns `path` and `win`.",
        },
        named(
            "size",
            "BIGINT | BIGINT[]",
            "128",
            "Height and width of a patch over a raster: one number, or [rows, cols].",
        ),
        named("stride", "BIGINT | BIGINT[]", "size", "Rows and columns from one patch to the next."),
        named(
            "edge",
            "VARCHAR",
            "'snap'",
            "`drop`, `snap`, `overflow`, `center` or `pad`, as in geo_patch_grid.",
        ),
        BANDS.named(),
        SCALED.named(),
        NODATA.named(),
        FILL.named(),
        BOUNDLESS.named(),
        WITHIN[0].named(),
        WITHIN[1].named(),
        WITHIN[2].named(),
        DTYPE,
        named(
            "on_error",
            "VARCHAR",
            "'fail'",
            "A patch that cannot be read stops the query (`fail`), is left out (`skip`), or gets NULL data and a column `error` (`report`).",
        ),
    ],
    columns: &[
        column(
            "path",
            "VARCHAR",
            "The raster. Over a registry, its columns come first, in their order, except those named like one of the following.",
        ),
        column("patch_id", "BIGINT", "Over rasters: place in the full grid, row-major."),
        column("win", WIN, "The window, in pixels."),
        DATA,
        SHAPE,
        TRANSFORM,
        CRS,
        column(
            "error",
            "VARCHAR",
            "Only with `on_error := 'report'`: why the patch could not be read, else NULL.",
        ),
    ],
    nulls: "No parameter may be NULL. A registry row whose path or win is NULL is an error.",
    errors: &[
        "source: no such file, no raster, no Parquet, or a registry without path and win",
        "size, stride, edge: as in geo_patch_grid",
        DTYPE_AMISS,
        "a window wholly outside its raster, unless boundless",
        UNDECODED,
    ],
    examples: &[
        Example {
            title: "Every patch of a raster, in its own type",
            sql: "SELECT patch_id, win.col_off AS col, shape, len(data) AS n, list_min(data) AS lowest, typeof(data) AS type\n\
                  FROM read_patch('test/data/small/sst_20180101.tif', size := 12, edge := 'drop');",
            rows: &[
                "0\t0\t[1, 12, 12]\t144\t0.0\tFLOAT[]",
                "1\t12\t[1, 12, 12]\t144\t0.75\tFLOAT[]",
                "2\t24\t[1, 12, 12]\t144\t1.5\tFLOAT[]",
            ],
        },
        Example {
            title: "Rows of a registry, given as a list",
            sql: "SELECT split, data FROM read_patch([\n\
                  \x20   {path: 'test/data/small/sst_20180101.tif', win: {row_off: 0, col_off: 0, height: 1, width: 3}, split: 'train'},\n\
                  \x20   {path: 'test/data/small/sst_20190101.tif', win: {row_off: 0, col_off: 0, height: 1, width: 3}, split: 'val'}]);",
            rows: &["train\t[0.0, 0.0625, 0.125]", "val\t[2.0, 2.0625, 2.125]"],
        },
    ],
    references: &[
        "rasterio: DatasetReader.read(window, masked = True, boundless = True), DatasetReader.window_transform",
    ],
};

impl TableFunction for ReadPatchTable {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound>> {
        patch_scan::bind(&DOC, args, limits, origin(args)?)
    }

    fn start(bound: &Arc<Bound>, wanted: &[usize]) -> Result<Scan> {
        patch_scan::start(bound, wanted)
    }

    fn threads(bound: &Bound) -> usize {
        bound.threads()
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        patch_scan::next(scan, out)
    }
}

/// What is read: rasters that are cut, or a registry.
///
/// # Errors
/// It is neither, or is not there.
pub fn origin(args: &Args) -> Result<Origin> {
    let must =
        "a raster's path, a glob, a list of those, or a registry (a .parquet path, or a list of structs)";
    let source = args.required("source", must)?;
    let grid_parameter = ["size", "stride", "edge"].into_iter().find(|p| args.get(p).is_some());
    if let Some(records) = registry(args, "source")? {
        let registry = Registry::of(records).map_err(args.blame("source"))?;
        return match grid_parameter {
            None => Ok(Origin::Registry(registry)),
            Some(parameter) => {
                let problem = "a registry has its own windows";
                Err(args.blame(parameter)(Error::conflict(problem, "Leave size, stride and edge out")))
            }
        };
    }
    let patterns = args.paths("source").map_err(|_| args.blame("source")(Error::invalid(source, must)))?;
    let paths = files::expand(&patterns).map_err(args.blame("source"))?;
    let size = args.pair("size", 1, 1 << 20)?.unwrap_or((128, 128));
    let stride = args.pair("stride", 1, 1 << 20)?.unwrap_or(size);
    let edge = args.choice("edge", "an edge rule", &EDGES)?.unwrap_or(Edge::Snap);
    Ok(Origin::Rasters { paths, cut: Cut::Grid { size, stride, edge } })
}
