//! Array files: named variables on named dimensions (NetCDF, HDF5, GRIB, Zarr), whatever the library.

use std::sync::Arc;

use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::error::{Error, Member, Result};

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
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    pub name: String,
    /// Names of its dimensions, slowest first.
    pub dims: Vec<String>,
    pub shape: Vec<u64>,
    /// The stored type's name as NumPy writes it (`int16`), also of types without pixels (`str`).
    pub dtype_name: String,
    /// The stored type, where its values are numbers.
    pub dtype: Option<Dtype>,
    /// Sizes of the chunks that it is stored in, `None` when it lies in one piece.
    pub chunk: Option<Vec<u64>>,
    /// The stored value that stands for no value (`_FillValue`, else `missing_value`, else Zarr's own).
    pub nodata: Option<Nodata>,
    /// `value = stored * scale + offset`.
    pub scale: Option<f64>,
    pub offset: Option<f64>,
    pub unit: Option<String>,
    pub attributes: Vec<(String, Attribute)>,
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Text(String),
    Texts(Vec<String>),
    Integers(Vec<i64>),
    Numbers(Vec<f64>),
}

/// An open array file that any number of threads read.
pub trait ArrayFile: Send + Sync {
    /// The file, as the user named it.
    fn path(&self) -> &str;

    fn header(&self) -> &Arc<ArrayHeader>;

    /// A hyperslab of a variable (by its place in the header), as stored, row-major in the order of its
    /// dimensions: `count` values from `start` on, every `step`-th, along each.
    ///
    /// # Errors
    /// The hyperslab leaves the variable, its type holds no numbers, or its chunks can not be decoded.
    fn read(&self, variable: usize, start: &[u64], count: &[u64], step: &[u64]) -> Result<Pixels>;

    /// What tells one state of the chunk at `start` from another, where chunks are files of their own, of which one
    /// can be written anew while the rest stays; `None` elsewhere.
    fn state(&self, _variable: usize, _start: &[u64]) -> Option<u64> {
        None
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
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The stored values that stand for no value, in type `T`: `nodata`, and all of `missing_value`.
    pub fn missing<T: Pixel>(&self) -> Vec<T> {
        let mut found: Vec<T> = Vec::new();
        let listed = self.attribute("missing_value").map(Attribute::stored).unwrap_or_default();
        for value in self.nodata.into_iter().chain(listed) {
            let value = match self.dtype {
                Some(dtype) if self.text("_Unsigned") == Some("true") => value.without_sign(dtype),
                _ => value,
            };
            found.extend(T::nodata(value).filter(|value| !found.iter().any(|known| known.is(*value))));
        }
        found
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

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values a hyperslab has.
    ///
    /// # Errors
    /// What is wrong with it: the numbers are not one for each dimension, or it leaves the variable.
    pub fn check_slab(
        &self,
        start: &[u64],
        count: &[u64],
        step: &[u64],
    ) -> std::result::Result<usize, String> {
        let dims = self.shape.len();
        if [start.len(), count.len(), step.len()] != [dims; 3] {
            return Err(format!("a hyperslab of {} numbers, and {dims} dimensions", start.len()));
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
                ));
            }
            total = total.saturating_mul(*count);
        }
        usize::try_from(total).map_err(|_| format!("{total} values do not fit in memory"))
    }
}

impl Attribute {
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
    fn stored(&self) -> Vec<Nodata> {
        match self {
            Attribute::Integers(values) => values.iter().map(|v| Nodata::Integer((*v).into())).collect(),
            Attribute::Numbers(values) => values.iter().copied().map(Nodata::Float).collect(),
            text => text.number().map(Nodata::Float).into_iter().collect(),
        }
    }

    /// Its first number; a number written as text counts too.
    pub fn number(&self) -> Option<f64> {
        match self {
            Attribute::Integers(values) => values.first().map(|v| *v as f64),
            Attribute::Numbers(values) => values.first().copied(),
            _ => self.text().and_then(|text| text.parse().ok()),
        }
    }
}
