//! `COPY ... TO 'x.zarr'`: rows, a canvas, or patches of one, into a store of Zarr.

pub mod fields;

use std::path::Path;
use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::copy::{CopyCall, CopyFunction};
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, option};
use crate::bridge::pieces::Pieces;
use crate::error::{Error, Result, one_of};
use crate::format::zarr::Version;
use crate::format::zarr::document::Compression;
use crate::projection;
use crate::sql::shared::stitching::canvases;
use crate::sql::shared::stitching::columns::Columns;
use crate::sql::shared::stitching::numbers;
use crate::sql::write::canvas_files::check_local;
use crate::sql::write::options;
use crate::stitch::canvas::Canvas;
use crate::stitch::field::Plan;
use crate::value::Value;
use crate::write::pack::{Format, Packing};
use crate::write::patches::Patches;
use crate::write::staging::{Staging, of_target};
use crate::write::zarr::Options;
use crate::write::zarr::field::{Part, Strips};
use crate::write::zarr::layout::Shards;
use crate::write::zarr::rows::{Row, Rows, Site, check_name};
use fields::{Fields, cell, find};

/// The format `zarr` of COPY.
pub struct Zarr;

const FORMAT: Format = Format { name: "zarr", masks: false };

/// How chunks are packed, by its name.
const COMPRESSIONS: [(&str, Compression); 3] =
    [("zstd", Compression::Zstd), ("blosc", Compression::Blosc), ("none", Compression::None)];

