//! An area of a grid's plane, in pixels: which boxes lie within it, which meet it, and where more may stand.

use geo::{Area, BooleanOps, BoundingRect, Coord, Intersects, LinesIter, MultiPolygon, Rect, Translate};

use crate::bbox::Bbox;
use crate::map::geometry::clip_segment;

/// What a footprint covers of a grid; x are columns and y rows.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq)]
pub enum Cover {
    /// A rectangle of the grid.
    Box(Bbox),
    /// Any other area, whose parts share none.
    Polygons(MultiPolygon<f64>),
}

/// As large a share of a box may seem uncovered where parts meet.
const ROUNDING: f64 = 1e-6;

impl Cover {
    /// Its envelope.
    pub fn bbox(&self) -> Bbox {
        match self {
            Cover::Box(bbox) => *bbox,
            Cover::Polygons(parts) => of_rect(parts.bounding_rect()),
        }
    }

    /// The whole box, but for a rim of `slack` pixels, lies within.
    pub fn holds(&self, bbox: &Bbox, slack: f64) -> bool {
        let inner = grown(bbox, -slack);
        match self {
            Cover::Box(own) => {
                own.xmin <= inner.xmin
                    && own.ymin <= inner.ymin
                    && own.xmax >= inner.xmax
                    && own.ymax >= inner.ymax
            }
            Cover::Polygons(parts) => {
                corners(&inner).iter().all(|corner| parts.intersects(corner))
                    && (!is_cut(parts, &inner) || is_filled(parts, &inner))
            }
        }
    }

    /// Some of the box, other than a rim of `slack` pixels, lies within.
    pub fn meets(&self, bbox: &Bbox, slack: f64) -> bool {
        let inner = grown(bbox, -slack);
        match self {
            Cover::Box(own) => {
                own.xmin < inner.xmax
                    && inner.xmin < own.xmax
                    && own.ymin < inner.ymax
                    && inner.ymin < own.ymax
            }
            Cover::Polygons(parts) => {
                corners(&inner).first().is_some_and(|corner| parts.intersects(corner))
                    || is_cut(parts, &inner)
            }
        }
    }

    /// The box of the places where the least corner of a box of this width and height may lie, so that its own corners
    /// all lie within, but for a rim of `slack` pixels; `None` where there is none.
    pub fn room(&self, (width, height): (f64, f64), slack: f64) -> Option<Bbox> {
        let (across, down) = (width - 2.0 * slack, height - 2.0 * slack);
        let inner = match self {
            Cover::Box(own) => Bbox { xmax: own.xmax - across, ymax: own.ymax - down, ..*own },
            Cover::Polygons(parts) => {
                let whole = of_rect(parts.bounding_rect());
                if whole.width() < across || whole.height() < down {
                    return None;
                }
                let moved = |x: f64, y: f64| parts.translate(-x, -y);
                let first = parts.intersection(&moved(across, down));
                let all = first.intersection(&moved(across, 0.0)).intersection(&moved(0.0, down));
                of_rect(Some(all.bounding_rect()?))
            }
        };
        let fits = inner.xmin <= inner.xmax && inner.ymin <= inner.ymax;
        let back = |v: f64| v - slack;
        fits.then(|| Bbox {
            xmin: back(inner.xmin),
            ymin: back(inner.ymin),
            xmax: back(inner.xmax),
            ymax: back(inner.ymax),
        })
    }
}

/// An edge runs through the box.
fn is_cut(parts: &MultiPolygon<f64>, bbox: &Bbox) -> bool {
    parts.lines_iter().any(|line| clip_segment(line.start, line.end, bbox).is_some())
}

/// No area of the box is left out, though edges run through it: the seam of two parts, say.
fn is_filled(parts: &MultiPolygon<f64>, bbox: &Bbox) -> bool {
    let low = Coord { x: bbox.xmin, y: bbox.ymin };
    let whole = Rect::new(low, Coord { x: bbox.xmax, y: bbox.ymax }).to_polygon();
    let area = bbox.width() * bbox.height();
    parts.intersection(&whole).unsigned_area() >= area * (1.0 - ROUNDING)
}

