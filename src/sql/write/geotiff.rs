//! `COPY ... TO 'x.tif'`: a canvas, or patches of one, into a GeoTIFF.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use crate::affine::Affine;
use crate::bridge::args::{Args, number};
use crate::bridge::chunk::Input;
use crate::bridge::copy::{CopyCall, CopyFunction};
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, option};
use crate::bridge::pieces::Pieces;
use crate::bridge::vector::Plain;
use crate::dtype::with_dtype;
use crate::dtype::{DTYPES, Dtype, Nodata, Pixel, Pixels};
use crate::error::{Error, Result, one_of};
use crate::files::Location;
use crate::format::gdal::create::Layout;
use crate::projection;
use crate::read::source::Source;
use crate::sql::shared::stitching::columns::{Columns, Part};
use crate::sql::shared::stitching::{self, IN_COPY};
use crate::sql::shared::stitching::{canvases, laying};
use crate::stitch::canvas::Canvas as StitchCanvas;
use crate::stitch::field::Plan;
use crate::stitch::tile::Method;
use crate::value::Value;
use crate::write::geotiff::{self as engine, COMPRESSIONS, Canvas, OVERVIEWS, Options};
use crate::write::pack::{self, Packing};
use crate::write::patches::{Patches, differing_masks};
use crate::write::staging::Staging;

/// The format `geotiff` of COPY.
pub struct Geotiff;

const BLOCK: i64 = 512;

