//! Rows into a store: each is a step along an axis of patches or of times, or the one row of a canvas.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::affine::Affine;
use crate::dtype::with_pixels;
use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::error::{Error, Result};
use crate::format::zarr::Version;
use crate::format::zarr::create::{ArrayWriter, Values, no_pixels};
use crate::format::zarr::document::{Kind, Spec};
use crate::format::zarr::reopen::{Known, read_rows};
use crate::projection;
use crate::write::pack::Packing;
use crate::write::staging::Staging;
use crate::write::zarr::grid::{Grid, MAPPING};
use crate::write::zarr::{Fixed, Options, band_names, layout, write_store};

/// Pixels of one row after another.
pub struct Series {
    /// The variable's name.
    name: String,
    packing: Packing,
    /// The shape of a row's pixels, once one came.
    item: Option<Vec<u64>>,
    /// Names of the axes of a row's pixels, where a store has them already.
    named: Option<Vec<String>>,
    buffer: Pixels,
    /// Rows that are written.
    done: u64,
    writer: Option<ArrayWriter>,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// None.
    Null,
    /// A whole number, also a date or a time.
    Whole(i128),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// A text.
    Text(String),
}

/// One value a row.
pub struct Column {
    name: String,
    values: Values,
    /// The rows that have none.
    nulls: Vec<usize>,
    attributes: Map<String, Value>,
}

/// What a column is, before any row.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnHead {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// What it says of itself: the unit of a time.
    pub attributes: Map<String, Value>,
}

/// Where a row lies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Site {
    /// From pixels to the CRS.
    pub transform: Option<Affine>,
    /// The CRS, as the user names it.
    pub crs: Option<String>,
}

/// What a row holds.
#[derive(Debug, Default)]
pub struct Row {
    /// Pixels of each variable, and their shape where that is told: else they are one vector.
    pub pixels: Vec<(Pixels, Option<Vec<u64>>)>,
    /// A value for each column.
    pub cells: Vec<Cell>,
    /// Where it lies.
    pub site: Site,
}

/// A store under way.
pub struct Rows {
    staging: Staging,
    options: Arc<Options>,
    /// The axis that rows follow each other on; `None` for one canvas.
    axis: Option<String>,
    series: Vec<Series>,
    columns: Vec<Column>,
    transforms: Vec<Option<Affine>>,
    /// CRSs, each once, and which one each row has.
    systems: Vec<Option<String>>,
    system: Vec<usize>,
    rows: usize,
    /// The store that is appended to.
    known: Option<Known>,
}

