//! The XML of GDAL's own TIFF tag, as GDAL writes it: what it says of each band and of the whole file.

use super::tags;
use crate::format::Tags;

/// What the metadata say of one band.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct BandMetadata {
    /// The band's name.
    pub description: Option<String>,
    /// Of the scaled value.
    pub unit: Option<String>,
    /// 1 without it.
    pub scale: Option<f64>,
    /// 0 without it.
    pub offset: Option<f64>,
}

/// The metadata of `bands` bands, and the file's own tags set among those that it has; `None` for anything that is not
/// written as GDAL writes it, or that says which pixels are valid.
pub(crate) fn read(text: &str, bands: usize, tags: &mut Tags) -> Option<Vec<BandMetadata>> {
    let mut metadata = vec![BandMetadata::default(); bands];
    let mut rest = text.trim_end().strip_prefix("<GDALMetadata>")?.strip_suffix("</GDALMetadata>")?;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(metadata);
        }
        let (attributes, after) = rest.strip_prefix("<Item ")?.split_once('>')?;
        let (value, after) = after.split_once("</Item>")?;
        rest = after;
        // Nested elements, comments and quoted markup.
        if value.contains('<') || attributes.contains(['<', '&']) {
            return None;
        }
        item(&parse(attributes)?, value, &mut metadata, tags)?;
    }
}

/// `name="..." sample="0" role="..."` by name, none twice.
fn parse(mut rest: &str) -> Option<Vec<(&str, &str)>> {
    let mut attributes: Vec<(&str, &str)> = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = after.split_once('"')?;
        let known = ["name", "sample", "role", "domain", "format"].contains(&name);
        if !known || attributes.iter().any(|(n, _)| *n == name) {
            return None;
        }
        attributes.push((name, value));
        rest = match after.strip_prefix(' ') {
            Some(next) => next,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(attributes)
}

fn item(
    attributes: &[(&str, &str)],
    value: &str,
    metadata: &mut [BandMetadata],
    tags: &mut Tags,
) -> Option<()> {
    let attribute = |wanted: &str| attributes.iter().find(|(name, _)| *name == wanted).map(|(_, v)| *v);
    let name = attribute("name")?;
    if name.eq_ignore_ascii_case("NODATA_VALUES") {
        return None;
    }
    let Some(role) = attribute("role") else {
        return match (attribute("sample"), attribute("domain")) {
            (None, None | Some("")) => tags::set(tags, name, twice_unescaped(value)?),
            (Some(sample), _) => sample.parse::<usize>().ok().map(|_| ()),
            (None, Some(_)) => Some(()),
        };
    };
    let sample: usize = attribute("sample")?.parse().ok()?;
    // White space at the ends is the XML parser's to keep or drop, and markup its to resolve.
    let plain = !value.is_empty() && value.trim() == value && !value.contains('&');
    if !plain || attribute("domain").is_some() {
        return None;
    }
    let band = metadata.get_mut(sample)?;
    match role {
        "description" => band.description = Some(value.to_string()),
        "unittype" => band.unit = Some(value.to_string()),
        "scale" => band.scale = Some(decimal(value)?),
        "offset" => band.offset = Some(decimal(value)?),
        // An alpha band would be the mask of the others.
        "colorinterp" if !value.eq_ignore_ascii_case("alpha") => {}
        _ => return None,
    }
    Some(())
}

/// A text as GDAL reads it, which resolves markup in XML and then once more.
fn twice_unescaped(value: &str) -> Option<String> {
    // White space in front is dropped, and an empty text is none.
    let starts = value.bytes().next().is_some_and(|byte| !byte.is_ascii_whitespace() && byte != 0x0b);
    if starts { unescaped(&unescaped(value)?) } else { None }
}

fn unescaped(text: &str) -> Option<String> {
    const MARKUP: [(&str, char); 5] =
        [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"'), ("&apos;", '\'')];
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find('&') {
        let (plain, markup) = rest.split_at(start);
        let (word, character) = MARKUP.iter().find(|(word, _)| markup.starts_with(word))?;
        out.push_str(plain);
        out.push(*character);
        rest = markup.strip_prefix(word)?;
    }
    out.push_str(rest);
    Some(out)
}

/// A number in digits, which C and Rust read alike.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
    let value: f64 = text.parse().ok()?;
    (text.chars().all(plain) && !text.starts_with('+') && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::damaged;

    #[test]
    fn the_items_of_a_band_are_its_facts() {
        let text = "<GDALMetadata>\n  <Item name=\"A\">b &amp;amp; c</Item>\n  <Item name=\"OFFSET\" sample=\"1\" role=\"offset\">-0.5</Item>\n  <Item name=\"DESCRIPTION\" sample=\"0\" role=\"description\">größe</Item>\n</GDALMetadata>\n";
        let mut tags = Tags::new();
        let metadata = read(text, 2, &mut tags).unwrap();
        assert_eq!(tags, [("A".to_string(), "b & c".to_string())]);
        assert_eq!(metadata[0].description.as_deref(), Some("größe"));
        assert_eq!((metadata[1].offset, metadata[1].scale), (Some(-0.5), None));
    }

    #[test]
    fn what_gdal_would_not_write_is_left_to_gdal() {
        for item in [
            "<Item name=\"x\" sample=\"2\" role=\"scale\">1</Item>",
            "<Item name=\"x\" sample=\"0\" role=\"scale\">1,5</Item>",
            "<Item name=\"x\" sample=\"0\" role=\"scale\">0x10</Item>",
            "<Item name=\"x\" sample=\"0\" role=\"description\"> a</Item>",
            "<Item name=\"x\" sample=\"0\" role=\"description\">a &lt; b</Item>",
            "<Item name=\"x\" sample=\"3\" role=\"colorinterp\">alpha</Item>",
            "<Item name=\"NODATA_VALUES\">0 0</Item>",
            "<Item name=\"x\"> 1</Item>",
            "<Item name=\"x\"></Item>",
            "<Item name=\"x\">a & b</Item>",
            "<Item name=\"x\">a &amp; b</Item>",
            "<Item name=\"x\">&#65;</Item>",
            "<Item name='x'>1</Item>",
            "<Item name=\"x\">1<b/></Item>",
            "<!-- c -->",
            "<Item name=\"x\">1",
        ] {
            let text = format!("<GDALMetadata>{item}</GDALMetadata>");
            assert_eq!(read(&text, 2, &mut Tags::new()), None, "{item}");
        }
    }

    #[test]
    fn damaged_metadata_are_none_or_facts_of_the_bands_there_are() {
        let text = "<GDALMetadata>\n  <Item name=\"A\">b</Item>\n  <Item name=\"OFFSET\" sample=\"1\" role=\"offset\">-0.5</Item>\n  <Item name=\"S\" sample=\"0\" role=\"scale\">2.5</Item>\n</GDALMetadata>\n";
        let read = |bytes: &[u8]| {
            let metadata =
                std::str::from_utf8(bytes).ok().and_then(|text| read(text, 2, &mut Tags::default()));
            assert!(metadata.as_ref().is_none_or(|metadata| metadata.len() == 2));
            metadata.is_some()
        };
        let accepted = damaged(text.as_bytes(), 5000, 4096, read);
        assert!((1..5000).contains(&accepted), "{accepted}");
    }
}
