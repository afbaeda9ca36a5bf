//! Vector files through GDAL: their layers, where these lie, and their features.

use std::path::PathBuf;
use std::sync::OnceLock;

use gdal::vector::{FieldValue, LayerAccess, LayerCaps, geometry_type_to_name};
use gdal::{Dataset, DatasetOptions, DriverManager, GdalOpenFlags, Metadata};

use crate::bbox::Bbox;
use crate::error::{Cause, Error, Member, Result};
use crate::files::{Address, Location, Sight};
use crate::format::gdal::system::ReadOnly;
use crate::format::gdal::vsi::GdalFile;
use crate::format::gdal::{at_rest, burn, start, tags, vsi};
use crate::format::{Layer, LayerName, Tags};
use crate::memory;
use crate::projection::library::{cause, failure_of};
use crate::projection::name_of;

/// An open vector file. One thread uses it at a time.
pub struct VectorSource {
    dataset: ReadOnly,
    location: Location,
    /// Where it is read from; after the dataset, which is closed first.
    _gdal_file: GdalFile,
}

/// What a vector file's header says.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorHeader {
    /// Who reads it.
    pub driver: String,
    /// The file's own metadata, without those of its layers.
    pub tags: Tags,
    /// In file order.
    pub layers: Vec<LayerHeader>,
}

/// A layer with what a catalog needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerHeader {
    /// Name, type and count.
    pub layer: Layer,
    /// Authority code where there is one, else PROJJSON.
    pub crs: Option<String>,
    /// The box around all features; `None` for a table without geometries and for an empty layer.
    pub extent: Option<Bbox>,
}

/// A value of a feature's field.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// No value.
    Null,
    /// A whole number.
    Int(i64),
    /// A float.
    Double(f64),
    /// Text.
    Text(String),
}

/// Columns that hold the coordinates of a table's points, by the names in use.
const CSV_OPTIONS: [&str; 3] = [
    "X_POSSIBLE_NAMES=x,lon,longitude,long,lng,easting,x_coord,decimallongitude",
    "Y_POSSIBLE_NAMES=y,lat,latitude,northing,y_coord,decimallatitude",
    "GEOM_POSSIBLE_NAMES=wkt,_wkt,geom*,the_geom,shape,geojson",
];

/// Array files are none of theirs: HDF5 and netCDF are entered by one thread alone.
const NOT_VECTOR: [&str; 6] = ["netCDF", "HDF5", "HDF5Image", "GRIB", "BAG", "S102"];

fn vector_drivers() -> &'static [String] {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let reads = |d: &gdal::Driver| d.metadata_item("DCAP_VECTOR", "").is_some_and(|yes| yes == "YES");
        let names = DriverManager::all().filter(reads).map(|d| d.short_name());
        names.filter(|name| !NOT_VECTOR.contains(&name.as_str())).collect()
    })
}

/// GDAL's name of the Shapefile in a zip, or of the folder in it that holds several. The zips that GDAL knows by their names
/// are left to it.
fn zipped_shapefile(sight: &Sight) -> Option<String> {
    let path = match sight.location().address() {
        Address::Local(path) if sight.magic().starts_with(b"PK\x03\x04") => path.to_str()?,
        _ => return None,
    };
    let lower = path.to_ascii_lowercase();
    if [".shz", ".shp.zip", ".gdb.zip"].iter().any(|suffix| lower.ends_with(suffix)) {
        return None;
    }
    let root = format!("/vsizip/{{{path}}}");
    let entries = gdal::vsi::read_dir(&root, true).ok()?;
    let is_shape =
        |entry: &&PathBuf| entry.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("shp"));
    let shapes: Vec<&PathBuf> = entries.iter().filter(is_shape).collect();
    let first = shapes.first()?;
    let inside = match shapes.len() {
        1 => first.as_path(),
        _ => first.parent().filter(|folder| shapes.iter().all(|shape| shape.parent() == Some(folder)))?,
    };
    Some(format!("{root}/{}", inside.to_str()?).trim_end_matches('/').to_string())
}

/// The encoding of a Shapefile's text where GDAL takes it for bytes: where neither a .cpg nor the table's language byte tells
/// one, the format's own, ISO-8859-1; or what a .cpg means that has it in words of its own (`ISO 88591`, `ANSI 1252`).
fn untold_encoding(dataset: &Dataset) -> Option<String> {
    if dataset.driver().short_name() != "ESRI Shapefile" {
        return None;
    }
    let layer = dataset.layers().find(|layer| !layer.has_capability(LayerCaps::OLCStringsAsUTF8))?;
    Some(
        layer
            .metadata_item("CPG_VALUE", "SHAPEFILE")
            .map_or_else(|| LATIN_1.into(), |told| encoding_of(&told)),
    )
}

