//! Geometries from one CRS to another, vertex by vertex.

use gdal::errors::GdalError;
use gdal::spatial_ref::CoordTransform;

use crate::bbox::Bbox;
use crate::error::{Error, Result};
use crate::projection::library::{reason, start};
use crate::projection::spatial_ref;

/// The box around any geometry's WKB after projecting every vertex; `None` when it is empty.
///
/// # Errors
/// The WKB cannot be read, or a vertex has no image.
pub fn geometry_envelope(wkb: &[u8], from: &str, to: &str) -> Result<Option<Bbox>> {
    start();
    let bad = |e: GdalError| Error::invalid("the geometry", format!("WKB ({})", reason(&e, "")));
    envelope(gdal::vector::Geometry::from_wkb(wkb).map_err(bad)?, from, to)
}

fn envelope(mut geometry: gdal::vector::Geometry, from: &str, to: &str) -> Result<Option<Bbox>> {
    if geometry.is_empty() {
        return Ok(None);
    }
    if from != to {
        let unprojectable =
            |_| Error::Unprojectable { what: "the geometry".into(), from: from.into(), to: to.into() };
        let transform = CoordTransform::new(&spatial_ref(from)?, &spatial_ref(to)?).map_err(unprojectable)?;
        geometry.transform_inplace(&transform).map_err(unprojectable)?;
    }
    let e = geometry.envelope();
    Bbox::new(e.MinX, e.MinY, e.MaxX, e.MaxY).map(Some)
}

/// The envelope of a geometry's WKB after projecting every vertex; `None` when it is empty.
///
/// # Errors
/// The WKB cannot be read, or a vertex has no image.
pub fn project_geometry(wkb: &[u8], from: &str, to: &str) -> Result<Option<(Vec<u8>, Bbox)>> {
    start();
    let bad = |e: GdalError| Error::invalid("the geometry", format!("WKB ({})", reason(&e, "")));
    let mut geometry = gdal::vector::Geometry::from_wkb(wkb).map_err(bad)?;
    if geometry.is_empty() {
        return Ok(None);
    }
    // Codes of a polygon, a multipolygon and their curved kin, whatever further dimensions they have.
    let kind = (geometry.geometry_type() & 0x7fff_ffff) % 1000;
    if ![3, 6, 10, 12].contains(&kind) {
        return Err(Error::invalid(
            geometry.geometry_name(),
            "a polygon or a multipolygon, which has an area",
        ));
    }
    if from != to {
        let unprojectable =
            |_| Error::Unprojectable { what: "the geometry".into(), from: from.into(), to: to.into() };
        let transform = CoordTransform::new(&spatial_ref(from)?, &spatial_ref(to)?).map_err(unprojectable)?;
        geometry.transform_inplace(&transform).map_err(unprojectable)?;
    }
    let e = geometry.envelope();
    let bbox = Bbox::new(e.MinX, e.MinY, e.MaxX, e.MaxY)?;
    Ok(Some((geometry.wkb().map_err(bad)?, bbox)))
}

/// A geometry without its empty parts: GDAL would write an empty point as the point (0, 0).
fn filled(geometry: &gdal::vector::Geometry) -> gdal::errors::Result<gdal::vector::Geometry> {
    // Codes of many points and of a collection, whatever further dimensions they have.
    if ![4, 7].contains(&((geometry.geometry_type() & 0x7fff_ffff) % 1000)) {
        return Ok(geometry.clone());
    }
    let mut whole = gdal::vector::Geometry::empty(geometry.geometry_type())?;
    for index in 0..geometry.geometry_count() {
        let part = geometry.get_geometry(index);
        if !part.is_empty() {
            whole.add_geometry(filled(&part)?)?;
        }
    }
    Ok(whole)
}

/// A geometry written as WKT, as WKB without its empty parts; `None` of one that is all empty.
///
/// # Errors
/// It is none.
pub fn from_wkt(text: &str) -> Result<Option<Vec<u8>>> {
    start();
    let bad = |_| Error::invalid(format!("\"{text}\""), "WKT such as 'POINT (10.3 50.2)'");
    let geometry = gdal::vector::Geometry::from_wkt(text).map_err(bad)?;
    if geometry.is_empty() {
        return Ok(None);
    }
    filled(&geometry).and_then(|geometry| geometry.wkb()).map(Some).map_err(bad)
}

/// A geometry written as GeoJSON, as WKB.
///
/// # Errors
/// It is none.
pub fn from_geojson(text: &str) -> Result<Vec<u8>> {
    start();
    let bad = |e: GdalError| Error::invalid("the geometry", format!("GeoJSON ({})", reason(&e, "")));
    let geometry = gdal::vector::Geometry::from_geojson(text).map_err(bad)?;
    filled(&geometry).and_then(|geometry| geometry.wkb()).map_err(bad)
}
