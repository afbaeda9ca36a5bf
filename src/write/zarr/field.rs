//! The field that patches make, strip by strip, into an array of a store.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, json};

use crate::dtype::{Pixel, Pixels};
use crate::dtype::{with_dtype, with_pixels};
use crate::error::{Error, Result};
use crate::format::zarr::Version;
use crate::format::zarr::create::{ArrayWriter, Values, no_pixels};
use crate::format::zarr::document::{Kind, Spec};
use crate::format::zarr::reopen::Known;
use crate::stitch::canvas::Canvas;
use crate::stitch::field::{Field, Strip};
use crate::stitch::tile::{ROWS, Told};
use crate::write::pack::Packing;
use crate::write::patches::Target;
use crate::write::staging::{Region, Staging};
use crate::write::zarr::grid::{Grid, MAPPING};
use crate::write::zarr::layout::{self, Layout};
use crate::write::zarr::rows::check_name;
use crate::write::zarr::{Options, band_names, write_store};

/// What the rows of chunks that wait may take, where nobody says how high a chunk is.
const WAITING: u64 = 256 << 20;

/// What of a canvas is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// All of it.
    pub whole: Canvas,
    /// The first row.
    pub row: u64,
    /// The first column.
    pub col: u64,
}

/// A store that takes strips.
pub struct Strips {
    staging: Staging,
    options: Arc<Options>,
    /// The variable.
    name: String,
    packing: Packing,
    /// `None` writes all of the canvas, in a store of its own.
    part: Option<Part>,
    /// Columns that are written.
    width: u64,
    writer: Option<ArrayWriter>,
    /// Rows that wait until a row of chunks is whole, for each plane of each band.
    waiting: Vec<Pixels>,
    /// The first of them.
    from: u64,
}

impl Strips {
    /// # Errors
    /// A name that no array can have.
    pub fn new(
        staging: Staging,
        options: Arc<Options>,
        (name, packing): (String, Packing),
        part: Option<Part>,
    ) -> Result<Strips> {
        check_name(&name)?;
        let from = part.as_ref().map_or(0, |part| part.row);
        Ok(Strips {
            staging,
            options,
            name,
            packing,
            part,
            width: 0,
            writer: None,
            waiting: Vec::new(),
            from,
        })
    }

    fn whole<'a>(&'a self, field: &'a Field) -> &'a Canvas {
        self.part.as_ref().map_or(&field.plan().canvas, |part| &part.whole)
    }

    fn shape(&self, field: &Field) -> Vec<u64> {
        self.whole(field).shape(field.out_bands()).iter().map(|side| *side as u64).collect()
    }

    /// Rows and columns that are written.
    fn region(&self, field: &Field) -> Region {
        let (row, col) = self.part.as_ref().map_or((0, 0), |part| (part.row, part.col));
        let canvas = &field.plan().canvas;
        [row, row + canvas.height as u64, col, col + canvas.width as u64]
    }

    /// # Errors
    /// A region that other files than its own hold a part of.
    fn check_region(&self, field: &Field, (shape, file): (&[u64], &[u64])) -> Result<()> {
        let ([.., height, width], [.., tall, wide]) = (shape, file) else { return Ok(()) };
        let [top, bottom, left, right] = self.region(field);
        let ends = |end: u64, side: u64, all: u64| end.is_multiple_of(side) || end == all;
        if top % tall == 0 && left % wide == 0 && ends(bottom, *tall, *height) && ends(right, *wide, *width) {
            return Ok(());
        }
        let problem = format!(
            "rows {top} to {bottom}, columns {left} to {right} cut through files of {tall} x {wide} pixels"
        );
        let remedy = "Begin and end at multiples of those, or where the canvas does, or give other SHARDS";
        Err(Error::conflict(problem, remedy).at("zarr(REGION)"))
    }

    fn layout(&self, shape: &[u64]) -> Result<Layout> {
        let size = self.packing.dtype.size() as u64;
        let mut own = layout::of_image(shape, size);
        let (planes, axes) = (shape[..shape.len() - 2].iter().product::<u64>(), own.len());
        own[..axes - 2].fill(1);
        while own[axes - 2] > ROWS as u64 && own[axes - 2] * shape[axes - 1] * planes * size > WAITING {
            own[axes - 2] = (own[axes - 2] / 2).next_multiple_of(ROWS as u64);
        }
        let asked = (self.options.chunks.as_deref(), &self.options.shards);
        layout::choose(asked, own, (shape, false, size), self.options.version == Version::V3)
    }