static DOC: FunctionDoc = FunctionDoc {
    name: "geotiff",
    kind: Kind::Copy,
    summary: "Writes a canvas, or what patches make together, into a GeoTIFF or a COG.",
    parameters: &[
        Parameter {
            name: "data",
            types: "ANY[]",
            given: Given::Required,
            meaning: "Pixels in the order [band, row, col], a list of numbers. Columns go by their order: `data, shape, transform, crs` are a canvas, `data, win` a patch of one. One STRUCT with these as fields does as well, such as `read_slice(...)` or `geoquilt.stitch(...)`, whose weights are left out.",
        },
        Parameter {
            name: "shape",
            types: "BIGINT[]",
            given: Given::Required,
            meaning: "Of a canvas: bands, rows, columns; two numbers are rows and columns of one band. Of a patch `win` stands here, as `geoquilt.stitch` takes it; in a STRUCT `weight`, `variance` and `rank` may stand beside it.",
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
        option(
            "CANVAS",
            "ANY",
            "none",
            "What patches are laid on: `[rows, cols]`, a slice, or a STRUCT, as `geoquilt.stitch` takes it.",
        ),
        option(
            "TEMPLATE",
            "VARCHAR",
            "none",
            "A raster whose rows, columns, transform and CRS are the canvas.",
        ),
        option("TRANSFORM", "DOUBLE[]", "none", "Transform of the canvas, where `CANVAS` has none."),
        option("CRS", "VARCHAR", "none", "CRS of the canvas, where `CANVAS` has none."),
        option(
            "STITCH",
            "VARCHAR",
            "'last'",
            "What becomes of several patches on a pixel: a method of `geoquilt.stitch`, with its TAPER, PERIODIC, ALPHA, SIGMA, TAPERED, NORMALISE and SKIP_NAN. Unless given, a later row lies over an earlier one.",
        ),
        option(
            "TAPER",
            "VARCHAR | DOUBLE[]",
            "'hann'",
            "As that of `geoquilt.stitch`, and so are the next six.",
        ),
        option("PERIODIC", "BOOLEAN", "true", "Whether the taper's end is left out."),
        option("ALPHA", "DOUBLE", "0.5", "Of `tukey`."),
        option("SIGMA", "DOUBLE", "0.25", "Of `gaussian`."),
        option("TAPERED", "BOOLEAN", "false", "The data were multiplied by the taper already."),
        option("NORMALISE", "BOOLEAN", "true", "False gives the sum of weighted values itself."),
        option("SKIP_NAN", "BOOLEAN", "false", "NaN is no value."),
        option(
            "DTYPE",
            "VARCHAR",
            "the data's",
            "The type of the file's pixels: `uint8`, `int16`, `float32` and so on. Numbers are rounded to whole ones, halves to even. Of stitched means it is `float32`, or `float64` for DOUBLE and whole numbers of 32 or 64 bits.",
        ),
        option("SCALE", "DOUBLE", "1", "The file stores `(value - OFFSET) / SCALE`, and says so."),
        option("OFFSET", "DOUBLE", "0", "See SCALE."),
        option(
            "NODATA",
            "DOUBLE | VARCHAR",
            "NaN in floats, none in whole numbers",
            "The stored value that NULL is written as, and that stands for no pixel when the file is read: a number or 'nan'.",
        ),
        option(
            "MASK",
            "BOOLEAN",
            "false",
            "NULL pixels are told by a mask in the file, one for all bands, and by no value.",
        ),
        option("BANDS", "VARCHAR[]", "none", "Names of the bands, one each."),
        option(
            "TAGS",
            "MAP(VARCHAR, VARCHAR)",
            "none",
            "What the file says of itself: names and texts, as a MAP or a STRUCT.",
        ),
        option(
            "LAYOUT",
            "VARCHAR",
            "'cog'",
            "`cog`: a Cloud Optimized GeoTIFF; `tiled`: blocks that may be written in place.",
        ),
        option(
            "COMPRESS",
            "VARCHAR",
            "'deflate'",
            "`deflate`, `lzw` (both with the predictor that suits the type) or `none`.",
        ),
        option("BLOCKSIZE", "BIGINT", "512", "Rows and columns of a block, a multiple of 16 up to 4096."),
        option(
            "OVERVIEWS",
            "VARCHAR",
            "'auto'",
            "How overviews are made, by halves down to one block: `nearest`, `average`, `mode`, `bilinear`, `cubic`, `lanczos`, `rms`; `auto` is `average` for floats and `nearest` for whole numbers, which may be classes; `none` makes none, which is what `auto` means for `tiled`.",
        ),
    ],
    columns: &[column("Count", "BIGINT", "Rows written.")],
    nulls: "A NULL pixel, or one on which no patch lies, is written as NODATA or left out by the mask. NULL data or shape of a canvas is an error; a patch whose data or win is NULL lays nothing.",
    errors: &[
        "no row; a second canvas for one file",
        "columns that are neither data, shape, transform and crs in this order, nor data and win, nor one STRUCT of these",
        "data that does not have as many values as shape says, or that are not so many bands of win",
        "patches without CANVAS or TEMPLATE, one wholly off the canvas, of another number of bands, or beside its grid; a canvas with those options",
        "patches that come after their rows were written: beyond `geoquilt_aggregate_mb` (1024 MiB, or a quarter of `memory_limit` if that is less) they must come in the order of their first row",
        "a canvas of patches of more than 2^38 pixels",
        "NULL pixels of whole numbers without NODATA or MASK, or a NODATA that no pixel of the type can have",
        "a number that the DTYPE cannot hold: it is named",
        "an unknown option (those known are listed), a BLOCKSIZE that is not a multiple of 16, BANDS that are not one name a band",
        "a transform that is not six numbers that span a plane, or a CRS that PROJ does not know",
        "a target that is a directory or a device, whose folder is absent or cannot be written, or that is a URL; two rows with one name",
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
            sql: "COPY (SELECT [(x > 20)::INTEGER FOR x IN r.data], r.shape, r.transform, r.crs FROM (\n\
                  \x20 SELECT read_slice('test/data/small/sst_20180101.tif', geo_slice({xmin: 0, ymin: 0, xmax: 40, ymax: 40}, 5, 'OGC:CRS84')) AS r))\n\
                  TO 'build/warm.tif' (FORMAT geotiff, DTYPE uint8, NODATA 255);",
            rows: &[],
        },
        Example {
            title: "Patches, changed by an operator, stitched on the way into a file on the grid of another",
            sql: "COPY (SELECT [x - 273.15 FOR x IN data], win FROM read_patch('test/data/small/sst_20180101.tif', size := 8, stride := 4))\n\
                  TO 'build/celsius.tif' (TEMPLATE 'test/data/small/sst_20180101.tif', STITCH overlap_add, TAPER hann);",
            rows: &[],
        },
        Example {
            title: "A file a row, named by a field",
            sql: "COPY (SELECT {data: data, shape: shape, transform: transform, crs: crs, part: patch_id}\n\
                  \x20 FROM read_patch('test/data/small/sst_20180101.tif', size := 18))\n\
                  TO 'build/part_{part}.tif' (FORMAT geotiff);",
            rows: &[],
        },
    ],
    references: &["GDAL's COG driver; read back by rasterio", "OGC 21-026: Cloud Optimized GeoTIFF"],
};

