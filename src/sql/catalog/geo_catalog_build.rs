//! `geo_catalog_build`: one row a file, from headers alone.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::Cell;
use crate::bridge::table::{Plan, TableFunction};
use crate::bridge::vector::Vector;
use crate::catalog::{
    self, BUILT_WITH, Build, BuildOptions, Detail, Entry, Found, KINDS, NameRule, Outcome, SCHEMA_VERSION,
    Wanted,
};
use crate::crs::CRS84;
use crate::dtype::Nodata;
use crate::error::{Error, Lack, Member, Result};
use crate::files;
use crate::format::array::Variable;
use crate::format::parquet::{Table, sql_type};
use crate::format::{Band, Layer};
use crate::limits::Limits;
use crate::map::geometry;
use crate::on_error::{ON_ERROR, OnError};
use crate::sql::catalog::columns::{BAND, VARIABLE};
use crate::sql::shared::catalog_crs;
use crate::sql::shared::options::layer_name;
use crate::sql::shared::remedies::told;
use crate::sql::shared::shapes::BOX;
use crate::sql_type::SqlType;
use crate::value::Value;

/// The table function `geo_catalog_build`.
pub struct GeoCatalogBuild;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_catalog_build",
    kind: Kind::Table,
    summary: "Catalogs raster, array and vector files: one row each, from their headers.",
    parameters: &[
        Parameter {
            name: "paths",
            types: "VARCHAR | VARCHAR[]",
            given: Given::Required,
            meaning: "A path, a glob (`*`, `?`, `[a-z]`, `**` for any depth), a URL that DuckDB's file system opens, or a list of those; rows come in that order, a glob's matches sorted, a file that is named twice once. Side files of another match of a glob (the parts of a Shapefile, `.aux.xml`, `.ovr`, `.msk`, world files) are passed over.",
        },
        Parameter {
            name: "kind",
            types: "VARCHAR",
            given: Given::Named("'auto'"),
            meaning: "`raster`, `array` (NetCDF, HDF5, GRIB, Zarr) or `vector`, or `auto` to tell by each file's content, not by its name. One variable of an array file by GDAL's name for it (`NETCDF:\"sst.nc\":tos`) is a raster.",
        },
        Parameter {
            name: "layer",
            types: "VARCHAR | BIGINT",
            given: Given::Named("NULL"),
            meaning: "One layer of each vector file, by name or by number (from 1); all of them unless given.",
        },
        Parameter {
            name: "variables",
            types: "VARCHAR | VARCHAR[]",
            given: Given::Named("NULL"),
            meaning: "Variables of each array file, by name (`ocean/temp` in a group): only these are listed, placed and dated. All that hold data unless given.",
        },
        Parameter {
            name: "time_var",
            types: "VARCHAR",
            given: Given::Named("NULL"),
            meaning: "The variable that tells the times of each array file; by CF unless given.",
        },
        Parameter {
            name: "filename_regex",
            types: "VARCHAR",
            given: Given::Named("NULL"),
            meaning: "Searched in the file's name (in the whole path when it holds a `/`). Named groups: `date`, or `start` and `stop`, give the interval (`start` alone is read like `date`); the others become `attributes`.",
        },
        Parameter {
            name: "date_format",
            types: "VARCHAR",
            given: Given::Named("'%Y%m%d'"),
            meaning: "How the time groups are written (strftime). A text stands for the whole of its finest part: a day for `%Y%m%d`, a month for `%Y%m`.",
        },
        Parameter {
            name: "time_tag",
            types: "VARCHAR",
            given: Given::Named("NULL"),
            meaning: "The tag that tells the time of each file, by its name in `tags` (`TIFFTAG_DATETIME`, `time_coverage_start`): ISO 8601, or EXIF's `2018:01:31 23:59:59`. A text stands for the whole of its finest part: a day, a minute, a second. One with a zone (`Z`, `UTC`, `+02:00`) is converted to UTC, one without is UTC. A time in the file's name goes first; an array file's own time axis is then not asked.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Named("'OGC:CRS84'"),
            meaning: "CRS of `geometry` and `bbox`: `OGC:CRS84` (lon/lat; `EPSG:4326` is its alias), a UTM zone, or another of those in `geoquilt_version()`.",
        },
        Parameter {
            name: "densify",
            types: "BIGINT",
            given: Given::Named("21"),
            meaning: "Points on each edge of a footprint before it is projected, 2 to 10000.",
        },
        Parameter {
            name: "on_error",
            types: "VARCHAR",
            given: Given::Named("'fail'"),
            meaning: "A file that cannot be catalogued stops the build (`fail`), is left out (`skip`), or gets a row of its path and a column `error` (`report`).",
        },
        Parameter {
            name: "previous",
            types: "VARCHAR | VARCHAR[]",
            given: Given::Named("NULL"),
            meaning: "Parquet files of this catalog as it was built before, with the same parameters (`built_with`): only files that are new, or whose size or time of change differs, are read again. The others' rows are taken over as they stand; files that are gone drop out. Rows of an earlier schema version, migrated ones too, do not tell how they were made: their files are read again.",
        },
    ],
    columns: &[
        column("path", "VARCHAR", "The file, as the glob found it."),
        column("kind", "VARCHAR", "`raster`, `array` or `vector`."),
        column(
            "driver",
            "VARCHAR",
            "The format, by GDAL's short name: `GTiff`, `netCDF`, `HDF5`, `GRIB`, `Zarr`, `GPKG`.",
        ),
        column(
            "geometry",
            "GEOMETRY",
            "Footprint in the catalog's CRS: a polygon, or two when it crosses the antimeridian. Of a vector file, the box of each layer, projected; of an array file, the outer edges of its cells (not their centres).",
        ),
        column("bbox", BOX, "Envelope of `geometry`; `xmin <= xmax` always."),
        column(
            "t_min",
            "TIMESTAMP",
            "Start, UTC, inside; NULL when undated, which matches every interval. The file's name tells it, else the tag of `time_tag`, else an array file's time axis: from the first bound up to the last, or from the first time to the last. Days that TIMESTAMP's calendar lacks, such as 29 and 30 February of `360_day`, are the last day of their month.",
        ),
        column(
            "t_max",
            "TIMESTAMP",
            "Stop, UTC, inside. A bound of a CF axis is outside of its cell: a month with bounds ends a microsecond before the next.",
        ),
        column(
            "crs",
            "VARCHAR",
            "CRS of the file (of its first layer or grid): an authority code, or PROJJSON where it has none.",
        ),
        column(
            "transform",
            // No array of six: DuckDB writes a NULL array to Parquet so that no other reader can read the column.
            "DOUBLE[]",
            "GDAL's six numbers: x origin, pixel width, 0, y origin, 0, pixel height (negative north-up). Of an array file, along its dimensions of x and y, when all its variables lie on one evenly spaced grid.",
        ),
        column(
            "width",
            "INTEGER",
            "Columns; NULL for a vector file, like `transform` and `height`, and for arrays on several grids.",
        ),
        column("height", "INTEGER", "Rows."),
        column(
            "bands",
            BAND,
            "Of a raster, in file order; `value = pixel * scale + offset`, NULL scale is 1 and NULL offset is 0.",
        ),
        column(
            "variables",
            VARIABLE,
            "Of an array file: those that hold data, without coordinates, bounds and grid mappings, in file order; `value = stored * scale + offset`.",
        ),
        column("time_var", "VARCHAR", "Of an array file: the variable of its longest time axis."),
        column("n_times", "BIGINT", "How many values that axis has."),
        column("t_step", "DOUBLE", "Seconds between its values, in its own calendar, where evenly spaced."),
        column(
            "layers",
            "STRUCT(name VARCHAR, geometry_type VARCHAR, n_features BIGINT)[]",
            "Of a vector file, in file order; NULL for a raster. A table without geometries has type `None`.",
        ),
        column("attributes", "MAP(VARCHAR, VARCHAR)", "The other named groups of `filename_regex`."),
        column(
            "tags",
            "MAP(VARCHAR, VARCHAR)",
            "What the file says of itself: of a raster or vector file GDAL's metadata of the default domain (`TIFFTAG_DATETIME`, `AREA_OR_POINT`), of an array file its global attributes; and the names of classes, as `1.class.3` of band 1 (GDAL's category names) or `quality.class.3` of variable `quality` (CF's flag_values). The first 256; a text above 4096 bytes ends there with `…`.",
        ),
        column(
            "size",
            "BIGINT",
            "Bytes of the file; of a Zarr store those of its metadata, by which `previous` sees a change: its chunks are not looked at.",
        ),
        column("modified", "TIMESTAMP", "When the file last changed, UTC; NULL for a URL."),
        column("schema_version", "INTEGER", "2: the version of these columns."),
        column(
            "built_with",
            BUILT_WITH,
            "The parameters that the row was made with, NULL where one was not given.",
        ),
        column(
            "error",
            "VARCHAR",
            "Only with `on_error := 'report'`: why the file could not be catalogued, else NULL.",
        ),
    ],
    nulls: "No parameter may be NULL but filename_regex, which then reads no name.",
    errors: &[
        "paths: no file matches a glob; a path does not exist or is a directory; a glob over URLs",
        "filename_regex: does not compile; has no named group; does not match a file's name; matches a date that does not exist",
        "date_format: given, and no group of filename_regex is a time",
        "crs: PROJ does not know it, or it is none of those that a catalog can be built in",
        "previous: no catalog; one of a later schema version; a row that would be taken over was made with other parameters",
        "time_tag: a file without that tag (those it has are listed), or whose tag is not a time",
        "variables: an array file has no variable of that name (those it has are listed)",
        "time_var: an array file has no variable of that name, or its units and calendar are not a time of CF",
        "a file in degrees that reaches beyond the poles: its numbers are pixels of a picture, or metres",
        "an array file whose variables have no coordinates that CF tells x and y by, whose time axis is empty or all filling, or holds a time outside TIMESTAMP's range (unless its name tells the time)",
        "layer: no layer of a vector file has that name or number (those it has are listed)",
        "kind := 'auto' and a GeoPackage that holds both a raster and vector layers",
        "a vector file without features, or without a CRS",
        "a raster is damaged, has no CRS, no geotransform, zero bands, complex pixels, or a rotated transform",
    ],
    examples: &[
        Example {
            title: "Catalog a folder and read the date from the names",
            sql: "SELECT parse_filename(path) AS file, attributes['var'] AS var, t_min, t_max, width, height\n\
                  FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<var>[a-z]+)_(?P<date>\\d{8})');",
            rows: &[
                "sst_20180101.tif\tsst\t2018-01-01 00:00:00\t2018-01-01 23:59:59.999999\t36\t18",
                "sst_20180102.tif\tsst\t2018-01-02 00:00:00\t2018-01-02 23:59:59.999999\t36\t18",
                "sst_20190101.tif\tsst\t2019-01-01 00:00:00\t2019-01-01 23:59:59.999999\t36\t18",
            ],
        },
        Example {
            title: "Vector files stand in the same catalog",
            sql: "SELECT parse_filename(path) AS file, kind, layers[1].name AS layer, layers[1].n_features AS features, bbox.xmin, bbox.ymax\n\
                  FROM geo_catalog_build(['test/data/small/land.tif', 'test/data/small/regions.geojson']);",
            rows: &[
                "land.tif\traster\tNULL\tNULL\t-180.0\t90.0",
                "regions.geojson\tvector\tregions\t3\t-40.0\t50.0",
            ],
        },
        Example {
            title: "Array files by their coordinates and time axes",
            sql: "SELECT driver, variables[1].name AS variable, variables[1].dims AS dims, t_min, t_max, n_times, t_step, bbox.xmin, bbox.xmax\n\
                  FROM geo_catalog_build('test/data/small/sst.nc', variables := 'sst');",
            rows: &[
                "netCDF\tsst\t[time, lat, lon]\t2018-01-01 00:00:00\t2018-01-03 23:59:59.999999\t3\t86400.0\t-180.0\t180.0",
            ],
        },
        Example {
            title: "The time of each file from its tags, and how the rows were made",
            sql: "SELECT parse_filename(path) AS file, t_min, tags['title'] AS title, built_with.time_tag AS time_tag\n\
                  FROM geo_catalog_build('test/data/small/tagged.tif', time_tag := 'TIFFTAG_DATETIME');",
            rows: &["tagged.tif\t2018-01-31 10:20:30\tsea surface temperature\tTIFFTAG_DATETIME"],
        },
        Example {
            title: "Keep going over broken files, and name them",
            sql: "SELECT parse_filename(path) AS file, error IS NULL AS ok\n\
                  FROM geo_catalog_build(['test/data/small/sst_20180101.tif', 'README.md'], on_error := 'report');",
            rows: &["sst_20180101.tif\ttrue", "README.md\tfalse"],
        },
    ],
    references: &[
        "docs/decisions.md: footprints, dates, the CRS of the geometry column",
        "https://geoparquet.org/releases/v1.1.0/",
        "https://gdal.org/en/stable/tutorials/geotransforms_tut.html",
    ],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    paths: Arc<Vec<String>>,
    options: BuildOptions,
    limits: Limits,
}

