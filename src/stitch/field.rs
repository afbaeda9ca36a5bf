//! A field that is stitched of patches, as they come: tiles of its canvas are made where something is laid.
//!
//! Parts of a field are merged in any order. Methods that pick a value, and those that keep every value to the end, give
//! the same bits whatever the order; sums are those of doubles, kept in pairs where values may need all of a double's bits.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::dtype::Pixel;
use crate::error::{Error, Result};
use crate::stitch::canvas::{Canvas, Span};
use crate::stitch::positions::Positions;
use crate::stitch::taper::{LEAST, Taper};
use crate::stitch::tile::{COLS, Inset, Lay, Method, ROWS, Tile, Told, pieces};
use crate::workers::{go_on, go_on_or_leave};

/// What is stitched, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Where patches are laid.
    pub canvas: Canvas,
    /// What becomes of several values.
    pub method: Method,
    /// Weights within a patch.
    pub taper: Taper,
    /// Values were multiplied by their taper already.
    pub tapered: bool,
    /// Sums are divided by their weights.
    pub normalise: bool,
    /// NaN is no value.
    pub skip_nan: bool,
    /// Sums in pairs of doubles.
    pub wide: bool,
}

impl Plan {
    /// The weights of a window's pixels along an axis.
    ///
    /// # Errors
    /// A taper of one's own, of another length.
    fn weights(&self, n: usize) -> Result<Vec<f64>> {
        let taper = if self.method.is_tapered() { &self.taper } else { &Taper::BOXCAR };
        if self.tapered { taper.weights(n) } else { taper.laid(n) }
    }

    /// Whether patches without a NULL are added as they are: sums of doubles, divided by what they were laid with.
    fn is_plain(&self) -> bool {
        let Plan { tapered, normalise, skip_nan, wide, .. } = *self;
        self.method.sums() && normalise && !(wide || tapered || skip_nan)
    }
}

/// One patch, made ready to be laid piece by piece.
pub struct Patch<'a> {
    span: &'a Span,
    /// Weights along each axis, rows and columns last.
    axes: Vec<Arc<[f64]>>,
    /// The patch's own weight.
    weight: f64,
    /// A weight a pixel, of one band or of all.
    each: Option<&'a [f64]>,
    rank: f64,
    bands: usize,
    /// A weight is 0, which leaves out.
    leaves_out: bool,
}

/// Patches of fewer pixels have their weights laid pixel by pixel.
const LARGE: usize = 64;
/// Patches on a strip before it is asked whether their weights take less room pixel by pixel.
const CROWD: usize = 4096;

/// A field under way.
#[derive(Debug, Clone)]
pub struct Field {
    plan: Arc<Plan>,
    bands: usize,
    /// By plane and place.
    tiles: FxHashMap<u64, Arc<Tile>>,
    /// Patches without a NULL, whose weights are laid on no tile.
    positions: Positions,
    bytes: usize,
    /// Weights of windows by their size.
    tapers: FxHashMap<usize, Arc<[f64]>>,
    values: Vec<f64>,
    weights: Vec<f64>,
}

/// What differs from patch to patch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own<'a> {
    /// The patch's weight; 1 unless given.
    pub weight: Option<f64>,
    /// A weight a pixel, of one band or of all.
    pub each: Option<&'a [f64]>,
    /// Its place in the order of patches.
    pub rank: Option<f64>,
}

impl Field {
    /// Nothing is laid yet.
    pub fn new(plan: Arc<Plan>) -> Field {
        let (values, weights) = (Vec::new(), Vec::new());
        Field {
            plan,
            bands: 0,
            tiles: FxHashMap::default(),
            positions: Positions::default(),
            bytes: 0,
            tapers: FxHashMap::default(),
            values,
            weights,
        }
    }

    /// What is stitched, and how.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Bands of the patches; 0 before the first one.
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// Bands of the field.
    pub fn out_bands(&self) -> usize {
        self.bands * self.plan.method.parts()
    }

    /// What is held on the heap.
    pub fn bytes(&self) -> usize {
        self.bytes + self.positions.bytes()
    }

