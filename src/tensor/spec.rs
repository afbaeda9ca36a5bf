//! What a program asks for: reads of rows with their options, as JSON.
//!
//! ```json
//! {"reads": [{"name": "data", "function": "read_patch", "columns": {"path": "path", "win": "win"},
//!             "options": {"bands": [1]}, "dtype": "float32", "mask": false}],
//!  "pad": false, "on_error": "fail", "threads": 4, "memory": 1073741824, "max_chunk": 536870912, "prefetch": 268435456}
//! ```

use serde_json::Value as Json;

use crate::bridge::args::Args;
use crate::bridge::scalar::ScalarFunction;
use crate::dtype::{DTYPES, Dtype, Nodata, Pixel, with_dtype};
use crate::error::{Error, Result, one_of};
use crate::files::cgroup_memory;
use crate::grid::records::Records;
use crate::limits::Limits;
use crate::on_error::{ON_ERROR, OnError};
use crate::sql::array::array_rows::ArrayReader;
use crate::sql::array::read_array::ReadArray;
use crate::sql::array::selection::{self, Request};
use crate::sql::raster::read_patch::ReadPatch;
use crate::sql::raster::read_series::ReadSeries;
use crate::sql::raster::read_series_table::SeriesReader;
use crate::sql::raster::read_slice::ReadSlice;
use crate::sql::raster::read_slice_table::SliceReader;
use crate::sql::shared::options::patch_options;
use crate::sql::vector::geo_rasterize::GeoRasterize;
use crate::tensor::labels;
use crate::tensor::reads::{SeriesTensor, SliceTensor, arrays, patches};
use crate::tensor::row_tensor::Read;
use crate::value::Value;

/// What is asked for.
pub struct Spec {
    /// The reads, in the order of the columns.
    pub reads: Vec<NamedRead>,
    /// Rows of other shapes are laid into the largest of their batch.
    pub pad: bool,
    /// What becomes of a row that cannot be read.
    pub on_error: OnError,
    /// Threads, and what one row may take.
    pub limits: Limits,
    /// How many bytes the program may use.
    pub memory: usize,
    /// Bytes of batches that wait for the program.
    pub prefetch: usize,
}

/// A read, and the column that it becomes.
pub struct NamedRead {
    /// The column's name.
    pub name: String,
    /// What reads.
    pub read: Box<dyn Read>,
    /// What stands where there is no pixel.
    pub fill: Option<f64>,
    /// Whether a column `NAME_mask` goes along.
    pub mask: bool,
}

/// Bytes of batches that wait, unless it is said.
const PREFETCH: usize = 256 << 20;

impl Spec {
    /// # Errors
    /// What is not of this form, a column that the rows do not have, or options that their function refuses.
    pub fn parse(text: &str, records: &Records) -> Result<Spec> {
        let spec: Json = serde_json::from_str(text)
            .map_err(|e| Error::conflict(format!("a specification of reads is no JSON: {e}"), ""))?;
        let number = |key: &str| spec.get(key).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok());
        let flag = |key: &str| spec.get(key).and_then(Json::as_bool).unwrap_or(false);
        let memory = number("memory").into_iter().chain(cgroup_memory()).min();
        let mut limits = Limits::within(memory);
        limits.threads = number("threads").unwrap_or(limits.threads).clamp(1, 1024);
        limits.chunk = number("max_chunk").unwrap_or(limits.chunk);
        let on_error = match spec.get("on_error").and_then(Json::as_str) {
            Some(rule) => one_of(rule, "a rule for rows that cannot be read", &ON_ERROR)
                .map_err(|error| error.at("batches(on_error)"))?,
            None => OnError::Fail,
        };
        let pad = flag("pad");
        let asked = spec.get("reads").and_then(Json::as_array).filter(|reads| !reads.is_empty());
        let asked = asked.ok_or_else(|| Error::invalid("[]", "at least one read").at("batches(reads)"))?;
        let reads = asked.iter().map(|read| named_read(read, records, limits, pad)).collect::<Result<_>>()?;
        let prefetch = number("prefetch").unwrap_or(PREFETCH.min(memory.unwrap_or(usize::MAX) / 4));
        Ok(Spec { reads, pad, on_error, limits, memory: memory.unwrap_or(usize::MAX), prefetch })
    }
}

