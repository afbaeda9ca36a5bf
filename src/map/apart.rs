//! How far boxes lie apart on the ground, and which of them lie near each other.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use geo::{BoundingRect, Geometry};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::bbox::Bbox;
use crate::error::{Error, Result};
use crate::map::neighbours::Metric;
use crate::map::{Shape, project, sphere};
use crate::projection;
use crate::workers;

/// Boxes share ground where they overlap by more than this share of the narrower one: rounded edges of neighbours do not count.
const SLIVER: f64 = 1e-6;
/// So many boxes are looked at by one thread at once.
const AT_ONCE: usize = 1024;
/// As many pairs are held in memory at most.
const MAX_PAIRS: usize = 20_000_000;

/// Boxes of one metric, to be searched.
pub struct Boxes {
    boxes: Vec<Bbox>,
    metric: Metric,
    /// Metres of a unit of the metric; `None` where none are known.
    metres: Option<f64>,
    tree: RTree<GeomWithData<Rectangle<[f64; 3]>, usize>>,
}

/// Two boxes that share ground or lie near each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Index of the first.
    pub a: usize,
    /// Index of the second, above it.
    pub b: usize,
    /// Metres between their edges, 0 where they touch; `None` without a CRS.
    pub metres: Option<f64>,
    /// They overlap.
    pub shares: bool,
}

impl Boxes {
    /// Boxes in one CRS, or in several, each of which is named by its place in `crss`. Those of one projected CRS are measured on
    /// its plane, and those in longitude and latitude on the sphere; of several CRSs the envelopes in longitude and latitude are.
    /// Without a CRS it is only known whether they overlap.
    ///
    /// # Errors
    /// A CRS that PROJ does not know, or that has no image in longitude and latitude where there are several.
    pub fn new(mut boxes: Vec<Bbox>, crs: &[usize], crss: &[String]) -> Result<Boxes> {
        let (metric, metres) = match crss {
            [] => (Metric::Plane, None),
            [one] => {
                let facts = projection::crs_facts(one)?;
                match facts.geographic {
                    true => (Metric::Sphere, Some(1000.0)),
                    false => (Metric::Plane, facts.metres),
                }
            }
            _ => {
                for (bbox, crs) in boxes.iter_mut().zip(crs) {
                    workers::go_on()?;
                    let Some(crs) = crss.get(*crs) else { continue };
                    if !projection::crs_facts(crs)?.geographic {
                        *bbox = around(&project(&Shape::Box(*bbox), crs, "OGC:CRS84", 5)?);
                    }
                }
                (Metric::Sphere, Some(1000.0))
            }
        };
        let leaf = |(i, bbox): (usize, &Bbox)| {
            let (low, high) = hull(bbox, metric);
            GeomWithData::new(Rectangle::from_corners(low, high), i)
        };
        let tree = RTree::bulk_load(boxes.iter().enumerate().map(leaf).collect());
        Ok(Boxes { boxes, metric, metres, tree })
    }

    /// Whether distances are known.
    pub fn is_measured(&self) -> bool {
        self.metres.is_some()
    }

    /// The boxes that `wanted` says yes to and that share ground with one or lie less than so many metres from it: index,
    /// distance, whether they share.
    fn around(
        &self,
        index: usize,
        gap: f64,
        wanted: impl Fn(usize) -> bool,
        mut found: impl FnMut(usize, Option<f64>, bool) -> bool,
    ) {
        let Some(bbox) = self.boxes.get(index) else { return };
        let units = self.metres.map_or(0.0, |metres| gap / metres);
        let reach = if self.metric == Metric::Sphere { sphere::chord_of_km(units) } else { units };
        let (mut low, mut high) = hull(bbox, self.metric);
        // A little more, and then exactly.
        let more = |side: f64| reach * (1.0 + 1e-9) + 1e-9 * side.abs().max(1e-3);
        low.iter_mut().for_each(|side| *side -= more(*side));
        high.iter_mut().for_each(|side| *side += more(*side));
        for leaf in self.tree.locate_in_envelope_intersecting(&AABB::from_corners(low, high)) {
            let Some(other) = self.boxes.get(leaf.data).filter(|_| wanted(leaf.data)) else { continue };
            let metres = self.metres.map(|metres| distance(bbox, other, self.metric) * metres);
            let shares = shares(bbox, other, self.metric);
            if (shares || metres.is_some_and(|metres| metres < gap)) && found(leaf.data, metres, shares) {
                return;
            }
        }
    }

