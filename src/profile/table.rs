//! Profiles out of a Parquet file, a row each, with lists of depths and of values.

use crate::error::{Error, Result};
use crate::grid::records::{Record, RecordRows, Records};
use crate::profile::cast::{Cast, Casts, Column, Wanted, depth_name, flag, flag_names, narrow, on_globe};
use crate::profile::pressure;
use crate::sql_type::SqlType;
use crate::value::Value;

/// The profiles of one Parquet file.
pub struct TableCasts {
    path: String,
    rows: RecordRows,
    depth: (usize, bool),
    lon: Option<usize>,
    lat: Option<usize>,
    time: Option<usize>,
    /// Values and flags.
    variables: Vec<(Column, usize, Option<usize>)>,
    attributes: Vec<(String, usize)>,
    next: u64,
}

const LON: [&str; 2] = ["lon", "longitude"];
const LAT: [&str; 2] = ["lat", "latitude"];
const TIME: [&str; 6] = ["t", "time", "juld", "datetime", "timestamp", "date"];
/// Profiles that are given at a time.
const BATCH: usize = 2048;

impl TableCasts {
    /// # Errors
    /// No Parquet, or none of its columns has lists of depths, and of values.
    pub fn open(path: &str, wanted: &Wanted) -> Result<TableCasts> {
        let records = Records::parquet(path)?;
        let (depth, variables) = levels(path, &records, wanted)?;
        let named = |names: &[&str]| names.iter().find_map(|name| records.find(name));
        let (lon, lat, time) = (named(&LON), named(&LAT), named(&TIME));
        let plain = |(index, (name, ty)): (usize, &(String, SqlType))| {
            let taken = [lon, lat, time].contains(&Some(index));
            let nested = matches!(ty, SqlType::List(_) | SqlType::Struct(_) | SqlType::Map(..));
            (!taken && !nested && !matches!(ty, SqlType::Blob | SqlType::Geometry(_)))
                .then(|| (name.clone(), index))
        };
        let attributes = records.columns.iter().enumerate().filter_map(plain).collect();
        let rows = records.records()?;
        Ok(TableCasts { path: path.into(), rows, depth, lon, lat, time, variables, attributes, next: 0 })
    }

    fn cast(&self, record: &Record, profile: u64) -> Result<Cast> {
        let one = |column: Option<usize>| column.and_then(|column| number(&record.value(column)));
        let (lon, lat) = on_globe(&self.path, profile, one(self.lon), one(self.lat))?;
        let time = self.time.and_then(|column| match record.value(column).as_ref() {
            Value::Timestamp(at) => Some(*at),
            Value::Nanos(at) => Some(at.div_euclid(1000)),
            Value::Date(day) => Some(i64::from(*day) * 86_400_000_000),
            _ => None,
        });
        let metres = |stored: f64| match (self.depth.1, lat) {
            (false, _) => Some(stored),
            (true, lat) => lat.map(|lat| pressure::depth(stored, lat)),
        };
        let list = |column: usize| match record.value(column).as_ref() {
            Value::List(items) => items.iter().map(number).collect(),
            _ => Vec::new(),
        };
        let stored: Vec<Option<f64>> = list(self.depth.0);
        let levels = stored.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let whole = stored.len();
        let depth = stored.into_iter().take(levels).map(|depth| depth.and_then(metres)).collect();
        let mut cast = Cast { lon, lat, time, depth, ..Cast::default() };
        for (column, values, flags) in &self.variables {
            let mut of = |index: usize| {
                let found = list(index);
                if !found.is_empty() && found.len() != whole {
                    let reason = format!(
                        "profile {profile} has {} numbers in column {} for {whole} depths",
                        found.len(),
                        column.name
                    );
                    return Err(Error::unreadable(&self.path, reason));
                }
                let missing = levels.saturating_sub(found.len());
                Ok(found
                    .into_iter()
                    .take(levels)
                    .chain(std::iter::repeat_n(None, missing))
                    .collect::<Vec<_>>())
            };
            let narrowed = |value: f64| {
                narrow(value).map_err(|_| {
                    let reason = format!("{value:e} in column {} is beyond the largest FLOAT", column.name);
                    Error::unreadable(&self.path, reason)
                })
            };
            let values = of(*values)?.into_iter().map(|value| value.map(narrowed).transpose());
            let values = values.collect::<Result<Vec<_>>>()?;
            cast.values.push(values);
            let flags = flags.map(&mut of).transpose()?.unwrap_or_default();
            cast.flags.push(flags.into_iter().map(|value| value.and_then(flag)).collect());
        }
        for (name, column) in &self.attributes {
            match record.value(*column).as_ref() {
                Value::Null => {}
                Value::Text(text) => cast.attributes.push((name.clone(), text.clone())),
                value => cast.attributes.push((name.clone(), value.to_string())),
            }
        }
        Ok(cast)
    }
}

