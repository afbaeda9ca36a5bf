//! Parquet: the one file that names it. A registry comes in as batches of rows.

use std::collections::HashMap;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes as types;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::LogicalType;
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};
use serde_json::Value as Json;

use crate::crs::CRS84;
use crate::error::{Cause, Error, Result};
use crate::files::reader::{Cursor, Reader};
use crate::files::{Location, Sight};
use crate::sql_type::SqlType;
use crate::value::Value;

/// Rows of one batch.
const BATCH: usize = 2048;

/// A Parquet file, read from its beginning to its end.
pub struct Table {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    /// How many rows there are.
    pub rows: u64,
    path: String,
    /// Gone after an error: the reader would give the same one for ever.
    reader: Option<ParquetRecordBatchReader>,
}

impl Table {
    /// # Errors
    /// The file is absent, or no Parquet.
    pub fn open(path: &str) -> Result<Table> {
        Table::of(path, builder(path)?)
    }

    /// Only these columns, of those that there are.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn open_columns(path: &str, columns: &[&str]) -> Result<Table> {
        let builder = builder(path)?;
        let fields = builder.schema().fields().iter().enumerate();
        let indices = fields.filter(|(_, field)| columns.contains(&field.name().as_str())).map(|(i, _)| i);
        let mask = ProjectionMask::roots(builder.parquet_schema(), indices.collect::<Vec<_>>());
        Table::of(path, builder.with_projection(mask))
    }

    fn of(path: &str, builder: ParquetRecordBatchReaderBuilder<Input>) -> Result<Table> {
        let unreadable = |reason| Error::unreadable(path, reason);
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let noted = builder.metadata().file_metadata().key_value_metadata().into_iter().flatten();
        let noted = noted.map(|pair| (pair.key.as_str(), pair.value.as_deref())).collect();
        let schema = marked(builder.schema(), builder.parquet_schema(), &noted);
        let reader = contain(|| builder.with_batch_size(BATCH).build()).map_err(unreadable)?;
        Ok(Table { schema, rows, path: path.into(), reader: Some(reader) })
    }
}

/// What a file's metadata has under a key.
///
/// # Errors
/// As [`Table::open`].
pub fn noted(path: &str, key: &str) -> Result<Option<String>> {
    let builder = builder(path)?;
    let mut pairs = builder.metadata().file_metadata().key_value_metadata().into_iter().flatten();
    Ok(pairs.find(|pair| pair.key == key).and_then(|pair| pair.value.clone()))
}

fn builder(path: &str) -> Result<ParquetRecordBatchReaderBuilder<Input>> {
    let sight = Sight::at(path)?;
    let unreadable = |reason: Cause| Error::unreadable(path, reason);
    let file = Input::open(sight.location()).map_err(|e| Error::unreadable(path, e))?;
    // The types that Parquet itself has: those of Arrow that a writer noted beside them would be other ones.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    contain(|| ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)).map_err(unreadable)
}

/// Runs the library, whose panics over a damaged file become errors.
fn contain<T, E: std::error::Error + Send + Sync + 'static>(
    work: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, Cause> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.map_err(|_| Cause::from("it is damaged in a way that the Parquet library does not expect"))?
        .map_err(Cause::of)
}

/// A Parquet file on disk or behind a URL.
struct Input {
    file: Reader,
    size: u64,
}

