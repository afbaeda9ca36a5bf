//! `read_profiles`: a row a profile, out of Zarr, NetCDF and Parquet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::record::Timestamp;
use crate::bridge::rows::Cell;
use crate::bridge::table::{Plan, TableFunction};
use crate::error::{Error, Result};
use crate::files::{self, Sight};
use crate::limits::Limits;
use crate::profile::arrays::ArrayCasts;
use crate::profile::cast::{Cast, Casts, Column, Wanted};
use crate::profile::table::TableCasts;
use crate::sql_type::SqlType;
use crate::value::Value;

/// The table function `read_profiles`.
pub struct ReadProfiles;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_profiles",
    kind: Kind::Table,
    summary: "Profiles of the sea as rows: place, time, depths, values and flags.",
    parameters: &[
        Parameter {
            name: "paths",
            types: "VARCHAR | VARCHAR[]",
            given: Given::Required,
            meaning: "NetCDF, HDF5 or Zarr, or Parquet with a row a profile: a path, a glob or a list of those. Profiles are told by CF's discrete sampling geometries (arrays of profiles and levels, padded; counted by a `sample_dimension` or named by an `instance_dimension`), as Argo's own files have them, one to a file, or the columns of a grid.",
        },
        named(
            "variables",
            "VARCHAR | VARCHAR[]",
            "NULL",
            "Names of variables; without it all that have a number for each level, but flags.",
        ),
        named(
            "depth",
            "VARCHAR",
            "NULL",
            "The variable of depths, or of pressures. Without it: `DEPH_CORRECTED`, one whose standard_name is `depth`, one named so, then pressures (`PRES`, sea_water_pressure).",
        ),
        named(
            "qc",
            "BOOLEAN",
            "true",
            "Give flags too: of variables named like `TEMP_QC`, `temp_flag`, or that `ancillary_variables` names.",
        ),
    ],
    columns: &[
        column("profile_id", "BIGINT", "Number of the profile in its file, from 0."),
        column("path", "VARCHAR", "The file."),
        column("lon", "DOUBLE", "Degrees, -180 to 180, also of files that count to 360."),
        column("lat", "DOUBLE", "Degrees."),
        column("t", "TIMESTAMP", "UTC, decoded by CF's calendars, as `read_array` does."),
        column(
            "depth",
            "DOUBLE[]",
            "Metres below the surface, as stored: in any order, repeated or negative ones too; up to the last level that has one. Pressures become depths by TEOS-10 at the profile's latitude (`gsw.z_from_p`).",
        ),
        column(
            "...",
            "FLOAT[]",
            "A list a variable, as long as `depth`, unpacked and masked as in `read_array`; after each that has flags `<name>_flags`, UTINYINT[]: whole numbers, Argo's characters as their digits. One named like an earlier column gets `_1` behind its name.",
        ),
        column(
            "attributes",
            "MAP(VARCHAR, VARCHAR)",
            "What else has a number for each profile, by its name: `CYCLE_NUMBER`, or row and column on a grid; in Parquet, texts too.",
        ),
    ],
    nulls: "NULL where a file has no place, no time, or no value. A profile without levels has empty lists. No parameter may be NULL.",
    errors: &[
        "paths: no file matches a glob; a file is absent or damaged",
        "a file without depths or pressures, in a unit that is none of theirs, or without a variable along them",
        "a file that lacks a variable of the first one, or has flags where that has none, or the other way round",
        "a place off the globe; times that are none of CF's; a value beyond the largest FLOAT",
        "Parquet with a row an observation",
    ],
    examples: &[Example {
        title: "The columns of a small ocean, as profiles",
        sql: "SELECT profile_id, lon, lat, t, depth, temp FROM read_profiles('test/data/small/ocean.zarr') LIMIT 2;",
        rows: &[
            "0\t0.0\t5.0\t2020-01-15 00:00:00\t[5.0, 15.0]\t[10.0, 19.0]",
            "1\t30.0\t5.0\t2020-01-15 00:00:00\t[5.0, 15.0]\t[10.5, 19.5]",
        ],
    }],
    references: &[
        "CF conventions, chapter 9: discrete sampling geometries",
        "Argo user's manual",
        "gsw.z_from_p (TEOS-10)",
    ],
};

/// What a call knows before any row.
pub struct Bound {
    paths: Vec<String>,
    wanted: Wanted,
    columns: Vec<Column>,
    limits: Limits,
}

/// A scan under way.
pub struct Scan {
    bound: Arc<Bound>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next_path: usize,
    open: Option<Box<dyn Casts>>,
    waiting: VecDeque<Cast>,
    next_id: i64,
}

