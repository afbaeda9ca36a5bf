//! Labels: the features of vector files, or a list of geometries, drawn on a slice's grid.

use std::collections::BTreeMap;

use geo::{CoordsIter, Geometry, LinesIter};

use crate::bbox::Bbox;
use crate::crs::Crs;
use crate::error::{Error, Lack, Result, near};
use crate::files::{Sight, Stamp};
use crate::format::gdal::vector::{Field, VectorSource};
use crate::format::{Kind, LayerName, gdal, open};
use crate::kept::Idle;
use crate::map::geometry;
use crate::map::onto::SliceProjection;
use crate::slice::Slice;

/// What a model is to learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The class of each pixel.
    Semantic,
    /// A box and a class for each feature.
    Detection,
    /// The feature of each pixel, and its box and class.
    Instance,
}

/// The tasks by their names.
pub const TASKS: [(&str, Task); 3] = [
    ("semantic_segmentation", Task::Semantic),
    ("object_detection", Task::Detection),
    ("instance_segmentation", Task::Instance),
];

/// How features are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelOptions {
    /// What the labels are for.
    pub task: Task,
    /// Every pixel that is touched, not only those whose centre lies inside.
    pub all_touched: bool,
    /// The value of pixels that no feature holds.
    pub background: i32,
    /// The field that holds the class; without one every feature is of class 1.
    pub field: Option<String>,
    /// Names of classes, where the field holds text: the first is class 1.
    pub classes: Vec<String>,
    /// One layer of the file; all of them without it.
    pub layer: Option<LayerName>,
    /// The CRS of geometries and of files that name none.
    pub crs: Option<Crs>,
}

/// A feature in the slice's CRS.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// More than one where it meets the slice on both sides of the antimeridian. They may overlap.
    pub parts: Vec<Geometry<f64>>,
    /// Its class.
    pub label: i32,
}

/// A feature as a detector sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// From 1, in the order of drawing.
    pub id: i32,
    /// Its class.
    pub label: i32,
    /// In pixels from the slice's upper left: x counts columns, y rows.
    pub bbox: Bbox,
}

/// What was drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// `[row, col]`; none for detection.
    pub pixels: Option<Vec<i32>>,
    /// None for semantic labels.
    pub objects: Option<Vec<Object>>,
}

/// Vector files that stay open between rows, each handle used by one thread at a time.
pub struct Files {
    idle: Idle<(String, Stamp), VectorSource>,
}

/// How many handles stay open when nobody reads.
const KEPT_HANDLES: usize = 64;

impl Default for Files {
    fn default() -> Files {
        Files { idle: Idle::new(KEPT_HANDLES) }
    }
}

impl Files {
    /// The features of a file that may meet a slice, in file order, in the slice's CRS.
    ///
    /// # Errors
    /// A file that is damaged, has no CRS, or lacks the layer or the field; a class that is no whole number; a
    /// feature that cannot be projected.
    pub fn features(&self, path: &str, slice: &Slice, options: &LabelOptions) -> Result<Vec<Feature>> {
        let sight = Sight::at(path)?;
        let key = (path.to_string(), sight.stamp());
        let file = self
            .idle
            .take(&key)
            .map_or_else(|| VectorSource::open(&sight), Ok)
            .map_err(|error| open::explain(error, &sight, Some(Kind::Vector)))?;
        let mut found = Vec::new();
        for layer in file.find(options.layer.as_ref())? {
            read_layer(&file, layer, path, slice, options, &mut found)?;
        }
        self.idle.give_back(key, file);
        Ok(found)
    }
}

fn read_layer(
    file: &VectorSource,
    layer: usize,
    path: &str,
    slice: &Slice,
    options: &LabelOptions,
    found: &mut Vec<Feature>,
) -> Result<()> {
    let own = file.layer_crs(layer)?.map(|name| Crs::new(&name));
    let crs = own.or_else(|| options.crs.clone()).ok_or_else(|| Error::unsuited(path, Lack::Crs))?;
    let projection = SliceProjection::new(slice, &crs)?;
    // By number: one feature may be found at several turns, and the last one in the file is drawn last.
    let mut laid: BTreeMap<Option<u64>, Vec<Feature>> = BTreeMap::new();
    for &turn in projection.turns() {
        file.features(layer, options.field.as_deref(), projection.near(turn).as_ref(), |fid, wkb, value| {
            let Some(label) = label_of(value, path, options)? else { return Ok(()) };
            let Some(shape) = geometry::read(&wkb).map_err(|e| unreadable(path, &e))? else { return Ok(()) };
            let Some(part) = projection.lay_at(&shape, turn)? else { return Ok(()) };
            let same = laid.entry(fid).or_default();
            match same.last_mut().filter(|_| fid.is_some()) {
                Some(feature) => feature.parts.push(part),
                None => same.push(Feature { parts: vec![part], label }),
            }
            Ok(())
        })?;
    }
    found.extend(laid.into_values().flatten());
    Ok(())
}

