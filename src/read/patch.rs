//! A window of a raster, copied out of its blocks.

use std::ops::Range;
use std::sync::Arc;

use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::error::{Bounds, Error, Lack, Load, Member, Result};
use crate::format::{Band, Header};
use crate::limits::Limits;
use crate::read::block_cache::{Key, Owner};
use crate::read::source::Source;
use crate::window::Window;
use crate::{with_dtype, with_pixels};

/// How a patch is read. The default is the file as it is: all bands, pixels as stored, NULL for nodata.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PatchOptions {
    /// Bands by number (from 1) or by name; `None` is all, in file order.
    pub bands: Option<Vec<BandName>>,
    /// `pixel * scale + offset` instead of the stored pixel.
    pub scaled: bool,
    /// A value instead of NULL.
    pub fill: Option<f64>,
    /// A window wholly outside is all NULL instead of an error.
    pub boundless: bool,
}

/// How a band is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BandName {
    /// From 1.
    Number(i64),
    /// By its description.
    Name(String),
}

/// Band numbers (from 1) of the bands asked for.
///
/// # Errors
/// [`Error::NotFound`], with the bands that there are.
pub fn band_numbers(source: &Source, options: &PatchOptions) -> Result<Vec<usize>> {
    let bands = &source.header().bands;
    let Some(wanted) = &options.bands else { return Ok((1..=bands.len()).collect()) };
    let find = |wanted: &BandName| {
        let found = match wanted {
            BandName::Number(n) => usize::try_from(*n).ok().filter(|n| (1..=bands.len()).contains(n)),
            BandName::Name(name) => {
                let of_name = |(i, band): (usize, &Band)| (band.name.as_ref() == Some(name)).then_some(i + 1);
                let places: Vec<usize> = bands.iter().enumerate().filter_map(of_name).collect();
                if places.len() > 1 {
                    return Err(same_name(source.path(), name, &places));
                }
                places.first().copied()
            }
        };
        found.ok_or_else(|| {
            let shown = match wanted {
                BandName::Number(n) => n.to_string(),
                BandName::Name(name) => format!("\"{name}\""),
            };
            let there = match wanted {
                BandName::Name(_) if bands.iter().all(|band| band.name.is_none()) => {
                    vec![match bands.len() {
                        1 => "one band, without a name".into(),
                        n => format!("{n} bands, without names"),
                    }]
                }
                _ => available(bands),
            };
            Error::not_found(Member::Band, shown, source.path(), there)
        })
    };
    wanted.iter().map(find).collect()
}

/// A name that several bands have tells none of them.
fn same_name(path: &str, name: &str, places: &[usize]) -> Error {
    let mut numbers: Vec<String> = places.iter().take(20).map(usize::to_string).collect();
    if places.len() > 20 {
        numbers.push(format!("... {} in all", places.len()));
    }
    let first = places.first().copied().unwrap_or(1);
    Error::conflict(
        format!("\"{path}\" has {} bands named \"{name}\": {}", places.len(), numbers.join(", ")),
        format!("Name the band that is meant by its number: {first}"),
    )
}

fn available(bands: &[Band]) -> Vec<String> {
    let show = |(i, band): (usize, &Band)| match &band.name {
        Some(name) => format!("{} \"{name}\"", i + 1),
        None => (i + 1).to_string(),
    };
    let mut names: Vec<String> = bands.iter().enumerate().take(20).map(show).collect();
    if bands.len() > 20 {
        names.push(format!("... {} in all", bands.len()));
    }
    names
}

/// The type that holds every one of these bands without loss.
///
/// # Errors
/// 64-bit integers beside another type: no type holds both.
pub fn common_dtype(source: &Source, bands: &[usize]) -> Result<Dtype> {
    let all = &source.header().bands;
    let mut dtypes = bands.iter().filter_map(|b| all.get(b - 1)).map(|b| b.dtype);
    let first = dtypes.next().unwrap_or(Dtype::Float32);
    if dtypes.clone().all(|d| d == first) {
        return Ok(first);
    }
    let wide = |d: Dtype| d.size() == 8 || matches!(d, Dtype::Int32 | Dtype::UInt32);
    let double = wide(first) || dtypes.any(wide);
    Ok(if double { Dtype::Float64 } else { Dtype::Float32 })
}

/// How many pixels a patch has.
pub fn pixel_count(window: &Window, bands: usize) -> usize {
    window.area().saturating_mul(bands)
}

