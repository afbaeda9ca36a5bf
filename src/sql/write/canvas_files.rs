//! Canvases into files of their own: one a query, or one a row by names with fields in braces.

use std::collections::HashSet;
use std::path::Path;

use crate::affine::Affine;
use crate::bridge::chunk::Input;
use crate::bridge::pieces::Pieces;
use crate::dtype::Pixels;
use crate::error::{Error, Result};
use crate::files::Location;
use crate::projection;
use crate::sql::shared::stitching::columns::{Columns, Part};
use crate::sql::shared::stitching::numbers;
use crate::sql::write::options;
use crate::value::Value;
use crate::workers;
use crate::write::pack::Packing;
use crate::write::staging::{self, Staging, Swept};

/// What a row holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    /// In the order of the shape.
    pub pixels: Pixels,
    /// Which of them are there, where a mask is made.
    pub laid: Option<Vec<bool>>,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// From pixels to the CRS.
    pub transform: Option<Affine>,
    /// The CRS, as the user names it.
    pub crs: Option<String>,
}

/// A format that writes a canvas.
pub trait CanvasFormat: Sync {
    /// How numbers become pixels.
    fn packing(&self) -> &Packing;

    /// Writes a canvas on its way; `alone` is false where others are written beside it.
    ///
    /// # Errors
    /// A canvas that the format does not take, or a file that cannot be written.
    fn write(&self, staging: Staging, canvas: Canvas, alone: bool) -> Result<()>;
}

/// One file, or many.
pub enum CanvasFiles {
    /// One canvas.
    Whole {
        /// Where it goes.
        staging: Staging,
        /// Once its row came.
        canvas: Option<Canvas>,
    },
    /// A canvas a row.
    Each {
        /// The target, with names of fields in braces.
        template: String,
        /// What was written.
        written: HashSet<String>,
        /// Where.
        swept: Swept,
    },
}

/// Canvases that are held before they are written side by side, in bytes.
const LOT: usize = 32 << 20;

/// # Errors
/// A target that is a URL.
pub fn check_local(target: &Path) -> Result<()> {
    if !Location::plain(&target.to_string_lossy()).is_url() {
        return Ok(());
    }
    let problem = format!("\"{}\" is a URL", target.display());
    Err(Error::conflict(problem, "Write a local file, and copy it there"))
}

impl CanvasFiles {
    /// Begins the file, or a file a row.
    ///
    /// # Errors
    /// A target that cannot be written, or names of fields that the query does not have.
    pub fn open(columns: &Columns, target: &Path) -> Result<CanvasFiles> {
        check_local(target)?;
        let text = target.to_string_lossy();
        if text.contains('{') {
            columns.check_template(&text)?;
            let (written, swept) = (HashSet::new(), Swept::default());
            return Ok(CanvasFiles::Each { template: text.into_owned(), written, swept });
        }
        columns.check_template("")?;
        Ok(CanvasFiles::Whole { staging: Staging::new(target)?, canvas: None })
    }