fn unreadable(path: &str, error: &Error) -> Error {
    Error::unreadable(path, error.clone())
}

/// The class of a feature; `None` when its field is NULL, and then it is not drawn.
fn label_of(value: Field, path: &str, options: &LabelOptions) -> Result<Option<i32>> {
    let Some(field) = &options.field else { return Ok(Some(1)) };
    let number = |number: f64| {
        whole(number).map(Some).map_err(|_| {
            let problem = format!(
                "field \"{field}\" of \"{path}\" holds {number}, and a class is a whole number of 32 bits"
            );
            Error::conflict(problem, "Name a field that holds classes").at("geo_rasterize(label_field)")
        })
    };
    match value {
        Field::Null => Ok(None),
        Field::Int(n) => number(n as f64),
        Field::Double(v) => number(v),
        Field::Text(text) if options.classes.is_empty() => Err(Error::conflict(
            format!(
                "field \"{field}\" of \"{path}\" holds text such as \"{text}\", and a class is a whole number"
            ),
            format!(
                "Name the classes in order, the first is 1: {{classes: ['{}', ...]}}",
                text.replace('\'', "''")
            ),
        )
        .at("geo_rasterize(label_field)")),
        Field::Text(text) => {
            let index = options.classes.iter().position(|class| *class == text);
            let class = index.map(|index| Some(index as i32 + 1));
            class.ok_or_else(|| {
                let names = || options.classes.iter().map(String::as_str);
                let near = near(&text, names()).map(|near| format!("Did you mean \"{near}\"? "));
                let remedy = format!("{}One of: {}", near.unwrap_or_default(), options.classes.join(", "));
                let problem = format!(
                    "field \"{field}\" of \"{path}\" holds \"{text}\", which is not one of the classes"
                );
                Error::conflict(problem, remedy).at("geo_rasterize(classes)")
            })
        }
    }
}

/// # Errors
/// A class that is no whole number of 32 bits.
pub fn whole(value: f64) -> Result<i32> {
    let fits = value.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value);
    if fits { Ok(value as i32) } else { Err(Error::invalid(value, "a class: a whole number of 32 bits")) }
}

/// Draws features in order, so that the last one drawn stays, and lists them as objects where the task asks.
///
/// # Errors
/// A geometry that GDAL cannot draw.
pub fn draw(features: &[Feature], slice: &Slice, options: &LabelOptions) -> Result<Labels> {
    let meets = |part: &Geometry<f64>| {
        geometry::envelope(part).is_some_and(|e| {
            let b = &slice.bbox;
            e.xmin <= b.xmax && e.xmax >= b.xmin && e.ymin <= b.ymax && e.ymax >= b.ymin
        })
    };
    let features: Vec<&Feature> = features.iter().filter(|f| f.parts.iter().any(meets)).collect();
    let size = (slice.height as usize, slice.width as usize);
    let burn = |values: &mut dyn FnMut(usize, &Feature) -> i32, background: i32| {
        let mut shapes = Vec::with_capacity(features.len());
        for (i, feature) in features.iter().enumerate() {
            let value = values(i, feature);
            for part in &feature.parts {
                shapes.push((geometry::write(part)?, value));
            }
        }
        gdal::burn::burn(&shapes, &slice.affine(), size, background, options.all_touched)
    };
    match options.task {
        Task::Semantic => {
            let pixels = burn(&mut |_, feature| feature.label, options.background)?;
            Ok(Labels { pixels: Some(pixels), objects: None })
        }
        Task::Detection => {
            let has_sides = |o: &Object| o.bbox.width() > 0.0 && o.bbox.height() > 0.0;
            let objects = objects(&features, slice).filter(has_sides).collect();
            Ok(Labels { pixels: None, objects: Some(objects) })
        }
        Task::Instance => {
            let mut pixels = burn(&mut |i, _| i as i32 + 1, 0)?;
            let mut seen = vec![false; features.len() + 1];
            for &id in &pixels {
                if let Some(seen) = seen.get_mut(id as usize) {
                    *seen = true;
                }
            }
            if options.background != 0 {
                pixels.iter_mut().filter(|id| **id == 0).for_each(|id| *id = options.background);
            }
            let seen = |o: &Object| seen.get(o.id as usize).copied().unwrap_or(false);
            let objects = objects(&features, slice).filter(seen).collect();
            Ok(Labels { pixels: Some(pixels), objects: Some(objects) })
        }
    }
}