/// # Errors
/// [`Error::TooLarge`]: a window may name more pixels than there is memory.
pub fn check_patch(window: &Window, bands: usize, pixel_bytes: usize, limits: &Limits) -> Result<()> {
    let bytes = pixel_count(window, bands).saturating_mul(pixel_bytes);
    if bytes <= limits.chunk {
        return Ok(());
    }
    let load = Load::Window { window: window.to_string(), bands };
    Err(Error::TooLarge { load, needed: bytes as u64, limit: limits.chunk as u64 })
}

/// The blocks of one patch, decoded, in the order in which [`copy_patch`] wants them.
#[derive(Default)]
pub struct Held {
    blocks: Vec<Arc<Pixels>>,
    /// What the blocks take.
    pub bytes: usize,
}

impl Held {
    /// Adds the next block of the patch.
    pub fn push(&mut self, block: Arc<Pixels>) {
        self.bytes += block.bytes();
        self.blocks.push(block);
    }
}

/// Blocks of the patches just read: neighbours lie in the same ones, and need not ask the cache again.
#[derive(Default)]
pub struct Recent {
    blocks: Vec<(Key, Arc<Pixels>)>,
}

/// More than a window and its neighbour lie in, of a few bands; a longer search would cost more than it saves.
const RECENT: usize = 16;

impl Recent {
    /// A block, and whether it came from here.
    ///
    /// # Errors
    /// As [`Source::block`].
    fn get(&mut self, source: &Source, key: Key) -> Result<Arc<Pixels>> {
        if let Some((_, block)) = self.blocks.iter().rev().find(|(known, _)| *known == key) {
            return Ok(block.clone());
        }
        let block = source.block(key)?;
        if self.blocks.len() == RECENT {
            self.blocks.remove(0);
        }
        self.blocks.push((key, block.clone()));
        Ok(block)
    }
}

/// The blocks that a patch lies in, in the order in which [`copy_patch`] wants them.
///
/// # Errors
/// A window wholly outside.
pub fn block_keys(
    source: &Source,
    window: &Window,
    bands: &[usize],
    options: &PatchOptions,
) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    let Some(inside) = inside(source, window, options)? else { return Ok(keys) };
    for &band in bands {
        let key = |place: Place| Key {
            source: Owner::Raster(source.id()),
            band: band as u32,
            mask: place.mask,
            row: place.row as u32,
            col: place.col as u32,
        };
        keys.extend(block_places(source.header(), &inside, band)?.map(key));
    }
    Ok(keys)
}

/// Decodes (or finds decoded) every block that a patch lies in.
///
/// # Errors
/// A window wholly outside, or blocks that can not be decoded.
pub fn fetch_patch(
    source: &Source,
    window: &Window,
    bands: &[usize],
    options: &PatchOptions,
    recent: &mut Recent,
) -> Result<Held> {
    let mut held = Held::default();
    let keys = block_keys(source, window, bands, options)?;
    source.prepare(&keys)?;
    for key in keys {
        held.push(recent.get(source, key)?);
    }
    Ok(held)
}

/// Reads `window` of `bands` into `out`, `[band, row, col]`, in the type `T`: the file's own, or a float.
/// Returns the runs of `out` that hold no pixel (nodata, masked, or outside the raster), in order; there
/// are none when a fill value was asked for.
///
/// # Errors
/// As [`fetch_patch`].
pub fn read_patch<T: Pixel>(
    source: &Source,
    window: &Window,
    bands: &[usize],
    options: &PatchOptions,
    out: &mut [T],
) -> Result<Vec<Range<usize>>> {
    let held = fetch_patch(source, window, bands, options, &mut Recent::default())?;
    copy_patch(source.header(), window, bands, options, &held, out)
}

/// [`read_patch`] from blocks that [`fetch_patch`] gave for the same patch.
///
/// # Errors
/// As [`fetch_patch`].
pub fn copy_patch<T: Pixel>(
    header: &Header,
    window: &Window,
    bands: &[usize],
    options: &PatchOptions,
    held: &Held,
    out: &mut [T],
) -> Result<Vec<Range<usize>>> {
    if out.len() != pixel_count(window, bands.len()) {
        return Err(Error::Bug(format!("{} places for {window} of {} bands", out.len(), bands.len())));
    }
    let Some(inside) = window.clip(header.height, header.width) else {
        let all = std::iter::once(0..out.len()).collect();
        return Ok(fill_gaps(all, options, out));
    };
    let mut gaps = Gaps::default();
    let mut blocks = held.blocks.iter();
    for (plane, &band) in bands.iter().enumerate() {
        let base = plane * window.area();
        if inside.area() < window.area() {
            outside(window, &inside, base, &mut gaps);
        }
        let target = Target { window, inside: &inside, base };
        copy_band(header, band, options.scaled, &target, &mut blocks, out, &mut gaps)?;
    }
    Ok(fill_gaps(gaps.finish(), options, out))
}

