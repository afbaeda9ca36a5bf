//! Rasters in a catalog: their headers, and where they lie.

use std::sync::Arc;

use crate::catalog::{Builder, Detail, FileMetadata};
use crate::cf;
use crate::error::Result;
use crate::files::Sight;
use crate::format::gdal::Raster;
use crate::format::geotiff;
use crate::map::footprint;
use crate::window::Window;

impl Builder {
    /// # Errors
    /// The file is not a raster, or one that lies nowhere on the map.
    pub(super) fn raster(&self, sight: &Sight) -> Result<FileMetadata> {
        let path = sight.path();
        let siblings = self.listings.beside(sight.location())?;
        let (header, tags) = match geotiff::header_and_tags(sight, &siblings) {
            Some((header, tags)) => (Arc::new(header), tags),
            None => {
                let raster = Raster::open(sight, Some(&siblings))?;
                (cf::completed(raster.header(), sight), raster.tags()?)
            }
        };
        let (transform, crs) = header.georeference(path)?;
        let bbox = transform.bbox(&Window::whole(header.height, header.width)?);
        // Centres of the outermost rows may lie on the poles.
        footprint::check_latitudes(path, &bbox, &crs, transform.0[5].abs())?;
        let footprint = self.footprint(&bbox, &crs, path)?;
        let driver = header.driver.clone();
        let detail = Detail::Raster { header, transform };
        Ok(FileMetadata { driver, crs, footprint, detail, tags, interval: None })
    }
}
