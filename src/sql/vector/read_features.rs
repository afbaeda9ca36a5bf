//! `FROM read_features(paths)`: the features of vector files, a row each. `FROM 'fields.gpkg'` is this.

use std::sync::{Arc, Mutex, PoisonError};

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::logical_type;
use crate::bridge::table::{Plan, TableFunction};
use crate::crs::{CRS84, Crs};
use crate::error::{Error, Member, Result};
use crate::files::{self, Sight};
use crate::format::gdal::features::{Feature, Features, Schema};
use crate::format::gdal::vector::VectorSource;
use crate::format::{self, LayerName, open};
use crate::limits::Limits;
use crate::map::geometry;
use crate::projection;
use crate::sql::shared::options::layer_name;
use crate::sql_type::SqlType;
use crate::value::Value;

/// The table function `read_features`.
pub struct ReadFeatures;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_features",
    kind: Kind::Table,
    summary: "Streams the features of vector files; `FROM 'fields.gpkg'` does this.",
    parameters: &[
        Parameter {
            name: "paths",
            types: "VARCHAR | VARCHAR[]",
            given: Given::Required,
            meaning: "Vector files: a path, a glob, or a list of those. All have the columns of the first.",
        },
        named(
            "layer",
            "ANY",
            "the only one",
            "The layer, by name or by number (from 1). A file of several layers asks for it.",
        ),
        named(
            "to_crs",
            "VARCHAR",
            "NULL",
            "CRS to project the geometries to, vertex by vertex, x and y alone; without it they stay in the layer's own.",
        ),
    ],
    columns: &[
        column("path", "VARCHAR", "The file, as the glob found it."),
        column("fid", "BIGINT", "The feature's number in its layer; NULL where the format has none."),
        column(
            "...",
            "ANY",
            "The attributes, in the file's order and types: BOOLEAN, SMALLINT, INTEGER, BIGINT, FLOAT, DOUBLE, VARCHAR, DATE, TIME, TIMESTAMP (in UTC; without a zone taken as UTC), BLOB, and lists. One named like an earlier column gets `_1` behind its name.",
        ),
        column(
            "geometry",
            "GEOMETRY",
            "With the layer's CRS in its type, heights and measures kept, lines along arcs; no column where the layer has no geometries.",
        ),
    ],
    nulls: "No parameter may be NULL, but for `to_crs`. Attributes and geometries that a feature lacks are NULL.",
    errors: &[
        "paths: no file matches a glob; a file is absent, not a vector file, or damaged; one whose columns or CRS are not the first file's",
        "layer: none of that name or number, or none given for several (those that there are are listed)",
        "a layer in a CRS that no GEOMETRY type has here: to_crs projects it to one that has",
    ],
    examples: &[
        Example {
            title: "A vector file as a table, GeoJSON too, which DuckDB would read as JSON by its name alone",
            sql: "FROM read_features('test/data/small/regions.geojson');",
            rows: &[
                "test/data/small/regions.geojson\t0\tplain\t1\tPOLYGON ((0 0, 40 0, 40 40, 0 40, 0 0))",
                "test/data/small/regions.geojson\t1\tforest\t2\tPOLYGON ((20 20, 60 20, 60 50, 20 50, 20 20))",
                "test/data/small/regions.geojson\t2\tlake\t3\tPOLYGON ((-40 -40, -20 -40, -20 -10, -40 -10, -40 -40))",
            ],
        },
        Example {
            title: "The mean of a raster under each feature",
            sql: "SELECT name, round(geo_zonal_stats('test/data/small/sst_20180101.tif', geometry, {stats: ['mean']}).mean, 3) AS mean\n\
                  FROM read_features('test/data/small/regions.geojson');",
            rows: &["plain\t15.844", "forest\t12.594", "lake\t25.656"],
        },
    ],
    references: &["geopandas.read_file, pyogrio.read_dataframe"],
};

/// What bind learns.
pub struct Bound {
    paths: Arc<Vec<String>>,
    layer: Option<LayerName>,
    schema: Schema,
    /// Of the layer, and what it is projected to.
    crs: (Option<Crs>, Option<Crs>),
}

/// Columns before the attributes.
const HEAD: [&str; 2] = ["path", "fid"];
const GEOMETRY: &str = "geometry";

impl TableFunction for ReadFeatures {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Mutex<Scan>;

