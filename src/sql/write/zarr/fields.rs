//! Which columns of a query are what in a store: pixels of a variable, a value a row, or where a row lies.

use serde_json::{Map, json};

use crate::bridge::chunk::Input;
use crate::bridge::vector::Vector;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::format::zarr::document::Kind;
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::write::zarr::rows::{Cell, ColumnHead};

/// The way to a value: the number of a column, then of fields within.
pub type Way = Vec<usize>;

/// The columns of a query by what they are.
#[derive(Debug, Default)]
pub struct Fields {
    /// Lists of numbers: a variable each.
    pub variables: Vec<(String, Dtype, Way)>,
    /// One value a row.
    pub columns: Vec<(ColumnHead, Way)>,
    /// The shape of the lists.
    pub shape: Option<Way>,
    /// GDAL's six numbers.
    pub transform: Option<Way>,
    /// The CRS.
    pub crs: Option<Way>,
}

impl Fields {
    /// Names and types of columns, or of the fields of one STRUCT.
    ///
    /// # Errors
    /// A type that no array holds.
    pub fn of(types: &[SqlType], names: Option<&[String]>) -> Result<Fields> {
        let mut fields = Fields::default();
        match (types, names) {
            ([SqlType::Struct(nested)], None) => {
                const FIELD: [&str; 5] = ["data", "shape", "transform", "crs", "weights"];
                let is_part =
                    |(name, _): &(String, SqlType)| FIELD.iter().any(|part| part.eq_ignore_ascii_case(name));
                let of_stitch = nested.iter().all(is_part);
                for (index, (name, ty)) in nested.iter().enumerate() {
                    // What a stitched field has beside its pixels is mostly NULL.
                    if !(of_stitch && name.eq_ignore_ascii_case("weights")) {
                        fields.add(name, ty, vec![0, index])?;
                    }
                }
            }
            (types, Some(names)) if types.len() == names.len() => {
                for (index, (name, ty)) in names.iter().zip(types).enumerate() {
                    fields.add(name, ty, vec![index])?;
                }
            }
            (types, Some(names)) => {
                let problem = format!("{} names for {} columns", names.len(), types.len());
                return Err(Error::conflict(problem, "Name each column of the query"));
            }
            (types, None) if (2..=4).contains(&types.len()) && canvas(types) => {
                fields.add("data", &types[0], vec![0])?;
                let rest = [&mut fields.shape, &mut fields.transform, &mut fields.crs];
                for (index, part) in (1..types.len()).zip(rest) {
                    *part = Some(vec![index]);
                }
            }
            (types, None) => {
                let texts: Vec<String> = types.iter().map(SqlType::to_string).collect();
                let problem =
                    format!("the query gives {}, whose names a format does not learn", texts.join(", "));
                let remedy = "Name them: NAMES ['emb', 'xmin', ...], or give one STRUCT: SELECT {emb: ..., xmin: ...}, or SELECT t FROM (...) t";
                return Err(Error::conflict(problem, remedy));
            }
        }
        Ok(fields)
    }

    fn add(&mut self, name: &str, ty: &SqlType, way: Way) -> Result<()> {
        let item = ty.item().and_then(SqlType::dtype);
        let top = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        match ty {
            SqlType::List(_) | SqlType::Array(..)
                if top("shape") && item.is_some_and(|dtype| !dtype.is_float()) =>
            {
                self.shape = Some(way);
            }
            SqlType::List(_) | SqlType::Array(..) if top("transform") && item.is_some() => {
                self.transform = Some(way);
            }
            SqlType::Varchar if top("crs") => self.crs = Some(way),
            SqlType::List(_) | SqlType::Array(..) => match item {
                Some(dtype) => self.variables.push((name.to_string(), dtype, way)),
                None => return Err(unfit(name, ty, "Give a list of numbers, and its shape")),
            },
            SqlType::Struct(nested) => {
                for (index, (inner, ty)) in nested.iter().enumerate() {
                    let way = way.iter().copied().chain([index]).collect();
                    self.add(&format!("{name}_{inner}"), ty, way)?;
                }
            }
            _ => {
                let (kind, attributes) = column(name, ty)?;
                self.columns.push((ColumnHead { name: name.to_string(), kind, attributes }, way));
            }
        }
        Ok(())
    }

    /// Nothing but the parts of a canvas.
    pub fn is_canvas(&self) -> bool {
        let data = matches!(self.variables.as_slice(), [(name, ..)] if name.eq_ignore_ascii_case("data"));
        data && self.shape.is_some() && self.columns.is_empty()
    }

    /// The column that tells the time of each row.
    pub fn time(&self) -> Option<&str> {
        let time =
            |(head, _): &&(ColumnHead, Way)| head.name == "time" && head.attributes.contains_key("calendar");
        self.columns.iter().find(time).map(|(head, _)| head.name.as_str())
    }
}

/// Data and a shape, by their order.
fn canvas(types: &[SqlType]) -> bool {
    let numbers = |ty: &SqlType| ty.item().and_then(SqlType::dtype);
    matches!(types, [data, shape, ..] if numbers(data).is_some() && numbers(shape).is_some_and(|d| !d.is_float()))
}

fn unfit(name: &str, ty: &SqlType, remedy: &str) -> Error {
    Error::conflict(format!("{name} is {ty}, which no array holds"), remedy)
}

