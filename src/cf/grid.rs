//! Where a variable lies: the outer edges of its cells, and the transform where they are regular.

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::cf::axis::{Axes, Coordinate, idle, listed};
use crate::cf::sphere::{Extent, turn};
use crate::cf::{decode, mapping, metadata, step, values};
use crate::crs::CRS84;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::files::Sight;
use crate::format::array::{ArrayFile, Variable};
use crate::format::gdal::Raster;
use crate::window::Window;

/// Where a variable lies on the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// CRS of what follows: authority code, or PROJJSON where it has none.
    pub crs: String,
    /// The outer edges of the cells, not their centres. Longitudes run on: beyond 180 for a grid from 0 to 360.
    pub bbox: Bbox,
    /// From (col, row) along the dimensions of x and y, where both are evenly spaced.
    pub transform: Option<Affine>,
    /// Rows and columns; points without a grid are one row.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Values that are read at a time from arrays of longitudes and latitudes.
const STRIP: u64 = 1 << 20;
/// Cells are even when no centre is further off than this share of a cell.
const EVEN: f64 = 1e-3;
/// Above it a value is netCDF's own filling, which needs no attribute.
const FILL: f64 = 1e30;

/// A grid, and where each of its rows and columns lies.
pub struct Cells {
    /// The whole.
    pub grid: Grid,
    /// The edges of each column, the lower one first; none where they are not known.
    columns: Vec<(f64, f64)>,
    /// The edges of each row.
    rows: Vec<(f64, f64)>,
}

impl Cells {
    /// The outer edges of some rows and columns, the last one inside; `None` where they are not known.
    pub fn bbox(&self, rows: (usize, usize), columns: (usize, usize)) -> Option<Bbox> {
        let hull = |cells: &[(f64, f64)], (first, last): (usize, usize)| {
            let (a, b) = (cells.get(first)?, cells.get(last)?);
            Some((a.0.min(b.0), a.1.max(b.1)))
        };
        let ((west, east), (south, north)) = match self.grid.transform {
            Some(transform) => {
                let sides = |(first, last): (usize, usize)| (first as i64, (last + 1 - first) as i64);
                let ((row, height), (col, width)) = (sides(rows), sides(columns));
                let bbox = transform.bbox(&Window::new(row, col, height, width).ok()?);
                ((bbox.xmin, bbox.xmax), (bbox.ymin, bbox.ymax))
            }
            None => (hull(&self.columns, columns)?, hull(&self.rows, rows)?),
        };
        // A cell around a pole ends there, as the grid does.
        let whole = &self.grid.bbox;
        Bbox::new(west, south.max(whole.ymin), east, north.min(whole.ymax)).ok()
    }
}

impl From<Grid> for Cells {
    fn from(grid: Grid) -> Cells {
        Cells { grid, columns: Vec::new(), rows: Vec::new() }
    }
}

/// The grid of a variable; `None` when its coordinates do not tell.
///
/// # Errors
/// A coordinate cannot be read, holds no number where it must, or is no longitude or latitude; a grid mapping that
/// makes no CRS, unless longitudes and latitudes are there too.
pub fn grid(file: &dyn ArrayFile, variable: usize, axes: &Axes) -> Result<Option<Grid>> {
    cells(file, variable, axes).map(|cells| cells.map(|cells| cells.grid))
}

/// The grid of a variable with its cells.
///
/// # Errors
/// As [`grid`].
pub fn cells(file: &dyn ArrayFile, variable: usize, axes: &Axes) -> Result<Option<Cells>> {
    if let (Some(x), Some(y)) = (&axes.x, &axes.y) {
        let mapped = mapping::mapping(file.header(), variable, axes);
        let curvilinear = axes.lon.is_some() && axes.lat.is_some() && axes.x != axes.lon;
        match mapped {
            // GDAL and rioxarray wrote so for years.
            Ok(Some(mapping)) if mapping.doubtful => return Ok(rectilinear(file, x, y, &mapping).ok()),
            Ok(Some(mapping)) => return rectilinear(file, x, y, &mapping).map(Some),
            Err(error) if !curvilinear => return Err(error),
            _ => {}
        }
    }
    match (&axes.lon, &axes.lat) {
        (Some(lon), Some(lat)) if lon.dims == lat.dims => {
            on_the_globe(file, lon, lat).map(|grid| grid.map(Cells::from))
        }
        // A point, or a section along one of the two.
        (Some(lon), Some(lat)) if lon.dims.len() <= 1 && lat.dims.len() <= 1 => {
            rectilinear(file, lon, lat, &mapping::crs84()).map(Some)
        }
        _ => Ok(hdf_eos(file, variable).map(Cells::from)),
    }
}

