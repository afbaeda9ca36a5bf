//! `COPY ... TO 'x.png'`: pictures into PNGs, one a query or one a row.

use std::path::Path;
use std::sync::Arc;

use crate::bridge::chunk::Input;
use crate::bridge::copy::{CopyCall, CopyFunction};
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::error::{Error, Result};
use crate::sql::shared::stitching::columns::Columns;
use crate::sql::write::canvas_files::{self, Canvas, CanvasFiles, CanvasFormat};
use crate::sql::write::options;
use crate::write::pack::{Format, Packing};
use crate::write::png as engine;
use crate::write::staging::Staging;

/// The format `png` of COPY.
pub struct Png;

const FORMAT: Format = Format { name: "png", masks: false };

static DOC: FunctionDoc = FunctionDoc {
    name: "png",
    kind: Kind::Copy,
    summary: "Writes one to four bands of bytes or shorts into a PNG, or into one a row.",
    parameters: &[
        Parameter {
            name: "data",
            types: "ANY[]",
            given: Given::Required,
            meaning: "Pixels in the order [band, row, col], a list of whole numbers, or of others with DTYPE. One band is grey, two are grey and alpha, three are red, green and blue, four have alpha too. UTINYINT, or DTYPE uint8, makes 8 bits a channel, and USMALLINT, or DTYPE uint16, makes 16, of which most viewers show small numbers as black: whole numbers of other types need a DTYPE. Columns go by their order, `data, shape, transform, crs`, or are fields of one STRUCT, such as `read_slice(...)`; its further fields may stand in braces in the file's name.",
        },
        Parameter {
            name: "shape",
            types: "BIGINT[]",
            given: Given::Required,
            meaning: "Bands, rows, columns; two numbers are rows and columns of one band.",
        },
        Parameter {
            name: "transform",
            types: "DOUBLE[]",
            given: Given::Optional,
            meaning: "Has no place in the file, and may stand there so that a read can be written as it is.",
        },
        Parameter { name: "crs", types: "VARCHAR", given: Given::Optional, meaning: "As the transform." },
        options::DTYPE,
        options::NODATA,
    ],
    columns: &[column("Count", "BIGINT", "Rows written.")],
    nulls: "NULL is written as NODATA, which a picture of one band tells. NULL data or shape is an error.",
    errors: &[
        "no row; a second row for one file",
        "columns that are neither data, shape, transform and crs in this order, nor one STRUCT of these; patches",
        "data that does not have as many values as shape says",
        "pixels of another type than uint8 and uint16, or more than four bands",
        "NULL without NODATA, or a NODATA that the type cannot have",
        "a number that the DTYPE cannot hold: it is named",
        "an unknown option: those known are listed",
        "a target that is a directory or a device, whose folder is absent or cannot be written, or that is a URL; two rows with one name",
    ],
    examples: &[Example {
        title: "A patch a file, its temperatures as bytes",
        sql: "COPY (SELECT {data: [(x + 10) * 5 FOR x IN data], shape: shape, id: patch_id}\n\
                  \x20 FROM read_patch('test/data/small/sst_20180101.tif', size := 18))\n\
                  TO 'build/patch_{id}.png' (FORMAT png, DTYPE uint8, NODATA 255);",
        rows: &[],
    }],
    references: &["W3C: Portable Network Graphics; read back by Pillow and rasterio"],
};

/// What a COPY knows before any row.
pub struct Bound {
    columns: Columns,
    packing: Packing,
    threads: usize,
}

impl CanvasFormat for Bound {
    fn packing(&self) -> &Packing {
        &self.packing
    }

    fn write(&self, staging: Staging, canvas: Canvas, _: bool) -> Result<()> {
        let shape = canvas_files::bands(&canvas.shape, DOC.name)?;
        engine::write(staging, &canvas.pixels, shape, &self.packing)
    }
}

impl CopyFunction for Png {
    const DOC: &'static FunctionDoc = &DOC;
    const ALIASES: &'static [&'static str] = &[];
    type Bound = Bound;
    type Writer = (Arc<Bound>, CanvasFiles);

    fn bind(call: CopyCall) -> Result<Bound> {
        let columns = Columns::of(&call.columns)?;
        if columns.is_patch() {
            let problem = "patches of one canvas, which this format does not stitch";
            return Err(Error::conflict(problem, "Give data and shape"));
        }
        let packing = options::packing(&call.options, columns.dtype, false, FORMAT)?;
        engine::check(packing.dtype).map_err(call.options.blame("DTYPE"))?;
        Ok(Bound { columns, packing, threads: call.limits.threads })
    }

    fn open(bound: &Arc<Bound>, target: &Path) -> Result<Self::Writer> {
        Ok((bound.clone(), CanvasFiles::open(&bound.columns, target)?))
    }

    fn sink((bound, files): &mut Self::Writer, input: &Input<'_>) -> Result<()> {
        files.sink(&bound.columns, bound.as_ref(), bound.threads, input)
    }

    fn finish((bound, files): Self::Writer) -> Result<()> {
        files.finish(bound.as_ref())
    }
}