/// Columns before the variables.
const HEAD: usize = 6;

fn open(path: &str, wanted: &Wanted, limits: Limits) -> Result<Box<dyn Casts>> {
    Ok(match Sight::at(path)?.magic().starts_with(b"PAR1") {
        true => Box::new(TableCasts::open(path, wanted)?),
        false => Box::new(ArrayCasts::open(path, wanted, limits)?),
    })
}

impl TableFunction for ReadProfiles {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound>> {
        let paths = files::expand(&args.paths("paths")?).map_err(args.blame("paths"))?;
        let flags = args.flag("qc")?.unwrap_or(true);
        let wanted = Wanted { variables: args.names("variables")?, depth: args.text("depth")?, flags };
        let first = paths.first().map_or("", String::as_str);
        let columns = open(first, &wanted, limits).map_err(args.blame("paths"))?.columns();
        let wanted = Wanted { variables: Some(columns.iter().map(|c| c.name.clone()).collect()), ..wanted };
        Ok(Plan { columns: schema(&columns)?, rows: None, bound: Bound { paths, wanted, columns, limits } })
    }

    fn start(bound: &Arc<Bound>, _wanted: &[usize]) -> Result<Scan> {
        Ok(Scan { bound: bound.clone(), state: Mutex::default() })
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        let mut state = scan.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut row = 0;
        while row < out.capacity() {
            let Some(cast) = state.waiting.pop_front() else {
                if !state.more(&scan.bound)? {
                    break;
                }
                continue;
            };
            let path = scan.bound.paths.get(state.next_path - 1).map_or("", String::as_str);
            write(out, row, (state.next_id, path), &cast, &scan.bound.columns)?;
            state.next_id += 1;
            row += 1;
        }
        out.set_rows(row);
        Ok(())
    }
}

impl State {
    /// Reads on: false after the last profile of the last file.
    fn more(&mut self, bound: &Bound) -> Result<bool> {
        if let Some(open) = &mut self.open {
            self.waiting = open.next()?.into();
            if self.waiting.is_empty() {
                self.open = None;
            }
            return Ok(true);
        }
        let Some(path) = bound.paths.get(self.next_path) else { return Ok(false) };
        let casts = open(path, &bound.wanted, bound.limits)?;
        let other =
            casts.columns().into_iter().zip(&bound.columns).find(|(own, first)| own.flagged != first.flagged);
        if let Some((own, _)) = other {
            let which = if own.flagged {
                "has flags, and the first file none"
            } else {
                "has no flags, and the first file has"
            };
            let problem = format!("\"{}\" of \"{path}\" {which}", own.name);
            return Err(Error::conflict(problem, "Read them apart, or leave flags out: qc := false"));
        }
        (self.open, self.next_path, self.next_id) = (Some(casts), self.next_path + 1, 0);
        Ok(true)
    }
}

/// Names and types, those of variables after their own.
fn schema(variables: &[Column]) -> Result<Vec<(String, SqlType)>> {
    let mut columns: Vec<(String, SqlType)> = Vec::new();
    let mut add = |name: &str, ty: &str| -> Result<()> {
        let mut name = name.to_string();
        while columns.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            name += "_1";
        }
        columns.push((name, SqlType::parse(ty)?));
        Ok(())
    };
    for column in &DOC.columns[..HEAD] {
        add(column.name, column.types)?;
    }
    for variable in variables {
        add(&variable.name, "FLOAT[]")?;
        if variable.flagged {
            add(&format!("{}_flags", variable.name), "UTINYINT[]")?;
        }
    }
    add("attributes", "MAP(VARCHAR, VARCHAR)")?;
    Ok(columns)
}

fn write(
    out: &mut Chunk<'_>,
    row: usize,
    (id, path): (i64, &str),
    cast: &Cast,
    variables: &[Column],
) -> Result<()> {
    let mut index = 0..;
    let mut cell = |value: &dyn Cell| -> Result<()> {
        match out.column(index.next().unwrap_or_default()) {
            Some(vector) => value.write(vector, row),
            None => Ok(()),
        }
    };
    cell(&id)?;
    cell(&path)?;
    cell(&cast.lon)?;
    cell(&cast.lat)?;
    cell(&cast.time.map(Timestamp))?;
    cell(&cast.depth)?;
    for ((variable, values), flags) in variables.iter().zip(&cast.values).zip(&cast.flags) {
        cell(values)?;
        if variable.flagged {
            cell(flags)?;
        }
    }
    let text = |text: &String| Value::Text(text.clone());
    cell(&Value::Map(cast.attributes.iter().map(|(name, value)| (text(name), text(value))).collect()))
}
