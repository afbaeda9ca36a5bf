//! A raster whose pixels count up, so that each tells where it stands.

use crate::testing::{Folder, RasterSpec};
use crate::window::Window;

/// One band of uint16 on disk, in strips of 16 rows.
pub struct Counted {
    spec: RasterSpec,
    folder: Folder,
    path: String,
}

impl Counted {
    /// # Panics
    /// More pixels than uint16 counts: a fault of the test.
    pub fn new(height: usize, width: usize) -> Counted {
        assert!(height * width < 1 << 16);
        let line = format!("{height}x{width} uint16 EPSG:32632 10 strip=16 nodata=11 | count");
        let folder = Folder::new();
        let path = folder.raster("counted.tif", &line);
        Counted { spec: RasterSpec::parse(&line), folder, path }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Cuts bytes off the end of the file: its last pixels can be read no more.
    pub fn cut(&self, bytes: usize) {
        let tiff = self.spec.tiff();
        self.folder.write("counted.tif", &tiff[..tiff.len() - bytes]);
    }

    /// The pixels of a window; `None` where it has none.
    pub fn pixels(&self, window: &Window) -> Vec<Option<u16>> {
        let pixel =
            |row, col| self.spec.pixel(0, row, col).map(|pixel| pixel as u16).filter(|pixel| *pixel != 11);
        let rows = window.row_off..window.row_end();
        rows.flat_map(|row| (window.col_off..window.col_end()).map(move |col| pixel(row, col))).collect()
    }
}
