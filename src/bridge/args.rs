//! The constant arguments of one call, read by name. Each reader says which parameter it was that failed.

use crate::bbox::Bbox;
use crate::bridge::doc::{FunctionDoc, Given};
use crate::error::{Error, Result, one_of};
use crate::sql_type::SqlType;
use crate::value::Value;

/// Arguments by parameter name; a parameter that was not given is absent.
pub struct Args {
    function: &'static str,
    values: Vec<(String, Value)>,
    /// The type of the items of each argument that is a list.
    elements: Vec<(String, SqlType)>,
    /// The CRS that the type of each argument carries, or of what is in it.
    crs: Vec<(String, String)>,
}

impl Args {
    /// The arguments that were given to a function.
    pub fn new(doc: &FunctionDoc, values: Vec<(String, Value)>) -> Args {
        Args { function: doc.name, values, elements: Vec::new(), crs: Vec::new() }
    }

    /// Adds the types of the items of lists, which an empty list's values cannot tell.
    #[must_use]
    pub fn with_elements(self, elements: Vec<(String, SqlType)>) -> Args {
        Args { elements, ..self }
    }

    /// Adds the CRSs of arguments that are geometries, which values do not tell.
    #[must_use]
    pub fn with_crs(self, crs: Vec<(String, String)>) -> Args {
        Args { crs, ..self }
    }

    /// The CRS that the type of a parameter carries, which is a GEOMETRY or holds such.
    pub fn crs(&self, parameter: &str) -> Option<&str> {
        self.crs.iter().find(|(name, _)| name == parameter).map(|(_, crs)| crs.as_str())
    }

    /// The type of the items of a parameter that is a list.
    pub fn element(&self, parameter: &str) -> Option<&SqlType> {
        self.elements.iter().find(|(name, _)| name == parameter).map(|(_, ty)| ty)
    }

    /// The keys of an options struct, each of which must be known.
    ///
    /// # Errors
    /// An unknown key, or options that are no struct.
    pub fn of_options(doc: &FunctionDoc, options: &Value) -> Result<Args> {
        let blamed = format!("{}(options)", doc.name);
        let known = doc.option_names();
        let fields = match options {
            Value::Struct(fields) => fields,
            other => {
                let must = format!("a struct such as {{{}: ...}}", known.first().unwrap_or(&"key"));
                return Err(Error::invalid(other, must).at(blamed));
            }
        };
        let fields = known_fields(fields, "an option", &known).map_err(|e| e.at(&blamed))?;
        Ok(Args::new(doc, fields))
    }

    /// The fields of a struct argument, each of which must be among `known`.
    ///
    /// # Errors
    /// An unknown field, or a value that is no struct.
    pub fn of_struct(function: &'static str, value: &Value, known: &[&str], must: &str) -> Result<Args> {
        let Value::Struct(fields) = value else { return Err(Error::invalid(value, must)) };
        let values = known_fields(fields, "a field", known)?;
        Ok(Args { function, values, elements: Vec::new(), crs: Vec::new() })
    }

    /// Puts `function(parameter)` in front of an error.
    pub fn blame<'a>(&'a self, parameter: &'a str) -> impl Fn(Error) -> Error + 'a {
        move |error| error.at(format!("{}({parameter})", self.function))
    }

    fn bad(&self, parameter: &str, value: &Value, must: &str) -> Error {
        self.blame(parameter)(Error::invalid(value, must))
    }

    /// The value, or `None` when it was not given. NULL counts as a value.
    pub fn get(&self, parameter: &str) -> Option<&Value> {
        self.values.iter().find(|(name, _)| name == parameter).map(|(_, value)| value)
    }

    /// # Errors
    /// The parameter is NULL.
    pub fn required(&self, parameter: &str, must: &str) -> Result<&Value> {
        match self.get(parameter) {
            Some(Value::Null) | None => Err(self.bad(parameter, &Value::Null, must)),
            Some(value) => Ok(value),
        }
    }

