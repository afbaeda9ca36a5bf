//! `geo_normalise`: pixels on one scale, by statistics.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::sql::shared::stitching::numbers::{INEXACT, list_type};
use crate::sql::shared::stitching::scaling::{self, Bound, PARAMETERS};
use crate::sql_type::SqlType;

/// The scalar `geo_normalise`.
pub struct GeoNormalise;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_normalise",
    kind: Kind::Scalar,
    summary: "Brings the pixels of each band to one scale, by statistics of the training data.",
    parameters: &PARAMETERS,
    columns: &[column(
        "data",
        "FLOAT[]",
        "The pixels, worked out in DOUBLE; FLOAT, or DOUBLE for data of DOUBLE or of whole numbers of 32 or 64 bits.",
    )],
    nulls: "NULL for a NULL argument; a NULL pixel stays NULL, NaN stays NaN.",
    errors: &[
        "data that is not as long as shape says",
        "statistics that are not one STRUCT a band, or lack the numbers of the method: those of a band without pixels",
        "a method that is none (those known are listed), an unknown key, options that are not constant",
        INEXACT,
    ],
    examples: &[
        Example {
            title: "Each patch of a later year on the scale of an earlier one",
            sql: "WITH train AS (SELECT geoquilt.stats(data, shape) AS stats FROM read_patch('test/data/small/sst_2018*.tif', size := 18))\n\
                  SELECT patch_id, round(list_min(y)::DOUBLE, 4) AS least, round(list_max(y)::DOUBLE, 4) AS most FROM (\n\
                  \x20 SELECT patch_id, geo_normalise(data, shape, stats) AS y FROM read_patch('test/data/small/sst_20190101.tif', size := 18), train)\n\
                  ORDER BY patch_id;",
            rows: &["0\t-1.5454\t1.7953", "1\t-1.4498\t1.8909"],
        },
        Example {
            title: "From 0 to 1",
            sql: "SELECT geo_normalise([10, 25, NULL, 40]::FLOAT[], [1, 4], [{min: 10, max: 40}], {method: 'minmax'}) AS y;",
            rows: &["[0.0, 0.5, NULL, 1.0]"],
        },
    ],
    references: &["sklearn.preprocessing: StandardScaler, MinMaxScaler, RobustScaler"],
};

impl ScalarFunction for GeoNormalise {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn returns(arguments: &[SqlType]) -> Result<SqlType> {
        list_type(arguments)
    }

    fn bind(call: Call) -> Result<Bound> {
        scaling::bind(&call, DOC.name, false)
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        scaling::call(bound, input, out)
    }
}