impl Rows {
    /// Nothing is there yet: variables by name, and columns.
    ///
    /// # Errors
    /// A name that no array of a store can have.
    pub fn new(
        staging: Staging,
        options: Arc<Options>,
        axis: Option<String>,
        variables: &[(String, Packing)],
        columns: &[ColumnHead],
    ) -> Result<Rows> {
        for name in variables.iter().map(|(name, _)| name).chain(columns.iter().map(|column| &column.name)) {
            check_name(name)?;
        }
        let mut names: Vec<&String> = variables.iter().map(|(name, _)| name).collect();
        names.extend(columns.iter().map(|column| &column.name));
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(same_name(pair[0]));
        }
        let series = variables.iter().map(|(name, packing)| Series {
            name: name.clone(),
            packing: packing.clone(),
            item: None,
            named: None,
            buffer: no_pixels(packing.dtype),
            done: 0,
            writer: None,
        });
        let columns = columns.iter().map(|head| Column {
            name: head.name.clone(),
            values: match head.kind {
                Kind::Number(dtype) => Values::Pixels(no_pixels(dtype)),
                Kind::Bool => Values::Bools(Vec::new()),
                Kind::Text => Values::Texts(Vec::new()),
            },
            nulls: Vec::new(),
            attributes: head.attributes.clone(),
        });
        Ok(Rows {
            staging,
            options,
            axis,
            series: series.collect(),
            columns: columns.collect(),
            transforms: Vec::new(),
            systems: Vec::new(),
            system: Vec::new(),
            rows: 0,
            known: None,
        })
    }

    /// Goes on behind the rows of a store that is there.
    ///
    /// # Errors
    /// A store of other variables, or that was not written here.
    pub fn append(&mut self) -> Result<()> {
        self.staging.claim(None)?;
        let target = self.staging.target().to_path_buf();
        let Some(known) = Known::read(&target)? else { return Ok(()) };
        let Some(axis) = self.axis.clone() else {
            return Ok(());
        };
        let compression = known.arrays.first().map_or(self.options.compression, |spec| spec.compression);
        let options = Options { version: known.version, compression, ..(*self.options).clone() };
        self.options = Arc::new(options);
        const REMEDY: &str = "Append rows of the same columns, types and shapes, or write a new store";
        let own: Vec<&str> = self.series.iter().map(|series| series.name.as_str()).collect();
        let own: Vec<&str> =
            own.into_iter().chain(self.columns.iter().map(|column| column.name.as_str())).collect();
        const BESIDE: [&str; 6] = ["x", "y", "band", "transform", "crs", MAPPING];
        for spec in &known.arrays {
            let name = spec.name.as_str();
            if !own.contains(&name) && !BESIDE.contains(&name) {
                let problem = format!("the store has an array \"{name}\", and the query no such column");
                return Err(Error::conflict(problem, REMEDY));
            }
        }
        let of = |name: &str, kind: Kind| {
            let found =
                known.array(name).filter(|spec| spec.kind == kind && spec.dims.first() == Some(&axis));
            let problem = || format!("the store has no array \"{name}\" of this type along \"{axis}\"");
            found.ok_or_else(|| Error::conflict(problem(), REMEDY))
        };
        let mut rows = 0;
        let root = self.staging.path();
        for series in &mut self.series {
            let spec = of(&series.name, Kind::Number(series.packing.dtype))?;
            rows = spec.shape.first().copied().unwrap_or(0);
            series.go_on(spec, (&target, &root), self.options.threads)?;
        }
        for column in &mut self.columns {
            let spec = of(&column.name, column.values.kind())?;
            rows = spec.shape.first().copied().unwrap_or(0);
            column.go_on(spec, &target)?;
        }
        self.rows = rows as usize;
        self.transforms = transforms(&known, &target, rows)?;
        let systems = systems(&known, &target, rows)?;
        for system in systems {
            self.note(system);
        }
        self.known = Some(known);
        Ok(())
    }

    /// Notes the CRS of a row.
    fn note(&mut self, crs: Option<String>) {
        let known = self.systems.iter().position(|system| *system == crs);
        let known = known.unwrap_or_else(|| {
            self.systems.push(crs);
            self.systems.len() - 1
        });
        self.system.push(known);
    }

    /// Takes a row.
    ///
    /// # Errors
    /// A second row of a canvas, pixels of another shape than the rows before, or a store that cannot be written.
    pub fn push(&mut self, row: Row) -> Result<()> {
        if self.axis.is_none() && self.rows > 0 {
            let remedy = "A canvas is one row; AXIS 'patch' or AXIS 'time' lays rows one behind another";
            return Err(Error::conflict("the query has a second row", remedy));
        }
        let root = self.staging.path();
        let only = self.series.len() == 1;
        for (series, (pixels, shape)) in self.series.iter_mut().zip(row.pixels) {
            series.push(&pixels, shape, (self.rows, only), (&root, &self.options, self.axis.is_some()))?;
        }
        for (column, cell) in self.columns.iter_mut().zip(row.cells) {
            column.push(cell, self.rows)?;
        }
        self.transforms.push(row.site.transform);
        self.note(row.site.crs);
        self.rows += 1;
        Ok(())
    }

    /// Looks whether readers can tell axes, variables and columns apart.
    ///
    /// # Errors
    /// DIMS that no variable has so many axes for, an axis of the name of rows' or of a column, a variable of that of one of its axes.
    fn check_dims(&self, dims: &[Vec<String>]) -> Result<()> {
        let blame = |error: Error| error.at("zarr(DIMS)");
        let shapes: Vec<&Vec<u64>> = self.series.iter().filter_map(|series| series.item.as_ref()).collect();
        if let (Some(names), None) = (&self.options.dims, &self.known)
            && !shapes.is_empty()
            && !shapes.iter().any(|item| item.len() == names.len())
        {
            let found: Vec<String> = shapes.iter().map(|item| format!("{item:?}")).collect();
            let axes = if names.len() == 1 { "axis" } else { "axes" };
            let problem = format!(
                "{names:?} names {} {axes}, and rows have the shape {}",
                names.len(),
                found.join(" and ")
            );
            return Err(blame(Error::conflict(problem, "Name each axis of a row's pixels: band, y, x")));
        }
        for (series, dims) in self.series.iter().zip(dims) {
            let other = |name: &String| {
                let asked = self.options.dims.as_ref().is_some_and(|names| names.contains(name));
                let column = asked && self.columns.iter().any(|column| column.name == *name);
                column || self.axis.as_ref() == Some(name)
            };
            if let Some(name) = dims.iter().find(|name| other(name)) {
                let problem =
                    format!("\"{name}\" names an axis of {}, and the rows' axis or a column", series.name);
                return Err(blame(Error::conflict(
                    problem,
                    "Give one of them another name: DIMS, AXIS, NAMES",
                )));
            }
            let axes = dims.len() + usize::from(self.axis.is_some());
            if axes > 1 && (dims.contains(&series.name) || self.axis.as_ref() == Some(&series.name)) {
                let problem = format!("\"{}\" names a variable and one of its axes", series.name);
                let remedy = "Give one of them another name: NAMES, DIMS, AXIS";
                return Err(Error::conflict(problem, remedy).at("zarr(NAMES)"));
            }
        }
        Ok(())
    }

    /// Writes the rest, and puts the store in its place.
    ///
    /// # Errors
    /// There was no row, names that clash, or a store that cannot be written.
    pub fn finish(mut self) -> Result<()> {
        if self.rows == 0 {
            return Err(Error::conflict("the query has no row", "A store without a value is not written"));
        }
        let root = self.staging.path();
        for series in &mut self.series {
            series.flush(self.axis.is_some())?;
        }
        let mut sizes: HashMap<String, u64> = HashMap::new();
        let mut dims = Vec::new();
        for series in &self.series {
            dims.push(series.dims(&self.options, &mut sizes));
        }
        self.check_dims(&dims)?;
        let images = dims.iter().any(|dims| is_image(dims));
        let sides = sizes.get("y").copied().zip(sizes.get("x").copied()).filter(|_| images);
        let (grid, mut fixed) = self.grid(sides)?;
        let told = grid.told()?;
        fixed.extend(told.arrays);
        let axis = self.axis.clone();
        let mut beside: Vec<&str> = Vec::new();
        for column in &self.columns {
            let plain = !column.name.contains(char::is_whitespace);
            if plain && axis.as_deref() != Some(&column.name) {
                beside.push(&column.name);
            }
        }
        let beside = beside.join(" ");
        let mut specs: Vec<Spec> = Vec::new();
        for (series, dims) in std::mem::take(&mut self.series).into_iter().zip(dims) {
            let mut attributes = Map::new();
            if is_image(&dims) {
                attributes.extend(told.attributes.clone());
            }
            if !beside.is_empty() {
                attributes.insert("coordinates".into(), json!(beside));
            }
            let leading = axis.iter().cloned().zip([self.rows as u64]);
            specs.extend(series.finish(leading.collect(), dims, attributes)?);
        }
        if let Some(bands) = sizes.get("band").and_then(|bands| band_names(&self.options, *bands)) {
            fixed.push(bands);
        } else if !self.options.bands.is_empty() {
            let (names, found) = (self.options.bands.len(), sizes.get("band").copied().unwrap_or(0));
            let problem = format!("{names} names for {found} bands");
            return Err(Error::conflict(problem, "Name each band, or none"));
        }
        for column in std::mem::take(&mut self.columns) {
            fixed.push(column.fixed(axis.as_deref())?);
        }
        for array in fixed {
            if specs.iter().any(|spec| spec.name == array.name) {
                return Err(same_name(&array.name));
            }
            specs.push(array.write(&root, &self.options)?);
        }
        let mut attributes = self.options.attributes();
        let Some(known) = self.known else {
            write_store(&root, self.options.version, &attributes, &specs)?;
            return self.staging.commit();
        };
        let kept = known.arrays.iter().filter(|array| specs.iter().all(|spec| spec.name != array.name));
        let kept: Vec<Spec> = kept.cloned().collect();
        if let Some(array) = kept.iter().find(|array| array.name != "band") {
            let problem =
                format!("the rows lie on another grid than those of the store, which has \"{}\"", array.name);
            return Err(Error::conflict(problem, "Append rows of one grid, or write a new store"));
        }
        specs.extend(kept);
        for (key, value) in known.attributes {
            attributes.entry(key).or_insert(value);
        }
        write_store(&root, self.options.version, &attributes, &specs)?;
        let _gate = self.staging.gate();
        self.staging.merge(&[])
    }

    /// The grid that all rows share, and what tells the places of rows that share none.
    fn grid(&self, sides: Option<(u64, u64)>) -> Result<(Grid, Vec<Fixed>)> {
        let mut grid = Grid { sides, ..Grid::default() };
        let mut own = Vec::new();
        let axis = self.axis.as_deref().unwrap_or("patch");
        let mut several = self.systems.len() > 1;
        if let [first, rest @ ..] = self.systems.as_slice() {
            // Two names of one CRS are one.
            let same = |other: &Option<String>| match (first, other) {
                (Some(a), Some(b)) => projection::same_crs(a, b),
                (a, b) => Ok(a == b),
            };
            several = rest.iter().map(same).collect::<Result<Vec<_>>>()?.contains(&false);
            if !several && sides.is_some() {
                grid.crs = first.clone();
            }
        }
        let of_rows = several || (sides.is_none() && self.systems.iter().any(Option::is_some));
        if of_rows && self.axis.is_some() {
            let texts = self.system.iter().map(|at| self.systems[*at].clone().unwrap_or_default()).collect();
            own.push(Fixed::along("crs", axis, Values::Texts(texts), Map::new()));
        }
        let first = self.transforms.first().copied().flatten();
        let apart = self.known.as_ref().is_some_and(|known| known.array("transform").is_some());
        let shared = !apart && self.transforms.iter().all(|transform| *transform == first);
        if shared && sides.is_some() {
            grid.transform = first;
        } else if self.transforms.iter().any(Option::is_some) && self.axis.is_some() {
            let terms = |transform: &Option<Affine>| transform.map_or([f64::NAN; 6], |affine| affine.0);
            let values = Pixels::Float64(self.transforms.iter().flat_map(terms).collect());
            let mut attributes = Map::new();
            attributes.insert("long_name".into(), json!("GDAL's six numbers of each row's grid"));
            own.push(Fixed {
                name: "transform".into(),
                dims: vec![axis.into(), "term".into()],
                shape: vec![self.rows as u64, 6],
                values: Values::Pixels(values),
                nodata: Some(Nodata::Float(f64::NAN)),
                attributes,
            });
        }
        Ok((grid, own))
    }
}

