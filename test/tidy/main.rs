//! The invariants of docs/architecture.md, checked on the text of src/. Run from the repository's root.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use source::Source;

/// Pure values at the top of src/, which import none but each other.
const WORDS: &[&str] = &[
    "affine",
    "bbox",
    "crs",
    "dtype",
    "error",
    "interval",
    "kept",
    "limits",
    "memory",
    "on_error",
    "resampling",
    "slice",
    "sql_type",
    "value",
    "window",
];
/// Lent to every room.
const LENT: &[&str] = &["progress", "random", "workers"];
/// What tests of every room stand on; no other code sees it.
const TESTS: &[&str] = &["testing"];
/// The rooms in the order in which data walks.
const WALK: &[&str] = &[
    "files",
    "projection",
    "map",
    "format",
    "cf",
    "read",
    "catalog",
    "grid",
    "time",
    "query",
    "label",
    "zonal",
    "bands",
    "profile",
    "stitch",
    "write",
    "bridge",
    "sql",
    "tensor",
];
/// Files under `#![allow(unsafe_code)]`: each calls a C interface that no crate wraps.
const UNSAFE: &[&str] = &[
    "bridge/aggregate.rs",
    "bridge/call.rs",
    "bridge/chunk.rs",
    "bridge/connection.rs",
    "bridge/copy.rs",
    "bridge/file_system.rs",
    "bridge/flat.rs",
    "bridge/guarded.rs",
    "bridge/interrupt.rs",
    "bridge/load.rs",
    "bridge/logical_type.rs",
    "bridge/pieces.rs",
    "bridge/python.rs",
    "bridge/replacement.rs",
    "bridge/scalar.rs",
    "bridge/settings.rs",
    "bridge/signpost.rs",
    "bridge/table.rs",
    "bridge/text.rs",
    "bridge/value.rs",
    "bridge/vector.rs",
    "format/gdal/burn.rs",
    "format/gdal/calls.rs",
    "format/gdal/create.rs",
    "format/gdal/dataset.rs",
    "format/gdal/deflate.rs",
    "format/gdal/features.rs",
    "format/gdal/hdf5.rs",
    "format/gdal/sqlite.rs",
    "format/gdal/libtiff.rs",
    "format/gdal/mdim.rs",
    "format/gdal/netcdf.rs",
    "format/gdal/tags.rs",
    "format/gdal/vsi.rs",
    "format/gdal/warp.rs",
    "format/tiff/lerc.rs",
    "lib.rs",
    "projection/cf_crs.rs",
    "projection/input.rs",
    "projection/transform.rs",
    "tensor/c_data.rs",
    "tensor/interface.rs",
    "testing/memory.rs",
];
/// Which rooms may name a library.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("duckdb::", &["bridge/", "lib.rs"]),
    ("gdal::", &["format/gdal", "projection"]),
    ("gdal_sys", &["format/gdal", "projection"]),
    ("parquet::", &["format/parquet.rs"]),
    ("saphyr_parser::", &["format/yaml.rs"]),
    ("zarrs::", &["format/zarr"]),
    ("File::open", &["files.rs", "files/", "format/", "write/"]),
    ("std::fs", &["files.rs", "files/", "format/", "write/"]),
];

/// Words of SQL, which a message of the engine does not know: src/sql/shared/remedies.rs adds them.
const SQL: &[&str] = &[
    "FROM read_",
    "FROM geo",
    "SET geoquilt_",
    " := ",
    "{boundless: ",
    "{bands: ",
    "{isel: ",
    "{slice: ",
    "{stats: ",
];

/// Names that say a role where a thing has a name of its own: an index, an offset, a position, a point.
const VAGUE: &[&str] = &["place", "places", "bag", "stuff"];
/// What reads as translated, in comments and in texts.
const STILTED: &[&str] = &["can not ", "is no raster", "is no file", "begin of "];

fn main() {
    let root = Path::new("src");
    if !root.is_dir() {
        eprintln!("tidy: run it from the repository's root");
        std::process::exit(2);
    }
    let sources = source::all(root);
    let mut amiss = Vec::new();
    for check in [rooms, circles, libraries, unsafe_files, engine_texts, words, shape_of_files, folders] {
        amiss.extend(check(&sources));
    }
    for line in &amiss {
        println!("tidy: {line}");
    }
    println!("tidy: {} files, {} amiss", sources.len(), amiss.len());
    std::process::exit(i32::from(!amiss.is_empty()));
}

/// The room that a path of the crate leads to.
fn room_of(path: &str) -> &str {
    path.split("::").nth(1).unwrap_or_default()
}

/// Words import words, and nothing in the walk imports a later room.
fn rooms(sources: &[Source]) -> Vec<String> {
    let mut amiss = Vec::new();
    for source in sources {
        let room = source.room();
        let rooms = [WORDS, LENT, TESTS, WALK];
        let known = rooms.iter().any(|rooms| rooms.contains(&room)) || room == "lib";
        if !known {
            amiss.push(format!("{}: no room of docs/architecture.md", source.name));
        }
        for path in source.paths() {
            let to = room_of(&path);
            let order = WALK.iter().position(|r| *r == to);
            let wrong = match WALK.iter().position(|r| *r == room) {
                Some(own) => order.is_some_and(|there| there > own),
                None if WORDS.contains(&room) => order.is_some() || LENT.contains(&to),
                None if LENT.contains(&room) => order.is_some(),
                None => false,
            };
            if wrong {
                amiss.push(format!("{} imports {path}, a later room", source.name));
            }
        }
    }
    amiss
}