    /// Makes ready for a patch of so many values.
    ///
    /// # Errors
    /// A window off the canvas, values that are not so many bands of it, or of another number of bands than those before;
    /// weights that are none.
    pub fn begin<'a>(&mut self, span: &'a Span, length: usize, own: Own<'a>) -> Result<Patch<'a>> {
        span.check(&self.plan.canvas)?;
        let pixels = span.pixels();
        if length == 0 || !length.is_multiple_of(pixels) {
            let problem = format!("{length} values for the {span}, which has {pixels} pixels a band");
            return Err(Error::conflict(problem, "Give data and window of the same patch"));
        }
        let bands = length / pixels;
        if self.bands != 0 && self.bands != bands {
            let problem = format!("patches of {} and of {bands} bands", self.bands);
            return Err(Error::conflict(problem, "Stitch patches of as many bands: GROUP BY shape[1]"));
        }
        if let Some(each) = own.each
            && each.len() != length
            && each.len() != pixels
        {
            let problem = format!("{} weights or variances for {length} values", each.len());
            return Err(Error::conflict(problem, "Give one a value, or one a pixel of the window"));
        }
        let weight = own.weight.unwrap_or(1.0);
        if !(weight >= 0.0 && weight.is_finite()) {
            return Err(Error::invalid(weight, "a finite weight of at least 0"));
        }
        self.bands = bands;
        let window = &span.window;
        let sizes = span.lead.iter().map(|(_, size)| *size);
        let sizes = sizes.chain([window.height as usize, window.width as usize]);
        let axes = sizes.map(|n| self.axis(n)).collect::<Result<Vec<_>>>()?;
        let leaves_out = weight == 0.0 || axes.iter().any(|axis| axis.contains(&0.0));
        Ok(Patch { span, axes, weight, each: own.each, rank: own.rank.unwrap_or(0.0), bands, leaves_out })
    }

    fn axis(&mut self, n: usize) -> Result<Arc<[f64]>> {
        if let Some(known) = self.tapers.get(&n) {
            return Ok(known.clone());
        }
        let weights: Arc<[f64]> = self.plan.weights(n)?.into();
        // Windows of one query have few sizes.
        if self.tapers.len() < 64 {
            self.tapers.insert(n, weights.clone());
        }
        Ok(weights)
    }

    /// Lays values of a patch, from the `at`-th on; `valid` says which are values, where not all are.
    pub fn lay<T: Pixel>(
        &mut self,
        patch: &Patch<'_>,
        at: usize,
        values: &[T],
        valid: Option<impl Fn(usize) -> bool>,
    ) {
        let window = &patch.span.window;
        let (height, width) = (window.height as usize, window.width as usize);
        let (plane_size, end) = (height * width, at + values.len());
        let is_whole = at == 0 && end == patch.bands * plane_size;
        let plain = valid.is_none() && self.plan.is_plain() && patch.each.is_none() && !patch.leaves_out;
        let known = plain && is_whole && self.plan.canvas.lead.is_empty() && plane_size >= LARGE;
        let rows = on_canvas(window.row_off, height, self.plan.canvas.height);
        let cols = on_canvas(window.col_off, width, self.plan.canvas.width);
        for outer in at / plane_size..end.div_ceil(plane_size) {
            let Some((plane, weight)) = self.plane(patch, outer) else { continue };
            let first = outer * plane_size;
            // Rows of the plane that the values are of, in part at least.
            let from = rows.start.max(at.saturating_sub(first) / width);
            let to = rows.end.min((end - first).div_ceil(width));
            let held = Held { values, at, valid: valid.as_ref(), first, weight, plain, known };
            for rows in pieces(from..to, window.row_off, ROWS) {
                for cols in pieces(cols.clone(), window.col_off, COLS) {
                    self.lay_block(patch, plane, &held, (rows.clone(), cols));
                }
            }
        }
        if known {
            for rows in pieces(rows, window.row_off, ROWS) {
                let strip = (window.row_off + rows.start as i64) as usize / ROWS;
                let crowd = self.positions.add(strip, *window, patch.weight);
                if crowd >= CROWD && crowd.is_power_of_two() {
                    self.lay_known_weights(strip);
                }
            }
        }
    }

