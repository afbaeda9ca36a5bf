//! Array files: named variables on named dimensions (NetCDF, HDF5, GRIB, Zarr), whatever the library.

use std::sync::Arc;

use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::error::{Error, Member, ReasonResult, Result};

/// What an array file's header says, without one value of a data variable.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArrayHeader {
    /// `netCDF`, `HDF5`, `GRIB` or `Zarr`.
    pub driver: String,
    /// In file order; a variable in a group is named by its path (`ocean/temp`).
    pub variables: Vec<Variable>,
    /// The file's own (global) attributes.
    pub attributes: Vec<(String, Attribute)>,
}

/// A variable: coordinates and data alike.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variable {
    /// Its name, with the groups that it lies in.
    pub name: String,
    /// Names of its dimensions, slowest first.
    pub dims: Vec<String>,
    /// The indices among them of those that the file gives no name: they tie nothing to another variable.
    pub unnamed: Vec<usize>,
    /// Sizes of its dimensions.
    pub shape: Vec<u64>,
    /// The stored type's name as NumPy writes it (`int16`), also of types without pixels (`str`).
    pub dtype_name: String,
    /// The stored type, where its values are numbers.
    pub dtype: Option<Dtype>,
    /// Sizes of the chunks that it is stored in, `None` when it lies in one piece.
    pub chunk: Option<Vec<u64>>,
    /// The stored value that stands for no value: `_FillValue`, else `missing_value`, else the format's own (Zarr's of
    /// version 2, NetCDF's of cells that were never written).
    pub nodata: Option<Nodata>,
    /// `value = stored * scale + offset`.
    pub scale: Option<f64>,
    /// 0 without it.
    pub offset: Option<f64>,
    /// Its `units`.
    pub unit: Option<String>,
    /// In file order.
    pub attributes: Vec<(String, Attribute)>,
}

/// The attributes that tell values which stand for none.
const FILLS: [&str; 2] = ["_FillValue", "missing_value"];

/// Which stored values stand for no value.
#[derive(Debug, Clone, PartialEq)]
pub struct Absent<T> {
    values: Vec<T>,
    /// Those below the first and above the second are none; NaN is neither.
    valid: Option<[f64; 2]>,
}

impl<T: Pixel> Absent<T> {
    /// Whether a value stands for none.
    pub fn holds(&self, value: T) -> bool {
        let outside = |[low, high]: [f64; 2]| value.f64() < low || value.f64() > high;
        self.values.iter().any(|absent| value.is(*absent)) || self.valid.is_some_and(outside)
    }

    /// Whether any of some values is absent; without a branch for each, since in most blocks none is.
    pub fn any(&self, values: &[T]) -> bool {
        let one = |absent: &T| values.iter().fold(false, |any, value| any | value.is(*absent));
        let outside = |[low, high]: [f64; 2]| {
            values.iter().fold(false, |any, value| any | (value.f64() < low) | (value.f64() > high))
        };
        self.values.iter().any(one) || self.valid.is_some_and(outside)
    }

    /// No value is absent.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.valid.is_none()
    }
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Floats.
    Numbers(Vec<f64>),
}

/// The state of a chunk that is not there, and holds the fill value throughout.
pub const ABSENT: u64 = 0;

/// An open array file that any number of threads read.
pub trait ArrayFile: Send + Sync {
    /// The file, as the user named it.
    fn path(&self) -> &str;

    /// What the file says of itself.
    fn header(&self) -> &Arc<ArrayHeader>;

    /// A hyperslab of a variable (by its index in the header), as stored, row-major in the order of its
    /// dimensions: `count` values from `start` on, every `step`-th, along each.
    ///
    /// # Errors
    /// The hyperslab leaves the variable, its type holds no numbers, or its chunks cannot be decoded.
    fn read(&self, variable: usize, start: &[u64], count: &[u64], step: &[u64]) -> Result<Pixels>;

    /// What tells one state of the chunk at `start` from another, where chunks are files of their own, of which one
    /// can be written anew while the rest stays; [`ABSENT`] for one that is not there, and `None` elsewhere.
    fn state(&self, _variable: usize, _start: &[u64]) -> Option<u64> {
        None
    }

    /// Whether chunks can be read side by side, each in requests of its own.
    fn is_in_parts(&self) -> bool {
        false
    }
}

