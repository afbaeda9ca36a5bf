//! Which columns of a query that is written are what.

use crate::bridge::chunk::Input;
use crate::bridge::vector::Vector;
use crate::dtype::Dtype;
use crate::error::{Error, Result, one_of};
use crate::sql_type::SqlType;
use crate::stitch::tile::Method;
use crate::value::Value;

/// A part of a canvas or of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The pixels.
    Data,
    /// Bands, rows, columns.
    Shape,
    /// From pixels to the CRS.
    Transform,
    /// The CRS.
    Crs,
    /// Where a patch lies.
    Win,
    /// What a patch counts.
    Weight,
    /// The variance of its pixels.
    Variance,
    /// Its order.
    Rank,
}

const PARTS: [(&str, Part); 8] = [
    ("data", Part::Data),
    ("shape", Part::Shape),
    ("transform", Part::Transform),
    ("crs", Part::Crs),
    ("win", Part::Win),
    ("weight", Part::Weight),
    ("variance", Part::Variance),
    ("rank", Part::Rank),
];

/// What a stitched field has beside its pixels, and no file takes.
const WEIGHTS: &str = "weights";

/// Where the parts are: columns by their order, since the C API does not tell their names, or fields of one STRUCT.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// The type of the pixels.
    pub dtype: Dtype,
    nested: bool,
    indices: [Option<usize>; PARTS.len()],
    /// Fields that are no part.
    others: Vec<(String, usize)>,
    /// A column behind data and win.
    third: Option<usize>,
}

impl Columns {
    /// # Errors
    /// Columns that are none of the forms.
    pub fn of(types: &[SqlType]) -> Result<Columns> {
        let mut indices = [None; PARTS.len()];
        let (mut others, mut third) = (Vec::new(), None);
        let (nested, of_data) = match types {
            [SqlType::Struct(fields)] => {
                for (index, (name, _)) in fields.iter().enumerate() {
                    match PARTS.iter().position(|(part, _)| part.eq_ignore_ascii_case(name)) {
                        Some(part) => indices[part] = Some(index),
                        None if name.eq_ignore_ascii_case(WEIGHTS) => {}
                        None => others.push((name.clone(), index)),
                    }
                }
                (true, indices[0].map(|data| &fields[data].1))
            }
            [data, SqlType::Struct(_)] => {
                indices[Part::Data as usize] = Some(0);
                indices[Part::Win as usize] = Some(1);
                (false, Some(data))
            }
            // What the method wants of a patch, by `with_own`.
            [data, SqlType::Struct(_), _] => {
                indices[Part::Data as usize] = Some(0);
                indices[Part::Win as usize] = Some(1);
                third = Some(2);
                (false, Some(data))
            }
            [data, _] | [data, _, _] | [data, _, _, _] => {
                (0..types.len()).for_each(|index| indices[index] = Some(index));
                (false, Some(data))
            }
            _ => (false, None),
        };
        let there = |part: Part| indices[part as usize].is_some();
        let one_form = there(Part::Shape) != there(Part::Win);
        if let (false, Some((name, _))) = (one_form, others.first()) {
            // Most likely one of the parts, misspelt.
            one_of(name, "a field of a canvas", &PARTS.map(|(name, _)| (name, ())))?;
        }
        match of_data.and_then(SqlType::item).and_then(SqlType::dtype).filter(|_| one_form) {
            Some(dtype) => Ok(Columns { dtype, nested, indices, others, third }),
            None => {
                let texts: Vec<String> = types.iter().map(SqlType::to_string).collect();
                let bare = of_data == Some(&SqlType::Integer);
                let cast = if bare { "; a NULL without a type counts as INTEGER: NULL::FLOAT[]" } else { "" };
                let problem = format!("the query gives {}{cast}", texts.join(", "));
                let remedy = "Give a list of numbers, its shape, a transform and a crs, in this order (the last two may be left out), or a list and its win (and the weight, variance or rank that a method wants), or one STRUCT(data, shape, transform, crs) or STRUCT(data, win)";
                Err(Error::conflict(problem, remedy))
            }
        }
    }

    /// The column behind data and win is what a method wants of each patch: its weight, its variance or its rank.
    ///
    /// # Errors
    /// There is such a column, and the method wants nothing.
    pub fn with_own(mut self, method: Option<Method>) -> Result<Columns> {
        let Some(third) = self.third else { return Ok(self) };
        let part = match method {
            Some(Method::Weighted | Method::OverlapAdd | Method::Vote) => Part::Weight,
            Some(Method::InverseVariance) => Part::Variance,
            Some(Method::First | Method::Last) => Part::Rank,
            None => {
                let problem = "a third column, and no STITCH says what it is";
                return Err(Error::conflict(
                    problem,
                    "Say how patches are laid, for example STITCH weighted, or leave it out",
                ));
            }
            Some(_) => {
                let problem = "a third column, and this method wants nothing of a patch but data and win";
                let remedy = "A weight goes with weighted, overlap_add and vote, a variance with inverse_variance, a rank with first and last";
                return Err(Error::conflict(problem, remedy));
            }
        };
        self.indices[part as usize] = Some(third);
        Ok(self)
    }

