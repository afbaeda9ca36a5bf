//! The tags of a file in a catalog: those of array files, the time that one of them tells, and how many are kept.

use crate::error::{Error, Lack, Member, Result};
use crate::format::Tags;
use crate::format::array::{ArrayHeader, Attribute, Variable};
use crate::interval::{Interval, stamped};

/// Tags that a catalog keeps of one file: those that come first.
const MAX_TAGS: usize = 256;
/// Bytes of a name; a tag with a longer one is left out.
const MAX_NAME: usize = 256;
/// Bytes of a text; a longer one ends there, with an ellipsis.
const MAX_TEXT: usize = 4096;

/// The time that a tag tells.
///
/// # Errors
/// [`Error::NotFound`] with those that there are, or [`Lack::Tag`].
pub(crate) fn time(tags: &Tags, tag: &str, path: &str) -> Result<Interval> {
    match tags.iter().find(|(name, _)| name == tag) {
        Some((_, text)) => stamped(text)
            .ok_or_else(|| Error::unsuited(path, Lack::Tag { name: tag.into(), value: text.clone() })),
        None => {
            let available = tags.iter().take(MAX_TAGS).map(|(name, _)| name.clone()).collect();
            Err(Error::not_found(Member::Tag, tag, path, available))
        }
    }
}

/// Keeps what a catalog keeps, each name once.
pub(crate) fn limit(tags: &mut Tags) {
    let mut kept = 0;
    for index in 0..tags.len() {
        let Some((before, rest)) = tags.split_at_mut_checked(index) else { break };
        let Some((name, text)) = rest.first_mut() else { break };
        let known = before.get(..kept).is_some_and(|known| known.iter().any(|(other, _)| other == name));
        if known || name.is_empty() || name.len() > MAX_NAME || kept == MAX_TAGS {
            continue;
        }
        if text.len() > MAX_TEXT {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.push('…');
        }
        tags.swap(kept, index);
        kept += 1;
    }
    tags.truncate(kept);
}

/// The global attributes of an array file, and each class that CF names of some variables as `VARIABLE.class.VALUE`.
pub(crate) fn of_array(header: &ArrayHeader, variables: &[usize]) -> Tags {
    // What the netCDF library notes for itself is seen through one library and not through another.
    let own = |name: &str| !["_NCProperties", "_IsNetcdf4", "_SuperblockVersion"].contains(&name);
    let told = header.attributes.iter().filter(|(name, _)| own(name));
    let mut tags: Tags = told.map(|(name, value)| (name.clone(), written(value))).collect();
    for variable in variables.iter().filter_map(|index| header.variables.get(*index)) {
        tags.extend(classes(variable));
    }
    tags
}

/// CF's flags (3.5), where each stands for a value of its own.
fn classes(variable: &Variable) -> Tags {
    let values = match variable.attribute("flag_values") {
        Some(Attribute::Integers(values)) if variable.attribute("flag_masks").is_none() => values.as_slice(),
        _ => return Tags::new(),
    };
    let meanings = variable.text("flag_meanings").unwrap_or_default().split_ascii_whitespace();
    let name = |value: &i64| format!("{}.class.{value}", variable.name);
    values.iter().zip(meanings).map(|(value, meaning)| (name(value), meaning.to_string())).collect()
}

/// An attribute as text; several values stand behind commas.
fn written(value: &Attribute) -> String {
    match value {
        Attribute::Text(text) => text.trim_end_matches('\0').to_string(),
        Attribute::Texts(texts) => texts.join(", "),
        Attribute::Integers(values) => values.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
        Attribute::Numbers(values) => {
            values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_files_tags_has_a_bound() {
        let tag = |name: String, text: &str| (name, text.to_string());
        let mut tags = vec![tag("a".into(), "1"), tag("a".into(), "2"), tag("x".repeat(257), "3")];
        tags.push(tag("long".into(), &"ü".repeat(3000)));
        tags.extend((0..1000).map(|n| tag(format!("n{n}"), "")));
        limit(&mut tags);
        assert_eq!(tags.len(), 256);
        assert_eq!(tags.first(), Some(&tag("a".into(), "1")));
        assert_eq!(tags.get(1), Some(&tag("long".into(), &("ü".repeat(2048) + "…"))));
        assert_eq!(tags.get(255), Some(&tag("n253".into(), "")));
        let mut odd = vec![tag("b".into(), &("x".to_string() + &"ü".repeat(3000)))];
        limit(&mut odd);
        assert_eq!(odd.first().map(|(_, text)| text.len()), Some(4095 + "…".len()));
    }

    #[test]
    fn a_tag_that_tells_no_time_is_named_with_its_text() {
        let tags = vec![("A".to_string(), "2018:01:31 10:00:00".to_string()), ("B".into(), "x".into())];
        assert!(time(&tags, "A", "a.tif").is_ok());
        let (unreadable, missing) = (time(&tags, "B", "a.tif"), time(&tags, "C", "a.tif"));
        assert!(unreadable.is_err_and(|e| e.to_string().starts_with("the tag \"B\" of \"a.tif\" is \"x\"")));
        assert!(missing.is_err_and(|e| e.to_string().starts_with("\"a.tif\" has no tag \"C\"")));
    }
}
