//! Locations: a path or a URL as a user names it, taken apart once and without a look at any disk.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

/// Where a file lies, and which raster inside it is meant where its name says so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// As named, with `~/` as the user's home folder.
    text: String,
    /// The bytes of the text that name the file: all of them, but for a subdataset.
    file: Range<usize>,
    is_url: bool,
}

/// The two ways to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address<'a> {
    /// On disk.
    Local(&'a Path),
    /// Behind DuckDB's file system.
    Url(&'a str),
}

impl Location {
    /// Takes apart what a user names: a path, a URL such as `s3://bucket/a.tif`, or GDAL's name of one raster inside a
    /// file, such as `NETCDF:"sst.nc":tos`.
    pub fn parse(text: &str) -> Location {
        Location::written(&home(text))
    }

    /// As [`Location::parse`], of a text that no user typed: `~` is a folder like any other.
    pub fn written(text: &str) -> Location {
        let file = container(text).unwrap_or(0..text.len());
        Location::of(text.to_string(), file)
    }

    /// A file by a name that is nothing but its path or its URL.
    pub fn plain(text: &str) -> Location {
        let file = 0..text.len();
        Location::of(text.to_string(), file)
    }

    fn of(text: String, file: Range<usize>) -> Location {
        let is_url = text.get(file.clone()).is_some_and(is_url);
        Location { text, file, is_url }
    }

    /// As the user named it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file's own path or URL.
    pub fn file(&self) -> &str {
        self.text.get(self.file.clone()).unwrap_or_default()
    }

    /// Where the file itself is, without what lies inside it.
    pub fn address(&self) -> Address<'_> {
        match self.is_url {
            true => Address::Url(self.file()),
            false => Address::Local(Path::new(self.file())),
        }
    }

    /// Whether the file lies behind a URL.
    pub fn is_url(&self) -> bool {
        self.is_url
    }

    /// The file as a whole, whichever raster inside it is meant.
    pub fn container(&self) -> Location {
        match self.is_subdataset() {
            true => Location::plain(self.file()),
            false => self.clone(),
        }
    }

    /// Whether one raster inside the file is meant.
    pub fn is_subdataset(&self) -> bool {
        self.file.len() != self.text.len()
    }

    /// GDAL's driver that a subdataset names: `NETCDF`.
    pub fn driver(&self) -> Option<&str> {
        self.is_subdataset().then(|| self.text.split(':').next()).flatten()
    }

    /// What inside the file is meant, as its driver writes it: `tos`, or `//group/tos`.
    pub fn subdataset(&self) -> Option<&str> {
        let rest = self.text.get(self.file.end..).filter(|_| self.is_subdataset())?;
        let rest = rest.strip_prefix('"').unwrap_or(rest);
        rest.strip_prefix(':').filter(|name| !name.is_empty())
    }

    /// The same with the file under another name, as a driver is to be told of it.
    pub fn renamed(&self, file: &str) -> String {
        if !self.is_subdataset() {
            return file.to_string();
        }
        let before = self.text.get(..self.file.start).unwrap_or_default();
        let after = self.text.get(self.file.end..).unwrap_or_default();
        let (before, after) = (before.trim_end_matches('"'), after.trim_start_matches('"'));
        format!("{before}\"{file}\"{after}")
    }

    /// The last part of the file's path or URL.
    pub fn file_name(&self) -> &str {
        self.file().rsplit('/').next().unwrap_or_default()
    }

    /// The file's name behind its last dot, in small letters.
    pub fn extension(&self) -> String {
        self.file().rsplit('.').next().unwrap_or_default().to_ascii_lowercase()
    }

    /// A URL that names a Zarr store: a folder cannot be told from a file over a network, so its name must.
    pub fn is_store_url(&self) -> bool {
        self.is_url && self.file().trim_end_matches('/').to_ascii_lowercase().ends_with(".zarr")
    }
}

/// The path with `~/` as the user's home folder, as a shell has it.
fn home(path: &str) -> Cow<'_, str> {
    match path.strip_prefix("~/").map(|rest| (rest, std::env::var("HOME"))) {
        Some((rest, Ok(home))) => Cow::Owned(format!("{home}/{rest}")),
        _ => Cow::Borrowed(path),
    }
}

/// A URL such as `s3://bucket/a.tif`.
fn is_url(path: &str) -> bool {
    path.split_once("://").is_some_and(|(scheme, rest)| {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        scheme.len() > 1
            && !rest.is_empty()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(word)
    })
}

/// Drivers whose files hold several rasters that have names of their own.
const PREFIXES: [&str; 3] = ["NETCDF", "HDF5", "GPKG"];

