//! `geo_catalog_problems`: what is wrong with a row of a catalog.

use crate::bbox::Bbox;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::record::{Read, Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{ReasonResult, Result};
use crate::interval::iso;
use crate::map::Shape;
use crate::sql::catalog::columns::{problems, version_problem};
use crate::sql::shared::shapes::BOX;

/// The scalar `geo_catalog_problems`.
pub struct GeoCatalogProblems;

/// What is wrong with a column.
struct Amiss {
    column: String,
    problem: String,
}
record! { Amiss { column as "\"column\"": String, problem: String } }

/// The columns that are looked at, and with which types of theirs.
const LOOKED_AT: [&str; 5] = ["path", "geometry", "bbox", "t_min", "t_max"];

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_catalog_problems",
    kind: Kind::Scalar,
    summary: "What is wrong with a row of a catalog, column by column.",
    parameters: &[
        Parameter {
            name: "entry",
            types: "ANY",
            given: Given::Required,
            meaning: "A whole row: the name of a relation in FROM.",
        },
        Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The keys below." },
        Parameter {
            name: "columns",
            types: "BOOLEAN",
            given: Given::Option("false"),
            meaning: "Look at the names and types of the columns instead of at the row.",
        },
    ],
    columns: &[column("problems", <Vec<Amiss>>::TYPE, "Empty for a sound row.")],
    nulls: "Never NULL: what is NULL and must not be is a problem.",
    errors: &[],
    examples: &[Example {
        title: "A row that ends before it starts",
        sql: "SELECT geo_catalog_problems(entry) AS problems\n\
              FROM (SELECT * REPLACE (TIMESTAMP '2018-01-01' AS t_max) FROM geo_catalog_build('test/data/small/sst_20180102.tif', filename_regex := '(?P<date>\\d{8})')) AS entry;",
        rows: &[
            "[{'column': t_max, 'problem': 'the interval ends before it starts: 2018-01-02 00:00:00 to 2018-01-01 00:00:00'}]",
        ],
    }],
    references: &["docs/reference.md: geo_catalog_build"],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    /// Problems of the columns themselves, when those are asked for.
    columns: Option<Vec<(&'static str, String)>>,
    /// Where in the row each of [`LOOKED_AT`] stands, when it has its type.
    fields: [Option<usize>; 5],
    version: Option<(usize, bool)>,
    /// Both times are of one type, whose unit is a microsecond when this says so.
    micros: bool,
}

impl ScalarFunction for GeoCatalogProblems {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        let fields = call.fields(0)?;
        let amiss = problems(&fields, &LOOKED_AT);
        let index = |name: &str| fields.iter().position(|(n, _)| n.eq_ignore_ascii_case(name));
        let sound = |name: &&str| index(name).filter(|_| amiss.iter().all(|p| p.column != *name));
        let mut looked_at = LOOKED_AT.map(|name| sound(&name));
        let ty = |index: Option<usize>| index.and_then(|i| fields.get(i)).map(|(_, ty)| ty.as_str());
        if !is_plain_box(ty(looked_at[2])) {
            looked_at[2] = None;
        }
        if ty(looked_at[3]) != ty(looked_at[4]) {
            (looked_at[3], looked_at[4]) = (None, None);
        }
        let micros = ty(looked_at[3]) == Some("TIMESTAMP");
        let version = index("schema_version").and_then(|i| match ty(Some(i)) {
            Some("INTEGER") => Some((i, false)),
            Some("BIGINT") => Some((i, true)),
            _ => None,
        });
        let columns = args.flag("columns")?.unwrap_or(false).then(|| {
            amiss.iter().map(|p| (p.column, format!("column {}: {}", p.problem, p.remedy))).collect()
        });
        Ok(Bound { columns, fields: looked_at, version, micros })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            let found = match &bound.columns {
                Some(columns) => columns.clone(),
                None => of_row(bound, input.column(0), row)?,
            };
            let amiss = |(column, problem): (&str, String)| Amiss { column: column.into(), problem };
            Ok(Some(found.into_iter().map(amiss).collect::<Vec<_>>()))
        })
    }
}

fn is_plain_box(ty: Option<&str>) -> bool {
    ty == Some(BOX)
}

fn of_row(bound: &Bound, entry: &Vector<'_>, row: usize) -> Result<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    let [path, geometry, bbox, t_min, t_max] = bound.fields.map(|index| index.map(|i| entry.field(i)));
    if path.is_some_and(|column| column.is_null(row)) {
        found.push(("path", "is NULL".to_string()));
    }
    let envelope = geometry.and_then(|column| match of_geometry(column, row) {
        Ok(envelope) => Some(envelope),
        Err(problem) => {
            found.push(("geometry", problem.to_string()));
            None
        }
    });
    if let Some(column) = bbox {
        let problem = of_box(Bbox::read(column, row)?, envelope);
        found.extend(problem.map(|problem| ("bbox", problem)));
    }
    if let (Some(start), Some(stop)) = (t_min, t_max) {
        match (start.is_null(row), stop.is_null(row)) {
            (true, false) => {
                found.push(("t_min", "is NULL, and t_max is not: an undated row has neither".into()))
            }
            (false, true) => {
                found.push(("t_max", "is NULL, and t_min is not: an undated row has neither".into()))
            }
            (false, false) if start.get::<i64>(row) > stop.get::<i64>(row) => {
                let text = |v: i64| if bound.micros { iso(v) } else { v.to_string() };
                let (start, stop) = (text(start.get(row)), text(stop.get(row)));
                found.push(("t_max", format!("the interval ends before it starts: {start} to {stop}")));
            }
            _ => {}
        }
    }
    if let Some((index, wide)) = bound.version {
        let column = entry.field(index);
        let version = |row| if wide { column.get::<i64>(row) } else { i64::from(column.get::<i32>(row)) };
        let problem = match column.is_null(row) {
            true => Some("is NULL".to_string()),
            false => version_problem(version(row)),
        };
        found.extend(problem.map(|problem| ("schema_version", problem)));
    }
    Ok(found)
}

fn of_geometry(column: &Vector<'_>, row: usize) -> ReasonResult<Bbox> {
    if column.is_null(row) {
        return Err("is NULL, so that no query finds this row".into());
    }
    match Shape::read(column.bytes(row)) {
        Ok(Some(shape)) => Ok(*shape.bbox()),
        Ok(None) => Err("is empty, so that no query finds this row".into()),
        Err(error) => Err(error.into()),
    }
}

fn of_box(bbox: Option<Bbox>, envelope: Option<Bbox>) -> Option<String> {
    let Some(Bbox { xmin, ymin, xmax, ymax }) = bbox else {
        return Some("is NULL, or has a NULL corner, so that no query finds this row".into());
    };
    if xmin > xmax {
        return Some(format!(
            "xmin {xmin} is above xmax {xmax}: a shape over the antimeridian is two polygons, whose box spans every longitude"
        ));
    }
    let bbox = match Bbox::new(xmin, ymin, xmax, ymax) {
        Ok(bbox) => bbox,
        Err(error) => return Some(error.to_string()),
    };
    let envelope = envelope?;
    // A box that is a little too wide prunes less; one that is too narrow loses rows.
    let narrow = bbox.xmin > envelope.xmin
        || bbox.ymin > envelope.ymin
        || bbox.xmax < envelope.xmax
        || bbox.ymax < envelope.ymax;
    (bbox != envelope).then(|| {
        let effect = if narrow { "queries miss it" } else { "queries read more than they need" };
        format!("{bbox} is not the envelope of the geometry, {envelope}: {effect}")
    })
}
