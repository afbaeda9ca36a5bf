//! What can go wrong, as the user reads it.
//!
//! Every message is lower case, names the value in double quotes, and ends with what would have
//! worked. The SQL layer puts `function(parameter): ` in front: see [`Error::at`].

use std::fmt;

/// The result of everything in the engine.
pub type Result<T> = std::result::Result<T, Error>;

/// One mistake that the user can mend, or one broken promise of our own ([`Error::Bug`]).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A value that is none of a fixed set.
    #[error("\"{value}\" is not {noun}{}", suggestion(value, choices))]
    NotOneOf { value: String, noun: &'static str, choices: Vec<String> },
    /// A value outside its range or of the wrong form.
    #[error("{value} is not valid: must be {must}")]
    Invalid { value: String, must: String },
    /// Arguments that are fine alone and make no sense together.
    #[error("{problem}{}", second_line(remedy))]
    Conflict { problem: String, remedy: String },

    #[error("\"{path}\" does not exist{}", no_glob(path))]
    Absent { path: String },
    #[error("no file matches \"{pattern}\"")]
    EmptyGlob { pattern: String },
    #[error("\"{pattern}\" is not a glob pattern: {reason}")]
    BadGlob { pattern: String, reason: String },
    #[error("\"{path}\" is a directory\nTo take the files in it, write \"{path}/**/*.tif\"")]
    Directory { path: String },
    #[error(
        "\"{pattern}\" is a glob over URLs, which DuckDB's C interface can not list\nList the files first: SET VARIABLE files = (SELECT list(file) FROM glob('{pattern}')), and give getvariable('files')"
    )]
    RemoteGlob { pattern: String },
    #[error("\"{path}\" does not exist, or may not be read: {reason}")]
    RemoteAbsent { path: String, reason: String },
    #[error("cannot read bytes {first} to {last} of \"{path}\": {reason}")]
    RemoteRead { path: String, first: u64, last: u64, reason: String },
    #[error("cannot open \"{path}\": {reason}")]
    Unreadable { path: String, reason: String },
    #[error("cannot write \"{path}\": {reason}")]
    Unwritable { path: String, reason: String },
    #[error("\"{path}\" is {what}\n{remedy}")]
    OtherKind { path: String, what: &'static str, remedy: String },
    #[error("\"{path}\" has zero bands{}", held(path, subdatasets))]
    NoBands { path: String, subdatasets: Vec<String> },
    #[error(
        "\"{path}\" has no CRS\nWrite one into the file or a side file, for example with gdal_edit -a_srs EPSG:4326"
    )]
    NoCrs { path: String },
    #[error("\"{path}\" has no geotransform, so its pixels have no place on the map")]
    NoTransform { path: String },
    #[error(
        "\"{path}\" has a rotated transform {transform:?}\nWarp it north-up first, for example with gdalwarp"
    )]
    Rotated { path: String, transform: [f64; 6] },
    #[error("\"{path}\" has complex pixels ({dtype}), which have no real value")]
    Complex { path: String, dtype: String },
    #[error("\"{path}\" has no band {band}: it has {}", available.join(", "))]
    NoBand { path: String, band: String, available: Vec<String> },
    #[error(
        "\"{path}\" has a pixel of {value} in band {band}, which a FLOAT does not hold exactly\nFROM read_patch(...) gives pixels in the file's own type"
    )]
    BeyondFloat { path: String, band: usize, value: i128 },
    #[error("\"{path}\" has no layer {layer}: it has {}", available.join(", "))]
    NoLayer { path: String, layer: String, available: Vec<String> },
    #[error(
        "\"{path}\" holds no features with a geometry{}, so it has no place on the map",
        in_layers(layers)
    )]
    NoFeatures { path: String, layers: Vec<String> },
    #[error("layer \"{layer}\" of \"{path}\" has no field \"{field}\": it has {}", listed(available))]
    NoField { path: String, layer: String, field: String, available: Vec<String> },
    #[error("{item} of \"{path}\" is no STAC item: {problem}")]
    BadItem { path: String, item: String, problem: String },
    #[error("cannot read band {band}, {window} of \"{path}\": {reason}")]
    Pixels { path: String, band: usize, window: String, reason: String },
    #[error(
        "{window} lies wholly outside \"{path}\", which has {height} rows and {width} columns\nAsk for {{boundless: true}} to get NULL pixels instead"
    )]
    Outside { path: String, window: String, height: usize, width: usize },

    #[error("\"{path}\" has no variable \"{name}\"{}", suggestion(name, available))]
    NoVariable { path: String, name: String, available: Vec<String> },
    #[error("cannot read variable \"{variable}\" of \"{path}\": {reason}")]
    Values { path: String, variable: String, reason: String },
    #[error(
        "the time axis \"{variable}\" of \"{path}\" {problem}\nTell the time by filename_regex, or name another variable with time_var"
    )]
    TimeAxis { path: String, variable: String, problem: String },
    #[error(
        "\"{path}\" has no place on the map: none of its variables has coordinates that CF tells x and y by\nIts variables are {}",
        variables.join(", ")
    )]
    NoCoordinates { path: String, variables: Vec<String> },

    #[error("{value} is not on axis \"{axis}\", which {extent}")]
    OffAxis { value: String, axis: String, extent: String },
    #[error(
        "{values} values of \"{variable}\" would take {needed_mb} MiB, above geoquilt_max_chunk_mb = {limit_mb}\nSelect less of it, stream it with FROM read_array(...), or SET geoquilt_max_chunk_mb = {needed_mb}"
    )]
    ArrayTooLarge { variable: String, values: u64, needed_mb: u64, limit_mb: u64 },

    #[error("\"{pattern}\" is not a regular expression: {reason}")]
    Regex { pattern: String, reason: String },
    #[error("filename_regex \"{pattern}\" does not match \"{name}\"")]
    NoMatch { name: String, pattern: String },
    #[error("\"{text}\" in \"{name}\" is not a date of the form \"{format}\"")]
    NoSuchDate { name: String, text: String, format: String },
    #[error("the interval of \"{name}\" ends before it starts: {start} to {stop}")]
    Backwards { name: String, start: String, stop: String },

    #[error("\"{value}\" is not a coordinate reference system that PROJ knows{}", because(reason))]
    BadCrs { value: String, reason: String },
    #[error("cannot project {what} from {from} to {to}")]
    Unprojectable { what: String, from: String, to: String },
    #[error("{box_} is not covered by the mask \"{mask}\", which spans {extent}")]
    Uncovered { box_: String, mask: String, extent: String },
    #[error(
        "an axis of {axis} pixels is shorter than the window of {window}, and edge \"snap\" needs a whole window\nUse edge := 'overflow' for one partial window, or a smaller size"
    )]
    TooSmall { axis: usize, window: usize },
    #[error(
        "one chunk would take {needed_mb} MiB, above geoquilt_max_chunk_mb = {limit_mb}\nStream instead: FROM read_patch('registry.parquet'), or SET geoquilt_max_chunk_mb = {needed_mb}"
    )]
    ChunkTooLarge { needed_mb: u64, limit_mb: u64 },
    #[error(
        "{window} of {bands} bands would take {needed_mb} MiB, above geoquilt_max_chunk_mb = {limit_mb}\nCut it into smaller windows, or SET geoquilt_max_chunk_mb = {needed_mb}"
    )]
    PatchTooLarge { window: String, bands: usize, needed_mb: u64, limit_mb: u64 },
    #[error(
        "the pixels of one zone take {needed_mb} MiB, above geoquilt_max_chunk_mb = {limit_mb}\nLeave out median, majority, minority and variety, for example {{stats: ['count', 'mean']}}, or raise the setting"
    )]
    ZoneTooLarge { needed_mb: u64, limit_mb: u64 },
    #[error("{problem} in \"{path}\"; its columns are {}", columns.join(", "))]
    BadRegistry { path: String, problem: String, columns: Vec<String> },

    #[error("\"{path}\" {problem}{}", second_line(remedy))]
    BadCatalog { path: String, problem: String, remedy: String },

    /// Another error, with the function and parameter it came through.
    #[error("{place}: {error}")]
    At { place: String, error: Box<Error> },
    #[error("internal: {0}\nThis is a defect of geoquilt: please report it with the query")]
    Bug(String),
}