    /// Rows are patches of one canvas.
    pub fn is_patch(&self) -> bool {
        self.indices[Part::Win as usize].is_some()
    }

    /// The column of a part; `None` where there is none.
    pub fn part<'a>(&self, input: &'a Input<'_>, part: Part) -> Option<&'a Vector<'a>> {
        let index = self.indices[part as usize]?;
        Some(if self.nested { input.column(0).field(index) } else { input.column(index) })
    }

    /// Looks whether each field serves, in the name of the file at least.
    ///
    /// # Errors
    /// A field that is no part and stands in no braces, or braces around what is no field.
    pub fn check_template(&self, template: &str) -> Result<()> {
        let known: Vec<(&str, ())> = PARTS.map(|(name, _)| (name, ())).to_vec();
        for (name, _) in &self.others {
            if !template.contains(&format!("{{{name}}}")) {
                one_of(name, "a field of a canvas or a patch, nor does the file's name take it", &known)?;
            }
        }
        for name in names(template)? {
            if self.other(name).is_none() {
                let problem = format!("the file's name asks for {{{name}}}");
                let remedy = "Give one STRUCT with such a field: SELECT {data: ..., shape: ..., name: ...}";
                return Err(Error::conflict(problem, remedy));
            }
        }
        Ok(())
    }

    fn other(&self, name: &str) -> Option<usize> {
        self.others.iter().find(|(other, _)| other == name).map(|(_, index)| *index)
    }

    /// The file of a row: the template with fields instead of their names.
    ///
    /// # Errors
    /// A field that is NULL, or of a type that no name has.
    pub fn target(&self, template: &str, input: &Input<'_>, row: usize) -> Result<String> {
        let mut target = template.to_string();
        for name in names(template)? {
            let Some(index) = self.other(name) else { continue };
            let value = Value::of(input.column(0).field(index), row);
            let text = match &value {
                Value::Text(text) if !text.is_empty() => text.clone(),
                Value::Int(number) => number.to_string(),
                Value::Date(_) => value.to_string()[..10].to_string(),
                other => {
                    let must = format!("text, a whole number or a DATE for {{{name}}} in the file's name");
                    return Err(Error::invalid(other, must));
                }
            };
            let braced = format!("{{{name}}}");
            // What a row holds leads to no other folder than the one that the statement names.
            if text.contains(['/', '\\']) && !template.starts_with(&braced) || text == ".." {
                let must = format!("text without slashes for {braced}, which does not begin the file's name");
                return Err(Error::invalid(value, must));
            }
            target = target.replace(&braced, &text);
        }
        Ok(target)
    }
}

/// The names in braces.
fn names(template: &str) -> Result<Vec<&str>> {
    let mut found = Vec::new();
    for part in template.split('{').skip(1) {
        match part.split_once('}') {
            Some((name, _)) => found.push(name),
            None => return Err(Error::invalid(format!("\"{template}\""), "a name whose braces are closed")),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(types: &[&str]) -> Result<Columns> {
        let types: Vec<SqlType> = types.iter().map(|text| SqlType::parse(text).unwrap()).collect();
        Columns::of(&types)
    }

    #[test]
    fn columns_are_a_canvas_or_a_patch() {
        for types in [
            &["FLOAT[]", "BIGINT[]"][..],
            &["UTINYINT[]", "BIGINT[]", "DOUBLE[]"],
            &["DOUBLE[]", "BIGINT[]", "DOUBLE[]", "VARCHAR"],
            &["STRUCT(crs VARCHAR, data FLOAT[], shape BIGINT[])"],
            &["STRUCT(data FLOAT[], shape BIGINT[], transform DOUBLE[], crs VARCHAR, weights FLOAT[])"],
        ] {
            assert!(!of(types).unwrap().is_patch(), "{types:?}");
        }
        for types in [&["FLOAT[]", "STRUCT(a BIGINT)"][..], &["STRUCT(win STRUCT(a BIGINT), data FLOAT[])"]] {
            assert!(of(types).unwrap().is_patch(), "{types:?}");
        }
        for types in [
            &[][..],
            &["FLOAT[]"],
            &["VARCHAR[]", "BIGINT[]"],
            &["STRUCT(data FLOAT[])"],
            &["STRUCT(data FLOAT[], shape BIGINT[], win STRUCT(a BIGINT))"],
        ] {
            assert!(of(types).is_err(), "{types:?}");
        }
    }

    #[test]
    fn a_field_is_a_part_or_stands_in_the_name() {
        let columns = of(&["STRUCT(data FLOAT[], shape BIGINT[], path VARCHAR)"]).unwrap();
        assert!(columns.check_template("{path}").is_ok() && columns.check_template("x_{path}.tif").is_ok());
        for wrong in ["x.tif", "{part}.tif", "{path", "{path}_{part}"] {
            assert!(columns.check_template(wrong).is_err(), "{wrong}");
        }
    }
}
