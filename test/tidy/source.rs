//! A source file as its imports and its bare code: comments, texts and tests left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub struct Source {
    /// Below `src/`: `read/patch.rs`.
    pub name: String,
    /// `crate::read::patch`
    pub module: String,
    pub text: String,
    /// Without comments, texts and tests: a text is its number.
    pub code: String,
    /// The texts of `code`, by their numbers.
    texts: Vec<String>,
}

impl Source {
    pub fn new(name: &str, text: String) -> Source {
        let module = match name {
            "lib.rs" => "crate".to_string(),
            name => format!("crate::{}", name.trim_end_matches(".rs").replace('/', "::")),
        };
        let (code, texts) = bare(&text);
        Source { name: name.to_string(), module, text, code: without_tests(&code), texts }
    }

    /// The first part of its name: `read`.
    pub fn room(&self) -> &str {
        self.name.split(['/', '.']).next().unwrap_or_default()
    }

    /// Every path of this crate that the code names, in `use` or on the way, from `crate` on.
    pub fn paths(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let code = self.own_modules_in_full();
        let mut rest = code.as_str();
        while let Some((start, head)) = next_path(rest) {
            let tail = &rest[start..];
            for path in tree(tail) {
                found.insert(self.absolute(&path));
            }
            rest = &tail[tail.find(|c: char| !is_word(c)).unwrap_or(tail.len()).max(head.len())..];
        }
        found
    }

    /// The code, with `self::` before each path that begins with a module that this file declares.
    fn own_modules_in_full(&self) -> String {
        let declared = |line: &str| {
            let name = line.trim().strip_suffix(';')?.rsplit_once("mod ")?.1;
            name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| format!("{name}::"))
        };
        let mut code = self.code.clone();
        for head in self.code.lines().filter_map(declared) {
            let mut full = String::with_capacity(code.len());
            let mut rest = code.as_str();
            while let Some(at) = rest.find(&head) {
                let begins = !rest[..at].ends_with(is_word) && !(at == 0 && full.ends_with(is_word));
                full.push_str(&rest[..at]);
                full.push_str(if begins { "self::" } else { "" });
                full.push_str(&head);
                rest = &rest[at + head.len()..];
            }
            full.push_str(rest);
            code = full;
        }
        code
    }

    /// Every text of the code, with what stands for quotes in it as it is written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let numbers = self.code.split('"').skip(1).step_by(2);
        numbers.filter_map(|number| self.texts.get(number.parse::<usize>().ok()?)).map(String::as_str)
    }

    /// `super::a` and `self::a` as seen from the crate's root.
    fn absolute(&self, path: &str) -> String {
        let mut module = self.module.as_str();
        let mut rest = path;
        if let Some(own) = rest.strip_prefix("self::") {
            rest = own;
        } else if let Some(root) = rest.strip_prefix("crate::") {
            return format!("crate::{root}");
        }
        while let Some(above) = rest.strip_prefix("super::") {
            module = module.rsplit_once("::").map_or("crate", |(above, _)| above);
            rest = above;
        }
        format!("{module}::{rest}")
    }
}

/// Where the next path that begins with `crate::`, `super::` or `self::` stands, and that word.
fn next_path(code: &str) -> Option<(usize, &'static str)> {
    let starts = ["crate::", "super::", "self::"];
    let at = |head: &'static str| {
        code.match_indices(head)
            .map(|(at, _)| at)
            .find(|at| !code[..*at].ends_with(is_word))
            .map(|at| (at, head))
    };
    starts.into_iter().filter_map(at).min()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':' || c == '$'
}

/// The paths of a tree such as `crate::a::{self, b::{c, d}, e as f}`, or of one plain path.
fn tree(text: &str) -> Vec<String> {
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let head = &text[..end];
    if !head.ends_with("::") || !text[end..].starts_with('{') {
        return vec![head.trim_end_matches("::").to_string()];
    }
    let mut depth = 0;
    let mut items = vec![String::new()];
    for c in text[end..].chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match (c, depth) {
            ('}', 0) => break,
            ('{', 1) => {}
            (',', 1) => items.push(String::new()),
            (c, _) => items.last_mut().expect("an item").push(c),
        }
    }
    let whole = |item: &String| -> Vec<String> {
        let item = item.trim();
        if item.is_empty() {
            return Vec::new();
        }
        tree(item)
            .into_iter()
            .map(|rest| format!("{head}{rest}").trim_end_matches("::self").to_string())
            .collect()
    };
    items.iter().flat_map(whole).collect()
}

