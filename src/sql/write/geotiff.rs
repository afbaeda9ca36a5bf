//! `COPY ... TO 'x.tif'`: one whole canvas into a GeoTIFF.

use std::path::Path;
use std::sync::Arc;

use crate::affine::Affine;
use crate::bridge::args::Args;
use crate::bridge::args::number;
use crate::bridge::chunk::Input;
use crate::bridge::copy::{CopyCall, CopyFunction};
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::pieces::Pieces;
use crate::bridge::vector::{Plain, Vector};
use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::error::{Error, Result, one_of};
use crate::files::Location;
use crate::projection;
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::with_dtype;
use crate::write::geotiff::{self as engine, COMPRESSIONS, Canvas, Options};
use crate::write::staging::Staging;

/// The format `geotiff` of COPY.
pub struct Geotiff;

const BLOCK: i64 = 512;

static DOC: FunctionDoc = FunctionDoc {
    name: "geotiff",
    kind: Kind::Copy,
    summary: "Writes one canvas, as every read gives it, into a Cloud Optimized GeoTIFF.",
    parameters: &[
        Parameter {
            name: "data",
            types: "ANY[]",
            given: Given::Required,
            meaning: "Pixels in the order [band, row, col], a list of numbers, whose type is the file's. Columns go by their order; one STRUCT with these four as fields, such as `read_slice(...)`, does as well.",
        },
        Parameter {
            name: "shape",
            types: "BIGINT[]",
            given: Given::Required,
            meaning: "Bands, rows, columns; two numbers are rows and columns of one band.",
        },
        Parameter {
            name: "transform",
            types: "DOUBLE[]",
            given: Given::Optional,
            meaning: "GDAL's six numbers; NULL or left out, the file has no place on the map.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Optional,
            meaning: "CRS of the transform; NULL or left out, the file has none.",
        },
        Parameter {
            name: "COMPRESS",
            types: "VARCHAR",
            given: Given::Option("'deflate'"),
            meaning: "`deflate`, `lzw` (both with the predictor that suits the type) or `none`.",
        },
        Parameter {
            name: "BLOCKSIZE",
            types: "BIGINT",
            given: Given::Option("512"),
            meaning: "Rows and columns of a block, a multiple of 16 up to 4096.",
        },
        Parameter {
            name: "NODATA",
            types: "DOUBLE | VARCHAR",
            given: Given::Option("NaN in floats, none in whole numbers"),
            meaning: "The value that NULL is written as, and that stands for no pixel when the file is read: a number or 'nan'.",
        },
        Parameter {
            name: "BANDS",
            types: "VARCHAR[]",
            given: Given::Option("none"),
            meaning: "Names of the bands, one each.",
        },
    ],
    columns: &[column("Count", "BIGINT", "Rows written: 1.")],
    nulls: "A NULL pixel is written as NODATA. NULL data or shape is an error.",
    errors: &[
        "no row, or a second one: one file takes one canvas",
        "columns that are not data, shape, transform and crs in this order, nor one STRUCT of these",
        "data does not have as many values as shape says",
        "NULL pixels of whole numbers without NODATA, or a NODATA that no pixel of the type can have",
        "an unknown option (those known are listed), a BLOCKSIZE that is not a multiple of 16, BANDS that are not one name a band",
        "a transform that is not six numbers that span a plane, or a CRS that PROJ does not know",
        "a target that is a directory or a device, whose folder is absent or cannot be written, or that is a URL",
    ],
    examples: &[
        Example {
            title: "A read into a file: the ending is the format",
            sql: "COPY (SELECT data, shape, transform, crs FROM read_patch('test/data/small/sst_20180101.tif', size := [18, 36]))\n\
                  TO 'build/sst.tif' (COMPRESS 'lzw', BANDS ['sst']);",
            rows: &[],
        },
        Example {
            title: "And back",
            sql: "SELECT shape, transform, crs, len(data) AS n, list_max(data) AS most FROM read_patch('build/sst.tif', size := [18, 36]);",
            rows: &["[1, 18, 36]\t[-180.0, 10.0, 0.0, 90.0, 0.0, -10.0]\tEPSG:4326\t648\t40.4375"],
        },
        Example {
            title: "A mask of bytes on the grid of a slice, 255 where there is no pixel",
            sql: "COPY (SELECT [(x > 20)::UTINYINT FOR x IN r.data], r.shape, r.transform, r.crs FROM (\n\
                  \x20 SELECT read_slice('test/data/small/sst_20180101.tif', geo_slice({xmin: 0, ymin: 0, xmax: 40, ymax: 40}, 5, 'OGC:CRS84')) AS r))\n\
                  TO 'build/warm.tif' (FORMAT geotiff, NODATA 255);",
            rows: &[],
        },
    ],
    references: &["GDAL's COG driver; read back by rasterio", "OGC 21-026: Cloud Optimized GeoTIFF"],
};

