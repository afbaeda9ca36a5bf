//! One asset of a STAC item: where it lies, what it is, and what its extensions say.

use crate::error::ReasonResult;
use serde_json::{Map, Value};

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::catalog::stac::{Asset, StacBand};
use crate::format::Kind;
use crate::projection;

/// The folder that an item's relative hrefs start from: its file's folder, or, for an item among several, the folder of
/// its own `self` link where it has one.
pub(crate) fn base_of(item: &Value, path: &str, several: bool) -> String {
    let links = item.get("links").and_then(Value::as_array).filter(|_| several);
    let own =
        links.and_then(|links| links.iter().find(|link| link.get("rel").is_some_and(|rel| rel == "self")));
    let own = own.and_then(|link| link.get("href")).and_then(Value::as_str).filter(|href| is_absolute(href));
    folder(&local(own.unwrap_or(path))).to_string()
}

fn is_absolute(href: &str) -> bool {
    href.starts_with('/') || href.split_once("://").is_some_and(|(scheme, _)| scheme.len() > 1)
}

/// `file:///data/a.tif` as the path that it is.
fn local(href: &str) -> String {
    href.strip_prefix("file://").map_or_else(|| href.to_string(), str::to_string)
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// An href from a folder: `.` and `..` are walked.
fn resolve(href: &str, base: &str) -> String {
    if is_absolute(href) {
        return local(href);
    }
    let mut parts: Vec<&str> = if base.is_empty() { Vec::new() } else { base.split('/').collect() };
    // What cannot be left: the root, or a URL's scheme and host.
    let fixed = match base.split_once("://") {
        Some(_) => 3,
        None => usize::from(base.starts_with('/')),
    };
    for part in href.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.len() > fixed && parts.last() != Some(&"..") => {
                parts.pop();
            }
            ".." if fixed > 0 => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// # Errors
/// An asset without an href.
pub(crate) fn read(name: &str, fields: &Map<String, Value>, base: &str) -> ReasonResult<Asset> {
    let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_string);
    let href = text("href").filter(|href| !href.is_empty());
    let href = href.ok_or_else(|| format!("its asset \"{name}\" has no href"))?;
    let roles = fields.get("roles").and_then(Value::as_array);
    let roles = roles.map(|roles| roles.iter().filter_map(Value::as_str).map(str::to_string).collect());
    Ok(Asset {
        name: name.into(),
        href: resolve(&href, base),
        media_type: text("type"),
        roles: roles.unwrap_or_default(),
        title: text("title"),
    })
}

/// What a catalog would take the asset for, by its media type, else by its suffix.
pub(crate) fn kind_of(asset: &Asset) -> Option<Kind> {
    const TYPES: [(&str, Kind); 16] = [
        ("image/tiff", Kind::Raster),
        ("image/vnd.stac.geotiff", Kind::Raster),
        ("image/jp2", Kind::Raster),
        ("image/png", Kind::Raster),
        ("image/jpeg", Kind::Raster),
        ("application/x-hdf", Kind::Array),
        ("application/x-netcdf", Kind::Array),
        ("application/netcdf", Kind::Array),
        ("application/vnd+zarr", Kind::Array),
        ("application/vnd.zarr", Kind::Array),
        ("application/wmo-grib2", Kind::Array),
        ("application/geo+json", Kind::Vector),
        ("application/geopackage", Kind::Vector),
        ("application/vnd.flatgeobuf", Kind::Vector),
        ("application/vnd.shp", Kind::Vector),
        ("application/x-shapefile", Kind::Vector),
    ];
    const SUFFIXES: [(&str, Kind); 19] = [
        (".tif", Kind::Raster),
        (".tiff", Kind::Raster),
        (".jp2", Kind::Raster),
        (".vrt", Kind::Raster),
        (".img", Kind::Raster),
        (".png", Kind::Raster),
        (".jpg", Kind::Raster),
        (".nc", Kind::Array),
        (".nc4", Kind::Array),
        (".h5", Kind::Array),
        (".hdf", Kind::Array),
        (".grib", Kind::Array),
        (".grib2", Kind::Array),
        (".grb2", Kind::Array),
        (".zarr", Kind::Array),
        (".geojson", Kind::Vector),
        (".gpkg", Kind::Vector),
        (".fgb", Kind::Vector),
        (".shp", Kind::Vector),
    ];
    let media_type = asset.media_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let by_type = TYPES.iter().find(|(prefix, _)| media_type.starts_with(prefix));
    let href = asset.href.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let by_suffix = || SUFFIXES.iter().find(|(suffix, _)| href.trim_end_matches('/').ends_with(suffix));
    by_type.or_else(by_suffix).map(|(_, kind)| *kind)
}

/// An asset's fields over those of its item: what the asset says goes first.
pub(crate) struct Look<'a> {
    /// The asset's own.
    pub fields: &'a Map<String, Value>,
    /// The item's, which an asset's go before.
    pub properties: &'a Map<String, Value>,
}