/// The text with comments blanked and a number in place of each text; lines stay. The texts, by number.
fn bare(text: &str) -> (String, Vec<String>) {
    let mut texts = Vec::new();
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    let at = |i: usize| bytes.get(i).copied().unwrap_or('\0');
    while i < bytes.len() {
        match bytes[i] {
            '/' if at(i + 1) == '/' => {
                while i < bytes.len() && bytes[i] != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                i += 2;
                while i < bytes.len() && !(bytes[i] == '*' && at(i + 1) == '/') {
                    if bytes[i] == '\n' {
                        out.push('\n');
                    }
                    i += 1;
                }
                i += 2;
            }
            'r' if !out.ends_with(is_word)
                && (at(i + 1) == '"' || at(i + 1) == '#' && (at(i + 2) == '"' || at(i + 2) == '#')) =>
            {
                let hashes = (i + 1..).take_while(|j| at(*j) == '#').count();
                i += 2 + hashes;
                let start = i;
                let close: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                while i < bytes.len() && !bytes[i..].iter().take(close.len()).collect::<String>().eq(&close) {
                    if bytes[i] == '\n' {
                        out.push('\n');
                    }
                    i += 1;
                }
                out.push_str(&format!("\"{}\"", texts.len()));
                texts.push(bytes[start..i.min(bytes.len())].iter().collect());
                i += close.len();
            }
            '"' => {
                i += 1;
                let start = i;
                while i < bytes.len() && bytes[i] != '"' {
                    if bytes[i] == '\n' {
                        out.push('\n');
                    }
                    i += if bytes[i] == '\\' { 2 } else { 1 };
                }
                out.push_str(&format!("\"{}\"", texts.len()));
                texts.push(bytes[start..i.min(bytes.len())].iter().collect());
                i += 1;
            }
            // A character, and no lifetime.
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                while i < bytes.len() && bytes[i] != '\'' {
                    i += 1;
                }
                i += 1;
                out.push_str("' '");
            }
            c => {
                out.push(c);
                i += 1;
            }
        }
    }
    (out, texts)
}

/// The code without modules and items under `#[cfg(test)]`, wherever they stand.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let open = item.find('{');
        let semicolon = item.find(';');
        let end = match (open, semicolon) {
            (Some(open), None) => closing(item, open),
            (Some(open), Some(semicolon)) if open < semicolon => closing(item, open),
            (_, Some(semicolon)) => semicolon + 1,
            (None, None) => item.len(),
        };
        rest = &item[end..];
    }
    out + rest
}

/// Behind the brace that closes the one at `open`.
fn closing(text: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, c) in text[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    text.len()
}

/// Every source file below a folder, by name.
pub fn all(root: &Path) -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => walk(&path, found),
                false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
                false => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(root, &mut found);
    found.sort();
    let name =
        |path: &PathBuf| path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
    found.iter().map(|path| Source::new(&name(path), std::fs::read_to_string(path).expect("text"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(module: &str, text: &str) -> Vec<String> {
        Source::new(module, text.to_string()).paths().into_iter().collect()
    }

    #[test]
    fn every_form_of_use_is_seen() {
        let text = "use crate::{a::{self, b as c}, d};\nuse super::e;\nfn f() { super::super::g::h(); crate::i::J::new() }\n";
        let want = ["crate::a", "crate::a::b", "crate::d", "crate::g::h", "crate::i::J::new", "crate::x::e"];
        assert_eq!(paths("x/y.rs", text), want);
    }

    #[test]
    fn modules_of_its_own_are_seen_by_their_bare_names() {
        let text = "mod about;\npub mod cause;\npub use about::{Load, Part};\nfn f() { cause::of(); other::cause::of() }\n";
        let want = ["crate::error::about::Load", "crate::error::about::Part", "crate::error::cause::of"];
        assert_eq!(paths("error.rs", text), want);
    }

    #[test]
    fn comments_texts_and_tests_are_no_code() {
        let text = "// crate::a\n/* crate::b */ const T: &str = \"crate::c \\\" crate::d\"; const R: &str = r#\"crate::e\"#;\n\
                    const C: char = '\"'; fn f<'a>() { crate::k() }\n#[cfg(test)]\nmod tests { use crate::l; }\nfn g() { crate::m::n() }\n";
        assert_eq!(paths("x.rs", text), ["crate::k", "crate::m::n"]);
        let source = Source::new("x.rs", text.to_string());
        assert_eq!(source.texts().collect::<Vec<_>>(), ["crate::c \\\" crate::d", "crate::e"]);
    }
}