    /// All pairs of boxes of different groups that share ground or lie less than so many metres apart, in the order of their indices.
    ///
    /// # Errors
    /// More of them than memory should hold, or the query was ended.
    pub fn pairs(&self, groups: &[i64], gap: f64, threads: usize) -> Result<Vec<Near>> {
        let mut parts = parts(self.boxes.len());
        let total = AtomicUsize::new(0);
        workers::each(&mut parts, threads, |(from, pairs): &mut (usize, Vec<Near>)| {
            for a in *from..(*from + AT_ONCE).min(self.boxes.len()) {
                workers::go_on()?;
                let start = pairs.len();
                let wanted = |b: usize| b > a && groups.get(a) != groups.get(b);
                self.around(a, gap, wanted, |b, metres, shares| {
                    pairs.push(Near { a, b, metres, shares });
                    pairs.len() > MAX_PAIRS
                });
                if total.fetch_add(pairs.len() - start, Relaxed) + pairs.len() - start > MAX_PAIRS {
                    let problem = format!("more than {MAX_PAIRS} pairs lie within reach of each other");
                    return Err(Error::conflict(
                        problem,
                        "Ask for a part of them at a time, or for a smaller distance",
                    ));
                }
                if let Some(added) = pairs.get_mut(start..) {
                    added.sort_by_key(|pair| pair.b);
                }
            }
            Ok(())
        })?;
        Ok(parts.into_iter().flat_map(|(_, pairs)| pairs).collect())
    }

    /// The groups, each once and in order, of which a box shares ground with each box or lies less than so many metres from it; its
    /// own group is none of them. Boxes without a group are passed over. With them comes whether any of those boxes overlaps.
    ///
    /// # Errors
    /// The query was ended.
    pub fn groups_near(
        &self,
        groups: &[Option<i64>],
        gap: f64,
        threads: usize,
    ) -> Result<Vec<(Vec<i64>, bool)>> {
        let mut parts = parts(self.boxes.len());
        let group = |index: usize| groups.get(index).copied().flatten();
        workers::each(&mut parts, threads, |(from, found)| {
            for index in *from..(*from + AT_ONCE).min(self.boxes.len()) {
                workers::go_on()?;
                let mut near: Vec<i64> = Vec::new();
                let mut any_shares = false;
                if let Some(own) = group(index) {
                    let wanted = |other: usize| group(other).is_some_and(|group| group != own);
                    self.around(index, gap, wanted, |other, _, shares| {
                        any_shares |= shares;
                        if let Some(group) = group(other).filter(|group| !near.contains(group)) {
                            near.push(group);
                        }
                        false
                    });
                }
                near.sort_unstable();
                found.push((near, any_shares));
            }
            Ok(())
        })?;
        Ok(parts.into_iter().flat_map(|(_, found)| found).collect())
    }
}

/// What each thread takes in hand, with room for what it finds.
fn parts<T>(count: usize) -> Vec<(usize, Vec<T>)> {
    (0..count).step_by(AT_ONCE).map(|from| (from, Vec::new())).collect()
}

/// The envelope of a shape in longitude and latitude; one that was cut at the antimeridian is put together again first.
fn around(shape: &Shape) -> Bbox {
    let whole = *shape.bbox();
    let Geometry::MultiPolygon(parts) = shape.geometry() else { return whole };
    let east = |rect: geo::Rect<f64>| {
        let turn = if rect.max().x <= 0.0 { 360.0 } else { 0.0 };
        [(rect.min().x + turn, rect.min().y), (rect.max().x + turn, rect.max().y)]
    };
    let turned = Bbox::envelope(parts.iter().filter_map(BoundingRect::bounding_rect).flat_map(east));
    turned.filter(|bbox| bbox.width() < whole.width()).unwrap_or(whole)
}

/// The corners of a box of space around a box: on the unit sphere, or on the plane.
fn hull(bbox: &Bbox, metric: Metric) -> ([f64; 3], [f64; 3]) {
    if metric == Metric::Plane {
        return ([bbox.xmin, bbox.ymin, 0.0], [bbox.xmax, bbox.ymax, 0.0]);
    }
    let (south, north) = (bbox.ymin.clamp(-90.0, 90.0), bbox.ymax.clamp(-90.0, 90.0));
    let nearest = if south <= 0.0 && north >= 0.0 { 0.0 } else { south.abs().min(north.abs()) };
    let wide = nearest.to_radians().cos();
    let narrow = south.abs().max(north.abs()).to_radians().cos().max(0.0);
    let along = |(low, high): (f64, f64)| {
        (low * if low < 0.0 { wide } else { narrow }, high * if high > 0.0 { wide } else { narrow })
    };
    let x = along(cosines(bbox.xmin, bbox.xmax));
    let y = along(cosines(bbox.xmin - 90.0, bbox.xmax - 90.0));
    let z = (south.to_radians().sin(), north.to_radians().sin());
    ([x.0, y.0, z.0], [x.1, y.1, z.1])
}

