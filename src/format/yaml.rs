//! YAML as JSON: one document, read event by event, so that no depth or alias takes more than it should.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use crate::error::{Cause, Error, Result};
use crate::files::location::Location;
use crate::files::reader::Reader;
use crate::workers::{STRIDE, go_on};

/// Bytes of a document at most.
const MOST_BYTES: u64 = 64 << 20;
/// Values of a document at most, those that aliases repeat counted each time.
const MOST_VALUES: usize = 4_000_000;
/// Lists and mappings within each other at most.
const MOST_DEPTH: usize = 64;

/// A list or a mapping that is not at its end yet.
enum Open {
    List(Vec<Value>),
    Mapping(Map<String, Value>, Option<String>),
}

/// The values of a document, as they come.
#[derive(Default)]
struct Builder {
    open: Vec<(Open, usize)>,
    /// Values that aliases may name.
    anchors: HashMap<usize, Value>,
    values: usize,
    whole: Option<Value>,
}

/// Reads a file of YAML. Plain scalars are null, booleans, numbers or texts by YAML's core schema; keys are texts.
///
/// # Errors
/// What does not open, is not YAML in UTF-8, or is larger than any manifest.
pub fn read(path: &str) -> Result<Value> {
    let location = Location::parse(path);
    let failed = |error: std::io::Error| Error::unreadable(path, Cause::of(error));
    let reader = Reader::open(&location).map_err(failed)?;
    let size = reader.size().map_err(failed)?;
    if size > MOST_BYTES {
        return Err(Error::unreadable(path, format!("{size} bytes are too many for YAML")));
    }
    let mut bytes = vec![0; size as usize];
    reader.read_exact_at(&mut bytes, 0).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::unreadable(path, "not YAML: not UTF-8"))?;
    parse(text, path)
}

fn parse(text: &str, path: &str) -> Result<Value> {
    let bad = |reason: String| Error::unreadable(path, format!("not YAML: {reason}"));
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0;
    let mut events = 0usize;
    while let Some(event) = parser.next_event() {
        if events.is_multiple_of(STRIDE) {
            go_on()?;
        }
        events += 1;
        let (event, _) = event.map_err(|error| bad(error.to_string()))?;
        documents += usize::from(matches!(event, Event::DocumentStart(_)));
        if documents > 1 {
            return Err(bad("holds several documents".into()));
        }
        builder.take(event).map_err(bad)?;
    }
    builder.whole.ok_or_else(|| bad("empty".into()))
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> std::result::Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = match style {
                    ScalarStyle::Plain => plain(&text),
                    _ => Value::String(text.into_owned()),
                };
                self.put(value, style != ScalarStyle::Plain, anchor, 1)
            }
            Event::Alias(anchor) => {
                let Some(value) = self.anchors.get(&anchor) else { return Err("an alias of nothing".into()) };
                let (value, count) = (value.clone(), count(value));
                self.put(value, false, 0, count)
            }
            Event::SequenceStart(anchor, _) => self.open(Open::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.open(Open::Mapping(Map::new(), None), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some((Open::List(items), anchor)) => self.put(Value::Array(items), false, anchor, 1),
                Some((Open::Mapping(items, _), anchor)) => self.put(Value::Object(items), false, anchor, 1),
                None => Err("an end without a beginning".into()),
            },
            _ => Ok(()),
        }
    }

    fn open(&mut self, value: Open, anchor: usize) -> std::result::Result<(), String> {
        if self.open.len() >= MOST_DEPTH {
            return Err(format!("more than {MOST_DEPTH} lists and mappings within each other"));
        }
        self.open.push((value, anchor));
        Ok(())
    }

    fn put(
        &mut self,
        value: Value,
        quoted: bool,
        anchor: usize,
        count: usize,
    ) -> std::result::Result<(), String> {
        self.values = self.values.saturating_add(count);
        if self.values > MOST_VALUES {
            return Err(format!("more than {MOST_VALUES} values"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => self.whole = Some(value),
            Some((Open::List(items), _)) => items.push(value),
            Some((Open::Mapping(items, key), _)) => match key.take() {
                Some(key) => {
                    items.insert(key, value);
                }
                None => {
                    *key = Some(match value {
                        Value::String(text) => text,
                        Value::Null | Value::Bool(_) | Value::Number(_) if !quoted => value.to_string(),
                        _ => return Err("a key that is not a text".into()),
                    });
                }
            },
        }
        Ok(())
    }
}

/// How many values a value holds, itself counted.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(count).sum::<usize>() + 1,
        Value::Object(items) => items.values().map(count).sum::<usize>() + 1,
        _ => 1,
    }
}

/// A plain scalar by the core schema. A number that JSON cannot say stays a text.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    let number = || {
        let digits = text.strip_prefix('+').unwrap_or(text);
        match digits.parse::<i64>() {
            Ok(whole) => Some(whole.into()),
            Err(_) => digits.parse::<f64>().ok().and_then(serde_json::Number::from_f64),
        }
    };
    match is_number.then(number).flatten() {
        Some(number) => Value::Number(number),
        None => Value::String(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> std::result::Result<Value, String> {
        parse(text, "a.yaml").map_err(|error| error.to_string())
    }

    #[test]
    fn a_document_is_what_pyyaml_dumps() {
        let text = "created: '2020-01-01'\nn: 20180107\nx: -2.5e-1\nnone: null\nok: true\nat: []\nempty: {}\nlist:\n- 0.5\n- a: b\n  c: [1, 2]\n- text with spaces\n";
        let want = json!({
            "created": "2020-01-01", "n": 20180107, "x": -0.25, "none": null, "ok": true, "at": [], "empty": {},
            "list": [0.5, {"a": "b", "c": [1, 2]}, "text with spaces"],
        });
        assert_eq!(read(text), Ok(want));
    }

    #[test]
    fn an_alias_is_the_value_that_it_names() {
        let want = json!({"a": [1, 2], "b": [1, 2], "c": {"d": [1, 2]}});
        assert_eq!(read("a: &x [1, 2]\nb: *x\nc: {d: *x}\n"), Ok(want));
    }

    #[test]
    fn what_grows_beyond_bounds_is_refused() {
        let mut bomb = String::from("a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
        for i in 1..20 {
            let one = format!("*a{}", i - 1);
            bomb += &format!("a{i}: &a{i} [{}]\n", [one.as_str(); 10].join(", "));
        }
        assert!(read(&bomb).unwrap_err().contains("values"));
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&deep(MOST_DEPTH)).is_ok());
        assert!(read(&deep(MOST_DEPTH + 1)).unwrap_err().contains("within each other"));
        // The parser ends such a text by itself.
        assert!(read(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn what_is_not_yaml_is_an_error() {
        for (text, said) in [
            ("", "empty"),
            ("a: [1", "not YAML"),
            ("a: 1\n---\nb: 2\n", "several"),
            ("a: *b", "not YAML"),
            ("[a]: 1", "key"),
        ] {
            assert!(read(text).unwrap_err().contains(said), "{text}: {:?}", read(text));
        }
    }
}