/// Refuses pixels, as [`read_patch`] gave them in `out`, that are other numbers in the file.
///
/// # Errors
/// [`Error::Unsuited`], and as [`read_patch`].
pub fn check_floats(
    source: &Source,
    window: &Window,
    bands: &[usize],
    options: &PatchOptions,
    out: &[f32],
    gaps: &[Range<usize>],
) -> Result<()> {
    /// The first that has a neighbour which it hides.
    const FIRST: f32 = 16_777_216.0;
    for (plane, &band) in bands.iter().enumerate() {
        let facts = source.header().bands.get(band.wrapping_sub(1));
        let Some(facts) = facts.filter(|facts| facts.dtype.is_wide_integer()) else { continue };
        let (start, end) = (plane * window.area(), (plane + 1) * window.area());
        // Gaps and a fill value lie there too: whether a pixel does, its own type tells.
        let large = |run: Range<usize>| {
            out.get(run).is_some_and(|run| run.iter().fold(false, |any, v| any | (v.abs() >= FIRST)))
        };
        let mut from = start;
        let inside = gaps.iter().filter(|gap| (start..end).contains(&gap.start));
        let mut any = inside.fold(false, |any, gap| {
            let pixels = from..gap.start;
            from = gap.end.min(end);
            any || large(pixels)
        });
        any = any || large(from..end);
        if !any || Rule::of(facts, options.scaled).linear.is_some() {
            continue;
        }
        let plain = PatchOptions { fill: Some(0.0), boundless: true, ..PatchOptions::default() };
        with_dtype!(facts.dtype, P => {
            let mut pixels = vec![P::default(); window.area()];
            read_patch(source, window, &[band], &plain, &mut pixels)?;
            if let Some(value) = pixels.iter().find_map(|pixel| pixel.beyond_float()) {
                return Err(Error::unsuited(source.path(), Lack::BeyondFloat { band, value }));
            }
        });
    }
    Ok(())
}

/// The part of a window inside the raster; `None` when there is none and that was allowed.
fn inside(source: &Source, window: &Window, options: &PatchOptions) -> Result<Option<Window>> {
    let header = source.header();
    match window.clip(header.height, header.width) {
        None if !options.boundless => Err({
            let (path, height, width) = (source.path().into(), header.height, header.width);
            Error::out_of_range(window, Bounds::Raster { path, height, width })
        }),
        inside => Ok(inside),
    }
}

/// One block of pixels, or of their validity.
struct Place {
    row: usize,
    col: usize,
    mask: bool,
}

/// The blocks under a window, row by row, each followed by its mask where the band has one.
fn block_places(header: &Header, inside: &Window, band: usize) -> Result<impl Iterator<Item = Place>> {
    let facts =
        header.bands.get(band.wrapping_sub(1)).ok_or_else(|| Error::Bug(format!("no band {band}")))?;
    let (height, width) = header.block;
    let rows = inside.row_off as usize / height..(inside.row_end() as usize).div_ceil(height);
    let cols = inside.col_off as usize / width..(inside.col_end() as usize).div_ceil(width);
    let kinds: &[bool] = if facts.masked { &[false, true] } else { &[false] };
    Ok(rows.flat_map(move |row| {
        cols.clone().flat_map(move |col| kinds.iter().map(move |&mask| Place { row, col, mask }))
    }))
}

fn fill_gaps<T: Pixel>(gaps: Vec<Range<usize>>, options: &PatchOptions, out: &mut [T]) -> Vec<Range<usize>> {
    let Some(fill) = options.fill else { return gaps };
    for gap in gaps {
        if let Some(cells) = out.get_mut(gap) {
            cells.fill(T::of(fill));
        }
    }
    Vec::new()
}