    fn given<T>(&self, parameter: &str, must: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>> {
        match self.get(parameter) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| self.bad(parameter, value, must)),
        }
    }

    /// # Errors
    /// Anything but text; NULL is one such thing.
    pub fn text(&self, parameter: &str) -> Result<Option<String>> {
        self.given(parameter, "text", |value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// # Errors
    /// Anything but TRUE or FALSE.
    pub fn flag(&self, parameter: &str) -> Result<Option<bool>> {
        self.given(parameter, "true or false", |value| match value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// # Errors
    /// A value outside `lowest ..= highest`, or no whole number.
    pub fn integer(&self, parameter: &str, lowest: i64, highest: i64) -> Result<Option<i64>> {
        let must = format!("a whole number between {lowest} and {highest}");
        self.given(parameter, &must, |value| match value {
            Value::Int(n) if (lowest..=highest).contains(n) => Some(*n),
            _ => None,
        })
    }

    /// One whole number for both, or a list of two: rows, then columns.
    ///
    /// # Errors
    /// Anything else, or a number outside `lowest ..= highest`.
    pub fn pair(&self, parameter: &str, lowest: i64, highest: i64) -> Result<Option<(usize, usize)>> {
        let must = format!("a whole number between {lowest} and {highest}, or two of them as [rows, cols]");
        let side = |value: &Value| match value {
            Value::Int(n) if (lowest..=highest).contains(n) => usize::try_from(*n).ok(),
            _ => None,
        };
        self.given(parameter, &must, |value| match value {
            Value::List(sides) => match sides.as_slice() {
                [rows, cols] => Some((side(rows)?, side(cols)?)),
                _ => None,
            },
            value => side(value).map(|n| (n, n)),
        })
    }

    /// # Errors
    /// Anything but a number; NaN and infinity are refused.
    pub fn number(&self, parameter: &str) -> Result<Option<f64>> {
        self.given(parameter, "a finite number", |value| number(value).filter(|v| v.is_finite()))
    }

    /// # Errors
    /// A value outside [0, 1].
    pub fn fraction(&self, parameter: &str) -> Result<Option<f64>> {
        self.given(parameter, "a fraction between 0 and 1", |value| {
            number(value).filter(|v| (0.0..=1.0).contains(v))
        })
    }

    /// # Errors
    /// None of the choices.
    pub fn choice<T: Copy>(
        &self,
        parameter: &str,
        noun: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>> {
        match self.text(parameter)? {
            None => Ok(None),
            Some(text) => one_of(&text, noun, choices).map(Some).map_err(self.blame(parameter)),
        }
    }

    /// A path, or a list of paths.
    ///
    /// # Errors
    /// Anything else, an empty list, or a NULL among the paths.
    pub fn paths(&self, parameter: &str) -> Result<Vec<String>> {
        let must = "a path, a glob such as 'data/**/*.tif', or a list of those";
        let value = self.required(parameter, must)?;
        texts(value).ok_or_else(|| self.bad(parameter, value, must))
    }

    /// A name, or a list of names.
    ///
    /// # Errors
    /// Anything else, an empty list, or a NULL among the names.
    pub fn names(&self, parameter: &str) -> Result<Option<Vec<String>>> {
        self.given(parameter, "a name, or a list of names", texts)
    }
}

/// Fields by the names that are known, whose letters may be capitals: DuckDB takes both for one name.
fn known_fields(
    fields: &[(String, Value)],
    noun: &'static str,
    known: &[&str],
) -> Result<Vec<(String, Value)>> {
    let choices: Vec<(&str, &str)> = known.iter().map(|known| (*known, *known)).collect();
    let field = |(name, value): &(String, Value)| {
        let same = known.iter().find(|known| known.eq_ignore_ascii_case(name));
        let name = same.map_or_else(|| one_of(name, noun, &choices), |same| Ok(*same))?;
        Ok((name.to_string(), value.clone()))
    };
    fields.iter().map(field).collect()
}

/// One text, or a list of them that is not empty.
fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    match value {
        Value::List(items) if !items.is_empty() => items.iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    }
}

/// # Errors
/// The struct lacks a corner, or the corners are no box.
pub fn bbox(args: &Args) -> Result<Bbox> {
    let corner = |name: &str| {
        let missing = || Error::invalid("NULL", format!("a finite number for {name}"));
        args.get(name).and_then(number).ok_or_else(missing)
    };
    Bbox::new(corner("xmin")?, corner("ymin")?, corner("xmax")?, corner("ymax")?)
}

/// A number of any type, as a double.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(n) => Some(*n as f64),
        Value::Double(v) => Some(*v),
        // The nearest double, which two roundings need not give.
        Value::Decimal(digits, scale) => format!("{digits}e-{scale}").parse().ok(),
        _ => None,
    }
}

/// As [`number`], but of whole numbers those alone that a double holds.
pub fn exact_number(value: &Value) -> Option<f64> {
    let found = number(value)?;
    let whole = match value {
        Value::Int(whole) => i128::from(*whole),
        Value::Decimal(whole, 0) => *whole,
        _ => return Some(found),
    };
    (found as i128 == whole).then_some(found)
}

/// The names of the parameters that a table function takes by name.
pub fn named(doc: &FunctionDoc) -> impl Iterator<Item = &'static str> + '_ {
    doc.parameters.iter().filter(|p| matches!(p.given, Given::Named(_))).map(|p| p.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::doc::{Kind, column, option};

    static DOC: FunctionDoc = FunctionDoc {
        name: "f",
        kind: Kind::Scalar,
        summary: "",
        parameters: &[option("size", "BIGINT", "1", ""), option("edge", "VARCHAR", "'snap'", "")],
        columns: &[column("x", "DOUBLE", "")],
        nulls: "",
        errors: &[],
        examples: &[],
        references: &[],
    };

    fn args(values: &[(&str, Value)]) -> Args {
        Args::new(&DOC, values.iter().map(|(name, value)| ((*name).to_string(), value.clone())).collect())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_string())
    }

    /// The first line of an error.
    fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string().lines().next().unwrap_or_default().to_string()
    }

    #[test]
    fn what_was_not_given_is_absent_and_null_is_given() {
        let args = args(&[("a", Value::Null)]);
        assert_eq!(args.integer("b", 0, 9).unwrap(), None);
        assert!(said(args.integer("a", 0, 9)).starts_with("f(a)"));
        assert!(args.required("a", "text").is_err() && args.required("b", "text").is_err());
    }

    #[test]
    fn a_number_is_whole_in_its_range_and_finite() {
        let args = args(&[
            ("n", Value::Int(9)),
            ("x", Value::Double(0.5)),
            ("nan", Value::Double(f64::NAN)),
            ("wide", Value::Decimal(1234, 2)),
        ]);
        assert_eq!(args.integer("n", 0, 9).unwrap(), Some(9));
        let said = said(args.integer("n", 0, 8));
        assert!(said.contains("f(n)") && said.contains('9') && said.contains("between 0 and 8"), "{said}");
        assert!(args.integer("x", 0, 9).is_err());
        assert_eq!((args.number("x").unwrap(), args.number("wide").unwrap()), (Some(0.5), Some(12.34)));
        assert!(args.number("nan").is_err());
        assert_eq!(args.fraction("x").unwrap(), Some(0.5));
        assert!(args.fraction("n").is_err());
    }

    #[test]
    fn a_pair_is_one_number_for_both_or_rows_and_columns() {
        let list = |sides: &[i64]| Value::List(sides.iter().map(|n| Value::Int(*n)).collect());
        let args = args(&[("one", Value::Int(4)), ("two", list(&[2, 3])), ("three", list(&[1, 2, 3]))]);
        assert_eq!(args.pair("one", 1, 9).unwrap(), Some((4, 4)));
        assert_eq!(args.pair("two", 1, 9).unwrap(), Some((2, 3)));
        assert!(args.pair("two", 3, 9).is_err() && args.pair("three", 1, 9).is_err());
    }

    #[test]
    fn paths_are_a_text_or_a_list_of_texts_that_is_not_empty() {
        let args = args(&[
            ("one", text("a.tif")),
            ("two", Value::List(vec![text("a.tif"), text("b.tif")])),
            ("none", Value::List(Vec::new())),
            ("hole", Value::List(vec![text("a.tif"), Value::Null])),
        ]);
        assert_eq!(args.paths("one").unwrap(), ["a.tif"]);
        assert_eq!(args.paths("two").unwrap(), ["a.tif", "b.tif"]);
        assert!(args.paths("none").is_err() && args.paths("hole").is_err() && args.paths("absent").is_err());
        assert_eq!(args.names("absent").unwrap(), None);
    }

    #[test]
    fn an_unknown_option_is_named_with_those_that_there_are() {
        let options = |name: &str| Value::Struct(vec![(name.to_string(), Value::Int(1))]);
        assert_eq!(Args::of_options(&DOC, &options("size")).unwrap().integer("size", 0, 9).unwrap(), Some(1));
        assert_eq!(Args::of_options(&DOC, &options("SIZE")).unwrap().integer("size", 0, 9).unwrap(), Some(1));
        let error = Args::of_options(&DOC, &options("sise")).err().unwrap().to_string();
        assert!(
            error.starts_with("f(options)") && error.contains("sise") && error.contains("size"),
            "{error}"
        );
        assert!(Args::of_options(&DOC, &Value::Int(1)).is_err());
    }

    #[test]
    fn a_choice_is_one_of_its_words() {
        let args = args(&[("edge", text("snap")), ("other", text("snip"))]);
        let choices = [("snap", 1), ("drop", 2)];
        assert_eq!(args.choice("edge", "an edge rule", &choices).unwrap(), Some(1));
        let error = args.choice("other", "an edge rule", &choices).unwrap_err().to_string();
        assert!(error.starts_with("f(other)") && error.contains("snap"), "{error}");
    }
}
