//! GDAL's warper over pixels that the caller hands over: GDAL decides which window of the source it wants and
//! asks for it, so that pixels come out of our own block cache and no lock of GDAL's is met on the way.
//!
//! What is planned once: the transformation between two grids, kept by each thread and moved from slice to slice.

#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::rc::Rc;

use gdal_sys as sys;

use crate::affine::Affine;
use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Result};
use crate::format::gdal::burn::progress;
use crate::format::gdal::start;
use crate::kept::Kept;
use crate::projection::spatial_ref;
use crate::resampling::Resampling;
use crate::window::Window;
use crate::workers::{go_on, is_interrupted};

/// GDAL's own number.
fn algorithm(resampling: Resampling) -> sys::GDALResampleAlg::Type {
    use sys::GDALResampleAlg as alg;
    match resampling {
        Resampling::Nearest => alg::GRA_NearestNeighbour,
        Resampling::Bilinear => alg::GRA_Bilinear,
        Resampling::Cubic => alg::GRA_Cubic,
        Resampling::CubicSpline => alg::GRA_CubicSpline,
        Resampling::Lanczos => alg::GRA_Lanczos,
        Resampling::Average => alg::GRA_Average,
        Resampling::Mode => alg::GRA_Mode,
        Resampling::Max => alg::GRA_Max,
        Resampling::Min => alg::GRA_Min,
        Resampling::Med => alg::GRA_Med,
        Resampling::Q1 => alg::GRA_Q1,
        Resampling::Q3 => alg::GRA_Q3,
        Resampling::Sum => alg::GRA_Sum,
        Resampling::Rms => alg::GRA_RMS,
    }
}

/// Pixels on the map: what the warper needs to know of a file or of a slice.
#[derive(Debug, Clone, Copy)]
pub struct Grid<'a> {
    /// Its CRS.
    pub crs: &'a str,
    /// From pixels to the CRS.
    pub affine: Affine,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Of a source in degrees that is laid around the globe, more than one turn of it.
    pub turn: Option<Turn>,
}

/// What GDAL cannot see of a source that is laid around the globe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// Positions come within half a turn of this longitude.
    pub centre: f64,
    /// Positions on the far side of the globe are warped with the opposite centre.
    pub twice: bool,
    /// Columns of the source under one of the target, where the target reaches so far around that GDAL would count
    /// some of them twice.
    pub under: Option<f64>,
}

/// How one band is warped.
#[derive(Debug, Clone, Copy)]
pub struct Rule<T> {
    /// How a pixel is made of those around it.
    pub resampling: Resampling,
    /// How far, in pixels of the source, the interpolated position of a pixel may lie from the exact one; 0 is exact.
    pub tolerance: f64,
    /// The source's value for no pixel.
    pub nodata: Option<T>,
}

/// Hands over one window of the source, row-major: its pixels, or which of them are valid (0 is none).
pub type Fetch<'a, T> = dyn Fn(&Window, &mut [T]) -> Result<()> + 'a;

/// Where the source's pixels come from, and which of them are valid where it has a mask instead of a nodata value.
pub struct Pixels<'a, T> {
    /// Gives pixels of a window.
    pub image: &'a Fetch<'a, T>,
    /// Gives which of them are pixels.
    pub mask: Option<&'a Fetch<'a, u8>>,
}

/// One band on the new grid, row-major.
pub struct Warped<T> {
    /// In rows.
    pub pixels: Vec<T>,
    /// 0 where there is no pixel.
    pub valid: Vec<u8>,
}

/// Warps one band from one grid onto another; `None` when the two do not meet.
///
/// # Errors
/// A CRS that PROJ does not know, a pair without a transformation, or what `pixels` returns.
pub fn warp<T: Pixel>(
    from: &Grid<'_>,
    to: &Grid<'_>,
    rule: &Rule<T>,
    pixels: &Pixels<'_, T>,
) -> Result<Option<Warped<T>>> {
    let near = warp_once(from, to, rule, pixels)?;
    let Some(turn) = from.turn.filter(|turn| turn.twice) else { return Ok(near) };
    let Some(mut near) = near else { return Ok(None) };
    let opposite = Grid { turn: Some(Turn { centre: turn.centre + 180.0, ..turn }), ..*from };
    let Some(far) = warp_once(&opposite, to, rule, pixels)? else { return Ok(Some(near)) };
    // Beyond the world, where some pixel has no position, GDAL's way with the ends must do.
    let Some(positions) = positions(from, to, 0.0)? else { return Ok(Some(near)) };
    let cells = near.pixels.iter_mut().zip(&mut near.valid).zip(far.pixels.iter().zip(&far.valid));
    for (((pixel, valid), (far, there)), col) in cells.zip(&positions.x) {
        if (from.affine.x(*col) - turn.centre).abs() > 90.0 {
            (*pixel, *valid) = (*far, *there);
        }
    }
    Ok(Some(near))
}