impl Input {
    fn open(location: &Location) -> std::io::Result<Input> {
        let file = Reader::open(location)?;
        Ok(Input { size: file.size()?, file })
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Input {
    type T = BufReader<Cursor>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(self.file.cursor().at(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// The keys by which a field is marked whose type Arrow's own does not tell: the name of the type, and the CRS of geometries.
const TYPE: &str = "ARROW:extension:name";
const CRS: &str = "geoquilt:crs";
const UUID: &str = "arrow.uuid";
const JSON: &str = "arrow.json";
const GEOMETRY: &str = "geoarrow.wkb";
const ZONED_TIME: &str = "geoquilt.time_with_zone";

/// Marks the columns that are more than Arrow's types say: UUIDs, JSON, times with a zone and geometries, by the types of
/// Parquet, and geometries by GeoParquet too. `noted` is what the file notes of itself.
fn marked(schema: &SchemaRef, parquet: &SchemaDescriptor, noted: &HashMap<&str, Option<&str>>) -> SchemaRef {
    let note = |key: &str| -> Option<Json> {
        let text = noted.get(key).copied().flatten()?;
        serde_json::from_str(text).ok()
    };
    let geo = note("geo");
    let mark = |name: &str| {
        let is_own = |column: &&ColumnDescPtr| matches!(column.path().parts(), [own] if own == name);
        let column = parquet.columns().iter().find(is_own)?;
        // Of a column that both tell, DuckDB takes what its type says.
        match column.logical_type_ref() {
            Some(LogicalType::Uuid) => return Some((UUID, None)),
            Some(LogicalType::Json) => return Some((JSON, None)),
            Some(LogicalType::Time { is_adjusted_to_u_t_c: true, .. }) => return Some((ZONED_TIME, None)),
            Some(LogicalType::Geometry { crs }) => {
                let name = |told: &String| match (told.strip_prefix("projjson:"), serde_json::from_str(told))
                {
                    (Some(key), _) => note(key).as_ref().and_then(crs_name),
                    (None, Ok(projjson)) => crs_name(&projjson),
                    (None, Err(_)) => Some(told.clone()),
                };
                return Some((GEOMETRY, crs.as_ref().and_then(name)));
            }
            _ => {}
        }
        let told = geo.as_ref()?.get("columns")?.get(name)?;
        if told.get("encoding")?.as_str()? != "WKB" {
            return None;
        }
        Some((GEOMETRY, told.get("crs").map_or_else(|| Some(CRS84.into()), crs_name)))
    };
    let field = |field: &FieldRef| {
        let Some((name, crs)) = mark(field.name()) else { return field.clone() };
        let mut marks = field.metadata().clone();
        marks.insert(TYPE.into(), name.into());
        marks.extend(crs.map(|crs| (CRS.into(), crs)));
        Arc::new(field.as_ref().clone().with_metadata(marks))
    };
    let fields: Vec<FieldRef> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The name of a CRS that is written as PROJJSON: `EPSG:32632`.
fn crs_name(projjson: &Json) -> Option<String> {
    let id = projjson.get("id")?;
    let code = id.get("code")?;
    let code = code.as_str().map_or_else(|| code.to_string(), str::to_string);
    Some(format!("{}:{code}", id.get("authority")?.as_str()?))
}

/// Marks what Arrow itself tells of geometries: the CRS that is noted beside them, by its name.
pub fn with_crs(mut marks: HashMap<String, String>) -> HashMap<String, String> {
    const NOTED: &str = "ARROW:extension:metadata";
    let noted: Option<Json> = marks
        .get(NOTED)
        .filter(|_| marks.get(TYPE).is_some_and(|name| name == GEOMETRY))
        .and_then(|text| serde_json::from_str(text).ok());
    let crs = noted.as_ref().and_then(|noted| noted.get("crs"));
    let name = crs.and_then(|crs| crs.as_str().map(str::to_string).or_else(|| crs_name(crs)));
    marks.extend(name.map(|name| (CRS.into(), name)));
    marks
}

fn is_marked(field: &Field, name: &str) -> bool {
    field.metadata().get(TYPE).is_some_and(|mark| mark == name)
}

impl Iterator for Table {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        let reader = self.reader.as_mut()?;
        let batch = contain(|| reader.next().transpose()).transpose()?;
        if batch.is_err() {
            self.reader = None;
        }
        Some(batch.map_err(|reason| Error::unreadable(&self.path, reason)))
    }
}

/// The value in a row of a column as JSON, its structs with their fields' names; times become ISO 8601. A type that
/// JSON has no word for is null.
pub fn json(column: &dyn Array, row: usize) -> Json {
    if column.is_null(row) {
        return Json::Null;
    }
    let list = |items: &dyn Array| Json::Array((0..items.len()).map(|i| json(items, i)).collect());
    match column.data_type() {
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns().iter();
            let pairs = fields.iter().zip(columns).map(|(field, c)| (field.name().clone(), json(c, row)));
            Json::Object(pairs.filter(|(_, value)| !value.is_null()).collect())
        }
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let key = |i| json(entries.column(0), i).as_str().map(str::to_string);
            let pair = |i| Some((key(i)?, json(entries.column(1), i)));
            Json::Object((0..entries.len()).filter_map(pair).collect())
        }
        DataType::List(_) => list(column.as_list::<i32>().value(row).as_ref()),
        DataType::LargeList(_) => list(column.as_list::<i64>().value(row).as_ref()),
        DataType::FixedSizeList(..) => list(column.as_fixed_size_list().value(row).as_ref()),
        _ => match value(column, row) {
            Some(Value::Bool(v)) => v.into(),
            Some(Value::Int(v)) => v.into(),
            Some(Value::Double(v)) => v.into(),
            Some(Value::Text(v)) => v.into(),
            Some(Value::Date(days)) => instant(i64::from(days).saturating_mul(86_400_000_000)),
            Some(Value::Timestamp(micros)) => instant(micros),
            _ => Json::Null,
        },
    }
}

fn instant(micros: i64) -> Json {
    chrono::DateTime::from_timestamp_micros(micros).map(|instant| instant.to_rfc3339()).into()
}

/// The type in SQL of a column, whose values [`value`] gives; `None` for one that is not carried along.
pub fn sql_type(field: &Field) -> Option<SqlType> {
    Some(match field.data_type() {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 => SqlType::TinyInt,
        DataType::Int16 => SqlType::SmallInt,
        DataType::Int32 | DataType::Null => SqlType::Integer,
        DataType::Int64 => SqlType::BigInt,
        DataType::UInt8 => SqlType::UTinyInt,
        DataType::UInt16 => SqlType::USmallInt,
        DataType::UInt32 => SqlType::UInteger,
        DataType::UInt64 => SqlType::UBigInt,
        DataType::Float16 | DataType::Float32 => SqlType::Float,
        DataType::Float64 => SqlType::Double,
        DataType::Decimal128(width, scale) => SqlType::Decimal(*width, u8::try_from(*scale).ok()?),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if is_marked(field, JSON) => SqlType::Json,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::Varchar,
        DataType::FixedSizeBinary(16) if is_marked(field, UUID) => SqlType::Uuid,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView if is_marked(field, GEOMETRY) => {
            SqlType::Geometry(field.metadata().get(CRS).cloned())
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            SqlType::Blob
        }
        DataType::Date32 => SqlType::Date,
        DataType::Time32(_) | DataType::Time64(_) if is_marked(field, ZONED_TIME) => SqlType::TimeTz,
        DataType::Time32(_) | DataType::Time64(_) => SqlType::Time,
        DataType::Timestamp(_, Some(_)) => SqlType::TimestampTz,
        DataType::Timestamp(TimeUnit::Nanosecond, None) => SqlType::TimestampNs,
        DataType::Timestamp(_, None) => SqlType::Timestamp,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            sql_type(item)?.list()
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => match pair.iter().as_slice() {
                [key, value] => SqlType::Map(Box::new(sql_type(key)?), Box::new(sql_type(value)?)),
                _ => return None,
            },
            _ => return None,
        },
        DataType::Struct(fields) => {
            let field = |f: &Arc<Field>| Some((f.name().clone(), sql_type(f)?));
            SqlType::Struct(fields.iter().map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Whether [`value`] gives one for whatever a column of a type holds that [`sql_type`] takes.
pub fn always_has_value(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _) => false,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => always_has_value(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| always_has_value(field.data_type())),
        _ => true,
    }
}

/// The text in a row of a column; `None` for a column of another type. A row that is NULL has none that means anything.
pub fn text(column: &dyn Array, row: usize) -> Option<&str> {
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(column.as_string_view().value(row)),
        _ => None,
    }
}

/// The value in a row of a column; `None` for a type that is not carried along, or a time that microseconds cannot
/// tell.
pub fn value(column: &dyn Array, row: usize) -> Option<Value> {
    if column.is_null(row) {
        return Some(Value::Null);
    }
    let list = |items: &dyn Array| {
        let values: Option<Vec<Value>> = (0..items.len()).map(|i| value(items, i)).collect();
        values.map(Value::List)
    };
    Some(match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int8 => Value::Int(column.as_primitive::<types::Int8Type>().value(row).into()),
        DataType::Int16 => Value::Int(column.as_primitive::<types::Int16Type>().value(row).into()),
        DataType::Int32 => Value::Int(column.as_primitive::<types::Int32Type>().value(row).into()),
        DataType::Int64 => Value::Int(column.as_primitive::<types::Int64Type>().value(row)),
        DataType::UInt8 => Value::Int(column.as_primitive::<types::UInt8Type>().value(row).into()),
        DataType::UInt16 => Value::Int(column.as_primitive::<types::UInt16Type>().value(row).into()),
        DataType::UInt32 => Value::Int(column.as_primitive::<types::UInt32Type>().value(row).into()),
        DataType::UInt64 => Value::Int(column.as_primitive::<types::UInt64Type>().value(row) as i64),
        DataType::Float16 => Value::Double(column.as_primitive::<types::Float16Type>().value(row).to_f64()),
        DataType::Float32 => Value::Double(column.as_primitive::<types::Float32Type>().value(row).into()),
        DataType::Float64 => Value::Double(column.as_primitive::<types::Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            let digits = column.as_primitive::<types::Decimal128Type>().value(row);
            Value::Decimal(digits, u8::try_from(*scale).ok()?)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Value::Text(text(column, row)?.into()),
        DataType::Binary => Value::Bytes(column.as_binary::<i32>().value(row).into()),
        DataType::LargeBinary => Value::Bytes(column.as_binary::<i64>().value(row).into()),
        DataType::BinaryView => Value::Bytes(column.as_binary_view().value(row).into()),
        DataType::Date32 => Value::Date(column.as_primitive::<types::Date32Type>().value(row)),
        DataType::FixedSizeBinary(_) => Value::Bytes(column.as_fixed_size_binary().value(row).into()),
        DataType::Time32(TimeUnit::Second) => {
            Value::Time(i64::from(column.as_primitive::<types::Time32SecondType>().value(row)) * 1_000_000)
        }
        DataType::Time32(_) => {
            Value::Time(i64::from(column.as_primitive::<types::Time32MillisecondType>().value(row)) * 1000)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            Value::Time(column.as_primitive::<types::Time64NanosecondType>().value(row).div_euclid(1000))
        }
        DataType::Time64(_) => Value::Time(column.as_primitive::<types::Time64MicrosecondType>().value(row)),
        DataType::Timestamp(TimeUnit::Nanosecond, None) => {
            Value::Nanos(column.as_primitive::<types::TimestampNanosecondType>().value(row))
        }
        DataType::Timestamp(unit, _) => Value::Timestamp(match unit {
            TimeUnit::Second => {
                column.as_primitive::<types::TimestampSecondType>().value(row).checked_mul(1_000_000)?
            }
            TimeUnit::Millisecond => {
                column.as_primitive::<types::TimestampMillisecondType>().value(row).checked_mul(1000)?
            }
            TimeUnit::Microsecond => column.as_primitive::<types::TimestampMicrosecondType>().value(row),
            TimeUnit::Nanosecond => {
                column.as_primitive::<types::TimestampNanosecondType>().value(row).div_euclid(1000)
            }
        }),
        DataType::List(_) => list(column.as_list::<i32>().value(row).as_ref())?,
        DataType::LargeList(_) => list(column.as_list::<i64>().value(row).as_ref())?,
        DataType::FixedSizeList(..) => list(column.as_fixed_size_list().value(row).as_ref())?,
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let pair = |i| Some((value(entries.column(0), i)?, value(entries.column(1), i)?));
            Value::Map((0..entries.len()).map(pair).collect::<Option<_>>()?)
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(column.as_struct().columns());
            let field = |(field, column): (&FieldRef, &ArrayRef)| {
                Some((field.name().clone(), value(column.as_ref(), row)?))
            };
            Value::Struct(columns.map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Parquet files for tests.
#[cfg(test)]
pub mod testing {
    use super::*;
    use parquet::arrow::ArrowWriter;

    /// A batch of rows as the bytes of a Parquet file.
    pub fn written(batch: &RecordBatch) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::testing::Folder;

    #[test]
    fn what_the_library_says_of_a_damaged_file_is_kept_below() {
        let folder = Folder::new();
        let path = folder.write("a.parquet", b"PAR1 and no more than that PAR1");
        let error = Table::open(&path).err().unwrap();
        assert!(error.is_unopened(), "{error}");
        let below = error.source().unwrap();
        assert!(below.is::<::parquet::errors::ParquetError>(), "{below:?}");
        assert!(error.to_string().ends_with(&below.to_string()), "{error}");
    }
}
