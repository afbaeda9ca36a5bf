//! Stored values of an array file as numbers: scale, offset, and what stands for no value.

use crate::dtype::with_pixels;
use crate::dtype::{Pixel, Pixels};
use crate::error::{Error, Result};
use crate::format::array::{Absent, Variable};
use crate::read::gaps::{self, Gaps, GapsBuilder};

/// How stored values become numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decoding {
    /// `stored * scale + offset`.
    pub scaled: bool,
    /// What the variable says is no value is none: see [`Variable::absent`].
    pub masked: bool,
    /// A number instead of no value.
    pub fill: Option<f64>,
}

impl Default for Decoding {
    fn default() -> Decoding {
        Decoding { scaled: true, masked: true, fill: None }
    }
}

impl Decoding {
    /// What scale and offset do to a variable; `None` when they leave it as it is.
    pub fn linear(&self, variable: &Variable) -> Option<(f64, f64)> {
        let linear = (variable.scale.unwrap_or(1.0), variable.offset.unwrap_or(0.0));
        (self.scaled && linear != (1.0, 0.0)).then_some(linear)
    }
}

/// Writes values as numbers of type `T` into `out`. Gives the runs of `out` without a value, in order; there are none
/// when a fill value was asked for. NaN is no value where the variable's fill value is NaN, and stays NaN elsewhere.
///
/// # Errors
/// [`Error::Bug`]: another number of values than of pixels.
pub fn decode<T: Pixel>(
    pixels: &Pixels,
    variable: &Variable,
    decoding: &Decoding,
    out: &mut [T],
) -> Result<Gaps> {
    if pixels.len() != out.len() {
        return Err(Error::Bug(format!("{} values for {} pixels", pixels.len(), out.len())));
    }
    match (T::view(pixels), decoding.linear(variable)) {
        (Some(values), None) => out.copy_from_slice(values),
        (None, None) => with_pixels!(pixels, values => {
            out.iter_mut().zip(values).for_each(|(to, from)| *to = T::of(*from));
        }),
        (_, Some((scale, offset))) => with_pixels!(pixels, values => {
            out.iter_mut().zip(values).for_each(|(to, from)| *to = T::of(from.f64() * scale + offset));
        }),
    }
    if !decoding.masked {
        return Ok(Vec::new());
    }
    let gaps = with_pixels!(pixels, values => gaps_of(values, &variable.absent()));
    Ok(gaps::fill(gaps, decoding.fill, out))
}

fn gaps_of<P: Pixel>(values: &[P], absent: &Absent<P>) -> Gaps {
    let mut found = GapsBuilder::default();
    if absent.is_empty() {
        return found.finish();
    }
    const BLOCK: usize = 1024;
    for (number, block) in values.chunks(BLOCK).enumerate().filter(|(_, block)| absent.any(block)) {
        found.add_where(block, number * BLOCK, |value| absent.holds(*value));
    }
    found.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Nodata;

    fn variable(nodata: Option<Nodata>, scale: Option<f64>) -> Variable {
        Variable {
            name: "v".into(),
            dims: vec!["x".into()],
            unnamed: Vec::new(),
            shape: vec![4],
            dtype_name: "int16".into(),
            dtype: Some(crate::dtype::Dtype::Int16),
            chunk: None,
            nodata,
            scale,
            offset: Some(1.0),
            unit: None,
            attributes: vec![("missing_value".into(), crate::format::array::Attribute::Integers(vec![-2]))],
        }
    }

    #[test]
    fn both_fill_values_are_no_value_and_the_rest_is_scaled() {
        let pixels = Pixels::Int16(vec![-1, 3, -2, -1]);
        let variable = variable(Some(Nodata::Integer(-1)), Some(0.5));
        let mut out = [0f32; 4];
        assert_eq!(decode(&pixels, &variable, &Decoding::default(), &mut out).unwrap(), [0..1, 2..4]);
        assert_eq!(out[1], 2.5);
        let dense = Decoding { fill: Some(-9.0), ..Decoding::default() };
        assert_eq!(decode(&pixels, &variable, &dense, &mut out), Ok(Vec::new()));
        assert_eq!(out, [-9.0, 2.5, -9.0, -9.0]);
        let raw = Decoding { scaled: false, masked: false, fill: None };
        let mut out = [0i16; 4];
        assert_eq!(decode(&pixels, &variable, &raw, &mut out), Ok(Vec::new()));
        assert_eq!(out, [-1, 3, -2, -1]);
    }

    #[test]
    fn gaps_run_over_blocks() {
        let mut values = vec![0f32; 5000];
        values[1020..1030].fill(f32::NAN);
        let mut variable = variable(Some(Nodata::Float(f64::NAN)), None);
        variable.attributes.clear();
        assert_eq!(gaps_of(&values, &variable.absent()).as_slice(), std::slice::from_ref(&(1020..1030)));
        variable.nodata = None;
        assert!(gaps_of(&values, &variable.absent::<f32>()).is_empty());
    }
}