fn warp_once<T: Pixel>(
    from: &Grid<'_>,
    to: &Grid<'_>,
    rule: &Rule<T>,
    pixels: &Pixels<'_, T>,
) -> Result<Option<Warped<T>>> {
    start();
    let plan = plan(from, to, rule.tolerance)?;
    let image = PixelSource { fetch: pixels.image, failed: RefCell::default(), asked: Cell::new(false) };
    let mask =
        pixels.mask.map(|fetch| PixelSource { fetch, failed: RefCell::default(), asked: Cell::new(false) });
    let source = source::<T>(from, &image, mask.as_ref())?;
    let target = Target::of::<T>(to, rule)?;
    let under = from.turn.and_then(|turn| turn.under);
    let done = run(&source, &target, &plan, rule, under);
    // What a callback met says more than what GDAL makes of it.
    let masked = mask.and_then(|mask| mask.failed.take());
    if let Some(error) = image.failed.take().or(masked) {
        return Err(error);
    }
    done?;
    if !image.asked.get() {
        return Ok(None);
    }
    target.read(rule).map(Some)
}

// ---------------------------------------------------------------------------------------------------
// Plans

/// A transformation from the pixels of a slice to those of a source, and back.
struct Plan(*mut c_void);

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: we own the transformer, and it owns the one inside it.
        unsafe { sys::GDALDestroyTransformer(self.0) }
    }
}

/// What a transformation depends on: not on where in its CRS the slice lies.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    from: String,
    affine: [u64; 6],
    size: (usize, usize),
    turn: Option<u64>,
    to: String,
    tolerance: u64,
}

impl Key {
    fn of(from: &Grid<'_>, to: &Grid<'_>, tolerance: f64) -> Key {
        Key {
            from: from.crs.into(),
            affine: from.affine.0.map(f64::to_bits),
            size: (from.height, from.width),
            turn: from.turn.map(|turn| turn.centre.to_bits()),
            to: to.crs.into(),
            tolerance: tolerance.to_bits(),
        }
    }
}

/// Where the pixels of a grid lie in a source: fractional columns and rows of their centres, row-major over the
/// grid, where the centre of the source's first pixel is at (0.5, 0.5).
pub struct Positions {
    /// Columns of the source.
    pub x: Vec<f64>,
    /// Rows of the source.
    pub y: Vec<f64>,
}

