//! A row a patch and date of an ocean package, with a split.

use crate::bridge::doc::{Example, FunctionDoc, Kind, Parameter, column, named};
use crate::sql::ocean::ocean_grid::{GRID, ROOT};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/ocean_registry.sql");

/// What a registry is made by, beside its grid.
pub const REGISTRY: [Parameter; 5] = [
    named(
        "val_year",
        "INTEGER | INTEGER[]",
        "2018",
        "Dates of this year, or of these, are validation, all others training.",
    ),
    named("window_days", "BIGINT", "7", "Days of the window of profiles that is centred on a date."),
    named(
        "assign",
        "VARCHAR",
        "'window'",
        "`window`: a profile counts to every date that is at most window_days // 2 days from it. `nearest`: to the nearest one alone, of two as near the earlier, at most (window_days - 1) / 2 days from it.",
    ),
    named(
        "require_argo",
        "STRUCT(train BOOLEAN, val BOOLEAN, \"all\" BOOLEAN)",
        "{train: false, val: true, 'all': false}",
        "Of which splits rows without a profile become `rejected`; with `all`, such rows are left out altogether. A key that is not given keeps its default.",
    ),
    named(
        "coverage",
        "VARCHAR[]",
        "['glorys/thetao', 'sealevel/adt']",
        "Variables that a date of OSTIA must have too; without it those of the two that the package has. `[]` for none.",
    ),
];

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "ocean_registry",
    kind: Kind::Macro,
    summary: "The registry of an ocean package: patches and dates, with split and files.",
    parameters: &[
        ROOT,
        GRID[0],
        GRID[1],
        GRID[2],
        GRID[3],
        REGISTRY[0],
        REGISTRY[1],
        REGISTRY[2],
        REGISTRY[3],
        REGISTRY[4],
    ],
    columns: &[
        column("patch_id", "BIGINT", "The grid's."),
        column("date", "DATE", "A date of OSTIA; rows are sorted by date, then patch."),
        column(
            "split",
            "VARCHAR",
            "`train`, `val`, or `rejected` where a split asks for profiles and there are none. All rows together, whatever their split, are the set for inference.",
        ),
        column("cause", "VARCHAR", "`support` of a rejected row."),
        column("support", "BIGINT", "How many profiles with a value lie in the patch and count to the date."),
        column("t_min", "TIMESTAMP", "Start of the day."),
        column("t_max", "TIMESTAMP", "Its end, inside."),
        column("ostia", "VARCHAR", "The raster of ostia/analysed_sst."),
        column("glorys", "VARCHAR", "That of glorys/thetao; NULL where the date has none."),
        column("sea_level", "VARCHAR", "That of sealevel/adt; NULL where the date has none."),
        column("argo_from", "DATE", "First day of the profiles that count to the date."),
        column("argo_to", "DATE", "Last day, inside."),
        column("...", "ANY", "`split_by`, and the columns of the grid."),
    ],
    nulls: "NULL for regions, require_argo and coverage is not given; a NULL root is an error. A profile without a day counts to no date.",
    errors: &[
        "root: as geo_ocean_manifest, ocean_package, ocean_profiles and ocean_grid",
        "val_year: a year without a date (those there are are told)",
        "coverage: a variable that the package does not have; none of OSTIA's dates is covered (what each variable lacks is told)",
        "require_argo: keys or values that are none; a split that asks for profiles, and none of its rows has one",
        "window_days: below 1; assign: neither window nor nearest; stride below size and no val_year",
    ],
    examples: &[Example {
        title: "Splits and their profiles",
        sql: "SELECT split, cause, count(DISTINCT date) AS dates, count(*) AS n_rows, sum(support)::BIGINT AS profiles\n\
                  FROM geoquilt.ocean_registry('test/data/small/ocean_package', size := 8, stride := 4) GROUP BY ALL ORDER BY ALL;",
        rows: &["rejected\tsupport\t1\t86\t0", "train\tNULL\t2\t262\t180", "val\tNULL\t1\t45\t80"],
    }],
    references: &[
        "The production dataset: patch registry storage",
        "PyPI depth-recon: GeoTIFFPatchIndex, _nearest_target_dates",
    ],
};
