//! What a SQL function says of itself: the one source of its signature, its reference page, its example
//! tests and `geoquilt_functions()`.

use crate::error::Result;
use crate::sql_type::SqlType;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Scalar,
    Table,
    /// A table macro in the schema `geoquilt`.
    Macro,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Scalar => "scalar",
            Kind::Table => "table",
            Kind::Macro => "table macro",
        }
    }
}

/// One parameter. `types` is SQL text, alternatives parted by ` | `; a bare `STRUCT` is a bag of options.
#[derive(Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub types: &'static str,
    /// How the parameter is given, and its default where it has one.
    pub given: Given,
    /// What it means, with its unit.
    pub meaning: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// By place, always.
    Required,
    /// By place at the end of a scalar's arguments, or not at all.
    Optional,
    /// By name with `:=`; the text is the default, as SQL.
    Named(&'static str),
    /// A key of the scalar's options; the text is the default, as SQL.
    Option(&'static str),
}

/// One result column, or the one result of a scalar.
pub struct Column {
    pub name: &'static str,
    pub types: &'static str,
    pub meaning: &'static str,
}

/// A parameter that is given by name.
pub const fn named(
    name: &'static str,
    types: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Parameter {
    Parameter { name, types, given: Given::Named(default), meaning }
}

/// A key of a scalar's options.
pub const fn option(
    name: &'static str,
    types: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Parameter {
    Parameter { name, types, given: Given::Option(default), meaning }
}

/// Lists of parameters as one of `N`.
pub const fn join<const N: usize>(lists: &[&[Parameter]]) -> [Parameter; N] {
    let mut all = [named("", "", "", ""); N];
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        let mut i = 0;
        while i < lists[list].len() {
            all[count] = lists[list][i];
            (i, count) = (i + 1, count + 1);
        }
        list += 1;
    }
    assert!(count == N, "as many parameters as there are");
    all
}

pub const fn column(name: &'static str, types: &'static str, meaning: &'static str) -> Column {
    Column { name, types, meaning }
}

/// A statement that runs as it stands, from the repository's root, and the rows that it prints.
pub struct Example {
    /// What to look at.
    pub title: &'static str,
    pub sql: &'static str,
    /// One text a row, cells parted by a tab.
    pub rows: &'static [&'static str],
}

pub struct FunctionDoc {
    pub name: &'static str,
    pub kind: Kind,
    /// One sentence of at most 80 characters.
    pub summary: &'static str,
    pub parameters: &'static [Parameter],
    pub columns: &'static [Column],
    /// What a NULL argument does, and what a NULL result means.
    pub nulls: &'static str,
    pub errors: &'static [&'static str],
    pub examples: &'static [Example],
    /// Where the rules come from.
    pub references: &'static [&'static str],
}

impl FunctionDoc {
    /// `name(a, b := default)`, as a user would type it.
    pub fn signature(&self) -> String {
        let mut parts = Vec::new();
        for parameter in self.parameters {
            match parameter.given {
                Given::Required => parts.push(parameter.name.to_string()),
                Given::Optional => parts.push(format!("[{}]", parameter.name)),
                Given::Named(default) => parts.push(format!("{} := {default}", parameter.name)),
                Given::Option(_) => {}
            }
        }
        let schema = if self.kind == Kind::Macro { "geoquilt." } else { "" };
        format!("{schema}{}({})", self.name, parts.join(", "))
    }

    /// The keys of the options bag.
    pub fn option_names(&self) -> Vec<&'static str> {
        let option = |p: &Parameter| matches!(p.given, Given::Option(_)).then_some(p.name);
        self.parameters.iter().filter_map(option).collect()
    }

    /// The result columns with their types.
    ///
    /// # Errors
    /// A type that does not parse, which is a defect.
    pub fn schema(&self) -> Result<Vec<(String, SqlType)>> {
        self.schema_with(|_, documented| Some(documented))
    }

    /// The result columns with their types, where a call decides some of them: `choose` gets a column's name and the
    /// type that is documented, and gives that which it has, or none where there is no such column.
    ///
    /// # Errors
    /// As [`FunctionDoc::schema`].
    pub fn schema_with(
        &self,
        choose: impl Fn(&str, SqlType) -> Option<SqlType>,
    ) -> Result<Vec<(String, SqlType)>> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in self.columns {
            let chosen = choose(column.name, SqlType::parse(column.types)?);
            columns.extend(chosen.map(|ty| (column.name.to_string(), ty)));
        }
        Ok(columns)
    }

    /// Which of the result columns a name is.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Every combination of argument types that a scalar takes.
    ///
    /// # Errors
    /// A type that does not parse, which is a defect.
    pub fn overloads(&self) -> Result<Vec<Vec<SqlType>>> {
        let mut overloads: Vec<Vec<SqlType>> = vec![Vec::new()];
        let mut shorter = Vec::new();
        for parameter in self.parameters {
            match parameter.given {
                Given::Required => {}
                Given::Optional => shorter.extend(overloads.clone()),
                Given::Named(_) | Given::Option(_) => continue,
            }
            let mut longer = Vec::new();
            for types in &overloads {
                for alternative in parameter.alternatives()? {
                    longer.push(types.iter().cloned().chain([alternative]).collect());
                }
            }
            overloads = longer;
        }
        shorter.extend(overloads);
        Ok(shorter)
    }
}

impl Parameter {
    /// What is a key of a scalar's options, as a table function takes it: by name.
    pub const fn named(self) -> Parameter {
        match self.given {
            Given::Option(default) => named(self.name, self.types, default, self.meaning),
            _ => self,
        }
    }

    /// # Errors
    /// As [`FunctionDoc::overloads`].
    pub fn alternatives(&self) -> Result<Vec<SqlType>> {
        // What may be left out takes any type and looks itself, also at options that stand in its place.
        if self.types == "STRUCT" || self.given == Given::Optional && self.types.contains(" | ") {
            return Ok(vec![SqlType::Any]);
        }
        self.types.split(" | ").map(SqlType::parse).collect()
    }

    /// The type that a table function registers. A parameter of several types takes any and looks itself, and
    /// so does one with named fields: DuckDB's cast would drop a misspelt key without a word.
    ///
    /// # Errors
    /// As [`FunctionDoc::overloads`].
    pub fn registered(&self) -> Result<SqlType> {
        let alternatives = self.alternatives()?;
        if self.types.contains("STRUCT") {
            return Ok(SqlType::Any);
        }
        match <[SqlType; 1]>::try_from(alternatives) {
            Ok([one]) => Ok(one),
            Err(_) => Ok(SqlType::Any),
        }
    }
}
