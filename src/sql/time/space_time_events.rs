//! A slice about the place and the time of each event.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::sql::shared::slice_value::SLICE;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/space_time_events.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "space_time_events",
    kind: Kind::Macro,
    summary: "A slice about the place and the time of each event.",
    parameters: &[
        Parameter {
            name: "events",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `geometry`, a point (longitude and latitude unless its type has a CRS), and `t`, a time in UTC.",
        },
        Parameter {
            name: "lookback",
            types: "INTERVAL",
            given: Given::Required,
            meaning: "Length of (t - lookback, t].",
        },
        Parameter {
            name: "size",
            types: "BIGINT",
            given: Given::Required,
            meaning: "Pixels of a slice along a side.",
        },
        Parameter {
            name: "resolution",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "Side of a pixel, in units of `crs`.",
        },
        named(
            "horizon",
            "INTERVAL",
            "NULL",
            "Length of (t, t + horizon], a second row of the event; none unless given.",
        ),
        named("crs", "VARCHAR", "'OGC:CRS84'", "CRS of the slices."),
    ],
    columns: &[
        column("role", "VARCHAR", "`lookback` or `horizon`."),
        column(
            "slice",
            SLICE,
            "The event in the middle, and the window of time. All columns of `events` follow. Rows come in order of time.",
        ),
    ],
    nulls: "The slice is NULL where the geometry or the time is.",
    errors: &[
        "lookback or horizon: not above zero",
        "a geometry that is not a point",
        "size or resolution: not above zero",
        "a CRS that PROJ does not know",
    ],
    examples: &[Example {
        title: "A week before a storm and the day after it",
        sql: "WITH storms AS (SELECT 'Xaver' AS name, 'POINT (8 54)'::GEOMETRY AS geometry, TIMESTAMP '2013-12-05 18:00:00' AS t)\n\
              SELECT name, role, slice.width, slice.bbox.xmin, slice.t_min, slice.t_max FROM geoquilt.space_time_events('storms', INTERVAL 7 DAY, 64, 0.25, horizon := INTERVAL 1 DAY);",
        rows: &[
            "Xaver\tlookback\t64\t0.0\t2013-11-28 18:00:00.000001\t2013-12-05 18:00:00",
            "Xaver\thorizon\t64\t0.0\t2013-12-05 18:00:00.000001\t2013-12-06 18:00:00",
        ],
    }],
    references: &[],
};
