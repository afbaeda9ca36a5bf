//! `geo_rasterize`: vector labels on a slice's grid.

use crate::bbox::Bbox;
use crate::bridge::args::{Args, number};
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::{Typed, record, text};
use crate::bridge::rows::{Cell, Parallel};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::{Holds, List, Vector};
use crate::error::{Error, Load, Member, Result};
use crate::files;
use crate::label::{self, Feature, Files, LabelOptions, Labels, TASKS, Task};
use crate::limits::Limits;
use crate::map::geometry;
use crate::map::onto::SliceProjection;
use crate::slice::Slice;
use crate::sql::shared::crs::{CallCrs, crs_of_call};
use crate::sql::shared::options::layer_name;
use crate::sql::shared::slice_value;
use crate::sql::shared::slice_value::SLICE;
use crate::value::Value;

/// The scalar `geo_rasterize`.
pub struct GeoRasterize;

/// A feature that was drawn.
struct Object {
    id: i32,
    label: i32,
    bbox: Bbox,
}
record! { Object { id: i32, label: i32, bbox: Bbox } }

const RESULT: &str = text![
    "STRUCT(data INTEGER[], shape INTEGER[], transform DOUBLE[], crs VARCHAR, objects ",
    <Vec<Object>>::TYPE,
    ")"
];

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_rasterize",
    kind: Kind::Scalar,
    summary: "Draws vector labels on a slice's grid: classes, boxes or instances.",
    parameters: &[
        Parameter {
            name: "features",
            types: "VARCHAR | VARCHAR[] | GEOMETRY[] | STRUCT(geometry GEOMETRY, value DOUBLE)[]",
            given: Given::AsItIs,
            meaning: "A vector file, a glob, or a list of those, drawn in order; or geometries, with their classes as `value` where they have any, such as `geo_polygonize` gives.",
        },
        Parameter {
            name: "slice",
            types: SLICE,
            given: Given::AsItIs,
            meaning: "The grid to draw on: see `geo_slice`. Features are projected onto it vertex by vertex.",
        },
        Parameter {
            name: "options",
            types: "STRUCT",
            given: Given::Optional,
            meaning: "The keys below, constant for the query.",
        },
        Parameter {
            name: "task",
            types: "VARCHAR",
            given: Given::Option("'semantic_segmentation'"),
            meaning: "`semantic_segmentation`: the class of each pixel. `object_detection`: a box and a class for each feature. `instance_segmentation`: the feature of each pixel, with its box and class.",
        },
        Parameter {
            name: "label_field",
            types: "VARCHAR",
            given: Given::Option("NULL"),
            meaning: "The field of the file that holds the class, a whole number; without it every feature is of class 1. A feature whose field is NULL is not drawn.",
        },
        Parameter {
            name: "classes",
            types: "VARCHAR[]",
            given: Given::Option("NULL"),
            meaning: "Names of the classes where the field holds text: the first is class 1.",
        },
        Parameter {
            name: "labels",
            types: "BIGINT[]",
            given: Given::Option("NULL"),
            meaning: "Classes of a list of bare geometries, one for each.",
        },
        Parameter {
            name: "layer",
            types: "VARCHAR | BIGINT",
            given: Given::Option("NULL"),
            meaning: "One layer of the file, by name or by number (from 1); all of them unless given.",
        },
        Parameter {
            name: "all_touched",
            types: "BOOLEAN",
            given: Given::Option("false"),
            meaning: "Draw every pixel that a feature touches, not only those whose centre lies inside.",
        },
        Parameter {
            name: "background",
            types: "INTEGER",
            given: Given::Option("0"),
            meaning: "The value of pixels that no feature holds.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Option("'OGC:CRS84'"),
            meaning: "CRS of geometries whose type has none; of a file, only where it names none itself.",
        },
    ],
    columns: &[Column {
        name: "labels",
        types: RESULT,
        meaning: "`data` is [row, col]: classes, or ids from 1 in the order of drawing (the last one drawn stays), or NULL for detection. `shape` is [1, rows, columns]. `objects` are in the order of drawing, NULL for semantic labels: their boxes are in pixels from the upper left (x counts columns), of the part within the slice; a detected one has a width and a height, an instance at least one pixel.",
    }],
    nulls: "NULL for NULL features and for a slice that is NULL or lacks its box, CRS or size. NULL and empty geometries are not drawn; NULL in a list of paths is passed over.",
    errors: &[
        "a file that is absent, no vector file, damaged, or without a CRS",
        "a layer or a field that the file does not have (those it has are listed)",
        "a class that is not a whole number, text without `classes`, or text that is none of them",
        "labels that are not as many as the geometries, or beside files; classes without a label_field; a label_field or a layer of geometries",
        "a feature near the slice that cannot be projected",
        "a chunk above geoquilt_max_chunk_mb",
    ],
    examples: &[
        Example {
            title: "Classes on a coarse grid: the box of class 2 lies over that of class 1",
            sql: "SELECT geo_rasterize('test/data/small/regions.geojson', geo_slice({xmin: 0, ymin: 0, xmax: 60, ymax: 60}, 20, 'OGC:CRS84'), {label_field: 'class'}).data AS classes;",
            rows: &["[0, 2, 2, 1, 2, 2, 1, 1, 0]"],
        },
        Example {
            title: "Boxes in pixels, classes by name",
            sql: "SELECT o.id, o.label, o.bbox FROM (SELECT unnest(geo_rasterize('test/data/small/regions.geojson', geo_slice({xmin: 0, ymin: 0, xmax: 60, ymax: 60}, 20, 'OGC:CRS84'),\n\
                  \x20 {task: 'object_detection', label_field: 'name', classes: ['plain', 'forest', 'lake']}).objects) AS o);",
            rows: &[
                "1\t1\t{'xmin': 0.0, 'ymin': 1.0, 'xmax': 2.0, 'ymax': 3.0}",
                "2\t2\t{'xmin': 1.0, 'ymin': 0.5, 'xmax': 3.0, 'ymax': 2.0}",
            ],
        },
    ],
    references: &["rasterio.features.rasterize", "torchgeo 0.7: the three tasks of VectorDataset"],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    drawing: Drawing,
    limits: Limits,
}