/// Where the columns are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Columns {
    /// One STRUCT, with the index of each field.
    Fields([Option<usize>; 4]),
    /// So many columns, in order.
    Ordered(usize),
}

/// What a COPY knows before any row.
pub struct Bound {
    columns: Columns,
    nodata: Option<Nodata>,
    options: Options,
}

/// A file that is being written.
pub struct Writer {
    bound: Arc<Bound>,
    staging: Staging,
    canvas: Option<Canvas>,
}

fn blame(part: &str) -> impl Fn(Error) -> Error {
    let blamed = format!("{}({part})", DOC.name);
    move |error| error.at(&blamed)
}

impl CopyFunction for Geotiff {
    const DOC: &'static FunctionDoc = &DOC;
    const ALIASES: &'static [&'static str] = &["tif", "tiff"];
    type Bound = Bound;
    type Writer = Writer;

    fn bind(call: CopyCall) -> Result<Bound> {
        let (columns, dtype) = columns(&call.columns)?;
        let args = &call.options;
        let compression = match args.text("COMPRESS")? {
            None => COMPRESSIONS[0].1,
            Some(text) => {
                let choice = one_of(&text.to_lowercase(), "a compression", &COMPRESSIONS);
                choice.map_err(args.blame("COMPRESS"))?
            }
        };
        let block = args.integer("BLOCKSIZE", 16, 4096)?.unwrap_or(BLOCK);
        if block % 16 != 0 {
            return Err(args.blame("BLOCKSIZE")(Error::invalid(block, "a multiple of 16")));
        }
        let options = Options {
            compression,
            block: block as usize,
            names: args.names("BANDS")?.unwrap_or_default(),
            threads: call.limits.threads,
        };
        let nodata = engine::nodata(dtype, asked_nodata(args)?).map_err(args.blame("NODATA"))?;
        Ok(Bound { columns, nodata, options })
    }

    fn open(bound: &Arc<Bound>, target: &Path) -> Result<Writer> {
        if Location::plain(&target.to_string_lossy()).is_url() {
            let problem = format!("\"{}\" is a URL", target.display());
            return Err(Error::conflict(problem, "Write a local file, and copy it there"));
        }
        Ok(Writer { bound: bound.clone(), staging: Staging::new(target)?, canvas: None })
    }

    fn sink(writer: &mut Writer, rows: &Input<'_>) -> Result<()> {
        for row in 0..rows.rows() {
            if writer.canvas.is_some() {
                let remedy = "One file takes one canvas, which is one row";
                return Err(Error::conflict("the query has a second row", remedy));
            }
            writer.canvas = Some(canvas(&writer.bound, rows, row)?);
        }
        Ok(())
    }

    fn finish(writer: Writer) -> Result<()> {
        let Writer { bound, staging, canvas } = writer;
        let missing =
            || Error::conflict("the query has no row", "One file takes one canvas, which is one row");
        engine::write(staging, &canvas.ok_or_else(missing)?, &bound.options)
    }
}

const NAMES: [&str; 4] = ["data", "shape", "transform", "crs"];

/// Which columns are what, and the type of the pixels.
fn columns(types: &[SqlType]) -> Result<(Columns, Dtype)> {
    let (columns, of_data) = match types {
        [SqlType::Struct(fields)] => {
            let known: Vec<(&str, ())> = NAMES.iter().map(|name| (*name, ())).collect();
            for (name, _) in fields {
                one_of(name, "a field of a canvas", &known)?;
            }
            let indices = NAMES.map(|name| fields.iter().position(|(field, _)| field == name));
            (Columns::Fields(indices), indices[0].zip(indices[1]).map(|(data, _)| &fields[data].1))
        }
        [data, _] | [data, _, _] | [data, _, _, _] => (Columns::Ordered(types.len()), Some(data)),
        _ => (Columns::Ordered(0), None),
    };
    match of_data.and_then(SqlType::item).and_then(SqlType::dtype) {
        Some(dtype) => Ok((columns, dtype)),
        None => {
            let texts: Vec<String> = types.iter().map(SqlType::to_string).collect();
            let problem = format!("the query gives {}", texts.join(", "));
            let remedy = "Give a list of numbers, its shape, a transform and a crs, in this order (the last two may be left out), or one STRUCT(data, shape, transform, crs)";
            Err(Error::conflict(problem, remedy))
        }
    }
}

