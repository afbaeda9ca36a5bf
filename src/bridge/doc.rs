//! What a SQL function says of itself: the one source of its signature, its reference page, its example
//! tests and `geoquilt_functions()`.

use crate::error::Result;
use crate::sql_type::SqlType;

/// What sort of function it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value a row.
    Scalar,
    /// Rows in FROM.
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
    /// As the reference names it.
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

/// One parameter. `types` is SQL text, alternatives parted by ` | `; a bare `STRUCT` is the struct of options.
#[derive(Clone, Copy)]
pub struct Parameter {
    /// As the user writes it.
    pub name: &'static str,
    /// The types that it may have.
    pub types: &'static str,
    /// How the parameter is given, and its default where it has one.
    pub given: Given,
    /// What it means, with its unit.
    pub meaning: &'static str,
}

/// How a parameter is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// By position, always.
    Required,
    /// The same, and handed over as it is: a cast of DuckDB's would lose the CRS of a geometry's type (2.0 casts before a
    /// function is bound), or refuse a struct with one field more.
    AsItIs,
    /// By position at the end of a scalar's arguments, or not at all.
    Optional,
    /// By name with `:=`; the text is the default, as SQL.
    Named(&'static str),
    /// A key of the options of a scalar or of a format; the text is the default, as SQL.
    Option(&'static str),
}

/// One result column, or the one result of a scalar.
pub struct Column {
    /// As DuckDB shows it.
    pub name: &'static str,
    /// Its type, as SQL.
    pub types: &'static str,
    /// What it holds, with its unit.
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

/// A result column.
pub const fn column(name: &'static str, types: &'static str, meaning: &'static str) -> Column {
    Column { name, types, meaning }
}

/// A statement that runs as it stands, from the repository's root, and the rows that it prints.
pub struct Example {
    /// What to look at.
    pub title: &'static str,
    /// The statement.
    pub sql: &'static str,
    /// One text a row, cells parted by a tab.
    pub rows: &'static [&'static str],
}

/// All that is said of a function.
pub struct FunctionDoc {
    /// As the user calls it, without a schema.
    pub name: &'static str,
    /// What sort of function it is.
    pub kind: Kind,
    /// One sentence of at most 80 characters.
    pub summary: &'static str,
    /// The parameters in their order, with the keys of the options behind them.
    pub parameters: &'static [Parameter],
    /// The result columns, or the one result of a scalar.
    pub columns: &'static [Column],
    /// What a NULL argument does, and what a NULL result means.
    pub nulls: &'static str,
    /// What is refused, a line each.
    pub errors: &'static [&'static str],
    /// Statements with what they print.
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
                Given::Required | Given::AsItIs => parts.push(parameter.name.to_string()),
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

    /// The keys of the options.
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

    /// Which of a scalar's arguments are the options, where they were given: the last one, also where fewer stand before
    /// it than may. `is_struct` looks at an argument's type, and is asked only where the number of arguments does not
    /// tell.
    ///
    /// # Errors
    /// Those of `is_struct`.
    pub fn options_index(
        &self,
        arguments: usize,
        is_struct: impl FnOnce(usize) -> Result<bool>,
    ) -> Result<Option<usize>> {
        let by_position =
            |p: &&Parameter| matches!(p.given, Given::Required | Given::AsItIs | Given::Optional);
        let parameters: Vec<_> = self.parameters.iter().filter(by_position).collect();
        let options = parameters.iter().position(|p| p.given == Given::Optional && p.types == "STRUCT");
        let (Some(options), Some(last)) = (options, arguments.checked_sub(1)) else { return Ok(None) };
        let may_be_early = last < options && parameters.get(last).is_some_and(|p| p.given == Given::Optional);
        let found = last == options || may_be_early && is_struct(last)?;
        Ok(found.then_some(last))
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
                Given::Required | Given::AsItIs => {}
                Given::Optional => shorter.extend(overloads.clone()),
                Given::Named(_) | Given::Option(_) => continue,
            }
            let mut longer = Vec::new();
            for types in &overloads {
                for alternative in with_null(parameter.alternatives()?) {
                    longer.push(types.iter().cloned().chain([alternative]).collect());
                }
            }
            overloads = longer;
        }
        shorter.extend(overloads);
        Ok(shorter)
    }
}

