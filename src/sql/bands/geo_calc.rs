//! `geo_calc`: arithmetic over the bands of patches.

use std::collections::HashMap;

use crate::bands::expression::{self, BLOCK, Program, Stack};
use crate::bridge::args::exact_number;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::pieces::Pieces;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::sql::shared::stitching::numbers::{self, INEXACT, PIXELS, Row, SHAPE, list_type};
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::workers::go_on;

/// The scalar `geo_calc`.
pub struct GeoCalc;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_calc",
    kind: Kind::Scalar,
    summary: "Works out expressions over the bands of a patch, pixel by pixel.",
    parameters: &[
        PIXELS,
        SHAPE,
        Parameter {
            name: "expression",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "Over `b1`, `b2` and so on, or names: `+ - * / % **`, `< <= > >= == !=`, `and or not`, `abs sqrt exp log log10 log2 pow sin cos tan floor ceil round min max`, `clip(x, low, high)`, `where(condition, then, else)`, and `bit(x, n)`: whether bit n, 0 to 63, of a whole number is set, NaN for what is none. `log` is natural, `%` has the sign of its divisor, angles are radians, truth is 1 and 0. Several expressions, parted by commas, give several bands.",
        },
        Parameter {
            name: "numbers",
            types: "STRUCT | NULL",
            given: Given::Optional,
            meaning: "Numbers of the row by their names, such as `{gain: g, sun: s}`; `bands`, a list of texts, names the bands.",
        },
    ],
    columns: &[column(
        "data",
        "FLOAT[]",
        "As many bands as expressions, of the same rows and columns, worked out in DOUBLE by IEEE's rules (1 / 0 is infinite, 0 / 0 is NaN); FLOAT, or DOUBLE for data of DOUBLE or of whole numbers of 32 or 64 bits. NULL where a band or a number that is asked for is NULL, of `where` the one that is picked.",
    )],
    nulls: "NULL for NULL data, shape or expression.",
    errors: &[
        "data that is not as long as shape says",
        "what is no expression: the place is told; a function that is none (those known are listed)",
        "an expression of more than 65,536 bytes, or of more than 64 brackets, signs or powers within each other",
        "bit(x, n) with an n that no pixel is in, and that is no whole number from 0 to 63",
        "a band that the data does not have, a name that is neither a band's nor among the numbers",
        "numbers that are no STRUCT of numbers",
        "a chunk above geoquilt_max_chunk_mb",
        INEXACT,
    ],
    examples: &[
        Example {
            title: "An index, and whether it is high",
            sql: "SELECT geo_calc([1, 2, NULL, 3, 6, 5]::FLOAT[], [2, 1, 3], '(b2 - b1) / (b2 + b1), b2 > 4') AS data;",
            rows: &["[0.5, 0.5, NULL, 0.0, 1.0, 1.0]"],
        },
        Example {
            title: "With names, and a row's own numbers",
            sql: "SELECT geo_calc([100, 200]::USMALLINT[], [1, 2], 'radiance * gain / cos(sun)', {bands: ['radiance'], gain: 0.25, sun: 0}) AS data;",
            rows: &["[25.0, 50.0]"],
        },
    ],
    references: &["NumPy in float64"],
};

fn blame(parameter: &'static str) -> impl Fn(Error) -> Error {
    move |error| error.at(format!("geo_calc({parameter})"))
}

/// An expression, with the names of bands that it was parsed with.
struct Known {
    text: String,
    bands: Vec<String>,
    program: Program,
}

/// A row's names of bands, and numbers.
type RowNumbers = (Vec<String>, HashMap<String, Option<f64>>);

impl ScalarFunction for GeoCalc {
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
        let mut known: Vec<Known> = Vec::new();
        let asked = numbers::asked(input, &data, DOC.name, |row, shape| {
            let (bands, given) = row_numbers(input, row).map_err(blame("numbers"))?;
            let text = input.column(2).str(row)?;
            let at = known.iter().position(|known| known.text == text && known.bands == bands);
            let at = match at {
                Some(at) => at,
                None => {
                    let program = Program::parse(text, &bands).map_err(blame("expression"))?;
                    known.push(Known { text: text.to_string(), bands, program });
                    known.len() - 1
                }
            };
            let program = &known[at].program;
            if program.bands() > shape[0] {
                let problem = format!("band {} of data that has {}", program.bands(), shape[0]);
                return Err(blame("expression")(Error::conflict(problem, "Bands count from b1")));
            }
            let given = expression::numbers(program, &given).map_err(blame("expression"))?;
            Ok((at, given))
        })?;
        let length = |(shape, (at, _)): &([usize; 3], (usize, Vec<Option<f64>>))| {
            known[*at].program.outs().saturating_mul(shape[1]).saturating_mul(shape[2])
        };
        let lengths: Vec<Option<usize>> = asked.iter().map(|asked| asked.as_ref().map(length)).collect();
        let wide = data.dtype().worked_out().size() == 8;
        let (mut parts, mut stack) = (Vec::<Row>::new(), Stack::default());
        numbers::write_parts(out, wide, &lengths, limits, |row, put| {
            let Some((shape, (at, given))) = &asked[row] else { return Ok(()) };
            let (area, program) = (shape[1] * shape[2], &known[*at].program);
            parts.resize_with(program.bands().max(parts.len()), Row::default);
            for from in (0..area).step_by(BLOCK) {
                go_on()?;
                let to = (from + BLOCK).min(area);
                for &band in program.used() {
                    parts[band].read_part(&mut data, row, band * area + from..band * area + to)?;
                }
                for out in 0..program.outs() {
                    let band = |band: usize| (parts[band].values.as_slice(), parts[band].mask());
                    let done = program.run(out, to - from, band, given, &mut stack);
                    let (values, valid) = done.map_err(blame("expression"))?;
                    put.put(out * area + from, values, valid)?;
                }
            }
            Ok(())
        })
    }
}

fn row_numbers(input: &Input<'_>, row: usize) -> Result<RowNumbers> {
    let mut found = (Vec::new(), HashMap::new());
    let value = if input.columns() > 3 { Value::of(input.column(3), row) } else { Value::Null };
    let fields = match value {
        Value::Null => return Ok(found),
        Value::Struct(fields) => fields,
        other => return Err(Error::invalid(other, "a struct of numbers by their names")),
    };
    for (name, value) in fields {
        let texts = |items: &[Value]| {
            let text = |item: &Value| match item {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            };
            items.iter().map(text).collect::<Option<Vec<String>>>()
        };
        match &value {
            Value::List(items) if name == "bands" => {
                found.0 = texts(items).ok_or_else(|| Error::invalid(&value, "a list of the bands' names"))?;
            }
            Value::Null => {
                found.1.insert(name, None);
            }
            other => {
                let must = || match other {
                    Value::Int(_) | Value::Decimal(_, 0) | Value::Other(_) => {
                        format!("a number for {name} that DOUBLE holds exactly, or cast: {other}::DOUBLE")
                    }
                    _ => format!("a number for {name}"),
                };
                let bad = || Error::invalid(other, must());
                found.1.insert(name.clone(), Some(exact_number(other).ok_or_else(bad)?));
            }
        }
    }
    Ok(found)
}
