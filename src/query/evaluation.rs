//! Queries on a lattice, for evaluation: the same boxes on every date.

use crate::error::{Error, Result};
use crate::query::area::Area;
use crate::query::land::Land;
use crate::query::size::Size;
use crate::query::{Days, Mode, Query};
use crate::workers;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Of the boxes.
    pub size: Size,
    /// The share of a box that it has in common with the next, at least 0 and below 1.
    pub overlap: f64,
    /// What they cover.
    pub area: Area,
    /// When.
    pub days: Days,
    /// Days from one date to the next.
    pub step_days: u64,
    /// A box holds no more land than this.
    pub max_land: f64,
    /// By whose rules.
    pub mode: Mode,
}

/// The boxes, and the dates: a query each.
#[derive(Debug)]
pub struct Lattice {
    cells: Vec<(Area, Option<f64>)>,
    days: Days,
    step: u64,
    dates: u64,
}

/// Boxes beyond this are a slip.
const MAX_CELLS: usize = 100_000_000;

impl Evaluation {
    /// The boxes that do not hold too much land: from west to east, in each column from south to north.
    ///
    /// # Errors
    /// The area is smaller than a box, there are too many, none is left, or the mask does not cover one.
    pub fn lay(&self, land: &Land) -> Result<Lattice> {
        let step = self.step_days.max(1);
        let lattice = |cells| Lattice { cells, days: self.days, step, dates: self.days.latest() / step + 1 };
        let Area { west, south, east, north } = self.area;
        let (width, height) = self.size.degrees(south / 2.0 + north / 2.0);
        if fits(east - west, width) && fits(north - south, height) {
            let lons = self.starts(west, east, width)?;
            let lats = self.starts(south, north, height)?;
            if lons.len().saturating_mul(lats.len()) > MAX_CELLS {
                let must = format!("large enough for at most {MAX_CELLS} boxes");
                return Err(Error::invalid(self.size.value, must));
            }
            let mut cells = Vec::new();
            let mut looked_at = 0;
            for lon in &lons {
                workers::go_on()?;
                for lat in &lats {
                    looked_at += 1;
                    let area = self.cell(*lon, *lat, height);
                    let land_fraction = land.fraction(&area)?;
                    if land_fraction.is_none_or(|land| land <= self.max_land) {
                        cells.push((area, land_fraction));
                    }
                }
            }
            if cells.is_empty() && self.mode == Mode::Sphere {
                let problem = format!("all {looked_at} boxes hold more land than {}", self.max_land);
                return Err(Error::conflict(problem, "Allow more land"));
            }
            return Ok(lattice(cells));
        }
        if self.mode == Mode::OceanTaco {
            return Ok(lattice(Vec::new()));
        }
        let problem = format!(
            "{} is {} x {} degrees, and one box {width} x {height} in its middle",
            self.area,
            east - west,
            north - south
        );
        Err(Error::conflict(problem, "Give smaller boxes, or a larger area"))
    }

    fn cell(&self, west: f64, south: f64, height: f64) -> Area {
        let (width, _) = self.size.degrees(south + height / 2.0);
        let (east, north) = (west + width, south + height);
        match self.mode {
            Mode::OceanTaco => Area { west, south, east: east.min(180.0), north },
            Mode::Sphere if width >= 360.0 => Area { west: -180.0, south, east: 180.0, north },
            Mode::Sphere if west >= 180.0 => Area { west: west - 360.0, south, east: east - 360.0, north },
            Mode::Sphere => Area { west, south, east, north },
        }
    }

    /// Where boxes start along an axis: a step apart, and the last one moved back to the end.
    fn starts(&self, low: f64, high: f64, size: f64) -> Result<Vec<f64>> {
        let step = size * (1.0 - self.overlap);
        let count = ((high - low - size) / step + SLACK).floor();
        if !(step > 0.0 && count < MAX_CELLS as f64) {
            let must = format!("large enough for at most {MAX_CELLS} boxes");
            return Err(Error::invalid(self.size.value, must));
        }
        let mut starts: Vec<f64> = (0..=count as u64).map(|i| low + i as f64 * step).collect();
        if starts.last().is_some_and(|last| high - (last + size) > SLACK * size) {
            starts.push(high - size);
        }
        Ok(starts)
    }
}

/// A share of a box that is rounding and no gap.
const SLACK: f64 = 1e-9;

fn fits(whole: f64, part: f64) -> bool {
    part <= whole * (1.0 + SLACK)
}

impl Lattice {
    /// How many queries.
    pub fn len(&self) -> u64 {
        self.dates.saturating_mul(self.cells.len() as u64)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// A query by its number: in time order, and by box on each date.
    pub fn at(&self, index: u64) -> Option<Query> {
        let count = self.cells.len() as u64;
        let (date, cell) = (index.checked_div(count)?, index.checked_rem(count)?);
        let (area, land_fraction) = *self.cells.get(cell as usize)?;
        let (first_day, last_day) = self.days.window(date.checked_mul(self.step)?);
        (date < self.dates).then_some(Query { area, first_day, last_day, land_fraction })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::size::Unit;

    fn asked() -> Evaluation {
        Evaluation {
            size: Size { value: 10.0, unit: Unit::Degrees },
            overlap: 0.0,
            area: Area::new(-80.0, 10.0, -10.0, 55.0).unwrap(),
            days: Days { first: 100, last: 160, window: 1 },
            step_days: 7,
            max_land: 0.5,
            mode: Mode::Sphere,
        }
    }

    #[test]
    fn the_published_lattice_is_laid() {
        let lattice = asked().lay(&Land::Unasked).unwrap();
        assert_eq!(lattice.len(), 315);
        let row = |i: u64| {
            let query = lattice.at(i).unwrap();
            (query.area.west, query.area.south, query.area.east, query.area.north, query.first_day)
        };
        assert_eq!(row(0), (-80.0, 10.0, -70.0, 20.0, 100));
        assert_eq!(row(1), (-80.0, 20.0, -70.0, 30.0, 100));
        assert_eq!(row(5), (-70.0, 10.0, -60.0, 20.0, 100));
        assert_eq!(row(314), (-20.0, 45.0, -10.0, 55.0, 156));
        assert!(lattice.at(315).is_none());
    }

    #[test]
    fn an_area_smaller_than_a_box_is_told() {
        let small = Evaluation { area: Area::new(0.0, 0.0, 9.0, 20.0).unwrap(), ..asked() };
        assert!(small.lay(&Land::Unasked).unwrap_err().to_string().contains("9 x 20 degrees"));
        let lattice = Evaluation { mode: Mode::OceanTaco, ..small }.lay(&Land::Unasked).unwrap();
        assert!(lattice.is_empty() && lattice.at(0).is_none());
        // An area of one box is one box, whatever its edges round to.
        let exact = Evaluation { area: Area::new(0.1, 0.2, 10.1, 10.2).unwrap(), ..asked() };
        assert_eq!(exact.lay(&Land::Unasked).unwrap().len(), 9);
    }

    #[test]
    fn boxes_share_what_they_are_told_to() {
        let lattice = Evaluation { overlap: 0.5, ..asked() }.lay(&Land::Unasked).unwrap();
        assert_eq!(lattice.len(), 13 * 8 * 9);
        let across = Evaluation { area: Area::new(170.0, -10.0, -160.0, 10.0).unwrap(), ..asked() };
        let lattice = across.lay(&Land::Unasked).unwrap();
        let lons: Vec<f64> = (0..6).map(|i| lattice.at(i).unwrap().area.west).collect();
        assert_eq!(lons, [170.0, 170.0, -180.0, -180.0, -170.0, -170.0]);
    }
}
