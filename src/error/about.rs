//! What an error is about, within its kind, and how that reads.

use std::fmt;

use crate::crs::short;
use crate::dtype::Dtype;
use crate::error::cause::Cause;
use crate::error::nearest::suggestion;

/// How a path leads nowhere.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq)]
pub enum Absence {
    /// No such file.
    File,
    /// A pattern that matches nothing.
    Glob,
    /// A URL of which its file system says so, or that we may not read.
    Remote(Cause),
}

impl Absence {
    pub(super) fn tell(&self, path: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absence::File if path.contains('*') => {
                write!(f, "\"{path}\" does not exist\nOne file is wanted here, not a glob")
            }
            Absence::File => write!(f, "\"{path}\" does not exist"),
            Absence::Glob => write!(f, "no file matches \"{path}\""),
            Absence::Remote(cause) => write!(f, "\"{path}\" does not exist, or may not be read: {cause}"),
        }
    }
}

/// The part of a file that cannot be read.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// All of it: it does not open.
    Whole,
    /// Bytes of a remote file, both inclusive.
    Bytes { first: u64, last: u64 },
    /// Pixels of one band, counted from 1.
    Band { band: usize, window: String },
    /// Values of a variable.
    Variable(String),
}

impl Part {
    pub(super) fn tell(&self, path: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Whole => write!(f, "cannot open \"{path}\""),
            Part::Bytes { first, last } => write!(f, "cannot read bytes {first} to {last} of \"{path}\""),
            Part::Band { band, window } => write!(f, "cannot read band {band}, {window} of \"{path}\""),
            Part::Variable(name) => write!(f, "cannot read variable \"{name}\" of \"{path}\""),
        }
    }
}

/// What a file that opens is, where another kind is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// A table of numbers or text.
    Table,
    /// An array file, for a vector file.
    Array,
    /// A vector file, for a raster.
    Vector,
    /// A raster, for a vector file.
    Raster,
    /// Both a raster and vector layers, where one is to be chosen.
    Both,
}

/// Why a file that opens does not serve.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq)]
pub enum Lack {
    /// A folder is not a file.
    Directory,
    /// Of another kind than is wanted.
    Kind(Other),
    /// No bands; the names of the rasters in it, if any.
    Bands(Vec<String>),
    /// Another number of bands than the first of several files.
    BandCount { own: usize, first: usize },
    /// Pixels of another type than those of the files before it.
    PixelType { own: Dtype, before: Dtype },
    /// Without a CRS.
    Crs,
    /// Without a geotransform.
    Transform,
    /// A transform that is not north-up.
    Rotated([f64; 6]),
    /// Pixels of a complex type.
    Complex(String),
    /// A whole number that FLOAT cannot hold exactly, in a band counted from 1.
    BeyondFloat { band: usize, value: i128 },
    /// A number beyond the largest FLOAT, in a band counted from 1.
    AboveFloat { band: usize, value: f64 },
    /// No feature with a geometry, in any of these layers.
    Features(Vec<String>),
    /// None of these variables has coordinates on the map.
    Coordinates(Vec<String>),
    /// A time axis that tells no times.
    Times { variable: String, problem: String },
    /// A tag that is to tell the time and does not.
    Tag { name: String, value: String },
}

