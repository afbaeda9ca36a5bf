//! The arrays of each query.

use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, column, named};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/query_samples.sql");

/// The catalog that queries look into.
pub const CATALOG: Parameter = Parameter {
    name: "catalog",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "A relation by name: a catalog of rasters in degrees, with a column `variable`.",
};
/// What a query is.
pub const QUERIES: Parameter = Parameter {
    name: "queries",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "A relation by name with `query_id`, `bbox`, `t_min` and `t_max`, as `geo_train_queries` and `geo_eval_queries` give them.",
};
/// Rows and columns by variable.
pub const SIZES: Parameter = named(
    "sizes",
    "MAP(VARCHAR, BIGINT[])",
    "NULL",
    "Rows and columns by variable, and of all others under `default`; a STRUCT will do: `{'default': [64, 64], 'l3_ssh': [96, 96]}`. A variable without a size keeps its own pixels.",
);
const ARRAYS: &str = "MAP(VARCHAR, STRUCT(data FLOAT[], shape BIGINT[], lats DOUBLE[], lons DOUBLE[]))";

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "query_samples",
    kind: Kind::Macro,
    summary: "The arrays of each query: inputs and targets by variable, with coordinates.",
    parameters: &[
        QUERIES,
        CATALOG,
        Parameter {
            name: "variables",
            types: "STRUCT(inputs VARCHAR[], targets VARCHAR[])",
            given: Given::Required,
            meaning: "Names of variables, in the order of the maps.",
        },
        SIZES,
        named(
            "aggregation",
            "VARCHAR",
            "'mean'",
            "What becomes of the steps of a query's days (files of one `t_min` are a step, merged): `mean` of what is there, pixel by pixel; `first`; `last`; `stack`, all of them in order, an axis in front.",
        ),
    ],
    columns: &[
        column("query_id", "BIGINT", "The query's."),
        Column {
            name: "inputs",
            types: ARRAYS,
            meaning: "Band 1 of a variable's files on the pixels of their own grid whose centres lie in the box, brought to its size as `geo_resize` does (bilinear, missing pixels weigh nothing); the value is NULL where no file meets the box and the days. `lats` (north first) and `lons` are the centres of the pixels that there are then, by the half-pixel rule over the outer edges of the pixels that were read; beyond 180 over the antimeridian.",
        },
        Column { name: "targets", types: ARRAYS, meaning: "The same of the targets." },
        Column {
            name: "coords",
            types: "STRUCT(lat DOUBLE[], lon DOUBLE[])",
            meaning: "Those of the first variable that is there.",
        },
        Column {
            name: "metadata",
            types: "STRUCT(bbox STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE), time_range TIMESTAMP[], n_files BIGINT)",
            meaning: "The query's box and times, and how many files were read.",
        },
    ],
    nulls: "A missing pixel is NULL, a variable without a file has the value NULL. A row without times in the catalog meets every query.",
    errors: &[
        "queries or catalog: not there, or a column is missing",
        "variables: none, or one that no row of the catalog has (those it has are listed)",
        "catalog: a file of these variables in another CRS than degrees, or without a transform",
        "sizes: not rows and columns, each at least 1; aggregation: none of the four",
        "arrays of more than geoquilt_max_chunk_mb",
    ],
    examples: &[Example {
        title: "A day, the mean of two, and none",
        sql: "WITH files AS (SELECT *, 'sst' AS variable FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})')),\n\
              \x20    queries AS (SELECT * FROM (VALUES (0, TIMESTAMP '2018-01-01', TIMESTAMP '2018-01-01 12:00:00'), (1, TIMESTAMP '2018-01-02', TIMESTAMP '2019-01-01'), (2, TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-02')) AS q(query_id, t_min, t_max),\n\
              \x20                (SELECT {xmin: -40, ymin: 0, xmax: 0, ymax: 40} AS bbox))\n\
              SELECT query_id, inputs['sst'].data AS data, inputs['sst'].shape AS shape, inputs['sst'].lats AS lats, metadata.n_files AS files\n\
              FROM geoquilt.query_samples('queries', 'files', {inputs: ['sst']}, sizes := {'default': [2, 2]});",
        rows: &[
            "0\t[13.28125, 13.40625, 17.78125, 17.90625]\t[2, 2]\t[30.0, 10.0]\t1",
            "1\t[14.28125, 14.40625, 18.78125, 18.90625]\t[2, 2]\t[30.0, 10.0]\t2",
            "2\tNULL\tNULL\tNULL\t0",
        ],
    }],
    references: &[
        "OceanTACO: OceanTACODataset.__getitem__",
        "torch.nn.functional.interpolate(align_corners = False), of data and of its mask",
    ],
};