/// The grid of a field of HDF-EOS5, whose corners stand in a text beside it (StructMetadata.0), which GDAL reads of rasters.
fn hdf_eos(file: &dyn ArrayFile, variable: usize) -> Option<Grid> {
    let metadata = file.header().variables.get(variable)?;
    let name = metadata.name.strip_prefix("HDFEOS/GRIDS/").filter(|_| metadata.shape.len() == 2)?;
    let name = format!("HDF5:\"{}\"://HDFEOS/GRIDS/{}", file.path(), name.replace(' ', "_"));
    let raster = Raster::open(&Sight::at(&name).ok()?, None).ok()?;
    let header = raster.header();
    let (transform, crs) = header.georeference(&name).ok()?;
    let (height, width) = (header.height, header.width);
    let same = metadata.shape == [height as u64, width as u64];
    let bbox = transform.bbox(&Window::whole(height, width).ok()?);
    same.then_some(Grid { crs, bbox, transform: Some(transform), height, width })
}

/// One axis of a grid: its two outer edges in order, and the first centre's outer edge and the cell's size if all cells
/// are of one size.
struct Axis {
    low: f64,
    high: f64,
    regular: Option<(f64, f64)>,
    /// The edges of each cell, the lower one first.
    cells: Vec<(f64, f64)>,
}

fn rectilinear(
    file: &dyn ArrayFile,
    x: &Coordinate,
    y: &Coordinate,
    mapping: &mapping::Mapping,
) -> Result<Cells> {
    let x = axis(file, x, mapping, mapping.degrees)?;
    let y = axis(file, y, mapping, false)?;
    let (mut south, mut north, mut east) = (y.low, y.high, x.high);
    if mapping.degrees {
        // A cell does not reach over the pole, nor around the globe twice.
        (south, north) = (south.max(-90.0), north.min(90.0));
        east = east.min(x.low + 360.0);
    }
    let transform = x.regular.zip(y.regular).map(|((x0, dx), (y0, dy))| Affine([x0, dx, 0.0, y0, 0.0, dy]));
    let bbox = Bbox::new(x.low, south, east, north)?;
    let (height, width) = (y.cells.len(), x.cells.len());
    let grid = Grid { crs: mapping.crs.clone(), bbox, transform, height, width };
    Ok(Cells { grid, columns: x.cells, rows: y.cells })
}

fn axis(
    file: &dyn ArrayFile,
    coordinate: &Coordinate,
    mapping: &mapping::Mapping,
    is_lon: bool,
) -> Result<Axis> {
    let metadata = metadata(file.header(), coordinate.variable)?;
    let fail = |reason: String| Error::values(file.path(), &metadata.name, reason);
    let stored = nice(values(file, coordinate.variable)?, metadata);
    let mut centres: Vec<f64> = stored.iter().map(|v| v * mapping.factor).collect();
    if let Some(at) = centres.iter().position(|v| !v.is_finite() || v.abs() > FILL) {
        return Err(fail(format!("a coordinate holds no number at {at}")));
    }
    let limit = if is_lon { 1080.0 } else { 90.0 + 1e-3 };
    if let Some(v) = centres.iter().find(|v| mapping.degrees && v.abs() > limit) {
        return Err(fail(format!("{v} is not a {}", if is_lon { "longitude" } else { "latitude" })));
    }
    if is_lon && has_jump(&centres) {
        run_on(&mut centres);
    }
    let n = centres.len();
    let spacing = step(&centres, metadata.dtype, EVEN);
    let regular = spacing.zip(centres.first()).map(|(d, first)| (first - d / 2.0, d));
    let of_bounds = cells_of_bounds(file, metadata, mapping, centres.first())?;
    let cells = match (&of_bounds, regular) {
        (Some(cells), _) => cells.clone(),
        (None, Some((edge, d))) => {
            let cell = |i: usize| (edge + d * i as f64, edge + d * (i + 1) as f64);
            (0..n).map(cell).map(|(a, b)| (a.min(b), a.max(b))).collect()
        }
        (None, None) => halfway(&centres),
    };
    let mut sorted = centres;
    sorted.sort_unstable_by(f64::total_cmp);
    let of_centres = match (sorted.as_slice(), regular) {
        ([], _) => return Err(fail("a coordinate without values tells no place".into())),
        (_, Some((edge, d))) => Some((edge.min(edge + d * n as f64), edge.max(edge + d * n as f64))),
        ([one], _) => Some((*one, *one)),
        ([a, b, ..], _) => {
            let tail = sorted.iter().rev().take(2).collect::<Vec<_>>();
            let (last, before) = (tail.first().map_or(*b, |v| **v), tail.get(1).map_or(*a, |v| **v));
            Some((a - (b - a) / 2.0, last + (last - before) / 2.0))
        }
    };
    let of_bounds = of_bounds.as_deref().map(extent);
    let (low, high) = of_bounds.or(of_centres).unwrap_or((f64::NAN, f64::NAN));
    Ok(Axis { low, high, regular, cells })
}

