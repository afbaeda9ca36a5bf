//! Array files in a catalog: which data variables they hold, when, and where their cells lie.

use crate::catalog::{ArrayDetail, Builder, Detail, FileMetadata, tags};
use crate::cf::{self, Axes, Grid, TimeAxis};
use crate::error::{Error, Lack, Member, Part, Result};
use crate::files::Sight;
use crate::format::array::{ArrayFile, ArrayHeader, Variable};
use crate::format::open;
use crate::interval::Interval;
use crate::map::Footprint;

impl Builder {
    /// `dated` files have a time in their name or in a tag, which goes first: their axis then need not be readable.
    pub(super) fn array(&self, sight: &Sight, dated: bool) -> Result<FileMetadata> {
        let path = sight.path();
        let file = open::open(sight)?;
        let header = file.header();
        let wanted = self.wanted(path, header)?;
        let axes: Vec<(usize, Axes)> =
            wanted.iter().map(|index| (*index, cf::axes(header, *index))).collect();
        let grids = grids(&*file, &axes)?;
        let Some(first) = grids.first() else {
            let variables = header.variables.iter().map(|v| v.name.clone()).collect();
            return Err(Error::unsuited(path, Lack::Coordinates(variables)));
        };
        let shapes = grids.iter().map(|grid| self.footprint(&grid.bbox, &grid.crs, path));
        let footprint = Footprint::union(shapes.collect::<Result<_>>()?);
        let footprint = footprint.ok_or_else(|| Error::Bug("a file without a grid".into()))?;
        let alone = (grids.len() == 1).then_some(first);
        let times = self.times(&*file, &axes, dated)?;
        let variables = wanted.iter().filter_map(|index| header.variables.get(*index)).cloned().collect();
        let detail = ArrayDetail {
            transform: alone.and_then(|grid| grid.transform),
            shape: alone.map(|grid| (grid.height, grid.width)),
            variables,
            time_var: times.variable.and_then(|index| header.variables.get(index)).map(|v| v.name.clone()),
            n_times: times.n,
            t_step: times.step,
        };
        Ok(FileMetadata {
            driver: header.driver.clone(),
            crs: first.crs.clone(),
            footprint,
            detail: Detail::Array(detail),
            tags: tags::of_array(header, &wanted),
            interval: times.interval,
        })
    }

    /// The variables that were asked for, else those that hold data.
    fn wanted(&self, path: &str, header: &ArrayHeader) -> Result<Vec<usize>> {
        let data = cf::data_variables(header);
        let Some(names) = &self.options.variables else { return Ok(data) };
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let index = header.find(name).ok_or_else(|| {
                let there = data.iter().filter_map(|i| header.variables.get(*i));
                Error::not_found(Member::Variable, name, path, there.map(|v| v.name.clone()).collect())
            })?;
            if !found.contains(&index) {
                found.push(index);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn times(&self, file: &dyn ArrayFile, axes: &[(usize, Axes)], dated: bool) -> Result<Times> {
        let header = file.header();
        let mut variables: Vec<usize> = Vec::new();
        match &self.options.time_var {
            Some(name) => variables.push(header.variable(file.path(), name)?),
            None => {
                for time in axes.iter().filter_map(|(_, axes)| axes.time.as_ref()) {
                    if !variables.contains(&time.variable) {
                        variables.push(time.variable);
                    }
                }
            }
        }
        let len = |index: &usize| header.variables.get(*index).map_or(0, Variable::len);
        // The axis with most times tells how many and how far apart; the file spans all of them.
        let longest = variables.iter().copied().rev().max_by_key(len);
        let Some(longest) = longest else { return Ok(Times::default()) };
        let one_dimensional = header.variables.get(longest).is_some_and(|v| v.shape.len() <= 1);
        let mut times =
            Times { variable: Some(longest), n: one_dimensional.then(|| len(&longest)), ..Times::default() };
        for index in variables {
            let axis = cf::time_axis(file, index).and_then(|axis| has_time(file, axis));
            let axis = match axis {
                Err(
                    Error::Unsuited { lack: Lack::Times { .. }, .. }
                    | Error::Unreadable { part: Part::Variable(_), .. },
                ) if dated => continue,
                axis => axis?,
            };
            if index == longest && one_dimensional {
                times.step = axis.step.map(f64::abs);
            }
            times.interval = match (times.interval, axis.interval) {
                (Some(a), Some(b)) => {
                    Some(Interval { start: a.start.min(b.start), stop: a.stop.max(b.stop) })
                }
                (a, b) => a.or(b),
            };
        }
        Ok(times)
    }
}

/// When an array file is, by its own axes.
#[derive(Default)]
struct Times {
    variable: Option<usize>,
    n: Option<u64>,
    step: Option<f64>,
    interval: Option<Interval>,
}

/// A file that says it has times and holds none would match every interval, as if it were undated.
fn has_time(file: &dyn ArrayFile, axis: TimeAxis) -> Result<TimeAxis> {
    if axis.interval.is_some() {
        return Ok(axis);
    }
    let problem = match axis.instants.len() {
        0 => "holds no time: it has zero values".to_string(),
        n => format!("holds no time: all {n} of its values are filling"),
    };
    let variable = file.header().variables.get(axis.variable).map(|v| v.name.clone()).unwrap_or_default();
    Err(Error::unsuited(file.path(), Lack::Times { variable, problem }))
}

/// Every grid that the variables lie on, once.
fn grids(file: &dyn ArrayFile, axes: &[(usize, Axes)]) -> Result<Vec<Grid>> {
    let mut known = Vec::new();
    let mut grids: Vec<Grid> = Vec::new();
    for (index, axes) in axes {
        // Variables share their coordinates, though not the order of their dimensions.
        let coordinates = [&axes.x, &axes.y, &axes.lon, &axes.lat].map(|c| c.as_ref().map(|c| c.variable));
        let mapping = file.header().variables.get(*index).and_then(|v| {
            v.attribute("grid_mapping").or(v.attribute("crs_wkt")).or(v.attribute("spatial_ref"))
        });
        if known.contains(&(coordinates, mapping)) {
            continue;
        }
        known.push((coordinates, mapping));
        if let Some(grid) = cf::grid(file, *index, axes)?
            && !grids.contains(&grid)
        {
            grids.push(grid);
        }
    }
    Ok(grids)
}