/// What a column's values are, and what they say of themselves.
fn column(name: &str, ty: &SqlType) -> Result<(Kind, Map<String, serde_json::Value>)> {
    let mut attributes = Map::new();
    let mut time = |units: &str, dtype: Dtype| {
        attributes.insert("units".into(), json!(units));
        attributes.insert("calendar".into(), json!("proleptic_gregorian"));
        Kind::Number(dtype)
    };
    let kind = match ty {
        SqlType::Boolean => Kind::Bool,
        SqlType::Varchar | SqlType::Json | SqlType::Uuid => Kind::Text,
        SqlType::Date => time("days since 1970-01-01", Dtype::Int32),
        SqlType::Timestamp | SqlType::TimestampTz => {
            time("microseconds since 1970-01-01 00:00:00", Dtype::Int64)
        }
        SqlType::TimestampNs => time("nanoseconds since 1970-01-01 00:00:00", Dtype::Int64),
        SqlType::Decimal(..) => Kind::Number(Dtype::Float64),
        other => match other.dtype() {
            Some(dtype) => Kind::Number(dtype),
            None => {
                return Err(unfit(name, ty, "Cast it to a number, a text or a TIMESTAMP, or leave it out"));
            }
        },
    };
    if attributes.contains_key("calendar") && name == "time" {
        attributes.insert("standard_name".into(), json!("time"));
        attributes.insert("axis".into(), json!("T"));
    }
    Ok((kind, attributes))
}

/// The vector at the end of a way; `None` where the row has NULL on it.
pub fn find<'a>(input: &'a Input<'_>, way: &Way, row: usize) -> Option<&'a Vector<'a>> {
    let mut vector = input.column(*way.first()?);
    for index in &way[1..] {
        if vector.is_null(row) {
            return None;
        }
        vector = vector.field(*index);
    }
    (!vector.is_null(row)).then_some(vector)
}

/// A row's value of a column.
///
/// # Errors
/// A value of a type that was refused, which is a defect.
pub fn cell(vector: Option<&Vector<'_>>, row: usize) -> Result<Cell> {
    let Some(vector) = vector else { return Ok(Cell::Null) };
    Ok(match Value::of(vector, row) {
        Value::Null => Cell::Null,
        Value::Bool(flag) => Cell::Flag(flag),
        Value::Int(n) | Value::Timestamp(n) | Value::Nanos(n) => Cell::Whole(n.into()),
        Value::Date(day) => Cell::Whole(day.into()),
        Value::Decimal(n, 0) => Cell::Whole(n),
        // Beyond BIGINT.
        Value::Other(digits) => match digits.parse() {
            Ok(n) => Cell::Whole(n),
            Err(_) => {
                let must = "a number that UBIGINT holds, or cast it to DOUBLE";
                return Err(Error::invalid(digits, must));
            }
        },
        Value::Decimal(n, scale) => Cell::Number(format!("{n}e-{scale}").parse().unwrap_or(f64::NAN)),
        Value::Double(v) => Cell::Number(v),
        Value::Text(text) => Cell::Text(text),
        Value::Uuid(bits) => {
            let hex = format!("{bits:032x}");
            let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            Cell::Text(parts.join("-"))
        }
        other => return Err(Error::Bug(format!("a column of {other}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(types: &[&str], names: &[&str]) -> Result<Fields> {
        let types: Vec<SqlType> = types.iter().map(|text| SqlType::parse(text).unwrap()).collect();
        let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
        Fields::of(&types, (!names.is_empty()).then_some(&names))
    }

    #[test]
    fn columns_have_names_or_are_a_canvas() {
        assert!(of(&["FLOAT[]", "BIGINT[]", "DOUBLE[]", "VARCHAR"], &[]).unwrap().is_canvas());
        let field = "STRUCT(data FLOAT[], shape BIGINT[], transform DOUBLE[], crs VARCHAR, weights FLOAT[])";
        assert!(of(&[field], &[]).unwrap().is_canvas());
        assert!(of(&["FLOAT[]", "VARCHAR"], &[]).is_err() && of(&["FLOAT[]"], &[]).is_err());
        assert!(of(&["FLOAT[]"], &["a", "b"]).is_err());
        let rows =
            of(&["FLOAT[]", "STRUCT(xmin DOUBLE, ymin DOUBLE)", "TIMESTAMP"], &["emb", "bbox", "time"])
                .unwrap();
        let names: Vec<&str> = rows.columns.iter().map(|(head, _)| head.name.as_str()).collect();
        assert_eq!(names, ["bbox_xmin", "bbox_ymin", "time"]);
        assert_eq!((rows.columns[1].1.as_slice(), rows.time()), ([1, 1].as_slice(), Some("time")));
        assert!(!rows.is_canvas());
    }

    #[test]
    fn types_that_no_array_holds_are_refused_with_what_would_do() {
        for (ty, words) in [("GEOMETRY", "a text"), ("VARCHAR[]", "shape"), ("BLOB", "leave it out")] {
            let error = of(&[ty, "FLOAT"], &["a", "b"]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(of(&["FLOAT[3]", "FLOAT"], &["a", "b"]).unwrap().variables.len(), 1);
    }
}