/// Marks the part of a window that lies beyond the raster.
fn outside(window: &Window, inside: &Window, base: usize, gaps: &mut Gaps) {
    let width = window.width as usize;
    let left = (inside.col_off - window.col_off) as usize;
    let right = left + inside.width as usize;
    for row in 0..window.height as usize {
        let start = base + row * width;
        let map_row = window.row_off + row as i64;
        if map_row < inside.row_off || map_row >= inside.row_end() {
            gaps.add(start..start + width);
        } else {
            gaps.add(start..start + left);
            gaps.add(start + right..start + width);
        }
    }
}

/// Where a band's pixels go: the whole window, its part inside the raster, and the band's first place.
struct Target<'a> {
    window: &'a Window,
    inside: &'a Window,
    base: usize,
}

fn copy_band<'a, T: Pixel>(
    header: &Header,
    band: usize,
    scaled: bool,
    target: &Target<'_>,
    blocks: &mut impl Iterator<Item = &'a Arc<Pixels>>,
    out: &mut [T],
    gaps: &mut Gaps,
) -> Result<()> {
    let facts =
        header.bands.get(band.wrapping_sub(1)).ok_or_else(|| Error::Bug(format!("no band {band}")))?;
    let rule = Rule::of(facts, scaled);
    let (height, width) = header.block;
    let (window, inside) = (target.window, target.inside);
    let (first_row, last_row) = (inside.row_off as usize, inside.row_end() as usize);
    let (first_col, last_col) = (inside.col_off as usize, inside.col_end() as usize);
    let mut places = block_places(header, inside, band)?;
    while let Some(place) = places.next() {
        let missing = || Error::Bug("a block that was not fetched".into());
        let block = blocks.next().ok_or_else(missing)?;
        let mask = match facts.masked {
            true => places.next().and_then(|_| blocks.next()).map(Some).ok_or_else(missing)?,
            false => None,
        };
        let rows = first_row.max(place.row * height)..last_row.min((place.row + 1) * height);
        let cols = first_col.max(place.col * width)..last_col.min((place.col + 1) * width);
        let part = Part {
            from: (rows.start - place.row * height) * width + cols.start - place.col * width,
            from_width: width,
            to: target.base
                + (rows.start as i64 - window.row_off) as usize * window.width as usize
                + (cols.start as i64 - window.col_off) as usize,
            to_width: window.width as usize,
            height: rows.len(),
            width: cols.len(),
        };
        copy_part(block, mask, &rule, &part, out, gaps)?;
    }
    Ok(())
}

/// What turns a stored pixel into a value or into nothing.
struct Rule {
    nodata: Option<Nodata>,
    linear: Option<(f64, f64)>,
}

impl Rule {
    fn of(band: &Band, scaled: bool) -> Rule {
        let linear = (band.scale.unwrap_or(1.0), band.offset.unwrap_or(0.0));
        Rule {
            nodata: band.nodata.filter(|_| !band.masked),
            linear: (scaled && linear != (1.0, 0.0)).then_some(linear),
        }
    }
}

/// What a window and a block share: its first place in each, and the rows of each.
struct Part {
    from: usize,
    from_width: usize,
    to: usize,
    to_width: usize,
    height: usize,
    width: usize,
}

impl Part {
    /// The rows of the part within a block's values.
    fn rows<'a, P>(&self, values: &'a [P]) -> Result<impl Iterator<Item = &'a [P]>> {
        let rows = cut(values.len(), self.from, self.from_width, self.height, self.width)?;
        let (from_width, width) = (self.from_width, self.width);
        Ok(values.get(rows).unwrap_or_default().chunks(from_width).filter_map(move |row| row.get(..width)))
    }

    /// The same rows in the patch.
    fn rows_mut<'a, T>(&self, out: &'a mut [T]) -> Result<impl Iterator<Item = &'a mut [T]>> {
        let rows = cut(out.len(), self.to, self.to_width, self.height, self.width)?;
        let (to_width, width) = (self.to_width, self.width);
        Ok(out
            .get_mut(rows)
            .unwrap_or_default()
            .chunks_mut(to_width)
            .filter_map(move |row| row.get_mut(..width)))
    }

    /// The place of each row in the patch.
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        (self.to..).step_by(self.to_width).take(self.height)
    }
}

/// From the first value of the first row to the last value of the last one, which have to be there.
fn cut(len: usize, first: usize, step: usize, height: usize, width: usize) -> Result<Range<usize>> {
    let end = first + height.saturating_sub(1) * step + width;
    if end <= len && width <= step {
        return Ok(first..end);
    }
    Err(Error::Bug("a block is shorter than its header says".into()))
}

