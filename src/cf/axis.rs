//! Which coordinates a variable has: x and y, longitude and latitude, time, vertical (CF 4 and 5).

use std::collections::HashSet;

use crate::cf::time::TimeUnits;
use crate::format::array::{ArrayHeader, Variable};

/// A coordinate of some variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinate {
    /// Its index in the header.
    pub variable: usize,
    /// Where its own dimensions stand among the variable's, in its own order; none for a scalar.
    pub dims: Vec<usize>,
}

/// The coordinates of one variable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Axes {
    /// One-dimensional, along the columns: of a projection, of a rotated pole, or the longitudes themselves.
    pub x: Option<Coordinate>,
    /// One-dimensional, along the rows.
    pub y: Option<Coordinate>,
    /// True longitudes: one-dimensional (then `x` too, unless points share one dimension), or a 2-D array.
    pub lon: Option<Coordinate>,
    /// True latitudes, like `lon`.
    pub lat: Option<Coordinate>,
    /// A time in units since a date.
    pub time: Option<Coordinate>,
    /// Depth, height or pressure.
    pub vertical: Option<Coordinate>,
}

impl Axes {
    /// The dimension of the variable along which columns run.
    pub fn x_dim(&self) -> Option<usize> {
        let curvilinear =
            || self.lon.as_ref().filter(|lon| lon.dims.len() == 2).and_then(|lon| lon.dims.last());
        self.x.as_ref().and_then(|x| x.dims.first()).or_else(curvilinear).copied()
    }