    fn bind(args: &Args, _limits: Limits) -> Result<Plan<Bound>> {
        let paths = files::expand(&args.paths("paths")?).map_err(args.blame("paths"))?;
        let layer = layer_name(args)?;
        let to = args.text("to_crs")?.map(|name| Crs::new(&name));
        if let Some(to) = &to {
            projection::crs_facts(to.as_str()).map_err(args.blame("to_crs"))?;
            check_type(to).map_err(args.blame("to_crs"))?;
        }
        let Some(first) = paths.first() else {
            return Err(args.blame("paths")(Error::invalid("an empty list", "at least one file")));
        };
        let (source, index) = layer_of(first, layer.as_ref()).map_err(|error| match error.bare() {
            Error::NotFound { what: Member::Layer, .. } => args.blame("layer")(error),
            _ => args.blame("paths")(error),
        })?;
        let schema = source.schema(index)?;
        let own = crs_of(&source, index)?;
        let crs = match (&own, &to) {
            (_, _) if !schema.spatial => (None, None),
            (None, Some(_)) => {
                let problem = format!("\"{first}\" does not say what CRS it is in");
                let remedy = "Leave to_crs out, and give the geometries their own with geoquilt.geo_set_crs";
                return Err(args.blame("to_crs")(Error::conflict(problem, remedy)));
            }
            (Some(crs), None) => {
                check_type(crs).map_err(args.blame("paths"))?;
                (own.clone(), None)
            }
            _ => (own.clone(), to.filter(|to| Some(to) != own.as_ref())),
        };
        let columns = columns(&schema, crs.1.as_ref().or(crs.0.as_ref()));
        Ok(Plan { columns, rows: None, bound: Bound { paths: Arc::new(paths), layer, schema, crs } })
    }

    fn start(bound: &Arc<Bound>, wanted: &[usize]) -> Result<Mutex<Scan>> {
        let attributes = bound.schema.attributes.len();
        let asked = |column: usize| wanted.contains(&column);
        let wanted =
            ((0..attributes).map(|i| asked(HEAD.len() + i)).collect(), asked(HEAD.len() + attributes));
        Ok(Mutex::new(Scan { bound: bound.clone(), wanted, next: 0, open: None }))
    }

    fn next(scan: &Mutex<Scan>, out: &mut Chunk<'_>) -> Result<()> {
        let mut scan = scan.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = scan.rows(out.capacity())?;
        out.set_rows(rows.len());
        rows.into_iter().enumerate().for_each(|(row, values)| out.write(row, values));
        Ok(())
    }
}

/// A scan under way.
pub struct Scan {
    bound: Arc<Bound>,
    wanted: (Vec<bool>, bool),
    /// The file that comes next.
    next: usize,
    open: Option<(String, Features)>,
}

impl Scan {
    /// At most `most` further rows; none after the last file.
    fn rows(&mut self, most: usize) -> Result<Vec<Vec<Value>>> {
        loop {
            if self.open.is_none() {
                let Some(path) = self.bound.paths.get(self.next).cloned() else { return Ok(Vec::new()) };
                self.next += 1;
                let features = self.file(&path)?;
                self.open = Some((path, features));
            }
            let Some((path, features)) = &mut self.open else { return Ok(Vec::new()) };
            let found = features.next(most)?;
            if found.is_empty() {
                self.open = None;
                continue;
            }
            let path = path.clone();
            return found.into_iter().map(|feature| self.row(&path, feature)).collect();
        }
    }

    fn file(&self, path: &str) -> Result<Features> {
        let (source, index) = layer_of(path, self.bound.layer.as_ref())?;
        let (schema, first) = (source.schema(index)?, &self.bound.schema);
        if schema != *first {
            return Err(differs(path, &schema, first));
        }
        let own = crs_of(&source, index)?.filter(|_| schema.spatial);
        if own != self.bound.crs.0 {
            let name = |crs: &Option<Crs>| crs.as_ref().map_or("no CRS".to_string(), Crs::to_string);
            let problem =
                format!("\"{path}\" has {}, and the first file {}", name(&own), name(&self.bound.crs.0));
            return Err(Error::conflict(
                problem,
                "Read files of one CRS at a time, and join them with UNION ALL BY NAME",
            ));
        }
        Features::begin(source, index, self.wanted.clone())
    }

    fn row(&self, path: &str, feature: Feature) -> Result<Vec<Value>> {
        let mut row = vec![Value::Text(path.into()), feature.fid.map_or(Value::Null, Value::Int)];
        row.extend(feature.values);
        if self.bound.schema.spatial {
            let wkb = feature.geometry.map(|wkb| self.projected(wkb)).transpose()?;
            row.push(wkb.map_or(Value::Null, Value::Bytes));
        }
        Ok(row)
    }

