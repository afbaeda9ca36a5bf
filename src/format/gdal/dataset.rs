//! Arrays of HDF5 past GDAL, whose length it loses: GDAL takes that of an unlimited dimension from the dataset that stands
//! for the dimension, and that stays empty where no variable has the dimension's name.
//!
//! Files are opened through GDAL's virtual file system, so that those behind a URL are read too. Every call holds
//! [`HDF5`](super::HDF5).

#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int, c_uint, c_void};

use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Pixel, Pixels};
use crate::error::ReasonResult;

/// HDF5's number of an open thing; negative where there is none.
type Id = i64;

// The library inside, and GDAL's way of giving it files, a function of C++.
unsafe extern "C" {
    static H5P_CLS_FILE_ACCESS_ID_g: Id;
    static H5T_NATIVE_INT8_g: Id;
    static H5T_NATIVE_UINT8_g: Id;
    static H5T_NATIVE_INT16_g: Id;
    static H5T_NATIVE_UINT16_g: Id;
    static H5T_NATIVE_INT32_g: Id;
    static H5T_NATIVE_UINT32_g: Id;
    static H5T_NATIVE_INT64_g: Id;
    static H5T_NATIVE_UINT64_g: Id;
    static H5T_NATIVE_FLOAT_g: Id;
    static H5T_NATIVE_DOUBLE_g: Id;
    fn H5Pcreate(class: Id) -> Id;
    fn H5Pset_driver(list: Id, driver: Id, more: *const c_void) -> c_int;
    fn H5Pclose(list: Id) -> c_int;
    fn H5Fopen(name: *const c_char, flags: c_uint, access: Id) -> Id;
    fn H5Fclose(file: Id) -> c_int;
    fn H5Dopen2(at: Id, name: *const c_char, access: Id) -> Id;
    fn H5Dget_space(dataset: Id) -> Id;
    fn H5Dread(dataset: Id, kind: Id, memory: Id, space: Id, transfer: Id, out: *mut c_void) -> c_int;
    fn H5Dclose(dataset: Id) -> c_int;
    fn H5Screate_simple(rank: c_int, dims: *const u64, most: *const u64) -> Id;
    fn H5Sget_simple_extent_ndims(space: Id) -> c_int;
    fn H5Sget_simple_extent_dims(space: Id, dims: *mut u64, most: *mut u64) -> c_int;
    fn H5Sselect_hyperslab(
        space: Id,
        how: c_int,
        start: *const u64,
        step: *const u64,
        count: *const u64,
        block: *const u64,
    ) -> c_int;
    fn H5Sclose(space: Id) -> c_int;
    #[link_name = "_Z17HDF5GetFileDriverv"]
    fn file_driver() -> Id;
}

const READ_ONLY: c_uint = 0;
const DEFAULT: Id = 0;
const SET: c_int = 0;

/// An open thing, closed by what it was opened with.
struct Open(Id, unsafe extern "C" fn(Id) -> c_int);

impl Open {
    fn new(id: Id, close: unsafe extern "C" fn(Id) -> c_int, what: &str) -> ReasonResult<Open> {
        if id < 0 { Err(format!("HDF5 cannot open {what}").into()) } else { Ok(Open(id, close)) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: it is open, and closed once.
        unsafe { (self.1)(self.0) };
    }
}

/// An array by its path in a file.
pub(crate) struct Dataset {
    file: CString,
    path: CString,
}

impl Dataset {
    /// The array at a path of a file, and its shape; `None` where HDF5 does not find it. The caller holds
    /// [`HDF5`](super::HDF5).
    pub(crate) fn find(file: &str, path: &str) -> Option<(Dataset, Vec<u64>)> {
        let dataset = Dataset { file: CString::new(file).ok()?, path: CString::new(path).ok()? };
        let (_file, _array, space) = dataset.open().ok()?;
        // SAFETY: the space is open, and there is room for as many numbers as it has dimensions.
        let shape = unsafe {
            let rank = usize::try_from(H5Sget_simple_extent_ndims(space.0)).ok()?;
            let mut shape = vec![0; rank];
            let told = H5Sget_simple_extent_dims(space.0, shape.as_mut_ptr(), std::ptr::null_mut());
            (usize::try_from(told) == Ok(rank)).then_some(shape)?
        };
        Some((dataset, shape))
    }

    /// The file, the array and its space, to be closed in the order from last to first.
    fn open(&self) -> ReasonResult<(Open, Open, Open)> {
        // SAFETY: the names end with a zero byte, and each thing is closed after those that were opened from it.
        unsafe {
            let access = Open::new(H5Pcreate(H5P_CLS_FILE_ACCESS_ID_g), H5Pclose, "a list")?;
            H5Pset_driver(access.0, file_driver(), std::ptr::null());
            let file = Open::new(H5Fopen(self.file.as_ptr(), READ_ONLY, access.0), H5Fclose, "the file")?;
            let array = Open::new(H5Dopen2(file.0, self.path.as_ptr(), DEFAULT), H5Dclose, "the array")?;
            let space = Open::new(H5Dget_space(array.0), H5Sclose, "its space")?;
            Ok((file, array, space))
        }
    }

    /// A hyperslab of `n` values, which lies inside. The caller holds [`HDF5`](super::HDF5).
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn read(
        &self,
        dtype: Dtype,
        (start, count, step): (&[u64], &[u64], &[u64]),
        n: usize,
    ) -> ReasonResult<Pixels> {
        with_dtype!(dtype, T => {
            let mut values: Vec<T> = Vec::new();
            values.try_reserve_exact(n).map_err(|_| format!("{n} values do not fit in memory"))?;
            values.resize(n, T::default());
            if n > 0 {
                let (_file, array, space) = self.open()?;
                // SAFETY: the slab has a number for each dimension, and the buffer holds its product.
                unsafe {
                    let rank = H5Sget_simple_extent_ndims(space.0);
                    if usize::try_from(rank) != Ok(start.len()) {
                        return Err("its dimensions have changed".into());
                    }
                    H5Sselect_hyperslab(space.0, SET, start.as_ptr(), step.as_ptr(), count.as_ptr(), std::ptr::null());
                    let memory = Open::new(H5Screate_simple(rank, count.as_ptr(), std::ptr::null()), H5Sclose, "a space")?;
                    let out = values.as_mut_ptr().cast::<c_void>();
                    if H5Dread(array.0, native(T::DTYPE), memory.0, space.0, DEFAULT, out) < 0 {
                        return Err("HDF5 cannot read it".into());
                    }
                }
            }
            Ok(T::pixels(values))
        })
    }
}

/// HDF5's number of a type in memory.
fn native(dtype: Dtype) -> Id {
    // SAFETY: the library sets them once, when it is opened.
    unsafe {
        match dtype {
            Dtype::Int8 => H5T_NATIVE_INT8_g,
            Dtype::UInt8 => H5T_NATIVE_UINT8_g,
            Dtype::Int16 => H5T_NATIVE_INT16_g,
            Dtype::UInt16 => H5T_NATIVE_UINT16_g,
            Dtype::Int32 => H5T_NATIVE_INT32_g,
            Dtype::UInt32 => H5T_NATIVE_UINT32_g,
            Dtype::Int64 => H5T_NATIVE_INT64_g,
            Dtype::UInt64 => H5T_NATIVE_UINT64_g,
            Dtype::Float32 => H5T_NATIVE_FLOAT_g,
            Dtype::Float64 => H5T_NATIVE_DOUBLE_g,
        }
    }
}
