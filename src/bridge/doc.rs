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
    /// A scalar macro in the schema `geoquilt`.
    ScalarMacro,
    /// A macro in the schema `geoquilt` over an aggregate that is hidden under its name after `gq_`.
    Aggregate,
    /// A format of `COPY ... TO`: its required and optional parameters are the columns of the query, its options
    /// those of the statement.
    Copy,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Scalar => "scalar",
            Kind::Table => "table",
            Kind::Macro => "table macro",
            Kind::ScalarMacro => "scalar macro",
            Kind::Aggregate => "aggregate",
            Kind::Copy => "copy",
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
    /// A key of the options of a scalar or of a format; the text is the default, as SQL.
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
    /// The name with its schema, where it has one.
    pub fn full_name(&self) -> String {
        let schema = match self.kind {
            Kind::Macro | Kind::ScalarMacro | Kind::Aggregate => "geoquilt.",
            Kind::Scalar | Kind::Table | Kind::Copy => "",
        };
        format!("{schema}{}", self.name)
    }

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
        if self.kind == Kind::Copy {
            return format!("COPY (SELECT {}) TO 'file' (FORMAT {})", parts.join(", "), self.name);
        }
        format!("{}({})", self.full_name(), parts.join(", "))
    }

    /// The keys of the options bag.
    pub fn option_names(&self) -> Vec<&'static str> {
        let option = |p: &Parameter| matches!(p.given, Given::Option(_)).then_some(p.name);
        self.parameters.iter().filter_map(option).collect()
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
