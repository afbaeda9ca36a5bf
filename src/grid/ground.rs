//! The ground that a footprint covers of a grid: windows across it, and places drawn on it.

use geo::{Coord, Geometry, MapCoords, MultiPolygon, Translate};

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::error::{Error, Result};
use crate::grid::edge::Edge;
use crate::grid::sampler::MAX_PLACES;
use crate::grid::{Lattice, cells};
use crate::map::cover::Cover;
use crate::map::{Footprint, Shape, project, run_on};
use crate::projection;
use crate::random::Pcg64;
use crate::window::Window;
use crate::workers::{go_on, go_on_or_leave};

/// Points along each side of an outline before it is projected, as for a catalog's footprints.
const DENSIFY: usize = 21;
/// How far, in pixels, a window may hang over an outline that was projected onto a raster: its edges are chords.
const OVERHANG: f64 = 0.5;
/// The same where nothing was projected, for the last digits of coordinates.
const EXACT: f64 = 1e-3;
/// Places that are looked at before all of them are.
const DARTS: usize = 256;
/// As many places are looked at one by one, where darts do not find any.
const MAX_LOOKED_AT: f64 = 1_048_576.0;

/// The part of a grid that a footprint covers.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The grid.
    pub lattice: Lattice,
    cover: Cover,
    /// How far a window may hang over the cover, in pixels.
    slack: f64,
    /// Windows start on whole pixels.
    whole_pixels: bool,
    /// The rows and the columns that the cover spans, the second of each behind the last.
    rows: (i64, i64),
    cols: (i64, i64),
}

impl Ground {
    /// The pixels of a raster under a shape; `None` where there is none.
    ///
    /// # Errors
    /// The shape cannot be projected to the raster's CRS.
    pub fn of_raster(shape: &Shape, crs: &str, lattice: Lattice) -> Result<Option<Ground>> {
        let (width, height) = (lattice.width as f64, lattice.height as f64);
        if is_own(shape, crs, &lattice)? {
            let cover = Cover::Box(Bbox { xmin: 0.0, ymin: 0.0, xmax: width, ymax: height });
            return Ok(Ground::over(lattice, cover, EXACT, true));
        }
        let slack = if projection::same_crs(crs, &lattice.crs)? { EXACT } else { OVERHANG };
        let image = on_grid(shape, crs, &lattice)?;
        let raster = Shape::Box(lattice.bbox()?);
        // A globe's longitudes may be those of 0 to 360, or run on beyond 180.
        let turns: &[f64] = if lattice.geographic { &[0.0, 360.0, -360.0] } else { &[0.0] };
        let parts: Vec<Shape> =
            turns.iter().filter_map(|turn| turned(&image, *turn).intersection(&raster)).collect();
        let Some(cover) = cover(&parts, &lattice.transform) else { return Ok(None) };
        Ok(Ground::over(lattice, cover, slack, true))
    }

    /// Pixels of a resolution, (x, y), from the upper left corner of a shape's box in some CRS; `None` for a shape without
    /// an area.
    ///
    /// # Errors
    /// The shape cannot be projected to that CRS, or the resolution is none, or too fine.
    pub fn of_area(shape: &Shape, crs: &str, to: &str, resolution: (f64, f64)) -> Result<Option<Ground>> {
        let (xres, yres) = resolution;
        if ![xres, yres].iter().all(|res| res.is_finite() && *res > 0.0) {
            return Err(Error::invalid(format!("{xres} x {yres}"), "above 0, in units of the CRS"));
        }
        let geographic = projection::crs_facts(to)?.geographic;
        let transform = Affine([0.0, xres, 0.0, 0.0, 0.0, -yres]);
        let mut lattice = Lattice { height: 1, width: 1, transform, crs: to.to_string(), geographic };
        let image = on_grid(shape, crs, &lattice)?;
        let bbox = *image.bbox();
        let (width, height) = (cells(bbox.width(), xres).max(1.0), cells(bbox.height(), yres).max(1.0));
        if width.max(height) > f64::from(i32::MAX) {
            let must = format!("coarse enough for the {bbox}: at most {} pixels on a side", i32::MAX);
            return Err(Error::invalid(format!("{xres} x {yres}"), must));
        }
        (lattice.width, lattice.height) = (width as usize, height as usize);
        lattice.transform = Affine([bbox.xmin, xres, 0.0, bbox.ymax, 0.0, -yres]);
        let Some(cover) = cover(&[image], &lattice.transform) else { return Ok(None) };
        Ok(Ground::over(lattice, cover, EXACT, false))
    }