fn same_name(name: &str) -> Error {
    let problem = format!("two arrays would be named \"{name}\"");
    Error::conflict(problem, "Give the column another name")
}

fn is_image(dims: &[String]) -> bool {
    matches!(dims, [.., y, x] if y == "y" && x == "x")
}

/// # Errors
/// What no array of a store is named.
pub fn check_name(name: &str) -> Result<()> {
    let sound = !name.is_empty()
        && !name.contains(['/', '\\', '\0'])
        && !name.starts_with('.')
        && !name.starts_with("__")
        && name != "zarr.json";
    if sound {
        Ok(())
    } else {
        let must = "a name without slashes, and without a dot or \"__\" in front, such as \"sst\"";
        Err(Error::invalid(format!("\"{name}\""), must))
    }
}

impl Series {
    fn push(
        &mut self,
        pixels: &Pixels,
        shape: Option<Vec<u64>>,
        (row, only): (usize, bool),
        (root, options, grows): (&Path, &Options, bool),
    ) -> Result<()> {
        let item = shape.unwrap_or_else(|| vec![pixels.len() as u64]);
        match &self.item {
            Some(known) if *known != item => {
                let problem = format!(
                    "{} of row {} has the shape {item:?}, and those before it {known:?}",
                    self.name,
                    row + 1
                );
                return Err(Error::conflict(problem, "Rows of one store have one shape"));
            }
            Some(_) => {}
            None => {
                if pixels.is_empty() {
                    return Err(Error::invalid(format!("{} without a value", self.name), "at least one"));
                }
                self.writer = Some(self.writer(&item, only, root, options, grows)?);
                self.item = Some(item);
            }
        }
        extend(&mut self.buffer, pixels);
        let full =
            self.writer.as_ref().map_or(1, |writer| writer.spec().file().first().copied().unwrap_or(1));
        if grows && self.buffered() >= full {
            self.flush(true)?;
        }
        Ok(())
    }

