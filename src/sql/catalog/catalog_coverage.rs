//! How many files lie in each cell of a map and each month, to plot.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column, named};
use crate::sql::shared::catalogs::{AMISS, CATALOG};
use crate::sql::shared::shapes::BOX;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_coverage.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_coverage",
    kind: Kind::Macro,
    summary: "How many files lie in each cell of a map and each month, to plot.",
    parameters: &[
        CATALOG,
        named(
            "cell",
            "DOUBLE",
            "10",
            "Side of a cell, in units of the catalog's CRS: degrees in longitude and latitude. Cells begin at multiples of it.",
        ),
        named("every", "VARCHAR", "'month'", "`year`, `month` or `day`."),
    ],
    columns: &[
        column("geometry", "GEOMETRY", "The cell as a polygon, in the catalog's CRS."),
        column("bbox", BOX, "The cell."),
        column("period", "DATE", "First day of the period, UTC; NULL counts the undated rows."),
        column(
            "n",
            "BIGINT",
            "Rows whose footprint shares an area with the cell and whose interval meets the period. Periods come in order, cells from the south-west.",
        ),
    ],
    nulls: "Rows with a NULL geometry are not counted.",
    errors: &[AMISS, "cell: not above 0", "every: none of the periods"],
    examples: &[Example {
        title: "Files of each year by quarter of the globe",
        sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})'))\n\
              SELECT period, count(*) AS cells, max(n) AS files FROM geoquilt.catalog_coverage('files', cell := 90, every := 'year') GROUP BY period ORDER BY period;",
        rows: &["2018-01-01\t8\t2", "2019-01-01\t8\t1"],
    }],
    references: &[],
};