static DOC: FunctionDoc = FunctionDoc {
    name: "zarr",
    kind: Kind::Copy,
    summary: "Writes rows, a canvas, or what patches make together, into a Zarr store.",
    parameters: &[
        Parameter {
            name: "data",
            types: "ANY[]",
            given: Given::Required,
            meaning: "Pixels, a list of numbers. `data, shape, transform, crs` in this order are a canvas, and `data, win` with CANVAS a patch of one, behind which its weight, variance or rank may stand. Other columns are named by NAMES, or are the fields of one STRUCT (`SELECT t FROM (...) t`): each list of numbers is a variable of its name, `shape`, `transform` and `crs` say where rows lie, and each other column is a variable of one value a row, a STRUCT one of each field (`bbox_xmin`).",
        },
        Parameter {
            name: "shape",
            types: "BIGINT[]",
            given: Given::Optional,
            meaning: "Sizes of the axes of the lists that have so many values; others are vectors. All rows have one shape.",
        },
        Parameter {
            name: "transform",
            types: "DOUBLE[]",
            given: Given::Optional,
            meaning: "GDAL's six numbers. Where all rows have the same, the store has coordinates x and y of pixel centres; otherwise a variable `transform`.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Optional,
            meaning: "CRS of the transform: the grid mapping `spatial_ref`, or a variable `crs` where rows differ. xarray has `spatial_ref` as a coordinate where it is asked to decode those (`xr.open_zarr(path, decode_coords='all')`), as rioxarray wants it, and as a variable otherwise.",
        },
        option(
            "NAMES",
            "VARCHAR[]",
            "none",
            "Names of the query's columns, which a format does not learn by itself.",
        ),
        option(
            "AXIS",
            "VARCHAR",
            "'time' where there is a DATE or TIMESTAMP of that name, else 'patch'",
            "The axis along which rows follow each other; a column of its name is its coordinate, and must rise. `none`, as for a canvas, is one row.",
        ),
        option("NAME", "VARCHAR", "'data'", "The variable that patches are stitched into."),
        options::CANVAS,
        options::TEMPLATE,
        options::TRANSFORM,
        options::CRS,
        options::STITCH,
        options::TAPER,
        options::PERIODIC,
        options::ALPHA,
        options::SIGMA,
        options::TAPERED,
        options::NORMALISE,
        options::SKIP_NAN,
        options::DTYPE,
        options::SCALE,
        options::OFFSET,
        options::NODATA,
        option("BANDS", "VARCHAR[]", "none", "Names of the bands, one each: a coordinate `band`."),
        option(
            "DIMS",
            "VARCHAR[]",
            "band, y, x",
            "Names of the axes of the pixels of a row, or of the canvas.",
        ),
        options::TAGS,
        option(
            "COMPRESS",
            "VARCHAR",
            "'zstd'",
            "`zstd`, `blosc` (Zstandard behind a shuffle of bytes) or `none`.",
        ),
        option(
            "CHUNKS",
            "BIGINT[]",
            "by itself",
            "Sizes of chunks, one an axis. By itself a chunk is one row with its image, some rows of vectors that make 1 MiB, and 512 x 512 pixels of what is above 4 MiB.",
        ),
        option(
            "SHARDS",
            "BIGINT[] | VARCHAR",
            "'auto'",
            "Sizes of the files that hold whole chunks, one an axis; `auto` makes files of up to 64 MiB before they are packed, `none` a file a chunk.",
        ),
        option(
            "APPEND_DIM",
            "VARCHAR",
            "none",
            "The axis of a store that is there, behind whose rows these go: `'time'`, `'patch'`. The store has the same variables; where there is none it is made. Without it and REGION the new store takes the place of one that is there as a whole, variables that it lacks included, once it is whole itself; a file, or a folder that is no store, is never replaced.",
        ),
        option(
            "REGION",
            "ANY",
            "none",
            "The window of the canvas that is written, `{row_off, col_off, height, width}`, on the borders of files (SHARDS). The first region makes the store; several processes may write regions at once that do not overlap, and one that is written again is replaced.",
        ),
        option("VERSION", "BIGINT", "3", "The version of Zarr: 3, or 2, which has no shards."),
    ],
    columns: &[column("Count", "BIGINT", "Rows written.")],
    nulls: "A NULL pixel is written as NODATA, NaN in floats. NULL in a column of numbers or times is its least value (unsigned: its greatest), told as `_FillValue`; in one of texts or BOOLEAN it is an error, and so is a list that is NULL.",
    errors: &[
        "no row; a second row of a canvas, or columns without names",
        "lists of another shape than in the rows before, or NULL",
        "a column of a type that no array holds: GEOMETRY, BLOB, lists of texts",
        "an axis whose values do not rise from row to row, or two arrays of one name",
        "patches without CANVAS or TEMPLATE, or as `geoquilt.stitch` refuses them; a canvas with those options",
        "NULL pixels of whole numbers without NODATA, or a number that the DTYPE cannot hold",
        "CHUNKS or SHARDS of another number of axes, or shards that hold no whole chunks",
        "APPEND_DIM of a store of other variables, shapes, types or grids, or that COPY did not write",
        "a REGION off the borders of files, in a store of another canvas, or that another COPY is writing",
        "an unknown option, compression or version (those known are listed)",
        "a target that is a file, or a folder that is not a store, whose folder is absent or cannot be written, or that is a URL",
    ],
    examples: &[
        Example {
            title: "Patches of a raster along an axis, with their windows",
            sql: "COPY (SELECT t FROM (SELECT data AS sst, shape, transform, crs, patch_id, win\n\
                  \x20 FROM read_patch('test/data/small/sst_20180101.tif', size := 6)) t)\n\
                  TO 'build/patches.zarr' (FORMAT zarr);",
            rows: &[],
        },
        Example {
            title: "And back",
            sql: "SELECT place, data[:3] AS first, shape, dims FROM read_array('build/patches.zarr', 'sst') WHERE place >= 16;",
            rows: &[
                "16\t[28.5, 28.5625, 28.625]\t[1, 6, 6]\t[band, y, x]",
                "17\t[28.875, 28.9375, 29.0]\t[1, 6, 6]\t[band, y, x]",
            ],
        },
        Example {
            title: "Embeddings with their boxes: one vector a row",
            sql: "COPY (SELECT [i, i / 2, 1]::FLOAT[], i * 10, i * 10 + 10 FROM range(4) t(i))\n\
                  TO 'build/embeddings.zarr' (FORMAT zarr, NAMES ['emb', 'xmin', 'xmax']);",
            rows: &[],
        },
        Example {
            title: "More of them, behind those",
            sql: "COPY (SELECT [i, i / 2, 1]::FLOAT[], i * 10, i * 10 + 10 FROM range(4, 6) t(i))\n\
                  TO 'build/embeddings.zarr' (FORMAT zarr, NAMES ['emb', 'xmin', 'xmax'], APPEND_DIM 'patch');",
            rows: &[],
        },
        Example {
            title: "Patches, stitched on the way into one field",
            sql: "COPY (SELECT data, win FROM read_patch('test/data/small/sst_20180101.tif', size := 8, stride := 4))\n\
                  TO 'build/field.zarr' (FORMAT zarr, TEMPLATE 'test/data/small/sst_20180101.tif', STITCH overlap_add, NAME 'sst');",
            rows: &[],
        },
    ],
    references: &[
        "Zarr 3 and 2; read back by zarr-python and xarray",
        "CF conventions 1.11: coordinates, grid mappings, time",
        "GeoZarr: the conventions spatial: and proj:",
    ],
};

/// What a COPY knows before any row.
pub struct Bound {
    options: Arc<Options>,
    form: Form,
    /// What a field of patches may take.
    limit: usize,
}