/// The least and the largest cosine between two angles in degrees.
fn cosines(from: f64, to: f64) -> (f64, f64) {
    let holds = |angle: f64| ((from - angle) / 360.0).ceil() * 360.0 + angle <= to;
    let (a, b) = (from.to_radians().cos(), to.to_radians().cos());
    (if holds(180.0) { -1.0 } else { a.min(b) }, if holds(0.0) { 1.0 } else { a.max(b) })
}

/// Between the edges of two boxes: kilometres along a great circle, or units of the plane; 0 where they meet.
fn distance(a: &Bbox, b: &Bbox, metric: Metric) -> f64 {
    let up = (b.ymin - a.ymax).max(a.ymin - b.ymax).max(0.0);
    if metric == Metric::Plane {
        return (b.xmin - a.xmax).max(a.xmin - b.xmax).max(0.0).hypot(up);
    }
    let turn = turn_between(a, b);
    if turn == 0.0 {
        return up * sphere::KM_OF_DEGREE;
    }
    // The nearest places lie on the two meridians that face each other, and one of them at an end of its meridian.
    let to = |lat: f64, other: &Bbox| sphere::km(0.0, lat, turn, foot(lat, turn, other));
    to(a.ymin, b).min(to(a.ymax, b)).min(to(b.ymin, a)).min(to(b.ymax, a))
}

/// The latitude, among those of a box, at which a meridian so many degrees away is nearest to a place.
fn foot(lat: f64, turn: f64, bbox: &Bbox) -> f64 {
    let (sin, cos) = lat.to_radians().sin_cos();
    let foot = sin.atan2(cos * turn.to_radians().cos()).to_degrees();
    if (bbox.ymin..=bbox.ymax).contains(&foot) {
        return foot;
    }
    let near = |edge: f64| (edge - foot).to_radians().cos();
    if near(bbox.ymin) > near(bbox.ymax) { bbox.ymin } else { bbox.ymax }
}

/// Degrees of longitude between two boxes, the shorter way around; 0 where both have one.
fn turn_between(a: &Bbox, b: &Bbox) -> f64 {
    let east = (b.xmin - a.xmin).rem_euclid(360.0);
    (east - a.width()).min(360.0 - east - b.width()).max(0.0)
}