    /// Lays the weights of the patches on a strip pixel by pixel, where that takes less room than where they lie.
    fn lay_known_weights(&mut self, strip: usize) {
        let canvas = &self.plan.canvas;
        let planes = 0..self.bands * canvas.planes();
        let keys = |tile_col| planes.clone().map(move |plane| key(canvas, plane, strip, tile_col));
        let tile_cols = 0..canvas.width.div_ceil(COLS);
        let held = |tile_col| keys(tile_col).filter(|key| self.tiles.contains_key(key)).count();
        let pixels = |tile_col| {
            let (rows, cols) = tile_size(canvas, strip, tile_col);
            held(tile_col) * rows * cols
        };
        let laid = tile_cols.clone().map(pixels).sum::<usize>() * size_of::<f64>();
        if self.positions.bytes_on(strip) <= laid {
            return;
        }
        let known = self.positions.weights(strip, |n| self.plan.weights(n).unwrap_or_default());
        for tile_col in tile_cols {
            let weights = known.of_tile(tile_size(canvas, strip, tile_col), tile_col * COLS);
            for key in keys(tile_col) {
                if let Some(tile) = self.tiles.get_mut(&key) {
                    let before = tile.bytes();
                    Arc::make_mut(tile).weigh(&weights);
                    self.bytes += tile.bytes() - before;
                }
            }
        }
        self.positions.forget(strip);
    }

    /// Lays what lies on one tile.
    fn lay_block<T: Pixel, V: Fn(usize) -> bool>(
        &mut self,
        patch: &Patch<'_>,
        plane: usize,
        held: &Held<'_, T, V>,
        (rows, cols): (Range<usize>, Range<usize>),
    ) {
        let Field { plan, tiles, bytes, values, weights, .. } = self;
        let Plan { method, wide, tapered, normalise, skip_nan, .. } = **plan;
        go_on_or_leave();
        let lay = Lay { method, wide, tapered, rank: patch.rank };
        let window = &patch.span.window;
        let to_row = (window.row_off + rows.start as i64) as usize;
        let to_col = (window.col_off + cols.start as i64) as usize;
        let (tile_rows, tile_cols) = tile_size(&plan.canvas, to_row / ROWS, to_col / COLS);
        let key = key(&plan.canvas, plane, to_row / ROWS, to_col / COLS);
        let tile = tiles.entry(key).or_insert_with(|| {
            let tile = Tile::new(method, wide, tile_rows * tile_cols);
            *bytes += tile.bytes();
            Arc::new(tile)
        });
        let tile = Arc::make_mut(tile);
        let before = tile.bytes();
        let [.., of_rows, of_cols] = patch.axes.as_slice() else { return };
        // Sums that are not divided are those of weights as they are: what is laid with the least one has the weight zero.
        let as_they_are = !normalise && !tapered;
        for row in rows.clone() {
            let index = held.first + row * window.width as usize + cols.start;
            let from = index.max(held.at);
            let to = (index + cols.len()).min(held.at + held.values.len());
            if from >= to {
                continue;
            }
            let skip = from - index;
            let run = &held.values[from - held.at..to - held.at];
            let taper = &of_cols[cols.start + skip..][..run.len()];
            let base = held.weight * of_rows[row] * patch.weight;
            let slot = (to_row % ROWS + row - rows.start) * tile_cols + to_col % COLS + skip;
            if held.plain {
                tile.add(slot, run, (base, taper), held.known);
                continue;
            }
            gather((run, taper, base), patch.each.map(|each| (each, from)), skip_nan, values, weights);
            if as_they_are {
                let is_least = held.weight <= LEAST || of_rows[row] <= LEAST;
                for (value, weight) in values.iter_mut().zip(taper) {
                    if is_least || *weight <= LEAST {
                        *value *= 0.0;
                    }
                }
            }
            // What weighs nothing adds nothing, not even NaN.
            if !tapered && (patch.leaves_out || patch.each.is_some()) {
                for (value, weight) in values.iter_mut().zip(weights.iter()) {
                    *value = if *weight == 0.0 { 0.0 } else { *value };
                }
            }
            if let Some(valid) = held.valid {
                for (j, (value, weight)) in values.iter_mut().zip(weights.iter_mut()).enumerate() {
                    if !valid(from - held.at + j) {
                        (*value, *weight) = (0.0, 0.0);
                    }
                }
            }
            tile.lay(&lay, slot, values, weights);
        }
        *bytes += tile.bytes() - before;
    }