/// The file in GDAL's name of one raster inside it; `None` for any other name. A quoted file ends with its quote, any
/// other with the last colon.
fn container(text: &str) -> Option<Range<usize>> {
    let (driver, rest) = text.split_once(':')?;
    if !PREFIXES.contains(&driver) || rest.is_empty() || rest.starts_with("//") {
        return None;
    }
    let start = driver.len() + 1;
    let quoted = rest.strip_prefix('"').and_then(|quoted| quoted.find('"'));
    Some(match quoted {
        Some(length) => start + 1..start + 1 + length,
        None => start..start + rest.rfind(':').unwrap_or(rest.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file, what is meant within it, and whether it lies behind a URL.
    fn parts(text: &str) -> (String, Option<String>, bool) {
        let location = Location::parse(text);
        assert_eq!(location.text(), text);
        (location.file().into(), location.subdataset().map(String::from), location.is_url())
    }

    fn inside(text: &str) -> Option<(String, String)> {
        let (file, within, _) = parts(text);
        within.map(|within| (file, within))
    }

    #[test]
    fn a_subdataset_names_its_file_and_what_is_meant_within() {
        let told = |file: &str, within: &str| Some((file.to_string(), within.to_string()));
        assert_eq!(inside("NETCDF:\"/a b/sst.nc\":tos"), told("/a b/sst.nc", "tos"));
        assert_eq!(inside("NETCDF:a.nc:v"), told("a.nc", "v"));
        assert_eq!(inside("NETCDF:\"a.nc\":/ocean/v"), told("a.nc", "/ocean/v"));
        assert_eq!(inside("HDF5:x.h5://group/a"), told("x.h5", "//group/a"));
        assert_eq!(inside("HDF5:\"a:b.h5\"://group/v:w"), told("a:b.h5", "//group/v:w"));
        assert_eq!(inside("NETCDF:\"https://h:8080/a.nc\":v"), told("https://h:8080/a.nc", "v"));
        assert_eq!(Location::parse("NETCDF:a.nc:v").driver(), Some("NETCDF"));
        // A driver's prefix without a name behind the file.
        assert_eq!(parts("NETCDF:a.nc"), ("a.nc".into(), None, false));
        assert!(Location::parse("NETCDF:a.nc").is_subdataset());
        let quoted = Location::parse("HDF5:\"x.h5\"://v");
        assert_eq!((quoted.file(), quoted.container()), ("x.h5", Location::plain("x.h5")));
    }

    #[test]
    fn names_with_colons_that_name_no_driver_are_paths() {
        for path in [
            "/data/a.tif",
            "C:/data/a.tif",
            "a:b",
            "ab:cd.tif",
            "Netcdf:a.nc:v",
            "12:30.tif",
            "NETCDF:",
            "NOSUCH:fields.gpkg",
            "CSV:/a.csv",
            "",
        ] {
            assert_eq!(parts(path), (path.into(), None, false), "{path}");
            assert!(!Location::parse(path).is_subdataset(), "{path}");
            assert_eq!(Location::parse(path).driver(), None, "{path}");
        }
        // GDAL's own virtual folders are paths like any other.
        assert_eq!(parts("/vsizip/a.zip/b.tif"), ("/vsizip/a.zip/b.tif".into(), None, false));
        assert_eq!(
            inside("NETCDF:\"/vsizip/a.zip/b.nc\":v"),
            Some(("/vsizip/a.zip/b.nc".into(), "v".into()))
        );
    }

    #[test]
    fn a_url_has_a_scheme_of_two_letters_at_least_and_something_behind_it() {
        for url in [
            "s3://bucket/a.tif",
            "https://host:8080/a[1].tif?key=a:b",
            "S3://b/a",
            "HTTPS://h/a",
            "a+b-c.d://x",
        ] {
            assert_eq!(parts(url), (url.into(), None, true), "{url}");
            assert_eq!(Location::parse(url).address(), Address::Url(url));
        }
        for path in ["://a", "s3://", "c://a", "3s://a", "a b://c", "/vsicurl/http://h/a.tif", "s3:/a"] {
            assert!(!Location::parse(path).is_url(), "{path}");
            assert_eq!(Location::parse(path).address(), Address::Local(Path::new(path)));
        }
        assert!(Location::parse("HDF5:\"https://h/a.h5\"://v").is_url());
        assert!(!Location::parse("HDF5:x.h5://group/a").is_url());
    }

    #[test]
    fn a_store_behind_a_url_is_told_by_its_name() {
        assert!(Location::parse("s3://b/cube.ZARR/").is_store_url());
        assert!(!Location::parse("s3://b/cube.zarr/tos").is_store_url());
        assert!(!Location::parse("/data/cube.zarr").is_store_url());
    }

    #[test]
    fn a_file_under_another_name_stays_the_subdataset() {
        let renamed = |text: &str| Location::parse(text).renamed("/vsimem/1");
        assert_eq!(renamed("s3://b/a.tif"), "/vsimem/1");
        assert_eq!(renamed("NETCDF:\"https://h/a.nc\":v"), "NETCDF:\"/vsimem/1\":v");
        assert_eq!(renamed("NETCDF:https://h/a.nc:v"), "NETCDF:\"/vsimem/1\":v");
        assert_eq!(renamed("HDF5:\"https://h/a.h5\"://v"), "HDF5:\"/vsimem/1\"://v");
    }

    #[test]
    fn home_is_where_a_shell_finds_it() {
        assert_eq!(home("~user/a.tif"), "~user/a.tif");
        assert_eq!(home("a/~/b.tif"), "a/~/b.tif");
        if let Ok(folder) = std::env::var("HOME") {
            assert_eq!(Location::parse("~/a.tif").text(), format!("{folder}/a.tif"));
        }
    }

    #[test]
    fn the_name_and_the_extension_are_the_files() {
        let location = Location::parse("NETCDF:\"/a/b.NC4\":v.x");
        assert_eq!((location.file_name(), location.extension().as_str()), ("b.NC4", "nc4"));
    }
}
