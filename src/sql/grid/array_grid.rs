//! `geo_patch_grid` over a variable of an array file: windows in any number of dimensions.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bbox::Bbox;
use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::FunctionDoc;
use crate::cf::{Cells, data_variables};
use crate::error::{Error, Lack, Other, Result};
use crate::grid::edge::{EDGES, Edge};
use crate::grid::nd::{Axis, Standing, Windows};
use crate::grid::sampler::MAX_PLACES;
use crate::read::array::ArraySource;
use crate::sql_type::SqlType;
use crate::value::Value;

/// The columns of such a grid.
const COLUMNS: [&str; 7] = ["patch_id", "bbox", "crs", "is_partial", "isel", "path", "variable"];
/// What it takes.
const TAKES: [&str; 8] = ["source", "variable", "size", "stride", "edge", "sampler", "n", "seed"];

/// A grid over a variable.
pub struct ArrayGrid {
    path: String,
    variable: String,
    dims: Vec<String>,
    windows: Windows,
    /// Where rows and columns lie, and which dimensions they are, where the coordinates tell.
    on_map: Option<(Cells, usize, usize)>,
}

/// A scan of it under way.
pub struct ArrayScan {
    next: AtomicUsize,
}

impl ArrayGrid {
    /// The grid that a call asks for; `None` where it names no variable.
    ///
    /// # Errors
    /// A file or a variable that is not there; a word that such a grid does not take, or of another form.
    pub(super) fn read(args: &Args, doc: &FunctionDoc) -> Result<Option<ArrayGrid>> {
        let Some(variable) = args.text("variable")? else { return Ok(None) };
        for parameter in doc.parameters {
            let taken = TAKES.contains(&parameter.name) || parameter.name == "replace";
            if args.get(parameter.name).is_some() && !taken {
                let problem = format!("a grid over a variable takes no {}", parameter.name);
                let remedy = format!("It takes {}, replace", TAKES.join(", "));
                return Err(args.blame(parameter.name)(Error::conflict(problem, remedy)));
            }
        }
        let must = "the path of an array file: NetCDF, HDF5, GRIB or Zarr";
        let path = match args.required("source", must)? {
            Value::Text(path) => path.clone(),
            other => return Err(args.blame("source")(Error::invalid(other, must))),
        };
        let source = ArraySource::open(&path).map_err(args.blame("source"))?;
        let index = source.header().variable(&path, &variable).map_err(args.blame("variable"))?;
        let found = source.variable(index)?;
        let axes = axes(args, &found.dims, &found.shape)?;
        let windows = Windows::new(axes, standing(args)?).map_err(args.blame("size"))?;
        // Coordinates that are none do not keep one from windows by index.
        let on_map = source.cells(index).ok().flatten();
        Ok(Some(ArrayGrid { path, variable, dims: found.dims.clone(), windows, on_map }))
    }

    /// Its columns.
    ///
    /// # Errors
    /// A type that does not parse, which is a defect.
    pub(super) fn columns(&self, doc: &FunctionDoc) -> Result<Vec<(String, SqlType)>> {
        let ends = SqlType::List(Box::new(SqlType::BigInt));
        let isel = SqlType::Struct(self.dims.iter().map(|dim| (dim.clone(), ends.clone())).collect());
        doc.schema_with(|name, ty| match name {
            "isel" => Some(isel.clone()),
            name => COLUMNS.contains(&name).then_some(ty),
        })
    }

    /// How many windows there are.
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    /// Begins a scan.
    pub(super) fn start() -> ArrayScan {
        ArrayScan { next: AtomicUsize::new(0) }
    }

    /// The outer edges of a window's rows and columns.
    fn bbox(&self, spans: &[(i64, i64)]) -> Option<Bbox> {
        let (cells, y, x) = self.on_map.as_ref()?;
        let along = |dim: &usize| {
            let (first, last) = *spans.get(*dim)?;
            usize::try_from(first).ok().zip(usize::try_from(last).ok())
        };
        cells.bbox(along(y)?, along(x)?)
    }

    /// Writes the next windows.
    pub(super) fn next(&self, scan: &ArrayScan, out: &mut Chunk<'_>) {
        let from = scan.next.fetch_add(out.capacity(), Ordering::Relaxed).min(self.len());
        let to = (from + out.capacity()).min(self.len());
        for number in from..to {
            let Some((spans, is_partial)) = self.windows.at(number) else { break };
            let ends = |(first, last): &(i64, i64)| Value::List(vec![Value::Int(*first), Value::Int(*last)]);
            let isel = self.dims.iter().cloned().zip(spans.iter().map(ends)).collect();
            let crs = self.on_map.as_ref().map(|(cells, ..)| Value::Text(cells.grid.crs.clone()));
            let row = [
                Value::Int(number as i64),
                self.bbox(&spans).map_or(Value::Null, box_value),
                crs.unwrap_or(Value::Null),
                Value::Bool(is_partial),
                Value::Struct(isel),
                Value::Text(self.path.clone()),
                Value::Text(self.variable.clone()),
            ];
            out.write(number - from, row);
        }
        out.set_rows(to - from);
    }
}