    fn writer(
        &self,
        item: &[u64],
        only: bool,
        root: &Path,
        options: &Options,
        grows: bool,
    ) -> Result<ArrayWriter> {
        let dtype = self.packing.dtype;
        let size = dtype.size() as u64;
        let (own, mut shape) = match grows {
            true => (layout::of_rows(item, size), vec![0]),
            false => (layout::of_image(item, size), Vec::new()),
        };
        shape.extend(item);
        let asked = options.chunks.as_deref().filter(|chunk| only || chunk.len() == own.len());
        let shards = match &options.shards {
            layout::Shards::Sides(sides) if !only && sides.len() != own.len() => &layout::Shards::Auto,
            shards => shards,
        };
        let sharded = options.version == Version::V3;
        let layout = layout::choose((asked, shards), own, (&shape, grows, size), sharded)?;
        let spec = Spec {
            name: self.name.clone(),
            version: options.version,
            kind: Kind::Number(dtype),
            shape,
            dims: Vec::new(),
            chunk: layout.chunk,
            shard: layout.shard,
            compression: options.compression,
            nodata: self.packing.nodata,
            attributes: Map::new(),
        };
        ArrayWriter::new(root, spec, options.threads)
    }

    /// Goes on behind the rows that a store has.
    fn go_on(&mut self, spec: &Spec, (target, root): (&Path, &Path), threads: usize) -> Result<()> {
        let told = |key: &str| spec.attributes.get(key).and_then(Value::as_f64);
        let scaling = told("scale_factor").zip(told("add_offset"));
        let fill = |nodata: Option<Nodata>| nodata.map(|value| value.f64().to_bits());
        if fill(spec.nodata) != fill(self.packing.nodata) || scaling != self.packing.scaling {
            let problem = format!("{} has another NODATA, SCALE or OFFSET in the store", self.name);
            return Err(Error::conflict(problem, "Give those of the store"));
        }
        let (rows, file) = (spec.shape[0], spec.file()[0]);
        self.done = rows / file * file;
        if self.done < rows
            && let Values::Pixels(pixels) = read_rows(target, spec, self.done, rows)?
        {
            self.buffer = pixels;
        }
        self.item = Some(spec.shape[1..].to_vec());
        self.named = Some(spec.dims[1..].to_vec());
        let fresh = Spec { attributes: Map::new(), ..spec.clone() };
        self.writer = Some(ArrayWriter::new(root, fresh, threads)?);
        Ok(())
    }