/// The positions of `to`'s pixels in `from`, as the warper would find them; `None` where some pixel has none. The last
/// grid's are kept by each thread, since files of one series and bands of one file share them.
///
/// # Errors
/// A CRS that PROJ does not know, or a pair without a transformation.
pub fn positions(from: &Grid<'_>, to: &Grid<'_>, tolerance: f64) -> Result<Option<Rc<Positions>>> {
    type Last = (Key, [u64; 6], (usize, usize), Option<Rc<Positions>>);
    thread_local! {
        static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    start();
    let key = Key::of(from, to, tolerance);
    let (affine, size) = (to.affine.0.map(f64::to_bits), (to.height, to.width));
    LAST.with_borrow_mut(|last| {
        if let Some((k, a, s, positions)) = last
            && (&*k, &*a, &*s) == (&key, &affine, &size)
        {
            return Ok(positions.clone());
        }
        let positions = find_positions(&*plan(from, to, tolerance)?, to, tolerance)?.map(Rc::new);
        *last = Some((key, affine, size, positions.clone()));
        Ok(positions)
    })
}

fn find_positions(plan: &Plan, to: &Grid<'_>, tolerance: f64) -> Result<Option<Positions>> {
    let (height, width) = (to.height, to.width);
    let Ok(count) = c_int::try_from(width) else { return Ok(None) };
    let mut positions =
        Positions { x: Vec::with_capacity(height * width), y: Vec::with_capacity(height * width) };
    let (mut z, mut found) = (vec![0.0; width], vec![0 as c_int; width]);
    for row in 0..height {
        go_on()?;
        let begin = positions.x.len();
        positions.x.extend((0..width).map(|col| col as f64 + 0.5));
        positions.y.resize(begin + width, row as f64 + 0.5);
        let Some((x, y)) = positions.x.get_mut(begin..).zip(positions.y.get_mut(begin..)) else {
            return Ok(None);
        };
        z.fill(0.0);
        let transform =
            if tolerance <= 0.0 { sys::GDALGenImgProjTransform } else { sys::GDALApproxTransform };
        // SAFETY: the plan is this thread's own; the four arrays have `width` elements each.
        unsafe {
            transform(plan.0, 1, count, x.as_mut_ptr(), y.as_mut_ptr(), z.as_mut_ptr(), found.as_mut_ptr());
        }
        let sound = |(x, (y, found)): (&f64, (&f64, &c_int))| *found != 0 && x.is_finite() && y.is_finite();
        if !x.iter().zip(y.iter().zip(&found)).all(sound) {
            return Ok(None);
        }
    }
    Ok(Some(positions))
}

/// Plans that a thread keeps.
const KEPT_PLANS: usize = 128;

/// The plan for two grids, from this thread's own or made now.
fn plan(from: &Grid<'_>, to: &Grid<'_>, tolerance: f64) -> Result<Rc<Plan>> {
    thread_local! {
        static PLANS: RefCell<Kept<Key, Rc<Plan>>> = const { RefCell::new(Kept::new(KEPT_PLANS)) };
    }
    let key = Key::of(from, to, tolerance);
    PLANS.with_borrow_mut(|plans| {
        let plan = plans.get_or_make(key, || make_plan(from, to, tolerance).map(Rc::new))?.clone();
        // SAFETY: the transformer is alive and this thread's own; six numbers are read.
        unsafe { sys::GDALSetTransformerDstGeoTransform(plan.0, to.affine.0.as_ptr()) };
        Ok(plan)
    })
}

fn make_plan(from: &Grid<'_>, to: &Grid<'_>, tolerance: f64) -> Result<Plan> {
    let impossible = || Error::Unprojectable {
        what: "pixels".into(),
        from: crate::crs::Crs::new(from.crs).to_string(),
        to: crate::crs::Crs::new(to.crs).to_string(),
    };
    let exact = match from.turn {
        Some(turn) => around_globe(from, to, turn.centre)?,
        None => between_rasters(from, to)?,
    };
    if exact.is_null() {
        return Err(impossible());
    }
    let exact = Plan(exact);
    if tolerance <= 0.0 {
        return Ok(exact);
    }
    // SAFETY: the exact transformer goes over to the approximate one, which destroys it.
    unsafe {
        let arg = sys::GDALCreateApproxTransformer(Some(sys::GDALGenImgProjTransform), exact.0, tolerance);
        if arg.is_null() {
            return Err(impossible());
        }
        sys::GDALApproxTransformerOwnsSubtransformer(arg, 1);
        std::mem::forget(exact);
        Ok(Plan(arg))
    }
}

/// GDAL's own choice, which knows how far each raster reaches; null where it finds none.
fn between_rasters(from: &Grid<'_>, to: &Grid<'_>) -> Result<*mut c_void> {
    let source = virtual_raster(from)?;
    let target = virtual_raster(to)?;
    for (dataset, grid) in [(&source, from), (&target, to)] {
        let srs = spatial_ref(grid.crs)?;
        // SAFETY: both are alive; GDAL copies the CRS and the six numbers.
        let failed = unsafe {
            sys::GDALSetSpatialRef(dataset.0, srs.to_c_hsrs()) != sys::CPLErr::CE_None
                || sys::GDALSetGeoTransform(dataset.0, grid.affine.0.as_ptr()) != sys::CPLErr::CE_None
        };
        if failed {
            return Err(Error::Bug(format!("GDAL takes no georeference: {}", said())));
        }
    }
    // A pixel for a unit of the CRS is a transform like any other.
    let options = Texts::new(&[("SRC_METHOD", "GEOTRANSFORM"), ("DST_METHOD", "GEOTRANSFORM")]);
    // SAFETY: the datasets and the options are alive; the transformer keeps none of them.
    Ok(unsafe { sys::GDALCreateGenImgProjTransformer2(source.0, target.0, options.0.cast()) })
}

/// GDAL centres no raster of more than a turn, so it is told where; null where it finds no transformation.
fn around_globe(from: &Grid<'_>, to: &Grid<'_>, centre: f64) -> Result<*mut c_void> {
    let (source, target) = (spatial_ref(from.crs)?, spatial_ref(to.crs)?);
    let options = Texts::new(&[("CENTER_LONG", &centre.to_string())]);
    // SAFETY: the CRSs, the numbers and the options are alive; GDAL copies them all.
    Ok(unsafe {
        sys::GDALCreateGenImgProjTransformer4(
            source.to_c_hsrs(),
            from.affine.0.as_ptr(),
            target.to_c_hsrs(),
            to.affine.0.as_ptr(),
            options.0.cast_const().cast(),
        )
    })
}

// ---------------------------------------------------------------------------------------------------
// Datasets

/// A dataset of our own making, closed with its owner.
struct Owned(sys::GDALDatasetH);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: we own the handle and close it once.
        unsafe {
            sys::GDALClose(self.0);
        }
    }
}

