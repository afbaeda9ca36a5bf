//! How pixels of one grid become pixels of another.

use crate::dtype::Dtype;

/// How a pixel is made from the source's pixels around it: GDAL's methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resampling {
    /// The pixel that the point lies in.
    Nearest,
    /// Weighed over 2 x 2 pixels.
    Bilinear,
    /// Weighed over 4 x 4 pixels, through them.
    Cubic,
    /// Weighed over 4 x 4 pixels, smoothed.
    CubicSpline,
    /// Weighed over 6 x 6 pixels by a windowed sinc.
    Lanczos,
    /// The mean of the pixels below.
    Average,
    /// The value that is most frequent below.
    Mode,
    /// The largest value below.
    Max,
    /// The smallest value below.
    Min,
    /// The median below.
    Med,
    /// The first quartile below.
    Q1,
    /// The third quartile below.
    Q3,
    /// The sum of the pixels below, by their share.
    Sum,
    /// The root of the mean square below.
    Rms,
}

/// By the names that gdalwarp and rasterio use.
pub const RESAMPLINGS: [(&str, Resampling); 15] = [
    ("nearest", Resampling::Nearest),
    ("bilinear", Resampling::Bilinear),
    ("cubic", Resampling::Cubic),
    ("cubic_spline", Resampling::CubicSpline),
    ("cubicspline", Resampling::CubicSpline),
    ("lanczos", Resampling::Lanczos),
    ("average", Resampling::Average),
    ("mode", Resampling::Mode),
    ("max", Resampling::Max),
    ("min", Resampling::Min),
    ("med", Resampling::Med),
    ("q1", Resampling::Q1),
    ("q3", Resampling::Q3),
    ("sum", Resampling::Sum),
    ("rms", Resampling::Rms),
];

impl Resampling {
    /// Each pixel is one of the source's, never a number between them.
    pub fn is_selection(self) -> bool {
        use Resampling::{Max, Med, Min, Mode, Nearest, Q1, Q3};
        matches!(self, Nearest | Mode | Max | Min | Med | Q1 | Q3)
    }

    /// Takes all pixels of the source that a pixel covers, instead of weighing those around its centre.
    pub fn is_by_area(self) -> bool {
        use Resampling::{Average, Max, Med, Min, Mode, Q1, Q3, Rms, Sum};
        matches!(self, Average | Max | Med | Min | Mode | Q1 | Q3 | Rms | Sum)
    }
}

/// How the pixels of one file come onto a slice's grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warp {
    /// How a pixel is made of those around it.
    pub resampling: Resampling,
    /// In pixels of the file; 0 projects every pixel.
    pub tolerance: f64,
    /// `pixel * scale + offset`, computed before any resampling, in float64.
    pub scaled: bool,
    /// The stored value that is none, in place of the one that the file tells.
    pub nodata: Option<f64>,
    /// The type in which pixels are weighed and rounded; `None` is the band's own.
    pub dtype: Option<Dtype>,
}
