//! Several rasters on one slice: each comes onto its grid, then they are merged pixel by pixel.

use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Pixel};
use crate::error::{Bounds, Error, Lack, Result};
use crate::format::gdal::warp::Warped;
use crate::read::gaps::{Gaps, fill, gaps, whole};
use crate::read::patch::{BandName, PatchOptions, PatchRequest};
use crate::read::placement::Placement;
use crate::read::scene::{OpenScene, Scene, SceneBand};
use crate::read::source::Source;
use crate::read::warp::band_onto;
use crate::resampling::{Resampling, Warp};
use crate::slice::Slice;

/// What stands where several files have a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The first file's that has one.
    First,
    /// The last file's that has one.
    Last,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// All of them together.
    Sum,
    /// Their mean.
    Mean,
    /// How many files have one; 0, not NULL, where none has.
    Count,
}

impl Merge {
    /// What comes out is a value of one of the files.
    pub fn is_selection(self) -> bool {
        matches!(self, Merge::First | Merge::Last | Merge::Min | Merge::Max)
    }
}

/// The rules by their names.
pub const MERGES: [(&str, Merge); 7] = [
    ("first", Merge::First),
    ("last", Merge::Last),
    ("min", Merge::Min),
    ("max", Merge::Max),
    ("sum", Merge::Sum),
    ("mean", Merge::Mean),
    ("count", Merge::Count),
];

/// A quality band that takes pixels away: those with any of the bits set, with one of the values, or with one of the values
/// of a field of bits.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityMask {
    /// The file that it is in, where it is in one of its own.
    pub path: Option<String>,
    /// The quality band.
    pub band: BandName,
    /// Any of these set takes the pixel away.
    pub bits: u64,
    /// Each of these takes the pixel away.
    pub values: Vec<i64>,
    /// Each of these takes the pixel away.
    pub fields: Vec<BitField>,
}

/// Neighbouring bits of a quality band that are one number, such as a confidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitField {
    /// The lowest, from 0.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Each of these numbers takes the pixel away.
    pub values: Vec<i64>,
}

impl BitField {
    fn holds(&self, bits: u64) -> bool {
        let own = (bits >> self.first) & (u64::MAX >> (64 - self.count.clamp(1, 64)));
        self.values.iter().any(|value| u64::try_from(*value) == Ok(own))
    }
}

impl QualityMask {
    /// Whether the rules name a value of the quality band.
    fn takes<T: Pixel>(&self, pixel: T) -> bool {
        // A bit field is a whole number: as two's complement where it is kept signed, without its fraction where it is
        // kept as a float.
        let whole = pixel.integer().unwrap_or(pixel.f64() as i128);
        let is_listed = |v: &i64| whole == i128::from(*v) && whole as f64 == pixel.f64();
        let bits = whole as u64;
        bits & self.bits != 0
            || self.values.iter().any(is_listed)
            || self.fields.iter().any(|field| field.holds(bits))
    }

    /// # Errors
    /// Bits that the band's type does not have: they would never be set, and nothing be taken away.
    fn check(&self, source: &Source, dtype: Dtype) -> Result<()> {
        if matches!(dtype, Dtype::Float32 | Dtype::Float64) {
            return Ok(());
        }
        let width = 8 * dtype.size() as u32;
        let ends = self.fields.iter().map(|field| field.first + field.count);
        let most = ends.chain([u64::BITS - self.bits.leading_zeros()]).max().unwrap_or(0);
        if most <= width {
            return Ok(());
        }
        let band = match &self.band {
            BandName::Number(number) => number.to_string(),
            BandName::Name(name) => format!("\"{name}\""),
        };
        let problem = format!(
            "bit {} is asked of band {band} of \"{}\", which is {dtype} and has the bits 0 to {}",
            most - 1,
            source.path(),
            width - 1
        );
        Err(Error::conflict(problem, "Bits count from 0, the lowest: check the band and its bits"))
    }
}

/// How slices are read.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceOptions {
    /// Bands, scaling, fill, and whether a slice that no file touches is all NULL (`boundless`).
    pub patch: PatchOptions,
    /// How a file comes onto the slice.
    pub warp: Warp,
    /// What stands where several files have a pixel.
    pub merge: Merge,
    /// Which pixels a quality band takes away.
    pub mask: Option<QualityMask>,
}

