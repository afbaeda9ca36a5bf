//! Profiles out of array files, some at a time.

use std::sync::Arc;

use crate::cf;
use crate::dtype::Pixels;
use crate::error::{Error, Result};
use crate::format::hyperslab::Run;
use crate::limits::Limits;
use crate::profile::cast::{Cast, Casts, Column, Wanted, flag, on_globe};
use crate::profile::pressure;
use crate::profile::roles::{Layout, Roles};
use crate::read::array::ArraySource;
use crate::read::array_plan::check_size;
use crate::read::select;
use crate::read::values::{self, Decoding};

/// Values of one variable that are read at a time, as far as whole profiles allow it.
const BATCH_VALUES: u64 = 1 << 20;
/// Profiles that are read at a time.
const BATCH: u64 = 2048;

/// The profiles of one array file.
pub struct ArrayCasts {
    source: Arc<ArraySource>,
    roles: Roles,
    limits: Limits,
    lon: Option<Told>,
    lat: Option<Told>,
    time: Option<Instants>,
    attributes: Vec<(String, Told)>,
    /// Where the observations of each profile begin, and the end of the last; none of profiles by levels.
    starts: Vec<u64>,
    /// The observations profile by profile, where they are mixed.
    order: Vec<u64>,
    /// Whether what is told once a profile was read.
    is_located: bool,
    next: u64,
}

/// What is told once a profile: values, and how far apart those of neighbours along each dimension of profiles lie.
struct Told {
    values: Vec<f64>,
    strides: Vec<u64>,
}

struct Instants {
    values: Vec<Option<i64>>,
    strides: Vec<u64>,
}

/// Values of some profiles of one variable.
struct Slab {
    values: Vec<Option<f64>>,
    /// Along each dimension of profiles, and along the levels.
    strides: Vec<u64>,
}

impl ArrayCasts {
    /// Reads the file's header alone.
    ///
    /// # Errors
    /// The file is not an array file, or has no profiles.
    pub fn open(path: &str, wanted: &Wanted, limits: Limits) -> Result<ArrayCasts> {
        let source = ArraySource::open(path)?;
        let roles = Roles::find(path, source.header(), wanted)?;
        Ok(ArrayCasts {
            source,
            roles,
            limits,
            lon: None,
            lat: None,
            time: None,
            attributes: Vec::new(),
            starts: Vec::new(),
            order: Vec::new(),
            is_located: false,
            next: 0,
        })
    }

    /// Reads what is told once a profile.
    fn locate(&mut self) -> Result<()> {
        self.count()?;
        let (lon, lat) = (self.roles.lon, self.roles.lat);
        self.lon = lon.map(|index| self.told(index)).transpose()?;
        self.lat = lat.map(|index| self.told(index)).transpose()?;
        if let Some(index) = self.roles.time {
            let values = select::time_axis(&self.source, index)?.instants;
            self.time = Some(Instants { values, strides: self.strides(index, &[])? });
        }
        for index in self.roles.attributes.clone() {
            let name = self.source.variable(index)?.name.clone();
            self.attributes.push((name, self.told(index)?));
        }
        self.is_located = true;
        Ok(())
    }

    /// Where the observations of each profile lie, of files that count or name them.
    fn count(&mut self) -> Result<()> {
        let observations = self.source.variable(self.roles.depth)?.len();
        let damaged = |index: usize, reason: String| -> Result<()> {
            Err(Error::values(self.source.path(), &self.source.variable(index)?.name, reason))
        };
        match self.roles.layout {
            Layout::Levels { .. } => Ok(()),
            Layout::Counted { counts } => {
                let sizes = self.whole(counts)?;
                let mut starts = vec![0];
                for size in sizes {
                    let last = starts.last().copied().unwrap_or(0);
                    // A profile that was never written has no size.
                    let size = if size.is_nan() { 0.0 } else { size };
                    if size < 0.0 || last as f64 + size > observations as f64 {
                        return damaged(
                            counts,
                            format!("it counts more than the {observations} observations"),
                        );
                    }
                    starts.push(last + size as u64);
                }
                self.starts = starts;
                Ok(())
            }
            Layout::Indexed { index, profiles } => {
                let named = self.whole(index)?;
                if named.iter().any(|n| *n >= profiles as f64) {
                    return damaged(
                        index,
                        format!("it names a profile beyond the {profiles} that there are"),
                    );
                }
                let mut order: Vec<u64> =
                    (0..named.len() as u64).filter(|i| named[*i as usize] >= 0.0).collect();
                order.sort_by_key(|i| named[*i as usize] as u64);
                let start =
                    |profile: u64| order.partition_point(|i| (named[*i as usize] as u64) < profile) as u64;
                self.starts = (0..=profiles).map(start).collect();
                self.order = order;
                Ok(())
            }
        }
    }

    /// How many profiles there are.
    fn count_of_profiles(&self) -> u64 {
        match &self.roles.layout {
            Layout::Levels { dims, .. } => dims.iter().fold(1, |n, (_, size)| n.saturating_mul(*size)),
            _ => (self.starts.len() as u64).saturating_sub(1),
        }
    }