    /// Rows that wait.
    fn buffered(&self) -> u64 {
        let item = self.item.as_ref().map_or(1, |item| item.iter().product::<u64>());
        self.buffer.len() as u64 / item.max(1)
    }

    /// Writes what waits.
    fn flush(&mut self, grows: bool) -> Result<()> {
        let rows = self.buffered();
        let (Some(writer), Some(item)) = (&mut self.writer, &self.item) else { return Ok(()) };
        if rows == 0 {
            return Ok(());
        }
        let pixels = std::mem::replace(&mut self.buffer, no_pixels(self.packing.dtype));
        let (mut start, mut sides) = (vec![0; item.len()], item.clone());
        if grows {
            start.insert(0, self.done);
            sides.insert(0, rows);
        }
        writer.write(&start, &sides, &Values::Pixels(pixels))?;
        self.done += rows;
        Ok(())
    }

    /// Names of the axes of a row's pixels; one that another variable has in another size gets a name of its own.
    fn dims(&self, options: &Options, sizes: &mut HashMap<String, u64>) -> Vec<String> {
        let Some(item) = &self.item else { return Vec::new() };
        if let Some(names) = &self.named {
            sizes.extend(names.iter().cloned().zip(item.iter().copied()));
            return names.clone();
        }
        const IMAGE: [&str; 4] = ["step", "band", "y", "x"];
        let rank = item.len();
        let asked = options.dims.as_ref().filter(|names| names.len() == rank);
        let own = |axis: usize| match rank - axis {
            _ if rank == 1 => format!("{}_dim", self.name),
            back @ 1..=4 => IMAGE[4 - back].to_string(),
            _ => format!("{}_dim_{axis}", self.name),
        };
        let named = |(axis, side): (usize, &u64)| {
            let name = asked.map_or_else(|| own(axis), |names| names[axis].clone());
            let known = *sizes.entry(name.clone()).or_insert(*side);
            if known == *side { name } else { format!("{name}_{}", self.name) }
        };
        item.iter().enumerate().map(named).collect()
    }