/// What rows are.
enum Form {
    /// Steps along an axis, or one canvas.
    Rows { fields: Fields, packings: Vec<Packing>, axis: Option<String>, append: bool },
    /// Patches of one canvas, or of a part of one.
    Patches { columns: Box<Columns>, plan: Arc<Plan>, name: String, packing: Packing, part: Option<Part> },
}

/// A store that is being written.
pub enum Writer {
    /// Row by row.
    Rows(Arc<Bound>, Box<Rows>),
    /// Patches of one canvas, and how many rows came.
    Patches(Arc<Bound>, Box<Patches>, usize),
}

fn blame(part: &str) -> impl Fn(Error) -> Error {
    let blamed = format!("{}({part})", DOC.name);
    move |error| error.at(&blamed)
}

impl CopyFunction for Zarr {
    const DOC: &'static FunctionDoc = &DOC;
    const ALIASES: &'static [&'static str] = &[];
    type Bound = Bound;
    type Writer = Writer;

    fn bind(call: CopyCall) -> Result<Bound> {
        let args = &call.options;
        let options = Arc::new(options(args, call.limits.threads)?);
        let stitched = args.get("CANVAS").is_some() || args.get("TEMPLATE").is_some();
        let form = if stitched { patches(&call)? } else { rows(&call)? };
        Ok(Bound { options, form, limit: call.limits.aggregate })
    }

    fn open(bound: &Arc<Bound>, target: &Path) -> Result<Writer> {
        check_local(target)?;
        let text = target.to_string_lossy();
        if text.contains('{') {
            let problem = format!("\"{text}\" has a field in its name, and all rows go into one store");
            return Err(Error::conflict(problem, "Leave the braces out"));
        }
        let (staging, options) = (Staging::store(target)?, bound.options.clone());
        Ok(match &bound.form {
            Form::Rows { fields, packings, axis, append } => {
                let names = fields.variables.iter().map(|(name, ..)| name.clone());
                let variables: Vec<_> = names.zip(packings.iter().cloned()).collect();
                let columns: Vec<_> = fields.columns.iter().map(|(head, _)| head.clone()).collect();
                let mut rows = Rows::new(staging, options, axis.clone(), &variables, &columns)?;
                if *append {
                    rows.append().map_err(blame("APPEND_DIM"))?;
                }
                Writer::Rows(bound.clone(), Box::new(rows))
            }
            Form::Patches { plan, name, packing, part, .. } => {
                if let Some(part) = part {
                    let (height, width) = (plan.canvas.height as u64, plan.canvas.width as u64);
                    let region = [part.row, part.row + height, part.col, part.col + width];
                    staging.claim(Some(region)).map_err(blame("REGION"))?;
                }
                let strips = Strips::new(staging, options, (name.clone(), packing.clone()), part.clone())?;
                let patches = Patches::new(Box::new(strips), plan.clone(), bound.limit);
                Writer::Patches(bound.clone(), Box::new(patches), 0)
            }
        })
    }

    fn sink(writer: &mut Writer, input: &Input<'_>) -> Result<()> {
        let done = match writer {
            Writer::Rows(bound, rows) => match &bound.form {
                Form::Rows { fields, packings, .. } => {
                    (0..input.rows()).try_for_each(|row| rows.push(read(fields, packings, input, row)?))
                }
                Form::Patches { .. } => Err(Error::Bug("rows of patches".into())),
            },
            Writer::Patches(bound, patches, rows) => match &bound.form {
                Form::Patches { columns, part, .. } => {
                    let part = part.as_ref().map(|part| (&part.whole, part.row as i64, part.col as i64));
                    options::lay((DOC.name, columns), part, patches, rows, input)
                }
                Form::Rows { .. } => Err(Error::Bug("patches of rows".into())),
            },
        };
        done.map_err(of_target)
    }

    fn finish(writer: Writer) -> Result<()> {
        let done = match writer {
            Writer::Rows(_, rows) => rows.finish(),
            Writer::Patches(_, patches, _) => patches.finish(),
        };
        done.map_err(of_target)
    }
}