impl ArrayHeader {
    /// The variable of that path, as a user writes it: `ocean/temp` or `/ocean/temp`.
    pub fn find(&self, name: &str) -> Option<usize> {
        let name = name.trim_start_matches('/');
        self.variables.iter().position(|variable| variable.name == name)
    }

    /// The variable that `name` means when variable `from` says it: beside it, else in the groups above (CF 2.7).
    pub fn resolve(&self, from: &str, name: &str) -> Option<usize> {
        if name.starts_with('/') {
            return self.find(name);
        }
        let mut group = from;
        while let Some((above, _)) = group.rsplit_once('/') {
            if let Some(found) = self.find(&format!("{above}/{name}")) {
                return Some(found);
            }
            group = above;
        }
        self.find(name)
    }

    /// An attribute by name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// # Errors
    /// [`Error::NotFound`] with what there is.
    pub fn variable(&self, path: &str, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| {
            let there = self.variables.iter().map(|v| v.name.clone()).collect();
            Error::not_found(Member::Variable, name, path, there)
        })
    }
}

impl Variable {
    /// An attribute by name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Takes from the attributes how values are packed: `_Unsigned`, `scale_factor`, `add_offset`, and the value that stands
    /// for none: `exact` where the format itself tells it, else `_FillValue`, `missing_value`, else `default`.
    #[must_use]
    pub fn packed(mut self, exact: Option<Nodata>, default: Option<Nodata>) -> Variable {
        // Neither a boolean nor a time of NumPy's is an integer with a sign.
        if let (Some(dtype), Some(unsigned)) = (self.dtype, self.unsigned())
            && dtype.to_string() == self.dtype_name
        {
            let dtype = dtype.with_sign(!unsigned);
            (self.dtype, self.dtype_name) = (Some(dtype), dtype.to_string());
        }
        let number = |name: &str| self.attribute(name).and_then(Attribute::number);
        let (scale, offset) = (number("scale_factor"), number("add_offset"));
        let told = exact.or_else(|| self.listed(&FILLS).next()).or(default);
        self.nodata = told.map(|value| self.in_type(value));
        (self.scale, self.offset) = (scale.filter(|v| *v != 1.0), offset.filter(|v| *v != 0.0));
        self
    }

    /// What `_Unsigned` says: NetCDF-3 had signed integers alone, and writers of NetCDF-4 keep to it, both ways.
    fn unsigned(&self) -> Option<bool> {
        match self.text("_Unsigned")?.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A number that an attribute tells, as the variable's own type says its bits.
    fn in_type(&self, value: Nodata) -> Nodata {
        match (self.dtype, self.unsigned()) {
            (Some(dtype), Some(_)) => value.by_bits(dtype),
            _ => value,
        }
    }

    fn listed<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = Nodata> + 'a {
        names.iter().filter_map(|name| self.attribute(name)).flat_map(Attribute::stored)
    }

    /// The stored values that stand for no value, in type `T`: `nodata`, and all of `_FillValue` and `missing_value`.
    pub fn missing<T: Pixel>(&self) -> Vec<T> {
        let mut found: Vec<T> = Vec::new();
        let listed = self.listed(&FILLS).map(|value| self.in_type(value));
        for value in self.nodata.into_iter().chain(listed) {
            found.extend(T::nodata(value).filter(|value| !found.iter().any(|known| known.is(*value))));
        }
        found
    }

    /// Which stored values are no values: [`Variable::missing`], and those outside of `valid_range` or of `valid_min` and
    /// `valid_max`. A range told in floats for packed integers is one of unpacked values (NetCDF User's Guide, Attribute
    /// Conventions).
    pub fn absent<T: Pixel>(&self) -> Absent<T> {
        Absent { values: self.missing(), valid: self.valid() }
    }

