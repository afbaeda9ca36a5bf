//! Where patches lie: boxes in some CRS, or windows of one raster.

use crate::bbox::Bbox;
use crate::error::{Error, Result};
use crate::map::apart::Boxes;
use crate::projection;
use crate::sql::shared::windows::WindowRow;

/// Where patches lie: box, window, and which of the CRSs the box is in. Where all have a box in a CRS the boxes count, else
/// the windows do, without distances.
///
/// # Errors
/// A patch without both, or a CRS that PROJ does not know.
pub fn boxes<'a>(
    blamed: &str,
    patches: impl Iterator<Item = (Option<Bbox>, Option<&'a WindowRow>, usize)> + Clone,
    crss: Vec<String>,
) -> Result<Boxes> {
    let at = |error: Error| error.at(blamed);
    if !crss.is_empty() && patches.clone().all(|(bbox, _, _)| bbox.is_some()) {
        let (mut boxes, crs): (Vec<Bbox>, Vec<usize>) =
            patches.filter_map(|(bbox, _, crs)| bbox.map(|bbox| (bbox, crs))).unzip();
        let geographic: Vec<bool> = crss
            .iter()
            .map(|crs| projection::crs_facts(crs).map(|facts| facts.geographic))
            .collect::<Result<_>>()
            .map_err(at)?;
        for (bbox, crs) in boxes.iter_mut().zip(&crs) {
            // Over the antimeridian, as queries are, a box runs on to the east.
            if bbox.xmin > bbox.xmax && geographic.get(*crs) == Some(&true) {
                bbox.xmax += 360.0;
            }
            Bbox::new(bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax).map_err(at)?;
        }
        return Boxes::new(boxes, &crs, &crss).map_err(at);
    }
    let mut windows = Vec::new();
    for (_, window, _) in patches {
        let Some(window) = window else {
            let problem = "a patch has neither a win nor a bbox in a CRS";
            return Err(at(Error::conflict(
                problem,
                "Give each a win, or a bbox and the crs that it is in, as geo_patch_grid does",
            )));
        };
        let window = window.window().map_err(at)?;
        let (top, left) = (window.row_off as f64, window.col_off as f64);
        windows.push(Bbox {
            xmin: left,
            ymin: top,
            xmax: left + f64::from(window.width),
            ymax: top + f64::from(window.height),
        });
    }
    Boxes::new(windows, &[], &[]).map_err(at)
}

/// A distance in metres.
///
/// # Errors
/// Below 0, or not finite.
pub fn gap(blamed: &str, metres: f64) -> Result<f64> {
    match metres >= 0.0 && metres.is_finite() {
        true => Ok(metres),
        false => Err(Error::invalid(metres, "a distance in metres, 0 or above").at(blamed)),
    }
}
