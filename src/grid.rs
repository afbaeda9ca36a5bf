//! Patch grids: which windows of a raster, a mask or a box become patches.

pub mod balance;
pub mod cut;
pub mod edge;
pub mod ground;
pub mod land;
pub mod mask;
pub mod nd;
pub mod overlap;
pub mod poisson;
pub mod records;
pub mod region;
pub mod registry;
pub mod sampler;
pub mod split;

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::error::{Error, Result};
use crate::projection;
use crate::window::Window;
use crate::workers::go_on;
use edge::Edge;
use land::{Fractions, SummedRows};
use mask::Mask;
use region::Region;
use sampler::{Places, Sampler};

/// How many cells of a resolution cover a length.
fn cells(length: f64, resolution: f64) -> f64 {
    let exact = length / resolution;
    // A box of 12.8 at 0.1 is 128 cells, though 12.8 / 0.1 is a little above.
    let nearest = exact.round();
    if (exact - nearest).abs() < 1e-6 { nearest } else { exact.ceil() }
}

/// The pixels that patches are cut from: a raster's own, or those of a box and a resolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Lattice {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// From pixels to the CRS.
    pub transform: Affine,
    /// Its CRS.
    pub crs: String,
    /// The CRS is in degrees.
    pub geographic: bool,
}

impl Lattice {
    /// Square cells from the upper left corner of a box. Where the box is no whole number of cells, the
    /// last row and column reach beyond it, so that the box is covered.
    ///
    /// # Errors
    /// A resolution that is not above zero or wider than the box, or a CRS that PROJ does not know.
    pub fn over_box(bbox: &Bbox, resolution: f64, crs: &str) -> Result<Lattice> {
        let must = format!("above 0 and no wider than the {bbox}, in units of its CRS");
        if !(resolution.is_finite() && resolution > 0.0) {
            return Err(Error::invalid(resolution, must));
        }
        let (width, height) = (cells(bbox.width(), resolution), cells(bbox.height(), resolution));
        if resolution > bbox.width() * (1.0 + 1e-9) || resolution > bbox.height() * (1.0 + 1e-9) {
            return Err(Error::invalid(resolution, must));
        }
        if width > 2e9 || height > 2e9 {
            return Err(Error::invalid(
                resolution,
                "coarse enough for at most 2,000,000,000 cells on a side",
            ));
        }
        let geographic = projection::crs_facts(crs)?.geographic;
        Ok(Lattice {
            height: height as usize,
            width: width as usize,
            transform: Affine::north_up(bbox.xmin, bbox.ymax, resolution),
            crs: crs.to_string(),
            geographic,
        })
    }

    /// Its outer edges.
    ///
    /// # Errors
    /// A lattice without pixels.
    pub fn bbox(&self) -> Result<Bbox> {
        Ok(self.transform.bbox(&Window::whole(self.height, self.width)?))
    }
}

/// Where patches stand and which are kept.
#[derive(Debug, Clone)]
pub struct GridOptions {
    /// Height and width of a patch in pixels.
    pub size: (usize, usize),
    /// Rows and columns from one patch to the next.
    pub stride: (usize, usize),
    /// What happens where the last window does not fit.
    pub edge: Edge,
    /// Patches with more land are rejected; `None` keeps all.
    pub max_land_fraction: Option<f64>,
    /// Those with a land cap of their own.
    pub regions: Vec<Region>,
    /// Rejected patches are given too.
    pub include_rejected: bool,
}

/// What the land filter made of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Within the cap.
    Kept,
    /// Above the cap, within that of a forced region.
    Forced,
    /// Above its cap of land.
    Rejected,
}

impl Status {
    /// As the column `status` names it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Kept => "kept",
            Status::Forced => "forced",
            Status::Rejected => "rejected",
        }
    }
}

/// A window of the grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// Its index among the places, whatever is filtered.
    pub id: i64,
    /// Its pixels.
    pub window: Window,
    /// Its outer edges.
    pub bbox: Bbox,
    /// The centre in degrees; on a globe the longitude is a circular mean.
    pub lon_center: f64,
    /// Latitude of the centre, degrees.
    pub lat_center: f64,
    /// Hangs over the edge of the raster.
    pub is_partial: bool,
    /// Shares of land, where they were asked for.
    pub fractions: Option<Fractions>,
    /// The forced region that its centre lies in, whose cap it keeps, by its index in the options.
    pub region: Option<usize>,
    /// Whether it is kept.
    pub status: Status,
}

/// Where the land under a patch is counted.
pub enum LandSource {
    /// No land filter was asked for.
    None,
    /// The grid's own raster is the mask.
    Own(SummedRows),
    /// Another raster is the mask.
    Other(Mask),
}