    /// `None` where the cover spans no pixel.
    fn over(lattice: Lattice, cover: Cover, slack: f64, whole_pixels: bool) -> Option<Ground> {
        let bbox = cover.bbox();
        let (rows, cols) = match whole_pixels {
            true => ((bbox.ymin, bbox.ymax), (bbox.xmin, bbox.xmax)),
            false => ((0.0, lattice.height as f64), (0.0, lattice.width as f64)),
        };
        let span = |(low, high): (f64, f64)| (low.round() as i64, high.round() as i64);
        let (rows, cols) = (span(rows), span(cols));
        let some = rows.0 < rows.1 && cols.0 < cols.1;
        some.then_some(Ground { lattice, cover, slack, whole_pixels, rows, cols })
    }

    /// Rows and columns of the smallest window that holds it all.
    pub fn shape(&self) -> (usize, usize) {
        ((self.rows.1 - self.rows.0) as usize, (self.cols.1 - self.cols.0) as usize)
    }

    /// The windows that an edge rule places across it, row-major, each with whether it hangs over the rim of
    /// [`Ground::shape`]. Those that meet nothing of the footprint are not there.
    ///
    /// # Errors
    /// As [`Edge::starts`], or more of them than [`MAX_PLACES`].
    pub fn windows(
        &self,
        size: (usize, usize),
        stride: (usize, usize),
        edge: Edge,
    ) -> Result<Vec<(Window, bool)>> {
        let (height, width) = self.shape();
        let rows = edge.starts(height, size.0, stride.0)?;
        let cols = edge.starts(width, size.1, stride.1)?;
        let mut windows = Vec::new();
        for row in &rows {
            if windows.len() > MAX_PLACES {
                let problem = format!("more than {MAX_PLACES} patches on one footprint");
                return Err(Error::conflict(problem, "Give a larger stride"));
            }
            for col in &cols {
                go_on()?;
                let (from, left) = (self.rows.0 + row, self.cols.0 + col);
                let window = Window::new(from, left, size.0 as i64, size.1 as i64)?;
                if self.cover.meets(&pixels((from as f64, left as f64), size), EXACT) {
                    let inside = from >= self.rows.0
                        && left >= self.cols.0
                        && window.row_end() <= self.rows.1
                        && window.col_end() <= self.cols.1;
                    windows.push((window, !inside));
                }
            }
        }
        Ok(windows)
    }

    /// Where whole windows of a size may stand; `None` where none does.
    pub fn spots(&self, size: (usize, usize)) -> Option<Places<'_>> {
        let room = self.cover.room((size.1 as f64, size.0 as f64), self.slack)?;
        let room = match self.whole_pixels {
            false => room,
            true => Bbox {
                xmin: room.xmin.ceil(),
                ymin: room.ymin.ceil(),
                xmax: room.xmax.floor(),
                ymax: room.ymax.floor(),
            },
        };
        if room.xmin > room.xmax || room.ymin > room.ymax {
            return None;
        }
        let mut spots = Places { ground: self, size, room, few: Vec::new() };
        let is_all = matches!(self.cover, Cover::Box(_));
        let mut rng = Pcg64::new(0);
        if !is_all && !(0..DARTS).any(|_| spots.is_held(spots.dart(&mut rng))) {
            spots.few = spots.looked_at();
            if spots.few.is_empty() {
                return None;
            }
        }
        Some(spots)
    }

    /// The outer edges of the window whose upper left corner lies at this row and column.
    pub fn outline(&self, at: (f64, f64), size: (usize, usize)) -> Bbox {
        let pixels = pixels(at, size);
        let transform = &self.lattice.transform;
        let (x0, x1) = (transform.x(pixels.xmin), transform.x(pixels.xmax));
        let (y0, y1) = (transform.y(pixels.ymin), transform.y(pixels.ymax));
        Bbox { xmin: x0.min(x1), ymin: y0.min(y1), xmax: x0.max(x1), ymax: y0.max(y1) }
    }

    /// Windows start on the pixels of a raster.
    pub fn is_raster(&self) -> bool {
        self.whole_pixels
    }
}

/// Where whole windows of one size may stand.
pub struct Places<'a> {
    ground: &'a Ground,
    size: (usize, usize),
    /// Upper left corners lie within, columns from `xmin` to `xmax` and rows from `ymin` to `ymax`.
    room: Bbox,
    /// Those that are there, where they are few.
    few: Vec<(f64, f64)>,
}