    /// Takes a chunk of rows.
    ///
    /// # Errors
    /// A row that is no canvas, or a file that cannot be written.
    pub fn sink(
        &mut self,
        columns: &Columns,
        format: &dyn CanvasFormat,
        threads: usize,
        input: &Input<'_>,
    ) -> Result<()> {
        let packing = format.packing();
        match self {
            CanvasFiles::Whole { canvas, .. } => {
                for row in 0..input.rows() {
                    if canvas.is_some() {
                        let remedy = "One file takes one canvas, which is one row";
                        return Err(Error::conflict("the query has a second row", remedy));
                    }
                    *canvas = Some(read(columns, packing, input, row)?);
                }
                Ok(())
            }
            CanvasFiles::Each { template, written, swept } => {
                let (mut lot, mut bytes) = (Vec::new(), 0);
                for row in 0..input.rows() {
                    let target = columns.target(template, input, row)?;
                    if !written.insert(target.clone()) {
                        let problem = format!("two rows give the file \"{target}\"");
                        let remedy = "Name files by a field that differs from row to row";
                        return Err(Error::conflict(problem, remedy));
                    }
                    let canvas = read(columns, packing, input, row)?;
                    bytes += canvas.pixels.bytes();
                    lot.push(Some((target, canvas)));
                    if bytes > LOT || row + 1 == input.rows() {
                        write(&mut lot, (template, format, swept), threads).map_err(staging::of_target)?;
                        (lot, bytes) = (Vec::new(), 0);
                    }
                }
                Ok(())
            }
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// There was no row, or the file cannot be written.
    pub fn finish(self, format: &dyn CanvasFormat) -> Result<()> {
        match self {
            CanvasFiles::Whole { staging, canvas } => {
                let remedy = "One file takes one canvas, which is one row";
                let missing = || Error::conflict("the query has no row", remedy);
                format.write(staging, canvas.ok_or_else(missing)?, true).map_err(staging::of_target)
            }
            CanvasFiles::Each { .. } => Ok(()),
        }
    }
}

type Job = Option<(String, Canvas)>;

/// Writes files side by side; the folders that the template names are made.
fn write(
    lot: &mut [Job],
    (template, format, swept): (&str, &dyn CanvasFormat, &Swept),
    threads: usize,
) -> Result<()> {
    let own_folders = template.rsplit_once('/').is_some_and(|(folder, _)| folder.contains('{'));
    let alone = lot.len() == 1;
    workers::each(lot, threads, |job| {
        let Some((target, canvas)) = job.take() else { return Ok(()) };
        let target = Path::new(&target);
        if own_folders {
            staging::make_folder_of(target)?;
        }
        format.write(Staging::among(target, swept)?, canvas, alone)
    })
}

/// A row's canvas.
fn read(columns: &Columns, packing: &Packing, rows: &Input<'_>, row: usize) -> Result<Canvas> {
    let blame = |part: &'static str| move |error: Error| error.at(format!("{}({part})", packing.format.name));
    let part = |part: Part| columns.part(rows, part);
    let value = |of: Part| part(of).map_or(Value::Null, |column| Value::of(column, row));
    let data = part(Part::Data).filter(|data| !data.is_null(row));
    let data = data.ok_or_else(|| blame("data")(Error::invalid("NULL", "a list of numbers")))?;
    let shape = shape(&value(Part::Shape)).map_err(blame("shape"))?;
    let mut data = Pieces::of(data)?;
    let length = data.length(row);
    if shape.iter().try_fold(1usize, |n, side| n.checked_mul(*side)) != Some(length) {
        let problem = format!("{length} values for the shape {}", numbers::told(&shape));
        return Err(blame("data")(Error::conflict(problem, "Give data and shape of the same read")));
    }
    let transform = options::transform(&value(Part::Transform)).map_err(blame("transform"))?;
    let crs = match value(Part::Crs) {
        Value::Null => None,
        Value::Text(text) => Some(text),
        other => return Err(blame("crs")(Error::invalid(other, "text"))),
    };
    if let Some(crs) = &crs {
        projection::crs_facts(crs).map_err(blame("crs"))?;
    }
    let mut laid = packing.masked.then(Vec::new);
    let pixels = options::pixels(&mut data, row, packing, laid.as_mut())?;
    Ok(Canvas { pixels, laid, shape, transform, crs })
}

fn shape(value: &Value) -> Result<Vec<usize>> {
    let side = |value: &Value| match value {
        Value::Int(n) => usize::try_from(*n).ok(),
        _ => None,
    };
    let sides: Option<Vec<usize>> = match value {
        Value::List(sides) => sides.iter().map(side).collect(),
        _ => None,
    };
    let sides = sides.filter(|sides| !sides.is_empty());
    sides.ok_or_else(|| Error::invalid(value, "[bands, rows, columns], as a read gives it"))
}

/// Bands, rows and columns of a shape.
///
/// # Errors
/// A shape of other axes, blamed on the format's `shape`.
pub fn bands(shape: &[usize], format: &str) -> Result<[usize; 3]> {
    match shape {
        [rows, cols] => Ok([1, *rows, *cols]),
        [bands, rows, cols] => Ok([*bands, *rows, *cols]),
        _ => {
            let must = "[bands, rows, columns], as a read gives it";
            Err(Error::invalid(format!("{shape:?}"), must).at(format!("{format}(shape)")))
        }
    }
}
