//! What can go wrong: kinds that a caller matches, what each is about, and the error below.
//!
//! The text is what a user reads: lower case, the value in double quotes, and what there is instead. A second line
//! says what would have worked, where that needs no words of the language that the user writes: whoever speaks it
//! adds those. [`Error::at`] puts `function(parameter): ` in front.

mod about;
mod cause;
mod crs_name;
mod nearest;
mod secrets;

use std::fmt;

pub use about::{Absence, Bounds, Lack, Load, Member, NameFault, Other, Part, mib};
pub use cause::Cause;
pub use nearest::near;

use crate::crs::short;

/// The result of everything in the engine.
pub type Result<T> = std::result::Result<T, Error>;

/// A result whose failure is a reason in words: the caller adds whose it is.
pub type ReasonResult<T> = std::result::Result<T, Cause>;

/// One mistake that the user can mend, or one broken promise of our own ([`Error::Bug`]).
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// A value that is none of a fixed set.
    NotOneOf { value: String, noun: &'static str, choices: Vec<String> },
    /// A value of the wrong form, or outside what its parameter takes.
    Invalid { value: String, must: String },
    /// A text that cannot be parsed; `noun` reads "a glob pattern".
    Unparsed { value: String, noun: &'static str, reason: Cause },
    /// A definition that PROJ does not know a CRS by.
    BadCrs { value: String, reason: Cause },
    /// Arguments that are fine alone and make no sense together.
    Conflict { problem: String, remedy: String },

    /// A path that leads to nothing.
    Absent { path: String, how: Absence },
    /// A glob over URLs, which cannot be listed.
    RemoteGlob { pattern: String },
    /// A file that is damaged, or of which a part is.
    Unreadable { path: String, part: Part, reason: Cause },
    /// A file that cannot be written.
    Unwritable { path: String, reason: Cause },
    /// A file that opens and does not serve.
    Unsuited { path: String, lack: Lack },
    /// A name or a number of none of a file's members.
    NotFound { what: Member, name: String, path: String, available: Vec<String> },
    /// A file's name that a rule does not fit, or a rule that fits none.
    Misnamed { name: String, fault: NameFault },
    /// A registry without the columns that it needs.
    BadRegistry { path: String, problem: String, columns: Vec<String> },
    /// A catalog of an earlier build that does not serve.
    BadCatalog { path: String, problem: String, remedy: String },
    /// A STAC item that is none.
    BadItem { path: String, item: String, problem: String },

    /// A value beyond what it is to lie within.
    OutOfRange { value: String, bounds: Bounds },
    /// A dimension that has no axis of its own to select by value on: the name, and the dimensions to select on by index.
    NoAxis { name: String, dims: Vec<String> },
    /// More bytes than the bound allows.
    TooLarge { load: Load, needed: u64, limit: u64 },
    /// Memory that there is not: what for, how many bytes, and what was said.
    NoRoom { what: String, needed: u64, reason: Cause },
    /// The user, or an error elsewhere, ended the query.
    Interrupted,
    /// Coordinates without an image in another CRS.
    Unprojectable { what: String, from: String, to: String },

    /// Another error, with the function and parameter it came through.
    At { blamed: String, error: Box<Error> },
    /// A broken promise of our own.
    Bug(String),
}

impl Error {
    /// Puts `function` or `function(parameter)` in front, once.
    #[must_use]
    pub fn at(self, blamed: impl fmt::Display) -> Error {
        match self {
            Error::At { .. } => self,
            error => Error::At { blamed: blamed.to_string(), error: Box::new(error) },
        }
    }

    /// A number, quoted value or NULL that is out of its range.
    pub fn invalid(value: impl fmt::Display, must: impl Into<String>) -> Error {
        Error::Invalid { value: value.to_string(), must: must.into() }
    }

    /// Arguments that make no sense together, and what would; an empty remedy adds no line.
    pub fn conflict(problem: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::Conflict { problem: problem.into(), remedy: remedy.into() }
    }

    /// A file that does not exist.
    pub fn absent(path: impl Into<String>) -> Error {
        Error::Absent { path: path.into(), how: Absence::File }
    }

    /// A file that does not open.
    pub fn unreadable(path: impl Into<String>, reason: impl Into<Cause>) -> Error {
        Error::Unreadable { path: path.into(), part: Part::Whole, reason: reason.into() }
    }

    /// A file that cannot be written.
    pub fn unwritable(path: impl Into<String>, reason: impl Into<Cause>) -> Error {
        Error::Unwritable { path: path.into(), reason: reason.into() }
    }

    /// Values of a variable that cannot be read.
    pub fn values(path: impl Into<String>, variable: impl Into<String>, reason: impl Into<Cause>) -> Error {
        Error::Unreadable { path: path.into(), part: Part::Variable(variable.into()), reason: reason.into() }
    }

    /// A file that opens and does not serve.
    pub fn unsuited(path: impl Into<String>, lack: Lack) -> Error {
        Error::Unsuited { path: path.into(), lack }
    }

    /// A name that is none of a file's members.
    pub fn not_found(
        what: Member,
        name: impl Into<String>,
        path: impl Into<String>,
        available: Vec<String>,
    ) -> Error {
        Error::NotFound { what, name: name.into(), path: path.into(), available }
    }

    /// A value beyond what it is to lie within.
    pub fn out_of_range(value: impl fmt::Display, bounds: Bounds) -> Error {
        Error::OutOfRange { value: value.to_string(), bounds }
    }

    /// What does not open at all, rather than in some part.
    pub fn is_unopened(&self) -> bool {
        matches!(self, Error::Unreadable { part: Part::Whole, .. })
    }

    /// The error itself, without the function that it came through.
    pub fn bare(&self) -> &Error {
        match self {
            Error::At { error, .. } => error.bare(),
            error => error,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&secrets::hide(&Plain(self).to_string()))
    }
}

/// An error with all that it knows.
struct Plain<'a>(&'a Error);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::NotOneOf { value, noun, choices } => {
                let told = nearest::suggestion(value, choices);
                write!(f, "\"{}\" is not {noun}{told}", Brief(value))
            }
            Error::Invalid { value, must } => write!(f, "{} is not valid: must be {must}", Brief(value)),
            Error::Unparsed { value, noun, reason } => {
                write!(f, "\"{}\" is not {noun}: {reason}", Brief(value))
            }
            Error::BadCrs { value, reason } => {
                write!(f, "\"{}\" is not a coordinate reference system that PROJ knows", Brief(value))?;
                match reason.text() {
                    "" => f.write_str("\nWrite a code such as EPSG:32632, or its WKT or PROJJSON"),
                    reason => write!(f, ": {reason}"),
                }
            }
            Error::Conflict { problem, remedy } => write!(f, "{problem}{}", second_line(remedy)),
            Error::Absent { path, how } => how.tell(path, f),
            Error::RemoteGlob { pattern } => {
                write!(f, "\"{pattern}\" is a glob over URLs, which DuckDB's C interface cannot list")
            }
            Error::Unreadable { path, part, reason } => {
                part.tell(path, f)?;
                write!(f, ": {reason}")
            }
            Error::Unwritable { path, reason } => write!(f, "cannot write \"{path}\": {reason}"),
            Error::Unsuited { path, lack } => lack.tell(path, f),
            Error::NotFound { what, name, path, available } => what.tell(path, name, available, f),
            Error::Misnamed { name, fault } => fault.tell(name, f),
            Error::BadRegistry { path, problem, columns } => {
                write!(f, "{problem} in \"{path}\"; its columns are {}", columns.join(", "))
            }
            Error::BadCatalog { path, problem, remedy } => {
                write!(f, "\"{path}\" {problem}{}", second_line(remedy))
            }
            Error::BadItem { path, item, problem } => {
                write!(f, "{item} of \"{path}\" is not a STAC item: {problem}")
            }
            Error::OutOfRange { value, bounds } => bounds.tell(value, f),
            Error::NoAxis { name, dims } if dims.len() < 2 => {
                write!(f, "dimension \"{name}\" has no coordinates to select by value")
            }
            Error::NoAxis { name, dims } => write!(f, "\"{name}\" varies along {} dimensions", dims.len()),
            Error::TooLarge { load, needed, limit } => load.tell(*needed, *limit, f),
            Error::NoRoom { what, needed, reason } => {
                write!(f, "no memory for {what} of {} MiB", mib(*needed))?;
                if reason.text().is_empty() { Ok(()) } else { write!(f, ": {reason}") }
            }
            Error::Interrupted => f.write_str("interrupted"),
            Error::Unprojectable { what, from, to } => {
                write!(f, "cannot project {what} from {} to {}", short(from), short(to))?;
                let told = crs_name::elsewhere(from).or_else(|| crs_name::elsewhere(to));
                told.map_or(Ok(()), |told| write!(f, "\n{told}"))
            }
            Error::At { blamed, error } => write!(f, "{blamed}: {error}"),
            Error::Bug(what) => {
                write!(f, "internal: {what}\nThis is a defect of geoquilt: please report it with the query")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Unparsed { reason, .. }
            | Error::BadCrs { reason, .. }
            | Error::Unreadable { reason, .. }
            | Error::Unwritable { reason, .. }
            | Error::NoRoom { reason, .. }
            | Error::Absent { how: Absence::Remote(reason), .. } => reason.error(),
            Error::At { error, .. } => Some(error.as_ref()),
            _ => None,
        }
    }
}

