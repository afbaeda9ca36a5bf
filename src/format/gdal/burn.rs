//! Geometries into pixels and back.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

use gdal::DriverManager;
use gdal::errors::GdalError;
use gdal::raster::{Buffer, RasterizeOptions};
use gdal::vector::{Feature, Geometry, Layer, LayerAccess, LayerOptions, OGRFieldType, OGRwkbGeometryType};

use crate::affine::Affine;
use crate::error::{Error, Result};
use crate::format::gdal::start;
use crate::projection::library::reason;
use crate::workers::{go_on, is_interrupted};

/// What GDAL asks while it works: whether it may go on.
pub(super) extern "C" fn progress(_done: f64, _message: *const c_char, _data: *mut c_void) -> c_int {
    c_int::from(!is_interrupted())
}

/// Shapes that are drawn in one go, in which nothing is asked.
const AT_ONCE: usize = 1024;

/// Draws geometries (WKB, in the grid's CRS) with their values, one after another, so that the last one drawn
/// stays. Row-major, `background` where none was drawn. A pixel is drawn when its centre lies inside, or, under
/// `all_touched`, when any of it does.
///
/// # Errors
/// A WKB that GDAL cannot read.
pub fn burn(
    shapes: &[(Vec<u8>, i32)],
    grid: &Affine,
    (height, width): (usize, usize),
    background: i32,
    all_touched: bool,
) -> Result<Vec<i32>> {
    start();
    let bad = |e: GdalError| Error::invalid("the geometry", format!("WKB ({})", reason(&e, "")));
    let driver = DriverManager::get_driver_by_name("MEM").map_err(bad)?;
    let mut dataset = driver.create_with_band_type::<i32, _>("", width, height, 1).map_err(bad)?;
    dataset.set_geo_transform(&grid.0).map_err(bad)?;
    if background != 0 {
        dataset.rasterband(1).and_then(|mut b| b.fill(f64::from(background), None)).map_err(bad)?;
    }
    let geometries =
        shapes.iter().map(|(wkb, _)| Geometry::from_wkb(wkb)).collect::<gdal::errors::Result<Vec<_>>>();
    let values: Vec<f64> = shapes.iter().map(|(_, value)| f64::from(*value)).collect();
    for (shapes, values) in geometries.map_err(bad)?.chunks(AT_ONCE).zip(values.chunks(AT_ONCE)) {
        go_on()?;
        let options = RasterizeOptions { all_touched, ..RasterizeOptions::default() };
        gdal::raster::rasterize(&mut dataset, &[1], shapes, values, Some(options)).map_err(bad)?;
    }
    let band = dataset.rasterband(1).map_err(bad)?;
    let size = (width, height);
    Ok(band.read_as::<i32>((0, 0), size, size, None).map_err(bad)?.into_shape_and_vec().1)
}

/// The connected regions of equal codes, as polygons (WKB) along pixel edges, each with its code. Code 0 is no
/// region. Regions hang together over edges, or, with `eight`, over corners too.
///
/// # Errors
/// GDAL has no memory for it.
pub fn polygonize(
    codes: Vec<i32>,
    grid: &Affine,
    (height, width): (usize, usize),
    eight: bool,
) -> Result<Vec<(Vec<u8>, i32)>> {
    start();
    let failed = |e: GdalError| Error::Bug(format!("polygons cannot be made: {}", reason(&e, "")));
    let memory = DriverManager::get_driver_by_name("MEM").map_err(failed)?;
    let mut raster = memory.create_with_band_type::<i32, _>("", width, height, 2).map_err(failed)?;
    raster.set_geo_transform(&grid.0).map_err(failed)?;
    let size = (width, height);
    let mask: Vec<i32> = codes.iter().map(|code| i32::from(*code != 0)).collect();
    for (band, values) in [(1, codes), (2, mask)] {
        let mut buffer = Buffer::new(size, values);
        raster.rasterband(band).and_then(|mut b| b.write((0, 0), size, &mut buffer)).map_err(failed)?;
    }
    let mut vectors = memory.create_vector_only("").map_err(failed)?;
    let options =
        LayerOptions { name: "regions", ty: OGRwkbGeometryType::wkbPolygon, ..LayerOptions::default() };
    let layer = vectors.create_layer(options).map_err(failed)?;
    layer.create_defn_fields(&[("code", OGRFieldType::OFTInteger)]).map_err(failed)?;
    let (band, mask) = (raster.rasterband(1).map_err(failed)?, raster.rasterband(2).map_err(failed)?);
    let mut settings = gdal::cpl::CslStringList::new();
    if eight {
        settings.set_name_value("8CONNECTED", "8").map_err(failed)?;
    }
    // SAFETY: the bands, the layer and the settings are alive and ours alone, and field 0 was made above.
    let state = unsafe {
        gdal_sys::GDALPolygonize(
            band.c_rasterband(),
            mask.c_rasterband(),
            layer.c_layer(),
            0,
            settings.as_ptr(),
            Some(progress),
            std::ptr::null_mut(),
        )
    };
    if state != gdal_sys::CPLErr::CE_None {
        if is_interrupted() {
            return Err(Error::Interrupted);
        }
        return Err(Error::Bug("polygons cannot be made".into()));
    }
    let mut found = Vec::new();
    each_feature(&layer, |feature| {
        let Some(geometry) = feature.geometry() else { return Ok(()) };
        let code = feature.field_as_integer(0).map_err(failed)?.unwrap_or(0);
        found.push((geometry.wkb().map_err(failed)?, code));
        Ok(())
    })?;
    Ok(found)
}