/// What a COPY knows before any row.
pub struct Bound {
    columns: Columns,
    options: Arc<Options>,
    /// Of patches: how they are laid.
    plan: Option<Arc<Plan>>,
    /// What a field of patches may take.
    limit: usize,
}

/// A file that is being written, or many.
pub enum Writer {
    /// One canvas.
    Whole {
        /// What was asked for.
        bound: Arc<Bound>,
        /// Where it goes.
        staging: Staging,
        /// Once its row came.
        canvas: Option<Canvas>,
    },
    /// A canvas a row.
    Each {
        /// What was asked for.
        bound: Arc<Bound>,
        /// The target, with names of fields in braces.
        template: String,
        /// What was written.
        written: HashSet<String>,
    },
    /// Patches of one canvas.
    Patches {
        /// What was asked for.
        bound: Arc<Bound>,
        /// The field.
        patches: Box<Patches>,
        /// How many rows came.
        rows: usize,
    },
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
        let columns = Columns::of(&call.columns)?;
        let args = &call.options;
        let plan = if columns.is_patch() { Some(plan(args, columns.dtype)?) } else { None };
        if plan.is_none() {
            let of_patches = ["CANVAS", "TEMPLATE", "TRANSFORM", "CRS", "STITCH", "TAPER"];
            if let Some(name) = of_patches.into_iter().find(|name| args.get(name).is_some()) {
                let problem = format!("{name} is for patches, and the columns are those of a canvas");
                return Err(args.blame(name)(Error::conflict(problem, "Give data and win, or leave it out")));
            }
        }
        let made = plan.as_ref().map_or(columns.dtype, |plan| result_type(plan, columns.dtype));
        let options = Arc::new(options(args, made, call.limits.threads)?);
        Ok(Bound { columns, options, plan: plan.map(Arc::new), limit: call.limits.aggregate })
    }

    fn open(bound: &Arc<Bound>, target: &Path) -> Result<Writer> {
        let text = target.to_string_lossy();
        if Location::plain(&text).is_url() {
            let problem = format!("\"{}\" is a URL", target.display());
            return Err(Error::conflict(problem, "Write a local file, and copy it there"));
        }
        let bound = bound.clone();
        if text.contains('{') {
            let template = text.into_owned();
            bound.columns.check_template(&template)?;
            if bound.plan.is_some() {
                let problem = "patches of one canvas make one file, and its name has a field of each row";
                return Err(Error::conflict(problem, "Write a canvas a row, or one file a query"));
            }
            return Ok(Writer::Each { bound, template, written: HashSet::new() });
        }
        bound.columns.check_template("")?;
        let staging = Staging::new(target)?;
        Ok(match &bound.plan {
            None => Writer::Whole { bound, staging, canvas: None },
            Some(plan) => {
                let patches = Patches::new(staging, plan.clone(), bound.options.clone(), bound.limit)?;
                Writer::Patches { bound, patches: Box::new(patches), rows: 0 }
            }
        })
    }

    fn sink(writer: &mut Writer, input: &Input<'_>) -> Result<()> {
        match writer {
            Writer::Whole { bound, canvas, .. } => {
                for row in 0..input.rows() {
                    if canvas.is_some() {
                        let remedy = "One file takes one canvas, which is one row";
                        return Err(Error::conflict("the query has a second row", remedy));
                    }
                    *canvas = Some(read_canvas(bound, input, row)?);
                }
                Ok(())
            }
            Writer::Each { bound, template, written } => {
                for row in 0..input.rows() {
                    let target = bound.columns.target(template, input, row)?;
                    if !written.insert(target.clone()) {
                        let problem = format!("two rows give the file \"{target}\"");
                        return Err(Error::conflict(
                            problem,
                            "Name files by a field that differs from row to row",
                        ));
                    }
                    let staging = Staging::new(Path::new(&target))?;
                    engine::write(staging, &read_canvas(bound, input, row)?, &bound.options)?;
                }
                Ok(())
            }
            Writer::Patches { bound, patches, rows } => lay(bound, patches, rows, input),
        }
    }

    fn finish(writer: Writer) -> Result<()> {
        match writer {
            Writer::Whole { bound, staging, canvas } => {
                let remedy = "One file takes one canvas, which is one row";
                let missing = || Error::conflict("the query has no row", remedy);
                engine::write(staging, &canvas.ok_or_else(missing)?, &bound.options)
            }
            Writer::Each { .. } => Ok(()),
            Writer::Patches { patches, .. } => patches.finish(),
        }
    }
}