/// NaN is no number.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(n) => Some(*n as f64),
        Value::Double(v) => (!v.is_nan()).then_some(*v),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Decimal(digits, scale) => format!("{digits}e-{scale}").parse().ok(),
        _ => None,
    }
}

type Levels = ((usize, bool), Vec<(Column, usize, Option<usize>)>);

/// The columns of depths, and of values with their flags.
fn levels(path: &str, records: &Records, wanted: &Wanted) -> Result<Levels> {
    let names = || records.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let is_list = |index: usize| {
        let ty = records.columns.get(index).map(|(_, ty)| ty);
        let number = |item: &SqlType| {
            item.dtype().is_some() || matches!(item, SqlType::Decimal(..) | SqlType::Varchar)
        };
        ty.and_then(SqlType::item).is_some_and(number)
    };
    let find = |name: &str| {
        records
            .find(name)
            .ok_or_else(|| Error::unreadable(path, format!("it has no column {name}: {}", names())))
    };
    let (depth, is_pressure) = match &wanted.depth {
        Some(name) => (find(name)?, name.to_ascii_lowercase().starts_with("pres")),
        None => {
            let all = records.columns.iter().enumerate();
            let sure =
                all.filter_map(|(index, (name, _))| depth_name(name).map(|(sure, p)| (sure, index, p)));
            let best = sure.min().map(|(_, index, is_pressure)| (index, is_pressure));
            best.ok_or_else(|| {
                Error::unreadable(path, format!("none of its columns is a depth or a pressure: {}", names()))
            })?
        }
    };
    if !is_list(depth) {
        let name = &records.columns[depth].0;
        let problem =
            format!("\"{path}\" has no lists in column {name}: a row is an observation, and no profile");
        return Err(Error::conflict(problem, "Gather the observations of each profile into lists first"));
    }
    let is_flag = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["_qc", "_flag", "_flags", "_quality"].iter().any(|end| name.ends_with(end))
    };
    let one = |name: &str, index: usize| {
        let flags =
            flag_names(name).iter().filter_map(|name| records.find(name)).find(|index| is_list(*index));
        let flags = flags.filter(|_| wanted.flags);
        (Column { name: name.to_string(), flagged: flags.is_some() }, index, flags)
    };
    let variables: Vec<_> = match &wanted.variables {
        Some(asked) => asked
            .iter()
            .map(|name| {
                let index = find(name)?;
                match is_list(index) {
                    true => Ok(one(name, index)),
                    false => {
                        Err(Error::unreadable(path, format!("its column {name} has no lists of numbers")))
                    }
                }
            })
            .collect::<Result<_>>()?,
        None => {
            let all = records.columns.iter().enumerate();
            let data = all.filter(|(index, (name, _))| *index != depth && is_list(*index) && !is_flag(name));
            data.map(|(index, (name, _))| one(name, index)).collect()
        }
    };
    if variables.is_empty() {
        let reason = format!("none of its columns has lists of values: {}", names());
        return Err(Error::unreadable(path, reason));
    }
    Ok(((depth, is_pressure), variables))
}

impl Casts for TableCasts {
    fn columns(&self) -> Vec<Column> {
        self.variables.iter().map(|(column, _, _)| column.clone()).collect()
    }

    fn next(&mut self) -> Result<Vec<Cast>> {
        let mut casts = Vec::new();
        while casts.len() < BATCH
            && let Some(record) = self.rows.next()
        {
            casts.push(self.cast(&record?, self.next)?);
            self.next += 1;
        }
        Ok(casts)
    }
}
