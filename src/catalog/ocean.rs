//! A package of the ocean: `manifest.yaml` in a folder, and the files that it names.

use std::collections::HashSet;

use chrono::NaiveDate;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::files::location::Location;
use crate::files::{self, Sight};
use crate::format::yaml;
use crate::workers::go_on;

/// Folders of a package whose files the manifest does not name one by one, and what they hold.
const FOLDERS: [(&str, &str); 5] = [
    ("argo", "argo/*.zarr"),
    ("data", "data/*.zarr"),
    ("masks", "masks/*.tif"),
    ("metadata", "metadata/*"),
    ("indices", "indices/*"),
];

/// How codes are values: `minimum + code / valid_code_max * (maximum - minimum)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// The value of code 0.
    pub minimum: f64,
    /// The value of the last code.
    pub maximum: f64,
    /// The last code.
    pub valid_code_max: f64,
    /// The code of no value.
    pub nodata: f64,
    /// Of the value.
    pub units: Option<String>,
}

/// A raster that the manifest names.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageRaster {
    /// `glorys`, `ostia`, `sealevel`.
    pub product: String,
    /// `thetao`, `analysed_sst`, `adt`.
    pub variable: String,
    /// Midnight of its day, microseconds since 1970.
    pub day: i64,
    /// The file.
    pub path: String,
    /// How its codes are values.
    pub stretch: Option<Stretch>,
}

/// A file that lies in one of the package's folders.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageFile {
    /// The folder.
    pub part: String,
    /// The file.
    pub path: String,
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The manifest itself.
    pub manifest: String,
    /// The land mask, whose grid is the package's.
    pub mask: String,
    /// The store of profiles.
    pub argo: String,
    /// Depths of the model's levels, metres.
    pub depth_axis_m: Vec<f64>,
    /// How codes of temperatures are kelvins.
    pub temperature: Stretch,
    /// In the manifest's order.
    pub rasters: Vec<PackageRaster>,
    /// Sorted, folder by folder; the mask and the store of profiles are among them where they lie there.
    pub files: Vec<PackageFile>,
}

struct Manifest {
    path: String,
    root: String,
    value: Value,
}

impl Manifest {
    fn fault(&self, reason: impl Into<String>) -> Error {
        Error::unreadable(&self.path, reason.into())
    }

    /// The value of a key such as `grid.source`.
    fn get(&self, key: &str) -> Result<&Value> {
        let mut value = &self.value;
        for part in key.split('.') {
            value = value
                .get(part)
                .filter(|v| !v.is_null())
                .ok_or_else(|| self.fault(format!("lacks the key {key}")))?;
        }
        Ok(value)
    }

    /// A file that the manifest names, which must be there. One behind a URL is looked at once it is read.
    fn file(&self, key: &str, value: &Value) -> Result<String> {
        let text = value.as_str().ok_or_else(|| self.fault(format!("{key} is not a path")))?;
        let path = if text.starts_with('/') || Location::parse(text).is_url() {
            text.to_string()
        } else {
            format!("{}/{text}", self.root)
        };
        if !Location::parse(&path).is_url() {
            Sight::at(&path).map_err(|error| self.fault(format!("{key}: {error}")))?;
        }
        Ok(path)
    }

    fn number(&self, of: &Value, key: &str, field: &str, otherwise: Option<f64>) -> Result<f64> {
        match of.get(field).filter(|v| !v.is_null()) {
            Some(value) => value
                .as_f64()
                .ok_or_else(|| self.fault(format!("{key}.{field} is {value}, and not a number"))),
            None => otherwise.ok_or_else(|| self.fault(format!("lacks the key {key}.{field}"))),
        }
    }

    fn stretch(&self, name: &str) -> Result<Stretch> {
        let key = format!("stretch.{name}");
        let of = self.get(&key)?;
        let stretch = Stretch {
            minimum: self.number(of, &key, "minimum", None)?,
            maximum: self.number(of, &key, "maximum", None)?,
            valid_code_max: self.number(of, &key, "valid_code_max", Some(254.0))?,
            nodata: self.number(of, &key, "nodata", Some(255.0))?,
            units: of.get("units").and_then(Value::as_str).map(str::to_string),
        };
        if stretch.maximum > stretch.minimum && stretch.valid_code_max > 0.0 {
            return Ok(stretch);
        }
        Err(self.fault(format!("{key} has no maximum above its minimum, or a valid_code_max of 0 or below")))
    }

