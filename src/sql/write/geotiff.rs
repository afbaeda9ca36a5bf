//! `COPY ... TO 'x.tif'`: a canvas, or patches of one, into a GeoTIFF.

use std::path::Path;
use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::copy::{CopyCall, CopyFunction};
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, option};
use crate::dtype::Dtype;
use crate::error::{Error, Result, one_of};
use crate::format::gdal::create::Layout;
use crate::interval::iso;
use crate::sql::shared::stitching;
use crate::sql::shared::stitching::columns::Columns;
use crate::sql::write::canvas_files::{self, CanvasFiles, CanvasFormat};
use crate::sql::write::options;
use crate::stitch::field::Plan;
use crate::write::geotiff::{
    self as engine, COMPRESSIONS, Canvas, OVERVIEWS, Options, Strips, differing_masks,
};
use crate::write::pack::{Format, Packing};
use crate::write::patches::Patches;
use crate::write::staging::{Staging, of_target};

/// The format `geotiff` of COPY.
pub struct Geotiff;

const BLOCK: i64 = 512;
const FORMAT: Format = Format { name: "geotiff", masks: true };

static DOC: FunctionDoc = FunctionDoc {
    name: "geotiff",
    kind: Kind::Copy,
    summary: "Writes a canvas, or what patches make together, into a GeoTIFF or a COG.",
    parameters: &[
        Parameter {
            name: "data",
            types: "ANY[]",
            given: Given::Required,
            meaning: "Pixels in the order [band, row, col], a list of numbers. Columns go by their order: `data, shape, transform, crs` are a canvas, `data, win` a patch of one, and `data, win, weight` one with what its method wants (a weight, a variance or a rank). One STRUCT with these as fields does as well, such as `read_slice(...)` or `geoquilt.stitch(...)`, whose weights are left out.",
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
        option(
            "MASK",
            "BOOLEAN",
            "false",
            "NULL pixels are told by a mask in the file, one for all bands, and by no value.",
        ),
        options::BANDS,
        options::TAGS,
        option(
            "TIME",
            "TIMESTAMP | DATE | VARCHAR",
            "none",
            "The time of the pixels, UTC, to the second: the tag TIFFTAG_DATETIME, which `geo_catalog_build(time_tag := 'TIFFTAG_DATETIME')` reads.",
        ),
        option(
            "STATISTICS",
            "BOOLEAN",
            "false",
            "Each band tells its least and greatest pixel, mean and deviation, as GDAL and QGIS read them.",
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
    /// Canvases, and what was asked for.
    Canvases(Arc<Bound>, CanvasFiles),
    /// Patches of one canvas, and how many rows came.
    Patches(Arc<Bound>, Box<Patches>, usize),
}

impl CanvasFormat for Bound {
    fn packing(&self) -> &Packing {
        &self.options.packing
    }

    fn write(&self, staging: Staging, canvas: canvas_files::Canvas, alone: bool) -> Result<()> {
        let canvas_files::Canvas { pixels, laid, shape, transform, crs } = canvas;
        let shape = canvas_files::bands(&shape, DOC.name)?;
        let valid = laid.map(|laid| mask(&laid, shape)).transpose()?;
        let canvas = Canvas { pixels, valid, shape, transform, crs };
        engine::write(staging, &canvas, &self.options, alone)
    }
}

impl CopyFunction for Geotiff {
    const DOC: &'static FunctionDoc = &DOC;
    const ALIASES: &'static [&'static str] = &["tif", "tiff"];
    type Bound = Bound;
    type Writer = Writer;

    fn bind(call: CopyCall) -> Result<Bound> {
        let columns = Columns::of(&call.columns)?;
        let args = &call.options;
        let plan = if columns.is_patch() { Some(options::plan(args, columns.dtype)?) } else { None };
        if plan.is_none() {
            options::no_patches(args, "Give data and win, or leave it out")?;
        }
        let columns = match &plan {
            Some(plan) => {
                columns.with_own(options::named_method(args, plan)).map_err(args.blame("STITCH"))?
            }
            None => columns,
        };
        let made = plan.as_ref().map_or(columns.dtype, |plan| options::result_type(plan, columns.dtype));
        let options = Arc::new(options(args, made, call.limits.threads)?);
        Ok(Bound { columns, options, plan: plan.map(Arc::new), limit: call.limits.aggregate })
    }

    fn open(bound: &Arc<Bound>, target: &Path) -> Result<Writer> {
        let Some(plan) = &bound.plan else {
            return Ok(Writer::Canvases(bound.clone(), CanvasFiles::open(&bound.columns, target)?));
        };
        canvas_files::check_local(target)?;
        let text = target.to_string_lossy();
        if text.contains('{') {
            bound.columns.check_template(&text)?;
            let problem = "patches of one canvas make one file, and its name has a field of each row";
            return Err(Error::conflict(problem, "Write a canvas a row, or one file a query"));
        }
        bound.columns.check_template("")?;
        let strips = Strips::new(Staging::new(target)?, &plan.canvas, bound.options.clone())?;
        let patches = Patches::new(Box::new(strips), plan.clone(), bound.limit);
        Ok(Writer::Patches(bound.clone(), Box::new(patches), 0))
    }

    fn sink(writer: &mut Writer, input: &Input<'_>) -> Result<()> {
        match writer {
            Writer::Canvases(bound, files) => {
                files.sink(&bound.columns, bound.as_ref(), bound.options.layout.threads, input)
            }
            Writer::Patches(bound, patches, rows) => {
                options::lay((DOC.name, &bound.columns), None, patches, rows, input).map_err(of_target)
            }
        }
    }

    fn finish(writer: Writer) -> Result<()> {
        match writer {
            Writer::Canvases(bound, files) => files.finish(bound.as_ref()),
            Writer::Patches(_, patches, _) => patches.finish().map_err(of_target),
        }
    }
}

/// What the file is to be.
fn options(args: &Args, own: Dtype, threads: usize) -> Result<Options> {
    let compression = match options::word(args, "COMPRESS")? {
        None => COMPRESSIONS[0].1,
        Some(text) => one_of(&text, "a compression", &COMPRESSIONS).map_err(args.blame("COMPRESS"))?,
    };
    let masked = stitching::flag(args, "MASK")?.unwrap_or(false);
    let packing = options::packing(args, own, masked, FORMAT)?;
    let cloud = match options::word(args, "LAYOUT")? {
        None => true,
        Some(text) => {
            one_of(&text, "a layout", &[("cog", true), ("tiled", false)]).map_err(args.blame("LAYOUT"))?
        }
    };
    let by_itself = Some(engine::overviews(packing.dtype));
    let overviews = match options::word(args, "OVERVIEWS")?.as_deref() {
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
    let statistics = stitching::flag(args, "STATISTICS")?.unwrap_or(false);
    let layout = Layout { cloud, compression, block: block as usize, overviews, threads, statistics };
    let mut tags = options::tags(args)?;
    tags.extend(time(args)?.map(|time| ("TIFFTAG_DATETIME".to_string(), time)));
    Ok(Options { layout, packing, names: args.names("BANDS")?.unwrap_or_default(), tags })
}

/// The time as TIFF writes it.
fn time(args: &Args) -> Result<Option<String>> {
    let Some(value) = args.get("TIME") else { return Ok(None) };
    let must = "a time: TIMESTAMP '2024-01-31 10:20:30', a DATE, or such a text";
    let Some(time) = value.time() else { return Err(args.blame("TIME")(Error::invalid(value, must))) };
    let text: String = iso(time.start).chars().take(19).collect();
    Ok(Some(text.replace('-', ":")))
}

/// One mask of all bands: 255 where there is a pixel.
fn mask(laid: &[bool], [bands, height, width]: [usize; 3]) -> Result<Vec<u8>> {
    let first = &laid[..laid.len() / bands.max(1)];
    if laid.chunks(height * width).any(|band| band != first) {
        return Err(differing_masks());
    }
    Ok(first.iter().map(|laid| if *laid { 255 } else { 0 }).collect())
}