/// The types that an argument may have, with that of an untyped NULL where they are several lists: DuckDB does not choose
/// among those for it.
pub fn with_null(mut alternatives: Vec<SqlType>) -> Vec<SqlType> {
    if alternatives.len() > 1 && alternatives.iter().all(|ty| ty.item().is_some()) {
        let nested = alternatives.iter().all(|ty| ty.item().is_some_and(|item| item.item().is_some()));
        alternatives.push(SqlType::Null);
        if nested {
            alternatives.push(SqlType::Null.list());
        }
    }
    alternatives
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
        // What may be left out takes any type and looks itself, also at options that stand in its stead.
        if self.types == "STRUCT"
            || self.given == Given::AsItIs
            || self.given == Given::Optional && self.types.contains(" | ")
        {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    static COLUMNS: [Column; 2] = [column("data", "ANY[]", ""), column("error", "VARCHAR", "")];

    const fn given(name: &'static str, types: &'static str, given: Given) -> Parameter {
        Parameter { name, types, given, meaning: "" }
    }

    const fn scalar(parameters: &'static [Parameter]) -> FunctionDoc {
        FunctionDoc {
            name: "f",
            kind: Kind::Scalar,
            summary: "",
            parameters,
            columns: &COLUMNS,
            nulls: "",
            errors: &[],
            examples: &[],
            references: &[],
        }
    }

    /// Two that must be given, two that may, and options behind them.
    static PARAMETERS: [Parameter; 6] = [
        given("a", "DOUBLE | VARCHAR", Given::Required),
        given("b", "BIGINT", Given::Required),
        given("c", "TIMESTAMP | DATE", Given::Optional),
        given("d", "BIGINT", Given::Optional),
        given("options", "STRUCT", Given::Optional),
        given("e", "DOUBLE", Given::Option("1")),
    ];
    static ONE: [Parameter; 1] = [given("a", "DOUBLE", Given::Required)];
    static MANY: FunctionDoc = scalar(&PARAMETERS);
    static NONE: FunctionDoc = scalar(&ONE);

    #[test]
    fn overloads_are_every_choice_of_types_and_every_end_of_the_arguments() {
        let texts = |doc: &FunctionDoc| -> Vec<String> {
            let text =
                |types: Vec<SqlType>| types.iter().map(SqlType::to_string).collect::<Vec<_>>().join(" ");
            doc.overloads().unwrap().into_iter().map(text).collect()
        };
        assert_eq!(texts(&NONE), ["DOUBLE"]);
        assert_eq!(
            texts(&MANY),
            [
                "DOUBLE BIGINT",
                "VARCHAR BIGINT",
                "DOUBLE BIGINT ANY",
                "VARCHAR BIGINT ANY",
                "DOUBLE BIGINT ANY BIGINT",
                "VARCHAR BIGINT ANY BIGINT",
                "DOUBLE BIGINT ANY BIGINT ANY",
                "VARCHAR BIGINT ANY BIGINT ANY",
            ]
        );
    }

    #[test]
    fn options_are_the_last_argument_where_it_is_a_struct_or_stands_where_they_would() {
        // How many arguments, whether the last one is a struct, and where the options are; a type that must not be
        // looked at is an error.
        let table = [
            (0, None, None),
            (1, None, None),
            (2, None, None),
            (3, Some(false), None),
            (3, Some(true), Some(2)),
            (4, Some(false), None),
            (4, Some(true), Some(3)),
            (5, None, Some(4)),
        ];
        for (arguments, is_struct, want) in table {
            let look = |_| is_struct.ok_or_else(|| Error::Bug("looked at".into()));
            assert_eq!(MANY.options_index(arguments, look).unwrap(), want, "{arguments} {is_struct:?}");
        }
        assert_eq!(NONE.options_index(1, |_| Ok(true)).unwrap(), None);
    }

    #[test]
    fn a_signature_shows_what_may_be_left_out_and_no_keys() {
        assert_eq!(MANY.signature(), "f(a, b, [c], [d], [options])");
        assert_eq!(MANY.option_names(), ["e"]);
    }

    #[test]
    fn a_schema_is_the_documentation_with_what_a_call_chooses() {
        let choose = |name: &str, ty: SqlType| match name {
            "data" => Some(SqlType::Float.list()),
            "error" => None,
            _ => Some(ty),
        };
        let schema = NONE.schema_with(choose).unwrap();
        assert_eq!(schema, [("data".to_string(), SqlType::Float.list())]);
        assert_eq!(NONE.schema().unwrap().len(), 2);
        assert_eq!((NONE.column("error"), NONE.column("none")), (Some(1), None));
    }

    #[test]
    fn lists_of_parameters_are_joined_in_order() {
        const BOTH: [Parameter; 3] = join(&[
            &[option("a", "DOUBLE", "1", "")],
            &[named("b", "DATE", "2", ""), named("c", "DATE", "3", "")],
        ]);
        assert_eq!(BOTH.map(|p| p.name), ["a", "b", "c"]);
        assert_eq!(BOTH[0].named().given, Given::Named("1"));
    }
}