/// The patches over a lattice.
pub struct Grid {
    /// The pixels that are cut.
    pub lattice: Lattice,
    /// How they are cut.
    pub options: GridOptions,
    spots: Places,
    /// On a globe, the centre's longitude of each column of a regular grid.
    lon_centers: Vec<f64>,
    land: LandSource,
}

impl Grid {
    /// Patches at these places.
    pub fn new(lattice: Lattice, options: GridOptions, spots: Places, land: LandSource) -> Grid {
        let lon_centers = match &spots {
            Places::Crossed { cols, .. } if lattice.geographic => {
                cols.iter().map(|col| lon_center(&lattice, *col, options.size.1)).collect()
            }
            _ => Vec::new(),
        };
        Grid { lattice, options, spots, lon_centers, land }
    }

    /// Draws the places of a sampler that may stand anywhere, which the filters of land are asked of.
    ///
    /// # Errors
    /// What was asked for is not there; a centre that cannot be projected, or a mask that does not cover a patch.
    pub fn draw(self, sampler: &Sampler) -> Result<Grid> {
        let spots = match *sampler {
            Sampler::Random { n, replace, seed } => sampler::random(&self, n, replace, seed)?,
            Sampler::PoissonDisk { min_distance, n, seed } => poisson::disk(&self, min_distance, n, seed)?,
            Sampler::Regular | Sampler::Jittered { .. } | Sampler::Explicit(_) => return Ok(self),
        };
        Ok(Grid { spots: Places::Listed(spots), lon_centers: Vec::new(), ..self })
    }

    /// How many windows there are before any is filtered.
    pub fn len(&self) -> usize {
        self.spots.len()
    }

    /// There is no patch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The patches with ids in `from..to` that stay in the grid, in order.
    ///
    /// # Errors
    /// A centre that cannot be projected, or a mask that does not cover a patch.
    pub fn patches(&self, from: usize, to: usize) -> Result<Vec<Patch>> {
        let mut patches = Vec::with_capacity(to.min(self.len()).saturating_sub(from));
        for id in from..to.min(self.len()) {
            let spot = self.spots.at(id).ok_or_else(|| Error::Bug(format!("no patch {id}")))?;
            patches.push(self.patch(id, spot));
        }
        self.centres(&mut patches)?;
        for patch in &mut patches {
            self.judge(patch)?;
        }
        if !self.options.include_rejected {
            patches.retain(|patch| patch.status != Status::Rejected);
        }
        Ok(patches)
    }

    /// Which of these places, of upper left corners, hold a patch that is kept.
    ///
    /// # Errors
    /// As [`Grid::patches`].
    pub fn kept(&self, spots: &[(i64, i64)]) -> Result<Vec<bool>> {
        if matches!(self.land, LandSource::None) {
            return Ok(vec![true; spots.len()]);
        }
        let mut patches: Vec<Patch> =
            spots.iter().enumerate().map(|(id, spot)| self.patch(id, *spot)).collect();
        if !self.options.regions.is_empty() {
            self.centres(&mut patches)?;
        }
        patches.iter_mut().try_for_each(|patch| self.judge(patch))?;
        Ok(patches.iter().map(|patch| patch.status != Status::Rejected).collect())
    }

    /// The last row and the last column that a whole window may start at.
    ///
    /// # Errors
    /// The raster is smaller than a window.
    pub fn last_start(&self) -> Result<(i64, i64)> {
        sampler::last_start(&self.lattice, self.options.size)
    }

    fn patch(&self, id: usize, (row_off, col_off): (i64, i64)) -> Patch {
        let (height, width) = self.options.size;
        let window = Window { row_off, col_off, height: height as u32, width: width as u32 };
        let inside = window.clip(self.lattice.height, self.lattice.width);
        Patch {
            id: id as i64,
            window,
            bbox: self.lattice.transform.bbox(&window),
            lon_center: 0.0,
            lat_center: 0.0,
            is_partial: inside.is_none_or(|inside| inside != window),
            fractions: None,
            region: None,
            status: Status::Kept,
        }
    }

