//! Planes of pixels onto another number of rows and columns over the same extent.

use crate::error::{Error, Result};
use crate::workers::go_on;

/// How a pixel is worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Between the four nearest centres, in proportion.
    Bilinear,
    /// The one that its centre lies in.
    Nearest,
    /// The mean of those that it covers, by area.
    Average,
}

/// Every method by its name.
pub const METHODS: [(&str, Method); 3] =
    [("bilinear", Method::Bilinear), ("nearest", Method::Nearest), ("average", Method::Average)];

/// Below this share of what is there a pixel is missing, as in OceanTACO's resize.
const LEAST: f64 = 0.01;

/// What each pixel is made of along one axis: indices and weights, which add up to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    parts: Vec<(usize, f64)>,
    /// Where the parts of each pixel end.
    ends: Vec<usize>,
}

impl Axis {
    /// From so many pixels to so many others.
    ///
    /// # Errors
    /// An axis without pixels.
    pub fn new(method: Method, from: usize, to: usize) -> Result<Axis> {
        if from == 0 || to == 0 {
            return Err(Error::invalid(
                format!("{from} pixels to {to}"),
                "at least one pixel along each axis",
            ));
        }
        let scale = from as f64 / to as f64;
        let mut axis = Axis { parts: Vec::new(), ends: Vec::with_capacity(to) };
        for index in 0..to {
            match method {
                Method::Nearest => {
                    let nearest = (((index as f64 + 0.5) * scale) as usize).min(from - 1);
                    axis.parts.push((nearest, 1.0));
                }
                Method::Bilinear => {
                    // Half-pixel centres: PyTorch's align_corners = False.
                    let centre = ((index as f64 + 0.5) * scale - 0.5).max(0.0);
                    let first = (centre as usize).min(from - 1);
                    let share = centre - first as f64;
                    let second = (first + 1).min(from - 1);
                    match second == first {
                        true => axis.parts.push((first, 1.0)),
                        false => axis.parts.extend([(first, 1.0 - share), (second, share)]),
                    }
                }
                Method::Average => {
                    // In whole numbers, `to` parts a pixel: what is covered whole has its whole weight.
                    let (start, stop) = (index * from, (index + 1) * from);
                    let covered = |pixel: usize| ((pixel + 1) * to).min(stop) - (pixel * to).max(start);
                    let pixels = start / to..stop.div_ceil(to);
                    axis.parts.extend(pixels.map(|pixel| (pixel, covered(pixel) as f64 / from as f64)));
                }
            }
            axis.ends.push(axis.parts.len());
        }
        Ok(axis)
    }

    /// The parts of each pixel.
    fn pixels(&self) -> impl Iterator<Item = &[(usize, f64)]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        self.ends.iter().zip(starts).map(|(end, start)| &self.parts[*start..*end])
    }
}

/// A row of pixels, brought onto the columns of the result.
#[derive(Debug, Default)]
struct Across {
    /// Which row it is of.
    row: Option<usize>,
    sums: Vec<f64>,
    /// How much of each is there.
    shares: Vec<f64>,
}

impl Across {
    fn fill(&mut self, row: usize, values: &[f64], valid: Option<&[bool]>, cols: &Axis) {
        if self.row.replace(row) == Some(row) {
            return;
        }
        self.sums.clear();
        self.shares.clear();
        let is_whole = valid.is_none_or(|valid| valid.iter().all(|valid| *valid))
            && !values.iter().fold(false, |any, value| any | value.is_nan());
        for parts in cols.pixels() {
            let (mut sum, mut share) = (0.0, 0.0);
            for (at, weight) in parts {
                if is_whole || (valid.is_none_or(|valid| valid[*at]) && !values[*at].is_nan()) {
                    sum += weight * values[*at];
                    share += weight;
                }
            }
            self.sums.push(sum);
            self.shares.push(share);
        }
    }
}

