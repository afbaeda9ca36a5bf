//! Rasters in a catalog: their headers, and where they lie.

use std::sync::Arc;

use crate::catalog::{Builder, Detail, Place};
use crate::cf;
use crate::error::Result;
use crate::files::Sight;
use crate::format::gdal::Raster;
use crate::format::geotiff;
use crate::window::Window;

impl Builder {
    /// # Errors
    /// The file is no raster, or one without a place on the map.
    pub(super) fn raster(&self, sight: &Sight) -> Result<Place> {
        let path = sight.path();
        let siblings = self.listings.beside(sight.location());
        let header = match geotiff::header(sight, &siblings) {
            Some(header) => Arc::new(header),
            None => cf::completed(Raster::open(sight, Some(&siblings))?.header(), sight),
        };
        let (transform, crs) = header.georeference(path)?;
        let bbox = transform.bbox(&Window::whole(header.height, header.width)?);
        let footprint = self.footprint(&bbox, &crs, path)?;
        let driver = header.driver.clone();
        Ok(Place { driver, crs, footprint, detail: Detail::Raster { header, transform }, interval: None })
    }
}
