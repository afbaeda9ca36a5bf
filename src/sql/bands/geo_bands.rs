//! `geo_bands`: bands as weighted sums of others.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::pieces::Pieces;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::sql::shared::stitching::numbers::{self, INEXACT, PIXELS, Row, SHAPE, list_type};
use crate::sql_type::SqlType;
use crate::workers::go_on;

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
        INEXACT,
    ],
    examples: &[Example {
        title: "Two bands of three",
        sql: "SELECT geo_bands([1, 2, 10, 20, 100, NULL]::FLOAT[], [3, 1, 2], [[1, 1, 0], [0, 0.5, 0.5]]) AS data;",
        rows: &["[11.0, 22.0, 55.0, NULL]"],
    }],
    references: &["numpy.tensordot(matrix, data, 1)"],
};

/// Pixels that are summed together, so that they stay near.
const RUN: usize = 512;
/// Bands that are added at once.
const TOGETHER: usize = 4;

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
        let (mut parts, mut sums): ([Row; TOGETHER], Vec<Row>) = Default::default();
        numbers::write_parts(out, wide, &lengths, limits, |row, put| {
            let Some((shape, matrix)) = &asked[row] else { return Ok(()) };
            let area = shape[1] * shape[2];
            let used: Vec<usize> =
                (0..shape[0]).filter(|band| matrix.iter().any(|weights| weights[*band] != 0.0)).collect();
            sums.resize_with(matrix.len().max(sums.len()), Row::default);
            for from in (0..area).step_by(RUN) {
                go_on()?;
                let to = (from + RUN).min(area);
                for sum in &mut sums {
                    sum.clear();
                    sum.values.resize(to - from, 0.0);
                }
                for sources in used.chunks(TOGETHER) {
                    for (part, band) in parts.iter_mut().zip(sources) {
                        part.read_part(&mut data, row, band * area + from..band * area + to)?;
                    }
                    for (sum, weights) in sums.iter_mut().zip(matrix) {
                        let weighted = sources.iter().zip(&parts).map(|(band, part)| (weights[*band], part));
                        let weighted: Vec<(f64, &Row)> =
                            weighted.filter(|(weight, _)| *weight != 0.0).collect();
                        add(sum, &weighted);
                    }
                }
                for (band, sum) in sums.iter().take(matrix.len()).enumerate() {
                    put.put(band * area + from, &sum.values, sum.mask())?;
                }
            }
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

/// Adds some bands, each times its weight, in their order.
fn add(sum: &mut Row, weighted: &[(f64, &Row)]) {
    match weighted {
        [(a, x), (b, y), (c, z), (d, w)] => {
            let four = x.values.iter().zip(&y.values).zip(z.values.iter().zip(&w.values));
            for (sum, ((x, y), (z, w))) in sum.values.iter_mut().zip(four) {
                *sum = *sum + a * x + b * y + c * z + d * w;
            }
        }
        fewer => {
            for (weight, part) in fewer {
                sum.values.iter_mut().zip(&part.values).for_each(|(sum, value)| *sum += weight * value);
            }
        }
    }
    for (_, part) in weighted {
        let Some(mask) = part.mask() else { continue };
        sum.valid.resize(mask.len(), true);
        sum.valid.iter_mut().zip(mask).for_each(|(valid, its)| *valid &= its);
    }
}
