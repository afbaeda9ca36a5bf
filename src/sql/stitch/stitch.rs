//! `geoquilt.stitch`: many patches into one field.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::bridge::aggregate::AggregateFunction;
use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::pieces::Pieces;
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::sql::shared::stitching::canvases;
use crate::sql::shared::stitching::laying::{self, FIELD};
use crate::sql::shared::stitching::numbers::{DATA, INEXACT};
use crate::sql::shared::stitching::{
    ALPHA, Asked, IN_CALLS, METHOD, NORMALISE, PERIODIC, SIGMA, SKIP_NAN, TAPER, TAPERED, WEIGHTS, asked,
};
use crate::sql_type::SqlType;
use crate::stitch::field::{Field, Plan, differs};
use crate::value::Value;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/stitch.sql");

/// The aggregate `geoquilt.stitch`.
pub struct Stitch;

const NAME: &str = "geoquilt.stitch";
const OPTIONS: [&str; 9] =
    ["method", "taper", "periodic", "alpha", "sigma", "tapered", "normalise", "skip_nan", "weights"];

static DOC: FunctionDoc = FunctionDoc {
    name: "stitch",
    kind: Kind::Aggregate,
    summary: "Lays patches on one canvas, and gives the field that they make together.",
    parameters: &[
        Parameter {
            name: "data",
            types: "ANY[]",
            given: Given::Required,
            meaning: "Pixels of a patch in the order [band, row, col], any numbers; a NULL pixel is not laid.",
        },
        Parameter {
            name: "win",
            types: "STRUCT",
            given: Given::Required,
            meaning: "Where on the canvas the patch lies: `{row_off, col_off, height, width}`, which may hang over its edges; `{start: [...], size: [...]}` with a number an axis, for windows of more axes than two; or a slice, or `{shape, transform, crs}` of a read, which must lie on the canvas's grid.",
        },
        Parameter {
            name: "canvas",
            types: "ANY",
            given: Given::Required,
            meaning: "`[rows, cols]`, with sizes of further axes in front; a slice; or `{height, width, transform, crs}` or `{shape, transform, crs}`, as catalogs and reads have them. One for all rows of a group.",
        },
        METHOD.named(),
        TAPER.named(),
        named(
            "weight",
            "DOUBLE | DOUBLE[]",
            "NULL",
            "Of `weighted`, `overlap_add` and `vote`: what the patch counts, or each of its pixels; 0 and NULL in a list leave out.",
        ),
        named(
            "variance",
            "DOUBLE[]",
            "NULL",
            "Of `inverse_variance`: one a pixel, above 0; NULL leaves out.",
        ),
        named(
            "rank",
            "DOUBLE | TIMESTAMP | DATE",
            "NULL",
            "Of `first` and `last`: what patches are ordered by.",
        ),
        PERIODIC.named(),
        ALPHA.named(),
        SIGMA.named(),
        TAPERED.named(),
        NORMALISE.named(),
        SKIP_NAN.named(),
        WEIGHTS.named(),
    ],
    columns: &[column(
        "field",
        FIELD,
        "`data` in the order of `shape`: bands, further axes, rows, columns; FLOAT, or DOUBLE where the patches are of DOUBLE or of whole numbers of 32 or 64 bits. NULL where nothing was laid. `transform` and `crs` are the canvas's. Stitching patches as they were cut gives what they were cut from, to the bit, whatever the taper. Neither order nor threads change a bit of methods that pick, count or keep values, nor of whole numbers up to 16 bits; of sums of DOUBLE not either, but where the exact sum lies within 2^-100 of a tie; of FLOAT, whose sums are doubles, a pixel in some hundred millions by a unit in its last place.",
    )],
    nulls: "Rows whose data or win is NULL lay nothing, which is how rows are left out (`CASE WHEN ... THEN data END`): an aggregate behind a macro takes no FILTER, DISTINCT, ORDER BY or OVER. NULL where no row lays anything. NaN is a value, unless `skip_nan`.",
    errors: &[
        "data that is not as long as so many bands of win, or whose number of bands differs from row to row",
        "a window wholly off the canvas, or of another number of axes",
        "a patch by its transform that lies beside the canvas's grid, or has pixels of another size or another CRS",
        "a canvas, method or taper that differs within a group",
        "a taper of one's own of another length than the window; a weight that is negative or not finite, a variance that is not above 0",
        "weighted without weight, inverse_variance without variance, first or last without rank, and each of them with another method",
        INEXACT,
        "a field, or groups together, of more than `geoquilt_aggregate_mb` (1024 MiB): 16 bytes a pixel and band that something lies on (8 where no patch of it has a NULL, 32 for DOUBLE), 10 bytes each value of `median`, `variance`, `mode` and `mean_std`, 18 of `vote`, a copy for each thread, and the answer",
    ],
    examples: &[
        Example {
            title: "A raster in overlapping patches, and back",
            sql: "SELECT f.shape, f.data = whole.data AS same FROM\n\
                  \x20 (SELECT geoquilt.stitch(data, win, [18, 36]) AS f FROM read_patch('test/data/small/sst_20180101.tif', size := 8, stride := 4)),\n\
                  \x20 read_patch('test/data/small/sst_20180101.tif', size := [18, 36]) AS whole;",
            rows: &["[1, 18, 36]\ttrue"],
        },
        Example {
            title: "Two patches that disagree where they overlap, by three methods",
            sql: "SELECT geoquilt.stitch(data, win, [1, 6]).data AS hann, geoquilt.stitch(data, win, [1, 6], method := 'max').data AS most,\n\
                  \x20 geoquilt.stitch(data, win, [1, 6], method := 'count').data AS n\n\
                  FROM (VALUES ([1, 1, 1, 1]::FLOAT[], {row_off: 0, col_off: 0, height: 1, width: 4}),\n\
                  \x20 ([3, 3, 3, 3]::FLOAT[], {row_off: 0, col_off: 2, height: 1, width: 4})) AS t(data, win);",
            rows: &[
                "[1.0, 1.0, 1.0, 2.0, 3.0, 3.0]\t[1.0, 1.0, 3.0, 3.0, 3.0, 3.0]\t[1.0, 1.0, 2.0, 2.0, 1.0, 1.0]",
            ],
        },
        Example {
            title: "A field a day on the grid of a slice, with patches by their own transform",
            sql: "SELECT day, f.shape, f.transform, round(list_avg(f.data), 4) AS mean FROM (\n\
                  \x20 SELECT p.path[-12:-5] AS day, geoquilt.stitch(p.data, {shape: p.shape, transform: p.transform, crs: p.crs},\n\
                  \x20   geo_slice({xmin: -180, ymin: -90, xmax: 180, ymax: 90}, 10, 'OGC:CRS84'), taper := 'tukey') AS f\n\
                  \x20 FROM read_patch('test/data/small/sst_*.tif', size := 9, stride := 3) AS p GROUP BY day)\n\
                  ORDER BY day LIMIT 2;",
            rows: &[
                "20180101\t[1, 18, 36]\t[-180.0, 10.0, 0.0, 90.0, 0.0, -10.0]\t20.1857",
                "20180102\t[1, 18, 36]\t[-180.0, 10.0, 0.0, 90.0, 0.0, -10.0]\t20.1857",
            ],
        },
    ],
    references: &[
        "scipy.signal.windows: tapers; numpy.mean, median, var, std",
        "xrpatcher, MONAI's sliding_window_inference (sigma_scale 0.125 is a sigma of 0.25 here)",
    ],
};

