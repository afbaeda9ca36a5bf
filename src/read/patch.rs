//! A window of a raster, copied out of its blocks.

use std::ops::Range;
use std::sync::Arc;

use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::dtype::{with_dtype, with_pixels};
use crate::error::{Bounds, Error, Lack, Load, Member, Result};
use crate::format::{Band, Header};
use crate::limits::Limits;
use crate::memory::room;
use crate::read::block_cache::{Key, Owner};
use crate::read::gaps::{self, Gaps, GapsBuilder};
use crate::read::source::Source;
use crate::read::within::Within;
use crate::window::Window;
use crate::workers::go_on;

/// How a patch is read. The default is the file as it is: all bands, pixels as stored, NULL for nodata.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PatchOptions {
    /// Bands by number (from 1) or by name; `None` is all, in file order.
    pub bands: Option<Vec<BandName>>,
    /// `pixel * scale + offset` instead of the stored pixel.
    pub scaled: bool,
    /// The stored value that is none, in place of the one that the file tells; masks and alpha bands count beside it.
    pub nodata: Option<f64>,
    /// A value instead of NULL.
    pub fill: Option<f64>,
    /// A window wholly outside is all NULL instead of an error.
    pub boundless: bool,
    /// A shape: pixels outside of it are none.
    pub within: Option<Arc<Within>>,
}

/// A band as a user names it.
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
    let numbers = numbers_of(source, options.bands.as_deref())?;
    check_nodata(source, &numbers, options)?;
    Ok(numbers)
}

/// Refuses a nodata value that no pixel can have: it would take nothing away, without a word.
pub(super) fn check_nodata(source: &Source, numbers: &[usize], options: &PatchOptions) -> Result<()> {
    let Some(nodata) = options.nodata else { return Ok(()) };
    let bands = numbers.iter().filter_map(|number| source.header().bands.get(number - 1));
    for band in bands {
        if with_dtype!(band.dtype, T => T::nodata(Nodata::Float(nodata)).is_none()) {
            let problem = format!(
                "a nodata value of {nodata} is none of the {} pixels of \"{}\"",
                band.dtype,
                source.path()
            );
            return Err(Error::conflict(problem, "Give one that the type holds"));
        }
    }
    Ok(())
}

