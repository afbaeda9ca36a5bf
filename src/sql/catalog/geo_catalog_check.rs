//! `geo_catalog_check`: refuses a relation that is no catalog, before it is read.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::sql::catalog::columns::{ALGEBRA, GRID, Named, mistyped, problems};

/// The scalar `geo_catalog_check`.
pub struct GeoCatalogCheck;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_catalog_check",
    kind: Kind::Scalar,
    summary: "True for a row of a catalog; an error names the column that is amiss.",
    parameters: &[
        Parameter {
            name: "entry",
            types: "ANY",
            given: Given::Required,
            meaning: "A whole row: the name of a relation in FROM. Its columns are looked at, not its values.",
        },
        Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The keys below." },
        Parameter {
            name: "place",
            types: "VARCHAR",
            given: Given::Option("'geo_catalog_check'"),
            meaning: "What the error names: a macro and its parameter.",
        },
        Parameter {
            name: "paths",
            types: "BOOLEAN",
            given: Given::Option("false"),
            meaning: "The column `path` must be there too.",
        },
        Parameter {
            name: "grid",
            types: "BOOLEAN",
            given: Given::Option("false"),
            meaning: "A grid's columns `patch_id` and `win` must be there, and no catalog's.",
        },
        Parameter {
            name: "columns",
            types: "VARCHAR[]",
            given: Given::Option("a catalog's"),
            meaning: "The columns that must be there instead, whatever relation it is; one of several, where they are parted by `|`.",
        },
    ],
    columns: &[column("ok", "BOOLEAN", "True.")],
    nulls: "True for a NULL row.",
    errors: &["geometry, bbox, t_min or t_max is missing or of another type, or a column of `columns`"],
    examples: &[Example {
        title: "A catalog is one",
        sql: "SELECT DISTINCT geo_catalog_check(entry) AS ok FROM geo_catalog_build('test/data/small/sst*.tif') AS entry;",
        rows: &["true"],
    }],
    references: &["docs/reference.md: geo_catalog_build"],
};

/// The first of some columns that a relation lacks, or has in another type, and how to mend that. Each may be one of several,
/// parted by `|`.
fn unnamed(columns: &[Named], needed: &[String]) -> Option<(String, String)> {
    let find = |name: &str| columns.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    for choice in needed {
        let mut any = false;
        for name in choice.split('|') {
            let Some((_, ty)) = find(name) else { continue };
            any = true;
            if let Some((must, remedy)) = mistyped(name, ty) {
                let problem = format!("column \"{name}\" is {ty}, and must be {must}");
                return Some((problem, remedy));
            }
        }
        if !any {
            let all: Vec<String> = needed.iter().map(|choice| choice.replace('|', " or ")).collect();
            let problem = format!("column \"{}\" is missing", choice.replace('|', "\" or \""));
            return Some((problem, format!("Give a relation with the columns {}", all.join(", "))));
        }
    }
    None
}

impl ScalarFunction for GeoCatalogCheck {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(call: Call) -> Result<()> {
        let args = call.options()?;
        let caller = args.text("place")?.unwrap_or_else(|| DOC.name.into());
        let mut needed = match args.flag("grid")?.unwrap_or(false) {
            true => GRID.to_vec(),
            false => ALGEBRA.to_vec(),
        };
        if args.flag("paths")?.unwrap_or(false) {
            needed.insert(0, "path");
        }
        let columns = call.fields(0)?;
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let first = match args.names("columns")? {
            Some(named) => unnamed(&columns, &named),
            None => problems(&columns, &needed)
                .into_iter()
                .next()
                .map(|first| (format!("column \"{}\" {}", first.column, first.problem), first.remedy)),
        };
        match first {
            None => Ok(()),
            Some((problem, remedy)) => {
                let problem = format!("{problem}; the columns are {}", names.join(", "));
                Err(Error::conflict(problem, remedy).at(caller))
            }
        }
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |_| Ok(Some(true)))
    }
}