static HELD: AtomicUsize = AtomicUsize::new(0);

/// A field under way, once a patch was laid.
#[derive(Default)]
pub struct State(Option<Started>);

struct Started {
    field: Field,
    weights: bool,
}

/// The arguments of a chunk.
pub struct Rows<'a> {
    data: Pieces<'a>,
    win: &'a Vector<'a>,
    canvas: &'a Vector<'a>,
    /// Weight, variance and rank of each row.
    own: &'a Vector<'a>,
    options: &'a Vector<'a>,
    limit_mb: &'a Vector<'a>,
    /// The canvas and the options of the row before, and what they ask for.
    known: Option<Known>,
}

struct Known {
    canvas: Value,
    options: Value,
    asked: Asked,
    plan: Arc<Plan>,
}

fn blame(parameter: &str) -> impl Fn(Error) -> Error {
    let blamed = format!("{NAME}({parameter})");
    move |error| error.at(&blamed)
}

impl Rows<'_> {
    fn known(&mut self, row: usize) -> Result<&Known> {
        let (canvas, options) = (Value::of(self.canvas, row), Value::of(self.options, row));
        if self.known.as_ref().is_none_or(|known| known.canvas != canvas || known.options != options) {
            let args = Args::of_struct(NAME, &options, &OPTIONS, "the macro's options")?;
            let asked = asked(&args, &IN_CALLS)?;
            let on = canvases::canvas(&canvas).map_err(blame("canvas"))?;
            let plan = Arc::new(asked.plan(on, laying::is_wide(self.data.dtype())));
            self.known = Some(Known { canvas, options, asked, plan });
        }
        self.known.as_ref().ok_or_else(|| Error::Bug("no plan".into()))
    }
}