/// A scan under way.
pub struct Scan {
    entries: Mutex<Build>,
    on_error: OnError,
    time_var: Option<String>,
    /// The parameters of the build, as each row tells them.
    built_with: Value,
}

impl Scan {
    /// Puts the parameter in front of an error that it is to blame for.
    fn blame(&self, error: Error) -> Error {
        let parameter = match &error {
            Error::NotFound { what: Member::Variable, name, .. } if self.time_var.as_ref() == Some(name) => {
                "time_var"
            }
            Error::NotFound { what: Member::Variable, .. } => "variables",
            Error::NotFound { what: Member::Tag, .. } | Error::Unsuited { lack: Lack::Tag { .. }, .. } => {
                "time_tag"
            }
            _ => return error,
        };
        error.at(format!("{}({parameter})", DOC.name))
    }
}

impl TableFunction for GeoCatalogBuild {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound>> {
        let patterns = args.paths("paths")?;
        let kind = args.choice("kind", "a kind of this version", &KINDS)?.unwrap_or(Wanted::Auto);
        let on_error =
            args.choice("on_error", "a rule for broken files", &ON_ERROR)?.unwrap_or(OnError::Fail);
        let date_format = args.text("date_format")?.unwrap_or_else(|| "%Y%m%d".into());
        let rule = match args.get("filename_regex") {
            None | Some(Value::Null) => None,
            Some(_) => {
                let pattern = args.text("filename_regex")?.unwrap_or_default();
                let blame = |error| match error {
                    Error::Invalid { .. } => args.blame("date_format")(error),
                    error => args.blame("filename_regex")(error),
                };
                Some(NameRule::new(&pattern, &date_format).map_err(blame)?)
            }
        };
        if args.get("date_format").is_some() && !rule.as_ref().is_some_and(NameRule::tells_time) {
            let problem = "no group of filename_regex is named date, start or stop, so no date would be read";
            return Err(args.blame("date_format")(Error::conflict(
                problem,
                "For example filename_regex := '(?P<date>\\d{8})'",
            )));
        }
        let densify = args.integer("densify", 2, 10_000)?.unwrap_or(21) as usize;
        let crs = args.text("crs")?.unwrap_or_else(|| CRS84.into());
        let options = BuildOptions::new(rule, &crs, densify, on_error).map_err(args.blame("crs"))?;
        let previous = previous(args).map_err(args.blame("previous"))?;
        let (variables, layer) = (args.names("variables")?, layer_name(args)?);
        let (time_var, time_tag) = (args.text("time_var")?, args.text("time_tag")?);
        let options = BuildOptions { kind, layer, variables, time_var, time_tag, previous, ..options };
        catalog_crs::check(&options.crs).map_err(args.blame("crs"))?;
        let mut paths = files::expand(&patterns).map_err(args.blame("paths"))?;
        if patterns.len() > 1 {
            once_each(&mut paths);
        }
        let paths = Arc::new(paths);
        let columns = columns(&options)?;
        let rows = (on_error != OnError::Skip).then_some(paths.len() as u64);
        Ok(Plan { columns, rows, bound: Bound { paths, options, limits } })
    }