/// Visits the features of a layer, from the first. The library's own iterator counts them before, which of a view takes a pass
/// that may never end.
///
/// # Errors
/// What `visit` returns; the query was interrupted.
pub(super) fn each_feature<'a>(
    layer: &'a Layer<'a>,
    mut visit: impl FnMut(&Feature<'a>) -> Result<()>,
) -> Result<()> {
    let rewind = || {
        // SAFETY: the layer is open.
        unsafe { gdal_sys::OGR_L_ResetReading(layer.c_layer()) }
    };
    rewind();
    let next = || {
        go_on()?;
        // SAFETY: as above; a feature that is given is the caller's, who destroys it.
        let feature = unsafe {
            let feature = gdal_sys::OGR_L_GetNextFeature(layer.c_layer());
            (!feature.is_null()).then(|| Feature::from_c_feature(layer.defn(), feature))
        };
        Ok(feature)
    };
    let mut walk = || {
        while let Some(feature) = next()? {
            visit(&feature)?;
        }
        Ok(())
    };
    let outcome = walk();
    rewind();
    outcome
}

/// The box around a feature's geometry; `None` where that is absent or empty.
pub(super) fn envelope(geometry: &Geometry) -> Option<gdal_sys::OGREnvelope> {
    let mut found = gdal_sys::OGREnvelope { MinX: 0.0, MaxX: 0.0, MinY: 0.0, MaxY: 0.0 };
    // SAFETY: the handle is null or alive, and GDAL fills the box.
    unsafe {
        let handle = geometry.c_geometry();
        if handle.is_null() || gdal_sys::OGR_G_IsEmpty(handle) != 0 {
            return None;
        }
        gdal_sys::OGR_G_GetEnvelope(handle, &mut found);
    }
    Some(found)
}

/// A geometry with arcs as lines along them (WKB), as geopandas and gdal_rasterize take it; `None` for one without arcs.
pub fn straightened(geometry: &Geometry) -> Option<Vec<u8>> {
    // SAFETY: the geometry is alive; what GDAL makes of it is ours to destroy, and is written into as many bytes as it says
    // that it takes.
    unsafe {
        let handle = geometry.c_geometry();
        if gdal_sys::OGR_G_HasCurveGeometry(handle, 1) == 0 {
            return None;
        }
        let lines = gdal_sys::OGR_G_GetLinearGeometry(handle, 0.0, std::ptr::null_mut());
        if lines.is_null() {
            return None;
        }
        let mut wkb = vec![0u8; usize::try_from(gdal_sys::OGR_G_WkbSize(lines)).unwrap_or(0)];
        let done = gdal_sys::OGR_G_ExportToIsoWkb(lines, gdal_sys::OGRwkbByteOrder::wkbNDR, wkb.as_mut_ptr());
        gdal_sys::OGR_G_DestroyGeometry(lines);
        (done == gdal_sys::OGRErr::OGRERR_NONE).then_some(wkb)
    }
}
