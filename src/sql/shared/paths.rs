//! Paths in the rows of a column, and scenes, which are one file or several.

use crate::error::{Error, Result};
use crate::files;
use crate::read::scene::{Scene, SceneFile};
use crate::value::Value;

/// What scenes may be.
pub const SCENES: &str = "Rasters in any CRS, globs, or a list of those. A scene whose bands lie in files of their own is a STRUCT of those, `{red: 'B04.tif', nir: 'B08.tif', scl: 'SCL.tif'}`, whose names are then its bands', or a list within the list, `[['B04.tif', 'B08.tif']]`; its bands are numbered through its files.";

/// The scenes that a value names; the matches of a glob are a scene each.
///
/// # Errors
/// A NULL among them, no path at all, a value of another form, or a glob that matches nothing.
pub fn scenes(value: &Value) -> Result<Vec<Scene>> {
    let of_text = |paths: &[String]| -> Result<Vec<Scene>> {
        Ok(files::expand(paths)?.into_iter().map(Scene::of_file).collect())
    };
    match value {
        Value::Text(path) => of_text(std::slice::from_ref(path)),
        Value::Struct(_) => Ok(vec![scene(value)?]),
        Value::List(items) => {
            if items.is_empty() {
                return Err(Error::invalid("[]", "at least one path"));
            }
            if items.contains(&Value::Null) {
                return Err(Error::invalid("a NULL among the paths", "paths alone: filter with IS NOT NULL"));
            }
            let texts = items.iter().map(text).collect::<Option<Vec<String>>>();
            match texts {
                Some(paths) => of_text(&paths),
                None => items.iter().map(scene).collect(),
            }
        }
        other => Err(Error::invalid(other, "a path, a list of paths, or a STRUCT of them")),
    }
}

/// How many scenes are named, globs not looked at.
pub fn count(value: &Value) -> usize {
    match value {
        Value::List(items) => items.len(),
        _ => 1,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// One scene of several files.
fn scene(value: &Value) -> Result<Scene> {
    let file = |name: Option<&String>, value: &Value| {
        let must = "the path of each file of a scene";
        let path = text(value).ok_or_else(|| Error::invalid(value, must))?;
        let found = files::expand(std::slice::from_ref(&path))?;
        match found.as_slice() {
            [one] => Ok(SceneFile { name: name.cloned(), path: one.clone() }),
            many => {
                let problem = format!("\"{path}\" matches {} files, and is one of a scene", many.len());
                Err(Error::conflict(problem, "Give each file of a scene by its own path"))
            }
        }
    };
    let files: Vec<SceneFile> = match value {
        Value::Struct(fields) => {
            fields.iter().map(|(name, value)| file(Some(name), value)).collect::<Result<_>>()?
        }
        Value::List(items) => items.iter().map(|item| file(None, item)).collect::<Result<_>>()?,
        other => {
            return Err(Error::invalid(other, "a scene: a list or a STRUCT of paths, in a list of such"));
        }
    };
    Scene::of_files(files).ok_or_else(|| Error::invalid("[]", "at least one path"))
}