    /// The plane of a canvas that a plane of a patch lies on, and its weight; `None` off the canvas.
    fn plane(&self, patch: &Patch<'_>, outer: usize) -> Option<(usize, f64)> {
        let (mut rest, mut plane, mut stride, mut weight) = (outer, 0, 1, 1.0);
        let axes = patch.span.lead.iter().zip(&self.plan.canvas.lead).zip(&patch.axes);
        for (((start, size), side), weights) in axes.rev() {
            let index = rest % size;
            let to = usize::try_from(start + index as i64).ok().filter(|to| to < side)?;
            (rest, plane, stride) = (rest / size, plane + to * stride, stride * side);
            weight *= weights[index];
        }
        (rest < patch.bands).then_some((plane + rest * stride, weight))
    }

    /// Lays what lies on another part of the same field.
    ///
    /// # Errors
    /// It is not the same field.
    pub fn merge(&mut self, other: &Field) -> Result<()> {
        if self.plan != other.plan {
            return Err(differs(&self.plan, &other.plan));
        }
        if self.bands != 0 && other.bands != 0 && self.bands != other.bands {
            let problem = format!("patches of {} and of {} bands", self.bands, other.bands);
            return Err(Error::conflict(problem, "Stitch patches of as many bands: GROUP BY shape[1]"));
        }
        self.bands = self.bands.max(other.bands);
        for (key, tile) in &other.tiles {
            go_on()?;
            match self.tiles.get_mut(key) {
                None => {
                    self.bytes += tile.bytes();
                    self.tiles.insert(*key, tile.clone());
                }
                Some(own) => {
                    let own = Arc::make_mut(own);
                    let before = own.bytes();
                    own.merge(self.plan.method, tile);
                    self.bytes += own.bytes() - before;
                }
            }
        }
        self.positions.merge(&other.positions);
        for strip in self.positions.crowded(CROWD) {
            go_on()?;
            self.lay_known_weights(strip);
        }
        Ok(())
    }

    /// How many strips of [`ROWS`] rows a plane has.
    pub fn strips(&self) -> usize {
        self.plan.canvas.height.div_ceil(ROWS)
    }

    /// Which plane of tiles a plane of a band is.
    fn plane_of(&self, band: usize, plane: usize) -> usize {
        band % self.bands.max(1) * self.plan.canvas.planes() + plane
    }

    /// Whether a tile lies on a strip of a plane of a band.
    pub fn lies_on(&self, (band, plane): (usize, usize), strip: usize) -> bool {
        let canvas = &self.plan.canvas;
        let plane = self.plane_of(band, plane);
        let mut tiles = (0..canvas.width.div_ceil(COLS)).map(|tile_col| key(canvas, plane, strip, tile_col));
        tiles.any(|key| self.tiles.contains_key(&key))
    }

    /// What is told of a strip of a plane of a band, row by row; `gap` hears of runs on which nothing was laid. The bands of
    /// deviations stand behind those of means.
    pub fn tell<T: Pixel>(
        &self,
        (band, plane): (usize, usize),
        strip: usize,
        told: Told,
        out: &mut [T],
        gap: &mut dyn FnMut(Range<usize>),
    ) {
        if !self.lies_on((band, plane), strip) {
            out.fill(T::default());
            return gap(0..out.len());
        }
        let canvas = &self.plan.canvas;
        let told = if told == Told::Value && band >= self.bands { Told::Deviation } else { told };
        let plane = self.plane_of(band, plane);
        // Sizes of windows were seen as they were laid, so that each has weights.
        let known = self.positions.weights(strip, |n| self.plan.weights(n).unwrap_or_default());
        for tile_col in 0..canvas.width.div_ceil(COLS) {
            let first = tile_col * COLS;
            let (rows, cols) = tile_size(canvas, strip, tile_col);
            match self.tiles.get(&key(canvas, plane, strip, tile_col)) {
                Some(tile) => {
                    go_on_or_leave();
                    let inset = Inset { first, cols, stride: canvas.width };
                    let known = known.of_tile((rows, cols), first);
                    let how = (self.plan.method, self.plan.normalise, told);
                    tile.finish(how, &known, &inset, out, gap);
                }
                None => {
                    for row in 0..rows {
                        let run = row * canvas.width + first..row * canvas.width + first + cols;
                        out[run.clone()].fill(T::default());
                        gap(run);
                    }
                }
            }
        }
    }

    /// The pixels of a strip of a plane.
    pub fn strip_pixels(&self, strip: usize) -> usize {
        ROWS.min(self.plan.canvas.height - strip * ROWS) * self.plan.canvas.width
    }