fn named_read(asked: &Json, records: &Records, limits: Limits, pad: bool) -> Result<NamedRead> {
    let text = |key: &str| asked.get(key).and_then(Json::as_str).unwrap_or_default();
    let (name, function) = (text("name").to_string(), text("function"));
    let names: Vec<(&str, &str)> = match asked.get("columns") {
        Some(Json::Object(columns)) => {
            columns.iter().filter_map(|(role, column)| Some((role.as_str(), column.as_str()?))).collect()
        }
        _ => Vec::new(),
    };
    let blame = |error: Error| error.at(format!("{function}(rows)"));
    let records = records.renamed(&names).map_err(blame)?;
    let options = match asked.get("options") {
        Some(options) => value(options),
        None => Value::Struct(Vec::new()),
    };
    let dtype = match text("dtype") {
        "" => None,
        dtype => {
            Some(one_of(dtype, "a pixel type", &DTYPES).map_err(|e| e.at(format!("{function}(dtype)")))?)
        }
    };
    let of_registry = |error: Error| match error {
        Error::BadRegistry { .. } => blame(error),
        other => other,
    };
    let mut fill = None;
    let read: Box<dyn Read> = match function {
        "read_patch" => {
            let mut options = patch_options(&Args::of_options(ReadPatch::DOC, &options)?)?;
            fill = options.fill.take();
            patches(records, options, dtype, limits).map_err(of_registry)?
        }
        "read_slice" => {
            floats_alone(function, dtype)?;
            let args = Args::of_options(ReadSlice::DOC, &options)?;
            Box::new(SliceTensor(SliceReader::new(&args, &records, limits).map_err(of_registry)?))
        }
        "read_series" => {
            floats_alone(function, dtype)?;
            let args = Args::of_options(ReadSeries::DOC, &options)?;
            Box::new(SeriesTensor(SeriesReader::new(&args, &records, limits).map_err(of_registry)?))
        }
        "read_array" => {
            let (args, request) = array_arguments(&options, dtype)?;
            arrays(ArrayReader::new(&args, &records, request, limits).map_err(of_registry)?)
        }
        "rasterize" => {
            let args = Args::of_options(GeoRasterize::DOC, &options)?;
            labels::drawn(&args, &records, dtype.unwrap_or(Dtype::Int64)).map_err(of_registry)?
        }
        other => {
            let known =
                ["read_patch", "read_slice", "read_series", "read_array", "rasterize"].map(|f| (f, ()));
            one_of(other, "a read", &known)?;
            return Err(Error::Bug(format!("nothing reads {other}")));
        }
    };
    let mask = asked.get("mask").and_then(Json::as_bool).unwrap_or(false) || pad;
    check_gaps(function, read.dtype(), fill, mask, &options)?;
    Ok(NamedRead { name, read, fill, mask })
}

/// Refuses a type without a NaN where nothing says what stands for no pixel.
fn check_gaps(function: &str, dtype: Dtype, fill: Option<f64>, mask: bool, options: &Value) -> Result<()> {
    let given = matches!(options, Value::Struct(fields) if fields.iter().any(|(name, _)| name == "fill"));
    let blame = |error: Error| error.at(format!("{function}(fill)"));
    if let Some(fill) = fill
        && !with_dtype!(dtype, T => <T as Pixel>::nodata(Nodata::Float(fill)).is_some())
    {
        let problem = format!("{fill} is not a value of {dtype} pixels");
        return Err(blame(Error::conflict(problem, "Give another, or dtype=\"float32\"")));
    }
    if dtype.is_float() || given || mask || function == "rasterize" {
        return Ok(());
    }
    let problem = format!("{dtype} has no value that stands for no pixel");
    Err(blame(Error::conflict(problem, "Give fill=0 or another number, mask=True, or dtype=\"float32\"")))
}

/// # Errors
/// Another type than FLOAT, which is what the function gives.
fn floats_alone(function: &str, dtype: Option<Dtype>) -> Result<()> {
    match dtype.filter(|dtype| *dtype != Dtype::Float32) {
        None => Ok(()),
        Some(dtype) => {
            let problem = format!("{function} gives float32, and not {dtype}");
            Err(Error::conflict(problem, "Leave dtype out").at(format!("{function}(dtype)")))
        }
    }
}

/// The arguments of `FROM read_array`, and what is selected for all rows.
fn array_arguments(options: &Value, dtype: Option<Dtype>) -> Result<(Args, Request)> {
    let known: Vec<&str> = selection::OPTIONS.into_iter().chain(["variable"]).collect();
    let given = Args::of_struct("read_array", options, &known, "options by name")?;
    let mut request = Request::default();
    for name in selection::OPTIONS {
        if let Some(value) = given.get(name) {
            selection::option(&mut request, name, value)?;
        }
    }
    let mut values = Vec::new();
    if let Some(variable) = given.get("variable") {
        values.push(("variable".to_string(), variable.clone()));
    }
    let name = |dtype: Dtype| DTYPES.iter().find(|(_, known)| *known == dtype).map(|(name, _)| *name);
    if let Some(name) = dtype.and_then(name) {
        values.push(("dtype".to_string(), Value::Text(name.into())));
    }
    Ok((Args::new(ReadArray::DOC, values), request))
}

/// JSON as a value of SQL.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(number)) => Value::Double(number),
            (None, None) => Value::Text(number.to_string()),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(fields) => {
            Value::Struct(fields.iter().map(|(name, field)| (name.clone(), value(field))).collect())
        }
    }
}
