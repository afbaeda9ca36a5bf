//! What a store says of the grid that its values lie on: coordinates and a grid mapping by CF, and the `spatial:` and `proj:`
//! attributes of GeoZarr.

use serde_json::{Map, Value, json};

use crate::affine::Affine;
use crate::dtype::Pixels;
use crate::error::Result;
use crate::format::zarr::create::Values;
use crate::projection;
use crate::window::Window;
use crate::write::zarr::Fixed;

/// The variable that holds the grid mapping, by the name that rioxarray looks for.
pub const MAPPING: &str = "spatial_ref";

/// Where pixels lie.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    /// From pixels to the CRS; `None` where each row has its own, or none.
    pub transform: Option<Affine>,
    /// The CRS, as the user names it.
    pub crs: Option<String>,
    /// Rows and columns; `None` where there are none.
    pub sides: Option<(u64, u64)>,
}

/// What follows from a grid.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// Coordinates and the grid mapping.
    pub arrays: Vec<Fixed>,
    /// Of each variable on the grid.
    pub attributes: Map<String, Value>,
}

fn convention(name: &str, repository: &str, uuid: &str, description: &str) -> Value {
    let at = format!("zarr-conventions/{repository}");
    json!({
        "uuid": uuid,
        "name": name,
        "schema_url": format!("https://raw.githubusercontent.com/{at}/refs/tags/v1/schema.json"),
        "spec_url": format!("https://github.com/{at}/blob/v1/README.md"),
        "description": description,
    })
}

/// Six numbers, or several of one, as a JSON list or a number; other text as it is.
fn attribute(text: &str) -> Value {
    let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some([one]) if one.is_finite() => json!(one),
        Some(many) if many.iter().all(|v| v.is_finite()) => json!(many),
        _ => json!(text),
    }
}

impl Grid {
    /// # Errors
    /// A CRS that PROJ does not know.
    pub fn told(&self) -> Result<Told> {
        let mut told = Told::default();
        let mut conventions = Vec::new();
        let mut mapping = Map::new();
        if let Some(crs) = &self.crs {
            let mut wkt = None;
            for (key, value) in projection::cf_attributes(crs)? {
                if key == "crs_wkt" {
                    wkt = Some(value.clone());
                }
                let texts = ["crs_wkt", "grid_mapping_name", "sweep_angle_axis"];
                let value = if texts.contains(&key.as_str()) { json!(value) } else { attribute(&value) };
                mapping.insert(key, value);
            }
            // As GDAL and rioxarray name it.
            mapping.insert("spatial_ref".into(), json!(wkt));
            conventions.push(convention(
                "proj:",
                "geo-proj",
                "f17cb550-5864-4468-aeb7-f3180cfb622f",
                "Coordinate reference system information for geospatial data",
            ));
            let name = projection::crs_of(crs)?.name;
            let code = name.split_once(':').filter(|(authority, code)| {
                authority.bytes().all(|b| b.is_ascii_uppercase()) && code.bytes().all(|b| b.is_ascii_digit())
            });
            if code.is_some() {
                told.attributes.insert("proj:code".into(), json!(name));
            }
            told.attributes.insert("proj:wkt2".into(), json!(wkt));
        }
        if let (Some(affine), Some((height, width))) = (self.transform, self.sides) {
            let terms: Vec<String> = affine.0.iter().map(f64::to_string).collect();
            mapping.insert("GeoTransform".into(), json!(terms.join(" ")));
            conventions.push(convention(
                "spatial:",
                "spatial",
                "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
                "Spatial coordinate information",
            ));
            let c = &affine.0;
            for (key, value) in [
                ("spatial:dimensions", json!(["y", "x"])),
                ("spatial:transform_type", json!("affine")),
                ("spatial:transform", json!([c[1], c[2], c[0], c[4], c[5], c[3]])),
                ("spatial:shape", json!([height, width])),
                ("spatial:registration", json!("pixel")),
            ] {
                told.attributes.insert(key.into(), value);
            }
            if !affine.is_rotated() {
                let window = Window::new(0, 0, height as i64, width as i64)?;
                let edges = affine.bbox(&window);
                let corners = [edges.xmin, edges.ymin, edges.xmax, edges.ymax];
                told.attributes.insert("spatial:bbox".into(), json!(corners));
                told.arrays.extend(self.coordinates(&affine, height, width)?);
            }
        }
        if !mapping.is_empty() {
            told.attributes.insert("grid_mapping".into(), json!(MAPPING));
            let values = Values::Pixels(Pixels::Int64(vec![0]));
            told.arrays.push(Fixed::scalar(MAPPING, values, mapping));
        }
        if !conventions.is_empty() {
            told.attributes.insert("zarr_conventions".into(), json!(conventions));
        }
        Ok(told)
    }