const LATIN_1: &str = "ISO-8859-1";

/// An encoding by the name that iconv has for it.
fn encoding_of(told: &str) -> String {
    let digits: String = told.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("8859") {
        Some(
            part @ ("1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "10" | "13" | "14" | "15" | "16"),
        ) => {
            format!("ISO-8859-{part}")
        }
        None if (3..=4).contains(&digits.len()) => format!("CP{digits}"),
        _ => LATIN_1.into(),
    }
}

impl VectorSource {
    /// # Errors
    /// The file is absent, no vector file, or damaged.
    pub fn open(sight: &Sight) -> Result<VectorSource> {
        start();
        let path = sight.path();
        let drivers: Vec<&str> = vector_drivers().iter().map(String::as_str).collect();
        let lower = path.to_ascii_lowercase();
        let is_table = [".csv", ".tsv", ".psv"].iter().any(|suffix| lower.ends_with(suffix));
        vsi::watched(sight.location(), || {
            let resting = at_rest(sight)?;
            let gdal_file = GdalFile::of(&sight.container(), |_, _| false)?;
            // A remote folder is not listed.
            let alone = gdal_file.file_name().map(|name| [name]);
            let name = zipped_shapefile(sight).unwrap_or_else(|| gdal_file.name.clone());
            let open = |open_options: Option<&[&str]>| {
                let options = DatasetOptions {
                    open_flags: GdalOpenFlags::GDAL_OF_VECTOR
                        | GdalOpenFlags::GDAL_OF_READONLY
                        | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR,
                    allowed_drivers: Some(&drivers),
                    open_options,
                    sibling_files: alone.as_ref().map(|name| &name[..]),
                };
                Dataset::open_ex(&name, options)
                    .map_err(|e| Error::unreadable(path, cause(e, &gdal_file.name)))
            };
            let mut dataset = open(is_table.then_some(&CSV_OPTIONS[..]).or(resting))?;
            if let Some(encoding) = untold_encoding(&dataset) {
                dataset = open(Some(&[format!("ENCODING={encoding}").as_str()]))?;
            }
            Ok(VectorSource {
                dataset: ReadOnly::new(dataset),
                location: sight.location().clone(),
                _gdal_file: gdal_file,
            })
        })
    }

    /// The open file.
    pub(super) fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Where it is.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// The names of its layers, in file order.
    ///
    /// # Errors
    /// A part of the file cannot be read.
    pub fn layer_names(&self) -> Result<Vec<String>> {
        vsi::watched(&self.location, || Ok(self.names()))
    }

    fn names(&self) -> Vec<String> {
        self.dataset.layers().map(|layer| layer.name()).collect()
    }

    /// How many layers the file has.
    pub fn layer_count(&self) -> usize {
        self.dataset.layer_count()
    }

    /// The indices of the layers asked for: one by name or by number (from 1), or all.
    ///
    /// # Errors
    /// [`Error::NotFound`] with those that there are.
    pub fn find(&self, wanted: Option<&LayerName>) -> Result<Vec<usize>> {
        let Some(wanted) = wanted else { return Ok((0..self.layer_count()).collect()) };
        let names = self.layer_names()?;
        let (found, shown) = match wanted {
            LayerName::Name(name) => {
                let same: Vec<usize> = (0..names.len()).filter(|i| names.get(*i) == Some(name)).collect();
                if same.len() > 1 {
                    let numbers: Vec<String> = same.iter().map(|index| (index + 1).to_string()).collect();
                    let problem = format!(
                        "\"{}\" has {} layers named \"{name}\": {}",
                        self.location.text(),
                        same.len(),
                        numbers.join(", ")
                    );
                    return Err(Error::conflict(problem, "Name the layer that is meant by its number"));
                }
                (same.first().copied(), format!("\"{name}\""))
            }
            LayerName::Number(n) => {
                let index = usize::try_from(*n).ok().and_then(|n| n.checked_sub(1));
                (index.filter(|index| *index < names.len()), n.to_string())
            }
        };
        let available = || names.iter().enumerate().map(|(i, n)| format!("{} \"{n}\"", i + 1)).collect();
        found
            .map(|index| vec![index])
            .ok_or_else(|| Error::not_found(Member::Layer, shown, self.location.text(), available()))
    }

    /// Counts features and finds extents: from the header where the format keeps them, else by one pass.
    ///
    /// # Errors
    /// An unknown layer, or one that cannot be read.
    pub fn header(&self, wanted: Option<&LayerName>) -> Result<VectorHeader> {
        let indices = self.find(wanted)?;
        vsi::watched(&self.location, || {
            let layers = indices.into_iter().map(|index| self.layer_header(index)).collect::<Result<_>>()?;
            let tags = tags::of_object(&*self.dataset);
            Ok(VectorHeader { driver: self.dataset.driver().short_name(), tags, layers })
        })
    }

    fn layer_header(&self, layer_index: usize) -> Result<LayerHeader> {
        let unreadable = |reason: Cause| Error::unreadable(self.location.text(), reason);
        let mut layer =
            self.dataset.layer(layer_index).map_err(|e| unreadable(cause(e, self.location.text())))?;
        let spatial = layer.defn().geom_fields().next().is_some();
        let geometry_type = match spatial {
            true => geometry_type_to_name(layer.defn().geometry_type()),
            false => "None".to_string(),
        };
        let (counted, failure) = failure_of(|| count(&mut layer, spatial));
        let (features, extent) = counted?;
        // -1 stands for a count that could not be had.
        if let Some(failure) = failure.or_else(|| (features > i64::MAX as u64).then(|| "no count".into())) {
            return Err(unreadable(failure.into()));
        }
        let extent = match extent {
            Some(e) => Some(Bbox::new(e.MinX, e.MinY, e.MaxX, e.MaxY).map_err(|e| unreadable(e.into()))?),
            None => None,
        };
        let crs = self.crs_of(&layer, || extent);
        let name = layer.name();
        Ok(LayerHeader { layer: Layer { name, geometry_type, features }, crs, extent })
    }

    /// The CRS of a layer, by authority code where there is one, else PROJJSON.
    ///
    /// # Errors
    /// A remote file cannot be read.
    pub fn layer_crs(&self, layer_index: usize) -> Result<Option<String>> {
        let read = || {
            let layer = self.dataset.layer(layer_index).ok()?;
            self.crs_of(&layer, || {
                let e = layer.get_extent().ok()?;
                Bbox::new(e.MinX, e.MinY, e.MaxX, e.MaxY).ok()
            })
        };
        // The CRS of a Shapefile is a file of its own.
        vsi::watched(&self.location, || Ok(read()))
    }

    /// TopoJSON has no field for a CRS, and is in lon/lat unless it was projected for a screen. Of other files the extent is not
    /// asked, which may take a pass.
    fn crs_of(
        &self,
        layer: &gdal::vector::Layer<'_>,
        extent: impl FnOnce() -> Option<Bbox>,
    ) -> Option<String> {
        let own = layer.spatial_ref().and_then(|mut srs| name_of(&mut srs));
        own.or_else(|| {
            let degrees = |b: &Bbox| b.xmin >= -180.0 && b.xmax <= 180.0 && b.ymin >= -90.0 && b.ymax <= 90.0;
            let topology = self.dataset.driver().short_name() == "TopoJSON";
            let extent = if topology { extent() } else { None };
            extent.filter(degrees).map(|_| "EPSG:4326".to_string())
        })
    }

    /// Gives every feature of a layer whose box meets `within` (in the layer's CRS), in file order: its
    /// number where it has one, WKB, and the value of a field. Features without a geometry are passed over.
    ///
    /// # Errors
    /// No such field, a damaged feature, or what `visit` returns.
    pub fn features(
        &self,
        layer_index: usize,
        field: Option<&str>,
        within: Option<&Bbox>,
        visit: impl FnMut(Option<u64>, Vec<u8>, Field) -> Result<()>,
    ) -> Result<()> {
        vsi::watched(&self.location, || self.features_now(layer_index, field, within, visit))
    }

    fn features_now(
        &self,
        layer_index: usize,
        field: Option<&str>,
        within: Option<&Bbox>,
        mut visit: impl FnMut(Option<u64>, Vec<u8>, Field) -> Result<()>,
    ) -> Result<()> {
        let unreadable = |reason: Cause| Error::unreadable(self.location.text(), reason);
        let mut layer =
            self.dataset.layer(layer_index).map_err(|e| unreadable(cause(e, self.location.text())))?;
        let index = match field {
            Some(name) => Some(self.field_index(&layer, name)?),
            None => None,
        };
        match within {
            Some(b) => layer.set_spatial_filter_rect(b.xmin, b.ymin, b.xmax, b.ymax),
            None => layer.clear_spatial_filter(),
        }
        let (mut found, mut held, layer_name) = (Vec::new(), 0usize, layer.name());
        let (outcome, failure) = failure_of(|| {
            burn::each_feature(&layer, |feature| {
                let Some(geometry) = feature.geometry() else { return Ok(()) };
                let wkb = match burn::straightened(geometry) {
                    Some(wkb) => wkb,
                    None => geometry.wkb().map_err(|e| unreadable(cause(e, self.location.text())))?,
                };
                let value = match index {
                    Some(index) => {
                        match feature.field(index).map_err(|e| unreadable(cause(e, self.location.text())))? {
                            Some(value) => value_of(value),
                            None => Field::Null,
                        }
                    }
                    None => Field::Null,
                };
                held = held.saturating_add(wkb.len() + size_of::<(Option<u64>, Vec<u8>, Field)>());
                // A view in a file may have features without end.
                if held > memory::limit() / 4 {
                    let what =
                        format!("the features of layer \"{}\" of \"{}\"", layer_name, self.location.text());
                    return Err(Error::NoRoom { what, needed: held as u64, reason: "".into() });
                }
                found.push((feature.fid(), wkb, value));
                Ok(())
            })
        });
        layer.clear_spatial_filter();
        outcome?;
        // A damaged feature ends the layer as if it were the last: only what GDAL says tells the difference.
        if let Some(failure) = failure {
            return Err(unreadable(failure.into()));
        }
        // A spatial index gives them in its own order.
        found.sort_by_key(|(fid, ..)| *fid);
        found.into_iter().try_for_each(|(fid, wkb, value)| visit(fid, wkb, value))
    }

    fn field_index(&self, layer: &gdal::vector::Layer<'_>, name: &str) -> Result<usize> {
        let names: Vec<String> = layer.defn().fields().map(|field| field.name()).collect();
        let found = names.iter().position(|n| n == name);
        found.ok_or_else(|| {
            Error::not_found(Member::Field { layer: layer.name() }, name, self.location.text(), names)
        })
    }
}

/// How many features a layer has, and the box around them: as the format keeps them, or else by one pass, in which a query can be
/// interrupted.
fn count(layer: &mut gdal::vector::Layer<'_>, spatial: bool) -> Result<(u64, Option<gdal_sys::OGREnvelope>)> {
    if layer.has_capability(LayerCaps::OLCFastFeatureCount)
        && (!spatial || layer.has_capability(LayerCaps::OLCFastGetExtent))
    {
        let features = layer.feature_count();
        let extent = if spatial && features > 0 { layer.get_extent().ok() } else { None };
        return Ok((features, extent));
    }
    let (mut features, mut around) = (0, None::<gdal_sys::OGREnvelope>);
    burn::each_feature(layer, |feature| {
        features += 1;
        let Some(own) = feature.geometry().and_then(burn::envelope) else { return Ok(()) };
        around = Some(match around {
            None => own,
            Some(all) => gdal_sys::OGREnvelope {
                MinX: all.MinX.min(own.MinX),
                MaxX: all.MaxX.max(own.MaxX),
                MinY: all.MinY.min(own.MinY),
                MaxY: all.MaxY.max(own.MaxY),
            },
        });
        Ok(())
    })?;
    Ok((features, around.filter(|_| spatial)))
}

fn value_of(value: FieldValue) -> Field {
    match value {
        FieldValue::IntegerValue(v) => Field::Int(v.into()),
        FieldValue::Integer64Value(v) => Field::Int(v),
        FieldValue::RealValue(v) => Field::Double(v),
        FieldValue::StringValue(v) => Field::Text(v),
        other => Field::Text(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_in_words_is_found() {
        for (told, name) in [
            ("ISO 88591", "ISO-8859-1"),
            ("ISO_8859-15", "ISO-8859-15"),
            ("ANSI 1252", "CP1252"),
            ("OEM 850", "CP850"),
            ("windows-1251", "CP1251"),
            ("unheard of", "ISO-8859-1"),
        ] {
            assert_eq!(encoding_of(told), name, "{told}");
        }
    }
}
