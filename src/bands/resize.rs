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

/// What a pixel is made of along one axis: indices and weights, which add up to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis(Vec<Vec<(usize, f64)>>);

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
        let one = |index: usize| match method {
            Method::Nearest => vec![((((index as f64 + 0.5) * scale) as usize).min(from - 1), 1.0)],
            Method::Bilinear => {
                // Half-pixel centres: PyTorch's align_corners = False.
                let centre = ((index as f64 + 0.5) * scale - 0.5).max(0.0);
                let first = (centre as usize).min(from - 1);
                let share = centre - first as f64;
                let second = (first + 1).min(from - 1);
                if second == first { vec![(first, 1.0)] } else { vec![(first, 1.0 - share), (second, share)] }
            }
            Method::Average => {
                // In whole numbers, `to` parts a pixel: what is covered whole has its whole weight.
                let (start, stop) = (index * from, (index + 1) * from);
                let covered = |pixel: usize| ((pixel + 1) * to).min(stop) - (pixel * to).max(start);
                let pixels = start / to..stop.div_ceil(to);
                pixels.map(|pixel| (pixel, covered(pixel) as f64 / from as f64)).collect()
            }
        };
        Ok(Axis((0..to).map(one).collect()))
    }
}

/// A plane of `width` columns onto the axes; `has` says which pixels are there. Gives each pixel to `put`, in order.
///
/// # Errors
/// The query was interrupted.
pub fn plane(
    values: &[f64],
    width: usize,
    has: impl Fn(usize) -> bool,
    (rows, cols): (&Axis, &Axis),
    mut put: impl FnMut(Option<f64>),
) -> Result<()> {
    for row in &rows.0 {
        go_on()?;
        for col in &cols.0 {
            let (mut sum, mut share) = (0.0, 0.0);
            for (r, by_row) in row {
                // Along the row first, as PyTorch does.
                let (mut of_row, mut there) = (0.0, 0.0);
                for (c, by_col) in col {
                    let at = r * width + c;
                    if has(at) {
                        of_row += by_col * values[at];
                        there += by_col;
                    }
                }
                sum += by_row * of_row;
                share += by_row * there;
            }
            put((share > LEAST).then(|| if share == 1.0 { sum } else { sum / share }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, values: &[f64], from: (usize, usize), to: (usize, usize)) -> Vec<Option<f64>> {
        let axes = (Axis::new(method, from.0, to.0).unwrap(), Axis::new(method, from.1, to.1).unwrap());
        let mut out = Vec::new();
        plane(values, from.1, |at| !values[at].is_nan(), (&axes.0, &axes.1), |value| out.push(value))
            .unwrap();
        out
    }

    #[test]
    fn weights_along_an_axis_add_up_to_one() {
        for (_, method) in METHODS {
            for (from, to) in [(1, 1), (1, 7), (7, 1), (5, 3), (3, 5), (64, 17), (17, 64), (9, 9)] {
                for weights in Axis::new(method, from, to).unwrap().0 {
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
