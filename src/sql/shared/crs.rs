//! The CRS of a call: that of a geometry's type, or that which a parameter names.

use crate::bridge::args::Args;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::projection;

/// The CRS of a geometry argument: its type's own, or the option, or lon/lat.
///
/// # Errors
/// Both are given, or PROJ does not know it.
pub fn crs_of_call(args: &Args, own: Option<String>) -> Result<Crs> {
    Ok(asked_crs(args, "crs", own)?.unwrap_or_else(Crs::lon_lat))
}

/// The CRS of a geometry's type, or that which a parameter names; both may say the same.
///
/// # Errors
/// They say different things, or PROJ does not know it.
pub fn asked_crs(args: &Args, parameter: &str, own: Option<String>) -> Result<Option<Crs>> {
    let blame = args.blame(parameter);
    let asked = args.text(parameter)?.map(|crs| Crs::new(&crs));
    let own = own.map(|crs| Crs::new(&crs));
    if let Some(asked) = &asked {
        projection::crs_facts(asked.as_str()).map_err(&blame)?;
    }
    if let (Some(own), Some(asked)) = (&own, &asked)
        && !projection::same_crs(own.as_str(), asked.as_str()).map_err(&blame)?
    {
        let problem = format!("the geometry is in {own}, and {parameter} says {asked}");
        return Err(blame(Error::conflict(problem, format!("Leave {parameter} out"))));
    }
    if let Some(own) = &own {
        projection::crs_facts(own.as_str()).map_err(&blame)?;
    }
    Ok(own.or(asked))
}
