//! The catalog: one entry a file, from headers alone.

mod array;
mod build;
mod built_with;
mod name;
pub mod ocean;
mod previous;
mod raster;
pub mod stac;
mod tags;
mod vector;

pub use build::{Build, Found, Outcome, build};
pub use built_with::BUILT_WITH;
use name::NameFields;
pub use name::NameRule;
pub use previous::Kept;

use std::sync::Arc;

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::files::{Listings, Sight, Stamp};
use crate::format::array::Variable;
use crate::format::{Header, Kind, Layer, LayerName, Tags, open};
use crate::interval::Interval;
use crate::kept::Shared;
use crate::map::Footprint;
use crate::on_error::OnError;
use crate::projection;
use crate::projection::CrsFacts;

/// The version of the columns that a catalog has: see `docs/reference.md`.
pub const SCHEMA_VERSION: i32 = 2;

/// What a file is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// What its content says.
    Auto,
    /// One kind, whatever the content says.
    Only(Kind),
}

/// The kinds by their names.
pub const KINDS: [(&str, Wanted); 4] = [
    ("auto", Wanted::Auto),
    ("raster", Wanted::Only(Kind::Raster)),
    ("array", Wanted::Only(Kind::Array)),
    ("vector", Wanted::Only(Kind::Vector)),
];

/// How a catalog is built.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// How a file's name is read.
    pub name_rule: Option<NameRule>,
    /// The CRS of the footprints.
    pub crs: Crs,
    /// What is known of that CRS.
    pub crs_facts: Arc<CrsFacts>,
    /// Points on each edge of a footprint before it is projected.
    pub densify: usize,
    /// What a broken file does.
    pub on_error: OnError,
    /// Parquet files of a catalog made before: rows of unchanged files are taken from it.
    pub previous: Vec<String>,
    /// Which kind each file is taken for.
    pub kind: Wanted,
    /// One layer of each vector file, or all.
    pub layer: Option<LayerName>,
    /// Names of the variables of array files, or all that hold data.
    pub variables: Option<Vec<String>>,
    /// The time axis of array files, or the one that is found.
    pub time_var: Option<String>,
    /// The tag that tells the time of each file.
    pub time_tag: Option<String>,
}

/// One file in a catalog.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it lies, and what it holds.
    pub metadata: FileMetadata,
    /// `None` is undated, and matches every interval.
    pub interval: Option<Interval>,
    /// The other groups of the name's pattern.
    pub attributes: Vec<(String, String)>,
    /// Size and time of the file.
    pub stamp: Stamp,
}

/// What a file's header says of it, and where on the map it lies.
#[derive(Debug, Clone)]
pub struct FileMetadata {
    /// Who reads it.
    pub driver: String,
    /// Its own CRS.
    pub crs: String,
    /// Its outline in the catalog's CRS.
    pub footprint: Footprint,
    /// What only its kind has.
    pub detail: Detail,
    /// What the file says of itself beyond that.
    pub tags: Tags,
    /// The time of an array file's axis; a time in the name or in a tag goes first.
    pub interval: Option<Interval>,
}

/// What only one kind of file has.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone)]
pub enum Detail {
    /// A raster's header.
    Raster { header: Arc<Header>, transform: Affine },
    /// An array file's variables and axes.
    Array(ArrayDetail),
    /// A vector file's layers.
    Vector { layers: Vec<Layer> },
}

/// What a catalog tells of an array file.
#[derive(Debug, Clone, Default)]
pub struct ArrayDetail {
    /// The grid's, where its coordinates are regular.
    pub transform: Option<Affine>,
    /// Rows and columns of the grid.
    pub shape: Option<(usize, usize)>,
    /// Those that hold data.
    pub variables: Vec<Variable>,
    /// The variable of the longest time axis.
    pub time_var: Option<String>,
    /// Values on that axis.
    pub n_times: Option<u64>,
    /// Seconds between times, where they are evenly spaced.
    pub t_step: Option<f64>,
}

impl Detail {
    /// Which kind of file it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Detail::Raster { .. } => Kind::Raster,
            Detail::Array(_) => Kind::Array,
            Detail::Vector { .. } => Kind::Vector,
        }
    }
}

/// CRS and box (as bits): what a footprint follows from.
type BoxKey = (String, [u64; 4]);

/// Footprints that a build keeps.
const KEPT_SHAPES: usize = 4096;

struct Builder {
    options: BuildOptions,
    listings: Listings,
    /// Footprints by the file's own box: scenes of one tile share it.
    shapes: Shared<BoxKey, Footprint>,
}

impl Builder {
    fn new(options: BuildOptions) -> Builder {
        Builder { options, listings: Listings::default(), shapes: Shared::new(KEPT_SHAPES) }
    }

    /// The time in the file's name, and its attributes.
    fn of_name(&self, path: &str) -> Result<NameFields> {
        self.options.name_rule.as_ref().map_or_else(|| Ok((None, Vec::new())), |rule| rule.read(path))
    }

    fn entry(&self, sight: &Sight, (interval, attributes): NameFields) -> Result<Entry> {
        let tag = self.options.time_tag.as_ref().filter(|_| interval.is_none());
        let mut metadata = self.metadata(sight, interval.is_some() || tag.is_some())?;
        let interval = match tag {
            Some(tag) => Some(tags::time(&metadata.tags, tag, sight.path())?),
            None => interval.or(metadata.interval),
        };
        tags::limit(&mut metadata.tags);
        Ok(Entry { metadata, interval, attributes, stamp: sight.stamp() })
    }

    /// What the file says of itself. Each kind has a file of its own beside this one, which adds its method to
    /// the builder.
    fn metadata(&self, sight: &Sight, dated: bool) -> Result<FileMetadata> {
        let kind = match self.options.kind {
            Wanted::Only(kind) => Some(kind),
            Wanted::Auto => Kind::of_file(sight),
        };
        let metadata = match kind {
            Some(Kind::Vector) => self.vector(sight),
            Some(Kind::Array) => self.array(sight, dated),
            Some(_) => self.raster(sight),
            None => self.raster_or_vector(sight),
        };
        metadata.map_err(|error| open::explain(error, sight, kind))
    }

    /// A file's box, in its own CRS, as it lies in the catalog's.
    fn footprint(&self, bbox: &Bbox, crs: &str, path: &str) -> Result<Footprint> {
        let key = (crs.to_string(), [bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax].map(f64::to_bits));
        let options = &self.options;
        let (to, to_globe) = (options.crs.as_str(), options.crs_facts.geographic);
        self.shapes.get_or_make(&key, || {
            Footprint::project(bbox, crs, to, to_globe, options.densify).map_err(|error| match error {
                Error::Unprojectable { from, to, .. } => {
                    Error::Unprojectable { what: format!("the footprint of \"{path}\""), from, to }
                }
                other => other,
            })
        })
    }
}

impl BuildOptions {
    /// # Errors
    /// A CRS that PROJ does not know.
    pub fn new(
        name_rule: Option<NameRule>,
        crs: &str,
        densify: usize,
        on_error: OnError,
    ) -> Result<BuildOptions> {
        let crs = Crs::new(crs);
        let crs_facts = projection::crs_facts(crs.as_str())?;
        let (kind, layer) = (Wanted::Auto, None);
        Ok(BuildOptions {
            name_rule,
            crs,
            crs_facts,
            densify,
            on_error,
            kind,
            layer,
            variables: None,
            time_var: None,
            time_tag: None,
            previous: Vec::new(),
        })
    }
}