impl Error {
    /// Puts `function` or `function(parameter)` in front, once.
    #[must_use]
    pub fn at(self, place: impl fmt::Display) -> Error {
        match self {
            Error::At { .. } => self,
            error => Error::At { place: place.to_string(), error: Box::new(error) },
        }
    }

    /// A number, quoted value or NULL that is out of its range.
    pub fn invalid(value: impl fmt::Display, must: impl Into<String>) -> Error {
        Error::Invalid { value: value.to_string(), must: must.into() }
    }

    pub fn conflict(problem: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::Conflict { problem: problem.into(), remedy: remedy.into() }
    }
}

/// Finds `value` among named choices, or says what there was.
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

fn suggestion(value: &str, choices: &[String]) -> String {
    let lower = value.to_lowercase();
    let near = choices
        .iter()
        .map(|choice| (edits(&lower, &choice.to_lowercase()), choice))
        .min()
        .filter(|(distance, choice)| *distance <= 2 && *distance < choice.len());
    let hint = near.map(|(_, choice)| format!("Did you mean \"{choice}\"? ")).unwrap_or_default();
    format!("\n{hint}One of: {}", choices.join(", "))
}

/// Levenshtein distance: how many letters to insert, delete or replace.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, &above) in b.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != *y)).min(left + 1).min(above + 1);
            diagonal = above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn second_line(remedy: &str) -> String {
    if remedy.is_empty() { String::new() } else { format!("\n{remedy}") }
}

fn held(path: &str, names: &[String]) -> String {
    let Some(first) = names.first() else { return String::new() };
    let is_array = first.starts_with("NETCDF:") || first.starts_with("HDF5:");
    let array =
        format!(", or lay a variable onto a grid with read_array('{path}', variable, {{slice: ...}})");
    let remedy = if is_array { array.as_str() } else { "" };
    format!("; it holds {} subdatasets\nName one of them: {}{remedy}", names.len(), names.join(", "))
}

fn no_glob(path: &str) -> &'static str {
    if path.contains('*') { "\nOne file is wanted here, and no glob" } else { "" }
}

fn because(reason: &str) -> String {
    match reason {
        "" => "\nWrite a code such as EPSG:32632, or its WKT or PROJJSON".into(),
        reason => format!(": {reason}"),
    }
}

fn in_layers(layers: &[String]) -> String {
    match layers {
        [] => String::new(),
        layers => format!(" in its layers {}", layers.join(", ")),
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_place_is_said_once() {
        let error = Error::invalid(-1, "at least 1").at("geo_patch_grid(size)").at("geo_patch_grid");
        assert_eq!(error.to_string(), "geo_patch_grid(size): -1 is not valid: must be at least 1");
    }

    #[test]
    fn edits_is_levenshtein() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("flaw", "lawn"), 2);
    }
}
