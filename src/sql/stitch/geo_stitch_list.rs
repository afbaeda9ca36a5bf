//! `geo_stitch_list`: the patches of a list into one field, in their order.

use std::sync::Arc;

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::pieces::Pieces;
use crate::bridge::record::text;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Load, Result};
use crate::sql::shared::options::OPTIONS;
use crate::sql::shared::stitching::canvases;
use crate::sql::shared::stitching::laying::{self, FIELD};
use crate::sql::shared::stitching::{
    ALPHA, Asked, IN_CALLS, METHOD, NORMALISE, PERIODIC, SIGMA, SKIP_NAN, TAPER, TAPERED, WEIGHTS, asked,
};
use crate::sql_type::SqlType;
use crate::stitch::field::{Field, Own};
use crate::stitch::tile::Method;
use crate::value::Value;

/// The scalar `geo_stitch_list`.
pub struct GeoStitchList;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_stitch_list",
    kind: Kind::Scalar,
    summary: "Lays the patches of a list on one canvas, in the order of the list.",
    parameters: &[
        Parameter {
            name: "data",
            types: text![
                "FLOAT[][] | DOUBLE[][] | TINYINT[][] | UTINYINT[][] | SMALLINT[][] | USMALLINT[][] | ",
                "INTEGER[][] | UINTEGER[][] | BIGINT[][] | UBIGINT[][] | HUGEINT[][] | UHUGEINT[][]"
            ],
            given: Given::Required,
            meaning: "Pixels of each patch in the order [band, row, col], as `list(data)` gathers them.",
        },
        Parameter {
            name: "win",
            types: "ANY",
            given: Given::Required,
            meaning: "A list of windows, one a patch: as those of `geoquilt.stitch`.",
        },
        Parameter {
            name: "canvas",
            types: "ANY",
            given: Given::Required,
            meaning: "As that of `geoquilt.stitch`.",
        },
        OPTIONS,
        METHOD,
        TAPER,
        PERIODIC,
        ALPHA,
        SIGMA,
        TAPERED,
        NORMALISE,
        SKIP_NAN,
        WEIGHTS,
    ],
    columns: &[column(
        "field",
        FIELD,
        "As that of `geoquilt.stitch`. `first` and `last` go by the order of the list.",
    )],
    nulls: "NULL for a NULL argument, or lists without a patch. A patch whose data or window is NULL lays nothing.",
    errors: &[
        "lists of different lengths",
        "the methods weighted and inverse_variance, which geoquilt.stitch has",
        "what geoquilt.stitch refuses; the bound is the same, for each row",
    ],
    examples: &[Example {
        title: "Of two patches the later one stays",
        sql: "SELECT geo_stitch_list([[1, 1, 1], [2, 2, 2]], [{row_off: 0, col_off: 0, height: 1, width: 3}, {row_off: 0, col_off: 2, height: 1, width: 3}],\n\
              \x20 [1, 6], {method: 'last'}).data AS data;",
        rows: &["[1.0, 1.0, 2.0, 2.0, 2.0, NULL]"],
    }],
    references: &["geoquilt.stitch"],
};

/// What a call knows before any row.
pub struct Bound {
    asked: Asked,
    limit: u64,
}

fn blame(parameter: &str) -> impl Fn(Error) -> Error {
    let blamed = format!("geo_stitch_list({parameter})");
    move |error| error.at(&blamed)
}

impl ScalarFunction for GeoStitchList {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn returns(arguments: &[SqlType]) -> Result<SqlType> {
        laying::field_type(arguments.first().and_then(SqlType::item).and_then(SqlType::item))
    }

    fn bind(call: Call) -> Result<Bound> {
        let asked = asked(&call.options()?, &IN_CALLS)?;
        if matches!(asked.method, Method::Weighted | Method::InverseVariance) {
            let problem = "the method needs a number of each patch";
            return Err(blame("method")(Error::conflict(
                problem,
                "Use geoquilt.stitch, which takes weight and variance",
            )));
        }
        Ok(Bound { asked, limit: call.limits.aggregate as u64 })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        for row in 0..input.rows() {
            match (0..3).any(|i| input.column(i).is_null(row)) {
                true => out.set_null(row),
                false => match stitched(bound, input, row)? {
                    Some(field) => laying::write(&field, bound.asked.weights, out, row)?,
                    None => out.set_null(row),
                },
            }
        }
        Ok(())
    }
}

fn stitched(bound: &Bound, input: &Input<'_>, row: usize) -> Result<Option<Field>> {
    let datas = input.column(0).list(row);
    let Value::List(windows) = Value::of(input.column(1), row) else {
        let must = "a list of windows, one a patch";
        return Err(blame("win")(Error::invalid(Value::of(input.column(1), row), must)));
    };
    if windows.len() != datas.rows().len() {
        let problem = format!("{} patches and {} windows", datas.rows().len(), windows.len());
        return Err(blame("win")(Error::conflict(problem, "Gather both alike: list(data), list(win)")));
    }
    let canvas = canvases::canvas(&Value::of(input.column(2), row)).map_err(blame("canvas"))?;
    let mut pieces = Pieces::of(datas.items())?;
    let plan = Arc::new(bound.asked.plan(canvas, laying::is_wide(pieces.dtype())));
    let mut field = Field::new(plan.clone());
    for (index, window) in windows.iter().enumerate() {
        if pieces.is_null(index) || *window == Value::Null {
            continue;
        }
        let Some(span) = canvases::span(window, &plan.canvas).map_err(blame("win"))? else { continue };
        if field.bands() == 0 {
            let bands = (pieces.length(index) / span.pixels().max(1)).max(1);
            laying::check_answer(&plan, bands, bound.asked.weights, bound.limit).map_err(blame("canvas"))?;
        }
        let own = Own { rank: Some(index as f64), ..Own::default() };
        laying::lay(&mut field, &mut pieces, index, &span, own).map_err(blame("data"))?;
        let needed = field.bytes() as u64;
        if needed > bound.limit {
            let load = Load::Field { canvas: plan.canvas.to_string() };
            return Err(blame("canvas")(Error::TooLarge { load, needed, limit: bound.limit }));
        }
    }
    Ok((field.bands() > 0).then_some(field))
}