fn numbers_of(source: &Source, wanted: Option<&[BandName]>) -> Result<Vec<usize>> {
    let bands = &source.header().bands;
    let Some(wanted) = wanted else { return Ok((1..=bands.len()).collect()) };
    let find = |wanted: &BandName| {
        let found = match wanted {
            BandName::Number(n) => usize::try_from(*n).ok().filter(|n| (1..=bands.len()).contains(n)),
            BandName::Name(name) => {
                let of_name = |(i, band): (usize, &Band)| (band.name.as_ref() == Some(name)).then_some(i + 1);
                let same: Vec<usize> = bands.iter().enumerate().filter_map(of_name).collect();
                if same.len() > 1 {
                    return Err(same_name(source.path(), name, &same));
                }
                same.first().copied()
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
fn same_name(path: &str, name: &str, same: &[usize]) -> Error {
    let mut numbers: Vec<String> = same.iter().take(20).map(usize::to_string).collect();
    if same.len() > 20 {
        numbers.push(format!("... {} in all", same.len()));
    }
    let first = same.first().copied().unwrap_or(1);
    Error::conflict(
        format!("\"{path}\" has {} bands named \"{name}\": {}", same.len(), numbers.join(", ")),
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

/// A window of some bands of a raster, and how it is read.
#[derive(Clone, Copy)]
pub struct PatchRequest<'a> {
    /// The file.
    pub source: &'a Source,
    /// Which pixels; it may hang over the edge.
    pub window: Window,
    /// Numbers of bands, from 1.
    pub bands: &'a [usize],
    /// Other bands that are read of the same window next, so that no block is decoded for each of them.
    pub beside: &'a [usize],
    /// How pixels become values.
    pub options: &'a PatchOptions,
}

/// The blocks of one patch, decoded, in the order of [`PatchRequest::block_keys`].
#[derive(Default)]
pub struct PatchBlocks {
    blocks: Vec<Arc<Pixels>>,
    bytes: usize,
}

impl PatchBlocks {
    /// Adds the next block of the patch.
    pub fn push(&mut self, block: Arc<Pixels>) {
        self.bytes += block.bytes();
        self.blocks.push(block);
    }

    /// What the blocks hold in memory, whoever else holds them too.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl PatchRequest<'_> {
    /// How many pixels the patch has.
    pub fn pixels(&self) -> usize {
        pixel_count(&self.window, self.bands.len())
    }

    /// The blocks that the patch lies in, in the order in which [`PatchRequest::copy`] wants them.
    ///
    /// # Errors
    /// A window wholly outside.
    pub fn block_keys(&self) -> Result<Vec<Key>> {
        let mut keys = Vec::new();
        let Some(inside) = self.inside()? else { return Ok(keys) };
        for &band in self.bands {
            let key = |block: BlockPart| Key {
                source: Owner::Raster(self.source.id()),
                band: band as u32,
                mask: block.mask,
                row: block.row as u32,
                col: block.col as u32,
            };
            keys.extend(block_parts(self.source.header(), &inside, band)?.map(key));
        }
        Ok(keys)
    }

    /// Decodes (or finds decoded) every block that the patch lies in.
    ///
    /// # Errors
    /// A window wholly outside, or blocks that cannot be decoded.
    pub fn blocks(&self) -> Result<PatchBlocks> {
        let keys = self.block_keys()?;
        self.source.prepare(&keys)?;
        let mut order: Vec<usize> = (0..keys.len()).collect();
        if self.source.header().together {
            order.sort_unstable_by_key(|i| keys.get(*i).copied());
        }
        let mut found: Vec<Option<Arc<Pixels>>> = vec![None; keys.len()];
        let key = |i: &usize| keys.get(*i).copied();
        let is_beside = |a: &usize, b: &usize| key(a).zip(key(b)).is_some_and(|(a, b)| a.is_beside(&b));
        for group in order.chunk_by(is_beside) {
            go_on()?;
            let group_keys: Vec<Key> = group.iter().filter_map(key).collect();
            for (i, block) in group.iter().zip(self.source.blocks(&group_keys, self.beside)?) {
                if let Some(own) = found.get_mut(*i) {
                    *own = Some(block);
                }
            }
        }
        let mut blocks = PatchBlocks::default();
        found.into_iter().flatten().for_each(|block| blocks.push(block));
        Ok(blocks)
    }

    /// Reads the patch into `out`, `[band, row, col]`, in the type `T`: the file's own, or a float. Returns the runs
    /// of `out` that hold no pixel (nodata, masked, or outside the raster); there are none when a fill value was asked
    /// for.
    ///
    /// # Errors
    /// As [`PatchRequest::blocks`].
    pub fn read<T: Pixel>(&self, out: &mut [T]) -> Result<Gaps> {
        self.copy(&self.blocks()?, out)
    }

    /// [`PatchRequest::read`] from blocks that were decoded for the same patch.
    ///
    /// # Errors
    /// [`Error::Bug`]: another number of pixels, or blocks of another patch.
    pub fn copy<T: Pixel>(&self, blocks: &PatchBlocks, out: &mut [T]) -> Result<Gaps> {
        let window = &self.window;
        if out.len() != self.pixels() {
            return Err(Error::Bug(format!(
                "{} pixels for {window} of {} bands",
                out.len(),
                self.bands.len()
            )));
        }
        let header = self.source.header();
        let Some(inside) = window.clip(header.height, header.width) else {
            return Ok(gaps::fill(gaps::whole(out.len()), self.options.fill, out));
        };
        let mut found = GapsBuilder::default();
        let mut blocks = blocks.blocks.iter();
        for (plane, &band) in self.bands.iter().enumerate() {
            let base = plane * window.area();
            if inside.area() < window.area() {
                outside(window, &inside, base, &mut found);
            }
            let plane = Plane { window, inside: &inside, base };
            self.copy_band(band, &plane, &mut blocks, out, &mut found)?;
        }
        let mut gaps = found.finish();
        if let Some(within) = &self.options.within {
            gaps = within.outside_window(self.source, window)?.cut(gaps, out.len());
        }
        Ok(gaps::fill(gaps, self.options.fill, out))
    }

    /// Refuses pixels, as [`PatchRequest::read`] gave them in `out`, that are other numbers in the file.
    ///
    /// # Errors
    /// [`Error::Unsuited`], and as [`PatchRequest::read`].
    pub fn check_floats(&self, out: &[f32], gaps: &[Range<usize>]) -> Result<()> {
        /// The first that has a neighbour which it hides.
        const FIRST: f32 = 16_777_216.0;
        let area = self.window.area();
        for (plane, &band) in self.bands.iter().enumerate() {
            let metadata = self.source.header().bands.get(band.wrapping_sub(1));
            let suspect = |dtype: Dtype| dtype.is_wide_integer() || dtype == Dtype::Float64;
            let Some(metadata) = metadata.filter(|metadata| suspect(metadata.dtype)) else {
                continue;
            };
            let first = if metadata.dtype == Dtype::Float64 { f32::INFINITY } else { FIRST };
            let (start, end) = (plane * area, (plane + 1) * area);
            // Gaps and a fill value lie there too: whether a pixel does, its own type tells.
            let large = |run: Range<usize>| {
                out.get(run).is_some_and(|run| run.iter().fold(false, |any, v| any | (v.abs() >= first)))
            };
            let mut from = start;
            let inside = gaps.iter().filter(|gap| (start..end).contains(&gap.start));
            let mut any = inside.fold(false, |any, gap| {
                let pixels = from..gap.start;
                from = gap.end.min(end);
                any || large(pixels)
            });
            any = any || large(from..end);
            if !any || Rule::of(metadata, self.options).linear.is_some() {
                continue;
            }
            let within = self.options.within.clone();
            let options =
                PatchOptions { fill: Some(0.0), boundless: true, within, ..PatchOptions::default() };
            let plain = PatchRequest { bands: &[band], options: &options, ..*self };
            with_dtype!(metadata.dtype, P => {
                let mut pixels: Vec<P> = room(area, || "a window".into())?;
                plain.read(&mut pixels)?;
                if metadata.dtype == Dtype::Float64 {
                    return match pixels.iter().find_map(|pixel| pixel.above_float()) {
                        Some(value) => Err(Error::unsuited(self.source.path(), Lack::AboveFloat { band, value })),
                        None => continue,
                    };
                }
                if let Some(value) = pixels.iter().find_map(|pixel| pixel.beyond_float()) {
                    return Err(Error::unsuited(self.source.path(), Lack::BeyondFloat { band, value }));
                }
            });
        }
        Ok(())
    }

    /// The part of the window inside the raster; `None` when there is none and that was allowed.
    fn inside(&self) -> Result<Option<Window>> {
        let header = self.source.header();
        match self.window.clip(header.height, header.width) {
            None if !self.options.boundless => {
                let (height, width) = (header.height, header.width);
                let bounds = Bounds::Raster { path: self.source.path().into(), height, width };
                Err(Error::out_of_range(self.window, bounds))
            }
            inside => Ok(inside),
        }
    }

    /// Copies one band out of the next blocks.
    fn copy_band<'b, T: Pixel>(
        &self,
        band: usize,
        plane: &Plane<'_>,
        blocks: &mut impl Iterator<Item = &'b Arc<Pixels>>,
        out: &mut [T],
        gaps: &mut GapsBuilder,
    ) -> Result<()> {
        let header = self.source.header();
        let metadata =
            header.bands.get(band.wrapping_sub(1)).ok_or_else(|| Error::Bug(format!("no band {band}")))?;
        let rule = Rule::of(metadata, self.options);
        let mut parts = block_parts(header, plane.inside, band)?;
        while let Some(part) = parts.next() {
            let missing = || Error::Bug("a block that was not fetched".into());
            let block = blocks.next().ok_or_else(missing)?;
            let mask = match metadata.masked {
                true => parts.next().and_then(|_| blocks.next()).map(Some).ok_or_else(missing)?,
                false => None,
            };
            copy_part(block, mask, &rule, &plane.shares(&part, header.block), out, gaps)?;
        }
        Ok(())
    }
}

/// Refuses a patch of more bytes than a chunk may take.
///
/// # Errors
/// [`Error::TooLarge`]: a window may name more pixels than there is memory.
pub fn check_patch(window: &Window, bands: usize, pixel_bytes: usize, limits: &Limits) -> Result<()> {
    let bytes = pixel_count(window, bands).saturating_mul(pixel_bytes);
    limits.allow(bytes, || Load::Window { window: window.to_string(), bands })
}

/// One block of pixels, or of their validity.
struct BlockPart {
    row: usize,
    col: usize,
    mask: bool,
}

/// The blocks under a window, row by row, each followed by its mask where the band has one.
fn block_parts(header: &Header, inside: &Window, band: usize) -> Result<impl Iterator<Item = BlockPart>> {
    let metadata =
        header.bands.get(band.wrapping_sub(1)).ok_or_else(|| Error::Bug(format!("no band {band}")))?;
    let (height, width) = header.block;
    let rows = inside.row_off as usize / height..(inside.row_end() as usize).div_ceil(height);
    let cols = inside.col_off as usize / width..(inside.col_end() as usize).div_ceil(width);
    let kinds: &[bool] = if metadata.masked { &[false, true] } else { &[false] };
    Ok(rows.flat_map(move |row| {
        cols.clone().flat_map(move |col| kinds.iter().map(move |&mask| BlockPart { row, col, mask }))
    }))
}

/// Marks the part of a window that lies beyond the raster.
fn outside(window: &Window, inside: &Window, base: usize, gaps: &mut GapsBuilder) {
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

/// Where a band's pixels go: the whole window, its part inside the raster, and the band's first pixel.
struct Plane<'a> {
    window: &'a Window,
    inside: &'a Window,
    base: usize,
}

impl Plane<'_> {
    /// What the window and a block share.
    fn shares(&self, part: &BlockPart, (height, width): (usize, usize)) -> Part {
        let (window, inside) = (self.window, self.inside);
        let rows = (inside.row_off as usize).max(part.row * height)
            ..(inside.row_end() as usize).min((part.row + 1) * height);
        let cols = (inside.col_off as usize).max(part.col * width)
            ..(inside.col_end() as usize).min((part.col + 1) * width);
        Part {
            from: (rows.start - part.row * height) * width + cols.start - part.col * width,
            from_width: width,
            to: self.base
                + (rows.start as i64 - window.row_off) as usize * window.width as usize
                + (cols.start as i64 - window.col_off) as usize,
            to_width: window.width as usize,
            height: rows.len(),
            width: cols.len(),
        }
    }
}

/// What turns a stored pixel into a value or into nothing.
struct Rule {
    nodata: Option<Nodata>,
    linear: Option<(f64, f64)>,
}

impl Rule {
    fn of(band: &Band, options: &PatchOptions) -> Rule {
        let linear = (band.scale.unwrap_or(1.0), band.offset.unwrap_or(0.0));
        Rule {
            nodata: options.nodata.map(Nodata::Float).or(band.nodata.filter(|_| !band.masked)),
            linear: (options.scaled && linear != (1.0, 0.0)).then_some(linear),
        }
    }
}

/// What a window and a block share: its first pixel in each, and the rows of each.
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

    /// The offset of each row in the patch.
    fn offsets(&self) -> impl Iterator<Item = usize> + use<> {
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
    gaps: &mut GapsBuilder,
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
            for (row, to) in part.rows(values)?.zip(part.offsets()) {
                mark_nodata(row, nodata, to, gaps);
            }
        });
    }
    if let Some(mask) = mask {
        let values = u8::view(mask).ok_or_else(|| Error::Bug("a mask that is not bytes".into()))?;
        for (row, to) in part.rows(values)?.zip(part.offsets()) {
            gaps.add_where(row, to, |m| *m == 0);
        }
    }
    Ok(())
}

fn mark_nodata<P: Pixel>(values: &[P], nodata: Nodata, to: usize, gaps: &mut GapsBuilder) {
    if let Some(nodata) = P::nodata(nodata) {
        gaps.add_where(values, to, |v| v.is(nodata));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_the_raster_is_a_gap() {
        let window = Window::new(-1, -1, 3, 3).unwrap();
        let inside = window.clip(10, 10).unwrap();
        let mut gaps = GapsBuilder::default();
        outside(&window, &inside, 0, &mut gaps);
        assert_eq!(gaps.finish(), [0..4, 6..7]);
    }
}
