//! Queries that are drawn, for training.
//!
//! The stream is that of OceanTACO's generator: batches of at most a thousand candidates, the latitudes of their centres
//! first, then the longitudes, then the days.

use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::error::{Error, Result};
use crate::query::area::{Area, sine};
use crate::query::land::Land;
use crate::query::size::Size;
use crate::query::{Days, Mode, Query};
use crate::random::Pcg64;
use crate::workers;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// How many queries.
    pub n: usize,
    /// Of their boxes.
    pub size: Size,
    /// Where centres may lie.
    pub area: Area,
    /// When.
    pub days: Days,
    /// Two queries that share a day overlap by no more than this, as intersection over union; 1 is no bound.
    pub max_overlap: f64,
    /// A box holds no more land than this.
    pub max_land: f64,
    /// Of the draw.
    pub seed: u64,
    /// By whose rules.
    pub mode: Mode,
}

/// Candidates drawn together.
const BATCH: usize = 1000;

impl Training {
    /// Candidates that are looked at before the draw is given up.
    fn most(&self) -> usize {
        match self.mode {
            Mode::OceanTaco => self.n.saturating_mul(20),
            Mode::Sphere => self.n.saturating_mul(100).saturating_add(10_000),
        }
    }

    fn box_around(&self, (lon, lat): (f64, f64)) -> Area {
        let size = self.size.degrees(lat);
        match self.mode {
            Mode::Sphere => Area::around((lon, lat), size),
            Mode::OceanTaco => Area::clipped((lon, lat), size),
        }
    }

    /// The queries.
    ///
    /// # Errors
    /// Too many candidates are rejected, or the mask does not cover one.
    pub fn draw(&self, land: &Land) -> Result<Vec<Query>> {
        let mut rng = Pcg64::new(self.seed);
        let mut kept: Vec<Query> = Vec::with_capacity(self.n.min(1 << 20));
        let mut near = Near { mode: self.mode, tree: RTree::new() };
        let (mut looked_at, mut too_much_land, mut too_near) = (0, 0, 0);
        let Area { west, south, east, north } = self.area;
        while kept.len() < self.n && looked_at < self.most() {
            workers::go_on()?;
            let count = BATCH.min(2 * (self.n - kept.len()));
            let lats: Vec<f64> = (0..count)
                .map(|_| match self.mode {
                    Mode::OceanTaco => rng.uniform(south, north),
                    Mode::Sphere => {
                        rng.uniform(sine(south), sine(north)).clamp(-1.0, 1.0).asin().to_degrees()
                    }
                })
                .collect();
            let lons: Vec<f64> = (0..count).map(|_| rng.uniform(west, east)).collect();
            let starts: Vec<u64> = (0..count).map(|_| rng.integer(self.days.latest())).collect();
            for ((lat, lon), start) in lats.into_iter().zip(lons).zip(starts) {
                if kept.len() == self.n || looked_at == self.most() {
                    break;
                }
                looked_at += 1;
                let area = self.box_around((lon, lat));
                let land_fraction = land.fraction(&area)?;
                if land_fraction.is_some_and(|land| land > self.max_land) {
                    too_much_land += 1;
                    continue;
                }
                let (first_day, last_day) = self.days.window(start);
                let query = Query { area, first_day, last_day, land_fraction };
                if self.max_overlap < 1.0 {
                    if near.overlaps(&query, &kept, self.max_overlap) {
                        too_near += 1;
                        continue;
                    }
                    near.insert(&query, kept.len());
                }
                kept.push(query);
            }
        }
        if kept.len() == self.n {
            return Ok(kept);
        }
        let problem = format!(
            "{} queries were asked for, and of {looked_at} drawn {} are kept: {too_much_land} hold more land than {}, {too_near} overlap an earlier one by more than {}",
            self.n,
            kept.len(),
            self.max_land,
            self.max_overlap
        );
        Err(Error::conflict(problem, "Ask for fewer or smaller ones, or allow more land or overlap"))
    }
}

