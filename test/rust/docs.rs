//! docs/reference.md and the example tests are what the functions say of themselves. `make docs` writes
//! them; this test fails when they are stale.

// A test may stop at what it did not expect.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use geoquilt::bridge::doc::{Example, FunctionDoc, Given, Kind};
use geoquilt::sql::{GROUPS, functions};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// `read_patch` is a scalar and a table function, and each has its own test.
fn file_name(doc: &FunctionDoc) -> String {
    let twin = functions().any(|f| f.doc.name == doc.name && f.doc.kind != doc.kind);
    if twin && doc.kind == Kind::Table {
        format!("{}_table.test", doc.name)
    } else {
        format!("{}.test", doc.name)
    }
}

/// A statement that prints no rows.
fn writes(doc: &FunctionDoc, example: &Example) -> bool {
    doc.kind == Kind::Copy && example.sql.starts_with("COPY ")
}

fn example_test(doc: &FunctionDoc) -> String {
    let mut out = format!("# Written by `make docs` from the documentation of {}. Do not edit.\n", doc.name);
    for example in doc.examples {
        let sql = example.sql.trim_end_matches(';');
        if writes(doc, example) {
            let _ = write!(out, "\n# {}\nstatement ok\n{sql}\n", example.title);
            continue;
        }
        let columns = example.rows.first().map_or(1, |row| row.split('\t').count());
        let types = "T".repeat(columns);
        let _ = write!(out, "\n# {}\nquery {types}\n{}\n----\n", example.title, sql);
        for row in example.rows {
            let _ = writeln!(out, "{row}");
        }
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn section(doc: &FunctionDoc) -> String {
    let mut out = format!("## {}\n\n{}\n\n```sql\n{}\n```\n", title(doc), doc.summary, doc.signature());
    if !doc.parameters.is_empty() {
        out += "\n| parameter | type | default | meaning |\n| --- | --- | --- | --- |\n";
        for p in doc.parameters {
            let (name, default) = match p.given {
                Given::Required | Given::AsItIs => (p.name.to_string(), String::new()),
                Given::Optional => (format!("[{}]", p.name), String::new()),
                Given::Named(default) => (format!("{} :=", p.name), format!("`{default}`")),
                Given::Option(default) if doc.kind == Kind::Copy => {
                    (p.name.to_string(), format!("`{default}`"))
                }
                Given::Option(default) => (format!("{{{}: }}", p.name), format!("`{default}`")),
            };
            let _ = writeln!(out, "| `{name}` | `{}` | {default} | {} |", cell(p.types), cell(p.meaning));
        }
    }
    let result = match doc.kind {
        Kind::Table | Kind::Macro => "column",
        Kind::Scalar | Kind::ScalarMacro | Kind::Aggregate | Kind::Copy => "result",
    };
    let _ = write!(out, "\n| {result} | type | meaning |\n| --- | --- | --- |\n");
    for c in doc.columns {
        let _ = writeln!(out, "| `{}` | `{}` | {} |", c.name, cell(c.types), cell(c.meaning));
    }
    let _ = write!(out, "\n**NULL.** {}\n", doc.nulls);
    if !doc.errors.is_empty() {
        out += "\n**Errors.**\n";
        doc.errors.iter().for_each(|e| {
            let _ = writeln!(out, "- {e}");
        });
    }
    for example in doc.examples {
        let _ = write!(out, "\n{}:\n\n```sql\n{}\n```\n", example.title, example.sql);
        if !writes(doc, example) {
            let _ = write!(out, "```\n{}\n```\n", example.rows.join("\n"));
        }
    }
    if !doc.references.is_empty() {
        let _ = write!(out, "\nSources: {}.\n", doc.references.join("; "));
    }
    out
}

fn title(doc: &FunctionDoc) -> String {
    format!("{} ({})", doc.name, doc.kind.name())
}

fn reference() -> String {
    let mut out = String::from(
        "# Reference\n\nWritten by `make docs` from the constants that register each function; \
         `FROM geoquilt_functions()` gives the same inside DuckDB.\n",
    );
    let anchor = |title: &str| title.to_lowercase().replace(' ', "-").replace(['(', ')', '.'], "");
    for group in GROUPS {
        let _ = write!(
            out,
            "\n**[{}](#{})**\n\n| function | what it does |\n| --- | --- |\n",
            group.title,
            anchor(group.title)
        );
        for function in group.functions {
            let title = title(function.doc);
            let _ = writeln!(out, "| [{title}](#{}) | {} |", anchor(&title), function.doc.summary);
        }
    }
    for group in GROUPS {
        let _ = write!(out, "\n# {}\n", group.title);
        for function in group.functions {
            out += "\n";
            out += &section(function.doc);
        }
    }
    out
}

fn fresh(path: &str, text: &str) {
    let path = root().join(path);
    if std::env::var_os("GEOQUILT_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{} is stale: run `make docs`", path.display());
}

#[test]
fn the_reference_is_what_the_functions_say() {
    fresh("docs/reference.md", &reference());
}

#[test]
fn every_function_has_its_example_test_and_no_other_is_left() {
    let mut names = Vec::new();
    for function in functions() {
        let name = file_name(function.doc);
        fresh(&format!("test/sql/examples/{name}"), &example_test(function.doc));
        names.push(name);
    }
    for entry in std::fs::read_dir(root().join("test/sql/examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "test/sql/examples/{name} belongs to no function");
    }
}

#[test]
fn every_function_says_all_that_a_user_needs() {
    for function in functions() {
        let doc = function.doc;
        assert!(!doc.summary.is_empty() && doc.summary.len() <= 80, "{}: summary", doc.name);
        assert!(doc.summary.ends_with('.'), "{}: the summary is a sentence", doc.name);
        assert!(!doc.columns.is_empty() && !doc.nulls.is_empty() && !doc.examples.is_empty(), "{}", doc.name);
        assert!(
            doc.parameters.iter().all(|p| !p.meaning.is_empty() && p.alternatives().is_ok()),
            "{}",
            doc.name
        );
        let answers = doc.examples.iter().all(|e| e.rows.is_empty() == writes(doc, e));
        assert!(answers, "{}: an example without rows", doc.name);
        if doc.kind != Kind::Table {
            assert!(doc.overloads().is_ok(), "{}", doc.name);
        }
    }
}
