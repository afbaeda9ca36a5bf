//! `geo_bands`: bands as weighted sums of others.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::pieces::Pieces;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::sql::shared::stitching::numbers::{self, PIXELS, Row, SHAPE, list_type};
use crate::sql_type::SqlType;

/// The scalar `geo_bands`.
pub struct GeoBands;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_bands",
    kind: Kind::Scalar,
    summary: "Makes each band a weighted sum of the bands of a patch: a matrix product.",
    parameters: &[
        PIXELS,
        SHAPE,
        Parameter {
            name: "matrix",
            types: "DOUBLE[][]",
            given: Given::Required,
            meaning: "A list of weights for each band of the result, one a band of the data: spectral responses, say.",
        },
    ],
    columns: &[column(
        "data",
        "FLOAT[]",
        "As many bands as `matrix` has lists, of the same rows and columns, summed in DOUBLE in the order of the bands; FLOAT, or DOUBLE for data of DOUBLE or of whole numbers of 32 or 64 bits. A band of weight 0 is not looked at; NULL where another one is NULL.",
    )],
    nulls: "NULL for a NULL argument.",
    errors: &[
        "data that is not as long as shape says",
        "a matrix without a list, or whose lists have another number of weights than the data has bands, or NULL among them",
        "a chunk above geoquilt_max_chunk_mb",
    ],
    examples: &[Example {
        title: "Two bands of three",
        sql: "SELECT geo_bands([1, 2, 10, 20, 100, NULL]::FLOAT[], [3, 1, 2], [[1, 1, 0], [0, 0.5, 0.5]]) AS data;",
        rows: &["[11.0, 22.0, 55.0, NULL]"],
    }],
    references: &["numpy.tensordot(matrix, data, 1)"],
};

/// Pixels that are summed together, so that they stay near.
const RUN: usize = 2048;

fn blame(parameter: &'static str) -> impl Fn(Error) -> Error {
    move |error| error.at(format!("geo_bands({parameter})"))
}

impl ScalarFunction for GeoBands {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Limits;

    fn returns(arguments: &[SqlType]) -> Result<SqlType> {
        list_type(arguments)
    }

    fn bind(call: Call) -> Result<Limits> {
        Ok(call.limits)
    }

    fn call(limits: &Limits, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let mut data = Pieces::of(input.column(0))?;
        let weights =
            |row: usize, shape: [usize; 3]| matrix(input.column(2), row, shape[0]).map_err(blame("matrix"));
        let asked = numbers::asked(input, &data, DOC.name, weights)?;
        let length = |(shape, matrix): &([usize; 3], Vec<Vec<f64>>)| {
            matrix.len().saturating_mul(shape[1]).saturating_mul(shape[2])
        };
        let lengths: Vec<Option<usize>> = asked.iter().map(|asked| asked.as_ref().map(length)).collect();
        let wide = data.dtype().worked_out().size() == 8;
        let mut pixels = Row::default();
        numbers::write(out, wide, &lengths, limits, |row, result| {
            let Some((shape, matrix)) = &asked[row] else { return Ok(()) };
            pixels.read(&mut data, row)?;
            product(&pixels, shape[1] * shape[2], matrix, result);
            Ok(())
        })
    }
}

/// The weights of a row.
fn matrix(lists: &Vector<'_>, row: usize, bands: usize) -> Result<Vec<Vec<f64>>> {
    let list = lists.list(row);
    let mut found = Vec::with_capacity(list.rows().len());
    for index in list.rows() {
        let weights =
            if list.items().is_null(index) { None } else { list.items().list(index).numbers::<f64>() };
        let weights = weights.ok_or_else(|| Error::invalid("NULL", "a list of weights for each band"))?;
        if weights.len() != bands {
            let problem = format!("{} weights for {bands} bands", weights.len());
            return Err(Error::conflict(problem, "Give one weight a band of the data"));
        }
        found.push(weights);
    }
    if found.is_empty() {
        return Err(Error::invalid("[]", "a list of weights for each band of the result"));
    }
    Ok(found)
}

fn product(pixels: &Row, area: usize, matrix: &[Vec<f64>], result: &mut Row) {
    result.values.resize(matrix.len() * area, 0.0);
    if !pixels.valid.is_empty() {
        result.valid.resize(matrix.len() * area, true);
    }
    for from in (0..area).step_by(RUN) {
        let to = (from + RUN).min(area);
        for (band, weights) in matrix.iter().enumerate() {
            let sums = &mut result.values[band * area + from..band * area + to];
            for (source, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                let values = &pixels.values[source * area + from..source * area + to];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
                if !pixels.valid.is_empty() {
                    let valid = &mut result.valid[band * area + from..band * area + to];
                    let its = &pixels.valid[source * area + from..source * area + to];
                    valid.iter_mut().zip(its).for_each(|(valid, its)| *valid &= its);
                }
            }
        }
    }
}