impl Places<'_> {
    /// The row and the column of a place, each as likely as any other.
    pub fn draw(&self, rng: &mut Pcg64) -> (f64, f64) {
        if let Some(last) = self.few.len().checked_sub(1) {
            let index = rng.integer(last as u64) as usize;
            return self.few.get(index).copied().unwrap_or_default();
        }
        loop {
            let spot = self.dart(rng);
            // One of some hundred darts was held, so that this ends.
            if matches!(self.ground.cover, Cover::Box(_)) || self.is_held(spot) {
                return spot;
            }
        }
    }

    fn dart(&self, rng: &mut Pcg64) -> (f64, f64) {
        let Bbox { xmin, ymin, xmax, ymax } = self.room;
        match self.ground.whole_pixels {
            true => {
                let row = ymin + rng.integer((ymax - ymin) as u64) as f64;
                (row, xmin + rng.integer((xmax - xmin) as u64) as f64)
            }
            false => {
                let row = rng.uniform(ymin, ymax);
                (row, rng.uniform(xmin, xmax))
            }
        }
    }

    fn is_held(&self, spot: (f64, f64)) -> bool {
        // Each look goes around the whole footprint.
        go_on_or_leave();
        self.ground.cover.holds(&pixels(spot, self.size), self.ground.slack)
    }

    /// Places in order, all of them where there are not too many.
    fn looked_at(&self) -> Vec<(f64, f64)> {
        let Bbox { xmin, ymin, xmax, ymax } = self.room;
        let (down, across) = (ymax - ymin, xmax - xmin);
        let step = match self.ground.whole_pixels {
            true => ((down + 1.0) * (across + 1.0) / MAX_LOOKED_AT).sqrt().ceil().max(1.0),
            false => down.max(across).max(1e-9) / 64.0,
        };
        let along =
            |low: f64, length: f64| (0..=(length / step) as u32).map(move |i| low + f64::from(i) * step);
        let all = along(ymin, down).flat_map(|row| along(xmin, across).map(move |col| (row, col)));
        all.filter(|spot| self.is_held(*spot)).collect()
    }
}

/// The window of a size as a box of pixels.
fn pixels((row, col): (f64, f64), size: (usize, usize)) -> Bbox {
    Bbox { xmin: col, ymin: row, xmax: col + size.1 as f64, ymax: row + size.0 as f64 }
}

/// The shape is the raster's own footprint, as a catalog has it: its chords then need no leave.
fn is_own(shape: &Shape, crs: &str, lattice: &Lattice) -> Result<bool> {
    let globe = projection::crs_facts(crs)?.geographic;
    let Ok(own) = Footprint::project(&lattice.bbox()?, &lattice.crs, crs, globe, DENSIFY) else {
        return Ok(false);
    };
    let near = |a: f64, b: f64, size: f64| (a - b).abs() <= 1e-9 * size;
    let (a, b) = (shape.bbox(), own.bbox);
    let side = a.width().max(a.height()).max(a.xmax.abs()).max(a.ymax.abs());
    let area = geo::Area::unsigned_area(&own.polygons);
    let sides = [(a.xmin, b.xmin), (a.ymin, b.ymin), (a.xmax, b.xmax), (a.ymax, b.ymax)];
    Ok(sides.iter().all(|(a, b)| near(*a, *b, side)) && near(shape.area(), area, area))
}

/// A shape in the CRS of a grid; on a globe it runs on over the antimeridian.
fn on_grid(shape: &Shape, crs: &str, lattice: &Lattice) -> Result<Shape> {
    let image = project(shape, crs, &lattice.crs, DENSIFY)?;
    Ok(if lattice.geographic { run_on(&image) } else { image })
}

fn turned(shape: &Shape, turn: f64) -> Shape {
    match shape {
        _ if turn == 0.0 => shape.clone(),
        Shape::Box(bbox) => Shape::Box(Bbox { xmin: bbox.xmin + turn, xmax: bbox.xmax + turn, ..*bbox }),
        Shape::Polygons { polygons, bbox } => Shape::Polygons {
            polygons: polygons.translate(turn, 0.0),
            bbox: Bbox { xmin: bbox.xmin + turn, xmax: bbox.xmax + turn, ..*bbox },
        },
        Shape::Thin { .. } => shape.clone(),
    }
}