/// The cells around centres: each reaches halfway to its neighbours, the outermost as far outward.
fn halfway(centres: &[f64]) -> Vec<(f64, f64)> {
    let at = |i: usize| centres.get(i).copied();
    let cell = |(i, centre): (usize, &f64)| {
        let before = i.checked_sub(1).and_then(at).map(|near| (centre - near) / 2.0);
        let after = at(i + 1).map(|near| (near - centre) / 2.0);
        let (before, after) = (before.or(after).unwrap_or(0.0), after.or(before).unwrap_or(0.0));
        let (a, b) = (centre - before, centre + after);
        (a.min(b), a.max(b))
    };
    centres.iter().enumerate().map(cell).collect()
}

/// The least and the greatest edge.
fn extent(cells: &[(f64, f64)]) -> (f64, f64) {
    cells.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (a, b)| (low.min(*a), high.max(*b)))
}

/// The cells that the bounds of a coordinate make, where it has two for each value and every one is a number.
fn cells_of_bounds(
    file: &dyn ArrayFile,
    coordinate: &Variable,
    mapping: &mapping::Mapping,
    first: Option<&f64>,
) -> Result<Option<Vec<(f64, f64)>>> {
    let header = file.header();
    let Some(index) = listed(header, coordinate, "bounds").first().copied() else { return Ok(None) };
    let bounds = metadata(header, index)?;
    if bounds.dtype.is_none() || bounds.shape.split_last() != Some((&2, coordinate.shape.as_slice())) {
        return Ok(None);
    }
    let mut edges: Vec<f64> =
        nice(values(file, index)?, bounds).into_iter().map(|v| v * mapping.factor).collect();
    if mapping.degrees && has_jump(&edges) {
        run_on(&mut edges);
        // Bounds run on from their own beginning, the centres from theirs.
        let shift = first.zip(edges.first()).map_or(0.0, |(c, e)| ((c - e) / 360.0).round() * 360.0);
        edges.iter_mut().for_each(|v| *v += shift);
    }
    let numbers = edges.iter().all(|v| v.is_finite() && v.abs() < FILL);
    let ends = |pair: &[f64]| pair.first().zip(pair.last()).map(|(a, b)| (a.min(*b), a.max(*b)));
    let cells: Vec<(f64, f64)> = edges.chunks(2).filter_map(ends).collect();
    let (low, high) = extent(&cells);
    Ok((numbers && low < high).then_some(cells))
}

/// Coordinates stored as float32 are meant as the shortest decimal that they stand for: 0.1, not 0.10000000149.
fn nice(values: Vec<f64>, variable: &Variable) -> Vec<f64> {
    let packed = variable.scale.is_some() || variable.offset.is_some();
    if variable.dtype != Some(Dtype::Float32) || packed {
        return values;
    }
    values.into_iter().map(|v| (v as f32).to_string().parse().unwrap_or(v)).collect()
}

/// Neighbours that are nearer to each other the other way around the globe.
fn has_jump(values: &[f64]) -> bool {
    values.iter().zip(values.iter().skip(1)).any(|(a, b)| (a - b).abs() > 180.0)
}

/// Makes longitudes run on where they jump by a turn.
fn run_on(values: &mut [f64]) {
    let mut before = None;
    for value in values {
        if let Some(before) = before {
            *value = before + turn(before, *value);
        }
        before = Some(*value);
    }
}

