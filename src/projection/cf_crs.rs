//! CRSs from the attributes of a CF grid mapping.

#![allow(unsafe_code)]

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