/// All bands of one file on a slice's grid, `[band, row, col]`.
struct Layer {
    pixels: Vec<f32>,
    /// 0 where there is no pixel.
    valid: Vec<u8>,
}

/// How many bands a read of these scenes gives. Only the first is looked at, and that only when the options do not say.
///
/// # Errors
/// A file of the first scene cannot be opened.
pub fn band_count(scenes: &[Scene], options: &SliceOptions) -> Result<usize> {
    match (&options.patch.bands, scenes.first()) {
        (Some(bands), _) => Ok(bands.len()),
        (None, Some(scene)) => Ok(scene.open()?.band_count()),
        (None, None) => Err(Error::invalid("[]", "at least one path")),
    }
}

/// Fills `out`, `[band, row, col]`, with the scenes merged on the slice's grid, in their order; one that does not touch the
/// slice adds nothing. Returns the runs of `out` that hold no pixel, in order; there are none when a fill value was asked
/// for.
///
/// # Errors
/// As [`merged`], and a slice that no file touches, unless that was allowed.
pub fn read_slice(scenes: &[Scene], slice: &Slice, options: &SliceOptions, out: &mut [f32]) -> Result<Gaps> {
    let (gaps, touched) = merged(scenes, slice, options, out)?;
    if !touched && !options.patch.boundless {
        return Err(untouched(scenes, slice));
    }
    let gaps = match &options.patch.within {
        Some(within) => within.outside(slice)?.cut(gaps, out.len()),
        None => gaps,
    };
    Ok(fill(gaps, options.patch.fill, out))
}

/// As [`read_slice`], without a shape and a fill value; also tells whether any file touches the slice.
///
/// # Errors
/// A file that cannot be read, has other bands, no CRS or no geotransform; a CRS pair without a transformation.
pub fn merged(
    scenes: &[Scene],
    slice: &Slice,
    options: &SliceOptions,
    out: &mut [f32],
) -> Result<(Gaps, bool)> {
    let count = out.len() / slice.area().max(1);
    match scenes {
        [scene] if options.merge != Merge::Count => one(&scene.open()?, slice, options, count, out),
        scenes => many(scenes, slice, options, count, out),
    }
}

/// No file touches the slice.
pub fn untouched(scenes: &[Scene], slice: &Slice) -> Error {
    let first = scenes.first().map(|scene| scene.path().to_string());
    Error::out_of_range(slice, Bounds::Files { first, count: scenes.len() })
}

/// One scene needs no merging, and where the pixels of its one file are the slice's own, no layer.
fn one(
    scene: &OpenScene,
    slice: &Slice,
    options: &SliceOptions,
    count: usize,
    out: &mut [f32],
) -> Result<(Gaps, bool)> {
    let bands = bands_of(scene, options, count)?;
    let placements = placements(scene, slice, options, &bands)?;
    let file = bands.first().map_or(0, |band| band.file);
    if options.mask.is_none()
        && bands.iter().all(|band| band.file == file)
        && let (Some(source), Some(Some(Placement::Aligned(windows)))) =
            (scene.source(file), placements.get(file))
        && let [window] = windows.as_slice()
    {
        let PatchOptions { scaled, nodata, .. } = options.patch;
        let plain = PatchOptions { scaled, nodata, ..PatchOptions::default() };
        let numbers: Vec<usize> = bands.iter().map(|band| band.band).collect();
        let request = PatchRequest { source, window: *window, bands: &numbers, beside: &[], options: &plain };
        let gaps = request.read(out)?;
        request.check_floats(out, &gaps)?;
        return Ok((gaps, true));
    }
    match layer(scene, slice, &placements, options, &bands)? {
        Some(layer) => {
            out.copy_from_slice(&layer.pixels);
            Ok((gaps(&layer.valid, |valid| *valid == 0), true))
        }
        None => Ok((whole(out.len()), false)),
    }
}

