//! The parameters that a row of a catalog was made with: a later build compares them with its own.

use crate::catalog::{BuildOptions, KINDS, NameRule};
use crate::format::LayerName;
use crate::value::Value;

/// The type of the column, whose fields are those of [`BuildOptions::built_with`].
pub const BUILT_WITH: &str = "STRUCT(kind VARCHAR, layer VARCHAR, layer_number BIGINT, variables VARCHAR[], time_var VARCHAR, time_tag VARCHAR, filename_regex VARCHAR, date_format VARCHAR, crs VARCHAR, densify BIGINT)";

impl BuildOptions {
    /// Every parameter that a row depends on, as the column holds them; NULL for one that is not given.
    pub fn built_with(&self) -> Value {
        let text = |text: &str| Value::Text(text.into());
        let maybe = |words: Option<&str>| words.map_or(Value::Null, text);
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind).map(|(name, _)| *name);
        let (layer, number) = match &self.layer {
            Some(LayerName::Name(name)) => (text(name), Value::Null),
            Some(LayerName::Number(number)) => (Value::Null, Value::Int(*number)),
            None => (Value::Null, Value::Null),
        };
        let variables = self.variables.as_ref().map(|names| {
            let mut names: Vec<&str> = names.iter().map(|name| name.trim_start_matches('/')).collect();
            names.sort_unstable();
            names.dedup();
            Value::List(names.into_iter().map(text).collect())
        });
        let rule = self.name_rule.as_ref();
        let format = rule.filter(|rule| rule.tells_time()).map(NameRule::date_format);
        let fields = [
            ("kind", maybe(kind)),
            ("layer", layer),
            ("layer_number", number),
            ("variables", variables.unwrap_or(Value::Null)),
            ("time_var", maybe(self.time_var.as_deref())),
            ("time_tag", maybe(self.time_tag.as_deref())),
            ("filename_regex", maybe(rule.map(NameRule::pattern))),
            ("date_format", maybe(format)),
            ("crs", text(self.crs.as_str())),
            ("densify", Value::Int(self.densify as i64)),
        ];
        Value::Struct(fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }
}

/// The first parameter in which a row differs from this build, and what each has.
pub(crate) fn difference(row: &Value, build: &Value) -> Option<(String, String, String)> {
    let (Value::Struct(row), Value::Struct(build)) = (row, build) else { return None };
    let ((_, theirs), (name, ours)) = row.iter().zip(build).find(|(theirs, ours)| theirs != ours)?;
    let parameter = name.strip_suffix("_number").unwrap_or(name);
    Some((parameter.to_string(), theirs.to_string(), ours.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Wanted;
    use crate::crs::CRS84;
    use crate::format::Kind;
    use crate::on_error::OnError;
    use crate::sql_type::SqlType;

    fn options() -> BuildOptions {
        BuildOptions::new(None, CRS84, 21, OnError::Fail).unwrap()
    }

    #[test]
    fn the_fields_of_the_column_are_the_parameters() {
        let SqlType::Struct(fields) = SqlType::parse(BUILT_WITH).unwrap() else { panic!("{BUILT_WITH}") };
        let Value::Struct(values) = options().built_with() else { panic!("no struct") };
        let names = |(a, b): ((String, SqlType), (String, Value))| (a.0, b.0);
        assert_eq!(fields.len(), values.len());
        assert!(fields.into_iter().zip(values).map(names).all(|(column, value)| column == value));
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
            assert_eq!(found.map(|(name, ..)| name), Some((*parameter).to_string()));
        }
        let [years, days] = ["%Y", "%Y%m%d"].map(|format| {
            BuildOptions { name_rule: rule("(?P<date>.)", format), ..base.clone() }.built_with()
        });
        let expected = Some(("date_format".to_string(), "\"%Y\"".to_string(), "\"%Y%m%d\"".to_string()));
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
