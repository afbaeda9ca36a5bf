//! Canvases and windows on them, as SQL has them: each in several forms.

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::bridge::args::number;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::slice::Slice;
use crate::stitch::canvas::{Canvas, Span};
use crate::value::Value;
use crate::window::Window;

const CANVAS: &str = "[rows, columns], a slice, or {height, width, transform, crs} or {shape, transform, crs} as a read gives them";
const WIN: &str = "{row_off, col_off, height, width}, {start: [...], size: [...]} with a number an axis, a slice, or {shape, transform, crs} of a read";

fn field<'a>(fields: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    let named = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value).filter(|value| **value != Value::Null)
}

fn wholes(value: &Value) -> Option<Vec<i64>> {
    match value {
        Value::List(items) => items.iter().map(Value::whole).collect(),
        _ => None,
    }
}

/// What patches are laid on.
///
/// # Errors
/// None of its forms, a side below 1, or a transform or CRS that is none.
pub fn canvas(value: &Value) -> Result<Canvas> {
    match value {
        Value::List(_) => match wholes(value) {
            Some(sides) => Canvas::new(&sides),
            None => Err(Error::invalid(value, CANVAS)),
        },
        Value::Struct(fields) => grid(fields)?.ok_or_else(|| Error::invalid(value, CANVAS)),
        other => Err(Error::invalid(other, CANVAS)),
    }
}

/// A slice, or a shape with its transform and CRS.
fn grid(fields: &[(String, Value)]) -> Result<Option<Canvas>> {
    let get = |name: &str| field(fields, name);
    if let Some(Value::Struct(corners)) = get("bbox") {
        let corner = |name: &str| field(corners, name).and_then(number);
        let size = get("height").and_then(Value::whole).zip(get("width").and_then(Value::whole));
        let corners = (corner("xmin"), corner("ymin"), corner("xmax"), corner("ymax"));
        let ((Some(xmin), Some(ymin), Some(xmax), Some(ymax)), Some((height, width))) = (corners, size)
        else {
            return Ok(None);
        };
        let crs = crs(get("crs"))?.unwrap_or_default();
        let slice = Slice::new(Bbox { xmin, ymin, xmax, ymax }, Crs::new(&crs), (None, None), height, width)?;
        let (transform, crs) = (Some(slice.affine()), Some(crs));
        return Ok(Some(Canvas { transform, crs, ..Canvas::new(&[height, width])? }));
    }
    let sides =
        match (get("height").and_then(Value::whole), get("width").and_then(Value::whole), get("shape")) {
            (Some(height), Some(width), _) => vec![height, width],
            (_, _, Some(shape)) => match wholes(shape).as_deref() {
                Some([.., height, width]) => vec![*height, *width],
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
    let transform = match get("transform") {
        None => None,
        Some(Value::List(terms)) => {
            let terms: Option<Vec<f64>> = terms.iter().map(number).collect();
            Some(Affine::from_terms(&terms.unwrap_or_default())?)
        }
        Some(other) => return Err(Error::invalid(other, "GDAL's six numbers")),
    };
    Ok(Some(Canvas { transform, crs: crs(get("crs"))?, ..Canvas::new(&sides)? }))
}

fn crs(value: Option<&Value>) -> Result<Option<String>> {
    match value {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.clone())),
        Some(other) => Err(Error::invalid(other, "a CRS as text")),
    }
}

/// Where on a canvas a patch lies; `None` where a field of its window is NULL.
///
/// # Errors
/// None of the forms, or a patch that does not lie on the canvas's grid.
pub fn span(value: &Value, canvas: &Canvas) -> Result<Option<Span>> {
    let Value::Struct(fields) = value else { return Err(Error::invalid(value, WIN)) };
    let named = |name: &str| fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
    const NAMES: [&str; 4] = ["row_off", "col_off", "height", "width"];
    let found = NAMES.map(named);
    if let [Some(row), Some(col), Some(height), Some(width)] = found {
        let values = [&row.1, &col.1, &height.1, &width.1];
        if values.contains(&&Value::Null) {
            return Ok(None);
        }
        let [Some(row), Some(col), Some(height), Some(width)] = values.map(Value::whole) else {
            return Err(Error::invalid(value, "whole numbers of pixels"));
        };
        return Ok(Some(Span { lead: Vec::new(), window: Window::new(row, col, height, width)? }));
    }
    if let (Some((_, start)), Some((_, size))) = (named("start"), named("size")) {
        let (start, size) = (wholes(start), wholes(size));
        return match start.as_deref().zip(size.as_deref()) {
            Some((start, size)) => axes(start, size).ok_or_else(|| Error::invalid(value, WIN)).map(Some),
            None => Err(Error::invalid(value, WIN)),
        };
    }
    let patch = grid(fields)?.ok_or_else(|| Error::invalid(value, WIN))?;
    Ok(Some(Span { lead: Vec::new(), window: canvas.span_of(&patch)? }))
}