fn shares(a: &Bbox, b: &Bbox, metric: Metric) -> bool {
    let up = a.ymax.min(b.ymax) - a.ymin.max(b.ymin);
    let along = match metric {
        Metric::Plane => a.xmax.min(b.xmax) - a.xmin.max(b.xmin),
        Metric::Sphere => {
            let east = (b.xmin - a.xmin).rem_euclid(360.0);
            (a.width().min(east + b.width()) - east).max((east + b.width() - 360.0).min(a.width()))
        }
    };
    along > SLIVER * a.width().min(b.width()) && up > SLIVER * a.height().min(b.height())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    fn random_boxes(rng: &mut Pcg64, count: usize) -> Vec<Bbox> {
        let one = |_| {
            let (x, y) = (rng.uniform(-200.0, 200.0), rng.uniform(-90.0, 88.0));
            let (width, height) = (rng.uniform(0.5, 40.0), rng.uniform(0.5, 20.0));
            Bbox::new(x, y, x + width, (y + height).min(90.0)).unwrap()
        };
        (0..count).map(one).collect()
    }

    /// The least distance between points along the edges of two boxes.
    fn by_points(a: &Bbox, b: &Bbox) -> f64 {
        let points = |bbox: &Bbox| bbox.densified_ring(60);
        let (from, to) = (points(a), points(b));
        let pairs = from.iter().flat_map(|(x, y)| to.iter().map(move |(u, v)| sphere::km(*x, *y, *u, *v)));
        pairs.fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn distances_on_the_sphere_are_those_between_many_points() {
        let mut rng = Pcg64::new(5);
        let boxes = random_boxes(&mut rng, 60);
        let mut apart = 0;
        for (i, a) in boxes.iter().enumerate() {
            for b in &boxes[..i] {
                let (exact, sampled) = (distance(a, b, Metric::Sphere), by_points(a, b));
                if shares(a, b, Metric::Sphere) {
                    assert_eq!(exact, 0.0, "{a} {b}");
                    continue;
                }
                // Points are 40 degrees / 59 apart at most, so that theirs is a little longer and never shorter.
                assert!(exact <= sampled + 1e-6 && sampled - exact < 60.0, "{a} {b}: {exact} {sampled}");
                assert!((exact - distance(b, a, Metric::Sphere)).abs() < 1e-9 * exact, "{a} {b}");
                apart += 1;
            }
        }
        assert!(apart > 1000);
    }

    #[test]
    fn boxes_meet_over_the_antimeridian_and_the_poles() {
        let of = |xmin, ymin, xmax, ymax| Bbox { xmin, ymin, xmax, ymax };
        let (west, east) = (of(-180.0, 0.0, -170.0, 10.0), of(170.0, 0.0, 180.0, 10.0));
        assert_eq!(distance(&west, &east, Metric::Sphere), 0.0);
        assert!(!shares(&west, &east, Metric::Sphere));
        assert!(shares(&west, &of(175.0, 5.0, 185.0, 6.0), Metric::Sphere));
        assert!(shares(&of(350.0, 0.0, 355.0, 1.0), &of(-8.0, 0.0, -2.0, 1.0), Metric::Sphere));
        assert!(shares(&of(-180.0, -90.0, 180.0, 90.0), &of(5.0, 5.0, 6.0, 6.0), Metric::Sphere));
        // On either side of the pole, two degrees from it each: the meridians that face each other are 170 degrees apart.
        let over = distance(&of(0.0, 80.0, 10.0, 88.0), &of(180.0, 80.0, 190.0, 88.0), Metric::Sphere);
        assert!((over - sphere::km(10.0, 88.0, 180.0, 88.0)).abs() < 1e-6, "{over}");
        assert!(over < 4.0 * sphere::KM_OF_DEGREE);
    }

    #[test]
    fn pairs_and_groups_are_those_of_brute_force() {
        let mut rng = Pcg64::new(11);
        for (crs, gap) in
            [("OGC:CRS84", 0.0), ("OGC:CRS84", 400_000.0), ("EPSG:3857", 9.0), ("EPSG:3857", 0.0)]
        {
            let boxes = random_boxes(&mut rng, 300);
            let groups: Vec<i64> = (0..300).map(|_| rng.integer(3) as i64).collect();
            let metric = if crs == "OGC:CRS84" { Metric::Sphere } else { Metric::Plane };
            let metres = if metric == Metric::Sphere { 1000.0 } else { 1.0 };
            let is_near = |a: usize, b: usize| {
                let away = distance(&boxes[a], &boxes[b], metric) * metres;
                shares(&boxes[a], &boxes[b], metric) || away < gap
            };
            let mut want = Vec::new();
            let mut near = vec![Vec::new(); 300];
            for a in 0..300 {
                for b in (0..300).filter(|b| groups[a] != groups[*b] && is_near(a, *b)) {
                    near[a].push(groups[b]);
                    want.extend((b > a).then_some((a, b)));
                }
                near[a].sort_unstable();
                near[a].dedup();
            }
            assert!(want.len() > 100);
            let searched = Boxes::new(boxes.clone(), &[0; 300], &[crs.to_string()]).unwrap();
            let got = searched.pairs(&groups, gap, 2).unwrap();
            assert_eq!(got.iter().map(|pair| (pair.a, pair.b)).collect::<Vec<_>>(), want);
            let some: Vec<Option<i64>> = groups.iter().copied().map(Some).collect();
            let got = searched.groups_near(&some, gap, 2).unwrap();
            assert_eq!(got.into_iter().map(|(near, _)| near).collect::<Vec<_>>(), near);
        }
    }

    #[test]
    fn boxes_of_several_crss_are_compared_on_the_globe() {
        let boxes = vec![
            Bbox::new(500_000.0, 4_600_000.0, 510_000.0, 4_610_000.0).unwrap(),
            Bbox::new(-8.95, 41.58, -8.93, 41.6).unwrap(),
            Bbox::new(-7.0, 41.58, -6.9, 41.6).unwrap(),
        ];
        let crss = ["EPSG:32629".to_string(), "OGC:CRS84".to_string()];
        let near = Boxes::new(boxes, &[0, 1, 1], &crss).unwrap().pairs(&[0, 1, 2], 200_000.0, 1).unwrap();
        assert!(near[0].shares && near[0].metres == Some(0.0));
        assert!(!near[1].shares && near[1].metres.is_some_and(|m| (150_000.0..165_000.0).contains(&m)));
        assert_eq!(near.len(), 3);
    }
}