    /// The array, once all of its rows are written.
    fn finish(
        self,
        leading: Vec<(String, u64)>,
        dims: Vec<String>,
        attributes: Map<String, Value>,
    ) -> Result<Option<Spec>> {
        let (Some(writer), Some(item)) = (self.writer, self.item) else { return Ok(None) };
        let mut spec = writer.finish()?;
        spec.dims = leading.iter().map(|(name, _)| name.clone()).chain(dims).collect();
        spec.shape = leading.iter().map(|(_, rows)| *rows).chain(item).collect();
        spec.attributes = attributes;
        if let Some((scale, offset)) = self.packing.scaling {
            spec.attributes.insert("scale_factor".into(), json!(scale));
            spec.attributes.insert("add_offset".into(), json!(offset));
        }
        Ok(Some(spec))
    }
}

/// Adds pixels of the same type.
fn extend(buffer: &mut Pixels, more: &Pixels) {
    with_pixels!(buffer, values => if let Some(more) = Pixel::view(more) {
        values.extend_from_slice(more);
    });
}

/// GDAL's six numbers of each row of a store.
fn transforms(known: &Known, target: &Path, rows: u64) -> Result<Vec<Option<Affine>>> {
    if let Some(spec) = known.array("transform") {
        let Values::Pixels(Pixels::Float64(terms)) = read_rows(target, spec, 0, rows)? else {
            return Ok(vec![None; rows as usize]);
        };
        return Ok(terms.chunks(6).map(|terms| Affine::from_terms(terms).ok()).collect());
    }
    let told = known.array(MAPPING).and_then(|spec| spec.attributes.get("GeoTransform"));
    let terms = told
        .and_then(Value::as_str)
        .map(|text| text.split(' ').filter_map(|term| term.parse().ok()).collect());
    let shared = terms.and_then(|terms: Vec<f64>| Affine::from_terms(&terms).ok());
    Ok(vec![shared; rows as usize])
}

/// The CRS of each row of a store.
fn systems(known: &Known, target: &Path, rows: u64) -> Result<Vec<Option<String>>> {
    if let Some(spec) = known.array("crs") {
        let Values::Texts(names) = read_rows(target, spec, 0, rows)? else {
            return Ok(vec![None; rows as usize]);
        };
        return Ok(names.into_iter().map(|name| (!name.is_empty()).then_some(name)).collect());
    }
    let told = known.array(MAPPING).and_then(|spec| spec.attributes.get("crs_wkt"));
    let shared = told.and_then(Value::as_str).map(str::to_string);
    Ok(vec![shared; rows as usize])
}

impl Column {
    /// Takes up the values that a store has.
    fn go_on(&mut self, spec: &Spec, target: &Path) -> Result<()> {
        self.values = read_rows(target, spec, 0, spec.shape[0])?;
        let Some(fill) = spec.nodata.filter(|fill| !fill.f64().is_nan()) else { return Ok(()) };
        if let Values::Pixels(pixels) = &self.values {
            self.nulls = with_pixels!(pixels, values => rows_of(values, fill));
        }
        Ok(())
    }

    /// # Errors
    /// A whole number that the column's type does not hold.
    fn push(&mut self, cell: Cell, row: usize) -> Result<()> {
        match &mut self.values {
            Values::Pixels(pixels) => with_pixels!(pixels, values => {
                let value = match cell {
                    Cell::Whole(n) => {
                        let held = whole(n, values);
                        if held.is_none() {
                            let problem = format!("{} of row {} is {n}, which the column's type, {}, does not hold", self.name, row + 1, dtype_of(values));
                            return Err(Error::conflict(problem, "Cast it to DOUBLE, to have it rounded, or to VARCHAR"));
                        }
                        held
                    }
                    Cell::Number(v) => Some(Pixel::of(v)),
                    _ => None,
                };
                if value.is_none() {
                    self.nulls.push(values.len());
                }
                values.push(value.unwrap_or_default());
            }),
            Values::Bools(values) => {
                if !matches!(cell, Cell::Flag(_)) {
                    self.nulls.push(values.len());
                }
                values.push(u8::from(cell == Cell::Flag(true)));
            }
            Values::Texts(values) => match cell {
                Cell::Text(text) => values.push(text),
                _ => {
                    self.nulls.push(values.len());
                    values.push(String::new());
                }
            },
        }
        Ok(())
    }

