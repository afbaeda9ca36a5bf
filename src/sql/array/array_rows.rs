//! Windows of arrays, a row of a registry each.

use crate::bridge::args::Args;
use crate::dtype::with_dtype;
use crate::dtype::{DTYPES, Dtype, Nodata, Pixel, Pixels};
use crate::error::{Error, Result};
use crate::grid::records::{Record, Records};
use crate::limits::Limits;
use crate::read::array_plan::{Opened, check_size};
use crate::sql::array::array_job::ArrayJob;
use crate::sql::array::selection::{Request, add, option};
use crate::sql::shared::row_scan::{PathsColumn, RowRead, RowReader};
use crate::sql_type::SqlType;
use crate::value::Value;

/// Columns of a registry that say what of an array is read, as parameters of their names do for all rows.
const SELECTIONS: [&str; 3] = ["sel", "isel", "slice"];
/// Columns that are a selection as the scalar takes it.
const WHOLE: [&str; 2] = ["selection", "options"];

/// Which variable a row reads.
enum VariableOf {
    /// That of all rows.
    All(String),
    /// What a column of the registry names.
    Column(usize),
}

/// Reads the arrays of rows.
pub struct ArrayReader {
    paths: PathsColumn,
    variable: VariableOf,
    /// Of all rows.
    base: Request,
    selections: Vec<(&'static str, usize)>,
    whole: Vec<usize>,
    dtype: Dtype,
    /// What the first row takes.
    first_bytes: usize,
    limits: Limits,
}

impl ArrayReader {
    /// Reads the first row's header: its type is that of all.
    ///
    /// # Errors
    /// A registry without paths, or without a variable where none is given; a type that does not hold the values.
    pub fn new(args: &Args, records: &Records, base: Request, limits: Limits) -> Result<ArrayReader> {
        let is = |index: &usize, of: fn(&SqlType) -> bool| {
            records.columns.get(*index).is_some_and(|(_, ty)| of(ty))
        };
        let is_struct = |index: &usize| is(index, |ty| matches!(ty, SqlType::Struct(_)));
        let variable = match args.get("variable") {
            Some(Value::Text(name)) => VariableOf::All(name.clone()),
            _ => {
                let column = records.find("variable").filter(|index| is(index, |ty| *ty == SqlType::Varchar));
                VariableOf::Column(column.ok_or_else(|| {
                    let problem = "no variable is given, and the registry has no column variable VARCHAR";
                    args.blame("variable")(Error::conflict(problem, "Name it, or give each row its own"))
                })?)
            }
        };
        let of_names = |names: &[&'static str]| {
            let found = |name: &&'static str| Some((*name, records.find(name).filter(is_struct)?));
            names.iter().filter_map(found).collect::<Vec<_>>()
        };
        let (selections, whole) = (of_names(&SELECTIONS), of_names(&WHOLE));
        let paths = PathsColumn::of(records).map_err(args.blame("paths"))?;
        let whole = whole.into_iter().map(|(_, column)| column).collect();
        let mut reader = ArrayReader {
            paths,
            variable,
            base,
            selections,
            whole,
            dtype: Dtype::Float32,
            first_bytes: 0,
            limits,
        };
        let asked = args.choice("dtype", "a type of values", &DTYPES)?;
        let first = records.records()?.next().and_then(Result::ok);
        let own = first.map(|record| {
            let job = reader.job(&record, &mut Opened::default())?;
            Ok((job.dtype()?, job.values))
        });
        let (own, values) = own.and_then(|own: Result<(Dtype, usize)>| own.ok()).unzip();
        // A first row that cannot be read says so in its turn.
        reader.dtype = match (asked.filter(|asked| asked.is_float()), own) {
            (Some(float), _) => float,
            (None, Some(own)) => own,
            (None, None) => Dtype::Float32,
        };
        reader.first_bytes = values.unwrap_or(0).saturating_mul(reader.dtype.size());
        if let Some(asked) = asked.filter(|asked| *asked != reader.dtype) {
            let problem = format!("the values are {}, which {asked} cannot hold", reader.dtype);
            let remedy = format!("One of: {}", reader.dtype.offered());
            return Err(args.blame("dtype")(Error::conflict(problem, remedy)));
        }
        if let Some(fill) = reader.base.decoding.fill
            && !with_dtype!(reader.dtype, T => <T as Pixel>::nodata(Nodata::Float(fill)).is_some())
        {
            let problem = format!("{fill} is not a value of {} values", reader.dtype);
            return Err(args.blame("fill")(Error::conflict(problem, "Give dtype := 'float32'")));
        }
        Ok(reader)
    }

    /// The type of the values.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// What a row asks for, if its values are those that all rows have.
    ///
    /// # Errors
    /// As [`ArrayJob::new`]; values of another type, or more than a chunk may take.
    pub fn checked_job(&self, record: &Record) -> Result<ArrayJob> {
        let job = self.sized_job(record)?;
        let own = job.dtype()?;
        if own != self.dtype && !self.dtype.is_float() {
            let problem = format!("its values are {own}, and those of the rows before {}", self.dtype);
            return Err(Error::conflict(problem, "Ask for float32 or float64").at("read_array(dtype)"));
        }
        Ok(job)
    }

    fn sized_job(&self, record: &Record) -> Result<ArrayJob> {
        let job = self.job(record, &mut Opened::default())?;
        check_size(job.variable()?, job.values as u64, self.dtype.size(), &self.limits)?;
        Ok(job)
    }

    fn job(&self, record: &Record, opened: &mut Opened) -> Result<ArrayJob> {
        let paths = self.paths.read(record).map_err(|error| error.at("read_array(paths)"))?;
        let mut request = self.base.clone();
        for (name, column) in &self.selections {
            let value = record.value(*column);
            if *value != Value::Null {
                option(&mut request, name, value.as_ref())?;
            }
        }
        for column in &self.whole {
            let value = record.value(*column);
            if *value != Value::Null && !add(&mut request, value.as_ref())? {
                return Err(Error::invalid("NULL", "a value for each field").at("read_array(selection)"));
            }
        }
        let own;
        let variable = match &self.variable {
            VariableOf::All(name) => name,
            VariableOf::Column(column) => match record.value(*column).into_owned() {
                Value::Text(name) => {
                    own = name;
                    &own
                }
                other => {
                    return Err(Error::invalid(other, "the name of a variable").at("read_array(variable)"));
                }
            },
        };
        ArrayJob::new(&paths, variable, &request, opened)
    }
}

impl RowReader for ArrayReader {
    const OTHERS: &'static [&'static str] = &["shape", "dims", "coords", "times"];

    fn cost(&self, _: &Record) -> usize {
        self.first_bytes
    }

    fn read(&self, record: &Record, with_values: bool) -> Result<RowRead> {
        let job = match with_values {
            true => self.checked_job(record)?,
            false => self.sized_job(record)?,
        };
        let values = match with_values {
            true => with_dtype!(self.dtype, T => {
                let mut values = vec![T::default(); job.values];
                let gaps = job.read(&mut values, 1)?;
                Some((<T as Pixel>::pixels(values) as Pixels, gaps))
            }),
            false => None,
        };
        Ok(RowRead { values, others: job.rest().to_vec() })
    }
}