/// The extent of 2-D longitudes and latitudes (or of points along one dimension, or of one point).
fn on_the_globe(file: &dyn ArrayFile, lon: &Coordinate, lat: &Coordinate) -> Result<Option<Grid>> {
    let header = file.header();
    let (lon_metadata, lat_metadata) = (metadata(header, lon.variable)?, metadata(header, lat.variable)?);
    let idle = idle(&lon_metadata.shape);
    let (height, width) = match lon_metadata.shape.get(idle..).unwrap_or_default() {
        [] => (1, 1),
        [n] => (1, *n),
        [rows, cols] => (*rows, *cols),
        _ => return Ok(None),
    };
    if lon_metadata.shape != lat_metadata.shape {
        return Ok(None);
    }
    let mut extent = Extent::new();
    let bounds = |metadata: &Variable| {
        let index = listed(header, metadata, "bounds").first().copied()?;
        let bounds = header.variables.get(index).filter(|b| b.dtype.is_some())?;
        let (vertices, cells) = bounds.shape.split_last()?;
        (*vertices > 2 && cells == metadata.shape.as_slice()).then_some(index)
    };
    let grid = lon_metadata.shape.len() == idle + 2;
    match (bounds(lon_metadata), bounds(lat_metadata)) {
        (Some(lon), Some(lat)) if grid => strips(file, [lon, lat], idle, &mut |row| row.cells(&mut extent))?,
        _ => {}
    }
    let of_cells = extent.bounds().is_some();
    let mut around = Around::default();
    let mut edges = Edges::default();
    strips(file, [lon.variable, lat.variable], idle, &mut |row| {
        row.points(&mut extent, grid);
        if grid {
            around.row(&row);
            if !of_cells {
                edges.row(&row, &mut extent);
            }
        }
    })?;
    if grid && !of_cells {
        edges.last(&mut extent);
    }
    if around.holds_pole() {
        extent.close_over_pole();
    }
    let Some([west, south, east, north]) = extent.bounds() else { return Ok(None) };
    let bbox = Bbox::new(west, south, east, north)?;
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Ok(Some(Grid { crs: CRS84.to_string(), bbox, transform: None, height: size(height), width: size(width) }))
}

/// One row of longitudes and latitudes, `vertices` for each cell.
struct Row {
    lon: Vec<f64>,
    lat: Vec<f64>,
    vertices: usize,
}

impl Row {
    fn points(&self, extent: &mut Extent, grid: bool) {
        for (lon, lat) in self.lon.iter().zip(&self.lat) {
            extent.add(*lon, *lat);
        }
        if grid {
            for (a, b) in self.lon.iter().zip(self.lon.iter().skip(1)) {
                extent.span(*a, *b);
            }
        }
    }

    fn cells(&self, extent: &mut Extent) {
        for (lons, lats) in self.lon.chunks(self.vertices).zip(self.lat.chunks(self.vertices)) {
            for (i, (lon, lat)) in lons.iter().zip(lats).enumerate() {
                extent.add(*lon, *lat);
                extent.span(*lon, lons.get(i + 1).or(lons.first()).copied().unwrap_or(*lon));
            }
        }
    }

    fn first_two(&self) -> Option<[(f64, f64); 2]> {
        Some([(*self.lon.first()?, *self.lat.first()?), (*self.lon.get(1)?, *self.lat.get(1)?)])
    }

    fn last_two(&self) -> Option<[(f64, f64); 2]> {
        let n = self.lon.len();
        let at = |i: usize| Some((*self.lon.get(i)?, *self.lat.get(i)?));
        Some([at(n.checked_sub(1)?)?, at(n.checked_sub(2)?)?])
    }
}

/// Half a cell beyond the outermost centres.
#[derive(Default)]
struct Edges {
    before: Option<Row>,
    rows: usize,
    /// The last but one row.
    before_that: Option<Row>,
}

impl Edges {
    fn row(&mut self, row: &Row, extent: &mut Extent) {
        for [outer, inner] in [row.first_two(), row.last_two()].into_iter().flatten() {
            beyond(outer, inner, extent);
        }
        if let (Some(first), 1) = (&self.before, self.rows) {
            rows_beyond(first, row, extent);
        }
        self.rows += 1;
        let copy = Row { lon: row.lon.clone(), lat: row.lat.clone(), vertices: 1 };
        self.before_that = self.before.replace(copy);
    }

    fn last(&self, extent: &mut Extent) {
        if let (Some(last), Some(before)) = (&self.before, &self.before_that) {
            rows_beyond(last, before, extent);
        }
    }
}