/// Rows along an axis, or one canvas.
fn rows(call: &CopyCall) -> Result<Form> {
    let args = &call.options;
    options::no_patches(args, "Say CANVAS or TEMPLATE, on which patches lie, or leave it out")?;
    if args.get("REGION").is_some() {
        let problem = "REGION is of a canvas, and the columns are those of rows";
        return Err(args.blame("REGION")(Error::conflict(problem, "Say CANVAS, or append rows: APPEND_DIM")));
    }
    if args.get("NAME").is_some() {
        let problem = "NAME is the variable that patches are stitched into";
        return Err(args.blame("NAME")(Error::conflict(problem, "Name columns by NAMES")));
    }
    let names = args.names("NAMES")?;
    let blamed = |error: Error| if names.is_some() { args.blame("NAMES")(error) } else { error };
    let fields = Fields::of(&call.columns, names.as_deref()).map_err(blamed)?;
    let variables = fields.variables.iter().map(|(name, ..)| name);
    for name in variables.chain(fields.columns.iter().map(|(head, _)| &head.name)) {
        check_name(name).map_err(blamed)?;
    }
    let append = args.text("APPEND_DIM")?;
    if append.is_some() && args.get("AXIS").is_some() {
        let problem = "AXIS and APPEND_DIM both name the axis of rows";
        return Err(args.blame("AXIS")(Error::conflict(problem, "Leave AXIS out")));
    }
    let axis = match append.clone().map_or_else(|| args.text("AXIS"), |name| Ok(Some(name)))? {
        Some(text) if append.is_some() => Some(text),
        Some(text) if text.eq_ignore_ascii_case("none") => None,
        Some(text) => Some(text),
        None if fields.is_canvas() => None,
        None => Some(fields.time().unwrap_or("patch").to_string()),
    };
    if let Some(axis) = &axis {
        let option = if append.is_some() { "APPEND_DIM" } else { "AXIS" };
        check_name(axis).map_err(args.blame(option))?;
    }
    let packings = fields.variables.iter().map(|(_, dtype, _)| options::packing(args, *dtype, false, FORMAT));
    let append = append.is_some();
    Ok(Form::Rows { packings: packings.collect::<Result<_>>()?, fields, axis, append })
}

/// Patches of one canvas.
fn patches(call: &CopyCall) -> Result<Form> {
    let args = &call.options;
    if let Some(name) = ["NAMES", "AXIS", "APPEND_DIM"].into_iter().find(|name| args.get(name).is_some()) {
        let problem = format!("{name} is of rows along an axis, and CANVAS makes one field of them");
        return Err(args.blame(name)(Error::conflict(problem, "Leave one of them out")));
    }
    let columns = Columns::of(&call.columns)?;
    if !columns.is_patch() {
        let problem = "CANVAS is for patches, and the columns are those of a canvas";
        return Err(args.blame("CANVAS")(Error::conflict(problem, "Give data and win, or leave it out")));
    }
    columns.check_template("")?;
    let mut plan = options::plan(args, columns.dtype)?;
    let columns = columns.with_own(options::named_method(args, &plan)).map_err(args.blame("STITCH"))?;
    let part = match args.get("REGION") {
        None => None,
        Some(value) => {
            let (part, canvas) = region(value, &plan.canvas).map_err(args.blame("REGION"))?;
            plan.canvas = canvas;
            Some(part)
        }
    };
    let packing = options::packing(args, options::result_type(&plan, columns.dtype), false, FORMAT)?;
    let name = args.text("NAME")?.unwrap_or_else(|| "data".into());
    check_name(&name).map_err(args.blame("NAME"))?;
    Ok(Form::Patches { columns: Box::new(columns), plan: Arc::new(plan), name, packing, part })
}

/// A window of a canvas, and the canvas that it is by itself.
fn region(value: &Value, whole: &Canvas) -> Result<(Part, Canvas)> {
    let must = "a window that lies on the canvas: {row_off, col_off, height, width}";
    let invalid = || Error::invalid(value, must);
    let window = canvases::span(value, whole)?.ok_or_else(invalid)?.window;
    let inside = window.row_off >= 0
        && window.col_off >= 0
        && window.row_end() <= whole.height as i64
        && window.col_end() <= whole.width as i64;
    if !inside {
        return Err(invalid());
    }
    let part = Part { whole: whole.clone(), row: window.row_off as u64, col: window.col_off as u64 };
    let canvas = Canvas {
        height: (window.row_end() - window.row_off) as usize,
        width: (window.col_end() - window.col_off) as usize,
        transform: whole.transform.map(|transform| transform.of_window(&window)),
        ..whole.clone()
    };
    Ok((part, canvas))
}

