//! The parameters that a row of a catalog was made with: a later build compares them with its own.

use crate::catalog::{BuildOptions, KINDS, NameRule};
use crate::format::LayerName;
use crate::format::parquet::Cell;

/// The type of the column, whose fields are those of [`BuildOptions::built_with`].
pub const BUILT_WITH: &str = "STRUCT(kind VARCHAR, layer VARCHAR, layer_number BIGINT, variables VARCHAR[], time_var VARCHAR, time_tag VARCHAR, filename_regex VARCHAR, date_format VARCHAR, crs VARCHAR, densify BIGINT)";

const PARAMETERS: [&str; 10] = [
    "kind",
    "layer",
    "layer",
    "variables",
    "time_var",
    "time_tag",
    "filename_regex",
    "date_format",
    "crs",
    "densify",
];

impl BuildOptions {
    /// Every parameter that a row depends on, as the column holds them; NULL for one that is not given.
    pub fn built_with(&self) -> Cell {
        let text = |text: &str| Cell::Text(text.into());
        let maybe = |words: Option<&str>| words.map_or(Cell::Null, text);
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind).map(|(name, _)| *name);
        let (layer, number) = match &self.layer {
            Some(LayerName::Name(name)) => (text(name), Cell::Null),
            Some(LayerName::Number(number)) => (Cell::Null, Cell::Int(*number)),
            None => (Cell::Null, Cell::Null),
        };
        let variables = self.variables.as_ref().map(|names| {
            let mut names: Vec<&str> = names.iter().map(|name| name.trim_start_matches('/')).collect();
            names.sort_unstable();
            names.dedup();
            Cell::List(names.into_iter().map(text).collect())
        });
        let rule = self.name_rule.as_ref();
        let format = rule.filter(|rule| rule.tells_time()).map(NameRule::date_format);
        Cell::Struct(vec![
            maybe(kind),
            layer,
            number,
            variables.unwrap_or(Cell::Null),
            maybe(self.time_var.as_deref()),
            maybe(self.time_tag.as_deref()),
            maybe(rule.map(NameRule::pattern)),
            maybe(format),
            text(self.crs.as_str()),
            Cell::Int(self.densify as i64),
        ])
    }
}

/// The first parameter in which a row differs from this build, and what each has.
pub fn difference(row: &Cell, build: &Cell) -> Option<(&'static str, String, String)> {
    let (Cell::Struct(row), Cell::Struct(build)) = (row, build) else { return None };
    let pairs = PARAMETERS.iter().zip(row.iter().zip(build));
    let (parameter, (theirs, ours)) = pairs.into_iter().find(|(_, (theirs, ours))| theirs != ours)?;
    Some((parameter, shown(theirs), shown(ours)))
}

/// A parameter as one writes it.
fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "none".into(),
        Cell::Text(text) => format!("\"{text}\""),
        Cell::Int(number) => number.to_string(),
        Cell::List(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{OnError, Wanted};
    use crate::crs::CRS84;
    use crate::format::Kind;
    use crate::sql_type::SqlType;

    fn options() -> BuildOptions {
        BuildOptions::new(None, CRS84, 21, OnError::Fail).unwrap()
    }

    #[test]
    fn the_fields_of_the_column_are_the_parameters() {
        let SqlType::Struct(fields) = SqlType::parse(BUILT_WITH).unwrap() else { panic!("{BUILT_WITH}") };
        let names: Vec<String> = fields.iter().map(|(name, _)| name.replace("_number", "")).collect();
        assert_eq!(names, PARAMETERS);
        let Cell::Struct(cells) = options().built_with() else { panic!("no struct") };
        assert_eq!(cells.len(), PARAMETERS.len());
    }

    #[test]
    fn each_parameter_that_makes_another_row_is_told() {
        let rule = |pattern, format| Some(NameRule::new(pattern, format).unwrap());
        let base = options();
        let others = [
            ("kind", BuildOptions { kind: Wanted::Only(Kind::Raster), ..base.clone() }),
            ("layer", BuildOptions { layer: Some(LayerName::Name("1".into())), ..base.clone() }),
            ("layer", BuildOptions { layer: Some(LayerName::Number(1)), ..base.clone() }),
            ("variables", BuildOptions { variables: Some(vec!["a".into()]), ..base.clone() }),
            ("time_var", BuildOptions { time_var: Some("t".into()), ..base.clone() }),
            ("time_tag", BuildOptions { time_tag: Some("t".into()), ..base.clone() }),
            ("filename_regex", BuildOptions { name_rule: rule("(?P<a>.)", "%Y"), ..base.clone() }),
            ("densify", BuildOptions { densify: 5, ..base.clone() }),
            ("crs", BuildOptions::new(None, "EPSG:3857", 21, OnError::Fail).unwrap()),
        ];
        for (parameter, other) in &others {
            let found = difference(&other.built_with(), &base.built_with());
            assert_eq!(found.map(|(name, ..)| name), Some(*parameter));
        }
        let [years, days] = ["%Y", "%Y%m%d"].map(|format| {
            BuildOptions { name_rule: rule("(?P<date>.)", format), ..base.clone() }.built_with()
        });
        let expected = Some(("date_format", "\"%Y\"".to_string(), "\"%Y%m%d\"".to_string()));
        assert_eq!(difference(&years, &days), expected);
    }

    #[test]
    fn what_makes_the_same_rows_is_the_same() {
        let named = |names: &[&str]| {
            let variables = Some(names.iter().map(|name| (*name).to_string()).collect());
            BuildOptions { variables, ..options() }.built_with()
        };
        assert_eq!(named(&["b", "a", "/a"]), named(&["a", "b"]));
        let report = BuildOptions { on_error: OnError::Report, ..options() };
        assert_eq!(report.built_with(), options().built_with());
        let unused = NameRule::new("(?P<a>.)", "%Y").unwrap();
        let default = NameRule::new("(?P<a>.)", "%Y%m%d").unwrap();
        let [one, other] =
            [unused, default].map(|rule| BuildOptions { name_rule: Some(rule), ..options() }.built_with());
        assert_eq!(one, other);
    }
}
