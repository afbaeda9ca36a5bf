//! What the variables of a file of profiles are: CF's discrete sampling geometries (CF 9), Argo's own files, and grids, whose
//! columns are profiles.

use crate::cf::TimeUnits;
use crate::error::{Error, Result};
use crate::format::array::{ArrayHeader, Variable};
use crate::profile::cast::{Wanted, depth_name, flag_names};

/// How profiles lie in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// Arrays of profiles and levels, padded where a profile is shorter.
    Levels {
        /// The dimensions that profiles are counted along, with their sizes; none in a file of one profile.
        dims: Vec<(String, u64)>,
        /// The dimension of levels, and its size.
        level: (String, u64),
    },
    /// One after another along one dimension: a variable counts the observations of each.
    Counted {
        /// The variable.
        counts: usize,
    },
    /// Mixed along one dimension: a variable names each observation's profile.
    Indexed {
        /// The variable.
        index: usize,
        /// How many profiles.
        profiles: u64,
    },
}

/// Which variable is what.
#[derive(Debug, Clone, PartialEq)]
pub struct Roles {
    /// Depths, or pressures.
    pub depth: usize,
    /// They are pressures.
    pub is_pressure: bool,
    /// What a stored depth or pressure counts in metres or decibars; below 0 where they count upwards.
    pub factor: f64,
    /// Of profiles.
    pub lon: Option<usize>,
    /// Of profiles.
    pub lat: Option<usize>,
    /// Of profiles.
    pub time: Option<usize>,
    /// The variables of levels, and their flags.
    pub variables: Vec<(usize, Option<usize>)>,
    /// What else is told of profiles.
    pub attributes: Vec<usize>,
    /// How profiles lie.
    pub layout: Layout,
}

impl Roles {
    /// # Errors
    /// A file without depths, or without a variable along them.
    pub fn find(path: &str, header: &ArrayHeader, wanted: &Wanted) -> Result<Roles> {
        let (depth, is_pressure) = depth(path, header, wanted)?;
        let finder = Finder { path, header, depth: &header.variables[depth] };
        let layout = finder.layout(wanted)?;
        let instance = finder.instance(&layout);
        let of_profile = |v: &Variable| v.dims.iter().all(|dim| instance.contains(dim)) && v.dtype.is_some();
        let best = |sure: fn(&Variable) -> u8| {
            let scored = header.variables.iter().enumerate().filter(|(_, v)| of_profile(v));
            let scored = scored.map(|(index, v)| (sure(v), index)).filter(|(sure, _)| *sure > 0);
            scored.max_by_key(|(sure, index)| (*sure, usize::MAX - index)).map(|(_, index)| index)
        };
        let (lon, lat, time) = (best(is_longitude), best(is_latitude), best(is_time));
        let variables = finder.variables(wanted, &layout, depth)?;
        let taken = |index: usize| [Some(depth), lon, lat, time].contains(&Some(index));
        let attributes = (0..header.variables.len())
            .filter(|index| !taken(*index))
            .filter(|index| of_profile(&header.variables[*index]) && !instance.is_empty())
            .filter(|index| header.variables[*index].dims.len() == instance.len())
            .filter(|index| !matches!(&layout, Layout::Counted { counts } if counts == index))
            .collect();
        let factor = factor(path, &header.variables[depth], is_pressure)?;
        Ok(Roles { depth, is_pressure, factor, lon, lat, time, variables, attributes, layout })
    }
}

struct Finder<'a> {
    path: &'a str,
    header: &'a ArrayHeader,
    depth: &'a Variable,
}

