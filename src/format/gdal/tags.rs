//! What a raster says of itself: GDAL's metadata of the default domain, and the names of its classes.

#![allow(unsafe_code)]

use std::ffi::CStr;

use gdal::Metadata;
use gdal_sys as c;

use crate::error::Result;
use crate::format::Tags;
use crate::format::gdal::{Raster, guard, vsi};

/// A class beyond this many is left out: the values of a band of bytes.
const MAX_CLASSES: usize = 256;

impl Raster {
    /// The metadata of the default domain as GDAL names them, and each named class as `BAND.class.VALUE`.
    ///
    /// # Errors
    /// A side file that says them cannot be opened.
    pub fn tags(&self) -> Result<Tags> {
        vsi::watched(&self.location, || Ok(self.tags_now()))
    }

    fn tags_now(&self) -> Tags {
        let _guard = guard(self.hdf5);
        let mut tags = of_object(&*self.dataset);
        for band in 1..=self.header.bands.len() {
            let Ok(raster_band) = self.dataset.rasterband(band) else { continue };
            // SAFETY: the band lives as long as the dataset, which keeps the list; it ends with NULL.
            let names = unsafe { texts(c::GDALGetRasterCategoryNames(raster_band.c_rasterband())) };
            let named = names.into_iter().enumerate().filter(|(_, name)| !name.is_empty());
            tags.extend(named.map(|(value, name)| (format!("{band}.class.{value}"), name)));
        }
        tags
    }
}

/// The metadata of the default domain of a dataset.
pub(super) fn of_object(object: &impl Metadata) -> Tags {
    let lines = object.metadata_domain("").unwrap_or_default();
    lines.iter().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
}

/// # Safety
/// `list` is NULL, or texts that end with NULL.
unsafe fn texts(list: *mut *mut std::ffi::c_char) -> Vec<String> {
    let mut found = Vec::new();
    while !list.is_null() && found.len() < MAX_CLASSES {
        // SAFETY: each text before the closing NULL was looked at, so that this index is in the list.
        let text = unsafe { *list.add(found.len()) };
        if text.is_null() {
            break;
        }
        // SAFETY: GDAL's texts end with a zero byte.
        found.push(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned());
    }
    found
}