/// A plane of `width` columns onto the axes; `valid` says which pixels are there, of which NaN is none. Gives the rows to `put`, in
/// order: values, and which are there.
///
/// # Errors
/// The query was interrupted, or what `put` says.
pub fn plane(
    values: &[f64],
    width: usize,
    valid: Option<&[bool]>,
    (rows, cols): (&Axis, &Axis),
    mut put: impl FnMut(&[f64], &[bool]) -> Result<()>,
) -> Result<()> {
    // The last rows that were brought onto the columns: neighbours share them.
    let mut across = [Across::default(), Across::default()];
    let (mut sums, mut shares, mut there) = (Vec::new(), Vec::new(), Vec::new());
    for parts in rows.pixels() {
        go_on()?;
        sums.clear();
        sums.resize(cols.ends.len(), 0.0);
        shares.clear();
        shares.resize(cols.ends.len(), 0.0);
        for (row, weight) in parts {
            let of_row = row * width..(row + 1) * width;
            let across = &mut across[row % 2];
            // Along the row first, as PyTorch does.
            across.fill(*row, &values[of_row.clone()], valid.map(|valid| &valid[of_row]), cols);
            for (sum, of_row) in sums.iter_mut().zip(&across.sums) {
                *sum += weight * of_row;
            }
            for (share, of_row) in shares.iter_mut().zip(&across.shares) {
                *share += weight * of_row;
            }
        }
        there.clear();
        there.extend(shares.iter().map(|share| *share > LEAST));
        for (sum, share) in sums.iter_mut().zip(&shares) {
            *sum = if *share == 1.0 { *sum } else { *sum / share };
        }
        put(&sums, &there)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, values: &[f64], from: (usize, usize), to: (usize, usize)) -> Vec<Option<f64>> {
        let axes = (Axis::new(method, from.0, to.0).unwrap(), Axis::new(method, from.1, to.1).unwrap());
        let mut out = Vec::new();
        plane(values, from.1, None, (&axes.0, &axes.1), |values, there| {
            out.extend(values.iter().zip(there).map(|(value, there)| there.then_some(*value)));
            Ok(())
        })
        .unwrap();
        out
    }

    #[test]
    fn weights_along_an_axis_add_up_to_one() {
        for (_, method) in METHODS {
            for (from, to) in [(1, 1), (1, 7), (7, 1), (5, 3), (3, 5), (64, 17), (17, 64), (9, 9)] {
                for weights in Axis::new(method, from, to).unwrap().pixels() {
                    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
                    assert!(
                        (sum - 1.0).abs() < 1e-12 && weights.iter().all(|(at, _)| *at < from),
                        "{method:?}"
                    );
                }
            }
        }
        assert!(Axis::new(Method::Nearest, 0, 3).is_err() && Axis::new(Method::Nearest, 3, 0).is_err());
    }

    #[test]
    fn each_method_does_what_it_says() {
        let values = [1.0, 2.0, 3.0, 4.0];
        let some = |values: &[f64]| values.iter().map(|v| Some(*v)).collect::<Vec<_>>();
        assert_eq!(of(Method::Average, &values, (2, 2), (1, 1)), some(&[2.5]));
        assert_eq!(of(Method::Average, &values, (1, 4), (1, 2)), some(&[1.5, 3.5]));
        assert_eq!(of(Method::Nearest, &values, (1, 4), (1, 2)), some(&[2.0, 4.0]));
        assert_eq!(of(Method::Bilinear, &values, (1, 4), (1, 2)), some(&[1.5, 3.5]));
        assert_eq!(of(Method::Bilinear, &values[..2], (1, 2), (1, 4)), some(&[1.0, 1.25, 1.75, 2.0]));
        for (_, method) in METHODS {
            assert_eq!(of(method, &values, (2, 2), (2, 2)), some(&values));
        }
    }

    #[test]
    fn what_is_missing_weighs_nothing() {
        let values = [1.0, f64::NAN, 3.0, f64::NAN];
        assert_eq!(of(Method::Average, &values, (1, 4), (1, 1)), [Some(2.0)]);
        assert_eq!(of(Method::Average, &[f64::NAN; 4], (1, 4), (1, 1)), [None]);
        assert_eq!(of(Method::Bilinear, &values, (1, 4), (1, 4)), [Some(1.0), None, Some(3.0), None]);
    }
}