impl<'a> Look<'a> {
    /// A field of the asset itself.
    pub(crate) fn own(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A field of the asset, else of the item.
    pub(crate) fn either(&self, name: &str) -> Option<&'a Value> {
        self.own(name).or_else(|| self.properties.get(name).filter(|value| !value.is_null()))
    }

    /// `proj:code` (2.0), `proj:epsg` (1.x), `proj:projjson` or `proj:wkt2`: the first of them that PROJ knows, since
    /// writers put a code that names nothing (`EPSG:None`) before a WKT. One that PROJ does not know is given where no
    /// other is there; a code without a number is none.
    pub(crate) fn crs(&self) -> Option<String> {
        let text = |name: &str| match self.either(name)? {
            Value::String(text) => Some(text.trim().to_string()),
            value @ Value::Object(_) => Some(value.to_string()),
            _ => None,
        };
        let code = |name: &str| match self.either(name)? {
            value @ Value::Number(_) => whole(value).map(|code| format!("EPSG:{code}")),
            Value::String(code) => {
                let code = code.trim();
                let digits = !code.is_empty() && code.bytes().all(|b| b.is_ascii_digit());
                Some(if digits { format!("EPSG:{code}") } else { code.to_string() })
            }
            _ => None,
        };
        let codes =
            [code("proj:code"), code("proj:epsg")].into_iter().flatten().filter(|code| names_one(code));
        let texts = ["proj:projjson", "proj:wkt2"].into_iter().filter_map(text);
        let told: Vec<String> = codes.chain(texts.filter(|text| !text.is_empty())).collect();
        let known = told.iter().find(|name| projection::crs_facts(name).is_ok());
        known.or(told.first()).cloned()
    }

    /// [`Look::transform`], or what `proj:bbox` and `proj:shape` make of a raster that lies north-up.
    ///
    /// # Errors
    /// As [`Look::transform`] and [`Look::size`].
    pub(crate) fn placed(&self) -> std::result::Result<Option<Affine>, String> {
        if let Some(transform) = self.transform()? {
            return Ok(Some(transform));
        }
        let corners = self.either("proj:bbox").and_then(Value::as_array).map(|corners| {
            let numbers: Vec<f64> = corners.iter().filter_map(Value::as_f64).collect();
            if numbers.len() == corners.len() { numbers } else { Vec::new() }
        });
        let bbox = match corners.as_deref() {
            Some(&[xmin, ymin, xmax, ymax] | &[xmin, ymin, _, xmax, ymax, _]) => {
                Bbox::new(xmin, ymin, xmax, ymax).ok()
            }
            _ => None,
        };
        let (Some(b), Some((rows, cols))) = (bbox, self.size()?) else { return Ok(None) };
        Ok(Some(Affine([b.xmin, b.width() / cols as f64, 0.0, b.ymax, 0.0, -b.height() / rows as f64])))
    }

    /// `proj:transform` in the order of affine matrices (rows a b c, d e f), as GDAL's six numbers.
    ///
    /// # Errors
    /// Neither six nor nine numbers.
    pub(crate) fn transform(&self) -> std::result::Result<Option<Affine>, String> {
        let Some(value) = self.either("proj:transform") else { return Ok(None) };
        let terms: Vec<f64> =
            value.as_array().map_or_else(Vec::new, |terms| terms.iter().filter_map(Value::as_f64).collect());
        let all = value.as_array().is_some_and(|all| all.len() == terms.len());
        match terms.as_slice() {
            _ if !all => Err(format!("its proj:transform {value} is neither six nor nine numbers")),
            [a, b, c, d, e, f] | [a, b, c, d, e, f, _, _, _] => Ok(Some(Affine([*c, *a, *b, *f, *d, *e]))),
            _ => Err(format!("its proj:transform {value} is neither six nor nine numbers")),
        }
    }

    /// `proj:shape`: rows and columns.
    ///
    /// # Errors
    /// Other than two whole numbers from 1 to the most that a raster has.
    pub(crate) fn size(&self) -> std::result::Result<Option<(i64, i64)>, String> {
        let Some(value) = self.either("proj:shape") else { return Ok(None) };
        let side = |value: &Value| whole(value).filter(|side| (1..=i64::from(i32::MAX)).contains(side));
        let sides = match value.as_array().map(Vec::as_slice) {
            Some([rows, cols]) => side(rows).zip(side(cols)),
            _ => None,
        };
        let bad = || {
            format!(
                "its proj:shape {value} is not rows and columns, two whole numbers from 1 to {}",
                i32::MAX
            )
        };
        sides.ok_or_else(bad).map(Some)
    }