    fn begin(&self, field: &Field) -> Result<ArrayWriter> {
        let shape = self.shape(field);
        let Layout { chunk, shard } = self.layout(&shape)?;
        self.check_region(field, (&shape, shard.as_ref().unwrap_or(&chunk)))?;
        let spec = Spec {
            name: self.name.clone(),
            version: self.options.version,
            kind: Kind::Number(self.packing.dtype),
            dims: self.dims(&shape)?,
            shape,
            chunk,
            shard,
            compression: self.options.compression,
            nodata: self.packing.nodata,
            attributes: Map::new(),
        };
        ArrayWriter::new(&self.staging.path(), spec, self.options.threads)
    }

    fn dims(&self, shape: &[u64]) -> Result<Vec<String>> {
        if let Some(names) = &self.options.dims {
            if names.len() != shape.len() {
                let problem =
                    format!("{names:?} names {} axes, and the array has the shape {shape:?}", names.len());
                let remedy = "Name each axis: band, those of the canvas, y, x";
                return Err(Error::conflict(problem, remedy).at("zarr(DIMS)"));
            }
            return self.check_own(names.clone());
        }
        let lead = shape.len() - 3;
        let own = ["band".to_string()].into_iter().chain((0..lead).map(|axis| match lead {
            1 => "step".to_string(),
            _ => format!("axis_{axis}"),
        }));
        self.check_own(own.chain(["y".to_string(), "x".to_string()]).collect())
    }

    /// # Errors
    /// The variable has the name of one of its axes, or of the grid mapping: a reader would take it for that.
    fn check_own(&self, dims: Vec<String>) -> Result<Vec<String>> {
        if self.name != MAPPING && !dims.contains(&self.name) {
            return Ok(dims);
        }
        let must = format!("another name than those of the axes, {}, and {MAPPING}", dims.join(", "));
        Err(Error::invalid(format!("\"{}\"", self.name), must).at("zarr(NAME)"))
    }

    /// Writes the rows that wait, as far as chunks are whole, or all of them.
    fn flush(&mut self, all: bool) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let (shape, chunk) = (writer.spec().shape.clone(), writer.spec().chunk.clone());
        let axes = shape.len();
        let (height, width) = (chunk[axes - 2], self.width);
        let left = self.part.as_ref().map_or(0, |part| part.col);
        let held = self.waiting.first().map_or(0, |pixels| pixels.len() as u64 / width.max(1));
        let rows = if all { held } else { held / height * height };
        if rows == 0 {
            return Ok(());
        }
        let lead = &chunk[..axes - 2];
        if lead.iter().all(|side| *side == 1) {
            for (plane, waiting) in self.waiting.iter_mut().enumerate() {
                let done = take(waiting, (rows * width) as usize);
                let mut start = plane_index(plane as u64, &shape[..axes - 2]);
                start.extend([self.from, left]);
                let mut sides = vec![1; axes - 2];
                sides.extend([rows, width]);
                writer.write(&start, &sides, &Values::Pixels(done))?;
            }
        } else {
            // A chunk holds several planes.
            let planes = self.waiting.iter_mut().map(|waiting| take(waiting, (rows * width) as usize));
            let mut block = no_pixels(self.packing.dtype);
            planes.for_each(|plane| join(&mut block, &plane));
            let mut start = vec![0; axes];
            (start[axes - 2], start[axes - 1]) = (self.from, left);
            let mut sides = shape.clone();
            (sides[axes - 2], sides[axes - 1]) = (rows, width);
            writer.write(&start, &sides, &Values::Pixels(block))?;
        }
        self.from += rows;
        Ok(())
    }

    fn grid(canvas: &Canvas) -> Grid {
        let sides = Some((canvas.height as u64, canvas.width as u64));
        Grid { transform: canvas.transform, crs: canvas.crs.clone(), sides }
    }
}

impl Strips {
    /// Puts the files of a region into the store, which the first region makes.
    fn join(self, specs: &[Spec], region: Region) -> Result<()> {
        let _gate = self.staging.gate();
        let (root, target) = (self.staging.path(), self.staging.target().to_path_buf());
        let Some(known) = Known::read(&target)? else {
            write_store(&root, self.options.version, &self.options.attributes(), specs)?;
            return self.staging.commit();
        };
        let Some(spec) = specs.first() else { return Ok(()) };
        for spec in specs {
            if !known.array(&spec.name).is_some_and(|found| found.says_the_same(spec)) {
                let name = &spec.name;
                let problem =
                    format!("\"{}\" has another array \"{name}\", or none of this name", target.display());
                let remedy = "Write each region with the same CANVAS and options";
                return Err(Error::conflict(problem, remedy));
            }
        }
        // All but the region's own files is there.
        for other in &specs[1..] {
            let _ = std::fs::remove_dir_all(root.join(&other.name));
        }
        let gone: Vec<_> = files(spec, region)
            .into_iter()
            .map(|key| PathBuf::from(&spec.name).join(key))
            .filter(|file| !root.join(file).exists())
            .map(|file| target.join(file))
            .collect();
        self.staging.merge(&gone)
    }
}

