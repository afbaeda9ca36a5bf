//! What of the netCDF library GDAL does not tell: arrays of letters, which it takes for text, and what stands in cells
//! that were never written.
//!
//! Every call holds [`HDF5`](super::HDF5), as those of GDAL that reach the library do.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};

use crate::dtype::{Dtype, Nodata, Pixels};
use crate::error::ReasonResult;
use crate::format::array::{ArrayHeader, Variable};

// The library inside; its types have these numbers by its own header, netcdf.h.
unsafe extern "C" {
    fn nc_open(path: *const c_char, mode: c_int, id: *mut c_int) -> c_int;
    fn nc_close(id: c_int) -> c_int;
    fn nc_inq_grp_full_ncid(id: c_int, name: *const c_char, group: *mut c_int) -> c_int;
    fn nc_inq_varid(id: c_int, name: *const c_char, variable: *mut c_int) -> c_int;
    fn nc_inq_var(
        id: c_int,
        variable: c_int,
        name: *mut c_char,
        kind: *mut c_int,
        rank: *mut c_int,
        dims: *mut c_int,
        attributes: *mut c_int,
    ) -> c_int;
    fn nc_inq_dim(id: c_int, dim: c_int, name: *mut c_char, length: *mut usize) -> c_int;
    fn nc_get_vars_text(
        id: c_int,
        variable: c_int,
        start: *const usize,
        count: *const usize,
        step: *const isize,
        out: *mut c_char,
    ) -> c_int;
}

const READ_ONLY: c_int = 0;
const CHAR: c_int = 2;
const MAX_NAME: usize = 256;
const MAX_RANK: usize = 1024;

/// An array of letters with two dimensions.
pub(crate) struct Letters {
    file: CString,
    group: Option<CString>,
    name: CString,
}

/// An open file.
struct File(c_int);

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the file is open, and closed once.
        unsafe { nc_close(self.0) };
    }
}

impl Letters {
    /// The array of a file at that path in its groups, and its second dimension; `None` when it is no array of letters
    /// with two. The caller holds [`HDF5`](super::HDF5).
    pub(crate) fn find(file: &str, path: &str) -> Option<(Letters, String, u64)> {
        let (group, name) = match path.rsplit_once('/') {
            Some((group, name)) => (Some(CString::new(format!("/{group}")).ok()?), name),
            None => (None, path),
        };
        let letters = Letters { file: CString::new(file).ok()?, group, name: CString::new(name).ok()? };
        let (_file, group, variable) = letters.open().ok()?;
        let (mut kind, mut rank) = (0, 0);
        let (mut dims, mut name, mut length) = ([0; MAX_RANK], [0; MAX_NAME + 1], 0usize);
        let none = std::ptr::null_mut();
        // SAFETY: the file is open; the library writes at most MAX_RANK dimensions and a name of MAX_NAME letters.
        unsafe {
            if nc_inq_var(group, variable, none, &mut kind, &mut rank, dims.as_mut_ptr(), none.cast()) != 0
                || (kind, rank) != (CHAR, 2)
                || nc_inq_dim(group, dims[1], name.as_mut_ptr(), &mut length) != 0
            {
                return None;
            }
            let dim = CStr::from_ptr(name.as_ptr()).to_str().ok()?.to_string();
            Some((letters, dim, length as u64))
        }
    }

    fn open(&self) -> ReasonResult<(File, c_int, c_int)> {
        let (mut id, mut variable) = (0, 0);
        // SAFETY: the names end with a zero byte, and the numbers are written before they are used.
        unsafe {
            if nc_open(self.file.as_ptr(), READ_ONLY, &mut id) != 0 {
                return Err("the netCDF library cannot open the file".into());
            }
            let file = File(id);
            let mut group = id;
            let found = self
                .group
                .as_ref()
                .is_none_or(|name| nc_inq_grp_full_ncid(id, name.as_ptr(), &mut group) == 0);
            if !found || nc_inq_varid(group, self.name.as_ptr(), &mut variable) != 0 {
                return Err("the netCDF library does not find it".into());
            }
            Ok((file, group, variable))
        }
    }

    /// A hyperslab, which lies inside. The caller holds [`HDF5`](super::HDF5).
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn read(&self, start: &[u64], count: &[u64], step: &[u64]) -> ReasonResult<Pixels> {
        let sizes = |numbers: &[u64]| numbers.iter().map(|n| *n as usize).collect::<Vec<_>>();
        let (start, count) = (sizes(start), sizes(count));
        let step: Vec<isize> = step.iter().map(|n| *n as isize).collect();
        let n = count.iter().product::<usize>();
        let mut letters: Vec<u8> = Vec::new();
        letters.try_reserve_exact(n).map_err(|_| format!("{n} values do not fit in memory"))?;
        letters.resize(n, 0);
        if n > 0 {
            let (_file, group, variable) = self.open()?;
            // SAFETY: the caller's numbers are two each and lie inside, and there is room for their product.
            let done = unsafe {
                nc_get_vars_text(
                    group,
                    variable,
                    start.as_ptr(),
                    count.as_ptr(),
                    step.as_ptr(),
                    letters.as_mut_ptr().cast::<c_char>(),
                )
            };
            if done != 0 {
                return Err(format!("the netCDF library cannot read it (its error {done})").into());
            }
        }
        Ok(Pixels::UInt8(letters))
    }
}

/// What the netCDF library fills cells with that were never written; bytes have no such value.
pub(crate) fn never_written(variable: &Variable) -> Option<Nodata> {
    let dtype = variable.dtype?;
    // It is told by the stored type, and GDAL has given its sign to some already.
    let stored = match variable.text("_Unsigned") {
        Some(says) => dtype.with_sign(says.eq_ignore_ascii_case("true")),
        None => dtype,
    };
    Some(match stored {
        Dtype::Int8 | Dtype::UInt8 => return None,
        Dtype::Int16 => Nodata::Integer(-32_767),
        Dtype::UInt16 => Nodata::Integer(65_535),
        Dtype::Int32 => Nodata::Integer(-2_147_483_647),
        Dtype::UInt32 => Nodata::Integer(4_294_967_295),
        Dtype::Int64 => Nodata::Integer(-9_223_372_036_854_775_806),
        Dtype::UInt64 => Nodata::Integer(18_446_744_073_709_551_614),
        Dtype::Float32 | Dtype::Float64 => Nodata::Float(9.969_209_968_386_869e36),
    })
}

/// Whether some variable has the name of a dimension of its own that is not its first: of that it is no coordinate.
pub(crate) fn is_unlike_coordinate(header: &ArrayHeader) -> bool {
    header.variables.iter().any(|v| v.dims.iter().skip(1).any(|dim| dim == v.short_name()))
}

/// HDF5 locks a file as long as it is open, and files stay open for the next query: nobody could write one anew. An
/// environment that says HDF5_USE_FILE_LOCKING is heeded.
pub(crate) fn never_lock() {
    unsafe extern "C" {
        fn H5open() -> c_int;
        /// What the environment said: -1 is nothing, 0 no locks.
        static mut use_locks_env_g: c_int;
    }
    // SAFETY: `start` runs once, before any other call of HDF5 here; opening the library reads the environment.
    unsafe {
        H5open();
        if use_locks_env_g == -1 {
            use_locks_env_g = 0;
        }
    }
}