fn asked_nodata(args: &Args) -> Result<Option<Nodata>> {
    let Some(value) = args.get("NODATA") else { return Ok(None) };
    let text = match value {
        Value::Text(text) | Value::Other(text) => text.clone(),
        Value::Int(n) => return Ok(Some(Nodata::Integer((*n).into()))),
        other => number(other).map(|n| n.to_string()).unwrap_or_default(),
    };
    let parsed = text.parse().map(Nodata::Integer).or_else(|_| text.parse().map(Nodata::Float));
    parsed.map(Some).map_err(|_| args.blame("NODATA")(Error::invalid(value, "a number, or 'nan'")))
}

/// A row's canvas.
fn canvas(bound: &Bound, rows: &Input<'_>, row: usize) -> Result<Canvas> {
    let part = |index: usize| -> Option<&Vector<'_>> {
        match bound.columns {
            Columns::Fields(indices) => indices[index].map(|field| rows.column(0).field(field)),
            Columns::Ordered(count) => (index < count).then(|| rows.column(index)),
        }
    };
    let value = |index: usize| part(index).map_or(Value::Null, |column| Value::of(column, row));
    let data = part(0).filter(|data| !data.is_null(row));
    let data = data.ok_or_else(|| blame("data")(Error::invalid("NULL", "a list of numbers")))?;
    let shape = shape(&value(1)).map_err(blame("shape"))?;
    let mut data = Pieces::of(data)?;
    let length = data.length(row);
    if shape.iter().try_fold(1usize, |n, side| n.checked_mul(*side)) != Some(length) {
        let problem = format!("{length} values for the shape {shape:?}");
        return Err(blame("data")(Error::conflict(problem, "Give data and shape of the same read")));
    }
    let transform = transform(&value(2)).map_err(blame("transform"))?;
    let crs = match value(3) {
        Value::Null => None,
        Value::Text(text) => Some(text),
        other => return Err(blame("crs")(Error::invalid(other, "text"))),
    };
    if let Some(crs) = &crs {
        projection::crs_facts(crs).map_err(blame("crs"))?;
    }
    let pixels = with_dtype!(data.dtype(), T => gather::<T>(&mut data, row, bound.nodata)?);
    Ok(Canvas { pixels, shape, transform, crs, nodata: bound.nodata })
}

fn shape(value: &Value) -> Result<[usize; 3]> {
    let side = |value: &Value| match value {
        Value::Int(n) => usize::try_from(*n).ok(),
        _ => None,
    };
    let sides: Option<Vec<usize>> = match value {
        Value::List(sides) => sides.iter().map(side).collect(),
        _ => None,
    };
    match sides.as_deref() {
        Some([rows, cols]) => Ok([1, *rows, *cols]),
        Some([bands, rows, cols]) => Ok([*bands, *rows, *cols]),
        _ => Err(Error::invalid(value, "[bands, rows, columns], as a read gives it")),
    }
}

fn transform(value: &Value) -> Result<Option<Affine>> {
    let terms: Option<Vec<f64>> = match value {
        Value::Null => return Ok(None),
        Value::List(terms) => terms.iter().map(number).collect(),
        _ => None,
    };
    Affine::from_terms(&terms.unwrap_or_default()).map(Some).map_err(|error| match value {
        Value::List(_) => error,
        other => Error::invalid(other, "GDAL's six numbers, a DOUBLE[]"),
    })
}

/// The pixels of a row, NULL as nodata.
fn gather<T: Plain + Pixel>(data: &mut Pieces<'_>, row: usize, nodata: Option<Nodata>) -> Result<Pixels> {
    let fill = nodata.and_then(T::nodata);
    let mut pixels: Vec<T> = Vec::with_capacity(data.length(row));
    data.each::<T>(row, |values, nulls| {
        let from = pixels.len();
        pixels.extend_from_slice(values);
        if nulls.none() {
            return Ok(());
        }
        for (index, pixel) in pixels[from..].iter_mut().enumerate() {
            if nulls.is_null(index) {
                *pixel = fill.ok_or_else(|| needs_nodata(T::DTYPE))?;
            }
        }
        Ok(())
    })?;
    Ok(T::pixels(pixels))
}

fn needs_nodata(dtype: Dtype) -> Error {
    let problem = format!("a pixel is NULL, and no value of {dtype} stands for that");
    let remedy = format!("Name one that no pixel has, for example NODATA {}", engine::suggestion(dtype));
    blame("NODATA")(Error::conflict(problem, remedy))
}