/// Shapes of a CRS as an area of a grid's plane; `None` where they have none.
fn cover(shapes: &[Shape], transform: &Affine) -> Option<Cover> {
    let pixel = |x: f64, y: f64| {
        let (row, col) = transform.row_col(x, y);
        Coord { x: col, y: row }
    };
    if let [Shape::Box(bbox)] = shapes {
        let (a, b) = (pixel(bbox.xmin, bbox.ymin), pixel(bbox.xmax, bbox.ymax));
        return Bbox::envelope([(a.x, a.y), (b.x, b.y)]).map(Cover::Box);
    }
    let mut parts = Vec::new();
    for shape in shapes {
        match shape.geometry().map_coords(|c| pixel(c.x, c.y)) {
            Geometry::Rect(rect) => parts.push(rect.to_polygon()),
            Geometry::Polygon(polygon) => parts.push(polygon),
            Geometry::MultiPolygon(polygons) => parts.extend(polygons),
            _ => {}
        }
    }
    (!parts.is_empty()).then_some(Cover::Polygons(MultiPolygon(parts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(bbox: [f64; 4]) -> Shape {
        let [xmin, ymin, xmax, ymax] = bbox;
        Shape::Box(Bbox::new(xmin, ymin, xmax, ymax).unwrap())
    }

    fn utm(height: usize, width: usize) -> Lattice {
        let transform = Affine::north_up(600_000.0, 4_000_000.0, 10.0);
        Lattice { height, width, transform, crs: "EPSG:32629".into(), geographic: false }
    }

    #[test]
    fn a_rasters_own_footprint_in_degrees_is_all_of_it() {
        let lattice = utm(10_980, 10_980);
        let print = project(&Shape::Box(lattice.bbox().unwrap()), "EPSG:32629", "OGC:CRS84", 21).unwrap();
        let ground = Ground::of_raster(&print, "OGC:CRS84", lattice).unwrap().unwrap();
        assert_eq!(ground.shape(), (10_980, 10_980));
        assert!(ground.spots((10_980, 10_980)).is_some() && ground.spots((10_981, 1)).is_none());
        let windows = ground.windows((4000, 4000), (4000, 4000), Edge::Snap).unwrap();
        assert_eq!(windows.len(), 9);
        assert!(windows.iter().all(|(_, partial)| !partial));
    }

    #[test]
    fn windows_cross_the_shared_area_alone() {
        let lattice = utm(100, 100);
        let area = shape([600_200.0, 3_999_500.0, 600_500.0, 3_999_900.0]);
        let ground = Ground::of_raster(&area, "EPSG:32629", lattice).unwrap().unwrap();
        assert_eq!(ground.shape(), (40, 30));
        let windows = ground.windows((20, 20), (20, 20), Edge::Snap).unwrap();
        let starts: Vec<(i64, i64)> = windows.iter().map(|(w, _)| (w.row_off, w.col_off)).collect();
        assert_eq!(starts, [(10, 20), (10, 30), (30, 20), (30, 30)]);
        let spots = ground.spots((40, 30)).unwrap();
        assert_eq!(spots.draw(&mut Pcg64::new(1)), (10.0, 20.0));
        assert!(ground.spots((41, 30)).is_none());
    }

    #[test]
    fn a_globe_from_0_to_360_has_both_sides_of_its_seam() {
        let transform = Affine::north_up(0.0, 90.0, 1.0);
        let globe = Lattice { height: 180, width: 360, transform, crs: "EPSG:4326".into(), geographic: true };
        let pacific = project(&shape([170.0, -10.0, 190.0, 10.0]), "OGC:CRS84", "OGC:CRS84", 21).unwrap();
        let ground = Ground::of_raster(&pacific, "OGC:CRS84", globe.clone()).unwrap().unwrap();
        assert_eq!((ground.rows, ground.cols), ((80, 100), (170, 190)));
        assert!(ground.spots((20, 20)).is_some());
        let greenwich =
            Ground::of_raster(&shape([-10.0, 0.0, 10.0, 10.0]), "OGC:CRS84", globe).unwrap().unwrap();
        assert_eq!(greenwich.cols, (0, 360));
        let windows = greenwich.windows((10, 10), (10, 10), Edge::Drop).unwrap();
        assert_eq!(windows.iter().map(|(w, _)| w.col_off).collect::<Vec<_>>(), [0, 350]);
        assert!(greenwich.spots((10, 11)).is_none() && greenwich.spots((10, 10)).is_some());
    }
}
