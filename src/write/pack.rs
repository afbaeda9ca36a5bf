//! Numbers into the pixels of a file: its type, its scale, and what stands for no pixel.

use std::fmt::Display;

use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Nodata, Pixel, told};
use crate::error::{Error, Result};

/// How numbers become pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Packing {
    /// The type of the file's pixels.
    pub dtype: Dtype,
    /// The value of pixels that are none.
    pub nodata: Option<Nodata>,
    /// A mask says which pixels are none.
    pub masked: bool,
    /// Scale and offset: what a pixel stands for is `pixel * scale + offset`.
    pub scaling: Option<(f64, f64)>,
    /// The format that is written, for messages.
    pub format: Format,
}

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// As SQL names it.
    pub name: &'static str,
    /// It can hold a mask beside its pixels.
    pub masks: bool,
}

/// The value that stands for no pixel in a file of a type: what is asked for, else NaN in floats.
///
/// # Errors
/// No pixel of the type has the value.
pub fn nodata(dtype: Dtype, asked: Option<Nodata>) -> Result<Option<Nodata>> {
    let Some(asked) = asked.or(dtype.is_float().then_some(Nodata::Float(f64::NAN))) else { return Ok(None) };
    let held = with_dtype!(dtype, T => {
        let held = T::nodata(asked);
        // A FLOAT takes the nearest value, which is the one that the file tells.
        let held = held.filter(|value| value.f64().is_infinite() == asked.f64().is_infinite());
        held.map(|value| value.integer().map_or(Nodata::Float(value.f64()), Nodata::Integer))
    });
    let text = match asked {
        Nodata::Float(value) => value.to_string(),
        Nodata::Integer(value) => value.to_string(),
    };
    held.map(Some).ok_or_else(|| Error::invalid(text, format!("a value that pixels of {dtype} can have")))
}

/// A value that is mostly free, to be named where one has to be chosen.
pub fn suggestion(dtype: Dtype) -> i128 {
    match dtype {
        Dtype::Int8 => i8::MIN.into(),
        Dtype::UInt8 => u8::MAX.into(),
        Dtype::Int16 => i16::MIN.into(),
        Dtype::UInt16 => u16::MAX.into(),
        Dtype::UInt32 => u32::MAX.into(),
        Dtype::UInt64 => u64::MAX.into(),
        Dtype::Int32 | Dtype::Int64 | Dtype::Float32 | Dtype::Float64 => i32::MIN.into(),
    }
}

impl Packing {
    /// What a pixel that is none is written as.
    ///
    /// # Errors
    /// Nothing stands for that in the file.
    pub fn fill<T: Pixel>(&self) -> Result<T> {
        match self.nodata.and_then(T::nodata) {
            Some(fill) => Ok(fill),
            None if self.masked => Ok(T::default()),
            None => {
                let problem = format!("a pixel is NULL, and no value of {} stands for that", T::DTYPE);
                let free = suggestion(T::DTYPE);
                let mask = if self.format.masks { ", or write a mask: MASK true" } else { "" };
                let remedy = format!("Name one that no pixel has, for example NODATA {free}{mask}");
                Err(self.blame("NODATA", Error::conflict(problem, remedy)))
            }
        }
    }

    /// A number as a pixel: scaled, and rounded to the nearest whole number, halves to even, where the type has those alone.
    ///
    /// # Errors
    /// The type has no such number.
    #[inline]
    pub fn pixel<T: Pixel>(&self, value: f64) -> Result<T> {
        let stored = self.scaling.map_or(value, |(scale, offset)| (value - offset) / scale);
        if T::DTYPE.is_float() {
            let held = T::of(stored);
            let lost = held.f64().is_infinite() && stored.is_finite();
            return if lost { Err(self.beyond(told(value), told(stored))) } else { Ok(held) };
        }
        let whole = stored.round_ties_even();
        // Beyond 2^53 neighbours of a limit are the limit itself in doubles: there the number is compared as one.
        let held = T::of(whole);
        let same = held.f64() == whole && held.integer().is_some_and(|n| n == whole as i128);
        if same { Ok(held) } else { Err(self.beyond(told(value), told(stored))) }
    }

