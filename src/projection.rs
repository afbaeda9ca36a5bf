//! What is known of a CRS: its name, its unit, where it is used, whether two are one, and the way from one to another.
//! PROJ, through GDAL, answers; its (latitude, longitude) orders stay in here.

pub mod cf_crs;
pub mod geometry;
mod input;
pub mod library;
mod transform;

pub use cf_crs::{CfCrs, cf_attributes, cf_crs, crs_of};
pub use transform::project;

use std::cell::RefCell;
use std::sync::Arc;

use gdal::errors::GdalError;
use gdal::spatial_ref::{AxisMappingStrategy, SpatialRef};

use crate::bbox::Bbox;
use crate::crs::CRS84;
use crate::error::{Cause, Error, Result};
use crate::kept::{Kept, Shared};
use crate::projection::library::{reason, start};

/// Authority code where there is one, else PROJJSON.
pub fn name_of(srs: &mut SpatialRef) -> Option<String> {
    // Older files leave the code out of a WKT that has one; a CRS that has none stays as it is.
    let _ = srs.authority().or_else(|_| srs.auto_identify_epsg().and_then(|()| srs.authority()));
    srs.authority().or_else(|_| srs.to_projjson()).ok()
}

/// A CRS as GDAL has it, with longitude first.
///
/// # Errors
/// PROJ does not know the definition.
pub fn spatial_ref(definition: &str) -> Result<SpatialRef> {
    start();
    let name = if definition == CRS84 { "OGC:CRS84" } else { definition };
    let mut srs = input::parse(name)?;
    srs.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
    Ok(srs)
}

/// What a catalog needs to know of a CRS.
#[derive(Debug, Clone, PartialEq)]
pub struct CrsFacts {
    /// Coordinates are longitudes and latitudes, and not those of a rotated pole.
    pub geographic: bool,
    /// The whole definition, as PROJJSON.
    pub projjson: String,
    /// In degrees, where PROJ knows it; over the antimeridian `xmax` is beyond 180.
    pub area_of_use: Option<Bbox>,
    /// Of the coordinates: `degree`, `metre`, `US survey foot`.
    pub unit: String,
    /// Metres of that unit, where it is one of length.
    pub metres: Option<f64>,
}

/// CRSs, or pairs of them, of which it is known what was asked.
const KNOWN_CRS: usize = 4096;

/// Each definition is looked up once: PROJ takes a third of a millisecond for one.
///
/// # Errors
/// [`Error::BadCrs`].
pub fn crs_facts(definition: &str) -> Result<Arc<CrsFacts>> {
    static KNOWN: Shared<String, Arc<CrsFacts>> = Shared::new(KNOWN_CRS);
    KNOWN.get_or_make(definition, || look_up_crs(definition).map(Arc::new))
}

fn look_up_crs(definition: &str) -> Result<CrsFacts> {
    let srs = spatial_ref(definition)?;
    let bad = |e: GdalError| Error::BadCrs {
        value: definition.into(),
        reason: Cause::worded(reason(&e, definition), e),
    };
    let geographic = srs.is_geographic() && !srs.is_derived_geographic();
    let area_of_use = srs.area_of_use().map(|a| {
        let (west, east) = (a.west_lon_degree, a.east_lon_degree);
        let east = if east < west { east + 360.0 } else { east };
        Bbox { xmin: west, ymin: a.south_lat_degree, xmax: east, ymax: a.north_lat_degree }
    });
    let degrees = srs.is_geographic();
    let unit = if degrees {
        "degree".to_string()
    } else {
        srs.linear_units_name().unwrap_or_else(|| "unknown units".into())
    };
    let metres = (!degrees).then(|| srs.linear_units()).filter(|metres| *metres > 0.0);
    Ok(CrsFacts { geographic, projjson: srs.to_projjson().map_err(bad)?, area_of_use, unit, metres })
}

/// Two names of one CRS, as PROJ compares them.
///
/// # Errors
/// [`Error::BadCrs`].
pub fn same_crs(a: &str, b: &str) -> Result<bool> {
    thread_local! {
        static KNOWN: RefCell<Kept<(String, String), bool>> = const { RefCell::new(Kept::new(KNOWN_CRS)) };
    }
    if a == b {
        return Ok(true);
    }
    KNOWN.with_borrow_mut(|known| {
        // Coordinates are (x, y) whatever order of axes a CRS declares.
        let declared = |name| {
            let mut srs = spatial_ref(name)?;
            srs.set_axis_mapping_strategy(AxisMappingStrategy::AuthorityCompliant);
            Ok(srs)
        };
        let pair = (a.to_string(), b.to_string());
        known.get_or_make(pair, || Ok(declared(a)? == declared(b)?)).copied()
    })
}
