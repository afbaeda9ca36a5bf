//! The invariants of docs/architecture.md, checked on the source.

// A test may stop at what it did not expect.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

fn source_files() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    let name = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
    found.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// The code of a file without its tests and comments.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]").next().unwrap_or(text);
    body.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn only_in(word: &str, allowed: &[&str]) {
    for (name, text) in source_files() {
        let inside = allowed.iter().any(|place| name.starts_with(place));
        assert!(inside || !code(&text).contains(word), "{name} names {word}, which belongs to {allowed:?}");
    }
}

#[test]
fn only_sql_and_the_entry_point_know_duckdb() {
    only_in("duckdb::", &["sql/", "sql.rs", "lib.rs"]);
}

#[test]
fn one_file_names_each_library() {
    only_in("use gdal::", &["format/gdal"]);
    only_in("gdal_sys", &["format/gdal"]);
    only_in("parquet::arrow", &["format/parquet.rs"]);
    only_in("zarrs", &["format/zarr"]);
}

#[test]
fn unsafe_stands_only_where_c_is_called() {
    only_in(
        "unsafe ",
        &[
            "format/gdal/burn.rs",
            "format/gdal/cf_crs.rs",
            "format/gdal/mdim.rs",
            "format/gdal/transform.rs",
            "sql/chunk.rs",
            "sql/value.rs",
            "sql/callback.rs",
            "sql/settings.rs",
            "sql/geometry_type.rs",
            "sql/load.rs",
            "sql/file_system.rs",
            "format/gdal/vsi.rs",
            "format/gdal/warp.rs",
            "sql/replacement.rs",
            "sql.rs",
            "lib.rs",
        ],
    );
}

#[test]
fn files_are_opened_in_the_rooms_of_files_alone() {
    for word in ["File::open", "std::fs::"] {
        only_in(word, &["files.rs", "files/", "format/"]);
    }
}

#[test]
fn nothing_in_the_walk_imports_a_later_room() {
    let walk = ["files", "format", "cf", "read", "catalog", "grid", "label", "zonal", "sql"];
    for (name, text) in source_files() {
        let room = name.split(['/', '.']).next().unwrap_or_default();
        let Some(place) = walk.iter().position(|r| *r == room) else { continue };
        for later in &walk[place + 1..] {
            assert!(!code(&text).contains(&format!("crate::{later}::")), "{name} imports {later}");
        }
    }
}

#[test]
fn a_room_has_at_most_800_lines_and_no_line_is_left_to_do() {
    for (name, text) in source_files() {
        assert!(text.lines().count() <= 800, "{name} has {} lines", text.lines().count());
        for mark in ["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"] {
            assert!(!text.contains(mark), "{name} holds {mark}");
        }
        assert!(name == "sql.rs" || text.starts_with("//!"), "{name} does not say what it is");
    }
}