/// No two files import each other, by whatever way round.
fn circles(sources: &[Source]) -> Vec<String> {
    let modules: BTreeSet<&str> = sources.iter().map(|s| s.module.as_str()).collect();
    // A path leads to the longest of its beginnings that is a file.
    let file_of = |path: &str| {
        let mut path = path;
        loop {
            if let Some(module) = modules.get(path) {
                return Some(*module);
            }
            path = path.rsplit_once("::")?.0;
        }
    };
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in sources {
        let own = source.module.as_str();
        let to: BTreeSet<&str> = source
            .paths()
            .iter()
            .filter_map(|path| file_of(path))
            .filter(|to| *to != own && *to != "crate")
            .collect();
        edges.insert(own, to);
    }
    // What is reached from each file; a circle is what reaches itself.
    let reach = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut rest: Vec<&str> = edges.get(from).into_iter().flatten().copied().collect();
        while let Some(next) = rest.pop() {
            if seen.insert(next) {
                rest.extend(edges.get(next).into_iter().flatten());
            }
        }
        seen
    };
    let mut told = BTreeSet::new();
    let mut amiss = Vec::new();
    for from in edges.keys() {
        let reached = reach(from);
        if !reached.contains(from) || told.contains(from) {
            continue;
        }
        let circle: Vec<&str> = reached.iter().filter(|to| reach(to).contains(from)).copied().collect();
        told.extend(circle.iter().copied());
        // A file and those of its own folder are one thing in several parts.
        let whole = circle.iter().min_by_key(|name| name.len()).copied().unwrap_or_default();
        if circle.iter().all(|name| *name == whole || name.starts_with(&format!("{whole}::"))) {
            continue;
        }
        amiss.push(format!("an import circle: {}", circle.join(", ")));
    }
    amiss
}

fn libraries(sources: &[Source]) -> Vec<String> {
    let mut amiss = Vec::new();
    for source in sources {
        for (word, allowed) in LIBRARIES.iter().filter(|_| !TESTS.contains(&source.room())) {
            let inside = allowed.iter().any(|room| source.name.starts_with(room));
            let named = source.code.match_indices(word).any(|(at, _)| {
                !source.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            });
            // `gdal::` is a room of ours too, where it was imported.
            let own = format!("crate::format::{}", word.trim_end_matches(':'));
            let ours = source.paths().contains(&own);
            if named && !inside && !ours {
                amiss.push(format!("{} names {word}, which belongs to {}", source.name, allowed.join(", ")));
            }
        }
    }
    amiss
}

/// `unsafe` stands in the files of the list alone, and each of them says so to the compiler.
fn unsafe_files(sources: &[Source]) -> Vec<String> {
    let mut amiss = Vec::new();
    for source in sources {
        let listed = UNSAFE.contains(&source.name.as_str());
        let allows = source.code.contains("allow(unsafe_code)");
        if allows && !listed {
            amiss.push(format!("{} allows unsafe code, and is not in the list of test/tidy", source.name));
        }
        if listed && !source.code.contains("unsafe ") {
            amiss.push(format!("{} is in the list of unsafe files for nothing", source.name));
        }
    }
    amiss
}

/// The engine is a library: what it says names no SQL.
fn engine_texts(sources: &[Source]) -> Vec<String> {
    let mut amiss = Vec::new();
    for source in sources.iter().filter(|source| !["bridge", "sql", "tensor"].contains(&source.room())) {
        for text in source.texts() {
            // A brace is written twice in a format.
            let text = text.replace("{{", "{");
            for word in SQL.iter().filter(|word| text.contains(**word)) {
                amiss.push(format!("{} says \"{word}\", which is SQL: \"{text}\"", source.name));
            }
        }
    }
    amiss
}

/// One idea has one word, and a word has one idea.
fn words(sources: &[Source]) -> Vec<String> {
    let mut amiss = Vec::new();
    for source in sources {
        let names = source.code.split(|c: char| !c.is_alphanumeric() && c != '_');
        let mut vague: Vec<&str> = names.filter(|name| VAGUE.contains(name)).collect();
        vague.dedup();
        amiss.extend(vague.iter().map(|name| format!("{} names something \"{name}\"", source.name)));
        for phrase in STILTED.iter().filter(|phrase| source.text.contains(**phrase)) {
            amiss.push(format!("{} says \"{phrase}\"", source.name));
        }
    }
    amiss
}

fn shape_of_files(sources: &[Source]) -> Vec<String> {
    let mut amiss = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > 800 {
            amiss.push(format!("{} has {lines} lines: it is two rooms", source.name));
        }
        for mark in ["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"] {
            if source.text.contains(mark) {
                amiss.push(format!("{} holds {mark}", source.name));
            }
        }
        if !source.text.starts_with("//!") {
            amiss.push(format!("{} does not say what it is", source.name));
        }
    }
    amiss
}

/// A group of functions holds at most fifteen files.
fn folders(sources: &[Source]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for source in sources {
        if let Some((folder, _)) =
            source.name.rsplit_once('/').filter(|(folder, _)| folder.starts_with("sql/"))
        {
            *counts.entry(folder).or_default() += 1;
        }
    }
    let crowded = counts.into_iter().filter(|(_, n)| *n > 15);
    crowded.map(|(folder, n)| format!("src/{folder}/ holds {n} files: it is two groups")).collect()
}