impl AggregateFunction for Stitch {
    const DOC: &'static FunctionDoc = &DOC;
    const ARGUMENTS: &'static [&'static str] = &[DATA, "ANY", "ANY", "ANY", "ANY"];
    type State = State;
    type Rows<'a> = Rows<'a>;

    fn returns(arguments: &[SqlType]) -> Result<SqlType> {
        laying::field_type(arguments.first().and_then(SqlType::item))
    }

    fn held() -> &'static AtomicUsize {
        &HELD
    }

    fn rows<'a>(input: &'a Input<'_>) -> Result<Rows<'a>> {
        Ok(Rows {
            data: Pieces::of(input.column(0))?,
            win: input.column(1),
            canvas: input.column(2),
            own: input.column(3),
            options: input.column(4),
            limit_mb: input.column(5),
            known: None,
        })
    }

    fn update(state: &mut State, rows: &mut Rows<'_>, row: usize) -> Result<()> {
        if rows.data.is_null(row) || rows.win.is_null(row) {
            return Ok(());
        }
        let known = rows.known(row)?;
        let (plan, weights, method) = (known.plan.clone(), known.asked.weights, known.asked.method);
        let span = canvases::span(&Value::of(rows.win, row), &plan.canvas).map_err(blame("win"))?;
        let Some(span) = span else { return Ok(()) };
        let own = [0, 1, 2].map(|index| Some(rows.own.field(index)));
        let own = laying::own(own, row, (method, true), &|name, error| blame(name)(error))?;
        let State(started) = state;
        if let Some(Started { field, .. }) = started
            && *field.plan() != *plan
        {
            return Err(blame("canvas")(differs(field.plan(), &plan)));
        }
        if started.is_none() {
            let bands = (rows.data.length(row) / span.pixels().max(1)).max(1);
            let mb = if rows.limit_mb.is_null(row) { u64::MAX } else { rows.limit_mb.get::<u64>(row) };
            laying::check_answer(&plan, bands, weights, mb.saturating_mul(1 << 20))
                .map_err(blame("canvas"))?;
        }
        let Started { field, .. } =
            started.get_or_insert_with(|| Started { field: Field::new(plan), weights });
        laying::lay(field, &mut rows.data, row, &span, own.borrowed()).map_err(blame("data"))
    }

    fn combine(state: &mut State, other: &State) -> Result<()> {
        match (&mut state.0, &other.0) {
            (_, None) => Ok(()),
            (Some(to), Some(from)) => to.field.merge(&from.field).map_err(blame("canvas")),
            (to @ None, Some(from)) => {
                *to = Some(Started { field: from.field.clone(), weights: from.weights });
                Ok(())
            }
        }
    }

    fn finish(state: &State, out: &mut Vector<'_>, row: usize) -> Result<()> {
        match &state.0 {
            Some(Started { field, weights }) => laying::write(field, *weights, out, row),
            None => {
                out.set_null(row);
                Ok(())
            }
        }
    }

    fn bytes(state: &State) -> usize {
        state.0.as_ref().map_or(0, |Started { field, weights }| {
            field.bytes() + laying::answer_bytes(field.plan(), field.bands(), *weights)
        })
    }
}