/// Lays the patches of a chunk.
fn lay(bound: &Bound, patches: &mut Patches, rows: &mut usize, input: &Input<'_>) -> Result<()> {
    let columns = &bound.columns;
    let Some((data, win)) = columns.part(input, Part::Data).zip(columns.part(input, Part::Win)) else {
        return Err(Error::Bug("patches without data or win".into()));
    };
    let plan = patches.field.plan().clone();
    let mut pieces = Pieces::of(data)?;
    for row in 0..input.rows() {
        *rows += 1;
        if pieces.is_null(row) || win.is_null(row) {
            continue;
        }
        let span = canvases::span(&Value::of(win, row), &plan.canvas).map_err(blame("win"))?;
        let Some(span) = span else { continue };
        patches.check(&span).map_err(blame("win"))?;
        let own = [Part::Weight, Part::Variance, Part::Rank].map(|part| columns.part(input, part));
        let needs_rank = own[2].is_some();
        let mut own = laying::own(own, row, (plan.method, needs_rank), &|name, error| blame(name)(error))?;
        // Unless a rank is given, a later row lies over an earlier one.
        own.rank = own.rank.or(Some(*rows as f64));
        laying::lay(&mut patches.field, &mut pieces, row, &span, own.borrowed()).map_err(blame("data"))?;
        patches.settle(&span).map_err(blame("win"))?;
    }
    Ok(())
}

/// How patches are laid.
fn plan(args: &Args, dtype: Dtype) -> Result<Plan> {
    let canvas = match (args.get("CANVAS"), args.text("TEMPLATE")?) {
        (Some(value), None) => canvases::canvas(value).map_err(args.blame("CANVAS"))?,
        (None, Some(path)) => {
            let source = Source::open(&path).map_err(args.blame("TEMPLATE"))?;
            let header = source.header();
            let (transform, crs) = (header.transform, header.crs.clone());
            StitchCanvas {
                transform,
                crs,
                ..StitchCanvas::new(&[header.height as i64, header.width as i64])?
            }
        }
        (Some(_), Some(_)) => {
            let problem = "CANVAS and TEMPLATE both say what patches are laid on";
            return Err(args.blame("TEMPLATE")(Error::conflict(problem, "Give one of them")));
        }
        (None, None) => {
            let problem = "patches need a canvas";
            let remedy = "Say CANVAS [rows, cols], with TRANSFORM and CRS, or TEMPLATE 'file.tif', on whose grid they lie";
            return Err(args.blame("CANVAS")(Error::conflict(problem, remedy)));
        }
    };
    let given = args.get("TRANSFORM").map(transform).transpose().map_err(args.blame("TRANSFORM"))?.flatten();
    let crs = args.text("CRS")?;
    if given.is_some() && canvas.transform.is_some() || crs.is_some() && canvas.crs.is_some() {
        let problem = "the canvas has a transform or a CRS of its own";
        return Err(args.blame("TRANSFORM")(Error::conflict(problem, "Give them once")));
    }
    let canvas = StitchCanvas { transform: canvas.transform.or(given), crs: canvas.crs.or(crs), ..canvas };
    if let Some(crs) = &canvas.crs {
        projection::crs_facts(crs).map_err(args.blame("CRS"))?;
    }
    let mut asked = stitching::asked(args, &IN_COPY)?;
    if args.get("STITCH").is_none() {
        if let Some(name) =
            ["TAPER", "TAPERED", "NORMALISE"].into_iter().find(|name| args.get(name).is_some())
        {
            let problem = format!("{name} without STITCH");
            return Err(args.blame(name)(Error::conflict(problem, "Say how: STITCH overlap_add")));
        }
        asked.method = Method::Last;
    }
    Ok(asked.plan(canvas, laying::is_wide(dtype)))
}

