//! Pixels within a shape: those outside are none.

use geo::Geometry;

use crate::affine::Affine;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::format::gdal::burn::burn;
use crate::map::geometry;
use crate::map::onto::SliceProjection;
use crate::read::gaps::{Gaps, gaps, union, whole};
use crate::read::source::Source;
use crate::slice::Slice;
use crate::window::Window;

/// A shape on the map, whatever grid is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Within {
    shape: Geometry<f64>,
    crs: Crs,
    all_touched: bool,
}

impl Within {
    /// From WKB. A pixel lies within when its centre does, or, under `all_touched`, when any of it does.
    ///
    /// # Errors
    /// An empty geometry, or one that cannot be read.
    pub fn new(wkb: &[u8], crs: Crs, all_touched: bool) -> Result<Within> {
        let shape = geometry::read(wkb)?;
        let shape = shape.ok_or_else(|| Error::invalid("an empty geometry", "one that has a place"))?;
        Ok(Within { shape, crs, all_touched })
    }

    /// What of a slice lies outside.
    ///
    /// # Errors
    /// A shape near the slice that cannot be projected.
    pub fn outside(&self, slice: &Slice) -> Result<Outside> {
        self.outside_on(slice, &slice.affine())
    }

    /// What of a raster's window lies outside.
    ///
    /// # Errors
    /// As [`Within::outside`], and a raster that has no place on the map.
    pub fn outside_window(&self, source: &Source, window: &Window) -> Result<Outside> {
        let (affine, crs) = source.header().georeference(source.path())?;
        let size = (window.height.into(), window.width.into());
        let slice = Slice::new(affine.bbox(window), Crs::new(&crs), (None, None), size.0, size.1)?;
        self.outside_on(&slice, &affine.of_window(window))
    }

    /// On a grid over the slice's box whose rows may run north.
    fn outside_on(&self, slice: &Slice, grid: &Affine) -> Result<Outside> {
        let parts = SliceProjection::new(slice, &self.crs)?.lay(&self.shape)?;
        let area = slice.area().max(1);
        if parts.is_empty() {
            return Ok(Outside { runs: whole(area), area });
        }
        let shapes = parts.iter().map(|part| Ok((geometry::write(part)?, 1))).collect::<Result<Vec<_>>>()?;
        let size = (slice.height as usize, slice.width as usize);
        let inside = burn(&shapes, grid, size, 0, self.all_touched)?;
        Ok(Outside { runs: gaps(&inside, |inside| *inside == 0), area })
    }
}

/// The pixels of a plane that lie outside of a shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Outside {
    runs: Gaps,
    area: usize,
}

impl Outside {
    /// The gaps of a read of `length` pixels, plane by plane, and what lies outside in each.
    pub fn cut(&self, inner: Gaps, length: usize) -> Gaps {
        let planes = (0..length / self.area).map(|plane| plane * self.area);
        let of_plane = |base: usize| self.runs.iter().map(move |run| base + run.start..base + run.end);
        union(inner, planes.flat_map(of_plane))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::Bbox;
    use geo::polygon;

    #[test]
    fn what_lies_outside_is_a_gap_of_each_plane() {
        let square = polygon![(x: 1.0, y: 1.0), (x: 3.0, y: 1.0), (x: 3.0, y: 3.0), (x: 1.0, y: 3.0)];
        let wkb = geometry::write(&Geometry::Polygon(square)).unwrap();
        let within = Within::new(&wkb, Crs::new("EPSG:3857"), false).unwrap();
        let bbox = Bbox { xmin: 0.0, ymin: 0.0, xmax: 4.0, ymax: 4.0 };
        let slice = Slice::new(bbox, Crs::new("EPSG:3857"), (None, None), 4, 4).unwrap();
        let outside = within.outside(&slice).unwrap();
        assert_eq!(outside.cut(Gaps::new(), 16), [0..5, 7..9, 11..16]);
        assert_eq!(outside.cut(vec![5..6, 30..32], 32), [0..6, 7..9, 11..21, 23..25, 27..32]);
        // The same shape over rows that run north.
        let south_up = Affine([0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let low = Bbox { ymax: 2.0, ..bbox };
        let slice = Slice::new(low, Crs::new("EPSG:3857"), (None, None), 2, 4).unwrap();
        assert_eq!(within.outside_on(&slice, &south_up).unwrap().cut(Gaps::new(), 8), [0..5, 7..8]);
    }
}
