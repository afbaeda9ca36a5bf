//! `geoquilt.rasterize_points`: profiles, or other points, as pixels of a window.

use std::sync::atomic::AtomicUsize;

use crate::bridge::aggregate::AggregateFunction;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::pieces::Pieces;
use crate::bridge::record::text;
use crate::bridge::vector::Vector;
use crate::error::{Error, Load, Result};
use crate::profile::cast::narrow;
use crate::profile::raster::Points;
use crate::sql::shared::stitching::numbers::{DATA, INEXACT, Row};
use crate::sql::shared::windows::{self, WIN};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/rasterize_points.sql");

/// The aggregate `geoquilt.rasterize_points`.
pub struct RasterizePoints;

static DOC: FunctionDoc = FunctionDoc {
    name: "rasterize_points",
    kind: Kind::Aggregate,
    summary: "Lays profiles on a window: the mean of those that lie in each cell.",
    parameters: &[
        Parameter {
            name: "row",
            types: "BIGINT",
            given: Given::Required,
            meaning: "Row of the cell that the profile lies in, on the grid that `win` is a window of.",
        },
        Parameter {
            name: "col",
            types: "BIGINT",
            given: Given::Required,
            meaning: "Its column. Profiles beyond the window count nothing.",
        },
        Parameter {
            name: "values",
            types: DATA,
            given: Given::Required,
            meaning: "A value a level, as many in each row of a group: what `geo_align_depth` gives; for points, a list of one. NULL, NaN and infinite values count nothing.",
        },
        Parameter {
            name: "win",
            types: WIN,
            given: Given::Required,
            meaning: "The window, one for all rows of a group.",
        },
    ],
    columns: &[column(
        "raster",
        text!["STRUCT(data FLOAT[], counts INTEGER[], shape BIGINT[])"],
        "`data` in the order [level, row, col] of `shape`: the mean of the values of a cell and level, summed in DOUBLE, NULL where there is none; `counts`: how many there are. Threads may change the last bit of a mean of some hundred millions.",
    )],
    nulls: "Rows of which an argument is NULL count nothing, which is how rows are left out (`CASE WHEN ... THEN values END`). NULL where no row counts, since the number of levels is then unknown.",
    errors: &[
        "a window, or a number of levels, that differs within a group",
        "a mean beyond the largest FLOAT",
        INEXACT,
        "groups of more than `geoquilt_aggregate_mb` (1024 MiB) together: 12 bytes each level of a cell that something lies in, and 8 each pixel and level of the answer",
    ],
    examples: &[Example {
        title: "Three casts on a window of 1 x 3 cells and two levels",
        sql: "SELECT geoquilt.rasterize_points(\"row\", col, v, {row_off: 7, col_off: 4, height: 1, width: 3}) AS raster\n\
              FROM (VALUES (7, 4, [10, NULL]::FLOAT[]), (7, 4, [12, 5]::FLOAT[]), (7, 6, [11, 6]::FLOAT[]), (8, 4, [99, 99]::FLOAT[])) AS casts(\"row\", col, v);",
        rows: &[
            "{'data': [11.0, NULL, 11.0, 5.0, NULL, 6.0], 'counts': [2, 0, 1, 1, 0, 1], 'shape': [2, 1, 3]}",
        ],
    }],
    references: &["PyPI depth-recon: _rasterize_argo_patch"],
};

static HELD: AtomicUsize = AtomicUsize::new(0);

/// What was laid so far, once something was.
#[derive(Default)]
pub struct State(Option<Points>);

/// The arguments of a chunk.
pub struct Rows<'a> {
    input: &'a Input<'a>,
    values: Pieces<'a>,
    profile: Row,
}

fn blame(parameter: &str) -> impl Fn(Error) -> Error + '_ {
    move |error| error.at(format!("geoquilt.{}({parameter})", DOC.name))
}

impl AggregateFunction for RasterizePoints {
    const DOC: &'static FunctionDoc = &DOC;
    const ARGUMENTS: &'static [&'static str] = &["BIGINT", "BIGINT", DATA, WIN];
    type State = State;
    type Rows<'a> = Rows<'a>;

    fn held() -> &'static AtomicUsize {
        &HELD
    }

    fn rows<'a>(input: &'a Input<'_>) -> Result<Rows<'a>> {
        Ok(Rows { input, values: Pieces::of(input.column(2))?, profile: Row::default() })
    }

    fn update(state: &mut State, rows: &mut Rows<'_>, row: usize) -> Result<()> {
        if (0..3).any(|column| rows.input.column(column).is_null(row)) {
            return Ok(());
        }
        let Some(window) = windows::read(rows.input.column(3), row).map_err(blame("win"))? else {
            return Ok(());
        };
        let levels = rows.values.length(row);
        let points = match &mut state.0 {
            Some(points) => {
                points.expect(&window, levels).map_err(blame("win"))?;
                points
            }
            none => {
                let points = Points::new(window, levels);
                let limit_mb = rows.input.column(4);
                let mb = if limit_mb.is_null(row) { u64::MAX } else { limit_mb.get::<u64>(row) };
                let (needed, limit) = (points.len().saturating_mul(8) as u64, mb.saturating_mul(1 << 20));
                if needed > limit {
                    let canvas = format!("{window} of {levels} levels");
                    return Err(blame("win")(Error::TooLarge {
                        load: Load::Field { canvas },
                        needed,
                        limit,
                    }));
                }
                none.insert(points)
            }
        };
        let Rows { input, values, profile } = rows;
        profile.read(values, row).map_err(blame("values"))?;
        let items = (0..levels).map(|level| profile.has(level).then(|| profile.values[level]));
        points.add(input.column(0).get(row), input.column(1).get(row), items);
        Ok(())
    }

    fn combine(state: &mut State, other: &State) -> Result<()> {
        match (&mut state.0, &other.0) {
            (_, None) => Ok(()),
            (Some(to), Some(from)) => to.merge(from).map_err(blame("win")),
            (to @ None, Some(from)) => {
                *to = Some(from.clone());
                Ok(())
            }
        }
    }

    fn finish(state: &State, out: &mut Vector<'_>, row: usize) -> Result<()> {
        let Some(points) = &state.0 else {
            out.set_null(row);
            return Ok(());
        };
        let (length, window) = (points.len(), points.window());
        let [data, counts, shape] = out.fields_mut(["data", "counts", "shape"])?;
        shape.set_list(row, &[points.levels() as i64, window.height.into(), window.width.into()]);
        let (items, first) = counts.push_list(row, length);
        let counted = items.slice_mut::<i32>(first, length);
        counted.fill(0);
        points.each(|index, _, count| counted[index] = i32::try_from(count).unwrap_or(i32::MAX));
        let (items, first) = data.push_list(row, length);
        let means = items.slice_mut::<f32>(first, length);
        means.fill(0.0);
        let (mut gaps, mut end, mut beyond) = (Vec::new(), 0, None);
        points.each(|index, mean, _| {
            match narrow(mean) {
                Ok(mean) => means[index] = mean,
                Err(error) => beyond = beyond.take().or(Some(error)),
            }
            if end < index {
                gaps.push(end..index);
            }
            end = index + 1;
        });
        if let Some(error) = beyond {
            return Err(blame("values")(error));
        }
        if end < length {
            gaps.push(end..length);
        }
        items.set_null_runs(first, &gaps);
        Ok(())
    }

    fn bytes(state: &State) -> usize {
        state.0.as_ref().map_or(0, |points| points.bytes() + points.len() * 8)
    }
}