/// The type of what is stitched: that of the data where values are picked, else a float.
fn result_type(plan: &Plan, dtype: Dtype) -> Dtype {
    match plan.method {
        Method::First | Method::Last | Method::Min | Method::Max | Method::Mode | Method::Vote => dtype,
        _ => dtype.worked_out(),
    }
}

/// What the file is to be.
fn options(args: &Args, own: Dtype, threads: usize) -> Result<Options> {
    // Words may come in any case.
    let word = |name: &str| Ok::<_, Error>(args.text(name)?.map(|text| text.to_lowercase()));
    let compression = match word("COMPRESS")? {
        None => COMPRESSIONS[0].1,
        Some(text) => one_of(&text, "a compression", &COMPRESSIONS).map_err(args.blame("COMPRESS"))?,
    };
    let cloud = match word("LAYOUT")? {
        None => true,
        Some(text) => {
            one_of(&text, "a layout", &[("cog", true), ("tiled", false)]).map_err(args.blame("LAYOUT"))?
        }
    };
    let dtype = match word("DTYPE")? {
        None => own,
        Some(text) => one_of(&text, "a type of pixels", &DTYPES).map_err(args.blame("DTYPE"))?,
    };
    let by_itself = Some(engine::overviews(dtype));
    let overviews = match word("OVERVIEWS")?.as_deref() {
        None => {
            if cloud {
                by_itself
            } else {
                None
            }
        }
        Some("none") => None,
        Some(text) => {
            let mut known = OVERVIEWS.to_vec();
            known.push(("none", None));
            let found = one_of(text, "a way to make overviews", &known).map_err(args.blame("OVERVIEWS"))?;
            found.or(if cloud { by_itself } else { None })
        }
    };
    let block = args.integer("BLOCKSIZE", 16, 4096)?.unwrap_or(BLOCK);
    if block % 16 != 0 {
        return Err(args.blame("BLOCKSIZE")(Error::invalid(block, "a multiple of 16")));
    }
    let scaling = match (args.number("SCALE")?, args.number("OFFSET")?) {
        (None, None) => None,
        (scale, offset) => Some((scale.unwrap_or(1.0), offset.unwrap_or(0.0))),
    };
    if scaling.is_some_and(|(scale, _)| scale == 0.0) {
        return Err(args.blame("SCALE")(Error::invalid(0, "a number other than 0")));
    }
    let masked = stitching::flag(args, "MASK")?.unwrap_or(false);
    let asked = asked_nodata(args)?;
    if masked && asked.is_some() {
        let problem = "MASK and NODATA both say which pixels are none";
        return Err(args.blame("MASK")(Error::conflict(problem, "Give one of them")));
    }
    let nodata = if masked { None } else { pack::nodata(dtype, asked).map_err(args.blame("NODATA"))? };
    let layout = Layout { cloud, compression, block: block as usize, overviews, threads };
    let packing = Packing { dtype, nodata, masked, scaling };
    Ok(Options { layout, packing, names: args.names("BANDS")?.unwrap_or_default(), tags: tags(args)? })
}

