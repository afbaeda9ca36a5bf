//! Which points lie near which, on the plane or on the sphere.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rstar::{AABB, PointDistance, RTree, RTreeObject};

use crate::error::{Load, Result};
use crate::limits::Limits;
use crate::map::sphere;
use crate::workers::{self, Steps, go_on};

/// What a distance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Along great circles, kilometres; coordinates in degrees.
    Sphere,
    /// Straight, in units of the coordinates.
    Plane,
}

impl Metric {
    /// The point that distances are told by: on the unit sphere, or on the plane.
    fn spot(self, (x, y): (f64, f64)) -> [f64; 3] {
        if self == Metric::Sphere { sphere::unit(x, y) } else { [x, y, 0.0] }
    }

    /// The distance of which a square of a chord, or of a straight line, tells.
    fn distance(self, square: f64) -> f64 {
        match self {
            Metric::Sphere => 2.0 * sphere::RADIUS_KM * (square.sqrt() / 2.0).min(1.0).asin(),
            Metric::Plane => square.sqrt(),
        }
    }
}

/// Who counts as near.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Near {
    /// So many of the nearest, fewer where there are fewer.
    Nearest(usize),
    /// All within a distance, that one inside.
    Within(f64),
}

/// From an anchor to a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// Index of the anchor.
    pub source: usize,
    /// Index of the point.
    pub target: usize,
    /// Between the two.
    pub distance: f64,
}

/// Who is looked for, and how.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Who counts as near.
    pub near: Near,
    /// What a distance is.
    pub metric: Metric,
    /// The point of the anchor's own index is left out.
    pub own: bool,
    /// Threads and memory that it may take.
    pub limits: Limits,
}

/// A point of the tree. Building one cannot be ended but as by a panic.
#[derive(Clone, Copy)]
struct Leaf {
    spot: [f64; 3],
    index: usize,
}

impl RTreeObject for Leaf {
    type Envelope = AABB<[f64; 3]>;

    fn envelope(&self) -> AABB<[f64; 3]> {
        thread_local! {
            static ASKED: Steps = Steps::default();
        }
        ASKED.with(Steps::step);
        AABB::from_point(self.spot)
    }
}

impl PointDistance for Leaf {
    fn distance_2(&self, point: &[f64; 3]) -> f64 {
        self.spot.distance_2(point)
    }
}

/// Each anchor's edges, the nearest first, of equal ones the earlier point.
///
/// # Errors
/// The query was ended, or more edges than a chunk may take.
pub fn edges(points: &[(f64, f64)], anchors: &[(f64, f64)], search: &Search) -> Result<Vec<Edge>> {
    let Search { near, metric, own, limits } = *search;
    let leaf = |(index, point): (usize, &(f64, f64))| Leaf { spot: metric.spot(*point), index };
    let tree = RTree::bulk_load(points.iter().enumerate().map(leaf).collect());
    let held = AtomicUsize::new(0);
    const AT_ONCE: usize = 4096;
    let mut parts: Vec<(usize, Vec<Edge>)> =
        (0..anchors.len()).step_by(AT_ONCE).map(|from| (from, Vec::new())).collect();
    workers::each(&mut parts, limits.threads, |(from, edges)| {
        let mut found = Vec::new();
        for (source, anchor) in anchors.iter().enumerate().skip(*from).take(AT_ONCE) {
            go_on()?;
            found.clear();
            around(&tree, metric.spot(*anchor), near, metric, own.then_some(source), &mut found);
            let all = held.fetch_add(found.len(), Relaxed) + found.len();
            limits.allow(all.saturating_mul(size_of::<Edge>()), || Load::Chunk)?;
            edges.extend(found.iter().map(|(square, target)| Edge {
                source,
                target: *target,
                distance: metric.distance(*square),
            }));
        }
        Ok(())
    })?;
    Ok(parts.into_iter().flat_map(|(_, edges)| edges).collect())
}

fn around(
    tree: &RTree<Leaf>,
    spot: [f64; 3],
    near: Near,
    metric: Metric,
    own: Option<usize>,
    found: &mut Vec<(f64, usize)>,
) {
    let others = |leaf: &&Leaf| Some(leaf.index) != own;
    match near {
        Near::Nearest(k) => {
            for leaf in tree.nearest_neighbor_iter(&spot).filter(others) {
                let square = leaf.distance_2(&spot);
                // Those as far as the last one are looked at too, for the earlier of them to count.
                if found.len() >= k && found.last().is_none_or(|(last, _)| square > *last) {
                    break;
                }
                found.push((square, leaf.index));
            }
            sort(found);
            found.truncate(k);
        }
        Near::Within(distance) => {
            let reach = match metric {
                Metric::Sphere => sphere::chord_of_km(distance),
                Metric::Plane => distance,
            };
            // A little more, and then exactly.
            let around = tree.locate_within_distance(spot, reach * reach * (1.0 + 1e-12)).filter(others);
            let squares = around.map(|leaf| (leaf.distance_2(&spot), leaf.index));
            found.extend(squares.filter(|(square, _)| *square <= reach * reach));
            sort(found);
        }
    }
}

fn sort(found: &mut [(f64, usize)]) {
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    #[test]
    fn neighbours_are_those_of_brute_force_and_ties_go_to_the_earlier() {
        let mut rng = Pcg64::new(8);
        // Whole degrees: many points are equally far, and some are the same.
        let mut draw = |n: usize| -> Vec<(f64, f64)> {
            (0..n).map(|_| (rng.integer(40) as f64 - 200.0, rng.integer(20) as f64 + 70.0)).collect()
        };
        let points = draw(300);
        for metric in [Metric::Sphere, Metric::Plane] {
            let far = |a: (f64, f64), b: (f64, f64)| {
                let (a, b) = (metric.spot(a), metric.spot(b));
                a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
            };
            for near in [Near::Nearest(5), Near::Within(if metric == Metric::Sphere { 150.0 } else { 2.0 })] {
                let search =
                    Search { near, metric, own: true, limits: Limits { threads: 2, ..Limits::default() } };
                let edges = edges(&points, &points, &search).unwrap();
                for (source, anchor) in points.iter().enumerate() {
                    let mut want: Vec<(f64, usize)> = (0..points.len())
                        .filter(|i| *i != source)
                        .map(|i| (far(*anchor, points[i]), i))
                        .collect();
                    sort(&mut want);
                    let want: Vec<usize> = match near {
                        Near::Nearest(k) => want.iter().take(k).map(|(_, i)| *i).collect(),
                        Near::Within(reach) => {
                            let reach =
                                if metric == Metric::Sphere { sphere::chord_of_km(reach) } else { reach };
                            want.iter().filter(|(d, _)| *d <= reach * reach).map(|(_, i)| *i).collect()
                        }
                    };
                    let got: Vec<usize> =
                        edges.iter().filter(|e| e.source == source).map(|e| e.target).collect();
                    assert_eq!(got, want, "{metric:?} {near:?} {source}");
                }
            }
        }
    }
}