type ReadFn = unsafe extern "C" fn(*mut c_void, c_int, c_int, c_int, c_int, *mut c_void) -> sys::CPLErr::Type;

// gdal_vrt.h, for which gdal-sys has no bindings.
unsafe extern "C" {
    fn VRTCreate(width: c_int, height: c_int) -> sys::GDALDatasetH;
    fn VRTAddFuncSource(
        band: sys::GDALRasterBandH,
        read: ReadFn,
        data: *mut c_void,
        nodata: f64,
    ) -> sys::CPLErr::Type;
}

/// GDAL's word for "no nodata value" in a virtual raster.
const VRT_NODATA_UNSET: f64 = -1234.56;

fn sides(grid: &Grid<'_>) -> Result<(c_int, c_int)> {
    match (c_int::try_from(grid.width), c_int::try_from(grid.height)) {
        (Ok(width), Ok(height)) => Ok((width, height)),
        _ => Err(Error::Bug(format!("a grid of {} x {}", grid.height, grid.width))),
    }
}

fn virtual_raster(grid: &Grid<'_>) -> Result<Owned> {
    let (width, height) = sides(grid)?;
    // SAFETY: plain numbers; a null is looked at below.
    let dataset = unsafe { VRTCreate(width, height) };
    if dataset.is_null() {
        return Err(Error::Bug(format!("GDAL makes no virtual raster: {}", said())));
    }
    Ok(Owned(dataset))
}

/// What GDAL's callback gets its pixels from, and what it met.
struct PixelSource<'a, T> {
    fetch: &'a Fetch<'a, T>,
    failed: RefCell<Option<Error>>,
    asked: Cell<bool>,
}

unsafe extern "C" fn give_pixels<T: Pixel>(
    data: *mut c_void,
    col: c_int,
    row: c_int,
    width: c_int,
    height: c_int,
    pixels: *mut c_void,
) -> sys::CPLErr::Type {
    // SAFETY: `data` is the source that outlives the dataset; GDAL asks for a window inside the raster and gives
    // room for it, zeroed, in the band's own type (VRTFuncSource refuses any other request).
    let (source, room) = unsafe {
        let area = width as usize * height as usize;
        (&*data.cast::<PixelSource<'_, T>>(), std::slice::from_raw_parts_mut(pixels.cast::<T>(), area))
    };
    source.asked.set(true);
    let work = || {
        let window = Window::new(i64::from(row), i64::from(col), i64::from(height), i64::from(width))?;
        (source.fetch)(&window, room)
    };
    let result = catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::Bug("a panic while pixels were fetched".into())));
    match result {
        Ok(()) => sys::CPLErr::CE_None,
        Err(error) => {
            source.failed.replace(Some(error));
            sys::CPLErr::CE_Failure
        }
    }
}

/// A virtual raster of one band whose pixels the sources give. It must not outlive them.
fn source<T: Pixel>(
    grid: &Grid<'_>,
    image: &PixelSource<'_, T>,
    mask: Option<&PixelSource<'_, u8>>,
) -> Result<Owned> {
    let dataset = virtual_raster(grid)?;
    let refused = || Error::Bug(format!("GDAL takes no source: {}", said()));
    // SAFETY: the dataset is alive, and the caller keeps the sources alive until it is closed.
    unsafe {
        if sys::GDALAddBand(dataset.0, code(T::DTYPE), null_mut()) != sys::CPLErr::CE_None {
            return Err(refused());
        }
        let band = sys::GDALGetRasterBand(dataset.0, 1);
        let data = std::ptr::from_ref(image).cast_mut().cast::<c_void>();
        if VRTAddFuncSource(band, give_pixels::<T>, data, VRT_NODATA_UNSET) != sys::CPLErr::CE_None {
            return Err(refused());
        }
        if let Some(mask) = mask {
            const PER_DATASET: c_int = 2;
            let data = std::ptr::from_ref(mask).cast_mut().cast::<c_void>();
            if sys::GDALCreateDatasetMaskBand(dataset.0, PER_DATASET) != sys::CPLErr::CE_None
                || VRTAddFuncSource(sys::GDALGetMaskBand(band), give_pixels::<u8>, data, VRT_NODATA_UNSET)
                    != sys::CPLErr::CE_None
            {
                return Err(refused());
            }
        }
    }
    Ok(dataset)
}