fn many(
    scenes: &[Scene],
    slice: &Slice,
    options: &SliceOptions,
    count: usize,
    out: &mut [f32],
) -> Result<(Gaps, bool)> {
    let mut merger = Merger::new(options.merge, out.len());
    let mut touched = false;
    // The last that has a pixel is the first from the end, after which no further file need be read.
    let order: Box<dyn Iterator<Item = &Scene>> = match options.merge {
        Merge::Last => Box::new(scenes.iter().rev()),
        _ => Box::new(scenes.iter()),
    };
    for scene in order {
        let scene = scene.open()?;
        let bands = bands_of(&scene, options, count)?;
        let placements = placements(&scene, slice, options, &bands)?;
        if let Some(layer) = layer(&scene, slice, &placements, options, &bands)? {
            touched = true;
            merger.add(&layer, out);
            if merger.is_full() {
                break;
            }
        }
    }
    Ok((merger.finish(out), touched))
}

/// # Errors
/// The scene lacks a band, or has not as many as the first.
fn bands_of(scene: &OpenScene, options: &SliceOptions, count: usize) -> Result<Vec<SceneBand>> {
    let bands = scene.bands(&options.patch)?;
    if bands.len() != count {
        let lack = Lack::BandCount { own: bands.len(), first: count };
        return Err(Error::unsuited(scene.path(), lack));
    }
    Ok(bands)
}

/// How the slice lies on each of a scene's files that bands are read of.
fn placements<'a>(
    scene: &'a OpenScene,
    slice: &'a Slice,
    options: &SliceOptions,
    bands: &[SceneBand],
) -> Result<Vec<Option<Placement<'a>>>> {
    let of_file =
        |file: usize| match scene.source(file).filter(|_| bands.iter().any(|band| band.file == file)) {
            Some(source) => Placement::of(source, slice, options.warp.resampling).map(Some),
            None => Ok(None),
        };
    (0..scene.files()).map(of_file).collect()
}