fn box_value(bbox: Bbox) -> Value {
    let corners = [("xmin", bbox.xmin), ("ymin", bbox.ymin), ("xmax", bbox.xmax), ("ymax", bbox.ymax)];
    Value::Struct(corners.map(|(name, corner)| (name.to_string(), Value::Double(corner))).into())
}

/// What a source that is not a raster may be cut as: its variables, where it is an array file that has some.
pub(super) fn hint(path: &str, size: (usize, usize), error: Error) -> Error {
    let rasters = match error.bare() {
        Error::Unsuited { lack: Lack::Bands(names), .. } => names.first().cloned(),
        Error::Unsuited { lack: Lack::Kind(Other::Array), .. } => None,
        _ => return error,
    };
    variables(path, size).map_or(error.clone(), |(names, one)| {
        let problem = error.to_string().lines().next().unwrap_or_default().to_string();
        let raster = rasters.map(|name| format!(", or name one as a raster: '{name}'")).unwrap_or_default();
        Error::conflict(
            problem,
            format!("Name the variable to cut, one of {}: {one}{raster}", names.join(", ")),
        )
    })
}

/// The variables that may be cut, and how the first is; `None` where there are none.
fn variables(path: &str, (height, width): (usize, usize)) -> Option<(Vec<String>, String)> {
    let source = ArraySource::open(path).ok()?;
    let known =
        |index: &usize| source.variable(*index).ok().filter(|v| v.dtype.is_some() && !v.dims.is_empty());
    let found: Vec<usize> =
        data_variables(source.header()).into_iter().filter(|index| known(index).is_some()).collect();
    let names = found.iter().filter_map(known).map(|variable| variable.name.clone()).collect();
    let first = *found.first()?;
    let (variable, axes) = (known(&first)?, source.axes(first).ok()?);
    let along = |dim: usize, size: usize| {
        let (name, length) = (variable.dims.get(dim)?, *variable.shape.get(dim)?);
        Some(format!("{name}: {}", length.min(size as u64)))
    };
    let size = match axes.y_dim().zip(axes.x_dim()) {
        Some((y, x)) => [along(y, height)?, along(x, width)?].join(", "),
        None => along(0, height)?,
    };
    Some((names, format!("variable := '{}', size := {{{size}}}", variable.name)))
}

/// The dimensions with the sizes and strides that were given; one that is not named is whole.
fn axes(args: &Args, dims: &[String], shape: &[u64]) -> Result<Vec<Axis>> {
    let must = format!("places along the variable's dimensions, such as {{{}: 12}}", dims.join(": 12, "));
    args.required("size", &must)?;
    let given = |parameter: &str| -> Result<Vec<(String, usize)>> {
        let blame = args.blame(parameter);
        let fields = match args.get(parameter) {
            None => return Ok(Vec::new()),
            Some(Value::Struct(fields)) => fields,
            Some(other) => return Err(blame(Error::invalid(other, must.clone()))),
        };
        let one = |(name, value): &(String, Value)| {
            if !dims.contains(name) {
                let problem = format!("\"{name}\" is not a dimension of the variable");
                return Err(blame(Error::conflict(problem, format!("It has {}", dims.join(", ")))));
            }
            match value {
                Value::Int(n) if (1..=i64::from(i32::MAX)).contains(n) => Ok((name.clone(), *n as usize)),
                other => Err(blame(Error::invalid(other, "a whole number of at least 1"))),
            }
        };
        fields.iter().map(one).collect()
    };
    let (sizes, strides) = (given("size")?, given("stride")?);
    let of = |list: &[(String, usize)], name: &str| list.iter().find(|(n, _)| n == name).map(|(_, n)| *n);
    let axis = |(name, length): (&String, &u64)| {
        let length = *length as usize;
        let size = of(&sizes, name).unwrap_or(length.max(1));
        Axis { name: name.clone(), length, size, stride: of(&strides, name).unwrap_or(size) }
    };
    Ok(dims.iter().zip(shape).map(axis).collect())
}

fn standing(args: &Args) -> Result<Standing> {
    let is_random =
        args.choice("sampler", "a sampler over a variable", &[("regular", false), ("random", true)])?;
    let refuse = |parameters: &[&str], word: &str| {
        let given = parameters.iter().find(|parameter| args.get(parameter).is_some());
        given.map_or(Ok(()), |parameter| {
            let problem = format!("sampler \"{word}\" takes no {parameter}");
            Err(args.blame(parameter)(Error::conflict(problem, "Leave it out")))
        })
    };
    if !is_random.unwrap_or(false) {
        refuse(&["n", "replace", "seed"], "regular")?;
        return Ok(Standing::Regular(args.choice("edge", "an edge rule", &EDGES)?.unwrap_or(Edge::Snap)));
    }
    refuse(&["stride", "edge"], "random")?;
    let n = args.integer("n", 1, MAX_PLACES as i64)?;
    let missing = || args.blame("n")(Error::conflict("sampler \"random\" needs n", "For example n := 1000"));
    Ok(Standing::Random {
        n: n.ok_or_else(missing)? as usize,
        replace: args.flag("replace")?.unwrap_or(true),
        seed: args.integer("seed", 0, i64::MAX)?.unwrap_or(7) as u64,
    })
}
