//! A grid that goes once around the globe: its columns come again and again, so that no slice meets its ends.

use crate::affine::Affine;
use crate::error::{Error, Result};
use crate::format::gdal::warp::Turn;
use crate::projection::{crs_facts, project, same_crs};
use crate::resampling::Resampling;
use crate::slice::Slice;

/// Degrees around the globe.
pub const TURN: f64 = 360.0;
/// A slice that goes around more often is a mistake.
pub const MOST_TURNS: usize = 8;

/// Columns of a grid laid around the globe, from as far west to as far east as a slice needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Globe {
    /// From its columns to degrees.
    pub affine: Affine,
    /// Columns in all.
    pub width: usize,
    /// What the warper must be told of it; nothing where slice and grid are in one CRS.
    pub turn: Option<Turn>,
    /// The grid's own column that comes first, counted on beyond its ends, and how many it has.
    first: i64,
    columns: i64,
}

impl Globe {
    /// `None` for a grid that does not go around the globe.
    ///
    /// # Errors
    /// A CRS that PROJ does not know, or a pair without a transformation.
    pub fn of(
        crs: &str,
        affine: &Affine,
        columns: usize,
        slice: &Slice,
        resampling: Resampling,
    ) -> Result<Option<Globe>> {
        let [x0, dx, c, d, e, f] = affine.0;
        // Columns of one turn: some grids repeat their first columns as their last.
        let turn = (TURN / dx.abs()).round();
        // A hundredth of a column is what degrees of few digits leave.
        let is_whole = (turn * dx.abs() - TURN).abs() <= 0.01 * dx.abs() && turn <= columns as f64;
        if affine.is_rotated() || !is_whole || !crs_facts(crs)?.geographic {
            return Ok(None);
        }
        let columns = turn as usize;
        let Reach { west, east, pole } = reach(crs, slice)?;
        if east - west > MOST_TURNS as f64 * TURN {
            let problem = format!("the {slice} goes around the globe more than {MOST_TURNS} times");
            return Err(Error::conflict(problem, "Ask for 360 degrees at most"));
        }
        let wide = (east - west).min(TURN);
        // Columns of the grid under one of the slice, and what the widest of the kernels reaches to one side.
        let under = wide / dx.abs() / f64::from(slice.width);
        let margin = (3.0 * under.max(1.0)).ceil() + 2.0;
        // Somewhere the turn must end: not within the slice. Slices near each other share their warper's plan.
        let narrow = wide + 2.0 * margin * dx.abs() <= TURN - 90.0;
        let middle = (west + east) / 2.0;
        let mut centre = if narrow { (middle / 90.0).round() * 90.0 } else { middle };
        let (mut from, mut to) = (centre - TURN / 2.0, centre + TURN / 2.0);
        let same = same_crs(crs, slice.crs.as_str())?;
        if same {
            (from, to) = (from.min(west), to.max(east));
        }
        // A sum shares each pixel of the source out, which must be there once.
        let once = resampling == Resampling::Sum && !same;
        // Where it must, as around a pole, pixels that take all that they cover may not meet that end: those on the far
        // side of the globe are warped with another.
        let ends = pole || east - west + under * dx.abs() > TURN;
        let twice = ends && resampling.is_by_area() && !once && !same;
        if twice {
            to += TURN / 2.0;
        }
        let (from, to) = if dx > 0.0 { (from, to) } else { (to, from) };
        let (first, last) = if once {
            let first = ((from - x0) / dx).round();
            centre = affine.x(first + columns as f64 / 2.0);
            (first, first + columns as f64)
        } else {
            (((from - x0) / dx).floor() - margin, ((to - x0) / dx).ceil() + margin)
        };
        let turn = Turn { centre, under: (!narrow).then_some(under), twice };
        Ok(Some(Globe {
            affine: Affine([affine.x(first), dx, c, d, e, f]),
            width: (last - first) as usize,
            turn: (!same).then_some(turn),
            first: first as i64,
            columns: columns as i64,
        }))
    }

