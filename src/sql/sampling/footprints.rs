//! The footprint of a catalog's row on a grid: the file's own, or one of a resolution and a CRS.

use crate::affine::Affine;
use crate::bridge::args::{Args, number};
use crate::bridge::doc::{FunctionDoc, Given, Parameter};
use crate::bridge::record::{Read, Timestamp, record};
use crate::bridge::vector::Vector;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::grid::Lattice;
use crate::grid::edge::{EDGES, Edge};
use crate::grid::ground::Ground;
use crate::map::Shape;
use crate::projection;
use crate::value::Value;
use crate::window::Window;

/// What a catalog tells of a row's file; each may be NULL.
pub(super) struct EntryRow {
    pub path: Option<String>,
    kind: Option<String>,
    width: Option<i64>,
    height: Option<i64>,
    transform: Option<Vec<f64>>,
    crs: Option<String>,
    pub t_min: Option<Timestamp>,
    pub t_max: Option<Timestamp>,
}
record! {
    EntryRow {
        path: Option<String>,
        kind: Option<String>,
        width: Option<i64>,
        height: Option<i64>,
        transform: Option<Vec<f64>>,
        crs: Option<String>,
        t_min: Option<Timestamp>,
        t_max: Option<Timestamp>,
    }
}

/// The type of a row's facts.
pub(super) const ENTRY: &str = <EntryRow as crate::bridge::record::Typed>::TYPE;

impl EntryRow {
    /// The facts in a row of a vector; none in a NULL.
    pub(super) fn of(entries: &Vector<'_>, row: usize) -> Result<EntryRow> {
        let none = EntryRow {
            path: None,
            kind: None,
            width: None,
            height: None,
            transform: None,
            crs: None,
            t_min: None,
            t_max: None,
        };
        Ok(EntryRow::read(entries, row)?.unwrap_or(none))
    }

    /// The row as an error names it.
    pub(super) fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "a row".to_string(), |path| format!("\"{path}\""))
    }

    /// The interval of the row, microseconds; an infinite time is open.
    pub(super) fn times(&self) -> (Option<i64>, Option<i64>) {
        let finite = |t: Option<Timestamp>| t.map(|t| t.0).filter(|t| t.unsigned_abs() < i64::MAX as u64);
        (finite(self.t_min), finite(self.t_max))
    }

    /// The pixels of the row's file; `None` where the catalog tells of none.
    fn lattice(&self) -> Result<Option<Lattice>> {
        let (Some(height), Some(width), Some(terms), Some(crs)) =
            (self.height, self.width, &self.transform, &self.crs)
        else {
            return Ok(None);
        };
        let window = Window::new(0, 0, height, width)?;
        let mut transform = Affine::from_terms(terms)?;
        // An array file is read north-up, however it is stored.
        if self.kind.as_deref() == Some("array") && transform.0[5] > 0.0 {
            transform.0[3] += height as f64 * transform.0[5];
            transform.0[5] = -transform.0[5];
        }
        let (height, width) = (window.height as usize, window.width as usize);
        let geographic = projection::crs_facts(crs)?.geographic;
        Ok(Some(Lattice { height, width, transform, crs: crs.clone(), geographic }))
    }
}

/// What a macro's user asks for, the same for all rows.
pub(super) struct Words {
    args: Args,
    pub size: (usize, usize),
    resolution: Option<(f64, f64)>,
    crs: Option<String>,
}

const MAX_SIDE: i64 = 1 << 20;

impl Words {
    /// Reads the struct of a macro's words; NULL is what was not given. `doc` is the macro's, which errors name.
    ///
    /// # Errors
    /// A word of another form.
    pub(super) fn of(doc: &'static FunctionDoc, value: &Value) -> Result<Words> {
        let Value::Struct(fields) = value else {
            return Err(Error::invalid(value, "a STRUCT such as {size: 64}").at(doc.name));
        };
        let given = fields.iter().filter(|(_, value)| *value != Value::Null).cloned().collect();
        let args = Args::new(doc, given);
        args.required("size", "height and width of a patch in pixels: one number, or [rows, cols]")?;
        let size = args.pair("size", 1, MAX_SIDE)?.unwrap_or_default();
        let must = "one number, or [width, height] of a pixel, in units of the CRS";
        let resolution = match args.get("resolution") {
            None => None,
            Some(Value::List(sides)) => match sides.as_slice() {
                [x, y] => Some((number(x), number(y))),
                _ => Some((None, None)),
            },
            Some(side) => Some((number(side), number(side))),
        };
        let resolution = match resolution {
            None => None,
            Some((Some(x), Some(y))) if x > 0.0 && y > 0.0 && x.is_finite() && y.is_finite() => Some((x, y)),
            Some(_) => {
                let value = args.get("resolution").cloned().unwrap_or(Value::Null);
                return Err(args.blame("resolution")(Error::invalid(value, must)));
            }
        };
        let crs = args.text("crs")?;
        if crs.is_some() && resolution.is_none() {
            let problem = "a CRS of your own needs a resolution in its units";
            return Err(args.blame("crs")(Error::conflict(problem, "For example resolution := 10")));
        }
        Ok(Words { args, size, resolution, crs })
    }

