//! CRSs from the attributes of a CF grid mapping.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::ptr;

use gdal::cpl::CslStringList;
use gdal::spatial_ref::SpatialRef;
use gdal_sys as c;

use crate::error::{Error, Result};
use crate::kept::Shared;
use crate::projection::library::start;
use crate::projection::{name_of, spatial_ref};

/// A CRS and what its coordinates are measured in.
#[derive(Debug, Clone, PartialEq)]
pub struct CfCrs {
    /// Authority code, or PROJJSON where it has none.
    pub name: String,
    /// Metres in one unit of its coordinates; `None` when they are degrees.
    pub metres: Option<f64>,
}

/// Names and values of a grid mapping's attributes.
type Attributes = Vec<(String, String)>;

/// Grid mappings whose CRSs are kept.
const KNOWN_MAPPINGS: usize = 4096;

/// The CRS of a grid mapping, by the names that CF gives its attributes (Appendix F), numbers as text, lists with
/// commas. `crs_wkt` and `spatial_ref` go first. Each is parsed once for the process.
///
/// # Errors
/// [`Error::BadCrs`] with the mapping's name.
pub fn cf_crs(pairs: &[(String, String)]) -> Result<CfCrs> {
    static KNOWN: Shared<Attributes, CfCrs> = Shared::new(KNOWN_MAPPINGS);
    KNOWN.get_or_make(pairs, || described(import(pairs)?, &mapping_name(pairs)))
}

/// The same of any text that PROJ knows a CRS by.
///
/// # Errors
/// [`Error::BadCrs`].
pub fn crs_of(definition: &str) -> Result<CfCrs> {
    described(spatial_ref(definition)?, definition)
}

/// The grid mappings of CF's Appendix F that GDAL writes with all of their parameters.
const OF_CF: [&str; 13] = [
    "albers_conical_equal_area",
    "azimuthal_equidistant",
    "geostationary",
    "lambert_azimuthal_equal_area",
    "lambert_conformal_conic",
    "lambert_cylindrical_equal_area",
    "latitude_longitude",
    "mercator",
    "orthographic",
    "polar_stereographic",
    "rotated_latitude_longitude",
    "stereographic",
    "transverse_mercator",
];

/// The grid mapping that a CRS is written as: its attributes by CF's names where CF has the projection, and `crs_wkt` in any
/// case, in WKT2 of 2015. Lists of numbers have commas.
///
/// # Errors
/// [`Error::BadCrs`].
pub fn cf_attributes(definition: &str) -> Result<Vec<(String, String)>> {
    let srs = spatial_ref(definition)?;
    const FORMAT: &str = "OSR_WKT_FORMAT";
    // CF asks for WKT2 of 2015. That of 2019 tells an ensemble of datums from a datum, of which PROJ gives the one or the other by
    // what its thread looked up before. Neither key nor value holds a zero byte, the one thing that could be refused.
    let _ = gdal::config::set_thread_local_config_option(FORMAT, "WKT2_2015");
    let mut told = exported(&srs);
    let wkt = srs.to_wkt();
    let _ = gdal::config::clear_thread_local_config_option(FORMAT);
    let wkt = wkt.map_err(|e| bad(definition, &e.to_string()))?;
    told.retain(|(key, _)| key != "crs_wkt" && key != "long_name");
    // GDAL has names for more projections, without their parameters.
    if !told.iter().any(|(key, value)| key == "grid_mapping_name" && OF_CF.contains(&value.as_str())) {
        told.clear();
    }
    told.push(("crs_wkt".into(), wkt));
    Ok(told)
}

/// What GDAL tells; nothing where CF lacks the projection.
fn exported(srs: &SpatialRef) -> Attributes {
    let mut list: *mut *mut c_char = ptr::null_mut();
    // SAFETY: the CRS is alive; GDAL makes the list, which is ours.
    let code = unsafe {
        c::OSRExportToCF1(srs.to_c_hsrs(), ptr::null_mut(), &mut list, ptr::null_mut(), ptr::null_mut())
    };
    if list.is_null() {
        return Vec::new();
    }
    let mut told = Vec::new();
    // SAFETY: the list ends with a null pointer, each text before with a zero byte; it is destroyed once.
    unsafe {
        let mut at = list;
        while !(*at).is_null() {
            let text = CStr::from_ptr(*at).to_string_lossy().into_owned();
            told.extend(text.split_once('=').map(|(key, value)| (key.to_string(), value.to_string())));
            at = at.add(1);
        }
        c::CSLDestroy(list);
    }
    if code == c::OGRErr::OGRERR_NONE { told } else { Vec::new() }
}

fn described(mut srs: SpatialRef, value: &str) -> Result<CfCrs> {
    let name = name_of(&mut srs).ok_or_else(|| bad(value, "it cannot be written as PROJJSON"))?;
    let metres = (!srs.is_geographic()).then(|| srs.linear_units());
    Ok(CfCrs { name, metres })
}

fn import(pairs: &[(String, String)]) -> Result<SpatialRef> {
    start();
    let value = mapping_name(pairs);
    let srs = SpatialRef::new().map_err(|e| bad(&value, &e.to_string()))?;
    let mut list = CslStringList::new();
    for (key, text) in pairs {
        // An attribute that GDAL's list cannot hold is none that a CRS follows from.
        let _ = list.set_name_value(key, text);
    }
    // SAFETY: the CRS and the list are alive; GDAL keeps neither.
    let code = unsafe { c::OSRImportFromCF1(srs.to_c_hsrs(), list.as_ptr(), std::ptr::null()) };
    match code {
        c::OGRErr::OGRERR_NONE => Ok(srs),
        _ => Err(bad(&value, "GDAL cannot make a CRS from its attributes")),
    }
}

fn mapping_name(pairs: &[(String, String)]) -> String {
    let named = |key: &str| pairs.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
    named("grid_mapping_name")
        .or_else(|| named("crs_wkt"))
        .or_else(|| named("spatial_ref"))
        .unwrap_or_default()
}

fn bad(value: &str, reason: &str) -> Error {
    Error::BadCrs { value: value.chars().take(200).collect(), reason: reason.into() }
}