impl Finder<'_> {
    fn names(&self) -> String {
        self.header.variables.iter().map(|v| v.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn layout(&self, wanted: &Wanted) -> Result<Layout> {
        if let [dim] = self.depth.dims.as_slice() {
            let mut all = self.header.variables.iter().enumerate();
            if let Some((counts, _)) = all.find(|(_, v)| v.text("sample_dimension") == Some(dim)) {
                return Ok(Layout::Counted { counts });
            }
            let mut all = self.header.variables.iter().enumerate();
            let index = all.find(|(_, v)| v.dims == [dim.clone()] && v.text("instance_dimension").is_some());
            if let Some((index, variable)) = index {
                let instance = variable.text("instance_dimension").unwrap_or_default();
                let sized = |v: &Variable| {
                    v.dims.iter().position(|d| d == instance).and_then(|at| v.shape.get(at).copied())
                };
                let profiles = self.header.variables.iter().find_map(sized).ok_or_else(|| {
                    let reason = format!("its instance_dimension \"{instance}\" is that of no variable");
                    Error::values(self.path, &variable.name, reason)
                })?;
                return Ok(Layout::Indexed { index, profiles });
            }
        }
        // Of depths that vary from profile to profile, levels are the dimension that positions do not have.
        let placed = self.header.variables.iter().find(|v| is_longitude(v) > 0 && !v.dims.is_empty());
        let along = |dim: &&String| placed.is_none_or(|lon| !lon.dims.contains(dim));
        let level = match self.depth.dims.as_slice() {
            [one] => one,
            many => many.iter().rev().find(along).or(many.last()).ok_or_else(|| {
                Error::values(
                    self.path,
                    &self.depth.name,
                    "it is one number, and a profile has a depth a level",
                )
            })?,
        };
        // An axis of depths is shared: then a variable tells the profiles.
        let first = wanted.variables.as_ref().and_then(|names| names.first());
        let shared = match (self.depth.dims.as_slice(), first) {
            ([_], Some(name)) => &self.header.variables[self.header.variable(self.path, name)?],
            ([_], None) => {
                let bounds = |v: &Variable| {
                    self.header.variables.iter().any(|of| of.text("bounds") == Some(v.short_name()))
                };
                let along = |v: &&Variable| {
                    v.dims.contains(level) && v.dims.len() > 1 && v.dtype.is_some() && !bounds(v)
                };
                self.header.variables.iter().find(along).unwrap_or(self.depth)
            }
            _ => self.depth,
        };
        let sized = shared.dims.iter().cloned().zip(shared.shape.iter().copied());
        let (levels, dims): (Vec<_>, Vec<_>) = sized.partition(|(dim, _)| dim == level);
        match <[(String, u64); 1]>::try_from(levels) {
            Ok([level]) => Ok(Layout::Levels { dims, level }),
            Err(_) => {
                let reason =
                    format!("it does not lie along \"{level}\", the levels of \"{}\"", self.depth.name);
                Err(Error::values(self.path, &shared.name, reason))
            }
        }
    }

    /// The dimensions of what each profile has once.
    fn instance(&self, layout: &Layout) -> Vec<String> {
        match layout {
            Layout::Levels { dims, .. } => dims.iter().map(|(dim, _)| dim.clone()).collect(),
            Layout::Counted { counts } => self.header.variables[*counts].dims.clone(),
            Layout::Indexed { index, .. } => {
                let instance = self.header.variables[*index].text("instance_dimension");
                instance.map(str::to_string).into_iter().collect()
            }
        }
    }

    /// Whether a variable has a value for each level of each profile.
    fn of_levels(&self, variable: &Variable, layout: &Layout) -> bool {
        match layout {
            Layout::Levels { dims, level } => {
                let known = |dim: &String| *dim == level.0 || dims.iter().any(|(name, _)| name == dim);
                variable.dims.len() == dims.len() + 1 && variable.dims.iter().all(known)
            }
            _ => variable.dims == self.depth.dims,
        }
    }

    fn variables(
        &self,
        wanted: &Wanted,
        layout: &Layout,
        depth: usize,
    ) -> Result<Vec<(usize, Option<usize>)>> {
        let flags = |variable: &Variable| {
            let named = flag_names(&variable.name).into_iter().filter_map(|name| self.header.find(&name));
            let listed = crate::cf::axis::listed(self.header, variable, "ancillary_variables");
            let listed = listed.into_iter().filter(|index| is_flag(&self.header.variables[*index]));
            let sound = |index: &usize| {
                let flags = &self.header.variables[*index];
                flags.dtype.is_some() && self.of_levels(flags, layout)
            };
            named.chain(listed).find(sound)
        };
        let with_flags =
            |index: usize| (index, if wanted.flags { flags(&self.header.variables[index]) } else { None });
        if let Some(names) = &wanted.variables {
            let one = |name: &String| {
                let index = self.header.variable(self.path, name)?;
                let variable = &self.header.variables[index];
                if variable.dtype.is_none() || !self.of_levels(variable, layout) {
                    let reason =
                        format!("it does not have a number for each level of \"{}\"", self.depth.name);
                    return Err(Error::values(self.path, name, reason));
                }
                Ok(with_flags(index))
            };
            return names.iter().map(one).collect();
        }
        let data = |index: &usize| {
            let variable = &self.header.variables[*index];
            let other = *index != depth && !is_flag(variable);
            let coordinate = is_longitude(variable) > 0 || is_latitude(variable) > 0 || is_time(variable) > 0;
            let index_of = variable.text("instance_dimension").is_some();
            other && !coordinate && !index_of && variable.dtype.is_some() && self.of_levels(variable, layout)
        };
        let found: Vec<_> = (0..self.header.variables.len()).filter(data).map(with_flags).collect();
        if found.is_empty() {
            let reason = format!(
                "none of its variables has a number for each level of \"{}\": {}",
                self.depth.name,
                self.names()
            );
            return Err(Error::unreadable(self.path, reason));
        }
        Ok(found)
    }
}

/// The depths of a file, or its pressures.
fn depth(path: &str, header: &ArrayHeader, wanted: &Wanted) -> Result<(usize, bool)> {
    let is_pressure = |variable: &Variable| {
        let unit = variable.unit.as_deref().unwrap_or_default().to_ascii_lowercase();
        variable.text("standard_name") == Some("sea_water_pressure")
            || unit.contains("bar")
            || unit == "pa"
            || variable.short_name().to_ascii_lowercase().starts_with("pres")
    };
    if let Some(name) = &wanted.depth {
        let index = header.variable(path, name)?;
        return Ok((index, is_pressure(&header.variables[index])));
    }
    let sure = |variable: &Variable| {
        if variable.dtype.is_none() || variable.dims.is_empty() || is_flag(variable) {
            return None;
        }
        let named = depth_name(variable.short_name());
        let stated = match (variable.text("standard_name"), variable.text("axis")) {
            (Some("depth"), _) => Some(1),
            (Some("sea_water_pressure"), _) => Some(6),
            (Some("height" | "altitude"), _) | (None, Some("Z")) => Some(3),
            _ => None,
        };
        let sure = named.map(|(sure, _)| sure).into_iter().chain(stated).min()?;
        // One number a profile is the sea floor's depth, or a time's.
        Some((sure, usize::MAX - variable.dims.len()))
    };
    let found = header.variables.iter().enumerate().filter_map(|(i, v)| sure(v).map(|sure| (sure, i))).min();
    match found {
        Some((_, index)) => Ok((index, is_pressure(&header.variables[index]))),
        None => {
            let names: Vec<&str> = header.variables.iter().map(|v| v.name.as_str()).collect();
            let reason = format!("none of its variables is a depth or a pressure: {}", names.join(", "));
            Err(Error::unreadable(path, reason))
        }
    }
}

/// Metres or decibars in one unit, below 0 upwards.
fn factor(path: &str, variable: &Variable, is_pressure: bool) -> Result<f64> {
    let unit = variable.unit.as_deref().unwrap_or_default().trim().to_ascii_lowercase();
    let size = match (is_pressure, unit.as_str()) {
        (true, "" | "dbar" | "dbars" | "decibar" | "decibars" | "db") => 1.0,
        (true, "pa") => 1e-4,
        (true, "kpa") => 0.1,
        (true, "bar") => 10.0,
        (false, "" | "m" | "meter" | "meters" | "metre" | "metres") => 1.0,
        (false, "km") => 1000.0,
        _ => {
            let what = if is_pressure { "pressure" } else { "depth" };
            return Err(Error::values(
                path,
                &variable.name,
                format!("its unit \"{unit}\" is none of {what}"),
            ));
        }
    };
    let up = match variable.text("positive") {
        Some(way) => way.eq_ignore_ascii_case("up"),
        None => matches!(variable.text("standard_name"), Some("height" | "altitude")),
    };
    Ok(if up && !is_pressure { -size } else { size })
}

fn is_flag(variable: &Variable) -> bool {
    let name = variable.short_name().to_ascii_lowercase();
    let standard = variable.text("standard_name").unwrap_or_default();
    ["_qc", "_flag", "_flags", "_quality"].iter().any(|end| name.ends_with(end))
        || standard.contains("status_flag")
        || standard.contains("quality_flag")
}

fn coordinate(variable: &Variable, standard: &str, unit: &str, names: &[&str]) -> u8 {
    if is_flag(variable) {
        return 0;
    }
    if variable.text("standard_name") == Some(standard) {
        return 3;
    }
    let told = variable.unit.as_deref().unwrap_or_default().to_ascii_lowercase().replace('_', "");
    if told == format!("degrees{unit}") || told == format!("degree{unit}") {
        return 2;
    }
    u8::from(names.iter().any(|name| variable.short_name().eq_ignore_ascii_case(name)))
}

fn is_longitude(variable: &Variable) -> u8 {
    coordinate(variable, "longitude", "east", &["lon", "longitude"])
}

fn is_latitude(variable: &Variable) -> u8 {
    coordinate(variable, "latitude", "north", &["lat", "latitude"])
}

/// The time of the data goes before those of fixes and forecasts.
fn is_time(variable: &Variable) -> u8 {
    if !variable.unit.as_deref().is_some_and(TimeUnits::is_time) {
        return 0;
    }
    let named = ["time", "juld"].iter().any(|name| variable.short_name().eq_ignore_ascii_case(name));
    let standard = match variable.text("standard_name") {
        Some("time") => 4,
        Some(_) => 0,
        None => 1,
    };
    1 + standard + 2 * u8::from(variable.text("axis") == Some("T")) + u8::from(named)
}