impl Lack {
    pub(super) fn tell(&self, path: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Directory => {
                let folder = path.trim_end_matches('/');
                write!(f, "\"{path}\" is a directory\nTo take the files in it, write \"{folder}/**/*.tif\"")
            }
            Lack::Kind(other) => write!(
                f,
                "\"{path}\" {}",
                match other {
                    Other::Table => "is a Parquet file, which is a table to DuckDB",
                    Other::Array => "is an array file, neither a raster nor a vector file",
                    Other::Vector => "is a vector file, not a raster",
                    Other::Raster => "is a raster, not a vector file",
                    Other::Both => "holds both a raster and vector layers",
                }
            ),
            Lack::Bands(names) if names.is_empty() => write!(f, "\"{path}\" has zero bands"),
            Lack::Bands(names) => write!(
                f,
                "\"{path}\" has zero bands; it holds {} subdatasets\nName one of them: {}",
                names.len(),
                names.join(", ")
            ),
            Lack::PixelType { own, before } => {
                write!(f, "\"{path}\" has {own} pixels, and the files before it {before}")
            }
            Lack::BandCount { own, first } => {
                write!(f, "\"{path}\" has {own} bands, and the first file {first}")
            }
            Lack::Crs => write!(
                f,
                "\"{path}\" has no CRS\nWrite one into the file or a side file, for example with gdal_edit -a_srs EPSG:4326"
            ),
            Lack::Transform => {
                write!(f, "\"{path}\" has no geotransform, so its pixels have no place on the map")
            }
            Lack::Rotated(transform) => write!(
                f,
                "\"{path}\" has a rotated transform {transform:?}\nWarp it north-up first, for example with gdalwarp"
            ),
            Lack::Complex(dtype) => {
                write!(f, "\"{path}\" has complex pixels ({dtype}), which have no real value")
            }
            Lack::AboveFloat { band, value } => {
                write!(
                    f,
                    "\"{path}\" has a pixel of {value:e} in band {band}, which is beyond the largest FLOAT"
                )
            }
            Lack::BeyondFloat { band, value } => {
                write!(f, "\"{path}\" has a pixel of {value} in band {band}, which FLOAT cannot hold exactly")
            }
            Lack::Features(layers) => {
                write!(f, "\"{path}\" holds no features with a geometry")?;
                if !layers.is_empty() {
                    write!(f, " in its layers {}", layers.join(", "))?;
                }
                f.write_str(", so it has no place on the map")
            }
            Lack::Coordinates(variables) => write!(
                f,
                "\"{path}\" has no place on the map: none of its variables has coordinates that CF tells x and y by\nIts variables are {}",
                variables.join(", ")
            ),
            Lack::Times { variable, problem } => {
                write!(f, "the time axis \"{variable}\" of \"{path}\" {problem}")
            }
            Lack::Tag { name, value } => write!(
                f,
                "the tag \"{name}\" of \"{path}\" is \"{value}\", not a time such as 2018:01:31 23:59:59 or 2018-01-31T23:59:59Z"
            ),
        }
    }
}

/// What a file does not have, among others that it has.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// By number, or by name in quotes.
    Band,
    /// By number, or by name in quotes.
    Layer,
    /// By name, of a layer.
    Field { layer: String },
    /// By name, of an array file.
    Variable,
    /// By its name, among what a file says of itself.
    Tag,
}

impl Member {
    pub(super) fn tell(
        &self,
        path: &str,
        name: &str,
        available: &[String],
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let there = if available.is_empty() { "none".into() } else { available.join(", ") };
        match self {
            Member::Band => write!(f, "\"{path}\" has no band {name}: it has {there}"),
            Member::Layer => write!(f, "\"{path}\" has no layer {name}: it has {there}"),
            Member::Field { layer } => {
                write!(f, "layer \"{layer}\" of \"{path}\" has no field \"{name}\": it has {there}")
            }
            Member::Variable => {
                write!(f, "\"{path}\" has no variable \"{name}\"{}", suggestion(name, available))
            }
            Member::Tag if available.is_empty() => {
                write!(f, "\"{path}\" has no tag \"{name}\", nor any other")
            }
            Member::Tag => write!(f, "\"{path}\" has no tag \"{name}\"{}", suggestion(name, available)),
        }
    }
}

/// What a value lies outside of.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq)]
pub enum Bounds {
    /// The pixels of a raster.
    Raster { path: String, height: usize, width: usize },
    /// None of so many files, of which the first is named, reaches a slice.
    Files { first: Option<String>, count: usize },
    /// The coordinates of an axis; `extent` reads "runs from ... to ...".
    Axis { name: String, extent: String },
    /// A land mask.
    Mask { path: String, extent: String },
    /// A window that is to be whole, on an axis of fewer pixels.
    Pixels(usize),
    /// The numbers that coordinates have in the unit of a CRS.
    Unit { crs: String, unit: String, geographic: bool },
}