fn rows_beyond(outer: &Row, inner: &Row, extent: &mut Extent) {
    let point = |row: &Row, i: usize| Some((*row.lon.get(i)?, *row.lat.get(i)?));
    for i in 0..outer.lon.len() {
        if let (Some(outer), Some(inner)) = (point(outer, i), point(inner, i)) {
            beyond(outer, inner, extent);
        }
    }
}

fn beyond((lon, lat): (f64, f64), (inner_lon, inner_lat): (f64, f64), extent: &mut Extent) {
    let by = turn(inner_lon, lon) / 2.0;
    // Over a pole longitudes jump by up to half a turn, which is no cell's width.
    if by.abs() > 45.0 {
        return;
    }
    extent.add(lon + by, lat + (lat - inner_lat) / 2.0);
    extent.span(lon, lon + by);
}

/// How far longitudes turn along the outline of a grid: once around when it holds a pole.
#[derive(Default)]
struct Around {
    first: Option<f64>,
    last: f64,
    left: f64,
    right: f64,
    corners: Option<(f64, f64)>,
}

impl Around {
    fn row(&mut self, row: &Row) {
        let along: f64 = row.lon.iter().zip(row.lon.iter().skip(1)).map(|(a, b)| turn(*a, *b)).sum();
        self.first.get_or_insert(along);
        self.last = along;
        if let (Some(first), Some(last)) = (row.lon.first(), row.lon.last()) {
            if let Some((left, right)) = self.corners {
                self.left += turn(left, *first);
                self.right += turn(right, *last);
            }
            self.corners = Some((*first, *last));
        }
    }

    /// NaN on the outline says nothing.
    fn holds_pole(&self) -> bool {
        self.first.is_some_and(|first| (first + self.right - self.last - self.left).abs() > 180.0)
    }
}

/// Walks through longitudes and latitudes of one shape, some rows at a time; the first `idle` dimensions are of length 1.
fn strips(
    file: &dyn ArrayFile,
    [lon, lat]: [usize; 2],
    idle: usize,
    visit: &mut dyn FnMut(Row),
) -> Result<()> {
    let header = file.header();
    let shape = metadata(header, lon)?.shape.get(idle..).unwrap_or_default();
    let (rows, row) = match shape.split_first() {
        Some((rows, row)) if !row.is_empty() => (*rows, row),
        _ => (1, shape),
    };
    let per_row = row.iter().fold(1u64, |n, size| n.saturating_mul(*size));
    let rank = shape.len();
    let vertices = if rank == 3 { row.last().copied().unwrap_or(1) } else { 1 };
    let at_a_time = (STRIP / per_row.max(1)).max(1);
    let mut start = 0;
    while start < rows && per_row > 0 {
        let n = at_a_time.min(rows - start);
        let read = |variable: usize| -> Result<Vec<f64>> {
            let metadata = metadata(header, variable)?;
            let (from, count) = if rank > row.len() {
                let rest = vec![0; row.len()];
                ([vec![start], rest].concat(), [vec![n], row.to_vec()].concat())
            } else {
                (vec![0; rank], row.to_vec())
            };
            let (from, count) = ([vec![0; idle], from].concat(), [vec![1; idle], count].concat());
            let pixels = file.read(variable, &from, &count, &vec![1; idle + rank])?;
            Ok(decode(&pixels, metadata))
        };
        let (lons, lats) =
            (check(read(lon)?, file, lon, 1080.0)?, check(read(lat)?, file, lat, 90.0 + 1e-3)?);
        let width = usize::try_from(per_row).unwrap_or(usize::MAX);
        for (lon, lat) in lons.chunks(width).zip(lats.chunks(width)) {
            visit(Row {
                lon: lon.to_vec(),
                lat: lat.to_vec(),
                vertices: usize::try_from(vertices).unwrap_or(1),
            });
        }
        start += n;
    }
    Ok(())
}

/// Fillings become NaN; any other value must be a coordinate.
fn check(mut values: Vec<f64>, file: &dyn ArrayFile, variable: usize, limit: f64) -> Result<Vec<f64>> {
    for value in &mut values {
        if value.abs() > FILL {
            *value = f64::NAN;
        } else if value.abs() > limit {
            let reason = format!("{value} is neither a longitude nor a latitude");
            return Err(Error::values(file.path(), &metadata(file.header(), variable)?.name, reason));
        }
    }
    Ok(values)
}