fn axes(start: &[i64], size: &[i64]) -> Option<Span> {
    let ([lead @ .., row, col], [sizes @ .., height, width]) = (start, size) else { return None };
    if lead.len() != sizes.len() {
        return None;
    }
    let side = |n: &i64| usize::try_from(*n).ok().filter(|n| (1..=i32::MAX as usize).contains(n));
    let far = 1i64 << 53;
    let one =
        |(start, size): (&i64, &i64)| side(size).filter(|_| start.abs() < far).map(|size| (*start, size));
    let lead = lead.iter().zip(sizes).map(one).collect::<Option<_>>()?;
    Some(Span { lead, window: Window::new(*row, *col, *height, *width).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[f64]) -> Value {
        Value::List(values.iter().map(|v| Value::Double(*v)).collect())
    }

    fn fields(fields: &[(&str, Value)]) -> Value {
        Value::Struct(fields.iter().map(|(name, value)| ((*name).to_string(), value.clone())).collect())
    }

    #[test]
    fn a_canvas_has_several_forms() {
        let sides = canvas(&list(&[3.0, 4.0, 5.0])).unwrap();
        assert_eq!((sides.lead.as_slice(), sides.height, sides.width), (&[3][..], 4, 5));
        let affine = list(&[5e5, 10.0, 0.0, 4e6, 0.0, -10.0]);
        let (height, width) = (("height", Value::Int(4)), ("width", Value::Int(5)));
        let by_size = fields(&[height.clone(), width.clone(), ("transform", affine.clone())]);
        let by_shape =
            fields(&[("shape", list(&[2.0, 4.0, 5.0])), ("transform", affine), ("crs", Value::Null)]);
        assert_eq!(canvas(&by_size).unwrap(), canvas(&by_shape).unwrap());
        let corners = [("xmin", 5e5), ("ymin", 4e6 - 40.0), ("xmax", 5e5 + 50.0), ("ymax", 4e6)];
        let corners = corners.map(|(name, v)| (name, Value::Double(v)));
        let crs = ("crs", Value::Text("EPSG:32629".into()));
        let slice = canvas(&fields(&[("bbox", fields(&corners)), crs, width, height])).unwrap();
        assert_eq!(slice.transform, canvas(&by_size).unwrap().transform);
        assert_eq!(slice.crs.as_deref(), Some("EPSG:32629"));
        for bad in [list(&[3.5, 4.0]), list(&[4.0]), Value::Int(3), Value::Null, fields(&[])] {
            assert!(canvas(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_window_has_several_forms() {
        let flat = Canvas::new(&[10, 10]).unwrap();
        let win = |row: Value| {
            let rest = [("col_off", Value::Int(3)), ("height", Value::Int(4)), ("width", Value::Int(5))];
            fields(&[&[("row_off", row)][..], &rest].concat())
        };
        let want = Span { lead: Vec::new(), window: Window::new(-2, 3, 4, 5).unwrap() };
        assert_eq!(span(&win(Value::Int(-2)), &flat).unwrap(), Some(want));
        assert_eq!(span(&win(Value::Null), &flat).unwrap(), None);
        assert!(span(&win(Value::Double(0.5)), &flat).is_err());
        let deep = fields(&[("start", list(&[1.0, -2.0, 3.0])), ("size", list(&[2.0, 4.0, 5.0]))]);
        let window = Window::new(-2, 3, 4, 5).unwrap();
        assert_eq!(span(&deep, &flat).unwrap(), Some(Span { lead: vec![(1, 2)], window }));
        let uneven = fields(&[("start", list(&[1.0, 2.0])), ("size", list(&[2.0, 4.0, 5.0]))]);
        assert!(span(&uneven, &flat).is_err() && span(&Value::Int(1), &flat).is_err());
    }
}