    fn valid(&self) -> Option<[f64; 2]> {
        let number = |name: &str| self.listed(&[name]).next().map(|value| (value, self.floats(name)));
        let range: Vec<Nodata> = self.listed(&["valid_range"]).collect();
        let (bounds, floats) = match range.as_slice() {
            [low, high] => ([Some(*low), Some(*high)], self.floats("valid_range")),
            _ => {
                let (low, high) = (number("valid_min"), number("valid_max"));
                let floats = [low, high].into_iter().flatten().any(|(_, floats)| floats);
                ([low, high].map(|bound| bound.map(|(value, _)| value)), floats)
            }
        };
        let whole = self.dtype.is_some_and(|dtype| !matches!(dtype, Dtype::Float32 | Dtype::Float64));
        let linear = (self.scale.unwrap_or(1.0), self.offset.unwrap_or(0.0));
        let stored = |value: Nodata| match floats && whole && linear != (1.0, 0.0) {
            true => (value.f64() - linear.1) / linear.0,
            false => self.in_type(value).f64(),
        };
        let [low, high] = bounds.map(|bound| bound.map(stored));
        let (low, high) = if floats && linear.0 < 0.0 && whole { (high, low) } else { (low, high) };
        // Half of the last digit that unpacking keeps: a bound that a packed number stands for is itself inside.
        let slack = if floats && whole && linear != (1.0, 0.0) { 1e-6 } else { 0.0 };
        let valid = [low.unwrap_or(f64::NEG_INFINITY) - slack, high.unwrap_or(f64::INFINITY) + slack];
        let [low, high] = valid;
        (low <= high && valid != [f64::NEG_INFINITY, f64::INFINITY]).then_some(valid)
    }

    fn floats(&self, name: &str) -> bool {
        matches!(self.attribute(name), Some(Attribute::Numbers(_)))
    }

    /// An attribute that is one text, without blanks around it.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name).and_then(Attribute::text)
    }

    /// Its name without the groups.
    pub fn short_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// How many values it has; saturating.
    pub fn len(&self) -> u64 {
        self.shape.iter().fold(1u64, |n, size| n.saturating_mul(*size))
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values a hyperslab has.
    ///
    /// # Errors
    /// What is wrong with it: the numbers are not one for each dimension, or it leaves the variable.
    pub fn check_slab(&self, start: &[u64], count: &[u64], step: &[u64]) -> ReasonResult<usize> {
        let dims = self.shape.len();
        if [start.len(), count.len(), step.len()] != [dims; 3] {
            return Err(format!("a hyperslab of {} numbers, and {dims} dimensions", start.len()).into());
        }
        let mut total = 1u64;
        for (((dim, size), start), (count, step)) in
            self.dims.iter().zip(&self.shape).zip(start).zip(count.iter().zip(step))
        {
            let last =
                count.checked_sub(1).and_then(|n| n.checked_mul(*step)).map(|n| n.saturating_add(*start));
            if *step == 0 || last.is_some_and(|last| last >= *size) {
                return Err(format!(
                    "{count} values from {start} on in steps of {step} leave dimension \"{dim}\" of {size}"
                )
                .into());
            }
            total = total.saturating_mul(*count);
        }
        usize::try_from(total).map_err(|_| format!("{total} values do not fit in memory").into())
    }
}

impl Attribute {
    /// Its text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Attribute::Text(text) => Some(text.trim_matches([' ', '\0', '\n', '\t'])),
            Attribute::Texts(texts) => match texts.as_slice() {
                [text] => Some(text.trim()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Its numbers as stored values; a number written as text counts too.
    pub fn stored(&self) -> Vec<Nodata> {
        let text = |text: &str| {
            let text = text.trim_matches([' ', '\0', '\n', '\t']);
            let whole = text.parse::<i128>().ok().map(Nodata::Integer);
            whole.or_else(|| text.parse().ok().map(Nodata::Float))
        };
        match self {
            Attribute::Integers(values) => values.iter().map(|v| Nodata::Integer((*v).into())).collect(),
            Attribute::Numbers(values) => values.iter().copied().map(Nodata::Float).collect(),
            Attribute::Text(one) => {
                one.split([',', ' ']).filter(|word| !word.is_empty()).filter_map(text).collect()
            }
            Attribute::Texts(many) => many.iter().filter_map(|one| text(one)).collect(),
        }
    }

    /// Its first number; a number written as text counts too.
    pub fn number(&self) -> Option<f64> {
        match self {
            Attribute::Integers(values) => values.first().map(|v| *v as f64),
            Attribute::Numbers(values) => values.first().copied(),
            Attribute::Texts(texts) => texts.first().and_then(|text| text.trim().parse().ok()),
            Attribute::Text(_) => self.text().and_then(|text| text.parse().ok()),
        }
    }
}