    fn start(bound: &Arc<Bound>, _wanted: &[usize]) -> Result<Scan> {
        let on_error = bound.options.on_error;
        let entries = catalog::build(bound.paths.clone(), bound.options.clone(), bound.limits.threads)
            .map_err(of_previous)?;
        let time_var = bound.options.time_var.clone();
        let built_with = bound.options.built_with();
        Ok(Scan { entries: Mutex::new(entries), on_error, time_var, built_with })
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        let mut entries = scan.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = 0;
        while rows < out.capacity() {
            let Some(outcome) = entries.next() else { break };
            let outcome = outcome.map_err(|error| scan.blame(of_previous(error)))?;
            if outcome.found.is_err() && scan.on_error == OnError::Skip {
                continue;
            }
            write_row(&outcome, &scan.built_with, out, rows)?;
            rows += 1;
        }
        out.set_rows(rows);
        Ok(())
    }
}

fn columns(options: &BuildOptions) -> Result<Vec<(String, SqlType)>> {
    DOC.schema_with(|name, ty| match name {
        "geometry" => Some(SqlType::Geometry(Some(options.crs.as_str().to_string()))),
        "error" if options.on_error != OnError::Report => None,
        _ => Some(ty),
    })
}

/// Globs that overlap name a file twice: it is one file, where it first stands.
fn once_each(paths: &mut Vec<String>) {
    let mut seen = HashSet::with_capacity(paths.len());
    let first: Vec<bool> = paths.iter().map(|path| seen.insert(path.as_str())).collect();
    let mut first = first.into_iter();
    paths.retain(|_| first.next().unwrap_or(true));
}

