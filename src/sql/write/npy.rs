//! `COPY ... TO 'x.npy'`: arrays into files of NumPy's, one a query or one a row.

use std::path::Path;
use std::sync::Arc;

use crate::bridge::chunk::Input;
use crate::bridge::copy::{CopyCall, CopyFunction};
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::error::{Error, Result};
use crate::sql::shared::stitching::columns::Columns;
use crate::sql::write::canvas_files::{Canvas, CanvasFiles, CanvasFormat};
use crate::sql::write::options;
use crate::write::npy as engine;
use crate::write::pack::{Format, Packing};
use crate::write::staging::Staging;

/// The format `npy` of COPY.
pub struct Npy;

const FORMAT: Format = Format { name: "npy", masks: false };

static DOC: FunctionDoc = FunctionDoc {
    name: "npy",
    kind: Kind::Copy,
    summary: "Writes arrays into `.npy` files, which numpy.load reads: one, or one a row.",
    parameters: &[
        Parameter {
            name: "data",
            types: "ANY[]",
            given: Given::Required,
            meaning: "Values in the order of shape, a list of numbers. Columns go by their order, `data, shape, transform, crs`, or are fields of one STRUCT, such as `read_slice(...)`; its further fields may stand in braces in the file's name.",
        },
        Parameter {
            name: "shape",
            types: "BIGINT[]",
            given: Given::Required,
            meaning: "Sizes of the axes, as many as there are.",
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
    nulls: "NULL is written as NODATA, NaN in floats, and the file does not tell which value that is. NULL data or shape is an error.",
    errors: &[
        "no row; a second row for one file",
        "columns that are neither data, shape, transform and crs in this order, nor one STRUCT of these; patches",
        "data that does not have as many values as shape says",
        "NULL of whole numbers without NODATA, or a NODATA that the type cannot have",
        "a number that the DTYPE cannot hold: it is named",
        "an unknown option: those known are listed",
        "a target that is a directory or a device, whose folder is absent or cannot be written, or that is a URL; two rows with one name",
    ],
    examples: &[Example {
        title: "A patch a file, named by its number",
        sql: "COPY (SELECT {data: data, shape: shape, id: patch_id}\n\
                  \x20 FROM read_patch('test/data/small/sst_20180101.tif', size := 18))\n\
                  TO 'build/patch_{id}.npy' (FORMAT npy);",
        rows: &[],
    }],
    references: &["NumPy's format of version 1.0, numpy.lib.format; read back by numpy.load"],
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
        engine::write(staging, &canvas.pixels, &canvas.shape)
    }
}

impl CopyFunction for Npy {
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