    fn centres(&self, patches: &mut [Patch]) -> Result<()> {
        if self.lattice.geographic {
            for patch in patches {
                let known = match self.lon_centers.len() {
                    0 => None,
                    columns => self.lon_centers.get(patch.id as usize % columns).copied(),
                };
                patch.lon_center = known
                    .unwrap_or_else(|| lon_center(&self.lattice, patch.window.col_off, self.options.size.1));
                patch.lat_center = 0.5 * (patch.bbox.ymin + patch.bbox.ymax);
            }
            return Ok(());
        }
        let centre = |b: &Bbox| (0.5 * (b.xmin + b.xmax), 0.5 * (b.ymin + b.ymax));
        let mut points: Vec<(f64, f64)> = patches.iter().map(|p| centre(&p.bbox)).collect();
        projection::project(&self.lattice.crs, crate::crs::CRS84, &mut points)?;
        for (patch, (lon, lat)) in patches.iter_mut().zip(points) {
            patch.lon_center = lon;
            patch.lat_center = lat;
        }
        Ok(())
    }

    fn judge(&self, patch: &mut Patch) -> Result<()> {
        let fractions = match &self.land {
            LandSource::None => return Ok(()),
            LandSource::Own(rows) => rows.fractions(&patch.window),
            LandSource::Other(mask) => {
                go_on()?;
                mask.in_covered(&patch.bbox, &self.lattice.crs)?
            }
        };
        let land = fractions.land();
        let regions = &self.options.regions;
        patch.region = regions.iter().position(|r| r.takes(patch.lon_center, patch.lat_center, land));
        patch.status = match (self.options.max_land_fraction, patch.region) {
            (Some(cap), None) if land > cap => Status::Rejected,
            (Some(cap), Some(_)) if land > cap => Status::Forced,
            _ => Status::Kept,
        };
        patch.fractions = Some(fractions);
        Ok(())
    }
}

/// The centre's longitude of a patch of `width` columns on a globe.
fn lon_center(lattice: &Lattice, col: i64, width: usize) -> f64 {
    circular_mean(lattice.transform.x(col as f64), lattice.transform.x((col + width as i64) as f64))
}

/// The direction half-way between two longitudes, in (-180, 180].
fn circular_mean(west: f64, east: f64) -> f64 {
    let (a, b) = (west.to_radians(), east.to_radians());
    (a.sin() + b.sin()).atan2(a.cos() + b.cos()).to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(size: usize, stride: usize, edge: Edge) -> GridOptions {
        GridOptions {
            size: (size, size),
            stride: (stride, stride),
            edge,
            max_land_fraction: None,
            regions: Vec::new(),
            include_rejected: false,
        }
    }

    fn regular(height: usize, width: usize, options: GridOptions) -> Grid {
        let transform = Affine::north_up(0.0, 0.0, 1.0);
        let lattice = Lattice { height, width, transform, crs: "EPSG:4326".into(), geographic: true };
        let spots = Sampler::Regular.spots(&lattice, &options).unwrap();
        Grid::new(lattice, options, spots, LandSource::None)
    }

    #[test]
    fn every_pixel_lies_in_one_patch_when_stride_equals_size() {
        for edge in [Edge::Overflow, Edge::Center, Edge::Pad] {
            let grid = regular(37, 50, options(8, 8, edge));
            let mut seen = vec![0; 37 * 50];
            for patch in grid.patches(0, grid.len()).unwrap() {
                let inside = patch.window.clip(37, 50).unwrap();
                for row in inside.row_off..inside.row_end() {
                    for col in inside.col_off..inside.col_end() {
                        seen[row as usize * 50 + col as usize] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|&n| n == 1), "{edge:?}");
        }
    }

    #[test]
    fn id_and_window_are_a_bijection_however_it_is_cut() {
        let grid = regular(100, 90, options(32, 20, Edge::Snap));
        let all = grid.patches(0, grid.len()).unwrap();
        assert!(all.iter().enumerate().all(|(i, p)| p.id == i as i64));
        let windows: std::collections::HashSet<Window> = all.iter().map(|p| p.window).collect();
        assert_eq!(windows.len(), all.len());
        let cut: Vec<Patch> =
            (0..grid.len()).step_by(7).flat_map(|i| grid.patches(i, i + 7).unwrap()).collect();
        assert_eq!(cut, all);
    }

    #[test]
    fn the_middle_of_a_box_over_the_antimeridian_is_on_it() {
        assert!((circular_mean(170.0, 190.0).abs() - 180.0).abs() < 1e-9);
        assert!((circular_mean(-6.0, 6.8) - 0.4).abs() < 1e-9);
    }

    #[test]
    fn a_box_is_covered_by_whole_cells() {
        let bbox = Bbox::new(0.0, 0.0, 12.8, 6.45).unwrap();
        let lattice = Lattice::over_box(&bbox, 0.1, "OGC:CRS84").unwrap();
        assert_eq!((lattice.height, lattice.width), (65, 128));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 7.0] {
            assert!(Lattice::over_box(&bbox, bad, "OGC:CRS84").is_err(), "{bad}");
        }
    }
}