    /// The grid's own columns under `count` columns from `from` on, as runs of a start and a length.
    pub fn runs(&self, from: i64, count: u32) -> impl Iterator<Item = (i64, u32)> {
        let (mut at, mut left, columns) = (from.saturating_add(self.first), count, self.columns.max(1));
        std::iter::from_fn(move || {
            let start = at.rem_euclid(columns);
            let run = left.min(u32::try_from(columns - start).unwrap_or(u32::MAX));
            at += i64::from(run);
            left -= run;
            (run > 0).then_some((start, run))
        })
    }
}

/// From where to where a slice lies in longitude, running on over the antimeridian.
struct Reach {
    west: f64,
    east: f64,
    /// It lies around a pole: a whole turn.
    pole: bool,
}

fn reach(crs: &str, slice: &Slice) -> Result<Reach> {
    let b = &slice.bbox;
    if same_crs(crs, slice.crs.as_str())? {
        return Ok(Reach { west: b.xmin, east: b.xmax, pole: false });
    }
    let mut points = vec![((b.xmin + b.xmax) / 2.0, (b.ymin + b.ymax) / 2.0)];
    points.extend(b.densified_ring(9));
    project(slice.crs.as_str(), crs, &mut points)?;
    let [(middle, _), ring @ ..] = points.as_slice() else { return Err(Error::Bug("no outline".into())) };
    let middle = if middle.is_finite() { *middle } else { 0.0 };
    let around = |half: f64| Reach { west: middle - half, east: middle + half, pole: false };
    if crs_facts(slice.crs.as_str())?.geographic {
        return Ok(around(b.width() / 2.0));
    }
    // A slice that lies partly beside the world may reach anywhere.
    if ring.iter().any(|(lon, _)| lon.is_nan()) {
        return Ok(around(TURN / 2.0));
    }
    // Along the outline, the short way around from each point to the next.
    let begin = ring.first().map_or(middle, |(lon, _)| *lon);
    let (mut west, mut east, mut lon) = (begin, begin, begin);
    for (next, _) in ring {
        lon += (next - lon) - ((next - lon) / TURN).round() * TURN;
        (west, east) = (west.min(lon), east.max(lon));
    }
    let pole = (lon - begin).abs() > TURN / 2.0;
    Ok(if pole { Reach { pole, ..around(TURN / 2.0) } } else { Reach { west, east, pole } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::Bbox;
    use crate::crs::{CRS84, Crs};

    #[test]
    fn columns_come_again_and_again() {
        let globe = |first| Globe {
            affine: Affine::north_up(0.0, 0.0, 45.0),
            width: 8,
            turn: None,
            first,
            columns: 8,
        };
        let columns = |from, count, first| -> Vec<i64> {
            globe(first)
                .runs(from, count)
                .flat_map(|(start, count)| start..start + i64::from(count))
                .collect()
        };
        assert_eq!(columns(0, 8, 0), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(columns(0, 8, 5), [5, 6, 7, 0, 1, 2, 3, 4]);
        assert_eq!(columns(2, 3, -3), [7, 0, 1]);
        assert_eq!(columns(6, 12, 0), [6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1]);
        assert!(columns(3, 0, 0).is_empty());
    }

    #[test]
    fn longitudes_run_on_and_go_all_around_at_a_pole() {
        let span = |crs: &str, xmin: f64, ymin: f64, xmax: f64, ymax: f64| {
            let bbox = Bbox { xmin, ymin, xmax, ymax };
            let slice = Slice::new(bbox, Crs::new(crs), (None, None), 10, 10).unwrap();
            let Reach { west, east, .. } = reach(CRS84, &slice).unwrap();
            (west.round(), east.round())
        };
        assert_eq!(span(CRS84, 170.0, 0.0, 530.0, 10.0), (170.0, 530.0));
        let edge = 20_037_508.342_789_244;
        let (west, east) = span("EPSG:3857", -edge, -1e6, edge, 1e6);
        assert_eq!(east - west, 360.0);
        let (west, east) = span("EPSG:32601", 100_000.0, 0.0, 900_000.0, 1e6);
        assert!(east - west <= 8.0 && (west + 180.0).rem_euclid(360.0) > 350.0);
        let (west, east) = span("EPSG:3413", -3e6, -3e6, 3e6, 3e6);
        assert_eq!(east - west, 360.0);
        let (west, east) = span("EPSG:3413", 1e6, 1e6, 3e6, 3e6);
        assert!(east - west < 90.0);
    }
}
