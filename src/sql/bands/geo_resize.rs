//! `geo_resize`: patches onto another number of rows and columns.

use crate::bands::resize::{Axis, METHODS, Method, plane};
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, option};
use crate::bridge::pieces::Pieces;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::sql::shared::options::OPTIONS;
use crate::sql::shared::stitching::numbers::{self, DATA, INEXACT, Row, SHAPE, list_type};
use crate::sql_type::SqlType;

/// The scalar `geo_resize`.
pub struct GeoResize;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_resize",
    kind: Kind::Scalar,
    summary: "Brings patches onto another number of rows and columns over the same extent.",
    parameters: &[
        Parameter {
            name: "data",
            types: DATA,
            given: Given::Required,
            meaning: "Pixels in the order [band, row, col], or with further axes in front.",
        },
        SHAPE,
        Parameter {
            name: "out_shape",
            types: "BIGINT[]",
            given: Given::Required,
            meaning: "Rows and columns of the result; numbers in front must be those of `shape`.",
        },
        OPTIONS,
        option(
            "method",
            "VARCHAR",
            "'bilinear'",
            "`bilinear`: between the four nearest centres (PyTorch's align_corners = False, no antialias). `nearest`: the pixel that the centre lies in. `average`: the mean of what the pixel covers, by area.",
        ),
    ],
    columns: &[column(
        "data",
        "FLOAT[]",
        "The pixels, worked out in DOUBLE; FLOAT, or DOUBLE for data of DOUBLE or of whole numbers of 32 or 64 bits. What is missing (NULL or NaN) weighs nothing; where what is there weighs at most 0.01, the pixel is missing too: NULL where the list has a NULL, else NaN.",
    )],
    nulls: "NULL for a NULL argument.",
    errors: &[
        "data that is not as long as shape says, a shape without a pixel",
        "an out_shape that is not two numbers of at least 1, or with others in front than shape has",
        "a method that is none (those known are listed), an unknown key, options that are not constant",
        "a chunk above geoquilt_max_chunk_mb",
        INEXACT,
    ],
    examples: &[Example {
        title: "Half the size, by each method",
        sql: "SELECT geo_resize(x, [1, 4], [1, 2]) AS bilinear, geo_resize(x, [1, 4], [1, 2], {method: 'nearest'}) AS nearest, geo_resize(x, [1, 4], [1, 2], {method: 'average'}) AS average\n\
              FROM (SELECT [1, 2, NULL, 4]::FLOAT[] AS x);",
        rows: &["[1.5, 4.0]\t[2.0, 4.0]\t[1.5, 4.0]"],
    }],
    references: &[
        "torch.nn.functional.interpolate(align_corners = False), of data and of its mask",
        "GDAL's average",
    ],
};

/// What a call knows before any row.
pub struct Bound {
    method: Method,
    limits: Limits,
}

fn blame(parameter: &'static str) -> impl Fn(Error) -> Error {
    move |error| error.at(format!("geo_resize({parameter})"))
}

impl ScalarFunction for GeoResize {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn returns(arguments: &[SqlType]) -> Result<SqlType> {
        list_type(arguments)
    }

    fn bind(call: Call) -> Result<Bound> {
        let method = call.options()?.choice("method", "a method", &METHODS)?.unwrap_or(Method::Bilinear);
        Ok(Bound { method, limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let mut data = Pieces::of(input.column(0))?;
        let asked = numbers::asked(input, &data, DOC.name, |row, shape| out_shape(input, row, shape))?;
        let length = |(shape, (rows, cols)): &([usize; 3], (usize, usize))| {
            shape[0].saturating_mul(*rows).saturating_mul(*cols)
        };
        let lengths: Vec<Option<usize>> = asked.iter().map(|asked| asked.as_ref().map(length)).collect();
        let wide = data.dtype().worked_out().size() == 8;
        let (mut pixels, mut dense) = (Row::default(), Vec::new());
        let mut axes: Option<([usize; 4], Axis, Axis)> = None;
        numbers::write_parts(out, wide, &lengths, &bound.limits, |row, result| {
            let Some(([bands, height, width], (rows, cols))) = asked[row] else { return Ok(()) };
            pixels.read(&mut data, row)?;
            let sides = [height, width, rows, cols];
            if axes.as_ref().is_none_or(|(known, ..)| *known != sides) {
                let by_row = Axis::new(bound.method, height, rows).map_err(blame("shape"))?;
                let by_col = Axis::new(bound.method, width, cols).map_err(blame("shape"))?;
                axes = Some((sides, by_row, by_col));
            }
            let Some((_, by_row, by_col)) = &axes else { return Ok(()) };
            let mut at = 0;
            for band in 0..bands {
                let of_band = band * height * width..(band + 1) * height * width;
                let valid = pixels.mask().map(|valid| &valid[of_band.clone()]);
                plane(&pixels.values[of_band], width, valid, (by_row, by_col), |values, there| {
                    if valid.is_some() {
                        result.put(at, values, Some(there))?;
                    } else {
                        // What is missing is NaN where nothing is NULL.
                        dense.clear();
                        dense.extend(
                            values.iter().zip(there).map(|(v, there)| if *there { *v } else { f64::NAN }),
                        );
                        result.put(at, &dense, None)?;
                    }
                    at += values.len();
                    Ok(())
                })?;
            }
            Ok(())
        })
    }
}

fn out_shape(input: &Input<'_>, row: usize, shape: [usize; 3]) -> Result<(usize, usize)> {
    let sides = input.column(2).list(row).numbers::<i64>().unwrap_or_default();
    let side = |n: &i64| usize::try_from(*n).ok().filter(|n| (1..=i32::MAX as usize).contains(n));
    let bad = || {
        let must = "[rows, columns], each at least 1, behind the other sides of shape";
        blame("out_shape")(Error::invalid(numbers::given(input.column(2), row), must))
    };
    let [lead @ .., rows, cols] = sides.as_slice() else { return Err(bad()) };
    let bands = lead.iter().try_fold(1i64, |n, side| n.checked_mul(*side));
    let same = lead.is_empty() || bands == Some(shape[0] as i64);
    side(rows).zip(side(cols)).filter(|_| same).ok_or_else(bad)
}