impl Bounds {
    pub(super) fn tell(&self, value: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bounds::Raster { path, height, width } => write!(
                f,
                "{value} lies wholly outside \"{path}\", which has {height} rows and {width} columns"
            ),
            Bounds::Files { first: None, .. } => write!(f, "no file is given for the {value}"),
            Bounds::Files { first: Some(path), count: 1 } => {
                write!(f, "\"{path}\" does not reach the {value}")
            }
            Bounds::Files { first: Some(path), count } => {
                write!(f, "none of {count} files, of which \"{path}\" is the first, reaches the {value}")
            }
            Bounds::Axis { name, extent } => write!(f, "{value} is not on axis \"{name}\", which {extent}"),
            Bounds::Mask { path, extent } => {
                write!(f, "{value} is not covered by the mask \"{path}\", which spans {extent}")
            }
            Bounds::Pixels(axis) => write!(
                f,
                "an axis of {axis} pixels is shorter than the window of {value}, and edge \"snap\" needs a whole window"
            ),
            Bounds::Unit { crs, geographic: true, .. } => write!(
                f,
                "{value} is not in degrees, the unit of {}\nName the CRS that its numbers are in, or give degrees",
                short(crs)
            ),
            Bounds::Unit { crs, unit, .. } => {
                write!(f, "{value} looks like degrees, and {} counts in {unit}", short(crs))
            }
        }
    }
}

/// What would take more memory than the bound on one call's values.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// Values of a variable.
    Values { variable: String, values: u64 },
    /// All pixels of one chunk of a scalar's rows.
    Chunk,
    /// A slice, or the steps of a series: what they are in words.
    Slices(String),
    /// The slices or series of one chunk of a scalar's rows, and the function that streams such rows.
    Rows { what: String, streams: &'static str },
    /// The labels of one chunk.
    Labels,
    /// The pixels of one window.
    Window { window: String, bands: usize },
    /// The pixels of one zone, all of which some statistics need.
    Zone,
    /// The steps of a series.
    Steps { first: String, last: String, most: usize },
    /// The pixels of all times, of which a median is taken.
    Median { times: usize, slice: String },
    /// What the groups of an aggregate hold.
    Groups,
    /// A field that is stitched: its sides in words.
    Field { canvas: String },
    /// The rows of a field that patches in order lie on: its sides in words.
    Band { canvas: String },
}

impl Load {
    pub(super) fn tell(&self, needed: u64, limit: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let above = format!("{} MiB, above geoquilt_max_chunk_mb = {}", mib(needed), mib(limit));
        match self {
            Load::Values { variable, values } => {
                write!(f, "{values} values of \"{variable}\" would take {above}")
            }
            Load::Chunk => write!(f, "one chunk would take {above}"),
            Load::Slices(what) => write!(f, "{what} would take {above}"),
            Load::Rows { what, .. } => write!(f, "one chunk of {what} would take {above}"),
            Load::Labels => write!(f, "one chunk of labels would take {above}"),
            Load::Window { window, bands } => write!(f, "{window} of {bands} bands would take {above}"),
            Load::Zone => write!(f, "the pixels of one zone take {above}"),
            Load::Steps { first, last, most } => write!(
                f,
                "the steps from {first} to {last} are more than {most}, above geoquilt_max_chunk_mb = {}",
                mib(limit)
            ),
            Load::Median { times, slice } => {
                write!(f, "a median of {times} times of the {slice} would take {above}")
            }
            Load::Groups => write!(
                f,
                "its groups would take {} MiB, above geoquilt_aggregate_mb = {}",
                mib(needed),
                mib(limit)
            ),
            Load::Band { canvas } => write!(
                f,
                "the rows of a field {canvas} that the patches in hand lie on would take {} MiB, above geoquilt_aggregate_mb = {}",
                mib(needed),
                mib(limit)
            ),
            Load::Field { canvas } => write!(
                f,
                "a field {canvas} would take {} MiB, above geoquilt_aggregate_mb = {}",
                mib(needed),
                mib(limit)
            ),
        }
    }
}

/// Bytes as whole MiB, rounded up: what a setting must be to allow them.
pub fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

/// How a rule for files' names fails.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameFault {
    /// The rule itself names no group.
    NoGroup,
    /// The name does not match.
    NoMatch { pattern: String },
    /// What was matched is no date.
    NoSuchDate { text: String, format: String },
    /// The interval ends before it starts.
    Backwards { start: String, stop: String },
}

impl NameFault {
    pub(super) fn tell(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameFault::NoGroup => {
                write!(f, "\"{name}\" has no named group, so it would tell nothing of a file")
            }
            NameFault::NoMatch { pattern } => {
                write!(f, "filename_regex \"{pattern}\" does not match \"{name}\"")
            }
            NameFault::NoSuchDate { text, format } => {
                write!(f, "\"{text}\" in \"{name}\" is not a date of the form \"{format}\"")
            }
            NameFault::Backwards { start, stop } => {
                write!(f, "the interval of \"{name}\" ends before it starts: {start} to {stop}")
            }
        }
    }
}
