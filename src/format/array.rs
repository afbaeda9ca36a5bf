//! Array files: named variables on named dimensions (NetCDF, HDF5, GRIB, Zarr), whatever the library.

use std::sync::Arc;

use crate::dtype::{Dtype, Nodata, Pixels};
use crate::error::Result;

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
    fn header(&self) -> &Arc<ArrayHeader>;

    /// A hyperslab of a variable (by its place in the header), as stored, row-major in the order of its
    /// dimensions: `count` values from `start` on, every `step`-th, along each.
    ///
    /// # Errors
    /// The hyperslab leaves the variable, its type holds no numbers, or its chunks can not be decoded.
    fn read(&self, variable: usize, start: &[u64], count: &[u64], step: &[u64]) -> Result<Pixels>;
}