    /// The dimension of the variable along which rows run.
    pub fn y_dim(&self) -> Option<usize> {
        let curvilinear =
            || self.lat.as_ref().filter(|lat| lat.dims.len() == 2).and_then(|lat| lat.dims.first());
        self.y.as_ref().and_then(|y| y.dims.first()).or_else(curvilinear).copied()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// x of a projection or a rotated pole.
    X,
    Y,
    Lon,
    Lat,
    Time,
    Vertical,
}

/// How sure a role is: attributes that CF defines, over a name.
const STATED: u32 = 20;
const NAMED: u32 = 10;
/// How the coordinate belongs to the variable: as a dimension's own, by `coordinates`, or by lying on its dimensions.
const OF_DIMENSION: u32 = 4;
const LISTED: u32 = 3;
const BESIDE: u32 = 1;

/// The coordinates of a variable: of its dimensions, of its `coordinates` attribute, and as the last resort any
/// variable on the same dimensions that says it holds longitudes, latitudes or times.
pub fn axes(header: &ArrayHeader, variable: usize) -> Axes {
    let Some(data) = header.variables.get(variable) else { return Axes::default() };
    let bounds = named_by(header, &["bounds", "climatology"]);
    let mut best: [Option<(u32, Coordinate)>; 6] = Default::default();
    let mut offer = |index: usize, belongs: u32| {
        let Some(candidate) = header.variables.get(index) else { return };
        if index == variable || candidate.dtype.is_none() || bounds.contains(&index) {
            return;
        }
        let Some((role, sure)) = role(candidate) else { return };
        if belongs == BESIDE && (sure < STATED || matches!(role, Role::X | Role::Y | Role::Vertical)) {
            return;
        }
        let Some(dims) = within(candidate, data) else { return };
        let fits = match role {
            Role::X | Role::Y => dims.len() == 1,
            Role::Lon | Role::Lat => dims.len() <= 2,
            _ => true,
        };
        if !fits {
            return;
        }
        let score = sure + belongs + preference(role, candidate);
        let slot = &mut best[role as usize];
        if slot.as_ref().is_none_or(|(found, _)| *found < score) {
            *slot = Some((score, Coordinate { variable: index, dims }));
        }
    };
    for (index, (dim, size)) in data.dims.iter().zip(&data.shape).enumerate() {
        if data.unnamed.contains(&index) {
            continue;
        }
        let own = header.resolve(&data.name, dim).filter(|index| {
            header.variables.get(*index).is_some_and(|v| v.dims == [dim.as_str()] && v.shape == [*size])
        });
        own.into_iter().for_each(|index| offer(index, OF_DIMENSION));
    }
    for index in listed(header, data, "coordinates") {
        offer(index, LISTED);
    }
    (0..header.variables.len()).for_each(|index| offer(index, BESIDE));
    let [mut x, mut y, lon, lat, mut time, vertical] =
        best.map(|slot| slot.map(|(_, coordinate)| coordinate));
    // A time's own times are its own.
    if data.dims.len() == 1 && data.dtype.is_some() && matches!(role(data), Some((Role::Time, _))) {
        time = Some(Coordinate { variable, dims: vec![0] });
    }
    // One-dimensional longitudes and latitudes on dimensions of their own are the axes of the grid.
    if let (Some(lon), Some(lat)) = (&lon, &lat)
        && lon.dims.len() == 1
        && lat.dims.len() == 1
        && lon.dims != lat.dims
    {
        (x, y) = (Some(lon.clone()), Some(lat.clone()));
    }
    Axes { x, y, lon, lat, time, vertical }
}

/// The variables that hold data: none that is a coordinate, its bounds, a grid mapping or a mesh.
pub fn data_variables(header: &ArrayHeader) -> Vec<usize> {
    let mut taken = named_by(header, &["bounds", "climatology", "coordinates", "grid_mapping"]);
    if let Some(names) = header.attribute("coordinates").and_then(|a| a.text()) {
        taken.extend(names.split_ascii_whitespace().filter_map(|name| header.find(name)));
    }
    let serves = |variable: &Variable| {
        let own_dimension = variable.dims.as_slice() == [variable.short_name()];
        let has = |name: &str| variable.attribute(name).is_some();
        let mapping =
            variable.dims.is_empty() && ["grid_mapping_name", "crs_wkt", "spatial_ref"].into_iter().any(has);
        let mesh = has("cf_role");
        let coordinate = matches!(role(variable), Some((Role::Lon | Role::Lat, sure)) if sure >= STATED);
        let time = variable.text("standard_name") == Some("time");
        own_dimension || mapping || mesh || coordinate || time
    };
    (0..header.variables.len())
        .filter(|index| !taken.contains(index) && !header.variables.get(*index).is_none_or(serves))
        .collect()
}

/// The variables that an attribute of `variable` lists.
pub fn listed(header: &ArrayHeader, variable: &Variable, attribute: &str) -> Vec<usize> {
    let names = variable.text(attribute).unwrap_or_default();
    // The extended form of grid_mapping writes `crs: x y`.
    let names = names.split_ascii_whitespace().map(|name| name.trim_end_matches(':'));
    names.filter_map(|name| header.resolve(&variable.name, name)).collect()
}

fn named_by(header: &ArrayHeader, attributes: &[&str]) -> HashSet<usize> {
    let all = header.variables.iter();
    all.flat_map(|v| attributes.iter().flat_map(move |attribute| listed(header, v, attribute))).collect()
}

/// How many of the first dimensions of a coordinate say nothing: those of length 1 in front of two others, as Sentinel-5P and
/// WRF write a time there.
pub fn idle(shape: &[u64]) -> usize {
    shape.iter().take_while(|size| **size == 1).count().min(shape.len().saturating_sub(2))
}

/// Where the dimensions of a coordinate stand among those of the data; `None` when one is not there. Dimensions without a
/// name are told by their lengths alone: one by itself is the data's only one of that length, and two are the last two of the
/// data in their order. A square array is tied to nothing by one length.
fn within(coordinate: &Variable, data: &Variable) -> Option<Vec<usize>> {
    let idle = idle(&coordinate.shape);
    let rank = coordinate.dims.len() - idle;
    if coordinate.unnamed.iter().any(|dim| *dim >= idle) {
        if let ([dim], [size]) = (coordinate.dims.get(idle..)?, coordinate.shape.get(idle..)?) {
            let mut long = data.shape.iter().enumerate().filter(|(_, s)| *s == size).map(|(index, _)| index);
            let only = long.next().filter(|index| data.dims.get(*index) == Some(dim))?;
            return long.next().is_none().then(|| vec![only]);
        }
        let first = data.dims.len().checked_sub(rank).filter(|_| rank == 2)?;
        let same = coordinate.shape.get(idle..) == data.shape.get(first..)
            && coordinate.dims.get(idle..) == data.dims.get(first..);
        return same.then(|| (first..data.dims.len()).collect());
    }
    let dimension_of = |(dim, size): (&String, &u64)| {
        let mut named = data.dims.iter().zip(&data.shape).enumerate();
        let same = |(index, (d, s)): (usize, (&String, &u64))| {
            d == dim && s == size && !data.unnamed.contains(&index)
        };
        named.position(same)
    };
    coordinate.dims.iter().zip(&coordinate.shape).skip(idle).map(dimension_of).collect()
}

/// Among times the time that the data are for, not the one that they were made at.
fn preference(role: Role, variable: &Variable) -> u32 {
    let standard_name = variable.text("standard_name");
    let time = match standard_name {
        Some("time") => 40,
        None => 30,
        Some(_) => 0,
    };
    if role == Role::Time { time + u32::from(variable.text("axis") == Some("T")) } else { 0 }
}

fn role(variable: &Variable) -> Option<(Role, u32)> {
    let unit = variable.unit.as_deref().unwrap_or_default();
    if TimeUnits::is_time(unit) {
        return Some((Role::Time, STATED));
    }
    let stated = match variable.text("standard_name").unwrap_or_default() {
        "longitude" => Some(Role::Lon),
        "latitude" => Some(Role::Lat),
        "grid_longitude" | "projection_x_coordinate" | "projection_x_angular_coordinate" => Some(Role::X),
        "grid_latitude" | "projection_y_coordinate" | "projection_y_angular_coordinate" => Some(Role::Y),
        name => is_vertical(name).then_some(Role::Vertical),
    };
    let by_unit = || match unit {
        "degrees_east" | "degree_east" | "degree_E" | "degrees_E" | "degreeE" | "degreesE" => Some(Role::Lon),
        "degrees_north" | "degree_north" | "degree_N" | "degrees_N" | "degreeN" | "degreesN" => {
            Some(Role::Lat)
        }
        _ => None,
    };
    let by_axis = || match variable.text("axis")? {
        "X" | "x" => Some(Role::X),
        "Y" | "y" => Some(Role::Y),
        "Z" | "z" => Some(Role::Vertical),
        _ => None,
    };
    let by_positive = || {
        let way = variable.text("positive")?.to_lowercase();
        ["up", "down"].contains(&way.as_str()).then_some(Role::Vertical)
    };
    if let Some(role) = stated.or_else(by_unit).or_else(by_axis).or_else(by_positive) {
        return Some((role, STATED));
    }
    let role = match variable.short_name().to_lowercase().as_str() {
        "lon" | "longitude" | "nav_lon" | "glon" | "xlong" | "lons" | "longitudes" => Role::Lon,
        "lat" | "latitude" | "nav_lat" | "glat" | "xlat" | "lats" | "latitudes" => Role::Lat,
        "x" | "xc" | "rlon" | "easting" => Role::X,
        "y" | "yc" | "rlat" | "northing" => Role::Y,
        "z" | "lev" | "level" | "depth" | "deptht" | "height" | "altitude" | "plev" | "pressure" => {
            Role::Vertical
        }
        _ => return None,
    };
    Some((role, NAMED))
}

/// Standard names of what stands upright (CF 4.3).
fn is_vertical(name: &str) -> bool {
    matches!(
        name,
        "height" | "depth" | "altitude" | "air_pressure" | "model_level_number" | "sea_water_pressure"
    ) || ((name.starts_with("atmosphere_") || name.starts_with("ocean_")) && name.ends_with("_coordinate"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Dtype;
    use crate::format::array::Attribute;

    fn variable(name: &str, dims: &[(&str, u64)], attributes: &[(&str, &str)]) -> Variable {
        let text =
            |name: &str| attributes.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_string());
        Variable {
            name: name.into(),
            dims: dims.iter().map(|(dim, _)| (*dim).to_string()).collect(),
            unnamed: Vec::new(),
            shape: dims.iter().map(|(_, size)| *size).collect(),
            dtype_name: "float64".into(),
            dtype: Some(Dtype::Float64),
            chunk: None,
            nodata: None,
            scale: None,
            offset: None,
            unit: text("units"),
            attributes: attributes.iter().map(|(k, v)| ((*k).into(), Attribute::Text((*v).into()))).collect(),
        }
    }

    fn named(header: &ArrayHeader, coordinate: &Option<Coordinate>) -> Option<(String, Vec<usize>)> {
        coordinate.as_ref().map(|c| (header.variables[c.variable].name.clone(), c.dims.clone()))
    }

    #[test]
    fn the_axes_of_a_curvilinear_ocean_model_are_found() {
        let (t, y, x) = (("time_counter", 1), ("y", 3), ("x", 4));
        let header = ArrayHeader {
            variables: vec![
                variable("nav_lat", &[y, x], &[("units", "degrees_north"), ("bounds", "bounds_lat")]),
                variable("nav_lon", &[y, x], &[("units", "degrees_east")]),
                variable("bounds_lat", &[y, x, ("nvertex", 4)], &[]),
                variable("time_counter", &[t], &[("axis", "T")]),
                variable(
                    "time_centered",
                    &[t],
                    &[("units", "seconds since 1900-01-01"), ("standard_name", "time")],
                ),
                variable("tos", &[t, y, x], &[("coordinates", "time_centered nav_lat nav_lon")]),
            ],
            ..ArrayHeader::default()
        };
        assert_eq!(data_variables(&header), [5]);
        let found = axes(&header, 5);
        assert_eq!(named(&header, &found.lon), Some(("nav_lon".into(), vec![1, 2])));
        assert_eq!(named(&header, &found.time), Some(("time_centered".into(), vec![0])));
        assert_eq!((found.x_dim(), found.y_dim(), found.x), (Some(2), Some(1), None));
    }

    #[test]
    fn the_time_of_the_data_goes_before_the_time_of_the_forecast() {
        let header = ArrayHeader {
            variables: vec![
                variable(
                    "forecast_reference_time",
                    &[("time", 2)],
                    &[("units", "hours since 1970-01-01"), ("standard_name", "forecast_reference_time")],
                ),
                variable(
                    "time",
                    &[("time", 2)],
                    &[("units", "hours since 1970-01-01"), ("standard_name", "time")],
                ),
                variable("t", &[("time", 2)], &[("coordinates", "forecast_reference_time")]),
            ],
            ..ArrayHeader::default()
        };
        assert_eq!(named(&header, &axes(&header, 2).time), Some(("time".into(), vec![0])));
    }

    #[test]
    fn dimensions_without_a_name_tie_nothing() {
        let (a, b) = (("phony_dim_0", 3), ("phony_dim_1", 3));
        let unnamed = |name: &str, dims: &[(&str, u64)], attributes: &[(&str, &str)]| Variable {
            unnamed: (0..dims.len()).collect(),
            ..variable(name, dims, attributes)
        };
        let header = ArrayHeader {
            variables: vec![
                unnamed("lat", &[a], &[("units", "degrees_north")]),
                unnamed("lon", &[a], &[("units", "degrees_east")]),
                unnamed("v", &[a, b], &[]),
                unnamed("lats", &[a, b], &[("units", "degrees_north")]),
                unnamed("lons", &[a, b], &[("units", "degrees_east")]),
            ],
            ..ArrayHeader::default()
        };
        let found = axes(&header, 2);
        assert_eq!(named(&header, &found.lat), Some(("lats".into(), vec![0, 1])));
        assert!(found.x.is_none() && found.y.is_none());
    }

    #[test]
    fn a_length_of_one_in_front_says_nothing() {
        let (t, y, x) = (("time", 1), ("scanline", 6), ("pixel", 5));
        let header = ArrayHeader {
            variables: vec![
                variable("latitude", &[t, y, x], &[("units", "degrees_north")]),
                variable("longitude", &[t, y, x], &[("units", "degrees_east")]),
                variable("no2", &[t, y, x], &[("coordinates", "longitude latitude")]),
            ],
            ..ArrayHeader::default()
        };
        let found = axes(&header, 2);
        assert_eq!(named(&header, &found.lon), Some(("longitude".into(), vec![1, 2])));
        assert_eq!((idle(&[1, 6, 5]), idle(&[1, 5]), idle(&[1, 1, 1])), (1, 0, 1));
    }

    #[test]
    fn names_resolve_in_their_group_and_above() {
        let lat = [("lat", 3)];
        let header = ArrayHeader {
            variables: vec![
                variable("lat", &lat, &[("units", "degrees_north")]),
                variable("ocean/lon", &[("lon", 4)], &[("units", "degrees_east")]),
                variable("ocean/temp", &[("lat", 3), ("lon", 4)], &[]),
            ],
            ..ArrayHeader::default()
        };
        let found = axes(&header, 2);
        assert_eq!(named(&header, &found.x), Some(("ocean/lon".into(), vec![1])));
        assert_eq!(named(&header, &found.y), Some(("lat".into(), vec![0])));
        assert_eq!(data_variables(&header), [2]);
    }

    #[test]
    fn points_along_one_dimension_have_no_grid() {
        let obs = [("obs", 5)];
        let header = ArrayHeader {
            variables: vec![
                variable("lat", &obs, &[("units", "degrees_north")]),
                variable("lon", &obs, &[("units", "degrees_east")]),
                variable("temp", &obs, &[]),
            ],
            ..ArrayHeader::default()
        };
        let found = axes(&header, 2);
        assert!(found.x.is_none() && found.y.is_none() && found.lon.is_some() && found.lat.is_some());
    }
}
