//! `geo_content_hash`: a file's name by what it holds.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::files::content::content_hash;

/// The scalar `geo_content_hash`.
pub struct GeoContentHash;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_content_hash",
    kind: Kind::Scalar,
    summary: "The SHA-256 of a file's content.",
    parameters: &[Parameter {
        name: "path",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "A file, a Zarr store or a file geodatabase; a URL of a file. Of a subdataset it is the whole file.",
    }],
    columns: &[column(
        "hash",
        "VARCHAR",
        "Of the file's own bytes, in hexadecimal, as `sha256sum` prints it; side files and the sources of a VRT are files of their own. Of a folder it is the one of what `sha256sum` prints for its files, in the order of their names.",
    )],
    nulls: "NULL for a NULL path.",
    errors: &["path: a file that does not exist or open", "a Zarr store behind a URL"],
    examples: &[Example {
        title: "The same content has the same name",
        sql: "SELECT left(geo_content_hash('test/data/small/land.tif'), 12) AS land;",
        rows: &["a0cd93f0af82"],
    }],
    references: &["FIPS 180-4: SHA-256"],
};

impl ScalarFunction for GeoContentHash {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call((): &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.any_null(row) {
                return Ok(None);
            }
            content_hash(input.column(0).str(row)?).map(Some).map_err(|e| e.at("geo_content_hash(path)"))
        })
    }
}