    /// Whole numbers as pixels of another whole type, `None` as what is none.
    ///
    /// # Errors
    /// As [`Packing::pixel`] and [`Packing::fill`].
    pub fn pack_whole<T: Pixel>(&self, values: impl Iterator<Item = Option<i128>>) -> Result<Vec<T>> {
        let fill = self.fill::<T>();
        let one = |value: Option<i128>| match value {
            Some(value) => T::nodata(Nodata::Integer(value)).ok_or_else(|| self.beyond(value, value)),
            None => fill.clone(),
        };
        values.map(one).collect()
    }

    #[cold]
    fn beyond<N: Display>(&self, value: N, stored: N) -> Error {
        let scaled = if self.scaling.is_some() { format!(", stored as {stored}") } else { String::new() };
        let problem = format!("a pixel of {value}{scaled} does not fit {}", self.dtype);
        let remedy = "Give a wider DTYPE, another SCALE and OFFSET, or NULL where there is no pixel";
        self.blame("DTYPE", Error::conflict(problem, remedy))
    }

    fn blame(&self, option: &str, error: Error) -> Error {
        error.at(format!("{}({option})", self.format.name))
    }

    /// Numbers as pixels, `None` as what is none.
    ///
    /// # Errors
    /// As [`Packing::pixel`] and [`Packing::fill`].
    pub fn pack<T: Pixel>(&self, values: impl Iterator<Item = Option<f64>>) -> Result<Vec<T>> {
        let fill = self.fill::<T>();
        let one = |value: Option<f64>| match value {
            Some(value) => self.pixel(value),
            None => fill.clone(),
        };
        values.map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packing(dtype: Dtype, scaling: Option<(f64, f64)>) -> Packing {
        Packing { dtype, nodata: None, masked: false, scaling, format: Format { name: "x", masks: true } }
    }

    #[test]
    fn nodata_is_a_value_of_the_type() {
        assert_eq!(nodata(Dtype::UInt8, Some(Nodata::Integer(255))).unwrap(), Some(Nodata::Integer(255)));
        assert_eq!(nodata(Dtype::Int16, Some(Nodata::Float(-9999.0))).unwrap(), Some(Nodata::Integer(-9999)));
        assert_eq!(nodata(Dtype::Int16, None).unwrap(), None);
        assert!(nodata(Dtype::Float32, None).unwrap().unwrap().f64().is_nan());
        let nearest = nodata(Dtype::Float32, Some(Nodata::Float(0.1))).unwrap();
        assert_eq!(nearest, Some(Nodata::Float(f64::from(0.1f32))));
        for (dtype, value) in [(Dtype::UInt8, 300.0), (Dtype::Int16, 0.5), (Dtype::Float32, 1e300)] {
            assert!(nodata(dtype, Some(Nodata::Float(value))).is_err(), "{dtype} {value}");
        }
    }

    #[test]
    fn a_number_is_rounded_to_the_type_or_refused() {
        let bytes = packing(Dtype::UInt8, None);
        assert_eq!([0.5, 1.5, 254.6, -0.4].map(|v| bytes.pixel::<u8>(v).unwrap()), [0, 2, 255, 0]);
        for value in [-1.0, 255.5, f64::NAN, f64::INFINITY] {
            assert!(bytes.pixel::<u8>(value).is_err(), "{value}");
        }
        let scaled = packing(Dtype::Int16, Some((0.01, 20.0)));
        assert_eq!(scaled.pixel::<i16>(21.234).unwrap(), 123);
        assert!(scaled.pixel::<i16>(1000.0).is_err());
        assert!(packing(Dtype::Int64, None).pixel::<i64>(9.3e18).is_err());
        assert!(packing(Dtype::UInt64, None).pixel::<u64>(1.8446744073709552e19).is_err());
        assert!(packing(Dtype::Float32, None).pixel::<f32>(f64::NAN).unwrap().is_nan());
    }

    #[test]
    fn what_is_no_pixel_needs_a_value_or_a_mask() {
        let mut packing = packing(Dtype::UInt8, None);
        let values = || [Some(1.0), None].into_iter();
        assert!(packing.pack::<u8>(values()).is_err());
        packing.masked = true;
        assert_eq!(packing.pack::<u8>(values()).unwrap(), [1, 0]);
        packing.nodata = Some(Nodata::Integer(255));
        assert_eq!(packing.pack::<u8>(values()).unwrap(), [1, 255]);
    }
}