    /// A variable that is told once a profile, whole.
    fn whole(&self, index: usize) -> Result<Vec<f64>> {
        let variable = self.source.variable(index)?;
        check_size(&variable.name, variable.len(), 8, &self.limits)?;
        let runs: Vec<Vec<Run>> = variable.shape.iter().map(|size| vec![Run::all(*size)]).collect();
        Ok(cf::decode(&self.source.read(index, &runs, self.limits.threads)?, variable))
    }

    fn told(&self, index: usize) -> Result<Told> {
        Ok(Told { values: self.whole(index)?, strides: self.strides(index, &[])? })
    }

    /// How far apart values lie along each dimension of profiles, and behind these along the levels; 0 along one that a
    /// variable does not have. `sizes` replaces sizes of the variable's own.
    fn strides(&self, index: usize, sizes: &[u64]) -> Result<Vec<u64>> {
        let variable = self.source.variable(index)?;
        let Layout::Levels { dims, level } = &self.roles.layout else { return Ok(vec![1]) };
        let sizes = if sizes.is_empty() { &variable.shape } else { sizes };
        let stride = |dim: &String| match variable.dims.iter().position(|d| d == dim) {
            Some(at) => sizes.iter().skip(at + 1).product(),
            None => 0,
        };
        Ok(dims.iter().map(|(dim, _)| dim).chain([&level.0]).map(stride).collect())
    }

    /// The profiles of a batch: slices of the first dimension, or some in their order.
    fn batch(&self) -> (u64, u64) {
        match &self.roles.layout {
            Layout::Levels { dims, level } => {
                let slices = dims.first().map_or(1, |(_, size)| *size);
                let each: u64 = dims.iter().skip(1).map(|(_, size)| *size).product();
                let from = self.next / each.max(1);
                let fit =
                    (BATCH_VALUES / each.saturating_mul(level.1).max(1)).min(BATCH / each.max(1)).max(1);
                (from, fit.min(slices.saturating_sub(from)))
            }
            _ => {
                let (from, total) = (self.next, self.count_of_profiles());
                let start = |profile: u64| self.starts.get(profile as usize).copied().unwrap_or(0);
                let mut to = from;
                while to < total
                    && to - from < BATCH
                    && (to == from || start(to + 1) - start(from) < BATCH_VALUES)
                {
                    to += 1;
                }
                (from, to - from)
            }
        }
    }

    /// The values of a variable of levels for a batch.
    fn slab(&self, index: usize, (from, count): (u64, u64), masked: bool) -> Result<Slab> {
        let variable = self.source.variable(index)?;
        let mut sizes = variable.shape.clone();
        let mut runs: Vec<Vec<Run>> = variable.shape.iter().map(|size| vec![Run::all(*size)]).collect();
        match &self.roles.layout {
            Layout::Levels { dims, .. } => {
                let cut = dims.first().and_then(|(dim, _)| variable.dims.iter().position(|d| d == dim));
                if let Some(at) = cut {
                    runs[at] = vec![Run { start: from, count, step: 1 }];
                    sizes[at] = count;
                }
            }
            _ => {
                let start = |profile: u64| self.starts.get(profile as usize).copied().unwrap_or(0);
                let (first, end) = (start(from), start(from + count));
                runs = vec![match self.order.get(first as usize..end as usize) {
                    Some(order) if !self.order.is_empty() => runs_of(order),
                    _ => vec![Run { start: first, count: end - first, step: 1 }],
                }];
                sizes = vec![end - first];
            }
        }
        check_size(&variable.name, sizes.iter().product(), 24, &self.limits)?;
        let pixels = self.source.read(index, &runs, self.limits.threads)?;
        Ok(Slab { values: numbers(&pixels, index, self, masked)?, strides: self.strides(index, &sizes)? })
    }
}

/// Indices as runs.
fn runs_of(indices: &[u64]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for index in indices {
        match runs.last_mut() {
            Some(run) if run.start + run.count == *index => run.count += 1,
            _ => runs.push(Run { start: *index, count: 1, step: 1 }),
        }
    }
    runs
}

fn numbers(pixels: &Pixels, index: usize, casts: &ArrayCasts, masked: bool) -> Result<Vec<Option<f64>>> {
    let variable = casts.source.variable(index)?;
    if !masked {
        return Ok(cf::decode(pixels, variable).into_iter().map(|v| (!v.is_nan()).then_some(v)).collect());
    }
    let mut decoded = vec![0.0f64; pixels.len()];
    let gaps = values::decode(pixels, variable, &Decoding::default(), &mut decoded)?;
    let mut found: Vec<Option<f64>> = decoded.into_iter().map(|v| (!v.is_nan()).then_some(v)).collect();
    gaps.into_iter().for_each(|gap| found[gap].fill(None));
    Ok(found)
}