/// A raster in memory for one band, and a second one for its validity where no nodata value says it.
struct Target {
    dataset: Owned,
    width: c_int,
    height: c_int,
}

impl Target {
    fn of<T: Pixel>(grid: &Grid<'_>, rule: &Rule<T>) -> Result<Target> {
        let (width, height) = sides(grid)?;
        let refused = || Error::Bug(format!("GDAL makes no raster in memory: {}", said()));
        // SAFETY: the driver is registered by `start`; a null handle is looked at; band 1 exists.
        unsafe {
            let driver = sys::GDALGetDriverByName(c"MEM".as_ptr());
            let raw = sys::GDALCreate(driver, c"".as_ptr(), width, height, 1, code(T::DTYPE), null_mut());
            if raw.is_null() {
                return Err(refused());
            }
            let dataset = Owned(raw);
            let failed = match rule.nodata {
                // A part of the slice that GDAL leaves out must not look like pixels.
                Some(nodata) => {
                    let band = sys::GDALGetRasterBand(dataset.0, 1);
                    sys::GDALFillRaster(band, nodata.f64(), 0.0)
                }
                None => sys::GDALAddBand(dataset.0, sys::GDALDataType::GDT_Byte, null_mut()),
            };
            if failed != sys::CPLErr::CE_None {
                return Err(refused());
            }
            Ok(Target { dataset, width, height })
        }
    }

    fn band<T: Pixel>(&self, number: c_int) -> Result<Vec<T>> {
        let mut pixels = vec![T::default(); self.width as usize * self.height as usize];
        // SAFETY: the buffer has room for the whole band in the type that is named.
        let result = unsafe {
            sys::GDALRasterIO(
                sys::GDALGetRasterBand(self.dataset.0, number),
                sys::GDALRWFlag::GF_Read,
                0,
                0,
                self.width,
                self.height,
                pixels.as_mut_ptr().cast(),
                self.width,
                self.height,
                code(T::DTYPE),
                0,
                0,
            )
        };
        match result {
            sys::CPLErr::CE_None => Ok(pixels),
            _ => Err(Error::Bug(format!("a raster in memory cannot be read: {}", said()))),
        }
    }

    fn read<T: Pixel>(&self, rule: &Rule<T>) -> Result<Warped<T>> {
        let pixels = self.band::<T>(1)?;
        let valid = match rule.nodata {
            Some(nodata) => pixels.iter().map(|v| u8::from(!v.is(nodata))).collect(),
            None => self.band::<u8>(2)?,
        };
        Ok(Warped { pixels, valid })
    }
}

fn code(dtype: Dtype) -> sys::GDALDataType::Type {
    use sys::GDALDataType as ty;
    match dtype {
        Dtype::Int8 => ty::GDT_Int8,
        Dtype::UInt8 => ty::GDT_Byte,
        Dtype::Int16 => ty::GDT_Int16,
        Dtype::UInt16 => ty::GDT_UInt16,
        Dtype::Int32 => ty::GDT_Int32,
        Dtype::UInt32 => ty::GDT_UInt32,
        Dtype::Int64 => ty::GDT_Int64,
        Dtype::UInt64 => ty::GDT_UInt64,
        Dtype::Float32 => ty::GDT_Float32,
        Dtype::Float64 => ty::GDT_Float64,
    }
}

// ---------------------------------------------------------------------------------------------------
// The operation

/// Texts by name, in GDAL's own allocation.
struct Texts(*mut *mut c_char);