/// Queries that were kept, by longitude, latitude and day.
struct Near {
    mode: Mode,
    tree: RTree<GeomWithData<Rectangle<[f64; 3]>, usize>>,
}

impl Near {
    /// A box, and over the antimeridian the same one turn to the west.
    fn corners(query: &Query) -> Vec<([f64; 3], [f64; 3])> {
        let Area { west, south, east, north } = query.area;
        let (first, last) = (query.first_day as f64, query.last_day as f64);
        let at = |turn: f64| ([west - turn, south, first], [east - turn, north, last]);
        if east > 180.0 { vec![at(0.0), at(360.0)] } else { vec![at(0.0)] }
    }

    fn insert(&mut self, query: &Query, index: usize) {
        for (low, high) in Near::corners(query) {
            self.tree.insert(GeomWithData::new(Rectangle::from_corners(low, high), index));
        }
    }

    fn overlaps(&self, query: &Query, kept: &[Query], most: f64) -> bool {
        Near::corners(query).into_iter().any(|(low, high)| {
            let envelope = AABB::from_corners(low, high);
            let mut there = self.tree.locate_in_envelope_intersecting(&envelope);
            there.any(|found| {
                kept.get(found.data).is_some_and(|other| {
                    let overlap = match self.mode {
                        Mode::Sphere => query.area.overlap_on_sphere(&other.area),
                        Mode::OceanTaco => query.area.overlap_in_degrees(&other.area),
                    };
                    overlap > most
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::size::Unit;

    fn asked(mode: Mode) -> Training {
        Training {
            n: 100,
            size: Size { value: 10.0, unit: Unit::Degrees },
            area: Area::new(-80.0, 10.0, -10.0, 55.0).unwrap(),
            days: Days { first: 19448, last: 19538, window: 1 },
            max_overlap: 1.0,
            max_land: 0.3,
            seed: 42,
            mode,
        }
    }

    #[test]
    fn the_published_rows_are_drawn() {
        let drawn = asked(Mode::OceanTaco).draw(&Land::Unasked).unwrap();
        let row = |i: usize| (drawn[i].area.west, drawn[i].area.south, drawn[i].first_day - 19448);
        assert_eq!(row(0), (-30.581661323117572, 39.82802218501835, 1));
        assert_eq!(row(14), (-34.921500926893884, 24.9536389472299, 70));
        assert_eq!(row(15), (-33.27111972591208, 15.22574248031496, 76));
        assert_eq!(row(18), (-20.07062142954446, 42.243402739666195, 60));
    }

    #[test]
    fn kept_queries_overlap_no_more_than_allowed() {
        for mode in [Mode::Sphere, Mode::OceanTaco] {
            for (max_overlap, n) in [(0.0, 30), (0.2, 200)] {
                let area = Area::new(150.0, -60.0, -120.0, 60.0).unwrap();
                let area = if mode == Mode::Sphere { area } else { Area { west: 60.0, east: 150.0, ..area } };
                let asked = Training { n, max_overlap, area, ..asked(mode) };
                let drawn = asked.draw(&Land::Unasked).unwrap();
                for (i, a) in drawn.iter().enumerate() {
                    for b in &drawn[..i] {
                        let share_days = a.first_day <= b.last_day && b.first_day <= a.last_day;
                        let overlap = match mode {
                            Mode::Sphere => a.area.overlap_on_sphere(&b.area),
                            Mode::OceanTaco => a.area.overlap_in_degrees(&b.area),
                        };
                        assert!(!share_days || overlap <= max_overlap, "{a:?} {b:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_shortfall_counts_its_causes() {
        let days = Days { first: 0, last: 0, window: 1 };
        let asked = Training { n: 1000, max_overlap: 0.0, days, ..asked(Mode::Sphere) };
        let error = asked.draw(&Land::Unasked).unwrap_err().to_string();
        assert!(error.contains("1000 queries were asked for, and of 110000 drawn"), "{error}");
        assert!(error.contains("0 hold more land than 0.3"), "{error}");
    }
}
