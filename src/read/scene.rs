//! A scene: one image of some bands, in one file or in several, as products are delivered that keep each band in a file.

use std::sync::Arc;

use crate::error::{Error, Member, Result};
use crate::read::patch::{BandName, PatchOptions, band_numbers};
use crate::read::source::Source;

/// A file of a scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneFile {
    /// What its one band is called here, whatever the file says.
    pub name: Option<String>,
    /// The file.
    pub path: String,
}

/// One image: a file, or several whose bands stand one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene(Vec<SceneFile>);

/// A band of a scene: which of its files, and which band of that (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SceneBand {
    /// From 0.
    pub file: usize,
    /// From 1.
    pub band: usize,
}

impl Scene {
    /// A scene in one file.
    pub fn of_file(path: String) -> Scene {
        Scene(vec![SceneFile { name: None, path }])
    }

    /// A scene in these files; `None` where there is none.
    pub fn of_files(files: Vec<SceneFile>) -> Option<Scene> {
        (!files.is_empty()).then_some(Scene(files))
    }

    /// Its first file, which it is called by.
    pub fn path(&self) -> &str {
        self.0.first().map_or("", |file| &file.path)
    }

    /// Its files.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|file| file.path.as_str())
    }

    /// Opens its files.
    ///
    /// # Errors
    /// A file that is absent, not a raster, or damaged.
    pub fn open(&self) -> Result<OpenScene> {
        let open = |file: &SceneFile| Ok((file.name.clone(), Source::open(&file.path)?));
        Ok(OpenScene { path: self.path().into(), files: self.0.iter().map(open).collect::<Result<_>>()? })
    }
}

/// A scene whose files are open.
pub struct OpenScene {
    path: String,
    /// With the name that each has here.
    files: Vec<(Option<String>, Arc<Source>)>,
}

impl OpenScene {
    /// The file that it is called by.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A file by its index.
    pub fn source(&self, file: usize) -> Option<&Arc<Source>> {
        self.files.get(file).map(|(_, source)| source)
    }

    /// How many files it is in.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// How many bands it has.
    pub fn band_count(&self) -> usize {
        self.files.iter().map(|(_, source)| source.header().bands.len()).sum()
    }

    /// The bands that are asked for; all unless any are. They are numbered through all files.
    ///
    /// # Errors
    /// A band that there is not (those there are are listed), or a name that several have.
    pub fn bands(&self, options: &PatchOptions) -> Result<Vec<SceneBand>> {
        if let [(None, source)] = self.files.as_slice() {
            let numbers = band_numbers(source, options)?;
            return Ok(numbers.into_iter().map(|band| SceneBand { file: 0, band }).collect());
        }
        let mut found = Vec::new();
        let mut names = Vec::new();
        for (file, (name, source)) in self.files.iter().enumerate() {
            let bands = &source.header().bands;
            for (index, band) in bands.iter().enumerate() {
                found.push(SceneBand { file, band: index + 1 });
                let own = name.as_ref().filter(|_| bands.len() == 1);
                names.push(own.or(band.name.as_ref()));
            }
        }
        let found = match &options.bands {
            None => found,
            Some(wanted) => wanted
                .iter()
                .map(|wanted| {
                    self.number(wanted, &names).and_then(|i| found.get(i).copied().ok_or_else(no_band))
                })
                .collect::<Result<_>>()?,
        };
        // What is said of a file's own bands is said here too.
        for (file, (_, source)) in self.files.iter().enumerate() {
            let of_file = found.iter().filter(|band| band.file == file);
            let numbers = of_file.map(|band| BandName::Number(band.band as i64)).collect::<Vec<_>>();
            if !numbers.is_empty() {
                band_numbers(source, &PatchOptions { bands: Some(numbers), ..options.clone() })?;
            }
        }
        Ok(found)
    }

    /// The index of a band among all.
    fn number(&self, wanted: &BandName, names: &[Option<&String>]) -> Result<usize> {
        let same: Vec<usize> = match wanted {
            BandName::Number(number) => {
                let index = usize::try_from(*number).ok().and_then(|number| number.checked_sub(1));
                index.filter(|index| *index < names.len()).into_iter().collect()
            }
            BandName::Name(name) => (0..names.len()).filter(|i| names.get(*i) == Some(&Some(name))).collect(),
        };
        match same.as_slice() {
            [one] => Ok(*one),
            [] => {
                let shown = match wanted {
                    BandName::Number(number) => number.to_string(),
                    BandName::Name(name) => format!("\"{name}\""),
                };
                let show = |(i, name): (usize, &Option<&String>)| match name {
                    Some(name) => format!("{} \"{name}\"", i + 1),
                    None => (i + 1).to_string(),
                };
                let there = names.iter().enumerate().take(20).map(show).collect();
                Err(Error::not_found(Member::Band, shown, self.path(), there))
            }
            [first, ..] => {
                let problem =
                    format!("the scene of \"{}\" has {} bands named {wanted:?}", self.path(), same.len());
                Err(Error::conflict(
                    problem,
                    format!("Name the band that is meant by its number: {}", first + 1),
                ))
            }
        }
    }
}

fn no_band() -> Error {
    Error::Bug("no such band of a scene".into())
}