impl Texts {
    fn new(pairs: &[(&str, &str)]) -> Texts {
        let mut list = null_mut();
        for (name, value) in pairs {
            let (Ok(name), Ok(value)) = (CString::new(*name), CString::new(*value)) else { continue };
            // SAFETY: GDAL copies both texts into the list that it gives back.
            list = unsafe { sys::CSLSetNameValue(list, name.as_ptr(), value.as_ptr()) };
        }
        Texts(list)
    }
}

impl Drop for Texts {
    fn drop(&mut self) {
        // SAFETY: we own the list; null is none.
        unsafe { sys::CSLDestroy(self.0) }
    }
}

/// GDAL's options, destroyed with their owner together with all that was allocated into them.
struct Options(*mut sys::GDALWarpOptions);

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: we own the options.
        unsafe { sys::GDALDestroyWarpOptions(self.0) }
    }
}

/// A number in GDAL's own allocation.
///
/// # Safety
/// `T` is plain data.
unsafe fn alloc<T: Copy>(value: T) -> *mut T {
    // SAFETY: CPLMalloc ends the process rather than give null.
    unsafe {
        let allocated = sys::CPLMalloc(size_of::<T>()).cast::<T>();
        allocated.write(value);
        allocated
    }
}

fn run<T: Pixel>(
    source: &Owned,
    target: &Target,
    plan: &Plan,
    rule: &Rule<T>,
    under: Option<f64>,
) -> Result<()> {
    let initial = if rule.nodata.is_some() { "NO_DATA" } else { "0" };
    // A slice of which nothing can be projected into the source is one that it does not touch.
    let mut texts = vec![("INIT_DEST", initial), ("ERROR_OUT_IF_EMPTY_SOURCE_WINDOW", "FALSE")];
    // GDAL, too, takes what is nearly whole as whole.
    let whole = |under: f64| if (under - under.round()).abs() < 0.05 { under.round() } else { under };
    let scale = under.map(|under| (1.0 / whole(under.max(1.0))).to_string());
    texts.extend(scale.as_deref().map(|scale| ("XSCALE", scale)));
    let texts = Texts::new(&texts);
    let exact = rule.tolerance <= 0.0;
    // SAFETY: every pointer in the options is either alive for this call or allocated by GDAL and destroyed with
    // them; the operation copies the options and is destroyed before what they point to.
    let result = unsafe {
        let options = Options(sys::GDALCreateWarpOptions());
        let o = &mut *options.0;
        o.eResampleAlg = algorithm(rule.resampling);
        o.eWorkingDataType = code(T::DTYPE);
        o.hSrcDS = source.0;
        o.hDstDS = target.dataset.0;
        o.nBandCount = 1;
        o.panSrcBands = alloc(1);
        o.panDstBands = alloc(1);
        match rule.nodata {
            Some(nodata) => {
                o.padfSrcNoDataReal = alloc(nodata.f64());
                o.padfDstNoDataReal = alloc(nodata.f64());
            }
            None => o.nDstAlphaBand = 2,
        }
        o.pfnTransformer =
            if exact { Some(sys::GDALGenImgProjTransform) } else { Some(sys::GDALApproxTransform) };
        o.pTransformerArg = plan.0;
        o.pfnProgress = Some(progress);
        o.papszWarpOptions = texts.0;
        std::mem::forget(texts);
        sys::CPLErrorReset();
        let operation = sys::GDALCreateWarpOperation(options.0);
        if operation.is_null() {
            return Err(Error::Bug(format!("GDAL makes no warp operation: {}", said())));
        }
        let result = sys::GDALChunkAndWarpImage(operation, 0, 0, target.width, target.height);
        sys::GDALDestroyWarpOperation(operation);
        result
    };
    match result {
        sys::CPLErr::CE_None | sys::CPLErr::CE_Debug | sys::CPLErr::CE_Warning => Ok(()),
        _ if is_interrupted() => Err(Error::Interrupted),
        _ => Err(Error::conflict(format!("cannot warp: {}", said()), "")),
    }
}

/// GDAL's last message on this thread.
fn said() -> String {
    // SAFETY: GDAL's text is alive until the next error of this thread.
    let text = unsafe { CStr::from_ptr(sys::CPLGetLastErrorMsg()) };
    text.to_string_lossy().trim().to_string()
}

/// Whether a band holds floats of 16 bits, a type that the bindings do not name.
pub fn is_half(band: &gdal::raster::RasterBand<'_>) -> bool {
    const HALF: sys::GDALDataType::Type = 15;
    // SAFETY: the band is open.
    unsafe { sys::GDALGetRasterDataType(band.c_rasterband()) == HALF }
}