fn corners(bbox: &Bbox) -> [Coord<f64>; 4] {
    let Bbox { xmin, ymin, xmax, ymax } = *bbox;
    [(xmin, ymin), (xmax, ymin), (xmin, ymax), (xmax, ymax)].map(|(x, y)| Coord { x, y })
}

fn grown(bbox: &Bbox, by: f64) -> Bbox {
    Bbox { xmin: bbox.xmin - by, ymin: bbox.ymin - by, xmax: bbox.xmax + by, ymax: bbox.ymax + by }
}

/// The box of a rectangle; of none, an empty one at the origin.
fn of_rect(rect: Option<Rect<f64>>) -> Bbox {
    rect.map_or(Bbox { xmin: 0.0, ymin: 0.0, xmax: 0.0, ymax: 0.0 }, |rect| Bbox {
        xmin: rect.min().x,
        ymin: rect.min().y,
        xmax: rect.max().x,
        ymax: rect.max().y,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::polygon;

    fn at(col: f64, row: f64, width: f64, height: f64) -> Bbox {
        Bbox { xmin: col, ymin: row, xmax: col + width, ymax: row + height }
    }

    #[test]
    fn a_box_lies_within_a_triangle_where_its_corners_do() {
        let triangle = polygon![(x: 0.0, y: 0.0), (x: 100.0, y: 0.0), (x: 0.0, y: 100.0)];
        let cover = Cover::Polygons(MultiPolygon(vec![triangle]));
        for (col, row) in (0..100).flat_map(|c| (0..100).map(move |r| (f64::from(c), f64::from(r)))) {
            let bbox = at(col, row, 10.0, 20.0);
            assert_eq!(cover.holds(&bbox, 1e-3), col + 10.0 + row + 20.0 <= 100.0 + 1e-3, "{col} {row}");
            assert_eq!(cover.meets(&bbox, 1e-3), col + row < 100.0 - 2e-3, "{col} {row}");
        }
        let room = cover.room((10.0, 20.0), 1e-3).unwrap();
        assert!((room.xmax - 70.0).abs() < 0.01 && (room.ymax - 70.0).abs() < 0.01, "{room}");
        assert!(cover.room((60.0, 60.0), 1e-3).is_none());
    }

    #[test]
    fn a_seam_hides_no_box_and_a_hole_does() {
        let left = polygon![(x: 0.0, y: 0.0), (x: 50.0, y: 0.0), (x: 50.0, y: 40.0), (x: 0.0, y: 40.0)];
        let right = polygon![(x: 50.0, y: 0.0), (x: 90.0, y: 0.0), (x: 90.0, y: 40.0), (x: 50.0, y: 40.0)];
        let cover = Cover::Polygons(MultiPolygon(vec![left, right]));
        assert!(
            cover.holds(&at(45.0, 5.0, 10.0, 10.0), 1e-3) && cover.holds(&at(0.0, 0.0, 90.0, 40.0), 1e-3)
        );
        let holed = polygon!(
            exterior: [(x: 0.0, y: 0.0), (x: 90.0, y: 0.0), (x: 90.0, y: 40.0), (x: 0.0, y: 40.0)],
            interiors: [[(x: 48.0, y: 8.0), (x: 52.0, y: 8.0), (x: 52.0, y: 12.0), (x: 48.0, y: 12.0)]],
        );
        let cover = Cover::Polygons(MultiPolygon(vec![holed]));
        assert!(
            !cover.holds(&at(45.0, 5.0, 10.0, 10.0), 1e-3) && cover.holds(&at(52.0, 5.0, 10.0, 10.0), 1e-3)
        );
    }
}
