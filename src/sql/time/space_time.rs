//! Each patch of a grid in each window of time.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/space_time.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "space_time",
    kind: Kind::Macro,
    summary: "Each patch of a grid in each window of time.",
    parameters: &[
        Parameter {
            name: "grid",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `patch_id`, as `geo_patch_grid` gives it.",
        },
        Parameter {
            name: "windows",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `window_id`, `anchor`, `role`, `t_min` and `t_max`, as `geo_time_windows` gives it.",
        },
    ],
    columns: &[
        column("window_id", "BIGINT", "The window's."),
        column("anchor", "TIMESTAMP", "The window's."),
        column("role", "VARCHAR", "The window's."),
        column("t_min", "TIMESTAMP", "The window's."),
        column(
            "t_max",
            "TIMESTAMP",
            "The window's. All columns of the grid follow. Rows come window by window, patches by id.",
        ),
    ],
    nulls: "NULL is carried.",
    errors: &["a relation without the columns named above"],
    examples: &[Example {
        title: "Two patches in three weeks",
        sql: "WITH grid AS (FROM geo_patch_grid('test/data/small/land.tif', size := 18)),\n\
              \x20    weeks AS (FROM geo_time_windows('2020-01-01', '2020-01-21', lookback := INTERVAL 7 DAY, sampler := 'causal', step := INTERVAL 7 DAY))\n\
              SELECT window_id, patch_id, t_max FROM geoquilt.space_time('grid', 'weeks');",
        rows: &[
            "0\t0\t2020-01-07 23:59:59.999999",
            "0\t1\t2020-01-07 23:59:59.999999",
            "1\t0\t2020-01-14 23:59:59.999999",
            "1\t1\t2020-01-14 23:59:59.999999",
            "2\t0\t2020-01-21 23:59:59.999999",
            "2\t1\t2020-01-21 23:59:59.999999",
        ],
    }],
    references: &[],
};