/// All bands of a scene on the slice's grid, without what its quality band takes away; `None` where none of its files
/// touches the slice.
fn layer(
    scene: &OpenScene,
    slice: &Slice,
    placements: &[Option<Placement<'_>>],
    options: &SliceOptions,
    bands: &[SceneBand],
) -> Result<Option<Layer>> {
    let area = slice.area();
    let mut layer = Layer { pixels: Vec::new(), valid: Vec::new() };
    let gone = match &options.mask {
        Some(mask) => gone(scene, slice, placements, &options.warp, bands, mask)?,
        None => None,
    };
    let is_gone = |index: usize| gone.as_ref().is_some_and(|gone| gone.get(index) == Some(&true));
    let mut touched = false;
    for &SceneBand { file, band } in bands {
        let (Some(source), Some(Some(placement))) = (scene.source(file), placements.get(file)) else {
            return Err(Error::Bug(format!("no file {file} of a scene")));
        };
        let beside: Vec<usize> =
            bands.iter().filter(|other| other.file == file).map(|other| other.band).collect();
        let is_aligned = placement.is_aligned();
        let own = source.header().bands.get(band.wrapping_sub(1)).map_or(Dtype::Float32, |b| b.dtype);
        let dtype = match options.warp.scaled {
            true => Dtype::Float64,
            // A float32 of such a pixel would be another number before anyone could tell.
            false if own.is_wide_integer() && options.warp.dtype.is_some() => Dtype::Float64,
            false => options.warp.dtype.unwrap_or(own),
        };
        // Numbers between pixels are rounded as floats are; pixels are not.
        let exact = own.is_wide_integer()
            && !options.warp.scaled
            && options.merge != Merge::Count
            && (options.warp.resampling.is_selection() || is_aligned);
        with_dtype!(dtype, T => match band_onto::<T>(source, band, &beside, placement, &options.warp)? {
            Some(warped) => {
                let kept = |index: &usize| warped.valid.get(*index) != Some(&0) && !is_gone(*index);
                let valid = (0..if exact { warped.pixels.len() } else { 0 }).filter(kept);
                let mut pixels = valid.filter_map(|index| warped.pixels.get(index));
                if let Some(value) = pixels.find_map(|pixel| beyond_float(*pixel, is_aligned)) {
                    return Err(Error::unsuited(source.path(), Lack::BeyondFloat { band, value }));
                }
                if own == Dtype::Float64 && options.merge != Merge::Count {
                    let mut pixels = (0..warped.pixels.len()).filter(kept).filter_map(|index| warped.pixels.get(index));
                    if let Some(value) = pixels.find_map(|pixel| pixel.above_float()) {
                        return Err(Error::unsuited(source.path(), Lack::AboveFloat { band, value }));
                    }
                }
                layer.pixels.extend(warped.pixels.iter().map(|v| v.f32()));
                layer.valid.extend(&warped.valid);
                touched = true;
            }
            // Another file of the scene may reach further.
            None => {
                layer.pixels.resize(layer.pixels.len() + area, 0.0);
                layer.valid.resize(layer.valid.len() + area, 0);
            }
        });
    }
    if !touched {
        return Ok(None);
    }
    if let Some(gone) = &gone {
        for valid in layer.valid.chunks_mut(area.max(1)) {
            valid.iter_mut().zip(gone).filter(|(_, gone)| **gone).for_each(|(v, _)| *v = 0);
        }
    }
    Ok(Some(layer))
}

/// A whole number that a FLOAT would change, or that GDAL's warper, which reckons in float64, may have changed.
fn beyond_float<T: Pixel>(pixel: T, is_aligned: bool) -> Option<i128> {
    const WARPED: f64 = 9_007_199_254_740_992.0;
    let warped = || (!is_aligned && pixel.f64().abs() >= WARPED).then_some(pixel.f64() as i128);
    pixel.beyond_float().or_else(warped)
}

/// Which pixels of the slice a quality band takes away. It is always brought there by nearest: a mean of bit
/// fields means nothing. A pixel without quality stays, unless the rules name the quality band's nodata.
fn gone(
    scene: &OpenScene,
    slice: &Slice,
    placements: &[Option<Placement<'_>>],
    warp: &Warp,
    bands: &[SceneBand],
    mask: &QualityMask,
) -> Result<Option<Vec<bool>>> {
    let named = PatchOptions { bands: Some(vec![mask.band.clone()]), ..PatchOptions::default() };
    let apart = mask.path.as_ref().map(|path| Scene::of_file(path.clone()).open()).transpose()?;
    let scene = apart.as_ref().unwrap_or(scene);
    let Some(&SceneBand { file, band }) = scene.bands(&named)?.first() else { return Ok(None) };
    let Some(source) = scene.source(file) else { return Ok(None) };
    let is_beside = |other: &&SceneBand| apart.is_none() && other.file == file;
    let beside: Vec<usize> = bands.iter().filter(is_beside).map(|other| other.band).collect();
    let metadata = source.header().bands.get(band.wrapping_sub(1));
    let own = metadata.map_or(Dtype::Float32, |b| b.dtype);
    mask.check(source, own)?;
    let nodata = metadata.filter(|metadata| !metadata.masked).and_then(|metadata| metadata.nodata);
    let asked = warp.resampling;
    let warp = Warp { resampling: Resampling::Nearest, scaled: false, nodata: None, dtype: None, ..*warp };
    // How a grid is laid around the globe depends on the resampling.
    let fits = |known: &&Placement<'_>| {
        apart.is_none() && (asked == warp.resampling || !matches!(known, Placement::Warped(_)))
    };
    let known = placements.get(file).and_then(Option::as_ref).filter(fits);
    let another = match known {
        Some(_) => None,
        None => Some(Placement::of(source, slice, warp.resampling)?),
    };
    let Some(placement) = known.or(another.as_ref()) else { return Ok(None) };
    with_dtype!(own, T => {
        let Some(warped) = band_onto::<T>(source, band, &beside, placement, &warp)? else { return Ok(None) };
        let Warped { pixels, valid } = warped;
        // The band's nodata is a class like others where the rules name it: 0 is "no data" of many a classification.
        let none = nodata.and_then(T::nodata).is_some_and(|nodata| mask.takes(nodata));
        let bad = |(pixel, valid): (&T, &u8)| if *valid == 0 { none } else { mask.takes(*pixel) };
        Ok(Some(pixels.iter().zip(&valid).map(bad).collect()))
    })
}

/// Merges layers, one after another.
pub struct Merger {
    merge: Merge,
    /// How many layers have had a pixel at each position.
    counts: Vec<u32>,
    /// Sums in float64, for sum and mean.
    sums: Vec<f64>,
    /// Places without a pixel yet.
    open: usize,
}

impl Merger {
    /// Nothing merged yet.
    pub fn new(merge: Merge, length: usize) -> Merger {
        let sums = if matches!(merge, Merge::Sum | Merge::Mean) { vec![0.0; length] } else { Vec::new() };
        Merger { merge, counts: vec![0; length], sums, open: length }
    }

    fn add(&mut self, layer: &Layer, out: &mut [f32]) {
        self.add_pixels(&layer.pixels, &layer.valid, out);
    }

    /// `valid` is 0 where there is no pixel.
    pub fn add_pixels(&mut self, pixels: &[f32], valid: &[u8], out: &mut [f32]) {
        let cells = out.iter_mut().zip(&mut self.counts).zip(pixels.iter().zip(valid)).enumerate();
        for (i, ((cell, count), (pixel, valid))) in cells {
            if *valid == 0 {
                continue;
            }
            *count += 1;
            if *count == 1 {
                *cell = *pixel;
                self.open -= 1;
            } else {
                match self.merge {
                    Merge::Min if *pixel < *cell || cell.is_nan() => *cell = *pixel,
                    Merge::Max if *pixel > *cell || cell.is_nan() => *cell = *pixel,
                    _ => {}
                }
            }
            if let Some(sum) = self.sums.get_mut(i) {
                *sum += f64::from(*pixel);
            }
        }
    }

    /// No further layer changes anything.
    pub fn is_full(&self) -> bool {
        self.open == 0 && matches!(self.merge, Merge::First | Merge::Last)
    }

    /// Writes what only the end tells, and gives the runs without a pixel.
    pub fn finish(self, out: &mut [f32]) -> Gaps {
        match self.merge {
            Merge::Sum => out.iter_mut().zip(&self.sums).for_each(|(cell, sum)| *cell = *sum as f32),
            Merge::Mean => {
                let cells = out.iter_mut().zip(self.sums.iter().zip(&self.counts));
                cells
                    .filter(|(_, (_, n))| **n > 0)
                    .for_each(|(c, (sum, n))| *c = (sum / f64::from(*n)) as f32);
            }
            Merge::Count => {
                out.iter_mut().zip(&self.counts).for_each(|(cell, n)| *cell = *n as f32);
                return Vec::new();
            }
            _ => {}
        }
        gaps(&self.counts, |n| *n == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(merge: Merge, layers: &[(&[f32], &[u8])]) -> (Vec<f32>, Gaps) {
        let mut out = vec![0.0; 4];
        let mut merger = Merger::new(merge, 4);
        for (pixels, valid) in layers {
            merger.add_pixels(pixels, valid, &mut out);
        }
        let gaps = merger.finish(&mut out);
        (out, gaps)
    }

    #[test]
    fn each_method_sees_valid_pixels_alone() {
        let layers: [(&[f32], &[u8]); 3] = [
            (&[1.0, 9.0, 9.0, 9.0], &[1, 0, 0, 0]),
            (&[4.0, 2.0, 9.0, 9.0], &[1, 1, 0, 0]),
            (&[1.0, 5.0, 7.0, 9.0], &[1, 1, 1, 0]),
        ];
        for (merge, wanted) in [
            (Merge::First, [1.0, 2.0, 7.0]),
            (Merge::Min, [1.0, 2.0, 7.0]),
            (Merge::Max, [4.0, 5.0, 7.0]),
            (Merge::Sum, [6.0, 7.0, 7.0]),
            (Merge::Mean, [2.0, 3.5, 7.0]),
        ] {
            let (out, gaps) = merged(merge, &layers);
            assert_eq!((&out[..3], gaps.last()), (&wanted[..], Some(&(3..4))), "{merge:?}");
            assert_eq!(gaps.len(), 1);
        }
        assert_eq!(merged(Merge::Count, &layers), (vec![3.0, 2.0, 1.0, 0.0], vec![]));
    }
}