    /// The depths, from the surface down.
    fn depths(&self) -> Result<Vec<f64>> {
        let key = "depth_axis_m";
        let list = self.get(key)?.as_array().ok_or_else(|| self.fault(format!("{key} is not a list")))?;
        let depths: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
        let depths = depths.ok_or_else(|| self.fault(format!("{key} holds what is not a number")))?;
        if depths.is_empty() || depths[0] < 0.0 || !depths.windows(2).all(|pair| pair[0] < pair[1]) {
            let all = "must hold depths in metres, 0 or above, each below the one before it";
            return Err(self.fault(format!("{key} {all}")));
        }
        Ok(depths)
    }

    fn rasters(&self) -> Result<Vec<PackageRaster>> {
        for key in ["rasters.glorys.thetao", "rasters.ostia.analysed_sst"] {
            let is_there = self.get(key)?.as_array().is_some_and(|entries| !entries.is_empty());
            if !is_there {
                return Err(self.fault(format!("{key} names no raster")));
            }
        }
        let mut rasters = Vec::new();
        let bad = |key: &str| self.fault(format!("{key} is not a mapping"));
        for (product, variables) in self.get("rasters")?.as_object().ok_or_else(|| bad("rasters"))? {
            for (variable, entries) in
                variables.as_object().ok_or_else(|| bad(&format!("rasters.{product}")))?
            {
                let key = format!("rasters.{product}.{variable}");
                let entries = entries.as_array().ok_or_else(|| self.fault(format!("{key} is not a list")))?;
                let stretch = if entries.is_empty() { None } else { self.stretch_of(variable)? };
                let mut days = HashSet::new();
                for (index, entry) in entries.iter().enumerate() {
                    go_on()?;
                    let key = format!("{key}[{index}]");
                    let field = |field: &str| {
                        entry.get(field).ok_or_else(|| self.fault(format!("lacks the key {key}.{field}")))
                    };
                    let date = field("date")?;
                    let day = day(date).ok_or_else(|| {
                        self.fault(format!("{key}.date is {date}, and not a day as 20180131"))
                    })?;
                    if !days.insert(day) {
                        return Err(self.fault(format!("{key}.date is {date}, as of an entry before it")));
                    }
                    let path = self.file(&format!("{key}.path"), field("path")?)?;
                    let (product, variable) = (product.clone(), variable.clone());
                    rasters.push(PackageRaster { product, variable, day, path, stretch: stretch.clone() });
                }
            }
        }
        Ok(rasters)
    }

    /// The stretch of a variable's codes: the published ones by name, of others one of their own name, if there is one.
    fn stretch_of(&self, variable: &str) -> Result<Option<Stretch>> {
        match variable {
            "thetao" | "analysed_sst" => self.stretch("temperature_kelvin").map(Some),
            "so" => self.stretch("salinity").map(Some),
            "adt" => self.stretch("sea_height").map(Some),
            other if self.value["stretch"].get(other).is_some() => self.stretch(other).map(Some),
            _ => Ok(None),
        }
    }

    fn files(&self) -> Result<Vec<PackageFile>> {
        let mut found = Vec::new();
        if Location::parse(&self.root).is_url() {
            return Ok(found);
        }
        for (part, pattern) in FOLDERS {
            // A folder that is empty, or not there, has no files.
            match files::expand(&[format!("{}/{pattern}", glob::Pattern::escape(&self.root))]) {
                Ok(paths) => {
                    found.extend(paths.into_iter().map(|path| PackageFile { part: part.into(), path }))
                }
                Err(Error::Absent { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// Midnight of a day written as 20180131, as a number or a text, or with hyphens.
fn day(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.replace('-', ""),
        _ => return None,
    };
    let date = NaiveDate::parse_from_str(&text, "%Y%m%d").ok().filter(|_| text.len() == 8)?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

/// Reads a package's manifest and looks whether the files that it names are there.
///
/// # Errors
/// A folder without `manifest.yaml`, one that is not YAML, that lacks a key, or that names a file that is not there.
pub fn package(root: &str) -> Result<Package> {
    if root.is_empty() {
        return Err(Error::invalid("\"\"", "the folder that holds manifest.yaml"));
    }
    let root = if root.len() > 1 { root.trim_end_matches('/') } else { root };
    let path = format!("{root}/manifest.yaml");
    Sight::at(&path)?;
    let manifest = Manifest { value: yaml::read(&path)?, root: root.into(), path };
    let temperature = manifest.stretch("temperature_kelvin")?;
    Ok(Package {
        mask: manifest.file("grid.source", manifest.get("grid.source")?)?,
        argo: manifest.file("argo.path", manifest.get("argo.path")?)?,
        depth_axis_m: manifest.depths()?,
        rasters: manifest.rasters()?,
        files: manifest.files()?,
        temperature,
        manifest: manifest.path,
    })
}