    /// `bands` of STAC 1.1, else `raster:bands` and `eo:bands` side by side. What the asset itself says of its data
    /// holds for each band that says nothing.
    pub(crate) fn bands(&self) -> Vec<StacBand> {
        let list = |name: &str| self.own(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let (new, raster, eo) = (list("bands"), list("raster:bands"), list("eo:bands"));
        let count = new.len().max(raster.len()).max(eo.len());
        let band = |i: usize| {
            let sources = [new.get(i), raster.get(i), eo.get(i)];
            let find = |names: &[&str]| {
                let in_bands =
                    sources.iter().flatten().find_map(|band| names.iter().find_map(|n| band.get(n)));
                in_bands.or_else(|| names.iter().find_map(|n| self.own(n))).filter(|v| !v.is_null())
            };
            let text = |names: &[&str]| find(names).and_then(Value::as_str).map(str::to_string);
            // An asset's own `name` or title is not that of its bands.
            let name = sources.iter().flatten().find_map(|band| band.get("name")).and_then(Value::as_str);
            StacBand {
                name: name.map(str::to_string),
                dtype: text(&["data_type"]),
                nodata: find(&["nodata"]).and_then(number),
                scale: find(&["raster:scale", "scale"]).and_then(number).filter(|s| *s != 1.0),
                offset: find(&["raster:offset", "offset"]).and_then(number).filter(|o| *o != 0.0),
                unit: text(&["unit"]),
            }
        };
        (0..count).map(band).collect()
    }
}

/// A number, or one of the words that stand for those which JSON cannot write.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| match value.as_str()?.trim().to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok().filter(|value: &f64| value.is_finite()),
    })
}

/// A whole number, also one that is written as `10980.0`.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = || value.as_f64().filter(|v| v.fract() == 0.0 && v.abs() < EXACT).map(|v| v as i64);
    value.as_i64().or_else(float)
}

/// Whether a code names a CRS at all: not `EPSG:None` or `EPSG:`, in which a program found no number.
fn names_one(code: &str) -> bool {
    let name = code.rsplit(':').next().unwrap_or(code).trim().to_ascii_lowercase();
    !["", "none", "null", "nan", "na", "n/a", "unknown", "undefined"].contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hrefs_are_resolved_from_the_items_folder() {
        for (href, base, want) in [
            ("a.tif", "data/x", "data/x/a.tif"),
            ("./a.tif", "data/x", "data/x/a.tif"),
            ("../y/a.tif", "data/x", "data/y/a.tif"),
            ("../../../a.tif", "data/x", "../a.tif"),
            ("../../a.tif", "/x", "/a.tif"),
            ("a.tif", "", "a.tif"),
            ("../a.tif", "https://h/c/i", "https://h/c/a.tif"),
            ("../../../../a.tif", "https://h/c/i", "https://h/a.tif"),
            ("s3://b/a.tif", "data", "s3://b/a.tif"),
            ("file:///d/a.tif", "data", "/d/a.tif"),
            ("/d/a.tif", "data", "/d/a.tif"),
        ] {
            assert_eq!(resolve(href, base), want, "{href} from {base}");
        }
    }

    #[test]
    fn only_an_item_among_several_starts_from_its_self_link() {
        let item = json!({"links": [{"rel": "self", "href": "https://h/c/i/i.json"}]});
        assert_eq!(base_of(&item, "data/x.json", true), "https://h/c/i");
        assert_eq!(base_of(&item, "data/x.json", false), "data");
        let relative = json!({"links": [{"rel": "self", "href": "./i.json"}]});
        assert_eq!(base_of(&relative, "data/x.json", true), "data");
    }

    #[test]
    fn bands_of_all_versions_say_the_same() {
        let properties = Map::new();
        let bands =
            |value: Value| Look { fields: value.as_object().unwrap(), properties: &properties }.bands();
        let new = bands(
            json!({"data_type": "int16", "bands": [{"name": "red", "nodata": "nan", "raster:scale": 0.1}, {"name": "nir"}]}),
        );
        let old = bands(
            json!({"raster:bands": [{"data_type": "int16", "nodata": "nan", "scale": 0.1}, {"data_type": "int16"}],
            "eo:bands": [{"name": "red"}, {"name": "nir"}]}),
        );
        assert_eq!(format!("{new:?}"), format!("{old:?}"));
        assert_eq!((new[0].scale, new[1].dtype.as_deref()), (Some(0.1), Some("int16")));
    }
}