/// How features are drawn, and the files that are open for it.
pub struct Drawing {
    /// What the labels are, and where their classes come from.
    pub options: LabelOptions,
    /// Of geometries in a list.
    given: CallCrs,
    labels: Option<Vec<i32>>,
    files: Files,
}

impl Drawing {
    /// `own` is the CRS that the type of the geometries carries.
    ///
    /// # Errors
    /// A value of the wrong form, or classes without a field that holds them.
    pub fn of(args: &Args, own: Option<String>) -> Result<Drawing> {
        let given = crs_of_call(args, own)?;
        let options = LabelOptions {
            task: args.choice("task", "a task", &TASKS)?.unwrap_or(Task::Semantic),
            all_touched: args.flag("all_touched")?.unwrap_or(false),
            background: args.integer("background", i32::MIN.into(), i32::MAX.into())?.unwrap_or(0) as i32,
            field: args.text("label_field")?,
            classes: classes(args)?,
            layer: layer_name(args)?,
            crs: args.text("crs")?.map(|_| given.crs.clone()),
        };
        if !options.classes.is_empty() && options.field.is_none() {
            let problem = "classes are names in a label_field, and none is named";
            return Err(args.blame("classes")(Error::conflict(
                problem,
                "Name the field that holds them: {label_field: 'class'}",
            )));
        }
        Ok(Drawing { options, given, labels: labels(args)?, files: Files::default() })
    }

    /// Draws what a value names on a slice: paths, geometries, or geometries with their classes.
    ///
    /// # Errors
    /// A value of another form, files that cannot be read, or features that cannot be projected.
    pub fn draw(&self, features: &Value, slice: &Slice) -> Result<Labels> {
        let found = self.what(features)?.features(self, slice)?;
        label::draw(&found, slice, &self.options)
    }

    fn what(&self, features: &Value) -> Result<What> {
        let bad = || blame(Error::invalid(features, FEATURES));
        let items = match features {
            Value::Text(path) => return of_files(self, vec![path.clone()]),
            Value::List(items) => items,
            _ => return Err(bad()),
        };
        let there = || items.iter().filter(|item| **item != Value::Null);
        let text = |item: &Value| match item {
            Value::Text(path) => Some(path.clone()),
            _ => None,
        };
        if there().any(|item| text(item).is_some()) {
            return of_files(self, there().map(text).collect::<Option<_>>().ok_or_else(bad)?);
        }
        check_bare(&self.options)?;
        check_labels(self, items.len())?;
        let mut shapes = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate().filter(|(_, item)| **item != Value::Null) {
            let (geometry, value) = match item {
                Value::Struct(fields) => {
                    let field =
                        |name: &str| fields.iter().find(|(have, _)| have == name).map(|(_, value)| value);
                    (field("geometry").ok_or_else(bad)?, Some(field("value").ok_or_else(bad)?))
                }
                bare => (bare, None),
            };
            let Some(label) = self.label(at, value)? else { continue };
            match geometry {
                Value::Null => {}
                Value::Geometry(wkb, _) => shapes.push((wkb.clone(), label)),
                _ => return Err(bad()),
            }
        }
        Ok(What::Shapes(shapes))
    }