    /// The same in doubles, with what was laid pixel by pixel.
    pub fn strip(&self, at: (usize, usize), strip: usize, told: Told, out: &mut Strip) {
        let Strip { values, laid } = out;
        values.resize(self.strip_pixels(strip), 0.0);
        laid.clear();
        laid.resize(values.len(), true);
        self.tell(at, strip, told, values, &mut |run| laid[run].fill(false));
    }

    /// Gives up the tiles of a strip in all planes, which are not needed any more.
    pub fn forget(&mut self, strip: usize) {
        self.positions.forget(strip);
        let planes = self.bands * self.plan.canvas.planes();
        for plane in 0..planes {
            for tile_col in 0..self.plan.canvas.width.div_ceil(COLS) {
                if let Some(tile) = self.tiles.remove(&key(&self.plan.canvas, plane, strip, tile_col)) {
                    self.bytes -= tile.bytes();
                }
            }
        }
    }
}

/// Values of a patch that are at hand, and what they are of.
struct Held<'a, T, V> {
    values: &'a [T],
    /// Which of the patch's values is the first.
    at: usize,
    /// Which are values.
    valid: Option<&'a V>,
    /// The first value of the plane in hand.
    first: usize,
    /// The plane's weight.
    weight: f64,
    /// They are added, each with the weight of its place.
    plain: bool,
    /// Their weights are known from where the patch lies.
    known: bool,
}

/// The part of an axis of a window, from its first pixel on, that lies on the canvas.
fn on_canvas(offset: i64, size: usize, side: usize) -> Range<usize> {
    let from = offset.saturating_neg().clamp(0, size as i64) as usize;
    let to = (side as i64).saturating_sub(offset).clamp(0, size as i64) as usize;
    from..to.max(from)
}

/// Values and weights of a run as doubles.
fn gather<T: Pixel>(
    (run, taper, base): (&[T], &[f64], f64),
    each: Option<(&[f64], usize)>,
    skip_nan: bool,
    values: &mut Vec<f64>,
    weights: &mut Vec<f64>,
) {
    values.clear();
    values.extend(run.iter().map(|value| value.f64()));
    weights.clear();
    weights.extend(taper.iter().map(|weight| base * weight));
    if let Some((each, at)) = each {
        let from = at % each.len();
        for (weight, each) in weights.iter_mut().zip(&each[from..from + run.len()]) {
            *weight *= each;
        }
    }
    if skip_nan {
        for (value, weight) in values.iter_mut().zip(weights.iter_mut()) {
            if value.is_nan() {
                (*value, *weight) = (0.0, 0.0);
            }
        }
    }
}

/// Rows of a plane, as they are told.
#[derive(Debug, Default)]
pub struct Strip {
    /// The values, row by row.
    pub values: Vec<f64>,
    /// Whether something was laid on each.
    pub laid: Vec<bool>,
}

/// Two parts of one field that are to be laid in two ways.
pub fn differs(one: &Plan, other: &Plan) -> Error {
    let problem = match () {
        () if one.canvas.crs != other.canvas.crs => {
            let name = |plan: &Plan| plan.canvas.crs.clone().unwrap_or_else(|| "no CRS".into());
            format!("canvases in {} and in {}", name(one), name(other))
        }
        () if one.canvas.transform != other.canvas.transform => {
            "canvases of different transforms".to_string()
        }
        () if one.canvas != other.canvas => format!("canvases {} and {}", one.canvas, other.canvas),
        () => "methods or tapers that differ from row to row".to_string(),
    };
    Error::conflict(problem, "One field has one canvas and one method: GROUP BY what tells fields apart")
}

fn tile_size(canvas: &Canvas, strip: usize, tile_col: usize) -> (usize, usize) {
    (ROWS.min(canvas.height - strip * ROWS), COLS.min(canvas.width - tile_col * COLS))
}

fn key(canvas: &Canvas, plane: usize, strip: usize, tile_col: usize) -> u64 {
    let (strips, cols) = (canvas.height.div_ceil(ROWS) as u64, canvas.width.div_ceil(COLS) as u64);
    (plane as u64 * strips + strip as u64) * cols + tile_col as u64
}

#[cfg(test)]
#[path = "field_tests.rs"]
mod tests;
