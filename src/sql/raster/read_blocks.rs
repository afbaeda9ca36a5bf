//! `FROM read_blocks(source)`: a raster as it is stored, a row a block. `FROM 'scene.tif'` is this.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::table::{Plan, TableFunction};
use crate::error::Result;
use crate::files;
use crate::grid::cut::Cut;
use crate::limits::Limits;
use crate::sql::raster::patch_scan;
use crate::sql::raster::patch_scan::{Bound, Origin, Scan};
use crate::sql::shared::options::{BANDS, FILL, NODATA, SCALED};
use crate::sql::shared::pixels::{CRS, DATA, DTYPE, DTYPE_AMISS, SHAPE, TRANSFORM, UNDECODED};
use crate::sql::shared::windows::WIN;

/// The table function `read_blocks`.
pub struct ReadBlocks;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_blocks",
    kind: Kind::Table,
    summary: "Streams rasters as they are stored, a row a block; `FROM 'scene.tif'` does this.",
    parameters: &[
        Parameter {
            name: "source",
            types: "VARCHAR | VARCHAR[]",
            given: Given::Required,
            meaning: "Rasters: a path, a glob, or a list of those.",
        },
        BANDS.named(),
        SCALED.named(),
        NODATA.named(),
        FILL.named(),
        DTYPE,
        named(
            "on_error",
            "VARCHAR",
            "'fail'",
            "A block that cannot be read stops the query (`fail`), is left out (`skip`), or gets NULL data and a column `error` (`report`).",
        ),
    ],
    columns: &[
        column("path", "VARCHAR", "The raster."),
        column("block_id", "BIGINT", "Place of the block, row-major from the upper left."),
        column(
            "win",
            WIN,
            "The block's window, in pixels, cut off where the raster ends: each pixel lies in one block.",
        ),
        DATA,
        SHAPE,
        TRANSFORM,
        CRS,
        column(
            "error",
            "VARCHAR",
            "Only with `on_error := 'report'`: why the block could not be read, else NULL.",
        ),
    ],
    nulls: "No parameter may be NULL.",
    errors: &[
        "source: no such file, or no raster",
        DTYPE_AMISS,
        "a block above geoquilt_max_chunk_mb: read_patch cuts it by size",
        UNDECODED,
    ],
    examples: &[Example {
        title: "A raster as a table: its blocks, and the sum of all pixels",
        sql: "SELECT count(*) AS blocks, sum(shape[2] * shape[3]) AS pixels, round(sum(list_sum(data))) AS total\n\
              FROM 'test/data/small/sst_20180101.tif';",
        rows: &["1\t648\t12899.0"],
    }],
    references: &["rasterio: DatasetReader.block_windows, DatasetReader.read(window, masked = True)"],
};

impl TableFunction for ReadBlocks {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound>> {
        let paths = files::expand(&args.paths("source")?).map_err(args.blame("source"))?;
        patch_scan::bind(&DOC, args, limits, Origin::Rasters { paths, cut: Cut::Blocks })
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
