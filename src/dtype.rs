//! The types that pixels have, by the names that NumPy and rasterio use.

use std::fmt;

use bytemuck::Pod;

/// A real pixel type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Signed, 8 bits.
    Int8,
    /// Unsigned, 8 bits.
    UInt8,
    /// Signed, 16 bits.
    Int16,
    /// Unsigned, 16 bits.
    UInt16,
    /// Signed, 32 bits.
    Int32,
    /// Unsigned, 32 bits.
    UInt32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 64 bits.
    UInt64,
    /// Float, 32 bits.
    Float32,
    /// Float, 64 bits.
    Float64,
}

/// Every dtype with its name: the order is that of promotion within a kind.
pub const DTYPES: [(&str, Dtype); 10] = [
    ("int8", Dtype::Int8),
    ("uint8", Dtype::UInt8),
    ("int16", Dtype::Int16),
    ("uint16", Dtype::UInt16),
    ("int32", Dtype::Int32),
    ("uint32", Dtype::UInt32),
    ("int64", Dtype::Int64),
    ("uint64", Dtype::UInt64),
    ("float32", Dtype::Float32),
    ("float64", Dtype::Float64),
];

impl Dtype {
    /// Bytes of a pixel.
    pub fn size(self) -> usize {
        match self {
            Dtype::Int8 | Dtype::UInt8 => 1,
            Dtype::Int16 | Dtype::UInt16 => 2,
            Dtype::Int32 | Dtype::UInt32 | Dtype::Float32 => 4,
            Dtype::Int64 | Dtype::UInt64 | Dtype::Float64 => 8,
        }
    }

    /// The types that pixels of this one may be asked for in, as an error lists them.
    pub fn offered(self) -> String {
        if self.is_float() { "float32, float64".into() } else { format!("{self}, float32, float64") }
    }

    /// Whether it is one of the two floats.
    pub fn is_float(self) -> bool {
        matches!(self, Dtype::Float32 | Dtype::Float64)
    }

    /// The type of numbers that are worked out from ones of this type, scaled or between two: a float.
    #[must_use]
    pub fn worked_out(self) -> Dtype {
        match self {
            own if own.is_float() => own,
            own if own.size() <= 2 => Dtype::Float32,
            _ => Dtype::Float64,
        }
    }

    /// Holds whole numbers that a FLOAT does not.
    pub fn is_wide_integer(self) -> bool {
        matches!(self, Dtype::Int32 | Dtype::UInt32 | Dtype::Int64 | Dtype::UInt64)
    }
}