fn objects<'a>(features: &'a [&'a Feature], slice: &'a Slice) -> impl Iterator<Item = Object> + 'a {
    let (dx, dy) = slice.resolution();
    let area = &slice.bbox;
    features.iter().enumerate().filter_map(move |(i, feature)| {
        let b = visible_box(&feature.parts, area)?;
        let bbox = Bbox {
            xmin: (b.xmin - area.xmin) / dx,
            ymin: (area.ymax - b.ymax) / dy,
            xmax: (b.xmax - area.xmin) / dx,
            ymax: (area.ymax - b.ymin) / dy,
        };
        Some(Object { id: i as i32 + 1, label: feature.label, bbox })
    })
}

/// The box around what lies of geometries inside a box: of their edges there, and of the corners that they cover.
fn visible_box(parts: &[Geometry<f64>], area: &Bbox) -> Option<Bbox> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    parts.iter().for_each(|part| collect_points(part, area, &mut points));
    Bbox::envelope(points)
}

fn collect_points(shape: &Geometry<f64>, area: &Bbox, points: &mut Vec<(f64, f64)>) {
    let mut edges = |lines: &mut dyn Iterator<Item = geo::Line<f64>>| {
        for line in lines {
            if let Some((a, b)) = geometry::clip_segment(line.start, line.end, area) {
                points.extend([(a.x, a.y), (b.x, b.y)]);
            }
        }
    };
    match shape {
        Geometry::Polygon(polygon) => {
            edges(&mut polygon.lines_iter());
            let corners = [area.xmin, area.xmax].into_iter().flat_map(|x| [(x, area.ymin), (x, area.ymax)]);
            points.extend(corners.filter(|corner| inside(polygon, *corner)));
        }
        Geometry::LineString(line) => edges(&mut line.lines_iter()),
        Geometry::MultiLineString(lines) => edges(&mut lines.lines_iter()),
        Geometry::MultiPolygon(parts) => {
            parts.iter().for_each(|part| collect_points(&Geometry::Polygon(part.clone()), area, points));
        }
        Geometry::GeometryCollection(parts) => {
            parts.iter().for_each(|part| collect_points(part, area, points));
        }
        other => {
            points.extend(other.coords_iter().map(|c| (c.x, c.y)).filter(|(x, y)| area.contains(*x, *y)))
        }
    }
}

/// Even-odd: a ray to the right meets the rings an odd number of times.
fn inside(polygon: &geo::Polygon<f64>, (x, y): (f64, f64)) -> bool {
    let crosses = |line: &geo::Line<f64>| {
        let (a, b) = (line.start, line.end);
        (a.y > y) != (b.y > y) && x < a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x)
    };
    polygon.lines_iter().filter(crosses).count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::polygon;

    #[test]
    fn the_visible_box_counts_edges_and_covered_corners() {
        let area = Bbox::new(0.0, 0.0, 10.0, 10.0).unwrap();
        let tip = polygon![(x: 5.0, y: -4.0), (x: 9.0, y: 6.0), (x: 1.0, y: 6.0)];
        let found = visible_box(&[Geometry::Polygon(tip)], &area).unwrap();
        assert!((found.xmin, found.ymin, found.ymax) == (1.0, 0.0, 6.0));
        let around = polygon![(x: -5.0, y: -5.0), (x: 20.0, y: -5.0), (x: 20.0, y: 20.0), (x: -5.0, y: 20.0)];
        assert_eq!(visible_box(&[Geometry::Polygon(around)], &area), Some(area));
        // Bent around the corner (0, 10), which it does not hold.
        let bent = polygon![(x: -2.0, y: 4.0), (x: 3.0, y: 4.0), (x: 3.0, y: 5.0), (x: -1.0, y: 5.0),
            (x: -1.0, y: 12.0), (x: -2.0, y: 12.0)];
        let found = visible_box(&[Geometry::Polygon(bent)], &area).unwrap();
        assert_eq!(found, Bbox::new(0.0, 4.0, 3.0, 5.0).unwrap());
    }
}