/// What the store is to be.
fn options(args: &Args, threads: usize) -> Result<Options> {
    let compression = match options::word(args, "COMPRESS")? {
        None => Compression::Zstd,
        Some(text) => one_of(&text, "a compression", &COMPRESSIONS).map_err(args.blame("COMPRESS"))?,
    };
    let version = match args.integer("VERSION", 2, 3)? {
        Some(2) => Version::V2,
        _ => Version::V3,
    };
    let sides = |name: &'static str, value: &Value| {
        let side = |value: &Value| match value {
            Value::Int(n) => u64::try_from(*n).ok().filter(|n| (1..=1 << 31).contains(n)),
            _ => None,
        };
        let sides: Option<Vec<u64>> = match value {
            Value::List(sides) => sides.iter().map(side).collect(),
            _ => None,
        };
        let must = "a list of whole numbers from 1 to 2147483648, one an axis: [1, 256, 256]";
        sides.filter(|sides| !sides.is_empty()).ok_or_else(|| args.blame(name)(Error::invalid(value, must)))
    };
    let chunks = args.get("CHUNKS").map(|value| sides("CHUNKS", value)).transpose()?;
    let shards = match args.get("SHARDS") {
        None => Shards::Auto,
        Some(Value::Text(text)) => {
            let known = [("auto", true), ("none", false)];
            match one_of(&text.to_lowercase(), "a way to shard", &known).map_err(args.blame("SHARDS"))? {
                true => Shards::Auto,
                false => Shards::None,
            }
        }
        Some(value) => Shards::Sides(sides("SHARDS", value)?),
    };
    if version == Version::V2 && matches!(shards, Shards::Sides(_)) {
        let problem = "version 2 has no shards";
        return Err(args.blame("SHARDS")(Error::conflict(problem, "Leave them out, or write version 3")));
    }
    Ok(Options {
        version,
        compression,
        chunks,
        shards,
        dims: dims(args)?,
        bands: args.names("BANDS")?.unwrap_or_default(),
        tags: options::tags(args)?,
        threads,
    })
}

/// Names of axes, each another.
fn dims(args: &Args) -> Result<Option<Vec<String>>> {
    let Some(names) = args.names("DIMS")? else { return Ok(None) };
    for (index, name) in names.iter().enumerate() {
        check_name(name).map_err(args.blame("DIMS"))?;
        if names[..index].contains(name) {
            let problem = format!("\"{name}\" names two axes");
            return Err(args.blame("DIMS")(Error::conflict(problem, "Give each axis a name of its own")));
        }
    }
    Ok(Some(names))
}

/// One row.
fn read(fields: &Fields, packings: &[Packing], input: &Input<'_>, row: usize) -> Result<Row> {
    let value = |way: &Option<fields::Way>| match way.as_ref().and_then(|way| find(input, way, row)) {
        Some(vector) => Value::of(vector, row),
        None => Value::Null,
    };
    let shape = match value(&fields.shape) {
        Value::Null => None,
        given => Some(shape(&given).map_err(blame("shape"))?),
    };
    let mut found = Row::default();
    for ((name, _, way), packing) in fields.variables.iter().zip(packings) {
        let missing = || Error::invalid("NULL", "a list of numbers").at(format!("{}({name})", DOC.name));
        let mut pieces = Pieces::of(find(input, way, row).ok_or_else(missing)?)?;
        let length = pieces.length(row) as u64;
        let own = shape.clone().filter(|shape| shape.iter().product::<u64>() == length);
        if let (None, Some(shape), 1) = (&own, &shape, fields.variables.len()) {
            let problem = format!("{length} values for the shape {}", numbers::told(shape));
            let remedy = "Give data and shape of the same read";
            return Err(Error::conflict(problem, remedy).at(format!("{}({name})", DOC.name)));
        }
        let pixels = options::pixels(&mut pieces, row, packing, None)?;
        found.pixels.push((pixels, own));
    }
    for (_, way) in &fields.columns {
        found.cells.push(cell(find(input, way, row), row)?);
    }
    let transform = options::transform(&value(&fields.transform)).map_err(blame("transform"))?;
    let crs = match value(&fields.crs) {
        Value::Null => None,
        Value::Text(text) => Some(text),
        other => return Err(blame("crs")(Error::invalid(other, "text"))),
    };
    if let Some(crs) = &crs {
        projection::crs_facts(crs).map_err(blame("crs"))?;
    }
    found.site = Site { transform, crs };
    Ok(found)
}

fn shape(value: &Value) -> Result<Vec<u64>> {
    let side = |value: &Value| match value {
        Value::Int(n) => u64::try_from(*n).ok().filter(|n| (1..=1 << 31).contains(n)),
        _ => None,
    };
    let sides: Option<Vec<u64>> = match value {
        Value::List(sides) => sides.iter().map(side).collect(),
        _ => None,
    };
    let fits = |sides: &Vec<u64>| sides.iter().try_fold(1u64, |n, side| n.checked_mul(*side)).is_some();
    let sides = sides.filter(|sides| !sides.is_empty() && fits(sides));
    sides.ok_or_else(|| Error::invalid(value, "sizes of the axes, as a read gives them"))
}