    /// The centres of rows and columns.
    fn coordinates(&self, affine: &Affine, height: u64, width: u64) -> Result<[Fixed; 2]> {
        let facts = self.crs.as_deref().map(projection::crs_facts).transpose()?;
        let metres = self.crs.as_deref().map(projection::crs_of).transpose()?.and_then(|crs| crs.metres);
        let degrees = facts.as_ref().is_some_and(|facts| facts.unit == "degree");
        let unit = match metres {
            Some(1.0) => Some("m"),
            Some(1000.0) => Some("km"),
            _ => facts.as_ref().filter(|_| !degrees).map(|facts| facts.unit.as_str()),
        };
        let geographic = facts.as_ref().is_some_and(|facts| facts.geographic);
        let axis = |name: &str, standard: [&str; 3], of_degrees: &str, values: Vec<f64>| {
            let mut attributes = Map::new();
            attributes.insert("axis".into(), json!(name.to_uppercase()));
            let (standard, unit) = match (geographic, degrees) {
                (true, _) => (Some(standard[0]), Some(of_degrees)),
                (false, true) => (Some(standard[1]), Some("degrees")),
                (false, false) => (facts.as_ref().map(|_| standard[2]), unit),
            };
            for (key, text) in [("standard_name", standard), ("units", unit)] {
                if let Some(text) = text {
                    attributes.insert(key.into(), json!(text));
                }
            }
            let values = Values::Pixels(Pixels::Float64(values));
            Fixed::along(name, name, values, attributes)
        };
        let ys = (0..height).map(|row| affine.y(row as f64 + 0.5)).collect();
        let xs = (0..width).map(|col| affine.x(col as f64 + 0.5)).collect();
        Ok([
            axis("y", ["latitude", "grid_latitude", "projection_y_coordinate"], "degrees_north", ys),
            axis("x", ["longitude", "grid_longitude", "projection_x_coordinate"], "degrees_east", xs),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(crs: Option<&str>, terms: [f64; 6]) -> Told {
        let grid = Grid { transform: Some(Affine(terms)), crs: crs.map(Into::into), sides: Some((2, 3)) };
        grid.told().unwrap()
    }

    #[test]
    fn coordinates_are_centres_with_the_names_of_cf() {
        let told = told(Some("EPSG:32629"), [500_000.0, 10.0, 0.0, 4_600_000.0, 0.0, -20.0]);
        let [y, x, mapping] = told.arrays.as_slice() else { panic!("{told:?}") };
        assert_eq!(y.values, Values::Pixels(Pixels::Float64(vec![4_599_990.0, 4_599_970.0])));
        assert_eq!(x.values, Values::Pixels(Pixels::Float64(vec![500_005.0, 500_015.0, 500_025.0])));
        assert_eq!(
            (&x.attributes["standard_name"], &x.attributes["units"]),
            (&json!("projection_x_coordinate"), &json!("m"))
        );
        assert_eq!(mapping.attributes["grid_mapping_name"], json!("transverse_mercator"));
        assert_eq!(mapping.attributes["scale_factor_at_central_meridian"], json!(0.9996));
        assert_eq!(mapping.attributes["GeoTransform"], json!("500000 10 0 4600000 0 -20"));
        assert_eq!(told.attributes["proj:code"], json!("EPSG:32629"));
        assert_eq!(
            told.attributes["spatial:transform"],
            json!([10.0, 0.0, 500_000.0, 0.0, -20.0, 4_600_000.0])
        );
        assert_eq!(told.attributes["spatial:bbox"], json!([500_000.0, 4_599_960.0, 500_030.0, 4_600_000.0]));
    }

    #[test]
    fn longitudes_and_latitudes_are_told_as_such_and_what_is_turned_has_no_axes() {
        let lon_lat = told(Some("OGC:CRS84"), [-180.0, 0.1, 0.0, 90.0, 0.0, -0.1]);
        assert_eq!(lon_lat.arrays[0].attributes["units"], json!("degrees_north"));
        assert_eq!(lon_lat.arrays[1].attributes["standard_name"], json!("longitude"));
        assert!(!lon_lat.attributes.contains_key("proj:code"));
        let turned = told(None, [0.0, 1.0, 0.5, 0.0, 0.5, -1.0]);
        assert_eq!(turned.arrays.len(), 1);
        assert!(
            !turned.attributes.contains_key("spatial:bbox") && !turned.attributes.contains_key("proj:wkt2")
        );
        assert_eq!(Grid::default().told().unwrap(), Told::default());
    }

    #[test]
    fn a_projection_that_cf_lacks_is_told_by_its_wkt() {
        let told = told(Some("ESRI:54009"), [0.0, 1000.0, 0.0, 0.0, 0.0, -1000.0]);
        let mapping = &told.arrays[2].attributes;
        assert!(!mapping.contains_key("grid_mapping_name"));
        assert!(mapping["crs_wkt"].as_str().unwrap().starts_with("PROJCRS["));
    }
}