/// Only an earlier catalog is a bad one.
fn of_previous(error: Error) -> Error {
    if matches!(error, Error::BadCatalog { .. }) { error.at("geo_catalog_build(previous)") } else { error }
}

/// Columns that catalogs of earlier schema versions lack.
const LATER_COLUMNS: [&str; 8] =
    ["variables", "time_var", "n_times", "t_step", "layers", "tags", "schema_version", "built_with"];

/// The Parquet files of the earlier catalog, none where it is not given. One of an earlier schema version has no row
/// that could be taken over.
fn previous(args: &Args) -> Result<Vec<String>> {
    if matches!(args.get("previous"), None | Some(Value::Null)) {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    for path in files::expand(&args.paths("previous")?)? {
        let table = Table::open(&path)?;
        let mut is_earlier = false;
        for column in DOC.columns.iter().filter(|column| column.name != "error") {
            let wanted = SqlType::parse(column.types)?;
            let field = table.schema.field_with_name(column.name).ok();
            let have = field.map(sql_type);
            if have.is_none() && LATER_COLUMNS.contains(&column.name) {
                is_earlier = true;
                continue;
            }
            if !have.as_ref().is_some_and(|have| have.as_ref().is_some_and(|have| fits(have, &wanted))) {
                return Err(not_a_catalog(&path, column.name, &wanted, have.is_some()));
            }
        }
        if !is_earlier {
            parts.push(path);
        }
    }
    Ok(parts)
}

fn not_a_catalog(path: &str, column: &str, wanted: &SqlType, is_there: bool) -> Error {
    let problem = match is_there {
        true => format!("has a column {column} that is not {wanted}"),
        false => format!("has no column {column}"),
    };
    Error::BadCatalog {
        path: path.into(),
        problem,
        remedy: "Give a catalog that geo_catalog_build made".into(),
    }
}

/// True when a column of Parquet holds what a column of a catalog does: an array is a list there, a geometry bytes.
fn fits(have: &SqlType, wanted: &SqlType) -> bool {
    match (have, wanted) {
        (SqlType::List(have), SqlType::List(wanted) | SqlType::Array(wanted, _)) => fits(have, wanted),
        (SqlType::Struct(have), SqlType::Struct(wanted)) => {
            have.len() == wanted.len()
                && have.iter().zip(wanted).all(|((a, have), (b, wanted))| a == b && fits(have, wanted))
        }
        (SqlType::Blob | SqlType::Geometry(_), SqlType::Geometry(_)) => true,
        (have, wanted) => have == wanted,
    }
}

fn write_row(outcome: &Outcome, built_with: &Value, out: &mut Chunk<'_>, row: usize) -> Result<()> {
    for (index, column) in DOC.columns.iter().enumerate() {
        let Some(vector) = out.column(index) else { continue };
        match (column.name, &outcome.found) {
            ("path", _) => vector.set_bytes(row, outcome.path.as_bytes()),
            ("schema_version", _) => vector.set(row, SCHEMA_VERSION),
            ("built_with", _) => built_with.write(vector, row),
            ("error", Err(error)) => vector.set_bytes(row, told(error).as_bytes()),
            (_, Err(_)) => vector.set_null(row),
            (name, Ok(Found::Made(entry))) => write_cell(name, entry, vector, row)?,
            (name, Ok(Found::Kept(kept))) => kept.value(name).write(vector, row),
        }
    }
    Ok(())
}

fn write_cell(name: &str, entry: &Entry, vector: &mut Vector<'_>, row: usize) -> Result<()> {
    let metadata = &entry.metadata;
    let value = match name {
        "kind" => text(metadata.detail.kind().name()),
        "driver" => text(&metadata.driver),
        "geometry" => {
            vector.set_bytes(row, &geometry::polygons_wkb(&metadata.footprint.polygons)?);
            return Ok(());
        }
        "bbox" => {
            return metadata.footprint.bbox.write(vector, row);
        }
        "t_min" => entry.interval.map_or(Value::Null, |i| Value::Timestamp(i.start)),
        "t_max" => entry.interval.map_or(Value::Null, |i| Value::Timestamp(i.stop)),
        "crs" => text(&metadata.crs),
        "attributes" => pairs(&entry.attributes),
        "tags" => pairs(&metadata.tags),
        "size" => Value::Int(entry.stamp.size as i64),
        "modified" => entry.stamp.modified.map_or(Value::Null, Value::Timestamp),
        _ => detail(name, &metadata.detail),
    };
    value.write(vector, row);
    Ok(())
}

/// A column that only one kind of file has.
fn detail(name: &str, detail: &Detail) -> Value {
    let (transform, shape) = match detail {
        Detail::Raster { header, transform } => (Some(*transform), Some((header.height, header.width))),
        Detail::Array(array) => (array.transform, array.shape),
        Detail::Vector { .. } => (None, None),
    };
    let count = |n: Option<usize>| n.map_or(Value::Null, |n| Value::Int(n as i64));
    match (name, detail) {
        ("transform", _) => {
            transform.map_or(Value::Null, |t| Value::List(t.0.into_iter().map(Value::Double).collect()))
        }
        ("height", _) => count(shape.map(|(height, _)| height)),
        ("width", _) => count(shape.map(|(_, width)| width)),
        ("bands", Detail::Raster { header, .. }) => Value::List(header.bands.iter().map(band).collect()),
        ("variables", Detail::Array(array)) => Value::List(array.variables.iter().map(variable).collect()),
        ("time_var", Detail::Array(array)) => array.time_var.as_deref().map_or(Value::Null, text),
        ("n_times", Detail::Array(array)) => count(array.n_times.map(|n| n as usize)),
        ("t_step", Detail::Array(array)) => number(array.t_step),
        ("layers", Detail::Vector { layers }) => Value::List(layers.iter().map(layer).collect()),
        _ => Value::Null,
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_string())
}

fn pairs(pairs: &[(String, String)]) -> Value {
    Value::Map(pairs.iter().map(|(name, value)| (text(name), text(value))).collect())
}

fn number(number: Option<f64>) -> Value {
    number.map_or(Value::Null, Value::Double)
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Struct(fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

fn band(band: &Band) -> Value {
    record([
        ("name", band.name.as_deref().map_or(Value::Null, text)),
        ("dtype", Value::Text(band.dtype.to_string())),
        ("nodata", number(band.nodata.map(Nodata::f64))),
        ("scale", number(band.scale)),
        ("offset", number(band.offset)),
        ("unit", band.unit.as_deref().map_or(Value::Null, text)),
    ])
}

fn variable(variable: &Variable) -> Value {
    record([
        ("name", text(&variable.name)),
        ("dims", Value::List(variable.dims.iter().map(|dim| text(dim)).collect())),
        ("shape", Value::List(variable.shape.iter().map(|n| Value::Int(*n as i64)).collect())),
        ("dtype", text(&variable.dtype_name)),
        ("nodata", number(variable.nodata.map(Nodata::f64))),
        ("scale", number(variable.scale)),
        ("offset", number(variable.offset)),
        ("unit", variable.unit.as_deref().map_or(Value::Null, text)),
    ])
}

fn layer(layer: &Layer) -> Value {
    record([
        ("name", text(&layer.name)),
        ("geometry_type", text(&layer.geometry_type)),
        ("n_features", Value::Int(layer.features as i64)),
    ])
}