    fn projected(&self, wkb: Vec<u8>) -> Result<Vec<u8>> {
        let (Some(from), Some(to)) = &self.bound.crs else { return Ok(wkb) };
        let Some(mut shape) = geometry::read(&wkb)? else { return Ok(wkb) };
        geometry::project(&mut shape, from.as_str(), to.as_str())?;
        geometry::write(&shape)
    }
}

/// A file and the layer that is meant.
fn layer_of(path: &str, wanted: Option<&LayerName>) -> Result<(VectorSource, usize)> {
    let sight = Sight::at(path)?;
    let source = VectorSource::open(&sight)
        .map_err(|error| open::explain(error, &sight, Some(format::Kind::Vector)))?;
    let found = source.find(wanted)?;
    match found.as_slice() {
        [index] => Ok((source, *index)),
        [] => {
            Err(open::explain(Error::unreadable(path, "it has no layer"), &sight, Some(format::Kind::Vector)))
        }
        many => {
            let names = source.layer_names()?;
            let listed: Vec<String> =
                names.iter().enumerate().map(|(i, name)| format!("{} \"{name}\"", i + 1)).collect();
            let problem = format!("\"{path}\" has {} layers: {}", many.len(), listed.join(", "));
            let first = names.first().map_or(String::new(), |name| name.replace('\'', "''"));
            Err(Error::conflict(problem, format!("Name the one that is meant: layer := '{first}'")))
        }
    }
}

/// The CRS of x and y: WGS 84 with heights above its ellipsoid, as of GeoJSON in three dimensions, is that without.
fn crs_of(source: &VectorSource, layer: usize) -> Result<Option<Crs>> {
    const WITH_HEIGHTS: &str = "EPSG:4979";
    let plane = |name: String| if name == WITH_HEIGHTS { Crs::lon_lat() } else { Crs::new(&name) };
    Ok(source.layer_crs(layer)?.map(plane))
}

/// A GEOMETRY type for a CRS was made at LOAD, or there is none.
fn check_type(crs: &Crs) -> Result<()> {
    if crs.as_str() == CRS84 || logical_type::is_known_crs(crs.as_str()) {
        return Ok(());
    }
    Err(Error::conflict(
        format!("{crs} is a CRS that no GEOMETRY type has here"),
        "Give to_crs := 'OGC:CRS84', or another of those that geoquilt_version() lists",
    ))
}

/// Each under a name of its own.
fn columns(schema: &Schema, crs: Option<&Crs>) -> Vec<(String, SqlType)> {
    let mut columns = vec![(HEAD[0].to_string(), SqlType::Varchar), (HEAD[1].to_string(), SqlType::BigInt)];
    let geometry = schema.spatial.then(|| SqlType::Geometry(crs.map(|crs| crs.as_str().to_string())));
    let geometry = geometry.map(|ty| (GEOMETRY.to_string(), ty));
    let taken = |columns: &[(String, SqlType)], name: &str| {
        columns.iter().chain(&geometry).any(|(other, _)| other.eq_ignore_ascii_case(name))
    };
    for (name, ty) in &schema.attributes {
        let numbered = (1..).map(|n| format!("{name}_{n}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken(&columns, name));
        columns.push((free.unwrap_or_default(), ty.clone()));
    }
    columns.extend(geometry);
    columns
}

fn differs(path: &str, own: &Schema, first: &Schema) -> Error {
    let words = |(name, ty): &(String, SqlType)| format!("\"{name}\" {ty}");
    let missing = first.attributes.iter().find(|column| !own.attributes.contains(column)).map(words);
    let more = own.attributes.iter().find(|column| !first.attributes.contains(column)).map(words);
    let problem = match (missing, more) {
        (Some(missing), _) => format!("\"{path}\" has no attribute {missing}, which the first file has"),
        (None, Some(more)) => format!("\"{path}\" has an attribute {more}, which the first file has not"),
        (None, None) => format!("\"{path}\" has the first file's columns in another order, or no geometries"),
    };
    Error::conflict(problem, "Read files of other columns one by one, and join them with UNION ALL BY NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_a_name_of_its_own() {
        let attributes =
            ["fid", "FID", "geometry", "a", "Path", "fid_1"].map(|name| (name.to_string(), SqlType::Integer));
        let schema = Schema { attributes: attributes.to_vec(), spatial: true };
        let names: Vec<String> = columns(&schema, None).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["path", "fid", "fid_1", "FID_2", "geometry_1", "a", "Path_1", "fid_1_1", "geometry"]
        );
    }
}
