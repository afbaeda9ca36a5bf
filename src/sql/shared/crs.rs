//! The CRS of a call: that of a geometry's type, or that which a parameter names.

use crate::bbox::Bbox;
use crate::bridge::args::Args;
use crate::crs::Crs;
use crate::error::{Bounds, Error, Result};
use crate::map::footprint;
use crate::projection;

/// The CRS of a geometry argument.
pub struct CallCrs {
    /// Its type's own, or the option, or lon/lat.
    pub crs: Crs,
    /// Neither names one: lon/lat is what it is taken for.
    assumed: bool,
}

/// The CRS of a geometry argument: its type's own, or the option, or lon/lat.
///
/// # Errors
/// Both are given and differ, or PROJ does not know it.
pub fn crs_of_call(args: &Args, own: Option<String>) -> Result<CallCrs> {
    let named = asked_crs(args, "crs", own)?;
    Ok(CallCrs { assumed: named.is_none(), crs: named.unwrap_or_else(Crs::lon_lat) })
}

impl CallCrs {
    /// An error over such a geometry; where nothing named its CRS, with the word that was missing.
    pub fn explain(&self, error: Error) -> Error {
        let problem = match error.bare() {
            Error::Unprojectable { .. } | Error::OutOfRange { bounds: Bounds::Unit { .. }, .. }
                if self.assumed =>
            {
                error.bare().to_string()
            }
            _ => return error,
        };
        let problem = problem.lines().next().unwrap_or_default();
        let remedy = "Nothing names the CRS of the shape, which is taken for longitude and latitude: give {crs: 'EPSG:...'}";
        Error::conflict(problem, remedy)
    }

    /// Refuses numbers that are no degrees where nothing names their CRS: as such they lie nowhere.
    ///
    /// # Errors
    /// Such numbers.
    pub fn check(&self, envelope: Option<Bbox>) -> Result<()> {
        // Cells at a pole reach a little beyond it.
        let far = |b: &Bbox| b.xmin < -720.0 || b.xmax > 720.0 || b.ymin < -180.0 || b.ymax > 180.0;
        let Some(bbox) = envelope.filter(|bbox| self.assumed && far(bbox)) else { return Ok(()) };
        let facts = projection::crs_facts(self.crs.as_str())?;
        footprint::check_units(&bbox, self.crs.as_str(), &facts).map_err(|error| self.explain(error))
    }
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