    /// The class of a geometry in a list; `None` where its own is NULL.
    fn label(&self, at: usize, value: Option<&Value>) -> Result<Option<i32>> {
        let bad = |value: &Value| blame(Error::invalid(value, FEATURES));
        match (&self.labels, value) {
            (Some(labels), _) => Ok(Some(labels.get(at).copied().unwrap_or(1))),
            (None, None) => Ok(Some(1)),
            (None, Some(Value::Null)) => Ok(None),
            (None, Some(value)) => {
                let number = number(value).ok_or_else(|| bad(value))?;
                label::whole(number).map(Some).map_err(blame)
            }
        }
    }
}

impl ScalarFunction for GeoRasterize {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let drawing = Drawing::of(&call.options()?, call.crs(0)?)?;
        Ok(Bound { drawing, limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (features, slices) = (input.column(0), input.column(1));
        let threads = bound.limits.threads;
        let slice = |row: usize| -> Result<Option<Slice>> {
            let slice = slice_value::read(slices, row).map_err(|e| e.at("geo_rasterize(slice)"))?;
            Ok(slice.map(|(slice, _)| slice).filter(|_| !features.is_null(row)))
        };
        let mut elements = 0usize;
        for row in 0..input.rows() {
            elements = elements.saturating_add(slice(row)?.map_or(0, |slice| slice.area()));
        }
        bound.limits.allow(elements.saturating_mul(4), || Load::Labels)?;
        let job = |row: usize| {
            let Some(slice) = slice(row)? else { return Ok(None) };
            let what = match features.holds() {
                Holds::List => what(&bound.drawing, &features.list(row))?,
                Holds::Text => of_files(&bound.drawing, vec![features.str(row)?.to_string()])?,
                _ => return Err(blame(Error::invalid(Value::of(features, row), FEATURES))),
            };
            Ok(Some(Job { slice, what }))
        };
        let work = |job: &Job| {
            let features = job.what.features(&bound.drawing, &job.slice)?;
            label::draw(&features, &job.slice, &bound.drawing.options)
        };
        // A few rows for each thread at a time: their labels wait to be written.
        let parallel = Parallel { threads, at_once: 4 * threads.max(1) };
        parallel
            .rows(input, out, job, work, |job, labels: Labels, out, row| write(labels, &job.slice, out, row))
    }
}

/// What a row asks for.
struct Job {
    slice: Slice,
    what: What,
}

/// What is drawn on a slice: vector files, or geometries with their classes.
enum What {
    /// Paths and globs.
    Files(Vec<String>),
    /// As WKB.
    Shapes(Vec<(Vec<u8>, i32)>),
}

const FEATURES: &str =
    "vector files, a list of geometries, or a list of {geometry, value}, such as geo_polygonize gives";

fn blame(error: Error) -> Error {
    let parameter = match error.bare() {
        Error::NotFound { what: Member::Field { .. }, .. } => "label_field",
        Error::NotFound { what: Member::Layer, .. } => "layer",
        _ => "features",
    };
    error.at(format!("geo_rasterize({parameter})"))
}

impl What {
    fn features(&self, drawing: &Drawing, slice: &Slice) -> Result<Vec<Feature>> {
        let mut found = Vec::new();
        match self {
            What::Files(patterns) => {
                for path in files::expand(patterns).map_err(blame)? {
                    found.extend(drawing.files.features(&path, slice, &drawing.options).map_err(blame)?);
                }
            }
            What::Shapes(shapes) => {
                let given = &drawing.given;
                let blame = |error: Error| blame(given.explain(error));
                let projection = SliceProjection::new(slice, &given.crs).map_err(blame)?;
                for (wkb, label) in shapes {
                    let Some(shape) = geometry::read(wkb).map_err(blame)? else { continue };
                    given.check(geometry::envelope(&shape)).map_err(blame)?;
                    let parts = projection.lay(&shape).map_err(blame)?;
                    if !parts.is_empty() {
                        found.push(Feature { parts, label: *label });
                    }
                }
            }
        }
        Ok(found)
    }
}

fn classes(args: &Args) -> Result<Vec<String>> {
    let Some(value) = args.get("classes") else { return Ok(Vec::new()) };
    let name = |item: &Value| match item {
        Value::Text(name) => Some(name.clone()),
        _ => None,
    };
    let names: Option<Vec<String>> = match value {
        Value::List(items) => items.iter().map(name).collect(),
        _ => None,
    };
    let bad = || args.blame("classes")(Error::invalid(value, "a list of names such as ['water', 'forest']"));
    names.filter(|names| !names.is_empty()).ok_or_else(bad)
}

fn labels(args: &Args) -> Result<Option<Vec<i32>>> {
    let Some(value) = args.get("labels") else { return Ok(None) };
    let label = |item: &Value| match item {
        Value::Int(n) => i32::try_from(*n).ok(),
        _ => None,
    };
    let labels: Option<Vec<i32>> = match value {
        Value::List(items) => items.iter().map(label).collect(),
        _ => None,
    };
    let bad = || args.blame("labels")(Error::invalid(value, "a list of whole numbers of 32 bits"));
    labels.ok_or_else(bad).map(Some)
}

/// # Errors
/// Labels, which are those of bare geometries.
fn of_files(drawing: &Drawing, patterns: Vec<String>) -> Result<What> {
    if drawing.labels.is_none() {
        return Ok(What::Files(patterns));
    }
    let problem = "labels are those of a list of geometries, and files are given";
    let remedy = "Name the field that holds the classes of a file's features: {label_field: 'class'}";
    Err(Error::conflict(problem, remedy).at("geo_rasterize(labels)"))
}

/// # Errors
/// Options that are those of files, which hold fields and layers.
fn check_bare(options: &LabelOptions) -> Result<()> {
    let named = [("label_field", options.field.is_some()), ("layer", options.layer.is_some())];
    let Some((name, _)) = named.iter().find(|(_, given)| *given) else { return Ok(()) };
    let problem = format!("a {name} is one of a file, and geometries are given");
    let remedy = "Give their classes as labels: [1, 2, ...], or as value beside each geometry";
    Err(Error::conflict(problem, remedy).at(format!("geo_rasterize({name})")))
}

/// # Errors
/// Labels that are not as many as the geometries.
fn check_labels(drawing: &Drawing, count: usize) -> Result<()> {
    let Some(labels) = drawing.labels.as_ref().filter(|labels| labels.len() != count) else { return Ok(()) };
    let problem = format!("{} labels for {count} geometries", labels.len());
    Err(Error::conflict(problem, "Give one label for each geometry").at("geo_rasterize(labels)"))
}

fn what(drawing: &Drawing, list: &List) -> Result<What> {
    let (items, rows) = (list.items(), list.rows());
    let kind = items.holds();
    if kind == Holds::Text {
        let patterns = rows.filter(|at| !items.is_null(*at)).map(|at| items.str(at).map(str::to_string));
        return of_files(drawing, patterns.collect::<Result<_>>()?);
    }
    check_bare(&drawing.options)?;
    check_labels(drawing, rows.len())?;
    let mut shapes = Vec::with_capacity(rows.len());
    let classed = items.named_fields(["geometry", "value"]);
    for at in rows.filter(|at| !items.is_null(*at)) {
        let bad = || blame(Error::invalid(Value::of(items, at), FEATURES));
        let (geometry, value) = match classed {
            Some([geometry, value]) => (geometry, Some(Value::of(value, at))),
            None => (items, None),
        };
        let Some(label) = drawing.label(at, value.as_ref())? else { continue };
        match geometry.holds() {
            _ if geometry.is_null(at) => {}
            Holds::Geometry => shapes.push((geometry.bytes(at).to_vec(), label)),
            _ => return Err(bad()),
        }
    }
    Ok(What::Shapes(shapes))
}

fn write(labels: Labels, slice: &Slice, out: &mut Vector<'_>, row: usize) -> Result<()> {
    let names = ["data", "shape", "transform", "crs", "objects"];
    let [data, shape, transform, crs, objects] = out.fields_mut(names)?;
    match &labels.pixels {
        Some(pixels) => data.set_list(row, pixels),
        None => data.set_null(row),
    }
    shape.set_list(row, &[1, slice.height as i32, slice.width as i32]);
    transform.set_list(row, &slice.affine().0);
    slice.crs.as_str().write(crs, row)?;
    let object = |o: label::Object| Object { id: o.id, label: o.label, bbox: o.bbox };
    let found = labels.objects.map(|objects| objects.into_iter().map(object).collect::<Vec<_>>());
    found.write(objects, row)
}
