//! Projecting points: a transformation is made once for each pair of CRSs, and lent to one thread at a time.

#![allow(unsafe_code)]

use std::sync::LazyLock;

use gdal::spatial_ref::CoordTransform;

use crate::error::{Error, Result};
use crate::kept::Idle;
use crate::projection::spatial_ref;

/// A transformation that may go from thread to thread.
struct Lent(CoordTransform);

// SAFETY: GDAL gives PROJ's objects the context of the thread that uses them at each use and when they are
// destroyed, and hands transformations from thread to thread through a cache of its own. One thread at a time holds
// one: it leaves [`IDLE`] while it is used.
unsafe impl Send for Lent {}

/// Transformations that wait for a borrower, by the CRS they lead from and the one they lead to. PROJ takes
/// milliseconds to make one.
static IDLE: LazyLock<Idle<(String, String), Lent>> = LazyLock::new(|| Idle::new(MAX_IDLE));

/// Each takes some 100 KB. A pair of a year's UTM scenes and its catalog takes one for each thread.
const MAX_IDLE: usize = 512;

fn make(from: &str, to: &str) -> Result<Lent> {
    let transform = CoordTransform::new(&spatial_ref(from)?, &spatial_ref(to)?);
    let unprojectable =
        |_| Error::Unprojectable { what: "coordinates".into(), from: from.into(), to: to.into() };
    transform.map(Lent).map_err(unprojectable)
}

/// Projects points in place, (x, y) order in both; a point without an image becomes NaN, NaN.
///
/// # Errors
/// A CRS that PROJ does not know, or a pair without a transformation.
pub fn project(from: &str, to: &str, points: &mut [(f64, f64)]) -> Result<()> {
    if from == to {
        return Ok(());
    }
    let way = (from.to_string(), to.to_string());
    let lent = IDLE.take(&way).map_or_else(|| make(from, to), Ok)?;
    let (mut xs, mut ys): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    // An error means that some point failed; which one, its infinite coordinates say.
    let _ = lent.0.transform_coords(&mut xs, &mut ys, &mut []);
    IDLE.give_back(way, lent);
    for (point, (x, y)) in points.iter_mut().zip(xs.into_iter().zip(ys)) {
        *point = if x.is_finite() && y.is_finite() { (x, y) } else { (f64::NAN, f64::NAN) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_take_turns_with_a_transformation_agree() {
        let image = || {
            let mut points = [(500_000.0, 5_000_000.0), (400_000.0, 4_000_000.0)];
            project("EPSG:32631", "OGC:CRS84", &mut points).unwrap();
            points
        };
        let alone = image();
        assert!((alone[0].0 - 3.0).abs() < 1e-9);
        for _ in 0..8 {
            let threads: Vec<_> =
                (0..4).map(|_| std::thread::spawn(move || (0..50).all(|_| image() == alone))).collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        }
    }
}