fn tags(args: &Args) -> Result<Vec<(String, String)>> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    let pairs: Option<Vec<(String, String)>> = match args.get("TAGS") {
        None => return Ok(Vec::new()),
        Some(Value::Map(pairs)) => {
            pairs.iter().map(|(key, value)| Some((text(key)?, text(value)?))).collect()
        }
        Some(Value::Struct(fields)) => {
            fields.iter().map(|(key, value)| Some((key.clone(), text(value)?))).collect()
        }
        Some(_) => None,
    };
    let sound = |pairs: &Vec<(String, String)>| {
        pairs
            .iter()
            .all(|(key, value)| !key.is_empty() && !key.contains(['=', '\0']) && !value.contains('\0'))
    };
    pairs.filter(sound).ok_or_else(|| {
        let must = "names and texts: MAP {'SENSOR': 'MSI'} or {SENSOR: 'MSI'}";
        args.blame("TAGS")(Error::invalid(args.get("TAGS").unwrap_or(&Value::Null), must))
    })
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
fn read_canvas(bound: &Bound, rows: &Input<'_>, row: usize) -> Result<Canvas> {
    let part = |part: Part| bound.columns.part(rows, part);
    let value = |of: Part| part(of).map_or(Value::Null, |column| Value::of(column, row));
    let data = part(Part::Data).filter(|data| !data.is_null(row));
    let data = data.ok_or_else(|| blame("data")(Error::invalid("NULL", "a list of numbers")))?;
    let shape = shape(&value(Part::Shape)).map_err(blame("shape"))?;
    let mut data = Pieces::of(data)?;
    let length = data.length(row);
    if shape.iter().try_fold(1usize, |n, side| n.checked_mul(*side)) != Some(length) {
        let problem = format!("{length} values for the shape {shape:?}");
        return Err(blame("data")(Error::conflict(problem, "Give data and shape of the same read")));
    }
    let transform = transform(&value(Part::Transform)).map_err(blame("transform"))?;
    let crs = match value(Part::Crs) {
        Value::Null => None,
        Value::Text(text) => Some(text),
        other => return Err(blame("crs")(Error::invalid(other, "text"))),
    };
    if let Some(crs) = &crs {
        projection::crs_facts(crs).map_err(blame("crs"))?;
    }
    let packing = &bound.options.packing;
    let mut laid = packing.masked.then(Vec::new);
    let same = packing.scaling.is_none() && data.dtype() == packing.dtype;
    let pixels = match same {
        true => with_dtype!(data.dtype(), T => gather::<T>(&mut data, row, packing, laid.as_mut())?),
        false => with_dtype!(packing.dtype, T => packed::<T>(&mut data, row, packing, laid.as_mut())?),
    };
    let valid = laid.map(|laid| mask(&laid, shape)).transpose()?;
    Ok(Canvas { pixels, valid, shape, transform, crs })
}

/// One mask of all bands: 255 where there is a pixel.
fn mask(laid: &[bool], [bands, height, width]: [usize; 3]) -> Result<Vec<u8>> {
    let first = &laid[..laid.len() / bands.max(1)];
    if laid.chunks(height * width).any(|band| band != first) {
        return Err(differing_masks());
    }
    Ok(first.iter().map(|laid| if *laid { 255 } else { 0 }).collect())
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

/// The pixels of a row as they are, NULL as nodata.
fn gather<T: Plain + Pixel>(
    data: &mut Pieces<'_>,
    row: usize,
    packing: &Packing,
    mut laid: Option<&mut Vec<bool>>,
) -> Result<Pixels> {
    let mut pixels: Vec<T> = Vec::with_capacity(data.length(row));
    data.each::<T>(row, |values, nulls| {
        let from = pixels.len();
        pixels.extend_from_slice(values);
        if let Some(laid) = laid.as_deref_mut() {
            laid.extend((0..values.len()).map(|index| !nulls.is_null(index)));
        }
        if nulls.none() {
            return Ok(());
        }
        for (index, pixel) in pixels[from..].iter_mut().enumerate() {
            if nulls.is_null(index) {
                *pixel = packing.fill()?;
            }
        }
        Ok(())
    })?;
    Ok(T::pixels(pixels))
}

/// The pixels of a row in another type, or scaled.
fn packed<T: Pixel>(
    data: &mut Pieces<'_>,
    row: usize,
    packing: &Packing,
    mut laid: Option<&mut Vec<bool>>,
) -> Result<Pixels> {
    let mut pixels: Vec<T> = Vec::with_capacity(data.length(row));
    with_dtype!(data.dtype(), S => data.each::<S>(row, |values, nulls| {
        if let Some(laid) = laid.as_deref_mut() {
            laid.extend((0..values.len()).map(|index| !nulls.is_null(index)));
        }
        let known = values.iter().enumerate().map(|(i, value)| (!nulls.is_null(i)).then(|| value.f64()));
        pixels.extend(packing.pack::<T>(known)?);
        Ok(())
    }))?;
    Ok(T::pixels(pixels))
}