impl Casts for ArrayCasts {
    fn columns(&self) -> Vec<Column> {
        let name = |index: usize| self.source.variable(index).map(|v| v.name.clone()).unwrap_or_default();
        let column = |(variable, flags): &(usize, Option<usize>)| Column {
            name: name(*variable),
            flagged: flags.is_some(),
        };
        self.roles.variables.iter().map(column).collect()
    }

    fn next(&mut self) -> Result<Vec<Cast>> {
        if !self.is_located {
            self.locate()?;
        }
        if self.next >= self.count_of_profiles() {
            return Ok(Vec::new());
        }
        let batch = self.batch();
        let depths = self.slab(self.roles.depth, batch, true)?;
        let (mut values, mut flags) = (Vec::new(), Vec::new());
        for (variable, flag) in &self.roles.variables {
            values.push(self.slab(*variable, batch, true)?);
            flags.push(flag.map(|flag| self.slab(flag, batch, false)).transpose()?);
        }
        let each = match &self.roles.layout {
            Layout::Levels { dims, .. } => dims.iter().skip(1).map(|(_, size)| *size).product(),
            _ => 1,
        };
        let count = batch.1.saturating_mul(each);
        let casts = (0..count).map(|i| self.cast(self.next, i, (&depths, &values, &flags))).collect();
        self.next += count;
        casts
    }
}

impl ArrayCasts {
    /// A profile of the batch in hand: its number in the batch, and that of the batch's first.
    fn cast(
        &self,
        first: u64,
        number: u64,
        (depths, values, flags): (&Slab, &[Slab], &[Option<Slab>]),
    ) -> Result<Cast> {
        let profile = first + number;
        let told = |told: &Option<Told>| {
            let told = told.as_ref()?;
            told.values.get(self.offset(&told.strides, profile)).copied()
        };
        let (lon, lat) = on_globe(self.source.path(), profile, told(&self.lon), told(&self.lat))?;
        let time = self.time.as_ref();
        let time = time.and_then(|t| t.values.get(self.offset(&t.strides, profile)).copied().flatten());
        let observations = match &self.roles.layout {
            Layout::Levels { level, .. } => 0..level.1 as usize,
            _ => {
                let start = |profile: u64| self.starts.get(profile as usize).copied().unwrap_or(0);
                let from = start(first);
                (start(profile) - from) as usize..(start(profile + 1) - from) as usize
            }
        };
        let of = |slab: &Slab| -> Vec<Option<f64>> {
            let origin = match &self.roles.layout {
                Layout::Levels { .. } => self.offset(&slab.strides, number),
                _ => 0,
            };
            let step = slab.strides.last().copied().unwrap_or(1) as usize;
            let at = |level: usize| slab.values.get(origin + level * step).copied().flatten();
            observations.clone().map(at).collect()
        };
        let metres = |stored: f64| {
            let value = stored * self.roles.factor;
            match (self.roles.is_pressure, lat) {
                (false, _) => Some(value),
                (true, Some(lat)) => Some(pressure::depth(value, lat)),
                (true, None) => None,
            }
        };
        let stored = of(depths);
        let levels = stored.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let depth = stored.into_iter().take(levels).map(|stored| stored.and_then(metres)).collect();
        let mut cast = Cast { lon, lat, time, depth, ..Cast::default() };
        for ((slab, flags), (index, _)) in values.iter().zip(flags).zip(&self.roles.variables) {
            let mut narrow = Vec::with_capacity(levels);
            for value in of(slab).into_iter().take(levels) {
                narrow.push(value.map(|value| self.float(*index, value)).transpose()?);
            }
            cast.values.push(narrow);
            let flags = flags.as_ref().map(|flags| of(flags).into_iter().take(levels));
            cast.flags.push(flags.map(|flags| flags.map(|v| v.and_then(flag)).collect()).unwrap_or_default());
        }
        for (name, told) in &self.attributes {
            let value = told.values.get(self.offset(&told.strides, profile)).copied();
            if let Some(value) = value.filter(|value| !value.is_nan()) {
                cast.attributes.push((name.clone(), value.to_string()));
            }
        }
        Ok(cast)
    }

    /// Where the value of a profile lies, counted row-major over the dimensions of profiles.
    fn offset(&self, strides: &[u64], profile: u64) -> usize {
        let Layout::Levels { dims, .. } = &self.roles.layout else { return profile as usize };
        let (mut rest, mut offset) = (profile, 0);
        for ((_, size), stride) in dims.iter().zip(strides).rev() {
            offset += rest % size.max(&1) * stride;
            rest /= size.max(&1);
        }
        // The first dimension of a batch is shorter: what is left over is 0.
        offset as usize
    }

    fn float(&self, index: usize, value: f64) -> Result<f32> {
        let narrow = value as f32;
        if value.is_finite() && narrow.is_infinite() {
            let reason = format!("{value:e} is beyond the largest FLOAT");
            return Err(Error::values(self.source.path(), &self.source.variable(index)?.name, reason));
        }
        Ok(narrow)
    }
}