fn copy_part<T: Pixel>(
    block: &Pixels,
    mask: Option<&Arc<Pixels>>,
    rule: &Rule,
    part: &Part,
    out: &mut [T],
    gaps: &mut Gaps,
) -> Result<()> {
    match (T::view(block), rule.linear) {
        (Some(values), None) => {
            part.rows_mut(out)?.zip(part.rows(values)?).for_each(|(to, from)| to.copy_from_slice(from));
        }
        (_, None) => with_pixels!(block, values => {
            for (to, from) in part.rows_mut(out)?.zip(part.rows(values)?) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = T::of(*from));
            }
        }),
        (_, Some((scale, offset))) => with_pixels!(block, values => {
            for (to, from) in part.rows_mut(out)?.zip(part.rows(values)?) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = T::of(from.f64() * scale + offset));
            }
        }),
    }
    if let Some(nodata) = rule.nodata {
        with_pixels!(block, values => {
            for (row, to) in part.rows(values)?.zip(part.places()) {
                mark_nodata(row, nodata, to, gaps);
            }
        });
    }
    if let Some(mask) = mask {
        let values = u8::view(mask).ok_or_else(|| Error::Bug("a mask that is not bytes".into()))?;
        for (row, to) in part.rows(values)?.zip(part.places()) {
            gaps.add_where(row, to, |m| *m == 0);
        }
    }
    Ok(())
}

fn mark_nodata<P: Pixel>(values: &[P], nodata: Nodata, to: usize, gaps: &mut Gaps) {
    if let Some(nodata) = P::nodata(nodata) {
        gaps.add_where(values, to, |v| v.is(nodata));
    }
}

/// Runs of places without a pixel.
#[derive(Default)]
struct Gaps(Vec<Range<usize>>);

impl Gaps {
    fn add(&mut self, run: Range<usize>) {
        if run.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.end == run.start => last.end = run.end,
            _ => self.0.push(run),
        }
    }

    /// The values that are gone, 64 at a time: a bit for each, and a run for each run of bits.
    fn add_where<P>(&mut self, values: &[P], start: usize, gone: impl Fn(&P) -> bool) {
        for (place, values) in values.chunks(64).enumerate() {
            // Without a branch, so that values without a gap cost one vectorised pass.
            if !values.iter().fold(false, |any, value| any | gone(value)) {
                continue;
            }
            let bit = |(i, value): (usize, &P)| u64::from(gone(value)) << i;
            let mut bits = values.iter().enumerate().map(bit).fold(0, |all, bit| all | bit);
            let first = start + place * 64;
            while bits != 0 {
                let from = bits.trailing_zeros();
                let ones = (bits >> from).trailing_ones();
                self.add(first + from as usize..first + (from + ones) as usize);
                bits &= u64::MAX.checked_shl(from + ones).unwrap_or(0);
            }
        }
    }

    /// In order: blocks side by side deliver their rows interleaved.
    fn finish(mut self) -> Vec<Range<usize>> {
        if !self.0.is_sorted_by_key(|run| run.start) {
            self.0.sort_unstable_by_key(|run| run.start);
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_join_neighbours_and_come_in_order() {
        let mut gaps = Gaps::default();
        gaps.add(4..6);
        gaps.add(6..8);
        gaps.add(0..2);
        gaps.add(3..3);
        assert_eq!(gaps.finish(), [0..2, 4..8]);
    }

    #[test]
    fn add_where_finds_every_run() {
        for seed in 0..40u64 {
            let values: Vec<bool> =
                (0..200u64).map(|i| (i / (1 + seed % 7) * 31 + seed) % 5 < seed % 6).collect();
            let mut gaps = Gaps::default();
            gaps.add_where(&values, 10, |gone| *gone);
            let runs = gaps.finish();
            let mut seen = vec![false; 200];
            runs.iter().for_each(|run| seen[run.start - 10..run.end - 10].fill(true));
            assert_eq!(seen, values, "seed {seed}");
            assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start), "{runs:?}");
        }
    }

    #[test]
    fn what_lies_beyond_the_raster_is_a_gap() {
        let window = Window::new(-1, -1, 3, 3).unwrap();
        let inside = window.clip(10, 10).unwrap();
        let mut gaps = Gaps::default();
        outside(&window, &inside, 0, &mut gaps);
        assert_eq!(gaps.finish(), [0..4, 6..7]);
    }
}
