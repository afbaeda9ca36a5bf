//! Vector files in a catalog: their layers, and where these lie.

use crate::catalog::{Builder, Detail, FileMetadata};
use crate::error::{Error, Lack, Other, Result};
use crate::files::Sight;
use crate::format::Layer;
use crate::format::gdal::vector::{LayerHeader, VectorSource};
use crate::map::{Footprint, footprint};

impl Builder {
    /// Each layer is projected from its own CRS, and all of them together are the footprint.
    ///
    /// # Errors
    /// The file is no vector file, lacks the layer asked for, or holds no feature with a geometry.
    pub(super) fn vector(&self, sight: &Sight) -> Result<FileMetadata> {
        let path = sight.path();
        let header = VectorSource::open(sight)?.header(self.options.layer.as_ref())?;
        let crs = crs_of(&header.layers, path)?;
        let mut shapes = Vec::new();
        for layer in &header.layers {
            if let (Some(extent), Some(crs)) = (&layer.extent, &layer.crs) {
                footprint::check_latitudes(path, extent, crs, 1e-3)?;
                shapes.push(self.footprint(extent, crs, path)?);
            }
        }
        let layers: Vec<Layer> = header.layers.into_iter().map(|layer| layer.layer).collect();
        let nothing = || {
            let names = layers.iter().map(|layer| format!("\"{}\"", layer.name));
            Error::unsuited(path, Lack::Features(names.collect()))
        };
        let footprint = Footprint::union(shapes).ok_or_else(nothing)?;
        let (driver, tags, detail) = (header.driver, header.tags, Detail::Vector { layers });
        Ok(FileMetadata { driver, crs, footprint, detail, tags, interval: None })
    }

    /// A file whose first bytes do not tell its kind, such as a GeoPackage or text.
    ///
    /// # Errors
    /// It is neither raster nor vector file, or both.
    pub(super) fn raster_or_vector(&self, sight: &Sight) -> Result<FileMetadata> {
        let path = sight.path();
        let raster = self.raster(sight);
        match &raster {
            Ok(_) if !sight.magic().starts_with(b"SQLite") => raster,
            Ok(_) => match VectorSource::open(sight) {
                Ok(file) if file.layer_count() > 0 => Err(Error::unsuited(path, Lack::Kind(Other::Both))),
                _ => raster,
            },
            Err(error) if error.is_unopened() || has_no_bands(error) => match self.vector(sight) {
                // Whichever knows more than that it is none.
                Err(other) if other.is_unopened() && !is_unrecognized(error) => raster,
                vector => vector,
            },
            Err(_) => raster,
        }
    }
}

fn has_no_bands(error: &Error) -> bool {
    matches!(error, Error::Unsuited { lack: Lack::Bands(_), .. })
}

/// GDAL says no more of a file than that no driver takes it.
fn is_unrecognized(error: &Error) -> bool {
    error.to_string().contains("not recognized as being in a supported file format")
}

/// The CRS of the layers that have an extent; the first layer's where they differ.
fn crs_of(layers: &[LayerHeader], path: &str) -> Result<String> {
    let mut placed = layers.iter().filter(|layer| layer.extent.is_some());
    let mut first = None;
    for layer in &mut placed {
        let crs = layer.crs.clone().ok_or_else(|| Error::unsuited(path, Lack::Crs))?;
        first.get_or_insert(crs);
    }
    Ok(first.unwrap_or_default())
}