    /// Rows and columns from one window to the next.
    ///
    /// # Errors
    /// Not one or two whole numbers of at least 1.
    pub(super) fn stride(&self) -> Result<(usize, usize)> {
        Ok(self.args.pair("stride", 1, MAX_SIDE)?.unwrap_or(self.size))
    }

    /// The edge rule.
    ///
    /// # Errors
    /// None of them.
    pub(super) fn edge(&self) -> Result<Edge> {
        Ok(self.args.choice("edge", "an edge rule", &EDGES)?.unwrap_or(Edge::Snap))
    }

    /// A whole number of 0 or above.
    ///
    /// # Errors
    /// Anything else.
    pub(super) fn seed(&self) -> Result<u64> {
        Ok(self.args.integer("seed", 0, i64::MAX)?.unwrap_or(7) as u64)
    }

    /// One of some names.
    ///
    /// # Errors
    /// None of them.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &str,
        noun: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>> {
        self.args.choice(name, noun, choices)
    }

    /// Puts the macro and its parameter in front of an error.
    pub(super) fn blame<'a>(&'a self, parameter: &'a str) -> impl Fn(Error) -> Error + 'a {
        self.args.blame(parameter)
    }

    /// What a row's footprint, in `crs`, covers of its file's own grid, or of the one that is asked for; `None` where it
    /// covers no pixel.
    ///
    /// # Errors
    /// A file without pixels of its own where no resolution is given, or a rotated one; a footprint that a CRS does not
    /// reach.
    pub(super) fn ground(&self, shape: &Shape, crs: &str, entry: &EntryRow) -> Result<Option<Ground>> {
        if let Some(resolution) = self.resolution {
            let to = self.crs.as_deref().or(entry.crs.as_deref()).unwrap_or(crs);
            let to = Crs::new(to);
            projection::crs_facts(to.as_str()).map_err(self.blame("crs"))?;
            return Ground::of_area(shape, crs, to.as_str(), resolution).map_err(|error| match error {
                Error::Invalid { .. } => self.blame("resolution")(error),
                error => self.blame("catalog")(error),
            });
        }
        let remedy = "Give resolution := the side of a pixel, and crs := where it is not the file's";
        let Some(lattice) = entry.lattice().map_err(self.blame("catalog"))? else {
            let problem = format!(
                "{} has no pixels of its own in the catalog (transform, width, height, crs)",
                entry.name()
            );
            return Err(self.blame("resolution")(Error::conflict(problem, remedy)));
        };
        if lattice.transform.is_rotated() {
            let problem = format!("{} has a rotated transform, whose windows are no boxes", entry.name());
            return Err(self.blame("resolution")(Error::conflict(problem, remedy)));
        }
        Ground::of_raster(shape, crs, lattice).map_err(self.blame("catalog"))
    }
}

/// The name of a CRS in a row of a vector; NULL is longitude and latitude.
///
/// # Errors
/// Text that is not UTF-8.
pub(super) fn crs_of(names: &Vector<'_>, row: usize) -> Result<Crs> {
    if names.is_null(row) { Ok(Crs::lon_lat()) } else { names.str(row).map(Crs::new) }
}

/// The first three arguments of what works on footprints.
pub(super) const FOOTPRINT: [Parameter; 4] = [
    Parameter {
        name: "geometry",
        types: "GEOMETRY",
        given: Given::Required,
        meaning: "The footprint, or what is left of it.",
    },
    Parameter {
        name: "crs",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "Its CRS; NULL is `OGC:CRS84`.",
    },
    Parameter {
        name: "entry",
        types: ENTRY,
        given: Given::Required,
        meaning: "What the catalog tells of the file.",
    },
    Parameter {
        name: "words",
        types: "ANY",
        given: Given::Required,
        meaning: "The macro's own words, as a STRUCT; NULL is what was not given.",
    },
];