impl Dtype {
    /// The integers of the same size with or without a sign; floats stay what they are.
    #[must_use]
    pub fn with_sign(self, signed: bool) -> Dtype {
        match (self, signed) {
            (Dtype::Int8 | Dtype::UInt8, true) => Dtype::Int8,
            (Dtype::Int8 | Dtype::UInt8, false) => Dtype::UInt8,
            (Dtype::Int16 | Dtype::UInt16, true) => Dtype::Int16,
            (Dtype::Int16 | Dtype::UInt16, false) => Dtype::UInt16,
            (Dtype::Int32 | Dtype::UInt32, true) => Dtype::Int32,
            (Dtype::Int32 | Dtype::UInt32, false) => Dtype::UInt32,
            (Dtype::Int64 | Dtype::UInt64, true) => Dtype::Int64,
            (Dtype::Int64 | Dtype::UInt64, false) => Dtype::UInt64,
            (float @ (Dtype::Float32 | Dtype::Float64), _) => float,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = DTYPES.iter().find(|(_, dtype)| dtype == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

/// The value that stands for "no pixel". 64-bit integers have values that no f64 has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Nodata {
    /// Of floats, and of whole numbers that a double holds.
    Float(f64),
    /// Of whole numbers of 64 bits.
    Integer(i128),
}

impl Nodata {
    /// The nearest double.
    pub fn f64(self) -> f64 {
        match self {
            Nodata::Float(value) => value,
            Nodata::Integer(value) => value as f64,
        }
    }
}

impl Nodata {
    /// A whole number as the bits of a type say it, where that has no such number and its kin with or without a sign has:
    /// files whose `_Unsigned` says what their type does not give -1 for 255, or 255 for -1.
    #[must_use]
    pub fn by_bits(self, dtype: Dtype) -> Nodata {
        let bits = 8 * dtype.size() as u32;
        let (turn, half) = (1i128 << bits, 1i128 << (bits - 1));
        let value = match self {
            Nodata::Integer(value) => value,
            Nodata::Float(value) if value.fract() == 0.0 && value.abs() < turn as f64 => value as i128,
            Nodata::Float(_) => return self,
        };
        match (dtype, dtype.with_sign(true) == dtype) {
            (Dtype::Float32 | Dtype::Float64, _) => self,
            (_, true) if (half..turn).contains(&value) => Nodata::Integer(value - turn),
            (_, false) if (-half..0).contains(&value) => Nodata::Integer(value + turn),
            _ => self,
        }
    }
}

/// A Rust type that pixels are held in.
pub trait Pixel: Pod + PartialEq + Default + Send + Sync {
    /// Which type this is.
    const DTYPE: Dtype;
    /// The nearest float of 32 bits.
    fn f32(self) -> f32;
    /// The nearest double.
    fn f64(self) -> f64;
    /// The value that a file's nodata stands for in this type; `None` when no pixel can have it.
    fn nodata(value: Nodata) -> Option<Self>;
    /// The value, where the type holds integers alone.
    fn integer(self) -> Option<i128>;
    /// A whole number that a FLOAT would change.
    fn beyond_float(self) -> Option<i128> {
        let whole = self.f64().fract() == 0.0 && self.f32().is_finite();
        let whole = self.integer().or_else(|| whole.then_some(self.f64() as i128))?;
        (self.f32() as i128 != whole).then_some(whole)
    }
    /// A whole number that a DOUBLE would change.
    fn beyond_double(self) -> Option<i128> {
        self.integer().filter(|whole| self.f64() as i128 != *whole)
    }
    /// A number that has no FLOAT near it, which would be infinite.
    fn above_float(self) -> Option<f64> {
        (self.f64().is_finite() && self.f32().is_infinite()).then(|| self.f64())
    }
    /// True for the value itself, and for NaN when the value is NaN.
    fn is(self, value: Self) -> bool;
    /// `value` in this type; a caller that asks for another type than the file's asks for a float.
    fn of<P: Pixel>(value: P) -> Self;
    /// The values as pixels of this type.
    fn pixels(values: Vec<Self>) -> Pixels;
    /// The values, where they are of this type.
    fn view(pixels: &Pixels) -> Option<&[Self]>;
}

macro_rules! pixel {
    (int $($type:ty => $dtype:ident),*) => {$(
        impl Pixel for $type {
            const DTYPE: Dtype = Dtype::$dtype;
            fn f32(self) -> f32 { self as f32 }
            fn f64(self) -> f64 { self as f64 }
            fn pixels(values: Vec<Self>) -> Pixels { Pixels::$dtype(values) }
            fn view(pixels: &Pixels) -> Option<&[Self]> {
                match pixels { Pixels::$dtype(values) => Some(values), _ => None }
            }
            fn nodata(value: Nodata) -> Option<Self> {
                match value {
                    Nodata::Integer(value) => <$type>::try_from(value).ok(),
                    Nodata::Float(value) => {
                        let nearest = value as $type;
                        (nearest as f64 == value).then_some(nearest)
                    }
                }
            }
            fn integer(self) -> Option<i128> { Some(self as i128) }
            fn is(self, value: Self) -> bool { self == value }
            fn of<P: Pixel>(value: P) -> Self { value.f64() as $type }
        }
    )*};
    (float $($type:ty => $dtype:ident),*) => {$(
        impl Pixel for $type {
            const DTYPE: Dtype = Dtype::$dtype;
            fn f32(self) -> f32 { self as f32 }
            fn f64(self) -> f64 { self as f64 }
            fn pixels(values: Vec<Self>) -> Pixels { Pixels::$dtype(values) }
            fn view(pixels: &Pixels) -> Option<&[Self]> {
                match pixels { Pixels::$dtype(values) => Some(values), _ => None }
            }
            fn nodata(value: Nodata) -> Option<Self> { Some(value.f64() as $type) }
            fn integer(self) -> Option<i128> { None }
            fn is(self, value: Self) -> bool { self == value || (self.is_nan() && value.is_nan()) }
            fn of<P: Pixel>(value: P) -> Self { value.f64() as $type }
        }
    )*};
}
pixel!(int i8 => Int8, u8 => UInt8, i16 => Int16, u16 => UInt16, i32 => Int32, u32 => UInt32,
    i64 => Int64, u64 => UInt64);
pixel!(float f32 => Float32, f64 => Float64);

/// A number as an error tells it: a long one by its power of ten.
pub fn told(value: f64) -> String {
    if value.abs() < 1e17 && (value == 0.0 || value.abs() > 1e-17) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// Calls a generic expression with `$T` bound to the Rust type of a dtype.
macro_rules! with_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        $crate::dtype::with_dtype!(@arms $dtype, $T, $body,
            Int8 i8, UInt8 u8, Int16 i16, UInt16 u16, Int32 i32, UInt32 u32, Int64 i64, UInt64 u64,
            Float32 f32, Float64 f64)
    };
    (@arms $dtype:expr, $T:ident, $body:expr, $($name:ident $type:ty),*) => {
        match $dtype {
            $($crate::dtype::Dtype::$name => {
                type $T = $type;
                $body
            })*
        }
    };
}
pub(crate) use with_dtype;

/// One block of decoded pixels in the file's own type, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// Pixels of [`Dtype::Int8`].
    Int8(Vec<i8>),
    /// Pixels of [`Dtype::UInt8`].
    UInt8(Vec<u8>),
    /// Pixels of [`Dtype::Int16`].
    Int16(Vec<i16>),
    /// Pixels of [`Dtype::UInt16`].
    UInt16(Vec<u16>),
    /// Pixels of [`Dtype::Int32`].
    Int32(Vec<i32>),
    /// Pixels of [`Dtype::UInt32`].
    UInt32(Vec<u32>),
    /// Pixels of [`Dtype::Int64`].
    Int64(Vec<i64>),
    /// Pixels of [`Dtype::UInt64`].
    UInt64(Vec<u64>),
    /// Pixels of [`Dtype::Float32`].
    Float32(Vec<f32>),
    /// Pixels of [`Dtype::Float64`].
    Float64(Vec<f64>),
}

/// Calls a generic expression with `$values` bound to the typed vector of some [`Pixels`].
macro_rules! with_pixels {
    ($pixels:expr, $values:ident => $body:expr) => {
        match $pixels {
            $crate::dtype::Pixels::Int8($values) => $body,
            $crate::dtype::Pixels::UInt8($values) => $body,
            $crate::dtype::Pixels::Int16($values) => $body,
            $crate::dtype::Pixels::UInt16($values) => $body,
            $crate::dtype::Pixels::Int32($values) => $body,
            $crate::dtype::Pixels::UInt32($values) => $body,
            $crate::dtype::Pixels::Int64($values) => $body,
            $crate::dtype::Pixels::UInt64($values) => $body,
            $crate::dtype::Pixels::Float32($values) => $body,
            $crate::dtype::Pixels::Float64($values) => $body,
        }
    };
}
pub(crate) use with_pixels;

impl Pixels {
    /// How many pixels there are.
    pub fn len(&self) -> usize {
        with_pixels!(self, values => values.len())
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of `length` values from `from` on; `None` when there are fewer.
    pub fn slice(&self, from: usize, length: usize) -> Option<Pixels> {
        let end = from.checked_add(length)?;
        with_pixels!(self, values => Some(Pixel::pixels(values.get(from..end)?.to_vec())))
    }

    /// What they take in memory.
    pub fn bytes(&self) -> usize {
        with_pixels!(self, values => std::mem::size_of_val(values.as_slice()))
    }

    /// The same bits as the integers of the same size that `dtype` says; what is of another size stays.
    #[must_use]
    pub fn by_bits(self, dtype: Dtype) -> Pixels {
        match (self, dtype) {
            (Pixels::Int8(values), Dtype::UInt8) => Pixels::UInt8(bytemuck::cast_vec(values)),
            (Pixels::UInt8(values), Dtype::Int8) => Pixels::Int8(bytemuck::cast_vec(values)),
            (Pixels::Int16(values), Dtype::UInt16) => Pixels::UInt16(bytemuck::cast_vec(values)),
            (Pixels::UInt16(values), Dtype::Int16) => Pixels::Int16(bytemuck::cast_vec(values)),
            (Pixels::Int32(values), Dtype::UInt32) => Pixels::UInt32(bytemuck::cast_vec(values)),
            (Pixels::UInt32(values), Dtype::Int32) => Pixels::Int32(bytemuck::cast_vec(values)),
            (Pixels::Int64(values), Dtype::UInt64) => Pixels::UInt64(bytemuck::cast_vec(values)),
            (Pixels::UInt64(values), Dtype::Int64) => Pixels::Int64(bytemuck::cast_vec(values)),
            (same, _) => same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodata_counts_only_when_a_pixel_can_have_it() {
        assert_eq!(u8::nodata(Nodata::Float(255.0)), Some(255));
        assert_eq!(u8::nodata(Nodata::Float(-9999.0)), None);
        assert_eq!(i16::nodata(Nodata::Float(0.5)), None);
        assert_eq!(u8::nodata(Nodata::Float(f64::NAN)), None);
        assert_eq!(f32::nodata(Nodata::Float(-3.4028234663852886e38)), Some(f32::MIN));
        assert!(f32::NAN.is(f32::NAN) && !0f32.is(f32::NAN));
    }
}