/// An error of ours as the reason of another.
impl From<Error> for Cause {
    fn from(error: Error) -> Cause {
        Cause::of(error)
    }
}

/// Finds `value` among named choices, or says what there was.
///
/// # Errors
/// [`Error::NotOneOf`].
pub fn one_of<T: Copy>(value: &str, noun: &'static str, choices: &[(&str, T)]) -> Result<T> {
    match choices.iter().find(|(name, _)| *name == value) {
        Some((_, choice)) => Ok(*choice),
        None => Err(Error::NotOneOf {
            value: value.to_string(),
            noun,
            choices: choices.iter().map(|(name, _)| (*name).to_string()).collect(),
        }),
    }
}

/// Characters of a value that an error tells: a whole document may stand in its place.
const TOLD: usize = 1000;

/// A value as an error tells it.
struct Brief<'a>(&'a str);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(TOLD) {
            Some((end, _)) => write!(f, "{}...", self.0.get(..end).unwrap_or_default()),
            None => f.write_str(self.0),
        }
    }
}

fn second_line(remedy: &str) -> String {
    if remedy.is_empty() { String::new() } else { format!("\n{remedy}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Dtype;

    #[test]
    fn a_misspelt_choice_is_suggested() {
        let error = one_of("snapp", "an edge rule", &[("drop", 0), ("snap", 1)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"snapp\" is not an edge rule\nDid you mean \"snap\"? One of: drop, snap"
        );
        let error = one_of("zzzzzz", "an edge rule", &[("drop", 0), ("snap", 1)]).unwrap_err();
        assert_eq!(error.to_string(), "\"zzzzzz\" is not an edge rule\nOne of: drop, snap");
    }

    #[test]
    fn what_is_to_blame_is_said_once() {
        let error = Error::invalid(-1, "at least 1").at("geo_patch_grid(size)").at("geo_patch_grid");
        assert_eq!(error.to_string(), "geo_patch_grid(size): -1 is not valid: must be at least 1");
        assert_eq!(*error.bare(), Error::invalid(-1, "at least 1"));
    }

    #[test]
    fn each_kind_reads_as_it_should() {
        let window = || "window (row 0, col 0, 2 x 2)".to_string();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
        let suited = |lack| Error::unsuited("a.tif", lack);
        let table = [
            (Error::absent("a.tif"), "\"a.tif\" does not exist"),
            (Error::absent("*.tif"), "\"*.tif\" does not exist\nOne file is wanted here, not a glob"),
            (Error::Absent { path: "*.tif".into(), how: Absence::Glob }, "no file matches \"*.tif\""),
            (
                Error::Absent { path: "s3://a".into(), how: Absence::Remote("not found (404)".into()) },
                "\"s3://a\" does not exist, or may not be read: not found (404)",
            ),
            (
                Error::Unparsed { value: "[".into(), noun: "a glob pattern", reason: "no end".into() },
                "\"[\" is not a glob pattern: no end",
            ),
            (
                Error::Unparsed {
                    value: "\u{e9}".repeat(9999),
                    noun: "a glob pattern",
                    reason: "no end".into(),
                },
                &format!("\"{}...\" is not a glob pattern: no end", "\u{e9}".repeat(TOLD)),
            ),
            (
                Error::BadCrs { value: "x".into(), reason: Cause::default() },
                "\"x\" is not a coordinate reference system that PROJ knows\nWrite a code such as EPSG:32632, or its WKT or PROJJSON",
            ),
            (
                Error::BadCrs { value: "x".into(), reason: "too short".into() },
                "\"x\" is not a coordinate reference system that PROJ knows: too short",
            ),
            (Error::conflict("a and b", "Give one"), "a and b\nGive one"),
            (Error::conflict("a and b", ""), "a and b"),
            (Error::unreadable("a.tif", "it is cut"), "cannot open \"a.tif\": it is cut"),
            (
                Error::values("a.nc", "sst", "it is cut"),
                "cannot read variable \"sst\" of \"a.nc\": it is cut",
            ),
            (
                Error::Unreadable {
                    path: "a.tif".into(),
                    part: Part::Band { band: 2, window: window() },
                    reason: "it is cut".into(),
                },
                "cannot read band 2, window (row 0, col 0, 2 x 2) of \"a.tif\": it is cut",
            ),
            (
                Error::Unreadable {
                    path: "s3://a".into(),
                    part: Part::Bytes { first: 0, last: 9 },
                    reason: "timeout".into(),
                },
                "cannot read bytes 0 to 9 of \"s3://a\": timeout",
            ),
            (
                suited(Lack::Directory),
                "\"a.tif\" is a directory\nTo take the files in it, write \"a.tif/**/*.tif\"",
            ),
            (suited(Lack::Kind(Other::Vector)), "\"a.tif\" is a vector file, not a raster"),
            (suited(Lack::Bands(Vec::new())), "\"a.tif\" has zero bands"),
            (
                suited(Lack::Bands(names(&["A:1", "A:2"]))),
                "\"a.tif\" has zero bands; it holds 2 subdatasets\nName one of them: A:1, A:2",
            ),
            (suited(Lack::BandCount { own: 1, first: 2 }), "\"a.tif\" has 1 bands, and the first file 2"),
            (
                suited(Lack::PixelType { own: Dtype::UInt8, before: Dtype::Int16 }),
                "\"a.tif\" has uint8 pixels, and the files before it int16",
            ),
            (
                suited(Lack::Crs),
                "\"a.tif\" has no CRS\nWrite one into the file or a side file, for example with gdal_edit -a_srs EPSG:4326",
            ),
            (
                suited(Lack::Transform),
                "\"a.tif\" has no geotransform, so its pixels have no place on the map",
            ),
            (
                suited(Lack::Features(names(&["\"x\""]))),
                "\"a.tif\" holds no features with a geometry in its layers \"x\", so it has no place on the map",
            ),
            (
                suited(Lack::Features(Vec::new())),
                "\"a.tif\" holds no features with a geometry, so it has no place on the map",
            ),
            (
                suited(Lack::Times { variable: "t".into(), problem: "has no units".into() }),
                "the time axis \"t\" of \"a.tif\" has no units",
            ),
            (
                Error::not_found(Member::Band, "3", "a.tif", names(&["1", "2"])),
                "\"a.tif\" has no band 3: it has 1, 2",
            ),
            (
                Error::not_found(Member::Field { layer: "x".into() }, "f", "a.shp", Vec::new()),
                "layer \"x\" of \"a.shp\" has no field \"f\": it has none",
            ),
            (
                Error::not_found(Member::Variable, "sts", "a.nc", names(&["sst"])),
                "\"a.nc\" has no variable \"sts\"\nDid you mean \"sst\"? One of: sst",
            ),
            (
                Error::out_of_range(window(), Bounds::Raster { path: "a.tif".into(), height: 1, width: 1 }),
                "window (row 0, col 0, 2 x 2) lies wholly outside \"a.tif\", which has 1 rows and 1 columns",
            ),
            (
                Error::out_of_range(16, Bounds::Pixels(10)),
                "an axis of 10 pixels is shorter than the window of 16, and edge \"snap\" needs a whole window",
            ),
            (
                Error::out_of_range(3, Bounds::Axis { name: "x".into(), extent: "is empty".into() }),
                "3 is not on axis \"x\", which is empty",
            ),
            (
                Error::NoAxis { name: "x".into(), dims: names(&["x"]) },
                "dimension \"x\" has no coordinates to select by value",
            ),
            (
                Error::NoAxis { name: "lat".into(), dims: names(&["y", "x"]) },
                "\"lat\" varies along 2 dimensions",
            ),
            (
                Error::TooLarge { load: Load::Chunk, needed: (1 << 20) + 1, limit: 1 << 20 },
                "one chunk would take 2 MiB, above geoquilt_max_chunk_mb = 1",
            ),
            (
                Error::Unprojectable { what: "pixels".into(), from: "A".into(), to: "B".into() },
                "cannot project pixels from A to B",
            ),
            (
                Error::Bug("x".into()),
                "internal: x\nThis is a defect of geoquilt: please report it with the query",
            ),
        ];
        for (error, text) in table {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn the_error_below_is_kept_through_every_layer() {
        let below = || std::io::Error::new(std::io::ErrorKind::PermissionDenied, "no entry");
        fn kind(error: &(dyn std::error::Error + 'static)) -> Option<std::io::ErrorKind> {
            let mut error = Some(error);
            while let Some(this) = error {
                if let Some(io) = this.downcast_ref::<std::io::Error>() {
                    return Some(io.kind());
                }
                error = this.source();
            }
            None
        }
        let denied = Some(std::io::ErrorKind::PermissionDenied);
        let error = Error::unreadable("a.tif", below());
        assert_eq!(error.to_string(), "cannot open \"a.tif\": no entry");
        assert_eq!(kind(&error), denied);
        assert_eq!(kind(&error.clone().at("read_patch")), denied);
        assert_eq!(kind(&Error::values("b.nc", "sst", error)), denied);
        let worded = Error::values("b.nc", "sst", Cause::worded("closed", below()).within("chunk 3"));
        assert_eq!(worded.to_string(), "cannot read variable \"sst\" of \"b.nc\": chunk 3: closed");
        assert_eq!(kind(&worded), denied);
        let remote = Error::Absent { path: "s3://a".into(), how: Absence::Remote(below().into()) };
        assert_eq!(kind(&remote), denied);
        assert_eq!(kind(&Error::unreadable("a.tif", "it is cut")), None);
    }
}