    /// The array, with a value that stands for none where that is needed.
    fn fixed(mut self, axis: Option<&str>) -> Result<Fixed> {
        let mut nodata = None;
        let name = self.name.clone();
        match &mut self.values {
            Values::Pixels(pixels) => with_pixels!(pixels, values => {
                if axis == Some(name.as_str()) {
                    check_axis(&name, values, &self.nulls)?;
                }
                nodata = mark(&name, values, &self.nulls)?;
            }),
            _ if self.nulls.is_empty() => {}
            _ => {
                let problem = format!(
                    "{name} of row {} is NULL, and no text and no BOOLEAN stands for that",
                    self.nulls[0] + 1
                );
                return Err(Error::conflict(problem, format!("Give another value: coalesce({name}, ...)")));
            }
        }
        let array = match axis {
            Some(axis) => Fixed::along(&name, axis, self.values, self.attributes),
            None => Fixed::scalar(&name, self.values, self.attributes),
        };
        Ok(Fixed { nodata, ..array })
    }
}

/// A whole number in the type of others; `None` where that would change it.
fn whole<T: Pixel>(number: i128, _: &[T]) -> Option<T> {
    T::nodata(Nodata::Integer(number)).filter(|held| held.integer().is_some() || held.f64() as i128 == number)
}

fn dtype_of<T: Pixel>(_: &[T]) -> Dtype {
    T::DTYPE
}

/// The rows that have a value.
fn rows_of<T: Pixel>(values: &[T], wanted: Nodata) -> Vec<usize> {
    let wanted = T::nodata(wanted);
    values.iter().enumerate().filter(|(_, value)| Some(**value) == wanted).map(|(row, _)| row).collect()
}

/// A value in the stead of those that are NULL; `None` where none is.
fn mark<T: Pixel>(name: &str, values: &mut [T], nulls: &[usize]) -> Result<Option<Nodata>> {
    if T::DTYPE.is_float() {
        nulls.iter().for_each(|row| values[*row] = T::of(f64::NAN));
        return Ok(Some(Nodata::Float(f64::NAN)));
    }
    if nulls.is_empty() {
        return Ok(None);
    }
    let signed = T::DTYPE.with_sign(true) == T::DTYPE;
    let bits = 8 * T::DTYPE.size() as u32;
    let free = if signed { -(1i128 << (bits - 1)) } else { (1i128 << bits) - 1 };
    let Some(fill) = T::nodata(Nodata::Integer(free)) else { return Ok(None) };
    if values.iter().enumerate().any(|(row, value)| *value == fill && nulls.binary_search(&row).is_err()) {
        let problem = format!("{name} has NULL, and {free}, which would stand for it");
        return Err(Error::conflict(problem, "Widen its type"));
    }
    nulls.iter().for_each(|row| values[*row] = fill);
    Ok(Some(Nodata::Integer(free)))
}

/// # Errors
/// An axis whose values do not rise from row to row.
fn check_axis<T: Pixel>(name: &str, values: &[T], nulls: &[usize]) -> Result<()> {
    let falls = |pair: &[T]| match (pair[0].integer(), pair[1].integer()) {
        (Some(a), Some(b)) => a >= b,
        _ => pair[0].f64() >= pair[1].f64() || pair[1].f64().is_nan(),
    };
    let row = nulls.first().copied().or_else(|| values.windows(2).position(falls).map(|at| at + 1));
    match row {
        None => Ok(()),
        Some(row) => {
            let problem = format!("{name} of row {} does not come after that of the row before it", row + 1);
            Err(Error::conflict(problem, format!("ORDER BY {name}, one row each")))
        }
    }
}