/// The keys of the files that hold a region.
fn files(spec: &Spec, [top, bottom, left, right]: Region) -> Vec<String> {
    let file = spec.file();
    let axes = file.len();
    let counts: Vec<u64> = spec.shape.iter().zip(file).map(|(side, file)| side.div_ceil(*file)).collect();
    let planes: u64 = counts[..axes - 2].iter().product();
    let mut keys = Vec::new();
    for plane in 0..planes {
        for row in top / file[axes - 2]..bottom.div_ceil(file[axes - 2]) {
            for col in left / file[axes - 1]..right.div_ceil(file[axes - 1]) {
                let mut index = plane_index(plane, &counts[..axes - 2]);
                index.extend([row, col]);
                keys.push(spec.key(&index));
            }
        }
    }
    keys
}

/// Where a plane lies along the axes before rows and columns.
fn plane_index(mut plane: u64, sides: &[u64]) -> Vec<u64> {
    let mut index = vec![0; sides.len()];
    for (index, side) in index.iter_mut().zip(sides).rev() {
        *index = plane % side;
        plane /= side;
    }
    index
}

/// The first so many pixels, which go.
fn take(pixels: &mut Pixels, length: usize) -> Pixels {
    with_pixels!(pixels, values => {
        let rest = values.split_off(length.min(values.len()));
        Pixel::pixels(std::mem::replace(values, rest))
    })
}

fn join(block: &mut Pixels, more: &Pixels) {
    with_pixels!(block, values => if let Some(more) = Pixel::view(more) {
        values.extend_from_slice(more);
    });
}

impl Target for Strips {
    fn strip(&mut self, field: &Field, index: usize) -> Result<()> {
        let planes = field.plan().canvas.planes();
        if self.writer.is_none() {
            self.writer = Some(self.begin(field)?);
            self.width = field.plan().canvas.width as u64;
            self.waiting = (0..planes * field.out_bands()).map(|_| no_pixels(self.packing.dtype)).collect();
        }
        let mut strip = Strip::default();
        for band in 0..field.out_bands() {
            for plane in 0..planes {
                field.strip((band, plane), index, Told::Value, &mut strip);
                let values = strip.values.iter().zip(&strip.laid).map(|(value, laid)| laid.then_some(*value));
                let packed =
                    with_dtype!(self.packing.dtype, T => self.packing.pack::<T>(values).map(T::pixels))?;
                if let Some(waiting) = self.waiting.get_mut(band * planes + plane) {
                    join(waiting, &packed);
                }
            }
        }
        self.flush(false)
    }

    fn finish(mut self: Box<Self>, field: &Field) -> Result<()> {
        self.flush(true)?;
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let mut spec = writer.finish()?;
        let root = self.staging.path();
        let told = Strips::grid(self.whole(field)).told()?;
        let on_grid = matches!(spec.dims.as_slice(), [.., y, x] if y == "y" && x == "x");
        if on_grid {
            spec.attributes.extend(told.attributes);
        }
        if let Some((scale, offset)) = self.packing.scaling {
            spec.attributes.insert("scale_factor".into(), json!(scale));
            spec.attributes.insert("add_offset".into(), json!(offset));
        }
        let mut fixed = if on_grid { told.arrays } else { Vec::new() };
        let bands = spec.dims.iter().position(|dim| dim == "band");
        let bands = bands.and_then(|axis| spec.shape.get(axis).copied()).unwrap_or(0);
        match band_names(&self.options, bands) {
            Some(names) => fixed.push(names),
            None if self.options.bands.is_empty() => {}
            None => {
                let problem = format!("{} names for {bands} bands", self.options.bands.len());
                return Err(Error::conflict(problem, "Name each band, or none"));
            }
        }
        let region = self.region(field);
        let mut specs = vec![spec];
        for array in fixed {
            specs.push(array.write(&root, &self.options)?);
        }
        if self.part.is_some() {
            return self.join(&specs, region);
        }
        write_store(&root, self.options.version, &self.options.attributes(), &specs)?;
        self.staging.commit()
    }
}
