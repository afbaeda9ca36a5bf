//! `geo_denormalise`: pixels on their own scale again.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::sql::shared::stitching::numbers::{INEXACT, list_type};
use crate::sql::shared::stitching::scaling::{self, Bound, PARAMETERS};
use crate::sql_type::SqlType;

/// The scalar `geo_denormalise`.
pub struct GeoDenormalise;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_denormalise",
    kind: Kind::Scalar,
    summary: "Brings what geo_normalise scaled, a prediction say, back to its own unit.",
    parameters: &PARAMETERS,
    columns: &[column(
        "data",
        "FLOAT[]",
        "`y * divisor + centre`, worked out in DOUBLE. What was normalised comes back within two units in the last place of the larger of the value and the centre.",
    )],
    nulls: "NULL for a NULL argument; a NULL pixel stays NULL, NaN stays NaN.",
    errors: &[
        "data that is not as long as shape says",
        "statistics that are not one STRUCT a band, or lack the numbers of the method: those of a band without pixels",
        "a method that is none (those known are listed), an unknown key, options that are not constant",
        INEXACT,
    ],
    examples: &[Example {
        title: "There and back",
        sql: "SELECT geo_denormalise(geo_normalise(x, [2, 2], s, {method: 'zscore'}), [2, 2], s, {method: 'zscore'}) AS x\n\
                  FROM (SELECT [12.5, 20, 25, 40]::FLOAT[] AS x, [{mean: 24.0, std: 8.0}] AS s);",
        rows: &["[12.5, 20.0, 25.0, 40.0]"],
    }],
    references: &["sklearn.preprocessing: StandardScaler, MinMaxScaler, RobustScaler"],
};

impl ScalarFunction for GeoDenormalise {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn returns(arguments: &[SqlType]) -> Result<SqlType> {
        list_type(arguments)
    }

    fn bind(call: Call) -> Result<Bound> {
        scaling::bind(&call, DOC.name, true)
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        scaling::call(bound, input, out)
    }
}
